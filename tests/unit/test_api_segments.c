/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_segments.c
 * A log of many segments: small ones, of 64 KiB, so that their ends are reached often.
 */
#include <unistd.h>

#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { SEGMENT_BYTES = 1 << 16 };

static const struct store_tuning small_segments = {.segment_shift = 16};

static void open_small(struct fixture *fixture)
{
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &small_segments, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
}

static void put_sized(alex_table *table, int64_t key, size_t size)
{
    unsigned char *value = malloc(size + 1);
    assert_non_null(value);
    helper_fill(value, size, (uint64_t)key);
    ASSERT_OK(alex_put(table, key, value, size, NULL));
    free(value);
}

static void assert_sized(alex_store *store, int64_t key, size_t size)
{
    struct alex_slice slice;
    alex_txn *txn = helper_begin(store);
    ASSERT_OK(alex_txn_get(txn, alex_main_table(store), key, &slice));
    assert_int_equal(slice.size, size);
    assert_true(helper_is_filled(slice.data, size, (uint64_t)key));
    ASSERT_OK(alex_end(txn));
}

static uint64_t count_segments(alex_store *store)
{
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(store, &stats));
    return stats.segments;
}

/* A log that runs through many segments is there after reopening, again and again, and grows on. */
static void test_many_segments(void **state)
{
    struct fixture *fixture = *state;

    open_small(fixture);
    for (int64_t round = 0; round < 3; round++) {
        for (int64_t key = 0; key < 1000; key++) {
            put_sized(fixture->main, round * 1000 + key, 1000);
        }
        assert_true(count_segments(fixture->store) >= (uint64_t)(round + 1) * 16);
        fixture_reopen(fixture);
        for (int64_t key = 0; key < (round + 1) * 1000; key++) {
            assert_sized(fixture->store, key, 1000);
        }
        helper_check(fixture->store);
    }
}

/* The segment size is the store's: it stays what it was when the store is opened in the usual way. */
static void test_segment_size_is_the_stores(void **state)
{
    struct fixture *fixture = *state;
    char(*names)[32];
    char path[FILES_PATH_MAX];

    open_small(fixture);
    put_sized(fixture->main, 1, 100);
    fixture_reopen(fixture);
    for (int64_t key = 0; key < 300; key++) {
        put_sized(fixture->main, key, 1000);
    }
    fixture_store_close(fixture);
    size_t count = files_list_segments(fixture->path, &names);
    assert_true(count >= 5);
    for (size_t i = 0; i < count; i++) {
        files_join(path, fixture->path, names[i]);
        assert_true(files_size(path) <= SEGMENT_BYTES);
    }
    free(names);
    fixture_store_open(fixture, NULL);
}

/* Wherever a value ends near a segment's end, to the byte, it and its neighbours are kept. */
static void test_values_to_the_end_of_a_segment(void **state)
{
    struct fixture *fixture = *state;

    open_small(fixture);
    for (size_t distance = 0; distance < 200; distance++) {
        /* One record that leaves about `distance` bytes of a fresh segment, then small ones over its end. */
        put_sized(fixture->main, (int64_t)distance * 10, SEGMENT_BYTES - 64 - 32 - distance);
        put_sized(fixture->main, (int64_t)distance * 10 + 1, distance % 24);
        put_sized(fixture->main, (int64_t)distance * 10 + 2, 0);
    }
    fixture_reopen(fixture);
    for (size_t distance = 0; distance < 200; distance++) {
        assert_sized(fixture->store, (int64_t)distance * 10, SEGMENT_BYTES - 64 - 32 - distance);
        assert_sized(fixture->store, (int64_t)distance * 10 + 1, distance % 24);
        assert_sized(fixture->store, (int64_t)distance * 10 + 2, 0);
    }
}

/* Values larger than a segment, between small ones, are kept. */
static void test_values_larger_than_a_segment(void **state)
{
    struct fixture *fixture = *state;

    open_small(fixture);
    for (int64_t key = 0; key < 40; key++) {
        put_sized(fixture->main, key, key % 2 == 0 ? 100 : (size_t)key * 20000);
    }
    for (int round = 0; round < 2; round++) {
        for (int64_t key = 0; key < 40; key++) {
            assert_sized(fixture->store, key, key % 2 == 0 ? 100 : (size_t)key * 20000);
        }
        fixture_reopen(fixture);
    }
}

/* Batches, loads and reservations run over the ends of segments as whole as within them. */
static void test_groups_across_segments(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 300 };
    static unsigned char values[COUNT][700];
    struct alex_op ops[COUNT];
    alex_loader *loader = NULL;
    void *buffer = NULL;

    open_small(fixture);
    for (int64_t i = 0; i < COUNT; i++) {
        helper_fill(values[i], sizeof values[i], (uint64_t)i);
        ops[i] = (struct alex_op){ALEX_OP_PUT, fixture->main, i, {values[i], sizeof values[i]}};
    }
    ASSERT_OK(alex_write(fixture->store, ops, COUNT));
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    for (int64_t i = COUNT; i < 2 * COUNT; i++) {
        helper_fill(values[0], sizeof values[0], (uint64_t)i);
        ASSERT_OK(alex_loader_add(loader, i, values[0], sizeof values[0]));
    }
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    for (int64_t i = 2 * COUNT; i < 3 * COUNT; i++) {
        ASSERT_OK(alex_put_reserve(fixture->main, i, 700, &buffer));
        helper_fill(buffer, 700, (uint64_t)i);
        if (i % 3 == 0) {
            alex_put_cancel(fixture->main);
        } else {
            ASSERT_OK(alex_put_commit(fixture->main, NULL));
        }
    }
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < 3 * COUNT; i++) {
            if (i >= 2 * COUNT && i % 3 == 0) {
                ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, i));
            } else {
                assert_sized(fixture->store, i, 700);
            }
        }
        fixture_reopen(fixture);
    }
}

enum { SYNCED = 200, KEYS = 400 };

/** Puts keys 0 to KEYS - 1 over some segments, with a sync before key SYNCED, and dies. */
static int put_and_die(void *context)
{
    struct fixture *fixture = context;
    alex_store *store = NULL;
    CHILD_REQUIRE(store_open_tuned(fixture->path, NULL, &small_segments, &store) == ALEX_OK);
    for (int64_t key = 0; key < KEYS; key++) {
        unsigned char value[1000];
        helper_fill(value, sizeof value, (uint64_t)key);
        if (key == SYNCED) {
            CHILD_REQUIRE(alex_sync(store) == ALEX_OK);
        }
        CHILD_REQUIRE(alex_put(alex_main_table(store), key, value, sizeof value, NULL) == ALEX_OK);
    }
    return 0;
}

/** Asserts that exactly the keys 0 to `count` - 1 are there, now and after writing on and reopening. */
static void assert_keys(struct fixture *fixture, int64_t count)
{
    for (int64_t round = 0; round < 3; round++) {
        for (int64_t key = 0; key < KEYS; key++) {
            if (key < count) {
                assert_sized(fixture->store, key, 1000);
            } else {
                ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, key));
            }
        }
        put_sized(fixture->main, 10000 + round, 500);
        fixture_reopen(fixture);
        assert_sized(fixture->store, 10000 + round, 500);
    }
}

/* A writer killed in some later segment loses nothing. */
static void test_killed_writer(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_false(report.clean);
    assert_int_equal(report.cut_bytes, 0);
    assert_keys(fixture, KEYS);
}

/* A bad record above the durable end cuts the log across all later segments. */
static void test_cut_across_segments(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct files_record last;
    struct alex_open_report report;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, SYNCED + 50, &record);
    files_last_record(fixture->path, &last);
    assert_string_not_equal(record.path, last.path);
    files_flip_bit(record.path, record.offset + 20, 0);
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_string_equal(report.cut_path, record.path);
    assert_int_equal(report.cut_offset, record.offset);
    assert_true(report.cut_bytes > (KEYS - SYNCED - 50) * 1000);
    assert_keys(fixture, SYNCED + 50);
}

/* A segment that the manifest lists is damage where it is missing or without its header, above the durable end too:
 * both were on disk before it was listed. */
static void test_lost_segment_above_the_durable_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct alex_error error;
    size_t size;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, KEYS - 100, &record);
    unsigned char *data = files_read(record.path, &size);
    for (int way = 0; way < 3; way++) {
        if (way == 0) {
            assert_int_equal(unlink(record.path), 0);
        } else if (way == 1) {
            files_truncate(record.path, 0);
        } else {
            files_flip_bit(record.path, 20, 0);
        }
        helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
        assert_string_equal(error.path, record.path);
        files_write(record.path, data, size);
    }
    free(data);
    fixture_store_open(fixture, NULL);
    assert_keys(fixture, KEYS);
}

/* A segment below the durable end that is missing, shortened or changed is damage, and nothing is touched. */
static void test_damage_in_an_earlier_segment(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct alex_error error;
    size_t size;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, SYNCED / 2, &record);
    unsigned char *data = files_read(record.path, &size);
    for (int way = 0; way < 4; way++) {
        if (way == 0) {
            assert_int_equal(unlink(record.path), 0);
        } else if (way == 1) {
            files_truncate(record.path, record.offset + 20);
        } else if (way == 2) {
            files_flip_bit(record.path, record.offset + 20, 0);
        } else {
            files_flip_bit(record.path, 40, 0);
        }
        uint64_t before = files_fingerprint(fixture->path, "LOCK");
        helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
        assert_non_null(strstr(error.path, fixture->path));
        assert_true(error.has_offset);
        assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
        files_write(record.path, data, size);
    }
    free(data);
    fixture_store_open(fixture, NULL);
    assert_keys(fixture, KEYS);
}

/* Values handed out by a transaction stay while the log goes through many segments. */
static void test_values_stay(void **state)
{
    struct fixture *fixture = *state;
    struct alex_slice slices[50];

    open_small(fixture);
    for (int64_t key = 0; key < 50; key++) {
        put_sized(fixture->main, key, 1000);
    }
    alex_txn *txn = helper_begin(fixture->store);
    for (int64_t key = 0; key < 50; key++) {
        ASSERT_OK(alex_txn_get(txn, fixture->main, key, &slices[key]));
    }
    for (int64_t i = 0; i < 5000; i++) {
        ASSERT_OK(alex_put(fixture->main, i % 50, "new", 3, NULL));
        put_sized(fixture->main, 1000 + i, 500);
    }
    for (int64_t key = 0; key < 50; key++) {
        assert_int_equal(slices[key].size, 1000);
        assert_true(helper_is_filled(slices[key].data, 1000, (uint64_t)key));
    }
    ASSERT_OK(alex_end(txn));
}

/* Numbers stay ascending over a cut: what was cut is never confused with what is written afterwards. */
static void test_numbers_after_a_cut(void **state)
{
    struct fixture *fixture = *state;
    struct files_record last;
    struct alex_store_stats stats;

    for (int round = 0; round < 5; round++) {
        assert_int_equal(helper_in_child(put_and_die, fixture), 0);
        files_last_record(fixture->path, &last);
        files_flip_bit(last.path, last.offset, 0);
        fixture_store_open(fixture, NULL);
        helper_put(fixture->main, -1, "after the cut");
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        assert_true(stats.last_number > last.number);
        fixture_store_close(fixture);
    }
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, -1, "after the cut");
}

/** Asserts that each file that is sealed ends with its SEAL. @return how many there are */
static size_t assert_sealed_files_end(const struct fixture *fixture)
{
    struct files_record *records;
    size_t count = files_list_records(fixture->path, &records);
    size_t seals = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind == FILES_SEAL) {
            assert_int_equal(files_size(records[i].path), records[i].end);
            seals++;
        }
    }
    free(records);
    return seals;
}

/* A sealed file ends with its SEAL once it is synced, by a writer or by the opening after a crash, and is read on. */
static void test_sealed_files_end(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;
    open_small(fixture);
    for (int64_t key = 0; key < 6; key++) {
        put_sized(fixture->main, key, 40000);
    }
    ASSERT_OK(alex_sync(fixture->store));
    assert_int_equal(assert_sealed_files_end(fixture), 5);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_true(stats.disk_bytes < 5 * 40300 + 2 * SEGMENT_BYTES + 1000);
    for (int64_t key = 0; key < 6; key++) {
        assert_sized(fixture->store, key, 40000);
    }
    helper_check(fixture->store);
    fixture_store_close(fixture);

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    fixture_store_open(fixture, NULL);
    assert_true(assert_sealed_files_end(fixture) > 10);
    assert_keys(fixture, KEYS);
}

/* Where the system refuses to end a file, its space stays, and nothing else is different. */
static void test_sealed_file_that_stays_long(void **state)
{
    struct fixture *fixture = *state;
    struct files_record *records;
    struct alex_store_stats before;
    struct alex_store_stats after;
    faults_install();
    ASSERT_OK(store_open_tuned(fixture->path, &(struct alex_options){.no_background = true}, &small_segments,
                               &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    put_sized(fixture->main, 1, 40000);
    put_sized(fixture->main, 2, 40000);
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FTRUNCATE), .first = 1});
    ASSERT_OK(alex_sync(fixture->store));
    assert_int_equal(faults_struck(), 1);
    faults_clear();
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.disk_bytes, before.disk_bytes);
    helper_check(fixture->store);
    fixture_reopen(fixture);
    assert_true(files_list_records(fixture->path, &records) >= 2);
    assert_int_equal(records[1].kind, FILES_SEAL);
    assert_true(files_size(records[1].path) > records[1].end);
    free(records);
    helper_check(fixture->store);
    assert_sized(fixture->store, 1, 40000);
    assert_sized(fixture->store, 2, 40000);
    fixture_store_close(fixture);
    faults_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_many_segments),
        TEST_WITH_DIRECTORY(test_segment_size_is_the_stores),
        TEST_WITH_DIRECTORY(test_values_to_the_end_of_a_segment),
        TEST_WITH_DIRECTORY(test_values_larger_than_a_segment),
        TEST_WITH_DIRECTORY(test_groups_across_segments),
        TEST_WITH_DIRECTORY(test_killed_writer),
        TEST_WITH_DIRECTORY(test_cut_across_segments),
        TEST_WITH_DIRECTORY(test_lost_segment_above_the_durable_end),
        TEST_WITH_DIRECTORY(test_damage_in_an_earlier_segment),
        TEST_WITH_DIRECTORY(test_values_stay),
        TEST_WITH_DIRECTORY(test_numbers_after_a_cut),
        TEST_WITH_DIRECTORY(test_sealed_files_end),
        TEST_WITH_DIRECTORY(test_sealed_file_that_stays_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
