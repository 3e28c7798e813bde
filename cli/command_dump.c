/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_dump.c
 * `dump`: a table as a file.
 */
#include <string.h>

#include "command.h"
#include "options.h"
#include "walk.h"

static enum status dump_entries(const struct session *session, const struct layout *layout,
                                const struct column_list *columns, const char *path)
{
    struct output output;
    struct entry_writer writer;
    enum status status = entry_writer_init(&writer, layout, columns, &output);
    if (status == STATUS_OK) {
        status = output_open(&output, path);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t total = 0;
    alex_txn_count(session->txn, session->table, NULL, &total); /* failing, it leaves the bar without an end */
    struct progress progress;
    progress_begin(&progress, "dumping", total, strcmp(path, "-") != 0);
    entry_writer_header(&writer);
    status = walk_entries(session, NULL, false, &writer, &progress);
    entry_writer_release(&writer);
    return status_first(status, output_close(&output));
}

enum status command_dump(int argc, char **argv)
{
    const char *table = "main";
    const char *format = NULL;
    const char *delimiter = NULL;
    const char *chosen = "key,value";
    struct layout layout = {0};
    const struct option options[] = {
        OPTION_TABLE(&table),
        {"format", 'f', OPTION_TEXT, &format, "FORMAT", "csv, tsv or jsonl (default: as FILE's name says, else jsonl)"},
        {"columns", 'c', OPTION_TEXT, &chosen, "LIST", "what to write, in order (default: key,value)"},
        {"header", 'H', OPTION_FLAG, &layout.header, NULL, "begin with a line of the columns' names (CSV, TSV)"},
        {"delimiter", 'd', OPTION_TEXT, &delimiter, "BYTE",
         "what separates CSV's columns (default: a comma), or \"tab\""},
    };
    const struct usage usage = {
        .command = "dump",
        .arguments = "STORE [FILE]",
        .least = 1,
        .most = 2,
        .purpose =
            "Writes all entries of a table, by ascending key, to FILE (stdout if it is - or missing). An existing\n"
            "file is overwritten. A name that ends in .gz is compressed.",
        .notes =
            "`load` reads every format back, whatever bytes the values are. --columns takes key and value; with CSV\n"
            "and TSV also a number, for that field of a value that is a record of several columns:\n"
            "  alexstorage load  STORE ranges.csv --columns first,last,country --header\n"
            "  alexstorage dump  STORE ranges.csv --columns key,1,2\n"
            "Entries whose records are damaged are reported and left out; the exit code is then 4.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    const char *path = count > 1 ? argv[1] : "-";
    struct column_list columns = {0};
    status = layout_choose(&layout, format, delimiter, path);
    if (status == STATUS_OK) {
        status = column_list_parse(&columns, chosen);
    }
    struct session session;
    if (status == STATUS_OK) {
        status = session_open(&session, argv[0], SESSION_READ, table, NULL);
        if (status == STATUS_OK) {
            status = session_close(&session, dump_entries(&session, &layout, &columns, path));
        }
    }
    column_list_release(&columns);
    return status;
}
