/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_memory.c
 * Address space that is limited, as `ulimit -v` does: a store works in little of it, or says that it is used up.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "base/base.h"
#include "support/store_helper.h"

#define MIB ((uint64_t)1 << 20)

/** Bytes of address space that this process has mapped. */
static uint64_t mapped_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHILD_REQUIRE(file != NULL && fscanf(file, "%llu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

static void leave_address_space(uint64_t bytes)
{
    uint64_t limit = mapped_bytes() + bytes;
    struct rlimit limits = {limit, limit};
    CHILD_REQUIRE(setrlimit(RLIMIT_AS, &limits) == 0);
}

struct attempt {
    struct fixture *fixture;
    uint64_t bytes; /**< of address space left */
    bool must_work;
};

/** Works in limited address space until it is used up, and then still reads what was written. */
static int work_in_little(void *context)
{
    const struct attempt *attempt = context;
    struct alex_error error = {0};
    struct alex_options options = {.error = &error, .no_background = true};
    alex_store *store = NULL;
    int64_t written = 0;

    leave_address_space(attempt->bytes);
    int code = alex_open(attempt->fixture->path, &options, &store);
    if (code != ALEX_OK) {
        CHILD_REQUIRE(!attempt->must_work);
        CHILD_REQUIRE(code == ALEX_NO_MEMORY && error.code == ALEX_NO_MEMORY && error.message[0] != '\0');
        return 0;
    }
    alex_table *table = alex_main_table(store);
    static unsigned char value[10000];
    for (code = ALEX_OK; code == ALEX_OK && written < 30000; written += code == ALEX_OK) {
        helper_fill(value, sizeof value, (uint64_t)written);
        code = alex_put(table, written, value, sizeof value, NULL);
    }
    if (code != ALEX_OK) {
        CHILD_REQUIRE(code == ALEX_NO_MEMORY);
        alex_store_error(store, &error);
        CHILD_REQUIRE(error.code == ALEX_NO_MEMORY && error.message[0] != '\0');
        CHILD_REQUIRE(alex_exists(table, written) == ALEX_NOT_FOUND);
    }
    CHILD_REQUIRE(!attempt->must_work || written >= 5000); /* 50 MB */
    for (int64_t key = 0; key < written; key++) {
        size_t size = 0;
        CHILD_REQUIRE(alex_get(table, key, value, sizeof value, &size) == ALEX_OK);
        CHILD_REQUIRE(size == sizeof value && helper_is_filled(value, size, (uint64_t)key));
    }
    CHILD_REQUIRE(alex_close(store) == ALEX_OK);
    return 0;
}

/* With 1 GiB of address space a store of some size can be written and read. */
static void test_one_gib(void **state)
{
    struct attempt attempt = {*state, 1024 * MIB, true};
    assert_int_equal(helper_in_child(work_in_little, &attempt), 0);
    fixture_store_open(attempt.fixture, NULL);
}

/* With any less it either works or is refused with ALEX_NO_MEMORY, by the open or by the put, which loses nothing. */
static void test_less_and_less(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t bytes = 512 * MIB; bytes >= MIB / 4; bytes /= 2) {
        struct attempt attempt = {fixture, bytes, false};
        assert_int_equal(helper_in_child(work_in_little, &attempt), 0);
        files_remove(fixture->path);
    }
}

static bool is_sanitized(void)
{
#ifdef BASE_SANITIZED
    return true;
#else
    return false;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_one_gib),
        TEST_WITH_DIRECTORY(test_less_and_less),
    };
    if (is_sanitized()) {
        print_message("skipped: sanitizers map more than any such limit\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
