/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_prepare.c
 * Space ahead of the writer: what the log's thread and the writer do to the same log, and what a failure in between
 * leaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "recovery/recovery.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

#define SHIFT 16
#define SEGMENT_BYTES_TOTAL ((uint64_t)1 << SHIFT)

static struct os_calls real_calls;

static void pause_ms(long ms)
{
    struct timespec time = {0, ms * 1000000};
    (void)nanosleep(&time, NULL);
}

static void open_small(struct fixture *fixture, bool no_background)
{
    struct alex_options options = {.no_background = no_background};
    struct store_tuning tuning = {.segment_shift = SHIFT};
    ASSERT_OK(store_open_tuned(fixture->path, &options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
}

static void put_filled(alex_table *table, int64_t key, size_t size)
{
    unsigned char value[4096];
    helper_fill(value, size, (uint64_t)key);
    ASSERT_OK(alex_put(table, key, value, size, NULL));
}

static void assert_filled(alex_table *table, int64_t key, size_t size)
{
    unsigned char value[4096];
    size_t got;
    ASSERT_OK(alex_get(table, key, value, sizeof value, &got));
    assert_int_equal(got, size);
    assert_true(helper_is_filled(value, size, (uint64_t)key));
}

/** Segments and prepared ones, as the statistics count them. */
static uint64_t segment_files(const struct fixture *fixture)
{
    struct log_stats stats;
    log_stats(store_log(fixture->store), &stats);
    return stats.segments;
}

/** Opens a copy of the store as a crash at this moment would leave it. */
static void crash_and_reopen(struct fixture *fixture)
{
    char copy[FILES_PATH_MAX];
    files_join(copy, fixture->directory, "copy");
    files_remove(copy);
    files_copy_directory(fixture->path, copy);
    fixture_store_close(fixture);
    memcpy(fixture->path, copy, sizeof copy);
    fixture_store_open(fixture, NULL);
}

/* Values written across many segments are all there, in this process and the next, with and without the log's thread.
 * */
static void test_rollover(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 4000 };
    for (int round = 0; round < 2; round++) {
        files_remove(fixture->path);
        open_small(fixture, round == 1);
        for (int64_t key = 0; key < KEYS; key++) {
            put_filled(fixture->main, key, (size_t)(key % 700));
        }
        struct alex_store_stats stats;
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        assert_true(stats.segments > KEYS * 350 / SEGMENT_BYTES_TOTAL);
        for (int64_t key = 0; key < KEYS; key++) {
            assert_filled(fixture->main, key, (size_t)(key % 700));
        }
        helper_check(fixture->store);
        fixture_reopen(fixture);
        for (int64_t key = 0; key < KEYS; key++) {
            assert_filled(fixture->main, key, (size_t)(key % 700));
        }
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
}

/* A value larger than a segment takes a run of slots, and the log goes on behind it. */
static void test_value_of_many_slots(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, false);
    size_t size = 5 * SEGMENT_BYTES_TOTAL + 12345;
    unsigned char *value = malloc(size);
    for (int64_t key = 0; key < 3; key++) {
        helper_fill(value, size, (uint64_t)key);
        put_filled(fixture->main, 100 + key, 3000);
        ASSERT_OK(alex_put(fixture->main, key, value, size, NULL));
        put_filled(fixture->main, 200 + key, 3000);
    }
    for (int reopened = 0; reopened < 2; reopened++) {
        for (int64_t key = 0; key < 3; key++) {
            size_t got;
            ASSERT_OK(alex_get(fixture->main, key, value, size, &got));
            assert_int_equal(got, size);
            assert_true(helper_is_filled(value, size, (uint64_t)key));
            assert_filled(fixture->main, 100 + key, 3000);
            assert_filled(fixture->main, 200 + key, 3000);
        }
        helper_check(fixture->store);
        fixture_reopen(fixture);
    }
    free(value);
}

/** Fills the first segment so far that nothing but its SEAL is sure to fit behind, `shift` times 8 bytes later or
 *  earlier. Only deletes get that far; puts leave space to them. */
static void fill_segment(struct fixture *fixture, size_t shift)
{
    const struct log_segment *tail = store_log(fixture->store)->tail;
    unsigned char value[64] = {0};
    int64_t key = 0;
    ASSERT_OK(alex_put(fixture->main, -1, value, shift * 8, NULL));
    while (atomic_load(&tail->end) + 200 + SPARE_BYTES + TAIL_RESERVE_BYTES < tail->capacity) {
        ASSERT_OK(alex_put(fixture->main, key++, value, 8, NULL));
    }
    uint64_t delete_bytes = RECORD_HEADER_BYTES + RECORD_PREVIOUS_BYTES;
    while (atomic_load(&tail->end) + delete_bytes + TAIL_RESERVE_BYTES <= tail->capacity) {
        struct alex_op op = {ALEX_OP_DELETE, fixture->main, --key, {NULL, 0}};
        bool is_last = atomic_load(&tail->end) + 2 * delete_bytes + TAIL_RESERVE_BYTES > tail->capacity;
        ASSERT_OK(is_last ? alex_write(fixture->store, &op, 1) : alex_delete(fixture->main, key));
    }
    assert_ptr_equal(store_log(fixture->store)->tail, tail);
    assert_true(tail->capacity - atomic_load(&tail->end) < TAIL_RESERVE_BYTES);
}

/* A log that ends anywhere near the end of its segment can be opened and written on, whether it was closed or not. */
static void test_resume_near_segment_end(void **state)
{
    struct fixture *fixture = *state;
    for (size_t round = 0; round < 10; round++) {
        files_remove(fixture->path);
        open_small(fixture, true);
        fill_segment(fixture, round / 2);
        if (round % 2 == 0) {
            fixture_reopen(fixture);
        } else {
            crash_and_reopen(fixture);
        }
        for (int reopened = 0; reopened < 2; reopened++) {
            for (int64_t key = 2000; key < 2100; key++) {
                put_filled(fixture->main, key, 1000);
            }
            helper_check(fixture->store);
            fixture_reopen(fixture);
            for (int64_t key = 2000; key < 2100; key++) {
                assert_filled(fixture->main, key, 1000);
            }
        }
        fixture_store_close(fixture);
        files_join(fixture->path, fixture->directory, "store");
    }
}

/** Writes until the log's thread has a segment ready behind the tail. */
static int64_t write_until_prepared(struct fixture *fixture)
{
    int64_t key = 0;
    for (uint64_t before = segment_files(fixture); segment_files(fixture) == before; key++) {
        assert_true(key < 100000);
        put_filled(fixture->main, key, 100);
        pause_ms(1);
    }
    return key;
}

/* After a failed attempt to take a segment off the manifest nothing more is written, and all that was is there when the
 * store is opened again. */
static void test_failed_discard_of_prepared_segment(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, false);
    int64_t keys = write_until_prepared(fixture);

    /* Too large for the prepared segment, which is discarded. The manifest is renamed, and the sync of the directory
     * behind it fails: it is not known which one a power cut would leave. */
    size_t size = 2 * SEGMENT_BYTES_TOTAL;
    unsigned char *value = calloc(1, size);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FSYNC), .first = 2});
    ASSERT_CODE(ALEX_IO, alex_put(fixture->main, -1, value, size, NULL));
    assert_int_equal(faults_struck(), 1);
    faults_clear();
    free(value);

    ASSERT_CODE(ALEX_READ_ONLY, alex_put(fixture->main, keys, "x", 1, NULL));
    ASSERT_CODE(ALEX_READ_ONLY, alex_sync(fixture->store));
    assert_int_equal(alex_close(fixture->store), ALEX_IO);
    fixture_store_open(fixture, NULL);
    for (int64_t key = 0; key < keys; key++) {
        assert_filled(fixture->main, key, 100);
    }
}

/* Making a segment may fail any number of times without using up address space: the disk may have room again one day.
 * */
static void test_failed_segments_give_their_slots_back(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, true);
    const struct log_space *space = &store_log(fixture->store)->space;
    unsigned char value[4096] = {0};
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true});
    int code;
    do {
        code = alex_put(fixture->main, 1, value, sizeof value, NULL);
    } while (code == ALEX_OK);
    assert_int_equal(code, ALEX_NO_SPACE);
    uint32_t used = space->regions[0].used;
    for (int i = 0; i < 100; i++) {
        ASSERT_CODE(ALEX_NO_SPACE, alex_put(fixture->main, 1, value, sizeof value, NULL));
    }
    assert_int_equal(space->regions[0].used, used);
    assert_int_equal(space->region_count, 1);
    faults_clear();
    ASSERT_OK(alex_put(fixture->main, 1, value, sizeof value, NULL));
}

static void *(*thread_run)(void *context);
static _Atomic bool thread_may_run;

static void *run_when_told(void *context)
{
    while (!atomic_load(&thread_may_run)) {
        pause_ms(1);
    }
    return thread_run(context);
}

static int create_waiting(void *(*run)(void *), void *context, void *out_thread)
{
    thread_run = run;
    return real_calls.thread_create(run_when_told, context, out_thread);
}

/** Lets the log's thread do what it was woken for. */
static void let_thread_work(struct fixture *fixture)
{
    struct log *log = store_log(fixture->store);
    atomic_store(&thread_may_run, true);
    for (bool is_due = true; is_due; pause_ms(1)) {
        os_mutex_lock(log->lock);
        is_due = log->work_due;
        os_mutex_unlock(log->lock);
    }
}

/* A value that doesn't fit into the segment of a reopened store can be written once what it lacked is there, also if
 * the log's thread comes between the attempts. */
static void test_failed_rollover_of_resumed_tail(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, false);
    put_filled(fixture->main, 1, 100);
    fixture_store_close(fixture);
    open_small(fixture, false);
    size_t size = 2 * SEGMENT_BYTES_TOTAL;
    unsigned char *value = malloc(size);
    helper_fill(value, size, 2);
    /* The first write opens the new manifest and, twice, the directory; then comes the next segment. */
    faults_set(
        &(struct faults_plan){.calls = FAULTS_SET(FAULTS_OPEN), .first = 4, .for_good = true, .os_errno = EMFILE});
    real_calls = os_calls;
    os_calls.thread_create = create_waiting;
    for (int i = 0; i < 2; i++) {
        ASSERT_CODE(ALEX_IO, alex_put(fixture->main, 2, value, size, NULL));
    }
    os_calls = real_calls;
    assert_false(store_log(fixture->store)->untouched);
    assert_true(faults_struck() >= 2);
    let_thread_work(fixture);
    faults_clear();
    ASSERT_OK(alex_put(fixture->main, 2, value, size, NULL));
    for (int reopened = 0; reopened < 2; reopened++) {
        size_t got;
        ASSERT_OK(alex_get(fixture->main, 2, value, size, &got));
        assert_int_equal(got, size);
        assert_true(helper_is_filled(value, size, 2));
        assert_filled(fixture->main, 1, 100);
        fixture_reopen(fixture);
    }
    free(value);
}

static const struct log *watched;
static bool closed_while_named; /* a file was closed that a segment still named as its own */

static int watching_close(int fd)
{
    for (size_t i = 0; i < watched->segment_count; i++) {
        closed_while_named = closed_while_named || watched->segments[i]->fd == fd;
    }
    return real_calls.close(fd);
}

/* A segment's file is forgotten before it is closed: a child forked in between would close what has its number next.
 * */
static void test_files_are_forgotten_first(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, true);
    for (int64_t key = 0; key < 100; key++) {
        put_filled(fixture->main, key, 4000);
    }
    watched = store_log(fixture->store);
    assert_true(watched->segment_count > 3 && watched->segments[0]->fd != -1);
    real_calls = os_calls;
    os_calls.close = watching_close;
    int code = alex_sync(fixture->store);
    os_calls = real_calls;
    ASSERT_OK(code);
    assert_int_equal(watched->segments[0]->fd, -1);
    assert_false(closed_while_named);
}

/* --- a thread that is slow to make a segment while the store is closed */

static _Atomic bool in_open; /* the log's thread is about to make a segment */
static _Atomic bool closing; /* the store is being closed */
static _Atomic int renames;  /* of manifests, since then */
static _Atomic int clean_at; /* the first of them that said that the store is clean */

static int slow_open(const char *path, int flags, mode_t mode)
{
    size_t length = strlen(path);
    if ((flags & O_CREAT) != 0 && strcmp(path + length - 4, ".log") == 0 && strcmp(path + length - 5, "1.log") != 0) {
        atomic_store(&in_open, true);
        while (!atomic_load(&closing)) {
            pause_ms(1);
        }
        pause_ms(100); /* until the close waits for this thread */
    }
    return real_calls.open(path, flags, mode);
}

static int noting_rename(const char *from, const char *to)
{
    if (atomic_load(&closing)) {
        unsigned char flags;
        int fd = open(from, O_RDONLY);
        int number = atomic_fetch_add(&renames, 1) + 1;
        if (fd != -1 && pread(fd, &flags, 1, 60) == 1 && (flags & 1) != 0 && atomic_load(&clean_at) == 0) {
            atomic_store(&clean_at, number);
        }
        (void)close(fd);
    }
    return real_calls.rename(from, to);
}

/* A manifest that the log's thread writes while the store is being closed does not call the store clean. */
static void test_thread_writes_no_clean_manifest(void **state)
{
    struct fixture *fixture = *state;
    real_calls = os_calls;
    os_calls.open = slow_open;
    os_calls.rename = noting_rename;
    open_small(fixture, false);
    for (int64_t key = 0; !atomic_load(&in_open); key++) {
        assert_true(key < 600);
        put_filled(fixture->main, key, 100);
        pause_ms(1);
    }
    atomic_store(&closing, true);
    fixture_store_close(fixture);
    os_calls = real_calls;
    assert_int_equal(atomic_load(&renames), 2);
    assert_int_equal(atomic_load(&clean_at), 2);
    fixture_store_open(fixture, NULL);
    struct alex_open_report report;
    alex_store_open_report(fixture->store, &report);
    assert_true(report.clean);
}

static _Atomic int fsyncs;

/** The first sync of a directory fails, once the writer has had time to wait for what it belongs to. */
static int first_fsync_fails(int fd)
{
    if (atomic_fetch_add(&fsyncs, 1) > 0) {
        return real_calls.fsync(fd);
    }
    pause_ms(100);
    errno = EIO;
    return -1;
}

/* A sync that fails in the log's thread is not made again by a write that has waited for it: it would succeed, and a
 * manifest be written of files whose names are on no disk. */
static void test_failed_sync_of_the_thread(void **state)
{
    struct fixture *fixture = *state;
    unsigned char value[100] = {0};
    open_small(fixture, false);
    real_calls = os_calls;
    os_calls.fsync = first_fsync_fails;
    int code = ALEX_OK;
    int64_t keys = 0;
    for (; code == ALEX_OK; keys++) {
        if (atomic_load(&fsyncs) == 0) {
            pause_ms(1); /* for the log's thread to be first */
        }
        code = alex_put(fixture->main, keys, value, sizeof value, NULL);
    }
    os_calls = real_calls;
    assert_int_equal(code, ALEX_READ_ONLY);
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    fixture->store = NULL;
    assert_int_equal(atomic_load(&fsyncs), 1);
    fixture_store_open(fixture, NULL);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, keys - 1));
    ASSERT_OK(alex_exists(fixture->main, keys - 2));
}

/* Once a sync has failed the log's thread makes no segment any more, though it was woken for one. */
static void test_thread_after_a_failure(void **state)
{
    struct fixture *fixture = *state;
    unsigned char value[1000] = {0};
    real_calls = os_calls;
    os_calls.thread_create = create_waiting;
    atomic_store(&thread_may_run, false);
    open_small(fixture, false);
    uint64_t segments = segment_files(fixture);
    for (int64_t key = 0; key < 40; key++) {
        ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
    }
    assert_true(store_log(fixture->store)->work_due);
    assert_int_equal(segment_files(fixture), segments);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    ASSERT_CODE(ALEX_IO, alex_sync(fixture->store));
    let_thread_work(fixture);
    os_calls = real_calls;
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store)); /* which waits for the thread */
    fixture->store = NULL;
    assert_int_equal(faults_count(FAULTS_FDATASYNC), 1);
    assert_int_equal(faults_count(FAULTS_FSYNC), 0);
    faults_clear();
    fixture_store_open(fixture, NULL);
    assert_int_equal(segment_files(fixture), segments);
}

/* Closing takes away the segment that was prepared and not used, from the directory and from the manifest. */
static void test_close_removes_prepared_segment(void **state)
{
    struct fixture *fixture = *state;
    open_small(fixture, false);
    int64_t keys = write_until_prepared(fixture);
    fixture_store_close(fixture);
    char(*names)[32];
    size_t count = files_list_segments(fixture->path, &names);
    free(names);
    struct manifest manifest;
    ASSERT_OK(manifest_read(fixture->path, &manifest, NULL));
    assert_int_equal(manifest.segment_count, count);
    manifest_release(&manifest);
    fixture_store_open(fixture, NULL);
    for (int64_t key = 0; key < keys; key++) {
        assert_filled(fixture->main, key, 100);
    }
}

/* Without its thread, for want of one or by choice, the log does the same work within the writes. */
static void test_no_thread(void **state)
{
    struct fixture *fixture = *state;
    size_t threads = helper_thread_count(); /* sanitizers have one of their own */
    for (int round = 0; round < 2; round++) {
        files_remove(fixture->path);
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_THREAD_CREATE), .first = 1, .for_good = true});
        open_small(fixture, round == 1);
        for (int64_t key = 0; key < 2000; key++) {
            put_filled(fixture->main, key, 100);
        }
        assert_int_equal(helper_thread_count(), threads);
        assert_true(round == 1 ? faults_seen() == 0 : faults_seen() > 0);
        faults_clear();
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
}

static int setup(void **state)
{
    faults_prefer_memory();
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
        TEST(test_rollover),
        TEST(test_value_of_many_slots),
        TEST(test_resume_near_segment_end),
        TEST(test_failed_discard_of_prepared_segment),
        TEST(test_failed_segments_give_their_slots_back),
        TEST(test_failed_rollover_of_resumed_tail),
        TEST(test_files_are_forgotten_first),
        TEST(test_thread_writes_no_clean_manifest),
        TEST(test_failed_sync_of_the_thread),
        TEST(test_thread_after_a_failure),
        TEST(test_close_removes_prepared_segment),
        TEST(test_no_thread),
    };
    return cmocka_run_group_tests_name("log prepare", tests, NULL, NULL);
}
