/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file buffer.h
 * A growable run of bytes. Running out of memory ends the program: a load that was under way then leaves no trace.
 */
#ifndef CLI_BUFFER_H
#define CLI_BUFFER_H

#include <stddef.h>

/** Start from `= {0}`; `data` is NULL until the first byte. */
struct buffer {
    char *data;
    size_t size;     /**< bytes in use */
    size_t capacity; /**< bytes allocated */
};

/** Appends `size` bytes; `data` must not lie in the buffer itself. */
void buffer_append(struct buffer *buffer, const void *data, size_t size);

/** Appends a string without its terminating zero. */
void buffer_append_text(struct buffer *buffer, const char *text);

/** Appends one byte. */
void buffer_append_byte(struct buffer *buffer, char byte);

/** Makes room for `size` more bytes, and returns where they go; the caller adds what it wrote to `size`. */
char *buffer_reserve(struct buffer *buffer, size_t size);

/** Frees the bytes; the buffer is empty and may be used again. */
void buffer_release(struct buffer *buffer);

/** As realloc(), but ends the program where there is no memory. */
void *memory_resize(void *memory, size_t count, size_t size);

/** Ends the program with a message. */
_Noreturn void memory_exhausted(void);

#endif /* CLI_BUFFER_H */
