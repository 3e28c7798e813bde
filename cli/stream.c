/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file stream.c
 * Input and output through zlib, which reads and writes plain files as well.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"

/* Small enough for the progress of a slow pipe to be seen, large enough for its cost not to be. */
#define CHUNK_BYTES ((size_t)64 << 10)

bool name_ends_in(const char *name, size_t length, const char *suffix)
{
    size_t suffix_length = strlen(suffix);
    return length > suffix_length && memcmp(name + length - suffix_length, suffix, suffix_length) == 0;
}

enum status input_open(struct input *input, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    *input = (struct input){.name = is_stdin ? "stdin" : path};
    int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return report(STATUS_DATA, "cannot read %s: %s", input->name, strerror(errno));
    }
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        input->total_bytes = (uint64_t)status.st_size;
    }
    input->file = gzdopen(fd, "rb");
    if (input->file == NULL) {
        close(fd);
        return report(STATUS_DATA, "cannot read %s: out of memory", input->name);
    }
    gzbuffer(input->file, CHUNK_BYTES);
    input->chunk = memory_resize(NULL, CHUNK_BYTES, 1);
    return STATUS_OK;
}

enum status input_read(struct input *input, const char **out_data, size_t *out_size)
{
    int size = gzread(input->file, input->chunk, CHUNK_BYTES);
    int code = Z_OK;
    const char *text = gzerror(input->file, &code);
    /* Z_BUF_ERROR, which stands for compressed data cut short, comes with the last bytes before the cut. */
    if (code == Z_BUF_ERROR) {
        return report(STATUS_DATA, "cannot read %s: its compressed data is cut short", input->name);
    }
    if (size < 0) {
        return report(STATUS_DATA, "cannot read %s: %s", input->name, code == Z_ERRNO ? strerror(errno) : text);
    }
    z_off_t offset = gzoffset(input->file);
    input->read_bytes = offset > 0 ? (uint64_t)offset : 0;
    *out_data = input->chunk;
    *out_size = (size_t)size;
    return STATUS_OK;
}

void input_close(struct input *input)
{
    if (input->file != NULL) {
        gzclose(input->file);
    }
    free(input->chunk);
}

enum status output_open(struct output *output, const char *path)
{
    bool is_stdout = strcmp(path, "-") == 0;
    *output = (struct output){.name = is_stdout ? "stdout" : path};
    int fd = is_stdout ? dup(STDOUT_FILENO) : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return report(STATUS_DATA, "cannot write %s: %s", output->name, strerror(errno));
    }
    /* "T" writes plain bytes. */
    output->file = gzdopen(fd, name_ends_in(path, strlen(path), ".gz") ? "wb" : "wbT");
    if (output->file == NULL) {
        close(fd);
        return report(STATUS_DATA, "cannot write %s: out of memory", output->name);
    }
    gzbuffer(output->file, CHUNK_BYTES);
    return STATUS_OK;
}

void output_write(struct output *output, const void *data, size_t size)
{
    if (size > 0 && output->failed_errno == 0 && gzwrite(output->file, data, (unsigned)size) == 0) {
        int code = Z_OK;
        gzerror(output->file, &code);
        output->failed_errno = code == Z_ERRNO ? errno : ENOMEM;
    }
}

bool output_failed(const struct output *output)
{
    return output->failed_errno != 0;
}

enum status output_close(struct output *output)
{
    int code = gzclose(output->file);
    if (code != Z_OK && output->failed_errno == 0) {
        output->failed_errno = code == Z_ERRNO ? errno : ENOMEM;
    }
    if (output->failed_errno == 0 || output->failed_errno == EPIPE) {
        return STATUS_OK;
    }
    return report(STATUS_DATA, "cannot write %s: %s", output->name, strerror(output->failed_errno));
}
