/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file chain.c
 * Walks along a key's versions, and their shortcuts; see chain.h.
 *
 * Why a shortcut misses nothing: it is made for a record whose number is published, and leads to the version that the
 * newest open snapshot below that number sees. A snapshot that follows it is older than the record, so it was open then
 * and is no newer than that one: what opens later sees at least what was published.
 */
#include "mvcc/chain.h"

#include "mvcc/epoch.h"

/** The next version to look at; 0: there is none. */
static uint64_t next_version(const struct mvcc_walk *walk)
{
    const struct index *shortcuts = walk->view.shortcuts;
    if (shortcuts != NULL && mvcc_is_crossing(walk->ref)) {
        epoch_enter();
        uint64_t ref = index_find(shortcuts, mvcc_shortcut_key(walk->ref));
        epoch_leave();
        if (ref != 0) {
            return ref == walk->ref ? 0 : ref; /* itself: all open snapshots are older than the key */
        }
    }
    return walk->record.previous;
}

enum mvcc_state mvcc_walk(struct mvcc_walk *walk)
{
    const struct record *record = &walk->record;
    uint64_t newer_number = UINT64_MAX;
    for (;;) {
        enum record_state state = log_fetch_header(walk->log, walk->ref, &walk->record);
        bool ours = state == RECORD_GOOD && record->table == walk->table && record->key == walk->key &&
                    record->number < newer_number && (record->kind == RECORD_PUT || record->kind == RECORD_DELETE);
        if (BASE_UNLIKELY(!ours)) {
            return MVCC_DAMAGED;
        }
        walk->records++;
        if (record->number <= walk->view.number) {
            return record->kind == RECORD_PUT ? MVCC_VALUE : MVCC_ABSENT;
        }
        if (walk->records == walk->records_max) {
            return MVCC_FAR;
        }
        newer_number = record->number;
        uint64_t next = next_version(walk);
        if (next == 0) {
            return MVCC_ABSENT;
        }
        walk->ref = next;
    }
}

enum mvcc_state mvcc_walk_to_value(struct mvcc_walk *walk, struct log_value *out_value)
{
    enum mvcc_state state = mvcc_walk(walk);
    if (state == MVCC_VALUE) {
        if (log_fetch(walk->log, walk->ref, &walk->record) != RECORD_GOOD) {
            return MVCC_DAMAGED;
        }
        *out_value = log_value_of(&walk->record);
    }
    return state;
}

/** Records that are looked at for the next crossing. */
#define BEHIND_RECORDS 64

/** A search for a shortcut. */
struct search {
    const struct mvcc *mvcc;
    struct mvcc_walk walk; /**< from the crossing */
    struct mvcc_shortcut shortcut;
};

/** The first crossing from `ref` on that a snapshot may pass; 0: there is none near. */
static uint64_t crossing_from(const struct mvcc *mvcc, const struct log *log, uint64_t ref)
{
    const uint64_t oldest = mvcc_oldest(mvcc);
    struct record record;
    for (int i = 0; i < BEHIND_RECORDS && ref != 0; i++) {
        if (log_fetch_header(log, ref, &record) != RECORD_GOOD || record.number <= oldest) {
            return 0; /* nobody goes on from there, and its previous address may be another process's */
        }
        if (mvcc_is_crossing(ref)) {
            return ref;
        }
        ref = record.previous;
    }
    return 0;
}

/** Searches. Reads records, so that it runs under a guard. */
static void search(void *context)
{
    struct search *search = context;
    struct mvcc_walk *walk = &search->walk;
    struct mvcc_shortcut *shortcut = &search->shortcut;
    const uint64_t crossing = walk->ref;
    if (log_fetch_header(walk->log, crossing, &walk->record) != RECORD_GOOD || walk->record.previous == 0) {
        return;
    }
    const uint64_t previous = walk->record.previous;
    enum mvcc_below below = mvcc_newest_below(search->mvcc, walk->record.number, &walk->view.number);
    if (below == MVCC_BELOW_NONE) {
        return;
    }
    if (below == MVCC_BELOW_UNKNOWN) {
        shortcut->found = MVCC_SHORTCUT_LATER;
        shortcut->behind = crossing_from(search->mvcc, walk->log, previous); /* which may have waited, too */
        return;
    }
    walk->ref = previous;
    if (mvcc_walk(walk) == MVCC_DAMAGED) {
        return; /* a read on that way will say so */
    }
    bool is_there = walk->record.number <= walk->view.number;
    shortcut->target = is_there ? walk->ref : crossing;
    shortcut->found = shortcut->target != previous ? MVCC_SHORTCUT_FOUND : MVCC_SHORTCUT_NEEDLESS;
    shortcut->behind = is_there ? crossing_from(search->mvcc, walk->log, walk->ref) : 0;
}

struct mvcc_shortcut mvcc_find_shortcut(const struct mvcc *mvcc, const struct index *shortcuts, const struct log *log,
                                        uint32_t table, uint64_t key, uint64_t ref)
{
    struct search context = {
        .mvcc = mvcc,
        .walk = {.log = log, .view = {.shortcuts = shortcuts}, .table = table, .key = key, .ref = ref},
        .shortcut = {.found = MVCC_SHORTCUT_NEEDLESS},
    };
    if (log_guarded(log, search, &context, NULL) != ALEX_OK) {
        return (struct mvcc_shortcut){.found = MVCC_SHORTCUT_NEEDLESS}; /* who reads there is told */
    }
    return context.shortcut;
}
