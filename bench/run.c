/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.c
 * Starting a run's process, and what that process does.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "support.h"

/** Bytes of a key and its value in the mean, for the sizing of caches. */
static uint64_t mean_record_bytes(const struct run_request *request)
{
    uint64_t value_bytes = ((uint64_t)request->dataset.value_min + request->dataset.value_max) / 2;
    return value_bytes + sizeof(int64_t);
}

static void run_workload(const struct run_request *request, struct session *session)
{
    const struct workload *workload = &workloads[request->workload];
    if (!workload_starts_empty(workload, request->keys)) {
        while (session->index_count < session->keys) {
            session_add_index(session);
        }
        if (!request->loaded_already) {
            session_load(session);
        } else {
            session_settle(session);
        }
        session_check_contents(session);
        if (workload->writes) {
            /* Untimed: what a store does once before it takes writes is not an operation's. */
            session_put(session, dataset_key(session->dataset, 0), session->versions[0]);
        }
    }
    workload->run(session);
    if (workload->writes) {
        session_check_contents(session);
    }
}

static double rounded(double number, double steps)
{
    return round(number * steps) / steps;
}

/** Rounds what isn't whole to what is worth saying, so that a result is the same before it is written and after. */
static void round_figures(struct measurement *measured)
{
    measured->ns_per_op = rounded(measured->ns_per_op, 10);
    measured->writer_ns_per_op = rounded(measured->writer_ns_per_op, 10);
    measured->index.bytes_per_key = rounded(measured->index.bytes_per_key, 100);
    measured->index.predicted_line_share = rounded(measured->index.predicted_line_share, 10000);
}

/** What the engine is told of the run. */
static struct engine_setup setup_of(const struct run_request *request)
{
    const struct workload *workload = &workloads[request->workload];
    struct engine_setup setup = {
        .path = request->path,
        .value_max = request->dataset.value_max > sizeof(uint64_t) ? request->dataset.value_max : sizeof(uint64_t),
        .keys = request->keys,
        .threads = 1,
        .writers = 1,
    };
    if (!request->prepares) {
        uint64_t untimed = 1; /* see run_workload() */
        setup.puts = workload->writes ? request->ops + workload_latency_ops(request->ops) + untimed : 0;
        setup.sync = workload->sync;
        setup.threads = request->threads + workload->writer_beside;
        setup.writers = workload->writer_beside ? 1 : request->threads;
    }
    setup.data_bytes = (setup.keys + setup.puts) * mean_record_bytes(request);
    return setup;
}

int run_serve(void)
{
    struct run_request request;
    struct measurement measured = {0};
    if (fread(&request, sizeof request, 1, stdin) != 1) {
        fail("%s is for this program itself; see --help", RUN_ARGUMENT);
    }
    dataset_prepare(&request.dataset);
    struct session session = {
        .engine = engines[request.engine],
        .dataset = &request.dataset,
        .setup = setup_of(&request),
        .threads = request.threads,
        .keys = request.keys,
        .ops = request.ops,
        .random = request.random_seed,
        .value = allocate(1, dataset_buffer_bytes(&request.dataset)),
        .measured = &measured,
    };
    session.store = session.engine->open(&session.setup);
    if (request.prepares) {
        session_load(&session);
    } else {
        run_workload(&request, &session);
    }
    measured.peak_rss_bytes = peak_rss_bytes();
    if (session.engine->index_figures != NULL) {
        session.engine->index_figures(session.store, &measured.index);
    }
    session.engine->close(session.store);
    measured.disk_bytes = tree_disk_bytes(request.path);
    round_figures(&measured);
    free(session.versions);
    free(session.value);
    dataset_release(&request.dataset);
    if (fwrite(&measured, sizeof measured, 1, stdout) != 1 || fflush(stdout) != 0) {
        fail("cannot hand over the measurement: %s", strerror(errno));
    }
    return 0;
}

/** The path of the program whose process a run of the engine is, for free(). This program's is its file's, under which
 *  callgrind can follow it, unless that was replaced meanwhile. */
static char *program_of(const struct engine *engine)
{
    static const char self[] = "/proc/self/exe";
    static const char gone[] = " (deleted)";
    char path[4096];
    ssize_t length = readlink(self, path, sizeof path - 1);
    if (length < 0 || length == (ssize_t)sizeof path - 1) {
        fail("cannot tell where this program is");
    }
    path[length] = '\0';
    char *end = length > (ssize_t)strlen(gone) ? path + length - strlen(gone) : path;
    bool replaced = strcmp(end, gone) == 0;
    if (engine->variant == NULL) {
        return text("%s", replaced ? self : path);
    }
    return text("%.*s-%s", (int)(replaced ? end - path : length), path, engine->variant);
}

/** Starts the engine's program with pipes for stdin and stdout. */
static pid_t start(const struct engine *engine, int *out_to, int *out_from)
{
    int in[2], out[2];
    char name[] = "alexstorage-bench";
    char argument[] = RUN_ARGUMENT;
    char *arguments[] = {name, argument, NULL};
    posix_spawn_file_actions_t actions;
    pid_t process;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
        fail("cannot make a pipe: %s", strerror(errno));
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    char *program = program_of(engine);
    int code = posix_spawn(&process, program, &actions, NULL, arguments, environ);
    if (code != 0) {
        fail("cannot start %s: %s", program, strerror(code));
    }
    free(program);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    *out_to = in[1];
    *out_from = out[0];
    return process;
}

/** Reads up to `size` bytes, less only at the end of the pipe or after a signal. */
static size_t read_all(int pipe, void *buffer, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t count = read(pipe, (char *)buffer + got, size - got);
        if (count <= 0) {
            break;
        }
        got += (size_t)count;
    }
    return got;
}

bool run_perform(const struct run_request *request, struct measurement *out_measured)
{
    struct measurement measured;
    int to, from, status;
    fflush(NULL);
    pid_t process = start(engines[request->engine], &to, &from);
    bool complete = write(to, request, sizeof *request) == (ssize_t)sizeof *request;
    close(to);
    complete = complete && read_all(from, &measured, sizeof measured) == sizeof measured;
    close(from);
    if (!complete) {
        kill(process, SIGTERM); /* it has ended already, unless a signal came between */
    }
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM && WTERMSIG(status) != SIGINT) {
        fprintf(stderr, "alexstorage-bench: a run was ended by signal %d (%s)\n", WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    }
    if (!complete || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return false;
    }
    *out_measured = measured;
    return true;
}
