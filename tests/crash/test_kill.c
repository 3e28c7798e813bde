/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_kill.c
 * kill -9 of a process that writes: whatever the durability, all that was acknowledged is there, and of the operation
 * at work all or nothing. How far the process came it tells in memory that it shares with its parent.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crash/history.h"
#include "store/store.h"
#include "support/faults.h"

enum { OPERATIONS_MAX = 400000, KILLS_A_STORE = 25 };

/** One in so many writers is killed as soon as it has begun, perhaps while it recovers; others after up to so many
 *  writes and some time more. */
#define EARLY_SHARE 4
#define WRITES_MAX 40
#define LIFE_US_MAX 3000

#define SEGMENT_SHIFT 16

/** How far the process came. */
struct progress {
    _Atomic uint32_t issued;
    _Atomic uint32_t done;
};

struct writer {
    struct fixture *fixture;
    struct history *history;
    struct progress *progress;
    struct alex_options options;
    uint64_t *at_work; /**< counts writers that were killed after a write at least, by durability */
    uint64_t *of_two;  /**< counts those that wrote to two tables at the end */
};

/** Writes until it is killed. */
static int write_on(void *context)
{
    struct writer *writer = context;
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    alex_store *store;
    CHILD_REQUIRE(store_open_tuned(writer->fixture->path, &writer->options, &tuning, &store) == ALEX_OK);
    while (writer->history->issued + 1 < writer->history->capacity) {
        atomic_store(&writer->progress->issued, writer->history->issued + 1);
        CHILD_REQUIRE(history_operate(writer->history, store) == ALEX_OK);
        atomic_store(&writer->progress->done, writer->history->issued);
    }
    return 0;
}

/** Kills a writer, and brings the history to what the store then holds. @return whether that is what it may hold */
static bool kill_once(struct writer *writer, struct helper_random *random)
{
    struct history *history = writer->history;
    struct progress *progress = writer->progress;
    uint32_t begin = history->issued;
    atomic_store(&progress->issued, begin);
    atomic_store(&progress->done, begin);
    bool early = helper_random_below(random, EARLY_SHARE) == 0;
    uint32_t writes = early ? 0 : 1 + (uint32_t)helper_random_below(random, WRITES_MAX);
    int child = helper_child_start(write_on, writer);
    helper_child_wait_for(child, &progress->done, begin + writes);
    usleep((useconds_t)helper_random_below(random, LIFE_US_MAX));
    helper_child_kill(child);
    uint32_t done = atomic_load(&progress->done);
    uint32_t issued = atomic_load(&progress->issued);
    writer->at_work[writer->options.durability] += done > begin;
    while (history->issued < issued) {
        ASSERT_OK(history_operate(history, NULL));
    }
    *writer->of_two += history->states[done].second != 0;
    fixture_store_open(writer->fixture, NULL);
    uint32_t held = history_held(history, writer->fixture->store, done, issued);
    if (held != HISTORY_NONE) {
        history_go_back(history, held);
    }
    helper_check(writer->fixture->store);
    fixture_store_close(writer->fixture);
    return held != HISTORY_NONE;
}

/* Again and again, on one store after the other. */
static void test_kill(void **state)
{
    struct fixture *fixture = *state;
    uint64_t wanted = helper_environment("ALEX_KILLS", 60);
    uint64_t seed = helper_environment("ALEX_KILL_SEED", 1);
    uint64_t kills = 0;
    uint64_t at_work[ALEX_DURABLE_ON_COMMIT + 1] = {0};
    uint64_t of_two = 0;
    struct progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(progress, MAP_FAILED);
    for (; kills < wanted; seed++) {
        struct helper_random random = {seed};
        struct history history;
        history_begin(&history, seed, OPERATIONS_MAX);
        for (int i = 0; i < KILLS_A_STORE && kills < wanted; i++, kills++) {
            struct writer writer = {fixture, &history, progress, {0}, at_work, &of_two};
            writer.options.durability = (enum alex_durability)helper_random_below(&random, 3);
            writer.options.sync_interval_ms = writer.options.durability == ALEX_DURABLE_WITHIN_INTERVAL;
            writer.options.no_background =
                writer.options.durability != ALEX_DURABLE_WITHIN_INTERVAL && helper_random_below(&random, 2) == 0;
            if (!kill_once(&writer, &random)) {
                fail_msg("seed %" PRIu64 ", kill %d: the store holds no state that it may", seed, i);
            }
        }
        history_release(&history);
        files_remove(fixture->path);
    }
    (void)munmap(progress, sizeof *progress);
    (void)printf("kills: %" PRIu64 ", of them after a write: %" PRIu64 " without syncs, %" PRIu64 " with syncs at "
                 "intervals, %" PRIu64 " with synced commits; with two tables: %" PRIu64 "\n",
                 kills, at_work[ALEX_DURABLE_ON_SYNC], at_work[ALEX_DURABLE_WITHIN_INTERVAL],
                 at_work[ALEX_DURABLE_ON_COMMIT], of_two);
    assert_true(of_two > 0 && of_two < kills);
    for (size_t i = 0; i <= ALEX_DURABLE_ON_COMMIT; i++) {
        assert_true(at_work[i] > 0);
    }
}

int main(void)
{
    faults_prefer_memory(); /* what is written is the system's, whatever the disk is */
    const struct CMUnitTest tests[] = {TEST_WITH_DIRECTORY(test_kill)};
    return cmocka_run_group_tests_name("kills", tests, NULL, NULL);
}
