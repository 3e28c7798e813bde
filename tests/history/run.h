/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.h
 * Runs of a plan: threads on a store, whose history is checked after each round, and goes on when the store is opened
 * again.
 */
#ifndef HISTORY_RUN_H
#define HISTORY_RUN_H

#include "history/workload.h"

/** What threads have done to the nodes of indexes. */
struct reshaping {
    uint64_t changes; /**< of the structure */
    uint64_t splits;
    uint64_t taken_out; /**< nodes, as nothing was left in them */
    uint64_t sizes;     /**< of data nodes, before and after: a bit each for 1 block, 2 or 3, 4 to 7, and so on */
};

/**
 * Carries out a plan, with new stores until so much was done, and fails the test where a history is wrong: it prints
 * what, and the seed, which gives the threads the same operations again, though not the same times. Prints what was
 * checked.
 *
 * @param directory  for the stores, and empty
 * @return what was done to the tables that stay
 */
struct reshaping run_plan(const struct plan *plan, const char *directory, uint64_t operations, uint64_t seed);

#endif /* HISTORY_RUN_H */
