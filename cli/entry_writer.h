/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file entry_writer.h
 * Entries as lines of CSV, TSV or JSON. What is written so, entry_reader.h reads back as it was.
 */
#ifndef CLI_ENTRY_WRITER_H
#define CLI_ENTRY_WRITER_H

#include <alexstorage.h>

#include "columns.h"
#include "csv.h"
#include "stream.h"

/** Begin with entry_writer_init(). */
struct entry_writer {
    struct layout layout;
    const struct column_list *columns; /**< what a line holds, in order */
    bool splits;                       /**< some column is a field of the value, which is then a record itself */
    struct output *output;
    struct buffer line;
};

/**
 * @param layout   copied
 * @param columns  "key", "value" and, in CSV and TSV, numbers of the value's fields; it must outlive the writer
 * @param output   likewise
 * @return STATUS_OK, or STATUS_USAGE for a column that there is not
 */
enum status entry_writer_init(struct entry_writer *writer, const struct layout *layout,
                              const struct column_list *columns, struct output *output);

/** Writes the names of the columns, if the layout has a header. */
void entry_writer_header(struct entry_writer *writer);

/** Writes an entry; reports one whose value has not the fields chosen (STATUS_DATA). */
enum status entry_writer_add(struct entry_writer *writer, enum alex_key_order order, const struct alex_entry *entry);

void entry_writer_release(struct entry_writer *writer);

#endif /* CLI_ENTRY_WRITER_H */
