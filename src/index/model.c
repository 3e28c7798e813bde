/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.c
 * Fitting a node's linear model.
 *
 * Entries go where the model says, so the model is worth what its slope is worth: a node of evenly spread keys has none
 * outside its predicted block, though the rank of a key differs from the line by the square root of their number. A
 * line is therefore judged by placing a sample of the keys with it, and lines through few points serve as well as least
 * squares, which a single far key turns away from all the others.
 */
#include "index/model.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** Keys that a line is judged by. */
#define SAMPLES_MAX 256u

/** Keys that a block takes where they crowd. */
#define CROWDED_BLOCK_KEYS 7.0

/** Cost a key below which no other line is tried. */
#define COST_GOOD 0.05

/** More than any cost. */
#define COST_ANY 100.0

/** A line through two of the keys, given by their ranks in 64ths. The outermost comes first: evenly spread keys need no
 * other. */
static const struct {
    uint8_t low;
    uint8_t high;
} candidates[] = {{0, 64}, {0, 62}, {2, 64}, {2, 62}, {8, 56}, {16, 48}, {0, 32}, {32, 64}, {4, 24}, {40, 60}};

/** Keys of a sorted array at even distances, the first and the last among them. */
struct sample {
    uint64_t keys[SAMPLES_MAX];
    uint32_t count;
    double spacing; /**< least distance of two, in blocks */
    struct index_layout layout;
};

static void take_sample(struct sample *sample, const uint64_t *keys, uint32_t count, struct index_layout layout)
{
    sample->count = count < SAMPLES_MAX ? count : SAMPLES_MAX;
    sample->spacing = (double)count / (double)sample->count / CROWDED_BLOCK_KEYS;
    sample->layout = layout;
    for (uint32_t i = 0; i < sample->count; i++) {
        sample->keys[i] = keys[(uint64_t)i * (count - 1) / (sample->count - 1)];
    }
}

/** The line through (low, low_block) and (high, high_block); false if that is steeper than a block a key, or flat, or
 * none because the two are one. */
static bool model_through(uint64_t low, double low_block, uint64_t high, double high_block,
                          struct index_model *out_model)
{
    double slope = (high_block - low_block) / (double)(high - low);
    if (!(slope >= 0x1p-63) || slope >= 1) {
        return false;
    }
    double lead = low_block / slope;
    out_model->base = lead < (double)low ? low - (uint64_t)lead : 0;
    uint64_t bits;
    memcpy(&bits, &slope, sizeof bits);
    out_model->slope = UINT64_C(1) << 63 | bits << 11;
    out_model->shift = 1022 - (uint32_t)(bits >> 52);
    return true;
}

/** Cost of a key that lies `distance` blocks from where it is predicted. */
static double distance_cost(double distance)
{
    if (distance < 1) {
        return 0;
    }
    return 1 + (double)(63 - __builtin_clzll((uint64_t)distance));
}

/** Places the sample as a build would, each key at its predicted block or, where blocks are full, as near behind it as
 *  may be and as far before it as the node's end makes needful. Gives up where the cost exceeds `cost_max`. */
static double sample_cost(const struct sample *sample, const struct index_model *model, double cost_max)
{
    double sum_max = cost_max * sample->count;
    double position = 0;
    double limit = sample->layout.blocks - sample->count * sample->spacing;
    double sum = 0;
    for (uint32_t i = 0; i < sample->count && sum <= sum_max; i++) {
        double predicted = index_model_predict(model, sample->keys[i]);
        position = predicted > position ? predicted : position;
        position = position < limit ? position : limit;
        double distance = (double)(int64_t)position - predicted;
        sum += distance_cost(distance < 0 ? -distance : distance);
        position += sample->spacing;
        limit += sample->spacing;
    }
    return sum / sample->count;
}

double index_model_span(const struct index_model *model)
{
    if (model->slope == 0) {
        return (double)INFINITY;
    }
    return 0x1p64 / (double)model->slope * (double)(UINT64_C(1) << model->shift);
}

uint64_t index_model_first_key(const struct index_model *model, double span, uint32_t block)
{
    if (block == 0) {
        return 0;
    }
    double distance = span * block;
    if (block > model->last_block || distance >= (double)(UINT64_MAX - model->base)) {
        return UINT64_MAX;
    }
    return model->base + (uint64_t)distance + 1;
}

double index_model_fit(const uint64_t *keys, uint32_t count, struct index_layout layout, struct index_model *out_model)
{
    struct index_model best = {.base = count > 0 ? keys[0] : 0, .last_block = layout.blocks - 1};
    if (count < 2 || layout.blocks == 1) {
        *out_model = best;
        return 0;
    }
    struct sample sample;
    take_sample(&sample, keys, count, layout);
    double best_cost = sample_cost(&sample, &best, COST_ANY);
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0] && best_cost > COST_GOOD; i++) {
        uint32_t low = (uint32_t)((uint64_t)candidates[i].low * (count - 1) / 64);
        uint32_t high = (uint32_t)((uint64_t)candidates[i].high * (count - 1) / 64);
        double blocks_per_rank = (double)layout.extent / count;
        struct index_model model = {.last_block = layout.blocks - 1};
        if (!model_through(keys[low], layout.origin + low * blocks_per_rank, keys[high],
                           layout.origin + high * blocks_per_rank, &model)) {
            continue;
        }
        double cost = sample_cost(&sample, &model, best_cost);
        if (cost < best_cost) {
            best_cost = cost;
            best = model;
        }
    }
    *out_model = best;
    return best_cost;
}
