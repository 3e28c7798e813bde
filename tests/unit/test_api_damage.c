/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_damage.c
 * Stores whose files were changed from outside: what is below the durable end is reported with file and offset, never
 * cut and never served wrong, as the table in docs/FORMAT.md says. Newer formats are refused.
 */
#include <stdio.h>
#include <unistd.h>

#include "support/store_helper.h"

enum { KEYS = 50 };

/** A closed store whose keys 0 to KEYS - 1 have values of 100 bytes, each overwritten once; key 7's value is "seven".
 */
static void make_store(struct fixture *fixture)
{
    unsigned char value[100];

    fixture_store_open(fixture, NULL);
    for (int64_t key = 0; key < 2 * KEYS; key++) {
        helper_fill(value, sizeof value, (uint64_t)key % KEYS);
        ASSERT_OK(alex_put(fixture->main, key % KEYS, value, sizeof value, NULL));
    }
    helper_put(fixture->main, 7, "seven");
    fixture_store_close(fixture);
}

/** Asserts that all keys but `except` have their values. */
static void assert_others(alex_table *table, int64_t except)
{
    for (int64_t key = 0; key < KEYS; key++) {
        unsigned char value[100];
        size_t size = 0;
        if (key != 7 && key != except) {
            ASSERT_OK(alex_get(table, key, value, sizeof value, &size));
            assert_int_equal(size, 100);
            assert_true(helper_is_filled(value, size, (uint64_t)key));
        }
    }
}

/** Asserts that the store is refused as damaged at `offset` of the file `path` (may be NULL: any place in the store),
 * by readers as by writers, and that no file was touched. */
static void assert_refused(struct fixture *fixture, int code, const char *path, uint64_t offset)
{
    struct alex_error error = {0};
    struct alex_options read_only = {.read_only = true, .error = &error};
    alex_store *store = NULL;
    uint64_t before = files_fingerprint(fixture->path, "LOCK");

    ASSERT_CODE(code, alex_open(fixture->path, &read_only, &store));
    assert_null(store);
    helper_open_fails(fixture->path, code, &error);
    assert_non_null(strstr(error.path, fixture->path));
    if (path != NULL) {
        assert_string_equal(error.path, path);
        assert_true(error.has_offset);
        assert_int_equal(error.offset, offset);
    }
    assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
}

/** What the findings of a check have in common. */
struct findings {
    const struct files_record *record; /**< where they should be */
    uint64_t count;
};

static int note_finding(void *context, const struct alex_finding *finding)
{
    struct findings *findings = context;
    findings->count++;
    assert_int_equal(finding->code, ALEX_DAMAGED);
    assert_string_equal(finding->path, findings->record->path);
    assert_in_range(finding->offset, findings->record->offset, findings->record->end - 1);
    assert_string_not_equal(finding->message, "");
    return 0;
}

/** Asserts that a check finds this record damaged, and nothing else. */
static void assert_found(alex_store *store, const struct files_record *record)
{
    struct findings findings = {.record = record};
    struct alex_check_report report = {0};

    ASSERT_OK(alex_check(store, note_finding, &findings, &report));
    assert_true(findings.count > 0);
    assert_int_equal(report.findings, findings.count);
}

/** Asserts that the detail of the last failure names a place in the record. */
static void assert_detail(alex_store *store, const struct files_record *record)
{
    struct alex_error error;

    alex_store_error(store, &error);
    assert_int_equal(error.code, ALEX_DAMAGED);
    assert_string_equal(error.path, record->path);
    assert_true(error.has_offset);
    assert_in_range(error.offset, record->offset, record->end - 1);
    assert_string_not_equal(error.message, "");
}

/** Ends a store that is damaged on purpose, which the fixture's check would mind. */
static void close_damaged(struct fixture *fixture)
{
    ASSERT_OK(alex_close(fixture->store));
    fixture->store = NULL;
}

/* A flipped bit in a value makes the reads of its key fail, with file and offset; all else is served. */
static void test_bit_in_a_value(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    char buffer[200];
    size_t size = 99;

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    files_flip_bit(record.path, record.value_offset + 50, 3);
    fixture_store_open(fixture, NULL);
    memset(buffer, '#', sizeof buffer);
    ASSERT_CODE(ALEX_DAMAGED, alex_get(fixture->main, 23, buffer, sizeof buffer, &size));
    assert_int_equal(size, 99);
    assert_detail(fixture->store, &record);
    alex_txn *txn = helper_begin(fixture->store);
    struct alex_slice slice = {"mark", 4};
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_get(txn, fixture->main, 23, &slice));
    ASSERT_SLICE(slice, "mark");
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_exists(fixture->main, 23));
    assert_others(fixture->main, 23);
    ASSERT_VALUE(fixture->main, 7, "seven");
    assert_found(fixture->store, &record);
    close_damaged(fixture);
}

/* The last byte of a value is verified like the first. */
static void test_bits_at_the_ends_of_a_value(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    char buffer[200];

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t offset = record.value_offset + (i == 0 ? 0 : record.length - 1);
        files_flip_bit(record.path, offset, 7 * i);
        fixture_store_open(fixture, NULL);
        ASSERT_CODE(ALEX_DAMAGED, alex_get(fixture->main, 23, buffer, sizeof buffer, NULL));
        close_damaged(fixture);
        files_flip_bit(record.path, offset, 7 * i);
    }
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* Many gets at once give all but the damaged value, and say that there is one. */
static void test_get_many_with_damage(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    int64_t keys[KEYS + 1];
    struct alex_slice slices[KEYS + 1];
    size_t found = 0;

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    files_flip_bit(record.path, record.value_offset, 0);
    fixture_store_open(fixture, NULL);
    for (int64_t key = 0; key <= KEYS; key++) {
        keys[key] = key;
    }
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_get_many(txn, fixture->main, keys, KEYS + 1, slices, &found));
    for (int64_t key = 0; key < KEYS; key++) {
        if (key == 7) {
            ASSERT_SLICE(slices[key], "seven");
        } else if (key == 23) {
            assert_null(slices[key].data);
        } else {
            assert_int_equal(slices[key].size, 100);
            assert_true(helper_is_filled(slices[key].data, 100, (uint64_t)key));
        }
    }
    assert_null(slices[KEYS].data);
    ASSERT_OK(alex_end(txn));
    close_damaged(fixture);
}

/* A cursor says where it meets a damaged record, and can be moved on, in both directions. */
static void test_cursor_over_damage(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    uint64_t count = 0;

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    files_flip_bit(record.path, record.value_offset, 0);
    fixture_store_open(fixture, NULL);
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    for (int64_t key = 0; key < KEYS; key++) {
        ASSERT_CODE(key == 23 ? ALEX_DAMAGED : ALEX_OK, alex_cursor_next(cursor, &entry));
        assert_int_equal(entry.key, key == 23 ? 22 : key); /* the out parameter is left alone */
    }
    assert_detail(fixture->store, &record);
    for (int64_t key = KEYS - 2; key >= 0; key--) {
        ASSERT_CODE(key == 23 ? ALEX_DAMAGED : ALEX_OK, alex_cursor_previous(cursor, &entry));
    }
    ASSERT_CODE(ALEX_DAMAGED, alex_cursor_seek(cursor, 23, &entry));
    ASSERT_OK(alex_cursor_next(cursor, &entry));
    assert_int_equal(entry.key, 24);
    ASSERT_CODE(ALEX_DAMAGED, alex_cursor_seek_before(cursor, 23, &entry));
    ASSERT_OK(alex_cursor_previous(cursor, &entry));
    assert_int_equal(entry.key, 22);
    alex_cursor_close(cursor);
    ASSERT_OK(alex_txn_count(txn, fixture->main, NULL, &count));
    assert_int_equal(count, KEYS);
    ASSERT_OK(alex_end(txn));
    close_damaged(fixture);
}

/* A damaged value can be overwritten and deleted, and then is damage no more to reads, also after reopening. */
static void test_overwriting_damage(void **state)
{
    struct fixture *fixture = *state;
    struct files_record records[2];
    bool replaced = false;

    make_store(fixture);
    for (int64_t i = 0; i < 2; i++) {
        files_find_record(fixture->path, FILES_PUT, 1, 23 + i, &records[i]);
        files_flip_bit(records[i].path, records[i].value_offset, 0);
    }
    fixture_store_open(fixture, NULL);
    ASSERT_CODE(ALEX_EXISTS, alex_put_if_absent(fixture->main, 23, "x", 1));
    ASSERT_OK(alex_put(fixture->main, 23, "new", 3, &replaced));
    assert_true(replaced);
    ASSERT_OK(alex_delete(fixture->main, 24));
    for (int round = 0; round < 2; round++) {
        ASSERT_VALUE(fixture->main, 23, "new");
        ASSERT_VALUE(fixture->main, 24, NULL);
        close_damaged(fixture);
        fixture_store_open(fixture, NULL);
    }
    close_damaged(fixture);
}

/* Without verification of checksums a value is given as it lies there. */
static void test_no_checksums(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.no_checksums = true};
    struct files_record record;
    unsigned char buffer[100];

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    files_flip_bit(record.path, record.value_offset, 0);
    fixture_store_open(fixture, &options);
    ASSERT_OK(alex_get(fixture->main, 23, buffer, sizeof buffer, NULL));
    buffer[0] ^= 1;
    assert_true(helper_is_filled(buffer, sizeof buffer, 23));
    assert_found(fixture->store, &record); /* a check reads everything all the same */
    close_damaged(fixture);
}

/* A flipped bit anywhere in a record's header is damage, found when the store is opened. */
static void test_bits_in_a_header(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    for (uint64_t at = 0; at < record.value_offset - record.offset; at++) {
        unsigned bit = (unsigned)(at * 5 % 8);
        files_flip_bit(record.path, record.offset + at, bit);
        assert_refused(fixture, ALEX_DAMAGED, record.path, record.offset);
        files_flip_bit(record.path, record.offset + at, bit);
    }
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* A flipped bit in padding is without effect on reads, and a check reports it. */
static void test_bit_in_padding(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    assert_true(record.value_offset + record.length < record.end);
    files_flip_bit(record.path, record.end - 1, 2);
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
    assert_found(fixture->store, &record);
    close_damaged(fixture);
}

static void only_segment(struct fixture *fixture, char *out_path)
{
    char(*names)[32];
    assert_int_equal(files_list_segments(fixture->path, &names), 1);
    files_join(out_path, fixture->path, names[0]);
    free(names);
}

/* A flipped bit anywhere in a segment's header is damage. */
static void test_bits_in_a_segment_header(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];

    make_store(fixture);
    only_segment(fixture, path);
    for (uint64_t at = 0; at < 64; at++) {
        files_flip_bit(path, at, (unsigned)(at % 8));
        assert_refused(fixture, ALEX_DAMAGED, path, 0);
        files_flip_bit(path, at, (unsigned)(at % 8));
    }
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* A flipped bit anywhere in the manifest is damage. */
static void test_bits_in_the_manifest(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    struct alex_error error;

    make_store(fixture);
    files_join(path, fixture->path, "MANIFEST");
    uint64_t size = files_size(path);
    for (uint64_t at = 0; at < size; at++) {
        files_flip_bit(path, at, (unsigned)(at % 8));
        assert_refused(fixture, ALEX_DAMAGED, NULL, 0);
        helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
        assert_string_equal(error.path, path);
        files_flip_bit(path, at, (unsigned)(at % 8));
    }
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* A manifest cut short, by any number of bytes, is damage; so is one with bytes behind its end. */
static void test_manifest_of_another_length(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    unsigned char longer[512] = {0};
    size_t size;

    make_store(fixture);
    files_join(path, fixture->path, "MANIFEST");
    unsigned char *data = files_read(path, &size);
    for (size_t length = 0; length < size; length++) {
        files_write(path, data, length);
        assert_refused(fixture, ALEX_DAMAGED, NULL, 0);
    }
    assert_true(size < sizeof longer);
    memcpy(longer, data, size);
    files_write(path, longer, size + 1);
    assert_refused(fixture, ALEX_DAMAGED, NULL, 0);
    files_write(path, data, size);
    free(data);
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* A store without its manifest is damaged. */
static void test_missing_manifest(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];

    make_store(fixture);
    files_join(path, fixture->path, "MANIFEST");
    assert_int_equal(unlink(path), 0);
    assert_refused(fixture, ALEX_DAMAGED, NULL, 0);
}

/* A manifest that was being written when its writer died is ignored and removed. */
static void test_leftover_manifest(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];

    make_store(fixture);
    files_join(path, fixture->path, "MANIFEST.new");
    files_write(path, "half of it", 10);
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
    helper_put(fixture->main, 1000, "more");
    fixture_store_close(fixture);
    assert_false(files_exists(path));
}

/* A log cut short below the durable end is damage, wherever it is cut. */
static void test_log_cut_short(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct files_record last;
    size_t size;

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    files_last_record(fixture->path, &last);
    unsigned char *data = files_read(record.path, &size);
    const uint64_t lengths[] = {0, 1, 63, 64, record.offset, record.offset + 8, record.value_offset + 1, last.end - 8};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        files_truncate(record.path, lengths[i]);
        assert_refused(fixture, ALEX_DAMAGED, NULL, 0);
        files_write(record.path, data, size);
    }
    files_truncate(record.path, record.offset + 8);
    assert_refused(fixture, ALEX_DAMAGED, record.path, record.offset);
    assert_int_equal(unlink(record.path), 0);
    assert_refused(fixture, ALEX_DAMAGED, NULL, 0);
    files_write(record.path, data, size);
    free(data);
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* Bytes overwritten in the middle of the log, by zeros or by anything else, are damage at the first record they reach.
 */
static void test_log_overwritten(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    unsigned char bytes[500];
    size_t size;

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    unsigned char *data = files_read(record.path, &size);
    for (int round = 0; round < 2; round++) {
        memset(bytes, 0, sizeof bytes);
        if (round == 1) {
            helper_fill(bytes, sizeof bytes, 1);
        }
        files_patch(record.path, record.offset, bytes, sizeof bytes);
        assert_refused(fixture, ALEX_DAMAGED, record.path, record.offset);
        files_write(record.path, data, size);
    }
    free(data);
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* Records swapped, repeated or moved within the log don't pass for good ones. */
static void test_moved_records(void **state)
{
    struct fixture *fixture = *state;
    struct files_record first;
    struct files_record second;
    unsigned char bytes[200];

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &first);
    files_find_record(fixture->path, FILES_PUT, 1, 24, &second);
    assert_int_equal(first.end - first.offset, second.end - second.offset);
    files_read_at(first.path, first.offset, bytes, first.end - first.offset);
    files_patch(second.path, second.offset, bytes, first.end - first.offset);
    assert_refused(fixture, ALEX_DAMAGED, second.path, second.offset);
}

/* A log file of another store under this one's name is damage. */
static void test_log_of_another_store(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    char other[FILES_PATH_MAX];
    size_t size;

    make_store(fixture);
    only_segment(fixture, path);
    char own[FILES_PATH_MAX];
    memcpy(own, fixture->path, sizeof own);
    files_join(fixture->path, fixture->directory, "other");
    make_store(fixture);
    only_segment(fixture, other);
    memcpy(fixture->path, own, sizeof own);
    unsigned char *data = files_read(other, &size);
    files_write(path, data, size);
    free(data);
    assert_refused(fixture, ALEX_DAMAGED, path, 0);
}

/* A record whose kind or flags are reserved is a newer version's: the store is refused as such, and untouched. */
static void test_newer_records(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    static const unsigned char kinds_and_flags[] = {0x0A, 0x0F, 0x41, 0x81, 0x42, 0x00};

    make_store(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    unsigned char original;
    files_read_at(record.path, record.offset + 31, &original, 1);
    for (size_t i = 0; i < sizeof kinds_and_flags; i++) {
        unsigned char changed = (unsigned char)(kinds_and_flags[i] | (original & 0x10));
        files_patch(record.path, record.offset + 31, &changed, 1);
        files_reseal_record(record.path, record.offset);
        assert_refused(fixture, ALEX_NEWER_FORMAT, record.path, record.offset);
    }
    files_patch(record.path, record.offset + 31, &original, 1);
    files_reseal_record(record.path, record.offset);
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* Files of a later format version, or with reserved fields set, are a newer version's. */
static void test_newer_files(void **state)
{
    struct fixture *fixture = *state;
    char segment[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    static const uint64_t segment_places[] = {8, 48, 59};
    static const uint64_t manifest_places[] = {8, 61, 84, 87, 108, 119};
    struct alex_error error;

    make_store(fixture);
    only_segment(fixture, segment);
    for (size_t i = 0; i < sizeof segment_places / sizeof segment_places[0]; i++) {
        files_flip_bit(segment, segment_places[i], 1);
        files_reseal_segment(segment);
        assert_refused(fixture, ALEX_NEWER_FORMAT, NULL, 0);
        helper_open_fails(fixture->path, ALEX_NEWER_FORMAT, &error);
        assert_string_equal(error.path, segment);
        files_flip_bit(segment, segment_places[i], 1);
        files_reseal_segment(segment);
    }
    files_join(manifest, fixture->path, "MANIFEST");
    for (size_t i = 0; i < sizeof manifest_places / sizeof manifest_places[0]; i++) {
        files_flip_bit(manifest, manifest_places[i], 1);
        files_reseal_manifest(manifest);
        assert_refused(fixture, ALEX_NEWER_FORMAT, NULL, 0);
        helper_open_fails(fixture->path, ALEX_NEWER_FORMAT, &error);
        assert_string_equal(error.path, manifest);
        files_flip_bit(manifest, manifest_places[i], 1);
        files_reseal_manifest(manifest);
    }
    fixture_store_open(fixture, NULL);
    assert_others(fixture->main, -1);
}

/* A record at a key's place that is whole, but another key's, is never given for the key's: nor without checksums. */
static void test_record_of_another_key(void **state)
{
    struct fixture *fixture = *state;

    make_store(fixture);
    for (int round = 0; round < 2; round++) {
        struct alex_options options = {.no_checksums = round == 1};
        struct files_record record;
        char buffer[200];
        struct alex_slice slice;

        fixture_store_open(fixture, &options);
        files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
        files_flip_bit(record.path, record.offset + 16, 0); /* key 23 becomes 22, under the open store */
        files_reseal_record(record.path, record.offset);
        ASSERT_CODE(ALEX_DAMAGED, alex_get(fixture->main, 23, buffer, sizeof buffer, NULL));
        assert_detail(fixture->store, &record);
        alex_txn *txn = helper_begin(fixture->store);
        ASSERT_CODE(ALEX_DAMAGED, alex_txn_get(txn, fixture->main, 23, &slice));
        ASSERT_OK(alex_end(txn));
        assert_others(fixture->main, 23);
        files_flip_bit(record.path, record.offset + 16, 0);
        files_reseal_record(record.path, record.offset);
        ASSERT_OK(alex_get(fixture->main, 23, buffer, sizeof buffer, NULL));
        fixture_store_close(fixture);
    }
}

/* A header that was changed under an open store fails the reads of its key, whatever it says now. */
static void test_header_under_an_open_store(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    char buffer[200];

    make_store(fixture);
    fixture_store_open(fixture, NULL);
    files_find_record(fixture->path, FILES_PUT, 1, 23, &record);
    for (uint64_t at = 0; at < record.value_offset - record.offset; at++) {
        files_flip_bit(record.path, record.offset + at, 2);
        ASSERT_CODE(ALEX_DAMAGED, alex_get(fixture->main, 23, buffer, sizeof buffer, NULL));
        assert_detail(fixture->store, &record);
        files_flip_bit(record.path, record.offset + at, 2);
    }
    ASSERT_OK(alex_get(fixture->main, 23, buffer, sizeof buffer, NULL));
    fixture_store_close(fixture);
}

/* A clean store whose log goes on behind its end with a good record is damaged: nothing wrote it. */
static void test_record_behind_a_clean_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record last;
    unsigned char header[32] = {0};

    make_store(fixture);
    files_last_record(fixture->path, &last);
    header[12] = 1;                                /* table */
    header[24] = (unsigned char)(last.number + 1); /* number */
    header[25] = (unsigned char)((last.number + 1) >> 8);
    header[31] = FILES_PUT;
    files_patch(last.path, last.end, header, sizeof header);
    files_reseal_record(last.path, last.end);
    assert_refused(fixture, ALEX_DAMAGED, NULL, 0);
}

static int stop_at_once(void *context, const struct alex_finding *finding)
{
    (void)finding;
    ++*(int *)context;
    return 42;
}

/* A check's visit may stop it; what it returns is what the check returns. */
static void test_check_stops(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct alex_check_report report;
    int visits = 0;

    make_store(fixture);
    for (int64_t key = 20; key < 25; key++) {
        files_find_record(fixture->path, FILES_PUT, 1, key, &record);
        files_flip_bit(record.path, record.value_offset, 0);
    }
    fixture_store_open(fixture, NULL);
    assert_int_equal(alex_check(fixture->store, stop_at_once, &visits, &report), 42);
    assert_int_equal(visits, 1);
    ASSERT_OK(alex_check(fixture->store, NULL, NULL, &report));
    assert_true(report.findings >= 5);
    close_damaged(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_bit_in_a_value),
        TEST_WITH_DIRECTORY(test_bits_at_the_ends_of_a_value),
        TEST_WITH_DIRECTORY(test_get_many_with_damage),
        TEST_WITH_DIRECTORY(test_cursor_over_damage),
        TEST_WITH_DIRECTORY(test_overwriting_damage),
        TEST_WITH_DIRECTORY(test_no_checksums),
        TEST_WITH_DIRECTORY(test_bits_in_a_header),
        TEST_WITH_DIRECTORY(test_bit_in_padding),
        TEST_WITH_DIRECTORY(test_bits_in_a_segment_header),
        TEST_WITH_DIRECTORY(test_bits_in_the_manifest),
        TEST_WITH_DIRECTORY(test_manifest_of_another_length),
        TEST_WITH_DIRECTORY(test_missing_manifest),
        TEST_WITH_DIRECTORY(test_leftover_manifest),
        TEST_WITH_DIRECTORY(test_log_cut_short),
        TEST_WITH_DIRECTORY(test_log_overwritten),
        TEST_WITH_DIRECTORY(test_moved_records),
        TEST_WITH_DIRECTORY(test_log_of_another_store),
        TEST_WITH_DIRECTORY(test_newer_records),
        TEST_WITH_DIRECTORY(test_newer_files),
        TEST_WITH_DIRECTORY(test_record_of_another_key),
        TEST_WITH_DIRECTORY(test_header_under_an_open_store),
        TEST_WITH_DIRECTORY(test_record_behind_a_clean_end),
        TEST_WITH_DIRECTORY(test_check_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
