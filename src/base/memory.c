/* SPDX-License-Identifier: Apache-2.0 */
/** @file memory.c Heap memory, with a place for tests to make any allocation fail. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

bool (*base_alloc_fails)(void) = NULL;

static bool fails(void)
{
    return BASE_UNLIKELY(base_alloc_fails != NULL) && base_alloc_fails();
}

void *base_alloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

void *base_alloc_zeroed(size_t count, size_t size)
{
    return fails() ? NULL : calloc(count, size);
}

void *base_realloc(void *memory, size_t size)
{
    return fails() ? NULL : realloc(memory, size);
}

void base_free(void *memory)
{
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
