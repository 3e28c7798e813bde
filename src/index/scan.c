/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan.c Walking the entries in order, either way, and counting ranges. */
#include "base/base.h"
#include "index/tree.h"

/** Moves the way down at `level` and below to the next child's first, or the one before's last slot; false at the
 * tree's end. */
static bool step_over(struct index_step *steps, uint32_t level, uint32_t root_level, bool forward)
{
    uint32_t up = level + 1;
    for (; up <= root_level; up++) {
        struct index_step *step = &steps[up];
        if (forward) {
            uint32_t block = step->block;
            uint32_t slot = step->slot + 1;
            if (index_node_next_entry(step->node, &block, &slot)) {
                step->block = block;
                step->slot = slot;
                break;
            }
        } else if (index_node_previous_entry(step->node, &step->block, &step->slot)) {
            break;
        }
    }
    if (up > root_level) {
        return false;
    }
    for (; up > level; up--) {
        const struct index_step *step = &steps[up];
        struct index_node *child =
            index_payload_child(index_block_payload(&step->node->blocks[step->block], step->slot));
        steps[up - 1] = (struct index_step){.node = child};
        if (!forward) {
            struct index_step *below = &steps[up - 1];
            below->block = child->model.last_block;
            below->slot = INDEX_BLOCK_SLOTS;
            if (up - 1 > 0) {
                (void)index_node_previous_entry(child, &below->block, &below->slot);
            }
        }
    }
    return true;
}

/** Copies entries from `block` on, as many as fit, those of the first block only from the key `from`. @return their
 * number */
static size_t copy_forward(const struct index_node *node, uint32_t block, uint64_t from,
                           struct index_entry *out_entries, size_t capacity)
{
    size_t copied = 0;
    for (uint32_t i = block; i <= node->model.last_block && copied < capacity; i++) {
        const struct index_block *slots = &node->blocks[i];
        __builtin_prefetch(slots + 4);
        __builtin_prefetch((const char *)(slots + 4) + 64);
        for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS && copied < capacity; slot++) {
            struct index_entry entry = {index_block_key(slots, slot), index_block_payload(slots, slot)};
            if (entry.payload == 0) {
                break;
            }
            if (i == block && entry.key < from) {
                continue;
            }
            out_entries[copied++] = entry;
        }
    }
    return copied;
}

/** Copies entries from `block` backwards, those of that block only from the key `from`. @return their number */
static size_t copy_backward(const struct index_node *node, uint32_t block, uint64_t from,
                            struct index_entry *out_entries, size_t capacity)
{
    size_t copied = 0;
    for (uint32_t i = block + 1; i-- > 0 && copied < capacity;) {
        const struct index_block *slots = &node->blocks[i];
        for (uint32_t slot = index_block_count(node, i); slot-- > 0 && copied < capacity;) {
            struct index_entry entry = {index_block_key(slots, slot), index_block_payload(slots, slot)};
            if (i != block || entry.key <= from) {
                out_entries[copied++] = entry;
            }
        }
    }
    return copied;
}

size_t index_scan(const struct index *index, uint64_t from, enum index_direction direction,
                  struct index_entry *out_entries, size_t capacity)
{
    struct index_node *root = index_root(index);
    if (root == NULL) {
        return 0;
    }
    bool forward = direction == INDEX_ASCENDING;
    struct index_step steps[INDEX_LEVELS_MAX];
    (void)index_search_chosen()->locate(root, from, steps);
    uint32_t block = steps[0].block;
    size_t copied = 0;
    for (;;) {
        const struct index_node *node = steps[0].node;
        copied += forward ? copy_forward(node, block, from, out_entries + copied, capacity - copied)
                          : copy_backward(node, block, from, out_entries + copied, capacity - copied);
        if (copied == capacity || !step_over(steps, 0, root->level, forward)) {
            return copied;
        }
        block = forward ? 0 : steps[0].node->model.last_block;
    }
}

/** Entries of a data node from `first` to `last`. */
static uint64_t count_in_node(const struct index_node *node, uint64_t first, uint64_t last)
{
    if (node->count > 0 && first <= node->least && node->greatest <= last) {
        return node->count;
    }
    const struct index_search *search = index_search_chosen();
    struct index_step from;
    struct index_step to;
    (void)search->locate_in_node(node, first, &from);
    (void)search->locate_in_node(node, last, &to);
    uint64_t count = 0;
    for (uint32_t block = from.block; block <= to.block; block++) {
        uint32_t entries = index_block_count(node, block);
        if (block != from.block && block != to.block) {
            count += entries;
            continue;
        }
        for (uint32_t slot = 0; slot < entries; slot++) {
            uint64_t key = index_block_key(&node->blocks[block], slot);
            count += first <= key && key <= last;
        }
    }
    return count;
}

uint64_t index_count_range(const struct index *index, uint64_t first, uint64_t last)
{
    struct index_node *root = index_root(index);
    if (root == NULL || first > last) {
        return 0;
    }
    struct index_step steps[INDEX_LEVELS_MAX];
    (void)index_search_chosen()->locate(root, first, steps);
    uint64_t count = 0;
    do {
        const struct index_node *node = steps[0].node;
        count += count_in_node(node, first, last);
        if (node->greatest >= last) {
            break;
        }
    } while (step_over(steps, 0, root->level, true));
    return count;
}
