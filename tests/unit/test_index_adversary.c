/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_index_adversary.c
 * Someone who reads the index's nodes and always enters the key that hurts most stays within stated bounds.
 *
 * The adversary looks for the insert that costs most: one for which no gap is near, so that the node is rebuilt, else
 * one whose gap is farthest; in the node with the most entries, or in the smallest, or wherever its last insert went.
 */
#include "test_index_helper.h"

/** Entries that the index has before the attack, evenly spread. */
#define VICTIM_KEYS (LARGE_KEYS / 4)

#if defined(BASE_SANITIZED) || defined(ALEX_DEBUG)
#define ATTACKS 3000
#else
#define ATTACKS 100000
#endif

/** Bounds. Evenly spread inserts move 150 bytes each and take 23 bytes a key. */
#define MOVED_BYTES_MEAN 1200
#define MOVED_BYTES_MAX (256 << 10)
#define BYTES_PER_KEY 46
#define CHANGES_PER_1000_INSERTS 40

enum aim {
    AIM_LARGEST, /**< the node with the most entries: the dearest to rebuild */
    AIM_FULLEST, /**< the one nearest to its greatest density */
    AIM_STAY,    /**< the one hit last, till it is gone: many rebuilds in one place */
    AIM_OLDEST,  /**< the one with the most inserts since it was built */
    AIMS,
};

struct target {
    const struct index_node *node;
    uint64_t worth;
};

static uint64_t worth_of(const struct index_node *node, enum aim aim)
{
    switch (aim) {
    case AIM_LARGEST:
        return node->count;
    case AIM_FULLEST:
        return (uint64_t)node->count * 10000 / node->count_max;
    default:
        return node->inserted;
    }
}

static void choose_node(const struct index_node *node, enum aim aim, struct target *target)
{
    if (node->level == 0) {
        uint64_t worth = worth_of(node, aim);
        if (target->node == NULL || worth > target->worth) {
            *target = (struct target){node, worth};
        }
        return;
    }
    uint32_t block = 0;
    for (uint32_t slot = 0; index_node_next_entry(node, &block, &slot); slot++) {
        choose_node(index_payload_child(index_block_payload(&node->blocks[block], slot)), aim, target);
    }
}

/** Slots that an insert at the end of this block would move; the whole node's if there is no gap near. */
static uint64_t insert_cost(const struct index_node *node, uint32_t block)
{
    struct index_place place = {block, index_block_count(node, block)};
    uint32_t gap = index_node_gap(node, place);
    if (gap == INDEX_NO_BLOCK) {
        return node->count;
    }
    return 8 * (uint64_t)(gap > block ? gap - block : block - gap);
}

/** An absent key right behind one of the block's entries; false if all keys there are taken. */
static bool free_key(const struct index *index, const struct index_node *node, uint32_t block, uint64_t *out_key)
{
    for (uint32_t slot = index_block_count(node, block); slot-- > 0;) {
        uint64_t key = index_block_key(&node->blocks[block], slot);
        if (key < UINT64_MAX && index_find(index, key + 1) == 0) {
            *out_key = key + 1;
            return true;
        }
    }
    return false;
}

static bool worst_key(const struct index *index, const struct index_node *node, uint64_t *out_key)
{
    uint64_t worst = 0;
    bool found = false;
    for (uint32_t block = 0; block < index_node_blocks(node); block++) {
        uint64_t cost = insert_cost(node, block);
        if (!found || cost > worst) {
            uint64_t key;
            if (free_key(index, node, block, &key)) {
                *out_key = key;
                worst = cost;
                found = true;
            }
        }
    }
    return found;
}

static void attack(struct index *index, enum aim aim)
{
    uint64_t random = 11;
    uint64_t last = UINT64_C(1) << 63;
    for (int i = 0; i < ATTACKS; i++) {
        struct target target = {0};
        uint64_t key = keyset_random(&random);
        if (aim == AIM_STAY) {
            struct index_step steps[INDEX_LEVELS_MAX];
            (void)index_search_chosen()->locate(index_root(index), last, steps);
            target.node = steps[0].node;
        } else {
            choose_node(index_root(index), aim, &target);
        }
        if (worst_key(index, target.node, &key)) {
            last = key;
        }
        set_key(index, key, 1);
    }
}

static void assert_withstands(struct fixture *fixture, enum aim aim)
{
    uint64_t *keys = allocate(VICTIM_KEYS, sizeof *keys);
    keyset_make(KEYSET_UNIFORM, keys, VICTIM_KEYS, 3);
    load_keys(fixture->index, keys, VICTIM_KEYS);
    free(keys);
    attack(fixture->index, aim);
    struct index_stats stats = stats_of(fixture->index);
    assert_true(stats.moved_bytes_max <= MOVED_BYTES_MAX);
    assert_true(stats.moved_bytes / ATTACKS <= MOVED_BYTES_MEAN);
    assert_true(stats.structure_changes * 1000 / ATTACKS <= CHANGES_PER_1000_INSERTS);
    assert_true(stats.bytes <= stats.keys * BYTES_PER_KEY);
    assert_true(stats.depth <= 4);
}

/* Aiming at the largest node stays within the bounds. */
static void test_aim_at_largest(void **state)
{
    assert_withstands(*state, AIM_LARGEST);
}

/* Aiming at the fullest node stays within the bounds. */
static void test_aim_at_fullest(void **state)
{
    assert_withstands(*state, AIM_FULLEST);
}

/* Aiming at one place again and again stays within the bounds. */
static void test_aim_at_one_place(void **state)
{
    assert_withstands(*state, AIM_STAY);
}

/* Aiming at the node with the most inserts since its build stays within the bounds. */
static void test_aim_at_oldest(void **state)
{
    assert_withstands(*state, AIM_OLDEST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_aim_at_largest),
        TEST(test_aim_at_fullest),
        TEST(test_aim_at_one_place),
        TEST(test_aim_at_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
