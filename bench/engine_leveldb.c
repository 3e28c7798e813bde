/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine_leveldb.c
 * LevelDB through its C API.
 */
#include <stdio.h>
#include <stdlib.h>

#include <leveldb/c.h>

#include "byte_key.h"
#include "engine.h"
#include "support.h"

#define MEMTABLE_BYTES ((size_t)64 << 20)

/** More than the files of any store here. LevelDB maps a thousand and limits descriptors for others by itself. */
#define OPEN_FILES_MAX 16384

struct leveldb {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read_options;
    leveldb_readoptions_t *view_options; /**< for reads of a snapshot */
    leveldb_writeoptions_t *write_options;
    leveldb_writebatch_t *batch;
};

static void check(char *error, const char *call)
{
    if (error != NULL) {
        fail("leveldb: %s: %s", call, error);
    }
}

/** What a thread has for itself. */
static void open_own(struct leveldb *self)
{
    self->view_options = leveldb_readoptions_create();
    self->batch = leveldb_writebatch_create();
}

static void close_own(struct leveldb *self)
{
    leveldb_writebatch_destroy(self->batch);
    leveldb_readoptions_destroy(self->view_options);
    free(self);
}

static void *open_store(const struct engine_setup *setup)
{
    struct leveldb *self = allocate(1, sizeof *self);
    char *error = NULL;
    self->options = leveldb_options_create();
    self->cache = leveldb_cache_create_lru(engine_cache_bytes(setup));
    self->filter = leveldb_filterpolicy_create_bloom(10);
    leveldb_options_set_create_if_missing(self->options, 1);
    leveldb_options_set_cache(self->options, self->cache);
    leveldb_options_set_filter_policy(self->options, self->filter);
    leveldb_options_set_compression(self->options, leveldb_no_compression);
    leveldb_options_set_write_buffer_size(self->options, MEMTABLE_BYTES);
    leveldb_options_set_max_open_files(self->options, OPEN_FILES_MAX);
    self->read_options = leveldb_readoptions_create();
    self->write_options = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(self->write_options, setup->sync);
    open_own(self);
    self->db = leveldb_open(self->options, setup->path, &error);
    check(error, "leveldb_open");
    return self;
}

static void close_store(void *store)
{
    struct leveldb *self = store;
    leveldb_close(self->db);
    leveldb_writeoptions_destroy(self->write_options);
    leveldb_readoptions_destroy(self->read_options);
    leveldb_options_destroy(self->options);
    leveldb_filterpolicy_destroy(self->filter);
    leveldb_cache_destroy(self->cache);
    close_own(self);
}

static void *open_thread(void *store)
{
    struct leveldb *self = allocate(1, sizeof *self);
    *self = *(const struct leveldb *)store;
    open_own(self);
    return self;
}

static void close_thread(void *handle)
{
    close_own(handle);
}

/** No property tells of compactions that are due or running; asking for one of everything waits for those as well. */
static void settle(void *store)
{
    struct leveldb *self = store;
    leveldb_compact_range(self->db, NULL, 0, NULL, 0);
}

static void put(void *store, int64_t key, const void *value, size_t size)
{
    struct leveldb *self = store;
    char bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(key, bytes);
    leveldb_put(self->db, self->write_options, bytes, KEY_BYTES, value, size, &error);
    check(error, "leveldb_put");
}

static void write_batch(void *store, const struct record *records, size_t count)
{
    struct leveldb *self = store;
    char *error = NULL;
    leveldb_writebatch_clear(self->batch);
    for (size_t i = 0; i < count; i++) {
        char bytes[KEY_BYTES];
        encode_key(records[i].key, bytes);
        leveldb_writebatch_put(self->batch, bytes, KEY_BYTES, records[i].value, records[i].size);
    }
    leveldb_write(self->db, self->write_options, self->batch, &error);
    check(error, "leveldb_write");
}

/** As RocksDB's, LevelDB's Delete doesn't tell whether the key was there. */
static bool delete_key(void *store, int64_t key)
{
    struct leveldb *self = store;
    char bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(key, bytes);
    leveldb_delete(self->db, self->write_options, bytes, KEY_BYTES, &error);
    check(error, "leveldb_delete");
    return true;
}

/** In one batch of deletes, as LevelDB has nothing for ranges. */
static void delete_range(void *store, int64_t first, int64_t last)
{
    struct leveldb *self = store;
    leveldb_iterator_t *iterator = leveldb_create_iterator(self->db, self->read_options);
    char bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(first, bytes);
    leveldb_writebatch_clear(self->batch);
    for (leveldb_iter_seek(iterator, bytes, KEY_BYTES); leveldb_iter_valid(iterator); leveldb_iter_next(iterator)) {
        size_t key_size;
        const char *key = leveldb_iter_key(iterator, &key_size);
        if (decode_key(key) > last) {
            break;
        }
        leveldb_writebatch_delete(self->batch, key, key_size);
    }
    leveldb_iter_get_error(iterator, &error);
    check(error, "leveldb_iter_next");
    leveldb_iter_destroy(iterator);
    leveldb_write(self->db, self->write_options, self->batch, &error);
    check(error, "leveldb_write");
    leveldb_writebatch_clear(self->batch);
}

/** Gets from the view that the options name. */
static bool get_from(struct leveldb *self, const leveldb_readoptions_t *options, int64_t key, visit_fn *visit,
                     void *context)
{
    char bytes[KEY_BYTES];
    char *error = NULL;
    size_t size;
    encode_key(key, bytes);
    char *value = leveldb_get(self->db, options, bytes, KEY_BYTES, &size, &error);
    check(error, "leveldb_get");
    if (value == NULL) {
        return false;
    }
    visit(context, key, value, size);
    leveldb_free(value);
    return true;
}

static bool get(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct leveldb *self = store;
    return get_from(self, self->read_options, key, visit, context);
}

/** LevelDB has no call for many keys: single gets, from one snapshot. */
static void get_many(void *store, const int64_t *keys, size_t count, visit_fn *visit, void *context)
{
    struct leveldb *self = store;
    const leveldb_snapshot_t *snapshot = leveldb_create_snapshot(self->db);
    leveldb_readoptions_set_snapshot(self->view_options, snapshot);
    for (size_t i = 0; i < count; i++) {
        if (!get_from(self, self->view_options, keys[i], visit, context)) {
            visit(context, keys[i], NULL, 0);
        }
    }
    leveldb_release_snapshot(self->db, snapshot);
}

static void begin_end(void *store)
{
    struct leveldb *self = store;
    leveldb_release_snapshot(self->db, leveldb_create_snapshot(self->db));
}

static bool get_txn(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct leveldb *self = store;
    const leveldb_snapshot_t *snapshot = leveldb_create_snapshot(self->db);
    leveldb_readoptions_set_snapshot(self->view_options, snapshot);
    bool found = get_from(self, self->view_options, key, visit, context);
    leveldb_release_snapshot(self->db, snapshot);
    return found;
}

static uint64_t scan(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context)
{
    struct leveldb *self = store;
    leveldb_iterator_t *iterator = leveldb_create_iterator(self->db, self->read_options);
    char bytes[KEY_BYTES];
    char *error = NULL;
    uint64_t count = 0;
    encode_key(first, bytes);
    for (leveldb_iter_seek(iterator, bytes, KEY_BYTES); leveldb_iter_valid(iterator); leveldb_iter_next(iterator)) {
        size_t key_size, size;
        const char *key = leveldb_iter_key(iterator, &key_size);
        const char *value = leveldb_iter_value(iterator, &size);
        visit(context, decode_key(key), value, size);
        if (++count == limit) {
            break;
        }
    }
    leveldb_iter_get_error(iterator, &error);
    check(error, "leveldb_iter_next");
    leveldb_iter_destroy(iterator);
    return count;
}

static const char *version(void)
{
    static char version[32];
    (void)snprintf(version, sizeof version, "%d.%d", leveldb_major_version(), leveldb_minor_version());
    return version;
}

const struct engine engine_leveldb = {
    .name = "leveldb",
    .settings = "bloom filter of 10 bits a key, block cache of 1.5 times the data and at least 512 MB, no compression, "
                "memtable of 64 MB, max_open_files above all files; log written, sync off, verify_checksums off; "
                "compacted as a whole after loading; get_many by single gets in a snapshot, batches by WriteBatch",
    .version = version,
    .open = open_store,
    .close = close_store,
    .settle = settle,
    .open_thread = open_thread,
    .close_thread = close_thread,
    .put = put,
    .write_batch = write_batch,
    .delete_key = delete_key,
    .delete_range = delete_range,
    .get = get,
    .get_many = get_many,
    .scan = scan,
    .begin_end = begin_end,
    .get_txn = get_txn,
};
