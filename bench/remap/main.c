/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file main.c
 * alexstorage-bench-remap: the three tables of remap.h, with rounds outermost and the order of cases rotating in them.
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
    "Measures what a write costs by its parts and by how often the file is mapped anew, what a get costs by where a\n"
    "record's header lies, and what a lookup in memory costs by the layout of an index's slots. Values have 16 to 256\n"
    "bytes, keys are random int64; nothing is synced; all that is written is read back and compared.\n"
    "\n"
    "  --keys N                 records written in each run of the first table (default: 100000)\n"
    "  --records N              records in the store of the second table (default: 1000000)\n"
    "  --gets N                 gets in each of its runs (default: as many as --records)\n"
    "  --indexed N              keys in each array of the third table (default: 1000000)\n"
    "  --lookups N              lookups in each of its runs (default: 200000)\n"
    "  --rounds N               times that each is run; the tables give medians (default: 5)\n"
    "  --format table|json      tables, or one JSON object a line and run (default: table)\n"
    "  --dir DIRECTORY          where to make files (default: $TMPDIR, or /var/tmp)\n"
    "  --help                   this text\n";

static const char *const append_names[APPENDS] = {"three writes", "one write", "stored"};
static const char *const layout_names[LAYOUTS] = {"joined", "length before", "apart"};
static const char *const slot_layout_names[SLOT_LAYOUTS] = {"8 keys + 8 payloads", "8 pairs", "4 pairs", "two arrays"};
static const char *const slot_search_names[SLOT_SEARCHES] = {"steps of 4, parts of 8", "doubling, bisection",
                                                             "bisection of the node", "linear"};

#define SLOT_CASES_OFF(off_max)                                                                      \
    {off_max, SLOT_SEARCH_STEPS}, {off_max, SLOT_SEARCH_DOUBLING}, {off_max, SLOT_SEARCH_BISECTION}, \
    {                                                                                                \
        off_max, SLOT_SEARCH_LINEAR                                                                  \
    }

/** 16 slots are a few blocks to either side, 4,096 half a node. */
static const struct slot_case slot_cases[] = {
    {0, SLOT_SEARCH_STEPS}, SLOT_CASES_OFF(2), SLOT_CASES_OFF(16), SLOT_CASES_OFF(256), SLOT_CASES_OFF(4096),
};
#define SLOT_CASES (sizeof slot_cases / sizeof *slot_cases)

struct options {
    uint64_t keys;
    uint64_t records;
    uint64_t gets;
    uint64_t indexed;
    uint64_t lookups;
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
    case 'i':
        options->indexed = parse_number("--indexed", value, COUNT_MAX);
        break;
    case 'l':
        options->lookups = parse_number("--lookups", value, COUNT_MAX);
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
        {"keys", required_argument, NULL, 'k'},    {"records", required_argument, NULL, 'R'},
        {"gets", required_argument, NULL, 'g'},    {"indexed", required_argument, NULL, 'i'},
        {"lookups", required_argument, NULL, 'l'}, {"rounds", required_argument, NULL, 'r'},
        {"format", required_argument, NULL, 'f'},  {"dir", required_argument, NULL, 'D'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    const char *directory = getenv("TMPDIR");
    *options = (struct options){
        .keys = 100000,
        .records = 1000000,
        .indexed = 1000000,
        .lookups = 200000,
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

/** What is searched by, where predictions miss. */
static const char *slot_search_text(const struct slot_case *slot_case)
{
    return slot_case->off_max == 0 ? "none" : slot_search_names[slot_case->search];
}

/** Nanoseconds of a layout's lookups, each alone and several together, in one round of one case. */
struct slot_times {
    double alone;
    double together;
};

static void print_slot_table(const struct options *options, struct slot_times (*results)[SLOT_LAYOUTS][ROUNDS_MAX])
{
    puts("\n| off by up to, search         | alone | 8 pairs | 4 pairs | two arrays | together | 8 pairs | 4 pairs | "
         "two arrays |");
    puts("|------------------------------|------:|--------:|--------:|-----------:|---------:|--------:|--------:|"
         "-----------:|");
    for (size_t i = 0; i < SLOT_CASES; i++) {
        double alone[SLOT_LAYOUTS];
        double together[SLOT_LAYOUTS];
        for (size_t layout = 0; layout < SLOT_LAYOUTS; layout++) {
            const struct slot_times *own = results[i][layout];
            alone[layout] = median(&own->alone, sizeof *own, options->rounds);
            together[layout] = median(&own->together, sizeof *own, options->rounds);
        }
        printf("| %4u, %-22s | %5.0f | %6.2fx | %6.2fx | %9.2fx | %8.0f | %6.2fx | %6.2fx | %9.2fx |\n",
               slot_cases[i].off_max, slot_search_text(&slot_cases[i]), alone[0], alone[1] / alone[0],
               alone[2] / alone[0], alone[3] / alone[0], together[0], together[1] / together[0],
               together[2] / together[0], together[3] / together[0]);
    }
    printf("\nNanoseconds a lookup in blocks of 8 keys + 8 payloads, and what the other layouts take against that: "
           "medians of\n%zu rounds of %" PRIu64 " lookups of %" PRIu64
           " keys. \"Alone\": each waits for the one before.\n",
           options->rounds, options->lookups, options->indexed);
}

static void run_slot_case(const struct options *options, size_t i, size_t round, struct slot_array *const *arrays,
                          struct slot_times (*results)[ROUNDS_MAX])
{
    uint64_t random = round * SLOT_CASES + i;
    /* The layouts' turns lie next to each other, so that each finds the cache full of the others' arrays. */
    for (size_t turn = 0; turn < (size_t)2 * SLOT_LAYOUTS; turn++) {
        size_t layout = (round + turn) % SLOT_LAYOUTS;
        bool together = turn >= SLOT_LAYOUTS;
        double ns = slots_run(arrays[layout], &slot_cases[i], together, options->lookups, random);
        *(together ? &results[layout][round].together : &results[layout][round].alone) = ns;
        stop_if_interrupted();
    }
    for (size_t layout = 0; options->json && layout < SLOT_LAYOUTS; layout++) {
        printf("{\"table\":\"slots\",\"layout\":\"%s\",\"off_max\":%u,\"search\":\"%s\",\"indexed\":%" PRIu64
               ",\"lookups\":%" PRIu64 ",\"round\":%zu,\"alone_ns\":%.1f,\"together_ns\":%.1f}\n",
               slot_layout_names[layout], slot_cases[i].off_max, slot_search_text(&slot_cases[i]), options->indexed,
               options->lookups, round + 1, results[layout][round].alone, results[layout][round].together);
    }
    fflush(stdout);
}

static void run_slots(const struct options *options)
{
    static struct slot_times results[SLOT_CASES][SLOT_LAYOUTS][ROUNDS_MAX];
    struct slot_array *arrays[SLOT_LAYOUTS];
    if (!slots_can_run()) {
        fputs("alexstorage-bench-remap: left out: lookups by the layout of slots, for want of AVX2\n", stderr);
        return;
    }
    for (size_t layout = 0; layout < SLOT_LAYOUTS; layout++) {
        arrays[layout] = slot_array_create((enum slot_layout_name)layout, options->indexed);
    }
    for (size_t round = 0; round < options->rounds; round++) {
        for (size_t i = 0; i < SLOT_CASES; i++) {
            run_slot_case(options, i, round, arrays, results[i]);
        }
    }
    if (!options->json) {
        print_slot_table(options, results);
    }
    for (size_t layout = 0; layout < SLOT_LAYOUTS; layout++) {
        slot_array_destroy(arrays[layout]);
    }
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
    at_end(remove_work_directory);
    work_directory = make_temporary_directory(options.directory);
    run_writes(&options, &records);
    run_headers(&options, &records);
    run_slots(&options);
    return 0;
}
