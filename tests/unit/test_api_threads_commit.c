/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_threads_commit.c
 * Threads that write with ALEX_DURABLE_ON_COMMIT: they share their syncs, nobody sees what no sync covers, and a failed
 * sync takes back all that waits for one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { THREADS = 8 };

static struct os_calls real_calls;
static atomic_uint gate_lets;  /* syncs of files through; the others wait */
static atomic_bool gate_fails; /* those that come through from now on */
static atomic_uint syncs;

static void pause_briefly(void)
{
    struct timespec time = {0, 100000};
    (void)nanosleep(&time, NULL);
}

static int gated_fdatasync(int fd)
{
    unsigned number = atomic_fetch_add(&syncs, 1) + 1;
    while (number > atomic_load(&gate_lets)) {
        pause_briefly();
    }
    if (atomic_load(&gate_fails)) {
        errno = EIO;
        return -1;
    }
    return real_calls.fdatasync(fd);
}

/** Waits until so many syncs have begun since close_gate(): the turn as a writer of whose it is has ended then. */
static void wait_for_sync(unsigned number)
{
    while (atomic_load(&syncs) < number) {
        pause_briefly();
    }
}

/** Writes on their way, as the store counts them. */
static unsigned waiting(alex_store *store)
{
    unsigned count = 0;
    os_mutex_lock(store->commits.lock);
    for (const struct commit *commit = store->commits.newest; commit != NULL; commit = commit->older) {
        count++;
    }
    os_mutex_unlock(store->commits.lock);
    return count;
}

/** One call in a thread of its own. */
struct call {
    int (*make)(alex_table *table, int64_t key);
    alex_table *table;
    int64_t key;
    pthread_t thread;
    atomic_bool returned;
    int result;
    struct alex_error error;
};

static void *make_call(void *context)
{
    struct call *call = context;
    call->result = call->make(call->table, call->key);
    alex_store_error(call->table->store, &call->error);
    atomic_store(&call->returned, true);
    return NULL;
}

static int put_new(alex_table *table, int64_t key)
{
    return alex_put(table, key, "new", 3, NULL);
}

/** Puts a key that has a value. @return ALEX_OK also if a failed call says that it has replaced it */
static int put_over(alex_table *table, int64_t key)
{
    bool replaced = false;
    int result = alex_put(table, key, "new", 3, &replaced);
    return replaced ? ALEX_OK : result;
}

static int put_absent(alex_table *table, int64_t key)
{
    return alex_put_if_absent(table, key, "new", 3);
}

static int put_reserved(alex_table *table, int64_t key)
{
    void *buffer;
    int result = alex_put_reserve(table, key, 3, &buffer);
    if (result != ALEX_OK) {
        return result;
    }
    memcpy(buffer, "new", 3);
    return alex_put_commit(table, NULL);
}

/** Puts the key, deletes the next. */
static int write_both(alex_table *table, int64_t key)
{
    struct alex_op ops[] = {{ALEX_OP_PUT, table, key, {"new", 3}}, {ALEX_OP_DELETE, table, key + 1, {NULL, 0}}};
    return alex_write(table->store, ops, 2);
}

/** A batch that finds nothing to do. */
static int write_nothing(alex_table *table, int64_t key)
{
    struct alex_op op = {ALEX_OP_DELETE, table, key, {NULL, 0}};
    return alex_write(table->store, &op, 1);
}

/** Begins a call and waits until it waits for a sync. @param waits  writes that wait then, this one included if it is
 *  one */
static void begin_call(struct call *call, int (*make)(alex_table *table, int64_t key), alex_table *table, int64_t key,
                       unsigned waits)
{
    *call = (struct call){.make = make, .table = table, .key = key};
    assert_int_equal(pthread_create(&call->thread, NULL, make_call, call), 0);
    while (waiting(table->store) < waits) {
        pause_briefly();
    }
}

static int end_call(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    return call->result;
}

static void close_gate(void)
{
    atomic_store(&syncs, 0);
    atomic_store(&gate_lets, 0);
}

static void open_gate(bool fails)
{
    atomic_store(&gate_fails, fails);
    atomic_store(&gate_lets, UINT32_MAX);
}

/* Writes of many threads that come while a sync is made share the next one. None returns, and nobody sees one, before a
 * sync covers it; then all do. */
static void test_writes_share_syncs(void **state)
{
    struct fixture *fixture = *state;
    struct call calls[THREADS];
    helper_put(fixture->main, 0, "old");
    close_gate();
    for (unsigned i = 0; i < THREADS; i++) {
        begin_call(&calls[i], put_new, fixture->main, i, i + 1);
    }
    for (int64_t key = 0; key < THREADS; key++) {
        ASSERT_VALUE(fixture->main, key, key == 0 ? "old" : NULL);
        ASSERT_CODE(key == 0 ? ALEX_OK : ALEX_NOT_FOUND, alex_exists(fixture->main, key));
        assert_false(atomic_load(&calls[key].returned));
    }
    assert_int_equal(helper_count(fixture->store, fixture->main), 1);
    open_gate(false);
    for (int64_t key = 0; key < THREADS; key++) {
        ASSERT_OK(end_call(&calls[key]));
        ASSERT_VALUE(fixture->main, key, "new");
    }
    assert_in_range(atomic_load(&syncs), 1, 2);
    assert_int_equal(waiting(fixture->store), 0);
    assert_int_equal(helper_count(fixture->store, fixture->main), THREADS);
}

/* A sync counts for what came before it began. What came later is not published with it, and may still be taken back.
 * */
static void test_sync_covers_what_came_before(void **state)
{
    struct fixture *fixture = *state;
    struct call calls[3];
    close_gate();
    begin_call(&calls[0], put_new, fixture->main, 0, 1);
    wait_for_sync(1);
    begin_call(&calls[1], put_new, fixture->main, 1, 2);
    begin_call(&calls[2], write_both, fixture->main, 0, 3);
    atomic_store(&gate_lets, 1);
    ASSERT_OK(end_call(&calls[0]));
    for (int i = 0; atomic_load(&syncs) == 1; i++) {
        assert_true(i < 50000); /* seconds: the others were published with the first sync */
        pause_briefly();
    }
    assert_int_equal(waiting(fixture->store), 2);
    ASSERT_VALUE(fixture->main, 0, "new");
    ASSERT_VALUE(fixture->main, 1, NULL);
    open_gate(true);
    ASSERT_CODE(ALEX_IO, end_call(&calls[1]));
    ASSERT_CODE(ALEX_IO, end_call(&calls[2]));
    ASSERT_VALUE(fixture->main, 0, "new");
    ASSERT_VALUE(fixture->main, 1, NULL);
    helper_check(fixture->store);
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    open_gate(false);
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 0, "new");
}

/* A thread that finds what another has not made durable yet waits for that, whatever it answers. */
static void test_answers_wait_for_what_they_rest_on(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 2, "old");
    close_gate();
    struct call calls[5];
    begin_call(&calls[0], put_new, fixture->main, 1, 1);
    begin_call(&calls[1], alex_delete, fixture->main, 2, 2);
    begin_call(&calls[2], put_absent, fixture->main, 1, 2);
    begin_call(&calls[3], alex_delete, fixture->main, 2, 2);
    begin_call(&calls[4], write_nothing, fixture->main, 2, 2);
    for (int i = 0; i < 100; i++) {
        pause_briefly();
    }
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        assert_false(atomic_load(&calls[i].returned));
    }
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store)); /* nor does the store end under them */
    open_gate(false);
    ASSERT_OK(end_call(&calls[0]));
    ASSERT_OK(end_call(&calls[1]));
    ASSERT_CODE(ALEX_EXISTS, end_call(&calls[2]));
    ASSERT_CODE(ALEX_NOT_FOUND, end_call(&calls[3]));
    ASSERT_OK(end_call(&calls[4]));
}

/* What takes the writer's turn as a whole, as making a table does, publishes with its sync what waits. */
static void test_others_publish_what_waits(void **state)
{
    struct fixture *fixture = *state;
    close_gate();
    struct call calls[2];
    begin_call(&calls[0], put_new, fixture->main, 1, 1);
    begin_call(&calls[1], alex_delete, fixture->main, 3, 1);
    open_gate(false);
    alex_table *table = helper_table(fixture->store, "another", ALEX_KEYS_SIGNED);
    ASSERT_VALUE(fixture->main, 1, "new");
    helper_put(table, 1, "kept");
    ASSERT_OK(alex_table_drop(fixture->store, "another"));
    ASSERT_OK(end_call(&calls[0]));
    ASSERT_CODE(ALEX_NOT_FOUND, end_call(&calls[1]));
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    for (int64_t key = 10; key < 20; key++) {
        ASSERT_OK(alex_loader_add(loader, key, "loaded", 6));
    }
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    assert_int_equal(helper_count(fixture->store, fixture->main), 11);
}

/* A write that was taken back tells nothing of what it has replaced. */
static void test_failed_call_tells_nothing(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "old");
    close_gate();
    struct call call;
    begin_call(&call, put_over, fixture->main, 1, 1);
    open_gate(true);
    ASSERT_CODE(ALEX_IO, end_call(&call));
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    open_gate(false);
    fixture_store_open(fixture, NULL);
}

/** What the keys of the next test have before. */
static void assert_as_before(struct fixture *fixture)
{
    ASSERT_VALUE(fixture->main, 1, "old");
    ASSERT_VALUE(fixture->main, 2, "gone for a moment");
    ASSERT_VALUE(fixture->main, 3, NULL);
    ASSERT_VALUE(fixture->main, 4, NULL);
    ASSERT_VALUE(fixture->main, 5, NULL);
    ASSERT_VALUE(fixture->main, 6, "in a batch");
    ASSERT_VALUE(fixture->main, 7, NULL);
    assert_int_equal(helper_count(fixture->store, fixture->main), 3);
    struct alex_table_stats stats;
    ASSERT_OK(alex_table_stat(fixture->main, &stats));
    assert_int_equal(stats.keys, 3);
    helper_check(fixture->store);
}

/* A sync that fails takes back every write that waits, of any kind and on whatever they rest, in the accounts, too. All
 * of them say why, and the store takes no more writes. */
static void test_failed_sync_takes_all_back(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "old");
    helper_put(fixture->main, 2, "gone for a moment");
    helper_put(fixture->main, 6, "in a batch");
    struct alex_store_stats before;
    struct alex_store_stats after;
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    static int (*const makes[])(alex_table * table, int64_t key) = {
        put_new, alex_delete, put_new, put_absent, write_both, put_reserved, alex_delete, put_new, put_new, alex_delete,
    };
    static const int64_t keys[] = {1, 2, 3, 4, 5, 7, 7, 2, 3, 2};
    enum { CALLS = sizeof keys / sizeof keys[0] };
    struct call calls[CALLS + 1];
    close_gate();
    for (unsigned i = 0; i < CALLS; i++) {
        begin_call(&calls[i], makes[i], fixture->main, keys[i], i + 1);
    }
    begin_call(&calls[CALLS], put_absent, fixture->main, 3, CALLS); /* is there, or not */
    open_gate(true);
    for (unsigned i = 0; i <= CALLS; i++) {
        int result = end_call(&calls[i]);
        assert_true(result == ALEX_IO || (i == CALLS && result == ALEX_READ_ONLY));
        assert_int_equal(calls[i].error.code, result);
        assert_true(calls[i].error.message[0] != '\0');
    }
    assert_int_equal(atomic_load(&syncs), 1);
    assert_as_before(fixture);
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.keys, before.keys);
    assert_int_equal(after.live_bytes, before.live_bytes);
    assert_int_equal(fixture->store->held.count, 0);
    ASSERT_CODE(ALEX_READ_ONLY, put_new(fixture->main, 1));
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    fixture->store = NULL;
    open_gate(false);
    fixture_store_open(fixture, NULL); /* each may be there or not; nothing else is */
    helper_check(fixture->store);
}

/* A write to the log's file that fails while others wait for a sync fails them too, and takes them back, but for what
 * the sync under way covers. */
static void test_failed_write_takes_all_back(void **state)
{
    struct fixture *fixture = *state;
    struct call calls[3];
    helper_put(fixture->main, 2, "old");
    close_gate();
    begin_call(&calls[0], put_new, fixture->main, 1, 1);
    wait_for_sync(1);
    begin_call(&calls[1], put_new, fixture->main, 2, 2);
    begin_call(&calls[2], write_both, fixture->main, 3, 3);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_PWRITE), .first = 1, .torn = true, .os_errno = EIO});
    ASSERT_CODE(ALEX_IO, put_new(fixture->main, 5));
    faults_clear();
    ASSERT_CODE(ALEX_READ_ONLY, put_new(fixture->main, 6));
    open_gate(false);
    ASSERT_OK(end_call(&calls[0]));
    for (int i = 1; i < 3; i++) {
        ASSERT_CODE(ALEX_READ_ONLY, end_call(&calls[i]));
        assert_int_equal(calls[i].error.code, ALEX_READ_ONLY);
        assert_true(calls[i].error.message[0] != '\0');
    }
    assert_int_equal(atomic_load(&syncs), 1);
    ASSERT_VALUE(fixture->main, 1, "new");
    ASSERT_VALUE(fixture->main, 2, "old");
    ASSERT_VALUE(fixture->main, 3, NULL);
    ASSERT_VALUE(fixture->main, 5, NULL);
    helper_check(fixture->store);
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "new");
    ASSERT_VALUE(fixture->main, 5, NULL);
}

static int sync_all(alex_table *table, int64_t key)
{
    (void)key;
    return alex_sync(table->store);
}

/* A sync that fails is not made again by another thread that has waited for it: that would be told that all is well. */
static void test_failed_sync_of_another(void **state)
{
    struct fixture *fixture = *state;
    struct call calls[3];
    close_gate();
    begin_call(&calls[0], put_new, fixture->main, 1, 1);
    wait_for_sync(1);
    begin_call(&calls[1], put_new, fixture->main, 2, 2);
    begin_call(&calls[2], sync_all, fixture->main, 0, 2);
    for (int i = 0; i < 100; i++) {
        pause_briefly();
    }
    atomic_store(&gate_lets, 1);
    ASSERT_OK(end_call(&calls[0]));
    for (int i = 0; i < 100 || atomic_load(&syncs) == 1; i++) {
        pause_briefly(); /* the second sync is begun, by one of the two, and the other one waits for it */
    }
    open_gate(true);
    for (int i = 1; i < 3; i++) {
        int result = end_call(&calls[i]);
        assert_true(result == ALEX_IO || result == ALEX_READ_ONLY);
    }
    assert_int_equal(atomic_load(&syncs), 2);
    ASSERT_VALUE(fixture->main, 1, "new");
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    open_gate(false);
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "new");
}

/* A put over a tombstone is taken back to the tombstone while a snapshot needs that, and to nothing when none does any
 * more. */
static void test_takes_back_to_tombstone(void **state)
{
    struct fixture *fixture = *state;
    for (int ends_before = 0; ends_before < 2; ends_before++) {
        fixture_store_close(fixture);
        fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
        helper_put(fixture->main, 1, "old");
        alex_txn *txn = helper_begin(fixture->store);
        ASSERT_OK(alex_delete(fixture->main, 1));
        close_gate();
        struct call call;
        begin_call(&call, put_new, fixture->main, 1, 1);
        wait_for_sync(1);
        if (ends_before) {
            ASSERT_OK(alex_end(txn));
            assert_int_equal(fixture->store->held.count, 0);
        }
        open_gate(true);
        ASSERT_CODE(ALEX_IO, end_call(&call));
        ASSERT_VALUE(fixture->main, 1, NULL);
        assert_int_equal(index_count(fixture->main->index), ends_before ? 0 : 1);
        if (!ends_before) {
            ASSERT_TXN_VALUE(txn, fixture->main, 1, "old");
            ASSERT_OK(alex_end(txn));
        }
        assert_int_equal(index_count(fixture->main->index), 0);
        ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
        open_gate(false);
        fixture_store_open(fixture, NULL);
    }
}

#ifdef BASE_INTERRUPTS

/** Holds a thread up where it has published its write and not yet woken those that its sync has covered. */
static struct {
    const alex_store *store;
    const struct call *call;
    _Atomic uint64_t number; /* of its write */
    atomic_bool holds;
    atomic_bool goes_on;
} held_up;

static void hold_up(void)
{
    if (mvcc_published(&held_up.store->mvcc) < atomic_load(&held_up.number) ||
        !pthread_equal(pthread_self(), held_up.call->thread)) {
        return;
    }
    atomic_store(&held_up.holds, true);
    while (!atomic_load(&held_up.goes_on)) {
        pause_briefly();
    }
}

/* Where the thread that led a sync is held up before it has woken those that are covered, later writes don't wait for
 * it. */
static void test_leader_held_up(void **state)
{
    struct fixture *fixture = *state;
    struct call calls[6];
    close_gate();
    held_up.store = fixture->store;
    held_up.call = &calls[1];
    atomic_store(&held_up.number, UINT64_MAX);
    base_interrupt = hold_up;
    begin_call(&calls[0], put_new, fixture->main, 0, 1);
    wait_for_sync(1);
    begin_call(&calls[1], put_new, fixture->main, 1, 2);
    atomic_store(&held_up.number, log_last_number(fixture->store->log));
    begin_call(&calls[2], put_new, fixture->main, 2, 3);
    atomic_store(&gate_lets, 1);
    wait_for_sync(2); /* for both */
    begin_call(&calls[3], put_new, fixture->main, 3, 3);
    atomic_store(&gate_lets, 2);
    while (!atomic_load(&held_up.holds)) {
        pause_briefly();
    }
    wait_for_sync(3);
    begin_call(&calls[4], put_new, fixture->main, 4, 2);
    begin_call(&calls[5], put_new, fixture->main, 5, 3);
    open_gate(false);
    for (int i = 3; i < 6; i++) {
        ASSERT_OK(end_call(&calls[i]));
    }
    assert_false(atomic_load(&calls[1].returned));
    atomic_store(&held_up.goes_on, true);
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(end_call(&calls[i]));
    }
    base_interrupt = NULL;
    assert_int_equal(helper_count(fixture->store, fixture->main), 6);
}

#endif

/** Puts a key until its newest record may have a shortcut. */
static void put_until_crossing(alex_table *table, int64_t key)
{
    uint64_t ref = 0;
    for (int i = 0; i < 3 || !mvcc_is_crossing(ref); i++) {
        helper_put(table, key, "newer");
        ref = index_find(table->index, table_index_key(table, key));
    }
}

/* A shortcut that a write has made of the record before it goes when the write is taken back, and snapshots see what
 * they saw. */
static void test_takes_back_shortcut(void **state)
{
    struct fixture *fixture = *state;
    alex_store *store = fixture->store;
    helper_put(fixture->main, 1, "old");
    alex_txn *txn = helper_begin(store);
    put_until_crossing(fixture->main, 1);
    size_t held = store->held.count;
    close_gate();
    struct call call;
    begin_call(&call, put_new, fixture->main, 1, 1);
    wait_for_sync(1);
    assert_int_equal(store->held.count, held + 1);
    assert_int_equal(index_count(store->shortcuts), held + 1);
    open_gate(true);
    ASSERT_CODE(ALEX_IO, end_call(&call));
    assert_int_equal(store->held.count, held);
    assert_int_equal(index_count(store->shortcuts), held);
    ASSERT_VALUE(fixture->main, 1, "newer");
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "old");
    ASSERT_OK(alex_end(txn));
    assert_int_equal(store->held.count, 0);
    ASSERT_CODE(ALEX_IO, alex_close(store));
    open_gate(false);
    fixture_store_open(fixture, NULL);
}

/* A put over a tombstone is taken back to it also where shortcuts are held for the same snapshot, before it. */
static void test_takes_back_to_tombstone_behind_shortcuts(void **state)
{
    struct fixture *fixture = *state;
    alex_store *store = fixture->store;
    helper_put(fixture->main, 1, "old");
    helper_put(fixture->main, 2, "old");
    alex_txn *txn = helper_begin(store);
    put_until_crossing(fixture->main, 1);
    helper_put(fixture->main, 1, "newest");
    ASSERT_OK(alex_delete(fixture->main, 2));
    assert_true(store->held.count >= 2);
    assert_null(store->held.items[store->held.first].table);
    close_gate();
    struct call call;
    begin_call(&call, put_new, fixture->main, 2, 1);
    open_gate(true);
    ASSERT_CODE(ALEX_IO, end_call(&call));
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "old");
    ASSERT_TXN_VALUE(txn, fixture->main, 2, "old");
    ASSERT_OK(alex_end(txn));
    assert_int_equal(index_count(fixture->main->index), 1);
    ASSERT_CODE(ALEX_IO, alex_close(store));
    open_gate(false);
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "newest");
}

/* The same over a tombstone that came with others, in an order that is not that of the keys. */
static void test_takes_back_to_tombstone_of_a_transaction(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 5 };
    for (int64_t key = 1; key <= KEYS; key++) {
        helper_put(fixture->main, key, "old");
    }
    alex_txn *txn = helper_begin(fixture->store);
    alex_txn *writes;
    ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &writes));
    for (int64_t key = KEYS; key > 0; key--) {
        ASSERT_OK(alex_txn_delete(writes, fixture->main, key));
    }
    ASSERT_OK(alex_commit(writes));
    close_gate();
    struct call calls[KEYS];
    for (int64_t key = 1; key <= KEYS; key++) {
        begin_call(&calls[key - 1], put_new, fixture->main, key, (unsigned)key);
    }
    open_gate(true);
    for (int64_t key = 1; key <= KEYS; key++) {
        ASSERT_CODE(ALEX_IO, end_call(&calls[key - 1]));
        ASSERT_VALUE(fixture->main, key, NULL);
    }
    for (int64_t key = 1; key <= KEYS; key++) {
        ASSERT_TXN_VALUE(txn, fixture->main, key, "old");
    }
    ASSERT_OK(alex_end(txn));
    assert_int_equal(index_count(fixture->main->index), 0);
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    open_gate(false);
    fixture_store_open(fixture, NULL);
}

/* A write transaction sees what waits for its sync; if that fails, so does the transaction, whatever it has written. */
static void test_transaction_that_saw_what_was_taken_back(void **state)
{
    struct fixture *fixture = *state;
    for (int commits = 0; commits < 2; commits++) {
        fixture_store_close(fixture);
        fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
        helper_put(fixture->main, 7, "first"); /* which syncs more than the log */
        (void)alex_delete(fixture->main, 1);
        close_gate();
        struct call call;
        begin_call(&call, put_new, fixture->main, 1, 1);
        wait_for_sync(1);
        alex_txn *txn;
        ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
        ASSERT_TXN_VALUE(txn, fixture->main, 1, "new");
        ASSERT_VALUE(fixture->main, 1, NULL);
        open_gate(true);
        ASSERT_CODE(ALEX_IO, end_call(&call));
        ASSERT_TXN_VALUE(txn, fixture->main, 1, NULL);
        ASSERT_CODE(ALEX_READ_ONLY, alex_txn_put(txn, fixture->main, 2, "x", 1, NULL));
        ASSERT_CODE(ALEX_IO, commits ? alex_commit(txn) : alex_end(txn));
        ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
        open_gate(false);
        fixture_store_open(fixture, NULL);
    }
}

static int close_in_child(void *context)
{
    (void)alarm(60);
    ASSERT_OK(alex_close(((struct fixture *)context)->store));
    return 0;
}

/* A write that waits in the parent keeps it from closing the store, but no forked child, where nobody waits. */
static void test_forked_child_closes(void **state)
{
    struct fixture *fixture = *state;
    close_gate();
    struct call call;
    begin_call(&call, put_new, fixture->main, 1, 1);
    assert_int_equal(helper_in_child(close_in_child, fixture), 0);
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    open_gate(false);
    ASSERT_OK(end_call(&call));
    ASSERT_VALUE(fixture->main, 1, "new");
}

/* A record that is overwritten before a sync covers it gets no shortcut yet, as a snapshot may still come to see it; a
 * write after that gives it one (mvcc/chain.h). */
static void test_shortcut_waits_for_sync(void **state)
{
    struct fixture *fixture = *state;
    alex_store *store = fixture->store;
    enum { CALLS = 200 };
    static struct call calls[CALLS];
    helper_put(fixture->main, 1, "old");
    helper_put(fixture->main, 1, "seen");
    alex_txn *txn = helper_begin(store);
    helper_put(fixture->main, 1, "not seen");
    close_gate();
    uint64_t crossing = 0;
    unsigned count = 0;
    while (crossing == 0) {
        assert_true(count < CALLS);
        begin_call(&calls[count], put_new, fixture->main, 1, count + 1);
        count++;
        os_mutex_lock(store->lock);
        crossing = store->crossings[0].ref;
        os_mutex_unlock(store->lock);
    }
    assert_int_equal(index_find(store->shortcuts, mvcc_shortcut_key(crossing)), 0);
    open_gate(false);
    for (unsigned i = 0; i < count; i++) {
        ASSERT_OK(end_call(&calls[i]));
    }
    for (int i = 0; i < 1000 && store->crossings[0].ref != 0; i++) {
        ASSERT_OK(put_new(fixture->main, 1)); /* a crossing among them looks at the others, too */
    }
    assert_int_equal(store->crossings[0].ref, 0);
    assert_int_not_equal(index_find(store->shortcuts, mvcc_shortcut_key(crossing)), 0);
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "seen");
    ASSERT_OK(alex_end(txn));
    assert_int_equal(index_count(store->shortcuts), 0);
}

/** Keys of a batch: more than twice as many crossings are among their records as the store has places for those that
 *  wait. */
enum { BATCH_KEYS = 1100, BATCHES = 400 };

static int write_many(alex_table *table, int64_t key)
{
    struct alex_op ops[BATCH_KEYS];
    for (int64_t i = 0; i < BATCH_KEYS; i++) {
        ops[i] = (struct alex_op){ALEX_OP_PUT, table, key + i, {"new", 3}};
    }
    return alex_write(table->store, ops, BATCH_KEYS);
}

/* Where more crossings wait than there are places for, a later one of the same key makes good for those that lost
 * theirs: the way of a snapshot past many batches, each of which came before the sync of the one before, is short. */
static void test_shortcuts_of_batches(void **state)
{
    struct fixture *fixture = *state;
    ASSERT_OK(write_many(fixture->main, 0));
    alex_txn *txn = helper_begin(fixture->store);
    close_gate();
    struct call calls[2];
    begin_call(&calls[0], write_many, fixture->main, 0, 1);
    for (unsigned i = 1; i < BATCHES; i++) {
        wait_for_sync(i);
        begin_call(&calls[i % 2], write_many, fixture->main, 0, 2);
        os_mutex_lock(fixture->store->lock); /* its turn has ended */
        os_mutex_unlock(fixture->store->lock);
        atomic_store(&gate_lets, i);
        ASSERT_OK(end_call(&calls[(i - 1) % 2]));
    }
    open_gate(false);
    ASSERT_OK(end_call(&calls[(BATCHES - 1) % 2]));
    for (int64_t key = 0; key < BATCH_KEYS; key++) {
        struct mvcc_walk walk = {
            .log = fixture->store->log,
            .view = txn_view(txn),
            .table = fixture->main->id,
            .key = (uint64_t)key,
            .ref = index_find(fixture->main->index, table_index_key(fixture->main, key)),
        };
        assert_int_equal(mvcc_walk(&walk), MVCC_VALUE);
        assert_in_range(walk.records, 2, 256); /* one in sixteen is a crossing, by its address */
    }
    ASSERT_OK(alex_end(txn));
    assert_int_equal(index_count(fixture->store->shortcuts), 0);
}

/** A thread that writes and sees what it wrote. */
struct writer {
    struct fixture *fixture;
    int64_t first;
    pthread_t thread;
    bool wrong;
};

enum { ROUNDS = 300, KEYS_EACH = 10 };

static void *write_on(void *context)
{
    struct writer *writer = context;
    alex_table *table = writer->fixture->main;
    for (unsigned round = 1; round <= ROUNDS && !writer->wrong; round++) {
        int64_t key = writer->first + round % KEYS_EACH;
        unsigned got = 0;
        size_t size = 0;
        writer->wrong = alex_put(table, key, &round, sizeof round, NULL) != ALEX_OK ||
                        alex_get(table, key, &got, sizeof got, &size) != ALEX_OK || got != round;
        if (round % 7 == 0 && !writer->wrong) {
            writer->wrong = alex_delete(table, key) != ALEX_OK || alex_exists(table, key) != ALEX_NOT_FOUND;
        }
        if (round % 5 == 0 && !writer->wrong) {
            writer->wrong = write_both(table, key) != ALEX_OK;
        }
    }
    return NULL;
}

/* Each thread sees its own writes once their calls have returned, whoever made the syncs, and so does who opens the
 * store afterwards. */
static void test_writers_see_their_writes(void **state)
{
    struct fixture *fixture = *state;
    struct writer writers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.fixture = fixture, .first = (int64_t)i * 2 * KEYS_EACH};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_false(writers[i].wrong);
    }
    assert_int_equal(waiting(fixture->store), 0);
    uint64_t count = helper_count(fixture->store, fixture->main);
    assert_int_equal(index_count(fixture->main->index), count);
    helper_check(fixture->store);
    fixture_reopen(fixture);
    assert_int_equal(helper_count(fixture->store, fixture->main), count);
}

/* A batch that has no memory for what it may have to take back fails, and changes nothing. */
static void test_no_memory_to_take_back(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "old");
    ASSERT_OK(write_both(fixture->main, 10)); /* so that scratch memory is there */
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = 1});
    ASSERT_CODE(ALEX_NO_MEMORY, write_both(fixture->main, 1));
    assert_int_equal(faults_struck(), 1);
    faults_clear();
    ASSERT_VALUE(fixture->main, 1, "old");
    ASSERT_OK(write_both(fixture->main, 1));
}

static int setup(void **state)
{
    faults_prefer_memory();
    faults_install();
    real_calls = os_calls;
    os_calls.fdatasync = gated_fdatasync;
    open_gate(false);
    int result = fixture_directory(state);
    if (result == 0) {
        fixture_store_open(*state, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
        helper_put(((struct fixture *)*state)->main, -1, "first"); /* after it no manifest is written for a while */
        ASSERT_OK(alex_delete(((struct fixture *)*state)->main, -1));
    }
    return result;
}

static int teardown(void **state)
{
    open_gate(false);
    int result = fixture_close(state);
    os_calls = real_calls;
    faults_remove();
    return result;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_writes_share_syncs),
        TEST(test_sync_covers_what_came_before),
        TEST(test_answers_wait_for_what_they_rest_on),
        TEST(test_others_publish_what_waits),
        TEST(test_failed_call_tells_nothing),
        TEST(test_failed_sync_takes_all_back),
        TEST(test_failed_write_takes_all_back),
        TEST(test_failed_sync_of_another),
        TEST(test_takes_back_to_tombstone),
#ifdef BASE_INTERRUPTS
        TEST(test_leader_held_up),
#endif
        TEST(test_takes_back_shortcut),
        TEST(test_takes_back_to_tombstone_behind_shortcuts),
        TEST(test_takes_back_to_tombstone_of_a_transaction),
        TEST(test_transaction_that_saw_what_was_taken_back),
        TEST(test_forked_child_closes),
        TEST(test_shortcut_waits_for_sync),
        TEST(test_shortcuts_of_batches),
        TEST(test_writers_see_their_writes),
        TEST(test_no_memory_to_take_back),
    };
    return cmocka_run_group_tests_name("threads that commit", tests, NULL, NULL);
}
