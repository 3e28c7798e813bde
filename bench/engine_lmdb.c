/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine_lmdb.c
 * LMDB, twice: writing its pages with system calls, and writing them into its map.
 */
#include <stdio.h>
#include <stdlib.h>

#include <lmdb.h>

#include "engine.h"
#include "support.h"

/** The map costs address space and, with MDB_WRITEMAP, a file with a hole: so it is far larger than any store that the
 *  data and the inserts to come can give. */
#define MAP_BYTES_MIN ((size_t)4 << 30)
#define MAP_TIMES_DATA 8

struct lmdb {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *reader;    /**< reset while no read is under way */
    MDB_cursor *cursor; /**< of the reader */
    MDB_txn *writer;    /**< while a write transaction is open */
};

static void check(int code, const char *call)
{
    if (code != MDB_SUCCESS) {
        fail("lmdb: %s: %s", call, mdb_strerror(code));
    }
}

/** MDB_INTEGERKEY compares keys as size_t: flipping the sign bit gives the order of signed numbers. */
static inline size_t encode_key(int64_t key)
{
    return (size_t)key ^ (size_t)1 << 63;
}

static inline int64_t decode_key(const MDB_val *key)
{
    size_t encoded;
    __builtin_memcpy(&encoded, key->mv_data, sizeof encoded);
    return (int64_t)(encoded ^ (size_t)1 << 63);
}

/** Makes a thread's read transaction. */
static void open_reader(struct lmdb *self)
{
    check(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &self->reader), "mdb_txn_begin");
    check(mdb_cursor_open(self->reader, self->dbi, &self->cursor), "mdb_cursor_open");
    mdb_txn_reset(self->reader);
}

static void *open_store(const struct engine_setup *setup, unsigned flags)
{
    struct lmdb *self = allocate(1, sizeof *self);
    MDB_txn *txn;
    check(mdb_env_create(&self->env), "mdb_env_create");
    check(mdb_env_set_mapsize(self->env, MAP_BYTES_MIN + MAP_TIMES_DATA * setup->data_bytes), "mdb_env_set_mapsize");
    flags |= MDB_NOMEMINIT | (setup->threads == 1 ? MDB_NOLOCK : 0) | (setup->sync ? 0 : MDB_NOSYNC | MDB_NOMETASYNC);
    check(mdb_env_open(self->env, setup->path, flags, 0666), "mdb_env_open");
    check(mdb_txn_begin(self->env, NULL, 0, &txn), "mdb_txn_begin");
    check(mdb_dbi_open(txn, NULL, MDB_CREATE | MDB_INTEGERKEY, &self->dbi), "mdb_dbi_open");
    check(mdb_txn_commit(txn), "mdb_txn_commit");
    open_reader(self);
    return self;
}

static void *open_plain(const struct engine_setup *setup)
{
    return open_store(setup, 0);
}

static void *open_writemap(const struct engine_setup *setup)
{
    return open_store(setup, MDB_WRITEMAP);
}

static void *open_thread(void *store)
{
    struct lmdb *self = allocate(1, sizeof *self);
    *self = *(const struct lmdb *)store;
    open_reader(self);
    return self;
}

static void close_thread(void *handle)
{
    struct lmdb *self = handle;
    mdb_cursor_close(self->cursor);
    mdb_txn_abort(self->reader);
    free(self);
}

static void close_store(void *store)
{
    struct lmdb *self = store;
    MDB_env *env = self->env;
    close_thread(self);
    mdb_env_close(env);
}

static inline void put_in(struct lmdb *self, MDB_txn *txn, int64_t key, const void *value, size_t size)
{
    size_t encoded = encode_key(key);
    MDB_val key_slice = {sizeof encoded, &encoded};
    MDB_val value_slice = {size, (void *)(uintptr_t)value};
    check(mdb_put(txn, self->dbi, &key_slice, &value_slice, 0), "mdb_put");
}

static void put(void *store, int64_t key, const void *value, size_t size)
{
    struct lmdb *self = store;
    MDB_txn *txn;
    check(mdb_txn_begin(self->env, NULL, 0, &txn), "mdb_txn_begin");
    put_in(self, txn, key, value, size);
    check(mdb_txn_commit(txn), "mdb_txn_commit");
}

static void write_batch(void *store, const struct record *records, size_t count)
{
    struct lmdb *self = store;
    MDB_txn *txn;
    check(mdb_txn_begin(self->env, NULL, 0, &txn), "mdb_txn_begin");
    for (size_t i = 0; i < count; i++) {
        put_in(self, txn, records[i].key, records[i].value, records[i].size);
    }
    check(mdb_txn_commit(txn), "mdb_txn_commit");
}

static void begin_write(void *store)
{
    struct lmdb *self = store;
    check(mdb_txn_begin(self->env, NULL, 0, &self->writer), "mdb_txn_begin");
}

static void put_in_txn(void *store, int64_t key, const void *value, size_t size)
{
    struct lmdb *self = store;
    put_in(self, self->writer, key, value, size);
}

static void commit(void *store)
{
    struct lmdb *self = store;
    check(mdb_txn_commit(self->writer), "mdb_txn_commit");
}

static bool delete_key(void *store, int64_t key)
{
    struct lmdb *self = store;
    size_t encoded = encode_key(key);
    MDB_val key_slice = {sizeof encoded, &encoded};
    MDB_txn *txn;
    check(mdb_txn_begin(self->env, NULL, 0, &txn), "mdb_txn_begin");
    int code = mdb_del(txn, self->dbi, &key_slice, NULL);
    if (code == MDB_NOTFOUND) {
        mdb_txn_abort(txn);
        return false;
    }
    check(code, "mdb_del");
    check(mdb_txn_commit(txn), "mdb_txn_commit");
    return true;
}

static void delete_range(void *store, int64_t first, int64_t last)
{
    struct lmdb *self = store;
    size_t encoded = encode_key(first);
    MDB_val key_slice = {sizeof encoded, &encoded};
    MDB_val value;
    MDB_txn *txn;
    MDB_cursor *cursor;
    check(mdb_txn_begin(self->env, NULL, 0, &txn), "mdb_txn_begin");
    check(mdb_cursor_open(txn, self->dbi, &cursor), "mdb_cursor_open");
    int code = mdb_cursor_get(cursor, &key_slice, &value, MDB_SET_RANGE);
    while (code == MDB_SUCCESS && decode_key(&key_slice) <= last) {
        check(mdb_cursor_del(cursor, 0), "mdb_cursor_del");
        code = mdb_cursor_get(cursor, &key_slice, &value, MDB_NEXT);
    }
    if (code != MDB_NOTFOUND) {
        check(code, "mdb_cursor_get");
    }
    mdb_cursor_close(cursor);
    check(mdb_txn_commit(txn), "mdb_txn_commit");
}

/** Gets within the reader's present view. */
static inline bool get_in_view(struct lmdb *self, int64_t key, visit_fn *visit, void *context)
{
    size_t encoded = encode_key(key);
    MDB_val key_slice = {sizeof encoded, &encoded};
    MDB_val value;
    int code = mdb_get(self->reader, self->dbi, &key_slice, &value);
    if (code == MDB_NOTFOUND) {
        return false;
    }
    check(code, "mdb_get");
    visit(context, key, value.mv_data, value.mv_size);
    return true;
}

static bool get(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct lmdb *self = store;
    check(mdb_txn_renew(self->reader), "mdb_txn_renew");
    bool found = get_in_view(self, key, visit, context);
    mdb_txn_reset(self->reader);
    return found;
}

static void begin_end(void *store)
{
    struct lmdb *self = store;
    check(mdb_txn_renew(self->reader), "mdb_txn_renew");
    mdb_txn_reset(self->reader);
}

/** LMDB has no call for many keys: single gets, in one transaction. */
static void get_many(void *store, const int64_t *keys, size_t count, visit_fn *visit, void *context)
{
    struct lmdb *self = store;
    check(mdb_txn_renew(self->reader), "mdb_txn_renew");
    for (size_t i = 0; i < count; i++) {
        if (!get_in_view(self, keys[i], visit, context)) {
            visit(context, keys[i], NULL, 0);
        }
    }
    mdb_txn_reset(self->reader);
}

static uint64_t scan(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context)
{
    struct lmdb *self = store;
    size_t encoded = encode_key(first);
    MDB_val key = {sizeof encoded, &encoded};
    MDB_val value;
    uint64_t count = 0;
    check(mdb_txn_renew(self->reader), "mdb_txn_renew");
    check(mdb_cursor_renew(self->reader, self->cursor), "mdb_cursor_renew");
    int code = mdb_cursor_get(self->cursor, &key, &value, MDB_SET_RANGE);
    while (code == MDB_SUCCESS) {
        visit(context, decode_key(&key), value.mv_data, value.mv_size);
        if (++count == limit) {
            break;
        }
        code = mdb_cursor_get(self->cursor, &key, &value, MDB_NEXT);
    }
    if (code != MDB_NOTFOUND) {
        check(code, "mdb_cursor_get");
    }
    mdb_txn_reset(self->reader);
    return count;
}

static const char *version(void)
{
    static char version[32];
    int major, minor, patch;
    (void)mdb_version(&major, &minor, &patch);
    (void)snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    return version;
}

#define LMDB_SETTINGS                                                                                              \
    "MDB_INTEGERKEY, MDB_NOSYNC and MDB_NOMETASYNC, MDB_NOLOCK (one thread), MDB_NOMEMINIT, a map of 8 times the " \
    "data and 4 GB; "                                                                                              \
    "a read transaction kept and renewed for each read, get_many by single gets in one; a put or a batch is one "  \
    "transaction"

/* Each get is in a read transaction of its own anyway. */
#define LMDB_CALLS                                                                                                    \
    .threads_settings = "without MDB_NOLOCK, a read transaction each", .version = version, .close = close_store,      \
    .open_thread = open_thread, .close_thread = close_thread, .put = put, .write_batch = write_batch,                 \
    .delete_key = delete_key, .get = get, .get_many = get_many, .scan = scan, .begin_end = begin_end, .get_txn = get, \
    .begin_write = begin_write, .put_in_txn = put_in_txn, .commit = commit, .delete_range = delete_range

const struct engine engine_lmdb = {
    .name = "lmdb",
    .settings = LMDB_SETTINGS,
    .open = open_plain,
    LMDB_CALLS,
};

const struct engine engine_lmdb_writemap = {
    .name = "lmdb-writemap",
    .settings = LMDB_SETTINGS "; MDB_WRITEMAP",
    .open = open_writemap,
    LMDB_CALLS,
};
