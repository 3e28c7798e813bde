/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file handle.c
 * Handles, and the recognition of those that have ended.
 *
 * Debug builds never free a handle: it stays, marked as ended, in a list that keeps it reachable for leak checkers. So
 * the use of a closed store is an error there and not undefined. Fuzzers open stores without end, so they free them.
 */
#include "store/store_internal.h"

#if defined(ALEX_DEBUG) && !defined(ALEX_FUZZ)

static struct handle *ended_handles;

void handle_end(struct handle *handle)
{
    if (handle == NULL) {
        return;
    }
    os_process_lock();
    handle->kind = HANDLE_ENDED;
    handle->next_ended = ended_handles;
    ended_handles = handle;
    os_process_unlock();
}

void *handle_end_kept(struct handle *handle)
{
    handle_end(handle);
    return NULL;
}

#else

void handle_end(struct handle *handle)
{
    base_free(handle);
}

void *handle_end_kept(struct handle *handle)
{
    handle->kind = HANDLE_ENDED;
    return handle;
}

#endif
