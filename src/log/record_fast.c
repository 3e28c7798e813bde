/* SPDX-License-Identifier: Apache-2.0 */
/** @file record_fast.c See record_fast.h. */
#include "log/record_fast.h"

#if RECORD_FAST

#include <string.h>

#include "log/record_layout.h"

#define WORD_BYTES 8

/** Values of at least this many words take base_crc32c(), which has several streams at once for them. */
#define LONG_VALUE_WORDS 32

#define WITH_CRC32C __attribute__((target("sse4.2")))

static inline uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

WITH_CRC32C static inline uint32_t header_checksum(const uint8_t *at, bool has_previous, uint32_t seed, uint64_t offset)
{
    uint64_t state = ~seed;
    state = __builtin_ia32_crc32di(state, offset);
    state = __builtin_ia32_crc32si((uint32_t)state, (uint32_t)(load(at) >> 32));
    state = __builtin_ia32_crc32di(state, load(at + AT_VALUE_BYTES));
    state = __builtin_ia32_crc32di(state, load(at + AT_KEY));
    state = __builtin_ia32_crc32di(state, load(at + AT_NUMBER_AND_KIND));
    if (has_previous) {
        state = __builtin_ia32_crc32di(state, load(at + AT_PREVIOUS));
    }
    return ~(uint32_t)state;
}

/** Of a value of `words` words, the last of which may be padded. */
WITH_CRC32C static inline uint32_t value_checksum(const uint8_t *value, uint64_t value_bytes, uint64_t words)
{
    if (words == 0) {
        return 0;
    }
    if (words >= LONG_VALUE_WORDS) {
        return base_crc32c(0, value, value_bytes);
    }
    uint64_t state = UINT32_MAX;
    for (; words > 1; words--, value += WORD_BYTES, value_bytes -= WORD_BYTES) {
        state = __builtin_ia32_crc32di(state, load(value));
    }
    /* The last 1 to 8 bytes without a branch on how many: a state of zero stays zero over leading zeros, and where
     * bytes and state are of one length, the checksum of the bytes from that state is that of their sum from zero. */
    unsigned bits = (unsigned)value_bytes * 8;
    uint64_t sum = (load(value) ^ state) << ((64 - bits) & 63);
    return ~(uint32_t)(__builtin_ia32_crc32di(0, sum) ^ state >> (bits / 2 & 63) >> (bits / 2 & 63));
}

uint32_t record_fast_value_checksum(const uint8_t *value, uint64_t value_bytes)
{
    return value_checksum(value, value_bytes, (value_bytes + WORD_BYTES - 1) / WORD_BYTES);
}

uint32_t record_fast_header_checksum(const uint8_t *at, bool has_previous, uint32_t seed, uint64_t offset)
{
    return header_checksum(at, has_previous, seed, offset);
}

WITH_CRC32C bool record_fast_read(const uint8_t *at, uint64_t bytes, uint32_t seed, uint64_t offset, bool verify,
                                  uint32_t table, uint64_t key, struct record *out_record)
{
    uint64_t checksums = load(at);
    uint64_t size_and_table = load(at + AT_VALUE_BYTES);
    uint64_t number_and_kind = load(at + AT_NUMBER_AND_KIND);
    unsigned kind_and_flags = (unsigned)(number_and_kind >> KIND_SHIFT);
    bool has_previous = (kind_and_flags & RECORD_FLAG_PREVIOUS) != 0;
    uint64_t header_bytes = record_header_bytes(has_previous);
    uint64_t value_bytes = (uint32_t)size_and_table;
    if (BASE_UNLIKELY(record_bytes(value_bytes, has_previous) != bytes)) {
        return false;
    }
    uint64_t wrong = ((kind_and_flags & ~RECORD_FLAGS_KNOWN) ^ RECORD_PUT) | ((size_and_table >> 32) ^ table) |
                     (load(at + AT_KEY) ^ key);
    if (verify) {
        wrong |= header_checksum(at, has_previous, seed, offset) ^ (uint32_t)checksums;
        wrong |=
            value_checksum(at + header_bytes, value_bytes, (bytes - header_bytes) / WORD_BYTES) ^ (checksums >> 32);
    }
    if (BASE_UNLIKELY(wrong != 0)) {
        return false;
    }
    out_record->kind = RECORD_PUT;
    out_record->flags = kind_and_flags & RECORD_FLAGS_KNOWN;
    out_record->table = table;
    out_record->key = key;
    out_record->number = number_and_kind & RECORD_NUMBER_MAX;
    out_record->previous = has_previous ? load(at + AT_PREVIOUS) : 0;
    out_record->value = at + header_bytes;
    out_record->value_bytes = (uint32_t)value_bytes;
    out_record->value_checksum = (uint32_t)(checksums >> 32);
    out_record->header_checksum = (uint32_t)checksums;
    out_record->bytes = bytes;
    return true;
}

#endif
