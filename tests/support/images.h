/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file images.h
 * File systems in image files, mounted through loop devices: for tests that take the disk away from a real file system.
 *
 * It takes root, loop devices and the mkfs tools. The mounts are in a namespace of the process's own, and each loop
 * device goes with its mount: whichever way the process ends, nothing is left but files.
 */
#ifndef SUPPORT_IMAGES_H
#define SUPPORT_IMAGES_H

#include <stdbool.h>
#include <stdint.h>

/** Gives this process its own mounts. Calls here return false, and say why by images_reason(), if something fails. */
bool images_begin(void);
const char *images_reason(void);

/** Makes an image with an empty file system, "ext4" or "xfs", whose space is taken as it is used. */
bool images_make(const char *image, uint64_t bytes, const char *type);

/** Mounts an image on a new directory. */
bool images_mount(const char *image, const char *type, const char *directory);
/** Unmounts it and removes the directory. What isn't mounted is fine. */
void images_unmount(const char *directory);

/** Makes the file `to` what the file `from` is at one instant, in a file system that can share blocks. */
bool images_clone(const char *from, const char *to);

#endif /* SUPPORT_IMAGES_H */
