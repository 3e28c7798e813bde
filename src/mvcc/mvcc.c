/* SPDX-License-Identifier: Apache-2.0 */
/** @file mvcc.c Snapshots and their slots. */
#include "mvcc/mvcc.h"

#include "os/os.h"

static uint32_t block_slots(uint32_t block)
{
    return MVCC_SLOTS_FIRST << block;
}

static int add_block(struct mvcc *mvcc, uint32_t block)
{
    void *memory;
    size_t bytes = block_slots(block) * sizeof(struct mvcc_slot);
    if (os_memory_map(bytes, false, &memory) != ALEX_OK) {
        return ALEX_NO_MEMORY;
    }
    struct mvcc_slot *none = NULL;
    /* unreached: two threads that need the same new block at one moment, which no test can force */
    if (!atomic_compare_exchange_strong(&mvcc->blocks[block], &none, memory)) {
        os_memory_unmap(memory, bytes); /* another thread was first */
    }
    return ALEX_OK;
}

int mvcc_init(struct mvcc *mvcc)
{
    return add_block(mvcc, 0);
}

void mvcc_release(struct mvcc *mvcc)
{
    for (uint32_t i = 0; i < MVCC_BLOCKS_MAX; i++) {
        struct mvcc_slot *block = atomic_load(&mvcc->blocks[i]);
        if (block != NULL) {
            for (uint32_t j = 0; j < block_slots(i); j++) {
                base_free(block[j].kept);
            }
            os_memory_unmap(block, block_slots(i) * sizeof *block);
        }
    }
}

/** Takes a free slot and announces in it that a snapshot is about to see `number` or a later one. Threads begin at
 *  different places, to stay out of each other's way. @param slots  a power of two
 *  @return NULL if all slots are in use */
static struct mvcc_slot *take_slot(struct mvcc_slot *block, uint32_t slots, _Atomic uint32_t *used, uint64_t number)
{
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t mine __attribute__((tls_model("initial-exec")));
    if (mine == 0) {
        mine = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    }
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t at = (mine - 1 + i) & (slots - 1);
        struct mvcc_slot *slot = &block[at];
        uint64_t free_number = 0;
        /* unreached: two threads that are after the same slot at one moment, and raise the mark at one */
        if (atomic_load_explicit(&slot->number, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&slot->number, &free_number, (number + 1) | MVCC_SETTLING)) {
            /* Not relaxed: one that another thread has raised must be up before settle() loads what is published. */
            uint32_t before = atomic_load(used);
            /* unreached: as above */
            while (before <= at && !atomic_compare_exchange_weak(used, &before, at + 1)) {
            }
            return slot;
        }
    }
    return NULL;
}

/** Settles on a number for a snapshot that is announced, with a sequentially consistent exchange. What was published
 *  when it was announced may have been passed over by a writer that looked just before; what is published after the
 *  exchange can't have been. */
static void settle(const struct mvcc *mvcc, struct mvcc_snapshot *snapshot)
{
    BASE_INTERRUPTIBLE();
    snapshot->number = atomic_load(&mvcc->published);
    BASE_INTERRUPTIBLE();
    atomic_store_explicit(&snapshot->slot->thread, os_thread_id(), memory_order_relaxed);
    /* Release suffices: a writer that still sees the announcement takes the snapshot for older than it is, or waits. */
    atomic_store_explicit(&snapshot->slot->number, snapshot->number + 1, memory_order_release);
}

int mvcc_open(struct mvcc *mvcc, struct mvcc_snapshot *out_snapshot)
{
    uint64_t number = mvcc_published(mvcc);
    BASE_INTERRUPTIBLE();
    struct mvcc_slot *slot = NULL;
    /* unreached: an end of the blocks, for it takes four million open snapshots */
    for (uint32_t i = 0; i < MVCC_BLOCKS_MAX && slot == NULL; i++) {
        struct mvcc_slot *block = atomic_load_explicit(&mvcc->blocks[i], memory_order_acquire);
        if (block == NULL) {
            if (add_block(mvcc, i) != ALEX_OK) {
                return ALEX_NO_MEMORY;
            }
            block = atomic_load_explicit(&mvcc->blocks[i], memory_order_acquire);
        }
        slot = take_slot(block, block_slots(i), &mvcc->used[i], number);
    }
    if (slot == NULL) { /* unreached: as above */
        return ALEX_NO_MEMORY;
    }
    out_snapshot->slot = slot;
    settle(mvcc, out_snapshot);
    return ALEX_OK;
}

void mvcc_renew(struct mvcc *mvcc, struct mvcc_snapshot *snapshot)
{
    (void)atomic_exchange(&snapshot->slot->number, (snapshot->number + 1) | MVCC_SETTLING);
    settle(mvcc, snapshot);
}

void mvcc_close(struct mvcc_snapshot *snapshot)
{
    atomic_store_explicit(&snapshot->slot->thread, 0, memory_order_relaxed); /* until another has settled there */
    (void)atomic_exchange(&snapshot->slot->number, 0);
}

/** Calls `visit` with each slot that is taken, and its number as it stands there. */
static inline void visit_slots(const struct mvcc *mvcc,
                               void (*visit)(void *context, const struct mvcc_slot *slot, uint64_t number),
                               void *context)
{
    /* unreached: an end of the blocks, as above */
    for (uint32_t i = 0; i < MVCC_BLOCKS_MAX; i++) {
        /* In this order: a block is there before any of its slots is taken. */
        uint32_t used = atomic_load_explicit(&mvcc->used[i], memory_order_acquire);
        const struct mvcc_slot *block = atomic_load_explicit(&mvcc->blocks[i], memory_order_acquire);
        if (block == NULL) {
            break;
        }
        for (uint32_t j = 0; j < used; j++) {
            uint64_t number = atomic_load_explicit(&block[j].number, memory_order_acquire);
            if (number != 0) {
                visit(context, &block[j], number);
            }
        }
    }
}

static inline void add_open(void *context, const struct mvcc_slot *slot, uint64_t number)
{
    struct mvcc_open_snapshots *open = context;
    uint64_t sees = (number & ~MVCC_SETTLING) - 1;
    int64_t thread = atomic_load_explicit(&slot->thread, memory_order_relaxed);
    if (open->count == 0 || sees < open->oldest) {
        open->oldest = sees;
        open->oldest_thread = thread;
    }
    open->count++;
    open->own += thread == os_thread_id();
}

void mvcc_look(const struct mvcc *mvcc, struct mvcc_open_snapshots *out_open)
{
    *out_open = (struct mvcc_open_snapshots){.oldest = mvcc_published(mvcc)};
    atomic_thread_fence(memory_order_seq_cst);
    BASE_INTERRUPTIBLE();
    uint64_t published = out_open->oldest;
    visit_slots(mvcc, add_open, out_open);
    out_open->oldest = out_open->oldest < published ? out_open->oldest : published;
}

uint64_t mvcc_oldest(const struct mvcc *mvcc)
{
    struct mvcc_open_snapshots open;
    mvcc_look(mvcc, &open);
    return open.oldest;
}

/** What mvcc_newest_below() looks for. */
struct below {
    uint64_t number;
    enum mvcc_below found;
    uint64_t newest;
};

static inline void add_below(void *context, const struct mvcc_slot *slot, uint64_t number)
{
    struct below *below = context;
    (void)slot;
    if ((number & MVCC_SETTLING) != 0) {
        below->found = MVCC_BELOW_UNKNOWN;
    } else if (below->found != MVCC_BELOW_UNKNOWN && number - 1 < below->number && number - 1 >= below->newest) {
        below->found = MVCC_BELOW_OPEN;
        below->newest = number - 1;
    }
}

enum mvcc_below mvcc_newest_below(const struct mvcc *mvcc, uint64_t number, uint64_t *out_newest)
{
    if (mvcc_published(mvcc) < number) {
        return MVCC_BELOW_UNKNOWN;
    }
    struct below below = {.number = number, .found = MVCC_BELOW_NONE};
    atomic_thread_fence(memory_order_seq_cst);
    BASE_INTERRUPTIBLE();
    visit_slots(mvcc, add_below, &below);
    *out_newest = below.newest;
    return below.found;
}
