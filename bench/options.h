/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.h
 * The command line.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataset.h"

#define CHOICES_MAX 64

/** Indexes into a list such as engines[], in the order in which they were named. */
struct choice {
    uint32_t index[CHOICES_MAX];
    size_t count;
};

struct options {
    struct choice engines;
    struct choice workloads;
    uint64_t keys;
    uint64_t ops; /**< 0: each workload's own default */
    uint32_t rounds;
    uint32_t threads;
    struct dataset dataset;
    bool loads_each; /**< each run loads its store itself and goes on, instead of opening one that was loaded before */
    bool json;
    bool details;
    bool smoke;
    const char *directory; /**< where stores are made */
    const char *results;   /**< the file of results to go on with; NULL: none */
};

/** Reads the command line; where it is wrong, says so and exits with 2; carries out --help and --list and exits with 0.
 */
void options_parse(struct options *options, int argc, char **argv);

/** Chooses workloads by a list of names as --workloads takes it. */
void options_set_workloads(struct options *options, const char *list);

#endif /* BENCH_OPTIONS_H */
