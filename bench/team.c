/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file team.c
 * Starting the threads of a workload, and putting together what they have measured.
 */
#include "team.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

struct team {
    struct session *session;
    part_fn *run;
    pthread_barrier_t together;
};

/** A thread and all that it alone writes. The part comes last: its histogram ends with classes of years, which keep the
 *  rest apart from the next thread's. */
struct member {
    pthread_t thread;
    struct session session;
    struct measurement measured;
    struct part part;
};

void team_wait(struct part *part)
{
    if (part->count > 1) {
        pthread_barrier_wait(&part->team->together);
    }
}

static void *take_part(void *context)
{
    struct member *member = context;
    const struct team *team = member->part.team;
    session_open_thread(&member->session, team->session);
    member->session.measured = &member->measured;
    member->session.random = mix(team->session->random + member->part.number);
    team->run(&member->part);
    session_close_thread(&member->session);
    return NULL;
}

/** Lets every member carry out its part, in a thread each. */
static void run_threads(struct team *team, struct member *members, uint32_t count)
{
    pthread_barrier_init(&team->together, NULL, count);
    for (uint32_t i = 0; i < count; i++) {
        members[i].part.session = &members[i].session;
        int code = pthread_create(&members[i].thread, NULL, take_part, &members[i]);
        if (code != 0) {
            fail("cannot start thread %u of %u: %s", i + 1, count, strerror(code));
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(members[i].thread, NULL);
    }
    pthread_barrier_destroy(&team->together);
}

/** Adds the other parts to the first one, and what their reads have found to the session's measurement. */
static void put_together(struct session *session, struct member *members, uint32_t count)
{
    struct measurement *measured = session->measured;
    struct part *all = &members[0].part;
    for (uint32_t i = 0; i < count; i++) {
        const struct part *part = &members[i].part;
        measured->found += members[i].measured.found;
        measured->checksum = mix(measured->checksum + members[i].measured.checksum);
        if (i > 0) {
            all->ops += part->ops;
            all->begin_ns = part->begin_ns < all->begin_ns ? part->begin_ns : all->begin_ns;
            all->end_ns = part->end_ns > all->end_ns ? part->end_ns : all->end_ns;
            histogram_merge(&all->calls, &part->calls);
        }
    }
}

static void report(struct measurement *measured, const struct part *part)
{
    measured->ops = part->ops;
    measured->ns_per_op = (double)(part->end_ns - part->begin_ns) / (double)part->ops;
    measured->calls = part->calls.count;
    measured->p50_ns = histogram_percentile(&part->calls, 0.5);
    measured->p99_ns = histogram_percentile(&part->calls, 0.99);
    measured->p999_ns = histogram_percentile(&part->calls, 0.999);
    measured->p9999_ns = histogram_percentile(&part->calls, 0.9999);
    measured->max_ns = part->calls.max_ns;
}

void team_run(struct session *session, part_fn *run, const void *work)
{
    uint32_t count = session->threads;
    struct team team = {.session = session, .run = run};
    struct member *members = allocate(count, sizeof *members);
    for (uint32_t i = 0; i < count; i++) {
        struct part *part = &members[i].part;
        *part = (struct part){.session = session, .work = work, .team = &team, .number = i, .count = count};
    }
    if (count == 1) {
        run(&members[0].part);
    } else {
        run_threads(&team, members, count);
        put_together(session, members, count);
    }
    report(session->measured, &members[0].part);
    free(members);
}
