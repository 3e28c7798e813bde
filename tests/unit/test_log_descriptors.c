/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_descriptors.c
 * A store of more files than a process may have open: they are mapped, and their descriptors closed.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "log/log_internal.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum {
    VALUES = 60,         /**< each in a segment of its own */
    VALUE_BYTES = 40000, /**< more than half of a segment */
    FEW = 6,             /**< descriptors that a store takes at most at a time, however many files it has */
};

static const struct store_tuning small_segments = {.segment_shift = 16};
static const struct alex_options no_threads = {.no_background = true};

static void put(alex_store *store, int64_t key)
{
    unsigned char value[VALUE_BYTES];
    helper_fill(value, sizeof value, (uint64_t)key);
    CHILD_REQUIRE(alex_put(alex_main_table(store), key, value, sizeof value, NULL) == ALEX_OK);
}

/** Reads what was put as the keys from 0 to `count` - 1, and checks the whole store. */
static void require_values(alex_store *store, int64_t count)
{
    unsigned char value[VALUE_BYTES];
    size_t size;
    struct alex_check_report report;
    for (int64_t key = 0; key < count; key++) {
        CHILD_REQUIRE(alex_get(alex_main_table(store), key, value, sizeof value, &size) == ALEX_OK);
        CHILD_REQUIRE(size == VALUE_BYTES && helper_is_filled(value, size, (uint64_t)key));
    }
    CHILD_REQUIRE(alex_check(store, NULL, NULL, &report) == ALEX_OK);
    CHILD_REQUIRE(report.findings == 0);
}

/** Puts all values, without a sync, and ends without a close. */
static int put_all(void *context)
{
    const struct fixture *fixture = context;
    alex_store *store;
    CHILD_REQUIRE(store_open_tuned(fixture->path, &no_threads, &small_segments, &store) == ALEX_OK);
    for (int64_t key = 0; key < VALUES; key++) {
        put(store, key);
    }
    return 0;
}

/** Makes a store of VALUES files or more, whose last use has ended or not. */
static void make_store(struct fixture *fixture, bool ended)
{
    assert_int_equal(helper_in_child(put_all, fixture), 0);
    char(*names)[32];
    assert_true(files_list_segments(fixture->path, &names) >= VALUES);
    free(names);
    if (ended) {
        fixture_store_open(fixture, &no_threads);
        fixture_store_close(fixture);
    }
}

/** Leaves this process only a few descriptors. */
static void leave_few(void)
{
    struct rlimit limit = {helper_descriptor_count() + FEW, helper_descriptor_count() + FEW};
    CHILD_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static int use_read_only(void *context)
{
    const struct fixture *fixture = context;
    struct alex_options options = {.read_only = true, .no_background = true};
    alex_store *store;
    leave_few();
    CHILD_REQUIRE(alex_open(fixture->path, &options, &store) == ALEX_OK);
    require_values(store, VALUES);
    CHILD_REQUIRE(alex_close(store) == ALEX_OK);
    return 0;
}

static int use_for_writing(void *context)
{
    const struct fixture *fixture = context;
    alex_store *store;
    leave_few();
    CHILD_REQUIRE(alex_open(fixture->path, &no_threads, &store) == ALEX_OK);
    for (int64_t key = VALUES; key < 2 * VALUES; key++) {
        put(store, key);
        CHILD_REQUIRE(alex_sync(store) == ALEX_OK);
    }
    require_values(store, 2 * VALUES);
    CHILD_REQUIRE(alex_close(store) == ALEX_OK);
    return 0;
}

static int salvage(void *context)
{
    const struct fixture *fixture = context;
    struct alex_salvage_report report;
    leave_few();
    CHILD_REQUIRE(alex_salvage(fixture->path, NULL, NULL, NULL, &report, NULL) == ALEX_OK);
    CHILD_REQUIRE(report.keys == VALUES);
    return 0;
}

/* A store with more files than the process may open is read, checked and salvaged. */
static void test_reading(void **state)
{
    struct fixture *fixture = *state;
    for (int ended = 0; ended < 2; ended++) {
        files_remove(fixture->path);
        make_store(fixture, ended == 1);
        assert_int_equal(helper_in_child(use_read_only, fixture), 0);
        assert_int_equal(helper_in_child(salvage, fixture), 0);
    }
}

/* It is written to, also where none of it was synced and all of it is written anew. */
static void test_writing(void **state)
{
    struct fixture *fixture = *state;
    for (int ended = 0; ended < 2; ended++) {
        files_remove(fixture->path);
        make_store(fixture, ended == 1);
        assert_int_equal(helper_in_child(use_for_writing, fixture), 0);
    }
}

/** Writes many segments without ever asking for a sync. @param unsynced  files that may be open */
static int write_unsynced(const struct fixture *fixture, const struct alex_options *options, int unsynced)
{
    alex_store *store;
    struct rlimit limit;
    CHILD_REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = helper_descriptor_count() + (rlim_t)unsynced + FEW;
    CHILD_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_REQUIRE(store_open_tuned(fixture->path, options, &small_segments, &store) == ALEX_OK);
    for (int64_t key = 0; key < 5 * UNSYNCED_SEGMENTS_MAX; key++) {
        put(store, key);
    }
    require_values(store, 5 * UNSYNCED_SEGMENTS_MAX);
    CHILD_REQUIRE(alex_close(store) == ALEX_OK);
    return 0;
}

static int write_unsynced_alone(void *context)
{
    return write_unsynced(context, &no_threads, UNSYNCED_SEGMENTS_MAX);
}

static int write_unsynced_with_thread(void *context)
{
    return write_unsynced(context, NULL, 2 * UNSYNCED_SEGMENTS_MAX);
}

/* A store that is never synced keeps so many files open and no more, with the log's thread and without. */
static void test_writing_without_syncs(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(helper_in_child(write_unsynced_alone, fixture), 0);
    files_remove(fixture->path);
    assert_int_equal(helper_in_child(write_unsynced_with_thread, fixture), 0);
}

/* Its log is cut and goes on in a new file. */
static void test_writing_behind_a_cut(void **state)
{
    struct fixture *fixture = *state;
    struct files_record last;
    make_store(fixture, false);
    files_last_record(fixture->path, &last);
    files_patch(last.path, last.end, "torn", 4);
    assert_int_equal(helper_in_child(use_for_writing, fixture), 0);
}

/** Opens the store with each opening of a file failing in turn. @return how many there are */
static uint64_t fail_opens(struct fixture *fixture)
{
    for (uint64_t nth = 1;; nth++) {
        struct alex_error error = {0};
        struct alex_options options = {.no_background = true, .error = &error};
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_OPEN), .first = nth, .os_errno = EMFILE});
        int code = alex_open(fixture->path, &options, &fixture->store);
        bool struck = faults_struck() > 0;
        faults_clear();
        if (code == ALEX_OK) {
            ASSERT_OK(alex_close(fixture->store));
            fixture->store = NULL;
        }
        if (!struck) {
            ASSERT_OK(code);
            return nth - 1;
        }
        ASSERT_CODE(ALEX_IO, code);
        assert_int_equal(error.os_errno, EMFILE);
        assert_non_null(strstr(error.path, fixture->path));
    }
}

/* A file that can't be opened again after it was mapped is an error that names it, and the store is as it was. */
static void test_open_again_fails(void **state)
{
    struct fixture *fixture = *state;
    faults_install();
    for (int way = 0; way < 3; way++) {
        files_remove(fixture->path);
        make_store(fixture, way == 0);
        if (way == 2) {
            struct files_record last;
            files_last_record(fixture->path, &last);
            files_patch(last.path, last.end, "torn", 4);
        }
        assert_true(fail_opens(fixture) > VALUES);
        fixture_store_open(fixture, &no_threads);
        require_values(fixture->store, VALUES);
        fixture_store_close(fixture);
    }
    faults_remove();
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_reading),
        TEST_WITH_DIRECTORY(test_writing),
        TEST_WITH_DIRECTORY(test_writing_without_syncs),
        TEST_WITH_DIRECTORY(test_writing_behind_a_cut),
        TEST_WITH_DIRECTORY(test_open_again_fails),
    };
    return cmocka_run_group_tests_name("log descriptors", tests, NULL, NULL);
}
