/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.h
 * One long random sequence of operations on a store and on its model, and the comparison of the two. A run follows from
 * its options alone; a failure prints them.
 */
#ifndef MODEL_RUN_H
#define MODEL_RUN_H

#include "support/model.h"
#include "support/store_helper.h"

/** What a run is made from. */
struct run_options {
    const char *name;    /**< of the key set, for messages */
    const char *path;    /**< of the store, which must not exist */
    const int64_t *keys; /**< most keys are these, or close to them */
    size_t key_count;
    uint64_t seed;
    uint64_t operations;
    uint32_t segment_shift; /**< 0: the library's own segment size */
    bool with_hot_keys;     /**< the earlier in `keys`, the more often chosen, by Zipf's law */
    bool with_kills;        /**< some stretches are run by a child that dies without closing */
};

enum { RUN_TABLES = 3, RUN_SNAPSHOTS = 4 };

/** A table, and what should be in it. */
struct run_table {
    bool exists;
    char name[32];
    alex_table *table;
    struct model_table model;
};

/** A transaction, and what it should see. */
struct run_snapshot {
    alex_txn *txn; /**< NULL: none is open here */
    struct run_table tables[RUN_TABLES];
};

/** A run in progress. */
struct run {
    const struct run_options *options;
    alex_store *store;
    struct helper_random random;
    struct run_table tables[RUN_TABLES]; /**< the first is "main" */
    struct run_snapshot snapshots[RUN_SNAPSHOTS];
    uint64_t operation;
    uint64_t names;  /**< tables made so far */
    size_t progress; /**< how far the key set was gone through in its own order */
    int64_t last_key;
    bool in_child;
    unsigned char *buffer; /**< RUN_VALUE_MAX bytes */
};

enum { RUN_VALUE_MAX = 100000 };

/** Carries out the whole run, with a check of the store at its end. */
void run_all(const struct run_options *options);

/** Fails the test, telling seed and operation. */
_Noreturn void run_fail(const struct run *run, const char *what, const char *file, int line);
#define RUN_CHECK(run, condition) ((condition) ? (void)0 : run_fail((run), #condition, __FILE__, __LINE__))
#define RUN_OK(run, call) run_expect((run), ALEX_OK, (call), #call, __FILE__, __LINE__)
#define RUN_CODE(run, expected, call) run_expect((run), (expected), (call), #call, __FILE__, __LINE__)
void run_expect(const struct run *run, int expected, int actual, const char *call, const char *file, int line);

/** The parts of a run: operations that write, and such that read. */
void run_write_something(struct run *run);
void run_read_something(struct run *run);
/** Chooses. */
struct run_table *run_choose_table(struct run *run);
int64_t run_choose_key(struct run *run);
size_t run_choose_size(struct run *run);

/** Compares a snapshot's tables with the store, by single gets and by walks. */
void run_verify_snapshot(struct run *run, struct run_snapshot *snapshot);
/** Compares all there is now with the models. */
void run_verify_all(struct run *run);
void run_begin_snapshot(struct run *run);
void run_end_snapshot(struct run *run, struct run_snapshot *snapshot);

#endif /* MODEL_RUN_H */
