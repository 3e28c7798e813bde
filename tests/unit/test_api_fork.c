/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_fork.c
 * Forked children of a process that has a store open: they read it as it was, and change nothing of it.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FINDS_LEAKS 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FINDS_LEAKS 1
#endif
#ifdef FINDS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

/** Seconds after which a child that waits for something is taken for one that waits for ever. */
enum { CHILD_SECONDS = 60, KEYS = 40 };

/** What a parent has open when it forks. */
struct family {
    struct fixture *fixture;
    alex_txn *txn;
    alex_cursor *cursor;
    alex_loader *loader;
    alex_table *other;
    int64_t parent_id;
};

/** Opens the fixture's store with threads at work, and fills it. */
static void open_and_fill(struct family *family, struct fixture *fixture, enum alex_durability durability)
{
    static unsigned char value[4000];
    struct store_tuning tuning = {.segment_shift = 16};
    struct alex_options options = {.durability = durability};
    files_remove(fixture->path);
    ASSERT_OK(store_open_tuned(fixture->path, &options, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    *family = (struct family){.fixture = fixture, .parent_id = getpid()};
    for (int64_t key = 0; key < KEYS; key++) {
        helper_fill(value, sizeof value, (uint64_t)key);
        ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
    }
    family->other = helper_table(fixture->store, "other", ALEX_KEYS_UNSIGNED);
    helper_put(family->other, 1, "one");
    assert_true(helper_thread_count() > 1);
}

/** Runs a child while the log's lock is held, as its thread may hold it at a fork, and asserts that no byte of the
 *  store's files changes. */
static void run_child(struct family *family, int (*body)(void *context))
{
    struct log *log = store_log(family->fixture->store);
    os_mutex_lock(log->lock);
    while (log->preparing) { /* a file of the log, without the lock */
        os_condition_wait(log->changed, log->lock);
    }
    uint64_t before = files_fingerprint(family->fixture->path, "LOCK"); /* to close that here would unlock it */
    int result = helper_in_child(body, family);
    uint64_t after = files_fingerprint(family->fixture->path, "LOCK");
    os_mutex_unlock(log->lock);
    assert_int_equal(result, 0);
    assert_int_equal(after, before);
}

/** Asserts that the parent's store is whole and goes on. */
static void assert_goes_on(const struct family *family)
{
    struct fixture *fixture = family->fixture;
    static unsigned char value[4000];
    for (int64_t key = 0; key < KEYS; key++) {
        size_t size;
        ASSERT_OK(alex_get(fixture->main, key, value, sizeof value, &size));
        assert_true(helper_is_filled(value, size, (uint64_t)key));
    }
    helper_put(fixture->main, KEYS + 1, "after the child");
    helper_check(fixture->store);
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, KEYS + 1, "after the child");
    ASSERT_VALUE(fixture->main, KEYS + 2, NULL);
    helper_check(fixture->store);
}

/* A process in which forks can't be watched for opens no store: it could not keep a child from writing. First of all
 * tests, as they are watched for from the first opening on. */
static void test_no_watch(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error;
    faults_install();
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ATFORK), .first = 1});
    helper_open_fails(fixture->path, ALEX_NO_MEMORY, &error);
    assert_int_equal(faults_struck(), 1);
    faults_remove();
    fixture_store_open(fixture, NULL);
}

/* ------------------------------------------------------------------------------------------------ reads */

static int read_all(void *context)
{
    struct family *family = context;
    struct fixture *fixture = family->fixture;
    static unsigned char value[4000];
    struct alex_entry entry;
    struct alex_slice slice;
    struct alex_store_stats stats;
    uint64_t count;
    size_t size;
    (void)alarm(CHILD_SECONDS);
    for (int64_t key = 0; key < KEYS; key++) {
        ASSERT_OK(alex_get(fixture->main, key, value, sizeof value, &size));
        CHILD_REQUIRE(helper_is_filled(value, size, (uint64_t)key));
        ASSERT_OK(alex_txn_get(family->txn, fixture->main, key, &slice));
        CHILD_REQUIRE(helper_is_filled(slice.data, slice.size, (uint64_t)key));
        ASSERT_OK(alex_cursor_next(family->cursor, &entry));
        CHILD_REQUIRE(entry.key == key);
    }
    ASSERT_OK(alex_txn_count(family->txn, fixture->main, NULL, &count));
    CHILD_REQUIRE(count == KEYS);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    CHILD_REQUIRE(stats.keys == KEYS + 1 && stats.open_txns == 1 && stats.segments > 1);
    helper_check(fixture->store);
    alex_cursor_close(family->cursor);
    ASSERT_OK(alex_end(family->txn));
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_TXN_VALUE(txn, family->other, 1, "one");
    ASSERT_OK(alex_end(txn));
    return 0;
}

/* A child goes on reading, also in what was open at the fork, whatever the parent's threads held then. */
static void test_reads(void **state)
{
    struct family family;
    open_and_fill(&family, *state, ALEX_DURABLE_ON_SYNC);
    family.txn = helper_begin(family.fixture->store);
    ASSERT_OK(alex_cursor_open(family.txn, family.fixture->main, NULL, &family.cursor));
    run_child(&family, read_all);
    alex_cursor_close(family.cursor);
    ASSERT_OK(alex_end(family.txn));
    assert_goes_on(&family);
}

/* ------------------------------------------------------------------------------------------------ writes */

/** Asserts that a write was refused, for its being a child's. */
static void assert_refused(const struct family *family, int code)
{
    struct alex_error error;
    char process[64];
    alex_store_error(family->fixture->store, &error);
    (void)snprintf(process, sizeof process, "process %lld has the store open", (long long)family->parent_id);
    CHILD_REQUIRE(code == ALEX_READ_ONLY && error.code == ALEX_READ_ONLY);
    CHILD_REQUIRE(strstr(error.message, process) != NULL);
}

static int write_all(void *context)
{
    struct family *family = context;
    struct fixture *fixture = family->fixture;
    struct alex_op op = {ALEX_OP_PUT, fixture->main, KEYS + 2, {"x", 1}};
    alex_loader *loader = NULL;
    alex_table *table = NULL;
    void *buffer = NULL;
    (void)alarm(CHILD_SECONDS);
    if (family->loader != NULL) {
        assert_refused(family, alex_loader_add(family->loader, 1, "child", 5));
        alex_loader_close(family->loader);
    }
    if (alex_put_commit(fixture->main, NULL) != ALEX_INVALID) { /* what the parent has reserved */
        assert_refused(family, ALEX_READ_ONLY);
    }
    assert_refused(family, alex_put(fixture->main, KEYS + 2, "x", 1, NULL));
    assert_refused(family, alex_put_if_absent(fixture->main, KEYS + 2, "x", 1));
    assert_refused(family, alex_put_reserve(fixture->main, KEYS + 2, 1, &buffer));
    assert_refused(family, alex_delete(fixture->main, 1));
    assert_refused(family, alex_write(fixture->store, &op, 1));
    assert_refused(family, alex_loader_open(fixture->main, &loader));
    assert_refused(family, alex_table_open(fixture->store, "new", NULL, &table));
    assert_refused(family, alex_table_drop(fixture->store, "other"));
    assert_refused(family, alex_sync(fixture->store));
    CHILD_REQUIRE(alex_exists(fixture->main, KEYS + 2) == ALEX_NOT_FOUND);
    helper_check(fixture->store);
    return 0;
}

/* A child's writes are refused, with the parent's process id, and change nothing: with records on their way to the
 * files as well, of a load and of a reservation. */
static void test_writes(void **state)
{
    static const enum alex_durability durabilities[] = {ALEX_DURABLE_ON_SYNC, ALEX_DURABLE_ON_COMMIT};
    for (size_t i = 0; i < 2; i++) {
        struct family family;
        void *buffer;
        open_and_fill(&family, *state, ALEX_DURABLE_ON_SYNC);
        if (durabilities[i] == ALEX_DURABLE_ON_COMMIT) {
            fixture_store_close(family.fixture);
            fixture_store_open(family.fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
            helper_put(family.fixture->main, KEYS + 1, "staged");
        }
        run_child(&family, write_all);
        ASSERT_OK(alex_loader_open(family.fixture->main, &family.loader));
        ASSERT_OK(alex_loader_add(family.loader, 500, "parent", 6));
        run_child(&family, write_all);
        ASSERT_OK(alex_loader_add(family.loader, 501, "parent", 6));
        ASSERT_OK(alex_loader_commit(family.loader, NULL, NULL));
        alex_loader_close(family.loader);
        family.loader = NULL;
        ASSERT_OK(alex_put_reserve(family.fixture->main, 502, 6, &buffer));
        memcpy(buffer, "parent", 6);
        run_child(&family, write_all);
        ASSERT_OK(alex_put_commit(family.fixture->main, NULL));
        for (int64_t key = 500; key <= 502; key++) {
            ASSERT_VALUE(family.fixture->main, key, "parent");
        }
        assert_goes_on(&family);
        fixture_store_close(family.fixture);
    }
}

static int commit_load(void *context)
{
    struct family *family = context;
    assert_refused(family, alex_loader_commit(family->loader, NULL, NULL));
    alex_loader_close(family->loader);
    CHILD_REQUIRE(alex_exists(family->fixture->main, 500) == ALEX_NOT_FOUND);
    helper_check(family->fixture->store);
    return 0;
}

/* A load that the parent has begun is not the child's to commit. */
static void test_load(void **state)
{
    struct family family;
    open_and_fill(&family, *state, ALEX_DURABLE_ON_SYNC);
    ASSERT_OK(alex_loader_open(family.fixture->main, &family.loader));
    ASSERT_OK(alex_loader_add(family.loader, 500, "parent", 6));
    run_child(&family, commit_load);
    ASSERT_OK(alex_loader_commit(family.loader, NULL, NULL));
    alex_loader_close(family.loader);
    ASSERT_VALUE(family.fixture->main, 500, "parent");
    assert_goes_on(&family);
}

/* ------------------------------------------------------------------------------------------------ closing */

static int close_store(void *context)
{
    struct family *family = context;
    (void)alarm(CHILD_SECONDS);
    CHILD_REQUIRE(alex_close(family->fixture->store) == (family->txn != NULL ? ALEX_BUSY : ALEX_OK));
    if (family->txn != NULL) {
        ASSERT_OK(alex_end(family->txn));
        ASSERT_OK(alex_close(family->fixture->store));
    }
#ifdef FINDS_LEAKS
    family->fixture->store = NULL;
    CHILD_REQUIRE(__lsan_do_recoverable_leak_check() == 0);
#endif
    return 0;
}

static int find_locked(void *context)
{
    struct family *family = context;
    struct alex_error error = {0};
    struct alex_options options = {.error = &error};
    alex_store *store = NULL;
    char process[64];
    CHILD_REQUIRE(alex_open(family->fixture->path, &options, &store) == ALEX_LOCKED);
    (void)snprintf(process, sizeof process, "open in process %lld;", (long long)family->parent_id);
    CHILD_REQUIRE(strstr(error.message, process) != NULL);
    return 0;
}

/* A close in a child frees its memory, waits for nothing, and leaves files, lock and threads to the parent. */
static void test_close(void **state)
{
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_WITHIN_INTERVAL;
         durability++) {
        struct family family;
        open_and_fill(&family, *state, durability);
        size_t threads = helper_thread_count();
        run_child(&family, close_store);
        helper_put(family.fixture->main, 600, "deleted");
        (void)helper_table(family.fixture->store, "dropped", ALEX_KEYS_SIGNED);
        family.txn = helper_begin(family.fixture->store);
        ASSERT_OK(
            alex_delete(family.fixture->main, 600)); /* what the transaction holds back ends with the child, too */
        ASSERT_OK(alex_table_drop(family.fixture->store, "dropped"));
        run_child(&family, close_store);
        ASSERT_OK(alex_end(family.txn));
        assert_int_equal(helper_thread_count(), threads);
        run_child(&family, find_locked);
        assert_goes_on(&family);
        fixture_store_close(family.fixture);
    }
}

/* ------------------------------------------------------------------------------------------------ opening */

static int open_other_store(void *context)
{
    struct family *family = context;
    struct fixture other = *family->fixture;
    (void)alarm(CHILD_SECONDS);
    files_join(other.path, other.directory, "other store");
    fixture_store_open(&other, NULL);
    helper_put(other.main, 1, "child");
    (void)helper_table(other.store, "other", ALEX_KEYS_SIGNED);
    ASSERT_OK(alex_close(family->fixture->store)); /* has nothing to do with it */
    fixture_reopen(&other);
    ASSERT_VALUE(other.main, 1, "child");
    helper_check(other.store);
    struct family own = {.fixture = &other, .parent_id = getpid()};
    CHILD_REQUIRE(helper_in_child(write_all, &own) == 0); /* a grandchild's parent is the child */
    fixture_store_close(&other);
    return 0;
}

/* A child finds its parent's store locked, by the parent; another store it opens, writes and closes as anyone does. */
static void test_open(void **state)
{
    struct family family;
    open_and_fill(&family, *state, ALEX_DURABLE_ON_SYNC);
    run_child(&family, find_locked);
    run_child(&family, open_other_store);
    run_child(&family, find_locked);
    assert_goes_on(&family);
}

static void signal_other(int end)
{
    CHILD_REQUIRE(write(end, "x", 1) == 1);
}

static void wait_for_other(int end)
{
    char byte;
    CHILD_REQUIRE(read(end, &byte, 1) == 1);
}

/** Waits until the parent has closed the store, then opens it beside the handle that the fork gave. */
static int take_over(struct family *family, int to_parent, int from_parent)
{
    struct fixture own = *family->fixture;
    (void)alarm(CHILD_SECONDS);
    CHILD_REQUIRE(find_locked(family) == 0);
    signal_other(to_parent);
    wait_for_other(from_parent);
    fixture_store_open(&own, NULL);
    helper_put(own.main, KEYS + 2, "child");
    ASSERT_VALUE(own.main, KEYS + 2, "child");
    CHILD_REQUIRE(alex_exists(family->fixture->main, KEYS + 2) == ALEX_NOT_FOUND);
    family->parent_id = getpid();
    CHILD_REQUIRE(helper_in_child(find_locked, family) == 0);
    ASSERT_OK(alex_close(family->fixture->store));
    CHILD_REQUIRE(helper_in_child(find_locked, family) == 0); /* the close of the parent's left the own lock */
    fixture_store_close(&own);
    return 0;
}

static int close_and_hand_over(void *context)
{
    struct family *family = context;
    int to_child[2];
    int to_parent[2];
    int status;
    family->parent_id = getpid();
    fixture_store_open(family->fixture, NULL);
    helper_put(family->fixture->main, 1, "parent");
    CHILD_REQUIRE(pipe(to_child) == 0 && pipe(to_parent) == 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(take_over(family, to_parent[1], to_child[0]));
    }
    CHILD_REQUIRE(child > 0);
    (void)alarm(CHILD_SECONDS);
    wait_for_other(to_parent[0]);
    fixture_store_close(family->fixture);
    signal_other(to_child[1]);
    CHILD_REQUIRE(waitpid(child, &status, 0) == child);
    CHILD_REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    fixture_store_open(family->fixture, NULL);
    ASSERT_VALUE(family->fixture->main, 1, "parent");
    ASSERT_VALUE(family->fixture->main, KEYS + 2, "child");
    helper_check(family->fixture->store);
    return 0;
}

/* Once the parent has closed its store the child may open it, and its lock holds whatever becomes of the handle that
 * the fork gave it. */
static void test_take_over(void **state)
{
    struct family family = {.fixture = *state};
    assert_int_equal(helper_in_child(close_and_hand_over, &family), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_no_watch),  TEST_WITH_DIRECTORY(test_reads), TEST_WITH_DIRECTORY(test_writes),
        TEST_WITH_DIRECTORY(test_load),      TEST_WITH_DIRECTORY(test_close), TEST_WITH_DIRECTORY(test_open),
        TEST_WITH_DIRECTORY(test_take_over),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
