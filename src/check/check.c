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

/** What is read of the log at a time, apart from what is done about it: only the reading is guarded. */
struct step {
    struct log_reader reader;
    bool header_good; /**< of the segment that the reader is in */
    enum log_read_state state;
    struct record record; /**< with LOG_READ_RECORD */
    bool value_good;
    bool padding_good;
    bool more; /**< the reader has found a good record further on */
};

static void read_header(void *context)
{
    struct step *step = context;
    step->header_good = log_reader_segment_good(&step->reader);
}

static void read_record(void *context)
{
    struct step *step = context;
    uint64_t ref;
    step->state = log_reader_next(&step->reader, &step->record, &ref);
    if (step->state == LOG_READ_RECORD) {
        step->value_good = record_value_good(&step->record);
        step->padding_good = step->value_good && record_padding_good(&step->record);
    }
}

static void resync(void *context)
{
    struct step *step = context;
    step->more = log_reader_resync(&step->reader);
}

/** Reads under a guard. */
static int read_guarded(struct checker *checker, void (*read)(void *context), void *context)
{
    return log_guarded(checker->log, read, context, store_error(checker->store));
}

/** Reports what a good header leaves open: the value and the padding. */
static int check_record(struct checker *checker, struct log_position at, const struct step *step)
{
    const struct record *record = &step->record;
    checker->report.records++;
    checker->report.bytes += record->bytes;
    if (!step->value_good) {
        char message[128];
        (void)snprintf(message, sizeof message,
                       "the value of the record of key %" PRId64 ", table id %" PRIu32 ", is damaged",
                       (int64_t)record->key, record->table);
        return find_at(checker, at, message);
    }
    if (!step->padding_good) {
        return find_at(checker, at, "the padding behind this record is not zero; its value is whole");
    }
    return 0;
}

static int check_log(struct checker *checker)
{
    struct step step = {.more = true};
    log_reader_init(&step.reader, checker->log);
    size_t header_checked = SIZE_MAX;
    int result = 0;
    while (result == 0 && step.more) {
        if (step.reader.segment != header_checked && !log_reader_at_end(&step.reader)) {
            header_checked = step.reader.segment;
            checker->report.bytes += SEGMENT_HEADER_BYTES;
            result = read_guarded(checker, read_header, &step);
            if (result == 0 && !step.header_good) {
                struct log_position head = {log_reader_position(&step.reader).file_id, 0};
                result = find_at(checker, head, "the header of this file is damaged");
            }
            continue;
        }
        if (log_reader_at_end(&step.reader)) {
            break;
        }
        struct log_position at = log_reader_position(&step.reader);
        result = read_guarded(checker, read_record, &step);
        if (result == 0 && step.state == LOG_READ_RECORD) {
            result = check_record(checker, at, &step);
            continue;
        }
        if (result == 0) {
            result = find_at(checker, at, "there is no good record here");
        }
        if (result == 0) {
            result = read_guarded(checker, resync, &step);
        }
    }
    return result;
}

/** A record that an index entry leads to. */
struct entry_read {
    const struct log *log;
    uint64_t ref;
    bool good;
    struct record record;
    bool value_good;
};

static void read_entry(void *context)
{
    struct entry_read *read = context;
    read->good = log_fetch_header(read->log, read->ref, &read->record) == RECORD_GOOD;
    read->value_good = read->good && record_value_good(&read->record);
}

/** Checks that an index entry leads to a good record of its key. */
static int check_entry(struct checker *checker, const struct store_table_view *table, const struct index_entry *entry)
{
    uint64_t key = entry->key ^ table->key_flip;
    struct entry_read read = {.log = checker->log, .ref = entry->payload};
    int result = read_guarded(checker, read_entry, &read);
    if (result != 0) {
        return result;
    }
    const struct record *record = &read.record;
    enum record_kind kind = log_ref_is_tombstone(entry->payload) ? RECORD_DELETE : RECORD_PUT;
    if (read.good && record->table == table->id && record->key == key && record->kind == kind) {
        /* A damaged value is a finding of the log's pass already. */
        checker->report.keys += kind == RECORD_PUT && read.value_good;
        return 0;
    }
    char path[512];
    struct log_position at = log_locate(checker->log, entry->payload, path, sizeof path);
    char message[512];
    (void)snprintf(message, sizeof message, "the record of key %" PRId64 " in table \"%.255s\" is %s", (int64_t)key,
                   table->name, read.good ? "another one" : "damaged");
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
