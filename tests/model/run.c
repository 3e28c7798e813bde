/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.c
 * The course of a run: choices, opening and closing, killed children, and failure; see run.h.
 */
#include "model/run.h"

#include <stdio.h>
#include <unistd.h>

#include "store/store.h"
#include "support/keysets.h"

_Noreturn void run_fail(const struct run *run, const char *what, const char *file, int line)
{
    const struct run_options *options = run->options;
    struct alex_error error = {0};
    if (run->store != NULL) {
        alex_store_error(run->store, &error);
    }
    print_error("%s: keys %s, ALEX_TEST_SEED=%llu, operation %llu of %llu, segments of 2^%u%s (store: %s %s %s)\n",
                what, options->name, (unsigned long long)options->seed, (unsigned long long)run->operation,
                (unsigned long long)options->operations, options->segment_shift, run->in_child ? ", in a child" : "",
                alex_code_name(error.code), error.path, error.message);
    if (run->in_child) {
        helper_child_failed(what, file, line);
    }
    _fail(file, line);
    abort(); /* _fail() does not return, but isn't declared so */
}

void run_expect(const struct run *run, int expected, int actual, const char *call, const char *file, int line)
{
    if (expected != actual) {
        print_error("%s, not %s\n", alex_code_name(actual), alex_code_name(expected));
        run_fail(run, call, file, line);
    }
}

struct run_table *run_choose_table(struct run *run)
{
    struct run_table *table = &run->tables[helper_random_below(&run->random, RUN_TABLES)];
    return table->exists ? table : &run->tables[0];
}

int64_t run_choose_key(struct run *run)
{
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    const struct run_options *options = run->options;
    struct helper_random *random = &run->random;
    uint64_t way = helper_random_below(random, 100);
    uint64_t key;
    if (options->with_hot_keys && way < 80) {
        key = (uint64_t)options->keys[keyset_zipf(&random->state, options->key_count)];
    } else if (way < 45) { /* one that is likely there */
        key = (uint64_t)options->keys[helper_random_below(random, run->progress + 1)];
    } else if (way < 80) { /* the next in the set's own order */
        key = (uint64_t)options->keys[run->progress];
        run->progress += run->progress + 1 < options->key_count;
    } else if (way < 88) {
        key = (uint64_t)options->keys[helper_random_below(random, options->key_count)];
        key += helper_random_below(random, 7) - 3;
    } else if (way < 97) { /* dense runs */
        key = (uint64_t)run->last_key + 1;
    } else {
        key = (uint64_t)extremes[helper_random_below(random, sizeof extremes / sizeof extremes[0])];
    }
    run->last_key = (int64_t)key;
    return run->last_key;
}

size_t run_choose_size(struct run *run)
{
    static const size_t bounds[] = {1, 16, 64, 64, 64, 64, 300, 300};
    uint64_t way = helper_random_below(&run->random, 1000);
    size_t bound = way < 990 ? bounds[way % 8] : way < 999 ? 5000 : RUN_VALUE_MAX;
    return helper_random_below(&run->random, bound);
}

static void open_store(struct run *run)
{
    struct alex_options options = {.no_background = helper_random_below(&run->random, 2) == 0,
                                   .no_checksums = helper_random_below(&run->random, 4) == 0};
    struct store_tuning tuning = {.segment_shift = run->options->segment_shift};
    RUN_OK(run, store_open_tuned(run->options->path, &options, &tuning, &run->store));
    run->tables[0].table = alex_main_table(run->store);
    for (int i = 1; i < RUN_TABLES; i++) {
        if (run->tables[i].exists) {
            struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
            RUN_OK(run, alex_table_open(run->store, run->tables[i].name, &existing, &run->tables[i].table));
        }
    }
}

static void close_store(struct run *run)
{
    for (int i = 0; i < RUN_SNAPSHOTS; i++) {
        if (run->snapshots[i].txn != NULL) {
            RUN_CODE(run, ALEX_BUSY, alex_close(run->store));
            run_end_snapshot(run, &run->snapshots[i]);
        }
    }
    alex_store *store = run->store;
    run->store = NULL;
    RUN_OK(run, alex_close(store));
}

/** Finds a name that no table has. */
static void choose_name(struct run *run, char *out_name, size_t size)
{
    alex_table *taken;
    do {
        snprintf(out_name, size, "table %llu", (unsigned long long)(run->names++ % 5));
    } while (alex_table_open(run->store, out_name, &(struct alex_table_options){.mode = ALEX_MUST_EXIST}, &taken) ==
             ALEX_OK);
}

static void rename_table(struct run *run, struct run_table *table)
{
    char name[sizeof table->name];
    choose_name(run, name, sizeof name);
    RUN_OK(run, alex_table_rename(run->store, table->name, name));
    memcpy(table->name, name, sizeof name);
}

static void change_table(struct run *run)
{
    struct run_table *table = &run->tables[1 + helper_random_below(&run->random, RUN_TABLES - 1)];
    struct alex_table_options options = {.mode = ALEX_MUST_BE_NEW};
    if (table->exists && helper_random_below(&run->random, 3) == 0) {
        rename_table(run, table);
        return;
    }
    if (table->exists) {
        RUN_OK(run, alex_table_drop(run->store, table->name));
        model_release(&table->model);
        table->exists = false;
        return;
    }
    choose_name(run, table->name, sizeof table->name);
    table->model.is_unsigned = helper_random_below(&run->random, 2) == 0;
    options.key_order = table->model.is_unsigned ? ALEX_KEYS_UNSIGNED : ALEX_KEYS_SIGNED;
    RUN_OK(run, alex_table_open(run->store, table->name, &options, &table->table));
    table->exists = true;
}

static void check_store(struct run *run)
{
    struct alex_check_report report;
    struct alex_store_stats stats;
    uint64_t keys = 0;
    for (int i = 0; i < RUN_TABLES; i++) {
        keys += run->tables[i].exists ? run->tables[i].model.count : 0;
    }
    RUN_OK(run, alex_check(run->store, NULL, NULL, &report));
    RUN_CHECK(run, report.findings == 0);
    RUN_OK(run, alex_store_stat(run->store, &stats));
    RUN_CHECK(run, stats.keys == keys);
    RUN_CHECK(run, stats.log_bytes == stats.live_bytes + stats.dead_bytes);
}

static void do_something(struct run *run)
{
    uint64_t way = helper_random_below(&run->random, 10000);
    run->operation++;
    if (way < 5600) {
        run_write_something(run);
    } else if (way < 9700) {
        run_read_something(run);
    } else if (way < 9850) {
        run_begin_snapshot(run);
    } else if (way < 9960) {
        struct run_snapshot *snapshot = &run->snapshots[helper_random_below(&run->random, RUN_SNAPSHOTS)];
        if (snapshot->txn != NULL) {
            run_end_snapshot(run, snapshot);
        }
    } else if (way < 9975) {
        change_table(run);
    } else if (way < 9990) {
        RUN_OK(run, alex_sync(run->store));
    } else if (way < 9997) {
        close_store(run);
        open_store(run);
    } else {
        check_store(run);
        run_verify_all(run);
    }
}

/** What a killed writer may leave behind without effect. */
static void leave_something_open(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    uint64_t way = helper_random_below(&run->random, 3);
    if (way == 0) {
        alex_loader *loader = NULL;
        RUN_OK(run, alex_loader_open(table->table, &loader));
        for (int i = 0; i < 50; i++) {
            RUN_OK(run, alex_loader_add(loader, run_choose_key(run), "lost", 4));
        }
    } else if (way == 1) {
        void *buffer = NULL;
        RUN_OK(run, alex_put_reserve(table->table, run_choose_key(run), 100, &buffer));
        memset(buffer, 'x', 100);
    }
}

static void save_models(struct run *run, const char *path)
{
    FILE *file = fopen(path, "wb");
    RUN_CHECK(run, file != NULL);
    RUN_CHECK(run, fwrite(run, sizeof *run, 1, file) == 1);
    for (int i = 0; i < RUN_TABLES; i++) {
        model_save(&run->tables[i].model, file);
    }
    RUN_CHECK(run, fclose(file) == 0);
}

static void load_models(struct run *run, const char *path)
{
    struct run saved;
    FILE *file = fopen(path, "rb");
    RUN_CHECK(run, file != NULL);
    RUN_CHECK(run, fread(&saved, sizeof saved, 1, file) == 1);
    for (int i = 0; i < RUN_TABLES; i++) {
        model_release(&run->tables[i].model);
        run->tables[i] = saved.tables[i];
        model_load(&run->tables[i].model, file);
    }
    run->random = saved.random;
    run->operation = saved.operation;
    run->names = saved.names;
    run->progress = saved.progress;
    run->last_key = saved.last_key;
    RUN_CHECK(run, fclose(file) == 0);
}

static int run_stretch_and_die(void *context)
{
    struct run *run = context;
    run->in_child = true;
    open_store(run);
    for (uint64_t i = helper_random_below(&run->random, 400); i > 0; i--) {
        do_something(run);
    }
    leave_something_open(run);
    char path[FILES_PATH_MAX];
    files_join(path, run->options->path, "../models");
    save_models(run, path);
    return 0;
}

/** A child goes on with the run and dies; this process takes over from what it left on disk. */
static void kill_a_child(struct run *run)
{
    char path[FILES_PATH_MAX];
    close_store(run);
    RUN_CHECK(run, helper_in_child(run_stretch_and_die, run) == 0);
    files_join(path, run->options->path, "../models");
    load_models(run, path);
    open_store(run);
    struct alex_open_report report;
    alex_store_open_report(run->store, &report);
    RUN_CHECK(run, !report.clean);
    run_verify_all(run);
}

void run_all(const struct run_options *options)
{
    struct run run = {.options = options, .random = {options->seed}};
    run.tables[0].exists = true;
    snprintf(run.tables[0].name, sizeof run.tables[0].name, "main");
    run.buffer = malloc(RUN_VALUE_MAX);
    assert_non_null(run.buffer);
    open_store(&run);
    while (run.operation < options->operations) {
        do_something(&run);
        if (options->with_kills && helper_random_below(&run.random, 5000) == 0) {
            kill_a_child(&run);
        }
    }
    for (int round = 0; round < 2; round++) {
        run_verify_all(&run);
        check_store(&run);
        close_store(&run);
        open_store(&run);
    }
    close_store(&run);
    for (int i = 0; i < RUN_TABLES; i++) {
        model_release(&run.tables[i].model);
    }
    free(run.buffer);
}
