/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writes_commit.c
 * The commit of writes that count together.
 *
 * The order keeps them all or nothing: sort, so that the indexes are entered in the order of their keys; take all
 * memory that is needed; enter the puts in the indexes, which may still fail, and then they are taken out again; append
 * the COMMIT, whose space was kept back; settle it, which may sync; make the deletes' entries tombstones; publish.
 * Nothing sees the entries before that, as their numbers are above what is published. After the COMMIT nothing fails.
 */
#include <string.h>

#include "store/store_internal.h"

/** Above this many changes a commit makes a sync by itself: it is long anyway, and to be taken back each would need
 *  memory. */
#define CHANGES_NOTED_MAX ((size_t)1 << 16)

static int no_memory(alex_store *store, size_t count)
{
    return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to commit %zu writes", count);
}

/** Of a part whose deletes lie behind its puts. */
static size_t puts_of(const struct writes_part *part)
{
    return part->count - part->deletes;
}

/** Keys looked up together. */
#define FIND_TOGETHER 64

/** Drops the deletes of keys that have nothing. */
static void thin_deletes(struct writes_part *part)
{
    struct index_entry *deletes = part->entries + puts_of(part);
    size_t kept = 0;
    for (size_t first = 0; first < part->deletes; first += FIND_TOGETHER) {
        uint64_t keys[FIND_TOGETHER];
        uint64_t previous[FIND_TOGETHER];
        size_t count = part->deletes - first < FIND_TOGETHER ? part->deletes - first : FIND_TOGETHER;
        for (size_t i = 0; i < count; i++) {
            keys[i] = deletes[first + i].key;
        }
        index_find_many(part->table->index, keys, count, previous);
        for (size_t i = 0; i < count; i++) {
            if (log_ref_is_value(previous[i])) {
                deletes[kept++] = deletes[first + i];
            }
        }
    }
    part->count = puts_of(part) + kept;
    part->deletes = kept;
}

/** Moves the deletes behind the puts. `scratch` has room for all entries. */
static void separate_deletes(struct writes_part *part, struct index_entry *scratch)
{
    size_t puts = 0;
    part->deletes = 0;
    for (size_t i = 0; i < part->count; i++) {
        if (log_ref_is_value(part->entries[i].payload)) {
            part->entries[puts++] = part->entries[i];
        } else {
            scratch[part->deletes++] = part->entries[i];
        }
    }
    memcpy(part->entries + puts, scratch, part->deletes * sizeof *scratch);
}

/** Whether a part goes into an empty index as it is. */
static bool loads(const struct writes_part *part)
{
    return part->deletes == 0 && index_count(part->table->index) == 0;
}

/** Brings a part in order. `scratch` has room for all of its entries. */
static void arrange(struct writes_part *part, struct index_entry *scratch)
{
    if (!part->ascending) {
        part->count = sort_keeping_last(part->entries, part->count, scratch);
    }
    if (part->deletes > 0) {
        separate_deletes(part, scratch);
        if (part->deletes_nothing) {
            thin_deletes(part);
        }
    }
    part->previous = loads(part) ? NULL : (uint64_t *)scratch;
}

/** Brings all parts in order. */
static int arrange_all(alex_store *store)
{
    struct writes *writes = &store->writes;
    size_t total = 0;
    for (size_t p = 0; p < writes->part_count; p++) {
        struct writes_part *part = &writes->parts[p];
        bool is_dropped = table_drop_number(part->table) == TABLE_DROP_PENDING;
        part->count = is_dropped ? 0 : part->count;          /* which are all dead */
        part->deletes = part->count > 0 ? part->deletes : 0; /* what was rolled back is counted there still */
        total += part->ascending && loads(part) ? 0 : part->count;
    }
    /* What sorting needs of an entry is room enough for what follows: the payload before. */
    struct index_entry *scratch = writes_scratch(store, total * sizeof *scratch);
    if (scratch == NULL && total > 0) {
        return no_memory(store, total);
    }
    for (size_t p = 0; p < writes->part_count; p++) {
        struct writes_part *part = &writes->parts[p];
        if (part->count > 0 && !(part->ascending && loads(part))) {
            size_t count = part->count;
            BASE_ASSERT(scratch != NULL); /* as it was counted */
            arrange(part, scratch);
            scratch += count;
        }
    }
    return ALEX_OK;
}

/** Before the first entry of records that may not come to count. */
static void begin_entering(alex_store *store)
{
    uint64_t entering = atomic_load_explicit(&store->entering, memory_order_relaxed);
    /* Relaxed, as the entries' own stores are releases: whoever sees one of them sees this too. */
    atomic_store_explicit(&store->entering, entering | 1, memory_order_relaxed);
}

/** The entries are published, or withdrawn. */
static void end_entering(alex_store *store)
{
    uint64_t entering = atomic_load_explicit(&store->entering, memory_order_relaxed);
    atomic_store_explicit(&store->entering, (entering + 1) & ~(uint64_t)1, memory_order_release);
}

/** Takes the first `count` puts of a part out of the index again. */
static void withdraw(const struct writes_part *part, size_t count)
{
    struct index *index = part->table->index;
    for (size_t i = 0; i < count; i++) {
        uint64_t key = part->entries[i].key;
        if (part->previous == NULL || part->previous[i] == 0) {
            (void)index_remove(index, key);
            continue;
        }
        struct index_position position;
        int result = index_prepare(index, key, &position);
        BASE_ASSERT(result == ALEX_OK); /* the key is there */
        index_set(index, &position, part->previous[i]);
    }
}

static int no_memory_to_enter(alex_store *store, size_t count)
{
    return base_fail(&store->error, ALEX_NO_MEMORY, 0, store->path, "no memory to enter %zu keys", count);
}

/** Enters the puts of a part; all or none. */
static int enter(struct writes_part *part)
{
    struct alex_table *table = part->table;
    size_t count = puts_of(part);
    if (count == 0) {
        return ALEX_OK;
    }
    version_change(table, log_last_number(table->store->log));
    if (part->previous == NULL) {
        int result = index_load(table->index, part->entries, count);
        return result == ALEX_OK ? ALEX_OK : no_memory_to_enter(table->store, count);
    }
    size_t done;
    int result = index_set_many(table->index, part->entries, count, part->previous, &done);
    if (result != ALEX_OK) {
        withdraw(part, done);
        return no_memory_to_enter(table->store, count);
    }
    return ALEX_OK;
}

/** Appends the COMMIT and settles it. */
static int append_commit(alex_store *store, bool sync_later)
{
    BASE_INTERRUPTIBLE();
    int result = log_append_commit(store->log, &store->writes.log_group, &store->error);
    return result == ALEX_OK ? log_settle(store->log, sync_later, &store->error) : result;
}

/** Makes room for what the commit of all parts leaves. @param notes  whether `commit` gets the changes */
static int reserve(alex_store *store, struct commit *commit, bool notes)
{
    size_t deletes = 0;
    size_t count = 0;
    for (size_t p = 0; p < store->writes.part_count; p++) {
        deletes += store->writes.parts[p].deletes;
        count += store->writes.parts[p].count;
    }
    if (version_reserve(store, deletes) != ALEX_OK || writes_reserve_tables(store) != ALEX_OK) {
        return no_memory(store, count);
    }
    if (notes && count > 0) {
        commit->changes = base_alloc(count * sizeof *commit->changes);
        return commit->changes != NULL ? ALEX_OK : no_memory(store, count);
    }
    return ALEX_OK;
}

/** Carries the deletes of a part out. All have the COMMIT's number, with which they are published: so what is held back
 *  stays in the order of its numbers. */
static void carry_out_deletes(struct writes_part *part)
{
    struct alex_table *table = part->table;
    uint64_t number = log_last_number(table->store->log);
    BASE_ASSERT(part->deletes == 0 || part->previous != NULL); /* else the table was empty */
    for (size_t i = puts_of(part); i < part->count; i++) {
        struct index_entry entry = part->entries[i];
        struct index_position position;
        bool there = index_find_position(table->index, entry.key, &position);
        BASE_ASSERT(there); /* writes_append() or thin_deletes() has seen it */
        part->previous[i] = position.payload;
        version_delete(table, &position, entry.payload, number);
        version_hold_back(table, entry.key, entry.payload, number);
    }
}

/** Makes a part's changes the table's, and notes them in `commit` if it has room for any. */
static void finish(struct writes_part *part, struct commit *commit, struct writes_done *done)
{
    for (size_t i = 0; i < puts_of(part); i++) {
        uint64_t previous = part->previous != NULL ? part->previous[i] : 0;
        version_account(part->table, previous, part->entries[i].payload);
        done->added += !log_ref_is_value(previous);
        done->replaced += log_ref_is_value(previous);
    }
    carry_out_deletes(part);
    for (size_t i = 0; commit->changes != NULL && i < part->count; i++) {
        uint64_t previous = part->previous != NULL ? part->previous[i] : 0;
        commit->changes[commit->count++] =
            (struct change){part->table, part->entries[i].key, previous, part->entries[i].payload};
    }
}

/** Keeps the ways past what a part has replaced short. */
static void shorten(const struct writes_part *part)
{
    for (size_t i = 0; part->previous != NULL && i < part->count; i++) {
        version_shorten(part->table, part->entries[i].key, part->previous[i]);
    }
}

/** Makes everything the store's, behind the COMMIT. */
static void publish(alex_store *store, struct commit *commit, bool waits, struct writes_done *done)
{
    struct writes *writes = &store->writes;
    for (size_t p = 0; p < writes->part_count; p++) {
        finish(&writes->parts[p], commit, done);
        done->deleted += writes->parts[p].deletes;
    }
    writes_publish_tables(store, log_last_number(store->log));
    if (waits) {
        commit_enter(store, commit, log_last_number(store->log));
    } else {
        commit_publish(store, log_last_number(store->log));
    }
    end_entering(store);
    for (size_t p = 0; p < writes->part_count; p++) {
        shorten(&writes->parts[p]);
    }
}

/** Enters all parts and appends the COMMIT, or neither. */
static int enter_and_commit(alex_store *store, bool waits)
{
    struct writes *writes = &store->writes;
    size_t puts = 0;
    for (size_t p = 0; p < writes->part_count; p++) {
        puts += puts_of(&writes->parts[p]);
    }
    if (puts > 0) { /* else counts in other tables needn't look at each key, while a large table is dropped */
        begin_entering(store);
    }
    int result = ALEX_OK;
    size_t entered = 0;
    for (; entered < writes->part_count && result == ALEX_OK; entered += result == ALEX_OK) {
        result = enter(&writes->parts[entered]);
    }
    if (result == ALEX_OK) {
        result = append_commit(store, waits);
    }
    if (result == ALEX_OK) {
        return ALEX_OK;
    }
    while (entered > 0) {
        entered--;
        withdraw(&writes->parts[entered], puts_of(&writes->parts[entered]));
    }
    end_entering(store);
    return result;
}

/** Commits what there is, or nothing. */
static int commit_all(alex_store *store, struct commit *commit, struct writes_done *done)
{
    const struct writes *writes = &store->writes;
    /* The catalog is the same for all, whatever they see: it changes once that is durable. */
    bool waits =
        store->commits.shares && writes->log_group.count <= CHANGES_NOTED_MAX && writes->table_change_count == 0;
    int result = log_make_readable(store->log, &store->error);
    if (result == ALEX_OK) {
        result = arrange_all(store);
    }
    if (result == ALEX_OK) {
        result = reserve(store, commit, waits);
    }
    if (result == ALEX_OK) {
        result = enter_and_commit(store, waits);
    }
    if (result == ALEX_OK) {
        publish(store, commit, waits, done);
    }
    return result;
}

int writes_commit(alex_store *store, struct commit *commit, struct writes_done *out_done)
{
    struct writes_done done = {0};
    int result = writes_flush(store);
    bool empty = store->writes.log_group.count == 0;
    if (result == ALEX_OK && empty) {
        commit_follow(store, commit);
    } else if (result == ALEX_OK) {
        result = writes_append_abort(store);
        result = result == ALEX_OK ? commit_all(store, commit, &done) : result;
    }
    if (result != ALEX_OK || empty) {
        writes_abort(store); /* if empty, what was rolled back */
    } else {
        writes_clear(store);                                 /* first, as it looks at tables that may end */
        txn_reclaim(store, 2 * done.deleted + RECLAIM_STEP); /* its own, and for each as many of others */
    }
    if (result == ALEX_OK && out_done != NULL) {
        *out_done = done;
    }
    return result;
}

int writes_end(alex_store *store, struct commit *commit, int result)
{
    result = commit_end(store, commit, result);
    base_free(commit->changes);
    return result;
}
