/* SPDX-License-Identifier: Apache-2.0 */
/** @file syncs.c When what was written became durable. */
#include "history/syncs.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "history/recorder.h"
#include "os/os.h"
#include "support/store_helper.h"

#define FILES_MAX 1024
#define SYNCS_MAX ((size_t)1 << 20)

struct sync {
    uint64_t inode;
    uint64_t end;            /**< bytes before it were written when the sync was called */
    _Atomic uint64_t moment; /**< 0: the rest isn't there yet */
};

static struct os_calls real;
static uint32_t pause_max_us;
/** By descriptor: the end of what was written. No more than a maximum, so that it puts nothing in order. */
static _Atomic uint64_t written[FILES_MAX];
static struct sync *syncs;
static _Atomic size_t sync_count;
/** What was collected: copies, by file, then by their ends. */
static struct sync *collected;
static size_t collected_count;
static _Atomic uint64_t called;
static _Atomic uint64_t fails_after;

static int noting_open(const char *path, int flags, mode_t mode)
{
    int fd = real.open(path, flags, mode);
    if (fd >= 0 && fd < FILES_MAX) {
        atomic_store_explicit(&written[fd], 0, memory_order_relaxed);
    }
    return fd;
}

static ssize_t noting_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    ssize_t done = real.pwrite(fd, buffer, size, offset);
    if (done > 0 && fd < FILES_MAX) {
        uint64_t end = (uint64_t)offset + (uint64_t)done;
        uint64_t before = atomic_load_explicit(&written[fd], memory_order_relaxed);
        while (before < end && !atomic_compare_exchange_weak_explicit(&written[fd], &before, end, memory_order_relaxed,
                                                                      memory_order_relaxed)) {
        }
    }
    return done;
}

static int noting_fdatasync(int fd)
{
    uint64_t end = fd < FILES_MAX ? atomic_load_explicit(&written[fd], memory_order_relaxed) : 0;
    uint64_t number = atomic_fetch_add_explicit(&called, 1, memory_order_relaxed);
    if (pause_max_us > 0) {
        struct timespec time = {0, (long)(number * 7919 % pause_max_us) * 1000};
        (void)nanosleep(&time, NULL);
    }
    if (number >= atomic_load_explicit(&fails_after, memory_order_relaxed)) {
        errno = EIO;
        return -1;
    }
    struct stat status;
    size_t place = atomic_fetch_add_explicit(&sync_count, 1, memory_order_relaxed);
    if (place >= SYNCS_MAX || real.fstat(fd, &status) != 0) {
        abort();
    }
    struct sync *sync = &syncs[place];
    sync->inode = (uint64_t)status.st_ino;
    sync->end = end;
    atomic_store_explicit(&sync->moment, recorder_now(), memory_order_release);
    return 0;
}

static int noting_fsync(int fd)
{
    (void)fd;
    return 0;
}

void syncs_install(uint32_t pause_us)
{
    syncs = calloc(SYNCS_MAX, sizeof *syncs);
    collected = calloc(SYNCS_MAX, sizeof *collected);
    assert_non_null(syncs);
    assert_non_null(collected);
    collected_count = 0;
    pause_max_us = pause_us;
    atomic_store(&sync_count, 0);
    atomic_store(&called, 0);
    atomic_store(&fails_after, UINT64_MAX);
    real = os_calls;
    os_calls.open = noting_open;
    os_calls.pwrite = noting_pwrite;
    os_calls.fdatasync = noting_fdatasync;
    os_calls.fsync = noting_fsync;
}

void syncs_remove(void)
{
    os_calls = real;
    free(syncs);
    free(collected);
}

void syncs_fail_after(uint64_t count)
{
    atomic_store(&fails_after, atomic_load(&called) + count);
}

static int compare_syncs(const void *a, const void *b)
{
    const struct sync *first = a;
    const struct sync *second = b;
    if (first->inode != second->inode) {
        return first->inode < second->inode ? -1 : 1;
    }
    if (first->end != second->end) {
        return first->end < second->end ? -1 : 1;
    }
    return (first->moment > second->moment) - (first->moment < second->moment);
}

void syncs_collect(void)
{
    size_t count = atomic_load(&sync_count);
    collected_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&syncs[i].moment, memory_order_acquire) != 0) {
            collected[collected_count++] = syncs[i];
        }
    }
    qsort(collected, collected_count, sizeof *collected, compare_syncs);
    for (size_t i = collected_count; i-- > 1;) { /* each also stands for those of the same file that reach farther */
        if (collected[i].inode == collected[i - 1].inode && collected[i].moment < collected[i - 1].moment) {
            collected[i - 1].moment = collected[i].moment;
        }
    }
}

uint64_t syncs_durable_from(uint64_t inode, uint64_t end)
{
    size_t low = 0;
    size_t high = collected_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct sync *sync = &collected[middle];
        if (sync->inode < inode || (sync->inode == inode && sync->end < end)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < collected_count && collected[low].inode == inode ? collected[low].moment : UINT64_MAX;
}
