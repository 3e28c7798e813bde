/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_space.c
 * Disk space: how files grow, and a disk that is full. A full disk is an error of the call that wanted the space;
 * nothing is lost, and the store goes on once there is space.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "support/store_helper.h"

#define MIB ((uint64_t)1 << 20)

/* A new store takes little space, prepared space included. */
static void test_small_store_is_small(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;

    helper_put(fixture->main, 1, "one");
    fixture_reopen(fixture);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_true(stats.disk_bytes <= 256 * 1024);
}

/* The log's file grows by the step that was asked for, and is never more than two steps, and the space for deletes,
 * ahead of what was written. */
static void test_growth_step(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t steps[] = {4096, 65536, 5 * 4096, 1 << 20};
    char value[1000] = {0};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct alex_options options = {.growth_bytes = steps[i], .no_background = i % 2 == 0};
        fixture_store_open(fixture, &options);
        for (int64_t key = 0; key < 3000; key++) {
            struct alex_store_stats stats;
            ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
            ASSERT_OK(alex_store_stat(fixture->store, &stats));
            assert_true(stats.disk_bytes >= stats.log_bytes);
            assert_true(stats.disk_bytes <= stats.log_bytes + 2 * steps[i] + SPARE_BYTES);
        }
        fixture_store_close(fixture);
        files_remove(fixture->path);
    }
    fixture_store_open(fixture, NULL);
}

/** Mounts a file system of `size` bytes in memory at `path`, seen by this process alone. */
static bool mount_small_disk(const char *path, uint64_t size)
{
    char options[64];
    snprintf(options, sizeof options, "size=%llu", (unsigned long long)size);
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

enum { NOT_PERMITTED = 77 };

static int try_mount(void *context)
{
    return mount_small_disk(context, MIB) ? 0 : NOT_PERMITTED;
}

/** Runs `body` in a child that may mount; skips the test where none may. */
static void with_small_disk(struct fixture *fixture, int (*body)(void *context))
{
    if (helper_in_child(try_mount, fixture->directory) == NOT_PERMITTED) {
        print_message("skipped: mounting a small disk is not permitted here\n");
        skip();
    }
    assert_int_equal(helper_in_child(body, fixture), 0);
}

static void child_open(struct fixture *fixture, enum alex_durability durability)
{
    struct alex_error error = {0};
    struct alex_options options = {.error = &error, .durability = durability};
    if (alex_open(fixture->path, &options, &fixture->store) != ALEX_OK) {
        helper_child_failed(error.message, __FILE__, __LINE__);
    }
    fixture->main = alex_main_table(fixture->store);
}

static void child_check(alex_store *store)
{
    struct alex_check_report report = {0};
    CHILD_REQUIRE(alex_check(store, NULL, NULL, &report) == ALEX_OK);
    CHILD_REQUIRE(report.findings == 0);
}

static void child_require_keys(alex_table *table, int64_t count)
{
    for (int64_t key = 0; key < count; key++) {
        unsigned char value[1000];
        size_t size = 0;
        CHILD_REQUIRE(alex_get(table, key, value, sizeof value, &size) == ALEX_OK);
        CHILD_REQUIRE(size == sizeof value && helper_is_filled(value, size, (uint64_t)key));
    }
}

/** Asserts that a store on a full disk has its keys: for readers at once, for a writer as soon as there is space. */
static void child_reopen_on_a_full_disk(struct fixture *fixture, int64_t count, const char *filler)
{
    struct alex_options read_only = {.read_only = true};
    CHILD_REQUIRE(alex_open(fixture->path, &read_only, &fixture->store) == ALEX_OK);
    child_require_keys(alex_main_table(fixture->store), count);
    CHILD_REQUIRE(alex_close(fixture->store) == ALEX_OK);

    int code = alex_open(fixture->path, NULL, &fixture->store);
    CHILD_REQUIRE(code == ALEX_OK || code == ALEX_NO_SPACE);
    if (code == ALEX_OK) {
        child_require_keys(alex_main_table(fixture->store), count);
        (void)alex_close(fixture->store);
    }
    CHILD_REQUIRE(unlink(filler) == 0);
    child_open(fixture, ALEX_DURABLE_ON_SYNC);
    child_require_keys(fixture->main, count);
    child_check(fixture->store);
    CHILD_REQUIRE(alex_put(fixture->main, -1, "more", 4, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_close(fixture->store) == ALEX_OK);
}

/** Takes `bytes` of the disk, or all that is left. */
static void take_space(const char *path, uint64_t bytes)
{
    static const char zeros[4096];
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    CHILD_REQUIRE(descriptor >= 0);
    for (ssize_t written = 1; written > 0 && bytes > 0; bytes -= (uint64_t)written) {
        written = write(descriptor, zeros, bytes < sizeof zeros ? bytes : sizeof zeros);
        if (written <= 0) {
            break;
        }
    }
    close(descriptor);
}

static void child_put_keys(alex_table *table, int64_t first, int64_t last)
{
    for (int64_t key = first; key < last; key++) {
        unsigned char value[1000];
        helper_fill(value, sizeof value, (uint64_t)key);
        CHILD_REQUIRE(alex_put(table, key, value, sizeof value, NULL) == ALEX_OK);
    }
}

/** Puts keys from `first` on until there is no space; returns the first key that was refused. */
static int64_t fill_disk(struct fixture *fixture, int64_t first)
{
    unsigned char value[1000];
    struct alex_error error;
    for (int64_t key = first;; key++) {
        helper_fill(value, sizeof value, (uint64_t)key);
        int code = alex_put(fixture->main, key, value, sizeof value, NULL);
        if (code != ALEX_OK) {
            CHILD_REQUIRE(code == ALEX_NO_SPACE);
            CHILD_REQUIRE(alex_exists(fixture->main, key) == ALEX_NOT_FOUND);
            alex_store_error(fixture->store, &error);
            CHILD_REQUIRE(error.code == ALEX_NO_SPACE && error.os_errno != 0);
            CHILD_REQUIRE(error.message[0] != '\0' && error.path[0] != '\0');
            return key;
        }
        CHILD_REQUIRE(key - first < 100000);
    }
}

enum { DELETES = 200 };

/** Deletes the first DELETES keys. */
static void child_delete_keys(alex_table *table)
{
    for (int64_t key = 0; key < DELETES; key++) {
        CHILD_REQUIRE(alex_delete(table, key) == ALEX_OK);
        CHILD_REQUIRE(alex_exists(table, key) == ALEX_NOT_FOUND);
    }
}

static int fill_free_and_go_on(void *context)
{
    struct fixture *fixture = context;
    char filler[FILES_PATH_MAX];
    CHILD_REQUIRE(mount_small_disk(fixture->directory, 8 * MIB));
    files_join(filler, fixture->directory, "filler");
    take_space(filler, 4 * MIB);

    child_open(fixture, ALEX_DURABLE_ON_SYNC);
    int64_t count = fill_disk(fixture, 0);
    CHILD_REQUIRE(count > 2000); /* 2 of the 4 MiB at least */
    child_require_keys(fixture->main, count);
    CHILD_REQUIRE(fill_disk(fixture, count) >= count); /* refused again, or what little is left is used */
    count = fill_disk(fixture, count);
    CHILD_REQUIRE(alex_sync(fixture->store) == ALEX_OK);
    child_check(fixture->store);
    child_delete_keys(fixture->main); /* space is kept back for them */

    CHILD_REQUIRE(unlink(filler) == 0);
    child_put_keys(fixture->main, 0, DELETES);
    int64_t more = fill_disk(fixture, count);
    CHILD_REQUIRE(more > count + 2000);
    child_require_keys(fixture->main, more);
    CHILD_REQUIRE(alex_close(fixture->store) == ALEX_OK);
    return 0;
}

/* A put that finds the disk full fails alone; all before it is there, deletes still work, and puts again once there is
 * space. */
static void test_full_disk(void **state)
{
    with_small_disk(*state, fill_free_and_go_on);
}

static int fill_and_delete(void *context)
{
    struct fixture *fixture = context;
    char filler[FILES_PATH_MAX];
    CHILD_REQUIRE(mount_small_disk(fixture->directory, 8 * MIB));
    files_join(filler, fixture->directory, "filler");
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_ON_COMMIT; durability++) {
        take_space(filler, 4 * MIB);
        child_open(fixture, durability);
        int64_t count = fill_disk(fixture, 0);
        CHILD_REQUIRE(count > DELETES);
        take_space(filler, UINT64_MAX);
        child_delete_keys(fixture->main);
        CHILD_REQUIRE(unlink(filler) == 0);
        child_put_keys(fixture->main, 0, DELETES);
        child_require_keys(fixture->main, count);
        child_check(fixture->store);
        CHILD_REQUIRE(alex_close(fixture->store) == ALEX_OK);
        files_remove(fixture->path);
    }
    return 0;
}

/* In each durability there is space for so many deletes on a full disk, though each may take a MARK with it. */
static void test_deletes_on_a_full_disk(void **state)
{
    with_small_disk(*state, fill_and_delete);
}

static int write_everything_to_a_full_disk(void *context)
{
    struct fixture *fixture = context;
    enum { OPS = 200 };
    static unsigned char value[100000];
    struct alex_op ops[OPS];
    alex_loader *loader = NULL;
    void *buffer = NULL;
    char filler[FILES_PATH_MAX];
    CHILD_REQUIRE(mount_small_disk(fixture->directory, 8 * MIB));
    files_join(filler, fixture->directory, "filler");
    take_space(filler, 5 * MIB);
    child_open(fixture, ALEX_DURABLE_ON_SYNC);
    int64_t count = fill_disk(fixture, 0);

    for (int64_t i = 0; i < OPS; i++) {
        ops[i] = (struct alex_op){ALEX_OP_PUT, fixture->main, i, {value, sizeof value}};
    }
    CHILD_REQUIRE(alex_write(fixture->store, ops, OPS) == ALEX_NO_SPACE);
    child_require_keys(fixture->main, count);
    CHILD_REQUIRE(alex_put_reserve(fixture->main, 1, 5 * MIB, &buffer) == ALEX_NO_SPACE);
    CHILD_REQUIRE(buffer == NULL);
    CHILD_REQUIRE(alex_loader_open(fixture->main, &loader) == ALEX_OK);
    int code = ALEX_OK;
    for (int64_t i = 0; i < OPS && code == ALEX_OK; i++) {
        code = alex_loader_add(loader, i, value, sizeof value);
    }
    CHILD_REQUIRE(code == ALEX_NO_SPACE);
    CHILD_REQUIRE(alex_loader_commit(loader, NULL, NULL) != ALEX_OK);
    alex_loader_close(loader);
    child_require_keys(fixture->main, count);
    child_check(fixture->store);
    CHILD_REQUIRE(alex_close(fixture->store) == ALEX_OK);
    take_space(filler, UINT64_MAX);
    child_reopen_on_a_full_disk(fixture, count, filler);
    return 0;
}

/* Batches, loads and reservations that find the disk full leave nothing of themselves, and the store closes and opens
 * on it. */
static void test_all_or_none_on_a_full_disk(void **state)
{
    with_small_disk(*state, write_everything_to_a_full_disk);
}

static int die_on_a_full_disk(void *context)
{
    struct fixture *fixture = context;
    child_open(fixture, ALEX_DURABLE_ON_SYNC);
    return fill_disk(fixture, 0) > 1000 ? 0 : 1;
}

static int recover_on_a_full_disk(void *context)
{
    struct fixture *fixture = context;
    char filler[FILES_PATH_MAX];
    CHILD_REQUIRE(mount_small_disk(fixture->directory, 8 * MIB));
    files_join(filler, fixture->directory, "filler");
    take_space(filler, 5 * MIB);
    CHILD_REQUIRE(helper_in_child(die_on_a_full_disk, fixture) == 0);
    take_space(filler, UINT64_MAX);
    child_reopen_on_a_full_disk(fixture, 1000, filler);
    return 0;
}

/* A store whose writer was killed on a full disk can be read there at once, and written again when there is space. */
static void test_recovery_on_a_full_disk(void **state)
{
    with_small_disk(*state, recover_on_a_full_disk);
}

static int make_on_a_full_disk(void *context)
{
    struct fixture *fixture = context;
    char filler[FILES_PATH_MAX];
    struct alex_error error = {0};
    struct alex_options options = {.error = &error};
    CHILD_REQUIRE(mount_small_disk(fixture->directory, MIB));
    files_join(filler, fixture->directory, "filler");
    take_space(filler, UINT64_MAX);
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(fixture->path, &options, &store) == ALEX_NO_SPACE);
    CHILD_REQUIRE(store == NULL && error.code == ALEX_NO_SPACE && error.message[0] != '\0');
    CHILD_REQUIRE(unlink(filler) == 0);
    child_open(fixture, ALEX_DURABLE_ON_SYNC); /* what the failure left is no obstacle */
    CHILD_REQUIRE(alex_put(fixture->main, 1, "one", 3, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_close(fixture->store) == ALEX_OK);
    return 0;
}

/* A store can't be made on a full disk, and can be made at the same path once there is space. */
static void test_making_a_store_on_a_full_disk(void **state)
{
    with_small_disk(*state, make_on_a_full_disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_small_store_is_small),
        TEST_WITH_DIRECTORY(test_growth_step),
        TEST_WITH_DIRECTORY(test_full_disk),
        TEST_WITH_DIRECTORY(test_deletes_on_a_full_disk),
        TEST_WITH_DIRECTORY(test_all_or_none_on_a_full_disk),
        TEST_WITH_DIRECTORY(test_recovery_on_a_full_disk),
        TEST_WITH_DIRECTORY(test_making_a_store_on_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
