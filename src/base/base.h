/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base.h
 * What every module needs: error detail, memory, assertions. Error codes are those of <alexstorage.h>.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <alexstorage.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define BASE_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define BASE_SANITIZED 1
#endif

#define BASE_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define BASE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/** Asserts what only a mistake of ours can break; stays on in release builds, so keep it cheap. Never for what comes
 *  from disk or from the caller. */
#define BASE_ASSERT(condition) (BASE_LIKELY(condition) ? (void)0 : base_assert_failed(#condition, __FILE__, __LINE__))

/** As BASE_ASSERT, in debug builds only: for checks that cost. */
#ifdef ALEX_DEBUG
#define BASE_DEBUG_ASSERT(condition) BASE_ASSERT(condition)
#else
#define BASE_DEBUG_ASSERT(condition) ((void)0)
#endif

/** A place where another thread may come between. In debug builds, and in others with ALEX_INTERRUPTS, tests hold
 *  threads up there, so that what happens rarely happens often. `base_interrupt` is NULL, or set while no other thread
 *  runs. */
#if defined(ALEX_DEBUG) || defined(ALEX_INTERRUPTS)
#define BASE_INTERRUPTS 1
extern void (*base_interrupt)(void);
#define BASE_INTERRUPTIBLE() (base_interrupt != NULL ? base_interrupt() : (void)0)
#else
#define BASE_INTERRUPTIBLE() ((void)0)
#endif

/** Writes one line to stderr and aborts. */
_Noreturn void base_assert_failed(const char *condition, const char *file, int line);

/** Fills `error`; NULL is fine. */
void base_note_failure(struct alex_error *error, int code, int os_errno, const char *path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void base_note_failure_at(struct alex_error *error, int code, const char *path, uint64_t offset, const char *format,
                          ...) __attribute__((format(printf, 5, 6)));

/**
 * Fills `error` (may be NULL) and gives `code`, so that a failing call reads `return base_fail(error, ...)`. A macro,
 * so that compilers and analyzers see which code that is.
 *
 * - os_errno: 0 if no system call is behind it
 * - path: may be NULL
 * - then a printf format of one sentence: what happened and what to do; and its arguments
 */
#define base_fail(error, code, os_errno, path, ...) \
    (base_note_failure((error), (code), (os_errno), (path), __VA_ARGS__), (code))

/** As base_fail(), for a place in a file. */
#define base_fail_at(error, code, path, offset, ...) \
    (base_note_failure_at((error), (code), (path), (offset), __VA_ARGS__), (code))

/** Memory. All of the library's heap memory comes from these, so that tests can make each allocation fail. */
void *base_alloc(size_t size);
/** Zeroed; NULL also if count * size overflows. */
void *base_alloc_zeroed(size_t count, size_t size);
/** As realloc(). */
void *base_realloc(void *memory, size_t size);
void base_free(void *memory);
/** A copy of `length` bytes and a zero behind them. */
char *base_copy_string(const char *text, size_t length);

/** For tests: asked before each allocation; returns true to make it fail. NULL: none fails. Set while no store is
 *  open. */
extern bool (*base_alloc_fails)(void);
/** For tests: told of each block that there is now (1), and of each that is freed (-1). NULL: nobody is. Set while no
 *  store is open. */
extern void (*base_alloc_changed)(int change);

/** CRC32C, continued from `crc` (0 to begin) over `size` bytes: crc(crc(0, a), b) is that of a and b joined. */
uint32_t base_crc32c(uint32_t crc, const void *data, size_t size);

#if defined(__x86_64__) && !defined(ALEX_PORTABLE)
/** Whether the processor has an instruction for it (SSE 4.2). Set before main(). */
extern bool base_crc32c_hardware;
#endif

/** For tests: the portable implementation, whatever the processor. */
uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif /* BASE_BASE_H */
