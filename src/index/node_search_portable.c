/* SPDX-License-Identifier: Apache-2.0 */
/** @file node_search_portable.c The search, comparing slot by slot. */
#include "base/base.h"
#include "index/node_search.h"

static inline unsigned at_most_mask(const struct index_block *block, uint64_t key)
{
    unsigned mask = 0;
    for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS; slot++) {
        mask |= (unsigned)(index_block_key(block, slot) <= key) << slot;
    }
    return mask;
}

static inline unsigned equal_mask(const struct index_block *block, uint64_t key)
{
    unsigned mask = 0;
    for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS; slot++) {
        mask |= (unsigned)(index_block_key(block, slot) == key) << slot;
    }
    return mask;
}

#define SEARCH_TABLE index_search_portable
#include "index/node_search_template.h"
