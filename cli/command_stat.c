/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file command_stat.c
 * `stat`: figures of a store and its tables.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "csv.h"
#include "json.h"
#include "options.h"
#include "session.h"
#include "text.h"

/** What the visit of the tables works with. */
struct stat_visit {
    const struct session *session;
    const char *only; /**< name of the one table wanted; NULL: all */
    json_t *array;    /**< NULL: print */
    enum status status;
};

static void print_figure(const char *name, const char *figure)
{
    printf("  %-22s %s\n", name, figure);
}

static void print_count(const char *name, uint64_t count)
{
    char text[FORMATTED_SIZE];
    print_figure(name, format_count(count, text));
}

static void print_bytes(const char *name, uint64_t bytes)
{
    char text[FORMATTED_SIZE];
    print_figure(name, format_bytes(bytes, text));
}

static void print_table(const char *name, enum alex_key_order order, const struct alex_table_stats *stats)
{
    struct buffer escaped = {0};
    csv_append_field(&escaped, CSV_DIALECT_TSV, name, strlen(name));
    printf("\ntable %.*s (%s keys)\n", (int)escaped.size, escaped.data,
           order == ALEX_KEYS_UNSIGNED ? "unsigned" : "signed");
    buffer_release(&escaped);
    print_count("keys", stats->keys);
    print_bytes("live bytes", stats->live_bytes);
    print_bytes("index bytes", stats->index_bytes);
    print_count("data nodes", stats->data_nodes);
    print_count("inner nodes", stats->inner_nodes);
    print_count("depth", stats->depth);
    for (uint32_t level = 0; level < stats->depth && level < ALEX_INDEX_LEVELS_MAX; level++) {
        char label[32];
        snprintf(label, sizeof label, "nodes at level %" PRIu32, level);
        print_count(label, stats->nodes_at_level[level]);
    }
    char text[FORMATTED_SIZE];
    snprintf(text, sizeof text, "%.1f %% of slots", stats->density * 100);
    print_figure("density", text);
    snprintf(text, sizeof text, "%.2f slots", stats->model_error_slots);
    print_figure("mean model error", text);
    snprintf(text, sizeof text, "%.1f %% of keys", stats->predicted_line_share * 100);
    print_figure("in the predicted line", text);
}

static json_t *table_json(const char *name, enum alex_key_order order, const struct alex_table_stats *stats)
{
    json_t *levels = json_array();
    for (uint32_t level = 0; level < stats->depth && level < ALEX_INDEX_LEVELS_MAX; level++) {
        json_array_add(levels, json_integer((json_int_t)stats->nodes_at_level[level]));
    }
    return json_pack("{s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:f,s:f,s:f}", "name", json_from_bytes(name, strlen(name)),
                     "keys_are", order == ALEX_KEYS_UNSIGNED ? "unsigned" : "signed", "keys", (json_int_t)stats->keys,
                     "live_bytes", (json_int_t)stats->live_bytes, "index_bytes", (json_int_t)stats->index_bytes,
                     "data_nodes", (json_int_t)stats->data_nodes, "inner_nodes", (json_int_t)stats->inner_nodes,
                     "depth", (json_int_t)stats->depth, "nodes_at_level", levels, "density", stats->density,
                     "model_error_slots", stats->model_error_slots, "predicted_line_share",
                     stats->predicted_line_share);
}

static int visit_table(void *context, const struct alex_table_info *info)
{
    struct stat_visit *visit = context;
    if (visit->only != NULL && strcmp(visit->only, info->name) != 0) {
        return 0;
    }
    const struct alex_table_options options = {.mode = ALEX_MUST_EXIST};
    alex_table *table;
    struct alex_table_stats stats;
    int code = alex_table_open(visit->session->store, info->name, &options, &table);
    if (code == ALEX_OK) {
        code = alex_table_stat(table, &stats);
    }
    if (code != ALEX_OK) {
        visit->status = report_store(visit->session->store, code);
        return 1;
    }
    if (visit->array != NULL) {
        json_array_add(visit->array, table_json(info->name, info->key_order, &stats));
    } else {
        print_table(info->name, info->key_order, &stats);
    }
    return 0;
}

static void print_store(const char *path, const struct alex_store_stats *stats)
{
    printf("store %s\n", path);
    print_count("tables", stats->tables);
    print_count("keys", stats->keys);
    print_bytes("log bytes", stats->log_bytes);
    print_bytes("  live", stats->live_bytes);
    print_bytes("  dead", stats->dead_bytes);
    print_bytes("bytes on disk", stats->disk_bytes);
    print_bytes("index bytes", stats->index_bytes);
    print_count("log files", stats->segments);
    print_count("last record's number", stats->last_number);
}

static json_t *store_json(alex_store *store, const struct alex_store_stats *stats)
{
    struct alex_open_report found;
    alex_store_open_report(store, &found);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:I,s:I}", "tables", (json_int_t)stats->tables, "keys",
                     (json_int_t)stats->keys, "log_bytes", (json_int_t)stats->log_bytes, "live_bytes",
                     (json_int_t)stats->live_bytes, "dead_bytes", (json_int_t)stats->dead_bytes, "disk_bytes",
                     (json_int_t)stats->disk_bytes, "index_bytes", (json_int_t)stats->index_bytes, "segments",
                     (json_int_t)stats->segments, "last_number", (json_int_t)stats->last_number, "closed_cleanly",
                     (int)found.clean, "cut_bytes", (json_int_t)found.cut_bytes, "records_dropped",
                     (json_int_t)found.records_dropped);
}

static enum status print_stats(const struct session *session, const char *path, const char *only, bool as_json)
{
    struct alex_store_stats stats;
    int code = alex_store_stat(session->store, &stats);
    if (code != ALEX_OK) {
        return report_store(session->store, code);
    }
    if (!as_json) {
        print_store(path, &stats);
    }
    struct stat_visit visit = {.session = session, .only = only, .array = as_json ? json_array() : NULL};
    code = alex_table_list(session->store, visit_table, &visit);
    if (code != ALEX_OK && visit.status == STATUS_OK) {
        visit.status = report_store(session->store, code);
    }
    if (as_json && visit.status == STATUS_OK) {
        visit.status = json_print(
            json_pack("{s:o,s:O}", "store", store_json(session->store, &stats), "tables", visit.array), JSON_INDENT(2));
    }
    json_decref(visit.array);
    return visit.status;
}

enum status command_stat(int argc, char **argv)
{
    const char *table = NULL;
    bool as_json = false;
    const struct option options[] = {
        {"table", 't', OPTION_TEXT, &table, "NAME", "the only table to tell of (default: all)"},
        {"json", 'j', OPTION_FLAG, &as_json, NULL, "print one object, sizes in bytes"},
    };
    const struct usage usage = {
        .command = "stat",
        .arguments = "STORE",
        .least = 1,
        .most = 1,
        .purpose = "Prints figures of the store, and of each table and its learned index.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int count;
    enum status status;
    if (!options_parse(&usage, argc, argv, &count, &status)) {
        return status;
    }
    struct session session;
    status = session_open(&session, argv[0], SESSION_READ, table, NULL);
    return status != STATUS_OK ? status : session_close(&session, print_stats(&session, argv[0], table, as_json));
}
