/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_large.c
 * Records around the greatest size that a reference holds, and far beyond it: short of it a read knows a record's size
 * from the reference, from there on from its header. Every read gives the same, however the store was opened.
 */
#include "log/record.h"
#include "log/ref.h"
#include "support/faults.h"
#include "support/store_helper.h"

#define BORDER (LOG_REF_UNITS_MAX * 8)

static const uint64_t record_sizes[] = {BORDER - 8, BORDER, BORDER + 8, 3 * BORDER};

/** Of each size a record without and with a previous one, with and without padding; their keys are even, and between
 *  them are small values. */
enum { LARGE = 4 * 4, ENTRIES = 2 * LARGE };

static bool has_previous(int64_t key)
{
    return key / 2 % 2 == 1;
}

static size_t value_size(int64_t key)
{
    if (key % 2 == 1) {
        return (size_t)key;
    }
    uint64_t padding = key / 4 % 2 == 1 ? 5 : 0;
    return record_sizes[key / 8] - record_header_bytes(has_previous(key)) - padding;
}

static bool is_value(struct alex_slice slice, int64_t key)
{
    return slice.size == value_size(key) && helper_is_filled(slice.data, slice.size, (uint64_t)key);
}

static void put_all(alex_table *table)
{
    unsigned char *value = malloc(3 * BORDER);
    assert_non_null(value);
    for (int64_t key = 0; key < ENTRIES; key++) {
        if (has_previous(key)) {
            helper_put(table, key, "before");
        }
        helper_fill(value, value_size(key), (uint64_t)key);
        ASSERT_OK(alex_put(table, key, value, value_size(key), NULL));
    }
    free(value);
}

/** Calls `read` in the process that wrote the records, and after reopening for writing and for reading only; all of it
 *  with and without checksums. */
static void in_every_opening(struct fixture *fixture, void (*read)(alex_store *store))
{
    for (int round = 0; round < 2; round++) {
        struct alex_options options = {.no_checksums = round == 1};
        files_remove(fixture->path);
        fixture_store_open(fixture, &options);
        put_all(fixture->main);
        read(fixture->store);
        for (int reopened = 0; reopened < 2; reopened++) {
            fixture_store_close(fixture);
            options.read_only = reopened == 1;
            fixture_store_open(fixture, &options);
            read(fixture->store);
        }
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
}

static void count_live(alex_store *store)
{
    struct alex_store_stats stats;
    uint64_t expected = 0;
    for (int64_t key = 0; key < ENTRIES; key++) {
        expected += key % 2 == 0 ? record_sizes[key / 8] : record_bytes((uint64_t)key, has_previous(key));
    }
    ASSERT_OK(alex_store_stat(store, &stats));
    assert_int_equal(stats.live_bytes, expected);
}

/* The records have the sizes meant, and are counted by them. */
static void test_live_bytes(void **state)
{
    in_every_opening(*state, count_live);
}

static void get_into_too_little(alex_store *store)
{
    for (int64_t key = 0; key < ENTRIES; key += 2) {
        unsigned char buffer[] = "#";
        unsigned char *one_less = calloc(1, value_size(key) - 1);
        size_t size = 0;
        assert_non_null(one_less);
        ASSERT_CODE(ALEX_TOO_SMALL, alex_get(alex_main_table(store), key, one_less, value_size(key) - 1, &size));
        assert_int_equal(size, value_size(key));
        assert_int_equal(one_less[0], 0);
        ASSERT_CODE(ALEX_TOO_SMALL, alex_get(alex_main_table(store), key, buffer, 1, NULL));
        assert_int_equal(buffer[0], '#');
        free(one_less);
    }
}

/* A buffer too small, by one byte or by all, gets nothing, and the size is told. */
static void test_buffer_too_small(void **state)
{
    in_every_opening(*state, get_into_too_little);
}

static void get_into_enough(alex_store *store)
{
    for (int64_t key = 0; key < ENTRIES; key++) {
        for (size_t more = 0; more <= 9; more += 3) {
            unsigned char *buffer = malloc(value_size(key) + more);
            size_t size = 0;
            assert_non_null(buffer);
            memset(buffer, '#', value_size(key) + more);
            ASSERT_OK(alex_get(alex_main_table(store), key, buffer, value_size(key) + more, &size));
            assert_true(is_value((struct alex_slice){buffer, size}, key));
            for (size_t i = size; i < size + more; i++) {
                assert_int_equal(buffer[i], '#');
            }
            free(buffer);
        }
    }
}

/* A buffer of the value's size or more gets all of it, and nothing behind it. */
static void test_get(void **state)
{
    in_every_opening(*state, get_into_enough);
}

static void get_in_txn(alex_store *store)
{
    alex_txn *txn = helper_begin(store);
    for (int64_t key = 0; key < ENTRIES; key++) {
        struct alex_slice slice;
        ASSERT_OK(alex_txn_get(txn, alex_main_table(store), key, &slice));
        assert_true(is_value(slice, key));
    }
    ASSERT_OK(alex_end(txn));
}

/* A transaction's get gives the whole value. */
static void test_txn_get(void **state)
{
    in_every_opening(*state, get_in_txn);
}

static void get_together(alex_store *store)
{
    int64_t keys[ENTRIES + 1];
    struct alex_slice slices[ENTRIES + 1];
    size_t found = 0;
    for (int64_t key = 0; key <= ENTRIES; key++) {
        keys[key] = ENTRIES - key; /* the first is missing */
    }
    alex_txn *txn = helper_begin(store);
    ASSERT_OK(alex_txn_get_many(txn, alex_main_table(store), keys, ENTRIES + 1, slices, &found));
    assert_int_equal(found, ENTRIES);
    assert_null(slices[0].data);
    for (size_t i = 1; i <= ENTRIES; i++) {
        assert_true(is_value(slices[i], keys[i]));
    }
    ASSERT_OK(alex_end(txn));
}

/* Many gets at once give the whole values, among small and missing ones. */
static void test_get_many(void **state)
{
    in_every_opening(*state, get_together);
}

static void walk(alex_store *store)
{
    alex_cursor *cursor;
    struct alex_entry entry;
    alex_txn *txn = helper_begin(store);
    ASSERT_OK(alex_cursor_open(txn, alex_main_table(store), NULL, &cursor));
    for (int64_t key = 0; key < ENTRIES; key++) {
        ASSERT_OK(alex_cursor_next(cursor, &entry));
        assert_int_equal(entry.key, key);
        assert_true(is_value(entry.value, key));
    }
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_next(cursor, &entry));
    for (int64_t key = ENTRIES - 1; key >= 0; key--) {
        ASSERT_OK(alex_cursor_previous(cursor, &entry));
        assert_int_equal(entry.key, key);
        assert_true(is_value(entry.value, key));
    }
    ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_previous(cursor, &entry));
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
}

/* A cursor gives the whole values, forwards and backwards. */
static void test_cursor(void **state)
{
    in_every_opening(*state, walk);
}

static int install(void **state)
{
    (void)state;
    faults_prefer_memory();
    faults_install();
    return 0;
}

static int uninstall(void **state)
{
    (void)state;
    faults_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_live_bytes), TEST_WITH_DIRECTORY(test_buffer_too_small),
        TEST_WITH_DIRECTORY(test_get),        TEST_WITH_DIRECTORY(test_txn_get),
        TEST_WITH_DIRECTORY(test_get_many),   TEST_WITH_DIRECTORY(test_cursor),
    };
    return cmocka_run_group_tests_name("large records", tests, install, uninstall);
}
