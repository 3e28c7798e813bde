/* SPDX-License-Identifier: Apache-2.0 */
/** @file thread.c Threads, locks, randomness. */
#include "os/os.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

struct os_mutex {
    pthread_mutex_t mutex;
    uint64_t forks; /**< os_forks() when it was made */
};

struct os_condition {
    pthread_cond_t condition;
    uint64_t forks;
};

struct os_thread {
    pthread_t thread;
    uint64_t forks;
    void (*run)(void *context);
    void *context;
};

static pthread_mutex_t process_mutex = PTHREAD_MUTEX_INITIALIZER;

void os_process_lock(void)
{
    BASE_ASSERT(pthread_mutex_lock(&process_mutex) == 0);
}

void os_process_unlock(void)
{
    BASE_ASSERT(pthread_mutex_unlock(&process_mutex) == 0);
}

uint64_t os_fork_count;

/** Set before any fork that matters to it, and by one thread at a time. */
static void (*in_child)(void);

void os_fork_in_child(void (*run)(void))
{
    os_process_lock();
    in_child = run;
    os_process_unlock();
}

static bool (*is_quiet)(void);
static void (*resume_parent)(void);

_Atomic uint64_t os_fork_waits_from;

static void wait_a_moment(void)
{
    const struct timespec moment = {0, 50000};
    (void)nanosleep(&moment, NULL);
}

void os_fork_give_way(void)
{
    /** The last wait that this thread gave way to, and in which of its periods. */
    static _Thread_local struct {
        uint64_t from;
        uint64_t period;
    } given __attribute__((tls_model("initial-exec")));
    uint64_t from = atomic_load_explicit(&os_fork_waits_from, memory_order_relaxed);
    uint64_t now = os_clock_ns();
    uint64_t period = (now - from) / OS_FORK_PERIOD_NS;
    if (given.from == from && given.period == period) {
        return;
    }
    given.from = from;
    given.period = period;
    for (uint64_t until = now + OS_FORK_PAUSE_NS; now < until && os_fork_waits(); now = os_clock_ns()) {
        wait_a_moment();
    }
}

static void wait_for_quiet(void)
{
    os_process_lock();
    const uint64_t from = os_clock_ns();
    while (!is_quiet()) {
        /* Given up meanwhile, lest a thread that keeps the others from being quiet waits for it. */
        os_process_unlock();
        atomic_store_explicit(&os_fork_waits_from, from, memory_order_relaxed);
        wait_a_moment();
        os_process_lock();
    }
    atomic_store_explicit(&os_fork_waits_from, 0, memory_order_relaxed);
}

static void resume_after_fork(void)
{
    resume_parent();
    os_process_unlock();
}

/** In a child only the thread that forked goes on; so whatever it will need is to be its own at the fork. */
static void count_fork(void)
{
    os_fork_count++;
    atomic_store_explicit(&os_fork_waits_from, 0, memory_order_relaxed); /* of a thread that isn't here, perhaps */
    if (in_child != NULL) { /* unreached: who watches forks has set it before */
        in_child();
    }
    os_process_unlock();
}

int os_fork_watch(bool (*quiet)(void), void (*resume)(void), struct alex_error *error)
{
    static bool watching;
    os_process_lock();
    is_quiet = quiet;
    resume_parent = resume;
    int failed = watching ? 0 : os_calls.atfork(wait_for_quiet, resume_after_fork, count_fork);
    watching = failed == 0;
    os_process_unlock();
    return failed == 0 ? ALEX_OK : os_fail(error, failed, NULL, "prepare for forks");
}

int os_mutex_create(struct os_mutex **out_mutex)
{
    struct os_mutex *mutex = base_alloc(sizeof *mutex);
    if (mutex == NULL) {
        return ALEX_NO_MEMORY;
    }
    if (os_calls.mutex_init(&mutex->mutex) != 0) {
        base_free(mutex);
        return ALEX_NO_MEMORY;
    }
    mutex->forks = os_forks();
    *out_mutex = mutex;
    return ALEX_OK;
}

void os_mutex_destroy(struct os_mutex *mutex)
{
    if (mutex != NULL && mutex->forks == os_forks()) {
        (void)pthread_mutex_destroy(&mutex->mutex);
    }
    base_free(mutex);
}

void os_mutex_lock(struct os_mutex *mutex)
{
    BASE_ASSERT(pthread_mutex_lock(&mutex->mutex) == 0);
}

bool os_mutex_try_lock(struct os_mutex *mutex)
{
    int result = pthread_mutex_trylock(&mutex->mutex);
    BASE_ASSERT(result == 0 || result == EBUSY);
    return result == 0;
}

void os_mutex_unlock(struct os_mutex *mutex)
{
    BASE_ASSERT(pthread_mutex_unlock(&mutex->mutex) == 0);
}

int os_condition_create(struct os_condition **out_condition)
{
    struct os_condition *condition = base_alloc(sizeof *condition);
    if (condition == NULL) {
        return ALEX_NO_MEMORY;
    }
    if (os_calls.condition_init(&condition->condition) != 0) {
        base_free(condition);
        return ALEX_NO_MEMORY;
    }
    condition->forks = os_forks();
    *out_condition = condition;
    return ALEX_OK;
}

void os_condition_destroy(struct os_condition *condition)
{
    if (condition != NULL && condition->forks == os_forks()) {
        (void)pthread_cond_destroy(&condition->condition); /* which waits for those who wait */
    }
    base_free(condition);
}

void os_condition_wait(struct os_condition *condition, struct os_mutex *mutex)
{
    BASE_ASSERT(pthread_cond_wait(&condition->condition, &mutex->mutex) == 0);
}

uint64_t os_clock_ns(void)
{
    struct timespec now;
    BASE_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

bool os_condition_wait_until(struct os_condition *condition, struct os_mutex *mutex, uint64_t until_ns)
{
    struct timespec time = {.tv_sec = (time_t)(until_ns / NS_PER_S), .tv_nsec = (long)(until_ns % NS_PER_S)};
    int result = pthread_cond_timedwait(&condition->condition, &mutex->mutex, &time);
    BASE_ASSERT(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

void os_condition_wake_all(struct os_condition *condition)
{
    BASE_ASSERT(pthread_cond_broadcast(&condition->condition) == 0);
}

static void *thread_main(void *context)
{
    struct os_thread *thread = context;
    thread->run(thread->context);
    return NULL;
}

int os_thread_start(void (*run)(void *context), void *context, struct os_thread **out_thread, struct alex_error *error)
{
    struct os_thread *thread = base_alloc(sizeof *thread);
    if (thread == NULL) {
        return os_fail(error, ENOMEM, NULL, "start a thread");
    }
    thread->forks = os_forks();
    thread->run = run;
    thread->context = context;
    /* A signal meant for the embedding program must not end up in a thread that it doesn't know. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = os_calls.thread_create(thread_main, thread, &thread->thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        base_free(thread);
        return os_fail(error, result, NULL, "start a thread");
    }
    *out_thread = thread;
    return ALEX_OK;
}

void os_thread_join(struct os_thread *thread)
{
    if (thread != NULL && thread->forks == os_forks()) {
        BASE_ASSERT(pthread_join(thread->thread, NULL) == 0);
    }
    base_free(thread);
}

/** What a thread does when it ends. */
static _Thread_local struct {
    void (*run)(void *context);
    void *context;
} at_exit;

static pthread_key_t at_exit_key;
static bool at_exit_possible;
static pthread_once_t at_exit_once = PTHREAD_ONCE_INIT;

static void run_at_exit(void *value)
{
    (void)value;
    at_exit.run(at_exit.context);
}

static void make_at_exit_key(void)
{
    at_exit_possible = pthread_key_create(&at_exit_key, run_at_exit) == 0;
}

bool os_thread_at_exit(void (*run)(void *context), void *context)
{
    (void)pthread_once(&at_exit_once, make_at_exit_key);
    at_exit.run = run;
    at_exit.context = context;
    return at_exit_possible && pthread_setspecific(at_exit_key, &at_exit) == 0; /* unreached: no memory for the key */
}

bool os_fence_threads_prepare(void)
{
    return os_calls.membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

bool os_fence_threads(void)
{
    if (os_calls.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {
        return true;
    }
    /* A process that was restored from an image may have to prepare again. */
    /* unreached: such a one */
    return os_fence_threads_prepare() && os_calls.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

void os_thread_pause(uint32_t tries)
{
    /* As long as a change of a node's slots lasts, if its writer is running. */
    if (tries < 64) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    } else if (tries < 1024) {
        (void)sched_yield();
    } else {
        wait_a_moment(); /* A writer of lower priority may not get a processor that is only offered. */
    }
}

int os_random(void *buffer, size_t size, struct alex_error *error)
{
    char *bytes = buffer;
    while (size > 0) {
        ssize_t got = os_calls.getrandom(bytes, size, 0);
        if (got == -1 && errno != EINTR) {
            return os_fail(error, errno, NULL, "get random bytes");
        }
        if (got > 0) {
            bytes += got;
            size -= (size_t)got;
        }
    }
    return ALEX_OK;
}

int64_t os_thread_id(void)
{
    static _Thread_local int64_t id __attribute__((tls_model("initial-exec")));
    if (BASE_UNLIKELY(id == 0)) {
        id = gettid();
    }
    return id;
}

int64_t os_process_id(void)
{
    return (int64_t)getpid();
}
