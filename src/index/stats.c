/* SPDX-License-Identifier: Apache-2.0 */
/** @file stats.c Figures of an index, computed by a walk over all of it. */
#include <string.h>

#include "base/base.h"
#include "index/tree.h"

/** Sums that become the means of struct index_stats. */
struct sums {
    uint64_t error_blocks;
    uint64_t in_predicted_block;
};

static void add_data_node(const struct index_node *node, struct index_stats *stats, struct sums *sums)
{
    stats->data_nodes++;
    stats->data_slots += (uint64_t)index_node_blocks(node) * INDEX_BLOCK_SLOTS;
    for (uint32_t block = 0; block < index_node_blocks(node); block++) {
        uint32_t count = index_block_count(node, block);
        for (uint32_t slot = 0; slot < count; slot++) {
            uint32_t predicted = index_model_predict(&node->model, index_block_key(&node->blocks[block], slot));
            sums->error_blocks += predicted > block ? predicted - block : block - predicted;
            sums->in_predicted_block += predicted == block;
        }
    }
}

static void add_subtree(const struct index_node *node, uint32_t depth, struct index_stats *stats, struct sums *sums)
{
    stats->nodes_at_level[depth]++;
    stats->bytes += index_node_bytes(index_node_blocks(node));
    if (node->level == 0) {
        add_data_node(node, stats, sums);
        return;
    }
    stats->inner_nodes++;
    uint32_t block = 0;
    uint32_t slot = 0;
    while (index_node_next_entry(node, &block, &slot)) {
        add_subtree(index_payload_child(index_block_payload(&node->blocks[block], slot)), depth + 1, stats, sums);
        slot++;
    }
}

void index_stats(const struct index *index, struct index_stats *out_stats)
{
    struct index_stats stats;
    struct sums sums = {0};
    memset(&stats, 0, sizeof stats);
    const struct index_node *root = index_root(index);
    if (root != NULL) {
        add_subtree(root, 0, &stats, &sums);
        stats.depth = root->level + 1;
    }
    stats.keys = index_count(index);
    if (index_count(index) > 0) {
        stats.model_error_slots = (double)(sums.error_blocks * INDEX_BLOCK_SLOTS) / (double)index_count(index);
        stats.predicted_line_share = (double)sums.in_predicted_block / (double)index_count(index);
    }
    stats.structure_changes = index->structure_changes;
    stats.splits = index->splits;
    stats.taken_out = index->taken_out;
    stats.moved_bytes = index->moved_bytes;
    stats.moved_bytes_max = index->moved_bytes_max;
    *out_stats = stats;
}
