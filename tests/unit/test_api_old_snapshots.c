/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_api_old_snapshots.c Transactions that are open for long: who is told, and what statistics say. */
#include <pthread.h>

#include "store/store_internal.h"
#include "support/store_helper.h"

/** What the store has told. */
struct told {
    struct fixture *fixture;
    uint64_t calls;
    struct alex_old_snapshot last;
    alex_txn *renews; /**< within the call; NULL: nothing */
    bool writes;      /**< within the call */
};

static void be_told(void *context, const struct alex_old_snapshot *old)
{
    struct told *told = context;
    told->calls++;
    told->last = *old;
    if (told->writes) {
        helper_put(told->fixture->main, -2, "of a call");
        ASSERT_CODE(ALEX_INVALID, alex_put(told->fixture->main, 1, NULL, 1, NULL));
    }
    if (told->renews != NULL) {
        char buffer[8];
        ASSERT_OK(alex_renew(told->renews));
        helper_put(told->fixture->main, -1, "within");
        ASSERT_OK(alex_get(told->fixture->main, -1, buffer, sizeof buffer, NULL));
    }
}

static void reopen(struct fixture *fixture, struct told *told, uint64_t writes)
{
    *told = (struct told){.fixture = fixture};
    fixture_store_close(fixture);
    fixture_store_open(fixture, &(struct alex_options){.on_old_snapshot = be_told,
                                                       .old_snapshot_context = told,
                                                       .old_snapshot_writes = writes});
}

static void put_some(struct fixture *fixture, int count)
{
    for (int i = 0; i < count; i++) {
        helper_put(fixture->main, i, "value");
    }
}

/* The writer is told of a transaction once so much was written since it began, and again each time that as much was. */
static void test_told_of_an_old_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    reopen(fixture, &told, 100);
    put_some(fixture, 1000);
    assert_int_equal(told.calls, 0); /* none is open */
    alex_txn *txn = helper_begin(fixture->store);
    alex_txn *short_one = helper_begin(fixture->store);
    put_some(fixture, 99);
    assert_int_equal(told.calls, 0);
    ASSERT_OK(alex_end(short_one));
    put_some(fixture, 1);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.last.number, txn->snapshot.number);
    assert_int_equal(told.last.records, 100);
    assert_int_equal(told.last.thread, os_thread_id());
    put_some(fixture, 99);
    assert_int_equal(told.calls, 1);
    put_some(fixture, 1);
    assert_int_equal(told.calls, 2);
    assert_int_equal(told.last.records, 200);
    ASSERT_OK(alex_renew(txn));
    put_some(fixture, 99);
    assert_int_equal(told.calls, 2);
    put_some(fixture, 1);
    assert_int_equal(told.calls, 3);
    assert_int_equal(told.last.records, 100);
    ASSERT_OK(alex_end(txn));
    put_some(fixture, 1000);
    assert_int_equal(told.calls, 3);
}

/* Who is told may write, read and renew there and then, and is not told of the same again. */
static void test_calls_within(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    reopen(fixture, &told, 10);
    told.renews = helper_begin(fixture->store);
    put_some(fixture, 100);
    assert_int_equal(told.calls, 100 / 9); /* of each ten writes one is made within */
    ASSERT_VALUE(fixture->main, -1, "within");
    ASSERT_OK(alex_end(told.renews));
}

/* Who has a write transaction open is not told, as who is told may write: but once it has ended. */
static void test_not_told_in_a_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    alex_txn *txn;
    reopen(fixture, &told, 1);
    told.writes = true;
    alex_txn *snapshot = helper_begin(fixture->store);
    put_some(fixture, 1);
    assert_int_equal(told.calls, 1); /* and what that wrote is told of next */
    ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
    assert_int_equal(told.calls, 1);
    ASSERT_OK(alex_end(txn));
    assert_int_equal(told.calls, 2);
    ASSERT_OK(alex_end(snapshot));
}

/* Writes within a call lead to no further call, and what fails there doesn't hide why the call around it has failed. */
static void test_writes_within(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct alex_error error;
    reopen(fixture, &told, 1);
    told.writes = true;
    alex_txn *txn = helper_begin(fixture->store);
    put_some(fixture, 1);
    assert_int_equal(told.calls, 1);
    put_some(fixture, 1);
    assert_int_equal(told.calls, 2);
    ASSERT_CODE(ALEX_TOO_LARGE, alex_put(fixture->main, 1, "", ALEX_VALUE_MAX + 1, NULL));
    assert_int_equal(told.calls, 3); /* of what was written within */
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_TOO_LARGE);
    ASSERT_OK(alex_end(txn));
}

/* A number of writes that is never reached leads to no call. */
static void test_never_told(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    reopen(fixture, &told, UINT64_MAX);
    put_some(fixture, 10);
    alex_txn *txn = helper_begin(fixture->store);
    put_some(fixture, 100);
    assert_int_equal(told.calls, 0);
    assert_int_equal(fixture->store->old_snapshot_due, UINT64_MAX);
    ASSERT_OK(alex_end(txn));
}

/* A transaction that is just being opened may look old, so that nobody is told before it has settled: then by the next
 * write. */
static void test_none_told_while_one_settles(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    reopen(fixture, &told, 10);
    alex_txn *txn = helper_begin(fixture->store);
    atomic_store(&txn->snapshot.slot->thread, 0);
    put_some(fixture, 15);
    assert_int_equal(told.calls, 0);
    atomic_store(&txn->snapshot.slot->thread, os_thread_id());
    put_some(fixture, 1);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.last.records, 16);
    ASSERT_OK(alex_end(txn));
}

static void *renew_there(void *context)
{
    int64_t *thread = *(int64_t **)context;
    *thread = alex_renew(((alex_txn **)context)[1]) == ALEX_OK ? os_thread_id() : 0;
    return NULL;
}

/* It is the thread that began a transaction or last renewed it which is named, here and in statistics. */
static void test_names_the_thread(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct alex_store_stats stats;
    reopen(fixture, &told, 50);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.oldest_snapshot_thread, 0);
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.oldest_snapshot_thread, os_thread_id());
    int64_t other = 0;
    void *context[] = {&other, txn};
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, renew_there, context));
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_int_not_equal(other, 0);
    assert_int_not_equal(other, os_thread_id());
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.oldest_snapshot_thread, other);
    put_some(fixture, 50);
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.last.thread, other);
    ASSERT_OK(alex_end(txn));
}

/* Statistics count what is kept for open transactions: entries of deleted keys, and dropped tables. */
static void test_statistics(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;
    alex_table *table = helper_table(fixture->store, "goes", ALEX_KEYS_SIGNED);
    helper_put(table, 1, "one");
    put_some(fixture, 10);
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_table_drop(fixture->store, "goes"));
    for (int64_t key = 0; key < 10; key++) {
        ASSERT_OK(alex_delete(fixture->main, key));
    }
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.oldest_snapshot, txn->snapshot.number);
    assert_int_equal(stats.last_number - stats.oldest_snapshot, 12); /* the DROP has a COMMIT */
    assert_int_equal(stats.held_entries, 10);
    assert_int_equal(stats.held_tables, 1);
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.held_entries, 0);
    assert_int_equal(stats.held_tables, 0);
    assert_int_equal(stats.oldest_snapshot, stats.last_number);
}

/* A number of writes that nobody is told of is refused; without a number it is a million. */
static void test_options(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct alex_error error = {0};
    alex_store *store = NULL;
    ASSERT_CODE(ALEX_INVALID,
                alex_open(fixture->path, &(struct alex_options){.old_snapshot_writes = 5, .error = &error}, &store));
    assert_non_null(strstr(error.message, "on_old_snapshot"));
    reopen(fixture, &told, 0);
    assert_int_equal(fixture->store->options.old_snapshot_writes, 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_told_of_an_old_snapshot),
        TEST_WITH_STORE(test_calls_within),
        TEST_WITH_STORE(test_not_told_in_a_transaction),
        TEST_WITH_STORE(test_writes_within),
        TEST_WITH_STORE(test_never_told),
        TEST_WITH_STORE(test_none_told_while_one_settles),
        TEST_WITH_STORE(test_names_the_thread),
        TEST_WITH_STORE(test_statistics),
        TEST_WITH_STORE(test_options),
    };
    return cmocka_run_group_tests_name("old snapshots", tests, NULL, NULL);
}
