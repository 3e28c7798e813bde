/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file match.c
 * H1: which call made which commit.
 *
 * The values of a commit name their writes. A delete has no value: where it is a commit by itself it is the next delete
 * of its key that succeeded. So the threads don't delete one key at the same time, but in batches, which always put
 * something too.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history/checker_internal.h"

bool match_is_write(const struct event *event)
{
    return event->kind <= EVENT_DROP;
}

/** A delete that succeeded. */
struct lone_delete {
    size_t rank;
    const struct event *event;
};

/** What is looked up while commits are matched. */
struct calls {
    const struct event **writes[RECORDER_THREADS_MAX]; /**< those with ids, which ascend */
    size_t write_count[RECORDER_THREADS_MAX];
    struct lone_delete *deletes; /**< by rank, then by their calls */
    size_t delete_count;
    size_t *next_delete; /**< by rank */
    const struct event *makes[TABLES_MAX];
    const struct event *drops[TABLES_MAX];
    bool *used[RECORDER_THREADS_MAX]; /**< by event: a commit was matched to it */
};

static int compare_deletes(const void *a, const void *b)
{
    const struct lone_delete *first = a;
    const struct lone_delete *second = b;
    if (first->rank != second->rank) {
        return first->rank < second->rank ? -1 : 1;
    }
    return (first->event->call > second->event->call) - (first->event->call < second->event->call);
}

/** Enters a call where it will be looked for. */
static void enter(struct check *check, struct calls *calls, size_t thread, const struct event *event)
{
    switch (event->kind) {
    case EVENT_PUT:
    case EVENT_PUT_ABSENT:
    case EVENT_BATCH:
    case EVENT_LOAD:
        calls->writes[thread][calls->write_count[thread]++] = event;
        break;
    case EVENT_DELETE:
        if (event->code == ALEX_OK) {
            calls->deletes[calls->delete_count++] =
                (struct lone_delete){keys_rank(check, event->table, event->key), event};
        }
        break;
    case EVENT_MAKE:
        calls->makes[event->table] = event;
        break;
    case EVENT_DROP:
        calls->drops[event->table] = event;
        break;
    default:
        break;
    }
}

static void gather(struct check *check, struct calls *calls)
{
    const struct history *history = check->history;
    size_t events = 0;
    for (size_t t = 0; t < history->thread_count; t++) {
        events += history->threads[t].event_count;
    }
    calls->deletes = check_memory(events, sizeof *calls->deletes);
    for (size_t t = 0; t < history->thread_count; t++) {
        const struct recorder *thread = &history->threads[t];
        calls->writes[t] = check_memory(thread->event_count, sizeof(const struct event *));
        calls->used[t] = check_memory(thread->event_count, sizeof(bool));
        for (size_t e = 0; e < thread->event_count; e++) {
            enter(check, calls, t, &thread->events[e]);
        }
    }
    qsort(calls->deletes, calls->delete_count, sizeof *calls->deletes, compare_deletes);
    calls->next_delete = check_memory(check->key_count, sizeof *calls->next_delete);
    for (size_t i = calls->delete_count; i-- > 0;) {
        if (calls->deletes[i].rank != NO_RANK) {
            calls->next_delete[calls->deletes[i].rank] = i;
        }
    }
}

static void release(const struct check *check, struct calls *calls)
{
    for (size_t t = 0; t < check->history->thread_count; t++) {
        free(calls->writes[t]);
        free(calls->used[t]);
    }
    free(calls->deletes);
    free(calls->next_delete);
}

/** The call that gave a value this id; NULL if none did. */
static const struct event *find_write(const struct check *check, const struct calls *calls, uint64_t id)
{
    uint64_t thread = (id >> ID_THREAD_SHIFT) - 1;
    if (thread >= check->history->thread_count) {
        return NULL;
    }
    size_t low = 0;
    size_t high = calls->write_count[thread];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (calls->writes[thread][middle]->id <= id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return NULL;
    }
    const struct event *event = calls->writes[thread][low - 1];
    uint64_t ids = event->count > 0 ? event->count : 1;
    return id < event->id + ids ? event : NULL;
}

static const struct event *find_delete(const struct check *check, const struct calls *calls,
                                       const struct serial_change *change)
{
    size_t rank = keys_rank(check, change->table, change->key);
    size_t next = calls->next_delete[rank]++;
    return next < calls->delete_count && calls->deletes[next].rank == rank ? calls->deletes[next].event : NULL;
}

static const struct event *find_call(const struct check *check, const struct calls *calls,
                                     const struct serial_commit *commit)
{
    if (commit->kind != COMMIT_WRITES) {
        return commit->kind == COMMIT_MAKE ? calls->makes[commit->table] : calls->drops[commit->table];
    }
    const struct serial_change *changes = &check->history->serial->changes[commit->first];
    for (size_t i = 0; i < commit->count; i++) {
        if (changes[i].id != ID_ABSENT) {
            return find_write(check, calls, changes[i].id);
        }
    }
    return commit->count == 1 && !commit->grouped ? find_delete(check, calls, &changes[0]) : NULL;
}

/** Whether a write may return this. */
static bool is_allowed(const struct check *check, const struct event *event)
{
    switch (event->code) {
    case ALEX_OK:
        return true;
    case ALEX_NOT_FOUND:
        return event->kind == EVENT_DELETE;
    case ALEX_EXISTS:
        return event->kind == EVENT_PUT_ABSENT;
    case ALEX_IO:
    case ALEX_READ_ONLY:
        return check->history->writes_fail;
    default:
        return false;
    }
}

/** Every call that succeeded has its commit, and none has failed for a reason that there wasn't. */
static bool none_left(struct check *check, const struct calls *calls)
{
    for (size_t t = 0; t < check->history->thread_count; t++) {
        const struct recorder *thread = &check->history->threads[t];
        for (size_t e = 0; e < thread->event_count; e++) {
            const struct event *event = &thread->events[e];
            bool lost = event->code == ALEX_OK && !calls->used[t][e];
            if (match_is_write(event) && (lost || !is_allowed(check, event))) {
                (void)check_fail(check, lost ? "a write succeeded that is not in the log: " : "a write failed: ");
                check_explain_event(check, event);
                return false;
            }
        }
    }
    return true;
}

static bool match_commit(struct check *check, struct calls *calls, uint64_t moment)
{
    const struct serial_commit *commit = &check->history->serial->commits[moment - 1];
    const struct event *call = find_call(check, calls, commit);
    if (call == NULL) {
        (void)check_fail(check, "the log has a write that no thread made:\n");
        check_explain_moment(check, moment);
        const struct serial_change *change = &check->history->serial->changes[commit->first];
        if (commit->count > 0) {
            check_explain_key(check, change->table, change->key, moment - 1, moment);
        }
        return false;
    }
    check->writers[moment - 1] = call;
    const struct recorder *thread = check_thread_of(check, call);
    bool *used = &calls->used[thread->thread][call - thread->events];
    if (*used || call->code != ALEX_OK) {
        (void)check_fail(check, *used ? "a write is in the log twice:\n" : "a write failed and is in the log:\n");
        check_explain_moment(check, moment);
        return false;
    }
    *used = true;
    if (commit->kind == COMMIT_MAKE) {
        check->made[commit->table] = moment;
    } else if (commit->kind == COMMIT_DROP) {
        check->dropped[commit->table] = moment;
    }
    return true;
}

bool match_calls(struct check *check)
{
    struct calls calls = {.delete_count = 0};
    gather(check, &calls);
    check->writers = check_memory(check->last_moment, sizeof(const struct event *));
    check->made = check_memory(TABLES_MAX, sizeof *check->made);
    check->dropped = check_memory(TABLES_MAX, sizeof *check->dropped);
    for (size_t i = 0; i < TABLES_MAX; i++) {
        check->dropped[i] = NO_MOMENT;
    }
    bool holds = true;
    for (uint64_t m = 1; m <= check->last_moment && holds; m++) {
        holds = match_commit(check, &calls, m);
    }
    holds = holds && none_left(check, &calls);
    release(check, &calls);
    return holds;
}
