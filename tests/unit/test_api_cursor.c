/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_cursor.c
 * Cursors: positioning, bounds and limits, turning round, ends, order, and views of the past.
 */
#include "support/store_helper.h"

/** A cursor in a transaction of its own. */
struct walk {
    alex_txn *txn;
    alex_cursor *cursor;
};

static struct walk walk_open(alex_store *store, alex_table *table, const struct alex_range *range)
{
    struct walk walk = {.txn = helper_begin(store)};
    ASSERT_OK(alex_cursor_open(walk.txn, table, range, &walk.cursor));
    return walk;
}

static void walk_close(struct walk *walk)
{
    alex_cursor_close(walk->cursor);
    ASSERT_OK(alex_end(walk->txn));
}

/** Asserts that a move arrives at `key`, whose value is the key's own bytes. */
#define ASSERT_AT(expected, move)                                                     \
    do {                                                                              \
        struct alex_entry at_entry = {0};                                             \
        ASSERT_OK(move(&at_entry));                                                   \
        assert_int_equal(at_entry.key, (expected));                                   \
        assert_int_equal(at_entry.value.size, sizeof at_entry.key);                   \
        assert_memory_equal(at_entry.value.data, &at_entry.key, sizeof at_entry.key); \
    } while (0)
#define FIRST(entry) alex_cursor_first(walk.cursor, (entry))
#define LAST(entry) alex_cursor_last(walk.cursor, (entry))
#define NEXT(entry) alex_cursor_next(walk.cursor, (entry))
#define PREVIOUS(entry) alex_cursor_previous(walk.cursor, (entry))

/** Asserts that a move finds nothing, and leaves the entry alone. */
#define ASSERT_NOWHERE(call_with_entry)                      \
    do {                                                     \
        struct alex_entry nowhere_entry = {77, {"mark", 4}}; \
        struct alex_entry *const out = &nowhere_entry;       \
        ASSERT_CODE(ALEX_NOT_FOUND, call_with_entry);        \
        assert_int_equal(nowhere_entry.key, 77);             \
        ASSERT_SLICE(nowhere_entry.value, "mark");           \
    } while (0)

static void assert_seek(struct walk walk, int64_t key, int64_t expected)
{
    struct alex_entry entry = {0};
    ASSERT_OK(alex_cursor_seek(walk.cursor, key, &entry));
    assert_int_equal(entry.key, expected);
}

static void assert_seek_before(struct walk walk, int64_t key, int64_t expected)
{
    struct alex_entry entry = {0};
    ASSERT_OK(alex_cursor_seek_before(walk.cursor, key, &entry));
    assert_int_equal(entry.key, expected);
}

static void put_key(alex_table *table, int64_t key)
{
    ASSERT_OK(alex_put(table, key, &key, sizeof key, NULL));
}

/** Multiples of 10 from `first` to `last`. */
static void put_tens(alex_table *table, int64_t first, int64_t last)
{
    for (int64_t key = first; key <= last; key += 10) {
        put_key(table, key);
    }
}

/* A cursor walks all keys in order, forwards and backwards, and says where they end. */
static void test_whole_walk(void **state)
{
    struct fixture *fixture = *state;

    put_tens(fixture->main, -100000, 100000);
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    ASSERT_AT(-100000, FIRST);
    for (int64_t key = -99990; key <= 100000; key += 10) {
        ASSERT_AT(key, NEXT);
    }
    ASSERT_NOWHERE(NEXT(out));
    ASSERT_AT(100000, LAST);
    for (int64_t key = 99990; key >= -100000; key -= 10) {
        ASSERT_AT(key, PREVIOUS);
    }
    ASSERT_NOWHERE(PREVIOUS(out));
    walk_close(&walk);
}

/* On a fresh cursor next goes to the least key, and previous to the greatest. */
static void test_fresh_cursor(void **state)
{
    struct fixture *fixture = *state;

    put_tens(fixture->main, 0, 50);
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    ASSERT_AT(0, NEXT);
    ASSERT_AT(10, NEXT);
    walk_close(&walk);
    walk = walk_open(fixture->store, fixture->main, NULL);
    ASSERT_AT(50, PREVIOUS);
    ASSERT_AT(40, PREVIOUS);
    walk_close(&walk);
}

/* Beyond an end there is nothing, however often asked; a move back gives the last entry before it. */
static void test_ends(void **state)
{
    struct fixture *fixture = *state;

    put_tens(fixture->main, 10, 30);
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    ASSERT_AT(30, LAST);
    ASSERT_NOWHERE(NEXT(out));
    ASSERT_NOWHERE(NEXT(out));
    ASSERT_AT(30, PREVIOUS);
    ASSERT_AT(20, PREVIOUS);
    ASSERT_AT(10, PREVIOUS);
    ASSERT_NOWHERE(PREVIOUS(out));
    ASSERT_NOWHERE(PREVIOUS(out));
    ASSERT_AT(10, NEXT);
    ASSERT_NOWHERE(alex_cursor_seek(walk.cursor, 31, out));
    ASSERT_AT(30, PREVIOUS);
    ASSERT_NOWHERE(alex_cursor_seek_before(walk.cursor, 9, out));
    ASSERT_AT(10, NEXT);
    walk_close(&walk);
}

/* Turning round at any place gives the neighbour. */
static void test_turning_round(void **state)
{
    struct fixture *fixture = *state;

    put_tens(fixture->main, 0, 5000);
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    for (int64_t key = 0; key <= 4990; key += 10) {
        assert_seek(walk, key, key);
        ASSERT_AT(key + 10, NEXT);
        ASSERT_AT(key, PREVIOUS);
        ASSERT_AT(key + 10, NEXT);
    }
    struct helper_random random = {9};
    int64_t at = 2500;
    assert_seek(walk, at, at);
    for (int i = 0; i < 5000; i++) {
        bool up = at == 0 || (at < 5000 && helper_random_below(&random, 2) == 0);
        at += up ? 10 : -10;
        if (up) {
            ASSERT_AT(at, NEXT);
        } else {
            ASSERT_AT(at, PREVIOUS);
        }
    }
    walk_close(&walk);
}

/* Seeks find the nearest key at or above, and at or below, whether or not it is there itself. */
static void test_seeks(void **state)
{
    struct fixture *fixture = *state;

    put_tens(fixture->main, -2000, 2000);
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    for (int64_t key = -1999; key < 2000; key++) {
        int64_t above = key + ((-key % 10) + 10) % 10;
        int64_t below = key - ((key % 10) + 10) % 10;
        assert_seek(walk, key, above);
        ASSERT_AT(above - 10, PREVIOUS);
        assert_seek_before(walk, key, below);
        ASSERT_AT(below + 10, NEXT);
    }
    assert_seek(walk, INT64_MIN, -2000);
    assert_seek_before(walk, INT64_MAX, 2000);
    ASSERT_NOWHERE(alex_cursor_seek(walk.cursor, INT64_MAX, out));
    ASSERT_NOWHERE(alex_cursor_seek_before(walk.cursor, INT64_MIN, out));
    walk_close(&walk);
}

/* An empty table has no entry by any move. */
static void test_empty_table(void **state)
{
    struct fixture *fixture = *state;

    for (int round = 0; round < 2; round++) {
        struct walk walk = walk_open(fixture->store, fixture->main, NULL);
        ASSERT_NOWHERE(NEXT(out));
        ASSERT_NOWHERE(PREVIOUS(out));
        ASSERT_NOWHERE(FIRST(out));
        ASSERT_NOWHERE(LAST(out));
        ASSERT_NOWHERE(alex_cursor_seek(walk.cursor, 0, out));
        ASSERT_NOWHERE(alex_cursor_seek_before(walk.cursor, 0, out));
        walk_close(&walk);
        put_tens(fixture->main, 0, 3000);
        for (int64_t key = 0; key <= 3000; key += 10) {
            ASSERT_OK(alex_delete(fixture->main, key)); /* emptied is empty */
        }
    }
}

/* Bounds are part of the range, hold for every move, and need not be keys. */
static void test_bounds(void **state)
{
    struct fixture *fixture = *state;
    struct alex_range range = {.has_first = true, .has_last = true, .first = 15, .last = 50};

    put_tens(fixture->main, 0, 100);
    struct walk walk = walk_open(fixture->store, fixture->main, &range);
    ASSERT_AT(20, FIRST);
    ASSERT_NOWHERE(PREVIOUS(out));
    ASSERT_AT(20, NEXT);
    ASSERT_AT(50, LAST);
    ASSERT_NOWHERE(NEXT(out));
    ASSERT_AT(50, PREVIOUS);
    assert_seek(walk, 0, 20); /* seeks beyond the bounds stay in them */
    assert_seek(walk, INT64_MIN, 20);
    assert_seek_before(walk, 100, 50);
    assert_seek_before(walk, INT64_MAX, 50);
    ASSERT_NOWHERE(alex_cursor_seek(walk.cursor, 51, out));
    ASSERT_AT(50, PREVIOUS);
    ASSERT_NOWHERE(alex_cursor_seek_before(walk.cursor, 19, out));
    ASSERT_AT(20, NEXT);
    walk_close(&walk);
}

/* A range with one bound is open at the other end; one with bounds that cross, or no key between, is empty. */
static void test_open_and_empty_ranges(void **state)
{
    struct fixture *fixture = *state;
    struct alex_range from = {.has_first = true, .first = 80};
    struct alex_range to = {.has_last = true, .last = 20};
    struct alex_range empty[] = {{true, true, 50, 40, 0},
                                 {true, true, 41, 49, 0},
                                 {true, true, 101, 200, 0},
                                 {true, true, INT64_MAX, INT64_MIN, 0}};

    put_tens(fixture->main, 0, 100);
    struct walk walk = walk_open(fixture->store, fixture->main, &from);
    ASSERT_AT(80, NEXT);
    ASSERT_AT(100, LAST);
    ASSERT_NOWHERE(NEXT(out));
    walk_close(&walk);
    walk = walk_open(fixture->store, fixture->main, &to);
    ASSERT_AT(20, PREVIOUS);
    ASSERT_AT(0, FIRST);
    ASSERT_NOWHERE(PREVIOUS(out));
    walk_close(&walk);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        walk = walk_open(fixture->store, fixture->main, &empty[i]);
        ASSERT_NOWHERE(NEXT(out));
        ASSERT_NOWHERE(PREVIOUS(out));
        ASSERT_NOWHERE(FIRST(out));
        ASSERT_NOWHERE(LAST(out));
        ASSERT_NOWHERE(alex_cursor_seek(walk.cursor, 45, out));
        ASSERT_NOWHERE(alex_cursor_seek_before(walk.cursor, 45, out));
        walk_close(&walk);
    }
}

/* A range is copied: what it was made from may change. */
static void test_range_is_copied(void **state)
{
    struct fixture *fixture = *state;
    struct alex_range range = {true, true, 10, 20, 0};

    put_tens(fixture->main, 0, 100);
    struct walk walk = walk_open(fixture->store, fixture->main, &range);
    range = (struct alex_range){true, true, 50, 60, 1};
    ASSERT_AT(10, NEXT);
    ASSERT_AT(20, NEXT);
    ASSERT_NOWHERE(NEXT(out));
    walk_close(&walk);
}

/** Moves the cursor of a table of the multiples of 10 from 0 on, by chance a few steps up or down, and compares each
 *  entry. `at` is where it is. @return moves that found an entry */
static uint64_t wander(struct walk walk, int64_t *at, int64_t last, bool up, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        int64_t expected = *at + (up ? 10 : -10);
        if (expected < 0 || expected > last) {
            return i;
        }
        if (up) {
            ASSERT_AT(expected, NEXT);
        } else {
            ASSERT_AT(expected, PREVIOUS);
        }
        *at = expected;
    }
    return steps;
}

/* However far a cursor goes before it turns, it gives each neighbour in turn: copies of many entries are made ahead,
 * and made anew at turns and where they are nearly used up. */
static void test_long_ways_and_turns(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = alex_main_table(fixture->store);
    enum { LAST_KEY = 9990 };
    struct helper_random random = {7};
    put_tens(table, 0, LAST_KEY);
    struct walk walk = walk_open(fixture->store, table, NULL);
    int64_t at = 0;
    uint64_t moves = 0;
    ASSERT_AT(0, FIRST);
    while (moves < 20000) {
        bool up = helper_random_below(&random, 2) == 0;
        moves += wander(walk, &at, LAST_KEY, up, helper_random_below(&random, 300)) + 1;
    }
    walk_close(&walk);
}

/* A scan ends with its limit, wherever that falls among the entries copied ahead, and goes on to it over deleted keys
 *  that it passes. */
static void test_every_limit(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = alex_main_table(fixture->store);
    put_tens(table, 0, 2990);
    alex_txn *older = helper_begin(fixture->store); /* so that deleted keys stay as tombstones */
    for (int64_t key = 0; key <= 2990; key += 30) {
        ASSERT_OK(alex_delete(table, key));
    }
    for (uint64_t limit = 1; limit <= 201; limit++) {
        struct alex_range range = {.limit = limit};
        struct walk walk = walk_open(fixture->store, table, &range);
        uint64_t count = 0;
        for (int64_t key = 10; key <= 2990 && count < limit; key += 10) {
            if (key % 30 != 0) {
                ASSERT_AT(key, NEXT);
                count++;
            }
        }
        ASSERT_NOWHERE(alex_cursor_next(walk.cursor, out));
        walk_close(&walk);
    }
    ASSERT_OK(alex_end(older));
}

/* A limit counts the entries handed out since each positioning, in either direction. */
static void test_limit(void **state)
{
    struct fixture *fixture = *state;
    struct alex_range range = {.limit = 3};

    put_tens(fixture->main, 0, 100);
    struct walk walk = walk_open(fixture->store, fixture->main, &range);
    ASSERT_AT(0, FIRST);
    ASSERT_AT(10, NEXT);
    ASSERT_AT(20, NEXT);
    ASSERT_NOWHERE(NEXT(out));
    ASSERT_AT(100, LAST);
    ASSERT_AT(90, PREVIOUS);
    ASSERT_AT(80, PREVIOUS);
    ASSERT_NOWHERE(PREVIOUS(out));
    assert_seek(walk, 45, 50);
    ASSERT_AT(60, NEXT);
    ASSERT_AT(70, NEXT);
    ASSERT_NOWHERE(NEXT(out));
    assert_seek_before(walk, 45, 40);
    ASSERT_AT(50, NEXT);
    ASSERT_AT(40, PREVIOUS);
    ASSERT_NOWHERE(PREVIOUS(out));
    walk_close(&walk);
    walk = walk_open(fixture->store, fixture->main, &range);
    ASSERT_AT(0, NEXT);
    ASSERT_AT(10, NEXT);
    ASSERT_AT(20, NEXT);
    ASSERT_NOWHERE(NEXT(out));
    walk_close(&walk);
}

/* Keys at the ends of the number range are walked like others. */
static void test_extreme_keys(void **state)
{
    struct fixture *fixture = *state;
    struct alex_range all = {true, true, INT64_MIN, INT64_MAX, 0};

    put_key(fixture->main, INT64_MAX);
    put_key(fixture->main, INT64_MIN);
    put_key(fixture->main, 0);
    struct walk walk = walk_open(fixture->store, fixture->main, &all);
    ASSERT_AT(INT64_MIN, FIRST);
    ASSERT_NOWHERE(PREVIOUS(out));
    ASSERT_AT(INT64_MIN, NEXT);
    ASSERT_AT(0, NEXT);
    ASSERT_AT(INT64_MAX, NEXT);
    ASSERT_NOWHERE(NEXT(out));
    ASSERT_AT(INT64_MAX, PREVIOUS);
    assert_seek(walk, INT64_MAX, INT64_MAX);
    assert_seek(walk, INT64_MIN, INT64_MIN);
    assert_seek_before(walk, INT64_MIN, INT64_MIN);
    assert_seek(walk, INT64_MIN + 1, 0);
    assert_seek_before(walk, INT64_MAX - 1, 0);
    walk_close(&walk);
}

/* A table of unsigned keys is walked from 0 to the keys that are negative as signed numbers, bounds and seeks too. */
static void test_unsigned_order(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t keys[] = {0, 1, INT64_MAX, INT64_MIN, INT64_MIN + 1, -2, -1};
    enum { COUNT = sizeof keys / sizeof keys[0] };
    struct alex_range upper = {true, true, INT64_MAX, -2, 0};
    alex_table *table = helper_table(fixture->store, "unsigned", ALEX_KEYS_UNSIGNED);

    for (size_t i = 0; i < COUNT; i++) {
        put_key(table, keys[(i * 3) % COUNT]);
    }
    struct walk walk = walk_open(fixture->store, table, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        ASSERT_AT(keys[i], NEXT);
    }
    ASSERT_NOWHERE(NEXT(out));
    for (size_t i = COUNT; i-- > 0;) {
        ASSERT_AT(keys[i], PREVIOUS);
    }
    assert_seek(walk, 2, INT64_MAX);
    assert_seek_before(walk, -3, INT64_MIN + 1);
    walk_close(&walk);
    walk = walk_open(fixture->store, table, &upper);
    ASSERT_AT(INT64_MAX, FIRST);
    ASSERT_AT(-2, LAST);
    ASSERT_NOWHERE(NEXT(out));
    walk_close(&walk);
}

/* A cursor keeps to its transaction's moment while keys are put, overwritten and deleted all around it. */
static void test_view_of_the_past(void **state)
{
    struct fixture *fixture = *state;
    struct helper_random random = {21};

    put_tens(fixture->main, 0, 20000);
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    for (int64_t key = 0; key <= 20000; key += 10) {
        ASSERT_AT(key, NEXT);
        for (int i = 0; i < 10; i++) {
            int64_t other = (int64_t)helper_random_below(&random, 20001);
            if (helper_random_below(&random, 3) == 0) {
                (void)alex_delete(fixture->main, other);
            } else {
                helper_put(fixture->main, other, "later");
            }
        }
        if (key % 70 == 0 && key > 0) {
            ASSERT_AT(key - 10, PREVIOUS);
            ASSERT_AT(key, NEXT);
        }
    }
    ASSERT_NOWHERE(NEXT(out));
    for (int64_t key = 20000; key >= 0; key -= 10) {
        ASSERT_AT(key, PREVIOUS);
    }
    ASSERT_NOWHERE(PREVIOUS(out));
    walk_close(&walk);
}

/* A key that was deleted before the transaction began is in no walk, even while an older transaction needs it. */
static void test_deleted_keys_are_passed(void **state)
{
    struct fixture *fixture = *state;

    put_tens(fixture->main, 0, 10000);
    alex_txn *older = helper_begin(fixture->store);
    for (int64_t key = 10; key < 10000; key += 10) {
        ASSERT_OK(alex_delete(fixture->main, key));
    }
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    ASSERT_AT(0, NEXT);
    ASSERT_AT(10000, NEXT);
    ASSERT_NOWHERE(NEXT(out));
    ASSERT_AT(10000, PREVIOUS);
    ASSERT_AT(0, PREVIOUS);
    assert_seek(walk, 10, 10000);
    assert_seek_before(walk, 9990, 0);
    walk_close(&walk);
    walk = (struct walk){.txn = older};
    ASSERT_OK(alex_cursor_open(older, fixture->main, NULL, &walk.cursor));
    for (int64_t key = 0; key <= 10000; key += 10) {
        ASSERT_AT(key, NEXT);
    }
    walk_close(&walk);
}

/* Several cursors in one transaction don't disturb one another, and values handed out stay. */
static void test_several_cursors(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 5 };
    alex_cursor *cursors[COUNT];
    struct alex_entry entries[COUNT];

    put_tens(fixture->main, 0, 10000);
    alex_txn *txn = helper_begin(fixture->store);
    for (int64_t i = 0; i < COUNT; i++) {
        ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursors[i]));
        ASSERT_OK(alex_cursor_seek(cursors[i], i * 2000, &entries[i]));
    }
    for (int64_t step = 1; step < 200; step++) {
        for (int64_t i = 0; i < COUNT; i++) {
            struct alex_entry entry;
            ASSERT_OK(alex_cursor_next(cursors[i], &entry));
            assert_int_equal(entry.key, i * 2000 + step * 10);
        }
    }
    for (int64_t i = 0; i < COUNT; i++) {
        alex_cursor_close(cursors[i]);
        assert_int_equal(entries[i].key, i * 2000);
        assert_memory_equal(entries[i].value.data, &entries[i].key, sizeof entries[i].key);
    }
    ASSERT_OK(alex_end(txn));
}

/* NULL is ALEX_INVALID. */
static void test_null_arguments(void **state)
{
    struct fixture *fixture = *state;
    struct alex_entry entry;

    helper_put(fixture->main, 1, "one");
    struct walk walk = walk_open(fixture->store, fixture->main, NULL);
    ASSERT_CODE(ALEX_INVALID, alex_cursor_first(NULL, &entry));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_last(NULL, &entry));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_seek(NULL, 1, &entry));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_seek_before(NULL, 1, &entry));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_next(NULL, &entry));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_previous(NULL, &entry));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_first(walk.cursor, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_next(walk.cursor, NULL));
    walk_close(&walk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_whole_walk),
        TEST_WITH_STORE(test_fresh_cursor),
        TEST_WITH_STORE(test_ends),
        TEST_WITH_STORE(test_turning_round),
        TEST_WITH_STORE(test_seeks),
        TEST_WITH_STORE(test_empty_table),
        TEST_WITH_STORE(test_bounds),
        TEST_WITH_STORE(test_open_and_empty_ranges),
        TEST_WITH_STORE(test_range_is_copied),
        TEST_WITH_STORE(test_limit),
        TEST_WITH_STORE(test_long_ways_and_turns),
        TEST_WITH_STORE(test_every_limit),
        TEST_WITH_STORE(test_extreme_keys),
        TEST_WITH_STORE(test_unsigned_order),
        TEST_WITH_STORE(test_view_of_the_past),
        TEST_WITH_STORE(test_deleted_keys_are_passed),
        TEST_WITH_STORE(test_several_cursors),
        TEST_WITH_STORE(test_null_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
