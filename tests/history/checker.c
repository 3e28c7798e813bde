/* SPDX-License-Identifier: Apache-2.0 */
/** @file checker.c Carries out a check, and says what is wrong. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history/checker_internal.h"
#include "support/store_helper.h"

void *check_memory(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    assert_non_null(memory);
    return memory;
}

static void add_text(struct check *check, const char *format, va_list arguments)
{
    char *text = check->findings->wrong;
    size_t length = strlen(text);
    (void)vsnprintf(text + length, sizeof check->findings->wrong - length, format, arguments);
}

bool check_fail(struct check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_text(check, format, arguments);
    va_end(arguments);
    return false;
}

void check_explain(struct check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_text(check, format, arguments);
    va_end(arguments);
}

const struct recorder *check_thread_of(const struct check *check, const struct event *event)
{
    const struct history *history = check->history;
    for (size_t i = 0; i < history->thread_count; i++) {
        const struct recorder *thread = &history->threads[i];
        if (event >= thread->events && event < thread->events + thread->event_count) {
            return thread;
        }
    }
    return NULL;
}

const struct table *check_table(const struct check *check, uint16_t table)
{
    return &check->history->tables->items[table];
}

void check_explain_seen(struct check *check, uint64_t id)
{
    if (id == ID_ABSENT) {
        check_explain(check, "nothing");
    } else if (id == ID_BROKEN) {
        check_explain(check, "a value that is not the key's or not whole");
    } else if (id == ID_SOME) {
        check_explain(check, "a value");
    } else {
        check_explain(check, "write %" PRIu64 " of thread %" PRIu64, id & ((UINT64_C(1) << ID_THREAD_SHIFT) - 1),
                      (id >> ID_THREAD_SHIFT) - 1);
    }
}

static const char *kind_name(uint8_t kind)
{
    static const char *const names[] = {
        [EVENT_PUT] = "put",           [EVENT_PUT_ABSENT] = "put if absent",
        [EVENT_DELETE] = "delete",     [EVENT_BATCH] = "batch",
        [EVENT_LOAD] = "load",         [EVENT_MAKE] = "making of a table",
        [EVENT_DROP] = "table's drop", [EVENT_BEGIN] = "snapshot's beginning",
        [EVENT_GET] = "get",           [EVENT_EXISTS] = "exists",
        [EVENT_SCAN] = "scan",         [EVENT_COUNT] = "count",
    };
    return names[kind];
}

/** Microseconds since the first call of the history. */
static double microseconds(const struct check *check, uint64_t moment)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < check->history->thread_count; i++) {
        const struct recorder *thread = &check->history->threads[i];
        for (size_t e = 0; e < thread->event_count; e++) {
            if (thread->events[e].call != 0) {
                first = thread->events[e].call < first ? thread->events[e].call : first;
                break;
            }
        }
    }
    return ((double)moment - (double)first) / 1000;
}

void check_explain_event(struct check *check, const struct event *event)
{
    const struct recorder *thread = check_thread_of(check, event);
    check_explain(check, "%s by thread %" PRIu32 " (its event %zu", kind_name(event->kind), thread->thread,
                  (size_t)(event - thread->events));
    if (event->kind == EVENT_BEGIN) {
        check_explain(check, "; it sees number %" PRIu64, event->id);
    } else {
        check_explain(check, "; table %" PRIu16 " \"%s\", key %" PRId64, event->table,
                      check_table(check, event->table)->name, event->key);
    }
    if (event->kind == EVENT_SCAN || event->kind == EVENT_COUNT) {
        check_explain(check, " to %" PRId64, event->last_key);
    }
    if (event->code != ALEX_OK) {
        check_explain(check, "; %s", alex_code_name(event->code));
    }
    if (match_is_write(event)) {
        check_explain(check, "; ");
        check_explain_seen(check, event->id);
    }
    if (event->call != 0) {
        check_explain(check, "; %.3f to %.3f us", microseconds(check, event->call), microseconds(check, event->back));
    }
    check_explain(check, ")");
}

void check_explain_moment(struct check *check, uint64_t moment)
{
    check_explain(check, "    moment %" PRIu64 " of %" PRIu64, moment, check->last_moment);
    if (moment == 0) {
        check_explain(check, ": as it was at first\n");
        return;
    }
    const struct serial_commit *commit = &check->history->serial->commits[moment - 1];
    check_explain(check, ", number %" PRIu64 ": ", commit->number);
    if (check->writers[moment - 1] != NULL) {
        check_explain_event(check, check->writers[moment - 1]);
    }
    if (commit->durable == UINT64_MAX) {
        check_explain(check, ", never durable");
    } else if (commit->durable != 0) {
        check_explain(check, ", durable at %.3f us", microseconds(check, commit->durable));
    }
    check_explain(check, "\n");
}

void check_explain_key(struct check *check, uint16_t table, int64_t key, uint64_t from, uint64_t to)
{
    enum { LINES_MAX = 8 };
    check_explain(check, "    key %" PRId64 " of table %" PRIu16 " \"%s\" has", key, table,
                  check_table(check, table)->name);
    size_t rank = keys_rank(check, table, key);
    if (rank == NO_RANK) {
        check_explain(check, " never had a value\n");
        return;
    }
    size_t version = keys_version_at(check, rank, from);
    if (version == SIZE_MAX) {
        check_explain(check, " nothing at first");
        version = 0;
    }
    const struct versions *of = &check->versions_of[rank];
    int lines = 0;
    for (; version < of->count && lines < LINES_MAX; version++, lines++) {
        const struct version *at = &check->versions[of->first + version];
        check_explain(check, "%s from moment %" PRIu64 " on ", lines > 0 ? "," : "", at->moment);
        check_explain_seen(check, at->id);
        if (at->moment > to) {
            break;
        }
    }
    check_explain(check, "\n");
}

void state_release(struct state *state)
{
    free(state->keys);
    *state = (struct state){0};
}

bool checker_run(const struct history *history, struct findings *out_findings, struct state *out_after)
{
    struct check check = {.history = history, .findings = out_findings, .last_moment = history->serial->count};
    *out_findings = (struct findings){.commits = history->serial->count, .changes = history->serial->change_count};
    keys_collect(&check);
    bool holds = match_calls(&check) && moments_check(&check) && state_check(&check, out_after);
    keys_release(&check);
    free(check.writers);
    free(check.made);
    free(check.dropped);
    free(check.possible_from);
    free(check.snapshot_moment);
    free(check.snapshot_first);
    return holds;
}
