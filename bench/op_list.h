/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file op_list.h
 * Lists of single operations, made beforehand, so that random choices cost nothing while the clock runs.
 *
 * A list is carried out in two parts. In the first the clock is read at its beginning and end alone: that gives
 * ns_per_op. The second goes on from there with a read before and after each operation: that gives the percentiles,
 * which therefore hold the clock's own 20 to 40 ns. Within the timed parts lies what the harness does: making the
 * value of a put and comparing that of a get, byte for byte.
 *
 * Several threads have a piece of each part, one behind the other, and begin each part together.
 */
#ifndef BENCH_OP_LIST_H
#define BENCH_OP_LIST_H

#include "workload.h"

enum op_kind {
    OP_GET,
    OP_GET_MISSING,
    OP_GET_TXN,   /**< in a read transaction of its own */
    OP_BEGIN_END, /**< a read transaction without a read */
    OP_PUT,
    OP_DELETE,
    OP_READ_WRITE, /**< a get, and a put of the next version */
    OP_SCAN,
    OP_ADD, /**< of a number to a counter */
};

struct op {
    int64_t key;
    uint32_t number; /**< the version to put or to expect, for a scan the most records to read, for a counter what to
                        add */
    uint32_t kind;
};

struct op_list {
    struct session *session;
    struct op *ops;
    uint64_t count;
    uint64_t room; /**< the session's operations and those timed one by one */
};

/** Begins a list with no operations in it; the caller adds as many as there is room for. */
void op_list_begin(struct op_list *list, struct session *session);

/** Appends an operation on the `index`-th key. */
void op_list_add(struct op_list *list, enum op_kind kind, uint64_t index, uint32_t number);

/** Performs a full list in the session's threads, and frees it. */
void op_list_measure(struct op_list *list);

#endif /* BENCH_OP_LIST_H */
