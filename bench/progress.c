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
        .kind_count = kinds,
        .runs = kinds * rounds,
        .kinds = allocate(kinds, sizeof *progress->kinds),
    };
    for (size_t i = 0; i < kinds; i++) {
        progress->kinds[i].left = rounds;
    }
}

void progress_release(struct progress *progress)
{
    progress_clear(progress);
    free(progress->kinds);
}

void progress_skip(struct progress *progress, size_t kind)
{
    progress->kinds[kind].left--;
    progress->runs--;
}

/** Each run is taken to need what the latest of its kind needed, or the mean of all so far where there was none. */
static uint64_t left_ns(const struct progress *progress)
{
    uint64_t mean_ns = progress->total_ns / progress->done;
    uint64_t sum = 0;
    for (size_t i = 0; i < progress->kind_count; i++) {
        const struct progress_kind *kind = &progress->kinds[i];
        sum += kind->left * (kind->latest_ns > 0 ? kind->latest_ns : mean_ns);
    }
    return sum;
}

void progress_begin(const struct progress *progress, const char *what)
{
    if (!progress->shown) {
        return;
    }
    fprintf(stderr, "\r\033[K[%zu/%zu] %s", progress->done + 1, progress->runs, what);
    if (progress->done > 0) {
        unsigned seconds = (unsigned)(left_ns(progress) / 1000000000u);
        fprintf(stderr, "; about %u:%02u min left", seconds / 60, seconds % 60);
    }
    fflush(stderr);
}

void progress_end(struct progress *progress, size_t kind, uint64_t ns)
{
    progress->kinds[kind].left--;
    progress->kinds[kind].latest_ns = ns;
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
