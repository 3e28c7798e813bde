/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload_many.c
 * Workloads whose calls handle many records, or take long: bulk_insert, get_many, scan, full_scan, open. Two reads of
 * the clock a call are nothing here, so each call is timed, and ns_per_op is the sum of the calls' times divided by
 * their records; making keys and values lies between the calls and isn't counted.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "measure.h"
#include "support.h"
#include "workload.h"

/** Times that the whole store is read, and the greatest number of keys for which it is read more than once. */
#define FULL_SCANS 3
#define FULL_SCANS_KEYS 1000000

/** What calls have taken so far. */
struct timing {
    struct histogram histogram;
    uint64_t total_ns;
    uint64_t begin_ns;
};

static inline void call_begins(struct timing *timing)
{
    timing->begin_ns = now_ns();
}

static inline void call_ends(struct timing *timing)
{
    uint64_t ns = now_ns() - timing->begin_ns;
    timing->total_ns += ns;
    histogram_add(&timing->histogram, ns);
}

/** Enters the timing into the session's measurement, and frees it. */
static void finish(struct session *session, struct timing *timing, uint64_t ops)
{
    struct measurement *measured = session->measured;
    measured->ops = ops;
    measured->ns_per_op = (double)timing->total_ns / (double)ops;
    session_report_calls(session, &timing->histogram);
    free(timing);
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

void run_bulk_insert(struct session *session)
{
    struct timing *timing = allocate(1, sizeof *timing);
    size_t stride = dataset_buffer_bytes(session->dataset);
    unsigned char *values = allocate(BATCH_RECORDS, stride);
    struct record records[BATCH_RECORDS];
    for (uint64_t done = 0; done < session->ops;) {
        size_t count = 0;
        for (; count < BATCH_RECORDS && done < session->ops; count++, done++) {
            int64_t key = dataset_key(session->dataset, session_add_index(session));
            unsigned char *value = values + count * stride;
            records[count] = (struct record){key, value, dataset_value(session->dataset, key, 0, value)};
        }
        call_begins(timing);
        session->engine->write_batch(session->store, records, count);
        call_ends(timing);
    }
    free(values);
    finish(session, timing, session->ops);
}

void run_get_many(struct session *session)
{
    struct timing *timing = allocate(1, sizeof *timing);
    int64_t keys[GET_MANY_KEYS];
    for (uint64_t done = 0; done < session->ops;) {
        size_t count = 0;
        for (; count < GET_MANY_KEYS && done < session->ops; count++, done++) {
            keys[count] = dataset_key(session->dataset, random_below(&session->random, session->keys));
        }
        call_begins(timing);
        session->engine->get_many(session->store, keys, count, visit_loaded, session);
        call_ends(timing);
    }
    finish(session, timing, session->ops);
}

void run_scan(struct session *session)
{
    struct timing *timing = allocate(1, sizeof *timing);
    uint64_t records = 0;
    uint64_t calls = (session->ops + SCAN_RECORDS - 1) / SCAN_RECORDS;
    for (uint64_t i = 0; i < calls; i++) {
        int64_t first = dataset_key(session->dataset, random_below(&session->random, session->keys));
        call_begins(timing);
        records += session->engine->scan(session->store, first, SCAN_RECORDS, visit_loaded, session);
        call_ends(timing);
    }
    finish(session, timing, records);
}

void run_full_scan(struct session *session)
{
    struct timing *timing = allocate(1, sizeof *timing);
    uint64_t scans = session->keys <= FULL_SCANS_KEYS ? FULL_SCANS : 1;
    for (uint64_t i = 0; i < scans; i++) {
        call_begins(timing);
        uint64_t count = session->engine->scan(session->store, INT64_MIN, UINT64_MAX, visit_loaded, session);
        call_ends(timing);
        if (count != session->keys) {
            fail("%s: a full scan finds %" PRIu64 " records, not %" PRIu64, session->engine->name, count,
                 session->keys);
        }
    }
    finish(session, timing, scans * session->keys);
}

void run_open(struct session *session)
{
    struct timing *timing = allocate(1, sizeof *timing);
    int64_t key = dataset_key(session->dataset, 0);
    for (uint64_t i = 0; i < session->ops; i++) {
        session->engine->close(session->store);
        call_begins(timing);
        session->store = session->engine->open(&session->setup);
        bool found = session->engine->get(session->store, key, visit_loaded, session);
        call_ends(timing);
        if (!found) {
            fail("%s: key %" PRId64 " is gone after a reopen", session->engine->name, key);
        }
    }
    finish(session, timing, session->ops);
    session_check_contents(session);
}
