/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_mvcc_snapshots.c
 * Open snapshots, and the way from a key's newest record to the one that a snapshot sees.
 */
#include <stdio.h>

#include "store/store_internal.h"
#include "support/store_helper.h"

enum { SNAPSHOTS = 5 };

static void assert_oldest(const struct mvcc *mvcc, const struct mvcc_snapshot *snapshots, const bool *open)
{
    uint64_t oldest = mvcc_published(mvcc);
    uint64_t expected = 0;
    for (size_t i = SNAPSHOTS; i-- > 0;) {
        oldest = open[i] ? snapshots[i].number : oldest;
        expected += open[i];
    }
    struct mvcc_open_snapshots found;
    mvcc_look(mvcc, &found);
    assert_int_equal(found.oldest, oldest);
    assert_int_equal(found.count, expected);
    assert_int_equal(found.oldest_thread, expected > 0 ? os_thread_id() : 0);
}

/** mvcc_walk_to_value() without shortcuts. @param out_ref  where it ended */
static enum mvcc_state visible(const struct log *log, uint64_t number, uint32_t table, uint64_t key, uint64_t ref,
                               struct log_value *out_value, uint64_t *out_ref)
{
    struct mvcc_walk walk = {.log = log, .view = {number, NULL}, .table = table, .key = key, .ref = ref};
    enum mvcc_state state = mvcc_walk_to_value(&walk, out_value);
    *out_ref = walk.ref;
    return state;
}

/* Snapshots may end in any order: the oldest is always known, and none is lost. */
static void test_every_order(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 120; order++) {
        struct mvcc mvcc = {0};
        struct mvcc_snapshot snapshots[SNAPSHOTS];
        bool open[SNAPSHOTS] = {false};
        ASSERT_OK(mvcc_init(&mvcc));
        assert_oldest(&mvcc, snapshots, open);
        for (size_t i = 0; i < SNAPSHOTS; i++) {
            mvcc_publish(&mvcc, 10 * (i + 1));
            ASSERT_OK(mvcc_open(&mvcc, &snapshots[i]));
            open[i] = true;
            assert_int_equal(snapshots[i].number, 10 * (i + 1));
            assert_oldest(&mvcc, snapshots, open);
        }
        unsigned left = order; /* a permutation by its factorial digits */
        for (size_t remaining = SNAPSHOTS; remaining > 0; remaining--) {
            size_t skip = left % remaining;
            left /= (unsigned)remaining;
            size_t at = 0;
            while (!open[at] || skip-- > 0) {
                at++;
            }
            mvcc_close(&snapshots[at]);
            open[at] = false;
            assert_oldest(&mvcc, snapshots, open);
        }
        mvcc_release(&mvcc);
    }
}

/* More snapshots than a block of slots holds are open at a time, each with what it sees; renewed they see what is
 * published then. */
static void test_many_and_renewed(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static struct mvcc_snapshot snapshots[MANY];
    struct mvcc mvcc = {0};
    ASSERT_OK(mvcc_init(&mvcc));
    struct mvcc_open_snapshots found;
    for (uint64_t i = 0; i < MANY; i++) {
        mvcc_publish(&mvcc, i + 7);
        ASSERT_OK(mvcc_open(&mvcc, &snapshots[i]));
        mvcc_look(&mvcc, &found);
        assert_int_equal(found.oldest, 7);
        assert_int_equal(found.count, i + 1);
    }
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(snapshots[i].number, i + 7);
        mvcc_renew(&mvcc, &snapshots[i]);
        assert_int_equal(snapshots[i].number, MANY + 6);
        assert_int_equal(mvcc_oldest(&mvcc), i + 1 < MANY ? i + 8 : MANY + 6);
    }
    for (uint64_t i = 0; i < MANY; i++) {
        mvcc_close(&snapshots[i]);
    }
    mvcc_look(&mvcc, &found);
    assert_int_equal(found.oldest, MANY + 6);
    assert_int_equal(found.count, 0);
    mvcc_release(&mvcc);
}

static void assert_newest_below(const struct mvcc *mvcc, uint64_t number, enum mvcc_below found, uint64_t expected)
{
    uint64_t newest = 0;
    assert_int_equal(mvcc_newest_below(mvcc, number, &newest), found);
    assert_true(found != MVCC_BELOW_OPEN || newest == expected);
}

/* The newest open snapshot below a number is found, whether it has a slot before those of older ones or behind them. */
static void test_newest_below(void **state)
{
    (void)state;
    struct mvcc mvcc = {0};
    struct mvcc_snapshot first;
    struct mvcc_snapshot second;
    ASSERT_OK(mvcc_init(&mvcc));
    mvcc_publish(&mvcc, 10);
    ASSERT_OK(mvcc_open(&mvcc, &first));
    mvcc_publish(&mvcc, 20);
    ASSERT_OK(mvcc_open(&mvcc, &second));
    mvcc_publish(&mvcc, 40);
    assert_newest_below(&mvcc, 10, MVCC_BELOW_NONE, 0);
    assert_newest_below(&mvcc, 20, MVCC_BELOW_OPEN, 10);
    assert_newest_below(&mvcc, 40, MVCC_BELOW_OPEN, 20);
    mvcc_renew(&mvcc, &first);
    mvcc_publish(&mvcc, 60);
    assert_newest_below(&mvcc, 20, MVCC_BELOW_NONE, 0);
    assert_newest_below(&mvcc, 40, MVCC_BELOW_OPEN, 20);
    assert_newest_below(&mvcc, 60, MVCC_BELOW_OPEN, 40);
    mvcc_close(&first);
    mvcc_close(&second);
    mvcc_release(&mvcc);
}

/* It can't be told while a snapshot settles, whichever slot that has, or before the number is published. */
static void test_newest_below_unknown(void **state)
{
    (void)state;
    struct mvcc mvcc = {0};
    struct mvcc_snapshot snapshots[2];
    ASSERT_OK(mvcc_init(&mvcc));
    mvcc_publish(&mvcc, 10);
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(mvcc_open(&mvcc, &snapshots[i]));
    }
    mvcc_publish(&mvcc, 40);
    assert_newest_below(&mvcc, 41, MVCC_BELOW_UNKNOWN, 0);
    for (size_t i = 0; i < 2; i++) {
        _Atomic uint64_t *number = &snapshots[i].slot->number;
        atomic_store(number, atomic_load(number) | MVCC_SETTLING);
        assert_newest_below(&mvcc, 40, MVCC_BELOW_UNKNOWN, 0);
        atomic_store(number, atomic_load(number) & ~MVCC_SETTLING);
        assert_newest_below(&mvcc, 40, MVCC_BELOW_OPEN, 10);
    }
    for (size_t i = 0; i < 2; i++) {
        mvcc_close(&snapshots[i]);
    }
    mvcc_release(&mvcc);
}

/* Each snapshot sees the record that was newest when it was opened, over puts and deletes. */
static void test_versions(void **state)
{
    struct fixture *fixture = *state;
    enum { VERSIONS = 12 };
    alex_txn *txns[VERSIONS];
    char text[32];
    for (int i = 0; i < VERSIONS; i++) {
        (void)snprintf(text, sizeof text, "version %d", i);
        if (i % 4 == 3) {
            ASSERT_OK(alex_delete(fixture->main, 1));
        } else {
            helper_put(fixture->main, 1, text);
        }
        txns[i] = helper_begin(fixture->store);
    }
    for (int i = 0; i < VERSIONS; i++) {
        (void)snprintf(text, sizeof text, "version %d", i);
        ASSERT_TXN_VALUE(txns[i], fixture->main, 1, i % 4 == 3 ? NULL : text);
    }
    struct log_value value;
    uint64_t ref = index_find(fixture->main->index, table_index_key(fixture->main, 1));
    assert_int_equal(visible(fixture->store->log, 0, 1, 1, ref, &value, &ref), MVCC_ABSENT);
    for (int i = 0; i < VERSIONS; i++) {
        ASSERT_OK(alex_end(txns[i]));
    }
}

/* A reference that leads to no record, or to another table's or key's, is damage, and it is told which it was. */
static void test_wrong_references(void **state)
{
    struct fixture *fixture = *state;
    struct log_value value;
    uint64_t seen = 0;
    struct log *log = fixture->store->log;
    helper_put(fixture->main, 1, "one");
    uint64_t ref = index_find(fixture->main->index, table_index_key(fixture->main, 1));
    assert_int_equal(visible(log, UINT64_MAX, 1, 1, ref, &value, &seen), MVCC_VALUE);
    assert_true(seen == ref);
    assert_int_equal(visible(log, UINT64_MAX, 1, 2, ref, &value, &seen), MVCC_DAMAGED);
    assert_int_equal(visible(log, UINT64_MAX, 2, 1, ref, &value, &seen), MVCC_DAMAGED);
    static const uint64_t nowhere[] = {8, LOG_ADDRESS_LIMIT - 8, (uint64_t)1 << 40, (uint64_t)4 << 20};
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        ref = log_ref_make(nowhere[i], 64, false);
        assert_int_equal(visible(log, UINT64_MAX, 1, 1, ref, &value, &seen), MVCC_DAMAGED);
        assert_true(seen == ref);
    }
}

/* So is one that leads to a record of another kind, or on to one that is not older. */
static void test_wrong_versions(void **state)
{
    struct fixture *fixture = *state;
    struct log_value value;
    uint64_t seen = 0;
    struct log *log = fixture->store->log;
    alex_table *table = helper_table(fixture->store, "t", ALEX_KEYS_SIGNED); /* its record has key 1 */
    assert_int_equal(visible(log, UINT64_MAX, table->id, 1, table->ref, &value, &seen), MVCC_DAMAGED);

    helper_put(fixture->main, 1, "one");
    helper_put(fixture->main, 1, "two");
    uint64_t ref = index_find(fixture->main->index, table_index_key(fixture->main, 1));
    struct files_record record;
    uint8_t previous[8];
    files_find_record(fixture->path, FILES_PUT, 1, 1, &record);
    files_read_at(record.path, record.offset + 32, previous, sizeof previous);
    files_patch(record.path, record.offset + 32, &ref, sizeof ref); /* back to itself, without end */
    files_reseal_record(record.path, record.offset);
    assert_int_equal(visible(log, 0, 1, 1, ref, &value, &seen), MVCC_DAMAGED);
    files_patch(record.path, record.offset + 32, previous, sizeof previous);
    files_reseal_record(record.path, record.offset);
    assert_int_equal(visible(log, 0, 1, 1, ref, &value, &seen), MVCC_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),   cmocka_unit_test(test_many_and_renewed),
        cmocka_unit_test(test_newest_below),  cmocka_unit_test(test_newest_below_unknown),
        TEST_WITH_STORE(test_versions),       TEST_WITH_STORE(test_wrong_references),
        TEST_WITH_STORE(test_wrong_versions),
    };
    return cmocka_run_group_tests_name("mvcc snapshots", tests, NULL, NULL);
}
