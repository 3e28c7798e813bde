/* SPDX-License-Identifier: Apache-2.0 */
/** @file write.c Single writes: put, put if absent, put in place, delete. */
#include <string.h>

#include "store/store_internal.h"

int write_allowed(alex_store *store)
{
    if (BASE_UNLIKELY(store->options.read_only)) {
        return base_fail(&store->error, ALEX_READ_ONLY, 0, store->path,
                         "the store was opened read-only; open it without that option to write");
    }
    return log_writable(store->log, &store->error);
}

int write_value_check(alex_store *store, const void *value, size_t size)
{
    if (BASE_UNLIKELY(size > ALEX_VALUE_MAX)) {
        return base_fail(store_error(store), ALEX_TOO_LARGE, 0, store->path,
                         "the value has %zu bytes; the most is %zu, so split it over several keys", size,
                         ALEX_VALUE_MAX);
    }
    if (BASE_UNLIKELY(value == NULL && size > 0)) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path, "the value is NULL but its size is not 0");
    }
    return ALEX_OK;
}

int write_append(struct alex_table *table, struct record *record, const void *value, size_t size, uint64_t *out_ref)
{
    alex_store *store = table->store;
    struct log_claim claim;
    bool has_previous = (record->flags & RECORD_FLAG_PREVIOUS) != 0;
    int result = log_claim(store->log, size, has_previous, write_frees_space(record), &claim, &store->error);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (size > 0) {
        memcpy(claim.value, value, size);
    }
    return log_append(store->log, &claim, record, out_ref, &store->error);
}

/** A record of a key that has `previous` now. */
static inline struct record record_of(const struct alex_table *table, int64_t key, enum record_kind kind,
                                      uint64_t previous)
{
    return (struct record){
        .kind = kind,
        .flags = previous != 0 ? RECORD_FLAG_PREVIOUS : 0,
        .table = table->id,
        .key = (uint64_t)key,
        .previous = previous,
    };
}

/** Finds the key and makes room for it. @param out_record  kind, flags, table, key and previous filled in */
static inline int prepare(struct alex_table *table, int64_t key, enum record_kind kind,
                          struct index_position *out_position, struct record *out_record)
{
    int result = index_prepare(table->index, table_index_key(table, key), out_position);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return base_fail(&table->store->error, result, 0, table->store->path, "no memory to enter another key");
    }
    *out_record = record_of(table, key, kind, out_position->payload);
    return ALEX_OK;
}

/** Appends the record of such a write. */
static inline int append_single(struct alex_table *table, struct record *record, const void *value, size_t size,
                                uint64_t *out_ref)
{
    int result = write_append(table, record, value, size, out_ref);
    return BASE_LIKELY(result == ALEX_OK) ? commit_settle(table->store) : result;
}

/** Has a key's entry published, which the index has at `position` now in place of what was there. */
static void commit_single(struct write_one *one, struct alex_table *table, const struct index_position *position,
                          uint64_t ref, uint64_t number)
{
    one->change = (struct change){table, position->key, position->payload, ref};
    one->commit.changes = &one->change;
    one->commit.count = 1;
    commit_enter(table->store, &one->commit, number);
}

/** Gives the prepared key its appended record. */
static void enter(struct write_one *one, struct alex_table *table, const struct index_position *position,
                  const struct record *record, uint64_t ref)
{
    version_change(table, record->number);
    index_set(table->index, position, ref);
    version_account(table, position->payload, ref);
    one->replaces = log_ref_is_value(position->payload);
    one->number = record->number;
    commit_single(one, table, position, ref, record->number);
    version_shorten(table, position->key, position->payload);
}

/** Ends a write. @param out_replaced  optional */
static inline int end(struct alex_table *table, const struct write_one *one, int result, bool *out_replaced)
{
    result = commit_end(table->store, &one->commit, result);
    if (result == ALEX_OK && out_replaced != NULL) {
        *out_replaced = one->replaces;
    }
    return result;
}

int table_begin(struct alex_table *table)
{
    int result = handle_check(table, HANDLE_TABLE);
    return BASE_LIKELY(result == ALEX_OK) ? writer_begin(table->store) : result;
}

int table_begin_write(struct alex_table *table)
{
    int result = handle_check(table, HANDLE_TABLE);
    return BASE_LIKELY(result == ALEX_OK) ? writer_begin_write(table->store) : result;
}

int write_put(struct write_one *one, struct alex_table *table, int64_t key, const void *value, size_t size,
              bool if_absent)
{
    int result = table_check(table);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    result = write_allowed(table->store);
    if (BASE_LIKELY(result == ALEX_OK)) {
        result = write_value_check(table->store, value, size);
    }
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    struct index_position position;
    struct record record = {0};
    uint64_t ref;
    result = prepare(table, key, RECORD_PUT, &position, &record);
    if (result == ALEX_OK && if_absent && log_ref_is_value(position.payload)) {
        commit_follow(table->store, &one->commit);
        return ALEX_EXISTS;
    }
    if (result == ALEX_OK) {
        result = append_single(table, &record, value, size, &ref);
    }
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    enter(one, table, &position, &record, ref);
    return ALEX_OK;
}

int alex_put(alex_table *table, int64_t key, const void *value, size_t size, bool *out_replaced)
{
    struct write_one one = {0};
    int result = table_begin_write(table);
    return BASE_LIKELY(result == ALEX_OK)
               ? end(table, &one, write_put(&one, table, key, value, size, false), out_replaced)
               : result;
}

int alex_put_if_absent(alex_table *table, int64_t key, const void *value, size_t size)
{
    struct write_one one = {0};
    int result = table_begin_write(table);
    return result == ALEX_OK ? end(table, &one, write_put(&one, table, key, value, size, true), NULL) : result;
}

static int reserve(alex_table *table, int64_t key, size_t size, void **out_buffer)
{
    int result = table_check(table);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = table->store;
    result = write_allowed(store);
    if (result == ALEX_OK) {
        result = write_value_check(store, "", size);
    }
    if (result == ALEX_OK && out_buffer == NULL) {
        result = base_fail(&store->error, ALEX_INVALID, 0, store->path, "a reserved put needs a place for its buffer");
    }
    struct record record = {0};
    if (result == ALEX_OK) {
        result = prepare(table, key, RECORD_PUT, &store->position, &record);
    }
    if (result == ALEX_OK) {
        result = log_claim(store->log, size, record.previous != 0, false, &store->claim, &store->error);
    }
    if (result == ALEX_OK) {
        store->reserved = table;
        writer_hold(store, HOLD_PUT);
        *out_buffer = store->claim.value;
    }
    return result;
}

int alex_put_reserve(alex_table *table, int64_t key, size_t size, void **out_buffer)
{
    int result = table_begin_write(table);
    return result == ALEX_OK ? writer_end(table->store, reserve(table, key, size, out_buffer)) : result;
}

static int commit_reserved(struct write_one *one, alex_table *table)
{
    int result = table_check(table);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = table->store;
    if (store->reserved != table) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path,
                         "nothing is reserved in this table; begin with alex_put_reserve");
    }
    store->reserved = NULL;
    writer_release(store);
    struct record record =
        record_of(table, table_user_key(table, store->position.key), RECORD_PUT, store->position.payload);
    uint64_t ref;
    result = log_append(store->log, &store->claim, &record, &ref, &store->error);
    if (result == ALEX_OK) {
        result = commit_settle(store);
    }
    if (result == ALEX_OK) {
        enter(one, table, &store->position, &record, ref);
    }
    return result;
}

/** writer_end() or commit_end() of what ends a reservation. What a snapshot held back that ended meanwhile was left to
 *  this thread. */
static int end_reservation(struct alex_table *table, const struct write_one *one, int result, bool *out_replaced)
{
    alex_store *store = table->store;
    bool due = atomic_load_explicit(&store->reclaim_due, memory_order_relaxed);
    result = end(table, one, result, out_replaced);
    if (due) {
        writer_reclaim_soon(store);
    }
    return result;
}

int alex_put_commit(alex_table *table, bool *out_replaced)
{
    struct write_one one = {0};
    int result = table_begin(table);
    return result == ALEX_OK ? end_reservation(table, &one, commit_reserved(&one, table), out_replaced) : result;
}

void alex_put_cancel(alex_table *table)
{
    if (table_begin(table) != ALEX_OK) {
        return;
    }
    if (table->store->reserved == table) {
        table->store->reserved = NULL;
        writer_release(table->store);
    }
    struct write_one one = {0};
    (void)end_reservation(table, &one, ALEX_OK, NULL);
}

/** Takes the tombstone of a delete away, now if it is published, nothing else waits, and no snapshot needs it. */
static void forget(struct alex_table *table, const struct index_position *position, uint64_t ref, uint64_t number)
{
    alex_store *store = table->store;
    if (store->held.count == 0 && mvcc_oldest(&store->mvcc) >= number) {
        index_remove_at(table->index, position);
        return;
    }
    version_hold_back(table, position->key, ref, number);
    txn_reclaim(store, RECLAIM_STEP);
}

int write_delete(struct write_one *one, alex_table *table, int64_t key)
{
    int result = table_check(table);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = table->store;
    result = write_allowed(store);
    if (result != ALEX_OK) {
        return result;
    }
    struct index_position position;
    if (!index_find_position(table->index, table_index_key(table, key), &position) ||
        !log_ref_is_value(position.payload)) {
        commit_follow(store, &one->commit);
        return ALEX_NOT_FOUND;
    }
    if (version_reserve(store, 1) != ALEX_OK) {
        return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to delete a key");
    }
    struct record record = record_of(table, key, RECORD_DELETE, position.payload);
    uint64_t ref;
    result = append_single(table, &record, NULL, 0, &ref);
    if (result == ALEX_OK) {
        version_delete(table, &position, ref, record.number);
        commit_single(one, table, &position, ref, record.number);
        forget(table, &position, ref, record.number);
        version_shorten(table, position.key, position.payload);
    }
    return result;
}

int alex_delete(alex_table *table, int64_t key)
{
    struct write_one one = {0};
    int result = table_begin_write(table);
    return result == ALEX_OK ? end(table, &one, write_delete(&one, table, key), NULL) : result;
}
