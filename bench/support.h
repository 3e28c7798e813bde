/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file support.h
 * What every part of the benchmark needs: giving up, memory, file trees, random numbers.
 */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/** Prints `alexstorage-bench: <message>` to stderr and exits with 1. A benchmark has nothing to recover: whatever fails
 *  ends the process, and in a run's own process that fails the run. Any thread: what engines do at a process's end is
 *  left out, for other threads may be using them. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Has a function called at the end of the process, also that by fail(). */
void at_end(void (*function)(void));

/** As calloc() and realloc(), but never NULL. */
void *allocate(size_t count, size_t size);
void *reallocate(void *memory, size_t size);

/** A text made by printf, for free(). */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** A bijection of 64 bits that scatters neighbours (the finalizer of splitmix64). */
static inline uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/** The next of a sequence of random numbers (splitmix64). */
static inline uint64_t random_next(uint64_t *state)
{
    return mix(*state += 0x9e3779b97f4a7c15u);
}

/** A random number below `bound`, which is 1 to 2^32. */
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return (random_next(state) >> 32) * bound >> 32;
}

/** A random number between 0 and 1, neither of them included. */
static inline double random_unit(uint64_t *state)
{
    return ((double)(random_next(state) >> 12) + 0.5) * 0x1p-52;
}

void make_directory(const char *path);

/** Makes a directory of a new name in `parent`. @return its path, for free() */
char *make_temporary_directory(const char *parent);

/** Removes a file or a directory with all that is in it; none there is fine. */
void remove_tree(const char *path);

/** Waits until the disk has all that was written to the file system of a path, so that writing it back doesn't fall
 *  into what is measured next. */
void sync_file_system(const char *path);

/** Copies a directory with all that is in it to `to`, which must not exist. */
void copy_tree(const char *from, const char *to);

/** Bytes of disk that a file or a directory with all that is in it takes. */
uint64_t tree_disk_bytes(const char *path);

#endif /* BENCH_SUPPORT_H */
