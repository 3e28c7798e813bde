/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store.h
 * What the library's other modules, and its tests, see of a store beyond <alexstorage.h>.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "index/index.h"
#include "log/log.h"

/** What no user has to choose, but tests do: small segments make a log of many files in little time. */
struct store_tuning {
    uint32_t segment_shift; /**< log2 of the segment size of a new store; 0: 27 (128 MiB) */
};

/** As alex_open(). @param tuning  optional */
int store_open_tuned(const char *path, const struct alex_options *options, const struct store_tuning *tuning,
                     alex_store **out_store);

struct salvage_listener;
struct salvage_result;

/** Opens a store for reading however damaged it is, with all that is provably good in it (docs/FORMAT.md, "Salvage"),
 *  and tells `listener` of the rest. @return as alex_open(), or what the listener returned to stop */
int store_open_salvage(const char *path, const struct salvage_listener *listener, struct alex_error *error,
                       struct salvage_result *out_result, alex_store **out_store);

/** The store's log. */
struct log *store_log(const alex_store *store);

/** The absolute path of its directory; lives as long as the store. */
const char *store_path(const alex_store *store);

/** Where a failure of the calling thread on the store is noted. Called when there is one: it is the thread's last from
 *  then on. */
struct alex_error *store_error(const alex_store *store);

/** Waits until no other thread writes. @return ALEX_OK; as store_usable(), or ALEX_BUSY if this thread does: without a
 *  writer_end() */
int writer_begin(alex_store *store);
/** Lets the next writer in. @return `result`, whose detail becomes the thread's */
int writer_end(alex_store *store, int result);

/** ALEX_OK, or what a store handle is refused with: ALEX_INVALID for NULL, ALEX_MISUSE after its end (debug builds). */
int store_usable(const alex_store *store);

/** A table as seen from inside. */
struct store_table_view {
    const char *name;
    uint32_t id;
    uint64_t key_flip; /**< index key = key ^ key_flip */
    uint64_t keys;     /**< without tombstones */
    const struct index *index;
};

/** Visits every table in no order; the visit returns 0 to go on. @return 0 or what the visit returned */
int store_visit_tables(const alex_store *store, int (*visit)(void *context, const struct store_table_view *table),
                       void *context);

#endif /* STORE_STORE_H */
