/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine_alexstorage.c
 * AlexStorage with its default options, one table of signed keys; and variants of it, each with one thing changed.
 */
#include <stdlib.h>

#include <alexstorage.h>

#include "engine.h"
#include "support.h"

struct alexstorage {
    alex_store *store;
    alex_table *table;
    unsigned char *buffer; /**< what get() copies to */
    size_t buffer_bytes;
    struct alex_op ops[BATCH_RECORDS];
    struct alex_slice values[GET_MANY_KEYS];
    alex_txn *reader; /**< of gets without copying; NULL before the first */
    alex_txn *writer; /**< while a write transaction is open */
};

/** Ends the process if a call failed. */
static void check(struct alexstorage *self, int code, const char *call)
{
    if (code != ALEX_OK) {
        struct alex_error error;
        alex_store_error(self->store, &error);
        fail("alexstorage: %s: %s: %s", call, alex_code_text(code), error.message);
    }
}

static void *open_with(const struct engine_setup *setup, bool no_checksums, bool no_background)
{
    struct alexstorage *self = allocate(1, sizeof *self);
    struct alex_error error = {0};
    struct alex_options options = ALEX_OPTIONS_DEFAULT;
    options.no_checksums = no_checksums;
    options.no_background = no_background;
    options.durability = setup->sync ? ALEX_DURABLE_ON_COMMIT : ALEX_DURABLE_ON_SYNC;
    options.error = &error;
    int code = alex_open(setup->path, &options, &self->store);
    if (code != ALEX_OK) {
        fail("alexstorage: alex_open: %s: %s", alex_code_text(code), error.message);
    }
    self->table = alex_main_table(self->store);
    self->buffer_bytes = setup->value_max;
    self->buffer = allocate(self->buffer_bytes, 1);
    return self;
}

static void *open_store(const struct engine_setup *setup)
{
    return open_with(setup, false, false);
}

static void *open_unchecked(const struct engine_setup *setup)
{
    return open_with(setup, true, false);
}

static void *open_nobackground(const struct engine_setup *setup)
{
    return open_with(setup, false, true);
}

static void close_store(void *store)
{
    struct alexstorage *self = store;
    check(self, alex_end(self->reader), "alex_end");
    int code = alex_close(self->store);
    if (code != ALEX_OK) {
        fail("alexstorage: alex_close: %s", alex_code_text(code));
    }
    free(self->buffer);
    free(self);
}

/** The same store, with a buffer of its own. */
static void *open_thread(void *store)
{
    const struct alexstorage *all = store;
    struct alexstorage *self = allocate(1, sizeof *self);
    self->store = all->store;
    self->table = all->table;
    self->buffer_bytes = all->buffer_bytes;
    self->buffer = allocate(self->buffer_bytes, 1);
    return self;
}

static void close_thread(void *handle)
{
    struct alexstorage *self = handle;
    check(self, alex_end(self->reader), "alex_end");
    free(self->buffer);
    free(self);
}

static void put(void *store, int64_t key, const void *value, size_t size)
{
    struct alexstorage *self = store;
    check(self, alex_put(self->table, key, value, size, NULL), "alex_put");
}

static void write_batch(void *store, const struct record *records, size_t count)
{
    struct alexstorage *self = store;
    for (size_t i = 0; i < count; i++) {
        self->ops[i] = (struct alex_op){ALEX_OP_PUT, self->table, records[i].key, {records[i].value, records[i].size}};
    }
    check(self, alex_write(self->store, self->ops, count), "alex_write");
}

static bool delete_key(void *store, int64_t key)
{
    struct alexstorage *self = store;
    int code = alex_delete(self->table, key);
    if (code == ALEX_NOT_FOUND) {
        return false;
    }
    check(self, code, "alex_delete");
    return true;
}

static void delete_range(void *store, int64_t first, int64_t last)
{
    struct alexstorage *self = store;
    struct alex_range range = {.has_first = true, .has_last = true, .first = first, .last = last};
    check(self, alex_delete_range(self->table, &range, NULL), "alex_delete_range");
}

static void add(void *store, int64_t key, int64_t amount)
{
    struct alexstorage *self = store;
    check(self, alex_add(self->table, key, amount, NULL), "alex_add");
}

static bool get(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct alexstorage *self = store;
    size_t size;
    int code = alex_get(self->table, key, self->buffer, self->buffer_bytes, &size);
    if (code == ALEX_NOT_FOUND) {
        return false;
    }
    check(self, code, "alex_get");
    visit(context, key, self->buffer, size);
    return true;
}

/** Gets the value where it lies, in a read transaction that is kept. */
static bool get_zerocopy(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct alexstorage *self = store;
    struct alex_slice value;
    if (self->reader == NULL) {
        check(self, alex_begin(self->store, ALEX_READ, &self->reader), "alex_begin");
    }
    int code = alex_txn_get(self->reader, self->table, key, &value);
    if (code == ALEX_OK) {
        visit(context, key, value.data, value.size);
    } else if (code != ALEX_NOT_FOUND) {
        check(self, code, "alex_txn_get");
    }
    return code == ALEX_OK;
}

static void get_many(void *store, const int64_t *keys, size_t count, visit_fn *visit, void *context)
{
    struct alexstorage *self = store;
    alex_txn *txn;
    check(self, alex_begin(self->store, ALEX_READ, &txn), "alex_begin");
    check(self, alex_txn_get_many(txn, self->table, keys, count, self->values, NULL), "alex_txn_get_many");
    for (size_t i = 0; i < count; i++) {
        visit(context, keys[i], self->values[i].data, self->values[i].size);
    }
    check(self, alex_end(txn), "alex_end");
}

static uint64_t scan(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context)
{
    struct alexstorage *self = store;
    struct alex_range range = {.has_first = true, .first = first, .limit = limit};
    struct alex_entry entry;
    alex_txn *txn;
    alex_cursor *cursor;
    uint64_t count = 0;
    int code;
    check(self, alex_begin(self->store, ALEX_READ, &txn), "alex_begin");
    check(self, alex_cursor_open(txn, self->table, &range, &cursor), "alex_cursor_open");
    while ((code = alex_cursor_next(cursor, &entry)) == ALEX_OK) {
        visit(context, entry.key, entry.value.data, entry.value.size);
        count++;
    }
    if (code != ALEX_NOT_FOUND) {
        check(self, code, "alex_cursor_next");
    }
    alex_cursor_close(cursor);
    check(self, alex_end(txn), "alex_end");
    return count;
}

static void begin_end(void *store)
{
    struct alexstorage *self = store;
    alex_txn *txn;
    check(self, alex_begin(self->store, ALEX_READ, &txn), "alex_begin");
    check(self, alex_end(txn), "alex_end");
}

static bool get_txn(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct alexstorage *self = store;
    struct alex_slice value;
    alex_txn *txn;
    check(self, alex_begin(self->store, ALEX_READ, &txn), "alex_begin");
    int code = alex_txn_get(txn, self->table, key, &value);
    if (code == ALEX_OK) {
        visit(context, key, value.data, value.size);
    } else if (code != ALEX_NOT_FOUND) {
        check(self, code, "alex_txn_get");
    }
    check(self, alex_end(txn), "alex_end");
    return code == ALEX_OK;
}

static void begin_write(void *store)
{
    struct alexstorage *self = store;
    check(self, alex_begin(self->store, ALEX_WRITE, &self->writer), "alex_begin");
}

static void put_in_txn(void *store, int64_t key, const void *value, size_t size)
{
    struct alexstorage *self = store;
    check(self, alex_txn_put(self->writer, self->table, key, value, size, NULL), "alex_txn_put");
}

static void commit(void *store)
{
    struct alexstorage *self = store;
    check(self, alex_commit(self->writer), "alex_commit");
}

static void index_figures(void *store, struct index_figures *out_figures)
{
    struct alexstorage *self = store;
    struct alex_store_stats store_stats;
    struct alex_table_stats stats;
    check(self, alex_store_stat(self->store, &store_stats), "alex_store_stat");
    check(self, alex_table_stat(self->table, &stats), "alex_table_stat");
    *out_figures = (struct index_figures){
        stats.keys > 0 ? (double)store_stats.index_bytes / (double)stats.keys : 0, /* with what nodes leave free */
        stats.predicted_line_share,
        stats.depth,
    };
}

#define ALEXSTORAGE_CALLS                                                                                            \
    .version = alex_version, .close = close_store, .put = put, .write_batch = write_batch, .delete_key = delete_key, \
    .delete_range = delete_range, .add = add, .get_many = get_many, .scan = scan, .open_thread = open_thread,        \
    .close_thread = close_thread, .begin_end = begin_end, .get_txn = get_txn, .begin_write = begin_write,            \
    .put_in_txn = put_in_txn, .commit = commit, .index_figures = index_figures

const struct engine engine_alexstorage = {
    .name = "alexstorage",
    .settings = "defaults: checksums verified on every read, a thread of its own prepares file space; get by alex_get, "
                "which copies; batches by alex_write",
    .open = open_store,
    .get = get,
    ALEXSTORAGE_CALLS,
};

const struct engine engine_alexstorage_binary = {
    .name = "alexstorage-binary",
    .settings = "the same, but nodes are searched by bisection; their models serve only to lay entries out",
    .variant = "binary",
    .open = open_store,
    .get = get,
    ALEXSTORAGE_CALLS,
};

static const char *const only_gets[] = {"get", "get_loaded", "get_missing", NULL};

const struct engine engine_alexstorage_zerocopy = {
    .name = "alexstorage-zerocopy",
    .settings = "defaults, but get by alex_txn_get, which copies nothing, in one read transaction",
    .by_name_only = true,
    .only_workloads = only_gets,
    .open = open_store,
    .get = get_zerocopy,
    ALEXSTORAGE_CALLS,
};

const struct engine engine_alexstorage_unchecked = {
    .name = "alexstorage-unchecked",
    .settings = "defaults, but no_checksums: reads verify none",
    .by_name_only = true,
    .open = open_unchecked,
    .get = get,
    ALEXSTORAGE_CALLS,
};

const struct engine engine_alexstorage_noprefetch = {
    .name = "alexstorage-noprefetch",
    .settings = "defaults, but the library is compiled without its prefetches",
    .by_name_only = true,
    .variant = "noprefetch",
    .open = open_store,
    .get = get,
    ALEXSTORAGE_CALLS,
};

const struct engine engine_alexstorage_nobackground = {
    .name = "alexstorage-nobackground",
    .settings = "defaults, but no_background: the writes that need file space prepare it themselves",
    .by_name_only = true,
    .open = open_nobackground,
    .get = get,
    ALEXSTORAGE_CALLS,
};
