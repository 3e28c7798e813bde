/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file prepare.c
 * Space ahead of the writer: growth steps of the tail, and the segment after it.
 *
 * Half a step before the tail's space ends, the log's thread allocates the next step; two steps before the segment ends
 * it makes the next segment. So a put finds its space ready, and waits only if it is faster than the disk's allocator.
 * Without a thread the put that finds no space does the same work.
 *
 * The lock is held for a growth step, which the writer would have to wait for anyway, but not while a segment is made:
 * that syncs the manifest. `preparing` keeps the two threads from making one each.
 */
#include <errno.h>

#include "log/log_internal.h"

/** Brings a segment's new pages in, piece by piece so that the writer's own faults get their turn. Called without the
 *  lock. */
static void populate(struct log_segment *segment, uint64_t from, uint64_t to)
{
    const uint64_t piece = (uint64_t)2 << 20;
    for (; from < to && !segment->staged; from += piece) {
        os_map_populate(segment->base + from, to - from < piece ? to - from : piece);
    }
}

/** Grows the tail by a step if less than half of one is left. Called with the lock; gives it up to bring the pages
 *  in. */
static void grow_ahead(struct log *log)
{
    struct log_segment *tail = log->tail;
    /* An end of before serves as well: the records up to it are complete, and only pages before it are protected. */
    uint64_t end = atomic_load_explicit(&tail->end, memory_order_acquire);
    uint64_t allocated = atomic_load_explicit(&tail->allocated, memory_order_relaxed);
    uint64_t target = segment_target(log, tail, allocated + 1);
    /* Where nothing was allocated yet, the writer has still to find out whether anything can be. */
    if (!tail->allocates || allocated == tail->capacity || allocated - end > (target - allocated) / 2) {
        return;
    }
    if (segment_grow(log, tail, target, NULL) == ALEX_OK) {
        segment_protect(log, tail, end);
        os_mutex_unlock(log->lock);
        populate(tail, allocated / PAGE_BYTES * PAGE_BYTES, target);
        os_mutex_lock(log->lock);
    }
}

/** How far before a segment's end the next one is due: two greatest steps, or half of a small segment. */
static uint64_t segment_lead(const struct log_segment *segment)
{
    return 2 * GROWTH_MAX_BYTES < segment->capacity / 2 ? 2 * GROWTH_MAX_BYTES : segment->capacity / 2;
}

/** Whether the tail is so near its segment's end that the next one is due: not where nothing more can be written.
 *  Called with the lock. */
static bool segment_due(const struct log *log)
{
    uint64_t end = atomic_load_explicit(&log->tail->end, memory_order_relaxed);
    bool is_near = log->tail->capacity - end < segment_lead(log->tail);
    return is_near && log->next == NULL && !log->preparing && log_check(log, NULL) == ALEX_OK;
}

/** Whether so many segments wait for a sync that one is made without being asked for. Called with the lock. */
static bool sync_due(const struct log *log, size_t segments)
{
    return log->segment_count - log->sync_from > segments;
}

int prepare_segment(struct log *log, uint64_t bytes, struct log_segment **out_segment, struct alex_error *error)
{
    uint64_t slot_bytes = (uint64_t)1 << log->config.segment_shift;
    uint32_t slots = (uint32_t)((SEGMENT_HEADER_BYTES + bytes + slot_bytes - 1) / slot_bytes);
    return segment_create(log, log->next_file_id, slots, bytes, log_last_number(log) + 1, out_segment, error);
}

/** Whether a failure may pass by itself: a full disk, no memory, no descriptors. A failed sync is always ALEX_IO. */
static bool may_pass(int result, const struct alex_error *error)
{
    return result != ALEX_IO || error->os_errno == EMFILE || error->os_errno == ENFILE;
}

/** Passes the failure of a preparation on, and if it won't pass latches the log: what a failed write or sync has left
 *  of a file or of a directory is not known, and a further sync would not tell. */
static int failed(struct log *log, int result, const struct alex_error *failure, struct alex_error *error)
{
    if (!may_pass(result, failure)) {
        atomic_store(&log->failed, result);
    }
    if (error != NULL) {
        *error = *failure;
    }
    return result;
}

/** Has the segments listed as they are now. Called with the lock and `preparing` set; gives the lock up meanwhile. */
static int list(struct log *log, struct alex_error *error)
{
    os_mutex_unlock(log->lock);
    struct alex_error failure = {0};
    int result = log->config.list_changed(log->config.context, &failure);
    os_mutex_lock(log->lock);
    log->list_stale = result != ALEX_OK;
    return result == ALEX_OK ? ALEX_OK : failed(log, result, &failure, error);
}

/** Makes the next segment, with room for `bytes`, and has it listed. Called with the lock and `preparing` set; gives
 *  the lock up meanwhile. */
static int make_next(struct log *log, uint64_t bytes, struct alex_error *error)
{
    os_mutex_unlock(log->lock);
    struct log_segment *segment = NULL;
    struct alex_error failure = {0};
    int result = prepare_segment(log, bytes, &segment, &failure);
    os_mutex_lock(log->lock);
    if (result != ALEX_OK) {
        return failed(log, result, &failure, error);
    }
    log->next = segment;
    log->next_file_id++;
    return list(log, error);
}

/** The log's thread. Failures are not reported here: the put that needs the space runs into the same one. */
static void run(void *context)
{
    struct log *log = context;
    os_mutex_lock(log->lock);
    while (!log->stop) {
        if (!log->work_due) {
            os_condition_wait(log->work, log->lock);
            continue;
        }
        log->work_due = false;
        grow_ahead(log);
        if (sync_due(log, UNSYNCED_SEGMENTS_MAX)) {
            (void)sync_files(log, NULL);
        }
        if (segment_due(log)) {
            log->preparing = true;
            if (make_next(log, TAIL_RESERVE_BYTES, NULL) == ALEX_OK) {
                struct log_segment *next = log->next;
                os_mutex_unlock(log->lock);
                populate(next, 0, atomic_load(&next->allocated));
                os_mutex_lock(log->lock);
            }
            log->preparing = false;
            os_condition_wake_all(log->changed);
        }
    }
    os_mutex_unlock(log->lock);
}

void prepare_adopt(struct log *log)
{
    const struct log_segment *tail = log->tail;
    uint64_t allocated =
        tail->unallocated ? tail->capacity : atomic_load_explicit(&tail->allocated, memory_order_acquire);
    uint64_t step = segment_target(log, tail, allocated + 1) - allocated;
    log->tail_allocated = allocated;
    log->tail_limit = allocated > SPARE_BYTES ? allocated - SPARE_BYTES : 0;
    log->wake_at = allocated - (step / 2 < allocated ? step / 2 : allocated);
    if (allocated == tail->capacity) {
        /* No step is left; the segment after this one is due where segment_due() says. */
        log->wake_at = log->next == NULL ? tail->capacity - segment_lead(tail) : UINT64_MAX;
    }
}

void prepare_ahead(struct log *log)
{
    log->wake_at = UINT64_MAX;
    if (!log->config.background) {
        return;
    }
    os_mutex_lock(log->lock);
    if (log->thread == NULL) {
        /* Without a thread the work is done inline: slower now and then, not wrong. */
        (void)os_thread_start(run, log, &log->thread, NULL);
    }
    log->work_due = true;
    os_condition_wake_all(log->work);
    os_mutex_unlock(log->lock);
}

void prepare_stop(struct log *log)
{
    if (log->lock == NULL) {
        return;
    }
    if (!log_forked(log)) {
        os_mutex_lock(log->lock);
        log->stop = true;
        if (log->work != NULL) {
            os_condition_wake_all(log->work);
        }
        os_mutex_unlock(log->lock);
    }
    os_thread_join(log->thread);
    os_thread_join(log->sync_thread);
    log->thread = NULL;
    log->sync_thread = NULL;
}

/** Removes a prepared segment that is too small for what comes next. Called with the lock and `preparing` set. */
static int discard_next(struct log *log, struct alex_error *error)
{
    struct log_segment *segment = log->next;
    char path[512];
    log_path(log, segment->file_id, path, sizeof path);
    log->next = NULL;
    int result = list(log, error);
    if (result != ALEX_OK) {
        log->next = segment; /* listed or not: need_next() sees to it before the segment is used */
        return result;
    }
    segment_destroy(log, segment);
    return os_file_remove(path, error);
}

/** Makes sure that `next` is there with room for `bytes`. Called with the lock. */
static int need_next(struct log *log, uint64_t bytes, struct alex_error *error)
{
    while (log->preparing) {
        os_condition_wait(log->changed, log->lock);
    }
    if (log_check(log, error) != ALEX_OK) {
        return ALEX_READ_ONLY; /* what was waited for has failed, and is not tried again */
    }
    int result = log_reserve_listing(log);
    if (result != ALEX_OK) {
        return base_fail(error, result, 0, NULL, "no memory to list another file of the log");
    }
    log->preparing = true;
    if (log->next != NULL && log->next->capacity < SEGMENT_HEADER_BYTES + bytes) {
        result = discard_next(log, error);
    }
    if (result == ALEX_OK && log->next == NULL) {
        result = make_next(log, bytes, error);
    } else if (result == ALEX_OK && log->list_stale) {
        result = list(log, error);
    }
    if (result == ALEX_OK) {
        uint64_t needed = SEGMENT_HEADER_BYTES + bytes;
        if (atomic_load(&log->next->allocated) < needed) {
            result = segment_make_room(log, log->next, needed, error);
        }
    }
    log->preparing = false;
    os_condition_wake_all(log->changed);
    return result;
}

/** Seals the tail and goes on in the next segment, which is ready. Called with the lock. */
static int roll(struct log *log, struct alex_error *error)
{
    uint64_t sealed_end = atomic_load_explicit(&log->tail->end, memory_order_relaxed) + RECORD_HEADER_BYTES;
    int result = ALEX_OK;
    if (!log->tail->unallocated && sealed_end > atomic_load(&log->tail->allocated)) {
        /* A tail of before the opening, never written to since. */
        result = segment_make_room(log, log->tail, sealed_end, error);
    }
    prepare_adopt(log); /* what was allocated here, or by the log's thread since the last time */
    if (result == ALEX_OK) {
        result = append_seal(log, log->next->file_id, error);
    }
    if (result == ALEX_OK) {
        result = append_write_stage(log, error);
    }
    if (result != ALEX_OK) {
        return result;
    }
    segment_protect(log, log->tail, log->tail->capacity);
    log_add_segment(log, log->next);
    log->tail = log->next;
    log->next = NULL;
    return ALEX_OK;
}

int prepare_room(struct log *log, uint64_t bytes, struct alex_error *error)
{
    int result = ALEX_OK;
    if (log->untouched) {
        struct alex_error failure = {0};
        result = log->config.list_changed(log->config.context, &failure);
        if (result != ALEX_OK) {
            return failed(log, result, &failure, error);
        }
        log->untouched = false;
    }
    os_mutex_lock(log->lock);
    uint64_t end = atomic_load_explicit(&log->tail->end, memory_order_relaxed);
    if (end + bytes > log->tail->capacity) {
        result = need_next(log, bytes, error);
        if (result == ALEX_OK) {
            result = roll(log, error);
        }
        if (result == ALEX_OK && sync_due(log, (size_t)UNSYNCED_SEGMENTS_MAX * (log->thread != NULL ? 2 : 1))) {
            result = sync_files(log, error);
        }
        end = atomic_load_explicit(&log->tail->end, memory_order_relaxed);
    }
    if (result == ALEX_OK && !log->tail->unallocated && end + bytes > atomic_load(&log->tail->allocated)) {
        result = segment_make_room(log, log->tail, end + bytes, error);
        segment_protect(log, log->tail, end);
    }
    prepare_adopt(log);
    os_mutex_unlock(log->lock);
    return result;
}
