/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file session.h
 * A store opened for one command, with the table it works on. All failures are reported here.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <alexstorage.h>

#include "report.h"

enum session_access {
    SESSION_READ, /**< the store's files are not touched */
    SESSION_WRITE,
};

/** An open store. */
struct session {
    alex_store *store;
    alex_table *table;         /**< NULL if none was asked for */
    enum alex_key_order order; /**< of the table's keys */
    alex_txn *txn;             /**< with SESSION_READ: one view for the whole command */
};

/**
 * Opens a store that exists, and a table of it.
 *
 * @param table_name  NULL: none
 * @param out_damage  optional: gets the detail where the store is too damaged to be opened, which then isn't reported
 * @return STATUS_OK, STATUS_STORE, STATUS_DAMAGED
 */
enum status session_open(struct session *session, const char *path, enum session_access access, const char *table_name,
                         struct alex_error *out_damage);

/** Closes the store. @return `status`, or what went wrong at the end if that was STATUS_OK */
enum status session_close(struct session *session, enum status status);

/** Tells on stderr what an unclean end of the store's last use has left behind, if it did. */
void session_report_recovery(alex_store *store, enum session_access access);

/** Reads a key argument for the session's table. */
enum status session_parse_key(const struct session *session, const char *text, int64_t *out_key);

#endif /* CLI_SESSION_H */
