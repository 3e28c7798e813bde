/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.h
 * The command line of one command, declared as a table that serves both parsing and --help.
 *
 * Instead of getopt_long(), because a negative key ("-5") is an argument here and no option.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "report.h"

enum option_kind {
    OPTION_FLAG,  /**< target: bool */
    OPTION_TEXT,  /**< target: const char * */
    OPTION_COUNT, /**< target: uint64_t; 1 and up */
};

struct option {
    const char *name; /**< without its dashes */
    char letter;      /**< for the short form; 0: none */
    enum option_kind kind;
    void *target;         /**< left alone if the option isn't given */
    const char *argument; /**< what the help calls its argument; NULL for a flag */
    const char *help;
};

/** The option that all commands on one table share. */
#define OPTION_TABLE(target)                                                          \
    {                                                                                 \
        "table", 't', OPTION_TEXT, target, "NAME", "the table to use (default: main)" \
    }

struct usage {
    const char *command;
    const char *arguments; /**< for the help, such as "STORE KEY..." */
    const char *purpose;   /**< one or more lines, what the command does */
    const char *notes;     /**< optional: what follows the options */
    const struct option *options;
    size_t option_count;
    int least; /**< arguments that must be there */
    int most;  /**< that may be there; -1: any number */
};

/**
 * Sets the targets of the options given, and moves the other arguments to the front of `argv`. "--" ends the options.
 *
 * @param argc, argv  what follows the command's name
 * @param out_count   arguments at the front of `argv`
 * @param out_status  where it returns false: what to exit with
 * @return false if there is nothing more to do: help was printed, or a mistake reported
 */
bool options_parse(const struct usage *usage, int argc, char **argv, int *out_count, enum status *out_status);

#endif /* CLI_OPTIONS_H */
