/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file distributions.c
 * Distributions that are drawn by random numbers.
 *
 * The cascades are as hard for a learned index as well-known real sets are, without their gigabytes. All keys lie in
 * one cell, the whole of int64. A cell of n keys is cut into two halves of equal width, and the left one gets the share
 * 0.5 +- d * U(0, 1) of the keys; the halves are cut in turn, down to single keys. Cells of CELL_LARGE keys and more
 * use one d, which makes the set uneven as a whole; smaller ones use another, which makes it uneven where one looks
 * closely. With d = 0 on both scales the keys would be as even as random ones are.
 */
#include "distributions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define CELL_LARGE 4096

/** Keys of a cluster, on average. */
#define CLUSTER_KEYS 1000

/** The d of large and of small cells. */
struct cascade {
    double large;
    double small;
};

static const struct cascade cascade_osm = {0.30, 0.30};
static const struct cascade cascade_genome = {0.06, 0.58};
static const struct cascade cascade_fb = {0.08, 0.48};
static const struct cascade cascade_planet = {0.13, 0.30};
static const struct cascade cascade_covid = {0.03, 0.03};

/** Maps 0 to 2^64 - 1 to int64 in its order. */
static inline int64_t signed_key(uint64_t offset)
{
    return (int64_t)(offset ^ (uint64_t)1 << 63);
}

/** A random number of an exponential distribution, at least 1. */
static uint64_t random_gap(uint64_t *state, double mean)
{
    return 1 + (uint64_t)(-log(random_unit(state)) * mean);
}

/** The byte of a key's place in the order. */
static inline size_t key_byte(int64_t key, unsigned shift)
{
    return ((uint64_t)key ^ (uint64_t)1 << 63) >> shift & 0xff;
}

/* By bytes, the least significant first; passes in which all keys have the same byte are left out. */
void sort_keys(int64_t *keys, uint64_t count)
{
    int64_t *other = allocate(count, sizeof *other);
    int64_t *from = keys;
    int64_t *to = other;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        uint64_t starts[257] = {0};
        for (uint64_t i = 0; i < count; i++) {
            starts[key_byte(from[i], shift) + 1]++;
        }
        if (count == 0 || starts[key_byte(from[0], shift) + 1] == count) {
            continue;
        }
        for (size_t byte = 0; byte < 256; byte++) {
            starts[byte + 1] += starts[byte];
        }
        for (uint64_t i = 0; i < count; i++) {
            to[starts[key_byte(from[i], shift)]++] = from[i];
        }
        int64_t *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != keys) {
        memcpy(keys, from, count * sizeof *keys);
    }
    free(other);
}

void shuffle_keys(int64_t *keys, uint64_t count, uint64_t random_seed)
{
    uint64_t state = mix(random_seed ^ 0x53687566666c65u);
    for (uint64_t i = count; i > 1; i--) {
        uint64_t j = random_below(&state, i);
        int64_t key = keys[i - 1];
        keys[i - 1] = keys[j];
        keys[j] = key;
    }
}

void make_timestamps(const struct dataset *dataset, int64_t *keys)
{
    uint64_t state = mix(dataset->random_seed);
    uint64_t left_in_burst = 0;
    int64_t now = 1700000000000000;
    for (uint64_t i = 0; i < dataset->count; i++) {
        bool pauses = left_in_burst == 0;
        left_in_burst = pauses ? random_gap(&state, 1000) : left_in_burst - 1;
        now += (int64_t)random_gap(&state, pauses ? 1e6 : 50);
        keys[i] = now;
    }
}

void make_pareto(const struct dataset *dataset, int64_t *keys)
{
    uint64_t state = mix(dataset->random_seed);
    int64_t key = 0;
    for (uint64_t i = 0; i < dataset->count; i++) {
        double gap = 1 / random_unit(&state);
        key += gap < 0x1p36 ? (int64_t)gap : (int64_t)1 << 36; /* so that no count of keys passes the end of int64 */
        keys[i] = key;
    }
}

/* Keys that are drawn twice are dropped, and as many drawn again. */
void make_lognormal(const struct dataset *dataset, int64_t *keys)
{
    uint64_t state = mix(dataset->random_seed);
    for (uint64_t distinct = 0; distinct < dataset->count;) {
        for (uint64_t i = distinct; i < dataset->count; i++) {
            double radius = sqrt(-2 * log(random_unit(&state)));
            double normal = radius * cos(6.283185307179586 * random_unit(&state));
            keys[i] = (int64_t)(exp(2 * normal) * 1e9);
        }
        sort_keys(keys, dataset->count);
        distinct = 1;
        for (uint64_t i = 1; i < dataset->count; i++) {
            if (keys[i] != keys[distinct - 1]) {
                keys[distinct++] = keys[i];
            }
        }
    }
}

/** Fills a cell with keys in ascending order. A half never gets more keys than it is wide. */
static void fill_cell(int64_t *keys, uint64_t count, uint64_t low, uint64_t width, const struct cascade *cascade,
                      uint64_t *state)
{
    if (count == 0) {
        return;
    }
    if (count == 1) {
        *keys = signed_key(low + random_next(state) % width);
        return;
    }
    double most = count >= CELL_LARGE ? cascade->large : cascade->small;
    double uneven = (random_unit(state) * 2 - 1) * most;
    /* Rounded up or down at random, or else the rounding of small cells would lean to one side. */
    double share = (double)count * (0.5 + uneven) + random_unit(state);
    uint64_t left = share <= 0 ? 0 : (uint64_t)share;
    uint64_t half = width / 2;
    left = left < count ? left : count;
    left = left < half ? left : half;
    left = count - left > width - half ? count - (width - half) : left;
    fill_cell(keys, left, low, half, cascade, state);
    fill_cell(keys + left, count - left, low + half, width - half, cascade, state);
}

static void make_cascade(const struct dataset *dataset, int64_t *keys, const struct cascade *cascade)
{
    uint64_t state = mix(dataset->random_seed);
    fill_cell(keys, dataset->count, 0, UINT64_MAX, cascade, &state);
}

void make_osm(const struct dataset *dataset, int64_t *keys)
{
    make_cascade(dataset, keys, &cascade_osm);
}

void make_genome(const struct dataset *dataset, int64_t *keys)
{
    make_cascade(dataset, keys, &cascade_genome);
}

void make_fb(const struct dataset *dataset, int64_t *keys)
{
    make_cascade(dataset, keys, &cascade_fb);
}

void make_planet(const struct dataset *dataset, int64_t *keys)
{
    make_cascade(dataset, keys, &cascade_planet);
}

void make_covid(const struct dataset *dataset, int64_t *keys)
{
    make_cascade(dataset, keys, &cascade_covid);
}

/* Each cluster lies somewhere in a part of int64 of its own, so that no two meet. */
void make_clustered(const struct dataset *dataset, int64_t *keys)
{
    uint64_t state = mix(dataset->random_seed);
    uint64_t clusters = dataset->count / CLUSTER_KEYS + 1;
    uint64_t part = UINT64_MAX / clusters;
    uint64_t made = 0;
    for (uint64_t cluster = 0; cluster < clusters; cluster++) {
        uint64_t left = dataset->count - made;
        uint64_t size = cluster + 1 == clusters ? left : random_below(&state, 2 * CLUSTER_KEYS + 1);
        size = size < left ? size : left;
        uint64_t first = cluster * part + random_next(&state) % (part - size);
        for (uint64_t i = 0; i < size; i++) {
            keys[made++] = signed_key(first + i);
        }
    }
}

static void make_dense(const struct dataset *dataset, int64_t *keys, int64_t first)
{
    for (uint64_t i = 0; i < dataset->count; i++) {
        keys[i] = first + (int64_t)i;
    }
}

void make_dense_53(const struct dataset *dataset, int64_t *keys)
{
    make_dense(dataset, keys, (int64_t)1 << 53);
}

void make_dense_58(const struct dataset *dataset, int64_t *keys)
{
    make_dense(dataset, keys, (int64_t)1 << 58);
}

void make_dense_62(const struct dataset *dataset, int64_t *keys)
{
    make_dense(dataset, keys, (int64_t)1 << 62);
}

void make_outlier(const struct dataset *dataset, int64_t *keys)
{
    make_dense(dataset, keys, 0);
    keys[0] = (int64_t)1 << 62; /* the first, so that it is among those loaded */
}
