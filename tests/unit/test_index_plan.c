/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_plan.c What is decided about nodes and models, asked directly: cases that sequences of keys seldom
 * or never lead to. */
#include "test_index_helper.h"

/** A node of `count` keys, `distance` apart from `first` on, built for inserts as `growth` says. Give it back. */
static struct index_node *build(struct fixture *fixture, uint64_t first, uint64_t distance, uint32_t count,
                                enum index_growth growth)
{
    uint64_t *keys = allocate(count, 8);
    uint64_t *payloads = allocate(count, 8);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = first + i * distance;
        payloads[i] = 1;
    }
    struct index_plan plan = index_plan_node(0, keys, count, growth);
    struct index_node *node = index_build_node(fixture->pool, &plan, (struct index_run){keys, payloads, count});
    assert_non_null(node);
    free(keys);
    free(payloads);
    return node;
}

static struct index_decision decide(const struct index_node *node, uint64_t key)
{
    uint64_t *keys = allocate(node->count, 8);
    uint64_t *payloads = allocate(node->count, 8);
    (void)index_node_entries(node, keys, payloads);
    struct index_decision decision = index_decide(node, keys, key);
    free(keys);
    free(payloads);
    return decision;
}

/* A node that was built for inserts at one end, and is full before it saw any, gets a neighbour at that end for a key
 * that comes there; for one that comes anywhere else it is replaced by a node for inserts anywhere. */
static void test_growth_of_fresh_nodes(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 100 };
    struct index_node *node = build(fixture, 1000, 10, COUNT, INDEX_GROWTH_APPEND);
    struct index_decision decision = decide(node, 1000 + 10 * COUNT);
    assert_int_equal(decision.change, INDEX_CHANGE_SPLIT);
    assert_int_equal(decision.right.growth, INDEX_GROWTH_APPEND);
    assert_int_equal(decision.cut, COUNT);
    for (uint64_t key = 5; key <= 1005; key += 1000) {
        decision = decide(node, key);
        assert_int_equal(decision.change, INDEX_CHANGE_REPLACE);
        assert_int_equal(decision.whole.growth, INDEX_GROWTH_EVEN);
    }
    index_pool_give(fixture->pool, node);

    node = build(fixture, 1000, 10, COUNT, INDEX_GROWTH_PREPEND);
    decision = decide(node, 5);
    assert_int_equal(decision.change, INDEX_CHANGE_SPLIT);
    assert_int_equal(decision.left.growth, INDEX_GROWTH_PREPEND);
    assert_int_equal(decision.cut, 0);
    for (uint64_t key = 1005; key <= 2005; key += 1000) {
        decision = decide(node, key);
        assert_int_equal(decision.change, INDEX_CHANGE_REPLACE);
        assert_int_equal(decision.whole.growth, INDEX_GROWTH_EVEN);
    }
    index_pool_give(fixture->pool, node);
}

/* Too few keys for a block are one block, whatever end they are to grow at. */
static void test_plan_of_few_keys(void **state)
{
    (void)state;
    static const uint64_t keys[] = {1, 2, 3};
    struct index_plan plan = index_plan_node(0, keys, 3, INDEX_GROWTH_APPEND);
    assert_int_equal(plan.model.last_block, 0);
    assert_int_equal(plan.count_max, INDEX_BLOCK_SLOTS);
}

/* A sparse node is left alone until it saw half as many changes as it was built with keys. */
static void test_sparse_after_enough_changes(void **state)
{
    struct fixture *fixture = *state;
    struct index_node *node = build(fixture, 1000, 10, 13, INDEX_GROWTH_APPEND);
    uint32_t blocks = index_node_blocks(node);
    for (uint32_t removed = 1; removed < 13; removed++) {
        uint32_t block = 0;
        uint32_t slot = 0;
        assert_true(index_node_next_entry(node, &block, &slot));
        index_node_remove(node, block, slot);
        bool sparse = node->count * 10 < blocks * 12;
        assert_int_equal(index_is_sparse(node), sparse && removed * 2 >= 13);
        if (removed == 6) {
            assert_true(sparse);
        }
    }
    index_pool_give(fixture->pool, node);
}

/** Enters keys from the greatest down, and reads them all. */
static void enter_descending(struct index *index, const uint64_t *keys, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        set_key(index, keys[i], payload_of(keys[i]));
    }
    ASSERT_INDEX_VALID(index);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(index_find(index, keys[i]), payload_of(keys[i]));
    }
}

/* Keys may arrive in descending order down to 0, and at distances that no line fits. */
static void test_descending(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 30000 };
    uint64_t *keys = allocate(KEYS, 8);
    for (uint64_t i = 0; i < KEYS; i++) {
        keys[i] = 3 * i;
    }
    enter_descending(fixture->index, keys, KEYS);
    index_destroy(fixture->index);
    assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    uint64_t random = 1;
    for (size_t i = 1; i < KEYS; i++) {
        keys[i] = keys[i - 1] + (UINT64_C(1) << keyset_random(&random) % 40);
    }
    enter_descending(fixture->index, keys, KEYS);
    free(keys);
}

/* No line is drawn that is steeper than a block a key: the model is flat then. */
static void test_lines_too_steep(void **state)
{
    (void)state;
    enum { KEYS = 300 };
    uint64_t keys[KEYS];
    struct index_model model;
    struct index_layout layout = {.blocks = 4 * KEYS, .extent = 4 * KEYS};
    for (uint64_t i = 0; i < KEYS; i++) {
        keys[i] = 1000 + i;
    }
    assert_true(index_model_fit(keys, KEYS, layout, &model) > 0);
    assert_int_equal(model.slope, 0);
    layout = (struct index_layout){.blocks = KEYS / 4, .extent = KEYS / 4};
    (void)index_model_fit(keys, KEYS, layout, &model);
    assert_true(model.slope > 0);
}

/* The entry before any slot is found, also where it lies in another block, and before the first there is none. */
static void test_previous_entry(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 100 };
    struct index_node *node = build(fixture, 1000, 10, COUNT, INDEX_GROWTH_EVEN);
    uint64_t expected = 0; /* the key of the entry before the slot at hand; 0: none */
    for (uint32_t i = 0; i < index_node_blocks(node); i++) {
        for (uint32_t s = 0; s <= INDEX_BLOCK_SLOTS; s++) {
            uint32_t block = i;
            uint32_t slot = s;
            bool found = index_node_previous_entry(node, &block, &slot);
            assert_int_equal(found, expected != 0);
            if (found) {
                assert_int_equal(index_block_key(&node->blocks[block], slot), expected);
            }
            if (s < index_block_count(node, i)) {
                expected = index_block_key(&node->blocks[i], s);
            }
        }
    }
    assert_int_equal(expected, 1000 + 10 * (COUNT - 1));
    index_pool_give(fixture->pool, node);
}

/* There is no other variant of the search than those named, and no index is as good as an empty one to end. */
static void test_nothing(void **state)
{
    (void)state;
    assert_false(index_simd_choose((enum index_simd)99));
    assert_true(index_simd_choose(INDEX_SIMD_PORTABLE));
    index_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_growth_of_fresh_nodes),
        TEST(test_plan_of_few_keys),
        TEST(test_sparse_after_enough_changes),
        TEST(test_descending),
        TEST(test_lines_too_steep),
        TEST(test_previous_entry),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
