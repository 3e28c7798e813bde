/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file writer.c
 * One writer at a time, and the failures that a thread is told of.
 *
 * Whatever changes a store, or reads what only writers look at, is between writer_begin() and writer_end(). Failures in
 * there are noted in the store, those of readers with their thread; writer_end() moves the one to the other.
 */
#include "store/store_internal.h"

/** The last failure of this thread. */
static _Thread_local struct {
    uint64_t serial; /**< of the store that it was on; 0: there was none */
    struct alex_error error;
} last_failure;

struct alex_error *store_error(const alex_store *store)
{
    last_failure.serial = store->serial;
    return &last_failure.error;
}

void alex_store_error(alex_store *store, struct alex_error *out_error)
{
    if (out_error == NULL) {
        return;
    }
    int result = store_usable(store);
    if (result != ALEX_OK) {
        (void)base_fail(out_error, result, 0, NULL, "%s", alex_code_text(result));
        return;
    }
    *out_error = last_failure.serial == store->serial ? last_failure.error : (struct alex_error){0};
}

/** Something of each thread's own, whose address tells threads apart. */
static _Thread_local char self __attribute__((tls_model("initial-exec")));

int writer_begin(alex_store *store)
{
    int result = store_usable(store);
    if (BASE_UNLIKELY(result != ALEX_OK)) {
        return result;
    }
    if (BASE_UNLIKELY(store->forks != os_forks())) {
        store->error.code = ALEX_OK; /* a forked child, where the lock may be held by a thread that is not there */
        return ALEX_OK;
    }
    if (BASE_UNLIKELY(atomic_load_explicit(&store->writer, memory_order_relaxed) == &self)) {
        return base_fail(store_error(store), ALEX_BUSY, 0, store->path,
                         "called from within a visit of alex_check() or a handler of a fork; call it after that");
    }
    if (BASE_UNLIKELY(os_fork_waits())) {
        os_fork_give_way();
    }
    if (!os_mutex_try_lock(store->lock)) {
        (void)atomic_fetch_add(&store->waiting, 1);
        os_mutex_lock(store->lock);
        (void)atomic_fetch_sub(&store->waiting, 1);
    }
    atomic_store_explicit(&store->writer, &self, memory_order_relaxed);
    store->error.code = ALEX_OK;
    return ALEX_OK;
}

/** Whether the calling thread holds the store's writes. */
static bool holds_itself(const alex_store *store)
{
    return atomic_load_explicit(&store->holder, memory_order_relaxed) == &self;
}

/** What a thread is told that would write beside what it holds the store's writes for. */
static const char *const held_by_itself[] = {
    [HOLD_PUT] = "a put is reserved; commit or cancel it first (alex_put_commit, alex_put_cancel)",
    [HOLD_LOAD] = "a bulk load is open; commit or close it first",
    [HOLD_TXN] = "this thread has a write transaction open; write in that, or end it first",
};

/** Holds that may pass a writer by that waits for another to end. */
#define OVERTAKEN_MAX 16

/** Waits until nobody holds the store's writes, and lets others go first that have waited for long. */
static int await_release(alex_store *store, uint64_t until_ns)
{
    if (holds_itself(store)) {
        return base_fail(&store->error, ALEX_BUSY, 0, store->path, "%s", held_by_itself[store->hold]);
    }
    bool in_time = true;
    store->awaiting++;
    do {
        atomic_store_explicit(&store->writer, NULL, memory_order_relaxed);
        if (until_ns == UINT64_MAX) {
            os_condition_wait(store->released, store->lock);
        } else {
            in_time = os_condition_wait_until(store->released, store->lock, until_ns);
        }
        atomic_store_explicit(&store->writer, &self, memory_order_relaxed);
    } while (store->hold != HOLD_NONE && in_time);
    store->awaiting--;
    store->error.code = ALEX_OK;
    /* unreached: a release at the very end of the wait, which is left to chance, here and below */
    if (store->hold == HOLD_NONE && in_time) {
        if (store->overtaken >= OVERTAKEN_MAX && store->awaiting > 0) {
            os_condition_wake_all(store->released); /* some may wait for nothing but this one */
        }
        store->overtaken = 0;
    }
    /* unreached: see above */
    bool passes = store->hold == HOLD_NONE && (in_time || store->overtaken < OVERTAKEN_MAX);
    return passes ? ALEX_OK
                  : base_fail(&store->error, ALEX_BUSY, 0, store->path,
                              "another thread's write transaction, load or reserved put did not end in time");
}

int writer_await(alex_store *store, uint64_t until_ns)
{
    bool waits = store->hold != HOLD_NONE || (store->awaiting > 0 && store->overtaken >= OVERTAKEN_MAX);
    return BASE_UNLIKELY(waits) && store->forks == os_forks() ? await_release(store, until_ns) : ALEX_OK;
}

int writer_begin_write(alex_store *store)
{
    int result = writer_begin(store);
    if (BASE_LIKELY(result == ALEX_OK)) {
        result = writer_await(store, UINT64_MAX);
        return BASE_LIKELY(result == ALEX_OK) ? ALEX_OK : writer_end(store, result);
    }
    return result;
}

void writer_hold(alex_store *store, enum hold hold)
{
    store->hold = hold;
    writer_keep_hold(store);
    store->overtaken += store->awaiting > 0;
}

void writer_keep_hold(alex_store *store)
{
    atomic_store_explicit(&store->holder, &self, memory_order_relaxed);
}

void writer_release(alex_store *store)
{
    store->hold = HOLD_NONE;
    atomic_store_explicit(&store->holder, NULL, memory_order_relaxed);
    /* unreached: else a parent's threads await, in a forked child, which counts nothing here */
    if (store->awaiting > 0 && store->forks == os_forks()) {
        os_condition_wake_all(store->released);
    }
}

/** Held entries that who ends a snapshot takes away before it looks whether a writer waits. */
#define RECLAIM_STEP_ENDED 512

/** How often who takes much away looks between two steps whether the writers have done: at most over some
 *  milliseconds. */
#define RECLAIM_TRIES 48

/** Takes the writer's lock, if at one of so many tries no writer has it or waits for it. */
static bool take_idle_turn(alex_store *store, uint32_t tries)
{
    for (uint32_t i = 0; i < tries; i++) {
        if (i > 0) {
            BASE_INTERRUPTIBLE(); /* unreached: another thread that comes just between two tries, by chance only */
            os_thread_pause(64 * i);
        }
        if (BASE_UNLIKELY(os_fork_waits())) {
            os_fork_give_way();
        }
        if (atomic_load(&store->waiting) == 0 && os_mutex_try_lock(store->lock)) {
            return true;
        }
    }
    return false;
}

/** Takes away what ended snapshots held back, as long as no writer is at work or waits, who will go on with it. One
 *  that comes between two steps ends this only if it has not done soon: it may be the last. @param all  else only a
 *  writer's step */
static void reclaim(alex_store *store, bool all)
{
    bool more = true;
    for (uint32_t tries = 1; more && store->forks == os_forks() && take_idle_turn(store, tries);
         tries = RECLAIM_TRIES) {
        bool reserved = store->reserved != NULL; /* then whoever ends the reservation does it */
        txn_reclaim(store, all ? RECLAIM_STEP_ENDED : RECLAIM_STEP);
        more = all && atomic_load_explicit(&store->reclaim_rest, memory_order_relaxed);
        os_mutex_unlock(store->lock);
        more = !reserved && (more || atomic_load(&store->reclaim_due));
    }
}

/** The calling thread is within a call of on_old_snapshot(), whose writes don't lead to another. */
static _Thread_local bool is_told;

/** Calls it. What fails in there is not the failure of the call that it is within. */
static void tell(alex_store *store, const struct alex_old_snapshot *old)
{
    is_told = true;
    uint64_t serial = last_failure.serial;
    struct alex_error error = last_failure.error;
    store->options.on_old_snapshot(store->options.old_snapshot_context, old);
    last_failure.serial = serial;
    last_failure.error = error;
    is_told = false;
}

int writer_end(alex_store *store, int result)
{
    if (BASE_UNLIKELY(result != ALEX_OK && store->error.code != ALEX_OK)) {
        *store_error(store) = store->error;
    }
    if (BASE_UNLIKELY(store->forks != os_forks())) {
        return result;
    }
    if (BASE_UNLIKELY(atomic_load_explicit(&store->reclaim_due, memory_order_relaxed) ||
                      atomic_load_explicit(&store->reclaim_rest, memory_order_relaxed) || store->table_waits)) {
        txn_reclaim(store, RECLAIM_STEP);
    }
    struct alex_old_snapshot old;
    bool tells = BASE_UNLIKELY(mvcc_published(&store->mvcc) >= store->old_snapshot_due) && !is_told &&
                 !holds_itself(store) && txn_watch(store, &old);
    atomic_store_explicit(&store->writer, NULL, memory_order_relaxed);
    os_mutex_unlock(store->lock);
    if (BASE_UNLIKELY(atomic_load(&store->reclaim_due))) {
        reclaim(store, false); /* a snapshot has ended since, and found the lock taken */
    }
    if (BASE_UNLIKELY(tells)) {
        tell(store, &old);
    }
    return result;
}

bool writer_keep_out(alex_store *store)
{
    if (atomic_load_explicit(&store->writer, memory_order_relaxed) == &self) {
        return true;
    }
    store->kept_out = os_mutex_try_lock(store->lock);
    if (store->kept_out) {
        /* Who writes within another handler of the fork is told so, and doesn't wait for itself. */
        atomic_store_explicit(&store->writer, &self, memory_order_relaxed);
    }
    return store->kept_out;
}

void writer_let_in(alex_store *store)
{
    if (store->kept_out) {
        store->kept_out = false;
        atomic_store_explicit(&store->writer, NULL, memory_order_relaxed);
        os_mutex_unlock(store->lock);
    }
}

void writer_reclaim_soon(alex_store *store)
{
    atomic_store(&store->reclaim_due, true);
    reclaim(store, true);
}
