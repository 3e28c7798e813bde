/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file log.h
 * The log: records appended to segments that are mapped once and never remapped. See README.md and docs/FORMAT.md.
 *
 * One thread appends. A log may have threads of its own: one prepares file space and segments ahead of the writer, one
 * syncs at intervals.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "log/record.h"
#include "log/ref.h"

struct log;
struct log_segment;

/** Slots that a log can have: with segments of 128 MiB all of 47 bits of address space. */
#define LOG_SLOTS_MAX ((uint32_t)1 << 20)

/** A place in the log. Places compare by file id, then by offset. */
struct log_position {
    uint64_t file_id;
    uint64_t offset;
};

static inline int log_position_compare(struct log_position a, struct log_position b)
{
    if (a.file_id != b.file_id) {
        return a.file_id < b.file_id ? -1 : 1;
    }
    return (a.offset > b.offset) - (a.offset < b.offset);
}

struct log_config {
    const char *directory; /**< absolute path; must outlive the log */
    uint8_t store_id[RECORD_STORE_ID_BYTES];
    uint32_t segment_shift; /**< segments are 1 << segment_shift bytes */
    uint64_t growth_bytes;  /**< 0: 64 KiB, doubling with the log to 16 MiB */
    uint64_t next_file_id;  /**< for the next segment made */
    bool read_only;
    bool background;           /**< prepare in a thread */
    bool sync_each;            /**< log_settle() makes durable what was appended */
    uint32_t sync_interval_ms; /**< a thread makes durable what was appended, so often; 0: none does */
    bool verify;               /**< checksums on log_fetch() */
    bool catch_faults;         /**< log_guarded() guards, after os_guard_install() */
    /** Called after a segment was added and before anything is written to it: makes the list durable (log_describe()).
     *  Called from the thread that appends or the one that prepares; never two at once. */
    int (*list_changed)(void *context, struct alex_error *error);
    void *context;
};

/** Makes a log without segments. */
int log_create(const struct log_config *config, struct log **out_log, struct alex_error *error);

/** Ends a log: its threads, mappings and files. Writes nothing. May be NULL. In a forked child it ends what the child
 *  has of it. */
void log_destroy(struct log *log);

/* ------------------------------------------------------------------------------------------------ opening */

/** What log_attach() found at a listed segment. */
enum log_attach_state {
    LOG_ATTACHED,
    LOG_ATTACH_MISSING, /**< no such file */
    LOG_ATTACH_BAD,     /**< its header is not that of this segment */
    LOG_ATTACH_NEWER,   /**< a newer version wrote it */
};

/**
 * Maps a segment. File ids ascend from call to call.
 *
 * @param slots  as the manifest lists it; or 0, to look at the file with a walk however damaged it is, LOG_ATTACH_BAD
 *               then being none of the states. All of it is read first, so that what the disk can't read is an error
 *               here and no signal later
 * @return an error only for failures of the system
 */
int log_attach(struct log *log, uint64_t file_id, uint32_t slots, enum log_attach_state *out_state,
               struct alex_error *error);

/** Reads records in order, over all attached segments, before the log is started. */
struct log_reader {
    struct log *log;
    size_t segment; /**< index among the attached ones */
    uint64_t offset;
    uint64_t last_number;                   /**< of the record read last */
    struct log_position verify_values_from; /**< from this place on a record with a bad value is bad */
};

enum log_read_state {
    LOG_READ_RECORD, /**< out_record and out_ref are filled in; the reader stands behind the record */
    LOG_READ_END,    /**< no good record at the reader's place: the log's end, a crash's edge, or damage */
    LOG_READ_NEWER,  /**< a record of a newer version */
};

/** Puts the reader at the log's beginning. */
void log_reader_init(struct log_reader *reader, struct log *log);

/** Reads the next record; follows seals. A SEAL itself is handed out as well. */
enum log_read_state log_reader_next(struct log_reader *reader, struct record *out_record, uint64_t *out_ref);

/** The reader's place: where the next record is or would be. */
struct log_position log_reader_position(const struct log_reader *reader);

/** The path of the file that the reader is in, cut to `capacity` bytes with its terminating zero. */
void log_reader_path(const struct log_reader *reader, char *out_path, size_t capacity);

/** How many bytes follow the reader's place, in its segment and all later ones, up to the last that is not zero in
 *  each; 0 if nothing or only zero bytes follow. */
uint64_t log_reader_rest_bytes(const struct log_reader *reader);

/** Looks for marks behind the reader's place, at every multiple of 8. @return whether one was found; out_durable: the
 *  greatest */
bool log_reader_find_mark(const struct log_reader *reader, struct log_position *out_durable);

/** Leaves the log as it is, for reading up to the reader's place.
 *  @param closed  the manifest says that it ends there */
void log_start_read_only(struct log *log, const struct log_reader *end, bool closed, uint64_t last_number,
                         struct log_position durable);

/** What the place at which reading ended is. */
enum log_end_state {
    LOG_END_CLEAN, /**< the manifest says that the log ends here: nothing is written before the first record */
    LOG_END_OPEN,  /**< nothing follows, but the log was not closed */
    LOG_END_CUT,   /**< bytes follow that are no records */
};

/**
 * Makes the log ready to append at the reader's place, which is its end. Where it is cut, that place is sealed, what
 * follows is dropped, and appending goes on in a new segment; else it goes on right there. A log without segments gets
 * its first. Segments behind the end are no longer listed; their files are the caller's to remove.
 *
 * @param last_number  numbers go on from here
 */
int log_start(struct log *log, const struct log_reader *end, enum log_end_state state, uint64_t last_number,
              struct log_position durable, struct alex_error *error);

/* ------------------------------------------------------------------------------------------------ walking
 *
 * All of a log, what is damaged included: for check and salvage. */

struct log_walk {
    struct log *log;
    bool to_file_ends; /**< the log is not started: where it ends is not known */
    bool file_done;    /**< go on with the next file, */
    bool rest_due;     /**< once what follows the last record of this one is looked at */
    size_t segment;
    uint64_t offset;         /**< 0: the file's header is next */
    uint64_t last_number;    /**< of the record met last */
    uint64_t sealed_to;      /**< file that the last SEAL names */
    uint64_t settled_before; /**< in files with a smaller id nothing follows the last record */
    struct log_position end; /**< behind what was met last */
    /** A place without a good record, while what follows it is looked at; file id 0: there is none. For whoever guards
     *  the walk: if it ends there, this is damage all the same. */
    struct log_position looking_behind;
};

enum log_walk_state {
    LOG_WALK_RECORD, /**< a record, SEALs and the like included; of a PUT the value may still be damaged */
    LOG_WALK_DAMAGE, /**< bytes that are not what was written */
    LOG_WALK_REST,   /**< bytes that are not zero behind the last record of a file, where no read looks */
    LOG_WALK_END,
};

/** What a walk has met. */
struct log_met {
    struct log_position at;
    uint64_t bytes;
    struct record record; /**< of LOG_WALK_RECORD, */
    uint64_t ref;         /**< and where it is */
    const char *message;  /**< of LOG_WALK_DAMAGE and LOG_WALK_REST: what is wrong */
    uint64_t missing;     /**< and how many records were there at most; 0 if that can't be told */
};

/** Puts a walk before the log's beginning.
 *  @param durable  of a log that is attached and not started: up to where its manifest says that it is; else NULL */
void log_walk_init(struct log_walk *walk, struct log *log, const struct log_position *durable);

/** Goes on to the next record or damage. */
enum log_walk_state log_walk_next(struct log_walk *walk, struct log_met *out_met);

/* ------------------------------------------------------------------------------------------------ appending */

/** Space at the log's end, claimed for one record. */
struct log_claim {
    uint8_t *at;     /**< the record's memory */
    uint8_t *value;  /**< where the value goes */
    uint64_t offset; /**< in the file */
    uint64_t bytes;
    bool has_previous;
    uint32_t value_bytes;
};

/**
 * Claims space for one record, with `use_spare` also from the space that is kept back for a full disk. Fill
 * claim->value, then log_append(), or forget the claim: nothing has changed then. Space for a COMMIT, two ABORTs, a
 * MARK and a SEAL behind it is kept back, so that log_append_commit() and log_append_abort() need no claim.
 */
int log_claim(struct log *log, uint64_t value_bytes, bool has_previous, bool use_spare, struct log_claim *out_claim,
              struct alex_error *error);

/**
 * Appends the claimed record.
 *
 * @param record   kind, flags, table, key and previous; the rest is filled in
 * @param out_ref  where it is
 * @return ALEX_OK; ALEX_READ_ONLY if a write or sync has failed since the claim
 */
int log_append(struct log *log, const struct log_claim *claim, struct record *record, uint64_t *out_ref,
               struct alex_error *error);

/** A group of records that counts only with its COMMIT. At most one is open. */
struct log_group {
    uint64_t first_number;
    struct log_position first;
    uint64_t count;
    uint32_t checksum; /**< of the header checksums */
};

/** Adds a record just appended, flagged RECORD_FLAG_GROUPED, to its group; `*group` all zero before the first. */
void log_group_add(struct log_group *group, const struct log *log, const struct record *record, uint64_t ref);
/** Whether a COMMIT's value says what `group` says. */
bool log_group_matches(const struct log_group *group, const struct record *commit);
int log_append_commit(struct log *log, const struct log_group *group, struct alex_error *error);
int log_append_abort(struct log *log, uint64_t first_number, uint64_t last_number, struct alex_error *error);

/** ALEX_OK, or ALEX_READ_ONLY after a write or sync has failed, and in a forked child. */
int log_writable(const struct log *log, struct alex_error *error);

/** Makes what was appended readable, whether or not it is ever committed: before references to it go where readers find
 *  them. After a failure the log takes no more writes. */
int log_make_readable(struct log *log, struct alex_error *error);

/** Ends a commit, before it is published: what was appended can be read from here on and, with config.sync_each, is
 *  durable, unless `sync_later` leaves that to log_sync_readable(). After a failure it may be in the log or not, and
 *  the log takes no more writes. */
int log_settle(struct log *log, bool sync_later, struct alex_error *error);

/** Makes durable what log_make_readable() or log_settle() was called for. For any thread; several share a sync. After a
 *  failure the log takes no more writes. */
int log_sync_readable(struct log *log, struct alex_error *error);

/** Makes everything appended durable. After a failure the log takes no more writes. */
int log_sync(struct log *log, struct alex_error *error);

/** Cuts off the space prepared behind the log's end, makes everything durable, removes a prepared segment that is still
 *  unused. The log takes no more writes. In a forked child it does nothing. */
int log_finish(struct log *log, struct alex_error *error);

/** The number of the last record appended. */
uint64_t log_last_number(const struct log *log);
/** Where the log ends, once it is started for writing. */
struct log_position log_end(const struct log *log);

/* ------------------------------------------------------------------------------------------------ reading */

/**
 * Finds the record of a reference. Verifies its checksums if the log is configured so.
 *
 * @return RECORD_GOOD, or RECORD_BAD or RECORD_NEWER if there is no good record there
 */
enum record_state log_fetch(const struct log *log, uint64_t ref, struct record *out_record);

/** A value, where it lies in the log. */
struct log_value {
    const uint8_t *data; /**< never NULL */
    uint64_t bytes;
    uint64_t padded_bytes; /**< with the zero bytes behind it, up to a whole number of words */
    uint64_t number;       /**< of its record */
};

/** The value of a record. */
static inline struct log_value log_value_of(const struct record *record)
{
    uint64_t padded_bytes = ((uint64_t)record->value_bytes + 7) & ~(uint64_t)7;
    return (struct log_value){record->value, record->value_bytes, padded_bytes, record->number};
}

/**
 * The quick way to what nearly every read meets: the value of a good PUT of this table and key, verified as log_fetch()
 * does.
 *
 * @return false if log_fetch() should look: it is something else, or not good, or this machine has no quick way
 */
bool log_fetch_put(const struct log *log, uint64_t ref, uint32_t table, uint64_t key, struct log_value *out_value);

/** As log_fetch(), but verifies the header whatever the configuration, and leaves the value unverified. */
enum record_state log_fetch_header(const struct log *log, uint64_t ref, struct record *out_record);

/** Asks for the cache lines of `count` records ahead of log_fetch(); a reference of 0 asks for anything. A few at a
 *  time cost less than one by one: a prefetch retires when its address is translated, and in a large log each has to be
 *  looked up in the page tables; these look-ups overlap only if no record is read between the prefetches. */
void log_prefetch(const struct log *log, const uint64_t *refs, size_t count);

/** Runs `run`, which reads records. With config.catch_faults a mapped file that can't be read (SIGBUS) is an error that
 *  names file and offset; `run` has then ended where it read, so it holds no lock, owns nothing that only it knows, and
 *  leaves nothing half-changed. Without, it is called and nothing else. @return ALEX_OK or ALEX_IO */
int log_guarded(const struct log *log, void (*run)(void *context), void *context, struct alex_error *error);

/** The place of a reference, for reports, all 0 if it leads nowhere. The file's path is cut to `capacity` bytes; with
 *  0 there is none. */
struct log_position log_locate(const struct log *log, uint64_t ref, char *out_path, size_t capacity);

/* ------------------------------------------------------------------------------------------------ accounts */

/** Counts the bytes of the record at `ref` as live. */
void log_count_live(struct log *log, uint64_t ref);
/** Counts them as dead again. */
void log_count_dead(struct log *log, uint64_t ref);
/** Size of the record at `ref`, as it is counted. */
uint64_t log_record_bytes(const struct log *log, uint64_t ref);

struct log_stats {
    uint64_t segments;
    uint64_t log_bytes; /**< all that was appended, segment headers included */
    uint64_t live_bytes;
    uint64_t file_bytes; /**< lengths of the files */
};
void log_stats(const struct log *log, struct log_stats *out_stats);

/** A segment, as the manifest lists it. */
struct log_listed {
    uint64_t file_id;
    uint32_t slots;
};

/** What the manifest says of the log. */
struct log_description {
    struct log_listed *segments; /**< ascending; the caller frees it with base_free() */
    size_t segment_count;
    uint64_t next_file_id;
    uint64_t number_floor;       /**< a number that no record can reach before the list changes again */
    struct log_position durable; /**< up to where the log is known to be durable */
    bool finished;               /**< by log_finish(): that place is the log's end */
};

/** Describes the log as it is at this moment. Any thread. @return ALEX_OK or ALEX_NO_MEMORY */
int log_describe(const struct log *log, struct log_description *out_description);

/** Writes the path of a segment's file. */
void log_path(const struct log *log, uint64_t file_id, char *out_path, size_t capacity);

#endif /* LOG_LOG_H */
