/* SPDX-License-Identifier: Apache-2.0 */
/** @file stats.c Figures of stores and tables. */
#include <string.h>

#include "store/store_internal.h"

static int add_keys(void *context, const struct store_table_view *table)
{
    uint64_t *keys = context;
    *keys += table->keys;
    return 0;
}

int alex_store_stat(alex_store *store, struct alex_store_stats *out_stats)
{
    int result = store_usable(store);
    if (result != ALEX_OK) {
        return result;
    }
    if (out_stats == NULL) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path, "statistics need a place for the figures");
    }
    result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    struct mvcc_open_snapshots open;
    mvcc_look(&store->mvcc, &open);
    uint64_t held_tables = 0;
    for (const struct alex_table *table = store->dropped; table != NULL; table = table->next_dropped) {
        held_tables++;
    }
    struct log_stats log;
    log_stats(store->log, &log);
    uint64_t keys = 0;
    (void)store_visit_tables(store, add_keys, &keys);
    *out_stats = (struct alex_store_stats){
        .tables = store->catalog.count,
        .keys = keys,
        .live_bytes = log.live_bytes,
        .dead_bytes = log.log_bytes - log.live_bytes,
        .log_bytes = log.log_bytes,
        .disk_bytes = log.file_bytes + manifest_bytes(log.segments),
        .index_bytes = index_pool_bytes(store->pool),
        .segments = log.segments,
        .last_number = mvcc_published(&store->mvcc),
        .open_txns = open.count,
        .oldest_snapshot = open.oldest,
        .oldest_snapshot_thread = open.oldest_thread,
        .held_entries = store->held.count,
        .held_tables = held_tables,
    };
    return writer_end(store, ALEX_OK);
}

static int table_stat(alex_table *table, struct alex_table_stats *out_stats)
{
    int result = table_check(table);
    if (result != ALEX_OK) {
        return result;
    }
    if (out_stats == NULL) {
        return base_fail(store_error(table->store), ALEX_INVALID, 0, table->store->path,
                         "statistics need a place for the figures");
    }
    _Static_assert(ALEX_INDEX_LEVELS_MAX == INDEX_LEVELS_MAX, "both are the same limit");
    struct index_stats index;
    index_stats(table->index, &index);
    *out_stats = (struct alex_table_stats){
        .keys = table->keys,
        .live_bytes = table->live_bytes,
        .index_bytes = index.bytes,
        .data_nodes = index.data_nodes,
        .inner_nodes = index.inner_nodes,
        .depth = index.depth,
        .density = index.data_slots > 0 ? (double)index.keys / (double)index.data_slots : 0,
        .model_error_slots = index.model_error_slots,
        .predicted_line_share = index.predicted_line_share,
        .structure_changes = index.structure_changes,
        .moved_bytes = index.moved_bytes,
    };
    memcpy(out_stats->nodes_at_level, index.nodes_at_level, sizeof out_stats->nodes_at_level);
    return ALEX_OK;
}

int alex_table_stat(alex_table *table, struct alex_table_stats *out_stats)
{
    int result = table_begin(table);
    return result == ALEX_OK ? writer_end(table->store, table_stat(table, out_stats)) : result;
}
