/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_store_faults.c
 * Every system call and every allocation fails once, at every place, and from every place on; with syncs on demand and
 * with each commit. Whatever fails:
 *
 * - the call answers with a sensible code, and tells why, or does its work all the same;
 * - nothing half done can be seen, and all that was acknowledged before can be read, at once, if the process were
 *   killed then, and after reopening;
 * - either the store goes on working, and what failed works when it is tried again, or it takes no more writes and says
 *   so; it does that only after a failed write or sync, and no sync is made any more;
 * - on a full disk deletes work;
 * - no memory, file or address space is lost.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "recovery/recovery.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/world.h"

/** No scenario makes more calls of one kind. */
#define CALLS_MAX 3000

/** Main and "second", with some keys each, in a log of several segments. */
static void fill(struct world *world)
{
    ASSERT_OK(world_open(world));
    ASSERT_OK(world_make_table(world, 1));
    for (unsigned version = 1; version <= 2; version++) {
        for (int64_t key = 0; key < WORLD_KEYS / 2; key++) {
            ASSERT_OK(world_put(world, 0, key, version));
            ASSERT_OK(world_put(world, 1, key + WORLD_KEYS / 4, version));
        }
    }
    ASSERT_OK(world_delete(world, 0, 3));
    ASSERT_OK(alex_table_rename(world->store, world_names[1], "another"));
    ASSERT_OK(alex_table_rename(world->store, "another", world_names[1]));
}

static void fill_and_close(struct world *world)
{
    fill(world);
    ASSERT_OK(world_close(world));
}

static void fill_and_reopen(struct world *world)
{
    fill_and_close(world);
    ASSERT_OK(world_open(world));
}

/** As fill_and_close(), but as a crash leaves it: not closed, with records of a load that never counted, and a torn one
 *  at the end. */
static void fill_and_crash(struct world *world)
{
    char crashed[FILES_PATH_MAX];
    files_join(crashed, world->fixture->directory, "crashed");
    fill(world);
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(world_table(world, 0), &loader));
    for (int64_t key = 0; key < 4; key++) {
        static const char never_committed[3000]; /* too large to wait in memory */
        ASSERT_OK(alex_loader_add(loader, key, never_committed, sizeof never_committed));
    }
    alex_loader_close(loader);
    files_remove(crashed);
    files_copy_directory(world->path, crashed);
    ASSERT_OK(world_close(world));
    struct files_record last;
    files_last_record(crashed, &last);
    files_flip_bit(last.path, last.offset, 0);
    files_remove(world->path);
    assert_int_equal(rename(crashed, world->path), 0);
}

static void nothing(struct world *world)
{
    (void)world;
}

static int act_open(struct world *world)
{
    return world_open(world);
}

static int act_close(struct world *world)
{
    return world_close(world);
}

static int act_open_read_only(struct world *world)
{
    world->read_only = true;
    return world_open(world);
}

static int act_sync(struct world *world)
{
    int code = alex_sync(world->store);
    return code == ALEX_OK ? world_put(world, 0, 1, 5) : code;
}

/** New keys and old ones, over the end of a segment. */
static int act_put(struct world *world)
{
    int code = ALEX_OK;
    for (int64_t key = 0; key < WORLD_KEYS && code == ALEX_OK; key++) {
        code = world_put(world, 0, key, 3);
    }
    return code;
}

static int act_put_large(struct world *world)
{
    int code = world_put(world, 0, 1, 9);
    return code == ALEX_OK ? world_put(world, 0, 2, 3) : code;
}

static int act_reserve(struct world *world)
{
    alex_table *table = world_table(world, 0);
    int code = ALEX_OK;
    for (int64_t key = 8; key < 20 && code == ALEX_OK; key++) {
        struct world_contents then = world->now;
        void *buffer;
        then.versions[0][key] = 4;
        code = alex_put_reserve(table, key, world_value_size(key, 4), &buffer);
        if (code == ALEX_OK) {
            memcpy(buffer, world_value(0, key, 4), world_value_size(key, 4));
            code = world_wrote(world, alex_put_commit(table, NULL), &then);
        }
    }
    return code;
}

/** Deletes with and without a snapshot that may see behind them. */
static int act_delete(struct world *world)
{
    alex_txn *txn = NULL;
    int code = world_delete(world, 0, 4);
    if (code == ALEX_OK) {
        code = alex_begin(world->store, ALEX_READ, &txn);
    }
    for (int64_t key = 5; key < 10 && code == ALEX_OK; key++) {
        code = world_delete(world, 0, key);
    }
    ASSERT_OK(alex_end(txn));
    return code;
}

/** A batch over two tables and several segments, with deletes under a snapshot. */
static int act_batch(struct world *world)
{
    enum { OPS = 2 * WORLD_KEYS };
    struct alex_op ops[OPS];
    static unsigned char values[OPS][5000];
    struct world_contents then = world->now;
    for (int i = 0; i < OPS; i++) {
        int table = i % 2;
        int64_t key = i / 2;
        bool is_put = key % 5 != 0;
        memcpy(values[i], world_value(table, key, 6), world_value_size(key, 6));
        ops[i] = (struct alex_op){is_put ? ALEX_OP_PUT : ALEX_OP_DELETE,
                                  world_table(world, table),
                                  key,
                                  {values[i], world_value_size(key, 6)}};
        then.versions[table][key] = is_put ? 6 : 0;
    }
    alex_txn *txn = NULL;
    int code = alex_begin(world->store, ALEX_READ, &txn);
    if (code == ALEX_OK) {
        code = world_wrote(world, alex_write(world->store, ops, OPS), &then);
    }
    ASSERT_OK(alex_end(txn));
    return code;
}

/** Writes to two tables in a transaction: every fifth key deleted, the others put. */
static int write_in(alex_txn *txn, struct world *world, unsigned version, struct world_contents *then)
{
    int code = ALEX_OK;
    for (int64_t i = 0; i < 2 * WORLD_KEYS && (code == ALEX_OK || code == ALEX_NOT_FOUND); i++) {
        int table = (int)(i % 2);
        int64_t key = i / 2;
        alex_table *handle = world_table(world, table);
        const void *value = world_value(table, key, version);
        then->versions[table][key] = key % 5 != 0 ? version : 0;
        code = key % 5 != 0 ? alex_txn_put(txn, handle, key, value, world_value_size(key, version), NULL)
                            : alex_txn_delete(txn, handle, key);
    }
    return code == ALEX_NOT_FOUND ? ALEX_OK : code;
}

/** A transaction over two tables and several segments, read by its own cursor, in part rolled back. */
static int act_transaction(struct world *world)
{
    struct world_contents then = world->now;
    alex_txn *txn = NULL;
    uint64_t savepoint = 0;
    int code = alex_begin(world->store, ALEX_WRITE, &txn);
    code = code == ALEX_OK ? write_in(txn, world, 6, &then) : code;
    code = code == ALEX_OK ? alex_savepoint(txn, &savepoint) : code;
    struct world_contents rolled_back = then;
    code = code == ALEX_OK ? write_in(txn, world, 8, &rolled_back) : code;
    code = code == ALEX_OK ? alex_txn_count(txn, world_table(world, 0), NULL, &(uint64_t){0}) : code;
    code = code == ALEX_OK ? alex_rollback_to(txn, savepoint) : code;
    if (code == ALEX_OK) {
        code = alex_txn_put(txn, world_table(world, 0), 0, world_value(0, 0, 3), world_value_size(0, 3), NULL);
        then.versions[0][0] = 3;
    }
    if (code != ALEX_OK) {
        ASSERT_OK(alex_end(txn));
        return code;
    }
    return world_wrote(world, alex_commit(txn), &then);
}

static int load(struct world *world, int table, int64_t step)
{
    struct world_contents then = world->now;
    alex_loader *loader = NULL;
    int code = alex_loader_open(world_table(world, table), &loader);
    for (int64_t i = 0; i < WORLD_KEYS && code == ALEX_OK; i++) {
        int64_t key = i * step % WORLD_KEYS;
        code = alex_loader_add(loader, key, world_value(table, key, 7), world_value_size(key, 7));
        then.versions[table][key] = 7;
    }
    if (code == ALEX_OK) {
        code = world_wrote(world, alex_loader_commit(loader, NULL, NULL), &then);
    }
    if (loader != NULL) {
        alex_loader_close(loader);
    }
    return code;
}

/** Makes a table, loads it in order; loads one that holds keys, out of order. */
static int act_load(struct world *world)
{
    int code = world_make_table(world, 2);
    if (code == ALEX_OK) {
        code = load(world, 2, 1);
    }
    return code == ALEX_OK ? load(world, 1, 7) : code;
}

static int act_tables(struct world *world)
{
    int code = world_make_table(world, 2);
    if (code == ALEX_OK) {
        code = world_put(world, 2, 1, 1);
    }
    return code == ALEX_OK ? world_drop_table(world, 1) : code;
}

/** Makes a table in a transaction, and fills it; drops another, renames it back and forth. */
static int act_txn_tables(struct world *world)
{
    struct world_contents then = world->now;
    alex_txn *txn = NULL;
    alex_table *table;
    int code = alex_begin(world->store, ALEX_WRITE, &txn);
    if (code != ALEX_OK) {
        return code;
    }
    code = alex_txn_table_open(txn, world_names[2], NULL, &table);
    then.exists[2] = true;
    for (int64_t key = 0; key < 10 && code == ALEX_OK; key++) {
        code = alex_txn_put(txn, table, key, world_value(2, key, 4), world_value_size(key, 4), NULL);
        then.versions[2][key] = 4;
    }
    code = code == ALEX_OK ? alex_txn_table_rename(txn, world_names[1], "another") : code;
    code = code == ALEX_OK ? alex_txn_table_drop(txn, "another") : code;
    then.exists[1] = false;
    memset(then.versions[1], 0, sizeof then.versions[1]);
    code = code == ALEX_OK ? alex_txn_table_rename(txn, world_names[2], "another") : code;
    code = code == ALEX_OK ? alex_txn_table_rename(txn, "another", world_names[2]) : code;
    if (code != ALEX_OK) {
        ASSERT_OK(alex_end(txn));
        return code;
    }
    return world_wrote(world, alex_commit(txn), &then);
}

static int count_table(void *context, const struct alex_table_info *info)
{
    (void)info;
    ++*(int *)context;
    return 0;
}

/** Reads of every kind. */
static int act_read(struct world *world)
{
    alex_table *table = world_table(world, 0);
    alex_txn *txn = NULL;
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    struct alex_check_report report;
    uint64_t count;
    int tables = 0;
    int code = alex_begin(world->store, ALEX_READ, &txn);
    if (code == ALEX_OK) {
        code = world_put(world, 0, 20, 1); /* the count has to look at each key */
    }
    if (code == ALEX_OK) {
        code = alex_cursor_open(txn, table, NULL, &cursor);
    }
    for (int move = ALEX_OK; code == ALEX_OK && move == ALEX_OK;) {
        move = alex_cursor_next(cursor, &entry);
        code = move == ALEX_NOT_FOUND ? ALEX_OK : move;
    }
    if (code == ALEX_OK) {
        code = alex_txn_count(txn, table, NULL, &count);
    }
    if (code == ALEX_OK) {
        code = alex_table_list(world->store, count_table, &tables);
    }
    if (code == ALEX_OK) {
        assert_in_range(tables, 1, WORLD_TABLES);
        code = alex_check(world->store, NULL, NULL, &report);
    }
    if (code == ALEX_OK && faults_struck() == 0) {
        assert_int_equal(report.findings, 0);
    }
    if (cursor != NULL) {
        alex_cursor_close(cursor);
    }
    ASSERT_OK(alex_end(txn));
    return code;
}

static bool is_failure_of_system(int code)
{
    return code == ALEX_NO_MEMORY || code == ALEX_NO_SPACE || code == ALEX_NO_PERMISSION || code == ALEX_IO ||
           code == ALEX_READ_ONLY;
}

/** Asserts that a failure is one of the system's, and that its detail says so. */
static void assert_explained(struct world *world, int code)
{
    assert_true(is_failure_of_system(code));
    struct alex_error error = world->open_error;
    if (world->store != NULL) {
        alex_store_error(world->store, &error);
    }
    assert_int_equal(error.code, code);
    assert_true(error.message[0] != '\0');
}

/** A whole life, which goes on after a failure as well as it can; so it fails at no place. */
static int act_life(struct world *world)
{
    static int (*const acts[])(struct world * world) = {
        act_open,           act_tables, act_put,  act_batch, act_load,        act_delete, act_sync,       act_reserve,
        act_read,           act_close,  act_open, act_put,   act_put_large,   act_tables, act_txn_tables, act_close,
        act_open_read_only, act_close,  act_open, act_batch, act_transaction, act_read,
    };
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        bool is_open = acts[i] == act_open || acts[i] == act_open_read_only;
        if (is_open != (world->store == NULL)) {
            continue; /* what the failure left no place for */
        }
        world->read_only = false;
        int code = is_open || world->now.exists[1] ? ALEX_OK : world_make_table(world, 1);
        code = code == ALEX_OK ? acts[i](world) : code;
        faults_pause();
        if (code == ALEX_NO_STORE && acts[i] == act_open_read_only) {
            assert_memory_equal(&world->now, &world_at_first, sizeof world->now); /* it was never made */
        } else if (code != ALEX_OK && acts[i] != act_close) {
            assert_explained(world, code);
        }
        if (is_open && code == ALEX_OK) {
            world_verify_opened(world);
        } else if (world->store != NULL) {
            world_verify(world);
        }
        faults_resume();
    }
    return ALEX_OK;
}

struct scenario {
    const char *name;
    void (*prepare)(struct world *world);
    int (*act)(struct world *world);
    bool is_long;
};

/** Counts of what has failed, by durability. */
static struct {
    uint64_t failed;
    uint64_t latched;
} totals[ALEX_DURABLE_ON_COMMIT + 1];

/** The durability at intervals fails as that on sync does, but when is not the test's to say. */
enum { DURABILITIES = 2 };
static const enum alex_durability durabilities[DURABILITIES] = {ALEX_DURABLE_ON_SYNC, ALEX_DURABLE_ON_COMMIT};
static const char *const durability_names[DURABILITIES] = {"on sync", "on commit"};

/** Asserts that the store would open with all that it should hold if the process were killed now. */
static void assert_survives_kill(const struct world *world)
{
    struct world killed = *world;
    killed.store = NULL;
    killed.read_only = false;
    files_join(killed.path, world->fixture->directory, "killed");
    files_remove(killed.path);
    files_copy_directory(world->path, killed.path);
    ASSERT_OK(world_open(&killed));
    world_verify_opened(&killed);
    ASSERT_OK(world_put(&killed, 0, WORLD_KEYS - 2, 8));
    world_verify(&killed);
    ASSERT_OK(world_close(&killed));
}

#define SYNCS (FAULTS_SET(FAULTS_FDATASYNC) | FAULTS_SET(FAULTS_FSYNC))

/** Asserts that a store after a failed write or sync takes no write, says why, and syncs nothing. */
static void assert_latched(struct world *world, const struct faults_plan *plan)
{
    struct alex_error error;
    struct alex_op op = {ALEX_OP_PUT, alex_main_table(world->store), 1, {"x", 1}};
    faults_set(&(struct faults_plan){0});
    assert_true((plan->calls & (FAULTS_SET(FAULTS_PWRITE) | SYNCS)) != 0);
    ASSERT_CODE(ALEX_READ_ONLY, world_put(world, 0, 1, 8));
    alex_store_error(world->store, &error);
    assert_non_null(strstr(error.message, "a write or sync failed before"));
    ASSERT_CODE(ALEX_READ_ONLY, alex_write(world->store, &op, 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_delete(op.table, 0));
    ASSERT_CODE(ALEX_READ_ONLY, alex_sync(world->store));
    world_verify(world);
    int code = world_close(world);
    assert_true(is_failure_of_system(code) && code != ALEX_READ_ONLY);
    assert_int_equal(faults_count(FAULTS_FDATASYNC) + faults_count(FAULTS_FSYNC), 0);
    totals[world->durability].latched++;
}

/** On a full disk, from a store that was in use: deletes work. */
static void assert_deletes(struct world *world)
{
    for (int64_t key = 0; key < WORLD_KEYS; key += 5) {
        ASSERT_OK(world_delete(world, 0, key));
    }
    world_verify(world);
}

/** Asserts what is promised of an open store after a call of it has returned `code`, and closes it. */
static void assert_goes_on(struct world *world, const struct scenario *scenario, const struct faults_plan *plan,
                           int code)
{
    world_verify(world);
    assert_survives_kill(world);
    bool sync_failed = code == ALEX_IO && (plan->calls & ~SYNCS) == 0;
    if (!world->read_only && (sync_failed || world_is_latched(world))) {
        assert_latched(world, plan);
        return;
    }
    if (code != ALEX_OK && (scenario->prepare == fill || scenario->prepare == fill_and_reopen)) {
        ASSERT_OK(scenario->act(world));
        world_verify(world);
    }
    ASSERT_OK(world_close(world));
}

/** Asserts that the store opens, with all that it should hold, is written to, and closes for good. */
static void assert_opens(struct world *world)
{
    world->read_only = false;
    ASSERT_OK(world_open(world));
    world_verify_opened(world);
    ASSERT_OK(world_put(world, 0, WORLD_KEYS - 1, 8));
    ASSERT_OK(world_close(world));
    ASSERT_OK(world_open(world));
    struct alex_open_report report;
    alex_store_open_report(world->store, &report);
    assert_true(report.clean);
    assert_int_equal(report.cut_bytes, 0);
    world_verify(world);
    ASSERT_OK(world_close(world));
}

/** Whether what the plan does to calls must not fail anything: they are made again, or the rest of them is, or there is
 *  another way. */
static bool is_harmless(const struct faults_plan *plan)
{
    return plan->partial || plan->os_errno == EINTR || plan->calls == FAULTS_SET(FAULTS_MEMBARRIER);
}

/** Blocks of memory that are not freed. Debug builds keep ended handles, so there nothing is compared. */
static int64_t allocations(void)
{
#ifdef ALEX_DEBUG
    return 0;
#else
    return faults_allocations();
#endif
}

/** Asserts that of the log's files none is there that neither the manifest nor the open store knows. Only an unclean
 *  end may leave one (FORMAT.md, "Reading a store"), and a file that can't be removed. */
static void assert_no_file_is_lost(const struct world *world, const struct faults_plan *plan)
{
    bool is_open = world->store != NULL;
    if (world->unclean || (is_open && world_is_latched(world)) || (plan->calls & FAULTS_SET(FAULTS_UNLINK)) != 0) {
        return;
    }
    struct manifest manifest;
    ASSERT_OK(manifest_read(world->path, &manifest, NULL));
    const struct log_segment *next = is_open ? store_log(world->store)->next : NULL;
    char(*names)[32];
    size_t count = files_list_segments(world->path, &names);
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t file_id = strtoull(names[i], NULL, 16);
        bool is_listed = listed < manifest.segment_count && manifest.segments[listed].file_id == file_id;
        assert_true(is_listed || (next != NULL && next->file_id == file_id));
        listed += is_listed;
    }
    assert_int_equal(listed, manifest.segment_count);
    free(names);
    manifest_release(&manifest);
}

/** Carries a scenario out under a plan. @return whether the plan struck */
static bool run(struct fixture *fixture, enum alex_durability durability, const struct scenario *scenario,
                const struct faults_plan *plan)
{
    struct world world = {.fixture = fixture, .durability = durability, .now = world_at_first};
    uint64_t mapped_bytes = faults_mapped_bytes();
    size_t descriptors = helper_descriptor_count();
    int64_t blocks = allocations();
    files_join(world.path, fixture->directory, "store");
    files_remove(world.path);
    scenario->prepare(&world);

    faults_set(plan);
    bool was_open = world.store != NULL;
    int code = scenario->act(&world);
    uint64_t struck = faults_struck();
    totals[durability].failed += struck;
    if (code != ALEX_OK) {
        assert_true(struck > 0 && !is_harmless(plan));
        faults_pause();
        if (world.store != NULL || !was_open) { /* a failed close takes its detail with it */
            assert_explained(&world, code);
        }
        faults_resume();
        bool disk_full = code == ALEX_NO_SPACE && plan->for_good && plan->calls == FAULTS_SET(FAULTS_FALLOCATE);
        if (disk_full && scenario->prepare == fill) {
            assert_deletes(&world);
        }
    }
    faults_clear();
    assert_no_file_is_lost(&world, plan);
    if (world.store != NULL) {
        assert_goes_on(&world, scenario, plan, code);
        assert_no_file_is_lost(&world, plan);
    }
    assert_opens(&world);
    assert_no_file_is_lost(&world, plan);
    assert_int_equal(helper_descriptor_count(), descriptors);
    assert_int_equal(allocations(), blocks);
    assert_int_equal(faults_mapped_bytes(), mapped_bytes);
    return struck > 0;
}

static const char *running = "";
static char running_text[160];

/** The place after `at` where a call is to fail: every one, or, of scenarios that take long and where programs run
 *  several times slower, fewer and fewer. */
static uint64_t next_place(const struct scenario *scenario, uint64_t at)
{
    if (helper_environment("ALEX_FAULTS_EVERY", 0) != 0) {
        return at + 1;
    }
#ifdef BASE_SANITIZED
    return at + 1 + (scenario->is_long ? at / 2 : at / 3);
#else
    return at + 1 + (scenario->is_long ? at / 8 : 0);
#endif
}

/** Carries out a scenario with a plan that strikes first at the first call, then at the second, and so on, until it
 *  finds no more. */
static void sweep(struct fixture *fixture, enum alex_durability durability, const struct scenario *scenario,
                  const char *what, struct faults_plan plan)
{
    bool struck = true;
    for (uint64_t at = 1; struck; at = next_place(scenario, at)) {
        assert_true(at < CALLS_MAX);
        (void)snprintf(running_text, sizeof running_text, "%s, durability %d: %s %llu%s%s, errno %d", scenario->name,
                       (int)durability, what, (unsigned long long)at, plan.for_good ? " and all after it" : "",
                       plan.torn ? ", torn" : "", plan.os_errno);
        running = running_text;
        plan.first = at;
        struck = run(fixture, durability, scenario, &plan);
    }
    running = "";
}

/** Fails the Nth call of each kind, for every N there is. */
static void sweep_kinds(struct fixture *fixture, enum alex_durability durability, const struct scenario *scenario)
{
    for (enum faults_call call = 0; call < FAULTS_CALL_COUNT; call++) {
        const char *name = faults_call_name(call);
        sweep(fixture, durability, scenario, name, (struct faults_plan){.calls = FAULTS_SET(call)});
#ifndef BASE_SANITIZED
        sweep(fixture, durability, scenario, name, (struct faults_plan){.calls = FAULTS_SET(call), .for_good = true});
#endif
    }
    /* A sync that fails for want of space has failed like any other. */
    static const enum faults_call syncs[] = {FAULTS_FDATASYNC, FAULTS_FSYNC};
    for (size_t i = 0; i < sizeof syncs / sizeof syncs[0]; i++) {
        struct faults_plan plan = {.calls = FAULTS_SET(syncs[i]), .os_errno = ENOSPC};
        sweep(fixture, durability, scenario, faults_call_name(syncs[i]), plan);
    }
    struct faults_plan torn = {.calls = FAULTS_SET(FAULTS_PWRITE), .torn = true};
    sweep(fixture, durability, scenario, "pwrite", torn);
}

static void test_scenario(void **state, const struct scenario *scenario)
{
    for (size_t i = 0; i < DURABILITIES; i++) {
        sweep_kinds(*state, durabilities[i], scenario);
    }
}

#define SCENARIO(name, prepare, act)                                                    \
    static void test_##name(void **state)                                               \
    {                                                                                   \
        test_scenario(state, &(const struct scenario){#name, (prepare), (act), false}); \
    }

/* One claim, that at this file's head, for each kind of call. */
SCENARIO(create, nothing, act_open)
SCENARIO(open, fill_and_close, act_open)
SCENARIO(open_after_crash, fill_and_crash, act_open)
SCENARIO(open_read_only, fill_and_close, act_open_read_only)
SCENARIO(open_read_only_after_crash, fill_and_crash, act_open_read_only)
SCENARIO(close, fill, act_close)
SCENARIO(sync, fill, act_sync)
SCENARIO(put, fill, act_put)
SCENARIO(first_put, fill_and_reopen, act_put)
SCENARIO(put_large, fill, act_put_large)
SCENARIO(reserve, fill, act_reserve)
SCENARIO(delete, fill, act_delete)
SCENARIO(batch, fill, act_batch)
SCENARIO(transaction, fill, act_transaction)
SCENARIO(load, fill, act_load)
SCENARIO(tables, fill, act_tables)
SCENARIO(txn_tables, fill, act_txn_tables)
SCENARIO(read, fill, act_read)

static const struct scenario life = {"life", nothing, act_life, true};

/* The same over a store's whole life, which goes on behind the failure. */
static void test_life(void **state)
{
    test_scenario(state, &life);
}

/* The same of all calls together: from any of them on everything fails, or the disk is full for all. */
static void test_everything(void **state)
{
    static const int errors[] = {EIO, ENOSPC};
    for (size_t d = 0; d < DURABILITIES; d++) {
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
            struct faults_plan plan = {.calls = FAULTS_EVERYTHING, .for_good = true, .os_errno = errors[i]};
            sweep(*state, durabilities[d], &life, "call", plan);
        }
    }
}

/* No call of the library fails because a call of the system was interrupted by a signal, or done in part. */
static void test_interrupted_and_partial(void **state)
{
    static const enum faults_call repeated[] = {FAULTS_OPEN,      FAULTS_PREAD,     FAULTS_PWRITE,
                                                FAULTS_FALLOCATE, FAULTS_FTRUNCATE, FAULTS_GETRANDOM};
    static const struct scenario scenarios[] = {
        {"create", nothing, act_open, false}, {"open_after_crash", fill_and_crash, act_open, false},
        {"put", fill, act_put, false},        {"batch", fill, act_batch, false},
        {"load", fill, act_load, false},      {"close", fill, act_close, false},
    };
    for (size_t d = 0; d < DURABILITIES; d++) {
        for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
            for (size_t c = 0; c < sizeof repeated / sizeof repeated[0]; c++) {
                struct faults_plan plan = {.calls = FAULTS_SET(repeated[c]), .os_errno = EINTR};
                sweep(*state, durabilities[d], &scenarios[i], faults_call_name(repeated[c]), plan);
            }
            struct faults_plan plan = {.calls = FAULTS_SET(FAULTS_PREAD) | FAULTS_SET(FAULTS_PWRITE),
                                       .first = 1,
                                       .for_good = true,
                                       .partial = true};
            running = scenarios[i].name;
            (void)run(*state, durabilities[d], &scenarios[i], &plan);
            running = "";
        }
    }
}

static int setup(void **state)
{
    faults_prefer_memory();
    faults_install();
    return fixture_directory(state);
}

static int teardown(void **state)
{
    if (running[0] != '\0') {
        print_error("while running %s\n", running);
    }
    faults_resume();
    faults_clear();
    int result = fixture_close(state);
    faults_remove();
    return result;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_open),
        TEST(test_open_after_crash),
        TEST(test_open_read_only),
        TEST(test_open_read_only_after_crash),
        TEST(test_close),
        TEST(test_sync),
        TEST(test_put),
        TEST(test_first_put),
        TEST(test_put_large),
        TEST(test_reserve),
        TEST(test_delete),
        TEST(test_batch),
        TEST(test_transaction),
        TEST(test_load),
        TEST(test_tables),
        TEST(test_txn_tables),
        TEST(test_read),
        TEST(test_life),
        TEST(test_everything),
        TEST(test_interrupted_and_partial),
    };
    int result = cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
    for (size_t i = 0; i < DURABILITIES; i++) {
        (void)printf("calls failed, durable %s: %llu; times that latched the store: %llu\n", durability_names[i],
                     (unsigned long long)totals[durabilities[i]].failed,
                     (unsigned long long)totals[durabilities[i]].latched);
    }
    return result;
}
