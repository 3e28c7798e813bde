/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file node_search.h
 * Going down the tree: the one search that serves inner and data nodes, compiled once for each way to compare slots.
 */
#ifndef INDEX_NODE_SEARCH_H
#define INDEX_NODE_SEARCH_H

#include "base/base.h"
#include "index/node.h"
#include "os/os.h"

/** Where the way down passed through a node: at level 0 the block for the key; above, the slot of the child taken. */
struct index_step {
    struct index_node *node;
    uint64_t version; /**< of the node, as it was passed */
    uint32_t block;
    uint32_t slot; /**< at level 0: of the key if it was found, else no less than the block's entries before it */
};

/** Where an index keeps its root: NULL while it is empty. */
typedef _Atomic(struct index_node *) index_root_slot;

/** One compiled variant. The first two may run beside a writer, and then begin anew where they met it. */
struct index_search {
    uint64_t (*find)(const index_root_slot *root, uint64_t key);
    void (*find_many)(const index_root_slot *root, const uint64_t *keys, size_t count, uint64_t *out_payloads);
    /** As find, from a root that isn't NULL, and fills out_steps[0 to the root's level]. @return false: a writer was
     *  met; try again from the root as it is then. Each step was true by itself at its time. */
    bool (*locate)(struct index_node *root, uint64_t key, struct index_step *out_steps, uint64_t *out_payload);
    /** The same within a data node that is known to be the key's; leaves out_step->node and version alone. */
    uint64_t (*locate_in_node)(const struct index_node *node, uint64_t key, struct index_step *out_step);
};

/** NULL until first needed. Threads that race to set it set the same value. */
extern _Atomic(const struct index_search *) index_search_in_use;

/** Chooses the fastest variant that the processor can run. */
const struct index_search *index_search_choose(void);

/** The variant in use. */
static inline const struct index_search *index_search_chosen(void)
{
    const struct index_search *search = atomic_load_explicit(&index_search_in_use, memory_order_relaxed);
    return BASE_LIKELY(search != NULL) ? search : index_search_choose();
}

extern const struct index_search index_search_portable;
#if defined(__x86_64__) && !defined(BASE_SANITIZED) && !defined(ALEX_PORTABLE)
#define INDEX_SEARCH_X86 1
extern const struct index_search index_search_avx2;
extern const struct index_search index_search_avx512;
#endif

#endif /* INDEX_NODE_SEARCH_H */
