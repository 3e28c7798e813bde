/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file record.h
 * The bytes of records and segment headers: docs/FORMAT.md, "Records" and "Segments". Pure functions on memory.
 */
#ifndef LOG_RECORD_H
#define LOG_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_ALIGNMENT 8
#define RECORD_HEADER_BYTES 32
#define RECORD_PREVIOUS_BYTES 8
#define RECORD_NUMBER_MAX (((uint64_t)1 << 56) - 1)
#define RECORD_VALUE_MAX ((uint32_t)1 << 30)
#define RECORD_STORE_ID_BYTES 16

enum record_kind {
    RECORD_PUT = 1,
    RECORD_DELETE = 2,
    RECORD_COMMIT = 3,
    RECORD_ABORT = 4,
    RECORD_MARK = 5,
    RECORD_SEAL = 6,
    RECORD_TABLE = 7,
    RECORD_DROP = 8,
    RECORD_RENAME = 9,
};
#define RECORD_KIND_LAST RECORD_RENAME

#define RECORD_FLAG_PREVIOUS 0x10u
#define RECORD_FLAG_GROUPED 0x20u
#define RECORD_FLAGS_KNOWN (RECORD_FLAG_PREVIOUS | RECORD_FLAG_GROUPED)

#define RECORD_COMMIT_VALUE_BYTES 32
#define RECORD_ABORT_VALUE_BYTES 16
#define RECORD_MARK_VALUE_BYTES 8

/** A record, decoded. */
struct record {
    enum record_kind kind;
    unsigned flags;
    uint32_t table;
    uint64_t key;
    uint64_t number;
    uint64_t previous;    /**< only with RECORD_FLAG_PREVIOUS, else 0 */
    const uint8_t *value; /**< within the record's memory */
    uint32_t value_bytes;
    uint32_t value_checksum;
    uint32_t header_checksum;
    uint64_t bytes; /**< header, value and padding */
};

/** Size of a record's header. */
static inline uint64_t record_header_bytes(bool has_previous)
{
    return has_previous ? RECORD_HEADER_BYTES + RECORD_PREVIOUS_BYTES : RECORD_HEADER_BYTES;
}

/** Size of a record: header, value and padding. */
static inline uint64_t record_bytes(uint64_t value_bytes, bool has_previous)
{
    uint64_t bytes = record_header_bytes(has_previous) + value_bytes;
    return (bytes + RECORD_ALIGNMENT - 1) & ~(uint64_t)(RECORD_ALIGNMENT - 1);
}

/** The checksum state that all record checksums of a file start from. */
uint32_t record_seed(const uint8_t store_id[RECORD_STORE_ID_BYTES], uint64_t file_id);

/**
 * Completes a record whose value is already in its place behind the header: writes padding, value checksum and header.
 *
 * @param at       the record's memory: record->bytes long
 * @param seed     of the file it lies in
 * @param offset   its offset in that file
 * @param record   kind, flags, table, key, number, previous, value_bytes; its bytes and checksums are filled in
 */
void record_finish(uint8_t *at, uint32_t seed, uint64_t offset, struct record *record);

/** What stands at a place where a record might be. */
enum record_state {
    RECORD_GOOD,  /**< header whole and sensible; the value is not looked at */
    RECORD_BAD,   /**< not a record of this place */
    RECORD_NEWER, /**< whole, but of a kind or with flags that this version doesn't know */
};

/**
 * Decodes the record at `at`. Trusts nothing: reads no byte at or beyond at + available.
 *
 * @param verify  false leaves the header checksum out, and then any lengths are still within bounds
 */
enum record_state record_decode(const uint8_t *at, uint64_t available, uint32_t seed, uint64_t offset, bool verify,
                                struct record *out_record);

/** Whether the value is what its checksum was made from. Reads the padding behind it as well. */
bool record_value_good(const struct record *record);

/** Whether the bytes between the value and the record's end are zero. */
bool record_padding_good(const struct record *record);

#define SEGMENT_HEADER_BYTES 64

/** A segment's header, decoded. */
struct segment_header {
    uint8_t store_id[RECORD_STORE_ID_BYTES];
    uint64_t file_id;
    uint32_t slots;
    uint64_t first_number;
};

void segment_header_encode(uint8_t out_bytes[SEGMENT_HEADER_BYTES], const struct segment_header *header);

/** @return RECORD_GOOD, RECORD_BAD, or RECORD_NEWER for a format version or reserved field that this version doesn't
 *      know */
enum record_state segment_header_decode(const uint8_t bytes[SEGMENT_HEADER_BYTES], struct segment_header *out_header);

/** The store id that stands in a header, whether or not the header holds. */
const uint8_t *segment_header_store_id(const uint8_t bytes[SEGMENT_HEADER_BYTES]);

#endif /* LOG_RECORD_H */
