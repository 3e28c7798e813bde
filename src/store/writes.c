/* SPDX-License-Identifier: Apache-2.0 */
/** @file writes.c Appending records that count together, and taking them back; see writes.h. */
#include <string.h>

#include "store/store_internal.h"

/** Puts looked up together: as many as index_find_many() overlaps at best. */
#define BUFFERED_MAX 64

/** Bytes of values that wait with them; a larger value doesn't wait. */
#define BUFFERED_BYTES ((size_t)16 << 10)
#define BUFFERED_VALUE_MAX (BUFFERED_BYTES / 8)

/** Memory that is kept for the next writes; of more than that all is given back. */
#define KEPT_BYTES ((size_t)1 << 20)

#define ENTRIES_MIN 64

struct writes_buffer {
    size_t count;
    size_t value_bytes;
    struct {
        struct alex_table *table;
        int64_t key;
        uint32_t at; /**< of the value in `values` */
        uint32_t size;
    } puts[BUFFERED_MAX];
    uint8_t values[BUFFERED_BYTES];
};

static int no_memory(alex_store *store)
{
    return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to note another write");
}

/** The table's part, made if there is none. @return NULL: no memory */
static struct writes_part *make_part(struct alex_table *table)
{
    struct writes *writes = &table->store->writes;
    if (BASE_LIKELY(table->part != 0)) {
        return &writes->parts[table->part - 1];
    }
    if (writes->part_count == writes->part_capacity) {
        size_t capacity = 2 * writes->part_capacity + 1;
        struct writes_part *parts = base_realloc(writes->parts, capacity * sizeof *parts);
        if (parts == NULL) {
            return NULL;
        }
        memset(parts + writes->part_capacity, 0, (capacity - writes->part_capacity) * sizeof *parts);
        writes->parts = parts;
        writes->part_capacity = capacity;
    }
    struct writes_part *part = &writes->parts[writes->part_count++];
    part->table = table;
    part->ascending = true;
    table->part = writes->part_count;
    return part;
}

/** Makes room for one more entry. */
static bool grow(struct writes_part *part)
{
    size_t capacity = part->capacity == 0 ? ENTRIES_MIN : 2 * part->capacity;
    struct index_entry *entries = base_realloc(part->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    part->entries = entries;
    part->capacity = capacity;
    return true;
}

int writes_append_abort(alex_store *store)
{
    struct writes *writes = &store->writes;
    if (BASE_LIKELY(writes->abort_from == 0)) {
        return ALEX_OK;
    }
    uint64_t from = writes->abort_from;
    writes->abort_from = 0;
    return log_append_abort(store->log, from, writes->last_number, &store->error);
}

/** Appends it ahead of a record, if there is space for that. Without space an ABORT would take what is kept back for
 *  the group's end, and the next one after a further rollback again. */
static int abort_before(alex_store *store, const struct record *record, size_t size)
{
    struct log_claim claim;
    int result = log_claim(store->log, size, (record->flags & RECORD_FLAG_PREVIOUS) != 0, write_frees_space(record),
                           &claim, &store->error);
    return result == ALEX_OK ? writes_append_abort(store) : result;
}

/** writes_append_record(), inlined into what is done for each write. */
static inline int append_record(struct alex_table *table, struct record *record, const void *value, size_t size,
                                uint64_t *out_ref)
{
    alex_store *store = table->store;
    struct writes *writes = &store->writes;
    record->flags |= RECORD_FLAG_GROUPED;
    int result = BASE_UNLIKELY(writes->abort_from != 0) ? abort_before(store, record, size) : ALEX_OK;
    if (BASE_LIKELY(result == ALEX_OK)) {
        result = write_append(table, record, value, size, out_ref);
    }
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    log_group_add(&writes->log_group, store->log, record, *out_ref);
    writes->last_number = record->number;
    writes->unreadable = true;
    return ALEX_OK;
}

int writes_append_record(struct alex_table *table, struct record *record, const void *value, size_t size,
                         uint64_t *out_ref)
{
    return append_record(table, record, value, size, out_ref);
}

int writes_append(struct alex_table *table, int64_t key, uint64_t previous, bool is_delete, const void *value,
                  size_t size)
{
    struct writes_part *part = make_part(table);
    if (BASE_UNLIKELY(part == NULL || (part->count == part->capacity && !grow(part)))) {
        return no_memory(table->store);
    }
    struct record record = {
        .kind = is_delete ? RECORD_DELETE : RECORD_PUT,
        .flags = previous != 0 ? RECORD_FLAG_PREVIOUS : 0,
        .table = table->id,
        .key = (uint64_t)key,
        .previous = previous,
    };
    uint64_t ref;
    int result = append_record(table, &record, value, size, &ref);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    uint64_t index_key = table_index_key(table, key);
    part->ascending = part->ascending && (part->count == 0 || part->entries[part->count - 1].key < index_key);
    part->entries[part->count++] = (struct index_entry){index_key, ref};
    part->deletes += is_delete;
    part->deletes_nothing = part->deletes_nothing || (is_delete && !log_ref_is_value(previous));
    return ALEX_OK;
}

/** Appends the buffered puts from `first` on that are to one table. @return how many are done, with `*out_result` */
static size_t flush_run(alex_store *store, size_t first, int *out_result)
{
    const struct writes_buffer *buffer = store->writes.buffer;
    struct alex_table *table = buffer->puts[first].table;
    uint64_t keys[BUFFERED_MAX] = {0};
    uint64_t previous[BUFFERED_MAX];
    size_t count = 0;
    while (first + count < buffer->count && buffer->puts[first + count].table == table) {
        keys[count] = table_index_key(table, buffer->puts[first + count].key);
        count++;
    }
    index_find_many(table->index, keys, count, previous);
    size_t done = 0;
    *out_result = ALEX_OK;
    while (done < count && *out_result == ALEX_OK) {
        const void *value = buffer->values + buffer->puts[first + done].at;
        *out_result = writes_append(table, buffer->puts[first + done].key, previous[done], false, value,
                                    buffer->puts[first + done].size);
        done += *out_result == ALEX_OK;
    }
    return done;
}

int writes_flush(alex_store *store)
{
    struct writes_buffer *buffer = store->writes.buffer;
    if (buffer == NULL || buffer->count == 0) {
        return ALEX_OK;
    }
    int result = ALEX_OK;
    size_t done = 0;
    while (done < buffer->count && result == ALEX_OK) {
        done += flush_run(store, done, &result);
    }
    buffer->count -= done; /* what could not be appended waits on */
    memmove(buffer->puts, buffer->puts + done, buffer->count * sizeof *buffer->puts);
    buffer->value_bytes = buffer->count > 0 ? buffer->value_bytes : 0;
    return result;
}

/** Flushes in a turn of its own, and appends one put that doesn't wait (NULL: none). */
static int flush_and_append(struct alex_table *table, int64_t key, const void *value, size_t size)
{
    alex_store *store = table->store;
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    result = writes_flush(store);
    if (result == ALEX_OK && value != NULL) {
        uint64_t previous = index_find(table->index, table_index_key(table, key));
        result = writes_append(table, key, previous, false, value, size);
    }
    return writer_end(store, result);
}

/** Makes the buffer. */
static int make_buffer(alex_store *store)
{
    struct writes_buffer *buffer = base_alloc(sizeof *buffer);
    if (buffer == NULL) {
        return base_fail(store_error(store), ALEX_NO_MEMORY, 0, store->path, "no memory for the writes that wait");
    }
    buffer->count = 0;
    buffer->value_bytes = 0;
    store->writes.buffer = buffer;
    return ALEX_OK;
}

int writes_put(struct alex_table *table, int64_t key, const void *value, size_t size)
{
    alex_store *store = table->store;
    int result = store->writes.buffer != NULL ? ALEX_OK : make_buffer(store);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (BASE_UNLIKELY(log_writable(store->log, NULL) != ALEX_OK)) {
        return log_writable(store->log, store_error(store));
    }
    struct writes_buffer *buffer = store->writes.buffer;
    if (BASE_UNLIKELY(size > BUFFERED_VALUE_MAX)) {
        return flush_and_append(table, key, value, size);
    }
    if (BASE_UNLIKELY(buffer->count == BUFFERED_MAX || size > BUFFERED_BYTES - buffer->value_bytes)) {
        result = flush_and_append(table, 0, NULL, 0);
        if (result != ALEX_OK) {
            return result;
        }
    }
    if (size > 0) {
        memcpy(buffer->values + buffer->value_bytes, value, size);
    }
    buffer->puts[buffer->count].table = table;
    buffer->puts[buffer->count].key = key;
    buffer->puts[buffer->count].at = (uint32_t)buffer->value_bytes;
    buffer->puts[buffer->count].size = (uint32_t)size;
    buffer->count++;
    buffer->value_bytes += size;
    return ALEX_OK;
}

int writes_settle(alex_store *store, bool readable)
{
    const struct writes *writes = &store->writes;
    writer_keep_hold(store);
    bool is_buffered = writes->buffer != NULL && writes->buffer->count > 0;
    if (!is_buffered && !(readable && writes->unreadable)) {
        return ALEX_OK;
    }
    int result = writer_begin(store);
    if (result != ALEX_OK) {
        return result;
    }
    result = writes_flush(store);
    if (result == ALEX_OK && readable) {
        result = log_make_readable(store->log, &store->error);
        store->writes.unreadable = result != ALEX_OK;
    }
    return writer_end(store, result);
}

void writes_clear(alex_store *store)
{
    struct writes *writes = &store->writes;
    size_t kept = writes->scratch_bytes + writes->part_capacity * sizeof *writes->parts +
                  writes->savepoint_capacity * sizeof *writes->savepoints +
                  writes->table_change_capacity * sizeof *writes->table_changes;
    kept += writes->overlays != NULL ? index_pool_bytes(writes->overlays) : 0;
    for (size_t i = 0; i < writes->part_count; i++) {
        struct writes_part *part = &writes->parts[i];
        part->table->part = 0;
        index_destroy(part->overlay);
        kept += part->capacity * sizeof *part->entries + part->older_capacity * sizeof *part->older;
        *part = (struct writes_part){
            .entries = part->entries,
            .capacity = part->capacity,
            .older = part->older,
            .older_capacity = part->older_capacity,
        };
    }
    writes_undo_tables(store, 0);
    writes_end_tables(store);
    writes_forget(store, 1);
    if (writes->buffer != NULL) {
        writes->buffer->count = 0;
        writes->buffer->value_bytes = 0;
    }
    writes->part_count = 0;
    writes->log_group = (struct log_group){0};
    writes->abort_from = 0;
    writes->unreadable = false;
    if (kept > KEPT_BYTES) {
        writes_release(store);
    }
}

void writes_abort(alex_store *store)
{
    struct writes *writes = &store->writes;
    uint64_t from = writes->log_group.count > 0 ? writes->log_group.first_number : writes->abort_from;
    if (from != 0) {
        /* If this fails the log is latched, and replay drops the records for want of a COMMIT. */
        (void)log_append_abort(store->log, from, writes->last_number, NULL);
    }
    writes_clear(store);
}

void *writes_scratch(alex_store *store, size_t bytes)
{
    struct writes *writes = &store->writes;
    if (writes->scratch_bytes < bytes) {
        void *scratch = base_realloc(writes->scratch, bytes);
        if (scratch == NULL) {
            return NULL;
        }
        writes->scratch = scratch;
        writes->scratch_bytes = bytes;
    }
    return writes->scratch;
}

int writes_save(alex_store *store)
{
    struct writes *writes = &store->writes;
    int result = writes_flush(store);
    if (result != ALEX_OK) {
        return result;
    }
    if (writes->savepoint_count == writes->savepoint_capacity) {
        size_t capacity = 2 * writes->savepoint_capacity + 4;
        struct writes_savepoint *savepoints = base_realloc(writes->savepoints, capacity * sizeof *savepoints);
        if (savepoints == NULL) {
            return no_memory(store);
        }
        writes->savepoints = savepoints;
        writes->savepoint_capacity = capacity;
    }
    size_t *counts = base_alloc((writes->part_count + 1) * sizeof *counts);
    if (counts == NULL) {
        return no_memory(store);
    }
    for (size_t i = 0; i < writes->part_count; i++) {
        counts[i] = writes->parts[i].count;
    }
    writes->savepoints[writes->savepoint_count++] = (struct writes_savepoint){
        .log_group = writes->log_group,
        .last_number = writes->last_number,
        .counts = counts,
        .part_count = writes->part_count,
        .table_change_count = writes->table_change_count,
    };
    return ALEX_OK;
}

void writes_roll_back(alex_store *store, size_t savepoint)
{
    struct writes *writes = &store->writes;
    const struct writes_savepoint *saved = &writes->savepoints[savepoint - 1];
    for (size_t i = 0; i < writes->part_count; i++) {
        struct writes_part *part = &writes->parts[i];
        size_t count = i < saved->part_count ? saved->counts[i] : 0;
        overlay_cut(part, count);
        part->count = count;
    }
    writes_undo_tables(store, saved->table_change_count);
    if (writes->log_group.count > saved->log_group.count) {
        uint64_t from = saved->log_group.count > 0 ? saved->last_number + 1 : writes->log_group.first_number;
        writes->abort_from = from;
    }
    writes->log_group = saved->log_group;
    if (writes->buffer != NULL) {
        writes->buffer->count = 0;
        writes->buffer->value_bytes = 0;
    }
    writes_forget(store, savepoint + 1);
}

void writes_forget(alex_store *store, size_t savepoint)
{
    struct writes *writes = &store->writes;
    while (writes->savepoint_count >= savepoint) {
        base_free(writes->savepoints[--writes->savepoint_count].counts);
    }
}

void writes_release(alex_store *store)
{
    struct writes *writes = &store->writes;
    writes_undo_tables(store, 0); /* in a forked child, of a transaction of its parent's */
    writes_end_tables(store);
    writes_forget(store, 1);
    for (size_t i = 0; i < writes->part_capacity; i++) {
        index_destroy(writes->parts[i].overlay);
        base_free(writes->parts[i].entries);
        base_free(writes->parts[i].older);
    }
    base_free(writes->parts);
    base_free(writes->savepoints);
    base_free(writes->table_changes);
    base_free(writes->buffer);
    base_free(writes->scratch);
    index_pool_destroy(writes->overlays);
    *writes = (struct writes){0};
}
