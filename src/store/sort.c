/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sort.c
 * Stable sorting of entries by key: insertion for few, radix for many.
 *
 * Where many keys differ in their upper digits, as random ones do, sorting by a few of those leaves hardly anything
 * that is out of place, and insertions finish it; where they don't, the lower digits are sorted by as well.
 */
#include <string.h>

#include "store/store_internal.h"

/** Below this many entries the radix sort's counting costs more than insertions do. */
#define INSERTION_MAX 48

#define RADIX_BITS 8
#define RADIX_DIGITS (1 << RADIX_BITS)

/** Bits more than those of the count that the first digits should have: one pair in 2^7 of neighbours is then left. */
#define SPREAD_BITS 6

/** Moves for each entry after which insertions are given up. */
#define MOVES_MAX 2

/** Sorts by insertion. @return false if that takes more than `moves_max` moves; the order is then any, but stable */
static bool insertion_sort(struct index_entry *entries, size_t count, size_t moves_max)
{
    size_t moves = 0;
    for (size_t i = 1; i < count; i++) {
        struct index_entry entry = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1].key > entry.key; at--) {
            entries[at] = entries[at - 1];
        }
        entries[at] = entry;
        moves += i - at;
        if (BASE_UNLIKELY(moves > moves_max)) {
            return false;
        }
    }
    return true;
}

/** Sorts by the digits from bit `low` up to bit `high`, lowest first, leaving out those in which all keys agree. */
static void radix_sort(struct index_entry *entries, size_t count, struct index_entry *scratch, uint64_t differing,
                       int low, int high)
{
    struct index_entry *from = entries;
    struct index_entry *to = scratch;
    for (int shift = low; shift < high; shift += RADIX_BITS) {
        if ((differing >> shift & (RADIX_DIGITS - 1)) == 0) {
            continue;
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

/** The bit from which the upper digits tell `count` random keys apart that differ in these bits. */
static int upper_bits_begin(size_t count, uint64_t differing)
{
    int top = 64 - __builtin_clzll(differing);
    int wanted = 64 - __builtin_clzll(count) + SPREAD_BITS;
    int digits = (wanted + RADIX_BITS - 1) / RADIX_BITS;
    return top > digits * RADIX_BITS ? top - digits * RADIX_BITS : 0;
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
        (void)insertion_sort(entries, count, SIZE_MAX);
        return;
    }
    int begin = upper_bits_begin(count, differing);
    radix_sort(entries, count, scratch, differing, begin, 64);
    if (begin > 0 && !insertion_sort(entries, count, count * MOVES_MAX)) {
        radix_sort(entries, count, scratch, differing, 0, 64);
    }
}

size_t sort_keeping_last(struct index_entry *entries, size_t count, struct index_entry *scratch)
{
    sort_entries(entries, count, scratch);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || entries[i + 1].key != entries[i].key) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}
