/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ref.h
 * A reference to a record, in 64 bits: what the index holds for a key. Never 0. In memory only, and as the previous
 * address in records, where it means nothing to a later process.
 *
 *     bits  0-44  address in units of 8 bytes: slot << segment shift | offset
 *     bit  45     the record is a tombstone (DELETE)
 *     bits 46-63  the record's size in units of 8 bytes, or LOG_REF_UNITS_MAX if it is that large or larger
 *
 * The size is here so that an overwrite can count the old record's bytes as dead, and a read can fetch all of a
 * record's lines at once, without looking at the record first; and the tombstone's bit, so that the absence of a
 * deleted key costs no read either.
 */
#ifndef LOG_REF_H
#define LOG_REF_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_REF_ADDRESS_BITS 45
#define LOG_REF_TOMBSTONE ((uint64_t)1 << LOG_REF_ADDRESS_BITS)
#define LOG_REF_UNITS_SHIFT (LOG_REF_ADDRESS_BITS + 1)
#define LOG_REF_UNITS_MAX (((uint64_t)1 << (64 - LOG_REF_UNITS_SHIFT)) - 1)

/** Addresses are below this: 256 TiB. */
#define LOG_ADDRESS_LIMIT ((uint64_t)1 << (LOG_REF_ADDRESS_BITS + 3))

static inline uint64_t log_ref_make(uint64_t address, uint64_t record_bytes, bool tombstone)
{
    uint64_t units = record_bytes / 8;
    units = units < LOG_REF_UNITS_MAX ? units : LOG_REF_UNITS_MAX;
    return address / 8 | (tombstone ? LOG_REF_TOMBSTONE : 0) | units << LOG_REF_UNITS_SHIFT;
}

static inline uint64_t log_ref_address(uint64_t ref)
{
    return (ref & (LOG_REF_TOMBSTONE - 1)) * 8;
}

static inline bool log_ref_is_tombstone(uint64_t ref)
{
    return (ref & LOG_REF_TOMBSTONE) != 0;
}

/** Whether an index entry, 0 where there is none, leads to a value. */
static inline bool log_ref_is_value(uint64_t ref)
{
    return ref != 0 && !log_ref_is_tombstone(ref);
}

/** The record's size in bytes; LOG_REF_UNITS_MAX * 8 stands for that or more. */
static inline uint64_t log_ref_bytes(uint64_t ref)
{
    return (ref >> LOG_REF_UNITS_SHIFT) * 8;
}

#endif /* LOG_REF_H */
