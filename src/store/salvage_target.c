/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file salvage_target.c
 * What salvaged records do: FORMAT.md, "Salvage". The store that they make is opened for reading, as any other.
 *
 * As replay_target.c, but for what can't be in a log of which nothing is lost: a record of a table that was never made,
 * and a table made under a name that is taken.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/store_internal.h"

/** Until the log is read no name can be given to a table whose name is lost: a real one may come. This is none. */
#define LOST_NAME ""

struct salvage_opening {
    const struct salvage_listener *listener;
    struct salvage_result *result;
    alex_store *store;
};

static int salvage_put(void *context, uint32_t table_id, uint64_t key, uint64_t ref)
{
    alex_store *store = context;
    struct alex_table *table = catalog_find_id(&store->catalog, table_id);
    if (table == NULL) {
        int result = replay_make_table(store, table_id, LOST_NAME, 0, ALEX_KEYS_SIGNED, &table);
        if (result != ALEX_OK) {
            return result;
        }
        catalog_add(&store->catalog, table);
    }
    return replay_enter(store, table, key, ref);
}

static int salvage_remove(void *context, uint32_t table_id, uint64_t key, uint64_t ref)
{
    (void)ref;
    alex_store *store = context;
    struct alex_table *table = catalog_find_id(&store->catalog, table_id);
    if (table != NULL) {
        replay_withdraw(table, key);
    }
    return ALEX_OK;
}

static int salvage_create_table(void *context, const struct record *record, uint64_t ref)
{
    alex_store *store = context;
    if (catalog_find_id(&store->catalog, record->table) != NULL) {
        return ALEX_OK; /* ids are never used again: no writer makes a table twice */
    }
    struct alex_table *table;
    int result = replay_make_table(store, record->table, (const char *)record->value, record->value_bytes,
                                   (enum alex_key_order)record->key, &table);
    if (result != ALEX_OK) {
        return result;
    }
    struct alex_table *namesake = catalog_find_name(&store->catalog, table->name);
    if (namesake == store->main || table->name[0] == '\0') {
        table_destroy(table);
        return ALEX_OK; /* no writer makes such a table either */
    }
    if (namesake != NULL) {
        replay_end_table(store, namesake, record->number); /* its DROP is lost, but a name is free only after one */
    }
    table->ref = ref;
    catalog_add(&store->catalog, table);
    log_count_live(store->log, ref);
    return ALEX_OK;
}

static int salvage_drop_table(void *context, const struct record *record, uint64_t ref)
{
    (void)ref;
    alex_store *store = context;
    struct alex_table *table = catalog_find_id(&store->catalog, record->table);
    if (table != NULL && table != store->main) {
        replay_end_table(store, table, record->number);
    }
    return ALEX_OK;
}

/** Gives a table whose name is lost one that no table has, and reports it at one of its records. */
static int name_lost_table(struct salvage_opening *opening, struct alex_table *table)
{
    alex_store *store = opening->store;
    char name[ALEX_TABLE_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "lost-%" PRIu32, table->id);
    for (uint32_t taken = 2; catalog_find_name(&store->catalog, name) != NULL; taken++) {
        (void)snprintf(name, sizeof name, "lost-%" PRIu32 "+%" PRIu32, table->id, taken);
    }
    char *copy = base_copy_string(name, strlen(name));
    if (copy == NULL) {
        return replay_no_memory(store);
    }
    catalog_remove(&store->catalog, table);
    base_free(table->name);
    table->name = copy;
    catalog_add(&store->catalog, table);

    char path[512];
    char message[384];
    struct index_entry entry;
    (void)index_scan(table->index, 0, INDEX_ASCENDING, &entry, 1);
    struct log_position at = log_locate(store->log, entry.payload, path, sizeof path);
    (void)snprintf(message, sizeof message,
                   "what the table with id %" PRIu32 " is called is lost: its %" PRIu64
                   " keys are taken as signed ones of \"%s\"",
                   table->id, table->keys, name);
    return salvage_find(opening->listener,
                        &(struct alex_finding){ALEX_DAMAGED, path, at.offset, message, ALEX_FINDING_TABLE,
                                               log_record_bytes(store->log, entry.payload)});
}

/** A table whose name is still to be found, or NULL. */
static struct alex_table *find_lost(const alex_store *store)
{
    return catalog_find_name(&store->catalog, LOST_NAME);
}

/** Names the tables whose names are lost, now that all others are known; those without keys go. */
static int name_lost_tables(struct salvage_opening *opening)
{
    int result = ALEX_OK;
    struct alex_table *table;
    while (result == ALEX_OK && (table = find_lost(opening->store)) != NULL) {
        if (table->keys == 0) {
            replay_end_table(opening->store, table, opening->result->last_number);
        } else {
            result = name_lost_table(opening, table);
        }
    }
    return result;
}

static int load_salvaged(void *context, alex_store *store, bool exists)
{
    (void)exists; /* a read-only open has seen to that */
    struct salvage_opening *opening = context;
    opening->store = store;
    struct salvage_survey survey = {0};
    int result = salvage_look(store->path, opening->listener, &survey, &store->error);
    if (result == ALEX_OK) {
        result = open_prepare(store, &survey.manifest);
    }
    if (result == ALEX_OK) {
        const struct replay_target target = {
            .context = store,
            .put = salvage_put,
            .remove = salvage_remove,
            .create_table = salvage_create_table,
            .drop_table = salvage_drop_table,
        };
        result = salvage(store->log, &survey, &target, opening->listener, opening->result, &store->error);
    }
    if (result == ALEX_OK) {
        result = name_lost_tables(opening);
    }
    if (result == ALEX_OK) {
        mvcc_publish(&store->mvcc, opening->result->last_number);
    }
    manifest_release(&survey.manifest);
    return result;
}

int store_open_salvage(const char *path, const struct salvage_listener *listener, struct alex_error *error,
                       struct salvage_result *out_result, alex_store **out_store)
{
    struct alex_options options = {.read_only = true, .no_background = true, .error = error};
    struct salvage_opening opening = {.listener = listener, .result = out_result};
    return open_loaded(path, &options, load_salvaged, &opening, out_store);
}
