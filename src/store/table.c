/* SPDX-License-Identifier: Apache-2.0 */
/** @file table.c Tables: open, make, rename, drop, list. */
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

int table_refuse(struct alex_table *table)
{
    int result = handle_check(table, HANDLE_TABLE);
    BASE_INTERRUPTIBLE();
    if (result != ALEX_OK || table_is_seen(table, mvcc_published(&table->store->mvcc))) {
        return result; /* a snapshot that begins now still sees the table */
    }
    return base_fail(store_error(table->store), ALEX_INVALID, 0, table->store->path,
                     "the table \"%s\" was dropped; its handle has ended", table_name(table));
}

alex_table *alex_main_table(alex_store *store)
{
    return store_usable(store) == ALEX_OK ? store->main : NULL;
}

const char *alex_table_name(const alex_table *table)
{
    return table != NULL ? table_name(table) : NULL;
}

enum alex_key_order alex_table_key_order(const alex_table *table)
{
    return table != NULL ? table->order : ALEX_KEYS_DEFAULT;
}

static int check_name(alex_store *store, const char *name)
{
    size_t length = name != NULL ? strnlen(name, ALEX_TABLE_NAME_MAX + 1) : 0;
    if (length == 0) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path, "a table needs a name of 1 to %d bytes",
                         ALEX_TABLE_NAME_MAX);
    }
    if (length > ALEX_TABLE_NAME_MAX) {
        return base_fail(&store->error, ALEX_TOO_LARGE, 0, store->path,
                         "the table's name is too long; use at most %d bytes", ALEX_TABLE_NAME_MAX);
    }
    return ALEX_OK;
}

/** Makes a table for who writes. */
static int make_table(alex_store *store, const char *name, enum alex_key_order order, alex_table **out_table)
{
    int result = write_allowed(store);
    order = order == ALEX_KEYS_DEFAULT ? ALEX_KEYS_SIGNED : order;
    return result == ALEX_OK ? writes_make_table(store, name, order, out_table) : result;
}

/** Commits what a call has written by itself, and ends its turn. */
static int commit_alone(alex_store *store, int result)
{
    struct commit commit = {0};
    if (result == ALEX_OK) {
        result = writes_commit(store, &commit, NULL);
    }
    return writes_end(store, &commit, result);
}

static const struct alex_table_options default_options = {ALEX_OPEN_OR_CREATE, ALEX_KEYS_DEFAULT};

/** Checks how a table is to be opened. */
static int check_opening(alex_store *store, const char *name, const struct alex_table_options *options,
                         alex_table **out_table)
{
    int result = check_name(store, name);
    if (result != ALEX_OK) {
        return result;
    }
    if (out_table == NULL || (unsigned)options->mode > ALEX_MUST_BE_NEW ||
        (unsigned)options->key_order > ALEX_KEYS_UNSIGNED) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path,
                         "opening a table takes a place for its handle, a mode and a key order of their enums");
    }
    return ALEX_OK;
}

/** Opens a table that is there. */
static int open_found(alex_store *store, struct alex_table *table, const struct alex_table_options *options,
                      alex_table **out_table)
{
    if (options->mode == ALEX_MUST_BE_NEW) {
        return ALEX_EXISTS;
    }
    if (options->key_order != ALEX_KEYS_DEFAULT && options->key_order != table->order) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path,
                         "the table's keys are %s; open it with that order or the default",
                         table->order == ALEX_KEYS_SIGNED ? "signed" : "unsigned");
    }
    *out_table = table;
    return ALEX_OK;
}

int alex_table_open(alex_store *store, const char *name, const struct alex_table_options *options,
                    alex_table **out_table)
{
    options = options != NULL ? options : &default_options;
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    result = check_opening(store, name, options, out_table);
    struct alex_table *table = result == ALEX_OK ? catalog_find_name(&store->catalog, name) : NULL;
    if (result == ALEX_OK && table == NULL && options->mode != ALEX_MUST_EXIST) {
        result = writer_await(store, UINT64_MAX);
        table = result == ALEX_OK ? catalog_find_name(&store->catalog, name) : NULL; /* made meanwhile */
    }
    if (result != ALEX_OK) {
        return writer_end(store, result);
    }
    if (table != NULL) {
        return writer_end(store, open_found(store, table, options, out_table));
    }
    if (options->mode == ALEX_MUST_EXIST) {
        return writer_end(store, ALEX_NOT_FOUND);
    }
    result = commit_alone(store, make_table(store, name, options->key_order, &table));
    if (result == ALEX_OK) {
        *out_table = table;
    }
    return result;
}

int alex_txn_table_open(alex_txn *txn, const char *name, const struct alex_table_options *options,
                        alex_table **out_table)
{
    options = options != NULL ? options : &default_options;
    int result = write_txn_take_turn(txn);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = txn->store;
    result = check_opening(store, name, options, out_table);
    struct alex_table *table = result == ALEX_OK ? writes_find_table(store, name) : NULL;
    if (table != NULL) {
        result = open_found(store, table, options, out_table);
    } else if (result == ALEX_OK && options->mode == ALEX_MUST_EXIST) {
        result = ALEX_NOT_FOUND;
    } else if (result == ALEX_OK) {
        result = make_table(store, name, options->key_order, out_table);
    }
    return writer_end(store, result);
}

/** Finds a table that is to be changed as a whole. */
static int find_to_change(alex_store *store, const char *name, const char *what, struct alex_table **out_table)
{
    int result = check_name(store, name);
    if (result != ALEX_OK) {
        return result;
    }
    *out_table = writes_find_table(store, name);
    if (*out_table == NULL) {
        return ALEX_NOT_FOUND;
    }
    if (*out_table == store->main) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path, "the table \"%s\" can't be %s", MAIN_TABLE_NAME,
                         what);
    }
    return write_allowed(store);
}

static int rename_table(alex_store *store, const char *name, const char *new_name)
{
    struct alex_table *table;
    int result = find_to_change(store, name, "renamed", &table);
    if (result == ALEX_OK) {
        result = check_name(store, new_name);
    }
    if (result != ALEX_OK) {
        return result;
    }
    struct alex_table *namesake = writes_find_table(store, new_name);
    if (namesake != NULL) {
        return namesake == table ? ALEX_OK : ALEX_EXISTS;
    }
    return writes_rename_table(table, new_name);
}

int alex_table_rename(alex_store *store, const char *name, const char *new_name)
{
    int result = writer_begin_write(store);
    return result == ALEX_OK ? commit_alone(store, rename_table(store, name, new_name)) : result;
}

int alex_txn_table_rename(alex_txn *txn, const char *name, const char *new_name)
{
    int result = write_txn_take_turn(txn);
    return result == ALEX_OK ? writer_end(txn->store, rename_table(txn->store, name, new_name)) : result;
}

void table_account_name(struct alex_table *table, uint64_t ref)
{
    struct log *log = table->store->log;
    if (table->name_ref != 0) {
        log_count_dead(log, table->name_ref);
    }
    table->name_ref = ref;
    log_count_live(log, ref);
}

/** Counts all entries of a table as dead. */
static void account_dropped(alex_store *store, struct alex_table *table)
{
    struct index_entry entries[64];
    uint64_t from = 0;
    size_t count;
    while ((count = index_scan(table->index, from, INDEX_ASCENDING, entries, 64)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (log_ref_is_value(entries[i].payload)) {
                log_count_dead(store->log, entries[i].payload);
            }
        }
        if (entries[count - 1].key == UINT64_MAX) {
            break;
        }
        from = entries[count - 1].key + 1;
    }
    if (table->ref != 0) { /* else it is lost, in a salvage */
        log_count_dead(store->log, table->ref);
    }
    if (table->name_ref != 0) {
        log_count_dead(store->log, table->name_ref);
    }
}

void table_drop(alex_store *store, struct alex_table *table, uint64_t number)
{
    account_dropped(store, table);
    catalog_remove(&store->catalog, table);
    atomic_store_explicit(&table->drop_number, number, memory_order_release);
    table->next_dropped = store->dropped;
    store->dropped = table;
    (void)version_find_held_from(store);
}

void table_reclaim(alex_store *store, uint64_t oldest)
{
    struct alex_table **link = &store->dropped;
    uint64_t ticket = 0; /* one serves all */
    bool has_tried = false;
    store->table_waits = false;
    while (*link != NULL) {
        struct alex_table *table = *link;
        bool is_due = table->ticket != 0 || table_drop_number(table) <= oldest;
        if (table->ticket == 0 && is_due) {
            ticket = has_tried ? ticket : epoch_ticket();
            has_tried = true;
            table->ticket = ticket;
        }
        if (table->ticket == 0 || !epoch_over(table->ticket)) {
            store->table_waits |= is_due; /* a section ends by itself and tells nobody */
            link = &table->next_dropped;
            continue;
        }
        *link = table->next_dropped;
        table_destroy(table);
    }
}

static int drop_table(alex_store *store, const char *name)
{
    struct alex_table *table;
    int result = find_to_change(store, name, "dropped; delete its keys instead", &table);
    return result == ALEX_OK ? writes_drop_table(table) : result;
}

int alex_table_drop(alex_store *store, const char *name)
{
    int result = writer_begin_write(store);
    return result == ALEX_OK ? commit_alone(store, drop_table(store, name)) : result;
}

int alex_txn_table_drop(alex_txn *txn, const char *name)
{
    int result = write_txn_take_turn(txn);
    return result == ALEX_OK ? writer_end(txn->store, drop_table(txn->store, name)) : result;
}

/** A table that is listed. */
struct listed {
    struct alex_table_info info;
    struct alex_table *table;
};

static int compare_names(const void *a, const void *b)
{
    const struct listed *first = a;
    const struct listed *second = b;
    return strcmp(first->info.name, second->info.name);
}

/** What a listing is put together in. First it only counts. */
struct listing {
    bool own;             /**< as who writes sees it */
    struct listed *items; /**< NULL: counts */
    size_t count;
    char *names; /**< behind the items */
    size_t name_bytes;
};

static void list_one(struct listing *listing, struct alex_table *table)
{
    const char *name = listing->own ? writes_own_name(table) : table_name(table);
    if (name == NULL) {
        return; /* it is dropped */
    }
    size_t bytes = strlen(name) + 1;
    if (listing->items != NULL) {
        char *copy = listing->names + listing->name_bytes;
        memcpy(copy, name, bytes);
        uint64_t keys = atomic_load_explicit(&table->keys, memory_order_relaxed);
        listing->items[listing->count] = (struct listed){{copy, table->order, keys}, table};
    }
    listing->count++;
    listing->name_bytes += bytes;
}

static void list_each(const alex_store *store, struct listing *listing)
{
    for (size_t i = 0; i < store->catalog.bucket_count; i++) {
        for (struct alex_table *table = store->catalog.by_id[i]; table != NULL; table = table->next_by_id) {
            list_one(listing, table);
        }
    }
    for (size_t i = 0; listing->own && i < store->writes.table_change_count; i++) {
        const struct table_change *change = &store->writes.table_changes[i];
        if (change->kind == TABLE_MADE) {
            list_one(listing, change->table);
        }
    }
}

/** Copies what is told of the tables, their names behind it, for base_free(). */
static int list(alex_store *store, bool own, bool can_visit, struct listing *out_listing)
{
    *out_listing = (struct listing){.own = own};
    if (!can_visit) {
        return base_fail(&store->error, ALEX_INVALID, 0, store->path, "listing tables takes a function to call");
    }
    list_each(store, out_listing);
    struct listed *items = base_alloc(out_listing->count * sizeof *items + out_listing->name_bytes);
    if (items == NULL) {
        out_listing->count = 0;
        return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to list the tables");
    }
    *out_listing = (struct listing){.own = own, .items = items, .names = (char *)(items + out_listing->count)};
    list_each(store, out_listing);
    return ALEX_OK;
}

/** Visits what is listed, by name, and frees it. */
static int visit_listed(struct listing *listing, int result, alex_table_visit_fn *visit, void *context)
{
    if (listing->items == NULL) {
        return result;
    }
    qsort(listing->items, listing->count, sizeof *listing->items, compare_names);
    for (size_t i = 0; i < listing->count && result == ALEX_OK; i++) {
        result = visit(context, &listing->items[i].info);
    }
    base_free(listing->items);
    return result;
}

int alex_table_list(alex_store *store, alex_table_visit_fn *visit, void *context)
{
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    struct listing listing;
    result = writer_end(store, list(store, false, visit != NULL, &listing));
    return visit_listed(&listing, result, visit, context);
}

int alex_txn_table_list(alex_txn *txn, alex_table_visit_fn *visit, void *context)
{
    int result = write_txn_take_turn(txn);
    if (result != ALEX_OK) {
        return result;
    }
    struct listing listing;
    result = writer_end(txn->store, list(txn->store, true, visit != NULL, &listing));
    for (size_t i = 0; listing.items != NULL && i < listing.count && result == ALEX_OK; i++) {
        result = alex_txn_count(txn, listing.items[i].table, NULL, &listing.items[i].info.keys);
    }
    return visit_listed(&listing, result, visit, context);
}

int store_visit_tables(const alex_store *store, int (*visit)(void *context, const struct store_table_view *table),
                       void *context)
{
    int result = 0;
    for (size_t i = 0; i < store->catalog.bucket_count; i++) {
        const struct alex_table *table = store->catalog.by_id[i];
        for (; table != NULL && result == 0; table = table->next_by_id) {
            struct store_table_view view = {table_name(table), table->id, table->key_flip, table->keys, table->index};
            result = visit(context, &view);
        }
    }
    return result;
}
