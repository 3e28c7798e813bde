/* SPDX-License-Identifier: Apache-2.0 */
/** @file txn.c Snapshots, and what is read in transactions: zero-copy gets, counts. */
#include <string.h>

#include "store/store_internal.h"

/** Keys of alex_txn_get_many() that are looked up together. */
#define GET_MANY_GROUP 64

/** After a snapshot has gone, or moved on, that saw `number`: a writer that did not see that has noted what it holds
 *  back. Goes on, too, with what another has left. */
static void reclaim_soon(alex_store *store, uint64_t number)
{
    uint64_t held_from = atomic_load(&store->held_from);
    if (BASE_UNLIKELY(held_from != UINT64_MAX) &&
        (number < held_from || atomic_load_explicit(&store->reclaim_rest, memory_order_relaxed))) {
        writer_reclaim_soon(store);
    }
}

int alex_begin(alex_store *store, enum alex_txn_mode mode, alex_txn **out_txn)
{
    int result = store_usable(store);
    if (result != ALEX_OK) {
        return result;
    }
    if (mode == ALEX_WRITE) {
        return alex_begin_write(store, -1, out_txn);
    }
    if (mode != ALEX_READ || out_txn == NULL) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                         "a transaction takes the mode ALEX_READ or ALEX_WRITE and a place for its handle");
    }
    uint64_t published = mvcc_published(&store->mvcc);
    struct mvcc_snapshot snapshot;
    result = mvcc_open(&store->mvcc, &snapshot);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return base_fail(store_error(store), result, 0, store->path,
                         "no memory for another transaction beside those that are open; end some");
    }
    alex_txn *txn = snapshot.slot->kept;
    if (txn == NULL) {
        txn = base_alloc(sizeof *txn + HANDLE_APART_BYTES);
    }
    if (BASE_UNLIKELY(txn == NULL)) {
        mvcc_close(&snapshot);
        reclaim_soon(store, published);
        return base_fail(store_error(store), ALEX_NO_MEMORY, 0, store->path, "no memory to begin a transaction");
    }
    snapshot.slot->kept = NULL;
    *txn = (alex_txn){.handle = {.kind = HANDLE_TXN}, .store = store, .snapshot = snapshot};
    *out_txn = txn;
    if (BASE_UNLIKELY(snapshot.number != published)) {
        /* A writer that saw the snapshot announced may have held back for it what it doesn't need. */
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load(&store->held_from) <= snapshot.number) {
            reclaim_soon(store, published);
        }
    }
    return ALEX_OK;
}

void txn_reclaim(alex_store *store, size_t entries_max)
{
    if (store->reserved != NULL) {
        return;
    }
    atomic_store(&store->reclaim_due, false);
    bool all;
    do {
        uint64_t oldest = mvcc_oldest(&store->mvcc);
        all = version_reclaim(store, oldest, &entries_max);
        if (all) {
            table_reclaim(store, oldest); /* not before the tombstones in them */
        }
    } while (version_find_held_from(store) && all);
    atomic_store_explicit(&store->reclaim_rest, !all, memory_order_relaxed);
}

bool txn_watch(alex_store *store, struct alex_old_snapshot *out_old)
{
    const uint64_t limit = store->options.old_snapshot_writes;
    struct mvcc_open_snapshots open;
    mvcc_look(&store->mvcc, &open);
    uint64_t published = mvcc_published(&store->mvcc); /* after it, so that none that is open is newer */
    if (open.count > 0 && open.oldest_thread == 0) {
        return false; /* one that is just being opened may look old */
    }
    uint64_t records = open.count == 0 ? 0 : published - open.oldest;
    uint64_t rest = records < limit ? limit - records : limit;
    store->old_snapshot_due = rest < UINT64_MAX - published ? published + rest : UINT64_MAX;
    if (records < limit) {
        return false;
    }
    *out_old = (struct alex_old_snapshot){open.oldest, records, open.oldest_thread};
    return true;
}

int txn_refuse_open_cursor(const alex_store *store)
{
    return base_fail(store_error(store), ALEX_BUSY, 0, store->path,
                     "a cursor of the transaction is open; close it first");
}

int alex_renew(alex_txn *txn)
{
    int result = handle_check(txn, HANDLE_TXN);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = txn->store;
    if (txn->is_write) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                         "a write transaction can't be renewed; end it and begin another");
    }
    if (txn->open_cursors > 0) {
        return txn_refuse_open_cursor(store);
    }
    uint64_t number = txn->snapshot.number;
    mvcc_renew(&store->mvcc, &txn->snapshot);
    atomic_thread_fence(memory_order_seq_cst); /* as mvcc_close() has */
    reclaim_soon(store, number);
    return ALEX_OK;
}

int alex_end(alex_txn *txn)
{
    if (txn == NULL) {
        return ALEX_OK;
    }
    int result = handle_check(txn, HANDLE_TXN);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = txn->store;
    if (txn->open_cursors > 0) {
        return txn_refuse_open_cursor(store);
    }
    if (txn->is_write) {
        return write_txn_end(txn);
    }
    uint64_t number = txn->snapshot.number;
    txn->snapshot.slot->kept = handle_end_kept(&txn->handle);
    mvcc_close(&txn->snapshot);
    reclaim_soon(store, number);
    return ALEX_OK;
}

int txn_refuse(alex_txn *txn, const alex_table *table)
{
    int result = handle_check(txn, HANDLE_TXN);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = txn->store;
    result = handle_check(table, HANDLE_TABLE);
    if (result == ALEX_MISUSE) {
        return result;
    }
    if (result != ALEX_OK) {
        return base_fail(store_error(store), result, 0, store->path, "the table is NULL");
    }
    if (table->store != store) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                         "the table belongs to another store than the transaction");
    }
    return base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                     "the table \"%s\" was dropped before the transaction began, or in it, or is taken back",
                     table_name(table));
}

/** txn_find() in what the transaction itself has written. */
static int find_own(const alex_txn *txn, alex_table *table, uint64_t index_key, bool readable, uint64_t *out_ref)
{
    int result = writes_settle(txn->store, readable);
    return result == ALEX_OK ? overlay_find(table, index_key, out_ref) : result;
}

/** Puts what the transaction has written over what the index has of some keys. */
static int put_own_over(const alex_txn *txn, alex_table *table, const uint64_t *index_keys, size_t count,
                        uint64_t *refs)
{
    int result = ALEX_OK;
    for (size_t i = 0; i < count && result == ALEX_OK; i++) {
        uint64_t own = 0;
        result = find_own(txn, table, index_keys[i], true, &own);
        refs[i] = own != 0 ? own : refs[i];
    }
    return result;
}

int txn_find(const alex_txn *txn, alex_table *table, uint64_t index_key, bool readable, uint64_t *out_ref)
{
    *out_ref = 0;
    int result = BASE_UNLIKELY(txn->is_write) ? find_own(txn, table, index_key, readable, out_ref) : ALEX_OK;
    if (BASE_LIKELY(result == ALEX_OK && *out_ref == 0)) {
        epoch_enter();
        *out_ref = index_find(table->index, index_key);
        epoch_leave();
    }
    return result;
}

/** The value that a transaction sees of a key. */
static inline int get_value(const alex_txn *txn, alex_table *table, int64_t key, struct log_value *out_value)
{
    uint64_t ref;
    int result = txn_find(txn, table, table_index_key(table, key), true, &ref);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    return ref != 0 ? read_visible(table, txn_view(txn), key, ref, out_value) : ALEX_NOT_FOUND;
}

int alex_txn_get(alex_txn *txn, alex_table *table, int64_t key, struct alex_slice *out_value)
{
    int result = txn_check(txn, table);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (BASE_UNLIKELY(out_value == NULL)) {
        return base_fail(store_error(txn->store), ALEX_INVALID, 0, txn->store->path,
                         "a get needs a place for the value");
    }
    struct log_value value;
    result = get_value(txn, table, key, &value);
    if (BASE_LIKELY(result == ALEX_OK)) {
        *out_value = read_slice(&value);
    }
    return result;
}

int alex_txn_get_version(alex_txn *txn, alex_table *table, int64_t key, uint64_t *out_version)
{
    int result = txn_check(txn, table);
    if (result != ALEX_OK) {
        return result;
    }
    if (out_version == NULL) {
        return base_fail(store_error(txn->store), ALEX_INVALID, 0, txn->store->path,
                         "a version needs a place for its number");
    }
    struct log_value value;
    result = get_value(txn, table, key, &value);
    if (result == ALEX_OK) {
        *out_version = value.number;
    }
    return result;
}

/** Gets up to GET_MANY_GROUP keys. @return ALEX_OK, ALEX_DAMAGED or ALEX_IO */
static int get_group(alex_txn *txn, alex_table *table, const int64_t *keys, size_t count, struct alex_slice *out_values,
                     size_t *found)
{
    const struct log *log = txn->store->log;
    uint64_t index_keys[GET_MANY_GROUP] = {0};
    uint64_t refs[GET_MANY_GROUP] = {0};
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        index_keys[i] = table_index_key(table, keys[i]);
    }
    epoch_enter();
    index_find_many(table->index, index_keys, count, refs);
    epoch_leave();
    int result = ALEX_OK;
    if (BASE_UNLIKELY(txn->is_write)) {
        result = put_own_over(txn, table, index_keys, count, refs);
    }
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        memset(out_values, 0, count * sizeof *out_values);
        return result;
    }
    for (size_t i = 0; i < count; i++) {
        struct log_value value;
        if (asked < count && asked + FETCH_TOGETHER <= i + FETCH_AHEAD) {
            size_t to = i + FETCH_AHEAD < count ? i + FETCH_AHEAD : count;
            log_prefetch(log, refs + asked, to - asked);
            asked = to;
        }
        int got = refs[i] == 0 ? ALEX_NOT_FOUND : read_visible(table, txn_view(txn), keys[i], refs[i], &value);
        out_values[i] = got == ALEX_OK ? read_slice(&value) : (struct alex_slice){NULL, 0};
        *found += got == ALEX_OK;
        if (BASE_UNLIKELY(got != ALEX_OK && got != ALEX_NOT_FOUND)) {
            result = got;
        }
    }
    return result;
}

int alex_txn_get_many(alex_txn *txn, alex_table *table, const int64_t *keys, size_t count,
                      struct alex_slice *out_values, size_t *out_found)
{
    int result = txn_check(txn, table);
    if (result != ALEX_OK) {
        return result;
    }
    if (count > 0 && (keys == NULL || out_values == NULL)) {
        return base_fail(store_error(txn->store), ALEX_INVALID, 0, txn->store->path,
                         "getting many values takes keys and a place for each value");
    }
    size_t found = 0;
    for (size_t i = 0; i < count; i += GET_MANY_GROUP) {
        size_t group = count - i < GET_MANY_GROUP ? count - i : GET_MANY_GROUP;
        int got = get_group(txn, table, keys + i, group, out_values + i, &found);
        result = got != ALEX_OK ? got : result;
    }
    if (out_found != NULL) {
        *out_found = found;
    }
    return result;
}

/** Counts by looking at the version that the snapshot sees of each key. */
static int count_visible(alex_txn *txn, alex_table *table, const struct alex_range *range, uint64_t *out_count)
{
    alex_cursor *cursor;
    int result = alex_cursor_open(txn, table, range, &cursor);
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t count = 0;
    struct alex_entry entry;
    result = alex_cursor_first(cursor, &entry);
    while (result == ALEX_OK) {
        count++;
        result = alex_cursor_next(cursor, &entry);
    }
    alex_cursor_close(cursor);
    if (result == ALEX_NOT_FOUND) {
        *out_count = count;
        return ALEX_OK;
    }
    return result;
}

/** Whether the table's index is what the snapshot sees: nothing was written since, no tombstone is there, and nothing
 *  that may not come to count. @param out_entering  to be the same afterwards */
static bool is_as_it_was(const alex_txn *txn, const alex_table *table, uint64_t *out_entering)
{
    *out_entering = atomic_load_explicit(&txn->store->entering, memory_order_acquire);
    return *out_entering % 2 == 0 &&
           atomic_load_explicit(&table->last_change, memory_order_acquire) <= txn->snapshot.number &&
           index_count(table->index) == atomic_load_explicit(&table->keys, memory_order_acquire);
}

int alex_txn_count(alex_txn *txn, alex_table *table, const struct alex_range *range, uint64_t *out_count)
{
    int result = txn_check(txn, table);
    if (result != ALEX_OK) {
        return result;
    }
    if (out_count == NULL) {
        return base_fail(store_error(txn->store), ALEX_INVALID, 0, txn->store->path,
                         "a count needs a place for its result");
    }
    uint64_t first = range != NULL && range->has_first ? table_index_key(table, range->first) : 0;
    uint64_t last = range != NULL && range->has_last ? table_index_key(table, range->last) : UINT64_MAX;
    uint64_t before;
    uint64_t after;
    bool as_it_was = is_as_it_was(txn, table, &before);
    if (txn->is_write) {
        result = writes_settle(txn->store, false);
        as_it_was = as_it_was && !overlay_covers(table);
    }
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t count = 0;
    if (as_it_was) {
        epoch_enter();
        count = index_count_range(table->index, first, last);
        epoch_leave();
        /* unreached: a writer that comes while the keys are counted, by chance only */
        as_it_was = is_as_it_was(txn, table, &after) && after == before;
    }
    if (!as_it_was) {
        return count_visible(txn, table, range, out_count);
    }
    *out_count = range != NULL && range->limit != 0 && range->limit < count ? range->limit : count;
    return ALEX_OK;
}
