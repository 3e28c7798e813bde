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
#include "team.h"

/** What a read in progress must find. */
struct expected {
    struct session *session;
    uint32_t version;
};

static void visit_read(void *context, int64_t key, const void *value, size_t size)
{
    const struct expected *expected = context;
    struct session *session = expected->session;
    if (!dataset_value_is(session->dataset, key, expected->version, value, size)) {
        session_wrong_value(session, key, size);
    }
    session_count(session, key, value, size);
}

static inline void perform(struct session *session, const struct op *op)
{
    const struct engine *engine = session->engine;
    struct expected expected = {session, op->number};
    bool is_there = true;
    bool found = true;
    switch (op->kind) {
    case OP_GET_MISSING:
        is_there = false;
        /* fall through */
    case OP_GET:
        found = engine->get(session->store, op->key, visit_read, &expected);
        break;
    case OP_GET_TXN:
        found = engine->get_txn(session->store, op->key, visit_read, &expected);
        break;
    case OP_BEGIN_END:
        engine->begin_end(session->store);
        break;
    case OP_PUT:
        session_put(session, op->key, op->number);
        break;
    case OP_READ_WRITE:
        found = engine->get(session->store, op->key, visit_read, &expected);
        session_put(session, op->key, op->number + 1);
        break;
    case OP_SCAN:
        expected.version = 0; /* where there are scans, nothing is overwritten */
        found = engine->scan(session->store, op->key, op->number, visit_read, &expected) > 0;
        break;
    case OP_ADD:
        engine->add(session->store, op->key, op->number);
        break;
    default:
        found = engine->delete_key(session->store, op->key);
    }
    if (found != is_there) {
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

/** Performs a thread's piece of both parts of a list. */
static void measure_part(struct part *part)
{
    const struct op_list *whole = part->work;
    uint64_t throughput_ops = whole->session->ops;
    const struct op *singly = whole->ops + throughput_ops;
    uint64_t first = part_first(part, throughput_ops);
    uint64_t end = part_end(part, throughput_ops);
    part->ops = end - first;
    team_wait(part);
    part->begin_ns = now_ns();
    for (uint64_t i = first; i < end; i++) {
        perform(part->session, &whole->ops[i]);
    }
    part->end_ns = now_ns();
    first = part_first(part, whole->count - throughput_ops);
    end = part_end(part, whole->count - throughput_ops);
    team_wait(part);
    for (uint64_t i = first; i < end; i++) {
        uint64_t before = now_ns();
        perform(part->session, &singly[i]);
        histogram_add(&part->calls, now_ns() - before);
    }
}

void op_list_measure(struct op_list *list)
{
    team_run(list->session, measure_part, list);
    free(list->ops);
}
