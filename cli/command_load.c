/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_load.c
 * `load`: a file into a table, all of it or nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "entry_reader.h"
#include "json.h"
#include "options.h"
#include "progress.h"
#include "session.h"
#include "text.h"

/* Bad lines that are reported one by one. */
#define REPORTED_MAX 5

/** A load in progress. */
struct load {
    struct session session;
    struct input input;
    struct entry_reader reader;
    struct progress progress;
    alex_loader *loader;
    bool skip_errors;
    json_t *reported; /**< the first few bad lines */
    uint64_t entries; /**< entries read */
    uint64_t skipped; /**< lines passed over */
    uint64_t added;
    uint64_t replaced;
};

/** Reports a bad line. @return STATUS_OK to go on behind it */
static enum status bad_line(struct load *load)
{
    const struct entry_reader *reader = &load->reader;
    /* A quote that is never closed makes one record of many lines: count what is lost. */
    load->skipped += reader->last_line - reader->first_line + 1;
    if (json_array_size(load->reported) < REPORTED_MAX) {
        report(STATUS_DATA, "%s: line %" PRIu64 ": %s", load->input.name, reader->first_line, reader->message);
        json_array_add(load->reported, json_pack("{s:I,s:o}", "line", (json_int_t)reader->first_line, "message",
                                                 json_from_bytes(reader->message, strlen(reader->message))));
    }
    return load->skip_errors ? STATUS_OK
                             : report(STATUS_DATA, "mend the line, or give --skip-errors to load the others");
}

/** Reads all entries into the loader. */
static enum status read_entries(struct load *load)
{
    struct alex_entry entry;
    for (;;) {
        switch (entry_reader_next(&load->reader, &entry)) {
        case READ_END:
            return STATUS_OK;
        case READ_FAILED:
            return STATUS_DATA;
        case READ_BAD_LINE:
            if (bad_line(load) != STATUS_OK) {
                return STATUS_DATA;
            }
            break;
        case READ_ENTRY: {
            int code = alex_loader_add(load->loader, entry.key, entry.value.data, entry.value.size);
            if (code != ALEX_OK) {
                return report_store(load->session.store, code);
            }
            load->entries++;
            break;
        }
        }
        progress_update(&load->progress, load->input.read_bytes, load->entries);
    }
}

/** Reads and commits. */
static enum status run_loader(struct load *load)
{
    int code = alex_loader_open(load->session.table, &load->loader);
    if (code != ALEX_OK) {
        return report_store(load->session.store, code);
    }
    enum status status = read_entries(load);
    if (status == STATUS_OK) {
        progress_finish(&load->progress, "committing", load->entries);
        code = alex_loader_commit(load->loader, &load->added, &load->replaced);
        status = code != ALEX_OK ? report_store(load->session.store, code) : STATUS_OK;
    }
    progress_erase();
    alex_loader_close(load->loader);
    return status == STATUS_OK ? STATUS_OK : report(status, "nothing was loaded");
}

static enum status print_summary(const struct load *load, bool as_json)
{
    double seconds = progress_seconds(&load->progress);
    uint64_t repeated = load->entries - load->added - load->replaced;
    if (as_json) {
        json_t *summary =
            json_pack("{s:I,s:I,s:I,s:I,s:I,s:f,s:O}", "entries", (json_int_t)load->entries, "added",
                      (json_int_t)load->added, "replaced", (json_int_t)load->replaced, "repeated", (json_int_t)repeated,
                      "skipped_lines", (json_int_t)load->skipped, "seconds", seconds, "bad_lines", load->reported);
        return json_print(summary, JSON_INDENT(2));
    }
    char entries[FORMATTED_SIZE];
    char added[FORMATTED_SIZE];
    char replaced[FORMATTED_SIZE];
    printf("loaded %s entries in %.1f s: %s keys added, %s replaced", format_count(load->entries, entries), seconds,
           format_count(load->added, added), format_count(load->replaced, replaced));
    if (repeated > 0) {
        printf("; %s entries made void by a later one of the same key", format_count(repeated, entries));
    }
    if (load->skipped > 0) {
        printf("; %s lines skipped", format_count(load->skipped, entries));
    }
    putchar('\n');
    return STATUS_OK;
}

/** What the command line says. */
struct load_request {
    const char *table;
    const char *format;
    const char *delimiter;
    const char *chosen;
    struct layout layout;
    bool skip_errors;
    bool quiet;
    bool as_json;
};

static enum status load_file(const struct load_request *request, const char *store_path, const char *path)
{
    struct load load = {.skip_errors = request->skip_errors};
    struct column_list columns;
    enum status status = column_list_parse(&columns, request->chosen);
    if (status != STATUS_OK) {
        return status;
    }
    status = input_open(&load.input, path);
    if (status == STATUS_OK) {
        status = session_open(&load.session, store_path, SESSION_WRITE, request->table, NULL);
    }
    if (status == STATUS_OK) {
        load.reported = json_array();
        progress_begin(&load.progress, "loading", load.input.total_bytes, !request->quiet);
        status = entry_reader_init(&load.reader, &request->layout, &columns, load.session.order, &load.input);
        if (status == STATUS_OK) {
            status = run_loader(&load);
        }
        entry_reader_release(&load.reader);
        status = session_close(&load.session, status);
        if (status == STATUS_OK && (request->as_json || !request->quiet)) {
            status = print_summary(&load, request->as_json);
        }
        json_decref(load.reported);
    }
    input_close(&load.input);
    column_list_release(&columns);
    return status;
}

enum status command_load(int argc, char **argv)
{
    struct load_request request = {.table = "main"};
    const struct option options[] = {
        OPTION_TABLE(&request.table),
        {"format", 'f', OPTION_TEXT, &request.format, "FORMAT",
         "csv, tsv or jsonl (default: as FILE's name says, else jsonl)"},
        {"columns", 'c', OPTION_TEXT, &request.chosen, "LIST", "the key's column, then those of the value (see below)"},
        {"header", 'H', OPTION_FLAG, &request.layout.header, NULL,
         "the first line holds the columns' names (CSV, TSV)"},
        {"delimiter", 'd', OPTION_TEXT, &request.delimiter, "BYTE",
         "what separates CSV's columns (default: a comma), or \"tab\""},
        {"skip-errors", 's', OPTION_FLAG, &request.skip_errors, NULL,
         "leave lines that don't parse out, and count them"},
        {"quiet", 'q', OPTION_FLAG, &request.quiet, NULL, "no progress bar and no summary"},
        {"json", 'j', OPTION_FLAG, &request.as_json, NULL, "print the summary as JSON"},
    };
    const struct usage usage = {
        .command = "load",
        .arguments = "STORE [FILE]",
        .least = 1,
        .most = 2,
        .purpose =
            "Loads FILE (stdin if it is - or missing), plain or gzip, sorted or not, into a table. It is one atomic\n"
            "step: all of the file is loaded, or nothing. Of several lines with one key the last counts.",
        .notes =
            "--columns names columns by number, from 1, or by the names in the header; JSON lines by the names of\n"
            "members. Default: the first column is the key and all others the value; \"key\" and \"value\" in JSON.\n"
            "A value of several columns is a record of them: it keeps their delimiters.\n"
            "Without --skip-errors the first bad line ends the load, with its number; with it the first few are\n"
            "reported.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    const char *path = count > 1 ? argv[1] : "-";
    status = layout_choose(&request.layout, request.format, request.delimiter, path);
    return status != STATUS_OK ? status : load_file(&request, argv[0], path);
}
