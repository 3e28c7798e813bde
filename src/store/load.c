/* SPDX-License-Identifier: Apache-2.0 */
/** @file load.c Bulk loads: puts of any number that count together, and hold the store's writes meanwhile. */
#include "store/store_internal.h"

struct alex_loader {
    struct handle handle;
    alex_store *store; /**< which outlives the table's handle */
    alex_table *table;
    bool ended; /**< committed, or failed */
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
    loader->store = store;
    loader->table = table;
    writer_hold(store, HOLD_LOAD);
    store->open_loaders++;
    *out_loader = loader;
    return ALEX_OK;
}

int alex_loader_open(alex_table *table, alex_loader **out_loader)
{
    int result = table_begin_write(table);
    return result == ALEX_OK ? writer_end(table->store, open_loader(table, out_loader)) : result;
}

/** Checks a loader that is to be gone on with. */
static int check_loader(alex_loader *loader)
{
    int result = handle_check(loader, HANDLE_LOADER);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = loader->store;
    if (loader->ended) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                         "the load was committed or has failed; close the loader and open another");
    }
    writer_keep_hold(store);
    return ALEX_OK;
}

/** Ends the load without effect. The writer's. */
static void give_up(alex_loader *loader)
{
    writes_abort(loader->store);
    writer_release(loader->store);
    loader->ended = true;
}

int alex_loader_add(alex_loader *loader, int64_t key, const void *value, size_t size)
{
    int result = check_loader(loader);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = loader->store;
    result = write_value_check(store, value, size);
    if (result == ALEX_OK) {
        result = writes_put(loader->table, key, value, size);
    }
    if (result != ALEX_OK && writer_begin(store) == ALEX_OK) {
        give_up(loader);
        (void)writer_end(store, ALEX_OK);
    }
    return result;
}

int alex_loader_commit(alex_loader *loader, uint64_t *out_added, uint64_t *out_replaced)
{
    int result = check_loader(loader);
    alex_store *store = result == ALEX_OK ? loader->store : NULL;
    if (result == ALEX_OK) {
        result = writer_begin(store);
    }
    if (result != ALEX_OK) {
        return result;
    }
    struct commit commit = {0};
    struct writes_done done = {0};
    result = writes_commit(store, &commit, &done);
    writer_release(store);
    loader->ended = true;
    result = writes_end(store, &commit, result);
    if (result != ALEX_OK) {
        return result;
    }
    if (out_added != NULL) {
        *out_added = done.added;
    }
    if (out_replaced != NULL) {
        *out_replaced = done.replaced;
    }
    return ALEX_OK;
}

void alex_loader_close(alex_loader *loader)
{
    if (handle_check(loader, HANDLE_LOADER) != ALEX_OK || writer_begin(loader->store) != ALEX_OK) {
        return;
    }
    alex_store *store = loader->store;
    if (!loader->ended) {
        give_up(loader);
    }
    store->open_loaders--;
    (void)writer_end(store, ALEX_OK);
    handle_end(&loader->handle);
}
