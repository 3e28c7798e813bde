/* SPDX-License-Identifier: Apache-2.0 */
/** @file os_internal.h What the files of src/os share. */
#ifndef OS_INTERNAL_H
#define OS_INTERNAL_H

#include <errno.h>

#include "os/os.h"

/** Repeats a system call that a signal interrupted. */
#define OS_RETRY(result, call) \
    do {                       \
        (result) = (call);     \
    } while ((result) == -1 && errno == EINTR)

#endif /* OS_INTERNAL_H */
