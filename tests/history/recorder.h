/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file recorder.h
 * What threads did to a store and saw of it: a log for each thread, which nobody else touches while the threads run.
 *
 * Time. What is to be put in order by time has the moments of its call and of its return, from CLOCK_MONOTONIC, which
 * is one clock for all processors. A shared counter would do as well, but its line, which every thread would write,
 * orders what the threads do between, and so hides mistakes. A fence on either side makes the moments count: nothing of
 * the call has happened before the first, and all of it is there for other threads to see at the second. Equal moments
 * say nothing.
 *
 * Reads in a snapshot need no moments: what they see is settled when the snapshot begins. So the threads read without
 * anything between the store's own instructions.
 *
 * Every value carries the id of the operation that wrote it, and says of which table and key it is; so a read names the
 * write that it has seen.
 */
#ifndef HISTORY_RECORDER_H
#define HISTORY_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <alexstorage.h>

/** Thread numbers are below this. */
#define RECORDER_THREADS_MAX 64u

/** The thread's number plus 1 is in an id's upper bits, the operation's number within the thread in the lower ones. */
#define ID_THREAD_SHIFT 40
/** Nothing was seen. */
#define ID_ABSENT UINT64_C(0)
/** What was seen is no value of this table and key, or not a whole one. */
#define ID_BROKEN UINT64_MAX
/** A key was there; whose value it had was not asked. */
#define ID_SOME (UINT64_MAX - 1)

/** A read outside of snapshots. */
#define NO_SNAPSHOT UINT32_MAX
/** Snapshots of a thread are numbered from its own number times this. */
#define SNAPSHOTS_PER_THREAD (UINT32_C(1) << 24)

enum event_kind {
    EVENT_PUT,
    EVENT_PUT_ABSENT,
    EVENT_DELETE,
    EVENT_BATCH,
    EVENT_LOAD,
    EVENT_MAKE, /**< of a table */
    EVENT_DROP,
    EVENT_BEGIN,  /**< of a snapshot: begin and renew */
    EVENT_GET,    /**< in a snapshot or outside */
    EVENT_EXISTS, /**< outside */
    EVENT_SCAN,
    EVENT_COUNT,
};

/** A put that replaced a value. */
#define EVENT_REPLACED 1u
/** A scan from greater to smaller keys. */
#define EVENT_DESCENDING 2u
/** A scan that met the end of its range; else it stopped behind the last entry that it saw. */
#define EVENT_ENDED 4u

struct event {
    uint8_t kind; /**< enum event_kind */
    uint8_t code; /**< enum alex_code, as returned */
    uint8_t flags;
    uint16_t table; /**< index in the history's tables */
    uint32_t snapshot;
    uint32_t count;   /**< of entries: operations of a batch or load, what a scan saw. The ids of a batch's or load's
                           operations follow each other from `id` on */
    size_t first;     /**< of these in the thread's entries */
    int64_t key;      /**< a scan's and a count's least key; a load: how many keys it replaced */
    int64_t last_key; /**< a scan's and a count's greatest */
    uint64_t id;      /**< written or seen; a count: the result; a begin: the number that the snapshot sees */
    uint64_t call;    /**< ns; 0 where nothing has to be put in order */
    uint64_t back;
};

struct entry {
    int64_t key;
    uint64_t id; /**< a scan: seen. Else the table's index times 2, plus 1 for a delete */
};

/** A thread's log. */
struct recorder {
    uint32_t thread;
    struct event *events;
    size_t event_count;
    size_t event_capacity;
    struct entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    uint64_t ids;       /**< given out, over all rounds */
    uint32_t snapshots; /**< begun since recorder_reset() */
};

/** Values have at most this many bytes. */
#define VALUE_BYTES_MAX 512u

/** Makes an empty log with room for so much, all of which stays where it is. */
void recorder_init(struct recorder *recorder, uint32_t thread, size_t events, size_t entries);
void recorder_release(struct recorder *recorder);
/** Forgets what was recorded; ids go on. */
void recorder_reset(struct recorder *recorder);
/** Whether so many more events, and entries with them, find room. */
static inline bool recorder_has_room(const struct recorder *recorder, size_t events, size_t entries)
{
    return recorder->event_capacity - recorder->event_count >= events &&
           recorder->entry_capacity - recorder->entry_count >= entries;
}

/** Adds an event; the caller has seen that there is room. */
struct event *recorder_add(struct recorder *recorder, enum event_kind kind, uint16_t table, int64_t key);
/** Adds an entry to the event that was added last. */
void recorder_add_entry(struct recorder *recorder, int64_t key, uint64_t id);
/** Gives out `count` ids in a row. @return the first */
uint64_t recorder_ids(struct recorder *recorder, uint64_t count);

/** Writes the value of an operation. @return its size */
size_t recorder_value(uint64_t id, uint16_t table, int64_t key, unsigned char out_value[VALUE_BYTES_MAX]);
/** The id in a value, ID_BROKEN if it isn't as it was written for this table and key. */
uint64_t recorder_value_id(const void *value, size_t size, uint16_t table, int64_t key);

uint64_t recorder_now(void);

/** Notes the moment of a call: directly before it. */
static inline void recorder_call(struct event *event)
{
    event->call = recorder_now();
    atomic_thread_fence(memory_order_seq_cst);
}

/** Notes the moment of its return, and what it returned: directly after it. */
static inline void recorder_back(struct event *event, int code)
{
    atomic_thread_fence(memory_order_seq_cst);
    event->back = recorder_now();
    event->code = (uint8_t)code;
}

#endif /* HISTORY_RECORDER_H */
