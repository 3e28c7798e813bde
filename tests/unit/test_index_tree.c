/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_tree.c The index as an ordered map: it does what a sorted array does, on every key set. */
#include "test_index_helper.h"

#ifdef BASE_SANITIZED
#define MODEL_KEYS ((size_t)4000)
#else
#define MODEL_KEYS ((size_t)20000)
#endif

/** A sorted array of keys that may be there, with the payloads of those that are. */
struct model {
    uint64_t *keys;
    uint64_t *payloads; /**< 0: absent */
    size_t count;       /**< of keys that may be there */
    uint64_t present;
};

/** The rank of the least key at or above `key`. */
static size_t model_rank(const struct model *model, uint64_t key)
{
    size_t low = 0;
    size_t high = model->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->keys[middle] < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void assert_scans_alike(const struct index *index, const struct model *model, uint64_t from, size_t capacity)
{
    struct index_entry *entries = allocate(capacity, sizeof *entries);
    size_t expected = 0;
    size_t copied = index_scan(index, from, INDEX_ASCENDING, entries, capacity);
    for (size_t i = model_rank(model, from); i < model->count && expected < capacity; i++) {
        if (model->payloads[i] != 0) {
            assert_true(expected < copied);
            assert_int_equal(model->keys[i], entries[expected].key);
            assert_int_equal(model->payloads[i], entries[expected].payload);
            expected++;
        }
    }
    assert_int_equal(expected, copied);

    expected = 0;
    copied = index_scan(index, from, INDEX_DESCENDING, entries, capacity);
    size_t above = model_rank(model, from);
    above += above < model->count && model->keys[above] == from;
    for (size_t i = above; i-- > 0 && expected < capacity;) {
        if (model->payloads[i] != 0) {
            assert_true(expected < copied);
            assert_int_equal(model->keys[i], entries[expected].key);
            assert_int_equal(model->payloads[i], entries[expected].payload);
            expected++;
        }
    }
    assert_int_equal(expected, copied);
    free(entries);
}

static void assert_counts_alike(const struct index *index, const struct model *model, uint64_t first, uint64_t last)
{
    uint64_t expected = 0;
    for (size_t i = model_rank(model, first); i < model->count && model->keys[i] <= last; i++) {
        expected += model->payloads[i] != 0;
    }
    assert_int_equal(expected, index_count_range(index, first, last));
}

/** One random change or question about the key of a rank. `growing`: in 16ths, how many changes insert. */
static void step(struct index *index, struct model *model, size_t rank, uint64_t random, unsigned growing)
{
    uint64_t key = model->keys[rank];
    uint64_t *payload = &model->payloads[rank];
    assert_int_equal(*payload, index_find(index, key));
    if (random % 16 < growing) {
        struct index_position position;
        assert_int_equal(ALEX_OK, index_prepare(index, key, &position));
        assert_int_equal(*payload, position.payload);
        model->present += *payload == 0;
        *payload = random | 1;
        index_set(index, &position, *payload);
    } else {
        assert_int_equal(*payload, index_remove(index, key));
        model->present -= *payload != 0;
        *payload = 0;
    }
    assert_int_equal(*payload, index_find(index, key));
    assert_int_equal(model->present, index_count(index));
}

static void assert_alike(const struct index *index, const struct model *model, uint64_t *random)
{
    ASSERT_INDEX_VALID(index);
    uint64_t key = model->keys[keyset_random(random) % model->count];
    uint64_t other = model->keys[keyset_random(random) % model->count];
    assert_scans_alike(index, model, key, 1 + keyset_random(random) % 300);
    assert_scans_alike(index, model, key + 1, 1 + keyset_random(random) % 10);
    assert_counts_alike(index, model, key < other ? key : other, key < other ? other : key);
    assert_counts_alike(index, model, key + 1, UINT64_MAX);
}

static void compare_with_model(struct index *index, enum keyset set)
{
    struct model model = {allocate(MODEL_KEYS, 8), allocate(MODEL_KEYS, 8), MODEL_KEYS, 0};
    uint64_t *arriving = allocate(MODEL_KEYS, 8);
    keyset_make(set, arriving, MODEL_KEYS, 5);
    memcpy(model.keys, arriving, MODEL_KEYS * 8);
    keyset_sort(model.keys, MODEL_KEYS);
    uint64_t random = (uint64_t)set;
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        step(index, &model, model_rank(&model, arriving[i]), keyset_random(&random), 15);
        if (i % (MODEL_KEYS / 16) == 0) {
            assert_alike(index, &model, &random);
        }
    }
    static const unsigned phases[] = {8, 2, 14, 0};
    for (size_t phase = 0; phase < sizeof phases / sizeof phases[0]; phase++) {
        for (size_t i = 0; i < MODEL_KEYS; i++) {
            step(index, &model, keyset_random(&random) % MODEL_KEYS, keyset_random(&random), phases[phase]);
            if (i % (MODEL_KEYS / 8) == 0) {
                assert_alike(index, &model, &random);
            }
        }
    }
    free(arriving);
    free(model.keys);
    free(model.payloads);
}

/* Whatever the key set, the index answers as a sorted array does through growth, change and decay. */
static void test_model(void **state)
{
    struct fixture *fixture = *state;
    for (enum keyset set = 0; set < KEYSETS; set++) {
        compare_with_model(fixture->index, set);
        index_destroy(fixture->index);
        assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    }
}

/* An empty index has nothing to find, to scan or to count, and no node. */
static void test_empty(void **state)
{
    struct fixture *fixture = *state;
    struct index_entry entry;
    assert_int_equal(0, index_find(fixture->index, 0));
    assert_int_equal(0, index_find(fixture->index, UINT64_MAX));
    assert_int_equal(0, index_remove(fixture->index, 7));
    assert_int_equal(0, index_scan(fixture->index, 0, INDEX_ASCENDING, &entry, 1));
    assert_int_equal(0, index_scan(fixture->index, UINT64_MAX, INDEX_DESCENDING, &entry, 1));
    assert_int_equal(0, index_count_range(fixture->index, 0, UINT64_MAX));
    assert_int_equal(0, stats_of(fixture->index).bytes);
    assert_int_equal(0, stats_of(fixture->index).depth);
}

/* 0 and UINT64_MAX are keys like any other: absent until set, found among many others, gone when removed. */
static void test_least_and_greatest_key(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = 1;
    bool there = false;
    for (size_t i = 0; i < LARGE_KEYS; i++) {
        set_key(fixture->index, keyset_random(&random) << 1 | 1 << 1, 9);
        size_t period = i < 20000 ? 500 : LARGE_KEYS / 20;
        if (i % period > 0) {
            continue;
        }
        if (!there) {
            assert_int_equal(0, index_find(fixture->index, 0));
            assert_int_equal(0, index_find(fixture->index, UINT64_MAX));
            set_key(fixture->index, UINT64_MAX, 5);
            set_key(fixture->index, 0, 6);
            ASSERT_INDEX_VALID(fixture->index);
        } else {
            struct index_entry entry;
            assert_int_equal(1, index_scan(fixture->index, UINT64_MAX, INDEX_DESCENDING, &entry, 1));
            assert_int_equal(UINT64_MAX, entry.key);
            assert_int_equal(1, index_scan(fixture->index, UINT64_MAX, INDEX_ASCENDING, &entry, 1));
            assert_int_equal(5, index_remove(fixture->index, UINT64_MAX));
            assert_int_equal(6, index_remove(fixture->index, 0));
        }
        there = !there;
    }
}

/* UINT64_MAX is found however badly the model fits the keys before it, loaded and after inserts. */
static void test_greatest_key_off_the_line(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 400 };
    uint64_t keys[KEYS];
    for (size_t count = 9; count <= KEYS; count += 17) {
        for (int power = 1; power <= 7; power++) {
            for (uint64_t i = 0; i < count; i++) {
                uint64_t distance = i;
                for (int p = 1; p < power; p++) {
                    distance *= i;
                }
                keys[i] = UINT64_MAX - distance;
            }
            load_keys(fixture->index, keys, count);
            for (uint64_t i = 0; i < count; i++) {
                ASSERT_INDEX_VALID(fixture->index);
                assert_int_equal(payload_of(UINT64_MAX), index_find(fixture->index, UINT64_MAX));
                if (power > 2) {
                    set_key(fixture->index, keys[i] - 2 - i, 1);
                }
            }
            index_destroy(fixture->index);
            assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
        }
    }
}

/* A prepared key that is never set leaves the index as it was. */
static void test_prepare_alone_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t key = 0; key < 10000; key += 2) {
        struct index_position position;
        set_key(fixture->index, key, key + 1);
        assert_int_equal(ALEX_OK, index_prepare(fixture->index, key + 1, &position));
        assert_int_equal(0, position.payload);
        assert_int_equal(0, index_find(fixture->index, key + 1));
    }
    assert_int_equal(5000, index_count(fixture->index));
    assert_int_equal(5000, index_count_range(fixture->index, 0, UINT64_MAX));
    ASSERT_INDEX_VALID(fixture->index);
}

/* An index from which every key is removed, in order or not, is valid all along, has no nodes at the end, and works
 * again. */
static void test_removing_all(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(MODEL_KEYS, 8);
    for (int round = 0; round < 2; round++) {
        for (enum keyset set = 0; set < KEYSETS; set++) {
            keyset_make(set, keys, MODEL_KEYS, 8);
            set_keys(fixture->index, keys, MODEL_KEYS);
            if (round == 1) {
                keyset_shuffle(keys, MODEL_KEYS, 2);
            }
            for (size_t i = 0; i < MODEL_KEYS; i++) {
                assert_int_equal(payload_of(keys[i]), index_remove(fixture->index, keys[i]));
                if (i % 256 == 0) {
                    ASSERT_INDEX_VALID(fixture->index);
                }
            }
            assert_int_equal(0, stats_of(fixture->index).bytes);
        }
    }
    free(keys);
}

/* As keys are removed at random, memory follows: a tenth of the keys takes at most half of the nodes' bytes. */
static void test_removing_most(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(LARGE_KEYS / 4, 8);
    keyset_make(KEYSET_UNIFORM, keys, LARGE_KEYS / 4, 8);
    set_keys(fixture->index, keys, LARGE_KEYS / 4);
    uint64_t before = stats_of(fixture->index).bytes;
    for (size_t i = LARGE_KEYS / 40; i < LARGE_KEYS / 4; i++) {
        assert_int_not_equal(0, index_remove(fixture->index, keys[i]));
    }
    assert_true(stats_of(fixture->index).bytes * 2 <= before);
    free(keys);
}

/* Removing and entering keys again at any boundary of a node's size changes the structure next to never. */
static void test_no_rebuilds_at_boundaries(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(LARGE_KEYS, 8);
    keyset_make(KEYSET_UNIFORM, keys, LARGE_KEYS, 4);
    uint64_t cycles = 0;
    size_t count = 0;
    for (size_t i = 2; i < LARGE_KEYS; i++) {
        set_key(fixture->index, keys[i], 1);
        if (i >= 4000 && i % 250 > 0) {
            continue;
        }
        count++;
        uint64_t before = fixture->index->structure_changes;
        for (int cycle = 0; cycle < 5; cycle++) {
            (void)index_remove(fixture->index, keys[i]);
            (void)index_remove(fixture->index, keys[i - 1]);
            set_key(fixture->index, keys[i - 1], 1);
            set_key(fixture->index, keys[i], 1);
        }
        cycles += fixture->index->structure_changes - before;
    }
    assert_true(cycles <= count / 200);
    free(keys);
}

/* An index of one key costs a few hundred bytes, also when there are 100,000 of them. */
static void test_small_indexes_are_cheap(void **state)
{
    struct fixture *fixture = *state;
    enum { INDEXES = 100000 };
    struct index **indexes = allocate(INDEXES, sizeof *indexes);
    for (size_t i = 0; i < INDEXES; i++) {
        assert_int_equal(ALEX_OK, index_create(fixture->pool, &indexes[i]));
        set_key(indexes[i], i, i + 1);
    }
    assert_int_equal(256, stats_of(indexes[0]).bytes);
    assert_true(index_pool_bytes(fixture->pool) <= INDEXES * 300);
    for (size_t i = 0; i < INDEXES; i++) {
        assert_int_equal(i + 1, index_find(indexes[i], i));
        index_destroy(indexes[i]);
    }
    assert_true(index_pool_bytes(fixture->pool) <= 4 << 20);
    free(indexes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_model),
        TEST(test_empty),
        TEST(test_least_and_greatest_key),
        TEST(test_greatest_key_off_the_line),
        TEST(test_prepare_alone_changes_nothing),
        TEST(test_removing_all),
        TEST(test_removing_most),
        TEST(test_no_rebuilds_at_boundaries),
        TEST(test_small_indexes_are_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
