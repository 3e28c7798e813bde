/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file history.h
 * What a store may hold after a crash: the states before and after each of a run of operations.
 *
 * A state is small, the version that each of a few keys has in two tables, so that those after every operation can be
 * kept. The operations follow from a seed: they can be carried out on a store, or on the states alone.
 */
#ifndef CRASH_HISTORY_H
#define CRASH_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "support/store_helper.h"

enum { HISTORY_KEYS = 24, HISTORY_TABLES = 2, HISTORY_VALUE_BYTES = 3000 };

/** A key of the main table that no operation touches. */
#define HISTORY_OTHER_KEY INT64_MIN

/** No state of a history. */
#define HISTORY_NONE UINT32_MAX

/** What a store holds. */
struct state {
    uint32_t versions[HISTORY_TABLES][HISTORY_KEYS]; /**< 0: absent */
    size_t second;                                   /**< which name the second table has; 0: it is not there */
};

struct history {
    struct helper_random random;
    struct state *states; /**< the first is that of an empty store */
    uint32_t capacity;    /**< of `states` */
    uint32_t issued;      /**< the state that the last operation makes, done or not */
    uint32_t version;     /**< given last */
    size_t value_bytes;   /**< values are smaller; HISTORY_VALUE_BYTES, unless the test makes it less */
    bool transacts;       /**< all operations are transactions */
};

/** Begins with an empty store. history_release() frees it. */
void history_begin(struct history *history, uint64_t seed, uint32_t operations);
void history_release(struct history *history);

/** Carries out the next operation: a put, delete, batch, transaction, load, or the second table made, renamed or
 *  dropped.
 *
 *  @param store   NULL: on the states alone
 *  @return its code, ALEX_OK without a store */
int history_operate(struct history *history, alex_store *store);

/** Puts a new version of a key of the main table; as history_operate(). */
int history_put(struct history *history, alex_store *store);

/** Makes what was done durable, if it isn't so already: syncs, or waits until the store's thread has. */
int history_make_durable(alex_store *store, enum alex_durability durability);

/** The greatest state from `least` to `greatest` that the store holds, or HISTORY_NONE. */
uint32_t history_held(const struct history *history, alex_store *store, uint32_t least, uint32_t greatest);

/** Goes on from a state of before, as what came after it is gone. */
void history_go_back(struct history *history, uint32_t state);

#endif /* CRASH_HISTORY_H */
