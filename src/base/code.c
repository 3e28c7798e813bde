/* SPDX-License-Identifier: Apache-2.0 */
/** @file code.c The table of error codes, and the filling of error detail. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct code_row {
    int code;
    const char *name;
    const char *text;
};

#define ROW(code, text)   \
    {                     \
        code, #code, text \
    }

static const struct code_row code_table[] = {
    ROW(ALEX_OK, "success"),
    ROW(ALEX_NOT_FOUND, "there is no such key, table or entry"),
    ROW(ALEX_EXISTS, "the key, table or store is already there"),
    ROW(ALEX_INVALID, "an argument or option makes no sense"),
    ROW(ALEX_TOO_LARGE, "the value, name or batch is above its limit"),
    ROW(ALEX_TOO_SMALL, "the buffer is too small for the value"),
    ROW(ALEX_READ_ONLY,
        "the store takes no writes: it was opened read-only, or by a parent process, or a write or sync failed before"),
    ROW(ALEX_BUSY, "a transaction, cursor, load or reservation must be ended first"),
    ROW(ALEX_LOCKED, "the store is open already, in this process or in another one"),
    ROW(ALEX_NO_STORE, "there is no store at this path"),
    ROW(ALEX_NOT_A_STORE, "what is at this path is not a store"),
    ROW(ALEX_NEWER_FORMAT, "the store was written by a newer version of the library"),
    ROW(ALEX_DAMAGED, "bytes on disk are not what was written"),
    ROW(ALEX_NO_MEMORY, "memory or address space is used up"),
    ROW(ALEX_NO_SPACE, "the disk or a quota is full"),
    ROW(ALEX_NO_PERMISSION, "the operating system denied access"),
    ROW(ALEX_IO, "an operation of the operating system failed"),
    ROW(ALEX_MISUSE, "a handle was used after its end"),
    ROW(ALEX_CONFLICT, "the value is another one than the call expects"),
};

static const struct code_row *code_find(int code)
{
    for (size_t i = 0; i < sizeof code_table / sizeof code_table[0]; i++) {
        if (code_table[i].code == code) {
            return &code_table[i];
        }
    }
    return NULL;
}

const char *alex_code_name(int code)
{
    const struct code_row *row = code_find(code);
    return row != NULL ? row->name : "ALEX_UNKNOWN";
}

const char *alex_code_text(int code)
{
    const struct code_row *row = code_find(code);
    return row != NULL ? row->text : "this is not a result of AlexStorage";
}

#define TEXT_OF(number) #number
#define VERSION_OF(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *alex_version(void)
{
    return VERSION_OF(ALEX_VERSION_MAJOR, ALEX_VERSION_MINOR, ALEX_VERSION_PATCH);
}

static void fail(struct alex_error *error, int code, int os_errno, const char *path, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

static void fail(struct alex_error *error, int code, int os_errno, const char *path, const char *format, va_list args)
{
    if (error == NULL) {
        return;
    }
    *error = (struct alex_error){.code = code, .os_errno = os_errno};
    (void)snprintf(error->path, sizeof error->path, "%s", path != NULL ? path : "");
    (void)vsnprintf(error->message, sizeof error->message, format, args);
}

void base_note_failure(struct alex_error *error, int code, int os_errno, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(error, code, os_errno, path, format, args);
    va_end(args);
}

void base_note_failure_at(struct alex_error *error, int code, const char *path, uint64_t offset, const char *format,
                          ...)
{
    va_list args;
    va_start(args, format);
    fail(error, code, 0, path, format, args);
    va_end(args);
    if (error != NULL) {
        error->has_offset = true;
        error->offset = offset;
    }
}

_Noreturn void base_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "alexstorage: %s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

#ifdef BASE_INTERRUPTS
void (*base_interrupt)(void) = NULL;
#endif
