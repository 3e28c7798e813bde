/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_directory.c
 * Fuzz target of a store's whole directory: the input becomes its files.
 *
 * Claims: those of scratch_exercise().
 *
 * The first byte of an input has options:
 *     bit 0  manifests and segments are made to begin as they do, with the ids of the one store and of their own
 *     bit 1  checksums of manifests, segment headers and record headers are made good: the fuzzer gets behind them
 *     bit 2  those of values too
 * Then the files follow, each with a byte for its name (low three bits, see below) and for what is behind it (bit 3:
 * 4 KiB of zeroes), its size in two bytes, and its bytes, which end at the latest where the input does. Of several with
 * one name the last counts.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "log/record.h"
#include "scratch.h"

enum {
    OPTION_BEGIN = 1,
    OPTION_SEAL = 2,
    OPTION_SEAL_VALUES = 4,
    FILE_ZEROES = 8,
    ZEROES = 4096,
    FILE_MAX = UINT16_MAX,
};

static const char *const names[] = {
    "MANIFEST",
    "MANIFEST.new",
    "LOCK",
    "0000000000000001.log",
    "0000000000000002.log",
    "0000000000000003.log",
    "0000000000000004.log",
    "notes.txt",
};
enum { NAME_MANIFEST_LAST = 1, NAME_SEGMENT_FIRST = 3, NAME_SEGMENT_LAST = 6 };

static const uint8_t store_id[RECORD_STORE_ID_BYTES] = "a fuzzed store.";

static void mend_manifest(uint8_t *bytes, size_t size, uint8_t options)
{
    if ((options & OPTION_BEGIN) != 0 && size >= 32) {
        memcpy(bytes, "ALEXMAN\0\1\0\0", 12);
        memcpy(bytes + 16, store_id, sizeof store_id);
    }
    if ((options & OPTION_SEAL) != 0 && size >= 4) {
        bytes_store32(bytes + size - 4, base_crc32c(0, bytes, size - 4));
    }
}

/** Gives a record's header the checksum that its bytes ask for, and its value too. @return the record's bytes */
static uint64_t seal_record(uint8_t *at, uint64_t available, uint32_t seed, uint64_t offset, bool with_value)
{
    uint8_t joined[8 + RECORD_HEADER_BYTES + RECORD_PREVIOUS_BYTES - 4];
    bool has_previous = (at[31] & RECORD_FLAG_PREVIOUS) != 0;
    uint64_t header_bytes = record_header_bytes(has_previous);
    uint32_t value_bytes = bytes_load32(at + 8);
    if (available < header_bytes) {
        return available;
    }
    if (with_value && value_bytes <= available - header_bytes) {
        bytes_store32(at + 4, base_crc32c(0, at + header_bytes, value_bytes));
    }
    bytes_store64(joined, offset);
    memcpy(joined + 8, at + 4, header_bytes - 4);
    bytes_store32(at, base_crc32c(seed, joined, 8 + header_bytes - 4));
    return record_bytes(value_bytes, has_previous);
}

static void mend_segment(uint8_t *bytes, size_t size, uint64_t file_id, uint8_t options)
{
    if (size < SEGMENT_HEADER_BYTES) {
        return;
    }
    if ((options & OPTION_BEGIN) != 0) {
        memcpy(bytes, "ALEXLOG\0\1\0\0", 12);
        memcpy(bytes + 16, store_id, sizeof store_id);
        bytes_store64(bytes + 32, file_id);
    }
    if ((options & OPTION_SEAL) == 0) {
        return;
    }
    bytes_store32(bytes + SEGMENT_HEADER_BYTES - 4, base_crc32c(0, bytes, SEGMENT_HEADER_BYTES - 4));
    uint32_t seed = record_seed(bytes + 16, file_id);
    for (uint64_t at = SEGMENT_HEADER_BYTES; at + RECORD_HEADER_BYTES <= size;) {
        at += seal_record(bytes + at, size - at, seed, at, (options & OPTION_SEAL_VALUES) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[FILE_MAX];
    if (size == 0) {
        return 0;
    }
    (void)scratch_clear();
    uint8_t options = data[0];
    for (size_t at = 1; at + 3 <= size;) {
        size_t name = data[at] % (sizeof names / sizeof names[0]);
        size_t zeroes = (data[at] & FILE_ZEROES) != 0 ? ZEROES : 0;
        size_t file_size = data[at + 1] + 256u * data[at + 2];
        at += 3;
        file_size = file_size < size - at ? file_size : size - at;
        memcpy(bytes, data + at, file_size);
        at += file_size;
        if (name <= NAME_MANIFEST_LAST) {
            mend_manifest(bytes, file_size, options);
        } else if (name >= NAME_SEGMENT_FIRST && name <= NAME_SEGMENT_LAST) {
            mend_segment(bytes, file_size, name - NAME_SEGMENT_FIRST + 1, options);
        }
        scratch_write(names[name], bytes, file_size, zeroes);
    }
    scratch_exercise(NULL);
    return 0;
}
