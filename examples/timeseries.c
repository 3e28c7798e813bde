/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file timeseries.c
 * Measurements by time stamp: the latest one, the one that held at a given time, an hour's, and how many there were in
 * a day.
 *
 * Usage: timeseries [DIRECTORY]
 */
#include <inttypes.h>

#include "example.h"

#define SECOND INT64_C(1000000) /* time stamps are in microseconds */
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define BEGIN (INT64_C(1700000000) * SECOND)
#define INTERVAL (10 * SECOND)
#define COUNT (3 * DAY / INTERVAL) /* three days' worth */

struct reading {
    float celsius;
    float humidity_percent;
};

static void record(alex_table *table)
{
    for (int64_t i = 0; i < COUNT; i++) {
        struct reading reading = {.celsius = 15.0f + (float)(i % 100) / 10.0f, .humidity_percent = 60.0f};
        MUST(alex_put(table, BEGIN + i * INTERVAL, &reading, sizeof reading, NULL));
    }
}

/** Values are bytes: copying them out is right whatever their alignment. */
static struct reading reading_of(const struct alex_entry *entry)
{
    struct reading reading;
    EXPECT(entry->value.size == sizeof reading);
    memcpy(&reading, entry->value.data, sizeof reading);
    return reading;
}

static void print(const char *what, const struct alex_entry *entry)
{
    printf("%-24s %" PRId64 "  %.1f °C\n", what, entry->key, (double)reading_of(entry).celsius);
}

/** The latest reading, and the one that held at a time between two readings. */
static void look_up(alex_txn *txn, alex_table *table)
{
    alex_cursor *cursor;
    struct alex_entry entry;
    MUST(alex_cursor_open(txn, table, NULL, &cursor));
    MUST(alex_cursor_last(cursor, &entry));
    print("latest", &entry);
    EXPECT(entry.key == BEGIN + (COUNT - 1) * INTERVAL);

    MUST(alex_cursor_seek_before(cursor, BEGIN + HOUR + 7 * SECOND, &entry));
    print("an hour and 7 s in", &entry);
    EXPECT(entry.key == BEGIN + HOUR);

    EXPECT(alex_cursor_seek_before(cursor, BEGIN - 1, &entry) == ALEX_NOT_FOUND);
    alex_cursor_close(cursor);
}

/** The mean of an hour, read through a cursor that sees nothing else. */
static void average(alex_txn *txn, alex_table *table)
{
    struct alex_range hour = {
        .has_first = true, .first = BEGIN + DAY, .has_last = true, .last = BEGIN + DAY + HOUR - 1};
    alex_cursor *cursor;
    struct alex_entry entry;
    double sum = 0;
    int count = 0;
    int code;
    MUST(alex_cursor_open(txn, table, &hour, &cursor));
    while ((code = alex_cursor_next(cursor, &entry)) == ALEX_OK) {
        sum += (double)reading_of(&entry).celsius;
        count++;
    }
    EXPECT(code == ALEX_NOT_FOUND && count == HOUR / INTERVAL);
    printf("%-24s %.2f °C of %d readings\n", "mean of an hour", sum / count, count);
    alex_cursor_close(cursor);
}

/** The newest three before a time, backwards. */
static void newest(alex_txn *txn, alex_table *table)
{
    struct alex_range range = {.has_last = true, .last = BEGIN + 2 * DAY, .limit = 3};
    alex_cursor *cursor;
    struct alex_entry entry;
    int64_t expected = BEGIN + 2 * DAY;
    MUST(alex_cursor_open(txn, table, &range, &cursor));
    while (alex_cursor_previous(cursor, &entry) == ALEX_OK) {
        print("newest first", &entry);
        EXPECT(entry.key == expected);
        expected -= INTERVAL;
    }
    EXPECT(expected == BEGIN + 2 * DAY - 3 * INTERVAL);
    alex_cursor_close(cursor);
}

int main(int argc, char **argv)
{
    struct example_place place = example_begin(argc, argv);
    struct alex_range day = {.has_first = true, .first = BEGIN, .has_last = true, .last = BEGIN + DAY - 1};
    alex_store *store;
    alex_table *table;
    alex_txn *txn;
    uint64_t count;

    MUST(alex_open(place.store, NULL, &store));
    MUST(alex_table_open(store, "readings", NULL, &table));
    record(table);

    /* What a transaction reads is one moment's state, and its values live until its end. */
    MUST(alex_begin(store, ALEX_READ, &txn));
    look_up(txn, table);
    average(txn, table);
    newest(txn, table);
    MUST(alex_txn_count(txn, table, &day, &count));
    printf("%-24s %" PRIu64 "\n", "readings of a day", count);
    EXPECT(count == DAY / INTERVAL);
    MUST(alex_end(txn));

    MUST(alex_close(store));
    example_end(&place);
    return 0;
}
