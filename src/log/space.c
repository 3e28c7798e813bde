/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file space.c
 * Address space for segments, reserved in regions and given out in slots of the segment size.
 *
 * The first region is 1 GiB, each further one twice the last, up to 64 GiB: small stores stay small, and large ones
 * need few. Where the system refuses (ulimit -v, a sanitizer), the size is halved until it doesn't, down to what is
 * asked for. A slot that records were in is not given out again: nothing unmaps such a segment yet while the log is
 * open. What a segment took that came to nothing is given back, so that a full disk does not use up the address space.
 */
#include "log/log_internal.h"

#define REGION_FIRST_BYTES ((uint64_t)1 << 30)
#define REGION_MAX_BYTES ((uint64_t)64 << 30)

int space_init(struct log_space *space, uint32_t segment_shift)
{
    *space = (struct log_space){.segment_shift = segment_shift};
    void *slots;
    if (os_memory_map(LOG_SLOTS_MAX * sizeof *space->slots, false, &slots) != ALEX_OK) {
        return ALEX_NO_MEMORY;
    }
    space->slots = slots;
    return ALEX_OK;
}

void space_release(struct log_space *space)
{
    for (uint32_t i = 0; i < space->region_count; i++) {
        os_space_release(space->regions[i].address, space->regions[i].bytes);
    }
    if (space->slots != NULL) {
        os_memory_unmap(space->slots, LOG_SLOTS_MAX * sizeof *space->slots);
    }
    *space = (struct log_space){0};
}

/** Reserves a region of at least `slots` slots. */
static int add_region(struct log_space *space, uint32_t slots)
{
    uint64_t least = (uint64_t)slots << space->segment_shift;
    uint64_t wanted = REGION_FIRST_BYTES << (space->region_count < 6 ? space->region_count : 6);
    wanted = wanted < REGION_MAX_BYTES ? wanted : REGION_MAX_BYTES;
    wanted = wanted > least ? wanted : least;
    /* All slots must have a number and an address that a reference can hold. */
    uint32_t slots_left = LOG_SLOTS_MAX - space->slot_count;
    uint64_t slots_addressable = LOG_ADDRESS_LIMIT >> space->segment_shift;
    if (slots_addressable < LOG_SLOTS_MAX) {
        slots_left = slots_addressable > space->slot_count ? (uint32_t)slots_addressable - space->slot_count : 0;
    }
    uint64_t most = (uint64_t)slots_left << space->segment_shift;
    wanted = wanted < most ? wanted : most;
    if (space->region_count == LOG_REGIONS_MAX || wanted < least) {
        return ALEX_NO_MEMORY;
    }
    void *address;
    while (os_space_reserve(wanted, &address) != ALEX_OK) {
        if (wanted == least) {
            return ALEX_NO_MEMORY;
        }
        wanted = wanted / 2 > least ? wanted / 2 : least;
    }
    uint32_t given = (uint32_t)(wanted >> space->segment_shift);
    space->regions[space->region_count] = (struct log_region){
        .address = address,
        .bytes = wanted,
        .first_slot = space->slot_count,
        .slots = given,
    };
    space->slot_count += given;
    atomic_fetch_add_explicit(&space->region_count, 1, memory_order_release);
    return ALEX_OK;
}

int space_take(struct log_space *space, uint32_t slots, uint32_t *out_first_slot, uint8_t **out_base)
{
    struct log_region *region = NULL;
    for (uint32_t i = 0; i < space->region_count && region == NULL; i++) {
        if (space->regions[i].slots - space->regions[i].used >= slots) {
            region = &space->regions[i];
        }
    }
    if (region == NULL) {
        if (add_region(space, slots) != ALEX_OK) {
            return ALEX_NO_MEMORY;
        }
        region = &space->regions[space->region_count - 1];
    }
    *out_first_slot = region->first_slot + region->used;
    *out_base = region->address + ((uint64_t)region->used << space->segment_shift);
    region->used += slots;
    return ALEX_OK;
}

void space_give_back(struct log_space *space, uint32_t first_slot, uint32_t slots)
{
    for (uint32_t i = 0; i < space->region_count; i++) {
        struct log_region *region = &space->regions[i];
        if (first_slot >= region->first_slot && first_slot + slots == region->first_slot + region->used) {
            region->used -= slots;
        }
    }
}
