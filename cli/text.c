/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file text.c
 * Bytes as text.
 */
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool in_range(unsigned char byte, unsigned char least, unsigned char greatest)
{
    return byte >= least && byte <= greatest;
}

size_t utf8_sequence(const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    if (size == 0) {
        return 0;
    }
    if (byte[0] < 0x80) {
        return 1;
    }
    /* The second byte's range depends on the first: it shuts out overlong forms, surrogates, and what is above
     * U+10FFFF. */
    size_t length = in_range(byte[0], 0xC2, 0xDF) ? 2 : in_range(byte[0], 0xE0, 0xEF) ? 3 : 4;
    if (byte[0] < 0xC2 || byte[0] > 0xF4 || size < length) {
        return 0;
    }
    unsigned char least = byte[0] == 0xE0 ? 0xA0 : byte[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char greatest = byte[0] == 0xED ? 0x9F : byte[0] == 0xF4 ? 0x8F : 0xBF;
    if (!in_range(byte[1], least, greatest)) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (!in_range(byte[i], 0x80, 0xBF)) {
            return 0;
        }
    }
    return length;
}

bool utf8_valid(const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        size_t length = utf8_sequence(at, size);
        if (length == 0) {
            return false;
        }
        at += length;
        size -= length;
    }
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct buffer *out, const void *bytes, size_t size)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)byte[i] << 16;
        group |= left > 1 ? (uint32_t)byte[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)byte[i + 2] : 0;
        buffer_append_byte(out, base64_digits[group >> 18]);
        buffer_append_byte(out, base64_digits[group >> 12 & 63]);
        buffer_append_byte(out, left > 1 ? base64_digits[group >> 6 & 63] : '=');
        buffer_append_byte(out, left > 2 ? base64_digits[group & 63] : '=');
    }
}

bool base64_append_decoded(struct buffer *out, const char *text, size_t size)
{
    if (size % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < size; i += 4) {
        uint32_t group = 0;
        size_t padding = 0;
        for (size_t j = 0; j < 4; j++) {
            char character = text[i + j];
            bool pads = character == '=' && j >= 2 && i + 4 == size;
            const char *digit = character == '\0' ? NULL : strchr(base64_digits, character);
            if (!pads && (digit == NULL || padding > 0)) {
                return false;
            }
            padding += pads;
            group = group << 6 | (pads ? 0 : (uint32_t)(digit - base64_digits));
        }
        char bytes[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
        buffer_append(out, bytes, 3 - padding);
    }
    return true;
}

const char *format_count(uint64_t count, char text[FORMATTED_SIZE])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *at = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

const char *format_bytes(uint64_t bytes, char text[FORMATTED_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    format_count(bytes, text);
    if (bytes >= 1024) {
        size_t unit = 0;
        double scaled = (double)bytes / 1024;
        while (scaled >= 1024 && unit + 1 < sizeof units / sizeof *units) {
            scaled /= 1024;
            unit++;
        }
        size_t length = strlen(text);
        snprintf(text + length, FORMATTED_SIZE - length, " (%.1f %s)", scaled, units[unit]);
    }
    return text;
}

const char *format_excerpt(const void *bytes, size_t size, char text[FORMATTED_SIZE])
{
    const char *byte = bytes;
    size_t shown = size <= 40 ? size : 40;
    for (size_t i = 0; i < shown; i++) {
        text[i] = byte[i] >= ' ' && byte[i] <= '~' ? byte[i] : '?';
    }
    snprintf(text + shown, FORMATTED_SIZE - shown, "%s", size > shown ? "..." : "");
    return text;
}
