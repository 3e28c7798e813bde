/* SPDX-License-Identifier: Apache-2.0 */
/** @file read.c Single reads, outside of transactions. */
#include <inttypes.h>
#include <string.h>

#include "store/store_internal.h"

#define WORD_BYTES 8u

int read_damaged(alex_store *store, const struct alex_table *table, int64_t key, uint64_t ref)
{
    char path[512];
    struct log_position at = log_locate(store->log, ref, path, sizeof path);
    return base_fail_at(store_error(store), ALEX_DAMAGED, path, at.offset,
                        "the record of key %" PRId64
                        " in table \"%s\" is damaged; other keys are not affected: alex_check() tells which "
                        "are, alex_salvage() saves the others",
                        key, table_name(table));
}

/** Records that a read without a snapshot looks at before it begins anew. */
#define LONE_RECORDS 64

/** A walk along a key's versions, under a guard. */
struct guarded_walk {
    struct mvcc_walk walk;
    struct log_value value;
    enum mvcc_state state;
};

static void walk(void *context)
{
    struct guarded_walk *guarded = context;
    guarded->state = mvcc_walk_to_value(&guarded->walk, &guarded->value);
}

/** A copy of a value, under a guard. */
struct guarded_copy {
    struct log_value value;
    uint8_t *buffer;
};

/** log_guarded(), which fills in an error whether there is one or not. */
static int read_guarded(alex_store *store, void (*run)(void *context), void *context)
{
    struct alex_error error;
    int result = log_guarded(store->log, run, context, &error);
    if (result != ALEX_OK) {
        *store_error(store) = error;
    }
    return result;
}

int read_version(struct alex_table *table, struct mvcc_view view, int64_t key, uint64_t ref,
                 struct log_value *out_value)
{
    alex_store *store = table->store;
    bool lone = view.shortcuts == NULL;
    struct guarded_walk guarded = {
        .walk = {store->log, view, table->id, (uint64_t)key, .ref = ref, .records_max = lone ? LONE_RECORDS : 0}};
    int result = read_guarded(store, walk, &guarded);
    if (BASE_UNLIKELY(result == ALEX_OK && guarded.state == MVCC_FAR)) {
        /* The key was written many times since. What is published now is a few records away, or none. */
        view.number = mvcc_published(&store->mvcc);
        ref = index_find(table->index, table_index_key(table, key));
        if (ref == 0) {
            return ALEX_NOT_FOUND;
        }
        guarded.walk = (struct mvcc_walk){store->log, view, table->id, (uint64_t)key, .ref = ref};
        result = read_guarded(store, walk, &guarded);
    }
    if (result != ALEX_OK || guarded.state == MVCC_ABSENT) {
        return result != ALEX_OK ? result : ALEX_NOT_FOUND;
    }
    *out_value = guarded.value;
    return guarded.state == MVCC_VALUE ? ALEX_OK : read_damaged(store, table, key, guarded.walk.ref);
}

/** Copies a value. Its size is known only when its record's first line has come, its padded size long before (see
 *  record_fast.h); so all but the last word is copied by that, and the last word, over some of the same bytes again, by
 *  the value's size. */
static inline void copy_value(const struct log_value *value, uint8_t *buffer)
{
    if (BASE_UNLIKELY(value->bytes < WORD_BYTES)) {
        for (uint64_t i = 0; i < value->bytes; i++) {
            buffer[i] = value->data[i];
        }
        return;
    }
    memcpy(buffer, value->data, value->padded_bytes - WORD_BYTES);
    uint64_t last = value->bytes - WORD_BYTES;
    memcpy(buffer + last, value->data + last, WORD_BYTES);
}

static void copy_guarded(void *context)
{
    struct guarded_copy *copy = context;
    copy_value(&copy->value, copy->buffer);
}

/** The published value of a key, within a section. @return ALEX_OK, ALEX_NOT_FOUND, ALEX_DAMAGED, ALEX_IO */
static inline int find_value(alex_table *table, int64_t key, struct log_value *out_value)
{
    /* Loaded first: the index then holds all that is published, and perhaps what isn't yet. */
    uint64_t published = mvcc_published(&table->store->mvcc);
    uint64_t ref = index_find(table->index, table_index_key(table, key));
    return ref != 0 ? read_visible(table, (struct mvcc_view){published, NULL}, key, ref, out_value) : ALEX_NOT_FOUND;
}

/** alex_get(), within a section. */
static inline int get(alex_table *table, int64_t key, void *buffer, size_t capacity, size_t *out_size)
{
    int result = table_check(table);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (BASE_UNLIKELY(buffer == NULL && capacity > 0)) {
        return base_fail(store_error(table->store), ALEX_INVALID, 0, table->store->path,
                         "the buffer is NULL but its capacity is not 0");
    }
    struct log_value value;
    result = find_value(table, key, &value);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (BASE_UNLIKELY(value.bytes > capacity)) {
        result = base_fail(store_error(table->store), ALEX_TOO_SMALL, 0, table->store->path,
                           "the value has %" PRIu64 " bytes, the buffer %zu", value.bytes, capacity);
    } else if (BASE_UNLIKELY(table->store->catches_faults)) {
        struct guarded_copy copy = {value, buffer};
        result = read_guarded(table->store, copy_guarded, &copy);
    } else {
        copy_value(&value, buffer);
    }
    if (out_size != NULL && result != ALEX_IO) {
        *out_size = value.bytes;
    }
    return result;
}

int alex_get(alex_table *table, int64_t key, void *buffer, size_t capacity, size_t *out_size)
{
    epoch_enter();
    int result = get(table, key, buffer, capacity, out_size);
    epoch_leave();
    return result;
}

int alex_get_version(alex_table *table, int64_t key, uint64_t *out_version)
{
    int result = handle_check(table, HANDLE_TABLE);
    if (result == ALEX_OK && out_version == NULL) {
        result = base_fail(store_error(table->store), ALEX_INVALID, 0, table->store->path,
                           "a version needs a place for its number");
    }
    if (result != ALEX_OK) {
        return result;
    }
    struct log_value value;
    epoch_enter();
    result = table_check(table);
    if (result == ALEX_OK) {
        result = find_value(table, key, &value);
    }
    epoch_leave();
    if (result == ALEX_OK) {
        *out_version = value.number;
    }
    return result;
}

/** alex_exists(), within a section. */
static int exists(alex_table *table, int64_t key)
{
    int result = table_check(table);
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t published = mvcc_published(&table->store->mvcc);
    uint64_t ref = index_find(table->index, table_index_key(table, key));
    uint64_t changed = atomic_load_explicit(&table->last_change, memory_order_acquire);
    if (BASE_LIKELY(changed <= published) || ref == 0) {
        return log_ref_is_value(ref) ? ALEX_OK : ALEX_NOT_FOUND;
    }
    struct log_value value; /* the entry may not be published yet: its record tells */
    return read_visible(table, (struct mvcc_view){published, NULL}, key, ref, &value);
}

int alex_exists(alex_table *table, int64_t key)
{
    epoch_enter();
    int result = exists(table, key);
    epoch_leave();
    return result;
}
