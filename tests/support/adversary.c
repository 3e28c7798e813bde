/* SPDX-License-Identifier: Apache-2.0 */
/** @file adversary.c How each aim chooses its next key. */
#include "support/adversary.h"

#include "support/index_work.h"
#include "support/keysets.h"

/** AIM_CLUSTERS: keys around one centre. */
#define CLUSTER_KEYS 2000

/** AIM_WORK: keys of a sample, a third each of the last key's node, of the largest node, and of any. */
#define SAMPLE_KEYS 48

/** AIM_END: distance of appended keys; free blocks from which on they are filled, and down to which. */
#define APPEND_STRIDE 1
#define FREE_BLOCKS_MANY 300u
#define FREE_BLOCKS_FEW 8u

static const char *const names[AIMS] = {"largest",    "fullest",  "stay", "oldest", "inner",
                                        "mispredict", "clusters", "work", "end"};

const char *adversary_name(enum aim aim)
{
    return names[aim];
}

struct target {
    const struct index_node *node;
    uint64_t worth;
};

static uint32_t distance(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

/** `misfit` is how far the node's entry in its parent lies from where the parent's model has it. */
static uint64_t worth_of(const struct index_node *node, enum aim aim, uint32_t misfit)
{
    switch (aim) {
    case AIM_FULLEST:
        return (uint64_t)index_node_count(node) * 10000 / node->count_max;
    case AIM_OLDEST:
        return node->inserted;
    case AIM_INNER:
        return (uint64_t)misfit << 32 | index_node_count(node);
    default:
        return index_node_count(node);
    }
}

static void choose_node(const struct index_node *node, enum aim aim, uint32_t misfit, struct target *target)
{
    if (node->level == 0) {
        uint64_t worth = worth_of(node, aim, misfit);
        if (target->node == NULL || worth > target->worth) {
            *target = (struct target){node, worth};
        }
        return;
    }
    uint32_t block = 0;
    for (uint32_t slot = 0; index_node_next_entry(node, &block, &slot); slot++) {
        const struct index_block *entries = &node->blocks[block];
        uint32_t predicted = index_model_predict(&node->model, index_block_key(entries, slot));
        choose_node(index_payload_child(index_block_payload(entries, slot)), aim, distance(predicted, block), target);
    }
}

/** The data node of a key. */
static const struct index_node *node_of(const struct index *index, uint64_t key)
{
    struct index_step steps[INDEX_LEVELS_MAX];
    (void)index_locate(index, key, steps);
    return steps[0].node;
}

/** Slots that an insert at the end of this block would move; the whole node's if there is no gap near. */
static uint64_t insert_cost(const struct index_node *node, uint32_t block)
{
    struct index_place place = {block, index_block_count(node, block)};
    uint32_t gap = index_node_gap(node, place);
    return gap == INDEX_NO_BLOCK ? index_node_count(node) : 8 * (uint64_t)distance(gap, block);
}

/** An absent key right behind one of the block's entries; false if all keys there are taken. */
static bool free_key(const struct index *index, const struct index_node *node, uint32_t block, uint64_t *out_key)
{
    for (uint32_t slot = index_block_count(node, block); slot-- > 0;) {
        uint64_t key = index_block_key(&node->blocks[block], slot);
        if (key < UINT64_MAX && index_find(index, key + 1) == 0) {
            *out_key = key + 1;
            return true;
        }
    }
    return false;
}

/** The key of the node's costliest block: by its gap's distance, or by how far entries are from their prediction. */
static bool worst_key(const struct index *index, const struct index_node *node, bool by_prediction, uint64_t *out_key)
{
    uint64_t worst = 0;
    bool found = false;
    for (uint32_t block = 0; block < index_node_blocks(node); block++) {
        uint32_t count = index_block_count(node, block);
        uint64_t cost = insert_cost(node, block);
        if (by_prediction && count > 0) {
            uint64_t last = index_block_key(&node->blocks[block], count - 1);
            cost += (uint64_t)distance(index_model_predict(&node->model, last), block) << 32;
        }
        if ((!found || cost > worst) && free_key(index, node, block, out_key)) {
            worst = cost;
            found = true;
        }
    }
    return found;
}

static bool next_in_node(const struct adversary *adversary, const struct index *index, uint64_t *out_key)
{
    struct target target = {0};
    /* Where models mispredict, keys make it worse only as long as the node stays; now and then another is tried. */
    bool stays = adversary->aim == AIM_STAY || (adversary->aim == AIM_MISPREDICT && adversary->turns % 1000 != 0);
    if (stays) {
        target.node = node_of(index, adversary->last);
    } else {
        choose_node(index_root(index), adversary->aim, 0, &target);
    }
    return worst_key(index, target.node, adversary->aim == AIM_MISPREDICT, out_key);
}

static uint64_t next_in_cluster(struct adversary *adversary, const struct index *index)
{
    if (adversary->turns % CLUSTER_KEYS == 0) {
        struct target target = {0};
        choose_node(index_root(index), AIM_LARGEST, 0, &target);
        adversary->centre = index_node_least(target.node);
        adversary->width = (index_node_greatest(target.node) - index_node_least(target.node)) | 1;
    }
    unsigned bits = 64 - (unsigned)__builtin_clzll(adversary->width);
    uint64_t width = adversary->width >> keyset_random(&adversary->random) % bits;
    return adversary->centre + keyset_random(&adversary->random) % width;
}

/** A key behind an entry of a random block of the node. */
static bool random_key(struct adversary *adversary, const struct index *index, const struct index_node *node,
                       uint64_t *out_key)
{
    return free_key(index, node, (uint32_t)(keyset_random(&adversary->random) % index_node_blocks(node)), out_key);
}

static bool next_by_work(struct adversary *adversary, const struct index *index, uint64_t *out_key)
{
    struct target largest = {0};
    double worst = 0;
    choose_node(index_root(index), AIM_LARGEST, 0, &largest);
    uint64_t key = adversary->last + 1;
    bool any = index_find(index, key) == 0;
    for (int i = 0; i < SAMPLE_KEYS; i++) {
        double work = any ? index_work_estimate(index, key) : 0;
        if (work > worst) {
            *out_key = key;
            worst = work;
        }
        const struct index_node *nodes[] = {node_of(index, adversary->last), largest.node,
                                            node_of(index, keyset_random(&adversary->random))};
        any = random_key(adversary, index, nodes[i % 3], &key);
    }
    return worst > 0;
}

/** Free blocks at the node's end. */
static uint32_t free_blocks(const struct index_node *node)
{
    uint32_t block = node->model.last_block;
    uint32_t slot = INDEX_BLOCK_SLOTS;
    return index_node_previous_entry(node, &block, &slot) ? node->model.last_block - block : 0;
}

static uint64_t next_at_end(struct adversary *adversary, const struct index *index)
{
    const struct index_node *node = node_of(index, UINT64_MAX);
    if (adversary->filling) {
        struct index_step steps[INDEX_LEVELS_MAX];
        struct index_position position;
        uint64_t key = adversary->last - 1;
        (void)index_locate(index, key, steps);
        if (index_tree_place(index, &steps[0], key, &position) && position.block - steps[0].block >= FREE_BLOCKS_FEW) {
            return key;
        }
        adversary->filling = false;
    } else if (free_blocks(node) >= FREE_BLOCKS_MANY && node->growth == INDEX_GROWTH_APPEND) {
        double span = index_model_span(&node->model);
        adversary->filling = true;
        return index_model_first_key(&node->model, span, node->model.last_block) + (uint64_t)(span * 0.9);
    }
    return index_node_greatest(node) + APPEND_STRIDE;
}

void adversary_begin(struct adversary *adversary, enum aim aim)
{
    *adversary = (struct adversary){.aim = aim, .random = 11, .last = UINT64_C(1) << 63};
}

uint64_t adversary_next(struct adversary *adversary, const struct index *index)
{
    uint64_t key = 0;
    bool chosen = true;
    if (adversary->aim == AIM_CLUSTERS) {
        key = next_in_cluster(adversary, index);
    } else if (adversary->aim == AIM_END) {
        key = next_at_end(adversary, index);
    } else if (adversary->aim == AIM_WORK) {
        chosen = next_by_work(adversary, index, &key);
    } else {
        chosen = next_in_node(adversary, index, &key);
    }
    while (!chosen || index_find(index, key) != 0) {
        key = keyset_random(&adversary->random);
        chosen = true;
    }
    adversary->turns++;
    adversary->last = key;
    return key;
}
