/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file support.c
 * Giving up, memory, and trees of files.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr); /* over the progress line */
    }
    fputs("alexstorage-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    fflush(stdout);
    quick_exit(1);
}

void at_end(void (*function)(void))
{
    if (atexit(function) != 0 || at_quick_exit(function) != 0) {
        fail("out of memory");
    }
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (memory == NULL) {
        fail("out of memory: %zu times %zu bytes", count, size);
    }
    return memory;
}

void *reallocate(void *memory, size_t size)
{
    void *grown = realloc(memory, size ? size : 1);
    if (grown == NULL) {
        fail("out of memory: %zu bytes", size);
    }
    return grown;
}

char *text(const char *format, ...)
{
    va_list arguments;
    char *result = NULL;
    va_start(arguments, format);
    if (vasprintf(&result, format, arguments) < 0) {
        fail("out of memory");
    }
    va_end(arguments);
    return result;
}

void make_directory(const char *path)
{
    if (mkdir(path, 0777) != 0) {
        fail("cannot make the directory %s: %s", path, strerror(errno));
    }
}

char *make_temporary_directory(const char *parent)
{
    char *path = text("%s/alexstorage-bench-XXXXXX", parent);
    if (mkdtemp(path) == NULL) {
        fail("cannot make a directory in %s: %s; name another one with --dir", parent, strerror(errno));
    }
    return path;
}

/** Calls `visit` with the path of each entry of a directory. */
static void for_each_entry(const char *path, void (*visit)(const char *entry, void *context), void *context)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        fail("cannot read the directory %s: %s", path, strerror(errno));
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            char *child = text("%s/%s", path, entry->d_name);
            visit(child, context);
            free(child);
        }
    }
    closedir(directory);
}

/** Looks at a path without following links. @return whether there is anything */
static int look_at(const char *path, struct stat *out_status)
{
    if (lstat(path, out_status) == 0) {
        return 1;
    }
    if (errno != ENOENT) {
        fail("cannot look at %s: %s", path, strerror(errno));
    }
    return 0;
}

static void remove_entry(const char *path, void *context)
{
    (void)context;
    remove_tree(path);
}

void remove_tree(const char *path)
{
    struct stat status;
    if (!look_at(path, &status)) {
        return;
    }
    if (S_ISDIR(status.st_mode)) {
        for_each_entry(path, remove_entry, NULL);
    }
    if (remove(path) != 0 && errno != ENOENT) {
        fail("cannot remove %s: %s", path, strerror(errno));
    }
}

/** Copies what two open files' names stand for, holes as holes: LMDB's file is as long as its map, and mostly one. */
static void copy_extents(int source, int target, const char *from, const char *to)
{
    static char buffer[1 << 20];
    off_t length = lseek(source, 0, SEEK_END);
    off_t data = 0;
    while ((data = lseek(source, data, SEEK_DATA)) >= 0) {
        off_t end = lseek(source, data, SEEK_HOLE);
        while (data < end) {
            size_t wanted = end - data < (off_t)sizeof buffer ? (size_t)(end - data) : sizeof buffer;
            ssize_t got = pread(source, buffer, wanted, data);
            ssize_t put = got <= 0 ? -1 : pwrite(target, buffer, (size_t)got, data);
            if (put != got) {
                fail("cannot copy %s to %s: %s", from, to, put >= 0 ? "the disk is full" : strerror(errno));
            }
            data += got;
        }
    }
    if (errno != ENXIO || length < 0 || ftruncate(target, length) != 0) { /* ENXIO: no data from there on */
        fail("cannot copy %s to %s: %s", from, to, strerror(errno));
    }
}

static void copy_file(const char *from, const char *to)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int target = source < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (target < 0) {
        fail("cannot copy %s to %s: %s", from, to, strerror(errno));
    }
    copy_extents(source, target, from, to);
    if (close(target) != 0) {
        fail("cannot copy %s to %s: %s", from, to, strerror(errno));
    }
    close(source);
}

static void copy_entry(const char *path, void *context)
{
    struct stat status;
    char *to = text("%s%s", (const char *)context, strrchr(path, '/'));
    if (look_at(path, &status) && S_ISDIR(status.st_mode)) {
        copy_tree(path, to);
    } else {
        copy_file(path, to);
    }
    free(to);
}

void copy_tree(const char *from, const char *to)
{
    make_directory(to);
    for_each_entry(from, copy_entry, (void *)(uintptr_t)to);
}

void sync_file_system(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || syncfs(file) != 0) {
        fail("cannot sync the file system of %s: %s", path, strerror(errno));
    }
    close(file);
}

static void add_disk_bytes(const char *path, void *context)
{
    *(uint64_t *)context += tree_disk_bytes(path);
}

uint64_t tree_disk_bytes(const char *path)
{
    struct stat status;
    if (!look_at(path, &status)) {
        return 0;
    }
    uint64_t bytes = (uint64_t)status.st_blocks * 512;
    if (S_ISDIR(status.st_mode)) {
        for_each_entry(path, add_disk_bytes, &bytes);
    }
    return bytes;
}
