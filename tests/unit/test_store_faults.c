/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_store_faults.c
 * Every system call and every allocation fails once, at every place, and from every place on. Whatever fails: the call
 * answers with a sensible code or does its work all the same, nothing half done can be seen, and everything
 * acknowledged before is there, at once and after reopening.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { TABLES = 3, KEYS = 24, VALUE_MAX = 200 * 1024 };

/** No scenario makes more calls of one kind. */
#define CALLS_MAX 3000

static const char *const table_names[TABLES] = {"main", "second", "third"};

/** A store, and what it should hold. */
struct world {
    struct fixture *fixture;
    char path[FILES_PATH_MAX];
    alex_store *store; /**< NULL: closed */
    bool exists[TABLES];
    unsigned versions[TABLES][KEYS]; /**< of each key's value; 0: absent */
    struct alex_error open_error;
};

static unsigned char value_memory[VALUE_MAX];

/** Sizes from none to several pages, and at version 9 one of several segments. */
static size_t value_size(int64_t key, unsigned version)
{
    return version == 9 ? VALUE_MAX : ((size_t)key * 379 + version * 1117) % 5000;
}

static const void *value_of(int table, int64_t key, unsigned version)
{
    helper_fill(value_memory, value_size(key, version), (uint64_t)key * 64 + version * 4 + (uint64_t)table);
    return value_memory;
}

static int world_open(struct world *world)
{
    struct alex_options options = {.no_background = true, .error = &world->open_error};
    struct store_tuning tuning = {.segment_shift = 16};
    return store_open_tuned(world->path, &options, &tuning, &world->store);
}

static alex_table *world_table(struct world *world, int table)
{
    struct alex_table_options options = {.mode = ALEX_MUST_EXIST};
    alex_table *handle = NULL;
    ASSERT_OK(alex_table_open(world->store, table_names[table], &options, &handle));
    return handle;
}

static int world_put(struct world *world, int table, int64_t key, unsigned version)
{
    int code = alex_put(world_table(world, table), key, value_of(table, key, version), value_size(key, version), NULL);
    if (code == ALEX_OK) {
        world->versions[table][key] = version;
    }
    return code;
}

static int world_delete(struct world *world, int table, int64_t key)
{
    int code = alex_delete(world_table(world, table), key);
    if (code == ALEX_OK) {
        world->versions[table][key] = 0;
    }
    return code;
}

/** Asserts that the open store holds what it should. */
static void world_verify(struct world *world)
{
    static unsigned char buffer[VALUE_MAX];
    for (int table = 0; table < TABLES; table++) {
        struct alex_table_options options = {.mode = ALEX_MUST_EXIST};
        alex_table *handle = NULL;
        int code = alex_table_open(world->store, table_names[table], &options, &handle);
        assert_int_equal(code, world->exists[table] ? ALEX_OK : ALEX_NOT_FOUND);
        uint64_t present = 0;
        for (int64_t key = 0; key < KEYS && handle != NULL; key++) {
            size_t size = 0;
            unsigned version = world->versions[table][key];
            code = alex_get(handle, key, buffer, sizeof buffer, &size);
            ASSERT_CODE(version != 0 ? ALEX_OK : ALEX_NOT_FOUND, code);
            if (version != 0) {
                present++;
                assert_int_equal(size, value_size(key, version));
                assert_memory_equal(buffer, value_of(table, key, version), size);
            }
        }
        struct alex_table_stats stats;
        if (handle != NULL) {
            ASSERT_OK(alex_table_stat(handle, &stats));
            assert_int_equal(stats.keys, present);
        }
    }
    helper_check(world->store);
}

/** Main and "second", with some keys each, in a log of several segments. */
static void fill(struct world *world)
{
    alex_table *table;
    ASSERT_OK(world_open(world));
    ASSERT_OK(alex_table_open(world->store, table_names[1], NULL, &table));
    world->exists[1] = true;
    for (unsigned version = 1; version <= 2; version++) {
        for (int64_t key = 0; key < KEYS / 2; key++) {
            ASSERT_OK(world_put(world, 0, key, version));
            ASSERT_OK(world_put(world, 1, key + KEYS / 4, version));
        }
    }
    ASSERT_OK(world_delete(world, 0, 3));
}

static void fill_and_close(struct world *world)
{
    fill(world);
    ASSERT_OK(alex_close(world->store));
    world->store = NULL;
}

/** As fill_and_close(), but as a crash leaves it: not closed, with a batch half written and a torn record at the end.
 *  */
static void fill_and_crash(struct world *world)
{
    char crashed[FILES_PATH_MAX];
    files_join(crashed, world->fixture->directory, "crashed");
    fill(world);
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(world_table(world, 0), &loader));
    for (int64_t key = 0; key < 4; key++) {
        ASSERT_OK(alex_loader_add(loader, key, "never committed", 15));
    }
    files_remove(crashed);
    files_copy_directory(world->path, crashed);
    alex_loader_close(loader);
    ASSERT_OK(alex_close(world->store));
    world->store = NULL;
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
    int code = alex_close(world->store);
    world->store = NULL;
    return code;
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
    for (int64_t key = 0; key < KEYS && code == ALEX_OK; key++) {
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
        void *buffer;
        code = alex_put_reserve(table, key, value_size(key, 4), &buffer);
        if (code == ALEX_OK) {
            memcpy(buffer, value_of(0, key, 4), value_size(key, 4));
            code = alex_put_commit(table, NULL);
        }
        if (code == ALEX_OK) {
            world->versions[0][key] = 4;
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
    enum { OPS = 2 * KEYS };
    struct alex_op ops[OPS];
    static unsigned char values[OPS][5000];
    unsigned after[TABLES][KEYS];
    memcpy(after, world->versions, sizeof after);
    for (int i = 0; i < OPS; i++) {
        int table = i % 2;
        int64_t key = i / 2;
        bool is_put = key % 5 != 0;
        memcpy(values[i], value_of(table, key, 6), value_size(key, 6));
        ops[i] = (struct alex_op){
            is_put ? ALEX_OP_PUT : ALEX_OP_DELETE, world_table(world, table), key, {values[i], value_size(key, 6)}};
        after[table][key] = is_put ? 6 : 0;
    }
    alex_txn *txn = NULL;
    int code = alex_begin(world->store, ALEX_READ, &txn);
    if (code == ALEX_OK) {
        code = alex_write(world->store, ops, OPS);
    }
    if (code == ALEX_OK) {
        memcpy(world->versions, after, sizeof after);
    }
    ASSERT_OK(alex_end(txn));
    return code;
}

static int load(struct world *world, int table, int64_t step)
{
    alex_loader *loader = NULL;
    int code = alex_loader_open(world_table(world, table), &loader);
    for (int64_t i = 0; i < KEYS && code == ALEX_OK; i++) {
        int64_t key = i * step % KEYS;
        code = alex_loader_add(loader, key, value_of(table, key, 7), value_size(key, 7));
    }
    if (code == ALEX_OK) {
        code = alex_loader_commit(loader, NULL, NULL);
    }
    for (int64_t key = 0; key < KEYS && code == ALEX_OK; key++) {
        world->versions[table][key] = 7;
    }
    if (loader != NULL) {
        alex_loader_close(loader);
    }
    return code;
}

/** Makes a table, loads it in order; loads one that holds keys, out of order. */
static int act_load(struct world *world)
{
    alex_table *table;
    int code = alex_table_open(world->store, table_names[2], NULL, &table);
    world->exists[2] = code == ALEX_OK;
    if (code == ALEX_OK) {
        code = load(world, 2, 1);
    }
    return code == ALEX_OK ? load(world, 1, 7) : code;
}

static int act_tables(struct world *world)
{
    alex_table *table;
    int code = alex_table_open(world->store, table_names[2], NULL, &table);
    if (code == ALEX_OK) {
        world->exists[2] = true;
        code = world_put(world, 2, 1, 1);
    }
    if (code == ALEX_OK) {
        code = alex_table_drop(world->store, table_names[1]);
    }
    if (code == ALEX_OK) {
        world->exists[1] = false;
        memset(world->versions[1], 0, sizeof world->versions[1]);
    }
    return code;
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
        assert_int_equal(tables, 2);
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

struct scenario {
    const char *name;
    void (*prepare)(struct world *world);
    int (*act)(struct world *world);
};

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

/** Asserts that the store would open with all that it should hold if the process were killed now. */
static void assert_survives_kill(const struct world *world)
{
    struct world killed = *world;
    killed.store = NULL;
    files_join(killed.path, world->fixture->directory, "killed");
    files_remove(killed.path);
    files_copy_directory(world->path, killed.path);
    ASSERT_OK(world_open(&killed));
    world_verify(&killed);
    ASSERT_OK(world_put(&killed, 0, KEYS - 2, 8));
    world_verify(&killed);
    ASSERT_OK(alex_close(killed.store));
}

/** Carries a scenario out under a plan. @return whether the plan struck */
static bool run(struct fixture *fixture, const struct scenario *scenario, const struct faults_plan *plan)
{
    struct world world = {.fixture = fixture, .exists = {true, false, false}};
    files_join(world.path, fixture->directory, "store");
    files_remove(world.path);
    scenario->prepare(&world);

    faults_set(plan);
    bool was_open = world.store != NULL;
    int code = scenario->act(&world);
    bool struck = faults_struck() > 0;
    faults_clear();
    if (code != ALEX_OK) {
        assert_true(struck);
        if (world.store != NULL || !was_open) { /* a failed close takes its detail with it */
            assert_explained(&world, code);
        }
    }
    if (world.store != NULL) {
        world_verify(&world);
        assert_survives_kill(&world);
        code = alex_close(world.store);
        assert_true(code == ALEX_OK || (struck && code != ALEX_READ_ONLY));
    }
    ASSERT_OK(world_open(&world));
    world_verify(&world);
    ASSERT_OK(world_put(&world, 0, KEYS - 1, 8));
    ASSERT_OK(alex_close(world.store));
    ASSERT_OK(world_open(&world));
    struct alex_open_report report;
    alex_store_open_report(world.store, &report);
    assert_true(report.clean);
    assert_int_equal(report.cut_bytes, 0);
    world_verify(&world);
    ASSERT_OK(alex_close(world.store));
    return struck;
}

static const char *running = "";
static char running_text[128];

/** The place after `at` where a call is to fail: every one, or fewer and fewer where programs run several times
 *  slower. */
static uint64_t next_place(uint64_t at)
{
#ifdef BASE_SANITIZED
    return at + 1 + at / 3;
#else
    return at + 1;
#endif
}

/** Fails the Nth call of each kind, for every N there is. */
static void sweep(struct fixture *fixture, const struct scenario *scenario, bool for_good)
{
    for (enum faults_call call = 0; call < FAULTS_CALL_COUNT; call++) {
        bool struck = true;
        for (uint64_t at = 1; struck; at = next_place(at)) {
            assert_true(at < CALLS_MAX);
            (void)snprintf(running_text, sizeof running_text, "%s: %s %llu%s", scenario->name, faults_call_name(call),
                           (unsigned long long)at, for_good ? " and all after it" : "");
            running = running_text;
            struct faults_plan plan = {.calls = FAULTS_SET(call), .first = at, .for_good = for_good};
            struck = run(fixture, scenario, &plan);
        }
    }
    running = "";
}

static void test_scenario(void **state, const struct scenario *scenario)
{
    sweep(*state, scenario, false);
#ifndef BASE_SANITIZED
    sweep(*state, scenario, true);
#endif
}

#define SCENARIO(name, prepare, act)                                             \
    static void test_##name(void **state)                                        \
    {                                                                            \
        test_scenario(state, &(const struct scenario){#name, (prepare), (act)}); \
    }

/* One claim, that at this file's head, for each kind of call. */
SCENARIO(create, nothing, act_open)
SCENARIO(open, fill_and_close, act_open)
SCENARIO(open_after_crash, fill_and_crash, act_open)
SCENARIO(close, fill, act_close)
SCENARIO(sync, fill, act_sync)
SCENARIO(put, fill, act_put)
SCENARIO(put_large, fill, act_put_large)
SCENARIO(reserve, fill, act_reserve)
SCENARIO(delete, fill, act_delete)
SCENARIO(batch, fill, act_batch)
SCENARIO(load, fill, act_load)
SCENARIO(tables, fill, act_tables)
SCENARIO(read, fill, act_read)

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
    int result = fixture_close(state);
    faults_remove();
    return result;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create),    TEST(test_open),    TEST(test_open_after_crash),
        TEST(test_close),     TEST(test_sync),    TEST(test_put),
        TEST(test_put_large), TEST(test_reserve), TEST(test_delete),
        TEST(test_batch),     TEST(test_load),    TEST(test_tables),
        TEST(test_read),
    };
    return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}
