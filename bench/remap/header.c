/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file header.c
 * Gets over a mapping by where a record's header lies. Whatever the layout, a get checks the key, checks that the value
 * lies within the file, and reads all of the value.
 *
 * "Apart" is three regions of one file: keys, places (a value's offset and length), and values; an address is a
 * record's number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../measure.h"
#include "remap.h"

#define JOINED_BYTES 16
#define JOINED_ALIGNMENT 16
#define BEFORE_BYTES 4
#define KEY_BYTES 8

/** A region's entry in the layout "apart". */
struct place {
    uint64_t offset;
    uint64_t bytes;
};

struct header_store {
    enum layout layout;
    uint64_t count;
    uint64_t bytes; /**< of the file */
    char *path;
    unsigned char *map;
    uint64_t *addresses; /**< by record's number */
    struct key_index index;
};

/** A value as it is found. */
struct found {
    const unsigned char *value;
    uint32_t bytes;
};

/** Bytes that a record takes in its layout, without the regions of "apart". */
static uint64_t record_room(enum layout layout, uint64_t value_bytes)
{
    switch (layout) {
    case LAYOUT_JOINED:
        return (JOINED_BYTES + value_bytes + JOINED_ALIGNMENT - 1) / JOINED_ALIGNMENT * JOINED_ALIGNMENT;
    case LAYOUT_BEFORE:
        return BEFORE_BYTES + KEY_BYTES + value_bytes;
    default:
        return value_bytes;
    }
}

/** Where the first record or, apart, the first value lies. */
static uint64_t first_offset(const struct header_store *store)
{
    return store->layout == LAYOUT_APART ? store->count * (KEY_BYTES + sizeof(struct place)) : 0;
}

static uint64_t places_offset(const struct header_store *store)
{
    return store->count * KEY_BYTES;
}

/** Writes a record at an offset. @return its address, as the index holds it */
static uint64_t place_record(struct header_store *store, const struct records *records, uint64_t number,
                             uint64_t offset)
{
    int64_t key = record_key(number);
    uint32_t bytes = record_value_bytes(key);
    const unsigned char *value = record_value(records, key);
    unsigned char *at = store->map + offset;
    switch (store->layout) {
    case LAYOUT_JOINED:
        memcpy(at, &key, KEY_BYTES);
        memcpy(at + KEY_BYTES, &bytes, 4);
        memcpy(at + JOINED_BYTES, value, bytes);
        return offset;
    case LAYOUT_BEFORE:
        memcpy(at, &bytes, BEFORE_BYTES);
        memcpy(at + BEFORE_BYTES, &key, KEY_BYTES);
        memcpy(at + BEFORE_BYTES + KEY_BYTES, value, bytes);
        return offset + BEFORE_BYTES;
    default:
        memcpy(store->map + number * KEY_BYTES, &key, KEY_BYTES);
        memcpy(store->map + places_offset(store) + number * sizeof(struct place), &(struct place){offset, bytes},
               sizeof(struct place));
        memcpy(at, value, bytes);
        return number;
    }
}

/** Finds the value at an address; fails if another key's record is there. */
static inline __attribute__((always_inline)) struct found find(const struct header_store *store, enum layout layout,
                                                               uint64_t address, int64_t key)
{
    struct place place = {0};
    int64_t read_key;
    uint32_t bytes;
    switch (layout) {
    case LAYOUT_JOINED:
        memcpy(&read_key, store->map + address, KEY_BYTES);
        memcpy(&bytes, store->map + address + KEY_BYTES, 4);
        place = (struct place){address + JOINED_BYTES, bytes};
        break;
    case LAYOUT_BEFORE:
        memcpy(&read_key, store->map + address, KEY_BYTES);
        memcpy(&bytes, store->map + address - BEFORE_BYTES, BEFORE_BYTES);
        place = (struct place){address + KEY_BYTES, bytes};
        break;
    default:
        memcpy(&read_key, store->map + address * KEY_BYTES, KEY_BYTES);
        memcpy(&place, store->map + places_offset(store) + address * sizeof place, sizeof place);
    }
    if (read_key != key || place.offset > store->bytes || place.bytes > store->bytes - place.offset) {
        fail("%s: no record of the key", store->path);
    }
    return (struct found){store->map + place.offset, (uint32_t)place.bytes};
}

/** Reads all of a value, which has 16 bytes or more. */
static inline uint64_t sum_value(const unsigned char *value, uint32_t bytes)
{
    uint64_t sum = bytes;
    uint64_t word;
    for (uint32_t at = 0; at + 8 <= bytes; at += 8) {
        memcpy(&word, value + at, 8);
        sum += word;
    }
    memcpy(&word, value + bytes - 8, 8);
    return sum + word;
}

static void map_new_file(struct header_store *store)
{
    int fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int error = fd < 0 ? errno : posix_fallocate(fd, 0, (off_t)store->bytes);
    if (error != 0) {
        fail("cannot make %s of %llu bytes: %s", store->path, (unsigned long long)store->bytes, strerror(error));
    }
    store->map = mmap(NULL, store->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (store->map == MAP_FAILED) {
        fail("cannot map %s: %s", store->path, strerror(errno));
    }
    (void)madvise(store->map, store->bytes, MADV_HUGEPAGE); /* as for the log */
    close(fd);
}

/** Compares every record with what was written. */
static void check_all(const struct header_store *store, const struct records *records)
{
    for (uint64_t number = 0; number < store->count; number++) {
        int64_t key = record_key(number);
        struct found found = find(store, store->layout, key_index_get(&store->index, key), key);
        if (!record_value_is(records, key, found.value, found.bytes)) {
            fail("%s: a value read through the mapping is not the one that was written", store->path);
        }
    }
}

struct header_store *header_store_create(enum layout layout, const struct records *records, uint64_t count,
                                         const char *directory)
{
    struct header_store *store = allocate(1, sizeof *store);
    store->layout = layout;
    store->count = count;
    store->path = text("%s/records-%d", directory, (int)layout);
    store->addresses = allocate(count, sizeof *store->addresses);
    store->bytes = first_offset(store);
    for (uint64_t number = 0; number < count; number++) {
        store->bytes += record_room(layout, record_value_bytes(record_key(number)));
    }
    map_new_file(store);
    key_index_init(&store->index);
    uint64_t offset = first_offset(store);
    for (uint64_t number = 0; number < count; number++) {
        int64_t key = record_key(number);
        store->addresses[number] = place_record(store, records, number, offset);
        key_index_set(&store->index, key, store->addresses[number]);
        offset += record_room(layout, record_value_bytes(key));
    }
    /* Written back now, not while something is measured; and read-only, as where values are only read. */
    if (msync(store->map, store->bytes, MS_SYNC) != 0 || mprotect(store->map, store->bytes, PROT_READ) != 0) {
        fail("cannot sync %s: %s", store->path, strerror(errno));
    }
    check_all(store, records);
    return store;
}

void header_store_destroy(struct header_store *store)
{
    key_index_release(&store->index);
    munmap(store->map, store->bytes);
    unlink(store->path);
    free(store->addresses);
    free(store->path);
    free(store);
}

/** A get to be done: chosen before the clock starts. */
struct pick {
    int64_t key;
    uint64_t address;
};

static inline __attribute__((always_inline)) uint64_t get_all(const struct header_store *store, enum layout layout,
                                                              const struct pick *picks, uint64_t gets, bool by_index)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < gets; i++) {
        uint64_t address = by_index ? key_index_get(&store->index, picks[i].key) : picks[i].address;
        struct found found = find(store, layout, address, picks[i].key);
        sum += sum_value(found.value, found.bytes);
    }
    return sum;
}

/** Times all gets and checks their sum. @return nanoseconds a get */
static double time_gets(const struct header_store *store, const struct pick *picks, uint64_t gets, bool by_index,
                        uint64_t expected)
{
    uint64_t sum;
    uint64_t begin = now_ns();
    switch (store->layout) { /* a loop each, so that none asks what the layout is */
    case LAYOUT_JOINED:
        sum = get_all(store, LAYOUT_JOINED, picks, gets, by_index);
        break;
    case LAYOUT_BEFORE:
        sum = get_all(store, LAYOUT_BEFORE, picks, gets, by_index);
        break;
    default:
        sum = get_all(store, LAYOUT_APART, picks, gets, by_index);
    }
    double ns = (double)(now_ns() - begin) / (double)gets;
    if (sum != expected) {
        fail("%s: values read through the mapping are not those that were written", store->path);
    }
    return ns;
}

struct header_times header_run(const struct header_store *store, const struct records *records, uint64_t gets,
                               uint64_t random)
{
    struct pick *picks = allocate(gets, sizeof *picks);
    uint64_t expected = 0;
    for (uint64_t i = 0; i < gets; i++) {
        uint64_t number = random_below(&random, store->count);
        picks[i] = (struct pick){record_key(number), store->addresses[number]};
        expected += sum_value(record_value(records, picks[i].key), record_value_bytes(picks[i].key));
    }
    struct header_times times = {
        .record = time_gets(store, picks, gets, false, expected),
        .get = time_gets(store, picks, gets, true, expected),
    };
    free(picks);
    return times;
}
