/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file results.h
 * Runs as JSON, a line each, and a file of them that a later invocation goes on with. A run is told by all that it was
 * run with; whatever is in the file under the same is not run again.
 */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "workload.h"

/** Which run of the options' a result is of. */
struct run_name {
    uint32_t workload; /**< index into workloads[] */
    uint32_t engine;   /**< index into engines[] */
    uint32_t round;    /**< from 0 */
};

struct results;

/** A run as a line of JSON without its end, for free(). */
char *result_line(const struct options *options, struct run_name name, const struct measurement *measured);

/**
 * Reads a file of results, or makes it. A last line that was cut short is removed from it with a message; any other
 * line that is no result fails.
 */
struct results *results_open(const char *path);
void results_close(struct results *results);

/** Finds a run that has the same name and was made with the same options. */
bool results_find(const struct results *results, const struct options *options, struct run_name name,
                  struct measurement *out_measured);

/** Appends a run, so that it is in the file even if this process is killed next. */
void results_append(struct results *results, const struct options *options, struct run_name name,
                    const struct measurement *measured);

#endif /* BENCH_RESULTS_H */
