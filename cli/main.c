/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file main.c
 * The command-line tool: finds the command and runs it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <alexstorage.h>

#include "command.h"
#include "report.h"

static const struct {
    const char *name;
    const char *summary;
    command_run *run;
} commands[] = {
    {"create", "make a store, or a table in one", command_create},
    {"put", "set the value of a key", command_put},
    {"get", "print the values of keys", command_get},
    {"delete", "delete keys", command_delete},
    {"scan", "print or count entries in the order of their keys", command_scan},
    {"floor", "print the entry with the greatest key not above a key", command_floor},
    {"ceiling", "print the entry with the least key not below a key", command_ceiling},
    {"load", "load a file of CSV, TSV or JSON lines", command_load},
    {"dump", "write a table as CSV, TSV or JSON lines", command_dump},
    {"stat", "print figures of a store and its tables", command_stat},
    {"check", "verify everything in a store", command_check},
    {"salvage", "write what is whole in a damaged store into a new one", command_salvage},
    {"tables", "list the tables", command_tables},
    {"drop", "drop a table with all that is in it", command_drop},
    {"rename", "give a table another name", command_rename},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_help(void)
{
    puts("Usage: alexstorage COMMAND [OPTION]... STORE [ARGUMENT]...\n"
         "\n"
         "A store is a directory of ordered tables with 64-bit integer keys and values of any bytes.\n"
         "\n"
         "Commands:");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        printf("  %-9s %s\n", commands[i].name, commands[i].summary);
    }
    puts("\n"
         "`alexstorage COMMAND --help` tells more of each; `alexstorage --version` prints the version.\n"
         "\n"
         "Exit codes:\n"
         "  0  done\n"
         "  1  the key asked for isn't there (put --if-absent: is there already)\n"
         "  2  the command line makes no sense\n"
         "  3  the store can't be opened, read or written, or has no such table\n"
         "  4  the store is damaged\n"
         "  5  the input can't be read or parsed, or the output can't be written");
}

static enum status run_command(int argc, char **argv)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    return report(STATUS_USAGE, "there is no command \"%s\": `alexstorage --help` lists them", argv[1]);
}

int main(int argc, char **argv)
{
    /* A reader that goes away is seen as EPIPE, and a limit on the size of files as EFBIG, so that the store is closed
     * in order all the same. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);

    enum status status = STATUS_OK;
    if (argc < 2) {
        status = report(STATUS_USAGE, "give a command: `alexstorage --help` lists them");
    } else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
    } else if (strcmp(argv[1], "--version") == 0) {
        printf("alexstorage %s\n", alex_version());
    } else {
        status = run_command(argc, argv);
    }
    if (fclose(stdout) != 0 && errno != EPIPE) {
        status = status_first(status, report(STATUS_DATA, "cannot write stdout: %s", strerror(errno)));
    }
    return (int)status;
}
