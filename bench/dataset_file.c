/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dataset_file.c
 * Keys that come from files: the user's, and the project's own list of addresses. Both may be compressed by gzip.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "distributions.h"
#include "support.h"

#define ADDRESSES_FILE BENCH_DATA_DIRECTORY "/ipv4-country.csv.gz"

/** Bytes of a line at most; a longer one can't be a key. */
#define LINE_BYTES 128

/** A file that is read line by line. */
struct lines {
    const char *path;
    gzFile file;
    uint64_t number; /**< of the line read last, from 1 */
    char text[LINE_BYTES];
};

static void open_lines(struct lines *lines, const char *path)
{
    errno = 0;
    *lines = (struct lines){.path = path, .file = gzopen(path, "rb")};
    if (lines->file == NULL) {
        fail("cannot open %s: %s", path, errno != 0 ? strerror(errno) : "out of memory");
    }
    gzbuffer(lines->file, 1 << 17);
}

/** @return false at the end of the file */
static bool next_line(struct lines *lines)
{
    if (gzgets(lines->file, lines->text, LINE_BYTES) != NULL) {
        lines->number++;
        return true;
    }
    int code;
    const char *message = gzerror(lines->file, &code);
    if (code != Z_OK && code != Z_STREAM_END) {
        fail("cannot read %s after line %" PRIu64 ": %s", lines->path, lines->number,
             code == Z_ERRNO ? strerror(errno) : message);
    }
    return false;
}

/** Reads a decimal int64 that is followed by one of `ends`. */
static int64_t parse_key(const struct lines *lines, const char *ends)
{
    char *end;
    const char *digits = lines->text + (lines->text[0] == '-');
    errno = 0;
    long long key = strtoll(lines->text, &end, 10);
    if (*digits < '0' || *digits > '9' || errno != 0 || strchr(ends, *end) == NULL) {
        fail("%s, line %" PRIu64 ": '%.*s' is not a decimal number of 64 bits with sign", lines->path, lines->number,
             (int)strcspn(lines->text, "\r\n"), lines->text);
    }
    return key;
}

void make_from_file(const struct dataset *dataset, int64_t *keys)
{
    struct lines lines;
    open_lines(&lines, dataset->path);
    while (lines.number < dataset->count && next_line(&lines)) {
        keys[lines.number - 1] = parse_key(&lines, "\r\n");
    }
    gzclose(lines.file);
    if (lines.number < dataset->count) {
        fail("%s has %" PRIu64 " keys, and %" PRIu64 " are needed: %" PRIu64
             " to load, the others new or absent ones; lower --keys or --ops",
             dataset->path, lines.number, dataset->count, dataset->loaded);
    }
}

void dataset_check_file(const struct dataset *dataset)
{
    if (!distributions[dataset->distribution].from_file) {
        return;
    }
    int64_t *keys = allocate(dataset->count, sizeof *keys);
    make_from_file(dataset, keys);
    int64_t *sorted = allocate(dataset->count, sizeof *sorted);
    memcpy(sorted, keys, dataset->count * sizeof *keys);
    sort_keys(sorted, dataset->count);
    for (uint64_t i = 1; i < dataset->count; i++) {
        if (sorted[i] == sorted[i - 1]) {
            uint64_t lines[2] = {0};
            for (uint64_t line = 0, seen = 0; seen < 2; line++) {
                if (keys[line] == sorted[i]) {
                    lines[seen++] = line + 1;
                }
            }
            fail("%s, line %" PRIu64 ": the key %" PRId64 " is in line %" PRIu64 " already", dataset->path, lines[1],
                 sorted[i], lines[0]);
        }
    }
    free(sorted);
    free(keys);
}

/* A random choice of the addresses, or all of them and then further copies 2^32 apart, as if a second and third
 * network had ranges like the first's. Copies are whole, so that the choice is one of all keys. */
void make_ipv4(const struct dataset *dataset, int64_t *keys)
{
    struct lines lines;
    uint64_t count = 0;
    uint64_t room = 0;
    int64_t *addresses = NULL;
    open_lines(&lines, ADDRESSES_FILE);
    while (next_line(&lines)) {
        int64_t address = parse_key(&lines, ",");
        if (count > 0 && address == addresses[count - 1]) {
            continue;
        }
        if (count == room) {
            room = room * 2 + 1024;
            addresses = reallocate(addresses, room * sizeof *addresses);
        }
        addresses[count++] = address;
    }
    gzclose(lines.file);
    if (addresses == NULL) {
        fail("%s is empty", ADDRESSES_FILE);
    }
    uint64_t copies = (dataset->count + count - 1) / count;
    int64_t *all = allocate(copies * count, sizeof *all);
    for (uint64_t i = 0; i < copies * count; i++) {
        all[i] = addresses[i % count] + ((int64_t)(i / count) << 32);
    }
    shuffle_keys(all, copies * count, dataset->random_seed);
    memcpy(keys, all, dataset->count * sizeof *keys);
    free(all);
    free(addresses);
}
