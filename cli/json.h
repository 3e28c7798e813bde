/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json.h
 * Keys and bytes as JSON.
 *
 * A key is a number, or a string of its digits where it is beyond what every reader of JSON keeps exactly (RFC 7493,
 * section 2.2: 2^53 - 1). Bytes are a string if they are UTF-8 without a zero byte, else {"base64": "..."}.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>

#include <alexstorage.h>
#include <jansson.h>

#include "buffer.h"
#include "key.h"
#include "report.h"

/** Appends a key. */
void json_append_key(struct buffer *out, int64_t key, enum alex_key_order order);

/** Appends bytes. */
void json_append_bytes(struct buffer *out, const void *bytes, size_t size);

/** Bytes as a value of their own. */
json_t *json_from_bytes(const void *bytes, size_t size);

/** Appends an element, whose reference it takes, to an array. */
void json_array_add(json_t *array, json_t *element);

/** Reads a key: a number, or a string as key_parse() takes it. On failure, `message` says what is wrong. */
bool json_to_key(const json_t *json, enum alex_key_order order, int64_t *out_key, char message[MESSAGE_SIZE]);

/** Appends the bytes that a string, an integer (its digits) or {"base64": "..."} stands for; false for all else. */
bool json_to_bytes(const json_t *json, struct buffer *out);

/** Prints a value, with a newline, to stdout. Takes the reference. @return STATUS_OK */
enum status json_print(json_t *json, size_t flags);

#endif /* CLI_JSON_H */
