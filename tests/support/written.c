/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file written.c
 * Values that say themselves what they are; see written.h.
 */
#include "support/written.h"

#include "support/store_helper.h"

/* Offsets in a value. */
enum { AT_TABLE = 0, AT_KEY = 8, AT_VERSION = 16, AT_FILL = 20 };

#define LOST_PREFIX "lost-"

static uint64_t mix(uint64_t table, int64_t key, uint32_t version)
{
    struct helper_random random = {table ^ ((uint64_t)key * 0x9E3779B97F4A7C15u) ^ version};
    return helper_random_next(&random);
}

static uint64_t table_tag(const char *table)
{
    uint64_t tag = 0;
    for (const char *letter = table; *letter != '\0'; letter++) {
        tag = tag * 131 + (unsigned char)*letter;
    }
    return tag;
}

/** The value of a table's tag, key and version. */
static size_t make(uint64_t tag, int64_t key, uint32_t version, unsigned char *out_value)
{
    uint64_t seed = mix(tag, key, version);
    size_t size = AT_FILL + seed % (WRITTEN_MAX - AT_FILL);
    memcpy(out_value + AT_TABLE, &tag, sizeof tag);
    memcpy(out_value + AT_KEY, &key, sizeof key);
    memcpy(out_value + AT_VERSION, &version, sizeof version);
    helper_fill(out_value + AT_FILL, size - AT_FILL, seed);
    return size;
}

size_t written_value(const char *table, int64_t key, uint32_t version, void *out_value)
{
    return make(table_tag(table), key, version, out_value);
}

bool written_is(const char *table, int64_t key, struct alex_slice value, uint32_t *out_version)
{
    unsigned char expected[WRITTEN_MAX];
    uint64_t tag;
    uint32_t version;
    if (value.size < AT_FILL) {
        return false;
    }
    memcpy(&tag, (const unsigned char *)value.data + AT_TABLE, sizeof tag);
    memcpy(&version, (const unsigned char *)value.data + AT_VERSION, sizeof version);
    bool lost = strncmp(table, LOST_PREFIX, strlen(LOST_PREFIX)) == 0;
    if ((version & WRITTEN_NEVER) != 0 || (!lost && tag != table_tag(table)) ||
        make(tag, key, version, expected) != value.size || memcmp(expected, value.data, value.size) != 0) {
        return false;
    }
    if (out_version != NULL) {
        *out_version = version;
    }
    return true;
}

struct counting {
    alex_store *store;
    alex_txn *txn;
    uint64_t wrong;
    uint64_t entries;
};

static int count_table(void *context, const struct alex_table_info *info)
{
    struct counting *counting = context;
    alex_table *table;
    alex_cursor *cursor;
    struct alex_entry entry;
    ASSERT_OK(alex_table_open(counting->store, info->name, NULL, &table));
    ASSERT_OK(alex_cursor_open(counting->txn, table, NULL, &cursor));
    int code;
    while ((code = alex_cursor_next(cursor, &entry)) != ALEX_NOT_FOUND) {
        if (code == ALEX_OK) {
            bool right = written_is(info->name, entry.key, entry.value, NULL);
            counting->wrong += !right;
            counting->entries += right;
        } else {
            assert_int_equal(code, ALEX_DAMAGED);
        }
    }
    alex_cursor_close(cursor);
    return 0;
}

uint64_t written_count_wrong(alex_store *store, uint64_t *out_entries)
{
    struct counting counting = {.store = store, .txn = helper_begin(store)};
    ASSERT_OK(alex_table_list(store, count_table, &counting));
    ASSERT_OK(alex_end(counting.txn));
    if (out_entries != NULL) {
        *out_entries = counting.entries;
    }
    return counting.wrong;
}
