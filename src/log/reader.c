/* SPDX-License-Identifier: Apache-2.0 */
/** @file reader.c Reading the log in order, as replay does: FORMAT.md, "Reading a store". */
#include <string.h>

#include "base/bytes.h"
#include "log/log_internal.h"

void log_reader_init(struct log_reader *reader, struct log *log)
{
    *reader = (struct log_reader){.log = log, .offset = SEGMENT_HEADER_BYTES};
}

struct log_position log_reader_position(const struct log_reader *reader)
{
    const struct log *log = reader->log;
    if (reader->segment >= log->segment_count) {
        return (struct log_position){0};
    }
    return (struct log_position){log->segments[reader->segment]->file_id, reader->offset};
}

void log_reader_path(const struct log_reader *reader, char *out_path, size_t capacity)
{
    log_path(reader->log, log_reader_position(reader).file_id, out_path, capacity);
}

/** Bytes of a segment that a reader may look at: all there are, as nothing is written yet. */
static uint64_t readable(const struct log_segment *segment)
{
    return atomic_load_explicit(&segment->allocated, memory_order_relaxed);
}

enum log_read_state log_reader_next(struct log_reader *reader, struct record *out_record, uint64_t *out_ref)
{
    struct log *log = reader->log;
    if (reader->segment >= log->segment_count) {
        return LOG_READ_END;
    }
    struct log_segment *segment = log->segments[reader->segment];
    uint64_t limit = readable(segment);
    if (reader->offset >= limit) {
        return LOG_READ_END;
    }
    struct record record;
    enum record_state state = record_decode(segment->base + reader->offset, limit - reader->offset, segment->seed,
                                            reader->offset, true, &record);
    if (state != RECORD_GOOD) {
        return state == RECORD_NEWER ? LOG_READ_NEWER : LOG_READ_END;
    }
    if (record.number <= reader->last_number) {
        return LOG_READ_END;
    }
    if (record.kind != RECORD_SEAL && reader->offset + record.bytes + RECORD_HEADER_BYTES > segment->capacity) {
        return LOG_READ_END; /* no writer leaves no space for the SEAL */
    }
    /* A value that is the log's own, or a table's name, can't be left to a later read. */
    bool needed = record.kind != RECORD_PUT && record.kind != RECORD_DELETE;
    bool above = log_position_compare(log_reader_position(reader), reader->verify_values_from) >= 0;
    if ((needed || above) && !record_value_good(&record)) {
        return LOG_READ_END;
    }
    bool seal = record.kind == RECORD_SEAL;
    if (seal && (record.key <= segment->file_id || reader->segment + 1 >= log->segment_count ||
                 log->segments[reader->segment + 1]->file_id < record.key)) {
        return LOG_READ_END;
    }
    uint64_t address = ((uint64_t)segment->first_slot << log->config.segment_shift) + reader->offset;
    *out_ref = log_ref_make(address, record.bytes, record.kind == RECORD_DELETE);
    *out_record = record;
    reader->last_number = record.number;
    reader->offset += record.bytes;
    if (seal) {
        segment->sealed = true;
        atomic_store_explicit(&segment->end, reader->offset, memory_order_relaxed);
        reader->segment++;
        reader->offset = SEGMENT_HEADER_BYTES;
    }
    return LOG_READ_RECORD;
}

uint64_t log_reader_rest_bytes(const struct log_reader *reader)
{
    const struct log *log = reader->log;
    uint64_t bytes = 0;
    for (size_t i = reader->segment; i < log->segment_count; i++) {
        const struct log_segment *segment = log->segments[i];
        uint64_t from = i == reader->segment ? reader->offset : SEGMENT_HEADER_BYTES;
        uint64_t last = readable(segment);
        while (last > from && segment->base[last - 1] == 0) {
            last--;
        }
        /* A record's own last bytes may be zero. */
        last = (last + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
        bytes += last > from ? last - from : 0;
    }
    return bytes;
}

bool log_reader_find_mark(const struct log_reader *reader, struct log_position *out_durable)
{
    const struct log *log = reader->log;
    struct log_position greatest = {0};
    for (size_t i = reader->segment; i < log->segment_count; i++) {
        const struct log_segment *segment = log->segments[i];
        uint64_t limit = readable(segment);
        uint64_t offset = i == reader->segment ? reader->offset : SEGMENT_HEADER_BYTES;
        for (; offset + RECORD_HEADER_BYTES <= limit; offset += RECORD_ALIGNMENT) {
            const uint8_t *at = segment->base + offset;
            /* The kind is the header's last byte: a cheap sieve before the checksum. */
            struct record record;
            if (at[RECORD_HEADER_BYTES - 1] != RECORD_MARK ||
                record_decode(at, limit - offset, segment->seed, offset, true, &record) != RECORD_GOOD ||
                !record_value_good(&record)) {
                continue;
            }
            struct log_position mark = {record.key, bytes_load64(record.value)};
            if (log_position_compare(mark, greatest) > 0) {
                greatest = mark;
            }
        }
    }
    *out_durable = greatest;
    return greatest.file_id != 0;
}
