/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_salvage_faults.c
 * Salvages that can't be done or don't come to their end: what is refused, and what a failing system leaves.
 */
#include <stdio.h>

#include "support/faults.h"
#include "support/store_helper.h"

static void target_path(const struct fixture *fixture, char *out_path)
{
    files_join(out_path, fixture->directory, "salvaged");
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

static int stop(void *context, const struct alex_finding *finding)
{
    (void)finding;
    ++*(int *)context;
    return 42;
}

/* A visit can stop it, and then no target is there. The visit, the report and the error are optional. */
static void test_stopped(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    char target[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    int visits = 0;
    target_path(fixture, target);
    make_batch(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 2, &record);
    files_flip_bit(record.path, record.offset, 0);
    assert_int_equal(alex_salvage(fixture->path, target, stop, &visits, NULL, NULL), 42);
    assert_int_equal(visits, 1);
    assert_false(files_exists(target));
    files_join(manifest, fixture->path, "MANIFEST");
    files_remove(manifest);
    assert_int_equal(alex_salvage(fixture->path, target, stop, &visits, NULL, NULL), 42);
    assert_int_equal(visits, 2);
    ASSERT_OK(alex_salvage(fixture->path, target, NULL, NULL, NULL, NULL));
    assert_true(files_exists(target));
}

/** A salvage fails with `code` and says why. */
static void assert_fails(int code, const char *source, const char *target, const char *path)
{
    struct alex_error error = {0};
    struct alex_salvage_report report = {.keys = 77};
    ASSERT_CODE(code, alex_salvage(source, target, NULL, NULL, &report, &error));
    assert_int_equal(report.keys, 77);
    assert_int_equal(error.code, code);
    assert_string_not_equal(error.message, "");
    assert_non_null(strstr(error.path, path));
}

/* What can't be salvaged, or to there, is refused, and nothing is made. */
static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    char target[FILES_PATH_MAX];
    char other[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    struct files_record record;
    target_path(fixture, target);
    files_join(other, fixture->directory, "other");
    assert_fails(ALEX_INVALID, NULL, target, "");
    assert_fails(ALEX_NO_STORE, fixture->path, target, fixture->path);
    files_write(other, "x", 1);
    assert_fails(ALEX_NOT_A_STORE, other, target, other);
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    assert_fails(ALEX_LOCKED, fixture->path, target, fixture->path);
    fixture_store_close(fixture);
    assert_fails(ALEX_EXISTS, fixture->path, other, other);
    assert_fails(ALEX_EXISTS, fixture->path, fixture->path, fixture->path);
    files_join(other, fixture->directory, "no/such");
    assert_fails(ALEX_IO, fixture->path, other, other);

    files_join(manifest, fixture->path, "MANIFEST");
    unsigned char version[4] = {2};
    files_patch(manifest, 8, version, sizeof version);
    files_reseal_manifest(manifest);
    assert_fails(ALEX_NEWER_FORMAT, fixture->path, target, manifest);
    files_remove(manifest);
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    files_patch(record.path, 8, version, sizeof version);
    files_reseal_segment(record.path);
    assert_fails(ALEX_NEWER_FORMAT, fixture->path, target, record.path);
    assert_false(files_exists(target));
}

/* Someone who only reads doesn't keep a salvage from it. */
static void test_beside_a_reader(void **state)
{
    struct fixture *fixture = *state;
    char target[FILES_PATH_MAX];
    struct alex_options read_only = {.read_only = true};
    target_path(fixture, target);
    make_batch(fixture);
    fixture_store_open(fixture, &read_only);
    ASSERT_OK(alex_salvage(fixture->path, target, NULL, NULL, NULL, NULL));
    ASSERT_VALUE(fixture->main, 1, "batch");
}

/** Tables that lose their TABLE, its COMMIT, or a RENAME. */
static void make_renamed(alex_store *store)
{
    helper_put(helper_table(store, "six", ALEX_KEYS_UNSIGNED), 1, "six"); /* id 6, and so on */
    helper_put(helper_table(store, "seven", ALEX_KEYS_UNSIGNED), 1, "seven");
    ASSERT_OK(alex_table_rename(store, "seven", "7"));
    helper_put(helper_table(store, "eight", ALEX_KEYS_SIGNED), 1, "eight");
    ASSERT_OK(alex_table_rename(store, "eight", "8"));
    helper_put(helper_table(store, "eight", ALEX_KEYS_SIGNED), 1, "nine");
    (void)helper_table(store, "ten", ALEX_KEYS_SIGNED);
    ASSERT_OK(alex_table_rename(store, "ten", "10"));
    helper_put(helper_table(store, "eleven", ALEX_KEYS_UNSIGNED), 1, "eleven");
    ASSERT_OK(alex_table_rename(store, "eleven", "11"));
    helper_put(helper_table(store, "twelve", ALEX_KEYS_SIGNED), 1, "twelve");
    ASSERT_OK(alex_table_rename(store, "twelve", "eleven"));
    helper_put(helper_table(store, "thirteen", ALEX_KEYS_SIGNED), 1, "thirteen");
}

/** A store with damage of every kind: tables without names, values, batches in part, a batch without its commit, and
 * files that no manifest lists. */
static void make_damaged(struct fixture *fixture)
{
    static const struct {
        unsigned kind;
        uint32_t table;
        int64_t key;
        uint64_t at; /**< of its bytes */
    } damage[] = {
        {FILES_TABLE, 2, ALEX_KEYS_SIGNED, 1},
        {FILES_TABLE, 3, ALEX_KEYS_SIGNED, 1},
        {FILES_TABLE, 4, ALEX_KEYS_SIGNED, 1},
        {FILES_TABLE, 6, ALEX_KEYS_UNSIGNED, 40 + 1}, /* of the COMMIT behind it */
        {FILES_TABLE, 7, ALEX_KEYS_UNSIGNED, 1},
        {FILES_RENAME, 8, 0, 1},
        {FILES_TABLE, 10, ALEX_KEYS_SIGNED, 1},
        {FILES_RENAME, 11, 0, 1},
        {FILES_TABLE, 13, ALEX_KEYS_SIGNED, 32}, /* its value, and its COMMIT */
        {FILES_TABLE, 13, ALEX_KEYS_SIGNED, 40 + 1},
        {FILES_PUT, 1, 1, 8},
        {FILES_PUT, 1, 11, 8},
        {FILES_PUT, 1, 12, 33},
        {FILES_COMMIT, 0, 3, 1},
        {FILES_PUT, 1, 99, 33},
    };
    enum { DAMAGES = sizeof damage / sizeof *damage };
    struct files_record records[DAMAGES];
    fixture_store_open(fixture, NULL);
    helper_put(helper_table(fixture->store, "one", ALEX_KEYS_SIGNED), 1, "one"); /* id 2, and so on */
    helper_put(helper_table(fixture->store, "two", ALEX_KEYS_SIGNED), 1, "two");
    alex_table *emptied = helper_table(fixture->store, "three", ALEX_KEYS_SIGNED);
    helper_put(emptied, 1, "three");
    ASSERT_OK(alex_delete(emptied, 1));
    (void)helper_table(fixture->store, "empty", ALEX_KEYS_SIGNED);
    make_renamed(fixture->store);
    for (int64_t batch = 0; batch < 3; batch++) {
        struct alex_op ops[3];
        for (int64_t i = 0; i < 3; i++) {
            ops[i] = (struct alex_op){ALEX_OP_PUT, fixture->main, 10 * batch + i, {"batch", 5}};
        }
        ASSERT_OK(alex_write(fixture->store, ops, 3));
        helper_put(fixture->main, 10 * batch + 5, "between");
    }
    helper_put(fixture->main, 99, "last");
    fixture_store_close(fixture);
    for (size_t i = 0; i < DAMAGES; i++) {
        files_find_record(fixture->path, damage[i].kind, damage[i].table, damage[i].key, &records[i]);
    }
    for (size_t i = 0; i < DAMAGES; i++) {
        files_flip_bit(records[i].path, records[i].offset + damage[i].at, 3);
    }
    static const char *const strays[] = {"00000000000000aa.log", "00000000000000ab.log", "0000000000000000.log",
                                         "ffffffffffffffff.log", "00000000000000ac.txt", "00000000.log"};
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++) {
        char path[FILES_PATH_MAX];
        unsigned char content[100] = {0};
        content[99] = i != 1; /* one that holds nothing */
        files_join(path, fixture->path, strays[i]);
        files_write(path, content, sizeof content);
    }
}

/** Counts down, and stops at 0. */
static int stop_at(void *context, const struct alex_finding *finding)
{
    (void)finding;
    uint64_t *left = context;
    return --*left == 0 ? 42 : 0;
}

/* A visit can stop a salvage at whatever it finds, and then nothing is written. */
static void test_stopped_anywhere(void **state)
{
    struct fixture *fixture = *state;
    char target[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    target_path(fixture, target);
    make_damaged(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    for (int round = 0; round < 2; round++) {
        uint64_t stopped = 0;
        for (uint64_t at = 1;; at++) {
            uint64_t left = at;
            int result = alex_salvage(fixture->path, target, stop_at, &left, NULL, NULL);
            if (result == ALEX_OK) {
                break;
            }
            assert_int_equal(result, 42);
            assert_false(files_exists(target));
            stopped++;
        }
        assert_true(stopped > 10);
        files_remove(target);
        files_remove(manifest);
    }
}

/* More files than are usual, of more stores than are told apart, as many of each: the first one is salvaged. */
static void test_many_files(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct alex_salvage_report report;
    char path[FILES_PATH_MAX];
    size_t size;
    make_batch(fixture);
    files_find_record(fixture->path, FILES_PUT, 1, 9, &record);
    unsigned char *file = files_read(record.path, &size);
    files_join(path, fixture->path, "MANIFEST");
    files_remove(path);
    for (unsigned i = 0; i < 100; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%016x.log", 16 + i);
        files_join(path, fixture->path, name);
        file[16] = (unsigned char)(file[16] + 1 + i % 50); /* its store's id */
        files_write(path, file, size);
    }
    ASSERT_OK(alex_salvage(fixture->path, NULL, NULL, NULL, &report, NULL));
    assert_int_equal(report.keys, 5);
    assert_true(report.findings > 100);
    free(file);
}

/* Whichever call of the system or allocation fails, the salvage says so, and the source is as it was; what can't be
 * read is ALEX_IO. */
static void test_faults(void **state)
{
    struct fixture *fixture = *state;
    char target[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    uint64_t failed = 0;
    target_path(fixture, target);
    make_damaged(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    for (int round = 0; round < 2; round++) {
        if (round == 1) {
            files_remove(manifest);
        }
        uint64_t before = files_fingerprint(fixture->path, NULL);
        faults_install();
        for (uint64_t nth = 1;; nth++) {
            struct alex_error error = {0};
            files_remove(target);
            faults_set(&(struct faults_plan){
                .calls = FAULTS_EVERYTHING & ~FAULTS_SET(FAULTS_CLOSE) & ~FAULTS_SET(FAULTS_MUNMAP), .first = nth});
            int result = alex_salvage(fixture->path, target, NULL, NULL, NULL, &error);
            bool struck = faults_struck() > 0;
            faults_clear();
            assert_int_equal(files_fingerprint(fixture->path, NULL), before);
            if (result != ALEX_OK) {
                assert_int_equal(error.code, result);
                assert_string_not_equal(error.message, "");
                failed++;
            }
            if (!struck) {
                ASSERT_OK(result);
                break;
            }
        }
        for (uint64_t nth = 1;; nth++) { /* EIO of a read */
            files_remove(target);
            faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_PREAD), .first = nth});
            int result = alex_salvage(fixture->path, target, NULL, NULL, NULL, NULL);
            if (faults_struck() == 0) {
                break;
            }
            ASSERT_CODE(ALEX_IO, result);
        }
        faults_clear();
        faults_remove();
    }
    assert_true(failed > 50);
    (void)printf("salvages that failed: %d\n", (int)failed);
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_stopped),         TEST_WITH_DIRECTORY(test_stopped_anywhere),
        TEST_WITH_DIRECTORY(test_many_files),      TEST_WITH_DIRECTORY(test_refused),
        TEST_WITH_DIRECTORY(test_beside_a_reader), TEST_WITH_DIRECTORY(test_faults),
    };
    return cmocka_run_group_tests_name("salvage faults", tests, NULL, NULL);
}
