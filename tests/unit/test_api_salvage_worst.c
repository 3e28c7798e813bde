/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_salvage_worst.c
 * Salvages of a store with every kind of damage at once, stopped at each finding and failed at each call, and of
 * directories that are hardly one.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { SHIFT = 16, OPS = 4 };

/** Writes keys from `first` on as one batch. */
static void write_batch(alex_table *table, alex_store *store, int64_t first)
{
    struct alex_op ops[OPS];
    for (int i = 0; i < OPS; i++) {
        ops[i] = (struct alex_op){ALEX_OP_PUT, table, first + i, {"batch", 5}};
    }
    ASSERT_OK(alex_write(store, ops, OPS));
}

/** Fills the tail with one key until another segment has been begun. */
static void fill_segment(struct fixture *fixture)
{
    static const char zeroes[9000];
    struct alex_store_stats before;
    struct alex_store_stats after;
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    do {
        ASSERT_OK(alex_put(fixture->main, 1000, zeroes, sizeof zeroes, NULL));
        ASSERT_OK(alex_store_stat(fixture->store, &after));
    } while (after.segments == before.segments);
}

/** Gives a record other bytes, from `distance` of its value on, and checksums that hold. */
static void forge_value(const struct files_record *record, uint64_t distance, const void *data, size_t size)
{
    uint8_t value[256];
    uint8_t checksum[4];
    assert_true(record->length <= sizeof value);
    files_patch(record->path, record->value_offset + distance, data, size);
    files_read_at(record->path, record->value_offset, value, record->length);
    bytes_store32(checksum, files_crc32c(0, value, record->length));
    files_patch(record->path, record->offset + 4, checksum, sizeof checksum);
    files_reseal_record(record->path, record->offset);
}

/** Damages the header of a record. */
static void lose(const struct files_record *record)
{
    files_flip_bit(record->path, record->offset + 17, 3);
}

static bool is_table_named(const struct files_record *record, const char *name)
{
    uint8_t text[8] = {0};
    if (record->kind != FILES_TABLE || record->length != strlen(name)) {
        return false;
    }
    files_read_at(record->path, record->value_offset, text, record->length);
    return memcmp(text, name, record->length) == 0;
}

/** Damages the store, by the order of what make_worst() wrote. */
static void damage(struct fixture *fixture)
{
    struct files_record *records;
    size_t count = files_list_records(fixture->path, &records);
    size_t commits = 0;
    for (size_t i = 0; i < count; i++) {
        const struct files_record *record = &records[i];
        if (is_table_named(record, "lost a") || is_table_named(record, "lost b") || is_table_named(record, "lost c")) {
            lose(record);
        } else if (is_table_named(record, "mine")) {
            forge_value(record, 0, "main", 4);
        } else if (is_table_named(record, "zero")) {
            forge_value(record, 0, "", 1);
        } else if (record->kind == FILES_PUT && record->key == 2) {
            files_flip_bit(record->path, record->value_offset, 0); /* in `main`, and in a lost table */
        } else if (record->kind == FILES_PUT && record->key == 3) {
            files_flip_bit(record->path, record->end - 1, 0); /* the padding */
        } else if (record->kind == FILES_COMMIT && commits++ % 3 == 0) {
            lose(record); /* so another batch follows one without end */
        } else if (record->kind == FILES_PUT && (record->key == 111 || record->key == 121 || record->key == 131)) {
            lose(record); /* part of a batch */
        } else if (record->kind == FILES_COMMIT && commits == 5) {
            forge_value(record, 24, "wrong", 4); /* of a batch that is whole */
        }
    }
    free(records);
}

/** Makes a store with damage of every kind. */
static void make_worst(struct fixture *fixture)
{
    char(*names)[32];
    char path[FILES_PATH_MAX];
    char stray[FILES_PATH_MAX];
    struct alex_options options = {.no_background = true};
    struct store_tuning tuning = {.segment_shift = SHIFT};
    ASSERT_OK(store_open_tuned(fixture->path, &options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    static const char *const tables[] = {"lost a", "lost b", "lost c", "mine", "zero", "whole", "empty"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        alex_table *table = helper_table(fixture->store, tables[i], ALEX_KEYS_UNSIGNED);
        if (strcmp(tables[i], "empty") != 0) {
            helper_put(table, 1, "one");
            helper_put(table, 2, "two");
        }
        if (strcmp(tables[i], "lost c") == 0) {
            ASSERT_OK(alex_delete(table, 1));
            ASSERT_OK(alex_delete(table, 2));
        }
    }
    for (int64_t key = 0; key < 6; key++) {
        helper_put(fixture->main, key, "value");
    }
    for (int64_t first = 100; first < 180; first += 10) {
        write_batch(fixture->main, fixture->store, first);
        ASSERT_OK(first == 130 ? alex_sync(fixture->store) : ALEX_OK);
    }
    for (int i = 0; i < 4; i++) {
        fill_segment(fixture);
    }
    fixture_store_close(fixture);
    damage(fixture);

    size_t files = files_list_segments(fixture->path, &names);
    assert_true(files >= 5);
    files_join(path, fixture->path, names[2]);
    files_join(stray, fixture->path, "00000000000000ff.log");
    size_t size;
    unsigned char *content = files_read(path, &size);
    files_write(stray, content, size); /* that no manifest lists */
    files_truncate(stray, 4 * size);
    free(content);
    files_join(stray, fixture->path, "00000000000000fe.log");
    files_write(stray, "", 0);
    files_remove(path);
    files_join(path, fixture->path, names[3]);
    files_flip_bit(path, 20, 0); /* a file's header */
    free(names);
}

static void target_path(const struct fixture *fixture, char *out_path)
{
    files_join(out_path, fixture->directory, "salvaged");
}

struct stop {
    int at;
    int seen;
};

static int stop_at(void *context, const struct alex_finding *finding)
{
    struct stop *stop = context;
    (void)finding;
    return ++stop->seen == stop->at ? 42 : 0;
}

/* Whichever finding a visit stops at, the salvage ends there, and makes nothing. */
static void test_stopped_anywhere(void **state)
{
    struct fixture *fixture = *state;
    char target[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    target_path(fixture, target);
    make_worst(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    for (int listed = 1; listed >= 0; listed--) {
        struct stop all = {0};
        ASSERT_OK(alex_salvage(fixture->path, NULL, stop_at, &all, NULL, NULL));
        assert_true(all.seen > 12);
        for (int at = 1; at <= all.seen; at++) {
            struct stop stop = {.at = at};
            assert_int_equal(alex_salvage(fixture->path, NULL, stop_at, &stop, NULL, NULL), 42);
            assert_int_equal(stop.seen, at);
        }
        struct stop first = {.at = 1};
        assert_int_equal(alex_salvage(fixture->path, target, stop_at, &first, NULL, NULL), 42);
        assert_false(files_exists(target));
        files_remove(manifest);
    }
}

/* Whichever call of the system or allocation fails, the salvage fails or goes without it, and the source is as it
 * was. */
static void test_failing_anywhere(void **state)
{
    struct fixture *fixture = *state;
    char target[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    target_path(fixture, target);
    make_worst(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    for (int listed = 1; listed >= 0; listed--) {
        uint64_t before = files_fingerprint(fixture->path, NULL);
        struct alex_salvage_report whole;
        ASSERT_OK(alex_salvage(fixture->path, NULL, NULL, NULL, &whole, NULL));
        faults_install();
        bool struck = true;
        for (uint64_t nth = 1; struck; nth++) {
            struct alex_error error = {0};
            struct alex_salvage_report report;
            files_remove(target);
            faults_set(&(struct faults_plan){.calls = FAULTS_EVERYTHING, .first = nth});
            int result = alex_salvage(fixture->path, target, NULL, NULL, &report, &error);
            struck = faults_struck() > 0;
            faults_clear();
            if (result == ALEX_OK) {
                assert_int_equal(report.keys, whole.keys);
            } else {
                assert_int_equal(error.code, result);
                assert_string_not_equal(error.message, "");
            }
            assert_true(struck || result == ALEX_OK);
        }
        faults_remove();
        assert_int_equal(files_fingerprint(fixture->path, NULL), before);
        files_remove(manifest);
    }
}

/** A file of the log with a header of this id, whole or not. */
static void write_header(const struct fixture *fixture, uint64_t file_id, uint8_t id, bool whole)
{
    char path[FILES_PATH_MAX];
    char name[32];
    uint8_t bytes[64] = "ALEXLOG";
    (void)snprintf(name, sizeof name, "%016llx.log", (unsigned long long)file_id);
    files_join(path, fixture->path, name);
    bytes_store32(bytes + 8, 1);
    bytes_store32(bytes + 12, 1);
    memset(bytes + 16, id, 16);
    bytes_store64(bytes + 32, file_id);
    bytes_store64(bytes + 40, 1);
    files_write(path, bytes, sizeof bytes);
    if (whole) {
        files_reseal_segment(path);
    }
}

/** Salvages the store without its manifest, and gives the number of keys. */
static uint64_t keys_without_manifest(struct fixture *fixture)
{
    struct alex_salvage_report report;
    char manifest[FILES_PATH_MAX];
    files_join(manifest, fixture->path, "MANIFEST");
    files_remove(manifest);
    ASSERT_OK(alex_salvage(fixture->path, NULL, NULL, NULL, &report, NULL));
    return report.keys;
}

static void make_small(struct fixture *fixture)
{
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
}

/* Names that are like those of the log's files are passed over, and any number of its files is taken. */
static void test_names_and_numbers(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"abc", "0000000000000001.lox", "0000000000000000.log", "ffffffffffffffff.log",
                                        "0000000000000001.log.old"};
    char path[FILES_PATH_MAX];
    make_small(fixture);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        files_join(path, fixture->path, names[i]);
        files_write(path, "x", 1);
    }
    for (uint64_t file_id = 0x100; file_id < 0x100 + 70; file_id++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%016llx.log", (unsigned long long)file_id);
        files_join(path, fixture->path, name);
        files_write(path, "", 0);
    }
    struct alex_salvage_report report;
    ASSERT_OK(alex_salvage(fixture->path, NULL, NULL, NULL, &report, NULL));
    assert_int_equal(report.findings, 0);
    assert_int_equal(report.keys, 1);
    assert_int_equal(keys_without_manifest(fixture), 1);
}

/* Of many stores' files in one directory those of the store that has most are taken, by whole headers first. */
static void test_many_stores(void **state)
{
    struct fixture *fixture = *state;
    make_small(fixture);
    for (uint64_t i = 0; i < 20; i++) {
        write_header(fixture, 0x100 + i, (uint8_t)(0x80 + i), true);
    }
    write_header(fixture, 0x200, 1, false);
    write_header(fixture, 0x201, 1, false);
    assert_int_equal(keys_without_manifest(fixture), 1);
}

/* Where no header is whole the id that most have counts. */
static void test_no_header_is_whole(void **state)
{
    struct fixture *fixture = *state;
    char(*names)[32];
    char path[FILES_PATH_MAX];
    struct store_tuning tuning = {.segment_shift = SHIFT};
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    helper_put(fixture->main, 1, "one");
    for (int i = 0; i < 4; i++) {
        fill_segment(fixture);
    }
    fixture_store_close(fixture);
    size_t files = files_list_segments(fixture->path, &names);
    assert_true(files > 2);
    for (size_t i = 0; i < files; i++) {
        files_join(path, fixture->path, names[i]);
        files_flip_bit(path, 41, 0);
        if (i == 0) {
            files_flip_bit(path, 20, 0); /* the store id */
        }
    }
    free(names);
    assert_int_equal(keys_without_manifest(fixture), 2); /* those of the first file too, whatever its header says */
}

/* A file as large as a segment can be is read whole; one that is larger than any is none. */
static void test_large_files(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    make_small(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    files_truncate(record.path, (uint64_t)130 << 20);
    assert_int_equal(keys_without_manifest(fixture), 1);

    files_remove(fixture->path);
    struct store_tuning tuning = {.segment_shift = SHIFT};
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    fixture_store_close(fixture);
    char(*names)[32];
    char path[FILES_PATH_MAX];
    struct alex_error error = {0};
    assert_int_equal(files_list_segments(fixture->path, &names), 1);
    files_join(path, fixture->path, names[0]);
    free(names);
    files_truncate(path, (uint64_t)65 << 30);
    ASSERT_CODE(ALEX_DAMAGED, alex_salvage(fixture->path, NULL, NULL, NULL, NULL, &error));
    assert_string_equal(error.path, path);
}

static int count(void *context, const struct alex_finding *finding)
{
    *(uint64_t *)context = finding->offset;
    return 0;
}

/* A SEAL that names no later file, and a header of another store, are found by a check of the open store. */
static void test_check_of_forged_files(void **state)
{
    struct fixture *fixture = *state;
    struct alex_check_report report;
    struct files_record seal;
    uint64_t offset = UINT64_MAX;
    uint8_t key[8];
    struct store_tuning tuning = {.segment_shift = SHIFT};
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    fill_segment(fixture);
    fill_segment(fixture);
    files_find_record(fixture->path, FILES_SEAL, 0, 2, &seal);
    bytes_store64(key, 1);
    files_patch(seal.path, seal.offset + 16, key, sizeof key);
    files_reseal_record(seal.path, seal.offset);
    ASSERT_OK(alex_check(fixture->store, count, &offset, &report));
    assert_true(report.findings > 0);
    bytes_store64(key, 2);
    files_patch(seal.path, seal.offset + 16, key, sizeof key);
    files_reseal_record(seal.path, seal.offset);

    files_flip_bit(seal.path, 20, 0);
    files_reseal_segment(seal.path);
    ASSERT_OK(alex_check(fixture->store, count, &offset, &report));
    assert_int_equal(report.findings, 1);
    assert_int_equal(offset, 0);
    files_flip_bit(seal.path, 20, 0);
    files_reseal_segment(seal.path);
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_stopped_anywhere),      TEST_WITH_DIRECTORY(test_failing_anywhere),
        TEST_WITH_DIRECTORY(test_names_and_numbers),     TEST_WITH_DIRECTORY(test_many_stores),
        TEST_WITH_DIRECTORY(test_no_header_is_whole),    TEST_WITH_DIRECTORY(test_large_files),
        TEST_WITH_DIRECTORY(test_check_of_forged_files),
    };
    return cmocka_run_group_tests_name("salvage worst", tests, NULL, NULL);
}
