/* SPDX-License-Identifier: Apache-2.0 */
/** @file replay_target.c What replayed records do to a store that is being opened. */
#include <inttypes.h>
#include <string.h>

#include "store/store_internal.h"

int replay_no_memory(alex_store *store)
{
    return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to read the store into the index");
}

/** Fills the error for a record that can't be where it is. */
static int misplaced(alex_store *store, uint64_t ref, const char *what)
{
    char path[512];
    struct log_position at = log_locate(store->log, ref, path, sizeof path);
    return base_fail_at(&store->error, ALEX_DAMAGED, path, at.offset, "%s", what);
}

/** Finds a record's table. @param out_table  NULL for a table that was dropped: its records count for nothing */
static int find_table(alex_store *store, uint32_t id, uint64_t ref, struct alex_table **out_table)
{
    *out_table = catalog_find_id(&store->catalog, id);
    if (*out_table == NULL && id >= atomic_load_explicit(&store->next_table_id, memory_order_relaxed)) {
        return misplaced(store, ref, "a record belongs to a table that was never made");
    }
    return ALEX_OK;
}

int replay_enter(alex_store *store, struct alex_table *table, uint64_t key, uint64_t ref)
{
    struct index_position position;
    if (index_prepare(table->index, key ^ table->key_flip, &position) != ALEX_OK) {
        return replay_no_memory(store);
    }
    index_set(table->index, &position, ref);
    version_account(table, position.payload, ref);
    return ALEX_OK;
}

void replay_withdraw(struct alex_table *table, uint64_t key)
{
    version_account(table, index_remove(table->index, key ^ table->key_flip), 0);
}

static int replay_put(void *context, uint32_t table_id, uint64_t key, uint64_t ref)
{
    alex_store *store = context;
    struct alex_table *table;
    int result = find_table(store, table_id, ref, &table);
    return result == ALEX_OK && table != NULL ? replay_enter(store, table, key, ref) : result;
}

static int replay_remove(void *context, uint32_t table_id, uint64_t key, uint64_t ref)
{
    alex_store *store = context;
    struct alex_table *table;
    int result = find_table(store, table_id, ref, &table);
    if (result == ALEX_OK && table != NULL) {
        replay_withdraw(table, key);
    }
    return result;
}

int replay_make_table(alex_store *store, uint32_t id, const char *name, size_t name_length, enum alex_key_order order,
                      struct alex_table **out_table)
{
    struct alex_table *table;
    if (catalog_reserve(&store->catalog, 1) != ALEX_OK ||
        table_create(store, id, name, name_length, order, &table) != ALEX_OK) {
        return replay_no_memory(store);
    }
    *out_table = table;
    return ALEX_OK;
}

void replay_end_table(alex_store *store, struct alex_table *table, uint64_t number)
{
    table_drop(store, table, number);
    mvcc_publish(&store->mvcc, number); /* no snapshot is open: nothing holds the table back */
    txn_reclaim(store, SIZE_MAX);
}

void replay_copy_name(const struct record *record, char out_name[ALEX_TABLE_NAME_MAX + 1])
{
    memset(out_name, 0, ALEX_TABLE_NAME_MAX + 1);
    memcpy(out_name, record->value, record->value_bytes);
}

static int replay_create_table(void *context, const struct record *record, uint64_t ref)
{
    alex_store *store = context;
    char name[ALEX_TABLE_NAME_MAX + 1];
    replay_copy_name(record, name);
    /* Ids ascend, but a manifest may be younger than the record: compare with the tables there are. */
    if (strlen(name) != record->value_bytes || catalog_find_id(&store->catalog, record->table) != NULL ||
        record->table == UINT32_MAX) {
        return misplaced(store, ref, "the record of a table is damaged");
    }
    struct alex_table *table;
    int result =
        replay_make_table(store, record->table, name, record->value_bytes, (enum alex_key_order)record->key, &table);
    if (result != ALEX_OK) {
        return result;
    }
    if (catalog_find_name(&store->catalog, table_name(table)) != NULL) {
        table_destroy(table);
        return misplaced(store, ref, "a table is made twice");
    }
    table->ref = ref;
    catalog_add(&store->catalog, table);
    log_count_live(store->log, ref);
    if (record->table >= atomic_load_explicit(&store->next_table_id, memory_order_relaxed)) {
        atomic_store_explicit(&store->next_table_id, record->table + 1, memory_order_relaxed);
    }
    return ALEX_OK;
}

static int replay_drop_table(void *context, const struct record *record, uint64_t ref)
{
    alex_store *store = context;
    struct alex_table *table = catalog_find_id(&store->catalog, record->table);
    if (table == NULL || table == store->main) {
        return misplaced(store, ref, "a table is dropped that is not there");
    }
    replay_end_table(store, table, record->number);
    return ALEX_OK;
}

int replay_name_table(alex_store *store, struct alex_table *table, const char *name, size_t length)
{
    struct table_name *named = table_name_create(name, length);
    if (named == NULL) {
        return replay_no_memory(store);
    }
    catalog_rename(&store->catalog, table, named);
    table_forget_names(table); /* or each opening would look through all that were ever given */
    return ALEX_OK;
}

static int replay_rename_table(void *context, const struct record *record, uint64_t ref)
{
    alex_store *store = context;
    char name[ALEX_TABLE_NAME_MAX + 1];
    replay_copy_name(record, name);
    struct alex_table *table = catalog_find_id(&store->catalog, record->table);
    if (table == NULL || table == store->main) {
        return misplaced(store, ref, "a table is renamed that is not there");
    }
    if (strlen(name) != record->value_bytes || catalog_find_name(&store->catalog, name) != NULL) {
        return misplaced(store, ref, "a table is renamed to a name that is taken, or is none");
    }
    int result = replay_name_table(store, table, name, record->value_bytes);
    if (result == ALEX_OK) {
        table_account_name(table, ref);
    }
    return result;
}

const struct replay_target store_replay_target = {
    .put = replay_put,
    .remove = replay_remove,
    .create_table = replay_create_table,
    .drop_table = replay_drop_table,
    .rename_table = replay_rename_table,
};
