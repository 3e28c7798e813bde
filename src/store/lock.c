/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lock.c
 * One opener at a time, or several that only read.
 *
 * The LOCK file keeps other processes out: a lock of the process, which a forked child doesn't hold and which ends with
 * the process, however that ends. Such a lock says nothing within its own process, so the open stores of this one are
 * in a list. In a forked child that has the parent's too, which count for nothing there.
 *
 * A process loses its lock with any close of the file. So a child that opens a store itself first closes what it has of
 * the parent's LOCK file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/store_internal.h"

#define LOCK_NAME "LOCK"

static struct alex_store *open_stores;

/** The next open store on the same directory, from `other` on. Called with the process's lock. */
static struct alex_store *find_same(struct alex_store *other, const alex_store *store)
{
    /* unreached: tests make all stores on one device */
    while (other != NULL &&
           (other->identity.device != store->identity.device || other->identity.inode != store->identity.inode)) {
        other = other->next_open;
    }
    return other;
}

/** Whether a parent of this process opened the store. */
static bool is_parents(const alex_store *store)
{
    return store->forks != os_forks();
}

/** Another open store of this process on the same directory. Called with the process's lock. */
static struct alex_store *find_twin(const alex_store *store)
{
    struct alex_store *other = find_same(open_stores, store);
    while (other != NULL && is_parents(other)) {
        other = find_same(other->next_open, store);
    }
    return other;
}

/** Closes what this process has of a parent's LOCK file, where it has no store of its own open there. */
static void close_parents(const alex_store *store)
{
    struct alex_store *other = find_same(open_stores, store);
    for (; other != NULL; other = find_same(other->next_open, store)) {
        os_file_close(other->lock_fd);
        other->lock_fd = -1;
    }
}

/** Locks the LOCK file and, to write, leaves the process's id in it. */
static int lock_file(alex_store *store, const char *path, struct alex_error *error)
{
    int64_t holder = 0;
    int result = os_file_lock(store->lock_fd, path, !store->options.read_only, &holder, error);
    if (result == ALEX_LOCKED && holder == 0) {
        return base_fail(error, ALEX_LOCKED, 0, store->path,
                         "the store is open in another process; close it there first");
    }
    if (result == ALEX_LOCKED) {
        return base_fail(error, ALEX_LOCKED, 0, store->path,
                         "the store is open in process %" PRId64 "; close it there first", holder);
    }
    if (result != ALEX_OK || store->options.read_only) {
        return result;
    }
    char text[32];
    int length = snprintf(text, sizeof text, "%" PRId64 "\n", os_process_id());
    /* For people only: a disk too full for it must not keep anyone from opening the store to delete. */
    if (os_file_truncate(store->lock_fd, path, 0, NULL) == ALEX_OK) {
        (void)os_file_write(store->lock_fd, path, 0, text, (size_t)length, NULL);
    }
    return ALEX_OK;
}

static int take(alex_store *store, struct alex_error *error)
{
    const struct alex_store *twin = find_twin(store);
    if (twin != NULL && !(twin->options.read_only && store->options.read_only)) {
        return base_fail(error, ALEX_LOCKED, 0, store->path,
                         "the store is open in this process already; use that handle, or close it first");
    }
    if (twin != NULL) {
        return ALEX_OK; /* its lock is the process's */
    }
    close_parents(store);
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", store->path, LOCK_NAME);
    int result;
    if (store->options.read_only) {
        enum os_kind kind;
        result = os_path_kind(path, &kind, error);
        if (result != ALEX_OK || kind == OS_KIND_NONE) {
            return result; /* left out of a copy: then nobody writes there */
        }
    }
    result = os_file_open(path, store->options.read_only ? OS_READ : OS_KEEP, &store->lock_fd, error);
    return result == ALEX_OK ? lock_file(store, path, error) : result;
}

/** Keeps the writers out of all stores. @return false, and none is kept out: one is at work */
static bool keep_writers_out(void)
{
    struct alex_store *store = open_stores;
    while (store != NULL && (is_parents(store) || writer_keep_out(store))) {
        store = store->next_open;
    }
    for (struct alex_store *other = open_stores; store != NULL && other != store; other = other->next_open) {
        writer_let_in(other);
    }
    return store == NULL;
}

static void let_writers_in(void)
{
    for (struct alex_store *store = open_stores; store != NULL; store = store->next_open) {
        writer_let_in(store);
    }
}

int lock_watch_forks(struct alex_error *error)
{
    return os_fork_watch(keep_writers_out, let_writers_in, error);
}

int lock_take(alex_store *store, struct alex_error *error)
{
    int result = os_path_identity(store->path, &store->identity, error);
    if (result != ALEX_OK) {
        return result;
    }
    os_process_lock();
    result = take(store, error);
    if (result == ALEX_OK) {
        store->next_open = open_stores;
        open_stores = store;
        store->listed_open = true;
    } else {
        os_file_close(store->lock_fd);
        store->lock_fd = -1;
    }
    os_process_unlock();
    return result;
}

void lock_release(alex_store *store)
{
    if (!store->listed_open) {
        return;
    }
    os_process_lock();
    struct alex_store **link = &open_stores;
    while (*link != store) {
        link = &(*link)->next_open;
    }
    *link = store->next_open;
    store->listed_open = false;
    /* Closing the file ends the lock for the whole process: readers of the same store hand it on, and the last one
     * closes it. */
    struct alex_store *twin = is_parents(store) ? NULL : find_twin(store);
    if (twin != NULL && twin->lock_fd == -1) {
        twin->lock_fd = store->lock_fd;
    } else {
        os_file_close(store->lock_fd);
    }
    store->lock_fd = -1;
    os_process_unlock();
}
