/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_corners.c
 * The log where things end in the middle of it: a stage that can't be written or grow, a tail that can't be rolled, a
 * sync that another thread is at, references that lead nowhere.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

#define SHIFT 16

static void open_small(struct fixture *fixture, const struct alex_options *options)
{
    struct store_tuning tuning = {.segment_shift = SHIFT};
    ASSERT_OK(store_open_tuned(fixture->path, options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
}

static struct log *log_of(const struct fixture *fixture)
{
    return store_log(fixture->store);
}

/** Puts a value of so many zero bytes. */
static int put_zeroes(struct fixture *fixture, int64_t key, size_t size)
{
    void *value = calloc(1, size + 1);
    assert_non_null(value);
    int code = alex_put(fixture->main, key, value, size, NULL);
    free(value);
    return code;
}

/** Leaves a copy of the store as a crash at this moment would, closes the store, and goes on with the copy, closed. */
static void crash(struct fixture *fixture)
{
    char copy[FILES_PATH_MAX];
    files_join(copy, fixture->directory, "copy");
    files_remove(copy);
    files_copy_directory(fixture->path, copy);
    fixture_store_close(fixture);
    files_remove(fixture->path);
    files_copy_directory(copy, fixture->path);
}

/* A batch too large for the stage is written in parts. Where one fails all is taken back, and the store latches. */
static void test_stage_that_is_not_written(void **state)
{
    struct fixture *fixture = *state;
    enum { BYTES = 600000, PARTS = 3 };
    static const char value[BYTES];
    struct alex_op ops[PARTS];
    for (uint64_t fails = 1; fails <= 2; fails++) {
        files_remove(fixture->path);
        fixture_store_open(fixture,
                           &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT, .no_background = true});
        helper_put(fixture->main, 1, "before");
        for (int i = 0; i < PARTS; i++) {
            ops[i] = (struct alex_op){ALEX_OP_PUT, fixture->main, i + 1, {value, BYTES}};
        }
        faults_set(
            &(struct faults_plan){.calls = FAULTS_SET(FAULTS_PWRITE), .first = fails, .torn = true, .os_errno = EIO});
        ASSERT_CODE(ALEX_IO, alex_write(fixture->store, ops, PARTS));
        faults_clear();
        ASSERT_VALUE(fixture->main, 1, "before");
        ASSERT_VALUE(fixture->main, 2, NULL);
        ASSERT_CODE(ALEX_READ_ONLY, alex_put(fixture->main, 4, "x", 1, NULL));
        ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
        fixture_store_open(fixture, NULL);
        ASSERT_VALUE(fixture->main, 1, "before");
        ASSERT_VALUE(fixture->main, 2, NULL);
        fixture_store_close(fixture);
    }
}

/* The MARK that is due after an unclean end needs memory for the stage: without it the put fails, and the next one
 * writes it. */
static void test_mark_without_memory(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    crash(fixture);
    fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT, .no_background = true});
    assert_true(atomic_load(&log_of(fixture)->mark_due));
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = 1, .for_good = true});
    ASSERT_CODE(ALEX_NO_MEMORY, alex_put(fixture->main, 1, "two", 3, NULL));
    faults_clear();
    assert_true(atomic_load(&log_of(fixture)->mark_due));
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_OK(alex_put(fixture->main, 1, "two", 3, NULL));
    struct files_record record;
    files_find_record(fixture->path, FILES_MARK, 0, 1, &record);
}

static struct log *log_to_latch;

static bool latch(void)
{
    atomic_store(&log_to_latch->failed, ALEX_IO);
    return false;
}

/* A log that latches while a record of its own is being made, as a sync by its thread may have it, takes no record. */
static void test_latched_meanwhile(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    crash(fixture);
    fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT, .no_background = true});
    bool (*real_fails)(void) = base_alloc_fails;
    log_to_latch = log_of(fixture);
    base_alloc_fails = latch; /* asked where the stage is made for the MARK */
    int code = alex_put(fixture->main, 1, "two", 3, NULL);
    base_alloc_fails = real_fails;
    assert_int_equal(code, ALEX_READ_ONLY);
    ASSERT_VALUE(fixture->main, 1, "one");
    atomic_store(&log_to_latch->failed, ALEX_OK);
    ASSERT_OK(alex_put(fixture->main, 1, "two", 3, NULL));
}

/** Opens a store whose tail has no place for a value of ROLL_BYTES. */
static void open_nearly_full(struct fixture *fixture, const struct alex_options *options)
{
    char path[FILES_PATH_MAX];
    char name[32];
    files_remove(fixture->path);
    open_small(fixture, &(struct alex_options){.no_background = true});
    for (int64_t key = 10; key < 15; key++) {
        ASSERT_OK(put_zeroes(fixture, key, 9000));
    }
    /* Where the next segment's file will be, one stands already, as a crash may leave it. */
    (void)snprintf(name, sizeof name, "%016llx.log", (unsigned long long)log_of(fixture)->next_file_id);
    fixture_store_close(fixture);
    files_join(path, fixture->path, name);
    files_write(path, "", 0);
    fixture_store_open(fixture, options);
}

enum { ROLL_BYTES = 12000 };

/** Fails each call of `calls`, and each allocation, of a put that needs another segment, until one succeeds. */
static void fail_rolling(struct fixture *fixture, const struct alex_options *options, uint32_t calls, int code,
                         int os_errno)
{
    bool done = false;
    for (uint64_t first = 1; !done; first++) {
        open_nearly_full(fixture, options);
        /* For good where space is short: with less of it a step is tried again. */
        bool for_good = calls == FAULTS_SET(FAULTS_FALLOCATE);
        faults_set(&(struct faults_plan){.calls = calls, .first = first, .for_good = for_good, .os_errno = os_errno});
        int result = put_zeroes(fixture, 2, ROLL_BYTES);
        done = faults_struck() == 0;
        faults_clear();
        assert_true(result == ALEX_OK || result == code);
        assert_int_equal(alex_exists(fixture->main, 2), result == ALEX_OK ? ALEX_OK : ALEX_NOT_FOUND);
        ASSERT_OK(put_zeroes(fixture, 3, ROLL_BYTES));
        fixture_reopen(fixture);
        assert_int_equal(alex_exists(fixture->main, 2), result == ALEX_OK ? ALEX_OK : ALEX_NOT_FOUND);
        ASSERT_OK(alex_exists(fixture->main, 3));
        helper_check(fixture->store);
        fixture_store_close(fixture);
        assert_true(!done || first > 1);
    }
}

/* A tail of before the opening is ended and followed by another segment, or stays the tail: whichever step of that
 * finds no memory, no space or no descriptor. */
static void test_rolling_without_memory_or_space(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options mapped = {.no_background = true};
    struct alex_options staged = {.no_background = true, .durability = ALEX_DURABLE_ON_COMMIT};
    fail_rolling(fixture, &mapped, FAULTS_SET(FAULTS_ALLOCATION), ALEX_NO_MEMORY, 0);
    fail_rolling(fixture, &staged, FAULTS_SET(FAULTS_ALLOCATION), ALEX_NO_MEMORY, 0);
    fail_rolling(fixture, &mapped, FAULTS_SET(FAULTS_FALLOCATE), ALEX_NO_SPACE, ENOSPC);
    fail_rolling(fixture, &staged, FAULTS_SET(FAULTS_FALLOCATE), ALEX_NO_SPACE, ENOSPC);
    fail_rolling(fixture, &mapped, FAULTS_SET(FAULTS_OPEN) | FAULTS_SET(FAULTS_PREAD), ALEX_IO, EMFILE);
    fail_rolling(fixture, &mapped, FAULTS_SET(FAULTS_OPEN), ALEX_IO, ENFILE);
}

/* The list of segments grows, or there is no memory for that and the put fails. */
static void test_list_of_segments_without_memory(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, &(struct alex_options){.no_background = true});
    unsigned failures = 0;
    for (int64_t key = 0; log_of(fixture)->segment_count < 20; key++) {
        int code = ALEX_NO_MEMORY;
        for (uint64_t first = 1; code != ALEX_OK; first++) {
            faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = first});
            code = put_zeroes(fixture, key, 9000);
            faults_clear();
            failures += code == ALEX_NO_MEMORY;
            assert_true(code == ALEX_OK || code == ALEX_NO_MEMORY);
        }
    }
    assert_true(failures > 20);
}

/* What is written again after an unclean end is written in pieces, each of which may fail: then nothing is opened. */
static void test_rewriting_fails(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    for (int64_t key = 0; key < 4; key++) {
        ASSERT_OK(put_zeroes(fixture, key, 1000000));
    }
    crash(fixture);
    for (uint64_t first = 2; first <= 5; first++) { /* after that of the LOCK file, which may fail */
        struct alex_error error;
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_PWRITE), .first = first, .os_errno = EIO});
        helper_open_fails(fixture->path, ALEX_IO, &error);
        faults_clear();
        assert_non_null(strstr(error.path, ".log"));
    }
    fixture_store_open(fixture, NULL);
    assert_int_equal(alex_exists(fixture->main, 3), ALEX_OK);
}

/* Where not even a page is left the write fails, and works once there is space. */
static void test_not_a_page_left(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true, .growth_bytes = 4096});
    faults_set(
        &(struct faults_plan){.calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true, .os_errno = ENOSPC});
    int64_t key = 0;
    int code = ALEX_OK;
    while (code == ALEX_OK) {
        code = put_zeroes(fixture, key++, 500);
    }
    faults_clear();
    assert_int_equal(code, ALEX_NO_SPACE);
    ASSERT_OK(put_zeroes(fixture, key, 500));
}

/* On a disk so full that even the space kept for deletes is used up, deletes fail like all else that needs space, and
 * change nothing. */
static void test_no_space_at_all(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 2000 };
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    for (int64_t key = 0; key < KEYS; key++) {
        ASSERT_OK(put_zeroes(fixture, key, 10));
    }
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true});
    int64_t gone = 0;
    int code = ALEX_OK;
    while (code == ALEX_OK) {
        code = alex_delete(fixture->main, gone);
        gone += code == ALEX_OK;
    }
    assert_int_equal(code, ALEX_NO_SPACE);
    struct alex_error error;
    alex_table *table;
    ASSERT_CODE(ALEX_NO_SPACE, alex_table_open(fixture->store, "new", NULL, &table));
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_NO_SPACE);
    ASSERT_CODE(ALEX_NO_SPACE, put_zeroes(fixture, KEYS, 10));
    assert_in_range(gone, 200, KEYS - 1);
    faults_clear();
    for (int64_t key = 0; key <= KEYS; key++) {
        ASSERT_CODE(key < gone || key == KEYS ? ALEX_NOT_FOUND : ALEX_OK, alex_exists(fixture->main, key));
    }
    struct alex_table_options there = {.mode = ALEX_MUST_EXIST};
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "new", &there, &table));
    ASSERT_OK(alex_delete(fixture->main, gone));
    ASSERT_OK(alex_table_open(fixture->store, "new", NULL, &table));
}

/* A file system that stops allocating space for a file that it allocated space for is an error: what is mapped there
 * can't be written otherwise. */
static void test_allocation_ends(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    helper_put(fixture->main, 1, "one");
    faults_set(&(struct faults_plan){
        .calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true, .os_errno = EOPNOTSUPP});
    int code = put_zeroes(fixture, 2, 1000000);
    faults_clear();
    assert_int_equal(code, ALEX_IO);
    alex_store_error(fixture->store, &error);
    assert_non_null(strstr(error.message, "no longer allocates"));
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_OK(put_zeroes(fixture, 2, 1000000));
}

/* Where space is not allocated ahead the figures count what was written, of a segment that is prepared its header. */
static void test_figures_without_allocation(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;
    faults_set(&(struct faults_plan){
        .calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true, .os_errno = EOPNOTSUPP});
    open_small(fixture, NULL);
    int64_t key = 0;
    do {
        ASSERT_OK(put_zeroes(fixture, key++, 3000));
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        for (int i = 0; stats.log_bytes > ((uint64_t)5 << SHIFT) / 8 && stats.segments == 1 && i < 10000; i++) {
            (void)usleep(1000); /* the log's thread prepares the next one */
            ASSERT_OK(alex_store_stat(fixture->store, &stats));
        }
    } while (stats.segments == 1);
    struct log_stats of_log;
    log_stats(log_of(fixture), &of_log);
    assert_int_equal(of_log.segments, 2);
    assert_int_equal(of_log.file_bytes, of_log.log_bytes);
    fixture_store_close(fixture);
}

/* A segment that the log's thread can't make is made by the write that needs it. */
static void test_thread_without_a_file(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, NULL);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_OPEN), .first = 1, .for_good = true});
    int64_t key = 0;
    for (; key < 15; key++) { /* more than half of the segment, and not all */
        ASSERT_OK(put_zeroes(fixture, key, 3000));
    }
    for (int i = 0; i < 10000 && faults_struck() == 0; i++) {
        (void)usleep(1000);
    }
    assert_true(faults_struck() > 0);
    faults_clear();
    for (; key < 60; key++) {
        ASSERT_OK(put_zeroes(fixture, key, 3000));
    }
    assert_true(log_of(fixture)->segment_count > 1);
}

/* A segment whose header is whole, but says another size than the manifest, is damage. */
static void test_header_of_another_size(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error;
    char(*segments)[32];
    char path[FILES_PATH_MAX];
    fixture_store_open(fixture, NULL);
    fixture_store_close(fixture);
    assert_int_equal(files_list_segments(fixture->path, &segments), 1);
    files_join(path, fixture->path, segments[0]);
    free(segments);
    files_flip_bit(path, 12, 1);
    files_reseal_segment(path);
    helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
    assert_string_equal(error.path, path);
}

/* A reference that leads to no segment, or beyond the end of its file, or says a size that no record has, leads to
 * nothing. */
static void test_references_to_nowhere(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    const struct log *log = log_of(fixture);
    uint64_t first = ((uint64_t)log->tail->first_slot << log->space.segment_shift) + SEGMENT_HEADER_BYTES;
    uint64_t nowhere = log_ref_make(LOG_ADDRESS_LIMIT - 8, 64, false);
    uint64_t small = log_ref_make(first, 8, false);
    uint64_t beyond = log_ref_make(first - SEGMENT_HEADER_BYTES + atomic_load(&log->tail->allocated) - 8, 64, false);
    uint64_t large = log_ref_make(LOG_ADDRESS_LIMIT - 8, UINT64_MAX / 2, false);
    struct log_value value;
    struct record record;
    char path[FILES_PATH_MAX];
    log_prefetch(log, &nowhere, 1);
    assert_false(log_fetch_put(log, nowhere, 1, 1, &value));
    assert_false(log_fetch_put(log, small, 1, 1, &value));
    assert_false(log_fetch_put(log, beyond, 1, 1, &value));
    assert_int_not_equal(log_fetch(log, beyond, &record), RECORD_GOOD);
    assert_int_equal(log_fetch(log, nowhere, &record), RECORD_BAD);
    assert_int_equal(log_locate(log, nowhere, path, sizeof path).file_id, 0);
    assert_int_equal(log_record_bytes(log, large), LOG_REF_UNITS_MAX * 8);
}

/** Ends what seems to be another thread's sync, once the test's thread waits for it. */
struct other_sync {
    struct log *log;
    pid_t waiting; /**< thread that waits */
    int failed;    /**< code to latch the log with */
};

/** Whether a thread of this process sleeps, by /proc. */
static bool sleeps(pid_t thread)
{
    char path[64];
    char text[512] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    const char *behind_name = strrchr(text, ')');
    return behind_name != NULL && behind_name[2] == 'S';
}

static void *end_sync(void *context)
{
    struct other_sync *sync = context;
    while (!sleeps(sync->waiting)) {
        (void)usleep(1000);
    }
    os_mutex_lock(sync->log->lock);
    sync->log->syncing = false;
    atomic_store(&sync->log->failed, sync->failed);
    os_condition_wake_all(sync->log->changed);
    os_mutex_unlock(sync->log->lock);
    return NULL;
}

/* A sync waits for one that is at work already; if that fails, so does it. */
static void test_sync_while_another_is_at_work(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    for (int failing = 0; failing < 2; failing++) {
        helper_put(fixture->main, 1, "one");
        struct other_sync sync = {log_of(fixture), gettid(), failing == 0 ? ALEX_OK : ALEX_IO};
        pthread_t thread;
        sync.log->syncing = true;
        assert_int_equal(pthread_create(&thread, NULL, end_sync, &sync), 0);
        int code = alex_sync(fixture->store);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(code, failing == 0 ? ALEX_OK : ALEX_READ_ONLY);
    }
    atomic_store(&log_of(fixture)->failed, ALEX_OK);
}

static int setup(void **state)
{
    faults_install();
    return fixture_directory(state);
}

static int teardown(void **state)
{
    faults_clear();
    int result = fixture_close(state);
    faults_remove();
    return result;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stage_that_is_not_written),
        TEST(test_mark_without_memory),
        TEST(test_latched_meanwhile),
        TEST(test_rolling_without_memory_or_space),
        TEST(test_list_of_segments_without_memory),
        TEST(test_rewriting_fails),
        TEST(test_not_a_page_left),
        TEST(test_no_space_at_all),
        TEST(test_allocation_ends),
        TEST(test_figures_without_allocation),
        TEST(test_thread_without_a_file),
        TEST(test_header_of_another_size),
        TEST(test_references_to_nowhere),
        TEST(test_sync_while_another_is_at_work),
    };
    return cmocka_run_group_tests_name("log corners", tests, NULL, NULL);
}
