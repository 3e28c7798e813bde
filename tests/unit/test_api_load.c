/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_load.c
 * Bulk loads: sorted or not, into empty and filled tables, and atomic.
 */
#include "support/store_helper.h"

/** A load of `count` keys, the i-th being `first + i * step`, each with itself as value, must succeed. */
static void load_keys(alex_table *table, int64_t first, int64_t step, int64_t count, uint64_t added, uint64_t replaced)
{
    alex_loader *loader = NULL;
    uint64_t out_added = 99;
    uint64_t out_replaced = 99;

    ASSERT_OK(alex_loader_open(table, &loader));
    for (int64_t i = 0; i < count; i++) {
        int64_t key = first + i * step;
        ASSERT_OK(alex_loader_add(loader, key, &key, sizeof key));
    }
    ASSERT_OK(alex_loader_commit(loader, &out_added, &out_replaced));
    assert_int_equal(out_added, added);
    assert_int_equal(out_replaced, replaced);
    alex_loader_close(loader);
}

static void assert_keys(alex_table *table, int64_t first, int64_t step, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t key = first + i * step;
        int64_t value = 0;
        ASSERT_OK(alex_get(table, key, &value, sizeof value, NULL));
        assert_int_equal(value, key);
    }
}

/* A load in ascending order into an empty table. */
static void test_ascending(void **state)
{
    struct fixture *fixture = *state;

    load_keys(fixture->main, -50000, 3, 100000, 100000, 0);
    assert_keys(fixture->main, -50000, 3, 100000);
    ASSERT_VALUE(fixture->main, -49999, NULL);
    fixture_reopen(fixture);
    assert_keys(fixture->main, -50000, 3, 100000);
}

/* A load in descending order, of a table of unsigned keys. */
static void test_descending(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "unsigned", ALEX_KEYS_UNSIGNED);

    load_keys(table, 40000, -2, 50000, 50000, 0); /* crosses zero: to the greatest unsigned keys */
    assert_keys(table, 40000, -2, 50000);
    fixture_reopen(fixture);
    table = helper_table(fixture->store, "unsigned", ALEX_KEYS_UNSIGNED);
    assert_keys(table, 40000, -2, 50000);
    alex_txn *txn = helper_begin(fixture->store);
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    ASSERT_OK(alex_cursor_first(cursor, &entry));
    assert_int_equal(entry.key, 0);
    ASSERT_OK(alex_cursor_last(cursor, &entry));
    assert_int_equal(entry.key, -2);
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
}

/* A load in random order over the whole range of keys. */
static void test_random(void **state)
{
    struct fixture *fixture = *state;
    struct helper_random random = {5};
    alex_loader *loader = NULL;
    uint64_t added = 0;

    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    for (int i = 0; i < 50000; i++) {
        int64_t key = (int64_t)helper_random_next(&random);
        ASSERT_OK(alex_loader_add(loader, key, &key, sizeof key));
    }
    ASSERT_OK(alex_loader_commit(loader, &added, NULL));
    alex_loader_close(loader);
    assert_int_equal(added, 50000);
    random.state = 5;
    for (int i = 0; i < 50000; i++) {
        int64_t key = (int64_t)helper_random_next(&random);
        int64_t value = 0;
        ASSERT_OK(alex_get(fixture->main, key, &value, sizeof value, NULL));
        assert_int_equal(value, key);
    }
}

/* Of several entries with one key the last counts, and the key counts once. */
static void test_repeated_keys(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;
    uint64_t added = 0;
    uint64_t replaced = 0;

    helper_put(fixture->main, 2, "old");
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 3, "a", 1));
    ASSERT_OK(alex_loader_add(loader, 2, "b", 1));
    ASSERT_OK(alex_loader_add(loader, 3, "c", 1));
    ASSERT_OK(alex_loader_add(loader, 2, "d", 1));
    ASSERT_OK(alex_loader_add(loader, 3, "e", 1));
    ASSERT_OK(alex_loader_commit(loader, &added, &replaced));
    alex_loader_close(loader);
    assert_int_equal(added, 1);
    assert_int_equal(replaced, 1);
    for (int round = 0; round < 2; round++) {
        ASSERT_VALUE(fixture->main, 2, "d");
        ASSERT_VALUE(fixture->main, 3, "e");
        fixture_reopen(fixture);
    }
}

/* A load into a filled table replaces the keys that are there and adds the others. */
static void test_into_a_filled_table(void **state)
{
    struct fixture *fixture = *state;

    for (int64_t key = 0; key < 30000; key += 2) {
        helper_put(fixture->main, key, "old");
    }
    load_keys(fixture->main, 0, 3, 20000, 15000, 5000);
    for (int round = 0; round < 2; round++) {
        assert_keys(fixture->main, 0, 3, 20000);
        ASSERT_VALUE(fixture->main, 2, "old");
        ASSERT_VALUE(fixture->main, 28, "old");
        ASSERT_VALUE(fixture->main, 5, NULL);
        struct alex_store_stats stats;
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        assert_int_equal(stats.keys, 30000);
        fixture_reopen(fixture);
    }
}

/* Loads follow one another, and single writes them; deleted keys count as added. */
static void test_loads_in_a_row(void **state)
{
    struct fixture *fixture = *state;

    load_keys(fixture->main, 0, 1, 1000, 1000, 0);
    ASSERT_OK(alex_delete(fixture->main, 500));
    load_keys(fixture->main, 500, 1, 1000, 501, 499);
    load_keys(fixture->main, 0, 1, 0, 0, 0);
    helper_put(fixture->main, 3, "three");
    fixture_reopen(fixture);
    assert_keys(fixture->main, 4, 1, 1496);
    ASSERT_VALUE(fixture->main, 3, "three");
}

/* The values are copied, and empty values are loaded as such. */
static void test_values(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;
    char value[] = "first";

    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 1, value, 5));
    memcpy(value, "other", 5);
    ASSERT_OK(alex_loader_add(loader, 2, NULL, 0));
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "first");
    ASSERT_VALUE(fixture->main, 2, "");
}

/* Nothing of a load is visible before its commit, and nothing ever of one that is closed without: also after reopening.
 */
static void test_close_without_commit(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;
    struct alex_open_report report;

    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    for (int64_t key = 0; key < 1000; key++) {
        ASSERT_OK(alex_loader_add(loader, key, "loaded", 6));
    }
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
    ASSERT_TXN_VALUE(txn, fixture->main, 2, NULL);
    alex_loader_close(loader);
    ASSERT_TXN_VALUE(txn, fixture->main, 2, NULL);
    ASSERT_OK(alex_end(txn));
    helper_put(fixture->main, 3, "three");
    fixture_reopen(fixture);
    alex_store_open_report(fixture->store, &report);
    assert_true(report.clean);
    assert_in_range(report.records_dropped, 900, 1000); /* the last ones may have waited in memory */
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_VALUE(fixture->main, 3, "three");
}

/* A loader may be closed after the table that it has loaded was dropped. */
static void test_closed_after_the_table(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;
    ASSERT_OK(alex_loader_open(helper_table(fixture->store, "goes", ALEX_KEYS_DEFAULT), &loader));
    ASSERT_OK(alex_loader_add(loader, 1, "loaded", 6));
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    ASSERT_OK(alex_table_drop(fixture->store, "goes"));
    alex_loader_close(loader);
    helper_put(fixture->main, 1, "one");
}

static int die_while_loading(void *context)
{
    alex_store *store = NULL;
    alex_loader *loader = NULL;
    CHILD_REQUIRE(alex_open(context, NULL, &store) == ALEX_OK);
    CHILD_REQUIRE(alex_put(alex_main_table(store), 1, "one", 3, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_loader_open(alex_main_table(store), &loader) == ALEX_OK);
    for (int64_t key = 0; key < 1000; key++) {
        CHILD_REQUIRE(alex_loader_add(loader, key, "loaded", 6) == ALEX_OK);
    }
    return 0;
}

/* A load that dies with its process is without effect for ever, and counted in the report. */
static void test_load_of_a_killed_writer(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;

    assert_int_equal(helper_in_child(die_while_loading, fixture->path), 0);
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_false(report.clean);
    assert_in_range(report.records_dropped, 900, 1000); /* the last ones may have waited in memory */
    for (int round = 0; round < 3; round++) {
        ASSERT_VALUE(fixture->main, 1, "one");
        ASSERT_VALUE(fixture->main, 2, NULL);
        helper_put(fixture->main, 5000 + round, "later");
        load_keys(fixture->main, 6000 + 10 * round, 1, 10, 10, 0);
        fixture_reopen(fixture);
    }
    assert_keys(fixture->main, 6000, 1, 30);
    ASSERT_VALUE(fixture->main, 5002, "later");
}

/* While a load is open every other write is refused, in all tables, also its own; reads go on. */
static void test_load_is_busy(void **state)
{
    struct fixture *fixture = *state;
    alex_table *other = helper_table(fixture->store, "other", ALEX_KEYS_DEFAULT);
    struct alex_op op = {ALEX_OP_PUT, other, 5, {"x", 1}};
    alex_loader *loader = NULL;
    alex_loader *second = NULL;
    void *buffer = NULL;

    helper_put(other, 1, "one");
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_BUSY, alex_put(fixture->main, 3, "x", 1, NULL));
    ASSERT_CODE(ALEX_BUSY, alex_put(other, 3, "x", 1, NULL));
    ASSERT_CODE(ALEX_BUSY, alex_put_if_absent(other, 3, "x", 1));
    ASSERT_CODE(ALEX_BUSY, alex_put_reserve(other, 4, 3, &buffer));
    ASSERT_CODE(ALEX_BUSY, alex_delete(other, 1));
    ASSERT_CODE(ALEX_BUSY, alex_write(fixture->store, &op, 1));
    ASSERT_CODE(ALEX_BUSY, alex_loader_open(other, &second));
    assert_null(buffer);
    assert_null(second);
    ASSERT_VALUE(other, 1, "one");
    ASSERT_OK(alex_loader_add(loader, 1, "loaded", 6));
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    ASSERT_VALUE(fixture->main, 1, "loaded");
    alex_loader_close(loader);
    helper_put(other, 3, "three");
}

/* After its commit a loader takes no more, and its closing changes nothing. */
static void test_after_commit(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;
    uint64_t added = 99;

    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 1, "one", 3));
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_loader_add(loader, 2, "two", 3));
    ASSERT_CODE(ALEX_INVALID, alex_loader_commit(loader, &added, NULL));
    assert_int_equal(added, 99);
    alex_loader_close(loader);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
}

/* After a failed addition a loader takes no more and can only be closed; nothing of it counts. */
static void test_after_a_failure(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;

    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 1, "one", 3));
    ASSERT_CODE(ALEX_TOO_LARGE, alex_loader_add(loader, 2, "x", ALEX_VALUE_MAX + 1));
    assert_int_not_equal(alex_loader_add(loader, 3, "three", 5), ALEX_OK);
    assert_int_not_equal(alex_loader_commit(loader, NULL, NULL), ALEX_OK);
    alex_loader_close(loader);
    ASSERT_VALUE(fixture->main, 1, NULL);
    helper_put(fixture->main, 4, "four");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_VALUE(fixture->main, 4, "four");
}

/* NULL where something must be is ALEX_INVALID. */
static void test_null_arguments(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;

    ASSERT_CODE(ALEX_INVALID, alex_loader_open(NULL, &loader));
    ASSERT_CODE(ALEX_INVALID, alex_loader_open(fixture->main, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_loader_add(NULL, 1, "x", 1));
    ASSERT_CODE(ALEX_INVALID, alex_loader_commit(NULL, NULL, NULL));
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_INVALID, alex_loader_add(loader, 1, NULL, 1));
    alex_loader_close(loader);
    helper_put(fixture->main, 1, "one");
}

/* A transaction that began before a load's commit sees none of it, however much it moves in the index. */
static void test_load_and_snapshots(void **state)
{
    struct fixture *fixture = *state;
    uint64_t count = 0;

    for (int64_t key = 0; key < 1000; key += 2) {
        helper_put(fixture->main, key, "old");
    }
    alex_txn *txn = helper_begin(fixture->store);
    load_keys(fixture->main, 0, 1, 50000, 49500, 500);
    ASSERT_OK(alex_txn_count(txn, fixture->main, NULL, &count));
    assert_int_equal(count, 500);
    for (int64_t key = 0; key < 1100; key++) {
        ASSERT_TXN_VALUE(txn, fixture->main, key, key < 1000 && key % 2 == 0 ? "old" : NULL);
    }
    ASSERT_OK(alex_end(txn));
    assert_keys(fixture->main, 0, 1, 50000);
}

/* A put into an empty table that came to nothing leaves a node without keys in the index: a load goes on from there. */
static void test_load_after_a_cancelled_put(void **state)
{
    struct fixture *fixture = *state;
    void *buffer;

    ASSERT_OK(alex_put_reserve(fixture->main, 5, 10, &buffer));
    alex_put_cancel(fixture->main);
    load_keys(fixture->main, 0, 1, 1000, 1000, 0);
    assert_keys(fixture->main, 0, 1, 1000);
    fixture_reopen(fixture);
    assert_keys(fixture->main, 0, 1, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_ascending),
        TEST_WITH_STORE(test_descending),
        TEST_WITH_STORE(test_random),
        TEST_WITH_STORE(test_repeated_keys),
        TEST_WITH_STORE(test_into_a_filled_table),
        TEST_WITH_STORE(test_loads_in_a_row),
        TEST_WITH_STORE(test_values),
        TEST_WITH_STORE(test_close_without_commit),
        TEST_WITH_STORE(test_closed_after_the_table),
        TEST_WITH_DIRECTORY(test_load_of_a_killed_writer),
        TEST_WITH_STORE(test_load_is_busy),
        TEST_WITH_STORE(test_after_commit),
        TEST_WITH_STORE(test_after_a_failure),
        TEST_WITH_STORE(test_null_arguments),
        TEST_WITH_STORE(test_load_and_snapshots),
        TEST_WITH_STORE(test_load_after_a_cancelled_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
