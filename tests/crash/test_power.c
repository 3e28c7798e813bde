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

/** Runs plans until so many cuts were looked at; the environment asks for more. */
static void cut_often(const struct fixture *fixture, struct power_plan plan)
{
    struct power_result result = {0};
    uint64_t wanted = helper_environment("ALEX_POWER_CUTS", 1500);
    for (plan.seed = helper_environment("ALEX_POWER_SEED", 1); result.cuts < wanted; plan.seed++) {
        power_run(fixture->directory, &plan, &result);
    }
    (void)printf("power cuts: %" PRIu64 ", of them %" PRIu64 " during a recovery; lost: %" PRIu64 "\n", result.cuts,
                 result.deep_cuts, result.lost);
    assert_int_equal(result.lost, 0);
    assert_true(result.deep_cuts > 0);
}

/* With commits on disk before their calls return. */
static void test_durable_on_commit(void **state)
{
    cut_often(*state,
              (struct power_plan){.operations = 60, .durability = ALEX_DURABLE_ON_COMMIT, .cuts = 2, .depth = 3});
}

/* With syncs on demand, through the mapping. */
static void test_durable_on_sync(void **state)
{
    cut_often(*state, (struct power_plan){.operations = 60, .durability = ALEX_DURABLE_ON_SYNC, .cuts = 6, .depth = 3});
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
        TEST_WITH_DIRECTORY(test_durable_on_commit),
        TEST_WITH_DIRECTORY(test_durable_on_sync),
        TEST_WITH_DIRECTORY(test_lies_are_noticed),
    };
    return cmocka_run_group_tests_name("power cuts", tests, NULL, NULL);
}
