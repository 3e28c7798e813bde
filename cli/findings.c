/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file findings.c
 * What a check or a salvage finds.
 */
#include "findings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "text.h"

static const char *kind_name(enum alex_finding_kind kind)
{
    switch (kind) {
    case ALEX_FINDING_FILE:
        return "file";
    case ALEX_FINDING_RECORDS:
        return "records";
    case ALEX_FINDING_VALUE:
        return "value";
    case ALEX_FINDING_BATCH:
        return "batch";
    case ALEX_FINDING_TABLE:
        return "table";
    case ALEX_FINDING_PADDING:
        return "padding";
    case ALEX_FINDING_INDEX:
        return "index";
    }
    return "unknown";
}

void findings_init(struct findings *findings, bool as_json)
{
    *findings = (struct findings){.array = as_json ? json_array() : NULL};
}

void findings_release(struct findings *findings)
{
    json_decref(findings->array);
}

int findings_add(void *context, const struct alex_finding *finding)
{
    struct findings *findings = context;
    findings->count++;
    if (findings->array != NULL) {
        json_array_add(findings->array, json_pack("{s:s,s:s,s:o,s:I,s:I,s:s}", "code", alex_code_name(finding->code),
                                                  "kind", kind_name(finding->kind), "path",
                                                  json_from_bytes(finding->path, strlen(finding->path)), "offset",
                                                  (json_int_t)finding->offset, "bytes", (json_int_t)finding->bytes,
                                                  "message", finding->message));
        return 0;
    }
    printf("%s: at byte %" PRIu64 ": %s", finding->path, finding->offset, finding->message);
    if (finding->bytes > 0) {
        char bytes[FORMATTED_SIZE];
        printf(" (%s byte%s)", format_count(finding->bytes, bytes), finding->bytes == 1 ? "" : "s");
    }
    putchar('\n');
    return 0;
}

void findings_print_count(const struct findings *findings)
{
    char count[FORMATTED_SIZE];
    printf(": %s finding%s\n", findings->count == 0 ? "no" : format_count(findings->count, count),
           findings->count == 1 ? "" : "s");
}
