/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_latch.c
 * After a write or sync that failed the log takes no more: not a put, not the end of one begun before. Reads go on,
 * and reopening brings back what was acknowledged.
 */
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

/** Makes the next sync fail, and the store latch. */
static void fail_sync(struct fixture *fixture)
{
    struct alex_error error;
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    ASSERT_CODE(ALEX_IO, alex_sync(fixture->store));
    assert_int_equal(faults_struck(), 1);
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_IO);
    assert_true(error.os_errno != 0);
    assert_non_null(strstr(error.path, ".log"));
    faults_clear();
}

/** Closes a latched store, which tells of it, and opens it again. */
static void reopen_latched(struct fixture *fixture)
{
    assert_int_not_equal(alex_close(fixture->store), ALEX_OK);
    fixture_store_open(fixture, NULL);
}

/* After a failed sync every kind of write is refused, a second sync is not tried, and reads go on. */
static void test_writes_are_refused(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "one");
    fail_sync(fixture);
    alex_loader *loader;
    alex_table *table;
    struct alex_op op = {ALEX_OP_PUT, fixture->main, 2, {"two", 3}};
    void *buffer;
    ASSERT_CODE(ALEX_READ_ONLY, alex_put(fixture->main, 2, "two", 3, NULL));
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_if_absent(fixture->main, 2, "two", 3));
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_reserve(fixture->main, 2, 3, &buffer));
    ASSERT_CODE(ALEX_READ_ONLY, alex_delete(fixture->main, 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_write(fixture->store, &op, 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_table_open(fixture->store, "new", NULL, &table));
    if (alex_loader_open(fixture->main, &loader) == ALEX_OK) {
        ASSERT_CODE(ALEX_READ_ONLY, alex_loader_add(loader, 2, "two", 3));
        alex_loader_close(loader);
    }
    faults_set(&(struct faults_plan){0});
    ASSERT_CODE(ALEX_READ_ONLY, alex_sync(fixture->store));
    assert_int_equal(faults_count(FAULTS_FDATASYNC), 0);

    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
    helper_check(fixture->store);
    reopen_latched(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
    helper_put(fixture->main, 2, "two");
}

/* A put that was reserved before the sync failed can't be committed after it. */
static void test_reserved_put_is_refused(void **state)
{
    struct fixture *fixture = *state;
    void *buffer;
    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 3, &buffer));
    memcpy(buffer, "two", 3);
    fail_sync(fixture);
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_commit(fixture->main, NULL));
    ASSERT_VALUE(fixture->main, 2, NULL);
    reopen_latched(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
}

/* A load that was begun before the sync failed can't be committed after it. */
static void test_load_is_refused(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader;
    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 1, "loaded", 6));
    ASSERT_OK(alex_loader_add(loader, 2, "loaded", 6));
    fail_sync(fixture);
    ASSERT_CODE(ALEX_READ_ONLY, alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
    reopen_latched(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
}

/* What the page cache shows after a failed sync may be on no disk: the opening that follows writes it again. */
static void test_kept_records_are_written_again(void **state)
{
    struct fixture *fixture = *state;
    static unsigned char value[100000];
    struct log_description described;
    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_sync(fixture->store));
    helper_fill(value, sizeof value, 1);
    ASSERT_OK(alex_put(fixture->main, 2, value, sizeof value, NULL));
    fail_sync(fixture);
    assert_int_not_equal(alex_close(fixture->store), ALEX_OK);

    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1});
    struct alex_error error;
    helper_open_fails(fixture->path, ALEX_IO, &error);
    assert_non_null(strstr(error.path, ".log"));
    faults_set(&(struct faults_plan){0});
    fixture_store_open(fixture, NULL);
    assert_true(faults_count(FAULTS_PWRITE) >= 2); /* the records and the manifest */
    ASSERT_OK(log_describe(store_log(fixture->store), &described));
    free(described.segments);
    assert_int_equal(log_position_compare(described.durable, log_end(store_log(fixture->store))), 0);
    memset(value, 0, sizeof value);
    ASSERT_OK(alex_get(fixture->main, 2, value, sizeof value, NULL));
    assert_true(helper_is_filled(value, sizeof value, 1));
}

static int setup(void **state)
{
    faults_install();
    return fixture_open(state);
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
        TEST(test_writes_are_refused),
        TEST(test_reserved_put_is_refused),
        TEST(test_load_is_refused),
        TEST(test_kept_records_are_written_again),
    };
    return cmocka_run_group_tests_name("log latch", tests, NULL, NULL);
}
