/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file op_list.c
 * Making and performing lists of single operations.
 */
#include "op_list.h"

#include <inttypes.h>
#include <stdlib.h>

#include "measure.h"
#include "support.h"

static void visit_read(void *context, int64_t key, const void *value, size_t size)
{
    struct op_list *list = context;
    struct session *session = list->session;
    if (!dataset_value_is(session->dataset, key, list->version, value, size)) {
        session_wrong_value(session, key, size);
    }
    session_count(session, key, value, size);
}

static inline void put(struct session *session, int64_t key, uint32_t version)
{
    session->engine->put(session->store, key, session->value,
                         dataset_value(session->dataset, key, version, session->value));
}

static inline void perform(struct op_list *list, const struct op *op)
{
    struct session *session = list->session;
    const struct engine *engine = session->engine;
    bool expected = true;
    bool found = true;
    list->version = op->number;
    switch (op->kind) {
    case OP_GET_MISSING:
        expected = false;
        /* fall through */
    case OP_GET:
        found = engine->get(session->store, op->key, visit_read, list);
        break;
    case OP_PUT:
        put(session, op->key, op->number);
        break;
    case OP_READ_WRITE:
        found = engine->get(session->store, op->key, visit_read, list);
        put(session, op->key, op->number + 1);
        break;
    case OP_SCAN:
        list->version = 0; /* where there are scans, nothing is overwritten */
        found = engine->scan(session->store, op->key, op->number, visit_read, list) > 0;
        break;
    default:
        found = engine->delete_key(session->store, op->key);
    }
    if (found != expected) {
        fail("%s: key %" PRId64 " is %s", engine->name, op->key, found ? "there, but was never written" : "gone");
    }
}

void op_list_begin(struct op_list *list, struct session *session)
{
    *list = (struct op_list){.session = session, .room = session->ops + workload_latency_ops(session->ops)};
    list->ops = allocate(list->room, sizeof *list->ops);
}

void op_list_add(struct op_list *list, enum op_kind kind, uint64_t index, uint32_t number)
{
    list->ops[list->count++] = (struct op){dataset_key(list->session->dataset, index), number, kind};
}

void op_list_measure(struct op_list *list)
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
    session_report_calls(list->session, histogram);
    free(histogram);
    free(list->ops);
}
