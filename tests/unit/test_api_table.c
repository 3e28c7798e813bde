/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_api_table.c
 * Tables: making, opening, listing and dropping them, their names, orders and handles.
 */
#include <stdio.h>

#include "support/store_helper.h"

/* Every store has the table "main", of signed keys, and gives one handle for it. */
static void test_main_table(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = NULL;

    assert_string_equal(alex_table_name(fixture->main), "main");
    assert_int_equal(alex_table_key_order(fixture->main), ALEX_KEYS_SIGNED);
    assert_ptr_equal(alex_main_table(fixture->store), fixture->main);
    ASSERT_OK(alex_table_open(fixture->store, "main", NULL, &table));
    assert_ptr_equal(table, fixture->main);
}

/* "main" can't be dropped. */
static void test_main_is_not_dropped(void **state)
{
    struct fixture *fixture = *state;

    helper_put(fixture->main, 1, "one");
    ASSERT_CODE(ALEX_INVALID, alex_table_drop(fixture->store, "main"));
    ASSERT_VALUE(fixture->main, 1, "one");
}

/* A table keeps its name and order, its handle is one, and its keys are its own. */
static void test_make_and_open(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "users", ALEX_KEYS_UNSIGNED);

    assert_string_equal(alex_table_name(table), "users");
    assert_int_equal(alex_table_key_order(table), ALEX_KEYS_UNSIGNED);
    assert_ptr_equal(helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT), table);
    assert_ptr_equal(helper_table(fixture->store, "users", ALEX_KEYS_UNSIGNED), table);
    helper_put(table, 1, "user");
    helper_put(fixture->main, 1, "main");
    ASSERT_VALUE(table, 1, "user");
    ASSERT_VALUE(fixture->main, 1, "main");

    fixture_reopen(fixture);
    table = helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT);
    assert_int_equal(alex_table_key_order(table), ALEX_KEYS_UNSIGNED);
    ASSERT_VALUE(table, 1, "user");
    ASSERT_VALUE(fixture->main, 1, "main");
}

/* A new table is signed by default. */
static void test_default_order(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = NULL;

    ASSERT_OK(alex_table_open(fixture->store, "plain", NULL, &table));
    assert_int_equal(alex_table_key_order(table), ALEX_KEYS_SIGNED);
}

/* A table that orders its keys otherwise than asked is refused. */
static void test_order_mismatch(void **state)
{
    struct fixture *fixture = *state;
    struct alex_table_options as_signed = {.key_order = ALEX_KEYS_SIGNED};
    struct alex_table_options as_unsigned = {.key_order = ALEX_KEYS_UNSIGNED};
    alex_table *table = NULL;

    helper_table(fixture->store, "signed", ALEX_KEYS_SIGNED);
    helper_table(fixture->store, "unsigned", ALEX_KEYS_UNSIGNED);
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "signed", &as_unsigned, &table));
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "unsigned", &as_signed, &table));
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "main", &as_unsigned, &table));
    assert_null(table);
    struct alex_error error;
    alex_store_error(fixture->store, &error);
    assert_int_equal(error.code, ALEX_INVALID);
    assert_string_not_equal(error.message, "");
}

/* The open modes hold for tables as for stores. */
static void test_modes(void **state)
{
    struct fixture *fixture = *state;
    struct alex_table_options must_exist = {.mode = ALEX_MUST_EXIST};
    struct alex_table_options must_be_new = {.mode = ALEX_MUST_BE_NEW};
    alex_table *table = NULL;
    alex_table *first = NULL;

    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "users", &must_exist, &table));
    assert_null(table);
    ASSERT_OK(alex_table_open(fixture->store, "users", &must_be_new, &first));
    ASSERT_CODE(ALEX_EXISTS, alex_table_open(fixture->store, "users", &must_be_new, &table));
    ASSERT_CODE(ALEX_EXISTS, alex_table_open(fixture->store, "main", &must_be_new, &table));
    assert_null(table);
    ASSERT_OK(alex_table_open(fixture->store, "users", &must_exist, &table));
    assert_ptr_equal(table, first);
}

/* Names and options that make no sense are ALEX_INVALID, too long a name is ALEX_TOO_LARGE, and neither makes a table.
 */
static void test_nonsense_arguments(void **state)
{
    struct fixture *fixture = *state;
    struct alex_table_options bad_mode = {.mode = (enum alex_open_mode)9};
    struct alex_table_options bad_order = {.key_order = (enum alex_key_order)9};
    char name[ALEX_TABLE_NAME_MAX + 2];
    alex_table *table = NULL;
    struct alex_store_stats stats;

    memset(name, 'n', sizeof name);
    name[ALEX_TABLE_NAME_MAX + 1] = '\0';
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, NULL, NULL, &table));
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "", NULL, &table));
    ASSERT_CODE(ALEX_TOO_LARGE, alex_table_open(fixture->store, name, NULL, &table));
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "users", &bad_mode, &table));
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "users", &bad_order, &table));
    ASSERT_CODE(ALEX_INVALID, alex_table_open(fixture->store, "users", NULL, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_table_open(NULL, "users", NULL, &table));
    ASSERT_CODE(ALEX_INVALID, alex_table_drop(fixture->store, NULL));
    assert_null(table);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.tables, 1);
}

/* A name may be up to 255 bytes long and hold any byte but zero; names that share a beginning are different tables. */
static void test_names(void **state)
{
    struct fixture *fixture = *state;
    char every_byte[ALEX_TABLE_NAME_MAX + 1];
    char longest[ALEX_TABLE_NAME_MAX + 1];

    for (int i = 0; i < ALEX_TABLE_NAME_MAX; i++) {
        every_byte[i] = (char)(unsigned char)(i + 1);
    }
    every_byte[ALEX_TABLE_NAME_MAX] = '\0';
    memset(longest, 'n', ALEX_TABLE_NAME_MAX);
    longest[ALEX_TABLE_NAME_MAX] = '\0';
    const char *names[] = {every_byte, longest, "n", "nn", "a/b", "..", " ", "Main"};
    enum { COUNT = sizeof names / sizeof names[0] };
    for (int64_t i = 0; i < COUNT; i++) {
        helper_put(helper_table(fixture->store, names[i], ALEX_KEYS_DEFAULT), i, names[i]);
    }
    fixture_reopen(fixture);
    for (int64_t i = 0; i < COUNT; i++) {
        struct alex_table_options must_exist = {.mode = ALEX_MUST_EXIST};
        alex_table *table = NULL;
        ASSERT_OK(alex_table_open(fixture->store, names[i], &must_exist, &table));
        assert_string_equal(alex_table_name(table), names[i]);
        ASSERT_VALUE(table, i, names[i]);
    }
}

/* The name is copied. */
static void test_name_is_copied(void **state)
{
    struct fixture *fixture = *state;
    char name[] = "users";
    alex_table *table = NULL;

    ASSERT_OK(alex_table_open(fixture->store, name, NULL, &table));
    name[0] = 'l';
    assert_string_equal(alex_table_name(table), "users");
    assert_ptr_equal(helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT), table);
}

struct listing {
    alex_store *store;
    char names[16][32];
    enum alex_key_order orders[16];
    uint64_t keys[16];
    int count;
    int stop_at;
};

static int note_table(void *context, const struct alex_table_info *info)
{
    struct listing *listing = context;
    snprintf(listing->names[listing->count], sizeof listing->names[0], "%s", info->name);
    listing->orders[listing->count] = info->key_order;
    listing->keys[listing->count] = info->keys;
    listing->count++;
    if (listing->store != NULL) {
        helper_table(listing->store, info->name, ALEX_KEYS_DEFAULT); /* a visit may open tables */
    }
    return listing->count == listing->stop_at ? 77 : 0;
}

/* A listing gives every table with its order and number of keys, by name in byte order; a visit may open them. */
static void test_list(void **state)
{
    struct fixture *fixture = *state;
    static const char *const expected[] = {"A", "a", "ab", "b", "main", "z", "\xC3\xA4"};
    struct listing listing = {.store = fixture->store};

    alex_table *table = helper_table(fixture->store, "b", ALEX_KEYS_UNSIGNED);
    for (int64_t key = 0; key < 12; key++) {
        helper_put(table, key, "x");
    }
    helper_table(fixture->store, "\xC3\xA4", ALEX_KEYS_DEFAULT);
    helper_table(fixture->store, "ab", ALEX_KEYS_DEFAULT);
    helper_table(fixture->store, "z", ALEX_KEYS_DEFAULT);
    helper_table(fixture->store, "a", ALEX_KEYS_DEFAULT);
    helper_table(fixture->store, "A", ALEX_KEYS_DEFAULT);
    for (int round = 0; round < 2; round++) {
        listing.count = 0;
        listing.store = fixture->store;
        ASSERT_OK(alex_table_list(fixture->store, note_table, &listing));
        assert_int_equal(listing.count, 7);
        for (int i = 0; i < 7; i++) {
            assert_string_equal(listing.names[i], expected[i]);
            assert_int_equal(listing.orders[i], i == 3 ? ALEX_KEYS_UNSIGNED : ALEX_KEYS_SIGNED);
            assert_int_equal(listing.keys[i], i == 3 ? 12 : 0);
        }
        fixture_reopen(fixture);
    }
}

/* What a visit returns to stop is what the listing returns. */
static void test_list_stops(void **state)
{
    struct fixture *fixture = *state;
    struct listing listing = {.stop_at = 2};

    helper_table(fixture->store, "a", ALEX_KEYS_DEFAULT);
    helper_table(fixture->store, "b", ALEX_KEYS_DEFAULT);
    assert_int_equal(alex_table_list(fixture->store, note_table, &listing), 77);
    assert_int_equal(listing.count, 2);
    ASSERT_CODE(ALEX_INVALID, alex_table_list(fixture->store, NULL, NULL));
}

/* A dropped table is gone with all its keys, also after reopening; its name can be taken again, by an empty table. */
static void test_drop(void **state)
{
    struct fixture *fixture = *state;
    struct alex_table_options must_exist = {.mode = ALEX_MUST_EXIST};
    alex_table *table = helper_table(fixture->store, "users", ALEX_KEYS_SIGNED);

    helper_put(table, 1, "one");
    ASSERT_OK(alex_table_drop(fixture->store, "users"));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "users", &must_exist, &table));
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_drop(fixture->store, "users"));
    fixture_reopen(fixture);
    ASSERT_CODE(ALEX_NOT_FOUND, alex_table_open(fixture->store, "users", &must_exist, &table));
    table = helper_table(fixture->store, "users", ALEX_KEYS_UNSIGNED);
    assert_int_equal(alex_table_key_order(table), ALEX_KEYS_UNSIGNED);
    ASSERT_VALUE(table, 1, NULL);
    helper_put(table, 2, "two");
    fixture_reopen(fixture);
    table = helper_table(fixture->store, "users", ALEX_KEYS_UNSIGNED);
    ASSERT_VALUE(table, 1, NULL);
    ASSERT_VALUE(table, 2, "two");
}

/* A table dropped and made again and again leaves nothing behind. */
static void test_drop_and_make(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats stats;

    for (int64_t round = 0; round < 40; round++) {
        alex_table *table = helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT);
        ASSERT_VALUE(table, round - 1, NULL);
        for (int64_t key = round; key < round + 100; key++) {
            helper_put(table, key, "x");
        }
        ASSERT_OK(alex_table_drop(fixture->store, "users"));
    }
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.tables, 1);
    assert_int_equal(stats.keys, 0);
    fixture_reopen(fixture);
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.tables, 1);
    assert_int_equal(stats.keys, 0);
}

/* A dropped table's bytes are counted as dead. */
static void test_drop_counts_as_dead(void **state)
{
    struct fixture *fixture = *state;
    struct alex_store_stats before;
    struct alex_store_stats after;
    alex_table *table = helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT);
    char value[1000] = {0};

    for (int64_t key = 0; key < 100; key++) {
        ASSERT_OK(alex_put(table, key, value, sizeof value, NULL));
    }
    ASSERT_OK(alex_store_stat(fixture->store, &before));
    ASSERT_OK(alex_table_drop(fixture->store, "users"));
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_true(before.live_bytes >= 100 * 1000);
    assert_true(after.live_bytes + 100 * 1000 <= before.live_bytes);
    assert_true(after.dead_bytes >= before.dead_bytes + 100 * 1000);
    assert_int_equal(after.keys, before.keys - 100);
    fixture_reopen(fixture);
    ASSERT_OK(alex_store_stat(fixture->store, &after));
    assert_true(after.live_bytes + 100 * 1000 <= before.live_bytes);
}

/* A read transaction goes on reading a table that was dropped after it began, and its pointers stay. */
static void test_drop_while_read(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "users", ALEX_KEYS_SIGNED);
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    struct alex_slice slice;
    uint64_t count = 0;

    for (int64_t key = 0; key < 1000; key++) {
        helper_put(table, key, "old");
    }
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_txn_get(txn, table, 7, &slice));
    ASSERT_OK(alex_cursor_open(txn, table, NULL, &cursor));
    ASSERT_OK(alex_cursor_first(cursor, &entry));
    ASSERT_OK(alex_table_drop(fixture->store, "users"));
    alex_table *again = helper_table(fixture->store, "users", ALEX_KEYS_SIGNED);
    assert_ptr_not_equal(again, table);
    helper_put(again, 7, "new");

    ASSERT_SLICE(slice, "old");
    ASSERT_TXN_VALUE(txn, table, 8, "old");
    ASSERT_TXN_VALUE(txn, again, 7, NULL);
    ASSERT_OK(alex_txn_count(txn, table, NULL, &count));
    assert_int_equal(count, 1000);
    for (int64_t key = 1; key < 1000; key++) {
        ASSERT_OK(alex_cursor_next(cursor, &entry));
        assert_int_equal(entry.key, key);
        ASSERT_SLICE(entry.value, "old");
    }
    alex_cursor_close(cursor);
    ASSERT_OK(alex_end(txn));
    ASSERT_VALUE(again, 7, "new");
}

/* While a load or a reservation is open, no table is made or dropped; existing ones are opened. */
static void test_busy(void **state)
{
    struct fixture *fixture = *state;
    alex_loader *loader = NULL;
    alex_table *table = NULL;
    alex_table *users = helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT);
    void *buffer = NULL;

    ASSERT_OK(alex_loader_open(fixture->main, &loader));
    ASSERT_CODE(ALEX_BUSY, alex_table_open(fixture->store, "new", NULL, &table));
    ASSERT_CODE(ALEX_BUSY, alex_table_drop(fixture->store, "users"));
    assert_ptr_equal(helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT), users);
    alex_loader_close(loader);
    ASSERT_OK(alex_put_reserve(fixture->main, 1, 1, &buffer));
    ASSERT_CODE(ALEX_BUSY, alex_table_open(fixture->store, "new", NULL, &table));
    ASSERT_CODE(ALEX_BUSY, alex_table_drop(fixture->store, "users"));
    assert_null(table);
    alex_put_cancel(fixture->main);
    ASSERT_OK(alex_table_drop(fixture->store, "users"));
}

/* The figures of a table agree with what is in it. */
static void test_stats(void **state)
{
    struct fixture *fixture = *state;
    struct alex_table_stats stats;

    ASSERT_OK(alex_table_stat(fixture->main, &stats));
    assert_int_equal(stats.keys, 0);
    assert_int_equal(stats.depth, 0);
    assert_int_equal(stats.live_bytes, 0);
    for (int64_t key = 0; key < 50000; key++) {
        helper_put(fixture->main, key * 3, "value");
    }
    ASSERT_OK(alex_table_stat(fixture->main, &stats));
    assert_int_equal(stats.keys, 50000);
    assert_int_equal(stats.live_bytes, 50000 * 40); /* 32 bytes of header, 5 of value, to a multiple of 8 */
    assert_true(stats.index_bytes >= 50000 * 16);
    assert_true(stats.data_nodes >= 1);
    assert_true(stats.depth >= 1 && stats.depth <= ALEX_INDEX_LEVELS_MAX);
    assert_int_equal(stats.nodes_at_level[0], 1);
    uint64_t nodes = 0;
    for (int level = 0; level < ALEX_INDEX_LEVELS_MAX; level++) {
        nodes += stats.nodes_at_level[level];
        assert_true((stats.nodes_at_level[level] > 0) == ((uint32_t)level < stats.depth));
    }
    assert_int_equal(nodes, stats.data_nodes + stats.inner_nodes);
    assert_true(stats.density > 0.1 && stats.density <= 1.0);
    assert_true(stats.model_error_slots >= 0);
    assert_true(stats.predicted_line_share > 0.5 && stats.predicted_line_share <= 1.0); /* such keys are learned */
    assert_true(stats.structure_changes > 0);
    ASSERT_CODE(ALEX_INVALID, alex_table_stat(fixture->main, NULL));
    ASSERT_CODE(ALEX_INVALID, alex_table_stat(NULL, &stats));
}

/* A table's live bytes are those of its keys' current records, through overwrites, deletes, batches, loads and
 * reopening. */
static void test_live_bytes(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT);
    struct alex_table_stats stats;
    alex_loader *loader = NULL;
    void *buffer = NULL;

    for (int round = 0; round < 3; round++) {
        for (int64_t key = 0; key < 100; key++) {
            helper_put(table, key, "a value"); /* 40 bytes for the first round, 48 with a previous address */
        }
    }
    ASSERT_OK(alex_table_stat(table, &stats));
    assert_int_equal(stats.live_bytes, 100 * 48);
    for (int64_t key = 0; key < 30; key++) {
        ASSERT_OK(alex_delete(table, key));
    }
    struct alex_op ops[] = {{ALEX_OP_DELETE, table, 30, {NULL, 0}},
                            {ALEX_OP_DELETE, table, 31, {NULL, 0}},
                            {ALEX_OP_PUT, table, 31, {"again", 5}},
                            {ALEX_OP_PUT, table, 31, {NULL, 0}}};
    ASSERT_OK(alex_write(fixture->store, ops, 4)); /* 68 keys of 48 bytes, and one of 40 */
    ASSERT_OK(alex_loader_open(table, &loader));
    ASSERT_OK(alex_loader_add(loader, 99, "a longer value", 14)); /* 56 */
    ASSERT_OK(alex_loader_add(loader, 1000, NULL, 0));            /* 32 */
    ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    alex_loader_close(loader);
    ASSERT_OK(alex_put_reserve(table, 98, 1, &buffer)); /* 48 */
    *(char *)buffer = 'x';
    ASSERT_OK(alex_put_commit(table, NULL));
    for (int round = 0; round < 2; round++) {
        ASSERT_OK(alex_table_stat(table, &stats));
        assert_int_equal(stats.keys, 70);
        assert_int_equal(stats.live_bytes, 66 * 48 + 40 + 56 + 32 + 48);
        fixture_reopen(fixture);
        table = helper_table(fixture->store, "users", ALEX_KEYS_DEFAULT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_main_table),
        TEST_WITH_STORE(test_main_is_not_dropped),
        TEST_WITH_STORE(test_make_and_open),
        TEST_WITH_STORE(test_default_order),
        TEST_WITH_STORE(test_order_mismatch),
        TEST_WITH_STORE(test_modes),
        TEST_WITH_STORE(test_nonsense_arguments),
        TEST_WITH_STORE(test_names),
        TEST_WITH_STORE(test_name_is_copied),
        TEST_WITH_STORE(test_list),
        TEST_WITH_STORE(test_list_stops),
        TEST_WITH_STORE(test_drop),
        TEST_WITH_STORE(test_drop_and_make),
        TEST_WITH_STORE(test_drop_counts_as_dead),
        TEST_WITH_STORE(test_drop_while_read),
        TEST_WITH_STORE(test_busy),
        TEST_WITH_STORE(test_stats),
        TEST_WITH_STORE(test_live_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
