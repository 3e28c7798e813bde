/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_entry.c
 * `put`, `get` and `delete`: entries by their keys.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "entry_writer.h"
#include "options.h"
#include "session.h"

/** Reads all of stdin, up to one byte more than a value may have. */
static enum status read_stdin(struct buffer *value)
{
    while (value->size <= ALEX_VALUE_MAX) {
        size_t room = ALEX_VALUE_MAX + 1 - value->size;
        size_t wanted = room < ((size_t)64 << 10) ? room : (size_t)64 << 10;
        ssize_t size = read(STDIN_FILENO, buffer_reserve(value, wanted), wanted);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return report(STATUS_DATA, "cannot read stdin: %s", strerror(errno));
        }
        if (size == 0) {
            return STATUS_OK;
        }
        value->size += (size_t)size;
    }
    return report(STATUS_STORE, "stdin is longer than the %zu bytes that a value may have: split it", ALEX_VALUE_MAX);
}

static enum status put_value(const struct session *session, const char *key_text, const void *value, size_t size,
                             bool if_absent)
{
    int64_t key;
    enum status status = session_parse_key(session, key_text, &key);
    if (status != STATUS_OK) {
        return status;
    }
    int code = if_absent ? alex_put_if_absent(session->table, key, value, size)
                         : alex_put(session->table, key, value, size, NULL);
    if (code == ALEX_EXISTS) {
        return STATUS_NOT_FOUND;
    }
    return code != ALEX_OK ? report_store(session->store, code) : STATUS_OK;
}

enum status command_put(int argc, char **argv)
{
    const char *table = "main";
    bool if_absent = false;
    const struct option options[] = {
        OPTION_TABLE(&table),
        {"if-absent", 'a', OPTION_FLAG, &if_absent, NULL, "leave a key that has a value alone, and exit with 1"},
    };
    const struct usage usage = {
        .command = "put",
        .arguments = "STORE KEY [VALUE]",
        .least = 2,
        .most = 3,
        .purpose = "Sets the value of a key. Without VALUE the value is all of stdin, byte for byte.",
        .notes = "It is durable once the command has ended with 0.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct buffer value = {0};
    if (count == 3) {
        buffer_append_text(&value, argv[2]);
    } else {
        status = read_stdin(&value);
    }
    struct session session;
    if (status == STATUS_OK) {
        status = session_open(&session, argv[0], SESSION_WRITE, table, NULL);
        if (status == STATUS_OK) {
            status = session_close(&session, put_value(&session, argv[1], value.data, value.size, if_absent));
        }
    }
    buffer_release(&value);
    return status;
}

/** How `get` prints. */
struct get_request {
    bool as_json;
    bool no_newline;
    bool verbose;
};

static enum status get_key(const struct session *session, const struct get_request *request, const char *key_text,
                           struct output *output, struct entry_writer *writer)
{
    struct alex_entry entry;
    enum status status = session_parse_key(session, key_text, &entry.key);
    if (status != STATUS_OK) {
        return status;
    }
    int code = alex_txn_get(session->txn, session->table, entry.key, &entry.value);
    if (code == ALEX_NOT_FOUND) {
        return request->verbose ? report(STATUS_NOT_FOUND, "key %s is not there", key_text) : STATUS_NOT_FOUND;
    }
    if (code != ALEX_OK) {
        return report_store(session->store, code);
    }
    if (request->as_json) {
        return entry_writer_add(writer, session->order, &entry);
    }
    output_write(output, entry.value.data, entry.value.size);
    output_write(output, "\n", request->no_newline ? 0 : 1);
    return STATUS_OK;
}

static enum status get_keys(const struct session *session, const struct get_request *request, char **keys, int count)
{
    struct output output;
    enum status status = output_open(&output, "-");
    if (status != STATUS_OK) {
        return status;
    }
    const struct layout layout = {.format = FORMAT_JSONL};
    struct column_list columns;
    struct entry_writer writer;
    column_list_parse(&columns, "key,value");
    entry_writer_init(&writer, &layout, &columns, &output);
    for (int i = 0; i < count && status <= STATUS_NOT_FOUND; i++) {
        enum status found = get_key(session, request, keys[i], &output, &writer);
        status = found == STATUS_OK ? status : found;
    }
    entry_writer_release(&writer);
    column_list_release(&columns);
    return status_first(status, output_close(&output));
}

enum status command_get(int argc, char **argv)
{
    const char *table = "main";
    struct get_request request = {0};
    const struct option options[] = {
        OPTION_TABLE(&table),
        {"json", 'j', OPTION_FLAG, &request.as_json, NULL, "print {\"key\": ..., \"value\": ...}, a line each"},
        {"no-newline", 'n', OPTION_FLAG, &request.no_newline, NULL, "print the value's bytes and nothing else"},
        {"verbose", 'v', OPTION_FLAG, &request.verbose, NULL, "say on stderr which keys are not there"},
    };
    const struct usage usage = {
        .command = "get",
        .arguments = "STORE KEY...",
        .least = 2,
        .most = -1,
        .purpose =
            "Prints the value of each key as it is, with a newline behind it. Exits with 1, in silence, if any of\n"
            "the keys isn't there.",
        .notes = "--json tells the keys apart, and writes bytes that are not text as {\"base64\": \"...\"}.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_READ, table, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    return session_close(&session, get_keys(&session, &request, argv + 1, count - 1));
}

static enum status delete_key(const struct session *session, const char *key_text, bool verbose)
{
    int64_t key;
    enum status status = session_parse_key(session, key_text, &key);
    if (status != STATUS_OK) {
        return status;
    }
    int code = alex_delete(session->table, key);
    if (code == ALEX_NOT_FOUND) {
        return verbose ? report(STATUS_NOT_FOUND, "key %s is not there", key_text) : STATUS_NOT_FOUND;
    }
    return code != ALEX_OK ? report_store(session->store, code) : STATUS_OK;
}

/** Deletes keys, but none of them if one makes no sense. */
static enum status delete_keys(const struct session *session, char **keys, int count, bool verbose)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < count && status == STATUS_OK; i++) {
        int64_t key;
        status = session_parse_key(session, keys[i], &key);
    }
    for (int i = 0; i < count && status <= STATUS_NOT_FOUND; i++) {
        enum status deleted = delete_key(session, keys[i], verbose);
        status = deleted == STATUS_OK ? status : deleted;
    }
    return status;
}

enum status command_delete(int argc, char **argv)
{
    const char *table = "main";
    bool verbose = false;
    const struct option options[] = {
        OPTION_TABLE(&table),
        {"verbose", 'v', OPTION_FLAG, &verbose, NULL, "say on stderr which keys are not there"},
    };
    const struct usage usage = {
        .command = "delete",
        .arguments = "STORE KEY...",
        .least = 2,
        .most = -1,
        .purpose = "Deletes keys. Exits with 1, in silence, if any of them isn't there; the others are deleted.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_WRITE, table, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    return session_close(&session, delete_keys(&session, argv + 1, count - 1, verbose));
}
