/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file report.c
 * Messages on stderr.
 */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"

enum status report(enum status status, const char *format, ...)
{
    progress_erase();
    va_list arguments;
    va_start(arguments, format);
    fputs("alexstorage: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

enum status status_of_failure(int code)
{
    return code == ALEX_DAMAGED ? STATUS_DAMAGED : STATUS_STORE;
}

enum status report_detail(const struct alex_error *error, int code)
{
    /* An answer such as ALEX_EXISTS leaves no detail; what is kept is then of an earlier failure. */
    bool detailed = error->code == code && error->message[0] != '\0';
    const char *message = detailed ? error->message : alex_code_text(code);
    char place[640] = "";
    size_t used = 0;
    if (detailed && error->path[0] != '\0') {
        used += (size_t)snprintf(place, sizeof place, "%s: ", error->path);
    }
    if (detailed && error->has_offset) {
        snprintf(place + used, sizeof place - used, "at byte %" PRIu64 ": ", error->offset);
    }
    const char *reason = detailed && error->os_errno != 0 ? strerror(error->os_errno) : "";
    if (strstr(message, reason) != NULL) {
        return report(status_of_failure(code), "%s%s", place, message);
    }
    return report(status_of_failure(code), "%s%s (%s)", place, message, reason);
}

enum status report_store(alex_store *store, int code)
{
    struct alex_error error;
    alex_store_error(store, &error);
    return report_detail(&error, code);
}

enum status status_first(enum status first, enum status second)
{
    return first != STATUS_OK ? first : second;
}
