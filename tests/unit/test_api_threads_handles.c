/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_api_threads_handles.c A loader that moves between threads; what a transaction has beside a writer. */
#include <pthread.h>
#include <stdatomic.h>

#include "store/store_internal.h"
#include "support/store_helper.h"

/** A step of a load, by a thread of its own. */
struct loading {
    alex_table *table;
    alex_loader *loader;
    int64_t first;
    bool commits;
    int added;     /**< the code of adding */
    int write;     /**< that of a put meanwhile */
    int committed; /**< that of the commit */
    struct alex_error error;
    uint64_t keys;
};

static void *load_on(void *context)
{
    struct loading *loading = context;
    loading->added = ALEX_OK;
    for (int64_t key = loading->first; key < loading->first + 100 && loading->added == ALEX_OK; key++) {
        loading->added = alex_loader_add(loading->loader, key, &key, sizeof key);
    }
    loading->write = alex_put(loading->table, 0, NULL, 0, NULL);
    alex_store_error(loading->table->store, &loading->error);
    loading->committed = loading->commits ? alex_loader_commit(loading->loader, &loading->keys, NULL) : ALEX_OK;
    return NULL;
}

static void load_in_thread(struct loading *loading)
{
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, load_on, loading));
    assert_int_equal(0, pthread_join(thread, NULL));
    ASSERT_OK(loading->added);
    ASSERT_CODE(ALEX_BUSY, loading->write);
    assert_int_equal(loading->error.code, ALEX_BUSY);
    ASSERT_OK(loading->committed);
}

/* A loader serves one thread after the other: one opens it, others add and commit, the first closes it. All of it is
 * there, whoever added it, and other writes are refused in each of the threads till then. */
static void test_loader_moves(void **state)
{
    struct fixture *fixture = *state;
    struct loading loading = {.table = fixture->main};
    ASSERT_OK(alex_loader_open(fixture->main, &loading.loader));
    for (int i = 0; i < 4; i++) {
        loading.first = (i * 3 % 4) * 100; /* not in order, so that they are sorted */
        loading.commits = i == 3;
        load_in_thread(&loading);
        ASSERT_CODE(loading.commits ? ALEX_OK : ALEX_NOT_FOUND, alex_exists(fixture->main, 0));
    }
    alex_loader_close(loading.loader);
    assert_int_equal(loading.keys, 400);
    for (int64_t key = 0; key < 400; key++) {
        int64_t value = -1;
        ASSERT_OK(alex_get(fixture->main, key, &value, sizeof value, NULL));
        assert_int_equal(value, key);
    }
    ASSERT_OK(alex_put(fixture->main, 0, NULL, 0, NULL));
}

/** Keys of each table that the transaction sees: even ones. Those that come later are odd. */
#define KEYS 600

/** Turns of the writer, and passes of the cursor, at least. */
#define TURNS 6
#define PASSES 12

struct beside {
    alex_store *store;
    alex_table *table;
    atomic_uint turns;
    atomic_bool done;
    atomic_int failed; /**< the writer's first code that was not ALEX_OK */
};

static void note(struct beside *beside, int code)
{
    if (code != ALEX_OK) {
        atomic_store(&beside->failed, code);
    }
}

/** Overwrites, deletes and puts keys, among them new ones, so that nodes are split and taken out; drops a table. */
static void *write_on(void *context)
{
    struct beside *beside = context;
    note(beside, alex_table_drop(beside->store, "dropped"));
    for (uint64_t turn = 1; turn <= TURNS || !atomic_load(&beside->done); turn++) {
        for (int64_t key = 0; key < 2 * KEYS; key++) {
            note(beside, alex_put(beside->table, key, &turn, sizeof turn, NULL));
        }
        note(beside, alex_sync(beside->store));
        for (int64_t key = 0; key < 2 * KEYS; key++) {
            note(beside, alex_delete(beside->table, turn % 2 == 0 ? key : 2 * KEYS - 1 - key));
        }
        (void)atomic_fetch_add(&beside->turns, 1);
    }
    return NULL;
}

static void fill(alex_table *table)
{
    for (int64_t key = 0; key < 2 * KEYS; key += 2) {
        unsigned char value[24];
        helper_fill(value, sizeof value, (uint64_t)key);
        ASSERT_OK(alex_put(table, key, value, sizeof value, NULL));
    }
}

static void get_all(alex_txn *txn, alex_table *table, struct alex_slice *out_values)
{
    for (int64_t i = 0; i < KEYS; i++) {
        ASSERT_OK(alex_txn_get(txn, table, 2 * i, &out_values[i]));
    }
}

static void assert_as_filled(const struct alex_slice *values)
{
    for (uint64_t i = 0; i < KEYS; i++) {
        assert_int_equal(values[i].size, 24);
        assert_true(helper_is_filled(values[i].data, values[i].size, 2 * i));
    }
}

/** Moves an open cursor over everything, up or down, and on beyond the end. Its entries' values are those that gets
 *  have handed out before. */
static void assert_pass(alex_cursor *cursor, const struct alex_slice *values, bool up)
{
    struct alex_entry entry;
    for (int64_t i = 0; i < KEYS; i++) {
        int64_t at = up ? i : KEYS - 1 - i;
        ASSERT_OK(up ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry));
        assert_int_equal(entry.key, 2 * at);
        assert_ptr_equal(entry.value.data, values[at].data);
        assert_true(helper_is_filled(entry.value.data, entry.value.size, (uint64_t)entry.key));
    }
    ASSERT_CODE(ALEX_NOT_FOUND, up ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry));
}

/* While another thread overwrites, deletes, puts and drops, values that a transaction has handed out stay as they are,
 * and where they are, and cursors that it has open go on through what it sees. */
static void test_values_and_cursors_stay(void **state)
{
    struct fixture *fixture = *state;
    static struct alex_slice values[KEYS];
    static struct alex_slice dropped_values[KEYS];
    alex_table *dropped = helper_table(fixture->store, "dropped", ALEX_KEYS_SIGNED);
    fill(fixture->main);
    fill(dropped);
    alex_txn *txn = helper_begin(fixture->store);
    get_all(txn, fixture->main, values);
    get_all(txn, dropped, dropped_values);
    alex_cursor *cursor;
    alex_cursor *dropped_cursor;
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    ASSERT_OK(alex_cursor_open(txn, dropped, NULL, &dropped_cursor));
    struct beside beside = {.store = fixture->store, .table = fixture->main};
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, write_on, &beside));
    for (unsigned pass = 0; pass < PASSES || atomic_load(&beside.turns) < TURNS; pass++) {
        assert_pass(cursor, values, pass % 2 == 0);
        assert_pass(dropped_cursor, dropped_values, pass % 2 == 0);
        assert_as_filled(values);
        assert_as_filled(dropped_values);
    }
    atomic_store(&beside.done, true);
    assert_int_equal(0, pthread_join(thread, NULL));
    ASSERT_OK(atomic_load(&beside.failed));
    assert_as_filled(values);
    assert_as_filled(dropped_values);
    alex_cursor_close(cursor);
    alex_cursor_close(dropped_cursor);
    ASSERT_OK(alex_end(txn));
    assert_int_equal(index_count(fixture->main->index), 0);
    helper_check(fixture->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_loader_moves),
        TEST_WITH_STORE(test_values_and_cursors_stay),
    };
    return cmocka_run_group_tests_name("threads and handles", tests, NULL, NULL);
}
