/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_misc.c
 * Codes and version, error detail, statistics, sync, check, and the background thread.
 */
#include <stdio.h>

#include "support/store_helper.h"

/* Every code has a name of its own and a sentence; other numbers have some of both. */
static void test_codes(void **state)
{
    (void)state;
    static const char *const names[] = {
        "ALEX_OK",        "ALEX_NOT_FOUND", "ALEX_EXISTS",      "ALEX_INVALID",
        "ALEX_TOO_LARGE", "ALEX_TOO_SMALL", "ALEX_READ_ONLY",   "ALEX_BUSY",
        "ALEX_LOCKED",    "ALEX_NO_STORE",  "ALEX_NOT_A_STORE", "ALEX_NEWER_FORMAT",
        "ALEX_DAMAGED",   "ALEX_NO_MEMORY", "ALEX_NO_SPACE",    "ALEX_NO_PERMISSION",
        "ALEX_IO",        "ALEX_MISUSE",    "ALEX_CONFLICT",
    };
    assert_int_equal(sizeof names / sizeof names[0], ALEX_CONFLICT + 1);
    for (int code = ALEX_OK; code <= ALEX_CONFLICT; code++) {
        assert_string_equal(alex_code_name(code), names[code]);
        assert_non_null(alex_code_text(code));
        assert_true(strlen(alex_code_text(code)) > 3);
        for (int other = 0; other < code; other++) {
            assert_string_not_equal(alex_code_text(code), alex_code_text(other));
        }
    }
    static const int unknown[] = {-1, ALEX_CONFLICT + 1, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_string_equal(alex_code_name(unknown[i]), "ALEX_UNKNOWN");
        assert_non_null(alex_code_text(unknown[i]));
    }
}

/* The version is that of the header. */
static void test_version(void **state)
{
    (void)state;
    char expected[64];
    snprintf(expected, sizeof expected, "%d.%d.%d", ALEX_VERSION_MAJOR, ALEX_VERSION_MINOR, ALEX_VERSION_PATCH);
    assert_string_equal(alex_version(), expected);
}

/* A store without failure has no detail; a failure leaves one, of the last failure, and a success doesn't wipe it. */
static void test_error_detail(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error none;
    struct alex_error error;

    memset(&none, 0, sizeof none);
    memset(&error, 0xFF, sizeof error);
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_OK);
    assert_int_equal(error.os_errno, 0);
    assert_false(error.has_offset);
    assert_string_equal(error.path, "");
    assert_string_equal(error.message, "");
    ASSERT_CODE(ALEX_TOO_LARGE, alex_put(fixture->main, 1, "x", ALEX_VALUE_MAX + 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_put(fixture->main, 1, NULL, 5, NULL));
    helper_put(fixture->main, 1, "one");
    ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, 2));
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_INVALID);
    assert_string_not_equal(error.message, "");
    assert_int_equal(error.os_errno, 0);
}

/* Each store has its own detail. */
static void test_error_detail_of_two_stores(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    alex_store *second = NULL;
    struct alex_error error;

    files_join(path, fixture->directory, "second");
    ASSERT_OK(alex_open(path, NULL, &second));
    ASSERT_CODE(ALEX_INVALID, alex_put(fixture->main, 1, NULL, 5, NULL));
    alex_store_error(second, &error);
    assert_int_equal(error.code, ALEX_OK);
    ASSERT_OK(alex_close(second));
}

/* The figures of a store agree with what is in it, and stay the same through reopening. */
static void test_store_stats(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;
    struct alex_store_stats again;

    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.tables, 1);
    assert_int_equal(stats.keys, 0);
    assert_int_equal(stats.live_bytes, 0);
    alex_table *other = helper_table(fixture->store, "other", ALEX_KEYS_DEFAULT);
    for (int64_t key = 0; key < 1000; key++) {
        unsigned char value[68] = {0}; /* a record of 100 bytes, 104 with padding */
        ASSERT_OK(alex_put(key % 2 == 0 ? fixture->main : other, key, value, sizeof value, NULL));
    }
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.tables, 2);
    assert_int_equal(stats.keys, 1000);
    assert_in_range(stats.live_bytes, 104000, 104000 + 40); /* the table's own record too */
    assert_int_equal(stats.log_bytes, stats.live_bytes + stats.dead_bytes);
    assert_true(stats.disk_bytes >= stats.log_bytes);
    assert_true(stats.index_bytes >= 16000);
    assert_int_equal(stats.segments, 1);
    assert_true(stats.last_number >= 1001);
    assert_int_equal(stats.open_txns, 0);
    assert_int_equal(stats.oldest_snapshot, stats.last_number);

    for (int64_t key = 0; key < 1000; key += 2) {
        ASSERT_OK(alex_delete(fixture->main, key));
    }
    for (int64_t key = 1; key < 1000; key += 4) {
        helper_put(other, key, "shorter");
    }
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.keys, 500);
    assert_in_range(stats.live_bytes, 250 * 104 + 250 * 40, 250 * 104 + 250 * 48 + 40 + 500 * 40);
    assert_int_equal(stats.log_bytes, stats.live_bytes + stats.dead_bytes);
    fixture_reopen(fixture);
    ASSERT_OK(alex_store_stat(fixture->store, &again));
    assert_int_equal(again.tables, stats.tables);
    assert_int_equal(again.keys, stats.keys);
    assert_int_equal(again.live_bytes, stats.live_bytes);
    assert_int_equal(again.log_bytes, again.live_bytes + again.dead_bytes);
    assert_true(again.last_number >= stats.last_number);
    ASSERT_CODE(ALEX_INVALID, alex_store_stat(NULL, &stats));
    ASSERT_CODE(ALEX_INVALID, alex_store_stat(fixture->store, NULL));
}

/* The record numbers that statistics tell never go back. */
static void test_numbers_never_go_back(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;
    uint64_t last = 0;

    for (int64_t round = 0; round < 10; round++) {
        helper_put(fixture->main, 1, "x");
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        assert_true(stats.last_number > last);
        last = stats.last_number;
        fixture_reopen(fixture);
    }
}

/* A sync succeeds, on an unchanged store too, and costs the log no more than its mark. */
static void test_sync(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats before;
    struct alex_store_stats after;

    ASSERT_OK(alex_sync(fixture->store));
    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_sync(fixture->store));
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    for (int i = 0; i < 100; i++) {
        ASSERT_OK(alex_sync(fixture->store));
    }
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.log_bytes, before.log_bytes);
    ASSERT_CODE(ALEX_INVALID, alex_sync(NULL));
}

/* A sync makes no difference to an open load, reservation or transaction. */
static void test_sync_while_busy(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;

    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 1, "one", 3));
    ASSERT_OK(alex_sync(fixture->store));
    ASSERT_OK(alex_loader_add(loader, 2, "two", 3));
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    ASSERT_TXN_VALUE(txn, fixture->main, 1, NULL);
    ASSERT_OK(alex_end(txn));
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, "two");
}

/* A check of a sound store reads all of it and finds nothing. */
static void test_check(void **state)
{
    struct fixture *fixture = *state;
    struct alex_check_report report;
    struct alex_store_stats stats;

    ASSERT_OK(alex_check(fixture->store, NULL, NULL, &report));
    assert_int_equal(report.findings, 0);
    assert_int_equal(report.keys, 0);
    for (int64_t key = 0; key < 1000; key++) {
        helper_put(fixture->main, key % 700, "value");
    }
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    ASSERT_OK(alex_check(fixture->store, NULL, NULL, &report));
    assert_int_equal(report.findings, 0);
    assert_int_equal(report.keys, 700);
    assert_true(report.records >= 1000);
    assert_int_equal(report.bytes, stats.log_bytes);
    ASSERT_CODE(ALEX_INVALID, alex_check(NULL, NULL, NULL, &report));
}

/* A check may run while a transaction, a load or a reservation is open. */
static void test_check_while_busy(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;
    void *buffer = NULL;

    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_delete(fixture->main, 1));
    helper_check(fixture->store);
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_OK(alex_loader_add(loader, 1, "loaded", 6));
    helper_check(fixture->store);
    alex_loader_close(loader);
    ASSERT_OK(alex_put_reserve(fixture->main, 5, 100, &buffer));
    helper_check(fixture->store);
    alex_put_cancel(fixture->main);
    helper_check(fixture->store);
    ASSERT_OK(alex_end(txn));
}

/* A store starts its thread with the first write at the earliest, none if told so, and ends it when closed. */
static void test_background_thread(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options without = {.no_background = true};
    size_t before = helper_thread_count();

    fixture_store_open(fixture, NULL);
    assert_int_equal(helper_thread_count(), before);
    for (int64_t key = 0; key < 1000; key++) {
        helper_put(fixture->main, key, "value");
    }
    assert_in_range(helper_thread_count(), before, before + 1);
    fixture_store_close(fixture);
    assert_int_equal(helper_thread_count(), before);

    fixture_store_open(fixture, &without);
    char *value = calloc(1, 100000);
    assert_non_null(value);
    for (int64_t key = 0; key < 300; key++) {
        ASSERT_OK(alex_put(fixture->main, key, value, 100000, NULL));
        assert_int_equal(helper_thread_count(), before);
    }
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_version),
        TEST_WITH_STORE(test_error_detail),
        TEST_WITH_STORE(test_error_detail_of_two_stores),
        TEST_WITH_STORE(test_store_stats),
        TEST_WITH_STORE(test_numbers_never_go_back),
        TEST_WITH_STORE(test_sync),
        TEST_WITH_STORE(test_sync_while_busy),
        TEST_WITH_STORE(test_check),
        TEST_WITH_STORE(test_check_while_busy),
        TEST_WITH_DIRECTORY(test_background_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
