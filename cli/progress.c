/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file progress.c
 * The progress bar.
 */
#include "progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

#define REDRAW_S 0.1
#define LINE_SIZE 512
#define BAR_CELLS_MAX 40

/** Whether the terminal's last line is a bar. There is one terminal, so this is of the whole program. */
static bool bar_drawn;

double progress_seconds(const struct progress *progress)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - progress->begun.tv_sec) + (double)(now.tv_nsec - progress->begun.tv_nsec) / 1e9;
}

void progress_begin(struct progress *progress, const char *verb, uint64_t total, bool wanted)
{
    *progress = (struct progress){.verb = verb, .total = total, .columns = 80};
    clock_gettime(CLOCK_MONOTONIC, &progress->begun);
    progress->shown = wanted && isatty(STDERR_FILENO);
    struct winsize size;
    if (progress->shown && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        progress->columns = size.ws_col;
    }
}

/** "3:07 left", or "1:02:03 left". */
static void format_time_left(double seconds, char *text, size_t size)
{
    unsigned long whole = seconds < 1e6 ? (unsigned long)(seconds + 0.5) : 1000000;
    unsigned long hours = whole / 3600;
    unsigned long minutes = whole / 60 % 60;
    if (hours > 0) {
        snprintf(text, size, "%lu:%02lu:%02lu left", hours, minutes, whole % 60);
    } else {
        snprintf(text, size, "%lu:%02lu left", minutes, whole % 60);
    }
}

/** " [#####     ]", as wide as `columns` leaves; nothing where that is too little to be of use. */
static void format_bar(double share, int columns, char *text)
{
    int cells = columns - 3 < BAR_CELLS_MAX ? columns - 3 : BAR_CELLS_MAX;
    text[0] = '\0';
    if (cells < 5) {
        return;
    }
    char *at = text;
    *at++ = ' ';
    *at++ = '[';
    for (int i = 0; i < cells; i++) {
        *at++ = i < (int)(share * cells) ? '#' : ' ';
    }
    *at++ = ']';
    *at = '\0';
}

static void draw(struct progress *progress, double seconds, uint64_t done, uint64_t entries)
{
    char count[FORMATTED_SIZE];
    char rate[FORMATTED_SIZE];
    char figures[LINE_SIZE / 2];
    int used = snprintf(figures, sizeof figures, " %s entries, %s/s", format_count(entries, count),
                        format_count(seconds > 0 ? (uint64_t)((double)entries / seconds) : 0, rate));
    char line[LINE_SIZE];
    if (progress->total == 0) {
        snprintf(line, sizeof line, "%s%s", progress->verb, figures);
    } else {
        double share = done < progress->total ? (double)done / (double)progress->total : 1;
        char time_left[32] = "";
        if (share > 0) {
            format_time_left(seconds * (1 - share) / share, time_left, sizeof time_left);
            snprintf(figures + used, sizeof figures - (size_t)used, ", %s", time_left);
        }
        char head[64];
        int head_length = snprintf(head, sizeof head, "%s %3d%%", progress->verb, (int)(share * 100));
        char bar[BAR_CELLS_MAX + 4];
        format_bar(share, progress->columns - 1 - head_length - (int)sizeof ", 0:00:00 left" - used, bar);
        snprintf(line, sizeof line, "%s%s%s", head, bar, figures);
    }
    /* Cut to the terminal's width, as a wrapped line could not be drawn over. */
    fprintf(stderr, "\r%.*s\033[K", progress->columns - 1, line);
    fflush(stderr);
    bar_drawn = true;
}

void progress_update(struct progress *progress, uint64_t done, uint64_t entries)
{
    if (!progress->shown) {
        return;
    }
    double seconds = progress_seconds(progress);
    if (seconds - progress->drawn_s >= REDRAW_S) {
        progress->drawn_s = seconds;
        draw(progress, seconds, done, entries);
    }
}

void progress_finish(struct progress *progress, const char *verb, uint64_t entries)
{
    if (progress->shown) {
        progress->verb = verb;
        progress->total = 0;
        draw(progress, progress_seconds(progress), 0, entries);
    }
}

void progress_erase(void)
{
    if (bar_drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        bar_drawn = false;
    }
}
