/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tree_change.c
 * Changing the tree's structure: replace a node, split it, take it out.
 *
 * New nodes are built aside with all the memory they need, then published by a store to their parent's slot or to the
 * root, each of which leaves a tree in which every key is found: a split enters the right half first, while the node
 * still holds all keys, and then puts the left half in the node's place.
 */
#include "base/base.h"
#include "index/tree.h"

static void count_moved(struct index *index, uint64_t entries)
{
    index->moved_bytes += entries * INDEX_SLOT_BYTES;
    index->moved_bytes_now += entries * INDEX_SLOT_BYTES;
}

/** Puts `replacement` in the place of the node of steps[level]. */
static void publish(struct index *index, const struct index_step *steps, uint32_t level, struct index_node *replacement)
{
    if (steps[level].node == index_root(index)) {
        index_set_root(index, replacement);
    } else {
        const struct index_step *parent = &steps[level + 1];
        index_node_replace_child(parent->node, parent->block, parent->slot, replacement);
    }
}

static int replace(struct index *index, const struct index_step *steps, uint32_t level, const struct index_plan *plan,
                   struct index_run run)
{
    struct index_node *node = steps[level].node;
    struct index_node *replacement = index_build_node(index->pool, plan, run);
    if (replacement == NULL) {
        return ALEX_NO_MEMORY;
    }
    publish(index, steps, level, replacement);
    index_pool_retire(index->pool, node);
    index->structure_changes++;
    count_moved(index, run.count);
    return ALEX_OK;
}

/** Where a split's second node goes in the parent of the node of steps[level], and whether there is room. */
static bool parent_has_room(const struct index_step *steps, uint32_t level, uint64_t key, struct index_place *out_place)
{
    const struct index_node *parent = steps[level + 1].node;
    struct index_step step;
    index_search_chosen()->locate_in_node(parent, key, &step);
    *out_place = index_node_place(parent, (struct index_place){step.block, step.slot}, key);
    return index_node_count(parent) < parent->count_max && index_node_gap(parent, *out_place) != INDEX_NO_BLOCK;
}

/** Enters `left` and `right` into the parent in the place of the node of steps[level]. */
static void publish_pair(struct index *index, const struct index_step *steps, uint32_t level, struct index_place place,
                         uint64_t separator, const struct index_node *left, const struct index_node *right)
{
    struct index_node *parent = steps[level + 1].node;
    uint64_t entry_key = index_block_key(&parent->blocks[steps[level + 1].block], steps[level + 1].slot);
    count_moved(index,
                index_node_insert(parent, place, index_node_gap(parent, place), separator, index_child_payload(right)));
    if (left != steps[level].node) {
        struct index_step step;
        index_search_chosen()->locate_in_node(parent, entry_key, &step);
        index_node_replace_child(parent, step.block, step.slot, left);
    }
}

/** A new root above the two halves of the old one; NULL if there is no memory. */
static struct index_node *build_root(struct index *index, uint64_t separator, const struct index_node *left,
                                     const struct index_node *right)
{
    uint64_t keys[2] = {0, separator};
    uint64_t payloads[2] = {index_child_payload(left), index_child_payload(right)};
    struct index_plan plan = index_plan_node(left->level + 1, keys, 2, INDEX_GROWTH_EVEN);
    return index_build_node(index->pool, &plan, (struct index_run){keys, payloads, 2});
}

/** Carries out a split. The node's entries are in the scratch arrays. */
static int split(struct index *index, const struct index_step *steps, uint32_t level,
                 const struct index_decision *decision, uint64_t key)
{
    struct index_pool *pool = index->pool;
    struct index_node *node = steps[level].node;
    uint32_t count = index_node_count(node);
    uint32_t cut = decision->cut;
    uint64_t separator = cut < count ? pool->scratch_keys[cut] : key;
    bool is_root = node == index_root(index);
    struct index_place place = {0};
    if (!is_root && !parent_has_room(steps, level, separator, &place)) {
        return index_tree_make_room(index, steps, level + 1, separator);
    }
    struct index_run left_run = {pool->scratch_keys, pool->scratch_payloads, cut};
    struct index_run right_run = {pool->scratch_keys + cut, pool->scratch_payloads + cut, count - cut};
    struct index_node *left = decision->keep_left ? node : index_build_node(pool, &decision->left, left_run);
    struct index_node *right = decision->keep_right ? node : index_build_node(pool, &decision->right, right_run);
    struct index_node *root = NULL;
    if (left != NULL && right != NULL && is_root) {
        root = build_root(index, separator, left, right);
    }
    if (left == NULL || right == NULL || (is_root && root == NULL)) {
        index_pool_give(pool, left != node ? left : NULL);
        index_pool_give(pool, right != node ? right : NULL);
        return ALEX_NO_MEMORY;
    }
    if (is_root) {
        index_set_root(index, root);
    } else {
        publish_pair(index, steps, level, place, separator, left, right);
    }
    if (left != node && right != node) {
        index_pool_retire(pool, node);
        count_moved(index, count);
    }
    index->structure_changes++;
    index->splits++;
    return ALEX_OK;
}

int index_tree_make_room(struct index *index, const struct index_step *steps, uint32_t level, uint64_t key)
{
    struct index_pool *pool = index->pool;
    struct index_node *node = steps[level].node;
    if (index_pool_scratch(pool, index_node_count(node)) != ALEX_OK) {
        return ALEX_NO_MEMORY;
    }
    uint32_t count = index_node_entries(node, pool->scratch_keys, pool->scratch_payloads);
    struct index_decision decision = index_decide(node, pool->scratch_keys, key);
    int code;
    if (decision.change == INDEX_CHANGE_REPLACE) {
        struct index_run run = {pool->scratch_keys, pool->scratch_payloads, count};
        code = replace(index, steps, level, &decision.whole, run);
    } else {
        code = split(index, steps, level, &decision, key);
    }
    index_tree_check(index);
    return code;
}

/** Takes the inner node's entry at steps[level].block and slot out. */
static void remove_entry(struct index_node *node, uint32_t block, uint32_t slot)
{
    if (block > 0 || slot > 0) {
        index_node_remove(node, block, slot);
        return;
    }
    /* T3: the first entry keeps its key and slot, and takes the second one's child. */
    uint32_t next_block = 0;
    uint32_t next_slot = 1;
    bool found = index_node_next_entry(node, &next_block, &next_slot);
    BASE_ASSERT(found);
    struct index_node *child = index_payload_child(index_block_payload(&node->blocks[next_block], next_slot));
    uint64_t least = index_block_key(&node->blocks[0], 0);
    for (struct index_node *below = child; below->level > 0;
         below = index_payload_child(index_block_payload(&below->blocks[0], 0))) {
        index_node_lower_first(below, least);
    }
    index_node_replace_child(node, 0, 0, child);
    index_node_remove(node, next_block, next_slot);
}

/** Takes inner roots with a single child away. */
static void lower_root(struct index *index)
{
    struct index_node *root = index_root(index);
    while (root->level > 0 && index_node_count(root) == 1) {
        struct index_node *child = index_payload_child(index_block_payload(&root->blocks[0], 0));
        index_set_root(index, child);
        index_pool_retire(index->pool, root);
        index->structure_changes++;
        root = child;
    }
}

void index_tree_take_out(struct index *index, const struct index_step *steps, uint32_t level)
{
    struct index_node *root = index_root(index);
    uint32_t top = level; /* the uppermost node that goes */
    while (steps[top].node != root && index_node_count(steps[top + 1].node) == 1) {
        top++;
    }
    if (steps[top].node == root) {
        index_set_root(index, NULL);
    } else {
        remove_entry(steps[top + 1].node, steps[top + 1].block, steps[top + 1].slot);
    }
    for (uint32_t i = level; i <= top; i++) {
        index_pool_retire(index->pool, steps[i].node);
        index->structure_changes++;
        index->taken_out++;
    }
    if (steps[top].node != root) {
        if (index_is_sparse(steps[top + 1].node)) {
            index_tree_shrink(index, steps, top + 1);
        }
        lower_root(index);
    }
    index_tree_check(index);
}

void index_tree_shrink(struct index *index, const struct index_step *steps, uint32_t level)
{
    struct index_pool *pool = index->pool;
    struct index_node *node = steps[level].node;
    if (index_pool_scratch(pool, index_node_count(node)) != ALEX_OK) {
        return;
    }
    uint32_t count = index_node_entries(node, pool->scratch_keys, pool->scratch_payloads);
    struct index_plan plan = index_plan_node(node->level, pool->scratch_keys, count, INDEX_GROWTH_EVEN);
    struct index_run run = {pool->scratch_keys, pool->scratch_payloads, count};
    if (replace(index, steps, level, &plan, run) == ALEX_OK) {
        index_tree_check(index);
    }
}
