/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_tables.c
 * `create`, `tables`, `drop` and `rename`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "csv.h"
#include "json.h"
#include "options.h"
#include "session.h"

static enum status report_taken(const char *path, const char *name)
{
    return report(STATUS_STORE, "%s has a table \"%s\" already: choose another name, or `alexstorage drop` it first",
                  path, name);
}

/** Makes a table, in a store that is made too if there is none. */
static enum status create_table(const char *path, const char *name, bool unsigned_keys)
{
    struct alex_error error = {0};
    struct alex_options options = {.error = &error};
    struct session session = {0};
    int code = alex_open(path, &options, &session.store);
    if (code != ALEX_OK) {
        return report_detail(&error, code);
    }
    session_report_recovery(session.store, SESSION_WRITE);
    struct alex_table_options table_options = {
        .mode = ALEX_MUST_BE_NEW,
        .key_order = unsigned_keys ? ALEX_KEYS_UNSIGNED : ALEX_KEYS_SIGNED,
    };
    code = alex_table_open(session.store, name, &table_options, &session.table);
    enum status status = STATUS_OK;
    if (code == ALEX_EXISTS) {
        status = report_taken(path, name);
    } else if (code != ALEX_OK) {
        status = report_store(session.store, code);
    }
    return session_close(&session, status);
}

static enum status create_store(const char *path)
{
    struct alex_error error = {0};
    struct alex_options options = {.mode = ALEX_MUST_BE_NEW, .error = &error};
    struct session session = {0};
    int code = alex_open(path, &options, &session.store);
    if (code == ALEX_EXISTS) {
        return report(STATUS_STORE, "there is a store at %s already: use it, or choose another path", path);
    }
    return code != ALEX_OK ? report_detail(&error, code) : session_close(&session, STATUS_OK);
}

enum status command_create(int argc, char **argv)
{
    const char *table = NULL;
    bool unsigned_keys = false;
    const struct option options[] = {
        {"table", 't', OPTION_TEXT, &table, "NAME", "make this table, in a new store or one that exists"},
        {"unsigned", 'u', OPTION_FLAG, &unsigned_keys, NULL, "the table's keys are unsigned (0 to 2^64 - 1)"},
    };
    const struct usage usage = {
        .command = "create",
        .arguments = "STORE",
        .least = 1,
        .most = 1,
        .purpose =
            "Makes a store: the directory STORE, whose parent must exist. It has one table, \"main\", of signed\n"
            "keys (-2^63 to 2^63 - 1).",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    if (unsigned_keys && table == NULL) {
        return report(STATUS_USAGE, "--unsigned needs --table NAME: the keys of \"main\" are signed in every store");
    }
    if (table == NULL) {
        return create_store(argv[0]);
    }
    /* Before a store is made for it in vain. */
    if (table[0] == '\0' || strlen(table) > ALEX_TABLE_NAME_MAX || strcmp(table, "main") == 0) {
        return report(STATUS_USAGE, "--table takes a name of 1 to %d bytes, other than \"main\", which every store has",
                      ALEX_TABLE_NAME_MAX);
    }
    return create_table(argv[0], table, unsigned_keys);
}

static const char *order_name(enum alex_key_order order)
{
    return order == ALEX_KEYS_UNSIGNED ? "unsigned" : "signed";
}

static int print_table(void *context, const struct alex_table_info *info)
{
    struct buffer *line = context;
    line->size = 0;
    csv_append_field(line, CSV_DIALECT_TSV, info->name, strlen(info->name));
    printf("%.*s\t%s\t%" PRIu64 "\n", (int)line->size, line->data, order_name(info->key_order), info->keys);
    return 0;
}

static int collect_table(void *context, const struct alex_table_info *info)
{
    json_t *name = json_from_bytes(info->name, strlen(info->name));
    json_array_add(context, json_pack("{s:o,s:s,s:I}", "name", name, "keys_are", order_name(info->key_order), "keys",
                                      (json_int_t)info->keys));
    return 0;
}

enum status command_tables(int argc, char **argv)
{
    bool as_json = false;
    const struct option options[] = {
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "print an array of objects"},
    };
    const struct usage usage = {
        .command = "tables",
        .arguments = "STORE",
        .least = 1,
        .most = 1,
        .purpose = "Lists the tables, one a line: name (escaped as in TSV), signed or unsigned keys, number of keys;\n"
                   "with tabs between.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_READ, NULL, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    struct buffer line = {0};
    json_t *array = json_array();
    int code = as_json ? alex_table_list(session.store, collect_table, array)
                       : alex_table_list(session.store, print_table, &line);
    if (code != ALEX_OK) {
        status = report_store(session.store, code);
    } else if (as_json) {
        status = json_print(json_incref(array), JSON_INDENT(2));
    }
    json_decref(array);
    buffer_release(&line);
    return session_close(&session, status);
}

/** Reports how a change of a table as a whole went. */
static enum status report_change(const struct session *session, int code, const char *path, const char *table)
{
    if (code == ALEX_NOT_FOUND) {
        return report(STATUS_STORE, "%s has no table \"%s\": `alexstorage tables` lists them", path, table);
    }
    return code == ALEX_OK ? STATUS_OK : report_store(session->store, code);
}

enum status command_drop(int argc, char **argv)
{
    const struct usage usage = {
        .command = "drop",
        .arguments = "STORE TABLE",
        .least = 2,
        .most = 2,
        .purpose = "Drops a table with all that is in it, at once and for good. \"main\" can't be dropped.",
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_WRITE, NULL, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    int code = alex_table_drop(session.store, argv[1]);
    return session_close(&session, report_change(&session, code, argv[0], argv[1]));
}

enum status command_rename(int argc, char **argv)
{
    const struct usage usage = {
        .command = "rename",
        .arguments = "STORE TABLE NAME",
        .least = 3,
        .most = 3,
        .purpose = "Gives a table another name. \"main\" can't be renamed.",
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_WRITE, NULL, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    int code = alex_table_rename(session.store, argv[1], argv[2]);
    status = code == ALEX_EXISTS ? report_taken(argv[0], argv[2]) : report_change(&session, code, argv[0], argv[1]);
    return session_close(&session, status);
}
