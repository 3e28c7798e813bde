/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file workload_beside.c
 * get_beside_writer: gets while a thread of its own puts without a pause, from before the first get to after the last.
 *
 * Every other put is of a new key, the others overwrite every tenth loaded key, chosen at random. The gets leave those
 * alone, so that what they must find is known. After as many puts as there are gets the writer begins with the same
 * ones again. What it has put is checked like everyone's; but it depends on time, and so differs between engines.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"
#include "op_list.h"
#include "support.h"

/** Of as many loaded keys the last one is the writer's. */
#define WRITERS_SHARE 10

/** A put: of version 0 of a new key, and of version 1 of a loaded one. */
struct beside_put {
    int64_t key;
    uint64_t index;
};

struct writer {
    const struct session *readers;
    pthread_t thread;
    pthread_barrier_t begins;
    atomic_bool ends;
    struct beside_put *puts;
    uint64_t count; /**< of puts */
    uint64_t done;  /**< how many it has carried out */
    uint64_t ns;    /**< in what time */
};

static uint32_t version_put(const struct session *session, uint64_t index)
{
    return index < session->keys ? 1 : 0;
}

/** Chooses the puts before any clock starts. */
static void make_puts(struct writer *writer, struct session *session, uint64_t count)
{
    uint64_t new_index = session->index_count;
    uint64_t overwritten = session->keys / WRITERS_SHARE;
    writer->puts = allocate(count, sizeof *writer->puts);
    writer->count = count;
    for (uint64_t i = 0; i < count; i++) {
        bool is_new = i % 2 == 0 || overwritten == 0;
        uint64_t index =
            is_new ? new_index++ : random_below(&session->random, overwritten) * WRITERS_SHARE + WRITERS_SHARE - 1;
        writer->puts[i] = (struct beside_put){dataset_key(session->dataset, index), index};
    }
}

static void *write_on(void *context)
{
    struct writer *writer = context;
    struct session session;
    session_open_thread(&session, writer->readers);
    uint64_t done = 0;
    uint64_t begin = now_ns();
    for (uint64_t i = 0; !atomic_load_explicit(&writer->ends, memory_order_relaxed); done++) {
        const struct beside_put *put = &writer->puts[i];
        session_put(&session, put->key, version_put(&session, put->index));
        i = i + 1 == writer->count ? 0 : i + 1;
        if (done == 0) {
            pthread_barrier_wait(&writer->begins);
        }
    }
    writer->ns = now_ns() - begin;
    writer->done = done;
    session_close_thread(&session);
    return NULL;
}

/** Starts the writer, and waits for its first put. */
static void start(struct writer *writer)
{
    pthread_barrier_init(&writer->begins, NULL, 2);
    int code = pthread_create(&writer->thread, NULL, write_on, writer);
    if (code != 0) {
        fail("cannot start the thread that writes: %s", strerror(code));
    }
    pthread_barrier_wait(&writer->begins);
}

/** Ends the writer, and enters its speed and what it has put. */
static void end(struct writer *writer, struct session *session)
{
    atomic_store(&writer->ends, true);
    pthread_join(writer->thread, NULL);
    pthread_barrier_destroy(&writer->begins);
    session->measured->writer_ns_per_op = (double)writer->ns / (double)writer->done;
    for (uint64_t i = 0; i < writer->done && i < writer->count; i++) {
        uint64_t index = writer->puts[i].index;
        if (index >= session->keys) {
            session_add_index(session); /* in the order of the list: gives this very index */
        } else {
            session->versions[index] = version_put(session, index);
        }
    }
    free(writer->puts);
}

void run_get_beside_writer(struct session *session)
{
    struct op_list gets;
    struct writer writer = {.readers = session};
    op_list_begin(&gets, session);
    while (gets.count < gets.room) {
        uint64_t index = random_below(&session->random, session->keys);
        op_list_add(&gets, OP_GET, index % WRITERS_SHARE == WRITERS_SHARE - 1 ? index - 1 : index, 0);
    }
    make_puts(&writer, session, gets.room);
    start(&writer);
    op_list_measure(&gets);
    end(&writer, session);
}
