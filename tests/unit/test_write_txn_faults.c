/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_write_txn_faults.c
 * Each call of a write transaction where it can't do its work: in a store that takes no more writes, within a check's
 * visit, and without memory. It says so, and the transaction is as it was.
 */
#include <stdio.h>

#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

/** Keys of the table, which have even values, and puts of the transaction, which wait to be looked up together. */
enum { KEYS = 200, OWN = 40 };

static int get(alex_txn *txn, alex_table *table)
{
    struct alex_slice value;
    return alex_txn_get(txn, table, 1, &value);
}

static int get_many(alex_txn *txn, alex_table *table)
{
    static const int64_t keys[] = {1, 2, 3};
    struct alex_slice values[3];
    return alex_txn_get_many(txn, table, keys, 3, values, NULL);
}

static int get_version(alex_txn *txn, alex_table *table)
{
    uint64_t version;
    return alex_txn_get_version(txn, table, 1, &version);
}

static int count(alex_txn *txn, alex_table *table)
{
    uint64_t counted;
    return alex_txn_count(txn, table, NULL, &counted);
}

static int seek(alex_txn *txn, alex_table *table)
{
    alex_cursor *cursor;
    struct alex_entry entry;
    int result = alex_cursor_open(txn, table, NULL, &cursor);
    if (result == ALEX_OK) {
        result = alex_cursor_seek(cursor, 1, &entry);
        alex_cursor_close(cursor);
    }
    return result;
}

static int put(alex_txn *txn, alex_table *table)
{
    bool replaced;
    return alex_txn_put(txn, table, 1, "other", 5, &replaced);
}

static int put_large(alex_txn *txn, alex_table *table)
{
    static const char large[5000];
    return alex_txn_put(txn, table, 1, large, sizeof large, NULL);
}

static int put_if_absent(alex_txn *txn, alex_table *table)
{
    return alex_txn_put_if_absent(txn, table, -1, "other", 5);
}

static int delete_key(alex_txn *txn, alex_table *table)
{
    return alex_txn_delete(txn, table, 1);
}

static int delete_range(alex_txn *txn, alex_table *table)
{
    return alex_txn_delete_range(txn, table, NULL, NULL);
}

static int save(alex_txn *txn, alex_table *table)
{
    (void)table;
    uint64_t savepoint;
    return alex_savepoint(txn, &savepoint);
}

static int add(alex_txn *txn, alex_table *table)
{
    return alex_txn_add(txn, table, -1, 1, NULL);
}

static int compare_and_swap(alex_txn *txn, alex_table *table)
{
    const struct alex_slice now = {"value", 5};
    const struct alex_slice then = {"other", 5};
    return alex_txn_compare_and_swap(txn, table, 1, &now, &then);
}

static int put_if_version(alex_txn *txn, alex_table *table)
{
    return alex_txn_put_if_version(txn, table, -1, 0, "other", 5);
}

static int decide(void *context, struct alex_slice value, struct alex_slice *out_value)
{
    (void)context;
    *out_value = value;
    return ALEX_OK;
}

static int update(alex_txn *txn, alex_table *table)
{
    return alex_txn_update(txn, table, 1, decide, NULL);
}

static int make_table(alex_txn *txn, alex_table *table)
{
    return alex_txn_table_open(txn, "made", NULL, &table);
}

static int rename_table(alex_txn *txn, alex_table *table)
{
    (void)table;
    return alex_txn_table_rename(txn, "there", "gone");
}

static int drop_table(alex_txn *txn, alex_table *table)
{
    (void)table;
    return alex_txn_table_drop(txn, "there");
}

static int see_table(void *context, const struct alex_table_info *info)
{
    (void)context;
    return info->keys > KEYS ? 77 : 0;
}

static int list_tables(alex_txn *txn, alex_table *table)
{
    (void)table;
    return alex_txn_table_list(txn, see_table, NULL);
}

static const struct call {
    const char *name;
    int (*call)(alex_txn *txn, alex_table *table);
} calls[] = {
    {"get", get},
    {"get_many", get_many},
    {"get_version", get_version},
    {"count", count},
    {"seek", seek},
    {"put", put},
    {"put_large", put_large},
    {"put_if_absent", put_if_absent},
    {"delete", delete_key},
    {"delete_range", delete_range},
    {"savepoint", save},
    {"add", add},
    {"compare_and_swap", compare_and_swap},
    {"put_if_version", put_if_version},
    {"update", update},
    {"list_tables", list_tables},
    {"make_table", make_table},
    {"rename_table", rename_table},
    {"drop_table", drop_table},
};

#define CALLS (sizeof calls / sizeof *calls)

static void fill(struct fixture *fixture)
{
    for (int64_t key = 0; key < KEYS; key++) {
        helper_put(fixture->main, key, "value");
    }
    (void)helper_table(fixture->store, "there", ALEX_KEYS_SIGNED);
}

/** Begins a transaction with puts that wait. */
static alex_txn *begin_with_puts(struct fixture *fixture)
{
    alex_txn *txn = NULL;
    ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
    for (int64_t key = 0; key < OWN; key++) {
        ASSERT_OK(alex_txn_put(txn, fixture->main, 3 * key, "own", 3, NULL));
    }
    return txn;
}

/** Asserts that a transaction reads what was there, and what begin_with_puts() has put. */
static void assert_as_it_was(struct fixture *fixture, alex_txn *txn)
{
    uint64_t counted = 0;
    ASSERT_OK(alex_txn_count(txn, fixture->main, NULL, &counted));
    assert_int_equal(counted, KEYS);
    for (int64_t key = 0; key < KEYS; key++) {
        ASSERT_TXN_VALUE(txn, fixture->main, key, key % 3 == 0 && key < 3 * OWN ? "own" : "value");
    }
    alex_table *table;
    const struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_table_open(txn, "made", &existing, &table));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_table_open(txn, "gone", &existing, &table));
    ASSERT_OK(alex_txn_table_open(txn, "there", &existing, &table));
}

/* After a sync that failed the transaction's puts can't be appended: whatever has to look at them says so, and so does
 * its commit; it can be ended, and the store has what it had. */
static void test_without_log(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i <= CALLS; i++) {
        fixture_store_open(fixture, NULL);
        fill(fixture);
        alex_txn *txn = begin_with_puts(fixture);
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
        ASSERT_CODE(ALEX_IO, alex_sync(fixture->store));
        faults_clear();
        if (i < CALLS) {
            int code = calls[i].call(txn, fixture->main);
            if (code != ALEX_READ_ONLY) {
                fail_msg("%s: %s", calls[i].name, alex_code_name(code));
            }
            ASSERT_OK(alex_end(txn));
        } else {
            ASSERT_CODE(ALEX_READ_ONLY, alex_commit(txn));
        }
        for (int64_t key = 0; key < KEYS; key++) {
            ASSERT_VALUE(fixture->main, key, "value");
        }
        (void)alex_close(fixture->store);
        fixture->store = NULL;
        files_remove(fixture->path);
    }
}

/* The same for the ABORT of what was rolled back, which the commit needs. */
static void test_rolled_back_without_log(void **state)
{
    struct fixture *fixture = *state;
    uint64_t savepoint;
    fixture_store_open(fixture, NULL);
    fill(fixture);
    alex_txn *txn = begin_with_puts(fixture);
    ASSERT_OK(put_large(txn, fixture->main));
    ASSERT_OK(alex_savepoint(txn, &savepoint));
    ASSERT_OK(put_large(txn, fixture->main));
    ASSERT_OK(alex_rollback_to(txn, savepoint));
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    ASSERT_CODE(ALEX_IO, alex_sync(fixture->store));
    faults_clear();
    ASSERT_CODE(ALEX_READ_ONLY, alex_commit(txn));
    ASSERT_VALUE(fixture->main, 1, "value");
    (void)alex_close(fixture->store);
    fixture->store = NULL;
}

/** What a visit of a check has to do with. */
struct visit {
    struct fixture *fixture;
    alex_txn *txn;
    alex_loader *loader;
    size_t calls;
};

static int call_in_visit(void *context, const struct alex_finding *finding)
{
    (void)finding;
    struct visit *visit = context;
    for (size_t i = 0; i < CALLS; i++) {
        int code = calls[i].call(visit->txn, visit->fixture->main);
        if (code != ALEX_BUSY) {
            fail_msg("%s: %s", calls[i].name, alex_code_name(code));
        }
        visit->calls++;
    }
    ASSERT_CODE(ALEX_BUSY, alex_commit(visit->txn));
    ASSERT_CODE(ALEX_BUSY, alex_end(visit->txn));
    return 0;
}

/* Where nothing waits, reads do their work in a visit, and writes that need the writer's turn are told that it is
 * taken. */
static int call_settled_in_visit(void *context, const struct alex_finding *finding)
{
    (void)finding;
    struct visit *visit = context;
    ASSERT_OK(get(visit->txn, visit->fixture->main));
    ASSERT_OK(count(visit->txn, visit->fixture->main));
    ASSERT_OK(seek(visit->txn, visit->fixture->main));
    ASSERT_CODE(ALEX_BUSY, delete_key(visit->txn, visit->fixture->main));
    ASSERT_CODE(ALEX_BUSY, delete_range(visit->txn, visit->fixture->main));
    ASSERT_CODE(ALEX_BUSY, put_large(visit->txn, visit->fixture->main));
    ASSERT_OK(put(visit->txn, visit->fixture->main)); /* it waits */
    return 0;
}

/* A loader that can't have the turn stays what it is. */
static int load_in_visit(void *context, const struct alex_finding *finding)
{
    (void)finding;
    struct visit *visit = context;
    static const char large[5000];
    ASSERT_CODE(ALEX_BUSY, alex_loader_add(visit->loader, 1, large, sizeof large));
    ASSERT_CODE(ALEX_BUSY, alex_loader_commit(visit->loader, NULL, NULL));
    alex_loader_close(visit->loader);
    return 0;
}

/** Checks the store with something to be found. */
static void check_with_visit(struct visit *visit, int (*call)(void *context, const struct alex_finding *finding))
{
    char manifest[FILES_PATH_MAX];
    char away[FILES_PATH_MAX];
    struct alex_check_report report;
    files_join(manifest, visit->fixture->path, "MANIFEST");
    files_join(away, visit->fixture->directory, "away");
    assert_int_equal(0, rename(manifest, away));
    ASSERT_OK(alex_check(visit->fixture->store, call, visit, &report));
    assert_int_equal(0, rename(away, manifest));
    assert_int_equal(report.findings, 1);
}

static void test_in_a_visit(void **state)
{
    struct visit visit = {.fixture = *state};
    fixture_store_open(visit.fixture, NULL);
    fill(visit.fixture);
    visit.txn = begin_with_puts(visit.fixture);
    check_with_visit(&visit, call_in_visit);
    assert_int_equal(visit.calls, CALLS);
    assert_as_it_was(visit.fixture, visit.txn);
    check_with_visit(&visit, call_settled_in_visit);
    ASSERT_TXN_VALUE(visit.txn, visit.fixture->main, 1, "other");
    ASSERT_OK(alex_commit(visit.txn));
    ASSERT_VALUE(visit.fixture->main, 0, "own");
    ASSERT_VALUE(visit.fixture->main, 1, "other");
    ASSERT_OK(alex_loader_open(visit.fixture->main, &visit.loader));
    ASSERT_OK(alex_loader_add(visit.loader, 2, "loaded", 6));
    check_with_visit(&visit, load_in_visit);
    ASSERT_OK(alex_loader_commit(visit.loader, NULL, NULL));
    alex_loader_close(visit.loader);
    ASSERT_VALUE(visit.fixture->main, 2, "loaded");
}

/* Without memory at any allocation of a call the transaction is as it was, goes on, and the call does its work when it
 * is tried again. */
static void test_without_memory(void **state)
{
    struct fixture *fixture = *state;
    uint64_t failures = 0;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    fill(fixture);
    for (size_t i = 0; i < CALLS; i++) {
        alex_txn *txn = begin_with_puts(fixture);
        int code = ALEX_NO_MEMORY;
        for (uint64_t first = 1; code == ALEX_NO_MEMORY; first++) {
            faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = first});
            code = calls[i].call(txn, fixture->main);
            failures += faults_struck();
            faults_clear();
            if (code == ALEX_NO_MEMORY && first % 2 == 0) { /* or what it reads has memory ready for the next try */
                assert_as_it_was(fixture, txn);
            }
        }
        if (code != ALEX_OK) {
            fail_msg("%s: %s", calls[i].name, alex_code_name(code));
        }
        ASSERT_OK(alex_commit(txn));
        helper_check(fixture->store);
        fixture_store_close(fixture); /* and the memory that it keeps for the next transaction */
        files_remove(fixture->path);
        fixture_store_open(fixture, &(struct alex_options){.no_background = true});
        fill(fixture);
    }
    assert_true(failures > CALLS);
}

/* The corners: a commit whose writes leave nothing, one of which all was rolled back in one of two tables, a rollback
 * before anything was written, reads beside a part that is empty again. */
static void test_nothing_left(void **state)
{
    struct fixture *fixture = *state;
    uint64_t savepoint;
    uint64_t counted;
    alex_txn *txn;
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_ON_COMMIT; durability++) {
        fixture_store_open(fixture, &(struct alex_options){.durability = durability});
        ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
        ASSERT_OK(alex_savepoint(txn, &savepoint));
        ASSERT_OK(alex_rollback_to(txn, savepoint));
        ASSERT_OK(alex_txn_put(txn, fixture->main, 1, "one", 3, NULL));
        ASSERT_OK(alex_txn_delete(txn, fixture->main, 1));
        ASSERT_OK(alex_commit(txn));
        ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, 1));

        alex_table *other = helper_table(fixture->store, "other", ALEX_KEYS_SIGNED);
        helper_put(other, 1, "one");
        ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
        ASSERT_OK(alex_savepoint(txn, &savepoint));
        for (int64_t key = 0; key < 100; key++) {
            ASSERT_OK(alex_txn_put(txn, other, key, "other", 5, NULL));
        }
        ASSERT_OK(alex_savepoint(txn, &counted));
        ASSERT_OK(alex_rollback_to(txn, savepoint));
        ASSERT_OK(seek(txn, other));
        ASSERT_OK(count(txn, other));
        ASSERT_TXN_VALUE(txn, other, 1, "one");
        ASSERT_OK(alex_txn_put(txn, fixture->main, 2, "two", 3, NULL));
        ASSERT_OK(alex_commit(txn));
        ASSERT_VALUE(other, 1, "one");
        ASSERT_VALUE(other, 2, NULL);
        ASSERT_VALUE(fixture->main, 2, "two");

        alex_txn *reads = helper_begin(fixture->store); /* so that what is deleted stays in the index */
        ASSERT_OK(alex_delete(other, 1));
        ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
        ASSERT_OK(alex_txn_count(txn, other, NULL, &counted));
        assert_int_equal(counted, 0);
        ASSERT_OK(alex_end(txn));
        ASSERT_OK(alex_end(reads));
        helper_check(fixture->store);
        fixture_store_close(fixture);
        files_remove(fixture->path);
    }
}

/* What is no transaction, table or place is refused. */
static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    alex_txn *txn;
    uint64_t version;
    fixture_store_open(fixture, NULL);
    ASSERT_CODE(ALEX_INVALID, alex_begin_write(NULL, 0, &txn));
    ASSERT_CODE(ALEX_INVALID, alex_begin_write(fixture->store, 0, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_delete_range(NULL, NULL, NULL));
    alex_table *table = helper_table(fixture->store, "gone", ALEX_KEYS_SIGNED);
    alex_txn *reads = helper_begin(fixture->store); /* keeps the handle */
    ASSERT_OK(alex_table_drop(fixture->store, "gone"));
    ASSERT_CODE(ALEX_INVALID, alex_delete_range(table, NULL, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_add(table, 1, 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_get_version(table, 1, &version));
    ASSERT_CODE(ALEX_INVALID, alex_txn_get_version(NULL, table, 1, &version));
    ASSERT_OK(alex_end(reads));
    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_delete_range(fixture->main, &(struct alex_range){.has_last = true, .last = 5}, NULL));
    ASSERT_VALUE(fixture->main, 1, NULL);
}

/* A range whose delete can't be made durable is there as it was, and how many there were isn't told. */
static void test_range_not_durable(void **state)
{
    struct fixture *fixture = *state;
    uint64_t deleted = 77;
    fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
    fill(fixture);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    ASSERT_CODE(ALEX_IO, alex_delete_range(fixture->main, NULL, &deleted));
    faults_clear();
    assert_int_equal(deleted, 77);
    for (int64_t key = 0; key < KEYS; key++) {
        ASSERT_VALUE(fixture->main, key, "value");
    }
    (void)alex_close(fixture->store);
    fixture->store = NULL;
}

/* A value that is damaged is neither added to nor compared. */
static void test_damaged(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    int64_t sum = 7;
    fixture_store_open(fixture, NULL);
    ASSERT_OK(alex_add(fixture->main, 1, 1, NULL));
    ASSERT_OK(alex_sync(fixture->store));
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    files_flip_bit(record.path, record.value_offset, 1);
    fixture_store_open(fixture, NULL);
    ASSERT_CODE(ALEX_DAMAGED, alex_add(fixture->main, 1, 1, &sum));
    alex_txn *txn;
    ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_add(txn, fixture->main, 1, 1, &sum));
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_compare_and_swap(txn, fixture->main, 1, NULL, NULL));
    ASSERT_OK(alex_end(txn));
    assert_int_equal(sum, 7);
    (void)alex_close(fixture->store);
    fixture->store = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_FAULTS(test_without_log),       TEST_WITH_FAULTS(test_rolled_back_without_log),
        TEST_WITH_FAULTS(test_in_a_visit),        TEST_WITH_FAULTS(test_without_memory),
        TEST_WITH_FAULTS(test_nothing_left),      TEST_WITH_FAULTS(test_refused),
        TEST_WITH_FAULTS(test_range_not_durable), TEST_WITH_FAULTS(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
