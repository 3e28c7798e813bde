/* SPDX-License-Identifier: Apache-2.0 */
/** @file version.c What a write leaves of the version before it: the accounts, tombstones, shortcuts. */
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

int version_reserve(alex_store *store, size_t count)
{
    struct held_queue *queue = &store->held;
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
    struct held_entry *items = base_realloc(queue->items, capacity * sizeof *items);
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

/** Queues an entry for which there is room. */
static void hold_back(alex_store *store, const struct held_entry *entry)
{
    struct held_queue *queue = &store->held;
    BASE_ASSERT(queue->first + queue->count < queue->capacity);
    queue->items[queue->first + queue->count++] = *entry;
    if (queue->count == 1 && version_find_held_from(store)) {
        /* The snapshot that it is for may have ended by now, and who ended it found nothing noted. */
        atomic_store_explicit(&store->reclaim_due, true, memory_order_relaxed);
    }
}

void version_hold_back(struct alex_table *table, uint64_t index_key, uint64_t ref, uint64_t number)
{
    hold_back(table->store, &(struct held_entry){table, index_key, number, ref});
}

/** Gives a crossing its shortcut, new or in place of another, if there is memory; without it reads are right, too. */
static struct mvcc_shortcut give_shortcut(alex_store *store, const struct crossing *crossing)
{
    struct mvcc_shortcut shortcut =
        mvcc_find_shortcut(&store->mvcc, store->shortcuts, store->log, crossing->table, crossing->key, crossing->ref);
    struct index_position position;
    if (shortcut.found == MVCC_SHORTCUT_FOUND && version_reserve(store, 1) == ALEX_OK &&
        index_prepare(store->shortcuts, mvcc_shortcut_key(crossing->ref), &position) == ALEX_OK) {
        index_set(store->shortcuts, &position, shortcut.target);
        if (position.payload == 0) {
            hold_back(store, &(struct held_entry){NULL, 0, log_last_number(store->log), crossing->ref});
        }
    }
    return shortcut;
}

/** Crossings behind one that are looked at again. */
#define CROSSINGS_BEHIND 4

/** Gives a crossing its shortcut, and the next ones behind it theirs anew: snapshots may have ended by now for which
 *  those were made, or found needless; or it could not be told before, and more waited than `crossings` has places for.
 *  @return false: it is to be tried later */
static bool shorten(alex_store *store, const struct crossing *crossing)
{
    struct mvcc_shortcut shortcut = give_shortcut(store, crossing);
    bool done = shortcut.found != MVCC_SHORTCUT_LATER;
    for (int i = 0; i < CROSSINGS_BEHIND && shortcut.behind != 0; i++) {
        struct crossing behind = {crossing->key, shortcut.behind, crossing->table};
        shortcut = give_shortcut(store, &behind);
    }
    return done;
}

void version_shorten_crossing(struct alex_table *table, uint64_t index_key, uint64_t ref)
{
    alex_store *store = table->store;
    struct mvcc_open_snapshots open;
    mvcc_look(&store->mvcc, &open);
    if (open.count == 0) {
        return; /* before the record is looked at, whose cache line is far away */
    }
    for (size_t i = 0; i < CROSSINGS_MAX; i++) {
        struct crossing *waiting = &store->crossings[i];
        if (waiting->ref != 0 && shorten(store, waiting)) {
            waiting->ref = 0;
        }
    }
    struct crossing crossing = {(uint64_t)table_user_key(table, index_key), ref, table->id};
    if (!shorten(store, &crossing)) {
        store->crossings[store->next_crossing++ % CROSSINGS_MAX] = crossing;
    }
}

/** Entries for which the queue's memory is kept when it is empty. */
#define HELD_KEPT 4096

/** Takes a held entry out of its index. */
static void release(alex_store *store, const struct held_entry *entry)
{
    if (entry->table == NULL) {
        (void)index_remove(store->shortcuts, mvcc_shortcut_key(entry->ref));
        return;
    }
    struct index *index = entry->table->index;
    struct index_position position = {.payload = 0};
    (void)index_find_position(index, entry->index_key, &position);
    if (position.payload == entry->ref) { /* it wasn't written again since */
        index_remove_at(index, &position);
    }
}

bool version_reclaim(alex_store *store, uint64_t oldest, size_t *left)
{
    struct held_queue *queue = &store->held;
    while (queue->count > 0 && queue->items[queue->first].number <= oldest) {
        if (*left == 0) {
            return false;
        }
        --*left;
        release(store, &queue->items[queue->first]);
        queue->first++;
        queue->count--;
    }
    if (queue->count == 0) {
        queue->first = 0;
        if (queue->capacity > HELD_KEPT) {
            base_free(queue->items);
            queue->items = NULL;
            queue->capacity = 0;
        }
    }
    return true;
}

bool version_find_held_from(alex_store *store)
{
    const struct held_queue *queue = &store->held;
    uint64_t number = queue->count > 0 ? queue->items[queue->first].number : UINT64_MAX;
    for (const struct alex_table *table = store->dropped; table != NULL; table = table->next_dropped) {
        number = table_drop_number(table) < number ? table_drop_number(table) : number;
    }
    /* Relaxed, as the look at the slots that follows begins with a fence. */
    bool changes = number != atomic_load_explicit(&store->held_from, memory_order_relaxed);
    atomic_store_explicit(&store->held_from, number, memory_order_relaxed);
    return changes && number != UINT64_MAX;
}

/** Whether a tombstone is still queued: then a snapshot may be open that is older. It is queued with its record's
 *  number, or that of the COMMIT which covers that: the next one there is, as nothing else is written meanwhile. */
static bool is_held_back(const alex_store *store, uint64_t ref)
{
    if (ref == 0) {
        return false;
    }
    const struct held_queue *queue = &store->held;
    size_t at = queue->first;
    size_t end = queue->first + queue->count;
    struct record record;
    bool is_known = log_fetch_header(store->log, ref, &record) == RECORD_GOOD;
    /* unreached: one that can't be read, for it has been damaged since; then all are looked at */
    for (size_t high = end; is_known && at < high;) {
        size_t middle = at + (high - at) / 2;
        if (queue->items[middle].number < record.number) {
            at = middle + 1;
        } else {
            high = middle;
        }
    }
    uint64_t number = at < end ? queue->items[at].number : 0;
    /* unreached: as above */
    for (; at < end && (!is_known || queue->items[at].number == number); at++) {
        /* unreached: a shortcut of this DELETE, whose tombstone has left */
        if (queue->items[at].table != NULL && queue->items[at].ref == ref) {
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
    struct held_queue *queue = &store->held;
    uint64_t published = mvcc_published(&store->mvcc);
    while (queue->count > 0 && queue->items[queue->first + queue->count - 1].number > published) {
        const struct held_entry *entry = &queue->items[queue->first + --queue->count];
        if (entry->table == NULL) {
            (void)index_remove(store->shortcuts, mvcc_shortcut_key(entry->ref));
        }
    }
    (void)version_find_held_from(store);
}
