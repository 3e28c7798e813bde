/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_csv.c
 * Fuzz target of the tool's reader of CSV and TSV.
 *
 * Claims: any bytes are read without harm; how they are cut into pieces changes nothing; each line is within one record
 * at most; and a record that was read comes back as it was when its fields are written and read again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/csv.h"

/* Small enough for an input to reach it. */
#define LIMIT_BYTES 4096

#define CLAIM(condition) ((condition) ? (void)0 : abort())

static void claim_same_record(const struct csv_reader *a, const struct csv_reader *b)
{
    CLAIM(a->field_count == b->field_count);
    for (size_t i = 0; i < a->field_count; i++) {
        size_t a_size;
        size_t b_size;
        const char *a_field = csv_field(a, i, &a_size);
        const char *b_field = csv_field(b, i, &b_size);
        CLAIM(a_size == b_size && memcmp(a_field, b_field, a_size) == 0);
    }
}

/** Writes the record at hand and reads it back. */
static void claim_round_trip(const struct csv_reader *reader)
{
    size_t size;
    csv_field(reader, 0, &size);
    if (reader->field_count == 1 && size == 0) {
        return; /* an empty line is no record */
    }
    struct buffer text = {0};
    for (size_t i = 0; i < reader->field_count; i++) {
        if (i > 0) {
            buffer_append_byte(&text, reader->dialect.delimiter);
        }
        const char *field = csv_field(reader, i, &size);
        csv_append_field(&text, reader->dialect, field, size);
    }
    buffer_append_byte(&text, '\n');

    struct csv_reader again;
    csv_reader_init(&again, reader->dialect, LIMIT_BYTES);
    size_t taken;
    CLAIM(csv_feed(&again, text.data, text.size, &taken) == CSV_RECORD);
    CLAIM(taken == text.size);
    claim_same_record(reader, &again);
    csv_reader_release(&again);
    buffer_release(&text);
}

/** An input, and how far a reader that gets it in pieces has come. */
struct feed {
    const char *bytes;
    size_t size;
    size_t piece; /**< bytes a call; all at once if 0 */
    size_t at;
};

static enum csv_event next_event(struct csv_reader *reader, struct feed *feed)
{
    enum csv_event event = CSV_MORE;
    while (event == CSV_MORE && feed->at < feed->size) {
        size_t left = feed->size - feed->at;
        size_t size = feed->piece > 0 && feed->piece < left ? feed->piece : left;
        size_t taken;
        event = csv_feed(reader, feed->bytes + feed->at, size, &taken);
        CLAIM(taken <= size && (event != CSV_MORE || taken == size));
        feed->at += taken;
    }
    return event == CSV_MORE ? csv_finish(reader) : event;
}

static void read_all(struct csv_dialect dialect, const char *bytes, size_t size, size_t piece)
{
    struct csv_reader whole;
    struct csv_reader pieces;
    csv_reader_init(&whole, dialect, LIMIT_BYTES);
    csv_reader_init(&pieces, dialect, LIMIT_BYTES);
    struct feed whole_feed = {bytes, size, 0, 0};
    struct feed piece_feed = {bytes, size, piece, 0};
    uint64_t line_before = 0;
    enum csv_event event;
    do {
        event = next_event(&whole, &whole_feed);
        CLAIM(next_event(&pieces, &piece_feed) == event);
        if (event != CSV_MORE) {
            CLAIM(whole.first_line == pieces.first_line && whole.last_line == pieces.last_line);
            CLAIM(whole.first_line > line_before && whole.last_line >= whole.first_line);
            line_before = whole.last_line;
        }
        if (event == CSV_RECORD) {
            claim_same_record(&whole, &pieces);
            claim_round_trip(&whole);
        }
        CLAIM((event == CSV_BAD) == (whole.error != NULL));
    } while (event != CSV_MORE);
    CLAIM(whole_feed.at == size && csv_finish(&whole) == CSV_MORE);
    csv_reader_release(&whole);
    csv_reader_release(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const char *bytes = (const char *)data + 2;
    size_t piece = data[0] % 16 + 1;
    struct csv_dialect dialect = data[1] % 2 == 0 ? CSV_DIALECT_CSV : CSV_DIALECT_TSV;
    if (!dialect.escaped && data[1] > 127 && strchr("\"\r\n", data[1]) == NULL) {
        dialect.delimiter = (char)data[1];
    }
    read_all(dialect, bytes, size - 2, piece);
    return 0;
}
