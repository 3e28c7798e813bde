/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_check_findings.c
 * What a check finds: each kind of damage, told with its place, and everything else all the same.
 */
#include <stdio.h>

#include "index/tree.h"
#include "store/store_internal.h"
#include "support/store_helper.h"

enum { KEYS = 20, FINDINGS_MAX = 64 };

struct findings {
    size_t count;
    struct {
        char path[FILES_PATH_MAX];
        uint64_t offset;
        char message[256];
    } items[FINDINGS_MAX];
};

static int note(void *context, const struct alex_finding *finding)
{
    struct findings *findings = context;
    assert_int_equal(finding->code, ALEX_DAMAGED);
    assert_true(findings->count < FINDINGS_MAX);
    (void)snprintf(findings->items[findings->count].path, FILES_PATH_MAX, "%s", finding->path);
    (void)snprintf(findings->items[findings->count].message, 256, "%s", finding->message);
    findings->items[findings->count++].offset = finding->offset;
    return 0;
}

static void check(alex_store *store, struct findings *out_findings, struct alex_check_report *out_report)
{
    memset(out_findings, 0, sizeof *out_findings);
    ASSERT_OK(alex_check(store, note, out_findings, out_report));
    assert_int_equal(out_report->findings, out_findings->count);
}

/** Whether a finding is at a place. */
static bool found_at(const struct findings *findings, const char *path, uint64_t offset)
{
    for (size_t i = 0; i < findings->count; i++) {
        if (strcmp(findings->items[i].path, path) == 0 && findings->items[i].offset == offset) {
            return true;
        }
    }
    return false;
}

static void fill(struct fixture *fixture)
{
    for (int64_t key = 0; key < KEYS; key++) {
        helper_put(fixture->main, key, "thirteen byte");
    }
}

/** Where a key's record is. */
static void find_record(struct fixture *fixture, int64_t key, char *out_path, struct log_position *out_at)
{
    uint64_t ref = index_find(fixture->main->index, table_index_key(fixture->main, key));
    *out_at = log_locate(fixture->store->log, ref, out_path, FILES_PATH_MAX);
}

/* A store without damage has no findings, and every record, byte and key is counted. */
static void test_nothing_found(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    struct alex_store_stats stats;
    fill(fixture);
    check(fixture->store, &findings, &report);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(report.findings, 0);
    assert_int_equal(report.keys, KEYS);
    assert_int_equal(report.records, KEYS);
    assert_int_equal(report.bytes, stats.log_bytes);
}

/* Any bit of any record that changes while the store is open is found, at its record, and the check goes on behind
 * it. */
static void test_every_part_of_a_record(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    char path[FILES_PATH_MAX];
    struct log_position at;
    fill(fixture);
    find_record(fixture, KEYS / 2, path, &at);
    for (uint64_t byte = 0; byte < 48; byte++) { /* header, value, padding */
        files_flip_bit(path, at.offset + byte, (unsigned)byte % 8);
        check(fixture->store, &findings, &report);
        assert_true(report.findings >= 1);
        assert_true(found_at(&findings, path, at.offset));
        bool in_padding = byte >= 32 + 13;
        assert_int_equal(report.keys, in_padding ? KEYS : KEYS - 1);
        files_flip_bit(path, at.offset + byte, (unsigned)byte % 8);
    }
    check(fixture->store, &findings, &report);
    assert_int_equal(report.findings, 0);
}

/* Damage in several places is found in one pass; a visit can stop it. */
static int stop(void *context, const struct alex_finding *finding)
{
    (void)finding;
    ++*(int *)context;
    return 42;
}

static void test_several_and_stop(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    char path[FILES_PATH_MAX];
    struct log_position at[3];
    static const int64_t keys[] = {2, 3, KEYS - 1};
    fill(fixture);
    for (size_t i = 0; i < 3; i++) {
        find_record(fixture, keys[i], path, &at[i]);
        files_flip_bit(path, at[i].offset + 8 + 16 * i, 0); /* length, number, value */
    }
    check(fixture->store, &findings, &report);
    for (size_t i = 0; i < 3; i++) {
        assert_true(found_at(&findings, path, at[i].offset));
    }
    assert_int_equal(report.keys, KEYS - 3);
    int visits = 0;
    assert_int_equal(alex_check(fixture->store, stop, &visits, &report), 42);
    assert_int_equal(visits, 1);
    ASSERT_OK(alex_check(fixture->store, NULL, NULL, &report)); /* a visit is optional */
    assert_int_equal(report.findings, findings.count);
    for (size_t i = 0; i < 3; i++) {
        files_flip_bit(path, at[i].offset + 8 + 16 * i, 0);
    }
}

/* A segment's header and the manifest are checked too. */
static void test_header_and_manifest(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    char log_path_text[FILES_PATH_MAX];
    char manifest_path[FILES_PATH_MAX];
    struct log_position at;
    fill(fixture);
    find_record(fixture, 0, log_path_text, &at);
    files_join(manifest_path, fixture->path, MANIFEST_NAME);
    files_flip_bit(log_path_text, 17, 3);
    files_flip_bit(manifest_path, 20, 3);
    check(fixture->store, &findings, &report);
    assert_int_equal(report.findings, 2);
    assert_true(found_at(&findings, log_path_text, 0));
    assert_string_equal(findings.items[0].path, manifest_path);
    assert_int_equal(report.keys, KEYS);
    files_flip_bit(log_path_text, 17, 3);
    files_flip_bit(manifest_path, 20, 3);
}

/* An index entry that leads to a good record of another key is found. */
static void test_entry_to_another_record(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    struct index_position position;
    fill(fixture);
    uint64_t other = index_find(fixture->main->index, table_index_key(fixture->main, 4));
    ASSERT_OK(index_prepare(fixture->main->index, table_index_key(fixture->main, 3), &position));
    index_set(fixture->main->index, &position, other);
    check(fixture->store, &findings, &report);
    assert_int_equal(report.findings, 1);
    assert_non_null(strstr(findings.items[0].message, "key 3"));
    char buffer[32];
    ASSERT_CODE(ALEX_DAMAGED, alex_get(fixture->main, 3, buffer, sizeof buffer, NULL)); /* never a wrong value */
    struct index_position again;
    ASSERT_OK(index_prepare(fixture->main->index, table_index_key(fixture->main, 3), &again));
    index_set(fixture->main->index, &again, position.payload);
}

/** Has the index lead from key 3 of `main` to `ref`, checks the store, and puts the index right again. */
static void check_misled(struct fixture *fixture, uint64_t ref, struct findings *out_findings)
{
    struct alex_check_report report;
    struct index_position position;
    struct index_position again;
    ASSERT_OK(index_prepare(fixture->main->index, table_index_key(fixture->main, 3), &position));
    index_set(fixture->main->index, &position, ref);
    check(fixture->store, out_findings, &report);
    ASSERT_OK(index_prepare(fixture->main->index, table_index_key(fixture->main, 3), &again));
    index_set(fixture->main->index, &again, position.payload);
}

/* So is one that leads to the record of the same key in another table, or to its end. */
static void test_entry_to_record_of_another_kind(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    fill(fixture);
    alex_table *table = helper_table(fixture->store, "other", ALEX_KEYS_SIGNED);
    helper_put(table, 3, "in the other table");
    check_misled(fixture, index_find(table->index, table_index_key(table, 3)), &findings);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.items[0].message, "key 3"));

    alex_txn *txn = helper_begin(fixture->store); /* keeps the end of key 3 in the index */
    uint64_t put = index_find(fixture->main->index, table_index_key(fixture->main, 3));
    ASSERT_OK(alex_delete(fixture->main, 3));
    check_misled(fixture, put | LOG_REF_TOMBSTONE, &findings);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.items[0].message, "key 3"));
    ASSERT_OK(alex_end(txn));
}

/* An index that is wrong in itself is found, whatever its entries lead to. */
static void test_wrong_index(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    fill(fixture);
    fixture->main->index->count++;
    check(fixture->store, &findings, &report);
    fixture->main->index->count--;
    assert_int_equal(findings.count, 1);
    assert_true(found_at(&findings, fixture->store->path, 0));
    assert_non_null(strstr(findings.items[0].message, "the index of table \"main\" is wrong"));
}

/* Behind damage at the log's end there is nothing to go on to. */
static void test_damage_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    char path[FILES_PATH_MAX];
    struct log_position at;
    fill(fixture);
    find_record(fixture, KEYS - 1, path, &at);
    files_flip_bit(path, at.offset + 8, 0);
    check(fixture->store, &findings, &report);
    files_flip_bit(path, at.offset + 8, 0);
    assert_int_equal(report.findings, 2); /* in the log, and from the index */
    assert_true(found_at(&findings, path, at.offset));
    assert_int_equal(report.records, KEYS - 1);
}

static int stop_at_an_index(void *context, const struct alex_finding *finding)
{
    ++*(int *)context;
    return strstr(finding->message, "in table") != NULL ? 42 : 0;
}

/* A visit can stop the check within a table, also in the last of several runs of its entries. */
static void test_stop_in_a_table(void **state)
{
    struct fixture *fixture = *state;
    struct alex_check_report report;
    char path[FILES_PATH_MAX];
    struct log_position at;
    static const int64_t keys[] = {3, 63, 130}; /* within a run, and at its end, of 64 */
    for (int64_t key = 0; key < 200; key++) {
        helper_put(fixture->main, key, "value");
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        find_record(fixture, keys[i], path, &at);
        files_flip_bit(path, at.offset + 8, 0);
        int visits = 0;
        assert_int_equal(alex_check(fixture->store, stop_at_an_index, &visits, &report), 42);
        assert_int_equal(visits, 2); /* in the log, and from the index */
        files_flip_bit(path, at.offset + 8, 0);
    }
}

/* A manifest that a newer version has written meanwhile is a finding. */
static void test_newer_manifest(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    char path[FILES_PATH_MAX];
    files_join(path, fixture->path, MANIFEST_NAME);
    files_flip_bit(path, 8, 1);
    files_reseal_manifest(path);
    check(fixture->store, &findings, &report);
    files_flip_bit(path, 8, 1);
    files_reseal_manifest(path);
    assert_int_equal(report.findings, 1);
    assert_string_equal(findings.items[0].path, path);
}

/* A manifest that has gone from under an open store is missed. */
static void test_missing_manifest(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    struct alex_check_report report;
    char path[FILES_PATH_MAX];
    files_join(path, fixture->path, MANIFEST_NAME);
    size_t size;
    unsigned char *manifest = files_read(path, &size);
    files_remove(path);
    check(fixture->store, &findings, &report);
    files_write(path, manifest, size);
    free(manifest);
    assert_int_equal(report.findings, 1);
    assert_string_equal(findings.items[0].path, fixture->store->path);
    assert_string_equal(findings.items[0].message, "the manifest is missing");
}

/** Asserts that a check of the store, opened read-only, and a look with a salvage find bytes at a place, or nothing. */
static void assert_rest(struct fixture *fixture, const char *path, uint64_t offset, bool expected)
{
    struct findings findings;
    struct alex_check_report report;
    struct alex_options options = {.read_only = true};
    fixture_store_open(fixture, &options);
    check(fixture->store, &findings, &report);
    assert_int_equal(findings.count, expected);
    assert_int_equal(found_at(&findings, path, offset), expected);
    fixture_store_close(fixture);
    memset(&findings, 0, sizeof findings);
    ASSERT_OK(alex_salvage(fixture->path, NULL, note, &findings, NULL, NULL));
    assert_int_equal(findings.count, expected);
    assert_int_equal(found_at(&findings, path, offset), expected);
}

/* Bytes behind a SEAL are found if they are not zero; whatever they are, they are without effect. */
static void test_bytes_behind_a_seal(void **state)
{
    struct fixture *fixture = *state;
    const struct store_tuning tuning = {.segment_shift = 16};
    static unsigned char value[40000];
    struct files_record *records;
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    for (int64_t key = 0; key < 3; key++) {
        ASSERT_OK(alex_put(alex_main_table(fixture->store), key, value, sizeof value, NULL));
    }
    fixture_store_close(fixture);
    size_t count = files_list_records(fixture->path, &records);
    size_t seals = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind != FILES_SEAL) {
            continue;
        }
        seals++;
        assert_int_equal(files_size(records[i].path), records[i].end);
        files_truncate(records[i].path, records[i].end + 20000);
        assert_rest(fixture, records[i].path, records[i].end, false);
        files_patch(records[i].path, records[i].end + 12345, "x", 1);
        assert_rest(fixture, records[i].path, records[i].end, true);
        struct alex_salvage_report report;
        char target[FILES_PATH_MAX];
        files_join(target, fixture->directory, "salvaged");
        files_remove(target);
        ASSERT_OK(alex_salvage(fixture->path, target, NULL, NULL, &report, NULL)); /* where nothing is left out */
        assert_int_equal(report.findings, 0);
        assert_int_equal(report.keys, 3);
        fixture_store_open(fixture, NULL); /* a writer leaves them alone */
        fixture_store_close(fixture);
        assert_rest(fixture, records[i].path, records[i].end, true);
        files_truncate(records[i].path, records[i].end);
        assert_rest(fixture, records[i].path, records[i].end, false);
    }
    assert_int_equal(seals, 2);
    free(records);
}

/* Bytes behind the place where a log was closed are found, and cut off by the next writer. */
static void test_bytes_behind_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record last;
    struct alex_open_report report;
    fixture_store_open(fixture, NULL);
    fill(fixture);
    fixture_store_close(fixture);
    files_last_record(fixture->path, &last);
    files_patch(last.path, last.end, "twelve bytes", 12);
    assert_rest(fixture, last.path, last.end, true);
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_true(report.clean);
    assert_int_equal(report.cut_bytes, 16);
    fixture_store_close(fixture);
    assert_rest(fixture, last.path, last.end, false);
}

/* A check needs a store and a place for its report. */
static void test_arguments(void **state)
{
    struct fixture *fixture = *state;
    struct alex_check_report report;
    struct alex_error error;
    ASSERT_CODE(ALEX_INVALID, alex_check(NULL, NULL, NULL, &report));
    ASSERT_CODE(ALEX_INVALID, alex_check(fixture->store, NULL, NULL, NULL));
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_nothing_found),
        TEST_WITH_STORE(test_every_part_of_a_record),
        TEST_WITH_STORE(test_several_and_stop),
        TEST_WITH_STORE(test_header_and_manifest),
        TEST_WITH_STORE(test_entry_to_another_record),
        TEST_WITH_STORE(test_entry_to_record_of_another_kind),
        TEST_WITH_STORE(test_wrong_index),
        TEST_WITH_STORE(test_damage_at_the_end),
        TEST_WITH_STORE(test_missing_manifest),
        TEST_WITH_STORE(test_stop_in_a_table),
        TEST_WITH_STORE(test_newer_manifest),
        TEST_WITH_DIRECTORY(test_bytes_behind_a_seal),
        TEST_WITH_DIRECTORY(test_bytes_behind_the_end),
        TEST_WITH_STORE(test_arguments),
    };
    return cmocka_run_group_tests_name("check findings", tests, NULL, NULL);
}
