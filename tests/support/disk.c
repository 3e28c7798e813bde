/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file disk.c
 * A simulated disk; see disk.h.
 */
#include "support/disk.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "support/store_helper.h"

#define SECTOR_BYTES ((size_t)512)
#define NAME_BYTES 40

enum { FILES_MAX = 512, FDS_MAX = 1024, NAMES_MAX = 512, CHANGES_MAX = 2048 };

/** A file, whatever its name is now. */
struct file {
    int fd; /**< for reading it */
    unsigned char *durable;
    size_t durable_bytes;
};

/** A name in the directory. */
struct name {
    char text[NAME_BYTES];
    struct file *file;
};

struct names {
    struct name items[NAMES_MAX];
    size_t count;
};

/** A change of the directory. */
struct change {
    enum { CHANGE_ADD, CHANGE_RENAME, CHANGE_REMOVE } kind;
    char from[NAME_BYTES];
    char to[NAME_BYTES];
    struct file *file; /**< CHANGE_ADD */
};

static struct os_calls real;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    char path[FILES_PATH_MAX];
    disk_boundary_fn *boundary;
    void *context;
    enum disk_lie lie;
    struct file files[FILES_MAX];
    size_t file_count;
    struct file *by_fd[FDS_MAX]; /**< open files of the directory */
    bool is_directory[FDS_MAX];
    struct names now;
    struct names durable;
    struct change changes[CHANGES_MAX]; /**< since the directory was synced */
    size_t change_count;
} disk;

/** Ends the tests: what went wrong may have been asked for by a thread of the library's. */
static void require(bool condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "the simulated disk: %s\n", what);
        abort();
    }
}

/* ---- names */

static struct name *find_name(struct names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].text, text) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

static void remove_name(struct names *names, const char *text)
{
    struct name *name = find_name(names, text);
    if (name != NULL) {
        *name = names->items[--names->count];
    }
}

static void set_name(struct names *names, const char *text, struct file *file)
{
    struct name *name = find_name(names, text);
    if (name == NULL) {
        require(names->count < NAMES_MAX, "too many names");
        name = &names->items[names->count++];
        (void)snprintf(name->text, sizeof name->text, "%s", text);
    }
    name->file = file;
}

static void apply(struct names *names, const struct change *change)
{
    const struct name *from;
    switch (change->kind) {
    case CHANGE_ADD:
        set_name(names, change->to, change->file);
        break;
    case CHANGE_RENAME:
        from = find_name(names, change->from);
        if (from != NULL) {
            struct file *file = from->file;
            remove_name(names, change->from);
            set_name(names, change->to, file);
        }
        break;
    case CHANGE_REMOVE:
        remove_name(names, change->from);
        break;
    }
}

static void add_change(struct change change)
{
    require(disk.change_count < CHANGES_MAX, "too many changes of the directory");
    disk.changes[disk.change_count++] = change;
    apply(&disk.now, &change);
}

/** The name of something in the directory; NULL if it lies elsewhere. */
static const char *name_in(const char *path)
{
    size_t length = strlen(disk.path);
    bool inside =
        strncmp(path, disk.path, length) == 0 && path[length] == '/' && strchr(path + length + 1, '/') == NULL;
    require(!inside || strlen(path + length + 1) < NAME_BYTES, "a name is too long");
    return inside ? path + length + 1 : NULL;
}

/* ---- files */

static struct file *add_file(const char *path)
{
    require(disk.file_count < FILES_MAX, "too many files");
    struct file *file = &disk.files[disk.file_count++];
    *file = (struct file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    require(file->fd >= 0, "cannot open a file");
    return file;
}

/** What a file holds now; free() it. */
static unsigned char *content(const struct file *file, size_t *out_bytes)
{
    struct stat status;
    require(fstat(file->fd, &status) == 0, "cannot tell a file's length");
    size_t bytes = (size_t)status.st_size;
    unsigned char *data = calloc(bytes + 1, 1);
    require(data != NULL && pread(file->fd, data, bytes, 0) == (ssize_t)bytes, "cannot read a file");
    *out_bytes = bytes;
    return data;
}

static void sync_file(struct file *file)
{
    free(file->durable);
    file->durable = content(file, &file->durable_bytes);
}

static void sync_directory(void)
{
    disk.durable = disk.now;
    disk.change_count = 0;
}

/* ---- the calls */

/** Makes a call between its two boundaries. */
#define BETWEEN(name, type, expression)               \
    do {                                              \
        if (disk.boundary != NULL) {                  \
            disk.boundary(disk.context, name, false); \
        }                                             \
        (void)pthread_mutex_lock(&lock);              \
        type result = (expression);                   \
        (void)pthread_mutex_unlock(&lock);            \
        if (disk.boundary != NULL) {                  \
            disk.boundary(disk.context, name, true);  \
        }                                             \
        return result;                                \
    } while (0)

static int do_open(const char *path, int flags, mode_t mode)
{
    const char *name = name_in(path);
    bool there = name != NULL && find_name(&disk.now, name) != NULL;
    int fd = real.open(path, flags, mode);
    if (fd < 0) {
        return fd;
    }
    require(fd < FDS_MAX, "too many open files");
    disk.by_fd[fd] = NULL;
    disk.is_directory[fd] = strcmp(path, disk.path) == 0;
    if (name != NULL) {
        if (!there) {
            struct change change = {.kind = CHANGE_ADD, .file = add_file(path)};
            (void)snprintf(change.to, sizeof change.to, "%s", name);
            add_change(change);
        }
        disk.by_fd[fd] = find_name(&disk.now, name)->file;
    }
    return fd;
}

static int disk_open(const char *path, int flags, mode_t mode)
{
    if ((flags & (O_CREAT | O_TRUNC)) == 0) {
        (void)pthread_mutex_lock(&lock);
        int fd = do_open(path, flags, mode);
        (void)pthread_mutex_unlock(&lock);
        return fd;
    }
    BETWEEN("open", int, do_open(path, flags, mode));
}

static ssize_t disk_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    BETWEEN("pwrite", ssize_t, real.pwrite(fd, buffer, size, offset));
}

static int disk_fallocate(int fd, int mode, off_t offset, off_t length)
{
    BETWEEN("fallocate", int, real.fallocate(fd, mode, offset, length));
}

static int disk_ftruncate(int fd, off_t length)
{
    BETWEEN("ftruncate", int, real.ftruncate(fd, length));
}

static int do_sync(int fd)
{
    if (disk.is_directory[fd] && disk.lie != DISK_SKIPS_DIRECTORY_SYNCS) {
        sync_directory();
    }
    if (disk.by_fd[fd] != NULL && disk.lie != DISK_SKIPS_FILE_SYNCS) {
        sync_file(disk.by_fd[fd]);
    }
    return 0;
}

static int disk_fdatasync(int fd)
{
    BETWEEN("fdatasync", int, do_sync(fd));
}

static int disk_fsync(int fd)
{
    BETWEEN("fsync", int, do_sync(fd));
}

static int do_rename(const char *from, const char *to)
{
    int result = real.rename(from, to);
    if (result == 0 && name_in(from) != NULL) {
        struct change change = {.kind = CHANGE_RENAME};
        (void)snprintf(change.from, sizeof change.from, "%s", name_in(from));
        (void)snprintf(change.to, sizeof change.to, "%s", name_in(to));
        add_change(change);
    }
    return result;
}

static int disk_rename(const char *from, const char *to)
{
    BETWEEN("rename", int, do_rename(from, to));
}

static int do_unlink(const char *path)
{
    int result = real.unlink(path);
    if (result == 0 && name_in(path) != NULL) {
        struct change change = {.kind = CHANGE_REMOVE};
        (void)snprintf(change.from, sizeof change.from, "%s", name_in(path));
        add_change(change);
    }
    return result;
}

static int disk_unlink(const char *path)
{
    BETWEEN("unlink", int, do_unlink(path));
}

/** Notes a file that is there already as durable. */
static int adopt(void *context, const char *name)
{
    (void)context;
    char path[FILES_PATH_MAX];
    files_join(path, disk.path, name);
    struct file *file = add_file(path);
    sync_file(file);
    set_name(&disk.now, name, file);
    return ALEX_OK;
}

void disk_install(const char *path, disk_boundary_fn *boundary, void *context)
{
    memset(&disk, 0, sizeof disk);
    (void)snprintf(disk.path, sizeof disk.path, "%s", path);
    disk.boundary = boundary;
    disk.context = context;
    if (files_exists(path)) {
        ASSERT_OK(os_directory_visit(path, adopt, NULL, NULL));
    }
    sync_directory();
    real = os_calls;
    os_calls.open = disk_open;
    os_calls.pwrite = disk_pwrite;
    os_calls.fallocate = disk_fallocate;
    os_calls.ftruncate = disk_ftruncate;
    os_calls.fdatasync = disk_fdatasync;
    os_calls.fsync = disk_fsync;
    os_calls.rename = disk_rename;
    os_calls.unlink = disk_unlink;
}

void disk_remove(void)
{
    os_calls = real;
    for (size_t i = 0; i < disk.file_count; i++) {
        (void)close(disk.files[i].fd);
        free(disk.files[i].durable);
    }
    disk.file_count = 0;
}

void disk_set_lie(enum disk_lie lie)
{
    disk.lie = lie;
}

/* ---- cuts */

static bool keeps(enum disk_keep keep, struct helper_random *random)
{
    switch (keep) {
    case DISK_KEEP_NONE:
        return false;
    case DISK_KEEP_ALL:
        return true;
    case DISK_KEEP_RARELY:
        return helper_random_below(random, 8) == 0;
    case DISK_KEEP_MOSTLY:
        return helper_random_below(random, 8) != 0;
    default:
        return helper_random_below(random, 2) == 0;
    }
}

/** A length between the durable one and the one of now: one of them, or a sector's border between them. */
static size_t choose_length(size_t durable, size_t now, enum disk_keep keep, struct helper_random *random)
{
    size_t least = durable < now ? durable : now;
    size_t greatest = durable < now ? now : durable;
    size_t borders = greatest / SECTOR_BYTES - least / SECTOR_BYTES;
    if (keep == DISK_KEEP_NONE || keep == DISK_KEEP_ALL || borders == 0 || helper_random_below(random, 2) == 0) {
        return keeps(keep, random) ? now : durable;
    }
    size_t border = (least / SECTOR_BYTES + 1 + helper_random_below(random, borders)) * SECTOR_BYTES;
    return border < greatest ? border : greatest;
}

static void write_cut(const char *path, const struct file *file, enum disk_keep keep, struct helper_random *random)
{
    size_t now_bytes;
    unsigned char *now = content(file, &now_bytes);
    size_t bytes = choose_length(file->durable_bytes, now_bytes, keep, random);
    unsigned char *cut = calloc(bytes + 1, 1);
    require(cut != NULL, "no memory for a cut");
    memcpy(cut, file->durable != NULL ? file->durable : now, file->durable_bytes < bytes ? file->durable_bytes : bytes);
    for (size_t at = 0; at < bytes && at < now_bytes; at += SECTOR_BYTES) {
        size_t end = at + SECTOR_BYTES < bytes ? at + SECTOR_BYTES : bytes;
        end = end < now_bytes ? end : now_bytes;
        if (memcmp(cut + at, now + at, end - at) != 0 && keeps(keep, random)) {
            memcpy(cut + at, now + at, end - at);
        }
    }
    files_write(path, cut, bytes);
    free(cut);
    free(now);
}

void disk_cut(const char *to, enum disk_keep keep, struct helper_random *random)
{
    (void)pthread_mutex_lock(&lock);
    static struct names names;
    names = disk.durable;
    for (size_t i = 0; i < disk.change_count; i++) {
        if (keeps(keep, random)) {
            apply(&names, &disk.changes[i]);
        }
    }
    require(mkdir(to, 0777) == 0, "cannot make a directory for a cut");
    for (size_t i = 0; i < names.count; i++) {
        char path[FILES_PATH_MAX];
        files_join(path, to, names.items[i].text);
        write_cut(path, names.items[i].file, keep, random);
    }
    (void)pthread_mutex_unlock(&lock);
}
