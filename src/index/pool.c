/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pool.c
 * The node pool: chunks from the operating system, runs of granules within them.
 *
 * Free runs hang in lists by size, eight for each doubling, with a bit for each list in use (as in TLSF, Masmano et al.
 * 2004). A free run holds its links and size in its first granule and its size once more at its very end. A bitmap
 * outside the chunk has a bit for the first and the last granule of each free run; so freeing looks at the two granules
 * beside a run and finds whether to join them. Allocated runs hold nothing of ours: a node knows its size.
 */
#include "index/pool.h"

#include <string.h>

#include "base/base.h"
#include "os/os.h"

/** The first chunk; each further one is twice the last, up to CHUNK_BYTES_MAX, from which size on pages are huge. */
#define CHUNK_BYTES_FIRST ((size_t)64 << 10)
#define CHUNK_BYTES_MAX ((size_t)2 << 20)

/** Retired nodes that share a ticket beside readers: one each would be dear, as it may interrupt other processors. */
#define RETIRED_TOGETHER 16u

/** Runs of a list looked at for one that fits, before any of a longer list is taken. */
#define LIST_LOOKS 8u

struct index_chunk {
    struct index_chunk *next;
    struct index_chunk *previous;
    char *memory;
    uint32_t granules;
    uint64_t edges[]; /**< a bit for each granule: set for the first and last of a free run */
};

/** What a free run holds at its start. Its last eight bytes hold its size in granules again. */
struct index_free_run {
    struct index_free_run *next;
    struct index_free_run *previous;
    struct index_chunk *chunk;
    uint64_t granules;
};

static uint32_t list_of(uint64_t granules)
{
    if (granules < 8) {
        return (uint32_t)granules;
    }
    uint32_t log = 63 - (uint32_t)__builtin_clzll(granules);
    return (log - 2) * 8 + (uint32_t)(granules >> (log - 3) & 7);
}

static uint32_t granule_of(const struct index_chunk *chunk, const void *address)
{
    return (uint32_t)((size_t)((const char *)address - chunk->memory) / INDEX_GRANULE_BYTES);
}

static char *granule_at(const struct index_chunk *chunk, uint32_t granule)
{
    return chunk->memory + granule * INDEX_GRANULE_BYTES;
}

static bool edge(const struct index_chunk *chunk, uint32_t granule)
{
    return granule < chunk->granules && (chunk->edges[granule / 64] >> granule % 64 & 1) != 0;
}

static void set_edge(struct index_chunk *chunk, uint32_t granule, bool on)
{
    uint64_t bit = UINT64_C(1) << granule % 64;
    chunk->edges[granule / 64] = on ? chunk->edges[granule / 64] | bit : chunk->edges[granule / 64] & ~bit;
}

static void enter_run(struct index_pool *pool, struct index_chunk *chunk, uint32_t granule, uint32_t granules)
{
    struct index_free_run *run = (struct index_free_run *)(void *)granule_at(chunk, granule);
    uint32_t list = list_of(granules);
    *run = (struct index_free_run){.next = pool->lists[list], .chunk = chunk, .granules = granules};
    memcpy(granule_at(chunk, granule + granules) - sizeof run->granules, &run->granules, sizeof run->granules);
    if (run->next != NULL) {
        run->next->previous = run;
    }
    pool->lists[list] = run;
    pool->list_used[list / 64] |= UINT64_C(1) << list % 64;
    set_edge(chunk, granule, true);
    set_edge(chunk, granule + granules - 1, true);
}

static void leave_run(struct index_pool *pool, struct index_free_run *run)
{
    uint32_t list = list_of(run->granules);
    if (run->next != NULL) {
        run->next->previous = run->previous;
    }
    if (run->previous != NULL) {
        run->previous->next = run->next;
    } else {
        pool->lists[list] = run->next;
        if (run->next == NULL) {
            pool->list_used[list / 64] &= ~(UINT64_C(1) << list % 64);
        }
    }
    uint32_t granule = granule_of(run->chunk, run);
    set_edge(run->chunk, granule, false);
    set_edge(run->chunk, granule + (uint32_t)run->granules - 1, false);
}

static int add_chunk(struct index_pool *pool, uint32_t granules_needed)
{
    size_t bytes = pool->next_chunk_bytes;
    while (bytes < granules_needed * INDEX_GRANULE_BYTES) {
        bytes *= 2;
    }
    uint32_t granules = (uint32_t)(bytes / INDEX_GRANULE_BYTES);
    struct index_chunk *chunk = base_alloc_zeroed(1, sizeof *chunk + (granules + 63) / 64 * sizeof chunk->edges[0]);
    if (chunk == NULL) {
        return ALEX_NO_MEMORY;
    }
    void *memory;
    if (os_memory_map(bytes, bytes >= CHUNK_BYTES_MAX, &memory) != ALEX_OK) {
        base_free(chunk);
        return ALEX_NO_MEMORY;
    }
    chunk->memory = memory;
    chunk->granules = granules;
    chunk->next = pool->chunks;
    if (chunk->next != NULL) {
        chunk->next->previous = chunk;
    }
    pool->chunks = chunk;
    pool->bytes += bytes;
    pool->next_chunk_bytes = bytes < CHUNK_BYTES_MAX ? 2 * bytes : CHUNK_BYTES_MAX;
    enter_run(pool, chunk, 0, granules);
    return ALEX_OK;
}

static void end_chunk(struct index_pool *pool, struct index_chunk *chunk)
{
    if (chunk->previous != NULL) {
        chunk->previous->next = chunk->next;
    } else {
        pool->chunks = chunk->next;
    }
    if (chunk->next != NULL) {
        chunk->next->previous = chunk->previous;
    }
    pool->bytes -= chunk->granules * INDEX_GRANULE_BYTES;
    os_memory_unmap(chunk->memory, chunk->granules * INDEX_GRANULE_BYTES);
    base_free(chunk);
}

/** A free run of at least `granules`: the first that fits of the list of that size, else any of the next one in use. */
static struct index_free_run *find_run(const struct index_pool *pool, uint32_t granules)
{
    uint32_t list = list_of(granules);
    struct index_free_run *run = pool->lists[list];
    for (uint32_t looks = 0; run != NULL && looks < LIST_LOOKS; looks++, run = run->next) {
        if (run->granules >= granules) {
            return run;
        }
    }
    list++;
    for (uint32_t word = list / 64; word < 2; word++) {
        uint64_t used = pool->list_used[word];
        if (word == list / 64) {
            used &= UINT64_MAX << list % 64;
        }
        if (used != 0) {
            return pool->lists[word * 64 + (uint32_t)__builtin_ctzll(used)];
        }
    }
    return NULL;
}

struct index_node *index_pool_take(struct index_pool *pool, uint32_t blocks)
{
    uint32_t granules = (uint32_t)(index_node_bytes(blocks) / INDEX_GRANULE_BYTES);
    struct index_free_run *run = find_run(pool, granules);
    if (run == NULL) {
        if (add_chunk(pool, granules) != ALEX_OK) {
            return NULL;
        }
        run = find_run(pool, granules);
    }
    leave_run(pool, run);
    pool->node_bytes += granules * INDEX_GRANULE_BYTES;
    struct index_chunk *chunk = run->chunk;
    if (run->granules > granules) {
        enter_run(pool, chunk, granule_of(chunk, run) + granules, (uint32_t)run->granules - granules);
    }
    struct index_node *node = (struct index_node *)(void *)run;
    node->chunk = chunk;
    node->model.last_block = blocks - 1; /* index_pool_give() goes by it, also if the node is never built */
    return node;
}

void index_pool_give(struct index_pool *pool, struct index_node *node)
{
    if (node == NULL) {
        return;
    }
    struct index_chunk *chunk = node->chunk;
    uint32_t granule = granule_of(chunk, node);
    uint32_t granules = (uint32_t)(index_node_bytes(index_node_blocks(node)) / INDEX_GRANULE_BYTES);
    pool->node_bytes -= granules * INDEX_GRANULE_BYTES;
    if (edge(chunk, granule + granules)) {
        struct index_free_run *behind = (struct index_free_run *)(void *)granule_at(chunk, granule + granules);
        leave_run(pool, behind);
        granules += (uint32_t)behind->granules;
    }
    if (granule > 0 && edge(chunk, granule - 1)) {
        uint64_t before;
        memcpy(&before, granule_at(chunk, granule) - sizeof before, sizeof before);
        granule -= (uint32_t)before;
        granules += (uint32_t)before;
        leave_run(pool, (struct index_free_run *)(void *)granule_at(chunk, granule));
    }
    /* One empty chunk is kept, lest a node at a boundary map and unmap it again and again. */
    if (granules == chunk->granules && pool->lists[list_of(granules)] != NULL) {
        end_chunk(pool, chunk);
        return;
    }
    enter_run(pool, chunk, granule, granules);
}

/** Gives back what no reader can hold any more; takes a ticket for at least so many. */
static void collect(struct index_pool *pool, uint32_t least)
{
    /* Two lists: one grows while the other waits. */
    while (pool->waiting != NULL || pool->retired_count >= least) {
        if (pool->waiting == NULL) {
            pool->ticket = pool->grace->begin();
            if (pool->ticket == 0) {
                return;
            }
            pool->waiting = pool->retired;
            pool->retired = NULL;
            pool->retired_count = 0;
        }
        if (!pool->grace->over(pool->ticket)) {
            return;
        }
        while (pool->waiting != NULL) {
            struct index_node *node = pool->waiting;
            pool->waiting = node->next_retired;
            index_pool_give(pool, node);
        }
    }
}

void index_pool_collect(struct index_pool *pool)
{
    collect(pool, 1);
}

void index_pool_retire(struct index_pool *pool, struct index_node *node)
{
    index_node_mark_obsolete(node);
    if (pool->grace == NULL) {
        index_pool_give(pool, node);
        return;
    }
    node->next_retired = pool->retired;
    pool->retired = node;
    pool->retired_count++;
    /* What is freed at once is still in the cache when the next node is built there. */
    collect(pool, pool->grace->alone() ? 1 : RETIRED_TOGETHER);
}

int index_pool_scratch(struct index_pool *pool, size_t count)
{
    if (count <= pool->scratch_count) {
        return ALEX_OK;
    }
    uint64_t *keys = base_alloc(2 * count * sizeof *keys);
    if (keys == NULL) {
        return ALEX_NO_MEMORY;
    }
    base_free(pool->scratch_keys);
    pool->scratch_keys = keys;
    pool->scratch_payloads = keys + count;
    pool->scratch_count = count;
    return ALEX_OK;
}

int index_pool_create(const struct index_grace *grace, struct index_pool **out_pool)
{
    struct index_pool *pool = base_alloc_zeroed(1, sizeof *pool);
    if (pool == NULL) {
        return ALEX_NO_MEMORY;
    }
    pool->grace = grace;
    pool->next_chunk_bytes = CHUNK_BYTES_FIRST;
    *out_pool = pool;
    return ALEX_OK;
}

void index_pool_destroy(struct index_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    while (pool->chunks != NULL) {
        end_chunk(pool, pool->chunks);
    }
    base_free(pool->scratch_keys);
    base_free(pool);
}

uint64_t index_pool_bytes(const struct index_pool *pool)
{
    return pool->bytes;
}
