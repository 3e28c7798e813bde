/* SPDX-License-Identifier: Apache-2.0 */
/** @file mvcc.c Snapshots, and the versions that they see. */
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
            os_memory_unmap(block, block_slots(i) * sizeof *block);
        }
    }
}

/** Takes a free slot and announces `number` in it. Threads begin at different places, to stay out of each other's way.
 *  @return NULL if all slots are in use */
static struct mvcc_slot *take_slot(struct mvcc_slot *block, uint32_t slots, _Atomic uint32_t *used, uint64_t number)
{
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t mine __attribute__((tls_model("initial-exec")));
    if (mine == 0) {
        mine = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    }
    for (uint32_t i = 0; i < slots; i++) {
        uint32_t at = (mine - 1 + i) % slots;
        struct mvcc_slot *slot = &block[at];
        uint64_t free_number = 0;
        /* unreached: two threads that are after the same slot at one moment, and raise the mark at one */
        if (atomic_load_explicit(&slot->number, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&slot->number, &free_number, number + 1, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            uint32_t before = atomic_load_explicit(used, memory_order_relaxed);
            /* unreached: as above */
            while (before <= at && !atomic_compare_exchange_weak(used, &before, at + 1)) {
            }
            return slot;
        }
    }
    return NULL;
}

/** Settles on a number for a snapshot that is announced. What was published when it was announced may have been passed
 *  over by a writer that looked just before; what is published after the fence can't have been. */
static void settle(const struct mvcc *mvcc, struct mvcc_snapshot *snapshot)
{
    atomic_thread_fence(memory_order_seq_cst);
    BASE_INTERRUPTIBLE();
    snapshot->number = mvcc_published(mvcc);
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
    settle(mvcc, snapshot);
}

void mvcc_close(struct mvcc_snapshot *snapshot)
{
    atomic_store_explicit(&snapshot->slot->number, 0, memory_order_release);
}

uint64_t mvcc_oldest(const struct mvcc *mvcc, uint64_t *out_count)
{
    uint64_t oldest = mvcc_published(mvcc);
    uint64_t count = 0;
    atomic_thread_fence(memory_order_seq_cst);
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
            count += number != 0;
            oldest = number != 0 && number - 1 < oldest ? number - 1 : oldest;
        }
    }
    if (out_count != NULL) {
        *out_count = count;
    }
    return oldest;
}

enum mvcc_state mvcc_visible_any(const struct log *log, uint64_t snapshot, uint32_t table, uint64_t key, uint64_t ref,
                                 struct log_value *out_value, uint64_t *out_ref)
{
    uint64_t newer_number = UINT64_MAX;
    for (;;) {
        struct record record;
        *out_ref = ref;
        enum record_state state = log_fetch(log, ref, &record);
        bool ours = state == RECORD_GOOD && record.table == table && record.key == key &&
                    record.number < newer_number && (record.kind == RECORD_PUT || record.kind == RECORD_DELETE);
        if (BASE_UNLIKELY(!ours)) {
            return MVCC_DAMAGED;
        }
        if (record.number <= snapshot) {
            if (record.kind == RECORD_DELETE) {
                return MVCC_ABSENT;
            }
            *out_value = log_value_of(&record);
            return MVCC_VALUE;
        }
        if ((record.flags & RECORD_FLAG_PREVIOUS) == 0) {
            return MVCC_ABSENT;
        }
        newer_number = record.number;
        ref = record.previous;
    }
}
