/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file report.h
 * The tool's exit codes, and its messages on stderr: one sentence each, that says what to do.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <alexstorage.h>

/** Exit codes. Documented in docs/TOOL.md and `alexstorage --help`; scripts depend on the numbers. */
enum status {
    STATUS_OK = 0,
    STATUS_NOT_FOUND = 1, /**< the key or entry asked for isn't there (put --if-absent: is there already) */
    STATUS_USAGE = 2,     /**< the command line makes no sense */
    STATUS_STORE = 3,     /**< the store can't be opened, read or written, or has no such table */
    STATUS_DAMAGED = 4,   /**< bytes of the store are not what was written */
    STATUS_DATA = 5,      /**< the input can't be read or parsed, or the output can't be written */
};

/** Prints "alexstorage: <sentence>" to stderr. Returns `status`, so that a failing step reads `return report(...)`. */
enum status report(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Reports the failure of a call on a store, with the detail that the store keeps. */
enum status report_store(alex_store *store, int code);

/** Reports a failure by its detail; `code` is what the call returned. */
enum status report_detail(const struct alex_error *error, int code);

/** The exit code that goes with a call's failure. */
enum status status_of_failure(int code);

/** The worse of two outcomes: the first that is not STATUS_OK. */
enum status status_first(enum status first, enum status second);

#endif /* CLI_REPORT_H */
