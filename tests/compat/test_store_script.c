/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_store_script.c
 * Carries out a script on a store: how test_reader.py makes the stores that it compares readers on, those of killed
 * writers included. Called with STORE SCRIPT; without arguments it tests itself.
 *
 * A script has a command a line, its parts divided by single spaces. Values are the bytes that helper_fill() makes.
 *
 *     open SHIFT              opens the store; segments of a new one have 2^SHIFT bytes, the usual size if it is 0
 *     table NAME ORDER        makes or opens a table, "signed" or "unsigned", for the commands that follow
 *     drop NAME
 *     rename NAME NEW-NAME
 *     put KEY SIZE SEED
 *     reserve KEY SIZE SEED   the same by way of a reservation
 *     cancel KEY SIZE         a reservation that is given up
 *     delete KEY
 *     batch / write           collects puts and deletes, and writes them as one
 *     load / commit / abandon collects puts as a bulk load
 *     begin / commit / abandon  a write transaction, in which tables are made, renamed and dropped as well
 *     save / back             a savepoint in it, and going back to the last one
 *     sync
 *     reopen
 *     close
 *     kill                    ends the process at once, with all that is open
 */
#include <stdio.h>
#include <unistd.h>

#include "store/store.h"
#include "support/store_helper.h"

enum { BATCH_MAX = 1000 };

struct script {
    const char *path;
    uint32_t segment_shift;
    alex_store *store;
    alex_table *table;
    alex_loader *loader;
    alex_txn *txn;
    uint64_t savepoint;
    bool in_batch;
    struct alex_op ops[BATCH_MAX];
    size_t op_count;
};

static int open_store(struct script *script)
{
    struct store_tuning tuning = {.segment_shift = script->segment_shift};
    int code = store_open_tuned(script->path, NULL, &tuning, &script->store);
    script->table = alex_main_table(script->store);
    return code;
}

static int close_store(struct script *script)
{
    int code = alex_close(script->store);
    script->store = NULL;
    return code;
}

static int select_table(struct script *script, const char *name, const char *order)
{
    struct alex_table_options options = {
        .key_order = strcmp(order, "unsigned") == 0 ? ALEX_KEYS_UNSIGNED : ALEX_KEYS_SIGNED,
    };
    return script->txn != NULL ? alex_txn_table_open(script->txn, name, &options, &script->table)
                               : alex_table_open(script->store, name, &options, &script->table);
}

static int put(struct script *script, int64_t key, size_t size, uint64_t seed)
{
    unsigned char *value = malloc(size + 1);
    if (value == NULL) {
        return ALEX_NO_MEMORY;
    }
    helper_fill(value, size, seed);
    int code = ALEX_OK;
    if (script->in_batch) {
        if (script->op_count == BATCH_MAX) {
            free(value);
            return ALEX_TOO_LARGE;
        }
        script->ops[script->op_count++] = (struct alex_op){ALEX_OP_PUT, script->table, key, {value, size}};
        return ALEX_OK; /* the batch owns the value */
    }
    if (script->txn != NULL) {
        code = alex_txn_put(script->txn, script->table, key, value, size, NULL);
    } else if (script->loader != NULL) {
        code = alex_loader_add(script->loader, key, value, size);
    } else {
        code = alex_put(script->table, key, value, size, NULL);
    }
    free(value);
    return code;
}

static int reserve(struct script *script, int64_t key, size_t size, uint64_t seed)
{
    void *buffer = NULL;
    int code = alex_put_reserve(script->table, key, size, &buffer);
    if (code == ALEX_OK) {
        helper_fill(buffer, size, seed);
        code = alex_put_commit(script->table, NULL);
    }
    return code;
}

static int cancel(struct script *script, int64_t key, size_t size)
{
    void *buffer = NULL;
    int code = alex_put_reserve(script->table, key, size, &buffer);
    if (code == ALEX_OK) {
        memset(buffer, 'x', size);
        alex_put_cancel(script->table);
    }
    return code;
}

static int delete_key(struct script *script, int64_t key)
{
    if (script->txn != NULL) {
        return alex_txn_delete(script->txn, script->table, key);
    }
    if (!script->in_batch) {
        return alex_delete(script->table, key);
    }
    if (script->op_count == BATCH_MAX) {
        return ALEX_TOO_LARGE;
    }
    script->ops[script->op_count++] = (struct alex_op){ALEX_OP_DELETE, script->table, key, {NULL, 0}};
    return ALEX_OK;
}

static int write_batch(struct script *script)
{
    int code = alex_write(script->store, script->ops, script->op_count);
    for (size_t i = 0; i < script->op_count; i++) {
        free((void *)(uintptr_t)script->ops[i].value.data);
    }
    script->op_count = 0;
    script->in_batch = false;
    return code;
}

static int end_txn(struct script *script, bool commits)
{
    int code = commits ? alex_commit(script->txn) : alex_end(script->txn);
    script->txn = NULL;
    script->table = alex_main_table(script->store); /* the one at hand may never have been */
    return code;
}

static int go_back(struct script *script)
{
    script->table = alex_main_table(script->store);
    return alex_rollback_to(script->txn, script->savepoint);
}

static int end_load(struct script *script, bool commits)
{
    int code = commits ? alex_loader_commit(script->loader, NULL, NULL) : ALEX_OK;
    alex_loader_close(script->loader);
    script->loader = NULL;
    return code;
}

/** Carries out one line, split at its spaces. */
static int carry_out(struct script *script, char *words[4])
{
    const char *command = words[0];
    int64_t key = (int64_t)strtoull(words[1], NULL, 10); /* takes negative numbers as well */
    size_t size = strtoull(words[2], NULL, 10);
    uint64_t seed = strtoull(words[3], NULL, 10);
    if (strcmp(command, "open") == 0) {
        script->segment_shift = (uint32_t)key;
        return open_store(script);
    } else if (strcmp(command, "table") == 0) {
        return select_table(script, words[1], words[2]);
    } else if (strcmp(command, "drop") == 0) {
        script->table = alex_main_table(script->store);
        return script->txn != NULL ? alex_txn_table_drop(script->txn, words[1])
                                   : alex_table_drop(script->store, words[1]);
    } else if (strcmp(command, "rename") == 0) {
        return script->txn != NULL ? alex_txn_table_rename(script->txn, words[1], words[2])
                                   : alex_table_rename(script->store, words[1], words[2]);
    } else if (strcmp(command, "put") == 0) {
        return put(script, key, size, seed);
    } else if (strcmp(command, "reserve") == 0) {
        return reserve(script, key, size, seed);
    } else if (strcmp(command, "cancel") == 0) {
        return cancel(script, key, size);
    } else if (strcmp(command, "delete") == 0) {
        return delete_key(script, key);
    } else if (strcmp(command, "batch") == 0) {
        script->in_batch = true;
        return ALEX_OK;
    } else if (strcmp(command, "write") == 0) {
        return write_batch(script);
    } else if (strcmp(command, "load") == 0) {
        return alex_loader_open(script->table, &script->loader);
    } else if (strcmp(command, "commit") == 0 || strcmp(command, "abandon") == 0) {
        bool commits = command[0] == 'c';
        return script->txn != NULL ? end_txn(script, commits) : end_load(script, commits);
    } else if (strcmp(command, "begin") == 0) {
        return alex_begin(script->store, ALEX_WRITE, &script->txn);
    } else if (strcmp(command, "save") == 0) {
        return alex_savepoint(script->txn, &script->savepoint);
    } else if (strcmp(command, "back") == 0) {
        return go_back(script);
    } else if (strcmp(command, "sync") == 0) {
        return alex_sync(script->store);
    } else if (strcmp(command, "reopen") == 0) {
        int code = close_store(script);
        return code == ALEX_OK ? open_store(script) : code;
    } else if (strcmp(command, "close") == 0) {
        return close_store(script);
    } else if (strcmp(command, "kill") == 0) {
        _exit(0);
    }
    return ALEX_INVALID;
}

/** Carries out all lines of a file; tells which one failed. @return an exit code */
static int run_script(const char *path, FILE *lines)
{
    struct script script = {.path = path};
    char line[1024];
    for (int number = 1; fgets(line, sizeof line, lines) != NULL; number++) {
        static char nothing[] = "";
        char *words[4] = {nothing, nothing, nothing, nothing};
        char *rest = NULL;
        char *word = strtok_r(line, " \n", &rest);
        for (int i = 0; i < 4 && word != NULL; i++) {
            words[i] = word;
            word = strtok_r(NULL, " \n", &rest);
        }
        int code = carry_out(&script, words);
        if (code != ALEX_OK) {
            fprintf(stderr, "line %d, %s %s: %s\n", number, words[0], words[1], alex_code_name(code));
            (void)alex_close(script.store);
            return 1;
        }
    }
    return script.store == NULL ? 0 : 1;
}

static int run_text(struct fixture *fixture, const char *text)
{
    FILE *lines = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_non_null(lines);
    int result = run_script(fixture->path, lines);
    fclose(lines);
    return result;
}

/* A script leaves what its commands say. */
static void test_commands(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run_text(fixture,
                              "open 16\nput 1 3 7\ndelete 1\nreserve -2 5 8\ncancel 3 9\nbatch\nput 4 1 1\n"
                              "put 5 1 1\ndelete 4\nwrite\ntable t unsigned\nload\nput 18446744073709551615 8 2\n"
                              "commit\nload\nput 6 1 1\nabandon\nsync\nreopen\nclose\n"),
                     0);
    fixture_store_open(fixture, NULL);
    char value[8];
    size_t size = 0;
    ASSERT_OK(alex_get(fixture->main, -2, value, sizeof value, &size));
    assert_true(size == 5 && helper_is_filled(value, size, 8));
    ASSERT_OK(alex_exists(fixture->main, 5));
    alex_table *table = helper_table(fixture->store, "t", ALEX_KEYS_UNSIGNED);
    ASSERT_OK(alex_exists(table, -1));
    struct alex_store_stats stats;
    ASSERT_OK(alex_store_stat(fixture->store, &stats));
    assert_int_equal(stats.keys, 3);
}

/* A script with a command that is unknown or fails says so by its exit code. */
static void test_failing_commands(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run_text(fixture, "open 16\nclose\njump\n"), 1);
    assert_int_equal(run_text(fixture, "open 16\ndelete 5\nclose\n"), 1);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        FILE *lines = fopen(argv[2], "r");
        if (lines == NULL) {
            perror(argv[2]);
            return 2;
        }
        int result = run_script(argv[1], lines);
        fclose(lines);
        return result;
    }
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_commands),
        TEST_WITH_DIRECTORY(test_failing_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
