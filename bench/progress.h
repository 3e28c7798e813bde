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

/** Of one kind of runs: an engine and a workload, which are run once a round. */
struct progress_kind {
    size_t left;        /**< runs to come, the one that is under way included */
    uint64_t latest_ns; /**< time the latest run took; 0: none yet */
};

struct progress {
    bool shown; /**< stderr is a terminal */
    size_t kind_count;
    size_t runs;       /**< all that there are to make */
    size_t done;       /**< those that have ended */
    uint64_t total_ns; /**< taken by them */
    struct progress_kind *kinds;
};

void progress_init(struct progress *progress, size_t kinds, size_t rounds);
void progress_release(struct progress *progress);

/** Takes out a run that needn't be made. Before the first begins. */
void progress_skip(struct progress *progress, size_t kind);

/** Shows that a run begins; `what` says which. */
void progress_begin(const struct progress *progress, const char *what);

/** Enters the end of a run that took `ns`. */
void progress_end(struct progress *progress, size_t kind, uint64_t ns);

/** Removes the line, so that something else can be printed. */
void progress_clear(const struct progress *progress);

#endif /* BENCH_PROGRESS_H */
