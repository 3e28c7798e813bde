/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file text.h
 * Bytes as text: UTF-8, base64, numbers for people.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/** Length of the well-formed UTF-8 sequence (Unicode, table 3-7) that `bytes` begins with; 0 if it begins with none. */
size_t utf8_sequence(const void *bytes, size_t size);

/** Whether the bytes are well-formed UTF-8 throughout. No bytes are. */
bool utf8_valid(const void *bytes, size_t size);

/** Appends bytes in base64 (RFC 4648, section 4, padded). */
void base64_append(struct buffer *out, const void *bytes, size_t size);

/** Appends the bytes that `text` stands for; false, with part of them appended, if it isn't padded base64. */
bool base64_append_decoded(struct buffer *out, const char *text, size_t size);

/** Space for format_count(), format_bytes(), and format_excerpt(). */
#define FORMATTED_SIZE 64

/** "1,234,567". @return `text` */
const char *format_count(uint64_t count, char text[FORMATTED_SIZE]);

/** "1,234,567 (1.2 MiB)". @return `text` */
const char *format_bytes(uint64_t bytes, char text[FORMATTED_SIZE]);

/** The beginning of `bytes` for a message: at most 40 bytes, '?' for what isn't printable ASCII, "..." where cut. */
const char *format_excerpt(const void *bytes, size_t size, char text[FORMATTED_SIZE]);

#endif /* CLI_TEXT_H */
