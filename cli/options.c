/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.c
 * Parsing of a command's arguments, and its --help.
 */
#include "options.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void print_help(const struct usage *usage)
{
    printf("Usage: alexstorage %s [OPTION]... %s\n\n%s\n\nOptions:\n", usage->command, usage->arguments,
           usage->purpose);
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct option *option = &usage->options[i];
        char forms[48];
        snprintf(forms, sizeof forms, "%c%c%c --%s%s%s", option->letter ? '-' : ' ',
                 option->letter ? option->letter : ' ', option->letter ? ',' : ' ', option->name,
                 option->argument ? " " : "", option->argument ? option->argument : "");
        printf("  %-25s  %s\n", forms, option->help);
    }
    printf("  %-25s  %s\n", "-h, --help", "print this and exit");
    if (usage->notes != NULL) {
        printf("\n%s\n", usage->notes);
    }
}

static bool parse_count(const char *text, uint64_t *out_count)
{
    uint64_t count = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || count > (UINT64_MAX - 9) / 10) {
            return false;
        }
        count = count * 10 + (uint64_t)(*at - '0');
    }
    *out_count = count;
    return count > 0;
}

/** Sets an option's target; `value` is NULL for a flag. */
static enum status set_option(const struct option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return STATUS_OK;
    case OPTION_TEXT:
        *(const char **)option->target = value;
        return STATUS_OK;
    case OPTION_COUNT:
        break;
    }
    return parse_count(value, option->target)
               ? STATUS_OK
               : report(STATUS_USAGE, "--%s takes a whole number from 1 up, not \"%s\"", option->name, value);
}

static const struct option *find_name(const struct usage *usage, const char *name, size_t length)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct option *option = &usage->options[i];
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) {
            return option;
        }
    }
    return NULL;
}

static const struct option *find_letter(const struct usage *usage, char letter)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        if (usage->options[i].letter == letter) {
            return &usage->options[i];
        }
    }
    return NULL;
}

static enum status unknown_option(const struct usage *usage, const char *text)
{
    return report(STATUS_USAGE,
                  "%s has no option \"%s\": see `alexstorage %s --help`, and put -- before arguments that begin with a "
                  "dash",
                  usage->command, text, usage->command);
}

/** Takes one "--name", "--name=value" or "--name value"; `*at` moves over what is taken. */
static enum status parse_long(const struct usage *usage, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    size_t length = strcspn(name, "=");
    const struct option *option = find_name(usage, name, length);
    if (option == NULL) {
        return unknown_option(usage, argv[*at]);
    }
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (option->kind == OPTION_FLAG && value != NULL) {
        return report(STATUS_USAGE, "--%s takes no argument", option->name);
    }
    if (option->kind != OPTION_FLAG && value == NULL) {
        if (*at + 1 == argc) {
            return report(STATUS_USAGE, "--%s needs an argument: %s", option->name, option->argument);
        }
        value = argv[++*at];
    }
    return set_option(option, value);
}

/** Takes one "-abc", "-tvalue" or "-t value". */
static enum status parse_short(const struct usage *usage, int argc, char **argv, int *at)
{
    for (const char *letter = argv[*at] + 1; *letter != '\0'; letter++) {
        const struct option *option = find_letter(usage, *letter);
        if (option == NULL) {
            return unknown_option(usage, argv[*at]);
        }
        if (option->kind != OPTION_FLAG) {
            if (letter[1] == '\0' && *at + 1 == argc) {
                return report(STATUS_USAGE, "-%c needs an argument: %s", option->letter, option->argument);
            }
            return set_option(option, letter[1] != '\0' ? letter + 1 : argv[++*at]);
        }
        set_option(option, NULL);
    }
    return STATUS_OK;
}

/** Whether an argument is an option: "-5" is a key, and "-" is stdin. */
static bool is_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && !(text[1] >= '0' && text[1] <= '9');
}

bool options_parse(const struct usage *usage, int argc, char **argv, int *out_count, enum status *out_status)
{
    int count = 0;
    bool options_end = false;
    for (int at = 0; at < argc; at++) {
        char *text = argv[at];
        enum status status = STATUS_OK;
        if (options_end || !is_option(text)) {
            argv[count++] = text;
        } else if (strcmp(text, "--") == 0) {
            options_end = true;
        } else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            print_help(usage);
            *out_status = STATUS_OK;
            return false;
        } else {
            status = text[1] == '-' ? parse_long(usage, argc, argv, &at) : parse_short(usage, argc, argv, &at);
        }
        if (status != STATUS_OK) {
            *out_status = status;
            return false;
        }
    }
    if (count < usage->least || (usage->most >= 0 && count > usage->most)) {
        *out_status = report(STATUS_USAGE, "%s takes the arguments %s: see `alexstorage %s --help`", usage->command,
                             usage->arguments, usage->command);
        return false;
    }
    *out_count = count;
    return true;
}
