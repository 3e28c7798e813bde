/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_helper.c
 * Stores for tests; see store_helper.h.
 */
#include "support/store_helper.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/faults.h"

/** Set in children, where unwinding a failed assertion would go on with the parent's tests. */
static bool in_child;

int fixture_directory(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL) {
        return -1;
    }
    const char *base = getenv("TMPDIR");
    files_join(fixture->directory, base != NULL && base[0] != '\0' ? base : "/tmp", "alexstorage-test-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL) {
        free(fixture);
        return -1;
    }
    files_join(fixture->path, fixture->directory, "store");
    *state = fixture;
    return 0;
}

int fixture_open(void **state)
{
    if (fixture_directory(state) != 0) {
        return -1;
    }
    fixture_store_open(*state, NULL);
    return 0;
}

int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    int code = ALEX_OK;
    if (fixture->store != NULL) {
        helper_check(fixture->store);
        code = alex_close(fixture->store);
    }
    files_remove(fixture->directory);
    free(fixture);
    if (code != ALEX_OK) {
        print_error("closing the store at the test's end: %s\n", alex_code_name(code));
    }
    return code;
}

int fixture_faults(void **state)
{
    faults_install();
    return fixture_directory(state);
}

int fixture_faults_close(void **state)
{
    faults_clear();
    int result = fixture_close(state);
    faults_remove();
    return result;
}

void fixture_store_open(struct fixture *fixture, const struct alex_options *options)
{
    ASSERT_OK(alex_open(fixture->path, options, &fixture->store));
    fixture->main = alex_main_table(fixture->store);
    assert_non_null(fixture->main);
}

void fixture_store_close(struct fixture *fixture)
{
    ASSERT_OK(alex_close(fixture->store));
    fixture->store = NULL;
    fixture->main = NULL;
}

void fixture_reopen(struct fixture *fixture)
{
    fixture_store_close(fixture);
    fixture_store_open(fixture, NULL);
}

void helper_assert_code(int expected, int actual, const char *call, const char *file, int line)
{
    if (actual != expected) {
        print_error("%s: %s, not %s\n", call, alex_code_name(actual), alex_code_name(expected));
        if (in_child) {
            helper_child_failed(call, file, line);
        }
        _fail(file, line);
    }
}

void helper_assert_slice(struct alex_slice slice, const char *text, const char *file, int line)
{
    if (slice.data == NULL || slice.size != strlen(text) || memcmp(slice.data, text, slice.size) != 0) {
        print_error("a value of %zu bytes, %s, is not \"%s\"\n", slice.size, slice.data == NULL ? "absent" : "present",
                    text);
        _fail(file, line);
    }
}

void helper_assert_value(alex_table *table, int64_t key, const char *text, const char *file, int line)
{
    char buffer[256];
    size_t size = 0;
    int code = alex_get(table, key, buffer, sizeof buffer, &size);
    helper_assert_code(text == NULL ? ALEX_NOT_FOUND : ALEX_OK, code, "alex_get", file, line);
    if (text != NULL) {
        struct alex_slice slice = {buffer, size};
        helper_assert_slice(slice, text, file, line);
    }
}

void helper_assert_txn_value(alex_txn *txn, alex_table *table, int64_t key, const char *text, const char *file,
                             int line)
{
    struct alex_slice slice = {0};
    int code = alex_txn_get(txn, table, key, &slice);
    helper_assert_code(text == NULL ? ALEX_NOT_FOUND : ALEX_OK, code, "alex_txn_get", file, line);
    if (text != NULL) {
        helper_assert_slice(slice, text, file, line);
    }
}

void helper_put(alex_table *table, int64_t key, const char *text)
{
    ASSERT_OK(alex_put(table, key, text, strlen(text), NULL));
}

alex_table *helper_table(alex_store *store, const char *name, enum alex_key_order order)
{
    struct alex_table_options options = {.key_order = order};
    alex_table *table = NULL;
    ASSERT_OK(alex_table_open(store, name, &options, &table));
    assert_non_null(table);
    return table;
}

alex_txn *helper_begin(alex_store *store)
{
    alex_txn *txn = NULL;
    ASSERT_OK(alex_begin(store, ALEX_READ, &txn));
    assert_non_null(txn);
    return txn;
}

static int print_finding(void *context, const struct alex_finding *finding)
{
    (void)context;
    print_error("%s at %s, offset %llu: %s\n", alex_code_name(finding->code), finding->path,
                (unsigned long long)finding->offset, finding->message);
    return 0;
}

void helper_check(alex_store *store)
{
    struct alex_check_report report = {0};
    ASSERT_OK(alex_check(store, print_finding, NULL, &report));
    ASSERT_OK(report.findings == 0 ? ALEX_OK : ALEX_DAMAGED);
}

void helper_open_fails(const char *path, int code, struct alex_error *out_error)
{
    struct alex_options options = {.error = out_error};
    memset(out_error, 0, sizeof *out_error);
    alex_store *const untouched = (alex_store *)(void *)out_error;
    alex_store *store = untouched;
    ASSERT_CODE(code, alex_open(path, &options, &store));
    assert_ptr_equal(store, untouched);
    assert_int_equal(out_error->code, code);
    assert_string_not_equal(out_error->message, "");
}

static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9u;
    number = (number ^ (number >> 27)) * 0x94D049BB133111EBu;
    return number ^ (number >> 31);
}

uint64_t helper_random_next(struct helper_random *random)
{
    random->state += 0x9E3779B97F4A7C15u;
    return mix(random->state);
}

uint64_t helper_random_below(struct helper_random *random, uint64_t bound)
{
    return helper_random_next(random) % bound;
}

void helper_fill(void *out_data, size_t size, uint64_t seed)
{
    struct helper_random random = {seed};
    unsigned char *bytes = out_data;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = helper_random_next(&random);
        memcpy(bytes + at, &word, size - at < 8 ? size - at : 8);
    }
}

bool helper_is_filled(const void *data, size_t size, uint64_t seed)
{
    struct helper_random random = {seed};
    const unsigned char *bytes = data;
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = helper_random_next(&random);
        if (memcmp(bytes + at, &word, size - at < 8 ? size - at : 8) != 0) {
            return false;
        }
    }
    return true;
}

static pid_t start_child(int (*body)(void *context), void *context)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
        in_child = true;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* not to outlive a test that is ended */
        for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
            signal(signals[i], SIG_DFL); /* cmocka's handlers would unwind into the parent's tests */
        }
        _exit(body(context));
    }
    return child;
}

static int wait_for_child(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    return status;
}

int helper_in_child(int (*body)(void *context), void *context)
{
    int status = wait_for_child(start_child(body, context));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int helper_signal_of_child(int (*body)(void *context), void *context)
{
    int status = wait_for_child(start_child(body, context));
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int helper_child_start(int (*body)(void *context), void *context)
{
    return start_child(body, context);
}

void helper_child_wait_for(int child, const _Atomic uint32_t *count, uint32_t least)
{
    int status = 0;
    while (atomic_load(count) < least) {
        assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it did not end before, by a failure */
        usleep(50);
    }
}

void helper_child_kill(int child)
{
    kill(child, SIGKILL);
    int status = wait_for_child(child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it did not end before, by a failure */
}

void helper_kill_child(int (*body)(void *context), void *context, uint64_t after_us)
{
    int child = helper_child_start(body, context);
    usleep((useconds_t)after_us);
    helper_child_kill(child);
}

void helper_child_failed(const char *condition, const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: in a child: %s does not hold\n", file, line, condition);
    _exit(99);
}

uint64_t helper_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 0) : fallback;
}

static size_t count_names(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    size_t count = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

size_t helper_thread_count(void)
{
    return count_names("/proc/self/task");
}

size_t helper_descriptor_count(void)
{
    return count_names("/proc/self/fd") - 1; /* one is that of the look */
}

alex_txn *helper_begin_write(alex_store *store)
{
    alex_txn *txn = NULL;
    ASSERT_OK(alex_begin(store, ALEX_WRITE, &txn));
    return txn;
}

void helper_txn_put(alex_txn *txn, alex_table *table, int64_t key, const char *text)
{
    ASSERT_OK(alex_txn_put(txn, table, key, text, strlen(text), NULL));
}

uint64_t helper_count(alex_store *store, alex_table *table)
{
    uint64_t count;
    alex_txn *txn = helper_begin(store);
    ASSERT_OK(alex_txn_count(txn, table, NULL, &count));
    ASSERT_OK(alex_end(txn));
    return count;
}
