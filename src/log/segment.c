/* SPDX-License-Identifier: Apache-2.0 */
/** @file segment.c One segment: its file, its mapping, its growth. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log/log_internal.h"

void log_path(const struct log *log, uint64_t file_id, char *out_path, size_t capacity)
{
    (void)snprintf(out_path, capacity, "%s/%016" PRIx64 ".log", log->config.directory, file_id);
}

/** Fills the slots that a segment takes (L2). */
static void fill_slots(struct log *log, struct log_segment *segment)
{
    for (uint32_t i = 0; i < segment->slots; i++) {
        log->space.slots[segment->first_slot + i] = (struct log_slot){
            .base = segment->base + ((uint64_t)i << log->config.segment_shift),
            .segment = segment,
            .seed = segment->seed,
            .run = i,
        };
    }
}

/** Takes address space and maps the file into it, all of the capacity, whatever the file's length is. */
static int map(struct log *log, struct log_segment *segment, const char *path, struct alex_error *error)
{
    if (space_take(&log->space, segment->slots, &segment->first_slot, &segment->base) != ALEX_OK) {
        return base_fail(error, ALEX_NO_MEMORY, 0, path,
                         "cannot reserve %" PRIu64 " bytes of address space for the log; raise the limit (ulimit -v)",
                         segment->capacity);
    }
    int result = os_map_file(segment->base, segment->capacity, segment->fd, path, error);
    if (result == ALEX_OK) {
        os_map_prefer_huge(segment->base, segment->capacity);
        fill_slots(log, segment);
    }
    return result;
}

static struct log_segment *segment_new(const struct log *log, uint64_t file_id, uint32_t slots)
{
    struct log_segment *segment = base_alloc_zeroed(1, sizeof *segment);
    if (segment != NULL) {
        segment->file_id = file_id;
        segment->slots = slots;
        segment->capacity = (uint64_t)slots << log->config.segment_shift;
        segment->seed = record_seed(log->config.store_id, file_id);
        segment->fd = -1;
        segment->staged = log->config.sync_each;
    }
    return segment;
}

int segment_open(const struct log *log, struct log_segment *segment, struct alex_error *error)
{
    char path[512];
    log_path(log, segment->file_id, path, sizeof path);
    return os_file_open(path, OS_WRITE, &segment->fd, error);
}

void segment_close(struct log_segment *segment)
{
    /* In this order: a child forked in between by another thread must not close what has this number by then. */
    int fd = segment->fd;
    segment->fd = -1;
    os_file_close(fd);
}

void segment_trim(const struct log *log, struct log_segment *segment)
{
    char path[512];
    log_path(log, segment->file_id, path, sizeof path);
    uint64_t allocated = atomic_load_explicit(&segment->allocated, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
    /* First, as readers rely on the file's reaching that far. */
    atomic_store_explicit(&segment->allocated, end, memory_order_release);
    /* If the system refuses, the file keeps space that it does not need, and zero bytes there are fine. */
    if (allocated > end && os_file_truncate(segment->fd, path, end, NULL) != ALEX_OK) {
        atomic_store_explicit(&segment->allocated, allocated, memory_order_release);
    }
}

void segment_destroy(struct log *log, struct log_segment *segment)
{
    if (segment == NULL) {
        return;
    }
    if (segment->base != NULL) {
        memset(&log->space.slots[segment->first_slot], 0, segment->slots * sizeof(struct log_slot));
        os_space_clear(segment->base, segment->capacity);
        space_give_back(&log->space, segment->first_slot, segment->slots);
    }
    os_file_close(segment->fd);
    base_free(segment);
}

/** Reads and judges the header of an attached file. */
static int check_header(const struct log *log, struct log_segment *segment, const char *path,
                        enum log_attach_state *out_state, struct alex_error *error)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES] = {0};
    size_t got;
    int result = os_file_read(segment->fd, path, 0, bytes, sizeof bytes, &got, error);
    if (result != ALEX_OK) {
        return result;
    }
    struct segment_header header;
    enum record_state state = segment_header_decode(bytes, &header);
    bool ours = state == RECORD_GOOD && header.file_id == segment->file_id && header.slots == segment->slots &&
                memcmp(header.store_id, log->config.store_id, sizeof header.store_id) == 0;
    *out_state = state == RECORD_NEWER ? LOG_ATTACH_NEWER : ours ? LOG_ATTACHED : LOG_ATTACH_BAD;
    return ALEX_OK;
}

/** Reads all of a file, to see whether the disk can. */
static int read_through(int fd, const char *path, uint64_t length, struct alex_error *error)
{
    const size_t piece = (size_t)1 << 16;
    void *buffer = base_alloc(piece);
    int result =
        buffer != NULL ? ALEX_OK : base_fail(error, ALEX_NO_MEMORY, 0, path, "no memory to read the file through");
    size_t got = piece;
    /* unreached: a file that another program cuts short meanwhile */
    for (uint64_t at = 0; at < length && result == ALEX_OK && got == piece; at += piece) {
        result = os_file_read(fd, path, at, buffer, piece, &got, error);
    }
    base_free(buffer);
    return result;
}

/** Takes a file for what its length says: with space behind all of it for a SEAL, so that no record in it is at its
 *  end. */
static int take_as_it_is(const struct log *log, struct log_segment *segment, uint64_t length, const char *path,
                         struct alex_error *error)
{
    uint64_t slots = ((length + RECORD_HEADER_BYTES) >> log->config.segment_shift) + 1;
    if (slots > LOG_SLOTS_MAX) { /* unreached: takes a file larger than what file systems of tests hold */
        return base_fail(error, ALEX_DAMAGED, 0, path,
                         "the file is larger than any that the library makes; is it one?");
    }
    segment->slots = (uint32_t)slots;
    segment->capacity = slots << log->config.segment_shift;
    return read_through(segment->fd, path, length, error);
}

int segment_attach(struct log *log, uint64_t file_id, uint32_t slots, struct log_segment **out_segment,
                   enum log_attach_state *out_state, struct alex_error *error)
{
    char path[512];
    log_path(log, file_id, path, sizeof path);
    enum os_kind kind;
    int result = os_path_kind(path, &kind, error);
    if (result != ALEX_OK) {
        return result;
    }
    if (kind == OS_KIND_NONE) {
        *out_state = LOG_ATTACH_MISSING;
        return ALEX_OK;
    }
    struct log_segment *segment = segment_new(log, file_id, slots);
    if (segment == NULL) {
        return base_fail(error, ALEX_NO_MEMORY, 0, path, "no memory to open the file");
    }
    uint64_t length = 0;
    enum log_attach_state state = LOG_ATTACH_BAD;
    result = os_file_open(path, log->config.read_only ? OS_READ : OS_WRITE, &segment->fd, error);
    if (result == ALEX_OK) {
        result = os_file_size(segment->fd, path, &length, error);
    }
    if (result == ALEX_OK) {
        result = check_header(log, segment, path, &state, error);
    }
    if (result == ALEX_OK && slots == 0 && state != LOG_ATTACH_NEWER) {
        state = LOG_ATTACHED; /* whatever its header is */
        result = take_as_it_is(log, segment, length, path, error);
    }
    if (result == ALEX_OK && state == LOG_ATTACHED) {
        result = map(log, segment, path, error);
    }
    if (result != ALEX_OK || state != LOG_ATTACHED) {
        segment_destroy(log, segment);
        *out_state = state;
        return result;
    }
    atomic_store_explicit(&segment->allocated, length < segment->capacity ? length : segment->capacity,
                          memory_order_relaxed);
    atomic_store_explicit(&segment->end, SEGMENT_HEADER_BYTES, memory_order_relaxed);
    segment->writable_from = UINT64_MAX;
    segment_close(segment); /* the mapping holds the file: a log may have more of them than a process descriptors */
    *out_segment = segment;
    *out_state = LOG_ATTACHED;
    return ALEX_OK;
}

/** Bytes of the whole log, or GROWTH_MAX_BYTES if there are more. */
static uint64_t log_size(const struct log *log, const struct log_segment *segment)
{
    uint64_t size = atomic_load(&segment->allocated);
    for (size_t i = 0; i < log->segment_count && size < GROWTH_MAX_BYTES; i++) {
        size += log->segments[i] != segment ? atomic_load(&log->segments[i]->end) : 0;
    }
    return size < GROWTH_MAX_BYTES ? size : GROWTH_MAX_BYTES;
}

uint64_t segment_target(const struct log *log, const struct log_segment *segment, uint64_t bytes)
{
    uint64_t step = log->config.growth_bytes;
    if (step == 0) {
        /* In proportion to what there is, so that a small store is small files. */
        uint64_t size = log_size(log, segment);
        for (step = GROWTH_MIN_BYTES; 2 * step <= size; step *= 2) {
        }
    }
    uint64_t target = (bytes + step - 1) / step * step;
    return target < segment->capacity ? target : segment->capacity;
}

int segment_make_room(struct log *log, struct log_segment *segment, uint64_t bytes, struct alex_error *error)
{
    uint64_t target = segment_target(log, segment, bytes);
    uint64_t least = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    int result = segment_grow(log, segment, target, error);
    /* A disk without space for a whole step may still have enough for what is at hand. */
    return result == ALEX_NO_SPACE && least < target ? segment_grow(log, segment, least, error) : result;
}

int segment_grow(struct log *log, struct log_segment *segment, uint64_t bytes, struct alex_error *error)
{
    char path[512];
    log_path(log, segment->file_id, path, sizeof path);
    uint64_t allocated = atomic_load_explicit(&segment->allocated, memory_order_relaxed);
    uint64_t from = allocated / PAGE_BYTES * PAGE_BYTES;
    if (!segment->unallocated) {
        bool supported;
        int result = os_file_allocate(segment->fd, path, from, bytes, &supported, error);
        if (result != ALEX_OK) {
            return result;
        }
        if (!supported && segment->allocates) {
            return base_fail(error, ALEX_IO, 0, path, "the file system no longer allocates space for the file");
        }
        if (!supported) {
            segment->staged = true;
            segment->unallocated = true;
        }
        segment->allocates = supported;
    }
    if (segment->unallocated) {
        return ALEX_OK; /* each write brings its own space, and a full disk is that write's error */
    }
    if (segment->staged) {
        atomic_store_explicit(&segment->allocated, bytes, memory_order_release);
        return ALEX_OK;
    }
    int result = os_map_protect(segment->base + from, bytes - from, true, path, error);
    if (result != ALEX_OK) {
        return result;
    }
    if (segment->writable_from > from) {
        segment->writable_from = from;
    }
    atomic_store_explicit(&segment->allocated, bytes, memory_order_release);
    return ALEX_OK;
}

void segment_protect(struct log *log, struct log_segment *segment, uint64_t offset)
{
    /* Whole 2 MB pages where the file has them: half of one would split it. */
    uint64_t unit = atomic_load(&segment->allocated) >= GROWTH_MAX_BYTES ? (uint64_t)2 << 20 : PAGE_BYTES;
    uint64_t to = offset / unit * unit;
    if (segment->staged || segment->writable_from >= to) {
        return;
    }
    char path[512];
    log_path(log, segment->file_id, path, sizeof path);
    /* If the system refuses, the pages stay writable: less guarded, not wrong. */
    if (os_map_protect(segment->base + segment->writable_from, to - segment->writable_from, false, path, NULL) ==
        ALEX_OK) {
        segment->writable_from = to;
    }
}

/** Makes the file of a new segment. What stands in its place was prepared before a crash and never listed, so it holds
 *  no record; if it does, then the manifest is not the one that belongs to the files, and nothing is overwritten. */
static int create_file(const char *path, int *out_fd, struct alex_error *error)
{
    enum os_kind kind;
    int result = os_path_kind(path, &kind, error);
    if (result != ALEX_OK || kind == OS_KIND_NONE) {
        return result != ALEX_OK ? result : os_file_open(path, OS_CREATE, out_fd, error);
    }
    int fd = -1;
    size_t got = 0;
    uint8_t bytes[SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES] = {0};
    result = os_file_open(path, OS_WRITE, &fd, error);
    if (result == ALEX_OK) {
        result = os_file_read(fd, path, 0, bytes, sizeof bytes, &got, error);
    }
    static const uint8_t zero[RECORD_HEADER_BYTES];
    if (result == ALEX_OK && memcmp(bytes + SEGMENT_HEADER_BYTES, zero, sizeof zero) != 0) {
        result = base_fail_at(error, ALEX_DAMAGED, path, SEGMENT_HEADER_BYTES,
                              "the file holds records, but the manifest does not know it; restore the manifest that "
                              "belongs to it, or move the file away");
    }
    if (result == ALEX_OK) {
        result = os_file_truncate(fd, path, 0, error);
    }
    if (result != ALEX_OK) {
        os_file_close(fd);
        return result;
    }
    *out_fd = fd;
    return ALEX_OK;
}

int segment_create(struct log *log, uint64_t file_id, uint32_t slots, uint64_t room, uint64_t first_number,
                   struct log_segment **out_segment, struct alex_error *error)
{
    char path[512];
    log_path(log, file_id, path, sizeof path);
    struct log_segment *segment = segment_new(log, file_id, slots);
    if (segment == NULL) {
        return base_fail(error, ALEX_NO_MEMORY, 0, path, "no memory to make the file");
    }
    segment->writable_from = UINT64_MAX;
    int result = create_file(path, &segment->fd, error);
    if (result == ALEX_OK) {
        result = map(log, segment, path, error);
    }
    if (result == ALEX_OK) {
        result = segment_make_room(log, segment, SEGMENT_HEADER_BYTES + room, error);
    }
    if (result == ALEX_OK) {
        struct segment_header header = {.file_id = file_id, .slots = slots, .first_number = first_number};
        memcpy(header.store_id, log->config.store_id, sizeof header.store_id);
        uint8_t bytes[SEGMENT_HEADER_BYTES];
        segment_header_encode(bytes, &header);
        result = os_file_write(segment->fd, path, 0, bytes, sizeof bytes, error);
    }
    if (result == ALEX_OK) {
        /* Before it is listed: a listed file without a good header is damage, whatever else was synced. */
        result = os_file_sync(segment->fd, path, error);
    }
    if (result != ALEX_OK) {
        bool made = segment->fd != -1;
        segment_destroy(log, segment);
        if (made) {
            (void)os_file_remove(path, NULL);
        }
        return result;
    }
    atomic_store_explicit(&segment->end, SEGMENT_HEADER_BYTES, memory_order_relaxed);
    atomic_store_explicit(&segment->written, SEGMENT_HEADER_BYTES, memory_order_relaxed);
    *out_segment = segment;
    return ALEX_OK;
}

int log_reserve_listing(struct log *log)
{
    if (log->segment_count < log->segment_capacity) {
        return ALEX_OK;
    }
    size_t capacity = log->segment_capacity == 0 ? 8 : 2 * log->segment_capacity;
    struct log_segment **segments = base_realloc(log->segments, capacity * sizeof *segments);
    if (segments == NULL) {
        return ALEX_NO_MEMORY;
    }
    log->segments = segments;
    log->segment_capacity = capacity;
    return ALEX_OK;
}

void log_add_segment(struct log *log, struct log_segment *segment)
{
    BASE_ASSERT(log->segment_count < log->segment_capacity);
    BASE_ASSERT(log->segment_count == 0 || log->segments[log->segment_count - 1]->file_id < segment->file_id);
    log->segments[log->segment_count++] = segment;
}
