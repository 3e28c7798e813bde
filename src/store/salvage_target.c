/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file salvage_target.c
 * What salvaged records do: FORMAT.md, "Salvage". The store that they make is opened for reading, as any other.
 *
 * As replay_target.c, but for what can't be in a log of which nothing is lost: a record of a table that was never made,
 * and a table that gets a name which is taken.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/store_internal.h"

/** Until the log is read no name can be given to a table whose name is lost: a real one may come. This is none. */
#define LOST_NAME ""

/** A TABLE of which nothing says that it was committed. As ids are never used again, it was if a record of its table
 *  was. */
struct uncovered_table {
    uint32_t id;
    enum alex_key_order order;
    uint64_t ref;
    char name[ALEX_TABLE_NAME_MAX + 1];
};

struct salvage_opening {
    const struct salvage_listener *listener;
    struct salvage_result *result;
    alex_store *store;
    struct uncovered_table *uncovered;
    size_t uncovered_count;
    size_t uncovered_capacity;
};

/** Frees a name that another table gets: the DROP or the RENAME of the one that has it is lost. */
static int free_name(alex_store *store, const char *name)
{
    struct alex_table *namesake = catalog_find_name(&store->catalog, name);
    return namesake != NULL ? replay_name_table(store, namesake, LOST_NAME, 0) : ALEX_OK;
}

/** Whether a writer may give a table this name. */
static bool may_be_named(const alex_store *store, const char *name, size_t length)
{
    return strlen(name) == length && strcmp(name, table_name(store->main)) != 0;
}

/** Makes the table that a TABLE says, the one of that name aside. */
static int make_table(alex_store *store, const struct uncovered_table *said, struct alex_table **out_table)
{
    int result = free_name(store, said->name);
    if (result == ALEX_OK) {
        result = replay_make_table(store, said->id, said->name, strlen(said->name), said->order, out_table);
    }
    if (result == ALEX_OK) {
        (*out_table)->ref = said->ref;
        catalog_add(&store->catalog, *out_table);
        log_count_live(store->log, said->ref);
    }
    return result;
}

/** Finds a record's table, or makes one in place of the one whose TABLE is lost or uncovered. */
static int find_or_make(struct salvage_opening *opening, uint32_t id, struct alex_table **out_table)
{
    alex_store *store = opening->store;
    *out_table = catalog_find_id(&store->catalog, id);
    if (*out_table != NULL) {
        return ALEX_OK;
    }
    for (size_t i = 0; i < opening->uncovered_count; i++) {
        if (opening->uncovered[i].id == id) {
            return make_table(store, &opening->uncovered[i], out_table);
        }
    }
    int result = replay_make_table(store, id, LOST_NAME, 0, ALEX_KEYS_SIGNED, out_table);
    if (result == ALEX_OK) {
        catalog_add(&store->catalog, *out_table);
    }
    return result;
}

static int salvage_put(void *context, uint32_t table_id, uint64_t key, uint64_t ref)
{
    struct salvage_opening *opening = context;
    struct alex_table *table;
    int result = find_or_make(opening, table_id, &table);
    return result == ALEX_OK ? replay_enter(opening->store, table, key, ref) : result;
}

static int salvage_remove(void *context, uint32_t table_id, uint64_t key, uint64_t ref)
{
    (void)ref;
    const struct salvage_opening *opening = context;
    struct alex_table *table = catalog_find_id(&opening->store->catalog, table_id);
    if (table != NULL) {
        replay_withdraw(table, key);
    }
    return ALEX_OK;
}

/** What a TABLE says. @return whether a writer may have said it: no id is used twice, nor every name */
static bool read_table(const alex_store *store, const struct record *record, uint64_t ref,
                       struct uncovered_table *out_said)
{
    *out_said = (struct uncovered_table){record->table, (enum alex_key_order)record->key, ref, {0}};
    replay_copy_name(record, out_said->name);
    return catalog_find_id(&store->catalog, record->table) == NULL &&
           may_be_named(store, out_said->name, record->value_bytes);
}

static int salvage_create_table(void *context, const struct record *record, uint64_t ref)
{
    const struct salvage_opening *opening = context;
    struct uncovered_table said;
    struct alex_table *table;
    return read_table(opening->store, record, ref, &said) ? make_table(opening->store, &said, &table) : ALEX_OK;
}

static int note_uncovered_table(void *context, const struct record *record, uint64_t ref)
{
    struct salvage_opening *opening = context;
    struct uncovered_table said;
    if (!read_table(opening->store, record, ref, &said)) {
        return ALEX_OK;
    }
    if (opening->uncovered_count == opening->uncovered_capacity) {
        size_t capacity = 2 * opening->uncovered_capacity + 4;
        struct uncovered_table *uncovered = base_realloc(opening->uncovered, capacity * sizeof *uncovered);
        if (uncovered == NULL) {
            return replay_no_memory(opening->store);
        }
        opening->uncovered = uncovered;
        opening->uncovered_capacity = capacity;
    }
    opening->uncovered[opening->uncovered_count++] = said;
    return ALEX_OK;
}

static int salvage_drop_table(void *context, const struct record *record, uint64_t ref)
{
    (void)ref;
    const struct salvage_opening *opening = context;
    struct alex_table *table = catalog_find_id(&opening->store->catalog, record->table);
    if (table != NULL && table != opening->store->main) {
        replay_end_table(opening->store, table, record->number);
    }
    return ALEX_OK;
}

static int salvage_rename_table(void *context, const struct record *record, uint64_t ref)
{
    struct salvage_opening *opening = context;
    alex_store *store = opening->store;
    char name[ALEX_TABLE_NAME_MAX + 1];
    replay_copy_name(record, name);
    if (record->table == MAIN_TABLE_ID || !may_be_named(store, name, record->value_bytes)) {
        return ALEX_OK; /* no writer does that */
    }
    struct alex_table *table;
    int result = find_or_make(opening, record->table, &table);
    if (result == ALEX_OK) {
        result = free_name(store, name);
    }
    if (result == ALEX_OK) {
        result = replay_name_table(store, table, name, record->value_bytes);
    }
    if (result == ALEX_OK) {
        table_account_name(table, ref);
    }
    return result;
}

/** Gives a table without a name one that no table has. */
static int name_lost_table(alex_store *store, struct alex_table *table)
{
    char name[ALEX_TABLE_NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "lost-%" PRIu32, table->id);
    for (uint32_t taken = 2; catalog_find_name(&store->catalog, name) != NULL; taken++) {
        (void)snprintf(name, sizeof name, "lost-%" PRIu32 "+%" PRIu32, table->id, taken);
    }
    return replay_name_table(store, table, name, strlen(name));
}

/** Reports a table whose name or TABLE is lost, at one of its records. */
static int report_lost_table(const struct salvage_opening *opening, const struct alex_table *table, const char *what)
{
    alex_store *store = opening->store;
    char path[512];
    char message[640];
    struct index_entry entry;
    (void)index_scan(table->index, 0, INDEX_ASCENDING, &entry, 1);
    struct log_position at = log_locate(store->log, entry.payload, path, sizeof path);
    (void)snprintf(message, sizeof message,
                   "%s of the table with id %" PRIu32 " is lost: its %" PRIu64 " keys are taken as %s ones of \"%s\"",
                   what, table->id, table->keys, table->order == ALEX_KEYS_SIGNED ? "signed" : "unsigned",
                   table_name(table));
    return salvage_find(opening->listener,
                        &(struct alex_finding){ALEX_DAMAGED, path, at.offset, message, ALEX_FINDING_TABLE,
                                               log_record_bytes(store->log, entry.payload)});
}

/** Names the tables whose names are lost, now that all others are known; those without keys go. */
static int name_lost_tables(struct salvage_opening *opening)
{
    alex_store *store = opening->store;
    int result = ALEX_OK;
    struct alex_table *table;
    while (result == ALEX_OK && (table = catalog_find_name(&store->catalog, LOST_NAME)) != NULL) {
        if (table->keys == 0) {
            replay_end_table(store, table, opening->result->last_number);
            continue;
        }
        result = name_lost_table(store, table);
        if (result == ALEX_OK) {
            result = report_lost_table(opening, table, table->ref == 0 ? "the TABLE" : "the name");
        }
    }
    return result;
}

/** Reports the tables whose TABLE is lost, but not their names; those without keys go, as their order can't be told. */
static int end_lost_orders(const struct salvage_opening *opening)
{
    alex_store *store = opening->store;
    int result = ALEX_OK;
    for (size_t i = 0; i < store->catalog.bucket_count; i++) {
        struct alex_table *next;
        for (struct alex_table *table = store->catalog.by_id[i]; table != NULL && result == ALEX_OK; table = next) {
            next = table->next_by_id;
            if (table->ref != 0 || table == store->main || strcmp(table_name(table), LOST_NAME) == 0) {
                continue;
            }
            if (table->keys > 0) {
                result = report_lost_table(opening, table, "the TABLE");
            } else {
                replay_end_table(store, table, opening->result->last_number);
            }
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
            .context = opening,
            .put = salvage_put,
            .remove = salvage_remove,
            .create_table = salvage_create_table,
            .drop_table = salvage_drop_table,
            .rename_table = salvage_rename_table,
            .uncovered_table = note_uncovered_table,
        };
        result = salvage(store->log, &survey, &target, opening->listener, opening->result, &store->error);
    }
    if (result == ALEX_OK) {
        result = end_lost_orders(opening);
    }
    if (result == ALEX_OK) {
        result = name_lost_tables(opening);
    }
    if (result == ALEX_OK) {
        mvcc_publish(&store->mvcc, opening->result->last_number);
    }
    manifest_release(&survey.manifest);
    base_free(opening->uncovered);
    return result;
}

int store_open_salvage(const char *path, const struct salvage_listener *listener, struct alex_error *error,
                       struct salvage_result *out_result, alex_store **out_store)
{
    struct alex_options options = {.read_only = true, .no_background = true, .error = error};
    struct salvage_opening opening = {.listener = listener, .result = out_result};
    return open_loaded(path, &options, load_salvaged, &opening, out_store);
}
