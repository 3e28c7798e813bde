/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_recovery_manifest.c
 * The manifest: written and read back, damaged in every place, of newer versions, and full of nonsense.
 */
#include "base/bytes.h"
#include "recovery/recovery.h"
#include "support/faults.h"
#include "support/store_helper.h"

static struct log_listed listed[] = {{1, 1}, {2, 5}, {9, 1}};

static struct manifest sample(void)
{
    return (struct manifest){
        .store_id = "the store's id.",
        .segment_shift = 27,
        .generation = 3,
        .next_file_id = 10,
        .number_floor = 123456,
        .next_table_id = 4,
        .clean = true,
        .durable = {9, 4096},
        .segments = listed,
        .segment_count = 3,
    };
}

static void path_of(const struct fixture *fixture, char *out_path)
{
    files_join(out_path, fixture->directory, MANIFEST_NAME);
}

/** The bytes of a written manifest; free() them. */
static unsigned char *written(const struct fixture *fixture, size_t *out_size)
{
    struct manifest manifest = sample();
    char path[FILES_PATH_MAX];
    ASSERT_OK(manifest_write(fixture->directory, &manifest, NULL));
    path_of(fixture, path);
    unsigned char *bytes = files_read(path, out_size);
    assert_int_equal(*out_size, manifest_bytes(3));
    return bytes;
}

/** Decodes in a block of exactly the size. */
static int decode(const unsigned char *bytes, size_t size, struct alex_error *out_error)
{
    struct manifest manifest;
    unsigned char *exact = malloc(size + (size == 0));
    memcpy(exact, bytes, size);
    int code = manifest_decode(exact, size, "/the/manifest", &manifest, out_error);
    if (code == ALEX_OK) {
        manifest_release(&manifest);
    }
    free(exact);
    return code;
}

static int decode_resealed(unsigned char *bytes, size_t size)
{
    struct alex_error error = {0};
    bytes_store32(bytes + size - 4, base_crc32c(0, bytes, size - 4));
    int code = decode(bytes, size, &error);
    assert_int_equal(error.code, code);
    return code;
}

/* What is written is read back, whole; no other file is left. */
static void test_round_trip(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    struct manifest before = sample();
    for (int clean = 0; clean < 2; clean++) {
        for (size_t count = 0; count <= 3; count++) {
            struct manifest after;
            before.clean = clean == 1;
            before.segment_count = count;
            ASSERT_OK(manifest_write(fixture->directory, &before, NULL));
            ASSERT_OK(manifest_read(fixture->directory, &after, NULL));
            assert_memory_equal(after.store_id, before.store_id, sizeof before.store_id);
            assert_int_equal(after.segment_shift, before.segment_shift);
            assert_int_equal(after.generation, before.generation);
            assert_int_equal(after.next_file_id, before.next_file_id);
            assert_int_equal(after.number_floor, before.number_floor);
            assert_int_equal(after.next_table_id, before.next_table_id);
            assert_int_equal(after.clean, before.clean);
            assert_int_equal(log_position_compare(after.durable, before.durable), 0);
            assert_int_equal(after.segment_count, count);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(after.segments[i].file_id, listed[i].file_id);
                assert_int_equal(after.segments[i].slots, listed[i].slots);
            }
            manifest_release(&after);
            manifest_release(&after); /* twice does no harm */
        }
    }
    files_join(path, fixture->directory, MANIFEST_NEW_NAME);
    assert_false(files_exists(path));
}

/* Without a manifest the answer is "not found"; with an empty one, that it is damaged. */
static void test_absent_and_empty(void **state)
{
    struct fixture *fixture = *state;
    struct manifest manifest;
    char path[FILES_PATH_MAX];
    assert_int_equal(manifest_read(fixture->directory, &manifest, NULL), ALEX_NOT_FOUND);
    path_of(fixture, path);
    files_write(path, "", 0);
    struct alex_error error;
    assert_int_equal(manifest_read(fixture->directory, &manifest, &error), ALEX_DAMAGED);
    assert_string_equal(error.path, path);
}

/* The longest manifest that there can be is read, and one that is a byte longer is damaged, whatever it holds. */
static void test_longest(void **state)
{
    struct fixture *fixture = *state;
    enum { LONGEST = 33554524 };
    struct alex_error error;
    char path[FILES_PATH_MAX];
    struct manifest manifest = sample();
    manifest.segment_count = MANIFEST_SEGMENTS_MAX;
    manifest.segments = malloc(MANIFEST_SEGMENTS_MAX * sizeof *manifest.segments);
    assert_non_null(manifest.segments);
    for (size_t i = 0; i < MANIFEST_SEGMENTS_MAX; i++) {
        manifest.segments[i] = (struct log_listed){i + 1, 1};
    }
    manifest.next_file_id = MANIFEST_SEGMENTS_MAX + 1;
    ASSERT_OK(manifest_write(fixture->directory, &manifest, NULL));
    free(manifest.segments);
    path_of(fixture, path);
    assert_int_equal(files_size(path), LONGEST);
    ASSERT_OK(manifest_read(fixture->directory, &manifest, NULL));
    assert_int_equal(manifest.segment_count, MANIFEST_SEGMENTS_MAX);
    manifest_release(&manifest);

    files_truncate(path, LONGEST + 1);
    faults_install();
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_PREAD)});
    assert_int_equal(manifest_read(fixture->directory, &manifest, &error), ALEX_DAMAGED);
    assert_int_equal(faults_seen(), 0); /* not read to no end */
    faults_remove();
    assert_string_equal(error.path, path);
    assert_int_equal(error.offset, LONGEST);
}

/* Any one bit that is wrong is found, and so is any other length. */
static void test_every_bit_and_length(void **state)
{
    struct fixture *fixture = *state;
    size_t size;
    unsigned char *bytes = written(fixture, &size);
    ASSERT_OK(decode(bytes, size, NULL));
    for (size_t bit = 0; bit < size * 8; bit++) {
        struct alex_error error;
        bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ (1u << bit % 8));
        assert_int_equal(decode(bytes, size, &error), ALEX_DAMAGED);
        assert_string_equal(error.path, "/the/manifest");
        assert_true(error.has_offset);
        bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ (1u << bit % 8));
    }
    for (size_t length = 0; length < size; length++) {
        assert_int_equal(decode(bytes, length, NULL), ALEX_DAMAGED);
    }
    unsigned char *longer = calloc(1, size + 1);
    memcpy(longer, bytes, size);
    assert_int_equal(decode(longer, size + 1, NULL), ALEX_DAMAGED);
    free(longer);
    free(bytes);
}

/* A newer version, an unknown flag and a reserved field are a newer version's, not damage. */
static void test_newer(void **state)
{
    struct fixture *fixture = *state;
    static const size_t places[] = {8, 11, 60, 63, 84, 87, 88 + 8, 88 + 15, 88 + 20, 88 + 31, 88 + 2 * 32 + 8};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        size_t size;
        unsigned char *bytes = written(fixture, &size);
        bytes[places[i]] = (unsigned char)(bytes[places[i]] | 0x82);
        assert_int_equal(decode_resealed(bytes, size), ALEX_NEWER_FORMAT);
        free(bytes);
    }
}

/* Fields that make no sense are damage, also where the checksum holds: nothing is believed. */
static void test_nonsense(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        size_t at;
        uint64_t number;
        size_t bytes;
    } rows[] = {
        {8, 0, 4},   /* version */
        {12, 15, 4}, /* segment size */
        {12, 41, 4},
        {12, UINT32_MAX, 4},
        {48, RECORD_NUMBER_MAX + 1, 8}, /* number floor */
        {56, 0, 4},                     /* next table id: of the log itself */
        {56, 1, 4},                     /* of the main table */
        {80, 0, 4},                     /* number of segments */
        {80, 2, 4},
        {80, 4, 4},
        {80, UINT32_MAX, 4},
        {80, (uint64_t)1 << 27, 4}, /* times 32 it would overflow 32 bits */
        {88, 0, 8},                 /* a file id */
        {88, 2, 8},                 /* as the next */
        {88, 3, 8},                 /* above the next */
        {88 + 64, 10, 8},           /* not below the next file id */
        {88 + 64, UINT64_MAX, 8},
        {88 + 16, 0, 4}, /* slots */
        {88 + 16, UINT32_MAX, 4},
        {40, 9, 8}, /* next file id */
        {40, 0, 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size;
        unsigned char *bytes = written(fixture, &size);
        if (rows[i].bytes == 8) {
            bytes_store64(bytes + rows[i].at, rows[i].number);
        } else {
            bytes_store32(bytes + rows[i].at, (uint32_t)rows[i].number);
        }
        if (decode_resealed(bytes, size) != ALEX_DAMAGED) {
            print_error("row %zu, offset %zu\n", i, rows[i].at);
            fail();
        }
        free(bytes);
    }
}

/* Whatever fails while a manifest is replaced, a whole one is there: the old or the new. */
static void test_replacing_is_atomic(void **state)
{
    struct fixture *fixture = *state;
    struct manifest old = sample();
    struct manifest new = sample();
    new.generation = 4;
    faults_install();
    for (enum faults_call call = 0; call < FAULTS_CALL_COUNT; call++) {
        for (uint64_t at = 1, struck = 1; struck > 0; at++) {
            struct manifest after;
            ASSERT_OK(manifest_write(fixture->directory, &old, NULL));
            faults_set(&(struct faults_plan){.calls = FAULTS_SET(call), .first = at, .torn = true});
            struct alex_error error = {0};
            int code = manifest_write(fixture->directory, &new, &error);
            struck = faults_struck();
            faults_clear();
            assert_true(struck > 0 || code == ALEX_OK);
            assert_int_equal(error.code, code);
            ASSERT_OK(manifest_read(fixture->directory, &after, NULL));
            assert_true(after.generation == 3 || after.generation == 4);
            assert_true(code != ALEX_OK || after.generation == 4);
            manifest_release(&after);
        }
    }
    faults_remove();
}

/* A manifest is synced before it takes the old one's place, and its directory before and behind: names of files
 * first. */
static void test_order_of_syncs(void **state)
{
    struct fixture *fixture = *state;
    struct manifest manifest = sample();
    faults_install();
    ASSERT_OK(manifest_write(fixture->directory, &manifest, NULL));
    assert_int_equal(faults_count(FAULTS_FSYNC), 2);
    assert_int_equal(faults_count(FAULTS_FDATASYNC), 1);
    static const enum faults_call before_rename[] = {FAULTS_FSYNC, FAULTS_FDATASYNC};
    for (size_t i = 0; i < 2; i++) {
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(before_rename[i]), .first = 1});
        assert_int_equal(manifest_write(fixture->directory, &manifest, NULL), ALEX_IO);
        assert_int_equal(faults_count(FAULTS_RENAME), 0);
    }
    faults_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_round_trip),
        TEST_WITH_DIRECTORY(test_absent_and_empty),
        TEST_WITH_DIRECTORY(test_longest),
        TEST_WITH_DIRECTORY(test_every_bit_and_length),
        TEST_WITH_DIRECTORY(test_newer),
        TEST_WITH_DIRECTORY(test_nonsense),
        TEST_WITH_DIRECTORY(test_replacing_is_atomic),
        TEST_WITH_DIRECTORY(test_order_of_syncs),
    };
    return cmocka_run_group_tests_name("recovery manifest", tests, NULL, NULL);
}
