/* SPDX-License-Identifier: Apache-2.0 */
/** @file scratch.c See scratch.h. */
#include "scratch.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "os/os.h"

enum { PATH_BYTES = 512 };

static char directory[128];
static char salvaged[144]; /**< where salvages are written; a directory of its own */

static int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

static void join(char path[PATH_BYTES], const char *in, const char *name)
{
    CLAIM(snprintf(path, PATH_BYTES, "%s/%s", in, name) < PATH_BYTES);
}

/** Visits the files of a directory; none may be a directory. */
static void for_each_file(const char *in, void (*visit)(void *context, const char *name, const char *path),
                          void *context)
{
    DIR *stream = opendir(in);
    CLAIM(stream != NULL);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        char path[PATH_BYTES];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            join(path, in, entry->d_name);
            visit(context, entry->d_name, path);
        }
    }
    (void)closedir(stream);
}

static void remove_file(void *context, const char *name, const char *path)
{
    (void)context;
    (void)name;
    CLAIM(unlink(path) == 0);
}

static void remove_directory(void)
{
    for_each_file(directory, remove_file, NULL);
    (void)rmdir(directory);
}

static void remove_salvaged(void)
{
    if (access(salvaged, F_OK) == 0) {
        for_each_file(salvaged, remove_file, NULL);
        (void)rmdir(salvaged);
    }
}

const char *scratch_clear(void)
{
    if (directory[0] == '\0') {
        const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        (void)snprintf(directory, sizeof directory, "%s/alexstorage-fuzz.%ld", base, (long)getpid());
        (void)snprintf(salvaged, sizeof salvaged, "%s.salvaged", directory);
        CLAIM(os_directory_create(directory, NULL) == ALEX_OK);
        (void)atexit(remove_directory);
        (void)atexit(remove_salvaged);
        os_calls.fdatasync = sync_nothing;
        os_calls.fsync = sync_nothing;
    }
    for_each_file(directory, remove_file, NULL);
    return directory;
}

void scratch_write(const char *name, const void *data, size_t size, size_t zeroes)
{
    char path[PATH_BYTES];
    join(path, directory, name);
    FILE *file = fopen(path, "wb");
    CLAIM(file != NULL && fwrite(data, 1, size, file) == size && fflush(file) == 0);
    CLAIM(ftruncate(fileno(file), (off_t)(size + zeroes)) == 0 && fclose(file) == 0);
}

static void add_file(void *context, const char *name, const char *path)
{
    uint64_t *sum = context;
    if (strcmp(name, "LOCK") == 0) {
        return;
    }
    uint8_t bytes[4096];
    uint32_t checksum = base_crc32c(0, name, strlen(name) + 1);
    FILE *file = fopen(path, "rb");
    CLAIM(file != NULL);
    size_t got;
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        checksum = base_crc32c(checksum, bytes, got);
        *sum += got;
    }
    CLAIM(ferror(file) == 0 && fclose(file) == 0);
    *sum += (uint64_t)checksum << 24;
}

/** A checksum of the names and bytes of all files but LOCK, in whatever order the system lists them. */
static uint64_t fingerprint(void)
{
    uint64_t sum = 0;
    for_each_file(directory, add_file, &sum);
    return sum;
}

/** What a store holds. */
struct contents {
    uint64_t keys;
    uint64_t damaged;
    uint32_t checksum;
    bool whole; /**< opening cut nothing and dropped nothing */
};

struct reading {
    alex_store *store;
    alex_txn *txn;
    scratch_visit *visit;
    struct contents contents;
};

static void read_entry(struct reading *reading, alex_table *table, int result, const struct alex_entry *entry)
{
    struct contents *contents = &reading->contents;
    struct alex_slice again;
    CLAIM(result == ALEX_OK || result == ALEX_DAMAGED);
    if (result == ALEX_DAMAGED) {
        contents->damaged++;
        return;
    }
    contents->checksum = base_crc32c(contents->checksum, &entry->key, sizeof entry->key);
    contents->checksum = base_crc32c(contents->checksum, entry->value.data, entry->value.size);
    CLAIM(alex_txn_get(reading->txn, table, entry->key, &again) == ALEX_OK && again.data == entry->value.data);
    if (reading->visit != NULL) {
        reading->visit(table, entry);
    }
}

static int read_table(void *context, const struct alex_table_info *info)
{
    struct reading *reading = context;
    struct contents *contents = &reading->contents;
    alex_table *table;
    alex_cursor *cursor;
    struct alex_entry entry;
    uint64_t seen = 0;
    uint64_t count;
    CLAIM(alex_table_open(reading->store, info->name, NULL, &table) == ALEX_OK);
    CLAIM(alex_table_key_order(table) == info->key_order);
    contents->checksum = base_crc32c(contents->checksum, info->name, strlen(info->name) + 1);
    contents->checksum = base_crc32c(contents->checksum, &info->key_order, sizeof info->key_order);
    CLAIM(alex_cursor_open(reading->txn, table, NULL, &cursor) == ALEX_OK);
    for (int result; (result = alex_cursor_next(cursor, &entry)) != ALEX_NOT_FOUND; seen++) {
        read_entry(reading, table, result, &entry);
    }
    alex_cursor_close(cursor);
    CLAIM(seen == info->keys);
    CLAIM(alex_txn_count(reading->txn, table, NULL, &count) == ALEX_OK && count == seen);
    contents->keys += seen;
    return 0;
}

/** Reads and checks everything. */
static struct contents read_store(alex_store *store, scratch_visit *visit)
{
    struct reading reading = {.store = store, .visit = visit};
    struct alex_check_report report;
    CLAIM(alex_begin(store, ALEX_READ, &reading.txn) == ALEX_OK);
    CLAIM(alex_table_list(store, read_table, &reading) == ALEX_OK);
    CLAIM(alex_end(reading.txn) == ALEX_OK);
    CLAIM(alex_check(store, NULL, NULL, &report) == ALEX_OK);
    CLAIM(reading.contents.damaged == 0 || report.findings > 0);
    return reading.contents;
}

static bool same(const struct contents *a, const struct contents *b)
{
    return a->keys == b->keys && a->damaged == b->damaged && a->checksum == b->checksum;
}

/** Opens the store. @return ALEX_OK, or why it is refused */
static int open_store(bool read_only, alex_store **out_store)
{
    struct alex_error error = {0};
    struct alex_options options = {.read_only = read_only, .no_background = true, .error = &error};
    int result = alex_open(directory, &options, out_store);
    if (result != ALEX_OK) {
        CLAIM(result == ALEX_DAMAGED || result == ALEX_NEWER_FORMAT || result == ALEX_NOT_A_STORE ||
              result == ALEX_NO_STORE || result == ALEX_NO_MEMORY);
        CLAIM(error.code == result && error.message[0] != '\0');
    }
    return result;
}

/** Opens the store read-only, reads it, and closes it. */
static int read_only(scratch_visit *visit, struct contents *out_contents)
{
    uint64_t before = fingerprint();
    alex_store *store;
    int result = open_store(true, &store);
    if (result == ALEX_OK) {
        struct alex_open_report report;
        alex_store_open_report(store, &report);
        *out_contents = read_store(store, visit);
        out_contents->whole = report.cut_bytes == 0 && report.records_dropped == 0;
        CLAIM(alex_close(store) == ALEX_OK);
    }
    CLAIM(fingerprint() == before);
    return result;
}

/** Salvages the store. @param whole  what is in it, if it could be opened and nothing of it is damaged or was cut */
static void salvage(const struct contents *whole)
{
    uint64_t before = fingerprint();
    struct alex_error error = {0};
    struct alex_salvage_report seen;
    struct alex_salvage_report written;
    int result = alex_salvage(directory, NULL, NULL, NULL, &seen, &error);
    if (result != ALEX_OK) {
        CLAIM(result == ALEX_NEWER_FORMAT || result == ALEX_NOT_A_STORE || result == ALEX_NO_STORE);
        CLAIM(error.code == result && error.message[0] != '\0' && whole == NULL);
        return;
    }
    CLAIM(fingerprint() == before);
    if (before % 8 != 0) { /* to write the target takes longer than all else */
        return;
    }
    remove_salvaged();
    CLAIM(alex_salvage(directory, salvaged, NULL, NULL, &written, NULL) == ALEX_OK);
    CLAIM(written.keys == seen.keys && written.tables == seen.tables && written.findings <= seen.findings);
    CLAIM(fingerprint() == before);

    struct alex_options options = {.mode = ALEX_MUST_EXIST, .no_background = true};
    struct alex_check_report checked;
    alex_store *store;
    CLAIM(alex_open(salvaged, &options, &store) == ALEX_OK);
    struct contents contents = read_store(store, NULL);
    CLAIM(contents.keys == seen.keys && contents.damaged == 0);
    CLAIM(whole == NULL || seen.findings > 0 || same(whole, &contents));
    CLAIM(alex_check(store, NULL, NULL, &checked) == ALEX_OK && checked.findings == 0);
    CLAIM(alex_close(store) == ALEX_OK);
}

/** Writes to the store, closes it, and opens it again. */
static void write_and_reopen(alex_store *store, scratch_visit *visit)
{
    static const int64_t key = 1000;
    static const char text[] = "written to the store";
    int result = alex_put(alex_main_table(store), key, text, sizeof text, NULL);
    CLAIM(result == ALEX_OK || result == ALEX_NO_MEMORY || result == ALEX_NO_SPACE);
    bool written = result == ALEX_OK;
    struct contents before = read_store(store, visit);
    CLAIM(alex_close(store) == ALEX_OK);

    CLAIM(open_store(false, &store) == ALEX_OK);
    struct alex_open_report report;
    alex_store_open_report(store, &report);
    CLAIM(report.clean && report.cut_bytes == 0);
    char buffer[sizeof text];
    CLAIM(!written || (alex_get(alex_main_table(store), key, buffer, sizeof buffer, NULL) == ALEX_OK &&
                       memcmp(buffer, text, sizeof text) == 0));
    struct contents after = read_store(store, visit);
    CLAIM(same(&before, &after));
    CLAIM(alex_close(store) == ALEX_OK);
}

void scratch_exercise(scratch_visit *visit)
{
    struct contents first = {0};
    struct contents second = {0};
    int refused = read_only(visit, &first);
    CLAIM(read_only(visit, &second) == refused && same(&first, &second));
    salvage(refused == ALEX_OK && first.damaged == 0 && first.whole ? &first : NULL);

    uint64_t before = fingerprint();
    alex_store *store;
    int result = open_store(false, &store);
    if (result != ALEX_OK) {
        /* A directory without a store is made one, if it is empty; and what can be read may still not go on. */
        CLAIM(result == refused || refused == ALEX_NO_STORE || (refused == ALEX_OK && result == ALEX_DAMAGED));
        CLAIM(fingerprint() == before);
        return;
    }
    CLAIM(refused == ALEX_OK || refused == ALEX_NO_STORE);
    struct contents contents = read_store(store, visit);
    CLAIM(refused != ALEX_OK || same(&first, &contents));
    write_and_reopen(store, visit);
}
