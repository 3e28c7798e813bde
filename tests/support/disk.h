/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file disk.h
 * A simulated disk: what was synced is kept apart from what was only written.
 *
 * Between disk_install() and disk_remove() the library's system calls go through here. Everything is done to the real
 * files of one directory, so that the program at work sees what it has written; beside them is kept what of each file,
 * and of the directory's names, was made durable by a sync. At any moment disk_cut() gives a directory as a power cut
 * could leave it: of what was not synced any subset, in sectors of 512 bytes, each old or new as a whole, also of a
 * file's length, and any subset of the directory's changes.
 *
 * What was written twice since the last sync counts once: a log writes no byte twice.
 */
#ifndef SUPPORT_DISK_H
#define SUPPORT_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct helper_random;

/** A call that changes files, or makes changes durable, is about to be made, or has been made, under `name`. */
typedef void disk_boundary_fn(void *context, const char *name, bool done);

/** Takes over the directory `path`, absolute, and whatever is in it as durable. While no store is open. One at a time.
 *
 *  @param boundary  called around each such call, by the thread that makes it; optional */
void disk_install(const char *path, disk_boundary_fn *boundary, void *context);
/** Ends it. While no store is open. */
void disk_remove(void);

/** How much of what was not synced a cut keeps. */
enum disk_keep {
    DISK_KEEP_NONE,   /**< nothing: what a sync that was left out would lose */
    DISK_KEEP_ALL,    /**< everything, as a killed process leaves it */
    DISK_KEEP_RANDOM, /**< each sector and each change of the directory by chance */
    DISK_KEEP_RARELY, /**< few of them */
    DISK_KEEP_MOSTLY, /**< most of them */
    DISK_KEEPS,
};

/** Makes the new directory `to` what a power cut at this moment could leave. */
void disk_cut(const char *to, enum disk_keep keep, struct helper_random *random);

/** What is planted to show that the tests would find it: a sync that is reported and not done. */
enum disk_lie {
    DISK_HONEST,
    DISK_SKIPS_FILE_SYNCS,
    DISK_SKIPS_DIRECTORY_SYNCS,
};
void disk_set_lie(enum disk_lie lie);

#endif /* SUPPORT_DISK_H */
