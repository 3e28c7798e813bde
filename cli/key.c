/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file key.c
 * Keys as text.
 */
#include "key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

enum digits { DIGITS_GOOD, DIGITS_NONE, DIGITS_TOO_LARGE };

/** The value of `c` as a digit, or 16 if it is none in any base. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a') + 10;
    }
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 16;
}

static enum digits digits_parse(const char *text, size_t size, unsigned base, uint64_t *out_magnitude)
{
    uint64_t magnitude = 0;
    bool overflow = false;
    for (size_t i = 0; i < size; i++) {
        unsigned digit = digit_value(text[i]);
        if (digit >= base) {
            return DIGITS_NONE;
        }
        overflow = overflow || magnitude > (UINT64_MAX - digit) / base;
        magnitude = magnitude * base + digit;
    }
    *out_magnitude = magnitude;
    return size == 0 ? DIGITS_NONE : overflow ? DIGITS_TOO_LARGE : DIGITS_GOOD;
}

bool key_parse(const char *text, size_t size, enum alex_key_order order, int64_t *out_key, char message[MESSAGE_SIZE])
{
    bool negative = size > 0 && text[0] == '-';
    size_t begin = negative || (size > 0 && text[0] == '+') ? 1 : 0;
    bool hexadecimal = size >= begin + 2 && text[begin] == '0' && (text[begin + 1] | 0x20) == 'x';
    begin += hexadecimal ? 2 : 0;

    uint64_t magnitude = 0;
    enum digits digits = digits_parse(text + begin, size - begin, hexadecimal ? 16 : 10, &magnitude);
    char excerpt[FORMATTED_SIZE];
    if (digits == DIGITS_NONE) {
        snprintf(message, MESSAGE_SIZE, "key \"%s\" is not a whole number: give decimal digits, or hexadecimal with 0x",
                 format_excerpt(text, size, excerpt));
        return false;
    }
    bool is_unsigned = order == ALEX_KEYS_UNSIGNED;
    uint64_t greatest = negative ? (is_unsigned ? 0 : (uint64_t)1 << 63) : is_unsigned ? UINT64_MAX : INT64_MAX;
    if (digits == DIGITS_TOO_LARGE || magnitude > greatest) {
        snprintf(message, MESSAGE_SIZE, "key %s is out of range: the table's %s keys go from %s to %s",
                 format_excerpt(text, size, excerpt), is_unsigned ? "unsigned" : "signed",
                 is_unsigned ? "0" : "-9223372036854775808",
                 is_unsigned ? "18446744073709551615" : "9223372036854775807");
        return false;
    }
    *out_key = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

size_t key_format(int64_t key, enum alex_key_order order, char text[KEY_TEXT_SIZE])
{
    int length = order == ALEX_KEYS_UNSIGNED ? snprintf(text, KEY_TEXT_SIZE, "%" PRIu64, (uint64_t)key)
                                             : snprintf(text, KEY_TEXT_SIZE, "%" PRId64, key);
    return (size_t)length;
}
