/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_store.c
 * Opening and closing stores: modes, options, refusals, locks, and what the open report tells.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/store_helper.h"

/* By default a store is made where there is none, and found where there is one. */
static void test_open_makes_or_opens(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;

    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_true(report.created);
    helper_put(fixture->main, 1, "one");
    fixture_reopen(fixture);
    alex_store_open_report(fixture->store, &report);
    assert_false(report.created);
    assert_true(report.clean);
    ASSERT_VALUE(fixture->main, 1, "one");
}

/* ALEX_OPTIONS_DEFAULT and an all-zero struct mean the same as NULL. */
static void test_default_options(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options by_name = ALEX_OPTIONS_DEFAULT;
    struct alex_options zero = {0};

    fixture_store_open(fixture, &by_name);
    fixture_store_close(fixture);
    fixture_store_open(fixture, &zero);
    struct alex_open_report report;
    alex_store_open_report(fixture->store, &report);
    assert_false(report.created);
}

/* ALEX_MUST_EXIST makes nothing. */
static void test_must_exist(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.mode = ALEX_MUST_EXIST};
    alex_store *store = NULL;

    ASSERT_CODE(ALEX_NO_STORE, alex_open(fixture->path, &options, &store));
    assert_null(store);
    assert_false(files_exists(fixture->path));
    fixture_store_open(fixture, NULL);
    fixture_store_close(fixture);
    fixture_store_open(fixture, &options);
}

/* ALEX_MUST_EXIST takes an empty directory for no store, and leaves it empty. */
static void test_must_exist_in_empty_directory(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.mode = ALEX_MUST_EXIST};
    alex_store *store = NULL;

    assert_int_equal(mkdir(fixture->path, 0777), 0);
    uint64_t before = files_fingerprint(fixture->path, NULL);
    ASSERT_CODE(ALEX_NO_STORE, alex_open(fixture->path, &options, &store));
    assert_int_equal(files_fingerprint(fixture->path, NULL), before);
}

/* ALEX_MUST_BE_NEW refuses a store that is there, and leaves it as it is. */
static void test_must_be_new(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.mode = ALEX_MUST_BE_NEW};
    alex_store *store = NULL;

    fixture_store_open(fixture, &options);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
    ASSERT_CODE(ALEX_EXISTS, alex_open(fixture->path, &options, &store));
    assert_null(store);
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "one");
}

/* An empty directory becomes a store. */
static void test_empty_directory_becomes_a_store(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(mkdir(fixture->path, 0777), 0);
    fixture_store_open(fixture, NULL);
    struct alex_open_report report;
    alex_store_open_report(fixture->store, &report);
    assert_true(report.created);
}

/* A path with a slash at its end, and one relative to the working directory, name the same store. */
static void test_spellings_of_a_path(void **state)
{
    struct fixture *fixture = *state;
    char slashed[FILES_PATH_MAX];
    char working[FILES_PATH_MAX];
    alex_store *store = NULL;

    files_join(slashed, fixture->path, "");
    ASSERT_OK(alex_open(slashed, NULL, &store));
    helper_put(alex_main_table(store), 1, "one");
    ASSERT_OK(alex_close(store));

    assert_non_null(getcwd(working, sizeof working));
    assert_int_equal(chdir(fixture->directory), 0);
    int code = alex_open("store", NULL, &store);
    assert_int_equal(chdir(working), 0);
    ASSERT_OK(code);
    ASSERT_VALUE(alex_main_table(store), 1, "one");
    helper_put(alex_main_table(store), 2, "two"); /* after the directory was left */
    ASSERT_OK(alex_close(store));
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 2, "two");
}

/* The path and options are copied: what they held may change after the open. */
static void test_path_is_copied(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    memcpy(path, fixture->path, sizeof path);
    struct alex_options options = {.growth_bytes = 4096};
    alex_store *store = NULL;

    ASSERT_OK(alex_open(path, &options, &store));
    memset(path, 'x', sizeof path);
    memset(&options, 0xFF, sizeof options);
    for (int64_t key = 0; key < 300; key++) {
        char value[1000] = {0};
        ASSERT_OK(alex_put(alex_main_table(store), key, value, sizeof value, NULL));
    }
    ASSERT_OK(alex_close(store));
}

/* Arguments and options that make no sense are ALEX_INVALID; the detail says which, and nothing is made. */
static void test_nonsense_arguments(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options nonsense[] = {
        {.mode = (enum alex_open_mode)3}, {.mode = (enum alex_open_mode) - 1},          {.growth_bytes = 1000},
        {.growth_bytes = 4097},           {.growth_bytes = ((uint64_t)1 << 30) + 4096}, {.growth_bytes = UINT64_MAX},
    };
    alex_store *store = NULL;

    ASSERT_CODE(ALEX_INVALID, alex_open(NULL, NULL, &store));
    ASSERT_CODE(ALEX_INVALID, alex_open("", NULL, &store));
    ASSERT_CODE(ALEX_INVALID, alex_open(fixture->path, NULL, NULL));
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        struct alex_error error = {0};
        nonsense[i].error = &error;
        ASSERT_CODE(ALEX_INVALID, alex_open(fixture->path, &nonsense[i], &store));
        assert_int_equal(error.code, ALEX_INVALID);
        assert_string_not_equal(error.message, "");
    }
    assert_null(store);
    assert_false(files_exists(fixture->path));
}

/* A path that is a file is ALEX_NOT_A_STORE, and the file stays as it is. */
static void test_path_is_a_file(void **state)
{
    struct fixture *fixture = *state;
    struct alex_error error;

    files_write(fixture->path, "mine", 4);
    helper_open_fails(fixture->path, ALEX_NOT_A_STORE, &error);
    assert_string_equal(error.path, fixture->path);
    size_t size;
    unsigned char *data = files_read(fixture->path, &size);
    assert_int_equal(size, 4);
    assert_memory_equal(data, "mine", 4);
    free(data);
}

/* A directory with other things in it is ALEX_NOT_A_STORE, and nothing is added to it. */
static void test_directory_of_other_things(void **state)
{
    struct fixture *fixture = *state;
    char inner[FILES_PATH_MAX];
    struct alex_error error;

    assert_int_equal(mkdir(fixture->path, 0777), 0);
    files_join(inner, fixture->path, "letter.txt");
    files_write(inner, "Dear", 4);
    uint64_t before = files_fingerprint(fixture->path, NULL);
    helper_open_fails(fixture->path, ALEX_NOT_A_STORE, &error);
    assert_non_null(strstr(error.path, fixture->path));
    assert_int_equal(files_fingerprint(fixture->path, NULL), before);
}

/* Files of other names in a store are neither refused nor touched. */
static void test_foreign_files_in_a_store(void **state)
{
    struct fixture *fixture = *state;
    char inner[FILES_PATH_MAX];

    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
    files_join(inner, fixture->path, "letter.txt");
    files_write(inner, "Dear", 4);
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "one");
    fixture_store_close(fixture);
    assert_int_equal(files_size(inner), 4);
}

/* Where the parent directory is missing too, nothing is made, and the detail has path and errno. */
static void test_missing_parent(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    struct alex_error error;

    files_join(path, fixture->path, "deeper");
    helper_open_fails(path, ALEX_IO, &error);
    assert_int_equal(error.os_errno, ENOENT);
    assert_non_null(strstr(error.path, fixture->path));
    assert_false(files_exists(fixture->path));
}

/* A path that is too long for the names of the store's files is refused, as given and as what it stands for. */
static void test_long_path(void **state)
{
    struct fixture *fixture = *state;
    char path[2 * FILES_PATH_MAX];
    struct alex_error error;

    (void)snprintf(path, sizeof path, "%s/", fixture->directory);
    while (strlen(path) < 600) {
        strcat(path, "./");
    }
    strcat(path, "store");
    helper_open_fails(path, ALEX_INVALID, &error);
    assert_string_not_equal(error.message, "");
    assert_false(files_exists(fixture->path));

    char before[FILES_PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(fixture->directory), 0);
    char name[201];
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int level = 0; level < 3; level++) {
        assert_int_equal(mkdir(name, 0777), 0);
        assert_int_equal(chdir(name), 0);
    }
    helper_open_fails("store", ALEX_INVALID, &error);
    assert_string_not_equal(error.message, "");
    (void)rmdir("store");
    for (int level = 0; level < 3; level++) {
        assert_int_equal(chdir(".."), 0);
        assert_int_equal(rmdir(name), 0);
    }
    assert_int_equal(chdir(before), 0);
}

static int open_without_permission(void *context)
{
    const char *path = context;
    if (geteuid() == 0) {
        CHILD_REQUIRE(setgid(65534) == 0 && setuid(65534) == 0);
    }
    struct alex_error error = {0};
    struct alex_options options = {.error = &error};
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(path, &options, &store) == ALEX_NO_PERMISSION);
    CHILD_REQUIRE(store == NULL);
    CHILD_REQUIRE(error.code == ALEX_NO_PERMISSION && error.os_errno == EACCES);
    CHILD_REQUIRE(strstr(error.path, path) != NULL && error.message[0] != '\0');
    return 0;
}

/* A directory in which nothing may be made is ALEX_NO_PERMISSION. */
static void test_no_permission_to_make(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(chmod(fixture->directory, 0555), 0);
    int result = helper_in_child(open_without_permission, fixture->path);
    assert_int_equal(chmod(fixture->directory, 0755), 0);
    assert_int_equal(result, 0);
}

/* A store whose files may not be read is ALEX_NO_PERMISSION. */
static void test_no_permission_to_read(void **state)
{
    struct fixture *fixture = *state;

    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
    assert_int_equal(chmod(fixture->directory, 0755), 0);
    assert_int_equal(chmod(fixture->path, 0), 0);
    int result = helper_in_child(open_without_permission, fixture->path);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    assert_int_equal(result, 0);
}

static int open_read_only_without_write_permission(void *context)
{
    const char *path = context;
    if (geteuid() == 0) {
        CHILD_REQUIRE(setgid(65534) == 0 && setuid(65534) == 0);
    }
    struct alex_options options = {.read_only = true};
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(path, &options, &store) == ALEX_OK);
    char value[8];
    size_t size = 0;
    CHILD_REQUIRE(alex_get(alex_main_table(store), 1, value, sizeof value, &size) == ALEX_OK);
    CHILD_REQUIRE(size == 3 && memcmp(value, "one", 3) == 0);
    CHILD_REQUIRE(alex_close(store) == ALEX_OK);
    return 0;
}

/* A store that may be read but not written can be opened read-only. */
static void test_read_only_needs_no_write_permission(void **state)
{
    struct fixture *fixture = *state;
    char(*names)[32];
    char path[FILES_PATH_MAX];

    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
    size_t count = files_list_segments(fixture->path, &names);
    for (size_t i = 0; i < count; i++) {
        files_join(path, fixture->path, names[i]);
        assert_int_equal(chmod(path, 0444), 0);
    }
    free(names);
    files_join(path, fixture->path, "MANIFEST");
    assert_int_equal(chmod(path, 0444), 0);
    files_join(path, fixture->path, "LOCK");
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(fixture->directory, 0755), 0);
    assert_int_equal(chmod(fixture->path, 0555), 0);
    int result = helper_in_child(open_read_only_without_write_permission, fixture->path);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    assert_int_equal(result, 0);
}

/* A read-only store answers reads and refuses every write and sync with ALEX_READ_ONLY. */
static void test_read_only_refuses_writes(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.read_only = true};
    struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
    void *buffer = NULL;
    alex_loader *loader = NULL;
    alex_table *table = NULL;

    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    helper_put(helper_table(fixture->store, "other", ALEX_KEYS_DEFAULT), 2, "two");
    fixture_store_close(fixture);
    uint64_t before = files_fingerprint(fixture->path, "LOCK");

    fixture_store_open(fixture, &options);
    struct alex_op op = {ALEX_OP_PUT, fixture->main, 5, {"x", 1}};
    ASSERT_VALUE(fixture->main, 1, "one");
    ASSERT_CODE(ALEX_READ_ONLY, alex_put(fixture->main, 1, "x", 1, NULL));
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_if_absent(fixture->main, 5, "x", 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_put_reserve(fixture->main, 5, 8, &buffer));
    ASSERT_CODE(ALEX_READ_ONLY, alex_delete(fixture->main, 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_write(fixture->store, &op, 1));
    ASSERT_CODE(ALEX_READ_ONLY, alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_READ_ONLY, alex_table_open(fixture->store, "new", NULL, &table));
    ASSERT_CODE(ALEX_READ_ONLY, alex_table_drop(fixture->store, "other"));
    ASSERT_CODE(ALEX_READ_ONLY, alex_sync(fixture->store));
    assert_null(buffer);
    assert_null(loader);
    assert_null(table);
    struct alex_error error;
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_READ_ONLY);

    ASSERT_OK(alex_table_open(fixture->store, "other", &existing, &table));
    ASSERT_VALUE(table, 2, "two");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_TXN_VALUE(txn, table, 2, "two");
    ASSERT_OK(alex_end(txn));
    helper_check(fixture->store);
    fixture_store_close(fixture);
    assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
}

/* Read-only implies ALEX_MUST_EXIST. */
static void test_read_only_makes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.read_only = true};
    alex_store *store = NULL;

    ASSERT_CODE(ALEX_NO_STORE, alex_open(fixture->path, &options, &store));
    assert_false(files_exists(fixture->path));
}

/* A store that is open already in this process is ALEX_LOCKED, by whatever path; closing it unlocks it. */
static void test_locked_in_this_process(void **state)
{
    struct fixture *fixture = *state;
    char linked[FILES_PATH_MAX];
    struct alex_error error;

    fixture_store_open(fixture, NULL);
    helper_open_fails(fixture->path, ALEX_LOCKED, &error);
    files_join(linked, fixture->directory, "link");
    assert_int_equal(symlink(fixture->path, linked), 0);
    helper_open_fails(linked, ALEX_LOCKED, &error);
    helper_put(fixture->main, 1, "one"); /* the failures took nothing from the one that is open */
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 1, "one");
}

static int open_locked(void *context)
{
    struct alex_error error = {0};
    struct alex_options options = {.error = &error};
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(context, &options, &store) == ALEX_LOCKED);
    CHILD_REQUIRE(error.code == ALEX_LOCKED && error.message[0] != '\0');
    options.read_only = true;
    CHILD_REQUIRE(alex_open(context, &options, &store) == ALEX_LOCKED);
    CHILD_REQUIRE(store == NULL);
    return 0;
}

/* A store that is open in another process is ALEX_LOCKED, for readers as well; and still after a child tried. */
static void test_locked_in_another_process(void **state)
{
    struct fixture *fixture = *state;

    fixture_store_open(fixture, NULL);
    assert_int_equal(helper_in_child(open_locked, fixture->path), 0);
    assert_int_equal(helper_in_child(open_locked, fixture->path), 0);
}

/* A second process, without any of this one's memory, finds the store locked too, and the lock file names its holder.
 */
static void test_locked_for_a_program(void **state)
{
    struct fixture *fixture = *state;
    char command[2 * FILES_PATH_MAX + 32];
    char path[FILES_PATH_MAX];
    char expected[32];

    fixture_store_open(fixture, NULL);
    char program[FILES_PATH_MAX];
    ssize_t got = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(got > 0);
    program[got] = '\0';
    snprintf(command, sizeof command, "'%s' --open-locked '%s'", program, fixture->path);
    assert_int_equal(system(command), 0);

    files_join(path, fixture->path, "LOCK");
    size_t size;
    unsigned char *data = files_read(path, &size);
    snprintf(expected, sizeof expected, "%ld\n", (long)getpid());
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(data, expected, size);
    free(data);
}

static int die_with_store_open(void *context)
{
    alex_store *store = NULL;
    CHILD_REQUIRE(alex_open(context, NULL, &store) == ALEX_OK);
    CHILD_REQUIRE(alex_put(alex_main_table(store), 1, "one", 3, NULL) == ALEX_OK);
    return 0;
}

/* The lock of a process that died is nobody's: the next open succeeds and tells of the unclean end. */
static void test_lock_dies_with_its_process(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;

    assert_int_equal(helper_in_child(die_with_store_open, fixture->path), 0);
    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_false(report.created);
    assert_false(report.clean);
    assert_int_equal(report.cut_bytes, 0);
    ASSERT_VALUE(fixture->main, 1, "one");
}

/* Closing NULL is fine. */
static void test_close_null(void **state)
{
    (void)state;
    ASSERT_OK(alex_close(NULL));
    ASSERT_OK(alex_end(NULL));
    alex_cursor_close(NULL);
    alex_loader_close(NULL);
    assert_null(alex_main_table(NULL));
}

/* A store with an open transaction, cursor, loader or reservation is not closed; the store goes on as before. */
static void test_close_while_busy(void **state)
{
    struct fixture *fixture = *state;
    alex_cursor *cursor = NULL;
    alex_loader *loader = NULL;
    void *buffer = NULL;

    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    ASSERT_OK(alex_cursor_open(txn, fixture->main, NULL, &cursor));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    ASSERT_CODE(ALEX_BUSY, alex_end(txn));
    ASSERT_TXN_VALUE(txn, fixture->main, 1, "one");
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));

    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store)); /* a loader that has ended is there until it is closed */
    alex_loader_close(loader);
    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_INVALID, alex_loader_add(loader, 1, NULL, 1));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    alex_loader_close(loader);
    ASSERT_OK(alex_put_reserve(fixture->main, 2, 8, &buffer));
    ASSERT_CODE(ALEX_BUSY, alex_close(fixture->store));
    alex_put_cancel(fixture->main);
    helper_put(fixture->main, 3, "three");
    fixture_reopen(fixture);
    ASSERT_VALUE(fixture->main, 3, "three");
}

/* The report counts the records that were replayed, and a clean open cuts nothing. */
static void test_open_report(void **state)
{
    struct fixture *fixture = *state;
    struct alex_open_report report;

    fixture_store_open(fixture, NULL);
    alex_store_open_report(fixture->store, &report);
    assert_true(report.created);
    assert_int_equal(report.records_replayed, 0);
    for (int64_t key = 0; key < 10; key++) {
        helper_put(fixture->main, key, "x");
    }
    fixture_reopen(fixture);
    alex_store_open_report(fixture->store, &report);
    assert_true(report.clean);
    assert_in_range(report.records_replayed, 10, 14); /* and what the log wrote for itself */
    assert_int_equal(report.records_dropped, 0);
    assert_int_equal(report.cut_bytes, 0);
    assert_string_equal(report.cut_path, "");
    assert_int_equal(report.cut_offset, 0);
}

/* Opening and closing again and again keeps the data and doesn't let the store grow. */
static void test_many_reopens(void **state)
{
    struct fixture *fixture = *state;

    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_reopen(fixture);
    struct alex_store_stats before;
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    for (int i = 0; i < 50; i++) {
        fixture_reopen(fixture);
        ASSERT_VALUE(fixture->main, 1, "one");
    }
    struct alex_store_stats after;
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_int_equal(after.log_bytes, before.log_bytes);
    assert_int_equal(after.disk_bytes, before.disk_bytes);
    assert_int_equal(after.segments, before.segments);
}

/* A store that is opened and read is not written to: its files stay byte for byte what they were. */
static void test_reading_writes_nothing(void **state)
{
    struct fixture *fixture = *state;

    fixture_store_open(fixture, NULL);
    for (int64_t key = 0; key < 1000; key++) {
        helper_put(fixture->main, key, "value");
    }
    fixture_store_close(fixture);
    uint64_t before = files_fingerprint(fixture->path, "LOCK");
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 999, "value");
    ASSERT_OK(alex_sync(fixture->store));
    fixture_store_close(fixture);
    assert_int_equal(files_fingerprint(fixture->path, "LOCK"), before);
}

/* Without checksums and without a background thread a store gives the same values. */
static void test_options_give_the_same_store(void **state)
{
    struct fixture *fixture = *state;
    struct alex_options options = {.no_checksums = true, .no_background = true, .growth_bytes = 1 << 20};

    fixture_store_open(fixture, &options);
    for (int64_t key = 0; key < 5000; key++) {
        unsigned char value[64];
        helper_fill(value, sizeof value, (uint64_t)key);
        ASSERT_OK(alex_put(fixture->main, key, value, sizeof value, NULL));
    }
    fixture_reopen(fixture);
    for (int64_t key = 0; key < 5000; key++) {
        unsigned char value[64];
        size_t size = 0;
        ASSERT_OK(alex_get(fixture->main, key, value, sizeof value, &size));
        assert_int_equal(size, sizeof value);
        assert_true(helper_is_filled(value, size, (uint64_t)key));
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--open-locked") == 0) {
        return open_locked(argv[2]); /* this program as the other process of test_locked_for_a_program */
    }
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_open_makes_or_opens),
        TEST_WITH_DIRECTORY(test_default_options),
        TEST_WITH_DIRECTORY(test_must_exist),
        TEST_WITH_DIRECTORY(test_must_exist_in_empty_directory),
        TEST_WITH_DIRECTORY(test_must_be_new),
        TEST_WITH_DIRECTORY(test_empty_directory_becomes_a_store),
        TEST_WITH_DIRECTORY(test_spellings_of_a_path),
        TEST_WITH_DIRECTORY(test_path_is_copied),
        TEST_WITH_DIRECTORY(test_nonsense_arguments),
        TEST_WITH_DIRECTORY(test_path_is_a_file),
        TEST_WITH_DIRECTORY(test_directory_of_other_things),
        TEST_WITH_DIRECTORY(test_foreign_files_in_a_store),
        TEST_WITH_DIRECTORY(test_missing_parent),
        TEST_WITH_DIRECTORY(test_long_path),
        TEST_WITH_DIRECTORY(test_no_permission_to_make),
        TEST_WITH_DIRECTORY(test_no_permission_to_read),
        TEST_WITH_DIRECTORY(test_read_only_needs_no_write_permission),
        TEST_WITH_DIRECTORY(test_read_only_refuses_writes),
        TEST_WITH_DIRECTORY(test_read_only_makes_nothing),
        TEST_WITH_DIRECTORY(test_locked_in_this_process),
        TEST_WITH_DIRECTORY(test_locked_in_another_process),
        TEST_WITH_DIRECTORY(test_locked_for_a_program),
        TEST_WITH_DIRECTORY(test_lock_dies_with_its_process),
        TEST_WITH_DIRECTORY(test_close_null),
        TEST_WITH_DIRECTORY(test_close_while_busy),
        TEST_WITH_DIRECTORY(test_open_report),
        TEST_WITH_DIRECTORY(test_many_reopens),
        TEST_WITH_DIRECTORY(test_reading_writes_nothing),
        TEST_WITH_DIRECTORY(test_options_give_the_same_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
