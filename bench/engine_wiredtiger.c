/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine_wiredtiger.c
 * WiredTiger: one B-tree, a session a thread, cursors that are kept.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <wiredtiger.h>

#include "engine.h"
#include "support.h"

#define TABLE "table:records"

struct wiredtiger {
    WT_CONNECTION *connection;
    WT_SESSION *session;
    WT_CURSOR *cursor;  /**< puts without asking what is there */
    WT_CURSOR *remover; /**< a remove tells whether the key was there */
};

static void check(struct wiredtiger *self, int code, const char *call)
{
    if (code != 0) {
        fail("wiredtiger: %s: %s", call,
             self->session == NULL ? wiredtiger_strerror(code) : self->session->strerror(self->session, code));
    }
}

/** Opens a thread's session and its cursors. The isolation is the session's: a transaction that named it would have
 *  to parse that each time. */
static void open_session(struct wiredtiger *self)
{
    check(self, self->connection->open_session(self->connection, NULL, "isolation=snapshot", &self->session),
          "open_session");
    WT_SESSION *session = self->session;
    check(self, session->create(session, TABLE, "key_format=q,value_format=u"), "create");
    check(self, session->open_cursor(session, TABLE, NULL, "overwrite=true", &self->cursor), "open_cursor");
    check(self, session->open_cursor(session, TABLE, NULL, "overwrite=false", &self->remover), "open_cursor");
}

/** A cache above the data, for records that were put and not yet written take more than twice their size; dirty pages
 *  may fill it, or else puts would wait for their eviction. With transaction_sync's method "none" a commit has written
 *  the log to the operating system; without it, a commit would leave it in the process. No checkpoint falls into what
 *  is timed, and the files of none are synced. */
static void *open_store(const struct engine_setup *setup)
{
    struct wiredtiger *self = allocate(1, sizeof *self);
    char *config = text("create,cache_size=%" PRIu64 ",eviction_dirty_target=80,eviction_dirty_trigger=95,"
                        "log=(enabled=true),transaction_sync=(enabled=true,method=%s),checkpoint_sync=false",
                        2 * engine_cache_bytes(setup), setup->sync ? "fsync" : "none");
    check(self, wiredtiger_open(setup->path, NULL, config, &self->connection), "wiredtiger_open");
    free(config);
    open_session(self);
    return self;
}

static void *open_thread(void *store)
{
    struct wiredtiger *self = allocate(1, sizeof *self);
    self->connection = ((const struct wiredtiger *)store)->connection;
    open_session(self);
    return self;
}

static void close_thread(void *handle)
{
    struct wiredtiger *self = handle;
    int code = self->session->close(self->session, NULL);
    self->session = NULL;
    check(self, code, "close");
    free(self);
}

static void close_store(void *store)
{
    struct wiredtiger *self = store;
    int code = self->connection->close(self->connection, NULL);
    self->session = NULL; /* it ended with the connection */
    check(self, code, "close");
    free(self);
}

static void settle(void *store)
{
    struct wiredtiger *self = store;
    check(self, self->session->checkpoint(self->session, NULL), "checkpoint");
}

static void put(void *store, int64_t key, const void *value, size_t size)
{
    struct wiredtiger *self = store;
    WT_ITEM item = {.data = value, .size = size};
    self->cursor->set_key(self->cursor, key);
    self->cursor->set_value(self->cursor, &item);
    check(self, self->cursor->insert(self->cursor), "insert");
}

static void write_batch(void *store, const struct record *records, size_t count)
{
    struct wiredtiger *self = store;
    check(self, self->session->begin_transaction(self->session, NULL), "begin_transaction");
    for (size_t i = 0; i < count; i++) {
        put(store, records[i].key, records[i].value, records[i].size);
    }
    check(self, self->session->commit_transaction(self->session, NULL), "commit_transaction");
}

static void begin_write(void *store)
{
    struct wiredtiger *self = store;
    check(self, self->session->begin_transaction(self->session, NULL), "begin_transaction");
}

static void commit(void *store)
{
    struct wiredtiger *self = store;
    check(self, self->session->commit_transaction(self->session, NULL), "commit_transaction");
}

static bool delete_key(void *store, int64_t key)
{
    struct wiredtiger *self = store;
    self->remover->set_key(self->remover, key);
    int code = self->remover->remove(self->remover);
    if (code == WT_NOTFOUND) {
        return false;
    }
    check(self, code, "remove");
    check(self, self->remover->reset(self->remover), "reset");
    return true;
}

static void delete_range(void *store, int64_t first, int64_t last)
{
    struct wiredtiger *self = store;
    self->cursor->set_key(self->cursor, first);
    self->remover->set_key(self->remover, last);
    check(self, self->session->truncate(self->session, NULL, self->cursor, self->remover, NULL), "truncate");
    check(self, self->cursor->reset(self->cursor), "reset");
    check(self, self->remover->reset(self->remover), "reset");
}

/** Visits what a cursor is at, in the place where WiredTiger has it. */
static inline void visit_entry(struct wiredtiger *self, int64_t key, visit_fn *visit, void *context)
{
    WT_ITEM item;
    check(self, self->cursor->get_value(self->cursor, &item), "get_value");
    visit(context, key, item.size == 0 ? "" : item.data, item.size);
}

/** Leaves the cursor at the entry, which the caller resets. */
static inline bool find(struct wiredtiger *self, int64_t key, visit_fn *visit, void *context)
{
    self->cursor->set_key(self->cursor, key);
    int code = self->cursor->search(self->cursor);
    if (code == WT_NOTFOUND) {
        return false;
    }
    check(self, code, "search");
    visit_entry(self, key, visit, context);
    return true;
}

static bool get(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct wiredtiger *self = store;
    bool found = find(self, key, visit, context);
    check(self, self->cursor->reset(self->cursor), "reset");
    return found;
}

/** WiredTiger has no call for many keys: single searches, in one transaction. */
static void get_many(void *store, const int64_t *keys, size_t count, visit_fn *visit, void *context)
{
    struct wiredtiger *self = store;
    check(self, self->session->begin_transaction(self->session, NULL), "begin_transaction");
    for (size_t i = 0; i < count; i++) {
        if (!find(self, keys[i], visit, context)) {
            visit(context, keys[i], NULL, 0);
        }
    }
    check(self, self->cursor->reset(self->cursor), "reset");
    check(self, self->session->rollback_transaction(self->session, NULL), "rollback_transaction");
}

static void begin_end(void *store)
{
    struct wiredtiger *self = store;
    check(self, self->session->begin_transaction(self->session, NULL), "begin_transaction");
    check(self, self->session->rollback_transaction(self->session, NULL), "rollback_transaction");
}

static bool get_txn(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct wiredtiger *self = store;
    check(self, self->session->begin_transaction(self->session, NULL), "begin_transaction");
    bool found = get(store, key, visit, context);
    check(self, self->session->rollback_transaction(self->session, NULL), "rollback_transaction");
    return found;
}

static uint64_t scan(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context)
{
    struct wiredtiger *self = store;
    WT_CURSOR *cursor = self->cursor;
    uint64_t count = 0;
    int side = 0;
    cursor->set_key(cursor, first);
    int code = cursor->search_near(cursor, &side);
    if (code == 0 && side < 0) {
        code = cursor->next(cursor);
    }
    for (; code == 0; code = cursor->next(cursor)) {
        int64_t key;
        check(self, cursor->get_key(cursor, &key), "get_key");
        visit_entry(self, key, visit, context);
        if (++count == limit) {
            break;
        }
    }
    if (code != WT_NOTFOUND) {
        check(self, code, "next");
    }
    check(self, cursor->reset(cursor), "reset");
    return count;
}

static const char *version(void)
{
    static char version[32];
    int major, minor, patch;
    (void)wiredtiger_version(&major, &minor, &patch);
    (void)snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    return version;
}

const struct engine engine_wiredtiger = {
    .name = "wiredtiger",
    .settings =
        "key_format q, value_format u, cursors kept, isolation snapshot, cache_size of 3 times the data and at least "
        "1 GB, eviction_dirty_target 80 and _trigger 95, no compression; log enabled, transaction_sync with method "
        "none (written, not synced), checkpoint_sync off, a checkpoint after loading and none by time; log files "
        "of 100 MB made ahead, which disk figures include; get_many by single searches in a transaction; a batch is "
        "one transaction",
    .threads_settings = "a session and cursors each",
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
    .begin_write = begin_write,
    .put_in_txn = put,
    .commit = commit,
};
