/* SPDX-License-Identifier: Apache-2.0 */
/** @file guard.c Reads of the log's mapped files that fail, as errors with file and offset. */
#include "log/log_internal.h"

/** The region of reserved address space that an address lies in, or NULL. */
static const struct log_region *find_region(const struct log_space *space, const void *address)
{
    uint32_t count = atomic_load_explicit(&space->region_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        const struct log_region *region = &space->regions[i];
        if ((uintptr_t)address - (uintptr_t)region->address < region->bytes) {
            return region;
        }
    }
    return NULL;
}

/** Called by the handler of a signal. */
static bool covers(const void *context, const void *address)
{
    return find_region(context, address) != NULL;
}

/** The error for an address that could not be read. */
static int unreadable(const struct log *log, const void *address, struct alex_error *error)
{
    const struct log_region *region = find_region(&log->space, address);
    BASE_ASSERT(region != NULL);
    uint64_t in_region = (uint64_t)((uintptr_t)address - (uintptr_t)region->address);
    const struct log_slot *slot = &log->space.slots[region->first_slot + (in_region >> log->config.segment_shift)];
    BASE_ASSERT(slot->segment != NULL); /* only a mapped file fails that way */
    char path[512];
    log_path(log, slot->segment->file_id, path, sizeof path);
    uint64_t in_slot = in_region & (((uint64_t)1 << log->config.segment_shift) - 1);
    return base_fail_at(error, ALEX_IO, path, ((uint64_t)slot->run << log->config.segment_shift) + in_slot,
                        "the file can't be read here: the disk may be failing, or something else has cut the file "
                        "short");
}

int log_guarded(const struct log *log, void (*run)(void *context), void *context, struct alex_error *error)
{
    if (!log->config.catch_faults) {
        run(context);
        return ALEX_OK;
    }
    struct os_guarded_space space = {covers, &log->space};
    const void *address;
    return os_guarded(&space, run, context, &address) ? ALEX_OK : unreadable(log, address, error);
}
