/* SPDX-License-Identifier: Apache-2.0 */
/** @file serial.c Reads the order of commits out of a store's log. */
#include "history/serial.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "history/syncs.h"
#include "store/store_internal.h"
#include "support/store_helper.h"

/** Makes room for one more item. */
static void *grow(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? 1024 : 2 * *capacity;
    items = realloc(items, *capacity * item_bytes);
    assert_non_null(items);
    return items;
}

void serial_add_change(struct serial *serial, uint16_t table, int64_t key, uint64_t id)
{
    serial->changes = grow(serial->changes, serial->change_count, &serial->change_capacity, sizeof *serial->changes);
    serial->changes[serial->change_count++] = (struct serial_change){key, id, table};
}

struct serial_commit *serial_add(struct serial *serial, enum commit_kind kind, uint64_t number)
{
    serial->commits = grow(serial->commits, serial->count, &serial->capacity, sizeof *serial->commits);
    struct serial_commit *commit = &serial->commits[serial->count];
    const struct serial_commit *before = serial->count > 0 ? &serial->commits[serial->count - 1] : NULL;
    size_t first = before != NULL ? before->first + before->count : 0;
    *commit =
        (struct serial_commit){.kind = kind, .number = number, .first = first, .count = serial->change_count - first};
    serial->count++;
    return commit;
}

void serial_release(struct serial *serial)
{
    free(serial->commits);
    free(serial->changes);
}

static uint16_t table_of_id(const struct tables *tables, uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = atomic_load(&tables->count);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (tables->items[middle].id <= id) {
            low = middle;
        } else {
            high = middle;
        }
    }
    assert_int_equal(tables->items[low].id, id);
    return (uint16_t)low;
}

/** What is known of the records of the commit at hand. */
struct reading {
    enum commit_kind kind;
    uint16_t table; /**< made or dropped */
    const struct log *log;
    bool when_durable;
    uint64_t file_id;
    uint64_t inode;
    uint64_t durable; /**< moment from which on all of them were */
};

static void note_durability(struct reading *reading, const struct log_met *met)
{
    if (!reading->when_durable) {
        return;
    }
    if (reading->file_id != met->at.file_id) {
        char path[FILES_PATH_MAX];
        struct stat status;
        log_path(reading->log, met->at.file_id, path, sizeof path);
        assert_int_equal(stat(path, &status), 0);
        reading->file_id = met->at.file_id;
        reading->inode = (uint64_t)status.st_ino;
    }
    uint64_t from = syncs_durable_from(reading->inode, met->at.offset + met->bytes);
    reading->durable = from > reading->durable ? from : reading->durable;
}

/** Ends the commit that the record at hand is the last one of. */
static void end_commit(struct serial *serial, const struct record *record, struct reading *reading)
{
    struct serial_commit *commit = serial_add(serial, reading->kind, record->number);
    commit->grouped = record->kind == RECORD_COMMIT && reading->kind == COMMIT_WRITES;
    commit->table = reading->table;
    commit->durable = reading->durable;
    reading->durable = 0;
    reading->kind = COMMIT_WRITES;
    reading->table = 0;
}

static void take_record(struct serial *serial, const struct tables *tables, const struct record *record,
                        struct reading *reading)
{
    bool grouped = (record->flags & RECORD_FLAG_GROUPED) != 0;
    bool is_put = record->kind == RECORD_PUT;
    uint16_t table;
    switch (record->kind) {
    case RECORD_PUT:
    case RECORD_DELETE:
        table = table_of_id(tables, record->table);
        serial_add_change(serial, table, (int64_t)record->key,
                          is_put ? recorder_value_id(record->value, record->value_bytes, table, (int64_t)record->key)
                                 : ID_ABSENT);
        if (!grouped) {
            end_commit(serial, record, reading);
        }
        break;
    case RECORD_COMMIT:
        end_commit(serial, record, reading);
        break;
    case RECORD_TABLE:
    case RECORD_DROP:
        assert_int_equal(reading->kind, COMMIT_WRITES); /* what calls.c changes at a time */
        reading->kind = record->kind == RECORD_TABLE ? COMMIT_MAKE : COMMIT_DROP;
        reading->table = table_of_id(tables, record->table);
        break;
    case RECORD_RENAME: /* nobody looks for a table by its name */
        break;
    case RECORD_ABORT: {
        const struct serial_commit *before = serial->count > 0 ? &serial->commits[serial->count - 1] : NULL;
        serial->change_count = before != NULL ? before->first + before->count : 0;
        reading->kind = COMMIT_WRITES;
        reading->durable = 0;
        break;
    }
    case RECORD_MARK:
    case RECORD_SEAL:
        break;
    }
}

void serial_read(struct serial *serial, alex_store *store, const struct tables *tables, bool when_durable)
{
    struct reading reading = {.log = store_log(store), .when_durable = when_durable};
    uint64_t from = serial->number;
    uint64_t published = mvcc_published(&store->mvcc);
    serial->count = 0;
    serial->change_count = 0;
    struct log_walk walk;
    struct log_met met;
    log_walk_init(&walk, store_log(store), NULL);
    for (;;) {
        enum log_walk_state state = log_walk_next(&walk, &met);
        if (state == LOG_WALK_END || met.record.number > published) {
            break;
        }
        assert_int_equal(state, LOG_WALK_RECORD);
        if (met.record.number > from) {
            note_durability(&reading, &met);
            take_record(serial, tables, &met.record, &reading);
        }
    }
    serial->number = published;
}
