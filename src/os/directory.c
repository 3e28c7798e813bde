/* SPDX-License-Identifier: Apache-2.0 */
/** @file directory.c Directories and paths. */
#include "os/os_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int os_path_kind(const char *path, enum os_kind *out_kind, struct alex_error *error)
{
    struct stat status;
    if (os_calls.stat(path, &status) == -1) {
        if (errno == ENOENT) {
            *out_kind = OS_KIND_NONE;
            return ALEX_OK;
        }
        return os_fail(error, errno, path, "look at the path");
    }
    *out_kind = S_ISREG(status.st_mode) ? OS_KIND_FILE : S_ISDIR(status.st_mode) ? OS_KIND_DIRECTORY : OS_KIND_OTHER;
    return ALEX_OK;
}

int os_path_identity(const char *path, struct os_identity *out_identity, struct alex_error *error)
{
    struct stat status;
    if (os_calls.stat(path, &status) == -1) {
        return os_fail(error, errno, path, "look at the path");
    }
    out_identity->device = (uint64_t)status.st_dev;
    out_identity->inode = (uint64_t)status.st_ino;
    return ALEX_OK;
}

int os_path_absolute(const char *path, char **out_path, struct alex_error *error)
{
    char *resolved = os_calls.realpath(path, NULL);
    if (resolved == NULL) {
        return os_fail(error, errno, path, "find the path");
    }
    char *copy = base_copy_string(resolved, strlen(resolved));
    free(resolved);
    if (copy == NULL) {
        return os_fail(error, ENOMEM, path, "keep the path");
    }
    *out_path = copy;
    return ALEX_OK;
}

int os_directory_create(const char *path, struct alex_error *error)
{
    return os_calls.mkdir(path, 0777) == -1 ? os_fail(error, errno, path, "make the directory") : ALEX_OK;
}

int os_directory_sync(const char *path, struct alex_error *error)
{
    int fd;
    OS_RETRY(fd, os_calls.open(path, O_RDONLY | O_DIRECTORY, 0));
    if (fd == -1) {
        return os_fail(error, errno, path, "open the directory");
    }
    /* EINVAL: a file system that has no such thing, and then no need of it that could be met. */
    bool failed = os_calls.fsync(fd) == -1 && errno != EINVAL;
    int result = failed ? os_fail_sync(error, errno, path, "sync the directory") : ALEX_OK;
    (void)os_calls.close(fd);
    return result;
}

int os_directory_visit(const char *path, int (*visit)(void *context, const char *name), void *context,
                       struct alex_error *error)
{
    DIR *directory = os_calls.opendir(path);
    if (directory == NULL) {
        return os_fail(error, errno, path, "read the directory");
    }
    int result = ALEX_OK;
    while (result == ALEX_OK) {
        errno = 0;
        const struct dirent *entry = os_calls.readdir(directory);
        if (entry == NULL) {
            result = errno == 0 ? ALEX_OK : os_fail(error, errno, path, "read the directory");
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = visit(context, entry->d_name);
        }
    }
    (void)os_calls.closedir(directory);
    return result;
}
