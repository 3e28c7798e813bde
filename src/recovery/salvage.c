/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file salvage.c
 * Reading a damaged log for all that is provably good in it: FORMAT.md, "Salvage".
 *
 * A walk over all files, that goes on behind damage. It takes the place of replay: records are handed to the same kind
 * of target, in the order of the log, so that of each key the newest good version is what is left. What is not handed
 * on is listed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "recovery/pending.h"

struct salvager {
    struct log *log;
    const struct salvage_survey *survey;
    const struct replay_target *target;
    const struct salvage_listener *listener;
    struct salvage_result *result;
    struct alex_error *error;
    struct pending group; /**< records that wait for their COMMIT */
    struct pending own;   /**< the log's own records since the last one that counted: they use numbers up too */
    struct log_position durable;
};

static int find_at(const struct salvager *salvager, struct log_position at, uint64_t bytes, enum alex_finding_kind kind,
                   const char *message)
{
    char path[512];
    log_path(salvager->log, at.file_id, path, sizeof path);
    return salvage_find(salvager->listener,
                        &(struct alex_finding){ALEX_DAMAGED, path, at.offset, message, kind, bytes});
}

/** Attaches the files, whatever their headers are. */
static int attach(struct salvager *salvager)
{
    const struct manifest *manifest = &salvager->survey->manifest;
    int result = ALEX_OK;
    for (size_t i = 0; i < manifest->segment_count && result == ALEX_OK; i++) {
        enum log_attach_state state;
        struct log_position at = {manifest->segments[i].file_id, 0};
        result = log_attach(salvager->log, at.file_id, 0, &state, salvager->error);
        if (result == ALEX_OK && state == LOG_ATTACH_NEWER) {
            char path[512];
            log_path(salvager->log, at.file_id, path, sizeof path);
            result = base_fail_at(salvager->error, ALEX_NEWER_FORMAT, path, 0,
                                  "a newer version of the library wrote this file; use that version");
        } else if (result == ALEX_OK && state == LOG_ATTACH_MISSING) {
            result = find_at(salvager, at, 0, ALEX_FINDING_FILE, "this file of the log is missing");
        }
    }
    return result;
}

/** Tells the target of the TABLEs among records that are left out: there may be good records of those tables. */
static int tell_of_tables(const struct salvager *salvager, size_t count)
{
    int result = ALEX_OK;
    /* unreached: no memory for a TABLE that isn't the last of its group */
    for (size_t i = 0; i < count && result == ALEX_OK; i++) {
        const struct pending_record *left = &salvager->group.records[i];
        struct record record;
        if (left->kind != RECORD_TABLE || left->left_out) {
            continue;
        }
        if (log_fetch(salvager->log, left->ref, &record) == RECORD_GOOD) { /* unreached: it was when it was read */
            result = salvager->target->uncovered_table(salvager->target->context, &record, left->ref);
        }
    }
    return result;
}

/** Lists records of the group, `count` from the first on, as left out. Neighbours are one finding. */
static int leave_out(struct salvager *salvager, size_t count, const char *why)
{
    int result = tell_of_tables(salvager, count);
    size_t next;
    for (size_t i = 0; i < count && result == ALEX_OK; i = next) {
        next = i + 1;
        const struct pending_record *records = salvager->group.records;
        if (records[i].left_out) {
            continue; /* and listed already */
        }
        struct log_position at = log_locate(salvager->log, records[i].ref, NULL, 0);
        struct log_position end = {at.file_id, at.offset + log_record_bytes(salvager->log, records[i].ref)};
        for (; next < count && !records[next].left_out; next++) {
            struct log_position place = log_locate(salvager->log, records[next].ref, NULL, 0);
            if (log_position_compare(place, end) != 0) {
                break;
            }
            end.offset += log_record_bytes(salvager->log, records[next].ref);
        }
        char message[160];
        (void)snprintf(message, sizeof message, "%zu good record%s of a batch %s left out: %s", next - i,
                       next - i == 1 ? "" : "s", next - i == 1 ? "is" : "are", why);
        salvager->result->left_out_records += next - i;
        salvager->result->left_out_bytes += end.offset - at.offset;
        result = find_at(salvager, at, end.offset - at.offset, ALEX_FINDING_BATCH, message);
    }
    return result;
}

/** Ends a group that no COMMIT ended. */
static int end_open_group(struct salvager *salvager)
{
    int result = leave_out(salvager, salvager->group.count, "nothing says that it was committed");
    pending_clear(&salvager->group);
    return result;
}

/** Whether all that a group lacks are records that its COMMIT covers: then no ABORT is among them, and what is here was
 *  committed. Numbers of a group follow one another, so those that are missing can be counted. */
static bool rest_is_proven(const struct salvager *salvager, uint64_t first, const struct record *commit)
{
    uint64_t seen = salvager->group.count;
    for (size_t i = 0; i < salvager->own.count; i++) {
        seen += salvager->own.records[i].number >= first;
    }
    uint64_t missing = commit->number - first - seen; /* what is here lies between the two */
    return missing > 0 && salvager->group.count + missing == commit->key;
}

static int take_commit(struct salvager *salvager, const struct log_met *met)
{
    struct pending *group = &salvager->group;
    uint64_t first = bytes_load64(met->record.value);
    size_t earlier = 0;
    while (earlier < group->count && group->records[earlier].number < first) {
        earlier++;
    }
    int result = leave_out(salvager, earlier, "nothing says that it was committed");
    (void)pending_drop_before(group, salvager->log, first);
    if (result != ALEX_OK || group->count == 0) {
        return result;
    }
    if (!pending_agrees(group, &met->record)) {
        char message[160];
        (void)snprintf(message, sizeof message, "%zu of the %" PRIu64 " records of the batch that ends here are there",
                       group->count, met->record.key);
        if (!rest_is_proven(salvager, first, &met->record)) {
            result = leave_out(salvager, group->count, "too much of it is lost to tell what was committed");
            pending_clear(group);
            return result;
        }
        result = find_at(salvager, met->at, 0, ALEX_FINDING_BATCH, message);
    }
    return result == ALEX_OK ? pending_apply(group, salvager->log, salvager->target, salvager->error) : result;
}

/** Checks what a good header leaves open. @param out_good  whether the value is whole */
static int check_value(struct salvager *salvager, const struct log_met *met, bool *out_good)
{
    const struct record *record = &met->record;
    *out_good = record_value_good(record);
    if (!*out_good) {
        char message[192];
        (void)snprintf(message, sizeof message,
                       "the value of the record of key %" PRId64 ", table id %" PRIu32
                       ", is damaged; the key's value before it, if there is one, is taken",
                       (int64_t)record->key, record->table);
        salvager->result->left_out_records++;
        salvager->result->left_out_bytes += met->bytes;
        return find_at(salvager, met->at, met->bytes, ALEX_FINDING_VALUE, message);
    }
    salvager->result->records++;
    salvager->result->bytes += met->bytes;
    if (salvager->listener->padding && !record_padding_good(record)) {
        return find_at(salvager, met->at, met->bytes, ALEX_FINDING_PADDING,
                       "the padding behind this record is not zero; its value is whole");
    }
    return ALEX_OK;
}

/** Without a manifest it is the SEALs that tell of missing files. */
static int check_seal(const struct salvager *salvager, const struct log_met *met)
{
    const struct manifest *manifest = &salvager->survey->manifest;
    size_t next = 0;
    while (next < manifest->segment_count && manifest->segments[next].file_id < met->record.key) {
        next++;
    }
    if (salvager->survey->listed ||
        (next < manifest->segment_count && manifest->segments[next].file_id == met->record.key)) {
        return ALEX_OK;
    }
    return find_at(salvager, (struct log_position){met->record.key, 0}, 0, ALEX_FINDING_FILE,
                   "this file of the log is missing");
}

/** A record of the log itself, other than COMMIT. */
static int take_own(struct salvager *salvager, const struct log_met *met)
{
    const struct record *record = &met->record;
    if (record->kind == RECORD_ABORT) {
        (void)pending_abort(&salvager->group, record);
    }
    if (record->kind == RECORD_MARK) {
        struct log_position mark = {record->key, bytes_load64(record->value)};
        salvager->durable = log_position_compare(mark, salvager->durable) > 0 ? mark : salvager->durable;
    }
    int result = pending_add(&salvager->own, salvager->log, record, met->ref, salvager->error);
    return result == ALEX_OK && record->kind == RECORD_SEAL ? check_seal(salvager, met) : result;
}

static int take_record(struct salvager *salvager, const struct log_met *met)
{
    const struct record *record = &met->record;
    bool good;
    int result = check_value(salvager, met, &good);
    if (result != ALEX_OK) {
        return result;
    }
    if ((record->flags & RECORD_FLAG_GROUPED) != 0) {
        result = pending_add(&salvager->group, salvager->log, record, met->ref, salvager->error);
        if (result == ALEX_OK) {
            salvager->group.records[salvager->group.count - 1].left_out = !good;
        }
        return result;
    }
    if (record->kind == RECORD_ABORT || record->kind == RECORD_MARK || record->kind == RECORD_SEAL) {
        return take_own(salvager, met);
    }
    result = record->kind == RECORD_COMMIT ? take_commit(salvager, met) : end_open_group(salvager);
    pending_clear(&salvager->own);
    if (result != ALEX_OK || record->kind == RECORD_COMMIT || !good) {
        return result;
    }
    struct pending_record single = pending_record(record, met->ref);
    return pending_hand_on(salvager->log, salvager->target, &single, salvager->error);
}

static int pass_damage(struct salvager *salvager, enum log_walk_state state, const struct log_met *met)
{
    if (state == LOG_WALK_REST) {
        return salvager->listener->padding ? find_at(salvager, met->at, met->bytes, ALEX_FINDING_PADDING, met->message)
                                           : ALEX_OK;
    }
    if (met->at.offset == 0) {
        return find_at(salvager, met->at, met->bytes, ALEX_FINDING_FILE, met->message);
    }
    char message[192];
    if (met->missing > 0) {
        (void)snprintf(message, sizeof message,
                       "%s: up to %" PRIu64 " records are lost, newer values and deletes of any key among them",
                       met->message, met->missing);
    } else {
        (void)snprintf(message, sizeof message, "%s: newer values and deletes of any key may be lost", met->message);
    }
    salvager->result->left_out_bytes += met->bytes;
    return find_at(salvager, met->at, met->bytes, ALEX_FINDING_RECORDS, message);
}

/** The log must reach its durable end, of which only zero bytes may be left. */
static int check_end(const struct salvager *salvager, struct log_position end)
{
    if (end.file_id != salvager->durable.file_id || end.offset >= salvager->durable.offset) {
        return ALEX_OK; /* that a file is missing is said already */
    }
    char message[192];
    (void)snprintf(message, sizeof message,
                   "the log ends here, but was written and synced up to offset %" PRIu64
                   ": newer values and deletes of any key are lost",
                   salvager->durable.offset);
    return find_at(salvager, end, salvager->durable.offset - end.offset, ALEX_FINDING_RECORDS, message);
}

static int walk(struct salvager *salvager)
{
    struct log_walk walk;
    log_walk_init(&walk, salvager->log, &salvager->survey->manifest.durable);
    struct log_met met;
    enum log_walk_state state;
    int result = ALEX_OK;
    while (result == ALEX_OK && (state = log_walk_next(&walk, &met)) != LOG_WALK_END) {
        result = state == LOG_WALK_RECORD ? take_record(salvager, &met) : pass_damage(salvager, state, &met);
    }
    if (result == ALEX_OK) {
        result = end_open_group(salvager);
    }
    salvager->result->last_number = walk.last_number;
    return result == ALEX_OK ? check_end(salvager, walk.end) : result;
}

int salvage(struct log *log, const struct salvage_survey *survey, const struct replay_target *target,
            const struct salvage_listener *listener, struct salvage_result *out_result, struct alex_error *error)
{
    *out_result = (struct salvage_result){0};
    struct salvager salvager = {
        .log = log,
        .survey = survey,
        .target = target,
        .listener = listener,
        .result = out_result,
        .error = error,
        .durable = survey->manifest.durable,
    };
    int result = attach(&salvager);
    if (result == ALEX_OK) {
        result = walk(&salvager);
    }
    pending_release(&salvager.group);
    pending_release(&salvager.own);
    return result;
}
