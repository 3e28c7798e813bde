/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine_rocksdb.c
 * RocksDB through its C API: tuned for data that fits in memory, the same with its tables mapped, and with its
 * defaults.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rocksdb/c.h>

#include "byte_key.h"
#include "engine.h"
#include "support.h"

#define MEMTABLE_BYTES ((size_t)64 << 20)

struct rocksdb {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family; /**< what batched reads ask for */
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read_options;
    rocksdb_readoptions_t *view_options; /**< for reads of a snapshot */
    rocksdb_writeoptions_t *write_options;
    rocksdb_writebatch_t *batch;
    rocksdb_writebatch_wi_t *txn;        /**< what a write transaction has written, so that it could be read */
    char keys[GET_MANY_KEYS][KEY_BYTES]; /**< of a batched read, as are the next four */
    const char *key_pointers[GET_MANY_KEYS];
    size_t key_sizes[GET_MANY_KEYS];
    rocksdb_pinnableslice_t *values[GET_MANY_KEYS];
    char *errors[GET_MANY_KEYS];
};

static void check(char *error, const char *call)
{
    if (error != NULL) {
        fail("rocksdb: %s: %s", call, error);
    }
}

static void tune(struct rocksdb *self, const struct engine_setup *setup)
{
    self->cache = rocksdb_cache_create_lru(engine_cache_bytes(setup));
    self->table_options = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_filter_policy(self->table_options, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_data_block_index_type(
        self->table_options, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_block_based_options_set_block_cache(self->table_options, self->cache);
    rocksdb_options_set_block_based_table_factory(self->options, self->table_options);
    rocksdb_options_set_compression(self->options, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(self->options, MEMTABLE_BYTES);
    rocksdb_options_set_max_background_jobs(self->options, 2);
    rocksdb_options_set_allow_concurrent_memtable_write(self->options, setup->writers > 1); /* one needs no atomics */
}

/** What a thread has for itself. */
static void open_own(struct rocksdb *self)
{
    self->view_options = rocksdb_readoptions_create();
    self->batch = rocksdb_writebatch_create();
    self->txn = rocksdb_writebatch_wi_create(0, 1);
    for (size_t i = 0; i < GET_MANY_KEYS; i++) {
        self->key_pointers[i] = self->keys[i];
        self->key_sizes[i] = KEY_BYTES;
    }
}

static void close_own(struct rocksdb *self)
{
    rocksdb_writebatch_destroy(self->batch);
    rocksdb_writebatch_wi_destroy(self->txn);
    rocksdb_readoptions_destroy(self->view_options);
    free(self);
}

static void *open_store(const struct engine_setup *setup, bool tuned, bool mapped)
{
    struct rocksdb *self = allocate(1, sizeof *self);
    const char *family_name = "default";
    const rocksdb_options_t *family_options;
    char *error = NULL;
    self->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(self->options, 1);
    rocksdb_options_set_uint64add_merge_operator(self->options);
    if (tuned) {
        tune(self, setup);
    }
    rocksdb_options_set_allow_mmap_reads(self->options, mapped);
    self->read_options = rocksdb_readoptions_create();
    self->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(self->write_options, setup->sync);
    open_own(self);
    family_options = self->options;
    self->db = rocksdb_open_column_families(self->options, setup->path, 1, &family_name, &family_options, &self->family,
                                            &error);
    check(error, "rocksdb_open_column_families");
    return self;
}

static void *open_tuned(const struct engine_setup *setup)
{
    return open_store(setup, true, false);
}

static void *open_stock(const struct engine_setup *setup)
{
    return open_store(setup, false, false);
}

static void *open_mapped(const struct engine_setup *setup)
{
    return open_store(setup, true, true);
}

static void close_store(void *store)
{
    struct rocksdb *self = store;
    rocksdb_column_family_handle_destroy(self->family);
    rocksdb_close(self->db);
    rocksdb_writeoptions_destroy(self->write_options);
    rocksdb_readoptions_destroy(self->read_options);
    rocksdb_options_destroy(self->options);
    if (self->table_options != NULL) {
        rocksdb_block_based_options_destroy(self->table_options);
        rocksdb_cache_destroy(self->cache);
    }
    close_own(self);
}

static void *open_thread(void *store)
{
    struct rocksdb *self = allocate(1, sizeof *self);
    *self = *(const struct rocksdb *)store;
    open_own(self);
    return self;
}

static void close_thread(void *handle)
{
    close_own(handle);
}

/** Flushes and compacts all there is, and waits for what was due besides. A compaction would flush by itself, but its C
 *  call doesn't report errors. */
static void settle(void *store)
{
    static const char *const properties[] = {"rocksdb.mem-table-flush-pending", "rocksdb.num-running-flushes",
                                             "rocksdb.compaction-pending", "rocksdb.num-running-compactions"};
    struct rocksdb *self = store;
    rocksdb_flushoptions_t *flush_options = rocksdb_flushoptions_create();
    char *error = NULL;
    rocksdb_flush(self->db, flush_options, &error);
    check(error, "rocksdb_flush");
    rocksdb_flushoptions_destroy(flush_options);
    rocksdb_compact_range(self->db, NULL, 0, NULL, 0);
    for (int quiet = 0; quiet < 3; quiet++) {
        for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
            uint64_t value = 0;
            if (rocksdb_property_int(self->db, properties[i], &value) == 0 && value != 0) {
                quiet = 0;
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static void put(void *store, int64_t key, const void *value, size_t size)
{
    struct rocksdb *self = store;
    char bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(key, bytes);
    rocksdb_put(self->db, self->write_options, bytes, KEY_BYTES, value, size, &error);
    check(error, "rocksdb_put");
}

static void write_batch(void *store, const struct record *records, size_t count)
{
    struct rocksdb *self = store;
    char *error = NULL;
    rocksdb_writebatch_clear(self->batch);
    for (size_t i = 0; i < count; i++) {
        char bytes[KEY_BYTES];
        encode_key(records[i].key, bytes);
        rocksdb_writebatch_put(self->batch, bytes, KEY_BYTES, records[i].value, records[i].size);
    }
    rocksdb_write(self->db, self->write_options, self->batch, &error);
    check(error, "rocksdb_write");
}

static void begin_write(void *store)
{
    struct rocksdb *self = store;
    rocksdb_writebatch_wi_clear(self->txn);
}

static void put_in_txn(void *store, int64_t key, const void *value, size_t size)
{
    struct rocksdb *self = store;
    char bytes[KEY_BYTES];
    encode_key(key, bytes);
    rocksdb_writebatch_wi_put(self->txn, bytes, KEY_BYTES, value, size);
}

static void commit(void *store)
{
    struct rocksdb *self = store;
    char *error = NULL;
    rocksdb_write_writebatch_wi(self->db, self->write_options, self->txn, &error);
    check(error, "rocksdb_write_writebatch_wi");
}

/** Gets from the view that the options name. */
static inline bool get_from(struct rocksdb *self, const rocksdb_readoptions_t *options, int64_t key, visit_fn *visit,
                            void *context)
{
    char bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(key, bytes);
    rocksdb_pinnableslice_t *slice = rocksdb_get_pinned(self->db, options, bytes, KEY_BYTES, &error);
    check(error, "rocksdb_get_pinned");
    if (slice == NULL) {
        return false;
    }
    size_t size;
    const char *value = rocksdb_pinnableslice_value(slice, &size);
    visit(context, key, value, size);
    rocksdb_pinnableslice_destroy(slice);
    return true;
}

static bool get(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct rocksdb *self = store;
    return get_from(self, self->read_options, key, visit, context);
}

static void begin_end(void *store)
{
    struct rocksdb *self = store;
    rocksdb_release_snapshot(self->db, rocksdb_create_snapshot(self->db));
}

static bool get_txn(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct rocksdb *self = store;
    const rocksdb_snapshot_t *snapshot = rocksdb_create_snapshot(self->db);
    rocksdb_readoptions_set_snapshot(self->view_options, snapshot);
    bool found = get_from(self, self->view_options, key, visit, context);
    rocksdb_release_snapshot(self->db, snapshot);
    return found;
}

/** RocksDB's Delete doesn't tell whether the key was there; asking first would cost it a read that it doesn't need. */
static bool delete_key(void *store, int64_t key)
{
    struct rocksdb *self = store;
    char bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(key, bytes);
    rocksdb_delete(self->db, self->write_options, bytes, KEY_BYTES, &error);
    check(error, "rocksdb_delete");
    return true;
}

static void delete_range(void *store, int64_t first, int64_t last)
{
    struct rocksdb *self = store;
    char bytes[KEY_BYTES], end_bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(first, bytes);
    encode_key(last + 1, end_bytes); /* the harness asks for no range up to the greatest key */
    rocksdb_delete_range_cf(self->db, self->write_options, self->family, bytes, KEY_BYTES, end_bytes, KEY_BYTES,
                            &error);
    check(error, "rocksdb_delete_range_cf");
}

static void add(void *store, int64_t key, int64_t amount)
{
    struct rocksdb *self = store;
    char bytes[KEY_BYTES];
    char *error = NULL;
    encode_key(key, bytes);
    rocksdb_merge(self->db, self->write_options, bytes, KEY_BYTES, (const char *)&amount, sizeof amount, &error);
    check(error, "rocksdb_merge");
}

static void get_many(void *store, const int64_t *keys, size_t count, visit_fn *visit, void *context)
{
    struct rocksdb *self = store;
    for (size_t i = 0; i < count; i++) {
        encode_key(keys[i], self->keys[i]);
    }
    rocksdb_batched_multi_get_cf(self->db, self->read_options, self->family, count, self->key_pointers, self->key_sizes,
                                 self->values, self->errors, false);
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        check(self->errors[i], "rocksdb_batched_multi_get_cf");
        const char *value = self->values[i] == NULL ? NULL : rocksdb_pinnableslice_value(self->values[i], &size);
        visit(context, keys[i], value, size);
        rocksdb_pinnableslice_destroy(self->values[i]);
    }
}

static uint64_t scan(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context)
{
    struct rocksdb *self = store;
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(self->db, self->read_options);
    char bytes[KEY_BYTES];
    char *error = NULL;
    uint64_t count = 0;
    encode_key(first, bytes);
    for (rocksdb_iter_seek(iterator, bytes, KEY_BYTES); rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        size_t key_size, size;
        const char *key = rocksdb_iter_key(iterator, &key_size);
        const char *value = rocksdb_iter_value(iterator, &size);
        visit(context, decode_key(key), value, size);
        if (++count == limit) {
            break;
        }
    }
    rocksdb_iter_get_error(iterator, &error);
    check(error, "rocksdb_iter_next");
    rocksdb_iter_destroy(iterator);
    return count;
}

/** The version in the name of the library's file: the C API doesn't tell, and the header with the numbers is C++. */
static const char *version(void)
{
    static char version[64];
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, "rocksdb_open");
    char *path = symbol != NULL && dladdr(symbol, &info) != 0 ? realpath(info.dli_fname, NULL) : NULL;
    const char *suffix = path == NULL ? NULL : strstr(path, ".so.");
    strncpy(version, suffix == NULL ? "of unknown version" : suffix + 4, sizeof version - 1);
    free(path);
    return version;
}

#define ROCKSDB_CALLS                                                                                     \
    .version = version, .close = close_store, .settle = settle, .put = put, .write_batch = write_batch,   \
    .delete_key = delete_key, .get = get, .get_many = get_many, .scan = scan, .open_thread = open_thread, \
    .close_thread = close_thread, .begin_end = begin_end, .get_txn = get_txn, .begin_write = begin_write, \
    .put_in_txn = put_in_txn, .commit = commit, .delete_range = delete_range, .add = add

const struct engine engine_rocksdb = {
    .name = "rocksdb",
    .settings =
        "tuned: bloom filter of 10 bits a key, hash index in data blocks, block cache of 1.5 times the data and at "
        "least 512 MB, no compression, memtable of 64 MB without concurrent writes, 2 background jobs; WAL on, "
        "sync off; flushed and compacted as a whole after loading; get by GetPinned, get_many by MultiGet, batches by "
        "WriteBatch, write transactions by WriteBatchWithIndex",
    .threads_settings = "the memtable is written concurrently where several threads write",
    .open = open_tuned,
    ROCKSDB_CALLS,
};

const struct engine engine_rocksdb_stock = {
    .name = "rocksdb-stock",
    .settings = "RocksDB's defaults (cache of 8 MB, no bloom filter, Snappy); WAL on, sync off; flushed and compacted "
                "as a whole after loading; the same calls",
    .open = open_stock,
    ROCKSDB_CALLS,
};

const struct engine engine_rocksdb_mapped = {
    .name = "rocksdb-mapped",
    .settings = "tuned as rocksdb, but allow_mmap_reads: tables are read where they are mapped",
    .by_name_only = true,
    .open = open_mapped,
    ROCKSDB_CALLS,
};
