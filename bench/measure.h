/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file measure.h
 * Time, memory, and a histogram of latencies.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/** Nanoseconds of a clock that only goes forward. */
static inline uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/** The most memory that this process has had in RAM since it was started, in bytes, mapped files included. */
uint64_t peak_rss_bytes(void);

/** Steps within each power of two: what a percentile says is at most 1/32 above the truth, from 32 ns up. */
#define HISTOGRAM_STEPS 32

/** Counts of latencies, in classes that widen with the value. All zero is an empty one. */
struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint32_t classes[64 * HISTOGRAM_STEPS];
};

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
    uint64_t value = ns > HISTOGRAM_STEPS ? ns : HISTOGRAM_STEPS; /* below 32 ns the clock tells no better */
    unsigned shift = 58 - (unsigned)__builtin_clzll(value);
    histogram->classes[(size_t)shift * HISTOGRAM_STEPS + ((value >> shift) & (HISTOGRAM_STEPS - 1))]++;
    histogram->count++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

/** Adds all that another has counted. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/** The latency that a share of `share` (0 to 1) of what was added does not pass; 0 if nothing was added. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif /* BENCH_MEASURE_H */
