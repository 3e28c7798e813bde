/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_os_file.c
 * Files, directories and locks: what they do, how each failure is told, and that interrupted and partial calls go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "os/os.h"
#include "support/faults.h"
#include "support/store_helper.h"

static const char text[] = "0123456789abcdef";

/* errno is translated to the codes of the library. */
static void test_codes(void **state)
{
    (void)state;
    static const struct {
        int os_errno;
        int code;
    } rows[] = {
        {ENOSPC, ALEX_NO_SPACE},
        {EDQUOT, ALEX_NO_SPACE},
        {EFBIG, ALEX_NO_SPACE},
        {EACCES, ALEX_NO_PERMISSION},
        {EPERM, ALEX_NO_PERMISSION},
        {EROFS, ALEX_NO_PERMISSION},
        {ENOMEM, ALEX_NO_MEMORY},
        {EIO, ALEX_IO},
        {EMFILE, ALEX_IO},
        {ENOENT, ALEX_IO},
        {0, ALEX_IO},
        {9999, ALEX_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(os_code(rows[i].os_errno), rows[i].code);
        struct alex_error error;
        assert_int_equal(os_fail(&error, rows[i].os_errno, "/path", "do a thing"), rows[i].code);
        assert_int_equal(error.os_errno, rows[i].os_errno);
        assert_string_equal(error.path, "/path");
        assert_true(strncmp(error.message, "cannot do a thing: ", 19) == 0);
    }
}

/* ------------------------------------------------------------------------------------------------ failures */

/** The calls under test, each of which is to fail at its one system call. */
static int fd_under_test;
static char path_under_test[FILES_PATH_MAX];

static int do_open(struct alex_error *error)
{
    int fd;
    return os_file_open(path_under_test, OS_READ, &fd, error);
}

static int do_create(struct alex_error *error)
{
    int fd;
    return os_file_open(path_under_test, OS_KEEP, &fd, error);
}

static int do_size(struct alex_error *error)
{
    uint64_t bytes;
    return os_file_size(fd_under_test, path_under_test, &bytes, error);
}

static int do_read(struct alex_error *error)
{
    char byte;
    size_t got;
    return os_file_read(fd_under_test, path_under_test, 0, &byte, 1, &got, error);
}

static int do_write(struct alex_error *error)
{
    return os_file_write(fd_under_test, path_under_test, 0, "x", 1, error);
}

static int do_allocate(struct alex_error *error)
{
    bool supported;
    return os_file_allocate(fd_under_test, path_under_test, 0, 4096, &supported, error);
}

static int do_truncate(struct alex_error *error)
{
    return os_file_truncate(fd_under_test, path_under_test, 0, error);
}

static int do_sync(struct alex_error *error)
{
    return os_file_sync(fd_under_test, path_under_test, error);
}

static int do_rename(struct alex_error *error)
{
    return os_file_rename("/from", path_under_test, error);
}

static int do_remove(struct alex_error *error)
{
    return os_file_remove(path_under_test, error);
}

static int do_lock(struct alex_error *error)
{
    int64_t holder;
    return os_file_lock(fd_under_test, path_under_test, true, &holder, error);
}

static int do_kind(struct alex_error *error)
{
    enum os_kind kind;
    return os_path_kind(path_under_test, &kind, error);
}

static int do_identity(struct alex_error *error)
{
    struct os_identity identity;
    return os_path_identity(path_under_test, &identity, error);
}

static int do_absolute(struct alex_error *error)
{
    char *absolute;
    return os_path_absolute(path_under_test, &absolute, error);
}

static int visit_nothing(void *context, const char *name)
{
    (void)context;
    (void)name;
    return 0;
}

static int do_directory_visit(struct alex_error *error)
{
    return os_directory_visit("/tmp", visit_nothing, NULL, error);
}

static int do_directory_create(struct alex_error *error)
{
    return os_directory_create(path_under_test, error);
}

static int do_directory_sync(struct alex_error *error)
{
    return os_directory_sync("/tmp", error);
}

static int do_map(struct alex_error *error)
{
    return os_map_file(NULL, 4096, fd_under_test, path_under_test, error);
}

static int do_protect(struct alex_error *error)
{
    return os_map_protect(NULL, 4096, true, path_under_test, error);
}

static void run_nothing(void *context)
{
    (void)context;
}

static int do_random(struct alex_error *error)
{
    char byte;
    return os_random(&byte, 1, error);
}

static int do_thread(struct alex_error *error)
{
    struct os_thread *thread;
    return os_thread_start(run_nothing, NULL, &thread, error);
}

/** Whether a call under test is on the file at `path_under_test`. */
static bool is_on_the_file(int (*act)(struct alex_error *error))
{
    return act != do_directory_sync && act != do_directory_visit && act != do_random && act != do_thread;
}

/* Every call tells the failure of its system call: code, errno, path, and a sentence. The code of a failed sync is
 * always the same: it may have lost something, whatever the reason. */
static void test_failures(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum faults_call call;
        int (*act)(struct alex_error *error);
    } rows[] = {
        {FAULTS_OPEN, do_open},
        {FAULTS_OPEN, do_create},
        {FAULTS_FSTAT, do_size},
        {FAULTS_PREAD, do_read},
        {FAULTS_PWRITE, do_write},
        {FAULTS_FALLOCATE, do_allocate},
        {FAULTS_FTRUNCATE, do_truncate},
        {FAULTS_FDATASYNC, do_sync},
        {FAULTS_RENAME, do_rename},
        {FAULTS_UNLINK, do_remove},
        {FAULTS_SET_LOCK, do_lock},
        {FAULTS_MKDIR, do_directory_create},
        {FAULTS_OPEN, do_directory_sync},
        {FAULTS_FSYNC, do_directory_sync},
        {FAULTS_MMAP, do_map},
        {FAULTS_MPROTECT, do_protect},
        {FAULTS_THREAD_CREATE, do_thread},
        {FAULTS_STAT, do_kind},
        {FAULTS_STAT, do_identity},
        {FAULTS_REALPATH, do_absolute},
        {FAULTS_OPENDIR, do_directory_visit},
        {FAULTS_READDIR, do_directory_visit},
        {FAULTS_GETRANDOM, do_random},
    };
    static const int errors[] = {EIO, ENOSPC, EROFS, ENOMEM};
    files_join(path_under_test, fixture->directory, "file");
    files_write(path_under_test, text, sizeof text);
    ASSERT_OK(os_file_open(path_under_test, OS_WRITE, &fd_under_test, NULL));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
            struct alex_error error = {0};
            faults_set(&(struct faults_plan){.calls = FAULTS_SET(rows[i].call), .first = 1, .os_errno = errors[e]});
            bool is_sync = rows[i].call == FAULTS_FDATASYNC || rows[i].call == FAULTS_FSYNC;
            int code = is_sync ? ALEX_IO : os_code(errors[e]);
            assert_int_equal(rows[i].act(&error), code);
            assert_int_equal(faults_struck(), 1);
            faults_clear();
            assert_int_equal(error.code, code);
            assert_int_equal(error.os_errno, errors[e]);
            assert_true(strncmp(error.message, "cannot ", 7) == 0);
            if (is_on_the_file(rows[i].act)) {
                assert_string_equal(error.path, path_under_test);
            }
        }
    }
    os_file_close(fd_under_test);
    os_file_close(-1);
}

/* A call that a signal interrupts is made again. */
static void test_interrupted(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum faults_call call;
        int (*act)(struct alex_error *error);
    } rows[] = {
        {FAULTS_OPEN, do_open},          {FAULTS_PREAD, do_read},         {FAULTS_PWRITE, do_write},
        {FAULTS_FALLOCATE, do_allocate}, {FAULTS_FTRUNCATE, do_truncate}, {FAULTS_GETRANDOM, do_random},
    };
    files_join(path_under_test, fixture->directory, "file");
    files_write(path_under_test, text, sizeof text);
    ASSERT_OK(os_file_open(path_under_test, OS_WRITE, &fd_under_test, NULL));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(rows[i].call), .first = 1, .os_errno = EINTR});
        struct alex_error error;
        assert_int_equal(rows[i].act(&error), ALEX_OK);
        assert_int_equal(faults_struck(), 1);
        assert_int_equal(faults_count(rows[i].call), 2);
    }
    faults_clear();
    os_file_close(fd_under_test);
}

/* Locks and conditions of threads that the system has no resources for are an error like any other. */
static void test_no_resources_for_locks(void **state)
{
    (void)state;
    struct os_mutex *mutex;
    struct os_condition *condition;
    static const enum faults_call of_mutex[] = {FAULTS_MUTEX_INIT, FAULTS_ALLOCATION};
    static const enum faults_call of_condition[] = {FAULTS_CONDITION_INIT, FAULTS_ALLOCATION};
    for (size_t i = 0; i < 2; i++) {
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(of_mutex[i]), .first = 1});
        assert_int_equal(os_mutex_create(&mutex), ALEX_NO_MEMORY);
        faults_set(&(struct faults_plan){.calls = FAULTS_SET(of_condition[i]), .first = 1});
        assert_int_equal(os_condition_create(&condition), ALEX_NO_MEMORY);
    }
    faults_clear();
}

/* A sync that failed is not made again, not even if a signal interrupted it. */
static void test_sync_is_not_repeated(void **state)
{
    (void)state;
    fd_under_test = -1;
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FDATASYNC), .first = 1, .os_errno = EINTR});
    struct alex_error error;
    assert_int_equal(do_sync(&error), ALEX_IO);
    assert_int_equal(faults_count(FAULTS_FDATASYNC), 1);
    faults_clear();
}

/* ------------------------------------------------------------------------------------------------ partial calls */

static ssize_t read_a_little(int fd, void *buffer, size_t size, off_t offset)
{
    return pread(fd, buffer, size > 3 ? 3 : size, offset);
}

static ssize_t write_a_little(int fd, const void *buffer, size_t size, off_t offset)
{
    return pwrite(fd, buffer, size > 3 ? 3 : size, offset);
}

/* Reads and writes that the system does in part are continued until all is done, or the file ends. */
static void test_partial(void **state)
{
    struct fixture *fixture = *state;
    struct os_calls before = os_calls;
    char path[FILES_PATH_MAX];
    char buffer[100];
    size_t got;
    int fd;
    files_join(path, fixture->directory, "file");
    ASSERT_OK(os_file_open(path, OS_CREATE, &fd, NULL));
    os_calls.pread = read_a_little;
    os_calls.pwrite = write_a_little;
    int written = os_file_write(fd, path, 5, text, sizeof text, NULL);
    int read_all = os_file_read(fd, path, 5, buffer, sizeof text, &got, NULL);
    size_t got_all = got;
    int read_more = os_file_read(fd, path, 10, buffer + sizeof text, 50, &got, NULL);
    os_calls = before;
    ASSERT_OK(written);
    ASSERT_OK(read_all);
    assert_int_equal(got_all, sizeof text);
    assert_memory_equal(buffer, text, sizeof text);
    ASSERT_OK(read_more);
    assert_int_equal(got, sizeof text - 5);
    assert_int_equal(files_size(path), 5 + sizeof text);
    os_file_close(fd);
}

/* ------------------------------------------------------------------------------------------------ what calls do */

/* The ways to open a file differ in what they want and leave. */
static void test_open_modes(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    int fd;
    files_join(path, fixture->directory, "file");
    assert_int_equal(os_file_open(path, OS_READ, &fd, NULL), ALEX_IO);
    assert_int_equal(os_file_open(path, OS_WRITE, &fd, NULL), ALEX_IO);
    ASSERT_OK(os_file_open(path, OS_CREATE, &fd, NULL));
    ASSERT_OK(os_file_write(fd, path, 0, text, sizeof text, NULL));
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    os_file_close(fd);
    assert_int_equal(os_file_open(path, OS_CREATE, &fd, NULL), ALEX_IO);
    ASSERT_OK(os_file_open(path, OS_KEEP, &fd, NULL));
    os_file_close(fd);
    assert_int_equal(files_size(path), sizeof text);
    ASSERT_OK(os_file_open(path, OS_READ, &fd, NULL));
    assert_int_not_equal(os_file_write(fd, path, 0, text, 1, NULL), ALEX_OK);
    os_file_close(fd);
    ASSERT_OK(os_file_open(path, OS_REPLACE, &fd, NULL));
    os_file_close(fd);
    assert_int_equal(files_size(path), 0);
    ASSERT_OK(os_file_remove(path, NULL));
    ASSERT_OK(os_file_remove(path, NULL)); /* already gone */
}

/* Allocated space makes the file longer and reads as zero; where the system can't, nothing is done and that is said. */
static void test_allocate(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    int fd;
    bool supported = false;
    files_join(path, fixture->directory, "file");
    ASSERT_OK(os_file_open(path, OS_CREATE, &fd, NULL));
    ASSERT_OK(os_file_write(fd, path, 0, text, sizeof text, NULL));
    ASSERT_OK(os_file_allocate(fd, path, 0, 8192, &supported, NULL));
    assert_true(supported);
    assert_int_equal(files_size(path), 8192);
    char buffer[32];
    files_read_at(path, 0, buffer, sizeof text);
    assert_memory_equal(buffer, text, sizeof text);
    files_read_at(path, 8192 - sizeof buffer, buffer, sizeof buffer);
    for (size_t i = 0; i < sizeof buffer; i++) {
        assert_int_equal(buffer[i], 0);
    }
    static const int unsupported[] = {EOPNOTSUPP, ENOSYS};
    for (size_t i = 0; i < 2; i++) {
        faults_set(
            &(struct faults_plan){.calls = FAULTS_SET(FAULTS_FALLOCATE), .first = 1, .os_errno = unsupported[i]});
        supported = true;
        ASSERT_OK(os_file_allocate(fd, path, 0, 16384, &supported, NULL));
        assert_false(supported);
        assert_int_equal(files_size(path), 8192);
    }
    faults_clear();
    os_file_close(fd);
}

struct lock_try {
    char path[FILES_PATH_MAX];
    int fd;
    int64_t holder;
};

static int try_lock_anew(void *context)
{
    struct lock_try *try = context;
    int fd;
    int64_t holder = -1;
    CHILD_REQUIRE(os_file_open(try->path, OS_WRITE, &fd, NULL) == ALEX_OK);
    int code = os_file_lock(fd, try->path, true, &holder, NULL);
    CHILD_REQUIRE(code == ALEX_OK || holder == try->holder);
    return code;
}

static int try_unknown(void *context)
{
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_GET_LOCK), .first = 1});
    return try_lock_anew(context);
}

static int try_inherited(void *context)
{
    struct lock_try *try = context;
    int64_t holder = -1;
    return os_file_lock(try->fd, try->path, true, &holder, NULL);
}

/* A lock keeps other processes out, names its holder, is not a forked child's, and ends when the file is closed. */
static void test_lock(void **state)
{
    struct fixture *fixture = *state;
    struct lock_try try = {.holder = os_process_id()};
    int64_t holder;
    files_join(try.path, fixture->directory, "lock");
    ASSERT_OK(os_file_open(try.path, OS_CREATE, &try.fd, NULL));
    ASSERT_OK(os_file_lock(try.fd, try.path, true, &holder, NULL));
    assert_int_equal(helper_in_child(try_lock_anew, &try), ALEX_LOCKED);
    assert_int_equal(helper_in_child(try_inherited, &try), ALEX_LOCKED);
    assert_int_equal(helper_in_child(try_lock_anew, &try), ALEX_LOCKED); /* no child's end ended it */
    try.holder = 0;
    assert_int_equal(helper_in_child(try_unknown, &try), ALEX_LOCKED); /* though nobody can say by whom */
    try.holder = os_process_id();
    os_file_close(try.fd);
    assert_int_equal(helper_in_child(try_lock_anew, &try), ALEX_OK);

    ASSERT_OK(os_file_open(try.path, OS_READ, &try.fd, NULL));
    ASSERT_OK(os_file_lock(try.fd, try.path, false, &holder, NULL));
    assert_int_equal(helper_in_child(try_lock_anew, &try), ALEX_LOCKED); /* a shared lock keeps an exclusive one out */
    os_file_close(try.fd);
}

static struct flock told_lock;

static int refused_lock(int fd, struct flock *lock)
{
    (void)fd;
    (void)lock;
    errno = EACCES; /* as good as EAGAIN, by POSIX */
    return -1;
}

static int told_holder(int fd, struct flock *lock)
{
    (void)fd;
    *lock = told_lock;
    return 0;
}

/* Whose a lock is may be unknown: its holder has let go of it meanwhile, or is on another machine. */
static void test_unknown_holder(void **state)
{
    (void)state;
    static const struct flock told[] = {
        {.l_type = F_UNLCK, .l_pid = 5}, {.l_type = F_WRLCK, .l_pid = -1}, {.l_type = F_WRLCK, .l_pid = 5}};
    struct os_calls real_calls = os_calls;
    os_calls.set_lock = refused_lock;
    os_calls.get_lock = told_holder;
    int64_t holders[3] = {7, 7, 7};
    int codes[3];
    for (size_t i = 0; i < 3; i++) {
        told_lock = told[i];
        codes[i] = os_file_lock(0, "path", true, &holders[i], NULL);
    }
    os_calls = real_calls;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(codes[i], ALEX_LOCKED);
        assert_int_equal(holders[i], i == 2 ? 5 : 0);
    }
}

static ssize_t write_nothing(int fd, const void *data, size_t size, off_t offset)
{
    (void)fd, (void)data, (void)size, (void)offset;
    return 0;
}

/* A write that writes nothing and says no error is one, and not tried for ever. */
static void test_write_of_nothing(void **state)
{
    (void)state;
    struct os_calls real_calls = os_calls;
    struct alex_error error = {0};
    os_calls.pwrite = write_nothing;
    int code = os_file_write(0, "path", 0, text, sizeof text, &error);
    os_calls = real_calls;
    assert_int_equal(code, ALEX_IO);
    assert_int_equal(error.os_errno, EIO);
}

/* ------------------------------------------------------------------------------------------------ directories */

/* A file system that has no sync of directories needs none; any other failure is one. */
static void test_directory_sync(void **state)
{
    struct fixture *fixture = *state;
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FSYNC), .first = 1, .os_errno = EINVAL});
    int without = os_directory_sync(fixture->directory, NULL);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_FSYNC), .first = 1, .os_errno = EIO});
    int failed = os_directory_sync(fixture->directory, NULL);
    faults_clear();
    ASSERT_OK(without);
    assert_int_equal(failed, ALEX_IO);
}

struct names {
    unsigned count;
    bool a;
    bool b;
};

static int note(void *context, const char *name)
{
    struct names *names = context;
    names->count++;
    names->a |= strcmp(name, "a") == 0;
    names->b |= strcmp(name, "b") == 0;
    return 0;
}

static int stop_at_once(void *context, const char *name)
{
    (void)name;
    ++*(unsigned *)context;
    return 77;
}

/* A visit sees every name but "." and "..", and can stop. */
static void test_directory_visit(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    struct names names = {0};
    unsigned visits = 0;
    ASSERT_OK(os_directory_visit(fixture->directory, note, &names, NULL));
    assert_int_equal(names.count, 0);
    files_join(path, fixture->directory, "a");
    files_write(path, "", 0);
    files_join(path, fixture->directory, "b");
    ASSERT_OK(os_directory_create(path, NULL));
    ASSERT_OK(os_directory_visit(fixture->directory, note, &names, NULL));
    assert_int_equal(names.count, 2);
    assert_true(names.a && names.b);
    assert_int_equal(os_directory_visit(fixture->directory, stop_at_once, &visits, NULL), 77);
    assert_int_equal(visits, 1);
    files_join(path, fixture->directory, "absent");
    struct alex_error error;
    assert_int_equal(os_directory_visit(path, note, &names, &error), ALEX_IO);
    assert_int_equal(error.os_errno, ENOENT);
}

/* Kinds of paths, the identity of a directory under any of its names, and absolute paths. */
static void test_paths(void **state)
{
    struct fixture *fixture = *state;
    char path[FILES_PATH_MAX];
    char link_path[FILES_PATH_MAX];
    enum os_kind kind;
    ASSERT_OK(os_path_kind(fixture->directory, &kind, NULL));
    assert_int_equal(kind, OS_KIND_DIRECTORY);
    files_join(path, fixture->directory, "file");
    ASSERT_OK(os_path_kind(path, &kind, NULL));
    assert_int_equal(kind, OS_KIND_NONE);
    files_write(path, "", 0);
    ASSERT_OK(os_path_kind(path, &kind, NULL));
    assert_int_equal(kind, OS_KIND_FILE);
    ASSERT_OK(os_path_kind("/dev/null", &kind, NULL));
    assert_int_equal(kind, OS_KIND_OTHER);
    files_join(link_path, path, "below a file");
    memcpy(path, link_path, sizeof path);
    assert_int_equal(os_path_kind(path, &kind, NULL), ALEX_IO);

    struct os_identity a;
    struct os_identity b;
    files_join(link_path, fixture->directory, "link");
    assert_int_equal(symlink(fixture->directory, link_path), 0);
    ASSERT_OK(os_path_identity(fixture->directory, &a, NULL));
    ASSERT_OK(os_path_identity(link_path, &b, NULL));
    assert_true(a.device == b.device && a.inode == b.inode);
    ASSERT_OK(os_path_identity("/", &b, NULL));
    assert_false(a.device == b.device && a.inode == b.inode);
    assert_int_equal(os_path_identity(path, &b, NULL), ALEX_IO);

    char *absolute;
    char *of_link;
    ASSERT_OK(os_path_absolute(fixture->directory, &absolute, NULL));
    ASSERT_OK(os_path_absolute(link_path, &of_link, NULL));
    assert_string_equal(absolute, of_link);
    base_free(of_link);
    faults_set(&(struct faults_plan){.calls = FAULTS_SET(FAULTS_ALLOCATION), .first = 1});
    assert_int_equal(os_path_absolute(link_path, &of_link, NULL), ALEX_NO_MEMORY);
    faults_clear();
    base_free(absolute);
    assert_int_equal(os_path_absolute(path, &absolute, NULL), ALEX_IO);
}

static int setup(void **state)
{
    faults_install();
    return fixture_directory(state);
}

static int teardown(void **state)
{
    faults_remove();
    return fixture_close(state);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_codes),
        TEST(test_failures),
        TEST(test_interrupted),
        TEST(test_sync_is_not_repeated),
        TEST(test_no_resources_for_locks),
        TEST(test_partial),
        TEST(test_open_modes),
        TEST(test_allocate),
        TEST(test_lock),
        TEST(test_directory_visit),
        TEST(test_directory_sync),
        cmocka_unit_test(test_unknown_holder),
        cmocka_unit_test(test_write_of_nothing),
        TEST(test_paths),
    };
    return cmocka_run_group_tests_name("os file", tests, NULL, NULL);
}
