/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file measure.c
 * Peak memory and percentiles.
 */
#include "measure.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* VmHWM rather than getrusage(): its maximum would go on from the process that started this one. */
uint64_t peak_rss_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t kilobytes = 0;
    if (file == NULL) {
        fail("cannot read /proc/self/status");
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kilobytes = strtoull(line + 6, NULL, 10);
        }
    }
    fclose(file);
    return kilobytes * 1024;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (size_t class = 0; class < sizeof histogram->classes / sizeof *histogram->classes; class ++) {
        histogram->classes[class] += other->classes[class];
    }
    histogram->count += other->count;
    histogram->max_ns = other->max_ns > histogram->max_ns ? other->max_ns : histogram->max_ns;
}

/** The greatest value that falls into a class. */
static uint64_t class_end(size_t class)
{
    size_t shift = class / HISTOGRAM_STEPS;
    return ((class % HISTOGRAM_STEPS + HISTOGRAM_STEPS + 1) << shift) - 1;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t class = 0; class < sizeof histogram->classes / sizeof *histogram->classes; class ++) {
        seen += histogram->classes[class];
        if (seen >= wanted && seen > 0) {
            uint64_t end = class_end(class);
            return end < histogram->max_ns ? end : histogram->max_ns;
        }
    }
    return 0;
}
