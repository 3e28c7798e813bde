/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_mvcc_chain.c
 * Keys with many versions: snapshots find theirs in a few steps, and the right one.
 */
#include <pthread.h>
#include <stdio.h>

#include "store/store_internal.h"
#include "support/faults.h"
#include "support/store_helper.h"

/** Where no shortcut leads, a crossing comes once in sixteen records; that none comes in so many doesn't happen. */
#define STEPS_MAX 256

/** Records that a transaction looks at to find its version of a key. */
static uint64_t steps_to(const alex_txn *txn, const alex_table *table, int64_t key)
{
    struct mvcc_walk walk = {
        .log = txn->store->log,
        .view = txn_view(txn),
        .table = table->id,
        .key = (uint64_t)key,
        .ref = index_find(table->index, table_index_key(table, key)),
    };
    assert_int_not_equal(mvcc_walk(&walk), MVCC_DAMAGED);
    return walk.records;
}

static void put_number(alex_table *table, int64_t key, uint64_t number)
{
    ASSERT_OK(alex_put(table, key, &number, sizeof number, NULL));
}

/** Asserts that a transaction sees a number; 0: none. */
static void assert_sees(alex_txn *txn, alex_table *table, int64_t key, uint64_t number)
{
    struct alex_slice value;
    ASSERT_CODE(number == 0 ? ALEX_NOT_FOUND : ALEX_OK, alex_txn_get(txn, table, key, &value));
    if (number != 0) {
        uint64_t seen;
        assert_int_equal(value.size, sizeof seen);
        memcpy(&seen, value.data, sizeof seen);
        assert_int_equal(seen, number);
    }
}

/* However often a key is written, the way of a snapshot to its version takes a few steps for each snapshot between. */
static void test_way_to_old_versions(void **state)
{
    struct fixture *fixture = *state;
    enum { WRITES = 50000, SNAPSHOTS = 10 };
    alex_txn *txns[SNAPSHOTS];
    uint64_t seen[SNAPSHOTS];
    alex_txn *before = helper_begin(fixture->store);
    for (uint64_t i = 1; i <= WRITES; i++) {
        put_number(fixture->main, 1, i);
        if (i % (WRITES / SNAPSHOTS) == 1) {
            seen[i / (WRITES / SNAPSHOTS)] = i;
            txns[i / (WRITES / SNAPSHOTS)] = helper_begin(fixture->store);
        }
    }
    assert_sees(before, fixture->main, 1, 0);
    assert_in_range(steps_to(before, fixture->main, 1), 1, STEPS_MAX * (SNAPSHOTS + 1));
    for (uint64_t i = 0; i < SNAPSHOTS; i++) {
        assert_sees(txns[i], fixture->main, 1, seen[i]);
        assert_in_range(steps_to(txns[i], fixture->main, 1), 2, STEPS_MAX * (SNAPSHOTS - i));
    }
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_in_range(stats.held_entries, WRITES / 32, WRITES / 8);
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        ASSERT_OK(alex_end(txns[i]));
    }
    ASSERT_OK(alex_end(before));
    assert_int_equal(index_count(fixture->store->shortcuts), 0);
    assert_int_equal(fixture->store->held.count, 0);
}

/* So it is for an old snapshot while others come and go, for which most shortcuts are made. */
static void test_way_past_short_snapshots(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t spans[] = {2, 3, 10, 40, 100, 500};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        put_number(fixture->main, 1, 1);
        alex_txn *old = helper_begin(fixture->store);
        alex_txn *others[2] = {NULL, NULL}; /* always one that has just seen a version */
        for (uint64_t number = 2; number <= 20000; number++) {
            put_number(fixture->main, 1, number);
            if (number % spans[i] == 0) {
                alex_txn **other = &others[number / spans[i] % 2];
                ASSERT_OK(alex_end(*other));
                *other = helper_begin(fixture->store);
            }
        }
        assert_sees(old, fixture->main, 1, 1);
        assert_in_range(steps_to(old, fixture->main, 1), 2, STEPS_MAX);
        ASSERT_OK(alex_end(others[0]));
        ASSERT_OK(alex_end(others[1]));
        ASSERT_OK(alex_end(old));
        assert_int_equal(fixture->store->held.count, 0);
    }
}

/* Without a snapshot that could need them no shortcuts are made. */
static void test_no_snapshot_no_shortcut(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 1; i <= 1000; i++) {
        put_number(fixture->main, 1, i);
    }
    assert_int_equal(index_count(fixture->store->shortcuts), 0);
    alex_txn *txn = helper_begin(fixture->store);
    put_number(fixture->main, 1, 1001);
    assert_sees(txn, fixture->main, 1, 1000);
    assert_int_equal(index_count(fixture->store->shortcuts), 0);
    ASSERT_OK(alex_end(txn));
}

enum { KEYS = 4, OPEN = 6 };

/** Open snapshots, and what they should see. */
struct model {
    uint64_t now[KEYS];
    alex_txn *txns[OPEN];
    uint64_t seen[OPEN][KEYS];
};

static void begin_or_renew(struct fixture *fixture, struct model *model, size_t at, bool renews)
{
    if (renews && model->txns[at] != NULL) {
        ASSERT_OK(alex_renew(model->txns[at]));
    } else {
        ASSERT_OK(alex_end(model->txns[at]));
        model->txns[at] = helper_begin(fixture->store);
    }
    memcpy(model->seen[at], model->now, sizeof model->now);
}

static void check_model(struct fixture *fixture, struct model *model)
{
    for (size_t i = 0; i < OPEN; i++) {
        if (model->txns[i] == NULL) {
            continue;
        }
        alex_cursor *cursor;
        struct alex_entry entry;
        ASSERT_OK(alex_cursor_open(model->txns[i], fixture->main, NULL, &cursor));
        for (int64_t key = 0; key < KEYS; key++) {
            assert_sees(model->txns[i], fixture->main, key, model->seen[i][key]);
            if (model->seen[i][key] != 0) {
                ASSERT_OK(alex_cursor_next(cursor, &entry));
                assert_int_equal(entry.key, key);
                assert_memory_equal(entry.value.data, &model->seen[i][key], sizeof(uint64_t));
            }
        }
        ASSERT_CODE(ALEX_NOT_FOUND, alex_cursor_next(cursor, &entry));
        alex_cursor_close(cursor);
    }
}

/** Writes a key in one of the ways that there are. */
static void write_somehow(struct fixture *fixture, struct model *model, uint64_t way, int64_t key, uint64_t number)
{
    alex_table *table = fixture->main;
    model->now[key] = number;
    if (way == 0) {
        int result = alex_delete(table, key);
        assert_true(result == ALEX_OK || result == ALEX_NOT_FOUND);
        model->now[key] = 0;
    } else if (way == 1) {
        bool deletes_next = number % 3 == 0;
        int64_t next = (key + 1) % KEYS;
        struct alex_op ops[] = {{ALEX_OP_PUT, table, key, {&number, sizeof number}},
                                {deletes_next ? ALEX_OP_DELETE : ALEX_OP_PUT, table, next, {&number, sizeof number}}};
        ASSERT_OK(alex_write(fixture->store, ops, 2));
        model->now[next] = deletes_next ? 0 : number;
    } else if (way == 2) {
        alex_loader *loader;
        ASSERT_OK(alex_loader_open(table, &loader));
        ASSERT_OK(alex_loader_add(loader, key, &number, sizeof number));
        ASSERT_OK(alex_loader_commit(loader, NULL, NULL));
        alex_loader_close(loader);
    } else if (way == 3) {
        void *buffer;
        ASSERT_OK(alex_put_reserve(table, key, sizeof number, &buffer));
        memcpy(buffer, &number, sizeof number);
        ASSERT_OK(alex_put_commit(table, NULL));
    } else {
        put_number(table, key, number);
    }
}

/* Snapshots that come, go and are renewed at random see what was there when they came, whichever way keys are written
 * and deleted. */
static void test_versions_at_random(void **state)
{
    struct fixture *fixture = *state;
    struct model model = {.now = {0}};
    struct helper_random random = {7};
    for (uint64_t number = 1; number <= 30000; number++) {
        write_somehow(fixture, &model, helper_random_below(&random, 12), (int64_t)helper_random_below(&random, KEYS),
                      number);
        if (helper_random_below(&random, 40) == 0) {
            begin_or_renew(fixture, &model, helper_random_below(&random, OPEN), helper_random_below(&random, 2) == 0);
        }
        if (helper_random_below(&random, 200) == 0) {
            check_model(fixture, &model);
        }
    }
    for (size_t i = 0; i < OPEN; i++) {
        ASSERT_OK(alex_end(model.txns[i]));
    }
    assert_int_equal(index_count(fixture->store->shortcuts), 0);
    assert_int_equal(fixture->store->held.count, 0);
    helper_check(fixture->store);
}

#define THREADS 4

static void *write_hot_key(void *context)
{
    for (uint64_t i = 1; i <= 400; i++) {
        if (alex_put(context, 1, &i, sizeof i, NULL) != ALEX_OK) {
            return context;
        }
    }
    return NULL;
}

/* So it is where a key is overwritten before its last version is published, as several threads wait for one sync. */
static void test_versions_that_wait(void **state)
{
    struct fixture *fixture = *state;
    fixture_store_close(fixture);
    fixture_store_open(fixture, &(struct alex_options){.durability = ALEX_DURABLE_ON_COMMIT});
    put_number(fixture->main, 1, 77);
    alex_txn *txn = helper_begin(fixture->store);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(0, pthread_create(&threads[i], NULL, write_hot_key, fixture->main));
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(0, pthread_join(threads[i], &failed));
        assert_null(failed);
    }
    assert_sees(txn, fixture->main, 1, 77);
    assert_in_range(steps_to(txn, fixture->main, 1), 2, STEPS_MAX);
    ASSERT_OK(alex_end(txn));
    assert_int_equal(fixture->store->held.count, 0);
}

/* What can't be told yet is tried again: a record whose number isn't published gets its shortcut with a later write. */
static void test_crossing_that_waits(void **state)
{
    struct fixture *fixture = *state;
    alex_store *store = fixture->store;
    put_number(fixture->main, 1, 1);
    put_number(fixture->main, 1, 2);
    alex_txn *txn = helper_begin(store);
    uint64_t ref = 0;
    uint64_t number = 2;
    do {
        put_number(fixture->main, 1, ++number);
        ref = index_find(fixture->main->index, table_index_key(fixture->main, 1));
    } while (number < 5 || !mvcc_is_crossing(ref));
    struct mvcc behind = {.published = 0};
    ASSERT_OK(mvcc_init(&behind));
    assert_int_equal(mvcc_find_shortcut(&behind, store->shortcuts, store->log, fixture->main->id, 1, ref).found,
                     MVCC_SHORTCUT_LATER);
    mvcc_publish(&behind, log_last_number(store->log));
    assert_int_equal(mvcc_find_shortcut(&behind, store->shortcuts, store->log, fixture->main->id, 1, ref).found,
                     MVCC_SHORTCUT_NEEDLESS); /* no snapshot is open there */
    mvcc_release(&behind);
    assert_int_equal(index_find(store->shortcuts, mvcc_shortcut_key(ref)), 0);
    store->crossings[5] = (struct crossing){1, ref, fixture->main->id};
    do {
        put_number(fixture->main, 1, ++number);
    } while (index_find(store->shortcuts, mvcc_shortcut_key(ref)) == 0);
    assert_int_equal(store->crossings[5].ref, 0);
    assert_sees(txn, fixture->main, 1, 2);
    ASSERT_OK(alex_end(txn));
}

/* Without memory for shortcuts, or for the list of them, writes and reads go on as ever. */
static void test_no_memory_for_shortcuts(void **state)
{
    struct fixture *fixture = *state;
    alex_store *store = fixture->store;
    struct index *shortcuts = store->shortcuts;
    struct index_pool *pool;
    ASSERT_OK(index_pool_create(NULL, &pool));
    put_number(fixture->main, 1, 1);
    alex_txn *txn = helper_begin(store);
    uint64_t number = 1;
    for (int part = 0; part < 2; part++) {
        uint32_t calls = FAULTS_SET(part == 0 ? FAULTS_ALLOCATION : FAULTS_MMAP);
        if (part == 1) {
            ASSERT_OK(index_create(pool, &store->shortcuts)); /* which has no memory yet */
        }
        faults_set(&(struct faults_plan){.calls = calls, .first = 1, .for_good = true});
        for (int i = 0; i < 200; i++) {
            put_number(fixture->main, 1, ++number);
        }
        assert_true(faults_struck() > 0);
        faults_clear();
        assert_int_equal(index_count(store->shortcuts), 0);
        assert_int_equal(store->held.count, 0);
        assert_sees(txn, fixture->main, 1, 1);
    }
    index_destroy(store->shortcuts);
    index_pool_destroy(pool);
    store->shortcuts = shortcuts;
    for (int i = 0; i < 200; i++) {
        put_number(fixture->main, 1, ++number);
    }
    assert_int_not_equal(index_count(shortcuts), 0);
    assert_sees(txn, fixture->main, 1, 1);
    ASSERT_OK(alex_end(txn));
}

/* A damaged version in the way is reported to those who have to pass it; writes go on, and other readers. */
static void test_damaged_version(void **state)
{
    struct fixture *fixture = *state;
    enum { KEY = 1 };
    put_number(fixture->main, KEY, 1);
    alex_txn *older = helper_begin(fixture->store);
    put_number(fixture->main, KEY, 2);
    struct files_record record;
    files_find_record(fixture->path, FILES_PUT, fixture->main->id, KEY, &record);
    put_number(fixture->main, KEY, 3);
    alex_txn *newer = helper_begin(fixture->store);
    uint8_t original[4];
    files_read_at(record.path, record.offset, original, sizeof original);
    files_patch(record.path, record.offset, "????", sizeof original);
    for (uint64_t number = 4; number <= 200; number++) {
        put_number(fixture->main, KEY, number);
    }
    struct alex_slice value;
    ASSERT_CODE(ALEX_DAMAGED, alex_txn_get(older, fixture->main, KEY, &value));
    assert_sees(newer, fixture->main, KEY, 3);
    files_patch(record.path, record.offset, original, sizeof original);
    assert_sees(older, fixture->main, KEY, 1);
    ASSERT_OK(alex_end(older));
    ASSERT_OK(alex_end(newer));
}

/** Damages the newest record of a key, by its first bytes. @param out_original  those */
static void damage_newest(const struct fixture *fixture, int64_t key, struct files_record *out_record,
                          uint8_t out_original[4])
{
    files_find_record(fixture->path, FILES_PUT, fixture->main->id, key, out_record);
    files_read_at(out_record->path, out_record->offset, out_original, 4);
    files_patch(out_record->path, out_record->offset, "????", 4);
}

/* Where a record is damaged that shortcuts would lead past, or one that would have one, none is made for it: who has to
 * pass it is told, and writes and other reads go on. Once it is as it was, so are the reads. */
static void test_damage_where_shortcuts_are_made(void **state)
{
    struct fixture *fixture = *state;
    alex_table *table = fixture->main;
    for (int64_t key = 0; key < 2; key++) {
        bool has_shortcut = key == 1;
        uint64_t number = 0;
        put_number(table, key, ++number);
        alex_txn *txn = helper_begin(fixture->store);
        uint64_t ref;
        do {
            put_number(table, key, ++number);
            ref = index_find(table->index, table_index_key(table, key));
        } while (has_shortcut && (number < 4 || !mvcc_is_crossing(ref)));
        uint64_t before = index_count(fixture->store->shortcuts);
        struct files_record record;
        uint8_t original[4];
        damage_newest(fixture, key, &record, original);
        for (int i = 0; i < 200; i++) {
            put_number(table, key, ++number);
        }
        assert_int_equal(index_count(fixture->store->shortcuts), before);
        struct alex_slice value;
        uint64_t newest;
        ASSERT_CODE(ALEX_DAMAGED, alex_txn_get(txn, table, key, &value));
        ASSERT_OK(alex_get(table, key, &newest, sizeof newest, NULL));
        assert_int_equal(newest, number);
        files_patch(record.path, record.offset, original, sizeof original);
        assert_sees(txn, table, key, 1);
        for (int i = 0; i < 200; i++) {
            put_number(table, key, ++number);
        }
        assert_true(index_count(fixture->store->shortcuts) > before);
        assert_sees(txn, table, key, 1);
        ASSERT_OK(alex_end(txn));
        assert_int_equal(fixture->store->held.count, 0);
    }
    helper_check(fixture->store);
}

#ifdef BASE_INTERRUPTS
/** What a writer does while another thread is held up, each in one of the places where that may be. */
static struct {
    alex_table *table;
    int at; /**< the place where it begins; at the next it goes on */
    int seen;
    bool deletes;         /**< in the end */
    uint64_t number;      /**< put last */
    uint64_t records[64]; /**< the number put with a record of this number, modulo */
} writer;

static void put_next(void)
{
    put_number(writer.table, 1, ++writer.number);
    writer.records[mvcc_published(&writer.table->store->mvcc) % 64] = writer.number;
}

static void write_between(void)
{
    void (*self)(void) = base_interrupt;
    base_interrupt = NULL;
    writer.seen++;
    if (writer.seen == writer.at) {
        put_next();
    } else if (writer.seen == writer.at + 1) {
        for (int i = 0; i < 40; i++) {
            put_next();
        }
        return; /* no more from here on */
    }
    base_interrupt = self;
}

/* A snapshot that is opened or renewed while a key is overwritten again and again sees the version that it is to see,
 * and not one that a shortcut leads to which was made when it looked older. */
static void test_snapshot_settles_beside_a_writer(void **state)
{
    struct fixture *fixture = *state;
    writer.table = fixture->main;
    writer.number = 0;
    for (int renews = 0; renews < 2; renews++) {
        int acted = 1;
        for (writer.at = 1; acted > 0; writer.at++) {
            for (int turn = 0; turn < 40; turn++) { /* crossings lie elsewhere each time */
                put_next();
                alex_txn *txn = renews ? helper_begin(fixture->store) : NULL;
                put_next();
                writer.seen = 0;
                base_interrupt = write_between;
                if (renews) {
                    ASSERT_OK(alex_renew(txn));
                } else {
                    txn = helper_begin(fixture->store);
                }
                acted = writer.seen >= writer.at;
                base_interrupt = NULL;
                assert_sees(txn, fixture->main, 1, writer.records[txn->snapshot.number % 64]);
                ASSERT_OK(alex_end(txn));
            }
        }
        assert_true(writer.at >= 3);
    }
}

/** A transaction that ends within a write. */
static struct {
    const alex_store *store;
    alex_txn *txn;
    int at;          /**< at which interruption */
    int seen;        /**< interruptions */
    int made_before; /**< shortcuts that were there when it ended */
    int made_after;  /**< that were made for it by the same write after its end */
} ends_within;

/** Notes a shortcut that is made after all. */
static void look_for_shortcut(void)
{
    if (index_count(ends_within.store->shortcuts) > 0) {
        base_interrupt = NULL;
        ends_within.made_after++;
    }
}

static void end_within(void)
{
    if (++ends_within.seen == ends_within.at) {
        bool made = index_count(ends_within.store->shortcuts) > 0;
        base_interrupt = NULL;
        ASSERT_OK(alex_end(ends_within.txn));
        ends_within.txn = NULL;
        ends_within.made_before += made;
        base_interrupt = made ? NULL : look_for_shortcut;
    }
}

/* A shortcut goes with its snapshot, also where that ends while the writer is about to enter it. */
static void test_snapshot_ends_as_its_shortcut_is_made(void **state)
{
    struct fixture *fixture = *state;
    ends_within.store = fixture->store;
    for (ends_within.at = 1; ends_within.at <= 300; ends_within.at++) {
        put_number(fixture->main, 1, 1);
        ends_within.txn = helper_begin(fixture->store);
        ends_within.seen = 0;
        base_interrupt = end_within;
        while (ends_within.txn != NULL) {
            put_number(fixture->main, 1, 2);
        }
        base_interrupt = NULL;
        assert_int_equal(fixture->store->held.count, 0);
        assert_int_equal(index_count(fixture->store->shortcuts), 0);
    }
    assert_true(ends_within.made_before > 0);
    assert_true(ends_within.made_after > 0);
}

static void write_far_ahead(void)
{
    void (*self)(void) = base_interrupt;
    base_interrupt = NULL;
    writer.seen++;
    if (writer.seen == writer.at) {
        for (int i = 0; i < 1000; i++) {
            put_next();
        }
    } else if (writer.seen > writer.at && writer.deletes) {
        ASSERT_OK(alex_delete(writer.table, 1));
        return;
    }
    base_interrupt = self;
}

/* A read without a snapshot that was held up for a thousand writes of its key begins anew, and finds what is there. */
static void test_lone_read_far_behind(void **state)
{
    struct fixture *fixture = *state;
    writer.table = fixture->main;
    for (int deletes = 0; deletes < 2; deletes++) {
        writer.deletes = deletes != 0;
        int acted = 1;
        for (writer.at = 1; acted > 0; writer.at++) {
            put_next();
            writer.seen = 0;
            base_interrupt = write_far_ahead;
            uint64_t before = writer.number;
            uint64_t seen = 0;
            int result = alex_get(fixture->main, 1, &seen, sizeof seen, NULL);
            bool deleted = writer.deletes && base_interrupt == NULL;
            base_interrupt = NULL;
            acted = writer.seen >= writer.at;
            assert_true(result == ALEX_OK || (deleted && result == ALEX_NOT_FOUND));
            assert_true(result != ALEX_OK || (seen >= before && seen <= writer.number));
        }
        assert_true(writer.at >= 3);
    }
}
#endif

static int open_with_faults(void **state)
{
    faults_install();
    return fixture_open(state);
}

static int close_with_faults(void **state)
{
    int result = fixture_close(state);
    faults_remove();
    return result;
}

#define TEST_WITH_FAULTY_STORE(function) cmocka_unit_test_setup_teardown(function, open_with_faults, close_with_faults)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH_STORE(test_way_to_old_versions),
        TEST_WITH_STORE(test_way_past_short_snapshots),
        TEST_WITH_STORE(test_no_snapshot_no_shortcut),
        TEST_WITH_STORE(test_versions_at_random),
        TEST_WITH_STORE(test_versions_that_wait),
        TEST_WITH_STORE(test_crossing_that_waits),
        TEST_WITH_FAULTY_STORE(test_no_memory_for_shortcuts),
        TEST_WITH_STORE(test_damaged_version),
        TEST_WITH_STORE(test_damage_where_shortcuts_are_made),
#ifdef BASE_INTERRUPTS
        TEST_WITH_STORE(test_snapshot_settles_beside_a_writer),
        TEST_WITH_STORE(test_snapshot_ends_as_its_shortcut_is_made),
        TEST_WITH_STORE(test_lone_read_far_behind),
#endif
    };
    return cmocka_run_group_tests_name("chains of versions", tests, NULL, NULL);
}
