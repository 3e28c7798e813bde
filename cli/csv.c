/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file csv.c
 * Delimited text: a state machine that takes a byte at a time, and runs of ordinary bytes at once.
 */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

void csv_reader_init(struct csv_reader *reader, struct csv_dialect dialect, size_t limit_bytes)
{
    *reader =
        (struct csv_reader){.dialect = dialect, .limit_bytes = limit_bytes, .state = CSV_STATE_RECORD, .next_line = 1};
}

void csv_reader_release(struct csv_reader *reader)
{
    buffer_release(&reader->bytes);
    free(reader->ends);
    reader->ends = NULL;
}

const char *csv_field(const struct csv_reader *reader, size_t index, size_t *out_size)
{
    size_t begin = index == 0 ? 0 : reader->ends[index - 1];
    *out_size = reader->ends[index] - begin;
    return reader->bytes.data == NULL ? "" : reader->bytes.data + begin;
}

/* ------------------------------------------------------------------------------------------------ reading */

static enum csv_event csv_step(struct csv_reader *reader, char byte);

/** Goes on skipping; `byte` may be the line's end already. */
static enum csv_event turn_bad(struct csv_reader *reader, const char *error, char byte)
{
    reader->error = error;
    reader->state = CSV_STATE_BAD;
    return csv_step(reader, byte);
}

/** Bytes that the record may still grow by. */
static size_t room_left(const struct csv_reader *reader)
{
    size_t used = reader->bytes.size + reader->field_count * sizeof *reader->ends;
    return used < reader->limit_bytes ? reader->limit_bytes - used : 0;
}

static enum csv_event add_byte(struct csv_reader *reader, char byte, enum csv_state next)
{
    if (room_left(reader) == 0) {
        return turn_bad(reader, "the line is longer than a value may be", byte);
    }
    buffer_append_byte(&reader->bytes, byte);
    reader->state = next;
    return CSV_MORE;
}

static bool end_field(struct csv_reader *reader)
{
    if (room_left(reader) < sizeof *reader->ends) {
        return false;
    }
    if (reader->field_count == reader->ends_capacity) {
        reader->ends_capacity = reader->ends_capacity == 0 ? 16 : reader->ends_capacity * 2;
        reader->ends = memory_resize(reader->ends, reader->ends_capacity, sizeof *reader->ends);
    }
    reader->ends[reader->field_count++] = reader->bytes.size;
    return true;
}

static enum csv_event end_record(struct csv_reader *reader, enum csv_event event)
{
    reader->done = true;
    reader->state = CSV_STATE_RECORD;
    return event;
}

/** At the line's end behind a field that stands open. */
static enum csv_event end_line(struct csv_reader *reader)
{
    return end_field(reader) ? end_record(reader, CSV_RECORD) : turn_bad(reader, "the line has too many fields", '\n');
}

static enum csv_event delimit(struct csv_reader *reader)
{
    if (!end_field(reader)) {
        return turn_bad(reader, "the line has too many fields", reader->dialect.delimiter);
    }
    reader->state = CSV_STATE_FIELD;
    return CSV_MORE;
}

/** A byte of a field without quotes; `begins` where it is the field's first. */
static enum csv_event step_plain(struct csv_reader *reader, char byte, bool begins)
{
    if (byte == reader->dialect.delimiter) {
        return delimit(reader);
    }
    if (byte == '\n') {
        return end_line(reader);
    }
    if (byte == '\r') {
        reader->state = CSV_STATE_PLAIN_CR;
        return CSV_MORE;
    }
    if (reader->dialect.escaped && byte == '\\') {
        reader->state = CSV_STATE_ESCAPE;
        return CSV_MORE;
    }
    if (!reader->dialect.escaped && byte == '"') {
        if (!begins) {
            return turn_bad(reader, "there is a quote inside a field that doesn't begin with one", byte);
        }
        reader->state = CSV_STATE_QUOTED;
        return CSV_MORE;
    }
    return add_byte(reader, byte, CSV_STATE_PLAIN);
}

static enum csv_event step_record(struct csv_reader *reader, char byte)
{
    if (byte == '\n') {
        return CSV_MORE; /* an empty line */
    }
    return step_plain(reader, byte, true);
}

static enum csv_event step_plain_cr(struct csv_reader *reader, char byte)
{
    if (byte == '\n') {
        bool empty_line = reader->field_count == 0 && reader->bytes.size == 0;
        reader->state = CSV_STATE_RECORD;
        return empty_line ? CSV_MORE : end_line(reader);
    }
    enum csv_event event = add_byte(reader, '\r', CSV_STATE_PLAIN);
    return event == CSV_MORE ? csv_step(reader, byte) : event;
}

static enum csv_event step_quote(struct csv_reader *reader, char byte)
{
    if (byte == '"') {
        return add_byte(reader, byte, CSV_STATE_QUOTED);
    }
    if (byte == reader->dialect.delimiter) {
        return delimit(reader);
    }
    if (byte == '\n') {
        return end_line(reader);
    }
    if (byte == '\r') {
        reader->state = CSV_STATE_QUOTE_CR;
        return CSV_MORE;
    }
    return turn_bad(reader, "there is text behind a closing quote", byte);
}

static int hex_value(char byte)
{
    const char *digits = "0123456789abcdef";
    const char *digit = byte == '\0' ? NULL : strchr(digits, byte >= 'A' && byte <= 'F' ? byte | 0x20 : byte);
    return digit == NULL ? -1 : (int)(digit - digits);
}

static enum csv_event step_escape(struct csv_reader *reader, char byte)
{
    static const char bad_escape[] = "a backslash may only begin \\\\, \\t, \\n, \\r or \\xHH";
    if (reader->state != CSV_STATE_ESCAPE) {
        int value = hex_value(byte);
        if (value < 0) {
            return turn_bad(reader, bad_escape, byte);
        }
        if (reader->state == CSV_STATE_ESCAPE_LOW) {
            return add_byte(reader, (char)(reader->hex << 4 | value), CSV_STATE_PLAIN);
        }
        reader->hex = (unsigned char)value;
        reader->state = CSV_STATE_ESCAPE_LOW;
        return CSV_MORE;
    }
    switch (byte) {
    case 'x':
        reader->state = CSV_STATE_ESCAPE_HIGH;
        return CSV_MORE;
    case 't':
        return add_byte(reader, '\t', CSV_STATE_PLAIN);
    case 'n':
        return add_byte(reader, '\n', CSV_STATE_PLAIN);
    case 'r':
        return add_byte(reader, '\r', CSV_STATE_PLAIN);
    case '\\':
        return add_byte(reader, '\\', CSV_STATE_PLAIN);
    default:
        return turn_bad(reader, bad_escape, byte);
    }
}

static enum csv_event csv_step(struct csv_reader *reader, char byte)
{
    switch (reader->state) {
    case CSV_STATE_RECORD:
        return step_record(reader, byte);
    case CSV_STATE_FIELD:
        return step_plain(reader, byte, true);
    case CSV_STATE_PLAIN:
        return step_plain(reader, byte, false);
    case CSV_STATE_PLAIN_CR:
        return step_plain_cr(reader, byte);
    case CSV_STATE_QUOTED:
        if (byte == '"') {
            reader->state = CSV_STATE_QUOTE;
            return CSV_MORE;
        }
        return add_byte(reader, byte, CSV_STATE_QUOTED);
    case CSV_STATE_QUOTE:
        return step_quote(reader, byte);
    case CSV_STATE_QUOTE_CR:
        return byte == '\n' ? end_line(reader) : turn_bad(reader, "there is text behind a closing quote", byte);
    case CSV_STATE_ESCAPE:
    case CSV_STATE_ESCAPE_HIGH:
    case CSV_STATE_ESCAPE_LOW:
        return step_escape(reader, byte);
    case CSV_STATE_BAD:
        break;
    }
    return byte == '\n' ? end_record(reader, CSV_BAD) : CSV_MORE;
}

/** Length of the run of bytes that mean only themselves in the state the reader is in, and that there is room for. */
static size_t ordinary_run(const struct csv_reader *reader, const char *bytes, size_t size)
{
    size_t room = room_left(reader);
    size = size < room ? size : room;
    size_t run = 0;
    char special = reader->dialect.escaped ? '\\' : '"';
    if (reader->state == CSV_STATE_PLAIN) {
        while (run < size && bytes[run] != reader->dialect.delimiter && bytes[run] != '\n' && bytes[run] != '\r' &&
               bytes[run] != special) {
            run++;
        }
    } else if (reader->state == CSV_STATE_QUOTED) {
        while (run < size && bytes[run] != '"' && bytes[run] != '\n') {
            run++;
        }
    }
    return run;
}

static void begin_record(struct csv_reader *reader)
{
    if (reader->done) {
        reader->done = false;
        reader->bytes.size = 0;
        reader->field_count = 0;
        reader->error = NULL;
    }
}

enum csv_event csv_feed(struct csv_reader *reader, const char *bytes, size_t size, size_t *out_taken)
{
    begin_record(reader);
    size_t at = 0;
    enum csv_event event = CSV_MORE;
    while (at < size && event == CSV_MORE) {
        size_t run = ordinary_run(reader, bytes + at, size - at);
        if (run > 0) {
            buffer_append(&reader->bytes, bytes + at, run);
            at += run;
            continue;
        }
        char byte = bytes[at++];
        if (reader->state == CSV_STATE_RECORD) {
            reader->first_line = reader->next_line;
        }
        reader->last_line = reader->next_line;
        reader->next_line += byte == '\n';
        event = csv_step(reader, byte);
    }
    *out_taken = at;
    return event;
}

enum csv_event csv_finish(struct csv_reader *reader)
{
    begin_record(reader);
    switch (reader->state) {
    case CSV_STATE_RECORD:
        return CSV_MORE;
    case CSV_STATE_QUOTED:
        reader->error = "a quote is opened there that is never closed";
        return end_record(reader, CSV_BAD);
    default:
        /* Only an unquoted newline can follow here, and it ends the record one way or the other. */
        return csv_step(reader, '\n');
    }
}

/* ------------------------------------------------------------------------------------------------ writing */

/** Whether a field begins with a byte order mark, which a reader would take off at a file's beginning. */
static bool begins_with_mark(const char *field, size_t size)
{
    return size >= 3 && memcmp(field, "\xEF\xBB\xBF", 3) == 0;
}

static void append_quoted(struct buffer *out, char delimiter, const char *field, size_t size)
{
    bool quotes = begins_with_mark(field, size);
    for (size_t i = 0; i < size && !quotes; i++) {
        quotes = field[i] == delimiter || field[i] == '"' || field[i] == '\n' || field[i] == '\r';
    }
    if (!quotes) {
        buffer_append(out, field, size);
        return;
    }
    buffer_append_byte(out, '"');
    while (size > 0) {
        const char *quote = memchr(field, '"', size);
        size_t run = quote == NULL ? size : (size_t)(quote - field) + 1;
        buffer_append(out, field, run);
        if (quote != NULL) {
            buffer_append_byte(out, '"');
        }
        field += run;
        size -= run;
    }
    buffer_append_byte(out, '"');
}

/** What follows the backslash in the short escape of a byte; 0 if it has none. */
static char short_escape(char byte)
{
    switch (byte) {
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\\':
        return '\\';
    default:
        return 0;
    }
}

static void append_hex(struct buffer *out, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    char escape[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    buffer_append(out, escape, sizeof escape);
}

/** Whether a terminal could take the character for a command: C0, DEL, C1. */
static bool is_control(const char *character, size_t length)
{
    unsigned char byte = (unsigned char)character[0];
    return (length == 1 && (byte < ' ' || byte == 0x7F)) ||
           (length == 2 && byte == 0xC2 && (unsigned char)character[1] < 0xA0);
}

static void append_escaped(struct buffer *out, const char *field, size_t size)
{
    bool mark = begins_with_mark(field, size);
    for (size_t at = 0; at < size;) {
        size_t length = mark && at == 0 ? 0 : utf8_sequence(field + at, size - at);
        char escape = length == 1 ? short_escape(field[at]) : 0;
        if (escape != 0) {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, escape);
        } else if (length == 0 || is_control(field + at, length)) {
            append_hex(out, (unsigned char)field[at]);
            length = 1;
        } else {
            buffer_append(out, field + at, length);
        }
        at += length;
    }
}

void csv_append_field(struct buffer *out, struct csv_dialect dialect, const void *field, size_t size)
{
    if (dialect.escaped) {
        append_escaped(out, field, size);
    } else {
        append_quoted(out, dialect.delimiter, field, size);
    }
}
