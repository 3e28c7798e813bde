/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_os_memory.c
 * Private memory, reserved address space, mapped files, threads.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "support/faults.h"
#include "support/store_helper.h"

#define HUGE_BYTES ((size_t)2 << 20)

/* Private memory is zero, writable, and aligned to a huge page if one is asked for. */
static void test_memory(void **state)
{
    (void)state;
    for (int huge = 0; huge < 2; huge++) {
        size_t bytes = huge == 0 ? 12288 : 2 * HUGE_BYTES;
        unsigned char *memory;
        void *address;
        ASSERT_OK(os_memory_map(bytes, huge == 1, &address));
        memory = address;
        assert_int_equal((uintptr_t)memory % (huge == 1 ? HUGE_BYTES : 4096), 0);
        for (size_t i = 0; i < bytes; i += 1000) {
            assert_int_equal(memory[i], 0);
            memory[i] = 1;
        }
        memory[bytes - 1] = 1;
        os_memory_unmap(memory, bytes);
    }
}

static struct os_calls real_calls;

/** A mapping that begins a page behind a multiple of 2 MB. */
static void *unaligned_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    char *memory = real_calls.mmap(address, bytes + 2 * HUGE_BYTES, protection, flags, fd, offset);
    assert_true(memory != MAP_FAILED);
    char *begin = memory + (-(uintptr_t)memory & (HUGE_BYTES - 1)) + 4096;
    assert_int_equal(munmap(memory, (size_t)(begin - memory)), 0);
    return begin;
}

/* What the system maps elsewhere than at a huge page is aligned, and what lies before and behind is given back. */
static void test_memory_is_aligned(void **state)
{
    (void)state;
    void *memory;
    real_calls = os_calls;
    os_calls.mmap = unaligned_mmap;
    int code = os_memory_map(HUGE_BYTES, true, &memory);
    os_calls = real_calls;
    ASSERT_OK(code);
    assert_int_equal((uintptr_t)memory % HUGE_BYTES, 0);
    memset(memory, 1, HUGE_BYTES);
    os_memory_unmap(memory, HUGE_BYTES);
}

/* What the system refuses, and what no address space holds, is an error. */
static void test_memory_refused(void **state)
{
    (void)state;
    void *memory;
    faults_install();
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_MMAP), .first = 1, .for_good = true});
    int small = os_memory_map(4096, false, &memory);
    int huge = os_memory_map(4096, true, &memory);
    int reserved = os_space_reserve(4096, &memory);
    faults_remove();
    assert_int_equal(small, ALEX_NO_MEMORY);
    assert_int_equal(huge, ALEX_NO_MEMORY);
    assert_int_equal(reserved, ALEX_NO_MEMORY);
    assert_int_equal(os_memory_map(SIZE_MAX - 4096, true, &memory), ALEX_NO_MEMORY);
    assert_int_equal(os_space_reserve(SIZE_MAX - 4096, &memory), ALEX_NO_MEMORY);
}

/* Whoever gives way to a fork waits for it a moment, once in each period, and then goes on though the fork waits for
 * something else. */
static void test_giving_way(void **state)
{
    (void)state;
    assert_false(os_fork_waits());
    uint64_t from = os_clock_ns();
    atomic_store(&os_fork_waits_from, from);
    os_fork_give_way();
    assert_true(os_fork_waits());
    assert_true(os_clock_ns() - from >= OS_FORK_PAUSE_NS);
    int calls_without = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t begin = os_clock_ns();
        os_fork_give_way();
        calls_without += os_clock_ns() - begin < OS_FORK_PAUSE_NS;
    }
    assert_true(calls_without > 0);
    while (os_clock_ns() - from < OS_FORK_PERIOD_NS) {
        (void)usleep(1000);
    }
    uint64_t before = os_clock_ns();
    os_fork_give_way();
    assert_true(os_clock_ns() - before >= OS_FORK_PAUSE_NS);
    atomic_store(&os_fork_waits_from, 0);
    os_fork_give_way();
}

/** The signal that a read of one byte ends a child with; 0 if it reads. */
static int signal_of_read(const unsigned char *at)
{
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)signal(SIGBUS, SIG_DFL);
        volatile unsigned char byte = *(const volatile unsigned char *)at;
        (void)byte;
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int signal_of_write(unsigned char *at)
{
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        *(volatile unsigned char *)at = 1;
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Reserved space can't be touched; a file mapped into it shows the file as it grows; cleared, it can't be touched
 * again. */
static void test_space_and_map(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    void *address;
    int fd;
    files_join(path, fixture->directory, "file");
    ASSERT_OK(os_space_reserve(HUGE_BYTES, &address));
    unsigned char *space = address;
    assert_int_equal((uintptr_t)space % HUGE_BYTES, 0);
#ifndef BASE_SANITIZED
    assert_int_equal(signal_of_read(space), SIGSEGV);
#endif
    ASSERT_OK(os_file_open(path, OS_CREATE, &fd, NULL));
    ASSERT_OK(os_map_file(space, HUGE_BYTES, fd, path, NULL));
    bool supported;
    ASSERT_OK(os_file_allocate(fd, path, 0, 8192, &supported, NULL));
    ASSERT_OK(os_file_write(fd, path, 4096, "through the file", 16, NULL));
    assert_memory_equal(space + 4096, "through the file", 16);
#ifndef BASE_SANITIZED
    assert_int_equal(signal_of_write(space), SIGSEGV);
#endif
    ASSERT_OK(os_map_protect(space, 4096, true, path, NULL));
    memcpy(space, "through the map", 15);
    os_map_populate(space, 4096);
    os_map_prefer_huge(space, HUGE_BYTES);
    char buffer[15];
    files_read_at(path, 0, buffer, sizeof buffer);
    assert_memory_equal(buffer, "through the map", 15);
    ASSERT_OK(os_map_protect(space, 4096, false, path, NULL));
#ifndef BASE_SANITIZED
    assert_int_equal(signal_of_write(space), SIGSEGV);
    os_space_clear(space, HUGE_BYTES);
    assert_int_equal(signal_of_read(space), SIGSEGV);
#else
    (void)signal_of_read;
    (void)signal_of_write;
    os_space_clear(space, HUGE_BYTES);
#endif
    os_space_release(space, HUGE_BYTES);
    os_file_close(fd);
}

struct shared {
    struct os_mutex *mutex;
    struct os_condition *changed;
    int turn;
    sigset_t signals;
};

static void answer(void *context)
{
    struct shared *shared = context;
    os_mutex_lock(shared->mutex);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &shared->signals);
    while (shared->turn != 1) {
        os_condition_wait(shared->changed, shared->mutex);
    }
    shared->turn = 2;
    os_condition_wake_all(shared->changed);
    os_mutex_unlock(shared->mutex);
}

/* Threads wait for each other, and one that is started takes no signal; the starter's mask is as before. */
static void test_threads(void **state)
{
    (void)state;
    struct shared shared = {0};
    struct os_thread *thread;
    sigset_t mine;
    ASSERT_OK(os_mutex_create(&shared.mutex));
    ASSERT_OK(os_condition_create(&shared.changed));
    ASSERT_OK(os_thread_start(answer, &shared, &thread, NULL));
    os_mutex_lock(shared.mutex);
    shared.turn = 1;
    os_condition_wake_all(shared.changed);
    while (shared.turn != 2) {
        os_condition_wait(shared.changed, shared.mutex);
    }
    os_mutex_unlock(shared.mutex);
    os_thread_join(thread);
    os_thread_join(NULL);
    assert_true(sigismember(&shared.signals, SIGTERM) == 1 && sigismember(&shared.signals, SIGUSR1) == 1);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0);
    os_condition_destroy(shared.changed);
    os_mutex_destroy(shared.mutex);
    os_condition_destroy(NULL);
    os_mutex_destroy(NULL);
}

/* Want of memory fails each of the calls that make an object. */
static void test_objects_need_memory(void **state)
{
    (void)state;
    struct os_mutex *mutex;
    struct os_condition *condition;
    struct os_thread *thread;
    faults_install();
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = 1, .for_good = true});
    int no_mutex = os_mutex_create(&mutex);
    int no_condition = os_condition_create(&condition);
    int no_thread = os_thread_start(answer, NULL, &thread, NULL);
    faults_remove();
    assert_int_equal(no_mutex, ALEX_NO_MEMORY);
    assert_int_equal(no_condition, ALEX_NO_MEMORY);
    assert_int_equal(no_thread, ALEX_NO_MEMORY);
}

/* Random bytes differ from call to call; the process id is the process's. */
static void test_random_and_process(void **state)
{
    (void)state;
    unsigned char a[16] = {0};
    unsigned char b[16] = {0};
    ASSERT_OK(os_random(a, sizeof a, NULL));
    ASSERT_OK(os_random(b, sizeof b, NULL));
    assert_memory_not_equal(a, b, sizeof a);
    ASSERT_OK(os_random(NULL, 0, NULL));
    assert_int_equal(os_process_id(), getpid());
}

/* Who has met a writer again and again sleeps, which lets threads of lower priority have the processor. */
static void test_pause(void **state)
{
    (void)state;
    uint64_t before = os_clock_ns();
    os_thread_pause(1024);
    assert_true(os_clock_ns() - before >= 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_is_aligned),
        cmocka_unit_test(test_memory_refused),
        TEST_WITH_DIRECTORY(test_space_and_map),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_objects_need_memory),
        cmocka_unit_test(test_random_and_process),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_giving_way),
    };
    return cmocka_run_group_tests_name("os memory", tests, NULL, NULL);
}
