/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file quickstart.c
 * The calls of the README with all their errors handled: open, put, get, delete, close.
 *
 * Usage: quickstart [DIRECTORY]
 */
#include <stdio.h>

#include <alexstorage.h>

#include "example.h"

/** Prints what went wrong, with the detail from the store; `store` is NULL where it is closed already. */
static int report(alex_store *store, const char *call, int code)
{
    struct alex_error error = {0};
    if (store != NULL) {
        alex_store_error(store, &error);
    }
    fprintf(stderr, "%s: %s (%s)\n", call, alex_code_text(code), alex_code_name(code));
    if (error.message[0] != '\0') {
        fprintf(stderr, "  %s\n", error.message);
    }
    return code;
}

static int use(alex_store *store)
{
    alex_table *table = alex_main_table(store);
    bool replaced;
    char name[64];
    size_t size;

    int code = alex_put(table, 42, "Ada", 3, &replaced);
    if (code != ALEX_OK) {
        return report(store, "alex_put", code);
    }
    printf("42 is Ada now%s\n", replaced ? ", and was something before" : "");

    code = alex_get(table, 42, name, sizeof name, &size);
    if (code != ALEX_OK) {
        return report(store, "alex_get", code);
    }
    printf("42: %.*s, %zu bytes\n", (int)size, name, size);

    code = alex_delete(table, 42);
    if (code != ALEX_OK) {
        return report(store, "alex_delete", code);
    }

    /* ALEX_NOT_FOUND is an answer, not a failure. */
    code = alex_get(table, 42, name, sizeof name, &size);
    if (code != ALEX_NOT_FOUND) {
        return report(store, "alex_get", code);
    }
    puts("42 is gone");
    return ALEX_OK;
}

/** Opens the store, uses it and closes it. @return a code */
static int run(const char *path)
{
    struct alex_error error = {0};
    struct alex_options options = ALEX_OPTIONS_DEFAULT;
    alex_store *store;

    options.error = &error; /* the detail of a failed open, as there is no store then to ask */
    int code = alex_open(path, &options, &store);
    if (code != ALEX_OK) {
        fprintf(stderr, "alex_open: %s (%s)\n  %s\n", alex_code_text(code), alex_code_name(code), error.message);
        return code;
    }

    int used = use(store);

    /* Closing makes everything durable, so its result matters too. */
    code = alex_close(store);
    if (code != ALEX_OK) {
        return report(NULL, "alex_close", code);
    }
    return used;
}

int main(int argc, char **argv)
{
    struct example_place place = example_begin(argc, argv);
    int code = run(place.store);
    example_end(&place);
    return code == ALEX_OK ? 0 : 1;
}
