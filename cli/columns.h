/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file columns.h
 * Formats of entries as text, and the columns chosen with --columns.
 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "csv.h"
#include "report.h"

enum format {
    FORMAT_CSV,
    FORMAT_TSV,
    FORMAT_JSONL, /**< JSON lines: an object a line */
};

/** How entries are written or read. */
struct layout {
    enum format format;
    struct csv_dialect dialect; /**< of CSV and TSV */
    bool header;                /**< CSV and TSV: the first record holds the columns' names */
};

/** Sets `layout` from the arguments of --format and --delimiter (NULL: not given) and, where they leave it open, from
 *  the file's name. */
enum status layout_choose(struct layout *layout, const char *format, const char *delimiter, const char *path);

/** One item of --columns: a number from 1 up, or a name. */
struct column {
    size_t number; /**< 0: it is a name */
    char *name;    /**< as it was given; not NULL */
    size_t name_length;
};

struct column_list {
    struct column *columns;
    size_t count;
};

/** Reads the argument of --columns, which is a CSV record; NULL is an empty list. */
enum status column_list_parse(struct column_list *list, const char *text);

/** Whether a column was given by this name. */
bool column_is(const struct column *column, const char *name);

void column_list_release(struct column_list *list);

#endif /* CLI_COLUMNS_H */
