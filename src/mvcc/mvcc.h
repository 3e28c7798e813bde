/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mvcc.h
 * Versions: which snapshots are open, and which record of a key a snapshot sees.
 *
 * A snapshot is a number: it sees the records up to and with that one. The index leads to a key's newest record; a
 * record newer than the snapshot leads to the one before it.
 *
 * One thread at a time writes, and one publishes, which need not be the same; any number open and close snapshots and
 * read, beside these and each other.
 */
#ifndef MVCC_MVCC_H
#define MVCC_MVCC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "log/log.h"

/** Where an open snapshot is announced. Two lines, so that no reader writes one that another reads. */
struct mvcc_slot {
    _Alignas(128) _Atomic uint64_t number; /**< what the snapshot sees, plus 1; 0: the slot is free */
};

/** Slots of the first block; each further block has twice as many as the one before. */
#define MVCC_SLOTS_FIRST 64u
#define MVCC_BLOCKS_MAX 16u

/** All open snapshots, and the greatest number that is published: what a snapshot opened now would see. */
struct mvcc {
    char apart[128]; /**< the next is written often, and read by all */
    _Atomic uint64_t published;
    char apart_too[128];
    _Atomic(struct mvcc_slot *) blocks[MVCC_BLOCKS_MAX]; /**< NULL from the first that isn't needed yet */
    _Atomic uint32_t used[MVCC_BLOCKS_MAX];              /**< slots of a block that were ever taken are before this */
};

/** An open snapshot; a member of what opened it. */
struct mvcc_snapshot {
    uint64_t number;
    struct mvcc_slot *slot;
};

/** @return ALEX_OK or ALEX_NO_MEMORY */
int mvcc_init(struct mvcc *mvcc);
/** No snapshot is open. */
void mvcc_release(struct mvcc *mvcc);

/** Publishes all records up to and with `number`. */
static inline void mvcc_publish(struct mvcc *mvcc, uint64_t number)
{
    atomic_store_explicit(&mvcc->published, number, memory_order_release);
}

/** What is published: who sees this number sees all index entries up to it. */
static inline uint64_t mvcc_published(const struct mvcc *mvcc)
{
    return atomic_load_explicit(&mvcc->published, memory_order_acquire);
}

/** Opens a snapshot of what is published. @return ALEX_OK or ALEX_NO_MEMORY */
int mvcc_open(struct mvcc *mvcc, struct mvcc_snapshot *out_snapshot);
/** Lets an open snapshot see what is published now. */
void mvcc_renew(struct mvcc *mvcc, struct mvcc_snapshot *snapshot);
void mvcc_close(struct mvcc_snapshot *snapshot);

/** The number that the oldest open snapshot sees; that published if none is open. No snapshot that is or will be open
 *  sees less. The writer's. @param out_count  optional: open snapshots */
uint64_t mvcc_oldest(const struct mvcc *mvcc, uint64_t *out_count);

/** What mvcc_visible() found. */
enum mvcc_state {
    MVCC_VALUE,
    MVCC_ABSENT,
    MVCC_DAMAGED,
};

/** As mvcc_visible(), whatever the newest record is. */
enum mvcc_state mvcc_visible_any(const struct log *log, uint64_t snapshot, uint32_t table, uint64_t key, uint64_t ref,
                                 struct log_value *out_value, uint64_t *out_ref);

/**
 * Finds the value of a key that a snapshot sees, beginning at the newest record.
 *
 * @param ref        from the index, not 0
 * @param out_value  the value, verified as the log is configured; undefined unless there is one
 * @param out_ref    where its record is or, where a record is damaged, that one
 */
static inline enum mvcc_state mvcc_visible(const struct log *log, uint64_t snapshot, uint32_t table, uint64_t key,
                                           uint64_t ref, struct log_value *out_value, uint64_t *out_ref)
{
    *out_ref = ref;
    if (BASE_LIKELY(log_fetch_put(log, ref, table, key, out_value)) && BASE_LIKELY(out_value->number <= snapshot)) {
        return MVCC_VALUE;
    }
    return mvcc_visible_any(log, snapshot, table, key, ref, out_value, out_ref);
}

#endif /* MVCC_MVCC_H */
