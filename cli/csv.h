/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file csv.h
 * Delimited text: quoted (CSV, RFC 4180) and escaped (TSV). No input or output: bytes are fed in pieces of any size,
 * records come out; and fields are written so that any bytes come back as they were.
 *
 * - Quoted: a field with the delimiter, a quote or a line's end in it stands in quotes, and a quote in it is doubled. A
 *   quote elsewhere, or text behind a closing quote, is an error and not guessed at.
 * - Escaped: a tab is \t, a line's end \n or \r, a backslash \\, and \xHH is any byte. Written that way are also
 *   control characters and what isn't UTF-8, so that each record is one line that a terminal takes no harm from. Any
 *   other escape is an error.
 *
 * A record ends with LF, CR LF or the input; empty lines are skipped.
 */
#ifndef CLI_CSV_H
#define CLI_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

struct csv_dialect {
    char delimiter; /**< any byte but a quote, CR and LF; in escaped text a tab */
    bool escaped;   /**< escapes, no quotes */
};

#define CSV_DIALECT_CSV ((struct csv_dialect){.delimiter = ',', .escaped = false})
#define CSV_DIALECT_TSV ((struct csv_dialect){.delimiter = '\t', .escaped = true})

/** What became of the bytes fed. */
enum csv_event {
    CSV_MORE,   /**< all taken, no record is complete yet; from csv_finish(): there is none left */
    CSV_RECORD, /**< a record is complete: its fields are there until the next feed */
    CSV_BAD,    /**< a record that doesn't parse was skipped, up to the next line's beginning: see `error` */
};

/** Where the reader is. */
enum csv_state {
    CSV_STATE_RECORD,      /**< at a record's beginning */
    CSV_STATE_FIELD,       /**< at a field's beginning */
    CSV_STATE_PLAIN,       /**< in a field without quotes */
    CSV_STATE_PLAIN_CR,    /**< there, behind CR: the line's end if LF follows, else part of the field */
    CSV_STATE_QUOTED,      /**< between quotes */
    CSV_STATE_QUOTE,       /**< behind a quote between quotes: the first of two, or the closing one */
    CSV_STATE_QUOTE_CR,    /**< behind a closing quote and CR */
    CSV_STATE_ESCAPE,      /**< behind a backslash */
    CSV_STATE_ESCAPE_HIGH, /**< behind \x */
    CSV_STATE_ESCAPE_LOW,  /**< behind \x and a digit */
    CSV_STATE_BAD,         /**< skipping to the line's end */
};

/** Reads records. Begin with csv_reader_init(); fields without a comment are the reader's own. */
struct csv_reader {
    struct csv_dialect dialect;
    size_t limit_bytes;
    enum csv_state state;
    bool done;           /**< the last event ended a record: the next feed begins another */
    struct buffer bytes; /**< the record's fields, one behind the other, unquoted */
    size_t *ends;        /**< where in `bytes` each field ends */
    size_t ends_capacity;
    unsigned char hex; /**< first half of an \xHH */

    size_t field_count;  /**< fields of the record */
    uint64_t first_line; /**< line on which the record, good or bad, began; 1 and up */
    uint64_t last_line;  /**< line on which it ended */
    const char *error;   /**< after CSV_BAD: what is wrong, part of a sentence */
    uint64_t next_line;  /**< line that the next byte is on */
};

/** @param limit_bytes  bytes that a record may take in memory; a longer one is bad */
void csv_reader_init(struct csv_reader *reader, struct csv_dialect dialect, size_t limit_bytes);

/** Takes bytes until a record is complete or none are left. @param out_taken  how many were taken */
enum csv_event csv_feed(struct csv_reader *reader, const char *bytes, size_t size, size_t *out_taken);

/** Tells that the input has ended: completes a record without a line's end. Call until it returns CSV_MORE. */
enum csv_event csv_finish(struct csv_reader *reader);

/** Field `index` of the record; `*out_size` bytes, valid until the next feed. Never NULL. */
const char *csv_field(const struct csv_reader *reader, size_t index, size_t *out_size);

void csv_reader_release(struct csv_reader *reader);

/** Appends a field as `dialect` writes it. The caller puts delimiters between fields and LF behind them. */
void csv_append_field(struct buffer *out, struct csv_dialect dialect, const void *field, size_t size);

#endif /* CLI_CSV_H */
