/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file calls.h
 * Calls of the public API that are recorded: what was asked for, when, what came of it.
 */
#ifndef HISTORY_CALLS_H
#define HISTORY_CALLS_H

#include "history/recorder.h"
#include "history/serial.h"

/** A snapshot that is open. */
struct kept {
    alex_txn *txn;
    uint32_t id;
    struct table *passing; /**< a table that comes and goes, and that was there when the snapshot began; or NULL */
};

/* ------------------------------------------------------------------------------------------------ writes
 *
 * Each returns what the store did. */

int call_put(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key);
int call_put_absent(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key);
/** In place: reserved, filled, and committed. */
int call_put_reserved(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key);
int call_delete(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key);
int call_make_table(struct recorder *recorder, alex_store *store, const struct tables *tables, struct table *table);
int call_drop_table(struct recorder *recorder, alex_store *store, const struct tables *tables,
                    const struct table *table);

#define BATCH_OPS_MAX 24u

/** A batch to be: its operations are added, then it is carried out. */
struct batch {
    struct entry entries[BATCH_OPS_MAX];
    alex_table *handles[BATCH_OPS_MAX];
    uint32_t count;
};
void call_batch_put(struct batch *batch, const struct tables *tables, const struct table *table, int64_t key);
void call_batch_delete(struct batch *batch, const struct tables *tables, const struct table *table, int64_t key);
int call_batch(struct recorder *recorder, alex_store *store, const struct batch *batch);
/** The same in a write transaction, which rolls other writes back before.
 *  @param reads  whether it notes what it reads, too, as of a snapshot: that may not be durable yet */
int call_transaction(struct recorder *recorder, alex_store *store, const struct tables *tables,
                     const struct batch *batch, bool reads);

/** A load that is open. */
struct load {
    struct recorder *recorder;
    struct event *event;
    alex_loader *loader;
    int code; /**< of the first call that failed */
};
/** @return false: the store takes no more writes */
bool call_load_begin(struct load *load, struct recorder *recorder, const struct tables *tables,
                     const struct table *table);
void call_load_add(struct load *load, int64_t key);
int call_load_end(struct load *load);

/* ------------------------------------------------------------------------------------------------ reads */

void call_lone_get(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key);
void call_exists(struct recorder *recorder, const struct tables *tables, const struct table *table, int64_t key);

/** Begins a snapshot, lets it see the present, ends it. */
void call_begin(struct recorder *recorder, alex_store *store, struct kept *out_kept);
void call_renew(struct recorder *recorder, struct kept *kept);
void call_end(const struct kept *kept);

/** Who reads where. */
struct snapshot_read {
    struct recorder *recorder;
    const struct tables *tables;
    const struct table *table;
    alex_txn *txn;
    uint32_t snapshot;
};

#define GET_MANY_MAX 20u

void call_get(const struct snapshot_read *read, int64_t key);
void call_get_many(const struct snapshot_read *read, const int64_t *keys, size_t count);
/** From one end of the range on. After so many entries it turns back for some. */
void call_scan(const struct snapshot_read *read, const struct alex_range *range, bool down, uint64_t entries);
/** From a key on, in a cursor over all keys. */
void call_seek(const struct snapshot_read *read, int64_t key, bool down, uint64_t entries);
void call_count(const struct snapshot_read *read, const struct alex_range *range);

#endif /* HISTORY_CALLS_H */
