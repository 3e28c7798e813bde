/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file progress.h
 * One line on the terminal that says what runs, and how long the rest will take.
 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Runs come in kinds (an engine and a workload), each run once a round. */
struct progress {
    bool shown; /**< stderr is a terminal */
    size_t kinds;
    size_t rounds;
    size_t done;       /**< runs that have ended */
    uint64_t total_ns; /**< taken by them */
    uint64_t *kind_ns; /**< time the latest run of each kind took; 0: none yet */
};

void progress_init(struct progress *progress, size_t kinds, size_t rounds);
void progress_release(struct progress *progress);

/** Shows that a run begins; `what` says which. */
void progress_begin(const struct progress *progress, const char *what);

/** Enters the end of a run that took `ns`. */
void progress_end(struct progress *progress, size_t kind, uint64_t ns);

/** Removes the line, so that something else can be printed. */
void progress_clear(const struct progress *progress);

#endif /* BENCH_PROGRESS_H */
