/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file key.h
 * Keys as text: decimal, or hexadecimal with 0x, within the range of the table's keys.
 */
#ifndef CLI_KEY_H
#define CLI_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <alexstorage.h>

/** Space for a message of the functions that read text. */
#define MESSAGE_SIZE 256

/** Reads a key. On failure, `message` says what is wrong with it and names the range. */
bool key_parse(const char *text, size_t size, enum alex_key_order order, int64_t *out_key, char message[MESSAGE_SIZE]);

/** Space for key_format(). */
#define KEY_TEXT_SIZE 24

/** Writes a key in decimal, with a terminating zero. @return its length */
size_t key_format(int64_t key, enum alex_key_order order, char text[KEY_TEXT_SIZE]);

#endif /* CLI_KEY_H */
