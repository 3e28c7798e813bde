/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_measure.c  What the benchmark says of latencies is as near to them as it claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "measure.h"

/** More than any class below it: the greatest latency bounds what a percentile says. */
#define FAR_NS ((uint64_t)1 << 40)

static struct histogram histogram;

static uint64_t percentile_of(uint64_t ns)
{
    histogram = (struct histogram){0};
    for (int i = 0; i < 3; i++) {
        histogram_add(&histogram, ns);
    }
    histogram_add(&histogram, FAR_NS);
    return histogram_percentile(&histogram, 0.5);
}

/* From 32 ns up a percentile is the latency, or up to 1/32 more. */
static void test_error(void **state)
{
    (void)state;
    for (uint64_t ns = 32; ns < FAR_NS / 2; ns += 1 + ns / 1000) {
        uint64_t said = percentile_of(ns);
        assert_true(said >= ns && said <= ns + ns / 32);
    }
}

/* Below that all count as 32. */
static void test_least(void **state)
{
    (void)state;
    for (uint64_t ns = 0; ns <= 32; ns++) {
        assert_int_equal(32, percentile_of(ns));
    }
}

/* The share of latencies that a percentile names doesn't pass it, and a smaller one says no more. */
static void test_shares(void **state)
{
    (void)state;
    histogram = (struct histogram){0};
    for (uint64_t i = 1; i <= 1000; i++) {
        histogram_add(&histogram, i << 10);
    }
    struct histogram other = {0};
    histogram_merge(&other, &histogram);
    for (uint64_t i = 1; i <= 1000; i++) {
        uint64_t said = histogram_percentile(&other, (double)i / 1000);
        assert_true(said >= i << 10 && said <= (i << 10) + (i << 5));
    }
    assert_int_equal(1000 << 10, histogram_percentile(&other, 1));
    assert_int_equal(1000 << 10, other.max_ns);
    assert_int_equal(0, histogram_percentile(&(struct histogram){0}, 0.5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
