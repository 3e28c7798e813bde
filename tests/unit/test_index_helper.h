/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_helper.h What the tests of the index share: an index to work on, and sizes. */
#ifndef TEST_INDEX_HELPER_H
#define TEST_INDEX_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "index/tree.h"
#include "support/keysets.h"

/** Keys of the large tests. Sanitizers and the checks of debug builds, which read the whole index after each change of
 * its structure, are slow. */
#if defined(BASE_SANITIZED) || defined(ALEX_DEBUG) || defined(ALEX_COVERAGE)
#define LARGE_KEYS ((size_t)60000)
#else
#define LARGE_KEYS ((size_t)1000000)
#endif

struct fixture {
    struct index_pool *pool;
    struct index *index;
};

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(ALEX_OK, index_pool_create(NULL, &fixture->pool));
    assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    *state = fixture;
    return 0;
}

#define ASSERT_INDEX_VALID(index)                 \
    do {                                          \
        const char *wrong_ = index_verify(index); \
        if (wrong_ != NULL) {                     \
            fail_msg("index_verify: %s", wrong_); \
        }                                         \
    } while (0)

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    ASSERT_INDEX_VALID(fixture->index);
    index_destroy(fixture->index);
    assert_int_equal(0, fixture->pool->node_bytes);
    index_pool_destroy(fixture->pool);
    free(fixture);
    return 0;
}

/** A payload that differs from key to key and is never 0. */
static inline uint64_t payload_of(uint64_t key)
{
    return keyset_random(&key) | 1;
}

static inline void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert_non_null(memory);
    return memory;
}

/** Sets a key, new or not. */
static inline void set_key(struct index *index, uint64_t key, uint64_t payload)
{
    struct index_position position;
    assert_int_equal(ALEX_OK, index_prepare(index, key, &position));
    index_set(index, &position, payload);
}

static inline void set_keys(struct index *index, const uint64_t *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        set_key(index, keys[i], payload_of(keys[i]));
    }
}

/** Loads a set's keys in ascending order. */
static inline void load_keys(struct index *index, const uint64_t *keys, size_t count)
{
    uint64_t *sorted = allocate(count, sizeof *sorted);
    struct index_entry *entries = allocate(count, sizeof *entries);
    memcpy(sorted, keys, count * sizeof *sorted);
    keyset_sort(sorted, count);
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct index_entry){sorted[i], payload_of(sorted[i])};
    }
    assert_int_equal(ALEX_OK, index_load(index, entries, count));
    free(entries);
    free(sorted);
}

/** A node of two entries. */
static inline struct index_node *pair_node(struct index_pool *pool, uint32_t level, const uint64_t keys[2],
                                           const uint64_t payloads[2])
{
    struct index_plan plan = index_plan_node(level, keys, 2, INDEX_GROWTH_EVEN);
    struct index_node *node = index_build_node(pool, &plan, (struct index_run){keys, payloads, 2});
    assert_non_null(node);
    return node;
}

#define SMALL_TREE_KEYS 8

/** The keys of the small tree, from 0 to SMALL_TREE_KEYS - 1, where its data nodes begin `width` apart. */
static inline uint64_t small_tree_key(uint64_t i, uint64_t width)
{
    return i / 2 * width + 10 + i % 2;
}

/** Makes the fixture's index, which is empty, a tree of three levels with two entries in each node: as deep as one of
 * millions of keys. */
static inline void build_small_tree(struct fixture *fixture, uint64_t width)
{
    uint64_t inner[2];
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t data[2];
        for (uint64_t j = 0; j < 2; j++) {
            uint64_t first = 4 * i + 2 * j;
            uint64_t keys[2] = {small_tree_key(first, width), small_tree_key(first + 1, width)};
            uint64_t payloads[2] = {payload_of(keys[0]), payload_of(keys[1])};
            data[j] = index_child_payload(pair_node(fixture->pool, 0, keys, payloads));
        }
        inner[i] =
            index_child_payload(pair_node(fixture->pool, 1, (uint64_t[]){2 * i * width, (2 * i + 1) * width}, data));
    }
    index_set_root(fixture->index, pair_node(fixture->pool, 2, (uint64_t[]){0, 2 * width}, inner));
    fixture->index->count = SMALL_TREE_KEYS;
}

static inline struct index_stats stats_of(const struct index *index)
{
    struct index_stats stats;
    index_stats(index, &stats);
    return stats;
}

#endif /* TEST_INDEX_HELPER_H */
