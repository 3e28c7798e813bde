/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file walk.c
 * Entries from a table to a writer, in order.
 */
#include "walk.h"

#include <inttypes.h>

/* Damaged entries that are reported one by one. */
#define REPORTED_MAX 5

static int step(alex_cursor *cursor, bool reverse, struct alex_entry *out_entry)
{
    return reverse ? alex_cursor_previous(cursor, out_entry) : alex_cursor_next(cursor, out_entry);
}

enum status walk_entries(const struct session *session, const struct alex_range *range, bool reverse,
                         struct entry_writer *writer, struct progress *progress)
{
    alex_cursor *cursor;
    int code = alex_cursor_open(session->txn, session->table, range, &cursor);
    if (code != ALEX_OK) {
        return report_store(session->store, code);
    }
    enum status status = STATUS_OK;
    uint64_t written = 0;
    uint64_t damaged = 0;
    struct alex_entry entry;
    code = step(cursor, reverse, &entry);
    while ((code == ALEX_OK || code == ALEX_DAMAGED) && status == STATUS_OK && !output_failed(writer->output)) {
        if (code == ALEX_OK) {
            status = entry_writer_add(writer, session->order, &entry);
            written++;
        } else if (++damaged <= REPORTED_MAX) {
            report_store(session->store, code);
        }
        progress_update(progress, written + damaged, written);
        code = step(cursor, reverse, &entry);
    }
    alex_cursor_close(cursor);
    progress_erase();
    if (code != ALEX_OK && code != ALEX_DAMAGED && code != ALEX_NOT_FOUND) {
        status = status_first(status, report_store(session->store, code));
    }
    if (damaged > 0) {
        report(STATUS_DAMAGED,
               "entries left out because they are damaged: %" PRIu64 " (`alexstorage check` tells where)", damaged);
        status = status_first(status, STATUS_DAMAGED);
    }
    return status;
}
