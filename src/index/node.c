/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file node.c
 * Changing a node's slots in place: insert, spill to a gap, remove, replace a child.
 *
 * Every change happens between write_begin() and write_end(), which make the version odd and even again, so a reader
 * that saw slots in between starts over; the order of the single stores is then free. Each is a release: whoever sees
 * one of them finds the version odd, or moved on.
 */
#include "index/node.h"

#include "base/base.h"

static void write_begin(struct index_node *node)
{
    uint64_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    atomic_store_explicit(&node->version, version | INDEX_VERSION_WRITING, memory_order_relaxed);
    BASE_INTERRUPTIBLE();
}

static void write_end(struct index_node *node)
{
    BASE_INTERRUPTIBLE();
    uint64_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    atomic_store_explicit(&node->version, (version & ~INDEX_VERSION_WRITING) + INDEX_VERSION_STEP,
                          memory_order_release);
}

void index_node_mark_obsolete(struct index_node *node)
{
    uint64_t version = atomic_load_explicit(&node->version, memory_order_relaxed);
    atomic_store_explicit(&node->version, version | INDEX_VERSION_OBSOLETE, memory_order_release);
}

static void set_key(struct index_block *block, uint32_t slot, uint64_t key)
{
    atomic_store_explicit(&block->keys[slot], key, memory_order_release);
}

static void set_payload(struct index_block *block, uint32_t slot, uint64_t payload)
{
    atomic_store_explicit(&block->payloads[slot], payload, memory_order_release);
}

static void copy_slot(struct index_block *to, uint32_t to_slot, const struct index_block *from, uint32_t from_slot)
{
    set_key(to, to_slot, index_block_key(from, from_slot));
    set_payload(to, to_slot, index_block_payload(from, from_slot));
}

static bool block_is_full(const struct index_node *node, uint32_t block)
{
    return !index_slot_is_gap(node, block, INDEX_BLOCK_SLOTS - 1);
}

static bool block_is_empty(const struct index_node *node, uint32_t block)
{
    return index_slot_is_gap(node, block, 0);
}

/** The greatest separator that the gaps of `block` may have. */
static uint64_t key_behind(const struct index_node *node, uint32_t block)
{
    return block == node->model.last_block ? UINT64_MAX : index_block_key(&node->blocks[block + 1], 0);
}

struct index_place index_node_place(const struct index_node *node, struct index_place floor, uint64_t key)
{
    uint32_t count = index_block_count(node, floor.block);
    struct index_place place = {floor.block, floor.slot < count ? floor.slot : count};
    if (place.slot < count) {
        return place;
    }
    /* Behind the block's last entry the key may as well go into an empty block that follows, or before the next entry.
     * Not so an append that is out of the model's range: it would leave the node's rest unused. */
    uint64_t predicted = index_model_project(&node->model, key);
    if (predicted > node->model.last_block) {
        predicted = key > index_node_greatest(node) ? floor.block : node->model.last_block;
    }
    while (place.block < predicted && !block_is_full(node, place.block + 1)) {
        place = (struct index_place){place.block + 1, 0};
        if (!block_is_empty(node, place.block)) {
            break;
        }
    }
    return place;
}

uint32_t index_node_gap(const struct index_node *node, struct index_place place)
{
    uint32_t last = node->model.last_block;
    for (uint32_t distance = 0; distance <= INDEX_SPILL_BLOCKS_MAX; distance++) {
        if (distance <= last - place.block && !block_is_full(node, place.block + distance)) {
            return place.block + distance;
        }
        if (distance <= place.block && !block_is_full(node, place.block - distance)) {
            return place.block - distance;
        }
    }
    return INDEX_NO_BLOCK;
}

/** Restores N7 for the gaps between the entry at or before `block` and the next entry. */
static void refresh_copies(struct index_node *node, uint32_t block)
{
    while (block_is_empty(node, block)) {
        block--;
    }
    uint32_t slot = index_block_count(node, block);
    uint64_t copy = index_block_payload(&node->blocks[block], slot - 1) | INDEX_NODE_GAP;
    do {
        for (; slot < INDEX_BLOCK_SLOTS; slot++) {
            set_payload(&node->blocks[block], slot, copy);
        }
        block++;
        slot = 0;
    } while (block <= node->model.last_block && block_is_empty(node, block));
}

/** Restores N3 for the gaps before `block`, whose first entry is now `key`: where order allows they get the borders
 *  that the model puts between blocks. With `key` itself, one that is to go just before it would have all of them
 *  lowered again. */
static void lower_separators(struct index_node *node, uint32_t block, uint64_t key)
{
    uint32_t from = block;
    while (from > 0 && index_block_key(&node->blocks[from - 1], INDEX_BLOCK_SLOTS - 1) > key) {
        from--;
    }
    if (from == block) {
        return;
    }
    uint32_t before = from;
    uint32_t slot = INDEX_BLOCK_SLOTS;
    /* N1, and behind the entry before; both are at most `key`. */
    uint64_t least = from > 0 ? index_block_key(&node->blocks[from - 1], INDEX_BLOCK_SLOTS - 1) : 0;
    if (index_node_previous_entry(node, &before, &slot)) {
        uint64_t entry_key = index_block_key(&node->blocks[before], slot);
        least = entry_key < least ? least : entry_key + 1;
    }
    double span = index_model_span(&node->model);
    for (; from < block; from++) {
        uint32_t count = index_block_count(node, from);
        uint64_t border = index_model_first_key(&node->model, span, count == 0 ? from : from + 1);
        border = border > least ? border : least;
        border = border < key ? border : key;
        for (slot = count; slot < INDEX_BLOCK_SLOTS; slot++) {
            set_key(&node->blocks[from], slot, border);
        }
    }
}

/** Puts an entry into a slot of a block that has a gap. @return slots moved */
static uint32_t block_insert(struct index_node *node, struct index_place place, uint64_t key, uint64_t payload)
{
    struct index_block *block = &node->blocks[place.block];
    uint32_t count = index_block_count(node, place.block);
    for (uint32_t slot = count; slot > place.slot; slot--) {
        copy_slot(block, slot, block, slot - 1);
    }
    set_key(block, place.slot, key);
    set_payload(block, place.slot, payload);
    /* N3 behind: gaps' keys that are not greater than the new one. */
    if (place.slot == count && count + 1 < INDEX_BLOCK_SLOTS && index_block_key(block, count + 1) <= key) {
        for (uint32_t slot = count + 1; slot < INDEX_BLOCK_SLOTS; slot++) {
            set_key(block, slot, key_behind(node, place.block));
        }
    }
    if (place.slot == 0) {
        lower_separators(node, place.block, key);
    }
    if (node->level > 0) {
        refresh_copies(node, place.block);
    }
    return count - place.slot + 1;
}

/** Makes the last slot of a full block a gap; its key stays as separator. */
static void drop_last(struct index_node *node, uint32_t block)
{
    uint64_t gap =
        node->level == 0 ? 0 : index_block_payload(&node->blocks[block], INDEX_BLOCK_SLOTS - 2) | INDEX_NODE_GAP;
    set_payload(&node->blocks[block], INDEX_BLOCK_SLOTS - 1, gap);
}

/** Takes the first entry out of a full block. */
static void drop_first(struct index_node *node, uint32_t block)
{
    struct index_block *slots = &node->blocks[block];
    for (uint32_t slot = 0; slot + 1 < INDEX_BLOCK_SLOTS; slot++) {
        copy_slot(slots, slot, slots, slot + 1);
    }
    set_key(slots, INDEX_BLOCK_SLOTS - 1, key_behind(node, block));
    drop_last(node, block);
}

/** Makes a gap in `block` out of one in `gap_block` behind it, all between being full. @return slots moved */
static uint32_t spill_right(struct index_node *node, uint32_t block, uint32_t gap_block)
{
    uint32_t moved = 0;
    for (uint32_t i = gap_block; i > block; i--) {
        const struct index_block *from = &node->blocks[i - 1];
        uint64_t key = index_block_key(from, INDEX_BLOCK_SLOTS - 1);
        uint64_t payload = index_block_payload(from, INDEX_BLOCK_SLOTS - 1);
        moved += block_insert(node, (struct index_place){i, 0}, key, payload);
        drop_last(node, i - 1);
    }
    return moved;
}

/** Makes a gap in `block` out of one in `gap_block` before it, all between being full. @return slots moved */
static uint32_t spill_left(struct index_node *node, uint32_t block, uint32_t gap_block)
{
    uint32_t moved = 0;
    for (uint32_t i = gap_block; i < block; i++) {
        uint64_t key = index_block_key(&node->blocks[i + 1], 0);
        uint64_t payload = index_block_payload(&node->blocks[i + 1], 0);
        drop_first(node, i + 1);
        moved += block_insert(node, (struct index_place){i, index_block_count(node, i)}, key, payload);
        moved += INDEX_BLOCK_SLOTS - 1;
    }
    return moved;
}

static void set_count(struct index_node *node, uint32_t count)
{
    atomic_store_explicit(&node->count, count, memory_order_release);
}

/** Keeps the counters that decisions are made from. */
static void count_insert(struct index_node *node, uint64_t key)
{
    uint32_t count = index_node_count(node);
    node->inserted++;
    if (count == 0 || key > index_node_greatest(node)) {
        atomic_store_explicit(&node->greatest, key, memory_order_release);
        node->appended++;
    } else if (key < index_node_least(node)) {
        node->prepended++;
    }
    if (count == 0 || key < index_node_least(node)) {
        atomic_store_explicit(&node->least, key, memory_order_release);
    }
    set_count(node, count + 1);
}

uint32_t index_node_insert(struct index_node *node, struct index_place place, uint32_t gap_block, uint64_t key,
                           uint64_t payload)
{
    uint32_t moved = 0;
    write_begin(node);
    if (gap_block > place.block) {
        if (place.slot == INDEX_BLOCK_SLOTS) {
            place = (struct index_place){place.block + 1, 0};
        }
        moved += spill_right(node, place.block, gap_block);
    } else if (gap_block < place.block) {
        /* A key goes to a block's first slot in the first block only, or where there is a gap. */
        BASE_ASSERT(place.slot > 0);
        moved += spill_left(node, place.block, gap_block);
        place.slot--;
    }
    moved += block_insert(node, place, key, payload);
    count_insert(node, key);
    write_end(node);
    return moved;
}

void index_node_remove(struct index_node *node, uint32_t block, uint32_t slot)
{
    struct index_block *slots = &node->blocks[block];
    uint32_t count = index_block_count(node, block);
    BASE_ASSERT(slot < count);
    write_begin(node);
    if (count == 1) {
        /* The block keeps its range: the removed key separates it from what is before. */
        for (uint32_t i = 1; i < INDEX_BLOCK_SLOTS; i++) {
            set_key(slots, i, index_block_key(slots, 0));
        }
    } else {
        for (uint32_t i = slot; i + 1 < count; i++) {
            copy_slot(slots, i, slots, i + 1);
        }
        uint64_t separator = count < INDEX_BLOCK_SLOTS ? index_block_key(slots, count) : key_behind(node, block);
        set_key(slots, count - 1, separator);
    }
    set_payload(slots, count - 1, node->level == 0 ? 0 : INDEX_NODE_GAP);
    if (node->level > 0) {
        refresh_copies(node, block);
    }
    set_count(node, index_node_count(node) - 1);
    node->removed++;
    write_end(node);
}

void index_node_replace_child(struct index_node *node, uint32_t block, uint32_t slot, const struct index_node *child)
{
    write_begin(node);
    set_payload(&node->blocks[block], slot, index_child_payload(child));
    refresh_copies(node, block);
    write_end(node);
}

void index_node_lower_first(struct index_node *node, uint64_t key)
{
    write_begin(node);
    set_key(&node->blocks[0], 0, key);
    write_end(node);
}

bool index_node_next_entry(const struct index_node *node, uint32_t *block, uint32_t *slot)
{
    uint32_t i = *block;
    uint32_t s = *slot;
    while (s == INDEX_BLOCK_SLOTS || index_payload_is_gap(node->level, index_block_payload(&node->blocks[i], s))) {
        if (i == node->model.last_block) {
            return false;
        }
        i++;
        s = 0;
    }
    *block = i;
    *slot = s;
    return true;
}

bool index_node_previous_entry(const struct index_node *node, uint32_t *block, uint32_t *slot)
{
    uint32_t i = *block;
    uint32_t s = *slot;
    while (s == 0 || block_is_empty(node, i)) {
        if (i == 0) {
            return false;
        }
        i--;
        s = INDEX_BLOCK_SLOTS;
    }
    uint32_t count = index_block_count(node, i);
    *block = i;
    *slot = (s < count ? s : count) - 1;
    return true;
}
