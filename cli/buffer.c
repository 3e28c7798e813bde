/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file buffer.c
 * A growable run of bytes.
 */
#include "buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

void memory_exhausted(void)
{
    exit((int)report(STATUS_STORE, "out of memory: close other programs, or raise the memory limit (ulimit -v)"));
}

void *memory_resize(void *memory, size_t count, size_t size)
{
    void *resized = count <= SIZE_MAX / size ? realloc(memory, count * size) : NULL;
    if (resized == NULL) {
        memory_exhausted();
    }
    return resized;
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (size > buffer->capacity - buffer->size) {
        size_t doubled = buffer->capacity < SIZE_MAX / 2 ? buffer->capacity * 2 : buffer->capacity;
        size_t needed = size <= SIZE_MAX - buffer->size ? buffer->size + size : SIZE_MAX;
        size_t capacity = needed > doubled ? needed : doubled;
        if (capacity < 64) {
            capacity = 64;
        }
        buffer->data = memory_resize(buffer->data, capacity, 1);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(buffer_reserve(buffer, size), data, size);
        buffer->size += size;
    }
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_byte(struct buffer *buffer, char byte)
{
    *buffer_reserve(buffer, 1) = byte;
    buffer->size++;
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
