/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file report.c
 * JSON lines and Markdown tables.
 */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "results.h"
#include "support.h"

#define LINE_COLUMNS 100
#define COLUMNS_MAX (2 * CHOICES_MAX)

/** The calls that it takes for a percentile to be told from the longest one; as in tools/benchmark_report.py. */
#define P99_CALLS 100
#define P999_CALLS 1000
#define P9999_CALLS 10000

void report_json(const struct options *options, uint32_t workload, uint32_t engine, uint32_t round,
                 const struct measurement *measured)
{
    char *line = result_line(options, (struct run_name){workload, engine, round}, measured);
    puts(line);
    fflush(stdout);
    free(line);
}

/** A table that is being filled: all cells are text, for the widths of columns are known only at the end. */
struct table {
    size_t columns;
    size_t rows; /**< with the head */
    char **cells;
};

/** Appends a cell, taking the text over. */
static void table_add(struct table *table, size_t *place, char *cell)
{
    if (*place % table->columns == 0) {
        table->rows++;
        table->cells = reallocate(table->cells, table->rows * table->columns * sizeof *table->cells);
    }
    table->cells[(*place)++] = cell;
}

/** Characters that a text takes in a terminal: the bytes that begin one in UTF-8. */
static int display_width(const char *cell)
{
    int width = 0;
    for (; *cell != '\0'; cell++) {
        width += (*cell & 0xc0) != 0x80;
    }
    return width;
}

static void print_repeated(char character, int count)
{
    for (int i = 0; i < count; i++) {
        putchar(character);
    }
}

static void print_row(const struct table *table, char *const *cells, const int *widths)
{
    for (size_t column = 0; column < table->columns; column++) {
        int blanks = widths[column] - display_width(cells[column]);
        fputs("| ", stdout);
        print_repeated(' ', column == 0 ? 0 : blanks);
        fputs(cells[column], stdout);
        print_repeated(' ', column == 0 ? blanks + 1 : 1);
    }
    puts("|");
}

/** Prints the table, first column to the left and the others to the right, and frees it. */
static void table_print(struct table *table)
{
    int widths[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        int width = display_width(table->cells[i]);
        if (width > widths[i % table->columns]) {
            widths[i % table->columns] = width;
        }
    }
    print_row(table, table->cells, widths);
    for (size_t column = 0; column < table->columns; column++) {
        putchar('|');
        print_repeated('-', widths[column] + (column == 0 ? 2 : 1));
        fputs(column == 0 ? "" : ":", stdout);
    }
    puts("|");
    for (size_t row = 1; row < table->rows; row++) {
        print_row(table, table->cells + row * table->columns, widths);
    }
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
}

/** A number with three significant digits, two decimals at most. */
static char *short_number(double number, const char *unit)
{
    return text("%.*f%s", number < 9.995 ? 2 : number < 99.95 ? 1 : 0, number, unit);
}

/** A positive ratio: as above, but with two significant digits where less would be left. */
static char *ratio_text(double ratio)
{
    int decimals = 3;
    if (ratio >= 0.0995) {
        return short_number(ratio, "x");
    }
    double tenfold = ratio * 10;
    while (tenfold < 0.0995) {
        decimals++;
        tenfold *= 10;
    }
    return text("%.*fx", decimals, ratio);
}

static char *time_text(double ns)
{
    return ns < 1e3   ? short_number(ns, " ns")
           : ns < 1e6 ? short_number(ns / 1e3, " µs")
           : ns < 1e9 ? short_number(ns / 1e6, " ms")
                      : short_number(ns / 1e9, " s");
}

static char *bytes_text(uint64_t bytes)
{
    return short_number((double)bytes / 1e6, " MB");
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/** Collects a field of all rounds, sorted. */
static void sorted_rounds(const struct options *options, const struct measurement *results, size_t workload,
                          size_t engine, double (*field)(const struct measurement *), double *out_sorted)
{
    for (uint32_t round = 0; round < options->rounds; round++) {
        out_sorted[round] = field(plan_result(options, results, workload, engine, round));
    }
    qsort(out_sorted, options->rounds, sizeof *out_sorted, compare_doubles);
}

static double median(const struct options *options, const struct measurement *results, size_t workload, size_t engine,
                     double (*field)(const struct measurement *))
{
    double *sorted = allocate(options->rounds, sizeof *sorted);
    sorted_rounds(options, results, workload, engine, field, sorted);
    size_t middle = options->rounds / 2;
    double value = options->rounds % 2 != 0 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    free(sorted);
    return value;
}

static double ns_per_op(const struct measurement *measured)
{
    return measured->ns_per_op;
}
static double calls(const struct measurement *measured)
{
    return (double)measured->calls;
}
static double p50_ns(const struct measurement *measured)
{
    return (double)measured->p50_ns;
}
static double p99_ns(const struct measurement *measured)
{
    return (double)measured->p99_ns;
}
static double p999_ns(const struct measurement *measured)
{
    return (double)measured->p999_ns;
}
static double p9999_ns(const struct measurement *measured)
{
    return (double)measured->p9999_ns;
}
static double max_ns(const struct measurement *measured)
{
    return (double)measured->max_ns;
}
static double rss(const struct measurement *measured)
{
    return (double)measured->peak_rss_bytes;
}
static double disk(const struct measurement *measured)
{
    return (double)measured->disk_bytes;
}

static double writer(const struct measurement *measured)
{
    return measured->writer_ns_per_op;
}
static double index_bytes(const struct measurement *measured)
{
    return measured->index.bytes_per_key;
}
static double predicted(const struct measurement *measured)
{
    return measured->index.predicted_line_share;
}
static double depth(const struct measurement *measured)
{
    return measured->index.depth;
}

/** Figures of an engine's learned index, or that there is none. */
static char *index_text(const struct options *options, const struct measurement *results, size_t workload,
                        size_t engine)
{
    double levels = median(options, results, workload, engine, depth);
    if (levels == 0) {
        return text("-");
    }
    return text("%.1f B/key, %.0f %%, %.0f", median(options, results, workload, engine, index_bytes),
                100 * median(options, results, workload, engine, predicted), levels);
}

/** The time of a put of the thread that wrote meanwhile, or that there was none. */
static char *writer_text(const struct options *options, const struct measurement *results, size_t workload,
                         size_t engine)
{
    double ns = median(options, results, workload, engine, writer);
    return ns == 0 ? text("-") : time_text(ns);
}

/** Prints an item of a list, broken between words. */
static void print_item(const char *item)
{
    int column = 1;
    putchar('-');
    while (*item != '\0') {
        size_t length = strcspn(item, " ");
        if (column + 1 + (int)length > LINE_COLUMNS) {
            fputs("\n ", stdout);
            column = 1;
        }
        printf(" %.*s", (int)length, item);
        column += 1 + (int)length;
        item += length + (item[length] == ' ');
    }
    putchar('\n');
}

/** Prints an item made by printf. */
__attribute__((format(printf, 1, 2))) static void print_item_of(const char *format, ...)
{
    va_list arguments;
    char *item;
    va_start(arguments, format);
    if (vasprintf(&item, format, arguments) < 0) {
        fail("out of memory");
    }
    va_end(arguments);
    print_item(item);
    free(item);
}

/** Says what the figures are figures of. */
static void print_settings(const struct options *options)
{
    const struct dataset *dataset = &options->dataset;
    char *distribution = dataset_distribution_text(dataset);
    char *threads = options->threads == 1 ? text("One thread") : text("%" PRIu32 " threads", options->threads);
    putchar('\n');
    if (options->engines.count > 1) {
        print_item_of("\"vs\": the other's time divided by %s's. Times are those of one operation, medians of %" PRIu32
                      " round%s, each in a process of its own.",
                      engines[options->engines.index[0]]->name, options->rounds, options->rounds == 1 ? "" : "s");
    }
    print_item_of("Keys: %s, %s. Values: %" PRIu32 " to %" PRIu32
                  " bytes. %s. No write that is timed asks for a sync, but in insert_sync and batch_sync. "
                  "Every value read was compared byte for byte.",
                  distribution, distributions[dataset->distribution].summary, dataset->value_min, dataset->value_max,
                  threads);
    free(threads);
    free(distribution);
    bool shared = options->threads > 1;
    for (size_t i = 0; i < options->workloads.count; i++) {
        uint32_t workload = options->workloads.index[i];
        shared = shared || workloads[workload].writer_beside;
        print_item_of("%s: %s (store of %" PRIu64 " keys, %s)", workloads[workload].name, workloads[workload].summary,
                      plan_size(options, workload).keys, plan_state(options, workload));
    }
    for (size_t i = 0; i < options->engines.count; i++) {
        const struct engine *engine = engines[options->engines.index[i]];
        bool differs = shared && engine->threads_settings != NULL;
        print_item_of("%s %s: %s%s%s", engine->name, engine->version(), engine->settings,
                      differs ? "; with several threads: " : "", differs ? engine->threads_settings : "");
    }
}

void report_table(const struct options *options, const struct measurement *results)
{
    size_t count = options->engines.count;
    struct table table = {.columns = 2 * count};
    size_t place = 0;
    table_add(&table, &place, text("workload"));
    for (size_t i = 1; i < count; i++) {
        table_add(&table, &place, text("vs %s", engines[options->engines.index[i]]->name));
    }
    for (size_t i = 0; i < count; i++) {
        table_add(&table, &place, text("%s", engines[options->engines.index[i]]->name));
    }
    for (size_t workload = 0; workload < options->workloads.count; workload++) {
        double own = median(options, results, workload, 0, ns_per_op); /* 0 where an engine doesn't serve it */
        table_add(&table, &place, text("%s", workloads[options->workloads.index[workload]].name));
        for (size_t i = 1; i < count; i++) {
            double ns = median(options, results, workload, i, ns_per_op);
            table_add(&table, &place, own > 0 && ns > 0 ? ratio_text(ns / own) : text("-"));
        }
        for (size_t i = 0; i < count; i++) {
            double ns = median(options, results, workload, i, ns_per_op);
            table_add(&table, &place, ns > 0 ? time_text(ns) : text("-"));
        }
    }
    table_print(&table);
    print_settings(options);
}

/** The median of a percentile, or a dash where one of fewer calls than `calls_min` would mean nothing. */
static char *percentile_text(const struct options *options, const struct measurement *results, size_t workload,
                             size_t engine, double (*field)(const struct measurement *), double calls_min)
{
    if (median(options, results, workload, engine, calls) < calls_min) {
        return text("–");
    }
    return time_text(median(options, results, workload, engine, field));
}

void report_details(const struct options *options, const struct measurement *results)
{
    static const char *const head[] = {
        "workload, engine", "median",  "least",  "greatest", "call p50", "p99",         "p99.9",
        "p99.99",           "longest", "memory", "disk",     "index",    "writer's put"};
    struct table table = {.columns = sizeof head / sizeof *head};
    size_t place = 0;
    double *sorted = allocate(options->rounds, sizeof *sorted);
    for (size_t i = 0; i < table.columns; i++) {
        table_add(&table, &place, text("%s", head[i]));
    }
    for (size_t workload = 0; workload < options->workloads.count; workload++) {
        for (size_t engine = 0; engine < options->engines.count; engine++) {
            if (plan_result(options, results, workload, engine, 0)->ops == 0) {
                continue; /* not served */
            }
            table_add(&table, &place,
                      text("%s, %s", workloads[options->workloads.index[workload]].name,
                           engines[options->engines.index[engine]]->name));
            table_add(&table, &place, time_text(median(options, results, workload, engine, ns_per_op)));
            sorted_rounds(options, results, workload, engine, ns_per_op, sorted);
            table_add(&table, &place, time_text(sorted[0]));
            table_add(&table, &place, time_text(sorted[options->rounds - 1]));
            table_add(&table, &place, time_text(median(options, results, workload, engine, p50_ns)));
            table_add(&table, &place, percentile_text(options, results, workload, engine, p99_ns, P99_CALLS));
            table_add(&table, &place, percentile_text(options, results, workload, engine, p999_ns, P999_CALLS));
            table_add(&table, &place, percentile_text(options, results, workload, engine, p9999_ns, P9999_CALLS));
            sorted_rounds(options, results, workload, engine, max_ns, sorted);
            table_add(&table, &place, time_text(sorted[options->rounds - 1]));
            table_add(&table, &place, bytes_text((uint64_t)median(options, results, workload, engine, rss)));
            table_add(&table, &place, bytes_text((uint64_t)median(options, results, workload, engine, disk)));
            table_add(&table, &place, index_text(options, results, workload, engine));
            table_add(&table, &place, writer_text(options, results, workload, engine));
        }
    }
    free(sorted);
    table_print(&table);
}
