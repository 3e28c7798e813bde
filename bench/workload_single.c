/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload_single.c
 * Workloads of single operations on evenly chosen keys: get, get_txn, begin_end, get_new, get_missing, insert, mixed,
 * delete.
 */
#include <inttypes.h>

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
