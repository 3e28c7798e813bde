/* SPDX-License-Identifier: Apache-2.0 */
/** @file workload.c The threads: what they do next. */
#include "history/workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "history/calls.h"

static uint64_t below(struct worker *worker, uint64_t bound)
{
    return helper_random_below(&worker->random, bound);
}

int64_t workload_key(const struct plan *plan, uint32_t number)
{
    enum { CLUSTER = 96 };
    struct helper_random random = {plan->layout == LAYOUT_CLUSTERS ? number / CLUSTER : number};
    switch (plan->layout) {
    case LAYOUT_DENSE:
        return (int64_t)number - plan->keys / 2;
    case LAYOUT_CLUSTERS:
        return (int64_t)((helper_random_next(&random) & ~UINT64_C(0xFFF)) + number % CLUSTER * 3);
    default:
        return number == 0 ? INT64_MIN : number == 1 ? INT64_MAX : (int64_t)helper_random_next(&random);
    }
}

/** The number of some key. */
static uint32_t choose(struct worker *worker)
{
    const struct plan *plan = worker->workload->plan;
    uint64_t number = below(worker, plan->keys);
    if (plan->choice == CHOICE_HOT) { /* the product of three is small mostly */
        number = number * below(worker, plan->keys) / plan->keys * below(worker, plan->keys) / plan->keys;
    }
    return (uint32_t)number;
}

/** The number of a key that this writer alone deletes by itself. */
static uint32_t own(const struct worker *worker, uint32_t number)
{
    const struct plan *plan = worker->workload->plan;
    uint32_t owned = number - number % plan->writers + worker->writer;
    return owned < plan->keys ? owned : worker->writer;
}

static struct table *staying(struct worker *worker)
{
    struct workload *workload = worker->workload;
    return &workload->tables->items[below(worker, workload->plan->staying)];
}

/* ------------------------------------------------------------------------------------------------ writing */

static int64_t key_of(const struct worker *worker, uint32_t number)
{
    return workload_key(worker->workload->plan, number);
}

/** Where the tide is after so many more steps, among this writer's own keys. */
static uint32_t tide_at(const struct worker *worker, uint32_t steps)
{
    const struct plan *plan = worker->workload->plan;
    uint32_t turn = plan->keys / plan->writers;
    uint32_t step = worker->tide + steps < turn ? worker->tide + steps : turn - 1;
    return (worker->tides % 4 < 2 ? step : turn - 1 - step) * plan->writers + worker->writer;
}

/** The number of some key to write. */
static uint32_t choose_to_write(struct worker *worker)
{
    return worker->workload->plan->empties ? tide_at(worker, (uint32_t)below(worker, 64)) : choose(worker);
}

/** The next step of the tide. */
static void write_tide(struct worker *worker, struct table *table)
{
    const struct plan *plan = worker->workload->plan;
    uint32_t turn = plan->keys / plan->writers;
    int64_t key = key_of(worker, tide_at(worker, 0));
    (void)(worker->tides % 2 == 0 ? call_put(worker->recorder, worker->workload->tables, table, key)
                                  : call_delete(worker->recorder, worker->workload->tables, table, key));
    if (++worker->tide == turn) {
        worker->tide = 0;
        worker->tides++;
    }
}

static void write_batch(struct worker *worker, struct table *passing)
{
    struct workload *workload = worker->workload;
    struct batch batch = {.count = 0};
    uint64_t count = 1 + below(worker, BATCH_OPS_MAX - 1);
    struct table *tables[] = {staying(worker), passing != NULL && below(worker, 3) == 0 ? passing : staying(worker)};
    call_batch_put(&batch, workload->tables, tables[0], key_of(worker, choose_to_write(worker)));
    for (uint64_t i = 1; i < count; i++) {
        struct table *table = tables[below(worker, 2)];
        int64_t key = key_of(worker, choose_to_write(worker));
        if (below(worker, 2) == 0) {
            call_batch_put(&batch, workload->tables, table, key);
        } else if (key != batch.entries[0].key || table != tables[0]) { /* the first put stays, by which it is known */
            call_batch_delete(&batch, workload->tables, table, key);
        }
    }
    if (below(worker, 2) == 0) {
        (void)call_batch(worker->recorder, workload->store, &batch);
    } else {
        bool reads = workload->plan->durability != ALEX_DURABLE_ON_COMMIT;
        (void)call_transaction(worker->recorder, workload->store, workload->tables, &batch, reads);
    }
}

static void write_load(struct worker *worker, struct table *table)
{
    struct workload *workload = worker->workload;
    uint32_t count = workload->plan->loads / 2 + (uint32_t)below(worker, workload->plan->loads / 2);
    uint32_t from = choose(worker);
    uint32_t step = 1 + (uint32_t)below(worker, 3);
    struct load load;
    if (!call_load_begin(&load, worker->recorder, workload->tables, table)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        call_load_add(&load, key_of(worker, (from + i * step) % workload->plan->keys));
    }
    call_load_end(&load);
}

static void write_one(struct worker *worker, struct table *table)
{
    struct recorder *recorder = worker->recorder;
    const struct tables *tables = worker->workload->tables;
    uint32_t number = choose_to_write(worker);
    switch (below(worker, 10)) {
    case 0:
        (void)call_put_absent(recorder, tables, table, key_of(worker, number));
        break;
    case 1:
        (void)(below(worker, 8) == 0 ? call_put_reserved(recorder, tables, table, key_of(worker, number))
                                     : call_put(recorder, tables, table, key_of(worker, number)));
        break;
    case 2:
    case 3:
    case 4:
        (void)call_delete(recorder, tables, table, key_of(worker, own(worker, number)));
        break;
    default:
        (void)call_put(recorder, tables, table, key_of(worker, number));
        break;
    }
}

/** The first writer's: makes the passing table, or drops it, once nobody can come to it any more who doesn't have a
 *  snapshot of before. */
static void pass(struct worker *worker)
{
    struct workload *workload = worker->workload;
    struct table *table = atomic_load(&workload->passing);
    if (table == NULL) {
        atomic_store(&workload->passing, workload_make_table(workload, worker->recorder, below(worker, 2) == 0));
        return;
    }
    atomic_store(&workload->passing, NULL);
    if (call_drop_table(worker->recorder, workload->store, workload->tables, table) != ALEX_OK) {
        atomic_store(&workload->passing, table);
    }
}

static void write_next(struct worker *worker)
{
    struct workload *workload = worker->workload;
    const struct plan *plan = workload->plan;
    struct table *passing = worker->writer == 0 ? atomic_load(&workload->passing) : NULL;
    struct table *table = passing != NULL && below(worker, 3) == 0 ? passing : staying(worker);
    uint64_t way = below(worker, 4096);
    if (plan->passing && worker->writer == 0 && way < 16) {
        pass(worker);
    } else if (plan->loads > 0 && way < 18) {
        write_load(worker, table);
    } else if (way < 20 && plan->durability == ALEX_DURABLE_ON_SYNC) {
        (void)alex_sync(workload->store);
    } else if (way < 320) {
        write_batch(worker, passing);
    } else if (plan->choice == CHOICE_TIDE && way < 3800) {
        write_tide(worker, &workload->tables->items[worker->tides / 4 % plan->staying]);
    } else {
        write_one(worker, table);
    }
}

/* ------------------------------------------------------------------------------------------------ reading */

/** One read of a snapshot, of whatever kind. */
static void read_snapshot(struct worker *worker, const struct kept *kept)
{
    const struct workload *workload = worker->workload;
    const struct plan *plan = workload->plan;
    bool of_passing = kept->passing != NULL && below(worker, 4) == 0;
    const struct snapshot_read read = {worker->recorder, workload->tables, of_passing ? kept->passing : staying(worker),
                                       kept->txn, kept->id};
    int64_t key = key_of(worker, choose(worker));
    int64_t other = key_of(worker, choose(worker));
    int64_t keys[GET_MANY_MAX];
    uint64_t entries = below(worker, 2) == 0 ? 3 : below(worker, below(worker, 16) == 0 ? 1500 : 120);
    switch (below(worker, 16)) {
    case 0:
        for (size_t i = 0; i < GET_MANY_MAX; i++) {
            keys[i] = key_of(worker, choose(worker));
        }
        call_get_many(&read, keys, GET_MANY_MAX);
        break;
    case 1:
        call_scan(&read, &(struct alex_range){.has_first = true, .first = key, .limit = entries + 1}, false,
                  UINT64_MAX);
        break;
    case 2:
        call_scan(&read, &(struct alex_range){.has_last = true, .last = key}, true, entries);
        break;
    case 3:
        call_scan(&read, &(struct alex_range){.has_first = true, .first = key, .has_last = true, .last = other},
                  below(worker, 2) == 0, entries);
        break;
    case 4:
        call_seek(&read, key, below(worker, 2) == 0, entries);
        break;
    case 5:
        if (plan->keys > 1000 && below(worker, 16) != 0) {
            call_count(&read, &(struct alex_range){.has_first = true, .first = key, .limit = entries + 1});
        } else {
            call_count(&read, &(struct alex_range){.has_first = true, .first = key});
        }
        break;
    default:
        call_get(&read, key);
        break;
    }
    if (of_passing && below(worker, 2) == 0) { /* the snapshot keeps its handle, dropped or not */
        call_lone_get(worker->recorder, workload->tables, kept->passing, key);
    }
}

static void read_lone(struct worker *worker)
{
    struct table *table = staying(worker);
    int64_t key = key_of(worker, choose(worker));
    if (below(worker, 4) == 0) {
        call_exists(worker->recorder, worker->workload->tables, table, key);
    } else {
        call_lone_get(worker->recorder, worker->workload->tables, table, key);
    }
}

static struct kept *begin(struct worker *worker)
{
    struct workload *workload = worker->workload;
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        abort();
    }
    call_begin(worker->recorder, workload->store, kept);
    /* Only now: a table that is still there is dropped after the snapshot, which may read it to its end. */
    kept->passing = atomic_load(&workload->passing);
    return kept;
}

static void end(struct kept *kept)
{
    call_end(kept);
    free(kept);
}

/** Reads in a snapshot of its own, which it ends. */
static void read_shortly(struct worker *worker)
{
    struct kept *kept = begin(worker);
    for (uint64_t reads = 1 + below(worker, 4); reads > 0 && recorder_has_room(worker->recorder, 400, 400); reads--) {
        read_snapshot(worker, kept);
    }
    end(kept);
}

/** Goes on in the snapshot that it keeps, or with the end of it. */
static void read_kept(struct worker *worker)
{
    struct workload *workload = worker->workload;
    if (worker->kept == NULL) {
        worker->kept = begin(worker);
        worker->kept_for = 1 + (uint32_t)below(worker, workload->plan->held);
        return;
    }
    if (worker->kept_for-- > 0) {
        read_snapshot(worker, worker->kept);
        return;
    }
    worker->kept_for = 1 + (uint32_t)below(worker, workload->plan->held);
    if (below(worker, 3) == 0) {
        call_renew(worker->recorder, worker->kept);
        worker->kept->passing = atomic_load(&workload->passing);
    } else if (workload->plan->moving && below(worker, 2) == 0) {
        worker->kept = atomic_exchange(&workload->handed, worker->kept);
    } else {
        end(worker->kept);
        worker->kept = NULL;
    }
}

static void read_next(struct worker *worker)
{
    uint64_t way = below(worker, 16);
    if (way < 5) {
        read_lone(worker);
    } else if (way < 8 || worker->workload->plan->held == 0) {
        read_shortly(worker);
    } else {
        read_kept(worker);
    }
}

/* ------------------------------------------------------------------------------------------------ running */

struct table *workload_make_table(struct workload *workload, struct recorder *recorder, bool is_unsigned)
{
    struct tables *tables = workload->tables;
    uint32_t count = atomic_load(&tables->count);
    if (count == TABLES_MAX) {
        return NULL;
    }
    struct table *table = &tables->items[count];
    *table = (struct table){.is_unsigned = is_unsigned};
    (void)snprintf(table->name, sizeof table->name, "table %" PRIu32, count);
    if (call_make_table(recorder, workload->store, tables, table) != ALEX_OK) {
        return NULL;
    }
    atomic_store(&tables->count, count + 1);
    return table;
}

void workload_read_all(struct workload *workload, struct recorder *recorder, struct table *table)
{
    struct kept kept = {.passing = NULL};
    call_begin(recorder, workload->store, &kept);
    const struct snapshot_read read = {recorder, workload->tables, table, kept.txn, kept.id};
    const struct alex_range all = {.limit = 0};
    call_scan(&read, &all, false, UINT64_MAX);
    call_scan(&read, &all, true, UINT64_MAX);
    call_count(&read, &all);
    call_end(&kept);
}

static void pause_now(void)
{
    struct timespec time = {0, 20000};
    (void)nanosleep(&time, NULL);
}

void *workload_run(void *context)
{
    struct worker *worker = context;
    struct workload *workload = worker->workload;
    struct recorder *recorder = worker->recorder;
    while (recorder_has_room(recorder, 1000, 4 * (size_t)workload->plan->loads + 1000)) {
        if (recorder->event_count - worker->counted >= 64) {
            uint64_t more = recorder->event_count - worker->counted;
            worker->counted += more;
            if (atomic_fetch_add_explicit(&workload->done, more, memory_order_relaxed) + more >= workload->operations) {
                break;
            }
        }
        if (worker->writes && below(worker, 8) != 0) {
            write_next(worker);
        } else {
            read_next(worker);
        }
        if (!worker->writes && workload->plan->durability == ALEX_DURABLE_ON_COMMIT) {
            pause_now(); /* else they have read all that there is to do before the first syncs are made */
        }
    }
    if (worker->kept != NULL) {
        end(worker->kept);
        worker->kept = NULL;
    }
    return NULL;
}

void workload_end(struct workload *workload)
{
    struct kept *kept = atomic_exchange(&workload->handed, NULL);
    if (kept != NULL) {
        end(kept);
    }
}
