/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_store_reclaim.c
 * What goes when the oldest snapshot ends: tombstones and dropped tables; and what has to wait for that.
 */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "store/store_internal.h"
#include "support/store_helper.h"

/** Keys of the main table's index that are tombstones. */
static uint64_t tombstones_in(const alex_table *table)
{
    return index_count(table->index) - table->keys;
}

static size_t dropped_tables(const alex_store *store)
{
    size_t count = 0;
    for (const alex_table *table = store->dropped; table != NULL; table = table->next_dropped) {
        count++;
    }
    return count;
}

/** Puts keys from 0 on, begins a transaction, and deletes them. */
static alex_txn *begin_before_deletes(const struct fixture *fixture, int64_t keys)
{
    for (int64_t key = 0; key < keys; key++) {
        helper_put(fixture->main, key, "value");
    }
    alex_txn *txn = helper_begin(fixture->store);
    for (int64_t key = 0; key < keys; key++) {
        ASSERT_OK(alex_delete(fixture->main, key));
    }
    return txn;
}

/* A delete without open snapshot leaves no entry behind. */
static void test_delete_without_snapshot(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_delete(fixture->main, 1));
    assert_int_equal(index_count(fixture->main->index), 0);
    assert_int_equal(fixture->store->held.count, 0);
}

/* A tombstone stays until the last snapshot older than it ends, in whatever order the snapshots end. */
static void test_tombstones_out_of_order(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t key = 0; key < 3; key++) {
        helper_put(fixture->main, key, "before");
    }
    alex_txn *first = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 0));
    alex_txn *second = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 1));
    alex_txn *third = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 2));
    assert_int_equal(tombstones_in(fixture->main), 3);

    ASSERT_OK(alex_end(second));
    assert_int_equal(tombstones_in(fixture->main), 3); /* the first sees behind all of them */
    ASSERT_TXN_VALUE(first, fixture->main, 0, "before");
    ASSERT_TXN_VALUE(third, fixture->main, 1, NULL);
    ASSERT_TXN_VALUE(third, fixture->main, 2, "before");
    ASSERT_OK(alex_end(first));
    assert_int_equal(tombstones_in(fixture->main), 1); /* the third began before the last delete */
    ASSERT_TXN_VALUE(third, fixture->main, 2, "before");
    ASSERT_OK(alex_end(third));
    assert_int_equal(tombstones_in(fixture->main), 0);
    assert_int_equal(fixture->store->held.count, 0);
}

/* A tombstone whose key was written again takes nothing away when its turn comes. */
static void test_tombstone_of_key_written_again(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 7, "old");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 7));
    helper_put(fixture->main, 7, "new");
    ASSERT_TXN_VALUE(txn, fixture->main, 7, "old");
    ASSERT_OK(alex_end(txn));
    ASSERT_VALUE(fixture->main, 7, "new");
    assert_int_equal(tombstones_in(fixture->main), 0);
}

/* The queue of tombstones moves its items to its memory's beginning before it asks for more. */
static void test_queue_is_reused(void **state)
{
    struct fixture *fixture = *state;
    alex_txn *oldest = NULL;
    for (int64_t round = 0; round < 200; round++) {
        helper_put(fixture->main, round, "value");
        alex_txn *txn = helper_begin(fixture->store);
        ASSERT_OK(alex_delete(fixture->main, round));
        ASSERT_OK(alex_end(oldest));
        oldest = txn;
    }
    ASSERT_OK(alex_end(oldest));
    assert_true(fixture->store->held.capacity <= 128);
    assert_int_equal(tombstones_in(fixture->main), 0);
}

/* What a snapshot held back goes in steps where a writer waits for its turn: none of it keeps that one waiting for
 * long, and each write takes a little of it. */
static void test_reclaim_in_steps(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 1000 };
    alex_txn *txn = begin_before_deletes(fixture, KEYS);
    atomic_store(&fixture->store->waiting, 1); /* as if */
    ASSERT_OK(alex_end(txn));
    assert_int_equal(tombstones_in(fixture->main), KEYS);
    for (uint64_t left = KEYS; left > 0;) {
        uint64_t before = left;
        helper_put(fixture->main, KEYS, "value");
        left = tombstones_in(fixture->main);
        assert_in_range(before - left, 1, 2 * RECLAIM_STEP);
    }
    atomic_store(&fixture->store->waiting, 0);

    txn = helper_begin(fixture->store);
    for (int64_t key = 0; key < KEYS; key++) {
        helper_put(fixture->main, key, "value");
        ASSERT_OK(alex_delete(fixture->main, key));
    }
    ASSERT_OK(alex_end(txn));
    assert_int_equal(tombstones_in(fixture->main), 0); /* nobody waits */
}

#ifdef BASE_INTERRUPTS

/** A delete of key 1 within another call. */
static struct {
    alex_table *table;
    int at;   /**< at which interruption */
    int seen; /**< interruptions */
} deletes_within;

static void delete_within(void)
{
    if (++deletes_within.seen == deletes_within.at) {
        base_interrupt = NULL;
        ASSERT_OK(alex_delete(deletes_within.table, 1));
    }
}

/* A snapshot beside whose opening a key is deleted holds back what it needs, if anything, until its end and no longer.
 */
static void test_delete_as_snapshot_is_opened(void **state)
{
    struct fixture *fixture = *state;
    bool came = true;
    deletes_within.table = fixture->main;
    for (deletes_within.at = 1; came; deletes_within.at++) {
        helper_put(fixture->main, 1, "one");
        deletes_within.seen = 0;
        base_interrupt = delete_within;
        alex_txn *txn = helper_begin(fixture->store);
        came = base_interrupt == NULL;
        base_interrupt = NULL;
        struct alex_slice value;
        int code = alex_txn_get(txn, fixture->main, 1, &value);
        assert_int_equal(tombstones_in(fixture->main), came && code == ALEX_OK);
        ASSERT_OK(alex_end(txn));
        assert_int_equal(tombstones_in(fixture->main), 0);
    }
    assert_true(deletes_within.at > 3);
}

/** A writer that comes while another thread takes away what a snapshot held back. */
static struct {
    struct fixture *fixture;
    pthread_t thread;
    bool has_come;
    uint64_t left; /**< tombstones in its turn */
    int result;
} late_writer;

static void *write_late(void *context)
{
    (void)context;
    late_writer.result = alex_put(late_writer.fixture->main, -1, "late", 4, NULL);
    return NULL;
}

/** Has it come, and waits until it waits for its turn; then looks at what is left when it has its turn. */
static void writer_comes(void)
{
    if (!late_writer.has_come) {
        late_writer.has_come = true;
        assert_int_equal(pthread_create(&late_writer.thread, NULL, write_late, NULL), 0);
        while (atomic_load(&late_writer.fixture->store->waiting) == 0) {
            (void)sched_yield();
        }
    } else if (pthread_equal(pthread_self(), late_writer.thread) && late_writer.left == 0) {
        late_writer.left = tombstones_in(late_writer.fixture->main);
    }
}

/* Who ends a snapshot gives way, after a step, to a writer that has come meanwhile, and nothing is left in the end. */
static void test_writer_comes_while_reclaiming(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 4000 };
    alex_txn *txn = begin_before_deletes(fixture, KEYS);
    late_writer.fixture = fixture;
    base_interrupt = writer_comes;
    ASSERT_OK(alex_end(txn));
    assert_int_equal(pthread_join(late_writer.thread, NULL), 0);
    base_interrupt = NULL;
    ASSERT_OK(late_writer.result);
    assert_in_range(late_writer.left, KEYS / 2, KEYS - 1);
    ASSERT_VALUE(fixture->main, -1, "late");
    for (int i = 0; i < KEYS; i++) {
        helper_put(fixture->main, -1, "later");
    }
    assert_int_equal(tombstones_in(fixture->main), 0);
    assert_int_equal(fixture->store->held.count, 0);
}

/** As if a writer came while this thread takes much away, and waited for so many tries to go on with that. */
static struct {
    alex_store *store;
    bool has_come;
    int waits;
} short_writer;

static void short_writer_comes(void)
{
    if (!short_writer.has_come) {
        short_writer.has_come = true;
        atomic_store(&short_writer.store->waiting, 1);
    } else if (atomic_load(&short_writer.store->waiting) > 0 && os_mutex_try_lock(short_writer.store->lock)) {
        os_mutex_unlock(short_writer.store->lock); /* this is between two steps */
        if (--short_writer.waits == 0) {
            atomic_store(&short_writer.store->waiting, 0);
        }
    }
}

/* Who takes much away goes on when a writer that came meanwhile has done soon, as none may come after it; and gives up
 * otherwise. */
static void test_writer_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 4000 };
    for (int round = 0; round < 2; round++) {
        alex_txn *txn = begin_before_deletes(fixture, KEYS);
        short_writer.store = fixture->store;
        short_writer.has_come = false;
        short_writer.waits = round == 0 ? 20 : 1000;
        base_interrupt = short_writer_comes;
        ASSERT_OK(alex_end(txn));
        base_interrupt = NULL;
        assert_true(short_writer.has_come);
        assert_int_equal(atomic_load(&fixture->store->waiting), round);
        if (round == 0) {
            assert_int_equal(tombstones_in(fixture->main), 0);
        } else {
            assert_in_range(tombstones_in(fixture->main), KEYS / 2, KEYS - 1);
        }
        atomic_store(&fixture->store->waiting, 0);
    }
}

static void *end_txn(void *txn)
{
    return alex_end(txn) == ALEX_OK ? NULL : txn;
}

/** Holds the thread up that takes away, while it has the writer's lock. */
static void hold_up_in_steps(void)
{
    static _Atomic uint64_t calls;
    if (os_mutex_try_lock(late_writer.fixture->store->lock)) {
        os_mutex_unlock(late_writer.fixture->store->lock);
    } else if (atomic_fetch_add(&calls, 1) % 64 == 0) {
        (void)usleep(20);
    }
}

static int find_some_left(void *context)
{
    const struct fixture *fixture = context;
    base_interrupt = NULL;
    return tombstones_in(fixture->main) > 0 ? 0 : 1;
}

/* A fork comes between two steps of who takes much away, and needn't wait for all of them. */
static void test_fork_while_reclaiming(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 4000 };
    alex_txn *txn = begin_before_deletes(fixture, KEYS);
    pthread_t thread;
    void *failed;
    late_writer.fixture = fixture;
    base_interrupt = hold_up_in_steps;
    assert_int_equal(pthread_create(&thread, NULL, end_txn, txn), 0);
    while (tombstones_in(fixture->main) == KEYS) {
        (void)sched_yield();
    }
    assert_int_equal(helper_in_child(find_some_left, fixture), 0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    base_interrupt = NULL;
    assert_null(failed);
    assert_int_equal(tombstones_in(fixture->main), 0);
}

#endif

/* The end of a snapshot that held nothing back itself goes on with what was left of another's. */
static void test_end_goes_on_with_the_rest(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 1000 };
    alex_txn *txn = begin_before_deletes(fixture, KEYS);
    alex_txn *newer = helper_begin(fixture->store);
    atomic_store(&fixture->store->waiting, 1); /* as if */
    ASSERT_OK(alex_end(txn));
    helper_put(fixture->main, KEYS, "value"); /* takes a step */
    atomic_store(&fixture->store->waiting, 0);
    assert_in_range(tombstones_in(fixture->main), 1, KEYS - 1);
    ASSERT_OK(alex_end(newer));
    assert_int_equal(tombstones_in(fixture->main), 0);
}

/* The end of a transaction changes nothing in a table with a reserved put, whose place in the index is fixed. */
static void test_end_while_put_is_reserved(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 2000 };
    for (int64_t key = 0; key < KEYS; key++) {
        helper_put(fixture->main, key * 2, "value");
    }
    alex_txn *txn = helper_begin(fixture->store);
    for (int64_t key = 0; key < KEYS; key++) {
        ASSERT_OK(alex_delete(fixture->main, key * 2));
    }
    void *buffer;
    ASSERT_OK(alex_put_reserve(fixture->main, 1001, 5, &buffer));
    memcpy(buffer, "12345", 5);
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_put_commit(fixture->main, NULL));
    assert_null(index_verify(fixture->main->index));
    ASSERT_VALUE(fixture->main, 1001, "12345");
    assert_int_equal(fixture->main->keys, 1);
    assert_int_equal(index_count(fixture->main->index), 1); /* the commit makes good for what the end left */
}

/* The same where the reserved key is a tombstone itself, and where the put is cancelled. */
static void test_end_while_deleted_key_is_reserved(void **state)
{
    struct fixture *fixture = *state;
    void *buffer;
    for (int round = 0; round < 2; round++) {
        helper_put(fixture->main, 5, "old");
        helper_put(fixture->main, 6, "kept");
        alex_txn *txn = helper_begin(fixture->store);
        ASSERT_OK(alex_delete(fixture->main, 5));
        ASSERT_OK(alex_put_reserve(fixture->main, 5, 3, &buffer));
        memcpy(buffer, "new", 3);
        ASSERT_OK(alex_end(txn));
        if (round == 0) {
            bool replaced = true;
            ASSERT_OK(alex_put_commit(fixture->main, &replaced));
            assert_false(replaced);
            ASSERT_VALUE(fixture->main, 5, "new");
        } else {
            alex_put_cancel(fixture->main);
            ASSERT_VALUE(fixture->main, 5, NULL);
        }
        ASSERT_VALUE(fixture->main, 6, "kept");
        assert_int_equal(tombstones_in(fixture->main), 0);
        assert_null(index_verify(fixture->main->index));
    }
}

/* A dropped table stays for the snapshots older than its drop, and goes with the last of them. */
static void test_dropped_tables_out_of_order(void **state)
{
    struct fixture *fixture = *state;
    alex_table *a = helper_table(fixture->store, "a", ALEX_KEYS_DEFAULT);
    alex_table *b = helper_table(fixture->store, "b", ALEX_KEYS_DEFAULT);
    helper_put(a, 1, "in a");
    helper_put(b, 1, "in b");
    alex_txn *first = helper_begin(fixture->store);
    ASSERT_OK(alex_table_drop(fixture->store, "a"));
    alex_txn *second = helper_begin(fixture->store);
    ASSERT_OK(alex_table_drop(fixture->store, "b"));
    assert_int_equal(dropped_tables(fixture->store), 2);
    ASSERT_TXN_VALUE(first, a, 1, "in a");
    ASSERT_TXN_VALUE(first, b, 1, "in b");
    ASSERT_OK(alex_end(first));
    assert_int_equal(dropped_tables(fixture->store), 1);
    ASSERT_TXN_VALUE(second, b, 1, "in b");
    ASSERT_OK(alex_end(second));
    assert_int_equal(dropped_tables(fixture->store), 0);
}

/* A table dropped with tombstones in the queue takes them along. */
static void test_dropped_table_with_tombstones(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "gone", ALEX_KEYS_DEFAULT);
    helper_put(table, 1, "one");
    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(table, 1));
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_OK(alex_table_drop(fixture->store, "gone"));
    ASSERT_TXN_VALUE(txn, table, 1, "one");
    ASSERT_OK(alex_end(txn));
    assert_int_equal(dropped_tables(fixture->store), 0);
    assert_int_equal(fixture->store->held.count, 0);
    assert_int_equal(tombstones_in(fixture->main), 0);
}

/* Replay keeps no table that was dropped: opening takes no memory for what is long gone. */
static void test_replay_ends_dropped_tables(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 5; round++) {
        alex_table *table = helper_table(fixture->store, "temporary", ALEX_KEYS_DEFAULT);
        helper_put(table, round, "value");
        ASSERT_OK(alex_table_drop(fixture->store, "temporary"));
    }
    fixture_reopen(fixture);
    assert_int_equal(dropped_tables(fixture->store), 0);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "temporary",
                                                &(struct alex_table_options){.mode = ALEX_MUST_EXIST}, &fixture->main));
    fixture->main = alex_main_table(fixture->store);
}

/* Table ids are never used again, also if the table was dropped and the store reopened. */
static void test_table_ids_ascend(void **state)
{
    struct fixture *fixture = *state;
    uint32_t last = fixture->main->id;
    for (int round = 0; round < 4; round++) {
        alex_table *table = helper_table(fixture->store, "again", ALEX_KEYS_DEFAULT);
        assert_true(table->id > last);
        last = table->id;
        ASSERT_OK(alex_table_drop(fixture->store, "again"));
        fixture_reopen(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_delete_without_snapshot),
        TEST_WITH_STORE(test_tombstones_out_of_order),
        TEST_WITH_STORE(test_tombstone_of_key_written_again),
        TEST_WITH_STORE(test_queue_is_reused),
        TEST_WITH_STORE(test_reclaim_in_steps),
#ifdef BASE_INTERRUPTS
        TEST_WITH_STORE(test_delete_as_snapshot_is_opened),
        TEST_WITH_STORE(test_writer_comes_while_reclaiming),
        TEST_WITH_STORE(test_writer_is_waited_for),
        TEST_WITH_STORE(test_fork_while_reclaiming),
#endif
        TEST_WITH_STORE(test_end_goes_on_with_the_rest),
        TEST_WITH_STORE(test_end_while_put_is_reserved),
        TEST_WITH_STORE(test_end_while_deleted_key_is_reserved),
        TEST_WITH_STORE(test_dropped_tables_out_of_order),
        TEST_WITH_STORE(test_dropped_table_with_tombstones),
        TEST_WITH_STORE(test_replay_ends_dropped_tables),
        TEST_WITH_STORE(test_table_ids_ascend),
    };
    return cmocka_run_group_tests_name("store reclaim", tests, NULL, NULL);
}
