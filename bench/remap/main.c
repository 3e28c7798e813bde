/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file main.c
 * alexstorage-bench-remap: the three tables of remap.h, with rounds outermost and the order of cases rotating in them.
 * It prints what each run took; tools/benchmark makes tables of that.
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
    "bytes, keys are random int64; nothing is synced; all that is written is read back and compared. Prints a JSON\n"
    "object a line and run; `make bench-remap` makes tables of them.\n"
    "\n"
    "  --keys N                 records written in each run of the first table (default: 100000)\n"
    "  --records N              records in the store of the second table (default: 1000000)\n"
    "  --gets N                 gets in each of its runs (default: as many as --records)\n"
    "  --indexed N              keys in each array of the third table (default: 1000000)\n"
    "  --lookups N              lookups in each of its runs (default: 200000)\n"
    "  --rounds N               times that each is run (default: 5)\n"
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
        {"keys", required_argument, NULL, 'k'},
        {"records", required_argument, NULL, 'R'},
        {"gets", required_argument, NULL, 'g'},
        {"indexed", required_argument, NULL, 'i'},
        {"lookups", required_argument, NULL, 'l'},
        {"rounds", required_argument, NULL, 'r'},
        {"dir", required_argument, NULL, 'D'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
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

static void print_write(const struct options *options, size_t i, size_t round, const struct write_times *times)
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

static void run_writes(const struct options *options, const struct records *records)
{
    for (size_t round = 0; round < options->rounds; round++) {
        for (size_t turn = 0; turn < write_case_count; turn++) {
            size_t i = (round + turn) % write_case_count;
            struct write_times times = write_run(&write_cases[i], records, options->keys, work_directory);
            print_write(options, i, round, &times);
            stop_if_interrupted();
        }
    }
}

static void run_headers(const struct options *options, const struct records *records)
{
    struct header_store *stores[LAYOUTS];
    for (size_t layout = 0; layout < LAYOUTS; layout++) {
        stores[layout] = header_store_create((enum layout)layout, records, options->records, work_directory);
        stop_if_interrupted();
    }
    for (size_t round = 0; round < options->rounds; round++) {
        for (size_t turn = 0; turn < LAYOUTS; turn++) {
            size_t layout = (round + turn) % LAYOUTS;
            struct header_times times = header_run(stores[layout], records, options->gets, round);
            printf("{\"table\":\"header\",\"layout\":\"%s\",\"records\":%" PRIu64 ",\"gets\":%" PRIu64
                   ",\"value_min\":%d,\"value_max\":%d,\"round\":%zu,\"record_ns\":%.1f,\"get_ns\":%.1f}\n",
                   layout_names[layout], options->records, options->gets, VALUE_BYTES_MIN, VALUE_BYTES_MAX, round + 1,
                   times.record, times.get);
            fflush(stdout);
            stop_if_interrupted();
        }
    }
    for (size_t layout = 0; layout < LAYOUTS; layout++) {
        header_store_destroy(stores[layout]);
    }
}

/** What is searched by, where predictions miss. */
static const char *slot_search_text(const struct slot_case *slot_case)
{
    return slot_case->off_max == 0 ? "none" : slot_search_names[slot_case->search];
}

/** Nanoseconds of a layout's lookups, each alone and several together. */
struct slot_times {
    double alone;
    double together;
};

static void run_slot_case(const struct options *options, size_t i, size_t round, struct slot_array *const *arrays)
{
    struct slot_times times[SLOT_LAYOUTS];
    uint64_t random = round * SLOT_CASES + i;
    /* The layouts' turns lie next to each other, so that each finds the cache full of the others' arrays. */
    for (size_t turn = 0; turn < (size_t)2 * SLOT_LAYOUTS; turn++) {
        size_t layout = (round + turn) % SLOT_LAYOUTS;
        bool together = turn >= SLOT_LAYOUTS;
        double ns = slots_run(arrays[layout], &slot_cases[i], together, options->lookups, random);
        *(together ? &times[layout].together : &times[layout].alone) = ns;
        stop_if_interrupted();
    }
    for (size_t layout = 0; layout < SLOT_LAYOUTS; layout++) {
        printf("{\"table\":\"slots\",\"layout\":\"%s\",\"off_max\":%u,\"search\":\"%s\",\"indexed\":%" PRIu64
               ",\"lookups\":%" PRIu64 ",\"round\":%zu,\"alone_ns\":%.1f,\"together_ns\":%.1f}\n",
               slot_layout_names[layout], slot_cases[i].off_max, slot_search_text(&slot_cases[i]), options->indexed,
               options->lookups, round + 1, times[layout].alone, times[layout].together);
    }
    fflush(stdout);
}

static void run_slots(const struct options *options)
{
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
            run_slot_case(options, i, round, arrays);
        }
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
