/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file group.c
 * Records that count together: what batches and loads are made of.
 *
 * The order keeps a group all or nothing: append its records; enter them in the index, which may run out of memory, and
 * then they are taken out again; append the COMMIT, whose space was kept back; settle it, which may sync; publish.
 * Nothing sees the entries before that, as their numbers are above what is published.
 */
#include "store/store_internal.h"

int group_append(struct group *group, struct alex_table *table, struct record *record, const void *value, size_t size,
                 uint64_t *out_ref)
{
    record->flags |= RECORD_FLAG_GROUPED;
    int result = write_append(table, record, value, size, out_ref);
    if (result == ALEX_OK) {
        log_group_add(&group->log_group, group->store->log, record, *out_ref);
        group->last_number = record->number;
    }
    return result;
}

int group_commit(struct group *group)
{
    BASE_INTERRUPTIBLE();
    int result = log_append_commit(group->store->log, &group->log_group, &group->store->error);
    return result == ALEX_OK ? commit_settle(group->store) : result;
}

void group_abort(struct group *group)
{
    if (group->log_group.count > 0) {
        /* If this fails the log is latched, and replay drops the records for want of a COMMIT. */
        (void)log_append_abort(group->store->log, group->log_group.first_number, group->last_number, NULL);
        group->log_group.count = 0;
    }
}

/** Before the first entry of records that may not come to count. */
static void begin_entering(alex_store *store)
{
    uint64_t entering = atomic_load_explicit(&store->entering, memory_order_relaxed);
    /* Relaxed, as the entries' own stores are releases: whoever sees one of them sees this too. */
    atomic_store_explicit(&store->entering, entering | 1, memory_order_relaxed);
}

void group_end(alex_store *store)
{
    uint64_t entering = atomic_load_explicit(&store->entering, memory_order_relaxed);
    atomic_store_explicit(&store->entering, (entering + 1) & ~(uint64_t)1, memory_order_release);
}

int group_begin_table(struct alex_table *table)
{
    alex_store *store = table->store;
    begin_entering(store);
    version_change(table, log_last_number(store->log));
    return log_make_readable(store->log, &store->error);
}

int group_enter(struct alex_table *table, const struct index_entry *entries, size_t count, uint64_t *out_previous)
{
    int result = group_begin_table(table);
    if (result != ALEX_OK) {
        return result;
    }
    size_t done;
    result = index_set_many(table->index, entries, count, out_previous, &done);
    if (result != ALEX_OK) {
        group_withdraw(table, entries, done, out_previous);
        return base_fail(&table->store->error, result, 0, table->store->path, "no memory to enter %zu keys", count);
    }
    return ALEX_OK;
}

void group_withdraw(struct alex_table *table, const struct index_entry *entries, size_t count, const uint64_t *previous)
{
    for (size_t i = 0; i < count; i++) {
        if (previous[i] == 0) {
            (void)index_remove(table->index, entries[i].key);
            continue;
        }
        struct index_position position;
        int result = index_prepare(table->index, entries[i].key, &position);
        BASE_ASSERT(result == ALEX_OK); /* the key is there */
        index_set(table->index, &position, previous[i]);
    }
}
