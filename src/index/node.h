/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file node.h
 * A node of the learned index: its layout, and what may be done to its slots in place.
 *
 * A node is an array of blocks of 8 slots, sorted, with gaps. Its model names the block where a key should be; a search
 * starts there and is right whatever the model is worth.
 *
 * Invariants (index_node_verify() checks them and names them by number):
 *
 *  N1  The keys of all slots, gaps included, never descend from slot to slot.
 *  N2  A block's entries are packed to its left; its gaps follow.
 *  N3  A gap's key, the separator, is greater than the key of every entry before it and at most that of every entry
 *      behind it; so entries' keys are distinct. Only UINT64_MAX, where it is an entry, may be the key of gaps behind
 *      it too.
 *  N4  An entry with key UINT64_MAX lies in the last block.
 *  N5  `count` is the number of entries, and at most `count_max`, which is at most the number of slots.
 *  N6  In a data node (level 0) a gap's payload is 0 and an entry's isn't.
 *  N7  In an inner node an entry's payload is the address of a child, and a gap's payload is that of the entry before
 *      it with INDEX_NODE_GAP set. The first entry is in the first slot.
 *  N8  `least` and `greatest` enclose the entries' keys.
 *  N9  While no call is changing it, the version of a node of the tree is even and without the obsolete mark.
 *  N10 A data node has at most INDEX_DATA_BLOCKS_MAX blocks, an inner node at most INDEX_INNER_BLOCKS_MAX.
 *
 * From N1 to N4: only the last block whose first key is at most k can hold k; and a block whose first key is at most k
 * and whose last key is greater is that block, so that one line of keys decides.
 *
 * Who may read what when: README.md.
 */
#ifndef INDEX_NODE_H
#define INDEX_NODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "index/index.h"
#include "index/model.h"

/** Slots of a block: as many keys as a cache line holds. */
#define INDEX_BLOCK_SLOTS 8u

/** Blocks of the greatest data node: with its header 128 KB. Bounds, with the next one, what a put moves. */
#define INDEX_DATA_BLOCKS_MAX 1023u

/** Blocks of the greatest inner node: with its header 64 KB. */
#define INDEX_INNER_BLOCKS_MAX 511u

/** Farthest gap that an insert into a full block uses, in blocks: bounds what an insert shifts. */
#define INDEX_SPILL_BLOCKS_MAX 8u

/** Bytes of a slot. */
#define INDEX_SLOT_BYTES 16u

/** In an inner node, marks the copy of a child's address that a gap holds. Nodes are aligned, so the bit is free. */
#define INDEX_NODE_GAP UINT64_C(1)

/** Bits of a version: set while slots change; set for good once the node is replaced. The rest counts the changes. */
#define INDEX_VERSION_WRITING UINT64_C(1)
#define INDEX_VERSION_OBSOLETE UINT64_C(2)
#define INDEX_VERSION_STEP UINT64_C(4)

/** No block has a gap near enough. */
#define INDEX_NO_BLOCK UINT32_MAX

/** Eight slots: a line of keys and a line of payloads. */
struct index_block {
    _Alignas(128) _Atomic uint64_t keys[INDEX_BLOCK_SLOTS];
    _Atomic uint64_t payloads[INDEX_BLOCK_SLOTS];
};

/** A chunk of the pool's memory; see pool.c. */
struct index_chunk;

struct index_node {
    /* The line that lookups read. After the node is published only `version` changes. */
    _Alignas(128) _Atomic uint64_t version;
    struct index_model model;
    uint32_t level; /**< 0: data node; else its children's level + 1 */

    /* The writer's line. */
    _Alignas(64) _Atomic uint32_t count; /**< entries */
    uint32_t count_max;                  /**< entries at which room is made by rebuilding */
    uint32_t count_built;                /**< entries when it was built */
    uint32_t inserted;                   /**< entries inserted since, as are the next three */
    uint32_t appended;                   /**< those of them beyond `greatest` */
    uint32_t prepended;                  /**< those of them before `least` */
    uint32_t removed;
    uint32_t growth; /**< enum index_growth it was built for */
    _Atomic uint64_t least;
    _Atomic uint64_t greatest;
    struct index_chunk *chunk;       /**< where its memory is from */
    struct index_node *next_retired; /**< once it is replaced */

    struct index_block blocks[];
};

_Static_assert(sizeof(struct index_node) == 128, "a node's header is two lines");
_Static_assert(sizeof(struct index_block) == 128, "a block is two lines");

/** Where a new key goes: before the entry in this slot of this block. The slot may be the one behind a full block's
 * last. */
struct index_place {
    uint32_t block;
    uint32_t slot;
};

/** A sorted run of entries, keys and payloads apart. */
struct index_run {
    const uint64_t *keys;
    const uint64_t *payloads;
    uint32_t count;
};

static inline uint64_t index_block_key(const struct index_block *block, uint32_t slot)
{
    return atomic_load_explicit(&block->keys[slot], memory_order_acquire);
}

static inline uint64_t index_block_payload(const struct index_block *block, uint32_t slot)
{
    BASE_INTERRUPTIBLE();
    return atomic_load_explicit(&block->payloads[slot], memory_order_acquire);
}

static inline uint32_t index_node_count(const struct index_node *node)
{
    return atomic_load_explicit(&node->count, memory_order_acquire);
}

static inline uint64_t index_node_least(const struct index_node *node)
{
    return atomic_load_explicit(&node->least, memory_order_acquire);
}

static inline uint64_t index_node_greatest(const struct index_node *node)
{
    return atomic_load_explicit(&node->greatest, memory_order_acquire);
}

/** Begins a reader's look at a node's slots. @return false if they are being changed, or the node was replaced */
static inline bool index_read_begin(const struct index_node *node, uint64_t *out_version)
{
    BASE_INTERRUPTIBLE();
    *out_version = atomic_load_explicit(&node->version, memory_order_acquire);
    return (*out_version & (INDEX_VERSION_WRITING | INDEX_VERSION_OBSOLETE)) == 0;
}

/** Whether the node is still as it was at index_read_begin(): what was read in between belongs together. Slots are
 *  loaded with acquire, so that the version is loaded after them; or with SIMD, on processors that keep loads in their
 *  order, where only the compiler has to be told. */
static inline bool index_read_holds(const struct index_node *node, uint64_t version)
{
    atomic_signal_fence(memory_order_acquire);
    return atomic_load_explicit(&node->version, memory_order_relaxed) == version;
}

/** Whether `payload`, of a slot of a node of this level, marks a gap. */
static inline bool index_payload_is_gap(uint32_t level, uint64_t payload)
{
    return level == 0 ? payload == 0 : (payload & INDEX_NODE_GAP) != 0;
}

/** The child that a payload of an inner node names, be it an entry's or a gap's. */
static inline struct index_node *index_payload_child(uint64_t payload)
{
    return (struct index_node *)(uintptr_t)(payload & ~INDEX_NODE_GAP);
}

static inline uint64_t index_child_payload(const struct index_node *child)
{
    return (uint64_t)(uintptr_t)child;
}

static inline uint32_t index_node_blocks(const struct index_node *node)
{
    return node->model.last_block + 1;
}

static inline size_t index_node_bytes(uint32_t blocks)
{
    return sizeof(struct index_node) + (size_t)blocks * sizeof(struct index_block);
}

/** Whether a slot of a node's block is a gap. */
static inline bool index_slot_is_gap(const struct index_node *node, uint32_t block, uint32_t slot)
{
    return index_payload_is_gap(node->level, index_block_payload(&node->blocks[block], slot));
}

/** The number of entries in a block. By N2 three looks into the first seven slots tell, and one at the last; without
 *  branches, which nothing could predict. */
static inline uint32_t index_block_count(const struct index_node *node, uint32_t block)
{
    uint32_t count = index_slot_is_gap(node, block, 3) ? 0 : 4;
    count += index_slot_is_gap(node, block, count + 1) ? 0 : 2;
    count += index_slot_is_gap(node, block, count) ? 0 : 1;
    return count + !index_slot_is_gap(node, block, INDEX_BLOCK_SLOTS - 1);
}

/** Which inserts a node is built for. */
enum index_growth {
    INDEX_GROWTH_EVEN,    /**< anywhere */
    INDEX_GROWTH_APPEND,  /**< behind its greatest key */
    INDEX_GROWTH_PREPEND, /**< before its least key */
};

/** A node to be. */
struct index_plan {
    struct index_model model;
    uint32_t level;
    uint32_t count_max;
    enum index_growth growth;
    double cost; /**< of the model's misfit; see index_model_fit() */
};

/**
 * Writes a node that no reader can see yet: header, model and `run`'s entries, each in its predicted block as far as
 * order and room for later inserts allow. `run` must fit into `count_max` slots.
 */
void index_node_build(struct index_node *node, const struct index_plan *plan, struct index_run run);

/** Copies the entries out, ascending. @return their number */
uint32_t index_node_entries(const struct index_node *node, uint64_t *out_keys, uint64_t *out_payloads);

/** Where an absent key should go. `floor` is what the search found: the last block whose first key is at most the key,
 *  or 0, and how many of its slots' keys are at most the key. */
struct index_place index_node_place(const struct index_node *node, struct index_place floor, uint64_t key);

/** The block whose gap an insert at `place` would use: the nearest within INDEX_SPILL_BLOCKS_MAX, or INDEX_NO_BLOCK. */
uint32_t index_node_gap(const struct index_node *node, struct index_place place);

/** Inserts an entry, using the gap in `gap_block`, which index_node_gap() gave for the same place.
 *  @return slots moved */
uint32_t index_node_insert(struct index_node *node, struct index_place place, uint32_t gap_block, uint64_t key,
                           uint64_t payload);

/** Removes the entry in a slot, in an inner node not the first. */
void index_node_remove(struct index_node *node, uint32_t block, uint32_t slot);

/** Gives the entry in a slot of an inner node another child, in all its copies. */
void index_node_replace_child(struct index_node *node, uint32_t block, uint32_t slot, const struct index_node *child);

/** Lowers the key of an inner node's first entry. */
void index_node_lower_first(struct index_node *node, uint64_t key);

/** Marks a replaced node, for readers that still hold it. */
void index_node_mark_obsolete(struct index_node *node);

/** The node's first entry at or behind a slot, which it moves there; false if there is none. */
bool index_node_next_entry(const struct index_node *node, uint32_t *block, uint32_t *slot);

/** The node's entry before a slot, which it moves there; false if there is none. */
bool index_node_previous_entry(const struct index_node *node, uint32_t *block, uint32_t *slot);

/** Checks N1 to N10. @return NULL, or a sentence on the first that doesn't hold */
const char *index_node_verify(const struct index_node *node);

#endif /* INDEX_NODE_H */
