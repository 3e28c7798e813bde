/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mvcc.h
 * Snapshots: what is published, and which snapshots are open.
 *
 * A snapshot is a number: it sees the records up to and with that one. chain.h finds them.
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

/** Where an open snapshot is announced. Two lines, which are its snapshot's alone but for who looks for a free slot:
 *  threads begin to look at different places, but the 65th that a process has had where the first one did, and go on
 *  from a slot that is taken to the next. So with more than 64 snapshots open each opening looks at 64 slots first. */
struct mvcc_slot {
    _Alignas(128) _Atomic uint64_t number; /**< what the snapshot sees, plus 1; 0: the slot is free */
    _Atomic int64_t thread;                /**< os_thread_id() of who opened or last renewed it */
    void *kept; /**< for whoever has the slot: memory from base_alloc() that the next one may use; NULL: none */
};

/** In a slot's number: the snapshot is about to see this one or a later one. */
#define MVCC_SETTLING (UINT64_C(1) << 63)

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
/** Closes a snapshot, before what follows in any thread's sequentially consistent order. */
void mvcc_close(struct mvcc_snapshot *snapshot);

/** What the slots say of the open snapshots. */
struct mvcc_open_snapshots {
    uint64_t count;
    uint64_t own;          /**< those that the calling thread has opened or last renewed */
    uint64_t oldest;       /**< the number that the oldest sees; that published if none is open */
    int64_t oldest_thread; /**< os_thread_id() of who opened or last renewed it; 0 if none is open */
};

/** Looks at the slots. No snapshot that is or will be open sees less than the oldest. The writer's. */
void mvcc_look(const struct mvcc *mvcc, struct mvcc_open_snapshots *out_open);

/** The `oldest` of mvcc_look(). */
uint64_t mvcc_oldest(const struct mvcc *mvcc);

/** What mvcc_newest_below() has found. */
enum mvcc_below {
    MVCC_BELOW_NONE,
    MVCC_BELOW_OPEN,
    MVCC_BELOW_UNKNOWN, /**< one may be open or yet be opened: the number isn't published, or a snapshot is just opened
                             or renewed */
};

/** Looks for the newest open snapshot that sees less than `number`. No later one will. The writer's. */
enum mvcc_below mvcc_newest_below(const struct mvcc *mvcc, uint64_t number, uint64_t *out_newest);

#endif /* MVCC_MVCC_H */
