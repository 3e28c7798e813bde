/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file operations.c
 * The operations of a run, each carried out on the store and on the model; see run.h.
 */
#include "model/run.h"

static uint64_t choose_value(struct run *run, size_t *out_size)
{
    *out_size = run_choose_size(run);
    uint64_t seed = helper_random_next(&run->random);
    helper_fill(run->buffer, *out_size, seed);
    return seed;
}

static void put(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    int64_t key = run_choose_key(run);
    size_t size;
    uint64_t seed = choose_value(run, &size);
    bool replaced = false;
    RUN_OK(run, alex_put(table->table, key, run->buffer, size, &replaced));
    RUN_CHECK(run, replaced == model_put(&table->model, key, seed, size));
}

static void put_if_absent(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    int64_t key = run_choose_key(run);
    size_t size;
    uint64_t seed = choose_value(run, &size);
    bool there = model_find(&table->model, key) != NULL;
    RUN_CODE(run, there ? ALEX_EXISTS : ALEX_OK, alex_put_if_absent(table->table, key, run->buffer, size));
    if (!there) {
        model_put(&table->model, key, seed, size);
    }
}

static void reserve(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    int64_t key = run_choose_key(run);
    size_t size = run_choose_size(run);
    uint64_t seed = helper_random_next(&run->random);
    void *buffer = NULL;
    bool replaced = false;
    RUN_OK(run, alex_put_reserve(table->table, key, size, &buffer));
    RUN_CHECK(run, buffer != NULL && (uintptr_t)buffer % 8 == 0);
    helper_fill(buffer, size, seed);
    RUN_CODE(run, ALEX_BUSY, alex_delete(table->table, key));
    if (helper_random_below(&run->random, 3) == 0) {
        alex_put_cancel(table->table);
        return;
    }
    RUN_OK(run, alex_put_commit(table->table, &replaced));
    RUN_CHECK(run, replaced == model_put(&table->model, key, seed, size));
}

static void delete_one(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    int64_t key = run_choose_key(run);
    bool there = model_delete(&table->model, key);
    RUN_CODE(run, there ? ALEX_OK : ALEX_NOT_FOUND, alex_delete(table->table, key));
}

/** Deletes a run of neighbours, so that nodes empty. */
static void delete_neighbours(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    size_t rank = model_rank(&table->model, run_choose_key(run));
    for (uint64_t i = helper_random_below(&run->random, 200); i > 0 && rank < table->model.count; i--) {
        int64_t key = table->model.entries[rank].key;
        RUN_OK(run, alex_delete(table->table, key));
        model_delete(&table->model, key);
    }
}

static void batch(struct run *run)
{
    enum { OPS_MAX = 60, SIZE_MAX_EACH = 100 };
    struct alex_op ops[OPS_MAX];
    static unsigned char values[OPS_MAX][SIZE_MAX_EACH];
    size_t count = helper_random_below(&run->random, OPS_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        struct run_table *table = run_choose_table(run);
        /* Repeats within the batch, too. */
        int64_t key = i > 0 && helper_random_below(&run->random, 8) == 0 ? ops[i - 1].key : run_choose_key(run);
        ops[i] = (struct alex_op){ALEX_OP_DELETE, table->table, key, {NULL, 0}};
        if (helper_random_below(&run->random, 3) == 0) {
            model_delete(&table->model, key);
            continue;
        }
        uint64_t seed = helper_random_next(&run->random);
        size_t size = helper_random_below(&run->random, SIZE_MAX_EACH);
        helper_fill(values[i], size, seed);
        ops[i].kind = ALEX_OP_PUT;
        ops[i].value = (struct alex_slice){values[i], size};
        model_put(&table->model, key, seed, size);
    }
    RUN_OK(run, alex_write(run->store, ops, count));
}

static void load(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    struct model_table loaded;
    alex_loader *loader = NULL;
    uint64_t out_added = 0;
    uint64_t out_replaced = 0;
    bool is_sorted = helper_random_below(&run->random, 2) == 0;
    model_copy(&table->model, &loaded);
    RUN_OK(run, alex_loader_open(table->table, &loader));
    int64_t key = run_choose_key(run);
    for (uint64_t i = helper_random_below(&run->random, 2000); i > 0; i--) {
        key = is_sorted ? (int64_t)((uint64_t)key + helper_random_below(&run->random, 5)) : run_choose_key(run);
        uint64_t seed = helper_random_next(&run->random);
        size_t size = helper_random_below(&run->random, 50);
        helper_fill(run->buffer, size, seed);
        RUN_OK(run, alex_loader_add(loader, key, run->buffer, size));
        model_put(&loaded, key, seed, size);
    }
    if (helper_random_below(&run->random, 3) == 0) {
        alex_loader_close(loader);
        model_release(&loaded);
        return;
    }
    RUN_CODE(run, ALEX_BUSY, alex_put(table->table, key, NULL, 0, NULL));
    RUN_OK(run, alex_loader_commit(loader, &out_added, &out_replaced));
    alex_loader_close(loader);
    RUN_CHECK(run, out_added == loaded.count - table->model.count);
    model_release(&table->model);
    table->model = loaded;
}

void run_write_something(struct run *run)
{
    uint64_t way = helper_random_below(&run->random, 1000);
    if (way < 600) {
        put(run);
    } else if (way < 680) {
        put_if_absent(run);
    } else if (way < 740) {
        reserve(run);
    } else if (way < 930) {
        delete_one(run);
    } else if (way < 933) {
        delete_neighbours(run);
    } else if (way < 998) {
        batch(run);
    } else {
        load(run);
    }
}

static void get(struct run *run)
{
    struct run_table *table = run_choose_table(run);
    int64_t key = run_choose_key(run);
    const struct model_entry *entry = model_find(&table->model, key);
    size_t size = 0;
    RUN_CODE(run, entry != NULL ? ALEX_OK : ALEX_NOT_FOUND, alex_exists(table->table, key));
    int code = alex_get(table->table, key, run->buffer, RUN_VALUE_MAX, &size);
    RUN_CHECK(run, code == (entry != NULL ? ALEX_OK : ALEX_NOT_FOUND));
    if (entry != NULL) {
        RUN_CHECK(run, size == entry->size && helper_is_filled(run->buffer, size, entry->seed));
        if (size > 0) {
            RUN_CODE(run, ALEX_TOO_SMALL, alex_get(table->table, key, run->buffer, size - 1, &size));
            RUN_CHECK(run, size == entry->size);
        }
    }
}

/** Any open snapshot, often one begun just now. */
static struct run_snapshot *choose_snapshot(struct run *run)
{
    struct run_snapshot *snapshot = &run->snapshots[helper_random_below(&run->random, RUN_SNAPSHOTS)];
    if (snapshot->txn == NULL) {
        run_begin_snapshot(run);
    }
    return snapshot->txn != NULL ? snapshot : &run->snapshots[0];
}

static void get_many(struct run *run)
{
    enum { COUNT_MAX = 100 };
    int64_t keys[COUNT_MAX];
    struct alex_slice slices[COUNT_MAX];
    struct run_snapshot *snapshot = choose_snapshot(run);
    struct run_table *table = &snapshot->tables[helper_random_below(&run->random, RUN_TABLES)];
    if (snapshot->txn == NULL || !table->exists) {
        return;
    }
    size_t count = helper_random_below(&run->random, COUNT_MAX + 1);
    size_t expected = 0;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        keys[i] = run_choose_key(run);
    }
    RUN_OK(run, alex_txn_get_many(snapshot->txn, table->table, keys, count, slices, &found));
    for (size_t i = 0; i < count; i++) {
        const struct model_entry *entry = model_find(&table->model, keys[i]);
        expected += entry != NULL;
        RUN_CHECK(run, (entry != NULL) == (slices[i].data != NULL));
        if (entry != NULL) {
            RUN_CHECK(run, slices[i].size == entry->size);
            RUN_CHECK(run, helper_is_filled(slices[i].data, slices[i].size, entry->seed));
        }
    }
    RUN_CHECK(run, found == expected);
}

static void choose_range(struct run *run, struct alex_range *out_range)
{
    *out_range = (struct alex_range){
        .has_first = helper_random_below(&run->random, 2) == 0,
        .has_last = helper_random_below(&run->random, 2) == 0,
        .first = run_choose_key(run),
        .last = run_choose_key(run),
        .limit = helper_random_below(&run->random, 3) == 0 ? 1 + helper_random_below(&run->random, 30) : 0,
    };
}

/** Ranks of a range in a model: from `*out_low` to before `*out_high`. */
static void rank_range(const struct model_table *model, const struct alex_range *range, size_t *out_low,
                       size_t *out_high)
{
    *out_low = range->has_first ? model_rank(model, range->first) : 0;
    *out_high = model->count;
    if (range->has_last) {
        *out_high = model_rank(model, range->last);
        *out_high += *out_high < model->count && model->entries[*out_high].key == range->last;
    }
    if (*out_high < *out_low) {
        *out_high = *out_low;
    }
}

static void count_range(struct run *run)
{
    struct run_snapshot *snapshot = choose_snapshot(run);
    struct run_table *table = &snapshot->tables[helper_random_below(&run->random, RUN_TABLES)];
    struct alex_range range;
    size_t low;
    size_t high;
    uint64_t count = 0;
    if (snapshot->txn == NULL || !table->exists) {
        return;
    }
    choose_range(run, &range);
    rank_range(&table->model, &range, &low, &high);
    uint64_t expected = high - low;
    if (range.limit != 0 && expected > range.limit) {
        expected = range.limit;
    }
    RUN_OK(run, alex_txn_count(snapshot->txn, table->table, &range, &count));
    RUN_CHECK(run, count == expected);
}

/** A walk's place in the model: a rank from `low` - 1 (before the range) to `high` (behind it), held one higher. */
struct place {
    size_t low;
    size_t high;
    size_t at; /**< rank + 1 */
};

static void check_move(struct run *run, const struct model_table *model, const struct place *place, int code,
                       const struct alex_entry *entry)
{
    if (place->at <= place->low || place->at > place->high) {
        RUN_CODE(run, ALEX_NOT_FOUND, code);
        return;
    }
    const struct model_entry *expected = &model->entries[place->at - 1];
    RUN_OK(run, code);
    RUN_CHECK(run, entry->key == expected->key);
    RUN_CHECK(run, entry->value.data != NULL && entry->value.size == expected->size);
    RUN_CHECK(run, helper_is_filled(entry->value.data, entry->value.size, expected->seed));
}

/** Positions the cursor anywhere; returns the code. */
static int position(struct run *run, const struct model_table *model, alex_cursor *cursor, struct place *place,
                    struct alex_entry *out_entry)
{
    int64_t key = run_choose_key(run);
    size_t rank = model_rank(model, key);
    bool there = rank < model->count && model->entries[rank].key == key;
    switch (helper_random_below(&run->random, 4)) {
    case 0:
        place->at = place->low < place->high ? place->low + 1 : place->high + 1;
        return alex_cursor_first(cursor, out_entry);
    case 1:
        place->at = place->low < place->high ? place->high : place->low;
        return alex_cursor_last(cursor, out_entry);
    case 2:
        place->at = (rank < place->low ? place->low : rank > place->high ? place->high : rank) + 1;
        return alex_cursor_seek(cursor, key, out_entry);
    default:
        rank += there;
        place->at = rank < place->low ? place->low : rank > place->high ? place->high : rank;
        return alex_cursor_seek_before(cursor, key, out_entry);
    }
}

static void walk(struct run *run)
{
    struct run_snapshot *snapshot = choose_snapshot(run);
    struct run_table *table = &snapshot->tables[helper_random_below(&run->random, RUN_TABLES)];
    struct alex_range range;
    struct alex_entry entry = {0};
    struct place place = {0};
    alex_cursor *cursor = NULL;
    if (snapshot->txn == NULL || !table->exists) {
        return;
    }
    choose_range(run, &range);
    rank_range(&table->model, &range, &place.low, &place.high);
    RUN_OK(run, alex_cursor_open(snapshot->txn, table->table, &range, &cursor));
    for (uint64_t walks = 1 + helper_random_below(&run->random, 4); walks > 0; walks--) {
        check_move(run, &table->model, &place, position(run, &table->model, cursor, &place, &entry), &entry);
        uint64_t steps = helper_random_below(&run->random, 40);
        if (range.limit != 0 && steps >= range.limit) {
            steps = range.limit - 1;
        }
        bool up = helper_random_below(&run->random, 2) == 0;
        for (; steps > 0; steps--) {
            up = helper_random_below(&run->random, 10) == 0 ? !up : up;
            place.at = up ? place.at + (place.at <= place.high) : place.at - (place.at > place.low);
            int code = up ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry);
            check_move(run, &table->model, &place, code, &entry);
        }
    }
    alex_cursor_close(cursor);
}

void run_read_something(struct run *run)
{
    uint64_t way = helper_random_below(&run->random, 100);
    if (way < 70) {
        get(run);
    } else if (way < 80) {
        get_many(run);
    } else if (way < 88) {
        count_range(run);
    } else {
        walk(run);
    }
}

void run_begin_snapshot(struct run *run)
{
    for (int i = 0; i < RUN_SNAPSHOTS; i++) {
        struct run_snapshot *snapshot = &run->snapshots[i];
        if (snapshot->txn == NULL) {
            RUN_OK(run, alex_begin(run->store, ALEX_READ, &snapshot->txn));
            for (int t = 0; t < RUN_TABLES; t++) {
                snapshot->tables[t] = run->tables[t];
                model_copy(&run->tables[t].model, &snapshot->tables[t].model);
            }
            return;
        }
    }
}

static void verify_table(struct run *run, alex_txn *txn, struct run_table *table)
{
    const struct model_table *model = &table->model;
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    uint64_t count = 0;
    bool up = helper_random_below(&run->random, 2) == 0;
    RUN_OK(run, alex_txn_count(txn, table->table, NULL, &count));
    RUN_CHECK(run, count == model->count);
    RUN_OK(run, alex_cursor_open(txn, table->table, NULL, &cursor));
    for (size_t i = 0; i < model->count; i++) {
        const struct model_entry *expected = &model->entries[up ? i : model->count - 1 - i];
        RUN_OK(run, up ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry));
        RUN_CHECK(run, entry.key == expected->key && entry.value.size == expected->size);
        RUN_CHECK(run, helper_is_filled(entry.value.data, entry.value.size, expected->seed));
    }
    RUN_CODE(run, ALEX_NOT_FOUND, up ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry));
    alex_cursor_close(cursor);
    for (int i = 0; i < 20; i++) {
        int64_t key = run_choose_key(run);
        const struct model_entry *expected = model_find(model, key);
        struct alex_slice slice = {0};
        RUN_CODE(run, expected != NULL ? ALEX_OK : ALEX_NOT_FOUND, alex_txn_get(txn, table->table, key, &slice));
        RUN_CHECK(run, expected == NULL || helper_is_filled(slice.data, slice.size, expected->seed));
    }
}

void run_verify_snapshot(struct run *run, struct run_snapshot *snapshot)
{
    for (int t = 0; t < RUN_TABLES; t++) {
        if (snapshot->tables[t].exists) {
            verify_table(run, snapshot->txn, &snapshot->tables[t]);
        }
    }
}

void run_end_snapshot(struct run *run, struct run_snapshot *snapshot)
{
    run_verify_snapshot(run, snapshot);
    RUN_OK(run, alex_end(snapshot->txn));
    snapshot->txn = NULL;
    for (int t = 0; t < RUN_TABLES; t++) {
        model_release(&snapshot->tables[t].model);
    }
}

void run_verify_all(struct run *run)
{
    alex_txn *txn = NULL;
    RUN_OK(run, alex_begin(run->store, ALEX_READ, &txn));
    for (int t = 0; t < RUN_TABLES; t++) {
        if (run->tables[t].exists) {
            verify_table(run, txn, &run->tables[t]);
        }
    }
    RUN_OK(run, alex_end(txn));
}
