/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file update.c
 * Calls that read a value and write what follows from it, with no other write between: by themselves, in the writer's
 * turn, or in a write transaction, which has the store's writes for itself anyway.
 */
#include <string.h>

#include "store/store_internal.h"

/** What is to become of a value. */
struct update {
    /** Looks at what there is (NULL: nothing) and says what there shall be (data == NULL: nothing). @return ALEX_OK, or
     *  what the call is to return, without a write */
    int (*decide)(struct update *update, const struct log_value *now, struct alex_slice *out_value);
    alex_store *store;
    alex_update_fn *call; /**< of alex_update() */
    void *context;
    const struct alex_slice *expected; /**< of alex_compare_and_swap(); NULL: no value */
    const struct alex_slice *desired;
    struct alex_slice value; /**< of alex_put_if_version() */
    uint64_t version;
    uint64_t sum; /**< of alex_add(): at first what is added */
};

/** Reads the newest version, to which an index entry leads; 0: there is none. @param out_is_there  whether it is a
 *  value */
static int read_newest(struct alex_table *table, int64_t key, uint64_t ref, struct log_value *out_value,
                       bool *out_is_there)
{
    *out_is_there = log_ref_is_value(ref);
    struct mvcc_view newest = {UINT64_MAX, table->store->shortcuts};
    return *out_is_there ? read_visible(table, newest, key, ref, out_value) : ALEX_OK;
}

/** Decides. @return as struct update says, or why the value can't be read */
static int decide(struct update *update, struct alex_table *table, int64_t key, uint64_t ref,
                  struct alex_slice *out_value)
{
    struct log_value now;
    bool is_there;
    int result = read_newest(table, key, ref, &now, &is_there);
    return result == ALEX_OK ? update->decide(update, is_there ? &now : NULL, out_value) : result;
}

static int update_in_turn(struct update *update, struct write_one *one, struct alex_table *table, int64_t key)
{
    int result = table_check(table);
    if (result == ALEX_OK) {
        result = write_allowed(table->store);
    }
    if (result != ALEX_OK) {
        return result;
    }
    struct alex_slice value = {NULL, 0};
    uint64_t ref = index_find(table->index, table_index_key(table, key));
    result = decide(update, table, key, ref, &value);
    if (result == ALEX_OK && value.data != NULL) {
        return write_put(one, table, key, value.data, value.size, false);
    }
    if (result == ALEX_OK && log_ref_is_value(ref)) {
        return write_delete(one, table, key);
    }
    commit_follow(table->store, &one->commit); /* the answer rests on what may wait */
    return result;
}

/** Carries an update out by itself. @param out_version  optional: of the value that it has written */
static int update_alone(struct update *update, struct alex_table *table, int64_t key, uint64_t *out_version)
{
    struct write_one one = {0};
    int result = table_begin_write(table);
    if (result != ALEX_OK) {
        return result;
    }
    update->store = table->store;
    result = commit_end(table->store, &one.commit, update_in_turn(update, &one, table, key));
    if (result == ALEX_OK && out_version != NULL) {
        *out_version = one.number;
    }
    return result;
}

/** Carries an update out in a transaction. */
static int update_in_txn(struct update *update, alex_txn *txn, struct alex_table *table, int64_t key)
{
    uint64_t ref = 0;
    int result = write_txn_check(txn, table);
    if (result == ALEX_OK) {
        result = txn_find(txn, table, table_index_key(table, key), true, &ref);
    }
    struct alex_slice value = {NULL, 0};
    if (result == ALEX_OK) {
        update->store = txn->store;
        result = decide(update, table, key, ref, &value);
    }
    if (result != ALEX_OK) {
        return result;
    }
    if (value.data != NULL) {
        return alex_txn_put(txn, table, key, value.data, value.size, NULL);
    }
    return log_ref_is_value(ref) ? alex_txn_delete(txn, table, key) : ALEX_OK;
}

/* ------------------------------------------------------------------------------------------------ counters */

#define COUNTER_BYTES sizeof(uint64_t)

static int decide_add(struct update *update, const struct log_value *now, struct alex_slice *out_value)
{
    uint64_t number = 0;
    if (now != NULL && now->bytes != COUNTER_BYTES) {
        return base_fail(store_error(update->store), ALEX_INVALID, 0, update->store->path,
                         "the value is no counter: it has not 8 bytes");
    }
    if (now != NULL) {
        memcpy(&number, now->data, COUNTER_BYTES);
    }
    update->sum += number;
    *out_value = (struct alex_slice){&update->sum, COUNTER_BYTES};
    return ALEX_OK;
}

static int end_add(const struct update *update, int result, int64_t *out_sum)
{
    if (result == ALEX_OK && out_sum != NULL) {
        *out_sum = (int64_t)update->sum;
    }
    return result;
}

int alex_add(alex_table *table, int64_t key, int64_t amount, int64_t *out_sum)
{
    struct update update = {.decide = decide_add, .sum = (uint64_t)amount};
    return end_add(&update, update_alone(&update, table, key, NULL), out_sum);
}

int alex_txn_add(alex_txn *txn, alex_table *table, int64_t key, int64_t amount, int64_t *out_sum)
{
    struct update update = {.decide = decide_add, .sum = (uint64_t)amount};
    return end_add(&update, update_in_txn(&update, txn, table, key), out_sum);
}

/* ------------------------------------------------------------------------------------------------ conditions */

/** Checks a value that the caller has given. An empty one gets an address, as NULL stands for none. */
static int check_given(const struct update *update, struct alex_slice given, struct alex_slice *out_value)
{
    if (given.data == NULL && given.size > 0) {
        return base_fail(store_error(update->store), ALEX_INVALID, 0, update->store->path,
                         "a value is NULL but its size is not 0");
    }
    *out_value = (struct alex_slice){given.size > 0 ? given.data : "", given.size};
    return ALEX_OK;
}

static int decide_swap(struct update *update, const struct log_value *now, struct alex_slice *out_value)
{
    struct alex_slice expected = {NULL, 0};
    int result = ALEX_OK;
    if (update->expected != NULL) {
        result = check_given(update, *update->expected, &expected);
    }
    if (result == ALEX_OK && update->desired != NULL) {
        result = check_given(update, *update->desired, out_value);
    }
    if (result != ALEX_OK) {
        return result;
    }
    bool is_same = now == NULL ? expected.data == NULL
                               : expected.data != NULL && now->bytes == expected.size &&
                                     memcmp(now->data, expected.data, expected.size) == 0;
    return is_same ? ALEX_OK : ALEX_CONFLICT;
}

int alex_compare_and_swap(alex_table *table, int64_t key, const struct alex_slice *expected,
                          const struct alex_slice *desired)
{
    struct update update = {.decide = decide_swap, .expected = expected, .desired = desired};
    return update_alone(&update, table, key, NULL);
}

int alex_txn_compare_and_swap(alex_txn *txn, alex_table *table, int64_t key, const struct alex_slice *expected,
                              const struct alex_slice *desired)
{
    struct update update = {.decide = decide_swap, .expected = expected, .desired = desired};
    return update_in_txn(&update, txn, table, key);
}

static int decide_version(struct update *update, const struct log_value *now, struct alex_slice *out_value)
{
    int result = check_given(update, update->value, out_value);
    if (result != ALEX_OK) {
        return result;
    }
    return (now != NULL ? now->number : 0) == update->version ? ALEX_OK : ALEX_CONFLICT;
}

int alex_put_if_version(alex_table *table, int64_t key, uint64_t version, const void *value, size_t size,
                        uint64_t *out_version)
{
    struct update update = {.decide = decide_version, .version = version, .value = {value, size}};
    return update_alone(&update, table, key, out_version);
}

int alex_txn_put_if_version(alex_txn *txn, alex_table *table, int64_t key, uint64_t version, const void *value,
                            size_t size)
{
    struct update update = {.decide = decide_version, .version = version, .value = {value, size}};
    return update_in_txn(&update, txn, table, key);
}

/* ------------------------------------------------------------------------------------------------ by a function */

static int decide_by_call(struct update *update, const struct log_value *now, struct alex_slice *out_value)
{
    if (update->call == NULL) {
        return base_fail(store_error(update->store), ALEX_INVALID, 0, update->store->path,
                         "an update takes a function that says what the new value is");
    }
    struct alex_slice wanted = {NULL, 0};
    int result = update->call(update->context, now != NULL ? read_slice(now) : (struct alex_slice){NULL, 0}, &wanted);
    if (result == ALEX_OK && (wanted.data != NULL || wanted.size > 0)) {
        result = check_given(update, wanted, out_value);
    }
    return result;
}

int alex_update(alex_table *table, int64_t key, alex_update_fn *call, void *context)
{
    struct update update = {.decide = decide_by_call, .call = call, .context = context};
    return update_alone(&update, table, key, NULL);
}

int alex_txn_update(alex_txn *txn, alex_table *table, int64_t key, alex_update_fn *call, void *context)
{
    struct update update = {.decide = decide_by_call, .call = call, .context = context};
    return update_in_txn(&update, txn, table, key);
}
