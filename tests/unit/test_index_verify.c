/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_verify.c The index's own check names the invariant that was broken on purpose. */
#include "test_index_helper.h"

/** An index with inner nodes, and one of its data nodes that has a full and a gapped block. */
struct patient {
    struct index *index;
    struct index_node *root;
    struct index_node *node;
    struct index_block *gapped; /**< with an entry and a gap, not the node's last block */
    uint32_t count;             /**< entries in it */
};

static struct patient find_patient(struct fixture *fixture)
{
    enum { KEYS = 20000 };
    uint64_t *keys = allocate(KEYS, 8);
    keyset_make(KEYSET_UNIFORM, keys, KEYS, 2);
    set_keys(fixture->index, keys, KEYS);
    free(keys);
    struct patient patient = {.index = fixture->index, .root = index_root(fixture->index)};
    assert_int_equal(1, patient.root->level);
    patient.node = index_payload_child(index_block_payload(&patient.root->blocks[0], 0));
    for (uint32_t block = 1; patient.gapped == NULL; block++) {
        patient.count = index_block_count(patient.node, block);
        if (patient.count > 2 && patient.count < INDEX_BLOCK_SLOTS - 1) {
            patient.gapped = &patient.node->blocks[block];
        }
    }
    return patient;
}

static void assert_named(const struct patient *patient, const char *invariant)
{
    const char *wrong = index_verify(patient->index);
    assert_non_null(wrong);
    if (strncmp(wrong, invariant, strlen(invariant)) != 0) {
        fail_msg("%s instead of %s", wrong, invariant);
    }
}

/** Gives `place` another value, checks that the invariant is named, and puts the old value back. */
#define ASSERT_BROKEN(place, value, invariant) \
    do {                                       \
        __typeof__(place) old_ = (place);      \
        (place) = (value);                     \
        assert_named(&patient, invariant);     \
        (place) = old_;                        \
        ASSERT_INDEX_VALID(patient.index);     \
    } while (0)

/* Each invariant of a node is checked. */
static void test_node_invariants(void **state)
{
    struct patient patient = find_patient(*state);
    struct index_block *block = patient.gapped;
    struct index_node *node = patient.node;
    uint32_t count = patient.count;
    ASSERT_BROKEN(block->keys[1], 0, "N1");
    ASSERT_BROKEN(block->payloads[0], 0, "N2");
    ASSERT_BROKEN(block->keys[count], block->keys[count - 1], "N3");
    ASSERT_BROKEN(block->keys[1], block->keys[0], "N3");
    ASSERT_BROKEN(node->count, node->count + 1, "N5");
    ASSERT_BROKEN(node->count_max, node->count - 1, "N5");
    ASSERT_BROKEN(node->count_max, UINT32_MAX, "N5");
    ASSERT_BROKEN(node->greatest, node->least, "N8");
    ASSERT_BROKEN(node->least, node->greatest, "N8");
    ASSERT_BROKEN(node->version, node->version | INDEX_VERSION_WRITING, "N9");
    ASSERT_BROKEN(node->version, node->version | INDEX_VERSION_OBSOLETE, "N9");
    ASSERT_BROKEN(node->model.last_block, INDEX_DATA_BLOCKS_MAX, "N10");
}

/* The invariants of an inner node's gaps are checked. */
static void test_inner_gaps(void **state)
{
    struct patient patient = find_patient(*state);
    uint32_t block = 0;
    while (index_block_count(patient.root, block) == INDEX_BLOCK_SLOTS) {
        block++;
    }
    struct index_block *slots = &patient.root->blocks[block];
    ASSERT_BROKEN(slots->payloads[INDEX_BLOCK_SLOTS - 1], slots->payloads[INDEX_BLOCK_SLOTS - 1] + 128, "N7");
    struct index_block *first = &patient.root->blocks[0];
    ASSERT_BROKEN(first->payloads[0], first->payloads[0] | INDEX_NODE_GAP, "N7");
}

/* The invariants of the tree are checked. */
static void test_tree_invariants(void **state)
{
    struct patient patient = find_patient(*state);
    struct index_node *root = patient.root;
    uint32_t block = 0;
    uint32_t slot = 1;
    assert_true(index_node_next_entry(root, &block, &slot));
    struct index_node *second = index_payload_child(index_block_payload(&root->blocks[block], slot));
    ASSERT_BROKEN(root->level, 2, "T1");
    ASSERT_BROKEN(root->level, INDEX_LEVELS_MAX, "T1");
    ASSERT_BROKEN(root->blocks[block].keys[slot], second->greatest, "T2");
    ASSERT_BROKEN(root->blocks[block].keys[slot], patient.node->greatest, "T2");
    ASSERT_BROKEN(root->blocks[0].keys[0], 1, "T3");
    ASSERT_BROKEN(root->count, 1, "T4");
    ASSERT_BROKEN(patient.index->count, patient.index->count + 1, "T5");
}

/* An index without nodes has no entries. */
static void test_empty_index(void **state)
{
    struct fixture *fixture = *state;
    struct patient patient = {.index = fixture->index};
    ASSERT_BROKEN(patient.index->count, 1, "T5");
}

/* A child whose range goes beyond its parent's is noticed below the root too. */
static void test_range_of_inner_node(void **state)
{
    struct fixture *fixture = *state;
    struct patient patient = {.index = fixture->index};
    build_small_tree(fixture, 100);
    ASSERT_INDEX_VALID(fixture->index);
    struct index_node *inner = index_payload_child(index_block_payload(&index_root(fixture->index)->blocks[0], 0));
    ASSERT_BROKEN(inner->blocks[0].keys[1], 300, "T2: a child's range");
}

/* A greatest key that isn't in the last block is noticed. */
static void test_greatest_key_invariant(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t key = 0; key < 9; key++) {
        set_key(fixture->index, key, 1);
    }
    struct index_node *node = index_root(fixture->index);
    assert_true(node->model.last_block > 0);
    struct index_block *first = &node->blocks[0];
    uint32_t last = index_block_count(node, 0) - 1;
    for (uint32_t block = 1; block <= node->model.last_block; block++) {
        for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS; slot++) {
            first[block].keys[slot] = UINT64_MAX;
            first[block].payloads[slot] = 0;
        }
    }
    for (uint32_t slot = last; slot < INDEX_BLOCK_SLOTS; slot++) {
        first->keys[slot] = UINT64_MAX;
    }
    node->greatest = UINT64_MAX;
    assert_int_equal('N', index_verify(fixture->index)[0]);
    assert_int_equal('4', index_verify(fixture->index)[1]);
    index_destroy(fixture->index);
    assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_node_invariants), TEST(test_inner_gaps),          TEST(test_tree_invariants),
        TEST(test_empty_index),     TEST(test_range_of_inner_node), TEST(test_greatest_key_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
