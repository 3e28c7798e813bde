/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file zipf.c
 * Zipf's law by rejection-inversion: Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone
 * discrete distributions", 1996. A draw takes the same time whatever the count, and nothing is summed up beforehand.
 *
 * In their terms: ranks count from 1; the hat over rank k reaches from k - 0.5 to k + 0.5 and is h(x) = x^-theta, whose
 * integral is H; a number drawn evenly from H's range is mapped back by H's inverse and rounded to a rank, which is
 * taken if the number lies within the last h(k) of the rank's part of the range.
 */
#include "zipf.h"

#include <math.h>

#include "support.h"

/** YCSB's skew. */
#define THETA 0.99

static double integral(double x)
{
    return (pow(x, 1 - THETA) - 1) / (1 - THETA);
}

static double inverse_integral(double y)
{
    return pow(1 + y * (1 - THETA), 1 / (1 - THETA));
}

void zipf_init(struct zipf *zipf, uint64_t count)
{
    /* The first rank's part is cut to what it needs, h(1) = 1, so that it is never rejected. */
    *zipf = (struct zipf){count, integral(1.5) - 1, integral((double)count + 0.5)};
}

uint64_t zipf_next(const struct zipf *zipf, uint64_t *random)
{
    for (;;) {
        double drawn = zipf->least + random_unit(random) * (zipf->greatest - zipf->least);
        double rank = fmax(1, round(inverse_integral(drawn)));
        if (rank <= (double)zipf->count && drawn >= integral(rank + 0.5) - pow(rank, -THETA)) {
            return (uint64_t)rank - 1;
        }
    }
}
