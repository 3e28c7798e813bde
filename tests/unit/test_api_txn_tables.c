/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_txn_tables.c
 * Tables that are made, renamed and dropped in write transactions, and renamed by themselves.
 */
#include <stdio.h>

#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

static const struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
static const struct alex_table_options new_one = {.mode = ALEX_MUST_BE_NEW};
static const struct alex_table_options new_unsigned = {ALEX_MUST_BE_NEW, ALEX_KEYS_UNSIGNED};

static alex_table *txn_table(alex_txn *txn, const char *name, const struct alex_table_options *options)
{
    alex_table *table = NULL;
    ASSERT_OK(alex_txn_table_open(txn, name, options, &table));
    assert_non_null(table);
    return table;
}

/** Asserts which tables everyone sees. */
static void assert_tables(struct fixture *fixture, const char *names)
{
    static const char *const all[] = {"a", "b", "c", "d"};
    char found[16] = "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        alex_table *table;
        int code = alex_table_open(fixture->store, all[i], &existing, &table);
        if (code != ALEX_NOT_FOUND) {
            ASSERT_OK(code);
            strcat(found, all[i]);
        }
    }
    assert_string_equal(found, names);
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.tables, 1 + strlen(names));
}

/* A table is the transaction's own until the commit, and then everyone's, with what was written to it. */
static void test_make(void **state)
{
    struct fixture *fixture = *state;
    alex_txn *txn = helper_begin_write(fixture->store);
    alex_table *table = txn_table(txn, "a", &new_unsigned);
    assert_ptr_equal(txn_table(txn, "a", NULL), table);
    assert_string_equal(alex_table_name(table), "a");
    assert_int_equal(alex_table_key_order(table), ALEX_KEYS_UNSIGNED);
    for (int64_t key = -40; key < 40; key++) {
        helper_txn_put(txn, table, key, "value");
    }
    ASSERT_OK(alex_txn_delete(txn, table, 7));
    ASSERT_TXN_VALUE(txn, table, 8, "value");
    ASSERT_CODE(ALEX_EXISTS, alex_txn_table_open(txn, "a", &new_one, &table));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_open(txn, "a", &(struct alex_table_options){.key_order = 1}, &table));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_table_open(txn, "b", &existing, &table));
    ASSERT_VALUE(table, 8, NULL); /* outside */
    assert_tables(fixture, "");
    ASSERT_CODE(ALEX_BUSY, alex_table_open(fixture->store, "c", NULL, &table)); /* would wait for itself */
    ASSERT_CODE(ALEX_BUSY, alex_table_rename(fixture->store, "a", "c"));
    ASSERT_CODE(ALEX_BUSY, alex_table_drop(fixture->store, "a"));
    ASSERT_OK(alex_commit(txn));
    for (int round = 0; round < 2; round++) {
        assert_tables(fixture, "a");
        table = helper_table(fixture->store, "a", ALEX_KEYS_UNSIGNED);
        ASSERT_VALUE(table, -40, "value");
        ASSERT_VALUE(table, 7, NULL);
        ASSERT_VALUE(table, 8, "value");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
}

/* Of a transaction that is ended nothing is left: no table made, all tables dropped and renamed as they were, the same
 * live bytes. */
static void test_abort(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats before;
    struct alex_store_stats after;
    helper_put(helper_table(fixture->store, "a", ALEX_KEYS_SIGNED), 1, "one");
    alex_table *dropped = helper_table(fixture->store, "b", ALEX_KEYS_SIGNED);
    helper_put(dropped, 2, "two");
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    alex_txn *txn = helper_begin_write(fixture->store);
    helper_txn_put(txn, txn_table(txn, "c", NULL), 3, "three");
    ASSERT_OK(alex_txn_table_rename(txn, "a", "d"));
    helper_txn_put(txn, dropped, 2, "other");
    ASSERT_OK(alex_txn_table_drop(txn, "b"));
    helper_txn_put(txn, txn_table(txn, "b", &new_unsigned), 4, "four");
    assert_tables(fixture, "ab");
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.keys, before.keys);
    assert_int_equal(after.live_bytes, before.live_bytes);
    for (int round = 0; round < 2; round++) {
        assert_tables(fixture, "ab");
        ASSERT_VALUE(helper_table(fixture->store, "a", ALEX_KEYS_SIGNED), 1, "one");
        ASSERT_VALUE(helper_table(fixture->store, "b", ALEX_KEYS_SIGNED), 2, "two");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
}

/* A table that is dropped can't be used in the transaction any more, but for cursors that are open; others read it
 * until the commit, and who began before that to its end. */
static void test_drop(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "a", ALEX_KEYS_SIGNED);
    alex_cursor *cursor;
    struct alex_entry entry;
    struct alex_slice value;
    for (int64_t key = 0; key < 100; key++) {
        helper_put(table, key, "old");
    }
    alex_txn *before = helper_begin(fixture->store);
    alex_txn *txn = helper_begin_write(fixture->store);
    helper_txn_put(txn, table, 7, "new");
    ASSERT_OK(alex_txn_delete(txn, table, 8));
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    ASSERT_OK(alex_txn_table_drop(txn, "a"));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_table_drop(txn, "a"));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_table_rename(txn, "a", "b"));
    ASSERT_CODE(ALEX_INVALID, alex_txn_put(txn, table, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_get(txn, table, 1, &value));
    ASSERT_OK(alex_cursor_seek(cursor, 7, &entry));
    ASSERT_SLICE(entry.value, "new");
    ASSERT_CODE(ALEX_INVALID, alex_cursor_delete(cursor));
    alex_cursor_close(cursor);
    ASSERT_VALUE(table, 7, "old");
    ASSERT_TXN_VALUE(before, table, 7, "old");
    alex_txn *meanwhile = helper_begin(fixture->store);
    ASSERT_OK(alex_commit(txn));
    assert_tables(fixture, "");
    ASSERT_TXN_VALUE(before, table, 7, "old");
    ASSERT_TXN_VALUE(meanwhile, table, 8, "old");
    alex_txn *after = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_txn_get(after, table, 7, &value));
    ASSERT_OK(alex_end(after));
    ASSERT_OK(alex_end(meanwhile));
    ASSERT_OK(alex_end(before));
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.held_tables, 0);
    assert_int_equal(stats.live_bytes, 0);
    helper_check(fixture->store);
    fixture_reopen(fixture);
    assert_tables(fixture, "");
}

/* Names can be exchanged in one step; the handles stay what they were. */
static void test_exchange(void **state)
{
    struct fixture *fixture = *state;
    alex_table *a = helper_table(fixture->store, "a", ALEX_KEYS_SIGNED);
    alex_table *b = helper_table(fixture->store, "b", ALEX_KEYS_UNSIGNED);
    helper_put(a, 1, "of a");
    helper_put(b, 1, "of b");
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_CODE(ALEX_EXISTS, alex_txn_table_rename(txn, "a", "b"));
    ASSERT_OK(alex_txn_table_rename(txn, "a", "a"));
    ASSERT_OK(alex_txn_table_rename(txn, "a", "c"));
    ASSERT_OK(alex_txn_table_rename(txn, "b", "a"));
    ASSERT_OK(alex_txn_table_rename(txn, "c", "b"));
    assert_ptr_equal(txn_table(txn, "b", &existing), a);
    assert_ptr_equal(txn_table(txn, "a", &existing), b);
    assert_string_equal(alex_table_name(a), "a");
    ASSERT_OK(alex_commit(txn));
    assert_string_equal(alex_table_name(a), "b");
    for (int round = 0; round < 2; round++) {
        assert_tables(fixture, "ab");
        ASSERT_VALUE(helper_table(fixture->store, "b", ALEX_KEYS_SIGNED), 1, "of a");
        ASSERT_VALUE(helper_table(fixture->store, "a", ALEX_KEYS_UNSIGNED), 1, "of b");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
}

/* Renaming by itself; names that were given out stay what they were until the handle ends. */
static void test_rename(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "a", ALEX_KEYS_SIGNED);
    (void)helper_table(fixture->store, "b", ALEX_KEYS_SIGNED);
    helper_put(table, 1, "one");
    const char *name = alex_table_name(table);
    ASSERT_CODE(ALEX_EXISTS, alex_table_rename(fixture->store, "a", "b"));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_rename(fixture->store, "c", "d"));
    ASSERT_CODE(ALEX_INVALID, alex_table_rename(fixture->store, "main", "d"));
    ASSERT_CODE(ALEX_EXISTS, alex_table_rename(fixture->store, "a", "main"));
    ASSERT_CODE(ALEX_INVALID, alex_table_rename(fixture->store, "a", ""));
    ASSERT_CODE(ALEX_INVALID, alex_table_rename(fixture->store, "a", NULL));
    ASSERT_CODE(ALEX_INVALID, alex_table_rename(fixture->store, NULL, "d"));
    ASSERT_CODE(ALEX_INVALID, alex_table_rename(NULL, "a", "d"));
    char too_long[ALEX_TABLE_NAME_MAX + 2];
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[ALEX_TABLE_NAME_MAX + 1] = '\0';
    ASSERT_CODE(ALEX_TOO_LARGE, alex_table_rename(fixture->store, "a", too_long));
    ASSERT_OK(alex_table_rename(fixture->store, "a", "a"));
    ASSERT_OK(alex_table_rename(fixture->store, "a", "c"));
    const char *second = alex_table_name(table);
    for (int round = 0; round < 10; round++) { /* back and forth: no name is kept twice */
        ASSERT_OK(alex_table_rename(fixture->store, "c", "a"));
        assert_ptr_equal(alex_table_name(table), name);
        ASSERT_OK(alex_table_rename(fixture->store, "a", "c"));
        assert_ptr_equal(alex_table_name(table), second);
    }
    assert_string_equal(name, "a");
    for (int round = 0; round < 2; round++) {
        assert_tables(fixture, "bc");
        ASSERT_VALUE(helper_table(fixture->store, "c", ALEX_KEYS_SIGNED), 1, "one");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
    ASSERT_OK(alex_table_drop(fixture->store, "c"));
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.live_bytes, 40); /* the other table's record */
    fixture_reopen(fixture);
    assert_tables(fixture, "b");
}

/* Going back to a savepoint takes back what was done to tables since, however often it was done. */
static void test_savepoints(void **state)
{
    struct fixture *fixture = *state;
    alex_table *a = helper_table(fixture->store, "a", ALEX_KEYS_SIGNED);
    alex_table *again;
    uint64_t first;
    uint64_t second;
    struct alex_slice value;
    helper_put(a, 1, "one");
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_txn_table_rename(txn, "a", "b"));
    ASSERT_OK(alex_savepoint(txn, &first));
    alex_table *made = txn_table(txn, "c", &new_one);
    helper_txn_put(txn, made, 1, "in what is rolled back");
    ASSERT_OK(alex_savepoint(txn, &second));
    ASSERT_OK(alex_txn_table_drop(txn, "c"));
    ASSERT_OK(alex_txn_table_rename(txn, "b", "c"));
    ASSERT_OK(alex_txn_table_drop(txn, "c"));
    ASSERT_CODE(ALEX_INVALID, alex_txn_get(txn, a, 1, &value));
    ASSERT_OK(alex_rollback_to(txn, second));
    assert_ptr_equal(txn_table(txn, "b", &existing), a);
    assert_ptr_equal(txn_table(txn, "c", &existing), made);
    ASSERT_TXN_VALUE(txn, made, 1, "in what is rolled back");
    ASSERT_TXN_VALUE(txn, a, 1, "one");
    ASSERT_OK(alex_rollback_to(txn, first));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_table_open(txn, "c", &existing, &again));
    ASSERT_CODE(ALEX_INVALID, alex_txn_put(txn, made, 2, "x", 1, NULL)); /* it has ended */
    again = txn_table(txn, "c", &new_unsigned);
    assert_ptr_not_equal(again, made);
    helper_txn_put(txn, again, 2, "kept");
    assert_ptr_equal(txn_table(txn, "b", &existing), a);
    ASSERT_OK(alex_commit(txn));
    for (int round = 0; round < 2; round++) {
        assert_tables(fixture, "bc");
        ASSERT_VALUE(helper_table(fixture->store, "b", ALEX_KEYS_SIGNED), 1, "one");
        ASSERT_VALUE(helper_table(fixture->store, "c", ALEX_KEYS_UNSIGNED), 1, NULL);
        ASSERT_VALUE(helper_table(fixture->store, "c", ALEX_KEYS_UNSIGNED), 2, "kept");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
}

/* A table made and dropped in one transaction has never been, and its name is free. */
static void test_made_and_dropped(void **state)
{
    struct fixture *fixture = *state;
    alex_txn *txn = helper_begin_write(fixture->store);
    for (int64_t key = 0; key < 3; key++) {
        alex_table *table = txn_table(txn, "a", &new_one);
        helper_txn_put(txn, table, key, "value");
        ASSERT_OK(alex_txn_table_rename(txn, "a", "b"));
        ASSERT_OK(alex_txn_table_drop(txn, "b"));
    }
    helper_txn_put(txn, fixture->main, 1, "one");
    ASSERT_OK(alex_commit(txn));
    for (int round = 0; round < 2; round++) {
        assert_tables(fixture, "");
        ASSERT_VALUE(fixture->main, 1, "one");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
}

/* The id of a table that was never committed is not used again, by this process or the next: a salvage goes by that. */
static void test_ids(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 3; round++) {
        alex_txn *txn = helper_begin_write(fixture->store);
        assert_int_equal(txn_table(txn, "a", &new_one)->id, 2 + 2 * round);
        ASSERT_OK(alex_end(txn));
        assert_int_equal(helper_table(fixture->store, "a", ALEX_KEYS_SIGNED)->id, 3 + 2 * round);
        ASSERT_OK(alex_table_drop(fixture->store, "a"));
        fixture_reopen(fixture);
    }
}

static int make_and_die(void *context)
{
    struct fixture *fixture = context;
    alex_txn *txn;
    alex_table *table;
    CHILD_REQUIRE(alex_open(fixture->path, NULL, &fixture->store) == ALEX_OK);
    CHILD_REQUIRE(alex_begin(fixture->store, ALEX_WRITE, &txn) == ALEX_OK);
    CHILD_REQUIRE(alex_txn_table_open(txn, "a", &new_one, &table) == ALEX_OK);
    CHILD_REQUIRE(table->id == 2);
    return 0;
}

/* So it is where the process has died within the transaction. */
static void test_ids_after_a_crash(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(0, helper_in_child(make_and_die, fixture));
    fixture_store_open(fixture, NULL);
    assert_tables(fixture, "");
    assert_int_equal(helper_table(fixture->store, "a", ALEX_KEYS_SIGNED)->id, 3);
}

/* Many tables in one transaction, more than the catalog has room for. */
static void test_many(void **state)
{
    struct fixture *fixture = *state;
    char name[32];
    alex_txn *txn = helper_begin_write(fixture->store);
    for (int64_t i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "table %d", (int)i);
        helper_txn_put(txn, txn_table(txn, name, &new_one), i, name);
    }
    ASSERT_OK(alex_commit(txn));
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < 300; i++) {
            (void)snprintf(name, sizeof name, "table %d", (int)i);
            ASSERT_VALUE(helper_table(fixture->store, name, ALEX_KEYS_SIGNED), i, name);
        }
        fixture_reopen(fixture);
    }
    txn = helper_begin_write(fixture->store);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "table %d", i);
        ASSERT_OK(alex_txn_table_drop(txn, name));
    }
    ASSERT_OK(alex_commit(txn));
    assert_tables(fixture, "");
}

/** Notes a table that is listed, as "name:keys ". */
static int note_table(void *context, const struct alex_table_info *info)
{
    char *text = context;
    (void)sprintf(text + strlen(text), "%s:%d ", info->name, (int)info->keys);
    return strcmp(info->name, "stop") == 0 ? 77 : 0;
}

static void assert_listed(alex_store *store, alex_txn *txn, const char *all, const char *own)
{
    char text[200] = "";
    ASSERT_OK(alex_table_list(store, note_table, text));
    assert_string_equal(text, all);
    text[0] = '\0';
    ASSERT_OK(alex_txn_table_list(txn, note_table, text));
    assert_string_equal(text, own);
}

/* A list within the transaction has the tables and keys that it sees, one outside those of all others. */
static void test_list(void **state)
{
    struct fixture *fixture = *state;
    char text[200] = "";
    alex_table *a = helper_table(fixture->store, "a", ALEX_KEYS_SIGNED);
    (void)helper_table(fixture->store, "b", ALEX_KEYS_SIGNED);
    helper_put(a, 1, "one");
    alex_txn *txn = helper_begin_write(fixture->store);
    assert_listed(fixture->store, txn, "a:1 b:0 main:0 ", "a:1 b:0 main:0 ");
    helper_txn_put(txn, a, 2, "two");
    helper_txn_put(txn, txn_table(txn, "c", &new_one), 3, "three");
    ASSERT_OK(alex_txn_table_rename(txn, "a", "d"));
    ASSERT_OK(alex_txn_table_drop(txn, "b"));
    assert_listed(fixture->store, txn, "a:1 b:0 main:0 ", "c:1 d:2 main:0 ");
    ASSERT_OK(alex_txn_table_rename(txn, "c", "stop"));
    ASSERT_CODE(77, alex_txn_table_list(txn, note_table, text));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_list(txn, NULL, NULL));
    ASSERT_OK(alex_txn_table_drop(txn, "stop"));
    ASSERT_OK(alex_commit(txn));
    txn = helper_begin_write(fixture->store);
    assert_listed(fixture->store, txn, "d:2 main:0 ", "d:2 main:0 ");
    ASSERT_OK(alex_end(txn));
    txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_list(txn, note_table, text));
    ASSERT_OK(alex_end(txn));
}

/* A cursor that is open in a table which is rolled back finds nothing any more. */
static void test_cursor_in_rolled_back_table(void **state)
{
    struct fixture *fixture = *state;
    alex_cursor *cursor;
    struct alex_entry entry;
    uint64_t savepoint;
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_savepoint(txn, &savepoint));
    alex_table *table = txn_table(txn, "a", &new_one);
    for (int64_t key = 0; key < 100; key++) {
        helper_txn_put(txn, table, key, "value");
    }
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    ASSERT_OK(alex_cursor_seek(cursor, 50, &entry));
    ASSERT_OK(alex_rollback_to(txn, savepoint));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_next(cursor, &entry));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_seek(cursor, 0, &entry));
    ASSERT_CODE(ALEX_BUSY, alex_commit(txn));
    alex_cursor_close(cursor);
    ASSERT_OK(alex_commit(txn));
    assert_tables(fixture, "");
}

/* What can't be is refused, with nothing changed. */
static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = NULL;
    alex_txn *reads = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_open(reads, "a", NULL, &table));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_rename(reads, "a", "b"));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_drop(reads, "a"));
    ASSERT_OK(alex_end(reads));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_open(NULL, "a", NULL, &table));
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_open(txn, "", NULL, &table));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_open(txn, "a", NULL, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_open(txn, "a", &(struct alex_table_options){.mode = 9}, &table));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_drop(txn, "main"));
    ASSERT_CODE(ALEX_INVALID, alex_txn_table_rename(txn, "main", "a"));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_table_drop(txn, "a"));
    ASSERT_OK(alex_commit(txn));
    assert_tables(fixture, "");
}

/** Does something to tables in a transaction, and some of it again and again. @return what failed */
static int change_tables(alex_store *store)
{
    alex_txn *txn;
    alex_table *table;
    uint64_t savepoint;
    int result = alex_begin(store, ALEX_WRITE, &txn);
    if (result != ALEX_OK) {
        return result;
    }
    result = alex_txn_table_open(txn, "c", &new_one, &table);
    for (int64_t key = 0; key < 100 && result == ALEX_OK; key++) {
        result = alex_txn_put(txn, table, key, "value", 5, NULL);
    }
    result = result == ALEX_OK ? alex_savepoint(txn, &savepoint) : result;
    result = result == ALEX_OK ? alex_txn_table_drop(txn, "b") : result;
    result = result == ALEX_OK ? alex_rollback_to(txn, savepoint) : result;
    result = result == ALEX_OK ? alex_txn_table_rename(txn, "a", "d") : result;
    result = result == ALEX_OK ? alex_txn_table_drop(txn, "b") : result;
    for (int i = 0; i < 10 && result == ALEX_OK; i++) { /* more than the catalog has room for */
        char name[32];
        (void)snprintf(name, sizeof name, "table %d", i);
        result = alex_txn_table_open(txn, name, &new_one, &table);
    }
    if (result == ALEX_OK) {
        return alex_commit(txn);
    }
    ASSERT_OK(alex_end(txn));
    return result;
}

/* Without memory, at whichever call, nothing of it is done; then all of it. */
static void test_without_memory(void **state)
{
    struct fixture *fixture = *state;
    faults_install();
    fixture_store_open(fixture, NULL);
    helper_put(helper_table(fixture->store, "a", ALEX_KEYS_SIGNED), 1, "one");
    (void)helper_table(fixture->store, "b", ALEX_KEYS_SIGNED);
    uint64_t failures = 0;
    int result = ALEX_NO_MEMORY;
    while (result == ALEX_NO_MEMORY) {
        assert_tables(fixture, "ab");
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = ++failures});
        result = change_tables(fixture->store);
        faults_clear();
    }
    ASSERT_OK(result);
    assert_true(failures > 10);
    fixture_reopen(fixture);
    alex_table *table;
    ASSERT_OK(alex_table_open(fixture->store, "table 9", &existing, &table));
    ASSERT_OK(alex_table_open(fixture->store, "d", &existing, &table));
    ASSERT_VALUE(table, 1, "one");
    ASSERT_OK(alex_table_open(fixture->store, "c", &existing, &table));
    ASSERT_VALUE(table, 99, "value");
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "b", &existing, &table));
    helper_check(fixture->store);
    fixture_store_close(fixture);
    faults_remove();
}

/* With ALEX_DURABLE_ON_COMMIT the tables that a transaction leaves are durable with it; a sync that fails leaves the
 * tables as they were. */
static void test_durable(void **state)
{
    struct fixture *fixture = *state;
    const struct alex_options options = {.durability = ALEX_DURABLE_ON_COMMIT};
    faults_install();
    fixture_store_open(fixture, &options);
    helper_put(helper_table(fixture->store, "a", ALEX_KEYS_SIGNED), 1, "one");
    alex_txn *txn = helper_begin_write(fixture->store);
    helper_txn_put(txn, txn_table(txn, "b", &new_one), 2, "two");
    ASSERT_OK(alex_txn_table_rename(txn, "a", "c"));
    ASSERT_OK(alex_commit(txn));
    assert_tables(fixture, "bc");
    txn = helper_begin_write(fixture->store);
    helper_txn_put(txn, txn_table(txn, "a", &new_one), 3, "three");
    ASSERT_OK(alex_txn_table_drop(txn, "b"));
    ASSERT_OK(alex_txn_table_rename(txn, "c", "d"));
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    ASSERT_CODE(ALEX_IO, alex_commit(txn));
    faults_clear();
    assert_tables(fixture, "bc");
    ASSERT_VALUE(helper_table(fixture->store, "b", ALEX_KEYS_SIGNED), 2, "two");
    ASSERT_CODE(ALEX_READ_ONLY, alex_table_rename(fixture->store, "b", "a"));
    (void)alex_close(fixture->store);
    fixture->store = NULL;
    fixture_store_open(fixture, &options);
    alex_table *table;
    int made = alex_table_open(fixture->store, "a", &existing, &table); /* all of it, or nothing */
    assert_tables(fixture, made == ALEX_OK ? "ad" : "bc");
    helper_check(fixture->store);
    fixture_store_close(fixture);
    faults_remove();
}

/* ------------------------------------------------------------------------------------------------ model */

#define NAMES 6
#define SLOTS 8
#define KEYS 24
#define DEPTH_MAX 5

/** A table, and the number of the write that gave each key its value; 0: nothing. */
struct slot {
    alex_table *handle; /**< NULL: there is no table */
    size_t name;
    uint32_t of[KEYS];
};

struct tables {
    struct slot slots[SLOTS];
};

struct run {
    struct fixture *fixture;
    struct helper_random random;
    alex_txn *txn;
    uint32_t writes;
    struct tables committed;
    struct tables now;
    struct tables saved[DEPTH_MAX];
    size_t depth;
};

static const char *const names[NAMES] = {"one", "two", "three", "four", "five", "six"};

static struct slot *find(struct tables *tables, size_t name)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (tables->slots[i].handle != NULL && tables->slots[i].name == name) {
            return &tables->slots[i];
        }
    }
    return NULL;
}

static uint64_t below(struct run *run, uint64_t bound)
{
    return helper_random_below(&run->random, bound);
}

static void make(struct run *run, size_t name)
{
    struct slot *slot = run->now.slots;
    alex_table *table;
    if (find(&run->now, name) != NULL) {
        ASSERT_CODE(ALEX_EXISTS, alex_txn_table_open(run->txn, names[name], &new_one, &table));
        return;
    }
    while (slot->handle != NULL) { /* there are more slots than names */
        slot++;
    }
    *slot = (struct slot){.name = name};
    ASSERT_OK(alex_txn_table_open(run->txn, names[name], &new_one, &slot->handle));
}

static void rename_to(struct run *run, size_t name, size_t to)
{
    struct slot *slot = find(&run->now, name);
    const struct slot *other = find(&run->now, to);
    int expected = slot == NULL ? ALEX_NOT_FOUND : other != NULL && other != slot ? ALEX_EXISTS : ALEX_OK;
    ASSERT_CODE(expected, alex_txn_table_rename(run->txn, names[name], names[to]));
    if (expected == ALEX_OK) {
        slot->name = to;
    }
}

static void drop(struct run *run, size_t name)
{
    struct slot *slot = find(&run->now, name);
    ASSERT_CODE(slot != NULL ? ALEX_OK : ALEX_NOT_FOUND, alex_txn_table_drop(run->txn, names[name]));
    if (slot != NULL) {
        slot->handle = NULL;
    }
}

static void write_key(struct run *run, size_t name)
{
    struct slot *slot = find(&run->now, name);
    size_t key = below(run, KEYS);
    if (slot == NULL) {
        return;
    }
    if (below(run, 3) == 0) {
        ASSERT_CODE(slot->of[key] != 0 ? ALEX_OK : ALEX_NOT_FOUND,
                    alex_txn_delete(run->txn, slot->handle, (int64_t)key));
        slot->of[key] = 0;
    } else {
        slot->of[key] = ++run->writes;
        ASSERT_OK(alex_txn_put(run->txn, slot->handle, (int64_t)key, &slot->of[key], sizeof slot->of[key], NULL));
    }
}

/** Compares tables with what a transaction reads of them. */
static void check_content(alex_txn *txn, const struct tables *tables)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *slot = &tables->slots[i];
        for (size_t key = 0; key < KEYS && slot->handle != NULL; key++) {
            struct alex_slice value = {NULL, 0};
            ASSERT_CODE(slot->of[key] != 0 ? ALEX_OK : ALEX_NOT_FOUND,
                        alex_txn_get(txn, slot->handle, (int64_t)key, &value));
            if (slot->of[key] != 0) {
                assert_int_equal(value.size, sizeof slot->of[key]);
                assert_memory_equal(value.data, &slot->of[key], sizeof slot->of[key]);
            }
        }
    }
}

/** Compares what the transaction sees with `now`, and what all others see with `committed`. */
static void check_views(struct run *run)
{
    for (size_t name = 0; name < NAMES; name++) {
        const struct slot *own = find(&run->now, name);
        const struct slot *others = find(&run->committed, name);
        alex_table *table = NULL;
        ASSERT_CODE(own != NULL ? ALEX_OK : ALEX_NOT_FOUND,
                    alex_txn_table_open(run->txn, names[name], &existing, &table));
        assert_ptr_equal(own != NULL ? own->handle : NULL, table);
        table = NULL;
        ASSERT_CODE(others != NULL ? ALEX_OK : ALEX_NOT_FOUND,
                    alex_table_open(run->fixture->store, names[name], &existing, &table));
        assert_ptr_equal(others != NULL ? others->handle : NULL, table);
    }
    check_content(run->txn, &run->now);
    alex_txn *reads = helper_begin(run->fixture->store);
    check_content(reads, &run->committed);
    ASSERT_OK(alex_end(reads));
}

static void step(struct run *run)
{
    size_t name = below(run, NAMES);
    uint64_t number;
    switch (below(run, 24)) {
    case 0:
    case 1:
        make(run, name);
        break;
    case 2:
    case 3:
        rename_to(run, name, below(run, NAMES));
        break;
    case 4:
        drop(run, name);
        break;
    case 5:
        if (run->depth < DEPTH_MAX) {
            ASSERT_OK(alex_savepoint(run->txn, &number));
            run->saved[run->depth++] = run->now;
        }
        break;
    case 6:
        if (run->depth > 0) {
            run->depth = 1 + below(run, run->depth);
            ASSERT_OK(alex_rollback_to(run->txn, run->depth));
            run->now = run->saved[run->depth - 1];
        }
        break;
    case 7:
        if (run->depth > 0) {
            run->depth = below(run, run->depth);
            ASSERT_OK(alex_release(run->txn, run->depth + 1));
        }
        break;
    case 8:
        check_views(run);
        break;
    default:
        write_key(run, name);
    }
}

static void transaction(struct run *run)
{
    run->txn = helper_begin_write(run->fixture->store);
    run->now = run->committed;
    run->depth = 0;
    for (uint64_t i = below(run, 120); i > 0; i--) {
        step(run);
    }
    check_views(run);
    if (below(run, 3) == 0) {
        ASSERT_OK(alex_end(run->txn));
    } else {
        ASSERT_OK(alex_commit(run->txn));
        run->committed = run->now;
    }
}

static void reopen(struct run *run)
{
    helper_check(run->fixture->store);
    fixture_reopen(run->fixture);
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &run->committed.slots[i];
        if (slot->handle != NULL) {
            ASSERT_OK(alex_table_open(run->fixture->store, names[slot->name], &existing, &slot->handle));
        }
    }
}

/* Random transactions against a model of names and contents. */
static void test_model(void **state)
{
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->fixture = *state;
    run->random.state = 5;
    for (uint64_t i = 0; i < helper_environment("ALEX_TEST_TRANSACTIONS", 400); i++) {
        transaction(run);
        if (below(run, 10) == 0) {
            reopen(run);
        }
        run->txn = helper_begin_write(run->fixture->store);
        run->now = run->committed;
        check_views(run);
        ASSERT_OK(alex_end(run->txn));
    }
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_make),
        TEST_WITH_STORE(test_abort),
        TEST_WITH_STORE(test_drop),
        TEST_WITH_STORE(test_exchange),
        TEST_WITH_STORE(test_rename),
        TEST_WITH_STORE(test_savepoints),
        TEST_WITH_STORE(test_made_and_dropped),
        TEST_WITH_STORE(test_ids),
        TEST_WITH_DIRECTORY(test_ids_after_a_crash),
        TEST_WITH_STORE(test_many),
        TEST_WITH_STORE(test_list),
        TEST_WITH_STORE(test_cursor_in_rolled_back_table),
        TEST_WITH_STORE(test_refused),
        TEST_WITH_DIRECTORY(test_without_memory),
        TEST_WITH_DIRECTORY(test_durable),
        TEST_WITH_STORE(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
