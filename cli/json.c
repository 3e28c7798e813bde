/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json.c
 * Keys and bytes as JSON.
 */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* The greatest whole number up to which a double has them all. */
#define EXACT_MAX (((int64_t)1 << 53) - 1)

void json_append_key(struct buffer *out, int64_t key, enum alex_key_order order)
{
    char digits[KEY_TEXT_SIZE];
    size_t length = key_format(key, order, digits);
    /* A negative int64_t is here either below zero or, of unsigned keys, above all that is exact. */
    bool exact = key <= EXACT_MAX && key >= (order == ALEX_KEYS_UNSIGNED ? 0 : -EXACT_MAX);
    buffer_append_text(out, exact ? "" : "\"");
    buffer_append(out, digits, length);
    buffer_append_text(out, exact ? "" : "\"");
}

static bool is_text(const void *bytes, size_t size)
{
    return memchr(bytes, 0, size) == NULL && utf8_valid(bytes, size);
}

static int append_piece(const char *piece, size_t size, void *out)
{
    buffer_append(out, piece, size);
    return 0;
}

void json_append_bytes(struct buffer *out, const void *bytes, size_t size)
{
    if (is_text(bytes, size)) {
        json_t *string = json_stringn_nocheck(bytes, size);
        if (string == NULL || json_dump_callback(string, append_piece, out, JSON_ENCODE_ANY) != 0) {
            memory_exhausted();
        }
        json_decref(string);
    } else {
        buffer_append_text(out, "{\"base64\":\"");
        base64_append(out, bytes, size);
        buffer_append_text(out, "\"}");
    }
}

json_t *json_from_bytes(const void *bytes, size_t size)
{
    if (is_text(bytes, size)) {
        return json_stringn_nocheck(bytes, size);
    }
    struct buffer base64 = {0};
    base64_append(&base64, bytes, size);
    json_t *json = json_pack("{s:s%}", "base64", base64.data, base64.size);
    buffer_release(&base64);
    return json;
}

void json_array_add(json_t *array, json_t *element)
{
    if (element == NULL || json_array_append_new(array, element) != 0) {
        memory_exhausted();
    }
}

bool json_to_key(const json_t *json, enum alex_key_order order, int64_t *out_key, char message[MESSAGE_SIZE])
{
    if (json_is_string(json)) {
        return key_parse(json_string_value(json), json_string_length(json), order, out_key, message);
    }
    if (json_is_integer(json)) {
        char digits[KEY_TEXT_SIZE];
        int length = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return key_parse(digits, (size_t)length, order, out_key, message);
    }
    snprintf(message, MESSAGE_SIZE, "the key is neither a whole number nor a string of its digits");
    return false;
}

bool json_to_bytes(const json_t *json, struct buffer *out)
{
    if (json_is_string(json)) {
        buffer_append(out, json_string_value(json), json_string_length(json));
        return true;
    }
    if (json_is_integer(json)) {
        char digits[KEY_TEXT_SIZE];
        int length = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        buffer_append(out, digits, (size_t)length);
        return true;
    }
    const json_t *base64 = json_object_get(json, "base64");
    return json_object_size(json) == 1 && json_is_string(base64) &&
           base64_append_decoded(out, json_string_value(base64), json_string_length(base64));
}

enum status json_print(json_t *json, size_t flags)
{
    if (json == NULL || json_dumpf(json, stdout, flags) != 0) {
        json_decref(json);
        return report(STATUS_DATA, "cannot write stdout as JSON");
    }
    json_decref(json);
    putchar('\n');
    return STATUS_OK;
}
