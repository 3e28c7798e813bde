/* SPDX-License-Identifier: Apache-2.0 */
/** @file version.c What a write leaves of the version before it: the accounts, and tombstones. */
#include <string.h>

#include "store/store_internal.h"

/** Adds to the count, which only the writer changes. */
static void count_keys(struct alex_table *table, int64_t more)
{
    uint64_t keys = atomic_load_explicit(&table->keys, memory_order_relaxed) + (uint64_t)more;
    atomic_store_explicit(&table->keys, keys, memory_order_release);
}

void version_account(struct alex_table *table, uint64_t previous, uint64_t ref)
{
    struct log *log = table->store->log;
    if (log_ref_is_value(previous)) {
        log_count_dead(log, previous);
        uint64_t bytes = log_record_bytes(log, previous);
        table->live_bytes -= bytes < table->live_bytes ? bytes : table->live_bytes; /* one it can't read is estimated */
        count_keys(table, -1);
    }
    if (log_ref_is_value(ref)) {
        log_count_live(log, ref);
        table->live_bytes += log_record_bytes(log, ref);
        count_keys(table, 1);
    }
}

int version_reserve_tombstones(alex_store *store, size_t count)
{
    struct tombstone_queue *queue = &store->tombstones;
    if (queue->first + queue->count + count <= queue->capacity) {
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

void version_delete(struct alex_table *table, const struct index_position *position, uint64_t ref, uint64_t number)
{
    version_change(table, number);
    index_set(table->index, position, ref);
    version_account(table, position->payload, 0);
}

void version_hold_back(struct alex_table *table, uint64_t index_key, uint64_t ref, uint64_t number)
{
    alex_store *store = table->store;
    struct tombstone_queue *queue = &store->tombstones;
    BASE_ASSERT(queue->first + queue->count < queue->capacity);
    queue->items[queue->first + queue->count++] = (struct tombstone){table, index_key, number, ref};
    atomic_fetch_add_explicit(&store->held_back, 1, memory_order_relaxed);
}

/** Tombstones for which the queue's memory is kept when it is empty. */
#define TOMBSTONES_KEPT 4096

void version_reclaim(alex_store *store, uint64_t oldest)
{
    struct tombstone_queue *queue = &store->tombstones;
    uint64_t gone = 0;
    while (queue->count > 0 && queue->items[queue->first].number <= oldest) {
        const struct tombstone *tombstone = &queue->items[queue->first];
        struct index *index = tombstone->table->index;
        struct index_position position = {.payload = 0};
        (void)index_find_position(index, tombstone->index_key, &position);
        if (position.payload == tombstone->ref) { /* it wasn't written again since */
            index_remove_at(index, &position);
        }
        queue->first++;
        queue->count--;
        gone++;
    }
    atomic_fetch_sub_explicit(&store->held_back, gone, memory_order_relaxed);
    if (queue->count == 0) {
        queue->first = 0;
        if (queue->capacity > TOMBSTONES_KEPT) {
            base_free(queue->items);
            queue->items = NULL;
            queue->capacity = 0;
        }
    }
}

/** Whether a tombstone is still queued: then a snapshot may be open that is older. */
static bool is_held_back(const alex_store *store, uint64_t ref)
{
    const struct tombstone_queue *queue = &store->tombstones;
    for (size_t i = 0; i < queue->count; i++) {
        if (queue->items[queue->first + i].ref == ref) {
            return true;
        }
    }
    return false;
}

void version_take_back(const struct change *change)
{
    struct alex_table *table = change->table;
    struct index_position position;
    bool there = index_find_position(table->index, change->index_key, &position);
    BASE_ASSERT(there && position.payload == change->ref);
    version_account(table, change->ref, change->previous);
    if (log_ref_is_value(change->previous) || is_held_back(table->store, change->previous)) {
        index_set(table->index, &position, change->previous);
    } else {
        index_remove_at(table->index, &position);
    }
}

void version_forget_unpublished(alex_store *store)
{
    struct tombstone_queue *queue = &store->tombstones;
    uint64_t published = mvcc_published(&store->mvcc);
    while (queue->count > 0 && queue->items[queue->first + queue->count - 1].number > published) {
        queue->count--;
        atomic_fetch_sub_explicit(&store->held_back, 1, memory_order_relaxed);
    }
}
