/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_write_txn.c
 * Write transactions: all or nothing, what they read of themselves, savepoints, and who waits for whom.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "support/faults.h"
#include "support/store_helper.h"

/* Nothing of a transaction is seen outside before its commit, and all of it after, in both tables; a snapshot of before
 * sees none of it. */
static void test_commit(void **state)
{
    struct fixture *fixture = *state;
    alex_table *other = helper_table(fixture->store, "other", ALEX_KEYS_UNSIGNED);
    bool replaced = true;
    helper_put(fixture->main, 1, "old");
    helper_put(fixture->main, 2, "stays");
    helper_put(other, -1, "old");
    alex_txn *before = helper_begin(fixture->store);
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_txn_put(txn, fixture->main, 1, "new", 3, &replaced));
    assert_true(replaced);
    ASSERT_OK(alex_txn_put(txn, fixture->main, 3, "added", 5, &replaced));
    assert_false(replaced);
    ASSERT_OK(alex_txn_delete(txn, other, -1));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_delete(txn, other, -1));
    ASSERT_CODE(ALEX_EXISTS, alex_txn_put_if_absent(txn, fixture->main, 3, "x", 1));
    ASSERT_OK(alex_txn_put_if_absent(txn, other, -1, "again", 5));
    ASSERT_OK(alex_txn_put_if_absent(txn, other, 7, "seven", 5));
    ASSERT_VALUE(fixture->main, 1, "old");
    ASSERT_VALUE(fixture->main, 3, NULL);
    ASSERT_VALUE(other, -1, "old");
    ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(other, 7));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "new");
    ASSERT_TXN_VALUE(txn, fixture->main, 2, "stays");
    ASSERT_TXN_VALUE(txn, other, -1, "again");
    ASSERT_OK(alex_commit(txn));
    for (int round = 0; round < 2; round++) {
        ASSERT_VALUE(fixture->main, 1, "new");
        ASSERT_VALUE(fixture->main, 2, "stays");
        ASSERT_VALUE(fixture->main, 3, "added");
        ASSERT_VALUE(other, -1, "again");
        ASSERT_VALUE(other, 7, "seven");
        if (round == 0) {
            ASSERT_TXN_VALUE(before, fixture->main, 1, "old");
            ASSERT_TXN_VALUE(before, fixture->main, 3, NULL);
            ASSERT_TXN_VALUE(before, other, -1, "old");
            ASSERT_OK(alex_end(before));
            helper_check(fixture->store);
            fixture_reopen(fixture);
            other = helper_table(fixture->store, "other", ALEX_KEYS_DEFAULT);
        }
    }
}

/* One that is ended without a commit leaves nothing but dead bytes: the same keys, live bytes and answers, also after
 * the store is opened again. */
static void test_abort(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats before;
    struct alex_store_stats after;
    for (int64_t key = 0; key < 100; key++) {
        helper_put(fixture->main, key, "value");
    }
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    alex_txn *txn = helper_begin_write(fixture->store);
    for (int64_t key = 50; key < 150; key++) {
        helper_txn_put(txn, fixture->main, key, "other");
    }
    ASSERT_OK(alex_txn_delete(txn, fixture->main, 7));
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.keys, before.keys);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_true(after.dead_bytes > before.dead_bytes);
    helper_put(fixture->main, 1000, "single");
    for (int round = 0; round < 2; round++) {
        for (int64_t key = 0; key < 150; key++) {
            ASSERT_VALUE(fixture->main, key, key < 100 ? "value" : NULL);
        }
        ASSERT_VALUE(fixture->main, 1000, "single");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
    txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_commit(txn)); /* of nothing */
    txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_end(txn));
}

/* Savepoints are nested: going back to one takes back what came after it and ends those behind it, again and again;
 * releasing one keeps what was written. What is committed is what was there at last, also after the store is opened
 * again. */
static void test_savepoints(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first = 0;
    uint64_t second = 0;
    uint64_t third = 0;
    helper_put(fixture->main, 1, "base");
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_rollback_to(txn, 1));
    ASSERT_CODE(ALEX_INVALID, alex_release(txn, 0));
    ASSERT_OK(alex_savepoint(txn, &first));
    assert_int_equal(first, 1);
    helper_txn_put(txn, fixture->main, 1, "one");
    ASSERT_OK(alex_savepoint(txn, &second));
    ASSERT_OK(alex_txn_delete(txn, fixture->main, 1));
    helper_txn_put(txn, fixture->main, 2, "two");
    ASSERT_OK(alex_savepoint(txn, &third));
    assert_int_equal(third, 3);
    helper_txn_put(txn, fixture->main, 3, "three");
    ASSERT_OK(alex_rollback_to(txn, second));
    ASSERT_CODE(ALEX_INVALID, alex_rollback_to(txn, third));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
    ASSERT_TXN_VALUE(txn, fixture->main, 2, NULL);
    ASSERT_TXN_VALUE(txn, fixture->main, 3, NULL);
    helper_txn_put(txn, fixture->main, 4, "four");
    ASSERT_OK(alex_rollback_to(txn, second)); /* it is still there */
    ASSERT_TXN_VALUE(txn, fixture->main, 4, NULL);
    helper_txn_put(txn, fixture->main, 5, "five");
    ASSERT_OK(alex_release(txn, second));
    ASSERT_CODE(ALEX_INVALID, alex_rollback_to(txn, second));
    ASSERT_TXN_VALUE(txn, fixture->main, 5, "five");
    ASSERT_OK(alex_rollback_to(txn, first));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "base");
    ASSERT_TXN_VALUE(txn, fixture->main, 5, NULL);
    helper_txn_put(txn, fixture->main, 6, "six");
    ASSERT_OK(alex_commit(txn));
    for (int round = 0; round < 2; round++) {
        ASSERT_VALUE(fixture->main, 1, "base");
        for (int64_t key = 2; key < 6; key++) {
            ASSERT_VALUE(fixture->main, key, NULL);
        }
        ASSERT_VALUE(fixture->main, 6, "six");
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
}

/* Going back to the beginning, with nothing written after it, and committing that, leaves no records that a later
 * commit could cover. */
static void test_rollback_of_all(void **state)
{
    struct fixture *fixture = *state;
    uint64_t savepoint;
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_savepoint(txn, &savepoint));
    helper_txn_put(txn, fixture->main, 1, "gone");
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "gone");
    ASSERT_OK(alex_rollback_to(txn, savepoint));
    ASSERT_OK(alex_commit(txn));
    const struct alex_op op = {ALEX_OP_PUT, fixture->main, 2, {"two", 3}};
    ASSERT_OK(alex_write(fixture->store, &op, 1));
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_VALUE(fixture->main, 2, "two");
}

/* A cursor in a write transaction goes through what is in the table and what was written over it, up and down, within
 * its range and limit, and sees what is written while it is open. */
static void test_cursor(void **state)
{
    struct fixture *fixture = *state;
    struct alex_entry entry;
    alex_cursor *cursor;
    for (int64_t key = 0; key < 1000; key += 2) {
        helper_put(fixture->main, key, "even");
    }
    alex_txn *txn = helper_begin_write(fixture->store);
    for (int64_t key = 1; key < 1000; key += 2) {
        helper_txn_put(txn, fixture->main, key, "odd");
    }
    for (int64_t key = 0; key < 1000; key += 10) {
        ASSERT_OK(alex_txn_delete(txn, fixture->main, key));
    }
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    for (int64_t key = 0; key < 1000; key++) {
        if (key % 10 != 0) {
            ASSERT_OK(alex_cursor_next(cursor, &entry));
            assert_int_equal(entry.key, key);
            ASSERT_SLICE(entry.value, key % 2 == 0 ? "even" : "odd");
        }
    }
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_next(cursor, &entry));
    for (int64_t key = 999; key > 0; key--) {
        if (key % 10 != 0) {
            ASSERT_OK(alex_cursor_previous(cursor, &entry));
            assert_int_equal(entry.key, key);
        }
    }
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_previous(cursor, &entry));
    ASSERT_OK(alex_cursor_seek(cursor, 500, &entry));
    assert_int_equal(entry.key, 501);
    helper_txn_put(txn, fixture->main, 502, "changed");
    ASSERT_OK(alex_txn_delete(txn, fixture->main, 503));
    ASSERT_OK(alex_cursor_next(cursor, &entry));
    ASSERT_SLICE(entry.value, "changed");
    ASSERT_OK(alex_cursor_next(cursor, &entry));
    assert_int_equal(entry.key, 504);
    helper_txn_put(txn, fixture->main, 503, "back");
    ASSERT_OK(alex_cursor_previous(cursor, &entry));
    ASSERT_SLICE(entry.value, "back");
    ASSERT_CODE(ALEX_BUSY, alex_commit(txn));
    ASSERT_CODE(ALEX_BUSY, alex_end(txn));
    alex_cursor_close(cursor);
    const struct alex_range range = {true, true, 490, 520, 5};
    ASSERT_OK(alex_cursor_open(txn, fixture->main, &range, &cursor));
    for (int64_t key = 491; key < 496; key++) {
        ASSERT_OK(alex_cursor_next(cursor, &entry));
        assert_int_equal(entry.key, key);
    }
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_next(cursor, &entry));
    alex_cursor_close(cursor);
    uint64_t count;
    ASSERT_OK(alex_txn_count(txn, fixture->main, NULL, &count));
    assert_int_equal(count, 900);
    const int64_t keys[] = {10, 11, 12, 503, 2000};
    struct alex_slice values[5];
    size_t found;
    ASSERT_OK(alex_txn_get_many(txn, fixture->main, keys, 5, values, &found));
    assert_int_equal(found, 3);
    assert_null(values[0].data);
    ASSERT_SLICE(values[1], "odd");
    ASSERT_SLICE(values[2], "even");
    ASSERT_SLICE(values[3], "back");
    ASSERT_OK(alex_commit(txn));
    ASSERT_VALUE(fixture->main, 503, "back");
    ASSERT_VALUE(fixture->main, 10, NULL);
}

/* Values handed out stay as they are until the end: through overwrites, a rollback, and large values that are written
 * at once. */
static void test_values_stay(void **state)
{
    struct fixture *fixture = *state;
    struct alex_slice small;
    struct alex_slice large;
    uint64_t savepoint;
    static uint8_t bytes[100000];
    helper_fill(bytes, sizeof bytes, 7);
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_savepoint(txn, &savepoint));
    helper_txn_put(txn, fixture->main, 1, "first");
    ASSERT_OK(alex_txn_put(txn, fixture->main, 2, bytes, sizeof bytes, NULL));
    ASSERT_OK(alex_txn_get(txn, fixture->main, 1, &small));
    ASSERT_OK(alex_txn_get(txn, fixture->main, 2, &large));
    for (int i = 0; i < 1000; i++) {
        helper_txn_put(txn, fixture->main, 1, "second");
        helper_txn_put(txn, fixture->main, 2, "second");
    }
    ASSERT_OK(alex_rollback_to(txn, savepoint));
    ASSERT_SLICE(small, "first");
    assert_int_equal(large.size, sizeof bytes);
    assert_true(helper_is_filled(large.data, large.size, 7));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, NULL);
    ASSERT_OK(alex_end(txn));
}

/* What a thread does that has a write transaction open, and would wait for itself, is refused and says so. Reads and
 * the opening of tables that exist go on. */
static void test_own_thread(void **state)
{
    struct fixture *fixture = *state;
    const struct alex_op op = {ALEX_OP_DELETE, fixture->main, 1, {NULL, 0}};
    struct alex_error error;
    alex_txn *second = NULL;
    alex_loader *loader = NULL;
    alex_table *table = NULL;
    void *buffer = NULL;
    helper_table(fixture->store, "there", ALEX_KEYS_DEFAULT);
    alex_txn *txn = helper_begin_write(fixture->store);
    helper_txn_put(txn, fixture->main, 1, "x");
    ASSERT_CODE(ALEX_BUSY, alex_put(fixture->main, 1, "y", 1, NULL));
    alex_store_error(fixture->store, &error);
    assert_non_null(strstr(error.message, "write transaction"));
    ASSERT_CODE(ALEX_BUSY, alex_put_if_absent(fixture->main, 1, "y", 1));
    ASSERT_CODE(ALEX_BUSY, alex_delete(fixture->main, 1));
    ASSERT_CODE(ALEX_BUSY, alex_write(fixture->store, &op, 1));
    ASSERT_CODE(ALEX_BUSY, alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_BUSY, alex_put_reserve(fixture->main, 1, 1, &buffer));
    ASSERT_CODE(ALEX_BUSY, alex_begin(fixture->store, ALEX_WRITE, &second));
    ASSERT_CODE(ALEX_BUSY, alex_begin_write(fixture->store, 0, &second));
    ASSERT_CODE(ALEX_BUSY, alex_table_open(fixture->store, "new", NULL, &table));
    ASSERT_CODE(ALEX_BUSY, alex_table_drop(fixture->store, "there"));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    ASSERT_OK(alex_table_open(fixture->store, "there", NULL, &table));
    ASSERT_OK(alex_sync(fixture->store));
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    struct alex_check_report report;
    ASSERT_OK(alex_check(fixture->store, NULL, NULL, &report));
    assert_int_equal(report.findings, 0);
    alex_txn *reads = helper_begin(fixture->store);
    ASSERT_TXN_VALUE(reads, fixture->main, 1, NULL);
    ASSERT_OK(alex_end(reads));
    ASSERT_OK(alex_commit(txn));
    ASSERT_OK(alex_put(fixture->main, 1, "y", 1, NULL));
}

/* What a transaction that reads, or one of another store, can't do. */
static void test_misuse(void **state)
{
    struct fixture *fixture = *state;
    uint64_t savepoint = 77;
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_txn_put(txn, fixture->main, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_put_if_absent(txn, fixture->main, 1, "x", 1));
    ASSERT_CODE(ALEX_INVALID, alex_txn_delete(txn, fixture->main, 1));
    ASSERT_CODE(ALEX_INVALID, alex_savepoint(txn, &savepoint));
    ASSERT_CODE(ALEX_INVALID, alex_rollback_to(txn, 1));
    ASSERT_CODE(ALEX_INVALID, alex_release(txn, 1));
    ASSERT_CODE(ALEX_INVALID, alex_commit(txn));
    ASSERT_OK(alex_end(txn));
    ASSERT_CODE(ALEX_INVALID, alex_begin_write(fixture->store, 0, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_begin(fixture->store, ALEX_WRITE, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_begin(NULL, ALEX_WRITE, &txn));
    ASSERT_CODE(ALEX_INVALID, alex_commit(NULL));
    txn = helper_begin_write(fixture->store);
    ASSERT_CODE(ALEX_INVALID, alex_txn_put(txn, NULL, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_put(NULL, fixture->main, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_put(txn, fixture->main, 1, NULL, 1, NULL));
    ASSERT_CODE(ALEX_TOO_LARGE, alex_txn_put(txn, fixture->main, 1, "x", ALEX_VALUE_MAX + 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_put_if_absent(txn, fixture->main, 1, NULL, 1));
    ASSERT_CODE(ALEX_INVALID, alex_savepoint(txn, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_renew(txn));
    assert_int_equal(savepoint, 77);
    ASSERT_OK(alex_txn_put(txn, fixture->main, 1, NULL, 0, NULL));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "");
    ASSERT_OK(alex_commit(txn));
    ASSERT_VALUE(fixture->main, 1, "");
    fixture_store_close(fixture);
    fixture_store_open(fixture, &(struct alex_options){.read_only = true});
    ASSERT_CODE(ALEX_READ_ONLY, alex_begin(fixture->store, ALEX_WRITE, &txn));
}

/* A thread that writes beside a transaction. */
struct waiter {
    alex_store *store;
    int64_t wait_ms;
    bool puts; /**< a single put; else a transaction */
    int result;
    atomic_bool begins;
    atomic_bool done;
};

static void *write_beside(void *context)
{
    struct waiter *waiter = context;
    atomic_store(&waiter->begins, true);
    if (waiter->puts) {
        waiter->result = alex_put(alex_main_table(waiter->store), 1, "waiter", 6, NULL);
    } else {
        alex_txn *txn;
        waiter->result = alex_begin_write(waiter->store, waiter->wait_ms, &txn);
        if (waiter->result == ALEX_OK) {
            waiter->result = alex_txn_put(txn, alex_main_table(waiter->store), 1, "waiter", 6, NULL);
            (void)alex_commit(txn);
        }
    }
    atomic_store(&waiter->done, true);
    return NULL;
}

/** Starts a waiter and gives it time to wait. */
static pthread_t start(struct waiter *waiter)
{
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, write_beside, waiter));
    while (!atomic_load(&waiter->begins)) {
    }
    (void)usleep(20000);
    return thread;
}

/* Writes of other threads wait for the end of a transaction, and come after it, whatever they are. */
static void test_others_wait(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 4; i++) {
        struct waiter waiter = {.store = fixture->store, .wait_ms = i < 2 ? -1 : 60000, .puts = i % 2 == 0};
        alex_txn *txn = helper_begin_write(fixture->store);
        helper_txn_put(txn, fixture->main, 1, "transaction");
        pthread_t thread = start(&waiter);
        assert_false(atomic_load(&waiter.done));
        ASSERT_OK(i == 3 ? alex_end(txn) : alex_commit(txn));
        assert_int_equal(0, pthread_join(thread, NULL));
        ASSERT_OK(waiter.result);
        ASSERT_VALUE(fixture->main, 1, "waiter");
    }
}

/* A begin may be told not to wait, or for how long. */
static void test_wait_ends(void **state)
{
    struct fixture *fixture = *state;
    alex_txn *txn = helper_begin_write(fixture->store);
    for (int64_t wait_ms = 0; wait_ms <= 30; wait_ms += 30) {
        struct waiter waiter = {.store = fixture->store, .wait_ms = wait_ms};
        struct timespec from;
        struct timespec to;
        assert_int_equal(0, clock_gettime(CLOCK_MONOTONIC, &from));
        pthread_t thread = start(&waiter);
        assert_int_equal(0, pthread_join(thread, NULL));
        assert_int_equal(0, clock_gettime(CLOCK_MONOTONIC, &to));
        ASSERT_CODE(ALEX_BUSY, waiter.result);
        int64_t took_ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
        assert_true(took_ms >= wait_ms - 1);
    }
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_begin_write(fixture->store, 0, &txn));
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_begin_write(fixture->store, INT64_MAX, &txn));
    ASSERT_OK(alex_end(txn));
}

/* The same for a load and a reserved put: writes of other threads wait for their end. */
static void test_others_wait_for_holds(void **state)
{
    struct fixture *fixture = *state;
    struct waiter waiter = {.store = fixture->store, .puts = true};
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 1, "load", 4));
    pthread_t thread = start(&waiter);
    assert_false(atomic_load(&waiter.done));
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    assert_int_equal(0, pthread_join(thread, NULL));
    alex_loader_close(loader);
    ASSERT_OK(waiter.result);
    ASSERT_VALUE(fixture->main, 1, "waiter");
    void *buffer;
    waiter = (struct waiter){.store = fixture->store, .wait_ms = -1};
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 2, &buffer));
    memcpy(buffer, "ab", 2);
    thread = start(&waiter);
    assert_false(atomic_load(&waiter.done));
    ASSERT_OK(alex_put_commit(fixture->main, NULL));
    assert_int_equal(0, pthread_join(thread, NULL));
    ASSERT_OK(waiter.result);
    ASSERT_VALUE(fixture->main, 2, "ab");
    for (int given_up = 0; given_up < 2; given_up++) { /* neither is carried out */
        waiter = (struct waiter){.store = fixture->store, .puts = true};
        if (given_up == 0) {
            ASSERT_OK(alex_put_reserve(fixture->main, 3, 2, &buffer));
        } else {
            ASSERT_OK(alex_loader_open(fixture->main, &loader));
        }
        thread = start(&waiter);
        assert_false(atomic_load(&waiter.done));
        if (given_up == 0) {
            alex_put_cancel(fixture->main);
        } else {
            alex_loader_close(loader);
        }
        assert_int_equal(0, pthread_join(thread, NULL));
        ASSERT_OK(waiter.result);
    }
}

static void *make_table_beside(void *context)
{
    struct waiter *waiter = context;
    alex_table *table;
    atomic_store(&waiter->begins, true);
    waiter->result = alex_table_open(waiter->store, "made beside", NULL, &table);
    atomic_store(&waiter->done, true);
    return NULL;
}

/* So does the making of a table; opening one that exists doesn't wait. */
static void test_tables_wait(void **state)
{
    struct fixture *fixture = *state;
    struct waiter waiter = {.store = fixture->store};
    pthread_t thread;
    alex_txn *txn = helper_begin_write(fixture->store);
    assert_int_equal(0, pthread_create(&thread, NULL, make_table_beside, &waiter));
    while (!atomic_load(&waiter.begins)) {
    }
    (void)usleep(20000);
    assert_false(atomic_load(&waiter.done));
    ASSERT_OK(alex_commit(txn));
    assert_int_equal(0, pthread_join(thread, NULL));
    ASSERT_OK(waiter.result);
    txn = helper_begin_write(fixture->store);
    waiter = (struct waiter){.store = fixture->store};
    assert_int_equal(0, pthread_create(&thread, NULL, make_table_beside, &waiter));
    assert_int_equal(0, pthread_join(thread, NULL));
    ASSERT_OK(waiter.result);
    ASSERT_OK(alex_end(txn));
}

/* Adds to a counter in transactions, as fast as it can. */
struct adder {
    alex_store *store;
    int adds;
    int failed;
};

static void *add(void *context)
{
    struct adder *adder = context;
    alex_table *table = alex_main_table(adder->store);
    for (int i = 0; i < adder->adds; i++) {
        alex_txn *txn;
        struct alex_slice value;
        int64_t number = 0;
        adder->failed += alex_begin(adder->store, ALEX_WRITE, &txn) != ALEX_OK;
        if (alex_txn_get(txn, table, 1, &value) == ALEX_OK) {
            memcpy(&number, value.data, sizeof number);
        }
        number++;
        adder->failed += alex_txn_put(txn, table, 1, &number, sizeof number, NULL) != ALEX_OK;
        adder->failed += alex_commit(txn) != ALEX_OK;
    }
    return NULL;
}

/* Transactions of several threads come one after the other: none of their additions is lost. */
static void test_counter(void **state)
{
    struct fixture *fixture = *state;
    enum { THREADS = 4, ADDS = 2000 };
    pthread_t threads[THREADS];
    struct adder adders[THREADS];
    for (int i = 0; i < THREADS; i++) {
        adders[i] = (struct adder){fixture->store, ADDS, 0};
        assert_int_equal(0, pthread_create(&threads[i], NULL, add, &adders[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(0, pthread_join(threads[i], NULL));
        assert_int_equal(adders[i].failed, 0);
    }
    int64_t number = 0;
    ASSERT_OK(alex_get(fixture->main, 1, &number, sizeof number, NULL));
    assert_int_equal(number, THREADS * ADDS);
}

/* A transaction that moves from thread to thread. */
struct mover {
    alex_txn *txn;
    alex_table *table;
    int put;
    int outside;
    int committed;
};

static void *move_on(void *context)
{
    struct mover *mover = context;
    mover->put = alex_txn_put(mover->txn, mover->table, 2, "moved", 5, NULL);
    mover->outside = alex_put(mover->table, 3, "x", 1, NULL);
    mover->committed = alex_commit(mover->txn);
    return NULL;
}

/* A transaction may be gone on with by another thread, which is then the one that is refused writes outside of it. */
static void test_moves(void **state)
{
    struct fixture *fixture = *state;
    struct mover mover = {.txn = helper_begin_write(fixture->store), .table = fixture->main};
    pthread_t thread;
    helper_txn_put(mover.txn, fixture->main, 1, "begun");
    assert_int_equal(0, pthread_create(&thread, NULL, move_on, &mover));
    assert_int_equal(0, pthread_join(thread, NULL));
    ASSERT_OK(mover.put);
    ASSERT_CODE(ALEX_BUSY, mover.outside);
    ASSERT_OK(mover.committed);
    ASSERT_VALUE(fixture->main, 1, "begun");
    ASSERT_VALUE(fixture->main, 2, "moved");
}

/* With each durability a transaction is there after its commit, also one of very many writes. */
static void test_durabilities(void **state)
{
    struct fixture *fixture = *state;
    enum { LARGE = 70000 };
    const struct alex_options options[] = {{.durability = ALEX_DURABLE_WITHIN_INTERVAL, .sync_interval_ms = 1},
                                           {.durability = ALEX_DURABLE_ON_COMMIT}};
    for (size_t i = 0; i < 2; i++) {
        fixture_store_open(fixture, &options[i]);
        alex_txn *txn = helper_begin_write(fixture->store);
        for (int64_t key = 0; key < 300; key++) {
            ASSERT_OK(alex_txn_put(txn, fixture->main, key, &i, sizeof i, NULL));
            if (key % 3 == 0) {
                ASSERT_OK(alex_txn_delete(txn, fixture->main, key));
            }
        }
        ASSERT_OK(alex_commit(txn));
        txn = helper_begin_write(fixture->store);
        for (int64_t key = 1000; key < 1000 + LARGE; key++) {
            ASSERT_OK(alex_txn_put(txn, fixture->main, key, &i, sizeof i, NULL));
        }
        ASSERT_OK(alex_commit(txn));
        txn = helper_begin_write(fixture->store);
        helper_txn_put(txn, fixture->main, 1, "taken back");
        ASSERT_OK(alex_end(txn));
        fixture_reopen(fixture);
        struct alex_store_stats stats;
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        assert_int_equal(stats.keys, 200 + LARGE);
        size_t value;
        ASSERT_OK(alex_get(fixture->main, 1, &value, sizeof value, NULL));
        assert_int_equal(value, i);
        fixture_store_close(fixture);
    }
}

/** Writes a transaction, and ends without committing it. */
static int die_in_transaction(void *context)
{
    const char *path = context;
    alex_store *store;
    alex_txn *txn;
    CHILD_REQUIRE(alex_open(path, NULL, &store) == ALEX_OK);
    alex_table *table = alex_main_table(store);
    CHILD_REQUIRE(alex_put(table, 1, "before", 6, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_begin(store, ALEX_WRITE, &txn) == ALEX_OK);
    for (int64_t key = 0; key < 1000; key++) {
        CHILD_REQUIRE(alex_txn_put(txn, table, key, "lost", 4, NULL) == ALEX_OK);
    }
    return 0;
}

/* A transaction whose process ends before its commit has never been. */
static void test_killed(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;
    assert_int_equal(0, helper_in_child(die_in_transaction, fixture->path));
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_true(report.records_dropped > 900);
    ASSERT_VALUE(fixture->main, 1, "before");
    ASSERT_VALUE(fixture->main, 2, NULL);
    helper_put(fixture->main, 3, "after");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_VALUE(fixture->main, 3, "after");
}

/** What a forked child makes of its parent's transaction. */
static int commit_in_child(void *context)
{
    CHILD_REQUIRE(alex_commit(context) == ALEX_READ_ONLY);
    return 0;
}

static int give_up_in_child(void *context)
{
    CHILD_REQUIRE(alex_end(context) == ALEX_OK);
    return 0;
}

static int commit_nothing_in_child(void *context)
{
    CHILD_REQUIRE(alex_commit(context) == ALEX_OK);
    return 0;
}

static int end_in_child(void *context)
{
    struct fixture *fixture = context;
    alex_txn *reads;
    uint8_t byte;
    CHILD_REQUIRE(alex_put(fixture->main, 5, "x", 1, NULL) == ALEX_READ_ONLY);
    CHILD_REQUIRE(alex_get(fixture->main, 1, &byte, 1, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_begin(fixture->store, ALEX_READ, &reads) == ALEX_OK);
    CHILD_REQUIRE(alex_end(reads) == ALEX_OK);
    CHILD_REQUIRE(alex_close(fixture->store) == ALEX_OK);
    return 0;
}

/* A forked child can't commit its parent's transaction, but ends it, and closes the store all the same; the parent goes
 * on. */
static void test_fork(void **state)
{
    struct fixture *fixture = *state;
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_ON_COMMIT; durability++) {
        fixture_store_close(fixture);
        fixture_store_open(fixture, &(struct alex_options){.durability = durability});
        helper_put(fixture->main, 1, "x");
        alex_txn *txn = helper_begin_write(fixture->store);
        assert_int_equal(0, helper_in_child(commit_nothing_in_child, txn));
        for (int64_t key = 1; key < 100; key++) {
            helper_txn_put(txn, fixture->main, key, "y");
            ASSERT_TXN_VALUE(txn, fixture->main, key, "y");
        }
        assert_int_equal(0, helper_in_child(commit_in_child, txn));
        assert_int_equal(0, helper_in_child(give_up_in_child, txn));
        assert_int_equal(0, helper_in_child(end_in_child, fixture));
        ASSERT_OK(alex_commit(txn));
        ASSERT_VALUE(fixture->main, 99, "y");
    }
}

/* On a full disk what can't be put is refused, and what was put before stays; going back from savepoint to savepoint,
 * with a put that fails after each, takes none of the space that is kept back for the transaction's end. */
static void test_full_disk(void **state)
{
    struct fixture *fixture = *state;
    enum { SAVEPOINTS = 1000 };
    static const uint8_t bytes[3000];
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    uint64_t savepoint;
    alex_txn *txn = helper_begin_write(fixture->store);
    for (int64_t key = 1; key <= SAVEPOINTS; key++) {
        helper_txn_put(txn, fixture->main, key, "kept");
        ASSERT_OK(alex_savepoint(txn, &savepoint));
        helper_txn_put(txn, fixture->main, -key, "gone");
    }
    faults_set(
        &(struct faults_plan){.calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true, .os_errno = ENOSPC});
    int code = ALEX_OK;
    int64_t key = SAVEPOINTS;
    while (code == ALEX_OK) {
        code = alex_txn_put(txn, fixture->main, ++key, bytes, sizeof bytes, NULL);
    }
    ASSERT_CODE(ALEX_NO_SPACE, code);
    for (savepoint = SAVEPOINTS; savepoint > SAVEPOINTS / 2; savepoint--) {
        ASSERT_OK(alex_rollback_to(txn, savepoint));
        ASSERT_CODE(ALEX_NO_SPACE, alex_txn_put(txn, fixture->main, 1, bytes, sizeof bytes, NULL));
    }
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "kept");
    ASSERT_OK(alex_commit(txn));
    for (key = 1; key <= SAVEPOINTS; key++) {
        ASSERT_VALUE(fixture->main, key, key <= SAVEPOINTS / 2 + 1 ? "kept" : NULL);
    }
    ASSERT_OK(alex_delete(fixture->main, 1));
    faults_clear();
    helper_put(fixture->main, 1, "again");
    helper_check(fixture->store);
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "again");
    ASSERT_VALUE(fixture->main, -1, "gone");
    ASSERT_VALUE(fixture->main, -SAVEPOINTS, NULL);
}

/* A range is deleted as a whole, both ends included, by a call of its own or in a transaction with what that has
 * written; snapshots of before see all of it. */
static void test_delete_range(void **state)
{
    struct fixture *fixture = *state;
    uint64_t deleted = 77;
    for (int64_t key = -500; key < 500; key++) {
        helper_put(fixture->main, key, "value");
    }
    alex_txn *before = helper_begin(fixture->store);
    struct alex_range range = {true, true, -10, 9, 3};
    ASSERT_OK(alex_delete_range(fixture->main, &range, &deleted));
    assert_int_equal(deleted, 20);
    ASSERT_VALUE(fixture->main, -11, "value");
    ASSERT_VALUE(fixture->main, -10, NULL);
    ASSERT_VALUE(fixture->main, 9, NULL);
    ASSERT_VALUE(fixture->main, 10, "value");
    ASSERT_OK(alex_delete_range(fixture->main, &range, &deleted));
    assert_int_equal(deleted, 0);
    alex_txn *txn = helper_begin_write(fixture->store);
    for (int64_t key = -200; key < 200; key += 2) {
        helper_txn_put(txn, fixture->main, key, "again");
    }
    range = (struct alex_range){true, true, 5, 4, 0};
    ASSERT_OK(alex_txn_delete_range(txn, fixture->main, &range, &deleted)); /* empty */
    assert_int_equal(deleted, 0);
    range = (struct alex_range){true, false, 100, 0, 0};
    ASSERT_OK(alex_txn_delete_range(txn, fixture->main, &range, &deleted));
    assert_int_equal(deleted, 400);
    ASSERT_TXN_VALUE(txn, fixture->main, 99, "value");
    ASSERT_TXN_VALUE(txn, fixture->main, 100, NULL);
    ASSERT_TXN_VALUE(txn, fixture->main, 98, "again");
    ASSERT_OK(alex_commit(txn));
    assert_int_equal(helper_count(fixture->store, fixture->main), 490 + 90 + 10);
    ASSERT_OK(alex_delete_range(fixture->main, NULL, NULL));
    assert_int_equal(helper_count(fixture->store, fixture->main), 0);
    uint64_t count;
    ASSERT_OK(alex_txn_count(before, fixture->main, NULL, &count));
    assert_int_equal(count, 1000);
    ASSERT_OK(alex_end(before));
    ASSERT_CODE(ALEX_INVALID, alex_delete_range(NULL, NULL, NULL));
    helper_put(fixture->main, INT64_MIN, "least");
    helper_put(fixture->main, INT64_MAX, "greatest");
    helper_check(fixture->store);
    fixture_reopen(fixture);
    assert_int_equal(helper_count(fixture->store, fixture->main), 2);
    ASSERT_OK(alex_delete_range(fixture->main, NULL, &deleted));
    assert_int_equal(deleted, 2);
}

/* A cursor deletes the entry that it is at, and goes on from there, in either direction. */
static void test_cursor_delete(void **state)
{
    struct fixture *fixture = *state;
    alex_cursor *cursor;
    struct alex_entry entry;
    for (int64_t key = 0; key < 300; key++) {
        helper_put(fixture->main, key, "value");
    }
    alex_txn *txn = helper_begin_write(fixture->store);
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_delete(cursor));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_delete(NULL));
    for (int64_t key = 0; key < 300; key++) {
        ASSERT_OK(alex_cursor_next(cursor, &entry));
        assert_int_equal(entry.key, key);
        if (key % 3 == 0) {
            ASSERT_OK(alex_cursor_delete(cursor));
            ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_delete(cursor));
        }
    }
    ASSERT_OK(alex_cursor_seek_before(cursor, 100, &entry));
    ASSERT_OK(alex_cursor_delete(cursor));
    ASSERT_OK(alex_cursor_previous(cursor, &entry));
    assert_int_equal(entry.key, 98);
    alex_cursor_close(cursor);
    ASSERT_OK(alex_commit(txn));
    assert_int_equal(helper_count(fixture->store, fixture->main), 199);
    txn = helper_begin(fixture->store);
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    ASSERT_OK(alex_cursor_next(cursor, &entry));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_delete(cursor)); /* the transaction only reads */
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_commit),
        TEST_WITH_STORE(test_abort),
        TEST_WITH_STORE(test_savepoints),
        TEST_WITH_STORE(test_rollback_of_all),
        TEST_WITH_STORE(test_cursor),
        TEST_WITH_STORE(test_values_stay),
        TEST_WITH_STORE(test_delete_range),
        TEST_WITH_STORE(test_cursor_delete),
        TEST_WITH_STORE(test_own_thread),
        TEST_WITH_STORE(test_misuse),
        TEST_WITH_STORE(test_others_wait),
        TEST_WITH_STORE(test_wait_ends),
        TEST_WITH_STORE(test_others_wait_for_holds),
        TEST_WITH_STORE(test_tables_wait),
        TEST_WITH_STORE(test_counter),
        TEST_WITH_STORE(test_moves),
        TEST_WITH_DIRECTORY(test_durabilities),
        TEST_WITH_DIRECTORY(test_killed),
        TEST_WITH_STORE(test_fork),
        TEST_WITH_FAULTS(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
