/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file append.c
 * Appending: a record is built where it will stay, in the mapped tail, or in a stage that is written when a commit ends
 * or it is full. Staged are tails that the file system can't allocate ahead, and those that are synced with each
 * commit: a store into a page of 2 MB would have all of it written.
 */
#include "base/bytes.h"
#include "log/log_internal.h"

uint64_t log_last_number(const struct log *log)
{
    return atomic_load_explicit(&log->last_number, memory_order_relaxed);
}

struct log_position log_end(const struct log *log)
{
    return (struct log_position){log->tail->file_id, atomic_load_explicit(&log->tail->end, memory_order_relaxed)};
}

/** The stage is written when it would have to grow beyond this; only a single record may be larger. */
#define STAGE_FULL_BYTES ((uint64_t)1 << 20)

int append_write_stage(struct log *log, struct alex_error *error)
{
    struct log_segment *tail = log->tail;
    uint64_t written = atomic_load_explicit(&tail->written, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&tail->end, memory_order_relaxed);
    if (!tail->staged || written == end) {
        return ALEX_OK;
    }
    if (log_check(log, error) != ALEX_OK) { /* unreached: callers have asked, and a moment ago it was */
        return ALEX_READ_ONLY; /* a forked child has the parent's stage, whose bytes are the parent's to write */
    }
    char path[512];
    log_path(log, tail->file_id, path, sizeof path);
    int result = os_file_write(tail->fd, path, written, log->stage + (written - log->stage_from), end - written, error);
    if (result != ALEX_OK) {
        /* Part of it may be in the file: nothing may follow, and nothing that is published refers to it. */
        atomic_store(&log->failed, result);
        atomic_store_explicit(&tail->end, written, memory_order_release);
        return result;
    }
    if (tail->unallocated) {
        atomic_store_explicit(&tail->allocated, end, memory_order_release);
    }
    atomic_store_explicit(&tail->written, end, memory_order_release);
    return ALEX_OK;
}

void append_trim_stage(struct log *log)
{
    if (log->stage_bytes > STAGE_FULL_BYTES) {
        base_free(log->stage);
        log->stage = NULL;
        log->stage_bytes = 0;
    }
}

/** Makes room in the stage for `bytes` at the tail's end. */
static int stage_room(struct log *log, uint64_t bytes, struct alex_error *error)
{
    uint64_t end = atomic_load_explicit(&log->tail->end, memory_order_relaxed);
    if (atomic_load_explicit(&log->tail->written, memory_order_relaxed) == end) {
        log->stage_from = end;
    }
    uint64_t needed = end - log->stage_from + bytes;
    if (needed > log->stage_bytes && end > log->stage_from && needed > STAGE_FULL_BYTES) {
        int result = append_write_stage(log, error);
        if (result != ALEX_OK) {
            return result;
        }
        log->stage_from = end;
        needed = bytes;
    }
    if (needed > log->stage_bytes) {
        uint64_t doubled = 2 * log->stage_bytes < STAGE_FULL_BYTES ? 2 * log->stage_bytes : STAGE_FULL_BYTES;
        uint64_t stage_bytes = needed > doubled ? needed : doubled;
        uint8_t *stage = base_realloc(log->stage, stage_bytes);
        if (stage == NULL) {
            return base_fail(error, ALEX_NO_MEMORY, 0, log->config.directory,
                             "no memory to build a record of %llu bytes", (unsigned long long)bytes);
        }
        log->stage = stage;
        log->stage_bytes = stage_bytes;
    }
    return ALEX_OK;
}

/** Memory for a record at the tail's end. In a staged tail stage_room() has made room for it. */
static uint8_t *place(const struct log *log)
{
    uint64_t end = atomic_load_explicit(&log->tail->end, memory_order_relaxed);
    return log->tail->staged ? log->stage + (end - log->stage_from) : log->tail->base + end;
}

/** Numbers and completes the record at `at`, whose value is in place, and moves the end behind it. */
static int finish(struct log *log, uint8_t *at, struct record *record, uint64_t *out_ref, struct alex_error *error)
{
    if (log_check(log, error) != ALEX_OK) {
        return ALEX_READ_ONLY; /* claimed, or grouped, before the failure */
    }
    struct log_segment *tail = log->tail;
    uint64_t offset = atomic_load_explicit(&tail->end, memory_order_relaxed);
    uint64_t number = log_last_number(log) + 1;
    BASE_ASSERT(number <= RECORD_NUMBER_MAX);
    record->number = number;
    record_finish(at, tail->seed, offset, record);
    BASE_ASSERT(offset + record->bytes <= log->tail_allocated); /* L4 */
    atomic_store_explicit(&log->last_number, number, memory_order_relaxed);
    atomic_store_explicit(&tail->end, offset + record->bytes, memory_order_release);
    if (out_ref != NULL) {
        uint64_t address = ((uint64_t)tail->first_slot << log->config.segment_shift) + offset;
        *out_ref = log_ref_make(address, record->bytes, record->kind == RECORD_DELETE);
    }
    return ALEX_OK;
}

int append_own(struct log *log, struct record *record, const void *value, struct alex_error *error)
{
    if (log_check(log, error) != ALEX_OK) {
        return ALEX_READ_ONLY; /* in a forked child the memory there is the parent's to write */
    }
    /* Behind a claimed record the stage has room for it, so that this can't fail where a group is to be ended. */
    int result = log->tail->staged ? stage_room(log, record_bytes(record->value_bytes, false), error) : ALEX_OK;
    if (result != ALEX_OK) {
        return result;
    }
    uint8_t *at = place(log);
    if (value != NULL) {
        memcpy(at + RECORD_HEADER_BYTES, value, record->value_bytes);
    }
    return finish(log, at, record, NULL, error);
}

int append_seal(struct log *log, uint64_t next_file_id, struct alex_error *error)
{
    struct record seal = {.kind = RECORD_SEAL, .key = next_file_id};
    int result = append_own(log, &seal, NULL, error);
    if (result == ALEX_OK) {
        log->tail->sealed = true;
    }
    return result;
}

static int append_mark(struct log *log, struct alex_error *error)
{
    os_mutex_lock(log->lock);
    struct log_position durable = log->durable;
    atomic_store(&log->mark_due, false);
    os_mutex_unlock(log->lock);
    uint8_t value[RECORD_MARK_VALUE_BYTES];
    bytes_store64(value, durable.offset);
    struct record mark = {.kind = RECORD_MARK, .key = durable.file_id, .value_bytes = sizeof value};
    int result = append_own(log, &mark, value, error);
    if (result != ALEX_OK) {
        atomic_store(&log->mark_due, true);
    }
    return result;
}

int log_claim(struct log *log, uint64_t value_bytes, bool has_previous, bool use_spare, struct log_claim *out_claim,
              struct alex_error *error)
{
    if (log_check(log, error) != ALEX_OK) {
        return ALEX_READ_ONLY;
    }
    uint64_t bytes = record_bytes(value_bytes, has_previous);
    /* Relaxed: a claim that misses it leaves it to the next one. The place to mark is read with the lock. */
    bool mark_due = atomic_load_explicit(&log->mark_due, memory_order_relaxed);
    uint64_t mark_bytes = mark_due ? record_bytes(RECORD_MARK_VALUE_BYTES, false) : 0;
    uint64_t end = atomic_load_explicit(&log->tail->end, memory_order_relaxed);
    if (BASE_UNLIKELY(end > log->wake_at)) {
        prepare_ahead(log);
    }
    int result = ALEX_OK;
    uint64_t needed = mark_bytes + bytes + TAIL_RESERVE_BYTES;
    uint64_t limit = use_spare ? log->tail_allocated : log->tail_limit;
    if (BASE_UNLIKELY(end + needed > limit)) {
        result = prepare_room(log, needed + (use_spare ? 0 : SPARE_BYTES), error);
    }
    if (BASE_UNLIKELY(result == ALEX_OK && mark_due)) {
        result = append_mark(log, error);
    }
    if (BASE_UNLIKELY(result == ALEX_OK && log->tail->staged)) {
        result = stage_room(log, bytes + TAIL_RESERVE_BYTES, error);
    }
    if (result != ALEX_OK) {
        return result;
    }
    uint8_t *at = place(log);
    *out_claim = (struct log_claim){
        .at = at,
        .value = at + record_header_bytes(has_previous),
        .offset = atomic_load_explicit(&log->tail->end, memory_order_relaxed),
        .bytes = bytes,
        .has_previous = has_previous,
        .value_bytes = (uint32_t)value_bytes,
    };
    return ALEX_OK;
}

int log_append(struct log *log, const struct log_claim *claim, struct record *record, uint64_t *out_ref,
               struct alex_error *error)
{
    if (log_check(log, error) != ALEX_OK) {
        return ALEX_READ_ONLY; /* since the claim, and the end may lie before it now */
    }
    BASE_ASSERT(claim->offset == atomic_load_explicit(&log->tail->end, memory_order_relaxed));
    BASE_ASSERT(claim->has_previous == ((record->flags & RECORD_FLAG_PREVIOUS) != 0));
    record->value_bytes = claim->value_bytes;
    return finish(log, claim->at, record, out_ref, error);
}

void log_group_add(struct log_group *group, const struct log *log, const struct record *record, uint64_t ref)
{
    if (group->count == 0) {
        group->first_number = record->number;
        group->first = log_locate(log, ref, NULL, 0);
        group->checksum = 0;
    }
    uint8_t checksum[4];
    bytes_store32(checksum, record->header_checksum);
    group->checksum = base_crc32c(group->checksum, checksum, sizeof checksum);
    group->count++;
}

/** The value of a COMMIT (FORMAT.md, "Groups"). */
static void commit_value(const struct log_group *group, uint8_t out_value[RECORD_COMMIT_VALUE_BYTES])
{
    bytes_store64(out_value, group->first_number);
    bytes_store64(out_value + 8, group->first.file_id);
    bytes_store64(out_value + 16, group->first.offset);
    bytes_store32(out_value + 24, group->checksum);
    bytes_store32(out_value + 28, 0);
}

bool log_group_matches(const struct log_group *group, const struct record *commit)
{
    uint8_t value[RECORD_COMMIT_VALUE_BYTES];
    commit_value(group, value);
    return group->count > 0 && commit->key == group->count && memcmp(value, commit->value, sizeof value) == 0;
}

int log_append_commit(struct log *log, const struct log_group *group, struct alex_error *error)
{
    uint8_t value[RECORD_COMMIT_VALUE_BYTES];
    commit_value(group, value);
    struct record commit = {.kind = RECORD_COMMIT, .key = group->count, .value_bytes = sizeof value};
    return append_own(log, &commit, value, error);
}

int log_append_abort(struct log *log, uint64_t first_number, uint64_t last_number, struct alex_error *error)
{
    uint8_t value[RECORD_ABORT_VALUE_BYTES];
    bytes_store64(value, first_number);
    bytes_store64(value + 8, last_number);
    struct record abort = {.kind = RECORD_ABORT, .value_bytes = sizeof value};
    int result = append_own(log, &abort, value, error);
    if (result == ALEX_OK) {
        return append_write_stage(log, error);
    }
    if (log_check(log, NULL) == ALEX_OK) {
        /* Nothing may follow a group that is neither ended nor taken back. Only an opening may lack memory here, and
         * fails then: to whatever is appended later the stage gives room for an ABORT. */
        atomic_store(&log->failed, result);
    }
    return result;
}
