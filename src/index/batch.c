/* SPDX-License-Identifier: Apache-2.0 */
/** @file batch.c Setting many sorted entries: one way down for each node, and many cache misses at once. */
#include "base/base.h"
#include "index/tree.h"

/** Entries whose ways down are gone together before the first is entered, so that their cache misses overlap. */
#define WARM_ENTRIES 16u

/** Entries that the block of an entry is fetched ahead of entering it, within one node. */
#define AHEAD_ENTRIES 4u

/** Where a batch is. */
struct batch {
    struct index *index;
    const struct index_search *search;
    const struct index_entry *entries;
    size_t count;
    size_t done;
    size_t warm; /**< entries whose ways down have been fetched */
    struct index_step steps[INDEX_LEVELS_MAX];
    bool inside;   /**< steps[0] is the node of the next entry, if its key is at most `last` */
    uint64_t last; /**< key that may come to that node */
};

static void warm_up(struct batch *batch)
{
    uint64_t keys[WARM_ENTRIES];
    uint64_t payloads[WARM_ENTRIES];
    uint32_t count = 0;
    while (count < WARM_ENTRIES && batch->done + count < batch->count) {
        keys[count] = batch->entries[batch->done + count].key;
        count++;
    }
    batch->search->find_many(&batch->index->root, keys, count, payloads);
    batch->warm = batch->done + count;
}

/** Goes down to the node of the next entry unless the last one's serves; false if there is none. */
static bool enter_node(struct batch *batch)
{
    uint64_t key = batch->entries[batch->done].key;
    if (batch->inside && key <= batch->last) {
        size_t ahead = batch->done + AHEAD_ENTRIES;
        if (ahead < batch->count) {
            const struct index_node *node = batch->steps[0].node;
            const struct index_block *block =
                &node->blocks[index_model_predict(&node->model, batch->entries[ahead].key)];
            __builtin_prefetch(block->keys);
            __builtin_prefetch(block->payloads);
        }
        return true;
    }
    const struct index_node *root = index_root(batch->index);
    if (root == NULL) {
        return false;
    }
    if (batch->done >= batch->warm && batch->count - batch->done > 1) {
        warm_up(batch);
    }
    (void)index_locate(batch->index, key, batch->steps);
    batch->last = index_tree_range(batch->steps, root->level).last;
    batch->inside = true;
    return true;
}

/** Sets the next entry in the node that the batch is in; false if it has no room. */
static bool set_in_node(struct batch *batch, uint64_t *out_previous)
{
    const struct index_entry *entry = &batch->entries[batch->done];
    struct index_step *step = &batch->steps[0];
    uint64_t previous = batch->search->locate_in_node(step->node, entry->key, step);
    struct index_position position = index_position_of(previous, entry->key, step);
    if (previous == 0 && !index_tree_place(batch->index, step, entry->key, &position)) {
        return false;
    }
    index_set(batch->index, &position, entry->payload);
    *out_previous = previous;
    return true;
}

int index_set_many(struct index *index, const struct index_entry *entries, size_t count, uint64_t *out_previous,
                   size_t *out_done)
{
    struct batch batch = {.index = index, .search = index_search_chosen(), .entries = entries, .count = count};
    int code = ALEX_OK;
    index->moved_bytes_now = 0;
    for (; batch.done < count; batch.done++) {
        uint64_t previous = 0;
        if (!enter_node(&batch) || !set_in_node(&batch, &previous)) {
            struct index_position position;
            code = index_prepare(index, entries[batch.done].key, &position);
            if (code != ALEX_OK) {
                break;
            }
            index_set(index, &position, entries[batch.done].payload);
            batch.inside = false;
        }
        if (out_previous != NULL) {
            out_previous[batch.done] = previous;
        }
    }
    *out_done = batch.done;
    return code;
}
