/* SPDX-License-Identifier: Apache-2.0 */
/** @file test_checker.c Histories written by hand: the checker tells those that are right from those that are wrong. */
#include "history/checker.h"
#include "support/store_helper.h"

#define THREADS 3u
#define EVENTS 32u

/** A history, with what it consists of. */
struct hand {
    struct recorder threads[THREADS];
    struct serial serial;
    struct tables tables;
    struct state before;
    struct held held[4];
    struct history history;
    struct findings findings;
};

static struct hand hand;

static int setup(void **state)
{
    (void)state;
    memset(&hand, 0, sizeof hand);
    for (uint32_t i = 0; i < THREADS; i++) {
        recorder_init(&hand.threads[i], i, EVENTS, EVENTS);
    }
    hand.tables.items[0] = (struct table){.id = 1, .name = "main"};
    hand.tables.items[1] = (struct table){.id = 2, .name = "other", .is_unsigned = true};
    hand.tables.count = 2;
    hand.before.keys = hand.held;
    hand.history = (struct history){hand.threads, THREADS, &hand.serial, &hand.tables, &hand.before, false};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < THREADS; i++) {
        recorder_release(&hand.threads[i]);
    }
    serial_release(&hand.serial);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ what happens */

static uint64_t id(uint32_t thread, uint64_t number)
{
    return (uint64_t)(thread + 1) << ID_THREAD_SHIFT | number;
}

/** A call of a thread, from one time to another. */
static struct event *call(uint32_t thread, enum event_kind kind, int64_t key, uint64_t from, uint64_t to)
{
    struct event *event = recorder_add(&hand.threads[thread], kind, 0, key);
    event->call = from;
    event->back = to;
    return event;
}

static struct event *put(uint32_t thread, int64_t key, uint64_t number, uint64_t from, uint64_t to)
{
    struct event *event = call(thread, EVENT_PUT, key, from, to);
    event->id = id(thread, number);
    return event;
}

/** What the log has next: a put of that write, or a delete. */
static struct serial_commit *logged(int64_t key, uint64_t write)
{
    serial_add_change(&hand.serial, 0, key, write);
    return serial_add(&hand.serial, COMMIT_WRITES, 10 * (hand.serial.count + 1));
}

/** A snapshot that a thread begins, of a moment. @return it */
static uint32_t begin(uint32_t thread, uint64_t moment, uint64_t from, uint64_t to)
{
    struct event *event = call(thread, EVENT_BEGIN, 0, from, to);
    event->snapshot = thread * SNAPSHOTS_PER_THREAD + hand.threads[thread].snapshots++;
    event->id = 10 * moment;
    return event->snapshot;
}

/** A read in a snapshot. */
static struct event *get(uint32_t thread, uint32_t snapshot, int64_t key, uint64_t seen)
{
    struct event *event = call(thread, EVENT_GET, key, 0, 0);
    event->snapshot = snapshot;
    event->id = seen;
    event->code = seen == ID_ABSENT ? ALEX_NOT_FOUND : ALEX_OK;
    return event;
}

static struct event *lone_get(uint32_t thread, int64_t key, uint64_t seen, uint64_t from, uint64_t to)
{
    struct event *event = call(thread, EVENT_GET, key, from, to);
    event->id = seen;
    event->code = seen == ID_ABSENT ? ALEX_NOT_FOUND : ALEX_OK;
    return event;
}

static struct event *scan(uint32_t thread, uint32_t snapshot, int64_t first, int64_t last, unsigned flags)
{
    struct event *event = call(thread, EVENT_SCAN, first, 0, 0);
    event->last_key = last;
    event->snapshot = snapshot;
    event->flags = (uint8_t)flags;
    return event;
}

static void saw(uint32_t thread, int64_t key, uint64_t seen)
{
    recorder_add_entry(&hand.threads[thread], key, seen);
}

static struct event *count(uint32_t thread, uint32_t snapshot, int64_t first, int64_t last, uint64_t result)
{
    struct event *event = scan(thread, snapshot, first, last, 0);
    event->kind = EVENT_COUNT;
    event->id = result;
    return event;
}

/** Checks the history. */
static bool is_right(void)
{
    struct state after = {0};
    bool right = checker_run(&hand.history, &hand.findings, &after);
    state_release(&after);
    assert_int_equal(right, hand.findings.wrong[0] == '\0');
    return right;
}

/** Expects that it is wrong, and that the checker says so in these words. */
static void expect_wrong(const char *words)
{
    assert_false(is_right());
    if (strstr(hand.findings.wrong, words) == NULL) {
        print_error("not \"%s\": %s\n", words, hand.findings.wrong);
        fail();
    }
}

/** Key 1 is put by thread 0 at 100 to 110, and again at 200 to 210. */
static void put_twice(void)
{
    (void)put(0, 1, 0, 100, 110);
    put(0, 1, 1, 200, 210)->flags = EVENT_REPLACED;
    (void)logged(1, id(0, 0));
    (void)logged(1, id(0, 1));
}

/* ------------------------------------------------------------------------------------------------ in time */

/* A snapshot that began between two writes sees the first, and may be of either moment while one is under way. */
static void test_right_snapshots(void **state)
{
    (void)state;
    put_twice();
    (void)get(1, begin(1, 0, 90, 95), 1, ID_ABSENT);
    (void)get(1, begin(1, 0, 99, 105), 1, ID_ABSENT);
    (void)get(1, begin(1, 1, 106, 107), 1, id(0, 0));
    (void)get(1, begin(1, 1, 150, 160), 1, id(0, 0));
    (void)get(1, begin(1, 2, 205, 206), 1, id(0, 1));
    (void)get(1, begin(1, 2, 300, 301), 1, id(0, 1));
    assert_true(is_right());
    assert_int_equal(hand.findings.snapshots, 6);
    assert_int_equal(hand.findings.snapshot_reads, 6);
}

/* A snapshot that misses a write which had returned. */
static void test_stale_snapshot(void **state)
{
    (void)state;
    put_twice();
    (void)begin(1, 1, 211, 215);
    expect_wrong("is of moment 1; its time allows 2 to 2");
}

/* A snapshot that sees a write which was called after it had begun. */
static void test_snapshot_of_the_future(void **state)
{
    (void)state;
    put_twice();
    (void)begin(1, 2, 150, 199);
    expect_wrong("is of moment 2; its time allows 1 to 1");
}

/* A snapshot that misses what one saw that had begun before, in another thread. */
static void test_snapshot_back_in_time(void **state)
{
    (void)state;
    put_twice();
    (void)begin(1, 2, 201, 203);
    (void)begin(2, 1, 204, 206);
    expect_wrong("is of moment 1; its time allows 2 to 2");
}

/* A snapshot sees what is not durable before its beginning has returned, or a write returns before it is. */
static void test_not_durable(void **state)
{
    (void)state;
    put_twice();
    (void)begin(1, 2, 201, 205);
    hand.serial.commits[1].durable = 204;
    assert_true(is_right());
    hand.serial.commits[1].durable = 206;
    expect_wrong("is of moment 2; its time allows 1 to 1");
    hand.serial.commits[1].durable = 211;
    expect_wrong("is of moment 2");
    hand.serial.commits[1].durable = UINT64_MAX;
    expect_wrong("is of moment 2");
    assert_non_null(strstr(hand.findings.wrong, "never durable"));
    hand.threads[1].event_count = 0;
    expect_wrong("put by thread 0");
}

/* Commits whose order in the log is another than that in which they were made. */
static void test_commits_out_of_order(void **state)
{
    (void)state;
    (void)put(0, 1, 0, 100, 110);
    (void)put(1, 2, 0, 120, 130);
    (void)logged(2, id(1, 0));
    (void)logged(1, id(0, 0));
    expect_wrong("is of moment 2; its time allows 1 to 0");
}

/* Lone reads see what was there at some moment of their time, and nothing else. */
static void test_lone_reads(void **state)
{
    (void)state;
    put_twice();
    (void)lone_get(1, 1, ID_ABSENT, 90, 104);
    (void)lone_get(1, 1, id(0, 0), 105, 204);
    (void)lone_get(1, 1, id(0, 1), 205, 206);
    (void)lone_get(1, 9, ID_ABSENT, 207, 208);
    struct event *exists = call(1, EVENT_EXISTS, 1, 209, 210);
    exists->id = ID_SOME;
    assert_true(is_right());
    assert_int_equal(hand.findings.lone_reads, 5);
    exists->id = ID_ABSENT;
    expect_wrong("saw nothing, which was at none of the moments 2 to 2");
}

/* A lone read that sees a value which was replaced before it was called, or is put after it has returned. */
static void test_wrong_lone_reads(void **state)
{
    (void)state;
    put_twice();
    struct event *read = lone_get(1, 1, id(0, 0), 211, 220);
    expect_wrong("saw write 0 of thread 0, which was at none of the moments 2 to 2");
    read->id = id(0, 1);
    assert_true(is_right());
    read->call = 111;
    read->back = 199;
    expect_wrong("saw write 1 of thread 0, which was at none of the moments 1 to 1");
    read->id = ID_BROKEN;
    expect_wrong("a value that is not the key's or not whole");
    read->key = 9;
    read->id = ID_ABSENT;
    read->code = ALEX_NOT_FOUND;
    assert_true(is_right());
    read->id = id(0, 0);
    expect_wrong("never had a value");
}

/* A thread that sees the old value after another has seen the new one. */
static void test_reads_back_in_time(void **state)
{
    (void)state;
    put_twice();
    (void)lone_get(1, 1, id(0, 1), 201, 203);
    struct event *read = lone_get(2, 1, id(0, 0), 203, 206); /* at the same time, for all that is known */
    assert_true(is_right());
    read->call = 204;
    expect_wrong("saw write 0 of thread 0, which was at none of the moments 2 to 2");
}

/* The answers that a key is there already, or that there is nothing to delete, are reads. */
static void test_answers(void **state)
{
    (void)state;
    put_twice();
    struct event *exists = call(1, EVENT_PUT_ABSENT, 1, 120, 130);
    exists->code = ALEX_EXISTS;
    struct event *missing = call(1, EVENT_DELETE, 2, 140, 150);
    missing->code = ALEX_NOT_FOUND;
    assert_true(is_right());
    exists->key = 2;
    expect_wrong("saw a value");
    exists->key = 1;
    missing->key = 1;
    expect_wrong("saw nothing");
}

/* ------------------------------------------------------------------------------------------------ in state */

/** Key 2 is put, key 1 is deleted, between 300 and 400, after put_twice(). */
static void go_on(void)
{
    put_twice();
    (void)put(1, 2, 0, 300, 310);
    (void)call(0, EVENT_DELETE, 1, 320, 330);
    (void)logged(2, id(1, 0));
    (void)logged(1, ID_ABSENT);
}

/* A snapshot gets what its moment has, whoever reads in it and however long after. */
static void test_reads_in_a_snapshot(void **state)
{
    (void)state;
    go_on();
    uint32_t snapshot = begin(1, 2, 211, 212);
    (void)get(1, snapshot, 1, id(0, 1));
    (void)get(2, snapshot, 2, ID_ABSENT);
    (void)get(2, snapshot, 3, ID_ABSENT);
    (void)get(2, begin(2, 4, 340, 341), 1, ID_ABSENT);
    struct event *read = get(1, snapshot, 1, id(0, 1));
    assert_true(is_right());
    read->id = id(0, 0);
    expect_wrong("saw write 0 of thread 0 at key 1, where it has write 1 of thread 0");
    read->id = ID_ABSENT;
    expect_wrong("saw nothing at key 1");
    read->key = 2;
    read->id = id(1, 0);
    expect_wrong("saw write 0 of thread 1 at key 2, where it has nothing");
    read->key = 3;
    expect_wrong("at key 3, where it has nothing");
    read->id = ID_ABSENT;
    read->code = ALEX_DAMAGED;
    expect_wrong("a read in a snapshot failed");
}

/* A snapshot of no single moment: old in one key and new in another. */
static void test_torn_snapshot(void **state)
{
    (void)state;
    (void)put(0, 1, 0, 100, 110);
    (void)put(0, 2, 1, 120, 130);
    (void)logged(1, id(0, 0));
    (void)logged(2, id(0, 1));
    uint32_t snapshot = begin(1, 1, 105, 125);
    (void)get(1, snapshot, 1, id(0, 0));
    struct event *second = get(1, snapshot, 2, ID_ABSENT);
    assert_true(is_right());
    second->id = id(0, 1);
    expect_wrong("saw write 1 of thread 0 at key 2, where it has nothing");
}

/* Scans, in either direction, whole or stopped, and counts have all that is there and nothing else. */
static void test_right_scans(void **state)
{
    (void)state;
    go_on();
    uint32_t snapshot = begin(1, 3, 311, 312);
    (void)scan(1, snapshot, INT64_MIN, INT64_MAX, EVENT_ENDED);
    saw(1, 1, id(0, 1));
    saw(1, 2, id(1, 0));
    (void)scan(1, snapshot, 0, 9, EVENT_DESCENDING);
    saw(1, 2, id(1, 0));
    (void)scan(1, snapshot, 2, 2, EVENT_ENDED);
    saw(1, 2, id(1, 0));
    (void)scan(1, snapshot, 3, 1, EVENT_ENDED);
    (void)count(1, snapshot, 1, 2, 2);
    (void)count(1, snapshot, 2, 9, 1);
    count(1, snapshot, 1, 2, 1)->count = 1;
    assert_true(is_right());
}

/* A scan that passes a key by, or has one that isn't there, twice, in another's place or with another's value. */
static void test_wrong_scans(void **state)
{
    (void)state;
    go_on();
    uint32_t snapshot = begin(1, 3, 311, 312);
    struct event *all = scan(1, snapshot, 0, 9, EVENT_ENDED);
    saw(1, 1, id(0, 1));
    saw(1, 2, id(1, 0));
    struct entry *entries = &hand.threads[1].entries[all->first];
    all->count = 1;
    expect_wrong("saw nothing at key 2");
    all->flags = 0;
    assert_true(is_right());
    all->first++;
    expect_wrong("saw nothing at key 1");
    all->first--;
    all->count = 2;
    entries[1] = (struct entry){3, id(1, 0)};
    expect_wrong("at key 3, where it has nothing");
    entries[1] = entries[0];
    expect_wrong("at key 1, where it has write 1 of thread 0");
    entries[1] = (struct entry){2, id(0, 1)};
    expect_wrong("saw write 1 of thread 0 at key 2");
    entries[0] = (struct entry){2, id(1, 0)};
    entries[1] = (struct entry){1, id(0, 1)};
    expect_wrong("saw nothing at key 1");
    all->flags = EVENT_DESCENDING | EVENT_ENDED;
    assert_true(is_right());
    all->last_key = 1;
    expect_wrong("at key 2, where it has write 0 of thread 1");
}

/* A count that is not the snapshot's. */
static void test_wrong_count(void **state)
{
    (void)state;
    go_on();
    (void)count(1, begin(1, 4, 340, 341), INT64_MIN, INT64_MAX, 2);
    expect_wrong("counted 2 keys where it has 1");
}

/* Unsigned keys are in their own order, and tables apart. */
static void test_tables(void **state)
{
    (void)state;
    (void)put(0, -1, 0, 100, 110);
    hand.threads[0].events[0].table = 1;
    (void)put(0, 1, 1, 120, 130);
    hand.threads[0].events[1].table = 1;
    serial_add_change(&hand.serial, 1, -1, id(0, 0));
    (void)serial_add(&hand.serial, COMMIT_WRITES, 10);
    serial_add_change(&hand.serial, 1, 1, id(0, 1));
    (void)serial_add(&hand.serial, COMMIT_WRITES, 20);
    uint32_t snapshot = begin(1, 2, 140, 150);
    scan(1, snapshot, 0, -1, EVENT_ENDED)->table = 1;
    saw(1, 1, id(0, 1));
    saw(1, -1, id(0, 0));
    struct event *other = get(1, snapshot, 1, ID_ABSENT);
    assert_true(is_right());
    other->id = id(0, 1);
    expect_wrong("at key 1, where it has nothing");
}

/* A table is there from its making to its drop, and longer for the snapshots that are older. */
static void test_dropped_table(void **state)
{
    (void)state;
    call(0, EVENT_MAKE, 0, 10, 20)->table = 1;
    put(0, 5, 0, 30, 40)->table = 1;
    call(0, EVENT_DROP, 0, 50, 60)->table = 1;
    serial_add(&hand.serial, COMMIT_MAKE, 10)->table = 1;
    serial_add_change(&hand.serial, 1, 5, id(0, 0));
    (void)serial_add(&hand.serial, COMMIT_WRITES, 20);
    serial_add(&hand.serial, COMMIT_DROP, 30)->table = 1;
    struct event *read = get(1, begin(1, 2, 45, 55), 5, id(0, 0));
    read->table = 1;
    struct event *lone = lone_get(1, 5, ID_ABSENT, 56, 70);
    lone->table = 1;
    lone->code = ALEX_INVALID;
    assert_true(is_right());
    lone->code = ALEX_OK;
    lone->id = id(0, 0);
    assert_true(is_right());
    lone->call = 61;
    expect_wrong("which was at none of the moments 3 to 3");
    lone->code = ALEX_INVALID;
    lone->call = 35;
    lone->back = 41;
    expect_wrong("which was at none of the moments 1 to 2");
    hand.threads[1].event_count--;
    hand.threads[1].events[0].id = 30;
    expect_wrong("a read of a table that was dropped before its snapshot");
}

/* What was there at first is there, until it is written. */
static void test_state_before(void **state)
{
    (void)state;
    hand.held[0] = (struct held){1, id(2, 77), 0};
    hand.before.count = 1;
    (void)get(1, begin(1, 0, 10, 20), 1, id(2, 77));
    struct event *lone = lone_get(1, 1, id(2, 77), 30, 40);
    put(0, 1, 0, 50, 60)->flags = EVENT_REPLACED;
    (void)logged(1, id(0, 0));
    assert_true(is_right());
    lone->call = 61;
    lone->back = 70;
    expect_wrong("which was at none of the moments 1 to 1");
}

/* ------------------------------------------------------------------------------------------------ writes */

/* A write that succeeded and is not in the log, and one in the log that nobody made, or that is there twice. */
static void test_lost_and_found(void **state)
{
    (void)state;
    put_twice();
    struct event *lost = put(1, 3, 0, 300, 310);
    expect_wrong("a write succeeded that is not in the log: put by thread 1");
    lost->code = ALEX_IO;
    hand.history.writes_fail = true;
    assert_true(is_right());
    (void)logged(3, id(1, 0));
    expect_wrong("a write failed and is in the log");
    lost->code = ALEX_OK;
    assert_true(is_right());
    (void)logged(3, id(1, 0));
    expect_wrong("a write is in the log twice");
    hand.serial.changes[3].id = id(1, 1);
    expect_wrong("the log has a write that no thread made");
    hand.serial.changes[3].id = id(9, 0);
    expect_wrong("the log has a write that no thread made");
    hand.serial.changes[3].id = ID_ABSENT;
    expect_wrong("the log has a write that no thread made");
}

/* A write that fails for no reason; after a failed sync they may. */
static void test_failed_writes(void **state)
{
    (void)state;
    struct event *failed = put(0, 1, 0, 100, 110);
    failed->code = ALEX_IO;
    expect_wrong("a write failed: put by thread 0");
    hand.history.writes_fail = true;
    assert_true(is_right());
    failed->code = ALEX_EXISTS;
    expect_wrong("a write failed");
}

/* A put that is in the log under another key or table, and one that was told otherwise whether it replaced something;
 * a delete of nothing. */
static void test_wrong_writes(void **state)
{
    (void)state;
    go_on();
    hand.threads[0].events[1].flags = 0;
    expect_wrong("a write was told otherwise whether the key was there: key 1");
    hand.threads[0].events[1].flags = EVENT_REPLACED;
    hand.threads[0].events[0].flags = EVENT_REPLACED;
    expect_wrong("a write was told otherwise whether the key was there: key 1");
    hand.threads[0].events[0].flags = 0;
    assert_true(is_right());
    hand.serial.changes[2].key = 4;
    expect_wrong("the log has a write otherwise than it was asked for: key 2");
    hand.serial.changes[2].key = 2;
    hand.serial.changes[2].table = 1;
    expect_wrong("the log has a write otherwise than it was asked for: key 2");
    hand.serial.changes[2].table = 0;
    hand.threads[0].events[2].key = 7;
    hand.serial.changes[3].key = 7;
    expect_wrong("a write was told otherwise whether the key was there: key 7");
}

/** Puts keys 1 and 2, puts 3 and deletes it again, deletes 4, which isn't there, and 5, which is. */
static struct event *batch(void)
{
    static const struct entry ops[] = {{1, 0}, {2, 0}, {3, 0}, {3, 1}, {4, 1}, {5, 1}};
    hand.held[0] = (struct held){5, id(2, 77), 0};
    hand.before.count = 1;
    struct event *event = call(0, EVENT_BATCH, 1, 100, 110);
    event->id = id(0, 0);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        recorder_add_entry(&hand.threads[0], ops[i].key, ops[i].id);
    }
    serial_add_change(&hand.serial, 0, 1, id(0, 0));
    serial_add_change(&hand.serial, 0, 2, id(0, 1));
    serial_add_change(&hand.serial, 0, 5, ID_ABSENT);
    serial_add(&hand.serial, COMMIT_WRITES, 10)->grouped = true;
    return event;
}

/* A batch is all or nothing. */
static void test_batch(void **state)
{
    (void)state;
    (void)batch();
    uint32_t before = begin(1, 0, 50, 105);
    (void)get(1, before, 1, ID_ABSENT);
    struct event *last = get(1, before, 2, ID_ABSENT);
    uint32_t after = begin(1, 1, 106, 120);
    (void)get(1, after, 1, id(0, 0));
    (void)get(1, after, 3, ID_ABSENT);
    struct event *deleted = get(1, after, 5, ID_ABSENT);
    assert_true(is_right());
    last->id = id(0, 1);
    expect_wrong("saw write 1 of thread 0 at key 2, where it has nothing");
    last->id = ID_ABSENT;
    deleted->id = id(2, 77);
    expect_wrong("at key 5, where it has nothing");
}

/* A batch of which the log lacks something, has more, or something else. */
static void test_wrong_batch(void **state)
{
    (void)state;
    (void)batch();
    struct serial_commit *commit = &hand.serial.commits[0];
    commit->count = 2;
    expect_wrong("the log has a batch or load otherwise than it was asked for");
    commit->count = 3;
    commit->grouped = false;
    expect_wrong("the log has a batch or load otherwise than it was asked for");
    commit->grouped = true;
    hand.serial.changes[1].id = id(0, 0);
    expect_wrong("otherwise than it was asked for: key 2");
    hand.serial.changes[1] = (struct serial_change){3, id(0, 2), 0};
    expect_wrong("otherwise than it was asked for: key 3");
    hand.serial.changes[1] = (struct serial_change){2, id(0, 1), 0};
    hand.serial.changes[2].key = 4;
    expect_wrong("otherwise than it was asked for: key 4");
    hand.serial.changes[2].key = 6;
    expect_wrong("otherwise than it was asked for: key 6");
    hand.serial.changes[2].key = 5;
    assert_true(is_right());
}

/* A load has the last entry of each key; what came before of it is in the log too. It tells how many it replaced. */
static void test_load(void **state)
{
    (void)state;
    struct event *load = call(0, EVENT_LOAD, 0, 100, 110);
    load->id = id(0, 0);
    hand.held[0] = (struct held){1, id(2, 77), 0};
    hand.before.count = 1;
    recorder_add_entry(&hand.threads[0], 1, 0);
    recorder_add_entry(&hand.threads[0], 2, 0);
    recorder_add_entry(&hand.threads[0], 1, 0);
    load->key = 1;
    serial_add_change(&hand.serial, 0, 1, id(0, 0));
    serial_add_change(&hand.serial, 0, 2, id(0, 1));
    serial_add_change(&hand.serial, 0, 1, id(0, 2));
    serial_add(&hand.serial, COMMIT_WRITES, 10)->grouped = true;
    struct event *read = get(1, begin(1, 1, 120, 130), 1, id(0, 2));
    struct event *lone = lone_get(1, 1, id(0, 2), 140, 150);
    assert_true(is_right());
    lone->id = id(0, 0);
    expect_wrong("which was at none of the moments 1 to 1");
    lone->id = id(0, 2);
    read->id = id(0, 0);
    expect_wrong("saw write 0 of thread 0 at key 1");
    read->id = id(0, 2);
    load->key = 2;
    expect_wrong("a load was told otherwise how many keys it replaced");
    load->key = 1;
    hand.serial.changes[0].key = 2;
    expect_wrong("otherwise than it was asked for: key 2");
}

/* Values tell their write, and what is wrong with them. */
static void test_values(void **state)
{
    (void)state;
    unsigned char value[VALUE_BYTES_MAX];
    for (uint64_t number = 0; number < 1000; number++) {
        size_t size = recorder_value(id(1, number), 1, -5, value);
        assert_int_equal(recorder_value_id(value, size, 1, -5), id(1, number));
        assert_int_equal(recorder_value_id(value, size, 0, -5), ID_BROKEN);
        assert_int_equal(recorder_value_id(value, size, 1, 5), ID_BROKEN);
        assert_int_equal(recorder_value_id(value, size - 1, 1, -5), ID_BROKEN);
        value[number % size] ^= 1;
        assert_int_not_equal(recorder_value_id(value, size, 1, -5), id(1, number));
    }
    assert_int_equal(recorder_value_id(value, 3, 1, -5), ID_BROKEN);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_right_snapshots),
        TEST(test_stale_snapshot),
        TEST(test_snapshot_of_the_future),
        TEST(test_snapshot_back_in_time),
        TEST(test_not_durable),
        TEST(test_commits_out_of_order),
        TEST(test_lone_reads),
        TEST(test_wrong_lone_reads),
        TEST(test_reads_back_in_time),
        TEST(test_answers),
        TEST(test_reads_in_a_snapshot),
        TEST(test_torn_snapshot),
        TEST(test_right_scans),
        TEST(test_wrong_scans),
        TEST(test_wrong_count),
        TEST(test_tables),
        TEST(test_dropped_table),
        TEST(test_state_before),
        TEST(test_lost_and_found),
        TEST(test_failed_writes),
        TEST(test_wrong_writes),
        TEST(test_batch),
        TEST(test_wrong_batch),
        TEST(test_load),
        TEST(test_values),
    };
    return cmocka_run_group_tests_name("checker", tests, NULL, NULL);
}
