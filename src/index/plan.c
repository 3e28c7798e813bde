/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.c
 * The policy: how large a node is made, and what becomes of one that has no room. Pure functions of keys and counters.
 *
 * Between two rebuilds a node's density goes from a build's to the greatest, so inserts move each key about four times
 * in its life, and memory stays within 20 to 28 bytes a key at every moment, also where all nodes grow in step.
 */
#include "base/base.h"
#include "index/tree.h"

/** Entries for each ten blocks: as built for inserts anywhere, as built for inserts at one end, and at most. */
#define BUILD_ENTRIES_PER_10_BLOCKS 48u
#define END_ENTRIES_PER_10_BLOCKS 60u
#define GREATEST_ENTRIES_PER_10_BLOCKS 65u

/** Entries for each ten blocks of a node that was appended to and is left behind. */
#define CLOSED_ENTRIES_PER_10_BLOCKS 54u

/** Entries for each ten blocks up to which a node is made as large as can be rather than split. */
#define LARGEST_ENTRIES_PER_10_BLOCKS 58u

/** A quarter of the build density: below it a node is rebuilt smaller. */
#define SPARSE_ENTRIES_PER_10_BLOCKS (BUILD_ENTRIES_PER_10_BLOCKS / 4)

/** Entries of the smallest node that is made by a split that nothing but misfit asks for. */
#define MISFIT_ENTRIES_MIN 256u

/** Misfit (see index_model_fit()) from which a node is split. */
#define MISFIT_COST 0.30

/** How many times the node's length an append must be beyond it to open a new node. */
#define JUMP_NODES 2u

/** Entries of the least node that a jump leaves behind. */
#define JUMP_ENTRIES_MIN 64u

/** Blocks of the empty node that an append at the end of a greatest node opens; it grows by doubling. */
#define END_NODE_BLOCKS 64u

static uint32_t count_max_for(uint32_t blocks)
{
    return blocks == 1 ? INDEX_BLOCK_SLOTS : blocks * GREATEST_ENTRIES_PER_10_BLOCKS / 10;
}

static uint32_t divide_up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

/** Blocks for `count` entries at the build density, or more of them in a greatest node. */
static uint32_t blocks_for(uint32_t level, uint32_t count)
{
    uint32_t blocks = count < INDEX_BLOCK_SLOTS ? 1 : divide_up(count * 10, BUILD_ENTRIES_PER_10_BLOCKS);
    uint32_t max = index_blocks_max(level);
    return blocks < max ? blocks : max;
}

static struct index_plan plan_layout(uint32_t level, const uint64_t *keys, uint32_t count, struct index_layout layout,
                                     enum index_growth growth)
{
    struct index_plan plan = {.level = level, .growth = growth, .count_max = count_max_for(layout.blocks)};
    /* An inner node's first key may be far below all others (T3) and is found wherever it is predicted. */
    uint32_t skipped = level > 0 && count > 2 ? 1 : 0;
    plan.cost = index_model_fit(keys + skipped, count - skipped, layout, &plan.model);
    return plan;
}

struct index_plan index_plan_blocks(uint32_t level, const uint64_t *keys, uint32_t count, uint32_t blocks)
{
    struct index_layout layout = {.blocks = blocks, .extent = blocks};
    return plan_layout(level, keys, count, layout, INDEX_GROWTH_EVEN);
}

struct index_plan index_plan_node(uint32_t level, const uint64_t *keys, uint32_t count, enum index_growth growth)
{
    uint32_t blocks = blocks_for(level, count);
    struct index_layout layout = {.blocks = blocks, .extent = blocks};
    if (growth != INDEX_GROWTH_EVEN && count >= INDEX_BLOCK_SLOTS) {
        layout.extent = divide_up(count * 10, END_ENTRIES_PER_10_BLOCKS);
        layout.blocks = 2 * layout.extent < index_blocks_max(level) ? 2 * layout.extent : index_blocks_max(level);
        layout.origin = growth == INDEX_GROWTH_PREPEND ? layout.blocks - layout.extent : 0;
    }
    return plan_layout(level, keys, count, layout, growth);
}

struct index_node *index_build_node(struct index_pool *pool, const struct index_plan *plan, struct index_run run)
{
    struct index_node *node = index_pool_take(pool, plan->model.last_block + 1);
    if (node != NULL) {
        index_node_build(node, plan, run);
    }
    return node;
}

/** Where the node's inserts have gone, or were expected if there were none, and `key` goes too. */
static enum index_growth growth_of(const struct index_node *node, uint64_t key)
{
    uint32_t most = node->inserted - node->inserted / 8;
    bool fresh = node->inserted == 0;
    if (node->level > 0) {
        return INDEX_GROWTH_EVEN;
    }
    if (key > index_node_greatest(node) && (fresh ? node->growth == INDEX_GROWTH_APPEND : node->appended >= most)) {
        return INDEX_GROWTH_APPEND;
    }
    if (key < index_node_least(node) && (fresh ? node->growth == INDEX_GROWTH_PREPEND : node->prepended >= most)) {
        return INDEX_GROWTH_PREPEND;
    }
    return INDEX_GROWTH_EVEN;
}

/** The rank in the middle half before which the keys' gap is widest; the middle, unless a gap is far wider than the
 * mean. */
static uint32_t widest_gap(const uint64_t *keys, uint32_t count)
{
    uint32_t low = divide_up(count, 4);
    uint32_t high = count - low;
    uint32_t cut = count / 2;
    uint64_t widest = (keys[high] - keys[low]) / (high - low + 1) * 16;
    for (uint32_t i = low + 1; i <= high; i++) {
        if (keys[i] - keys[i - 1] > widest) {
            widest = keys[i] - keys[i - 1];
            cut = i;
        }
    }
    return cut;
}

static struct index_decision plan_split(const uint64_t *keys, uint32_t count, uint32_t level, uint32_t cut,
                                        enum index_growth growth)
{
    return (struct index_decision){
        .change = INDEX_CHANGE_SPLIT,
        .cut = cut,
        .left = index_plan_node(level, keys, cut,
                                growth == INDEX_GROWTH_PREPEND ? INDEX_GROWTH_PREPEND : INDEX_GROWTH_EVEN),
        .right = index_plan_node(level, keys + cut, count - cut,
                                 growth == INDEX_GROWTH_APPEND ? INDEX_GROWTH_APPEND : INDEX_GROWTH_EVEN),
    };
}

/** Misfit of the two nodes together, times `count`. */
static double split_cost(const struct index_decision *split, uint32_t count)
{
    return split->left.cost * split->cut + split->right.cost * (count - split->cut);
}

/** Whether more than one entry in ten lies outside its predicted block. */
static bool is_out_of_place(const struct index_node *node)
{
    uint32_t strays = 0;
    for (uint32_t block = 0; block < index_node_blocks(node); block++) {
        uint32_t count = index_block_count(node, block);
        for (uint32_t slot = 0; slot < count; slot++) {
            strays += index_model_predict(&node->model, index_block_key(&node->blocks[block], slot)) != block;
        }
    }
    return strays > index_node_count(node) / 10;
}

/** Leaves an end node's entries to it, and gives it an empty neighbour that its model goes on into. */
static struct index_decision open_neighbour(const struct index_node *node, const uint64_t *keys, uint64_t key,
                                            enum index_growth growth)
{
    struct index_decision decision = {.change = INDEX_CHANGE_SPLIT};
    struct index_plan plan = {.model = node->model, .growth = growth, .count_max = count_max_for(END_NODE_BLOCKS)};
    plan.model.last_block = END_NODE_BLOCKS - 1;
    plan.model.base = key;
    if (growth == INDEX_GROWTH_PREPEND) {
        uint64_t span = index_model_first_key(&plan.model, index_model_span(&plan.model), plan.model.last_block) - key;
        plan.model.base = key > span ? key - span : 0;
        decision.keep_right = true;
        decision.left = plan;
        return decision;
    }
    decision.cut = index_node_count(node);
    decision.right = plan;
    /* Now that it is complete it gets a model of its own if the one for what was to come proved wrong, and gives back
     * what it kept free. */
    uint32_t blocks = divide_up(index_node_count(node) * 10, CLOSED_ENTRIES_PER_10_BLOCKS);
    blocks = blocks < INDEX_DATA_BLOCKS_MAX ? blocks : INDEX_DATA_BLOCKS_MAX;
    decision.keep_left = index_node_blocks(node) <= blocks + blocks / 8 && !is_out_of_place(node);
    if (!decision.keep_left) {
        decision.left = index_plan_blocks(0, keys, index_node_count(node), blocks);
    }
    return decision;
}

bool index_is_jump(const struct index_node *node, uint64_t key)
{
    return key > index_node_greatest(node) && node->level == 0 && index_node_count(node) >= JUMP_ENTRIES_MIN &&
           growth_of(node, key) == INDEX_GROWTH_APPEND &&
           index_model_project(&node->model, key) / JUMP_NODES > node->model.last_block;
}

/** The better of two splits, in the middle and at a gap. */
static struct index_decision plan_best_split(const uint64_t *keys, uint32_t count, uint32_t level,
                                             enum index_growth growth)
{
    uint32_t gap_cut = widest_gap(keys, count);
    struct index_decision middle = plan_split(keys, count, level, count / 2, growth);
    if (gap_cut == count / 2) {
        return middle;
    }
    struct index_decision gap = plan_split(keys, count, level, gap_cut, growth);
    return split_cost(&gap, count) < split_cost(&middle, count) ? gap : middle;
}

struct index_decision index_decide(const struct index_node *node, const uint64_t *keys, uint64_t key)
{
    uint32_t count = index_node_count(node);
    uint32_t level = node->level;
    enum index_growth growth = growth_of(node, key);
    bool splittable = level > 0 || count >= 2 * MISFIT_ENTRIES_MIN;
    bool fits = count <= index_blocks_max(level) * LARGEST_ENTRIES_PER_10_BLOCKS / 10 && !index_is_jump(node, key);
    struct index_decision whole = {.change = INDEX_CHANGE_REPLACE};
    if (fits) {
        whole.whole = index_plan_node(level, keys, count, growth);
        fits = growth == INDEX_GROWTH_EVEN || whole.whole.model.last_block > node->model.last_block;
    }
    /* Crowded: out of room in one place long before it is full. A smaller node makes the next such rebuild cheaper. */
    bool crowded = growth == INDEX_GROWTH_EVEN && node->inserted < count / 8;
    bool misfit = whole.whole.cost > MISFIT_COST;
    if (fits && (level > 0 || !splittable || !(misfit || crowded))) {
        return whole;
    }
    if (!fits && growth != INDEX_GROWTH_EVEN) {
        struct index_decision neighbour = open_neighbour(node, keys, key, growth);
        if (!splittable || neighbour.left.cost <= MISFIT_COST) {
            return neighbour;
        }
    }
    return plan_best_split(keys, count, level, growth);
}

bool index_is_sparse(const struct index_node *node)
{
    uint32_t blocks = index_node_blocks(node);
    return blocks > 1 && index_node_count(node) * 10 < blocks * SPARSE_ENTRIES_PER_10_BLOCKS &&
           (node->inserted + node->removed) * 2 >= node->count_built;
}
