/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log_cut.c
 * The edge of a crash at every byte: the log's file cut short to every length, and damaged at every byte of what was
 * not synced. Whatever is kept, it is all that lies before; the cut is reported once; and from the next opening on all
 * is clean.
 */
#include "base/base.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/store_helper.h"

#ifdef BASE_SANITIZED
enum { STEP = 7 };
#else
enum { STEP = 1 };
#endif

enum { SYNCED = 3, SINGLES = 6, GROUPED = 9 };

static size_t size_of(int64_t key)
{
    return (size_t)key * 13 % 50;
}

static const void *value_of(int64_t key)
{
    static unsigned char value[64];
    helper_fill(value, size_of(key), (uint64_t)key);
    return value;
}

/** A store as a crash leaves it, and where each key's record ends. */
struct crashed {
    struct fixture *fixture;
    char original[FILES_PATH_MAX];
    char log_path[FILES_PATH_MAX];
    uint64_t durable;
    uint64_t ends[GROUPED]; /**< where the log must reach for the key to be there: a group's end for grouped ones */
    uint64_t end;
};

/** Keys up to SYNCED are synced, then up to SINGLES put one by one, then up to GROUPED in one batch. */
static void make(struct fixture *fixture, struct crashed *out_crashed)
{
    struct alex_op ops[GROUPED - SINGLES];
    static unsigned char values[GROUPED][64];
    *out_crashed = (struct crashed){.fixture = fixture};
    struct store_tuning tuning = {.segment_shift = 16}; /* small files are copied sooner */
    ASSERT_OK(store_open_tuned(fixture->path, NULL, &tuning, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    struct log *log = store_log(fixture->store);
    for (int64_t key = 0; key < SINGLES; key++) {
        if (key == SYNCED) {
            ASSERT_OK(alex_sync(fixture->store));
            out_crashed->durable = log_end(log).offset;
        }
        ASSERT_OK(alex_put(fixture->main, key, value_of(key), size_of(key), NULL));
        out_crashed->ends[key] = log_end(log).offset;
    }
    for (int64_t key = SINGLES; key < GROUPED; key++) {
        memcpy(values[key], value_of(key), size_of(key));
        ops[key - SINGLES] = (struct alex_op){ALEX_OP_PUT, fixture->main, key, {values[key], size_of(key)}};
    }
    ASSERT_OK(alex_write(fixture->store, ops, GROUPED - SINGLES));
    for (int64_t key = SINGLES; key < GROUPED; key++) {
        out_crashed->ends[key] = log_end(log).offset;
    }
    out_crashed->end = log_end(log).offset;
    files_join(out_crashed->original, fixture->directory, "original");
    files_copy_directory(fixture->path, out_crashed->original);
    files_join(out_crashed->log_path, fixture->path, "0000000000000001.log");
    fixture_store_close(fixture);
}

static void restore(const struct crashed *crashed)
{
    files_remove(crashed->fixture->path);
    files_copy_directory(crashed->original, crashed->fixture->path);
}

/** Opens the store three times, with writes in between, and asserts that it holds the keys whose records end by
 *  `end`. A place below W is damage, and refused. */
static void assert_recovers(const struct crashed *crashed, uint64_t end)
{
    struct fixture *fixture = crashed->fixture;
    for (int64_t opened = 0; opened < 3; opened++) {
        struct alex_open_report report;
        fixture_store_open(fixture, NULL);
        alex_store_open_report(fixture->store, &report);
        if (opened > 0) {
            assert_true(report.clean);
            assert_int_equal(report.cut_bytes, 0);
        }
        for (int64_t key = 0; key < GROUPED; key++) {
            unsigned char value[64];
            size_t size;
            bool kept = crashed->ends[key] <= end;
            ASSERT_CODE(kept ? ALEX_OK : ALEX_NOT_FOUND, alex_get(fixture->main, key, value, sizeof value, &size));
            if (kept) {
                assert_int_equal(size, size_of(key));
                assert_true(helper_is_filled(value, size, (uint64_t)key));
            }
        }
        for (int64_t before = 0; before < opened; before++) {
            ASSERT_VALUE(fixture->main, 100 + before, "written since");
        }
        helper_check(fixture->store);
        helper_put(fixture->main, 100 + opened, "written since");
        helper_check(fixture->store);
        fixture_store_close(fixture);
    }
}

/* Cut to any length at or above W, the store keeps what lies before. */
static void test_cut_at_every_length(void **state)
{
    struct crashed crashed;
    make(*state, &crashed);
    for (uint64_t length = crashed.durable; length <= crashed.end + 8; length += STEP) {
        restore(&crashed);
        files_truncate(crashed.log_path, length);
        assert_recovers(&crashed, length);
    }
}

/* Cut to any length below W, the store is refused, and nothing is touched. */
static void test_cut_below_durable_end(void **state)
{
    struct crashed crashed;
    struct fixture *fixture = *state;
    make(fixture, &crashed);
    ASSERT_OK(alex_open(fixture->path, NULL, &fixture->store)); /* a clean close: W is the end */
    fixture_store_close(fixture);
    uint64_t end = files_size(crashed.log_path);
    files_remove(crashed.original);
    files_copy_directory(fixture->path, crashed.original);
    for (uint64_t length = 0; length < end; length += STEP) {
        struct alex_error error;
        restore(&crashed);
        files_truncate(crashed.log_path, length);
        helper_open_fails(fixture->path, ALEX_DAMAGED, &error);
        assert_string_equal(error.path, crashed.log_path);
        assert_int_equal(files_size(crashed.log_path), length);
    }
}

/* Any byte damaged at or above W cuts the log at the record it lies in; only padding may change unnoticed. */
static void test_damage_at_every_byte(void **state)
{
    struct crashed crashed;
    make(*state, &crashed);
    struct files_record *records;
    size_t count = files_list_records(crashed.original, &records);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t at = records[i].offset; at < records[i].value_offset + records[i].length; at += STEP) {
            if (records[i].offset < crashed.durable) {
                continue;
            }
            restore(&crashed);
            files_flip_bit(crashed.log_path, at, (unsigned)(at % 8));
            /* The mark itself is the only witness of W here: without it the end is wherever the reading ends. */
            assert_recovers(&crashed, records[i].offset);
        }
    }
    free(records);
}

static int setup(void **state)
{
    faults_prefer_memory();
    faults_install(); /* no test here needs a real sync */
    return fixture_directory(state);
}

static int teardown(void **state)
{
    int result = fixture_close(state);
    faults_remove();
    return result;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cut_at_every_length),
        TEST(test_cut_below_durable_end),
        TEST(test_damage_at_every_byte),
    };
    return cmocka_run_group_tests_name("log cut", tests, NULL, NULL);
}
