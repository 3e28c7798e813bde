/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_fork.c
 * Forked children of a process that has a store open: they read it as it was, and change nothing of it.
 */
#include <pthread.h>
#include <stdatomic.h>
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

/* ------------------------------------------------------------------------------------------ a parent that writes */

/** Pairs of keys, 2 i and 2 i + 1, that have the same value at each moment, or none. */
enum { PAIRS = 300, FORKS = 150, WRITERS = 2 };

struct full_speed {
    struct fixture *fixture;
    alex_txn *old; /**< begun before the writers, and read by children */
    atomic_bool done;
    atomic_uint written;
    atomic_uint failed;
};

#ifdef BASE_INTERRUPTS
static pthread_t forking_thread;

/** Holds a writer up in the middle of a change, so that most forks would come there. */
static void hold_writer_up(void)
{
    if (!pthread_equal(pthread_self(), forking_thread)) {
        (void)usleep(20);
    }
}
#endif

/** Writes and deletes pairs until it is told to end: each time one of the two that it isn't now, so that nodes change.
 * */
static void *write_pairs(void *context)
{
    struct full_speed *speed = context;
    alex_table *table = speed->fixture->main;
    struct helper_random random = {1};
    bool is_there[PAIRS] = {false};
    for (uint64_t number = 0; !atomic_load(&speed->done); number++) {
        uint64_t pair = helper_random_below(&random, PAIRS);
        int64_t first = 1000 + 2 * (int64_t)pair;
        struct alex_op ops[2];
        is_there[pair] = !is_there[pair];
        for (int64_t i = 0; i < 2; i++) {
            enum alex_op_kind kind = is_there[pair] ? ALEX_OP_PUT : ALEX_OP_DELETE;
            ops[i] = (struct alex_op){kind, table, first + i, {&number, kind == ALEX_OP_PUT ? sizeof number : 0}};
        }
        if (alex_write(speed->fixture->store, ops, 2) != ALEX_OK) {
            (void)atomic_fetch_add(&speed->failed, 1);
        }
        (void)atomic_fetch_add(&speed->written, 1);
    }
    return NULL;
}

static int end_at_once(void *context)
{
    (void)context;
    return 0;
}

/** Reads the store as it was at the fork: each pair belongs together, in a scan and in gets. */
static int read_pairs(void *context)
{
    const struct full_speed *speed = context;
    alex_table *table = speed->fixture->main;
    alex_txn *txn;
    alex_cursor *cursor;
    struct alex_entry entry;
    struct alex_range range = {.has_first = true, .first = 1000};
    uint64_t seen = 0;
    uint64_t count;
    (void)alarm(CHILD_SECONDS);
    CHILD_REQUIRE(alex_begin(speed->fixture->store, ALEX_READ, &txn) == ALEX_OK);
    CHILD_REQUIRE(alex_cursor_open(txn, table, &range, &cursor) == ALEX_OK);
    int64_t key = 0;
    uint64_t number = 0;
    for (int code = alex_cursor_first(cursor, &entry); code == ALEX_OK; code = alex_cursor_next(cursor, &entry)) {
        uint64_t its;
        size_t size;
        CHILD_REQUIRE(entry.value.size == sizeof its);
        memcpy(&its, entry.value.data, sizeof its);
        CHILD_REQUIRE(seen % 2 == 0 || (entry.key == key + 1 && its == number));
        key = entry.key;
        number = its;
        seen++;
        CHILD_REQUIRE(alex_get(table, key, &its, sizeof its, &size) == ALEX_OK && its == number);
    }
    CHILD_REQUIRE(alex_txn_count(txn, table, &range, &count) == ALEX_OK && count == seen && seen % 2 == 0);
    CHILD_REQUIRE(alex_put(table, 1, "x", 1, NULL) == ALEX_READ_ONLY);
    alex_cursor_close(cursor);
    CHILD_REQUIRE(alex_end(txn) == ALEX_OK);
    CHILD_REQUIRE(alex_txn_count(speed->old, table, &range, &count) == ALEX_OK && count == 0);
    CHILD_REQUIRE(alex_txn_count(speed->old, table, NULL, &count) == ALEX_OK && count == KEYS);
    CHILD_REQUIRE(alex_end(speed->old) == ALEX_OK);
    CHILD_REQUIRE(helper_in_child(end_at_once, NULL) == 0);
    CHILD_REQUIRE(alex_close(speed->fixture->store) == ALEX_OK);
    return 0;
}

/* Children forked while other threads write at full speed find no write, and no node of an index, half done; and a
 * snapshot that was open before as it was. */
static void test_fork_beside_writers(void **state)
{
    struct fixture *fixture = *state;
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_ON_COMMIT; durability++) {
        struct family family;
        pthread_t threads[WRITERS];
        char path[FILES_PATH_MAX];
        alex_store *idle;
        open_and_fill(&family, fixture, durability);
        files_join(path, fixture->directory, "idle");
        ASSERT_OK(alex_open(path, NULL, &idle));
        struct full_speed speed = {.fixture = fixture, .old = helper_begin(fixture->store)};
#ifdef BASE_INTERRUPTS
        forking_thread = pthread_self();
        base_interrupt = hold_writer_up;
#endif
        for (int i = 0; i < WRITERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, write_pairs, &speed), 0);
        }
        for (int i = 0; i < FORKS; i++) {
            unsigned before = atomic_load(&speed.written);
            while (atomic_load(&speed.written) == before) { /* it is at full speed again */
                (void)usleep(50);
            }
            (void)usleep((useconds_t)i % 50 * 10); /* anywhere in a write */
            assert_int_equal(helper_in_child(read_pairs, &speed), 0);
        }
        atomic_store(&speed.done, true);
        for (int i = 0; i < WRITERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
#ifdef BASE_INTERRUPTS
        base_interrupt = NULL;
#endif
        assert_int_equal(atomic_load(&speed.failed), 0);
        ASSERT_OK(alex_end(speed.old));
        helper_check(fixture->store);
        fixture_store_close(fixture);
        helper_put(alex_main_table(idle), 1, "kept waiting by no fork any more");
        ASSERT_OK(alex_close(idle));
    }
}

/** What a handler of forks does that was there before any store was opened, so that the store's own comes first. */
static struct {
    alex_table *writes; /**< to this table; NULL: nothing */
    int result;
} handler;

static void handle_fork(void)
{
    if (handler.writes != NULL) {
        handler.result = alex_put(handler.writes, 2, "handler", 7, NULL);
    }
}

/* A handler of forks that writes while writers are kept out is told so, and doesn't wait for itself. */
static void test_write_in_a_handler(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, NULL);
    handler.writes = fixture->main;
    assert_int_equal(helper_in_child(end_at_once, NULL), 0);
    handler.writes = NULL;
    ASSERT_CODE(ALEX_BUSY, handler.result);
    helper_put(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
}

static int fork_once(void *context, const struct alex_finding *finding)
{
    (void)finding;
    struct family *family = context;
    assert_int_equal(helper_in_child(end_at_once, NULL), 0);
    family->parent_id = 0;
    return 0;
}

/* A fork from within a visit of a check, which keeps writers out itself, waits for nothing. */
static void test_fork_within_a_check(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct alex_check_report report;
    struct family family = {.parent_id = getpid()};
    fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
    helper_put(fixture->main, 1, "damaged");
    files_last_record(fixture->path, &record);
    files_flip_bit(record.path, record.offset + RECORD_HEADER_BYTES, 0);
    ASSERT_OK(alex_check(fixture->store, fork_once, &family, &report));
    assert_int_equal(family.parent_id, 0); /* it was visited */
    files_flip_bit(record.path, record.offset + RECORD_HEADER_BYTES, 0);
    helper_put(fixture->main, 2, "goes on");
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

static void *begin_there(void *context)
{
    struct family *family = context;
    family->txn = helper_begin(family->fixture->store);
    return NULL;
}

static int close_beside_transaction(void *context)
{
    struct family *family = context;
    (void)alarm(CHILD_SECONDS);
    ASSERT_OK(alex_close(family->fixture->store));
    return 0;
}

/* What another thread of the parent has open keeps no child from closing the store: nobody could end it there. */
static void test_close_beside_other_threads(void **state)
{
    struct family family;
    pthread_t thread;
    void *buffer;
    open_and_fill(&family, *state, ALEX_DURABLE_ON_SYNC);
    assert_int_equal(pthread_create(&thread, NULL, begin_there, &family), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    run_child(&family, close_beside_transaction);
    ASSERT_CODE(ALEX_BUSY, alex_close(family.fixture->store));
    ASSERT_OK(alex_end(family.txn));
    ASSERT_OK(alex_put_reserve(family.fixture->main, 1, 1, &buffer));
    run_child(&family, close_beside_transaction);
    alex_put_cancel(family.fixture->main);
    assert_goes_on(&family);
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
    (void)pthread_atfork(handle_fork, NULL, NULL);
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_no_watch),
        TEST_WITH_DIRECTORY(test_reads),
        TEST_WITH_DIRECTORY(test_writes),
        TEST_WITH_DIRECTORY(test_load),
        TEST_WITH_DIRECTORY(test_close),
        TEST_WITH_DIRECTORY(test_close_beside_other_threads),
        TEST_WITH_DIRECTORY(test_open),
        TEST_WITH_DIRECTORY(test_take_over),
        TEST_WITH_DIRECTORY(test_fork_beside_writers),
        TEST_WITH_DIRECTORY(test_fork_within_a_check),
        TEST_WITH_DIRECTORY(test_write_in_a_handler),
    };
    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
