/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_store_memory.c
 * The index runs out of memory in the middle of a batch or a load: nothing of it stays, and later it works.
 */
#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

/** So many that the index has to ask the system for memory several times. */
#ifdef BASE_SANITIZED
enum { BEFORE = 500, ADDED = 5000 };
#else
enum { BEFORE = 500, ADDED = 12000 };
#endif

/** Spread over all keys, in no order: every third of those before is replaced. */
static int64_t key_of(size_t i)
{
    return i % 3 == 0 ? (int64_t)(i % BEFORE) : (int64_t)(i * 0x9E3779B97F4A7C15u);
}

static void fill(struct fixture *fixture)
{
    for (int64_t key = 0; key < BEFORE; key++) {
        ASSERT_OK(alex_put(fixture->main, key, &key, sizeof key, NULL));
    }
}

/** Asserts that the table is as fill() left it. */
static void assert_untouched(struct fixture *fixture)
{
    const struct index *index = fixture->main->index;
    assert_int_equal(fixture->main->keys, BEFORE);
    assert_int_equal(index_count(index), BEFORE);
    assert_null(index_verify(index));
    for (int64_t key = 0; key < BEFORE; key++) {
        int64_t value;
        ASSERT_OK(alex_get(fixture->main, key, &value, sizeof value, NULL));
        assert_int_equal(value, key);
    }
}

static int batch(struct fixture *fixture)
{
    struct alex_op *ops = malloc(ADDED * sizeof *ops);
    for (size_t i = 0; i < ADDED; i++) {
        ops[i] = (struct alex_op){ALEX_OP_PUT, fixture->main, key_of(i), {"x", 1}};
    }
    int code = alex_write(fixture->store, ops, ADDED);
    free(ops);
    return code;
}

static int load(struct fixture *fixture)
{
    alex_loader *loader;
    int code = alex_loader_open(fixture->main, &loader);
    if (code != ALEX_OK) {
        return code;
    }
    for (size_t i = 0; i < ADDED && code == ALEX_OK; i++) {
        code = alex_loader_add(loader, key_of(i), "x", 1);
    }
    if (code == ALEX_OK) {
        code = alex_loader_commit(loader, NULL, NULL);
    }
    alex_loader_close(loader);
    return code;
}

/** Fails the Nth mapping of memory, and the Nth allocation, within `act`, for every N there is. */
static void sweep(struct fixture *fixture, int (*act)(struct fixture *fixture))
{
    static const enum faults_call calls[] = {FAULTS_MMAP, FAULTS_ALLOCATION};
    struct alex_options options = {.no_background = true};
    bool failed_in_index = false;
    for (size_t c = 0; c < 2; c++) {
        bool done = false;
        for (uint64_t at = 1; !done; at++) {
            files_remove(fixture->path);
            fixture_store_open(fixture, &options);
            fill(fixture);
            faults_set(&(struct faults_plan){.calls = FAULTS_SET(calls[c]), .first = at, .for_good = true});
            int code = act(fixture);
            done = faults_struck() == 0;
            faults_clear();
            ASSERT_CODE(done ? ALEX_OK : ALEX_NO_MEMORY, code);
            if (!done) {
                struct alex_error error;
                alex_store_error(fixture->store, &error);
                failed_in_index |= strstr(error.message, "to enter") != NULL;
                assert_untouched(fixture);
            }
            fixture_reopen(fixture);
            if (!done) {
                assert_untouched(fixture);
                ASSERT_OK(act(fixture));
            }
            assert_true(fixture->main->keys > ADDED / 2);
            helper_check(fixture->store);
            fixture_store_close(fixture);
        }
    }
    assert_true(failed_in_index); /* else the claim was not put to the test */
}

/* A batch that can't be entered in the index has not happened. */
static void test_batch(void **state)
{
    sweep(*state, batch);
}

/* A load into a table that holds keys, likewise. */
static void test_load(void **state)
{
    sweep(*state, load);
}

static int setup(void **state)
{
    faults_install();
    return fixture_directory(state);
}

static int teardown(void **state)
{
    int result = fixture_close(state);
    faults_remove();
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load, setup, teardown),
    };
    return cmocka_run_group_tests_name("store memory", tests, NULL, NULL);
}
