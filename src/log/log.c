/* SPDX-License-Identifier: Apache-2.0 */
/** @file log.c The log's life: create, attach, start, finish, destroy. */
#include "log/log_internal.h"

#include <inttypes.h>
#include <string.h>

int log_create(const struct log_config *config, struct log **out_log, struct alex_error *error)
{
    struct log *log = base_alloc_zeroed(1, sizeof *log);
    int result = log == NULL ? ALEX_NO_MEMORY : ALEX_OK;
    if (result == ALEX_OK) {
        log->config = *config;
        log->forks = os_forks();
        log->process_id = os_process_id();
        log->next_file_id = config->next_file_id;
        result = space_init(&log->space, config->segment_shift);
    }
    if (result == ALEX_OK) {
        result = os_mutex_create(&log->lock);
    }
    if (result == ALEX_OK) {
        result = os_condition_create(&log->changed);
    }
    if (result == ALEX_OK) {
        result = os_condition_create(&log->work);
    }
    if (result != ALEX_OK) {
        log_destroy(log);
        return base_fail(error, result, 0, config->directory, "no memory to open the log");
    }
    *out_log = log;
    return ALEX_OK;
}

void log_destroy(struct log *log)
{
    if (log == NULL) {
        return;
    }
    prepare_stop(log);
    segment_destroy(log, log->next);
    for (size_t i = 0; i < log->segment_count; i++) {
        segment_destroy(log, log->segments[i]);
    }
    base_free(log->segments);
    base_free(log->stage);
    space_release(&log->space);
    os_condition_destroy(log->work);
    os_condition_destroy(log->changed);
    os_mutex_destroy(log->lock);
    base_free(log);
}

int log_attach(struct log *log, uint64_t file_id, uint32_t slots, enum log_attach_state *out_state,
               struct alex_error *error)
{
    int result = log_reserve_listing(log);
    if (result != ALEX_OK) {
        return base_fail(error, result, 0, log->config.directory, "no memory to list the log's files");
    }
    struct log_segment *segment;
    result = segment_attach(log, file_id, slots, &segment, out_state, error);
    if (result == ALEX_OK && *out_state == LOG_ATTACHED) {
        log_add_segment(log, segment);
    }
    return result;
}

/** Settles where each segment ends, and takes those behind the log's end away from the log; their files stay. @return
 *  the last segment that has records, or NULL */
static struct log_segment *settle(struct log *log, const struct log_reader *end)
{
    size_t kept = end->segment < log->segment_count ? end->segment + 1 : 0;
    for (size_t i = log->segment_count; i > kept; i--) {
        segment_destroy(log, log->segments[i - 1]); /* the last first, so that all address space is given back */
    }
    log->segment_count = kept;
    if (kept == 0) {
        return NULL;
    }
    atomic_store(&log->segments[kept - 1]->end, end->offset);
    return log->segments[kept - 1];
}

void log_start_read_only(struct log *log, const struct log_reader *end, bool closed, uint64_t last_number,
                         struct log_position durable)
{
    atomic_store(&log->last_number, last_number);
    log->durable = durable;
    log->closed = closed;
    (void)settle(log, end);
}

/** Writes a SEAL at the log's cut end, through the file as nothing there is mapped writable, ends the file there, and
 *  makes the segment durable. */
static int seal_cut(struct log *log, struct log_segment *segment, uint64_t next_file_id, struct alex_error *error)
{
    char path[512];
    log_path(log, segment->file_id, path, sizeof path);
    uint8_t bytes[RECORD_HEADER_BYTES];
    uint64_t offset = atomic_load(&segment->end);
    struct record seal = {.kind = RECORD_SEAL, .key = next_file_id, .number = log_last_number(log) + 1};
    record_finish(bytes, segment->seed, offset, &seal);
    int result = os_file_write(segment->fd, path, offset, bytes, seal.bytes, error);
    if (result == ALEX_OK) {
        result = os_file_truncate(segment->fd, path, offset + seal.bytes, error);
    }
    if (result == ALEX_OK) {
        result = os_file_sync(segment->fd, path, error);
    }
    if (result == ALEX_OK) {
        atomic_store(&log->last_number, seal.number);
        atomic_store(&segment->end, offset + seal.bytes);
        atomic_store(&segment->allocated, offset + seal.bytes);
        segment->sealed = true;
    }
    return result;
}

/** Makes a new segment the tail; with `sealing`, the one that its SEAL names. */
static int start_segment(struct log *log, struct log_segment *sealing, struct alex_error *error)
{
    int result = log_reserve_listing(log);
    if (result != ALEX_OK) {
        return base_fail(error, result, 0, log->config.directory, "no memory to list the log's files");
    }
    struct log_segment *segment;
    result = prepare_segment(log, TAIL_RESERVE_BYTES, &segment, error);
    if (result != ALEX_OK) {
        return result;
    }
    if (sealing != NULL) {
        result = seal_cut(log, sealing, segment->file_id, error);
    }
    if (result != ALEX_OK) {
        segment_destroy(log, segment);
        return result;
    }
    log_add_segment(log, segment);
    log->tail = segment;
    log->next_file_id++;
    return ALEX_OK;
}

/** Goes on in a segment that holds records already. All behind its end is allocated and made writable anew, as it is
 *  needed. */
static void resume_segment(struct log *log, struct log_segment *segment)
{
    atomic_store(&segment->allocated, atomic_load(&segment->end));
    atomic_store(&segment->written, atomic_load(&segment->end));
    log->tail = segment;
    log->tail_limit = atomic_load(&segment->end);
    log->tail_allocated = log->tail_limit;
    log->wake_at = UINT64_MAX;
}

/** Writes a segment's records anew from `from` on, and syncs them. Its file is open only meanwhile. */
static int rewrite_segment(const struct log *log, struct log_segment *segment, uint64_t from, struct alex_error *error)
{
    const uint64_t piece = (uint64_t)1 << 20;
    char path[512];
    log_path(log, segment->file_id, path, sizeof path);
    uint64_t to = atomic_load(&segment->end);
    int result = segment_open(log, segment, error);
    for (; from < to && result == ALEX_OK; from += piece) {
        uint64_t bytes = to - from < piece ? to - from : piece;
        result = os_file_write(segment->fd, path, from, segment->base + from, bytes, error);
    }
    if (result == ALEX_OK && segment->sealed) {
        segment_trim(log, segment);
    }
    if (result == ALEX_OK) {
        result = os_file_sync(segment->fd, path, error);
    }
    segment_close(segment);
    return result;
}

/** Writes again what is kept above the durable end, and syncs it: after a failed sync the page cache shows bytes that
 *  the kernel has given up, and a sync alone would not write them. From here on they are durable. */
static int rewrite_unsynced(struct log *log, struct alex_error *error)
{
    struct log_segment *last = log->segments[log->segment_count - 1];
    struct log_position end = {last->file_id, atomic_load(&last->end)};
    for (size_t i = log->sync_from; i < log->segment_count && log_position_compare(log->durable, end) < 0; i++) {
        struct log_segment *segment = log->segments[i];
        uint64_t from = segment->file_id == log->durable.file_id ? log->durable.offset : 0;
        int result = rewrite_segment(log, segment, from, error);
        if (result != ALEX_OK) {
            return result;
        }
    }
    log->mark_due = log_position_compare(log->durable, end) < 0;
    log->durable = log->mark_due ? end : log->durable;
    log->sync_from = log->segment_count - 1;
    return ALEX_OK;
}

int log_start(struct log *log, const struct log_reader *end, enum log_end_state state, uint64_t last_number,
              struct log_position durable, struct alex_error *error)
{
    if (last_number > RECORD_NUMBER_MAX / 2) {
        return base_fail(error, ALEX_DAMAGED, 0, log->config.directory,
                         "the store's record numbers are all but used up, which no use of it can have done; open it "
                         "read-only and copy what is in it to a new store");
    }
    atomic_store(&log->last_number, last_number);
    log->durable = durable;
    struct log_segment *last = settle(log, end);
    while (log->sync_from + 1 < log->segment_count && log->segments[log->sync_from]->file_id < durable.file_id) {
        log->sync_from++;
    }
    int result = last != NULL && state != LOG_END_CLEAN ? rewrite_unsynced(log, error) : ALEX_OK;
    if (result == ALEX_OK && last != NULL) {
        result = segment_open(log, last, error); /* all before it is durable: nothing is left to do to those files */
    }
    if (result != ALEX_OK) {
        return result;
    }
    if (last != NULL && state != LOG_END_CUT) {
        resume_segment(log, last);
    } else {
        result = start_segment(log, last, error);
    }
    if (result != ALEX_OK) {
        return result;
    }
    log->untouched = true; /* the first preparation writes the manifest */
    result = last != NULL && state == LOG_END_CLEAN ? ALEX_OK : prepare_room(log, TAIL_RESERVE_BYTES, error);
    return result == ALEX_OK ? sync_start(log, error) : result;
}

int log_refuse(const struct log *log, struct alex_error *error)
{
    if (log_forked(log)) {
        return base_fail(error, ALEX_READ_ONLY, 0, log->config.directory,
                         "process %" PRId64 " has the store open, of which this one is a fork; write there, or close "
                         "it there and open it here",
                         log->process_id);
    }
    return base_fail(error, ALEX_READ_ONLY, 0, log->config.directory,
                     "a write or sync failed before (%s); close the store and open it again",
                     alex_code_text(atomic_load_explicit(&log->failed, memory_order_relaxed)));
}

int log_writable(const struct log *log, struct alex_error *error)
{
    return log_check(log, error);
}

/** Stops the log's threads and takes the prepared segment away, if it is unused. @return its file id, or 0 */
static uint64_t withdraw_next(struct log *log)
{
    prepare_stop(log);
    uint64_t file_id = log->next != NULL ? log->next->file_id : 0;
    segment_destroy(log, log->next);
    log->next = NULL;
    return file_id;
}

int log_finish(struct log *log, struct alex_error *error)
{
    if ((log->untouched && atomic_load(&log->failed) == ALEX_OK) || log_forked(log)) {
        return ALEX_OK;
    }
    uint64_t unused = withdraw_next(log);
    int failed = atomic_load(&log->failed); /* now that no thread of the log can change it */
    char path[512];
    log_path(log, log->tail->file_id, path, sizeof path);
    int result = ALEX_OK;
    if (failed != ALEX_OK) {
        result = base_fail(error, failed, 0, log->config.directory,
                           "a write or sync failed before (%s); what was written since the last sync may be lost",
                           alex_code_text(failed));
    }
    if (result == ALEX_OK) {
        result = append_write_stage(log, error);
    }
    if (result == ALEX_OK) {
        result = os_file_truncate(log->tail->fd, path, atomic_load(&log->tail->end), error);
    }
    if (result == ALEX_OK) {
        result = os_file_sync(log->tail->fd, path, error); /* the length, though all records may be durable already */
    }
    if (result == ALEX_OK) {
        result = log_sync(log, error);
    }
    if (result == ALEX_OK) {
        log->finished = true;
        result = log->config.list_changed(log->config.context, error);
    }
    if (result == ALEX_OK && unused != 0) {
        log_path(log, unused, path, sizeof path);
        result = os_file_remove(path, error);
    }
    if (atomic_load(&log->failed) == ALEX_OK) {
        atomic_store(&log->failed, result != ALEX_OK ? result : ALEX_READ_ONLY);
    }
    return result;
}

/** A number that no record can reach before the list of segments changes again. Called with the lock. */
static uint64_t number_floor(const struct log *log)
{
    /* No record is smaller than its header: what the tail and one segment more can hold bounds the numbers. */
    uint64_t room = log->tail->capacity;
    room += log->next != NULL ? log->next->capacity : (uint64_t)1 << log->config.segment_shift;
    return log_last_number(log) + room / RECORD_HEADER_BYTES;
}

int log_describe(const struct log *log, struct log_description *out_description)
{
    os_mutex_lock(log->lock);
    size_t count = log->segment_count + (log->next != NULL);
    struct log_listed *list = base_alloc((count + 1) * sizeof *list);
    if (list != NULL) {
        for (size_t i = 0; i < count; i++) {
            const struct log_segment *segment = i < log->segment_count ? log->segments[i] : log->next;
            list[i] = (struct log_listed){segment->file_id, segment->slots};
        }
        *out_description = (struct log_description){
            .segments = list,
            .segment_count = count,
            .next_file_id = log->next_file_id,
            .number_floor = number_floor(log),
            .durable = log->durable,
            .finished = log->finished,
        };
    }
    os_mutex_unlock(log->lock);
    return list == NULL ? ALEX_NO_MEMORY : ALEX_OK;
}
