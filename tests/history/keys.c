/* SPDX-License-Identifier: Apache-2.0 */
/** @file keys.c The keys of a history, and what each had when. */
#include <stdlib.h>

#include "history/checker_internal.h"

uint64_t keys_index_key(const struct check *check, uint16_t table, int64_t key)
{
    return (uint64_t)key ^ (check_table(check, table)->is_unsigned ? 0 : UINT64_C(1) << 63);
}

int64_t keys_key(const struct check *check, const struct key *key)
{
    return (int64_t)(key->index_key ^ (check_table(check, key->table)->is_unsigned ? 0 : UINT64_C(1) << 63));
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *first = a;
    const struct key *second = b;
    if (first->table != second->table) {
        return first->table < second->table ? -1 : 1;
    }
    return (first->index_key > second->index_key) - (first->index_key < second->index_key);
}

static void add_key(struct check *check, uint16_t table, int64_t key)
{
    check->keys[check->key_count++] = (struct key){keys_index_key(check, table, key), table};
}

/** Adds the keys of a thread's batches and loads, those included that the log doesn't have: deletes of nothing. */
static void add_operations(struct check *check, const struct recorder *thread)
{
    for (size_t e = 0; e < thread->event_count; e++) {
        const struct event *event = &thread->events[e];
        if (event->kind == EVENT_BATCH || event->kind == EVENT_LOAD) {
            for (size_t i = event->first; i < event->first + event->count; i++) {
                add_key(check, (uint16_t)(thread->entries[i].id / 2), thread->entries[i].key);
            }
        }
    }
}

/** Gathers all keys, each once. */
static void gather(struct check *check)
{
    const struct history *history = check->history;
    const struct serial *serial = history->serial;
    size_t most = history->before->count + serial->change_count;
    for (size_t t = 0; t < history->thread_count; t++) {
        most += history->threads[t].entry_count;
    }
    check->keys = check_memory(most, sizeof *check->keys);
    for (size_t i = 0; i < history->before->count; i++) {
        add_key(check, history->before->keys[i].table, history->before->keys[i].key);
    }
    for (size_t i = 0; i < serial->change_count; i++) {
        add_key(check, serial->changes[i].table, serial->changes[i].key);
    }
    for (size_t t = 0; t < history->thread_count; t++) {
        add_operations(check, &history->threads[t]);
    }
    qsort(check->keys, check->key_count, sizeof *check->keys, compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < check->key_count; i++) {
        if (kept == 0 || compare_keys(&check->keys[kept - 1], &check->keys[i]) != 0) {
            check->keys[kept++] = check->keys[i];
        }
    }
    check->key_count = kept;
    check->table_first = check_memory(TABLES_MAX + 1, sizeof *check->table_first);
    size_t rank = 0;
    for (size_t table = 0; table <= TABLES_MAX; table++) {
        while (rank < kept && check->keys[rank].table < table) {
            rank++;
        }
        check->table_first[table] = rank;
    }
}

/** Adds a version; of several of one moment the last counts. */
static void add_version(struct check *check, size_t rank, uint64_t moment, uint64_t id)
{
    struct versions *of = &check->versions_of[rank];
    struct version *next = &check->versions[of->first + of->count];
    if (of->count > 0 && next[-1].moment == moment) {
        next[-1].id = id;
        return;
    }
    *next = (struct version){moment, id};
    of->count++;
}

void keys_collect(struct check *check)
{
    const struct history *history = check->history;
    const struct serial *serial = history->serial;
    gather(check);
    check->versions_of = check_memory(check->key_count, sizeof *check->versions_of);
    check->versions = check_memory(history->before->count + serial->change_count, sizeof *check->versions);
    size_t *ranks = check_memory(serial->change_count, sizeof *ranks);
    for (size_t i = 0; i < history->before->count; i++) {
        check->versions_of[keys_rank(check, history->before->keys[i].table, history->before->keys[i].key)].count++;
    }
    for (size_t i = 0; i < serial->change_count; i++) {
        ranks[i] = keys_rank(check, serial->changes[i].table, serial->changes[i].key);
        check->versions_of[ranks[i]].count++;
    }
    size_t first = 0;
    for (size_t rank = 0; rank < check->key_count; rank++) {
        struct versions *of = &check->versions_of[rank];
        size_t count = of->count;
        *of = (struct versions){.first = first};
        first += count;
    }
    for (size_t i = 0; i < history->before->count; i++) {
        const struct held *held = &history->before->keys[i];
        add_version(check, keys_rank(check, held->table, held->key), 0, held->id);
    }
    for (size_t m = 1; m <= serial->count; m++) {
        const struct serial_commit *commit = &serial->commits[m - 1];
        for (size_t i = commit->first; i < commit->first + commit->count; i++) {
            add_version(check, ranks[i], m, serial->changes[i].id);
        }
    }
    free(ranks);
}

void keys_release(struct check *check)
{
    free(check->keys);
    free(check->table_first);
    free(check->versions);
    free(check->versions_of);
}

size_t keys_rank_from(const struct check *check, uint16_t table, int64_t key)
{
    uint64_t index_key = keys_index_key(check, table, key);
    size_t low = check->table_first[table];
    size_t high = check->table_first[table + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (check->keys[middle].index_key < index_key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t keys_rank(const struct check *check, uint16_t table, int64_t key)
{
    size_t rank = keys_rank_from(check, table, key);
    bool found =
        rank < check->table_first[table + 1] && check->keys[rank].index_key == keys_index_key(check, table, key);
    return found ? rank : NO_RANK;
}

size_t keys_version_at(const struct check *check, size_t rank, uint64_t moment)
{
    const struct versions *of = &check->versions_of[rank];
    size_t low = 0;
    size_t high = of->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (check->versions[of->first + middle].moment <= moment) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - 1;
}

uint64_t keys_version_id(const struct check *check, size_t rank, size_t version)
{
    return version == SIZE_MAX ? ID_ABSENT : check->versions[check->versions_of[rank].first + version].id;
}
