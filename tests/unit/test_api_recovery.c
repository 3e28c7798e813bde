/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_recovery.c
 * What a store is after its writer was killed, with the tail of its log whole, torn or garbled; and the mistakes that
 * stores of this kind are known to have made in replay.
 */
#include <sys/mman.h>

#include "support/store_helper.h"

enum { SYNCED = 20, KEYS = 40 };

static void child_put(alex_table *table, int64_t key)
{
    unsigned char value[100];
    helper_fill(value, sizeof value, (uint64_t)key);
    CHILD_REQUIRE(alex_put(table, key, value, sizeof value, NULL) == ALEX_OK);
}

/** Puts keys 0 to KEYS - 1, with a sync before key SYNCED, and dies. */
static int put_and_die(void *context)
{
    struct fixture *fixture = context;
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(fixture->path, NULL, &store) == ALEX_OK);
    for (int64_t key = 0; key < KEYS; key++) {
        if (key == SYNCED) {
            CHILD_REQUIRE(alex_sync(store) == ALEX_OK);
        }
        child_put(alex_main_table(store), key);
    }
    return 0;
}

/** The same without the sync. */
static int put_unsynced_and_die(void *context)
{
    struct fixture *fixture = context;
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(fixture->path, NULL, &store) == ALEX_OK);
    for (int64_t key = 0; key < KEYS; key++) {
        child_put(alex_main_table(store), key);
    }
    return 0;
}

static bool has_key(alex_table *table, int64_t key)
{
    unsigned char value[100];
    size_t size = 0;
    int code = alex_get(table, key, value, sizeof value, &size);
    if (code == ALEX_NOT_FOUND) {
        return false;
    }
    ASSERT_OK(code);
    assert_int_equal(size, sizeof value);
    assert_true(helper_is_filled(value, size, (uint64_t)key));
    return true;
}

/** Asserts that exactly the keys 0 to `count` - 1 are there. */
static void assert_keys(alex_table *table, int64_t count)
{
    for (int64_t key = 0; key < KEYS; key++) {
        assert_int_equal(has_key(table, key), key < count);
    }
}

/** Asserts that the open store tells of a cut at `offset` of the file `path`. */
static void assert_cut(alex_store *store, const char *path, uint64_t offset)
{
    struct alex_open_report report;
    alex_store_open_report(store, &report);
    assert_false(report.clean);
    assert_false(report.created);
    assert_true(report.cut_bytes > 0);
    assert_string_equal(report.cut_path, path);
    assert_int_equal(report.cut_offset, offset);
}

/** Writes on after a recovery, and asserts that all is there after two more reopenings. */
static void assert_goes_on(struct fixture *fixture, int64_t count)
{
    for (int64_t round = 0; round < 2; round++) {
        helper_put(fixture->main, 1000 + round, "later");
        fixture_reopen(fixture);
        struct alex_open_report report;
        alex_store_open_report(fixture->store, &report);
        assert_true(report.clean);
        assert_int_equal(report.cut_bytes, 0);
        assert_keys(fixture->main, count);
        ASSERT_VALUE(fixture->main, 1000 + round, "later");
    }
    helper_check(fixture->store);
}

/* A killed writer loses nothing that it was told is written. */
static void test_killed_writer(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_false(report.clean);
    assert_int_equal(report.cut_bytes, 0);
    assert_int_equal(report.records_dropped, 0);
    assert_keys(fixture->main, KEYS);
    assert_goes_on(fixture, KEYS);
}

static int add_one_and_die(void *context)
{
    struct fixture *fixture = context;
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(fixture->path, NULL, &store) == ALEX_OK);
    alex_table *table = alex_main_table(store);
    int64_t key = 0;
    while (alex_exists(table, key) == ALEX_OK) {
        key++;
    }
    child_put(table, key);
    return 0;
}

/* Killed again and again, a store keeps all that was written in between. */
static void test_killed_many_times(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < KEYS; i++) {
        assert_int_equal(helper_in_child(add_one_and_die, fixture), 0);
    }
    fixture_store_open(fixture, NULL);
    assert_goes_on(fixture, KEYS);
}

/* The last record torn, in its header, in its value or by the file's end, is cut and reported; the rest is there. */
static void test_torn_last_record(void **state)
{
    struct fixture *fixture = *state;
    char original[FILES_PATH_MAX];

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    memcpy(original, fixture->path, sizeof original);
    for (int way = 0; way < 5; way++) {
        static const char *const names[] = {"a", "b", "c", "d", "e"};
        struct files_record last;
        files_join(fixture->path, fixture->directory, names[way]);
        files_copy_directory(original, fixture->path);
        files_last_record(fixture->path, &last);
        assert_int_equal(last.key, KEYS - 1);
        switch (way) {
        case 0:
            files_flip_bit(last.path, last.offset, 0);
            break;
        case 1:
            files_flip_bit(last.path, last.offset + 31, 7);
            break;
        case 2:
            files_flip_bit(last.path, last.value_offset + last.length - 1, 0);
            break;
        case 3:
            files_truncate(last.path, last.value_offset + 10);
            break;
        default:
            files_truncate(last.path, last.offset + 8);
            break;
        }
        fixture_store_open(fixture, NULL);
        assert_cut(fixture->store, last.path, last.offset);
        assert_keys(fixture->main, KEYS - 1);
        assert_goes_on(fixture, KEYS - 1);
        fixture_store_close(fixture);
    }
}

/* Bytes behind the log's end that are no record are cut and reported, and cost no record. */
static void test_garbage_behind_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record last;
    unsigned char garbage[100];

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_last_record(fixture->path, &last);
    helper_fill(garbage, sizeof garbage, 5);
    files_patch(last.path, last.end, garbage, sizeof garbage);
    fixture_store_open(fixture, NULL);
    assert_cut(fixture->store, last.path, last.end);
    struct alex_open_report report;
    alex_store_open_report(fixture->store, &report);
    assert_in_range(report.cut_bytes, sizeof garbage, sizeof garbage + 7);
    assert_goes_on(fixture, KEYS);
}

/* The image of a record at another place than it was written at is no record. */
static void test_record_image_behind_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct files_record last;
    unsigned char bytes[200];

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, KEYS - 1, &record);
    files_last_record(fixture->path, &last);
    files_read_at(record.path, record.offset, bytes, record.end - record.offset);
    bytes[16] = (unsigned char)(KEYS + 5);
    files_patch(last.path, last.end, bytes, record.end - record.offset);
    fixture_store_open(fixture, NULL);
    assert_cut(fixture->store, last.path, last.end);
    assert_goes_on(fixture, KEYS);
}

/* Of writes that were not synced, the first that is bad ends the log: whatever follows is cut with it. */
static void test_hole_above_the_durable_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct files_record last;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, SYNCED + 5, &record);
    files_last_record(fixture->path, &last);
    files_flip_bit(record.path, record.offset + 20, 0);
    fixture_store_open(fixture, NULL);
    assert_cut(fixture->store, record.path, record.offset);
    struct alex_open_report report;
    alex_store_open_report(fixture->store, &report);
    assert_in_range(report.cut_bytes, last.end - 7 - record.offset, last.end - record.offset); /* padding may count */
    assert_keys(fixture->main, SYNCED + 5);
    assert_goes_on(fixture, SYNCED + 5);
}

/* Of writes that were synced, one that is bad is damage, although the manifest knows nothing of that sync: the mark
 * behind the hole does. Nothing is cut. */
static void test_hole_below_the_durable_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct alex_error error;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, SYNCED - 1, &record);
    files_flip_bit(record.path, record.offset + 20, 0);
    uint64_t before = files_fingerprint(fixture->path, "LOCK");
    for (int round = 0; round < 2; round++) {
        helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
        assert_string_equal(error.path, record.path);
        assert_true(error.has_offset);
        assert_int_equal(error.offset, record.offset);
    }
    assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
}

/* A damaged value below the durable end of a store that was not closed fails its reads, and cuts nothing. */
static void test_value_below_the_durable_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record record;
    struct alex_open_report report;
    unsigned char value[100];

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_find_record(fixture->path, FILES_PUT, 1, 5, &record);
    files_flip_bit(record.path, record.value_offset, 0);
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_int_equal(report.cut_bytes, 0);
    ASSERT_CODE(ALEX_DAMAGED, alex_get(fixture->main, 5, value, sizeof value, NULL));
    for (int64_t key = 0; key < KEYS; key++) {
        assert_true(key == 5 || has_key(fixture->main, key));
    }
    ASSERT_OK(alex_close(fixture->store));
    fixture->store = NULL;
}

/* Opened read-only, a torn tail is stepped over and told of, and no file is touched: the next writer still cuts it. */
static void test_torn_tail_read_only(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options read_only = {.read_only = true};
    struct files_record last;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_last_record(fixture->path, &last);
    files_flip_bit(last.path, last.value_offset, 0);
    uint64_t before = files_fingerprint(fixture->path, "LOCK");
    for (int round = 0; round < 2; round++) {
        fixture_store_open(fixture, &read_only);
        assert_cut(fixture->store, last.path, last.offset);
        assert_keys(fixture->main, KEYS - 1);
        fixture_store_close(fixture);
        assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
    }
    fixture_store_open(fixture, NULL);
    assert_cut(fixture->store, last.path, last.offset);
    assert_goes_on(fixture, KEYS - 1);
}

/** Puts key 1, writes a batch over keys 1 to 10, and dies. */
static int write_batch_and_die(void *context)
{
    struct fixture *fixture = context;
    alex_store *store = NULL;
    struct alex_op ops[10];
    CHILD_REQUIRE(alex_open(fixture->path, NULL, &store) == ALEX_OK);
    alex_table *table = alex_main_table(store);
    CHILD_REQUIRE(alex_put(table, 1, "old", 3, NULL) == ALEX_OK);
    for (int64_t i = 0; i < 10; i++) {
        ops[i] = (struct alex_op){ALEX_OP_PUT, table, i + 1, {"batch", 5}};
    }
    CHILD_REQUIRE(alex_write(store, ops, 10) == ALEX_OK);
    return 0;
}

/* A batch that was written whole is there whole; one that lacks any of its records, or its end, is not there at all. */
static void test_batch_all_or_none(void **state)
{
    struct fixture *fixture = *state;
    char original[FILES_PATH_MAX];
    struct files_record *records;

    assert_int_equal(helper_in_child(write_batch_and_die, fixture), 0);
    memcpy(original, fixture->path, sizeof original);
    size_t count = files_list_records(original, &records);
    assert_true(count >= 12);
    assert_int_equal(records[count - 1].kind, FILES_COMMIT);
    for (size_t lost = 0; lost <= 11; lost++) { /* the batch's records and its COMMIT; at last none */
        const struct files_record *record = &records[count - 11 + lost];
        char name[3] = {'x', (char)('a' + lost), '\0'};
        files_join(fixture->path, fixture->directory, name);
        files_copy_directory(original, fixture->path);
        if (lost < 11) {
            char path[FILES_PATH_MAX];
            files_join(path, fixture->path, strrchr(record->path, '/') + 1);
            files_flip_bit(path, record->offset + 4, 0);
        }
        fixture_store_open(fixture, NULL);
        for (int round = 0; round < 2; round++) {
            ASSERT_VALUE(fixture->main, 1, lost < 11 ? "old" : "batch");
            for (int64_t key = 2; key <= 10; key++) {
                ASSERT_VALUE(fixture->main, key, lost < 11 ? NULL : "batch");
            }
            fixture_reopen(fixture);
        }
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
    free(records);
}

/** What a writer that is killed at some moment shares with its killer. */
struct progress {
    struct fixture *fixture;
    int64_t first;          /**< round of writes to begin with */
    volatile int64_t *done; /**< rounds that were acknowledged */
};

enum { ROUND = 5 };

/** Writes round after round, a batch of keys each, until it is killed. */
static int write_until_killed(void *context)
{
    const struct progress *progress = context;
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(progress->fixture->path, NULL, &store) == ALEX_OK);
    for (int64_t round = progress->first;; round++) {
        unsigned char value[1000];
        struct alex_op ops[ROUND];
        helper_fill(value, sizeof value, (uint64_t)round);
        for (int64_t i = 0; i < ROUND; i++) {
            size_t size = (size_t)(round * 37 + i * 200) % sizeof value;
            ops[i] = (struct alex_op){ALEX_OP_PUT, alex_main_table(store), round * ROUND + i, {value, size}};
        }
        CHILD_REQUIRE(alex_write(store, ops, ROUND) == ALEX_OK);
        *progress->done = round + 1;
    }
}

/** Keys of a round that are there, each with its value. */
static int count_round(alex_table *table, int64_t round)
{
    int count = 0;
    for (int64_t i = 0; i < ROUND; i++) {
        unsigned char value[1000];
        size_t size = 0;
        int code = alex_get(table, round * ROUND + i, value, sizeof value, &size);
        if (code != ALEX_NOT_FOUND) {
            ASSERT_OK(code);
            assert_int_equal(size, (size_t)(round * 37 + i * 200) % sizeof value);
            assert_true(helper_is_filled(value, size, (uint64_t)round));
            count++;
        }
    }
    return count;
}

/* Killed at any moment, a writer leaves all that was acknowledged, and of the batch that was under way all or nothing.
 */
static void test_killed_at_any_moment(void **state)
{
    struct fixture *fixture = *state;
    struct helper_random random = {17};
    int64_t *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct progress progress = {fixture, 0, done};
    assert_true(done != MAP_FAILED);
    int64_t verified = 0;

    for (int kill_count = 0; kill_count < 30; kill_count++) {
        helper_kill_child(write_until_killed, &progress, helper_random_below(&random, 30000));
        fixture_store_open(fixture, NULL);
        for (; verified < *done; verified++) {
            assert_int_equal(count_round(fixture->main, verified), ROUND);
        }
        int under_way = count_round(fixture->main, *done);
        assert_true(under_way == 0 || under_way == ROUND);
        assert_int_equal(count_round(fixture->main, *done + 1), 0);
        helper_check(fixture->store);
        fixture_store_close(fixture);
        progress.first = *done;
    }
    assert_true(verified > 0);
    fixture_store_open(fixture, NULL);
    for (int64_t round = 0; round < verified; round++) {
        assert_int_equal(count_round(fixture->main, round), ROUND);
    }
    munmap(done, sizeof *done);
}

/* Without any sync by the caller, all that a killed writer wrote may be cut at any record, but is never called damage.
 */
static void test_cut_at_every_record(void **state)
{
    struct fixture *fixture = *state;
    char original[FILES_PATH_MAX];
    struct files_record *records;

    assert_int_equal(helper_in_child(put_unsynced_and_die, fixture), 0);
    memcpy(original, fixture->path, sizeof original);
    size_t count = files_list_records(original, &records);
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind != FILES_PUT) {
            continue;
        }
        char path[FILES_PATH_MAX];
        files_join(fixture->path, fixture->directory, "copy");
        files_copy_directory(original, fixture->path);
        files_join(path, fixture->path, strrchr(records[i].path, '/') + 1);
        files_truncate(path, records[i].offset + 4);
        fixture_store_open(fixture, NULL);
        assert_keys(fixture->main, records[i].key);
        fixture_store_close(fixture);
        files_remove(fixture->path);
    }
    free(records);
}

/* The first put after reopening lands behind what is there, not on the first record. */
static void test_reopened_store_appends(void **state)
{
    struct fixture *fixture = *state;

    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 2, "two");
    fixture_reopen(fixture);
    helper_put(fixture->main, 3, "three");
    ASSERT_VALUE(fixture->main, 1, "one");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 2, "two");
    ASSERT_VALUE(fixture->main, 3, "three");
}

/* The log's end after reopening is where the records end, not where the file does: space that was prepared is used. */
static void test_reopened_store_finds_the_logs_end(void **state)
{
    struct fixture *fixture = *state;
    struct files_record *records;
    struct alex_store_stats stats;

    for (int64_t round = 0; round < 5; round++) {
        helper_put(fixture->main, round, "value");
        ASSERT_OK(alex_store_stat(fixture->store, &stats));
        assert_true(stats.log_bytes < 4096);
        fixture_reopen(fixture);
    }
    fixture_store_close(fixture);
    size_t count = files_list_records(fixture->path, &records);
    assert_true(count >= 5);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(records[i].path, records[i - 1].path) == 0) {
            assert_int_equal(records[i].offset, records[i - 1].end);
        }
    }
    free(records);
    fixture_store_open(fixture, NULL);
}

static int delete_and_die(void *context)
{
    struct fixture *fixture = context;
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(fixture->path, NULL, &store) == ALEX_OK);
    CHILD_REQUIRE(alex_delete(alex_main_table(store), 2) == ALEX_OK);
    return 0;
}

/* Deleted keys stay deleted through syncs, reopenings and kills: the log itself holds the deletes. */
static void test_deleted_keys_stay_deleted(void **state)
{
    struct fixture *fixture = *state;

    for (int64_t key = 1; key <= 3; key++) {
        helper_put(fixture->main, key, "value");
    }
    ASSERT_OK(alex_sync(fixture->store));
    ASSERT_OK(alex_delete(fixture->main, 1));
    ASSERT_OK(alex_sync(fixture->store));
    fixture_store_close(fixture);
    assert_int_equal(helper_in_child(delete_and_die, fixture), 0);
    fixture_store_open(fixture, NULL);
    for (int round = 0; round < 3; round++) {
        ASSERT_VALUE(fixture->main, 1, NULL);
        ASSERT_VALUE(fixture->main, 2, NULL);
        ASSERT_VALUE(fixture->main, 3, "value");
        ASSERT_OK(alex_sync(fixture->store));
        fixture_reopen(fixture);
    }
}

/* Replay takes each key's last record: an update, and a put after a delete, are not lost to the key's being there
 * already. */
static void test_replay_takes_the_last_record(void **state)
{
    struct fixture *fixture = *state;

    helper_put(fixture->main, 1, "first");
    helper_put(fixture->main, 1, "second");
    helper_put(fixture->main, 2, "first");
    ASSERT_OK(alex_delete(fixture->main, 2));
    helper_put(fixture->main, 2, "second");
    helper_put(fixture->main, 3, "first");
    fixture_reopen(fixture);
    helper_put(fixture->main, 3, "second");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "second");
    ASSERT_VALUE(fixture->main, 2, "second");
    ASSERT_VALUE(fixture->main, 3, "second");
}

/* A torn tail doesn't keep a store from being opened. */
static void test_torn_tail_opens(void **state)
{
    struct fixture *fixture = *state;
    struct files_record last;

    assert_int_equal(helper_in_child(put_and_die, fixture), 0);
    files_last_record(fixture->path, &last);
    files_truncate(last.path, last.end - 1);
    fixture_store_open(fixture, NULL);
    assert_true(has_key(fixture->main, KEYS - 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_killed_writer),
        TEST_WITH_DIRECTORY(test_killed_many_times),
        TEST_WITH_DIRECTORY(test_torn_last_record),
        TEST_WITH_DIRECTORY(test_garbage_behind_the_end),
        TEST_WITH_DIRECTORY(test_record_image_behind_the_end),
        TEST_WITH_DIRECTORY(test_hole_above_the_durable_end),
        TEST_WITH_DIRECTORY(test_hole_below_the_durable_end),
        TEST_WITH_DIRECTORY(test_value_below_the_durable_end),
        TEST_WITH_DIRECTORY(test_torn_tail_read_only),
        TEST_WITH_DIRECTORY(test_batch_all_or_none),
        TEST_WITH_DIRECTORY(test_killed_at_any_moment),
        TEST_WITH_DIRECTORY(test_cut_at_every_record),
        TEST_WITH_STORE(test_reopened_store_appends),
        TEST_WITH_STORE(test_reopened_store_finds_the_logs_end),
        TEST_WITH_STORE(test_deleted_keys_stay_deleted),
        TEST_WITH_STORE(test_replay_takes_the_last_record),
        TEST_WITH_DIRECTORY(test_torn_tail_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
