/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file survey.c
 * What a damaged store consists of: FORMAT.md, "Salvage".
 *
 * A manifest that holds says it all. Without one the directory says which files there are, and their headers which
 * store they belong to: the id that most of them have. Nothing more is needed, as a record proves by itself that it
 * belongs to this store, file and place.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "recovery/recovery.h"

/** More ids than this are not told apart. */
#define VOTES_MAX 16

#define SEGMENT_SHIFT_LARGEST 27
#define READ_BYTES ((size_t)1 << 16)

/** Headers that have a store id. */
struct vote {
    uint8_t store_id[RECORD_STORE_ID_BYTES];
    uint64_t good; /**< those whose checksum holds */
    uint64_t all;
};

struct survey {
    const char *directory;
    const struct salvage_listener *listener;
    struct alex_error *error;
    struct log_listed *files; /**< of the log, by name */
    size_t file_count;
    size_t file_capacity;
    struct vote votes[VOTES_MAX];
    size_t vote_count;
    uint64_t longest_bytes; /**< of a file */
};

int salvage_find(const struct salvage_listener *listener, const struct alex_finding *finding)
{
    return listener->find(listener->context, finding);
}

static void file_path(const struct survey *survey, uint64_t file_id, char *out_path, size_t capacity)
{
    (void)snprintf(out_path, capacity, "%s/%016" PRIx64 ".log", survey->directory, file_id);
}

/** Reads the file id out of a name. @return false if it is the name of no file of the log */
static bool parse_name(const char *name, uint64_t *out_file_id)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t file_id = 0;
    for (size_t i = 0; i < 16; i++) {
        const char *digit = name[i] != '\0' ? strchr(digits, name[i]) : NULL;
        if (digit == NULL) {
            return false;
        }
        file_id = file_id << 4 | (uint64_t)(digit - digits);
    }
    *out_file_id = file_id;
    return strcmp(name + 16, ".log") == 0 && file_id != 0 && file_id <= MANIFEST_FILE_ID_MAX;
}

static int note_file(void *context, const char *name)
{
    struct survey *survey = context;
    uint64_t file_id;
    if (!parse_name(name, &file_id)) {
        return ALEX_OK;
    }
    if (survey->file_count == survey->file_capacity) {
        size_t capacity = survey->file_capacity == 0 ? 64 : 2 * survey->file_capacity;
        struct log_listed *files = base_realloc(survey->files, capacity * sizeof *files);
        if (files == NULL) {
            return base_fail(survey->error, ALEX_NO_MEMORY, 0, survey->directory, "no memory to list the log's files");
        }
        survey->files = files;
        survey->file_capacity = capacity;
    }
    survey->files[survey->file_count++] = (struct log_listed){.file_id = file_id, .slots = 1};
    return ALEX_OK;
}

static int compare_files(const void *a, const void *b)
{
    uint64_t first = ((const struct log_listed *)a)->file_id;
    uint64_t second = ((const struct log_listed *)b)->file_id;
    return (first > second) - (first < second);
}

/** Lists the files of the log that are there, by file id. */
static int list_files(struct survey *survey)
{
    int result = os_directory_visit(survey->directory, note_file, survey, survey->error);
    if (survey->file_count > 0) {
        qsort(survey->files, survey->file_count, sizeof *survey->files, compare_files);
    }
    return result;
}

static void vote(struct survey *survey, const uint8_t *store_id, bool good)
{
    size_t i = 0;
    while (i < survey->vote_count && memcmp(survey->votes[i].store_id, store_id, RECORD_STORE_ID_BYTES) != 0) {
        i++;
    }
    if (i == VOTES_MAX) {
        return;
    }
    if (i == survey->vote_count) {
        survey->vote_count++;
        memcpy(survey->votes[i].store_id, store_id, RECORD_STORE_ID_BYTES);
    }
    survey->votes[i].good += good;
    survey->votes[i].all++;
}

/** Has a file's header vote. */
static int read_header(struct survey *survey, uint64_t file_id)
{
    char path[512];
    file_path(survey, file_id, path, sizeof path);
    int fd = -1;
    uint64_t length = 0;
    uint8_t bytes[SEGMENT_HEADER_BYTES] = {0};
    size_t got = 0;
    int result = os_file_open(path, OS_READ, &fd, survey->error);
    if (result == ALEX_OK) {
        result = os_file_size(fd, path, &length, survey->error);
    }
    if (result == ALEX_OK) {
        result = os_file_read(fd, path, 0, bytes, sizeof bytes, &got, survey->error);
    }
    os_file_close(fd);
    if (result != ALEX_OK) {
        return result;
    }
    survey->longest_bytes = length > survey->longest_bytes ? length : survey->longest_bytes;
    struct segment_header header;
    vote(survey, segment_header_store_id(bytes), segment_header_decode(bytes, &header) == RECORD_GOOD);
    return ALEX_OK;
}

/** Makes a manifest up from the files that are there. */
static int make_up(struct survey *survey, struct manifest *out_manifest)
{
    int result = list_files(survey);
    for (size_t i = 0; i < survey->file_count && result == ALEX_OK; i++) {
        result = read_header(survey, survey->files[i].file_id);
    }
    if (result != ALEX_OK) {
        return result;
    }
    struct manifest manifest = {
        .segment_shift = MANIFEST_SEGMENT_SHIFT_MIN,
        .next_table_id = 2,
        .segments = survey->files,
        .segment_count = survey->file_count,
    };
    const struct vote *most = &survey->votes[0];
    for (size_t i = 1; i < survey->vote_count; i++) {
        const struct vote *other = &survey->votes[i];
        most = other->good > most->good || (other->good == most->good && other->all > most->all) ? other : most;
    }
    memcpy(manifest.store_id, most->store_id, sizeof manifest.store_id);
    /* Address space is taken in units of this, so that most files take one. */
    while (manifest.segment_shift < SEGMENT_SHIFT_LARGEST &&
           (uint64_t)1 << manifest.segment_shift < survey->longest_bytes + RECORD_HEADER_BYTES) {
        manifest.segment_shift++;
    }
    *out_manifest = manifest;
    survey->files = NULL;
    return ALEX_OK;
}

/** Whether anything but zero follows a file's header. */
static int has_content(struct survey *survey, const char *path, bool *out_content, uint64_t *out_bytes)
{
    uint8_t *buffer = base_alloc(READ_BYTES);
    if (buffer == NULL) {
        return base_fail(survey->error, ALEX_NO_MEMORY, 0, path, "no memory to read the file");
    }
    int fd = -1;
    int result = os_file_open(path, OS_READ, &fd, survey->error);
    if (result == ALEX_OK) {
        result = os_file_size(fd, path, out_bytes, survey->error);
    }
    bool content = false;
    for (uint64_t at = SEGMENT_HEADER_BYTES; at < *out_bytes && !content && result == ALEX_OK; at += READ_BYTES) {
        size_t got = 0;
        result = os_file_read(fd, path, at, buffer, READ_BYTES, &got, survey->error);
        for (size_t i = 0; i < got && !content; i++) {
            content = buffer[i] != 0;
        }
    }
    os_file_close(fd);
    base_free(buffer);
    *out_content = content;
    return result;
}

/** Reports the files of the log that hold something and that the manifest doesn't list. */
static int find_strays(struct survey *survey, const struct manifest *manifest)
{
    int result = list_files(survey);
    size_t at = 0;
    for (size_t i = 0; i < survey->file_count && result == ALEX_OK; i++) {
        while (at < manifest->segment_count && manifest->segments[at].file_id < survey->files[i].file_id) {
            at++;
        }
        if (at < manifest->segment_count && manifest->segments[at].file_id == survey->files[i].file_id) {
            continue;
        }
        char path[512];
        file_path(survey, survey->files[i].file_id, path, sizeof path);
        bool content = false;
        uint64_t bytes = 0;
        result = has_content(survey, path, &content, &bytes);
        if (result == ALEX_OK && content) {
            result = salvage_find(survey->listener,
                                  &(struct alex_finding){ALEX_DAMAGED, path, 0,
                                                         "the manifest doesn't list this file: it was cut off after a "
                                                         "crash, or the manifest is an older one",
                                                         ALEX_FINDING_FILE, bytes});
        }
    }
    return result;
}

int salvage_look(const char *directory, const struct salvage_listener *listener, struct salvage_survey *out_survey,
                 struct alex_error *error)
{
    struct survey survey = {.directory = directory, .listener = listener, .error = error};
    struct alex_error damage = {0};
    struct manifest manifest = {0};
    int result = manifest_read(directory, &manifest, &damage);
    bool listed = result == ALEX_OK;
    if (listed) {
        result = find_strays(&survey, &manifest);
    } else if (result == ALEX_NOT_FOUND) {
        result =
            salvage_find(listener, &(struct alex_finding){ALEX_DAMAGED, directory, 0,
                                                          "the manifest is missing: files may be missing unnoticed",
                                                          ALEX_FINDING_FILE, 0});
    } else if (result == ALEX_DAMAGED) {
        result = salvage_find(listener, &(struct alex_finding){ALEX_DAMAGED, damage.path, damage.offset, damage.message,
                                                               ALEX_FINDING_FILE, 0});
    } else {
        *error = damage;
    }
    if (result == ALEX_OK && !listed) {
        result = make_up(&survey, &manifest);
    }
    base_free(survey.files);
    if (result != ALEX_OK) {
        manifest_release(&manifest);
        return result;
    }
    *out_survey = (struct salvage_survey){manifest, listed};
    return ALEX_OK;
}
