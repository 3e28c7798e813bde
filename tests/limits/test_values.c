/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_values.c
 * Large values: 256 MiB, and larger than a segment of the log.
 */
#include "support/store_helper.h"

#define MIB ((size_t)1 << 20)

/** Puts a value of `size` bytes that follow from `seed`, in place. */
static void put_large(alex_table *table, int64_t key, size_t size, uint64_t seed)
{
    void *buffer = NULL;
    ASSERT_OK(alex_put_reserve(table, key, size, &buffer));
    helper_fill(buffer, size, seed);
    ASSERT_OK(alex_put_commit(table, NULL));
}

static void assert_large(alex_store *store, int64_t key, size_t size, uint64_t seed)
{
    struct alex_slice slice;
    alex_txn *txn = helper_begin(store);
    ASSERT_OK(alex_txn_get(txn, alex_main_table(store), key, &slice));
    assert_int_equal(slice.size, size);
    assert_true(helper_is_filled(slice.data, size, seed));
    ASSERT_OK(alex_end(txn));
}

/* A value of 256 MiB is put, copied in and out, and is there after reopening, between small ones. */
static void test_value_of_256_mib(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 256 * MIB;
    unsigned char *value = malloc(size);
    assert_non_null(value);

    helper_put(fixture->main, 1, "before");
    helper_fill(value, size, 5);
    ASSERT_OK(alex_put(fixture->main, 2, value, size, NULL));
    helper_put(fixture->main, 3, "after");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "before");
    ASSERT_VALUE(fixture->main, 3, "after");
    memset(value, 0, size);
    size_t got = 0;
    ASSERT_OK(alex_get(fixture->main, 2, value, size, &got));
    assert_int_equal(got, size);
    assert_true(helper_is_filled(value, size, 5));
    free(value);
}

/* Values around the size of a segment (128 MiB), and above it, go wherever they come in the log. */
static void test_values_around_a_segment(void **state)
{
    struct fixture *fixture = *state;
    const size_t sizes[] = {128 * MIB - 1000, 128 * MIB, 10, 129 * MIB, 60 * MIB, 100 * MIB};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };

    for (int64_t key = 0; key < COUNT; key++) {
        put_large(fixture->main, key, sizes[key], (uint64_t)key);
    }
    for (int round = 0; round < 2; round++) {
        for (int64_t key = 0; key < COUNT; key++) {
            assert_large(fixture->store, key, sizes[key], (uint64_t)key);
        }
        fixture_reopen(fixture);
    }
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_true(stats.segments >= 3);
}

/* A large reservation that is cancelled leaves the store as it was. */
static void test_large_cancelled_reservation(void **state)
{
    struct fixture *fixture = *state;
    void *buffer = NULL;

    helper_put(fixture->main, 1, "one");
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 200 * MIB, &buffer));
    memset(buffer, 1, 5 * MIB);
    alex_put_cancel(fixture->main);
    helper_put(fixture->main, 3, "three");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_VALUE(fixture->main, 3, "three");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_value_of_256_mib),
        TEST_WITH_STORE(test_values_around_a_segment),
        TEST_WITH_STORE(test_large_cancelled_reservation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
