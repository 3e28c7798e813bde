/* SPDX-License-Identifier: Apache-2.0 */
/** @file index_work.c The search compiled with accessors that count, and what an insert does besides. */
#include "support/index_work.h"

#include "base/base.h"

#define LINE_BYTES 64

/** Lines that one search may look at: far more than any does. */
#define SEEN_MAX 4096

/** The lines looked at by the search in progress. */
static struct {
    uintptr_t lines[SEEN_MAX];
    uint32_t count;
} seen;

static void look(const void *address)
{
    uintptr_t line = (uintptr_t)address / LINE_BYTES;
    for (uint32_t i = seen.count; i-- > 0;) {
        if (seen.lines[i] == line) {
            return;
        }
    }
    BASE_ASSERT(seen.count < SEEN_MAX);
    seen.lines[seen.count++] = line;
}

static uint64_t counted_key(const struct index_block *block, uint32_t slot)
{
    look(block->keys);
    return index_block_key(block, slot);
}

static uint64_t counted_payload(const struct index_block *block, uint32_t slot)
{
    look(block->payloads);
    return index_block_payload(block, slot);
}

static uint32_t counted_predict(const struct index_model *model, uint64_t key)
{
    look(model);
    return index_model_predict(model, key);
}

static bool counted_previous_entry(const struct index_node *node, uint32_t *block, uint32_t *slot)
{
    uint32_t from = *block;
    bool found = index_node_previous_entry(node, block, slot);
    for (uint32_t i = *block; i < from; i++) {
        look(node->blocks[i].payloads);
    }
    return found;
}

static unsigned at_most_mask(const struct index_block *block, uint64_t key)
{
    unsigned mask = 0;
    for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS; slot++) {
        mask |= (unsigned)(counted_key(block, slot) <= key) << slot;
    }
    return mask;
}

static unsigned equal_mask(const struct index_block *block, uint64_t key)
{
    unsigned mask = 0;
    for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS; slot++) {
        mask |= (unsigned)(counted_key(block, slot) == key) << slot;
    }
    return mask;
}

/* All that the search reads it reads through these. */
#define index_block_key counted_key
#define index_block_payload counted_payload
#define index_model_predict counted_predict
#define index_node_previous_entry counted_previous_entry
#define SEARCH_TABLE index_search_counting
#include "index/node_search_template.h"
#undef index_block_key
#undef index_block_payload
#undef index_model_predict
#undef index_node_previous_entry

uint32_t index_work_find(const struct index *index, uint64_t key)
{
    seen.count = 0;
    (void)find(&index->root, key);
    return seen.count;
}

double index_work_find_mean(const struct index *index, const uint64_t *keys, size_t count)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < count; i++) {
        lines += index_work_find(index, keys[i]);
    }
    return (double)lines / (double)count;
}

/** Empty blocks before an insert's place whose separators it lowers. */
static uint32_t lowered_blocks(const struct index_node *node, uint32_t block, uint32_t slot, uint64_t key)
{
    uint32_t lowered = 0;
    for (uint32_t i = block; slot == 0 && i > 0; i--) {
        if (index_block_key(&node->blocks[i - 1], INDEX_BLOCK_SLOTS - 1) <= key) {
            break;
        }
        lowered++;
    }
    return lowered;
}

/** Lines that an insert touches beside its search and the slots it moves, where there is a gap. */
static uint32_t lines_in_place(const struct index_step *floor, const struct index_position *position)
{
    uint32_t gap = position->gap_block;
    uint32_t distance = gap > position->block ? gap - position->block : position->block - gap;
    return (position->block - floor->block) + (1 + 2 * distance) +
           lowered_blocks(position->node, position->block, position->slot, position->key);
}

static double lines_of(uint64_t bytes)
{
    return (double)bytes / LINE_BYTES;
}

double index_work_estimate(const struct index *index, uint64_t key)
{
    struct index_step steps[INDEX_LEVELS_MAX];
    struct index_position position;
    seen.count = 0;
    uint64_t found;
    (void)locate(index_root(index), key, steps, &found);
    double lines = seen.count;
    if (!index_tree_place(index, &steps[0], key, &position)) {
        return lines + 2 * lines_of((uint64_t)index_node_count(steps[0].node) * INDEX_SLOT_BYTES);
    }
    uint32_t gap = position.gap_block;
    uint32_t distance = gap > position.block ? gap - position.block : position.block - gap;
    return lines + lines_in_place(&steps[0], &position) +
           lines_of((uint64_t)distance * INDEX_BLOCK_SLOTS * INDEX_SLOT_BYTES);
}

double index_work_set(struct index *index, uint64_t key, uint64_t payload)
{
    struct index_step steps[INDEX_LEVELS_MAX];
    struct index_position position;
    uint64_t changes = index->structure_changes;
    uint64_t moved = index->moved_bytes;
    if (index_prepare(index, key, &position) != ALEX_OK) {
        return -1;
    }
    double lines = 2 * lines_of(index->moved_bytes - moved);
    seen.count = 0;
    uint64_t found;
    (void)locate(index_root(index), key, steps, &found);
    lines += (double)seen.count * (double)(1 + index->structure_changes - changes);
    if (found == 0) {
        lines += lines_in_place(&steps[0], &position);
    }
    moved = index->moved_bytes;
    index_set(index, &position, payload);
    return lines + lines_of(index->moved_bytes - moved);
}
