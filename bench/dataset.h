/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dataset.h
 * The keys and values of a benchmark: the i-th key of a distribution, and a key's value in each of its versions. Values
 * are computed, so every one that is read can be compared byte for byte. So are the keys of most distributions; those
 * whose keys depend on each other are made in memory by dataset_prepare(), 8 bytes a key.
 */
#ifndef BENCH_DATASET_H
#define BENCH_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of the path of a file of keys, with its terminating zero. */
#define DATASET_PATH_BYTES 4096

/** Keys that a distribution made in memory may have. */
#define DATASET_MADE_KEYS_MAX 100000000u

struct dataset;

/** What order keys are used in that were made in memory. */
enum dataset_order {
    ORDER_MADE,   /**< as they were made */
    ORDER_RANDOM, /**< a random one: those loaded are a random choice of all */
    ORDER_APART,  /**< the first ones are loaded, in a random order, and the others follow in one */
};

/** A way to lay keys out. */
struct distribution {
    const char *name;
    const char *summary;
    /** The key of any index from 0 up; different indexes give different keys. NULL: keys are made in memory. */
    int64_t (*key)(const struct dataset *dataset, uint64_t index);
    /** Fills `keys` with as many distinct ones as dataset->count says. NULL: keys are computed. */
    void (*make)(const struct dataset *dataset, int64_t *keys);
    enum dataset_order order;
    bool from_file; /**< its name is followed by the path of a file */
};

extern const struct distribution distributions[];
extern const size_t distribution_count;

/** Which keys and values a run uses. Plain data: it is sent to the process that runs, where it is then prepared. */
struct dataset {
    uint32_t distribution; /**< index into distributions[] */
    uint32_t value_min;    /**< bytes */
    uint32_t value_max;    /**< bytes */
    uint64_t random_seed;
    uint64_t loaded;               /**< keys that a store begins with: those of the indexes below */
    uint64_t count;                /**< keys that may be asked for: those loaded, and the new and the absent ones */
    char path[DATASET_PATH_BYTES]; /**< of the file of keys, where the distribution has one */
    int64_t *table;                /**< keys made in memory, by index; NULL while it is being sent, or where computed */
};

/** Makes the keys in memory where they can't be computed. The same parameters give the same keys. */
void dataset_prepare(struct dataset *dataset);
void dataset_release(struct dataset *dataset);

/** Fails unless the file of keys, if the distribution has one, holds dataset->count distinct keys. */
void dataset_check_file(const struct dataset *dataset);

/** The name of the distribution with the file's path, if it has one, for free(). */
char *dataset_distribution_text(const struct dataset *dataset);

/** The `index`-th key. Keys are loaded in the order of their indexes, so those from the number loaded up are absent. */
static inline int64_t dataset_key(const struct dataset *dataset, uint64_t index)
{
    return dataset->table != NULL ? dataset->table[index] : distributions[dataset->distribution].key(dataset, index);
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
