/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine_sqlite.c
 * SQLite: one table whose primary key is the row id, prepared statements, WAL, a connection a thread. Twice: with its
 * page cache as by default, and with one that holds all of the data.
 */
#include <stdlib.h>
#include <time.h>

#include <sqlite3.h>

#include "engine.h"
#include "support.h"

/** How long a connection that finds the database locked waits before it tries again. SQLite's own handler waits a
 *  thousandth of a second and more, in which it would be its turn many times over. */
#define BUSY_WAIT_NS 50000

/** The page cache that SQLite takes by itself. */
#define CACHE_KIB_DEFAULT 2000

struct sqlite {
    char *path; /**< these two open further connections */
    char *pragmas;
    sqlite3 *db;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *put;
    sqlite3_stmt *remove;
    sqlite3_stmt *remove_range;
    sqlite3_stmt *get;
    sqlite3_stmt *scan;
};

_Noreturn static void fail_call(struct sqlite *self, const char *call)
{
    fail("sqlite: %s: %s", call, sqlite3_errmsg(self->db));
}

static void execute(struct sqlite *self, const char *sql)
{
    if (sqlite3_exec(self->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_call(self, sql);
    }
}

static sqlite3_stmt *prepare(struct sqlite *self, const char *sql)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(self->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        fail_call(self, sql);
    }
    return statement;
}

/** Runs a statement that gives no rows. */
static inline void run(struct sqlite *self, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE) {
        fail_call(self, sqlite3_sql(statement));
    }
    sqlite3_reset(statement);
}

static int wait_for_lock(void *context, int tries)
{
    (void)context;
    (void)tries;
    nanosleep(&(struct timespec){.tv_nsec = BUSY_WAIT_NS}, NULL);
    return 1;
}

/** Opens a thread's connection. */
static void connect_to(struct sqlite *self)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(self->path, &self->db, flags, NULL) != SQLITE_OK) {
        fail_call(self, self->path);
    }
    sqlite3_busy_handler(self->db, wait_for_lock, NULL);
    execute(self, self->pragmas);
    execute(self, "CREATE TABLE IF NOT EXISTS records (key INTEGER PRIMARY KEY, value BLOB NOT NULL)");
    self->begin = prepare(self, "BEGIN");
    self->commit = prepare(self, "COMMIT");
    self->put = prepare(self, "REPLACE INTO records (key, value) VALUES (?1, ?2)");
    self->remove = prepare(self, "DELETE FROM records WHERE key = ?1");
    self->remove_range = prepare(self, "DELETE FROM records WHERE key BETWEEN ?1 AND ?2");
    self->get = prepare(self, "SELECT value FROM records WHERE key = ?1");
    self->scan = prepare(self, "SELECT key, value FROM records WHERE key >= ?1 ORDER BY key LIMIT ?2");
}

static void disconnect(struct sqlite *self)
{
    sqlite3_stmt *statements[] = {self->begin,        self->commit, self->put, self->remove,
                                  self->remove_range, self->get,    self->scan};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        sqlite3_finalize(statements[i]);
    }
    if (sqlite3_close(self->db) != SQLITE_OK) {
        fail_call(self, "sqlite3_close");
    }
}

/** Counting its memory takes a lock that all threads share; SQLite's makers advise against it. */
static void configure(void)
{
    static bool is_configured;
    if (!is_configured && sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK) {
        fail("sqlite: sqlite3_config");
    }
    is_configured = true;
}

static void *open_with(const struct engine_setup *setup, bool is_cached)
{
    configure();
    struct sqlite *self = allocate(1, sizeof *self);
    uint64_t cache_bytes = engine_cache_bytes(setup);
    self->path = text("%s/records.db", setup->path);
    /* Reads come through the mapping either way. With a larger cache batches get faster and single puts slower. */
    self->pragmas = text("PRAGMA locking_mode = %s; PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;"
                         "PRAGMA mmap_size = %llu; PRAGMA cache_size = -%llu;",
                         setup->threads == 1 ? "EXCLUSIVE" : "NORMAL", setup->sync ? "FULL" : "OFF",
                         (unsigned long long)cache_bytes * 4,
                         (unsigned long long)(is_cached ? cache_bytes / 1024 : CACHE_KIB_DEFAULT));
    connect_to(self);
    return self;
}

static void *open_default(const struct engine_setup *setup)
{
    return open_with(setup, false);
}

static void *open_cached(const struct engine_setup *setup)
{
    return open_with(setup, true);
}

static void close_store(void *store)
{
    struct sqlite *self = store;
    disconnect(self);
    free(self->path);
    free(self->pragmas);
    free(self);
}

static void *open_thread(void *store)
{
    struct sqlite *self = allocate(1, sizeof *self);
    *self = *(const struct sqlite *)store;
    connect_to(self);
    return self;
}

static void close_thread(void *handle)
{
    disconnect(handle);
    free(handle);
}

/** Moves what is in the WAL to the database, where it is read through the mapping. */
static void settle(void *store)
{
    execute(store, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static void put(void *store, int64_t key, const void *value, size_t size)
{
    struct sqlite *self = store;
    sqlite3_bind_int64(self->put, 1, key);
    sqlite3_bind_blob64(self->put, 2, value, size, SQLITE_STATIC);
    run(self, self->put);
}

static void write_batch(void *store, const struct record *records, size_t count)
{
    struct sqlite *self = store;
    run(self, self->begin);
    for (size_t i = 0; i < count; i++) {
        put(store, records[i].key, records[i].value, records[i].size);
    }
    run(self, self->commit);
}

static void begin_write(void *store)
{
    struct sqlite *self = store;
    run(self, self->begin);
}

static void commit(void *store)
{
    struct sqlite *self = store;
    run(self, self->commit);
}

static bool delete_key(void *store, int64_t key)
{
    struct sqlite *self = store;
    sqlite3_bind_int64(self->remove, 1, key);
    run(self, self->remove);
    return sqlite3_changes(self->db) == 1;
}

static void delete_range(void *store, int64_t first, int64_t last)
{
    struct sqlite *self = store;
    sqlite3_bind_int64(self->remove_range, 1, first);
    sqlite3_bind_int64(self->remove_range, 2, last);
    run(self, self->remove_range);
}

/** Visits a column's value, which is not absent: SQLite gives NULL for an empty one as well. */
static inline void visit_column(sqlite3_stmt *statement, int column, int64_t key, visit_fn *visit, void *context)
{
    const void *value = sqlite3_column_blob(statement, column);
    int size = sqlite3_column_bytes(statement, column);
    visit(context, key, value == NULL ? "" : value, (size_t)size);
}

static bool get(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct sqlite *self = store;
    sqlite3_bind_int64(self->get, 1, key);
    int code = sqlite3_step(self->get);
    if (code == SQLITE_ROW) {
        visit_column(self->get, 0, key, visit, context);
    } else if (code != SQLITE_DONE) {
        fail_call(self, "get");
    }
    sqlite3_reset(self->get);
    return code == SQLITE_ROW;
}

static bool get_txn(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct sqlite *self = store;
    run(self, self->begin);
    bool found = get(store, key, visit, context);
    run(self, self->commit);
    return found;
}

/** SQLite has no call for many keys: single gets, in one transaction. */
static void get_many(void *store, const int64_t *keys, size_t count, visit_fn *visit, void *context)
{
    struct sqlite *self = store;
    run(self, self->begin);
    for (size_t i = 0; i < count; i++) {
        if (!get(store, keys[i], visit, context)) {
            visit(context, keys[i], NULL, 0);
        }
    }
    run(self, self->commit);
}

static uint64_t scan(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context)
{
    struct sqlite *self = store;
    uint64_t count = 0;
    int code;
    sqlite3_bind_int64(self->scan, 1, first);
    sqlite3_bind_int64(self->scan, 2, limit > INT64_MAX ? -1 : (int64_t)limit);
    while ((code = sqlite3_step(self->scan)) == SQLITE_ROW) {
        visit_column(self->scan, 1, sqlite3_column_int64(self->scan, 0), visit, context);
        count++;
    }
    if (code != SQLITE_DONE) {
        fail_call(self, "scan");
    }
    sqlite3_reset(self->scan);
    return count;
}

#define SQLITE_CALLS                                                                                               \
    .threads_settings = "a connection each, locking_mode NORMAL, and a busy handler that tries again after 50 µs", \
    .version = sqlite3_libversion, .close = close_store, .settle = settle, .open_thread = open_thread,             \
    .close_thread = close_thread, .put = put, .write_batch = write_batch, .delete_key = delete_key, .get = get,    \
    .get_many = get_many, .scan = scan, .get_txn = get_txn, .begin_write = begin_write, .put_in_txn = put,         \
    .commit = commit, .delete_range = delete_range

const struct engine engine_sqlite = {
    .name = "sqlite",
    .settings = "INTEGER PRIMARY KEY, prepared statements, journal_mode WAL, synchronous OFF, locking_mode EXCLUSIVE, "
                "mmap_size above the data (2 GB at most: a limit of the library), cache_size (2 MB) and "
                "wal_autocheckpoint (4 MB) as by default, memory statistics off; the WAL is moved to the database "
                "after loading; puts by REPLACE, get_many by single gets in a transaction; a batch is one transaction",
    .open = open_default,
    SQLITE_CALLS,
};

const struct engine engine_sqlite_cached = {
    .name = "sqlite-cached",
    .settings = "the same, but cache_size above the data",
    .by_name_only = true,
    .open = open_cached,
    SQLITE_CALLS,
};
