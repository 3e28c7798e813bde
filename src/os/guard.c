/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file guard.c
 * Reads of mapped files that fail: the signal SIGBUS turned into an error.
 *
 * Where the system can't bring a page of a mapped file in (an I/O error, a file cut short), it has no result to give:
 * the thread that reads gets the signal. os_guarded() notes where to go back to and what addresses it answers for; the
 * handler goes back there if the failing address is among them. All else is none of ours, and is passed on to whatever
 * handled the signal before.
 *
 * Guards nest within a thread. Going back skips what lies between, so that what runs under a guard holds no lock, owns
 * no memory that nothing else knows, and leaves nothing half-changed at the places where it reads.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

#include "os/os_internal.h"

struct guard {
    sigjmp_buf back;
    const struct os_guarded_space *space;
    const void *volatile address; /**< that failed */
    struct guard *outer;
};

/** Where the handler looks, so in memory that needs no allocation there. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct guard *volatile innermost;

/** What handled the signal before. */
static struct sigaction before;

/** Ends the process as if there were no handler: the failing instruction is run again and fails again, so that a core
 *  dump shows it. */
static void end_process(int signal, const siginfo_t *info)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    (void)sigaction(signal, &by_default, NULL);
    if (info->si_code <= 0) { /* unreached: the process ends, and so do its counters */
        (void)raise(signal);  /* sent, not met: nothing would fail again */
    }
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    if ((before.sa_flags & SA_SIGINFO) != 0) {
        before.sa_sigaction(signal, info, context);
        /* unreached: by default the process ends, and so do its counters */
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
        /* unreached: where this is so the process ends, and so do its counters */
    } else if (before.sa_handler == SIG_DFL || info->si_code > 0) {
        end_process(signal, info); /* one that was met can't be ignored */
    }
}

static void handle(int signal, siginfo_t *info, void *context)
{
    struct guard *guard = info->si_code > 0 ? innermost : NULL;
    while (guard != NULL && !guard->space->covers(guard->space->context, info->si_addr)) {
        guard = guard->outer;
    }
    if (guard == NULL) {
        pass_on(signal, info, context);
        return;
    }
    guard->address = info->si_addr;
    siglongjmp(guard->back, 1);
}

int os_guard_install(struct alex_error *error)
{
    static bool installed;
    int result = ALEX_OK;
    os_process_lock();
    if (!installed) {
        /* Not blocked while it is handled, as the handler may not return; on the thread's own stack for signals. */
        struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
        (void)sigemptyset(&action.sa_mask);
        installed = os_calls.sigaction(SIGBUS, NULL, &before) == 0 && os_calls.sigaction(SIGBUS, &action, NULL) == 0;
        result = installed ? ALEX_OK : os_fail(error, errno, NULL, "handle the signal SIGBUS");
    }
    os_process_unlock();
    return result;
}

bool os_guarded(const struct os_guarded_space *space, void (*run)(void *context), void *context,
                const void **out_address)
{
    struct guard guard = {.space = space, .outer = innermost};
    if (sigsetjmp(guard.back, 0) != 0) {
        innermost = guard.outer;
        *out_address = guard.address;
        return false;
    }
    innermost = &guard;
    /* The handler runs in this thread: only the compiler has to keep `run` between the two. */
    atomic_signal_fence(memory_order_seq_cst);
    run(context);
    atomic_signal_fence(memory_order_seq_cst);
    innermost = guard.outer;
    return true;
}
