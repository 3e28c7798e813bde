/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_flips.c
 * Every bit of every file of a small, cleanly closed store flipped, every file cut to every length, every file taken
 * away: one at a time. Nothing crashes, no value is wrong, and all of it is noticed: the store is refused, or a check
 * has findings; and a salvage yields nothing but what was written.
 *
 * Bytes that are without meaning, where a change is harmless: the content of LOCK, which is for people. There are no
 * others: the store has no file with space allocated ahead (a clean close gives it back, a cut ends the file, and so
 * does the sync of a sealed one), the padding behind values is zero and a check reports it if it isn't, and all else is
 * covered by a checksum. Then the same with a store of files that were filled up and sealed, where within a long value
 * a few bits and lengths stand for all.
 *
 * ALEX_FLIP_STEP=N flips every Nth bit and cuts to every Nth length; 1 unless this is a sanitizer's build.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/base.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"
#include "support/written.h"

#ifdef BASE_SANITIZED
#define STEP_DEFAULT 7
#else
#define STEP_DEFAULT 1
#endif

/** A salvage that writes its target takes longer than all else: it is done once for so many flips. */
#define SALVAGE_STEP 7

enum { KEYS = 6, FILES_MAX = 8, LARGE = 40000 };

/** In a file of large values all is looked at within so many bytes from its beginning and end, and from there on only
 *  every so manyth bit and length. */
enum { NEAR_BYTES = 512, FAR_BITS = 8009, FAR_BYTES = 1009 };

/** Tables, and what is in them at the end. */
static const char *const tables[] = {"main", "hashes", "late"};
#define TABLE_COUNT (sizeof tables / sizeof *tables)

struct file {
    char path[FILES_PATH_MAX];
    unsigned char *bytes;
    size_t size;
    bool harmless; /**< to change */
};

struct flipping {
    struct fixture *fixture;
    char target[FILES_PATH_MAX];
    struct file files[FILES_MAX];
    size_t file_count;
    uint32_t versions[TABLE_COUNT][KEYS]; /**< of each key at the end; 0: none */
    uint64_t entries;
    uint64_t step;
    uint64_t flips;
    uint64_t prefixes;
    uint64_t missing;
    uint64_t salvages;
    uint64_t wrong;
    uint64_t refused;
    uint64_t found;
    uint64_t unnoticed;
};

static void put(struct flipping *flipping, size_t table, int64_t key, uint32_t version)
{
    unsigned char value[WRITTEN_MAX];
    size_t size = written_value(tables[table], key, version, value);
    enum alex_key_order order = table == 1 ? ALEX_KEYS_UNSIGNED : ALEX_KEYS_SIGNED;
    alex_table *handle = helper_table(flipping->fixture->store, tables[table], order);
    ASSERT_OK(alex_put(handle, key, value, size, NULL));
    flipping->versions[table][key] = version;
}

/** A batch that overwrites, adds and deletes, and one that is taken back. */
static void write_batches(struct flipping *flipping)
{
    alex_store *store = flipping->fixture->store;
    alex_table *table = alex_main_table(store);
    unsigned char values[2][WRITTEN_MAX];
    size_t first = written_value(tables[0], 1, 20, values[0]);
    size_t second = written_value(tables[0], 4, 20, values[1]);
    struct alex_op ops[] = {
        {ALEX_OP_PUT, table, 1, {values[0], first}},
        {ALEX_OP_DELETE, table, 2, {NULL, 0}},
        {ALEX_OP_PUT, table, 4, {values[1], second}},
    };
    ASSERT_OK(alex_write(store, ops, 3));
    flipping->versions[0][1] = 20;
    flipping->versions[0][2] = 0;
    flipping->versions[0][4] = 20;

    alex_txn *txn;
    uint64_t savepoint;
    ASSERT_OK(alex_begin(store, ALEX_WRITE, &txn));
    size_t size = written_value(tables[0], 5, WRITTEN_NEVER, values[0]);
    ASSERT_OK(alex_txn_put(txn, table, 5, values[0], size, NULL));
    ASSERT_OK(alex_savepoint(txn, &savepoint)); /* so that what was put waits no more, but is in the log */
    ASSERT_OK(alex_end(txn));
}

/** What each use of the store writes. */
static void write_some(struct flipping *flipping, uint32_t use)
{
    alex_store *store = flipping->fixture->store;
    put(flipping, 0, 0, use);
    put(flipping, 1, 3, use);
    ASSERT_OK(alex_sync(store));
    if (use == 1) {
        put(flipping, 0, 1, use);
        put(flipping, 0, 2, use);
        unsigned char value[WRITTEN_MAX];
        size_t size = written_value("gone", 1, use, value);
        ASSERT_OK(alex_put(helper_table(store, "gone", ALEX_KEYS_SIGNED), 1, value, size, NULL));
        write_batches(flipping);
    } else if (use == 2) {
        put(flipping, 2, 2, use);
        put(flipping, 2, 3, use);
        ASSERT_OK(alex_delete(helper_table(store, tables[2], ALEX_KEYS_SIGNED), 3));
        flipping->versions[2][3] = 0;
        ASSERT_OK(alex_table_drop(store, "gone"));
    } else {
        put(flipping, 2, 5, use);
    }
}

/** A use of the store that does not end. */
static int use_and_die(void *context)
{
    struct flipping *flipping = context;
    struct alex_options options = {.no_background = true};
    fixture_store_open(flipping->fixture, &options);
    write_some(flipping, (uint32_t)flipping->versions[0][0] + 1);
    return 0;
}

/** A store of three files: twice its use ends in a torn record, where the next one cuts and goes on in a new file. */
static void make_store(struct flipping *flipping)
{
    struct fixture *fixture = flipping->fixture;
    struct files_record last;
    for (uint32_t use = 1; use <= 2; use++) {
        assert_int_equal(helper_in_child(use_and_die, flipping), 0);
        files_last_record(fixture->path, &last);
        files_patch(last.path, last.end, "torn", 4);
        flipping->versions[0][0] = use;
    }
    /* The children told nothing of what they wrote: what it was follows from the versions. */
    memset(flipping->versions, 0, sizeof flipping->versions);
    fixture_store_open(fixture, NULL);
    write_some(flipping, 3);
    fixture_store_close(fixture);
    static const struct {
        size_t table;
        int64_t key;
        uint32_t version;
    } before[] = {{0, 1, 20}, {0, 4, 20}, {2, 2, 2}};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        flipping->versions[before[i].table][before[i].key] = before[i].version;
    }
}

static void count_entries(struct flipping *flipping)
{
    for (size_t table = 0; table < TABLE_COUNT; table++) {
        for (size_t key = 0; key < KEYS; key++) {
            flipping->entries += flipping->versions[table][key] != 0;
        }
    }
}

/** A store of three files, of which two are full: of a load that is never committed, of values that fill more than half
 *  of one. */
static void make_rolled_store(struct flipping *flipping)
{
    static const unsigned char large[LARGE];
    const struct store_tuning tuning = {.segment_shift = 16};
    struct fixture *fixture = flipping->fixture;
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    write_some(flipping, 1);
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(alex_main_table(fixture->store), &loader));
    for (int64_t key = 0; key < 3; key++) {
        ASSERT_OK(alex_loader_add(loader, key, large, sizeof large));
    }
    alex_loader_close(loader);
    write_some(flipping, 2);
    fixture_store_close(fixture);
}

static void read_file(struct flipping *flipping, const char *name, bool harmless)
{
    assert_true(flipping->file_count < FILES_MAX);
    struct file *file = &flipping->files[flipping->file_count++];
    files_join(file->path, flipping->fixture->path, name);
    file->bytes = files_read(file->path, &file->size);
    file->harmless = harmless;
}

static void read_files(struct flipping *flipping)
{
    char(*names)[32];
    size_t count = files_list_segments(flipping->fixture->path, &names);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        read_file(flipping, names[i], false);
    }
    free(names);
    read_file(flipping, "MANIFEST", false);
    read_file(flipping, "LOCK", true);
}

/** Gets every key. @return how many are damaged; counts what is wrong */
static uint64_t get_all(struct flipping *flipping, alex_store *store)
{
    uint64_t damaged = 0;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        struct alex_table_options must = {.mode = ALEX_MUST_EXIST};
        alex_table *table;
        if (alex_table_open(store, tables[i], &must, &table) != ALEX_OK) {
            flipping->wrong++;
            continue;
        }
        for (int64_t key = 0; key < KEYS; key++) {
            unsigned char value[WRITTEN_MAX];
            size_t size = 0;
            uint32_t version = 0;
            int code = alex_get(table, key, value, sizeof value, &size);
            uint32_t expected = flipping->versions[i][key];
            bool right = code == ALEX_OK ? written_is(tables[i], key, (struct alex_slice){value, size}, &version) &&
                                               version == expected
                                         : code == ALEX_DAMAGED || (code == ALEX_NOT_FOUND && expected == 0);
            flipping->wrong += !right;
            damaged += code == ALEX_DAMAGED;
        }
    }
    return damaged;
}

/** Opens the store as it now is, reads and checks all of it. @return whether something was noticed */
static bool read_store(struct flipping *flipping)
{
    struct alex_error error = {0};
    struct alex_options options = {.read_only = true, .no_background = true, .error = &error};
    alex_store *store;
    int code = alex_open(flipping->fixture->path, &options, &store);
    if (code != ALEX_OK) {
        assert_true(code == ALEX_DAMAGED || code == ALEX_NEWER_FORMAT);
        assert_non_null(strstr(error.path, flipping->fixture->path));
        flipping->refused++;
        struct alex_options to_write = {.mode = ALEX_MUST_EXIST, .no_background = true};
        ASSERT_CODE(code, alex_open(flipping->fixture->path, &to_write, &store));
        return true;
    }
    struct alex_check_report checked;
    struct alex_open_report opened;
    uint64_t entries;
    alex_store_open_report(store, &opened);
    ASSERT_OK(alex_check(store, NULL, NULL, &checked));
    uint64_t damaged = get_all(flipping, store);
    flipping->wrong += written_count_wrong(store, &entries);
    flipping->wrong += entries + damaged != flipping->entries || opened.cut_bytes > 0;
    ASSERT_OK(alex_close(store));
    flipping->found += checked.findings > 0;
    return checked.findings > 0;
}

/** Salvages the store as it now is. @return whether something was noticed */
static bool salvage_store(struct flipping *flipping, bool write)
{
    struct alex_salvage_report report;
    int code = alex_salvage(flipping->fixture->path, NULL, NULL, NULL, &report, NULL);
    assert_true(code == ALEX_OK || code == ALEX_NEWER_FORMAT || code == ALEX_NO_STORE);
    flipping->salvages++;
    if (code == ALEX_OK && write) {
        alex_store *store;
        uint64_t entries;
        struct alex_salvage_report written;
        files_remove(flipping->target);
        ASSERT_OK(alex_salvage(flipping->fixture->path, flipping->target, NULL, NULL, &written, NULL));
        assert_int_equal(written.keys, report.keys);
        struct alex_options options = {.read_only = true, .no_background = true};
        ASSERT_OK(alex_open(flipping->target, &options, &store));
        flipping->wrong += written_count_wrong(store, &entries);
        flipping->wrong += entries != report.keys;
        ASSERT_OK(alex_close(store));
        flipping->salvages++;
    }
    return code != ALEX_OK || report.findings > 0;
}

/** Looks at the store with one file changed, as `what` at `place`. */
static void look(struct flipping *flipping, const struct file *file, bool write, const char *what, uint64_t place)
{
    uint64_t wrong = flipping->wrong;
    bool noticed = read_store(flipping);
    bool salvage_noticed = salvage_store(flipping, write);
    if (!file->harmless && (!noticed || !salvage_noticed)) {
        flipping->unnoticed++;
        print_error("%s, %s %" PRIu64 ": not noticed by %s\n", file->path, what, place,
                    noticed ? "a salvage" : "open and check");
    }
    if (flipping->wrong > wrong) {
        print_error("%s, %s %" PRIu64 ": wrong\n", file->path, what, place);
    }
}

/** How far to go on from a byte of a file: `far` within a large value, which leads to before the file's end. */
static uint64_t step_at(const struct flipping *flipping, const struct file *file, uint64_t byte, uint64_t far)
{
    bool within = file->size > LARGE && byte > NEAR_BYTES && byte + FAR_BYTES + NEAR_BYTES < file->size;
    return within ? far : flipping->step;
}

static void flip_file(struct flipping *flipping, const struct file *file)
{
    for (uint64_t bit = 0; bit < file->size * 8; bit += step_at(flipping, file, bit / 8, FAR_BITS)) {
        files_flip_bit(file->path, bit / 8, (unsigned)bit % 8);
        look(flipping, file, flipping->flips % SALVAGE_STEP == 0, "bit", bit);
        files_flip_bit(file->path, bit / 8, (unsigned)bit % 8);
        flipping->flips++;
    }
}

static void cut_file(struct flipping *flipping, const struct file *file)
{
    for (uint64_t length = 0; length < file->size; length += step_at(flipping, file, length, FAR_BYTES)) {
        files_write(file->path, file->bytes, length);
        look(flipping, file, true, "cut to", length);
        flipping->prefixes++;
    }
    files_remove(file->path);
    look(flipping, file, true, "missing", 0);
    flipping->missing++;
    files_write(file->path, file->bytes, file->size);
}

static void flip_all(struct fixture *fixture, void (*make)(struct flipping *flipping))
{
    struct flipping flipping = {.fixture = fixture, .step = helper_environment("ALEX_FLIP_STEP", STEP_DEFAULT)};
    files_join(flipping.target, flipping.fixture->directory, "salvaged");
    make(&flipping);
    count_entries(&flipping);
    read_files(&flipping);
    assert_false(read_store(&flipping));
    assert_false(salvage_store(&flipping, true));
    for (size_t i = 0; i < flipping.file_count; i++) {
        flip_file(&flipping, &flipping.files[i]);
        cut_file(&flipping, &flipping.files[i]);
    }
    for (size_t i = 0; i < flipping.file_count; i++) {
        free(flipping.files[i].bytes);
    }
    (void)printf("flips: %" PRIu64 ", prefixes: %" PRIu64 ", missing files: %" PRIu64 "; refused: %" PRIu64
                 ", found by a check: %" PRIu64 ", salvages: %" PRIu64 "; unnoticed %" PRIu64 ", wrong %" PRIu64 "\n",
                 flipping.flips, flipping.prefixes, flipping.missing, flipping.refused, flipping.found,
                 flipping.salvages, flipping.unnoticed, flipping.wrong);
    assert_int_equal(flipping.unnoticed, 0);
    assert_int_equal(flipping.wrong, 0);
}

static void test_flips(void **state)
{
    flip_all(*state, make_store);
}

static void test_flips_of_sealed_files(void **state)
{
    flip_all(*state, make_rolled_store);
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest group[] = {TEST_WITH_DIRECTORY(test_flips),
                                       TEST_WITH_DIRECTORY(test_flips_of_sealed_files)};
    faults_install(); /* for the syncs that it leaves out */
    int failed = cmocka_run_group_tests_name("flips", group, NULL, NULL);
    faults_remove();
    return failed;
}
