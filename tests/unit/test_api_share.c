/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_share.c
 * Read-only opens of one store, which share it in one process and in several, and keep writers out.
 */
#include "support/faults.h"
#include "support/store_helper.h"

static const struct alex_options read_only = {.read_only = true};

/** A store with one key; closed. */
static void make_store(struct fixture *fixture)
{
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    fixture_store_close(fixture);
}

static alex_store *open_reader(const char *path)
{
    alex_store *store;
    ASSERT_OK(alex_open(path, &read_only, &store));
    ASSERT_VALUE(alex_main_table(store), 1, "one");
    return store;
}

static int open_to_write(void *context)
{
    alex_store *store;
    int code = alex_open(context, NULL, &store);
    return code == ALEX_OK ? alex_close(store) : code;
}

static int open_to_read(void *context)
{
    alex_store *store;
    int code = alex_open(context, &read_only, &store);
    return code == ALEX_OK ? alex_close(store) : code;
}

/** Asserts whether a writer is let in, in this process and in another, and that readers are. */
static void assert_writer(struct fixture *fixture, bool let_in)
{
    int expected = let_in ? ALEX_OK : ALEX_LOCKED;
    ASSERT_CODE(expected, open_to_write(fixture->path));
    assert_int_equal(helper_in_child(open_to_write, fixture->path), expected);
    ASSERT_OK(open_to_read(fixture->path));
    assert_int_equal(helper_in_child(open_to_read, fixture->path), ALEX_OK);
}

/* Readers of one process share a store, and whichever of them ends, the others keep writers of this process and of
 * others out until the last one has ended. */
static void test_readers_in_one_process(void **state)
{
    struct fixture *fixture = *state;
    enum { READERS = 3 };
    static const int orders[][READERS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    make_store(fixture);
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        alex_store *readers[READERS];
        for (int j = 0; j < READERS; j++) {
            readers[j] = open_reader(fixture->path);
        }
        for (int j = 0; j < READERS; j++) {
            assert_writer(fixture, false);
            ASSERT_OK(alex_close(readers[orders[i][j]]));
        }
        assert_writer(fixture, true);
    }
}

/* So does a reader of another process, which this one's don't notice. */
static void test_reader_in_another_process(void **state)
{
    struct fixture *fixture = *state;
    make_store(fixture);
    alex_store *reader = open_reader(fixture->path);
    assert_int_equal(helper_in_child(open_to_read, fixture->path), ALEX_OK);
    assert_writer(fixture, false);
    ASSERT_OK(alex_close(reader));
    assert_writer(fixture, true);
}

/* A writer lets no reader in, be it in this process or in another. */
static void test_no_reader_beside_a_writer(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, NULL);
    ASSERT_CODE(ALEX_LOCKED, open_to_read(fixture->path));
    assert_int_equal(helper_in_child(open_to_read, fixture->path), ALEX_LOCKED);
}

/* Readers of a copy without a LOCK file share it too, and stores in other places have nothing to do with it. */
static void test_readers_without_a_lock_file(void **state)
{
    struct fixture *fixture = *state;
    char other[FILES_PATH_MAX];
    char lock[FILES_PATH_MAX];
    make_store(fixture);
    files_join(other, fixture->directory, "other");
    files_copy_directory(fixture->path, other);
    files_join(lock, other, "LOCK");
    files_remove(lock);
    fixture_store_open(fixture, NULL);
    alex_store *first = open_reader(other);
    alex_store *second = open_reader(other);
    ASSERT_OK(alex_close(first));
    ASSERT_CODE(ALEX_LOCKED, open_to_write(other));
    ASSERT_OK(alex_close(second));
    assert_false(files_exists(lock));
    ASSERT_OK(open_to_write(other));
}

static int open_without_knowing(void *context)
{
    struct alex_error error = {0};
    struct alex_options options = {.error = &error};
    alex_store *store;
    faults_install();
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_GET_LOCK), .first = 1});
    CHILD_REQUIRE(alex_open(context, &options, &store) == ALEX_LOCKED);
    CHILD_REQUIRE(strstr(error.message, "another process") != NULL);
    return 0;
}

/* Where the system can't say who has the store open, the refusal says so much. */
static void test_holder_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_open(fixture, NULL);
    assert_int_equal(helper_in_child(open_without_knowing, fixture->path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_readers_in_one_process),      TEST_WITH_DIRECTORY(test_reader_in_another_process),
        TEST_WITH_DIRECTORY(test_no_reader_beside_a_writer),   TEST_WITH_DIRECTORY(test_holder_is_unknown),
        TEST_WITH_DIRECTORY(test_readers_without_a_lock_file),
    };
    return cmocka_run_group_tests_name("api share", tests, NULL, NULL);
}
