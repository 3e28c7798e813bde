/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_index_readers.c Reading the index while another thread changes it, and when replaced nodes are freed. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "mvcc/epoch.h"
#include "support/keysets.h"
#include "unit/test_index_helper.h"

#define READERS 2
#if defined(BASE_SANITIZED) || defined(ALEX_DEBUG)
#define KEYS 6000u /* the whole index is verified after each change of its structure */
#else
#define KEYS 30000u
#endif
#define ROUNDS 4u
#define SCANNED 200u

#ifdef BASE_INTERRUPTS
static _Thread_local uint64_t interrupt_random;

/** Gives the processor away once in a while. */
static void interrupt(void)
{
    if (interrupt_random == 0) {
        interrupt_random = (uint64_t)(uintptr_t)&interrupt_random | 1;
    }
    interrupt_random = interrupt_random * UINT64_C(6364136223846793005) + 1442695040888963407;
    if (interrupt_random >> 53 == 0) {
        (void)sched_yield();
    }
}
#endif

/** Every third key stays all the time; the others come and go. Payloads tell the key and how often it was set. */
static bool stays(size_t i)
{
    return i % 3 == 0;
}

static uint64_t payload_for(size_t i, uint64_t turn)
{
    return (uint64_t)(i + 1) << 16 | turn;
}

struct shared {
    struct index *index;
    uint64_t *keys; /**< ascending */
    atomic_bool done;
    atomic_uint wrong;
    atomic_ullong reads;
};

static void expect(struct shared *shared, bool holds)
{
    if (!holds) {
        (void)atomic_fetch_add(&shared->wrong, 1);
    }
}

static void expect_payload(struct shared *shared, size_t i, uint64_t payload)
{
    expect(shared, payload == 0 ? !stays(i) : payload >> 16 == i + 1);
}

/** The number of a key that a scan gave; KEYS if it is none of them. */
static size_t number_of(const struct shared *shared, uint64_t key)
{
    size_t low = 0;
    size_t high = KEYS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shared->keys[middle] < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < KEYS && shared->keys[low] == key ? low : KEYS;
}

/** Every key that stays is in a scan, no key twice, all in order, each with its payload. */
static void read_scan(struct shared *shared, size_t first, enum index_direction direction)
{
    struct index_entry entries[SCANNED];
    epoch_enter();
    size_t count = index_scan(shared->index, shared->keys[first], direction, entries, SCANNED);
    epoch_leave();
    bool forward = direction == INDEX_ASCENDING;
    size_t next = first;
    for (size_t i = 0; i < count; i++) {
        size_t number = number_of(shared, entries[i].key);
        bool in_order = number < KEYS && (forward ? number >= next : number <= next);
        expect(shared, in_order);
        if (!in_order) {
            return;
        }
        for (; next != number; next = forward ? next + 1 : next - 1) {
            expect(shared, !stays(next));
        }
        expect_payload(shared, number, entries[i].payload);
        next = forward ? next + 1 : next - 1;
        if (next > KEYS) {
            return; /* below the first */
        }
    }
}

static void read_many(struct shared *shared, size_t first)
{
    uint64_t keys[20];
    uint64_t payloads[20];
    size_t numbers[20];
    for (size_t i = 0; i < 20; i++) {
        numbers[i] = (first + i * 7919) % KEYS;
        keys[i] = shared->keys[numbers[i]];
    }
    epoch_enter();
    index_find_many(shared->index, keys, 20, payloads);
    epoch_leave();
    for (size_t i = 0; i < 20; i++) {
        expect_payload(shared, numbers[i], payloads[i]);
    }
}

/** A range holds at least the keys that stay, and no more than all. */
static void read_count(struct shared *shared, size_t first)
{
    size_t last = first + KEYS / 4 < KEYS ? first + KEYS / 4 : KEYS - 1;
    size_t staying = 0;
    for (size_t i = first; i <= last; i++) {
        staying += stays(i);
    }
    epoch_enter();
    uint64_t count = index_count_range(shared->index, shared->keys[first], shared->keys[last]);
    epoch_leave();
    expect(shared, count >= staying && count <= last - first + 1);
}

static void *read_on(void *context)
{
    struct shared *shared = context;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    while (!atomic_load(&shared->done)) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t i = random % KEYS;
        epoch_enter();
        uint64_t payload = index_find(shared->index, shared->keys[i]);
        epoch_leave();
        expect_payload(shared, i, payload);
        if (random % 16 == 0) {
            read_many(shared, i);
        } else if (random % 64 == 1) {
            read_scan(shared, i, INDEX_ASCENDING);
        } else if (random % 64 == 2) {
            read_scan(shared, i, INDEX_DESCENDING);
        } else if (random % 512 == 3) {
            read_count(shared, i);
        }
        (void)atomic_fetch_add(&shared->reads, 1);
    }
    return NULL;
}

/** Enters and removes the keys that come and go, from one end, from the other, and mixed, and sets the others anew:
 *  nodes grow, split, shrink and go. */
static void write_round(struct fixture *fixture, const uint64_t *keys, uint64_t round)
{
    for (uint32_t way = 0; way < 3; way++) {
        for (uint32_t pass = 0; pass < 2; pass++) {
            for (size_t n = 0; n < KEYS; n++) {
                size_t i = way == 0 ? n : way == 1 ? KEYS - 1 - n : n * 7919 % KEYS;
                struct index_position position;
                if (pass == 1 && !stays(i)) {
                    (void)index_remove(fixture->index, keys[i]);
                } else if (pass == 0) {
                    assert_int_equal(ALEX_OK, index_prepare(fixture->index, keys[i], &position));
                    index_set(fixture->index, &position, payload_for(i, round * 4 + way + 1));
                }
            }
        }
    }
}

static const struct index_grace epochs = {epoch_ticket, epoch_over, epoch_alone};

/* Readers beside a writer find every key that stays, with a payload of its own, by every way of reading, while nodes
 * are changed, replaced and freed below them. */
static void test_readers_beside_a_writer(void **state)
{
    struct fixture *fixture = *state;
    fixture->pool->grace = &epochs;
    static const enum keyset sets[] = {KEYSET_UNIFORM, KEYSET_OSM};
    for (size_t set = 0; set < 2; set++) {
        struct shared shared = {.index = fixture->index, .keys = allocate(KEYS, 8)};
        keyset_make(sets[set], shared.keys, KEYS, 11);
        keyset_sort(shared.keys, KEYS);
        for (size_t i = 0; i < KEYS; i += 3) {
            struct index_position position;
            assert_int_equal(ALEX_OK, index_prepare(fixture->index, shared.keys[i], &position));
            index_set(fixture->index, &position, payload_for(i, 0));
        }
        pthread_t threads[READERS];
#ifdef BASE_INTERRUPTS
        base_interrupt = interrupt;
#endif
        for (size_t i = 0; i < READERS; i++) {
            assert_int_equal(0, pthread_create(&threads[i], NULL, read_on, &shared));
        }
        for (uint64_t round = 0; round < ROUNDS || atomic_load(&shared.reads) < KEYS; round++) {
            write_round(fixture, shared.keys, round);
        }
        atomic_store(&shared.done, true);
        for (size_t i = 0; i < READERS; i++) {
            assert_int_equal(0, pthread_join(threads[i], NULL));
        }
#ifdef BASE_INTERRUPTS
        base_interrupt = NULL;
#endif
        assert_int_equal(atomic_load(&shared.wrong), 0);
        assert_null(index_verify(fixture->index));
        for (size_t i = 0; i < KEYS; i++) {
            (void)index_remove(fixture->index, shared.keys[i]);
        }
        free(shared.keys);
    }
}

#ifdef BASE_INTERRUPTS
/** A reader that is held up at its Nth place where it may be, while a writer acts. */
static struct {
    struct index *index;
    void (*act)(struct index *index);
    uint64_t at;
    uint64_t seen;
} held_up;

static void act_once(void)
{
    if (++held_up.seen == held_up.at) {
        base_interrupt = NULL;
        held_up.act(held_up.index);
    }
}

/** Reads while a writer acts at the place `held_up.at`. @return false: the read had no such place */
static bool read_amid(struct index *index, void (*act)(struct index *index), void (*read)(const struct index *index))
{
    held_up.index = index;
    held_up.act = act;
    held_up.seen = 0;
    epoch_enter();
    base_interrupt = act_once;
    read(index);
    bool acted = base_interrupt == NULL;
    base_interrupt = NULL;
    epoch_leave();
    return acted;
}

/** The keys at first, ascending, with room behind each. The writers below take the middle third away, or enter
 *  others. */
#define FIRST_KEYS 2400u
static uint64_t first_keys[FIRST_KEYS];

static bool untouched(size_t i)
{
    return i < FIRST_KEYS / 3 || i >= FIRST_KEYS * 2 / 3;
}

static void set_one(struct index *index, uint64_t key)
{
    struct index_position position;
    assert_int_equal(ALEX_OK, index_prepare(index, key, &position));
    index_set(index, &position, key + 1);
}

/** Nodes go, and the ranges that their neighbours take over are filled. */
static void act_take_over(struct index *index)
{
    for (size_t i = FIRST_KEYS / 3; i < FIRST_KEYS * 2 / 3; i++) {
        (void)index_remove(index, first_keys[i]);
    }
    for (size_t i = FIRST_KEYS / 3; i < FIRST_KEYS * 2 / 3; i += 16) {
        set_one(index, first_keys[i] + 1);
    }
}

/** Nodes are split, or replaced by greater ones, and entries move within their nodes. */
static void act_crowd(struct index *index)
{
    for (size_t i = FIRST_KEYS; i-- > 0;) {
        if (i % 3 != 0) {
            set_one(index, first_keys[i] + 1);
        }
    }
}

/** Entries move, and nothing else. */
static void act_shift(struct index *index)
{
    for (size_t i = 0; i < FIRST_KEYS; i += 8) {
        set_one(index, first_keys[i] + 2);
    }
}

static void look_up(const struct index *index)
{
    for (size_t i = FIRST_KEYS / 3 - 2; i < FIRST_KEYS / 3 + 2; i++) {
        uint64_t payload = index_find(index, first_keys[i]);
        assert_true(payload == first_keys[i] + 1 || (payload == 0 && !untouched(i)));
    }
}

static void look_up_many(const struct index *index)
{
    uint64_t keys[24];
    uint64_t payloads[24];
    for (size_t i = 0; i < 24; i++) {
        keys[i] = first_keys[i * (FIRST_KEYS / 24)];
    }
    index_find_many(index, keys, 24, payloads);
    for (size_t i = 0; i < 24; i++) {
        assert_true(payloads[i] == keys[i] + 1 || (payloads[i] == 0 && !untouched(i * (FIRST_KEYS / 24))));
    }
}

/** Every key that isn't touched is there once, all in order, and none without its payload. */
static void scan_all(const struct index *index, enum index_direction direction)
{
    bool forward = direction == INDEX_ASCENDING;
    struct index_entry *entries = allocate((size_t)FIRST_KEYS * 3, sizeof *entries);
    size_t count = index_scan(index, forward ? 0 : UINT64_MAX, direction, entries, (size_t)FIRST_KEYS * 3);
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        const struct index_entry *entry = &entries[forward ? i : count - 1 - i];
        assert_int_equal(entry->payload, entry->key + 1);
        assert_true(i == 0 || entry->key > entries[forward ? i - 1 : count - i].key);
        for (; next < FIRST_KEYS && first_keys[next] < entry->key; next++) {
            assert_false(untouched(next));
        }
        next += next < FIRST_KEYS && first_keys[next] == entry->key;
    }
    assert_int_equal(next, FIRST_KEYS);
    free(entries);
}

static void scan_forward(const struct index *index)
{
    scan_all(index, INDEX_ASCENDING);
}

static void scan_backward(const struct index *index)
{
    scan_all(index, INDEX_DESCENDING);
}

static void count_all(const struct index *index)
{
    uint64_t count = index_count_range(index, 0, UINT64_MAX);
    assert_true(count >= FIRST_KEYS - FIRST_KEYS / 3 && count <= 2 * FIRST_KEYS);
}

static struct index *load_first(struct index_pool *pool)
{
    struct index_entry entries[FIRST_KEYS];
    for (size_t i = 0; i < FIRST_KEYS; i++) {
        entries[i] = (struct index_entry){first_keys[i], first_keys[i] + 1};
    }
    struct index *index;
    assert_int_equal(ALEX_OK, index_create(pool, &index));
    assert_int_equal(ALEX_OK, index_load(index, entries, FIRST_KEYS));
    struct index_stats stats;
    index_stats(index, &stats);
    assert_true(stats.data_nodes >= 6);
    return index;
}

/* A read gives a right answer though a writer acts in the middle of it: at places spread over the read. */
static void test_reads_interrupted_anywhere(void **state)
{
    struct fixture *fixture = *state;
    static void (*const acts[])(struct index *) = {act_take_over, act_crowd, act_shift};
    static void (*const reads[])(const struct index *) = {look_up, look_up_many, scan_forward, scan_backward,
                                                          count_all};
    fixture->pool->grace = &epochs;
    keyset_make(KEYSET_OSM, first_keys, FIRST_KEYS, 3);
    keyset_sort(first_keys, FIRST_KEYS);
    for (size_t i = 1; i < FIRST_KEYS; i++) {
        first_keys[i] = first_keys[i] < first_keys[i - 1] + 4 ? first_keys[i - 1] + 4 : first_keys[i];
    }
    for (size_t i = 0; i < sizeof acts / sizeof acts[0] * (sizeof reads / sizeof reads[0]); i++) {
        bool acted = true;
        for (held_up.at = 1; acted; held_up.at += 1 + held_up.at / 8) {
            struct index *index = load_first(fixture->pool);
            acted = read_amid(index, acts[i % 3], reads[i / 3]);
            index_destroy(index);
        }
    }
}

/** A tree of three levels, of which a writer takes keys away: those before this one stay no longer. */
static size_t first_that_stays;
#define DEEP_WIDTH (UINT64_C(1) << 40)

static void take_away(struct index *index, size_t keys)
{
    for (size_t i = 0; i < keys; i++) {
        assert_true(index_remove(index, small_tree_key(i, DEEP_WIDTH)) != 0);
    }
}

/** An inner node goes with all that is below it, and its neighbour takes over its range. */
static void act_take_left(struct index *index)
{
    take_away(index, SMALL_TREE_KEYS / 2);
}

/** The tree gets as low as may be. */
static void act_leave_one(struct index *index)
{
    take_away(index, SMALL_TREE_KEYS - 1);
}

/** The range that was taken over is filled, so that nodes of both levels split. */
static void act_refill_left(struct index *index)
{
    uint64_t random = 1;
    take_away(index, SMALL_TREE_KEYS / 2);
    for (size_t i = 0; i < 3000; i++) {
        uint64_t key = keyset_random(&random) % (3 * DEEP_WIDTH);
        set_key(index, key, payload_of(key));
    }
}

static void look_up_deep(const struct index *index)
{
    for (size_t i = 0; i < SMALL_TREE_KEYS; i++) {
        uint64_t key = small_tree_key(i, DEEP_WIDTH);
        uint64_t payload = index_find(index, key);
        assert_true(payload == payload_of(key) || (payload == 0 && i < first_that_stays));
    }
}

static void look_up_deep_together(const struct index *index)
{
    uint64_t keys[SMALL_TREE_KEYS];
    uint64_t payloads[SMALL_TREE_KEYS];
    for (size_t i = 0; i < SMALL_TREE_KEYS; i++) {
        keys[i] = small_tree_key(i, DEEP_WIDTH);
    }
    index_find_many(index, keys, SMALL_TREE_KEYS, payloads);
    for (size_t i = 0; i < SMALL_TREE_KEYS; i++) {
        assert_true(payloads[i] == payload_of(keys[i]) || (payloads[i] == 0 && i < first_that_stays));
    }
}

/** What a scan gives is in order, with its payloads, and every key that stays is among it. */
static void scan_deep(const struct index *index, enum index_direction direction)
{
    static struct index_entry entries[4096];
    bool forward = direction == INDEX_ASCENDING;
    size_t count = index_scan(index, forward ? 0 : UINT64_MAX, direction, entries, 4096);
    size_t staying = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].payload, payload_of(entries[i].key));
        assert_true(i == 0 || (entries[i].key > entries[i - 1].key) == forward);
        for (size_t j = first_that_stays; j < SMALL_TREE_KEYS; j++) {
            staying += entries[i].key == small_tree_key(j, DEEP_WIDTH);
        }
    }
    assert_int_equal(staying, SMALL_TREE_KEYS - first_that_stays);
}

static void scan_deep_forward(const struct index *index)
{
    scan_deep(index, INDEX_ASCENDING);
}

static void scan_deep_backward(const struct index *index)
{
    scan_deep(index, INDEX_DESCENDING);
}

/* So does one in a tree of three levels, whose inner nodes split, go, and take over each other's ranges. */
static void test_deep_reads_interrupted_anywhere(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        void (*act)(struct index *);
        size_t first_that_stays;
    } acts[] = {{act_take_left, SMALL_TREE_KEYS / 2},
                {act_leave_one, SMALL_TREE_KEYS - 1},
                {act_refill_left, SMALL_TREE_KEYS / 2}};
    static void (*const reads[])(const struct index *) = {look_up_deep, look_up_deep_together, scan_deep_forward,
                                                          scan_deep_backward};
    fixture->pool->grace = &epochs;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0] * (sizeof reads / sizeof reads[0]); i++) {
        bool acted = true;
        first_that_stays = acts[i % 3].first_that_stays;
        for (held_up.at = 1; acted; held_up.at++) {
            build_small_tree(fixture, DEEP_WIDTH);
            acted = read_amid(fixture->index, acts[i % 3].act, reads[i / 3]);
            index_destroy(fixture->index);
            assert_int_equal(ALEX_OK, index_create(fixture->pool, &fixture->index));
        }
    }
}
#endif

static void *stay_inside(void *context)
{
    pthread_barrier_t *barrier = context;
    epoch_enter();
    (void)pthread_barrier_wait(barrier);
    (void)pthread_barrier_wait(barrier);
    epoch_leave();
    (void)pthread_barrier_wait(barrier);
    (void)pthread_barrier_wait(barrier);
    return NULL;
}

/* A ticket is over when the sections have ended that were open, and not before. */
static void test_tickets(void **state)
{
    (void)state;
    assert_true(epoch_over(epoch_ticket()));
    pthread_barrier_t barrier;
    pthread_t thread;
    assert_int_equal(0, pthread_barrier_init(&barrier, NULL, 2));
    assert_int_equal(0, pthread_create(&thread, NULL, stay_inside, &barrier));
    (void)pthread_barrier_wait(&barrier);
    uint64_t ticket = epoch_ticket();
    assert_false(epoch_over(ticket));
    epoch_enter(); /* a later one does not matter */
    assert_false(epoch_over(ticket));
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    assert_true(epoch_over(ticket));
    epoch_leave();
    (void)pthread_barrier_wait(&barrier);
    assert_int_equal(0, pthread_join(thread, NULL));
    (void)pthread_barrier_destroy(&barrier);
}

#define MANY_THREADS 1200u

static void *stay_with_many(void *context)
{
    epoch_enter();
    (void)pthread_barrier_wait(context);
    (void)pthread_barrier_wait(context);
    epoch_leave();
    return NULL;
}

/* More threads than there are places for still hold tickets back, and leave nothing behind. */
static void test_more_threads_than_places(void **state)
{
    (void)state;
    pthread_attr_t attributes;
    assert_int_equal(0, pthread_attr_init(&attributes));
    assert_int_equal(0, pthread_attr_setstacksize(&attributes, 64 << 10));
    pthread_t *threads = allocate(MANY_THREADS, sizeof *threads);
    pthread_barrier_t barrier;
    assert_int_equal(0, pthread_barrier_init(&barrier, NULL, MANY_THREADS + 1));
    for (size_t i = 0; i < MANY_THREADS; i++) {
        assert_int_equal(0, pthread_create(&threads[i], &attributes, stay_with_many, &barrier));
    }
    (void)pthread_barrier_wait(&barrier);
    assert_true(atomic_load(&epoch_shared.epoch) >= MANY_THREADS - 1024);
    uint64_t ticket = epoch_ticket();
    assert_false(epoch_over(ticket));
    (void)pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < MANY_THREADS; i++) {
        assert_int_equal(0, pthread_join(threads[i], NULL));
    }
    assert_true(epoch_over(ticket));
    assert_int_equal(atomic_load(&epoch_shared.epoch), 0);
    assert_true(epoch_register() != &epoch_shared); /* ended threads have given their places back */
    (void)pthread_barrier_destroy(&barrier);
    (void)pthread_attr_destroy(&attributes);
    free(threads);
}

/** As the opening of a store does. */
static int prepare(void **state)
{
    (void)state;
    epoch_prepare();
    return 0;
}

int main(void)
{
    const struct CMUnitTest sections[] = {
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_more_threads_than_places),
    };
    const struct CMUnitTest reads[] = {
        cmocka_unit_test_setup_teardown(test_readers_beside_a_writer, fixture_setup, fixture_teardown),
#ifdef BASE_INTERRUPTS
        cmocka_unit_test_setup_teardown(test_reads_interrupted_anywhere, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_deep_reads_interrupted_anywhere, fixture_setup, fixture_teardown),
#endif
    };
    int failed = cmocka_run_group_tests_name("sections that fence", sections, NULL, NULL);
    failed += cmocka_run_group_tests_name("sections without a fence", sections, prepare, NULL);
    return failed + cmocka_run_group_tests_name("reads", reads, NULL, NULL);
}
