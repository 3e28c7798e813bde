/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_update.c
 * Calls that read a value and write what follows from it, by themselves and in transactions.
 */
#include <pthread.h>

#include "support/store_helper.h"

/** Either way of calling: with a transaction, or with NULL by itself. */
static int add(alex_txn *txn, alex_table *table, int64_t key, int64_t amount, int64_t *out_sum)
{
    return txn != NULL ? alex_txn_add(txn, table, key, amount, out_sum) : alex_add(table, key, amount, out_sum);
}

static int swap(alex_txn *txn, alex_table *table, int64_t key, const char *expected, const char *desired)
{
    struct alex_slice from = {expected, expected != NULL ? strlen(expected) : 0};
    struct alex_slice to = {desired, desired != NULL ? strlen(desired) : 0};
    const struct alex_slice *from_it = expected != NULL ? &from : NULL;
    const struct alex_slice *to_it = desired != NULL ? &to : NULL;
    return txn != NULL ? alex_txn_compare_and_swap(txn, table, key, from_it, to_it)
                       : alex_compare_and_swap(table, key, from_it, to_it);
}

static int version_of(alex_txn *txn, alex_table *table, int64_t key, uint64_t *out_version)
{
    return txn != NULL ? alex_txn_get_version(txn, table, key, out_version) : alex_get_version(table, key, out_version);
}

static int put_if_version(alex_txn *txn, alex_table *table, int64_t key, uint64_t version, const char *text)
{
    return txn != NULL ? alex_txn_put_if_version(txn, table, key, version, text, strlen(text))
                       : alex_put_if_version(table, key, version, text, strlen(text), NULL);
}

static int update(alex_txn *txn, alex_table *table, int64_t key, alex_update_fn *call, void *context)
{
    return txn != NULL ? alex_txn_update(txn, table, key, call, context) : alex_update(table, key, call, context);
}

static void assert_text(alex_txn *txn, alex_table *table, int64_t key, const char *text)
{
    if (txn != NULL) {
        ASSERT_TXN_VALUE(txn, table, key, text);
    } else {
        ASSERT_VALUE(table, key, text);
    }
}

/** Runs a test by itself, and within a transaction that is committed. */
static void both_ways(struct fixture *fixture, void (*test)(alex_txn *txn, alex_table *table))
{
    test(NULL, fixture->main);
    alex_txn *txn = NULL;
    alex_table *table = helper_table(fixture->store, "second", ALEX_KEYS_UNSIGNED);
    ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
    test(txn, table);
    ASSERT_OK(alex_commit(txn));
}

static void check_counters(alex_txn *txn, alex_table *table)
{
    int64_t sum = 77;
    ASSERT_OK(add(txn, table, 1, 5, &sum)); /* from none */
    assert_int_equal(sum, 5);
    ASSERT_OK(add(txn, table, 1, -7, &sum));
    assert_int_equal(sum, -2);
    ASSERT_OK(add(txn, table, 1, 0, NULL));
    ASSERT_OK(add(txn, table, 2, INT64_MAX, &sum));
    ASSERT_OK(add(txn, table, 2, 1, &sum)); /* wraps around */
    assert_true(sum == INT64_MIN);
    ASSERT_OK(swap(txn, table, 3, NULL, "text"));
    sum = 77;
    ASSERT_CODE(ALEX_INVALID, add(txn, table, 3, 1, &sum));
    assert_int_equal(sum, 77);
    assert_text(txn, table, 3, "text");
}

/* A counter begins at 0, goes up and down, wraps around, and leaves what is no counter alone. */
static void test_add(void **state)
{
    both_ways(*state, check_counters);
    struct fixture *fixture = *state;
    int64_t number;
    ASSERT_OK(alex_get(fixture->main, 1, &number, sizeof number, NULL));
    assert_int_equal(number, -2);
    struct alex_error error;
    ASSERT_CODE(ALEX_INVALID, alex_add(fixture->main, 3, 1, NULL));
    alex_store_error(fixture->store, &error);
    assert_non_null(strstr(error.message, "counter"));
}

static void check_swaps(alex_txn *txn, alex_table *table)
{
    ASSERT_CODE(ALEX_CONFLICT, swap(txn, table, 1, "", "x"));
    ASSERT_CODE(ALEX_CONFLICT, swap(txn, table, 1, "x", NULL));
    ASSERT_OK(swap(txn, table, 1, NULL, NULL)); /* none for none */
    assert_text(txn, table, 1, NULL);
    ASSERT_OK(swap(txn, table, 1, NULL, "one"));
    ASSERT_CODE(ALEX_CONFLICT, swap(txn, table, 1, NULL, "two"));
    ASSERT_CODE(ALEX_CONFLICT, swap(txn, table, 1, "on", "two"));
    ASSERT_CODE(ALEX_CONFLICT, swap(txn, table, 1, "onf", "two"));
    assert_text(txn, table, 1, "one");
    ASSERT_OK(swap(txn, table, 1, "one", ""));
    assert_text(txn, table, 1, "");
    ASSERT_OK(swap(txn, table, 1, "", "three"));
    ASSERT_OK(swap(txn, table, 1, "three", NULL));
    assert_text(txn, table, 1, NULL);
}

/* A swap takes place if the value is the expected one, none included, byte for byte. */
static void test_compare_and_swap(void **state)
{
    struct fixture *fixture = *state;
    both_ways(fixture, check_swaps);
    const struct alex_slice bad = {NULL, 1};
    ASSERT_CODE(ALEX_INVALID, alex_compare_and_swap(fixture->main, 1, &bad, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_compare_and_swap(fixture->main, 1, NULL, &bad));
    ASSERT_CODE(ALEX_INVALID, alex_compare_and_swap(NULL, 1, NULL, NULL));
    const struct alex_slice huge = {"x", ALEX_VALUE_MAX + 1};
    ASSERT_CODE(ALEX_TOO_LARGE, alex_compare_and_swap(fixture->main, 1, NULL, &huge));
    ASSERT_VALUE(fixture->main, 1, NULL);
}

static void check_versions(alex_txn *txn, alex_table *table)
{
    uint64_t first = 77;
    uint64_t second;
    ASSERT_CODE(ALEX_NOT_FOUND, version_of(txn, table, 1, &first));
    ASSERT_CODE(ALEX_CONFLICT, put_if_version(txn, table, 1, 1, "x"));
    ASSERT_OK(put_if_version(txn, table, 1, 0, "one"));
    ASSERT_CODE(ALEX_CONFLICT, put_if_version(txn, table, 1, 0, "x"));
    ASSERT_OK(version_of(txn, table, 1, &first));
    ASSERT_OK(put_if_version(txn, table, 1, first, "one"));
    ASSERT_OK(version_of(txn, table, 1, &second));
    assert_true(second > first);
    ASSERT_CODE(ALEX_CONFLICT, put_if_version(txn, table, 1, first, "x"));
    ASSERT_OK(put_if_version(txn, table, 1, second, "two"));
    assert_text(txn, table, 1, "two");
}

/* Each write gives a key another version, by which a put may be held back; versions stay when the store is opened
 * again. */
static void test_versions(void **state)
{
    struct fixture *fixture = *state;
    uint64_t version = 0;
    uint64_t again = 0;
    both_ways(fixture, check_versions);
    ASSERT_OK(alex_put_if_version(fixture->main, 5, 0, "five", 4, &version));
    ASSERT_OK(alex_get_version(fixture->main, 5, &again));
    assert_int_equal(version, again);
    alex_txn *txn = helper_begin(fixture->store);
    helper_put(fixture->main, 5, "later");
    ASSERT_OK(alex_txn_get_version(txn, fixture->main, 5, &again));
    assert_int_equal(version, again); /* of what the snapshot sees */
    ASSERT_CODE(ALEX_INVALID, alex_txn_get_version(txn, fixture->main, 5, NULL));
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_get_version(fixture->main, 5, &version));
    fixture_reopen(fixture);
    ASSERT_OK(alex_get_version(fixture->main, 5, &again));
    assert_int_equal(version, again);
    ASSERT_CODE(ALEX_INVALID, alex_get_version(fixture->main, 5, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_get_version(NULL, 5, &again));
    ASSERT_CODE(ALEX_INVALID, alex_put_if_version(fixture->main, 5, version, NULL, 1, NULL));
    ASSERT_OK(alex_put_if_version(fixture->main, 5, version, NULL, 0, NULL));
    ASSERT_VALUE(fixture->main, 5, "");
}

/** What an update is to do, and what it has seen. */
struct order {
    const char *expected;
    const char *wanted;
    int result;
    int calls;
};

static int carry_out(void *context, struct alex_slice value, struct alex_slice *out_value)
{
    struct order *order = context;
    order->calls++;
    assert_true(out_value->data == NULL && out_value->size == 0);
    if (order->expected == NULL) {
        assert_null(value.data);
    } else {
        ASSERT_SLICE(value, order->expected);
    }
    if (order->wanted != NULL) {
        *out_value = (struct alex_slice){order->wanted, strlen(order->wanted)};
    }
    return order->result;
}

static void check_updates(alex_txn *txn, alex_table *table)
{
    struct order orders[] = {
        {.wanted = NULL},                                   /* nothing stays nothing */
        {.wanted = "first"},                                /* made */
        {.expected = "first", .wanted = "x", .result = -5}, /* refused */
        {.expected = "first", .wanted = ""},                /* an empty value */
        {.expected = "", .wanted = "second"},               /* and another one */
        {.expected = "second", .result = ALEX_NOT_FOUND},   /* refused */
        {.expected = "second"},                             /* deleted */
        {.wanted = "third"},
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        ASSERT_CODE(orders[i].result, update(txn, table, 1, carry_out, &orders[i]));
        assert_int_equal(orders[i].calls, 1);
    }
    assert_text(txn, table, 1, "third");
    ASSERT_CODE(ALEX_INVALID, update(txn, table, 1, NULL, NULL));
}

/** Puts a value anew, whose bytes come from where the value itself lies. */
static int keep(void *context, struct alex_slice value, struct alex_slice *out_value)
{
    alex_table *table = context;
    char buffer[16];
    if (table != NULL) { /* reads go on, writes are refused */
        ASSERT_OK(alex_get(table, 1, buffer, sizeof buffer, NULL));
        ASSERT_CODE(ALEX_BUSY, alex_put(table, 2, "x", 1, NULL));
    }
    *out_value = value;
    return ALEX_OK;
}

static int give_nonsense(void *context, struct alex_slice value, struct alex_slice *out_value)
{
    (void)context;
    (void)value;
    *out_value = (struct alex_slice){NULL, 1};
    return ALEX_OK;
}

/* A function that is called once says what becomes of a value, or that nothing does. */
static void test_update(void **state)
{
    struct fixture *fixture = *state;
    both_ways(fixture, check_updates);
    ASSERT_OK(alex_update(fixture->main, 1, keep, fixture->main));
    ASSERT_VALUE(fixture->main, 1, "third");
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_CODE(ALEX_INVALID, alex_update(fixture->main, 1, give_nonsense, NULL));
    ASSERT_VALUE(fixture->main, 1, "third");
}

/* What has no place for it is refused: a transaction that reads, a store that takes no write, a thread's own open
 * transaction. */
static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_INVALID, add(txn, fixture->main, 1, 1, NULL));
    ASSERT_CODE(ALEX_INVALID, swap(txn, fixture->main, 1, "one", "two"));
    ASSERT_CODE(ALEX_INVALID, put_if_version(txn, fixture->main, 1, 0, "two"));
    ASSERT_CODE(ALEX_INVALID, update(txn, fixture->main, 1, keep, NULL));
    ASSERT_OK(alex_end(txn));
    ASSERT_OK(alex_begin(fixture->store, ALEX_WRITE, &txn));
    ASSERT_CODE(ALEX_BUSY, alex_add(fixture->main, 2, 1, NULL));
    ASSERT_OK(alex_end(txn));
    fixture_store_close(fixture);
    fixture_store_open(fixture, &(struct alex_options){.read_only = true});
    ASSERT_CODE(ALEX_READ_ONLY, alex_add(fixture->main, 2, 1, NULL));
    ASSERT_CODE(ALEX_READ_ONLY, swap(NULL, fixture->main, 1, "one", "two"));
}

enum { THREADS = 4, ADDS = 20000 };

static void *add_on(void *context)
{
    alex_table *table = context;
    for (intptr_t i = 0; i < ADDS; i++) {
        if (alex_add(table, i % 3, 1, NULL) != ALEX_OK) {
            return table;
        }
    }
    return NULL;
}

/* Additions of several threads are all there. */
static void test_threads(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    void *failed;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(0, pthread_create(&threads[i], NULL, add_on, fixture->main));
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(0, pthread_join(threads[i], &failed));
        assert_null(failed);
    }
    int64_t sum = 0;
    for (int64_t key = 0; key < 3; key++) {
        int64_t part;
        ASSERT_OK(alex_add(fixture->main, key, 0, &part));
        sum += part;
    }
    assert_int_equal(sum, THREADS * ADDS);
}

/* With a sync for each commit an update sees writes that still wait for theirs, and its own answer waits, too. */
static void test_durable(void **state)
{
    struct fixture *fixture = *state;
    int64_t sum;
    fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
    for (int i = 0; i < 20; i++) {
        ASSERT_OK(alex_add(fixture->main, 1, 2, &sum));
    }
    assert_int_equal(sum, 40);
    ASSERT_CODE(ALEX_CONFLICT, alex_compare_and_swap(fixture->main, 1, NULL, NULL));
    ASSERT_OK(alex_compare_and_swap(fixture->main, 2, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_add),         TEST_WITH_STORE(test_compare_and_swap), TEST_WITH_STORE(test_versions),
        TEST_WITH_STORE(test_update),      TEST_WITH_STORE(test_refused),          TEST_WITH_STORE(test_threads),
        TEST_WITH_DIRECTORY(test_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
