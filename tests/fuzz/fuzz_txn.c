/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fuzz_txn.c
 * Fuzz target of write transactions: the input is a script of calls, carried out on a store and on a model beside it.
 *
 * Claims: each call returns what the model says; a transaction reads what it has written, and nobody else does before
 * its commit; what is committed is there after the next opening as well, and nothing else; a check finds nothing.
 *
 * The first byte of an input has options:
 *     bit 0  ALEX_DURABLE_ON_COMMIT
 * Behind it each step has two bytes: what is done, and to which table and key.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"

enum { OPTION_DURABLE = 1, NAMES = 3, SLOTS = 1 + NAMES, KEYS = 16, DEPTH_MAX = 4, VALUE_MAX = 3000 };

/** A table, and the number of the write that gave each key its value; 0: nothing. The first slot is "main". */
struct slot {
    alex_table *handle; /**< NULL: there is no table */
    int name;
    uint32_t of[KEYS];
};

struct model {
    struct slot slots[SLOTS];
};

static const char *const names[NAMES] = {"a", "b", "c"};

static struct {
    const char *path;
    enum alex_durability durability;
    alex_store *store;
    alex_txn *txn; /**< NULL: none is open */
    uint32_t writes;
    struct model committed;
    struct model now;
    struct model saved[DEPTH_MAX];
    size_t depth;
} run;

static int64_t key_of(unsigned place)
{
    return ((int64_t)place - KEYS / 2) * INT64_C(0x0123456789ABCDE);
}

/** Sizes from none to more than waits to be appended with others. */
static size_t size_of(uint32_t write)
{
    return write % 11 == 0 ? VALUE_MAX : 4 + write % 37;
}

static const uint8_t *value_of(uint32_t write)
{
    static uint8_t value[VALUE_MAX];
    for (size_t i = 0; i < size_of(write); i++) {
        value[i] = (uint8_t)(write * 31 + i);
    }
    return value;
}

static void check_value(struct alex_slice value, uint32_t write)
{
    CLAIM(value.size == size_of(write) && memcmp(value.data, value_of(write), value.size) == 0);
}

static struct slot *find(struct model *model, int name)
{
    for (size_t i = 1; i < SLOTS; i++) {
        if (model->slots[i].handle != NULL && model->slots[i].name == name) {
            return &model->slots[i];
        }
    }
    return NULL;
}

static void open_store(void)
{
    struct alex_options options = {.no_background = true, .durability = run.durability};
    CLAIM(alex_open(run.path, &options, &run.store) == ALEX_OK);
    run.committed.slots[0].handle = alex_main_table(run.store);
    for (size_t i = 1; i < SLOTS; i++) {
        struct slot *slot = &run.committed.slots[i];
        if (slot->handle != NULL) {
            const struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
            CLAIM(alex_table_open(run.store, names[slot->name], &existing, &slot->handle) == ALEX_OK);
        }
    }
}

/** Compares all that a transaction reads with a model. */
static void check_content(alex_txn *txn, const struct model *model)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *slot = &model->slots[i];
        for (unsigned place = 0; place < KEYS && slot->handle != NULL; place++) {
            struct alex_slice value;
            int code = alex_txn_get(txn, slot->handle, key_of(place), &value);
            CLAIM(code == (slot->of[place] != 0 ? ALEX_OK : ALEX_NOT_FOUND));
            if (code == ALEX_OK) {
                check_value(value, slot->of[place]);
            }
        }
    }
}

/** Compares what everyone sees with what is committed. */
static void check_store(void)
{
    alex_txn *txn;
    CLAIM(alex_begin(run.store, ALEX_READ, &txn) == ALEX_OK);
    check_content(txn, &run.committed);
    CLAIM(alex_end(txn) == ALEX_OK);
    for (int name = 0; name < NAMES; name++) {
        const struct alex_table_options existing = {.mode = ALEX_MUST_EXIST};
        alex_table *table = NULL;
        const struct slot *slot = find(&run.committed, name);
        int code = alex_table_open(run.store, names[name], &existing, &table);
        CLAIM(slot != NULL ? code == ALEX_OK && table == slot->handle : code == ALEX_NOT_FOUND);
    }
}

static void reopen(void)
{
    struct alex_check_report report;
    CLAIM(alex_check(run.store, NULL, NULL, &report) == ALEX_OK && report.findings == 0);
    CLAIM(alex_close(run.store) == ALEX_OK);
    open_store();
    check_store();
}

/* ------------------------------------------------------------------------------------------------ in a transaction */

static void put(struct slot *slot, unsigned place, bool if_absent)
{
    uint32_t write = ++run.writes;
    bool replaced = false;
    if (if_absent) {
        int code = alex_txn_put_if_absent(run.txn, slot->handle, key_of(place), value_of(write), size_of(write));
        CLAIM(code == (slot->of[place] != 0 ? ALEX_EXISTS : ALEX_OK));
        write = slot->of[place] != 0 ? slot->of[place] : write;
    } else if (write % 3 == 0) {
        CLAIM(alex_txn_put(run.txn, slot->handle, key_of(place), value_of(write), size_of(write), &replaced) ==
              ALEX_OK);
        CLAIM(replaced == (slot->of[place] != 0));
    } else {
        CLAIM(alex_txn_put(run.txn, slot->handle, key_of(place), value_of(write), size_of(write), NULL) == ALEX_OK);
    }
    slot->of[place] = write;
}

static void delete_key(struct slot *slot, unsigned place)
{
    int code = alex_txn_delete(run.txn, slot->handle, key_of(place));
    CLAIM(code == (slot->of[place] != 0 ? ALEX_OK : ALEX_NOT_FOUND));
    slot->of[place] = 0;
}

static void delete_range(struct slot *slot, unsigned first)
{
    const struct alex_range range = {.has_first = true, .first = key_of(first)};
    uint64_t deleted = 0;
    uint64_t expected = 0;
    for (unsigned place = first; place < KEYS; place++) {
        expected += slot->of[place] != 0;
        slot->of[place] = 0;
    }
    CLAIM(alex_txn_delete_range(run.txn, slot->handle, &range, &deleted) == ALEX_OK);
    CLAIM(deleted == expected);
}

/** Goes through a table with a cursor, in either direction, and deletes what it meets first. */
static void walk(struct slot *slot, unsigned first, bool up)
{
    alex_cursor *cursor;
    struct alex_entry entry;
    CLAIM(alex_cursor_open(run.txn, slot->handle, NULL, &cursor) == ALEX_OK);
    int code = up ? alex_cursor_seek(cursor, key_of(first), &entry) : alex_cursor_last(cursor, &entry);
    bool deletes = up && code == ALEX_OK;
    for (unsigned i = up ? first : 0; i < KEYS; i++) {
        unsigned place = up ? i : KEYS - 1 - i;
        if (slot->of[place] == 0) {
            continue;
        }
        CLAIM(code == ALEX_OK && entry.key == key_of(place));
        check_value(entry.value, slot->of[place]);
        if (deletes) {
            CLAIM(alex_cursor_delete(cursor) == ALEX_OK);
            slot->of[place] = 0;
            deletes = false;
        }
        code = up ? alex_cursor_next(cursor, &entry) : alex_cursor_previous(cursor, &entry);
    }
    CLAIM(code == ALEX_NOT_FOUND);
    alex_cursor_close(cursor);
}

static void count(const struct slot *slot)
{
    uint64_t counted;
    uint64_t expected = 0;
    for (unsigned place = 0; place < KEYS; place++) {
        expected += slot->of[place] != 0;
    }
    CLAIM(alex_txn_count(run.txn, slot->handle, NULL, &counted) == ALEX_OK && counted == expected);
}

/* ------------------------------------------------------------------------------------------------ tables */

/** Makes a table, in the transaction if there is one. */
static void make_table(struct model *model, int name)
{
    const struct alex_table_options options = {.mode = ALEX_MUST_BE_NEW};
    alex_table *table;
    int code = run.txn != NULL ? alex_txn_table_open(run.txn, names[name], &options, &table)
                               : alex_table_open(run.store, names[name], &options, &table);
    CLAIM(code == (find(model, name) != NULL ? ALEX_EXISTS : ALEX_OK));
    if (code == ALEX_OK) {
        struct slot *slot = &model->slots[1];
        while (slot->handle != NULL) {
            slot++;
        }
        *slot = (struct slot){.handle = table, .name = name};
    }
}

static void rename_table(struct model *model, int name, int to)
{
    struct slot *slot = find(model, name);
    const struct slot *other = find(model, to);
    int code = run.txn != NULL ? alex_txn_table_rename(run.txn, names[name], names[to])
                               : alex_table_rename(run.store, names[name], names[to]);
    CLAIM(code == (slot == NULL ? ALEX_NOT_FOUND : other != NULL && other != slot ? ALEX_EXISTS : ALEX_OK));
    if (code == ALEX_OK) {
        slot->name = to;
    }
}

static void drop_table(struct model *model, int name)
{
    struct slot *slot = find(model, name);
    int code = run.txn != NULL ? alex_txn_table_drop(run.txn, names[name]) : alex_table_drop(run.store, names[name]);
    CLAIM(code == (slot != NULL ? ALEX_OK : ALEX_NOT_FOUND));
    if (slot != NULL) {
        slot->handle = NULL;
    }
}

/* ------------------------------------------------------------------------------------------------ steps */

static void begin(void)
{
    CLAIM(alex_begin(run.store, ALEX_WRITE, &run.txn) == ALEX_OK);
    run.now = run.committed;
    run.depth = 0;
}

static void end(bool commits)
{
    CLAIM((commits ? alex_commit(run.txn) : alex_end(run.txn)) == ALEX_OK);
    run.txn = NULL;
    if (commits) {
        run.committed = run.now;
    }
}

/** A step with the store, a transaction aside. */
static void step_outside(unsigned what, unsigned place)
{
    struct slot *slot = &run.committed.slots[what / 8 % SLOTS];
    uint32_t write;
    switch (what % 8) {
    case 0:
        if (slot->handle != NULL) {
            write = ++run.writes;
            CLAIM(alex_put(slot->handle, key_of(place), value_of(write), size_of(write), NULL) == ALEX_OK);
            slot->of[place] = write;
        }
        break;
    case 1:
        reopen();
        break;
    case 2:
        make_table(&run.committed, (int)(place % NAMES));
        break;
    case 3:
        rename_table(&run.committed, (int)(place % NAMES), (int)(what / 8 % NAMES));
        break;
    case 4:
        drop_table(&run.committed, (int)(place % NAMES));
        break;
    default:
        begin();
    }
}

static void step_inside(unsigned what, unsigned place)
{
    struct slot *slot = &run.now.slots[what / 16 % SLOTS];
    uint64_t number;
    slot = slot->handle != NULL ? slot : &run.now.slots[0];
    switch (what % 16) {
    case 0:
        if (run.depth < DEPTH_MAX) {
            CLAIM(alex_savepoint(run.txn, &number) == ALEX_OK && number == run.depth + 1);
            run.saved[run.depth++] = run.now;
        }
        break;
    case 1:
        if (run.depth > 0) {
            run.depth = 1 + place % run.depth;
            CLAIM(alex_rollback_to(run.txn, run.depth) == ALEX_OK);
            run.now = run.saved[run.depth - 1];
        }
        break;
    case 2:
        if (run.depth > 0) {
            run.depth = place % run.depth;
            CLAIM(alex_release(run.txn, run.depth + 1) == ALEX_OK);
        }
        break;
    case 3:
        end(place % 4 != 0);
        break;
    case 4:
        make_table(&run.now, (int)(place % NAMES));
        break;
    case 5:
        rename_table(&run.now, (int)(place % NAMES), (int)(what / 16 % NAMES));
        break;
    case 6:
        drop_table(&run.now, (int)(place % NAMES));
        break;
    case 7:
        check_content(run.txn, &run.now);
        check_store();
        break;
    case 8:
        delete_range(slot, place);
        break;
    case 9:
        walk(slot, place, what / 16 % 2 == 0);
        break;
    case 10:
        count(slot);
        break;
    case 11:
    case 12:
        delete_key(slot, place);
        break;
    default:
        put(slot, place, what % 16 == 13);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    memset(&run, 0, sizeof run);
    run.path = scratch_clear();
    run.durability = (data[0] & OPTION_DURABLE) != 0 ? ALEX_DURABLE_ON_COMMIT : ALEX_DURABLE_ON_SYNC;
    open_store();
    for (size_t i = 1; i + 2 <= size; i += 2) {
        if (run.txn != NULL) {
            step_inside(data[i], data[i + 1] % KEYS);
        } else {
            step_outside(data[i], data[i + 1] % KEYS);
        }
    }
    if (run.txn != NULL) {
        end(size % 2 == 0);
    }
    check_store();
    reopen();
    CLAIM(alex_close(run.store) == ALEX_OK);
    return 0;
}
