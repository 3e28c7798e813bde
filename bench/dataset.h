/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dataset.h
 * The keys and values of a benchmark, computed rather than stored: the i-th key of a distribution, and a key's value in
 * each of its versions. So every value read can be compared byte for byte, and the harness takes hardly any cache.
 */
#ifndef BENCH_DATASET_H
#define BENCH_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A way to lay keys out. */
struct distribution {
    const char *name;
    const char *summary;
    /** The key of any index from 0 up; different indexes give different keys. */
    int64_t (*key)(uint64_t random_seed, uint64_t index);
};

extern const struct distribution distributions[];
extern const size_t distribution_count;

/** Which keys and values a run uses. Plain data: it is sent to the process that runs. */
struct dataset {
    uint32_t distribution; /**< index into distributions[] */
    uint32_t value_min;    /**< bytes */
    uint32_t value_max;    /**< bytes */
    uint64_t random_seed;
};

/** The `index`-th key. Keys are loaded in the order of their indexes, so those from the number loaded up are absent. */
static inline int64_t dataset_key(const struct dataset *dataset, uint64_t index)
{
    return distributions[dataset->distribution].key(dataset->random_seed, index);
}

/** Bytes that a buffer for values must have: values are made in whole words. */
static inline size_t dataset_buffer_bytes(const struct dataset *dataset)
{
    return ((size_t)dataset->value_max + 7) / 8 * 8 + 8;
}

/** Writes the value of a key's `version` (0: the one loaded) to `buffer`. @return its size in bytes */
size_t dataset_value(const struct dataset *dataset, int64_t key, uint32_t version, void *buffer);

/** Tells whether `size` bytes at `value` are the value of the key's `version`. */
bool dataset_value_is(const struct dataset *dataset, int64_t key, uint32_t version, const void *value, size_t size);

/** A checksum over a key and all of its value, for sums over entries in any order. */
uint64_t entry_checksum(int64_t key, const void *value, size_t size);

#endif /* BENCH_DATASET_H */
