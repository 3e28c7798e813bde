/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_file_systems.c
 * Power cuts on real file systems: a store on ext4, and on xfs, whose disk is an image on another xfs. While a process
 * writes, the image is cloned in one instant: the clone is what the disk held then, without what the system had yet to
 * write. It is mounted, which replays the file system's journal, and the store opened: all that was acknowledged as
 * durable before that instant is there, and nothing is there that was never written.
 *
 * Some pages are written back by chance and early, as a busy system does. The next process goes on with the clone, so
 * that recoveries are cut as well. When the clone is made isn't the seed's to say: a seed gives the same operations,
 * but not the same cuts.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "crash/history.h"
#include "store/store.h"
#include "support/faults.h"
#include "support/images.h"

/** Operations of a process at most, and cuts of a file system before it is made anew: so that it doesn't fill up. */
enum { OPERATIONS_MAX = 1500, CUTS_A_STORE = 12 };

/** One in so many processes is cut as soon as it has begun, perhaps while it recovers; others after up to so many
 *  writes and some time more. */
#define EARLY_SHARE 4
#define WRITES_MAX 60
#define LIFE_US_MAX 5000

/** A sync comes after one in so many operations, where they are not durable by themselves. */
#define SYNC_SHARE 8

/** Where the file systems are mounted, in the test's directory: that of the images, the store's, and its copy's. */
#define OUTER_NAME "outer"
#define INNER_NAME "inner"
#define EXAMINED_NAME "examined"

#define SEGMENT_SHIFT 16
#define MEBIBYTE ((uint64_t)1 << 20)
#define OUTER_BYTES (2048 * MEBIBYTE)
#define INNER_BYTES (320 * MEBIBYTE) /* the least that xfs takes is 300 MB */
/** What the images take at most of the space that holds them. */
#define SPACE_BYTES (1024 * MEBIBYTE)

/** How far the process came, in memory that it shares with its parent. */
struct progress {
    _Atomic uint32_t issued;  /**< the state that the operation at work makes */
    _Atomic uint32_t done;    /**< the state of the last operation that has returned */
    _Atomic uint32_t durable; /**< the last state acknowledged as durable */
};

/** A file system in an image, with a store on it. */
struct machine {
    const char *type;
    uint64_t seed;
    char image[FILES_PATH_MAX];     /**< the file system's disk */
    char clone[FILES_PATH_MAX];     /**< the disk as a cut left it */
    char examined[FILES_PATH_MAX];  /**< a copy of that, to look at */
    char directory[FILES_PATH_MAX]; /**< where the file system is mounted */
    char store[FILES_PATH_MAX];
    struct history history;
    struct progress *progress;
    struct alex_options options; /**< of the process at work */
    uint64_t cuts;
    uint64_t early;    /**< cuts of a process that had written nothing */
    uint64_t cut_back; /**< cuts that took something away that had been written */
};

static void require(bool done)
{
    if (!done) {
        fail_msg("%s", images_reason());
    }
}

/* ---- the process that writes */

static int write_on(void *context)
{
    struct machine *machine = context;
    struct history *history = &machine->history;
    struct progress *progress = machine->progress;
    struct helper_random random = {history->random.state};
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    alex_store *store;
    CHILD_REQUIRE(store_open_tuned(machine->store, &machine->options, &tuning, &store) == ALEX_OK);
    for (int i = 0; i < OPERATIONS_MAX; i++) {
        atomic_store(&progress->issued, history->issued + 1);
        CHILD_REQUIRE(history_operate(history, store) == ALEX_OK);
        atomic_store(&progress->done, history->issued);
        if (machine->options.durability == ALEX_DURABLE_ON_COMMIT || helper_random_below(&random, SYNC_SHARE) == 0) {
            CHILD_REQUIRE(history_make_durable(store, machine->options.durability) == ALEX_OK);
            atomic_store(&progress->durable, history->issued);
        }
    }
    for (;;) {
        (void)pause();
    }
}

/** Has the system begin to write some pages of the log. */
static void write_some_back(const struct machine *machine, struct helper_random *random)
{
    char(*names)[32];
    size_t count = files_exists(machine->store) ? files_list_segments(machine->store, &names) : 0;
    for (size_t i = count > 2 ? count - 2 : 0; i < count; i++) {
        char path[FILES_PATH_MAX];
        files_join(path, machine->store, names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        off_t page = (off_t)helper_random_below(random, 1 << (SEGMENT_SHIFT - 12));
        (void)sync_file_range(fd, page << 12, 4096, SYNC_FILE_RANGE_WRITE);
        (void)close(fd);
    }
    if (count > 0) {
        free(names);
    }
}

/* ---- cuts */

/** Compares what a cut left with what it may hold, and brings the history to it. */
static void examine(struct machine *machine, uint32_t durable, uint32_t issued, struct fixture *fixture)
{
    struct history *history = &machine->history;
    char directory[FILES_PATH_MAX];
    while (history->issued < issued) {
        ASSERT_OK(history_operate(history, NULL));
    }
    files_join(directory, fixture->directory, EXAMINED_NAME);
    require(images_clone(machine->clone, machine->examined));
    require(images_mount(machine->examined, machine->type, directory));
    files_join(fixture->path, directory, "store");
    struct alex_error error = {0};
    struct alex_options options = {.error = &error};
    if (alex_open(fixture->path, &options, &fixture->store) != ALEX_OK) {
        fail_msg("%s, seed %" PRIu64 ": the store does not open: %s at %" PRIu64 ": %s", machine->type, machine->seed,
                 error.path, error.offset, error.message);
    }
    uint32_t held = history_held(history, fixture->store, durable, issued);
    helper_check(fixture->store);
    fixture_store_close(fixture);
    images_unmount(directory);
    files_remove(machine->examined);
    if (held == HISTORY_NONE) {
        fail_msg("%s, seed %" PRIu64 ": the store holds no state from %" PRIu32 " to %" PRIu32, machine->type,
                 machine->seed, durable, issued);
    }
    machine->cut_back += held < atomic_load(&machine->progress->done);
    history_go_back(history, held);
}

/** Puts the disk that a cut left in the place of the one that was in use. */
static void go_on_with_clone(struct machine *machine)
{
    images_unmount(machine->directory);
    files_remove(machine->image);
    assert_int_equal(rename(machine->clone, machine->image), 0);
    require(images_mount(machine->image, machine->type, machine->directory));
}

/** Has a process write, and cuts the power. */
static void cut(struct machine *machine, struct helper_random *random, struct fixture *fixture)
{
    struct progress *progress = machine->progress;
    uint32_t begin = machine->history.issued;
    atomic_store(&progress->issued, begin);
    atomic_store(&progress->done, begin);
    atomic_store(&progress->durable, begin); /* it was read from the disk */
    machine->options = (struct alex_options){.durability = (enum alex_durability)helper_random_below(random, 3)};
    machine->options.sync_interval_ms = machine->options.durability == ALEX_DURABLE_WITHIN_INTERVAL;
    bool early = helper_random_below(random, EARLY_SHARE) == 0;
    uint32_t writes = early ? 0 : 1 + (uint32_t)helper_random_below(random, WRITES_MAX);

    int child = helper_child_start(write_on, machine);
    helper_child_wait_for(child, &progress->done, begin + writes);
    for (uint64_t left = helper_random_below(random, 4); left > 0; left--) {
        write_some_back(machine, random);
        (void)usleep((useconds_t)helper_random_below(random, LIFE_US_MAX / 2));
    }
    uint32_t durable = atomic_load(&progress->durable);
    bool cloned = images_clone(machine->image, machine->clone);
    uint32_t issued = atomic_load(&progress->issued);
    helper_child_kill(child);
    require(cloned);
    machine->cuts++;
    machine->early += atomic_load(&progress->done) == begin;
    examine(machine, durable, issued, fixture);
    go_on_with_clone(machine);
}

/** Makes the machine's file system anew, and a store on it. @return false: it can't be done here */
static bool set_up(struct machine *machine)
{
    alex_store *store;
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    images_unmount(machine->directory);
    files_remove(machine->image);
    if (!images_make(machine->image, INNER_BYTES, machine->type) ||
        !images_mount(machine->image, machine->type, machine->directory)) {
        return false;
    }
    ASSERT_OK(store_open_tuned(machine->store, NULL, &tuning, &store));
    ASSERT_OK(alex_close(store));
    return true;
}

/** Makes and mounts the file system that holds the images. What has no name any more goes with its mount. */
static bool mount_outer(const struct fixture *fixture, const char *outer)
{
    char image[FILES_PATH_MAX];
    files_join(image, fixture->directory, "outer.image");
    bool mounted = images_begin() && images_make(image, OUTER_BYTES, "xfs") && images_mount(image, "xfs", outer);
    files_remove(image);
    return mounted;
}

/** Cuts a file system's power as often as the environment asks for. */
static void cut_often(struct fixture *fixture, const char *type)
{
    struct machine machine = {.type = type, .seed = helper_environment("ALEX_DISK_SEED", 1)};
    uint64_t wanted = helper_environment("ALEX_DISK_CUTS", 5);
    char outer[FILES_PATH_MAX];
    files_join(outer, fixture->directory, OUTER_NAME);
    files_join(machine.image, outer, "image");
    files_join(machine.clone, outer, "clone");
    files_join(machine.examined, outer, "examined");
    files_join(machine.directory, fixture->directory, INNER_NAME);
    files_join(machine.store, machine.directory, "store");
    if (!mount_outer(fixture, outer) || !set_up(&machine)) {
        (void)printf("power cuts on %s: skipped: %s\n", type, images_reason());
        skip();
    }
    machine.progress = mmap(NULL, sizeof *machine.progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(machine.progress, MAP_FAILED);
    for (; machine.cuts < wanted; machine.seed++) {
        struct helper_random random = {machine.seed};
        history_begin(&machine.history, machine.seed, CUTS_A_STORE * OPERATIONS_MAX);
        require(set_up(&machine));
        for (int i = 0; i < CUTS_A_STORE && machine.cuts < wanted; i++) {
            cut(&machine, &random, fixture);
        }
        history_release(&machine.history);
    }
    (void)munmap(machine.progress, sizeof *machine.progress);
    (void)printf("power cuts on %s: %" PRIu64 ", of them before a write: %" PRIu64 ", with something unsynced lost: "
                 "%" PRIu64 "; lost: 0\n",
                 type, machine.cuts, machine.early, machine.cut_back);
    assert_true(machine.early < machine.cuts);
}

/* Of ext4. */
static void test_ext4(void **state)
{
    cut_often(*state, "ext4");
}

/* Of xfs. */
static void test_xfs(void **state)
{
    cut_often(*state, "xfs");
}

/** Takes the mounts away, however the test ended. */
static int tear_down(void **state)
{
    static const char *const names[] = {EXAMINED_NAME, INNER_NAME, OUTER_NAME};
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char directory[FILES_PATH_MAX];
        files_join(directory, fixture->directory, names[i]);
        images_unmount(directory);
    }
    return fixture_close(state);
}

int main(void)
{
    struct statvfs memory;
    if (statvfs("/dev/shm", &memory) == 0 && (uint64_t)memory.f_bavail * memory.f_frsize > SPACE_BYTES) {
        faults_prefer_memory(); /* the images; what they show does not depend on where they are */
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ext4, fixture_directory, tear_down),
        cmocka_unit_test_setup_teardown(test_xfs, fixture_directory, tear_down),
    };
    return cmocka_run_group_tests_name("file systems", tests, NULL, NULL);
}
