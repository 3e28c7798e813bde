/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_recovery_replay.c
 * Logs written by hand, record by record: groups of every kind, ends of every kind, and nonsense with good checksums.
 */
#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "os/os.h"
#include "recovery/recovery.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { SHIFT = 16, FILE_BYTES = 1 << SHIFT, FILES_MAX = 3 };

static const uint8_t store_id[RECORD_STORE_ID_BYTES] = "written by hand";

/** A log in the making. */
static struct {
    uint8_t files[FILES_MAX][FILE_BYTES];
    uint64_t ends[FILES_MAX];
    size_t file;     /**< the one that records go to */
    uint64_t number; /**< of the last record */
    struct log_group group;
    struct manifest manifest;
} hand;

static void begin_file(size_t file)
{
    struct segment_header header = {.file_id = file + 1, .slots = 1, .first_number = hand.number + 1};
    memcpy(header.store_id, store_id, sizeof header.store_id);
    segment_header_encode(hand.files[file], &header);
    hand.file = file;
    hand.ends[file] = SEGMENT_HEADER_BYTES;
}

static void begin(void)
{
    memset(&hand, 0, sizeof hand);
    hand.manifest =
        (struct manifest){.segment_shift = SHIFT, .generation = 1, .next_file_id = FILES_MAX + 1, .next_table_id = 2};
    memcpy(hand.manifest.store_id, store_id, sizeof hand.manifest.store_id);
    begin_file(0);
}

/** Where the log ends. */
static struct log_position here(void)
{
    return (struct log_position){hand.file + 1, hand.ends[hand.file]};
}

/** Appends a record with the next number, or that which it has. */
static void append(struct record record, const void *value)
{
    uint64_t offset = hand.ends[hand.file];
    uint8_t *at = hand.files[hand.file] + offset;
    if (record.number == 0) {
        record.number = hand.number + 1;
    }
    memcpy(at + record_header_bytes((record.flags & RECORD_FLAG_PREVIOUS) != 0), value, record.value_bytes);
    record_finish(at, record_seed(store_id, hand.file + 1), offset, &record);
    if ((record.flags & RECORD_FLAG_GROUPED) != 0) {
        if (hand.group.count == 0) {
            hand.group.first_number = record.number;
            hand.group.first = here();
        }
        uint8_t checksum[4];
        bytes_store32(checksum, record.header_checksum);
        hand.group.checksum = base_crc32c(hand.group.checksum, checksum, sizeof checksum);
        hand.group.count++;
    }
    hand.number = record.number;
    hand.ends[hand.file] += record.bytes;
}

static void put(uint64_t key, const char *text)
{
    append((struct record){.kind = RECORD_PUT, .table = 1, .key = key, .value_bytes = (uint32_t)strlen(text)}, text);
}

static void put_grouped(uint64_t key, const char *text)
{
    append((struct record){.kind = RECORD_PUT,
                           .flags = RECORD_FLAG_GROUPED,
                           .table = 1,
                           .key = key,
                           .value_bytes = (uint32_t)strlen(text)},
           text);
}

static void mark(struct log_position durable)
{
    uint8_t value[RECORD_MARK_VALUE_BYTES];
    bytes_store64(value, durable.offset);
    append((struct record){.kind = RECORD_MARK, .key = durable.file_id, .value_bytes = sizeof value}, value);
}

static void commit_as(const struct log_group *group)
{
    uint8_t value[RECORD_COMMIT_VALUE_BYTES] = {0};
    bytes_store64(value, group->first_number);
    bytes_store64(value + 8, group->first.file_id);
    bytes_store64(value + 16, group->first.offset);
    bytes_store32(value + 24, group->checksum);
    append((struct record){.kind = RECORD_COMMIT, .key = group->count, .value_bytes = sizeof value}, value);
}

static void commit(void)
{
    commit_as(&hand.group);
    hand.group = (struct log_group){0};
}

static void abort_range(uint64_t first, uint64_t last)
{
    uint8_t value[RECORD_ABORT_VALUE_BYTES];
    bytes_store64(value, first);
    bytes_store64(value + 8, last);
    append((struct record){.kind = RECORD_ABORT, .value_bytes = sizeof value}, value);
}

static void seal(void)
{
    append((struct record){.kind = RECORD_SEAL, .key = hand.file + 2}, "");
    begin_file(hand.file + 1);
}

static void table(uint32_t id, const char *name, uint32_t name_bytes)
{
    append((struct record){.kind = RECORD_TABLE, .table = id, .key = ALEX_KEYS_SIGNED, .value_bytes = name_bytes},
           name);
}

static void drop(uint32_t id)
{
    append((struct record){.kind = RECORD_DROP, .table = id}, "");
}

static void rename_to(uint32_t id, const char *name, uint32_t name_bytes)
{
    append((struct record){.kind = RECORD_RENAME, .table = id, .value_bytes = name_bytes}, name);
}

static void path_of_file(const struct fixture *fixture, size_t file, char *out_path)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%016zx.log", file + 1);
    files_join(out_path, fixture->path, name);
}

/** Writes the store's files. */
static void end(struct fixture *fixture)
{
    struct log_listed listed[FILES_MAX];
    files_remove(fixture->path);
    ASSERT_OK(os_directory_create(fixture->path, NULL));
    for (size_t i = 0; i <= hand.file; i++) {
        char path[FILES_PATH_MAX];
        path_of_file(fixture, i, path);
        files_write(path, hand.files[i], FILE_BYTES);
        listed[i] = (struct log_listed){i + 1, 1};
    }
    hand.manifest.segments = listed;
    hand.manifest.segment_count = hand.file + 1;
    ASSERT_OK(manifest_write(fixture->path, &hand.manifest, NULL));
}

static void open_and_report(struct fixture *fixture, struct alex_open_report *out_report)
{
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, out_report);
    helper_check(fixture->store);
}

/** Asserts that the open store can be written, and opens cleanly twice more. */
static void assert_goes_on(struct fixture *fixture)
{
    for (int64_t round = 0; round < 2; round++) {
        struct alex_open_report report;
        helper_put(fixture->main, 9000 + round, "later");
        fixture_reopen(fixture);
        alex_store_open_report(fixture->store, &report);
        assert_true(report.clean);
        assert_int_equal(report.cut_bytes, 0);
        ASSERT_VALUE(fixture->main, 9000 + round, "later");
    }
    helper_check(fixture->store);
    fixture_store_close(fixture);
}

/** Asserts that opening is refused with `code`, and that no file is touched by it. */
static void assert_refused(struct fixture *fixture, int code)
{
    struct alex_error error;
    uint64_t before = files_fingerprint(fixture->path, "LOCK");
    helper_open_fails(fixture->path, code, &error);
    assert_true(error.message[0] != '\0');
    assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
}

/** Asserts that the log is cut at `at`. */
static void assert_cut(struct fixture *fixture, struct log_position at)
{
    struct alex_open_report report;
    char path[FILES_PATH_MAX];
    open_and_report(fixture, &report);
    path_of_file(fixture, at.file_id - 1, path);
    assert_string_equal(report.cut_path, path);
    assert_int_equal(report.cut_offset, at.offset);
    assert_true(report.cut_bytes > 0);
}

/* ------------------------------------------------------------------------------------------------ groups */

/* A group with its COMMIT counts, in one file or over the end of one, with marks in between. */
static void test_committed_group(void **state)
{
    struct fixture *fixture = *state;
    for (int files = 1; files <= 2; files++) {
        struct alex_open_report report;
        begin();
        put(1, "single");
        struct log_position durable = here();
        put_grouped(1, "grouped");
        mark(durable);
        put_grouped(2, "grouped");
        if (files == 2) {
            seal();
        }
        put_grouped(3, "grouped");
        commit();
        put(4, "single");
        end(fixture);
        open_and_report(fixture, &report);
        assert_int_equal(report.records_dropped, 0);
        assert_int_equal(report.cut_bytes, 0);
        ASSERT_VALUE(fixture->main, 1, "grouped");
        ASSERT_VALUE(fixture->main, 2, "grouped");
        ASSERT_VALUE(fixture->main, 3, "grouped");
        ASSERT_VALUE(fixture->main, 4, "single");
        assert_goes_on(fixture);
    }
}

/* A group without COMMIT does not count, then or ever: a commit that follows later covers only its own. */
static void test_group_without_commit(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;
    begin();
    put(1, "single");
    put_grouped(1, "never");
    put_grouped(2, "never");
    end(fixture);
    open_and_report(fixture, &report);
    assert_int_equal(report.records_dropped, 2);
    assert_int_equal(report.cut_bytes, 0);
    ASSERT_VALUE(fixture->main, 1, "single");
    ASSERT_VALUE(fixture->main, 2, NULL);
    struct alex_op op = {ALEX_OP_PUT, fixture->main, 3, {"three", 5}};
    ASSERT_OK(alex_write(fixture->store, &op, 1));
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "single");
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_VALUE(fixture->main, 3, "three");
    assert_goes_on(fixture);
}

/* The same where the manifest says that the store was closed, which no writer leaves so. */
static void test_clean_with_open_group(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;
    begin();
    put(1, "single");
    put_grouped(2, "never");
    hand.manifest.clean = true;
    hand.manifest.durable = here();
    end(fixture);
    open_and_report(fixture, &report);
    assert_int_equal(report.records_dropped, 1);
    ASSERT_VALUE(fixture->main, 1, "single");
    ASSERT_VALUE(fixture->main, 2, NULL);
    assert_goes_on(fixture);
}

/* The same where a file was prepared and not used before the store was closed. */
static void test_clean_with_prepared_file(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;
    begin();
    put(1, "single");
    hand.manifest.clean = true;
    hand.manifest.durable = here();
    begin_file(1);
    end(fixture);
    open_and_report(fixture, &report);
    assert_int_equal(report.cut_bytes, 0);
    ASSERT_VALUE(fixture->main, 1, "single");
    assert_goes_on(fixture);
}

/* An ABORT takes back what it names and nothing else. */
static void test_aborts(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;
    begin();
    put_grouped(1, "aborted");
    put_grouped(2, "aborted");
    abort_range(1, 2);
    hand.group = (struct log_group){0};
    put_grouped(3, "kept");
    struct log_group first = hand.group;
    put_grouped(4, "taken back");
    abort_range(hand.number, hand.number);
    hand.group = first;
    abort_range(1, 2); /* of before */
    put_grouped(5, "kept");
    commit();
    abort_range(1, hand.number); /* too late for what was committed */
    put_grouped(6, "taken back");
    hand.group = (struct log_group){0};
    abort_range(1, UINT64_MAX);
    end(fixture);
    open_and_report(fixture, &report);
    assert_int_equal(report.records_dropped, 4);
    ASSERT_VALUE(fixture->main, 1, NULL);
    ASSERT_VALUE(fixture->main, 2, NULL);
    ASSERT_VALUE(fixture->main, 3, "kept");
    ASSERT_VALUE(fixture->main, 4, NULL);
    ASSERT_VALUE(fixture->main, 5, "kept");
    assert_goes_on(fixture);
}

/* A COMMIT that disagrees with what was read is a bad record: the edge of a crash from W on, damage below it. */
static void test_commit_that_disagrees(void **state)
{
    struct fixture *fixture = *state;
    for (int wrong = 0; wrong < 6; wrong++) {
        for (int below = 0; below < 2; below++) {
            begin();
            put(1, "single");
            put_grouped(1, "grouped");
            put_grouped(2, "grouped");
            struct log_group group = hand.group;
            group.first_number += wrong == 0;
            group.first.file_id += wrong == 1;
            group.first.offset += wrong == 2;
            group.checksum += wrong == 3;
            group.count -= wrong == 4;
            group = wrong == 5 ? (struct log_group){0} : group;
            struct log_position at = here();
            commit_as(&group);
            put(5, "behind");
            hand.manifest.durable = below == 1 ? here() : (struct log_position){0};
            end(fixture);
            if (below == 1) {
                assert_refused(fixture, ALEX_DAMAGED);
                continue;
            }
            assert_cut(fixture, at);
            ASSERT_VALUE(fixture->main, 1, "single");
            ASSERT_VALUE(fixture->main, 2, NULL);
            ASSERT_VALUE(fixture->main, 5, NULL);
            assert_goes_on(fixture);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ ends */

/* A bad value ends the log from W on; below W it takes nothing with it. */
static void test_bad_value(void **state)
{
    struct fixture *fixture = *state;
    for (int below = 0; below < 3; below++) {
        begin();
        put(1, "one");
        struct log_position at = here();
        put(2, "two");
        struct log_position behind = here();
        put(3, "three");
        hand.files[0][at.offset + RECORD_HEADER_BYTES] ^= 1;
        if (below == 1) {
            hand.manifest.durable = behind;
        } else if (below == 2) {
            mark(behind); /* found behind the hole only */
        }
        end(fixture);
        if (below == 0) {
            assert_cut(fixture, at);
            ASSERT_VALUE(fixture->main, 2, NULL);
            ASSERT_VALUE(fixture->main, 3, NULL);
            assert_goes_on(fixture);
            continue;
        }
        struct alex_error error;
        char buffer[16];
        fixture_store_open(fixture, NULL);
        ASSERT_VALUE(fixture->main, 1, "one");
        ASSERT_CODE(ALEX_DAMAGED, alex_get(fixture->main, 2, buffer, sizeof buffer, NULL));
        alex_store_error(fixture->store, &error);
        assert_int_equal(error.offset, at.offset);
        ASSERT_VALUE(fixture->main, 3, "three");
        fixture_store_close(fixture);
    }
}

/* A bad header below a mark that lies beyond it, in its file or the next, is damage, and is told with its place. */
static void test_mark_beyond_hole(void **state)
{
    struct fixture *fixture = *state;
    for (int files = 1; files <= 2; files++) {
        begin();
        put(1, "one");
        struct log_position at = here();
        put(2, "two");
        struct log_position durable = here();
        if (files == 2) {
            seal();
        }
        put(3, "three");
        mark(durable);
        memset(hand.files[0] + at.offset, 0, RECORD_HEADER_BYTES);
        end(fixture);
        assert_refused(fixture, ALEX_DAMAGED);
        struct alex_error error;
        char path[FILES_PATH_MAX];
        path_of_file(fixture, 0, path);
        helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
        assert_string_equal(error.path, path);
        assert_int_equal(error.offset, at.offset);
    }
}

/* A number that is not greater than the last ends the log. */
static void test_numbers_must_ascend(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t number = 1; number <= 2; number++) {
        begin();
        put(1, "one");
        put(2, "two");
        struct log_position at = here();
        append((struct record){.kind = RECORD_PUT, .table = 1, .key = 3, .number = number, .value_bytes = 1}, "x");
        end(fixture);
        assert_cut(fixture, at);
        ASSERT_VALUE(fixture->main, 2, "two");
        ASSERT_VALUE(fixture->main, 3, NULL);
        assert_goes_on(fixture);
    }
}

/* A SEAL that leads nowhere ends the log before it. */
static void test_seal_to_nowhere(void **state)
{
    struct fixture *fixture = *state;
    begin();
    put(1, "one");
    struct log_position at = here();
    append((struct record){.kind = RECORD_SEAL, .key = 3}, "");
    begin_file(1);
    put(2, "two");
    end(fixture);
    assert_cut(fixture, at);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, NULL);
    assert_goes_on(fixture);
}

/* A manifest that calls the store clean means that the log ends where it says, not before and not behind. */
static void test_clean_but_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    for (int later = 0; later < 2; later++) {
        begin();
        put(1, "one");
        hand.manifest.durable = here();
        put(2, "two");
        hand.manifest.durable.offset += later == 1 ? 4096 : 0;
        hand.manifest.clean = true;
        end(fixture);
        assert_refused(fixture, ALEX_DAMAGED);
    }
}

/* A record of a newer version is refused wherever it stands, and nothing is touched. */
static void test_newer_record(void **state)
{
    struct fixture *fixture = *state;
    static const unsigned kinds[] = {RECORD_KIND_LAST + 1, 15, RECORD_PUT | 0x40, RECORD_PUT | 0x80};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        begin();
        put(1, "one");
        append((struct record){.kind = (enum record_kind)(kinds[i] & 15), .flags = kinds[i] & 0xF0, .table = 1}, "");
        end(fixture);
        assert_refused(fixture, ALEX_NEWER_FORMAT);
    }
}

/* ------------------------------------------------------------------------------------------------ tables, nonsense */

/* Records of a dropped table count for nothing, and its name and not its id is free again. */
static void test_dropped_table(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;
    alex_table *again;
    begin();
    table(2, "second", 6);
    append((struct record){.kind = RECORD_PUT, .table = 2, .key = 1, .value_bytes = 1}, "x");
    drop(2);
    append((struct record){.kind = RECORD_PUT, .table = 2, .key = 2, .value_bytes = 1}, "x");
    table(3, "second", 6);
    append((struct record){.kind = RECORD_PUT, .table = 3, .key = 3, .value_bytes = 1}, "y");
    end(fixture);
    open_and_report(fixture, &report);
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.tables, 2);
    assert_int_equal(stats.keys, 1);
    again = helper_table(fixture->store, "second", ALEX_KEYS_DEFAULT);
    ASSERT_VALUE(again, 1, NULL);
    ASSERT_VALUE(again, 2, NULL);
    ASSERT_VALUE(again, 3, "y");
    assert_goes_on(fixture);
}

/* Records of tables that can't be are damage, and opening says where. */
static void test_impossible_tables(void **state)
{
    struct fixture *fixture = *state;
    for (int what = 0; what < 14; what++) {
        begin();
        table(2, "second", 6);
        table(4, "fourth", 6);
        switch (what) {
        case 0:
            append((struct record){.kind = RECORD_PUT, .table = 7}, "");
            break;
        case 1:
            append((struct record){.kind = RECORD_DELETE, .table = 7}, "");
            break;
        case 2:
            drop(1);
            break;
        case 3:
            drop(7);
            break;
        case 4:
            table(1, "first", 5);
            break;
        case 5:
            table(2, "other", 5);
            break;
        case 6:
            table(3, "second", 6);
            break;
        case 7:
            table(3, "a\0b", 3);
            break;
        case 8:
            rename_to(1, "first", 5);
            break;
        case 9:
            rename_to(7, "seventh", 7);
            break;
        case 10:
            rename_to(2, "fourth", 6);
            break;
        case 11:
            rename_to(2, "main", 4);
            break;
        case 12:
            rename_to(2, "a\0b", 3);
            break;
        default:
            table(UINT32_MAX, "last", 4);
            break;
        }
        end(fixture);
        assert_refused(fixture, ALEX_DAMAGED);
    }
}

/* The last id there is was given to a table that never counted: no other table can be made any more. */
static void test_table_ids_used_up(void **state)
{
    struct fixture *fixture = *state;
    alex_table *made;
    begin();
    put(1, "one");
    append((struct record){.kind = RECORD_TABLE,
                           .flags = RECORD_FLAG_GROUPED,
                           .table = UINT32_MAX,
                           .key = ALEX_KEYS_SIGNED,
                           .value_bytes = 4},
           "last");
    end(fixture);
    fixture_store_open(fixture, NULL);
    ASSERT_CODE(ALEX_TOO_LARGE, alex_table_open(fixture->store, "another", NULL, &made));
    assert_goes_on(fixture);
}

/* A record that leaves its segment no space for a SEAL is none: no writer makes one. */
static void test_record_to_the_segments_end(void **state)
{
    struct fixture *fixture = *state;
    static char value[FILE_BYTES];
    for (uint64_t left = 0; left <= 40; left += 8) {
        begin();
        put(1, "one");
        struct log_position at = here();
        uint32_t size = (uint32_t)(FILE_BYTES - at.offset - RECORD_HEADER_BYTES - left);
        memset(value, 'v', size);
        append((struct record){.kind = RECORD_PUT, .table = 1, .key = 2, .value_bytes = size}, value);
        end(fixture);
        if (left < RECORD_HEADER_BYTES) {
            assert_cut(fixture, at);
            assert_int_equal(alex_exists(fixture->main, 2), ALEX_NOT_FOUND);
        } else {
            fixture_store_open(fixture, NULL);
            assert_int_equal(alex_exists(fixture->main, 2), ALEX_OK);
        }
        ASSERT_VALUE(fixture->main, 1, "one");
        assert_goes_on(fixture);
    }
}

/* Numbers that are used up refuse to be written on, and can still be read. */
static void test_numbers_used_up(void **state)
{
    struct fixture *fixture = *state;
    for (int of_floor = 0; of_floor < 2; of_floor++) {
        begin();
        put(1, "one");
        if (of_floor == 1) {
            hand.manifest.number_floor = RECORD_NUMBER_MAX;
        } else {
            append((struct record){.kind = RECORD_PUT, .table = 1, .key = 2, .number = RECORD_NUMBER_MAX}, "");
        }
        end(fixture);
        assert_refused(fixture, ALEX_DAMAGED);
        struct alex_options options = {.read_only = true};
        fixture_store_open(fixture, &options);
        ASSERT_VALUE(fixture->main, 1, "one");
        fixture_store_close(fixture);
    }
}

/* A listed file that is gone or has no good header is damage, whichever it is: nothing opens as if it had never been.
 * */
static void test_file_lost(void **state)
{
    struct fixture *fixture = *state;
    for (size_t file = 0; file < 2; file++) {
        for (int gone = 0; gone < 2; gone++) {
            char path[FILES_PATH_MAX];
            begin();
            put(1, "one");
            seal();
            put(2, "two");
            end(fixture);
            path_of_file(fixture, file, path);
            if (gone == 1) {
                files_remove(path);
            } else {
                files_flip_bit(path, 20, 1);
            }
            struct alex_error error;
            helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
            assert_string_equal(error.path, path);
        }
    }
}

static int setup(void **state)
{
    faults_prefer_memory();
    faults_install(); /* no test here needs a real sync */
    return fixture_directory(state);
}

static int teardown(void **state)
{
    int result = fixture_close(state);
    faults_remove();
    return result;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* Files that a cut has made meaningless are removed, or the store is not opened yet. */
static void test_cut_off_file_that_stays(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    begin();
    put(1, "kept");
    hand.files[0][hand.ends[0]] = 1; /* no record */
    begin_file(1);
    put(2, "cut off");
    begin_file(2);
    end(fixture);
    for (uint64_t first = 1; first <= 2; first++) {
        struct alex_error error;
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_UNLINK), .first = first, .os_errno = EIO});
        end(fixture);
        helper_open_fails(fixture->path, ALEX_IO, &error);
        faults_clear();
        path_of_file(fixture, first, path);
        assert_true(files_exists(path));
        assert_string_equal(error.path, path);
    }
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "kept");
    ASSERT_VALUE(fixture->main, 2, NULL);
    assert_goes_on(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_committed_group),
        TEST(test_group_without_commit),
        TEST(test_clean_with_open_group),
        TEST(test_clean_with_prepared_file),
        TEST(test_aborts),
        TEST(test_commit_that_disagrees),
        TEST(test_bad_value),
        TEST(test_mark_beyond_hole),
        TEST(test_numbers_must_ascend),
        TEST(test_seal_to_nowhere),
        TEST(test_clean_but_elsewhere),
        TEST(test_newer_record),
        TEST(test_dropped_table),
        TEST(test_impossible_tables),
        TEST(test_table_ids_used_up),
        TEST(test_record_to_the_segments_end),
        TEST(test_numbers_used_up),
        TEST(test_file_lost),
        TEST(test_cut_off_file_that_stays),
    };
    return cmocka_run_group_tests_name("recovery replay", tests, NULL, NULL);
}
