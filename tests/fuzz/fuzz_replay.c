/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_replay.c
 * Fuzz target of replay: the input becomes the log of a small store, which is opened, read, checked, written to, and
 * opened again.
 *
 * Claims: nothing crashes or hangs; a store that opens gives only values that were in its log; what is written to it
 * is there after the next opening, which is clean, with everything that was there before.
 *
 * The first byte of an input has options:
 *     bit 0  raw: the bytes behind are the log's as they stand. Otherwise they are a program, three bytes a step, that
 *            writes records with good checksums and then damages some, so that the fuzzer gets deep
 *     bit 1  the manifest says that the log is durable up to its end
 *     bit 2  two files
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/bytes.h"
#include "log/log.h"
#include "os/os.h"
#include "recovery/recovery.h"

#define CLAIM(condition) ((condition) ? (void)0 : abort())

enum { SHIFT = 16, FILE_BYTES = 8192, FILES = 2, OPTION_RAW = 1, OPTION_DURABLE = 2, OPTION_TWO_FILES = 4 };

static const uint8_t store_id[RECORD_STORE_ID_BYTES] = "a fuzzed store.";
static char directory[256];

/** The log being made. */
static struct {
    uint8_t bytes[FILES][FILE_BYTES];
    uint64_t end[FILES];
    size_t file;
    uint64_t number;
    struct log_group group;
} made;

static int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

static void remove_directory(void)
{
    char path[320];
    static const char *const names[] = {"MANIFEST", "MANIFEST.new", "LOCK"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    for (unsigned file = 0; file < 8; file++) {
        (void)snprintf(path, sizeof path, "%s/%016x.log", directory, file);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

/** A directory of the process's own, on a file system in memory where there is one. */
static void choose_directory(void)
{
    if (directory[0] != '\0') {
        return;
    }
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(directory, sizeof directory, "%s/fuzz_replay.%ld", base, (long)getpid());
    os_calls.fdatasync = sync_nothing;
    os_calls.fsync = sync_nothing;
    (void)atexit(remove_directory);
}

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

static void write_file(const char *name, const void *data, size_t size)
{
    char path[320];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    CLAIM(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
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
    remove_directory();
    CLAIM(os_directory_create(directory, NULL) == ALEX_OK);
    write_file("0000000000000001.log", made.bytes[0], FILE_BYTES);
    if (made.file == 1) {
        write_file("0000000000000002.log", made.bytes[1], FILE_BYTES);
    }
    CLAIM(manifest_write(directory, &manifest, NULL) == ALEX_OK);
}

/** What the store holds. */
struct summary {
    uint64_t keys;
    uint64_t damaged;
    uint32_t checksum;
};

static int add_table(void *context, const struct alex_table_info *info)
{
    struct summary *summary = context;
    summary->checksum = base_crc32c(summary->checksum, info->name, strlen(info->name));
    summary->keys += info->keys;
    return 0;
}

/** Reads every key of a table; with `made_by_program`, knows what its value has to be. */
static void read_table(alex_txn *txn, alex_table *table, uint32_t id, bool made_by_program, struct summary *summary)
{
    alex_cursor *cursor;
    struct alex_entry entry;
    uint64_t seen = 0;
    uint64_t count;
    CLAIM(alex_cursor_open(txn, table, NULL, &cursor) == ALEX_OK);
    int result;
    while ((result = alex_cursor_next(cursor, &entry)) != ALEX_NOT_FOUND) {
        CLAIM(result == ALEX_OK || result == ALEX_DAMAGED);
        seen++;
        summary->damaged += result == ALEX_DAMAGED;
        if (result != ALEX_OK) {
            continue;
        }
        summary->checksum = base_crc32c(summary->checksum, &entry.key, sizeof entry.key);
        summary->checksum = base_crc32c(summary->checksum, entry.value.data, entry.value.size);
        if (made_by_program && entry.key < 256) {
            uint8_t value[256];
            CLAIM(entry.value.size < sizeof value);
            fill_value(value, (uint32_t)entry.value.size, id, (uint64_t)entry.key);
            CLAIM(memcmp(value, entry.value.data, entry.value.size) == 0);
        }
        struct alex_slice again;
        CLAIM(alex_txn_get(txn, table, entry.key, &again) == ALEX_OK && again.data == entry.value.data);
    }
    alex_cursor_close(cursor);
    CLAIM(alex_txn_count(txn, table, NULL, &count) == ALEX_OK && count == seen);
}

static void read_store(alex_store *store, bool made_by_program, struct summary *out_summary)
{
    alex_txn *txn;
    struct alex_check_report report;
    *out_summary = (struct summary){0};
    CLAIM(alex_table_list(store, add_table, out_summary) == ALEX_OK);
    CLAIM(alex_begin(store, ALEX_READ, &txn) == ALEX_OK);
    read_table(txn, alex_main_table(store), 1, made_by_program, out_summary);
    CLAIM(alex_end(txn) == ALEX_OK);
    CLAIM(alex_check(store, NULL, NULL, &report) == ALEX_OK);
    CLAIM(out_summary->damaged == 0 || report.findings > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t options = data[0];
    bool by_program = (options & OPTION_RAW) == 0;
    choose_directory();
    make_log(options, data + 1, size - 1);
    write_store(options);

    struct alex_error error = {0};
    struct alex_options open_options = {.no_background = true, .error = &error};
    alex_store *store;
    int result = alex_open(directory, &open_options, &store);
    if (result != ALEX_OK) {
        CLAIM(result == ALEX_DAMAGED || result == ALEX_NEWER_FORMAT);
        CLAIM(error.code == result && error.message[0] != '\0');
        return 0;
    }
    struct summary before;
    struct summary after;
    struct alex_open_report report;
    static const char text[] = "written to the recovered store";
    read_store(store, by_program, &before);
    CLAIM(alex_put(alex_main_table(store), 1000, text, sizeof text, NULL) == ALEX_OK);
    read_store(store, by_program, &before);
    CLAIM(alex_close(store) == ALEX_OK);

    result = alex_open(directory, &open_options, &store);
    CLAIM(result == ALEX_OK);
    alex_store_open_report(store, &report);
    CLAIM(report.clean && report.cut_bytes == 0);
    char buffer[sizeof text];
    CLAIM(alex_get(alex_main_table(store), 1000, buffer, sizeof buffer, NULL) == ALEX_OK);
    CLAIM(memcmp(buffer, text, sizeof text) == 0);
    read_store(store, by_program, &after);
    CLAIM(after.keys == before.keys && after.damaged == before.damaged && after.checksum == before.checksum);
    CLAIM(alex_close(store) == ALEX_OK);
    return 0;
}
