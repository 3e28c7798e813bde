/* SPDX-License-Identifier: Apache-2.0 */
/** @file sort.c Stable sorting of entries by key: insertion for few, radix for many. */
#include <string.h>

#include "store/store_internal.h"

/** Below this many entries the radix sort's counting costs more than insertions do. */
#define INSERTION_MAX 48

#define RADIX_BITS 8
#define RADIX_DIGITS (1 << RADIX_BITS)

static void insertion_sort(struct index_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct index_entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1].key > entry.key; at--) {
            entries[at] = entries[at - 1];
        }
        entries[at] = entry;
    }
}

void sort_entries(struct index_entry *entries, size_t count, struct index_entry *scratch)
{
    uint64_t differing = 0;
    bool sorted = true;
    for (size_t i = 1; i < count; i++) {
        differing |= entries[i].key ^ entries[0].key;
        sorted = sorted && entries[i - 1].key <= entries[i].key;
    }
    if (sorted) {
        return;
    }
    if (count <= INSERTION_MAX) {
        insertion_sort(entries, count);
        return;
    }
    struct index_entry *from = entries;
    struct index_entry *to = scratch;
    for (int shift = 0; shift < 64; shift += RADIX_BITS) {
        if ((differing >> shift & (RADIX_DIGITS - 1)) == 0) {
            continue; /* all keys agree in this digit */
        }
        size_t starts[RADIX_DIGITS] = {0};
        for (size_t i = 0; i < count; i++) {
            starts[from[i].key >> shift & (RADIX_DIGITS - 1)]++;
        }
        size_t start = 0;
        for (size_t digit = 0; digit < RADIX_DIGITS; digit++) {
            size_t digit_count = starts[digit];
            starts[digit] = start;
            start += digit_count;
        }
        for (size_t i = 0; i < count; i++) {
            to[starts[from[i].key >> shift & (RADIX_DIGITS - 1)]++] = from[i];
        }
        struct index_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries) {
        memcpy(entries, from, count * sizeof *entries);
    }
}
