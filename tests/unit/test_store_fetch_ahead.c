/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_store_fetch_ahead.c
 * The work that cursors and many gets do ahead, counted: looks into the index, and records asked for. The files that
 * do it are compiled in here, with these two calls replaced.
 */
#include "index/index.h"
#include "store/store_internal.h"
#include "support/store_helper.h"

enum { RECORDS_MAX = 1000 };

/** What was done since count_anew(). */
static struct {
    size_t scans;
    size_t wanted; /**< by the last scan */
    size_t calls;  /**< that asked for records */
    size_t asked;
    uint64_t refs[RECORDS_MAX]; /**< in the order in which they were asked for */
} work;

static void count_anew(void)
{
    memset(&work, 0, sizeof work);
}

static size_t counted_scan(const struct index *index, uint64_t from, enum index_direction direction,
                           struct index_entry *out_entries, size_t capacity)
{
    work.scans++;
    work.wanted = capacity;
    return index_scan(index, from, direction, out_entries, capacity);
}

static void counted_prefetch(const struct log *log, const uint64_t *refs, size_t count)
{
    (void)log;
    work.calls += count > 0;
    for (size_t i = 0; i < count; i++) {
        if (refs[i] != 0) { /* which asks for nothing in particular */
            assert_true(work.asked < RECORDS_MAX);
            work.refs[work.asked++] = refs[i];
        }
    }
}

#define index_scan counted_scan
#define log_prefetch counted_prefetch
#include "store/cursor.c"
#include "store/txn.c"
#undef index_scan
#undef log_prefetch

enum { KEYS = 500 };

static void put_keys(struct fixture *fixture)
{
    for (int64_t key = 0; key < KEYS; key++) {
        ASSERT_OK(alex_put(fixture->main, key, &key, sizeof key, NULL));
    }
}

/** Where the record of a key is. */
static uint64_t ref_of(const struct fixture *fixture, int64_t key)
{
    return index_find(fixture->main->index, table_index_key(fixture->main, key));
}

static alex_cursor *open_cursor(alex_txn *txn, struct fixture *fixture, const struct alex_range *range)
{
    alex_cursor *cursor = NULL;
    ASSERT_OK(alex_cursor_open(txn, fixture->main, range, &cursor));
    count_anew();
    return cursor;
}

static void close_cursor(alex_txn *txn, alex_cursor *cursor)
{
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
}

/** Moves to the next key, up or down. */
static int move(alex_cursor *cursor, bool up, struct alex_entry *out_entry)
{
    return up ? alex_cursor_next(cursor, out_entry) : alex_cursor_previous(cursor, out_entry);
}

static void seek(alex_cursor *cursor, bool up, int64_t key)
{
    struct alex_entry entry;
    ASSERT_OK(up ? alex_cursor_seek(cursor, key, &entry) : alex_cursor_seek_before(cursor, key, &entry));
    assert_int_equal(entry.key, key);
}

/* A lone seek looks into the index once, for few entries, and asks for no record. */
static void test_lone_seek(void **state)
{
    struct fixture *fixture = *state;
    put_keys(fixture);
    for (int up = 0; up < 2; up++) {
        alex_txn *txn = helper_begin(fixture->store);
        alex_cursor *cursor = open_cursor(txn, fixture, NULL);
        for (size_t i = 1; i <= 5; i++) {
            seek(cursor, up == 1, 50 * (int64_t)i);
            assert_int_equal(work.scans, i);
            assert_int_equal(work.wanted, RUN_FIRST);
        }
        assert_int_equal(work.asked, 0);
        close_cursor(txn, cursor);
    }
}

/** Whether as many records were asked for, and as many together, as `moves` that began without any should have. */
static void assert_asked(size_t moves)
{
    assert_int_equal(work.calls, 1 + (moves - 1) / FETCH_TOGETHER);
    assert_int_equal(work.asked, FETCH_AHEAD + (moves - 1) / FETCH_TOGETHER * FETCH_TOGETHER);
}

/* From the first move after a seek on FETCH_AHEAD records are on their way, the one at hand included, and
 * FETCH_TOGETHER more are asked for at every FETCH_TOGETHER moves. */
static void test_moves_after_a_seek(void **state)
{
    struct fixture *fixture = *state;
    put_keys(fixture);
    for (int up = 0; up < 2; up++) {
        alex_txn *txn = helper_begin(fixture->store);
        alex_cursor *cursor = open_cursor(txn, fixture, NULL);
        seek(cursor, up == 1, KEYS / 2);
        for (size_t moves = 1; moves <= 200; moves++) {
            struct alex_entry entry;
            ASSERT_OK(move(cursor, up == 1, &entry));
            assert_asked(moves);
        }
        close_cursor(txn, cursor);
    }
}

/* A walk asks for the records in their order, each once, and looks into the index once for every RUN_MAX - FETCH_AHEAD
 * entries. */
static void test_whole_walk(void **state)
{
    struct fixture *fixture = *state;
    put_keys(fixture);
    for (int up = 0; up < 2; up++) {
        struct alex_entry entry;
        alex_txn *txn = helper_begin(fixture->store);
        alex_cursor *cursor = open_cursor(txn, fixture, NULL);
        for (size_t i = 0; i < KEYS; i++) {
            ASSERT_OK(move(cursor, up == 1, &entry));
            assert_true(work.asked > i); /* before it was read */
        }
        ASSERT_CODE(ALEX_NOT_FOUND, move(cursor, up == 1, &entry));
        assert_int_equal(work.asked, KEYS);
        for (size_t i = 0; i < KEYS; i++) {
            assert_int_equal(work.refs[i], ref_of(fixture, (int64_t)(up == 1 ? i : KEYS - 1 - i)));
        }
        assert_in_range(work.scans, 1, 2 + KEYS / (RUN_MAX - FETCH_AHEAD));
        close_cursor(txn, cursor);
    }
}

/* No record beyond a range or a limit is asked for, and no entry beyond a limit copied. */
static void test_range_and_limit(void **state)
{
    struct fixture *fixture = *state;
    put_keys(fixture);
    for (uint64_t count = 1; count <= 150; count++) {
        const struct alex_range ranges[] = {
            {.has_first = true, .has_last = true, .first = 100, .last = 100 + (int64_t)count - 1},
            {.has_first = true, .first = 100, .limit = count},
        };
        for (int i = 0; i < 2; i++) {
            struct alex_entry entry;
            alex_txn *txn = helper_begin(fixture->store);
            alex_cursor *cursor = open_cursor(txn, fixture, &ranges[i]);
            ASSERT_OK(alex_cursor_next(cursor, &entry));
            assert_true(i == 0 || work.wanted <= count);
            while (alex_cursor_next(cursor, &entry) == ALEX_OK) {
            }
            assert_int_equal(work.asked, count);
            close_cursor(txn, cursor);
        }
    }
}

/* A turn begins a new run: what was asked for the other way is left, and no record is asked for twice in one run. */
static void test_turn(void **state)
{
    struct fixture *fixture = *state;
    struct alex_entry entry;
    put_keys(fixture);
    alex_txn *txn = helper_begin(fixture->store);
    alex_cursor *cursor = open_cursor(txn, fixture, NULL);
    seek(cursor, true, 250);
    ASSERT_OK(alex_cursor_next(cursor, &entry));
    count_anew();
    for (size_t moves = 1; moves <= 100; moves++) {
        ASSERT_OK(alex_cursor_previous(cursor, &entry));
        assert_asked(moves);
    }
    for (size_t i = 0; i < work.asked; i++) {
        assert_int_equal(work.refs[i], ref_of(fixture, 250 - (int64_t)i));
    }
    close_cursor(txn, cursor);
}

/* Many gets ask for each record that there is once, in the order of the keys, FETCH_TOGETHER or more at a time but for
 * the last of each group. */
static void test_get_many(void **state)
{
    struct fixture *fixture = *state;
    int64_t keys[2 * GET_MANY_GROUP + 9] = {0};
    struct alex_slice slices[2 * GET_MANY_GROUP + 9];
    put_keys(fixture);
    alex_txn *txn = helper_begin(fixture->store);
    for (size_t count = 0; count < sizeof keys / sizeof keys[0]; count++) {
        size_t found;
        for (size_t i = 0; i < count; i++) {
            keys[i] = (int64_t)(i % 3 == 1 ? KEYS + i : KEYS - 1 - i);
        }
        count_anew();
        ASSERT_OK(alex_txn_get_many(txn, fixture->main, keys, count, slices, &found));
        assert_int_equal(work.asked, found);
        assert_in_range(work.calls, count > 0, (count + FETCH_TOGETHER - 1) / FETCH_TOGETHER);
        for (size_t i = 0, at = 0; i < count; i++) {
            if (i % 3 != 1) {
                assert_int_equal(work.refs[at++], ref_of(fixture, keys[i]));
            }
        }
    }
    ASSERT_OK(alex_end(txn));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_lone_seek),  TEST_WITH_STORE(test_moves_after_a_seek),
        TEST_WITH_STORE(test_whole_walk), TEST_WITH_STORE(test_range_and_limit),
        TEST_WITH_STORE(test_turn),       TEST_WITH_STORE(test_get_many),
    };
    return cmocka_run_group_tests_name("fetch ahead", tests, NULL, NULL);
}
