/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_durability.c
 * When writes are durable: which calls sync and how often, what a failing sync leaves, and options that don't go
 * together. What is on disk after a power cut is tests/crash.
 */
#include <errno.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { WAIT_MS_MAX = 20000 };

static void open_with(struct fixture *fixture, enum alex_durability durability, bool no_background)
{
    struct store_tuning tuning = {.segment_shift = 16};
    struct alex_options options = {.durability = durability, .no_background = no_background};
    ASSERT_OK(store_open_tuned(fixture->path, &options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
}

static void count_anew(void)
{
    faults_set(&(struct faults_plan){0});
}

static uint64_t syncs(void)
{
    return faults_count(FAULTS_FDATASYNC);
}

/** Every kind of write, by number; each is one commit. */
enum {
    WRITE_PUT,
    WRITE_ABSENT,
    WRITE_RESERVED,
    WRITE_DELETE,
    WRITE_BATCH,
    WRITE_LOAD,
    WRITE_TABLE,
    WRITE_DROP,
    WRITES
};

static int write_once(struct fixture *fixture, int way)
{
    struct alex_op ops[2] = {{ALEX_OP_PUT, fixture->main, 2, {"new", 3}},
                             {ALEX_OP_DELETE, fixture->main, 1, {NULL, 0}}};
    alex_loader *loader = NULL;
    alex_table *table;
    void *buffer;
    int code;
    switch (way) {
    case WRITE_PUT:
        return alex_put(fixture->main, 2, "new", 3, NULL);
    case WRITE_ABSENT:
        return alex_put_if_absent(fixture->main, 2, "new", 3);
    case WRITE_RESERVED:
        ASSERT_OK(alex_put_reserve(fixture->main, 2, 3, &buffer));
        memcpy(buffer, "new", 3);
        return alex_put_commit(fixture->main, NULL);
    case WRITE_DELETE:
        return alex_delete(fixture->main, 1);
    case WRITE_BATCH:
        return alex_write(fixture->store, ops, 2);
    case WRITE_LOAD:
        ASSERT_OK(alex_loader_open(fixture->main, &loader));
        ASSERT_OK(alex_loader_add(loader, 2, "new", 3));
        ASSERT_OK(alex_loader_add(loader, 1, "other", 5));
        code = alex_loader_commit(loader, NULL, NULL);
        alex_loader_close(loader);
        return code;
    case WRITE_TABLE:
        return alex_table_open(fixture->store, "made", NULL, &table);
    default:
        return alex_table_drop(fixture->store, "kept");
    }
}

/** What is there before write_once(). */
static void prepare(struct fixture *fixture)
{
    helper_put(fixture->main, 1, "old");
    (void)helper_table(fixture->store, "kept", ALEX_KEYS_DEFAULT);
}

static void assert_not_written(struct fixture *fixture)
{
    alex_table *table;
    struct alex_table_options there = {.mode = ALEX_MUST_EXIST};
    ASSERT_VALUE(fixture->main, 1, "old");
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_OK(alex_table_open(fixture->store, "kept", &there, &table));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "made", &there, &table));
}

/* On commit: each write syncs the file once, and its record is in the file when the call returns. */
static void test_on_commit_each_write_syncs_once(void **state)
{
    struct fixture *fixture = *state;
    for (int way = 0; way < WRITES; way++) {
        files_remove(fixture->path);
        open_with(fixture, ALEX_DURABLE_ON_COMMIT, true);
        prepare(fixture);
        count_anew();
        ASSERT_OK(write_once(fixture, way));
        assert_int_equal(syncs(), 1);
        const struct log *log = store_log(fixture->store);
        assert_int_equal(log_position_compare(log->durable, log_end(log)), 0);
        count_anew();
        ASSERT_OK(alex_sync(fixture->store));
        assert_int_equal(syncs(), 0); /* nothing is left to sync */
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
}

/* On sync: no write syncs anything. */
static void test_on_sync_no_write_syncs(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, ALEX_DURABLE_ON_SYNC, true);
    prepare(fixture);
    count_anew();
    for (int way = 0; way < WRITES; way++) {
        int code = write_once(fixture, way);
        assert_true(code == ALEX_OK || code == ALEX_EXISTS);
    }
    assert_int_equal(syncs(), 0);
    ASSERT_OK(alex_sync(fixture->store));
    assert_int_equal(syncs(), 1);
}

/* On commit, a write whose sync fails is taken back, and the store takes no more; reads go on, and after reopening all
 * that was acknowledged is there. */
static void test_failed_sync_takes_the_write_back(void **state)
{
    struct fixture *fixture = *state;
    for (int way = 0; way < WRITES; way++) {
        struct alex_error error;
        files_remove(fixture->path);
        open_with(fixture, ALEX_DURABLE_ON_COMMIT, true);
        prepare(fixture);
        alex_txn *txn = helper_begin(fixture->store);
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
        ASSERT_CODE(ALEX_IO, write_once(fixture, way));
        alex_store_error(fixture->store, &error);
        assert_int_equal(error.os_errno, EIO);
        assert_not_written(fixture);
        ASSERT_CODE(ALEX_READ_ONLY, alex_put(fixture->main, 3, "more", 4, NULL));
        ASSERT_CODE(ALEX_READ_ONLY, alex_sync(fixture->store));
        assert_int_equal(syncs(), 1); /* not tried again */
        ASSERT_TXN_VALUE(txn, fixture->main, 1, "old");
        ASSERT_OK(alex_end(txn));
        ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
        fixture->store = NULL;
        faults_clear();
        open_with(fixture, ALEX_DURABLE_ON_COMMIT, true);
        /* Whether the write itself is there is not promised; what was acknowledged before is, unless it replaced it. */
        int code = alex_exists(fixture->main, 1);
        assert_true(code == ALEX_OK || way == WRITE_DELETE || way == WRITE_BATCH);
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
}

/* After a failed sync a store takes no more writes until it is reopened; reads go on, and the sync is not repeated. */
static void test_failed_sync_latches(void **state)
{
    struct fixture *fixture = *state;
    struct alex_op op;
    struct alex_error error;
    alex_loader *loader = NULL;
    alex_table *table = NULL;
    void *buffer = NULL;

    open_with(fixture, ALEX_DURABLE_ON_SYNC, true);
    helper_put(fixture->main, 1, "one");
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    ASSERT_CODE(ALEX_IO, alex_sync(fixture->store));
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_IO);
    assert_int_equal(error.os_errno, EIO);
    op = (struct alex_op){ALEX_OP_PUT, fixture->main, 2, {"x", 1}};
    ASSERT_CODE(ALEX_READ_ONLY, alex_put(fixture->main, 2, "x", 1, NULL));
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_if_absent(fixture->main, 2, "x", 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_reserve(fixture->main, 2, 1, &buffer));
    ASSERT_CODE(ALEX_READ_ONLY, alex_delete(fixture->main, 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_write(fixture->store, &op, 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_READ_ONLY, alex_table_open(fixture->store, "new", NULL, &table));
    ASSERT_CODE(ALEX_READ_ONLY, alex_sync(fixture->store));
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    assert_int_equal(syncs(), 1); /* not tried again */
    fixture->store = NULL;
    faults_clear();
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 2, "two");
}

/* A close that could not make the end durable says so; the store is gone all the same, and opens as after a crash. */
static void test_failed_close(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;

    open_with(fixture, ALEX_DURABLE_ON_SYNC, true);
    helper_put(fixture->main, 1, "one");
    faults_set(&(struct faults_plan){.calls = FAULTS_EVERYTHING, .first = 1, .for_good = true, .os_errno = EIO});
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    faults_clear();
    fixture->store = NULL;
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_false(report.clean);
    ASSERT_VALUE(fixture->main, 1, "one");
}

/* On commit, the disk is full: the write says so, nothing is latched, and deletes still work. */
static void test_full_disk_on_commit(void **state)
{
    struct fixture *fixture = *state;
    static unsigned char value[30000];
    open_with(fixture, ALEX_DURABLE_ON_COMMIT, true);
    prepare(fixture);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .for_good = true});
    int code = ALEX_OK;
    for (int64_t key = 10; code == ALEX_OK; key++) {
        code = alex_put(fixture->main, key, value, sizeof value, NULL);
    }
    assert_int_equal(code, ALEX_NO_SPACE);
    ASSERT_OK(alex_delete(fixture->main, 1));
    faults_clear();
    ASSERT_OK(alex_put(fixture->main, 1, value, sizeof value, NULL));
    helper_check(fixture->store);
}

/* A batch larger than the stage is written in pieces and synced once; a record larger than it too. */
static void test_large_commits(void **state)
{
    enum { COUNT = 40, SIZE = 100000, LARGE = 5000000 };
    struct fixture *fixture = *state;
    static unsigned char values[COUNT][SIZE];
    static unsigned char large[LARGE];
    static unsigned char found[LARGE];
    struct alex_op ops[COUNT];
    struct alex_options options = {.durability = ALEX_DURABLE_ON_COMMIT};
    fixture_store_open(fixture, &options);
    for (size_t i = 0; i < COUNT; i++) {
        helper_fill(values[i], SIZE, i);
        ops[i] = (struct alex_op){ALEX_OP_PUT, fixture->main, (int64_t)i, {values[i], SIZE}};
    }
    helper_fill(large, LARGE, 77);
    count_anew();
    ASSERT_OK(alex_write(fixture->store, ops, COUNT));
    assert_in_range(faults_count(FAULTS_PWRITE), 2, COUNT);
    assert_int_equal(syncs(), 1);
    ASSERT_OK(alex_put(fixture->main, 1000, large, LARGE, NULL));
    assert_int_equal(syncs(), 2);
    assert_in_range(store_log(fixture->store)->stage_bytes, 0, 1 << 20);
    for (int opened = 0; opened < 2; opened++) {
        size_t size;
        for (size_t i = 0; i < COUNT; i++) {
            ASSERT_OK(alex_get(fixture->main, (int64_t)i, found, sizeof found, &size));
            assert_true(size == SIZE && helper_is_filled(found, size, i));
        }
        ASSERT_OK(alex_get(fixture->main, 1000, found, sizeof found, &size));
        assert_true(size == LARGE && helper_is_filled(found, size, 77));
        helper_check(fixture->store);
        fixture_store_close(fixture);
        fixture_store_open(fixture, NULL);
    }
}

enum { LARGER_THAN_STAGE = 3 << 20 };

static int write_large_batch(struct fixture *fixture, const void *value)
{
    struct alex_op ops[] = {{ALEX_OP_PUT, fixture->main, 1, {value, LARGER_THAN_STAGE}},
                            {ALEX_OP_PUT, fixture->main, 2, {"x", 1}}};
    return alex_write(fixture->store, ops, 2);
}

static int load_large(struct fixture *fixture, const void *value)
{
    alex_loader *loader;
    int result = alex_loader_open(fixture->main, &loader);
    if (result != ALEX_OK) {
        return result;
    }
    result = alex_loader_add(loader, 1, value, LARGER_THAN_STAGE);
    if (result == ALEX_OK) {
        result = alex_loader_commit(loader, NULL, NULL);
    }
    alex_loader_close(loader);
    return result;
}

/* Running out of memory anywhere in a batch or load that is larger than the stage ends that one, and nothing else: for
 * its COMMIT, or for taking it back, there is always memory. */
static void test_no_memory_for_large_commits(void **state)
{
    struct fixture *fixture = *state;
    static int (*const writes[])(struct fixture * fixture, const void *value) = {write_large_batch, load_large};
    unsigned char *value = calloc(1, LARGER_THAN_STAGE);
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        files_remove(fixture->path);
        fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
        bool struck = true;
        for (uint64_t first = 1; struck; first++) {
            faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = first, .for_good = true});
            int result = writes[i](fixture, value);
            struck = faults_struck() > 0;
            faults_clear();
            assert_true(result == ALEX_OK || (struck && result == ALEX_NO_MEMORY));
            helper_put(fixture->main, 3, "goes on");
        }
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
    free(value);
}

/* A sync between a reservation and its commit leaves the reserved memory where it is. */
static void test_sync_during_a_reservation(void **state)
{
    struct fixture *fixture = *state;
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_ON_COMMIT; durability++) {
        void *buffer;
        files_remove(fixture->path);
        open_with(fixture, durability, false);
        helper_put(fixture->main, 1, "before");
        ASSERT_OK(alex_put_reserve(fixture->main, 2, 8, &buffer));
        memcpy(buffer, "res", 3);
        ASSERT_OK(alex_sync(fixture->store));
        memcpy((char *)buffer + 3, "erved", 5);
        ASSERT_OK(alex_put_commit(fixture->main, NULL));
        for (int opened = 0; opened < 2; opened++) {
            ASSERT_VALUE(fixture->main, 1, "before");
            ASSERT_VALUE(fixture->main, 2, "reserved");
            helper_check(fixture->store);
            fixture_reopen(fixture);
        }
        fixture_store_close(fixture);
    }
}

/* A write that fails between a reservation and its commit: the commit says that the store takes no more. */
static void test_failed_write_during_a_reservation(void **state)
{
    struct fixture *fixture = *state;
    void *buffer;
    open_with(fixture, ALEX_DURABLE_ON_COMMIT, true);
    helper_put(fixture->main, 1, "before");
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 8, &buffer)); /* behind a MARK that is staged */
    memcpy(buffer, "reserved", 8);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_PWRITE), .first = 1});
    ASSERT_CODE(ALEX_NO_SPACE, alex_sync(fixture->store));
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_commit(fixture->main, NULL));
    ASSERT_VALUE(fixture->main, 1, "before");
    ASSERT_VALUE(fixture->main, 2, NULL);
    helper_check(fixture->store);
    ASSERT_CODE(ALEX_NO_SPACE, alex_close(fixture->store));
    fixture->store = NULL;
}

/* A check finds nothing wrong while records are staged: with a load or a reservation open, and after a load that was
 * given up. */
static void test_check_with_staged_records(void **state)
{
    struct fixture *fixture = *state;
    for (int without_space = 0; without_space < 2; without_space++) {
        struct faults_plan plan = {.calls = FAULTS_SET(FAULTS_FALLOCATE), .for_good = true, .os_errno = EOPNOTSUPP};
        alex_txn *txn = NULL;
        uint64_t savepoint;
        void *buffer;
        plan.first = (uint64_t)without_space;
        files_remove(fixture->path);
        faults_set(&plan);
        open_with(fixture, ALEX_DURABLE_ON_COMMIT, true);
        helper_put(fixture->main, 1, "one");
        ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
        ASSERT_OK(alex_txn_put(txn, fixture->main, 1, "written", 7, NULL));
        ASSERT_OK(alex_savepoint(txn, &savepoint)); /* so that it is in the stage */
        helper_check(fixture->store);
        ASSERT_OK(alex_end(txn));
        helper_check(fixture->store);
        ASSERT_OK(alex_put_reserve(fixture->main, 5, 100, &buffer));
        helper_check(fixture->store);
        alex_put_cancel(fixture->main);
        helper_check(fixture->store);
        fixture_reopen(fixture);
        ASSERT_VALUE(fixture->main, 1, "one");
        fixture_store_close(fixture);
    }
}

/* Where the making of a store ended before the names of its directory and its manifest were durable, the next opening
 * makes them so. */
static void test_name_of_a_new_store(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error;
    for (int tries = 0; tries < 3; tries++) {
        /* The first try syncs the store's directory before and after the manifest has its name, the others once. */
        static const uint64_t failing[] = {3, 1, 2};
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FSYNC), .first = failing[tries]});
        helper_open_fails(fixture->path, ALEX_IO, &error);
        assert_string_equal(error.path, tries == 1 ? fixture->path : fixture->directory);
    }
    faults_clear();
    fixture_store_open(fixture, NULL);
    fixture_store_close(fixture);
    count_anew();
    fixture_store_open(fixture, NULL);
    assert_int_equal(faults_count(FAULTS_FSYNC), 0);
}

/* Closing makes the file's length durable, also where its records are: before the manifest that says that it is the
 * end. */
static void test_close_syncs_the_length(void **state)
{
    struct fixture *fixture = *state;
    open_with(fixture, ALEX_DURABLE_ON_COMMIT, true);
    helper_put(fixture->main, 1, "one");
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    fixture->store = NULL;
    assert_int_equal(faults_count(FAULTS_FTRUNCATE), 1);
    assert_int_equal(faults_count(FAULTS_OPEN), 0); /* it was no manifest whose sync failed */
    faults_clear();
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "one");
}

/** Waits until the log says that all is durable, or that a sync has failed. */
static void wait_for_sync(const struct log *log, bool fails)
{
    for (int waited = 0; waited < WAIT_MS_MAX; waited++) {
        os_mutex_lock(log->lock);
        bool durable = log_position_compare(log->durable, log_end(log)) == 0;
        os_mutex_unlock(log->lock);
        if (fails ? atomic_load(&log->failed) != ALEX_OK : durable) {
            return;
        }
        (void)usleep(1000);
    }
    fail_msg("no sync in %d ms", WAIT_MS_MAX);
}

/* At intervals: without any call, what was written becomes durable, again and again, over several segments. */
static void test_within_interval(void **state)
{
    enum { ROUNDS = 5, PUTS = 40 };
    struct fixture *fixture = *state;
    static unsigned char value[5000];
    struct store_tuning tuning = {.segment_shift = 16};
    struct alex_options options = {.durability = ALEX_DURABLE_WITHIN_INTERVAL, .sync_interval_ms = 1};
    ASSERT_OK(store_open_tuned(fixture->path, &options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    for (int64_t round = 0; round < ROUNDS; round++) {
        for (int64_t i = 0; i < PUTS; i++) {
            ASSERT_OK(alex_put(fixture->main, round * PUTS + i, value, sizeof value, NULL));
        }
        wait_for_sync(store_log(fixture->store), false);
    }
    assert_true(store_log(fixture->store)->segment_count > 1);
    helper_check(fixture->store);
    fixture_reopen(fixture);
    for (int64_t key = 0; key < ROUNDS * PUTS; key++) {
        ASSERT_OK(alex_exists(fixture->main, key));
    }
}

/* At intervals, a sync that fails latches the store: the next write says so. */
static void test_failed_sync_within_interval(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.durability = ALEX_DURABLE_WITHIN_INTERVAL, .sync_interval_ms = 1};
    fixture_store_open(fixture, &options);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    helper_put(fixture->main, 1, "written");
    wait_for_sync(store_log(fixture->store), true);
    ASSERT_CODE(ALEX_READ_ONLY, alex_put(fixture->main, 2, "more", 4, NULL));
    ASSERT_VALUE(fixture->main, 1, "written");
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    fixture->store = NULL;
    assert_int_equal(syncs(), 1);
    faults_clear();
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "written");
}

/* The thread of syncs that can't be started is an error of the opening, for the promise could not be kept. */
static void test_no_thread_for_intervals(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error = {0};
    struct alex_options options = {.durability = ALEX_DURABLE_WITHIN_INTERVAL, .error = &error};
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_THREAD_CREATE), .first = 1, .for_good = true});
    ASSERT_CODE(ALEX_IO, alex_open(fixture->path, &options, &fixture->store));
    assert_int_equal(error.os_errno, EAGAIN);
    fixture->store = NULL;
    faults_clear();
    fixture_store_open(fixture, &options);
}

/* Options that make no sense are refused, with what to do. */
static void test_options(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error = {0};
    const struct {
        struct alex_options options;
        const char *message;
    } cases[] = {
        {{.durability = 3}, "enum alex_durability"},
        {{.durability = (enum alex_durability) - 1}, "enum alex_durability"},
        {{.sync_interval_ms = 5}, "only with ALEX_DURABLE_WITHIN_INTERVAL"},
        {{.durability = ALEX_DURABLE_ON_COMMIT, .sync_interval_ms = 5}, "only with ALEX_DURABLE_WITHIN_INTERVAL"},
        {{.durability = ALEX_DURABLE_WITHIN_INTERVAL, .sync_interval_ms = 3600001}, "use up to 3600000"},
        {{.durability = ALEX_DURABLE_WITHIN_INTERVAL, .no_background = true}, "leave no_background out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct alex_options options = cases[i].options;
        options.error = &error;
        ASSERT_CODE(ALEX_INVALID, alex_open(fixture->path, &options, &fixture->store));
        assert_non_null(strstr(error.message, cases[i].message));
        assert_false(files_exists(fixture->path));
    }
    struct alex_options longest = {.durability = ALEX_DURABLE_WITHIN_INTERVAL, .sync_interval_ms = 3600000};
    fixture_store_open(fixture, &longest);
    helper_put(fixture->main, 1, "written");
    fixture_store_close(fixture); /* does not wait for the interval's end */
    /* Read-only, durability means nothing, and no thread is started. */
    size_t threads = helper_thread_count();
    struct alex_options read_only = {
        .read_only = true, .durability = ALEX_DURABLE_WITHIN_INTERVAL, .no_background = true};
    fixture_store_open(fixture, &read_only);
    assert_int_equal(helper_thread_count(), threads);
    ASSERT_VALUE(fixture->main, 1, "written");
}

static int install(void **state)
{
    (void)state;
    faults_install();
    return 0;
}

static int uninstall(void **state)
{
    (void)state;
    faults_remove();
    return 0;
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_on_commit_each_write_syncs_once),
        TEST_WITH_DIRECTORY(test_on_sync_no_write_syncs),
        TEST_WITH_DIRECTORY(test_failed_sync_takes_the_write_back),
        TEST_WITH_DIRECTORY(test_failed_sync_latches),
        TEST_WITH_DIRECTORY(test_failed_close),
        TEST_WITH_DIRECTORY(test_full_disk_on_commit),
        TEST_WITH_DIRECTORY(test_large_commits),
        TEST_WITH_DIRECTORY(test_no_memory_for_large_commits),
        TEST_WITH_DIRECTORY(test_sync_during_a_reservation),
        TEST_WITH_DIRECTORY(test_failed_write_during_a_reservation),
        TEST_WITH_DIRECTORY(test_check_with_staged_records),
        TEST_WITH_DIRECTORY(test_name_of_a_new_store),
        TEST_WITH_DIRECTORY(test_close_syncs_the_length),
        TEST_WITH_DIRECTORY(test_within_interval),
        TEST_WITH_DIRECTORY(test_failed_sync_within_interval),
        TEST_WITH_DIRECTORY(test_no_thread_for_intervals),
        TEST_WITH_DIRECTORY(test_options),
    };
    return cmocka_run_group_tests_name("durability", tests, install, uninstall);
}
