/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_write_txn_model.c
 * Write transactions against a reference on sorted arrays: random writes, reads, cursors, nested savepoints and
 * rollbacks, in two tables, over few keys and many.
 */
#include "store/store.h"
#include "support/store_helper.h"

#define TABLES 2
#define KEYS_MAX 4096
#define DEPTH_MAX 6
#define VALUE_MAX 5000

/** What a table holds: for each key the number of the write that gave it its value; 0: nothing. */
struct content {
    uint32_t of[TABLES][KEYS_MAX];
};

struct run {
    struct fixture *fixture;
    struct helper_random random;
    uint64_t keys;
    alex_table *tables[TABLES];
    alex_txn *txn;
    uint32_t writes;
    struct content committed;
    struct content now;
    struct content saved[DEPTH_MAX];
    size_t depth;
};

static uint64_t below(struct run *run, uint64_t bound)
{
    return helper_random_below(&run->random, bound);
}

/** The key at a place in the order of a table's keys: spread out, in the second table over the upper half of unsigned
 *  keys as well. */
static int64_t key_at(const struct run *run, size_t table, uint64_t place)
{
    uint64_t key = place * (UINT64_MAX / run->keys);
    return (int64_t)(table == 0 ? key ^ (uint64_t)1 << 63 : key);
}

/** The value of a write: its size and its bytes follow from its number. */
static size_t size_of(uint32_t write)
{
    return write % 97 == 0 ? VALUE_MAX : write % 61;
}

static void check_value(struct alex_slice value, uint32_t write)
{
    assert_non_null(value.data);
    assert_int_equal(value.size, size_of(write));
    assert_true(helper_is_filled(value.data, value.size, write));
}

static void put(struct run *run, size_t table, uint64_t place)
{
    static uint8_t bytes[VALUE_MAX];
    uint32_t *now = &run->now.of[table][place];
    uint32_t write = ++run->writes;
    int64_t key = key_at(run, table, place);
    helper_fill(bytes, size_of(write), write);
    bool replaced = false;
    switch (below(run, 3)) {
    case 0:
        ASSERT_OK(alex_txn_put(run->txn, run->tables[table], key, bytes, size_of(write), &replaced));
        assert_int_equal(replaced, *now != 0);
        break;
    case 1:
        ASSERT_CODE(*now != 0 ? ALEX_EXISTS : ALEX_OK,
                    alex_txn_put_if_absent(run->txn, run->tables[table], key, bytes, size_of(write)));
        write = *now != 0 ? *now : write;
        break;
    default:
        ASSERT_OK(alex_txn_put(run->txn, run->tables[table], key, bytes, size_of(write), NULL));
    }
    *now = write;
}

static void delete (struct run *run, size_t table, uint64_t place)
{
    uint32_t *now = &run->now.of[table][place];
    ASSERT_CODE(*now != 0 ? ALEX_OK : ALEX_NOT_FOUND,
                alex_txn_delete(run->txn, run->tables[table], key_at(run, table, place)));
    *now = 0;
}

static void get(struct run *run, size_t table, uint64_t place)
{
    struct alex_slice value;
    uint32_t now = run->now.of[table][place];
    int result = alex_txn_get(run->txn, run->tables[table], key_at(run, table, place), &value);
    ASSERT_CODE(now != 0 ? ALEX_OK : ALEX_NOT_FOUND, result);
    if (now != 0) {
        check_value(value, now);
    }
}

static void get_many(struct run *run, size_t table)
{
    enum { COUNT = 20 };
    int64_t keys[COUNT];
    uint64_t places[COUNT];
    struct alex_slice values[COUNT];
    size_t found = 0;
    size_t expected = 0;
    for (size_t i = 0; i < COUNT; i++) {
        places[i] = below(run, run->keys);
        keys[i] = key_at(run, table, places[i]);
        expected += run->now.of[table][places[i]] != 0;
    }
    ASSERT_OK(alex_txn_get_many(run->txn, run->tables[table], keys, COUNT, values, &found));
    assert_int_equal(found, expected);
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t now = run->now.of[table][places[i]];
        if (now != 0) {
            check_value(values[i], now);
        } else {
            assert_null(values[i].data);
        }
    }
}

static void count(struct run *run, size_t table)
{
    uint64_t first = below(run, run->keys);
    uint64_t last = first + below(run, run->keys - first);
    const struct alex_range range = {true, true, key_at(run, table, first), key_at(run, table, last), 0};
    uint64_t expected = 0;
    uint64_t counted = 0;
    for (uint64_t place = first; place <= last; place++) {
        expected += run->now.of[table][place] != 0;
    }
    ASSERT_OK(alex_txn_count(run->txn, run->tables[table], &range, &counted));
    assert_int_equal(counted, expected);
}

/** Checks what a move gave that should arrive at `place`, or at none (run->keys). */
static void check_move(struct run *run, size_t table, int result, const struct alex_entry *entry, uint64_t place)
{
    ASSERT_CODE(place < run->keys ? ALEX_OK : ALEX_NOT_FOUND, result);
    if (place < run->keys) {
        assert_int_equal(entry->key, key_at(run, table, place));
        check_value(entry->value, run->now.of[table][place]);
    }
}

static uint64_t next_place(const struct run *run, size_t table, uint64_t place)
{
    while (place < run->keys && run->now.of[table][place] == 0) {
        place++;
    }
    return place;
}

static uint64_t previous_place(const struct run *run, size_t table, uint64_t place)
{
    while (place < run->keys && run->now.of[table][place] == 0) {
        place--; /* below 0: not below `keys` */
    }
    return place < run->keys ? place : run->keys;
}

/** Moves a cursor about, with writes and rollbacks between its moves. */
static void walk(struct run *run, size_t table)
{
    alex_cursor *cursor;
    struct alex_entry entry;
    uint64_t place = below(run, run->keys);
    ASSERT_OK(alex_cursor_open(run->txn, run->tables[table], NULL, &cursor));
    uint64_t at = next_place(run, table, place);
    check_move(run, table, alex_cursor_seek(cursor, key_at(run, table, place), &entry), &entry, at);
    for (uint64_t i = below(run, 100); i > 0 && at < run->keys; i--) {
        if (below(run, 4) == 0) {
            uint64_t near = (at + below(run, 5)) % run->keys;
            if (below(run, 2) == 0) {
                put(run, table, near);
            } else {
                delete (run, table, near);
            }
        }
        if (run->depth > 0 && below(run, 50) == 0) {
            ASSERT_OK(alex_rollback_to(run->txn, run->depth));
            run->now = run->saved[run->depth - 1];
        }
        bool up = below(run, 3) != 0;
        at = up ? next_place(run, table, at + 1) : previous_place(run, table, at - 1);
        int result = up ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry);
        check_move(run, table, result, &entry, at);
    }
    alex_cursor_close(cursor);
}

static void savepoint(struct run *run)
{
    if (run->depth < DEPTH_MAX) {
        uint64_t number;
        ASSERT_OK(alex_savepoint(run->txn, &number));
        run->saved[run->depth++] = run->now;
        assert_int_equal(number, run->depth);
    }
}

static void end_savepoint(struct run *run)
{
    if (run->depth == 0) {
        return;
    }
    size_t to = 1 + below(run, run->depth);
    if (below(run, 2) == 0) {
        ASSERT_OK(alex_rollback_to(run->txn, to));
        run->now = run->saved[to - 1];
        run->depth = to;
    } else {
        ASSERT_OK(alex_release(run->txn, to));
        run->depth = to - 1;
    }
}

/** Carries one random operation out. */
static void step(struct run *run)
{
    size_t table = below(run, TABLES);
    uint64_t place = below(run, run->keys);
    switch (below(run, 32)) {
    case 0:
        walk(run, table);
        break;
    case 1:
        get_many(run, table);
        break;
    case 2:
        count(run, table);
        break;
    case 3:
        savepoint(run);
        break;
    case 4:
        end_savepoint(run);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        get(run, table, place);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
        delete (run, table, place);
        break;
    default:
        put(run, table, place);
    }
}

/** Compares the whole store with what is committed. */
static void check_store(struct run *run)
{
    run->txn = helper_begin(run->fixture->store);
    run->now = run->committed;
    for (size_t table = 0; table < TABLES; table++) {
        alex_cursor *cursor;
        struct alex_entry entry;
        ASSERT_OK(alex_cursor_open(run->txn, run->tables[table], NULL, &cursor));
        uint64_t place = next_place(run, table, 0);
        for (; place < run->keys; place = next_place(run, table, place + 1)) {
            check_move(run, table, alex_cursor_next(cursor, &entry), &entry, place);
        }
        ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_next(cursor, &entry));
        alex_cursor_close(cursor);
    }
    ASSERT_OK(alex_end(run->txn));
}

static void open_tables(struct run *run)
{
    run->tables[0] = run->fixture->main;
    run->tables[1] = helper_table(run->fixture->store, "second", ALEX_KEYS_UNSIGNED);
}

static void transaction(struct run *run)
{
    ASSERT_OK(alex_begin(run->fixture->store, ALEX_WRITE, &run->txn));
    run->now = run->committed;
    run->depth = 0;
    uint64_t steps = below(run, 4) == 0 ? below(run, 3000) : below(run, 60);
    for (uint64_t i = 0; i < steps; i++) {
        step(run);
    }
    if (below(run, 4) == 0) {
        ASSERT_OK(alex_end(run->txn));
    } else {
        ASSERT_OK(alex_commit(run->txn));
        run->committed = run->now;
    }
}

static void run_model(struct fixture *fixture, uint64_t keys, const struct alex_options *options, uint64_t seed)
{
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->fixture = fixture;
    run->random.state = seed;
    run->keys = keys;
    const struct store_tuning tuning = {.segment_shift = 18};
    ASSERT_OK(store_open_tuned(fixture->path, options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    open_tables(run);
    for (uint64_t i = 0; i < helper_environment("ALEX_TEST_TRANSACTIONS", 120); i++) {
        transaction(run);
        check_store(run);
        if (below(run, 20) == 0) {
            helper_check(fixture->store);
            fixture_store_close(fixture);
            fixture_store_open(fixture, options);
            open_tables(run);
            check_store(run);
        }
    }
    free(run);
}

/* Few keys: nearly every operation meets what the same transaction has written. */
static void test_few_keys(void **state)
{
    run_model(*state, 10, NULL, 1);
}

static void test_some_keys(void **state)
{
    run_model(*state, 300, NULL, 2);
}

/* Many keys: runs of a cursor hold entries of both sides, and nodes split. */
static void test_many_keys(void **state)
{
    run_model(*state, KEYS_MAX, NULL, 3);
}

/* What is appended is staged, and written when it is read or committed. */
static void test_synced(void **state)
{
    run_model(*state, 300, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT}, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_few_keys),
        TEST_WITH_DIRECTORY(test_some_keys),
        TEST_WITH_DIRECTORY(test_many_keys),
        TEST_WITH_DIRECTORY(test_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
