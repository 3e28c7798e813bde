/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file batch.c
 * Atomic batches.
 *
 * Operations are sorted by table and key first: of several on a key only the last is carried out, the index is entered
 * in key order, and neighbouring keys lie together in the log.
 */
#include "store/store_internal.h"

/** Scratch memory that is kept for the next batch; more is given back. */
#define SCRATCH_KEPT_BYTES ((size_t)1 << 20)

/** The operations of a batch on one table. */
struct part {
    struct alex_table *table;
    size_t first; /**< in the batch's arrays */
    size_t puts;
    size_t deletes;
};

/** A batch at work. All arrays have room for `count` items. */
struct batch {
    alex_store *store;
    const struct alex_op *ops;
    size_t count;
    /** A part's puts, then its deletes; payload: first the operation's index, then the reference. */
    struct index_entry *entries;
    struct index_entry *sorted; /**< scratch */
    uint64_t *previous;
    uint64_t *numbers;
    struct part *parts;
    size_t part_count;
    struct group group;
    struct commit commit; /**< its changes, where writes share their syncs: one for each operation at most */
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

/** Lays the batch's arrays out in the store's scratch memory. */
static int lay_out(struct batch *batch)
{
    alex_store *store = batch->store;
    const size_t count = batch->count;
    const size_t each = 2 * sizeof(struct index_entry) + 2 * sizeof(uint64_t) + sizeof(struct part);
    if (count > SIZE_MAX / each) { /* unreached: no address space holds so many operations */
        return base_fail(&store->error, ALEX_TOO_LARGE, 0, store->path, "the batch has %zu operations; split it",
                         count);
    }
    if (store->scratch_bytes < count * each) {
        void *scratch = base_realloc(store->scratch, count * each);
        if (scratch == NULL) {
            return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory for a batch of %zu operations",
                             count);
        }
        store->scratch = scratch;
        store->scratch_bytes = count * each;
    }
    if (store->commits.shares) {
        batch->commit.changes = base_alloc(count * sizeof *batch->commit.changes);
        if (batch->commit.changes == NULL) {
            return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory for a batch of %zu operations",
                             count);
        }
    }
    batch->entries = store->scratch;
    batch->sorted = batch->entries + count;
    batch->previous = (uint64_t *)(batch->sorted + count);
    batch->numbers = batch->previous + count;
    batch->parts = (struct part *)(batch->numbers + count);
    return ALEX_OK;
}

/** Sorts the operations of one part, and keeps the last of each key: puts first, then deletes. */
static void sort_part(struct batch *batch, struct part *part, size_t count)
{
    struct index_entry *entries = batch->entries + part->first;
    struct index_entry *deletes = batch->sorted;
    for (size_t i = 0; i < count; i++) {
        entries[i].key = table_index_key(part->table, batch->ops[entries[i].payload].key);
    }
    sort_entries(entries, count, batch->sorted);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && entries[i + 1].key == entries[i].key) {
            continue;
        }
        if (batch->ops[entries[i].payload].kind == ALEX_OP_DELETE) {
            deletes[part->deletes++] = entries[i];
        } else {
            entries[part->puts++] = entries[i];
        }
    }
    for (size_t i = 0; i < part->deletes; i++) {
        entries[part->puts + i] = deletes[i];
    }
}

/** Divides the operations into parts by table. */
static void make_parts(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->entries[i] = (struct index_entry){batch->ops[i].table->id, i};
    }
    sort_entries(batch->entries, batch->count, batch->sorted);
    size_t first = 0;
    while (first < batch->count) {
        size_t end = first + 1;
        while (end < batch->count && batch->entries[end].key == batch->entries[first].key) {
            end++;
        }
        struct part *part = &batch->parts[batch->part_count++];
        *part = (struct part){.table = batch->ops[batch->entries[first].payload].table, .first = first};
        sort_part(batch, part, end - first);
        first = end;
    }
}

/** Finds what the keys of a part have now, and drops deletes of keys that have nothing. */
static void find_previous(struct batch *batch, struct part *part)
{
    struct index_entry *entries = batch->entries + part->first;
    uint64_t *previous = batch->previous + part->first;
    uint64_t *keys = batch->numbers + part->first;
    size_t count = part->puts + part->deletes;
    for (size_t i = 0; i < count; i++) {
        keys[i] = entries[i].key;
    }
    index_find_many(part->table->index, keys, count, previous);
    size_t kept = part->puts;
    for (size_t i = part->puts; i < count; i++) {
        if (log_ref_is_value(previous[i])) {
            entries[kept] = entries[i];
            previous[kept++] = previous[i];
        }
    }
    part->deletes = kept - part->puts;
}

/** Appends the records of a part; its entries get their references. */
static int append_part(struct batch *batch, const struct part *part)
{
    int result = ALEX_OK;
    for (size_t i = part->first; i < part->first + part->puts + part->deletes && result == ALEX_OK; i++) {
        const struct alex_op *op = &batch->ops[batch->entries[i].payload];
        bool is_put = op->kind == ALEX_OP_PUT;
        struct record record = {
            .kind = is_put ? RECORD_PUT : RECORD_DELETE,
            .flags = batch->previous[i] != 0 ? RECORD_FLAG_PREVIOUS : 0,
            .table = part->table->id,
            .key = (uint64_t)op->key,
            .previous = batch->previous[i],
        };
        result = group_append(&batch->group, part->table, &record, op->value.data, is_put ? op->value.size : 0,
                              &batch->entries[i].payload);
        batch->numbers[i] = record.number;
    }
    return result;
}

/** Notes what a part has changed, for as long as it may be taken back. */
static void note_changes(struct batch *batch, const struct part *part)
{
    struct commit *commit = &batch->commit;
    for (size_t i = part->first; commit->changes != NULL && i < part->first + part->puts + part->deletes; i++) {
        commit->changes[commit->count++] =
            (struct change){part->table, batch->entries[i].key, batch->previous[i], batch->entries[i].payload};
    }
}

/** Makes the batch's changes the store's, after the COMMIT. */
static void finish(struct batch *batch)
{
    alex_store *store = batch->store;
    size_t deletes = 0;
    for (size_t p = 0; p < batch->part_count; p++) {
        const struct part *part = &batch->parts[p];
        for (size_t i = part->first; i < part->first + part->puts; i++) {
            version_account(part->table, batch->previous[i], batch->entries[i].payload);
        }
        size_t end = part->first + part->puts + part->deletes;
        for (size_t i = part->first + part->puts; i < end; i++) {
            struct index_position position;
            bool there = index_find_position(part->table->index, batch->entries[i].key, &position);
            BASE_ASSERT(there && position.payload == batch->previous[i]);
            uint64_t ref = batch->entries[i].payload;
            version_delete(part->table, &position, ref, batch->numbers[i]);
            version_hold_back(part->table, position.key, ref, batch->numbers[i]);
        }
        note_changes(batch, part);
        deletes += part->deletes;
    }
    if (batch->group.log_group.count > 0) {
        commit_enter(store, &batch->commit, log_last_number(store->log));
    } else {
        commit_follow(store, &batch->commit);
    }
    group_end(store);
    for (size_t p = 0; p < batch->part_count; p++) {
        const struct part *part = &batch->parts[p];
        for (size_t i = part->first; i < part->first + part->puts + part->deletes; i++) {
            version_shorten(part->table, batch->entries[i].key, batch->previous[i]);
        }
    }
    txn_reclaim(store, 2 * deletes + RECLAIM_STEP); /* its own, and for each as many of others */
}

/** Appends, enters and commits all parts, or none. */
static int carry_out(struct batch *batch)
{
    int result = ALEX_OK;
    size_t deletes = 0;
    for (size_t p = 0; p < batch->part_count; p++) {
        find_previous(batch, &batch->parts[p]);
        deletes += batch->parts[p].deletes;
    }
    if (version_reserve(batch->store, deletes) != ALEX_OK) {
        result = base_fail(&batch->store->error, ALEX_NO_MEMORY, 0, batch->store->path, "no memory to delete %zu keys",
                           deletes);
    }
    for (size_t p = 0; p < batch->part_count && result == ALEX_OK; p++) {
        result = append_part(batch, &batch->parts[p]);
    }
    size_t entered = 0;
    for (; entered < batch->part_count && result == ALEX_OK; entered += result == ALEX_OK) {
        const struct part *part = &batch->parts[entered];
        result = group_enter(part->table, batch->entries + part->first, part->puts, batch->previous + part->first);
    }
    if (result == ALEX_OK && batch->group.log_group.count > 0) {
        result = group_commit(&batch->group);
    }
    if (result == ALEX_OK) {
        finish(batch);
        return ALEX_OK;
    }
    while (entered > 0) {
        const struct part *part = &batch->parts[--entered];
        group_withdraw(part->table, batch->entries + part->first, part->puts, batch->previous + part->first);
    }
    group_end(batch->store);
    group_abort(&batch->group);
    return result;
}

static int write_batch(struct batch *batch)
{
    alex_store *store = batch->store;
    int result = write_allowed(store);
    if (result == ALEX_OK && batch->count > 0) {
        result = check_ops(store, batch->ops, batch->count);
    }
    if (result != ALEX_OK || batch->count == 0) {
        return result;
    }
    result = lay_out(batch);
    if (result == ALEX_OK) {
        make_parts(batch);
        result = carry_out(batch);
    }
    if (store->scratch_bytes > SCRATCH_KEPT_BYTES) {
        base_free(store->scratch);
        store->scratch = NULL;
        store->scratch_bytes = 0;
    }
    return result;
}

int alex_write(alex_store *store, const struct alex_op *ops, size_t count)
{
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    struct batch batch = {.store = store, .ops = ops, .count = count, .group = {.store = store}};
    result = commit_end(store, &batch.commit, write_batch(&batch));
    base_free(batch.commit.changes);
    return result;
}
