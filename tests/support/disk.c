/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file disk.c
 * A simulated disk; see disk.h.
 */
#include "support/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"
#include "support/store_helper.h"

#define SECTOR_BYTES ((size_t)512)
#define NAME_BYTES 40

enum { FILES_MAX = 512, FDS_MAX = 1024, NAMES_MAX = 512, CHANGES_MAX = 2048 };

/** What a file held at some time; never changed. Shared, as most of what moments hold is the same. */
struct content {
    size_t references;
    size_t bytes;
    unsigned char data[];
};

/** A file, whatever its name is now. */
struct file {
    int fd; /**< for reading it; -1: it had no name any more when the disk was installed, and never changes */
    struct content *durable;
    struct content *latest; /**< when it was last looked at */
    uint64_t synced;        /**< the number of the sync that made `durable` so */
    bool given_up;          /**< a sync of it has failed */
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
    uint64_t durable_changes; /**< before those */
    bool given_up;            /**< a sync of the directory has failed */
    uint64_t syncs;           /**< begun */
    uint64_t sync_us_max;
    uint64_t until_failure[DISK_FAILURES]; /**< calls, the one that fails included; 0: none fails */
    bool failed;
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

static int open_to_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    require(fd >= 0, "cannot open a file");
    return fd;
}

static struct file *add_file(const char *path)
{
    require(disk.file_count < FILES_MAX, "too many files");
    struct file *file = &disk.files[disk.file_count++];
    *file = (struct file){.fd = open_to_read(path)};
    return file;
}

static struct content *share(struct content *content)
{
    content->references++;
    return content;
}

static void release(struct content *content)
{
    if (content != NULL && --content->references == 0) {
        free(content);
    }
}

/** What a file holds now; release() it. */
static struct content *look_at(struct file *file)
{
    struct stat status;
    if (file->fd < 0) {
        return share(file->latest);
    }
    require(fstat(file->fd, &status) == 0, "cannot tell a file's length");
    size_t bytes = (size_t)status.st_size;
    struct content *now = malloc(sizeof *now + bytes);
    require(now != NULL && pread(file->fd, now->data, bytes, 0) == (ssize_t)bytes, "cannot read a file");
    now->references = 1;
    now->bytes = bytes;
    struct content *latest = file->latest;
    if (latest != NULL && latest->bytes == bytes && memcmp(latest->data, now->data, bytes) == 0) {
        release(now);
        return share(latest);
    }
    release(latest);
    file->latest = share(now);
    return now;
}

/** Makes durable what a file held when a sync began, unless one that began later has ended before. */
static void make_durable(struct file *file, struct content *begun, uint64_t number)
{
    if (number < file->synced) {
        release(begun);
        return;
    }
    release(file->durable);
    file->durable = begun;
    file->synced = number;
}

/** Makes the first so many changes of the directory durable, unless they are. */
static void make_changes_durable(uint64_t changes)
{
    size_t count = changes > disk.durable_changes ? (size_t)(changes - disk.durable_changes) : 0;
    for (size_t i = 0; i < count; i++) {
        apply(&disk.durable, &disk.changes[i]);
    }
    disk.change_count -= count;
    disk.durable_changes += count;
    memmove(disk.changes, disk.changes + count, disk.change_count * sizeof disk.changes[0]);
}

/* ---- the calls */

/** The name that an open file has now; "" for the directory itself, NULL if it lies elsewhere. */
static const char *name_of(int fd)
{
    if (disk.is_directory[fd]) {
        return "";
    }
    for (size_t i = 0; i < disk.now.count && disk.by_fd[fd] != NULL; i++) {
        if (disk.now.items[i].file == disk.by_fd[fd]) {
            return disk.now.items[i].text;
        }
    }
    return NULL;
}

/** Tells of a call on a file of the directory. */
static void tell(const char *call, const char *file, bool done)
{
    if (file != NULL && disk.boundary != NULL) {
        disk.boundary(disk.context, call, file, done);
    }
}

/** Makes a call between its two boundaries, with the lock. */
#define BETWEEN(call, file, type, expression)                         \
    do {                                                              \
        char file_name[NAME_BYTES];                                   \
        (void)pthread_mutex_lock(&lock);                              \
        const char *found = (file);                                   \
        if (found != NULL) {                                          \
            (void)snprintf(file_name, sizeof file_name, "%s", found); \
        }                                                             \
        (void)pthread_mutex_unlock(&lock);                            \
        tell(call, found != NULL ? file_name : NULL, false);          \
        (void)pthread_mutex_lock(&lock);                              \
        type result = (expression);                                   \
        (void)pthread_mutex_unlock(&lock);                            \
        int os_errno = errno;                                         \
        tell(call, found != NULL ? file_name : NULL, true);           \
        errno = os_errno;                                             \
        return result;                                                \
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
    BETWEEN("open", name_in(path), int, do_open(path, flags, mode));
}

/** Counts a call on an open file, and tells whether it is the one that fails. Sets errno if so. */
static bool fails(enum disk_failure failure, int fd)
{
    bool inside = disk.is_directory[fd] || disk.by_fd[fd] != NULL;
    if (!inside || disk.until_failure[failure] == 0 || --disk.until_failure[failure] > 0) {
        return false;
    }
    disk.failed = true;
    errno = EIO;
    return true;
}

/** A write that fails leaves a half of its bytes. */
static ssize_t do_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    if (!fails(DISK_FAILS_WRITE, fd)) {
        return real.pwrite(fd, buffer, size, offset);
    }
    (void)real.pwrite(fd, buffer, size / 2, offset);
    errno = EIO;
    return -1;
}

static ssize_t disk_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    BETWEEN("pwrite", name_of(fd), ssize_t, do_pwrite(fd, buffer, size, offset));
}

static int disk_fallocate(int fd, int mode, off_t offset, off_t length)
{
    BETWEEN("fallocate", name_of(fd), int, real.fallocate(fd, mode, offset, length));
}

static int disk_ftruncate(int fd, off_t length)
{
    BETWEEN("ftruncate", name_of(fd), int, real.ftruncate(fd, length));
}

/** Lets other threads get on, without the lock. */
static void take_time(uint64_t number)
{
    struct helper_random random = {number};
    struct timespec time = {0, (long)helper_random_below(&random, disk.sync_us_max + 1) * 1000};
    (void)pthread_mutex_unlock(&lock);
    if (time.tv_nsec > 0) {
        (void)nanosleep(&time, NULL);
    }
    (void)pthread_mutex_lock(&lock);
}

/** Syncs an open file or the directory as it is now, and not what becomes of it before the sync ends. */
static int do_sync(int fd)
{
    struct file *file = disk.by_fd[fd];
    bool is_directory = disk.is_directory[fd];
    uint64_t number = ++disk.syncs;
    uint64_t changes = disk.durable_changes + disk.change_count;
    struct content *begun = file != NULL ? look_at(file) : NULL;
    bool failed = fails(DISK_FAILS_SYNC, fd);
    take_time(number);
    if (file != NULL) {
        file->given_up |= failed;
    }
    disk.given_up |= is_directory && failed;
    if (file != NULL && !file->given_up && disk.lie != DISK_SKIPS_FILE_SYNCS) {
        make_durable(file, begun, number);
    } else {
        release(begun);
    }
    if (is_directory && !disk.given_up && disk.lie != DISK_SKIPS_DIRECTORY_SYNCS) {
        make_changes_durable(changes);
    }
    errno = EIO;
    return failed ? -1 : 0;
}

static int disk_fdatasync(int fd)
{
    BETWEEN("fdatasync", name_of(fd), int, do_sync(fd));
}

static int disk_fsync(int fd)
{
    BETWEEN("fsync", name_of(fd), int, do_sync(fd));
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
    BETWEEN("rename", name_in(from), int, do_rename(from, to));
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
    BETWEEN("unlink", name_in(path), int, do_unlink(path));
}

/** Notes a file that is there already as durable. */
static int adopt(void *context, const char *name)
{
    (void)context;
    char path[FILES_PATH_MAX];
    files_join(path, disk.path, name);
    struct file *file = add_file(path);
    file->durable = look_at(file);
    set_name(&disk.now, name, file);
    return ALEX_OK;
}

/** Begins with an empty directory, through whose calls the library's go from now on. */
static void install(const char *path, disk_boundary_fn *boundary, void *context)
{
    memset(&disk, 0, sizeof disk);
    (void)snprintf(disk.path, sizeof disk.path, "%s", path);
    disk.boundary = boundary;
    disk.context = context;
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

void disk_install(const char *path, disk_boundary_fn *boundary, void *context)
{
    install(path, boundary, context);
    if (files_exists(path)) {
        ASSERT_OK(os_directory_visit(path, adopt, NULL, NULL));
    }
    disk.durable = disk.now;
}

void disk_remove(void)
{
    os_calls = real;
    for (size_t i = 0; i < disk.file_count; i++) {
        if (disk.files[i].fd >= 0) {
            (void)close(disk.files[i].fd);
        }
        release(disk.files[i].durable);
        release(disk.files[i].latest);
    }
    disk.file_count = 0;
}

void disk_set_lie(enum disk_lie lie)
{
    disk.lie = lie;
}

void disk_set_sync_us(uint64_t most)
{
    (void)pthread_mutex_lock(&lock);
    disk.sync_us_max = most;
    (void)pthread_mutex_unlock(&lock);
}

void disk_fail(enum disk_failure failure, uint64_t number)
{
    (void)pthread_mutex_lock(&lock);
    disk.until_failure[failure] = number;
    (void)pthread_mutex_unlock(&lock);
}

bool disk_has_failed(void)
{
    (void)pthread_mutex_lock(&lock);
    bool failed = disk.failed;
    (void)pthread_mutex_unlock(&lock);
    return failed;
}

/* ---- moments */

/** A file at a moment. */
struct instance {
    const struct file *file;
    struct content *durable; /**< NULL: nothing of it */
    struct content *now;
};

struct disk_moment {
    size_t references;
    struct names durable;
    struct change *changes;
    size_t change_count;
    struct instance *instances; /**< by the files' places in `disk.files` */
    size_t instance_count;
};

struct disk_moment *disk_moment_take(void)
{
    struct disk_moment *moment = calloc(1, sizeof *moment);
    require(moment != NULL, "no memory for a moment");
    (void)pthread_mutex_lock(&lock);
    moment->references = 1;
    moment->durable = disk.durable;
    moment->change_count = disk.change_count;
    moment->changes = malloc((disk.change_count + 1) * sizeof *moment->changes);
    moment->instance_count = disk.file_count;
    moment->instances = calloc(disk.file_count + 1, sizeof *moment->instances);
    require(moment->changes != NULL && moment->instances != NULL, "no memory for a moment");
    memcpy(moment->changes, disk.changes, disk.change_count * sizeof *moment->changes);
    for (size_t i = 0; i < disk.file_count; i++) {
        struct file *file = &disk.files[i];
        moment->instances[i] =
            (struct instance){file, file->durable != NULL ? share(file->durable) : NULL, look_at(file)};
    }
    (void)pthread_mutex_unlock(&lock);
    return moment;
}

struct disk_moment *disk_moment_share(struct disk_moment *moment)
{
    moment->references++;
    return moment;
}

void disk_moment_release(struct disk_moment *moment)
{
    if (--moment->references > 0) {
        return;
    }
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < moment->instance_count; i++) {
        release(moment->instances[i].durable);
        release(moment->instances[i].now);
    }
    (void)pthread_mutex_unlock(&lock);
    free(moment->instances);
    free(moment->changes);
    free(moment);
}

void disk_install_killed(const char *path, const struct disk_moment *moment, disk_boundary_fn *boundary, void *context)
{
    disk_cut(moment, path, DISK_KEEP_ALL, NULL);
    install(path, boundary, context);
    /* The files are in the same places as they were, so that the names and changes still point to them. */
    disk.file_count = moment->instance_count;
    disk.durable = moment->durable;
    disk.now = moment->durable;
    for (size_t i = 0; i < moment->change_count; i++) {
        add_change(moment->changes[i]);
    }
    for (size_t i = 0; i < moment->instance_count; i++) {
        const struct instance *instance = &moment->instances[i];
        disk.files[i] = (struct file){
            .fd = -1,
            .durable = instance->durable != NULL ? share(instance->durable) : NULL,
            .latest = share(instance->now),
        };
    }
    for (size_t i = 0; i < disk.now.count; i++) {
        char file_path[FILES_PATH_MAX];
        files_join(file_path, path, disk.now.items[i].text);
        disk.now.items[i].file->fd = open_to_read(file_path);
    }
}

static const struct instance *instance_of(const struct disk_moment *moment, const struct file *file)
{
    return &moment->instances[file - disk.files];
}

static size_t durable_bytes(const struct instance *instance)
{
    return instance->durable != NULL ? instance->durable->bytes : 0;
}

/* ---- cuts */

/** Decides, one thing after the other, what a cut keeps. */
struct chooser {
    enum { CHOOSE_BY_CHANCE, CHOOSE_NEXT, CHOOSE_ONE } way;
    enum disk_keep keep;          /**< CHOOSE_BY_CHANCE */
    struct helper_random *random; /**< CHOOSE_BY_CHANCE */
    struct disk_choices *choices; /**< CHOOSE_NEXT */
    size_t one;                   /**< CHOOSE_ONE: which thing is unlike all others */
    bool lost;                    /**< CHOOSE_ONE: and whether it is what is lost, or what is kept */
    size_t decided;
};

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

/** Chooses one of so many states of a thing: 0 is the durable one, the last that of now. */
static uint32_t choose(struct chooser *chooser, uint32_t states)
{
    size_t at = chooser->decided++;
    struct disk_choices *choices = chooser->choices;
    switch (chooser->way) {
    case CHOOSE_NEXT:
        require(at < DISK_CHOICES_MAX, "too much is undecided to try everything");
        if (at == choices->count) {
            choices->chosen[at] = 0;
            choices->states[at] = states;
            choices->count++;
        }
        return choices->chosen[at];
    case CHOOSE_ONE:
        return (at == chooser->one) != chooser->lost ? states - 1 : 0;
    default:
        if (states > 2 && chooser->keep != DISK_KEEP_NONE && chooser->keep != DISK_KEEP_ALL &&
            helper_random_below(chooser->random, 2) == 0) {
            return 1 + (uint32_t)helper_random_below(chooser->random, states - 2);
        }
        return keeps(chooser->keep, chooser->random) ? states - 1 : 0;
    }
}

/** The lengths that a cut may leave a file with: the durable one, that of now, and every sector's border between. */
struct lengths {
    size_t durable;
    size_t now;
    size_t first_border;
    uint32_t count;
};

static struct lengths lengths_of(const struct instance *instance)
{
    size_t durable = durable_bytes(instance);
    size_t now = instance->now->bytes;
    if (durable == now) {
        return (struct lengths){durable, now, 0, 1};
    }
    size_t least = durable < now ? durable : now;
    size_t greatest = durable < now ? now : durable;
    size_t first = (least / SECTOR_BYTES + 1) * SECTOR_BYTES;
    size_t borders = first < greatest ? (greatest - 1 - first) / SECTOR_BYTES + 1 : 0;
    return (struct lengths){durable, now, first, (uint32_t)(2 + borders)};
}

static size_t length_at(const struct lengths *lengths, uint32_t state)
{
    return state == 0                    ? lengths->durable
           : state + 1 == lengths->count ? lengths->now
                                         : lengths->first_border + (state - 1) * SECTOR_BYTES;
}

/** Whether a sector of a cut file of `bytes` bytes is undecided: it lies in both, and what was durable there differs
 *  from what is there now. What lies behind the durable end reads as zero. */
static bool sector_differs(const struct instance *instance, size_t bytes, size_t at, size_t *out_end)
{
    static const unsigned char zero[SECTOR_BYTES];
    size_t end = at + SECTOR_BYTES < bytes ? at + SECTOR_BYTES : bytes;
    end = end < instance->now->bytes ? end : instance->now->bytes;
    *out_end = end;
    if (at >= end) {
        return false;
    }
    size_t durable = durable_bytes(instance);
    size_t both = durable < at ? at : durable < end ? durable : end;
    return (both > at && memcmp(instance->durable->data + at, instance->now->data + at, both - at) != 0) ||
           memcmp(zero, instance->now->data + both, end - both) != 0;
}

static void write_cut(const char *path, const struct instance *instance, struct chooser *chooser)
{
    struct lengths lengths = lengths_of(instance);
    size_t bytes = length_at(&lengths, lengths.count > 1 ? choose(chooser, lengths.count) : 0);
    size_t durable = durable_bytes(instance);
    unsigned char *cut = calloc(bytes + 1, 1);
    require(cut != NULL, "no memory for a cut");
    if (durable > 0) {
        memcpy(cut, instance->durable->data, durable < bytes ? durable : bytes);
    }
    for (size_t at = 0; at < bytes && instance->now != instance->durable; at += SECTOR_BYTES) {
        size_t end;
        if (sector_differs(instance, bytes, at, &end) && choose(chooser, 2) == 1) {
            memcpy(cut + at, instance->now->data + at, end - at);
        }
    }
    files_write(path, cut, bytes);
    free(cut);
}

static void cut(const struct disk_moment *moment, const char *to, struct chooser *chooser)
{
    struct names names = moment->durable;
    for (size_t i = 0; i < moment->change_count; i++) {
        if (choose(chooser, 2) == 1) {
            apply(&names, &moment->changes[i]);
        }
    }
    require(mkdir(to, 0777) == 0, "cannot make a directory for a cut");
    for (size_t i = 0; i < names.count; i++) {
        char path[FILES_PATH_MAX];
        files_join(path, to, names.items[i].text);
        write_cut(path, instance_of(moment, names.items[i].file), chooser);
    }
}

void disk_cut(const struct disk_moment *moment, const char *to, enum disk_keep keep, struct helper_random *random)
{
    struct chooser chooser = {.way = CHOOSE_BY_CHANCE, .keep = keep, .random = random};
    cut(moment, to, &chooser);
}

bool disk_cut_next(const struct disk_moment *moment, const char *to, struct disk_choices *choices)
{
    if (choices->begun) {
        while (choices->count > 0 && choices->chosen[choices->count - 1] + 1 == choices->states[choices->count - 1]) {
            choices->count--;
        }
        if (choices->count == 0) {
            return false;
        }
        choices->chosen[choices->count - 1]++;
    }
    choices->begun = true;
    struct chooser chooser = {.way = CHOOSE_NEXT, .choices = choices};
    cut(moment, to, &chooser);
    return true;
}

bool disk_cut_one(const struct disk_moment *moment, const char *to, size_t one, bool lost)
{
    struct chooser chooser = {.way = CHOOSE_ONE, .one = one, .lost = lost};
    cut(moment, to, &chooser);
    return one < chooser.decided;
}

/** In how many states a cut may leave a file. */
static double states_of(const struct instance *instance)
{
    struct lengths lengths = lengths_of(instance);
    double all = 0;
    for (uint32_t i = 0; i < lengths.count; i++) {
        size_t bytes = length_at(&lengths, i);
        double states = 1;
        for (size_t at = 0; at < bytes && instance->now != instance->durable; at += SECTOR_BYTES) {
            size_t end;
            states *= sector_differs(instance, bytes, at, &end) ? 2 : 1;
        }
        all += states;
    }
    return all;
}

double disk_cut_count(const struct disk_moment *moment)
{
    if (moment->change_count > DISK_CHANGES_MAX) {
        return HUGE_VAL;
    }
    double all = 0;
    for (uint32_t subset = 0; subset < (uint32_t)1 << moment->change_count; subset++) {
        struct names names = moment->durable;
        for (size_t i = 0; i < moment->change_count; i++) {
            if ((subset >> i & 1) != 0) {
                apply(&names, &moment->changes[i]);
            }
        }
        double states = 1;
        for (size_t i = 0; i < names.count; i++) {
            states *= states_of(instance_of(moment, names.items[i].file));
        }
        all += states;
    }
    return all;
}
