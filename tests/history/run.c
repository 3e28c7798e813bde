/* SPDX-License-Identifier: Apache-2.0 */
/** @file run.c Runs of a plan. */
#include "history/run.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include "base/base.h"
#include "history/checker.h"
#include "history/syncs.h"
#include "index/tree.h"
#include "store/store_internal.h"

/** Operations of a round at most, which bounds the memory that a history takes. */
#define ROUND_OPERATIONS_MAX 250000u

#define WORKERS_MAX 15u

/** The main thread is the first. */
#define THREADS_MAX (WORKERS_MAX + 1u)

struct run {
    const struct plan *plan;
    uint64_t seed;
    char path[FILES_PATH_MAX];
    struct workload workload;
    struct tables tables;
    struct recorder recorders[THREADS_MAX];
    size_t threads;
    struct serial serial;
    struct state state; /**< at the beginning of the round */
    struct findings sum;
    uint64_t operations; /**< of all rounds */
    struct reshaping reshaping;
    uint64_t rounds;
};

#ifdef BASE_INTERRUPTS
/** Where another thread may come between: sleeps at every other of some places in a row, once in a while, as some
 *  mistakes need several to be passed slowly; else gives the processor away now and then. */
static void interrupt(void)
{
    static _Thread_local struct helper_random random;
    static _Thread_local uint32_t slow;
    if (random.state == 0) {
        random.state = (uint64_t)(uintptr_t)&random | 1;
    }
    uint64_t way = helper_random_below(&random, 2048);
    if (way == 0) {
        slow = 8;
    }
    if (slow > 0) {
        slow--;
        if (way % 2 == 0) {
            struct timespec time = {0, 20000};
            (void)nanosleep(&time, NULL);
        }
    } else if (way < 6) {
        (void)sched_yield();
    }
}
#endif

static void set_interrupts(bool on)
{
#ifdef BASE_INTERRUPTS
    base_interrupt = on ? interrupt : NULL;
#else
    (void)on;
#endif
}

/** Opens the store, and gives the tables their handles. */
static void open_store(struct run *run)
{
    const struct alex_options options = {
        .durability = run->plan->durability,
        .sync_interval_ms = run->plan->durability == ALEX_DURABLE_WITHIN_INTERVAL ? 1 : 0,
    };
    ASSERT_OK(alex_open(run->path, &options, &run->workload.store));
    for (uint32_t i = 0; i < atomic_load(&run->tables.count); i++) {
        struct table *table = &run->tables.items[i];
        if (i < run->plan->staying || table == atomic_load(&run->workload.passing)) {
            const struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
            ASSERT_OK(alex_table_open(run->workload.store, table->name, &existing, &table->handle));
        }
    }
}

/** Makes a new store with its tables, which is part of the first round. */
static void make_store(struct run *run)
{
    files_remove(run->path);
    ASSERT_OK(alex_open(run->path, NULL, &run->workload.store));
    ASSERT_OK(alex_close(run->workload.store));
    state_release(&run->state);
    run->serial.number = 0;
    run->tables.items[0] = (struct table){.id = 1, .name = "main"};
    atomic_store(&run->tables.count, 1);
    atomic_store(&run->workload.passing, NULL);
}

static uint64_t sizes_below(const struct index_node *node)
{
    if (node->level == 0) {
        return UINT64_C(1) << (31 - __builtin_clz(index_node_blocks(node)));
    }
    uint64_t sizes = 0;
    uint32_t block = 0;
    for (uint32_t slot = 0; index_node_next_entry(node, &block, &slot); slot++) {
        sizes |= sizes_below(index_payload_child(index_block_payload(&node->blocks[block], slot)));
    }
    return sizes;
}

/** Looks at a table's index before the threads work on it, or after. */
static void look_at_index(const struct index *index, struct reshaping *reshaping, bool after)
{
    struct index_stats stats;
    index_stats(index, &stats);
    uint64_t sign = after ? 1 : UINT64_MAX; /* what replay did counts for nothing */
    reshaping->changes += sign * stats.structure_changes;
    reshaping->splits += sign * stats.splits;
    reshaping->taken_out += sign * stats.taken_out;
    reshaping->sizes |= index_root(index) != NULL ? sizes_below(index_root(index)) : 0;
}

/** Reads all tables as a whole, before the threads work or after. */
static void read_tables(struct run *run, bool after)
{
    for (uint32_t i = 0; i < run->plan->staying; i++) {
        look_at_index(run->tables.items[i].handle->index, &run->reshaping, after);
        workload_read_all(&run->workload, &run->recorders[0], &run->tables.items[i]);
    }
    struct table *passing = atomic_load(&run->workload.passing);
    if (passing != NULL) {
        workload_read_all(&run->workload, &run->recorders[0], passing);
    }
}

/** Lets the threads work for a round. */
static void work(struct run *run, uint64_t operations)
{
    struct worker workers[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    const struct plan *plan = run->plan;
    struct helper_random seeds = {run->seed << 20 | run->rounds};
    run->workload.operations = operations;
    atomic_store(&run->workload.done, 0);
    set_interrupts(true);
    for (uint32_t i = 0; i < plan->writers + plan->readers; i++) {
        workers[i] = (struct worker){
            .workload = &run->workload,
            .recorder = &run->recorders[i + 1],
            .random = {helper_random_next(&seeds)},
            .writes = i < plan->writers,
            .writer = i,
            .tides = (uint32_t)run->rounds % 2,
        };
        assert_int_equal(pthread_create(&threads[i], NULL, workload_run, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < plan->writers + plan->readers; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    set_interrupts(false);
    workload_end(&run->workload);
}

/** Adds what a round's check has looked at. */
static void add_up(struct run *run, const struct findings *findings)
{
    run->sum.commits += findings->commits;
    run->sum.changes += findings->changes;
    run->sum.snapshots += findings->snapshots;
    run->sum.snapshot_reads += findings->snapshot_reads;
    run->sum.lone_reads += findings->lone_reads;
    for (size_t i = 0; i < run->threads; i++) {
        run->operations += run->recorders[i].event_count;
    }
    run->rounds++;
}

/** Checks the history of a round. */
static void check(struct run *run, bool failed)
{
    bool durable = run->plan->durability == ALEX_DURABLE_ON_COMMIT;
    syncs_collect();
    serial_read(&run->serial, run->workload.store, &run->tables, durable);
    const struct history history = {run->recorders, run->threads, &run->serial, &run->tables, &run->state, failed};
    struct findings findings;
    struct state after;
    if (!checker_run(&history, &findings, &after)) {
        print_error("history \"%s\", ALEX_HISTORY_SEED=%" PRIu64 ", round %" PRIu64 ": %s", run->plan->name, run->seed,
                    run->rounds, findings.wrong);
        syncs_remove(); /* for the tests that follow */
        fail();
    }
    state_release(&run->state);
    run->state = after;
    add_up(run, &findings);
}

/** One round, with the store opened before and closed after it. */
static void run_round(struct run *run, uint64_t operations, bool first, bool last)
{
    bool fails = last && run->plan->failing;
    for (size_t i = 0; i < run->threads; i++) {
        recorder_reset(&run->recorders[i]);
    }
    open_store(run);
    for (uint32_t i = 1; first && i < run->plan->staying; i++) {
        assert_non_null(workload_make_table(&run->workload, &run->recorders[0], true));
    }
    read_tables(run, false);
    if (fails) {
        syncs_fail_after(operations / 400);
    }
    work(run, operations);
    read_tables(run, true);
    check(run, fails);
    if (last) {
        helper_check(run->workload.store);
    }
    int code = alex_close(run->workload.store);
    ASSERT_OK(fails && code == ALEX_IO ? ALEX_OK : code);
}

struct reshaping run_plan(const struct plan *plan, const char *directory, uint64_t operations, uint64_t seed)
{
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->plan = plan;
    run->seed = seed;
    run->workload = (struct workload){.plan = plan, .tables = &run->tables};
    run->threads = plan->writers + plan->readers + 1;
    assert_true(run->threads <= THREADS_MAX);
    files_join(run->path, directory, "store");
    uint64_t round = operations / plan->rounds;
    round = round < ROUND_OPERATIONS_MAX ? round : ROUND_OPERATIONS_MAX;
    for (uint32_t i = 0; i < run->threads; i++) {
        recorder_init(&run->recorders[i], i, round + 4096, 16 * round + 16 * (size_t)plan->keys + 65536);
    }
    while (run->operations < operations) {
        syncs_install(plan->pause_us);
        make_store(run);
        for (uint32_t i = 0; i < plan->rounds; i++) {
            run_round(run, round, i == 0, i + 1 == plan->rounds);
        }
        syncs_remove();
    }
    (void)printf("history \"%s\": %" PRIu64 " operations, %" PRIu64 " commits of %" PRIu64 " changes, %" PRIu64
                 " snapshots with %" PRIu64 " reads, %" PRIu64 " lone reads, %" PRIu64 " changes of structure, %" PRIu64
                 " of them splits, %" PRIu64 " nodes taken out, %d sizes of nodes, %" PRIu64 " rounds; wrong: 0\n",
                 plan->name, run->operations, run->sum.commits, run->sum.changes, run->sum.snapshots,
                 run->sum.snapshot_reads, run->sum.lone_reads, run->reshaping.changes, run->reshaping.splits,
                 run->reshaping.taken_out, __builtin_popcountll(run->reshaping.sizes), run->rounds);
    struct reshaping reshaping = run->reshaping;
    for (uint32_t i = 0; i < run->threads; i++) {
        recorder_release(&run->recorders[i]);
    }
    serial_release(&run->serial);
    state_release(&run->state);
    free(run);
    return reshaping;
}
