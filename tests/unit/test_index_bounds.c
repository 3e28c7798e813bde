/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_index_bounds.c
 * No key set breaks the index: memory, depth and counted work stay within stated bounds on sets that break other
 * learned indexes.
 */
#include "test_index_helper.h"

/** Bounds for every key set. A slot has 16 bytes; evenly spread keys take 23 of memory and move 150 an insert. */
#define DEPTH_MAX 4
#define LOADED_BYTES_PER_KEY 26
#define INSERTED_BYTES_PER_KEY 32
#define MOVED_BYTES_MEAN 450
#define MOVED_BYTES_MAX (256 << 10)
#define CHANGES_PER_1000_INSERTS 12
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
    assert_int_equal(ALEX_OK, index_pool_create(&fixture->pool));
    assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
}

/* Loaded or inserted one by one, every key set gives a shallow tree of few bytes a key, at bounded work an insert. */
static void test_every_set(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(LARGE_KEYS, 8);
    for (enum keyset set = 0; set < KEYSETS; set++) {
        keyset_make(set, keys, LARGE_KEYS, 7);
        set_keys(fixture->index, keys, LARGE_KEYS);
        struct index_stats stats = stats_of(fixture->index);
        assert_true(stats.depth <= DEPTH_MAX);
        assert_bytes_per_key(&stats, INSERTED_BYTES_PER_KEY);
        assert_true(stats.model_error_slots <= MODEL_ERROR_SLOTS_MAX);
        assert_work(&stats, LARGE_KEYS);
        restart(fixture);
        load_keys(fixture->index, keys, LARGE_KEYS);
        stats = stats_of(fixture->index);
        assert_true(stats.depth <= DEPTH_MAX);
        assert_bytes_per_key(&stats, LOADED_BYTES_PER_KEY);
        assert_true(stats.model_error_slots <= MODEL_ERROR_SLOTS_MAX);
        restart(fixture);
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
    for (size_t i = 0; i < inserts; i++) {
        set_key(fixture->index, next[i % counters]++, 1);
    }
    struct index_stats after = stats_of(fixture->index);
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
