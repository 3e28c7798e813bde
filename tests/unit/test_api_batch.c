/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_batch.c
 * Batches: atomic, in order, across tables.
 */
#include "support/store_helper.h"

static struct alex_op put_op(alex_table *table, int64_t key, const char *text)
{
    return (struct alex_op){ALEX_OP_PUT, table, key, {text, strlen(text)}};
}

static struct alex_op delete_op(alex_table *table, int64_t key)
{
    return (struct alex_op){ALEX_OP_DELETE, table, key, {NULL, 0}};
}

/* A batch puts and deletes across tables, also after reopening. */
static void test_across_tables(void **state)
{
    struct fixture *fixture = *state;
    alex_table *other = helper_table(fixture->store, "other", ALEX_KEYS_UNSIGNED);

    helper_put(fixture->main, 1, "old");
    helper_put(other, -1, "old");
    struct alex_op ops[] = {
        put_op(other, 5, "five"),      delete_op(fixture->main, 1),  put_op(fixture->main, INT64_MIN, "least"),
        put_op(other, -1, "greatest"), put_op(fixture->main, 2, ""),
    };
    ASSERT_OK(alex_write(fixture->store, ops, sizeof ops / sizeof ops[0]));
    for (int round = 0; round < 2; round++) {
        ASSERT_VALUE(fixture->main, 1, NULL);
        ASSERT_VALUE(fixture->main, INT64_MIN, "least");
        ASSERT_VALUE(fixture->main, 2, "");
        ASSERT_VALUE(other, 5, "five");
        ASSERT_VALUE(other, -1, "greatest");
        fixture_reopen(fixture);
        other = helper_table(fixture->store, "other", ALEX_KEYS_DEFAULT);
    }
}

/* Of several operations on one key the last counts. */
static void test_repeats(void **state)
{
    struct fixture *fixture = *state;

    helper_put(fixture->main, 4, "old");
    struct alex_op ops[] = {
        put_op(fixture->main, 1, "a"), put_op(fixture->main, 1, "b"), put_op(fixture->main, 1, "c"),
        put_op(fixture->main, 2, "a"), delete_op(fixture->main, 2),   delete_op(fixture->main, 3),
        put_op(fixture->main, 3, "b"), delete_op(fixture->main, 4),   put_op(fixture->main, 4, "new"),
        put_op(fixture->main, 5, "a"), delete_op(fixture->main, 5),   delete_op(fixture->main, 5),
        put_op(fixture->main, 5, "b"), put_op(fixture->main, 5, ""),
    };
    ASSERT_OK(alex_write(fixture->store, ops, sizeof ops / sizeof ops[0]));
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.keys, 4);
    for (int round = 0; round < 2; round++) {
        ASSERT_VALUE(fixture->main, 1, "c");
        ASSERT_VALUE(fixture->main, 2, NULL);
        ASSERT_VALUE(fixture->main, 3, "b");
        ASSERT_VALUE(fixture->main, 4, "new");
        ASSERT_VALUE(fixture->main, 5, "");
        fixture_reopen(fixture);
    }
}

/* Deleting absent keys is no error in a batch. */
static void test_delete_of_absent_keys(void **state)
{
    struct fixture *fixture = *state;
    struct alex_op ops[] = {delete_op(fixture->main, 1), put_op(fixture->main, 2, "two"), delete_op(fixture->main, 3)};

    ASSERT_OK(alex_write(fixture->store, ops, 3));
    ASSERT_VALUE(fixture->main, 2, "two");
    ASSERT_OK(alex_write(fixture->store, ops, 1));
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.keys, 1);
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_VALUE(fixture->main, 2, "two");
}

/* An empty batch is a batch. */
static void test_empty_batch(void **state)
{
    struct fixture *fixture = *state;
    struct alex_op op = put_op(fixture->main, 1, "one");

    ASSERT_OK(alex_write(fixture->store, NULL, 0));
    ASSERT_OK(alex_write(fixture->store, &op, 0));
    ASSERT_VALUE(fixture->main, 1, NULL);
}

/* A batch with one operation that makes no sense changes nothing. */
static void test_all_or_none(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    alex_store *foreign = NULL;

    files_join(path, fixture->directory, "foreign");
    ASSERT_OK(alex_open(path, NULL, &foreign));
    helper_put(fixture->main, 1, "one");
    struct alex_op bad[] = {
        put_op(alex_main_table(foreign), 5, "x"),           {ALEX_OP_PUT, NULL, 5, {"x", 1}},
        {ALEX_OP_PUT, fixture->main, 5, {NULL, 1}},         {(enum alex_op_kind)0, fixture->main, 5, {"x", 1}},
        {(enum alex_op_kind)3, fixture->main, 5, {"x", 1}}, {ALEX_OP_PUT, fixture->main, 5, {"x", ALEX_VALUE_MAX + 1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct alex_op ops[] = {
            put_op(fixture->main, 1, "changed"),
            put_op(fixture->main, 2, "new"),
            bad[i],
            delete_op(fixture->main, 1),
        };
        int expected = bad[i].value.size > ALEX_VALUE_MAX ? ALEX_TOO_LARGE : ALEX_INVALID;
        ASSERT_CODE(expected, alex_write(fixture->store, ops, 4));
        struct alex_error error;
        alex_store_error(fixture->store, &error);
        assert_int_equal(error.code, expected);
        ASSERT_VALUE(fixture->main, 1, "one");
        ASSERT_VALUE(fixture->main, 2, NULL);
        ASSERT_VALUE(alex_main_table(foreign), 5, NULL);
    }
    ASSERT_CODE(ALEX_INVALID, alex_write(NULL, bad, 1));
    ASSERT_CODE(ALEX_INVALID, alex_write(fixture->store, NULL, 1));
    helper_check(foreign);
    ASSERT_OK(alex_close(foreign));
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
}

/* A large batch, its keys in no order, is there as a whole. */
static void test_large_batch(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 50000 };
    struct alex_op *ops = calloc(COUNT, sizeof *ops);
    int64_t *keys = calloc(COUNT, sizeof *keys);
    assert_true(ops != NULL && keys != NULL);
    struct helper_random random = {3};

    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = (int64_t)helper_random_next(&random);
        ops[i] = (struct alex_op){ALEX_OP_PUT, fixture->main, keys[i], {&keys[i], sizeof keys[i]}};
    }
    ASSERT_OK(alex_write(fixture->store, ops, COUNT));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            int64_t value = 0;
            ASSERT_OK(alex_get(fixture->main, keys[i], &value, sizeof value, NULL));
            assert_int_equal(value, keys[i]);
        }
        fixture_reopen(fixture);
    }
    free(ops);
    free(keys);
}

/* A transaction that began before a batch sees none of it, one that began after sees all. */
static void test_batch_and_snapshots(void **state)
{
    struct fixture *fixture = *state;
    alex_table *other = helper_table(fixture->store, "other", ALEX_KEYS_DEFAULT);

    helper_put(fixture->main, 1, "old");
    helper_put(other, 1, "old");
    alex_txn *before = helper_begin(fixture->store);
    struct alex_op ops[] = {put_op(fixture->main, 1, "new"), delete_op(other, 1), put_op(other, 2, "new")};
    ASSERT_OK(alex_write(fixture->store, ops, 3));
    alex_txn *after = helper_begin(fixture->store);
    ASSERT_TXN_VALUE(before, fixture->main, 1, "old");
    ASSERT_TXN_VALUE(before, other, 1, "old");
    ASSERT_TXN_VALUE(before, other, 2, NULL);
    ASSERT_TXN_VALUE(after, fixture->main, 1, "new");
    ASSERT_TXN_VALUE(after, other, 1, NULL);
    ASSERT_TXN_VALUE(after, other, 2, "new");
    ASSERT_OK(alex_end(before));
    ASSERT_OK(alex_end(after));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_across_tables),         TEST_WITH_STORE(test_repeats),
        TEST_WITH_STORE(test_delete_of_absent_keys), TEST_WITH_STORE(test_empty_batch),
        TEST_WITH_STORE(test_all_or_none),           TEST_WITH_STORE(test_large_batch),
        TEST_WITH_STORE(test_batch_and_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
