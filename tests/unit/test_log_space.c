/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_space.c
 * Address space: regions that grow, smaller ones where the system refuses, slots that never overlap.
 */
#include "log/log_internal.h"
#include "support/store_helper.h"

static struct os_calls real_calls;
static size_t largest_allowed;
static size_t refusals;

/** As the system does under a limit of address space. */
static void *limited_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (bytes > largest_allowed) {
        refusals++;
        return (void *)-1;
    }
    return real_calls.mmap(address, bytes, protection, flags, fd, offset);
}

static void limit(size_t bytes)
{
    real_calls = os_calls;
    largest_allowed = bytes;
    refusals = 0;
    os_calls.mmap = limited_mmap;
}

struct taken {
    uint32_t first_slot;
    uint32_t slots;
    uint8_t *base;
};

/** Asserts that what was taken overlaps neither in slots nor in addresses. */
static void assert_apart(const struct taken *taken, size_t count, uint32_t shift)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct taken *a = &taken[i];
            const struct taken *b = &taken[j];
            assert_true(a->first_slot >= b->first_slot + b->slots || b->first_slot >= a->first_slot + a->slots);
            uintptr_t a_bytes = (uintptr_t)a->slots << shift;
            uintptr_t b_bytes = (uintptr_t)b->slots << shift;
            assert_true((uintptr_t)a->base >= (uintptr_t)b->base + b_bytes ||
                        (uintptr_t)b->base >= (uintptr_t)a->base + a_bytes);
        }
    }
}

/* Regions are of a GiB at first and grow; slots in them follow each other and never overlap. */
static void test_regions_grow(void **state)
{
    (void)state;
    struct log_space space;
    struct taken taken[40];
    ASSERT_OK(space_init(&space, 27));
    for (size_t i = 0; i < 40; i++) {
        taken[i].slots = 1 + (uint32_t)(i % 3);
        ASSERT_OK(space_take(&space, taken[i].slots, &taken[i].first_slot, &taken[i].base));
    }
    assert_apart(taken, 40, 27);
    assert_int_equal(space.regions[0].bytes, (uint64_t)1 << 30);
    assert_true(space.region_count > 1);
    for (uint32_t i = 1; i < space.region_count; i++) {
        assert_true(space.regions[i].bytes > space.regions[i - 1].bytes);
        assert_int_equal(space.regions[i].first_slot, space.regions[i - 1].first_slot + space.regions[i - 1].slots);
    }
    space_release(&space);
    assert_int_equal(space.region_count, 0);
}

/* The largest regions are of 64 GiB, and there may be many of them. */
static void test_largest_regions(void **state)
{
    (void)state;
    enum { TAKEN = 260 };
    struct log_space space;
    uint32_t first_slot;
    uint8_t *base;
    ASSERT_OK(space_init(&space, 30));
    for (uint32_t i = 0; i < TAKEN; i++) {
        ASSERT_OK(space_take(&space, 1, &first_slot, &base));
        assert_int_equal(first_slot, i);
    }
    assert_true(space.region_count >= 8);
    for (uint32_t i = 0; i < space.region_count; i++) {
        assert_true(space.regions[i].bytes <= (uint64_t)64 << 30);
    }
    space_release(&space);
}

/* A run that no region of the usual size holds gets one of its own. */
static void test_large_run(void **state)
{
    (void)state;
    struct log_space space;
    struct taken taken[2] = {{.slots = 20000}, {.slots = 1}};
    ASSERT_OK(space_init(&space, 16));
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(space_take(&space, taken[i].slots, &taken[i].first_slot, &taken[i].base));
    }
    assert_apart(taken, 2, 16);
    space_release(&space);
}

/* Where the system refuses a large region a smaller one serves, down to what is asked for; below that it is an error.
 * */
static void test_refused(void **state)
{
    (void)state;
    struct log_space space;
    struct taken taken[10];
    ASSERT_OK(space_init(&space, 27));
    limit(((size_t)1 << 28) + ((size_t)2 << 20)); /* two slots, and what aligning takes */
    int codes[10];
    for (size_t i = 0; i < 10; i++) {
        taken[i].slots = 1;
        codes[i] = space_take(&space, 1, &taken[i].first_slot, &taken[i].base);
    }
    uint8_t *base;
    uint32_t first_slot;
    int three = space_take(&space, 3, &first_slot, &base);
    os_calls = real_calls;
    for (size_t i = 0; i < 10; i++) {
        ASSERT_OK(codes[i]);
    }
    assert_int_equal(three, ALEX_NO_MEMORY);
    assert_true(refusals > 0);
    assert_apart(taken, 10, 27);
    space_release(&space);
}

/* More than addresses or slots can tell is refused, and not wrapped around. */
static void test_limits(void **state)
{
    (void)state;
    struct log_space space;
    uint8_t *base;
    uint32_t first_slot;
    ASSERT_OK(space_init(&space, 16));
    assert_int_equal(space_take(&space, LOG_SLOTS_MAX + 1, &first_slot, &base), ALEX_NO_MEMORY);
    assert_int_equal(space_take(&space, UINT32_MAX, &first_slot, &base), ALEX_NO_MEMORY);
    space_release(&space);
    ASSERT_OK(space_init(&space, 40));
    assert_int_equal(space_take(&space, 257, &first_slot, &base), ALEX_NO_MEMORY);
    space.slot_count = 256; /* as if all addresses were taken */
    assert_int_equal(space_take(&space, 1, &first_slot, &base), ALEX_NO_MEMORY);
    space_release(&space);
    ASSERT_OK(space_init(&space, 16));
    space.region_count = LOG_REGIONS_MAX; /* as if all regions were */
    assert_int_equal(space_take(&space, 1, &first_slot, &base), ALEX_NO_MEMORY);
    space.region_count = 0;
    space_release(&space);
}

/* Slots given back are given out again, if nothing was taken behind them. */
static void test_give_back(void **state)
{
    (void)state;
    struct log_space space;
    uint8_t *base[3];
    uint32_t first_slot[3];
    ASSERT_OK(space_init(&space, 27));
    ASSERT_OK(space_take(&space, 2, &first_slot[0], &base[0]));
    ASSERT_OK(space_take(&space, 1, &first_slot[1], &base[1]));
    space_give_back(&space, first_slot[0], 2); /* not the last: it stays taken */
    ASSERT_OK(space_take(&space, 1, &first_slot[2], &base[2]));
    assert_int_equal(first_slot[2], first_slot[1] + 1);
    space_give_back(&space, first_slot[2], 1);
    space_give_back(&space, first_slot[1], 1);
    ASSERT_OK(space_take(&space, 1, &first_slot[2], &base[2]));
    assert_int_equal(first_slot[2], first_slot[1]);
    assert_ptr_equal(base[2], base[1]);
    space_release(&space);
}

/* Where there is no memory for the table of slots there is no space, and nothing to release. */
static void test_no_table(void **state)
{
    (void)state;
    struct log_space space;
    limit(0);
    int code = space_init(&space, 27);
    os_calls = real_calls;
    assert_int_equal(code, ALEX_NO_MEMORY);
    space_release(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions_grow), cmocka_unit_test(test_largest_regions), cmocka_unit_test(test_large_run),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_limits),          cmocka_unit_test(test_give_back),
        cmocka_unit_test(test_no_table),
    };
    return cmocka_run_group_tests_name("log space", tests, NULL, NULL);
}
