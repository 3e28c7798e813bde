/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_dataset.c  The benchmark notices every byte that an engine gives wrongly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataset.h"

#define VALUE_MAX 256
#define KEY INT64_C(-7)
#define VERSION 3

/** Values of this size alone. */
static struct dataset dataset_of(uint32_t size)
{
    return (struct dataset){.value_min = size, .value_max = size, .loaded = 1, .count = 1};
}

/** Memory of just these bytes, so that a look behind them is noticed. */
static unsigned char *copy_of(const unsigned char *bytes, size_t size)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    return memcpy(copy, bytes, size);
}

/* A value is the key's and version's own: no other key's, no other version's, none that is longer or shorter or has
 * any bit changed. Its checksum tells the same, of the key as well. */
static void test_wrong_values(void **state)
{
    (void)state;
    for (uint32_t size = 0; size <= VALUE_MAX; size++) {
        struct dataset dataset = dataset_of(size);
        unsigned char buffer[VALUE_MAX + 8] = {0};
        assert_int_equal(size, dataset_value(&dataset, KEY, VERSION, buffer));
        unsigned char *value = copy_of(buffer, size);
        assert_true(dataset_value_is(&dataset, KEY, VERSION, value, size));
        assert_false(dataset_value_is(&dataset, KEY, VERSION, buffer, size + 1));
        assert_false(size > 0 && dataset_value_is(&dataset, KEY, VERSION, buffer, size - 1));
        assert_false(size > 0 && dataset_value_is(&dataset, KEY + 1, VERSION, value, size));
        assert_false(size > 0 && dataset_value_is(&dataset, KEY, VERSION + 1, value, size));
        uint64_t checksum = entry_checksum(KEY, value, size);
        assert_true(checksum != entry_checksum(KEY + 1, value, size));
        assert_true(checksum != entry_checksum(KEY, buffer, size + 1));
        for (uint32_t bit = 0; bit < size * 8; bit++) {
            value[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_false(dataset_value_is(&dataset, KEY, VERSION, value, size));
            assert_true(checksum != entry_checksum(KEY, value, size));
            value[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        free(value);
    }
}

/* Sizes are spread over the whole range, both ends among them. */
static void test_sizes(void **state)
{
    (void)state;
    struct dataset dataset = {.value_min = 16, .value_max = 32, .loaded = 1, .count = 1};
    unsigned char buffer[64];
    bool seen[33] = {false};
    for (int64_t key = 0; key < 1000; key++) {
        size_t size = dataset_value(&dataset, key, 0, buffer);
        assert_in_range(size, 16, 32);
        assert_true(dataset_value_is(&dataset, key, 0, buffer, size));
        seen[size] = true;
    }
    for (size_t size = 16; size <= 32; size++) {
        assert_true(seen[size]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
