/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file checker_internal.h
 * A check at work, for the checker's parts.
 */
#ifndef HISTORY_CHECKER_INTERNAL_H
#define HISTORY_CHECKER_INTERNAL_H

#include "history/checker.h"

#define NO_MOMENT UINT64_MAX
#define NO_RANK SIZE_MAX

/** A key that there ever was. */
struct key {
    uint64_t index_key; /**< orders as the table does */
    uint16_t table;
};

/** What a key had from a moment on. */
struct version {
    uint64_t moment;
    uint64_t id;
};

/** The versions of a key, in their order, from `first` on. */
struct versions {
    size_t first;
    size_t count;
};

struct check {
    const struct history *history;
    struct findings *findings;
    uint64_t last_moment;

    /* keys.c */
    struct key *keys; /**< by table, then in the table's order; a key's place is its rank */
    size_t key_count;
    size_t *table_first; /**< the rank of each table's first key, and behind the last table */
    struct version *versions;
    struct versions *versions_of; /**< by rank */

    /* match.c */
    const struct event **writers; /**< by moment, from 1: the call that made the commit */
    uint64_t *made;               /**< by table: the moment from which it is there */
    uint64_t *dropped;            /**< and from which it is gone; NO_MOMENT */

    /* moments.c */
    uint64_t *possible_from;   /**< by moment, from 0: the time before which it can't have been */
    uint64_t *snapshot_moment; /**< by snapshot */
    size_t *snapshot_first;    /**< by thread: where its snapshots are there */
};

/* checker.c */
/** Zeroed memory that there has to be. */
void *check_memory(size_t count, size_t size);
/** Says that something is wrong. @return false */
bool check_fail(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Says more of that. */
void check_explain(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Says who made a call, what it was, and when. */
void check_explain_event(struct check *check, const struct event *event);
/** Says what came to be at a moment. */
void check_explain_moment(struct check *check, uint64_t moment);
/** Says what a key had from one moment to another, and directly before and after. */
void check_explain_key(struct check *check, uint16_t table, int64_t key, uint64_t from, uint64_t to);
/** Says what was seen of a key. */
void check_explain_seen(struct check *check, uint64_t id);
const struct recorder *check_thread_of(const struct check *check, const struct event *event);
const struct table *check_table(const struct check *check, uint16_t table);

/* keys.c */
void keys_collect(struct check *check);
void keys_release(struct check *check);
uint64_t keys_index_key(const struct check *check, uint16_t table, int64_t key);
int64_t keys_key(const struct check *check, const struct key *key);
/** The rank of the least key of the table that is at least this one; where the next table's begin if there is none. */
size_t keys_rank_from(const struct check *check, uint16_t table, int64_t key);
/** A key's rank, or NO_RANK. */
size_t keys_rank(const struct check *check, uint16_t table, int64_t key);
/** The place in a key's versions of that which it has at a moment; SIZE_MAX before the first, where it is absent. */
size_t keys_version_at(const struct check *check, size_t rank, uint64_t moment);
/** What a version is, ID_ABSENT for SIZE_MAX. */
uint64_t keys_version_id(const struct check *check, size_t rank, size_t version);

/* match.c */
/** Finds the call behind each commit. */
bool match_calls(struct check *check);
/** Whether a call is a write that may have made a commit. */
bool match_is_write(const struct event *event);

/* moments.c */
bool moments_check(struct check *check);

/* state.c */
/** Goes through all moments, and gives the state at the end. */
bool state_check(struct check *check, struct state *out_after);

#endif /* HISTORY_CHECKER_INTERNAL_H */
