/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file state.c
 * H3: goes through all moments with what each key has, and looks at what was read in the snapshots of each, and at
 * what each write found.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "history/checker_internal.h"

/** A read in a snapshot. */
struct read {
    const struct recorder *thread;
    const struct event *event;
    uint64_t moment;
};

struct sweep {
    struct check *check;
    struct read *reads; /**< by their moments */
    size_t read_count;
    uint64_t *has;     /**< by rank: what the key has now */
    uint32_t *present; /**< a Fenwick tree of the keys that have something */
    size_t *ranks;     /**< scratch, by operation of a batch or load: its key's rank */
    uint32_t *last_op; /**< by rank: the last operation on it of the batch or load at hand, plus 1; 0: none */
    uint64_t moment;
};

static uint64_t moment_of_snapshot(const struct check *check, uint32_t snapshot)
{
    return check
        ->snapshot_moment[check->snapshot_first[snapshot / SNAPSHOTS_PER_THREAD] + snapshot % SNAPSHOTS_PER_THREAD];
}

/** Sorts the reads in snapshots by their moments: counted, then put in their places. */
static void gather_reads(struct sweep *sweep)
{
    const struct check *check = sweep->check;
    const struct history *history = check->history;
    size_t *places = check_memory(check->last_moment + 2, sizeof *places);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t t = 0; t < history->thread_count; t++) {
            const struct recorder *thread = &history->threads[t];
            for (size_t e = 0; e < thread->event_count; e++) {
                const struct event *event = &thread->events[e];
                if (event->snapshot == NO_SNAPSHOT || event->kind == EVENT_BEGIN) {
                    continue;
                }
                uint64_t moment = moment_of_snapshot(check, event->snapshot);
                if (pass == 0) {
                    places[moment + 1]++;
                    sweep->read_count++;
                } else {
                    sweep->reads[places[moment]++] = (struct read){thread, event, moment};
                }
            }
        }
        for (uint64_t m = 1; m <= check->last_moment + 1 && pass == 0; m++) {
            places[m] += places[m - 1];
        }
        sweep->reads = pass == 0 ? check_memory(sweep->read_count, sizeof *sweep->reads) : sweep->reads;
    }
    free(places);
}

static uint64_t has(const struct sweep *sweep, size_t rank)
{
    return rank == NO_RANK ? ID_ABSENT : sweep->has[rank];
}

static void set(struct sweep *sweep, size_t rank, uint64_t id)
{
    bool was = sweep->has[rank] != ID_ABSENT;
    bool is = id != ID_ABSENT;
    sweep->has[rank] = id;
    for (size_t i = rank + 1; was != is && i <= sweep->check->key_count; i += i & (~i + 1)) {
        sweep->present[i] += is ? 1 : UINT32_MAX;
    }
}

/** Keys of lesser rank that have something. */
static uint64_t count_before(const struct sweep *sweep, size_t rank)
{
    uint64_t count = 0;
    for (size_t i = rank; i > 0; i -= i & (~i + 1)) {
        count += sweep->present[i];
    }
    return count;
}

/** The ranks of a read's range, the last one not included. */
static void find_range(const struct sweep *sweep, const struct event *event, size_t *out_from, size_t *out_to)
{
    const struct check *check = sweep->check;
    *out_from = keys_rank_from(check, event->table, event->key);
    size_t to = keys_rank_from(check, event->table, event->last_key);
    bool there = keys_rank(check, event->table, event->last_key) != NO_RANK;
    bool empty = keys_index_key(check, event->table, event->key) > keys_index_key(check, event->table, event->last_key);
    *out_to = empty ? *out_from : to + there;
}

/** Says that a read doesn't fit its snapshot. */
static bool fail_read(const struct sweep *sweep, const struct read *read)
{
    struct check *check = sweep->check;
    const struct history *history = check->history;
    check_explain(check, "    read: ");
    check_explain_event(check, read->event);
    const struct recorder *beginner = &history->threads[read->event->snapshot / SNAPSHOTS_PER_THREAD];
    uint32_t left = read->event->snapshot % SNAPSHOTS_PER_THREAD;
    const struct event *begin = beginner->events;
    while (begin->kind != EVENT_BEGIN || left-- > 0) {
        begin++;
    }
    check_explain(check, "\n    in: ");
    check_explain_event(check, begin);
    check_explain(check, "\n");
    check_explain_moment(check, sweep->moment);
    return false;
}

/** Says that a key isn't as it was seen. */
static bool fail_seen(const struct sweep *sweep, const struct read *read, int64_t key, uint64_t seen)
{
    struct check *check = sweep->check;
    uint64_t there = has(sweep, keys_rank(check, read->event->table, key));
    check_explain(check, "a snapshot of moment %" PRIu64 " saw ", sweep->moment);
    check_explain_seen(check, seen);
    check_explain(check, " at key %" PRId64 ", where it has ", key);
    check_explain_seen(check, there);
    check_explain(check, "\n");
    check_explain_key(check, read->event->table, key, sweep->moment, sweep->moment);
    return fail_read(sweep, read);
}

/** Every key of the range that has something is in the scan, in order, and nothing else. */
static bool check_scan(const struct sweep *sweep, const struct read *read)
{
    const struct check *check = sweep->check;
    const struct event *event = read->event;
    const struct entry *entries = &read->thread->entries[event->first];
    bool down = (event->flags & EVENT_DESCENDING) != 0;
    size_t from;
    size_t to;
    size_t next = 0;
    find_range(sweep, event, &from, &to);
    for (size_t i = 0; i < to - from; i++) {
        size_t rank = down ? to - 1 - i : from + i;
        if (sweep->has[rank] == ID_ABSENT) {
            continue;
        }
        int64_t key = keys_key(check, &check->keys[rank]);
        if (next == event->count) {
            return (event->flags & EVENT_ENDED) == 0 || fail_seen(sweep, read, key, ID_ABSENT);
        }
        if (entries[next].key != key) {
            size_t seen_rank = keys_rank(check, event->table, entries[next].key);
            bool passed_by = seen_rank != NO_RANK && (down ? seen_rank < rank : seen_rank > rank);
            return passed_by ? fail_seen(sweep, read, key, ID_ABSENT)
                             : fail_seen(sweep, read, entries[next].key, entries[next].id);
        }
        if (entries[next].id != sweep->has[rank]) {
            return fail_seen(sweep, read, key, entries[next].id);
        }
        next++;
    }
    return next == event->count || fail_seen(sweep, read, entries[next].key, entries[next].id);
}

static bool check_read(const struct sweep *sweep, const struct read *read)
{
    struct check *check = sweep->check;
    const struct event *event = read->event;
    bool answered = event->code == ALEX_OK || (event->kind == EVENT_GET && event->code == ALEX_NOT_FOUND);
    if (!answered || sweep->moment >= check->dropped[event->table]) {
        (void)check_fail(check, answered ? "a read of a table that was dropped before its snapshot\n"
                                         : "a read in a snapshot failed\n");
        return fail_read(sweep, read);
    }
    if (event->kind == EVENT_SCAN) {
        return check_scan(sweep, read);
    }
    if (event->kind == EVENT_GET) {
        return event->id == has(sweep, keys_rank(check, event->table, event->key)) ||
               fail_seen(sweep, read, event->key, event->id);
    }
    size_t from;
    size_t to;
    find_range(sweep, event, &from, &to);
    uint64_t count = count_before(sweep, to) - count_before(sweep, from);
    count = event->count != 0 && event->count < count ? event->count : count;
    if (count != event->id) {
        (void)check_fail(check, "a snapshot of moment %" PRIu64 " counted %" PRIu64 " keys where it has %" PRIu64 "\n",
                         sweep->moment, event->id, count);
        return fail_read(sweep, read);
    }
    return true;
}

/** Says that a commit is not what its call asked for, or not what it said that it did. */
static bool fail_write(const struct sweep *sweep, const char *what, int64_t key)
{
    struct check *check = sweep->check;
    const struct serial_commit *commit = &check->history->serial->commits[sweep->moment];
    (void)check_fail(check, "%s: key %" PRId64 "\n", what, key);
    check_explain_moment(check, sweep->moment + 1);
    uint16_t table = commit->count > 0 ? check->history->serial->changes[commit->first].table : commit->table;
    check_explain_key(check, table, key, sweep->moment, sweep->moment + 1);
    return false;
}

/** A put or delete of one key. */
static bool check_single(const struct sweep *sweep, const struct serial_commit *commit, const struct event *event)
{
    const struct serial_change *change = &sweep->check->history->serial->changes[commit->first];
    bool was_there = has(sweep, keys_rank(sweep->check, event->table, event->key)) != ID_ABSENT;
    bool is_delete = event->kind == EVENT_DELETE;
    bool fits = commit->count == 1 && !commit->grouped && change->key == event->key && change->table == event->table &&
                change->id == (is_delete ? ID_ABSENT : event->id);
    if (!fits) {
        return fail_write(sweep, "the log has a write otherwise than it was asked for", event->key);
    }
    bool said = is_delete || (event->flags & EVENT_REPLACED) != 0;
    return said == was_there || fail_write(sweep, "a write was told otherwise whether the key was there", event->key);
}

/** Notes the last operation on each key of a batch or load. @return how many changes they come to; out_replaced: of
 *  how many keys that have something */
static size_t expected_changes(struct sweep *sweep, const struct event *event, const struct entry *ops,
                               uint64_t *out_replaced)
{
    size_t expected = 0;
    *out_replaced = 0;
    for (uint32_t i = 0; i < event->count; i++) {
        sweep->ranks[i] = keys_rank(sweep->check, (uint16_t)(ops[i].id / 2), ops[i].key);
        sweep->last_op[sweep->ranks[i]] = i + 1;
    }
    for (uint32_t i = 0; i < event->count; i++) {
        bool was_there = sweep->has[sweep->ranks[i]] != ID_ABSENT;
        if (sweep->last_op[sweep->ranks[i]] == i + 1) {
            expected += ops[i].id % 2 == 0 || was_there;
            *out_replaced += was_there;
        }
    }
    return expected;
}

/** A batch or load: exactly the last operation on each key, but for deletes of what isn't there. The log also has what
 *  a load has written and replaced itself. */
static bool check_group(struct sweep *sweep, const struct serial_commit *commit, const struct event *event)
{
    const struct check *check = sweep->check;
    const struct entry *ops = &check_thread_of(check, event)->entries[event->first];
    const struct serial_change *changes = &check->history->serial->changes[commit->first];
    uint64_t replaced;
    size_t expected = expected_changes(sweep, event, ops, &replaced);
    size_t found = 0;
    const struct serial_change *wrong = commit->grouped ? NULL : &changes[0];
    for (size_t i = 0; i < commit->count && wrong == NULL; i++) {
        const struct serial_change *change = &changes[i];
        size_t rank = keys_rank(check, change->table, change->key);
        uint32_t op = sweep->last_op[rank];
        if (op == 0) {
            wrong = change;
        } else if (ops[op - 1].id % 2 == 1) {
            wrong = change->id == ID_ABSENT && sweep->has[rank] != ID_ABSENT ? NULL : change;
            found++;
        } else if (change->id == event->id + op - 1) {
            found++;
        } else {
            uint64_t earlier = change->id - event->id;
            bool is_op = event->kind == EVENT_LOAD && earlier < event->count && ops[earlier].key == change->key;
            wrong = is_op ? NULL : change;
        }
    }
    for (uint32_t i = 0; i < event->count; i++) {
        sweep->last_op[sweep->ranks[i]] = 0;
    }
    if (wrong != NULL || found != expected) {
        return fail_write(sweep, "the log has a batch or load otherwise than it was asked for",
                          wrong != NULL ? wrong->key : ops[0].key);
    }
    return event->kind != EVENT_LOAD || replaced == (uint64_t)event->key ||
           fail_write(sweep, "a load was told otherwise how many keys it replaced", ops[0].key);
}

static bool check_commit(struct sweep *sweep, const struct serial_commit *commit)
{
    const struct event *event = sweep->check->writers[sweep->moment];
    switch (event->kind) {
    case EVENT_MAKE:
    case EVENT_DROP:
        return true;
    case EVENT_BATCH:
    case EVENT_LOAD:
        return check_group(sweep, commit, event);
    default:
        return check_single(sweep, commit, event);
    }
}

static void begin(struct sweep *sweep)
{
    struct check *check = sweep->check;
    const struct state *before = check->history->before;
    size_t ops = 0;
    for (size_t t = 0; t < check->history->thread_count; t++) {
        ops = check->history->threads[t].entry_count > ops ? check->history->threads[t].entry_count : ops;
    }
    sweep->has = check_memory(check->key_count, sizeof *sweep->has);
    sweep->present = check_memory(check->key_count, sizeof *sweep->present);
    sweep->ranks = check_memory(ops, sizeof *sweep->ranks);
    sweep->last_op = check_memory(check->key_count, sizeof *sweep->last_op);
    for (size_t i = 0; i < before->count; i++) {
        set(sweep, keys_rank(check, before->keys[i].table, before->keys[i].key), before->keys[i].id);
    }
    gather_reads(sweep);
}

static void keep_state(const struct sweep *sweep, struct state *out_after)
{
    const struct check *check = sweep->check;
    struct state state = {.keys = check_memory(check->key_count, sizeof *state.keys)};
    for (size_t rank = 0; rank < check->key_count; rank++) {
        const struct key *key = &check->keys[rank];
        if (sweep->has[rank] != ID_ABSENT && check->dropped[key->table] == NO_MOMENT) {
            state.keys[state.count++] = (struct held){keys_key(check, key), sweep->has[rank], key->table};
        }
    }
    *out_after = state;
}

bool state_check(struct check *check, struct state *out_after)
{
    struct sweep sweep = {.check = check};
    const struct serial *serial = check->history->serial;
    begin(&sweep);
    bool holds = true;
    size_t read = 0;
    for (; holds; sweep.moment++) {
        for (; holds && read < sweep.read_count && sweep.reads[read].moment == sweep.moment; read++) {
            holds = check_read(&sweep, &sweep.reads[read]);
        }
        if (sweep.moment == check->last_moment || !holds) {
            break;
        }
        const struct serial_commit *commit = &serial->commits[sweep.moment];
        holds = check_commit(&sweep, commit);
        for (size_t i = commit->first; i < commit->first + commit->count; i++) {
            const struct serial_change *change = &serial->changes[i];
            set(&sweep, keys_rank(check, change->table, change->key), change->id);
        }
    }
    check->findings->snapshot_reads = sweep.read_count;
    if (holds) {
        keep_state(&sweep, out_after);
    }
    free(sweep.reads);
    free(sweep.has);
    free(sweep.present);
    free(sweep.ranks);
    free(sweep.last_op);
    return holds;
}
