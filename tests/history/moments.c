/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file moments.c
 * H2: each thing that has to be put in order by time has a moment that its call and its return allow.
 *
 * Going through all calls and returns in the order of time, `known` is the latest moment that something which has
 * returned by then must have seen, or made; what is called after that has no earlier one. From the other side, no
 * moment can have come before each of its commits was called and, where that was asked for, durable. In between a
 * commit and a snapshot have their one moment, and a read takes the first that fits what it saw.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "history/checker_internal.h"

/** What has to have a moment. */
struct op {
    const struct event *event;
    uint64_t moment; /**< NO_MOMENT until it is found */
};

/** A call or a return. */
struct step {
    uint64_t when; /**< the time twice, plus 1 for a return: calls of the same time come first */
    size_t op;
};

struct order {
    struct op *ops;
    size_t op_count;
    struct step *steps;
    uint64_t known;
    const struct op *known_by; /**< NULL: it is so from the beginning */
};

/** An answer that is a read: that something is there, or not. */
static bool is_answer(const struct event *event)
{
    return (event->kind == EVENT_PUT_ABSENT && event->code == ALEX_EXISTS) ||
           (event->kind == EVENT_DELETE && event->code == ALEX_NOT_FOUND);
}

static bool is_lone_read(const struct event *event)
{
    bool read = event->kind == EVENT_GET || event->kind == EVENT_EXISTS;
    return (read && event->snapshot == NO_SNAPSHOT) || is_answer(event);
}

/** What a read or an answer says that there was. */
static uint64_t seen_by(const struct event *event)
{
    if (is_answer(event)) {
        return event->kind == EVENT_DELETE ? ID_ABSENT : ID_SOME;
    }
    return event->id;
}

/** The moment of a snapshot: the last with no greater number. */
static uint64_t moment_of_number(const struct check *check, uint64_t number)
{
    const struct serial *serial = check->history->serial;
    size_t low = 0;
    size_t high = serial->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (serial->commits[middle].number <= number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void add_op(struct order *order, const struct event *event, uint64_t moment)
{
    size_t op = order->op_count++;
    order->ops[op] = (struct op){event, moment};
    order->steps[2 * op] = (struct step){2 * event->call, op};
    order->steps[2 * op + 1] = (struct step){2 * event->back + 1, op};
}

static int compare_steps(const void *a, const void *b)
{
    const struct step *first = a;
    const struct step *second = b;
    if (first->when != second->when) {
        return first->when < second->when ? -1 : 1;
    }
    return (first->op > second->op) - (first->op < second->op);
}

static void gather(struct check *check, struct order *order)
{
    const struct history *history = check->history;
    size_t most = check->last_moment;
    for (size_t t = 0; t < history->thread_count; t++) {
        most += history->threads[t].event_count;
    }
    order->ops = check_memory(most, sizeof *order->ops);
    order->steps = check_memory(2 * most, sizeof *order->steps);
    for (uint64_t m = 1; m <= check->last_moment; m++) {
        add_op(order, check->writers[m - 1], m);
    }
    check->snapshot_first = check_memory(history->thread_count, sizeof *check->snapshot_first);
    check->snapshot_moment = check_memory(most, sizeof *check->snapshot_moment);
    size_t snapshots = 0;
    for (size_t t = 0; t < history->thread_count; t++) {
        const struct recorder *thread = &history->threads[t];
        check->snapshot_first[t] = snapshots;
        for (size_t e = 0; e < thread->event_count; e++) {
            const struct event *event = &thread->events[e];
            if (event->kind == EVENT_BEGIN) {
                check->snapshot_moment[snapshots] = moment_of_number(check, event->id);
                add_op(order, event, check->snapshot_moment[snapshots++]);
            } else if (is_lone_read(event)) {
                add_op(order, event, NO_MOMENT);
                check->findings->lone_reads++;
            }
        }
    }
    check->findings->snapshots = snapshots;
    qsort(order->steps, 2 * order->op_count, sizeof *order->steps, compare_steps);
}

/** From when on each moment is possible: no earlier than those before it. */
static void find_possible(struct check *check)
{
    check->possible_from = check_memory(check->last_moment, sizeof *check->possible_from);
    for (uint64_t m = 1; m <= check->last_moment; m++) {
        uint64_t from = check->writers[m - 1]->call;
        uint64_t durable = check->history->serial->commits[m - 1].durable;
        from = durable > from ? durable : from;
        uint64_t before = check->possible_from[m - 1];
        check->possible_from[m] = from > before ? from : before;
    }
}

/** The last moment that is possible at a time. */
static uint64_t last_possible(const struct check *check, uint64_t time)
{
    uint64_t low = 0;
    uint64_t high = check->last_moment + 1;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (check->possible_from[middle] <= time) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/** The first moment from `from` to `to` that fits what was seen, or NO_MOMENT. */
static uint64_t first_fitting(const struct check *check, const struct event *event, uint64_t from, uint64_t to)
{
    uint64_t dropped = check->dropped[event->table];
    if (event->code == ALEX_INVALID) {
        from = from > dropped ? from : dropped;
        return from <= to ? from : NO_MOMENT;
    }
    to = to < dropped ? to : dropped - 1;
    uint64_t seen = seen_by(event);
    size_t rank = keys_rank(check, event->table, event->key);
    if (rank == NO_RANK) {
        return seen == ID_ABSENT && from <= to ? from : NO_MOMENT;
    }
    const struct versions *of = &check->versions_of[rank];
    for (size_t version = keys_version_at(check, rank, from);; version++) {
        uint64_t id = keys_version_id(check, rank, version);
        uint64_t begins = version == SIZE_MAX ? 0 : check->versions[of->first + version].moment;
        uint64_t moment = begins > from ? begins : from;
        if (moment > to) {
            return NO_MOMENT;
        }
        if (seen == ID_SOME ? id != ID_ABSENT : id == seen) {
            return moment;
        }
        if (version + 1 == of->count) {
            return NO_MOMENT;
        }
    }
}

static bool fail(struct check *check, const struct order *order, const struct op *op, uint64_t from, uint64_t to)
{
    const struct event *event = op->event;
    check_explain_event(check, event);
    if (is_lone_read(event)) {
        check_explain(check, " saw ");
        check_explain_seen(check, seen_by(event));
        check_explain(check, ", which was at none of the moments %" PRIu64 " to %" PRIu64 " that its time allows\n",
                      from, to);
        check_explain_key(check, event->table, event->key, from, to);
    } else {
        check_explain(check, " is of moment %" PRIu64 "; its time allows %" PRIu64 " to %" PRIu64 "\n", op->moment,
                      from, to);
    }
    if (order->known_by != NULL) {
        check_explain(check, "    moment %" PRIu64 " had come: ", order->known);
        check_explain_event(check, order->known_by->event);
        check_explain(check, "\n");
    }
    if (to < check->last_moment) {
        check_explain_moment(check, to + 1);
    }
    return false;
}

/** Finds an operation's moment when it is called; what returned before is known. */
static bool find_moment(struct check *check, const struct order *order, struct op *op)
{
    const struct event *event = op->event;
    bool is_commit = match_is_write(event) && !is_answer(event);
    uint64_t from = is_commit ? order->known + 1 : order->known;
    uint64_t to = last_possible(check, event->back);
    if (is_lone_read(event)) {
        op->moment = first_fitting(check, event, from, to);
    }
    return (op->moment != NO_MOMENT && from <= op->moment && op->moment <= to) || fail(check, order, op, from, to);
}

bool moments_check(struct check *check)
{
    struct order order = {.known = 0};
    gather(check, &order);
    find_possible(check);
    bool holds = true;
    for (size_t i = 0; i < 2 * order.op_count && holds; i++) {
        struct op *op = &order.ops[order.steps[i].op];
        if (order.steps[i].when % 2 == 0) {
            holds = find_moment(check, &order, op);
        } else if (op->moment > order.known) {
            order.known = op->moment;
            order.known_by = op;
        }
    }
    free(order.ops);
    free(order.steps);
    return holds;
}
