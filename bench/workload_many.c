/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload_many.c
 * Workloads whose calls handle many records, or take long: bulk_insert, txn_10 and the like, get_many, scan, full_scan,
 * delete_range, open. Two reads of the clock a call are nothing here, so each call is timed, and a thread's time is the
 * sum of its calls' times; making keys and values lies between the calls and isn't counted.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "measure.h"
#include "support.h"
#include "team.h"
#include "workload.h"

/** Times that the whole store is read, and the greatest number of keys for which it is read more than once. */
#define FULL_SCANS 3
#define FULL_SCANS_KEYS 1000000

/** Begins a thread's time, together with the others'. */
static void calls_begin(struct part *part)
{
    team_wait(part);
    part->begin_ns = now_ns();
    part->end_ns = part->begin_ns;
}

/** Adds a call that has ended, and the operations that it did. */
static inline void call_ends(struct part *part, uint64_t begin_ns, uint64_t ops)
{
    uint64_t ns = now_ns() - begin_ns;
    part->end_ns += ns;
    part->ops += ops;
    histogram_add(&part->calls, ns);
}

/** Compares an entry with what was loaded. */
static void visit_loaded(void *context, int64_t key, const void *value, size_t size)
{
    struct session *session = context;
    if (value == NULL) {
        fail("%s: key %" PRId64 " is gone", session->engine->name, key);
    }
    if (!dataset_value_is(session->dataset, key, 0, value, size)) {
        session_wrong_value(session, key, size);
    }
    session_count(session, key, value, size);
}

/** Inserts the part's share of the keys from index *part->work on. */
static void bulk_insert_part(struct part *part)
{
    const struct session *session = part->session;
    unsigned char *values = allocate(BATCH_RECORDS, dataset_buffer_bytes(session->dataset));
    struct record records[BATCH_RECORDS];
    uint64_t index = *(const uint64_t *)part->work + part_first(part, session->ops);
    uint64_t end = *(const uint64_t *)part->work + part_end(part, session->ops);
    calls_begin(part);
    while (index < end) {
        size_t count = session_make_batch(session, index, end, records, values);
        uint64_t begin_ns = now_ns();
        session->engine->write_batch(session->store, records, count);
        call_ends(part, begin_ns, count);
        index += count;
    }
    free(values);
}

void run_bulk_insert(struct session *session)
{
    uint64_t first = session->index_count;
    for (uint64_t i = 0; i < session->ops; i++) {
        session_add_index(session);
    }
    team_run(session, bulk_insert_part, &first);
}

/** Writes of a part's transactions. */
struct txn_work {
    uint64_t first; /**< index of the first key */
    uint64_t puts;  /**< in a transaction */
};

/** Puts the part's share of the keys in transactions. */
static void txn_part(struct part *part)
{
    const struct session *session = part->session;
    const struct engine *engine = session->engine;
    const struct txn_work *work = part->work;
    unsigned char *values = allocate(BATCH_RECORDS, dataset_buffer_bytes(session->dataset));
    struct record records[BATCH_RECORDS];
    uint64_t index = work->first + part_first(part, session->ops);
    const uint64_t end = work->first + part_end(part, session->ops);
    calls_begin(part);
    while (index < end) {
        uint64_t last = index + work->puts < end ? index + work->puts : end;
        uint64_t puts = last - index;
        uint64_t ns = 0;
        for (bool begins = true; index < last; begins = false) {
            size_t count = session_make_batch(session, index, last, records, values);
            index += count;
            uint64_t begin_ns = now_ns();
            if (begins) {
                engine->begin_write(session->store);
            }
            for (size_t i = 0; i < count; i++) {
                engine->put_in_txn(session->store, records[i].key, records[i].value, records[i].size);
            }
            if (index == last) {
                engine->commit(session->store);
            }
            ns += now_ns() - begin_ns;
        }
        part->end_ns += ns;
        part->ops += puts;
        histogram_add(&part->calls, ns);
    }
    free(values);
}

static void run_txn(struct session *session, uint64_t puts)
{
    struct txn_work work = {session->index_count, puts};
    for (uint64_t i = 0; i < session->ops; i++) {
        session_add_index(session);
    }
    team_run(session, txn_part, &work);
}

void run_txn_10(struct session *session)
{
    run_txn(session, 10);
}

void run_txn_1k(struct session *session)
{
    run_txn(session, 1000);
}

void run_txn_100k(struct session *session)
{
    run_txn(session, 100000);
}

static void get_many_part(struct part *part)
{
    struct session *session = part->session;
    int64_t keys[GET_MANY_KEYS];
    uint64_t left = part_end(part, session->ops) - part_first(part, session->ops);
    calls_begin(part);
    while (left > 0) {
        size_t count = 0;
        for (; count < GET_MANY_KEYS && left > 0; count++, left--) {
            keys[count] = dataset_key(session->dataset, random_below(&session->random, session->keys));
        }
        uint64_t begin_ns = now_ns();
        session->engine->get_many(session->store, keys, count, visit_loaded, session);
        call_ends(part, begin_ns, count);
    }
}

void run_get_many(struct session *session)
{
    team_run(session, get_many_part, NULL);
}

static void scan_part(struct part *part)
{
    struct session *session = part->session;
    uint64_t calls = (session->ops + SCAN_RECORDS - 1) / SCAN_RECORDS;
    uint64_t left = part_end(part, calls) - part_first(part, calls);
    calls_begin(part);
    for (; left > 0; left--) {
        int64_t first = dataset_key(session->dataset, random_below(&session->random, session->keys));
        uint64_t begin_ns = now_ns();
        uint64_t records = session->engine->scan(session->store, first, SCAN_RECORDS, visit_loaded, session);
        call_ends(part, begin_ns, records);
    }
}

void run_scan(struct session *session)
{
    team_run(session, scan_part, NULL);
}

static void full_scan_part(struct part *part)
{
    struct session *session = part->session;
    uint64_t scans = session->keys <= FULL_SCANS_KEYS ? FULL_SCANS : 1;
    calls_begin(part);
    for (uint64_t i = 0; i < scans; i++) {
        uint64_t begin_ns = now_ns();
        uint64_t count = session->engine->scan(session->store, INT64_MIN, UINT64_MAX, visit_loaded, session);
        call_ends(part, begin_ns, count);
        if (count != session->keys) {
            fail("%s: a full scan finds %" PRIu64 " records, not %" PRIu64, session->engine->name, count,
                 session->keys);
        }
    }
}

void run_full_scan(struct session *session)
{
    team_run(session, full_scan_part, NULL);
}

/** Keys to be deleted. */
struct range_work {
    int64_t first;
    int64_t last;
};

static void delete_range_part(struct part *part)
{
    const struct session *session = part->session;
    const struct range_work *work = part->work;
    calls_begin(part);
    uint64_t begin_ns = now_ns();
    session->engine->delete_range(session->store, work->first, work->last);
    call_ends(part, begin_ns, session->ops);
}

static int compare_keys(const void *a, const void *b)
{
    int64_t first = *(const int64_t *)a;
    int64_t second = *(const int64_t *)b;
    return (first > second) - (first < second);
}

void run_delete_range(struct session *session)
{
    int64_t *keys = allocate(session->keys, sizeof *keys);
    for (uint64_t i = 0; i < session->keys; i++) {
        keys[i] = dataset_key(session->dataset, i);
    }
    qsort(keys, session->keys, sizeof *keys, compare_keys);
    struct range_work work = {keys[0], keys[session->ops - 1]};
    free(keys);
    for (uint64_t i = 0; i < session->keys; i++) {
        if (dataset_key(session->dataset, i) <= work.last) {
            session->versions[i] = VERSION_ABSENT;
        }
    }
    team_run(session, delete_range_part, &work);
}

static void open_part(struct part *part)
{
    struct session *session = part->session;
    int64_t key = dataset_key(session->dataset, 0);
    calls_begin(part);
    for (uint64_t i = 0; i < session->ops; i++) {
        session->engine->close(session->store);
        uint64_t begin_ns = now_ns();
        session->store = session->engine->open(&session->setup);
        bool found = session->engine->get(session->store, key, visit_loaded, session);
        call_ends(part, begin_ns, 1);
        if (!found) {
            fail("%s: key %" PRId64 " is gone after a reopen", session->engine->name, key);
        }
    }
}

void run_open(struct session *session)
{
    team_run(session, open_part, NULL);
    session_check_contents(session);
}
