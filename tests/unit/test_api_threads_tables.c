/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_api_threads_tables.c Reads of tables that others rename, and drop in what they take back. */
#include <pthread.h>
#include <stdatomic.h>

#include "store/store_internal.h"
#include "support/store_helper.h"

#define READERS 3
#define KEYS 50

struct beside {
    alex_store *store;
    alex_table *table;
    atomic_bool done;
    atomic_uint reads;
    atomic_uint wrong;
};

static void expect(struct beside *beside, bool holds)
{
    atomic_fetch_add(&beside->wrong, !holds);
}

static bool is_name(const char *name)
{
    return strcmp(name, "first") == 0 || strcmp(name, "second") == 0;
}

/** Reads a table in all ways, and its name, for as long as it is changed. */
static void *read_beside(void *context)
{
    struct beside *beside = context;
    while (!atomic_load(&beside->done)) {
        alex_txn *txn;
        struct alex_slice slice;
        struct alex_table_stats stats;
        uint64_t count = 0;
        char value[8];
        expect(beside, alex_begin(beside->store, ALEX_READ, &txn) == ALEX_OK);
        for (int64_t key = 0; key < KEYS; key++) {
            expect(beside, alex_get(beside->table, key, value, sizeof value, NULL) == ALEX_OK);
            expect(beside, alex_exists(beside->table, key) == ALEX_OK);
            expect(beside, alex_txn_get(txn, beside->table, key, &slice) == ALEX_OK);
            expect(beside, is_name(alex_table_name(beside->table)));
        }
        expect(beside, alex_txn_count(txn, beside->table, NULL, &count) == ALEX_OK && count == KEYS);
        expect(beside, alex_end(txn) == ALEX_OK);
        expect(beside, alex_table_stat(beside->table, &stats) == ALEX_OK);
        atomic_fetch_add(&beside->reads, 1);
    }
    return NULL;
}

static void start(struct beside *beside, struct fixture *fixture, pthread_t *threads)
{
    beside->store = fixture->store;
    beside->table = helper_table(fixture->store, "first", ALEX_KEYS_SIGNED);
    for (int64_t key = 0; key < KEYS; key++) {
        helper_put(beside->table, key, "value");
    }
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(0, pthread_create(&threads[i], NULL, read_beside, beside));
    }
}

static void stop(struct beside *beside, const pthread_t *threads)
{
    atomic_store(&beside->done, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(0, pthread_join(threads[i], NULL));
    }
    assert_int_equal(atomic_load(&beside->wrong), 0);
}

/** Whether the writer goes on: until all that is to be read was, in turns that are many. */
static bool goes_on(const struct beside *beside, int turn)
{
    return turn < 2000 || atomic_load(&beside->reads) < 10 * READERS;
}

/* A table that a transaction drops, and that is then taken back, is there for everyone else all the time. */
static void test_drops_taken_back(void **state)
{
    struct fixture *fixture = *state;
    struct beside beside = {.store = NULL};
    pthread_t threads[READERS];
    start(&beside, fixture, threads);
    for (int turn = 0; goes_on(&beside, turn); turn++) {
        alex_txn *txn;
        uint64_t savepoint;
        ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
        ASSERT_OK(alex_savepoint(txn, &savepoint));
        ASSERT_OK(alex_txn_table_drop(txn, "first"));
        if (turn % 2 == 0) {
            ASSERT_OK(alex_rollback_to(txn, savepoint));
            ASSERT_OK(alex_commit(txn));
        } else {
            ASSERT_OK(alex_end(txn));
        }
    }
    stop(&beside, threads);
}

/* A table that is renamed is read all the same, and each name that it tells is one that it had. */
static void test_renames(void **state)
{
    struct fixture *fixture = *state;
    struct beside beside = {.store = NULL};
    pthread_t threads[READERS];
    start(&beside, fixture, threads);
    for (int turn = 0; goes_on(&beside, turn); turn++) {
        ASSERT_OK(turn % 2 == 0 ? alex_table_rename(fixture->store, "first", "second")
                                : alex_table_rename(fixture->store, "second", "first"));
    }
    stop(&beside, threads);
}

#ifdef BASE_INTERRUPTS
/** A drop that is taken back at the Nth place where a read may be held up. */
static struct {
    alex_txn *txn;
    uint64_t savepoint;
    int at;
    int seen;
} taken_back;

static void take_back(void)
{
    if (++taken_back.seen == taken_back.at) {
        base_interrupt = NULL;
        ASSERT_OK(alex_rollback_to(taken_back.txn, taken_back.savepoint));
    }
}

/* A read that finds the drop of a table marked, and when it looks closer finds it taken back, reads the table. */
static void test_drop_taken_back_amid_a_read(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "first", ALEX_KEYS_SIGNED);
    helper_put(table, 1, "value");
    bool acted = true;
    for (taken_back.at = 1; acted; taken_back.at++) {
        taken_back.txn = helper_begin_write(fixture->store);
        ASSERT_OK(alex_savepoint(taken_back.txn, &taken_back.savepoint));
        ASSERT_OK(alex_txn_table_drop(taken_back.txn, "first"));
        taken_back.seen = 0;
        base_interrupt = take_back;
        ASSERT_VALUE(table, 1, "value");
        acted = base_interrupt == NULL;
        base_interrupt = NULL;
        ASSERT_OK(alex_end(taken_back.txn));
    }
    assert_true(taken_back.at > 2);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_drops_taken_back),
        TEST_WITH_STORE(test_renames),
#ifdef BASE_INTERRUPTS
        TEST_WITH_STORE(test_drop_taken_back_amid_a_read),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
