/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_replay.c
 * Fuzz target of replay: the input becomes the log of a small store, which is opened, read, checked, written to, and
 * opened again.
 *
 * Claims: those of scratch_exercise(), and a store that opens gives only values that were in its log.
 *
 * The first byte of an input has options:
 *     bit 0  raw: the bytes behind are the log's as they stand. Otherwise they are a program, three bytes a step, that
 *            writes records with good checksums and then damages some, so that the fuzzer gets deep
 *     bit 1  the manifest says that the log is durable up to its end
 *     bit 2  two files
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "log/log.h"
#include "recovery/recovery.h"
#include "scratch.h"

enum { SHIFT = 16, FILE_BYTES = 8192, FILES = 2, OPTION_RAW = 1, OPTION_DURABLE = 2, OPTION_TWO_FILES = 4 };

static const uint8_t store_id[RECORD_STORE_ID_BYTES] = "a fuzzed store.";

/** The log being made. */
static struct {
    uint8_t bytes[FILES][FILE_BYTES];
    uint64_t end[FILES];
    size_t file;
    uint64_t number;
    struct log_group group;
} made;

static void begin_file(size_t file)
{
    struct segment_header header = {.file_id = file + 1, .slots = 1, .first_number = made.number + 1};
    memcpy(header.store_id, store_id, sizeof header.store_id);
    segment_header_encode(made.bytes[file], &header);
    made.file = file;
    made.end[file] = SEGMENT_HEADER_BYTES;
}

/** A value follows from the record's number, table and key, so that a wrong one is known. */
static void fill_value(uint8_t *value, uint32_t size, uint32_t table, uint64_t key)
{
    uint64_t state = table * 0x9E3779B97F4A7C15u ^ key;
    for (uint32_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        value[i] = (uint8_t)(state >> 56);
    }
}

static void append(struct record record, const uint8_t *value)
{
    uint64_t offset = made.end[made.file];
    if (offset + record_bytes(record.value_bytes, true) > FILE_BYTES) {
        return;
    }
    uint8_t *at = made.bytes[made.file] + offset;
    uint8_t *to = at + record_header_bytes((record.flags & RECORD_FLAG_PREVIOUS) != 0);
    if (value != NULL) {
        memcpy(to, value, record.value_bytes);
    } else {
        fill_value(to, record.value_bytes, record.table, record.key);
    }
    record.number = ++made.number;
    record_finish(at, record_seed(store_id, made.file + 1), offset, &record);
    made.end[made.file] += record.bytes;
    if ((record.flags & RECORD_FLAG_GROUPED) != 0) {
        if (made.group.count++ == 0) {
            made.group.first_number = record.number;
            made.group.first = (struct log_position){made.file + 1, offset};
        }
        uint8_t checksum[4];
        bytes_store32(checksum, record.header_checksum);
        made.group.checksum = base_crc32c(made.group.checksum, checksum, sizeof checksum);
    }
}

static void append_commit(uint8_t disturbance)
{
    uint8_t value[RECORD_COMMIT_VALUE_BYTES] = {0};
    bytes_store64(value, made.group.first_number);
    bytes_store64(value + 8, made.group.first.file_id);
    bytes_store64(value + 16, made.group.first.offset);
    bytes_store32(value + 24, made.group.checksum);
    value[disturbance % 28] = (uint8_t)(value[disturbance % 28] + (disturbance > 250));
    append((struct record){.kind = RECORD_COMMIT, .key = made.group.count, .value_bytes = sizeof value}, value);
    made.group = (struct log_group){0};
}

/** Carries out one step of a program: what, with which operands. */
static void step(uint8_t what, uint8_t a, uint8_t b)
{
    uint8_t value[RECORD_COMMIT_VALUE_BYTES] = {0};
    char name = (char)b;
    unsigned grouped = (what & 0x10) != 0 ? RECORD_FLAG_GROUPED : 0;
    switch (what & 0x0F) {
    case 0:
    case 1:
    case 2:
        append((struct record){.kind = RECORD_PUT, .flags = grouped, .table = 1 + (a >> 6), .key = a, .value_bytes = b},
               NULL);
        break;
    case 3:
        append((struct record){.kind = RECORD_DELETE, .flags = grouped, .table = 1 + (a >> 6), .key = a}, NULL);
        break;
    case 4:
        append_commit(a);
        break;
    case 5:
        bytes_store64(value, made.number > a ? made.number - a : 0);
        bytes_store64(value + 8, made.number + (b & 1));
        append((struct record){.kind = RECORD_ABORT, .value_bytes = RECORD_ABORT_VALUE_BYTES}, value);
        break;
    case 6:
        bytes_store64(value, (a & 1) != 0 ? made.end[made.file] : a * 64u);
        append((struct record){.kind = RECORD_MARK, .key = 1 + b % 3u, .value_bytes = RECORD_MARK_VALUE_BYTES}, value);
        break;
    case 7:
        append((struct record){.kind = RECORD_SEAL, .key = made.file + 2 + (a > 250)}, NULL);
        if (made.file + 1 < FILES) {
            begin_file(made.file + 1);
        }
        break;
    case 8:
        append(
            (struct record){
                .kind = RECORD_TABLE, .flags = grouped, .table = a % 5, .key = 1 + (b & 1), .value_bytes = 1},
            (const uint8_t *)&name);
        break;
    case 9:
        append((struct record){.kind = RECORD_DROP, .flags = grouped, .table = a % 5}, NULL);
        break;
    case 13:
        append((struct record){.kind = RECORD_RENAME, .flags = grouped, .table = a % 5, .value_bytes = 1},
               (const uint8_t *)&name);
        break;
    case 10: /* numbers go on elsewhere */
        made.number = (what & 0x20) != 0 ? RECORD_NUMBER_MAX - a : made.number + b - 3;
        break;
    case 11: /* a bit of what was written flips */
        made.bytes[made.file][made.end[made.file] - 1 - ((size_t)a * 256 + b) % made.end[made.file]] ^=
            (uint8_t)(1u << (what >> 5));
        break;
    case 12: /* a hole */
        made.end[made.file] += (uint64_t)(a % 16) * 8 + SEGMENT_HEADER_BYTES < FILE_BYTES - made.end[made.file]
                                   ? (uint64_t)(a % 16) * 8
                                   : 0;
        break;
    default:
        append((struct record){.kind = (enum record_kind)(a & 15), .flags = a & 0xF0u, .table = b}, NULL);
        break;
    }
}

static void make_log(uint8_t options, const uint8_t *data, size_t size)
{
    memset(&made, 0, sizeof made);
    begin_file(0);
    if ((options & OPTION_RAW) == 0) {
        for (size_t i = 0; i + 3 <= size; i += 3) {
            step(data[i], data[i + 1], data[i + 2]);
        }
        return;
    }
    size_t first = size < FILE_BYTES - SEGMENT_HEADER_BYTES ? size : FILE_BYTES - SEGMENT_HEADER_BYTES;
    memcpy(made.bytes[0] + SEGMENT_HEADER_BYTES, data, first);
    made.end[0] += first;
    if ((options & OPTION_TWO_FILES) != 0) {
        size_t second = size - first < FILE_BYTES ? size - first : FILE_BYTES;
        begin_file(1);
        memcpy(made.bytes[1], data + first, second);
    }
}

static void write_store(uint8_t options)
{
    struct log_listed listed[FILES] = {{1, 1}, {2, 1}};
    struct manifest manifest = {.segment_shift = SHIFT,
                                .generation = 1,
                                .next_file_id = FILES + 1,
                                .next_table_id = 2,
                                .segments = listed,
                                .segment_count = made.file + 1};
    memcpy(manifest.store_id, store_id, sizeof manifest.store_id);
    if ((options & OPTION_DURABLE) != 0) {
        manifest.durable = (struct log_position){made.file + 1, made.end[made.file]};
    }
    const char *directory = scratch_clear();
    scratch_write("0000000000000001.log", made.bytes[0], FILE_BYTES, 0);
    if (made.file == 1) {
        scratch_write("0000000000000002.log", made.bytes[1], FILE_BYTES, 0);
    }
    CLAIM(manifest_write(directory, &manifest, NULL) == ALEX_OK);
}

/** A store made by a program gives the values that the program put. */
static void look_at_entry(const alex_table *table, const struct alex_entry *entry)
{
    uint8_t value[256];
    if (strcmp(alex_table_name(table), "main") == 0 && entry->key < 256) {
        CLAIM(entry->value.size < sizeof value);
        fill_value(value, (uint32_t)entry->value.size, 1, (uint64_t)entry->key);
        CLAIM(memcmp(value, entry->value.data, entry->value.size) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t options = data[0];
    make_log(options, data + 1, size - 1);
    write_store(options);
    scratch_exercise((options & OPTION_RAW) == 0 ? look_at_entry : NULL);
    return 0;
}
