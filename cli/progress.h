/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file progress.h
 * A progress bar on stderr, with rate and time left; nothing where stderr is no terminal.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
    bool shown;
    const char *verb; /**< such as "loading" */
    uint64_t total;   /**< what `done` will be at the end; 0: not known, and then no bar and no time left */
    struct timespec begun;
    double drawn_s; /**< when it was last drawn, in seconds since it began */
    int columns;    /**< width of the terminal */
};

/** Begins; nothing is drawn yet. @param wanted  false: never draw */
void progress_begin(struct progress *progress, const char *verb, uint64_t total, bool wanted);

/** Draws, ten times a second at most: call it often. @param done  of `total`, in the same unit */
void progress_update(struct progress *progress, uint64_t done, uint64_t entries);

/** Says that only `verb` is left, which takes a time not known. */
void progress_finish(struct progress *progress, const char *verb, uint64_t entries);

/** Takes a bar that is there off the terminal. report() does it too, so that its message has a line of its own. */
void progress_erase(void);

/** Seconds since it began. */
double progress_seconds(const struct progress *progress);

#endif /* CLI_PROGRESS_H */
