/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_history.c
 * Threads on one store, and the proof of each history that every snapshot saw the writes of one moment (checker.h).
 *
 * ALEX_HISTORY_OPS sets the operations of each run, ALEX_HISTORY_SEED the seed. A run that fails prints its own.
 */
#include "base/base.h"
#include "history/run.h"

#if defined(ALEX_DEBUG) || defined(BASE_SANITIZED) || defined(ALEX_COVERAGE)
#define OPERATIONS_DEFAULT 30000
#define MANY_KEYS 6000 /* debug builds verify the whole index after each change of its structure */
#define SIZES_MIN 3
#else
#define OPERATIONS_DEFAULT 300000
#define MANY_KEYS 60000
#define SIZES_MIN 6 /* of ten: 1 block, 2 or 3, 4 to 7, and so on to 1,023; which is left to chance */
#endif

static const struct plan plans[] = {
    {
        .name = "8 keys, of which nothing is held back for long",
        .layout = LAYOUT_DENSE,
        .choice = CHOICE_TIDE,
        .keys = 8,
        .writers = 2,
        .readers = 1,
        .staying = 1,
        .passing = true,
        .rounds = 2,
    },
    {
        .name = "synced on commit",
        .durability = ALEX_DURABLE_ON_COMMIT,
        .layout = LAYOUT_DENSE,
        .keys = 64,
        .writers = 6,
        .readers = 2,
        .staying = 2,
        .passing = true,
        .moving = true,
        .loads = 40,
        .held = 300,
        .rounds = 2,
        .pause_us = 150,
    },
    {
        .name = "synced on commit, until a sync fails",
        .durability = ALEX_DURABLE_ON_COMMIT,
        .layout = LAYOUT_DENSE,
        .keys = 64,
        .writers = 6,
        .readers = 2,
        .staying = 2,
        .passing = true,
        .failing = true,
        .rounds = 2,
        .pause_us = 150,
    },
    {
        .name = "12 keys",
        .layout = LAYOUT_DENSE,
        .keys = 12,
        .writers = 2,
        .readers = 2,
        .staying = 2,
        .passing = true,
        .moving = true,
        .held = 3000,
        .rounds = 2,
    },
    {
        .name = "64 keys, loads, synced at intervals",
        .durability = ALEX_DURABLE_WITHIN_INTERVAL,
        .layout = LAYOUT_SPREAD,
        .keys = 64,
        .writers = 3,
        .readers = 2,
        .staying = 2,
        .passing = true,
        .moving = true,
        .loads = 40,
        .held = 300,
        .rounds = 2,
        .pause_us = 300,
    },
    {
        .name = "1000 keys, some of them hot, and long snapshots",
        .layout = LAYOUT_CLUSTERS,
        .choice = CHOICE_HOT,
        .keys = 1000,
        .writers = 2,
        .readers = 3,
        .staying = 2,
        .passing = true,
        .moving = true,
        .held = 5000,
        .rounds = 3,
    },
    {
        .name = "many keys side by side, put and deleted in their order",
        .layout = LAYOUT_DENSE,
        .choice = CHOICE_TIDE,
        .keys = MANY_KEYS,
        .writers = 2,
        .readers = 2,
        .staying = 1,
        .empties = true,
        .held = 500,
        .rounds = 3,
    },
    {
        .name = "many keys everywhere, put and deleted, with loads",
        .layout = LAYOUT_SPREAD,
        .choice = CHOICE_TIDE,
        .keys = MANY_KEYS / 2,
        .writers = 2,
        .readers = 2,
        .staying = 2,
        .passing = true,
        .loads = MANY_KEYS / 8,
        .held = 500,
        .rounds = 3,
    },
    {
        .name = "groups of keys that come and go",
        .layout = LAYOUT_CLUSTERS,
        .choice = CHOICE_TIDE,
        .keys = 4000,
        .writers = 2,
        .readers = 2,
        .staying = 1,
        .moving = true,
        .empties = true,
        .held = 200,
        .rounds = 2,
    },
    {
        .name = "many keys in groups",
        .layout = LAYOUT_CLUSTERS,
        .keys = MANY_KEYS,
        .writers = 2,
        .readers = 2,
        .staying = 2,
        .passing = true,
        .moving = true,
        .loads = MANY_KEYS / 4,
        .held = 500,
        .rounds = 2,
    },
};

#define PLANS (sizeof plans / sizeof plans[0])

/** Of the plans that were carried out, and have many keys. */
static struct {
    size_t plans;
    struct reshaping reshaping;
} seen;

/* Each snapshot saw exactly the writes of one moment, and each read and write fits its time, with this plan. */
static void test_plan(void **state)
{
    const struct plan *plan = *state;
    void *inner = NULL;
    assert_int_equal(fixture_directory(&inner), 0);
    const struct fixture *fixture = inner; /* stays on disk if the run fails */
    struct reshaping reshaping =
        run_plan(plan, fixture->directory, helper_environment("ALEX_HISTORY_OPS", OPERATIONS_DEFAULT),
                 helper_environment("ALEX_HISTORY_SEED", 1));
    assert_int_equal(fixture_close(&inner), 0);
    seen.plans++;
    if (plan->keys >= 1000) {
        assert_true(reshaping.changes > 0);
        seen.reshaping.splits += reshaping.splits;
        seen.reshaping.taken_out += reshaping.taken_out;
    }
    seen.reshaping.sizes |= reshaping.sizes;
}

/* Beside the readers of the plans with many keys nodes were split, and taken out when they were empty; and over all
 * plans there were nodes of several sizes, each at least twice the one before. */
static void test_nodes_were_reshaped(void **state)
{
    (void)state;
    if (seen.plans < PLANS || helper_environment("ALEX_HISTORY_OPS", OPERATIONS_DEFAULT) < OPERATIONS_DEFAULT) {
        skip(); /* too little was done */
    }
    assert_true(seen.reshaping.splits > 0);
    assert_true(seen.reshaping.taken_out > 0);
    assert_true(__builtin_popcountll(seen.reshaping.sizes) >= SIZES_MIN);
}

int main(void)
{
    static struct CMUnitTest tests[PLANS + 1];
    for (size_t i = 0; i < PLANS; i++) {
        tests[i] = (struct CMUnitTest){plans[i].name, test_plan, NULL, NULL, (void *)&plans[i]};
    }
    tests[PLANS] = (struct CMUnitTest)cmocka_unit_test(test_nodes_were_reshaped);
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
