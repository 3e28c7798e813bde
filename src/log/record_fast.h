/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file record_fast.h
 * Reading and completing the common record with the processor's CRC32C instruction (SSE 4.2). Inlined, for the files of
 * src/log.
 *
 * A read waits for the record's cache lines, and a branch on what they hold is decided only when they have come: if it
 * was predicted wrong, nothing behind it has been begun meanwhile, though the next read could be on its way. So the
 * reader here is told the record's size, which its reference holds, loops by that, and draws all that it checks
 * together into one branch. It is short for the same reason: what is begun ahead has to fit into the processor's
 * window. It knows only what nearly every read meets, a PUT; whatever else it finds it leaves to record_decode(), which
 * says what is wrong.
 */
#ifndef LOG_RECORD_FAST_H
#define LOG_RECORD_FAST_H

#if defined(__x86_64__) && !defined(ALEX_PORTABLE)
#define RECORD_FAST 1

#include <string.h>

#include "base/base.h"
#include "log/log.h"
#include "log/record_layout.h"

/** What the functions here need of the processor, and so what calls them; see record_fast_usable(). */
#define RECORD_FAST_TARGET __attribute__((target("sse4.2")))

#define RECORD_WORD_BYTES ((size_t)8)

/** Values of at least this many words take base_crc32c(), which has several streams at once for them. */
#define RECORD_LONG_VALUE_WORDS 32

/** Whether the processor has it. */
static inline bool record_fast_usable(void)
{
    return BASE_LIKELY(base_crc32c_hardware);
}

static inline uint64_t record_fast_load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/** The checksum of a header whose other fields are in place. */
RECORD_FAST_TARGET static inline uint32_t record_fast_header_checksum(const uint8_t *at, bool has_previous,
                                                                      uint32_t seed, uint64_t offset)
{
    uint64_t state = ~seed;
    state = __builtin_ia32_crc32di(state, offset);
    state = __builtin_ia32_crc32si((uint32_t)state, (uint32_t)(record_fast_load(at) >> 32));
    state = __builtin_ia32_crc32di(state, record_fast_load(at + AT_VALUE_BYTES));
    state = __builtin_ia32_crc32di(state, record_fast_load(at + AT_KEY));
    state = __builtin_ia32_crc32di(state, record_fast_load(at + AT_NUMBER_AND_KIND));
    if (has_previous) {
        state = __builtin_ia32_crc32di(state, record_fast_load(at + AT_PREVIOUS));
    }
    return ~(uint32_t)state;
}

/** The checksum of a value of `words` words, of which the last may end in padding. */
RECORD_FAST_TARGET static inline uint32_t record_fast_value_checksum(const uint8_t *value, uint64_t value_bytes,
                                                                     uint64_t words)
{
    if (BASE_UNLIKELY(words == 0)) {
        return 0;
    }
    if (words >= RECORD_LONG_VALUE_WORDS) {
        return base_crc32c(0, value, value_bytes);
    }
    uint64_t state = UINT32_MAX;
    const uint8_t *last = value + (words - 1) * RECORD_WORD_BYTES;
    const uint8_t *at = value;
    for (; (size_t)(last - at) >= 4 * RECORD_WORD_BYTES; at += 4 * RECORD_WORD_BYTES) {
        state = __builtin_ia32_crc32di(state, record_fast_load(at));
        state = __builtin_ia32_crc32di(state, record_fast_load(at + RECORD_WORD_BYTES));
        state = __builtin_ia32_crc32di(state, record_fast_load(at + 2 * RECORD_WORD_BYTES));
        state = __builtin_ia32_crc32di(state, record_fast_load(at + 3 * RECORD_WORD_BYTES));
    }
    for (; at < last; at += RECORD_WORD_BYTES) {
        state = __builtin_ia32_crc32di(state, record_fast_load(at));
    }
    /* The last 1 to 8 bytes without a branch on how many: a state of zero stays zero over leading zeros, and where
     * bytes and state are of one length, the checksum of the bytes from that state is that of their sum from zero. */
    unsigned bits = (unsigned)(value_bytes - (words - 1) * RECORD_WORD_BYTES) * 8;
    uint64_t sum = (record_fast_load(last) ^ state) << ((64 - bits) & 63);
    return ~(uint32_t)(__builtin_ia32_crc32di(0, sum) ^ state >> (bits / 2 & 63) >> (bits / 2 & 63));
}

/** record_fast_read() of a record that has a previous version or not. */
RECORD_FAST_TARGET static inline __attribute__((always_inline)) bool record_fast_read_as(
    const uint8_t *at, uint64_t bytes, uint32_t seed, uint64_t offset, bool verify, uint32_t table, uint64_t key,
    bool has_previous, struct log_value *out_value)
{
    const uint64_t header_bytes = record_header_bytes(has_previous);
    uint64_t checksums = record_fast_load(at);
    uint64_t size_and_table = record_fast_load(at + AT_VALUE_BYTES);
    uint64_t number_and_kind = record_fast_load(at + AT_NUMBER_AND_KIND);
    unsigned kind_and_flags = (unsigned)(number_and_kind >> KIND_SHIFT);
    uint64_t value_bytes = (uint32_t)size_and_table;
    if (BASE_UNLIKELY(record_bytes(value_bytes, has_previous) != bytes)) {
        return false;
    }
    uint64_t wrong = ((kind_and_flags & ~RECORD_FLAGS_KNOWN) ^ RECORD_PUT) | ((size_and_table >> 32) ^ table) |
                     (record_fast_load(at + AT_KEY) ^ key);
    if (verify) {
        uint64_t words = (bytes - header_bytes) / RECORD_WORD_BYTES;
        wrong |= record_fast_header_checksum(at, has_previous, seed, offset) ^ (uint32_t)checksums;
        wrong |= record_fast_value_checksum(at + header_bytes, value_bytes, words) ^ (checksums >> 32);
    }
    if (BASE_UNLIKELY(wrong != 0)) {
        return false;
    }
    *out_value =
        (struct log_value){at + header_bytes, value_bytes, bytes - header_bytes, number_and_kind & RECORD_NUMBER_MAX};
    return true;
}

/**
 * Gives the value of the record at `at` if that is a good PUT of this table and key.
 *
 * @param bytes   the record's size according to its reference, at least RECORD_HEADER_BYTES; all of it may be read
 * @param verify  false leaves both checksums out
 * @return false if it is anything else, or not good
 */
RECORD_FAST_TARGET static inline bool record_fast_read(const uint8_t *at, uint64_t bytes, uint32_t seed,
                                                       uint64_t offset, bool verify, uint32_t table, uint64_t key,
                                                       struct log_value *out_value)
{
    /* Twice the code, so that how far loops go depends on `bytes` alone. */
    if (BASE_UNLIKELY((at[RECORD_HEADER_BYTES - 1] & RECORD_FLAG_PREVIOUS) != 0)) {
        return record_fast_read_as(at, bytes, seed, offset, verify, table, key, true, out_value);
    }
    return record_fast_read_as(at, bytes, seed, offset, verify, table, key, false, out_value);
}

#else
#define RECORD_FAST 0
#endif

#endif /* LOG_RECORD_FAST_H */
