/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mvcc.h
 * Versions: which snapshots are open, and which record of a key a snapshot sees.
 *
 * A snapshot is a number: it sees the records up to and with that one. The index leads to a key's newest record; a
 * record newer than the snapshot leads to the one before it. One thread at a time.
 */
#ifndef MVCC_MVCC_H
#define MVCC_MVCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "log/log.h"

/** An open snapshot; a member of what opened it. */
struct mvcc_snapshot {
    uint64_t number;
    struct mvcc_snapshot *older;
    struct mvcc_snapshot *newer;
};

/** All open snapshots, and the greatest number that is published: what a snapshot opened now would see. */
struct mvcc {
    uint64_t published;
    struct mvcc_snapshot *oldest;
    struct mvcc_snapshot *newest;
    uint64_t open_count;
};

/** Publishes all records up to and with `number`. */
static inline void mvcc_publish(struct mvcc *mvcc, uint64_t number)
{
    mvcc->published = number;
}

/** Opens a snapshot of what is published. */
void mvcc_open(struct mvcc *mvcc, struct mvcc_snapshot *snapshot);
void mvcc_close(struct mvcc *mvcc, struct mvcc_snapshot *snapshot);

/** The number that the oldest open snapshot sees; that published if none is open. */
static inline uint64_t mvcc_oldest(const struct mvcc *mvcc)
{
    return mvcc->oldest != NULL ? mvcc->oldest->number : mvcc->published;
}

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
