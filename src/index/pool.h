/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool.h
 * Memory for nodes: runs of 128-byte granules out of large chunks, merged again when freed.
 *
 * Nodes of many sizes come and go together: when all nodes of an index outgrow one size and move on to the next, what
 * they leave must serve the next size. So a run is cut from a larger one to measure, and a freed one joins its free
 * neighbours. Rejected: size classes with a free list each, which keep what was freed in one size from all others.
 */
#ifndef INDEX_POOL_H
#define INDEX_POOL_H

#include "index/node.h"

/** Bytes of a granule: every node is a whole number of them, aligned to them. */
#define INDEX_GRANULE_BYTES ((size_t)128)

/** Lists of free runs, by size: eight for each doubling. */
#define INDEX_POOL_LISTS 104u

struct index_pool {
    struct index_chunk *chunks;
    uint64_t bytes;      /**< of all chunks */
    uint64_t node_bytes; /**< of the nodes that were taken and not given back */
    size_t next_chunk_bytes;
    struct index_free_run *lists[INDEX_POOL_LISTS];
    uint64_t list_used[2]; /**< a bit for each list that isn't empty */
    const struct index_grace *grace;
    struct index_node *retired; /**< nodes that readers may still hold */
    uint32_t retired_count;
    struct index_node *waiting; /**< such nodes, all retired before `ticket` was given out */
    uint64_t ticket;
    /* Where structure changes gather entries. */
    uint64_t *scratch_keys;
    uint64_t *scratch_payloads;
    size_t scratch_count; /**< entries that fit */
};

/** Memory for a node with this many blocks, its `chunk` set and the rest undefined; NULL if there is none. */
struct index_node *index_pool_take(struct index_pool *pool, uint32_t blocks);

/** Takes back a node that nobody holds. May be NULL. */
void index_pool_give(struct index_pool *pool, struct index_node *node);

/** Takes back a node that was replaced and that readers may still hold, once they can't; marks it obsolete. */
void index_pool_retire(struct index_pool *pool, struct index_node *node);

/** Gives back what was retired and no reader can hold any more. */
void index_pool_collect(struct index_pool *pool);

/** Makes the scratch arrays hold `count` entries. @return ALEX_OK or ALEX_NO_MEMORY */
int index_pool_scratch(struct index_pool *pool, size_t count);

#endif /* INDEX_POOL_H */
