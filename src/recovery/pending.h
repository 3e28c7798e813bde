/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pending.h
 * Records that wait for their COMMIT while a log is read: FORMAT.md, "Groups".
 */
#ifndef RECOVERY_PENDING_H
#define RECOVERY_PENDING_H

#include "recovery/recovery.h"

/** A record of a group that has not been committed yet. */
struct pending_record {
    uint64_t ref;
    uint64_t number;
    uint64_t key;
    uint32_t table;
    uint32_t checksum;
    enum record_kind kind;
    bool left_out; /**< by a salvage: its value is damaged */
};

/** What is kept of a record until it counts. */
static inline struct pending_record pending_record(const struct record *record, uint64_t ref)
{
    return (struct pending_record){
        .ref = ref,
        .number = record->number,
        .key = record->key,
        .table = record->table,
        .checksum = record->header_checksum,
        .kind = record->kind,
    };
}

/** The records of the group that is open, in the order of the log. All zero: none is. */
struct pending {
    struct pending_record *records;
    size_t count;
    size_t capacity;
    struct log_position first; /**< where the group begins */
    uint64_t first_number;     /**< 0 if no group is open */
};

/** Adds a record of the group. @return ALEX_OK or ALEX_NO_MEMORY */
int pending_add(struct pending *pending, const struct log *log, const struct record *record, uint64_t ref,
                struct alex_error *error);

/** Takes back the records whose numbers an ABORT names. @return how many */
size_t pending_abort(struct pending *pending, const struct record *abort);

/** Drops the records with smaller numbers than `number`: they are of an earlier group. @return how many */
size_t pending_drop_before(struct pending *pending, const struct log *log, uint64_t number);

/** Whether a COMMIT says what was read. */
bool pending_agrees(const struct pending *pending, const struct record *commit);

/** Hands one record that counts on to `target`. */
int pending_hand_on(const struct log *log, const struct replay_target *target, const struct pending_record *record,
                    struct alex_error *error);

/** Hands all of them on that are not left out, and ends the group. */
int pending_apply(struct pending *pending, const struct log *log, const struct replay_target *target,
                  struct alex_error *error);

/** Ends the group. */
void pending_clear(struct pending *pending);

/** Frees the memory. */
void pending_release(struct pending *pending);

#endif /* RECOVERY_PENDING_H */
