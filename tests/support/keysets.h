/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keysets.h
 * Key sets that are easy and hard for learned indexes, the same in every run, and a skewed way to choose from them.
 *
 * The five "cascade" sets are made to be as hard as well-known real ones: a cell of n keys is cut in two halves of
 * equal width, of which the left one gets a fraction 0.5 ± d * U(0, 1) of the keys, with one d for large cells and
 * another for small ones.
 */
#ifndef SUPPORT_KEYSETS_H
#define SUPPORT_KEYSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum keyset {
    KEYSET_UNIFORM,
    KEYSET_SEQUENTIAL,
    KEYSET_REVERSE,
    KEYSET_TIMESTAMPS, /**< microseconds, in order: bursts of about a thousand, then pauses */
    KEYSET_LOGNORMAL,
    KEYSET_PARETO, /**< gaps of no finite mean */
    KEYSET_OSM,
    KEYSET_GENOME,
    KEYSET_FACEBOOK,
    KEYSET_PLANET,
    KEYSET_COVID,
    KEYSET_DENSE_53, /**< consecutive keys from 2^53 on, shuffled, as are the next two */
    KEYSET_DENSE_58,
    KEYSET_DENSE_62,
    KEYSET_DENSE_AND_FAR, /**< consecutive keys and one at 2^62 */
    KEYSET_COUNTERS,      /**< 16 counters far apart, counting in turn */
    KEYSETS,
};

/** The set's name, such as "uniform". */
const char *keyset_name(enum keyset set);

/** Fills `keys` with `count` distinct keys, in the order in which they arrive. */
void keyset_make(enum keyset set, uint64_t *keys, size_t count, uint64_t seed);

/** Whether the real set below can be read: the tests were built with zlib, and the file is there. */
bool keyset_has_addresses(void);

/**
 * Fills `keys` with `count` neighbours among the addresses at which the ranges of data/ipv4-country.csv.gz begin, in
 * random order; `seed` says which. Beyond their number it goes on with copies of all of them 2^32 apart.
 *
 * @return whether the file is whole
 */
bool keyset_read_addresses(uint64_t *keys, size_t count, uint64_t seed);

/** Draws a rank from 0 to `count` - 1 by Zipf's law: rank r is drawn in proportion to 1 / (r + 1). */
size_t keyset_zipf(uint64_t *state, size_t count);

/** Sorts ascending. */
void keyset_sort(uint64_t *keys, size_t count);

/** Puts keys in random order. */
void keyset_shuffle(uint64_t *keys, size_t count, uint64_t seed);

/** The next of a sequence of random numbers, whose state is one number (splitmix64). */
uint64_t keyset_random(uint64_t *state);

#endif /* SUPPORT_KEYSETS_H */
