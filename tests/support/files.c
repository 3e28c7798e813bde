/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file files.c
 * Files from outside; see files.h.
 */
#include "support/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SEGMENT_HEADER_SIZE 64
#define RECORD_HEADER_SIZE 32
#define FLAG_PREVIOUS 0x10u

static void require(bool condition, const char *what, const char *path)
{
    if (!condition) {
        fail_msg("%s %s: %s", what, path, strerror(errno));
    }
}

void files_join(char *out_path, const char *directory, const char *name)
{
    int length = snprintf(out_path, FILES_PATH_MAX, "%s/%s", directory, name);
    require(length > 0 && length < FILES_PATH_MAX, "join", name);
}

bool files_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

uint64_t files_size(const char *path)
{
    struct stat status;
    require(stat(path, &status) == 0, "stat", path);
    return (uint64_t)status.st_size;
}

unsigned char *files_read(const char *path, size_t *out_size)
{
    size_t size = (size_t)files_size(path);
    unsigned char *data = malloc(size + 1);
    require(data != NULL, "malloc for", path);
    files_read_at(path, 0, data, size);
    *out_size = size;
    return data;
}

void files_write(const char *path, const void *data, size_t size)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    require(descriptor >= 0, "open", path);
    require(write(descriptor, data, size) == (ssize_t)size, "write", path);
    close(descriptor);
}

void files_read_at(const char *path, uint64_t offset, void *out_data, size_t size)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    require(descriptor >= 0, "open", path);
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(descriptor, (char *)out_data + done, size - done, (off_t)(offset + done));
        require(got > 0, "read", path);
        done += (size_t)got;
    }
    close(descriptor);
}

void files_patch(const char *path, uint64_t offset, const void *data, size_t size)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    require(descriptor >= 0, "open", path);
    require(pwrite(descriptor, data, size, (off_t)offset) == (ssize_t)size, "write", path);
    close(descriptor);
}

void files_flip_bit(const char *path, uint64_t offset, unsigned bit)
{
    unsigned char byte;
    files_read_at(path, offset, &byte, 1);
    byte = (unsigned char)(byte ^ (1u << bit));
    files_patch(path, offset, &byte, 1);
}

void files_truncate(const char *path, uint64_t size)
{
    require(truncate(path, (off_t)size) == 0, "truncate", path);
}

void files_remove(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        require(unlink(path) == 0 || errno == ENOENT, "remove", path);
        return;
    }
    DIR *directory = opendir(path);
    require(directory != NULL, "open", path);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char inner[FILES_PATH_MAX];
            files_join(inner, path, entry->d_name);
            files_remove(inner);
        }
    }
    closedir(directory);
    require(rmdir(path) == 0, "remove", path);
}

void files_copy_directory(const char *from, const char *to)
{
    require(mkdir(to, 0777) == 0, "mkdir", to);
    DIR *directory = opendir(from);
    require(directory != NULL, "open", from);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char source[FILES_PATH_MAX];
        char target[FILES_PATH_MAX];
        files_join(source, from, entry->d_name);
        files_join(target, to, entry->d_name);
        struct stat status;
        require(stat(source, &status) == 0, "stat", source);
        if (S_ISREG(status.st_mode)) {
            size_t size;
            unsigned char *data = files_read(source, &size);
            files_write(target, data, size);
            free(data);
        }
    }
    closedir(directory);
}

uint64_t files_fingerprint(const char *directory, const char *except)
{
    DIR *stream = opendir(directory);
    require(stream != NULL, "open", directory);
    uint64_t sum = 0; /* of the files' own sums, so that the order of the listing doesn't matter */
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        if (entry->d_name[0] == '.' || (except != NULL && strcmp(entry->d_name, except) == 0)) {
            continue;
        }
        char path[FILES_PATH_MAX];
        files_join(path, directory, entry->d_name);
        size_t size;
        unsigned char *data = files_read(path, &size);
        uint64_t hash = 14695981039346656037u;
        for (const char *c = entry->d_name; *c != '\0'; c++) {
            hash = (hash ^ (unsigned char)*c) * 1099511628211u;
        }
        hash = (hash ^ size) * 1099511628211u;
        for (size_t i = 0; i < size; i++) {
            hash = (hash ^ data[i]) * 1099511628211u;
        }
        sum += hash;
        free(data);
    }
    closedir(stream);
    return sum;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t files_list_segments(const char *directory, char (**out_names)[32])
{
    DIR *stream = opendir(directory);
    require(stream != NULL, "open", directory);
    char(*names)[32] = NULL;
    size_t count = 0;
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        size_t length = strlen(entry->d_name);
        if (length != 20 || strcmp(entry->d_name + 16, ".log") != 0) {
            continue;
        }
        names = realloc(names, (count + 1) * sizeof *names);
        require(names != NULL, "list", directory);
        memcpy(names[count++], entry->d_name, length + 1);
    }
    closedir(stream);
    if (count > 0) {
        qsort(names, count, sizeof *names, compare_names);
    }
    *out_names = names;
    return count;
}

uint32_t files_crc32c(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

static uint64_t decode(const unsigned char *data, size_t size)
{
    uint64_t number = 0;
    for (size_t i = size; i-- > 0;) {
        number = number << 8 | data[i];
    }
    return number;
}

static void encode_u32(unsigned char *out_data, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        out_data[i] = (unsigned char)(number >> (8 * i));
    }
}

/** The checksum that the record header at `offset` should have; `file` begins with the segment's header. */
static uint32_t record_checksum(const unsigned char *file, uint64_t offset)
{
    const unsigned char *header = file + offset;
    size_t size = (header[31] & FLAG_PREVIOUS) != 0 ? 40 : 32;
    unsigned char place[8];
    for (int i = 0; i < 8; i++) {
        place[i] = (unsigned char)(offset >> (8 * i));
    }
    uint32_t crc = files_crc32c(0, file + 16, 24); /* store id and file id are neighbours in the header */
    crc = files_crc32c(crc, place, sizeof place);
    return files_crc32c(crc, header + 4, size - 4);
}

/** Decodes the record at `offset`; false where no header checksum holds. */
static bool decode_record(const unsigned char *file, uint64_t size, uint64_t offset, struct files_record *out_record)
{
    if (offset + RECORD_HEADER_SIZE > size) {
        return false;
    }
    const unsigned char *header = file + offset;
    size_t header_size = (header[31] & FLAG_PREVIOUS) != 0 ? 40 : 32;
    if ((header[31] & 15) == 0 || offset + header_size > size || decode(header, 4) != record_checksum(file, offset)) {
        return false;
    }
    out_record->offset = offset;
    out_record->value_offset = offset + header_size;
    out_record->length = (uint32_t)decode(header + 8, 4);
    out_record->end = (out_record->value_offset + out_record->length + 7) / 8 * 8;
    out_record->table = (uint32_t)decode(header + 12, 4);
    out_record->key = (int64_t)decode(header + 16, 8);
    out_record->number = decode(header + 24, 7);
    out_record->kind = header[31] & 15u;
    out_record->flags = header[31] & 0xF0u;
    return out_record->end <= size;
}

size_t files_list_records(const char *directory, struct files_record **out_records)
{
    char(*names)[32];
    size_t segments = files_list_segments(directory, &names);
    struct files_record *records = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (size_t i = 0; i < segments; i++) {
        struct files_record record = {0};
        files_join(record.path, directory, names[i]);
        size_t size;
        unsigned char *file = files_read(record.path, &size);
        for (uint64_t at = SEGMENT_HEADER_SIZE; decode_record(file, size, at, &record); at = record.end) {
            if (count == capacity) {
                capacity = capacity == 0 ? 64 : 2 * capacity;
                records = realloc(records, capacity * sizeof *records);
                require(records != NULL, "list", directory);
            }
            records[count++] = record;
        }
        free(file);
    }
    free(names);
    *out_records = records;
    return count;
}

void files_find_record(const char *directory, unsigned kind, uint32_t table, int64_t key,
                       struct files_record *out_record)
{
    struct files_record *records;
    size_t count = files_list_records(directory, &records);
    while (count > 0) {
        const struct files_record *record = &records[--count];
        if (record->kind == kind && record->table == table && record->key == key) {
            *out_record = *record;
            free(records);
            return;
        }
    }
    free(records);
    fail_msg("%s has no record of kind %u for key %lld of table %u", directory, kind, (long long)key, table);
}

void files_last_record(const char *directory, struct files_record *out_record)
{
    struct files_record *records;
    size_t count = files_list_records(directory, &records);
    assert_true(count > 0);
    *out_record = records[count - 1];
    free(records);
}

static void reseal(const char *path, uint64_t offset, uint32_t crc)
{
    unsigned char data[4];
    encode_u32(data, crc);
    files_patch(path, offset, data, sizeof data);
}

void files_reseal_record(const char *path, uint64_t offset)
{
    size_t size;
    unsigned char *file = files_read(path, &size);
    assert_true(offset + RECORD_HEADER_SIZE <= size);
    reseal(path, offset, record_checksum(file, offset));
    free(file);
}

void files_reseal_segment(const char *path)
{
    unsigned char header[SEGMENT_HEADER_SIZE];
    files_read_at(path, 0, header, sizeof header);
    reseal(path, 60, files_crc32c(0, header, 60));
}

void files_reseal_manifest(const char *path)
{
    size_t size;
    unsigned char *file = files_read(path, &size);
    assert_true(size >= 92);
    reseal(path, size - 4, files_crc32c(0, file, size - 4));
    free(file);
}
