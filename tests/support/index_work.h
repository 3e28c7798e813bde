/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file index_work.h
 * The work of finds and inserts, counted in cache lines, so that tests can compare key sets without a clock.
 *
 * A find's work is the different lines that it looks at: nodes' headers, blocks' keys, blocks' payloads. Prefetches
 * don't count, as nothing waits for them.
 *
 * An insert's work is
 *  - the lines that its search looks at, once more for each change of structure, after which it goes down again;
 *  - the blocks' payloads that it looks at for the key's place and for a gap;
 *  - the bytes of slots that it moves in place (`moved_bytes`), by 64;
 *  - those that it moves into new nodes by 64, twice: each is read from one node and written to another;
 *  - the lines of empty blocks whose separators it lowers.
 * Fitting models and the pool's work are left out.
 */
#ifndef SUPPORT_INDEX_WORK_H
#define SUPPORT_INDEX_WORK_H

#include "index/tree.h"

/** The search, counting; gives the same answers as the others. */
extern const struct index_search index_search_counting;

/** Different lines that a find of `key` looks at. */
uint32_t index_work_find(const struct index *index, uint64_t key);

/** The mean of that over `count` keys. */
double index_work_find_mean(const struct index *index, const uint64_t *keys, size_t count);

/** The work of inserting the absent `key`, were it done now: exact but for what a change of structure costs, which is
 *  taken to be the reading and writing of its data node. The index isn't empty. */
double index_work_estimate(const struct index *index, uint64_t key);

/** Sets a key. @return the work, or a negative number if there is no memory */
double index_work_set(struct index *index, uint64_t key, uint64_t payload);

#endif /* SUPPORT_INDEX_WORK_H */
