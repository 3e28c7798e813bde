/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file images.c
 * File systems in image files; see images.h.
 */
#include "support/images.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOP_MAJOR 7
#define LOOP_ATTEMPTS 100

static char reason[256];

static bool failed(const char *what, const char *which)
{
    (void)snprintf(reason, sizeof reason, "%s %s: %s", what, which, strerror(errno));
    return false;
}

const char *images_reason(void)
{
    return reason;
}

bool images_begin(void)
{
    if (access("/dev/loop-control", R_OK | W_OK) != 0) {
        return failed("cannot use", "/dev/loop-control");
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return failed("cannot mount", "in a namespace of its own");
    }
    return true;
}

/** Runs a program without what it prints. */
static bool run(const char *const *arguments)
{
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
        (void)execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child < 0) {
        return failed("cannot run", arguments[0]);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        bool missing = WIFEXITED(status) && WEXITSTATUS(status) == 127;
        (void)snprintf(reason, sizeof reason, "%s %s", arguments[0], missing ? "is not installed" : "failed");
        return false;
    }
    return true;
}

bool images_make(const char *image, uint64_t bytes, const char *type)
{
    int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool made = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0;
    (void)close(fd);
    if (!made) {
        return failed("cannot make", image);
    }
    static const char path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    (void)setenv("PATH", path, 1); /* the tools are in directories that only root has in it */
    const char *const ext4[] = {"mkfs.ext4", "-q", "-F", image, NULL};
    const char *const xfs[] = {"mkfs.xfs", "-q", "-f", "-m", "reflink=1", image, NULL};
    return run(strcmp(type, "ext4") == 0 ? ext4 : xfs);
}

/** Gives an image a loop device, which goes when nothing has it open. @return the device's descriptor, or -1 */
static int attach(int image, char *out_device, size_t capacity)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int device = -1;
    for (int i = 0; i < LOOP_ATTEMPTS && control >= 0 && device < 0; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            break;
        }
        (void)snprintf(out_device, capacity, "/dev/loop%d", number);
        if (access(out_device, F_OK) != 0) {
            (void)mknod(out_device, S_IFBLK | 0600, makedev(LOOP_MAJOR, (unsigned)number)); /* nobody does it here */
        }
        device = open(out_device, O_RDWR | O_CLOEXEC);
        if (device < 0) {
            break;
        }
        struct loop_config config = {.fd = (uint32_t)image, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
        if (ioctl(device, LOOP_CONFIGURE, &config) != 0) {
            int why = errno;
            (void)close(device);
            device = -1;
            errno = why;
            if (why != EBUSY) { /* else another process was faster */
                break;
            }
        }
    }
    int why = errno;
    (void)close(control);
    errno = why;
    return device;
}

bool images_mount(const char *image, const char *type, const char *directory)
{
    char device[32];
    int fd = open(image, O_RDWR | O_CLOEXEC);
    int loop = fd >= 0 ? attach(fd, device, sizeof device) : -1;
    (void)close(fd);
    if (loop < 0) {
        return failed("cannot give a loop device to", image);
    }
    /* A copy has the identity of its original, and the kernel may not have done with that. */
    const char *options = strcmp(type, "xfs") == 0 ? "nouuid" : NULL;
    bool mounted = mkdir(directory, 0700) == 0 && mount(device, directory, type, 0, options) == 0;
    if (!mounted) {
        (void)failed("cannot mount", type);
        (void)rmdir(directory);
    }
    (void)close(loop);
    return mounted;
}

void images_unmount(const char *directory)
{
    if (access(directory, F_OK) == 0) {
        (void)umount2(directory, MNT_DETACH);
        (void)rmdir(directory);
    }
}

bool images_clone(const char *from, const char *to)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool cloned = source >= 0 && target >= 0 && ioctl(target, FICLONE, source) == 0;
    if (!cloned) {
        (void)failed("cannot clone", from);
    }
    (void)close(source);
    (void)close(target);
    return cloned;
}
