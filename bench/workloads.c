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

/** Operations of a workload that puts many keys, at most. */
#define BULK_OPS_MAX 1000000

/** Of the operations that are timed one by one there is one to this many others, */
#define LATENCY_SHARE 5

/** but at least this many, or as many as others where those are fewer: ten of them make the slowest 0.01 %. */
#define LATENCY_OPS_MIN 100000

static bool begins_and_ends(const struct engine *engine)
{
    return engine->begin_end != NULL;
}

static bool writes_in_txn(const struct engine *engine)
{
    return engine->begin_write != NULL;
}

static bool counts(const struct engine *engine)
{
    return engine->add != NULL;
}

static bool gets_in_txn(const struct engine *engine)
{
    return engine->get_txn != NULL;
}

const struct workload workloads[] = {
    {
        .name = "seed_bulk_insert",
        .summary = "100,000 keys into an empty store, in batches of 1,000",
        .start = START_EMPTY,
        .writes = true,
        .others = OTHERS_PUT,
        .fixed_ops = true,
        .call_ops = BATCH_RECORDS,
        .fixed_keys = SEED_KEYS,
        .ops_max = BULK_OPS_MAX,
        .op_keys = 1,
        .run = run_bulk_insert,
    },
    {
        .name = "seed_query",
        .summary = "10,000 gets of random keys of 100,000",
        .start = START_OWN,
        .fixed_ops = true,
        .call_ops = 1,
        .fixed_keys = SEED_KEYS,
        .ops_max = SEED_OPS,
        .run = run_get,
    },
    {
        .name = "seed_mixed",
        .summary = "10,000 operations on 100,000 keys: 80 % gets, 10 % puts of new keys, 10 % overwrites",
        .start = START_OWN,
        .writes = true,
        .others = OTHERS_PUT,
        .fixed_ops = true,
        .call_ops = 1,
        .fixed_keys = SEED_KEYS,
        .ops_max = SEED_OPS,
        .run = run_mixed,
    },
    {
        .name = "bulk_insert",
        .summary =
            "all keys into an empty store, in batches of 1,000; above 1M keys: 1M new ones into a store that holds all",
        .start = START_EMPTY,
        .writes = true,
        .others = OTHERS_PUT,
        .fixed_ops = true,
        .call_ops = BATCH_RECORDS,
        .ops_max = BULK_OPS_MAX,
        .op_keys = 1,
        .run = run_bulk_insert,
    },
    {
        .name = "insert",
        .summary = "puts of new keys, one by one",
        .start = START_LOADED,
        .writes = true,
        .threads = true,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 200000,
        .op_keys = 1,
        .run = run_insert,
    },
    {
        .name = "get",
        .summary = "gets of random keys that are there",
        .start = START_LOADED,
        .threads = true,
        .call_ops = 1,
        .ops_max = 500000,
        .run = run_get,
    },
    {
        .name = "get_loaded",
        .summary = "the same, always by the process that loaded the store",
        .start = START_OWN,
        .threads = true,
        .call_ops = 1,
        .ops_max = 500000,
        .run = run_get,
    },
    {
        .name = "get_txn",
        .summary = "gets of random keys that are there, each in a read transaction of its own",
        .start = START_LOADED,
        .threads = true,
        .served = gets_in_txn,
        .call_ops = 1,
        .ops_max = 500000,
        .run = run_get_txn,
    },
    {
        .name = "begin_end",
        .summary = "beginning and ending a read transaction, without a read",
        .start = START_LOADED,
        .threads = true,
        .served = begins_and_ends,
        .call_ops = 1,
        .ops_max = 500000,
        .run = run_begin_end,
    },
    {
        .name = "get_beside_writer",
        .summary = "gets of random keys that are there, while a thread more puts others without a pause: new ones, and "
                   "every tenth of those that are there, in turn",
        .start = START_LOADED,
        .writes = true,
        .threads = true,
        .writer_beside = true,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 500000,
        .op_keys = 1,
        .run = run_get_beside_writer,
    },
    {
        .name = "get_new",
        .summary = "gets of random keys of those put before, one by one, into the loaded store",
        .start = START_LOADED,
        .writes = true,
        .threads = true,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 200000,
        .op_keys = 1,
        .run = run_get_new,
    },
    {
        .name = "get_many",
        .summary = "gets of random keys that are there, 64 keys a call",
        .start = START_LOADED,
        .threads = true,
        .call_ops = GET_MANY_KEYS,
        .ops_max = 500000,
        .run = run_get_many,
    },
    {
        .name = "get_missing",
        .summary = "gets of keys that are not there",
        .start = START_LOADED,
        .threads = true,
        .others = OTHERS_GET,
        .call_ops = 1,
        .ops_max = 500000,
        .run = run_get_missing,
    },
    {
        .name = "mixed",
        .summary = "80 % gets, 10 % puts of new keys, 10 % overwrites",
        .start = START_LOADED,
        .writes = true,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 200000,
        .op_keys = 1,
        .run = run_mixed,
    },
    {
        .name = "scan",
        .summary = "100 records from a random key on; a record is an operation",
        .start = START_LOADED,
        .threads = true,
        .call_ops = SCAN_RECORDS,
        .ops_max = 1000000,
        .run = run_scan,
    },
    {
        .name = "full_scan",
        .summary = "all records in order, 3 times, or once above 1M keys; a record is an operation",
        .start = START_LOADED,
        .fixed_ops = true,
        .call_ops = 0,
        .ops_max = UINT64_MAX,
        .op_keys = 1,
        .run = run_full_scan,
    },
    {
        .name = "delete",
        .summary = "deletes of random keys, one by one",
        .start = START_LOADED,
        .writes = true,
        .threads = true,
        .call_ops = 1,
        .ops_max = 200000,
        .op_keys = 3,
        .run = run_delete,
    },
    {
        .name = "delete_range",
        .summary =
            "the lower half of all keys, deleted in one step (RocksDB: DeleteRange, WiredTiger: truncate, LMDB: a "
            "cursor in a transaction, LevelDB: a batch); a key is an operation",
        .start = START_LOADED,
        .writes = true,
        .fixed_ops = true,
        .call_ops = 0,
        .ops_max = UINT64_MAX,
        .op_keys = 2,
        .run = run_delete_range,
    },
    {
        .name = "counter",
        .summary =
            "additions to random ones of 10,000 counters, none of which is there at first (RocksDB: Merge with the "
            "operator uint64add)",
        .start = START_LOADED,
        .writes = true,
        .threads = true,
        .served = counts,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 200000,
        .op_keys = 1,
        .run = run_counter,
    },
    {
        .name = "open",
        .summary = "opening the store and getting one record, 5 times",
        .start = START_LOADED,
        .fixed_ops = true,
        .call_ops = 1,
        .ops_max = 5,
        .run = run_open,
    },
    {
        .name = "insert_sync",
        .summary = "puts of new keys, one by one, each on disk before its call returns",
        .start = START_LOADED,
        .writes = true,
        .sync = true,
        .threads = true,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 2000,
        .op_keys = 1,
        .run = run_insert,
    },
    {
        .name = "batch_sync",
        .summary = "new keys in batches of 1,000, each on disk before its call returns",
        .start = START_LOADED,
        .writes = true,
        .sync = true,
        .threads = true,
        .others = OTHERS_PUT,
        .fixed_ops = true,
        .call_ops = BATCH_RECORDS,
        .ops_max = 100000,
        .op_keys = 1,
        .run = run_bulk_insert,
    },
    {
        .name = "txn_10",
        .summary = "puts of new keys, 10 in each write transaction; a put is an operation",
        .start = START_LOADED,
        .writes = true,
        .served = writes_in_txn,
        .others = OTHERS_PUT,
        .call_ops = 10,
        .ops_max = 500000,
        .op_keys = 1,
        .run = run_txn_10,
    },
    {
        .name = "txn_1k",
        .summary = "the same, 1,000 in each",
        .start = START_LOADED,
        .writes = true,
        .served = writes_in_txn,
        .others = OTHERS_PUT,
        .call_ops = 1000,
        .ops_max = 500000,
        .op_keys = 1,
        .run = run_txn_1k,
    },
    {
        .name = "txn_100k",
        .summary = "the same, 100,000 in each",
        .start = START_LOADED,
        .writes = true,
        .served = writes_in_txn,
        .others = OTHERS_PUT,
        .call_ops = 100000,
        .ops_max = 500000,
        .op_keys = 1,
        .run = run_txn_100k,
    },
    {
        .name = "txn_10_sync",
        .summary = "puts of new keys, 10 in each write transaction, which is on disk when its commit returns",
        .start = START_LOADED,
        .writes = true,
        .sync = true,
        .served = writes_in_txn,
        .others = OTHERS_PUT,
        .call_ops = 10,
        .ops_max = 10000,
        .op_keys = 1,
        .run = run_txn_10,
    },
    {
        .name = "txn_1k_sync",
        .summary = "the same, 1,000 in each",
        .start = START_LOADED,
        .writes = true,
        .sync = true,
        .served = writes_in_txn,
        .others = OTHERS_PUT,
        .call_ops = 1000,
        .ops_max = 100000,
        .op_keys = 1,
        .run = run_txn_1k,
    },
    {
        .name = "ycsb_a",
        .summary = "YCSB A: 50 % gets, 50 % overwrites, of zipfian keys",
        .start = START_LOADED,
        .writes = true,
        .call_ops = 1,
        .ops_max = 200000,
        .run = run_ycsb_a,
    },
    {
        .name = "ycsb_b",
        .summary = "YCSB B: 95 % gets, 5 % overwrites, of zipfian keys",
        .start = START_LOADED,
        .writes = true,
        .call_ops = 1,
        .ops_max = 200000,
        .run = run_ycsb_b,
    },
    {
        .name = "ycsb_c",
        .summary = "YCSB C: gets of zipfian keys",
        .start = START_LOADED,
        .threads = true,
        .call_ops = 1,
        .ops_max = 200000,
        .run = run_ycsb_c,
    },
    {
        .name = "ycsb_d",
        .summary = "YCSB D: 95 % gets of keys written lately, 5 % puts of new keys",
        .start = START_LOADED,
        .writes = true,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 200000,
        .op_keys = 1,
        .run = run_ycsb_d,
    },
    {
        .name = "ycsb_e",
        .summary =
            "YCSB E: 95 % scans of 1 to 100 records from zipfian keys on, 5 % puts of new keys; a scan is an operation",
        .start = START_LOADED,
        .writes = true,
        .others = OTHERS_PUT,
        .call_ops = 1,
        .ops_max = 50000,
        .op_keys = 1,
        .run = run_ycsb_e,
    },
    {
        .name = "ycsb_f",
        .summary = "YCSB F: 50 % gets, 50 % reads and overwrites as one operation, of zipfian keys",
        .start = START_LOADED,
        .writes = true,
        .call_ops = 1,
        .ops_max = 200000,
        .run = run_ycsb_f,
    },
};
const size_t workload_count = sizeof workloads / sizeof *workloads;

bool workload_served_by(const struct workload *workload, const struct engine *engine, uint32_t threads)
{
    return engine_serves(engine, workload->name) && (workload->served == NULL || workload->served(engine)) &&
           !(engine->one_writer && workload->writes && threads > 1);
}

uint64_t workload_default_ops(const struct workload *workload, uint64_t keys)
{
    uint64_t ops = workload->ops_max;
    if (workload->op_keys != 0 && keys / workload->op_keys < ops) {
        ops = keys / workload->op_keys;
    }
    return ops > 0 ? ops : 1;
}

bool workload_starts_empty(const struct workload *workload, uint64_t keys)
{
    return workload->start == START_EMPTY && keys <= BULK_OPS_MAX;
}

uint64_t workload_call_ops(const struct workload *workload, uint64_t keys)
{
    return workload->call_ops != 0 ? workload->call_ops : keys;
}

uint64_t workload_latency_ops(uint64_t ops)
{
    uint64_t share = (ops + LATENCY_SHARE - 1) / LATENCY_SHARE;
    uint64_t wanted = ops < LATENCY_OPS_MIN ? ops : LATENCY_OPS_MIN;
    return share > wanted ? share : wanted;
}

uint64_t workload_other_keys(const struct workload *workload, uint64_t keys, uint64_t ops)
{
    uint64_t all_ops = workload->call_ops == 1 ? ops + workload_latency_ops(ops) : ops;
    if (workload->others == OTHERS_NONE || workload_starts_empty(workload, keys)) {
        return 0;
    }
    return workload->others == OTHERS_GET && all_ops > keys ? keys : all_ops;
}

size_t session_make_batch(const struct session *session, uint64_t first, uint64_t end, struct record *records,
                          unsigned char *values)
{
    size_t stride = dataset_buffer_bytes(session->dataset);
    size_t count = 0;
    for (; count < BATCH_RECORDS && first + count < end; count++) {
        int64_t key = dataset_key(session->dataset, first + count);
        unsigned char *value = values + count * stride;
        records[count] = (struct record){key, value, dataset_value(session->dataset, key, 0, value)};
    }
    return count;
}

void session_load(struct session *session)
{
    unsigned char *values = allocate(BATCH_RECORDS, dataset_buffer_bytes(session->dataset));
    struct record records[BATCH_RECORDS];
    for (uint64_t done = 0; done < session->keys;) {
        size_t count = session_make_batch(session, done, session->keys, records, values);
        session->engine->write_batch(session->store, records, count);
        done += count;
    }
    free(values);
    session_settle(session);
}

void session_settle(struct session *session)
{
    if (session->engine->settle != NULL) {
        session->engine->settle(session->store);
    }
}

uint64_t session_add_index(struct session *session)
{
    if (session->index_count == session->dataset->count) {
        fail("%s: the keys have run out", session->engine->name);
    }
    if (session->index_count == session->index_room) {
        session->index_room = session->index_room * 2 + 1024;
        session->versions = reallocate(session->versions, session->index_room * sizeof *session->versions);
    }
    session->versions[session->index_count] = 0;
    return session->index_count++;
}

void session_open_thread(struct session *thread, const struct session *session)
{
    *thread = *session;
    thread->value = allocate(1, dataset_buffer_bytes(session->dataset));
    if (session->engine->open_thread != NULL) {
        thread->store = session->engine->open_thread(session->store);
    }
}

void session_close_thread(struct session *thread)
{
    if (thread->engine->close_thread != NULL) {
        thread->engine->close_thread(thread->store);
    }
    free(thread->value);
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
