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

/* Whichever call of the system or allocation fails, the salvage says so, and the source is as it was; what can't be
 * read is ALEX_IO. */
static void test_faults(void **state)
{
    struct fixture *fixture = *state;
    char target[FILES_PATH_MAX];
    char manifest[FILES_PATH_MAX];
    struct files_record record;
    uint64_t failed = 0;
    target_path(fixture, target);
    make_batch(fixture);
    files_join(manifest, fixture->path, "MANIFEST");
    for (int round = 0; round < 2; round++) {
        if (round == 1) { /* without manifest, and with a batch in part */
            files_remove(manifest);
            files_find_record(fixture->path, FILES_PUT, 1, 2, &record);
            files_flip_bit(record.path, record.offset, 0);
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
        TEST_WITH_DIRECTORY(test_stopped),
        TEST_WITH_DIRECTORY(test_refused),
        TEST_WITH_DIRECTORY(test_beside_a_reader),
        TEST_WITH_DIRECTORY(test_faults),
    };
    return cmocka_run_group_tests_name("salvage faults", tests, NULL, NULL);
}
