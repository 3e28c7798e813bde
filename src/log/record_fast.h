/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file record_fast.h
 * Reading and completing the common record with the processor's CRC32C instruction (SSE 4.2).
 *
 * A read waits for the record's cache lines, and a branch on what they hold is decided only when they have come: if it
 * was predicted wrong, nothing behind it has been begun meanwhile. So the reader here is told the record's size, which
 * its reference holds, loops by that, and draws all that it checks together into one branch. It knows only what nearly
 * every read meets, a PUT; whatever else it finds it leaves to record_decode(), which says what is wrong.
 */
#ifndef LOG_RECORD_FAST_H
#define LOG_RECORD_FAST_H

#include "base/base.h"
#include "log/record.h"

#if defined(__x86_64__) && !defined(ALEX_PORTABLE)
#define RECORD_FAST 1
#else
#define RECORD_FAST 0
#endif

#if RECORD_FAST
/** Whether the processor has what this needs. */
static inline bool record_fast_usable(void)
{
    return BASE_LIKELY(base_crc32c_hardware);
}

/**
 * Reads the record at `at` if it is a good PUT of this table and key.
 *
 * @param bytes   the record's size according to its reference; all of it may be read
 * @param verify  false leaves both checksums out
 * @return false if it is anything else, or not good
 */
bool record_fast_read(const uint8_t *at, uint64_t bytes, uint32_t seed, uint64_t offset, bool verify, uint32_t table,
                      uint64_t key, struct record *out_record);

/** The checksum of a value behind which its padding can be read. */
uint32_t record_fast_value_checksum(const uint8_t *value, uint64_t value_bytes);

/** The checksum of a header whose other fields are in place. */
uint32_t record_fast_header_checksum(const uint8_t *at, bool has_previous, uint32_t seed, uint64_t offset);
#endif

#endif /* LOG_RECORD_FAST_H */
