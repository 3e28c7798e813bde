/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workloads.c
 * The list of workloads, and what they share: loading a store and checking all that is in it.
 */
#include "workload.h"

#include <inttypes.h>
#include <stdlib.h>

#include "support.h"

#define SEED_KEYS 100000
#define SEED_OPS 10000

/* clang-format off */
const struct workload workloads[] = {
    {"seed_bulk_insert", "100,000 keys into an empty store, in batches of 1,000",
     START_EMPTY, true, BATCH_RECORDS, SEED_KEYS, true, UINT64_MAX, 1, run_bulk_insert},
    {"seed_query", "10,000 gets of random keys of 100,000",
     START_LOADED, false, 1, SEED_KEYS, true, SEED_OPS, 0, run_get},
    {"seed_mixed", "10,000 operations on 100,000 keys: 80 % gets, 10 % puts of new keys, 10 % overwrites",
     START_LOADED, true, 1, SEED_KEYS, true, SEED_OPS, 0, run_mixed},
    {"bulk_insert", "all keys into an empty store, in batches of 1,000",
     START_EMPTY, true, BATCH_RECORDS, 0, true, UINT64_MAX, 1, run_bulk_insert},
    {"insert", "puts of new keys, one by one",
     START_LOADED, true, 1, 0, false, 200000, 1, run_insert},
    {"get", "gets of random keys that are there",
     START_LOADED, false, 1, 0, false, 500000, 0, run_get},
    {"get_many", "the same, 64 keys a call",
     START_LOADED, false, GET_MANY_KEYS, 0, false, 500000, 0, run_get_many},
    {"get_missing", "gets of keys that are not there",
     START_LOADED, false, 1, 0, false, 500000, 0, run_get_missing},
    {"mixed", "80 % gets, 10 % puts of new keys, 10 % overwrites",
     START_LOADED, true, 1, 0, false, 200000, 1, run_mixed},
    {"scan", "100 records from a random key on; a record is an operation",
     START_LOADED, false, SCAN_RECORDS, 0, false, 1000000, 0, run_scan},
    {"full_scan", "all records in order, 3 times; a record is an operation",
     START_LOADED, false, 0, 0, true, UINT64_MAX, 1, run_full_scan},
    {"delete", "deletes of random keys, one by one",
     START_LOADED, true, 1, 0, false, 200000, 2, run_delete},
    {"open", "opening the store and getting one record, 5 times",
     START_LOADED, false, 1, 0, true, 5, 0, run_open},
};
/* clang-format on */
const size_t workload_count = sizeof workloads / sizeof *workloads;

uint64_t workload_default_ops(const struct workload *workload, uint64_t keys)
{
    uint64_t ops = workload->ops_max;
    if (workload->op_keys != 0 && keys / workload->op_keys < ops) {
        ops = keys / workload->op_keys;
    }
    return ops > 0 ? ops : 1;
}

void session_load(struct session *session)
{
    size_t stride = dataset_buffer_bytes(session->dataset);
    unsigned char *values = allocate(BATCH_RECORDS, stride);
    struct record records[BATCH_RECORDS];
    for (uint64_t done = 0; done < session->keys;) {
        size_t count = 0;
        for (; count < BATCH_RECORDS && done < session->keys; count++, done++) {
            int64_t key = dataset_key(session->dataset, done);
            unsigned char *value = values + count * stride;
            records[count] = (struct record){key, value, dataset_value(session->dataset, key, 0, value)};
        }
        session->engine->write_batch(session->store, records, count);
    }
    free(values);
    if (session->engine->settle != NULL) {
        session->engine->settle(session->store);
    }
}

uint64_t session_add_index(struct session *session)
{
    if (session->index_count == session->index_room) {
        session->index_room = session->index_room * 2 + 1024;
        session->versions = reallocate(session->versions, session->index_room * sizeof *session->versions);
    }
    session->versions[session->index_count] = 0;
    return session->index_count++;
}

void session_wrong_value(const struct session *session, int64_t key, size_t size)
{
    fail("%s: the value of key %" PRId64 ", of %zu bytes, is not the one that was written", session->engine->name, key,
         size);
}

/** What is seen of a store's contents while it is read as a whole. */
struct contents {
    struct session *session;
    int64_t last_key;
    uint64_t count;
    uint64_t checksum;
};

static void visit_contents(void *context, int64_t key, const void *value, size_t size)
{
    struct contents *contents = context;
    if (contents->count > 0 && key <= contents->last_key) {
        fail("%s: a scan gives key %" PRId64 " after %" PRId64, contents->session->engine->name, key,
             contents->last_key);
    }
    contents->last_key = key;
    contents->count++;
    contents->checksum += entry_checksum(key, value, size);
}

void session_check_contents(struct session *session)
{
    struct contents contents = {.session = session};
    uint64_t count = 0;
    uint64_t checksum = 0;
    for (uint64_t index = 0; index < session->index_count; index++) {
        if (session->versions[index] != VERSION_ABSENT) {
            int64_t key = dataset_key(session->dataset, index);
            size_t size = dataset_value(session->dataset, key, session->versions[index], session->value);
            checksum += entry_checksum(key, session->value, size);
            count++;
        }
    }
    session->engine->scan(session->store, INT64_MIN, UINT64_MAX, visit_contents, &contents);
    if (contents.count != count || contents.checksum != checksum) {
        fail("%s: the store holds %" PRIu64 " entries (checksum %016" PRIx64 "), not the %" PRIu64 " (%016" PRIx64
             ") that were written",
             session->engine->name, contents.count, contents.checksum, count, checksum);
    }
    session->measured->contents_count = count;
    session->measured->contents_checksum = contents.checksum;
}
