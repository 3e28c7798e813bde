/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine.h
 * What the benchmark asks of a store: one table of functions an engine, in engine_<name>.c. To add an engine, write its
 * table and list it in engines.c.
 *
 * All calls end the process by fail() where the engine reports an error. Writes ask for no sync: one is done when the
 * engine has handed it to the operating system or mapped memory, and survives the process but not a power cut. With
 * `setup.sync` it is done when it is on disk.
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Records in a batch of writes, at most. */
#define BATCH_RECORDS 1000

/** Keys in a call of get_many, at most. */
#define GET_MANY_KEYS 64

struct record {
    int64_t key;
    const void *value;
    size_t size; /**< bytes */
};

/** Told of an entry that a read found; `value` lives until it returns. For get_many: NULL where the key is absent. */
typedef void visit_fn(void *context, int64_t key, const void *value, size_t size);

struct engine_setup {
    const char *path;    /**< a directory that exists: empty at first */
    size_t value_max;    /**< bytes of the largest value */
    uint64_t data_bytes; /**< estimate of all keys and values, those that may be put among them, to size caches by */
    uint64_t keys;       /**< those loaded, or to be loaded */
    uint64_t puts;       /**< single puts of new keys that may follow */
    bool sync;           /**< a put or batch is on disk when its call returns */
    uint32_t threads;    /**< that use the store at the same time */
    uint32_t writers;    /**< of them, those that write */
};

/** Figures of a learned index. */
struct index_figures {
    double bytes_per_key;        /**< memory that it takes */
    double predicted_line_share; /**< share of keys that lie in the very cache line that the model names */
    uint32_t depth;              /**< nodes from the root to a key, both ends counted; 0: there are no figures */
};
/** What a cache must hold so that all of the data fits, with the engine's own overhead. */
static inline uint64_t engine_cache_bytes(const struct engine_setup *setup)
{
    uint64_t bytes = setup->data_bytes + setup->data_bytes / 2;
    uint64_t least = (uint64_t)512 << 20;
    return bytes > least ? bytes : least;
}

struct engine {
    const char *name;
    const char *settings;         /**< one line for people: everything that differs from the engine's defaults */
    const char *threads_settings; /**< what differs from that where several threads use a store; NULL: nothing */
    bool by_name_only;            /**< not part of the standard set */
    bool one_writer;              /**< workloads that write are for one thread */
    const char *variant; /**< runs are processes of the program alexstorage-bench-<variant>; NULL: of this one */
    const char *(*version)(void);

    /** The names of the only workloads that it is run with, up to a NULL; the functions that those don't need may be
     *  NULL too. NULL: all workloads. */
    const char *const *only_workloads;

    void *(*open)(const struct engine_setup *setup);
    void (*close)(void *store);
    /** Does what the writes so far have left for the background, and waits for it. NULL: there is nothing. */
    void (*settle)(void *store);

    /** Gives the calling thread a handle of its own, which all that follows takes in place of the store, and ends it.
     *  NULL: threads share the store. */
    void *(*open_thread)(void *store);
    void (*close_thread)(void *handle);

    void (*put)(void *store, int64_t key, const void *value, size_t size);
    /** All or none; at most BATCH_RECORDS. */
    void (*write_batch)(void *store, const struct record *records, size_t count);
    bool (*delete_key)(void *store, int64_t key);
    /** Deletes all keys from `first` to `last`, both included, as one step. */
    void (*delete_range)(void *store, int64_t first, int64_t last);
    /** Adds to a counter, a value of 8 bytes as the processor has them; one that is not there is 0. NULL: no single
     *  call does that. */
    void (*add)(void *store, int64_t key, int64_t amount);

    /** Visits the key's entry if there is one. @return whether there is */
    bool (*get)(void *store, int64_t key, visit_fn *visit, void *context);
    /** Visits every key in the given order; at most GET_MANY_KEYS. */
    void (*get_many)(void *store, const int64_t *keys, size_t count, visit_fn *visit, void *context);
    /** Visits up to `limit` entries from the least key not below `first`, ascending. @return how many */
    uint64_t (*scan)(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context);

    /** Begins a read transaction, which is a view of the store that stays as it is, and ends it. NULL: there are none,
     *  or one takes its view only with its first read. */
    void (*begin_end)(void *store);
    /** As get(), in a read transaction of its own. NULL: there are none. */
    bool (*get_txn)(void *store, int64_t key, visit_fn *visit, void *context);

    /** Write transactions, which would read what they have written: begins one, puts in it, commits it. NULL: there are
     *  none. */
    void (*begin_write)(void *store);
    void (*put_in_txn)(void *store, int64_t key, const void *value, size_t size);
    void (*commit)(void *store);

    /** Gives the figures of the index. NULL: the engine has none that learns. */
    void (*index_figures)(void *store, struct index_figures *out_figures);
};

/** Whether the engine is run with a workload. */
static inline bool engine_serves(const struct engine *engine, const char *workload)
{
    const char *const *name = engine->only_workloads;
    while (name != NULL && *name != NULL && strcmp(*name, workload) != 0) {
        name++;
    }
    return name == NULL || *name != NULL;
}

extern const struct engine *const engines[];
extern const size_t engine_count;

extern const struct engine engine_alexstorage;
extern const struct engine engine_alexstorage_binary;
extern const struct engine engine_alexstorage_zerocopy;
extern const struct engine engine_alexstorage_unchecked;
extern const struct engine engine_alexstorage_noprefetch;
extern const struct engine engine_alexstorage_nobackground;
extern const struct engine engine_rocksdb;
extern const struct engine engine_rocksdb_stock;
extern const struct engine engine_rocksdb_mapped;
extern const struct engine engine_sqlite;
extern const struct engine engine_sqlite_cached;
extern const struct engine engine_lmdb;
extern const struct engine engine_lmdb_writemap;
extern const struct engine engine_leveldb;
extern const struct engine engine_wiredtiger;
extern const struct engine engine_floor;

#endif /* BENCH_ENGINE_H */
