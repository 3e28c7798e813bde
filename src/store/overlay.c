/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file overlay.c
 * Reading what was written and isn't committed.
 *
 * A few entries are looked through. For more, and to go through them by key, there is an index of them, brought up to
 * date by whoever reads: what only writes pays nothing for it.
 */
#include "store/store_internal.h"

/** Entries that are looked through one by one. */
#define LOOKED_THROUGH_MAX 16

static int no_memory(const alex_store *store)
{
    return base_fail(store_error(store), ALEX_NO_MEMORY, 0, store->path, "no memory to read beside what was written");
}

static struct writes_part *find_part(const struct alex_table *table)
{
    return table->part != 0 ? &table->store->writes.parts[table->part - 1] : NULL;
}

bool overlay_covers(const struct alex_table *table)
{
    const struct writes_part *part = find_part(table);
    return part != NULL && part->count > 0;
}

/** Makes what an overlay needs that there isn't yet. */
static bool prepare(struct writes *writes, struct writes_part *part)
{
    if (part->older_capacity < part->capacity) {
        uint64_t *older = base_realloc(part->older, part->capacity * sizeof *older);
        if (older == NULL) {
            return false;
        }
        part->older = older;
        part->older_capacity = part->capacity;
    }
    if (writes->overlays == NULL && index_pool_create(NULL, &writes->overlays) != ALEX_OK) {
        return false;
    }
    return part->overlay != NULL || index_create(writes->overlays, &part->overlay) == ALEX_OK;
}

/** Brings the overlay up to date. */
static int update(const alex_store *store, struct writes *writes, struct writes_part *part)
{
    if (part->overlaid == part->count) {
        return ALEX_OK;
    }
    if (!prepare(writes, part)) {
        return no_memory(store);
    }
    while (part->overlaid < part->count) {
        struct index_position position;
        if (index_prepare(part->overlay, part->entries[part->overlaid].key, &position) != ALEX_OK) {
            return no_memory(store);
        }
        part->older[part->overlaid++] = position.payload;
        index_set(part->overlay, &position, part->overlaid);
    }
    return ALEX_OK;
}

void overlay_cut(struct writes_part *part, size_t count)
{
    while (part->overlaid > count) {
        uint64_t key = part->entries[--part->overlaid].key;
        struct index_position position;
        bool there = index_find_position(part->overlay, key, &position);
        BASE_ASSERT(there && position.payload == part->overlaid + 1); /* W3 */
        if (part->older[part->overlaid] != 0) {
            index_set(part->overlay, &position, part->older[part->overlaid]);
        } else {
            index_remove_at(part->overlay, &position);
        }
    }
}

int overlay_find(struct alex_table *table, uint64_t index_key, uint64_t *out_ref)
{
    struct writes_part *part = find_part(table);
    *out_ref = 0;
    if (part == NULL || part->count == 0) {
        return ALEX_OK;
    }
    if (part->count <= LOOKED_THROUGH_MAX) {
        size_t at = part->count;
        while (at > 0 && part->entries[at - 1].key != index_key) {
            at--;
        }
        *out_ref = at > 0 ? part->entries[at - 1].payload : 0;
        return ALEX_OK;
    }
    int result = update(table->store, &table->store->writes, part);
    if (result == ALEX_OK) {
        uint64_t place = index_find(part->overlay, index_key);
        *out_ref = place != 0 ? part->entries[place - 1].payload : 0;
    }
    return result;
}

/** Whether `a` comes before `b` in the direction. */
static bool is_before(uint64_t a, uint64_t b, enum index_direction direction)
{
    return direction == INDEX_ASCENDING ? a < b : a > b;
}

/** Entries merged at a time. */
#define MERGED_MAX 64

/** Merges up to MERGED_MAX entries. @return how many */
static size_t merge(const struct alex_table *table, const struct writes_part *part, uint64_t from,
                    enum index_direction direction, struct index_entry *out_entries, size_t capacity)
{
    struct index_entry own[MERGED_MAX];
    struct index_entry others[MERGED_MAX];
    size_t own_count = index_scan(part->overlay, from, direction, own, capacity);
    size_t other_count = index_scan(table->index, from, direction, others, capacity);
    size_t own_at = 0;
    size_t other_at = 0;
    size_t count = 0;
    while (count < capacity && (own_at < own_count || other_at < other_count)) {
        bool other_next = own_at == own_count ||
                          (other_at < other_count && is_before(others[other_at].key, own[own_at].key, direction));
        if (other_next) {
            out_entries[count++] = others[other_at++];
            continue;
        }
        other_at += other_at < other_count && others[other_at].key == own[own_at].key;
        out_entries[count++] = (struct index_entry){own[own_at].key, part->entries[own[own_at].payload - 1].payload};
        own_at++;
    }
    return count;
}

int overlay_scan(struct alex_table *table, uint64_t from, enum index_direction direction,
                 struct index_entry *out_entries, size_t capacity, size_t *out_count)
{
    struct writes_part *part = find_part(table);
    int result = part != NULL ? update(table->store, &table->store->writes, part) : ALEX_OK;
    *out_count = 0;
    if (result != ALEX_OK) {
        return result;
    }
    BASE_DEBUG_ASSERT(capacity <= MERGED_MAX);
    *out_count = part != NULL && part->overlay != NULL
                     ? merge(table, part, from, direction, out_entries, capacity)
                     : index_scan(table->index, from, direction, out_entries, capacity);
    return ALEX_OK;
}
