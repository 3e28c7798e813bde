/* SPDX-License-Identifier: Apache-2.0 */
/** @file calls.c The table of system calls, and the translation of errno. */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int call_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags | O_CLOEXEC, mode);
}

static int call_set_lock(int fd, struct flock *lock)
{
    return fcntl(fd, F_SETLK, lock);
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
    .fallocate = fallocate,
    .ftruncate = ftruncate,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .rename = rename,
    .unlink = unlink,
    .mkdir = mkdir,
    .set_lock = call_set_lock,
    .mmap = mmap,
    .munmap = munmap,
    .mprotect = mprotect,
    .madvise = madvise,
    .thread_create = call_thread_create,
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
