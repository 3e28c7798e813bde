/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_model.c
 * Long random sequences of all operations against sorted arrays, on every key set: with segments of the usual size, and
 * with small ones and writers that are killed.
 *
 * ALEX_TEST_SEED sets the seed and ALEX_TEST_OPS the operations of each run. A run that fails prints its own.
 */
#include "base/base.h"
#include "model/run.h"
#include "support/keysets.h"

#if defined(ALEX_DEBUG) || defined(BASE_SANITIZED)
#define OPERATIONS_DEFAULT 4000
#else
#define OPERATIONS_DEFAULT 20000
#endif

enum { KEYS = 20000 };

/** One test: a key set and a way of running. */
struct variant {
    enum keyset set;
    bool with_small_segments;
};

/* Whatever is done to a store in whatever order, every read gives what a sorted array gives, now and in every snapshot,
 * and also after reopening and after the death of a writer; and the whole-store check finds nothing. */
static void test_run(void **state)
{
    const struct variant *variant = *state;
    void *inner = NULL;
    assert_int_equal(fixture_directory(&inner), 0);
    struct fixture *fixture = inner; /* stays on disk if the run fails */
    uint64_t *keys = calloc(KEYS, sizeof *keys);
    assert_non_null(keys);
    keyset_make(variant->set, keys, KEYS, 1);
    struct run_options options = {
        .name = keyset_name(variant->set),
        .path = fixture->path,
        .keys = (const int64_t *)keys,
        .key_count = KEYS,
        .seed = helper_environment("ALEX_TEST_SEED", 1),
        .operations = helper_environment("ALEX_TEST_OPS", OPERATIONS_DEFAULT),
        .segment_shift = variant->with_small_segments ? 16 : 0,
        .with_kills = variant->with_small_segments,
    };
    run_all(&options);
    free(keys);
    assert_int_equal(fixture_close(&inner), 0);
}

int main(void)
{
    static struct variant variants[2 * KEYSETS];
    static struct CMUnitTest tests[2 * KEYSETS];
    static char names[2 * KEYSETS][48];
    for (int i = 0; i < 2 * KEYSETS; i++) {
        variants[i] = (struct variant){(enum keyset)(i / 2), i % 2 == 1};
        snprintf(names[i], sizeof names[i], "test_run on %s%s", keyset_name(variants[i].set),
                 variants[i].with_small_segments ? ", small segments, kills" : "");
        tests[i] = (struct CMUnitTest){names[i], test_run, NULL, NULL, &variants[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
