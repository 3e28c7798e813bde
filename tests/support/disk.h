/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file disk.h
 * A simulated disk: what was synced is kept apart from what was only written.
 *
 * Between disk_install() and disk_remove() the library's system calls go through here. Everything is done to the real
 * files of one directory, so that the program at work sees what it has written; beside them is kept what of each file,
 * and of the directory's names, was made durable by a sync. Of any moment disk_cut() makes a directory as a power cut
 * could leave it: of what was not synced any subset, in sectors of 512 bytes, each old or new as a whole, also of a
 * file's length, and any subset of the directory's changes.
 *
 * What was written twice since the last sync counts once: a log writes no byte twice.
 *
 * Several threads may make calls, and take moments. A sync makes durable what there was when it began, and not what
 * others write while it is under way.
 */
#ifndef SUPPORT_DISK_H
#define SUPPORT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct helper_random;

/** A call that changes the file `file` of the directory, or makes its changes durable, is about to be made, or has been
 *  made. `file` is "" for the directory itself. */
typedef void disk_boundary_fn(void *context, const char *call, const char *file, bool done);

/** Takes over the directory `path`, absolute, and whatever is in it as durable. While no store is open. One at a time.
 *
 *  @param boundary  called around each such call, by the thread that makes it; optional */
void disk_install(const char *path, disk_boundary_fn *boundary, void *context);
/** Ends it. While no store is open. */
void disk_remove(void);

/** What was durable at a moment, and what else a power cut might have kept then. */
struct disk_moment;
struct disk_moment *disk_moment_take(void);
/** Another owner of it, who releases it too. */
struct disk_moment *disk_moment_share(struct disk_moment *moment);
void disk_moment_release(struct disk_moment *moment);

/** How much of what was not synced a cut keeps. */
enum disk_keep {
    DISK_KEEP_NONE,   /**< nothing: what a sync that was left out would lose */
    DISK_KEEP_ALL,    /**< everything, as a killed process leaves it */
    DISK_KEEP_RANDOM, /**< each sector and each change of the directory by chance */
    DISK_KEEP_RARELY, /**< few of them */
    DISK_KEEP_MOSTLY, /**< most of them */
    DISK_KEEPS,
};

/** As disk_install(), for the new directory `path`, where it goes on as a process does that follows one killed at that
 *  moment: it finds all that was written, but no more of it is durable than was. */
void disk_install_killed(const char *path, const struct disk_moment *moment, disk_boundary_fn *boundary, void *context);

/** Makes the new directory `to` what a power cut at that moment could have left. */
void disk_cut(const struct disk_moment *moment, const char *to, enum disk_keep keep, struct helper_random *random);

/** More changes of the directory are too many to try every subset of. */
#define DISK_CHANGES_MAX 12
#define DISK_CHOICES_MAX 256

/** Which of a moment's cuts was made last; all zero: none. */
struct disk_choices {
    bool begun;
    size_t count;                      /**< of the things that were undecided in it */
    uint32_t chosen[DISK_CHOICES_MAX]; /**< the state that each was given */
    uint32_t states[DISK_CHOICES_MAX]; /**< how many it could have been given */
};

/** How many cuts disk_cut_next() makes of a moment; infinitely many if the directory's changes are too many. */
double disk_cut_count(const struct disk_moment *moment);
/** Makes each directory that a power cut at that moment could have left, one a call. @return false: there is no more,
 *  and none was made */
bool disk_cut_next(const struct disk_moment *moment, const char *to, struct disk_choices *choices);
/** Makes the cut where everything is kept but one thing, or lost but one. @return false: there are fewer things, and
 *  all was kept, or lost */
bool disk_cut_one(const struct disk_moment *moment, const char *to, size_t one, bool lost);

/** What is planted to show that the tests would find it: a sync that is reported and not done. */
enum disk_lie {
    DISK_HONEST,
    DISK_SKIPS_FILE_SYNCS,
    DISK_SKIPS_DIRECTORY_SYNCS,
};
void disk_set_lie(enum disk_lie lie);

/** Lets each sync take some time, up to so many microseconds, for other threads to get on. */
void disk_set_sync_us(uint64_t most);

/** What can fail, with EIO. */
enum disk_failure {
    DISK_FAILS_WRITE, /**< a half is written */
    /** What it was about is given up: as on Linux further syncs of the file succeed, and here nothing of it becomes
     *  durable any more. */
    DISK_FAILS_SYNC,
    DISK_FAILURES,
};
/** Has the `number`-th such call in the directory from now on fail; 0: none. */
void disk_fail(enum disk_failure failure, uint64_t number);
/** Whether one has. */
bool disk_has_failed(void);

#endif /* SUPPORT_DISK_H */
