/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file write_txn.c
 * Write transactions: one at a time holds the store's writes. What they write is in writes.h; what they read they read
 * as others do (txn.c, cursor.c), with that over it.
 */
#include "store/store_internal.h"

#define NS_PER_MS UINT64_C(1000000)

static int begin(alex_store *store, alex_txn **out_txn)
{
    int result = write_allowed(store);
    if (result != ALEX_OK) {
        return result;
    }
    alex_txn *txn = store->kept_txn;
    store->kept_txn = NULL;
    if (txn == NULL) {
        txn = base_alloc(sizeof *txn);
    }
    if (txn == NULL) {
        return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to begin a transaction");
    }
    *txn = (alex_txn){
        .handle = {.kind = HANDLE_TXN},
        .store = store,
        .snapshot = {.number = UINT64_MAX},
        .is_write = true,
    };
    writer_hold(store, HOLD_TXN);
    *out_txn = txn;
    return ALEX_OK;
}

int alex_begin_write(alex_store *store, int64_t wait_ms, alex_txn **out_txn)
{
    int result = store_usable(store);
    if (result == ALEX_OK && out_txn == NULL) {
        result = base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                           "beginning a transaction takes a place for its handle");
    }
    if (result == ALEX_OK) {
        result = writer_begin(store);
    }
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t now = os_clock_ns();
    bool ends = wait_ms >= 0 && (uint64_t)wait_ms < (UINT64_MAX - now) / NS_PER_MS;
    result = writer_await(store, ends ? now + (uint64_t)wait_ms * NS_PER_MS : UINT64_MAX);
    if (result == ALEX_OK) {
        result = begin(store, out_txn);
    }
    return writer_end(store, result);
}

/** Checks that a transaction writes, and makes the calling thread its own. */
static int check(alex_txn *txn)
{
    int result = handle_check(txn, HANDLE_TXN);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (BASE_UNLIKELY(!txn->is_write)) {
        return base_fail(store_error(txn->store), ALEX_INVALID, 0, txn->store->path,
                         "the transaction only reads; begin it with ALEX_WRITE to write in it");
    }
    writer_keep_hold(txn->store);
    return ALEX_OK;
}

int write_txn_take_turn(alex_txn *txn)
{
    int result = check(txn);
    return result == ALEX_OK ? writer_begin(txn->store) : result;
}

int write_txn_check(alex_txn *txn, const alex_table *table)
{
    int result = txn_check(txn, table);
    return BASE_LIKELY(result == ALEX_OK) ? check(txn) : result;
}

/** Whether a key has a value. */
static int has_value(const alex_txn *txn, alex_table *table, int64_t key, bool *out_has)
{
    uint64_t ref;
    int result = txn_find(txn, table, table_index_key(table, key), false, &ref);
    *out_has = result == ALEX_OK && log_ref_is_value(ref);
    return result;
}

int alex_txn_put(alex_txn *txn, alex_table *table, int64_t key, const void *value, size_t size, bool *out_replaced)
{
    int result = write_txn_check(txn, table);
    if (BASE_LIKELY(result == ALEX_OK)) {
        result = write_value_check(txn->store, value, size);
    }
    bool replaces = false;
    if (result == ALEX_OK && out_replaced != NULL) {
        result = has_value(txn, table, key, &replaces);
    }
    if (BASE_LIKELY(result == ALEX_OK)) {
        result = writes_put(table, key, value, size);
    }
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    txn->changes++;
    if (out_replaced != NULL) {
        *out_replaced = replaces;
    }
    return ALEX_OK;
}

int alex_txn_put_if_absent(alex_txn *txn, alex_table *table, int64_t key, const void *value, size_t size)
{
    int result = write_txn_check(txn, table);
    if (result == ALEX_OK) {
        result = write_value_check(txn->store, value, size);
    }
    bool is_there = false;
    if (result == ALEX_OK) {
        result = has_value(txn, table, key, &is_there);
    }
    if (result == ALEX_OK && is_there) {
        return ALEX_EXISTS;
    }
    if (result == ALEX_OK) {
        result = writes_put(table, key, value, size);
        txn->changes += result == ALEX_OK;
    }
    return result;
}

int alex_txn_delete(alex_txn *txn, alex_table *table, int64_t key)
{
    int result = write_txn_check(txn, table);
    bool is_there = false;
    if (result == ALEX_OK) {
        result = has_value(txn, table, key, &is_there);
    }
    if (result != ALEX_OK || !is_there) {
        return result != ALEX_OK ? result : ALEX_NOT_FOUND;
    }
    alex_store *store = txn->store;
    result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t previous = index_find(table->index, table_index_key(table, key));
    result = writes_append(table, key, previous, true, NULL, 0);
    txn->changes += result == ALEX_OK;
    return writer_end(store, result);
}

/** Keys of a range that are deleted in one turn. */
#define RANGE_STEP 64

/** What is left of a range that is being deleted: index keys. */
struct range_left {
    uint64_t first;
    uint64_t last;
    bool over_own; /**< the transaction had written to the table before */
    bool done;
    uint64_t deleted;
};

/** Deletes the next keys of a range, in the writer's turn and within a section. */
static int delete_step(struct alex_table *table, struct range_left *left)
{
    struct index_entry entries[RANGE_STEP];
    size_t count = 0;
    int result = ALEX_OK;
    if (left->over_own) {
        result = overlay_scan(table, left->first, INDEX_ASCENDING, entries, RANGE_STEP, &count);
    } else { /* what this deletes lies behind `first` */
        count = index_scan(table->index, left->first, INDEX_ASCENDING, entries, RANGE_STEP);
    }
    left->done = count < RANGE_STEP;
    for (size_t i = 0; i < count && result == ALEX_OK; i++) {
        uint64_t key = entries[i].key;
        if (key > left->last) {
            left->done = true;
            break;
        }
        if (log_ref_is_value(entries[i].payload)) {
            uint64_t previous = left->over_own ? index_find(table->index, key) : entries[i].payload;
            result = writes_append(table, table_user_key(table, key), previous, true, NULL, 0);
            left->deleted += result == ALEX_OK;
        }
        left->done = left->done || key == left->last;
        left->first = key + 1;
    }
    return result;
}

/** Deletes a range in a transaction, some keys a turn. */
static int delete_range(alex_txn *txn, struct alex_table *table, const struct alex_range *range, uint64_t *out_deleted)
{
    alex_store *store = txn->store;
    struct range_left left = {
        .first = range != NULL && range->has_first ? table_index_key(table, range->first) : 0,
        .last = range != NULL && range->has_last ? table_index_key(table, range->last) : UINT64_MAX,
    };
    left.done = left.first > left.last;
    int result = writes_settle(store, false);
    left.over_own = overlay_covers(table);
    while (result == ALEX_OK && !left.done) {
        result = writer_begin(store);
        if (result == ALEX_OK) { /* unreached: who has begun before, or saved, could have the turn */
            epoch_enter();
            result = delete_step(table, &left);
            epoch_leave();
            result = writer_end(store, result);
        }
    }
    *out_deleted = left.deleted;
    txn->changes += left.deleted > 0;
    return result;
}

int alex_txn_delete_range(alex_txn *txn, alex_table *table, const struct alex_range *range, uint64_t *out_deleted)
{
    int result = write_txn_check(txn, table);
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t deleted;
    uint64_t savepoint = 0;
    result = alex_savepoint(txn, &savepoint);
    if (result != ALEX_OK) {
        return result;
    }
    result = delete_range(txn, table, range, &deleted);
    if (result != ALEX_OK) {
        (void)alex_rollback_to(txn, savepoint);
    }
    (void)alex_release(txn, savepoint);
    if (result == ALEX_OK && out_deleted != NULL) {
        *out_deleted = deleted;
    }
    return result;
}

int alex_delete_range(alex_table *table, const struct alex_range *range, uint64_t *out_deleted)
{
    int result = handle_check(table, HANDLE_TABLE);
    alex_txn *txn = NULL;
    if (result == ALEX_OK) {
        result = alex_begin_write(table->store, -1, &txn);
    }
    if (txn == NULL) { /* it has not begun */
        return result;
    }
    uint64_t deleted = 0;
    result = table_check(table);
    if (result == ALEX_OK) {
        result = delete_range(txn, table, range, &deleted);
    }
    if (result != ALEX_OK) {
        (void)alex_end(txn);
        return result;
    }
    result = alex_commit(txn);
    if (result == ALEX_OK && out_deleted != NULL) {
        *out_deleted = deleted;
    }
    return result;
}

int alex_savepoint(alex_txn *txn, uint64_t *out_savepoint)
{
    int result = check(txn);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = txn->store;
    if (out_savepoint == NULL) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path, "a savepoint needs a place for its number");
    }
    result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    result = writes_save(store);
    if (result == ALEX_OK) {
        *out_savepoint = store->writes.savepoint_count;
    }
    return writer_end(store, result);
}

/** check() of a call on a savepoint that is there. */
static int check_savepoint(alex_txn *txn, uint64_t savepoint)
{
    int result = check(txn);
    if (result == ALEX_OK && (savepoint == 0 || savepoint > txn->store->writes.savepoint_count)) {
        return base_fail(store_error(txn->store), ALEX_INVALID, 0, txn->store->path,
                         "the transaction has no such savepoint: it was released, or ended with one before it");
    }
    return result;
}

int alex_rollback_to(alex_txn *txn, uint64_t savepoint)
{
    int result = check_savepoint(txn, savepoint);
    if (result == ALEX_OK) {
        writes_roll_back(txn->store, savepoint);
        txn->changes++;
    }
    return result;
}

int alex_release(alex_txn *txn, uint64_t savepoint)
{
    int result = check_savepoint(txn, savepoint);
    if (result == ALEX_OK) {
        writes_forget(txn->store, savepoint);
    }
    return result;
}

/** Ends the transaction's hold and handle. The writer's. */
static void end(alex_txn *txn)
{
    alex_store *store = txn->store;
    writer_release(store);
    store->kept_txn = handle_end_kept(&txn->handle);
}

int alex_commit(alex_txn *txn)
{
    int result = check(txn);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = txn->store;
    if (txn->open_cursors > 0) {
        return txn_refuse_open_cursor(store);
    }
    result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    struct commit commit = {0};
    result = writes_commit(store, &commit, NULL);
    end(txn);
    return writes_end(store, &commit, result);
}

int write_txn_end(alex_txn *txn)
{
    alex_store *store = txn->store;
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    writes_abort(store);
    end(txn);
    struct commit commit = {0};
    commit_follow(store, &commit); /* it may have read what waits */
    return commit_end(store, &commit, ALEX_OK);
}
