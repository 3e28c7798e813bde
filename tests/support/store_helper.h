/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_helper.h
 * What tests of the public API share: a store in a directory of its own for each test, assertions on codes and values,
 * reproducible bytes, and children that die on purpose.
 */
#ifndef SUPPORT_STORE_HELPER_H
#define SUPPORT_STORE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <alexstorage.h>

#include "support/files.h"

/** What a test gets as its state. */
struct fixture {
    char directory[FILES_PATH_MAX]; /**< the test's own; removed at its end */
    char path[FILES_PATH_MAX];      /**< the store in it */
    alex_store *store;              /**< open, unless the test closed it and set this to NULL */
    alex_table *main;               /**< of `store` */
};

/** cmocka setups and teardown. The first opens a store with default options, the second makes the directory alone. The
 *  teardown checks the whole store, if one is open, and closes it. */
int fixture_open(void **state);
int fixture_directory(void **state);
int fixture_close(void **state);

/** A test with an open store, and one that opens what it needs. */
#define TEST_WITH_STORE(function) cmocka_unit_test_setup_teardown(function, fixture_open, fixture_close)
#define TEST_WITH_DIRECTORY(function) cmocka_unit_test_setup_teardown(function, fixture_directory, fixture_close)

/** As TEST_WITH_DIRECTORY(), with faults.h between the library and the system. */
int fixture_faults(void **state);
int fixture_faults_close(void **state);
#define TEST_WITH_FAULTS(function) cmocka_unit_test_setup_teardown(function, fixture_faults, fixture_faults_close)

/** Opens the fixture's store with `options` (optional), which must succeed. */
void fixture_store_open(struct fixture *fixture, const struct alex_options *options);
/** Closes it, which must succeed. */
void fixture_store_close(struct fixture *fixture);
/** Both, one after the other. */
void fixture_reopen(struct fixture *fixture);

/** Asserts that a call returns a code; names both where it doesn't. */
#define ASSERT_CODE(expected, call) helper_assert_code((expected), (call), #call, __FILE__, __LINE__)
#define ASSERT_OK(call) ASSERT_CODE(ALEX_OK, call)
void helper_assert_code(int expected, int actual, const char *call, const char *file, int line);

/** Asserts that `table` gives `text` (NULL: nothing) for `key`. */
#define ASSERT_VALUE(table, key, text) helper_assert_value((table), (key), (text), __FILE__, __LINE__)
void helper_assert_value(alex_table *table, int64_t key, const char *text, const char *file, int line);
/** The same inside a transaction. */
#define ASSERT_TXN_VALUE(txn, table, key, text) \
    helper_assert_txn_value((txn), (table), (key), (text), __FILE__, __LINE__)
void helper_assert_txn_value(alex_txn *txn, alex_table *table, int64_t key, const char *text, const char *file,
                             int line);
/** Asserts that a slice holds `text`. */
void helper_assert_slice(struct alex_slice slice, const char *text, const char *file, int line);
#define ASSERT_SLICE(slice, text) helper_assert_slice((slice), (text), __FILE__, __LINE__)

/** Puts a string, which must succeed. */
void helper_put(alex_table *table, int64_t key, const char *text);
/** Opens a table by name, which must succeed. */
alex_table *helper_table(alex_store *store, const char *name, enum alex_key_order order);
/** Begins a read transaction, which must succeed. */
alex_txn *helper_begin(alex_store *store);
/** Begins a write transaction, which must succeed. */
alex_txn *helper_begin_write(alex_store *store);
/** Puts a string in one, which must succeed. */
void helper_txn_put(alex_txn *txn, alex_table *table, int64_t key, const char *text);
/** The keys of a table, in a snapshot of its own. */
uint64_t helper_count(alex_store *store, alex_table *table);
/** Runs alex_check() and asserts that it finds nothing; prints what it finds. */
void helper_check(alex_store *store);
/** Opens the store at `path`, expects the failure `code`, and gives its detail. */
void helper_open_fails(const char *path, int code, struct alex_error *out_error);

/** Bytes that follow from `seed` alone. */
void helper_fill(void *out_data, size_t size, uint64_t seed);
/** Whether they are those. */
bool helper_is_filled(const void *data, size_t size, uint64_t seed);

/** A small random generator: splitmix64. */
struct helper_random {
    uint64_t state;
};
uint64_t helper_random_next(struct helper_random *random);
/** From 0 to `bound` - 1. */
uint64_t helper_random_below(struct helper_random *random, uint64_t bound);

/** Runs `body` in a forked child, which ends with _exit() and so never closes what it opened. Its result is the exit
 * code; -1 if a signal ended it. */
int helper_in_child(int (*body)(void *context), void *context);
/** The same; its result is the signal that ended the child, 0 if it ended by itself. */
int helper_signal_of_child(int (*body)(void *context), void *context);

/** Runs `body` in a forked child and kills it after so many microseconds. */
void helper_kill_child(int (*body)(void *context), void *context, uint64_t after_us);
/** The same in steps: starts a child, waits until `count`, in memory that it shares, has come to `least`, kills it. A
 *  child that ends by itself fails the test. */
int helper_child_start(int (*body)(void *context), void *context);
void helper_child_wait_for(int child, const _Atomic uint32_t *count, uint32_t least);
void helper_child_kill(int child);

/** For bodies of children, where a failed cmocka assertion must not unwind into the parent's code. */
#define CHILD_REQUIRE(condition)                                 \
    do {                                                         \
        if (!(condition)) {                                      \
            helper_child_failed(#condition, __FILE__, __LINE__); \
        }                                                        \
    } while (0)
_Noreturn void helper_child_failed(const char *condition, const char *file, int line);

/** An unsigned number from the environment, or `fallback`. */
uint64_t helper_environment(const char *name, uint64_t fallback);

/** Threads of this process, by /proc. */
size_t helper_thread_count(void);
/** Its open files, by /proc. */
size_t helper_descriptor_count(void);

#endif /* SUPPORT_STORE_HELPER_H */
