/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_salvage.c
 * `salvage`: what is whole in a damaged store, into a new one.
 */
#include <stdio.h>

#include "command.h"
#include "findings.h"
#include "json.h"
#include "options.h"
#include "text.h"

static enum status print_result(const struct findings *findings, const struct alex_salvage_report *done)
{
    if (findings->array != NULL) {
        return json_print(json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:O}", "tables", (json_int_t)done->tables, "keys",
                                    (json_int_t)done->keys, "value_bytes", (json_int_t)done->value_bytes, "records",
                                    (json_int_t)done->records, "bytes", (json_int_t)done->bytes, "left_out_records",
                                    (json_int_t)done->left_out_records, "left_out_bytes",
                                    (json_int_t)done->left_out_bytes, "findings", findings->array),
                          JSON_INDENT(2));
    }
    char tables[FORMATTED_SIZE];
    char keys[FORMATTED_SIZE];
    char value_bytes[FORMATTED_SIZE];
    char records[FORMATTED_SIZE];
    char bytes[FORMATTED_SIZE];
    printf("saved %s keys with %s bytes of values, in %s table%s\n", format_count(done->keys, keys),
           format_count(done->value_bytes, value_bytes), format_count(done->tables, tables),
           done->tables == 1 ? "" : "s");
    printf("left out %s records that are not whole or not committed, %s bytes of log in all",
           format_count(done->left_out_records, records), format_count(done->left_out_bytes, bytes));
    findings_print_count(findings);
    return STATUS_OK;
}

enum status command_salvage(int argc, char **argv)
{
    bool as_json = false;
    const struct option options[] = {
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "print one object, with an array of the findings"},
    };
    const struct usage usage = {
        .command = "salvage",
        .arguments = "STORE TARGET",
        .least = 2,
        .most = 2,
        .purpose = "Writes all that is whole in a damaged store into a new one at TARGET, where nothing may be yet.\n"
                   "Prints a line for each thing that is damaged, missing or left out. Never changes STORE.",
        .notes = "Of each key the newest version that is whole is kept. Exits with 4 if there are findings: newer\n"
                 "versions of keys, and deletes, may be lost then.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct findings findings;
    findings_init(&findings, as_json);
    struct alex_salvage_report done = {0};
    struct alex_error error = {0};
    int code = alex_salvage(argv[0], argv[1], findings_add, &findings, &done, &error);
    status = code == ALEX_NO_STORE ? report(STATUS_STORE, "there is no store at %s: check the path", argv[0])
             : code != ALEX_OK     ? report_detail(&error, code)
                                   : print_result(&findings, &done);
    findings_release(&findings);
    return status_first(status, findings.count > 0 ? STATUS_DAMAGED : STATUS_OK);
}
