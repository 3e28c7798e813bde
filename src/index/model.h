/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.h
 * The linear model of a node: from a key to the block where it should be, in integers.
 *
 * block = (key - base) * slope, cut off at the last block; a key below the base counts as the base. The slope is a
 * 64-bit fraction with a shift, so a prediction is one subtraction, one multiplication and one shift, and as precise at
 * 2^62 as at 0. Rejected: slope and intercept in floating point, which costs two conversions more in each level of a
 * lookup.
 */
#ifndef INDEX_MODEL_H
#define INDEX_MODEL_H

#include <stdint.h>

struct index_model {
    uint64_t base;       /**< the key that is predicted to lie at the very start of block 0 */
    uint64_t slope;      /**< blocks per key, times 2^(64 + shift) */
    uint32_t shift;      /**< 0 to 63 */
    uint32_t last_block; /**< no key is predicted beyond it */
};

/** The block where `key` would be if there were no end to them. */
static inline uint64_t index_model_project(const struct index_model *model, uint64_t key)
{
    __extension__ typedef unsigned __int128 wide;
    uint64_t distance = key > model->base ? key - model->base : 0;
    return (uint64_t)(((wide)distance * model->slope) >> 64) >> model->shift;
}

/** The block where `key` should be. */
static inline uint32_t index_model_predict(const struct index_model *model, uint64_t key)
{
    uint64_t block = index_model_project(model, key);
    return block < model->last_block ? (uint32_t)block : model->last_block;
}

/** How many keys are predicted in a block, counting all integers; INFINITY where the model is flat. */
double index_model_span(const struct index_model *model);

/** The least key predicted in `block` or behind it, as near as a double tells; UINT64_MAX if there is none. `span` is
 *  index_model_span(). */
uint64_t index_model_first_key(const struct index_model *model, double span, uint32_t block);

/** Where in a node's array the keys should go. */
struct index_layout {
    uint32_t blocks; /**< of the node */
    uint32_t origin; /**< first block that is meant for the keys at hand */
    uint32_t extent; /**< number of blocks meant for them; those before and behind are kept for keys to come */
};

/**
 * Finds the line that places the most of `count` ascending keys right, among lines through pairs of them.
 *
 * @return the estimated cost of the misfit, per key: 0 for a key in its predicted block, else 1 + log2 of its distance
 * in blocks
 */
double index_model_fit(const uint64_t *keys, uint32_t count, struct index_layout layout, struct index_model *out_model);

#endif /* INDEX_MODEL_H */
