/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file power.c
 * Power cuts on the simulated disk; see power.h.
 *
 * A cut may hold any state from the last one acknowledged as durable up to that of the operation at work.
 */
#include "crash/power.h"

#include <inttypes.h>
#include <stdio.h>

#include "crash/history.h"
#include "store/store.h"

#define SEGMENT_SHIFT 16
#define FINDING_BYTES 512

enum { CUTS_MAX = 4096 };

/** One in so many cuts is recovered under further cuts: of those of a run, and of those of a recovery. */
#define DEEPER_SHARE_FIRST 60
#define DEEPER_SHARE 12
/** Of a run at most. */
#define DEEPER_MAX 16

/** A sync comes before one in so many operations, where they are not durable by themselves. */
#define SYNC_SHARE 12

/** A cut, and the states of the run's history that it may hold. */
struct cut {
    char path[FILES_PATH_MAX];
    uint32_t least;
    uint32_t greatest;
};

/** A cut whose recovery is to be cut, with a history of what it may hold. */
struct deeper {
    char path[FILES_PATH_MAX];
    struct history history;
    uint32_t depth;
    struct deeper *next;
};

/** What the stores of a plan share. */
struct shared {
    const char *directory;
    const struct power_plan *plan;
    struct power_result *result;
    struct helper_random random;
    uint64_t name;         /**< of the last cut */
    struct deeper *deeper; /**< to be done */
    uint32_t deeper_count; /**< done, or to be done */
};

/** A store at work on the simulated disk. */
struct run {
    struct shared *shared;
    struct history *history;
    uint32_t durable; /**< the last state acknowledged as durable */
    uint32_t depth;
    bool quiet; /**< what is called now is not the store at work */
    struct cut cuts[CUTS_MAX];
    size_t cut_count;
};

static void name_cut(struct shared *shared, char *out_path)
{
    (void)snprintf(out_path, FILES_PATH_MAX, "%s/cut%" PRIu64, shared->directory, ++shared->name);
}

static void boundary(void *context, const char *name, bool done)
{
    struct run *run = context;
    (void)name, (void)done;
    if (run->quiet) {
        return;
    }
    run->shared->result->boundaries++;
    assert_true(run->cut_count + run->shared->plan->cuts <= CUTS_MAX);
    for (uint32_t i = 0; i < run->shared->plan->cuts; i++) {
        struct cut *cut = &run->cuts[run->cut_count++];
        name_cut(run->shared, cut->path);
        cut->least = run->durable;
        cut->greatest = run->history->issued;
        struct helper_random *random = &run->shared->random;
        disk_cut(cut->path, (enum disk_keep)helper_random_below(random, DISK_KEEPS), random);
    }
}

/* ---- comparing */

static int note_finding(void *context, const struct alex_finding *finding)
{
    (void)snprintf(context, FINDING_BYTES, "%s at %" PRIu64 ": %s", finding->path, finding->offset, finding->message);
    return 0;
}

static void report_lost(const struct run *run, const struct cut *cut, const char *what)
{
    run->shared->result->lost++;
    if (run->shared->plan->lie == DISK_HONEST) {
        (void)printf("seed %" PRIu64 ", depth %" PRIu32 ", %s, states %" PRIu32 " to %" PRIu32 ": %s\n",
                     run->shared->plan->seed, run->depth, cut->path, cut->least, cut->greatest, what);
    }
}

/** Opens a cut and compares it with what it may hold. */
static void compare(const struct run *run, const struct cut *cut)
{
    struct alex_error error = {0};
    struct alex_options options = {.no_background = true, .error = &error};
    alex_store *store;
    run->shared->result->cuts++;
    run->shared->result->deep_cuts += run->depth > 1;
    if (alex_open(cut->path, &options, &store) != ALEX_OK) {
        report_lost(run, cut, error.message);
        return;
    }
    if (history_held(run->history, store, cut->least, cut->greatest) == HISTORY_NONE) {
        report_lost(run, cut, "it holds no state that it may");
    }
    char finding[FINDING_BYTES] = "";
    struct alex_check_report report;
    if (alex_check(store, note_finding, finding, &report) != ALEX_OK || report.findings > 0) {
        report_lost(run, cut, finding);
    }
    if (alex_close(store) != ALEX_OK) {
        report_lost(run, cut, "it does not close");
    }
}

/** Keeps a copy of a cut, whose recovery is to be cut later. */
static void keep_for_later(const struct run *run, const struct cut *cut)
{
    struct deeper *deeper = calloc(1, sizeof *deeper);
    assert_non_null(deeper);
    name_cut(run->shared, deeper->path);
    files_copy_directory(cut->path, deeper->path);
    uint32_t states = cut->greatest - cut->least + 1;
    history_begin(&deeper->history, helper_random_next(&run->shared->random), states);
    memcpy(deeper->history.states, run->history->states + cut->least, states * sizeof *deeper->history.states);
    deeper->history.issued = states - 1;
    deeper->history.version = run->history->version;
    deeper->depth = run->depth + 1;
    deeper->next = run->shared->deeper;
    run->shared->deeper = deeper;
    run->shared->deeper_count++;
}

static bool goes_deeper(const struct run *run)
{
    uint64_t share = run->depth == 1 ? DEEPER_SHARE_FIRST : DEEPER_SHARE;
    return run->depth < run->shared->plan->depth && run->shared->deeper_count < DEEPER_MAX &&
           helper_random_below(&run->shared->random, share) == 0;
}

/** Looks at all cuts made since. Not within a call of the store at work. */
static void look_at_cuts(struct run *run)
{
    run->quiet = true;
    for (size_t i = 0; i < run->cut_count; i++) {
        if (goes_deeper(run)) {
            keep_for_later(run, &run->cuts[i]);
        }
        compare(run, &run->cuts[i]);
        files_remove(run->cuts[i].path);
    }
    run->cut_count = 0;
    run->quiet = false;
}

/* ---- running */

/** Begins to cut what is done to the store at `path`. */
static void begin(struct run *run, struct shared *shared, struct history *history, uint32_t depth, const char *path)
{
    memset(run, 0, sizeof *run);
    run->shared = shared;
    run->history = history;
    run->depth = depth;
    disk_install(path, boundary, run);
    disk_set_lie(shared->plan->lie);
}

/** Closes the store, with cuts meanwhile, and looks at them. */
static void end(struct run *run, alex_store *store)
{
    (void)alex_close(store);
    disk_remove();
    look_at_cuts(run);
}

/** Recovers from a cut on the simulated disk, with cuts meanwhile, and puts one thing more. */
static void recover_under_cuts(struct shared *shared, struct deeper *deeper)
{
    static struct run run;
    struct alex_options options = {.no_background = true, .durability = ALEX_DURABLE_ON_COMMIT};
    alex_store *store = NULL;
    begin(&run, shared, &deeper->history, deeper->depth, deeper->path);
    bool opened = alex_open(deeper->path, &options, &store) == ALEX_OK;
    look_at_cuts(&run);
    run.quiet = true;
    uint32_t held = opened ? history_held(&deeper->history, store, 0, deeper->history.issued) : HISTORY_NONE;
    run.quiet = false;
    if (held != HISTORY_NONE) {
        /* What an opening has found stays. */
        history_go_back(&deeper->history, held);
        run.durable = held;
        if (history_put(&deeper->history, store) == ALEX_OK) {
            run.durable = deeper->history.issued;
        }
    }
    end(&run, store);
}

void power_run(const char *directory, const struct power_plan *plan, struct power_result *result)
{
    static struct run run;
    struct history history;
    char path[FILES_PATH_MAX];
    struct shared shared = {.directory = directory, .plan = plan, .result = result, .random = {plan->seed}};
    struct alex_options options = {.durability = plan->durability, .no_background = true};
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    alex_store *store;
    files_join(path, directory, "store");
    history_begin(&history, plan->seed, plan->operations);
    begin(&run, &shared, &history, 1, path);
    ASSERT_OK(store_open_tuned(path, &options, &tuning, &store));
    look_at_cuts(&run);
    for (uint32_t i = 0; i < plan->operations; i++) {
        ASSERT_OK(history_operate(&history, store));
        bool synced = plan->durability == ALEX_DURABLE_ON_COMMIT;
        boundary(&run, "between operations", true); /* stores through the mapping make no call */
        if (!synced && helper_random_below(&shared.random, SYNC_SHARE) == 0) {
            ASSERT_OK(alex_sync(store));
            synced = true;
        }
        run.durable = synced ? history.issued : run.durable;
        look_at_cuts(&run);
    }
    end(&run, store);
    while (shared.deeper != NULL) {
        struct deeper *deeper = shared.deeper;
        shared.deeper = deeper->next;
        recover_under_cuts(&shared, deeper);
        files_remove(deeper->path);
        history_release(&deeper->history);
        free(deeper);
    }
    history_release(&history);
    files_remove(path);
}
