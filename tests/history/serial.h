/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file serial.h
 * The order in which a store's writes took effect: what its log says.
 *
 * The log has each write once, in the order of their numbers, and a snapshot is a number, so the log proposes one
 * moment for each snapshot. The checker trusts none of it: this order has to agree with what the threads were told and
 * when, and every snapshot with its moment in it. If it does, each snapshot saw the writes of one moment; if it
 * doesn't, the store has broken its own word, for it promises this very order. Rejected: to find an order from what the
 * threads saw alone. That takes longer, tells less well what is wrong, and is content with any order that would explain
 * it, where the log, which a reopened store goes by, has only one.
 */
#ifndef HISTORY_SERIAL_H
#define HISTORY_SERIAL_H

#include <alexstorage.h>

#include "history/recorder.h"

#define TABLES_MAX 4096u

/** A table that there is or was. */
struct table {
    uint32_t id; /**< in the log */
    bool is_unsigned;
    alex_table *handle;
    char name[24];
};

/** All of a history, in the order in which they were made, which is that of their ids. The first is "main". */
struct tables {
    struct table items[TABLES_MAX];
    _Atomic uint32_t count;
};

/** What a commit changes of a key. */
struct serial_change {
    int64_t key;
    uint64_t id; /**< of the write; ID_ABSENT: a delete */
    uint16_t table;
};

enum commit_kind {
    COMMIT_WRITES,
    COMMIT_MAKE, /**< of a table */
    COMMIT_DROP,
};

/** What takes effect at once: a write, batch or load, a table made or dropped. */
struct serial_commit {
    enum commit_kind kind;
    bool grouped;     /**< a batch or load */
    uint16_t table;   /**< made or dropped */
    uint64_t number;  /**< with which it is published */
    uint64_t durable; /**< the moment from which it was; 0: whenever */
    size_t first;     /**< of its changes */
    size_t count;
};

/** Commits in their order. Moment m of a history is that after the first m of them. */
struct serial {
    struct serial_commit *commits;
    size_t count;
    size_t capacity;
    struct serial_change *changes;
    size_t change_count;
    size_t change_capacity;
    uint64_t number; /**< what comes after it was not there yet when this was read last */
};

/** Reads what was published since it was last read. While no thread writes.
 *  @param when_durable  with when each was durable, for stores that are synced with each commit */
void serial_read(struct serial *serial, alex_store *store, const struct tables *tables, bool when_durable);
void serial_release(struct serial *serial);

/** Adds a commit without changes. */
struct serial_commit *serial_add(struct serial *serial, enum commit_kind kind, uint64_t number);
/** Adds a change to the commit that is added next. */
void serial_add_change(struct serial *serial, uint16_t table, int64_t key, uint64_t id);

#endif /* HISTORY_SERIAL_H */
