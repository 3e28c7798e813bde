/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_check.c
 * `check`: verification of a whole store.
 */
#include <stdio.h>

#include "command.h"
#include "findings.h"
#include "json.h"
#include "options.h"
#include "session.h"
#include "text.h"

/** Checks what is open. */
static enum status check_open(alex_store *store, struct findings *findings, struct alex_check_report *out_checked)
{
    int code = alex_check(store, findings_add, findings, out_checked);
    return code != ALEX_OK ? report_store(store, code) : STATUS_OK;
}

/** Checks what can't be opened for `damage`: a salvage that writes nothing reads everything that is there. */
static enum status check_damaged(const char *path, const struct alex_error *damage, struct findings *findings,
                                 struct alex_check_report *out_checked)
{
    struct alex_error error = {0};
    struct alex_salvage_report seen = {0};
    int code = alex_salvage(path, NULL, findings_add, findings, &seen, &error);
    if (code != ALEX_OK) {
        return report_detail(&error, code);
    }
    if (findings->count == 0) { /* every record is whole, but they don't make up a store */
        findings_add(findings, &(struct alex_finding){.code = damage->code,
                                                      .path = damage->path,
                                                      .offset = damage->offset,
                                                      .message = damage->message,
                                                      .kind = ALEX_FINDING_FILE});
    }
    *out_checked = (struct alex_check_report){.records = seen.records, .bytes = seen.bytes, .keys = seen.keys};
    return STATUS_OK;
}

static enum status print_result(const struct findings *findings, const struct alex_check_report *checked)
{
    if (findings->array != NULL) {
        return json_print(json_pack("{s:I,s:I,s:I,s:O}", "records", (json_int_t)checked->records, "bytes",
                                    (json_int_t)checked->bytes, "keys", (json_int_t)checked->keys, "findings",
                                    findings->array),
                          JSON_INDENT(2));
    }
    char records[FORMATTED_SIZE];
    char bytes[FORMATTED_SIZE];
    char keys[FORMATTED_SIZE];
    printf("checked %s records of %s bytes, %s keys", format_count(checked->records, records),
           format_count(checked->bytes, bytes), format_count(checked->keys, keys));
    findings_print_count(findings);
    return STATUS_OK;
}

enum status command_check(int argc, char **argv)
{
    bool as_json = false;
    const struct option options[] = {
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "print one object, with an array of the findings"},
    };
    const struct usage usage = {
        .command = "check",
        .arguments = "STORE",
        .least = 1,
        .most = 1,
        .purpose =
            "Reads everything in a store: every byte of the log, every checksum, every index entry against its\n"
            "record. Prints a line for each finding, with file and byte, and goes on behind it; changes nothing.\n"
            "Of a store that is too damaged to be opened it reads what is there.",
        .notes = "Exits with 4 if there are findings; `alexstorage salvage` saves what is whole.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    struct alex_error damage = {0};
    status = session_open(&session, argv[0], SESSION_READ, NULL, &damage);
    if (status != STATUS_OK && damage.code != ALEX_DAMAGED) {
        return status;
    }
    struct findings findings;
    findings_init(&findings, as_json);
    struct alex_check_report checked = {0};
    status = session.store != NULL ? check_open(session.store, &findings, &checked)
                                   : check_damaged(argv[0], &damage, &findings, &checked);
    if (status == STATUS_OK) {
        status = status_first(print_result(&findings, &checked), findings.count > 0 ? STATUS_DAMAGED : STATUS_OK);
    }
    findings_release(&findings);
    return session_close(&session, status);
}
