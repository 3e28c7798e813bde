/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_kill_threads.c
 * kill -9 of a process with several threads that write and one that reads: whatever the durability, all that any of
 * them was told or has seen is there, and of the write at work of each all or nothing. How far they came they tell in
 * memory that the process shares with its parent.
 *
 * A sync takes some time here, and does nothing: what is written is the system's, whatever the disk is.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crash/writers.h"
#include "os/os.h"
#include "store/store.h"
#include "support/faults.h"

enum { KILLS_A_STORE = 10, WRITERS_LEAST = 2 };

/** One in so many processes is killed as soon as it has begun, perhaps while it recovers; others after up to so many
 *  writes and some time more. */
#define EARLY_SHARE 8
#define WRITES_MAX 100
#define LIFE_US_MAX 3000

#define SYNC_US 50
#define SEGMENT_SHIFT 16

struct process {
    const char *path;
    struct alex_options options;
    struct writers *writers;
    alex_store *store;
};

struct thread {
    struct process *process;
    uint32_t number;
};

static int sync_slowly(int fd)
{
    (void)fd;
    (void)usleep(SYNC_US);
    return 0;
}

static void *write_on(void *context)
{
    const struct thread *thread = context;
    struct process *process = thread->process;
    for (int i = 0; i < WRITERS_WRITES_MAX; i++) {
        CHILD_REQUIRE(writers_write(process->writers, thread->number, process->store) == ALEX_OK);
    }
    return NULL;
}

_Noreturn static void read_on(const struct process *process)
{
    char wrong[WRITERS_TEXT_BYTES];
    for (;;) {
        struct writers_numbers least;
        struct writers_numbers present;
        writers_visible(process->writers, &least);
        if (!writers_hold(process->writers, process->store, &least, NULL, &present, NULL, wrong)) {
            (void)fprintf(stderr, "a reader: %s\n", wrong);
            CHILD_REQUIRE(false);
        }
        writers_see(process->writers, &present);
        (void)usleep(SYNC_US);
    }
}

/** Writes and reads until it is killed. */
static int run(void *context)
{
    struct process *process = context;
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    struct thread threads[WRITERS_MAX];
    os_calls.fdatasync = sync_slowly;
    os_calls.fsync = sync_slowly;
    CHILD_REQUIRE(store_open_tuned(process->path, &process->options, &tuning, &process->store) == ALEX_OK);
    for (uint32_t i = 0; i < process->writers->count; i++) {
        pthread_t thread;
        threads[i] = (struct thread){process, i};
        CHILD_REQUIRE(pthread_create(&thread, NULL, write_on, &threads[i]) == 0);
    }
    read_on(process);
}

/** Kills a process, and goes on from what the store then holds. @return whether that is what it may hold */
static bool kill_once(struct fixture *fixture, struct process *process, struct helper_random *random, uint64_t *at_work,
                      char *out_wrong)
{
    struct writers *writers = process->writers;
    bool early = helper_random_below(random, EARLY_SHARE) == 0;
    uint32_t writes = early ? 0 : 1 + (uint32_t)helper_random_below(random, WRITES_MAX);
    int child = helper_child_start(run, process);
    helper_child_wait_for(child, &writers->progress->writes, writes);
    (void)usleep((useconds_t)helper_random_below(random, LIFE_US_MAX));
    helper_child_kill(child);
    at_work[process->options.durability] += atomic_load(&writers->progress->writes) > 0;
    struct writers_numbers visible;
    struct writers_held held = {0};
    writers_visible(writers, &visible);
    fixture_store_open(fixture, NULL);
    bool right = writers_hold(writers, fixture->store, &visible, NULL, NULL, &held, out_wrong);
    helper_check(fixture->store);
    fixture_store_close(fixture);
    writers_go_on(writers, &held);
    return right;
}

/* Again and again, on one store after the other. */
static void test_kill(void **state)
{
    struct fixture *fixture = *state;
    uint64_t wanted = helper_environment("ALEX_THREAD_KILLS", 60);
    uint64_t seed = helper_environment("ALEX_KILL_SEED", 1);
    uint64_t kills = 0;
    uint64_t at_work[ALEX_DURABLE_ON_COMMIT + 1] = {0};
    struct writers_progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(progress, MAP_FAILED);
    for (; kills < wanted; seed++) {
        struct helper_random random = {seed};
        struct writers writers;
        uint32_t count = WRITERS_LEAST + (uint32_t)helper_random_below(&random, WRITERS_MAX + 1 - WRITERS_LEAST);
        writers_begin(&writers, seed, count, progress);
        for (int i = 0; i < KILLS_A_STORE && kills < wanted; i++, kills++) {
            char wrong[WRITERS_TEXT_BYTES];
            struct process process = {fixture->path, {0}, &writers, NULL};
            process.options.durability = (enum alex_durability)helper_random_below(&random, 3);
            process.options.sync_interval_ms = process.options.durability == ALEX_DURABLE_WITHIN_INTERVAL;
            process.options.no_background =
                process.options.durability != ALEX_DURABLE_WITHIN_INTERVAL && helper_random_below(&random, 2) == 0;
            if (!kill_once(fixture, &process, &random, at_work, wrong)) {
                fail_msg("seed %" PRIu64 ", kill %d: %s", seed, i, wrong);
            }
        }
        files_remove(fixture->path);
    }
    (void)munmap(progress, sizeof *progress);
    (void)printf("kills with threads: %" PRIu64 ", of them after a write: %" PRIu64 " without syncs, %" PRIu64
                 " with syncs at intervals, %" PRIu64 " with synced commits\n",
                 kills, at_work[ALEX_DURABLE_ON_SYNC], at_work[ALEX_DURABLE_WITHIN_INTERVAL],
                 at_work[ALEX_DURABLE_ON_COMMIT]);
    for (size_t i = 0; i <= ALEX_DURABLE_ON_COMMIT; i++) {
        assert_true(at_work[i] > 0);
    }
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {TEST_WITH_DIRECTORY(test_kill)};
    return cmocka_run_group_tests_name("kills with threads", tests, NULL, NULL);
}
