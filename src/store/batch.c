/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file batch.c
 * Atomic batches.
 *
 * Operations are sorted by table and key first: of several on a key only the last is carried out, the commit has
 * nothing to sort, and neighbouring keys lie together in the log.
 */
#include "store/store_internal.h"

/** A batch at work. */
struct batch {
    alex_store *store;
    const struct alex_op *ops;
    size_t count;
    struct index_entry *entries; /**< table or index key; payload: the operation's index. Room for `count` */
    struct index_entry *sorted;  /**< scratch for as many */
};

static int check_ops(alex_store *store, const struct alex_op *ops, size_t count)
{
    if (ops == NULL) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path, "the batch is NULL but its count is not 0");
    }
    for (size_t i = 0; i < count; i++) {
        const struct alex_op *op = &ops[i];
        int result = table_check(op->table);
        if (result == ALEX_INVALID && op->table == NULL) {
            return base_fail(&store->error, result, 0, store->path, "operation %zu of the batch names no table", i);
        }
        if (result != ALEX_OK) {
            return result;
        }
        if (op->table->store != store) {
            return base_fail(&store->error, ALEX_INVALID, 0, store->path,
                             "operation %zu of the batch is on a table of another store", i);
        }
        if (op->kind != ALEX_OP_PUT && op->kind != ALEX_OP_DELETE) {
            return base_fail(&store->error, ALEX_INVALID, 0, store->path,
                             "operation %zu of the batch is neither a put nor a delete", i);
        }
        if (op->kind == ALEX_OP_PUT) {
            result = write_value_check(store, op->value.data, op->value.size);
            if (result != ALEX_OK) {
                return result;
            }
        }
    }
    return ALEX_OK;
}

/** Operations looked up together. */
#define FIND_TOGETHER 64

/** Appends the records of up to FIND_TOGETHER operations on one table. Deletes of keys that have nothing are left out.
 */
static int append_some(const struct batch *batch, struct alex_table *table, const struct index_entry *entries,
                       size_t count)
{
    uint64_t keys[FIND_TOGETHER];
    uint64_t previous[FIND_TOGETHER];
    for (size_t i = 0; i < count; i++) {
        keys[i] = entries[i].key;
    }
    index_find_many(table->index, keys, count, previous);
    int result = ALEX_OK;
    for (size_t i = 0; i < count && result == ALEX_OK; i++) {
        const struct alex_op *op = &batch->ops[entries[i].payload];
        bool is_delete = op->kind == ALEX_OP_DELETE;
        if (!is_delete || log_ref_is_value(previous[i])) {
            result =
                writes_append(table, op->key, previous[i], is_delete, op->value.data, is_delete ? 0 : op->value.size);
        }
    }
    return result;
}

/** Sorts the operations on one table, and appends the last of each key. */
static int append_part(const struct batch *batch, struct index_entry *entries, size_t count)
{
    struct alex_table *table = batch->ops[entries[0].payload].table;
    for (size_t i = 0; i < count; i++) {
        entries[i].key = table_index_key(table, batch->ops[entries[i].payload].key);
    }
    size_t kept = sort_keeping_last(entries, count, batch->sorted);
    int result = ALEX_OK;
    for (size_t first = 0; first < kept && result == ALEX_OK; first += FIND_TOGETHER) {
        size_t left = kept - first;
        result = append_some(batch, table, entries + first, left < FIND_TOGETHER ? left : FIND_TOGETHER);
    }
    return result;
}

/** Appends the records of all operations, table by table. */
static int append_all(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->entries[i] = (struct index_entry){batch->ops[i].table->id, i};
    }
    sort_entries(batch->entries, batch->count, batch->sorted);
    int result = ALEX_OK;
    size_t first = 0;
    while (first < batch->count && result == ALEX_OK) {
        size_t end = first + 1;
        while (end < batch->count && batch->entries[end].key == batch->entries[first].key) {
            end++;
        }
        result = append_part(batch, batch->entries + first, end - first);
        first = end;
    }
    return result;
}

static int write_batch(struct batch *batch, struct commit *commit)
{
    alex_store *store = batch->store;
    int result = write_allowed(store);
    if (result == ALEX_OK && batch->count > 0) {
        result = check_ops(store, batch->ops, batch->count);
    }
    if (result != ALEX_OK || batch->count == 0) {
        return result;
    }
    const size_t each = 2 * sizeof *batch->entries;
    /* unreached: more operations than memory can hold */
    batch->entries = batch->count <= SIZE_MAX / each ? writes_scratch(store, batch->count * each) : NULL;
    if (batch->entries == NULL) {
        return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory for a batch of %zu operations",
                         batch->count);
    }
    batch->sorted = batch->entries + batch->count;
    result = append_all(batch);
    if (result != ALEX_OK) {
        writes_abort(store);
        return result;
    }
    return writes_commit(store, commit, NULL);
}

int alex_write(alex_store *store, const struct alex_op *ops, size_t count)
{
    int result = writer_begin_write(store);
    if (result != ALEX_OK) {
        return result;
    }
    struct batch batch = {.store = store, .ops = ops, .count = count};
    struct commit commit = {0};
    return writes_end(store, &commit, write_batch(&batch, &commit));
}
