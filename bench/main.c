/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file main.c
 * alexstorage-bench: AlexStorage and other engines side by side. Reading order: engine.h, workload.h, run.h, plan.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "plan.h"
#include "report.h"
#include "run.h"

/** Threads of a smoke run: more than two, and operations that can't be divided evenly. */
#define SMOKE_THREADS 3

/** Runs everything on small sizes, with stores of both states, in several threads, and then puts and gets with every
 *  distribution. */
static void run_smoke(struct options *options)
{
    size_t workloads_run = options->workloads.count;
    for (int loads_each = 0; loads_each < 2; loads_each++) {
        options->loads_each = loads_each != 0;
        free(plan_run(options, NULL));
    }
    options->threads = SMOKE_THREADS;
    options_set_workloads(options, "threads");
    size_t shared_run = options->workloads.count;
    free(plan_run(options, NULL));
    options->threads = 1;
    options_set_workloads(options, "mixed,get_missing");
    size_t distributions_run = 0;
    for (uint32_t i = 0; i < distribution_count; i++) {
        options->dataset.distribution = i;
        if (!distributions[i].from_file) {
            distributions_run++;
            free(plan_run(options, NULL));
        }
    }
    printf("%zu workloads with %zu engines, %zu of them in %d threads, and %zu distributions: all answers agree\n",
           workloads_run, options->engines.count, shared_run, SMOKE_THREADS, distributions_run);
}

int main(int argc, char **argv)
{
    struct options options;
    if (argc == 2 && strcmp(argv[1], RUN_ARGUMENT) == 0) {
        return run_serve();
    }
    options_parse(&options, argc, argv);
    if (options.smoke) {
        run_smoke(&options);
        return 0;
    }
    struct measurement *results = plan_run(&options, options.json ? report_json : NULL);
    if (!options.json) {
        report_table(&options, results);
        if (options.details) {
            putchar('\n');
            report_details(&options, results);
        }
    }
    free(results);
    return 0;
}
