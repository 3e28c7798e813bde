/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dataset.c
 * Key distributions, and values derived from key and version.
 */
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

#include "distributions.h"
#include "support.h"

/** Counters that count in turn. */
#define COUNTERS 16

static int64_t uniform_key(const struct dataset *dataset, uint64_t index)
{
    /* mix() is a bijection, so no two indexes meet. */
    return (int64_t)mix(index + mix(dataset->random_seed));
}

static int64_t sequential_key(const struct dataset *dataset, uint64_t index)
{
    (void)dataset;
    return (int64_t)index;
}

static int64_t reverse_key(const struct dataset *dataset, uint64_t index)
{
    (void)dataset;
    return -(int64_t)index;
}

/* Each counter has a sixteenth of int64 and begins somewhere in the lower half of it. */
static int64_t counter_key(const struct dataset *dataset, uint64_t index)
{
    uint64_t counter = index % COUNTERS;
    uint64_t first = (counter << 60) + (mix(dataset->random_seed + counter) >> 5);
    return (int64_t)((first + index / COUNTERS) ^ (uint64_t)1 << 63);
}

/* Of the two below, the new keys may in theory meet one of those loaded; with a million of each the chance is 2^-24,
 * and the check of the contents would tell. */
static int64_t then_dense_key(const struct dataset *dataset, uint64_t index)
{
    uint64_t first = mix(dataset->random_seed) >> 2;
    return index < dataset->loaded ? uniform_key(dataset, index) : (int64_t)(first + (index - dataset->loaded));
}

static int64_t then_counters_key(const struct dataset *dataset, uint64_t index)
{
    return index < dataset->loaded ? uniform_key(dataset, index) : counter_key(dataset, index - dataset->loaded);
}

/* clang-format off */
const struct distribution distributions[] = {
    {"uniform", "random over the whole of int64, loaded in random order", uniform_key, NULL, ORDER_MADE, false},
    {"sequential", "0, 1, 2, ... loaded in ascending order", sequential_key, NULL, ORDER_MADE, false},
    {"reverse", "0, -1, -2, ... loaded in descending order", reverse_key, NULL, ORDER_MADE, false},
    {"timestamps", "microseconds, in order: bursts of about a thousand some 50 apart, then a pause of about a second",
     NULL, make_timestamps, ORDER_MADE, false},
    {"lognormal", "1e9 times exp(2 * normal), in random order", NULL, make_lognormal, ORDER_RANDOM, false},
    {"pareto", "gaps of a Pareto distribution with alpha 1, which have no mean, in random order",
     NULL, make_pareto, ORDER_RANDOM, false},
    {"osm", "a cascade as uneven as cell ids of places, on both scales, in random order",
     NULL, make_osm, ORDER_RANDOM, false},
    {"genome", "a cascade as uneven as positions in a genome, mostly in the small, in random order",
     NULL, make_genome, ORDER_RANDOM, false},
    {"fb", "a cascade as uneven as user ids of a social network, mostly in the small, in random order",
     NULL, make_fb, ORDER_RANDOM, false},
    {"planet", "a cascade as uneven as cell ids of a planet's map, in random order",
     NULL, make_planet, ORDER_RANDOM, false},
    {"covid", "a cascade nearly as even as random numbers, like message ids, in random order",
     NULL, make_covid, ORDER_RANDOM, false},
    {"counters", "16 counters that begin far apart and count in turn, in that order",
     counter_key, NULL, ORDER_MADE, false},
    {"ipv4", "first addresses of data/ipv4-country.csv.gz, in random order; above 334,294 keys also copies 2^32 apart",
     NULL, make_ipv4, ORDER_MADE, false},
    {"clustered", "runs of some 1,000 consecutive keys, far apart, of which a random choice is loaded",
     NULL, make_clustered, ORDER_RANDOM, false},
    {"dense_53", "consecutive from 2^53 on, in random order", NULL, make_dense_53, ORDER_APART, false},
    {"dense_58", "consecutive from 2^58 on, in random order", NULL, make_dense_58, ORDER_APART, false},
    {"dense_62", "consecutive from 2^62 on, in random order", NULL, make_dense_62, ORDER_APART, false},
    {"outlier", "consecutive from 0 on, and 2^62, in random order", NULL, make_outlier, ORDER_APART, false},
    {"uniform_dense", "uniform ones are loaded; new and absent keys are consecutive",
     then_dense_key, NULL, ORDER_MADE, false},
    {"uniform_counters", "uniform ones are loaded; new and absent keys are those of counters",
     then_counters_key, NULL, ORDER_MADE, false},
    {"file", "file:PATH: a decimal int64 a line, plain or gzip, in the file's order",
     NULL, make_from_file, ORDER_MADE, true},
};
/* clang-format on */
const size_t distribution_count = sizeof distributions / sizeof *distributions;

void dataset_prepare(struct dataset *dataset)
{
    const struct distribution *distribution = &distributions[dataset->distribution];
    if (distribution->make == NULL) {
        return;
    }
    dataset->table = allocate(dataset->count, sizeof *dataset->table);
    distribution->make(dataset, dataset->table);
    uint64_t first = distribution->order == ORDER_MADE     ? 0
                     : distribution->order == ORDER_RANDOM ? dataset->count
                                                           : dataset->loaded;
    shuffle_keys(dataset->table, first, dataset->random_seed);
    if (distribution->order == ORDER_APART) {
        shuffle_keys(dataset->table + first, dataset->count - first, dataset->random_seed);
    }
}

void dataset_release(struct dataset *dataset)
{
    free(dataset->table);
    dataset->table = NULL;
}

char *dataset_distribution_text(const struct dataset *dataset)
{
    const struct distribution *distribution = &distributions[dataset->distribution];
    return text("%s%s%s", distribution->name, distribution->from_file ? ":" : "", dataset->path);
}

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

/** What a value's words count up by before they are mixed. */
#define VALUE_STEP 0x9e3779b97f4a7c15u

/** The words don't depend on each other, so that the compiler makes several at a time; nor does a codec find anything
 *  in them to compress. */
static inline uint64_t value_word(uint64_t origin, size_t index)
{
    uint64_t word = origin + (index + 1) * VALUE_STEP;
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

/** Words that are compared at once. */
#define VECTOR_WORDS 4
typedef uint64_t vector __attribute__((vector_size(VECTOR_WORDS * sizeof(uint64_t))));

/* Compared with AVX2 where there is: the harness should take as little as may be of what is timed. */
#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default")))
#endif
bool dataset_value_is(const struct dataset *dataset, int64_t key,
                                                                        uint32_t version, const void *value,
                                                                        size_t size)
{
    uint64_t origin = value_origin(key, version);
    if (size != value_size(dataset, origin)) {
        return false;
    }
    const unsigned char *bytes = value;
    size_t words = size / 8;
    size_t done = 0;
    vector sums = {VALUE_STEP, 2 * VALUE_STEP, 3 * VALUE_STEP, 4 * VALUE_STEP};
    vector differences = {0};
    for (sums += origin; done + VECTOR_WORDS <= words; done += VECTOR_WORDS, sums += VECTOR_WORDS * VALUE_STEP) {
        vector found;
        memcpy(&found, bytes + done * 8, sizeof found);
        differences |= found ^ sums ^ (sums >> 29);
    }
    uint64_t difference = differences[0] | differences[1] | differences[2] | differences[3];
    for (; done < words; done++) {
        uint64_t word;
        memcpy(&word, bytes + done * 8, 8);
        difference |= word ^ value_word(origin, done);
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
