/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_salvage.c
 * What a salvage keeps of a damaged store and what it tells of the rest, rule by rule as docs/FORMAT.md, "Salvage", has
 * them. How it fails is in test_api_salvage_faults.c.
 */
#include <stdio.h>

#include "store/store.h"
#include "support/faults.h"
#include "support/told.h"

enum { SEGMENT_SHIFT = 16 };

static void open_small(struct fixture *fixture)
{
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
}

static void assert_keys(alex_table *table, uint64_t keys)
{
    struct alex_table_stats stats;
    ASSERT_OK(alex_table_stat(table, &stats));
    assert_int_equal(stats.keys, keys);
}

/* A store without damage comes out as it is: every table with its order, empty ones too, and nothing is reported. */
static void test_whole_store(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    open_small(fixture);
    alex_table *hashes = helper_table(fixture->store, "hashes", ALEX_KEYS_UNSIGNED);
    (void)helper_table(fixture->store, "empty", ALEX_KEYS_SIGNED);
    alex_table *gone = helper_table(fixture->store, "gone", ALEX_KEYS_SIGNED);
    helper_put(gone, 1, "dropped");
    ASSERT_OK(alex_table_drop(fixture->store, "gone"));
    for (int64_t key = -3000; key < 3000; key++) {
        char value[32];
        (void)snprintf(value, sizeof value, "value %d", (int)key);
        helper_put(key % 3 == 0 ? hashes : fixture->main, key, value);
    }
    ASSERT_OK(alex_delete(fixture->main, 1));
    helper_put(fixture->main, 2, "");
    fixture_store_close(fixture);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 0);
    assert_int_equal(told.report.left_out_records + told.report.left_out_bytes, 0);
    assert_int_equal(told.report.tables, 3);
    assert_int_equal(told.report.keys, 5999);
    assert_keys(fixture->main, 3999);
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_VALUE(fixture->main, 2, "");
    ASSERT_VALUE(fixture->main, -2999, "value -2999");
    hashes = helper_table(fixture->store, "hashes", ALEX_KEYS_UNSIGNED);
    assert_keys(hashes, 2000);
    ASSERT_VALUE(hashes, -3, "value -3");
    struct alex_table_options must = {.mode = ALEX_MUST_EXIST};
    alex_table *table;
    ASSERT_OK(alex_table_open(fixture->store, "empty", &must, &table));
    assert_int_equal(alex_table_key_order(table), ALEX_KEYS_SIGNED);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "gone", &must, &table));
}

/* An older version of a key takes the place of one whose value is damaged, which is reported with its key. */
static void test_damaged_value(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "old");
    helper_put(fixture->main, 2, "other");
    helper_put(fixture->main, 1, "new");
    helper_put(fixture->main, 3, "only");
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    files_flip_bit(record.path, record.value_offset, 2);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_VALUE, record.path, record.offset, files_record_bytes(&record));
    assert_non_null(strstr(told.items[0].message, "key 1, table id 1,"));
    assert_int_equal(told.report.left_out_records, 1);
    assert_int_equal(told.report.left_out_bytes, files_record_bytes(&record));
    ASSERT_VALUE(fixture->main, 1, "old");
    ASSERT_VALUE(fixture->main, 2, "other");
    ASSERT_VALUE(fixture->main, 3, "only");
}

/* A key whose delete is lost is back, and one whose newest record has lost its header is older: the place is reported,
 * with how many records are lost at most. What follows is kept. */
static void test_lost_delete_and_put(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    struct files_record put;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "deleted");
    helper_put(fixture->main, 2, "old");
    ASSERT_OK(alex_delete(fixture->main, 1));
    helper_put(fixture->main, 2, "new");
    helper_put(fixture->main, 3, "after");
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_DELETE, 1, 1, &record);
    files_find_record(fixture->path, FILES_PUT, 1, 2, &put);
    files_flip_bit(record.path, record.offset + 16, 2); /* its key */
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_RECORDS, record.path, record.offset, files_record_bytes(&record));
    assert_non_null(strstr(told.items[0].message, "up to 1 record"));
    ASSERT_VALUE(fixture->main, 1, "deleted");
    ASSERT_VALUE(fixture->main, 2, "new");
    fixture_store_close(fixture);

    files_flip_bit(put.path, put.offset + 8, 7); /* its length */
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_RECORDS, record.path, record.offset, put.end - record.offset);
    assert_non_null(strstr(told.items[0].message, "up to 2 records"));
    ASSERT_VALUE(fixture->main, 2, "old");
    ASSERT_VALUE(fixture->main, 3, "after");
}

/* A record whose number is not above that of the last good one is none, though its checksums hold. */
static void test_number_out_of_order(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    helper_put(fixture->main, 2, "again");
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 2, &record);
    unsigned char number = 1;
    files_patch(record.path, record.offset + 24, &number, 1);
    files_reseal_record(record.path, record.offset);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_RECORDS, record.path, record.offset, files_record_bytes(&record));
    ASSERT_VALUE(fixture->main, 2, "two");
}

/** Writes keys 1 to 4 as one batch over older values of 1 and 2, and key 9 after it. */
static void make_batch(struct fixture *fixture)
{
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "old one");
    helper_put(fixture->main, 2, "old two");
    struct alex_op ops[4];
    for (int64_t key = 1; key <= 4; key++) {
        ops[key - 1] = (struct alex_op){ALEX_OP_PUT, fixture->main, key, {"batch", 5}};
    }
    ASSERT_OK(alex_write(fixture->store, ops, 4));
    helper_put(fixture->main, 9, "after");
    fixture_store_close(fixture);
}

/* Of a batch that has lost a record the rest is kept if its commit accounts for all that is missing, and the batch is
 * reported as not whole. */
static void test_batch_without_a_record(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    struct files_record commit;
    static const int64_t lost[] = {1, 3, 4}; /* the first, one inside, the last */
    for (size_t i = 0; i < 3; i++) {
        make_batch(fixture);
        files_find_record(fixture->path, FILES_PUT, 1, lost[i], &record);
        files_find_record(fixture->path, FILES_COMMIT, 0, 4, &commit);
        files_flip_bit(record.path, record.offset, 0);
        told_salvage(fixture, &told);
        assert_int_equal(told.count, 2);
        told_assert(&told, 0, ALEX_FINDING_RECORDS, record.path, record.offset, files_record_bytes(&record));
        told_assert(&told, 1, ALEX_FINDING_BATCH, commit.path, commit.offset, 0);
        assert_non_null(strstr(told.items[1].message, "3 of the 4"));
        for (int64_t key = 1; key <= 4; key++) {
            ASSERT_VALUE(fixture->main, key, key != lost[i] ? "batch" : key == 1 ? "old one" : NULL);
        }
        ASSERT_VALUE(fixture->main, 9, "after");
        fixture_store_close(fixture);
        files_remove(fixture->path);
    }
}

/* A batch of which one value is damaged counts, without that record. */
static void test_batch_with_a_damaged_value(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    make_batch(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 2, &record);
    files_flip_bit(record.path, record.value_offset + 4, 0);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_VALUE, record.path, record.offset, files_record_bytes(&record));
    ASSERT_VALUE(fixture->main, 1, "batch");
    ASSERT_VALUE(fixture->main, 2, "old two");
    ASSERT_VALUE(fixture->main, 4, "batch");
}

/* A batch whose commit is lost is left out, and its good records are reported as one piece. */
static void test_batch_without_commit(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record first;
    struct files_record last;
    struct files_record commit;
    for (unsigned in_value = 0; in_value < 2; in_value++) {
        make_batch(fixture);
        files_find_record(fixture->path, FILES_PUT, 1, 1, &first);
        files_find_record(fixture->path, FILES_PUT, 1, 4, &last);
        files_find_record(fixture->path, FILES_COMMIT, 0, 4, &commit);
        files_flip_bit(commit.path, in_value ? commit.value_offset + 17 : commit.offset + 25, 6);
        told_salvage(fixture, &told);
        assert_int_equal(told.count, 2);
        told_assert(&told, 0, ALEX_FINDING_RECORDS, commit.path, commit.offset, files_record_bytes(&commit));
        told_assert(&told, 1, ALEX_FINDING_BATCH, first.path, first.offset, last.end - first.offset);
        assert_non_null(strstr(told.items[1].message, "4 good records"));
        assert_int_equal(told.report.left_out_records, 4);
        ASSERT_VALUE(fixture->main, 1, "old one");
        ASSERT_VALUE(fixture->main, 3, NULL);
        ASSERT_VALUE(fixture->main, 9, "after");
        fixture_store_close(fixture);
        files_remove(fixture->path);
    }
}

/* A batch that has lost a record and, within it, a record of the log itself is left out: an ABORT could be missing. */
static void test_batch_with_doubt(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record *records;
    size_t seal = 0;
    char value[2000];
    memset(value, 'v', sizeof value);
    open_small(fixture);
    helper_put(fixture->main, 0, "before");
    struct alex_op ops[50];
    for (int64_t key = 0; key < 50; key++) { /* through the end of a segment */
        ops[key] = (struct alex_op){ALEX_OP_PUT, fixture->main, key, {value, sizeof value}};
    }
    ASSERT_OK(alex_write(fixture->store, ops, 50));
    helper_put(fixture->main, 99, "after");
    fixture_store_close(fixture);
    size_t count = files_list_records(fixture->path, &records);
    while (seal < count && records[seal].kind != FILES_SEAL) {
        seal++;
    }
    assert_true(seal > 2 && seal + 2 < count);
    files_flip_bit(records[seal].path, records[seal].offset + 16, 5);
    told_salvage(fixture, &told);
    assert_keys(fixture->main, 51); /* the SEAL alone: all that the COMMIT covers is there */
    fixture_store_close(fixture);
    files_flip_bit(records[seal].path, records[seal].offset + 16, 5);

    files_flip_bit(records[3].path, records[3].offset + 16, 5);
    told_salvage(fixture, &told); /* a record alone, and the SEAL between is seen */
    assert_keys(fixture->main, 50);
    fixture_store_close(fixture);

    files_flip_bit(records[seal].path, records[seal].offset + 16, 5);
    told_salvage(fixture, &told);
    assert_keys(fixture->main, 2);
    ASSERT_VALUE(fixture->main, 0, "before");
    ASSERT_VALUE(fixture->main, 99, "after");
    assert_int_equal(told.report.left_out_records, 49);
    free(records);
}

/* What was taken back stays so, and a batch that no commit ended is left out. */
static int leave_batch_open(void *context)
{
    struct fixture *fixture = context;
    alex_txn *txn;
    uint64_t savepoint; /* with which what was put waits no more, but is in the log */
    CHILD_REQUIRE(alex_open(fixture->path, NULL, &fixture->store) == ALEX_OK);
    alex_table *table = alex_main_table(fixture->store);
    CHILD_REQUIRE(alex_begin(fixture->store, ALEX_WRITE, &txn) == ALEX_OK);
    CHILD_REQUIRE(alex_txn_put(txn, table, 5, "aborted", 7, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_savepoint(txn, &savepoint) == ALEX_OK);
    CHILD_REQUIRE(alex_end(txn) == ALEX_OK);
    CHILD_REQUIRE(alex_begin(fixture->store, ALEX_WRITE, &txn) == ALEX_OK);
    CHILD_REQUIRE(alex_txn_put(txn, table, 6, "open", 4, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_savepoint(txn, &savepoint) == ALEX_OK);
    return 0;
}

static void test_batch_never_committed(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 5, "kept");
    fixture_store_close(fixture);
    assert_int_equal(helper_in_child(leave_batch_open, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, 6, &record);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_BATCH, record.path, record.offset, files_record_bytes(&record));
    ASSERT_VALUE(fixture->main, 5, "kept");
    ASSERT_VALUE(fixture->main, 6, NULL);
    assert_keys(fixture->main, 1);
}

/* A missing or damaged manifest, costs nothing else, and a missing file what is in it. */
static void test_manifest_and_files(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    char manifest[FILES_PATH_MAX];
    char first[FILES_PATH_MAX];
    char(*names)[32];
    char value[1000];
    memset(value, 'v', sizeof value);
    open_small(fixture);
    for (int64_t key = 0; key < 200; key++) {
        ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
    }
    fixture_store_close(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    assert_true(files_list_segments(fixture->path, &names) >= 4);

    files_flip_bit(manifest, 33, 1);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.items[0].kind, ALEX_FINDING_FILE);
    assert_string_equal(told.items[0].path, manifest);
    assert_keys(fixture->main, 200);
    fixture_store_close(fixture);

    files_remove(manifest);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_FILE, fixture->path, 0, 0);
    assert_keys(fixture->main, 200);
    fixture_store_close(fixture);

    files_join(first, fixture->path, names[1]); /* which the SEAL before it names */
    files_remove(first);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 2);
    told_assert(&told, 1, ALEX_FINDING_FILE, first, 0, 0);
    struct alex_table_stats stats;
    ASSERT_OK(alex_table_stat(fixture->main, &stats));
    assert_in_range(stats.keys, 100, 199);
    free(names);
}

/* A manifest that has grown beyond all memory is a damaged one, and costs nothing else. */
static void test_manifest_without_end(void **state)
{
    struct fixture *fixture = *state;
    char manifest[FILES_PATH_MAX];
    struct alex_error error;
    struct alex_salvage_report report;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    files_truncate(manifest, (uint64_t)1 << 40);
    helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
    assert_string_equal(error.path, manifest);
    ASSERT_OK(alex_salvage(fixture->path, NULL, NULL, NULL, &report, &error));
    assert_int_equal(report.findings, 1);
    assert_int_equal(report.keys, 1);
}

/* A file that the manifest lists and that is missing is reported. So is one that holds something and is not listed, of
 * which nothing is taken; one that was only prepared is not. */
static void test_listed_and_unlisted_files(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    char stray[FILES_PATH_MAX];
    size_t size;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    unsigned char *bytes = files_read(record.path, &size);
    files_join(stray, fixture->path, "00000000000000aa.log");
    files_write(stray, bytes, 64);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 0);
    fixture_store_close(fixture);
    files_write(stray, bytes, size);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_FILE, stray, 0, size);
    ASSERT_VALUE(fixture->main, 1, "one");
    fixture_store_close(fixture);

    files_remove(record.path);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 2);
    told_assert(&told, 1, ALEX_FINDING_FILE, record.path, 0, 0);
    assert_keys(fixture->main, 0);
    free(bytes);
}

/* Without a manifest, a file that was cut off after a crash is passed over: the SEAL before it names a later one. */
static void test_file_that_was_cut_off(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record last;
    char manifest[FILES_PATH_MAX];
    char stray[FILES_PATH_MAX];
    char(*names)[32];
    size_t size;
    open_small(fixture);
    helper_put(fixture->main, 1, "one");
    files_last_record(fixture->path, &last);
    unsigned char *bytes = files_read(last.path, &size);
    for (int64_t key = 0; key < 80; key++) {
        unsigned char value[1000] = {0};
        ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
    }
    fixture_store_close(fixture);
    assert_int_equal(files_list_segments(fixture->path, &names), 2);
    /* Let the first file go on in one behind the second, by a forged SEAL. */
    struct files_record *records;
    size_t count = files_list_records(fixture->path, &records);
    size_t seal = 0;
    while (seal < count && records[seal].kind != FILES_SEAL) {
        seal++;
    }
    assert_true(seal < count);
    unsigned char third[8] = {3};
    files_patch(records[seal].path, records[seal].offset + 16, third, sizeof third);
    files_reseal_record(records[seal].path, records[seal].offset);
    files_join(stray, fixture->path, names[1]);
    files_join(manifest, fixture->path, "MANIFEST");
    files_remove(manifest);
    told_salvage(fixture, &told);
    bool passed = false;
    for (size_t i = 0; i < told.count; i++) {
        passed |= strcmp(told.items[i].path, stray) == 0 && told.items[i].kind == ALEX_FINDING_FILE &&
                  told.items[i].bytes > 0;
    }
    assert_true(passed);
    ASSERT_VALUE(fixture->main, 79, NULL);
    free(names);
    free(records);
    free(bytes);
}

/* A damaged header is reported and costs no record, also where there is no manifest and it is the only one; files that
 * are cut short within it hold none. */
static void test_segment_headers(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    char manifest[FILES_PATH_MAX];
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    files_flip_bit(record.path, 40, 0);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_FILE, record.path, 0, 64);
    ASSERT_VALUE(fixture->main, 1, "one");
    fixture_store_close(fixture);

    files_join(manifest, fixture->path, "MANIFEST");
    files_remove(manifest);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 2);
    ASSERT_VALUE(fixture->main, 1, "one");
    fixture_store_close(fixture);

    static const uint64_t lengths[] = {63, 1, 0};
    for (size_t i = 0; i < 3; i++) {
        files_truncate(record.path, lengths[i]);
        told_salvage(fixture, &told);
        assert_int_equal(told.count, 2);
        assert_int_equal(told.items[1].kind, ALEX_FINDING_FILE);
        assert_keys(fixture->main, 0);
        fixture_store_close(fixture);
    }
}

/* A file of another store, or of this one under another name, yields nothing. */
static void test_files_mixed_up(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    char manifest[FILES_PATH_MAX];
    char other[FILES_PATH_MAX];
    char copy[FILES_PATH_MAX];
    size_t size;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "other store");
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    unsigned char *bytes = files_read(record.path, &size);
    files_remove(fixture->path);
    open_small(fixture);
    for (int64_t key = 0; key < 200; key++) {
        unsigned char value[1000] = {0};
        ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
    }
    fixture_store_close(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    files_remove(manifest);
    files_join(other, fixture->path, "0000000000000100.log");
    files_write(other, bytes, size);
    free(bytes);
    files_find_record(fixture->path, FILES_PUT, 1, 199, &record);
    bytes = files_read(record.path, &size);
    files_join(copy, fixture->path, "0000000000000101.log");
    files_write(copy, bytes, size);
    free(bytes);
    told_salvage(fixture, &told);
    assert_true(told.count >= 5); /* the manifest, and each file's header and content */
    assert_keys(fixture->main, 200);
    char value[8];
    size_t got = 0;
    ASSERT_CODE(ALEX_TOO_SMALL, alex_get(fixture->main, 1, value, sizeof value, &got));
    assert_int_equal(got, 1000);
}

/* Without a manifest the store is the one that most headers name, though the first of them names another. */
static void test_store_of_most_headers(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    char manifest[FILES_PATH_MAX];
    open_small(fixture);
    for (int64_t key = 0; key < 200; key++) {
        unsigned char value[1000] = {0};
        ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
    }
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 0, &record);
    files_flip_bit(record.path, 20, 0);
    files_reseal_segment(record.path);
    files_join(manifest, fixture->path, "MANIFEST");
    files_remove(manifest);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 2);
    told_assert(&told, 1, ALEX_FINDING_FILE, record.path, 0, 64);
    assert_keys(fixture->main, 200);
}

/* A value that holds a copy of a record, or of a whole file of the log, never yields what is in the copy: neither while
 * it is whole, nor when its own header is damaged and every byte of it is tried. */
static void test_copies_in_values(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record record;
    size_t size;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "first version, eight times eight bytes long");
    ASSERT_OK(alex_sync(fixture->store));
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    unsigned char *file = files_read(record.path, &size);
    ASSERT_OK(alex_put(fixture->main, 2, file + record.offset, files_record_bytes(&record), NULL));
    ASSERT_OK(alex_put(fixture->main, 3, file, 64 << 10 < size ? 64 << 10 : size, NULL));
    ASSERT_OK(alex_delete(fixture->main, 1));
    helper_put(fixture->main, 4, "last");
    fixture_store_close(fixture);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 0);
    assert_keys(fixture->main, 3);
    ASSERT_VALUE(fixture->main, 1, NULL);
    fixture_store_close(fixture);
    for (int64_t key = 2; key <= 3; key++) {
        files_find_record(fixture->path, FILES_PUT, 1, key, &record);
        files_flip_bit(record.path, record.offset + 9, 0);
        told_salvage(fixture, &told);
        assert_int_equal(told.count, key - 1);
        ASSERT_VALUE(fixture->main, 1, NULL);
        ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, key));
        ASSERT_VALUE(fixture->main, 4, "last");
        assert_keys(fixture->main, (uint64_t)(4 - key));
        fixture_store_close(fixture);
        if (key == 2) { /* so that one finding stays apart from the other */
            files_flip_bit(record.path, record.offset + 9, 0);
            files_flip_bit(record.path, record.value_offset, 0);
        }
    }
    free(file);
}

/* A log that ends in zero bytes before the place up to which it was synced is reported, as is one that is cut there. */
static void test_end_below_the_durable_end(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record last;
    unsigned char zero[256] = {0};
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    fixture_store_close(fixture);
    files_last_record(fixture->path, &last);
    files_patch(last.path, last.offset, zero, (size_t)files_record_bytes(&last));
    for (int i = 0; i < 2; i++) {
        told_salvage(fixture, &told);
        assert_int_equal(told.count, 1);
        told_assert(&told, 0, ALEX_FINDING_RECORDS, last.path, last.offset, files_record_bytes(&last));
        ASSERT_VALUE(fixture->main, 1, "one");
        ASSERT_VALUE(fixture->main, 2, NULL);
        fixture_store_close(fixture);
        files_truncate(last.path, last.offset);
    }
}

/* With no target nothing is written, and what has no effect is told as well. */
static void test_only_look(void **state)
{
    struct fixture *fixture = *state;
    struct told told = {0};
    struct files_record record;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 2, &record);
    files_flip_bit(record.path, record.end - 1, 0);
    ASSERT_OK(alex_salvage(fixture->path, NULL, told_note, &told, &told.report, NULL));
    assert_int_equal(told.count, 1);
    told_assert(&told, 0, ALEX_FINDING_PADDING, record.path, record.offset, files_record_bytes(&record));
    assert_int_equal(told.report.keys, 2);
    assert_int_equal(told.report.value_bytes, 6);
    told_salvage(fixture, &told); /* which leaves nothing out */
    assert_int_equal(told.count, 0);
    assert_keys(fixture->main, 2);
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_whole_store),
        TEST_WITH_DIRECTORY(test_damaged_value),
        TEST_WITH_DIRECTORY(test_lost_delete_and_put),
        TEST_WITH_DIRECTORY(test_number_out_of_order),
        TEST_WITH_DIRECTORY(test_batch_without_a_record),
        TEST_WITH_DIRECTORY(test_batch_with_a_damaged_value),
        TEST_WITH_DIRECTORY(test_batch_without_commit),
        TEST_WITH_DIRECTORY(test_batch_with_doubt),
        TEST_WITH_DIRECTORY(test_batch_never_committed),
        TEST_WITH_DIRECTORY(test_manifest_and_files),
        TEST_WITH_DIRECTORY(test_manifest_without_end),
        TEST_WITH_DIRECTORY(test_listed_and_unlisted_files),
        TEST_WITH_DIRECTORY(test_file_that_was_cut_off),
        TEST_WITH_DIRECTORY(test_segment_headers),
        TEST_WITH_DIRECTORY(test_files_mixed_up),
        TEST_WITH_DIRECTORY(test_store_of_most_headers),
        TEST_WITH_DIRECTORY(test_copies_in_values),
        TEST_WITH_DIRECTORY(test_end_below_the_durable_end),
        TEST_WITH_DIRECTORY(test_only_look),
    };
    return cmocka_run_group_tests_name("salvage", tests, NULL, NULL);
}
