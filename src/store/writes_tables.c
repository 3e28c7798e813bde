/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writes_tables.c
 * Tables that are made, renamed and dropped by writes that count together.
 *
 * Until the commit the catalog stays as it is, and so does what everyone else sees; what the writes themselves see is
 * in the tables' pending members.
 */
#include <string.h>

#include "store/store_internal.h"

const char *writes_own_name(const struct alex_table *table)
{
    if (table_drop_number(table) == TABLE_DROP_PENDING) {
        return NULL;
    }
    return table->pending_name != NULL ? table->pending_name : table_name(table);
}

static void set_drop_number(struct alex_table *table, uint64_t number)
{
    atomic_store_explicit(&table->drop_number, number, memory_order_release);
}

struct alex_table *writes_find_table(const alex_store *store, const char *name)
{
    const struct writes *writes = &store->writes;
    for (size_t i = writes->table_change_count; i > 0; i--) {
        struct alex_table *table = writes->table_changes[i - 1].table;
        const char *own = writes_own_name(table);
        if (own != NULL && strcmp(own, name) == 0) {
            return table;
        }
    }
    struct alex_table *table = catalog_find_name(&store->catalog, name);
    return table != NULL && writes_own_name(table) == table_name(table) ? table : NULL;
}

/** Makes room for another change and appends its record, behind the puts that wait. */
static int append(struct alex_table *table, struct record *record, const char *name, uint64_t *out_ref)
{
    alex_store *store = table->store;
    struct writes *writes = &store->writes;
    if (writes->table_change_count == writes->table_change_capacity) {
        size_t capacity = 2 * writes->table_change_capacity + 4;
        struct table_change *changes = base_realloc(writes->table_changes, capacity * sizeof *changes);
        if (changes == NULL) {
            return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to note another table");
        }
        writes->table_changes = changes;
        writes->table_change_capacity = capacity;
    }
    int result = writes_flush(store);
    return result == ALEX_OK ? writes_append_record(table, record, name, name != NULL ? strlen(name) : 0, out_ref)
                             : result;
}

/** Notes what append() has made room for. */
static void note(alex_store *store, struct table_change change)
{
    store->writes.table_changes[store->writes.table_change_count++] = change;
}

static int no_memory(alex_store *store, const char *what)
{
    return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to %s a table", what);
}

int writes_make_table(alex_store *store, const char *name, enum alex_key_order order, struct alex_table **out_table)
{
    uint32_t id = atomic_load_explicit(&store->next_table_id, memory_order_relaxed);
    if (id == UINT32_MAX) {
        return base_fail(&store->error, ALEX_TOO_LARGE, 0, store->path,
                         "table ids are used up; move the data to a new store");
    }
    struct alex_table *table;
    if (table_create(store, id, name, strlen(name), order, &table) != ALEX_OK) {
        return no_memory(store, "make");
    }
    struct record record = {.kind = RECORD_TABLE, .table = id, .key = order};
    int result = append(table, &record, name, &table->ref);
    if (result != ALEX_OK) {
        table_destroy(table);
        return result;
    }
    atomic_store_explicit(&store->next_table_id, id + 1, memory_order_relaxed);
    table->is_pending = true;
    note(store, (struct table_change){.kind = TABLE_MADE, .table = table});
    *out_table = table;
    return ALEX_OK;
}

int writes_rename_table(struct alex_table *table, const char *name)
{
    alex_store *store = table->store;
    struct table_name *named = table_name_create(name, strlen(name));
    if (named == NULL) {
        return no_memory(store, "rename");
    }
    struct record record = {.kind = RECORD_RENAME, .table = table->id};
    uint64_t ref;
    int result = append(table, &record, name, &ref);
    if (result != ALEX_OK) {
        base_free(named);
        return result;
    }
    note(store, (struct table_change){TABLE_RENAMED, table, named, table->pending_name, ref});
    table->pending_name = named->text;
    return ALEX_OK;
}

int writes_drop_table(struct alex_table *table)
{
    struct record record = {.kind = RECORD_DROP, .table = table->id};
    uint64_t ref;
    int result = append(table, &record, NULL, &ref);
    if (result == ALEX_OK) {
        note(table->store, (struct table_change){.kind = TABLE_DROPPED, .table = table});
        set_drop_number(table, TABLE_DROP_PENDING);
    }
    return result;
}

/** Ends a table that was never anyone else's with the writes: until then its handle may be used, and is refused. */
static void end_later(alex_store *store, struct alex_table *table)
{
    table->next_dropped = store->writes.ended_tables;
    store->writes.ended_tables = table;
}

void writes_undo_tables(alex_store *store, size_t count)
{
    struct writes *writes = &store->writes;
    while (writes->table_change_count > count) {
        const struct table_change *change = &writes->table_changes[--writes->table_change_count];
        switch (change->kind) { /* unreached: the kind is one of these */
        case TABLE_MADE:
            set_drop_number(change->table, TABLE_NEVER_MADE);
            end_later(store, change->table);
            break;
        case TABLE_RENAMED:
            change->table->pending_name = change->name_before;
            base_free(change->name);
            break;
        case TABLE_DROPPED:
            set_drop_number(change->table, 0);
            break;
        }
    }
}

int writes_reserve_tables(alex_store *store)
{
    size_t made = 0;
    for (size_t i = 0; i < store->writes.table_change_count; i++) {
        made += store->writes.table_changes[i].kind == TABLE_MADE;
    }
    return catalog_reserve(&store->catalog, made);
}

/** Makes one change the store's. */
static void publish(alex_store *store, const struct table_change *change, uint64_t number)
{
    struct alex_table *table = change->table;
    bool is_dropped = table_drop_number(table) == TABLE_DROP_PENDING;
    switch (change->kind) { /* unreached: the kind is one of these */
    case TABLE_MADE:
        if (!is_dropped) {
            table->is_pending = false;
            catalog_add(&store->catalog, table);
            log_count_live(store->log, table->ref);
        }
        break;
    case TABLE_RENAMED:
        if (is_dropped) {
            base_free(change->name);
        } else {
            catalog_rename(&store->catalog, table, change->name);
            table_account_name(table, change->name_ref);
        }
        table->pending_name = NULL;
        break;
    case TABLE_DROPPED:
        if (table->is_pending) {
            end_later(store, table);
        } else {
            table_drop(store, table, number);
        }
        break;
    }
}

void writes_publish_tables(alex_store *store, uint64_t number)
{
    for (size_t i = 0; i < store->writes.table_change_count; i++) {
        publish(store, &store->writes.table_changes[i], number);
    }
    store->writes.table_change_count = 0;
}

void writes_end_tables(alex_store *store)
{
    while (store->writes.ended_tables != NULL) {
        struct alex_table *table = store->writes.ended_tables;
        store->writes.ended_tables = table->next_dropped;
        table_destroy(table);
    }
}
