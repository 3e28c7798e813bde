/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file entry_reader_json.c
 * JSON lines as entries: an object a line, of which one member is the key and one the value.
 */
#include "entry_reader.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "text.h"

/* A value's byte takes six in the longest way to write it, "\u0001". */
#define LINE_BYTES_MAX (6 * ALEX_VALUE_MAX + ((size_t)1 << 20))

/** Collects the next line in `text`, without its end; READ_ENTRY says that there is one. */
static enum read_event next_line(struct entry_reader *reader)
{
    reader->text.size = 0;
    reader->last_line++;
    reader->first_line = reader->last_line;
    bool complete = false;
    bool too_long = false;
    bool any = false;
    enum read_event filled = READ_END;
    while (!complete && entry_reader_fill(reader, &filled)) {
        any = true;
        const char *end = memchr(reader->piece, '\n', reader->piece_size);
        complete = end != NULL;
        size_t size = complete ? (size_t)(end - reader->piece) : reader->piece_size;
        too_long = too_long || size > LINE_BYTES_MAX - reader->text.size;
        if (!too_long) {
            buffer_append(&reader->text, reader->piece, size);
        }
        reader->piece += size + complete;
        reader->piece_size -= size + complete;
    }
    if (filled == READ_FAILED) {
        return READ_FAILED;
    }
    if (too_long) {
        snprintf(reader->message, sizeof reader->message, "the line is longer than a value may be");
        return READ_BAD_LINE;
    }
    return any ? READ_ENTRY : READ_END;
}

static bool is_blank(const struct buffer *text)
{
    for (size_t i = 0; i < text->size; i++) {
        if (strchr(" \t\r", text->data[i]) == NULL || text->data[i] == '\0') {
            return false;
        }
    }
    return true;
}

/** Says why a line is no JSON. */
static void explain(struct entry_reader *reader, const json_error_t *error)
{
    if (json_error_code(error) == json_error_numeric_overflow) {
        snprintf(reader->message, sizeof reader->message,
                 "a number in it is out of the range of 64 bits: write great unsigned keys as strings");
    } else {
        char excerpt[FORMATTED_SIZE];
        snprintf(reader->message, sizeof reader->message,
                 "it is not JSON (%s): if the input is CSV or TSV, give --format",
                 format_excerpt(error->text, strlen(error->text), excerpt));
    }
}

/** The name of the member that is the key (0) or the value (1); NULL if no value was chosen. */
static const char *member_name(const struct entry_reader *reader, size_t index)
{
    if (reader->columns->count == 0) {
        return index == 0 ? "key" : "value";
    }
    return index < reader->columns->count ? reader->columns->columns[index].name : NULL;
}

static bool take_object(struct entry_reader *reader, const json_t *object, struct alex_entry *out_entry)
{
    const char *key_name = member_name(reader, 0);
    const char *value_name = member_name(reader, 1);
    const json_t *key = json_object_get(object, key_name);
    const json_t *value = value_name != NULL ? json_object_get(object, value_name) : NULL;
    if (key == NULL || (value == NULL && value_name != NULL)) {
        snprintf(reader->message, sizeof reader->message, "it has no member \"%.80s\"",
                 key == NULL ? key_name : value_name);
        return false;
    }
    if (!json_to_key(key, reader->order, &out_entry->key, reader->message)) {
        return false;
    }
    reader->value.size = 0;
    if (value != NULL && !json_to_bytes(value, &reader->value)) {
        snprintf(reader->message, sizeof reader->message,
                 "\"%.80s\" is neither a string nor a whole number nor {\"base64\": \"...\"}", value_name);
        return false;
    }
    bool empty = reader->value.size == 0;
    out_entry->value = (struct alex_slice){.data = empty ? "" : reader->value.data, .size = reader->value.size};
    return true;
}

enum read_event entry_reader_next_json(struct entry_reader *reader, struct alex_entry *out_entry)
{
    enum read_event event;
    do {
        event = next_line(reader);
    } while (event == READ_ENTRY && is_blank(&reader->text));
    if (event != READ_ENTRY) {
        return event;
    }
    json_error_t error;
    json_t *object = json_loadb(reader->text.data, reader->text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL) {
        explain(reader, &error);
        return READ_BAD_LINE;
    }
    event = take_object(reader, object, out_entry) ? READ_ENTRY : READ_BAD_LINE;
    json_decref(object);
    return event;
}
