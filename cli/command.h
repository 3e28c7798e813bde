/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command.h
 * The tool's commands. Each takes what follows its name on the command line.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "report.h"

typedef enum status command_run(int argc, char **argv);

command_run command_create;
command_run command_put;
command_run command_get;
command_run command_delete;
command_run command_scan;
command_run command_floor;
command_run command_ceiling;
command_run command_load;
command_run command_dump;
command_run command_stat;
command_run command_check;
command_run command_salvage;
command_run command_tables;
command_run command_drop;
command_run command_rename;

#endif /* CLI_COMMAND_H */
