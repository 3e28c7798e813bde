/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file faults.h
 * Failures on demand: the Nth system call of a kind, or the Nth allocation, fails, once or from then on.
 *
 * Between faults_install() and faults_remove() all system calls of the library go through here. What fails is said by
 * a plan, which may be changed while stores are open and threads run. Syncs that don't fail are counted and left out:
 * no test here cuts the power, and real ones would take most of the time.
 */
#ifndef SUPPORT_FAULTS_H
#define SUPPORT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What can fail: the members of `struct os_calls`, and allocations. */
enum faults_call {
    FAULTS_OPEN,
    FAULTS_CLOSE, /**< done all the same, then reported as failed */
    FAULTS_PREAD,
    FAULTS_PWRITE,
    FAULTS_FSTAT,
    FAULTS_STAT,
    FAULTS_REALPATH,
    FAULTS_FALLOCATE,
    FAULTS_FTRUNCATE,
    FAULTS_FDATASYNC,
    FAULTS_FSYNC,
    FAULTS_RENAME,
    FAULTS_UNLINK,
    FAULTS_MKDIR,
    FAULTS_OPENDIR,
    FAULTS_READDIR,
    FAULTS_CLOSEDIR, /**< as FAULTS_CLOSE */
    FAULTS_SET_LOCK,
    FAULTS_GET_LOCK,
    FAULTS_MMAP,
    FAULTS_MUNMAP, /**< as FAULTS_CLOSE */
    FAULTS_MPROTECT,
    FAULTS_MADVISE,
    FAULTS_SIGACTION,
    FAULTS_GETRANDOM,
    FAULTS_MUTEX_INIT,
    FAULTS_CONDITION_INIT,
    FAULTS_THREAD_CREATE,
    FAULTS_ATFORK,
    FAULTS_MEMBARRIER,
    FAULTS_ALLOCATION,
    FAULTS_CALL_COUNT,
};

/** A set of calls: FAULTS_SET(FAULTS_OPEN) | FAULTS_SET(FAULTS_PREAD). */
#define FAULTS_SET(call) ((uint32_t)1 << (call))
#define FAULTS_EVERYTHING (FAULTS_SET(FAULTS_CALL_COUNT) - 1)

/** What is to fail. All zero: nothing. */
struct faults_plan {
    uint32_t calls; /**< the set of calls that are counted and may fail */
    uint64_t first; /**< which of them fails, from 1; 0: none */
    bool for_good;  /**< and all after it */
    bool torn;      /**< a failing pwrite writes half of its bytes */
    bool partial;   /**< pread and pwrite do not fail, but do half of what they are asked to */
    int os_errno;   /**< 0: what is usual for the call */
};

/** The name of a call, such as "pwrite". */
const char *faults_call_name(enum faults_call call);

/** Has the fixtures that follow make their directories in memory, if there is such a place and TMPDIR names no other:
 *  for tests that open very many stores, where a disk's file system takes most of the time. */
void faults_prefer_memory(void);

/** Puts itself between the library and the system, with nothing planned. While no store is open. */
void faults_install(void);
/** Takes itself away. While no store is open. */
void faults_remove(void);

/** Sets the plan, and counts from 0. */
void faults_set(const struct faults_plan *plan);
/** Plans nothing; the counts stay. */
void faults_clear(void);
/** Sets the plan aside, and takes it up again: calls in between are not counted and don't fail. */
void faults_pause(void);
void faults_resume(void);
/** How many of the planned calls there were since faults_set(). */
uint64_t faults_seen(void);
/** How many of them failed. */
uint64_t faults_struck(void);
/** All calls of a kind since faults_set(), planned or not. */
uint64_t faults_count(enum faults_call call);
/** Bytes of address space that were mapped and not unmapped since faults_install(). */
uint64_t faults_mapped_bytes(void);
/** Blocks of memory that were allocated and not freed since faults_install(), handles that have ended included where
 *  debug builds keep them. */
int64_t faults_allocations(void);

#endif /* SUPPORT_FAULTS_H */
