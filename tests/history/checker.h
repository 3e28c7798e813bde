/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file checker.h
 * Proves that what threads were told fits one order of commits, and each snapshot one moment of it.
 *
 * Given are the threads' logs (recorder.h) and an order of commits (serial.h). It is shown that
 *
 *  H1  every write that succeeded is one commit, with exactly the changes that it asked for; every commit is such a
 *      write; a write that failed is none (match.c);
 *  H2  commits, the beginnings of snapshots, and reads and answers outside of snapshots each have a moment between
 *      their call and their return, such that what returned before another was called has no later moment than that
 *      one: nothing is seen too early, nothing is missed that was there, nobody goes back in time. With durable
 *      commits nothing is seen, and no write returns, before it is durable (moments.c);
 *  H3  the moment of a snapshot is that of its number, and everything that was read in it, values, absences, whole
 *      ranges in either direction, counts, is the state of exactly that moment; reads and answers outside fit the state
 *      of theirs; whether a write replaced something fits the moment before it (state.c; moments.c).
 *
 * Batches, loads and write transactions are single commits, so they are all or nothing; a thread's own calls follow
 * each other, so it sees its own writes. H2 takes for each the least moment that is left: if that doesn't lead to the
 * end, no choice does. All takes O(n log n) of what was recorded, and a step for each key in a range that was scanned.
 */
#ifndef HISTORY_CHECKER_H
#define HISTORY_CHECKER_H

#include "history/recorder.h"
#include "history/serial.h"

/** What a key had at the beginning, or has at the end. */
struct held {
    int64_t key;
    uint64_t id;
    uint16_t table;
};

struct state {
    struct held *keys; /**< by table, then in the table's order */
    size_t count;
};

struct history {
    const struct recorder *threads; /**< each at the place of its number */
    size_t thread_count;
    const struct serial *serial;
    const struct tables *tables;
    const struct state *before; /**< moment 0 */
    bool writes_fail;           /**< a sync has failed: writes may be refused with ALEX_IO and ALEX_READ_ONLY */
};

/** What a check has found, or looked at. */
struct findings {
    char wrong[2048]; /**< "": nothing; else what, with all that it takes to understand it */
    uint64_t commits;
    uint64_t changes;
    uint64_t snapshots;
    uint64_t snapshot_reads;
    uint64_t lone_reads; /**< outside of snapshots, answers of writes included */
};

/** Checks a history. @param out_after  the state at its end, unless something is wrong; state_release() frees it.
 *  @return whether nothing is */
bool checker_run(const struct history *history, struct findings *out_findings, struct state *out_after);

void state_release(struct state *state);

#endif /* HISTORY_CHECKER_H */
