/* SPDX-License-Identifier: Apache-2.0 */
/** @file calls.c The table of system calls, and the translation of errno. */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int call_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_CLOEXEC, mode);
}

static int call_set_lock(int fd, struct flock *lock)
{
    return fcntl(fd, F_SETLK, lock);
}

static int call_get_lock(int fd, struct flock *lock)
{
    return fcntl(fd, F_GETLK, lock);
}

static int call_mutex_init(void *mutex)
{
    return pthread_mutex_init(mutex, NULL);
}

/** A condition that is waited for by the clock that never goes back. */
static int call_condition_init(void *condition)
{
    pthread_condattr_t attributes;
    int result = pthread_condattr_init(&attributes);
    if (result == 0) { /* unreached: glibc doesn't fail here */
        result = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        /* unreached: nor here */
        result = result == 0 ? pthread_cond_init(condition, &attributes) : result;
        (void)pthread_condattr_destroy(&attributes);
    }
    return result;
}

static int call_membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

static int call_thread_create(void *(*run)(void *), void *context, void *out_thread)
{
    return pthread_create(out_thread, NULL, run, context);
}

struct os_calls os_calls = {
    .open = call_open,
    .close = close,
    .pread = pread,
    .pwrite = pwrite,
    .fstat = fstat,
    .stat = stat,
    .realpath = realpath,
    .fallocate = fallocate,
    .ftruncate = ftruncate,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .rename = rename,
    .unlink = unlink,
    .mkdir = mkdir,
    .opendir = opendir,
    .readdir = readdir,
    .closedir = closedir,
    .set_lock = call_set_lock,
    .get_lock = call_get_lock,
    .mmap = mmap,
    .munmap = munmap,
    .mprotect = mprotect,
    .madvise = madvise,
    .sigaction = sigaction,
    .getrandom = getrandom,
    .mutex_init = call_mutex_init,
    .condition_init = call_condition_init,
    .thread_create = call_thread_create,
    .atfork = pthread_atfork,
    .membarrier = call_membarrier,
};

int os_code(int os_errno)
{
    switch (os_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ALEX_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return ALEX_NO_PERMISSION;
    case ENOMEM:
        return ALEX_NO_MEMORY;
    default:
        return ALEX_IO;
    }
}

/** What a caller can do about it; "" where the error's own text says all. */
static const char *advice(int os_errno)
{
    switch (os_errno) {
    case ENOSPC:
        return "; free space on the disk and try again";
    case EDQUOT:
        return "; the quota is used up";
    case EFBIG:
        return "; raise the limit on file sizes (ulimit -f)";
    case EACCES:
    case EPERM:
        return "; check the permissions of the file and its directory";
    case EROFS:
        return "; open the store read-only, or mount the file system writable";
    case ENOMEM:
        return "; memory, address space (ulimit -v) or the number of mappings (vm.max_map_count) is used up";
    case EMFILE:
    case ENFILE:
        return "; raise the limit on open files (ulimit -n)";
    case EIO:
        return "; the disk may be failing";
    default:
        return "";
    }
}

int os_fail(struct alex_error *error, int os_errno, const char *path, const char *what)
{
    char text[96];
    const char *name = strerror_r(os_errno, text, sizeof text);
    return base_fail(error, os_code(os_errno), os_errno, path, "cannot %s: %s%s", what, name, advice(os_errno));
}

int os_fail_sync(struct alex_error *error, int os_errno, const char *path, const char *what)
{
    (void)os_fail(error, os_errno, path, what);
    if (error != NULL) {
        error->code = ALEX_IO;
    }
    return ALEX_IO;
}
