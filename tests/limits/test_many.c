/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_many.c
 * Many tables in a store, and many stores in a process.
 */
#include <stdio.h>

#include "support/store_helper.h"

enum { TABLES = 100000, STORES = 200 };

static int count_table(void *context, const struct alex_table_info *info)
{
    (void)info;
    ++*(uint64_t *)context;
    return 0;
}

static alex_table *numbered_table(alex_store *store, int64_t number, enum alex_open_mode mode)
{
    struct alex_table_options options = {.mode = mode};
    alex_table *table = NULL;
    char name[32];
    snprintf(name, sizeof name, "table %lld", (long long)number);
    ASSERT_OK(alex_table_open(store, name, &options, &table));
    return table;
}

/* A store holds 100,000 tables of one key each, at less than 1 KiB of index each, also after reopening. */
static void test_hundred_thousand_tables(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;

    for (int64_t i = 0; i < TABLES; i++) {
        ASSERT_OK(alex_put(numbered_table(fixture->store, i, ALEX_MUST_BE_NEW), i, &i, sizeof i, NULL));
    }
    for (int round = 0; round < 2; round++) {
        uint64_t tables = 0;
        ASSERT_OK(alex_table_list(fixture->store, count_table, &tables));
        assert_int_equal(tables, TABLES + 1);
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        assert_int_equal(stats.tables, TABLES + 1);
        assert_int_equal(stats.keys, TABLES);
        assert_true(stats.index_bytes <= (uint64_t)TABLES * 1024);
        for (int64_t i = 0; i < TABLES; i += 7) {
            alex_table *table = numbered_table(fixture->store, i, ALEX_MUST_EXIST);
            int64_t value = -1;
            ASSERT_OK(alex_get(table, i, &value, sizeof value, NULL));
            assert_int_equal(value, i);
            ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(table, i + 1));
        }
        fixture_reopen(fixture);
    }
}

/* Tables without keys take no index memory. */
static void test_empty_tables(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats before;
    struct alex_store_stats after;

    ASSERT_OK(alex_store_stat(fixture->store, &before));
    for (int64_t i = 0; i < 10000; i++) {
        numbered_table(fixture->store, i, ALEX_MUST_BE_NEW);
    }
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.index_bytes, before.index_bytes);
}

/* A process has 200 stores open at once, each with its own data, and a full one among them grows as usual. */
static void test_two_hundred_stores(void **state)
{
    struct fixture *fixture = *state;
    alex_store *stores[STORES];
    char path[FILES_PATH_MAX];
    char name[32];

    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < STORES; i++) {
            snprintf(name, sizeof name, "store %lld", (long long)i);
            files_join(path, fixture->directory, name);
            ASSERT_OK(alex_open(path, NULL, &stores[i]));
            int64_t value = i;
            if (round == 1) {
                ASSERT_OK(alex_get(alex_main_table(stores[i]), 1, &value, sizeof value, NULL));
                assert_int_equal(value, i);
            }
            ASSERT_OK(alex_put(alex_main_table(stores[i]), 1, &value, sizeof value, NULL));
        }
        for (int64_t key = 0; key < 20000; key++) {
            char filler[1000] = {0};
            ASSERT_OK(alex_put(alex_main_table(stores[STORES / 2]), 10 + key, filler, sizeof filler, NULL));
        }
        for (int i = 0; i < STORES; i++) {
            helper_check(stores[i]);
            ASSERT_OK(alex_close(stores[i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_hundred_thousand_tables),
        TEST_WITH_STORE(test_empty_tables),
        TEST_WITH_DIRECTORY(test_two_hundred_stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
