/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file write.c
 * A write by its parts: append, flush, remap, index. The first two ways to append and the chunks are those of the
 * document that the project started from; "never" is how AlexStorage's log does it.
 *
 * A record is its key (8 bytes), its length (4) and its value. Three passes over new files give the figures: one that
 * reads the clock at its ends only, one that reads it between the parts, less what reading it costs, and one that reads
 * each record after writing it: a page that is mapped anew faults in anew, and a reader pays for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../measure.h"
#include "remap.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MB ((uint64_t)1 << 20)
#define HEADER_BYTES 12
#define RECORD_BYTES_MAX (HEADER_BYTES + VALUE_BYTES_MAX)

/** Steps by which a file that is mapped ahead grows: double what it has, within these, as AlexStorage's log. */
#define GROWTH_MIN_BYTES ((uint64_t)64 << 10)
#define GROWTH_MAX_BYTES (16 * MB)

#define CHUNK_CASES(append)                                                                              \
    {append, CHUNK_PER_WRITE}, {append, 1 * MB}, {append, 4 * MB}, {append, 16 * MB}, {append, 64 * MB}, \
    {                                                                                                    \
        append, 256 * MB                                                                                 \
    }

const struct write_case write_cases[] = {
    CHUNK_CASES(APPEND_THREE_WRITES), {APPEND_THREE_WRITES, CHUNK_NEVER}, CHUNK_CASES(APPEND_ONE_WRITE),
    {APPEND_ONE_WRITE, CHUNK_NEVER},  {APPEND_STORED, CHUNK_NEVER},
};
const size_t write_case_count = sizeof write_cases / sizeof *write_cases;

/** A file that grows, with the mapping that it is read through. */
struct target {
    const struct write_case *write_case;
    const char *path;
    int fd;
    uint64_t end;          /**< bytes of records */
    uint64_t file_bytes;   /**< its length, where that is ahead of the end */
    unsigned char *map;    /**< NULL before the first */
    uint64_t mapped_bytes; /**< address space, where it is mapped ahead */
    uint64_t remaps;
    uint64_t buffered_bytes; /**< of the record that waits for the flush */
    unsigned char buffer[RECORD_BYTES_MAX];
    struct key_index index;
};

/** The parts, in the order in which a write does them. */
enum part { PART_APPEND, PART_FLUSH, PART_REMAP, PART_INDEX, PARTS };

static bool maps_ahead(const struct target *target)
{
    return target->write_case->chunk_bytes == CHUNK_NEVER;
}

/** Makes the file longer, ahead of the end, in the mapping that is there already. */
static void grow(struct target *target)
{
    uint64_t step = target->file_bytes < GROWTH_MIN_BYTES   ? GROWTH_MIN_BYTES
                    : target->file_bytes < GROWTH_MAX_BYTES ? target->file_bytes
                                                            : GROWTH_MAX_BYTES;
    if (fallocate(target->fd, 0, (off_t)target->file_bytes, (off_t)step) != 0) {
        fail("cannot allocate space in %s: %s; name another directory with --dir", target->path, strerror(errno));
    }
    if (target->write_case->append == APPEND_STORED) {
        /* A kernel without it leaves the pages to be faulted in one by one: slower, not wrong. */
        (void)madvise(target->map + target->file_bytes, step, MADV_POPULATE_WRITE);
    }
    target->file_bytes += step;
}

/** Opens, maps all of the file, and unmaps what was mapped before. */
static void map_anew(struct target *target)
{
    uint64_t chunk = target->write_case->chunk_bytes;
    uint64_t bytes = target->end;
    if (chunk != CHUNK_PER_WRITE) {
        bytes = (target->end + chunk - 1) / chunk * chunk;
        if (ftruncate(target->fd, (off_t)bytes) != 0) {
            fail("cannot grow %s: %s", target->path, strerror(errno));
        }
    }
    int fd = open(target->path, O_RDONLY | O_CLOEXEC);
    unsigned char *map = fd < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fail("cannot map %s: %s", target->path, strerror(errno));
    }
    close(fd);
    if (target->map != NULL) {
        munmap(target->map, target->mapped_bytes);
    }
    target->map = map;
    target->mapped_bytes = bytes;
    target->remaps++;
}

/** Reserves address space for all that will come and maps the file into it, ahead of its end. */
static void map_ahead(struct target *target, uint64_t bytes)
{
    target->map = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int protection = target->write_case->append == APPEND_STORED ? PROT_READ | PROT_WRITE : PROT_READ;
    if (target->map == MAP_FAILED ||
        mmap(target->map, bytes, protection, MAP_SHARED | MAP_FIXED, target->fd, 0) == MAP_FAILED) {
        fail("cannot map %s: %s", target->path, strerror(errno));
    }
    target->mapped_bytes = bytes;
    target->remaps = 1;
}

static void target_init(struct target *target, const struct write_case *write_case, const char *path, uint64_t keys)
{
    *target = (struct target){.write_case = write_case, .path = path};
    target->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (target->fd < 0) {
        fail("cannot make %s: %s", path, strerror(errno));
    }
    key_index_init(&target->index);
    if (maps_ahead(target)) {
        map_ahead(target, keys * RECORD_BYTES_MAX + 2 * GROWTH_MAX_BYTES);
    }
}

static void target_release(struct target *target)
{
    key_index_release(&target->index);
    munmap(target->map, target->mapped_bytes);
    close(target->fd);
    unlink(target->path);
}

static void write_all(const struct target *target, const void *bytes, size_t count)
{
    if (write(target->fd, bytes, count) != (ssize_t)count) {
        fail("cannot write to %s: %s", target->path, errno != 0 ? strerror(errno) : "the disk is full");
    }
}

static void build(unsigned char *at, int64_t key, const unsigned char *value, uint32_t bytes)
{
    memcpy(at, &key, 8);
    memcpy(at + 8, &bytes, 4);
    memcpy(at + HEADER_BYTES, value, bytes);
}

static inline void append(struct target *target, int64_t key, const unsigned char *value, uint32_t bytes)
{
    switch (target->write_case->append) {
    case APPEND_THREE_WRITES:
        write_all(target, &key, 8);
        write_all(target, &bytes, 4);
        write_all(target, value, bytes);
        break;
    case APPEND_ONE_WRITE:
        build(target->buffer, key, value, bytes);
        target->buffered_bytes = HEADER_BYTES + bytes;
        break;
    default:
        build(target->map + target->end, key, value, bytes);
    }
    target->end += HEADER_BYTES + bytes;
}

static inline void flush(struct target *target)
{
    if (target->write_case->append == APPEND_ONE_WRITE) {
        write_all(target, target->buffer, target->buffered_bytes);
    }
}

/** Makes sure that what was written is mapped, and that there is room for the next record where there must be. */
static inline void remap(struct target *target)
{
    if (maps_ahead(target)) {
        if (target->end + RECORD_BYTES_MAX > target->file_bytes) {
            grow(target);
        }
    } else if (target->end > target->mapped_bytes) {
        map_anew(target);
    }
}

static inline void check(const struct target *target, const struct records *records, int64_t key)
{
    const unsigned char *at = target->map + key_index_get(&target->index, key);
    int64_t read_key;
    uint32_t bytes;
    memcpy(&read_key, at, 8);
    memcpy(&bytes, at + 8, 4);
    if (read_key != key || !record_value_is(records, key, at + HEADER_BYTES, bytes)) {
        fail("%s: a record read through the mapping is not the one that was written", target->path);
    }
}

/** Writes all records. With `parts`, adds up what each part took; with `reads`, reads each record when it is written.
 */
static inline __attribute__((always_inline)) void write_records(struct target *target, const struct records *records,
                                                                uint64_t keys, uint64_t *parts, bool reads)
{
    uint64_t times[PARTS + 1] = {0};
    for (uint64_t number = 0; number < keys; number++) {
        int64_t key = record_key(number);
        uint32_t bytes = record_value_bytes(key);
        uint64_t address = target->end;
        times[PART_APPEND] = parts != NULL ? now_ns() : 0;
        append(target, key, record_value(records, key), bytes);
        times[PART_FLUSH] = parts != NULL ? now_ns() : 0;
        flush(target);
        times[PART_REMAP] = parts != NULL ? now_ns() : 0;
        remap(target);
        times[PART_INDEX] = parts != NULL ? now_ns() : 0;
        key_index_set(&target->index, key, address);
        if (parts != NULL) {
            times[PARTS] = now_ns();
            for (size_t part = 0; part < PARTS; part++) {
                parts[part] += times[part + 1] - times[part];
            }
        }
        if (reads) {
            check(target, records, key);
        }
    }
}

/** What lies between two reads of the clock that follow each other, in nanoseconds. */
static double clock_cost(void)
{
    const unsigned reads = 100000;
    uint64_t begin = now_ns();
    uint64_t end = begin;
    for (unsigned i = 0; i < reads; i++) {
        end = now_ns();
    }
    return (double)(end - begin) / reads;
}

/** Which of the three passes. */
enum pass { PASS_WHOLE, PASS_PARTS, PASS_READ, PASSES };

/** One pass over a new file. @return nanoseconds a record */
static double run_pass(enum pass pass, const struct write_case *write_case, const struct records *records,
                       uint64_t keys, const char *path, uint64_t *parts, uint64_t *out_remaps)
{
    struct target target;
    target_init(&target, write_case, path, keys);
    uint64_t begin = now_ns();
    if (maps_ahead(&target)) {
        grow(&target);
    }
    switch (pass) {
    case PASS_PARTS:
        write_records(&target, records, keys, parts, false);
        break;
    case PASS_READ:
        write_records(&target, records, keys, NULL, true);
        break;
    default:
        write_records(&target, records, keys, NULL, false);
    }
    double ns = (double)(now_ns() - begin) / (double)keys;
    for (uint64_t number = 0; number < keys; number++) {
        check(&target, records, record_key(number));
    }
    *out_remaps = target.remaps;
    target_release(&target);
    return ns;
}

struct write_times write_run(const struct write_case *write_case, const struct records *records, uint64_t keys,
                             const char *directory)
{
    char *path = text("%s/log", directory);
    uint64_t parts[PARTS] = {0};
    struct write_times times = {0};
    times.whole = run_pass(PASS_WHOLE, write_case, records, keys, path, NULL, &times.remaps);
    run_pass(PASS_PARTS, write_case, records, keys, path, parts, &times.remaps);
    times.whole_and_read = run_pass(PASS_READ, write_case, records, keys, path, NULL, &times.remaps);
    double cost = clock_cost();
    double *const fields[PARTS] = {&times.append, &times.flush, &times.remap, &times.index};
    for (size_t part = 0; part < PARTS; part++) {
        double ns = (double)parts[part] / (double)keys - cost;
        *fields[part] = ns > 0 ? ns : 0;
    }
    free(path);
    return times;
}
