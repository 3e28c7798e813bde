/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file slots.c
 * Lookups in an array as large as an index by how keys and payloads lie in it, by how far off a prediction is, and by
 * how the search goes on from there.
 *
 * The array is nodes of the index's greatest size, without headers and inner nodes: what is timed is the last node of
 * a way down. A layout is four distances, so that all are read by the same code. Of 8 slots 5 have a key, so that a key
 * takes 25.6 bytes as in the index; the gaps behind a block's keys have a key between them and the next block's.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "../measure.h"
#include "remap.h"

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/** A node has 1,023 blocks of 8 slots, or twice as many of 4; all of its nodes are full. */
#define NODE_SLOTS 8184u
#define NODE_WORDS ((size_t)2 * NODE_SLOTS)
#define NODE_KEYS ((uint64_t)1023 * 5)

/** What is compiled for a processor that can compare four keys at a time. */
#if defined(__x86_64__)
#include <immintrin.h>
#define SEARCH static __attribute__((target("avx2,popcnt")))
#else
#define SEARCH static
#endif

/** Compiled once for each layout and search, which are constants there. */
#define INNER inline __attribute__((always_inline))

/** Lookups that are made together, as in the index. */
#define GROUP 16u

/** All but the first in words. A key's payload is as far from it in all slots. */
struct slot_layout {
    uint32_t slots;       /**< of a block: those whose keys are compared at once */
    uint32_t block_words; /**< from a block's first key to the next block's */
    uint32_t slot_words;  /**< from a key to the next in its block */
    uint32_t payload;     /**< from a key to its payload */
    uint32_t other_line;  /**< from a block's first key to the second cache line that its slots lie in; 0 if none */
};

static const struct slot_layout layouts[SLOT_LAYOUTS] = {
    [SLOT_LAYOUT_BLOCKS] = {8, 16, 1, 8, 8},
    [SLOT_LAYOUT_PAIRS_8] = {8, 16, 2, 1, 8},
    [SLOT_LAYOUT_PAIRS_4] = {4, 8, 2, 1, 0},
    [SLOT_LAYOUT_ARRAYS] = {8, 8, 1, NODE_SLOTS, NODE_SLOTS},
};

/** How the block is found when it is not the predicted one. */
struct slot_search {
    uint32_t growth; /**< of each step outwards; 0: none, the range is all of the node */
    uint32_t parts;  /**< that a range is cut into at once */
};

static const struct slot_search searches[SLOT_SEARCHES] = {
    [SLOT_SEARCH_STEPS] = {4, 8},
    [SLOT_SEARCH_DOUBLING] = {2, 2},
    [SLOT_SEARCH_BISECTION] = {0, 2},
    [SLOT_SEARCH_LINEAR] = {1, 2},
};

struct slot_array {
    enum slot_layout_name name; /**< of the layout */
    uint64_t nodes;
    uint64_t *words;
};

/** A lookup to be done: chosen, and its block predicted, before the clock starts. */
struct query {
    uint64_t key;
    uint32_t node;
    uint32_t predicted;
};

/** Far enough apart for a gap's key; positive as int64 too, as processors compare. */
static inline uint64_t key_of(uint64_t number)
{
    return (number + 1) * 2;
}

/** Never has its highest bit set. */
static inline uint64_t payload_of(uint64_t number)
{
    return mix(number) >> 1;
}

/** The slot of a node's key: of 8 slots the first 5 or, where blocks have 4, the first 3 and the first 2. */
static uint32_t slot_of(const struct slot_layout *layout, uint32_t key)
{
    uint32_t slot = key % 5;
    return key / 5 * 8 + slot + (layout->slots == 4 && slot >= 3 ? 1 : 0);
}

/** Where a slot's key lies in its node. */
static size_t word_of(const struct slot_layout *layout, uint32_t slot)
{
    return (size_t)slot / layout->slots * layout->block_words + (size_t)slot % layout->slots * layout->slot_words;
}

bool slots_can_run(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
#else
    return true;
#endif
}

struct slot_array *slot_array_create(enum slot_layout_name name, uint64_t keys)
{
    const struct slot_layout *layout = &layouts[name];
    struct slot_array *array = allocate(1, sizeof *array);
    array->name = name;
    array->nodes = (keys + NODE_KEYS - 1) / NODE_KEYS;
    size_t bytes = array->nodes * NODE_WORDS * sizeof *array->words;
    bytes = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    array->words = aligned_alloc(HUGE_PAGE_BYTES, bytes);
    if (array->words == NULL) {
        fail("out of memory for %zu bytes of slots", bytes);
    }
    (void)madvise(array->words, bytes, MADV_HUGEPAGE);
    for (uint64_t node = 0; node < array->nodes; node++) {
        uint64_t *words = array->words + node * NODE_WORDS;
        uint64_t number = node * NODE_KEYS;
        for (uint32_t slot = 0; slot < NODE_SLOTS; slot++) {
            size_t word = word_of(layout, slot);
            bool gap = number == (node + 1) * NODE_KEYS || slot_of(layout, (uint32_t)(number % NODE_KEYS)) != slot;
            words[word] = gap ? key_of(number) - 1 : key_of(number);
            words[word + layout->payload] = gap ? 0 : payload_of(number);
            number += gap ? 0 : 1;
        }
    }
    return array;
}

void slot_array_destroy(struct slot_array *array)
{
    free(array->words);
    free(array);
}

SEARCH INNER const uint64_t *block_at(const struct slot_layout *layout, const uint64_t *node, uint32_t block)
{
    return node + (size_t)block * layout->block_words;
}

/** How many of a block's keys are at most `key`. */
SEARCH INNER uint32_t count_at_most(const struct slot_layout *layout, const uint64_t *block, uint64_t key)
{
#if defined(__x86_64__)
    uint32_t words = layout->slots * layout->slot_words;
    uint32_t keys = (layout->slot_words == 1 ? 0xFFFFu : 0x5555u) & ((1u << words) - 1);
    uint32_t greater = 0;
    for (uint32_t at = 0; at < words; at += 4) {
        __m256i four = _mm256_load_si256((const __m256i *)(const void *)(block + at));
        __m256i compared = _mm256_cmpgt_epi64(four, _mm256_set1_epi64x((int64_t)key));
        greater |= (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(compared)) << at;
    }
    return layout->slots - (uint32_t)__builtin_popcount(greater & keys);
#else
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < layout->slots; slot++) {
        count += block[(size_t)slot * layout->slot_words] <= key;
    }
    return count;
#endif
}

/** The last block in [low, high) whose first key is at most `key`, given that `low` is such a block. */
SEARCH INNER uint32_t narrow(const struct slot_layout *layout, uint32_t parts, const uint64_t *node, uint64_t key,
                             uint32_t low, uint32_t high)
{
    while (high - low > 1) {
        uint32_t part = (high - low + parts - 1) / parts;
        uint32_t passed = 0;
        for (uint32_t i = 1; i < parts; i++) {
            uint32_t probe = low + i * part;
            passed += probe < high && *block_at(layout, node, probe < high ? probe : low) <= key;
        }
        low += passed * part;
        high = low + part < high ? low + part : high;
    }
    return low;
}

/** The last block whose first key is at most `key`; there is one. */
SEARCH INNER uint32_t find_block(const struct slot_layout *layout, const struct slot_search *search,
                                 const uint64_t *node, uint64_t key, uint32_t block, bool to_the_right)
{
    uint32_t blocks = NODE_SLOTS / layout->slots;
    if (search->growth == 0) {
        return narrow(layout, search->parts, node, key, 0, blocks);
    }
    for (uint32_t step = 1;; step *= search->growth) {
        if (to_the_right) {
            uint32_t next = step < blocks - block ? block + step : blocks;
            if (next == blocks || *block_at(layout, node, next) > key) {
                return narrow(layout, search->parts, node, key, block, next);
            }
            block = next;
        } else {
            uint32_t next = step < block ? block - step : 0;
            if (*block_at(layout, node, next) <= key) {
                return narrow(layout, search->parts, node, key, next, block);
            }
            block = next;
        }
    }
}

SEARCH INNER void prefetch(const struct slot_layout *layout, const uint64_t *node, uint32_t predicted)
{
    const uint64_t *block = block_at(layout, node, predicted);
    __builtin_prefetch(block);
    if (layout->other_line > 0) {
        __builtin_prefetch(block + layout->other_line);
    }
}

/** The payload of a key that is in the node. */
SEARCH INNER uint64_t find(const struct slot_layout *layout, const struct slot_search *search, const uint64_t *node,
                           uint32_t predicted, uint64_t key)
{
    const uint64_t *block = block_at(layout, node, predicted);
    uint32_t count = count_at_most(layout, block, key);
    if (count == 0 || count == layout->slots) {
        block = block_at(layout, node, find_block(layout, search, node, key, predicted, count > 0));
        count = count_at_most(layout, block, key);
    }
    return block[(size_t)(count - 1) * layout->slot_words + layout->payload];
}

/** @return the sum of the payloads found */
SEARCH INNER uint64_t find_all(const struct slot_layout *layout, const struct slot_search *search,
                               const struct slot_array *array, const struct query *queries, uint64_t lookups,
                               bool together)
{
    uint64_t sum = 0;
    if (!together) {
        uint64_t last = 0;
        for (uint64_t i = 0; i < lookups; i++) {
            /* Adds 0, but where the node lies isn't known before the last lookup has ended. */
            const uint64_t *node = array->words + queries[i].node * NODE_WORDS + (last >> 63);
            prefetch(layout, node, queries[i].predicted);
            last = find(layout, search, node, queries[i].predicted, queries[i].key);
            sum += last;
        }
        return sum;
    }
    for (uint64_t begin = 0; begin < lookups; begin += GROUP) {
        uint64_t end = lookups - begin < GROUP ? lookups : begin + GROUP;
        for (uint64_t i = begin; i < end; i++) {
            prefetch(layout, array->words + queries[i].node * NODE_WORDS, queries[i].predicted);
        }
        for (uint64_t i = begin; i < end; i++) {
            const uint64_t *node = array->words + queries[i].node * NODE_WORDS;
            sum += find(layout, search, node, queries[i].predicted, queries[i].key);
        }
    }
    return sum;
}

/** A loop for each search, so that none asks which it is. */
SEARCH INNER uint64_t find_all_by(const struct slot_layout *layout, enum slot_search_name search,
                                  const struct slot_array *array, const struct query *queries, uint64_t lookups,
                                  bool together)
{
    switch (search) {
    case SLOT_SEARCH_STEPS:
        return find_all(layout, &searches[SLOT_SEARCH_STEPS], array, queries, lookups, together);
    case SLOT_SEARCH_DOUBLING:
        return find_all(layout, &searches[SLOT_SEARCH_DOUBLING], array, queries, lookups, together);
    case SLOT_SEARCH_BISECTION:
        return find_all(layout, &searches[SLOT_SEARCH_BISECTION], array, queries, lookups, together);
    default:
        return find_all(layout, &searches[SLOT_SEARCH_LINEAR], array, queries, lookups, together);
    }
}

/** And one for each layout. */
SEARCH uint64_t find_all_in(const struct slot_array *array, enum slot_search_name search, const struct query *queries,
                            uint64_t lookups, bool together)
{
    switch (array->name) {
    case SLOT_LAYOUT_BLOCKS:
        return find_all_by(&layouts[SLOT_LAYOUT_BLOCKS], search, array, queries, lookups, together);
    case SLOT_LAYOUT_PAIRS_8:
        return find_all_by(&layouts[SLOT_LAYOUT_PAIRS_8], search, array, queries, lookups, together);
    case SLOT_LAYOUT_PAIRS_4:
        return find_all_by(&layouts[SLOT_LAYOUT_PAIRS_4], search, array, queries, lookups, together);
    default:
        return find_all_by(&layouts[SLOT_LAYOUT_ARRAYS], search, array, queries, lookups, together);
    }
}

double slots_run(const struct slot_array *array, const struct slot_case *slot_case, bool together, uint64_t lookups,
                 uint64_t random)
{
    const struct slot_layout *layout = &layouts[array->name];
    struct query *queries = allocate(lookups, sizeof *queries);
    uint64_t expected = 0;
    for (uint64_t i = 0; i < lookups; i++) {
        uint64_t number = random_below(&random, array->nodes * NODE_KEYS);
        uint32_t off = (uint32_t)random_below(&random, 2 * (uint64_t)slot_case->off_max + 1);
        uint32_t slot = slot_of(layout, (uint32_t)(number % NODE_KEYS)) + off;
        slot = slot < slot_case->off_max ? 0 : slot - slot_case->off_max;
        slot = slot < NODE_SLOTS ? slot : NODE_SLOTS - 1;
        queries[i] = (struct query){key_of(number), (uint32_t)(number / NODE_KEYS), slot / layout->slots};
        expected += payload_of(number);
    }
    uint64_t begin = now_ns();
    uint64_t sum = find_all_in(array, slot_case->search, queries, lookups, together);
    double ns = (double)(now_ns() - begin) / (double)lookups;
    if (sum != expected) {
        fail("payloads found in the slots are not those that were put there");
    }
    free(queries);
    return ns;
}
