/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file results.c
 * Writing runs as JSON, and reading them again.
 */
#include "results.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "engine.h"
#include "plan.h"
#include "support.h"

/** Significant digits of a number: those of a time of an hour to a tenth of a nanosecond. */
#define DIGITS 14

struct results {
    char *path;
    FILE *file;
    json_t *runs; /**< an array of objects */
};

/** A field of a measurement. */
struct field {
    const char *name;
    size_t offset;
};

/** Those that are numbers of 64 bits. */
static const struct field counts[] = {
    {"ops", offsetof(struct measurement, ops)},
    {"calls", offsetof(struct measurement, calls)},
    {"p50_ns", offsetof(struct measurement, p50_ns)},
    {"p99_ns", offsetof(struct measurement, p99_ns)},
    {"p999_ns", offsetof(struct measurement, p999_ns)},
    {"p9999_ns", offsetof(struct measurement, p9999_ns)},
    {"max_ns", offsetof(struct measurement, max_ns)},
    {"peak_rss_bytes", offsetof(struct measurement, peak_rss_bytes)},
    {"disk_bytes", offsetof(struct measurement, disk_bytes)},
    {"found", offsetof(struct measurement, found)},
    {"contents_count", offsetof(struct measurement, contents_count)},
};

/** Those that are checksums: JSON's numbers have no room for all of them, so they are hexadecimal. */
static const struct field checksums[] = {
    {"checksum", offsetof(struct measurement, checksum)},
    {"contents_checksum", offsetof(struct measurement, contents_checksum)},
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static uint64_t *field_of(struct measurement *measured, const struct field *field)
{
    return (uint64_t *)(void *)((char *)measured + field->offset);
}

static uint64_t value_of(const struct measurement *measured, const struct field *field)
{
    return *(const uint64_t *)(const void *)((const char *)measured + field->offset);
}

static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0) {
        fail("the field %s cannot be written as JSON: a text that is not UTF-8, or out of memory", name);
    }
}

static void set_count(json_t *object, const char *name, uint64_t count)
{
    set(object, name, json_integer((json_int_t)count));
}

/** All that tells a run from others. */
static json_t *encode_name(const struct options *options, struct run_name name)
{
    const struct engine *engine = engines[name.engine];
    const struct dataset *dataset = &options->dataset;
    struct plan_size size = plan_size(options, name.workload);
    char *distribution = dataset_distribution_text(dataset);
    json_t *object = json_object();
    set(object, "engine", json_string(engine->name));
    set(object, "version", json_string(engine->version()));
    set(object, "workload", json_string(workloads[name.workload].name));
    set(object, "state", json_string(plan_state(options, name.workload)));
    set_count(object, "keys", size.keys);
    set(object, "distribution", json_string(distribution));
    set_count(object, "value_min", dataset->value_min);
    set_count(object, "value_max", dataset->value_max);
    set_count(object, "threads", options->threads);
    set(object, "sync", json_string(workloads[name.workload].sync ? "commit" : "none"));
    set_count(object, "random_seed", dataset->random_seed);
    set_count(object, "ops_asked", size.ops);
    set_count(object, "dataset_keys", plan_dataset(options, name.workload).count);
    set_count(object, "round", name.round + 1);
    free(distribution);
    return object;
}

static void encode_measurement(json_t *object, const struct measurement *measured)
{
    set(object, "ns_per_op", json_real(measured->ns_per_op));
    for (size_t i = 0; i < LENGTH(counts); i++) {
        set_count(object, counts[i].name, value_of(measured, &counts[i]));
    }
    for (size_t i = 0; i < LENGTH(checksums); i++) {
        char hexadecimal[17];
        snprintf(hexadecimal, sizeof hexadecimal, "%016" PRIx64, value_of(measured, &checksums[i]));
        set(object, checksums[i].name, json_string(hexadecimal));
    }
    if (measured->writer_ns_per_op > 0) {
        set(object, "writer_ns_per_op", json_real(measured->writer_ns_per_op));
    }
    if (measured->index.depth > 0) {
        set(object, "index_bytes_per_key", json_real(measured->index.bytes_per_key));
        set(object, "predicted_line_share", json_real(measured->index.predicted_line_share));
        set_count(object, "index_depth", measured->index.depth);
    }
}

static json_t *encode(const struct options *options, struct run_name name, const struct measurement *measured)
{
    json_t *object = encode_name(options, name);
    set_count(object, "call_ops", workload_call_ops(&workloads[name.workload], plan_size(options, name.workload).keys));
    encode_measurement(object, measured);
    return object;
}

static char *line_of(const json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    if (line == NULL) {
        fail("out of memory");
    }
    return line;
}

char *result_line(const struct options *options, struct run_name name, const struct measurement *measured)
{
    json_t *object = encode(options, name, measured);
    char *line = line_of(object);
    json_decref(object);
    return line;
}

/** Takes a measurement out of a run. @return the name of a field that is missing or wrong; NULL: all is there */
static const char *decode(const json_t *run, struct measurement *out_measured)
{
    *out_measured = (struct measurement){.ops = 0};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        const json_t *value = json_object_get(run, counts[i].name);
        if (!json_is_integer(value)) {
            return counts[i].name;
        }
        *field_of(out_measured, &counts[i]) = (uint64_t)json_integer_value(value);
    }
    for (size_t i = 0; i < LENGTH(checksums); i++) {
        const char *value = json_string_value(json_object_get(run, checksums[i].name));
        if (value == NULL || strlen(value) != 16 || strspn(value, "0123456789abcdef") != 16) {
            return checksums[i].name;
        }
        *field_of(out_measured, &checksums[i]) = strtoull(value, NULL, 16);
    }
    const json_t *ns_per_op = json_object_get(run, "ns_per_op");
    if (!json_is_number(ns_per_op)) {
        return "ns_per_op";
    }
    out_measured->ns_per_op = json_number_value(ns_per_op);
    out_measured->writer_ns_per_op = json_number_value(json_object_get(run, "writer_ns_per_op"));
    out_measured->index = (struct index_figures){
        json_number_value(json_object_get(run, "index_bytes_per_key")),
        json_number_value(json_object_get(run, "predicted_line_share")),
        (uint32_t)json_integer_value(json_object_get(run, "index_depth")),
    };
    return NULL;
}

/** Takes in a line that ends before `line[length]`. @return false if it is no JSON and the last of the file */
static bool take_line(struct results *results, const char *line, size_t length, size_t number)
{
    struct measurement measured;
    json_error_t error;
    json_t *run = json_loadb(line, length, 0, &error);
    if (run == NULL) {
        int next = getc(results->file);
        if (next == EOF) {
            return false;
        }
        fail("%s, line %zu: %s", results->path, number, error.text);
    }
    const char *wrong = decode(run, &measured);
    if (wrong != NULL) {
        fail("%s, line %zu is no result of this program: its field %s is missing or wrong", results->path, number,
             wrong);
    }
    json_array_append_new(results->runs, run);
    return true;
}

/** Reads all lines, and leaves the file so that a line can be appended. */
static void read_lines(struct results *results)
{
    char *line = NULL;
    size_t room = 0;
    size_t number = 0;
    off_t good = 0;
    bool ended = true;
    for (ssize_t length; (length = getline(&line, &room, results->file)) > 0;) {
        ended = line[length - 1] == '\n';
        if (!take_line(results, line, (size_t)length, ++number)) {
            fprintf(stderr, "alexstorage-bench: %s: the last line, %zu, was cut short, and is dropped\n", results->path,
                    number);
            if (ftruncate(fileno(results->file), good) != 0) {
                fail("cannot shorten %s: %s", results->path, strerror(errno));
            }
            ended = true;
            break;
        }
        good += length;
    }
    free(line);
    if (ferror(results->file)) {
        fail("cannot read %s: %s", results->path, strerror(errno));
    }
    fseek(results->file, 0, SEEK_END);
    if (!ended) {
        fputc('\n', results->file);
    }
}

struct results *results_open(const char *path)
{
    struct results *results = allocate(1, sizeof *results);
    results->path = text("%s", path);
    results->file = fopen(path, "a+e");
    results->runs = json_array();
    if (results->file == NULL) {
        fail("cannot open %s: %s", path, strerror(errno));
    }
    rewind(results->file);
    read_lines(results);
    return results;
}

void results_close(struct results *results)
{
    if (fclose(results->file) != 0) {
        fail("cannot write %s: %s", results->path, strerror(errno));
    }
    json_decref(results->runs);
    free(results->path);
    free(results);
}

/** Whether a run has every field that the wanted name has. */
static bool has_name(const json_t *run, json_t *wanted)
{
    const char *field;
    json_t *value;
    json_object_foreach(wanted, field, value)
    {
        if (!json_equal(value, json_object_get(run, field))) {
            return false;
        }
    }
    return true;
}

bool results_find(const struct results *results, const struct options *options, struct run_name name,
                  struct measurement *out_measured)
{
    json_t *wanted = encode_name(options, name);
    bool found = false;
    for (size_t i = 0; i < json_array_size(results->runs) && !found; i++) {
        const json_t *run = json_array_get(results->runs, i);
        found = has_name(run, wanted);
        if (found) {
            decode(run, out_measured);
        }
    }
    json_decref(wanted);
    return found;
}

void results_append(struct results *results, const struct options *options, struct run_name name,
                    const struct measurement *measured)
{
    char *line = result_line(options, name, measured);
    if (fprintf(results->file, "%s\n", line) < 0 || fflush(results->file) != 0) {
        fail("cannot write %s: %s", results->path, strerror(errno));
    }
    free(line);
}
