/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.h
 * One run: one engine, one workload, once, in a process of its own, so that no run inherits another's memory, caches or
 * threads. The process is this program again (see run_serve()), or one of the same sources with a variant of the
 * library; request and answer go through pipes.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "dataset.h"
#include "workload.h"

/** The program's first argument in a run's process. Not for people. */
#define RUN_ARGUMENT "--run"

/** What a run is to do. Plain data. */
struct run_request {
    uint32_t engine;     /**< index into engines[] */
    uint32_t workload;   /**< index into workloads[]; ignored where `prepares` */
    bool prepares;       /**< loads the store and does nothing else */
    bool loaded_already; /**< the store at `path` was prepared by another run */
    struct dataset dataset;
    uint32_t threads;
    uint64_t keys;
    uint64_t ops;
    uint64_t random_seed; /**< for the operations */
    char path[4096];      /**< the store's directory, which exists */
};

/** Performs a run in a process of its own and waits for it. @return false if it failed; it has said why on stderr */
bool run_perform(const struct run_request *request, struct measurement *out_measured);

/** What main() does in a run's process: takes the request from stdin, gives the measurement to stdout. */
int run_serve(void);

#endif /* BENCH_RUN_H */
