/* SPDX-License-Identifier: Apache-2.0 */
/** @file open.c Opening and closing a store. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/store_internal.h"

#define SEGMENT_SHIFT_DEFAULT 27
#define GROWTH_UNIT 4096
#define GROWTH_MAX ((uint64_t)1 << 30)
#define SYNC_INTERVAL_DEFAULT_MS 1000
#define SYNC_INTERVAL_MAX_MS (60 * 60 * 1000)

/** So that the path of every file in the store fits the buffers for paths. */
#define STORE_PATH_MAX 480

/** Nodes that a writer has replaced are freed when no section is open that had begun before. */
static const struct index_grace epochs = {epoch_ticket, epoch_over, epoch_alone};

int store_usable(const alex_store *store)
{
    return handle_check(store, HANDLE_STORE);
}

struct log *store_log(const alex_store *store)
{
    return store->log;
}

const char *store_path(const alex_store *store)
{
    return store->path;
}

void alex_store_open_report(alex_store *store, struct alex_open_report *out_report)
{
    if (store_usable(store) == ALEX_OK && out_report != NULL) {
        *out_report = store->report;
    }
}

/** Writes the manifest as the log and the store are now: what the log calls when its list of segments has changed. */
static int write_manifest(void *context, struct alex_error *error)
{
    alex_store *store = context;
    struct log_description log;
    if (log_describe(store->log, &log) != ALEX_OK) {
        return base_fail(error, ALEX_NO_MEMORY, 0, store->path, "no memory to write the manifest");
    }
    struct manifest manifest = {
        .segment_shift = store->segment_shift,
        .generation = store->generation + 1,
        .next_file_id = log.next_file_id,
        .number_floor = log.number_floor,
        /* Relaxed, in the log's thread too: of a table made since the log has a record, and replay goes by that. */
        .next_table_id = atomic_load_explicit(&store->next_table_id, memory_order_relaxed),
        .clean = log.finished,
        .durable = log.durable,
        .segments = log.segments,
        .segment_count = log.segment_count,
    };
    memcpy(manifest.store_id, store->store_id, sizeof manifest.store_id);
    int result = manifest_write(store->path, &manifest, error);
    manifest_release(&manifest);
    if (result == ALEX_OK) {
        store->generation++;
    }
    return result;
}

/** A snapshot is too old when so many writes have followed it. */
#define OLD_SNAPSHOT_WRITES 1000000

static int check_options(const char *path, const struct alex_options *options)
{
    if (path == NULL || path[0] == '\0') {
        return base_fail(options->error, ALEX_INVALID, 0, NULL, "a store needs a path");
    }
    if (strlen(path) > STORE_PATH_MAX) {
        return base_fail(options->error, ALEX_INVALID, 0, path, "the store's path is longer than %d bytes",
                         STORE_PATH_MAX);
    }
    if ((unsigned)options->mode > ALEX_MUST_BE_NEW) {
        return base_fail(options->error, ALEX_INVALID, 0, path, "the mode %d is none of enum alex_open_mode",
                         (int)options->mode);
    }
    if (options->read_only && options->mode == ALEX_MUST_BE_NEW) {
        return base_fail(options->error, ALEX_INVALID, 0, path, "a store can't be made read-only");
    }
    if (options->growth_bytes % GROWTH_UNIT != 0 || options->growth_bytes > GROWTH_MAX) {
        return base_fail(options->error, ALEX_INVALID, 0, path,
                         "growth_bytes is %" PRIu64 "; use a multiple of %d up to %" PRIu64 ", or 0",
                         options->growth_bytes, GROWTH_UNIT, GROWTH_MAX);
    }
    if ((unsigned)options->durability > ALEX_DURABLE_ON_COMMIT) {
        return base_fail(options->error, ALEX_INVALID, 0, path, "the durability %d is none of enum alex_durability",
                         (int)options->durability);
    }
    bool interval = options->durability == ALEX_DURABLE_WITHIN_INTERVAL;
    if (options->sync_interval_ms > (interval ? (uint32_t)SYNC_INTERVAL_MAX_MS : 0)) {
        return base_fail(options->error, ALEX_INVALID, 0, path,
                         "sync_interval_ms is %" PRIu32 "; use up to %d, and only with ALEX_DURABLE_WITHIN_INTERVAL",
                         options->sync_interval_ms, SYNC_INTERVAL_MAX_MS);
    }
    if (options->old_snapshot_writes > 0 && options->on_old_snapshot == NULL) {
        return base_fail(options->error, ALEX_INVALID, 0, path,
                         "old_snapshot_writes says when on_old_snapshot is called, which is NULL: set both, or none");
    }
    if (interval && options->no_background && !options->read_only) {
        return base_fail(options->error, ALEX_INVALID, 0, path,
                         "syncing at intervals takes a thread; leave no_background out, or sync otherwise");
    }
    return ALEX_OK;
}

/** What a directory without manifest holds. */
struct contents {
    bool log_files;
    bool others;
};

static int note_name(void *context, const char *name)
{
    struct contents *contents = context;
    size_t length = strlen(name);
    bool log_file = length > 4 && strcmp(name + length - 4, ".log") == 0;
    contents->log_files |= log_file;
    contents->others |= !log_file && strcmp(name, "LOCK") != 0 && strcmp(name, MANIFEST_NEW_NAME) != 0;
    return ALEX_OK;
}

/** Finds out what is at the path, and makes the directory where a store is to be made.
 *  @param out_exists  whether there is a store */
static int look(const char *path, const struct alex_options *options, bool *out_exists)
{
    struct alex_error *error = options->error;
    bool must_exist = options->mode == ALEX_MUST_EXIST || options->read_only;
    enum os_kind kind;
    int result = os_path_kind(path, &kind, error);
    if (result != ALEX_OK) {
        return result;
    }
    if (kind == OS_KIND_FILE || kind == OS_KIND_OTHER) {
        return base_fail(error, ALEX_NOT_A_STORE, 0, path, "this is not a directory; a store is one");
    }
    if (kind == OS_KIND_NONE) {
        *out_exists = false;
        return must_exist ? base_fail(error, ALEX_NO_STORE, 0, path,
                                      "there is no store here; check the path, or "
                                      "open without must-exist to make one")
                          : os_directory_create(path, error);
    }
    char manifest[512];
    (void)snprintf(manifest, sizeof manifest, "%s/%s", path, MANIFEST_NAME);
    enum os_kind manifest_kind = OS_KIND_NONE;
    result = os_path_kind(manifest, &manifest_kind, error);
    struct contents contents = {false, false};
    if (result == ALEX_OK && manifest_kind == OS_KIND_NONE) {
        result = os_directory_visit(path, note_name, &contents, error);
    }
    if (result != ALEX_OK) {
        return result;
    }
    *out_exists = manifest_kind != OS_KIND_NONE || contents.log_files;
    if (*out_exists) {
        return options->mode == ALEX_MUST_BE_NEW
                   ? base_fail(error, ALEX_EXISTS, 0, path, "there is a store here already")
                   : ALEX_OK;
    }
    if (contents.others) {
        return base_fail(error, ALEX_NOT_A_STORE, 0, path,
                         "the directory holds other things than a store; use a directory of its own");
    }
    return must_exist ? base_fail(error, ALEX_NO_STORE, 0, path, "the directory is empty; there is no store in it")
                      : ALEX_OK;
}

/** Makes the name of a new store's directory durable. */
static int sync_parent(alex_store *store)
{
    char parent[512];
    const char *slash = strrchr(store->path, '/');
    /* unreached: tests make no store right below the root of the file system */
    size_t length = slash > store->path ? (size_t)(slash - store->path) : 1;
    memcpy(parent, store->path, length);
    parent[length] = '\0';
    int result = os_directory_sync(parent, &store->error);
    /* A directory that may be written in but not read can't be synced; nothing more can be done there. */
    return result == ALEX_NO_PERMISSION ? ALEX_OK : result;
}

/** Makes the manifest of a new store: without segments yet, so that a crash from here on leaves a store. */
static int make_manifest(alex_store *store, uint32_t segment_shift, struct manifest *out_manifest)
{
    struct manifest manifest = {
        .segment_shift = segment_shift,
        .generation = 1,
        .next_file_id = 1,
        .next_table_id = MAIN_TABLE_ID + 1,
    };
    int result = os_random(manifest.store_id, sizeof manifest.store_id, &store->error);
    if (result == ALEX_OK) {
        result = manifest_write(store->path, &manifest, &store->error);
    }
    if (result == ALEX_OK) {
        result = sync_parent(store);
    }
    *out_manifest = manifest;
    return result;
}

static int make_main_table(alex_store *store)
{
    int result = catalog_reserve(&store->catalog, 1);
    if (result == ALEX_OK) {
        result = table_create(store, MAIN_TABLE_ID, MAIN_TABLE_NAME, strlen(MAIN_TABLE_NAME), ALEX_KEYS_SIGNED,
                              &store->main);
    }
    if (result != ALEX_OK) {
        return base_fail(&store->error, result, 0, store->path, "no memory to open the store");
    }
    catalog_add(&store->catalog, store->main);
    return ALEX_OK;
}

/** How often the log's thread is to sync; 0: it is not. */
static uint32_t sync_interval_ms(const struct alex_options *options)
{
    if (options->read_only || options->durability != ALEX_DURABLE_WITHIN_INTERVAL) {
        return 0;
    }
    return options->sync_interval_ms != 0 ? options->sync_interval_ms : SYNC_INTERVAL_DEFAULT_MS;
}

/** Makes the log, without segments yet, as the manifest says. */
static int make_log(alex_store *store, const struct manifest *manifest)
{
    memcpy(store->store_id, manifest->store_id, sizeof store->store_id);
    store->segment_shift = manifest->segment_shift;
    store->generation = manifest->generation;
    atomic_store(&store->next_table_id, manifest->next_table_id);
    struct log_config config = {
        .directory = store->path,
        .segment_shift = manifest->segment_shift,
        .growth_bytes = store->options.growth_bytes,
        .next_file_id = manifest->next_file_id,
        .read_only = store->options.read_only,
        .background = !store->options.no_background,
        .sync_each = !store->options.read_only && store->options.durability == ALEX_DURABLE_ON_COMMIT,
        .sync_interval_ms = sync_interval_ms(&store->options),
        .verify = !store->options.no_checksums,
        .catch_faults = store->options.catch_sigbus,
        .list_changed = write_manifest,
        .context = store,
    };
    memcpy(config.store_id, manifest->store_id, sizeof config.store_id);
    store->catches_faults = store->options.catch_sigbus;
    return log_create(&config, &store->log, &store->error);
}

int open_prepare(alex_store *store, const struct manifest *manifest)
{
    int result = make_log(store, manifest);
    if (result == ALEX_OK && (index_pool_create(&epochs, &store->pool) != ALEX_OK ||
                              index_create(store->pool, &store->shortcuts) != ALEX_OK)) {
        result = base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to open the store");
    }
    return result == ALEX_OK ? make_main_table(store) : result;
}

/** Removes the files of segments that the old manifest listed and the new one doesn't. */
static int remove_unlisted(alex_store *store, const struct manifest *old)
{
    struct log_description log;
    if (log_describe(store->log, &log) != ALEX_OK) {
        return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to open the store");
    }
    int result = ALEX_OK;
    size_t at = 0;
    for (size_t i = 0; i < old->segment_count && result == ALEX_OK; i++) {
        while (at < log.segment_count && log.segments[at].file_id < old->segments[i].file_id) {
            at++;
        }
        if (at == log.segment_count || log.segments[at].file_id != old->segments[i].file_id) {
            char path[512];
            log_path(store->log, old->segments[i].file_id, path, sizeof path);
            result = os_file_remove(path, &store->error);
        }
    }
    base_free(log.segments);
    return result;
}

static void fill_report(alex_store *store, const struct manifest *manifest, const struct replay_result *replayed)
{
    struct alex_open_report *report = &store->report;
    report->clean = manifest->clean || report->created;
    report->records_replayed = replayed->records;
    report->records_dropped = replayed->dropped;
    if (replayed->cut_bytes > 0) {
        struct log_position end = log_reader_position(&replayed->end);
        report->cut_bytes = replayed->cut_bytes;
        report->cut_offset = end.offset;
        log_path(store->log, end.file_id, report->cut_path, sizeof report->cut_path);
    }
}

/** Sees to it that no id of a table is used again, though its TABLE may not count: a salvage may have nothing but
 *  that. */
static void pass_table_ids(alex_store *store, uint32_t last_table)
{
    uint32_t next = last_table < UINT32_MAX ? last_table + 1 : UINT32_MAX;
    if (next > atomic_load_explicit(&store->next_table_id, memory_order_relaxed)) {
        atomic_store_explicit(&store->next_table_id, next, memory_order_relaxed);
    }
}

/** Goes on where the log ends: ready to write, unless the store is read-only. */
static int start(alex_store *store, const struct manifest *manifest, const struct replay_result *replayed)
{
    pass_table_ids(store, replayed->last_table);
    uint64_t last_number = replayed->last_number;
    if (!manifest->clean && manifest->number_floor > last_number) {
        last_number = manifest->number_floor;
    }
    if (store->options.read_only) {
        log_start_read_only(store->log, &replayed->end, manifest->clean, last_number, replayed->durable);
        return ALEX_OK;
    }
    /* No close leaves a group without end or a segment without records behind, but the format allows it, and then there
     * is something to write. */
    bool untouched =
        manifest->clean && replayed->open_first == 0 && replayed->end.segment + 1 >= manifest->segment_count;
    enum log_end_state state = replayed->cut_bytes > 0 ? LOG_END_CUT : untouched ? LOG_END_CLEAN : LOG_END_OPEN;
    int result = log_start(store->log, &replayed->end, state, last_number, replayed->durable, &store->error);
    if (result == ALEX_OK && replayed->open_first != 0) {
        result = log_append_abort(store->log, replayed->open_first, replayed->last_number, &store->error);
    }
    return result == ALEX_OK ? remove_unlisted(store, manifest) : result;
}

/** Reads the store's files, or makes them. `context` is a struct store_tuning. */
static int load(void *context, alex_store *store, bool exists)
{
    const struct store_tuning *tuning = context;
    uint32_t segment_shift = tuning->segment_shift != 0 ? tuning->segment_shift : SEGMENT_SHIFT_DEFAULT;
    struct manifest manifest = {0};
    int result =
        exists ? manifest_read(store->path, &manifest, &store->error) : make_manifest(store, segment_shift, &manifest);
    if (result == ALEX_NOT_FOUND) {
        return base_fail(&store->error, ALEX_DAMAGED, 0, store->path,
                         "the store's file %s is missing; restore it from a copy, or salvage the store (alex_salvage)",
                         MANIFEST_NAME);
    }
    if (result != ALEX_OK) {
        return result;
    }
    store->report.created = !exists;
    if (exists && manifest.segment_count == 0 && !store->options.read_only) {
        /* Whoever made the store may have come to an end before that. A segment whose name is on disk, when the
         * manifest's is not, would look like a store that has lost its manifest. */
        result = os_directory_sync(store->path, &store->error);
        if (result == ALEX_OK) {
            result = sync_parent(store);
        }
    }
    if (result == ALEX_OK) {
        result = open_prepare(store, &manifest);
    }
    struct replay_result replayed;
    if (result == ALEX_OK) {
        struct replay_target target = store_replay_target;
        target.context = store;
        result = replay(store->log, &manifest, &target, &replayed, &store->error);
    }
    if (result == ALEX_OK) {
        fill_report(store, &manifest, &replayed);
        result = start(store, &manifest, &replayed);
    }
    if (result == ALEX_OK) {
        mvcc_publish(&store->mvcc, log_last_number(store->log));
    }
    manifest_release(&manifest);
    return result;
}

/** Frees a store, opened or half-opened. */
static void destroy(alex_store *store)
{
    writes_release(store); /* while the tables are there that they may have changed */
    for (size_t i = 0; i < store->catalog.bucket_count; i++) {
        struct alex_table *next;
        for (struct alex_table *table = store->catalog.by_id[i]; table != NULL; table = next) {
            next = table->next_by_id;
            table_destroy(table);
        }
    }
    struct alex_table *next;
    for (struct alex_table *table = store->dropped; table != NULL; table = next) {
        next = table->next_dropped; /* kept for a reader, who was in another store: in this one is nobody any more */
        table_destroy(table);
    }
    base_free(store->catalog.by_name);
    base_free(store->catalog.by_id);
    base_free(store->held.items);
    base_free(store->kept_txn);
    log_destroy(store->log);
    index_destroy(store->shortcuts);
    index_pool_destroy(store->pool);
    commit_release(store);
    mvcc_release(&store->mvcc);
    lock_release(store);
    os_condition_destroy(store->released);
    os_mutex_destroy(store->lock); /* once no fork looks at it any more */
    base_free(store->path);
    handle_end(&store->handle);
}

/** Makes the store's object, without anything open yet. */
static int make_store(const char *path, const struct alex_options *options, alex_store **out_store)
{
    char *absolute;
    int result = os_path_absolute(path, &absolute, options->error);
    if (result != ALEX_OK) {
        return result;
    }
    if (strlen(absolute) > STORE_PATH_MAX) {
        base_free(absolute);
        return base_fail(options->error, ALEX_INVALID, 0, path, "the store's path is longer than %d bytes",
                         STORE_PATH_MAX);
    }
    alex_store *store = base_alloc_zeroed(1, sizeof *store);
    if (store == NULL) {
        base_free(absolute);
        return base_fail(options->error, ALEX_NO_MEMORY, 0, path, "no memory to open the store");
    }
    store->handle.kind = HANDLE_STORE;
    static _Atomic uint64_t serials;
    store->serial = atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed) + 1;
    store->path = absolute;
    store->options = *options;
    store->options.error = &store->error; /* the caller's is for this call only */
    if (options->on_old_snapshot != NULL && options->old_snapshot_writes == 0) {
        store->options.old_snapshot_writes = OLD_SNAPSHOT_WRITES;
    }
    store->old_snapshot_due = options->on_old_snapshot != NULL ? 0 : UINT64_MAX;
    atomic_init(&store->held_from, UINT64_MAX);
    store->lock_fd = -1;
    store->forks = os_forks();
    if (os_mutex_create(&store->lock) != ALEX_OK || os_condition_create(&store->released) != ALEX_OK ||
        mvcc_init(&store->mvcc) != ALEX_OK || commit_init(store) != ALEX_OK) {
        destroy(store);
        return base_fail(options->error, ALEX_NO_MEMORY, 0, path, "no memory to open the store");
    }
    *out_store = store;
    return ALEX_OK;
}

int open_loaded(const char *path, const struct alex_options *options,
                int (*load_files)(void *context, alex_store *store, bool exists), void *context, alex_store **out_store)
{
    if (out_store == NULL) {
        return base_fail(options->error, ALEX_INVALID, 0, path, "opening a store needs a place for its handle");
    }
    int result = check_options(path, options);
    bool exists = false;
    if (result == ALEX_OK) {
        result = lock_watch_forks(options->error);
    }
    if (result == ALEX_OK) {
        epoch_prepare();
    }
    if (result == ALEX_OK && options->catch_sigbus) {
        result = os_guard_install(options->error);
    }
    if (result == ALEX_OK) {
        result = look(path, options, &exists);
    }
    alex_store *store = NULL;
    if (result == ALEX_OK) {
        result = make_store(path, options, &store);
    }
    if (result != ALEX_OK) {
        return result;
    }
    BASE_ASSERT(store != NULL);
    result = lock_take(store, &store->error);
    if (result == ALEX_OK && !exists) {
        /* Another process may have made the store between the look and the lock. */
        result = look(store->path, &store->options, &exists);
    }
    if (result == ALEX_OK) {
        result = load_files(context, store, exists);
    }
    if (result != ALEX_OK) {
        if (options->error != NULL) {
            *options->error = store->error;
        }
        destroy(store);
        return result;
    }
    *out_store = store;
    return ALEX_OK;
}

int store_open_tuned(const char *path, const struct alex_options *options, const struct store_tuning *tuning,
                     alex_store **out_store)
{
    static const struct alex_options defaults = ALEX_OPTIONS_DEFAULT;
    struct store_tuning copy = tuning != NULL ? *tuning : (struct store_tuning){0};
    return open_loaded(path, options != NULL ? options : &defaults, load, &copy, out_store);
}

int alex_open(const char *path, const struct alex_options *options, alex_store **out_store)
{
    return store_open_tuned(path, options, NULL, out_store);
}

int alex_sync(alex_store *store)
{
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    result = store->options.read_only ? base_fail(&store->error, ALEX_READ_ONLY, 0, store->path,
                                                  "the store was opened read-only, so there is nothing to sync")
                                      : log_sync(store->log, &store->error);
    return writer_end(store, result);
}

int alex_close(alex_store *store)
{
    if (store == NULL) {
        return ALEX_OK;
    }
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    struct mvcc_open_snapshots open;
    mvcc_look(&store->mvcc, &open);
    /* What other threads of a parent had open ends with a forked child's store: nobody else can end it there. */
    bool forked = store->forks != os_forks();
    uint64_t open_txns = forked ? open.own : open.count;
    uint32_t open_loaders = forked ? 0 : store->open_loaders;
    bool reserved = !forked && store->hold == HOLD_PUT;
    open_txns += !forked && store->hold == HOLD_TXN;
    if (open_txns > 0 || open_loaders > 0 || reserved) {
        result = base_fail(&store->error, ALEX_BUSY, 0, store->path,
                           "%" PRIu64 " transactions, %" PRIu32 " loads and %d reserved puts are open; end them first",
                           open_txns, open_loaders, reserved);
    } else if (commit_waits(store)) {
        result = base_fail(&store->error, ALEX_BUSY, 0, store->path,
                           "writes of other threads wait for their sync; close the store when they have returned");
    }
    result = writer_end(store, result);
    if (result != ALEX_OK) {
        return result;
    }
    if (!store->options.read_only) {
        result = log_finish(store->log, &store->error);
    }
    destroy(store);
    return result;
}
