/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload_single.c
 * Workloads of single operations on evenly chosen keys: get, get_txn, begin_end, get_new, get_missing, insert, mixed,
 * delete, counter.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "op_list.h"
#include "support.h"

/** The same operation on loaded keys. */
static void run_loaded(struct session *session, enum op_kind kind)
{
    struct op_list list;
    op_list_begin(&list, session);
    while (list.count < list.room) {
        op_list_add(&list, kind, random_below(&session->random, session->keys), 0);
    }
    op_list_measure(&list);
}

void run_get(struct session *session)
{
    run_loaded(session, OP_GET);
}

void run_get_txn(struct session *session)
{
    run_loaded(session, OP_GET_TXN);
}

void run_begin_end(struct session *session)
{
    run_loaded(session, OP_BEGIN_END);
}

void run_get_missing(struct session *session)
{
    struct op_list list;
    uint64_t others = session->dataset->count - session->keys;
    op_list_begin(&list, session);
    while (list.count < list.room) {
        op_list_add(&list, OP_GET_MISSING, session->keys + list.count % others, 0);
    }
    op_list_measure(&list);
}

void run_insert(struct session *session)
{
    struct op_list list;
    op_list_begin(&list, session);
    while (list.count < list.room) {
        op_list_add(&list, OP_PUT, session_add_index(session), 0);
    }
    op_list_measure(&list);
}

void run_get_new(struct session *session)
{
    struct op_list list;
    uint64_t first = session->index_count;
    for (uint64_t i = 0; i < session->ops; i++) {
        session_put(session, dataset_key(session->dataset, session_add_index(session)), 0);
    }
    session_settle(session);
    op_list_begin(&list, session);
    while (list.count < list.room) {
        op_list_add(&list, OP_GET, first + random_below(&session->random, session->ops), 0);
    }
    op_list_measure(&list);
}

void run_mixed(struct session *session)
{
    struct op_list list;
    op_list_begin(&list, session);
    while (list.count < list.room) {
        uint64_t index = random_below(&session->random, session->index_count);
        uint64_t choice = random_below(&session->random, 10);
        if (choice == 0) {
            op_list_add(&list, OP_PUT, session_add_index(session), 0);
        } else if (choice == 1) {
            op_list_add(&list, OP_PUT, index, ++session->versions[index]);
        } else {
            op_list_add(&list, OP_GET, index, session->versions[index]);
        }
    }
    op_list_measure(&list);
}

void run_delete(struct session *session)
{
    struct op_list list;
    op_list_begin(&list, session);
    if (list.room > session->keys) {
        fail("delete: %" PRIu64 " operations need as many keys, and there are %" PRIu64 "; lower --ops", list.room,
             session->keys);
    }
    while (list.count < list.room) {
        uint64_t index = random_below(&session->random, session->keys);
        while (session->versions[index] == VERSION_ABSENT) {
            index = index + 1 == session->keys ? 0 : index + 1;
        }
        session->versions[index] = VERSION_ABSENT;
        op_list_add(&list, OP_DELETE, index, 0);
    }
    op_list_measure(&list);
}

/** Counters, at most. */
#define COUNTERS_MAX 10000

/** What a counter should be. */
struct counter {
    struct session *session;
    uint64_t expected;
};

static void visit_counter(void *context, int64_t key, const void *value, size_t size)
{
    const struct counter *counter = context;
    if (size != sizeof counter->expected || memcmp(value, &counter->expected, size) != 0) {
        fail("%s: the counter %" PRId64 " is not the sum of what was added", counter->session->engine->name, key);
    }
    session_count(counter->session, key, value, size);
}

void run_counter(struct session *session)
{
    struct op_list list;
    op_list_begin(&list, session);
    uint64_t count = list.room < COUNTERS_MAX ? list.room : COUNTERS_MAX;
    uint64_t *sums = allocate(count, sizeof *sums);
    while (list.count < list.room) {
        uint64_t counter = random_below(&session->random, count);
        uint32_t amount = 1 + (uint32_t)(counter % 7);
        op_list_add(&list, OP_ADD, session->keys + counter, amount);
        sums[counter] += amount;
    }
    op_list_measure(&list);
    for (uint64_t i = 0; i < count; i++) { /* and so that the contents are what was loaded */
        int64_t key = dataset_key(session->dataset, session->keys + i);
        struct counter counter = {session, sums[i]};
        if (sums[i] != 0 && !session->engine->get(session->store, key, visit_counter, &counter)) {
            fail("%s: the counter %" PRId64 " is gone", session->engine->name, key);
        }
        if (sums[i] != 0) {
            session->engine->delete_key(session->store, key);
        }
    }
    free(sums);
}
