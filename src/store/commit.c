/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file commit.c
 * Group commit: with ALEX_DURABLE_ON_COMMIT, writes of several threads share their syncs.
 *
 * A write goes into the log and the index in the writer's turn, where later writes find it and readers pass it by, as
 * its number isn't published. Then its thread waits until a sync covers it. The first that waits makes that sync, for
 * all that came before it began, publishes them, and wakes the others; who came meanwhile is covered by the next one.
 *
 * A sync that fails takes back every write that waits, the newest first: nobody has seen them, and nobody can write any
 * more.
 *
 * Order of locks: the writer's, the queue's, the log's. The sync is made with none of them held.
 */
#include "store/store_internal.h"

int commit_init(alex_store *store)
{
    struct commit_queue *queue = &store->commits;
    queue->shares = store->options.durability == ALEX_DURABLE_ON_COMMIT && !store->options.read_only;
    if (!queue->shares) {
        return ALEX_OK;
    }
    int result = os_mutex_create(&queue->lock);
    return result == ALEX_OK ? os_condition_create(&queue->changed) : result;
}

void commit_release(alex_store *store)
{
    os_condition_destroy(store->commits.changed);
    os_mutex_destroy(store->commits.lock);
}

/** Publishes, with the queue's lock. */
static void publish(alex_store *store, uint64_t number)
{
    struct commit_queue *queue = &store->commits;
    /* unreached: who held the writer's turn has published more since this one's sync, which is left to chance */
    if (number > mvcc_published(&store->mvcc)) {
        mvcc_publish(&store->mvcc, number);
    }
    struct commit **link = &queue->newest;
    while (*link != NULL && (*link)->number > number) {
        link = &(*link)->older;
    }
    *link = NULL;
    os_condition_wake_all(queue->changed);
}

void commit_publish(alex_store *store, uint64_t number)
{
    BASE_INTERRUPTIBLE();
    if (BASE_LIKELY(!store->commits.shares)) {
        mvcc_publish(&store->mvcc, number);
        return;
    }
    os_mutex_lock(store->commits.lock);
    publish(store, number);
    os_mutex_unlock(store->commits.lock);
}

int commit_settle(alex_store *store)
{
    return log_settle(store->log, store->commits.shares, &store->error);
}

void commit_enter(alex_store *store, struct commit *commit, uint64_t number)
{
    struct commit_queue *queue = &store->commits;
    BASE_INTERRUPTIBLE();
    if (BASE_LIKELY(!queue->shares)) {
        mvcc_publish(&store->mvcc, number);
        return;
    }
    os_mutex_lock(queue->lock);
    commit->number = number;
    commit->older = queue->newest;
    queue->newest = commit;
    os_mutex_unlock(queue->lock);
}

void commit_follow(alex_store *store, struct commit *commit)
{
    struct commit_queue *queue = &store->commits;
    if (queue->shares) {
        os_mutex_lock(queue->lock);
        commit->number = queue->newest != NULL ? queue->newest->number : 0;
        os_mutex_unlock(queue->lock);
    }
}

bool commit_waits(alex_store *store)
{
    struct commit_queue *queue = &store->commits;
    if (!queue->shares || store->forks != os_forks()) {
        return false;
    }
    os_mutex_lock(queue->lock);
    bool waits = queue->newest != NULL || queue->leads;
    os_mutex_unlock(queue->lock);
    return waits;
}

/** Takes back all writes that wait. Called with the writer's lock and the queue's. */
static void take_back(alex_store *store)
{
    struct commit_queue *queue = &store->commits;
    for (const struct commit *commit = queue->newest; commit != NULL; commit = commit->older) {
        for (size_t i = commit->count; i > 0; i--) {
            version_take_back(&commit->changes[i - 1]);
        }
    }
    queue->newest = NULL;
    version_forget_unpublished(store);
}

/** Syncs for all that wait. Called with the queue's lock; gives it up meanwhile. */
static void lead(alex_store *store)
{
    struct commit_queue *queue = &store->commits;
    uint64_t number = queue->newest->number;
    queue->leads = true;
    os_mutex_unlock(queue->lock);
    struct alex_error error;
    int result = log_sync_readable(store->log, &error);
    if (result == ALEX_OK) {
        os_mutex_lock(queue->lock);
        publish(store, number);
    } else {
        os_mutex_lock(store->lock);
        os_mutex_lock(queue->lock);
        take_back(store);
        queue->failed = result;
        queue->error = error;
        os_condition_wake_all(queue->changed);
        os_mutex_unlock(store->lock);
    }
    queue->leads = false;
}

/** Waits until a write is published or taken back. */
static int wait(alex_store *store, uint64_t number)
{
    struct commit_queue *queue = &store->commits;
    os_mutex_lock(queue->lock);
    while (mvcc_published(&store->mvcc) < number && queue->failed == ALEX_OK) {
        if (queue->leads) {
            os_condition_wait(queue->changed, queue->lock);
        } else {
            lead(store);
        }
    }
    int result = mvcc_published(&store->mvcc) >= number ? ALEX_OK : queue->failed;
    if (result != ALEX_OK) {
        *store_error(store) = queue->error;
    }
    os_mutex_unlock(queue->lock);
    return result;
}

int commit_end(alex_store *store, const struct commit *commit, int result)
{
    uint64_t number = commit->number;
    result = writer_end(store, result);
    if (BASE_LIKELY(number == 0)) {
        return result;
    }
    int waited = wait(store, number);
    if (waited != ALEX_OK) {
        if (atomic_load(&store->reclaim_due)) {
            writer_reclaim_soon(store); /* a snapshot ended while writes were taken back, and no write follows */
        }
        return waited;
    }
    /* Relaxed: what this thread has held back it has noted itself, or found noted in its turn. */
    if (atomic_load_explicit(&store->held_from, memory_order_relaxed) <= number) {
        writer_reclaim_soon(store); /* tombstones, which could not go before */
    }
    return result;
}
