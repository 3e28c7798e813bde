/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.c
 * Carrying out all runs: rounds outermost, then workloads, then engines in an order that rotates, so that whatever else
 * the machine does hits all of them alike.
 *
 * A store that many runs begin with is loaded once an engine, by a process of its own. Runs that only read share it;
 * one that writes gets a copy.
 */
#include "plan.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "measure.h"
#include "progress.h"
#include "results.h"
#include "run.h"
#include "support.h"

/** Operations of a smoke run, at most. */
#define SMOKE_OPS 500

/** The directory that holds all stores of a plan; removed at its end, or when the process exits. NULL: none. */
static char *work_directory;

static volatile sig_atomic_t interrupted;

static void remember_signal(int number)
{
    interrupted = number;
}

static void remove_work_directory(void)
{
    if (work_directory != NULL) {
        remove_tree(work_directory);
        free(work_directory);
        work_directory = NULL;
    }
}

static void make_work_directory(const char *parent)
{
    static bool registered;
    work_directory = make_temporary_directory(parent);
    if (!registered) {
        at_end(remove_work_directory);
        registered = true;
    }
}

/** Number of operations of a workload on `keys` keys. */
static uint64_t ops_of(const struct options *options, const struct workload *workload, uint64_t keys)
{
    uint64_t ops = workload->fixed_ops || options->ops == 0 ? workload_default_ops(workload, keys) : options->ops;
    return options->smoke && ops > SMOKE_OPS && !workload_starts_empty(workload, keys) ? SMOKE_OPS : ops;
}

struct plan_size plan_size(const struct options *options, uint32_t workload)
{
    const struct workload *chosen = &workloads[workload];
    uint64_t keys = chosen->fixed_keys != 0 && !options->smoke ? chosen->fixed_keys : options->keys;
    return (struct plan_size){keys, ops_of(options, chosen, keys)};
}

/* The keys of some distributions depend on how many there are. So as many are made as the most demanding of all
 * workloads with a store of this size would take, whichever of them run: they share their stores, and their figures
 * shall not depend on each other. A file gives the same keys in any case, and need not have more than are used. */
struct dataset plan_dataset(const struct options *options, uint32_t workload)
{
    struct plan_size size = plan_size(options, workload);
    struct dataset dataset = options->dataset;
    bool from_file = distributions[dataset.distribution].from_file;
    uint64_t other_keys = 0;
    for (uint32_t i = 0; i < workload_count; i++) {
        uint64_t own = workload_other_keys(&workloads[i], size.keys, ops_of(options, &workloads[i], size.keys));
        bool shares = workloads[i].fixed_keys == 0 && !from_file;
        if (own > other_keys && (shares || i == workload)) {
            other_keys = own;
        }
    }
    dataset.loaded = size.keys;
    dataset.count = size.keys + other_keys;
    return dataset;
}

/** Whether the workload opens a store that another process has loaded. */
static bool reopens(const struct options *options, uint32_t workload)
{
    const struct workload *chosen = &workloads[workload];
    return chosen->start != START_OWN && !options->loads_each &&
           !workload_starts_empty(chosen, plan_size(options, workload).keys);
}

const char *plan_state(const struct options *options, uint32_t workload)
{
    bool empty = workload_starts_empty(&workloads[workload], plan_size(options, workload).keys);
    return empty ? "empty" : reopens(options, workload) ? "reopened" : "loaded";
}

/** Performs a run or ends the process. What earlier ones have left to be written back is written first. */
static void perform(const struct run_request *request, struct measurement *out_measured)
{
    sync_file_system(work_directory);
    bool ran = run_perform(request, out_measured);
    if (interrupted) {
        fail("interrupted");
    }
    if (!ran) {
        fail("%s failed with %s", request->prepares ? "loading" : workloads[request->workload].name,
             engines[request->engine]->name);
    }
}

static void set_path(struct run_request *request, const char *name)
{
    int length = snprintf(request->path, sizeof request->path, "%s/%s", work_directory, name);
    if (length < 0 || (size_t)length >= sizeof request->path) {
        fail("the path of the working directory is too long: %s", work_directory);
    }
}

/** Loads the store that runs with the request's engine share, unless it is there. Sets the request's path to it. */
static void share_store(struct run_request *request, bool *is_there)
{
    struct measurement measured;
    set_path(request, engines[request->engine]->name);
    if (!*is_there) {
        struct run_request preparation = *request;
        preparation.prepares = true;
        make_directory(preparation.path);
        perform(&preparation, &measured);
        *is_there = true;
    }
}

/** Performs one run, on a store of the kind that it needs. @return the time it took, loading of a shared store aside */
static uint64_t perform_on_store(const struct options *options, struct run_request *request, bool *shared_is_there,
                                 struct measurement *out_measured)
{
    char shared[sizeof request->path];
    request->loaded_already = reopens(options, request->workload);
    if (request->loaded_already) {
        share_store(request, shared_is_there);
        memcpy(shared, request->path, sizeof shared);
    }
    uint64_t begin = now_ns();
    bool own = !request->loaded_already || workloads[request->workload].writes;
    if (own) {
        set_path(request, "run");
        if (request->loaded_already) {
            copy_tree(shared, request->path);
        } else {
            make_directory(request->path);
        }
    }
    perform(request, out_measured);
    if (own) {
        remove_tree(request->path);
    }
    return now_ns() - begin;
}

/** Fails unless two engines' runs of the same round gave the same answers. */
static void compare(uint32_t workload, uint32_t engine, uint32_t other, const struct measurement *measured,
                    const struct measurement *of_other)
{
    bool same_contents =
        workloads[workload].writer_beside || (measured->contents_count == of_other->contents_count &&
                                              measured->contents_checksum == of_other->contents_checksum);
    if (measured->found != of_other->found || measured->checksum != of_other->checksum || !same_contents) {
        fail("%s: the answers differ: %s found %" PRIu64 " (checksum %016" PRIx64 ") and holds %" PRIu64
             "; %s found %" PRIu64 " (checksum %016" PRIx64 ") and holds %" PRIu64,
             workloads[workload].name, engines[engine]->name, measured->found, measured->checksum,
             measured->contents_count, engines[other]->name, of_other->found, of_other->checksum,
             of_other->contents_count);
    }
}

/** The state of a plan while it is carried out. */
struct execution {
    const struct options *options;
    struct progress progress;
    struct measurement *results;
    struct results *file;              /**< of results to go on with; NULL: none */
    bool *taken;                       /**< whether a result came from there, in the order of `results` */
    bool shared_is_there[CHOICES_MAX]; /**< by engine */
};

/** Makes one run; workload and engine are places in the options' choices. */
static void run_one(struct execution *execution, size_t workload, size_t engine, uint32_t round,
                    struct measurement *out_measured)
{
    const struct options *options = execution->options;
    uint32_t workload_index = options->workloads.index[workload];
    uint32_t engine_index = options->engines.index[engine];
    struct plan_size size = plan_size(options, workload_index);
    struct run_request request = {
        .engine = engine_index,
        .workload = workload_index,
        .dataset = plan_dataset(options, workload_index),
        .threads = options->threads,
        .keys = size.keys,
        .ops = size.ops,
        .random_seed = mix(options->dataset.random_seed + ((uint64_t)round << 32)),
    };
    char *what = text("%s: %s, round %u of %u", workloads[workload_index].name, engines[engine_index]->name, round + 1,
                      options->rounds);
    progress_begin(&execution->progress, what);
    free(what);
    uint64_t ns = perform_on_store(options, &request, &execution->shared_is_there[engine], out_measured);
    progress_end(&execution->progress, workload * options->engines.count + engine, ns);
    progress_clear(&execution->progress);
}

/** Whether an engine does a workload; both are places in the options' choices. */
static bool serves(const struct options *options, size_t workload, size_t engine)
{
    return workload_served_by(&workloads[options->workloads.index[workload]], engines[options->engines.index[engine]],
                              options->threads);
}

/** Runs a workload with every engine that serves it; workload is its place in the options' choice. */
static void run_round(struct execution *execution, size_t workload, uint32_t round, plan_visit_fn *visit)
{
    const struct options *options = execution->options;
    size_t count = options->engines.count;
    size_t first = count; /* the engine whose answers the others' are compared with: the first that was run */
    struct run_name name = {.workload = options->workloads.index[workload], .round = round};
    for (size_t i = 0; i < count; i++) {
        size_t engine = (i + round + workload) % count;
        if (!serves(options, workload, engine)) {
            continue;
        }
        size_t place = plan_place(options, workload, engine, round);
        struct measurement *measured = &execution->results[place];
        name.engine = options->engines.index[engine];
        if (!execution->taken[place]) {
            run_one(execution, workload, engine, round, measured);
        }
        if (first == count) {
            first = engine;
        } else {
            compare(name.workload, options->engines.index[first], name.engine,
                    plan_result(options, execution->results, workload, first, round), measured);
        }
        if (execution->file != NULL && !execution->taken[place]) {
            results_append(execution->file, options, name, measured);
        }
        if (visit != NULL) {
            visit(options, name.workload, name.engine, round, measured);
        }
    }
}

/** Takes from the file of results what is there already, and tells the progress what needn't be run. */
static void take_results(struct execution *execution)
{
    const struct options *options = execution->options;
    for (size_t workload = 0; workload < options->workloads.count; workload++) {
        for (size_t engine = 0; engine < options->engines.count; engine++) {
            for (uint32_t round = 0; round < options->rounds; round++) {
                size_t place = plan_place(options, workload, engine, round);
                struct run_name name = {options->workloads.index[workload], options->engines.index[engine], round};
                execution->taken[place] =
                    execution->file != NULL && results_find(execution->file, options, name, &execution->results[place]);
                if (execution->taken[place] || !serves(options, workload, engine)) {
                    progress_skip(&execution->progress, workload * options->engines.count + engine);
                }
            }
        }
    }
}

/** Fails before anything runs if the file of keys isn't fit for one of the workloads. */
static void check_files(const struct options *options)
{
    struct dataset most = {.count = 0};
    for (size_t i = 0; i < options->workloads.count; i++) {
        struct dataset dataset = plan_dataset(options, options->workloads.index[i]);
        if (dataset.count > most.count) {
            most = dataset;
        }
    }
    dataset_check_file(&most);
}

struct measurement *plan_run(const struct options *options, plan_visit_fn *visit)
{
    size_t kinds = options->workloads.count * options->engines.count;
    struct execution execution = {
        .options = options,
        .results = allocate(kinds * options->rounds, sizeof *execution.results),
        .taken = allocate(kinds * options->rounds, sizeof *execution.taken),
    };
    struct sigaction action = {.sa_handler = remember_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    check_files(options);
    progress_init(&execution.progress, kinds, options->rounds);
    if (options->results != NULL) {
        execution.file = results_open(options->results);
    }
    take_results(&execution);
    make_work_directory(options->directory);
    for (uint32_t round = 0; round < options->rounds; round++) {
        for (size_t workload = 0; workload < options->workloads.count; workload++) {
            run_round(&execution, workload, round, visit);
        }
    }
    progress_release(&execution.progress);
    remove_work_directory();
    if (execution.file != NULL) {
        results_close(execution.file);
    }
    free(execution.taken);
    return execution.results;
}
