/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file power.h
 * Power cuts on the simulated disk: a run of operations on a store, cut at every call that changes files or makes
 * changes durable, and each cut opened and compared with every state that it may hold.
 */
#ifndef CRASH_POWER_H
#define CRASH_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "support/disk.h"
#include "support/store_helper.h"

/** So many losses are enough: no further cuts are made, and none are counted. */
#define POWER_LOST_MAX 10

/** How a run is made. The same plan gives the same run and the same cuts, but for ALEX_DURABLE_WITHIN_INTERVAL, whose
 *  threads come when they come. */
struct power_plan {
    uint64_t seed;
    uint32_t operations;
    enum alex_durability durability;
    bool transacts;        /**< all operations are write transactions */
    bool full;             /**< the run begins with a store whose first segment is nearly full, not without one */
    uint32_t every;        /**< at each boundary every cut is tried, if there are no more than this; 0: not so */
    uint32_t cuts;         /**< at random, at each boundary where not every cut is tried */
    uint32_t depth;        /**< cuts on top of each other: 1, or more, which cut the recovery from a cut */
    uint32_t deeper_share; /**< the recovery of one in so many cuts is cut; of cuts of a recovery, of more */
    uint32_t killed_share; /**< at one in so many moments the process is killed, and the next one's recovery is cut */
    uint32_t deeper_max;   /**< recoveries that are cut at each depth, at most; so many again follow a kill */
    enum disk_lie lie;
};

/** What came of it. */
struct power_result {
    uint64_t boundaries; /**< moments of which cuts were tried: before and after calls, and between operations */
    uint64_t exhausted;  /**< those of them of which every cut was tried */
    uint64_t segment_boundaries;  /**< those around calls that make or enlarge a segment */
    uint64_t manifest_boundaries; /**< those around calls on a manifest */
    uint64_t cuts;                /**< opened and compared */
    uint64_t deep_cuts;           /**< those of them that cut a recovery */
    uint64_t deepest_cuts;        /**< those that cut the recovery from a cut of a recovery */
    uint64_t killed; /**< moments at which the process was killed, so that the next one's recovery is cut */
    uint64_t lost;   /**< where something acknowledged as durable was not there, or the store did not open */
};

/** Runs a plan on stores below `directory`, and adds to `result`. Prints what was lost, unless the disk lies. */
void power_run(const char *directory, const struct power_plan *plan, struct power_result *result);

#endif /* CRASH_POWER_H */
