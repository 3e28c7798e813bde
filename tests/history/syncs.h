/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file syncs.h
 * When what was written became durable, as the system was told: between the library and the system.
 *
 * A sync makes durable what had been written to its file before it was called, from the moment on when it returns. It
 * is not made, as no test here cuts the power, but takes its time. What is stored through mappings is not known here,
 * so that this tells something of files only that are written with pwrite(): logs that are synced with each commit.
 */
#ifndef HISTORY_SYNCS_H
#define HISTORY_SYNCS_H

#include <stdbool.h>
#include <stdint.h>

/** While no store is open. @param pause_us  a sync takes up to so many microseconds */
void syncs_install(uint32_t pause_us);
/** While no store is open. */
void syncs_remove(void);

/** Lets the syncs after the next `count` fail. */
void syncs_fail_after(uint64_t count);

/** Looks at what was recorded so far. */
void syncs_collect(void);
/** The moment from which on the bytes before `end` of a file were durable; UINT64_MAX: they aren't. */
uint64_t syncs_durable_from(uint64_t inode, uint64_t end);

#endif /* HISTORY_SYNCS_H */
