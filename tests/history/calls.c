/* SPDX-License-Identifier: Apache-2.0 */
/** @file calls.c Calls that are recorded. */
#include "history/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

static uint16_t number_of(const struct tables *tables, const struct table *table)
{
    return (uint16_t)(table - tables->items);
}

/** For what can't be recorded. An assertion of a test must not fail in a thread that isn't the test's. */
static void require(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "%s\n", what);
        abort();
    }
}

/** Notes what a write has returned. */
static int written(struct event *event, int code)
{
    recorder_back(event, code);
    return code;
}

/* ------------------------------------------------------------------------------------------------ writes */

int call_put(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key)
{
    unsigned char value[VALUE_BYTES_MAX];
    bool replaced = false;
    struct event *event = recorder_add(recorder, EVENT_PUT, number_of(tables, table), key);
    event->id = recorder_ids(recorder, 1);
    size_t size = recorder_value(event->id, event->table, key, value);
    recorder_call(event);
    int code = alex_put(table->handle, key, value, size, &replaced);
    event->flags = replaced ? EVENT_REPLACED : 0;
    return written(event, code);
}

int call_put_absent(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key)
{
    unsigned char value[VALUE_BYTES_MAX];
    struct event *event = recorder_add(recorder, EVENT_PUT_ABSENT, number_of(tables, table), key);
    event->id = recorder_ids(recorder, 1);
    size_t size = recorder_value(event->id, event->table, key, value);
    recorder_call(event);
    return written(event, alex_put_if_absent(table->handle, key, value, size));
}

int call_put_reserved(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key)
{
    unsigned char value[VALUE_BYTES_MAX];
    void *buffer;
    bool replaced = false;
    struct event *event = recorder_add(recorder, EVENT_PUT, number_of(tables, table), key);
    event->id = recorder_ids(recorder, 1);
    size_t size = recorder_value(event->id, event->table, key, value);
    recorder_call(event);
    int code = alex_put_reserve(table->handle, key, size, &buffer);
    if (code == ALEX_OK) {
        memcpy(buffer, value, size);
        code = alex_put_commit(table->handle, &replaced);
    }
    event->flags = replaced ? EVENT_REPLACED : 0;
    return written(event, code);
}

int call_delete(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key)
{
    struct event *event = recorder_add(recorder, EVENT_DELETE, number_of(tables, table), key);
    recorder_call(event);
    return written(event, alex_delete(table->handle, key));
}

/** Ends a transaction, with a commit if all in it went well. */
static int end_txn(alex_txn *txn, int code)
{
    if (code == ALEX_OK) {
        return alex_commit(txn);
    }
    (void)alex_end(txn);
    return code;
}

/** Makes a table in a transaction, under another name. */
static int make_in_txn(alex_store *store, struct table *table, const struct alex_table_options *options)
{
    alex_txn *txn = NULL;
    int code = alex_begin(store, ALEX_WRITE, &txn);
    code = code == ALEX_OK ? alex_txn_table_open(txn, "in the making", options, &table->handle) : code;
    code = code == ALEX_OK ? alex_txn_table_rename(txn, "in the making", table->name) : code;
    return end_txn(txn, code);
}

/** Drops a table in a transaction, under another name, after it was dropped in vain. */
static int drop_in_txn(alex_store *store, const struct table *table)
{
    alex_txn *txn = NULL;
    uint64_t savepoint;
    int code = alex_begin(store, ALEX_WRITE, &txn);
    code = code == ALEX_OK ? alex_savepoint(txn, &savepoint) : code;
    code = code == ALEX_OK ? alex_txn_table_drop(txn, table->name) : code;
    code = code == ALEX_OK ? alex_rollback_to(txn, savepoint) : code;
    code = code == ALEX_OK ? alex_txn_table_rename(txn, table->name, "on its way") : code;
    code = code == ALEX_OK ? alex_txn_table_drop(txn, "on its way") : code;
    return end_txn(txn, code);
}

/** Whether a table is made and dropped by transactions. */
static bool changes_in_txn(const struct tables *tables, const struct table *table)
{
    return number_of(tables, table) % 2 == 1;
}

int call_make_table(struct recorder *recorder, alex_store *store, const struct tables *tables, struct table *table)
{
    const struct alex_table_options options = {ALEX_MUST_BE_NEW,
                                               table->is_unsigned ? ALEX_KEYS_UNSIGNED : ALEX_KEYS_SIGNED};
    struct event *event = recorder_add(recorder, EVENT_MAKE, number_of(tables, table), 0);
    recorder_call(event);
    int code = changes_in_txn(tables, table) ? make_in_txn(store, table, &options)
                                             : alex_table_open(store, table->name, &options, &table->handle);
    table->id = code == ALEX_OK ? table->handle->id : 0;
    return written(event, code);
}

int call_drop_table(struct recorder *recorder, alex_store *store, const struct tables *tables,
                    const struct table *table)
{
    struct event *event = recorder_add(recorder, EVENT_DROP, number_of(tables, table), 0);
    recorder_call(event);
    return written(event,
                   changes_in_txn(tables, table) ? drop_in_txn(store, table) : alex_table_drop(store, table->name));
}

static void add_to_batch(struct batch *batch, const struct tables *tables, const struct table *table, int64_t key,
                         bool is_delete)
{
    require(batch->count < BATCH_OPS_MAX, "a batch is too long");
    batch->entries[batch->count] = (struct entry){key, (uint64_t)number_of(tables, table) * 2 + is_delete};
    batch->handles[batch->count++] = table->handle;
}

void call_batch_put(struct batch *batch, const struct tables *tables, const struct table *table, int64_t key)
{
    add_to_batch(batch, tables, table, key, false);
}

void call_batch_delete(struct batch *batch, const struct tables *tables, const struct table *table, int64_t key)
{
    add_to_batch(batch, tables, table, key, true);
}

/** A batch that is about to be carried out. */
struct carried {
    struct event *event;
    struct alex_op ops[BATCH_OPS_MAX];
    unsigned char values[BATCH_OPS_MAX][VALUE_BYTES_MAX];
};

/** Notes a batch, and makes its operations. */
static void begin_batch(struct carried *carried, struct recorder *recorder, const struct batch *batch)
{
    struct event *event =
        recorder_add(recorder, EVENT_BATCH, (uint16_t)(batch->entries[0].id / 2), batch->entries[0].key);
    event->id = recorder_ids(recorder, batch->count);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct entry *entry = &batch->entries[i];
        bool is_delete = entry->id % 2 == 1;
        size_t size = recorder_value(event->id + i, (uint16_t)(entry->id / 2), entry->key, carried->values[i]);
        carried->ops[i] = (struct alex_op){
            is_delete ? ALEX_OP_DELETE : ALEX_OP_PUT, batch->handles[i], entry->key, {carried->values[i], size}};
        recorder_add_entry(recorder, entry->key, entry->id);
    }
    carried->event = event;
    recorder_call(event);
}

int call_batch(struct recorder *recorder, alex_store *store, const struct batch *batch)
{
    struct carried carried;
    begin_batch(&carried, recorder, batch);
    return written(carried.event, alex_write(store, carried.ops, batch->count));
}

/** Whether an operation is the last of its batch on its key. */
static bool is_last(const struct batch *batch, uint32_t at)
{
    for (uint32_t i = at + 1; i < batch->count; i++) {
        if (batch->entries[i].key == batch->entries[at].key && batch->handles[i] == batch->handles[at]) {
            return false;
        }
    }
    return true;
}

/** Reads in a write transaction before it writes: it sees one moment, the last before its own. */
static void read_in_txn(struct recorder *recorder, alex_store *store, const struct tables *tables, alex_txn *txn,
                        const struct batch *batch)
{
    struct event *event = recorder_add(recorder, EVENT_BEGIN, 0, 0);
    recorder_call(event);
    uint64_t number = mvcc_published(&store->mvcc);
    recorder_back(event, ALEX_OK);
    event->snapshot = recorder->thread * SNAPSHOTS_PER_THREAD + recorder->snapshots++;
    event->id = number;
    struct snapshot_read read = {recorder, tables, NULL, txn, event->snapshot};
    for (uint32_t i = 0; i < batch->count; i += 3) {
        const struct entry *entry = &batch->entries[i];
        const struct alex_range range = {.has_first = true, .first = entry->key, .limit = 1 + i};
        read.table = &tables->items[entry->id / 2];
        call_get(&read, entry->key);
        if (i % 2 == 0) {
            call_count(&read, &range);
        }
    }
}

/** Writes what is not to be, and goes back to before it. */
static int write_in_vain(alex_txn *txn, const struct batch *batch)
{
    uint64_t savepoint;
    int code = alex_savepoint(txn, &savepoint);
    for (uint32_t i = 0; i < batch->count && code == ALEX_OK; i += 2) {
        code = alex_txn_put(txn, batch->handles[i], batch->entries[i].key, "vain", 4, NULL);
        struct alex_slice value;
        require(code != ALEX_OK || alex_txn_get(txn, batch->handles[i], batch->entries[i].key, &value) != ALEX_OK ||
                    (value.size == 4 && memcmp(value.data, "vain", 4) == 0),
                "a transaction doesn't see what it has written");
    }
    return code == ALEX_OK ? alex_rollback_to(txn, savepoint) : code;
}

int call_transaction(struct recorder *recorder, alex_store *store, const struct tables *tables,
                     const struct batch *batch, bool reads)
{
    struct carried carried;
    alex_txn *txn = NULL;
    int code = alex_begin(store, ALEX_WRITE, &txn);
    if (reads && code == ALEX_OK) {
        read_in_txn(recorder, store, tables, txn, batch);
    }
    begin_batch(&carried, recorder, batch);
    code = code == ALEX_OK ? write_in_vain(txn, batch) : code;
    for (uint32_t i = 0; i < batch->count && code == ALEX_OK; i++) {
        const struct alex_op *op = &carried.ops[i];
        if (is_last(batch, i)) { /* as of a batch: of several on a key only the last is a record */
            code = op->kind == ALEX_OP_PUT ? alex_txn_put(txn, op->table, op->key, op->value.data, op->value.size, NULL)
                                           : alex_txn_delete(txn, op->table, op->key);
            code = code == ALEX_NOT_FOUND ? ALEX_OK : code;
        }
    }
    if (code == ALEX_OK) {
        return written(carried.event, alex_commit(txn));
    }
    (void)alex_end(txn);
    return written(carried.event, code);
}

bool call_load_begin(struct load *load, struct recorder *recorder, const struct tables *tables,
                     const struct table *table)
{
    *load = (struct load){.recorder = recorder};
    int code = alex_loader_open(table->handle, &load->loader);
    if (code != ALEX_OK) {
        return false;
    }
    load->event = recorder_add(recorder, EVENT_LOAD, number_of(tables, table), 0);
    return true;
}

void call_load_add(struct load *load, int64_t key)
{
    unsigned char value[VALUE_BYTES_MAX];
    uint64_t id = recorder_ids(load->recorder, 1);
    if (load->event->count == 0) {
        load->event->id = id;
    }
    recorder_add_entry(load->recorder, key, (uint64_t)load->event->table * 2);
    size_t size = recorder_value(id, load->event->table, key, value);
    if (load->code == ALEX_OK) {
        load->code = alex_loader_add(load->loader, key, value, size);
    }
}

int call_load_end(struct load *load)
{
    uint64_t added;
    uint64_t replaced = 0;
    recorder_call(load->event);
    if (load->code == ALEX_OK) {
        load->code = alex_loader_commit(load->loader, &added, &replaced);
    }
    recorder_back(load->event, load->code);
    load->event->key = (int64_t)replaced;
    alex_loader_close(load->loader);
    return load->code;
}

/* ------------------------------------------------------------------------------------------------ reads */

void call_lone_get(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key)
{
    unsigned char value[VALUE_BYTES_MAX];
    size_t size = 0;
    struct event *event = recorder_add(recorder, EVENT_GET, number_of(tables, table), key);
    recorder_call(event);
    int code = alex_get(table->handle, key, value, sizeof value, &size);
    recorder_back(event, code);
    event->id = code == ALEX_OK ? recorder_value_id(value, size, event->table, key) : ID_ABSENT;
}

void call_exists(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key)
{
    struct event *event = recorder_add(recorder, EVENT_EXISTS, number_of(tables, table), key);
    recorder_call(event);
    int code = alex_exists(table->handle, key);
    recorder_back(event, code);
    event->id = code == ALEX_OK ? ID_SOME : ID_ABSENT;
}

/** Notes the snapshot that a thread has begun. */
static void begun(struct recorder *recorder, struct event *event, struct kept *kept)
{
    kept->id = recorder->thread * SNAPSHOTS_PER_THREAD + recorder->snapshots++;
    event->snapshot = kept->id;
    event->id = kept->txn->snapshot.number;
}

void call_begin(struct recorder *recorder, alex_store *store, struct kept *out_kept)
{
    struct event *event = recorder_add(recorder, EVENT_BEGIN, 0, 0);
    recorder_call(event);
    int code = alex_begin(store, ALEX_READ, &out_kept->txn);
    recorder_back(event, code);
    require(code == ALEX_OK, "a transaction does not begin");
    begun(recorder, event, out_kept);
}

void call_renew(struct recorder *recorder, struct kept *kept)
{
    struct event *event = recorder_add(recorder, EVENT_BEGIN, 0, 0);
    recorder_call(event);
    int code = alex_renew(kept->txn);
    recorder_back(event, code);
    require(code == ALEX_OK, "a transaction is not renewed");
    begun(recorder, event, kept);
}

void call_end(const struct kept *kept)
{
    require(alex_end(kept->txn) == ALEX_OK, "a transaction does not end");
}

static struct event *add_read(const struct snapshot_read *read, enum event_kind kind, int64_t key)
{
    struct event *event = recorder_add(read->recorder, kind, number_of(read->tables, read->table), key);
    event->snapshot = read->snapshot;
    return event;
}

static uint64_t slice_id(struct alex_slice slice, uint16_t table, int64_t key)
{
    return slice.data == NULL ? ID_ABSENT : recorder_value_id(slice.data, slice.size, table, key);
}

void call_get(const struct snapshot_read *read, int64_t key)
{
    struct alex_slice value = {NULL, 0};
    int code = alex_txn_get(read->txn, read->table->handle, key, &value);
    struct event *event = add_read(read, EVENT_GET, key);
    event->code = (uint8_t)code;
    event->id = slice_id(value, event->table, key);
}

void call_get_many(const struct snapshot_read *read, const int64_t *keys, size_t count)
{
    struct alex_slice values[GET_MANY_MAX];
    size_t found = 0;
    int code = alex_txn_get_many(read->txn, read->table->handle, keys, count, values, &found);
    for (size_t i = 0; i < count; i++) {
        struct event *event = add_read(read, EVENT_GET, keys[i]);
        event->code = (uint8_t)code;
        event->id = slice_id(values[i], event->table, keys[i]);
        found -= values[i].data != NULL;
    }
    require(found == 0, "alex_txn_get_many() counts otherwise than it finds");
}

static void open_cursor(const struct snapshot_read *read, const struct alex_range *range, alex_cursor **out_cursor)
{
    require(alex_cursor_open(read->txn, read->table->handle, range, out_cursor) == ALEX_OK, "a cursor does not open");
}

/** Notes the entry that a cursor's first move of a scan has given, and moves on until so many were seen, or none is
 *  left. @param limit  of the cursor's range @return whether more may follow */
static bool move(const struct snapshot_read *read, alex_cursor *cursor, struct event *event, int code,
                 struct alex_entry *entry, uint64_t entries, uint64_t limit)
{
    bool down = (event->flags & EVENT_DESCENDING) != 0;
    while (code == ALEX_OK) {
        recorder_add_entry(read->recorder, entry->key, slice_id(entry->value, event->table, entry->key));
        if (event->count >= entries || !recorder_has_room(read->recorder, 2, 2)) {
            return true;
        }
        code = down ? alex_cursor_previous(cursor, entry) : alex_cursor_next(cursor, entry);
    }
    event->code = (uint8_t)(code == ALEX_NOT_FOUND ? ALEX_OK : code);
    event->flags |= limit == 0 || event->count < limit ? EVENT_ENDED : 0;
    return false;
}

/** The least and the greatest key of a table, by its order. */
static int64_t least_key(const struct table *table)
{
    return table->is_unsigned ? 0 : INT64_MIN;
}

static int64_t greatest_key(const struct table *table)
{
    return table->is_unsigned ? (int64_t)UINT64_MAX : INT64_MAX;
}

/** Adds the event of a scan over a range. */
static struct event *add_scan(const struct snapshot_read *read, int64_t first, int64_t last, bool down)
{
    struct event *event = add_read(read, EVENT_SCAN, first);
    event->last_key = last;
    event->flags = down ? EVENT_DESCENDING : 0;
    return event;
}

/** Turns back at the last entry, for some. `event` is of the scan so far, of this range; `entry` what it saw last. */
static void turn_back(const struct snapshot_read *read, alex_cursor *cursor, const struct event *event, int64_t first,
                      int64_t last, const struct alex_entry *entry)
{
    bool was_down = (event->flags & EVENT_DESCENDING) != 0;
    if (entry->key == (was_down ? last : first)) {
        return;
    }
    struct alex_entry next;
    uint64_t key = (uint64_t)entry->key;
    struct event *back =
        was_down ? add_scan(read, (int64_t)(key + 1), last, false) : add_scan(read, first, (int64_t)(key - 1), true);
    int code = was_down ? alex_cursor_next(cursor, &next) : alex_cursor_previous(cursor, &next);
    (void)move(read, cursor, back, code, &next, event->count / 2 + 1, 0);
}

void call_scan(const struct snapshot_read *read, const struct alex_range *range, bool down, uint64_t entries)
{
    int64_t first = range->has_first ? range->first : least_key(read->table);
    int64_t last = range->has_last ? range->last : greatest_key(read->table);
    alex_cursor *cursor;
    struct alex_entry entry;
    open_cursor(read, range, &cursor);
    struct event *event = add_scan(read, first, last, down);
    int code = down ? alex_cursor_last(cursor, &entry) : alex_cursor_first(cursor, &entry);
    if (move(read, cursor, event, code, &entry, entries, range->limit)) {
        turn_back(read, cursor, event, first, last, &entry);
    }
    alex_cursor_close(cursor);
}

void call_seek(const struct snapshot_read *read, int64_t key, bool down, uint64_t entries)
{
    int64_t first = least_key(read->table);
    int64_t last = greatest_key(read->table);
    alex_cursor *cursor;
    struct alex_entry entry;
    open_cursor(read, NULL, &cursor);
    struct event *event = down ? add_scan(read, first, key, true) : add_scan(read, key, last, false);
    int code = down ? alex_cursor_seek_before(cursor, key, &entry) : alex_cursor_seek(cursor, key, &entry);
    if (move(read, cursor, event, code, &entry, entries, 0)) {
        turn_back(read, cursor, event, first, last, &entry);
    }
    alex_cursor_close(cursor);
}

void call_count(const struct snapshot_read *read, const struct alex_range *range)
{
    uint64_t count = 0;
    int code = alex_txn_count(read->txn, read->table->handle, range, &count);
    struct event *event = add_read(read, EVENT_COUNT, range->has_first ? range->first : least_key(read->table));
    event->last_key = range->has_last ? range->last : greatest_key(read->table);
    event->code = (uint8_t)code;
    event->count = (uint32_t)range->limit;
    event->id = count;
}
