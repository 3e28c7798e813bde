/* SPDX-License-Identifier: Apache-2.0 */
/** @file verify.c Checking every invariant of nodes (node.h) and of the tree (tree.h). */
#include "base/base.h"
#include "index/tree.h"

/** A walk over a node's slots. */
struct walk {
    const struct index_node *node;
    uint32_t entries;
    bool key_seen;      /**< an entry came before */
    uint64_t entry_key; /**< the last entry's */
    uint64_t slot_key;  /**< the last slot's */
    uint64_t payload;   /**< the last entry's */
};

static const char *verify_slot(struct walk *walk, uint32_t block, uint32_t slot, bool *gap_seen)
{
    const struct index_node *node = walk->node;
    uint64_t key = index_block_key(&node->blocks[block], slot);
    uint64_t payload = index_block_payload(&node->blocks[block], slot);
    if (key < walk->slot_key) {
        return "N1: a slot's key is less than the one before";
    }
    walk->slot_key = key;
    if (index_payload_is_gap(node->level, payload)) {
        *gap_seen = true;
        if (walk->key_seen && key <= walk->entry_key && key != UINT64_MAX) {
            return "N3: a gap's key is not greater than the entry's before it";
        }
        if (node->level > 0 && payload != (walk->payload | INDEX_NODE_GAP)) {
            return "N7: a gap doesn't hold the child of the entry before it";
        }
        return NULL;
    }
    if (*gap_seen) {
        return "N2: an entry behind a gap in one block";
    }
    if (walk->key_seen && key <= walk->entry_key) {
        return "N3: two entries have one key";
    }
    if (key == UINT64_MAX && block != node->model.last_block) {
        return "N4: the greatest key is not in the last block";
    }
    if (node->level == 0 && (key < index_node_least(node) || key > index_node_greatest(node))) {
        return "N8: an entry's key is outside least and greatest";
    }
    walk->key_seen = true;
    walk->entry_key = key;
    walk->payload = payload;
    walk->entries++;
    return NULL;
}

const char *index_node_verify(const struct index_node *node)
{
    uint32_t blocks = index_node_blocks(node);
    if (blocks > index_blocks_max(node->level)) {
        return "N10: a node has too many blocks";
    }
    uint64_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    if ((version & (INDEX_VERSION_WRITING | INDEX_VERSION_OBSOLETE)) != 0) {
        return "N9: a node's version is odd or obsolete";
    }
    if (node->level > 0 && index_payload_is_gap(node->level, index_block_payload(&node->blocks[0], 0))) {
        return "N7: an inner node's first slot is a gap";
    }
    struct walk walk = {.node = node};
    for (uint32_t block = 0; block < blocks; block++) {
        bool gap_seen = false;
        for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS; slot++) {
            const char *wrong = verify_slot(&walk, block, slot, &gap_seen);
            if (wrong != NULL) {
                return wrong;
            }
        }
    }
    if (walk.entries != index_node_count(node) || index_node_count(node) > node->count_max ||
        node->count_max > blocks * INDEX_BLOCK_SLOTS) {
        return "N5: a node's count is wrong or too great";
    }
    return NULL;
}

/** Checks a subtree whose keys must lie from `low` to `high`, both included. */
static const char *verify_subtree(const struct index_node *node, uint64_t low, uint64_t high, uint64_t *count)
{
    const char *wrong = index_node_verify(node);
    if (wrong != NULL) {
        return wrong;
    }
    uint32_t block = 0;
    uint32_t slot = 0;
    bool more = index_node_next_entry(node, &block, &slot);
    if (node->level > 0 && index_block_key(&node->blocks[0], 0) != low) {
        return "T3: an inner node's first key is not its least";
    }
    if (node->level == 0) {
        *count += index_node_count(node);
        struct walk ends = {.node = node};
        for (; more; slot++, more = index_node_next_entry(node, &block, &slot)) {
            ends.entry_key = index_block_key(&node->blocks[block], slot);
            if (ends.entry_key < low || ends.entry_key > high) {
                return "T2: a key is outside its node's range";
            }
        }
        return NULL;
    }
    while (more) {
        const struct index_block *slots = &node->blocks[block];
        const struct index_node *child = index_payload_child(index_block_payload(slots, slot));
        uint64_t child_low = index_block_key(slots, slot);
        slot++;
        more = index_node_next_entry(node, &block, &slot);
        uint64_t child_high = more ? index_block_key(&node->blocks[block], slot) - 1 : high;
        if (child_high > high) { /* by N3 and T3 no child's range begins before its parent's */
            return "T2: a child's range is outside its parent's";
        }
        if (child->level + 1 != node->level) {
            return "T1: a child's level is not the next";
        }
        wrong = verify_subtree(child, child_low, child_high, count);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}

const char *index_verify(const struct index *index)
{
    const struct index_node *root = index_root(index);
    if (root == NULL) {
        return index_count(index) == 0 ? NULL : "T5: the index counts entries but has none";
    }
    if (root->level >= INDEX_LEVELS_MAX) {
        return "T1: the tree is too deep";
    }
    if (root->level > 0 && index_node_count(root) < 2) {
        return "T4: an inner root with a single child";
    }
    uint64_t count = 0;
    const char *wrong = verify_subtree(root, 0, UINT64_MAX, &count);
    if (wrong == NULL && count != index_count(index)) {
        return "T5: the index's count is wrong";
    }
    return wrong;
}

void index_tree_check(const struct index *index)
{
#ifdef ALEX_DEBUG
    BASE_ASSERT(index_verify(index) == NULL);
#else
    (void)index;
#endif
}
