/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file node_build.c
 * Writing a new node from sorted entries, and reading one back.
 *
 * Entries go, in order, into the block that the model predicts. Where more are predicted for a block than it takes, the
 * rest go on into the next ones; near the node's end they go before it as far as needed. A block takes fewer of such
 * entries than of its own, and one block in four keeps a gap even from its own: so wherever keys crowd, inserts find a
 * gap near by, and a rebuild for want of one always helps.
 */
#include "index/node.h"

#include "base/base.h"

/** Entries that a block takes which are predicted elsewhere. */
#define STRAY_ENTRIES_MAX 6u

/** A build in progress: the block being filled. */
struct builder {
    struct index_node *node;
    uint32_t block;
    uint32_t count;     /**< entries in it */
    bool any;           /**< an entry has been placed; the next two are the last one's */
    uint64_t greatest;  /**< key */
    uint64_t child;     /**< payload */
    uint32_t stray_max; /**< see STRAY_ENTRIES_MAX; more where the node is to be denser */
    double span;        /**< index_model_span() */
    bool open_end;      /**< the gaps to come are for appends, which choose their block themselves */
};

static void fill_gaps(struct builder *builder, uint64_t separator, uint64_t next)
{
    uint64_t least = builder->greatest == UINT64_MAX ? UINT64_MAX : builder->greatest + builder->any;
    uint64_t key = separator < least ? least : separator;
    key = key < next ? key : next;
    struct index_block *block = &builder->node->blocks[builder->block];
    uint64_t payload = builder->node->level == 0 ? 0 : builder->child | INDEX_NODE_GAP;
    for (uint32_t slot = builder->count; slot < INDEX_BLOCK_SLOTS; slot++) {
        atomic_store_explicit(&block->keys[slot], key, memory_order_relaxed);
        atomic_store_explicit(&block->payloads[slot], payload, memory_order_relaxed);
    }
}

/** Goes on to `block`, closing the blocks before it. `next` is the key of the entry to come. */
static void advance(struct builder *builder, uint32_t block, uint64_t next)
{
    const struct index_model *model = &builder->node->model;
    while (builder->block < block) {
        if (builder->count < INDEX_BLOCK_SLOTS) {
            uint32_t separates = builder->count == 0 ? builder->block : builder->block + 1;
            fill_gaps(builder, builder->open_end ? next : index_model_first_key(model, builder->span, separates), next);
        }
        builder->block++;
        builder->count = 0;
    }
}

/** Entries that a block takes which are predicted there. */
static uint32_t own_capacity(const struct builder *builder, uint32_t block)
{
    uint32_t capacity = block % 4 == 3 ? INDEX_BLOCK_SLOTS - 1 : INDEX_BLOCK_SLOTS;
    return capacity > builder->stray_max ? capacity : builder->stray_max;
}

static void place_entries(struct builder *builder, struct index_run run)
{
    struct index_node *node = builder->node;
    const struct index_model model = node->model;
    const uint32_t stray_max = builder->stray_max;
    /* The last block where an entry may go if those behind it are to find room: one more each `stray_max` entries. */
    uint32_t limit = model.last_block - (run.count - 1) / stray_max;
    uint32_t until_next = (run.count - 1) % stray_max;
    uint32_t block = 0;
    uint32_t count = 0; /* in the block */
    uint32_t own_max = own_capacity(builder, 0);
    struct index_block *slots = node->blocks;
    for (uint32_t i = 0; i < run.count; i++) {
        uint64_t key = run.keys[i];
        uint32_t predicted = index_model_predict(&model, key);
        if (BASE_UNLIKELY(i == 0) && node->level > 0) {
            predicted = 0; /* N7 */
        } else if (BASE_UNLIKELY(key == UINT64_MAX)) {
            predicted = model.last_block; /* N4 */
        }
        uint32_t next = predicted > block ? predicted : block;
        next = next < limit ? next : limit;
        if (next == block && count >= (predicted == block ? own_max : stray_max)) {
            next++;
        }
        if (next != block) {
            if (i > 0) {
                builder->any = true;
                builder->greatest = run.keys[i - 1];
                builder->child = run.payloads[i - 1];
            }
            builder->count = count;
            advance(builder, next, key);
            block = next;
            count = 0;
            own_max = own_capacity(builder, block);
            slots = &node->blocks[block];
        }
        atomic_store_explicit(&slots->keys[count], key, memory_order_relaxed);
        atomic_store_explicit(&slots->payloads[count], run.payloads[i], memory_order_relaxed);
        count++;
        if (until_next > 0) {
            until_next--;
        } else {
            limit++;
            until_next = stray_max - 1;
        }
    }
    builder->count = count;
    builder->any = true;
    builder->greatest = run.keys[run.count - 1];
    builder->child = run.payloads[run.count - 1];
}

void index_node_build(struct index_node *node, const struct index_plan *plan, struct index_run run)
{
    uint32_t blocks = plan->model.last_block + 1;
    BASE_ASSERT(run.count <= plan->count_max && plan->count_max <= blocks * INDEX_BLOCK_SLOTS);
    atomic_store_explicit(&node->version, 0, memory_order_relaxed);
    node->model = plan->model;
    node->level = plan->level;
    atomic_store_explicit(&node->count, run.count, memory_order_relaxed);
    node->count_max = plan->count_max;
    node->count_built = run.count;
    node->growth = plan->growth;
    node->inserted = node->appended = node->prepended = node->removed = 0;
    atomic_store_explicit(&node->least, run.count > 0 ? run.keys[0] : 0, memory_order_relaxed);
    atomic_store_explicit(&node->greatest, run.count > 0 ? run.keys[run.count - 1] : 0, memory_order_relaxed);
    uint32_t needed = (run.count + blocks - 1) / blocks;
    struct builder builder = {.node = node,
                              .span = index_model_span(&node->model),
                              .stray_max = needed > STRAY_ENTRIES_MAX ? needed : STRAY_ENTRIES_MAX};
    if (run.count > 0) {
        place_entries(&builder, run);
    }
    builder.open_end = plan->growth == INDEX_GROWTH_APPEND;
    advance(&builder, blocks, UINT64_MAX);
}

uint32_t index_node_entries(const struct index_node *node, uint64_t *out_keys, uint64_t *out_payloads)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i <= node->model.last_block; i++) {
        const struct index_block *block = &node->blocks[i];
        for (uint32_t slot = 0; slot < INDEX_BLOCK_SLOTS; slot++) {
            uint64_t payload = index_block_payload(block, slot);
            if (index_payload_is_gap(node->level, payload)) {
                break;
            }
            out_keys[count] = index_block_key(block, slot);
            out_payloads[count] = payload;
            count++;
        }
    }
    return count;
}
