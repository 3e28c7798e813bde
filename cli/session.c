/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file session.c
 * Opening and closing of a store for one command.
 */
#include "session.h"

#include <inttypes.h>
#include <string.h>

#include "key.h"

void session_report_recovery(alex_store *store, enum session_access access)
{
    struct alex_open_report found;
    alex_store_open_report(store, &found);
    const char *done = access == SESSION_READ ? "passed over" : "cut off";
    if (found.cut_bytes > 0 && found.clean) {
        report(STATUS_OK,
               "%s %" PRIu64 " bytes in %s from byte %" PRIu64
               " on: the store was closed there, and something else has written them since",
               done, found.cut_bytes, found.cut_path, found.cut_offset);
    } else if (found.cut_bytes > 0) {
        report(STATUS_OK,
               "the store's last use did not end cleanly: %s %" PRIu64
               " bytes of writes that never reached the disk whole, in %s from byte %" PRIu64 " on",
               done, found.cut_bytes, found.cut_path, found.cut_offset);
    }
    if (!found.clean && found.records_dropped > 0) {
        report(STATUS_OK,
               "the store's last use did not end cleanly: %" PRIu64
               " records of a batch or load that was not complete are without effect",
               found.records_dropped);
    }
}

static enum status open_table(struct session *session, const char *path, const char *name)
{
    struct alex_table_options options = {.mode = ALEX_MUST_EXIST};
    int code = alex_table_open(session->store, name, &options, &session->table);
    if (code == ALEX_NOT_FOUND) {
        return report(STATUS_STORE,
                      "%s has no table \"%s\": `alexstorage tables` lists them, `alexstorage create --table` makes one",
                      path, name);
    }
    if (code != ALEX_OK) {
        return report_store(session->store, code);
    }
    session->order = alex_table_key_order(session->table);
    return STATUS_OK;
}

enum status session_open(struct session *session, const char *path, enum session_access access, const char *table_name,
                         struct alex_error *out_damage)
{
    *session = (struct session){0};
    struct alex_error error = {0};
    struct alex_options options = {
        .mode = ALEX_MUST_EXIST,
        .read_only = access == SESSION_READ,
        .no_background = access == SESSION_READ,
        .error = &error,
    };
    int code = alex_open(path, &options, &session->store);
    if (code == ALEX_NO_STORE) {
        return report(STATUS_STORE, "there is no store at %s: make one with `alexstorage create %s`", path, path);
    }
    if (code == ALEX_DAMAGED && out_damage != NULL) {
        *out_damage = error;
        return STATUS_DAMAGED;
    }
    if (code != ALEX_OK) {
        return report_detail(&error, code);
    }
    session_report_recovery(session->store, access);

    enum status status = table_name != NULL ? open_table(session, path, table_name) : STATUS_OK;
    if (status == STATUS_OK && access == SESSION_READ) {
        code = alex_begin(session->store, ALEX_READ, &session->txn);
        status = code != ALEX_OK ? report_store(session->store, code) : STATUS_OK;
    }
    return status == STATUS_OK ? STATUS_OK : session_close(session, status);
}

enum status session_close(struct session *session, enum status status)
{
    alex_end(session->txn);
    int code = alex_close(session->store);
    if (code != ALEX_OK && status == STATUS_OK) {
        status = report(status_of_failure(code), "what was written last could not be made durable: %s",
                        alex_code_text(code));
    }
    *session = (struct session){0};
    return status;
}

enum status session_parse_key(const struct session *session, const char *text, int64_t *out_key)
{
    char message[MESSAGE_SIZE];
    if (!key_parse(text, strlen(text), session->order, out_key, message)) {
        return report(STATUS_USAGE, "%s", message);
    }
    return STATUS_OK;
}
