/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file history.c
 * What a store may hold after a crash; see history.h.
 */
#include "crash/history.h"

#include <unistd.h>

#include "log/log.h"
#include "store/store.h"

/** Names of the second table. */
enum { NAMES = 2 };
static const char *const names[1 + NAMES] = {NULL, "second", "third"};

static size_t size_of(const struct history *history, uint32_t version)
{
    return version % 7 == 0 ? 0 : (size_t)version * 977 % history->value_bytes;
}

static const void *value_of(const struct history *history, uint32_t version, unsigned char *buffer)
{
    helper_fill(buffer, size_of(history, version), version);
    return buffer;
}

static int64_t key_of(size_t index)
{
    return (int64_t)index * 1000003 - 7;
}

void history_begin(struct history *history, uint64_t seed, uint32_t operations)
{
    *history = (struct history){.random = {seed}, .capacity = operations + 1, .value_bytes = HISTORY_VALUE_BYTES};
    history->states = calloc(history->capacity, sizeof *history->states);
    assert_non_null(history->states);
}

void history_release(struct history *history)
{
    free(history->states);
    history->states = NULL;
}

void history_go_back(struct history *history, uint32_t state)
{
    history->issued = state;
}

/* ---- comparing */

static bool table_holds(const struct history *history, alex_table *table, const uint32_t *versions)
{
    unsigned char expected[HISTORY_VALUE_BYTES];
    unsigned char found[HISTORY_VALUE_BYTES];
    for (size_t i = 0; i < HISTORY_KEYS; i++) {
        size_t size = 0;
        int code = alex_get(table, key_of(i), found, sizeof found, &size);
        bool right = versions[i] == 0 ? code == ALEX_NOT_FOUND
                                      : code == ALEX_OK && size == size_of(history, versions[i]) &&
                                            memcmp(found, value_of(history, versions[i], expected), size) == 0;
        if (!right) {
            return false;
        }
    }
    return true;
}

/** A table by a name of the second one's, or NULL. */
static alex_table *table_named(alex_store *store, size_t name)
{
    struct alex_table_options there = {.mode = ALEX_MUST_EXIST};
    alex_table *table = NULL;
    (void)alex_table_open(store, names[name], &there, &table);
    return table;
}

/** Whether the second table is what it should be, and under no other name. */
static bool second_holds(const struct history *history, alex_store *store, const struct state *state)
{
    for (size_t name = 1; name <= NAMES; name++) {
        alex_table *table = table_named(store, name);
        if ((table != NULL) != (state->second == name) ||
            (table != NULL && !table_holds(history, table, state->versions[1]))) {
            return false;
        }
    }
    return true;
}

uint32_t history_held(const struct history *history, alex_store *store, uint32_t least, uint32_t greatest)
{
    for (uint32_t i = greatest + 1; i-- > least;) {
        const struct state *state = &history->states[i];
        if (table_holds(history, alex_main_table(store), state->versions[0]) && second_holds(history, store, state)) {
            return i;
        }
    }
    return HISTORY_NONE;
}

/* ---- operations */

/** Adds a state, the same as the one before. */
static struct state *add_state(struct history *history)
{
    assert_true(history->issued + 1 < history->capacity);
    history->states[history->issued + 1] = history->states[history->issued];
    history->issued++;
    return &history->states[history->issued];
}

static alex_table *table_at(alex_store *store, const struct state *state, size_t table)
{
    return table == 0 ? alex_main_table(store) : table_named(store, state->second);
}

static int put(struct history *history, alex_store *store, struct state *state, size_t table, size_t key)
{
    unsigned char value[HISTORY_VALUE_BYTES];
    uint32_t version = ++history->version;
    state->versions[table][key] = version;
    return store == NULL ? ALEX_OK
                         : alex_put(table_at(store, state, table), key_of(key), value_of(history, version, value),
                                    size_of(history, version), NULL);
}

static size_t choose_table(struct history *history, const struct state *state)
{
    return state->second != 0 ? helper_random_below(&history->random, HISTORY_TABLES) : 0;
}

/** Puts, or deletes what is there. */
static int change_one(struct history *history, alex_store *store, struct state *state)
{
    size_t table = choose_table(history, state);
    size_t key = helper_random_below(&history->random, HISTORY_KEYS);
    if (state->versions[table][key] == 0 || helper_random_below(&history->random, 3) != 0) {
        return put(history, store, state, table, key);
    }
    state->versions[table][key] = 0;
    return store == NULL ? ALEX_OK : alex_delete(table_at(store, state, table), key_of(key));
}

static int change_many(struct history *history, alex_store *store, struct state *state)
{
    enum { COUNT = 6 };
    unsigned char values[COUNT][HISTORY_VALUE_BYTES];
    struct alex_op ops[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t table = choose_table(history, state);
        size_t key = helper_random_below(&history->random, HISTORY_KEYS);
        ops[i] = (struct alex_op){
            ALEX_OP_DELETE, store != NULL ? table_at(store, state, table) : NULL, key_of(key), {NULL, 0}};
        if (helper_random_below(&history->random, 4) == 0) {
            state->versions[table][key] = 0;
            continue;
        }
        uint32_t version = ++history->version;
        state->versions[table][key] = version;
        ops[i].kind = ALEX_OP_PUT;
        ops[i].value = (struct alex_slice){value_of(history, version, values[i]), size_of(history, version)};
    }
    return store == NULL ? ALEX_OK : alex_write(store, ops, COUNT);
}

/** A table as the transaction has it. */
static int table_in(alex_txn *txn, const struct state *state, size_t table, alex_table **out_table)
{
    struct alex_table_options there = {.mode = ALEX_MUST_EXIST};
    return alex_txn_table_open(txn, table == 0 ? "main" : names[state->second], &there, out_table);
}

/** One write in a transaction: a put or a delete. */
static int write_in(struct history *history, alex_txn *txn, struct state *state)
{
    unsigned char value[HISTORY_VALUE_BYTES];
    size_t table = choose_table(history, state);
    size_t key = helper_random_below(&history->random, HISTORY_KEYS);
    uint32_t *version = &state->versions[table][key];
    bool deletes = *version != 0 && helper_random_below(&history->random, 3) == 0;
    alex_table *handle = NULL;
    int code = txn != NULL ? table_in(txn, state, table, &handle) : ALEX_OK;
    *version = deletes ? 0 : ++history->version;
    if (txn == NULL || code != ALEX_OK) {
        return code;
    }
    return deletes ? alex_txn_delete(txn, handle, key_of(key))
                   : alex_txn_put(txn, handle, key_of(key), value_of(history, *version, value),
                                  size_of(history, *version), NULL);
}

/** Another name for the second table. */
static size_t choose_name(struct history *history, const struct state *state)
{
    size_t name = 1 + helper_random_below(&history->random, NAMES);
    return name != state->second ? name : name % NAMES + 1;
}

/** Makes the second table in a transaction, renames or drops it. */
static int change_tables_in(struct history *history, alex_txn *txn, struct state *state)
{
    alex_table *table;
    size_t before = state->second;
    size_t name = choose_name(history, state);
    if (before == 0) {
        state->second = name;
        return txn != NULL ? alex_txn_table_open(txn, names[name], NULL, &table) : ALEX_OK;
    }
    if (helper_random_below(&history->random, 2) == 0) {
        state->second = name;
        return txn != NULL ? alex_txn_table_rename(txn, names[before], names[name]) : ALEX_OK;
    }
    state->second = 0;
    memset(state->versions[1], 0, sizeof state->versions[1]);
    return txn != NULL ? alex_txn_table_drop(txn, names[before]) : ALEX_OK;
}

/** A transaction with a savepoint to which it may go back, and which may be given up. */
static int transact(struct history *history, alex_store *store, struct state *state)
{
    const struct state before = *state;
    struct state saved = *state;
    uint64_t savepoint = 0;
    alex_txn *txn = NULL;
    int code = store == NULL ? ALEX_OK : alex_begin(store, ALEX_WRITE, &txn);
    for (uint64_t i = helper_random_below(&history->random, 40); i > 0 && code == ALEX_OK; i--) {
        uint64_t way = helper_random_below(&history->random, 10);
        if (way == 0 && savepoint == 0) {
            savepoint = 1;
            saved = *state;
            code = store == NULL ? ALEX_OK : alex_savepoint(txn, &savepoint);
        } else if (way == 1 && savepoint != 0) {
            *state = saved;
            code = store == NULL ? ALEX_OK : alex_rollback_to(txn, savepoint);
        } else if (way == 2) {
            code = change_tables_in(history, txn, state);
        } else {
            code = write_in(history, txn, state);
        }
    }
    if (helper_random_below(&history->random, 4) == 0) {
        *state = before;
        return store == NULL ? ALEX_OK : alex_end(txn);
    }
    if (store != NULL && code == ALEX_OK) {
        return alex_commit(txn);
    }
    (void)alex_end(txn);
    return code;
}

static int load(struct history *history, alex_store *store, struct state *state)
{
    unsigned char value[HISTORY_VALUE_BYTES];
    alex_loader *loader = NULL;
    int code = store == NULL ? ALEX_OK : alex_loader_open(alex_main_table(store), &loader);
    for (size_t key = 0; key < HISTORY_KEYS; key += 1 + helper_random_below(&history->random, 4)) {
        uint32_t version = ++history->version;
        state->versions[0][key] = version;
        if (store != NULL && code == ALEX_OK) {
            code = alex_loader_add(loader, key_of(key), value_of(history, version, value), size_of(history, version));
        }
    }
    if (store != NULL && code == ALEX_OK) {
        code = alex_loader_commit(loader, NULL, NULL);
    }
    alex_loader_close(loader);
    return code;
}

/** Makes the second table, renames or drops it. */
static int change_tables(struct history *history, alex_store *store, struct state *state)
{
    alex_table *table;
    size_t before = state->second;
    size_t name = choose_name(history, state);
    bool renames = before != 0 && helper_random_below(&history->random, 3) == 0;
    state->second = before == 0 || renames ? name : 0;
    if (renames) {
        return store != NULL ? alex_table_rename(store, names[before], names[name]) : ALEX_OK;
    }
    memset(state->versions[1], 0, sizeof state->versions[1]);
    if (store == NULL) {
        return ALEX_OK;
    }
    return before == 0 ? alex_table_open(store, names[name], NULL, &table) : alex_table_drop(store, names[before]);
}

int history_put(struct history *history, alex_store *store)
{
    return put(history, store, add_state(history), 0, helper_random_below(&history->random, HISTORY_KEYS));
}

int history_operate(struct history *history, alex_store *store)
{
    struct state *state = add_state(history);
    if (history->transacts) {
        return transact(history, store, state);
    }
    uint64_t way = helper_random_below(&history->random, 100);
    if (way < 66) {
        return change_one(history, store, state);
    }
    if (way < 78) {
        return change_many(history, store, state);
    }
    if (way < 86) {
        return transact(history, store, state);
    }
    return way < 91 ? load(history, store, state) : change_tables(history, store, state);
}

int history_make_durable(alex_store *store, enum alex_durability durability)
{
    struct log *log = store_log(store);
    struct log_description description = {0};
    if (durability != ALEX_DURABLE_WITHIN_INTERVAL) {
        return durability == ALEX_DURABLE_ON_SYNC ? alex_sync(store) : ALEX_OK;
    }
    do {
        (void)usleep(100);
        if (log_describe(log, &description) != ALEX_OK) {
            return ALEX_NO_MEMORY;
        }
        base_free(description.segments);
    } while (log_position_compare(description.durable, log_end(log)) < 0);
    return ALEX_OK;
}
