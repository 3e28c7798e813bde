/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file written.h
 * Values that say themselves what they are: which table and key they were written to, as which version, and whether
 * they were ever committed. So that any value that a store hands out can be judged without knowing its history.
 */
#ifndef SUPPORT_WRITTEN_H
#define SUPPORT_WRITTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <alexstorage.h>

#define WRITTEN_MAX 128

/** A version that is never committed: no store may hold it. */
#define WRITTEN_NEVER ((uint32_t)1 << 31)

/** Makes the value. @param out_value  WRITTEN_MAX bytes @return its size */
size_t written_value(const char *table, int64_t key, uint32_t version, void *out_value);

/** Whether the value was written to that table and key, and committed. In a table whose name a salvage had to make up,
 *  it may be of any table.
 *  @param out_version  optional */
bool written_is(const char *table, int64_t key, struct alex_slice value, uint32_t *out_version);

/** Reads all entries of all tables, and counts those that were never written there: 0 is expected. Damaged records are
 *  passed over. @param out_entries  optional: those that were */
uint64_t written_count_wrong(alex_store *store, uint64_t *out_entries);

#endif /* SUPPORT_WRITTEN_H */
