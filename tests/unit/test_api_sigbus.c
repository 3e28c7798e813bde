/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_sigbus.c
 * Mapped files that can't be read: each is cut short behind an open store's back. With catch_sigbus that is an error of
 * the call, which names file and offset; without, it ends the process. Each test runs in a child.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log/log_internal.h"
#include "os/os.h"
#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { KEYS = 64, SIZE = 3000, LEFT = 32768, LARGE_KEY = 1000, LARGE = 3000000, PASSED_ON = 42 };

/** How a child opens the store. */
struct way {
    struct fixture *fixture;
    bool catches;
    bool no_checksums;
    bool read_only;
};

static void fill(struct fixture *fixture)
{
    static unsigned char value[SIZE];
    fixture_store_open(fixture, NULL);
    for (int64_t key = 0; key < KEYS; key++) {
        helper_fill(value, SIZE, (uint64_t)key);
        ASSERT_OK(alex_put(fixture->main, key, value, SIZE, NULL));
    }
    fixture_store_close(fixture);
}

static void segment_path(const struct fixture *fixture, size_t index, char *out_path)
{
    char(*names)[32];
    CHILD_REQUIRE(files_list_segments(fixture->path, &names) > index);
    files_join(out_path, fixture->path, names[index]);
    free(names);
}

static alex_table *open_in_child(const struct way *way)
{
    struct alex_options options = {
        .catch_sigbus = way->catches, .no_checksums = way->no_checksums, .read_only = way->read_only};
    ASSERT_OK(alex_open(way->fixture->path, &options, &way->fixture->store));
    return alex_main_table(way->fixture->store);
}

/** Opens the store, and takes all but its first LEFT bytes away. */
static alex_table *open_and_cut(const struct way *way)
{
    char path[FILES_PATH_MAX];
    alex_table *table = open_in_child(way);
    segment_path(way->fixture, 0, path);
    files_truncate(path, LEFT);
    return table;
}

/** Asserts that the last failure names the place where the file ends, or one behind it. */
static void assert_names_place(const struct fixture *fixture)
{
    struct alex_error error;
    char path[FILES_PATH_MAX];
    alex_store_error(fixture->store, &error);
    segment_path(fixture, 0, path);
    CHILD_REQUIRE(error.code == ALEX_IO && error.has_offset);
    CHILD_REQUIRE(error.offset >= LEFT && error.offset < LEFT + KEYS * (SIZE + 64));
    CHILD_REQUIRE(strcmp(error.path, path) == 0);
    CHILD_REQUIRE(strstr(error.message, "can't be read") != NULL);
}

/** Whether the value of a key lies before the cut, behind it, or on it. */
static bool is_whole(int64_t key)
{
    return (key + 1) * (SIZE + 32) + 64 <= LEFT;
}

static int get_all(void *context)
{
    static unsigned char buffer[SIZE];
    alex_table *table = open_and_cut(context);
    for (int64_t key = 0; key < KEYS; key++) {
        size_t size = 7;
        int code = alex_get(table, key, buffer, sizeof buffer, &size);
        CHILD_REQUIRE(code == (is_whole(key) ? ALEX_OK : ALEX_IO));
        CHILD_REQUIRE(size == (is_whole(key) ? SIZE : 7));
        if (is_whole(key)) {
            CHILD_REQUIRE(helper_is_filled(buffer, SIZE, (uint64_t)key));
        } else {
            assert_names_place(((struct way *)context)->fixture);
        }
    }
    return 0;
}

/* A get that can't read its record is ALEX_IO, also where only the copying of the value fails; others go on. */
static void test_get(void **state)
{
    struct way way = {.fixture = *state, .catches = true};
    fill(*state);
    assert_int_equal(helper_in_child(get_all, &way), 0);
    way.no_checksums = true;
    files_remove(way.fixture->path);
    fill(*state);
    assert_int_equal(helper_in_child(get_all, &way), 0);
}

static int get_many(void *context)
{
    struct way *way = context;
    alex_table *table = open_and_cut(way);
    alex_txn *txn = helper_begin(way->fixture->store);
    int64_t keys[KEYS];
    struct alex_slice values[KEYS];
    size_t found = 0;
    size_t whole = 0;
    for (int64_t key = 0; key < KEYS; key++) {
        keys[key] = KEYS - 1 - key;
        whole += is_whole(key);
        struct alex_slice value;
        CHILD_REQUIRE(alex_txn_get(txn, table, key, &value) == (is_whole(key) ? ALEX_OK : ALEX_IO));
    }
    CHILD_REQUIRE(alex_txn_get_many(txn, table, keys, KEYS, values, &found) == ALEX_IO);
    CHILD_REQUIRE(found == whole);
    assert_names_place(way->fixture);
    for (size_t i = 0; i < KEYS; i++) {
        CHILD_REQUIRE((values[i].data != NULL) == is_whole(keys[i]));
        CHILD_REQUIRE(values[i].data == NULL || helper_is_filled(values[i].data, SIZE, (uint64_t)keys[i]));
    }
    return 0;
}

/* Of many values those that can be read are there. */
static void test_get_many(void **state)
{
    struct way way = {.fixture = *state, .catches = true};
    fill(*state);
    assert_int_equal(helper_in_child(get_many, &way), 0);
}

static int walk(void *context)
{
    struct way *way = context;
    alex_table *table = open_and_cut(way);
    alex_txn *txn = helper_begin(way->fixture->store);
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    for (int64_t key = 0; key < KEYS; key++) {
        CHILD_REQUIRE(alex_cursor_next(cursor, &entry) == (is_whole(key) ? ALEX_OK : ALEX_IO));
        CHILD_REQUIRE(!is_whole(key) || entry.key == key);
    }
    CHILD_REQUIRE(alex_cursor_next(cursor, &entry) == ALEX_NOT_FOUND);
    CHILD_REQUIRE(alex_cursor_last(cursor, &entry) == ALEX_IO);
    assert_names_place(way->fixture);
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
    return 0;
}

/* A cursor stops at an entry that can't be read, and goes on behind it. */
static void test_cursor(void **state)
{
    struct way way = {.fixture = *state, .catches = true};
    fill(*state);
    assert_int_equal(helper_in_child(walk, &way), 0);
}

static int check(void *context)
{
    struct way *way = context;
    struct alex_check_report report;
    (void)open_and_cut(way);
    CHILD_REQUIRE(alex_check(way->fixture->store, NULL, NULL, &report) == ALEX_IO);
    assert_names_place(way->fixture);
    return 0;
}

static int check_without_header(void *context)
{
    struct way *way = context;
    struct alex_check_report report;
    struct alex_error error;
    char path[FILES_PATH_MAX];
    (void)open_in_child(way);
    segment_path(way->fixture, 0, path);
    files_truncate(path, 0);
    CHILD_REQUIRE(alex_check(way->fixture->store, NULL, NULL, &report) == ALEX_IO);
    alex_store_error(way->fixture->store, &error);
    CHILD_REQUIRE(error.has_offset && error.offset < 64);
    return 0;
}

static int stop(void *context, const struct alex_finding *finding)
{
    (void)context;
    (void)finding;
    return 42;
}

static int check_behind_damage(void *context)
{
    struct way *way = context;
    struct alex_check_report report;
    struct files_record *records;
    size_t count = files_list_records(way->fixture->path, &records);
    (void)open_and_cut(way);
    for (size_t i = 0; i < count; i++) { /* no record is found before the cut */
        if (records[i].offset + 8 < LEFT && records[i].offset > LEFT / 2) {
            files_flip_bit(records[i].path, records[i].offset, 0);
        }
    }
    free(records);
    CHILD_REQUIRE(alex_check(way->fixture->store, NULL, NULL, &report) == ALEX_IO);
    CHILD_REQUIRE(report.findings == 1);
    assert_names_place(way->fixture);
    CHILD_REQUIRE(alex_check(way->fixture->store, stop, NULL, &report) == 42); /* the damage is found before */
    CHILD_REQUIRE(report.findings == 1);
    return 0;
}

static int cut_when_found(void *context, const struct alex_finding *finding)
{
    (void)context;
    files_truncate(finding->path, LEFT);
    return 0;
}

static int check_entries(void *context)
{
    struct way *way = context;
    struct alex_check_report report;
    struct files_record last;
    (void)open_in_child(way);
    files_find_record(way->fixture->path, FILES_PUT, 1, KEYS - 1, &last);
    files_flip_bit(last.path, last.value_offset, 0);
    CHILD_REQUIRE(alex_check(way->fixture->store, cut_when_found, NULL, &report) == ALEX_IO);
    CHILD_REQUIRE(report.findings == 1 && report.records >= KEYS);
    assert_names_place(way->fixture);
    return 0;
}

/* A check that can't read on is ALEX_IO, which says nothing about the store: at a file's head, at a record, where it
 * looks for one behind damage, and where it looks behind the index. */
static void test_check(void **state)
{
    static int (*const ways_to_fail[])(void *context) = {check_without_header, check, check_behind_damage,
                                                         check_entries};
    struct way way = {.fixture = *state, .catches = true};
    for (size_t i = 0; i < sizeof ways_to_fail / sizeof ways_to_fail[0]; i++) {
        files_remove(way.fixture->path);
        fill(*state);
        assert_int_equal(helper_in_child(ways_to_fail[i], &way), 0);
    }
}

/* ------------------------------------------------------------------------------------------------ opening */

static char path_to_cut[FILES_PATH_MAX];

/** What follows the mapping of a file: by then its length is known. */
static int cut_and_advise(void *address, size_t bytes, int advice)
{
    (void)address, (void)bytes, (void)advice;
    files_truncate(path_to_cut, LEFT);
    return 0;
}

static int open_while_cut(void *context)
{
    struct way *way = context;
    struct alex_error error = {0};
    struct alex_options options = {.catch_sigbus = way->catches, .read_only = way->read_only, .error = &error};
    alex_store *store = NULL;
    segment_path(way->fixture, 0, path_to_cut);
    faults_install();
    os_calls.madvise = cut_and_advise;
    size_t descriptors = helper_descriptor_count();
    CHILD_REQUIRE(alex_open(way->fixture->path, &options, &store) == ALEX_IO);
    CHILD_REQUIRE(store == NULL && error.code == ALEX_IO);
    CHILD_REQUIRE(error.has_offset && error.offset >= LEFT && strcmp(error.path, path_to_cut) == 0);
    CHILD_REQUIRE(helper_descriptor_count() == descriptors);
    CHILD_REQUIRE(faults_mapped_bytes() == 0);
    return 0;
}

/* A log that can't be read to its end is not opened, and the store's files are left as they are. */
static void test_open(void **state)
{
    struct fixture *fixture = *state;
    struct way way = {.fixture = fixture, .catches = true};
    for (int read_only = 0; read_only < 2; read_only++) {
        way.read_only = read_only != 0;
        files_remove(fixture->path);
        fill(fixture);
        assert_int_equal(helper_in_child(open_while_cut, &way), 0);
        segment_path(fixture, 0, path_to_cut);
        assert_int_equal(files_size(path_to_cut), LEFT);
    }
    way.catches = false;
    files_remove(fixture->path);
    fill(fixture);
    assert_int_equal(helper_signal_of_child(open_while_cut, &way), SIGBUS);
}

/* ------------------------------------------------------------------------------------------------ writes */

static int delete_large(void *context)
{
    struct way *way = context;
    struct store_tuning tuning = {.segment_shift = 16};
    struct alex_options options = {.catch_sigbus = true};
    struct alex_table_stats stats;
    char path[FILES_PATH_MAX];
    static unsigned char value[LARGE];
    ASSERT_OK(store_open_tuned(way->fixture->path, &options, &tuning, &way->fixture->store));
    alex_table *table = alex_main_table(way->fixture->store);
    helper_put(table, 1, "one");
    ASSERT_OK(alex_put(table, LARGE_KEY, value, LARGE, NULL));
    ASSERT_OK(alex_put(table, LARGE_KEY + 1, value, SIZE * 30, NULL)); /* in a segment behind it */
    segment_path(way->fixture, 1, path);
    CHILD_REQUIRE(files_size(path) > LARGE);
    files_truncate(path, 0);
    CHILD_REQUIRE(alex_get(table, LARGE_KEY, value, LARGE, NULL) == ALEX_IO);
    ASSERT_OK(alex_delete(table, LARGE_KEY));
    CHILD_REQUIRE(alex_exists(table, LARGE_KEY) == ALEX_NOT_FOUND);
    ASSERT_VALUE(table, 1, "one");
    ASSERT_OK(alex_table_stat(table, &stats));
    CHILD_REQUIRE(stats.keys == 2);
    return 0;
}

/* A value whose size can't be read any more is deleted and overwritten all the same. */
static void test_delete_unreadable(void **state)
{
    struct way way = {.fixture = *state};
    assert_int_equal(helper_in_child(delete_large, &way), 0);
}

/* ------------------------------------------------------------------------------------------------ not caught */

static void handle(int signal)
{
    _exit(signal == SIGBUS ? PASSED_ON : 1);
}

/** Reads behind the end of a file that is no store's. */
static void read_strange_file(void *context)
{
    *(volatile unsigned char *)context = *(volatile unsigned char *)context;
}

static int read_inside_guard(void *context)
{
    struct way *way = context;
    char path[FILES_PATH_MAX];
    (void)signal(SIGBUS, handle);
    (void)open_in_child(way);
    files_join(path, way->fixture->directory, "strange");
    files_write(path, "", 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHILD_REQUIRE(fd >= 0 && page != MAP_FAILED);
    (void)log_guarded(store_log(way->fixture->store), read_strange_file, page, NULL);
    return 0;
}

/* What fails while the store is being read, but in no file of it, goes to the handler of before. */
static void test_strange_file(void **state)
{
    struct way way = {.fixture = *state, .catches = true};
    fill(*state);
    assert_int_equal(helper_in_child(read_inside_guard, &way), PASSED_ON);
}

static int see_no_other(void *context)
{
    struct way *way = context;
    struct alex_slice value;
    struct files_record record;
    alex_table *table = open_in_child(way);
    alex_txn *txn = helper_begin(way->fixture->store);
    helper_put(table, KEYS, "later");
    CHILD_REQUIRE(alex_txn_get(txn, table, KEYS, &value) == ALEX_NOT_FOUND);
    files_find_record(way->fixture->path, FILES_PUT, 1, 1, &record);
    files_flip_bit(record.path, record.value_offset, 0);
    CHILD_REQUIRE(alex_txn_get(txn, table, 1, &value) == ALEX_DAMAGED);
    CHILD_REQUIRE(alex_txn_get(txn, table, 2, &value) == ALEX_OK);
    return 0;
}

/* With the option all else is as without: what came later is not seen, and damage is damage. */
static void test_other_answers(void **state)
{
    struct way way = {.fixture = *state, .catches = true};
    fill(*state);
    assert_int_equal(helper_in_child(see_no_other, &way), 0);
}

static int get_last(void *context)
{
    static unsigned char buffer[SIZE];
    (void)alex_get(open_and_cut(context), KEYS - 1, buffer, sizeof buffer, NULL);
    return 0;
}

/* Without the option the signal ends the process. */
static void test_not_caught(void **state)
{
    struct way way = {.fixture = *state};
    fill(*state);
    assert_int_equal(helper_signal_of_child(get_last, &way), SIGBUS);
}

static int read_outside(void *context)
{
    struct way *way = context;
    char path[FILES_PATH_MAX];
    (void)signal(SIGBUS, handle);
    alex_table *table = open_in_child(way);
    alex_txn *txn = helper_begin(way->fixture->store);
    struct alex_slice value;
    ASSERT_OK(alex_txn_get(txn, table, KEYS - 1, &value));
    segment_path(way->fixture, 0, path);
    files_truncate(path, LEFT);
    struct alex_slice again;
    CHILD_REQUIRE(alex_txn_get(txn, table, KEYS - 1, &again) == ALEX_IO);
    return helper_is_filled(value.data, value.size, KEYS - 1);
}

/* A value that was handed out is read by the caller: that is not caught, but goes to the handler of before. */
static void test_read_outside(void **state)
{
    struct way way = {.fixture = *state, .catches = true};
    fill(*state);
    assert_int_equal(helper_in_child(read_outside, &way), PASSED_ON);
}

static int write_past_unreadable(void *context)
{
    struct way *way = context;
    static const char value[1000];
    char path[FILES_PATH_MAX];
    char buffer[sizeof value];
    struct alex_slice seen;
    alex_store *store;
    struct alex_options options = {.catch_sigbus = true};
    ASSERT_OK(store_open_tuned(way->fixture->path, &options, &(struct store_tuning){.segment_shift = 16}, &store));
    alex_table *table = alex_main_table(store);
    ASSERT_OK(alex_put(table, 1, value, sizeof value, NULL));
    alex_txn *txn = helper_begin(store);
    for (int i = 0; i < 200; i++) {
        ASSERT_OK(alex_put(table, 1, value, sizeof value, NULL));
    }
    CHILD_REQUIRE(store_log(store)->segment_count > 1);
    uint64_t shortcuts = index_count(store->shortcuts);
    segment_path(way->fixture, 0, path);
    files_truncate(path, 0);
    for (int i = 0; i < 200; i++) {
        ASSERT_OK(alex_put(table, 1, value, sizeof value, NULL));
    }
    CHILD_REQUIRE(index_count(store->shortcuts) == shortcuts);
    CHILD_REQUIRE(alex_txn_get(txn, table, 1, &seen) == ALEX_IO);
    CHILD_REQUIRE(alex_get(table, 1, buffer, sizeof buffer, NULL) == ALEX_OK);
    return 0;
}

/* A key is written on where the version can't be read that a snapshot sees of it: who reads that is told. */
static void test_write_past_unreadable(void **state)
{
    struct way way = {.fixture = *state};
    assert_int_equal(helper_in_child(write_past_unreadable, &way), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_get),
        TEST_WITH_DIRECTORY(test_get_many),
        TEST_WITH_DIRECTORY(test_cursor),
        TEST_WITH_DIRECTORY(test_check),
        TEST_WITH_DIRECTORY(test_open),
        TEST_WITH_DIRECTORY(test_delete_unreadable),
        TEST_WITH_DIRECTORY(test_not_caught),
        TEST_WITH_DIRECTORY(test_strange_file),
        TEST_WITH_DIRECTORY(test_other_answers),
        TEST_WITH_DIRECTORY(test_read_outside),
        TEST_WITH_DIRECTORY(test_write_past_unreadable),
    };
    return cmocka_run_group_tests_name("sigbus", tests, NULL, NULL);
}
