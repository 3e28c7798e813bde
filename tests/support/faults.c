/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file faults.c
 * Failures on demand; see faults.h.
 */
#include "support/faults.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/os.h"

static const struct {
    const char *name;
    int os_errno; /**< what the call usually fails with */
} call_table[FAULTS_CALL_COUNT] = {
    [FAULTS_OPEN] = {"open", EMFILE},
    [FAULTS_CLOSE] = {"close", EIO},
    [FAULTS_PREAD] = {"pread", EIO},
    [FAULTS_PWRITE] = {"pwrite", ENOSPC},
    [FAULTS_FSTAT] = {"fstat", EIO},
    [FAULTS_STAT] = {"stat", EACCES},
    [FAULTS_REALPATH] = {"realpath", ENOMEM},
    [FAULTS_FALLOCATE] = {"fallocate", ENOSPC},
    [FAULTS_FTRUNCATE] = {"ftruncate", EIO},
    [FAULTS_FDATASYNC] = {"fdatasync", EIO},
    [FAULTS_FSYNC] = {"fsync", EIO},
    [FAULTS_RENAME] = {"rename", EACCES},
    [FAULTS_UNLINK] = {"unlink", EACCES},
    [FAULTS_MKDIR] = {"mkdir", EACCES},
    [FAULTS_OPENDIR] = {"opendir", EMFILE},
    [FAULTS_READDIR] = {"readdir", EIO},
    [FAULTS_CLOSEDIR] = {"closedir", EIO},
    [FAULTS_SET_LOCK] = {"set_lock", ENOLCK},
    [FAULTS_GET_LOCK] = {"get_lock", ENOLCK},
    [FAULTS_MMAP] = {"mmap", ENOMEM},
    [FAULTS_MUNMAP] = {"munmap", ENOMEM},
    [FAULTS_MPROTECT] = {"mprotect", ENOMEM},
    [FAULTS_MADVISE] = {"madvise", EINVAL},
    [FAULTS_SIGACTION] = {"sigaction", EINVAL},
    [FAULTS_GETRANDOM] = {"getrandom", ENOSYS},
    [FAULTS_MUTEX_INIT] = {"mutex_init", ENOMEM},
    [FAULTS_CONDITION_INIT] = {"condition_init", ENOMEM},
    [FAULTS_THREAD_CREATE] = {"thread_create", EAGAIN},
    [FAULTS_ATFORK] = {"atfork", ENOMEM},
    [FAULTS_MEMBARRIER] = {"membarrier", EPERM},
    [FAULTS_ALLOCATION] = {"allocation", ENOMEM},
};

static struct os_calls real;

/* The plan in force. Atomic, as the log's thread reads it while a test changes it. */
static _Atomic uint32_t plan_calls;
static _Atomic bool paused;
static _Atomic uint64_t plan_first;
static _Atomic bool plan_for_good;
static _Atomic bool plan_torn;
static _Atomic bool plan_partial;
static _Atomic int plan_errno;
static _Atomic uint64_t seen;
static _Atomic uint64_t struck;
static _Atomic uint64_t counts[FAULTS_CALL_COUNT];
static _Atomic uint64_t mapped_bytes;
static _Atomic int64_t allocations;

const char *faults_call_name(enum faults_call call)
{
    return call_table[call].name;
}

/** Counts a call, and tells whether it is to fail: the one place that every call passes. Sets errno if so. */
static bool strikes(enum faults_call call)
{
    if (atomic_load(&paused)) {
        return false;
    }
    atomic_fetch_add(&counts[call], 1);
    if ((atomic_load(&plan_calls) & FAULTS_SET(call)) == 0) {
        return false;
    }
    uint64_t at = atomic_fetch_add(&seen, 1) + 1;
    uint64_t first = atomic_load(&plan_first);
    if (first == 0 || at < first || (at > first && !atomic_load(&plan_for_good))) {
        return false;
    }
    atomic_fetch_add(&struck, 1);
    int planned = atomic_load(&plan_errno);
    errno = planned != 0 ? planned : call_table[call].os_errno;
    return true;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
    return strikes(FAULTS_OPEN) ? -1 : real.open(path, flags, mode);
}

static int faulty_close(int fd)
{
    int result = real.close(fd);
    return strikes(FAULTS_CLOSE) ? -1 : result;
}

/** Half of `size`, but never nothing, which would say that the file ends. */
static size_t half(size_t size)
{
    return (size + 1) / 2;
}

static ssize_t faulty_pread(int fd, void *buffer, size_t size, off_t offset)
{
    bool strike = strikes(FAULTS_PREAD);
    if (strike && !atomic_load(&plan_partial)) {
        return -1;
    }
    return real.pread(fd, buffer, strike ? half(size) : size, offset);
}

static ssize_t faulty_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    if (!strikes(FAULTS_PWRITE)) {
        return real.pwrite(fd, buffer, size, offset);
    }
    if (atomic_load(&plan_partial)) {
        return real.pwrite(fd, buffer, half(size), offset);
    }
    int os_errno = errno;
    if (atomic_load(&plan_torn)) {
        (void)real.pwrite(fd, buffer, size / 2, offset);
    }
    errno = os_errno;
    return -1;
}

static int faulty_fstat(int fd, struct stat *out)
{
    return strikes(FAULTS_FSTAT) ? -1 : real.fstat(fd, out);
}

static int faulty_stat(const char *path, struct stat *out)
{
    return strikes(FAULTS_STAT) ? -1 : real.stat(path, out);
}

static char *faulty_realpath(const char *path, char *resolved)
{
    return strikes(FAULTS_REALPATH) ? NULL : real.realpath(path, resolved);
}

static int faulty_fallocate(int fd, int mode, off_t offset, off_t length)
{
    return strikes(FAULTS_FALLOCATE) ? -1 : real.fallocate(fd, mode, offset, length);
}

static int faulty_ftruncate(int fd, off_t length)
{
    return strikes(FAULTS_FTRUNCATE) ? -1 : real.ftruncate(fd, length);
}

static int faulty_fdatasync(int fd)
{
    (void)fd;
    return strikes(FAULTS_FDATASYNC) ? -1 : 0;
}

static int faulty_fsync(int fd)
{
    (void)fd;
    return strikes(FAULTS_FSYNC) ? -1 : 0;
}

static int faulty_rename(const char *from, const char *to)
{
    return strikes(FAULTS_RENAME) ? -1 : real.rename(from, to);
}

static int faulty_unlink(const char *path)
{
    return strikes(FAULTS_UNLINK) ? -1 : real.unlink(path);
}

static int faulty_mkdir(const char *path, mode_t mode)
{
    return strikes(FAULTS_MKDIR) ? -1 : real.mkdir(path, mode);
}

static DIR *faulty_opendir(const char *path)
{
    return strikes(FAULTS_OPENDIR) ? NULL : real.opendir(path);
}

static struct dirent *faulty_readdir(DIR *directory)
{
    return strikes(FAULTS_READDIR) ? NULL : real.readdir(directory);
}

static int faulty_closedir(DIR *directory)
{
    int result = real.closedir(directory);
    return strikes(FAULTS_CLOSEDIR) ? -1 : result;
}

static int faulty_set_lock(int fd, struct flock *lock)
{
    return strikes(FAULTS_SET_LOCK) ? -1 : real.set_lock(fd, lock);
}

static int faulty_get_lock(int fd, struct flock *lock)
{
    return strikes(FAULTS_GET_LOCK) ? -1 : real.get_lock(fd, lock);
}

static void *faulty_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (strikes(FAULTS_MMAP)) {
        return MAP_FAILED;
    }
    void *mapped = real.mmap(address, bytes, protection, flags, fd, offset);
    if (mapped != MAP_FAILED && (flags & MAP_FIXED) == 0) {
        atomic_fetch_add(&mapped_bytes, bytes);
    }
    return mapped;
}

static int faulty_munmap(void *address, size_t bytes)
{
    int result = real.munmap(address, bytes);
    if (result == 0) {
        atomic_fetch_sub(&mapped_bytes, bytes);
    }
    return strikes(FAULTS_MUNMAP) ? -1 : result;
}

static int faulty_mprotect(void *address, size_t bytes, int protection)
{
    return strikes(FAULTS_MPROTECT) ? -1 : real.mprotect(address, bytes, protection);
}

static int faulty_madvise(void *address, size_t bytes, int advice)
{
    return strikes(FAULTS_MADVISE) ? -1 : real.madvise(address, bytes, advice);
}

static int faulty_sigaction(int signal, const struct sigaction *action, struct sigaction *out_before)
{
    return strikes(FAULTS_SIGACTION) ? -1 : real.sigaction(signal, action, out_before);
}

static ssize_t faulty_getrandom(void *buffer, size_t size, unsigned flags)
{
    return strikes(FAULTS_GETRANDOM) ? -1 : real.getrandom(buffer, size, flags);
}

static int faulty_mutex_init(void *mutex)
{
    return strikes(FAULTS_MUTEX_INIT) ? errno : real.mutex_init(mutex);
}

static int faulty_condition_init(void *condition)
{
    return strikes(FAULTS_CONDITION_INIT) ? errno : real.condition_init(condition);
}

static int faulty_thread_create(void *(*run)(void *), void *context, void *out_thread)
{
    return strikes(FAULTS_THREAD_CREATE) ? errno : real.thread_create(run, context, out_thread);
}

static int faulty_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return strikes(FAULTS_ATFORK) ? errno : real.atfork(prepare, parent, child);
}

static int faulty_membarrier(int command)
{
    return strikes(FAULTS_MEMBARRIER) ? -1 : real.membarrier(command);
}

static bool allocation_fails(void)
{
    return strikes(FAULTS_ALLOCATION);
}

static void count_allocation(int change)
{
    atomic_fetch_add(&allocations, change);
}

void faults_prefer_memory(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 0);
    }
}

void faults_install(void)
{
    atomic_store(&mapped_bytes, 0);
    atomic_store(&allocations, 0);
    faults_set(&(struct faults_plan){0});
    real = os_calls;
    os_calls = (struct os_calls){
        .open = faulty_open,
        .close = faulty_close,
        .pread = faulty_pread,
        .pwrite = faulty_pwrite,
        .fstat = faulty_fstat,
        .stat = faulty_stat,
        .realpath = faulty_realpath,
        .fallocate = faulty_fallocate,
        .ftruncate = faulty_ftruncate,
        .fdatasync = faulty_fdatasync,
        .fsync = faulty_fsync,
        .rename = faulty_rename,
        .unlink = faulty_unlink,
        .mkdir = faulty_mkdir,
        .opendir = faulty_opendir,
        .readdir = faulty_readdir,
        .closedir = faulty_closedir,
        .set_lock = faulty_set_lock,
        .get_lock = faulty_get_lock,
        .mmap = faulty_mmap,
        .munmap = faulty_munmap,
        .mprotect = faulty_mprotect,
        .madvise = faulty_madvise,
        .sigaction = faulty_sigaction,
        .getrandom = faulty_getrandom,
        .mutex_init = faulty_mutex_init,
        .condition_init = faulty_condition_init,
        .thread_create = faulty_thread_create,
        .atfork = faulty_atfork,
        .membarrier = faulty_membarrier,
    };
    base_alloc_fails = allocation_fails;
    base_alloc_changed = count_allocation;
}

void faults_remove(void)
{
    os_calls = real;
    base_alloc_fails = NULL;
    base_alloc_changed = NULL;
}

void faults_set(const struct faults_plan *plan)
{
    faults_clear();
    atomic_store(&seen, 0);
    atomic_store(&struck, 0);
    for (size_t i = 0; i < FAULTS_CALL_COUNT; i++) {
        atomic_store(&counts[i], 0);
    }
    atomic_store(&plan_first, plan->first);
    atomic_store(&plan_for_good, plan->for_good);
    atomic_store(&plan_torn, plan->torn);
    atomic_store(&plan_partial, plan->partial);
    atomic_store(&plan_errno, plan->os_errno);
    atomic_store(&plan_calls, plan->calls);
}

void faults_clear(void)
{
    atomic_store(&plan_calls, 0);
}

void faults_pause(void)
{
    atomic_store(&paused, true);
}

void faults_resume(void)
{
    atomic_store(&paused, false);
}

uint64_t faults_mapped_bytes(void)
{
    return atomic_load(&mapped_bytes);
}

int64_t faults_allocations(void)
{
    return atomic_load(&allocations);
}

uint64_t faults_seen(void)
{
    return atomic_load(&seen);
}

uint64_t faults_struck(void)
{
    return atomic_load(&struck);
}

uint64_t faults_count(enum faults_call call)
{
    return atomic_load(&counts[call]);
}
