/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_txn.c
 * Read transactions: views that don't change, values that stay where they are, many gets at once, counts.
 */
#include "support/store_helper.h"

/* A transaction sees the moment of its beginning: later puts, overwrites and deletes are not in it. */
static void test_snapshot(void **state)
{
    struct fixture *fixture = *state;

    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    helper_put(fixture->main, 3, "");
    alex_txn *txn = helper_begin(fixture->store);
    helper_put(fixture->main, 1, "ONE");
    ASSERT_OK(alex_delete(fixture->main, 2));
    ASSERT_OK(alex_delete(fixture->main, 3));
    helper_put(fixture->main, 3, "three");
    helper_put(fixture->main, 4, "four");
    for (int round = 0; round < 2; round++) {
        ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
        ASSERT_TXN_VALUE(txn, fixture->main, 2, "two");
        ASSERT_TXN_VALUE(txn, fixture->main, 3, "");
        ASSERT_TXN_VALUE(txn, fixture->main, 4, NULL);
        ASSERT_VALUE(fixture->main, 1, "ONE"); /* gets outside see the newest */
        ASSERT_VALUE(fixture->main, 2, NULL);
        ASSERT_VALUE(fixture->main, 4, "four");
        helper_put(fixture->main, 1, "ONE");
    }
    ASSERT_OK(alex_end(txn));
    txn = helper_begin(fixture->store);
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "ONE");
    ASSERT_TXN_VALUE(txn, fixture->main, 2, NULL);
    ASSERT_OK(alex_end(txn));
}

/* Many transactions, begun at different moments and ended in another order, each see their own moment. */
static void test_many_snapshots(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 100 };
    alex_txn *txns[COUNT];
    struct alex_store_stats stats;

    for (int i = 0; i < COUNT; i++) {
        char text[2] = {(char)('0' + i % 10), '\0'};
        if (i % 7 == 3) {
            ASSERT_OK(alex_delete(fixture->main, 1));
        } else {
            helper_put(fixture->main, 1, text);
        }
        helper_put(fixture->main, 100 + i, text);
        txns[i] = helper_begin(fixture->store);
    }
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.open_txns, COUNT);
    for (int i = 0; i < COUNT; i++) {
        int at = i * 37 % COUNT; /* every one, in a scattered order */
        char text[2] = {(char)('0' + at % 10), '\0'};
        ASSERT_TXN_VALUE(txns[at], fixture->main, 1, at % 7 == 3 ? NULL : text);
        ASSERT_TXN_VALUE(txns[at], fixture->main, 100 + at, text);
        ASSERT_TXN_VALUE(txns[at], fixture->main, 101 + at, NULL);
        ASSERT_OK(alex_end(txns[at]));
        helper_put(fixture->main, 1, "between");
    }
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.open_txns, 0);
    assert_int_equal(stats.oldest_snapshot, stats.last_number);
}

/* The values a transaction hands out stay where and what they are, while writers overwrite and delete all keys, split
 * nodes and fill segments. */
static void test_values_stay(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 2000 };
    struct alex_slice *slices = calloc(COUNT, sizeof *slices);
    assert_non_null(slices);

    for (int64_t key = 0; key < COUNT; key++) {
        unsigned char value[200];
        helper_fill(value, sizeof value, (uint64_t)key);
        ASSERT_OK(alex_put(fixture->main, key * 1000, value, sizeof value, NULL));
    }
    alex_txn *txn = helper_begin(fixture->store);
    for (int64_t key = 0; key < COUNT; key++) {
        ASSERT_OK(alex_txn_get(txn, fixture->main, key * 1000, &slices[key]));
    }
    for (int64_t key = 0; key < 100 * COUNT; key++) {
        unsigned char value[200] = {0};
        ASSERT_OK(alex_put(fixture->main, key * 10, value, sizeof value, NULL));
    }
    for (int64_t key = 0; key < COUNT; key += 2) {
        ASSERT_OK(alex_delete(fixture->main, key * 1000));
    }
    for (int64_t key = 0; key < COUNT; key++) {
        struct alex_slice again;
        assert_int_equal(slices[key].size, 200);
        assert_true(helper_is_filled(slices[key].data, 200, (uint64_t)key));
        ASSERT_OK(alex_txn_get(txn, fixture->main, key * 1000, &again));
        assert_ptr_equal(again.data, slices[key].data);
        ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_get(txn, fixture->main, key * 1000 + 10, &again));
    }
    ASSERT_OK(alex_end(txn));
    free(slices);
}

/* A table made after the transaction began is empty for it. */
static void test_table_made_later(void **state)
{
    struct fixture *fixture = *state;
    uint64_t count = 99;
    alex_cursor *cursor = NULL;
    struct alex_entry entry;

    alex_txn *txn = helper_begin(fixture->store);
    alex_table *table = helper_table(fixture->store, "later", ALEX_KEYS_DEFAULT);
    helper_put(table, 1, "one");
    ASSERT_TXN_VALUE(txn, table, 1, NULL);
    ASSERT_OK(alex_txn_count(txn, table, NULL, &count));
    assert_int_equal(count, 0);
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_first(cursor, &entry));
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
    ASSERT_VALUE(table, 1, "one");
}

/* Absent keys and empty values are told apart; a failed get leaves the slice alone. */
static void test_missing_and_empty(void **state)
{
    struct fixture *fixture = *state;
    struct alex_slice slice = {"mark", 4};

    helper_put(fixture->main, 1, "");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_txn_get(txn, fixture->main, 2, &slice));
    ASSERT_SLICE(slice, "mark");
    ASSERT_OK(alex_txn_get(txn, fixture->main, 1, &slice));
    assert_non_null(slice.data);
    assert_int_equal(slice.size, 0);
    ASSERT_OK(alex_end(txn));
}

/* NULL, a mode that makes no sense and another store's table are ALEX_INVALID. */
static void test_nonsense_arguments(void **state)
{
    struct fixture *fixture = *state;
    alex_txn *none = NULL;
    struct alex_slice slice = {"mark", 4};
    uint64_t count = 99;
    int64_t key = 1;
    alex_cursor *cursor = NULL;
    alex_store *foreign = NULL;
    char path[FILES_PATH_MAX];

    files_join(path, fixture->directory, "foreign");
    ASSERT_OK(alex_open(path, NULL, &foreign));
    ASSERT_CODE(ALEX_INVALID, alex_begin(NULL, ALEX_READ, &none));
    ASSERT_CODE(ALEX_INVALID, alex_begin(fixture->store, ALEX_READ, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_begin(fixture->store, (enum alex_txn_mode)0, &none));
    ASSERT_CODE(ALEX_INVALID, alex_begin(fixture->store, (enum alex_txn_mode)3, &none));
    assert_null(none);
    alex_txn *txn = helper_begin(fixture->store);
    alex_table *tables[] = {NULL, alex_main_table(foreign)};
    for (int i = 0; i < 2; i++) {
        ASSERT_CODE(ALEX_INVALID, alex_txn_get(txn, tables[i], 1, &slice));
        ASSERT_CODE(ALEX_INVALID, alex_txn_get_many(txn, tables[i], &key, 1, &slice, NULL));
        ASSERT_CODE(ALEX_INVALID, alex_txn_count(txn, tables[i], NULL, &count));
        ASSERT_CODE(ALEX_INVALID, alex_cursor_open(txn, tables[i], NULL, &cursor));
    }
    ASSERT_CODE(ALEX_INVALID, alex_txn_get(NULL, fixture->main, 1, &slice));
    ASSERT_CODE(ALEX_INVALID, alex_txn_get(txn, fixture->main, 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_get_many(NULL, fixture->main, &key, 1, &slice, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_get_many(txn, fixture->main, NULL, 1, &slice, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_get_many(txn, fixture->main, &key, 1, NULL, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_txn_count(NULL, fixture->main, NULL, &count));
    ASSERT_CODE(ALEX_INVALID, alex_txn_count(txn, fixture->main, NULL, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_open(NULL, fixture->main, NULL, &cursor));
    ASSERT_CODE(ALEX_INVALID, alex_cursor_open(txn, fixture->main, NULL, NULL));
    ASSERT_SLICE(slice, "mark");
    assert_null(cursor);
    assert_int_equal(count, 99);
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_close(foreign));
}

/* Many gets at once give for each key what a single get gives, in the order asked, missing and repeated keys too. */
static void test_get_many(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 5000 };
    int64_t *keys = calloc(COUNT, sizeof *keys);
    struct alex_slice *slices = calloc(COUNT, sizeof *slices);
    struct helper_random random = {11};
    size_t expected = 0;
    size_t found = 0;
    assert_true(keys != NULL && slices != NULL);

    for (int64_t key = 0; key < 3000; key += 3) {
        ASSERT_OK(alex_put(fixture->main, key, &key, key % 2 == 0 ? sizeof key : 0, NULL));
    }
    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = (int64_t)helper_random_below(&random, 4000) - 500;
        expected += keys[i] >= 0 && keys[i] < 3000 && keys[i] % 3 == 0;
        slices[i] = (struct alex_slice){"mark", 4};
    }
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_txn_get_many(txn, fixture->main, keys, COUNT, slices, &found));
    assert_int_equal(found, expected);
    for (size_t i = 0; i < COUNT; i++) {
        struct alex_slice one = {NULL, 0};
        int code = alex_txn_get(txn, fixture->main, keys[i], &one);
        assert_ptr_equal(slices[i].data, code == ALEX_OK ? one.data : NULL);
        assert_int_equal(slices[i].size, one.size);
    }
    ASSERT_OK(alex_end(txn));
    free(keys);
    free(slices);
}

/* Batches of every small size work, none included, and leave what is beyond their end alone. */
static void test_get_many_of_each_size(void **state)
{
    struct fixture *fixture = *state;
    int64_t keys[70];
    struct alex_slice slices[71];

    for (int64_t i = 0; i < 70; i++) {
        keys[i] = i * i;
        helper_put(fixture->main, i * i, "square");
    }
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_txn_get_many(txn, fixture->main, NULL, 0, NULL, NULL));
    for (size_t count = 0; count <= 70; count++) {
        size_t found = 99;
        slices[count] = (struct alex_slice){"mark", 4};
        ASSERT_OK(alex_txn_get_many(txn, fixture->main, keys, count, slices, &found));
        assert_int_equal(found, count);
        for (size_t i = 0; i < count; i++) {
            ASSERT_SLICE(slices[i], "square");
        }
        ASSERT_SLICE(slices[count], "mark");
    }
    ASSERT_OK(alex_end(txn));
}

/* Many gets see the transaction's moment too. */
static void test_get_many_in_the_past(void **state)
{
    struct fixture *fixture = *state;
    int64_t keys[100];
    struct alex_slice slices[100];
    size_t found = 0;

    for (int64_t key = 0; key < 100; key++) {
        keys[key] = 99 - key;
        if (key % 2 == 0) {
            helper_put(fixture->main, key, "old");
        }
    }
    alex_txn *txn = helper_begin(fixture->store);
    for (int64_t key = 0; key < 100; key++) {
        if (key % 3 == 0) {
            (void)alex_delete(fixture->main, key);
        } else {
            helper_put(fixture->main, key, "new");
        }
    }
    ASSERT_OK(alex_txn_get_many(txn, fixture->main, keys, 100, slices, &found));
    assert_int_equal(found, 50);
    for (size_t i = 0; i < 100; i++) {
        if (keys[i] % 2 == 0) {
            ASSERT_SLICE(slices[i], "old");
        } else {
            assert_null(slices[i].data);
        }
    }
    ASSERT_OK(alex_end(txn));
}

/** Counts of keys around those that are looked up together. */
static const size_t batch_counts[] = {1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200};
enum { BATCH_COUNTS = sizeof batch_counts / sizeof batch_counts[0], BATCH_MAX = 200 };

/** Even, and so far apart that keys of one batch lie in many nodes of the index. */
enum { BATCH_STEP = 200 };

/** Puts the even keys, far enough for every batch, each with its own bytes. */
static void put_even(alex_table *table)
{
    for (int64_t key = 0; key < BATCH_MAX * BATCH_STEP; key += 2) {
        ASSERT_OK(alex_put(table, key, &key, sizeof key, NULL));
    }
}

/** Asserts that many gets at once find the even ones of the keys, and those alone. */
static void assert_even_found(alex_txn *txn, alex_table *table, const int64_t *keys, size_t count)
{
    struct alex_slice slices[BATCH_MAX + 1];
    size_t expected = 0;
    size_t found = 99;
    for (size_t i = 0; i <= count; i++) {
        slices[i] = (struct alex_slice){"mark", 4};
    }
    ASSERT_OK(alex_txn_get_many(txn, table, keys, count, slices, &found));
    for (size_t i = 0; i < count; i++) {
        if (keys[i] % 2 == 0) {
            assert_int_equal(slices[i].size, sizeof keys[i]);
            assert_memory_equal(slices[i].data, &keys[i], sizeof keys[i]);
            expected++;
        } else {
            assert_null(slices[i].data);
            assert_int_equal(slices[i].size, 0);
        }
    }
    assert_int_equal(found, expected);
    ASSERT_SLICE(slices[count], "mark");
}

/* One missing key among those found, or found among missing ones, is told apart at any place of batches of any size. */
static void test_get_many_with_one_that_differs(void **state)
{
    struct fixture *fixture = *state;
    int64_t keys[BATCH_MAX];

    put_even(fixture->main);
    alex_txn *txn = helper_begin(fixture->store);
    for (size_t c = 0; c < 2 * (size_t)BATCH_COUNTS; c++) {
        size_t count = batch_counts[c / 2];
        for (size_t differs = 0; differs < count; differs++) {
            for (size_t i = 0; i < count; i++) {
                keys[i] = BATCH_STEP * (int64_t)i + ((i == differs) == (c % 2 == 0) ? 1 : 0);
            }
            assert_even_found(txn, fixture->main, keys, count);
        }
    }
    ASSERT_OK(alex_end(txn));
}

/* Keys that are all missing are none found: odd ones, those behind all others, and any of an empty table. */
static void test_get_many_of_missing_keys(void **state)
{
    struct fixture *fixture = *state;
    alex_table *empty = helper_table(fixture->store, "empty", ALEX_KEYS_DEFAULT);
    int64_t keys[BATCH_MAX];

    put_even(fixture->main);
    alex_txn *txn = helper_begin(fixture->store);
    for (size_t c = 0; c < 2 * (size_t)BATCH_COUNTS; c++) {
        for (size_t i = 0; i < BATCH_MAX; i++) {
            keys[i] = BATCH_STEP * (int64_t)(c % 2 == 0 ? i : i + BATCH_MAX) + 1;
        }
        assert_even_found(txn, fixture->main, keys, batch_counts[c / 2]);
        assert_even_found(txn, empty, keys, batch_counts[c / 2]);
    }
    ASSERT_OK(alex_end(txn));
}

/* A key that is asked for again is found again, at the same place: within a group, across groups, or all of them. */
static void test_get_many_of_repeated_keys(void **state)
{
    struct fixture *fixture = *state;
    int64_t keys[BATCH_MAX];
    struct alex_slice slices[BATCH_MAX];

    put_even(fixture->main);
    alex_txn *txn = helper_begin(fixture->store);
    for (size_t distinct = 1; distinct <= 130; distinct++) {
        for (size_t i = 0; i < BATCH_MAX; i++) {
            keys[i] = (BATCH_STEP + 1) * (int64_t)(i % distinct); /* every other one is missing */
        }
        assert_even_found(txn, fixture->main, keys, BATCH_MAX);
        ASSERT_OK(alex_txn_get_many(txn, fixture->main, keys, BATCH_MAX, slices, NULL));
        for (size_t i = distinct; i < BATCH_MAX; i++) {
            assert_ptr_equal(slices[i].data, slices[i - distinct].data);
        }
    }
    ASSERT_OK(alex_end(txn));
}

/** Asserts that two transactions, one of before and one of now, both find the even keys, and those alone. */
static void assert_unchanged(struct fixture *fixture, alex_txn *before)
{
    int64_t keys[BATCH_MAX];
    for (size_t i = 0; i < BATCH_MAX; i++) {
        keys[i] = (int64_t)i;
    }
    alex_txn *now = helper_begin(fixture->store);
    for (size_t c = 0; c < BATCH_COUNTS; c++) {
        assert_even_found(before, fixture->main, keys, batch_counts[c]);
        assert_even_found(now, fixture->main, keys, batch_counts[c]);
    }
    ASSERT_OK(alex_end(now));
}

/* Many gets see nothing of writes to the same keys that are not done: of a reserved put, of a load. */
static void test_get_many_during_writes(void **state)
{
    struct fixture *fixture = *state;
    void *buffer;
    alex_loader *loader;

    put_even(fixture->main);
    alex_txn *before = helper_begin(fixture->store);
    for (int64_t key = 6; key < 8; key++) { /* one that is there, and one that is not */
        ASSERT_OK(alex_put_reserve(fixture->main, key, 9, &buffer));
        memcpy(buffer, "reserved!", 9);
        assert_unchanged(fixture, before);
        alex_put_cancel(fixture->main);
    }
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    for (int64_t key = 0; key < BATCH_MAX; key++) {
        ASSERT_OK(alex_loader_add(loader, key, "loaded", 6));
    }
    assert_unchanged(fixture, before);
    alex_loader_close(loader);
    assert_unchanged(fixture, before);
    ASSERT_OK(alex_end(before));
}

static uint64_t count_in(alex_txn *txn, alex_table *table, struct alex_range range)
{
    uint64_t count = 0;
    ASSERT_OK(alex_txn_count(txn, table, &range, &count));
    return count;
}

/* A count gives the keys of a range, bounds included, up to its limit; also of an empty or impossible range. */
static void test_count(void **state)
{
    struct fixture *fixture = *state;
    uint64_t count = 0;

    for (int64_t key = -30000; key < 30000; key += 3) {
        helper_put(fixture->main, key, "x");
    }
    for (int round = 0; round < 2; round++) {
        alex_txn *txn = helper_begin(fixture->store);
        if (round == 1) { /* the slow way: keys were written since */
            for (int64_t key = -30000; key < 30000; key += 2) {
                helper_put(fixture->main, key, "later");
            }
        }
        ASSERT_OK(alex_txn_count(txn, fixture->main, NULL, &count));
        assert_int_equal(count, 20000);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){0}), 20000);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){.has_first = true, .first = 0}), 10000);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){.has_first = true, .first = 1}), 9999);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){.has_last = true, .last = 0}), 10001);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){.has_last = true, .last = -1}), 10000);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){true, true, 3, 9, 0}), 3);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){true, true, 4, 8, 0}), 1);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){true, true, 4, 5, 0}), 0);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){true, true, 9, 3, 0}), 0);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){.limit = 7}), 7);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){.limit = 20001}), 20000);
        assert_int_equal(count_in(txn, fixture->main, (struct alex_range){true, true, INT64_MIN, INT64_MAX, 0}), 20000);
        ASSERT_OK(alex_end(txn));
    }
}

/* A count of a table of unsigned keys takes its bounds as unsigned. */
static void test_count_unsigned(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "unsigned", ALEX_KEYS_UNSIGNED);

    for (int64_t key = -10; key < 10; key++) {
        helper_put(table, key, "x");
    }
    alex_txn *txn = helper_begin(fixture->store);
    assert_int_equal(count_in(txn, table, (struct alex_range){true, true, 5, -5, 0}), 5 + 6);
    assert_int_equal(count_in(txn, table, (struct alex_range){true, true, -5, 5, 0}), 0);
    assert_int_equal(count_in(txn, table, (struct alex_range){.has_first = true, .first = INT64_MIN}), 10);
    ASSERT_OK(alex_end(txn));
}

/* Statistics name the oldest snapshot while it lasts. */
static void test_oldest_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;

    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    uint64_t number = stats.last_number;
    alex_txn *txn = helper_begin(fixture->store);
    helper_put(fixture->main, 2, "two");
    alex_txn *later = helper_begin(fixture->store);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.open_txns, 2);
    assert_int_equal(stats.oldest_snapshot, number);
    assert_true(stats.last_number > number);
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.oldest_snapshot, stats.last_number);
    ASSERT_OK(alex_end(later));
}

/* A transaction that has ended says so, in every build, until its handle is another one's. */
static void test_ended_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct alex_slice value;
    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_end(txn));
    ASSERT_CODE(ALEX_MISUSE, alex_end(txn));
    ASSERT_CODE(ALEX_MISUSE, alex_renew(txn));
    ASSERT_CODE(ALEX_MISUSE, alex_txn_get(txn, fixture->main, 1, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_snapshot),
        TEST_WITH_STORE(test_many_snapshots),
        TEST_WITH_STORE(test_values_stay),
        TEST_WITH_STORE(test_table_made_later),
        TEST_WITH_STORE(test_missing_and_empty),
        TEST_WITH_STORE(test_nonsense_arguments),
        TEST_WITH_STORE(test_get_many),
        TEST_WITH_STORE(test_get_many_of_each_size),
        TEST_WITH_STORE(test_get_many_in_the_past),
        TEST_WITH_STORE(test_get_many_with_one_that_differs),
        TEST_WITH_STORE(test_get_many_of_missing_keys),
        TEST_WITH_STORE(test_get_many_of_repeated_keys),
        TEST_WITH_STORE(test_get_many_during_writes),
        TEST_WITH_STORE(test_count),
        TEST_WITH_STORE(test_count_unsigned),
        TEST_WITH_STORE(test_oldest_snapshot),
        TEST_WITH_STORE(test_ended_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
