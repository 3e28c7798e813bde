/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file stream.h
 * Input and output of any length, plain or gzip, a piece at a time.
 */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

#include "report.h"

/** What is read: a file or stdin, plain or gzip, whatever its name. */
struct input {
    gzFile file;
    const char *name;     /**< for messages */
    char *chunk;          /**< what input_read() hands out */
    uint64_t total_bytes; /**< size of the file; 0 where it isn't known */
    uint64_t read_bytes;  /**< of the file, as they lie there, read so far; 0 of a pipe */
};

/** Opens `path`, or stdin for "-". Failure is reported. */
enum status input_open(struct input *input, const char *path);

/** Reads the next piece, of size 0 at the end; it is valid until the next call. Failure is reported. */
enum status input_read(struct input *input, const char **out_data, size_t *out_size);

void input_close(struct input *input);

/** What is written: a file or stdout. After a failure the rest is dropped, and output_close() reports it. */
struct output {
    gzFile file;
    const char *name;
    int failed_errno; /**< 0: all is well so far */
};

/** Opens `path`, or stdout for "-"; a name that ends in ".gz" is written as gzip. An existing file is overwritten.
 *  Failure is reported. */
enum status output_open(struct output *output, const char *path);

void output_write(struct output *output, const void *data, size_t size);

/** Whether more output is of any use. */
bool output_failed(const struct output *output);

/** Writes what is buffered. A reader that has gone (`| head`) is no failure: it has what it wanted. */
enum status output_close(struct output *output);

/** Whether a file's name ends in `suffix`. */
bool name_ends_in(const char *name, size_t length, const char *suffix);

#endif /* CLI_STREAM_H */
