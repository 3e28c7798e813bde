/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_damage_reads.c
 * Every way to read a key reports its damaged record, wherever the damage is: of a small record as of one that is so
 * large that a reference doesn't hold its size, with a previous record and without.
 */
#include "log/ref.h"
#include "support/store_helper.h"

#define LARGE ((size_t)LOG_REF_UNITS_MAX * 8)

/** The keys from 1 on; key 0 and the key behind the last have small values that stay as they are. The odd ones have a
 *  previous record. */
static const size_t sizes[] = {100, 100, LARGE, LARGE};
enum { KEYS = sizeof sizes / sizeof sizes[0], LAST = KEYS + 1 };

static void make_store(struct fixture *fixture)
{
    unsigned char *value = malloc(LARGE);
    assert_non_null(value);
    fixture_store_open(fixture, NULL);
    for (int64_t key = 1; key <= KEYS; key++) {
        if (key % 2 == 1) {
            helper_put(fixture->main, key, "before");
        }
        helper_fill(value, sizes[key - 1], (uint64_t)key);
        ASSERT_OK(alex_put(fixture->main, key, value, sizes[key - 1], NULL));
    }
    helper_put(fixture->main, 0, "first");
    helper_put(fixture->main, LAST, "last");
    fixture_store_close(fixture);
    free(value);
}

static void find(struct fixture *fixture, int64_t key, struct files_record *out_record)
{
    files_find_record(fixture->path, FILES_PUT, 1, key, out_record);
    assert_int_equal(out_record->length, sizes[key - 1]);
    assert_int_equal(out_record->value_offset - out_record->offset, key % 2 == 1 ? 40 : 32);
}

/** Asserts that the read before reported this record. */
static void assert_detail(alex_store *store, const struct files_record *record)
{
    struct alex_error error;
    alex_store_error(store, &error);
    assert_int_equal(error.code, ALEX_DAMAGED);
    assert_string_equal(error.path, record->path);
    assert_int_equal(error.offset, record->offset);
}

static void assert_get(alex_store *store, const struct files_record *record)
{
    static unsigned char buffer[LARGE];
    size_t size = 7;
    ASSERT_CODE(ALEX_DAMAGED, alex_get(alex_main_table(store), record->key, buffer, sizeof buffer, &size));
    assert_int_equal(size, 7);
    assert_detail(store, record);
}

static void assert_txn_get(alex_store *store, const struct files_record *record)
{
    struct alex_slice slice = {"mark", 4};
    alex_txn *txn = helper_begin(store);
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_get(txn, alex_main_table(store), record->key, &slice));
    ASSERT_SLICE(slice, "mark");
    assert_detail(store, record);
    ASSERT_OK(alex_end(txn));
}

static void assert_get_many(alex_store *store, const struct files_record *record)
{
    const int64_t keys[] = {0, record->key, LAST};
    struct alex_slice slices[3];
    size_t found;
    alex_txn *txn = helper_begin(store);
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_get_many(txn, alex_main_table(store), keys, 3, slices, &found));
    assert_int_equal(found, 2);
    ASSERT_SLICE(slices[0], "first");
    assert_null(slices[1].data);
    ASSERT_SLICE(slices[2], "last");
    assert_detail(store, record);
    ASSERT_OK(alex_end(txn));
}

static void assert_cursor(alex_store *store, const struct files_record *record)
{
    int64_t key = record->key;
    struct alex_entry entry = {77, {"mark", 4}};
    alex_cursor *cursor;
    alex_txn *txn = helper_begin(store);
    ASSERT_OK(alex_cursor_open(txn, alex_main_table(store), NULL, &cursor));
    ASSERT_CODE(ALEX_DAMAGED, alex_cursor_seek(cursor, key, &entry));
    assert_int_equal(entry.key, 77);
    assert_detail(store, record);
    ASSERT_OK(alex_cursor_next(cursor, &entry));
    assert_int_equal(entry.key, key + 1);
    ASSERT_CODE(ALEX_DAMAGED, alex_cursor_previous(cursor, &entry));
    ASSERT_OK(alex_cursor_previous(cursor, &entry));
    assert_int_equal(entry.key, key - 1);
    ASSERT_CODE(ALEX_DAMAGED, alex_cursor_next(cursor, &entry));
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
}

static void assert_all(alex_store *store, const struct files_record *record)
{
    assert_get(store, record);
    assert_txn_get(store, record);
    assert_get_many(store, record);
    assert_cursor(store, record);
}

/** Ends a store that was damaged on purpose, which the fixture's check would mind. */
static void close_damaged(struct fixture *fixture)
{
    ASSERT_OK(alex_close(fixture->store));
    fixture->store = NULL;
}

/* A flipped bit anywhere in a value, its ends included, is found by every read, also after reopening. */
static void test_bit_in_a_value(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture);
    for (int64_t key = 1; key <= KEYS; key++) {
        struct files_record record;
        find(fixture, key, &record);
        const uint64_t places[] = {0, record.length / 2 + 3, record.length - 1};
        for (unsigned i = 0; i < 3; i++) {
            fixture_store_open(fixture, NULL);
            files_flip_bit(record.path, record.value_offset + places[i], 3 * i);
            assert_all(fixture->store, &record);
            close_damaged(fixture);
            fixture_store_open(fixture, NULL);
            assert_all(fixture->store, &record);
            close_damaged(fixture);
            files_flip_bit(record.path, record.value_offset + places[i], 3 * i);
        }
    }
}

/* A flipped bit anywhere in a header, lengths, key and checksums included, is found by every read of an open store. */
static void test_bits_in_a_header(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture);
    fixture_store_open(fixture, NULL);
    for (int64_t key = 1; key <= KEYS; key++) {
        struct files_record record;
        find(fixture, key, &record);
        for (uint64_t bit = 0; bit < (record.value_offset - record.offset) * 8; bit++) {
            files_flip_bit(record.path, record.offset + bit / 8, bit % 8);
            assert_all(fixture->store, &record);
            files_flip_bit(record.path, record.offset + bit / 8, bit % 8);
        }
    }
    fixture_store_close(fixture);
}

/* A large record whose header has a flipped bit anywhere is found when the store is opened, by its place. */
static void test_opening_with_a_bad_large_header(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture);
    for (int64_t key = 3; key <= KEYS; key++) {
        struct files_record record;
        struct alex_error error;
        find(fixture, key, &record);
        for (uint64_t at = 0; at < record.value_offset - record.offset; at++) {
            files_flip_bit(record.path, record.offset + at, at % 8);
            helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
            assert_string_equal(error.path, record.path);
            assert_int_equal(error.offset, record.offset);
            files_flip_bit(record.path, record.offset + at, at % 8);
        }
    }
}

/* A whole record of another key or table, at a key's place, is found by every read: without checksums too. */
static void test_record_of_another(void **state)
{
    struct fixture *fixture = *state;
    static const unsigned fields[] = {12 /* the table */, 16 /* the key's first byte */, 23 /* and its last */};
    make_store(fixture);
    for (unsigned i = 0; i < 2 * 3; i++) {
        struct alex_options options = {.no_checksums = i % 2 == 1};
        fixture_store_open(fixture, &options);
        for (int64_t key = 1; key <= KEYS; key++) {
            struct files_record record;
            find(fixture, key, &record);
            files_flip_bit(record.path, record.offset + fields[i / 2], 6);
            files_reseal_record(record.path, record.offset);
            assert_all(fixture->store, &record);
            files_flip_bit(record.path, record.offset + fields[i / 2], 6);
            files_reseal_record(record.path, record.offset);
        }
        fixture_store_close(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_bit_in_a_value),
        TEST_WITH_DIRECTORY(test_bits_in_a_header),
        TEST_WITH_DIRECTORY(test_opening_with_a_bad_large_header),
        TEST_WITH_DIRECTORY(test_record_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
