/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file replay.c
 * Replay: FORMAT.md, "Reading a store".
 *
 * One pass in the order of the log. Records of a group wait until their COMMIT; all others are handed on as they come.
 * How far the log is known to be durable (W) comes out of the manifest and of the marks met on the way, and decides
 * where a bad record is damage and where it is the edge of a crash.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "recovery/pending.h"
#include "recovery/recovery.h"

struct replayer {
    struct log *log;
    const struct manifest *manifest;
    const struct replay_target *target;
    struct replay_result *result;
    struct alex_error *error;
    struct pending pending;
    int code; /**< of read_log() */
};

/** Attaches what the manifest lists. */
static int attach(struct replayer *replayer)
{
    const struct manifest *manifest = replayer->manifest;
    for (size_t i = 0; i < manifest->segment_count; i++) {
        const struct log_listed *listed = &manifest->segments[i];
        enum log_attach_state state;
        int result = log_attach(replayer->log, listed->file_id, listed->slots, &state, replayer->error);
        if (result != ALEX_OK) {
            return result;
        }
        char path[512];
        log_path(replayer->log, listed->file_id, path, sizeof path);
        if (state == LOG_ATTACH_NEWER) {
            return base_fail_at(replayer->error, ALEX_NEWER_FORMAT, path, 0,
                                "a newer version of the library wrote this file; use that version or a later one");
        }
        if (state != LOG_ATTACHED) {
            return base_fail_at(replayer->error, ALEX_DAMAGED, path, 0,
                                "%s; restore the store from a copy, or salvage it (alex_salvage)",
                                state == LOG_ATTACH_MISSING ? "this file of the log is missing"
                                                            : "the header of this file of the log is damaged");
        }
    }
    return ALEX_OK;
}

static void raise_durable(struct replayer *replayer, struct log_position mark)
{
    if (log_position_compare(mark, replayer->result->durable) > 0) {
        replayer->result->durable = mark;
        replayer->result->end.verify_values_from = mark;
    }
}

/** Deals with one good record. @param out_bad  set for a COMMIT that does not agree with what was read */
static int apply(struct replayer *replayer, const struct record *record, uint64_t ref, bool *out_bad)
{
    if ((record->flags & RECORD_FLAG_GROUPED) != 0) {
        return pending_add(&replayer->pending, replayer->log, record, ref, replayer->error);
    }
    switch (record->kind) {
    case RECORD_COMMIT:
        *out_bad = !pending_agrees(&replayer->pending, record);
        return *out_bad ? ALEX_OK : pending_apply(&replayer->pending, replayer->log, replayer->target, replayer->error);
    case RECORD_ABORT:
        replayer->result->dropped += pending_abort(&replayer->pending, record);
        return ALEX_OK;
    case RECORD_MARK:
        raise_durable(replayer, (struct log_position){record->key, bytes_load64(record->value)});
        return ALEX_OK;
    case RECORD_SEAL:
        return ALEX_OK;
    default:
        break;
    }
    struct pending_record single = pending_record(record, ref);
    return pending_hand_on(replayer->log, replayer->target, &single, replayer->error);
}

/** Reads on to the first place without a good record. */
static int read_all(struct replayer *replayer)
{
    struct log_reader *reader = &replayer->result->end;
    int result = ALEX_OK;
    while (result == ALEX_OK) {
        struct log_reader before = *reader;
        struct record record;
        uint64_t ref;
        enum log_read_state state = log_reader_next(reader, &record, &ref);
        if (state == LOG_READ_NEWER) {
            char path[512];
            log_reader_path(reader, path, sizeof path);
            return base_fail_at(replayer->error, ALEX_NEWER_FORMAT, path, reader->offset,
                                "a newer version of the library wrote this record; use that version or a later one");
        }
        if (state == LOG_READ_END) {
            break;
        }
        bool bad = false;
        result = apply(replayer, &record, ref, &bad);
        if (bad) {
            *reader = before;
            break;
        }
        replayer->result->records++;
        replayer->result->last_number = record.number;
        if (record.kind == RECORD_TABLE && record.table > replayer->result->last_table) {
            replayer->result->last_table = record.table;
        }
    }
    return result;
}

/** The error for a log that ends below its durable end. */
static int damaged(const struct replayer *replayer)
{
    const struct log_reader *reader = &replayer->result->end;
    char path[512];
    log_reader_path(reader, path, sizeof path);
    return base_fail_at(replayer->error, ALEX_DAMAGED, path, reader->offset,
                        "the log is damaged here: what follows was written and synced, up to offset %" PRIu64
                        " of file %016" PRIx64 "; restore the store from a copy, or salvage it (alex_salvage)",
                        replayer->result->durable.offset, replayer->result->durable.file_id);
}

/** The error for a log that goes on behind the place where it was closed. */
static int damaged_beyond(const struct replayer *replayer)
{
    const struct log_position *closed = &replayer->manifest->durable;
    char path[512];
    log_path(replayer->log, closed->file_id, path, sizeof path);
    return base_fail_at(replayer->error, ALEX_DAMAGED, path, closed->offset,
                        "the manifest says that the log was closed here, but it goes on: they don't belong together; "
                        "restore both from one copy, or salvage the store (alex_salvage)");
}

/** Judges what follows the place where the reading ended. @param out_more  W turned out to be higher: read on */
static int judge_end(struct replayer *replayer, bool *out_more)
{
    struct replay_result *result = replayer->result;
    *out_more = false;
    result->cut_bytes = log_reader_rest_bytes(&result->end);
    struct log_position mark;
    struct log_position before = result->durable;
    if (result->cut_bytes > 0 && log_reader_find_mark(&result->end, &mark)) {
        raise_durable(replayer, mark);
    }
    struct log_position end = log_reader_position(&result->end);
    if (log_position_compare(end, result->durable) >= 0) {
        bool beyond = replayer->manifest->clean && log_position_compare(end, replayer->manifest->durable) > 0;
        return beyond ? damaged_beyond(replayer) : ALEX_OK;
    }
    /* A record whose value is bad ended the reading, but it lies below W after all: one damaged record, not the log's
     * end. */
    struct log_reader probe = result->end;
    struct record record;
    uint64_t ref;
    if (log_position_compare(before, end) <= 0 && log_reader_next(&probe, &record, &ref) == LOG_READ_RECORD &&
        record.kind != RECORD_COMMIT) {
        *out_more = true;
        return ALEX_OK;
    }
    return damaged(replayer);
}

/** Reads the log to its end. What it calls changes the store only between reads of the log, so that it may end at any
 *  of them; the store is not opened then. */
static void read_log(void *context)
{
    struct replayer *replayer = context;
    bool more = true;
    replayer->code = ALEX_OK;
    while (replayer->code == ALEX_OK && more) {
        replayer->code = read_all(replayer);
        if (replayer->code == ALEX_OK) {
            replayer->code = judge_end(replayer, &more);
        }
    }
}

int replay(struct log *log, const struct manifest *manifest, const struct replay_target *target,
           struct replay_result *out_result, struct alex_error *error)
{
    *out_result = (struct replay_result){.durable = manifest->durable};
    struct replayer replayer = {
        .log = log,
        .manifest = manifest,
        .target = target,
        .result = out_result,
        .error = error,
    };
    log_reader_init(&out_result->end, log);
    out_result->end.verify_values_from = manifest->durable;
    int result = attach(&replayer);
    if (result == ALEX_OK) {
        result = log_guarded(log, read_log, &replayer, error);
        result = result == ALEX_OK ? replayer.code : result;
    }
    out_result->dropped += replayer.pending.count;
    out_result->open_first = replayer.pending.first_number;
    pending_release(&replayer.pending);
    return result;
}
