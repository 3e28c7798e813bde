/* SPDX-License-Identifier: Apache-2.0 */
/** @file catalog.c The tables of a store, by name and by id: two chained hash tables over the same objects. */
#include <string.h>

#include "store/store_internal.h"

#define BUCKETS_MIN 8

static size_t hash_name(const char *name)
{
    return base_crc32c(0, name, strlen(name));
}

/** Ids ascend by one: their low bits spread well enough. */
static size_t hash_id(uint32_t id)
{
    return id;
}

struct alex_table *catalog_find_name(const struct catalog *catalog, const char *name)
{
    if (catalog->bucket_count == 0) {
        return NULL;
    }
    struct alex_table *table = catalog->by_name[hash_name(name) & (catalog->bucket_count - 1)];
    while (table != NULL && strcmp(table_name(table), name) != 0) {
        table = table->next_by_name;
    }
    return table;
}

struct alex_table *catalog_find_id(const struct catalog *catalog, uint32_t id)
{
    if (catalog->bucket_count == 0) {
        return NULL;
    }
    struct alex_table *table = catalog->by_id[hash_id(id) & (catalog->bucket_count - 1)];
    while (table != NULL && table->id != id) {
        table = table->next_by_id;
    }
    return table;
}

static void link_name(struct catalog *catalog, struct alex_table *table)
{
    struct alex_table **by_name = &catalog->by_name[hash_name(table_name(table)) & (catalog->bucket_count - 1)];
    table->next_by_name = *by_name;
    *by_name = table;
}

static void unlink_name(struct catalog *catalog, const struct alex_table *table)
{
    struct alex_table **link = &catalog->by_name[hash_name(table_name(table)) & (catalog->bucket_count - 1)];
    while (*link != table) {
        link = &(*link)->next_by_name;
    }
    *link = table->next_by_name;
}

static void link_table(struct catalog *catalog, struct alex_table *table)
{
    link_name(catalog, table);
    struct alex_table **by_id = &catalog->by_id[hash_id(table->id) & (catalog->bucket_count - 1)];
    table->next_by_id = *by_id;
    *by_id = table;
}

int catalog_reserve(struct catalog *catalog, size_t count)
{
    if (count <= catalog->bucket_count - catalog->count) {
        return ALEX_OK;
    }
    size_t bucket_count = catalog->bucket_count == 0 ? BUCKETS_MIN : catalog->bucket_count;
    while (bucket_count - catalog->count < count) {
        bucket_count *= 2;
    }
    struct catalog larger = {
        .by_name = base_alloc_zeroed(bucket_count, sizeof(struct alex_table *)),
        .by_id = base_alloc_zeroed(bucket_count, sizeof(struct alex_table *)),
        .bucket_count = bucket_count,
        .count = catalog->count,
    };
    if (larger.by_name == NULL || larger.by_id == NULL) {
        base_free(larger.by_name);
        base_free(larger.by_id);
        return ALEX_NO_MEMORY;
    }
    for (size_t i = 0; i < catalog->bucket_count; i++) {
        struct alex_table *next;
        for (struct alex_table *table = catalog->by_id[i]; table != NULL; table = next) {
            next = table->next_by_id;
            link_table(&larger, table);
        }
    }
    base_free(catalog->by_name);
    base_free(catalog->by_id);
    *catalog = larger;
    return ALEX_OK;
}

void catalog_add(struct catalog *catalog, struct alex_table *table)
{
    BASE_ASSERT(catalog->count < catalog->bucket_count);
    link_table(catalog, table);
    catalog->count++;
}

void catalog_remove(struct catalog *catalog, struct alex_table *table)
{
    unlink_name(catalog, table);
    struct alex_table **link = &catalog->by_id[hash_id(table->id) & (catalog->bucket_count - 1)];
    while (*link != table) {
        link = &(*link)->next_by_id;
    }
    *link = table->next_by_id;
    catalog->count--;
}

struct table_name *table_name_create(const char *text, size_t length)
{
    struct table_name *name = base_alloc(sizeof *name + length + 1);
    if (name != NULL) {
        memcpy(name->text, text, length);
        name->text[length] = '\0';
    }
    return name;
}

void table_forget_names(struct alex_table *table)
{
    struct table_name **link = &table->names;
    while (*link != NULL) {
        struct table_name *name = *link;
        if (name->text == table_name(table)) {
            link = &name->next;
        } else {
            *link = name->next;
            base_free(name);
        }
    }
}

/** Makes a name the table's: the new one, or the same that it had before. */
static void set_name(struct alex_table *table, struct table_name *name)
{
    struct table_name *had = table->names;
    while (had != NULL && strcmp(had->text, name->text) != 0) {
        had = had->next;
    }
    if (had != NULL) {
        base_free(name);
        name = had;
    } else {
        name->next = table->names;
        table->names = name;
    }
    atomic_store_explicit(&table->name, name->text, memory_order_release);
}

void catalog_rename(struct catalog *catalog, struct alex_table *table, struct table_name *name)
{
    unlink_name(catalog, table);
    set_name(table, name);
    link_name(catalog, table);
}

int table_create(alex_store *store, uint32_t id, const char *name, size_t name_length, enum alex_key_order order,
                 struct alex_table **out_table)
{
    struct alex_table *table = base_alloc_zeroed(1, sizeof *table);
    if (table == NULL) {
        return ALEX_NO_MEMORY;
    }
    table->handle.kind = HANDLE_TABLE;
    table->store = store;
    table->id = id;
    table->order = order;
    table->key_flip = order == ALEX_KEYS_UNSIGNED ? 0 : (uint64_t)1 << 63;
    struct table_name *named = table_name_create(name, name_length);
    if (named == NULL || index_create(store->pool, &table->index) != ALEX_OK) {
        base_free(named);
        base_free(table);
        return ALEX_NO_MEMORY;
    }
    named->next = NULL;
    set_name(table, named);
    *out_table = table;
    return ALEX_OK;
}

void table_destroy(struct alex_table *table)
{
    index_destroy(table->index);
    while (table->names != NULL) {
        struct table_name *name = table->names;
        table->names = name->next;
        base_free(name);
    }
    table->index = NULL;
    atomic_store_explicit(&table->name, NULL, memory_order_relaxed);
    handle_end(&table->handle);
}
