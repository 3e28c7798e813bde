/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file options.c
 * Reading and checking the command line.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "support.h"
#include "workload.h"

#define COUNT_MAX 1000000000u
#define VALUE_BYTES_MAX ((uint64_t)1 << 20)
#define ROUNDS_MAX 100
#define THREADS_MAX 64
#define SMOKE_KEYS 2500
#define SEED_SET "seed"
#define THREADS_SET "threads"

static const char help[] =
    "Usage: alexstorage-bench [OPTION]...\n"
    "Measures AlexStorage and other engines side by side, and checks that they give the same answers.\n"
    "\n"
    "What to run:\n"
    "  --engines NAME,...       engines, 'standard' or 'all'; the others are divided by the first (default: standard,\n"
    "                           which leaves out variants of AlexStorage that are there to be compared with it)\n"
    "  --workloads NAME,...     workloads, or 'seed' for those that begin with it, 'standard' for the others,\n"
    "                           'all' for both, 'threads' for those that several threads can share\n"
    "                           (default: standard; with more than one thread: threads)\n"
    "  --threads N              threads that share each workload's operations, 1 to 64 (default: 1)\n"
    "  --keys N                 keys in the store (default: 1M; the seed's workloads have 100K whatever is said here)\n"
    "  --ops N                  operations of a workload (default, and which are fixed: see --list)\n"
    "  --values MIN-MAX         sizes of values in bytes (default: 16-256)\n"
    "  --distribution NAME      how keys are laid out: one of --list, or file:PATH (default: uniform)\n"
    "  --rounds N               times that each is run; the table gives medians (default: 3)\n"
    "  --state STATE            of the store a workload begins with: 'reopened', loaded by an earlier process,\n"
    "                           or 'loaded' by the same one, as for some it always is (default: reopened)\n"
    "  --random-seed N          begin of all random choices (default: 1)\n"
    "  --dir DIRECTORY          where to make stores (default: $TMPDIR, or /var/tmp)\n"
    "  --results FILE           append each run to FILE, as --format json prints it, as soon as it ends; runs that "
    "are\n"
    "                           in FILE already, with the same options and engine version, are taken from there\n"
    "\n"
    "What to print:\n"
    "  --format table|json      a table of ratios and times, or one JSON object a line and run (default: table)\n"
    "  --details                a second table: spread, percentiles, memory, disk\n"
    "  --smoke                  run everything once on small sizes and print only whether all agree\n"
    "  --list                   list engines with their settings, workloads and distributions\n"
    "  --help                   this text\n"
    "\n"
    "Numbers may end in K, M or G (thousands, millions, ...).\n"
    "\n"
    "How it measures: each run (engine, workload, round) is a process of its own; rounds are the outermost\n"
    "loop, and the order of engines rotates. Before the clock starts the whole store is read, which warms the\n"
    "caches and checks its contents; every value read later is compared byte for byte, and after writes the\n"
    "contents are checked again. No write that is timed asks for a sync, but in insert_sync and batch_sync\n"
    "every one does. ns_per_op comes from a pass without clock reads between operations; percentiles come\n"
    "from a further fifth of operations, and at least 100,000 or as many again, each timed by itself. Where a\n"
    "call handles many records (bulk_insert, batch_sync, get_many, scan, full_scan), each call is timed,\n"
    "ns_per_op is per record, and percentiles are those of calls. Threads begin together, and ns_per_op is\n"
    "their one time from the first's begin to the last's end, divided by the operations of all.\n"
    "peak_rss_bytes includes mapped files, and of the harness 16 bytes an operation, some 4 to 8 bytes a key,\n"
    "and 8 more where keys are made in memory; disk_bytes are those allocated after closing.\n"
    "\n"
    "Exit status: 0 if all ran and agreed, 1 if anything failed or differed, 2 if the command line is wrong.\n";

/** Prints what is wrong with the command line and exits with 2. */
_Noreturn static void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn static void refuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("alexstorage-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("; see alexstorage-bench --help\n", stderr);
    va_end(arguments);
    exit(2);
}

static uint64_t parse_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned long long unit = *end == 'K' ? 1000 : *end == 'M' ? 1000000 : *end == 'G' ? 1000000000 : 1;
    if (unit > 1) {
        end++;
    }
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number > max / unit || number * unit < min) {
        refuse("%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'", option, min, max, text);
    }
    return number * unit;
}

static void parse_values(struct dataset *dataset, const char *value)
{
    const char *dash = strchr(value, '-');
    if (dash == NULL) {
        refuse("--values takes two sizes such as 16-256, not '%s'", value);
    }
    char *first = text("%.*s", (int)(dash - value), value);
    dataset->value_min = (uint32_t)parse_number("--values", first, 0, VALUE_BYTES_MAX);
    dataset->value_max = (uint32_t)parse_number("--values", dash + 1, 0, VALUE_BYTES_MAX);
    free(first);
    if (dataset->value_min > dataset->value_max) {
        refuse("--values: the smallest size, %" PRIu32 ", is above the largest, %" PRIu32, dataset->value_min,
               dataset->value_max);
    }
}

static const char *engine_name(size_t index)
{
    return engines[index]->name;
}

static const char *workload_name(size_t index)
{
    return workloads[index].name;
}

static const char *distribution_name(size_t index)
{
    return distributions[index].name;
}

/** Appends an index unless it is there already. */
static void choose(struct choice *choice, size_t index)
{
    for (size_t i = 0; i < choice->count; i++) {
        if (choice->index[i] == index) {
            return;
        }
    }
    choice->index[choice->count++] = (uint32_t)index;
}

/** Appends the one of `count` names that is `name`, or refuses it. */
static void choose_name(struct choice *choice, const char *name, const char *option, size_t count,
                        const char *(*name_of)(size_t))
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, name_of(i)) == 0) {
            choose(choice, i);
            return;
        }
    }
    fprintf(stderr, "alexstorage-bench: %s: there is no '%s', but", option, name);
    for (size_t i = 0; i < count; i++) {
        fprintf(stderr, "%s %s", i ? "," : "", name_of(i));
    }
    fputc('\n', stderr);
    exit(2);
}

/** Appends the workloads of a set. @return false if there is no such set */
static bool choose_set(struct choice *choice, const char *name)
{
    bool seed = strcmp(name, SEED_SET) == 0;
    bool standard = strcmp(name, "standard") == 0;
    bool threads = strcmp(name, THREADS_SET) == 0;
    if (!seed && !standard && !threads && strcmp(name, "all") != 0) {
        return false;
    }
    for (size_t i = 0; i < workload_count; i++) {
        bool of_seed = strncmp(workloads[i].name, SEED_SET "_", strlen(SEED_SET) + 1) == 0;
        if ((!seed || of_seed) && (!standard || !of_seed) && (!threads || workloads[i].threads)) {
            choose(choice, i);
        }
    }
    return true;
}

/** Appends the engines of a set. @return false if there is no such set */
static bool choose_engine_set(struct choice *choice, const char *name)
{
    bool standard = strcmp(name, "standard") == 0;
    if (!standard && strcmp(name, "all") != 0) {
        return false;
    }
    for (size_t i = 0; i < engine_count; i++) {
        if (!standard || !engines[i]->by_name_only) {
            choose(choice, i);
        }
    }
    return true;
}

static void parse_engines(struct choice *choice, char *list)
{
    choice->count = 0;
    for (char *name = strtok(list, ","); name != NULL; name = strtok(NULL, ",")) {
        if (!choose_engine_set(choice, name)) {
            choose_name(choice, name, "--engines", engine_count, engine_name);
        }
    }
    if (choice->count == 0) {
        refuse("--engines names none");
    }
}

void options_set_workloads(struct options *options, const char *list)
{
    char *names = text("%s", list);
    struct choice *choice = &options->workloads;
    choice->count = 0;
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        if (!choose_set(choice, name)) {
            choose_name(choice, name, "--workloads", workload_count, workload_name);
        }
    }
    free(names);
    if (choice->count == 0) {
        refuse("--workloads names none");
    }
}

/** Of two words, tells whether the second was given. */
static bool parse_word(const char *option, const char *text, const char *first, const char *second)
{
    if (strcmp(text, first) != 0 && strcmp(text, second) != 0) {
        refuse("%s is '%s' or '%s', not '%s'", option, first, second, text);
    }
    return strcmp(text, second) == 0;
}

/** Takes the name of a distribution; that of one from a file is followed by the file's path. */
static void parse_distribution(struct dataset *dataset, char *name)
{
    struct choice choice = {.count = 0};
    char *colon = strchr(name, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    choose_name(&choice, name, "--distribution", distribution_count, distribution_name);
    dataset->distribution = choice.index[0];
    const char *path = colon != NULL ? colon + 1 : "";
    if (distributions[dataset->distribution].from_file != (*path != '\0')) {
        refuse(colon != NULL && *path != '\0' ? "--distribution: '%s' takes no path"
                                              : "--distribution: '%s' needs a path, as in file:PATH",
               name);
    }
    if (strlen(path) >= sizeof dataset->path) {
        refuse("--distribution: the path is too long");
    }
    memcpy(dataset->path, path, strlen(path) + 1);
}

static void print_list(void)
{
    puts("Engines:");
    for (size_t i = 0; i < engine_count; i++) {
        printf("  %-18s %s; %s\n", engines[i]->name, engines[i]->version(), engines[i]->settings);
    }
    puts("\nEngines, where several threads use a store:");
    for (size_t i = 0; i < engine_count; i++) {
        if (engines[i]->threads_settings != NULL) {
            printf("  %-18s %s\n", engines[i]->name, engines[i]->threads_settings);
        }
    }
    puts("\nWorkloads:");
    for (size_t i = 0; i < workload_count; i++) {
        printf("  %-18s %s", workloads[i].name, workloads[i].summary);
        if (!workloads[i].fixed_ops) {
            printf(" (%" PRIu64 " operations at most by default)", workloads[i].ops_max);
        }
        putchar('\n');
    }
    puts("\nDistributions:");
    for (size_t i = 0; i < distribution_count; i++) {
        printf("  %-18s %s\n", distributions[i].name, distributions[i].summary);
    }
}

static void set_defaults(struct options *options)
{
    const char *directory = getenv("TMPDIR");
    *options = (struct options){
        .keys = 1000000,
        .rounds = 3,
        .threads = 1,
        .dataset = {.value_min = 16, .value_max = 256, .random_seed = 1},
        .directory = directory != NULL && *directory != '\0' ? directory : "/var/tmp",
    };
    choose_engine_set(&options->engines, "standard");
}

static void set_smoke(struct options *options)
{
    options->smoke = true;
    options->keys = SMOKE_KEYS;
    options->rounds = 1;
    choose_engine_set(&options->engines, "all");
    choose_set(&options->workloads, "all");
}

/** Takes one option. */
static void take(struct options *options, int option, char *value)
{
    switch (option) {
    case 'e':
        parse_engines(&options->engines, value);
        break;
    case 'w':
        options_set_workloads(options, value);
        break;
    case 'k':
        options->keys = parse_number("--keys", value, 1, COUNT_MAX);
        break;
    case 'o':
        options->ops = parse_number("--ops", value, 1, COUNT_MAX);
        break;
    case 'v':
        parse_values(&options->dataset, value);
        break;
    case 'd':
        parse_distribution(&options->dataset, value);
        break;
    case 'T':
        options->threads = (uint32_t)parse_number("--threads", value, 1, THREADS_MAX);
        break;
    case 'r':
        options->rounds = (uint32_t)parse_number("--rounds", value, 1, ROUNDS_MAX);
        break;
    case 's':
        options->loads_each = parse_word("--state", value, "reopened", "loaded");
        break;
    case 'n':
        options->dataset.random_seed = parse_number("--random-seed", value, 0, INT64_MAX);
        break;
    case 'D':
        options->directory = value;
        break;
    case 'R':
        options->results = value;
        break;
    case 'f':
        options->json = parse_word("--format", value, "table", "json");
        break;
    case 't':
        options->details = true;
        break;
    case 'S':
        set_smoke(options);
        break;
    case 'l':
        print_list();
        exit(0);
    case 'h':
        fputs(help, stdout);
        exit(0);
    default:
        fputs("See alexstorage-bench --help\n", stderr);
        exit(2);
    }
}

/** Refuses workloads that several threads can't share, if there are to be several. */
static void check_threads(const struct options *options)
{
    for (size_t i = 0; i < options->workloads.count; i++) {
        const struct workload *workload = &workloads[options->workloads.index[i]];
        if (options->threads > 1 && !workload->threads) {
            refuse("--threads %" PRIu32 ": '%s' is for one thread; those for several are --workloads " THREADS_SET,
                   options->threads, workload->name);
        }
    }
}

void options_parse(struct options *options, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"engines", required_argument, NULL, 'e'}, {"workloads", required_argument, NULL, 'w'},
        {"keys", required_argument, NULL, 'k'},    {"ops", required_argument, NULL, 'o'},
        {"values", required_argument, NULL, 'v'},  {"distribution", required_argument, NULL, 'd'},
        {"rounds", required_argument, NULL, 'r'},  {"threads", required_argument, NULL, 'T'},
        {"state", required_argument, NULL, 's'},   {"random-seed", required_argument, NULL, 'n'},
        {"dir", required_argument, NULL, 'D'},     {"results", required_argument, NULL, 'R'},
        {"format", required_argument, NULL, 'f'},  {"details", no_argument, NULL, 't'},
        {"smoke", no_argument, NULL, 'S'},         {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    set_defaults(options);
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        take(options, option, optarg);
    }
    if (optind < argc) {
        refuse("'%s' is not an option", argv[optind]);
    }
    if (options->smoke && options->results != NULL) {
        refuse("--smoke measures nothing, so it has no results for --results");
    }
    if (options->workloads.count == 0) {
        options_set_workloads(options, options->threads > 1 ? THREADS_SET : "standard");
    }
    check_threads(options);
    const struct distribution *distribution = &distributions[options->dataset.distribution];
    if (distribution->make != NULL && options->keys > DATASET_MADE_KEYS_MAX) {
        refuse("--distribution %s has %u keys at most: they are made in memory", distribution->name,
               DATASET_MADE_KEYS_MAX);
    }
}
