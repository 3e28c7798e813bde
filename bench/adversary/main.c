/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file main.c
 * alexstorage-bench-adversary: an attack's keys, for alexstorage-bench --distribution file:PATH.
 *
 * The attack is on the tree that the benchmark's runs have after reopening what they loaded: evenly spread keys were
 * entered in the order of the log, which has each batch's keys sorted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "support/adversary.h"
#include "support/keysets.h"

/** Keys of the batches that the benchmark loads. */
#define BATCH_KEYS ((size_t)1000)

static const char help[] =
    "Usage: alexstorage-bench-adversary AIM LOADED ATTACKS > FILE\n"
    "Writes LOADED evenly spread keys and ATTACKS keys that someone picks who reads the index's nodes, a decimal int64 "
    "a\n"
    "line, for\n"
    "\n"
    "  alexstorage-bench --workloads insert --keys LOADED --ops ATTACKS/2 --distribution file:FILE\n"
    "\n"
    "AIM is uniform, for evenly spread keys again, or one of:";

static void print_help(void)
{
    fputs(help, stderr);
    for (enum aim aim = 0; aim < AIMS; aim++) {
        fprintf(stderr, " %s", adversary_name(aim));
    }
    fputc('\n', stderr);
}

static _Noreturn void no_memory(void)
{
    fputs("alexstorage-bench-adversary: out of memory\n", stderr);
    exit(1);
}

/** Enters a key and prints the int64 that the store would take for it. */
static void enter(struct index *index, uint64_t key)
{
    struct index_position position;
    if (index_prepare(index, key, &position) != 0) {
        no_memory();
    }
    index_set(index, &position, 1);
    printf("%" PRId64 "\n", (int64_t)(key ^ UINT64_C(1) << 63));
}

/** @return AIMS if there is no such aim */
static enum aim aim_named(const char *name)
{
    enum aim aim = 0;
    while (aim < AIMS && strcmp(adversary_name(aim), name) != 0) {
        aim++;
    }
    return aim;
}

int main(int argument_count, char **arguments)
{
    size_t loaded = argument_count == 4 ? strtoul(arguments[2], NULL, 10) : 0;
    size_t attacks = argument_count == 4 ? strtoul(arguments[3], NULL, 10) : 0;
    enum aim aim = argument_count == 4 ? aim_named(arguments[1]) : AIMS;
    if (loaded == 0 || attacks == 0 || (aim == AIMS && strcmp(arguments[1], "uniform") != 0)) {
        print_help();
        return 2;
    }
    struct index_pool *pool;
    struct index *index;
    struct adversary adversary;
    uint64_t *keys = calloc(loaded + attacks, sizeof *keys);
    if (keys == NULL || index_pool_create(NULL, &pool) != 0 || index_create(pool, &index) != 0) {
        no_memory();
    }
    keyset_make(KEYSET_UNIFORM, keys, loaded + attacks, 3);
    for (size_t i = 0; i < loaded; i += BATCH_KEYS) {
        keyset_sort(keys + i, loaded - i < BATCH_KEYS ? loaded - i : BATCH_KEYS);
    }
    adversary_begin(&adversary, aim);
    for (size_t i = 0; i < loaded + attacks; i++) {
        enter(index, i < loaded || aim == AIMS ? keys[i] : adversary_next(&adversary, index));
    }
    index_destroy(index);
    index_pool_destroy(pool);
    free(keys);
    return fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}
