/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_record.c
 * The bytes of records, segment headers and references.
 */
#include "base/base.h"
#include "base/bytes.h"
#include "log/record.h"
#include "log/record_fast.h"
#include "log/ref.h"
#include "support/store_helper.h"

static const uint8_t store_id[RECORD_STORE_ID_BYTES] = "a store's id....";
enum { FILE_ID = 7, OFFSET = 4096 };

/** Records of every kind, with and without what they may have. */
static const struct record samples[] = {
    {.kind = RECORD_PUT, .table = 1, .key = 42, .number = 1, .value_bytes = 0},
    {.kind = RECORD_PUT, .table = 1, .key = UINT64_MAX, .number = RECORD_NUMBER_MAX, .value_bytes = 13},
    {.kind = RECORD_PUT,
     .flags = RECORD_FLAG_PREVIOUS,
     .table = UINT32_MAX,
     .number = 9,
     .previous = 0xABCDEF,
     .value_bytes = 8},
    {.kind = RECORD_PUT,
     .flags = RECORD_FLAG_PREVIOUS | RECORD_FLAG_GROUPED,
     .table = 2,
     .number = 10,
     .previous = UINT64_MAX,
     .value_bytes = 1},
    {.kind = RECORD_PUT, .flags = RECORD_FLAG_GROUPED, .table = 2, .number = 11, .value_bytes = 300},
    {.kind = RECORD_DELETE, .flags = RECORD_FLAG_PREVIOUS, .table = 3, .key = 5, .number = 12, .previous = 1},
    {.kind = RECORD_COMMIT, .key = 3, .number = 13, .value_bytes = RECORD_COMMIT_VALUE_BYTES},
    {.kind = RECORD_ABORT, .number = 14, .value_bytes = RECORD_ABORT_VALUE_BYTES},
    {.kind = RECORD_MARK, .key = 6, .number = 15, .value_bytes = RECORD_MARK_VALUE_BYTES},
    {.kind = RECORD_SEAL, .key = 8, .number = 16},
    {.kind = RECORD_SEAL, .key = 8, .number = 16, .value_bytes = 50},
    {.kind = RECORD_TABLE, .table = 4, .key = ALEX_KEYS_SIGNED, .number = 17, .value_bytes = 1},
    {.kind = RECORD_TABLE, .table = 4, .key = ALEX_KEYS_UNSIGNED, .number = 17, .value_bytes = 255},
    {.kind = RECORD_DROP, .table = 4, .number = 18},
    {.kind = RECORD_RENAME, .flags = RECORD_FLAG_GROUPED, .table = 4, .number = 19, .value_bytes = 1},
    {.kind = RECORD_RENAME, .table = 4, .number = 19, .value_bytes = 255},
};
enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

static uint32_t seed(void)
{
    return record_seed(store_id, FILE_ID);
}

/** Encodes a sample in a block of exactly its size; free() it. */
static uint8_t *encode(const struct record *sample, struct record *out_record)
{
    *out_record = *sample;
    bool has_previous = (sample->flags & RECORD_FLAG_PREVIOUS) != 0;
    uint8_t *at = malloc(record_bytes(sample->value_bytes, has_previous));
    memset(at, 0xEE, record_bytes(sample->value_bytes, has_previous));
    helper_fill(at + record_header_bytes(has_previous), sample->value_bytes, sample->number);
    record_finish(at, seed(), OFFSET, out_record);
    return at;
}

/* What is encoded is decoded again, field by field. */
static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct record record;
        struct record decoded;
        uint8_t *at = encode(&samples[i], &record);
        assert_int_equal(record.bytes % RECORD_ALIGNMENT, 0);
        assert_int_equal(record_decode(at, record.bytes, seed(), OFFSET, true, &decoded), RECORD_GOOD);
        assert_int_equal(decoded.kind, samples[i].kind);
        assert_int_equal(decoded.flags, samples[i].flags);
        assert_int_equal(decoded.table, samples[i].table);
        assert_true(decoded.key == samples[i].key);
        assert_true(decoded.number == samples[i].number);
        assert_true(decoded.previous == samples[i].previous);
        assert_int_equal(decoded.value_bytes, samples[i].value_bytes);
        assert_int_equal(decoded.bytes, record.bytes);
        assert_int_equal(decoded.header_checksum, record.header_checksum);
        assert_ptr_equal(decoded.value, record.value);
        assert_true(helper_is_filled(decoded.value, decoded.value_bytes, samples[i].number));
        assert_true(record_value_good(&decoded));
        assert_true(record_padding_good(&decoded));
        assert_int_equal(record_decode(at, record.bytes + 100, seed(), OFFSET, false, &decoded), RECORD_GOOD);
        free(at);
    }
}

/* Any one bit that is wrong is found: in the header, in the value, or in the padding. */
static void test_every_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct record record;
        struct record decoded;
        uint8_t *at = encode(&samples[i], &record);
        uint64_t header = (uint64_t)(record.value - at);
        for (uint64_t bit = 0; bit < record.bytes * 8; bit++) {
            at[bit / 8] = (uint8_t)(at[bit / 8] ^ (1u << bit % 8));
            enum record_state found = record_decode(at, record.bytes, seed(), OFFSET, true, &decoded);
            if (bit / 8 < header) {
                assert_int_equal(found, RECORD_BAD);
            } else {
                assert_int_equal(found, RECORD_GOOD);
                bool in_value = bit / 8 < header + record.value_bytes;
                assert_int_equal(record_value_good(&decoded), !in_value);
                assert_int_equal(record_padding_good(&decoded), in_value);
            }
            /* Unverified, the lengths still stay within bounds. */
            if (record_decode(at, record.bytes, seed(), OFFSET, false, &decoded) == RECORD_GOOD) {
                assert_true(decoded.bytes <= record.bytes);
                (void)record_value_good(&decoded);
                (void)record_padding_good(&decoded);
            }
            at[bit / 8] = (uint8_t)(at[bit / 8] ^ (1u << bit % 8));
        }
        free(at);
    }
}

/* A record that is cut short is none, and nothing behind its bytes is read: the blocks are of their exact sizes. */
static void test_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct record record;
        struct record decoded;
        uint8_t *at = encode(&samples[i], &record);
        for (uint64_t available = 0; available < record.bytes; available++) {
            uint8_t *cut = malloc(available + 1);
            memcpy(cut + 1, at, available);
            assert_int_equal(record_decode(cut + 1, available, seed(), OFFSET, true, &decoded), RECORD_BAD);
            assert_int_equal(record_decode(cut + 1, available, seed(), OFFSET, false, &decoded), RECORD_BAD);
            free(cut);
        }
        free(at);
    }
}

/* A record's image is no record at another offset, in another file, or in another store. */
static void test_seeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct record record;
        struct record decoded;
        uint8_t *at = encode(&samples[i], &record);
        uint8_t other_id[RECORD_STORE_ID_BYTES];
        memcpy(other_id, store_id, sizeof other_id);
        other_id[0] ^= 1;
        assert_int_equal(record_decode(at, record.bytes, seed(), OFFSET + 8, true, &decoded), RECORD_BAD);
        assert_int_equal(record_decode(at, record.bytes, seed(), 0, true, &decoded), RECORD_BAD);
        assert_int_equal(record_decode(at, record.bytes, record_seed(store_id, FILE_ID + 1), OFFSET, true, &decoded),
                         RECORD_BAD);
        assert_int_equal(record_decode(at, record.bytes, record_seed(other_id, FILE_ID), OFFSET, true, &decoded),
                         RECORD_BAD);
        free(at);
    }
}

/* A record's image inside a value is no record, at whatever place of the log the value lies. */
static void test_image_in_value(void **state)
{
    (void)state;
    struct record inner;
    uint8_t *image = encode(&samples[1], &inner);
    struct record outer = {.kind = RECORD_PUT, .table = 1, .number = 5, .value_bytes = (uint32_t)inner.bytes};
    uint64_t bytes = record_bytes(outer.value_bytes, false);
    uint8_t *at = malloc(bytes);
    memcpy(at + RECORD_HEADER_BYTES, image, inner.bytes);
    record_finish(at, seed(), OFFSET, &outer);
    for (uint64_t inside = RECORD_ALIGNMENT; inside + RECORD_HEADER_BYTES <= bytes; inside += RECORD_ALIGNMENT) {
        struct record decoded;
        assert_int_equal(record_decode(at + inside, bytes - inside, seed(), OFFSET + inside, true, &decoded),
                         RECORD_BAD);
    }
    free(at);
    free(image);
}

/** Makes a record of `record` although no writer would, and decodes it. */
static enum record_state forged(struct record record, unsigned kind_and_flags)
{
    uint8_t memory[1024] = {0};
    struct record decoded;
    record.kind = (enum record_kind)(kind_and_flags & 0x0F);
    record.flags = kind_and_flags & 0xF0;
    record.number = record.number != 0 ? record.number : 1;
    record_finish(memory, seed(), OFFSET, &record);
    enum record_state unverified = record_decode(memory, sizeof memory, seed(), OFFSET, false, &decoded);
    enum record_state found = record_decode(memory, sizeof memory, seed(), OFFSET, true, &decoded);
    assert_true(unverified == found || (unverified == RECORD_BAD && found == RECORD_NEWER));
    return found;
}

/* A whole record of a reserved kind or with a reserved flag is a newer version's. */
static void test_reserved(void **state)
{
    (void)state;
    struct record record = {.table = 1};
    for (unsigned kind = RECORD_KIND_LAST + 1; kind <= 15; kind++) {
        assert_int_equal(forged(record, kind), RECORD_NEWER);
    }
    assert_int_equal(forged(record, RECORD_PUT | 0x40), RECORD_NEWER);
    assert_int_equal(forged(record, RECORD_PUT | 0x80), RECORD_NEWER);
    assert_int_equal(forged(record, 0), RECORD_NEWER);
}

/* A record whose fields don't fit its kind is bad. */
static void test_fields(void **state)
{
    (void)state;
    static const struct {
        unsigned kind_and_flags;
        struct record record;
    } rows[] = {
        {RECORD_PUT, {.table = 0}},
        {RECORD_DELETE, {.table = 0}},
        {RECORD_DELETE, {.table = 1, .value_bytes = 1}},
        {RECORD_COMMIT, {.value_bytes = RECORD_COMMIT_VALUE_BYTES - 1}},
        {RECORD_COMMIT, {.table = 1, .value_bytes = RECORD_COMMIT_VALUE_BYTES}},
        {RECORD_COMMIT | RECORD_FLAG_GROUPED, {.value_bytes = RECORD_COMMIT_VALUE_BYTES}},
        {RECORD_ABORT, {.value_bytes = RECORD_ABORT_VALUE_BYTES + 1}},
        {RECORD_ABORT, {.key = 1, .value_bytes = RECORD_ABORT_VALUE_BYTES}},
        {RECORD_ABORT | RECORD_FLAG_PREVIOUS, {.value_bytes = RECORD_ABORT_VALUE_BYTES}},
        {RECORD_MARK, {.value_bytes = 0}},
        {RECORD_MARK, {.table = 1, .value_bytes = RECORD_MARK_VALUE_BYTES}},
        {RECORD_SEAL, {.table = 1}},
        {RECORD_SEAL | RECORD_FLAG_GROUPED, {.table = 0}},
        {RECORD_TABLE, {.table = 2, .key = 1, .value_bytes = 0}},
        {RECORD_TABLE, {.table = 2, .key = 1, .value_bytes = 256}},
        {RECORD_TABLE, {.table = 2, .key = 0, .value_bytes = 4}},
        {RECORD_TABLE, {.table = 2, .key = 3, .value_bytes = 4}},
        {RECORD_TABLE, {.table = 0, .key = 1, .value_bytes = 4}},
        {RECORD_DROP, {.table = 0}},
        {RECORD_DROP, {.table = 2, .key = 1}},
        {RECORD_DROP, {.table = 2, .value_bytes = 1}},
        {RECORD_RENAME, {.table = 0, .value_bytes = 1}},
        {RECORD_RENAME, {.table = 2, .key = 1, .value_bytes = 1}},
        {RECORD_RENAME, {.table = 2, .value_bytes = 0}},
        {RECORD_RENAME, {.table = 2, .value_bytes = 256}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(forged(rows[i].record, rows[i].kind_and_flags), RECORD_BAD);
    }
}

/* A value length above the limit is bad, however much is available; no length overflows. */
static void test_absurd_lengths(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {RECORD_VALUE_MAX + 1, UINT32_MAX, UINT32_MAX - 7, RECORD_VALUE_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t header[RECORD_HEADER_BYTES] = {0};
        struct record decoded;
        bytes_store32(header + 8, lengths[i]);
        bytes_store32(header + 12, 1);
        bytes_store64(header + 24, 1 | (uint64_t)RECORD_PUT << 56);
        assert_int_equal(record_decode(header, sizeof header, seed(), OFFSET, false, &decoded), RECORD_BAD);
        uint64_t available = lengths[i] > RECORD_VALUE_MAX ? UINT64_MAX : RECORD_HEADER_BYTES + RECORD_VALUE_MAX - 1;
        assert_int_equal(record_decode(header, available, seed(), OFFSET, false, &decoded), RECORD_BAD);
    }
}

/* A segment's header is decoded as it was encoded, and any one bit that is wrong is found. */
static void test_segment_header(void **state)
{
    (void)state;
    struct segment_header header = {.file_id = 0x1122334455667788, .slots = 3, .first_number = 99};
    struct segment_header decoded;
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    memcpy(header.store_id, store_id, sizeof header.store_id);
    segment_header_encode(bytes, &header);
    assert_int_equal(segment_header_decode(bytes, &decoded), RECORD_GOOD);
    assert_memory_equal(decoded.store_id, store_id, sizeof store_id);
    assert_true(decoded.file_id == header.file_id);
    assert_int_equal(decoded.slots, 3);
    assert_int_equal(decoded.first_number, 99);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
        assert_int_equal(segment_header_decode(bytes, &decoded), RECORD_BAD);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ (1u << bit % 8));
    }
}

/** Decodes a header with a byte changed and its checksum made good. */
static enum record_state with_byte(size_t at, uint8_t byte)
{
    struct segment_header header = {.file_id = 1, .slots = 1, .first_number = 1};
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    segment_header_encode(bytes, &header);
    bytes[at] = byte;
    bytes_store32(bytes + 60, base_crc32c(0, bytes, 60));
    return segment_header_decode(bytes, &header);
}

/* A header of a newer version, or with a reserved field set, is told apart from a bad one. */
static void test_segment_header_versions(void **state)
{
    (void)state;
    assert_int_equal(with_byte(8, 2), RECORD_NEWER);
    assert_int_equal(with_byte(8, 0), RECORD_BAD);
    assert_int_equal(with_byte(12, 0), RECORD_BAD);
    for (size_t at = 48; at < 60; at++) {
        assert_int_equal(with_byte(at, 1), RECORD_NEWER);
    }
}

/* A reference holds the address, the tombstone's bit and the size, each to its limit. */
static void test_refs(void **state)
{
    (void)state;
    static const uint64_t addresses[] = {0, 64, 8 * 12345, LOG_ADDRESS_LIMIT - 8};
    static const uint64_t sizes[] = {32,
                                     40,
                                     4096,
                                     (LOG_REF_UNITS_MAX - 1) * 8,
                                     LOG_REF_UNITS_MAX * 8,
                                     (LOG_REF_UNITS_MAX + 1) * 8,
                                     (uint64_t)1 << 30};
    for (size_t a = 0; a < sizeof addresses / sizeof addresses[0]; a++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            for (int tombstone = 0; tombstone < 2; tombstone++) {
                uint64_t ref = log_ref_make(addresses[a], sizes[s], tombstone == 1);
                uint64_t most = LOG_REF_UNITS_MAX * 8;
                assert_true(ref != 0);
                assert_true(log_ref_address(ref) == addresses[a]);
                assert_true(log_ref_bytes(ref) == (sizes[s] < most ? sizes[s] : most));
                assert_int_equal(log_ref_is_tombstone(ref), tombstone);
            }
        }
    }
}

#if RECORD_FAST
enum { FAST_VALUE_BYTES_MAX = 300 };

/** A PUT of each size, with and without a previous version. */
static struct record fast_sample(uint32_t value_bytes, bool has_previous)
{
    struct record sample = {.kind = RECORD_PUT, .table = 3, .key = 77, .number = 9, .value_bytes = value_bytes};
    if (has_previous) {
        sample.flags = RECORD_FLAG_PREVIOUS | RECORD_FLAG_GROUPED;
        sample.previous = 0x123456789;
    }
    return sample;
}

/* The quick reader gives what the thorough one gives, for values of every size; its checksums are CRC32C. */
static void test_fast_agrees(void **state)
{
    (void)state;
    if (!record_fast_usable()) {
        skip();
    }
    for (uint32_t i = 0; i < 2 * FAST_VALUE_BYTES_MAX; i++) {
        struct record sample = fast_sample(i / 2, i % 2 != 0);
        struct record record;
        struct record decoded;
        struct log_value found;
        memset(&found, 0xEE, sizeof found);
        uint8_t *at = encode(&sample, &record);
        assert_int_equal(record.value_checksum, base_crc32c_portable(0, record.value, record.value_bytes));
        assert_int_equal(record_decode(at, record.bytes, seed(), OFFSET, true, &decoded), RECORD_GOOD);
        assert_true(record_fast_read(at, record.bytes, seed(), OFFSET, true, sample.table, sample.key, &found));
        struct log_value expected = log_value_of(&decoded);
        assert_ptr_equal(found.data, expected.data);
        assert_true(found.bytes == expected.bytes);
        assert_true(found.padded_bytes == expected.padded_bytes);
        assert_true(found.number == expected.number);
        free(at);
    }
}

/* The quick reader takes nothing but a good PUT of the key at hand: no flipped bit, no other key, table, place, size or
 * kind; and unverified it still reads within the size it was told. */
static void test_fast_refuses(void **state)
{
    (void)state;
    if (!record_fast_usable()) {
        skip();
    }
    for (uint32_t i = 0; i < 2 * FAST_VALUE_BYTES_MAX; i += i / 2 == 39 ? 2 * 205 : 1) {
        struct record sample = fast_sample(i / 2, i % 2 != 0);
        struct record record;
        struct log_value found;
        uint8_t *at = encode(&sample, &record);
        uint64_t used = (uint64_t)(record.value - at) + record.value_bytes;
        for (uint64_t bit = 0; bit < used * 8; bit++) {
            at[bit / 8] = (uint8_t)(at[bit / 8] ^ (1u << bit % 8));
            assert_false(record_fast_read(at, record.bytes, seed(), OFFSET, true, sample.table, sample.key, &found));
            (void)record_fast_read(at, record.bytes, seed(), OFFSET, false, sample.table, sample.key, &found);
            at[bit / 8] = (uint8_t)(at[bit / 8] ^ (1u << bit % 8));
        }
        assert_false(record_fast_read(at, record.bytes, seed(), OFFSET, true, sample.table + 1, sample.key, &found));
        assert_false(record_fast_read(at, record.bytes, seed(), OFFSET, true, sample.table, sample.key + 1, &found));
        assert_false(record_fast_read(at, record.bytes, seed(), OFFSET + 8, true, sample.table, sample.key, &found));
        assert_false(record_fast_read(at, record.bytes - 8, seed(), OFFSET, true, sample.table, sample.key, &found));
        free(at);
    }
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct record record;
        struct log_value found;
        uint8_t *at = encode(&samples[i], &record);
        bool taken = record_fast_read(at, record.bytes, seed(), OFFSET, true, record.table, record.key, &found);
        assert_int_equal(taken, record.kind == RECORD_PUT);
        free(at);
    }
}

/* A processor without the instruction writes the same bytes, and judges them as any other does. */
static void test_without_the_instruction(void **state)
{
    (void)state;
    bool hardware = base_crc32c_hardware;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct record record;
        struct record decoded;
        uint8_t *expected = encode(&samples[i], &record);
        base_crc32c_hardware = false;
        uint8_t *at = encode(&samples[i], &record);
        enum record_state good = record_decode(at, record.bytes, seed(), OFFSET, true, &decoded);
        bool value_good = good == RECORD_GOOD && record_value_good(&decoded);
        at[record.bytes - RECORD_ALIGNMENT] ^= 1;
        enum record_state flipped = record_decode(at, record.bytes, seed(), OFFSET, true, &decoded);
        bool still_good = flipped == RECORD_GOOD && record_value_good(&decoded);
        base_crc32c_hardware = hardware;
        at[record.bytes - RECORD_ALIGNMENT] ^= 1;
        assert_memory_equal(at, expected, record.bytes);
        assert_true(value_good);
        assert_false(still_good);
        free(expected);
        free(at);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_image_in_value),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_absurd_lengths),
        cmocka_unit_test(test_segment_header),
        cmocka_unit_test(test_segment_header_versions),
        cmocka_unit_test(test_refs),
#if RECORD_FAST
        cmocka_unit_test(test_fast_agrees),
        cmocka_unit_test(test_fast_refuses),
        cmocka_unit_test(test_without_the_instruction),
#endif
    };
    return cmocka_run_group_tests_name("log record", tests, NULL, NULL);
}
