/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file index.h
 * The learned index: 64-bit unsigned keys to 64-bit payloads, ordered, in memory. See README.md.
 *
 * One writer at a time; any number of threads may look keys up, scan and count beside it, as README.md says. Payloads
 * are never 0: 0 says "absent". Calls that return int give ALEX_OK or ALEX_NO_MEMORY, and on failure have changed
 * nothing unless they say so.
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Memory that the nodes of many indexes share. */
struct index_pool;
/** One ordered map. */
struct index;

/** An entry, as scans give and loads take it. */
struct index_entry {
    uint64_t key;
    uint64_t payload;
};

/** How a pool learns that no reader holds a node any more which a writer has replaced. */
struct index_grace {
    uint64_t (*begin)(void);       /**< a ticket for all reads that are under way; 0: there is none now */
    bool (*over)(uint64_t ticket); /**< whether all of them have ended */
    bool (*alone)(void);           /**< whether nobody else has read, so that a ticket is cheap */
};

/** @param grace  NULL if there is but one thread; else it lives as long as the pool, and every call that only reads is
 *                made within a read that `grace` knows of */
int index_pool_create(const struct index_grace *grace, struct index_pool **out_pool);
/** Ends a pool, with the memory of any index still in it; nobody reads any more. May be NULL. */
void index_pool_destroy(struct index_pool *pool);
/** Bytes that the pool has from the operating system. */
uint64_t index_pool_bytes(const struct index_pool *pool);

/** Makes an empty index. Costs no node until the first key. */
int index_create(struct index_pool *pool, struct index **out_index);
/** Ends an index that nobody reads any more and gives its nodes back to the pool. May be NULL. */
void index_destroy(struct index *index);

/** Keys in the index. */
uint64_t index_count(const struct index *index);

/** The payload of `key`, or 0. */
uint64_t index_find(const struct index *index, uint64_t key);

/** The payloads of `count` keys in any order, 0 where absent, with the memory accesses of many keys overlapping. */
void index_find_many(const struct index *index, const uint64_t *keys, size_t count, uint64_t *out_payloads);

/** Where a key is or will go: between index_prepare() and index_set(). No other change may come between the two. */
struct index_position {
    uint64_t payload; /**< the key's payload, or 0 if it is absent */
    uint64_t key;
    struct index_node *node; /**< private from here on */
    uint32_t block;
    uint32_t slot;
    uint32_t gap_block; /**< the block whose gap an absent key takes */
};

/**
 * Finds `key`, and if it is absent makes sure that it can be entered: whatever memory or restructuring that needs is
 * done here, so that the index_set() that follows can't fail. Never fails for a key that is there.
 */
int index_prepare(struct index *index, uint64_t key, struct index_position *out_position);

/** Finds `key` as index_prepare() does, but prepares nothing if it is absent. @return whether it is there */
bool index_find_position(struct index *index, uint64_t key, struct index_position *out_position);

/** Gives the prepared key its payload (not 0), entering it if it was absent. */
void index_set(struct index *index, const struct index_position *position, uint64_t payload);

/** Removes `key`. @return its payload, or 0 if it was absent. Never fails: nodes that could be smaller but for lack of
 * memory stay as they are. */
uint64_t index_remove(struct index *index, uint64_t key);

/** Removes the key at a position that index_find_position() gave, since when nothing but its payload has changed. Fails
 *  as little as index_remove(). */
void index_remove_at(struct index *index, const struct index_position *position);

/** Loads `count` entries, ascending and without repeats, into an empty index. */
int index_load(struct index *index, const struct index_entry *entries, size_t count);

/**
 * Sets `count` entries, ascending and without repeats, in an index that may hold keys already.
 *
 * @param out_previous  optional: `count` payloads that the keys had before, 0 where absent
 * @param out_done      entries entered: `count`, or on ALEX_NO_MEMORY those before the one that failed; they stay, and
 *                      the caller takes them back with index_prepare() + index_set() or index_remove()
 */
int index_set_many(struct index *index, const struct index_entry *entries, size_t count, uint64_t *out_previous,
                   size_t *out_done);

/** Which way a scan goes. */
enum index_direction {
    INDEX_ASCENDING,
    INDEX_DESCENDING,
};

/**
 * Copies up to `capacity` entries from `from` (itself included) in the direction given, nearest first. Stops short of
 * `capacity` only at the index's end. Holds nothing between calls: go on from the last key given plus or minus 1.
 *
 * @return entries copied
 */
size_t index_scan(const struct index *index, uint64_t from, enum index_direction direction,
                  struct index_entry *out_entries, size_t capacity);

/** Keys from `first` to `last`, both included. Cost: O(nodes in the range). */
uint64_t index_count_range(const struct index *index, uint64_t first, uint64_t last);

/** Levels told apart in the statistics; no tree is as deep. */
#define INDEX_LEVELS_MAX 16

/** Figures of one index. */
struct index_stats {
    uint64_t keys;
    uint64_t bytes; /**< of its nodes, allocator rounding included */
    uint64_t data_nodes;
    uint64_t inner_nodes;
    uint32_t depth;                            /**< levels; 0 if empty */
    uint64_t nodes_at_level[INDEX_LEVELS_MAX]; /**< from the root down */
    uint64_t data_slots;
    double model_error_slots;    /**< mean |slot - predicted slot| over all keys (block distance times 8) */
    double predicted_line_share; /**< share of keys in the very block (cache line of keys) that the model names */
    uint64_t structure_changes;  /**< since creation: nodes grown, split, shrunk, retrained, removed */
    uint64_t splits;             /**< of these */
    uint64_t taken_out;          /**< of these: nodes, as nothing was left in them */
    uint64_t moved_bytes;        /**< since creation: bytes of slots moved by inserts, within and between nodes */
    uint64_t moved_bytes_max;    /**< greatest such number for one index_prepare() + index_set() */
};

/** Computes the figures. Cost: reads the whole index. */
void index_stats(const struct index *index, struct index_stats *out_stats);

/** Checks every invariant. @return NULL if all hold, else a static sentence on the first that doesn't. */
const char *index_verify(const struct index *index);

/** How slots are compared. */
enum index_simd {
    INDEX_SIMD_PORTABLE,
    INDEX_SIMD_AVX2,
    INDEX_SIMD_AVX512,
};

/** Chooses for the whole process; for tests, before any index is used. The default is the best that the processor has
 * (portable in sanitizer builds). @return false if the processor or build lacks it; nothing changes then. */
bool index_simd_choose(enum index_simd simd);

#endif /* INDEX_INDEX_H */
