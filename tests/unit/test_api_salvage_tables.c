/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_salvage_tables.c
 * What a salvage makes of tables whose own records are lost, or forged: docs/FORMAT.md, "Salvage", "Tables".
 */
#include "base/bytes.h"
#include "support/told.h"

/* A table whose name is lost keeps its records under one that no table has; so does one whose name is given anew, as
 * its DROP is lost or its RENAME. */
static void test_tables(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record made;
    struct files_record dropped;
    fixture_store_open(fixture, NULL);
    alex_table *table = helper_table(fixture->store, "nameless", ALEX_KEYS_UNSIGNED); /* id 2 */
    helper_put(table, 7, "seven");
    helper_put(helper_table(fixture->store, "lost-2", ALEX_KEYS_SIGNED), 8, "eight"); /* id 3 */
    helper_put(helper_table(fixture->store, "again", ALEX_KEYS_SIGNED), 9, "old");    /* id 4 */
    ASSERT_OK(alex_table_drop(fixture->store, "again"));
    helper_put(helper_table(fixture->store, "again", ALEX_KEYS_SIGNED), 10, "new"); /* id 5 */
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_TABLE, 2, ALEX_KEYS_UNSIGNED, &made);
    files_find_record(fixture->path, FILES_DROP, 4, 0, &dropped);
    files_flip_bit(made.path, made.value_offset, 1);
    files_flip_bit(dropped.path, dropped.offset + 2, 1);
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 4);
    told_assert(&told, 0, ALEX_FINDING_RECORDS, made.path, made.offset, files_record_bytes(&made));
    told_assert(&told, 1, ALEX_FINDING_RECORDS, dropped.path, dropped.offset, files_record_bytes(&dropped));
    assert_int_equal(told.items[2].kind, ALEX_FINDING_TABLE);
    assert_non_null(strstr(told.items[2].message, "\"lost-4\""));
    assert_int_equal(told.items[3].kind, ALEX_FINDING_TABLE);
    assert_int_equal(told.items[3].offset, made.end + 64); /* behind its COMMIT */
    assert_non_null(strstr(told.items[3].message, "\"lost-2+2\""));
    assert_int_equal(told.report.tables, 5);
    ASSERT_VALUE(helper_table(fixture->store, "lost-4", ALEX_KEYS_SIGNED), 9, "old");
    ASSERT_VALUE(helper_table(fixture->store, "lost-2+2", ALEX_KEYS_SIGNED), 7, "seven");
    ASSERT_VALUE(helper_table(fixture->store, "lost-2", ALEX_KEYS_SIGNED), 8, "eight");
    table = helper_table(fixture->store, "again", ALEX_KEYS_SIGNED);
    ASSERT_VALUE(table, 9, NULL);
    ASSERT_VALUE(table, 10, "new");
}

/* A table whose TABLE is lost has the name that a RENAME gave it; one whose RENAME is lost has the name that it had
 * before, unless another table has got that. */
static void test_renamed_tables(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record lost[4];
    fixture_store_open(fixture, NULL);
    helper_put(helper_table(fixture->store, "a", ALEX_KEYS_UNSIGNED), 2, "two"); /* id 2 */
    ASSERT_OK(alex_table_rename(fixture->store, "a", "b"));
    helper_put(helper_table(fixture->store, "c", ALEX_KEYS_SIGNED), 3, "three"); /* id 3 */
    ASSERT_OK(alex_table_rename(fixture->store, "c", "d"));
    helper_put(helper_table(fixture->store, "e", ALEX_KEYS_UNSIGNED), 4, "four"); /* id 4 */
    ASSERT_OK(alex_table_rename(fixture->store, "e", "f"));
    helper_put(helper_table(fixture->store, "g", ALEX_KEYS_SIGNED), 5, "five"); /* id 5 */
    ASSERT_OK(alex_table_rename(fixture->store, "g", "h"));
    helper_put(helper_table(fixture->store, "e", ALEX_KEYS_SIGNED), 6, "six");   /* id 6 */
    helper_put(helper_table(fixture->store, "i", ALEX_KEYS_SIGNED), 7, "seven"); /* id 7 */
    ASSERT_OK(alex_table_rename(fixture->store, "i", "g"));
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_TABLE, 2, ALEX_KEYS_UNSIGNED, &lost[0]);
    for (uint32_t i = 1; i < 4; i++) {
        files_find_record(fixture->path, FILES_RENAME, 2 + i, 0, &lost[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        files_flip_bit(lost[i].path, lost[i].offset + 2, 1);
    }
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 7);
    static const char *const texts[] = {"as signed ones of \"b\"", "as unsigned ones of \"lost-4\"",
                                        "as signed ones of \"lost-5\""};
    for (size_t k = 0; k < 3; k++) {
        size_t found = 0;
        for (size_t i = 4; i < 7; i++) {
            assert_int_equal(told.items[i].kind, ALEX_FINDING_TABLE);
            found += strstr(told.items[i].message, texts[k]) != NULL;
        }
        assert_int_equal(found, 1);
    }
    assert_int_equal(told.report.tables, 7);
    ASSERT_VALUE(helper_table(fixture->store, "b", ALEX_KEYS_SIGNED), 2, "two");
    ASSERT_VALUE(helper_table(fixture->store, "c", ALEX_KEYS_SIGNED), 3, "three");
    ASSERT_VALUE(helper_table(fixture->store, "lost-4", ALEX_KEYS_UNSIGNED), 4, "four");
    ASSERT_VALUE(helper_table(fixture->store, "lost-5", ALEX_KEYS_SIGNED), 5, "five");
    ASSERT_VALUE(helper_table(fixture->store, "e", ALEX_KEYS_SIGNED), 6, "six");
    ASSERT_VALUE(helper_table(fixture->store, "g", ALEX_KEYS_SIGNED), 7, "seven");
}

/* A TABLE whose COMMIT is lost counts if there is a good record of its table, and else does not. */
static void test_uncovered_tables(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record made[3];
    fixture_store_open(fixture, NULL);
    helper_put(helper_table(fixture->store, "a", ALEX_KEYS_UNSIGNED), 2, "two"); /* id 2 */
    (void)helper_table(fixture->store, "b", ALEX_KEYS_UNSIGNED);                 /* id 3 */
    (void)helper_table(fixture->store, "c", ALEX_KEYS_UNSIGNED);                 /* id 4 */
    ASSERT_OK(alex_table_rename(fixture->store, "c", "d"));
    fixture_store_close(fixture);
    for (uint32_t i = 0; i < 3; i++) {
        files_find_record(fixture->path, FILES_TABLE, 2 + i, ALEX_KEYS_UNSIGNED, &made[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        files_flip_bit(made[i].path, made[i].end + 2, 1); /* the COMMIT behind it */
    }
    told_salvage(fixture, &told);
    assert_int_equal(told.count, 6); /* each COMMIT, and what it left uncovered */
    assert_int_equal(told.report.tables, 3);
    ASSERT_VALUE(helper_table(fixture->store, "a", ALEX_KEYS_UNSIGNED), 2, "two");
    const struct alex_table_options existing = {ALEX_MUST_EXIST, ALEX_KEYS_UNSIGNED};
    alex_table *table;
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "b", &existing, &table));
    ASSERT_OK(alex_table_open(fixture->store, "d", &existing, &table));
}

/* Of a table whose name is lost and that was dropped or emptied nothing is left, and one whose DROP is lost is back. */
static void test_dropped_tables(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record made;
    struct files_record dropped;
    struct files_record cleared;
    fixture_store_open(fixture, NULL);
    helper_put(helper_table(fixture->store, "a", ALEX_KEYS_SIGNED), 1, "one"); /* id 2 */
    ASSERT_OK(alex_table_drop(fixture->store, "a"));
    helper_put(helper_table(fixture->store, "b", ALEX_KEYS_SIGNED), 2, "two"); /* id 3 */
    ASSERT_OK(alex_table_drop(fixture->store, "b"));
    alex_table *emptied = helper_table(fixture->store, "c", ALEX_KEYS_SIGNED); /* id 4 */
    helper_put(emptied, 3, "three");
    ASSERT_OK(alex_delete(emptied, 3));
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_TABLE, 2, ALEX_KEYS_SIGNED, &made);
    files_find_record(fixture->path, FILES_DROP, 3, 0, &dropped);
    files_find_record(fixture->path, FILES_TABLE, 4, ALEX_KEYS_SIGNED, &cleared);
    files_flip_bit(made.path, made.offset + 12, 1);
    files_flip_bit(dropped.path, dropped.offset + 12, 1);
    files_flip_bit(cleared.path, cleared.offset + 12, 1);
    told_salvage(fixture, &told);
    assert_int_equal(told.report.tables, 2);
    ASSERT_VALUE(helper_table(fixture->store, "b", ALEX_KEYS_SIGNED), 2, "two");
}

/** Has the COMMIT behind a changed record agree with it again, which is the only one of its group. */
static void recommit(const struct files_record *record)
{
    unsigned char value[32];
    unsigned char checksum[4];
    uint64_t commit = record->end;
    files_read_at(record->path, record->offset, checksum, sizeof checksum);
    files_read_at(record->path, commit + 32, value, sizeof value);
    bytes_store32(value + 24, files_crc32c(0, checksum, sizeof checksum));
    bytes_store32(checksum, files_crc32c(0, value, sizeof value));
    files_patch(record->path, commit + 32, value, sizeof value);
    files_patch(record->path, commit + 4, checksum, sizeof checksum);
    files_reseal_record(record->path, commit);
}

/* What no writer leaves behind has no effect, though its checksums hold: a table with the id of another, one named as
 * the main table, one without a name, and the main table dropped. */
static void test_impossible_tables(void **state)
{
    struct fixture *fixture = *state;
    struct told told;
    struct files_record made;
    struct files_record dropped;
    static const char *const forged[] = {"main", "\0ain"};
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    (void)helper_table(fixture->store, "mail", ALEX_KEYS_SIGNED); /* id 2 */
    ASSERT_OK(alex_table_drop(fixture->store, "mail"));
    fixture_store_close(fixture);
    files_find_record(fixture->path, FILES_TABLE, 2, ALEX_KEYS_SIGNED, &made);
    files_find_record(fixture->path, FILES_DROP, 2, 0, &dropped);
    for (size_t i = 0; i < 3; i++) {
        unsigned char table = 1;
        if (i < 2) {
            unsigned char bytes[4];
            bytes_store32(bytes, files_crc32c(0, forged[i], 4));
            files_patch(made.path, made.value_offset, forged[i], 4);
            files_patch(made.path, made.offset + 4, bytes, sizeof bytes);
        } else {
            files_patch(made.path, made.offset + 12, &table, 1);
        }
        files_patch(made.path, dropped.offset + 12, &table, 1);
        files_reseal_record(made.path, made.offset);
        files_reseal_record(made.path, dropped.offset);
        recommit(&made);
        recommit(&dropped);
        told_salvage(fixture, &told);
        assert_int_equal(told.count, 0);
        assert_int_equal(told.report.tables, 1);
        ASSERT_VALUE(fixture->main, 1, "one");
        fixture_store_close(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_tables),
        TEST_WITH_DIRECTORY(test_renamed_tables),
        TEST_WITH_DIRECTORY(test_uncovered_tables),
        TEST_WITH_DIRECTORY(test_dropped_tables),
        TEST_WITH_DIRECTORY(test_impossible_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
