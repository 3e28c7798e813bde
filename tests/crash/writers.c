/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writers.c
 * Several threads that write to one store; see writers.h.
 */
#include "crash/writers.h"

#include <inttypes.h>
#include <stdio.h>

enum { OWN_ITEMS_MAX = 5, ITEMS_MAX = OWN_ITEMS_MAX + WRITERS_COMMON_KEYS, VALUE_BYTES_MAX = 2000 };

/** Own keys of one index lie together, and so many apart; the last of them is a common key, or nobody's. */
#define KEY_STRIDE 64
#define KEY_FIRST (-100)

/** What a write does to one key. */
struct item {
    bool is_delete;
    bool is_common;
    uint32_t key; /**< its index among the writer's, or among the common ones */
};

struct write {
    enum { WRITE_SINGLE, WRITE_BATCH, WRITE_LOAD } way;
    size_t count;
    struct item items[ITEMS_MAX];
};

/** Of each writer the writes that are there for certain, and up to which they may be. */
struct bounds {
    struct writers_numbers low;
    struct writers_numbers high;
};

/* ---- what a write does */

static struct write write_of(const struct writers *writers, uint32_t writer, uint32_t number)
{
    struct helper_random random = {writers->seed ^ ((uint64_t)(writer + 1) << 32 | number)};
    struct write write = {.count = 1};
    uint64_t choice = helper_random_below(&random, 100);
    if (choice < 75) {
        write.items[0].is_delete = choice < 15;
        write.items[0].is_common = choice >= 65;
        uint32_t keys = write.items[0].is_common ? WRITERS_COMMON_KEYS : WRITERS_KEYS;
        write.items[0].key = (uint32_t)helper_random_below(&random, keys);
        return write;
    }
    write.way = choice < 97 ? WRITE_BATCH : WRITE_LOAD;
    write.count = 1 + helper_random_below(&random, OWN_ITEMS_MAX);
    for (size_t i = 0; i < write.count; i++) {
        write.items[i].key = (uint32_t)helper_random_below(&random, WRITERS_KEYS);
        write.items[i].is_delete = write.way == WRITE_BATCH && helper_random_below(&random, 4) == 0;
    }
    bool writes_common = helper_random_below(&random, 2) == 0;
    for (uint32_t key = 0; key < WRITERS_COMMON_KEYS && writes_common; key++) {
        write.items[write.count++] = (struct item){.is_common = true, .key = key};
    }
    return write;
}

static int64_t key_of(uint32_t writer, const struct item *item)
{
    return KEY_FIRST + (int64_t)item->key * KEY_STRIDE + (item->is_common ? KEY_STRIDE - 1 : (int64_t)writer);
}

/** Every value begins with its writer, number and key; the rest follows from these. */
struct label {
    uint32_t writer;
    uint32_t number;
    int64_t key;
};

static uint64_t seed_of(const struct label *label)
{
    struct helper_random random = {((uint64_t)label->writer << 32 | label->number) ^ (uint64_t)label->key << 16};
    return helper_random_next(&random);
}

static size_t size_of(const struct label *label)
{
    return sizeof *label + seed_of(label) % (VALUE_BYTES_MAX - sizeof *label);
}

static struct alex_slice make_value(const struct label *label, unsigned char *buffer)
{
    size_t size = size_of(label);
    memcpy(buffer, label, sizeof *label);
    helper_fill(buffer + sizeof *label, size - sizeof *label, seed_of(label));
    return (struct alex_slice){buffer, size};
}

static bool is_value(const struct label *label, const struct alex_slice *value)
{
    return value->size == size_of(label) && helper_is_filled((const unsigned char *)value->data + sizeof *label,
                                                             value->size - sizeof *label, seed_of(label));
}

/* ---- writing */

void writers_begin(struct writers *writers, uint64_t seed, uint32_t count, struct writers_progress *progress)
{
    assert_true(count <= WRITERS_MAX);
    *writers = (struct writers){.seed = seed, .count = count, .progress = progress};
    memset(progress, 0, sizeof *progress);
}

void writers_go_on(struct writers *writers, const struct writers_held *held)
{
    struct writers_progress *progress = writers->progress;
    writers_issued(writers, &writers->base_number); /* what was lost of them is not written again */
    writers->base = *held;
    memset(progress, 0, sizeof *progress);
    for (uint32_t i = 0; i < writers->count; i++) {
        atomic_store(&progress->of[i].issued, writers->base_number.of[i]);
        atomic_store(&progress->of[i].done, writers->base_number.of[i]);
        atomic_store(&progress->of[i].seen, writers->base_number.of[i]);
    }
}

static struct writers_times *times_of(const struct writers *writers, uint32_t writer, uint32_t number)
{
    return &writers->progress->of[writer].times[number - writers->base_number.of[writer] - 1];
}

static uint64_t tick(struct writers_progress *progress)
{
    return atomic_fetch_add(&progress->clock, 1) + 1;
}

static int load(alex_table *table, const struct alex_op *ops, size_t count)
{
    alex_loader *loader = NULL;
    int code = alex_loader_open(table, &loader);
    for (size_t i = 0; i < count && code == ALEX_OK; i++) {
        code = alex_loader_add(loader, ops[i].key, ops[i].value.data, ops[i].value.size);
    }
    if (code == ALEX_OK) {
        code = alex_loader_commit(loader, NULL, NULL);
    }
    alex_loader_close(loader);
    return code;
}

static int carry_out(const struct write *write, uint32_t writer, uint32_t number, alex_store *store)
{
    unsigned char values[ITEMS_MAX][VALUE_BYTES_MAX];
    struct alex_op ops[ITEMS_MAX];
    alex_table *table = alex_main_table(store);
    for (size_t i = 0; i < write->count; i++) {
        const struct item *item = &write->items[i];
        struct label label = {writer, number, key_of(writer, item)};
        ops[i] = (struct alex_op){ALEX_OP_DELETE, table, label.key, {NULL, 0}};
        if (!item->is_delete) {
            ops[i].kind = ALEX_OP_PUT;
            ops[i].value = make_value(&label, values[i]);
        }
    }
    if (write->way != WRITE_SINGLE) {
        return write->way == WRITE_BATCH ? alex_write(store, ops, write->count) : load(table, ops, write->count);
    }
    if (ops[0].kind == ALEX_OP_PUT) {
        return alex_put(table, ops[0].key, ops[0].value.data, ops[0].value.size, NULL);
    }
    int code = alex_delete(table, ops[0].key);
    return code == ALEX_NOT_FOUND ? ALEX_OK : code;
}

int writers_write(const struct writers *writers, uint32_t writer, alex_store *store)
{
    struct writers_progress *progress = writers->progress;
    uint32_t number = atomic_load(&progress->of[writer].issued) + 1;
    struct writers_times *times = times_of(writers, writer, number);
    struct write write = write_of(writers, writer, number);
    atomic_store(&times->begun, tick(progress));
    atomic_store(&progress->of[writer].issued, number);
    int code = carry_out(&write, writer, number, store);
    if (code == ALEX_OK) {
        atomic_store(&times->ended, tick(progress));
        atomic_store(&progress->of[writer].done, number);
        (void)atomic_fetch_add(&progress->writes, 1);
    }
    return code;
}

void writers_done(const struct writers *writers, struct writers_numbers *out_numbers)
{
    for (uint32_t i = 0; i < writers->count; i++) {
        out_numbers->of[i] = atomic_load(&writers->progress->of[i].done);
    }
}

void writers_visible(const struct writers *writers, struct writers_numbers *out_numbers)
{
    for (uint32_t i = 0; i < writers->count; i++) {
        uint32_t done = atomic_load(&writers->progress->of[i].done);
        uint32_t seen = atomic_load(&writers->progress->of[i].seen);
        out_numbers->of[i] = done > seen ? done : seen;
    }
}

void writers_issued(const struct writers *writers, struct writers_numbers *out_numbers)
{
    for (uint32_t i = 0; i < writers->count; i++) {
        out_numbers->of[i] = atomic_load(&writers->progress->of[i].issued);
    }
}

void writers_see(const struct writers *writers, const struct writers_numbers *seen)
{
    for (uint32_t i = 0; i < writers->count; i++) {
        uint32_t before = atomic_load(&writers->progress->of[i].seen);
        while (before < seen->of[i] &&
               !atomic_compare_exchange_weak(&writers->progress->of[i].seen, &before, seen->of[i])) {
        }
    }
}

/* ---- what a store holds */

/** Notes an entry. @return whether it was ever written */
static bool note_entry(const struct writers *writers, const struct alex_entry *entry, struct writers_held *held)
{
    struct label label;
    int64_t place = entry->key - KEY_FIRST;
    if (place < 0 || entry->value.size < sizeof label) {
        return false;
    }
    memcpy(&label, entry->value.data, sizeof label);
    bool is_common = place % KEY_STRIDE == KEY_STRIDE - 1;
    int64_t keys = is_common ? WRITERS_COMMON_KEYS : WRITERS_KEYS;
    if (label.key != entry->key || label.number == 0 || label.writer >= writers->count || place / KEY_STRIDE >= keys ||
        (!is_common && place % KEY_STRIDE != label.writer) || !is_value(&label, &entry->value)) {
        return false;
    }
    if (is_common) {
        held->common[place / KEY_STRIDE] = (struct writers_name){label.writer, label.number};
    } else {
        held->own[label.writer][place / KEY_STRIDE] = label.number;
    }
    return true;
}

/** Reads all that a store holds. @return false: something was never written, or can't be read */
static bool read_held(const struct writers *writers, alex_store *store, struct writers_held *out_held, char *out_wrong)
{
    alex_txn *txn = NULL;
    alex_cursor *cursor = NULL;
    struct alex_entry entry;
    bool right = true;
    memset(out_held, 0, sizeof *out_held);
    int code = alex_begin(store, ALEX_READ, &txn);
    if (code == ALEX_OK) {
        code = alex_cursor_open(txn, alex_main_table(store), NULL, &cursor);
    }
    if (code == ALEX_OK) {
        code = alex_cursor_first(cursor, &entry);
    }
    while (code == ALEX_OK && right) {
        right = note_entry(writers, &entry, out_held);
        if (!right) {
            (void)snprintf(out_wrong, WRITERS_TEXT_BYTES, "key %" PRId64 " has what was never written to it",
                           entry.key);
        }
        code = alex_cursor_next(cursor, &entry);
    }
    alex_cursor_close(cursor);
    (void)alex_end(txn);
    if (right && code != ALEX_NOT_FOUND) {
        (void)snprintf(out_wrong, WRITERS_TEXT_BYTES, "reading is %s", alex_code_name(code));
        return false;
    }
    return right;
}

/** Finds up to which of a writer's writes its own keys are as they should be. */
static bool find_bounds(const struct writers *writers, uint32_t writer, const struct writers_held *held, uint32_t least,
                        uint32_t greatest, struct bounds *bounds)
{
    uint32_t own[WRITERS_KEYS];
    bool found = false;
    memcpy(own, writers->base.own[writer], sizeof own);
    for (uint32_t number = writers->base_number.of[writer]; number <= greatest; number++) {
        if (number > writers->base_number.of[writer]) {
            struct write write = write_of(writers, writer, number);
            for (size_t i = 0; i < write.count; i++) {
                const struct item *item = &write.items[i];
                own[item->key] = item->is_common ? own[item->key] : item->is_delete ? 0 : number;
            }
        }
        if (number >= least && memcmp(own, held->own[writer], sizeof own) == 0) {
            bounds->low.of[writer] = found ? bounds->low.of[writer] : number;
            bounds->high.of[writer] = number;
            found = true;
        }
    }
    return found;
}

/** Whether a common key has a value that it may have, by that alone. The write that gave it is there, then.
 *  @param out_ended  when that write had ended; 0: before these writers began */
static bool judge_common(const struct writers *writers, const struct writers_held *held, uint32_t key,
                         struct bounds *bounds, uint64_t *out_ended)
{
    struct writers_name name = held->common[key];
    struct writers_name base = writers->base.common[key];
    *out_ended = 0;
    if (name.writer == base.writer && name.number == base.number) {
        return true;
    }
    if (name.number <= writers->base_number.of[name.writer] || name.number > bounds->high.of[name.writer]) {
        return false;
    }
    struct write write = write_of(writers, name.writer, name.number);
    bool writes = false;
    for (size_t i = 0; i < write.count; i++) {
        writes |= write.items[i].is_common && write.items[i].key == key;
    }
    if (bounds->low.of[name.writer] < name.number) {
        bounds->low.of[name.writer] = name.number;
    }
    uint64_t ended = atomic_load(&times_of(writers, name.writer, name.number)->ended);
    *out_ended = ended != 0 ? ended : UINT64_MAX;
    return writes;
}

/** Whether no common key has the value of a write after whose end another began that is there. */
static bool judge_order(const struct writers *writers, const struct writers_held *held, const struct bounds *bounds,
                        const uint64_t *ended, char *out_wrong)
{
    for (uint32_t writer = 0; writer < writers->count; writer++) {
        for (uint32_t number = writers->base_number.of[writer] + 1; number <= bounds->low.of[writer]; number++) {
            struct write write = write_of(writers, writer, number);
            uint64_t begun = atomic_load(&times_of(writers, writer, number)->begun);
            for (size_t i = 0; i < write.count; i++) {
                const struct item *item = &write.items[i];
                if (item->is_common && begun > ended[item->key]) {
                    (void)snprintf(out_wrong, WRITERS_TEXT_BYTES,
                                   "common key %" PRIu32 " has write %" PRIu32 " of writer %" PRIu32
                                   ", not the later write %" PRIu32 " of writer %" PRIu32 ", which is there",
                                   item->key, held->common[item->key].number, held->common[item->key].writer, number,
                                   writer);
                    return false;
                }
            }
        }
    }
    return true;
}

/** Whether nothing is there without what had ended before it began. */
static bool judge_prefix(const struct writers *writers, const struct bounds *bounds,
                         const struct writers_numbers *greatest, char *out_wrong)
{
    for (uint32_t writer = 0; writer < writers->count; writer++) {
        uint32_t last = bounds->low.of[writer];
        if (last == writers->base_number.of[writer]) {
            continue;
        }
        uint64_t begun = atomic_load(&times_of(writers, writer, last)->begun);
        for (uint32_t other = 0; other < writers->count; other++) {
            uint32_t absent = bounds->high.of[other] + 1;
            uint64_t ended = absent <= greatest->of[other] ? atomic_load(&times_of(writers, other, absent)->ended) : 0;
            if (ended != 0 && ended < begun) {
                (void)snprintf(out_wrong, WRITERS_TEXT_BYTES,
                               "write %" PRIu32 " of writer %" PRIu32 " is there, write %" PRIu32 " of writer %" PRIu32
                               ", which had ended before it, is not",
                               last, writer, absent, other);
                return false;
            }
        }
    }
    return true;
}

bool writers_hold(const struct writers *writers, alex_store *store, const struct writers_numbers *least,
                  const struct writers_numbers *greatest, struct writers_numbers *out_present,
                  struct writers_held *out_held, char *out_wrong)
{
    struct writers_held held;
    struct writers_numbers issued;
    struct bounds bounds = {0};
    uint64_t ended[WRITERS_COMMON_KEYS];
    if (!read_held(writers, store, &held, out_wrong)) {
        return false;
    }
    writers_issued(writers, &issued);
    greatest = greatest != NULL ? greatest : &issued;
    for (uint32_t i = 0; i < writers->count; i++) {
        if (!find_bounds(writers, i, &held, least->of[i], greatest->of[i], &bounds)) {
            (void)snprintf(out_wrong, WRITERS_TEXT_BYTES,
                           "writer %" PRIu32 "'s keys are not as any of its writes %" PRIu32 " to %" PRIu32
                           " left them",
                           i, least->of[i], greatest->of[i]);
            return false;
        }
    }
    for (uint32_t key = 0; key < WRITERS_COMMON_KEYS; key++) {
        if (!judge_common(writers, &held, key, &bounds, &ended[key])) {
            (void)snprintf(out_wrong, WRITERS_TEXT_BYTES,
                           "common key %" PRIu32 " has write %" PRIu32 " of writer %" PRIu32 ", which is not there",
                           key, held.common[key].number, held.common[key].writer);
            return false;
        }
    }
    if (out_present != NULL) {
        *out_present = bounds.low;
    }
    if (out_held != NULL) {
        *out_held = held;
    }
    return judge_order(writers, &held, &bounds, ended, out_wrong) &&
           judge_prefix(writers, &bounds, greatest, out_wrong);
}
