/* SPDX-License-Identifier: Apache-2.0 */
/** @file version.c What a write leaves of the version before it: the accounts, and tombstones while snapshots are
 *  open. */
#include <string.h>

#include "store/store_internal.h"

void version_account(struct alex_table *table, uint64_t previous, uint64_t ref)
{
    struct log *log = table->store->log;
    if (log_ref_is_value(previous)) {
        log_count_dead(log, previous);
        table->live_bytes -= log_record_bytes(log, previous);
        table->keys--;
    }
    if (log_ref_is_value(ref)) {
        log_count_live(log, ref);
        table->live_bytes += log_record_bytes(log, ref);
        table->keys++;
    }
}

int version_reserve_tombstones(alex_store *store, size_t count)
{
    struct tombstone_queue *queue = &store->tombstones;
    if (store->mvcc.oldest == NULL || queue->first + queue->count + count <= queue->capacity) {
        return ALEX_OK;
    }
    /* Moved to the front once as many have gone as are left: so each is moved about once, however long the queue is. */
    if (queue->first > 0 && queue->first >= queue->count) {
        memmove(queue->items, queue->items + queue->first, queue->count * sizeof *queue->items);
        queue->first = 0;
    }
    size_t needed = queue->first + queue->count + count;
    if (needed <= queue->capacity) {
        return ALEX_OK;
    }
    size_t capacity = needed < 2 * queue->capacity ? 2 * queue->capacity : needed + 64;
    struct tombstone *items = base_realloc(queue->items, capacity * sizeof *items);
    if (items == NULL) {
        return ALEX_NO_MEMORY;
    }
    queue->items = items;
    queue->capacity = capacity;
    return ALEX_OK;
}

void version_delete(struct alex_table *table, uint64_t index_key, uint64_t previous, uint64_t ref, uint64_t number)
{
    alex_store *store = table->store;
    version_account(table, previous, 0);
    table->last_change = number;
    if (store->mvcc.oldest == NULL) {
        (void)index_remove(table->index, index_key);
        return;
    }
    struct index_position position;
    int result = index_prepare(table->index, index_key, &position);
    BASE_ASSERT(result == ALEX_OK && position.payload == previous);
    index_set(table->index, &position, ref);
    struct tombstone_queue *queue = &store->tombstones;
    BASE_ASSERT(queue->first + queue->count < queue->capacity);
    queue->items[queue->first + queue->count++] = (struct tombstone){table, index_key, number, ref};
}

void version_reclaim(alex_store *store)
{
    struct tombstone_queue *queue = &store->tombstones;
    uint64_t oldest = mvcc_oldest(&store->mvcc);
    while (queue->count > 0 && queue->items[queue->first].number <= oldest) {
        const struct tombstone *tombstone = &queue->items[queue->first];
        /* The key may have been written again since. */
        if (index_find(tombstone->table->index, tombstone->index_key) == tombstone->ref) {
            (void)index_remove(tombstone->table->index, tombstone->index_key);
        }
        queue->first++;
        queue->count--;
    }
    if (queue->count == 0) {
        queue->first = 0;
    }
}
