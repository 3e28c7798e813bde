/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engine_floor.c
 * No store but a floor: what the hardware takes for the memory accesses that a get and an insert can't do without.
 *
 * A get is two cache misses, of which the second waits for the first: one in a table of 26 bytes a key, as large as the
 * index, and one in a mapped file that holds the same values behind headers of the same size as a log, whose lines are
 * prefetched as far as AlexStorage does. Both have the pages that AlexStorage's index and log ask for. An insert is a
 * loop over memory that is there already: a record goes behind the last one, and its address into the table.
 *
 * Threads read one table without any lock, and write nothing: what a second one gains is what the hardware gives.
 *
 * What makes it a floor rather than a store: the table is a hash table whose size is known beforehand, with some three
 * slots a key, so nothing is searched, ordered, moved or grown; nothing is checked; puts stay in memory, so that they
 * don't wait for a file; a scan sorts the whole table first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"
#include "support.h"

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define GROWTH_BYTES ((size_t)16 << 20)
#define TABLE_BYTES_PER_KEY 26

/** A slot holds a record's address, of 47 bits in user space, and above it as many bits of its key's hash. 0: the slot
 *  is free. */
#define TAG_BITS 16

/** As in src/log/fetch.c. */
#define PREFETCH_LINES 5
#define CACHE_LINE_BYTES 64

/** As large as a log record's header. */
struct floor_record {
    int64_t key;
    uint64_t end; /**< the value's size + 1; 0 behind the file's last record */
    uint64_t unused[2];
    unsigned char value[];
};

/** Memory that records are appended to. */
struct region {
    char *memory;
    size_t capacity; /**< of address space */
    size_t ready;    /**< bytes that there is memory or file for */
    size_t used;
};

struct floor {
    int fd;
    struct region file; /**< what was loaded */
    struct region puts; /**< what was put since */
    uint64_t *slots;
    uint64_t slot_count;
    uint64_t count;
};

/** Maps private memory or a file at an address that huge pages can have, and asks for them. */
static char *map(size_t bytes, int fd)
{
    size_t space = bytes + HUGE_PAGE_BYTES;
    char *memory = mmap(NULL, space, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        fail("floor: cannot map %zu bytes: %s", bytes, strerror(errno));
    }
    size_t before = -(uintptr_t)memory & (HUGE_PAGE_BYTES - 1);
    if (before > 0) {
        (void)munmap(memory, before);
    }
    memory += before;
    (void)munmap(memory + bytes, HUGE_PAGE_BYTES - before);
    if (fd >= 0 && mmap(memory, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        fail("floor: cannot map the file: %s", strerror(errno));
    }
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static size_t round_up(size_t bytes)
{
    return (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
}

/** Private memory that is there: no access to it faults. */
static char *map_ready(size_t bytes)
{
    return memset(map(bytes, -1), 0, bytes);
}

/** Bytes for `count` records of the usual sizes. */
static size_t records_bytes(const struct engine_setup *setup, uint64_t count)
{
    size_t mean = setup->data_bytes / (setup->keys + setup->puts) + sizeof(struct floor_record);
    return round_up(count * (mean + mean / 8) + 64 * (setup->value_max + sizeof(struct floor_record)));
}

static inline struct floor_record *record_at(uint64_t slot)
{
    return (struct floor_record *)(uintptr_t)(slot << TAG_BITS >> TAG_BITS);
}

/** The slot of a key, or the free one where it would be. A tag that fits another key's hash is seen at the record. */
static inline uint64_t *slot_of(const struct floor *self, int64_t key)
{
    __extension__ typedef unsigned __int128 wide;
    uint64_t hash = mix((uint64_t)key);
    uint64_t *slot = self->slots + (uint64_t)((wide)hash * self->slot_count >> 64);
    while (*slot != 0 && ((*slot ^ hash << (64 - TAG_BITS)) >> (64 - TAG_BITS) != 0 || record_at(*slot)->key != key)) {
        slot = slot + 1 == self->slots + self->slot_count ? self->slots : slot + 1;
    }
    return slot;
}

static inline void enter(struct floor *self, struct floor_record *record)
{
    uint64_t *slot = slot_of(self, record->key);
    if (*slot == 0 && ++self->count == self->slot_count) {
        fail("floor: the table is full");
    }
    *slot = mix((uint64_t)record->key) << (64 - TAG_BITS) | (uint64_t)(uintptr_t)record;
}

static inline size_t record_bytes(size_t size)
{
    return sizeof(struct floor_record) + (size + 7) / 8 * 8;
}

static inline void append(struct floor *self, struct region *region, int64_t key, const void *value, size_t size)
{
    struct floor_record *record = (struct floor_record *)(void *)(region->memory + region->used);
    record->key = key;
    record->end = size + 1;
    memcpy(record->value, value, size);
    region->used += record_bytes(size);
    enter(self, record);
}

static void *open_store(const struct engine_setup *setup)
{
    struct floor *self = allocate(1, sizeof *self);
    struct stat status;
    char *path = text("%s/records", setup->path);
    self->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (self->fd < 0 || fstat(self->fd, &status) != 0) {
        fail("floor: cannot open %s: %s", path, strerror(errno));
    }
    free(path);
    self->slot_count = (setup->keys + setup->puts) * TABLE_BYTES_PER_KEY / sizeof *self->slots + 1;
    self->slots = (uint64_t *)(void *)map_ready(round_up(self->slot_count * sizeof *self->slots));
    self->file.capacity = records_bytes(setup, setup->keys) + GROWTH_BYTES;
    self->file.ready = (size_t)status.st_size;
    self->file.memory = map(self->file.capacity, self->fd);
    while (self->file.used + sizeof(struct floor_record) <= self->file.ready) {
        struct floor_record *record = (struct floor_record *)(void *)(self->file.memory + self->file.used);
        if (record->end == 0) {
            break;
        }
        enter(self, record);
        self->file.used += record_bytes(record->end - 1);
    }
    if (setup->puts > 0) {
        self->puts.capacity = records_bytes(setup, setup->puts);
        self->puts.memory = map_ready(self->puts.capacity);
    }
    return self;
}

/** The mappings end with the process. */
static void close_store(void *store)
{
    struct floor *self = store;
    close(self->fd);
    free(self);
}

static void put(void *store, int64_t key, const void *value, size_t size)
{
    struct floor *self = store;
    if (self->puts.capacity - self->puts.used < record_bytes(size)) {
        fail("floor: more puts than were announced");
    }
    append(self, &self->puts, key, value, size);
}

/** Grows the file before its memory is first touched, as a log does, so that its pages are of the same size. */
static void write_batch(void *store, const struct record *records, size_t count)
{
    struct floor *self = store;
    for (size_t i = 0; i < count; i++) {
        if (self->file.ready - self->file.used < record_bytes(records[i].size)) {
            int code = self->file.capacity - self->file.ready < GROWTH_BYTES
                           ? EFBIG
                           : posix_fallocate(self->fd, (off_t)self->file.ready, (off_t)GROWTH_BYTES);
            if (code != 0) {
                fail("floor: cannot grow the file: %s", strerror(code));
            }
            self->file.ready += GROWTH_BYTES;
        }
        append(self, &self->file, records[i].key, records[i].value, records[i].size);
    }
}

static bool get(void *store, int64_t key, visit_fn *visit, void *context)
{
    struct floor *self = store;
    uint64_t slot = *slot_of(self, key);
    if (slot == 0) {
        return false;
    }
    const struct floor_record *record = record_at(slot);
    for (size_t line = 1; line < PREFETCH_LINES; line++) { /* the first has been read for its key */
        __builtin_prefetch((const char *)record + line * CACHE_LINE_BYTES);
    }
    visit(context, key, record->value, record->end - 1);
    return true;
}

static int compare_records(const void *left, const void *right)
{
    int64_t a = (*(const struct floor_record *const *)left)->key;
    int64_t b = (*(const struct floor_record *const *)right)->key;
    return (a > b) - (a < b);
}

static uint64_t scan(void *store, int64_t first, uint64_t limit, visit_fn *visit, void *context)
{
    struct floor *self = store;
    const struct floor_record **sorted = allocate(self->count + 1, sizeof *sorted);
    uint64_t count = 0;
    for (uint64_t i = 0; i < self->slot_count; i++) {
        if (self->slots[i] != 0 && record_at(self->slots[i])->key >= first) {
            sorted[count++] = record_at(self->slots[i]);
        }
    }
    qsort(sorted, count, sizeof *sorted, compare_records);
    count = count < limit ? count : limit;
    for (uint64_t i = 0; i < count; i++) {
        visit(context, sorted[i]->key, sorted[i]->value, sorted[i]->end - 1);
    }
    free(sorted);
    return count;
}

static const char *version(void)
{
    return "(no store)";
}

static const char *const served[] = {"get", "insert", NULL};

const struct engine engine_floor = {
    .name = "floor",
    .settings = "two dependent cache misses for a get: one in a hash table of 26 bytes a key, one in a mapped file of "
                "the values; an insert goes to memory that is there already, and is gone with the process",
    .one_writer = true,
    .version = version,
    .only_workloads = served,
    .open = open_store,
    .close = close_store,
    .put = put,
    .write_batch = write_batch,
    .get = get,
    .scan = scan,
};
