/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file main.c
 * alexstorage-bench-remap: the two tables of remap.h, with rounds outermost and the order of cases rotating in them.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "remap.h"

#define ROUNDS_MAX 100
#define COUNT_MAX 100000000u

static const char help[] =
    "Usage: alexstorage-bench-remap [OPTION]...\n"
    "Measures what a write costs by its parts and by how often the file is mapped anew, and what a get costs by where "
    "a\n"
    "record's header lies. Values have 16 to 256 bytes, keys are random int64; nothing is synced; all that is written "
    "is\n"
    "read back through the mapping and compared.\n"
    "\n"
    "  --keys N                 records written in each run of the first table (default: 100000)\n"
    "  --records N              records in the store of the second table (default: 1000000)\n"
    "  --gets N                 gets in each of its runs (default: as many as --records)\n"
    "  --rounds N               times that each is run; the tables give medians (default: 5)\n"
    "  --format table|json      tables, or one JSON object a line and run (default: table)\n"
    "  --dir DIRECTORY          where to make files (default: $TMPDIR, or /var/tmp)\n"
    "  --help                   this text\n";

static const char *const append_names[APPENDS] = {"three writes", "one write", "stored"};
static const char *const layout_names[LAYOUTS] = {"joined", "length before", "apart"};

struct options {
    uint64_t keys;
    uint64_t records;
    uint64_t gets;
    size_t rounds;
    bool json;
    const char *directory;
};

/** Where files are made; removed at the exit, whatever leads to it. */
static char *work_directory;

static void remove_work_directory(void)
{
    if (work_directory != NULL) {
        remove_tree(work_directory);
        free(work_directory);
    }
}

static volatile sig_atomic_t interrupted;

static void remember_signal(int number)
{
    interrupted = number;
}

static void stop_if_interrupted(void)
{
    if (interrupted != 0) {
        exit(128 + interrupted);
    }
}

static uint64_t parse_number(const char *option, const char *argument, uint64_t max)
{
    char *end;
    unsigned long long number = strtoull(argument, &end, 10);
    if (*argument < '0' || *argument > '9' || *end != '\0' || number == 0 || number > max) {
        fprintf(stderr, "alexstorage-bench-remap: %s takes a number from 1 to %" PRIu64 ", not '%s'\n", option, max,
                argument);
        exit(2);
    }
    return number;
}

static void take(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'k':
        options->keys = parse_number("--keys", value, COUNT_MAX);
        break;
    case 'R':
        options->records = parse_number("--records", value, COUNT_MAX);
        break;
    case 'g':
        options->gets = parse_number("--gets", value, COUNT_MAX);
        break;
    case 'r':
        options->rounds = parse_number("--rounds", value, ROUNDS_MAX);
        break;
    case 'f':
        options->json = strcmp(value, "json") == 0;
        if (!options->json && strcmp(value, "table") != 0) {
            fprintf(stderr, "alexstorage-bench-remap: --format is 'table' or 'json', not '%s'\n", value);
            exit(2);
        }
        break;
    case 'D':
        options->directory = value;
        break;
    case 'h':
        fputs(help, stdout);
        exit(0);
    default:
        fputs("See alexstorage-bench-remap --help\n", stderr);
        exit(2);
    }
}

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"keys", required_argument, NULL, 'k'},   {"records", required_argument, NULL, 'R'},
        {"gets", required_argument, NULL, 'g'},   {"rounds", required_argument, NULL, 'r'},
        {"format", required_argument, NULL, 'f'}, {"dir", required_argument, NULL, 'D'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *directory = getenv("TMPDIR");
    *options = (struct options){
        .keys = 100000,
        .records = 1000000,
        .rounds = 5,
        .directory = directory != NULL && *directory != '\0' ? directory : "/var/tmp",
    };
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        take(options, option, optarg);
    }
    if (optind < argc) {
        fprintf(stderr, "alexstorage-bench-remap: '%s' is not an option\n", argv[optind]);
        exit(2);
    }
    if (options->gets == 0) {
        options->gets = options->records;
    }
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/** The median of one field over rounds that lie `stride` bytes apart; sorts a copy. */
static double median(const double *first, size_t stride, size_t rounds)
{
    double sorted[ROUNDS_MAX] = {0};
    for (size_t round = 0; round < rounds; round++) {
        memcpy(&sorted[round], (const char *)first + round * stride, sizeof *sorted);
    }
    qsort(sorted, rounds, sizeof *sorted, compare_doubles);
    return (sorted[(rounds - 1) / 2] + sorted[rounds / 2]) / 2;
}

/** How often the file is mapped anew, for people. @return `buffer` */
static const char *chunk_text(uint64_t chunk_bytes, char *buffer, size_t size)
{
    if (chunk_bytes == CHUNK_PER_WRITE) {
        return "per write";
    }
    if (chunk_bytes == CHUNK_NEVER) {
        return "never";
    }
    snprintf(buffer, size, "per %" PRIu64 " MB", chunk_bytes >> 20);
    return buffer;
}

static void print_write_json(const struct options *options, size_t i, size_t round, const struct write_times *times)
{
    char chunk[32];
    printf("{\"table\":\"write\",\"append\":\"%s\",\"remap\":\"%s\",\"keys\":%" PRIu64
           ",\"value_min\":%d,\"value_max\":%d,\"round\":%zu,\"append_ns\":%.1f,\"flush_ns\":%.1f,\"remap_ns\":%.1f,"
           "\"index_ns\":%.1f,\"write_ns\":%.1f,\"write_and_read_ns\":%.1f,\"mappings\":%" PRIu64 "}\n",
           append_names[write_cases[i].append], chunk_text(write_cases[i].chunk_bytes, chunk, sizeof chunk),
           options->keys, VALUE_BYTES_MIN, VALUE_BYTES_MAX, round + 1, times->append, times->flush, times->remap,
           times->index, times->whole, times->whole_and_read, times->remaps);
    fflush(stdout);
}

/** The case that appends in the same way and never maps anew. */
static size_t never_case(enum append append)
{
    size_t i = 0;
    while (write_cases[i].append != append || write_cases[i].chunk_bytes != CHUNK_NEVER) {
        i++;
    }
    return i;
}

static void print_write_table(const struct options *options, const struct write_times *results)
{
    size_t stride = sizeof *results;
    size_t rounds = options->rounds;
    puts("| appended by  | mapped anew | append | flush | remap | index | whole write | remap's share | vs never | "
         "written and read | mappings |");
    puts("|--------------|-------------|-------:|------:|------:|------:|------------:|--------------:|---------:|"
         "-----------------:|---------:|");
    for (size_t i = 0; i < write_case_count; i++) {
        const struct write_times *own = results + i * rounds;
        const struct write_times *never = results + never_case(write_cases[i].append) * rounds;
        char chunk[32];
        double append = median(&own->append, stride, rounds);
        double flush = median(&own->flush, stride, rounds);
        double remap = median(&own->remap, stride, rounds);
        double index = median(&own->index, stride, rounds);
        double whole = median(&own->whole, stride, rounds);
        printf(
            "| %-12s | %-11s | %6.0f | %5.0f | %5.0f | %5.0f | %11.0f | %11.1f %% | %7.2fx | %16.0f | %8" PRIu64 " |\n",
            append_names[write_cases[i].append], chunk_text(write_cases[i].chunk_bytes, chunk, sizeof chunk), append,
            flush, remap, index, whole, 100 * remap / (append + flush + remap + index),
            whole / median(&never->whole, stride, rounds), median(&own->whole_and_read, stride, rounds), own->remaps);
    }
    printf(
        "\nNanoseconds a write, medians of %zu rounds of %" PRIu64 " records. The parts come from a pass of its own "
        "that reads\nthe clock between them, less what that costs; where nothing is mapped anew, \"remap\" is making "
        "the file longer.\n",
        rounds, options->keys);
}

static void run_writes(const struct options *options, const struct records *records)
{
    struct write_times *results = allocate(write_case_count * options->rounds, sizeof *results);
    for (size_t round = 0; round < options->rounds; round++) {
        for (size_t turn = 0; turn < write_case_count; turn++) {
            size_t i = (round + turn) % write_case_count;
            struct write_times *times = &results[i * options->rounds + round];
            *times = write_run(&write_cases[i], records, options->keys, work_directory);
            if (options->json) {
                print_write_json(options, i, round, times);
            }
            stop_if_interrupted();
        }
    }
    if (!options->json) {
        print_write_table(options, results);
    }
    free(results);
}

static void print_header_table(const struct options *options, const struct header_times *results)
{
    size_t rounds = options->rounds;
    double record_joined = median(&results->record, sizeof *results, rounds);
    double get_joined = median(&results->get, sizeof *results, rounds);
    puts("\n| header        | record alone | vs joined | whole get | vs joined |");
    puts("|---------------|-------------:|----------:|----------:|----------:|");
    for (size_t layout = 0; layout < LAYOUTS; layout++) {
        double record = median(&results[layout * rounds].record, sizeof *results, rounds);
        double get = median(&results[layout * rounds].get, sizeof *results, rounds);
        printf("| %-13s | %12.0f | %8.2fx | %9.0f | %8.2fx |\n", layout_names[layout], record, record / record_joined,
               get, get / get_joined);
    }
    printf(
        "\nNanoseconds a get, medians of %zu rounds of %" PRIu64 " gets of %" PRIu64
        " records; all of the value is read. \"Record\nalone\": its address is known; \"whole get\": the index gives "
        "it.\n",
        rounds, options->gets, options->records);
}

static void run_headers(const struct options *options, const struct records *records)
{
    struct header_store *stores[LAYOUTS];
    struct header_times *results = allocate(LAYOUTS * options->rounds, sizeof *results);
    for (size_t layout = 0; layout < LAYOUTS; layout++) {
        stores[layout] = header_store_create((enum layout)layout, records, options->records, work_directory);
        stop_if_interrupted();
    }
    for (size_t round = 0; round < options->rounds; round++) {
        for (size_t turn = 0; turn < LAYOUTS; turn++) {
            size_t layout = (round + turn) % LAYOUTS;
            struct header_times *times = &results[layout * options->rounds + round];
            *times = header_run(stores[layout], records, options->gets, round);
            if (options->json) {
                printf("{\"table\":\"header\",\"layout\":\"%s\",\"records\":%" PRIu64 ",\"gets\":%" PRIu64
                       ",\"value_min\":%d,\"value_max\":%d,\"round\":%zu,\"record_ns\":%.1f,\"get_ns\":%.1f}\n",
                       layout_names[layout], options->records, options->gets, VALUE_BYTES_MIN, VALUE_BYTES_MAX,
                       round + 1, times->record, times->get);
                fflush(stdout);
            }
            stop_if_interrupted();
        }
    }
    if (!options->json) {
        print_header_table(options, results);
    }
    for (size_t layout = 0; layout < LAYOUTS; layout++) {
        header_store_destroy(stores[layout]);
    }
    free(results);
}

int main(int argc, char **argv)
{
    static struct records records;
    struct options options;
    struct sigaction action = {.sa_handler = remember_signal};
    parse_options(&options, argc, argv);
    records_init(&records);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    atexit(remove_work_directory);
    work_directory = make_temporary_directory(options.directory);
    run_writes(&options, &records);
    run_headers(&options, &records);
    return 0;
}
