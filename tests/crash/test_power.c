/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_power.c
 * Power cuts on the simulated disk: nothing acknowledged as durable is lost, groups are whole or not there, and what
 * recovery has found stays. And that these tests would find it, if a sync were left out.
 */
#include <inttypes.h>
#include <stdio.h>

#include "crash/power.h"
#include "support/faults.h"

/** Prints what was done, and asserts that nothing was lost and that nothing of it was spared. */
static void conclude(const struct power_result *result)
{
    (void)printf("power cuts: %" PRIu64 ", of them %" PRIu64 " during a recovery, %" PRIu64
                 " during the recovery from such a one; recoveries after kills: %" PRIu64 "; moments: %" PRIu64
                 ", exhausted: %" PRIu64 "; lost: %" PRIu64 "\n",
                 result->cuts, result->deep_cuts, result->deepest_cuts, result->killed, result->boundaries,
                 result->exhausted, result->lost);
    assert_int_equal(result->lost, 0);
    assert_true(result->segment_boundaries > 0);
    assert_true(result->manifest_boundaries > 0);
    assert_true(result->deep_cuts > 0);
    assert_true(result->killed > 0);
}

/** Runs plans until so many cuts were looked at, or something was lost; the environment asks for more. */
static void cut_often(const struct fixture *fixture, struct power_plan plan)
{
    struct power_result result = {0};
    uint64_t wanted = helper_environment("ALEX_POWER_CUTS", 1500);
    plan.depth = 3;
    plan.deeper_share = 60;
    plan.killed_share = 20;
    plan.deeper_max = 8;
    plan.seed = helper_environment("ALEX_POWER_SEED", 1);
    for (; result.cuts < wanted && result.lost == 0; plan.seed++) {
        power_run(fixture->directory, &plan, &result);
    }
    conclude(&result);
    assert_true(result.deepest_cuts > 0);
}

/* With commits on disk before their calls return. */
static void test_durable_on_commit(void **state)
{
    cut_often(*state, (struct power_plan){.operations = 60, .durability = ALEX_DURABLE_ON_COMMIT, .cuts = 2});
}

/* With syncs on demand, through the mapping. */
static void test_durable_on_sync(void **state)
{
    cut_often(*state, (struct power_plan){.operations = 60, .durability = ALEX_DURABLE_ON_SYNC, .cuts = 6});
}

/* With a thread that syncs, and one that makes space ahead: what the first has synced is there. */
static void test_durable_within_interval(void **state)
{
    cut_often(*state, (struct power_plan){.operations = 60, .durability = ALEX_DURABLE_WITHIN_INTERVAL, .cuts = 4});
}

/** Runs a small plan in two durabilities, with a store that it makes and with one that outgrows a segment, and makes
 *  every cut that is possible, and some of the recoveries. */
static void cut_everywhere(const struct fixture *fixture, struct power_plan plan, struct power_result *result)
{
    plan.every = 256;
    plan.cuts = 20;
    plan.deeper_share = 100;
    plan.killed_share = 20;
    plan.deeper_max = plan.operations;
    plan.seed = helper_environment("ALEX_POWER_SEED", 1);
    for (int way = 0; way < 4; way++, plan.seed++) {
        plan.full = way % 2 == 1;
        plan.durability = way < 2 ? ALEX_DURABLE_ON_COMMIT : ALEX_DURABLE_ON_SYNC;
        power_run(fixture->directory, &plan, result);
    }
    conclude(result);
}

/* Every cut that is possible, of small runs. */
static void test_every_cut(void **state)
{
    struct power_result result = {0};
    struct power_plan plan = {.operations = (uint32_t)helper_environment("ALEX_POWER_EVERY", 12), .depth = 3};
    cut_everywhere(*state, plan, &result);
    assert_true(result.exhausted > result.boundaries * 9 / 10);
    assert_true(result.deepest_cuts > 0);
}

/* The same of write transactions alone, with their savepoints and tables: all of one is there or nothing. */
static void test_every_cut_of_transactions(void **state)
{
    struct power_result result = {0};
    struct power_plan plan = {
        .operations = (uint32_t)helper_environment("ALEX_POWER_EVERY", 12) / 2, .depth = 2, .transacts = true};
    cut_everywhere(*state, plan, &result);
    assert_true(result.exhausted > result.boundaries * 8 / 10);
}

/* Every cut of what follows each moment at which a process may be killed: what the next one finds may not be on disk
 * yet, be it a record or a name. */
static void test_every_kill(void **state)
{
    const struct fixture *fixture = *state;
    struct power_result result = {0};
    struct power_plan plan = {.every = 256, .cuts = 20, .depth = 2, .killed_share = 1};
    plan.operations = (uint32_t)helper_environment("ALEX_POWER_EVERY", 12) / 4;
    plan.deeper_share = UINT32_MAX;
    plan.deeper_max = UINT32_MAX;
    plan.seed = helper_environment("ALEX_POWER_SEED", 1);
    for (int full = 0; full < 2; full++) {
        plan.full = full == 1;
        plan.durability = plan.full ? ALEX_DURABLE_ON_SYNC : ALEX_DURABLE_ON_COMMIT;
        power_run(fixture->directory, &plan, &result);
    }
    conclude(&result);
}

/* Were a file's sync left out, or a directory's, these tests would notice. */
static void test_lies_are_noticed(void **state)
{
    const struct fixture *fixture = *state;
    for (enum disk_lie lie = DISK_SKIPS_FILE_SYNCS; lie <= DISK_SKIPS_DIRECTORY_SYNCS; lie++) {
        struct power_result result = {0};
        struct power_plan plan = {
            .seed = 1, .operations = 60, .durability = ALEX_DURABLE_ON_COMMIT, .cuts = 1, .depth = 1, .lie = lie};
        power_run(fixture->directory, &plan, &result);
        assert_true(result.lost > 0);
    }
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_durable_on_commit),         TEST_WITH_DIRECTORY(test_durable_on_sync),
        TEST_WITH_DIRECTORY(test_durable_within_interval),   TEST_WITH_DIRECTORY(test_every_cut),
        TEST_WITH_DIRECTORY(test_every_cut_of_transactions), TEST_WITH_DIRECTORY(test_every_kill),
        TEST_WITH_DIRECTORY(test_lies_are_noticed),
    };
    return cmocka_run_group_tests_name("power cuts", tests, NULL, NULL);
}
