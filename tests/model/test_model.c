/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_model.c
 * Long random sequences of all operations against sorted arrays, on every key set, made or real, and on hot keys: with
 * segments of the usual size, and with small ones and writers that are killed.
 *
 * ALEX_TEST_SEED sets the seed and ALEX_TEST_OPS the operations of each run. A run that fails prints its own.
 */
#include "base/base.h"
#include "model/run.h"
#include "support/keysets.h"

#if defined(ALEX_DEBUG) || defined(BASE_SANITIZED) || defined(ALEX_COVERAGE)
#define OPERATIONS_DEFAULT 4000
#else
#define OPERATIONS_DEFAULT 20000
#endif

enum { KEYS = 20000 };

/** Where a test's keys come from: after the key sets that are made, further sources. */
enum {
    SOURCE_HOT_KEYS = KEYSETS, /**< uniform keys, of which a few are chosen again and again */
    SOURCE_ADDRESSES,          /**< the real set */
    SOURCES,
};

/** One test: a source of keys and a way of running. */
struct variant {
    int source;
    bool with_small_segments;
};

static const char *source_name(int source)
{
    switch (source) {
    case SOURCE_HOT_KEYS:
        return "uniform, zipfian access";
    case SOURCE_ADDRESSES:
        return "IPv4 addresses";
    default:
        return keyset_name((enum keyset)source);
    }
}

/** Gets the keys of a source, or skips the test. */
static uint64_t *source_keys(int source)
{
    if (source == SOURCE_ADDRESSES && !keyset_has_addresses()) {
        print_message("skipped: needs data/ipv4-country.csv.gz, and zlib when the tests are built\n");
        skip();
    }
    uint64_t *keys = calloc(KEYS, sizeof *keys);
    assert_non_null(keys);
    if (source == SOURCE_ADDRESSES) {
        assert_true(keyset_read_addresses(keys, KEYS, 1));
    } else {
        keyset_make(source == SOURCE_HOT_KEYS ? KEYSET_UNIFORM : (enum keyset)source, keys, KEYS, 1);
    }
    return keys;
}

/* Whatever is done to a store in whatever order, every read gives what a sorted array gives, now and in every snapshot,
 * and also after reopening and after the death of a writer; and the whole-store check finds nothing. */
static void test_run(void **state)
{
    const struct variant *variant = *state;
    uint64_t *keys = source_keys(variant->source);
    void *inner = NULL;
    assert_int_equal(fixture_directory(&inner), 0);
    struct fixture *fixture = inner; /* stays on disk if the run fails */
    struct run_options options = {
        .name = source_name(variant->source),
        .path = fixture->path,
        .keys = (const int64_t *)keys,
        .key_count = KEYS,
        .seed = helper_environment("ALEX_TEST_SEED", 1),
        .operations = helper_environment("ALEX_TEST_OPS", OPERATIONS_DEFAULT),
        .segment_shift = variant->with_small_segments ? 16 : 0,
        .with_hot_keys = variant->source == SOURCE_HOT_KEYS,
        .with_kills = variant->with_small_segments,
    };
    run_all(&options);
    free(keys);
    assert_int_equal(fixture_close(&inner), 0);
}

int main(void)
{
    static struct variant variants[2 * SOURCES];
    static struct CMUnitTest tests[2 * SOURCES];
    static char names[2 * SOURCES][64];
    for (int i = 0; i < 2 * SOURCES; i++) {
        variants[i] = (struct variant){i / 2, i % 2 == 1};
        snprintf(names[i], sizeof names[i], "test_run on %s%s", source_name(variants[i].source),
                 variants[i].with_small_segments ? ", small segments, kills" : "");
        tests[i] = (struct CMUnitTest){names[i], test_run, NULL, NULL, &variants[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
