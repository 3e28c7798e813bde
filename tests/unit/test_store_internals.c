/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_store_internals.c
 * Parts of the store that the public API shows only in passing: sorting, the catalog, ended handles, the accounts.
 */
#include <errno.h>
#include <stdio.h>

#include "store/store_internal.h"
#include "support/store_helper.h"

/* ------------------------------------------------------------------------------------------------ sorting */

static int compare_entries(const void *a, const void *b)
{
    const struct index_entry *first = a;
    const struct index_entry *second = b;
    if (first->key != second->key) {
        return first->key < second->key ? -1 : 1;
    }
    return (first->payload > second->payload) - (first->payload < second->payload);
}

/** Sorts `count` keys that `shape` makes from random numbers, and compares with the system's sort. Payloads ascend,
 *  so that an unstable sort is seen. */
static void assert_sorts(size_t count, uint64_t mask, bool descending, struct helper_random *random)
{
    struct index_entry *entries = malloc((count + 1) * sizeof *entries);
    struct index_entry *expected = malloc((count + 1) * sizeof *entries);
    struct index_entry *scratch = malloc((count + 1) * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        uint64_t key = descending ? (uint64_t)(count - i) << 20 : helper_random_next(random) & mask;
        entries[i] = (struct index_entry){key, i};
    }
    memcpy(expected, entries, count * sizeof *entries);
    qsort(expected, count, sizeof *expected, compare_entries);
    sort_entries(entries, count, scratch);
    assert_memory_equal(entries, expected, count * sizeof *entries);
    sort_entries(entries, count, scratch); /* sorted already */
    assert_memory_equal(entries, expected, count * sizeof *entries);
    free(entries);
    free(expected);
    free(scratch);
}

/* Entries of any number are sorted by key, and equal keys stay in their order. */
static void test_sort(void **state)
{
    (void)state;
    static const uint64_t masks[] = {0,         1, 0xFF, 0xFF00, 0xFFFFFFFF, 0xFF00000000000000, 0xC0000000000000FF,
                                     UINT64_MAX};
    struct helper_random random = {1};
    for (size_t count = 0; count <= 130; count++) {
        for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++) {
            assert_sorts(count, masks[m], false, &random);
        }
        assert_sorts(count, 0, true, &random);
    }
    assert_sorts(100000, UINT64_MAX, false, &random);
    assert_sorts(100000, 0x0000FFFF00FF0000, false, &random);
    assert_sorts(100000, 0xC000000000FFFF0F, false, &random); /* upper digits tell few keys apart */
    assert_sorts(100000, 0xFFFFF0000000000F, false, &random); /* and here many, but not all */
}

/* ------------------------------------------------------------------------------------------------ the catalog */

/* Tables are found by name and by id however many there are and whichever are dropped. */
static void test_catalog(void **state)
{
    struct fixture *fixture = *state;
    enum { TABLES = 600 };
    const struct catalog *catalog = &fixture->store->catalog;
    char name[32];
    for (int i = 0; i < TABLES; i++) {
        (void)snprintf(name, sizeof name, "table %d", i);
        (void)helper_table(fixture->store, name, i % 2 == 0 ? ALEX_KEYS_SIGNED : ALEX_KEYS_UNSIGNED);
        assert_true(catalog->bucket_count >= catalog->count);
    }
    assert_int_equal(catalog->count, TABLES + 1);
    for (int i = 0; i < TABLES; i += 3) {
        (void)snprintf(name, sizeof name, "table %d", i);
        ASSERT_OK(alex_table_drop(fixture->store, name));
    }
    for (int reopened = 0; reopened < 2; reopened++) {
        catalog = &fixture->store->catalog;
        for (int i = 0; i < TABLES; i++) {
            (void)snprintf(name, sizeof name, "table %d", i);
            const struct alex_table *table = catalog_find_name(catalog, name);
            assert_int_equal(table == NULL, i % 3 == 0);
            if (table != NULL) {
                assert_string_equal(table->name, name);
                assert_ptr_equal(catalog_find_id(catalog, table->id), table);
                assert_int_equal(table->order, i % 2 == 0 ? ALEX_KEYS_SIGNED : ALEX_KEYS_UNSIGNED);
            }
        }
        assert_null(catalog_find_name(catalog, "table"));
        assert_null(catalog_find_id(catalog, UINT32_MAX));
        fixture_reopen(fixture);
    }
}

/* A catalog without tables finds nothing. */
static void test_empty_catalog(void **state)
{
    (void)state;
    struct catalog catalog = {0};
    assert_null(catalog_find_name(&catalog, "main"));
    assert_null(catalog_find_id(&catalog, 1));
}

/* ------------------------------------------------------------------------------------------------ handles */

/* Debug builds recognise a handle that has ended, or is of another kind; all builds recognise NULL. */
static void test_handles(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(handle_check(NULL, HANDLE_STORE), ALEX_INVALID);
    ASSERT_OK(handle_check(&fixture->store->handle, HANDLE_STORE));
#ifdef ALEX_DEBUG
    assert_int_equal(handle_check(&fixture->store->handle, HANDLE_TABLE), ALEX_MISUSE);
    alex_txn *txn = helper_begin(fixture->store);
    ASSERT_OK(alex_end(txn));
    assert_int_equal(txn->handle.kind, HANDLE_ENDED);
    assert_int_equal(alex_end(txn), ALEX_MISUSE);
    alex_store *store = fixture->store;
    fixture_store_close(fixture);
    assert_int_equal(alex_close(store), ALEX_MISUSE);
    fixture_store_open(fixture, NULL);
    assert_ptr_not_equal(fixture->store, store); /* its memory is not used again */
#endif
    handle_end(NULL);
}

/* ------------------------------------------------------------------------------------------------ the accounts */

/** A count from scratch of what the accounts should say. */
struct recount {
    struct log *log;
    uint64_t live_bytes; /**< of one table */
    uint64_t keys;
    uint64_t total_bytes;
};

static int recount_table(void *context, const struct store_table_view *table)
{
    struct recount *recount = context;
    struct index_entry entry;
    recount->live_bytes = 0;
    recount->keys = 0;
    for (uint64_t from = 0; index_scan(table->index, from, INDEX_ASCENDING, &entry, 1) == 1; from = entry.key + 1) {
        struct record record;
        assert_int_equal(log_fetch_header(recount->log, entry.payload, &record), RECORD_GOOD);
        if (record.kind == RECORD_PUT) {
            recount->live_bytes += record.bytes;
            recount->keys++;
        }
        if (entry.key == UINT64_MAX) {
            break;
        }
    }
    recount->total_bytes += recount->live_bytes;
    assert_int_equal(table->keys, recount->keys);
    return 0;
}

/** Asserts invariant S5: live bytes are those of the index entries' records and of the tables' own. */
static void assert_accounts(alex_store *store)
{
    struct recount recount = {.log = store->log};
    struct alex_store_stats stats;
    uint64_t keys = 0;
    for (size_t i = 0; i < store->catalog.bucket_count; i++) {
        for (struct alex_table *table = store->catalog.by_id[i]; table != NULL; table = table->next_by_id) {
            struct store_table_view view = {table->name, table->id, table->key_flip, table->keys, table->index};
            (void)recount_table(&recount, &view);
            assert_int_equal(table->live_bytes, recount.live_bytes);
            keys += recount.keys;
            recount.total_bytes += table->ref != 0 ? log_record_bytes(store->log, table->ref) : 0;
            recount.total_bytes += table->name_ref != 0 ? log_record_bytes(store->log, table->name_ref) : 0;
        }
    }
    ASSERT_OK(alex_store_stat(store, &stats));
    assert_int_equal(stats.live_bytes, recount.total_bytes);
    assert_int_equal(stats.keys, keys);
    assert_int_equal(stats.live_bytes + stats.dead_bytes, stats.log_bytes);
}

static void random_batch(alex_store *store, alex_table *table, struct helper_random *random)
{
    struct alex_op ops[40];
    static const char value[300];
    for (size_t i = 0; i < 40; i++) {
        ops[i] = (struct alex_op){helper_random_below(random, 3) == 0 ? ALEX_OP_DELETE : ALEX_OP_PUT,
                                  i % 2 == 0 ? table : alex_main_table(store),
                                  (int64_t)helper_random_below(random, 100),
                                  {value, helper_random_below(random, sizeof value)}};
    }
    ASSERT_OK(alex_write(store, ops, 40));
}

static void random_load(alex_table *table, struct helper_random *random, bool commit)
{
    alex_loader *loader;
    ASSERT_OK(alex_loader_open(table, &loader));
    for (int i = 0; i < 200; i++) {
        ASSERT_OK(alex_loader_add(loader, (int64_t)helper_random_below(random, 100), "loaded", 6));
    }
    if (commit) {
        ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
    }
    alex_loader_close(loader);
}

/* After any operations the accounts of live and dead bytes are what a count from scratch gives, and after reopening
 * as well. */
static void test_accounts(void **state)
{
    struct fixture *fixture = *state;
    struct helper_random random = {7};
    alex_txn *txn = NULL;
    size_t large_size = (size_t)3 << 20; /* more than a reference's size field holds */
    void *large = calloc(1, large_size);
    for (int round = 0; round < 300; round++) {
        static const char value[500];
        alex_table *table = helper_table(fixture->store, "second", ALEX_KEYS_UNSIGNED);
        int64_t key = (int64_t)helper_random_below(&random, 100);
        switch (helper_random_below(&random, 12)) {
        case 0:
            random_batch(fixture->store, table, &random);
            break;
        case 1:
            random_load(table, &random, round % 2 == 0);
            break;
        case 2:
            ASSERT_OK(alex_end(txn));
            txn = helper_begin(fixture->store);
            break;
        case 3:
            if (round % 5 == 0) {
                ASSERT_OK(alex_table_drop(fixture->store, "second"));
            }
            break;
        case 4:
        case 5:
            (void)alex_delete(fixture->main, key);
            break;
        case 6:
            if (round % 10 == 0) {
                ASSERT_OK(alex_put(fixture->main, key, large, large_size, NULL));
            }
            break;
        default:
            ASSERT_OK(alex_put(round % 2 == 0 ? fixture->main : table, key, value,
                               helper_random_below(&random, sizeof value), NULL));
        }
        assert_accounts(fixture->store);
        if (round % 60 == 59) {
            ASSERT_OK(alex_end(txn));
            txn = NULL;
            fixture_reopen(fixture);
            assert_accounts(fixture->store);
        }
    }
    ASSERT_OK(alex_end(txn));
    free(large);
}

/* Numbers are never used twice: not by an aborted load, nor after reopening. */
static void test_numbers_ascend(void **state)
{
    struct fixture *fixture = *state;
    uint64_t last = log_last_number(fixture->store->log);
    for (int round = 0; round < 5; round++) {
        struct helper_random random = {(uint64_t)round};
        random_load(fixture->main, &random, false);
        assert_true(log_last_number(fixture->store->log) > last + 60);
        last = log_last_number(fixture->store->log);
        fixture_reopen(fixture);
        assert_true(log_last_number(fixture->store->log) >= last);
        last = log_last_number(fixture->store->log);
    }
}

/* ------------------------------------------------------------------------------------------------ durability */

static struct os_calls real_calls;
static char synced_path[FILES_PATH_MAX]; /* of the directory opened last */
static char parent_path[FILES_PATH_MAX];
static bool parent_synced;

static int noting_open(const char *path, int flags, mode_t mode)
{
    (void)snprintf(synced_path, sizeof synced_path, "%s", path);
    return real_calls.open(path, flags, mode);
}

static int refusing_open(const char *path, int flags, mode_t mode)
{
    if (strcmp(path, parent_path) == 0) {
        errno = EACCES;
        return -1;
    }
    return real_calls.open(path, flags, mode);
}

static int noting_fsync(int fd)
{
    parent_synced |= strcmp(synced_path, parent_path) == 0;
    return real_calls.fsync(fd);
}

/* The directory of a new store is durable in its parent: what is synced in it can't vanish with its name. */
static void test_new_directory_is_durable(void **state)
{
    struct fixture *fixture = *state;
    real_calls = os_calls;
    assert_non_null(realpath(fixture->directory, parent_path));
    os_calls.open = noting_open;
    os_calls.fsync = noting_fsync;
    int code = alex_open(fixture->path, NULL, &fixture->store);
    os_calls = real_calls;
    ASSERT_OK(code);
    assert_true(parent_synced);
}

/* A parent that may be written in and not read can't be synced, and the store is made all the same. */
static void test_parent_that_is_not_read(void **state)
{
    struct fixture *fixture = *state;
    real_calls = os_calls;
    assert_non_null(realpath(fixture->directory, parent_path));
    os_calls.open = refusing_open;
    int code = alex_open(fixture->path, NULL, &fixture->store);
    os_calls = real_calls;
    ASSERT_OK(code);
}

#if defined(__x86_64__) && !defined(ALEX_PORTABLE)
/* On a processor without the instruction for checksums a store of any other is read and written. */
static void test_without_the_instruction(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "before");
    fixture_store_close(fixture);
    bool hardware = base_crc32c_hardware;
    base_crc32c_hardware = false;
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "before");
    helper_put(fixture->main, 2, "meanwhile");
    ASSERT_VALUE(fixture->main, 2, "meanwhile");
    fixture_store_close(fixture);
    base_crc32c_hardware = hardware;
    fixture_store_open(fixture, NULL);
    ASSERT_VALUE(fixture->main, 1, "before");
    ASSERT_VALUE(fixture->main, 2, "meanwhile");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort),
        TEST_WITH_STORE(test_catalog),
        cmocka_unit_test(test_empty_catalog),
        TEST_WITH_STORE(test_handles),
        TEST_WITH_STORE(test_accounts),
        TEST_WITH_STORE(test_numbers_ascend),
        TEST_WITH_DIRECTORY(test_new_directory_is_durable),
        TEST_WITH_DIRECTORY(test_parent_that_is_not_read),
#if defined(__x86_64__) && !defined(ALEX_PORTABLE)
        TEST_WITH_STORE(test_without_the_instruction),
#endif
    };
    return cmocka_run_group_tests_name("store internals", tests, NULL, NULL);
}
