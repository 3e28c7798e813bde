/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload.h
 * What threads do to a store while they are recorded: writers, readers, and snapshots that they hand to each other.
 */
#ifndef HISTORY_WORKLOAD_H
#define HISTORY_WORKLOAD_H

#include "history/recorder.h"
#include "history/serial.h"
#include "support/store_helper.h"

/** Where the keys of a table are. */
enum layout {
    LAYOUT_DENSE,    /**< one beside the other, around 0 */
    LAYOUT_SPREAD,   /**< all over, both ends included */
    LAYOUT_CLUSTERS, /**< dense groups, far from each other */
};

/** Which keys are chosen. */
enum choice {
    CHOICE_EVEN, /**< any; about half of them are there */
    CHOICE_HOT,  /**< few of them very often */
    CHOICE_TIDE, /**< writers put all in their order, then delete all in it or against it, and so on */
};

/** Tables that stay, at most: "main", and one of unsigned keys. */
#define STAYING_TABLES_MAX 2u

struct plan {
    const char *name;
    enum alex_durability durability;
    enum layout layout;
    enum choice choice;
    uint32_t keys;     /**< of a table */
    uint32_t writers;  /**< threads that mostly write */
    uint32_t readers;  /**< threads that only read */
    uint32_t staying;  /**< tables that stay */
    bool passing;      /**< one more is made and dropped again and again */
    bool moving;       /**< threads hand their snapshots to each other */
    bool failing;      /**< a sync fails at last */
    bool empties;      /**< other writes go just ahead of the tide, so that it leaves no key behind */
    uint32_t loads;    /**< entries of a load; 0: there are none */
    uint32_t held;     /**< a snapshot is kept for up to so many operations; 0: none is kept */
    uint32_t rounds;   /**< between which the store is reopened */
    uint32_t pause_us; /**< a sync takes up to so long */
};

/** A snapshot that is kept open. */
struct kept;

/** What the threads share. */
struct workload {
    const struct plan *plan;
    alex_store *store;
    struct tables *tables;
    uint64_t operations;             /**< after so many all end */
    _Atomic uint64_t done;           /**< by all threads, more or less */
    _Atomic(struct table *) passing; /**< the table that comes and goes; NULL while it is gone, or about to be */
    _Atomic(struct kept *) handed;   /**< a snapshot on its way from one thread to another */
};

/** A thread. */
struct worker {
    struct workload *workload;
    struct recorder *recorder;
    struct helper_random random;
    uint32_t writer; /**< which of the writers it is */
    bool writes;
    struct kept *kept;
    uint32_t kept_for; /**< operations for which it still keeps it */
    uint32_t tide;     /**< the next key of its own */
    uint32_t tides;    /**< turns of the tide: it rises while this is even */
    size_t counted;    /**< events that are in `done` */
};

/** The key with this number, in a table. */
int64_t workload_key(const struct plan *plan, uint32_t number);

/** Runs until all is done. @param context  a struct worker */
void *workload_run(void *context);

/** Ends a snapshot that was on its way when the threads ended. */
void workload_end(struct workload *workload);

/** Makes a table, and notes it. Only for one thread. @return NULL: the store takes no more writes */
struct table *workload_make_table(struct workload *workload, struct recorder *recorder, bool is_unsigned);

/** Reads all of a table in a snapshot of its own: up, down, and counted. */
void workload_read_all(struct workload *workload, struct recorder *recorder, struct table *table);

#endif /* HISTORY_WORKLOAD_H */
