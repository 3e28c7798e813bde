/* SPDX-License-Identifier: Apache-2.0 */
/** @file fetch.c From a reference to its record; the accounts of live and dead bytes. */
#include "log/log_internal.h"
#include "log/record_fast.h"

#define CACHE_LINE_BYTES 64

/** Lines of a record that are asked for; the processor's own prefetcher goes on from there. */
#define PREFETCH_LINES 5

/** The slot that holds a reference's address, or NULL if there is none. */
static const struct log_slot *find_slot(const struct log *log, uint64_t ref)
{
    uint64_t slot = log_ref_address(ref) >> log->space.segment_shift;
    if (BASE_UNLIKELY(slot >= LOG_SLOTS_MAX) || BASE_UNLIKELY(log->space.slots[slot].base == NULL)) {
        return NULL;
    }
    return &log->space.slots[slot];
}

static uint64_t offset_in_slot(const struct log *log, uint64_t ref)
{
    return log_ref_address(ref) & (((uint64_t)1 << log->space.segment_shift) - 1);
}

/** Asks for the lines of a record: for as many whatever its size, as a branch on it could not be predicted. */
static inline void prefetch(const uint8_t *at)
{
    for (uint64_t line = 0; line < PREFETCH_LINES; line++) {
        __builtin_prefetch(at + line * CACHE_LINE_BYTES);
    }
}

void log_prefetch(const struct log *log, const uint64_t *refs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct log_slot *slot = find_slot(log, refs[i]);
        if (slot != NULL) {
            prefetch(slot->base + offset_in_slot(log, refs[i]));
        }
    }
}

#if RECORD_FAST
RECORD_FAST_TARGET static bool fetch_put(const struct log *log, uint64_t ref, uint32_t table, uint64_t key,
                                         struct log_value *out_value)
{
    const struct log_slot *slot = find_slot(log, ref);
    uint64_t bytes = log_ref_bytes(ref);
    if (BASE_UNLIKELY(slot == NULL) || BASE_UNLIKELY(bytes == LOG_REF_UNITS_MAX * 8) ||
        BASE_UNLIKELY(bytes < RECORD_HEADER_BYTES)) {
        return false;
    }
    uint64_t in_slot = offset_in_slot(log, ref);
    uint64_t offset = ((uint64_t)slot->run << log->space.segment_shift) + in_slot;
    uint64_t readable = atomic_load_explicit(&slot->segment->allocated, memory_order_acquire);
    if (BASE_UNLIKELY(offset + bytes > readable)) {
        return false;
    }
    const uint8_t *at = slot->base + in_slot;
    prefetch(at);
    return record_fast_read(at, bytes, slot->seed, offset, log->config.verify, table, key, out_value);
}

bool log_fetch_put(const struct log *log, uint64_t ref, uint32_t table, uint64_t key, struct log_value *out_value)
{
    /* Asked here, as a compiler may use what a target has anywhere in its function. */
    return record_fast_usable() && fetch_put(log, ref, table, key, out_value);
}
#else
bool log_fetch_put(const struct log *log, uint64_t ref, uint32_t table, uint64_t key, struct log_value *out_value)
{
    (void)log, (void)ref, (void)table, (void)key, (void)out_value;
    return false;
}
#endif

/** Decodes the record of a reference. Asks for its other lines first: the header's line decides how long the value is,
 *  but they need not wait for it. */
static inline enum record_state fetch(const struct log *log, uint64_t ref, bool verify, struct record *out_record)
{
    const struct log_slot *slot = find_slot(log, ref);
    if (BASE_UNLIKELY(slot == NULL)) {
        return RECORD_BAD;
    }
    uint64_t in_slot = offset_in_slot(log, ref);
    uint64_t offset = ((uint64_t)slot->run << log->space.segment_shift) + in_slot;
    uint64_t readable = atomic_load_explicit(&slot->segment->allocated, memory_order_acquire);
    if (BASE_UNLIKELY(offset >= readable)) {
        return RECORD_BAD;
    }
    prefetch(slot->base + in_slot);
    return record_decode(slot->base + in_slot, readable - offset, slot->seed, offset, verify, out_record);
}

enum record_state log_fetch_header(const struct log *log, uint64_t ref, struct record *out_record)
{
    return fetch(log, ref, true, out_record);
}

enum record_state log_fetch(const struct log *log, uint64_t ref, struct record *out_record)
{
    enum record_state state = fetch(log, ref, log->config.verify, out_record);
    if (state == RECORD_GOOD && log->config.verify && BASE_UNLIKELY(!record_value_good(out_record))) {
        return RECORD_BAD;
    }
    return state;
}

struct log_position log_locate(const struct log *log, uint64_t ref, char *out_path, size_t capacity)
{
    const struct log_slot *slot = find_slot(log, ref);
    struct log_position position = {0};
    if (slot != NULL) {
        position.file_id = slot->segment->file_id;
        position.offset = ((uint64_t)slot->run << log->space.segment_shift) + offset_in_slot(log, ref);
    }
    if (capacity > 0) {
        log_path(log, position.file_id, out_path, capacity);
    }
    return position;
}

/** The size of a record that is too large for its reference to say it. */
struct size_read {
    const struct log *log;
    uint64_t ref;
    uint64_t bytes;
};

static void read_size(void *context)
{
    struct size_read *read = context;
    struct record record;
    if (log_fetch_header(read->log, read->ref, &record) == RECORD_GOOD) {
        read->bytes = record.bytes;
    }
}

uint64_t log_record_bytes(const struct log *log, uint64_t ref)
{
    uint64_t bytes = log_ref_bytes(ref);
    if (BASE_LIKELY(bytes < LOG_REF_UNITS_MAX * 8)) {
        return bytes;
    }
    struct size_read read = {log, ref, bytes};
    (void)log_guarded(log, read_size, &read, NULL); /* what can't be read is counted as what can't be trusted */
    return read.bytes;
}

void log_count_live(struct log *log, uint64_t ref)
{
    const struct log_slot *slot = find_slot(log, ref);
    BASE_ASSERT(slot != NULL);
    slot->segment->live_bytes += log_record_bytes(log, ref);
}

void log_count_dead(struct log *log, uint64_t ref)
{
    const struct log_slot *slot = find_slot(log, ref);
    BASE_ASSERT(slot != NULL);
    /* The size of a large record is read from its header, which may have been damaged since it was counted. */
    uint64_t bytes = log_record_bytes(log, ref);
    uint64_t *live = &slot->segment->live_bytes;
    *live -= bytes < *live ? bytes : *live;
}

void log_stats(const struct log *log, struct log_stats *out_stats)
{
    struct log_stats stats = {.segments = log->segment_count};
    bool forked = log_forked(log);
    if (!forked) {
        os_mutex_lock(log->lock);
    }
    for (size_t i = 0; i < log->segment_count; i++) {
        const struct log_segment *segment = log->segments[i];
        uint64_t end = segment_written_end(log, segment);
        uint64_t allocated = atomic_load_explicit(&segment->allocated, memory_order_relaxed);
        stats.log_bytes += end;
        stats.live_bytes += segment->live_bytes;
        stats.file_bytes += segment->unallocated ? end : allocated;
    }
    if (log->next != NULL) {
        stats.segments++;
        stats.log_bytes += SEGMENT_HEADER_BYTES;
        stats.file_bytes += log->next->unallocated ? SEGMENT_HEADER_BYTES : atomic_load(&log->next->allocated);
    }
    if (!forked) {
        os_mutex_unlock(log->lock);
    }
    *out_stats = stats;
}
