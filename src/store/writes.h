/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writes.h
 * Writes that count together: what transactions, batches and loads are made of.
 *
 * Their records are appended as they come, flagged as grouped, and noted by table. What was noted can be read, by key
 * or as a run of keys, before anyone else sees it; it can be taken back to a savepoint, by an ABORT; and it is
 * committed: sorted, entered in the indexes, covered by a COMMIT, and published. Tables that are made, renamed and
 * dropped are among them.
 *
 * Invariants:
 *  W1  Of the records noted, `log_group` has the number and the checksum; those from `abort_from` on, if that isn't 0,
 *      are noted no more, and an ABORT of theirs comes before the next record, or the COMMIT.
 *  W2  A record's previous version is that in the table's index, never another of the same writes, which may be taken
 *      back by itself.
 *  W3  A table's overlay has the last of the first `overlaid` entries of each key.
 *  W4  `older` has, for each of these, which entry of its key the overlay had before.
 *  W5  Until the commit nothing of this is in the tables' indexes, or in the catalog.
 *  W6  A table's `pending_name`, `is_pending` and TABLE_DROP_PENDING are what `table_changes` say, in their order. Only
 *      who holds reads or changes them, but for the drop number, which all look at.
 *
 * The store has one such set, which is whose that has the writer's turn, or holds the store's writes (writer_hold()).
 */
#ifndef STORE_WRITES_H
#define STORE_WRITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"
#include "log/log.h"

struct alex_store;
struct alex_table;
struct commit;
struct record;
struct table_name;

/** What was written to one table. */
struct writes_part {
    struct alex_table *table;
    struct index_entry *entries; /**< index keys and references, in the order of writing; in the commit: puts by key,
                                      then deletes by key, one a key */
    size_t count;
    size_t capacity;
    size_t deletes;        /**< of `count`; before the commit, perhaps more */
    bool deletes_nothing;  /**< perhaps: a delete may be of a key that the index has no value of */
    bool ascending;        /**< so are the keys, without repeats */
    struct index *overlay; /**< index key to the place in `entries` of its last one, counted from 1; NULL: nobody has
                                asked for it */
    size_t overlaid;
    uint64_t *older; /**< 0: none */
    size_t older_capacity;
    uint64_t *previous; /**< in the commit: what the index had before; NULL: it was empty */
};

/** What was done to a table as a whole. */
enum table_change_kind {
    TABLE_MADE,
    TABLE_RENAMED,
    TABLE_DROPPED,
};

struct table_change {
    enum table_change_kind kind;
    struct alex_table *table;
    struct table_name *name; /**< of TABLE_RENAMED, as what follows */
    const char *name_before; /**< its pending one */
    uint64_t name_ref;
};

/** A state that writes can be taken back to. */
struct writes_savepoint {
    struct log_group log_group;
    uint64_t last_number;
    size_t *counts; /**< entries of each part */
    size_t part_count;
    size_t table_change_count;
};

/** Puts that wait to be looked up together, and their values. */
struct writes_buffer;

struct writes {
    struct writes_part *parts; /**< `part_count` of them in use; the others keep their memory */
    size_t part_count;
    size_t part_capacity;
    struct table_change *table_changes; /**< in the order of their records */
    size_t table_change_count;
    size_t table_change_capacity;
    struct alex_table *ended_tables; /**< that were made, and rolled back or dropped */
    struct log_group log_group;
    uint64_t last_number; /**< of the last record appended */
    uint64_t abort_from;
    bool unreadable; /**< something was appended that the log doesn't let read yet */
    struct writes_savepoint *savepoints;
    size_t savepoint_count;
    size_t savepoint_capacity;
    struct writes_buffer *buffer;
    struct index_pool *overlays; /**< memory of the overlays, which no reader but whose writes they are looks at */
    void *scratch;
    size_t scratch_bytes;
};

/* writes.c */
/** Appends one record of a key, which has `previous` in the table's index, and notes it. The writer's. */
int writes_append(struct alex_table *table, int64_t key, uint64_t previous, bool is_delete, const void *value,
                  size_t size);
/** Appends a record of a key or table, grouped. The writer's. */
int writes_append_record(struct alex_table *table, struct record *record, const void *value, size_t size,
                         uint64_t *out_ref);
/** Puts a value, perhaps later: then before anything else that these calls do. Takes the writer's turn if need be. */
int writes_put(struct alex_table *table, int64_t key, const void *value, size_t size);
/** Appends what writes_put() has left, and with `readable` has the log let it be read. Takes the writer's turn if need
 *  be. */
int writes_settle(struct alex_store *store, bool readable);
/** Appends what writes_put() has left. The writer's. */
int writes_flush(struct alex_store *store);
/** Appends the ABORT that is due. The writer's. */
int writes_append_abort(struct alex_store *store);
/** Takes everything back, and makes ready for the next writes. The writer's. */
void writes_abort(struct alex_store *store);
/** Makes ready for the next writes, after a commit. */
void writes_clear(struct alex_store *store);
/** Frees the memory. */
void writes_release(struct alex_store *store);
/** At least `bytes` of memory, until the next call or the commit; NULL: there is none. */
void *writes_scratch(struct alex_store *store, size_t bytes);

/** Makes a savepoint behind those that there are. The writer's. @return ALEX_OK, ALEX_NO_MEMORY; as writes_flush() */
int writes_save(struct alex_store *store);
/** Takes back what came after a savepoint, counted from 1, and ends those behind it. */
void writes_roll_back(struct alex_store *store, size_t savepoint);
/** Ends a savepoint and those behind it. */
void writes_forget(struct alex_store *store, size_t savepoint);

/* writes_tables.c; the writer's, but for writes_undo_tables() */
/** The name that a table has for who writes. @return NULL: it is dropped */
const char *writes_own_name(const struct alex_table *table);
/** A table by the name that it has for who writes. @return NULL: there is none */
struct alex_table *writes_find_table(const struct alex_store *store, const char *name);
/** Makes a table, under a name that is free. */
int writes_make_table(struct alex_store *store, const char *name, enum alex_key_order order,
                      struct alex_table **out_table);
/** Gives a table a name that is free. */
int writes_rename_table(struct alex_table *table, const char *name);
int writes_drop_table(struct alex_table *table);
/** Takes the changes of tables back but for the first `count`. */
void writes_undo_tables(struct alex_store *store, size_t count);
/** Makes room for what is made, so that writes_publish_tables() can't fail. @return ALEX_OK, ALEX_NO_MEMORY */
int writes_reserve_tables(struct alex_store *store);
/** Makes the changes of tables the store's. @param number  that they are published with */
void writes_publish_tables(struct alex_store *store, uint64_t number);
/** Frees tables that were never the store's. */
void writes_end_tables(struct alex_store *store);

/* overlay.c; after writes_settle() */
/** Finds what was written of a key last. @param out_ref  0: nothing @return ALEX_OK, ALEX_NO_MEMORY */
int overlay_find(struct alex_table *table, uint64_t index_key, uint64_t *out_ref);
/** index_scan() of the table with what was written over it, deletes included.
 *  @return ALEX_OK, ALEX_NO_MEMORY */
int overlay_scan(struct alex_table *table, uint64_t from, enum index_direction direction,
                 struct index_entry *out_entries, size_t capacity, size_t *out_count);
/** Takes the entries from `count` on out of the part's overlay. */
void overlay_cut(struct writes_part *part, size_t count);
/** Whether anything was written to the table. */
bool overlay_covers(const struct alex_table *table);

/* writes_commit.c */
/** What a commit has done to keys. */
struct writes_done {
    uint64_t added;    /**< keys that had no value before */
    uint64_t replaced; /**< keys that had one */
    uint64_t deleted;
};
/** Commits everything: all of it is there afterwards, or nothing. The writer's; then writes_end() with the result.
 *  @param out_done  optional */
int writes_commit(struct alex_store *store, struct commit *commit, struct writes_done *out_done);
/** commit_end() of such a commit, which frees its changes. */
int writes_end(struct alex_store *store, struct commit *commit, int result);

#endif /* STORE_WRITES_H */
