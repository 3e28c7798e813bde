/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.c
 * The policy: how large a node is made, and what becomes of one that has no room. Pure functions of keys and counters.
 *
 * Between two rebuilds a node's density goes from a build's to the greatest, so inserts move each key about four times in its
 * life, and memory stays within 20 to 28 bytes a key at every moment, also where all nodes grow in step.
 */
#include "base/base.h"
#include "index/tree.h"

/** Entries for each ten blocks: as built for inserts anywhere, as built for inserts at one end, and at most. */
#define BUILD_ENTRIES_PER_10_BLOCKS 48u
#define END_ENTRIES_PER_10_BLOCKS 60u
#define GREATEST_ENTRIES_PER_10_BLOCKS 65u

/** Entries for each ten blocks up to which a node is made as large as can be rather than split. */
#define LARGEST_ENTRIES_PER_10_BLOCKS 58u

/** A quarter of the build density: below it a node is rebuilt smaller. */
#define SPARSE_ENTRIES_PER_10_BLOCKS (BUILD_ENTRIES_PER_10_BLOCKS / 4)

/** Entries of the smallest node that is made by a split that nothing but misfit asks for. */
#define MISFIT_ENTRIES_MIN 256u

/** Misfit (see index_model_fit()) from which a node may be split for it, and what a split must bring. */
#define MISFIT_COST 0.30
#define MISFIT_COST_KEPT 0.80

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

static struct index_plan plan_layout(uint32_t level, const uint64_t *keys, uint32_t count, struct index_layout layout)
{
    struct index_plan plan = {.level = level, .count_max = count_max_for(layout.blocks)};
    /* An inner node's first key may be far below all others (T3) and is found wherever it is predicted. */
    uint32_t skipped = level > 0 && count > 2 ? 1 : 0;
    plan.cost = index_model_fit(keys + skipped, count - skipped, layout, &plan.model);
    return plan;
}

struct index_plan index_plan_blocks(uint32_t level, const uint64_t *keys, uint32_t count, uint32_t blocks)
{
    return plan_layout(level, keys, count, (struct index_layout){.blocks = blocks, .extent = blocks});
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
    return plan_layout(level, keys, count, layout);
}

struct index_node *index_build_node(struct index_pool *pool, const struct index_plan *plan, struct index_run run)
{
    struct index_node *node = index_pool_take(pool, plan->model.last_block + 1);
    if (node != NULL) {
        index_node_build(node, plan->level, &plan->model, plan->count_max, run);
    }
    return node;
}

/** Where the node's inserts have gone, if `key` goes there too. */
static enum index_growth growth_of(const struct index_node *node, uint64_t key)
{
    uint32_t most = node->inserted - node->inserted / 8;
    if (node->level == 0 && node->count > 0 && node->inserted > 0) {
        if (node->appended >= most && key > node->greatest) {
            return INDEX_GROWTH_APPEND;
        }
        if (node->prepended >= most && key < node->least) {
            return INDEX_GROWTH_PREPEND;
        }
    }
    return INDEX_GROWTH_EVEN;
}

/** The rank in the middle half before which the keys' gap is widest; the middle, unless a gap is far wider than the mean. */
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

static double plan_split(struct index_decision *decision, const uint64_t *keys, uint32_t count, uint32_t level,
                         uint32_t cut, enum index_growth growth)
{
    decision->change = INDEX_CHANGE_SPLIT;
    decision->cut = cut;
    decision->left = index_plan_node(level, keys, cut,
                                     growth == INDEX_GROWTH_PREPEND ? INDEX_GROWTH_PREPEND : INDEX_GROWTH_EVEN);
    decision->right = index_plan_node(level, keys + cut, count - cut,
                                      growth == INDEX_GROWTH_APPEND ? INDEX_GROWTH_APPEND : INDEX_GROWTH_EVEN);
    return (decision->left.cost * cut + decision->right.cost * (count - cut)) / count;
}

/** An end node that can't grow keeps its entries, and gets an empty neighbour that its model goes on into. */
static struct index_decision open_neighbour(const struct index_node *node, uint64_t key, enum index_growth growth)
{
    struct index_decision decision = {.change = INDEX_CHANGE_SPLIT};
    struct index_plan plan = {.model = node->model, .count_max = count_max_for(END_NODE_BLOCKS)};
    plan.model.last_block = END_NODE_BLOCKS - 1;
    plan.model.base = key;
    if (growth == INDEX_GROWTH_APPEND) {
        decision.cut = node->count;
        decision.right = plan;
    } else {
        uint64_t span = index_model_first_key(&plan.model, plan.model.last_block) - key;
        plan.model.base = key > span ? key - span : 0;
        decision.left = plan;
    }
    return decision;
}

struct index_decision index_decide(const struct index_node *node, const uint64_t *keys, uint64_t key)
{
    uint32_t count = node->count;
    uint32_t level = node->level;
    enum index_growth growth = growth_of(node, key);
    struct index_decision whole = {.change = INDEX_CHANGE_REPLACE};
    uint32_t largest = index_blocks_max(level) * LARGEST_ENTRIES_PER_10_BLOCKS / 10;
    bool fits = count <= largest;
    if (fits) {
        whole.whole = index_plan_node(level, keys, count, growth);
        fits = growth == INDEX_GROWTH_EVEN || whole.whole.model.last_block >= node->model.last_block;
    }
    /* Crowded: out of room in one place long before it is full. A smaller node makes the next such rebuild cheaper. */
    bool crowded = node->inserted < count / 8 && growth == INDEX_GROWTH_EVEN;
    bool misfit = fits && whole.whole.cost > MISFIT_COST;
    if (fits && (level > 0 || count < 2 * MISFIT_ENTRIES_MIN || !(misfit || crowded))) {
        return whole;
    }
    if (!fits && growth != INDEX_GROWTH_EVEN && index_plan_blocks(level, keys, count, index_node_blocks(node)).cost <= MISFIT_COST) {
        return open_neighbour(node, key, growth);
    }
    struct index_decision middle = whole;
    struct index_decision gap = whole;
    double middle_cost = plan_split(&middle, keys, count, level, count / 2, growth);
    double gap_cost = plan_split(&gap, keys, count, level, widest_gap(keys, count), growth);
    double split_cost = gap_cost < middle_cost ? gap_cost : middle_cost;
    if (fits && !crowded && split_cost > whole.whole.cost * MISFIT_COST_KEPT) {
        return whole;
    }
    return gap_cost < middle_cost ? gap : middle;
}

bool index_is_sparse(const struct index_node *node)
{
    uint32_t blocks = index_node_blocks(node);
    return blocks > 1 && node->count * 10 < blocks * SPARSE_ENTRIES_PER_10_BLOCKS &&
           (node->inserted + node->removed) * 2 >= node->count_built;
}
