/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file entry_writer.c
 * Entries as lines.
 */
#include "entry_writer.h"

#include "json.h"
#include "key.h"

enum status entry_writer_init(struct entry_writer *writer, const struct layout *layout,
                              const struct column_list *columns, struct output *output)
{
    *writer = (struct entry_writer){.layout = *layout, .columns = columns, .output = output};
    for (size_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->columns[i];
        if (column_is(column, "key") || column_is(column, "value")) {
            continue;
        }
        if (column->number == 0 || layout->format == FORMAT_JSONL) {
            return report(STATUS_USAGE,
                          "--columns takes key, value and, with CSV and TSV, numbers of the value's fields, not \"%s\"",
                          column->name);
        }
        writer->splits = true;
    }
    return STATUS_OK;
}

void entry_writer_release(struct entry_writer *writer)
{
    buffer_release(&writer->line);
}

static void write_line(struct entry_writer *writer)
{
    buffer_append_byte(&writer->line, '\n');
    output_write(writer->output, writer->line.data, writer->line.size);
    writer->line.size = 0;
}

void entry_writer_header(struct entry_writer *writer)
{
    for (size_t i = 0; i < writer->columns->count && writer->layout.header; i++) {
        if (i > 0) {
            buffer_append_byte(&writer->line, writer->layout.dialect.delimiter);
        }
        buffer_append_text(&writer->line, writer->columns->columns[i].name);
    }
    if (writer->layout.header) {
        write_line(writer);
    }
}

/** Reads the value as the one record it should be. An empty value is a record of one empty field. */
static bool split_value(struct csv_reader *reader, const struct alex_slice *value)
{
    if (value->size == 0) {
        return true;
    }
    size_t taken;
    return csv_feed(reader, value->data, value->size, &taken) == CSV_MORE && csv_finish(reader) == CSV_RECORD;
}

/** Appends the columns of an entry to the line; `fields` is the value, split. @return false if a field is missing */
static bool append_delimited(struct entry_writer *writer, const char *key, size_t key_length,
                             const struct alex_slice *value, const struct csv_reader *fields)
{
    for (size_t i = 0; i < writer->columns->count; i++) {
        const struct column *column = &writer->columns->columns[i];
        const char *field = "";
        size_t size = 0;
        if (column_is(column, "key")) {
            field = key;
            size = key_length;
        } else if (column_is(column, "value")) {
            field = value->data;
            size = value->size;
        } else if (column->number <= fields->field_count) {
            field = csv_field(fields, column->number - 1, &size);
        } else if (column->number > 1 || value->size > 0) {
            return false;
        }
        if (i > 0) {
            buffer_append_byte(&writer->line, writer->layout.dialect.delimiter);
        }
        csv_append_field(&writer->line, writer->layout.dialect, field, size);
    }
    return true;
}

static bool add_delimited(struct entry_writer *writer, const char *key, size_t key_length,
                          const struct alex_slice *value)
{
    /* Each byte may be a field of its own. */
    size_t limit_bytes = (value->size + 1) * (1 + sizeof(size_t));
    struct csv_reader fields;
    csv_reader_init(&fields, writer->layout.dialect, limit_bytes);
    bool good =
        (!writer->splits || split_value(&fields, value)) && append_delimited(writer, key, key_length, value, &fields);
    csv_reader_release(&fields);
    return good;
}

static void add_json(struct entry_writer *writer, enum alex_key_order order, const struct alex_entry *entry)
{
    for (size_t i = 0; i < writer->columns->count; i++) {
        buffer_append_text(&writer->line, i == 0 ? "{" : ",");
        if (column_is(&writer->columns->columns[i], "key")) {
            buffer_append_text(&writer->line, "\"key\":");
            json_append_key(&writer->line, entry->key, order);
        } else {
            buffer_append_text(&writer->line, "\"value\":");
            json_append_bytes(&writer->line, entry->value.data, entry->value.size);
        }
    }
    buffer_append_byte(&writer->line, '}');
}

enum status entry_writer_add(struct entry_writer *writer, enum alex_key_order order, const struct alex_entry *entry)
{
    if (writer->layout.format == FORMAT_JSONL) {
        add_json(writer, order, entry);
    } else {
        char key[KEY_TEXT_SIZE];
        size_t key_length = key_format(entry->key, order, key);
        if (!add_delimited(writer, key, key_length, &entry->value)) {
            writer->line.size = 0;
            return report(STATUS_DATA, "the value of key %s does not have the fields chosen with --columns", key);
        }
    }
    write_line(writer);
    return STATUS_OK;
}
