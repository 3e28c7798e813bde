/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file check.c
 * Verification of a whole store: every byte of the log, then every index entry against its record.
 *
 * Goes on behind damage: the walk looks for the next good record, so that one pass names all that is wrong.
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
static int find(struct checker *checker, const struct alex_finding *finding)
{
    checker->report.findings++;
    return checker->visit != NULL ? checker->visit(checker->context, finding) : 0;
}

/** Reports what a walk has met. */
static int find_at(struct checker *checker, const struct log_met *met, enum alex_finding_kind kind, const char *message)
{
    char path[512];
    log_path(checker->log, met->at.file_id, path, sizeof path);
    return find(checker, &(struct alex_finding){ALEX_DAMAGED, path, met->at.offset, message, kind, met->bytes});
}

/** What is read of the log at a time, apart from what is done about it: only the reading is guarded. */
struct step {
    struct log_walk walk;
    enum log_walk_state state;
    struct log_met met;
    bool value_good;
    bool padding_good;
};

static void read_step(void *context)
{
    struct step *step = context;
    step->state = log_walk_next(&step->walk, &step->met);
    if (step->state == LOG_WALK_RECORD) {
        step->value_good = record_value_good(&step->met.record);
        step->padding_good = step->value_good && record_padding_good(&step->met.record);
    }
}

/** Reads under a guard. */
static int read_guarded(struct checker *checker, void (*read)(void *context), void *context)
{
    struct alex_error error;
    int result = log_guarded(checker->log, read, context, &error);
    if (result != ALEX_OK) {
        *store_error(checker->store) = error;
    }
    return result;
}

/** Reports what a good header leaves open: the value and the padding. */
static int check_record(struct checker *checker, const struct step *step)
{
    const struct record *record = &step->met.record;
    checker->report.records++;
    checker->report.bytes += record->bytes;
    if (!step->value_good) {
        char message[128];
        (void)snprintf(message, sizeof message,
                       "the value of the record of key %" PRId64 ", table id %" PRIu32 ", is damaged",
                       (int64_t)record->key, record->table);
        return find_at(checker, &step->met, ALEX_FINDING_VALUE, message);
    }
    if (!step->padding_good) {
        return find_at(checker, &step->met, ALEX_FINDING_PADDING,
                       "the padding behind this record is not zero; its value is whole");
    }
    return 0;
}

static int check_log(struct checker *checker)
{
    struct step step;
    log_walk_init(&step.walk, checker->log, NULL);
    int result = read_guarded(checker, read_step, &step);
    while (result == 0 && step.state != LOG_WALK_END) {
        if (step.state == LOG_WALK_RECORD) {
            result = check_record(checker, &step);
        } else if (step.state == LOG_WALK_REST) {
            result = find_at(checker, &step.met, ALEX_FINDING_PADDING, step.met.message);
        } else {
            enum alex_finding_kind kind = step.met.at.offset == 0 ? ALEX_FINDING_FILE : ALEX_FINDING_RECORDS;
            result = find_at(checker, &step.met, kind, step.met.message);
        }
        if (result == 0) {
            result = read_guarded(checker, read_step, &step);
        }
    }
    if (step.walk.looking_behind.file_id != 0) {
        /* What lies behind this damage can't be read: the damage is found. */
        const struct log_met met = {.at = step.walk.looking_behind};
        int stopped = find_at(checker, &met, ALEX_FINDING_RECORDS, "there is no good record here");
        result = stopped != 0 ? stopped : result;
    }
    checker->report.bytes += step.walk.segment * SEGMENT_HEADER_BYTES;
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
    return find(checker, &(struct alex_finding){ALEX_DAMAGED, path, at.offset, message, ALEX_FINDING_INDEX,
                                                log_record_bytes(checker->log, entry->payload)});
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
    return find(checker, &(struct alex_finding){.code = ALEX_DAMAGED,
                                                .path = store_path(checker->store),
                                                .message = message,
                                                .kind = ALEX_FINDING_INDEX});
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
    struct alex_finding finding = {.code = ALEX_DAMAGED, .kind = ALEX_FINDING_FILE};
    if (result == ALEX_NOT_FOUND) {
        finding.path = store_path(checker->store);
        finding.message = "the manifest is missing";
        return find(checker, &finding);
    }
    if (result == ALEX_DAMAGED || result == ALEX_NEWER_FORMAT) {
        finding.path = error.path;
        finding.offset = error.offset;
        finding.message = error.message;
        return find(checker, &finding);
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
    result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    result = check_manifest(&checker);
    if (result == 0) {
        result = check_log(&checker);
    }
    if (result == 0) {
        result = store_visit_tables(store, check_table, &checker);
    }
    *out_report = checker.report;
    return writer_end(store, result);
}
