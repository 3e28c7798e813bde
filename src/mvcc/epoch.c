/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file epoch.c
 * Sections and tickets; see epoch.h.
 *
 * Why it is safe: the writer takes a thing out, then fences, then looks at the slots; a reader fills its slot, then
 * fences, then reads. By the order of the fences the writer sees the slot filled, and waits, or the reader sees the
 * thing taken out.
 *
 * A fence for each section would keep its cache misses from overlapping those of the one before. Where the system can
 * make one in all threads at once, as Linux can, the reader leaves it out, and the writer has it made after its own: in
 * each thread it then comes either after the slot is filled, which the writer sees, or before, and what that thread
 * reads afterwards shows the thing taken out. A thread that has never read fences when it takes its place: either the
 * writer sees that, or the thread sees the thing taken out. So a writer that sees no place but its own need fence only
 * for itself.
 *
 * Who has seen a ticket has seen what was taken out before it, by release and acquire. A slot may hold
 * an older epoch than the one in which its section began: that only makes a writer wait that need not. What a section
 * read comes before what a writer does that saw it ended, or saw a later one in its place: both stores are releases.
 */
#include "mvcc/epoch.h"

#include "os/os.h"

/** Threads with a place of their own at one time. */
#define SLOTS 1024u

static struct epoch_slot slots[SLOTS];
/** Slots that were ever taken are before this. */
static _Atomic uint32_t slots_used;

struct epoch_slot epoch_shared;
_Atomic uint64_t epoch_now = 1;
_Thread_local struct epoch_slot *epoch_mine;
atomic_bool epoch_light;

static void give_back(void *context)
{
    struct epoch_slot *slot = context;
    epoch_mine = NULL;
    atomic_store_explicit(&slot->taken, false, memory_order_release);
}

/** In a forked child, takes back what threads had that are only in its parent. */
static void forget_parents(void)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (&slots[i] != epoch_mine) {
            atomic_store(&slots[i].epoch, 0);
            atomic_store(&slots[i].taken, false);
        }
    }
    atomic_store(&epoch_shared.epoch, 0);
    /* unreached: a system that can't in a child what it could in the parent */
    epoch_light = epoch_light && os_fence_threads_prepare();
}

void epoch_prepare(void)
{
    static bool prepared;
    os_fork_in_child(forget_parents);
    os_process_lock();
    if (!prepared) {
        epoch_light = os_fence_threads_prepare();
        prepared = true;
    }
    os_process_unlock();
}

/** Raises the mark, unless it is there already. */
static void raise_used(uint32_t least)
{
    uint32_t used = atomic_load(&slots_used);
    /* unreached: two threads' first sections at one moment, which no test can force */
    while (used < least && !atomic_compare_exchange_weak(&slots_used, &used, least)) {
    }
}

static struct epoch_slot *take_slot(void)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        bool taken = false;
        if (atomic_compare_exchange_strong(&slots[i].taken, &taken, true)) {
            raise_used(i + 1);
            return &slots[i];
        }
    }
    return NULL;
}

struct epoch_slot *epoch_register(void)
{
    struct epoch_slot *slot = take_slot();
    if (slot != NULL && !os_thread_at_exit(give_back, slot)) {
        give_back(slot);
        slot = NULL;
    }
    if (slot == NULL) {
        raise_used(SLOTS); /* it has no place, but a writer that sees only its own would take itself for alone */
        slot = &epoch_shared;
    }
    epoch_mine = slot;
    /* With the one in epoch_ticket(): either the writer sees the mark raised, or this thread what the writer did. */
    atomic_thread_fence(memory_order_seq_cst);
    return epoch_mine;
}

bool epoch_alone(void)
{
    uint32_t used = atomic_load_explicit(&slots_used, memory_order_relaxed);
    return used == 0 || (used == 1 && epoch_mine == &slots[0]);
}

uint64_t epoch_ticket(void)
{
    uint64_t ticket = atomic_fetch_add_explicit(&epoch_now, 1, memory_order_release) + 1;
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&epoch_light, memory_order_relaxed) && !epoch_alone()) {
        if (!os_fence_threads()) {
            return 0;
        }
        atomic_signal_fence(memory_order_seq_cst); /* the slots are looked at after it */
    }
    return ticket;
}

bool epoch_over(uint64_t ticket)
{
    /* Relaxed, as the fences order it like the slots: a thread raises it before it first enters a section. */
    uint32_t used = atomic_load_explicit(&slots_used, memory_order_relaxed);
    for (uint32_t i = 0; i < used; i++) {
        uint64_t epoch = atomic_load_explicit(&slots[i].epoch, memory_order_acquire);
        if (epoch != 0 && epoch < ticket) {
            return false;
        }
    }
    return atomic_load_explicit(&epoch_shared.epoch, memory_order_acquire) == 0;
}
