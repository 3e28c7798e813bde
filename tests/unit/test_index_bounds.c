/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_index_bounds.c
 * No key set breaks the index: memory, depth and counted work stay within stated bounds on sets that break other
 * learned indexes.
 */
#include "support/index_work.h"
#include "test_index_helper.h"

/** Bounds for every key set. A slot has 16 bytes; evenly spread keys take 23 of memory and move 150 an insert. */
#define DEPTH_MAX 4
#define LOADED_BYTES_PER_KEY 26
#define INSERTED_BYTES_PER_KEY 32
#define POOL_PIECE_BYTES (2 << 20) /**< that the pool takes memory in */
#define MOVED_BYTES_MEAN 450
#define MOVED_BYTES_MAX (256 << 10)
#define CHANGES_PER_1000_INSERTS 12
/** Bounds as multiples of what evenly spread keys cost. */
#define TIMES_BYTES 2.0
#define TIMES_LINES 3.0
#define TIMES_LINES_OSM_LOADED 3.3 /**< the one case beyond it */
/** Mean distance of a key from where it is predicted. What a model misfits more is split. */
#define MODEL_ERROR_SLOTS_MAX 64

static void assert_bytes_per_key(const struct index_stats *stats, double most)
{
    double bytes_per_key = (double)stats->bytes / (double)stats->keys;
    if (bytes_per_key > most) {
        fail_msg("%.1f bytes a key, more than %.1f", bytes_per_key, most);
    }
}

/** Checks the work of `inserts` inserts. */
static void assert_work(const struct index_stats *stats, size_t inserts)
{
    assert_true(stats->moved_bytes_max <= MOVED_BYTES_MAX);
    if (stats->moved_bytes > inserts * MOVED_BYTES_MEAN) {
        fail_msg("%.0f bytes moved an insert", (double)stats->moved_bytes / (double)inserts);
    }
    assert_true(stats->structure_changes * 1000 <= inserts * CHANGES_PER_1000_INSERTS);
}

static void restart(struct fixture *fixture)
{
    ASSERT_INDEX_VALID(fixture->index);
    index_destroy(fixture->index);
    index_pool_destroy(fixture->pool);
    assert_int_equal(ALEX_OK, index_pool_create(NULL, &fixture->pool));
    assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
}

/** What a key costs in the tree that a set gives, in lines; see support/index_work.h. */
struct cost {
    double bytes;
    double memory;
    double loaded_memory;
    double insert_lines;
    double find_lines;
    double loaded_find_lines;
};

/** Bytes of all memory that the index holds, what lies free between nodes and behind them included. */
static double memory_per_key(const struct fixture *fixture)
{
    return (double)index_pool_bytes(fixture->pool) / (double)LARGE_KEYS;
}

/** Enters a set and loads it, and checks the bounds that are the same for every set. */
static struct cost measure_set(struct fixture *fixture, const uint64_t *keys)
{
    struct cost cost = {0};
    for (size_t i = 0; i < LARGE_KEYS; i++) {
        cost.insert_lines += index_work_set(fixture->index, keys[i], 1) / (double)LARGE_KEYS;
    }
    struct index_stats stats = stats_of(fixture->index);
    assert_int_equal(LARGE_KEYS, stats.keys);
    assert_true(stats.depth <= DEPTH_MAX);
    assert_bytes_per_key(&stats, INSERTED_BYTES_PER_KEY);
    cost.memory = memory_per_key(fixture);
    assert_true(stats.model_error_slots <= MODEL_ERROR_SLOTS_MAX);
    assert_work(&stats, LARGE_KEYS);
    cost.bytes = (double)stats.bytes / (double)stats.keys;
    cost.find_lines = index_work_find_mean(fixture->index, keys, LARGE_KEYS);
    restart(fixture);
    load_keys(fixture->index, keys, LARGE_KEYS);
    stats = stats_of(fixture->index);
    assert_true(stats.depth <= DEPTH_MAX);
    assert_bytes_per_key(&stats, LOADED_BYTES_PER_KEY);
    cost.loaded_memory = memory_per_key(fixture);
    assert_true(stats.model_error_slots <= MODEL_ERROR_SLOTS_MAX);
    cost.loaded_find_lines = index_work_find_mean(fixture->index, keys, LARGE_KEYS);
    restart(fixture);
    return cost;
}

/** Checks a set's costs by those of evenly spread keys. */
static void assert_in_proportion(const char *name, const struct cost *cost, const struct cost *uniform)
{
    if (cost->bytes > TIMES_BYTES * uniform->bytes || cost->insert_lines > TIMES_LINES * uniform->insert_lines ||
        cost->find_lines > TIMES_LINES * uniform->find_lines) {
        fail_msg("%s: %.1f bytes a key, %.1f lines an insert, %.1f a find", name, cost->bytes, cost->insert_lines,
                 cost->find_lines);
    }
}

/** The same for finds in the loaded tree. */
static void assert_loaded_in_proportion(const char *name, const struct cost *cost, const struct cost *uniform,
                                        double times)
{
    if (cost->loaded_find_lines > times * uniform->loaded_find_lines) {
        fail_msg("%s: %.1f lines a find once loaded", name, cost->loaded_find_lines);
    }
}

/** Checks that all memory stays within the bounds, too, or `pieces` of the pool's above them: where there are many
 *  keys, for of few these are most of it. */
static void assert_memory(const char *name, const struct cost *cost, double pieces)
{
    double piece = (double)POOL_PIECE_BYTES / (double)LARGE_KEYS;
    if (LARGE_KEYS < 1000000) {
        return;
    }
    if (cost->loaded_memory > LOADED_BYTES_PER_KEY + pieces * piece ||
        cost->memory > INSERTED_BYTES_PER_KEY + pieces * piece) {
        fail_msg("%s: %.1f bytes of memory a key loaded, %.1f inserted", name, cost->loaded_memory, cost->memory);
    }
}

/* Loaded or inserted one by one, every key set gives a shallow tree of few bytes a key, at bounded work an insert. It
 * takes twice the memory of evenly spread keys at most, and inserts and finds
 * three times the lines at most, or little more for finds of osm in a loaded tree. */
static void test_every_set(void **state)
{
    uint64_t *keys = allocate(LARGE_KEYS, 8);
    keyset_make(KEYSET_UNIFORM, keys, LARGE_KEYS, 7);
    const struct cost uniform = measure_set(*state, keys);
    print_message("[   INFO   ] evenly spread keys: %.1f bytes of memory a key loaded, %.1f inserted one by one\n",
                  uniform.loaded_memory, uniform.memory);
    assert_memory("uniform", &uniform, 0);
    for (enum keyset set = KEYSET_UNIFORM + 1; set < KEYSETS; set++) {
        keyset_make(set, keys, LARGE_KEYS, 7);
        const struct cost cost = measure_set(*state, keys);
        assert_in_proportion(keyset_name(set), &cost, &uniform);
        assert_memory(keyset_name(set), &cost, 1);
        assert_loaded_in_proportion(keyset_name(set), &cost, &uniform,
                                    set == KEYSET_OSM ? TIMES_LINES_OSM_LOADED : TIMES_LINES);
    }
    if (keyset_has_addresses()) {
        assert_true(keyset_read_addresses(keys, LARGE_KEYS, 7));
        const struct cost cost = measure_set(*state, keys);
        assert_in_proportion("addresses", &cost, &uniform);
        assert_memory("addresses", &cost, 1);
        assert_loaded_in_proportion("addresses", &cost, &uniform, TIMES_LINES);
    }
    free(keys);
}

/* At every moment of even growth, when all nodes grow in step too, memory stays within the bound for inserts. */
static void test_memory_at_every_size(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(LARGE_KEYS, 8);
    keyset_make(KEYSET_UNIFORM, keys, LARGE_KEYS, 7);
    size_t next = 1000;
    for (size_t i = 0; i < LARGE_KEYS; i++) {
        set_key(fixture->index, keys[i], 1);
        if (i == next) {
            struct index_stats stats = stats_of(fixture->index);
            assert_bytes_per_key(&stats, INSERTED_BYTES_PER_KEY);
            next += next / 20;
        }
    }
    free(keys);
}

/* On evenly spread keys, on consecutive ones and on time stamps, nine keys in ten lie in the block that the model
 * names. */
static void test_it_learns(void **state)
{
    struct fixture *fixture = *state;
    static const enum keyset easy[] = {KEYSET_UNIFORM,    KEYSET_SEQUENTIAL, KEYSET_REVERSE,
                                       KEYSET_TIMESTAMPS, KEYSET_COVID,      KEYSET_DENSE_53,
                                       KEYSET_DENSE_58,   KEYSET_DENSE_62,   KEYSET_DENSE_AND_FAR};
    uint64_t *keys = allocate(LARGE_KEYS, 8);
    for (size_t i = 0; i < sizeof easy / sizeof easy[0]; i++) {
        keyset_make(easy[i], keys, LARGE_KEYS, 7);
        set_keys(fixture->index, keys, LARGE_KEYS);
        assert_true(stats_of(fixture->index).predicted_line_share >= 0.9);
        restart(fixture);
        load_keys(fixture->index, keys, LARGE_KEYS);
        assert_true(stats_of(fixture->index).predicted_line_share >= 0.9);
        restart(fixture);
    }
    free(keys);
}

/* Keys over the whole range of 64 bits, both ends among them, load like any others. */
static void test_full_range(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(LARGE_KEYS, 8);
    keyset_make(KEYSET_UNIFORM, keys, LARGE_KEYS, 7);
    keys[0] = 0;
    keys[1] = UINT64_MAX;
    load_keys(fixture->index, keys, LARGE_KEYS);
    struct index_stats stats = stats_of(fixture->index);
    assert_true(stats.depth <= DEPTH_MAX);
    assert_bytes_per_key(&stats, LOADED_BYTES_PER_KEY);
    assert_true(stats.predicted_line_share >= 0.9);
    free(keys);
}

/** Enters keys that count up from `first` by turns, into an index of evenly spread keys, and checks their cost. */
static void assert_counters_are_cheap(struct fixture *fixture, unsigned counters, size_t inserts)
{
    uint64_t *keys = allocate(LARGE_KEYS, 8);
    keyset_make(KEYSET_UNIFORM, keys, LARGE_KEYS, 7);
    load_keys(fixture->index, keys, LARGE_KEYS);
    struct index_stats before = stats_of(fixture->index);
    uint64_t random = 3;
    uint64_t next[16];
    for (unsigned i = 0; i < counters; i++) {
        next[i] = keyset_random(&random);
    }
    double loaded_lines = index_work_find_mean(fixture->index, keys, LARGE_KEYS);
    uint64_t *entered = allocate(inserts, 8);
    for (size_t i = 0; i < inserts; i++) {
        entered[i] = next[i % counters]++;
        set_key(fixture->index, entered[i], 1);
    }
    struct index_stats after = stats_of(fixture->index);
    assert_true(index_work_find_mean(fixture->index, entered, inserts) <= TIMES_LINES * loaded_lines);
    free(entered);
    assert_int_equal(before.keys + inserts, after.keys);
    assert_true(after.depth <= DEPTH_MAX);
    assert_true(after.bytes - before.bytes <= inserts * INSERTED_BYTES_PER_KEY + (256 << 10) * counters);
    assert_true(after.moved_bytes_max <= MOVED_BYTES_MAX);
    free(keys);
}

/* A run of 2,196 consecutive keys inside evenly spread ones costs no more memory than others, and few rebuilds. */
static void test_run_in_spread_keys(void **state)
{
    struct fixture *fixture = *state;
    assert_counters_are_cheap(fixture, 1, 2196);
    struct index_stats stats = stats_of(fixture->index);
    assert_true(stats.moved_bytes <= 2196 * 1000);
    assert_true(stats.structure_changes <= 60);
}

/* Nor do 16 counters by turns inside evenly spread keys. */
static void test_counters_in_spread_keys(void **state)
{
    struct fixture *fixture = *state;
    size_t inserts = LARGE_KEYS / 5;
    assert_counters_are_cheap(fixture, 16, inserts);
    struct index_stats stats = stats_of(fixture->index);
    assert_true(stats.moved_bytes <= inserts * 1000);
    assert_true(stats.structure_changes * 1000 <= inserts * 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_set),  TEST(test_memory_at_every_size), TEST(test_it_learns),
        TEST(test_full_range), TEST(test_run_in_spread_keys),   TEST(test_counters_in_spread_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
