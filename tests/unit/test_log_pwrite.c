/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_pwrite.c
 * Where the file system can't allocate space ahead (fallocate gives EOPNOTSUPP) records are written with pwrite: all
 * works the same, and a write that fails latches the store. Where the disk is full the store goes on once it is not.
 */
#include <errno.h>

#include "log/log_internal.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

static const struct faults_plan no_fallocate = {
    .calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true, .os_errno = EOPNOTSUPP};

static void open_small(struct fixture *fixture, const struct alex_options *options)
{
    struct store_tuning tuning = {.segment_shift = 16};
    ASSERT_OK(store_open_tuned(fixture->path, options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
}

static size_t size_of(int64_t key)
{
    return (size_t)key * 977 % 3000;
}

static int put_filled(alex_table *table, int64_t key)
{
    unsigned char value[3000];
    helper_fill(value, size_of(key), (uint64_t)key);
    return alex_put(table, key, value, size_of(key), NULL);
}

static void assert_filled(alex_table *table, int64_t key)
{
    unsigned char value[3000];
    size_t size;
    ASSERT_OK(alex_get(table, key, value, sizeof value, &size));
    assert_int_equal(size, size_of(key));
    assert_true(helper_is_filled(value, size, (uint64_t)key));
}

static void use_batch_load_and_tables(struct fixture *fixture)
{
    struct alex_op ops[3] = {{ALEX_OP_PUT, fixture->main, -1, {"batch", 5}},
                             {ALEX_OP_DELETE, fixture->main, 0, {NULL, 0}},
                             {ALEX_OP_PUT, fixture->main, -2, {"batch", 5}}};
    ASSERT_OK(alex_write(fixture->store, ops, 3));
    alex_table *table = helper_table(fixture->store, "loaded", ALEX_KEYS_UNSIGNED);
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(table, &loader));
    for (int64_t key = 0; key < 200; key++) {
        ASSERT_OK(alex_loader_add(loader, key, "loaded", 6));
    }
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    (void)helper_table(fixture->store, "dropped", ALEX_KEYS_DEFAULT);
    ASSERT_OK(alex_table_drop(fixture->store, "dropped"));
}

/* Everything that a store can do works with pwrite, and after reopening it is all there. */
static void test_all_works(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 300, LARGE = 300000 };
    static unsigned char large[LARGE];
    for (int background = 0; background < 2; background++) {
        struct alex_options options = {.no_background = background == 0};
        files_remove(fixture->path);
        faults_set(&no_fallocate);
        open_small(fixture, &options);
        for (int64_t key = 0; key < KEYS; key++) {
            ASSERT_OK(put_filled(fixture->main, key));
            assert_filled(fixture->main, key);
        }
        use_batch_load_and_tables(fixture);
        void *buffer;
        ASSERT_OK(alex_put_reserve(fixture->main, -3, 8, &buffer));
        memcpy(buffer, "reserved", 8);
        ASSERT_OK(alex_put_commit(fixture->main, NULL));
        ASSERT_OK(alex_put_reserve(fixture->main, -4, 8, &buffer));
        memcpy(buffer, "cancelled", 8);
        alex_put_cancel(fixture->main);
        helper_fill(large, sizeof large, 1);
        ASSERT_OK(alex_put(fixture->main, -5, large, sizeof large, NULL));
        ASSERT_OK(alex_sync(fixture->store));
        ASSERT_OK(alex_delete(fixture->main, 1));
        for (int reopened = 0; reopened < 3; reopened++) {
            ASSERT_VALUE(fixture->main, 0, NULL);
            ASSERT_VALUE(fixture->main, 1, NULL);
            for (int64_t key = 2; key < KEYS; key++) {
                assert_filled(fixture->main, key);
            }
            ASSERT_VALUE(fixture->main, -1, "batch");
            ASSERT_VALUE(fixture->main, -3, "reserved");
            ASSERT_VALUE(fixture->main, -4, NULL);
            memset(large, 0, sizeof large);
            ASSERT_OK(alex_get(fixture->main, -5, large, sizeof large, NULL));
            assert_true(helper_is_filled(large, sizeof large, 1));
            ASSERT_VALUE(helper_table(fixture->store, "loaded", ALEX_KEYS_DEFAULT), 199, "loaded");
            helper_check(fixture->store);
            assert_true(store_log(fixture->store)->tail->staged || reopened > 0);
            fixture_store_close(fixture);
            if (reopened == 1) {
                faults_clear(); /* copied to a file system that can allocate */
            }
            fixture_store_open(fixture, &options);
            ASSERT_OK(put_filled(fixture->main, 1000 + reopened));
        }
        fixture_store_close(fixture);
    }
}

/* A write that fails, whole or torn, latches the store; what was acknowledged is there, at once and after reopening,
 * the rest is not. */
static void test_failed_write_latches(void **state)
{
    struct fixture *fixture = *state;
    for (int torn = 0; torn < 2; torn++) {
        files_remove(fixture->path);
        faults_set(&no_fallocate);
        open_small(fixture, NULL);
        for (int64_t key = 0; key < 100; key++) {
            ASSERT_OK(put_filled(fixture->main, key));
        }
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_PWRITE), .first = 1, .torn = torn == 1});
        struct alex_error error;
        ASSERT_CODE(ALEX_NO_SPACE, put_filled(fixture->main, 100));
        alex_store_error(fixture->store, &error);
        assert_int_equal(error.os_errno, ENOSPC);
        assert_non_null(strstr(error.path, ".log"));
        ASSERT_CODE(ALEX_READ_ONLY, put_filled(fixture->main, 101));
        ASSERT_CODE(ALEX_READ_ONLY, alex_delete(fixture->main, 1));
        ASSERT_CODE(ALEX_READ_ONLY, alex_sync(fixture->store));
        for (int64_t key = 0; key < 100; key++) {
            assert_filled(fixture->main, key);
        }
        ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, 100));
        helper_check(fixture->store);
        assert_int_not_equal(alex_close(fixture->store), ALEX_OK);
        for (int reopened = 0; reopened < 3; reopened++) {
            struct alex_open_report report;
            fixture_store_open(fixture, NULL);
            alex_store_open_report(fixture->store, &report);
            assert_int_equal(report.clean, reopened > 0);
            assert_int_equal(report.cut_bytes > 0, reopened == 0 && torn == 1);
            for (int64_t key = 0; key < 100; key++) {
                assert_filled(fixture->main, key);
            }
            ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, 100));
            ASSERT_OK(put_filled(fixture->main, 200 + reopened));
            helper_check(fixture->store);
            fixture_store_close(fixture);
        }
    }
}

/* A full disk is an error of the put that wanted space; deletes go on for a while, and puts once there is space
 * again. */
static void test_full_disk(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, NULL);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true});
    int64_t keys = 0;
    int code;
    while ((code = put_filled(fixture->main, keys)) == ALEX_OK) {
        keys++;
    }
    ASSERT_CODE(ALEX_NO_SPACE, code);
    struct alex_error error;
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.os_errno, ENOSPC);
    struct alex_op op = {ALEX_OP_PUT, fixture->main, -1, {error.message, 200}};
    while ((code = alex_write(fixture->store, &op, 1)) == ALEX_OK) {
        op.key--;
    }
    ASSERT_CODE(ALEX_NO_SPACE, code);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, op.key));
    for (int64_t key = 0; key < 10; key++) {
        ASSERT_OK(alex_delete(fixture->main, key));
    }
    ASSERT_OK(alex_sync(fixture->store));
    faults_clear();
    ASSERT_OK(put_filled(fixture->main, keys));
    for (int64_t key = 10; key <= keys; key++) {
        assert_filled(fixture->main, key);
    }
    fixture_reopen(fixture);
    for (int64_t key = 10; key <= keys; key++) {
        assert_filled(fixture->main, key);
    }
}

#ifndef BASE_SANITIZED

struct stray {
    const struct log *log;
    uint64_t ref;
};

static int store_through(void *context)
{
    const struct stray *stray = context;
    struct record record;
    CHILD_REQUIRE(log_fetch(stray->log, stray->ref, &record) == RECORD_GOOD);
    union {
        const uint8_t *in;
        uint8_t *out;
    } value = {.in = record.value};
    *(volatile uint8_t *)value.out = 0;
    return 0;
}

/* Only the log's tail can be written: a store through a stray pointer into an older record ends the process before it
 * does harm. */
static void test_protection(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, NULL);
    int64_t key = 0;
    while (log_end(store_log(fixture->store)).file_id < 3) {
        ASSERT_OK(put_filled(fixture->main, key++));
    }
    const struct log *log = store_log(fixture->store);
    for (size_t i = 0; i < log->segment_count; i++) {
        const struct log_segment *segment = log->segments[i];
        uint64_t first = ((uint64_t)segment->first_slot << 16) + SEGMENT_HEADER_BYTES;
        struct stray stray = {log, log_ref_make(first, 64, false)};
        bool is_tail = segment == log->tail;
        assert_int_equal(helper_in_child(store_through, &stray), is_tail ? 0 : -1);
    }
    /* Restore what the child changed in the tail: it is a shared mapping. */
    fixture_store_close(fixture);
    fixture_store_open(fixture, NULL);
    const struct log *reopened = store_log(fixture->store);
    uint64_t first = ((uint64_t)reopened->tail->first_slot << 16) + SEGMENT_HEADER_BYTES;
    struct stray stray = {reopened, log_ref_make(first, 64, false)};
    struct record record;
    if (log_fetch(reopened, stray.ref, &record) == RECORD_GOOD) {
        assert_int_equal(helper_in_child(store_through, &stray), -1);
    }
    fixture_store_close(fixture);
}

#endif

/* Whichever allocation of a batch and all after it fail: it counts as a whole or not at all, and what follows does. */
static void test_no_memory_for_the_stage(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t first = 1; first <= 6; first++) {
        files_remove(fixture->path);
        faults_set(&no_fallocate);
        open_small(fixture, NULL);
        helper_put(fixture->main, 1, "");
        helper_put(fixture->main, 2, "");
        fixture_reopen(fixture);
        helper_put(fixture->main, 3, ""); /* a record of 32 bytes; the DELETE has 40, the COMMIT 64, the ABORT 48 */
        struct alex_op remove = {ALEX_OP_DELETE, fixture->main, 1, {NULL, 0}};
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = first, .for_good = true});
        int result = alex_write(fixture->store, &remove, 1);
        faults_set(&no_fallocate);
        struct alex_op put = {ALEX_OP_PUT, fixture->main, 4, {"four", 4}};
        ASSERT_OK(alex_write(fixture->store, &put, 1));
        for (int reopened = 0; reopened < 2; reopened++) {
            ASSERT_VALUE(fixture->main, 1, result == ALEX_OK ? NULL : "");
            ASSERT_VALUE(fixture->main, 4, "four");
            fixture_reopen(fixture);
        }
        fixture_store_close(fixture);
    }
}

static int setup(void **state)
{
    faults_install();
    return fixture_directory(state);
}

static int teardown(void **state)
{
    int result = fixture_close(state);
    faults_remove();
    return result;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_works),  TEST(test_failed_write_latches),
        TEST(test_full_disk),  TEST(test_no_memory_for_the_stage),
#ifndef BASE_SANITIZED
        TEST(test_protection),
#endif
    };
    return cmocka_run_group_tests_name("log pwrite", tests, NULL, NULL);
}
