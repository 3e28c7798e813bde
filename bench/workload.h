/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload.h
 * What a run does with a store, and what it finds out. To add a workload, write its function and list it in
 * workloads.c.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataset.h"
#include "engine.h"
#include "measure.h"

/** Records that the workload `scan` reads at a time. */
#define SCAN_RECORDS 100

/** The version of a key that has no value. */
#define VERSION_ABSENT UINT32_MAX

/** What a run finds out. Plain data: the run's process sends it to the one that started it. */
struct measurement {
    uint64_t ops; /**< operations behind ns_per_op */
    double ns_per_op;
    uint64_t calls;  /**< timed singly */
    uint64_t p50_ns; /**< of them, as the four below */
    uint64_t p99_ns;
    uint64_t p999_ns;
    uint64_t p9999_ns;
    uint64_t max_ns;
    uint64_t found;             /**< entries that reads found */
    uint64_t checksum;          /**< over what reads found, in their order */
    uint64_t contents_count;    /**< entries in the store at the end */
    uint64_t contents_checksum; /**< over them, in any order */
    double writer_ns_per_op;    /**< of the thread that wrote meanwhile; 0: there was none */
    uint64_t peak_rss_bytes;
    uint64_t disk_bytes;
    struct index_figures index; /**< at the end */
};

/** A workload at work in a run's own process. */
struct session {
    const struct engine *engine;
    const struct dataset *dataset;
    struct engine_setup setup;
    void *store;
    uint32_t threads; /**< that share the operations */
    uint64_t keys;    /**< loaded, or to be loaded */
    uint64_t ops;
    uint64_t random;      /**< state of random_next(): the same for all engines in a round */
    uint32_t *versions;   /**< by index of key: what the store holds at the end; VERSION_ABSENT for nothing */
    uint64_t index_count; /**< of versions */
    uint64_t index_room;  /**< allocated of versions */
    unsigned char *value; /**< a buffer of dataset_buffer_bytes() */
    struct measurement *measured;
};

/** What a workload finds the store like. */
enum workload_start {
    START_LOADED, /**< `keys` keys in it, loaded by another process unless the options say otherwise */
    START_OWN,    /**< the same, but always loaded by the run's own process */
    START_EMPTY,  /**< nothing in it, and the operations put `keys` keys there; loaded if those would be too many */
};

/** What a workload does with keys that are not loaded. */
enum workload_others {
    OTHERS_NONE,
    OTHERS_PUT, /**< puts them: each operation one at most, and none twice */
    OTHERS_GET, /**< looks for them */
};

struct workload {
    const char *name;
    const char *summary;
    enum workload_start start;
    bool writes;        /**< so it needs a store of its own */
    bool sync;          /**< each put or batch is on disk when its call returns */
    bool threads;       /**< its operations don't depend on each other: any number of threads may share them */
    bool writer_beside; /**< a thread more puts meanwhile, as much as there is time for: contents depend on that */
    bool (*served)(const struct engine *engine); /**< whether an engine has the calls that it takes; NULL: all have */
    enum workload_others others;
    bool fixed_ops;      /**< the number of operations is the default, whatever --ops says */
    uint32_t call_ops;   /**< operations in a call, where that is fixed; 0: all keys are one call */
    uint64_t fixed_keys; /**< whatever --keys says; 0: as it says */
    uint64_t ops_max;    /**< operations by default at most */
    uint32_t op_keys;    /**< keys that there must be for each operation by default; 0: any number will do */
    void (*run)(struct session *session);
};

extern const struct workload workloads[];
extern const size_t workload_count;

/** Whether an engine is run with a workload, in so many threads. */
bool workload_served_by(const struct workload *workload, const struct engine *engine, uint32_t threads);

/** How many operations a workload does by default on `keys` keys. */
uint64_t workload_default_ops(const struct workload *workload, uint64_t keys);

/** Whether a workload with this number of keys begins with an empty store. */
bool workload_starts_empty(const struct workload *workload, uint64_t keys);

/** Operations in a call with this number of keys. */
uint64_t workload_call_ops(const struct workload *workload, uint64_t keys);

/** Operations that are timed one by one, after `ops` others, where operations are single. */
uint64_t workload_latency_ops(uint64_t ops);

/** Keys besides the `keys` of the store that a workload of `ops` operations takes at most. */
uint64_t workload_other_keys(const struct workload *workload, uint64_t keys, uint64_t ops);

/** Loads the session's keys into its store, in batches, untimed, and lets the engine finish its work on them. */
void session_load(struct session *session);

/** Makes records of the keys from index `first` up to `end`, BATCH_RECORDS at most, as they are loaded. @param values
 *  a buffer of dataset_buffer_bytes() for each @return how many */
size_t session_make_batch(const struct session *session, uint64_t first, uint64_t end, struct record *records,
                          unsigned char *values);

/** Lets the engine finish its work on what was written, now or by an earlier process. */
void session_settle(struct session *session);

/** Reads the whole store and fails unless it holds exactly what `versions` says. Warms the caches by the way. */
void session_check_contents(struct session *session);

/** Begins a copy of a session for the calling thread, with a handle of the store and a buffer of its own, and ends
 *  it. */
void session_open_thread(struct session *thread, const struct session *session);
void session_close_thread(struct session *thread);

/** Gives a new key its place in `versions`. @return its index */
uint64_t session_add_index(struct session *session);

/** Fails with the session's engine and a key. */
_Noreturn void session_wrong_value(const struct session *session, int64_t key, size_t size);

/** Puts a key's version. */
static inline void session_put(struct session *session, int64_t key, uint32_t version)
{
    session->engine->put(session->store, key, session->value,
                         dataset_value(session->dataset, key, version, session->value));
}

/** Adds what a read found to the session's measurement. */
static inline void session_count(struct session *session, int64_t key, const void *value, size_t size)
{
    uint64_t word = size;
    __builtin_memcpy(&word, value, size < 8 ? size : 8);
    session->measured->found++;
    session->measured->checksum = (session->measured->checksum ^ (uint64_t)key ^ word) * 0x9e3779b97f4a7c15u + size;
}

/* The workloads. */
void run_bulk_insert(struct session *session);
void run_txn_10(struct session *session);
void run_txn_1k(struct session *session);
void run_txn_100k(struct session *session);
void run_insert(struct session *session);
void run_get(struct session *session);
void run_get_missing(struct session *session);
void run_get_new(struct session *session);
void run_get_many(struct session *session);
void run_get_txn(struct session *session);
void run_begin_end(struct session *session);
void run_get_beside_writer(struct session *session);
void run_mixed(struct session *session);
void run_delete(struct session *session);
void run_counter(struct session *session);
void run_delete_range(struct session *session);
void run_scan(struct session *session);
void run_full_scan(struct session *session);
void run_open(struct session *session);
void run_ycsb_a(struct session *session);
void run_ycsb_b(struct session *session);
void run_ycsb_c(struct session *session);
void run_ycsb_d(struct session *session);
void run_ycsb_e(struct session *session);
void run_ycsb_f(struct session *session);

#endif /* BENCH_WORKLOAD_H */
