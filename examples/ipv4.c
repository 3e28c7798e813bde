/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ipv4.c
 * Which country is an IPv4 address registered in? Loads a file of ranges, looks addresses up and checks every answer
 * against the file itself, closes, reopens, and checks every record. This is the first part of `make demo`.
 *
 * A range is a record: its first address is the key, "last address,country" the value. An address belongs to the record
 * with the greatest key that is not above it, if the record's last address is not below it.
 *
 * Usage: ipv4 [DIRECTORY [FILE]]    FILE: lines of `first,last,country`, plain or gz
 */
#include <inttypes.h>

#include <zlib.h>

#include "example.h"

#ifndef EXAMPLE_DATA_DIRECTORY
#define EXAMPLE_DATA_DIRECTORY "data"
#endif

#define NO_LINE UINT32_MAX
#define COUNTRY_BYTES 2

struct line {
    uint32_t first;
    uint32_t last;
    char country[COUNTRY_BYTES];
};

/** The file, in its order: ascending in `first`, of which some are there twice. */
struct file {
    const char *path;
    struct line *lines;
    uint32_t count;
    uint32_t distinct; /**< different values of `first` */
};

/** An address to look up, and what must come out. */
struct question {
    uint32_t address;
    uint32_t line; /**< the line it belongs to; NO_LINE for none */
};

struct questions {
    struct question *list;
    uint32_t count;
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    EXPECT(memory != NULL);
    return memory;
}

/** Reads the digits at `*text` up to a comma, and moves it behind that. @return whether that is an IPv4 address */
static int read_address(const char **text, uint32_t *out_address)
{
    char *end;
    unsigned long long number = strtoull(*text, &end, 10);
    if (**text < '0' || **text > '9' || *end != ',' || number > UINT32_MAX) {
        return 0;
    }
    *out_address = (uint32_t)number;
    *text = end + 1;
    return 1;
}

static int read_line(const char *text, struct line *out_line)
{
    if (!read_address(&text, &out_line->first) || !read_address(&text, &out_line->last)) {
        return 0;
    }
    memcpy(out_line->country, text, strnlen(text, COUNTRY_BYTES));
    return strcspn(text, "\r\n") == COUNTRY_BYTES && out_line->first <= out_line->last;
}

static struct file read_file(const char *path)
{
    struct file file = {.path = path};
    uint32_t room = 0;
    char text[128];
    gzFile input = gzopen(path, "rb");
    if (input == NULL) {
        perror(path);
        exit(1);
    }
    while (gzgets(input, text, sizeof text) != NULL) {
        if (file.count == room) {
            room = room * 2 + 1024;
            file.lines = realloc(file.lines, room * sizeof *file.lines);
            EXPECT(file.lines != NULL);
        }
        struct line *line = &file.lines[file.count++];
        if (!read_line(text, line) || (file.count > 1 && line->first < line[-1].first)) {
            fprintf(stderr, "%s: line %" PRIu32 " is not `first,last,country` in ascending order\n", path, file.count);
            exit(1);
        }
        file.distinct += file.count == 1 || line->first != line[-1].first;
    }
    EXPECT(gzclose(input) == Z_OK); /* says otherwise where the file is damaged or cut short */
    EXPECT(file.count > 0);
    return file;
}

static size_t format_value(const struct line *line, char *buffer, size_t capacity)
{
    return (size_t)snprintf(buffer, capacity, "%" PRIu32 ",%.*s", line->last, COUNTRY_BYTES, line->country);
}

static void load(alex_table *table, const struct file *file)
{
    uint64_t added, replaced;
    alex_loader *loader;
    char value[32];
    double begin = example_seconds();
    MUST(alex_loader_open(table, &loader));
    for (uint32_t i = 0; i < file->count; i++) {
        size_t size = format_value(&file->lines[i], value, sizeof value);
        MUST(alex_loader_add(loader, file->lines[i].first, value, size));
    }
    MUST(alex_loader_commit(loader, &added, &replaced));
    alex_loader_close(loader);
    printf("Loaded %" PRIu64 " records in %.3f s (%" PRIu32
           " lines begin where an earlier one does; the later one counts)\n",
           added + replaced, example_seconds() - begin, file->count - file->distinct);
    EXPECT(added + replaced == file->distinct);
}

static int compare_questions(const void *left, const void *right)
{
    uint32_t a = ((const struct question *)left)->address;
    uint32_t b = ((const struct question *)right)->address;
    return (a > b) - (a < b);
}

/** The first and last address of every line and the ones beside them, ascending, each once. */
static struct questions make_questions(const struct file *file)
{
    struct questions questions = {.list = allocate(file->count, 6 * sizeof(struct question))};
    uint32_t count = 0;
    for (uint32_t i = 0; i < file->count; i++) {
        const int64_t ends[] = {file->lines[i].first, file->lines[i].last};
        for (int end = 0; end < 2; end++) {
            for (int64_t address = ends[end] - 1; address <= ends[end] + 1; address++) {
                if (address >= 0 && address <= UINT32_MAX) {
                    questions.list[count++].address = (uint32_t)address;
                }
            }
        }
    }
    qsort(questions.list, count, sizeof *questions.list, compare_questions);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || questions.list[i].address != questions.list[i - 1].address) {
            questions.list[questions.count++] = questions.list[i];
        }
    }
    return questions;
}

/** Whether the last line that begins at or below an address holds it. */
static uint32_t line_if_held(const struct file *file, uint32_t line, uint32_t address)
{
    return line != NO_LINE && file->lines[line].last >= address ? line : NO_LINE;
}

/** The answer by looking at every line. */
static uint32_t scan_lines(const struct file *file, uint32_t address)
{
    uint32_t last_at_or_below = NO_LINE;
    for (uint32_t i = 0; i < file->count; i++) {
        if (file->lines[i].first <= address) {
            last_at_or_below = i;
        }
    }
    return line_if_held(file, last_at_or_below, address);
}

/**
 * Answers all questions from the file alone. Scanning it for each of two million addresses would take hours; both are
 * in ascending order, so one pass over the two together gives the same. For a few hundred questions the scan is made as
 * well.
 */
static void answer_from_file(const struct file *file, struct questions *questions)
{
    uint32_t next = 0;
    uint32_t current = NO_LINE;
    for (uint32_t i = 0; i < questions->count; i++) {
        struct question *question = &questions->list[i];
        while (next < file->count && file->lines[next].first <= question->address) {
            current = next++;
        }
        question->line = line_if_held(file, current, question->address);
    }
    for (uint32_t i = 0; i < questions->count; i += questions->count / 500 + 1) {
        EXPECT(scan_lines(file, questions->list[i].address) == questions->list[i].line);
    }
}

/** Puts the questions into an order in which neighbours have nothing to do with each other. */
static void shuffle(struct questions *questions)
{
    uint64_t random = 1;
    for (uint32_t i = questions->count; i > 1; i--) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t other = (uint32_t)((random >> 32) * i >> 32);
        struct question question = questions->list[i - 1];
        questions->list[i - 1] = questions->list[other];
        questions->list[other] = question;
    }
}

/** Finds the record that an address belongs to. @return whether there is one */
static int look_up(alex_cursor *cursor, uint32_t address, struct line *out_line)
{
    struct alex_entry entry;
    char text[32];
    int code = alex_cursor_seek_before(cursor, address, &entry);
    if (code == ALEX_NOT_FOUND) {
        return 0;
    }
    MUST(code);
    EXPECT(entry.value.size < sizeof text);
    memcpy(text, entry.value.data, entry.value.size);
    text[entry.value.size] = '\0';
    const char *rest = text;
    out_line->first = (uint32_t)entry.key;
    EXPECT(read_address(&rest, &out_line->last) && strlen(rest) == COUNTRY_BYTES);
    memcpy(out_line->country, rest, COUNTRY_BYTES);
    return out_line->last >= address;
}

static int same_line(const struct line *left, const struct line *right)
{
    return left->first == right->first && left->last == right->last &&
           memcmp(left->country, right->country, COUNTRY_BYTES) == 0;
}

static void answer_from_store(alex_store *store, alex_table *table, const struct file *file,
                              const struct questions *questions)
{
    uint32_t held = 0;
    uint32_t wrong = 0;
    alex_cursor *cursor;
    alex_txn *txn;
    double begin = example_seconds();
    MUST(alex_begin(store, ALEX_READ, &txn));
    MUST(alex_cursor_open(txn, table, NULL, &cursor));
    for (uint32_t i = 0; i < questions->count; i++) {
        const struct question *question = &questions->list[i];
        struct line found;
        if (!look_up(cursor, question->address, &found)) {
            wrong += question->line != NO_LINE;
        } else {
            held++;
            wrong += question->line == NO_LINE || !same_line(&found, &file->lines[question->line]);
        }
    }
    double seconds = example_seconds() - begin;
    alex_cursor_close(cursor);
    MUST(alex_end(txn));
    printf("Looked up %" PRIu32
           " addresses in random order, those at both ends of every range and beside them, in %.3f s:\n"
           "  %.0f ns each; %" PRIu32 " lie in a range, %" PRIu32 " in none; %" PRIu32
           " answers differ from a scan of the file\n",
           questions->count, seconds, seconds * 1e9 / questions->count, held, questions->count - held, wrong);
    EXPECT(wrong == 0);
}

static void show(alex_store *store, alex_table *table)
{
    static const unsigned char addresses[][4] = {{8, 8, 8, 8}, {193, 0, 6, 139}, {133, 11, 0, 1}, {127, 0, 0, 1}};
    alex_cursor *cursor;
    alex_txn *txn;
    MUST(alex_begin(store, ALEX_READ, &txn));
    MUST(alex_cursor_open(txn, table, NULL, &cursor));
    printf("For instance:");
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const unsigned char *a = addresses[i];
        uint32_t address = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
        struct line line;
        int found = look_up(cursor, address, &line);
        printf("%s %d.%d.%d.%d %.*s", i ? "," : "", a[0], a[1], a[2], a[3], found ? COUNTRY_BYTES : 4,
               found ? line.country : "none");
    }
    putchar('\n');
    alex_cursor_close(cursor);
    MUST(alex_end(txn));
}

/** Walks through the whole store and the file side by side. */
static void check_records(alex_store *store, alex_table *table, const struct file *file)
{
    uint32_t records = 0;
    alex_cursor *cursor;
    alex_txn *txn;
    double begin = example_seconds();
    MUST(alex_begin(store, ALEX_READ, &txn));
    MUST(alex_cursor_open(txn, table, NULL, &cursor));
    for (uint32_t i = 0; i < file->count; i++) {
        struct alex_entry entry;
        char value[32];
        if (i + 1 < file->count && file->lines[i + 1].first == file->lines[i].first) {
            continue; /* the later line counts */
        }
        size_t size = format_value(&file->lines[i], value, sizeof value);
        MUST(alex_cursor_next(cursor, &entry));
        EXPECT(entry.key == file->lines[i].first);
        EXPECT(entry.value.size == size && memcmp(entry.value.data, value, size) == 0);
        records++;
    }
    struct alex_entry entry;
    EXPECT(alex_cursor_next(cursor, &entry) == ALEX_NOT_FOUND);
    alex_cursor_close(cursor);
    MUST(alex_end(txn));
    printf("Checked all %" PRIu32 " records in %.3f s: each is as in the file\n", records, example_seconds() - begin);
}

int main(int argc, char **argv)
{
    struct example_place place = example_begin(argc, argv);
    alex_store *store;
    alex_table *table;

    double begin = example_seconds();
    struct file file = read_file(argc > 2 ? argv[2] : EXAMPLE_DATA_DIRECTORY "/ipv4-country.csv.gz");
    printf("Read %" PRIu32 " ranges of IPv4 addresses from %s in %.3f s\n", file.count, file.path,
           example_seconds() - begin);

    MUST(alex_open(place.store, NULL, &store));
    MUST(alex_table_open(store, "ipv4", NULL, &table));
    load(table, &file);

    struct questions questions = make_questions(&file);
    answer_from_file(&file, &questions);
    shuffle(&questions);
    answer_from_store(store, table, &file, &questions);
    show(store, table);
    MUST(alex_close(store));

    begin = example_seconds();
    MUST(alex_open(place.store, NULL, &store));
    MUST(alex_table_open(store, "ipv4", NULL, &table));
    printf("Closed the store, and reopened it in %.3f s\n", example_seconds() - begin);
    check_records(store, table, &file);
    MUST(alex_close(store));

    free(questions.list);
    free(file.lines);
    example_end(&place);
    return 0;
}
