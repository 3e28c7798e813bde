/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cursor.c
 * Cursors: a run of index entries copied ahead, and the records they lead to fetched ahead.
 *
 * A cursor holds nothing of the index between calls: when its run is nearly used up it looks again by key. A run that
 * has become stale does no harm: its references lead to records that stay, and from those to what the snapshot sees;
 * keys entered since are newer than the snapshot anyway. In a write transaction a write of its own makes the next move
 * begin a new run.
 */
#include <string.h>

#include "store/store_internal.h"

/** Entries of a run: few for the first after a seek, as many cursors only seek, else many. */
#define RUN_FIRST 4
#define RUN_MAX 64

/** Where a cursor is. */
enum place {
    PLACE_FRESH,  /**< not positioned: next goes to the first key, previous to the last */
    PLACE_BEFORE, /**< before the first key */
    PLACE_AT,     /**< at `key` */
    PLACE_AFTER,  /**< after the last key */
};

struct alex_cursor {
    struct handle handle;
    alex_txn *txn;
    alex_table *table;
    uint64_t first; /**< index keys; first > last: an empty range */
    uint64_t last;
    uint64_t limit; /**< UINT64_MAX: none */
    uint64_t left;  /**< of `limit`, since the last positioning */
    enum place place;
    uint64_t key;     /**< index key, with PLACE_AT */
    uint64_t changes; /**< of the transaction, when the run was copied */
    bool moving;      /**< not positioned, or handed out an entry since: more of them will be wanted */

    enum index_direction direction; /**< of the run */
    size_t run_at;                  /**< the next entry to hand out */
    size_t run_count;
    size_t run_wanted; /**< entries to copy next time */
    bool run_ends;     /**< nothing of the range follows the run */
    size_t fetched;    /**< entries of the run whose records were asked for */
    struct index_entry run[RUN_MAX];
};

int alex_cursor_open(alex_txn *txn, alex_table *table, const struct alex_range *range, alex_cursor **out_cursor)
{
    int result = txn_check(txn, table);
    if (result != ALEX_OK) {
        return result;
    }
    alex_store *store = txn->store;
    if (out_cursor == NULL) {
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                         "opening a cursor needs a place for its handle");
    }
    alex_cursor *cursor = base_alloc(sizeof *cursor + HANDLE_APART_BYTES);
    if (cursor == NULL) {
        return base_fail(store_error(store), ALEX_NO_MEMORY, 0, store->path, "no memory to open a cursor");
    }
    static const struct alex_range everything;
    range = range != NULL ? range : &everything;
    cursor->handle = (struct handle){.kind = HANDLE_CURSOR};
    cursor->txn = txn;
    cursor->table = table;
    cursor->first = range->has_first ? table_index_key(table, range->first) : 0;
    cursor->last = range->has_last ? table_index_key(table, range->last) : UINT64_MAX;
    cursor->limit = range->limit != 0 ? range->limit : UINT64_MAX;
    cursor->left = cursor->limit;
    cursor->place = PLACE_FRESH;
    cursor->changes = txn->changes;
    cursor->moving = true;
    cursor->direction = INDEX_ASCENDING;
    cursor->run_at = 0;
    cursor->run_count = 0;
    cursor->run_wanted = RUN_MAX;
    cursor->run_ends = false;
    txn->open_cursors++;
    *out_cursor = cursor;
    return ALEX_OK;
}

void alex_cursor_close(alex_cursor *cursor)
{
    if (handle_check(cursor, HANDLE_CURSOR) == ALEX_OK) {
        cursor->txn->open_cursors--;
        handle_end(&cursor->handle);
    }
}

/** The index key from which to go on in a direction. @return false if nothing can be there */
static bool next_key(const alex_cursor *cursor, enum index_direction direction, uint64_t *out_key)
{
    bool up = direction == INDEX_ASCENDING;
    if (cursor->first > cursor->last) {
        return false;
    }
    switch (cursor->place) { /* unreached: there is no other place */
    case PLACE_FRESH:
        *out_key = up ? cursor->first : cursor->last;
        return true;
    case PLACE_BEFORE:
        *out_key = cursor->first;
        return up;
    case PLACE_AFTER:
        *out_key = cursor->last;
        return !up;
    case PLACE_AT:
        *out_key = up ? cursor->key + 1 : cursor->key - 1;
        return cursor->key != (up ? cursor->last : cursor->first);
    }
    return false;
}

/** Copies entries of the table, as the transaction sees it but for their numbers. */
static int scan(const alex_cursor *cursor, uint64_t key, struct index_entry *out_entries, size_t wanted,
                size_t *out_count)
{
    int result = BASE_UNLIKELY(cursor->txn->is_write) ? writes_settle(cursor->txn->store, true) : ALEX_OK;
    if (result == ALEX_OK) {
        epoch_enter();
        if (BASE_UNLIKELY(cursor->txn->is_write)) {
            result = overlay_scan(cursor->table, key, cursor->direction, out_entries, wanted, out_count);
        } else {
            *out_count = index_scan(cursor->table->index, key, cursor->direction, out_entries, wanted);
        }
        epoch_leave();
    }
    return result;
}

/** Copies entries to the run's end, as many as it has place for and is wanted, beginning at `key`. */
static int extend_run(alex_cursor *cursor, uint64_t key)
{
    struct index_entry *entries = cursor->run + cursor->run_count;
    size_t wanted = RUN_MAX - cursor->run_count;
    wanted = wanted < cursor->run_wanted ? wanted : cursor->run_wanted;
    wanted = wanted < cursor->left - cursor->run_count ? wanted : cursor->left - cursor->run_count;
    size_t count = 0;
    int result = scan(cursor, key, entries, wanted, &count);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    cursor->run_ends = count < wanted;
    while (count > 0 && (entries[count - 1].key > cursor->last || entries[count - 1].key < cursor->first)) {
        count--;
        cursor->run_ends = true;
    }
    cursor->run_count += count;
    cursor->run_wanted = RUN_MAX;
    return ALEX_OK;
}

/** Begins a new run at `key`. */
static int fill_run(alex_cursor *cursor, uint64_t key, enum index_direction direction)
{
    cursor->direction = direction;
    cursor->run_at = 0;
    cursor->run_count = 0;
    cursor->fetched = 0;
    return extend_run(cursor, key);
}

/** Goes on with a run that is nearly used up, so that the records of its next entries can be asked for in time. */
static void top_up(alex_cursor *cursor)
{
    size_t left = cursor->run_count - cursor->run_at;
    uint64_t last = cursor->run[cursor->run_count - 1].key;
    bool up = cursor->direction == INDEX_ASCENDING;
    if (last == (up ? cursor->last : cursor->first)) {
        cursor->run_ends = true;
        return;
    }
    memmove(cursor->run, cursor->run + cursor->run_at, left * sizeof *cursor->run);
    cursor->fetched -= cursor->run_at;
    cursor->run_at = 0;
    cursor->run_count = left;
    /* If it fails, so does the next one, when the run is used up. */
    (void)extend_run(cursor, up ? last + 1 : last - 1);
}

/** Asks for the records a few entries ahead, once a cursor is moving: a lone seek pays for none. */
static void fetch_ahead(alex_cursor *cursor)
{
    if (!cursor->moving) {
        return;
    }
    /* The first entry after a seek was handed out without being asked for. */
    cursor->fetched = cursor->fetched > cursor->run_at ? cursor->fetched : cursor->run_at;
    size_t to = cursor->run_at + FETCH_AHEAD;
    if (to - cursor->fetched < FETCH_TOGETHER) {
        return;
    }
    size_t left = cursor->run_count - cursor->run_at;
    if (left < FETCH_AHEAD && left < cursor->left && !cursor->run_ends) {
        top_up(cursor);
        to = cursor->run_at + FETCH_AHEAD;
    }
    BASE_DEBUG_ASSERT(cursor->run_at <= cursor->fetched && cursor->fetched <= cursor->run_count);
    to = to < cursor->run_count ? to : cursor->run_count;
    uint64_t refs[FETCH_AHEAD];
    size_t count = 0;
    for (; cursor->fetched < to; cursor->fetched++) {
        refs[count++] = cursor->run[cursor->fetched].payload;
    }
    log_prefetch(cursor->txn->store->log, refs, count);
}

/** Moves on in a direction to the next entry that the snapshot sees. */
static int step(alex_cursor *cursor, enum index_direction direction, struct alex_entry *out_entry)
{
    if (cursor->left == 0) {
        return ALEX_NOT_FOUND;
    }
    if (BASE_UNLIKELY(cursor->changes != cursor->txn->changes)) {
        cursor->changes = cursor->txn->changes;
        cursor->run_count = 0;
        cursor->run_at = 0;
        cursor->run_wanted = RUN_FIRST;
    }
    for (;;) {
        if (cursor->direction != direction || cursor->run_at == cursor->run_count) {
            uint64_t key;
            bool more = next_key(cursor, direction, &key);
            cursor->run_count = 0;
            cursor->run_at = 0;
            int result = more ? fill_run(cursor, key, direction) : ALEX_OK;
            if (BASE_UNLIKELY(result != ALEX_OK)) {
                return result;
            }
            if (cursor->run_count == 0) {
                cursor->place = direction == INDEX_ASCENDING ? PLACE_AFTER : PLACE_BEFORE;
                return ALEX_NOT_FOUND;
            }
        }
        fetch_ahead(cursor);
        struct index_entry entry = cursor->run[cursor->run_at++];
        cursor->place = PLACE_AT;
        cursor->key = entry.key;
        int64_t key = table_user_key(cursor->table, entry.key);
        struct log_value value;
        int result = read_visible(cursor->table, txn_view(cursor->txn), key, entry.payload, &value);
        if (result == ALEX_OK) {
            *out_entry = (struct alex_entry){key, read_slice(&value)};
        }
        if (result != ALEX_NOT_FOUND) {
            cursor->moving = true;
            cursor->left--;
            return result;
        }
    }
}

static int check(alex_cursor *cursor, const struct alex_entry *out_entry)
{
    int result = handle_check(cursor, HANDLE_CURSOR);
    if (BASE_UNLIKELY(result == ALEX_OK && out_entry == NULL)) {
        alex_store *store = cursor->txn->store;
        result =
            base_fail(store_error(store), ALEX_INVALID, 0, store->path, "a cursor's move needs a place for the entry");
    }
    return result;
}

/** Begins anew at a place and moves from there. */
static int position(alex_cursor *cursor, enum place place, enum index_direction direction, struct alex_entry *out_entry)
{
    cursor->place = place;
    cursor->run_count = 0;
    cursor->run_at = 0;
    cursor->run_wanted = RUN_FIRST;
    cursor->moving = false;
    cursor->left = cursor->limit;
    return step(cursor, direction, out_entry);
}

int alex_cursor_delete(alex_cursor *cursor)
{
    int result = handle_check(cursor, HANDLE_CURSOR);
    if (result != ALEX_OK) {
        return result;
    }
    if (cursor->place != PLACE_AT) {
        alex_store *store = cursor->txn->store;
        return base_fail(store_error(store), ALEX_INVALID, 0, store->path,
                         "the cursor is at no entry to delete; move it to one first");
    }
    return alex_txn_delete(cursor->txn, cursor->table, table_user_key(cursor->table, cursor->key));
}

int alex_cursor_first(alex_cursor *cursor, struct alex_entry *out_entry)
{
    int result = check(cursor, out_entry);
    return result == ALEX_OK ? position(cursor, PLACE_BEFORE, INDEX_ASCENDING, out_entry) : result;
}

int alex_cursor_last(alex_cursor *cursor, struct alex_entry *out_entry)
{
    int result = check(cursor, out_entry);
    return result == ALEX_OK ? position(cursor, PLACE_AFTER, INDEX_DESCENDING, out_entry) : result;
}

int alex_cursor_seek(alex_cursor *cursor, int64_t key, struct alex_entry *out_entry)
{
    int result = check(cursor, out_entry);
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t index_key = table_index_key(cursor->table, key);
    if (index_key <= cursor->first) {
        return position(cursor, PLACE_BEFORE, INDEX_ASCENDING, out_entry);
    }
    if (index_key > cursor->last) {
        return position(cursor, PLACE_AFTER, INDEX_ASCENDING, out_entry);
    }
    cursor->key = index_key - 1;
    return position(cursor, PLACE_AT, INDEX_ASCENDING, out_entry);
}

int alex_cursor_seek_before(alex_cursor *cursor, int64_t key, struct alex_entry *out_entry)
{
    int result = check(cursor, out_entry);
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t index_key = table_index_key(cursor->table, key);
    if (index_key >= cursor->last) {
        return position(cursor, PLACE_AFTER, INDEX_DESCENDING, out_entry);
    }
    if (index_key < cursor->first) {
        return position(cursor, PLACE_BEFORE, INDEX_DESCENDING, out_entry);
    }
    cursor->key = index_key + 1;
    return position(cursor, PLACE_AT, INDEX_DESCENDING, out_entry);
}

int alex_cursor_next(alex_cursor *cursor, struct alex_entry *out_entry)
{
    int result = check(cursor, out_entry);
    return result == ALEX_OK ? step(cursor, INDEX_ASCENDING, out_entry) : result;
}

int alex_cursor_previous(alex_cursor *cursor, struct alex_entry *out_entry)
{
    int result = check(cursor, out_entry);
    return result == ALEX_OK ? step(cursor, INDEX_DESCENDING, out_entry) : result;
}
