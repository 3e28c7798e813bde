/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bulkload.c
 * Loading a stream of a million entries in no order as one atomic step, and what the index makes of them.
 *
 * Usage: bulkload [DIRECTORY]
 */
#include <inttypes.h>

#include "example.h"

#define COUNT 1000000u

/** The i-th key: an odd factor scatters the numbers over 64 bits without repeats. */
static int64_t key_of(uint64_t i)
{
    return (int64_t)(i * 0x9e3779b97f4a7c15u);
}

static void load(alex_table *table, uint64_t first, uint64_t count)
{
    alex_loader *loader;
    uint64_t added, replaced;
    double begin = example_seconds();
    MUST(alex_loader_open(table, &loader));
    for (uint64_t i = first; i < first + count; i++) {
        char value[32];
        int length = snprintf(value, sizeof value, "entry %" PRIu64, i);
        MUST(alex_loader_add(loader, key_of(i), value, (size_t)length));
    }

    /* Nothing is to be seen before the commit; without it, alex_loader_close() drops the load. */
    EXPECT(alex_exists(table, key_of(first + count - 1)) == ALEX_NOT_FOUND);
    MUST(alex_loader_commit(loader, &added, &replaced));
    alex_loader_close(loader);
    printf("%" PRIu64 " entries in %.2f s: %" PRIu64 " new, %" PRIu64 " replaced\n", count, example_seconds() - begin,
           added, replaced);
    EXPECT(added + replaced == count);
}

int main(int argc, char **argv)
{
    struct example_place place = example_begin(argc, argv);
    struct alex_table_stats stats;
    alex_store *store;
    alex_table *table;
    char value[32];
    size_t size;

    MUST(alex_open(place.store, NULL, &store));
    int code = alex_table_drop(store, "entries"); /* of an earlier run in the same directory */
    EXPECT(code == ALEX_OK || code == ALEX_NOT_FOUND);
    MUST(alex_table_open(store, "entries", NULL, &table));
    load(table, 0, COUNT);
    load(table, COUNT / 2, COUNT); /* into a filled table: the first half of these is there already */

    MUST(alex_get(table, key_of(COUNT), value, sizeof value, &size));
    EXPECT(size == strlen("entry 1000000") && memcmp(value, "entry 1000000", size) == 0);

    MUST(alex_table_stat(table, &stats));
    EXPECT(stats.keys == COUNT + COUNT / 2);
    printf("%" PRIu64 " keys, index of %.1f bytes a key, depth %" PRIu32
           ", %.0f %% of keys in the cache line predicted\n",
           stats.keys, (double)stats.index_bytes / (double)stats.keys, stats.depth, stats.predicted_line_share * 100);
    MUST(alex_close(store));
    example_end(&place);
    return 0;
}
