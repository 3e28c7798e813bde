/* SPDX-License-Identifier: Apache-2.0 */
/** @file memory.c Private memory, reserved address space, and mappings of files into it. */
#include "os/os.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/** Size and alignment of a huge page on the machines that have them; elsewhere an alignment like any other. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/** Maps `bytes` without backing file, aligned to HUGE_PAGE_BYTES if `aligned`, by mapping more and giving back the
 *  ends. */
static void *map_private(size_t bytes, int protection, int flags, bool aligned)
{
    size_t extra = aligned ? HUGE_PAGE_BYTES : 0;
    if (bytes > SIZE_MAX - extra) {
        return NULL;
    }
    char *memory = os_calls.mmap(NULL, bytes + extra, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    size_t before = extra == 0 ? 0 : (size_t)(-(uintptr_t)memory & (HUGE_PAGE_BYTES - 1));
    if (before > 0) {
        (void)os_calls.munmap(memory, before);
    }
    if (extra - before > 0) {
        (void)os_calls.munmap(memory + before + bytes, extra - before);
    }
    return memory + before;
}

int os_memory_map(size_t bytes, bool huge, void **out_memory)
{
    void *memory = map_private(bytes, PROT_READ | PROT_WRITE, 0, huge);
    if (memory == NULL) {
        return ALEX_NO_MEMORY;
    }
    if (huge) {
        (void)os_calls.madvise(memory, bytes, MADV_HUGEPAGE);
    }
    *out_memory = memory;
    return ALEX_OK;
}

void os_memory_unmap(void *memory, size_t bytes)
{
    (void)os_calls.munmap(memory, bytes);
}

int os_space_reserve(size_t bytes, void **out_address)
{
    void *address = map_private(bytes, PROT_NONE, MAP_NORESERVE, true);
    if (address == NULL) {
        return ALEX_NO_MEMORY;
    }
    *out_address = address;
    return ALEX_OK;
}

void os_space_release(void *address, size_t bytes)
{
    (void)os_calls.munmap(address, bytes);
}

void os_space_clear(void *address, size_t bytes)
{
    /* Mapping over takes the old mapping away and keeps the space in one step. If that fails the old mapping stays,
     * unused. */
    (void)os_calls.mmap(address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

int os_map_file(void *address, size_t bytes, int fd, const char *path, struct alex_error *error)
{
    if (os_calls.mmap(address, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        return os_fail(error, errno, path, "map the file");
    }
    return ALEX_OK;
}

int os_map_protect(void *address, size_t bytes, bool writable, const char *path, struct alex_error *error)
{
    if (os_calls.mprotect(address, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ) == -1) {
        return os_fail(error, errno, path, "change the protection of the mapped file");
    }
    return ALEX_OK;
}

void os_map_prefer_huge(void *address, size_t bytes)
{
    (void)os_calls.madvise(address, bytes, MADV_HUGEPAGE);
}

void os_map_populate(void *address, size_t bytes)
{
    (void)os_calls.madvise(address, bytes, MADV_POPULATE_WRITE);
}
