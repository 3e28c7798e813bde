/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload_ycsb.c
 * The core workloads A to F of the Yahoo! Cloud Serving Benchmark: skewed access, most of it to few records. As there,
 * ranks are scattered over the records by a hash, so that the frequent ones don't lie together, and many ranks fall on
 * one record; but those of D count back from the record written last.
 */
#include "op_list.h"
#include "support.h"
#include "zipf.h"

/** YCSB's number of ranks, whatever the number of records: the first comes up in 3.8 % of choices. */
#define RANKS 10000000000u

/** Records that a scan of workload E reads, at most. */
#define SCAN_RECORDS_MAX 100

/** Of a hundred operations, those that are not gets. */
struct shares {
    uint32_t overwrites;
    uint32_t read_writes;
};

/** The index of a loaded record. */
static uint64_t scattered(const struct zipf *zipf, struct session *session)
{
    return mix(zipf_next(zipf, &session->random) + 0x9e3779b97f4a7c15u) % session->keys;
}

/** Workloads whose records are all there at the beginning. */
static void run_shares(struct session *session, struct shares shares)
{
    struct op_list list;
    struct zipf zipf;
    op_list_begin(&list, session);
    zipf_init(&zipf, RANKS);
    while (list.count < list.room) {
        uint64_t index = scattered(&zipf, session);
        uint32_t *version = &session->versions[index];
        uint64_t choice = random_below(&session->random, 100);
        if (choice < shares.overwrites) {
            op_list_add(&list, OP_PUT, index, ++*version);
        } else if (choice < shares.overwrites + shares.read_writes) {
            op_list_add(&list, OP_READ_WRITE, index, (*version)++);
        } else {
            op_list_add(&list, OP_GET, index, *version);
        }
    }
    op_list_measure(&list);
}

void run_ycsb_a(struct session *session)
{
    run_shares(session, (struct shares){.overwrites = 50});
}

void run_ycsb_b(struct session *session)
{
    run_shares(session, (struct shares){.overwrites = 5});
}

void run_ycsb_c(struct session *session)
{
    run_shares(session, (struct shares){0});
}

void run_ycsb_f(struct session *session)
{
    run_shares(session, (struct shares){.read_writes = 50});
}

void run_ycsb_d(struct session *session)
{
    struct op_list list;
    struct zipf zipf;
    op_list_begin(&list, session);
    zipf_init(&zipf, session->keys);
    while (list.count < list.room) {
        if (random_below(&session->random, 100) < 5) {
            op_list_add(&list, OP_PUT, session_add_index(session), 0);
        } else {
            op_list_add(&list, OP_GET, session->index_count - 1 - zipf_next(&zipf, &session->random), 0);
        }
    }
    op_list_measure(&list);
}

void run_ycsb_e(struct session *session)
{
    struct op_list list;
    struct zipf zipf;
    op_list_begin(&list, session);
    zipf_init(&zipf, RANKS);
    while (list.count < list.room) {
        if (random_below(&session->random, 100) < 5) {
            op_list_add(&list, OP_PUT, session_add_index(session), 0);
        } else {
            uint32_t records = 1 + (uint32_t)random_below(&session->random, SCAN_RECORDS_MAX);
            op_list_add(&list, OP_SCAN, scattered(&zipf, session), records);
        }
    }
    op_list_measure(&list);
}
