/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_write.c
 * Single writes and copying reads: put, put if absent, reserve and commit, delete, get, exists.
 */
#include "support/store_helper.h"

/* A put tells whether it replaced, and the newest value is the one read, also after reopening. */
static void test_put_and_replace(void **state)
{
    struct fixture *fixture = *state;
    bool replaced = true;

    ASSERT_OK(alex_put(fixture->main, 42, "Ada", 3, &replaced));
    assert_false(replaced);
    ASSERT_VALUE(fixture->main, 42, "Ada");
    ASSERT_OK(alex_put(fixture->main, 42, "Grace", 5, &replaced));
    assert_true(replaced);
    ASSERT_VALUE(fixture->main, 42, "Grace");
    ASSERT_OK(alex_delete(fixture->main, 42));
    ASSERT_OK(alex_put(fixture->main, 42, "Mary", 4, &replaced));
    assert_false(replaced);
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 42, "Mary");
}

/* The value is copied: the caller's buffer may change at once. */
static void test_value_is_copied(void **state)
{
    struct fixture *fixture = *state;
    char value[] = "first";

    ASSERT_OK(alex_put(fixture->main, 1, value, 5, NULL));
    memcpy(value, "other", 5);
    ASSERT_VALUE(fixture->main, 1, "first");
}

/* Keys at the ends of the number range, and zero, are keys like others, in both orders. */
static void test_extreme_keys(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t keys[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    enum { COUNT = sizeof keys / sizeof keys[0] };
    alex_table *tables[2] = {fixture->main, helper_table(fixture->store, "unsigned", ALEX_KEYS_UNSIGNED)};

    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; i < COUNT; i++) {
            ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(tables[t], keys[i]));
        }
        for (size_t i = 0; i < COUNT; i++) {
            ASSERT_OK(alex_put(tables[t], keys[i], &keys[i], sizeof keys[i], NULL));
        }
        for (size_t i = 0; i < COUNT; i++) {
            int64_t value = 0;
            ASSERT_OK(alex_get(tables[t], keys[i], &value, sizeof value, NULL));
            assert_int_equal(value, keys[i]);
            ASSERT_OK(alex_exists(tables[t], keys[i]));
        }
        for (size_t i = 0; i < COUNT; i++) {
            ASSERT_OK(alex_delete(tables[t], keys[i]));
            ASSERT_CODE(ALEX_NOT_FOUND, alex_get(tables[t], keys[i], NULL, 0, NULL));
        }
    }
}

/* An empty value is a value: it is found, has size 0, and needs no bytes from the caller. */
static void test_empty_value(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 99;
    bool replaced = false;

    ASSERT_OK(alex_put(fixture->main, 1, NULL, 0, NULL));
    ASSERT_OK(alex_get(fixture->main, 1, NULL, 0, &size));
    assert_int_equal(size, 0);
    ASSERT_OK(alex_exists(fixture->main, 1));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_get(fixture->main, 2, NULL, 0, &size));
    ASSERT_OK(alex_put(fixture->main, 1, NULL, 0, &replaced));
    assert_true(replaced);
    fixture_reopen(fixture);
    size = 99;
    ASSERT_OK(alex_get(fixture->main, 1, NULL, 0, &size));
    assert_int_equal(size, 0);
}

/* Values of every small size, and of sizes around page and growth boundaries, come back byte for byte. */
static void test_value_sizes(void **state)
{
    struct fixture *fixture = *state;
    static const size_t more[] = {4055, 4064, 4095, 4096, 4097, 65535, 65536, 65537, 1000003, 5 << 20};
    size_t capacity = 6 << 20;
    unsigned char *value = malloc(capacity);
    assert_non_null(value);

    for (int round = 0; round < 2; round++) {
        for (int64_t key = 0; key < 300 + 10; key++) {
            size_t size = key < 300 ? (size_t)key : more[key - 300];
            if (round == 0) {
                helper_fill(value, size, (uint64_t)key);
                ASSERT_OK(alex_put(fixture->main, key, value, size, NULL));
            } else {
                size_t got = 0;
                ASSERT_OK(alex_get(fixture->main, key, value, capacity, &got));
                assert_int_equal(got, size);
                assert_true(helper_is_filled(value, size, (uint64_t)key));
            }
        }
        fixture_reopen(fixture);
    }
    free(value);
}

/* A buffer that is too small gets nothing but the size; one that fits exactly is filled, and not a byte beyond. */
static void test_buffer_too_small(void **state)
{
    struct fixture *fixture = *state;
    char buffer[8];
    size_t size = 0;

    helper_put(fixture->main, 1, "seven77");
    memset(buffer, '#', sizeof buffer);
    ASSERT_CODE(ALEX_TOO_SMALL, alex_get(fixture->main, 1, buffer, 6, &size));
    assert_int_equal(size, 7);
    assert_memory_equal(buffer, "########", 8);
    size = 0;
    ASSERT_CODE(ALEX_TOO_SMALL, alex_get(fixture->main, 1, NULL, 0, &size));
    assert_int_equal(size, 7);
    ASSERT_CODE(ALEX_TOO_SMALL, alex_get(fixture->main, 1, buffer, 0, NULL));
    ASSERT_OK(alex_get(fixture->main, 1, buffer, 7, NULL));
    assert_memory_equal(buffer, "seven77#", 8);
}

/* A key without value gives ALEX_NOT_FOUND, leaves the out parameters alone, and is no failure to give detail of. */
static void test_missing_key(void **state)
{
    struct fixture *fixture = *state;
    char buffer[4] = "###";
    size_t size = 99;
    struct alex_error error;

    helper_put(fixture->main, 1, "one");
    ASSERT_CODE(ALEX_NOT_FOUND, alex_get(fixture->main, 2, buffer, sizeof buffer, &size));
    assert_int_equal(size, 99);
    assert_string_equal(buffer, "###");
    ASSERT_CODE(ALEX_NOT_FOUND, alex_exists(fixture->main, 2));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_delete(fixture->main, 2));
    ASSERT_CODE(ALEX_EXISTS, alex_put_if_absent(fixture->main, 1, "x", 1));
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_OK);
    assert_string_equal(error.message, "");
}

/* Put if absent enters what is not there, and leaves alone what is, an empty value too. */
static void test_put_if_absent(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats before;
    struct alex_store_stats after;

    ASSERT_OK(alex_put_if_absent(fixture->main, 1, "one", 3));
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    ASSERT_CODE(ALEX_EXISTS, alex_put_if_absent(fixture->main, 1, "other", 5));
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.log_bytes, before.log_bytes); /* nothing was appended for it */
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_OK(alex_put_if_absent(fixture->main, 2, NULL, 0));
    ASSERT_CODE(ALEX_EXISTS, alex_put_if_absent(fixture->main, 2, "x", 1));
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_OK(alex_put_if_absent(fixture->main, 1, "again", 5));
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "again");
    ASSERT_VALUE(fixture->main, 2, "");
    ASSERT_CODE(ALEX_EXISTS, alex_put_if_absent(fixture->main, 2, "x", 1));
}

/* A deleted key has no value, also after reopening, and also where it was put and deleted many times. */
static void test_delete(void **state)
{
    struct fixture *fixture = *state;

    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_delete(fixture->main, 1));
    for (int i = 0; i < 100; i++) {
        helper_put(fixture->main, 3, "three");
        ASSERT_OK(alex_delete(fixture->main, 3));
    }
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_VALUE(fixture->main, 2, "two");
    ASSERT_VALUE(fixture->main, 3, NULL);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_delete(fixture->main, 1));
}

/* A value over the limit is ALEX_TOO_LARGE before a byte of it is read, and the key is as it was. */
static void test_value_over_the_limit(void **state)
{
    struct fixture *fixture = *state;
    void *buffer = NULL;
    bool replaced = true;
    struct alex_error error;

    helper_put(fixture->main, 1, "one");
    ASSERT_CODE(ALEX_TOO_LARGE, alex_put(fixture->main, 1, "x", ALEX_VALUE_MAX + 1, &replaced));
    ASSERT_CODE(ALEX_TOO_LARGE, alex_put(fixture->main, 1, "x", SIZE_MAX, &replaced));
    assert_true(replaced);
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_TOO_LARGE);
    assert_string_not_equal(error.message, "");
    ASSERT_CODE(ALEX_TOO_LARGE, alex_put_if_absent(fixture->main, 2, "x", ALEX_VALUE_MAX + 1));
    ASSERT_CODE(ALEX_TOO_LARGE, alex_put_reserve(fixture->main, 2, ALEX_VALUE_MAX + 1, &buffer));
    struct alex_op op = {ALEX_OP_PUT, fixture->main, 2, {"x", ALEX_VALUE_MAX + 1}};
    ASSERT_CODE(ALEX_TOO_LARGE, alex_write(fixture->store, &op, 1));
    assert_null(buffer);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
}

/* NULL where something must be is ALEX_INVALID. */
static void test_null_arguments(void **state)
{
    struct fixture *fixture = *state;
    void *buffer = NULL;
    size_t size = 99;

    ASSERT_CODE(ALEX_INVALID, alex_put(NULL, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_put(fixture->main, 1, NULL, 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_put_if_absent(NULL, 1, "x", 1));
    ASSERT_CODE(ALEX_INVALID, alex_put_if_absent(fixture->main, 1, NULL, 1));
    ASSERT_CODE(ALEX_INVALID, alex_put_reserve(NULL, 1, 1, &buffer));
    ASSERT_CODE(ALEX_INVALID, alex_put_reserve(fixture->main, 1, 1, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_put_commit(NULL, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_delete(NULL, 1));
    ASSERT_CODE(ALEX_INVALID, alex_get(NULL, 1, NULL, 0, &size));
    ASSERT_CODE(ALEX_INVALID, alex_get(fixture->main, 1, NULL, 1, &size));
    ASSERT_CODE(ALEX_INVALID, alex_exists(NULL, 1));
    alex_put_cancel(NULL);
    assert_null(buffer);
    assert_int_equal(size, 99);
    ASSERT_VALUE(fixture->main, 1, NULL);
}

/* A reserved value is the key's from the commit on, and is what the caller wrote. */
static void test_reserve_and_commit(void **state)
{
    struct fixture *fixture = *state;
    bool replaced = true;
    void *buffer = NULL;

    ASSERT_OK(alex_put_reserve(fixture->main, 1, 100000, &buffer));
    assert_non_null(buffer);
    assert_int_equal((uintptr_t)buffer % 8, 0);
    helper_fill(buffer, 100000, 7);
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_OK(alex_put_commit(fixture->main, &replaced));
    assert_false(replaced);
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 3, &buffer));
    memcpy(buffer, "two", 3);
    ASSERT_OK(alex_put_commit(fixture->main, NULL));
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 3, &buffer));
    memcpy(buffer, "TWO", 3);
    ASSERT_VALUE(fixture->main, 2, "two");
    ASSERT_OK(alex_put_commit(fixture->main, &replaced));
    assert_true(replaced);
    ASSERT_VALUE(fixture->main, 2, "TWO");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 2, "TWO");
    unsigned char *value = malloc(100000);
    assert_non_null(value);
    ASSERT_OK(alex_get(fixture->main, 1, value, 100000, NULL));
    assert_true(helper_is_filled(value, 100000, 7));
    free(value);
}

/* A reservation of no bytes gives a buffer all the same. */
static void test_reserve_nothing(void **state)
{
    struct fixture *fixture = *state;
    void *buffer = NULL;
    size_t size = 99;

    ASSERT_OK(alex_put_reserve(fixture->main, 1, 0, &buffer));
    assert_non_null(buffer);
    ASSERT_OK(alex_put_commit(fixture->main, NULL));
    ASSERT_OK(alex_get(fixture->main, 1, NULL, 0, &size));
    assert_int_equal(size, 0);
}

/* A cancelled reservation leaves the key as it was and nothing to commit; also after reopening. */
static void test_cancel(void **state)
{
    struct fixture *fixture = *state;
    void *buffer = NULL;

    helper_put(fixture->main, 1, "one");
    alex_put_cancel(fixture->main); /* without effect where nothing is reserved */
    for (int64_t i = 0; i < 100; i++) {
        ASSERT_OK(alex_put_reserve(fixture->main, i, 1000, &buffer));
        memset(buffer, 'x', 1000);
        alex_put_cancel(fixture->main);
        alex_put_cancel(fixture->main);
        ASSERT_CODE(ALEX_INVALID, alex_put_commit(fixture->main, NULL));
    }
    ASSERT_VALUE(fixture->main, 0, NULL);
    ASSERT_VALUE(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 0, NULL);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, "two");
}

/* While a value is reserved every other write is refused, in all tables; reads go on. */
static void test_reservation_is_busy(void **state)
{
    struct fixture *fixture = *state;
    alex_table *other = helper_table(fixture->store, "other", ALEX_KEYS_DEFAULT);
    struct alex_op op = {ALEX_OP_PUT, other, 5, {"x", 1}};
    alex_loader *loader = NULL;
    void *buffer = NULL;
    void *second = NULL;

    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 3, &buffer));
    memcpy(buffer, "two", 3);
    ASSERT_CODE(ALEX_BUSY, alex_put(fixture->main, 3, "x", 1, NULL));
    ASSERT_CODE(ALEX_BUSY, alex_put(other, 3, "x", 1, NULL));
    ASSERT_CODE(ALEX_BUSY, alex_put_if_absent(other, 3, "x", 1));
    ASSERT_CODE(ALEX_BUSY, alex_put_reserve(fixture->main, 4, 3, &second));
    ASSERT_CODE(ALEX_BUSY, alex_put_reserve(other, 4, 3, &second));
    ASSERT_CODE(ALEX_BUSY, alex_delete(fixture->main, 1));
    ASSERT_CODE(ALEX_BUSY, alex_write(fixture->store, &op, 1));
    ASSERT_CODE(ALEX_BUSY, alex_loader_open(other, &loader));
    ASSERT_CODE(ALEX_INVALID, alex_put_commit(other, NULL)); /* it was another table that reserved */
    alex_put_cancel(other);
    assert_null(second);
    assert_null(loader);
    ASSERT_VALUE(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
    ASSERT_TXN_VALUE(txn, fixture->main, 2, NULL);
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_put_commit(fixture->main, NULL));
    ASSERT_VALUE(fixture->main, 2, "two");
    helper_put(other, 3, "three");
}

/* A commit with nothing reserved is ALEX_INVALID. */
static void test_commit_of_nothing(void **state)
{
    struct fixture *fixture = *state;
    bool replaced = true;
    void *buffer = NULL;

    ASSERT_CODE(ALEX_INVALID, alex_put_commit(fixture->main, &replaced));
    assert_true(replaced);
    ASSERT_OK(alex_put_reserve(fixture->main, 1, 1, &buffer));
    *(char *)buffer = '1';
    ASSERT_OK(alex_put_commit(fixture->main, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_put_commit(fixture->main, NULL));
    ASSERT_VALUE(fixture->main, 1, "1");
}

static int die_with_reservation(void *context)
{
    alex_store *store = NULL;
    void *buffer = NULL;
    CHILD_REQUIRE(alex_open(context, NULL, &store) == ALEX_OK);
    alex_table *table = alex_main_table(store);
    CHILD_REQUIRE(alex_put(table, 1, "one", 3, NULL) == ALEX_OK);
    CHILD_REQUIRE(alex_put_reserve(table, 1, 5000, &buffer) == ALEX_OK);
    memset(buffer, 'x', 5000);
    return 0;
}

/* The bytes of a reservation that dies with its process are nothing: the key has the value it had. */
static void test_reservation_of_a_killed_writer(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(helper_in_child(die_with_reservation, fixture->path), 0);
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, "two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_put_and_replace),
        TEST_WITH_STORE(test_value_is_copied),
        TEST_WITH_STORE(test_extreme_keys),
        TEST_WITH_STORE(test_empty_value),
        TEST_WITH_STORE(test_value_sizes),
        TEST_WITH_STORE(test_buffer_too_small),
        TEST_WITH_STORE(test_missing_key),
        TEST_WITH_STORE(test_put_if_absent),
        TEST_WITH_STORE(test_delete),
        TEST_WITH_STORE(test_value_over_the_limit),
        TEST_WITH_STORE(test_null_arguments),
        TEST_WITH_STORE(test_reserve_and_commit),
        TEST_WITH_STORE(test_reserve_nothing),
        TEST_WITH_STORE(test_cancel),
        TEST_WITH_STORE(test_reservation_is_busy),
        TEST_WITH_STORE(test_commit_of_nothing),
        TEST_WITH_DIRECTORY(test_reservation_of_a_killed_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
