/* SPDX-License-Identifier: Apache-2.0 */
/** @file record.c Encoding and decoding of records and segment headers. */
#include "log/record.h"

#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "log/record_fast.h"
#include "log/record_layout.h"

uint32_t record_seed(const uint8_t store_id[RECORD_STORE_ID_BYTES], uint64_t file_id)
{
    uint8_t id[8];
    bytes_store64(id, file_id);
    return base_crc32c(base_crc32c(0, store_id, RECORD_STORE_ID_BYTES), id, sizeof id);
}

/** Checksum of a header: offset and header joined in one buffer, so that it is one call over at most 44 bytes. */
static uint32_t header_checksum_portable(const uint8_t *at, uint64_t header_bytes, uint32_t seed, uint64_t offset)
{
    uint8_t joined[8 + RECORD_HEADER_BYTES + RECORD_PREVIOUS_BYTES - AT_VALUE_CHECKSUM];
    uint64_t covered = header_bytes - AT_VALUE_CHECKSUM;
    bytes_store64(joined, offset);
    memcpy(joined + 8, at + AT_VALUE_CHECKSUM, covered);
    return base_crc32c(seed, joined, 8 + covered);
}

#if RECORD_FAST
/* The processor is asked outside of what is compiled for it, as a compiler may use that anywhere in a function. */
RECORD_FAST_TARGET static uint32_t header_checksum_fast(const uint8_t *at, uint64_t header_bytes, uint32_t seed,
                                                        uint64_t offset)
{
    return record_fast_header_checksum(at, header_bytes != RECORD_HEADER_BYTES, seed, offset);
}

RECORD_FAST_TARGET static uint32_t value_checksum_fast(const uint8_t *value, uint32_t value_bytes)
{
    uint64_t words = ((uint64_t)value_bytes + RECORD_WORD_BYTES - 1) / RECORD_WORD_BYTES;
    return record_fast_value_checksum(value, value_bytes, words);
}

static uint32_t header_checksum(const uint8_t *at, uint64_t header_bytes, uint32_t seed, uint64_t offset)
{
    return record_fast_usable() ? header_checksum_fast(at, header_bytes, seed, offset)
                                : header_checksum_portable(at, header_bytes, seed, offset);
}

/** Checksum of a value that is followed by its padding. */
static uint32_t value_checksum(const uint8_t *value, uint32_t value_bytes)
{
    return record_fast_usable() ? value_checksum_fast(value, value_bytes) : base_crc32c(0, value, value_bytes);
}
#else
static uint32_t header_checksum(const uint8_t *at, uint64_t header_bytes, uint32_t seed, uint64_t offset)
{
    return header_checksum_portable(at, header_bytes, seed, offset);
}

static uint32_t value_checksum(const uint8_t *value, uint32_t value_bytes)
{
    return base_crc32c(0, value, value_bytes);
}
#endif

void record_finish(uint8_t *at, uint32_t seed, uint64_t offset, struct record *record)
{
    bool has_previous = (record->flags & RECORD_FLAG_PREVIOUS) != 0;
    uint64_t header_bytes = record_header_bytes(has_previous);
    record->bytes = record_bytes(record->value_bytes, has_previous);
    record->value = at + header_bytes;
    record->value_checksum = value_checksum(record->value, record->value_bytes);
    uint64_t used = header_bytes + record->value_bytes;
    memset(at + used, 0, record->bytes - used);

    bytes_store32(at + AT_VALUE_CHECKSUM, record->value_checksum);
    bytes_store32(at + AT_VALUE_BYTES, record->value_bytes);
    bytes_store32(at + AT_TABLE, record->table);
    bytes_store64(at + AT_KEY, record->key);
    bytes_store64(at + AT_NUMBER_AND_KIND, record->number | (uint64_t)((unsigned)record->kind | record->flags)
                                                                << KIND_SHIFT);
    if (has_previous) {
        bytes_store64(at + AT_PREVIOUS, record->previous);
    }
    record->header_checksum = header_checksum(at, header_bytes, seed, offset);
    bytes_store32(at + AT_HEADER_CHECKSUM, record->header_checksum);
}

/** Whether a record's fields fit its kind (FORMAT.md, the table of kinds). */
static bool fields_fit(const struct record *record)
{
    bool plain = record->flags == 0;
    bool of_log = plain && record->table == 0;
    switch (record->kind) { /* unreached: the kind is one of these */
    case RECORD_PUT:
        return record->table != 0;
    case RECORD_DELETE:
        return record->table != 0 && record->value_bytes == 0;
    case RECORD_COMMIT:
        return of_log && record->value_bytes == RECORD_COMMIT_VALUE_BYTES;
    case RECORD_ABORT:
        return of_log && record->value_bytes == RECORD_ABORT_VALUE_BYTES && record->key == 0;
    case RECORD_MARK:
        return of_log && record->value_bytes == RECORD_MARK_VALUE_BYTES;
    case RECORD_SEAL:
        return of_log;
    case RECORD_TABLE:
        return record->table != 0 && (record->key == ALEX_KEYS_SIGNED || record->key == ALEX_KEYS_UNSIGNED) &&
               record->value_bytes >= 1 && record->value_bytes <= ALEX_TABLE_NAME_MAX;
    case RECORD_DROP:
        return record->table != 0 && record->key == 0 && record->value_bytes == 0;
    case RECORD_RENAME:
        return record->table != 0 && record->key == 0 && record->value_bytes >= 1 &&
               record->value_bytes <= ALEX_TABLE_NAME_MAX;
    }
    return false;
}

enum record_state record_decode(const uint8_t *at, uint64_t available, uint32_t seed, uint64_t offset, bool verify,
                                struct record *out_record)
{
    if (available < RECORD_HEADER_BYTES) {
        return RECORD_BAD;
    }
    uint64_t number_and_kind = bytes_load64(at + AT_NUMBER_AND_KIND);
    unsigned kind_and_flags = (unsigned)(number_and_kind >> KIND_SHIFT);
    bool has_previous = (kind_and_flags & RECORD_FLAG_PREVIOUS) != 0;
    uint64_t header_bytes = record_header_bytes(has_previous);
    if (available < header_bytes) {
        return RECORD_BAD;
    }
    uint32_t checksum = bytes_load32(at + AT_HEADER_CHECKSUM);
    if (verify && checksum != header_checksum(at, header_bytes, seed, offset)) {
        return RECORD_BAD;
    }
    unsigned kind = kind_and_flags & KIND_MASK;
    unsigned flags = kind_and_flags & ~KIND_MASK;
    if (kind == 0 || kind > RECORD_KIND_LAST || (flags & ~RECORD_FLAGS_KNOWN) != 0) {
        return verify ? RECORD_NEWER : RECORD_BAD;
    }
    struct record record = {
        .kind = (enum record_kind)kind,
        .flags = flags,
        .table = bytes_load32(at + AT_TABLE),
        .key = bytes_load64(at + AT_KEY),
        .number = number_and_kind & RECORD_NUMBER_MAX,
        .previous = has_previous ? bytes_load64(at + AT_PREVIOUS) : 0,
        .value = at + header_bytes,
        .value_bytes = bytes_load32(at + AT_VALUE_BYTES),
        .value_checksum = bytes_load32(at + AT_VALUE_CHECKSUM),
        .header_checksum = checksum,
    };
    record.bytes = record_bytes(record.value_bytes, has_previous);
    if (record.value_bytes > RECORD_VALUE_MAX || record.bytes > available || !fields_fit(&record)) {
        return RECORD_BAD;
    }
    *out_record = record;
    return RECORD_GOOD;
}

bool record_value_good(const struct record *record)
{
    return value_checksum(record->value, record->value_bytes) == record->value_checksum;
}

bool record_padding_good(const struct record *record)
{
    bool has_previous = (record->flags & RECORD_FLAG_PREVIOUS) != 0;
    const uint8_t *end = record->value - record_header_bytes(has_previous) + record->bytes;
    for (const uint8_t *byte = record->value + record->value_bytes; byte < end; byte++) {
        if (*byte != 0) {
            return false;
        }
    }
    return true;
}

/* Offsets in a segment's header (FORMAT.md, "Segments"). */
enum {
    AT_SEGMENT_MAGIC = 0,
    AT_SEGMENT_VERSION = 8,
    AT_SEGMENT_SLOTS = 12,
    AT_SEGMENT_STORE_ID = 16,
    AT_SEGMENT_FILE_ID = 32,
    AT_SEGMENT_FIRST_NUMBER = 40,
    AT_SEGMENT_RESERVED = 48,
    AT_SEGMENT_CHECKSUM = 60,
};

#define SEGMENT_VERSION 1

static const uint8_t segment_magic[8] = "ALEXLOG";

void segment_header_encode(uint8_t out_bytes[SEGMENT_HEADER_BYTES], const struct segment_header *header)
{
    memset(out_bytes, 0, SEGMENT_HEADER_BYTES);
    memcpy(out_bytes + AT_SEGMENT_MAGIC, segment_magic, sizeof segment_magic);
    bytes_store32(out_bytes + AT_SEGMENT_VERSION, SEGMENT_VERSION);
    bytes_store32(out_bytes + AT_SEGMENT_SLOTS, header->slots);
    memcpy(out_bytes + AT_SEGMENT_STORE_ID, header->store_id, sizeof header->store_id);
    bytes_store64(out_bytes + AT_SEGMENT_FILE_ID, header->file_id);
    bytes_store64(out_bytes + AT_SEGMENT_FIRST_NUMBER, header->first_number);
    bytes_store32(out_bytes + AT_SEGMENT_CHECKSUM, base_crc32c(0, out_bytes, AT_SEGMENT_CHECKSUM));
}

enum record_state segment_header_decode(const uint8_t bytes[SEGMENT_HEADER_BYTES], struct segment_header *out_header)
{
    if (memcmp(bytes + AT_SEGMENT_MAGIC, segment_magic, sizeof segment_magic) != 0 ||
        bytes_load32(bytes + AT_SEGMENT_CHECKSUM) != base_crc32c(0, bytes, AT_SEGMENT_CHECKSUM)) {
        return RECORD_BAD;
    }
    static const uint8_t zero[AT_SEGMENT_CHECKSUM - AT_SEGMENT_RESERVED];
    if (bytes_load32(bytes + AT_SEGMENT_VERSION) > SEGMENT_VERSION ||
        memcmp(bytes + AT_SEGMENT_RESERVED, zero, sizeof zero) != 0) {
        return RECORD_NEWER;
    }
    if (bytes_load32(bytes + AT_SEGMENT_VERSION) == 0 || bytes_load32(bytes + AT_SEGMENT_SLOTS) == 0) {
        return RECORD_BAD;
    }
    memcpy(out_header->store_id, bytes + AT_SEGMENT_STORE_ID, sizeof out_header->store_id);
    out_header->file_id = bytes_load64(bytes + AT_SEGMENT_FILE_ID);
    out_header->slots = bytes_load32(bytes + AT_SEGMENT_SLOTS);
    out_header->first_number = bytes_load64(bytes + AT_SEGMENT_FIRST_NUMBER);
    return RECORD_GOOD;
}

const uint8_t *segment_header_store_id(const uint8_t bytes[SEGMENT_HEADER_BYTES])
{
    return bytes + AT_SEGMENT_STORE_ID;
}
