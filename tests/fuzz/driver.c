/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file driver.c
 * A main() for fuzz targets where there is no libFuzzer: replays the seeds, then a fixed series of mutations of them.
 *
 *     fuzz_NAME [--runs N] FILE|DIRECTORY...
 *
 * The same seeds and runs give the same inputs, so a failure repeats. They are tried in a child process; where that
 * ends badly, its input is left in the working directory as crash-fuzz_NAME, to be given as the one argument.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX ((size_t)64 * 1024)
#define SEEDS_MAX 4096
#define MUTATIONS_MAX 8

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct input seeds[SEEDS_MAX];
static size_t seed_count;

/** What is being tried, in memory shared with the child. */
static struct {
    size_t size;
    uint8_t bytes[INPUT_BYTES_MAX];
} * tried;

static _Noreturn void stop(const char *what, const char *path)
{
    fprintf(stderr, "%s: ", path);
    perror(what);
    exit(2);
}

/** SplitMix64: every state gives a good number. */
static uint64_t next_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t random_below(uint64_t *state, size_t bound)
{
    return (size_t)(next_random(state) % bound);
}

static void add_seed(const uint8_t *bytes, size_t size)
{
    if (seed_count == SEEDS_MAX) {
        fprintf(stderr, "more than %d seeds\n", SEEDS_MAX);
        exit(2);
    }
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL)
        stop("malloc", "seed");
    memcpy(copy, bytes, size);
    seeds[seed_count++] = (struct input){copy, size};
}

static void read_seed(const char *path)
{
    static uint8_t buffer[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        stop("open", path);
    size_t size = fread(buffer, 1, sizeof buffer, file);
    if (ferror(file))
        stop("read", path);
    if (size == sizeof buffer) {
        fprintf(stderr, "%s: seeds are shorter than %zu bytes\n", path, sizeof buffer);
        exit(2);
    }
    fclose(file);
    add_seed(buffer, size);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/** In the order of names: the order that a directory gives differs from machine to machine. */
static void read_directory(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0)
        stop("scandir", path);
    for (int i = 0; i < count; i++) {
        char file[4096];
        if (snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name) >= (int)sizeof file)
            stop("path too long", path);
        read_seed(file);
        free(entries[i]);
    }
    free(entries);
}

/** Changes `input`, which has room for INPUT_BYTES_MAX bytes, in one of the ways that break decoders. */
static void mutate(struct input *input, uint64_t *state)
{
    static const uint8_t edge_bytes[] = {0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, '\n', '"', ',', '\r'};
    size_t at = input->size > 0 ? random_below(state, input->size) : 0;
    switch (random_below(state, 7)) {
    case 0: /* flip a bit */
        if (input->size > 0)
            input->bytes[at] = (uint8_t)(input->bytes[at] ^ (1u << random_below(state, 8)));
        break;
    case 1: /* a byte that is often an edge */
        if (input->size > 0)
            input->bytes[at] = edge_bytes[random_below(state, sizeof edge_bytes)];
        break;
    case 2: /* cut the end off */
        input->size = at;
        break;
    case 3: /* take bytes out */
        if (input->size > 0) {
            size_t length = 1 + random_below(state, input->size - at);
            memmove(input->bytes + at, input->bytes + at + length, input->size - at - length);
            input->size -= length;
        }
        break;
    case 4: /* repeat bytes behind themselves */
        if (input->size > 0) {
            size_t length = 1 + random_below(state, input->size - at);
            if (input->size + length <= INPUT_BYTES_MAX) {
                memmove(input->bytes + at + length, input->bytes + at, input->size - at);
                input->size += length;
            }
        }
        break;
    case 5: /* a random number of 1 to 8 bytes */
        for (size_t left = (size_t)1 << random_below(state, 4); left > 0 && at < input->size; left--)
            input->bytes[at++] = (uint8_t)next_random(state);
        break;
    default: { /* go on as another seed does */
        const struct input *other = &seeds[random_below(state, seed_count)];
        size_t from = other->size > 0 ? random_below(state, other->size) : 0;
        size_t length = other->size - from;
        if (length > INPUT_BYTES_MAX - at)
            length = INPUT_BYTES_MAX - at;
        memcpy(input->bytes + at, other->bytes + from, length);
        input->size = at + length;
        break;
    }
    }
}

/** Hands the target a block of exactly `size` bytes, so that AddressSanitizer sees a read behind its end. */
static void run_one(const uint8_t *bytes, size_t size)
{
    memcpy(tried->bytes, bytes, size);
    tried->size = size;

    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        stop("malloc", "input");
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void run_all(unsigned long runs)
{
    for (size_t i = 0; i < seed_count; i++)
        run_one(seeds[i].bytes, seeds[i].size);

    static uint8_t bytes[INPUT_BYTES_MAX];
    uint64_t state = 1;
    for (unsigned long run = 0; run < runs; run++) {
        const struct input *seed = &seeds[random_below(&state, seed_count)];
        struct input input = {bytes, seed->size};
        memcpy(bytes, seed->bytes, seed->size);
        for (size_t left = 1 + random_below(&state, MUTATIONS_MAX); left > 0; left--)
            mutate(&input, &state);
        run_one(input.bytes, input.size);
    }
}

/** Leaves the input that was tried last in a file. */
static void keep_tried(const char *program)
{
    const char *slash = strrchr(program, '/');
    char path[256];
    snprintf(path, sizeof path, "crash-%s", slash != NULL ? slash + 1 : program);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(tried->bytes, 1, tried->size, file) != tried->size || fclose(file) != 0)
        stop("write", path);
    printf("failed; the input is in %s\n", path);
}

static void read_arguments(int argc, char **argv, unsigned long *out_runs)
{
    *out_runs = 0;
    for (int i = 1; i < argc; i++) {
        struct stat status;
        if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            *out_runs = strtoul(argv[++i], NULL, 10);
        else if (stat(argv[i], &status) != 0)
            stop("stat", argv[i]);
        else if (S_ISDIR(status.st_mode))
            read_directory(argv[i]);
        else
            read_seed(argv[i]);
    }
    if (seed_count == 0)
        add_seed((const uint8_t *)"", 0);
}

int main(int argc, char **argv)
{
    unsigned long runs;
    read_arguments(argc, argv, &runs);
    tried = mmap(NULL, sizeof *tried, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tried == MAP_FAILED)
        stop("mmap", "input");

    pid_t child = fork();
    if (child < 0)
        stop("fork", argv[0]);
    if (child == 0) {
        run_all(runs);
    } else {
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) {
            keep_tried(argv[0]);
            return 1;
        }
        printf("%zu seeds, %lu mutations\n", seed_count, runs);
    }
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].bytes);
    return 0;
}
