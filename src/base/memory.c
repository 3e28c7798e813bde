/* SPDX-License-Identifier: Apache-2.0 */
/** @file memory.c Heap memory, with places for tests to make any allocation fail and to count what is not freed. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

bool (*base_alloc_fails)(void) = NULL;
void (*base_alloc_changed)(int change) = NULL;

static bool fails(void)
{
    return BASE_UNLIKELY(base_alloc_fails != NULL) && base_alloc_fails();
}

/** Tells a test that counts of a block that there is now (1), or that is freed (-1). NULL is none. */
static void tell(const void *memory, int change)
{
    if (BASE_UNLIKELY(base_alloc_changed != NULL) && memory != NULL) {
        base_alloc_changed(change);
    }
}

void *base_alloc(size_t size)
{
    void *memory = fails() ? NULL : malloc(size);
    tell(memory, 1);
    return memory;
}

void *base_alloc_zeroed(size_t count, size_t size)
{
    void *memory = fails() ? NULL : calloc(count, size);
    tell(memory, 1);
    return memory;
}

void *base_realloc(void *memory, size_t size)
{
    bool is_new = memory == NULL;
    void *moved = fails() ? NULL : realloc(memory, size);
    tell(is_new ? moved : NULL, 1);
    return moved;
}

void base_free(void *memory)
{
    tell(memory, -1);
    free(memory);
}

char *base_copy_string(const char *text, size_t length)
{
    char *copy = base_alloc(length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}
