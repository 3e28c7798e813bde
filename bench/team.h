/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file team.h
 * The threads that share a workload. They begin together, and their time is one: from when the first of them begins to
 * when the last one ends, divided by the operations of all. Each works with a session of its own, so that none writes a
 * line of memory that another uses; what reads have found is put together in the order of the threads, whichever ends
 * first. A single thread is the calling one, with the session as it is.
 */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

#include <stdint.h>

#include "measure.h"
#include "workload.h"

struct team;

/** What one thread does of a workload. */
struct part {
    struct session *session; /**< the thread's own */
    const void *work;        /**< what team_run() was given */
    struct team *team;
    uint32_t number; /**< from 0, */
    uint32_t count;  /**< of so many */
    uint64_t ops;    /**< carried out from `begin_ns` to `end_ns`: the part's function enters these three, */
    uint64_t begin_ns;
    uint64_t end_ns;
    struct histogram calls; /**< and here calls that it has timed by themselves */
};

typedef void part_fn(struct part *part);

/** Carries a workload out, each of the session's threads its part, and enters times, percentiles and what reads have
 *  found into the session's measurement. */
void team_run(struct session *session, part_fn *run, const void *work);

/** Waits until all threads have come here. */
void team_wait(struct part *part);

/** Where the part's share of `count` things begins; it ends where the next part's begins. */
static inline uint64_t part_first(const struct part *part, uint64_t count)
{
    return count * part->number / part->count;
}
static inline uint64_t part_end(const struct part *part, uint64_t count)
{
    return count * (part->number + 1) / part->count;
}

#endif /* BENCH_TEAM_H */
