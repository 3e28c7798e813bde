/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file progress.c
 * The progress line.
 */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

void progress_init(struct progress *progress, size_t kinds, size_t rounds)
{
    *progress = (struct progress){
        .shown = isatty(STDERR_FILENO) != 0,
        .kinds = kinds,
        .rounds = rounds,
        .kind_ns = allocate(kinds, sizeof(uint64_t)),
    };
}

void progress_release(struct progress *progress)
{
    progress_clear(progress);
    free(progress->kind_ns);
}

/** Each kind is taken to need what it needed last time, or the mean of all so far where it has not run yet. Runs of a
 *  round may come in any order, so a kind's runs to come are counted by rounds. */
static uint64_t left_ns(const struct progress *progress)
{
    uint64_t mean_ns = progress->total_ns / progress->done;
    uint64_t round_ns = 0;
    for (size_t kind = 0; kind < progress->kinds; kind++) {
        round_ns += progress->kind_ns[kind] ? progress->kind_ns[kind] : mean_ns;
    }
    double rounds_left = (double)progress->rounds - (double)progress->done / (double)progress->kinds;
    return (uint64_t)(rounds_left * (double)round_ns);
}

void progress_begin(const struct progress *progress, const char *what)
{
    if (!progress->shown) {
        return;
    }
    fprintf(stderr, "\r\033[K[%zu/%zu] %s", progress->done + 1, progress->kinds * progress->rounds, what);
    if (progress->done > 0) {
        unsigned seconds = (unsigned)(left_ns(progress) / 1000000000u);
        fprintf(stderr, "; about %u:%02u min left", seconds / 60, seconds % 60);
    }
    fflush(stderr);
}

void progress_end(struct progress *progress, size_t kind, uint64_t ns)
{
    progress->kind_ns[kind] = ns;
    progress->total_ns += ns;
    progress->done++;
}

void progress_clear(const struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
