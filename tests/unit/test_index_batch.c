/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_batch.c Many keys in one call: load, sorted sets, lookups in groups, long scans. */
#include "test_index_helper.h"

#define BATCH_KEYS ((size_t)30000)

static struct index_entry *sorted_entries(const uint64_t *keys, size_t count)
{
    uint64_t *sorted = allocate(count, 8);
    struct index_entry *entries = allocate(count, sizeof *entries);
    memcpy(sorted, keys, count * 8);
    keyset_sort(sorted, count);
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct index_entry){sorted[i], payload_of(sorted[i])};
    }
    free(sorted);
    return entries;
}

/** Every key is there, in a scan of everything and in lookups one by one and in groups. */
static void assert_holds(const struct index *index, const struct index_entry *entries, size_t count)
{
    ASSERT_INDEX_VALID(index);
    assert_int_equal(count, index_count(index));
    struct index_entry *scanned = allocate(count + 1, sizeof *scanned);
    assert_int_equal(count, index_scan(index, 0, INDEX_ASCENDING, scanned, count + 1));
    assert_memory_equal(entries, scanned, count * sizeof *entries);
    assert_int_equal(count, index_scan(index, UINT64_MAX, INDEX_DESCENDING, scanned, count + 1));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].key, scanned[count - 1 - i].key);
        assert_int_equal(entries[i].payload, index_find(index, entries[i].key));
    }
    free(scanned);
}

/* A loaded index holds what was loaded, at any count, and takes inserts and removals from then on. */
static void test_load(void **state)
{
    struct fixture *fixture = *state;
    static const size_t counts[] = {0, 1, 7, 8, 9, 255, 256, 257, 4000, 6000, 12000, BATCH_KEYS};
    uint64_t *keys = allocate(BATCH_KEYS, 8);
    for (enum keyset set = 0; set < KEYSETS; set++) {
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            size_t count = counts[i];
            keyset_make(set, keys, count, 6);
            struct index_entry *entries = sorted_entries(keys, count);
            assert_int_equal(ALEX_OK, index_load(fixture->index, entries, count));
            assert_holds(fixture->index, entries, count);
            for (size_t k = 0; k < count; k += 3) {
                assert_int_equal(entries[k].payload, index_remove(fixture->index, entries[k].key));
            }
            set_keys(fixture->index, keys, count);
            assert_holds(fixture->index, entries, count);
            free(entries);
            index_destroy(fixture->index);
            assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
        }
    }
    free(keys);
}

/* Both ends of the key range can be loaded. */
static void test_load_ends(void **state)
{
    struct fixture *fixture = *state;
    struct index_entry entries[20];
    for (uint64_t i = 0; i < 20; i++) {
        entries[i] = (struct index_entry){i < 10 ? i : UINT64_MAX - 19 + i, i + 1};
    }
    assert_int_equal(ALEX_OK, index_load(fixture->index, entries, 20));
    assert_holds(fixture->index, entries, 20);
}

/* Batches, with new keys and old ones, dense and sparse, enter all and tell what was there. */
static void test_set_many(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {1, 3, 100, 1000, 9000};
    uint64_t *keys = allocate(BATCH_KEYS, 8);
    uint64_t *previous = allocate(BATCH_KEYS, 8);
    for (enum keyset set = 0; set < KEYSETS; set++) {
        keyset_make(set, keys, BATCH_KEYS, 6);
        uint64_t random = 3;
        size_t entered = 0;
        for (size_t round = 0; entered < BATCH_KEYS; round++) {
            size_t size = sizes[round % (sizeof sizes / sizeof sizes[0])];
            size = size < BATCH_KEYS - entered ? size : BATCH_KEYS - entered;
            /* Go back a little, so that some keys are there already. */
            size_t back = keyset_random(&random) % (entered / 4 + 1);
            struct index_entry *entries = sorted_entries(keys + entered - back, size + back);
            size_t done;
            uint64_t *old = allocate(size + back, 8);
            for (size_t i = 0; i < size + back; i++) {
                old[i] = index_find(fixture->index, entries[i].key);
                entries[i].payload += 2 * round;
                entries[i].payload |= 1;
            }
            assert_int_equal(ALEX_OK, index_set_many(fixture->index, entries, size + back, previous, &done));
            assert_int_equal(size + back, done);
            assert_memory_equal(old, previous, (size + back) * 8);
            for (size_t i = 0; i < size + back; i++) {
                assert_int_equal(entries[i].payload, index_find(fixture->index, entries[i].key));
            }
            entered += size;
            assert_int_equal(entered, index_count(fixture->index));
            ASSERT_INDEX_VALID(fixture->index);
            free(old);
            free(entries);
        }
        index_destroy(fixture->index);
        assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    }
    free(previous);
    free(keys);
}

/* A lookup of many keys answers each as a lookup of one does, present or absent, for any number of keys. */
static void test_find_many(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(BATCH_KEYS, 8);
    uint64_t *payloads = allocate(BATCH_KEYS, 8);
    keyset_make(KEYSET_OSM, keys, BATCH_KEYS, 6);
    for (size_t there = 0; there <= BATCH_KEYS; there = there * 4 + 5) {
        if (there > 0) {
            set_keys(fixture->index, keys, there);
        }
        for (size_t count = 0; count < 70; count++) {
            const uint64_t *asked = keys + there / 2 + count < keys + BATCH_KEYS - 70 ? keys + there / 2 + count : keys;
            payloads[count] = 12345;
            index_find_many(fixture->index, asked, count, payloads);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(index_find(fixture->index, asked[i]), payloads[i]);
            }
            assert_int_equal(12345, payloads[count]);
        }
    }
    free(payloads);
    free(keys);
}

/* Every variant of the search that the processor has answers as the portable one does. */
static void test_variants_agree(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(BATCH_KEYS, 8);
    for (enum keyset set = 0; set < KEYSETS; set++) {
        keyset_make(set, keys, BATCH_KEYS, 6);
        load_keys(fixture->index, keys, BATCH_KEYS / 2);
        set_keys(fixture->index, keys, BATCH_KEYS / 2 + 1000);
        set_key(fixture->index, UINT64_MAX, 1);
        struct index_node *root = index_root(fixture->index);
        for (size_t i = 0; i < BATCH_KEYS; i++) {
            for (uint64_t near = 0; near < 3; near++) {
                uint64_t key = i == 0 ? near - 1 : keys[i] + near - 1;
                struct index_step expected[INDEX_LEVELS_MAX];
                uint64_t payload;
                assert_true(index_search_portable.locate(root, key, expected, &payload));
#ifdef INDEX_SEARCH_X86
                static const struct index_search *const variants[] = {&index_search_avx2, &index_search_avx512};
                for (enum index_simd simd = INDEX_SIMD_AVX2; simd <= INDEX_SIMD_AVX512; simd++) {
                    if (index_simd_choose(simd)) {
                        const struct index_search *search = variants[simd - INDEX_SIMD_AVX2];
                        struct index_step steps[INDEX_LEVELS_MAX];
                        assert_ptr_equal(search, index_search_chosen());
                        uint64_t found;
                        assert_true(search->locate(root, key, steps, &found));
                        assert_int_equal(payload, found);
                        assert_int_equal(payload, search->find(&fixture->index->root, key));
                        assert_ptr_equal(expected[0].node, steps[0].node);
                        assert_int_equal(expected[0].block, steps[0].block);
                    }
                }
#endif
                assert_int_equal(payload, index_search_portable.find(&fixture->index->root, key));
            }
        }
        index_destroy(fixture->index);
        assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    }
    free(keys);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_load), TEST(test_load_ends), TEST(test_set_many), TEST(test_find_many), TEST(test_variants_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
