/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_record.c
 * Fuzz target of the decoders of records, segment headers and manifests.
 *
 * Claims: any bytes are decoded without harm; what is taken for good lies within the bytes given and makes sense; and
 * what is good is encoded again to the same bytes.
 *
 * The first byte of an input chooses the decoder (its lowest two bits) and whether the checksum is made good first
 * (bit 2), so that the fuzzer gets behind it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "log/record.h"
#include "recovery/recovery.h"

#define CLAIM(condition) ((condition) ? (void)0 : abort())

#define SEED 0x1234ABCDu
#define OFFSET 4096u

/** Gives a record's header the checksum that its bytes ask for. */
static void seal_record(uint8_t *at, size_t size)
{
    uint8_t joined[8 + RECORD_HEADER_BYTES + RECORD_PREVIOUS_BYTES - 4];
    if (size < RECORD_HEADER_BYTES) {
        return;
    }
    uint64_t header_bytes = record_header_bytes((at[31] & RECORD_FLAG_PREVIOUS) != 0);
    if (size < header_bytes) {
        return;
    }
    bytes_store64(joined, OFFSET);
    memcpy(joined + 8, at + 4, header_bytes - 4);
    bytes_store32(at, base_crc32c(SEED, joined, 8 + header_bytes - 4));
}

static void fuzz_record(uint8_t *at, size_t size, bool seal)
{
    struct record record;
    if (seal) {
        seal_record(at, size);
    }
    if (record_decode(at, size, SEED, OFFSET, false, &record) == RECORD_GOOD) {
        CLAIM(record.value + record.value_bytes <= at + size && record.bytes <= size);
        (void)record_value_good(&record);
        (void)record_padding_good(&record);
    }
    if (record_decode(at, size, SEED, OFFSET, true, &record) != RECORD_GOOD) {
        return;
    }
    CLAIM(record.bytes <= size && record.bytes % RECORD_ALIGNMENT == 0);
    CLAIM(record.kind >= RECORD_PUT && record.kind <= RECORD_KIND_LAST);
    CLAIM(record.number <= RECORD_NUMBER_MAX && record.value_bytes <= RECORD_VALUE_MAX);
    CLAIM(record.previous == 0 || (record.flags & RECORD_FLAG_PREVIOUS) != 0);
    if (!record_value_good(&record) || !record_padding_good(&record)) {
        return;
    }
    uint8_t *again = malloc(record.bytes);
    struct record encoded = record;
    CLAIM(again != NULL);
    memcpy(again + (record.value - at), record.value, record.value_bytes);
    record_finish(again, SEED, OFFSET, &encoded);
    CLAIM(encoded.bytes == record.bytes && memcmp(again, at, record.bytes) == 0);
    free(again);
}

static void fuzz_segment_header(uint8_t *at, size_t size, bool seal)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES] = {0};
    uint8_t again[SEGMENT_HEADER_BYTES];
    struct segment_header header;
    memcpy(bytes, at, size < sizeof bytes ? size : sizeof bytes);
    if (seal) {
        bytes_store32(bytes + SEGMENT_HEADER_BYTES - 4, base_crc32c(0, bytes, SEGMENT_HEADER_BYTES - 4));
    }
    if (segment_header_decode(bytes, &header) == RECORD_GOOD) {
        CLAIM(header.slots > 0);
        segment_header_encode(again, &header);
        CLAIM(memcmp(again, bytes, sizeof bytes) == 0);
    }
}

static void fuzz_manifest(uint8_t *at, size_t size, bool seal)
{
    struct manifest manifest;
    struct alex_error error = {0};
    if (seal && size >= 4) {
        bytes_store32(at + size - 4, base_crc32c(0, at, size - 4));
    }
    int result = manifest_decode(at, size, "fuzzed", &manifest, &error);
    if (result != ALEX_OK) {
        CLAIM(result == ALEX_DAMAGED || result == ALEX_NEWER_FORMAT);
        CLAIM(error.code == result && error.message[0] != '\0');
        return;
    }
    CLAIM(size == manifest_bytes(manifest.segment_count));
    CLAIM(manifest.segment_shift >= MANIFEST_SEGMENT_SHIFT_MIN && manifest.segment_shift <= MANIFEST_SEGMENT_SHIFT_MAX);
    for (size_t i = 0; i < manifest.segment_count; i++) {
        CLAIM(manifest.segments[i].file_id < manifest.next_file_id && manifest.segments[i].slots > 0);
        CLAIM(i == 0 || manifest.segments[i - 1].file_id < manifest.segments[i].file_id);
    }
    manifest_release(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    /* A block of the exact size, so that AddressSanitizer sees a read behind its end. */
    uint8_t *exact = malloc(size > 1 ? size - 1 : 1);
    CLAIM(exact != NULL);
    memcpy(exact, data + 1, size - 1);
    bool seal = (data[0] & 4) != 0;
    switch (data[0] & 3) {
    case 0:
        fuzz_segment_header(exact, size - 1, seal);
        break;
    case 1:
        fuzz_manifest(exact, size - 1, seal);
        break;
    default:
        fuzz_record(exact, size - 1, seal);
        break;
    }
    free(exact);
    return 0;
}
