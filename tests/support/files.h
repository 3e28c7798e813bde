/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file files.h
 * Files as the tests see them from outside: whole trees, single bytes, and the records of a log, found by
 * docs/FORMAT.md and without any of the library's code. A call that can't do its work fails the running test.
 */
#ifndef SUPPORT_FILES_H
#define SUPPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILES_PATH_MAX 512

/** Joins two parts with a slash into `out_path`, FILES_PATH_MAX bytes. */
void files_join(char *out_path, const char *directory, const char *name);

bool files_exists(const char *path);
uint64_t files_size(const char *path);

/** The whole content; free() it. */
unsigned char *files_read(const char *path, size_t *out_size);
/** Makes or replaces a file. */
void files_write(const char *path, const void *data, size_t size);

void files_read_at(const char *path, uint64_t offset, void *out_data, size_t size);
void files_patch(const char *path, uint64_t offset, const void *data, size_t size);
void files_flip_bit(const char *path, uint64_t offset, unsigned bit);
void files_truncate(const char *path, uint64_t size);

/** Removes a directory and all in it, or a file; an absent one is fine. */
void files_remove(const char *path);
/** Copies the regular files of the directory `from`, without subdirectories, to the new directory `to`. */
void files_copy_directory(const char *from, const char *to);
/** A checksum over the names, lengths and bytes of a directory's files, to tell whether anything was touched. Leaves
 * out the file `except` (may be NULL). */
uint64_t files_fingerprint(const char *directory, const char *except);

/** Names of the `.log` files of a store, in the order of their file ids; free() the array. */
size_t files_list_segments(const char *directory, char (**out_names)[32]);

/** CRC32C, bit by bit: slow, and nothing that it could have in common with the library's. */
uint32_t files_crc32c(uint32_t crc, const void *data, size_t size);

/** Kinds of records, as in docs/FORMAT.md. */
enum files_record_kind {
    FILES_PUT = 1,
    FILES_DELETE = 2,
    FILES_COMMIT = 3,
    FILES_ABORT = 4,
    FILES_MARK = 5,
    FILES_SEAL = 6,
    FILES_TABLE = 7,
    FILES_DROP = 8,
    FILES_RENAME = 9,
};

/** A record and the place it was found at. */
struct files_record {
    char path[FILES_PATH_MAX];
    uint64_t offset;
    uint64_t value_offset;
    uint64_t end; /**< where the next record begins */
    uint64_t number;
    int64_t key;
    uint32_t table;
    uint32_t length; /**< of the value */
    unsigned kind;
    unsigned flags;
};

/** Bytes of a record: header, value and padding. */
static inline uint64_t files_record_bytes(const struct files_record *record)
{
    return record->end - record->offset;
}

/** Reads the records of all segments, in order, as far as their header checksums hold; free() the array. */
size_t files_list_records(const char *directory, struct files_record **out_records);

/** The newest record of that kind, table and key. */
void files_find_record(const char *directory, unsigned kind, uint32_t table, int64_t key,
                       struct files_record *out_record);
/** The last record of the log. */
void files_last_record(const char *directory, struct files_record *out_record);

/** Gives the record at `offset` the header checksum that its bytes now ask for: a forgery that only its content
 * betrays. */
void files_reseal_record(const char *path, uint64_t offset);
/** The same for a segment's header. */
void files_reseal_segment(const char *path);
/** The same for a manifest. */
void files_reseal_manifest(const char *path);

#endif /* SUPPORT_FILES_H */
