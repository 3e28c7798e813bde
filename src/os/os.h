/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file os.h
 * The operating system: files, mappings, directories, locks, threads. The only place with system calls.
 *
 * System calls on files, mappings and threads go through the table `os_calls`, where tests put faults. Calls here
 * return an enum alex_code and fill `error` (may be NULL) with path and errno; what the operating system reports is
 * translated once, in os_fail(). Interrupted calls are repeated; short reads and writes are continued.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include <dirent.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/base.h"

struct flock;
struct sigaction;

/** The calls of the operating system that can fail, declared as it declares them, but for the types of <pthread.h>.
 *  Tests replace members while no store is open. */
struct os_calls {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
    ssize_t (*pwrite)(int fd, const void *buffer, size_t size, off_t offset);
    int (*fstat)(int fd, struct stat *out);
    int (*stat)(const char *path, struct stat *out);
    char *(*realpath)(const char *path, char *resolved);
    int (*fallocate)(int fd, int mode, off_t offset, off_t length);
    int (*ftruncate)(int fd, off_t length);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    DIR *(*opendir)(const char *path);
    struct dirent *(*readdir)(DIR *directory);
    int (*closedir)(DIR *directory);
    int (*set_lock)(int fd, struct flock *lock);
    int (*get_lock)(int fd, struct flock *lock);
    void *(*mmap)(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
    int (*munmap)(void *address, size_t bytes);
    int (*mprotect)(void *address, size_t bytes, int protection);
    int (*madvise)(void *address, size_t bytes, int advice);
    int (*sigaction)(int signal, const struct sigaction *action, struct sigaction *out_before);
    ssize_t (*getrandom)(void *buffer, size_t size, unsigned flags);
    int (*mutex_init)(void *mutex);
    int (*condition_init)(void *condition);
    int (*thread_create)(void *(*run)(void *), void *context, void *out_thread);
    int (*atfork)(void (*prepare)(void), void (*parent)(void), void (*child)(void));
    int (*membarrier)(int command);
};
extern struct os_calls os_calls;

/** Translates errno: ENOSPC, EDQUOT, EFBIG to ALEX_NO_SPACE; EACCES, EPERM, EROFS to ALEX_NO_PERMISSION; ENOMEM to
 *  ALEX_NO_MEMORY; all else to ALEX_IO. */
int os_code(int os_errno);

/** Fills `error` with what failed ("cannot <what>: <errno's text>") and what to do. @return os_code(os_errno) */
int os_fail(struct alex_error *error, int os_errno, const char *path, const char *what);
/** As os_fail(), of a sync: whatever the reason, the disk may lack what it was about. @return ALEX_IO */
int os_fail_sync(struct alex_error *error, int os_errno, const char *path, const char *what);

/* ------------------------------------------------------------------------------------------------ files */

enum os_access {
    OS_READ,    /**< an existing file, for reading */
    OS_WRITE,   /**< an existing file, for reading and writing */
    OS_CREATE,  /**< a file that must be new, for reading and writing */
    OS_REPLACE, /**< a file made, or emptied if it was there, for reading and writing */
    OS_KEEP,    /**< a file made, or left as it is if it was there, for reading and writing */
};

int os_file_open(const char *path, enum os_access access, int *out_fd, struct alex_error *error);
/** Closes; -1 is fine. What a close reports comes too late to act on: syncs come before. */
void os_file_close(int fd);
int os_file_size(int fd, const char *path, uint64_t *out_bytes, struct alex_error *error);
/** Reads up to `size` bytes; fewer only at the file's end. */
int os_file_read(int fd, const char *path, uint64_t offset, void *buffer, size_t size, size_t *out_read,
                 struct alex_error *error);
int os_file_write(int fd, const char *path, uint64_t offset, const void *data, size_t size, struct alex_error *error);
/** Makes the file at least `length` bytes long, with disk space behind the bytes from `offset` on, which read as zero
 *  if they are new.
 *  @param out_supported  false: the file system can't; nothing was done, and ALEX_OK is returned */
int os_file_allocate(int fd, const char *path, uint64_t offset, uint64_t length, bool *out_supported,
                     struct alex_error *error);
int os_file_truncate(int fd, const char *path, uint64_t length, struct alex_error *error);
/** Makes the file's bytes durable, those stored through mappings included. Never retry one that failed. */
int os_file_sync(int fd, const char *path, struct alex_error *error);
int os_file_rename(const char *from, const char *to, struct alex_error *error);
/** A file that isn't there is fine. */
int os_file_remove(const char *path, struct alex_error *error);

/** Locks a whole file without waiting, for this process: a forked child does not hold the lock, and the lock ends with
 *  the process. Any close of the file in this process ends it too: open it once only. @return ALEX_OK, ALEX_LOCKED
 *  (out_holder: the process id that holds it, 0 if unknown), ALEX_IO */
int os_file_lock(int fd, const char *path, bool exclusive, int64_t *out_holder, struct alex_error *error);

/* ------------------------------------------------------------------------------------------------ directories */

enum os_kind { OS_KIND_NONE, OS_KIND_FILE, OS_KIND_DIRECTORY, OS_KIND_OTHER };

/** What is at `path`: OS_KIND_NONE if nothing. */
int os_path_kind(const char *path, enum os_kind *out_kind, struct alex_error *error);
/** Names a directory uniquely while it exists. */
struct os_identity {
    uint64_t device;
    uint64_t inode;
};
int os_path_identity(const char *path, struct os_identity *out_identity, struct alex_error *error);
/** The absolute path of something that exists. The caller frees it with base_free(). */
int os_path_absolute(const char *path, char **out_path, struct alex_error *error);
int os_directory_create(const char *path, struct alex_error *error);
/** Makes the names in a directory durable. */
int os_directory_sync(const char *path, struct alex_error *error);
/** Visits every name but "." and ".."; the visit returns 0 to go on. @return ALEX_OK or what the visit returned */
int os_directory_visit(const char *path, int (*visit)(void *context, const char *name), void *context,
                       struct alex_error *error);

/* ------------------------------------------------------------------------------------------------ memory */

/** Private zeroed memory, page-aligned; with `huge` aligned to 2 MB and, where given, in 2 MB pages.
 *  @return ALEX_OK or ALEX_NO_MEMORY */
int os_memory_map(size_t bytes, bool huge, void **out_memory);
void os_memory_unmap(void *memory, size_t bytes);

/** Reserves address space that can't be accessed, aligned to 2 MB. @return ALEX_OK or ALEX_NO_MEMORY */
int os_space_reserve(size_t bytes, void **out_address);
void os_space_release(void *address, size_t bytes);
/** Takes what is mapped there away again and leaves the space reserved. */
void os_space_clear(void *address, size_t bytes);

/** Maps a file from its beginning into reserved space, shared, for reading. It may be longer than the file: what lies
 *  behind the file's end must not be touched until the file has grown. */
int os_map_file(void *address, size_t bytes, int fd, const char *path, struct alex_error *error);
int os_map_protect(void *address, size_t bytes, bool writable, const char *path, struct alex_error *error);
/** Asks for 2 MB pages; without effect where there are none. */
void os_map_prefer_huge(void *address, size_t bytes);
/** Brings pages in, writable, ahead of their use; without effect where the kernel can't. */
void os_map_populate(void *address, size_t bytes);

/** Address space that a guard answers for. */
struct os_guarded_space {
    bool (*covers)(const void *context, const void *address); /**< called by the handler of a signal */
    const void *context;
};

/** Handles the signal SIGBUS from here on, for the whole process and its life; what handled it before is called for
 *  all that os_guarded() does not answer for. */
int os_guard_install(struct alex_error *error);

/** Runs `run`, which may read mapped files. If one of them can't be read at an address that `space` covers, `run` ends
 *  there: it must not hold a lock then, nor have changed anything by half.
 *  @return false if so; out_address: that address */
bool os_guarded(const struct os_guarded_space *space, void (*run)(void *context), void *context,
                const void **out_address);

/* ------------------------------------------------------------------------------------------------ the rest */

int os_random(void *buffer, size_t size, struct alex_error *error);
int64_t os_process_id(void);
/** The calling thread's number, as the operating system's tools show it; in a forked child its parent's. */
int64_t os_thread_id(void);

/** Has forks counted from here on, and wait until `quiet` returns true, which is asked again and again, with the
 *  process's lock. `resume` is called in the parent after the fork, with that lock. For one pair of functions. */
int os_fork_watch(bool (*quiet)(void), void (*resume)(void), struct alex_error *error);
/** Has `run` called in every child of a fork that is counted, by its only thread, before the fork returns. For one
 *  function. */
void os_fork_in_child(void (*run)(void));
extern _Atomic uint64_t os_fork_waits_from;
/** Whether a fork waits for that: who might keep it waiting for ever gives way with os_fork_give_way(). A hint. */
static inline bool os_fork_waits(void)
{
    return atomic_load_explicit(&os_fork_waits_from, memory_order_relaxed) != 0;
}
/** Waits for the fork, OS_FORK_PAUSE_NS at most and once in each OS_FORK_PERIOD_NS of its wait: threads that often come
 *  here all do so when one begins. It may wait long for something else, or for something that this thread has. */
void os_fork_give_way(void);
#define OS_FORK_PAUSE_NS UINT64_C(2500000)
#define OS_FORK_PERIOD_NS UINT64_C(50000000)
extern uint64_t os_fork_count;
/** Forks between the process that called os_fork_watch() and this one: another number in every child. What was made
 *  when the number was another is a parent's: its threads don't run here, and its locks may be held by nobody. */
static inline uint64_t os_forks(void)
{
    return os_fork_count;
}

/** Mutexes, conditions and threads that a parent made may be destroyed or joined in a forked child, which then frees
 *  their memory and nothing else, and waits for nothing. */
struct os_mutex;
struct os_condition;
struct os_thread;
int os_mutex_create(struct os_mutex **out_mutex);
void os_mutex_destroy(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex);
/** @return false: another thread has it */
bool os_mutex_try_lock(struct os_mutex *mutex);
void os_mutex_unlock(struct os_mutex *mutex);
int os_condition_create(struct os_condition **out_condition);
void os_condition_destroy(struct os_condition *condition);
void os_condition_wait(struct os_condition *condition, struct os_mutex *mutex);
/** Waits as os_condition_wait() does, but only until os_clock_ns() reaches `until_ns`. @return false once it has */
bool os_condition_wait_until(struct os_condition *condition, struct os_mutex *mutex, uint64_t until_ns);
void os_condition_wake_all(struct os_condition *condition);
/** Nanoseconds of a clock that never goes back. */
uint64_t os_clock_ns(void);
/** Starts a thread with all signals blocked. */
int os_thread_start(void (*run)(void *context), void *context, struct os_thread **out_thread, struct alex_error *error);
/** Lets a writer get on that was met `tries` + 1 times: at first a moment, then by giving the processor away, at
 *  last by sleeping. */
void os_thread_pause(uint32_t tries);
/** Prepares os_fence_threads() for this process. @return false: the system can't */
bool os_fence_threads_prepare(void);
/** Has every thread of the process make a full fence: those that run are interrupted for it, the others have made one.
 *  So a thread may leave out its own where the other side calls this. Takes some microseconds if others run.
 *  @return false: not all have, for the system has no memory for it, or has come to forbid it */
bool os_fence_threads(void);
/** Has `run(context)` called when the calling thread, of whoever's making, ends by itself; once a thread.
 *  @return false: it can't be arranged */
bool os_thread_at_exit(void (*run)(void *context), void *context);
/** Waits for its end. May be NULL. */
void os_thread_join(struct os_thread *thread);

/** Guards the few things that all stores of a process share; free in a forked child. */
void os_process_lock(void);
void os_process_unlock(void);

#endif /* OS_OS_H */
