/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_salvage_any.c
 * Salvages of stores with any damage: what comes out was written, to that table and key, and committed; and where
 * records count by themselves, it is exactly the newest of each key whose bytes are untouched.
 *
 * ALEX_SALVAGES=N: so many of each. ALEX_SALVAGE_SEED: where the random numbers begin.
 */
#include <inttypes.h>
#include <stdio.h>

#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"
#include "support/written.h"

enum { SALVAGES = 150, SALVAGES_A_STORE = 15, KEYS = 200, OPERATIONS = 1500, BATCH_MAX = 30, SEGMENT_SHIFT = 16 };

static const char *const names[] = {"main", "second", "third"};
#define TABLES (sizeof names / sizeof *names)

/** What makes and breaks stores. */
struct damaging {
    struct fixture *fixture;
    struct helper_random random;
    char damaged[FILES_PATH_MAX]; /**< the store's damaged copy */
    char target[FILES_PATH_MAX];
    uint32_t version; /**< given last */
    uint64_t salvages;
    uint64_t findings;
    uint64_t keys;
};

static uint64_t below(struct damaging *damaging, uint64_t bound)
{
    return helper_random_below(&damaging->random, bound);
}

/* ---- stores */

static void open_store(struct damaging *damaging)
{
    struct fixture *fixture = damaging->fixture;
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    CHILD_REQUIRE(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store) == ALEX_OK);
    fixture->main = alex_main_table(fixture->store);
}

static alex_table *any_table(struct damaging *damaging, const char **out_name)
{
    size_t i = below(damaging, TABLES);
    alex_table *table;
    *out_name = names[i];
    CHILD_REQUIRE(alex_table_open(damaging->fixture->store, names[i], NULL, &table) == ALEX_OK);
    return table;
}

static void write_batch(struct damaging *damaging)
{
    struct alex_op ops[BATCH_MAX];
    unsigned char values[BATCH_MAX][WRITTEN_MAX];
    size_t count = 1 + below(damaging, BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        alex_table *table = any_table(damaging, &name);
        int64_t key = (int64_t)below(damaging, KEYS);
        size_t size = written_value(name, key, ++damaging->version, values[i]);
        enum alex_op_kind kind = below(damaging, 8) == 0 ? ALEX_OP_DELETE : ALEX_OP_PUT;
        ops[i] = (struct alex_op){kind, table, key, {values[i], kind == ALEX_OP_PUT ? size : 0}};
    }
    CHILD_REQUIRE(alex_write(damaging->fixture->store, ops, count) == ALEX_OK);
}

/** A load that is committed, or not. */
static void load(struct damaging *damaging)
{
    const char *name;
    alex_table *table = any_table(damaging, &name);
    alex_loader *loader;
    CHILD_REQUIRE(alex_loader_open(table, &loader) == ALEX_OK);
    for (uint64_t i = below(damaging, BATCH_MAX); i > 0; i--) {
        unsigned char value[WRITTEN_MAX];
        int64_t key = (int64_t)below(damaging, KEYS);
        size_t size = written_value(name, key, ++damaging->version, value);
        CHILD_REQUIRE(alex_loader_add(loader, key, value, size) == ALEX_OK);
    }
    CHILD_REQUIRE(alex_loader_commit(loader, NULL, NULL) == ALEX_OK);
    alex_loader_close(loader);
}

/** A write transaction, in part rolled back, and perhaps given up. */
static void transact(struct damaging *damaging)
{
    const char *name;
    alex_table *table = any_table(damaging, &name);
    bool commit = below(damaging, 2) == 0;
    uint64_t rolled_back = below(damaging, BATCH_MAX);
    uint64_t savepoint;
    alex_txn *txn;
    CHILD_REQUIRE(alex_begin(damaging->fixture->store, ALEX_WRITE, &txn) == ALEX_OK);
    CHILD_REQUIRE(alex_savepoint(txn, &savepoint) == ALEX_OK);
    for (uint64_t i = rolled_back + below(damaging, BATCH_MAX); i > 0; i--) {
        unsigned char value[WRITTEN_MAX];
        int64_t key = (int64_t)below(damaging, KEYS);
        bool never = !commit || rolled_back > 0;
        size_t size = written_value(name, key, ++damaging->version | (never ? WRITTEN_NEVER : 0), value);
        CHILD_REQUIRE(alex_txn_put(txn, table, key, value, size, NULL) == ALEX_OK);
        CHILD_REQUIRE(alex_savepoint(txn, &savepoint) == ALEX_OK); /* so that it is in the log */
        CHILD_REQUIRE(rolled_back == 0 || --rolled_back > 0 || alex_rollback_to(txn, 1) == ALEX_OK);
    }
    CHILD_REQUIRE((commit ? alex_commit(txn) : alex_end(txn)) == ALEX_OK);
}

static void put(struct damaging *damaging)
{
    const char *name;
    unsigned char value[WRITTEN_MAX];
    alex_table *table = any_table(damaging, &name);
    int64_t key = (int64_t)below(damaging, KEYS);
    size_t size = written_value(name, key, ++damaging->version, value);
    CHILD_REQUIRE(alex_put(table, key, value, size, NULL) == ALEX_OK);
}

static void operate(struct damaging *damaging)
{
    const char *name;
    uint64_t what = below(damaging, 100);
    if (what < 70) {
        put(damaging);
    } else if (what < 80) {
        alex_table *table = any_table(damaging, &name);
        int code = alex_delete(table, (int64_t)below(damaging, KEYS));
        CHILD_REQUIRE(code == ALEX_OK || code == ALEX_NOT_FOUND);
    } else if (what < 90) {
        write_batch(damaging);
    } else if (what < 95) {
        (below(damaging, 2) == 0 ? load : transact)(damaging);
    } else if (what < 98) {
        CHILD_REQUIRE(alex_sync(damaging->fixture->store) == ALEX_OK);
    } else {
        int code = alex_table_drop(damaging->fixture->store, names[1 + below(damaging, TABLES - 1)]);
        CHILD_REQUIRE(code == ALEX_OK || code == ALEX_NOT_FOUND);
    }
}

static int operate_and_die(void *context)
{
    struct damaging *damaging = context;
    open_store(damaging);
    for (int i = 0; i < OPERATIONS; i++) {
        operate(damaging);
    }
    return 0;
}

/** A store of any operations, closed or left in the middle of them. */
static void make_any(struct damaging *damaging)
{
    struct fixture *fixture = damaging->fixture;
    if (below(damaging, 3) == 0) {
        assert_int_equal(helper_in_child(operate_and_die, damaging), 0);
        return;
    }
    (void)operate_and_die(damaging);
    ASSERT_OK(alex_close(fixture->store));
    fixture->store = NULL;
}

/** A store of puts that count by themselves. */
static void make_puts(struct damaging *damaging)
{
    struct fixture *fixture = damaging->fixture;
    open_store(damaging);
    for (int i = 0; i < OPERATIONS; i++) {
        put(damaging);
    }
    ASSERT_OK(alex_close(fixture->store));
    fixture->store = NULL;
}

/* ---- damage */

/** Any file of the log. */
static void any_file(struct damaging *damaging, char *out_path)
{
    char(*segments)[32];
    size_t count = files_list_segments(damaging->damaged, &segments);
    files_join(out_path, damaging->damaged, count > 0 ? segments[below(damaging, count)] : "0000000000000001.log");
    free(segments);
    if (!files_exists(out_path)) {
        files_write(out_path, "", 0);
    }
}

/** Puts bytes of any file to any place of another, or of the same: whole records and files among them. */
static void copy_bytes(struct damaging *damaging, const char *to)
{
    char from[FILES_PATH_MAX];
    size_t size;
    any_file(damaging, from);
    unsigned char *bytes = files_read(from, &size);
    if (below(damaging, 4) == 0) {
        files_write(to, bytes, size);
    } else if (size > 8) {
        uint64_t at = below(damaging, size) / 8 * 8;
        uint64_t length = 1 + below(damaging, size - at);
        uint64_t place = below(damaging, files_size(to) + 1) / 8 * 8;
        files_patch(to, place, bytes + at, length < 2000 ? length : 2000);
    }
    free(bytes);
}

static void overwrite(struct damaging *damaging, const char *path, uint64_t size)
{
    unsigned char bytes[5000] = {0};
    uint64_t length = 1 + below(damaging, below(damaging, 2) == 0 ? 40 : sizeof bytes - 1);
    if (below(damaging, 2) == 0) {
        helper_fill(bytes, sizeof bytes, damaging->random.state);
    }
    files_patch(path, below(damaging, size + 1), bytes, length);
}

static void damage(struct damaging *damaging)
{
    char path[FILES_PATH_MAX];
    any_file(damaging, path);
    if (below(damaging, 8) == 0) {
        files_join(path, damaging->damaged, "MANIFEST");
    }
    uint64_t size = files_exists(path) ? files_size(path) : 0;
    switch (below(damaging, 12)) {
    case 0:
        files_remove(path);
        break;
    case 1:
        files_write(path, "", 0);
        break;
    case 2:
    case 3:
        if (size > 0) {
            files_truncate(path, below(damaging, size));
        }
        break;
    case 4:
    case 5:
        if (size > 0) {
            copy_bytes(damaging, path);
        }
        break;
    case 6:
    case 7:
    case 8:
        if (size > 0) {
            overwrite(damaging, path, size);
        }
        break;
    default:
        if (size > 0) {
            files_flip_bit(path, below(damaging, size), (unsigned)below(damaging, 8));
        }
        break;
    }
}

/* ---- salvages */

static void begin(struct damaging *damaging, struct fixture *fixture)
{
    *damaging = (struct damaging){
        .fixture = fixture,
        .random = {helper_environment("ALEX_SALVAGE_SEED", 1)},
    };
    files_join(damaging->damaged, fixture->directory, "damaged");
    files_join(damaging->target, fixture->directory, "salvaged");
}

static void break_copy(struct damaging *damaging)
{
    files_remove(damaging->damaged);
    files_copy_directory(damaging->fixture->path, damaging->damaged);
    for (uint64_t times = 1 + below(damaging, 5); times > 0; times--) {
        damage(damaging);
    }
}

/** Salvages the damaged copy, and opens what came of it: all in it was written. NULL if no file is left. */
static alex_store *salvage(struct damaging *damaging)
{
    struct alex_error error = {0};
    struct alex_salvage_report report;
    struct alex_options options = {.mode = ALEX_MUST_EXIST, .no_background = true};
    alex_store *store;
    uint64_t entries;
    files_remove(damaging->target);
    uint64_t seed = damaging->random.state;
    int code = alex_salvage(damaging->damaged, damaging->target, NULL, NULL, &report, &error);
    damaging->salvages++;
    if (code == ALEX_NO_STORE) {
        return NULL;
    }
    if (code != ALEX_OK) {
        fail_msg("state %" PRIu64 ": %s: %s: %s", seed, alex_code_name(code), error.path, error.message);
    }
    ASSERT_OK(alex_open(damaging->target, &options, &store));
    helper_check(store);
    uint64_t wrong = written_count_wrong(store, &entries);
    if (wrong > 0 || entries != report.keys) {
        fail_msg("state %" PRIu64 ": %" PRIu64 " values wrong, %" PRIu64 " of %" PRIu64 " there", seed, wrong, entries,
                 report.keys);
    }
    damaging->findings += report.findings;
    damaging->keys += report.keys;
    return store;
}

/** If the damaged store can still be opened, then it hands out nothing that was not written, either. */
static void read_damaged(struct damaging *damaging)
{
    struct alex_options options = {.read_only = true, .no_background = true};
    struct alex_check_report checked;
    alex_store *store;
    int code = alex_open(damaging->damaged, &options, &store);
    if (code == ALEX_OK) {
        ASSERT_OK(alex_check(store, NULL, NULL, &checked));
        assert_int_equal(written_count_wrong(store, NULL), 0);
        ASSERT_OK(alex_close(store));
    } else {
        assert_true(code == ALEX_DAMAGED || code == ALEX_NO_STORE || code == ALEX_NEWER_FORMAT);
    }
}

/* Stores of every kind of operation, with every kind of damage, several at a time: a salvage yields only what was
 * written there and committed. */
static void test_any_damage(void **state)
{
    struct damaging damaging;
    begin(&damaging, *state);
    uint64_t wanted = helper_environment("ALEX_SALVAGES", SALVAGES);
    while (damaging.salvages < wanted) {
        files_remove(damaging.fixture->path);
        make_any(&damaging);
        for (int i = 0; i < SALVAGES_A_STORE && damaging.salvages < wanted; i++) {
            break_copy(&damaging);
            read_damaged(&damaging);
            ASSERT_OK(alex_close(salvage(&damaging)));
        }
    }
    assert_true(damaging.keys > 0 && damaging.findings > damaging.salvages / 2);
    (void)printf("salvages: %" PRIu64 ", findings: %" PRIu64 ", keys: %" PRIu64 ", wrong 0\n", damaging.salvages,
                 damaging.findings, damaging.keys);
}

/** A record of the whole store is untouched in the damaged one. */
static bool untouched(const struct damaging *damaging, const struct files_record *record)
{
    char path[FILES_PATH_MAX];
    unsigned char before[8 * WRITTEN_MAX];
    unsigned char after[8 * WRITTEN_MAX];
    uint64_t size = record->value_offset + record->length - record->offset; /* padding may change, but must be there */
    files_join(path, damaging->damaged, strrchr(record->path, '/') + 1);
    if (!files_exists(path) || files_size(path) < record->end) {
        return false;
    }
    files_read_at(record->path, record->offset, before, size);
    files_read_at(path, record->offset, after, size);
    return memcmp(before, after, size) == 0;
}

/** Which version of each key the salvaged store must hold: that of the newest record which is untouched. */
static void expect(const struct damaging *damaging, const struct files_record *records, size_t count,
                   uint32_t versions[TABLES][KEYS], bool named[TABLES])
{
    memset(versions, 0, sizeof(uint32_t[TABLES][KEYS]));
    named[0] = true;
    named[1] = named[2] = false;
    for (size_t i = 0; i < count; i++) {
        const struct files_record *record = &records[i];
        char name[16] = {0};
        if (record->kind == FILES_TABLE && untouched(damaging, record)) {
            files_read_at(record->path, record->value_offset, name, record->length);
            named[record->table - 1] = strcmp(name, names[record->table - 1]) == 0;
        } else if (record->kind == FILES_PUT && untouched(damaging, record)) {
            files_read_at(record->path, record->value_offset + 16, &versions[record->table - 1][record->key], 4);
        }
    }
}

static void compare(alex_store *store, uint32_t versions[TABLES][KEYS], const bool named[TABLES])
{
    for (size_t i = 0; i < TABLES; i++) {
        char lost[16];
        alex_table *table;
        (void)snprintf(lost, sizeof lost, "lost-%d", (int)i + 1);
        ASSERT_OK(alex_table_open(store, named[i] ? names[i] : lost, NULL, &table));
        for (int64_t key = 0; key < KEYS; key++) {
            unsigned char value[WRITTEN_MAX];
            size_t size = 0;
            uint32_t version = 0;
            int code = alex_get(table, key, value, sizeof value, &size);
            assert_int_equal(code, versions[i][key] == 0 ? ALEX_NOT_FOUND : ALEX_OK);
            assert_true(code != ALEX_OK ||
                        written_is(named[i] ? names[i] : lost, key, (struct alex_slice){value, size}, &version));
            assert_int_equal(version, versions[i][key]);
        }
    }
}

/* A store of puts: a salvage yields of each key exactly the newest record whose bytes are untouched, whatever happened
 * to all other bytes. */
static void test_all_that_is_untouched(void **state)
{
    static uint32_t versions[TABLES][KEYS];
    bool named[TABLES];
    struct damaging damaging;
    begin(&damaging, *state);
    uint64_t wanted = helper_environment("ALEX_SALVAGES", SALVAGES);
    while (damaging.salvages < wanted) {
        files_remove(damaging.fixture->path);
        open_store(&damaging);
        for (size_t i = 1; i < TABLES; i++) {
            (void)helper_table(damaging.fixture->store, names[i], ALEX_KEYS_SIGNED); /* with the ids 2 and 3 */
        }
        fixture_store_close(damaging.fixture);
        make_puts(&damaging);
        struct files_record *records;
        size_t count = files_list_records(damaging.fixture->path, &records);
        for (int i = 0; i < SALVAGES_A_STORE && damaging.salvages < wanted; i++) {
            break_copy(&damaging);
            expect(&damaging, records, count, versions, named);
            alex_store *store = salvage(&damaging);
            if (store != NULL) {
                compare(store, versions, named);
                ASSERT_OK(alex_close(store));
            }
        }
        free(records);
    }
    (void)printf("salvages: %" PRIu64 ", findings: %" PRIu64 ", keys: %" PRIu64 ", wrong 0\n", damaging.salvages,
                 damaging.findings, damaging.keys);
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_any_damage),
        TEST_WITH_DIRECTORY(test_all_that_is_untouched),
    };
    faults_install(); /* for the syncs that it leaves out */
    int failed = cmocka_run_group_tests_name("any salvage", tests, NULL, NULL);
    faults_remove();
    return failed;
}
