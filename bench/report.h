/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file report.h
 * Results for people and for programs.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "options.h"
#include "plan.h"

/** Prints one run as a JSON object on a line of its own. A plan_visit_fn. */
void report_json(const struct options *options, uint32_t workload, uint32_t engine, uint32_t round,
                 const struct measurement *measured);

/** Prints the table of ratios and median times, in Markdown that reads well in a terminal too, and below it what was
 * run with which settings. */
void report_table(const struct options *options, const struct measurement *results);

/** Prints the table of spread, percentiles, memory and disk. */
void report_details(const struct options *options, const struct measurement *results);

#endif /* BENCH_REPORT_H */
