/* SPDX-License-Identifier: Apache-2.0 */
/** @file main.c
 *  A user's program: keeps one value in the store that its argument names, and reads it back. */
#include <alexstorage.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    alex_store *store;
    char value[8];
    size_t size;

    if (argc != 2)
        return 2;
    int code = alex_open(argv[1], NULL, &store);
    if (code != ALEX_OK) {
        fprintf(stderr, "%s\n", alex_code_text(code));
        return 1;
    }
    if (alex_put(alex_main_table(store), 42, "Ada", 3, NULL) != ALEX_OK)
        return 1;
    if (alex_get(alex_main_table(store), 42, value, sizeof value, &size) != ALEX_OK)
        return 1;
    if (size != 3 || memcmp(value, "Ada", 3) != 0)
        return 1;
    if (alex_close(store) != ALEX_OK)
        return 1;
    puts(alex_version());
    return 0;
}
