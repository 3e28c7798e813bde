/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sync.c
 * Syncing: on demand, with each commit, or at intervals by a thread of its own.
 *
 * What is synced ends where the log ended when the sync began. The next claim then appends a MARK of that place.
 */
#include "log/log_internal.h"

#define NS_PER_MS UINT64_C(1000000)

/** Closes the files of segments before this index: nothing is left to be written to them or synced. */
static void close_before(struct log *log, size_t index)
{
    for (size_t i = index; i > 0 && log->segments[i - 1]->fd != -1; i--) {
        segment_close(log->segments[i - 1]);
    }
}

/** Syncs each segment that isn't durable. Called with the lock and `syncing` set; gives the lock up meanwhile. */
static int sync_segments(struct log *log, size_t count, struct alex_error *error)
{
    int result = ALEX_OK;
    for (size_t i = log->sync_from; i < count && result == ALEX_OK; i++) {
        struct log_segment *segment = log->segments[i];
        char path[512];
        log_path(log, segment->file_id, path, sizeof path);
        bool sealed = i + 1 < count; /* and stays as it is: the last one may be sealed meanwhile, and is synced again */
        os_mutex_unlock(log->lock);
        if (sealed) {
            segment_trim(log, segment);
        }
        result = os_file_sync(segment->fd, path, error);
        os_mutex_lock(log->lock);
    }
    return result;
}

int sync_files(struct log *log, struct alex_error *error)
{
    while (log->syncing) {
        os_condition_wait(log->changed, log->lock);
    }
    if (log_check(log, error) != ALEX_OK) {
        return ALEX_READ_ONLY;
    }
    struct log_position end = {log->tail->file_id, segment_written_end(log, log->tail)};
    size_t count = log->segment_count;
    if (log_position_compare(end, log->durable) <= 0) {
        return ALEX_OK;
    }
    log->syncing = true;
    int result = sync_segments(log, count, error);
    if (result == ALEX_OK) {
        log->sync_from = count - 1;
        close_before(log, log->sync_from);
        log->durable = end;
        atomic_store(&log->mark_due, true);
    } else {
        atomic_store(&log->failed, result); /* never tried again: the kernel may have dropped what it could not write */
    }
    log->syncing = false;
    os_condition_wake_all(log->changed);
    return result;
}

int log_sync(struct log *log, struct alex_error *error)
{
    if (log_check(log, error) != ALEX_OK) {
        return ALEX_READ_ONLY;
    }
    int result = append_write_stage(log, error);
    return result == ALEX_OK ? log_sync_readable(log, error) : result;
}

int log_sync_readable(struct log *log, struct alex_error *error)
{
    os_mutex_lock(log->lock);
    int result = sync_files(log, error);
    os_mutex_unlock(log->lock);
    return result;
}

int log_make_readable(struct log *log, struct alex_error *error)
{
    /* Of a stage that could not be written nothing is left to write, and what was in it can't be read. */
    return log->tail->staged && log_check(log, error) != ALEX_OK ? ALEX_READ_ONLY : append_write_stage(log, error);
}

int log_settle(struct log *log, bool sync_later, struct alex_error *error)
{
    if (BASE_LIKELY(!log->tail->staged)) {
        return ALEX_OK;
    }
    int result = append_write_stage(log, error);
    if (result == ALEX_OK) {
        append_trim_stage(log);
    }
    return result == ALEX_OK && log->config.sync_each && !sync_later ? log_sync_readable(log, error) : result;
}

/** The thread that syncs at intervals. A failure latches the log, and the next write reports it. */
static void run(void *context)
{
    struct log *log = context;
    const uint64_t interval = log->config.sync_interval_ms * NS_PER_MS;
    os_mutex_lock(log->lock);
    uint64_t due = os_clock_ns() + interval;
    while (!log->stop) {
        if (os_condition_wait_until(log->work, log->lock, due)) {
            continue; /* woken for something else */
        }
        due = os_clock_ns() + interval; /* for what is written while this sync is at work */
        (void)sync_files(log, NULL);
    }
    os_mutex_unlock(log->lock);
}

int sync_start(struct log *log, struct alex_error *error)
{
    return log->config.sync_interval_ms == 0 ? ALEX_OK : os_thread_start(run, log, &log->sync_thread, error);
}
