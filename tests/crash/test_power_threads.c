/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_power_threads.c
 * Power cuts on the simulated disk under several threads: writers, one that reads, and one that syncs or makes tables.
 * What each was told, or has seen, is there after a cut; and a sync or a write that fails while others wait loses
 * nothing of it, either, and leaves none of them waiting.
 *
 * Syncs take some time here, so that others write, and read, while one is under way. Moments are noted while the
 * threads run, and looked at when they have ended. Which threads meet is left to chance; what a writer writes follows
 * from the seed.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "crash/writers.h"
#include "store/store.h"
#include "support/disk.h"
#include "support/faults.h"

enum { WRITERS_LEAST = 3, WRITES_EACH = 30, LOST_MAX = 10 };

#define SEGMENT_SHIFT 16
#define GROWTH_BYTES 4096

/** What a sync takes at most, and what lies between those that nobody waits for. */
#define SYNC_US_MAX 200
#define BETWEEN_US_MAX 400

/** A moment is noted when a sync has ended, and at one in so many other boundaries and ends of writes. */
#define MOMENT_SHARE 8

/** The call that fails is one of the first so many, an early one rather than a late one. */
#define FAILURES_WITHIN 60

/** In one run for so many cuts that are asked for of other runs. */
#define CUTS_A_FAILURE 80

/** Milliseconds in which no write begins or ends, after which one hangs. */
#define STILL_MS_MAX 10000

#define FINDING_BYTES 512

struct plan {
    uint64_t seed;
    enum alex_durability durability;
    bool fails;
    enum disk_failure failure; /**< with `fails` */
    enum disk_lie lie;
};

struct result {
    uint64_t cuts;         /**< one of each moment that was noted */
    uint64_t within_syncs; /**< of moments at which a sync was under way */
    uint64_t writes;
    uint64_t syncs;    /**< that writers made */
    uint64_t failures; /**< runs in which a call has failed */
    uint64_t lost;
};

/** A moment of a run, and what a cut at it may hold. */
struct moment {
    struct disk_moment *disk;
    struct writers_numbers least;
    struct writers_numbers greatest;
    struct moment *next;
};

struct run {
    const struct plan *plan;
    const struct fixture *fixture;
    struct writers writers;
    alex_store *store;
    atomic_uint writing;  /**< writers that have not ended */
    atomic_uint running;  /**< threads that have not ended */
    atomic_uint syncing;  /**< syncs under way */
    pthread_mutex_t lock; /**< of what follows, and of what it points to */
    struct helper_random random;
    struct writers_numbers durable; /**< where writes are not durable by themselves: those that were made so */
    struct moment *moments;
    struct result *result;
};

static void pause_us(uint64_t us)
{
    struct timespec time = {0, (long)us * 1000};
    (void)nanosleep(&time, NULL);
}

static uint64_t draw(struct run *run, uint64_t bound)
{
    (void)pthread_mutex_lock(&run->lock);
    uint64_t drawn = helper_random_below(&run->random, bound);
    (void)pthread_mutex_unlock(&run->lock);
    return drawn;
}

static void report(struct run *run, const char *where, const char *wrong)
{
    (void)pthread_mutex_lock(&run->lock);
    run->result->lost++;
    (void)pthread_mutex_unlock(&run->lock);
    if (run->plan->lie == DISK_HONEST) {
        (void)printf("seed %" PRIu64 ", durability %d, %s: %s\n", run->plan->seed, (int)run->plan->durability, where,
                     wrong);
    }
}

/* ---- moments */

static void take_moment(struct run *run)
{
    struct moment *moment = malloc(sizeof *moment);
    if (moment == NULL) {
        abort(); /* in a thread of the library's, perhaps */
    }
    (void)pthread_mutex_lock(&run->lock);
    moment->least = run->durable;
    (void)pthread_mutex_unlock(&run->lock);
    if (run->plan->durability == ALEX_DURABLE_ON_COMMIT) {
        writers_visible(&run->writers, &moment->least);
    }
    unsigned syncing = atomic_load(&run->syncing);
    moment->disk = disk_moment_take();
    writers_issued(&run->writers, &moment->greatest);
    (void)pthread_mutex_lock(&run->lock);
    moment->next = run->moments;
    run->moments = moment;
    run->result->within_syncs += syncing > 0;
    (void)pthread_mutex_unlock(&run->lock);
}

static void perhaps_take_moment(struct run *run, bool always)
{
    if (always || draw(run, MOMENT_SHARE) == 0) {
        take_moment(run);
    }
}

/** Whether this thread is a writer. */
static _Thread_local bool writes;

static void boundary(void *context, const char *call, const char *file, bool done)
{
    struct run *run = context;
    (void)file;
    bool is_sync = strcmp(call, "fdatasync") == 0 || strcmp(call, "fsync") == 0;
    if (is_sync && done) {
        (void)atomic_fetch_sub(&run->syncing, 1);
    }
    perhaps_take_moment(run, is_sync && done);
    if (is_sync && !done) {
        (void)atomic_fetch_add(&run->syncing, 1);
        (void)pthread_mutex_lock(&run->lock);
        run->result->syncs += writes;
        (void)pthread_mutex_unlock(&run->lock);
    }
}

/* ---- threads */

struct writer {
    struct run *run;
    uint32_t number;
};

/** Whether a call may have ended so: well, or because one of the system has failed. */
static bool may_be(const struct run *run, int code)
{
    return code == ALEX_OK || (run->plan->fails && disk_has_failed() && (code == ALEX_IO || code == ALEX_READ_ONLY));
}

static void *write_on(void *context)
{
    const struct writer *writer = context;
    struct run *run = writer->run;
    int code = ALEX_OK;
    writes = true;
    for (int i = 0; i < WRITES_EACH && code == ALEX_OK; i++) {
        code = writers_write(&run->writers, writer->number, run->store);
        perhaps_take_moment(run, false); /* stores through the mapping make no call */
    }
    if (!may_be(run, code)) {
        report(run, "a write", alex_code_name(code));
    }
    (void)atomic_fetch_sub(&run->writing, 1);
    (void)atomic_fetch_sub(&run->running, 1);
    return NULL;
}

static void *read_on(void *context)
{
    struct run *run = context;
    char wrong[WRITERS_TEXT_BYTES];
    struct writers_numbers least;
    struct writers_numbers present;
    while (atomic_load(&run->writing) > 0) {
        writers_visible(&run->writers, &least);
        if (writers_hold(&run->writers, run->store, &least, NULL, &present, NULL, wrong)) {
            writers_see(&run->writers, &present);
        } else {
            report(run, "a reader", wrong);
        }
        pause_us(20);
    }
    (void)atomic_fetch_sub(&run->running, 1);
    return NULL;
}

/** Waits until the store's thread has synced all that the log has now. */
static int wait_for_interval(alex_store *store)
{
    struct log *log = store_log(store);
    struct log_description description = {0};
    int code = writer_begin(store); /* for the log's end */
    if (code != ALEX_OK) {
        return code;
    }
    struct log_position end = log_end(log);
    (void)writer_end(store, ALEX_OK);
    do {
        pause_us(100);
        if (log_describe(log, &description) != ALEX_OK) {
            return ALEX_NO_MEMORY;
        }
        base_free(description.segments);
        code = log_writable(log, NULL);
    } while (log_position_compare(description.durable, end) < 0 && code == ALEX_OK);
    return code;
}

/** Makes durable what has returned, where it isn't so by itself. */
static int make_durable(struct run *run)
{
    struct writers_numbers done;
    writers_done(&run->writers, &done);
    bool waits = run->plan->durability == ALEX_DURABLE_WITHIN_INTERVAL && draw(run, 2) == 0;
    int code = waits ? wait_for_interval(run->store) : alex_sync(run->store);
    if (code == ALEX_OK) {
        (void)pthread_mutex_lock(&run->lock);
        run->durable = done;
        (void)pthread_mutex_unlock(&run->lock);
    }
    return code;
}

/** Makes a table and drops it: both sync while no other thread writes. */
static int make_and_drop(alex_store *store)
{
    alex_table *table;
    int code = alex_table_open(store, "comes and goes", NULL, &table);
    if (code == ALEX_OK) {
        code = alex_table_drop(store, "comes and goes");
    }
    return code;
}

static void *sync_on(void *context)
{
    struct run *run = context;
    while (atomic_load(&run->writing) > 0) {
        bool tables = run->plan->durability == ALEX_DURABLE_ON_COMMIT && draw(run, 2) == 0;
        int code = tables ? make_and_drop(run->store) : make_durable(run);
        if (!may_be(run, code)) {
            report(run, tables ? "a table" : "a sync", alex_code_name(code));
        }
        pause_us(draw(run, BETWEEN_US_MAX));
    }
    (void)atomic_fetch_sub(&run->running, 1);
    return NULL;
}

/** Waits until all threads have ended. */
static void wait_for_threads(const struct run *run)
{
    uint64_t before = 0;
    for (int still = 0; atomic_load(&run->running) > 0; still++) {
        pause_us(1000);
        uint64_t now = atomic_load(&run->writers.progress->clock);
        still = now == before ? still : 0;
        before = now;
        if (still == STILL_MS_MAX) {
            (void)fprintf(stderr, "seed %" PRIu64 ", durability %d: a thread hangs\n", run->plan->seed,
                          (int)run->plan->durability);
            abort(); /* it can't be ended */
        }
    }
}

static void run_threads(struct run *run)
{
    pthread_t threads[WRITERS_MAX + 2];
    struct writer writers[WRITERS_MAX];
    uint32_t count = run->writers.count;
    atomic_store(&run->writing, count);
    atomic_store(&run->running, count + 2);
    for (uint32_t i = 0; i < count; i++) {
        writers[i] = (struct writer){run, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[count], NULL, read_on, run), 0);
    assert_int_equal(pthread_create(&threads[count + 1], NULL, sync_on, run), 0);
    wait_for_threads(run);
    for (uint32_t i = 0; i < count + 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* ---- cuts */

static int note_finding(void *context, const struct alex_finding *finding)
{
    (void)snprintf(context, FINDING_BYTES, "%s at %" PRIu64 ": %s", finding->path, finding->offset, finding->message);
    return 0;
}

/** Compares a store with what it may hold, and checks it. */
static void examine(struct run *run, alex_store *store, const char *where, const struct writers_numbers *least,
                    const struct writers_numbers *greatest)
{
    char wrong[WRITERS_TEXT_BYTES];
    char finding[FINDING_BYTES] = "";
    struct alex_check_report checked;
    if (!writers_hold(&run->writers, store, least, greatest, NULL, NULL, wrong)) {
        report(run, where, wrong);
    }
    if (alex_check(store, note_finding, finding, &checked) != ALEX_OK || checked.findings > 0) {
        report(run, where, finding);
    }
}

static void look_at_cut(struct run *run, const struct moment *moment, const char *path)
{
    struct alex_error error = {0};
    struct alex_options options = {.no_background = true, .error = &error};
    alex_store *store;
    run->result->cuts++;
    if (alex_open(path, &options, &store) != ALEX_OK) {
        report(run, path, error.message);
        return;
    }
    examine(run, store, path, &moment->least, &moment->greatest);
    if (alex_close(store) != ALEX_OK) {
        report(run, path, "it does not close");
    }
}

/** Cuts all moments, and looks at the cuts. */
static void look_at_moments(struct run *run)
{
    char path[FILES_PATH_MAX];
    files_join(path, run->fixture->directory, "cut");
    while (run->moments != NULL) {
        struct moment *moment = run->moments;
        run->moments = moment->next;
        if (run->result->lost < LOST_MAX) {
            enum disk_keep keep = (enum disk_keep)helper_random_below(&run->random, DISK_KEEPS);
            disk_cut(moment->disk, path, keep, &run->random);
            look_at_cut(run, moment, path);
            files_remove(path);
        }
        disk_moment_release(moment->disk);
        free(moment);
    }
}

/* ---- runs */

static void open_store(struct run *run, struct helper_random *random)
{
    struct alex_options options = {.durability = run->plan->durability};
    struct store_tuning tuning = {.segment_shift = SEGMENT_SHIFT};
    if (options.durability == ALEX_DURABLE_WITHIN_INTERVAL) {
        options.sync_interval_ms = 1;
    } else {
        options.no_background = helper_random_below(random, 2) == 0;
    }
    options.growth_bytes = helper_random_below(random, 2) == 0 ? GROWTH_BYTES : 0;
    ASSERT_OK(store_open_tuned(run->fixture->path, &options, &tuning, &run->store));
    if (run->plan->fails) {
        uint64_t within = 1 + helper_random_below(random, FAILURES_WITHIN);
        disk_fail(run->plan->failure, 1 + helper_random_below(random, within));
    }
}

/** Looks at the store when its threads have ended, and closes it. */
static void end_store(struct run *run)
{
    disk_fail(DISK_FAILS_SYNC, 0);
    disk_fail(DISK_FAILS_WRITE, 0);
    bool failed = disk_has_failed();
    for (int i = 0; i < STILL_MS_MAX && failed && log_writable(store_log(run->store), NULL) == ALEX_OK; i++) {
        pause_us(1000); /* the log's thread has yet to note it */
    }
    struct writers_numbers done;
    writers_done(&run->writers, &done);
    /* What failed was taken back; reads go on. */
    examine(run, run->store, "in the end", &done, &done);
    if (failed && alex_put(alex_main_table(run->store), 0, "", 0, NULL) != ALEX_READ_ONLY) {
        report(run, "in the end", "the store takes a write after a failure");
    }
    int code = alex_close(run->store);
    if ((code == ALEX_OK) == failed) {
        report(run, "closing", alex_code_name(code));
    }
    if (code == ALEX_OK) {
        run->durable = done;
    }
    take_moment(run);
    run->result->failures += failed;
    run->result->writes += atomic_load(&run->writers.progress->writes);
}

static void run_once(const struct fixture *fixture, const struct plan *plan, struct result *result)
{
    static struct writers_progress progress;
    struct helper_random random = {plan->seed};
    struct run run = {.plan = plan, .fixture = fixture, .random = {plan->seed}, .result = result};
    assert_int_equal(pthread_mutex_init(&run.lock, NULL), 0);
    uint32_t writers = WRITERS_LEAST + (uint32_t)helper_random_below(&random, WRITERS_MAX + 1 - WRITERS_LEAST);
    writers_begin(&run.writers, plan->seed, writers, &progress);
    disk_install(fixture->path, boundary, &run);
    disk_set_lie(plan->lie);
    disk_set_sync_us(SYNC_US_MAX);
    open_store(&run, &random);
    run_threads(&run);
    end_store(&run);
    disk_remove();
    look_at_moments(&run);
    files_remove(fixture->path);
    (void)pthread_mutex_destroy(&run.lock);
}

/** Runs plans until so many cuts were looked at or, if a call is to fail, until that happened in one run for so many of
 *  them, or something was lost; the environment asks for more. */
static void run_often(const struct fixture *fixture, struct plan plan, struct result *result)
{
    uint64_t wanted = helper_environment("ALEX_POWER_THREAD_CUTS", 800);
    uint64_t cuts = result->cuts + (plan.fails ? 0 : wanted);
    uint64_t failures = result->failures + (plan.fails ? wanted / CUTS_A_FAILURE + 1 : 0);
    plan.seed = helper_environment("ALEX_POWER_SEED", 1);
    for (; (result->cuts < cuts || result->failures < failures) && result->lost == 0; plan.seed++) {
        run_once(fixture, &plan, result);
    }
}

/** Prints what was done, and asserts that nothing was lost. */
static void conclude(const struct result *result)
{
    (void)printf("power cuts with threads: %" PRIu64 ", of them within a sync: %" PRIu64 "; writes: %" PRIu64
                 ", their syncs: %" PRIu64 "; runs with a call that failed: %" PRIu64 "; lost: %" PRIu64 "\n",
                 result->cuts, result->within_syncs, result->writes, result->syncs, result->failures, result->lost);
    assert_int_equal(result->lost, 0);
}

/* With commits on disk before their calls return, or a reader sees them: what shares a sync with others is there, and
 * what came while it was made is not taken for durable. */
static void test_durable_on_commit(void **state)
{
    struct result result = {0};
    run_often(*state, (struct plan){.durability = ALEX_DURABLE_ON_COMMIT}, &result);
    conclude(&result);
    assert_true(result.syncs < result.writes);
    assert_true(result.within_syncs > 0);
}

/* With syncs on demand, by another thread than the writers': what had returned before is there. */
static void test_durable_on_sync(void **state)
{
    struct result result = {0};
    run_often(*state, (struct plan){.durability = ALEX_DURABLE_ON_SYNC}, &result);
    conclude(&result);
}

/* With a thread of the store's that syncs while others write: what it has synced is there, and no more is taken for
 * synced; and a sync that is asked for meanwhile is another one. */
static void test_durable_within_interval(void **state)
{
    struct result result = {0};
    run_often(*state, (struct plan){.durability = ALEX_DURABLE_WITHIN_INTERVAL}, &result);
    conclude(&result);
    assert_true(result.within_syncs > 0);
}

/* A sync or a write of the system's fails at some place while the threads run: all calls return; those that had
 * returned before stay, also through a power cut; what failed is taken back, and the store takes no more writes. */
static void test_failing_calls(void **state)
{
    struct result result = {0};
    for (enum alex_durability durability = ALEX_DURABLE_ON_SYNC; durability <= ALEX_DURABLE_ON_COMMIT; durability++) {
        for (enum disk_failure failure = DISK_FAILS_WRITE; failure < DISK_FAILURES; failure++) {
            struct plan plan = {.durability = durability, .fails = true, .failure = failure};
            run_often(*state, plan, &result);
        }
    }
    conclude(&result);
}

/* Were a file's sync left out, or a directory's, these tests would notice. */
static void test_lies_are_noticed(void **state)
{
    for (enum disk_lie lie = DISK_SKIPS_FILE_SYNCS; lie <= DISK_SKIPS_DIRECTORY_SYNCS; lie++) {
        struct result result = {0};
        struct plan plan = {.seed = 1, .durability = ALEX_DURABLE_ON_COMMIT, .lie = lie};
        run_once(*state, &plan, &result);
        assert_true(result.lost > 0);
    }
}

int main(void)
{
    faults_prefer_memory();
    const struct CMUnitTest tests[] = {
        TEST_WITH_DIRECTORY(test_durable_on_commit),       TEST_WITH_DIRECTORY(test_durable_on_sync),
        TEST_WITH_DIRECTORY(test_durable_within_interval), TEST_WITH_DIRECTORY(test_failing_calls),
        TEST_WITH_DIRECTORY(test_lies_are_noticed),
    };
    return cmocka_run_group_tests_name("power cuts with threads", tests, NULL, NULL);
}
