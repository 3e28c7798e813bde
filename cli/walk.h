/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file walk.h
 * Entries from a table to a writer, in order.
 */
#ifndef CLI_WALK_H
#define CLI_WALK_H

#include <stdbool.h>

#include "entry_writer.h"
#include "progress.h"
#include "session.h"

/**
 * Writes the entries of a range of the session's table. One whose record is damaged is reported and left out, and the
 * walk goes on.
 *
 * @param progress  told of each entry as one of its total
 * @return STATUS_OK, also if there is no entry; STATUS_DAMAGED if any was left out
 */
enum status walk_entries(const struct session *session, const struct alex_range *range, bool reverse,
                         struct entry_writer *writer, struct progress *progress);

#endif /* CLI_WALK_H */
