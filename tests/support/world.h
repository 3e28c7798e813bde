/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file world.h
 * A store whose contents are known, whatever fails on the way.
 */
#ifndef SUPPORT_WORLD_H
#define SUPPORT_WORLD_H

#include "support/store_helper.h"

enum { WORLD_TABLES = 3, WORLD_KEYS = 24, WORLD_VALUE_MAX = 200 * 1024 };

extern const char *const world_names[WORLD_TABLES];

/** What a store holds. */
struct world_contents {
    bool exists[WORLD_TABLES];
    unsigned versions[WORLD_TABLES][WORLD_KEYS]; /**< of each key's value; 0: absent */
};

/** A store, and what it should hold. */
struct world {
    struct fixture *fixture;
    char path[FILES_PATH_MAX];
    enum alex_durability durability;
    bool read_only;
    alex_store *store; /**< NULL: closed */
    bool unclean;      /**< an opening or a close has failed */
    struct world_contents now;
    bool in_doubt; /**< after the next opening it may be `doubtful` just as well: the write whose sync failed */
    struct world_contents doubtful;
    struct alex_error open_error;
};

/** Those of a new store. */
extern const struct world_contents world_at_first;

/** Sizes from none to several pages, and at version 9 one of several segments. */
size_t world_value_size(int64_t key, unsigned version);
/** The value of a version of a key, until the next call. */
const void *world_value(int table, int64_t key, unsigned version);
/** Whether the store takes no more writes. */
bool world_is_latched(const struct world *world);
/** A write that makes the store hold `then` has returned `code`. */
int world_wrote(struct world *world, int code, const struct world_contents *then);
/** Opens the store in small segments, without a thread of its own. */
int world_open(struct world *world);
int world_close(struct world *world);
/** The handle of a table that is there. */
alex_table *world_table(struct world *world, int table);
/** Writes, as the store's calls return; what isn't there to delete or drop is no failure. */
int world_put(struct world *world, int table, int64_t key, unsigned version);
int world_delete(struct world *world, int table, int64_t key);
int world_make_table(struct world *world, int table);
int world_drop_table(struct world *world, int table);
/** Asserts that the open store holds what it should. */
void world_verify(struct world *world);
/** The same of a store just opened, which may have found a write that had failed. */
void world_verify_opened(struct world *world);

#endif /* SUPPORT_WORLD_H */
