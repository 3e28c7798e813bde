/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file check.c
 * Verification of a whole store: every byte of the log, then every index entry against its record.
 *
 * Goes on behind damage: the reader looks for the next good record, so that one pass names all that is wrong.
 */
#include <inttypes.h>
#include <stdio.h>

#include "log/log.h"
#include "recovery/recovery.h"
#include "store/store.h"

/** Entries of an index that are checked together. */
#define RUN 64

struct checker {
    alex_store *store;
    struct log *log;
    int (*visit)(void *context, const struct alex_finding *finding);
    void *context;
    struct alex_check_report report;
};

/** Reports one finding. @return what the visit returned */
static int find(struct checker *checker, const char *path, uint64_t offset, const char *message)
{
    checker->report.findings++;
    struct alex_finding finding = {ALEX_DAMAGED, path, offset, message};
    return checker->visit != NULL ? checker->visit(checker->context, &finding) : 0;
}

static int find_at(struct checker *checker, struct log_position at, const char *message)
{
    char path[512];
    log_path(checker->log, at.file_id, path, sizeof path);
    return find(checker, path, at.offset, message);
}

/** Checks what a good header leaves open: the value and the padding. */
static int check_record(struct checker *checker, struct log_position at, const struct record *record)
{
    checker->report.records++;
    checker->report.bytes += record->bytes;
    if (!record_value_good(record)) {
        char message[128];
        (void)snprintf(message, sizeof message,
                       "the value of the record of key %" PRId64 ", table id %" PRIu32 ", is damaged",
                       (int64_t)record->key, record->table);
        return find_at(checker, at, message);
    }
    if (!record_padding_good(record)) {
        return find_at(checker, at, "the padding behind this record is not zero; its value is whole");
    }
    return 0;
}

static int check_log(struct checker *checker)
{
    struct log_reader reader;
    log_reader_init(&reader, checker->log);
    size_t header_checked = SIZE_MAX;
    int result = 0;
    while (result == 0) {
        if (reader.segment != header_checked && !log_reader_at_end(&reader)) {
            header_checked = reader.segment;
            checker->report.bytes += SEGMENT_HEADER_BYTES;
            if (!log_reader_segment_good(&reader)) {
                struct log_position head = {log_reader_position(&reader).file_id, 0};
                result = find_at(checker, head, "the header of this file is damaged");
                continue;
            }
        }
        if (log_reader_at_end(&reader)) {
            break;
        }
        struct log_position at = log_reader_position(&reader);
        struct record record;
        uint64_t ref;
        if (log_reader_next(&reader, &record, &ref) == LOG_READ_RECORD) {
            result = check_record(checker, at, &record);
            continue;
        }
        result = find_at(checker, at, "there is no good record here");
        if (result == 0 && !log_reader_resync(&reader)) {
            break;
        }
    }
    return result;
}

/** Checks that an index entry leads to a good record of its key. */
static int check_entry(struct checker *checker, const struct store_table_view *table, const struct index_entry *entry)
{
    uint64_t key = entry->key ^ table->key_flip;
    struct record record;
    bool good = log_fetch_header(checker->log, entry->payload, &record) == RECORD_GOOD;
    enum record_kind kind = log_ref_is_tombstone(entry->payload) ? RECORD_DELETE : RECORD_PUT;
    if (good && record.table == table->id && record.key == key && record.kind == kind) {
        /* A damaged value is a finding of the log's pass already. */
        checker->report.keys += kind == RECORD_PUT && record_value_good(&record);
        return 0;
    }
    char path[512];
    struct log_position at = log_locate(checker->log, entry->payload, path, sizeof path);
    char message[512];
    (void)snprintf(message, sizeof message, "the record of key %" PRId64 " in table \"%.255s\" is %s", (int64_t)key,
                   table->name, good ? "another one" : "damaged");
    return find(checker, path, at.offset, message);
}

/** Checks the index's own invariants. The index is in memory: the finding's path is the store's. */
static int check_index(struct checker *checker, const struct store_table_view *table)
{
    const char *wrong = index_verify(table->index);
    if (wrong == NULL) {
        return 0;
    }
    char message[512];
    (void)snprintf(message, sizeof message, "the index of table \"%.255s\" is wrong: %s", table->name, wrong);
    return find(checker, store_path(checker->store), 0, message);
}

static int check_table(void *context, const struct store_table_view *table)
{
    struct checker *checker = context;
    int result = check_index(checker, table);
    struct index_entry run[RUN];
    uint64_t from = 0;
    size_t count = RUN;
    while (result == 0 && count == RUN) {
        count = index_scan(table->index, from, INDEX_ASCENDING, run, RUN);
        for (size_t i = 0; i < count && result == 0; i++) {
            result = check_entry(checker, table, &run[i]);
        }
        if (count == 0 || run[count - 1].key == UINT64_MAX) {
            break;
        }
        from = run[count - 1].key + 1;
    }
    return result;
}

static int check_manifest(struct checker *checker)
{
    struct manifest manifest;
    struct alex_error error = {0};
    int result = manifest_read(store_path(checker->store), &manifest, &error);
    if (result == ALEX_OK) {
        manifest_release(&manifest);
        return 0;
    }
    if (result == ALEX_NOT_FOUND) {
        return find(checker, store_path(checker->store), 0, "the manifest is missing");
    }
    if (result == ALEX_DAMAGED || result == ALEX_NEWER_FORMAT) {
        return find(checker, error.path, error.offset, error.message);
    }
    *store_error(checker->store) = error; /* it could not be read: that says nothing about the store */
    return result;
}

int alex_check(alex_store *store, int (*visit)(void *context, const struct alex_finding *finding), void *context,
               struct alex_check_report *out_report)
{
    int result = store_usable(store);
    if (result != ALEX_OK) {
        return result;
    }
    if (out_report == NULL) {
        return base_fail(store_error(store), ALEX_INVALID, 0, NULL, "a check needs a place for its report");
    }
    struct checker checker = {.store = store, .log = store_log(store), .visit = visit, .context = context};
    result = check_manifest(&checker);
    if (result == 0) {
        result = check_log(&checker);
    }
    if (result == 0) {
        result = store_visit_tables(store, check_table, &checker);
    }
    *out_report = checker.report;
    return result;
}
