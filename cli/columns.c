/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file columns.c
 * Choice of format and columns.
 */
#include "columns.h"

#include <stdlib.h>
#include <string.h>

#include "stream.h"

static const struct {
    const char *name;
    const char *suffix;
    enum format format;
} formats[] = {
    {"csv", ".csv", FORMAT_CSV},
    {"tsv", ".tsv", FORMAT_TSV},
    {"jsonl", ".jsonl", FORMAT_JSONL},
    {"jsonl", ".ndjson", FORMAT_JSONL},
};

#define FORMAT_COUNT (sizeof formats / sizeof *formats)

/** Finds a format by name, or else by the file's name; JSON lines where neither tells. */
static enum status choose_format(const char *name, const char *path, enum format *out_format)
{
    size_t length = strlen(path);
    length -= name_ends_in(path, length, ".gz") ? strlen(".gz") : 0;
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (name != NULL ? strcmp(name, formats[i].name) == 0 : name_ends_in(path, length, formats[i].suffix)) {
            *out_format = formats[i].format;
            return STATUS_OK;
        }
    }
    *out_format = FORMAT_JSONL;
    return name == NULL ? STATUS_OK : report(STATUS_USAGE, "--format takes csv, tsv or jsonl, not \"%s\"", name);
}

static enum status choose_delimiter(struct layout *layout, const char *text)
{
    if (layout->format != FORMAT_CSV) {
        return report(STATUS_USAGE, "--delimiter is for --format csv: TSV has tabs, JSON lines have none");
    }
    char delimiter = strcmp(text, "tab") == 0 ? '\t' : text[0];
    if (delimiter == '\0' || strchr("\"\r\n", delimiter) != NULL || (delimiter != '\t' && text[1] != '\0')) {
        return report(STATUS_USAGE, "--delimiter takes one byte other than a quote and a line's end, or \"tab\"");
    }
    layout->dialect.delimiter = delimiter;
    return STATUS_OK;
}

enum status layout_choose(struct layout *layout, const char *format, const char *delimiter, const char *path)
{
    enum status status = choose_format(format, path, &layout->format);
    layout->dialect = layout->format == FORMAT_TSV ? CSV_DIALECT_TSV : CSV_DIALECT_CSV;
    if (status == STATUS_OK && delimiter != NULL) {
        status = choose_delimiter(layout, delimiter);
    }
    if (status == STATUS_OK && layout->header && layout->format == FORMAT_JSONL) {
        status = report(STATUS_USAGE, "--header is for CSV and TSV: give --format, as the file's name does not tell");
    }
    return status;
}

static size_t parse_number(const char *text, size_t size)
{
    size_t number = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || number > 1000000) {
            return 0;
        }
        number = number * 10 + (size_t)(text[i] - '0');
    }
    return number;
}

enum status column_list_parse(struct column_list *list, const char *text)
{
    *list = (struct column_list){0};
    if (text == NULL) {
        return STATUS_OK;
    }
    struct csv_reader reader;
    csv_reader_init(&reader, CSV_DIALECT_CSV, strlen(text) * (1 + sizeof(size_t)) + sizeof(size_t));
    size_t taken;
    enum csv_event event = csv_feed(&reader, text, strlen(text), &taken);
    event = event == CSV_MORE ? csv_finish(&reader) : CSV_BAD;
    enum status status = STATUS_OK;
    for (size_t i = 0; event == CSV_RECORD && i < reader.field_count; i++) {
        size_t length;
        const char *name = csv_field(&reader, i, &length);
        if (length == 0) {
            event = CSV_BAD;
            break;
        }
        list->columns = memory_resize(list->columns, i + 1, sizeof *list->columns);
        struct column *column = &list->columns[list->count++];
        *column = (struct column){.number = parse_number(name, length), .name_length = length};
        column->name = memory_resize(NULL, length + 1, 1);
        memcpy(column->name, name, length);
        column->name[length] = '\0';
    }
    if (event != CSV_RECORD) {
        status =
            report(STATUS_USAGE, "--columns takes numbers from 1 up or names, with commas between, not \"%s\"", text);
        column_list_release(list);
    }
    csv_reader_release(&reader);
    return status;
}

bool column_is(const struct column *column, const char *name)
{
    return strcmp(column->name, name) == 0;
}

void column_list_release(struct column_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->columns[i].name);
    }
    free(list->columns);
    *list = (struct column_list){0};
}
