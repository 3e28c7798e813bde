/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_deep.c Trees of more than two levels, made of small nodes: millions of keys lead to no others. */
#include "test_index_helper.h"

/** Distance of the small tree's data nodes. */
#define WIDTH 100

static uint64_t key_of(uint64_t i)
{
    return small_tree_key(i, WIDTH);
}

/* Scans go over the borders of nodes of every level, in both directions and from every key. */
static void test_scans(void **state)
{
    struct fixture *fixture = *state;
    struct index_entry entries[SMALL_TREE_KEYS];
    build_small_tree(fixture, WIDTH);
    for (size_t from = 0; from < SMALL_TREE_KEYS; from++) {
        size_t count = index_scan(fixture->index, key_of(from), INDEX_ASCENDING, entries, SMALL_TREE_KEYS);
        assert_int_equal(count, SMALL_TREE_KEYS - from);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(entries[i].key, key_of(from + i));
            assert_int_equal(entries[i].payload, payload_of(entries[i].key));
        }
        count = index_scan(fixture->index, key_of(from), INDEX_DESCENDING, entries, SMALL_TREE_KEYS);
        assert_int_equal(count, from + 1);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(entries[i].key, key_of(from - i));
        }
    }
}

/* Every range is counted, one that ends before it begins as empty. */
static void test_counts(void **state)
{
    struct fixture *fixture = *state;
    build_small_tree(fixture, WIDTH);
    for (size_t first = 0; first < SMALL_TREE_KEYS; first++) {
        for (size_t last = 0; last < SMALL_TREE_KEYS; last++) {
            uint64_t expected = first <= last ? last - first + 1 : 0;
            assert_int_equal(index_count_range(fixture->index, key_of(first), key_of(last)), expected);
        }
    }
}

/* Keys removed in any order take nodes out, and with them those above that have no other, until nothing is left. */
static void test_removal(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t order = 0; order < 200; order++) {
        uint64_t random = order;
        uint64_t keys[SMALL_TREE_KEYS];
        for (size_t i = 0; i < SMALL_TREE_KEYS; i++) {
            size_t at = keyset_random(&random) % (i + 1);
            keys[i] = keys[at];
            keys[at] = key_of(i);
        }
        build_small_tree(fixture, WIDTH);
        for (size_t i = 0; i < SMALL_TREE_KEYS; i++) {
            assert_int_equal(index_remove(fixture->index, keys[i]), payload_of(keys[i]));
            ASSERT_INDEX_VALID(fixture->index);
            for (size_t j = 0; j < SMALL_TREE_KEYS; j++) {
                assert_int_equal(index_find(fixture->index, keys[j]), j > i ? payload_of(keys[j]) : 0);
            }
        }
        assert_null(index_root(fixture->index));
        assert_int_equal(fixture->pool->node_bytes, 0);
    }
}

/* Whatever is removed and entered, every key is found: also below what was the least of a node on the left edge. */
static void test_changes(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 500, ROUNDS = 200, STEPS = 300 };
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t random = round;
        uint64_t payloads[KEYS] = {0};
        build_small_tree(fixture, WIDTH);
        for (size_t i = 0; i < SMALL_TREE_KEYS; i++) {
            payloads[key_of(i)] = payload_of(key_of(i));
        }
        for (size_t step = 0; step < STEPS; step++) {
            uint64_t key = keyset_random(&random) % KEYS;
            bool growing = step / 50 % 2 != 0;
            for (; !growing && payloads[key] == 0 && index_count(fixture->index) > 0; key = (key + 1) % KEYS) {
            }
            if (growing) {
                payloads[key] = step + 1;
                set_key(fixture->index, key, payloads[key]);
            } else {
                assert_int_equal(index_remove(fixture->index, key), payloads[key]);
                payloads[key] = 0;
            }
            ASSERT_INDEX_VALID(fixture->index);
        }
        for (uint64_t key = 0; key < KEYS; key++) {
            assert_int_equal(index_find(fixture->index, key), payloads[key]);
            (void)index_remove(fixture->index, key);
        }
        assert_null(index_root(fixture->index));
    }
}

/* Where all keys of a tree's first half are gone, the rest takes over their range, and many keys entered there are
 * found: no split puts them out of order. */
static void test_refilling_the_left_edge(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 40000 };
    const uint64_t width = UINT64_C(1) << 40;
    build_small_tree(fixture, width);
    for (uint64_t i = 0; i < SMALL_TREE_KEYS / 2; i++) {
        assert_true(index_remove(fixture->index, small_tree_key(i, width)) != 0);
    }
    uint64_t *keys = allocate(KEYS, 8);
    uint64_t random = 1;
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = keyset_random(&random) % (3 * width);
        set_key(fixture->index, keys[i], payload_of(keys[i]));
    }
    ASSERT_INDEX_VALID(fixture->index);
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(index_find(fixture->index, keys[i]), payload_of(keys[i]));
    }
    free(keys);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scans), TEST(test_counts), TEST(test_removal), TEST(test_changes), TEST(test_refilling_the_left_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
