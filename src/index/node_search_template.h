/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search, written once. A file that includes this has defined
 *
 *   SEARCH_TABLE                 the name of its struct index_search
 *   at_most_mask(keys, key)      a bit for each of a block's 8 keys that is <= key
 *   equal_mask(keys, key)        a bit for each that is == key
 *
 * It starts at the model's block. By N1 to N4 (node.h), if the block's first key is at most the key and its last key is
 * greater, that one line decides. If not, growing steps outwards enclose the block, then cutting the range in parts
 * finds it: O(log blocks) reads one after the other, whatever the model is worth.
 */

/** All keys of a block are at most the key. */
#define MASK_ALL 0xFFu

static inline uint64_t first_key(const struct index_node *node, uint32_t block)
{
    return index_block_key(&node->blocks[block], 0);
}

/** How much farther each step outwards goes than the one before. */
#define STEP_GROWTH 4u

/** Parts that a range of blocks is cut into at once: the reads of their first keys don't wait for each other. */
#define RANGE_PARTS 8u

/** The last block in [low, high) whose first key is at most `key`, given that `low` is such a block. */
static uint32_t narrow(const struct index_node *node, uint64_t key, uint32_t low, uint32_t high)
{
    while (high - low > 1) {
        uint32_t part = (high - low + RANGE_PARTS - 1) / RANGE_PARTS;
        uint32_t parts = 0;
        for (uint32_t i = 1; i < RANGE_PARTS; i++) {
            uint32_t probe = low + i * part;
            parts += probe < high && first_key(node, probe) <= key;
        }
        low += parts * part;
        high = low + part < high ? low + part : high;
    }
    return low;
}

/** The last block whose first key is at most `key`, given that `block` is such a block. */
static uint32_t search_right(const struct index_node *node, uint64_t key, uint32_t block)
{
    uint32_t last = node->model.last_block;
    for (uint32_t step = 1; block < last; step *= STEP_GROWTH) {
        uint32_t next = step < last - block ? block + step : last;
        if (first_key(node, next) > key) {
            return narrow(node, key, block, next);
        }
        block = next;
    }
    return block;
}

/** The last block whose first key is at most `key`, or 0, given that `block` is not such a block. */
static uint32_t search_left(const struct index_node *node, uint64_t key, uint32_t block)
{
    for (uint32_t step = 1; block > 0; step *= STEP_GROWTH) {
        uint32_t next = step < block ? block - step : 0;
        if (first_key(node, next) <= key) {
            return narrow(node, key, next, block);
        }
        block = next;
    }
    return 0;
}

/** The block where the search of a node begins. */
static inline uint32_t start_block(const struct index_node *node, uint64_t key)
{
#ifdef INDEX_BISECT
    /* The benchmark builds this variant to measure what the models are worth: it finds the very block, without them. */
    uint32_t block = 0;
    for (uint32_t left = index_node_blocks(node); left > 1;) {
        uint32_t half = left / 2;
        block += first_key(node, block + half) <= key ? half : 0;
        left -= half;
    }
    return block;
#else
    return index_model_predict(&node->model, key);
#endif
}

/** Whether a block with this at_most_mask() is the last whose first key is at most the key: no other one matters. */
static inline bool is_floor(unsigned mask)
{
    return mask != 0 && mask != MASK_ALL;
}

/** From a block that isn't known to be it, to the last block whose first key is at most `key`, or 0. Sets the mask from
 *  the one's at_most_mask() to the other's. */
static inline uint32_t search_outwards(const struct index_node *node, uint64_t key, uint32_t block, unsigned *mask)
{
    uint32_t floor = *mask == 0 ? search_left(node, key, block) : search_right(node, key, block);
    if (floor != block) {
        *mask = at_most_mask(&node->blocks[floor], key);
    }
    return floor;
}

/** The last block whose first key is at most `key`, or 0, and that block's at_most_mask(). */
static inline uint32_t floor_block(const struct index_node *node, uint32_t predicted, uint64_t key, unsigned *out_mask)
{
    *out_mask = at_most_mask(&node->blocks[predicted], key);
    return is_floor(*out_mask) ? predicted : search_outwards(node, key, predicted, out_mask);
}

/** The slot of an inner node's block whose child is the key's: the last one at most the key, or 0. */
static inline uint32_t floor_slot(unsigned mask)
{
    unsigned count = (unsigned)__builtin_popcount(mask);
    return count > 0 ? count - 1 : 0; /* unreached: by T3 there is one, but not for who reads amid a change */
}

/** The child for the key; NULL if a writer was met or, with `only_predicted`, the predicted block doesn't tell. */
static inline const struct index_node *child_of(const struct index_node *node, uint64_t key, bool only_predicted)
{
    uint64_t version;
    if (BASE_UNLIKELY(!index_read_begin(node, &version))) {
        return NULL;
    }
    uint32_t block = start_block(node, key);
    __builtin_prefetch(&node->blocks[block].payloads);
    unsigned mask = at_most_mask(&node->blocks[block], key);
    if (BASE_UNLIKELY(!is_floor(mask))) {
        if (only_predicted) {
            return NULL;
        }
        block = search_outwards(node, key, block, &mask);
    }
    uint64_t payload = index_block_payload(&node->blocks[block], floor_slot(mask));
    return BASE_LIKELY(index_read_holds(node, version)) ? index_payload_child(payload) : NULL;
}

/** The payload of a key in a block of a data node; 0: it isn't there, or the slot is a gap. */
static inline uint64_t payload_in(const struct index_block *block, uint64_t key)
{
    unsigned equal = equal_mask(block, key);
    return equal != 0 ? index_block_payload(block, (uint32_t)__builtin_ctz(equal)) : 0;
}

/** The key's payload in a data node, 0 if absent, where it is predicted in this block. @return false if a writer was
 *  met or, with `only_predicted`, that block doesn't tell */
static inline bool find_in_data_node(const struct index_node *node, uint32_t predicted, uint64_t key,
                                     bool only_predicted, uint64_t *out_payload)
{
    uint64_t version;
    if (BASE_UNLIKELY(!index_read_begin(node, &version))) {
        return false;
    }
    uint64_t payload = payload_in(&node->blocks[predicted], key);
    if (payload == 0) {
        unsigned mask = at_most_mask(&node->blocks[predicted], key);
        if (BASE_UNLIKELY(!is_floor(mask))) {
            if (only_predicted) {
                return false;
            }
            payload = payload_in(&node->blocks[search_outwards(node, key, predicted, &mask)], key);
        }
    }
    *out_payload = payload;
    return index_read_holds(node, version);
}

/** Goes down from a node on the key's way. @return false as above */
static inline bool find_below(const struct index_node *node, uint64_t key, uint64_t *out_payload)
{
    while (node->level > 0) {
        node = child_of(node, key, false);
        if (BASE_UNLIKELY(node == NULL)) {
            return false;
        }
    }
    uint32_t predicted = start_block(node, key);
    __builtin_prefetch(&node->blocks[predicted].payloads);
    return find_in_data_node(node, predicted, key, false, out_payload);
}

/** Finds the key below a node on its way; if a writer is met, anew from the root. Apart, so that find() needs no
 *  registers and no stack for what seldom happens. */
static __attribute__((noinline)) uint64_t find_from(const index_root_slot *root, const struct index_node *node,
                                                    uint64_t key)
{
    uint64_t payload = 0;
    for (uint32_t tries = 0; node != NULL; tries++) {
        if (BASE_LIKELY(find_below(node, key, &payload))) {
            return payload;
        }
        os_thread_pause(tries);
        node = atomic_load_explicit(root, memory_order_acquire);
    }
    return 0;
}

static uint64_t find(const index_root_slot *root, uint64_t key)
{
    const struct index_node *node = atomic_load_explicit(root, memory_order_acquire);
    if (BASE_UNLIKELY(node == NULL)) {
        return 0;
    }
    while (node->level > 0) {
        const struct index_node *child = child_of(node, key, true);
        if (BASE_UNLIKELY(child == NULL)) {
            return find_from(root, node, key);
        }
        node = child;
    }
    uint64_t payload;
    uint32_t predicted = start_block(node, key);
    __builtin_prefetch(&node->blocks[predicted].payloads);
    bool is_found = find_in_data_node(node, predicted, key, true, &payload);
    return BASE_LIKELY(is_found) ? payload : find_from(root, node, key);
}

/** Lookups that go down together. */
#define GROUP 8u

/** Where the lookups of a group will look. */
struct group {
    const struct index_node *nodes[GROUP]; /**< NULL where a writer was met, or nothing is there */
    uint32_t blocks[GROUP];
};

/** Goes down to the data nodes, and asks for the blocks. Only those are far from the processor, and the ways down don't
 *  wait for each other. */
static void group_go_down(const index_root_slot *root, const uint64_t *keys, size_t count, struct group *out_group)
{
    const struct index_node *top = atomic_load_explicit(root, memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
        out_group->nodes[i] = top;
    }
    for (uint32_t level = top == NULL ? 0 : top->level; level > 0; level--) {
        for (size_t i = 0; i < count; i++) {
            if (BASE_LIKELY(out_group->nodes[i] != NULL)) { /* unreached: a writer met at this moment, by chance only */
                out_group->nodes[i] = child_of(out_group->nodes[i], keys[i], false);
                __builtin_prefetch(out_group->nodes[i]);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct index_node *node = out_group->nodes[i];
        if (BASE_UNLIKELY(node == NULL)) {
            continue;
        }
        uint32_t block = start_block(node, keys[i]);
        __builtin_prefetch(&node->blocks[block].keys);
        __builtin_prefetch(&node->blocks[block].payloads);
        out_group->blocks[i] = block;
    }
}

/** While the blocks of one group are on their way, the next one goes down. */
static void find_many(const index_root_slot *root, const uint64_t *keys, size_t count, uint64_t *out_payloads)
{
    struct group groups[2];
    size_t size = count < GROUP ? count : GROUP;
    group_go_down(root, keys, size, &groups[0]);
    for (size_t done = 0, turn = 0; done < count; turn ^= 1) {
        size_t next = done + size;
        size_t next_size = count - next < GROUP ? count - next : GROUP;
        group_go_down(root, keys + next, next_size, &groups[turn ^ 1]);
        const struct group *group = &groups[turn];
        for (size_t i = 0; i < size; i++) {
            if (BASE_UNLIKELY(group->nodes[i] == NULL ||
                              !find_in_data_node(group->nodes[i], group->blocks[i], keys[done + i], false,
                                                 &out_payloads[done + i]))) {
                out_payloads[done + i] = find(root, keys[done + i]);
            }
        }
        done = next;
        size = next_size;
    }
}

/** Asks for what an insert may look at behind its own block: its neighbours' payloads, which tell whether they are
 *  full. */
static inline void prefetch_neighbours(const struct index_node *node, uint32_t block)
{
    __builtin_prefetch(&node->blocks[block > 0 ? block - 1 : 0].payloads);
    __builtin_prefetch(&node->blocks[block < node->model.last_block ? block + 1 : block].payloads);
}

static uint64_t locate_in_node(const struct index_node *node, uint64_t key, struct index_step *out_step)
{
    unsigned mask;
    uint32_t predicted = start_block(node, key);
    __builtin_prefetch(&node->blocks[predicted].payloads);
    prefetch_neighbours(node, predicted);
    out_step->block = floor_block(node, predicted, key, &mask);
    const struct index_block *block = &node->blocks[out_step->block];
    unsigned equal = equal_mask(block, key);
    if (equal == 0) {
        out_step->slot = (uint32_t)__builtin_popcount(mask);
        return 0;
    }
    out_step->slot = (uint32_t)__builtin_ctz(equal);
    return index_block_payload(block, out_step->slot);
}

static bool locate(struct index_node *root, uint64_t key, struct index_step *out_steps, uint64_t *out_payload)
{
    struct index_node *node = root;
    while (node->level > 0) {
        struct index_step *step = &out_steps[node->level];
        unsigned mask;
        step->node = node;
        if (BASE_UNLIKELY(!index_read_begin(node, &step->version))) {
            return false;
        }
        step->block = floor_block(node, start_block(node, key), key, &mask);
        step->slot = floor_slot(mask);
        uint64_t payload = index_block_payload(&node->blocks[step->block], step->slot);
        if ((payload & INDEX_NODE_GAP) != 0) {
            (void)index_node_previous_entry(node, &step->block, &step->slot);
        }
        if (BASE_UNLIKELY(!index_read_holds(node, step->version))) {
            return false;
        }
        node = index_payload_child(payload);
    }
    struct index_step *step = &out_steps[0];
    step->node = node;
    if (BASE_UNLIKELY(!index_read_begin(node, &step->version))) {
        return false;
    }
    *out_payload = locate_in_node(node, key, step);
    return index_read_holds(node, step->version);
}

const struct index_search SEARCH_TABLE = {find, find_many, locate, locate_in_node};
