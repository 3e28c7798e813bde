/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file epoch.h
 * Safe reclamation: when nobody can hold any more what a writer has taken out of a structure that is read without
 * locks.
 *
 * A thread reads within sections, between epoch_enter() and epoch_leave(). A section is short: one call, never a
 * transaction. A writer that has taken something out asks for a ticket, and ends the thing once epoch_over() says that
 * every section has ended that had begun before.
 *
 * For the whole process, so that a thread needs one place to announce its sections in, however many stores it uses.
 */
#ifndef MVCC_EPOCH_H
#define MVCC_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

/** Where a thread announces its sections. Two lines, as processors fetch lines in pairs. */
struct epoch_slot {
    _Alignas(128) _Atomic uint64_t epoch; /**< the one that its section began in; 0: it is in none */
    atomic_bool taken;
};

/** The calling thread's, NULL before its first section. */
extern _Thread_local struct epoch_slot *epoch_mine __attribute__((tls_model("initial-exec")));

/** Counts tickets, from 1. Written by writers only. */
extern _Atomic uint64_t epoch_now;

/** Whether sections go without a fence of their own, as epoch_ticket() has all threads make one. Set by
 *  epoch_prepare(), in a forked child also before its fork returns. */
extern atomic_bool epoch_light;

/** Decides once for the process who fences, and watches for forks. To be called before a section is begun beside which
 *  tickets are taken; takes milliseconds the first time, where there are several threads. */
void epoch_prepare(void);

/** Gives the calling thread its place. Never NULL: those for whom there is none share one. */
struct epoch_slot *epoch_register(void);

/** The one that is shared: its `epoch` counts the sections that are open in it. */
extern struct epoch_slot epoch_shared;

/** Begins a section. Sections don't nest. */
static inline void epoch_enter(void)
{
    struct epoch_slot *slot = epoch_mine;
    if (BASE_UNLIKELY(slot == NULL)) {
        slot = epoch_register();
    }
    if (BASE_UNLIKELY(slot == &epoch_shared)) {
        (void)atomic_fetch_add_explicit(&slot->epoch, 1, memory_order_relaxed);
    } else {
        BASE_DEBUG_ASSERT(atomic_load_explicit(&slot->epoch, memory_order_relaxed) == 0);
        uint64_t now = atomic_load_explicit(&epoch_now, memory_order_acquire);
        BASE_INTERRUPTIBLE();
        atomic_store_explicit(&slot->epoch, now, memory_order_release);
    }
    /* With the one in epoch_ticket(): either the writer sees this section, or the section what the writer did. */
    if (BASE_LIKELY(atomic_load_explicit(&epoch_light, memory_order_relaxed))) {
        atomic_signal_fence(memory_order_seq_cst); /* keeps the compiler's order; the ticket sees to the processor's */
    } else {
        atomic_thread_fence(memory_order_seq_cst);
    }
}

/** Ends it. */
static inline void epoch_leave(void)
{
    struct epoch_slot *slot = epoch_mine;
    if (BASE_UNLIKELY(slot == &epoch_shared)) {
        (void)atomic_fetch_sub_explicit(&slot->epoch, 1, memory_order_release);
    } else {
        atomic_store_explicit(&slot->epoch, 0, memory_order_release);
    }
}

/** Whether every other thread that will ever read has yet to take its place; then a ticket is cheap. */
bool epoch_alone(void);
/** A ticket for the sections that are open now. Any thread. Cost: where sections are light, os_fence_threads(), unless
 *  epoch_alone().
 *  @return 0: the threads can't be made to fence now, and what was taken out stays until a later call has a ticket */
uint64_t epoch_ticket(void);
/** Whether all of them have ended. Cost: a line for each thread that has ever read at the same time. */
bool epoch_over(uint64_t ticket);

#endif /* MVCC_EPOCH_H */
