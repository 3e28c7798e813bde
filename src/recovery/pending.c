/* SPDX-License-Identifier: Apache-2.0 */
/** @file pending.c Records that wait for their COMMIT. */
#include "recovery/pending.h"

#include <string.h>

#include "base/bytes.h"

#define CAPACITY_MIN 1024

/** Notes which record the group begins with. */
static void begin(struct pending *pending, const struct log *log)
{
    pending->first = log_locate(log, pending->records[0].ref, NULL, 0);
    pending->first_number = pending->records[0].number;
}

int pending_add(struct pending *pending, const struct log *log, const struct record *record, uint64_t ref,
                struct alex_error *error)
{
    if (pending->count == pending->capacity) {
        size_t capacity = pending->capacity == 0 ? CAPACITY_MIN : 2 * pending->capacity;
        struct pending_record *records = base_realloc(pending->records, capacity * sizeof *records);
        if (records == NULL) {
            return base_fail(error, ALEX_NO_MEMORY, 0, NULL, "no memory to replay a batch of %zu records", capacity);
        }
        pending->records = records;
        pending->capacity = capacity;
    }
    pending->records[pending->count++] = pending_record(record, ref);
    if (pending->count == 1) {
        begin(pending, log);
    }
    return ALEX_OK;
}

/** How many of the records have smaller numbers than `number`. */
static size_t count_below(const struct pending *pending, uint64_t number)
{
    size_t low = 0;
    size_t high = pending->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pending->records[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t pending_abort(struct pending *pending, const struct record *abort)
{
    uint64_t first = bytes_load64(abort->value);
    uint64_t last = bytes_load64(abort->value + 8);
    /* A step of its own, however long the group is: a transaction may be rolled back in part very often. */
    size_t from = count_below(pending, first);
    size_t to = last < UINT64_MAX ? count_below(pending, last + 1) : pending->count;
    if (to <= from) {
        return 0;
    }
    memmove(pending->records + from, pending->records + to, (pending->count - to) * sizeof *pending->records);
    pending->count -= to - from;
    if (pending->count == 0) {
        pending_clear(pending);
    }
    return to - from;
}

size_t pending_drop_before(struct pending *pending, const struct log *log, uint64_t number)
{
    size_t dropped = 0;
    while (dropped < pending->count && pending->records[dropped].number < number) {
        dropped++;
    }
    pending->count -= dropped;
    if (pending->count == 0) {
        pending_clear(pending);
    } else if (dropped > 0) {
        memmove(pending->records, pending->records + dropped, pending->count * sizeof *pending->records);
        begin(pending, log);
    }
    return dropped;
}

bool pending_agrees(const struct pending *pending, const struct record *commit)
{
    struct log_group group = {
        .first_number = pending->first_number,
        .first = pending->first,
        .count = pending->count,
    };
    for (size_t i = 0; i < pending->count; i++) {
        uint8_t checksum[4];
        bytes_store32(checksum, pending->records[i].checksum);
        group.checksum = base_crc32c(group.checksum, checksum, sizeof checksum);
    }
    return log_group_matches(&group, commit);
}

int pending_hand_on(const struct log *log, const struct replay_target *target, const struct pending_record *record,
                    struct alex_error *error)
{
    if (record->kind == RECORD_PUT) {
        return target->put(target->context, record->table, record->key, record->ref);
    }
    if (record->kind == RECORD_DELETE) {
        return target->remove(target->context, record->table, record->key, record->ref);
    }
    struct record whole;
    if (log_fetch(log, record->ref, &whole) != RECORD_GOOD) { /* unreached: it was good when it was read before */
        char path[512];
        struct log_position at = log_locate(log, record->ref, path, sizeof path);
        return base_fail_at(error, ALEX_DAMAGED, path, at.offset, "the record of a table is damaged");
    }
    if (record->kind == RECORD_TABLE) {
        return target->create_table(target->context, &whole, record->ref);
    }
    return record->kind == RECORD_DROP ? target->drop_table(target->context, &whole, record->ref)
                                       : target->rename_table(target->context, &whole, record->ref);
}

int pending_apply(struct pending *pending, const struct log *log, const struct replay_target *target,
                  struct alex_error *error)
{
    int result = ALEX_OK;
    for (size_t i = 0; i < pending->count && result == ALEX_OK; i++) {
        if (!pending->records[i].left_out) {
            result = pending_hand_on(log, target, &pending->records[i], error);
        }
    }
    pending_clear(pending);
    return result;
}

void pending_clear(struct pending *pending)
{
    pending->count = 0;
    pending->first_number = 0;
}

void pending_release(struct pending *pending)
{
    base_free(pending->records);
    *pending = (struct pending){0};
}
