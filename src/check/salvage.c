/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file salvage.c
 * Salvage: what is provably good in a damaged store, copied into a new one.
 *
 * The damaged store is opened for reading with all that is good in it (store_open_salvage()), which lists the rest;
 * then it is copied as any program could, table by table, each in one load in the order of its keys.
 */
#include "os/os.h"
#include "recovery/recovery.h"
#include "store/store.h"

struct salvaging {
    alex_store *source;
    alex_store *target;
    alex_txn *txn;
    int (*visit)(void *context, const struct alex_finding *finding);
    void *context;
    struct alex_salvage_report report;
    struct alex_error error;
};

static int count_finding(void *context, const struct alex_finding *finding)
{
    struct salvaging *salvaging = context;
    salvaging->report.findings++;
    return salvaging->visit != NULL ? salvaging->visit(salvaging->context, finding) : 0;
}

/** Keeps the detail of what failed on a store, unless nothing did. @return `result` */
static int settle(struct salvaging *salvaging, alex_store *store, int result)
{
    if (result != ALEX_OK) {
        alex_store_error(store, &salvaging->error);
    }
    return result;
}

/** Copies all entries of a table into a load, or only counts them if there is none. */
static int copy_entries(struct salvaging *salvaging, alex_table *from, alex_loader *loader)
{
    alex_cursor *cursor = NULL;
    int result = alex_cursor_open(salvaging->txn, from, NULL, &cursor);
    struct alex_entry entry;
    int added = ALEX_OK;
    while (result == ALEX_OK && added == ALEX_OK && (result = alex_cursor_next(cursor, &entry)) == ALEX_OK) {
        salvaging->report.keys++;
        salvaging->report.value_bytes += entry.value.size;
        if (loader != NULL) {
            added = alex_loader_add(loader, entry.key, entry.value.data, entry.value.size);
        }
    }
    alex_cursor_close(cursor);
    if (added != ALEX_OK) {
        return settle(salvaging, salvaging->target, added);
    }
    return settle(salvaging, salvaging->source, result == ALEX_NOT_FOUND ? ALEX_OK : result);
}

/** Copies all entries of a table into one of the target. */
static int fill_table(struct salvaging *salvaging, alex_table *from, alex_table *to)
{
    alex_loader *loader;
    int result = settle(salvaging, salvaging->target, alex_loader_open(to, &loader));
    if (result != ALEX_OK) {
        return result;
    }
    result = copy_entries(salvaging, from, loader);
    if (result == ALEX_OK) {
        result = settle(salvaging, salvaging->target, alex_loader_commit(loader, NULL, NULL));
    }
    alex_loader_close(loader);
    return result;
}

static int copy_table(void *context, const struct alex_table_info *info)
{
    struct salvaging *salvaging = context;
    salvaging->report.tables++;
    alex_table *from;
    int result = alex_table_open(salvaging->source, info->name, NULL, &from);
    BASE_ASSERT(result == ALEX_OK); /* it is listed */
    if (salvaging->target == NULL) {
        return copy_entries(salvaging, from, NULL);
    }
    struct alex_table_options options = {.key_order = info->key_order};
    alex_table *to;
    result = settle(salvaging, salvaging->target, alex_table_open(salvaging->target, info->name, &options, &to));
    return result == ALEX_OK && info->keys > 0 ? fill_table(salvaging, from, to) : result;
}

/** Copies everything. */
static int copy(struct salvaging *salvaging)
{
    int result = settle(salvaging, salvaging->source, alex_begin(salvaging->source, ALEX_READ, &salvaging->txn));
    if (result != ALEX_OK) {
        return result;
    }
    result = alex_table_list(salvaging->source, copy_table, salvaging);
    if (salvaging->error.code == ALEX_OK) { /* else the visit has failed, and said why */
        (void)settle(salvaging, salvaging->source, result);
    }
    (void)alex_end(salvaging->txn);
    return result;
}

/** Makes the target, fills it, and makes it durable. */
static int write_target(struct salvaging *salvaging, const char *path)
{
    struct alex_options options = {.mode = ALEX_MUST_BE_NEW, .error = &salvaging->error};
    int result = alex_open(path, &options, &salvaging->target);
    if (result != ALEX_OK) {
        return result;
    }
    result = copy(salvaging);
    if (result == ALEX_OK) {
        result = settle(salvaging, salvaging->target, alex_sync(salvaging->target));
    }
    int closed = alex_close(salvaging->target);
    if (result == ALEX_OK && closed != ALEX_OK) {
        result = base_fail(&salvaging->error, closed, 0, path, "the new store could not be closed: %s",
                           alex_code_text(closed));
    }
    return result;
}

/** Nothing may be at the target; it is looked at before the source is read. */
static int check_paths(const char *source, const char *target, struct alex_error *error)
{
    if (source == NULL) {
        return base_fail(error, ALEX_INVALID, 0, NULL, "a salvage needs the path of a store");
    }
    enum os_kind kind = OS_KIND_NONE;
    int result = target != NULL ? os_path_kind(target, &kind, error) : ALEX_OK;
    if (result == ALEX_OK && kind != OS_KIND_NONE) {
        result = base_fail(error, ALEX_EXISTS, 0, target,
                           "there is something at this path already; a salvage writes to a new one");
    }
    return result;
}

int alex_salvage(const char *source, const char *target,
                 int (*visit)(void *context, const struct alex_finding *finding), void *context,
                 struct alex_salvage_report *out_report, struct alex_error *out_error)
{
    struct salvaging salvaging = {.visit = visit, .context = context};
    struct salvage_listener listener = {count_finding, &salvaging, target == NULL};
    struct salvage_result read;
    int result = check_paths(source, target, &salvaging.error);
    if (result == ALEX_OK) {
        result = store_open_salvage(source, &listener, &salvaging.error, &read, &salvaging.source);
    }
    if (result == ALEX_OK) {
        result = target != NULL ? write_target(&salvaging, target) : copy(&salvaging);
        (void)alex_close(salvaging.source);
    }
    if (result != ALEX_OK && out_error != NULL) {
        *out_error = salvaging.error;
    }
    if (result == ALEX_OK && out_report != NULL) {
        *out_report = salvaging.report;
        out_report->records = read.records;
        out_report->bytes = read.bytes;
        out_report->left_out_records = read.left_out_records;
        out_report->left_out_bytes = read.left_out_bytes;
    }
    return result;
}
