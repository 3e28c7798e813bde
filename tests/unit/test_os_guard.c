/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_os_guard.c
 * Reads of mapped files that fail: those under a guard end there, all others go to whatever handled the signal before.
 * Each test runs in a child, as the handler is the process's for good.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/os.h"
#include "support/faults.h"
#include "support/store_helper.h"

enum { PAGE = 4096, PASSED_ON = 42 };

/** Two pages of a file each that has none. */
struct pages {
    const char *bytes;
    const char *others;
};

static const char *map_nothing(const char *directory, const char *name)
{
    char path[FILES_PATH_MAX];
    files_join(path, directory, name);
    int fd = open(path, O_RDWR | O_CREAT, 0666);
    void *mapped = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHILD_REQUIRE(fd >= 0 && mapped != MAP_FAILED);
    (void)close(fd);
    return mapped;
}

static void map_pages(const struct fixture *fixture, struct pages *out_pages)
{
    out_pages->bytes = map_nothing(fixture->directory, "bytes");
    out_pages->others = map_nothing(fixture->directory, "others");
}

static bool covers(const void *context, const void *address)
{
    return (uintptr_t)address - (uintptr_t)context < 2 * (uintptr_t)PAGE;
}

static void read_byte(void *context)
{
    const volatile char *byte = context;
    (void)*byte;
    helper_child_failed("the read fails", __FILE__, __LINE__);
}

static void read_nothing(void *context)
{
    ++*(int *)context;
}

static void *unconst(const char *byte)
{
    return (void *)(uintptr_t)byte;
}

static int guarded_read(void *context)
{
    struct pages pages;
    const void *address = NULL;
    int calls = 0;
    map_pages(context, &pages);
    struct os_guarded_space space = {covers, pages.bytes};
    CHILD_REQUIRE(os_guard_install(NULL) == ALEX_OK);
    CHILD_REQUIRE(os_guard_install(NULL) == ALEX_OK);
    for (int i = 0; i < 3; i++) {
        CHILD_REQUIRE(!os_guarded(&space, read_byte, unconst(pages.bytes + PAGE + i), &address));
        CHILD_REQUIRE(address == pages.bytes + PAGE + i);
    }
    address = NULL;
    CHILD_REQUIRE(os_guarded(&space, read_nothing, &calls, &address));
    CHILD_REQUIRE(calls == 1 && address == NULL);
    return 0;
}

/* A read that fails under a guard ends there, again and again, with its address; one that doesn't is not disturbed. */
static void test_guarded(void **state)
{
    assert_int_equal(helper_in_child(guarded_read, *state), 0);
}

struct nest {
    struct pages pages;
    bool inner_returned;
};

static void read_others_inside(void *context)
{
    struct nest *nest = context;
    struct os_guarded_space inner = {covers, nest->pages.bytes};
    const void *address;
    CHILD_REQUIRE(!os_guarded(&inner, read_byte, unconst(nest->pages.bytes), &address));
    (void)os_guarded(&inner, read_byte, unconst(nest->pages.others), &address);
    nest->inner_returned = true;
}

static int nested_read(void *context)
{
    struct nest nest = {0};
    const void *address;
    map_pages(context, &nest.pages);
    struct os_guarded_space outer = {covers, nest.pages.others};
    CHILD_REQUIRE(os_guard_install(NULL) == ALEX_OK);
    CHILD_REQUIRE(!os_guarded(&outer, read_others_inside, &nest, &address));
    CHILD_REQUIRE(address == nest.pages.others && !nest.inner_returned);
    return 0;
}

/* Guards nest: each answers for its own addresses, also from within another. */
static void test_nested(void **state)
{
    assert_int_equal(helper_in_child(nested_read, *state), 0);
}

/* ------------------------------------------------------------------------------------------------ passed on */

static const void *expected_address;

static void handle_plainly(int signal)
{
    _exit(signal == SIGBUS ? PASSED_ON : 1);
}

static void handle_with_detail(int signal, siginfo_t *info, void *context)
{
    (void)context;
    _exit(signal == SIGBUS && info->si_addr == expected_address ? PASSED_ON : 1);
}

/** What handled the signal before, and how it comes. */
struct way {
    const struct fixture *fixture;
    struct sigaction before;
    bool is_sent;    /**< by raise(); else by a read that fails */
    bool is_guarded; /**< by a guard that answers for something else */
};

static int fail_elsewhere(void *context)
{
    struct way *way = context;
    struct pages pages;
    const void *address;
    map_pages(way->fixture, &pages);
    struct os_guarded_space space = {covers, pages.bytes};
    CHILD_REQUIRE(sigaction(SIGBUS, &way->before, NULL) == 0);
    CHILD_REQUIRE(os_guard_install(NULL) == ALEX_OK);
    CHILD_REQUIRE(!os_guarded(&space, read_byte, unconst(pages.bytes), &address)); /* it is in place */
    expected_address = pages.others + 1;
    if (way->is_sent) {
        (void)raise(SIGBUS);
    } else if (way->is_guarded) {
        (void)os_guarded(&space, read_byte, unconst(pages.others + 1), &address);
    } else {
        read_byte(unconst(pages.others + 1));
    }
    return 0;
}

/* What no guard answers for goes to the handler of before, of either kind. */
static void test_passed_on(void **state)
{
    struct way way = {.fixture = *state};
    for (int guarded = 0; guarded < 2; guarded++) {
        way.is_guarded = guarded != 0;
        way.before = (struct sigaction){.sa_handler = handle_plainly};
        assert_int_equal(helper_in_child(fail_elsewhere, &way), PASSED_ON);
        way.before = (struct sigaction){.sa_sigaction = handle_with_detail, .sa_flags = SA_SIGINFO};
        assert_int_equal(helper_in_child(fail_elsewhere, &way), PASSED_ON);
    }
}

/* Without a handler of before, the signal ends the process; one that is ignored does so if it was met, not if sent. */
static void test_default(void **state)
{
    struct way way = {.fixture = *state, .before = {.sa_handler = SIG_DFL}};
    assert_int_equal(helper_signal_of_child(fail_elsewhere, &way), SIGBUS);
    way.is_sent = true;
    assert_int_equal(helper_signal_of_child(fail_elsewhere, &way), SIGBUS);
    way.before.sa_handler = SIG_IGN;
    assert_int_equal(helper_in_child(fail_elsewhere, &way), 0);
    way.is_sent = false;
    assert_int_equal(helper_signal_of_child(fail_elsewhere, &way), SIGBUS);
}

static int fail_to_install(void *context)
{
    (void)context;
    struct alex_error error = {0};
    faults_install();
    for (uint64_t first = 1; first <= 2; first++) {
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_SIGACTION), .first = first});
        CHILD_REQUIRE(os_guard_install(&error) == ALEX_IO);
        CHILD_REQUIRE(error.code == ALEX_IO && strstr(error.message, "SIGBUS") != NULL);
    }
    faults_clear();
    return os_guard_install(&error);
}

/* A handler that can't be installed is an error, and the next try may do it. */
static void test_no_handler(void **state)
{
    assert_int_equal(helper_in_child(fail_to_install, *state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_guarded), TEST_WITH_DIRECTORY(test_nested),     TEST_WITH_DIRECTORY(test_passed_on),
        TEST_WITH_DIRECTORY(test_default), TEST_WITH_DIRECTORY(test_no_handler),
    };
    return cmocka_run_group_tests_name("os guard", tests, NULL, NULL);
}
