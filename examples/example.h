/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file example.h
 * What the examples share and users can skip: a place for the store, and giving up. quickstart.c shows how an
 * application handles errors.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <alexstorage.h>

/** Ends the program unless a call gives ALEX_OK. */
#define MUST(call) example_must((call), #call, __FILE__, __LINE__)

/** Ends the program unless something is so: the tests run the examples. */
#define EXPECT(condition) ((condition) ? (void)0 : example_fail(#condition " is not so", __FILE__, __LINE__))

_Noreturn static inline void example_fail(const char *message, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
    exit(1);
}

static inline void example_must(int code, const char *call, const char *file, int line)
{
    if (code != ALEX_OK) {
        fprintf(stderr, "%s: %s\n", call, alex_code_text(code));
        example_fail("the call failed", file, line);
    }
}

static inline double example_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/** Where an example keeps its store. */
struct example_place {
    char directory[4096];
    char store[4096 + 16]; /**< path of the store in it */
    int temporary;
};

/** Takes the directory from the command line, or makes a temporary one. */
static inline struct example_place example_begin(int argc, char **argv)
{
    struct example_place place = {.temporary = argc < 2};
    const char *temporary = getenv("TMPDIR");
    if (place.temporary) {
        snprintf(place.directory, sizeof place.directory, "%s/alexstorage-XXXXXX", temporary ? temporary : "/tmp");
        if (mkdtemp(place.directory) == NULL) {
            perror(place.directory);
            exit(1);
        }
    } else {
        snprintf(place.directory, sizeof place.directory, "%s", argv[1]);
        mkdir(place.directory, 0777); /* if that fails, opening the store will say so */
    }
    snprintf(place.store, sizeof place.store, "%s/example.alex", place.directory);
    return place;
}

static inline int example_remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

/** Removes the directory if it is a temporary one. */
static inline void example_end(const struct example_place *place)
{
    if (place->temporary) {
        nftw(place->directory, example_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

#endif /* EXAMPLE_H */
