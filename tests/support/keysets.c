/* SPDX-License-Identifier: Apache-2.0 */
/** @file keysets.c Making the key sets, and reading the real one. */
#include "support/keysets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef SUPPORT_ADDRESSES_FILE
#include <zlib.h>
#endif

/** Parameters of a cascade: the greatest unevenness of cells of CELL_LARGE keys and more, and of smaller ones. */
struct cascade {
    double large;
    double small;
};

#define CELL_LARGE 4096

static const struct cascade cascade_osm = {0.30, 0.30};
static const struct cascade cascade_genome = {0.06, 0.58};
static const struct cascade cascade_facebook = {0.08, 0.48};
static const struct cascade cascade_planet = {0.13, 0.30};
static const struct cascade cascade_covid = {0.03, 0.03};

uint64_t keyset_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/** Uniform in (0, 1). */
static double random_unit(uint64_t *state)
{
    return ((double)(keyset_random(state) >> 12) + 0.5) * 0x1p-52;
}

/** A gap between events that come at random, at least 1. */
static uint64_t random_gap(uint64_t *state, double mean)
{
    return 1 + (uint64_t)(-log(random_unit(state)) * mean);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void keyset_sort(uint64_t *keys, size_t count)
{
    qsort(keys, count, sizeof *keys, compare);
}

void keyset_shuffle(uint64_t *keys, size_t count, uint64_t seed)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)(keyset_random(&seed) % i);
        uint64_t key = keys[i - 1];
        keys[i - 1] = keys[j];
        keys[j] = key;
    }
}

static uint64_t draw_uniform(uint64_t *state)
{
    return keyset_random(state);
}

static uint64_t draw_lognormal(uint64_t *state)
{
    double radius = sqrt(-2 * log(random_unit(state)));
    double normal = radius * cos(6.283185307179586 * random_unit(state));
    return (uint64_t)(exp(2 * normal) * 1e9);
}

/** Draws until there are `count` distinct keys. */
static void make_drawn(uint64_t *keys, size_t count, uint64_t *state, uint64_t (*draw)(uint64_t *))
{
    size_t distinct = 0;
    while (distinct < count) {
        for (size_t i = distinct; i < count; i++) {
            keys[i] = draw(state);
        }
        keyset_sort(keys, count);
        distinct = 1;
        for (size_t i = 1; i < count; i++) {
            if (keys[i] != keys[distinct - 1]) {
                keys[distinct++] = keys[i];
            }
        }
    }
}

static void make_cascade(uint64_t *keys, size_t count, uint64_t low, uint64_t width, const struct cascade *cascade,
                         uint64_t *state)
{
    if (count == 0) {
        return;
    }
    if (count == 1) {
        *keys = low + keyset_random(state) % width;
        return;
    }
    double most = count >= CELL_LARGE ? cascade->large : cascade->small;
    double uneven = (random_unit(state) * 2 - 1) * most;
    double share = (double)count * (0.5 + uneven) + random_unit(state);
    size_t left = share <= 0 ? 0 : (size_t)share;
    uint64_t half = width / 2;
    left = left < count ? left : count;
    left = left < half ? left : (size_t)half;
    left = count - left > width - half ? count - (size_t)(width - half) : left;
    make_cascade(keys, left, low, half, cascade, state);
    make_cascade(keys + left, count - left, low + half, width - half, cascade, state);
}

static void make_gaps(uint64_t *keys, size_t count, uint64_t *state, bool bursts)
{
    uint64_t key = UINT64_C(1700000000000000);
    uint64_t left_in_burst = 0;
    for (size_t i = 0; i < count; i++) {
        if (!bursts) {
            double gap = 1 / random_unit(state);
            key += gap < 0x1p40 ? (uint64_t)gap : UINT64_C(1) << 40;
        } else if (left_in_burst == 0) {
            left_in_burst = random_gap(state, 1000);
            key += random_gap(state, 1e6);
        } else {
            left_in_burst--;
            key += random_gap(state, 50);
        }
        keys[i] = key;
    }
}

static void make_counting(uint64_t *keys, size_t count, uint64_t first, size_t counters)
{
    for (size_t i = 0; i < count; i++) {
        keys[i] = first + (uint64_t)(i % counters) * (UINT64_C(1) << 60) + i / counters;
    }
}

/** What the name and the shuffling of a set are. */
static const struct {
    const char *name;
    bool shuffled;
    const struct cascade *cascade;
} sets[KEYSETS] = {
    [KEYSET_UNIFORM] = {"uniform", true, NULL},
    [KEYSET_SEQUENTIAL] = {"sequential", false, NULL},
    [KEYSET_REVERSE] = {"reverse", false, NULL},
    [KEYSET_TIMESTAMPS] = {"timestamps", false, NULL},
    [KEYSET_LOGNORMAL] = {"lognormal", true, NULL},
    [KEYSET_PARETO] = {"pareto", true, NULL},
    [KEYSET_OSM] = {"osm", true, &cascade_osm},
    [KEYSET_GENOME] = {"genome", true, &cascade_genome},
    [KEYSET_FACEBOOK] = {"facebook", true, &cascade_facebook},
    [KEYSET_PLANET] = {"planet", true, &cascade_planet},
    [KEYSET_COVID] = {"covid", true, &cascade_covid},
    [KEYSET_DENSE_53] = {"dense at 2^53", true, NULL},
    [KEYSET_DENSE_58] = {"dense at 2^58", true, NULL},
    [KEYSET_DENSE_62] = {"dense at 2^62", true, NULL},
    [KEYSET_DENSE_AND_FAR] = {"dense and one far", true, NULL},
    [KEYSET_COUNTERS] = {"16 counters", false, NULL},
};

const char *keyset_name(enum keyset set)
{
    return sets[set].name;
}

void keyset_make(enum keyset set, uint64_t *keys, size_t count, uint64_t seed)
{
    uint64_t state = seed;
    if (count == 0) {
        return;
    }
    switch (set) {
    case KEYSET_UNIFORM:
        make_drawn(keys, count, &state, draw_uniform);
        break;
    case KEYSET_LOGNORMAL:
        make_drawn(keys, count, &state, draw_lognormal);
        break;
    case KEYSET_TIMESTAMPS:
    case KEYSET_PARETO:
        make_gaps(keys, count, &state, set == KEYSET_TIMESTAMPS);
        break;
    case KEYSET_SEQUENTIAL:
    case KEYSET_REVERSE:
        make_counting(keys, count, UINT64_C(1) << 63, 1);
        for (size_t i = 0; set == KEYSET_REVERSE && i < count; i++) {
            keys[i] = (UINT64_C(1) << 63) - i;
        }
        break;
    case KEYSET_DENSE_53:
        make_counting(keys, count, UINT64_C(1) << 53, 1);
        break;
    case KEYSET_DENSE_58:
        make_counting(keys, count, UINT64_C(1) << 58, 1);
        break;
    case KEYSET_DENSE_62:
        make_counting(keys, count, UINT64_C(1) << 62, 1);
        break;
    case KEYSET_DENSE_AND_FAR:
        make_counting(keys, count, 0, 1);
        keys[count - 1] = UINT64_C(1) << 62;
        break;
    case KEYSET_COUNTERS:
        make_counting(keys, count, 1000, 16);
        break;
    default:
        make_cascade(keys, count, 0, UINT64_MAX, sets[set].cascade, &state);
        break;
    }
    if (sets[set].shuffled) {
        keyset_shuffle(keys, count, seed + 1);
    }
}

size_t keyset_zipf(uint64_t *state, size_t count)
{
    /* Hörmann and Derflinger, Rejection-inversion to generate variates from monotone discrete distributions, 1996:
     * ranks count from 1, the hat is 1 / x, and its integral the logarithm. */
    double low = log(1.5) - 1;
    double high = log((double)count + 0.5);
    for (;;) {
        double drawn = low + random_unit(state) * (high - low);
        double rank = fmax(1, round(exp(drawn)));
        if (rank <= (double)count && drawn >= log(rank + 0.5) - 1 / rank) {
            return (size_t)rank - 1;
        }
    }
}

#ifdef SUPPORT_ADDRESSES_FILE

/** Different addresses in the file, as data/README.md has it. */
#define ADDRESSES 334294

bool keyset_has_addresses(void)
{
    return access(SUPPORT_ADDRESSES_FILE, R_OK) == 0;
}

bool keyset_read_addresses(uint64_t *keys, size_t count, uint64_t seed)
{
    gzFile file = gzopen(SUPPORT_ADDRESSES_FILE, "rb");
    if (file == NULL) {
        return false;
    }
    uint64_t state = seed;
    size_t distinct = count < ADDRESSES ? count : ADDRESSES;
    size_t start = (size_t)(keyset_random(&state) % (ADDRESSES - distinct + 1));
    size_t read = 0;
    uint64_t previous = 0;
    char line[128];
    while (gzgets(file, line, sizeof line) != NULL) {
        uint64_t key = strtoull(line, NULL, 10);
        if (read > 0 && key == previous) {
            continue;
        }
        if (read >= start && read - start < distinct) {
            keys[read - start] = key;
        }
        previous = key;
        read++;
    }
    gzclose(file);
    for (size_t i = distinct; i < count; i++) {
        keys[i] = keys[i - distinct] + (UINT64_C(1) << 32);
    }
    keyset_shuffle(keys, count, seed + 1);
    return read == ADDRESSES;
}

#else

bool keyset_has_addresses(void)
{
    return false;
}

bool keyset_read_addresses(uint64_t *keys, size_t count, uint64_t seed)
{
    (void)seed;
    memset(keys, 0, count * sizeof *keys);
    return false;
}

#endif
