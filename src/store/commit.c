/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file commit.c
 * Group commit: with ALEX_DURABLE_ON_COMMIT, writes of several threads share their syncs.
 *
 * A write goes into the log and the index in the writer's turn, where later writes find it and readers pass it by, as
 * its number isn't published. Then its thread waits until a sync covers it. One that waits leads: it makes a sync for
 * all that came before it began, publishes them, and wakes their threads. The first that came meanwhile leads next, and
 * is woken before these, as the disk is idle until then.
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
    if (result == ALEX_OK) {
        result = os_condition_create(&queue->next_leads);
    }
    for (size_t i = 0; i < 2 && result == ALEX_OK; i++) {
        result = os_condition_create(&queue->ended[i]);
    }
    return result;
}

void commit_release(alex_store *store)
{
    for (size_t i = 0; i < 2; i++) {
        os_condition_destroy(store->commits.ended[i]);
    }
    os_condition_destroy(store->commits.next_leads);
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
}

/** Wakes all that wait, to see what has become of their writes. Called with the queue's lock. */
static void wake_all(struct commit_queue *queue)
{
    os_condition_wake_all(queue->next_leads);
    for (size_t i = 0; i < 2; i++) {
        os_condition_wake_all(queue->ended[i]);
    }
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
    wake_all(&store->commits);
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
    if (queue->shares && store->forks == os_forks()) { /* a parent's may wait for ever */
        os_mutex_lock(queue->lock);
        commit->number = queue->newest != NULL ? queue->newest->number : 0;
        if (queue->failed != ALEX_OK) {
            commit->number = UINT64_MAX; /* what was seen may have been taken back since */
        }
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
    /* unreached: a sync under way although another has published all that waits, which is left to chance */
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

/** Syncs for all that wait, the caller's write among them. Called with the queue's lock, and gives it up. */
static int lead(alex_store *store, uint64_t own_number)
{
    struct commit_queue *queue = &store->commits;
    queue->leads = true;
    queue->syncs++;
    queue->covered = queue->newest->number;
    os_mutex_unlock(queue->lock);
    struct alex_error error;
    int result = log_sync_readable(store->log, &error);
    if (result == ALEX_OK) {
        os_mutex_lock(queue->lock);
        publish(store, queue->covered);
        queue->leads = false;
        struct os_condition *ended = queue->ended[queue->syncs % 2];
        os_mutex_unlock(queue->lock);
        os_condition_wake_all(queue->next_leads);
        BASE_INTERRUPTIBLE();
        os_condition_wake_all(ended);
    } else {
        os_mutex_lock(store->lock);
        os_mutex_lock(queue->lock);
        take_back(store);
        queue->failed = result;
        queue->error = error;
        queue->leads = false;
        wake_all(queue);
        os_mutex_unlock(queue->lock);
        os_mutex_unlock(store->lock);
        /* unreached: who had the writer's turn has published it, after another sync, which is left to chance */
        if (mvcc_published(&store->mvcc) >= own_number) {
            return ALEX_OK;
        }
        *store_error(store) = error;
    }
    return result;
}

/** Waits until a write is published or taken back. */
static int wait(alex_store *store, uint64_t number)
{
    struct commit_queue *queue = &store->commits;
    bool leads_next = false;
    os_mutex_lock(queue->lock);
    while (mvcc_published(&store->mvcc) < number && queue->failed == ALEX_OK) {
        if (!queue->leads && (leads_next || !queue->has_next)) {
            queue->has_next = false;
            return lead(store, number);
        }
        if (number > queue->covered && !queue->has_next) {
            queue->has_next = true;
            leads_next = true;
        }
        struct os_condition *ended = queue->ended[(queue->syncs + (number > queue->covered)) % 2];
        os_condition_wait(leads_next ? queue->next_leads : ended, queue->lock);
    }
    if (leads_next) {
        queue->has_next = false; /* another has published it, and what came after it still waits */
        wake_all(queue);
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
    /* Tombstones could not go before they were published. Relaxed: what this thread has held back it has noted itself,
     * or found noted in its turn. Or a snapshot ended while writes were taken back, and no write follows. */
    /* unreached: that end, which is left to chance */
    if ((waited == ALEX_OK && atomic_load_explicit(&store->held_from, memory_order_relaxed) <= number) ||
        atomic_load(&store->reclaim_due)) {
        writer_reclaim_soon(store);
    }
    return waited == ALEX_OK ? result : waited;
}
