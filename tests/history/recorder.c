/* SPDX-License-Identifier: Apache-2.0 */
/** @file recorder.c The threads' logs, and values that tell who wrote them. */
#include "history/recorder.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/store_helper.h"

/** What every value begins with. */
struct value_head {
    uint64_t id;
    int64_t key;
    uint64_t table;
};

void recorder_init(struct recorder *recorder, uint32_t thread, size_t events, size_t entries)
{
    assert_true(thread < RECORDER_THREADS_MAX);
    *recorder = (struct recorder){.thread = thread, .event_capacity = events, .entry_capacity = entries};
    recorder->events = calloc(events, sizeof *recorder->events);
    recorder->entries = calloc(entries, sizeof *recorder->entries);
    assert_non_null(recorder->events);
    assert_non_null(recorder->entries);
}

void recorder_release(struct recorder *recorder)
{
    free(recorder->events);
    free(recorder->entries);
}

void recorder_reset(struct recorder *recorder)
{
    recorder->event_count = 0;
    recorder->entry_count = 0;
    recorder->snapshots = 0;
}

struct event *recorder_add(struct recorder *recorder, enum event_kind kind, uint16_t table, int64_t key)
{
    struct event *event = &recorder->events[recorder->event_count++];
    *event = (struct event){
        .kind = (uint8_t)kind,
        .table = table,
        .snapshot = NO_SNAPSHOT,
        .first = recorder->entry_count,
        .key = key,
    };
    return event;
}

void recorder_add_entry(struct recorder *recorder, int64_t key, uint64_t id)
{
    recorder->entries[recorder->entry_count++] = (struct entry){key, id};
    recorder->events[recorder->event_count - 1].count++;
}

uint64_t recorder_ids(struct recorder *recorder, uint64_t count)
{
    uint64_t first = (uint64_t)(recorder->thread + 1) << ID_THREAD_SHIFT | recorder->ids;
    recorder->ids += count;
    return first;
}

/** Sizes differ, so that records do, and are not whole words; few are large. */
static size_t value_size(uint64_t id)
{
    return sizeof(struct value_head) + (id % 251 == 0 ? VALUE_BYTES_MAX - sizeof(struct value_head) : id % 31);
}

size_t recorder_value(uint64_t id, uint16_t table, int64_t key, unsigned char out_value[VALUE_BYTES_MAX])
{
    struct value_head head = {id, key, table};
    size_t size = value_size(id);
    memcpy(out_value, &head, sizeof head);
    helper_fill(out_value + sizeof head, size - sizeof head, id);
    return size;
}

uint64_t recorder_value_id(const void *value, size_t size, uint16_t table, int64_t key)
{
    struct value_head head;
    if (size < sizeof head) {
        return ID_BROKEN;
    }
    memcpy(&head, value, sizeof head);
    bool whole = head.key == key && head.table == table && size == value_size(head.id) &&
                 helper_is_filled((const unsigned char *)value + sizeof head, size - sizeof head, head.id);
    return whole ? head.id : ID_BROKEN;
}

uint64_t recorder_now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}
