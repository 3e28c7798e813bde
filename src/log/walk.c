/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file walk.c
 * The whole log for check and salvage: what is good and what is not, with no end at the first damage.
 *
 * A record is taken for one only where its header checksum holds for this very file and offset and its number is
 * greater than that of the record before it, so behind damage every multiple of 8 can be tried: neither a record's
 * image inside a value nor what is left over from another file passes.
 */
#include <string.h>

#include "log/log_internal.h"

/** The file before which nothing follows the last record of any (L9). */
static uint64_t settled_before(struct log *log)
{
    if (log->closed) {
        return UINT64_MAX;
    }
    bool forked = log_forked(log);
    if (!forked) {
        os_mutex_lock(log->lock);
    }
    uint64_t file_id = log->durable.file_id;
    if (!forked) {
        os_mutex_unlock(log->lock);
    }
    return file_id;
}

void log_walk_init(struct log_walk *walk, struct log *log, const struct log_position *durable)
{
    *walk = (struct log_walk){
        .log = log,
        .to_file_ends = durable != NULL,
        .settled_before = durable != NULL ? durable->file_id : settled_before(log),
    };
}

/** Up to where a segment can hold records. */
static uint64_t limit_of(const struct log_walk *walk, const struct log_segment *segment)
{
    return walk->to_file_ends ? atomic_load_explicit(&segment->allocated, memory_order_relaxed)
                              : segment_written_end(walk->log, segment);
}

static bool header_good(const struct log *log, const struct log_segment *segment, uint64_t limit)
{
    struct segment_header header;
    return limit >= SEGMENT_HEADER_BYTES && segment_header_decode(segment->base, &header) == RECORD_GOOD &&
           header.file_id == segment->file_id &&
           memcmp(header.store_id, log->config.store_id, sizeof header.store_id) == 0;
}

/** Whether a record is at `offset`. */
static bool record_at(const struct log_walk *walk, const struct log_segment *segment, uint64_t limit, uint64_t offset,
                      struct record *out_record)
{
    return record_decode(segment->base + offset, limit - offset, segment->seed, offset, true, out_record) ==
               RECORD_GOOD &&
           out_record->number > walk->last_number;
}

/** Describes the bytes from the walk's place to `to`, and moves on behind them. */
static enum log_walk_state damage(struct log_walk *walk, const struct log_segment *segment, uint64_t to,
                                  const char *message, struct log_met *out_met)
{
    *out_met = (struct log_met){
        .at = {segment->file_id, walk->offset},
        .bytes = to - walk->offset,
        .message = message,
    };
    walk->offset = to;
    walk->looking_behind.file_id = 0;
    walk->end = (struct log_position){segment->file_id, to};
    return LOG_WALK_DAMAGE;
}

/** Where the bytes that are not zero end, from the walk's place on; rounded up, as a record's last ones may be zero. */
static uint64_t used_end(const struct log_walk *walk, const struct log_segment *segment, uint64_t limit)
{
    uint64_t end = limit;
    while (end > walk->offset && segment->base[end - 1] == 0) {
        end--;
    }
    uint64_t rounded = (end + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
    return end == walk->offset ? end : rounded < limit ? rounded : limit;
}

/** Looks at what follows the last record of a file. @return whether there is something */
static bool find_rest(const struct log_walk *walk, const struct log_segment *segment, struct log_met *out_met)
{
    if (segment->file_id >= walk->settled_before) {
        return false; /* space ahead of a writer, with whatever a crash left there; or not looked at by who syncs yet */
    }
    uint64_t end = used_end(walk, segment, atomic_load_explicit(&segment->allocated, memory_order_acquire));
    *out_met = (struct log_met){
        .at = {segment->file_id, walk->offset},
        .bytes = end - walk->offset,
        .message = "bytes that are not zero follow the last record of this file; no record is among them",
    };
    return end > walk->offset;
}

/** Deals with a place that holds no good record. @return LOG_WALK_END if nothing is wrong with that */
static enum log_walk_state pass_damage(struct log_walk *walk, const struct log_segment *segment, uint64_t limit,
                                       struct log_met *out_met)
{
    struct record record;
    walk->looking_behind = (struct log_position){walk->offset < limit ? segment->file_id : 0, walk->offset};
    for (uint64_t to = walk->offset + RECORD_ALIGNMENT; to < limit; to += RECORD_ALIGNMENT) {
        if (record_at(walk, segment, limit, to, &record)) {
            (void)damage(walk, segment, to, "there is no good record here", out_met);
            out_met->missing = record.number - walk->last_number - 1;
            return LOG_WALK_DAMAGE;
        }
    }
    uint64_t end = walk->to_file_ends ? used_end(walk, segment, limit) : limit;
    walk->file_done = true;
    if (end > walk->offset) {
        return damage(walk, segment, end, "there is no good record here", out_met);
    }
    walk->looking_behind.file_id = 0;
    walk->rest_due = true;
    bool last = walk->segment + 1 == walk->log->segment_count;
    return last ? LOG_WALK_END : damage(walk, segment, end, "this file ends before its last record", out_met);
}

/** Deals with a file's header, at its beginning. @return LOG_WALK_RECORD if nothing is wrong with it */
static enum log_walk_state enter_file(struct log_walk *walk, const struct log_segment *segment, uint64_t limit,
                                      struct log_met *out_met)
{
    if (segment->file_id < walk->sealed_to) {
        walk->file_done = true;
        return damage(walk, segment, used_end(walk, segment, limit), "the log goes on in a later file than this one",
                      out_met);
    }
    if (header_good(walk->log, segment, limit)) {
        walk->offset = SEGMENT_HEADER_BYTES;
        walk->end = (struct log_position){segment->file_id, walk->offset};
        return LOG_WALK_RECORD;
    }
    if (limit < SEGMENT_HEADER_BYTES) {
        walk->file_done = true;
        return damage(walk, segment, limit, "this file is cut short within its header", out_met);
    }
    return damage(walk, segment, SEGMENT_HEADER_BYTES, "the header of this file is damaged", out_met);
}

/** Takes the record at the walk's place. */
static enum log_walk_state take_record(struct log_walk *walk, const struct log_segment *segment,
                                       const struct record *record, struct log_met *out_met)
{
    bool own_value = record->kind != RECORD_PUT && record->kind != RECORD_DELETE;
    bool seal = record->kind == RECORD_SEAL;
    if ((own_value && !record_value_good(record)) || (seal && record->key <= segment->file_id)) {
        return damage(walk, segment, walk->offset + record->bytes,
                      "a record of the log itself, or of a table, is damaged here", out_met);
    }
    uint64_t address = ((uint64_t)segment->first_slot << walk->log->config.segment_shift) + walk->offset;
    *out_met = (struct log_met){
        .at = {segment->file_id, walk->offset},
        .bytes = record->bytes,
        .record = *record,
        .ref = log_ref_make(address, record->bytes, record->kind == RECORD_DELETE),
    };
    walk->last_number = record->number;
    walk->offset += record->bytes;
    walk->end = (struct log_position){segment->file_id, walk->offset};
    if (seal) {
        walk->file_done = true;
        walk->rest_due = true;
        walk->sealed_to = record->key;
    }
    return LOG_WALK_RECORD;
}

enum log_walk_state log_walk_next(struct log_walk *walk, struct log_met *out_met)
{
    const struct log *log = walk->log;
    while (walk->segment < log->segment_count) {
        const struct log_segment *segment = log->segments[walk->segment];
        uint64_t limit = limit_of(walk, segment);
        if (walk->file_done) {
            bool look = walk->rest_due;
            walk->rest_due = false;
            if (look && find_rest(walk, segment, out_met)) {
                return LOG_WALK_REST;
            }
            walk->segment++;
            walk->offset = 0;
            walk->file_done = false;
            continue;
        }
        if (walk->offset == 0) {
            enum log_walk_state state = enter_file(walk, segment, limit, out_met);
            if (state == LOG_WALK_DAMAGE) {
                return state;
            }
            continue;
        }
        struct record record;
        if (walk->offset < limit && record_at(walk, segment, limit, walk->offset, &record)) {
            return take_record(walk, segment, &record, out_met);
        }
        enum log_walk_state state = pass_damage(walk, segment, limit, out_met);
        if (state == LOG_WALK_DAMAGE) {
            return state;
        }
    }
    return LOG_WALK_END;
}
