/* SPDX-License-Identifier: Apache-2.0 */
/** @file manifest.c The manifest: FORMAT.md, "The manifest". */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "os/os.h"
#include "recovery/recovery.h"

/* Offsets in the manifest. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_SEGMENT_SHIFT = 12,
    AT_STORE_ID = 16,
    AT_GENERATION = 32,
    AT_NEXT_FILE_ID = 40,
    AT_NUMBER_FLOOR = 48,
    AT_NEXT_TABLE_ID = 56,
    AT_FLAGS = 60,
    AT_DURABLE_FILE = 64,
    AT_DURABLE_OFFSET = 72,
    AT_COUNT = 80,
    AT_RESERVED = 84,
    AT_SEGMENTS = 88,
};
/* Offsets in each of its segments. */
enum {
    AT_SEGMENT_FILE_ID = 0,
    AT_SEGMENT_RESERVED = 8,
    AT_SEGMENT_SLOTS = 16,
    SEGMENT_BYTES = 32,
};

#define CHECKSUM_BYTES 4
#define MANIFEST_VERSION 1
#define FLAG_CLEAN 1u

/** Each segment takes a slot. */
_Static_assert(LOG_SLOTS_MAX <= MANIFEST_SEGMENTS_MAX, "a manifest can list all that a log can have");

static const uint8_t manifest_magic[8] = "ALEXMAN";

size_t manifest_bytes(size_t segment_count)
{
    return AT_SEGMENTS + segment_count * SEGMENT_BYTES + CHECKSUM_BYTES;
}

static void encode(const struct manifest *manifest, uint8_t *bytes, size_t size)
{
    memset(bytes, 0, size);
    memcpy(bytes + AT_MAGIC, manifest_magic, sizeof manifest_magic);
    bytes_store32(bytes + AT_VERSION, MANIFEST_VERSION);
    bytes_store32(bytes + AT_SEGMENT_SHIFT, manifest->segment_shift);
    memcpy(bytes + AT_STORE_ID, manifest->store_id, sizeof manifest->store_id);
    bytes_store64(bytes + AT_GENERATION, manifest->generation);
    bytes_store64(bytes + AT_NEXT_FILE_ID, manifest->next_file_id);
    bytes_store64(bytes + AT_NUMBER_FLOOR, manifest->number_floor);
    bytes_store32(bytes + AT_NEXT_TABLE_ID, manifest->next_table_id);
    bytes_store32(bytes + AT_FLAGS, manifest->clean ? FLAG_CLEAN : 0);
    bytes_store64(bytes + AT_DURABLE_FILE, manifest->durable.file_id);
    bytes_store64(bytes + AT_DURABLE_OFFSET, manifest->durable.offset);
    bytes_store32(bytes + AT_COUNT, (uint32_t)manifest->segment_count);
    for (size_t i = 0; i < manifest->segment_count; i++) {
        uint8_t *at = bytes + AT_SEGMENTS + i * SEGMENT_BYTES;
        bytes_store64(at + AT_SEGMENT_FILE_ID, manifest->segments[i].file_id);
        bytes_store32(at + AT_SEGMENT_SLOTS, manifest->segments[i].slots);
    }
    bytes_store32(bytes + size - CHECKSUM_BYTES, base_crc32c(0, bytes, size - CHECKSUM_BYTES));
}

static int damaged(const char *path, uint64_t offset, const char *what, struct alex_error *error)
{
    return base_fail_at(error, ALEX_DAMAGED, path, offset,
                        "the manifest is damaged: %s; restore the store from a copy, or salvage it (alex_salvage)",
                        what);
}

/** Whether all reserved fields are zero, as in every manifest of this version. */
static bool reserved_is_zero(const uint8_t *bytes, size_t size)
{
    bool zero = (bytes_load32(bytes + AT_FLAGS) & ~FLAG_CLEAN) == 0 && bytes_load32(bytes + AT_RESERVED) == 0;
    for (size_t at = AT_SEGMENTS; zero && at + SEGMENT_BYTES + CHECKSUM_BYTES <= size; at += SEGMENT_BYTES) {
        const uint8_t *segment = bytes + at;
        zero = bytes_load64(segment + AT_SEGMENT_RESERVED) == 0 && bytes_load32(segment + AT_SEGMENT_SLOTS + 4) == 0 &&
               bytes_load64(segment + AT_SEGMENT_SLOTS + 8) == 0;
    }
    return zero;
}

/** Decodes the list of segments; `bytes` is known to be long enough. */
static int decode_segments(const uint8_t *bytes, const char *path, struct manifest *manifest, struct alex_error *error)
{
    manifest->segments = base_alloc((manifest->segment_count + 1) * sizeof *manifest->segments);
    if (manifest->segments == NULL) {
        return base_fail(error, ALEX_NO_MEMORY, 0, path, "no memory to read the manifest");
    }
    uint64_t last_file_id = 0;
    for (size_t i = 0; i < manifest->segment_count; i++) {
        const uint8_t *at = bytes + AT_SEGMENTS + i * SEGMENT_BYTES;
        struct log_listed *listed = &manifest->segments[i];
        *listed = (struct log_listed){bytes_load64(at + AT_SEGMENT_FILE_ID), bytes_load32(at + AT_SEGMENT_SLOTS)};
        uint64_t most_slots = LOG_ADDRESS_LIMIT >> manifest->segment_shift;
        if (listed->file_id <= last_file_id || listed->file_id >= manifest->next_file_id || listed->slots == 0 ||
            listed->slots > most_slots) {
            return damaged(path, AT_SEGMENTS + i * SEGMENT_BYTES, "its list of files makes no sense", error);
        }
        last_file_id = listed->file_id;
    }
    return ALEX_OK;
}

int manifest_decode(const uint8_t *bytes, size_t size, const char *path, struct manifest *out_manifest,
                    struct alex_error *error)
{
    if (size < manifest_bytes(0) || memcmp(bytes + AT_MAGIC, manifest_magic, sizeof manifest_magic) != 0) {
        return damaged(path, 0, "it is cut short or does not begin as a manifest does", error);
    }
    if (bytes_load32(bytes + size - CHECKSUM_BYTES) != base_crc32c(0, bytes, size - CHECKSUM_BYTES)) {
        return damaged(path, size - CHECKSUM_BYTES, "its checksum does not hold", error);
    }
    uint32_t version = bytes_load32(bytes + AT_VERSION);
    uint32_t flags = bytes_load32(bytes + AT_FLAGS);
    if (version > MANIFEST_VERSION || !reserved_is_zero(bytes, size)) {
        return base_fail_at(error, ALEX_NEWER_FORMAT, path, AT_VERSION,
                            "a newer version of the library wrote the store (format version %u; this one knows up to "
                            "%u); use that version or a later one",
                            version, MANIFEST_VERSION);
    }
    struct manifest manifest = {
        .segment_shift = bytes_load32(bytes + AT_SEGMENT_SHIFT),
        .generation = bytes_load64(bytes + AT_GENERATION),
        .next_file_id = bytes_load64(bytes + AT_NEXT_FILE_ID),
        .number_floor = bytes_load64(bytes + AT_NUMBER_FLOOR),
        .next_table_id = bytes_load32(bytes + AT_NEXT_TABLE_ID),
        .clean = (flags & FLAG_CLEAN) != 0,
        .durable = {bytes_load64(bytes + AT_DURABLE_FILE), bytes_load64(bytes + AT_DURABLE_OFFSET)},
        .segment_count = bytes_load32(bytes + AT_COUNT),
    };
    memcpy(manifest.store_id, bytes + AT_STORE_ID, sizeof manifest.store_id);
    if (version == 0 || manifest.segment_shift < MANIFEST_SEGMENT_SHIFT_MIN ||
        manifest.segment_shift > MANIFEST_SEGMENT_SHIFT_MAX || manifest.number_floor > RECORD_NUMBER_MAX ||
        manifest.next_table_id < 2 || manifest.next_file_id == 0 || manifest.next_file_id > MANIFEST_FILE_ID_MAX ||
        manifest.segment_count > size / SEGMENT_BYTES || size != manifest_bytes(manifest.segment_count)) {
        return damaged(path, AT_VERSION, "its fields make no sense", error);
    }
    int result = decode_segments(bytes, path, &manifest, error);
    if (result != ALEX_OK) {
        manifest_release(&manifest);
        return result;
    }
    *out_manifest = manifest;
    return ALEX_OK;
}

void manifest_release(struct manifest *manifest)
{
    base_free(manifest->segments);
    manifest->segments = NULL;
    manifest->segment_count = 0;
}

int manifest_read(const char *directory, struct manifest *out_manifest, struct alex_error *error)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", directory, MANIFEST_NAME);
    enum os_kind kind;
    int result = os_path_kind(path, &kind, error);
    if (result != ALEX_OK || kind == OS_KIND_NONE) {
        return result != ALEX_OK ? result : ALEX_NOT_FOUND;
    }
    int fd = -1;
    uint64_t size = 0;
    size_t got = 0;
    uint8_t *bytes = NULL;
    result = os_file_open(path, OS_READ, &fd, error);
    if (result == ALEX_OK) {
        result = os_file_size(fd, path, &size, error);
    }
    if (result == ALEX_OK && size > manifest_bytes(MANIFEST_SEGMENTS_MAX)) {
        result = damaged(path, manifest_bytes(MANIFEST_SEGMENTS_MAX), "it is longer than any can be", error);
    }
    if (result == ALEX_OK) {
        bytes = base_alloc(size + 1);
        result = bytes != NULL ? os_file_read(fd, path, 0, bytes, size, &got, error)
                               : base_fail(error, ALEX_NO_MEMORY, 0, path, "no memory to read the manifest");
    }
    if (result == ALEX_OK) {
        result = manifest_decode(bytes, got, path, out_manifest, error);
    }
    base_free(bytes);
    os_file_close(fd);
    return result;
}

int manifest_write(const char *directory, const struct manifest *manifest, struct alex_error *error)
{
    char path[512];
    char new_path[512];
    (void)snprintf(path, sizeof path, "%s/%s", directory, MANIFEST_NAME);
    (void)snprintf(new_path, sizeof new_path, "%s/%s", directory, MANIFEST_NEW_NAME);
    size_t size = manifest_bytes(manifest->segment_count);
    uint8_t *bytes = base_alloc(size);
    if (bytes == NULL) {
        return base_fail(error, ALEX_NO_MEMORY, 0, path, "no memory to write the manifest");
    }
    encode(manifest, bytes, size);
    int fd = -1;
    int result = os_directory_sync(directory, error);
    if (result == ALEX_OK) {
        result = os_file_open(new_path, OS_REPLACE, &fd, error);
    }
    if (result == ALEX_OK) {
        result = os_file_write(fd, new_path, 0, bytes, size, error);
    }
    if (result == ALEX_OK) {
        result = os_file_sync(fd, new_path, error);
    }
    os_file_close(fd);
    base_free(bytes);
    if (result == ALEX_OK) {
        result = os_file_rename(new_path, path, error);
    }
    if (result == ALEX_OK) {
        result = os_directory_sync(directory, error);
    }
    return result;
}
