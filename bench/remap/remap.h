/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file remap.h
 * alexstorage-bench-remap: what a write costs by its parts and by how often the file is mapped anew (write.c), what a
 * get costs by where a record's header lies (header.c), and what a lookup costs by the layout of its slots (slots.c).
 *
 * These are models of a store, as small as what they show allows. The index is AlexStorage's own, by its inner header:
 * the public API can't time it alone.
 */
#ifndef BENCH_REMAP_REMAP_H
#define BENCH_REMAP_REMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../support.h"
#include "index/index.h"

#define VALUE_BYTES_MIN 16
#define VALUE_BYTES_MAX 256
/** Bytes that values are cut from: values are pointers, so making one takes no time. */
#define VALUE_SOURCE_BYTES ((size_t)32 << 10)

/** The keys and values of the first two tables. */
struct records {
    unsigned char source[VALUE_SOURCE_BYTES + VALUE_BYTES_MAX];
};

void records_init(struct records *records);

/** The `number`-th key: random over all of int64, none twice. */
static inline int64_t record_key(uint64_t number)
{
    return (int64_t)mix(number + 0x5eed);
}

static inline uint32_t record_value_bytes(int64_t key)
{
    return VALUE_BYTES_MIN + (uint32_t)((uint64_t)key % (VALUE_BYTES_MAX - VALUE_BYTES_MIN + 1));
}

static inline const unsigned char *record_value(const struct records *records, int64_t key)
{
    return records->source + (mix((uint64_t)key) & (VALUE_SOURCE_BYTES - 1));
}

/** Whether these are the size and bytes of the key's value. */
static inline bool record_value_is(const struct records *records, int64_t key, const unsigned char *value,
                                   uint32_t bytes)
{
    return bytes == record_value_bytes(key) && memcmp(value, record_value(records, key), bytes) == 0;
}

/** An index with the pool that it is alone in. */
struct key_index {
    struct index_pool *pool;
    struct index *index;
};

void key_index_init(struct key_index *index);
void key_index_release(struct key_index *index);

/** The order of int64 in the index's unsigned keys. */
static inline uint64_t index_key(int64_t key)
{
    return (uint64_t)key ^ ((uint64_t)1 << 63);
}

/** Enters an address; 0 is one as well. */
static inline void key_index_set(struct key_index *index, int64_t key, uint64_t address)
{
    struct index_position position;
    if (index_prepare(index->index, index_key(key), &position) != 0) {
        fail("out of memory for the index");
    }
    index_set(index->index, &position, address + 1);
}

/** The address of a key that is there. */
static inline uint64_t key_index_get(const struct key_index *index, int64_t key)
{
    return index_find(index->index, index_key(key)) - 1;
}

/* ---- write.c ---- */

/** How a record gets into the file. */
enum append {
    APPEND_THREE_WRITES, /**< write(2) each of key, length and value */
    APPEND_ONE_WRITE,    /**< into a buffer, and write(2) of that at the flush */
    APPEND_STORED,       /**< into the mapping, with no system call; only where the file is never mapped anew */
    APPENDS,
};

/** Chunk sizes that say something other than a number of bytes. */
#define CHUNK_PER_WRITE 0
#define CHUNK_NEVER UINT64_MAX

struct write_case {
    enum append append;
    uint64_t chunk_bytes; /**< that the mapping grows by */
};

extern const struct write_case write_cases[];
extern const size_t write_case_count;

/** Nanoseconds a record. */
struct write_times {
    double append;
    double flush;
    double remap; /**< or, where that never happens, making the file longer */
    double index;
    double whole;          /**< of a pass that reads the clock at its two ends only */
    double whole_and_read; /**< the same with each record read through the mapping right after it is written */
    uint64_t remaps;       /**< mappings made, in all */
};

/** Writes `keys` records into a new file in `directory`, and reads all of them back through the mapping. */
struct write_times write_run(const struct write_case *write_case, const struct records *records, uint64_t keys,
                             const char *directory);

/* ---- header.c ---- */

/** Where a record's key and length lie. */
enum layout {
    LAYOUT_JOINED, /**< key and length in one aligned header, the value right behind */
    LAYOUT_BEFORE, /**< as in the document that the project started from: an address of key and value, the length before
                      it, packed */
    LAYOUT_APART,  /**< key, length and value in three places */
    LAYOUTS,
};

/** Records in one layout, mapped, with an index over them. */
struct header_store;

struct header_times {
    double record; /**< a get of a known address, ns */
    double get;    /**< with the index, ns */
};

struct header_store *header_store_create(enum layout layout, const struct records *records, uint64_t count,
                                         const char *directory);
void header_store_destroy(struct header_store *store);

/** Gets `gets` random records; the same ones for the same `random`. */
struct header_times header_run(const struct header_store *store, const struct records *records, uint64_t gets,
                               uint64_t random);

/* ---- slots.c ---- */

/** How the slots of an index's node lie in memory. */
enum slot_layout_name {
    SLOT_LAYOUT_BLOCKS,  /**< as in the index: a line of 8 keys, a line of their payloads */
    SLOT_LAYOUT_PAIRS_8, /**< 8 pairs of key and payload, two lines */
    SLOT_LAYOUT_PAIRS_4, /**< 4 pairs, one line */
    SLOT_LAYOUT_ARRAYS,  /**< all keys of a node, then all payloads; 8 keys are compared at once */
    SLOT_LAYOUTS,
};

/** What is done where a key is not in its predicted block. */
enum slot_search_name {
    SLOT_SEARCH_STEPS,     /**< as in the index: steps outwards that grow fourfold, then parts of eight */
    SLOT_SEARCH_DOUBLING,  /**< steps outwards that double, then bisection */
    SLOT_SEARCH_BISECTION, /**< of all of the node */
    SLOT_SEARCH_LINEAR,    /**< block after block */
    SLOT_SEARCHES,
};

struct slot_case {
    uint32_t off_max; /**< slots that predictions are off by, at random from none to as many, to either side */
    enum slot_search_name search;
};

/** Nodes in one layout. */
struct slot_array;

/** Whether this processor can: on x86 it takes AVX2. */
bool slots_can_run(void);

/** At least `keys` keys: those that fill whole nodes. */
struct slot_array *slot_array_create(enum slot_layout_name name, uint64_t keys);
void slot_array_destroy(struct slot_array *array);

/** Looks up random keys, each when the one before is known, as gets do, or 16 `together`, as get_many does; the same
 *  ones for the same `random`. @return nanoseconds a lookup */
double slots_run(const struct slot_array *array, const struct slot_case *slot_case, bool together, uint64_t lookups,
                 uint64_t random);

#endif /* BENCH_REMAP_REMAP_H */
