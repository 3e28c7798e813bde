/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_edge.c
 * Records behind which there is nothing to read. The mapping reaches beyond the file, but a byte behind the file's last
 * page is a SIGBUS; a closed store's file ends with its last record. So records are made to end with a page.
 */
#include <errno.h>

#include "log/log_internal.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

#define LARGE ((size_t)LOG_REF_UNITS_MAX * 8)

/** Values of no, some and many words, with every remainder, and of sizes that a reference doesn't hold. */
static const size_t sizes[] = {0,   1,   2,   3,   4,   5,   6,    7,    8,    9,     15,         16,    31,       32,
                               33,  39,  40,  63,  64,  65,  71,   72,   100,  136,   200,        248,   255,      256,
                               257, 263, 264, 300, 511, 512, 1000, 4096, 5000, 70001, LARGE - 40, LARGE, LARGE + 9};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static const struct faults_plan no_fallocate = {
    .calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true, .os_errno = EOPNOTSUPP};

static int touch(void *at)
{
    return *(const volatile uint8_t *)at;
}

/** The segment that holds the last record. */
static const struct log_segment *last_segment(alex_store *store)
{
    const struct log *log = store_log(store);
    return log->segments[log->segment_count - 1];
}

/** Asserts that the last record ends where the segment does, and skips the test where reading on is no fault. */
static void require_edge(alex_store *store, uint64_t end)
{
    const struct log_segment *segment = last_segment(store);
    assert_int_equal(end % PAGE_BYTES, 0);
    assert_int_equal(atomic_load(&segment->allocated), end);
    assert_true(end < segment->capacity);
    if (helper_in_child(touch, segment->base + end) != -1) {
        skip(); /* a file system of larger pages */
    }
}

/** Puts a value as `key`, with a record of it before or not, so that its record ends with a page. @return where that
 *  is */
static uint64_t put_to_edge(struct fixture *fixture, int64_t key, size_t size, bool has_previous)
{
    static const unsigned char zeros[2 * PAGE_BYTES];
    const struct log *log = store_log(fixture->store);
    helper_put(fixture->main, has_previous ? key : -key - 1, "before");
    uint64_t filler = PAGE_BYTES - (log_end(log).offset + record_bytes(size, has_previous)) % PAGE_BYTES;
    filler += filler < RECORD_HEADER_BYTES ? PAGE_BYTES : 0;
    ASSERT_OK(alex_put(fixture->main, -key - 2, zeros, filler - RECORD_HEADER_BYTES, NULL));
    unsigned char *value = malloc(size + 1);
    assert_non_null(value);
    helper_fill(value, size, (uint64_t)key);
    ASSERT_OK(alex_put(fixture->main, key, value, size, NULL));
    free(value);
    assert_int_equal(log_end(log).offset % PAGE_BYTES, 0);
    return log_end(log).offset;
}

static void assert_value(struct alex_slice slice, int64_t key, size_t size)
{
    assert_int_equal(slice.size, size);
    assert_true(helper_is_filled(slice.data, size, (uint64_t)key));
}

/** Reads the greatest key in every way there is. */
static void read_every_way(alex_store *store, int64_t key, size_t size)
{
    alex_table *table = alex_main_table(store);
    struct alex_slice slices[2];
    int64_t keys[2] = {key, key};
    struct alex_entry entry;
    alex_cursor *cursor;
    struct alex_slice copy = {malloc(size + 1), 0};
    assert_non_null(copy.data);
    ASSERT_OK(alex_get(table, key, (void *)copy.data, size, &copy.size));
    assert_value(copy, key, size);
    free((void *)copy.data);
    alex_txn *txn = helper_begin(store);
    ASSERT_OK(alex_txn_get(txn, table, key, &slices[0]));
    assert_value(slices[0], key, size);
    ASSERT_OK(alex_txn_get_many(txn, table, keys, 2, slices, NULL));
    assert_value(slices[0], key, size);
    assert_value(slices[1], key, size);
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    ASSERT_OK(alex_cursor_last(cursor, &entry));
    assert_value(entry.value, key, size);
    ASSERT_OK(alex_cursor_previous(cursor, &entry));
    ASSERT_OK(alex_cursor_next(cursor, &entry));
    assert_int_equal(entry.key, key);
    assert_value(entry.value, key, size);
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
    helper_check(store);
}

static int64_t key_of(size_t i, int has_previous)
{
    return (int64_t)(4 * i) + 2 * has_previous;
}

/* A record that ends with the file of a closed store is read, in every way and of every size, and not a byte behind
 * it. */
static void test_end_of_a_closed_file(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 2 * SIZES; i++) {
        size_t size = sizes[i / 2];
        int64_t key = key_of(i / 2, i % 2);
        fixture_store_open(fixture, NULL);
        uint64_t end = put_to_edge(fixture, key, size, i % 2 == 1);
        fixture_store_close(fixture);
        for (int opening = 0; opening < 4; opening++) {
            struct alex_options options = {.no_checksums = opening % 2 == 1, .read_only = opening / 2 == 1};
            fixture_store_open(fixture, &options);
            require_edge(fixture->store, end);
            read_every_way(fixture->store, key, size);
            fixture_store_close(fixture);
        }
    }
}

/* Where the file system can't allocate space ahead the same goes for each record as it is written. */
static void test_end_of_a_file_written_on(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 2; round++) {
        struct alex_options options = {.no_checksums = round == 1};
        files_remove(fixture->path);
        faults_set(&no_fallocate);
        fixture_store_open(fixture, &options);
        for (size_t i = 0; i < 2 * SIZES; i++) {
            int64_t key = key_of(i / 2, i % 2);
            require_edge(fixture->store, put_to_edge(fixture, key, sizes[i / 2], i % 2 == 1));
            read_every_way(fixture->store, key, sizes[i / 2]);
        }
        fixture_store_close(fixture);
        faults_clear();
    }
}

/** Asserts that no read gives the greatest key's value. */
static void assert_damaged(alex_store *store, int64_t key)
{
    alex_table *table = alex_main_table(store);
    struct alex_slice slice;
    struct alex_entry entry;
    alex_cursor *cursor;
    char buffer[8];
    ASSERT_CODE(ALEX_DAMAGED, alex_get(table, key, buffer, sizeof buffer, NULL));
    alex_txn *txn = helper_begin(store);
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_get(txn, table, key, &slice));
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_get_many(txn, table, &key, 1, &slice, NULL));
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    ASSERT_CODE(ALEX_DAMAGED, alex_cursor_last(cursor, &entry));
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
}

/* A length that has come to say more than there is leads nowhere, with checksums or without. */
static void test_length_beyond_the_end(void **state)
{
    struct fixture *fixture = *state;
    static const size_t full_sizes[] = {64, 512, LARGE};
    for (size_t i = 0; i < 6; i++) {
        size_t size = full_sizes[i / 2]; /* without padding: there is no byte more */
        struct alex_options options = {.no_checksums = i % 2 == 1};
        struct files_record record;
        fixture_store_open(fixture, NULL);
        uint64_t end = put_to_edge(fixture, key_of(i, 0), size, false);
        fixture_store_close(fixture);
        files_last_record(fixture->path, &record);
        assert_int_equal(record.end, end);
        fixture_store_open(fixture, &options);
        require_edge(fixture->store, end);
        for (unsigned bit = 0; bit < 32; bit++) {
            if ((size >> bit & 1) == 0) {
                files_flip_bit(record.path, record.offset + 8 + bit / 8, bit % 8);
                assert_damaged(fixture->store, key_of(i, 0));
                files_flip_bit(record.path, record.offset + 8 + bit / 8, bit % 8);
            }
        }
        read_every_way(fixture->store, key_of(i, 0), size);
        fixture_store_close(fixture);
    }
}

/* No record ends with the mapping itself, for there a fault would come from whatever lies behind: space for a SEAL is
 * left in each segment, also by a value made to fill one. */
static void test_no_record_ends_with_its_mapping(void **state)
{
    struct fixture *fixture = *state;
    enum { SEGMENT = 1 << 16, FULL = SEGMENT - SEGMENT_HEADER_BYTES - RECORD_HEADER_BYTES };
    static const unsigned char value[FULL];
    struct store_tuning tuning = {.segment_shift = 16};
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    for (size_t less = 0; less < 2 * TAIL_RESERVE_BYTES + SPARE_BYTES; less += 8) {
        const struct log *log = store_log(fixture->store);
        ASSERT_OK(alex_put(fixture->main, (int64_t)less, value, FULL - less, NULL));
        assert_true(log_end(log).offset + RECORD_HEADER_BYTES <= log->tail->capacity);
    }
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
        TEST_WITH_DIRECTORY(test_end_of_a_closed_file),
        TEST_WITH_DIRECTORY(test_end_of_a_file_written_on),
        TEST_WITH_DIRECTORY(test_length_beyond_the_end),
        TEST_WITH_DIRECTORY(test_no_record_ends_with_its_mapping),
    };
    return cmocka_run_group_tests_name("log edge", tests, install, uninstall);
}
