/* SPDX-License-Identifier: Apache-2.0 */
/** @file load.c Bulk loads: one group of any length, sorted when it is committed. */
#include "store/store_internal.h"

#define ENTRIES_MIN 1024

struct alex_loader {
    struct handle handle;
    alex_table *table;
    struct group group;
    struct index_entry *entries; /**< in the order they were added */
    size_t count;
    size_t capacity;
    bool ascending; /**< so far: no sorting and no search for repeats */
    bool ended;     /**< committed, or failed */
};

static int open_loader(alex_table *table, alex_loader **out_loader)
{
    alex_store *store = table->store;
    int result = table_check(table);
    if (result == ALEX_OK) {
        result = write_allowed(store);
    }
    if (result != ALEX_OK) {
        return result;
    }
    if (out_loader == NULL) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path, "opening a loader needs a place for its handle");
    }
    alex_loader *loader = base_alloc_zeroed(1, sizeof *loader);
    if (loader == NULL) {
        return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to begin a load");
    }
    loader->handle.kind = HANDLE_LOADER;
    loader->table = table;
    loader->group.store = store;
    loader->ascending = true;
    store->loader = loader;
    store->open_loaders++;
    *out_loader = loader;
    return ALEX_OK;
}

int alex_loader_open(alex_table *table, alex_loader **out_loader)
{
    int result = table_begin_write(table);
    return result == ALEX_OK ? writer_end(table->store, open_loader(table, out_loader)) : result;
}

static int grow_entries(alex_loader *loader)
{
    if (loader->count < loader->capacity) {
        return ALEX_OK;
    }
    size_t capacity = loader->capacity == 0 ? ENTRIES_MIN : 2 * loader->capacity;
    struct index_entry *entries = base_realloc(loader->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return base_fail(&loader->group.store->error, ALEX_NO_MEMORY, 0, loader->group.store->path,
                         "no memory for a load of %zu entries; load them in several pieces", capacity);
    }
    loader->entries = entries;
    loader->capacity = capacity;
    return ALEX_OK;
}

/** Ends the load without effect. */
static void give_up(alex_loader *loader)
{
    group_end(loader->group.store);
    group_abort(&loader->group);
    loader->group.store->loader = NULL;
    loader->ended = true;
}

static int check_loader(alex_loader *loader)
{
    alex_store *store = loader->group.store;
    return loader->ended ? base_fail(&store->error, ALEX_INVALID, 0, store->path,
                                     "the load was committed or has failed; close the loader and open another")
                         : ALEX_OK;
}

static int add(alex_loader *loader, int64_t key, const void *value, size_t size)
{
    int result = check_loader(loader);
    if (result != ALEX_OK) {
        return result;
    }
    result = write_value_check(loader->group.store, value, size);
    if (result != ALEX_OK) {
        give_up(loader);
        return result;
    }
    alex_table *table = loader->table;
    uint64_t index_key = table_index_key(table, key);
    /* The version before is that of before the load also for a repeated key: nothing ever sees the one in between. */
    uint64_t previous = index_find(table->index, index_key);
    struct record record = {
        .kind = RECORD_PUT,
        .flags = previous != 0 ? RECORD_FLAG_PREVIOUS : 0,
        .table = table->id,
        .key = (uint64_t)key,
        .previous = previous,
    };
    uint64_t ref = 0;
    result = grow_entries(loader);
    if (result == ALEX_OK) {
        result = group_append(&loader->group, table, &record, value, size, &ref);
    }
    if (result != ALEX_OK) {
        give_up(loader);
        return result;
    }
    if (loader->count > 0 && loader->entries[loader->count - 1].key >= index_key) {
        loader->ascending = false;
    }
    loader->entries[loader->count++] = (struct index_entry){index_key, ref};
    return ALEX_OK;
}

/** Begins a call on a loader. */
static int begin(alex_loader *loader)
{
    int result = handle_check(loader, HANDLE_LOADER);
    return result == ALEX_OK ? writer_begin(loader->group.store) : result;
}

int alex_loader_add(alex_loader *loader, int64_t key, const void *value, size_t size)
{
    int result = begin(loader);
    return result == ALEX_OK ? writer_end(loader->group.store, add(loader, key, value, size)) : result;
}

/** Sorts the entries and keeps the last of each key. `scratch` has room for all. */
static void sort_and_thin(alex_loader *loader, struct index_entry *scratch)
{
    struct index_entry *entries = loader->entries;
    sort_entries(entries, loader->count, scratch);
    size_t kept = 0;
    for (size_t i = 0; i < loader->count; i++) {
        if (i + 1 == loader->count || entries[i + 1].key != entries[i].key) {
            entries[kept++] = entries[i];
        }
    }
    loader->count = kept;
}

/** Enters all entries in the index. @param previous  what their keys had before; NULL for an empty table */
static int enter(alex_loader *loader, uint64_t *previous)
{
    if (previous != NULL) {
        return group_enter(loader->table, loader->entries, loader->count, previous);
    }
    alex_store *store = loader->group.store;
    int result = group_begin_table(loader->table);
    if (result != ALEX_OK) {
        return result;
    }
    result = index_load(loader->table->index, loader->entries, loader->count);
    return result == ALEX_OK
               ? ALEX_OK
               : base_fail(&store->error, result, 0, store->path, "no memory to enter %zu keys", loader->count);
}

static void withdraw(alex_loader *loader, const uint64_t *previous)
{
    if (previous != NULL) {
        group_withdraw(loader->table, loader->entries, loader->count, previous);
        return;
    }
    for (size_t i = 0; i < loader->count; i++) {
        (void)index_remove(loader->table->index, loader->entries[i].key);
    }
}

/** Publishes the committed load. @return keys that had a value before */
static uint64_t publish(alex_loader *loader, const uint64_t *previous)
{
    alex_store *store = loader->group.store;
    uint64_t replaced = 0;
    for (size_t i = 0; i < loader->count; i++) {
        uint64_t before = previous != NULL ? previous[i] : 0;
        version_account(loader->table, before, loader->entries[i].payload);
        replaced += log_ref_is_value(before);
    }
    commit_publish(store, log_last_number(store->log));
    group_end(store);
    for (size_t i = 0; previous != NULL && i < loader->count; i++) {
        version_shorten(loader->table, loader->entries[i].key, previous[i]);
    }
    return replaced;
}

static int commit(alex_loader *loader, uint64_t *out_added, uint64_t *out_replaced)
{
    int result = check_loader(loader);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = loader->group.store;
    bool empty_table = index_count(loader->table->index) == 0;
    /* One piece of memory serves as the sort's scratch, and then holds what the keys had before. */
    struct index_entry *memory = NULL;
    if (!loader->ascending || !empty_table) {
        memory = base_alloc((loader->count + 1) * sizeof *memory);
        if (memory == NULL) {
            result = base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path,
                               "no memory to sort a load of %zu entries; load them in several pieces", loader->count);
        }
    }
    if (result == ALEX_OK && !loader->ascending) {
        sort_and_thin(loader, memory);
    }
    uint64_t *previous = empty_table ? NULL : (uint64_t *)memory;
    uint64_t replaced = 0;
    if (result == ALEX_OK && loader->count > 0) {
        result = enter(loader, previous);
        if (result == ALEX_OK) {
            result = group_commit(&loader->group);
            if (result == ALEX_OK) {
                result = log_settle(store->log, false, &store->error); /* by itself: it is long anyway */
            }
            if (result != ALEX_OK) {
                withdraw(loader, previous);
            }
        }
        if (result == ALEX_OK) {
            replaced = publish(loader, previous);
        }
    }
    base_free(memory);
    if (result != ALEX_OK) {
        give_up(loader);
        return result;
    }
    loader->ended = true;
    store->loader = NULL;
    if (out_added != NULL) {
        *out_added = loader->count - replaced;
    }
    if (out_replaced != NULL) {
        *out_replaced = replaced;
    }
    return ALEX_OK;
}

int alex_loader_commit(alex_loader *loader, uint64_t *out_added, uint64_t *out_replaced)
{
    int result = begin(loader);
    return result == ALEX_OK ? writer_end(loader->group.store, commit(loader, out_added, out_replaced)) : result;
}

void alex_loader_close(alex_loader *loader)
{
    if (begin(loader) != ALEX_OK) {
        return;
    }
    if (!loader->ended) {
        give_up(loader);
    }
    loader->group.store->open_loaders--;
    (void)writer_end(loader->group.store, ALEX_OK);
    base_free(loader->entries);
    loader->entries = NULL;
    handle_end(&loader->handle);
}
