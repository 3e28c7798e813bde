/* SPDX-License-Identifier: Apache-2.0 */
/** @file records.c What the first two tables work on: values, and an index. */
#include "remap.h"

void records_init(struct records *records)
{
    uint64_t random = 1;
    for (size_t at = 0; at < sizeof records->source; at += 8) {
        uint64_t word = random_next(&random);
        memcpy(records->source + at, &word, 8);
    }
}

void key_index_init(struct key_index *index)
{
    if (index_pool_create(NULL, &index->pool) != 0 || index_create(index->pool, &index->index) != 0) {
        fail("out of memory for the index");
    }
}

void key_index_release(struct key_index *index)
{
    index_destroy(index->index);
    index_pool_destroy(index->pool);
}
