/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file load.c
 * Building a tree from sorted entries: data nodes as long as a model fits, then level upon level above them.
 */
#include "base/base.h"
#include "index/tree.h"

/** Entries for each ten blocks in a loaded node: dense, yet with room for inserts everywhere. */
#define LOAD_ENTRIES_PER_10_BLOCKS 52u

/** Entries of the least data node that misfit makes. */
#define LOAD_ENTRIES_MIN 256u

/** Misfit (see index_model_fit()) up to which a data node is made longer. */
#define LOAD_COST_MAX 0.20

/** A level being built: each node with the least key of its range. */
struct level {
    uint64_t *keys;
    uint64_t *payloads;
    size_t count;
    size_t capacity;
};

static void release_level(struct level *level)
{
    base_free(level->keys);
    base_free(level->payloads);
    *level = (struct level){0};
}

static int add_node(struct level *level, uint64_t key, const struct index_node *node)
{
    if (level->count == level->capacity) {
        size_t capacity = level->capacity == 0 ? 64 : 2 * level->capacity;
        uint64_t *keys = base_realloc(level->keys, capacity * sizeof *keys);
        if (keys == NULL) {
            return ALEX_NO_MEMORY;
        }
        level->keys = keys;
        uint64_t *payloads = base_realloc(level->payloads, capacity * sizeof *payloads);
        if (payloads == NULL) {
            return ALEX_NO_MEMORY;
        }
        level->payloads = payloads;
        level->capacity = capacity;
    }
    level->keys[level->count] = key;
    level->payloads[level->count] = index_child_payload(node);
    level->count++;
    return ALEX_OK;
}

static struct index_plan plan_loaded(uint32_t level, const uint64_t *keys, uint32_t count)
{
    uint32_t blocks = (count * 10 + LOAD_ENTRIES_PER_10_BLOCKS - 1) / LOAD_ENTRIES_PER_10_BLOCKS;
    return index_plan_blocks(level, keys, count, count <= INDEX_BLOCK_SLOTS ? 1 : blocks);
}

/** Plans the next data node: as many of the `available` keys as a model fits well, found by doubling and bisection; the
 *  least number where it fits not even those. */
static struct index_plan plan_data_node(const uint64_t *keys, uint32_t available, uint32_t *out_count)
{
    uint32_t good = available < LOAD_ENTRIES_MIN ? available : LOAD_ENTRIES_MIN;
    struct index_plan plan = plan_loaded(0, keys, good);
    uint32_t bad = plan.cost <= LOAD_COST_MAX ? available + 1 : good;
    for (uint32_t next = available; good < available && good + good / 8 < bad;) {
        struct index_plan longer = plan_loaded(0, keys, next);
        if (longer.cost <= LOAD_COST_MAX) {
            plan = longer;
            good = next;
        } else {
            bad = next;
        }
        next = 2 * good < bad ? 2 * good : good + (bad - good) / 2;
    }
    *out_count = good;
    return plan;
}

/** Builds one node of `run` and adds it to `level` under `range_key`. */
static int load_node(struct index_pool *pool, const struct index_plan *plan, struct index_run run, uint64_t range_key,
                     struct level *level)
{
    struct index_node *node = index_build_node(pool, plan, run);
    if (node == NULL) {
        return ALEX_NO_MEMORY;
    }
    if (add_node(level, range_key, node) != ALEX_OK) {
        index_pool_give(pool, node);
        return ALEX_NO_MEMORY;
    }
    return ALEX_OK;
}

/** Of what is left, what the next node may have: all that a node holds, but no small remainder for the last. */
static uint32_t share_of(size_t left, uint32_t most)
{
    if (left <= most) {
        return (uint32_t)left;
    }
    return left < 2 * (size_t)most ? (uint32_t)(left - left / 2) : most;
}

static int load_data_nodes(struct index_pool *pool, const struct index_entry *entries, size_t count, struct level *out)
{
    uint32_t most = INDEX_DATA_BLOCKS_MAX * LOAD_ENTRIES_PER_10_BLOCKS / 10;
    if (index_pool_scratch(pool, most) != ALEX_OK) {
        return ALEX_NO_MEMORY;
    }
    uint32_t held = 0; /* entries in the scratch arrays */
    for (size_t done = 0; done < count;) {
        uint32_t available = share_of(count - done, most);
        for (; held < available; held++) {
            pool->scratch_keys[held] = entries[done + held].key;
            pool->scratch_payloads[held] = entries[done + held].payload;
        }
        uint32_t used;
        struct index_plan plan = plan_data_node(pool->scratch_keys, available, &used);
        struct index_run run = {pool->scratch_keys, pool->scratch_payloads, used};
        if (load_node(pool, &plan, run, done == 0 ? 0 : run.keys[0], out) != ALEX_OK) {
            return ALEX_NO_MEMORY;
        }
        held -= used;
        for (uint32_t i = 0; i < held; i++) {
            pool->scratch_keys[i] = pool->scratch_keys[used + i];
            pool->scratch_payloads[i] = pool->scratch_payloads[used + i];
        }
        done += used;
    }
    return ALEX_OK;
}

static int load_inner_nodes(struct index_pool *pool, uint32_t level, const struct level *below, struct level *out)
{
    uint32_t most = INDEX_INNER_BLOCKS_MAX * LOAD_ENTRIES_PER_10_BLOCKS / 10;
    for (size_t done = 0; done < below->count;) {
        uint32_t used = share_of(below->count - done, most);
        struct index_run run = {below->keys + done, below->payloads + done, used};
        struct index_plan plan = plan_loaded(level, run.keys, used);
        if (load_node(pool, &plan, run, run.keys[0], out) != ALEX_OK) {
            return ALEX_NO_MEMORY;
        }
        done += used;
    }
    return ALEX_OK;
}

/** Builds levels until one node is left, the root. Where a level fails, its nodes are given back with all below. */
static int load_tree(struct index_pool *pool, const struct index_entry *entries, size_t count,
                     struct index_node **out_root)
{
    struct level below = {0};
    int code = load_data_nodes(pool, entries, count, &below);
    for (uint32_t i = 1; code == ALEX_OK && below.count > 1; i++) {
        struct level above = {0};
        code = load_inner_nodes(pool, i, &below, &above);
        if (code == ALEX_OK) {
            release_level(&below);
            below = above;
            continue;
        }
        for (size_t node = 0; node < above.count; node++) {
            index_pool_give(pool, index_payload_child(above.payloads[node]));
        }
        release_level(&above);
    }
    if (code == ALEX_OK) {
        *out_root = index_payload_child(below.payloads[0]);
    } else {
        for (size_t node = 0; node < below.count; node++) {
            index_tree_end(pool, index_payload_child(below.payloads[node]), index_pool_give);
        }
    }
    release_level(&below);
    return code;
}

int index_load(struct index *index, const struct index_entry *entries, size_t count)
{
    BASE_ASSERT(index_count(index) == 0);
    if (count == 0) {
        return ALEX_OK;
    }
    struct index_node *root;
    int code = load_tree(index->pool, entries, count, &root);
    if (code == ALEX_OK) {
        /* Nodes without keys may be there: made by an index_prepare() whose index_set() never came. */
        struct index_node *empty = index_root(index);
        index_set_root(index, root);
        if (empty != NULL) {
            index_tree_end(index->pool, empty, index_pool_retire);
        }
        atomic_store_explicit(&index->count, count, memory_order_release);
        index_tree_check(index);
    }
    return code;
}
