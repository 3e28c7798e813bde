/* SPDX-License-Identifier: Apache-2.0 */
/** @file file.c Files. */
#include "os/os_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int os_file_open(const char *path, enum os_access access, int *out_fd, struct alex_error *error)
{
    static const int flags[] = {
        [OS_READ] = O_RDONLY,
        [OS_WRITE] = O_RDWR,
        [OS_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [OS_REPLACE] = O_RDWR | O_CREAT | O_TRUNC,
        [OS_KEEP] = O_RDWR | O_CREAT,
    };
    int fd;
    OS_RETRY(fd, os_calls.open(path, flags[access], 0666));
    if (fd == -1) {
        return os_fail(error, errno, path, access == OS_READ || access == OS_WRITE ? "open the file" : "make the file");
    }
    *out_fd = fd;
    return ALEX_OK;
}

void os_file_close(int fd)
{
    if (fd != -1) {
        (void)os_calls.close(fd);
    }
}

int os_file_size(int fd, const char *path, uint64_t *out_bytes, struct alex_error *error)
{
    struct stat status;
    if (os_calls.fstat(fd, &status) == -1) {
        return os_fail(error, errno, path, "read the file's size");
    }
    *out_bytes = (uint64_t)status.st_size;
    return ALEX_OK;
}

int os_file_read(int fd, const char *path, uint64_t offset, void *buffer, size_t size, size_t *out_read,
                 struct alex_error *error)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got;
        OS_RETRY(got, os_calls.pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done)));
        if (got == -1) {
            return os_fail(error, errno, path, "read the file");
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *out_read = done;
    return ALEX_OK;
}

int os_file_write(int fd, const char *path, uint64_t offset, const void *data, size_t size, struct alex_error *error)
{
    size_t done = 0;
    while (done < size) {
        ssize_t put;
        OS_RETRY(put, os_calls.pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done)));
        if (put <= 0) {
            return os_fail(error, put == 0 ? EIO : errno, path, "write the file");
        }
        done += (size_t)put;
    }
    return ALEX_OK;
}

int os_file_allocate(int fd, const char *path, uint64_t offset, uint64_t length, bool *out_supported,
                     struct alex_error *error)
{
    int result;
    OS_RETRY(result, os_calls.fallocate(fd, 0, (off_t)offset, (off_t)(length - offset)));
    if (result == -1 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        *out_supported = false;
        return ALEX_OK;
    }
    if (result == -1) {
        return os_fail(error, errno, path, "allocate space for the file");
    }
    *out_supported = true;
    return ALEX_OK;
}

int os_file_truncate(int fd, const char *path, uint64_t length, struct alex_error *error)
{
    int result;
    OS_RETRY(result, os_calls.ftruncate(fd, (off_t)length));
    return result == -1 ? os_fail(error, errno, path, "set the file's length") : ALEX_OK;
}

int os_file_sync(int fd, const char *path, struct alex_error *error)
{
    /* Not repeated on any failure: after a failed sync the kernel may call the pages clean. */
    return os_calls.fdatasync(fd) == -1 ? os_fail_sync(error, errno, path, "sync the file") : ALEX_OK;
}

int os_file_rename(const char *from, const char *to, struct alex_error *error)
{
    return os_calls.rename(from, to) == -1 ? os_fail(error, errno, to, "rename the file to this name") : ALEX_OK;
}

int os_file_remove(const char *path, struct alex_error *error)
{
    return os_calls.unlink(path) == -1 && errno != ENOENT ? os_fail(error, errno, path, "remove the file") : ALEX_OK;
}

int os_file_lock(int fd, const char *path, bool exclusive, int64_t *out_holder, struct alex_error *error)
{
    struct flock lock = {.l_type = (short)(exclusive ? F_WRLCK : F_RDLCK), .l_whence = SEEK_SET};
    if (os_calls.set_lock(fd, &lock) == 0) {
        return ALEX_OK;
    }
    if (errno != EACCES && errno != EAGAIN) {
        return os_fail(error, errno, path, "lock the file");
    }
    struct flock holder = {.l_type = (short)(exclusive ? F_WRLCK : F_RDLCK), .l_whence = SEEK_SET};
    bool known = os_calls.get_lock(fd, &holder) == 0 && holder.l_type != F_UNLCK && holder.l_pid > 0;
    *out_holder = known ? (int64_t)holder.l_pid : 0;
    return ALEX_LOCKED;
}
