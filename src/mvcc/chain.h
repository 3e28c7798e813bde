/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file chain.h
 * Versions of a key: which of its records a snapshot sees.
 *
 * The index leads to a key's newest record; a record newer than the snapshot leads to the one before it. A key that is
 * written often while a snapshot is open would leave that snapshot a long way to go. So the writer gives some of the
 * records, the crossings, shortcuts: past all older versions that no open snapshot sees. From the newest record to the
 * one that a snapshot sees there are then some tens of steps for each snapshot that is open in between, or was while
 * the one next newer that still is had no newer one: however often the key was written.
 *
 * One thread at a time enters shortcuts and takes them away; any number walk beside it.
 */
#ifndef MVCC_CHAIN_H
#define MVCC_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "index/index.h"
#include "log/log.h"
#include "mvcc/mvcc.h"

/** What a read may see. */
struct mvcc_view {
    uint64_t number; /**< records up to and with this one */
    /** Those of the store's records, by their addresses, if a snapshot is open that sees the number. Else NULL, as they
     *  lead past what no open snapshot sees. */
    const struct index *shortcuts;
};

/** What a walk has found. */
enum mvcc_state {
    MVCC_VALUE,
    MVCC_ABSENT,
    MVCC_DAMAGED,
    MVCC_FAR, /**< `records_max` records, all of them newer */
};

/** The way from a key's newest record to the one that a view sees. */
struct mvcc_walk {
    const struct log *log;
    struct mvcc_view view;
    uint32_t table;
    uint64_t key;
    uint64_t ref;         /**< from the index, not 0; after the walk, of the record where it ended */
    uint64_t records_max; /**< to look at; 0: any number */
    uint64_t records;     /**< looked at; 0 before the walk */
    struct record record; /**< where it ended, unless that is damaged: its value is not looked at */
};

/** Walks. */
enum mvcc_state mvcc_walk(struct mvcc_walk *walk);

/** As mvcc_walk(), and verifies the value as the log is configured. @param out_value  undefined unless there is one */
enum mvcc_state mvcc_walk_to_value(struct mvcc_walk *walk, struct log_value *out_value);

/** Whether a record may get a shortcut: about one in sixteen. Goes by its address alone, so that neither reader nor
 *  writer looks for shortcuts where none can be. */
static inline bool mvcc_is_crossing(uint64_t ref)
{
    return (log_ref_address(ref) / 8 * UINT64_C(0x9E3779B97F4A7C15)) >> 60 == 0;
}

/** Where the shortcuts of a store have a crossing's. */
static inline uint64_t mvcc_shortcut_key(uint64_t ref)
{
    return log_ref_address(ref);
}

/** Whether a crossing gets a shortcut. */
enum mvcc_found {
    MVCC_SHORTCUT_FOUND,
    MVCC_SHORTCUT_NEEDLESS, /**< it would pass over nothing, or nobody would take it */
    MVCC_SHORTCUT_LATER,    /**< it can't be told yet what snapshots see */
};

/** A shortcut to be. */
struct mvcc_shortcut {
    enum mvcc_found found;
    uint64_t target;
    /** The next crossing from there on, or from the record before, that snapshots may pass; 0: there is none. Its
     *  shortcut is to be found anew: what it was made for may have ended, or it couldn't be told before. */
    uint64_t behind;
};

/**
 * Finds where the shortcut of a crossing at `ref` leads that has been overwritten. It is to be taken away once no
 * snapshot is open that is older than the next record of the key. The writer's.
 *
 * @param shortcuts  those there are
 */
struct mvcc_shortcut mvcc_find_shortcut(const struct mvcc *mvcc, const struct index *shortcuts, const struct log *log,
                                        uint32_t table, uint64_t key, uint64_t ref);

#endif /* MVCC_CHAIN_H */
