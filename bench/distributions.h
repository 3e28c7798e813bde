/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file distributions.h
 * How the distributions whose keys are made in memory make them; dataset.c lists them. Each fills `keys` with
 * dataset->count distinct keys, by random numbers that follow from dataset->random_seed alone.
 */
#ifndef BENCH_DISTRIBUTIONS_H
#define BENCH_DISTRIBUTIONS_H

#include "dataset.h"

void make_timestamps(const struct dataset *dataset, int64_t *keys);
void make_lognormal(const struct dataset *dataset, int64_t *keys);
void make_pareto(const struct dataset *dataset, int64_t *keys);
void make_osm(const struct dataset *dataset, int64_t *keys);
void make_genome(const struct dataset *dataset, int64_t *keys);
void make_fb(const struct dataset *dataset, int64_t *keys);
void make_planet(const struct dataset *dataset, int64_t *keys);
void make_covid(const struct dataset *dataset, int64_t *keys);
void make_clustered(const struct dataset *dataset, int64_t *keys);
void make_dense_53(const struct dataset *dataset, int64_t *keys);
void make_dense_58(const struct dataset *dataset, int64_t *keys);
void make_dense_62(const struct dataset *dataset, int64_t *keys);
void make_outlier(const struct dataset *dataset, int64_t *keys);
void make_ipv4(const struct dataset *dataset, int64_t *keys);
void make_from_file(const struct dataset *dataset, int64_t *keys);

/** Sorts ascending. Takes as much memory again. */
void sort_keys(int64_t *keys, uint64_t count);

/** Puts keys in an order that follows from the seed. */
void shuffle_keys(int64_t *keys, uint64_t count, uint64_t random_seed);

#endif /* BENCH_DISTRIBUTIONS_H */
