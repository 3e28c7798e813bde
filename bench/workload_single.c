/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload_single.c
 * Workloads of single operations: get, get_missing, insert, mixed, delete. Each is a list of operations made
 * beforehand, so that random choices cost nothing while the clock runs.
 *
 * The list is carried out in two parts. In the first the clock is read at its beginning and end alone: that gives
 * ns_per_op. The second goes on from there with a read before and after each operation: that gives the percentiles,
 * which therefore hold some 20 ns for the clock itself. Within the timed parts lies what the harness does: making the
 * value of a put and comparing that of a get, byte for byte.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "measure.h"
#include "support.h"
#include "workload.h"

/** Of the operations that are timed one by one there is one to this many others. */
#define LATENCY_SHARE 5

enum op_kind { OP_GET, OP_GET_MISSING, OP_PUT, OP_DELETE };

struct op {
    int64_t key;
    uint32_t version; /**< the one to put or to expect */
    uint32_t kind;
};

/** A list of operations, and what performs them. */
struct op_list {
    struct session *session;
    struct op *ops;
    uint64_t count;
    uint32_t version; /**< of the value that a get in progress must find */
};

static void visit_got(void *context, int64_t key, const void *value, size_t size)
{
    struct op_list *list = context;
    struct session *session = list->session;
    if (!dataset_value_is(session->dataset, key, list->version, value, size)) {
        session_wrong_value(session, key, size);
    }
    session_count(session, key, value, size);
}

static inline void perform(struct op_list *list, const struct op *op)
{
    struct session *session = list->session;
    const struct engine *engine = session->engine;
    bool expected = true;
    bool found = true;
    switch (op->kind) {
    case OP_GET_MISSING:
        expected = false;
        /* fall through */
    case OP_GET:
        list->version = op->version;
        found = engine->get(session->store, op->key, visit_got, list);
        break;
    case OP_PUT:
        engine->put(session->store, op->key, session->value,
                    dataset_value(session->dataset, op->key, op->version, session->value));
        break;
    default:
        found = engine->delete_key(session->store, op->key);
    }
    if (found != expected) {
        fail("%s: key %" PRId64 " is %s", engine->name, op->key, found ? "there, but was never written" : "gone");
    }
}

static void add_op(struct op_list *list, enum op_kind kind, uint64_t index, uint32_t version)
{
    list->ops[list->count++] = (struct op){dataset_key(list->session->dataset, index), version, kind};
}

/** Performs a list and frees it. */
static void measure(struct op_list *list)
{
    struct measurement *measured = list->session->measured;
    struct histogram *histogram = allocate(1, sizeof *histogram);
    uint64_t throughput_ops = list->session->ops;
    uint64_t begin = now_ns();
    for (uint64_t i = 0; i < throughput_ops; i++) {
        perform(list, &list->ops[i]);
    }
    uint64_t end = now_ns();
    for (uint64_t i = throughput_ops; i < list->count; i++) {
        uint64_t before = now_ns();
        perform(list, &list->ops[i]);
        histogram_add(histogram, now_ns() - before);
    }
    measured->ops = throughput_ops;
    measured->ns_per_op = (double)(end - begin) / (double)throughput_ops;
    measured->p50_ns = histogram_percentile(histogram, 0.5);
    measured->p99_ns = histogram_percentile(histogram, 0.99);
    measured->p999_ns = histogram_percentile(histogram, 0.999);
    measured->max_ns = histogram->max_ns;
    free(histogram);
    free(list->ops);
}

/** A list with room for the session's operations and those timed one by one. @return that number */
static uint64_t begin_list(struct op_list *list, struct session *session)
{
    uint64_t room = session->ops + (session->ops + LATENCY_SHARE - 1) / LATENCY_SHARE;
    *list = (struct op_list){.session = session, .ops = allocate(room, sizeof *list->ops)};
    return room;
}

void run_get(struct session *session)
{
    struct op_list list;
    for (uint64_t room = begin_list(&list, session); list.count < room;) {
        add_op(&list, OP_GET, random_below(&session->random, session->keys), 0);
    }
    measure(&list);
}

void run_get_missing(struct session *session)
{
    struct op_list list;
    for (uint64_t room = begin_list(&list, session); list.count < room;) {
        add_op(&list, OP_GET_MISSING, session->keys + random_below(&session->random, session->keys), 0);
    }
    measure(&list);
}

void run_insert(struct session *session)
{
    struct op_list list;
    for (uint64_t room = begin_list(&list, session); list.count < room;) {
        add_op(&list, OP_PUT, session_add_index(session), 0);
    }
    measure(&list);
}

void run_mixed(struct session *session)
{
    struct op_list list;
    for (uint64_t room = begin_list(&list, session); list.count < room;) {
        uint64_t index = random_below(&session->random, session->index_count);
        uint64_t choice = random_below(&session->random, 10);
        if (choice == 0) {
            add_op(&list, OP_PUT, session_add_index(session), 0);
        } else if (choice == 1) {
            add_op(&list, OP_PUT, index, ++session->versions[index]);
        } else {
            add_op(&list, OP_GET, index, session->versions[index]);
        }
    }
    measure(&list);
}

void run_delete(struct session *session)
{
    struct op_list list;
    uint64_t room = begin_list(&list, session);
    if (room > session->keys) {
        fail("delete: %" PRIu64 " operations need as many keys, and there are %" PRIu64 "; lower --ops", room,
             session->keys);
    }
    while (list.count < room) {
        uint64_t index = random_below(&session->random, session->keys);
        while (session->versions[index] == VERSION_ABSENT) {
            index = index + 1 == session->keys ? 0 : index + 1;
        }
        session->versions[index] = VERSION_ABSENT;
        add_op(&list, OP_DELETE, index, 0);
    }
    measure(&list);
}
