/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_misuse.c
 * Handles used after their end: ALEX_MISUSE in debug builds. In release builds that is
 * undefined but for transactions (test_api_txn.c), and not tried.
 */
#include "support/store_helper.h"

#ifdef ALEX_DEBUG

/* A store that was closed, and its tables, answer with ALEX_MISUSE. */
static void test_closed_store(void **state)
{
    struct fixture *fixture = *state;
    alex_store *store = fixture->store;
    alex_table *table = fixture->main;
    alex_table *opened = NULL;
    alex_txn *txn = NULL;
    alex_loader *loader = NULL;
    struct alex_store_stats stats;
    struct alex_table_stats table_stats;
    struct alex_check_report report;
    struct alex_op op = {ALEX_OP_PUT, table, 1, {"x", 1}};
    void *buffer = NULL;

    helper_put(table, 1, "one");
    fixture_store_close(fixture);
    ASSERT_CODE(ALEX_MISUSE, alex_close(store));
    ASSERT_CODE(ALEX_MISUSE, alex_sync(store));
    ASSERT_CODE(ALEX_MISUSE, alex_store_stat(store, &stats));
    ASSERT_CODE(ALEX_MISUSE, alex_check(store, NULL, NULL, &report));
    ASSERT_CODE(ALEX_MISUSE, alex_table_open(store, "users", NULL, &opened));
    ASSERT_CODE(ALEX_MISUSE, alex_table_drop(store, "users"));
    ASSERT_CODE(ALEX_MISUSE, alex_table_list(store, NULL, NULL));
    alex_put_cancel(table); /* without effect */
    ASSERT_CODE(ALEX_MISUSE, alex_write(store, &op, 1));
    ASSERT_CODE(ALEX_MISUSE, alex_begin(store, ALEX_READ, &txn));
    ASSERT_CODE(ALEX_MISUSE, alex_put(table, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_put_if_absent(table, 1, "x", 1));
    ASSERT_CODE(ALEX_MISUSE, alex_put_reserve(table, 1, 1, &buffer));
    ASSERT_CODE(ALEX_MISUSE, alex_put_commit(table, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_delete(table, 1));
    ASSERT_CODE(ALEX_MISUSE, alex_get(table, 1, NULL, 0, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_exists(table, 1));
    ASSERT_CODE(ALEX_MISUSE, alex_table_stat(table, &table_stats));
    ASSERT_CODE(ALEX_MISUSE, alex_loader_open(table, &loader));
    assert_true(opened == NULL && txn == NULL && loader == NULL && buffer == NULL);
}

/* A dropped table answers with ALEX_MISUSE; the store goes on. */
static void test_dropped_table(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT);
    struct alex_op op = {ALEX_OP_PUT, table, 1, {"x", 1}};

    helper_put(table, 1, "one");
    ASSERT_OK(alex_table_drop(fixture->store, "users"));
    ASSERT_CODE(ALEX_MISUSE, alex_put(table, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_get(table, 1, NULL, 0, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_exists(table, 1));
    ASSERT_CODE(ALEX_MISUSE, alex_write(fixture->store, &op, 1));
    alex_txn *txn = helper_begin(fixture->store);
    struct alex_slice slice;
    ASSERT_CODE(ALEX_MISUSE, alex_txn_get(txn, table, 1, &slice));
    ASSERT_OK(alex_end(txn));
    helper_put(fixture->main, 1, "one");
}

/* A transaction that was ended, and a cursor and a loader that were closed, answer with ALEX_MISUSE. */
static void test_ended_handles(void **state)
{
    struct fixture *fixture = *state;
    alex_cursor *cursor = NULL;
    alex_loader *loader = NULL;
    struct alex_slice slice;
    struct alex_entry entry;
    uint64_t count = 0;
    int64_t key = 1;

    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    alex_cursor_close(cursor);
    ASSERT_CODE(ALEX_MISUSE, alex_cursor_first(cursor, &entry));
    ASSERT_CODE(ALEX_MISUSE, alex_cursor_next(cursor, &entry));
    ASSERT_CODE(ALEX_MISUSE, alex_cursor_previous(cursor, &entry));
    ASSERT_CODE(ALEX_MISUSE, alex_cursor_last(cursor, &entry));
    ASSERT_CODE(ALEX_MISUSE, alex_cursor_seek(cursor, 1, &entry));
    ASSERT_CODE(ALEX_MISUSE, alex_cursor_seek_before(cursor, 1, &entry));
    alex_cursor_close(cursor); /* without effect */
    ASSERT_OK(alex_end(txn));
    ASSERT_CODE(ALEX_MISUSE, alex_end(txn));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_get(txn, fixture->main, 1, &slice));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_get_many(txn, fixture->main, &key, 1, &slice, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_count(txn, fixture->main, NULL, &count));
    ASSERT_CODE(ALEX_MISUSE, alex_cursor_open(txn, fixture->main, NULL, &cursor));
    alex_txn *writes = NULL;
    uint64_t savepoint;
    ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &writes));
    ASSERT_OK(alex_commit(writes));
    ASSERT_CODE(ALEX_MISUSE, alex_commit(writes));
    ASSERT_CODE(ALEX_MISUSE, alex_end(writes));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_put(writes, fixture->main, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_delete(writes, fixture->main, 1));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_delete_range(writes, fixture->main, NULL, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_add(writes, fixture->main, 1, 1, NULL));
    ASSERT_CODE(ALEX_MISUSE, alex_savepoint(writes, &savepoint));
    ASSERT_CODE(ALEX_MISUSE, alex_rollback_to(writes, 1));
    ASSERT_CODE(ALEX_MISUSE, alex_release(writes, 1));
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    alex_loader_close(loader);
    ASSERT_CODE(ALEX_MISUSE, alex_loader_add(loader, 1, "x", 1));
    ASSERT_CODE(ALEX_MISUSE, alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    helper_put(fixture->main, 2, "two");
}

/* A handle of another kind is ALEX_MISUSE too. */
static void test_other_kind_of_handle(void **state)
{
    struct fixture *fixture = *state;

    ASSERT_CODE(ALEX_MISUSE, alex_sync((alex_store *)(void *)fixture->main));
    ASSERT_CODE(ALEX_MISUSE, alex_put((alex_table *)(void *)fixture->store, 1, "x", 1, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_closed_store),
        TEST_WITH_STORE(test_dropped_table),
        TEST_WITH_STORE(test_ended_handles),
        TEST_WITH_STORE(test_other_kind_of_handle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 77; /* skipped: see the file's head */
}

#endif
