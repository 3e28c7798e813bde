/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file entry_reader.c
 * Lines of CSV and TSV as entries, and what all formats share.
 */
#include "entry_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status entry_reader_init(struct entry_reader *reader, const struct layout *layout,
                              const struct column_list *columns, enum alex_key_order order, struct input *input)
{
    *reader = (struct entry_reader){.layout = *layout, .order = order, .columns = columns, .input = input};
    csv_reader_init(&reader->csv, layout->dialect, ALEX_VALUE_MAX + ALEX_VALUE_MAX / 16);
    if (layout->format == FORMAT_JSONL && columns->count > 2) {
        return report(STATUS_USAGE, "--columns takes two names with JSON lines: of the key, and of the value");
    }
    for (size_t i = 0; i < columns->count; i++) {
        if (layout->format != FORMAT_JSONL && !layout->header && columns->columns[i].number == 0) {
            return report(STATUS_USAGE, "--columns takes the name \"%s\" only with --header: give the column's number",
                          columns->columns[i].name);
        }
    }
    return STATUS_OK;
}

void entry_reader_release(struct entry_reader *reader)
{
    csv_reader_release(&reader->csv);
    free(reader->field_indexes);
    buffer_release(&reader->text);
    buffer_release(&reader->value);
}

bool entry_reader_fill(struct entry_reader *reader, enum read_event *out_event)
{
    while (reader->piece_size == 0 && !reader->ended) {
        if (input_read(reader->input, &reader->piece, &reader->piece_size) != STATUS_OK) {
            *out_event = READ_FAILED;
            return false;
        }
        reader->ended = reader->piece_size == 0;
        if (!reader->began && reader->piece_size >= 3 && memcmp(reader->piece, "\xEF\xBB\xBF", 3) == 0) {
            reader->piece += 3; /* a byte order mark */
            reader->piece_size -= 3;
        }
        reader->began = true;
    }
    *out_event = READ_END;
    return reader->piece_size > 0;
}

/** Reads the next record. READ_ENTRY here says that there is one. */
static enum read_event next_record(struct entry_reader *reader)
{
    enum csv_event event = CSV_MORE;
    enum read_event filled = READ_END;
    while (event == CSV_MORE && entry_reader_fill(reader, &filled)) {
        size_t taken;
        event = csv_feed(&reader->csv, reader->piece, reader->piece_size, &taken);
        reader->piece += taken;
        reader->piece_size -= taken;
    }
    if (event == CSV_MORE && filled == READ_END) {
        event = csv_finish(&reader->csv);
    }
    reader->first_line = reader->csv.first_line;
    reader->last_line = reader->csv.last_line;
    switch (event) {
    case CSV_MORE:
        return filled;
    case CSV_RECORD:
        return READ_ENTRY;
    case CSV_BAD:
        break;
    }
    snprintf(reader->message, sizeof reader->message, "%s", reader->csv.error);
    return READ_BAD_LINE;
}

/** The field of the first record that a column stands for; the number of fields if there is none. */
static size_t find_field(const struct csv_reader *record, const struct column *column)
{
    size_t index = column->number - 1;
    if (column->number == 0) {
        for (index = 0; index < record->field_count; index++) {
            size_t size;
            const char *field = csv_field(record, index, &size);
            if (size == column->name_length && memcmp(field, column->name, size) == 0) {
                break;
            }
        }
    }
    return index < record->field_count ? index : record->field_count;
}

/** Learns from the first record where the columns are. */
static enum status resolve_columns(struct entry_reader *reader)
{
    const struct csv_reader *record = &reader->csv;
    const struct column_list *columns = reader->columns;
    reader->field_count = record->field_count;
    reader->chosen_count = columns->count > 0 ? columns->count : record->field_count;
    reader->field_indexes = memory_resize(NULL, reader->chosen_count, sizeof *reader->field_indexes);
    for (size_t i = 0; i < reader->chosen_count; i++) {
        reader->field_indexes[i] = columns->count > 0 ? find_field(record, &columns->columns[i]) : i;
        if (reader->field_indexes[i] == record->field_count) {
            return report(STATUS_DATA, "%s: line %" PRIu64 ": there is no column \"%s\" among its %zu",
                          reader->input->name, reader->first_line, columns->columns[i].name, record->field_count);
        }
    }
    return STATUS_OK;
}

/** Makes the value of the record's chosen columns: the column itself or, of several, a record of them. */
static void take_value(struct entry_reader *reader, struct alex_entry *out_entry)
{
    reader->value.size = 0;
    out_entry->value = (struct alex_slice){.data = "", .size = 0};
    if (reader->chosen_count == 2) {
        out_entry->value.data = csv_field(&reader->csv, reader->field_indexes[1], &out_entry->value.size);
        return;
    }
    for (size_t i = 1; i < reader->chosen_count; i++) {
        if (i > 1) {
            buffer_append_byte(&reader->value, reader->layout.dialect.delimiter);
        }
        size_t size;
        const char *field = csv_field(&reader->csv, reader->field_indexes[i], &size);
        csv_append_field(&reader->value, reader->layout.dialect, field, size);
    }
    if (reader->value.size > 0) {
        out_entry->value = (struct alex_slice){.data = reader->value.data, .size = reader->value.size};
    }
}

static enum read_event take_record(struct entry_reader *reader, struct alex_entry *out_entry)
{
    if (reader->csv.field_count != reader->field_count) {
        snprintf(reader->message, sizeof reader->message, "it has %zu columns where the first line has %zu",
                 reader->csv.field_count, reader->field_count);
        return READ_BAD_LINE;
    }
    size_t size;
    const char *key = csv_field(&reader->csv, reader->field_indexes[0], &size);
    if (!key_parse(key, size, reader->order, &out_entry->key, reader->message)) {
        return READ_BAD_LINE;
    }
    take_value(reader, out_entry);
    return READ_ENTRY;
}

static enum read_event next_delimited(struct entry_reader *reader, struct alex_entry *out_entry)
{
    bool first = reader->field_count == 0;
    enum read_event event = next_record(reader);
    if (event != READ_ENTRY) {
        if (event == READ_BAD_LINE && first && reader->layout.header) {
            report(STATUS_DATA, "%s: line %" PRIu64 ": the header does not parse: %s", reader->input->name,
                   reader->first_line, reader->message);
            return READ_FAILED;
        }
        return event;
    }
    if (first && resolve_columns(reader) != STATUS_OK) {
        return READ_FAILED;
    }
    if (first && reader->layout.header) {
        return next_delimited(reader, out_entry);
    }
    return take_record(reader, out_entry);
}

enum read_event entry_reader_next(struct entry_reader *reader, struct alex_entry *out_entry)
{
    enum read_event event = reader->layout.format == FORMAT_JSONL ? entry_reader_next_json(reader, out_entry)
                                                                  : next_delimited(reader, out_entry);
    if (event == READ_ENTRY && out_entry->value.size > ALEX_VALUE_MAX) {
        snprintf(reader->message, sizeof reader->message, "its value has %zu bytes, and at most %zu are possible",
                 out_entry->value.size, ALEX_VALUE_MAX);
        return READ_BAD_LINE;
    }
    return event;
}
