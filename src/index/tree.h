/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tree.h
 * The tree of nodes behind struct index, and the steps by which its structure changes.
 *
 * Invariants (index_verify() checks them and names them by number):
 *
 *  T1  The children of a node of level l are of level l - 1: all data nodes are equally deep.
 *  T2  The keys in a child are at least its entry's key and less than the next entry's key, in the same node or above.
 *  T3  The first entry of an inner node has the least key that may come to the node: 0 at the tree's left edge.
 *  T4  An inner node has an entry; an inner root has two.
 *  T5  `count` is the number of entries in all data nodes. The root is NULL, or a node. Data nodes may be empty only
 * between index_prepare() and index_set().
 */
#ifndef INDEX_TREE_H
#define INDEX_TREE_H

#include "index/node.h"
#include "index/node_search.h"
#include "index/pool.h"

struct index {
    struct index_pool *pool;
    index_root_slot root;
    char apart[128]; /**< readers look at the root, and each write changes what follows; lines are fetched in pairs */
    _Atomic uint64_t count;
    uint64_t structure_changes;
    uint64_t splits;    /**< of these */
    uint64_t taken_out; /**< of these: nodes */
    uint64_t moved_bytes;
    uint64_t moved_bytes_max;
    uint64_t moved_bytes_now; /**< by the index_prepare() and index_set() in progress */
    char apart_behind[128];
};

static inline struct index_node *index_root(const struct index *index)
{
    return atomic_load_explicit(&index->root, memory_order_acquire);
}

static inline void index_set_root(struct index *index, struct index_node *root)
{
    atomic_store_explicit(&index->root, root, memory_order_release);
}

/** Greatest number of blocks of a node of this level. */
static inline uint32_t index_blocks_max(uint32_t level)
{
    return level == 0 ? INDEX_DATA_BLOCKS_MAX : INDEX_INNER_BLOCKS_MAX;
}

/** Plans a node for `count` keys that are followed by inserts as `growth` says; `count` must fit into the greatest
 * node. */
struct index_plan index_plan_node(uint32_t level, const uint64_t *keys, uint32_t count, enum index_growth growth);

/** Plans a node with exactly this many blocks, filled evenly. */
struct index_plan index_plan_blocks(uint32_t level, const uint64_t *keys, uint32_t count, uint32_t blocks);

/** Builds a planned node. @return NULL if there is no memory */
struct index_node *index_build_node(struct index_pool *pool, const struct index_plan *plan, struct index_run run);

/** What may be done about a node that has no room. */
enum index_change {
    INDEX_CHANGE_REPLACE, /**< by `whole` */
    INDEX_CHANGE_SPLIT,   /**< in `left`, with the first `cut` entries, and `right` */
};

struct index_decision {
    enum index_change change;
    uint32_t cut;
    bool keep_left;  /**< the node itself serves as the left one; `cut` is its count */
    bool keep_right; /**< the node itself serves as the right one; `cut` is 0 */
    struct index_plan whole;
    struct index_plan left;
    struct index_plan right;
};

/** Decides what to do about a node without room for `key`, which then has several entries, by the cost of what would
 *  come of it. A pure function. */
struct index_decision index_decide(const struct index_node *node, const uint64_t *keys, uint64_t key);

/** Whether an append goes so far beyond its data node's model that it should open a new node, even if there is room. */
bool index_is_jump(const struct index_node *node, uint64_t key);

/** Whether a node has become so sparse that it should be rebuilt smaller. */
bool index_is_sparse(const struct index_node *node);

/** The position of a key that was found at `step`. */
static inline struct index_position index_position_of(uint64_t payload, uint64_t key, const struct index_step *step)
{
    return (struct index_position){payload, key, step->node, step->block, step->slot, INDEX_NO_BLOCK};
}

/** Where in the data node of `step` the absent `key` should go.
 *  @return false if it can't or shouldn't be entered before the node has changed */
bool index_tree_place(const struct index *index, const struct index_step *step, uint64_t key,
                      struct index_position *out_position);

/**
 * One step towards room for `key` in the node of steps[level]: replaces the node, or splits it, or takes such a step
 * for its parent. The tree is valid after each step; the caller goes down again. @return ALEX_OK or ALEX_NO_MEMORY, and
 * then nothing has changed
 */
int index_tree_make_room(struct index *index, const struct index_step *steps, uint32_t level, uint64_t key);

/** Takes the emptied node of steps[level] out of the tree. */
void index_tree_take_out(struct index *index, const struct index_step *steps, uint32_t level);

/** Rebuilds the node of steps[level] smaller if it is sparse and there is memory. */
void index_tree_shrink(struct index *index, const struct index_step *steps, uint32_t level);

/** The writer's way down to `key` in an index that isn't empty; see struct index_search. @return the payload, or 0 */
static inline uint64_t index_locate(const struct index *index, uint64_t key, struct index_step *out_steps)
{
    uint64_t payload = 0;
    bool alone = index_search_chosen()->locate(index_root(index), key, out_steps, &payload);
    BASE_ASSERT(alone); /* a writer meets no other */
    return payload;
}

/** The keys that may come to a data node, both ends included. */
struct index_node_range {
    uint64_t first;
    uint64_t last;
};

/** The range of the data node of steps[0]. */
struct index_node_range index_tree_range(const struct index_step *steps, uint32_t root_level);

/** Ends a subtree: by index_pool_give() if nobody holds it, else by index_pool_retire(). */
void index_tree_end(struct index_pool *pool, struct index_node *node,
                    void (*end)(struct index_pool *pool, struct index_node *node));

/** Runs index_verify() in debug builds. */
void index_tree_check(const struct index *index);

#endif /* INDEX_TREE_H */
