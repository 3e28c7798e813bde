/* SPDX-License-Identifier: Apache-2.0 */
/** @file scan.c Walking the entries in order, either way, and counting ranges. */
#include "base/base.h"
#include "index/tree.h"

/** Where a reader is: a way down that was true as a whole, and what it says. */
struct reader {
    struct index_step steps[INDEX_LEVELS_MAX];
    struct index_node_range range; /**< of the data node in steps[0] */
};

/** Goes down to the data node of `key`. @return false if the index is empty */
static bool go_down(const struct index *index, uint64_t key, struct reader *out_reader)
{
    const struct index_search *search = index_search_chosen();
    for (uint32_t tries = 0;; tries++) {
        struct index_node *root = index_root(index);
        if (root == NULL) {
            return false;
        }
        uint64_t payload;
        bool holds = search->locate(root, key, out_reader->steps, &payload);
        if (holds) {
            out_reader->range = index_tree_range(out_reader->steps, root->level);
            for (uint32_t level = 1; level <= root->level; level++) {
                holds &= index_read_holds(out_reader->steps[level].node, out_reader->steps[level].version);
            }
        }
        if (holds) {
            return true;
        }
        os_thread_pause(tries);
    }
}

/** Whether the data node is still as it was when the way down was gone. */
static bool still_there(const struct reader *reader)
{
    return index_read_holds(reader->steps[0].node, reader->steps[0].version);
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
    bool forward = direction == INDEX_ASCENDING;
    size_t copied = 0;
    struct reader reader;
    while (copied < capacity && go_down(index, from, &reader)) {
        const struct index_node *node = reader.steps[0].node;
        uint32_t block = reader.steps[0].block;
        struct index_entry *out = out_entries + copied;
        size_t entries = forward ? copy_forward(node, block, from, out, capacity - copied)
                                 : copy_backward(node, block, from, out, capacity - copied);
        if (!still_there(&reader)) {
            continue;
        }
        copied += entries;
        /* The node may have taken over a neighbour's range since, and entries in it. */
        uint64_t end = forward ? reader.range.last : reader.range.first;
        /* unreached: a node that does so, and is filled there, between the way down and the copy */
        if (entries > 0 && (forward ? out[entries - 1].key > end : out[entries - 1].key < end)) {
            end = out[entries - 1].key;
        }
        if (end == (forward ? UINT64_MAX : 0)) {
            break;
        }
        from = forward ? end + 1 : end - 1;
    }
    return copied;
}

/** Entries of a data node from `first` to `last`. */
static uint64_t count_in_node(const struct index_node *node, uint64_t first, uint64_t last)
{
    uint32_t all = index_node_count(node);
    if (all > 0 && first <= index_node_least(node) && index_node_greatest(node) <= last) {
        return all;
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
    uint64_t count = 0;
    struct reader reader;
    while (first <= last && go_down(index, first, &reader)) {
        uint64_t end = reader.range.last < last ? reader.range.last : last;
        uint64_t entries = count_in_node(reader.steps[0].node, first, end);
        if (!still_there(&reader)) {
            continue;
        }
        count += entries;
        if (end == last) {
            break;
        }
        first = end + 1;
    }
    return count;
}
