/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_manifest.c
 * Fuzz target of what a store makes of its manifest: the input is the MANIFEST of a store whose log is whole.
 *
 * Claims: those of scratch_exercise(), and a store that opens gives only values that are in its log.
 *
 * The first byte of an input has options:
 *     bit 0  the manifest is made to begin as one does, with the store's id
 *     bit 1  its checksum is made good, so that the fuzzer gets behind it
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"
#include "log/record.h"
#include "scratch.h"

enum { OPTION_BEGIN = 1, OPTION_SEAL = 2, MANIFEST_MAX = 4096, FILES = 3, FILE_BYTES = 1024 };

static const uint8_t store_id[RECORD_STORE_ID_BYTES] = "a fuzzed store.";

/** The log: two files that hold records, and one that was prepared. */
static struct {
    uint8_t bytes[FILES][FILE_BYTES];
    uint64_t end[FILES];
    size_t file;
    uint64_t number;
} made;

static void begin_file(size_t file)
{
    struct segment_header header = {.file_id = file + 1, .slots = 1, .first_number = made.number + 1};
    memcpy(header.store_id, store_id, sizeof header.store_id);
    segment_header_encode(made.bytes[file], &header);
    made.file = file;
    made.end[file] = SEGMENT_HEADER_BYTES;
}

static void append(struct record record, const void *value)
{
    uint8_t *at = made.bytes[made.file] + made.end[made.file];
    memcpy(at + RECORD_HEADER_BYTES, value, record.value_bytes);
    record.number = ++made.number;
    record_finish(at, record_seed(store_id, made.file + 1), made.end[made.file], &record);
    made.end[made.file] += record.bytes;
}

static void put(uint32_t table, uint64_t key, const char *value)
{
    append((struct record){.kind = RECORD_PUT, .table = table, .key = key, .value_bytes = (uint32_t)strlen(value)},
           value);
}

static void make_log(void)
{
    uint8_t mark[RECORD_MARK_VALUE_BYTES];
    begin_file(0);
    put(1, 1, "one");
    put(1, 2, "two");
    append((struct record){.kind = RECORD_TABLE, .table = 2, .key = ALEX_KEYS_UNSIGNED, .value_bytes = 1}, "t");
    put(2, 3, "three");
    append((struct record){.kind = RECORD_DELETE, .table = 1, .key = 2}, "");
    append((struct record){.kind = RECORD_SEAL, .key = 2}, "");
    begin_file(1);
    put(1, 1, "one again");
    bytes_store64(mark, made.end[1]);
    append((struct record){.kind = RECORD_MARK, .key = 2, .value_bytes = sizeof mark}, mark);
    put(2, 4, "four");
    begin_file(2);
}

static bool is_text(const struct alex_entry *entry, const char *text)
{
    return entry->value.size == strlen(text) && memcmp(entry->value.data, text, entry->value.size) == 0;
}

static void look_at_entry(const alex_table *table, const struct alex_entry *entry)
{
    static const char *const texts[] = {"one", "two", "three", "four"};
    if (entry->key >= 1 && entry->key <= 4) {
        CLAIM(is_text(entry, texts[entry->key - 1]) || (entry->key == 1 && is_text(entry, "one again")));
        CLAIM((entry->key > 2) == (strcmp(alex_table_name(table), "t") == 0));
    } else {
        CLAIM(entry->key == 1000); /* which scratch_exercise() puts */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t manifest[MANIFEST_MAX];
    if (size == 0 || size - 1 > sizeof manifest) {
        return 0;
    }
    uint8_t options = data[0];
    size--;
    memcpy(manifest, data + 1, size);
    if ((options & OPTION_BEGIN) != 0 && size >= 32) {
        memcpy(manifest, "ALEXMAN\0\1\0\0", 12);
        memcpy(manifest + 16, store_id, sizeof store_id);
    }
    if ((options & OPTION_SEAL) != 0 && size >= 4) {
        bytes_store32(manifest + size - 4, base_crc32c(0, manifest, size - 4));
    }
    if (made.number == 0) {
        make_log();
    }
    (void)scratch_clear();
    for (size_t i = 0; i < FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%016zx.log", i + 1);
        scratch_write(name, made.bytes[i], FILE_BYTES, 0);
    }
    scratch_write("MANIFEST", manifest, size, 0);
    scratch_exercise(look_at_entry);
    return 0;
}
