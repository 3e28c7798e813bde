/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_scan.c
 * `scan`, `floor` and `ceiling`: entries by the order of their keys.
 */
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "options.h"
#include "walk.h"

/** What is printed, and how. */
struct scan_request {
    const char *table;
    const char *from;
    const char *to;
    uint64_t limit; /**< 0: none */
    bool reverse;
    bool keys_only;
    bool count;
    bool as_json;
};

#define OPTION_JSON(target)                                                                         \
    {                                                                                               \
        "json", 'j', OPTION_FLAG, target, NULL, "print {\"key\": ..., \"value\": ...}, a line each" \
    }

/** An output on stdout, in the format that was asked for. */
struct printer {
    struct output output;
    struct column_list columns;
    struct entry_writer writer;
};

static enum status printer_open(struct printer *printer, const struct scan_request *request)
{
    enum status status = output_open(&printer->output, "-");
    if (status == STATUS_OK) {
        struct layout layout = {.format = request->as_json ? FORMAT_JSONL : FORMAT_TSV, .dialect = CSV_DIALECT_TSV};
        column_list_parse(&printer->columns, request->keys_only ? "key" : "key,value");
        entry_writer_init(&printer->writer, &layout, &printer->columns, &printer->output);
    }
    return status;
}

static enum status printer_close(struct printer *printer, enum status status)
{
    entry_writer_release(&printer->writer);
    column_list_release(&printer->columns);
    return status_first(status, output_close(&printer->output));
}

static enum status parse_range(const struct session *session, const struct scan_request *request,
                               struct alex_range *out_range)
{
    *out_range = (struct alex_range){
        .has_first = request->from != NULL, .has_last = request->to != NULL, .limit = request->limit};
    enum status status = STATUS_OK;
    if (request->from != NULL) {
        status = session_parse_key(session, request->from, &out_range->first);
    }
    if (request->to != NULL && status == STATUS_OK) {
        status = session_parse_key(session, request->to, &out_range->last);
    }
    return status;
}

static enum status print_count(const struct session *session, const struct alex_range *range, bool as_json)
{
    uint64_t count;
    int code = alex_txn_count(session->txn, session->table, range, &count);
    if (code != ALEX_OK) {
        return report_store(session->store, code);
    }
    printf(as_json ? "{\"count\":%" PRIu64 "}\n" : "%" PRIu64 "\n", count);
    return STATUS_OK;
}

static enum status scan(const struct session *session, const struct scan_request *request)
{
    struct alex_range range;
    enum status status = parse_range(session, request, &range);
    if (status != STATUS_OK || request->count) {
        return status != STATUS_OK ? status : print_count(session, &range, request->as_json);
    }
    struct printer printer;
    status = printer_open(&printer, request);
    if (status != STATUS_OK) {
        return status;
    }
    struct progress progress;
    progress_begin(&progress, "", 0, false);
    return printer_close(&printer, walk_entries(session, &range, request->reverse, &printer.writer, &progress));
}

enum status command_scan(int argc, char **argv)
{
    struct scan_request request = {.table = "main"};
    const struct option options[] = {
        OPTION_TABLE(&request.table),
        {"from", 'f', OPTION_TEXT, &request.from, "KEY", "the least key to print, itself included"},
        {"to", 'T', OPTION_TEXT, &request.to, "KEY", "the greatest key to print, itself included"},
        {"reverse", 'r', OPTION_FLAG, &request.reverse, NULL, "from the greatest key to the least"},
        {"limit", 'l', OPTION_COUNT, &request.limit, "N", "stop after N entries"},
        {"keys-only", 'k', OPTION_FLAG, &request.keys_only, NULL, "print no values"},
        {"count", 'c', OPTION_FLAG, &request.count, NULL, "print only how many entries there are"},
        OPTION_JSON(&request.as_json),
    };
    const struct usage usage = {
        .command = "scan",
        .arguments = "STORE",
        .least = 1,
        .most = 1,
        .purpose =
            "Prints entries in the order of their keys: key, tab, value; a line each. Finding none is no failure.",
        .notes =
            "A value's tabs, line ends, backslashes, control characters and bytes that are not UTF-8 are escaped:\n"
            "\\t, \\n, \\r, \\\\, \\xHH. --json writes such bytes as {\"base64\": \"...\"} where they are not text.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_READ, request.table, NULL);
    return status != STATUS_OK ? status : session_close(&session, scan(&session, &request));
}

/** A cursor's move to the entry nearest to a key. */
typedef int seek_move(alex_cursor *cursor, int64_t key, struct alex_entry *out_entry);

static enum status print_nearest(const struct session *session, const struct scan_request *request,
                                 const char *key_text, seek_move *seek)
{
    int64_t key;
    enum status status = session_parse_key(session, key_text, &key);
    if (status != STATUS_OK) {
        return status;
    }
    alex_cursor *cursor;
    int code = alex_cursor_open(session->txn, session->table, NULL, &cursor);
    if (code != ALEX_OK) {
        return report_store(session->store, code);
    }
    struct alex_entry entry;
    code = seek(cursor, key, &entry);
    alex_cursor_close(cursor);
    if (code != ALEX_OK) {
        return code == ALEX_NOT_FOUND ? STATUS_NOT_FOUND : report_store(session->store, code);
    }
    struct printer printer;
    status = printer_open(&printer, request);
    return status != STATUS_OK ? status
                               : printer_close(&printer, entry_writer_add(&printer.writer, session->order, &entry));
}

static enum status nearest(const char *command, const char *purpose, seek_move *seek, int argc, char **argv)
{
    struct scan_request request = {.table = "main"};
    const struct option options[] = {
        OPTION_TABLE(&request.table),
        OPTION_JSON(&request.as_json),
    };
    const struct usage usage = {
        .command = command,
        .arguments = "STORE KEY",
        .least = 2,
        .most = 2,
        .purpose = purpose,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_READ, request.table, NULL);
    return status != STATUS_OK ? status : session_close(&session, print_nearest(&session, &request, argv[1], seek));
}

enum status command_floor(int argc, char **argv)
{
    return nearest(
        "floor",
        "Prints the entry with the greatest key that is not above KEY, as `scan` does. Exits with 1 if there is\n"
        "none.",
        alex_cursor_seek_before, argc, argv);
}

enum status command_ceiling(int argc, char **argv)
{
    return nearest(
        "ceiling",
        "Prints the entry with the least key that is not below KEY, as `scan` does. Exits with 1 if there is\n"
        "none.",
        alex_cursor_seek, argc, argv);
}
