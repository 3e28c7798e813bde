/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file power.c
 * Power cuts on the simulated disk; see power.h.
 *
 * A cut may hold any state from the last one acknowledged as durable up to that of the operation at work. Moments are
 * noted within the calls of the store at work, and cuts of them made and looked at between them.
 */
#include "crash/power.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "crash/history.h"
#include "store/store.h"

#define SEGMENT_SHIFT 16
#define FINDING_BYTES 512

/** Where every cut is tried: files grow in small steps, values are small, and syncs come often. */
#define EVERY_GROWTH_BYTES 4096
#define EVERY_VALUE_BYTES 120
#define EVERY_SYNC_SHARE 3

/** Else a sync comes after one in so many operations, where they are not durable by themselves. */
#define SYNC_SHARE 12

/** Cuts of a recovery are themselves recovered under further cuts so many times as often as those of a run. */
#define DEEPER_OFTEN 5

enum { DEPTH_MAX = 4 };

/** In a store that is made full, so many bytes of its first segment are left. */
#define LEFT_BYTES 3000

/** A moment of a run, and the states of the run's history that a cut at it may hold. */
struct moment {
    struct disk_moment *disk;
    uint32_t done; /**< the last state whose operation had returned, which is there if no power was cut */
    uint32_t least;
    uint32_t greatest;
    struct moment *next;
};

/** A cut, and the states that it may hold. */
struct cut {
    char path[FILES_PATH_MAX];
    uint32_t least;
    uint32_t greatest;
};

/** A cut whose recovery is to be cut, or a moment at which the process is killed, with a history of what the store may
 *  hold then. */
struct deeper {
    char path[FILES_PATH_MAX];
    struct disk_moment *killed; /**< NULL: a cut, made at `path` */
    uint32_t done;              /**< the first state that an opening may find */
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
    uint64_t name;                    /**< of the last cut */
    struct deeper *deeper;            /**< to be done */
    uint32_t deeper_cuts[DEPTH_MAX];  /**< done, or to be done, by the depth of what was cut */
    uint32_t deeper_kills[DEPTH_MAX]; /**< the same, of processes killed */
};

static void name_cut(struct shared *shared, char *out_path)
{
    (void)snprintf(out_path, FILES_PATH_MAX, "%s/cut%" PRIu64, shared->directory, ++shared->name);
}

/** A store at work on the simulated disk. Its thread has boundaries too. */
struct run {
    struct shared *shared;
    struct history *history;
    _Atomic uint32_t durable; /**< the last state acknowledged as durable */
    _Atomic uint32_t done;    /**< the state of the last operation that has returned */
    _Atomic uint32_t issued;  /**< the state that the operation at work makes */
    uint32_t depth;
    pthread_mutex_t lock;   /**< of what follows, and of what boundaries count */
    struct moment *moments; /**< to be looked at, the last first */
};

static void take_moment(struct run *run)
{
    struct moment *moment = malloc(sizeof *moment);
    if (moment == NULL) {
        abort(); /* in a thread of the library's, perhaps */
    }
    moment->least = atomic_load(&run->durable);
    moment->done = atomic_load(&run->done);
    moment->disk = disk_moment_take();
    moment->greatest = atomic_load(&run->issued);
    (void)pthread_mutex_lock(&run->lock);
    moment->next = run->moments;
    run->moments = moment;
    run->shared->result->boundaries++;
    (void)pthread_mutex_unlock(&run->lock);
}

static bool is_segment(const char *file)
{
    size_t length = strlen(file);
    return length > 4 && strcmp(file + length - 4, ".log") == 0;
}

static void boundary(void *context, const char *call, const char *file, bool done)
{
    struct run *run = context;
    struct power_result *result = run->shared->result;
    if (run->shared->plan->every > 0 && done) {
        return; /* what is undecided now, is so before the next call, or between operations, too */
    }
    (void)pthread_mutex_lock(&run->lock);
    result->manifest_boundaries += strncmp(file, "MANIFEST", 8) == 0;
    result->segment_boundaries += is_segment(file) && (strcmp(call, "open") == 0 || strcmp(call, "fallocate") == 0);
    (void)pthread_mutex_unlock(&run->lock);
    take_moment(run);
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
    run->shared->result->deepest_cuts += run->depth > 2;
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

/** Notes that what is left by a cut or a killed process, with a state from `least` to `greatest`, is to be recovered
 *  under cuts later. */
static struct deeper *add_deeper(const struct run *run, uint32_t least, uint32_t greatest)
{
    struct deeper *deeper = calloc(1, sizeof *deeper);
    assert_non_null(deeper);
    name_cut(run->shared, deeper->path);
    uint32_t states = greatest - least + 1;
    history_begin(&deeper->history, helper_random_next(&run->shared->random), states);
    deeper->history.value_bytes = run->history->value_bytes;
    memcpy(deeper->history.states, run->history->states + least, states * sizeof *deeper->history.states);
    deeper->history.issued = states - 1;
    deeper->history.version = run->history->version;
    deeper->depth = run->depth + 1;
    deeper->next = run->shared->deeper;
    run->shared->deeper = deeper;
    return deeper;
}

/** Whether a recovery is to be cut, of which there are `count` already. */
static bool goes_deeper(const struct run *run, uint32_t share, uint32_t *count)
{
    const struct power_plan *plan = run->shared->plan;
    bool deeper =
        run->depth < plan->depth && *count < plan->deeper_max && helper_random_below(&run->shared->random, share) == 0;
    *count += deeper;
    return deeper;
}

/** Keeps one in so many cuts for later. */
static void keep_cut(const struct run *run, const struct cut *cut)
{
    uint32_t share = run->depth == 1 ? run->shared->plan->deeper_share : run->shared->plan->deeper_share / DEEPER_OFTEN;
    if (goes_deeper(run, share, &run->shared->deeper_cuts[run->depth])) {
        files_copy_directory(cut->path, add_deeper(run, cut->least, cut->greatest)->path);
    }
}

/** Keeps one in so many moments for later, as one where the process is killed and another follows. */
static void keep_killed(const struct run *run, const struct moment *moment)
{
    if (goes_deeper(run, run->shared->plan->killed_share, &run->shared->deeper_kills[run->depth])) {
        struct deeper *deeper = add_deeper(run, moment->least, moment->greatest);
        deeper->killed = disk_moment_share(moment->disk);
        deeper->done = moment->done - moment->least;
        run->shared->result->killed++;
    }
}

/** Looks at a cut, which was made at `cut->path`, and removes it; the next gets a new name. */
static void look_at_cut(const struct run *run, struct cut *cut)
{
    keep_cut(run, cut);
    compare(run, cut);
    files_remove(cut->path);
    name_cut(run->shared, cut->path);
}

/** Tries every cut of a moment; if there are too many, those that keep one thing alone, those that lose one thing
 *  alone, none and all, and some at random. */
static void try_every_cut(const struct run *run, const struct moment *moment, struct cut *cut)
{
    const struct power_plan *plan = run->shared->plan;
    if (disk_cut_count(moment->disk) <= plan->every) {
        run->shared->result->exhausted++;
        struct disk_choices choices = {0};
        while (run->shared->result->lost < POWER_LOST_MAX && disk_cut_next(moment->disk, cut->path, &choices)) {
            look_at_cut(run, cut);
        }
        return;
    }
    for (int lost = 0; lost < 2; lost++) {
        bool there_is_more = true;
        for (size_t one = 0; there_is_more; one++) {
            there_is_more = disk_cut_one(moment->disk, cut->path, one, lost == 1);
            look_at_cut(run, cut);
        }
    }
    for (uint32_t i = 0; i < plan->cuts; i++) {
        disk_cut(moment->disk, cut->path, DISK_KEEP_RANDOM, &run->shared->random);
        look_at_cut(run, cut);
    }
}

/** Tries cuts of a moment, as the plan says. */
static void try_cuts(const struct run *run, const struct moment *moment, struct cut *cut)
{
    const struct power_plan *plan = run->shared->plan;
    struct helper_random *random = &run->shared->random;
    if (plan->every > 0) {
        try_every_cut(run, moment, cut);
        return;
    }
    for (uint32_t i = 0; i < plan->cuts; i++) {
        disk_cut(moment->disk, cut->path, (enum disk_keep)helper_random_below(random, DISK_KEEPS), random);
        look_at_cut(run, cut);
    }
}

/** Looks at cuts of all moments since. Not within a call of the store at work. */
static void look_at_moments(struct run *run)
{
    (void)pthread_mutex_lock(&run->lock);
    struct moment *moment = run->moments;
    run->moments = NULL;
    (void)pthread_mutex_unlock(&run->lock);
    while (moment != NULL) {
        struct cut cut = {.least = moment->least, .greatest = moment->greatest};
        keep_killed(run, moment);
        name_cut(run->shared, cut.path);
        if (run->shared->result->lost < POWER_LOST_MAX) {
            try_cuts(run, moment, &cut);
        }
        struct moment *next = moment->next;
        disk_moment_release(moment->disk);
        free(moment);
        moment = next;
    }
}

/* ---- running */

/** How a store is opened, as the plan says. */
static struct alex_options options_of(const struct power_plan *plan, enum alex_durability durability)
{
    struct alex_options options = {.durability = durability};
    options.no_background = durability != ALEX_DURABLE_WITHIN_INTERVAL;
    options.sync_interval_ms = options.no_background ? 0 : 1;
    options.growth_bytes = plan->every > 0 ? EVERY_GROWTH_BYTES : 0;
    return options;
}

/** A store to be cut at work. */
static struct run run_of(struct shared *shared, struct history *history, uint32_t depth)
{
    struct run run = {.shared = shared, .history = history, .depth = depth, .lock = PTHREAD_MUTEX_INITIALIZER};
    atomic_init(&run.issued, history->issued);
    return run;
}

/** Closes the store, with cuts meanwhile, and looks at them. */
static void end(struct run *run, alex_store *store)
{
    (void)alex_close(store);
    take_moment(run);
    look_at_moments(run);
    disk_remove();
}

/** Recovers from a cut, or after a kill, on the simulated disk, with cuts meanwhile, and puts one thing more. */
static void recover_under_cuts(struct shared *shared, struct deeper *deeper)
{
    struct history *history = &deeper->history;
    struct run run = run_of(shared, history, deeper->depth);
    struct alex_options options = options_of(shared->plan, ALEX_DURABLE_ON_COMMIT);
    alex_store *store = NULL;
    atomic_store(&run.done, deeper->done);
    if (deeper->killed != NULL) {
        disk_install_killed(deeper->path, deeper->killed, boundary, &run);
    } else {
        disk_install(deeper->path, boundary, &run);
    }
    disk_set_lie(shared->plan->lie);
    bool opened = alex_open(deeper->path, &options, &store) == ALEX_OK;
    look_at_moments(&run);
    uint32_t held = opened ? history_held(history, store, deeper->done, history->issued) : HISTORY_NONE;
    if (held == HISTORY_NONE) {
        struct cut here = {.least = deeper->done, .greatest = history->issued};
        (void)snprintf(here.path, sizeof here.path, "%s", deeper->path);
        report_lost(&run, &here, "recovered, it holds no state that it may");
    } else {
        /* What an opening has found stays. */
        history_go_back(history, held);
        atomic_store(&run.durable, held);
        atomic_store(&run.done, held);
        atomic_store(&run.issued, held + 1);
        if (history_put(history, store) == ALEX_OK) {
            atomic_store(&run.durable, history->issued);
            atomic_store(&run.done, history->issued);
        }
    }
    end(&run, store);
}

/** Makes a store whose first segment is nearly full, and closes it. */
static void make_full(const char *path, const struct power_plan *plan)
{
    static const unsigned char value[((size_t)1 << SEGMENT_SHIFT) - LEFT_BYTES];
    struct alex_options options = options_of(plan, ALEX_DURABLE_ON_SYNC);
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    alex_store *store;
    ASSERT_OK(store_open_tuned(path, &options, &tuning, &store));
    ASSERT_OK(alex_put(alex_main_table(store), HISTORY_OTHER_KEY, value, sizeof value, NULL));
    ASSERT_OK(alex_close(store));
}

/** Makes what was done durable, if it isn't so already: always or, where that is another call, at times. */
static void make_durable(struct run *run, alex_store *store)
{
    const struct power_plan *plan = run->shared->plan;
    uint32_t share = plan->every > 0 ? EVERY_SYNC_SHARE : SYNC_SHARE;
    if (plan->durability != ALEX_DURABLE_ON_COMMIT && helper_random_below(&run->shared->random, share) != 0) {
        return;
    }
    ASSERT_OK(history_make_durable(store, plan->durability));
    atomic_store(&run->durable, run->history->issued);
}

static void operate(struct run *run, const char *path)
{
    const struct power_plan *plan = run->shared->plan;
    struct alex_options options = options_of(plan, plan->durability);
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    alex_store *store;
    ASSERT_OK(store_open_tuned(path, &options, &tuning, &store));
    look_at_moments(run);
    for (uint32_t i = 0; i < plan->operations; i++) {
        atomic_store(&run->issued, run->history->issued + 1);
        ASSERT_OK(history_operate(run->history, store));
        atomic_store(&run->done, run->history->issued);
        take_moment(run); /* stores through the mapping make no call */
        make_durable(run, store);
        look_at_moments(run);
    }
    end(run, store);
}

void power_run(const char *directory, const struct power_plan *plan, struct power_result *result)
{
    struct history history;
    char path[FILES_PATH_MAX];
    struct shared shared = {.directory = directory, .plan = plan, .result = result, .random = {plan->seed}};
    assert_true(plan->depth <= DEPTH_MAX);
    files_join(path, directory, "store");
    if (plan->full) {
        make_full(path, plan);
    }
    history_begin(&history, plan->seed, plan->operations);
    history.transacts = plan->transacts;
    history.value_bytes = plan->every > 0 ? EVERY_VALUE_BYTES : HISTORY_VALUE_BYTES;
    struct run run = run_of(&shared, &history, 1);
    disk_install(path, boundary, &run);
    disk_set_lie(plan->lie);
    operate(&run, path);
    while (shared.deeper != NULL) {
        struct deeper *deeper = shared.deeper;
        shared.deeper = deeper->next;
        if (result->lost < POWER_LOST_MAX) {
            recover_under_cuts(&shared, deeper);
        }
        files_remove(deeper->path);
        if (deeper->killed != NULL) {
            disk_moment_release(deeper->killed);
        }
        history_release(&deeper->history);
        free(deeper);
    }
    history_release(&history);
    files_remove(path);
}
