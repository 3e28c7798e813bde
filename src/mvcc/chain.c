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

/** A search for a shortcut. */
struct search {
    const struct mvcc *mvcc;
    struct mvcc_walk walk; /**< from the crossing */
    enum mvcc_shortcut found;
    uint64_t target;
};

/** Searches. Reads records, so that it runs under a guard. */
static void search(void *context)
{
    struct search *search = context;
    struct mvcc_walk *walk = &search->walk;
    const uint64_t crossing = walk->ref;
    if (log_fetch_header(walk->log, crossing, &walk->record) != RECORD_GOOD || walk->record.previous == 0) {
        return;
    }
    const uint64_t previous = walk->record.previous;
    enum mvcc_below below = mvcc_newest_below(search->mvcc, walk->record.number, &walk->view.number);
    if (below != MVCC_BELOW_OPEN) {
        search->found = below == MVCC_BELOW_NONE ? MVCC_SHORTCUT_NEEDLESS : MVCC_SHORTCUT_LATER;
        return;
    }
    walk->ref = previous;
    if (mvcc_walk(walk) == MVCC_DAMAGED) {
        return; /* a read on that way will say so */
    }
    search->target = walk->record.number <= walk->view.number ? walk->ref : crossing;
    search->found = search->target != previous ? MVCC_SHORTCUT_FOUND : MVCC_SHORTCUT_NEEDLESS;
}

enum mvcc_shortcut mvcc_find_shortcut(const struct mvcc *mvcc, const struct index *shortcuts, const struct log *log,
                                      uint32_t table, uint64_t key, uint64_t ref, uint64_t *out_target)
{
    struct search context = {
        .mvcc = mvcc,
        .walk = {.log = log, .view = {.shortcuts = shortcuts}, .table = table, .key = key, .ref = ref},
        .found = MVCC_SHORTCUT_NEEDLESS,
    };
    if (log_guarded(log, search, &context, NULL) != ALEX_OK) {
        return MVCC_SHORTCUT_NEEDLESS; /* who reads there is told */
    }
    *out_target = context.target;
    return context.found;
}
