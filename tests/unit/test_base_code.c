/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_base_code.c
 * Error codes and the filling of error detail.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

/** All of enum alex_code, with the number that is part of the ABI. */
static const struct {
    int code;
    int number;
    const char *name;
} codes[] = {
#define CODE(name, number)  \
    {                       \
        name, number, #name \
    }
    CODE(ALEX_OK, 0),        CODE(ALEX_NOT_FOUND, 1),  CODE(ALEX_EXISTS, 2),       CODE(ALEX_INVALID, 3),
    CODE(ALEX_TOO_LARGE, 4), CODE(ALEX_TOO_SMALL, 5),  CODE(ALEX_READ_ONLY, 6),    CODE(ALEX_BUSY, 7),
    CODE(ALEX_LOCKED, 8),    CODE(ALEX_NO_STORE, 9),   CODE(ALEX_NOT_A_STORE, 10), CODE(ALEX_NEWER_FORMAT, 11),
    CODE(ALEX_DAMAGED, 12),  CODE(ALEX_NO_MEMORY, 13), CODE(ALEX_NO_SPACE, 14),    CODE(ALEX_NO_PERMISSION, 15),
    CODE(ALEX_IO, 16),       CODE(ALEX_MISUSE, 17),    CODE(ALEX_CONFLICT, 18),
#undef CODE
};
enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

/* Every code has its number, its name, and a text that no other has. */
static void test_every_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODE_COUNT; i++) {
        assert_int_equal(codes[i].code, codes[i].number);
        assert_string_equal(alex_code_name(codes[i].code), codes[i].name);
        assert_true(strlen(alex_code_text(codes[i].code)) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(alex_code_text(codes[i].code), alex_code_text(codes[j].code));
        }
    }
}

/* Any other number is named as unknown, and explained all the same. */
static void test_unknown_codes(void **state)
{
    (void)state;
    static const int numbers[] = {-1, CODE_COUNT, 1000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_string_equal(alex_code_name(numbers[i]), "ALEX_UNKNOWN");
        assert_true(strlen(alex_code_text(numbers[i])) > 0);
    }
}

/* The version is that of the header. */
static void test_version(void **state)
{
    (void)state;
    char version[32];
    (void)snprintf(version, sizeof version, "%d.%d.%d", ALEX_VERSION_MAJOR, ALEX_VERSION_MINOR, ALEX_VERSION_PATCH);
    assert_string_equal(alex_version(), version);
}

/* A failure fills in all of the detail, leaves nothing of an older one, and gives its code back. */
static void test_fail(void **state)
{
    (void)state;
    struct alex_error error;
    memset(&error, 0xEE, sizeof error);
    assert_int_equal(base_fail(&error, ALEX_IO, 5, "/a/path", "cannot %s %d", "count to", 3), ALEX_IO);
    assert_int_equal(error.code, ALEX_IO);
    assert_int_equal(error.os_errno, 5);
    assert_int_equal(error.offset, 0);
    assert_false(error.has_offset);
    assert_string_equal(error.path, "/a/path");
    assert_string_equal(error.message, "cannot count to 3");

    assert_int_equal(base_fail_at(&error, ALEX_DAMAGED, NULL, 4096, "damaged"), ALEX_DAMAGED);
    assert_int_equal(error.os_errno, 0);
    assert_true(error.has_offset);
    assert_int_equal(error.offset, 4096);
    assert_string_equal(error.path, "");
    assert_string_equal(error.message, "damaged");
}

/* Without a place for the detail the code alone is given back. */
static void test_fail_without_detail(void **state)
{
    (void)state;
    assert_int_equal(base_fail(NULL, ALEX_BUSY, 0, "/a/path", "%s", "text"), ALEX_BUSY);
    assert_int_equal(base_fail_at(NULL, ALEX_DAMAGED, "/a/path", 1, "%s", "text"), ALEX_DAMAGED);
}

/* A path and a message that are too long are cut, and end with a zero. */
static void test_fail_cuts(void **state)
{
    (void)state;
    char path[2000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct alex_error error;
    assert_int_equal(base_fail(&error, ALEX_INVALID, 0, path, "%s", path), ALEX_INVALID);
    assert_int_equal(strlen(error.path), sizeof error.path - 1);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static bool alloc_fails(void)
{
    return true;
}

/* Each way to get memory can be made to fail; a size that overflows fails by itself. */
static void test_allocation_failures(void **state)
{
    (void)state;
    void *memory = base_alloc(8);
    assert_non_null(memory);
    base_alloc_fails = alloc_fails;
    void *no_alloc = base_alloc(8);
    void *no_zeroed = base_alloc_zeroed(1, 8);
    void *no_realloc = base_realloc(memory, 16);
    char *no_string = base_copy_string("text", 4);
    base_alloc_fails = NULL;
    assert_null(no_alloc);
    assert_null(no_zeroed);
    assert_null(no_realloc);
    assert_null(no_string);
#ifndef BASE_SANITIZED /* whose allocators take it for a mistake */
    assert_null(base_alloc_zeroed(SIZE_MAX / 2, 4));
#endif
    base_free(memory);

    char *copy = base_copy_string("texture", 4);
    assert_string_equal(copy, "text");
    base_free(copy);
}

static int blocks;

static void count_block(int change)
{
    blocks += change;
}

/* Whoever asks is told of every block that there is, and that is freed; not of one that is only moved, nor of none. */
static void test_allocations_are_counted(void **state)
{
    (void)state;
    blocks = 0;
    base_alloc_changed = count_block;
    void *made[] = {base_alloc(8), base_alloc_zeroed(1, 8), base_realloc(NULL, 8), base_copy_string("text", 4)};
    int made_blocks = blocks;
    made[0] = base_realloc(made[0], 800);
    int moved_blocks = blocks;
    base_alloc_fails = alloc_fails;
    void *none = base_alloc(8);
    base_alloc_fails = NULL;
    base_free(none);
    int failed_blocks = blocks;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        base_free(made[i]);
    }
    base_alloc_changed = NULL;
    assert_int_equal(made_blocks, 4);
    assert_int_equal(moved_blocks, 4);
    assert_int_equal(failed_blocks, 4);
    assert_int_equal(blocks, 0);
}

/* An assertion that fails says on stderr which and where, and aborts. */
static void test_failed_assertion(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        base_assert_failed("1 < 0", "some/file.c", 42);
    }
    (void)close(ends[1]);
    char text[200] = "";
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(text, "alexstorage: some/file.c:42: assertion failed: 1 < 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code),
        cmocka_unit_test(test_unknown_codes),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_fail),
        cmocka_unit_test(test_fail_without_detail),
        cmocka_unit_test(test_fail_cuts),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_allocations_are_counted),
        cmocka_unit_test(test_failed_assertion),
    };
    return cmocka_run_group_tests_name("base code", tests, NULL, NULL);
}
