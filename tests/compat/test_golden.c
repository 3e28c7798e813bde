/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_golden.c
 * The golden stores: what each version of the format left on disk, kept in tests/compat/stores/VERSION/NAME with its
 * contents as text (make_stores.py says how), is read in full, checked, written to and read again.
 *
 * Each claim holds for every store of every version. Only copies are opened.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "support/store_helper.h"

/** The version that the library writes. */
#define VERSION 1

#define STORES_MAX 256

static struct golden {
    char name[64]; /**< VERSION/NAME */
    char path[FILES_PATH_MAX];
    char *contents;
} stores[STORES_MAX];
static size_t store_count;

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/** Gathers the stores of all versions, in the order of their names. */
static int find_stores(void **state)
{
    (void)state;
    char root[FILES_PATH_MAX];
    files_join(root, getenv("ALEX_SOURCE_DIR"), "tests/compat/stores");
    struct dirent **versions;
    int version_count = scandir(root, &versions, is_visible, alphasort);
    assert_true(version_count > 0);
    for (int i = 0; i < version_count; i++) {
        char folder[FILES_PATH_MAX];
        files_join(folder, root, versions[i]->d_name);
        struct dirent **names;
        int count = scandir(folder, &names, is_visible, alphasort);
        assert_true(count > 0);
        for (int j = 0; j < count; j++) {
            assert_true(store_count < STORES_MAX);
            struct golden *golden = &stores[store_count++];
            (void)snprintf(golden->name, sizeof golden->name, "%.20s/%.40s", versions[i]->d_name, names[j]->d_name);
            files_join(golden->path, root, golden->name);
            char path[FILES_PATH_MAX];
            files_join(path, golden->path, "contents.txt");
            size_t size;
            golden->contents = (char *)files_read(path, &size);
            golden->contents = realloc(golden->contents, size + 1);
            assert_non_null(golden->contents);
            golden->contents[size] = '\0';
            free(names[j]);
        }
        free(names);
        free(versions[i]);
    }
    free(versions);
    return 0;
}

static int release_stores(void **state)
{
    (void)state;
    for (size_t i = 0; i < store_count; i++) {
        free(stores[i].contents);
    }
    return 0;
}

/** Makes the fixture's store a copy of a golden one. */
static void copy(struct fixture *fixture, const struct golden *golden)
{
    char path[FILES_PATH_MAX];
    print_message("# %s\n", golden->name);
    files_remove(fixture->path);
    files_copy_directory(golden->path, fixture->path);
    files_join(path, fixture->path, "contents.txt");
    files_remove(path);
}

struct description {
    alex_txn *txn;
    alex_store *store;
    FILE *text;
};

static int describe_table(void *context, const struct alex_table_info *info)
{
    struct description *description = context;
    bool is_unsigned = info->key_order == ALEX_KEYS_UNSIGNED;
    fprintf(description->text, "table %s %s\n", info->name, is_unsigned ? "unsigned" : "signed");
    alex_table *table = helper_table(description->store, info->name, ALEX_KEYS_DEFAULT);
    alex_cursor *cursor;
    ASSERT_OK(alex_cursor_open(description->txn, table, NULL, &cursor));
    struct alex_entry entry;
    int code;
    while ((code = alex_cursor_next(cursor, &entry)) == ALEX_OK) {
        if (is_unsigned) {
            fprintf(description->text, "%" PRIu64, (uint64_t)entry.key);
        } else {
            fprintf(description->text, "%" PRId64, entry.key);
        }
        fprintf(description->text, " %zu %08" PRIx32 "\n", entry.value.size,
                files_crc32c(0, entry.value.data, entry.value.size));
    }
    ASSERT_CODE(ALEX_NOT_FOUND, code);
    alex_cursor_close(cursor);
    return 0;
}

/** All tables and entries of a store, as contents.txt has them; free() it. */
static char *describe(alex_store *store)
{
    char *text = NULL;
    size_t size = 0;
    struct description description = {helper_begin(store), store, open_memstream(&text, &size)};
    assert_non_null(description.text);
    ASSERT_OK(alex_table_list(store, describe_table, &description));
    ASSERT_OK(alex_end(description.txn));
    assert_int_equal(fclose(description.text), 0);
    return text;
}

/** Asserts that a store has a golden one's tables and entries, and no finding. */
static void assert_tables(alex_store *store, const struct golden *golden)
{
    char *text = describe(store);
    assert_string_equal(text, strstr(golden->contents, "table "));
    free(text);
    helper_check(store);
}

/** Asserts that opening found what a golden store's contents say. */
static void assert_report(alex_store *store, const struct golden *golden)
{
    struct alex_open_report report;
    alex_store_open_report(store, &report);
    char text[200];
    int length =
        snprintf(text, sizeof text, "clean %s\nrecords %" PRIu64 ", dropped %" PRIu64 "\ncut %" PRIu64 "\ntable ",
                 report.clean ? "yes" : "no", report.records_replayed, report.records_dropped, report.cut_bytes);
    assert_memory_equal(golden->contents, text, (size_t)length);
    assert_false(report.created);
    assert_int_equal(report.cut_path[0] != '\0', report.cut_bytes > 0);
}

/* Opened read-only, a store of any version gives all that was in it, and its files are left alone. */
static void test_reading(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < store_count; i++) {
        copy(fixture, &stores[i]);
        uint64_t before = files_fingerprint(fixture->path, "LOCK");
        fixture_store_open(fixture, &(struct alex_options){.read_only = true});
        assert_report(fixture->store, &stores[i]);
        assert_tables(fixture->store, &stores[i]);
        fixture_store_close(fixture);
        assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
    }
}

/** Writes to a store in each way, and takes it back again, so that the store has in the end what it had before. */
static void write_and_undo(struct fixture *fixture)
{
    enum { KEY = 4711 };

    helper_put(fixture->main, KEY, "written by a later use");
    alex_table *table = helper_table(fixture->store, "of a later use", ALEX_KEYS_UNSIGNED);
    struct alex_op ops[] = {
        {ALEX_OP_PUT, fixture->main, KEY + 1, {"batch", 5}},
        {ALEX_OP_PUT, table, -1, {"batch", 5}},
        {ALEX_OP_DELETE, fixture->main, KEY, {NULL, 0}},
    };
    ASSERT_OK(alex_write(fixture->store, ops, sizeof ops / sizeof ops[0]));
    fixture_reopen(fixture);

    struct alex_open_report report;
    alex_store_open_report(fixture->store, &report);
    assert_true(report.clean);
    ASSERT_VALUE(fixture->main, KEY, NULL);
    ASSERT_VALUE(fixture->main, KEY + 1, "batch");
    ASSERT_VALUE(helper_table(fixture->store, "of a later use", ALEX_KEYS_DEFAULT), -1, "batch");
    ASSERT_OK(alex_delete(fixture->main, KEY + 1));
    ASSERT_OK(alex_table_drop(fixture->store, "of a later use"));
}

/* Opened for writing, a store of any version has all that was in it, takes writes, and has the same after them. */
static void test_writing(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < store_count; i++) {
        copy(fixture, &stores[i]);
        fixture_store_open(fixture, NULL);
        assert_report(fixture->store, &stores[i]);
        assert_tables(fixture->store, &stores[i]);
        write_and_undo(fixture);
        assert_tables(fixture->store, &stores[i]);
        fixture_reopen(fixture);
        assert_tables(fixture->store, &stores[i]);
        fixture_store_close(fixture);
    }
}

/* The stores of the version that is written have records of every kind and with every flag. */
static void test_nothing_is_missing(void **state)
{
    (void)state;
    unsigned kinds = 0;
    unsigned flags = 0;
    for (size_t i = 0; i < store_count; i++) {
        if (strtoul(stores[i].name, NULL, 10) != VERSION) {
            continue;
        }
        struct files_record *records;
        size_t count = files_list_records(stores[i].path, &records);
        for (size_t j = 0; j < count; j++) {
            kinds |= 1u << records[j].kind;
            flags |= records[j].flags;
        }
        free(records);
    }
    for (unsigned kind = FILES_PUT; kind <= FILES_DROP; kind++) {
        if ((kinds & 1u << kind) == 0) {
            fail_msg("no golden store has a record of kind %u", kind);
        }
    }
    assert_int_equal(flags, 0x30);
}

/** Gives the manifest of the fixture's store, or the header of its first segment, another version. */
static void set_version(struct fixture *fixture, bool of_manifest, uint32_t version)
{
    char(*segments)[32];
    size_t count = files_list_segments(fixture->path, &segments);
    assert_true(count > 0);
    char path[FILES_PATH_MAX];
    files_join(path, fixture->path, of_manifest ? "MANIFEST" : segments[0]);
    free(segments);
    uint8_t bytes[4];
    bytes_store32(bytes, version);
    files_patch(path, 8, bytes, sizeof bytes);
    if (of_manifest) {
        files_reseal_manifest(path);
    } else {
        files_reseal_segment(path);
    }
}

/** Asserts that the fixture's store is refused, read-only or not, with a message that has `advice` in it, and that none
 *  of its files is touched. */
static void assert_refused(struct fixture *fixture, int code, const char *advice)
{
    uint64_t before = files_fingerprint(fixture->path, "LOCK");
    for (int read_only = 0; read_only < 2; read_only++) {
        struct alex_error error = {0};
        alex_store *store;
        struct alex_options options = {.read_only = read_only != 0, .error = &error};
        ASSERT_CODE(code, alex_open(fixture->path, &options, &store));
        if (error.code != code || strstr(error.message, advice) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", error.message, advice);
        }
    }
    assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
}

/* A store of any version above the library's is refused, with the advice to use a newer library. */
static void test_newer_versions(void **state)
{
    struct fixture *fixture = *state;

    static const uint32_t versions[] = {VERSION + 1, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        for (int of_manifest = 0; of_manifest < 2; of_manifest++) {
            copy(fixture, &stores[0]);
            set_version(fixture, of_manifest != 0, versions[i]);
            assert_refused(fixture, ALEX_NEWER_FORMAT, "use that version or a later one");
        }
    }
    char advice[100];
    (void)snprintf(advice, sizeof advice, "format version %" PRIu32 "; this one knows up to %d", UINT32_MAX, VERSION);
    copy(fixture, &stores[0]);
    set_version(fixture, true, UINT32_MAX);
    assert_refused(fixture, ALEX_NEWER_FORMAT, advice);
}

/* There is no version 0: a store that says so is damaged, and refused with the advice to restore it. */
static void test_version_zero(void **state)
{
    struct fixture *fixture = *state;

    for (int of_manifest = 0; of_manifest < 2; of_manifest++) {
        copy(fixture, &stores[0]);
        set_version(fixture, of_manifest != 0, 0);
        assert_refused(fixture, ALEX_DAMAGED, "restore the store from a copy");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_reading),         TEST_WITH_DIRECTORY(test_writing),
        cmocka_unit_test(test_nothing_is_missing), TEST_WITH_DIRECTORY(test_newer_versions),
        TEST_WITH_DIRECTORY(test_version_zero),
    };
    return cmocka_run_group_tests(tests, find_stores, release_stores);
}
