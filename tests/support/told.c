/* SPDX-License-Identifier: Apache-2.0 */
/** @file told.c Salvages, and what they tell; see told.h. */
#include "support/told.h"

#include <stdio.h>

int told_note(void *context, const struct alex_finding *finding)
{
    struct told *told = context;
    assert_int_equal(finding->code, ALEX_DAMAGED);
    assert_true(told->count < TOLD_MAX);
    told->items[told->count].kind = finding->kind;
    told->items[told->count].offset = finding->offset;
    told->items[told->count].bytes = finding->bytes;
    (void)snprintf(told->items[told->count].path, FILES_PATH_MAX, "%s", finding->path);
    (void)snprintf(told->items[told->count].message, 256, "%s", finding->message);
    told->count++;
    return 0;
}

void told_target(const struct fixture *fixture, char *out_path)
{
    files_join(out_path, fixture->directory, "salvaged");
}

void told_salvage(struct fixture *fixture, struct told *out_told)
{
    char target[FILES_PATH_MAX];
    struct alex_error error = {0};
    told_target(fixture, target);
    files_remove(target);
    memset(out_told, 0, sizeof *out_told);
    uint64_t before = files_fingerprint(fixture->path, NULL);
    int result = alex_salvage(fixture->path, target, told_note, out_told, &out_told->report, &error);
    if (result != ALEX_OK) {
        fail_msg("%s: %s: %s", alex_code_name(result), error.path, error.message);
    }
    assert_int_equal(files_fingerprint(fixture->path, NULL), before);
    assert_int_equal(out_told->report.findings, out_told->count);
    struct alex_options options = {.mode = ALEX_MUST_EXIST};
    ASSERT_OK(alex_open(target, &options, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    struct alex_open_report opened;
    alex_store_open_report(fixture->store, &opened);
    assert_true(opened.clean);
    helper_check(fixture->store);
}

void told_assert(const struct told *told, size_t i, enum alex_finding_kind kind, const char *path, uint64_t offset,
                 uint64_t bytes)
{
    assert_true(i < told->count);
    assert_int_equal(told->items[i].kind, kind);
    assert_string_equal(told->items[i].path, path);
    assert_int_equal(told->items[i].offset, offset);
    assert_int_equal(told->items[i].bytes, bytes);
}
