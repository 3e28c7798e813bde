/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_faults.c
 * One scenario, run once for every system call and every allocation in it, which then fails: the call that needed it
 * says so, has no effect, and nothing that was acknowledged is lost.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "os/os.h"
#include "store/store.h"
#include "support/model.h"
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

/* ------------------------------------------------------------------------------------------------ faults */

/** What fails, and when. Shared with the children that run the scenario. */
struct fault {
    uint64_t passes; /**< calls that succeed first */
    int os_errno;    /**< what the next one fails with; 0: an allocation fails */
    bool for_ever;   /**< all after it fail too */
    bool armed;
    bool hit;
    bool hit_memory; /**< a mapping failed, which is always for want of memory */
    char call[16];   /**< the first that failed */
};

static struct fault *fault;
static struct os_calls real;

static bool fails_now(const char *call)
{
    if (!fault->armed || (fault->hit && !fault->for_ever)) {
        return false;
    }
    if (!fault->hit && fault->passes > 0) {
        fault->passes--;
        return false;
    }
    if (!fault->hit) {
        snprintf(fault->call, sizeof fault->call, "%s", call);
    }
    fault->hit = true;
    errno = fault->os_errno;
    return true;
}

static bool call_fails(const char *call)
{
    return fault->os_errno != 0 && fails_now(call);
}

static bool allocation_fails(void)
{
    return fault->os_errno == 0 && fails_now("malloc");
}

/** Mappings fail with ENOMEM whatever else fails. */
static bool mapping_fails(const char *call)
{
    bool fails = call_fails(call);
    if (fails) {
        fault->hit_memory = true;
        errno = ENOMEM;
    }
    return fails;
}

#define FAULTY(type, failure, fails, name, parameters, ...)       \
    static type faulty_##name parameters                          \
    {                                                             \
        return fails(#name) ? (failure) : real.name(__VA_ARGS__); \
    }

FAULTY(int, -1, call_fails, open, (const char *path, int flags, mode_t mode), path, flags, mode)
FAULTY(ssize_t, -1, call_fails, pread, (int fd, void *buffer, size_t size, off_t offset), fd, buffer, size, offset)
FAULTY(ssize_t, -1, call_fails, pwrite, (int fd, const void *buffer, size_t size, off_t offset), fd, buffer, size,
       offset)
FAULTY(int, -1, call_fails, fstat, (int fd, struct stat *out), fd, out)
FAULTY(int, -1, call_fails, fallocate, (int fd, int mode, off_t offset, off_t length), fd, mode, offset, length)
FAULTY(int, -1, call_fails, ftruncate, (int fd, off_t length), fd, length)
FAULTY(int, -1, call_fails, rename, (const char *from, const char *to), from, to)
FAULTY(int, -1, call_fails, unlink, (const char *path), path)
FAULTY(int, -1, call_fails, mkdir, (const char *path, mode_t mode), path, mode)
FAULTY(void *, MAP_FAILED, mapping_fails, mmap,
       (void *address, size_t bytes, int protection, int flags, int fd, off_t offset), address, bytes, protection,
       flags, fd, offset)
FAULTY(int, -1, mapping_fails, mprotect, (void *address, size_t bytes, int protection), address, bytes, protection)
FAULTY(int, -1, mapping_fails, madvise, (void *address, size_t bytes, int advice), address, bytes, advice)

/** No test here survives a power cut, so a sync that succeeds does nothing. */
static int faulty_sync(int fd)
{
    (void)fd;
    return call_fails("fsync") ? -1 : 0;
}

static int install(void **state)
{
    (void)state;
    fault = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fault == MAP_FAILED) {
        return -1;
    }
    real = os_calls;
    os_calls.open = faulty_open;
    os_calls.pread = faulty_pread;
    os_calls.pwrite = faulty_pwrite;
    os_calls.fstat = faulty_fstat;
    os_calls.fallocate = faulty_fallocate;
    os_calls.ftruncate = faulty_ftruncate;
    os_calls.fdatasync = faulty_sync;
    os_calls.fsync = faulty_sync;
    os_calls.rename = faulty_rename;
    os_calls.unlink = faulty_unlink;
    os_calls.mkdir = faulty_mkdir;
    os_calls.mmap = faulty_mmap;
    os_calls.mprotect = faulty_mprotect;
    os_calls.madvise = faulty_madvise;
    base_alloc_fails = allocation_fails;
    return 0;
}

static int uninstall(void **state)
{
    (void)state;
    os_calls = real;
    base_alloc_fails = NULL;
    return munmap(fault, sizeof *fault);
}

/* ------------------------------------------------------------------------------------------------ the scenario */

enum { KEYS = 60, VALUE_MAX = 5000 };

/** The scenario's state: what was acknowledged. */
struct scenario {
    struct fixture *fixture;
    struct model_table main;
    struct model_table other;
    bool has_other;
    alex_table *table; /**< "other" */
};

/** Ends the child that runs the scenario. */
_Noreturn static void scenario_fail(const char *what, int code, int line)
{
    char text[128];
    snprintf(text, sizeof text, "%s (%s)", what, alex_code_name(code));
    helper_child_failed(text, __FILE__, line);
}

/** Whether a call succeeded; where it failed, the fault must be why, and the store must tell. */
static bool succeeded(const struct scenario *scenario, const char *what, int code)
{
    if (code == ALEX_OK) {
        return true;
    }
    int expected = fault->os_errno == 0 ? ALEX_NO_MEMORY : os_code(fault->os_errno);
    bool is_memory = code == ALEX_NO_MEMORY && fault->hit_memory;
    if (!fault->hit || (code != expected && code != ALEX_READ_ONLY && !is_memory)) {
        scenario_fail(what, code, __LINE__);
    }
    struct alex_error error = {0};
    if (scenario->fixture->store != NULL) {
        alex_store_error(scenario->fixture->store, &error);
        if (error.code != code || error.message[0] == '\0') {
            scenario_fail("no detail", code, __LINE__);
        }
    }
    return false;
}

static size_t size_of(int64_t key)
{
    return (size_t)key * 977 % VALUE_MAX;
}

static void do_puts(struct scenario *scenario, int64_t first, int64_t last, uint64_t seed)
{
    static unsigned char value[VALUE_MAX];
    for (int64_t key = first; key < last; key++) {
        bool replaced = false;
        helper_fill(value, size_of(key), seed);
        if (succeeded(scenario, "alex_put", alex_put(scenario->fixture->main, key, value, size_of(key), &replaced))) {
            bool there = model_put(&scenario->main, key, seed, size_of(key));
            CHILD_REQUIRE(replaced == there);
        }
    }
}

static void do_reservation(struct scenario *scenario, int64_t key)
{
    void *buffer = NULL;
    if (succeeded(scenario, "alex_put_reserve", alex_put_reserve(scenario->fixture->main, key, 3000, &buffer))) {
        helper_fill(buffer, 3000, 9);
        if (succeeded(scenario, "alex_put_commit", alex_put_commit(scenario->fixture->main, NULL))) {
            model_put(&scenario->main, key, 9, 3000);
        }
    }
}

static void do_batch(struct scenario *scenario)
{
    enum { COUNT = 30 };
    static unsigned char value[VALUE_MAX];
    struct alex_op ops[COUNT];
    helper_fill(value, sizeof value, 3);
    for (int64_t i = 0; i < COUNT; i++) {
        bool deletes = i % 5 == 4;
        ops[i] = (struct alex_op){deletes ? ALEX_OP_DELETE : ALEX_OP_PUT,
                                  scenario->fixture->main,
                                  i * 3,
                                  {deletes ? NULL : value, deletes ? 0 : 2000}};
    }
    if (succeeded(scenario, "alex_write", alex_write(scenario->fixture->store, ops, COUNT))) {
        for (int i = 0; i < COUNT; i++) {
            if (ops[i].kind == ALEX_OP_PUT) {
                model_put(&scenario->main, ops[i].key, 3, 2000);
            } else {
                model_delete(&scenario->main, ops[i].key);
            }
        }
    }
}

static void do_load(struct scenario *scenario)
{
    static unsigned char value[VALUE_MAX];
    alex_loader *loader = NULL;
    struct model_table loaded;
    if (!succeeded(scenario, "alex_loader_open", alex_loader_open(scenario->fixture->main, &loader))) {
        return;
    }
    model_copy(&scenario->main, &loaded);
    helper_fill(value, sizeof value, 4);
    bool good = true;
    for (int64_t key = 40; key < 120 && good; key++) {
        good = succeeded(scenario, "alex_loader_add", alex_loader_add(loader, key, value, 1000));
        model_put(&loaded, key, 4, 1000);
    }
    if (good && succeeded(scenario, "alex_loader_commit", alex_loader_commit(loader, NULL, NULL))) {
        model_release(&scenario->main);
        scenario->main = loaded;
    } else {
        model_release(&loaded);
    }
    alex_loader_close(loader);
}

static void do_other_table(struct scenario *scenario)
{
    struct alex_table_options options = {.key_order = ALEX_KEYS_UNSIGNED};
    scenario->table = NULL;
    int code = alex_table_open(scenario->fixture->store, "other", &options, &scenario->table);
    if (!succeeded(scenario, "alex_table_open", code)) {
        CHILD_REQUIRE(scenario->table == NULL);
        return;
    }
    scenario->has_other = true;
    scenario->other.is_unsigned = true;
    for (int64_t key = -5; key < 5; key++) {
        if (succeeded(scenario, "alex_put", alex_put(scenario->table, key, NULL, 0, NULL))) {
            model_put(&scenario->other, key, 0, 0);
        }
    }
}

static void do_deletes(struct scenario *scenario)
{
    for (int64_t key = 0; key < KEYS; key += 7) {
        if (model_find(&scenario->main, key) != NULL &&
            succeeded(scenario, "alex_delete", alex_delete(scenario->fixture->main, key))) {
            model_delete(&scenario->main, key);
        }
    }
}

static void compare_table(alex_txn *txn, alex_table *table, const struct model_table *model)
{
    uint64_t count = 0;
    ASSERT_OK(alex_txn_count(txn, table, NULL, &count));
    if (count != model->count) {
        scenario_fail("another number of keys than acknowledged", ALEX_OK, __LINE__);
    }
    for (size_t i = 0; i < model->count; i++) {
        struct alex_slice slice;
        int code = alex_txn_get(txn, table, model->entries[i].key, &slice);
        if (code != ALEX_OK || slice.size != model->entries[i].size ||
            !helper_is_filled(slice.data, slice.size, model->entries[i].seed)) {
            scenario_fail("not the value that was acknowledged", code, __LINE__);
        }
    }
}

/** All that was acknowledged is there, and nothing else; without faults. */
static void compare(struct scenario *scenario)
{
    struct fixture *fixture = scenario->fixture;
    struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
    alex_table *other = NULL;
    bool armed = fault->armed;
    fault->armed = false;
    alex_txn *txn = helper_begin(fixture->store);
    compare_table(txn, fixture->main, &scenario->main);
    int code = alex_table_open(fixture->store, "other", &existing, &other);
    if (code != (scenario->has_other ? ALEX_OK : ALEX_NOT_FOUND)) {
        scenario_fail("not the tables that were acknowledged", code, __LINE__);
    }
    if (scenario->has_other) {
        compare_table(txn, other, &scenario->other);
    }
    ASSERT_OK(alex_end(txn));
    helper_check(fixture->store);
    fault->armed = armed;
}

static bool open_store(struct scenario *scenario)
{
    struct fixture *fixture = scenario->fixture;
    struct store_tuning tuning = {.segment_shift = 16};
    struct alex_error error = {0};
    struct alex_options options = {.error = &error, .no_background = true};
    alex_store *store = NULL;
    int code = store_open_tuned(fixture->path, &options, &tuning, &store);
    if (!succeeded(scenario, "alex_open", code)) {
        CHILD_REQUIRE(store == NULL);
        CHILD_REQUIRE(error.code == code);
        CHILD_REQUIRE(error.message[0] != '\0');
        return false;
    }
    fixture->store = store;
    fixture->main = alex_main_table(store);
    return true;
}

static void close_store(struct scenario *scenario)
{
    alex_store *store = scenario->fixture->store;
    scenario->fixture->store = NULL;
    succeeded(scenario, "alex_close", alex_close(store));
}

static void run_with_faults(struct scenario *scenario)
{
    if (!open_store(scenario)) {
        return;
    }
    do_puts(scenario, 0, KEYS, 1);
    do_puts(scenario, 10, 30, 2);
    compare(scenario);
    do_other_table(scenario);
    do_batch(scenario);
    compare(scenario);
    succeeded(scenario, "alex_sync", alex_sync(scenario->fixture->store));
    do_load(scenario);
    do_reservation(scenario, 5);
    do_deletes(scenario);
    compare(scenario);
    if (scenario->has_other &&
        succeeded(scenario, "alex_table_drop", alex_table_drop(scenario->fixture->store, "other"))) {
        scenario->has_other = false;
        model_release(&scenario->other);
    }
    compare(scenario);
    close_store(scenario);
    if (open_store(scenario)) {
        do_puts(scenario, 200, 220, 5);
        do_load(scenario);
        compare(scenario);
        close_store(scenario);
    }
}

/* Leak detection in every child takes its time: there, every third call has to do. */
#ifdef BASE_SANITIZED
#define STEP 3
#else
#define STEP 1
#endif

/** What a child that ran the scenario ends with. */
enum { FAULT_HIT = 0, NOT_SO_MANY_CALLS = 1, LEAKED = 98 };

static int run_once(void *context)
{
    struct fixture *fixture = context;
    struct scenario scenario = {.fixture = fixture};
    fault->hit = false;
    fault->hit_memory = false;
    fault->armed = true;
    run_with_faults(&scenario);
    fault->armed = false;
    bool hit = fault->hit;
    fault->hit = false;
    if (open_store(&scenario)) {
        compare(&scenario);
        do_puts(&scenario, 300, 310, 6);
        close_store(&scenario);
    }
    if (open_store(&scenario)) {
        compare(&scenario);
        close_store(&scenario);
    }
    model_release(&scenario.main);
    model_release(&scenario.other);
#ifdef FINDS_LEAKS
    if (__lsan_do_recoverable_leak_check() != 0) {
        return LEAKED;
    }
#endif
    return hit ? FAULT_HIT : NOT_SO_MANY_CALLS;
}

/** Runs the scenario with a fault at the first call, at the second, and so on, each in a child, until there are no
 * more. */
static void sweep(struct fixture *fixture, int os_errno, bool for_ever, uint64_t least)
{
    uint64_t passes = 0;
    int result = FAULT_HIT;
    fault->os_errno = os_errno;
    fault->for_ever = for_ever;
    while (result == FAULT_HIT) {
        fault->passes = passes;
        result = helper_in_child(run_once, fixture);
        fault->armed = false;
        if (result != FAULT_HIT && result != NOT_SO_MANY_CALLS) {
            fail_msg("after %llu calls %s fails%s with errno %d: %s", (unsigned long long)passes, fault->call,
                     for_ever ? ", and all after it," : "", os_errno,
                     result == LEAKED ? "memory leaks"
                     : result < 0     ? "a crash"
                                      : "see above");
        }
        files_remove(fixture->path);
        passes += STEP;
    }
    assert_true(passes >= least); /* the faults did reach the calls */
}

/* Any system call may fail once, with an error of the device. */
static void test_any_call_fails_once(void **state)
{
    sweep(*state, EIO, false, 50);
}

/* From any system call on the disk may be full for ever. */
static void test_disk_is_full_from_any_call_on(void **state)
{
    sweep(*state, ENOSPC, true, 50);
}

/* From any system call on all may fail. */
static void test_all_calls_fail_from_any_on(void **state)
{
    sweep(*state, EIO, true, 50);
}

/* Any allocation may fail, once or from then on. */
static void test_any_allocation_fails(void **state)
{
    sweep(*state, 0, false, 20);
    sweep(*state, 0, true, 20);
}

static void make_store_with_faults_ahead(struct fixture *fixture)
{
    fault->armed = false;
    fault->os_errno = EIO;
    fixture_store_open(fixture, &(struct alex_options){.no_background = true});
    helper_put(fixture->main, 1, "one");
}

/** Lets the next call fail. */
static void arm(bool for_ever)
{
    fault->passes = 0;
    fault->hit = false;
    fault->for_ever = for_ever;
    fault->armed = true;
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

    make_store_with_faults_ahead(fixture);
    arm(false);
    ASSERT_CODE(ALEX_IO, alex_sync(fixture->store));
    fault->armed = false;
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
    assert_int_not_equal(alex_close(fixture->store), ALEX_BUSY);
    fixture->store = NULL;
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

    make_store_with_faults_ahead(fixture);
    arm(true);
    ASSERT_CODE(ALEX_IO, alex_close(fixture->store));
    fault->armed = false;
    fixture->store = NULL;
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_false(report.clean);
    ASSERT_VALUE(fixture->main, 1, "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_any_call_fails_once),        TEST_WITH_DIRECTORY(test_disk_is_full_from_any_call_on),
        TEST_WITH_DIRECTORY(test_all_calls_fail_from_any_on), TEST_WITH_DIRECTORY(test_any_allocation_fails),
        TEST_WITH_DIRECTORY(test_failed_sync_latches),        TEST_WITH_DIRECTORY(test_failed_close),
    };
    return cmocka_run_group_tests(tests, install, uninstall);
}
