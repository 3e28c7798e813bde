/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scratch.h
 * What fuzz targets of whole stores share: a directory that is made anew for each input, and what is tried on the store
 * in it.
 */
#ifndef FUZZ_SCRATCH_H
#define FUZZ_SCRATCH_H

#include <stddef.h>
#include <stdlib.h>

#include <alexstorage.h>

#define CLAIM(condition) ((condition) ? (void)0 : abort())

/** Empties the directory. The first call chooses one of the process's own, in memory where there is such a place, has
 *  it removed when the process ends, and has syncs do nothing. @return its path */
const char *scratch_clear(void);

/** Makes a file of these bytes and so many zeroes behind them. */
void scratch_write(const char *name, const void *data, size_t size, size_t zeroes);

/** Looks at an entry that a store gives. */
typedef void scratch_visit(const alex_table *table, const struct alex_entry *entry);

/**
 * Opens the store read-only, twice, salvages it, then opens it for writing, writes to it, and opens it again; reads and
 * checks everything each time.
 *
 * Claims: a store that can't be opened is refused with one of the codes that say what is wrong with it, and left as it
 * is; one that can has the same in it each time; read-only nothing is touched; what is written is there after the next
 * opening, which is clean. A salvage touches nothing in the store either, and what it makes is whole; if it finds
 * nothing to tell, it has everything.
 *
 * @param visit  optional: called with every entry that is read
 */
void scratch_exercise(scratch_visit *visit);

#endif /* FUZZ_SCRATCH_H */
