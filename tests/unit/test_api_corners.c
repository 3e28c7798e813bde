/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_corners.c
 * What seldom comes together: handles of dropped tables and of other stores, ids that are used up, failures in the
 * middle of things.
 */
#include <errno.h>
#include <stdio.h>

#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

static void assert_message(struct fixture *fixture, int code, const char *part)
{
    struct alex_error error;
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, code);
    if (strstr(error.message, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, part);
    }
}

/* The handle of a dropped table that an older transaction still reads takes no writes, no lone reads, and no younger
 * transaction's; each is refused with the reason. */
static void test_dropped_table(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "t", ALEX_KEYS_SIGNED);
    helper_put(table, 1, "one");
    alex_txn *before = helper_begin(fixture->store);
    ASSERT_OK(alex_table_drop(fixture->store, "t"));
    alex_txn *after = helper_begin(fixture->store);

    ASSERT_TXN_VALUE(before, table, 1, "one");
    ASSERT_CODE(ALEX_INVALID, alex_put(table, 1, "x", 1, NULL));
    assert_message(fixture, ALEX_INVALID, "the table \"t\" was dropped");
    char buffer[8];
    ASSERT_CODE(ALEX_INVALID, alex_get(table, 1, buffer, sizeof buffer, NULL));
    struct alex_slice value;
    ASSERT_CODE(ALEX_INVALID, alex_txn_get(after, table, 1, &value));
    assert_message(fixture, ALEX_INVALID, "was dropped before the transaction began");
    struct alex_op op = {ALEX_OP_PUT, table, 1, {"x", 1}};
    ASSERT_CODE(ALEX_INVALID, alex_write(fixture->store, &op, 1));
    ASSERT_OK(alex_end(before));
    ASSERT_OK(alex_end(after));
}

/* A transaction reads the tables of its own store only. */
static void test_table_of_another_store(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    alex_store *other;
    struct alex_slice value;
    files_join(path, fixture->directory, "other");
    ASSERT_OK(alex_open(path, NULL, &other));
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_txn_get(txn, alex_main_table(other), 1, &value));
    assert_message(fixture, ALEX_INVALID, "another store");
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_close(other));
}

/* A NULL handle is refused, or has nothing to tell; so is a NULL place for what is told. */
static void test_null(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error = {0};
    struct alex_open_report report = {.cut_bytes = 42};
    assert_null(alex_table_name(NULL));
    assert_int_equal(alex_table_key_order(NULL), ALEX_KEYS_DEFAULT);
    ASSERT_CODE(ALEX_INVALID, alex_table_drop(NULL, "t"));
    ASSERT_CODE(ALEX_INVALID, alex_table_list(NULL, NULL, NULL));
    alex_store_error(NULL, &error);
    assert_int_equal(error.code, ALEX_INVALID);
    alex_store_error(fixture->store, NULL);
    alex_store_open_report(NULL, &report);
    assert_int_equal(report.cut_bytes, 42);
    alex_store_open_report(fixture->store, NULL);
    fixture_store_close(fixture);
    files_flip_bit(strcat(strcpy(error.path, fixture->path), "/MANIFEST"), 20, 0);
    ASSERT_CODE(ALEX_DAMAGED, alex_open(fixture->path, NULL, &fixture->store)); /* the detail is optional */
    files_flip_bit(error.path, 20, 0);
}

/* A store that is to be made can't be read-only, and a place that is neither file nor directory is no store. */
static void test_no_place_for_a_store(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error = {0};
    struct alex_options options = {.read_only = true, .mode = ALEX_MUST_BE_NEW, .error = &error};
    ASSERT_CODE(ALEX_INVALID, alex_open(fixture->path, &options, &fixture->store));
    assert_non_null(strstr(error.message, "read-only"));
    helper_open_fails("/dev/null", ALEX_NOT_A_STORE, &error);
}

/* What is open keeps a store from being closed, each by itself. */
static void test_busy(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader;
    void *buffer;
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    alex_loader_close(loader);
    ASSERT_OK(alex_put_reserve(fixture->main, 1, 1, &buffer));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    alex_put_cancel(fixture->main);
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    ASSERT_OK(alex_end(txn));
}

/* Once all ids of tables are used up no more are made, and what is there goes on. */
static void test_table_ids_used_up(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table;
    uint32_t next = atomic_load(&fixture->store->next_table_id);
    atomic_store(&fixture->store->next_table_id, UINT32_MAX);
    ASSERT_CODE(ALEX_TOO_LARGE, alex_table_open(fixture->store, "t", NULL, &table));
    assert_message(fixture, ALEX_TOO_LARGE, "ids are used up");
    helper_put(fixture->main, 1, "one");
    atomic_store(&fixture->store->next_table_id, next);
    ASSERT_OK(alex_table_open(fixture->store, "t", NULL, &table));
}

static int stop_at(void *context, const struct store_table_view *table)
{
    return table->id == ((const alex_table *)context)->id ? 42 : 0;
}

/* Tables whose ids fall into one bucket of the catalog go one by one, the older ones first. */
static void test_ids_in_one_bucket(void **state)
{
    struct fixture *fixture = *state;
    const struct catalog *catalog = &fixture->store->catalog;
    alex_table *old = helper_table(fixture->store, "old", ALEX_KEYS_SIGNED);
    uint32_t id = old->id;
    alex_table *young = NULL;
    do {
        ASSERT_OK(young != NULL ? alex_table_drop(fixture->store, "young") : ALEX_OK);
        young = helper_table(fixture->store, "young", ALEX_KEYS_SIGNED);
    } while (young->id % catalog->bucket_count != id % catalog->bucket_count);
    assert_int_equal(store_visit_tables(fixture->store, stop_at, young), 42); /* with another in the bucket */
    assert_int_equal(store_visit_tables(fixture->store, stop_at, old), 42);
    ASSERT_OK(alex_table_drop(fixture->store, "old"));
    assert_null(catalog_find_id(catalog, id));
    assert_ptr_equal(catalog_find_id(catalog, young->id), young);
    assert_ptr_equal(catalog_find_name(catalog, "young"), young);
}

/* Counting what a transaction sees, where it has to look at each record, stops at one that is damaged. */
static void test_count_of_damaged(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    uint64_t count;
    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    alex_txn *txn = helper_begin(fixture->store);
    helper_put(fixture->main, 3, "three");
    files_find_record(fixture->path, FILES_PUT, 1, 2, &record);
    files_flip_bit(record.path, record.value_offset, 0);
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_count(txn, fixture->main, NULL, &count));
    files_flip_bit(record.path, record.value_offset, 0);
    ASSERT_OK(alex_txn_count(txn, fixture->main, NULL, &count));
    assert_int_equal(count, 2);
    ASSERT_OK(alex_end(txn));
}

/* A delete that is undone by a put before the snapshot ends leaves the put; one in a dropped table leaves nothing. */
static void test_tombstones_that_are_over(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "t", ALEX_KEYS_SIGNED);
    helper_put(fixture->main, 1, "one");
    helper_put(table, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_OK(alex_delete(table, 1));
    helper_put(fixture->main, 1, "again");
    ASSERT_OK(alex_table_drop(fixture->store, "t"));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
    ASSERT_TXN_VALUE(txn, table, 1, "one");
    ASSERT_OK(alex_end(txn));
    ASSERT_VALUE(fixture->main, 1, "again");
    assert_int_equal(fixture->store->held.count, 0);
    assert_null(fixture->store->dropped);
}

/** Fails each allocation from the first on, one at a time, until `attempt` succeeds. @return failures */
static unsigned fail_each_allocation(int (*attempt)(struct fixture *fixture), struct fixture *fixture)
{
    for (unsigned failures = 0;; failures++) {
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = failures + 1});
        int code = attempt(fixture);
        faults_clear();
        if (code == ALEX_OK) {
            return failures;
        }
        assert_int_equal(code, ALEX_NO_MEMORY);
    }
}

static char next_name[32];

static int make_table(struct fixture *fixture)
{
    alex_table *table;
    return alex_table_open(fixture->store, next_name, NULL, &table);
}

static int open_and_close(struct fixture *fixture)
{
    alex_store *store;
    int code = alex_open(fixture->path, NULL, &store);
    return code == ALEX_OK ? alex_close(store) : code;
}

/* Tables are made, and made again by an opening, or there is no memory for them and nothing has changed: also where the
 * catalog grows. */
static void test_tables_without_memory(void **state)
{
    struct fixture *fixture = *state;
    enum { TABLES = 40 };
    unsigned failures = 0;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    for (int i = 0; i < TABLES; i++) {
        (void)snprintf(next_name, sizeof next_name, "table %d", i);
        failures += fail_each_allocation(make_table, fixture);
        assert_int_equal(fixture->store->catalog.count, i + 2);
    }
    assert_true(failures >= 3 * TABLES);
    fixture_store_close(fixture);
    assert_true(fail_each_allocation(open_and_close, fixture) >= 3 * TABLES);
    fixture_store_open(fixture, NULL);
    assert_int_equal(fixture->store->catalog.count, TABLES + 1);
}

/* A put without memory for another key fails, and changes nothing. */
static void test_puts_without_memory(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    faults_set(&(struct faults_plan){
        .calls = FAULTS_SET(FAULTS_ALLOCATION) | FAULTS_SET(FAULTS_MMAP), .first = 1, .for_good = true});
    int64_t key = 0;
    int code = ALEX_OK;
    while (code == ALEX_OK) {
        code = alex_put_if_absent(fixture->main, key++, "value", 5);
    }
    faults_clear();
    assert_int_equal(code, ALEX_NO_MEMORY);
    assert_message(fixture, ALEX_NO_MEMORY, "no memory to enter another key");
    ASSERT_VALUE(fixture->main, key - 1, NULL);
    assert_int_equal(fixture->main->keys, key - 1);
    ASSERT_OK(alex_put(fixture->main, key, "value", 5, NULL));
}

/* A load whose commit can't be synced is in no table, whether that was empty before or not. */
static void test_load_that_is_not_synced(void **state)
{
    struct fixture *fixture = *state;
    for (int empty = 0; empty < 2; empty++) {
        files_remove(fixture->path);
        fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
        if (empty == 0) {
            helper_put(fixture->main, 1, "before");
        }
        alex_loader *loader;
        ASSERT_OK(alex_loader_open(fixture->main, &loader));
        for (int64_t key = 1; key < 100; key++) {
            ASSERT_OK(alex_loader_add(loader, key, "loaded", 6));
        }
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
        ASSERT_CODE(ALEX_IO, alex_loader_commit(loader, NULL, NULL));
        faults_clear();
        alex_loader_close(loader);
        ASSERT_VALUE(fixture->main, 1, empty == 0 ? "before" : NULL);
        ASSERT_VALUE(fixture->main, 99, NULL);
        assert_int_equal(fixture->main->keys, 1 - empty);
        helper_check(fixture->store);
        ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    }
    fixture->store = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_dropped_table),
        TEST_WITH_STORE(test_table_of_another_store),
        TEST_WITH_STORE(test_null),
        TEST_WITH_DIRECTORY(test_no_place_for_a_store),
        TEST_WITH_STORE(test_busy),
        TEST_WITH_STORE(test_table_ids_used_up),
        TEST_WITH_STORE(test_ids_in_one_bucket),
        TEST_WITH_STORE(test_count_of_damaged),
        TEST_WITH_STORE(test_tombstones_that_are_over),
        TEST_WITH_FAULTS(test_tables_without_memory),
        TEST_WITH_FAULTS(test_puts_without_memory),
        TEST_WITH_FAULTS(test_load_that_is_not_synced),
    };
    return cmocka_run_group_tests_name("api corners", tests, NULL, NULL);
}
