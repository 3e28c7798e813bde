/* SPDX-License-Identifier: Apache-2.0 */
/** @file tree.c The index: finding, entering and removing keys one at a time. */
#include "index/tree.h"

#include "base/base.h"

int index_create(struct index_pool *pool, struct index **out_index)
{
    struct index *index = base_alloc_zeroed(1, sizeof *index);
    if (index == NULL) {
        return ALEX_NO_MEMORY;
    }
    index->pool = pool;
    *out_index = index;
    return ALEX_OK;
}

void index_tree_end(struct index_pool *pool, struct index_node *node,
                    void (*end)(struct index_pool *pool, struct index_node *node))
{
    uint32_t block = 0;
    uint32_t slot = 0;
    while (node->level > 0 && index_node_next_entry(node, &block, &slot)) {
        index_tree_end(pool, index_payload_child(index_block_payload(&node->blocks[block], slot)), end);
        slot++;
    }
    end(pool, node);
}

void index_destroy(struct index *index)
{
    if (index == NULL) {
        return;
    }
    if (index_root(index) != NULL) {
        index_tree_end(index->pool, index_root(index), index_pool_give);
    }
    index_pool_collect(index->pool);
    base_free(index);
}

uint64_t index_count(const struct index *index)
{
    return atomic_load_explicit(&index->count, memory_order_acquire);
}

static void set_count(struct index *index, uint64_t count)
{
    atomic_store_explicit(&index->count, count, memory_order_release);
}

uint64_t index_find(const struct index *index, uint64_t key)
{
    return index_search_chosen()->find(&index->root, key);
}

void index_find_many(const struct index *index, const uint64_t *keys, size_t count, uint64_t *out_payloads)
{
    index_search_chosen()->find_many(&index->root, keys, count, out_payloads);
}

static int create_root(struct index *index, uint64_t key)
{
    struct index_plan plan = index_plan_node(0, &key, 0, INDEX_GROWTH_EVEN);
    struct index_node *root = index_build_node(index->pool, &plan, (struct index_run){0});
    if (root == NULL) {
        return ALEX_NO_MEMORY;
    }
    index_set_root(index, root);
    return ALEX_OK;
}

bool index_tree_place(const struct index *index, const struct index_step *step, uint64_t key,
                      struct index_position *out_position)
{
    struct index_node *node = step->node;
    struct index_place place = index_node_place(node, (struct index_place){step->block, step->slot}, key);
    *out_position = (struct index_position){0, key, node, place.block, place.slot, index_node_gap(node, place)};
    /* An insert that finds room pays for one change at most, so a jump counts only before any. */
    return index_node_count(node) < node->count_max && out_position->gap_block != INDEX_NO_BLOCK &&
           (index->moved_bytes_now > 0 || !index_is_jump(node, key));
}

int index_prepare(struct index *index, uint64_t key, struct index_position *out_position)
{
    struct index_step steps[INDEX_LEVELS_MAX];
    index->moved_bytes_now = 0;
    for (;;) {
        int code;
        if (index_root(index) == NULL) {
            code = create_root(index, key);
        } else {
            uint64_t payload = index_locate(index, key, steps);
            if (payload != 0) {
                *out_position = index_position_of(payload, key, &steps[0]);
                return ALEX_OK;
            }
            if (index_tree_place(index, &steps[0], key, out_position)) {
                return ALEX_OK;
            }
            code = index_tree_make_room(index, steps, 0, key);
        }
        if (code != ALEX_OK) {
            return code;
        }
    }
}

void index_set(struct index *index, const struct index_position *position, uint64_t payload)
{
    BASE_ASSERT(payload != 0);
    struct index_node *node = position->node;
    if (position->payload != 0) {
        atomic_store_explicit(&node->blocks[position->block].payloads[position->slot], payload, memory_order_release);
        return;
    }
    struct index_place place = {position->block, position->slot};
    BASE_ASSERT(position->gap_block != INDEX_NO_BLOCK);
    BASE_DEBUG_ASSERT(position->gap_block == index_node_gap(node, place));
    uint64_t moved =
        (uint64_t)index_node_insert(node, place, position->gap_block, position->key, payload) * INDEX_SLOT_BYTES;
    set_count(index, index_count(index) + 1);
    index->moved_bytes += moved;
    index->moved_bytes_now += moved;
    if (index->moved_bytes_now > index->moved_bytes_max) {
        index->moved_bytes_max = index->moved_bytes_now;
    }
    index->moved_bytes_now = 0;
}

bool index_find_position(struct index *index, uint64_t key, struct index_position *out_position)
{
    struct index_step steps[INDEX_LEVELS_MAX];
    uint64_t payload = index_root(index) == NULL ? 0 : index_locate(index, key, steps);
    if (payload != 0) {
        *out_position = index_position_of(payload, key, &steps[0]);
    }
    return payload != 0;
}

void index_remove_at(struct index *index, const struct index_position *position)
{
    struct index_node *node = position->node;
    index_node_remove(node, position->block, position->slot);
    set_count(index, index_count(index) - 1);
    bool is_empty = index_node_count(node) == 0;
    if (BASE_LIKELY(!is_empty && !index_is_sparse(node))) {
        return;
    }
    struct index_step steps[INDEX_LEVELS_MAX];
    (void)index_locate(index, position->key, steps); /* the way to the node, where the key is no more */
    BASE_ASSERT(steps[0].node == node);
    if (is_empty) {
        index_tree_take_out(index, steps, 0);
    } else {
        index_tree_shrink(index, steps, 0);
    }
}

uint64_t index_remove(struct index *index, uint64_t key)
{
    struct index_position position;
    if (!index_find_position(index, key, &position)) {
        return 0;
    }
    index_remove_at(index, &position);
    return position.payload;
}

struct index_node_range index_tree_range(const struct index_step *steps, uint32_t root_level)
{
    struct index_node_range range = {0, UINT64_MAX};
    if (root_level > 0) {
        range.first = index_block_key(&steps[1].node->blocks[steps[1].block], steps[1].slot);
    }
    for (uint32_t level = 1; level <= root_level; level++) {
        uint32_t block = steps[level].block;
        uint32_t slot = steps[level].slot + 1;
        const struct index_node *node = steps[level].node;
        if (index_node_next_entry(node, &block, &slot)) {
            range.last = index_block_key(&node->blocks[block], slot) - 1;
            break;
        }
    }
    return range;
}
