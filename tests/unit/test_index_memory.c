/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_memory.c The index's memory: failures leave it intact, nodes come back, replaced nodes are retired.
 */
#include <errno.h>
#include <limits.h>

#include "os/os.h"
#include "test_index_helper.h"

/** Allocations, of heap or of chunks, until one fails; -1: none does. */
static long allocations_left = -1;
static bool all_fail;
/** Asked at each allocation, before it may fail. */
static void (*at_allocation)(void);
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
    if (at_allocation != NULL) {
        at_allocation();
    }
    return all_fail || (allocations_left >= 0 && allocations_left-- == 0);
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
        assert_int_equal(ALEX_OK, index_pool_create(NULL, &fixture->pool));
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

/** Memory of the pool that a test keeps from the index. */
static struct {
    struct index_node *nodes[20000];
    size_t count;
} held;

static bool hold(struct index_pool *pool, uint32_t blocks)
{
    struct index_node *node = index_pool_take(pool, blocks);
    if (node != NULL) {
        assert_true(held.count < sizeof held.nodes / sizeof held.nodes[0]);
        held.nodes[held.count++] = node;
    }
    return node != NULL;
}

/** Leaves room in the pool for nodes of these numbers of blocks and for none else, and lets all allocations fail. */
static void leave_room(struct index_pool *pool, const uint32_t *blocks, size_t count)
{
    struct index_node *room[4];
    for (size_t i = 0; i < count; i++) {
        room[i] = index_pool_take(pool, blocks[i]);
        assert_non_null(room[i]);
        assert_true(hold(pool, 1)); /* lest two rooms become one */
    }
    all_fail = true;
    for (uint32_t size = INDEX_DATA_BLOCKS_MAX; size > 0; size--) {
        while (hold(pool, size)) {
        }
    }
    for (size_t i = 0; i < count; i++) {
        index_pool_give(pool, room[i]);
    }
}

/** Ends that. */
static void release_room(struct index_pool *pool)
{
    all_fail = false;
    while (held.count > 0) {
        index_pool_give(pool, held.nodes[--held.count]);
    }
}

static uint64_t spread_key(uint64_t i)
{
    return keyset_random(&i);
}

static uint64_t ascending_key(uint64_t i)
{
    return UINT64_MAX / 2 + 10 * i;
}

static uint64_t descending_key(uint64_t i)
{
    return UINT64_MAX / 2 - 10 * i;
}

/** Enters keys until the index's one node is to be split for the next, which it returns. */
static uint64_t fill_one_node(struct index *index, uint64_t (*key_at)(uint64_t i), struct index_decision *out_decision)
{
    set_key(index, key_at(0), 1);
    for (uint64_t i = 1;; i++) {
        uint64_t key = key_at(i);
        struct index_node *root = index_root(index);
        struct index_step step = {.node = root};
        struct index_position position;
        (void)index_search_chosen()->locate_in_node(root, key, &step);
        if (!index_tree_place(index, &step, key, &position)) {
            uint64_t *keys = allocate(root->count, 8);
            uint64_t *payloads = allocate(root->count, 8);
            (void)index_node_entries(root, keys, payloads);
            *out_decision = index_decide(root, keys, key);
            free(keys);
            free(payloads);
            if (out_decision->change == INDEX_CHANGE_SPLIT) {
                return key;
            }
        }
        set_key(index, key, 1);
    }
}

/* A split that gets memory for some of its nodes and not for the others leaves the index as it was: of a node in the
 * middle, and of one that keeps its entries and gets a neighbour behind it or before it. */
static void test_split_survives_failures(void **state)
{
    struct fixture *fixture = *state;
    uint64_t (*const key_at[])(uint64_t) = {spread_key, ascending_key, descending_key};
    for (size_t way = 0; way < sizeof key_at / sizeof key_at[0]; way++) {
        struct index_decision decision;
        uint64_t key = fill_one_node(fixture->index, key_at[way], &decision);
        assert_int_equal(way == 1, decision.keep_left);
        assert_int_equal(way == 2, decision.keep_right);
        uint64_t count = index_count(fixture->index);
        uint32_t blocks[3];
        size_t nodes = 0;
        if (!decision.keep_left) {
            blocks[nodes++] = decision.left.model.last_block + 1;
        }
        if (!decision.keep_right) {
            blocks[nodes++] = decision.right.model.last_block + 1;
        }
        blocks[nodes++] = 1; /* the new root */
        assert_int_equal(ALEX_OK, index_pool_scratch(fixture->pool, count));
        for (size_t room = 0; room <= nodes; room++) {
            struct index_position position;
            leave_room(fixture->pool, blocks, room);
            int code = index_prepare(fixture->index, key, &position);
            release_room(fixture->pool);
            assert_int_equal(room == nodes ? ALEX_OK : ALEX_NO_MEMORY, code);
            assert_int_equal(count, index_count_range(fixture->index, 0, UINT64_MAX));
        }
        set_key(fixture->index, key, 1);
        ASSERT_INDEX_VALID(fixture->index);
        index_destroy(fixture->index);
        assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    }
}

/* A node that has become sparse stays as it is where there is no memory for a smaller one, or to gather its entries. */
static void test_sparse_node_without_memory(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 1000, LEFT = 10 };
    for (int scratch = 0; scratch < 2; scratch++) {
        for (uint64_t i = 0; i < KEYS; i++) {
            set_key(fixture->index, spread_key(i), 1);
        }
        uint64_t changes = fixture->index->structure_changes;
        assert_int_equal(ALEX_OK, index_pool_scratch(fixture->pool, KEYS));
        leave_room(fixture->pool, NULL, 0);
        fixture->pool->scratch_count = scratch == 0 ? 0 : fixture->pool->scratch_count;
        for (uint64_t i = LEFT; i < KEYS; i++) {
            assert_int_equal(1, index_remove(fixture->index, spread_key(i)));
        }
        release_room(fixture->pool);
        assert_int_equal(changes, fixture->index->structure_changes);
        assert_int_equal(LEFT, index_count_range(fixture->index, 0, UINT64_MAX));
        ASSERT_INDEX_VALID(fixture->index);
    }
}

/** Allocations until the pool is emptied and all fail; 0: never. */
static long until_empty;
static struct index_pool *pool_to_empty;

static void count_down(void)
{
    if (until_empty > 0 && --until_empty == 0) {
        at_allocation = NULL;
        leave_room(pool_to_empty, NULL, 0);
        all_fail = false; /* this one, which is of the heap, and no other */
        allocations_left = 1;
    }
}

/* A load of three levels that fails when some nodes of the second one are there gives all of them back. */
static void test_load_fails_at_the_second_level(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 700000 };
    struct index_entry *entries = allocate(KEYS, sizeof *entries);
    uint64_t random = 1;
    uint64_t key = 0;
    for (size_t i = 0; i < KEYS; i++) {
        key += UINT64_C(1) << keyset_random(&random) % 30; /* no line fits many of these */
        entries[i] = (struct index_entry){key, 1};
    }
    until_empty = LONG_MAX;
    at_allocation = count_down;
    assert_int_equal(ALEX_OK, index_load(fixture->index, entries, KEYS));
    at_allocation = NULL;
    assert_true(stats_of(fixture->index).depth == 3 && stats_of(fixture->index).inner_nodes == 3);
    long allocations = LONG_MAX - until_empty;
    for (long at = allocations - 4; at < allocations; at++) {
        assert_int_equal(0, fixture_teardown(state));
        assert_int_equal(0, fixture_setup(state));
        fixture = *state;
        pool_to_empty = fixture->pool;
        until_empty = at;
        at_allocation = count_down;
        int code = index_load(fixture->index, entries, KEYS);
        allocations_left = -1;
        release_room(fixture->pool);
        assert_int_equal(ALEX_NO_MEMORY, code);
        assert_int_equal(0, fixture->pool->node_bytes);
        ASSERT_INDEX_VALID(fixture->index);
    }
    free(entries);
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

static bool grace_is_over;
static uint64_t grace_tickets;

static uint64_t grace_begin(void)
{
    return ++grace_tickets;
}

static bool grace_over(uint64_t ticket)
{
    assert_int_equal(ticket, grace_tickets);
    return grace_is_over;
}

static bool is_alone;

static bool grace_alone(void)
{
    return is_alone;
}

static const struct index_grace grace = {grace_begin, grace_over, grace_alone};

/** Looks whether retired nodes are obsolete and otherwise as they were. @return their number */
static size_t check_retired(struct index_node *nodes)
{
    size_t count = 0;
    for (struct index_node *node = nodes; node != NULL; node = node->next_retired) {
        uint64_t version = atomic_load(&node->version);
        assert_true((version & INDEX_VERSION_OBSOLETE) != 0);
        assert_true((version & INDEX_VERSION_WRITING) == 0);
        atomic_store(&node->version, version & ~INDEX_VERSION_OBSOLETE);
        assert_null(index_node_verify(node));
        count++;
    }
    return count;
}

static void retire_nodes(struct fixture *fixture, bool alone)
{
    is_alone = alone;
    grace_is_over = false;
    grace_tickets = 0;
    fixture->pool->grace = &grace;
    uint64_t *keys = allocate(20000, 8);
    keyset_make(KEYSET_OSM, keys, 20000, 2);
    set_keys(fixture->index, keys, 20000);
    for (size_t i = 0; i < 20000; i += 2) {
        (void)index_remove(fixture->index, keys[i]);
    }
    assert_int_equal(check_retired(fixture->pool->waiting), alone ? 1 : 16);
    assert_true(check_retired(fixture->pool->retired) > 10);
    assert_int_equal(grace_tickets, 1);

    grace_is_over = true;
    index_destroy(fixture->index);
    assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
    assert_null(fixture->pool->waiting);
    assert_null(fixture->pool->retired);
    assert_int_equal(fixture->pool->node_bytes, 0);
    free(keys);
}

/* Replaced nodes are marked obsolete, stay as they are for as long as a reader may hold them, and then come back.
 * Sixteen share a ticket, unless nobody else reads. */
static void test_replaced_nodes_are_retired(void **state)
{
    retire_nodes(*state, false);
    retire_nodes(*state, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, faults_setup, faults_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_prepare_survives_failures),      TEST(test_load_survives_failures),
        TEST(test_set_many_survives_failures),     TEST(test_remove_needs_no_memory),
        TEST(test_split_survives_failures),        TEST(test_sparse_node_without_memory),
        TEST(test_load_fails_at_the_second_level), TEST(test_pool_reuses_memory),
        TEST(test_replaced_nodes_are_retired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
