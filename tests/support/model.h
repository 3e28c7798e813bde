/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.h
 * What a table should be: a sorted array. Values are not kept but follow from a seed, by helper_fill().
 */
#ifndef SUPPORT_MODEL_H
#define SUPPORT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct model_entry {
    int64_t key;
    uint64_t seed; /**< of the value */
    size_t size;   /**< of the value, in bytes */
};

/** All zero: an empty table of signed keys. */
struct model_table {
    struct model_entry *entries; /**< ascending */
    size_t count;
    size_t capacity;
    bool is_unsigned;
};

/** Whether `a` comes before `b` in the table's order. */
bool model_before(const struct model_table *table, int64_t a, int64_t b);

/** Rank of the least key ≥ `key`; `count` if there is none. */
size_t model_rank(const struct model_table *table, int64_t key);
/** The key's entry, or NULL. */
const struct model_entry *model_find(const struct model_table *table, int64_t key);
/** Sets a key's value; tells whether it had one. */
bool model_put(struct model_table *table, int64_t key, uint64_t seed, size_t size);
/** Removes a key; tells whether it was there. */
bool model_delete(struct model_table *table, int64_t key);

/** Makes `out_copy`, uninitialised before, a copy. */
void model_copy(const struct model_table *table, struct model_table *out_copy);
void model_release(struct model_table *table);

/** Writes a table to a file, and reads it back into an uninitialised one. */
void model_save(const struct model_table *table, FILE *file);
void model_load(struct model_table *out_table, FILE *file);

#endif /* SUPPORT_MODEL_H */
