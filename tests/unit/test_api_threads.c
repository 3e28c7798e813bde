/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_api_threads.c Threads on one store: readers beside a writer, writers, errors, moving snapshots. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

/** Keys go in pairs, 2 i and 2 i + 1, which a batch always writes or deletes together and with the same number: so each
 *  moment, and each snapshot, has both with one number, or neither. */
#define PAIRS 2000

struct value {
    int64_t pair;
    uint64_t number;
    uint64_t check; /**< a torn value would not fit together */
};

static struct value value_of(int64_t pair, uint64_t number)
{
    return (struct value){pair, number, ~(number ^ (uint64_t)pair)};
}

struct shared {
    alex_store *store;
    alex_txn *txn; /**< to be ended within a check */
    alex_table *table;
    atomic_bool done;
    atomic_uint wrong;
    atomic_ullong reads;
    uint64_t rounds;
};

static void expect(struct shared *shared, bool holds)
{
    if (!holds) {
        (void)atomic_fetch_add(&shared->wrong, 1);
    }
}

static bool is_whole(const void *data, size_t size, int64_t key)
{
    struct value value;
    if (size != sizeof value) {
        return false;
    }
    memcpy(&value, data, sizeof value);
    struct value expected = value_of(key >> 1, value.number);
    return memcmp(&value, &expected, sizeof value) == 0;
}

static uint64_t number_in(const struct alex_slice *slice)
{
    struct value value;
    memcpy(&value, slice->data, sizeof value);
    return value.number;
}

/** A lone get: the value, whole and the key's own, or none; and no older than one that was seen before. */
static void read_one(struct shared *shared, int64_t key, uint64_t *newest)
{
    struct value value;
    size_t size = 0;
    int result = alex_get(shared->table, key, &value, sizeof value, &size);
    expect(shared, result == ALEX_OK || result == ALEX_NOT_FOUND);
    if (result == ALEX_OK) {
        expect(shared, is_whole(&value, size, key) && value.number >= newest[key >> 1]);
        newest[key >> 1] = value.number;
    }
    result = alex_exists(shared->table, key);
    expect(shared, result == ALEX_OK || result == ALEX_NOT_FOUND);
}

static void read_pairs(struct shared *shared, alex_txn *txn, int64_t first)
{
    int64_t keys[40];
    struct alex_slice values[40];
    for (int64_t i = 0; i < 40; i++) {
        keys[i] = (first + i / 2 * 7) % PAIRS * 2 + i % 2;
    }
    size_t found = 0;
    expect(shared, alex_txn_get_many(txn, shared->table, keys, 40, values, &found) == ALEX_OK);
    for (size_t i = 0; i < 40; i += 2) {
        struct alex_slice alone = {NULL, 0};
        int result = alex_txn_get(txn, shared->table, keys[i], &alone);
        expect(shared, (result == ALEX_OK) == (values[i].data != NULL) && alone.data == values[i].data);
        expect(shared, (values[i].data == NULL) == (values[i + 1].data == NULL));
        if (values[i].data != NULL && values[i + 1].data != NULL) {
            expect(shared, is_whole(values[i].data, values[i].size, keys[i]));
            expect(shared, is_whole(values[i + 1].data, values[i + 1].size, keys[i + 1]));
            expect(shared, number_in(&values[i]) == number_in(&values[i + 1]));
        }
    }
}

/** Scans all, in either direction. @return a sum that tells what was seen; out_count: entries */
static uint64_t scan(struct shared *shared, alex_txn *txn, bool forward, uint64_t *out_count)
{
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    struct alex_entry before = {0};
    uint64_t sum = 0;
    uint64_t count = 0;
    expect(shared, alex_cursor_open(txn, shared->table, NULL, &cursor) == ALEX_OK);
    int result = forward ? alex_cursor_first(cursor, &entry) : alex_cursor_last(cursor, &entry);
    for (; result == ALEX_OK; count++) {
        expect(shared, is_whole(entry.value.data, entry.value.size, entry.key));
        if (count % 2 == 1) { /* entries come in pairs */
            expect(shared, before.key >> 1 == entry.key >> 1 && before.key != entry.key);
            expect(shared, number_in(&before.value) == number_in(&entry.value));
        }
        sum += (number_in(&entry.value) + 1) * (uint64_t)(entry.key + 1) * UINT64_C(0x9e3779b97f4a7c15);
        before = entry;
        result = forward ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry);
    }
    expect(shared, result == ALEX_NOT_FOUND && count % 2 == 0);
    alex_cursor_close(cursor);
    *out_count = count;
    return sum;
}

/** One snapshot is the same however it is read, and for as long as it is open. */
static void read_snapshot(struct shared *shared, int64_t first)
{
    alex_txn *txn = NULL;
    expect(shared, alex_begin(shared->store, ALEX_READ, &txn) == ALEX_OK);
    for (int turn = 0; turn < 2; turn++) {
        uint64_t forward_count;
        uint64_t backward_count;
        uint64_t counted = 0;
        uint64_t forward = scan(shared, txn, true, &forward_count);
        read_pairs(shared, txn, first);
        uint64_t backward = scan(shared, txn, false, &backward_count);
        expect(shared, alex_txn_count(txn, shared->table, NULL, &counted) == ALEX_OK);
        expect(shared, forward == backward && forward_count == backward_count && counted == forward_count);
        expect(shared, alex_renew(txn) == ALEX_OK);
    }
    expect(shared, alex_end(txn) == ALEX_OK);
}

static void *read_on(void *context)
{
    struct shared *shared = context;
    static _Thread_local uint64_t newest[PAIRS];
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    memset(newest, 0, sizeof newest);
    while (!atomic_load(&shared->done)) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        int64_t key = (int64_t)(random >> 33) % (2 * PAIRS);
        read_one(shared, key, newest);
        if (random >> 60 == 0) {
            read_snapshot(shared, key >> 1);
        }
        (void)atomic_fetch_add(&shared->reads, 1);
    }
    return NULL;
}

/** Writes or deletes pairs, some in one batch. */
static void write_pairs(struct shared *shared, uint64_t number)
{
    struct alex_op ops[16];
    struct value values[8];
    for (uint64_t i = 0; i < 8; i++) {
        int64_t pair = (int64_t)((number * 8 + i) * 7919 % PAIRS);
        bool is_delete = (number + i) % 5 == 0;
        values[i] = value_of(pair, number);
        for (int64_t half = 0; half < 2; half++) {
            ops[2 * i + (uint64_t)half] = (struct alex_op){is_delete ? ALEX_OP_DELETE : ALEX_OP_PUT,
                                                           shared->table,
                                                           2 * pair + half,
                                                           {&values[i], sizeof values[i]}};
        }
    }
    ASSERT_OK(alex_write(shared->store, ops, 16));
}

/** Loads pairs in one piece, in an order that needs sorting. */
static void load_pairs(struct shared *shared, uint64_t number)
{
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(shared->table, &loader));
    for (int64_t i = 0; i < 200; i++) {
        int64_t pair = i * 31 % PAIRS;
        struct value value = value_of(pair, number);
        ASSERT_OK(alex_loader_add(loader, 2 * pair + 1, &value, sizeof value));
        ASSERT_OK(alex_loader_add(loader, 2 * pair, &value, sizeof value));
    }
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
}

/** Makes a table, fills it, and drops it. */
static void come_and_go(struct shared *shared)
{
    alex_table *table = helper_table(shared->store, "comes and goes", ALEX_KEYS_SIGNED);
    for (int64_t key = 0; key < 50; key++) {
        helper_put(table, key, "value");
    }
    ASSERT_OK(alex_table_drop(shared->store, "comes and goes"));
}

#define READERS 2

static void run_readers(struct fixture *fixture, uint64_t writes)
{
    struct shared shared = {.store = fixture->store, .table = fixture->main};
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(0, pthread_create(&threads[i], NULL, read_on, &shared));
    }
    for (uint64_t number = 1; number <= writes || atomic_load(&shared.reads) < 500; number++) {
        write_pairs(&shared, number);
        if (number % 64 == 0) {
            load_pairs(&shared, number);
            come_and_go(&shared);
            ASSERT_OK(alex_sync(fixture->store));
        }
    }
    atomic_store(&shared.done, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(0, pthread_join(threads[i], NULL));
    }
    assert_int_equal(atomic_load(&shared.wrong), 0);
    alex_txn *txn = helper_begin(fixture->store);
    uint64_t count;
    (void)scan(&shared, txn, true, &count);
    ASSERT_OK(alex_end(txn));
    assert_int_equal(atomic_load(&shared.wrong), 0);
    helper_check(fixture->store);
}

/* Readers beside a writer see whole values, pairs that belong together, and snapshots that stay as they are, by every
 * way of reading, while keys are put, overwritten, deleted and loaded, and tables dropped. */
static void test_readers_beside_a_writer(void **state)
{
    run_readers(*state, 2000);
}

/* The same with commits that are on disk before others see them. */
static void test_readers_beside_durable_commits(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_close(fixture);
    fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
    run_readers(fixture, 100);
}

struct writer {
    struct shared *shared;
    int64_t first;
};

#define WRITERS 4
#define WRITER_KEYS 500

static void *write_own(void *context)
{
    const struct writer *writer = context;
    struct shared *shared = writer->shared;
    for (int64_t i = 0; i < WRITER_KEYS; i++) {
        struct value value = value_of((writer->first + i) >> 1, (uint64_t)i);
        expect(shared, alex_put(shared->table, writer->first + i, &value, sizeof value, NULL) == ALEX_OK);
        if (i % 3 == 2) {
            expect(shared, alex_delete(shared->table, writer->first + i - 1) == ALEX_OK);
        }
        bool deleted = i % 3 == 2;
        expect(shared, alex_exists(shared->table, writer->first + i - deleted) ==
                           (deleted ? ALEX_NOT_FOUND : ALEX_OK)); /* each sees its own writes */
    }
    return NULL;
}

/* Writers that come at the same time go in one after the other; nothing of any is lost. */
static void test_several_writers(void **state)
{
    struct fixture *fixture = *state;
    struct shared shared = {.store = fixture->store, .table = fixture->main};
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&shared, (int64_t)i * 1000};
        assert_int_equal(0, pthread_create(&threads[i], NULL, write_own, &writers[i]));
    }
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(0, pthread_join(threads[i], NULL));
    }
    assert_int_equal(atomic_load(&shared.wrong), 0);
    fixture_reopen(fixture);
    for (size_t i = 0; i < WRITERS; i++) {
        for (int64_t k = 0; k < WRITER_KEYS; k++) {
            bool deleted = k % 3 == 1 && k + 1 < WRITER_KEYS;
            int64_t key = (int64_t)i * 1000 + k;
            struct value value;
            size_t size = 0;
            ASSERT_CODE(deleted ? ALEX_NOT_FOUND : ALEX_OK, alex_get(fixture->main, key, &value, sizeof value, &size));
            assert_true(deleted || (is_whole(&value, size, key) && value.number == (uint64_t)k));
        }
    }
    helper_check(fixture->store);
}

static void *fail_otherwise(void *context)
{
    struct shared *shared = context;
    struct alex_error error;
    alex_store_error(shared->store, &error);
    expect(shared, error.code == ALEX_OK); /* nothing of this thread's has failed */
    expect(shared, alex_put(shared->table, 1, NULL, 1, NULL) == ALEX_INVALID);
    alex_store_error(shared->store, &error);
    expect(shared, error.code == ALEX_INVALID);
    return NULL;
}

/* A thread is told of its own last failure, whatever fails in others, and not of what has failed on another store. */
static void test_errors_are_the_threads(void **state)
{
    struct fixture *fixture = *state;
    struct shared shared = {.store = fixture->store, .table = fixture->main};
    alex_table *table;
    ASSERT_CODE(ALEX_TOO_LARGE, alex_put(fixture->main, 1, "", ALEX_VALUE_MAX + 1, NULL));
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, fail_otherwise, &shared));
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_int_equal(atomic_load(&shared.wrong), 0);
    struct alex_error error;
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_TOO_LARGE);
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "", NULL, &table));
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_INVALID);

    char path[FILES_PATH_MAX + 16];
    alex_store *other;
    (void)snprintf(path, sizeof path, "%s/other", fixture->directory);
    ASSERT_OK(alex_open(path, &(struct alex_options){.catch_sigbus = true}, &other));
    helper_put(alex_main_table(other), 1, "one");
    char buffer[8];
    ASSERT_OK(alex_get(alex_main_table(other), 1, buffer, sizeof buffer, NULL));
    alex_store_error(other, &error);
    assert_int_equal(error.code, ALEX_OK);
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_INVALID);
    ASSERT_OK(alex_close(other));
}

static int write_in_visit(void *context, const struct alex_finding *finding)
{
    struct shared *shared = context;
    (void)finding;
    struct alex_error error;
    expect(shared, alex_put(shared->table, 1, "x", 1, NULL) == ALEX_BUSY);
    alex_store_error(shared->store, &error);
    expect(shared, error.code == ALEX_BUSY && strstr(error.message, "alex_check") != NULL);
    alex_table *table;
    alex_loader *loader;
    void *buffer;
    struct alex_store_stats store_stats;
    struct alex_table_stats table_stats;
    struct alex_check_report report;
    struct alex_op op = {ALEX_OP_DELETE, shared->table, 1, {NULL, 0}};
    expect(shared, alex_put_if_absent(shared->table, 1, "x", 1) == ALEX_BUSY);
    expect(shared, alex_put_reserve(shared->table, 1, 1, &buffer) == ALEX_BUSY);
    expect(shared, alex_put_commit(shared->table, NULL) == ALEX_BUSY);
    alex_put_cancel(shared->table);
    expect(shared, alex_delete(shared->table, 1) == ALEX_BUSY);
    expect(shared, alex_write(shared->store, &op, 1) == ALEX_BUSY);
    expect(shared, alex_loader_open(shared->table, &loader) == ALEX_BUSY);
    expect(shared, alex_table_open(shared->store, "new", NULL, &table) == ALEX_BUSY);
    expect(shared, alex_table_drop(shared->store, "new") == ALEX_BUSY);
    expect(shared, alex_table_list(shared->store, NULL, NULL) == ALEX_BUSY);
    expect(shared, alex_store_stat(shared->store, &store_stats) == ALEX_BUSY);
    expect(shared, alex_table_stat(shared->table, &table_stats) == ALEX_BUSY);
    expect(shared, alex_check(shared->store, NULL, NULL, &report) == ALEX_BUSY);
    expect(shared, alex_sync(shared->store) == ALEX_BUSY);
    alex_txn *txn;
    expect(shared, alex_begin(shared->store, ALEX_WRITE, &txn) == ALEX_BUSY);
    expect(shared, alex_begin_write(shared->store, 0, &txn) == ALEX_BUSY);
    expect(shared, alex_add(shared->table, 1, 1, NULL) == ALEX_BUSY);
    expect(shared, alex_delete_range(shared->table, NULL, NULL) == ALEX_BUSY);
    expect(shared, alex_close(shared->store) == ALEX_BUSY);
    expect(shared, alex_exists(shared->table, 1) == ALEX_OK);
    expect(shared, alex_end(shared->txn) == ALEX_OK);
    expect(shared, shared->store->held.count == 1); /* the check's to take away, or a later writer's */
    return 0;
}

/* What a check calls may read, and is refused to write, instead of waiting for itself. */
static void test_writes_within_a_check(void **state)
{
    struct fixture *fixture = *state;
    struct shared shared = {.store = fixture->store, .table = fixture->main};
    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 7, "seven");
    shared.txn = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 7));
    char path[FILES_PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/MANIFEST", fixture->path);
    char away[FILES_PATH_MAX + 16];
    (void)snprintf(away, sizeof away, "%s/away", fixture->directory);
    assert_int_equal(0, rename(path, away));
    struct alex_check_report report;
    ASSERT_OK(alex_check(fixture->store, write_in_visit, &shared, &report));
    assert_int_equal(0, rename(away, path));
    assert_int_equal(report.findings, 1);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    assert_int_equal(fixture->store->held.count, 0);
    helper_put(fixture->main, 2, "two");
}

struct moving {
    struct shared shared;
    alex_txn *txn;
    alex_cursor *cursor;
};

static void *go_on_reading(void *context)
{
    struct moving *moving = context;
    struct alex_entry entry;
    struct alex_slice value;
    expect(&moving->shared, alex_cursor_next(moving->cursor, &entry) == ALEX_OK && entry.key == 2);
    expect(&moving->shared, alex_txn_get(moving->txn, moving->shared.table, 1, &value) == ALEX_OK);
    expect(&moving->shared, value.size == 3 && memcmp(value.data, "one", 3) == 0);
    alex_cursor_close(moving->cursor);
    expect(&moving->shared, alex_end(moving->txn) == ALEX_OK);
    return NULL;
}

/* A transaction and its cursor go on in another thread, and what they held back goes when that ends them. */
static void test_transactions_move(void **state)
{
    struct fixture *fixture = *state;
    struct moving moving = {.shared = {.store = fixture->store, .table = fixture->main}};
    struct alex_entry entry;
    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    moving.txn = helper_begin(fixture->store);
    ASSERT_OK(alex_cursor_open(moving.txn, fixture->main, NULL, &moving.cursor));
    ASSERT_OK(alex_cursor_first(moving.cursor, &entry));
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_OK(alex_delete(fixture->main, 2));
    assert_int_equal(fixture->store->held.count, 2);
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, go_on_reading, &moving));
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_int_equal(atomic_load(&moving.shared.wrong), 0);
    assert_int_equal(fixture->store->held.count, 0);
    assert_int_equal(index_count(fixture->main->index), 0);
}

/* A renewed transaction sees what has come since, and holds nothing older back; not while a cursor is open in it. */
static void test_renew(void **state)
{
    struct fixture *fixture = *state;
    ASSERT_CODE(ALEX_INVALID, alex_renew(NULL));
    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    helper_put(fixture->main, 1, "uno");
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
    alex_cursor *cursor;
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    ASSERT_CODE(ALEX_BUSY, alex_renew(txn));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
    alex_cursor_close(cursor);
    ASSERT_OK(alex_renew(txn));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, NULL);
    assert_int_equal(fixture->store->held.count, 0);
    helper_put(fixture->main, 1, "ein");
    ASSERT_TXN_VALUE(txn, fixture->main, 1, NULL);
    ASSERT_OK(alex_renew(txn));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "ein");
    ASSERT_OK(alex_end(txn));
}

static void *stay_inside(void *context)
{
    pthread_barrier_t *barrier = context;
    epoch_enter();
    (void)pthread_barrier_wait(barrier);
    (void)pthread_barrier_wait(barrier);
    epoch_leave();
    return NULL;
}

/* A table that was dropped and that a snapshot still holds takes no call but the snapshot's own. */
static void test_calls_on_a_dropped_table(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "goes", ALEX_KEYS_SIGNED);
    helper_put(table, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_table_drop(fixture->store, "goes"));
    struct alex_table_stats stats;
    alex_loader *loader;
    void *buffer;
    ASSERT_CODE(ALEX_INVALID, alex_table_stat(table, &stats));
    ASSERT_CODE(ALEX_INVALID, alex_loader_open(table, &loader));
    ASSERT_CODE(ALEX_INVALID, alex_put_reserve(table, 1, 1, &buffer));
    ASSERT_CODE(ALEX_INVALID, alex_put_commit(table, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_put(table, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_delete(table, 1));
    ASSERT_CODE(ALEX_INVALID, alex_exists(table, 1));
    ASSERT_TXN_VALUE(txn, table, 1, "one");
    ASSERT_OK(alex_end(txn));
}

/* A count is right beside a tombstone that is held back for an older snapshot. */
static void test_count_beside_a_tombstone(void **state)
{
    struct fixture *fixture = *state;
    uint64_t count;
    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    alex_txn *older = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 1));
    alex_txn *newer = helper_begin(fixture->store);
    ASSERT_OK(alex_txn_count(older, fixture->main, NULL, &count));
    assert_int_equal(count, 2);
    ASSERT_OK(alex_txn_count(newer, fixture->main, NULL, &count));
    assert_int_equal(count, 1);
    ASSERT_OK(alex_end(older));
    ASSERT_OK(alex_txn_count(newer, fixture->main, NULL, &count));
    assert_int_equal(count, 1);
    ASSERT_OK(alex_end(newer));
}

/* A snapshot that ends while a put is reserved leaves what it held back to the end of that. */
static void test_end_beside_a_reservation(void **state)
{
    struct fixture *fixture = *state;
    void *buffer;
    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 3, &buffer));
    ASSERT_OK(alex_end(txn));
    assert_int_equal(fixture->store->held.count, 1);
    alex_put_cancel(fixture->main);
    assert_int_equal(fixture->store->held.count, 0);
}

/* Where there is no memory for another snapshot, the transaction does not begin, and those that are open go on. */
static void test_begin_without_memory(void **state)
{
    struct fixture *fixture = *state;
    alex_txn *txns[MVCC_SLOTS_FIRST];
    alex_txn *one_more;
    helper_put(fixture->main, 1, "one");
    for (size_t i = 0; i < MVCC_SLOTS_FIRST; i++) {
        txns[i] = helper_begin(fixture->store);
    }
    faults_install();
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_MMAP), .first = 1});
    ASSERT_CODE(ALEX_NO_MEMORY, alex_begin(fixture->store, ALEX_READ, &one_more));
    faults_remove();
    for (size_t i = 0; i < MVCC_SLOTS_FIRST; i++) {
        ASSERT_TXN_VALUE(txns[i], fixture->main, 1, "one");
        ASSERT_OK(alex_end(txns[i]));
    }
    ASSERT_OK(alex_begin(fixture->store, ALEX_READ, &one_more));
    ASSERT_OK(alex_end(one_more));
}

/* A dropped table outlives the reads that were under way, in whatever store, and ends with the first write after them
 * or with the store. */
static void test_drop_under_a_reader(void **state)
{
    struct fixture *fixture = *state;
    for (int turn = 0; turn < 2; turn++) {
        alex_table *table = helper_table(fixture->store, "goes", ALEX_KEYS_SIGNED);
        helper_put(table, 1, "one");
        pthread_barrier_t barrier;
        pthread_t thread;
        assert_int_equal(0, pthread_barrier_init(&barrier, NULL, 2));
        assert_int_equal(0, pthread_create(&thread, NULL, stay_inside, &barrier));
        (void)pthread_barrier_wait(&barrier);
        ASSERT_OK(alex_table_drop(fixture->store, "goes"));
        assert_ptr_equal(fixture->store->dropped, table);
        helper_put(fixture->main, 1, "one");
        assert_ptr_equal(fixture->store->dropped, table);
        if (turn == 1) {
            fixture_store_close(fixture);
        }
        (void)pthread_barrier_wait(&barrier);
        assert_int_equal(0, pthread_join(thread, NULL));
        if (turn == 0) {
            helper_put(fixture->main, 1, "uno");
            assert_null(fixture->store->dropped);
        }
        (void)pthread_barrier_destroy(&barrier);
    }
}

#ifdef BASE_INTERRUPTS
/** A thread that opens a snapshot and is held up at its Nth place where it may be, while a writer deletes the key. */
static struct {
    struct fixture *fixture;
    int at;
    int seen;
} held_up;

static void delete_once(void)
{
    if (++held_up.seen == held_up.at) {
        base_interrupt = NULL;
        ASSERT_OK(alex_delete(held_up.fixture->main, 1));
    }
}

/* A snapshot that is opened while a key is deleted sees the delete, or has the key held back for it. */
static void test_snapshot_opened_beside_a_delete(void **state)
{
    held_up.fixture = *state;
    bool acted = true;
    for (held_up.at = 1; acted; held_up.at++) {
        helper_put(held_up.fixture->main, 1, "one");
        uint64_t before = mvcc_published(&held_up.fixture->store->mvcc);
        held_up.seen = 0;
        base_interrupt = delete_once;
        alex_txn *txn = helper_begin(held_up.fixture->store);
        acted = base_interrupt == NULL;
        base_interrupt = NULL;
        ASSERT_TXN_VALUE(txn, held_up.fixture->main, 1, txn->snapshot.number > before ? NULL : "one");
        ASSERT_OK(alex_end(txn));
    }
    assert_true(held_up.at >= 3);
}

/** A table that another thread drops, read by who comes between. */
static struct {
    alex_table *table;
    unsigned reads; /**< after the drop was noted in the table and before it was published */
} dropping;

static void read_amid_drop(void)
{
    alex_table *table = dropping.table;
    alex_store *store = table->store;
    char buffer[8];
    struct alex_slice value;
    if (table_drop_number(table) == 0) {
        return;
    }
    base_interrupt = NULL;
    if (table_drop_number(table) > mvcc_published(&store->mvcc)) {
        int alone = alex_get(table, 1, buffer, sizeof buffer, NULL);
        int exists = alex_exists(table, 1);
        alex_txn *txn = helper_begin(store);
        int later = alex_txn_get(txn, table, 1, &value);
        ASSERT_OK(alex_end(txn));
        ASSERT_OK(later);
        ASSERT_OK(alone);
        ASSERT_OK(exists);
        dropping.reads++;
        base_interrupt = read_amid_drop;
    }
}

/* A table that is being dropped is there until the drop is published, for reads without a snapshot as for the snapshots
 * that begin after them. */
static void test_reads_amid_a_drop(void **state)
{
    struct fixture *fixture = *state;
    dropping.table = helper_table(fixture->store, "goes", ALEX_KEYS_SIGNED);
    helper_put(dropping.table, 1, "one");
    base_interrupt = read_amid_drop;
    ASSERT_OK(alex_table_drop(fixture->store, "goes"));
    base_interrupt = NULL;
    assert_true(dropping.reads > 0);
}
/** A batch that another thread commits, read by who comes between. */
static struct {
    alex_table *table;
    alex_txn *before; /**< a snapshot of before it */
    unsigned reads;   /**< after its entries were in the index and before they were published */
} committing;

static void read_amid_commit(void)
{
    alex_table *table = committing.table;
    alex_store *store = table->store;
    if (atomic_load(&store->entering) % 2 == 0 || index_count(table->index) < 2) {
        return; /* and with fewer keys within a change of a node, perhaps, which a read would wait for */
    }
    base_interrupt = NULL;
    char buffer[8];
    size_t size;
    ASSERT_OK(alex_get(table, 1, buffer, sizeof buffer, &size));
    assert_memory_equal(buffer, "before", 6);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_get(table, 2, buffer, sizeof buffer, &size));
    ASSERT_OK(alex_exists(table, 1));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(table, 2));
    alex_txn *later = helper_begin(store);
    for (int i = 0; i < 2; i++) {
        alex_txn *txn = i == 0 ? committing.before : later;
        uint64_t count;
        ASSERT_OK(alex_txn_count(txn, table, NULL, &count));
        assert_int_equal(count, 1);
        ASSERT_TXN_VALUE(txn, table, 1, "before");
        ASSERT_TXN_VALUE(txn, table, 2, NULL);
    }
    ASSERT_OK(alex_end(later));
    committing.reads++;
    base_interrupt = read_amid_commit;
}

/* Entries of a batch that is not committed are passed by, by every way of reading, also where the log is staged. */
static void test_uncommitted_entries(void **state)
{
    struct fixture *fixture = *state;
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_ON_COMMIT; durability++) {
        fixture_store_close(fixture);
        fixture_store_open(fixture, &(struct alex_options){.durability = durability});
        (void)alex_delete(fixture->main, 2);
        helper_put(fixture->main, 1, "before");
        committing.table = fixture->main;
        committing.before = helper_begin(fixture->store);
        committing.reads = 0;
        const struct alex_op ops[] = {{ALEX_OP_PUT, fixture->main, 1, {"after", 5}},
                                      {ALEX_OP_PUT, fixture->main, 2, {"after", 5}}};
        base_interrupt = read_amid_commit;
        ASSERT_OK(alex_write(fixture->store, ops, 2));
        base_interrupt = NULL;
        assert_true(committing.reads > 0);
        ASSERT_OK(alex_end(committing.before));
        ASSERT_VALUE(fixture->main, 2, "after");
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_readers_beside_a_writer),
        TEST_WITH_STORE(test_readers_beside_durable_commits),
        TEST_WITH_STORE(test_several_writers),
        TEST_WITH_STORE(test_errors_are_the_threads),
        TEST_WITH_STORE(test_writes_within_a_check),
        TEST_WITH_STORE(test_transactions_move),
        TEST_WITH_STORE(test_renew),
        TEST_WITH_STORE(test_drop_under_a_reader),
        TEST_WITH_STORE(test_end_beside_a_reservation),
        TEST_WITH_STORE(test_begin_without_memory),
        TEST_WITH_STORE(test_calls_on_a_dropped_table),
        TEST_WITH_STORE(test_count_beside_a_tombstone),
#ifdef BASE_INTERRUPTS
        TEST_WITH_STORE(test_snapshot_opened_beside_a_delete),
        TEST_WITH_STORE(test_reads_amid_a_drop),
        TEST_WITH_STORE(test_uncommitted_entries),
#endif
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
