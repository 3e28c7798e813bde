/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_memory.c The index's memory: failures leave it intact, nodes come back, replaced nodes are retired.
 */
#include <errno.h>

#include "os/os.h"
#include "test_index_helper.h"

/** Allocations, of heap or of chunks, until one fails; -1: none does. */
static long allocations_left = -1;
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

/** Keys of the tests that fail each allocation in turn, and of those that fill the pool. */
#if defined(BASE_SANITIZED) || defined(ALEX_DEBUG) || defined(ALEX_COVERAGE)
#define FAULT_KEYS ((size_t)5000)
#define POOL_KEYS ((size_t)30000)
#else
#define FAULT_KEYS ((size_t)40000)
#define POOL_KEYS ((size_t)200000)
#endif

static bool next_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

static void *failing_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (next_fails()) {
        errno = ENOMEM;
        return (void *)(intptr_t)-1;
    }
    return real_mmap(address, bytes, protection, flags, fd, offset);
}

static int faults_setup(void **state)
{
    real_mmap = os_calls.mmap;
    os_calls.mmap = failing_mmap;
    base_alloc_fails = next_fails;
    return fixture_setup(state);
}

static int faults_teardown(void **state)
{
    allocations_left = -1;
    int result = fixture_teardown(state);
    os_calls.mmap = real_mmap;
    base_alloc_fails = NULL;
    return result;
}

/* A prepare that fails for want of memory leaves the index as it was, whichever allocation it is; the same key goes in
 * after. */
static void test_prepare_survives_failures(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(FAULT_KEYS, 8);
    unsigned failures = 0;
    for (enum keyset set = 0; set < KEYSETS; set++) {
        keyset_make(set, keys, FAULT_KEYS, 2);
        for (size_t i = 0; i < FAULT_KEYS; i++) {
            struct index_position position;
            allocations_left = 0;
            if (index_prepare(fixture->index, keys[i], &position) != ALEX_OK) {
                failures++;
                if (failures % 16 == 0) {
                    ASSERT_INDEX_VALID(fixture->index);
                }
                assert_int_equal(i, index_count(fixture->index));
                assert_int_equal(i, index_count_range(fixture->index, 0, UINT64_MAX));
                allocations_left = -1;
                assert_int_equal(ALEX_OK, index_prepare(fixture->index, keys[i], &position));
            }
            allocations_left = -1;
            index_set(fixture->index, &position, payload_of(keys[i]));
        }
        for (size_t i = 0; i < FAULT_KEYS; i++) {
            assert_int_equal(payload_of(keys[i]), index_find(fixture->index, keys[i]));
        }
        index_destroy(fixture->index);
        assert_int_equal(0, fixture->pool->node_bytes);
        index_pool_destroy(fixture->pool);
        assert_int_equal(ALEX_OK, index_pool_create(&fixture->pool));
        assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    }
    assert_true(failures > 100);
    free(keys);
}

/* A load fails at any allocation without a trace, and works once there is memory. */
static void test_load_survives_failures(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(POOL_KEYS, 8);
    struct index_entry *entries = allocate(POOL_KEYS, sizeof *entries);
    keyset_make(KEYSET_OSM, keys, POOL_KEYS, 2);
    keyset_sort(keys, POOL_KEYS);
    for (size_t i = 0; i < POOL_KEYS; i++) {
        entries[i] = (struct index_entry){keys[i], 1};
    }
    int code = ALEX_NO_MEMORY;
    long fails_at = 0;
    for (; code != ALEX_OK; fails_at++) {
        allocations_left = fails_at;
        code = index_load(fixture->index, entries, POOL_KEYS);
        allocations_left = -1;
        assert_int_equal(code == ALEX_OK ? POOL_KEYS : 0, index_count(fixture->index));
        ASSERT_INDEX_VALID(fixture->index);
    }
    assert_true(fails_at > 5);
    assert_int_equal(POOL_KEYS, index_count_range(fixture->index, 0, UINT64_MAX));
    free(entries);
    free(keys);
}

/* A batch that fails has entered exactly the entries before the one that it names. */
static void test_set_many_survives_failures(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 2000 };
    struct index_entry entries[KEYS];
    for (uint64_t i = 0; i < KEYS; i++) {
        entries[i] = (struct index_entry){i * i, 1};
    }
    unsigned failures = 0;
    for (size_t entered = 0; entered < KEYS;) {
        size_t done;
        allocations_left = 0;
        int code = index_set_many(fixture->index, entries + entered, KEYS - entered, NULL, &done);
        allocations_left = -1;
        entered += done;
        failures += code != ALEX_OK;
        assert_int_equal(entered, index_count(fixture->index));
        ASSERT_INDEX_VALID(fixture->index);
        if (code != ALEX_OK) {
            set_key(fixture->index, entries[entered].key, 1);
            entered++;
        }
    }
    assert_true(failures > 3);
}

/* Removing never needs memory. */
static void test_remove_needs_no_memory(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 50000 };
    uint64_t *keys = allocate(KEYS, 8);
    keyset_make(KEYSET_UNIFORM, keys, KEYS, 2);
    set_keys(fixture->index, keys, KEYS);
    for (size_t i = 0; i < KEYS; i++) {
        allocations_left = 0;
        assert_int_equal(payload_of(keys[i]), index_remove(fixture->index, keys[i]));
        if (i % 1000 == 0) {
            ASSERT_INDEX_VALID(fixture->index);
        }
    }
    free(keys);
}

/* What many nodes of all sizes leave when they go serves the next ones: the pool doesn't grow from round to round. */
static void test_pool_reuses_memory(void **state)
{
    struct fixture *fixture = *state;
    uint64_t *keys = allocate(POOL_KEYS, 8);
    uint64_t first = 0;
    for (int round = 0; round < 4; round++) {
        keyset_make(KEYSET_OSM, keys, POOL_KEYS, (uint64_t)round);
        set_keys(fixture->index, keys, POOL_KEYS);
        if (round == 0) {
            first = index_pool_bytes(fixture->pool);
            assert_true(first <= POOL_KEYS * 40);
        }
        assert_true(index_pool_bytes(fixture->pool) <= first + (4 << 20));
        for (size_t i = 0; i < POOL_KEYS; i++) {
            (void)index_remove(fixture->index, keys[i]);
        }
        assert_true(index_pool_bytes(fixture->pool) <= 4 << 20);
    }
    free(keys);
}

/** Holds retired nodes back, as readers would. */
struct retired {
    struct index_node *nodes[4096];
    size_t count;
};

static void hold_back(void *context, struct index_pool *pool, struct index_node *node)
{
    struct retired *retired = context;
    (void)pool;
    assert_true(retired->count < sizeof retired->nodes / sizeof retired->nodes[0]);
    retired->nodes[retired->count++] = node;
}

/* A replaced node goes to the retire function, marked obsolete and otherwise unchanged until it is given back. */
static void test_replaced_nodes_are_retired(void **state)
{
    struct fixture *fixture = *state;
    struct retired *retired = allocate(1, sizeof *retired);
    fixture->pool->retire = hold_back;
    fixture->pool->retire_context = retired;
    uint64_t *keys = allocate(20000, 8);
    keyset_make(KEYSET_OSM, keys, 20000, 2);
    set_keys(fixture->index, keys, 20000);
    for (size_t i = 0; i < 20000; i += 2) {
        (void)index_remove(fixture->index, keys[i]);
    }
    assert_true(retired->count > 10);
    for (size_t i = 0; i < retired->count; i++) {
        struct index_node *node = retired->nodes[i];
        uint64_t version = atomic_load(&node->version);
        assert_true((version & INDEX_VERSION_OBSOLETE) != 0);
        assert_true((version & INDEX_VERSION_WRITING) == 0);
        atomic_store(&node->version, version & ~INDEX_VERSION_OBSOLETE);
        assert_null(index_node_verify(node));
        index_pool_give(fixture->pool, node);
    }
    fixture->pool->retire = NULL;
    free(keys);
    free(retired);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faults_setup, faults_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_prepare_survives_failures), TEST(test_load_survives_failures), TEST(test_set_many_survives_failures),
        TEST(test_remove_needs_no_memory),    TEST(test_pool_reuses_memory),     TEST(test_replaced_nodes_are_retired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
