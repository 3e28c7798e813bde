/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file zipf.h
 * Skewed choices: of n ranks, rank r (from 0) comes up in proportion to 1 / (r + 1)^theta.
 */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H

#include <stdint.h>

struct zipf {
    uint64_t count;
    double least;    /**< where the integral of the hat begins, */
    double greatest; /**< and where it ends */
};

void zipf_init(struct zipf *zipf, uint64_t count);

/** Draws a rank below `count`. */
uint64_t zipf_next(const struct zipf *zipf, uint64_t *random);

#endif /* BENCH_ZIPF_H */
