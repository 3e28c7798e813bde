/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_index_adversary.c
 * Someone who reads the index's nodes and always enters the key that hurts most stays within stated bounds, and within
 * multiples of what evenly spread keys cost that are entered instead.
 */
#include "support/adversary.h"
#include "support/index_work.h"
#include "test_index_helper.h"

/** Entries that the index has before the attack, evenly spread. */
#define VICTIM_KEYS (LARGE_KEYS / 4)

#if defined(BASE_SANITIZED) || defined(ALEX_DEBUG) || defined(ALEX_COVERAGE)
#define ATTACKS 3000
#define ATTACKS_ARE_MANY false
#else
#define ATTACKS 100000
#define ATTACKS_ARE_MANY true /**< enough that evenly spread keys have had their share of rebuilds to compare with */
#endif

/** Bounds. Evenly spread inserts move 150 bytes each and take 23 bytes a key. */
#define MOVED_BYTES_MEAN 1200
#define MOVED_BYTES_MAX (256 << 10)
#define BYTES_PER_KEY 46
#define CHANGES_PER_1000_INSERTS 40

/** Bounds as multiples of what evenly spread keys cost. */
#define TIMES_FIND_LINES 3.0
#define TIMES_BYTES_PER_KEY 2.0
#define DEPTH_MAX 4

/** The bound for inserts, and those for the attacks that don't stay within it: on the largest and the fullest node and
 *  on mispredictions, and AIM_WORK. */
#define TIMES_INSERT_LINES 3.0
#define TIMES_INSERT_LINES_AT_NODES 4.0
#define TIMES_INSERT_LINES_AT_WORK 5.0

/** What an attack, or evenly spread keys, have cost. */
struct cost {
    struct index_stats stats;
    double insert_lines;   /**< mean work of an insert */
    double find_lines;     /**< mean work of a find of any key */
    double new_find_lines; /**< mean work of a find of those entered last */
};

/** Enters an attack's keys, or evenly spread ones without an aim, into evenly spread keys. */
static struct cost enter_keys(struct index *index, const enum aim *aim)
{
    size_t count = VICTIM_KEYS + ATTACKS;
    uint64_t *keys = allocate(count, sizeof *keys);
    struct adversary adversary = {0};
    struct cost cost = {0};
    keyset_make(KEYSET_UNIFORM, keys, count, 3);
    load_keys(index, keys, VICTIM_KEYS);
    if (aim != NULL) {
        adversary_begin(&adversary, *aim);
    }
    for (size_t i = VICTIM_KEYS; i < count; i++) {
        keys[i] = aim != NULL ? adversary_next(&adversary, index) : keys[i];
        double lines = index_work_set(index, keys[i], 1);
        assert_true(lines > 0);
        cost.insert_lines += lines / ATTACKS;
    }
    cost.stats = stats_of(index);
    assert_int_equal(count, cost.stats.keys);
    cost.find_lines = index_work_find_mean(index, keys, count);
    cost.new_find_lines = index_work_find_mean(index, keys + VICTIM_KEYS, ATTACKS);
    free(keys);
    return cost;
}

static void restart(struct fixture *fixture)
{
    ASSERT_INDEX_VALID(fixture->index);
    index_destroy(fixture->index);
    index_pool_destroy(fixture->pool);
    assert_int_equal(ALEX_OK, index_pool_create(NULL, &fixture->pool));
    assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
}

static double bytes_per_key(const struct index_stats *stats)
{
    return (double)stats->bytes / (double)stats->keys;
}

static void assert_at_most(const char *what, double cost, double times, double uniform)
{
    if (cost > times * uniform) {
        fail_msg("%s: %.2f, and %.2f for evenly spread keys", what, cost, uniform);
    }
}

/** Attacks, and checks all bounds. @param times  how many times uniform's lines an insert may take */
static void assert_withstands(struct fixture *fixture, enum aim aim, double times)
{
    struct cost uniform = enter_keys(fixture->index, NULL);
    restart(fixture);
    struct cost attacked = enter_keys(fixture->index, &aim);
    const struct index_stats *stats = &attacked.stats;
    assert_true(stats->moved_bytes_max <= MOVED_BYTES_MAX);
    assert_true(stats->moved_bytes / ATTACKS <= MOVED_BYTES_MEAN);
    assert_true(stats->structure_changes * 1000 / ATTACKS <= CHANGES_PER_1000_INSERTS);
    assert_true(stats->bytes <= stats->keys * BYTES_PER_KEY);
    assert_true(stats->depth <= DEPTH_MAX);
    assert_at_most("bytes a key", bytes_per_key(stats), TIMES_BYTES_PER_KEY, bytes_per_key(&uniform.stats));
    assert_at_most("lines a find", attacked.find_lines, TIMES_FIND_LINES, uniform.find_lines);
    if (ATTACKS_ARE_MANY) {
        assert_at_most("lines a find of a new key", attacked.new_find_lines, TIMES_FIND_LINES, uniform.find_lines);
        assert_at_most("lines an insert", attacked.insert_lines, times, uniform.insert_lines);
    }
}

/* Aiming at the largest node stays within the bounds. */
static void test_aim_at_largest(void **state)
{
    assert_withstands(*state, AIM_LARGEST, TIMES_INSERT_LINES_AT_NODES);
}

/* Aiming at the fullest node stays within the bounds. */
static void test_aim_at_fullest(void **state)
{
    assert_withstands(*state, AIM_FULLEST, TIMES_INSERT_LINES_AT_NODES);
}

/* Aiming at one place again and again stays within the bounds. */
static void test_aim_at_one_place(void **state)
{
    assert_withstands(*state, AIM_STAY, TIMES_INSERT_LINES);
}

/* Aiming at the node with the most inserts since its build stays within the bounds. */
static void test_aim_at_oldest(void **state)
{
    assert_withstands(*state, AIM_OLDEST, TIMES_INSERT_LINES);
}

/* Aiming at the data node that its parent mispredicts most stays within the bounds. */
static void test_aim_at_inner_nodes(void **state)
{
    assert_withstands(*state, AIM_INNER, TIMES_INSERT_LINES);
}

/* Aiming at the keys farthest from where they are predicted stays within the bounds. */
static void test_aim_at_mispredictions(void **state)
{
    assert_withstands(*state, AIM_MISPREDICT, TIMES_INSERT_LINES_AT_NODES);
}

/* Aiming at models, with keys ever denser towards one, stays within the bounds. */
static void test_aim_at_clusters(void **state)
{
    assert_withstands(*state, AIM_CLUSTERS, TIMES_INSERT_LINES);
}

/* Taking of a sample of keys the one that costs most stays within the bounds. */
static void test_aim_at_work(void **state)
{
    assert_withstands(*state, AIM_WORK, TIMES_INSERT_LINES_AT_WORK);
}

/* Filling from behind what nodes keep free for appends stays within the bounds: gaps
 * before a far append get the model's borders, not its key, which would have to be lowered with each key before it. */
static void test_aim_at_free_end(void **state)
{
    assert_withstands(*state, AIM_END, TIMES_INSERT_LINES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_aim_at_largest),  TEST(test_aim_at_fullest),     TEST(test_aim_at_one_place),
        TEST(test_aim_at_oldest),   TEST(test_aim_at_inner_nodes), TEST(test_aim_at_mispredictions),
        TEST(test_aim_at_clusters), TEST(test_aim_at_work),        TEST(test_aim_at_free_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
