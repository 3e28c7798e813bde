/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.c
 * Sorted arrays; see model.h.
 */
#include "support/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t order_of(const struct model_table *table, int64_t key)
{
    return table->is_unsigned ? (uint64_t)key : (uint64_t)key ^ (uint64_t)1 << 63;
}

bool model_before(const struct model_table *table, int64_t a, int64_t b)
{
    return order_of(table, a) < order_of(table, b);
}

size_t model_rank(const struct model_table *table, int64_t key)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model_before(table, table->entries[middle].key, key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct model_entry *model_find(const struct model_table *table, int64_t key)
{
    size_t rank = model_rank(table, key);
    return rank < table->count && table->entries[rank].key == key ? &table->entries[rank] : NULL;
}

bool model_put(struct model_table *table, int64_t key, uint64_t seed, size_t size)
{
    size_t rank = model_rank(table, key);
    bool there = rank < table->count && table->entries[rank].key == key;
    if (!there) {
        if (table->count == table->capacity) {
            table->capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
            table->entries = realloc(table->entries, table->capacity * sizeof *table->entries);
            assert_non_null(table->entries);
        }
        memmove(table->entries + rank + 1, table->entries + rank, (table->count - rank) * sizeof *table->entries);
        table->count++;
    }
    table->entries[rank] = (struct model_entry){key, seed, size};
    return there;
}

bool model_delete(struct model_table *table, int64_t key)
{
    size_t rank = model_rank(table, key);
    if (rank == table->count || table->entries[rank].key != key) {
        return false;
    }
    table->count--;
    memmove(table->entries + rank, table->entries + rank + 1, (table->count - rank) * sizeof *table->entries);
    return true;
}

void model_copy(const struct model_table *table, struct model_table *out_copy)
{
    *out_copy = *table;
    out_copy->capacity = table->count;
    out_copy->entries = NULL;
    if (table->count > 0) {
        out_copy->entries = malloc(table->count * sizeof *table->entries);
        assert_non_null(out_copy->entries);
        memcpy(out_copy->entries, table->entries, table->count * sizeof *table->entries);
    }
}

void model_release(struct model_table *table)
{
    free(table->entries);
    *table = (struct model_table){0};
}

void model_save(const struct model_table *table, FILE *file)
{
    assert_int_equal(fwrite(table, sizeof *table, 1, file), 1);
    if (table->count > 0) {
        assert_int_equal(fwrite(table->entries, sizeof *table->entries, table->count, file), table->count);
    }
}

void model_load(struct model_table *out_table, FILE *file)
{
    assert_int_equal(fread(out_table, sizeof *out_table, 1, file), 1);
    out_table->capacity = out_table->count;
    out_table->entries = NULL;
    if (out_table->count > 0) {
        out_table->entries = malloc(out_table->count * sizeof *out_table->entries);
        assert_non_null(out_table->entries);
        assert_int_equal(fread(out_table->entries, sizeof *out_table->entries, out_table->count, file),
                         out_table->count);
    }
}
