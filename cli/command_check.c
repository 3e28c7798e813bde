/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_check.c
 * `check`: verification of a whole store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "options.h"
#include "session.h"
#include "text.h"

/** Prints a finding, or adds it to a JSON array. */
struct listing {
    json_t *array; /**< NULL: print */
    uint64_t count;
};

static int list_finding(void *context, const struct alex_finding *finding)
{
    struct listing *listing = context;
    listing->count++;
    if (listing->array == NULL) {
        printf("%s: at byte %" PRIu64 ": %s\n", finding->path, finding->offset, finding->message);
    } else {
        json_array_add(listing->array, json_pack("{s:s,s:o,s:I,s:s}", "code", alex_code_name(finding->code), "path",
                                                 json_from_bytes(finding->path, strlen(finding->path)), "offset",
                                                 (json_int_t)finding->offset, "message", finding->message));
    }
    return 0;
}

/** Checks what is open, or lists why it could not be opened. */
static enum status check_store(struct session *session, const struct alex_error *damage, struct listing *listing,
                               struct alex_check_report *out_checked)
{
    if (session->store == NULL) {
        struct alex_finding finding = {
            .code = damage->code, .path = damage->path, .offset = damage->offset, .message = damage->message};
        list_finding(listing, &finding);
        return STATUS_DAMAGED;
    }
    int code = alex_check(session->store, list_finding, listing, out_checked);
    if (code != ALEX_OK) {
        return report_store(session->store, code);
    }
    return listing->count > 0 ? STATUS_DAMAGED : STATUS_OK;
}

static enum status print_result(const struct listing *listing, const struct alex_check_report *checked)
{
    if (listing->array != NULL) {
        return json_print(json_pack("{s:I,s:I,s:I,s:O}", "records", (json_int_t)checked->records, "bytes",
                                    (json_int_t)checked->bytes, "keys", (json_int_t)checked->keys, "findings",
                                    listing->array),
                          JSON_INDENT(2));
    }
    char records[FORMATTED_SIZE];
    char bytes[FORMATTED_SIZE];
    char keys[FORMATTED_SIZE];
    char findings[FORMATTED_SIZE];
    printf("checked %s records of %s bytes, %s keys: %s finding%s\n", format_count(checked->records, records),
           format_count(checked->bytes, bytes), format_count(checked->keys, keys),
           listing->count == 0 ? "no" : format_count(listing->count, findings), listing->count == 1 ? "" : "s");
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
        .purpose = "Reads everything in a store: every byte of the log, every checksum, every index entry against its\n"
                   "record. Prints a line for each finding, with file and byte, and changes nothing.",
        .notes = "Exits with 4 if there are findings.",
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
    struct listing listing = {.array = as_json ? json_array() : NULL};
    struct alex_check_report checked = {0};
    status = check_store(&session, &damage, &listing, &checked);
    if (status == STATUS_OK || status == STATUS_DAMAGED) {
        status = status_first(status, print_result(&listing, &checked));
    }
    json_decref(listing.array);
    return session_close(&session, status);
}
