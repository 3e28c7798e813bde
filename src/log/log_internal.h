/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file log_internal.h
 * The state of a log.
 *
 * Invariants:
 *  L1  Segments ascend in file id; the tail is the last one that has records; at most one, prepared, follows it.
 *  L2  A slot's base, segment, seed and run are set before any reference into it exists, and never change while one
 *      can.
 *  L3  Only [writable_from, allocated) of the tail and of the prepared segment can be written; nothing else is mapped
 *      writable, and nothing of a staged one.
 *  L4  end + TAIL_RESERVE_BYTES <= allocated for the tail behind a record, unless `untouched`: what ends its group, a
 *      MARK and a SEAL always fit.
 *  L5  The tail's file has disk space for [0, allocated), so that no store into it can fail.
 *  L6  `end` and the numbers are changed by the appending thread only; `allocated` grows under `lock` only, but for an
 *      unallocated tail's, which the appending thread moves, and sinks to `end` when a sealed segment is synced.
 *  L7  Of a staged tail [written, end) is in the stage and not in the file: nothing that is published refers to it.
 *  L8  One thread at a time syncs, the one that has set `syncing`. `durable` and `sync_from` change under `lock`, and
 *      while the log is in use a file is closed only there and then.
 *  L9  A sealed segment before the file of `durable` ends with its SEAL, or zero bytes follow.
 */
#ifndef LOG_INTERNAL_H
#define LOG_INTERNAL_H

#include <stdatomic.h>

#include "log/log.h"
#include "os/os.h"

/** What is kept free behind every record: a MARK (40), two ABORTs (48 each, of what was rolled back, and of the whole
 *  group), a COMMIT (64) and a SEAL (32), rounded up. */
#define TAIL_RESERVE_BYTES 256

/** Allocated space that only deletes and drops may use, so that they succeed on a full disk: two hundred of 40 bytes,
 *  each with a MARK (40). A close gives the rest of it back before it writes the manifest. */
#define SPARE_BYTES ((uint64_t)16 << 10)

/** Segments that wait for a sync, each with its file open, before one is made that nobody has asked for. */
#define UNSYNCED_SEGMENTS_MAX 32

#define GROWTH_MIN_BYTES ((uint64_t)64 << 10)
#define GROWTH_MAX_BYTES ((uint64_t)16 << 20)
#define PAGE_BYTES ((uint64_t)4096)

/** Between what readers look at and what writes change: processors fetch lines in pairs. */
#define APART_BYTES 128

/** One piece of address space of the segment size. Readers use these four fields and nothing else of the log. */
struct log_slot {
    uint8_t *base; /**< NULL: not in use */
    struct log_segment *segment;
    uint32_t seed; /**< record_seed() of the file */
    uint32_t run;  /**< slots of the same segment before this one */
};

struct log_segment {
    uint64_t file_id;
    uint8_t *base;
    uint32_t first_slot;
    uint32_t slots;
    uint32_t seed;
    int fd;            /**< -1: closed, as nothing is to be written or synced */
    uint64_t capacity; /**< slots << segment_shift */
    _Atomic uint64_t
        allocated;           /**< bytes that may be read: the file's length, or less. Each read looks at it, so it is */
    char apart[APART_BYTES]; /**< not beside what writes change */
    uint64_t writable_from;
    _Atomic uint64_t end; /**< bytes written, header included */
    uint64_t live_bytes;
    bool sealed;
    _Atomic uint64_t written; /**< of a staged segment: up to where the file has what was appended */
    bool staged;              /**< records are built in the log's stage and written by pwrite() */
    bool allocates;           /**< the file system has allocated space ahead for it */
    bool unallocated;         /**< with `staged`: the file system can't allocate ahead, each write brings its space */
    char apart_behind[APART_BYTES];
};

/** Reserved address space, from which slots are given out. */
struct log_region {
    uint8_t *address;
    uint64_t bytes;
    uint32_t first_slot;
    uint32_t slots;
    uint32_t used;
};

#define LOG_REGIONS_MAX 64

struct log_space {
    struct log_slot *slots; /**< LOG_SLOTS_MAX of them, brought in by the system as they are touched */
    uint32_t segment_shift;
    uint32_t slot_count;           /**< slots in all regions */
    _Atomic uint32_t region_count; /**< read by the handler of a signal */
    struct log_region regions[LOG_REGIONS_MAX];
};

struct log {
    struct log_config config;
    uint64_t forks;     /**< os_forks() when it was made: another number in a forked child */
    int64_t process_id; /**< that made it */
    struct log_space space;

    struct log_segment **segments; /**< ascending; the prepared one is not among them */
    size_t segment_count;
    size_t segment_capacity;
    struct log_segment *tail; /**< NULL before log_start() */
    uint64_t tail_allocated;  /**< the tail's `allocated`, as the appending thread last saw it */
    uint64_t tail_limit;      /**< how much of that records may take that must leave the spare space alone */
    uint64_t wake_at;         /**< when the tail's end passes this, the next preparation is due */
    bool closed;              /**< opened read-only, and closed cleanly before */
    bool untouched;           /**< closed cleanly before and not written to since: the manifest still says so */

    _Atomic uint64_t last_number;
    struct log_position durable;
    _Atomic bool mark_due; /**< the next append begins with a MARK of `durable` */
    size_t sync_from;      /**< segments before this index are durable */
    bool finished;         /**< log_finish() has made all of it durable */
    _Atomic int failed;    /**< the code of the failed write or sync after which nothing is written; ALEX_OK */
    uint8_t *stage;        /**< where records are built if the tail is staged: what its file has from `stage_from` on */
    uint64_t stage_bytes;
    uint64_t stage_from;

    /* Preparation: guarded by `lock`, except that the thread that has set `preparing` works without it. */
    struct os_mutex *lock;
    struct os_condition *changed; /**< `syncing` or `preparing` has ended */
    struct os_condition *work;    /**< what the log's own threads wait for: `work_due`, `stop` */
    struct os_thread *thread;
    struct os_thread *sync_thread; /**< with config.sync_interval_ms */
    bool syncing;
    bool stop;
    bool work_due;
    bool preparing;           /**< a segment is being made, by either thread */
    struct log_segment *next; /**< the prepared segment */
    bool list_stale;          /**< listing failed: the manifest may lack `next` */
    uint64_t next_file_id;
};

/** Whether a parent of this process made the log: its lock and threads are not to be relied on, its files not to be
 *  changed. */
static inline bool log_forked(const struct log *log)
{
    return BASE_UNLIKELY(log->forks != os_forks());
}

/** Says why a log takes no writes. @return ALEX_READ_ONLY */
int log_refuse(const struct log *log, struct alex_error *error);

/** What log_writable() says. Relaxed: who sees a failure late appends a record more, which nothing calls durable, as
 *  whoever syncs asks with the lock. */
static inline int log_check(const struct log *log, struct alex_error *error)
{
    int failed = atomic_load_explicit(&log->failed, memory_order_relaxed);
    return BASE_LIKELY(!log_forked(log) && failed == ALEX_OK) ? ALEX_OK : log_refuse(log, error);
}

/** Up to where a segment's file has what was appended (L7). */
static inline uint64_t segment_written_end(const struct log *log, const struct log_segment *segment)
{
    bool in_stage = segment == log->tail && segment->staged;
    return atomic_load_explicit(in_stage ? &segment->written : &segment->end, memory_order_acquire);
}

/* space.c */
int space_init(struct log_space *space, uint32_t segment_shift);
void space_release(struct log_space *space);
/** Takes `slots` slots in a row. @return ALEX_OK or ALEX_NO_MEMORY */
int space_take(struct log_space *space, uint32_t slots, uint32_t *out_first_slot, uint8_t **out_base);

/** Takes slots back that no reference into was ever made, if they are the last taken of their region. */
void space_give_back(struct log_space *space, uint32_t first_slot, uint32_t slots);

/* segment.c */
/** Maps a segment's file, which is closed again; with `slots` 0 however damaged it is. */
int segment_attach(struct log *log, uint64_t file_id, uint32_t slots, struct log_segment **out_segment,
                   enum log_attach_state *out_state, struct alex_error *error);
/** Makes a segment, with disk space for at least `room` bytes behind its header. */
int segment_create(struct log *log, uint64_t file_id, uint32_t slots, uint64_t room, uint64_t first_number,
                   struct log_segment **out_segment, struct alex_error *error);
/** Opens the file of an attached segment, to write to it and sync it. */
int segment_open(const struct log *log, struct log_segment *segment, struct alex_error *error);
/** Closes it, once nothing is left to be written to it or synced. It stays mapped. */
void segment_close(struct log_segment *segment);
/** Ends the open file of a sealed segment behind its SEAL; the sync that follows makes that durable. Called by the
 *  thread that syncs. */
void segment_trim(const struct log *log, struct log_segment *segment);
/** Unmaps and frees a segment that no reference leads into. */
void segment_destroy(struct log *log, struct log_segment *segment);
/** Grows the file so that [0, bytes) can be written, by a whole step if the disk has it. */
int segment_make_room(struct log *log, struct log_segment *segment, uint64_t bytes, struct alex_error *error);
/** Grows the file to `bytes`, a multiple of the page size. */
int segment_grow(struct log *log, struct log_segment *segment, uint64_t bytes, struct alex_error *error);
/** How far a segment should reach if it is to hold `bytes`: a growth step beyond, within its capacity. */
uint64_t segment_target(const struct log *log, const struct log_segment *segment, uint64_t bytes);
/** Makes a writable, mapped segment read-only before `offset`, as far as whole pages go. */
void segment_protect(struct log *log, struct log_segment *segment, uint64_t offset);
/** Makes room in `log->segments` for one more. */
int log_reserve_listing(struct log *log);
/** Adds a segment behind all others; there is room. */
void log_add_segment(struct log *log, struct log_segment *segment);

/* prepare.c */
/** Makes sure that the tail can take `bytes` more, TAIL_RESERVE_BYTES and any SPARE_BYTES included: grows it, or goes
 *  on in the next segment. */
int prepare_room(struct log *log, uint64_t bytes, struct alex_error *error);
/** Tells the log's thread that the tail's end has passed `wake_at`. */
void prepare_ahead(struct log *log);
/** Ends the log's threads. */
void prepare_stop(struct log *log);
/** Makes a segment with room for `bytes` behind its header, in as many slots as that takes. Its file's number is used
 *  up when it becomes one of the log's. */
int prepare_segment(struct log *log, uint64_t bytes, struct log_segment **out_segment, struct alex_error *error);
/** Adopts what has been allocated for the tail. */
void prepare_adopt(struct log *log);

/* append.c */
/** Appends a record of the log itself into the reserve of the tail. */
int append_own(struct log *log, struct record *record, const void *value, struct alex_error *error);
int append_seal(struct log *log, uint64_t next_file_id, struct alex_error *error);
/** Writes what is staged to the tail's file. After a failure the log takes no more writes. */
int append_write_stage(struct log *log, struct alex_error *error);

/** Frees a stage that a large record has made larger than others need. Nothing is in it, and nothing claimed. */
void append_trim_stage(struct log *log);

/* sync.c */
/** Makes durable what the files have now. Called with the lock; gives it up meanwhile. After a failure the log takes no
 *  more writes. */
int sync_files(struct log *log, struct alex_error *error);
/** Starts the thread that syncs every config.sync_interval_ms, if that is asked for. */
int sync_start(struct log *log, struct alex_error *error);

#endif /* LOG_INTERNAL_H */
