/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writers.h
 * Several threads that write to one store, and what the store may hold after a crash, or show to a reader: of each
 * writer all up to one of its writes, each of them as a whole, and no write without those that had ended before it
 * began.
 *
 * Each writer has keys of its own, which tell exactly how many of its writes are there. Besides there are keys that all
 * of them write, with others at the same time. What a write does follows from a seed, its writer and its number; what
 * was written when is noted in memory that processes may share.
 */
#ifndef CRASH_WRITERS_H
#define CRASH_WRITERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/store_helper.h"

/** Writes of each, at most, after which writers_write() must not be called. */
#define WRITERS_WRITES_MAX 4096

/** What writers_hold() says is at most so long. */
#define WRITERS_TEXT_BYTES 200

enum { WRITERS_MAX = 8, WRITERS_KEYS = 8, WRITERS_COMMON_KEYS = 4 };

/** When a write began and ended, on a clock that moves with each of these events. */
struct writers_times {
    _Atomic uint64_t begun;
    _Atomic uint64_t ended; /**< 0: it has not, or it has failed */
};

/** How far the writers have come. */
struct writers_progress {
    _Atomic uint64_t clock;
    _Atomic uint32_t writes; /**< of all, that have ended */
    struct {
        _Atomic uint32_t issued; /**< the number of the write at work, or of the last one */
        _Atomic uint32_t done;   /**< that of the last one that has returned */
        _Atomic uint32_t seen;   /**< that of the last one that a reader has seen */
        struct writers_times times[WRITERS_WRITES_MAX];
    } of[WRITERS_MAX];
};

/** One number of a write for each writer. */
struct writers_numbers {
    uint32_t of[WRITERS_MAX];
};

/** A write; number 0: none. */
struct writers_name {
    uint32_t writer;
    uint32_t number;
};

/** What a store holds: of each key the write that gave it its value, or 0. */
struct writers_held {
    uint32_t own[WRITERS_MAX][WRITERS_KEYS];
    struct writers_name common[WRITERS_COMMON_KEYS];
};

struct writers {
    uint64_t seed;
    uint32_t count;
    struct writers_progress *progress;
    struct writers_held base;           /**< what the store held before they began */
    struct writers_numbers base_number; /**< numbers up to these are used up */
};

/** Begins with an empty store. @param progress  outlives the writers */
void writers_begin(struct writers *writers, uint64_t seed, uint32_t count, struct writers_progress *progress);

/** Goes on from what a store was found to hold. While no thread writes. */
void writers_go_on(struct writers *writers, const struct writers_held *held);

/** Carries out the next write of a writer, in its thread: a put, delete, batch or load. Waits where a load of another
 *  is open. @return its code; a delete that finds nothing is ALEX_OK */
int writers_write(const struct writers *writers, uint32_t writer, alex_store *store);

/** The writes that have returned. */
void writers_done(const struct writers *writers, struct writers_numbers *out_numbers);
/** The writes that have returned, or that a reader has seen. */
void writers_visible(const struct writers *writers, struct writers_numbers *out_numbers);
/** Those, and the ones at work. */
void writers_issued(const struct writers *writers, struct writers_numbers *out_numbers);
/** Notes what a reader has seen. */
void writers_see(const struct writers *writers, const struct writers_numbers *seen);

/** Whether a store holds what it may.
 *
 *  @param least        writes that are there for certain
 *  @param greatest     writes that may be there; NULL: those that are issued once the store was read
 *  @param out_present  of each writer the last write that is proven to be there; optional
 *  @param out_held     optional
 *  @param out_wrong    WRITERS_TEXT_BYTES: what is wrong, where that is so */
bool writers_hold(const struct writers *writers, alex_store *store, const struct writers_numbers *least,
                  const struct writers_numbers *greatest, struct writers_numbers *out_present,
                  struct writers_held *out_held, char *out_wrong);

#endif /* CRASH_WRITERS_H */
