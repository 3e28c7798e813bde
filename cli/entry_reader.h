/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file entry_reader.h
 * Lines of CSV, TSV or JSON as entries.
 */
#ifndef CLI_ENTRY_READER_H
#define CLI_ENTRY_READER_H

#include <alexstorage.h>

#include "columns.h"
#include "csv.h"
#include "key.h"
#include "stream.h"

enum read_event {
    READ_ENTRY,
    READ_BAD_LINE, /**< it was passed over; `message` says what is wrong, and the next call goes on behind it */
    READ_END,
    READ_FAILED, /**< reading can't go on; reported */
};

/** Begin with entry_reader_init(). */
struct entry_reader {
    struct layout layout;
    enum alex_key_order order;
    const struct column_list *columns;
    struct input *input;

    const char *piece; /**< what is left of the input's piece at hand */
    size_t piece_size;
    bool began; /**< something was read */
    bool ended; /**< the input has no more */

    struct csv_reader csv;
    size_t field_count;    /**< CSV and TSV: fields that every record must have; 0 before the first */
    size_t *field_indexes; /**< CSV and TSV: where the chosen columns are, the key's first */
    size_t chosen_count;

    struct buffer text; /**< JSON: the line */

    struct buffer value;
    uint64_t first_line; /**< lines of the last entry or bad line, 1 and up */
    uint64_t last_line;
    char message[MESSAGE_SIZE]; /**< part of a sentence */
};

/**
 * @param columns  the key's column, then those of the value, by number or header name; JSON: the names of two members.
 *                 Empty: the first and all others; "key" and "value". It must outlive the reader.
 * @param input    likewise
 * @return STATUS_OK, or STATUS_USAGE if columns and layout don't fit
 */
enum status entry_reader_init(struct entry_reader *reader, const struct layout *layout,
                              const struct column_list *columns, enum alex_key_order order, struct input *input);

/**
 * Reads the next entry. A value of several columns is they in one record of the same dialect.
 *
 * @param out_entry  set with READ_ENTRY; its value is valid until the next call
 */
enum read_event entry_reader_next(struct entry_reader *reader, struct alex_entry *out_entry);

void entry_reader_release(struct entry_reader *reader);

/** Used by entry_reader_next(): the next entry of JSON lines. */
enum read_event entry_reader_next_json(struct entry_reader *reader, struct alex_entry *out_entry);

/** Used by both: makes sure that a piece of the input is at hand. @param out_event  where it returns false: READ_END or
 *  READ_FAILED */
bool entry_reader_fill(struct entry_reader *reader, enum read_event *out_event);

#endif /* CLI_ENTRY_READER_H */
