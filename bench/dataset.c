/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dataset.c
 * Key distributions, and values derived from key and version.
 */
#include "dataset.h"

#include <string.h>

#include "support.h"

static int64_t uniform_key(uint64_t random_seed, uint64_t index)
{
    /* mix() is a bijection, so no two indexes meet. */
    return (int64_t)mix(index + mix(random_seed));
}

static int64_t sequential_key(uint64_t random_seed, uint64_t index)
{
    (void)random_seed;
    return (int64_t)index;
}

static int64_t reverse_key(uint64_t random_seed, uint64_t index)
{
    (void)random_seed;
    return -(int64_t)index;
}

const struct distribution distributions[] = {
    {"uniform", "random over the whole of int64, loaded in random order", uniform_key},
    {"sequential", "0, 1, 2, ... loaded in ascending order", sequential_key},
    {"reverse", "0, -1, -2, ... loaded in descending order", reverse_key},
};
const size_t distribution_count = sizeof distributions / sizeof *distributions;

/** What a value's size and words come from. */
static inline uint64_t value_origin(int64_t key, uint32_t version)
{
    return mix((uint64_t)key ^ ((uint64_t)version << 32 | 0x9e3779b9u));
}

static inline size_t value_size(const struct dataset *dataset, uint64_t origin)
{
    uint64_t choices = (uint64_t)dataset->value_max - dataset->value_min + 1;
    return dataset->value_min + (size_t)((origin >> 32) * choices >> 32);
}

/** The words don't depend on each other, so that the compiler makes several at a time; nor does a codec find anything
 *  in them to compress. */
static inline uint64_t value_word(uint64_t origin, size_t index)
{
    uint64_t word = origin + (index + 1) * 0x9e3779b97f4a7c15u;
    return word ^ (word >> 29);
}

size_t dataset_value(const struct dataset *dataset, int64_t key, uint32_t version, void *buffer)
{
    uint64_t origin = value_origin(key, version);
    size_t size = value_size(dataset, origin);
    unsigned char *bytes = buffer;
    for (size_t i = 0; i < (size + 7) / 8; i++) {
        uint64_t word = value_word(origin, i);
        memcpy(bytes + i * 8, &word, 8);
    }
    return size;
}

bool dataset_value_is(const struct dataset *dataset, int64_t key, uint32_t version, const void *value, size_t size)
{
    uint64_t origin = value_origin(key, version);
    if (size != value_size(dataset, origin)) {
        return false;
    }
    const unsigned char *bytes = value;
    uint64_t difference = 0;
    size_t words = size / 8;
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, bytes + i * 8, 8);
        difference |= word ^ value_word(origin, i);
    }
    uint64_t last = value_word(origin, words);
    return difference == 0 && memcmp(bytes + words * 8, &last, size % 8) == 0;
}

uint64_t entry_checksum(int64_t key, const void *value, size_t size)
{
    const unsigned char *bytes = value;
    uint64_t sum = mix((uint64_t)key) + size;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, size - i < 8 ? size - i : 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 32;
    }
    return mix(sum);
}
