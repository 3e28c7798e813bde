/* SPDX-License-Identifier: Apache-2.0 */
/** @file read.c Single reads, outside of transactions. */
#include <inttypes.h>
#include <string.h>

#include "store/store_internal.h"

/** Sees every record: single reads see the newest. */
#define SNAPSHOT_NEWEST UINT64_MAX

#define WORD_BYTES 8u

int read_damaged(alex_store *store, const struct alex_table *table, int64_t key, uint64_t ref)
{
    char path[512];
    struct log_position at = log_locate(store->log, ref, path, sizeof path);
    return base_fail_at(&store->error, ALEX_DAMAGED, path, at.offset,
                        "the record of key %" PRId64 " in table \"%s\" is damaged; other keys are not affected", key,
                        table->name);
}

/** Copies a value. Its size is known only when its record's first line has come, the record's size long before; so all
 *  but the last word is copied by that, and the last word, over some of the same bytes again, by the value's size. */
static inline void copy_value(const struct record *record, uint8_t *buffer)
{
    if (record->value_bytes < WORD_BYTES) {
        for (uint32_t i = 0; i < record->value_bytes; i++) {
            buffer[i] = record->value[i];
        }
        return;
    }
    bool has_previous = (record->flags & RECORD_FLAG_PREVIOUS) != 0;
    uint64_t padded_bytes = record->bytes - record_header_bytes(has_previous);
    memcpy(buffer, record->value, padded_bytes - WORD_BYTES);
    uint32_t last = record->value_bytes - WORD_BYTES;
    memcpy(buffer + last, record->value + last, WORD_BYTES);
}

int alex_get(alex_table *table, int64_t key, void *buffer, size_t capacity, size_t *out_size)
{
    int result = table_check(table);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (BASE_UNLIKELY(buffer == NULL && capacity > 0)) {
        return base_fail(&table->store->error, ALEX_INVALID, 0, table->store->path,
                         "the buffer is NULL but its capacity is not 0");
    }
    uint64_t ref = index_find(table->index, table_index_key(table, key));
    if (!log_ref_is_value(ref)) {
        return ALEX_NOT_FOUND;
    }
    struct record record;
    result = read_visible(table, SNAPSHOT_NEWEST, key, ref, &record);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (out_size != NULL) {
        *out_size = record.value_bytes;
    }
    if (record.value_bytes > capacity) {
        return base_fail(&table->store->error, ALEX_TOO_SMALL, 0, table->store->path,
                         "the value has %" PRIu32 " bytes, the buffer %zu", record.value_bytes, capacity);
    }
    copy_value(&record, buffer);
    return ALEX_OK;
}

int alex_exists(alex_table *table, int64_t key)
{
    int result = table_check(table);
    if (result != ALEX_OK) {
        return result;
    }
    uint64_t ref = index_find(table->index, table_index_key(table, key));
    return log_ref_is_value(ref) ? ALEX_OK : ALEX_NOT_FOUND;
}
