/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.h
 * All runs that the command line asks for, in order, and their results.
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "options.h"
#include "workload.h"

/** What a workload is run with. */
struct plan_size {
    uint64_t keys;
    uint64_t ops;
};

/** Told of each run as it ends. */
typedef void plan_visit_fn(const struct options *options, uint32_t workload, uint32_t engine, uint32_t round,
                           const struct measurement *measured);

/** Number of keys and operations of a workload under these options. */
struct plan_size plan_size(const struct options *options, uint32_t workload);

/** The keys and values that a workload uses. */
struct dataset plan_dataset(const struct options *options, uint32_t workload);

/** "empty", "loaded" or "reopened": the state of the store that a workload begins with. */
const char *plan_state(const struct options *options, uint32_t workload);

/**
 * Runs everything, and fails as soon as a run fails or two engines' answers differ.
 *
 * @param visit  optional
 * @return the measurements, for free(): see plan_result(); all zero where an engine doesn't serve the workload
 */
struct measurement *plan_run(const struct options *options, plan_visit_fn *visit);

/** Where a run's measurement is; workload and engine are places in the options' choices. */
static inline size_t plan_place(const struct options *options, size_t workload, size_t engine, size_t round)
{
    return (workload * options->engines.count + engine) * options->rounds + round;
}

/** The measurement of a run, as above. */
static inline const struct measurement *plan_result(const struct options *options, const struct measurement *results,
                                                    size_t workload, size_t engine, size_t round)
{
    return &results[plan_place(options, workload, engine, round)];
}

#endif /* BENCH_PLAN_H */
