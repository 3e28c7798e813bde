/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file recovery.h
 * The manifest, and the replay of the log after opening. See README.md and docs/FORMAT.md.
 */
#ifndef RECOVERY_RECOVERY_H
#define RECOVERY_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/log.h"

#define MANIFEST_NAME "MANIFEST"
#define MANIFEST_NEW_NAME "MANIFEST.new"

#define MANIFEST_SEGMENT_SHIFT_MIN 16
#define MANIFEST_SEGMENT_SHIFT_MAX 40

/** More than any use can have counted up to, and far from where counting on would overflow. */
#define MANIFEST_FILE_ID_MAX (UINT64_MAX / 2)

/** Segments that a manifest can list. */
#define MANIFEST_SEGMENTS_MAX ((size_t)1 << 20)

/** A manifest, decoded. */
struct manifest {
    uint8_t store_id[RECORD_STORE_ID_BYTES];
    uint32_t segment_shift;
    uint64_t generation;
    uint64_t next_file_id;
    uint64_t number_floor;
    uint32_t next_table_id;
    bool clean;
    struct log_position durable;
    struct log_listed *segments; /**< from base_alloc() */
    size_t segment_count;
};

/** Reads and checks the manifest of the store in `directory`. Release what it gives with manifest_release().
 *  @return ALEX_OK, ALEX_NOT_FOUND (there is none), ALEX_DAMAGED, ALEX_NEWER_FORMAT, or a failure of the system */
int manifest_read(const char *directory, struct manifest *out_manifest, struct alex_error *error);

/** Replaces the manifest as a whole, durably. The names of new segments are made durable before. */
int manifest_write(const char *directory, const struct manifest *manifest, struct alex_error *error);

/** Length of a manifest that lists `segment_count` segments. */
size_t manifest_bytes(size_t segment_count);

/** Decodes a manifest's bytes; trusts nothing. @return as manifest_read(); `path` is for the error */
int manifest_decode(const uint8_t *bytes, size_t size, const char *path, struct manifest *out_manifest,
                    struct alex_error *error);

void manifest_release(struct manifest *manifest);

/** What replay hands on, in the order of the log; each returns ALEX_OK or a code that ends the replay. */
struct replay_target {
    void *context;
    int (*put)(void *context, uint32_t table, uint64_t key, uint64_t ref);
    int (*remove)(void *context, uint32_t table, uint64_t key, uint64_t ref);
    int (*create_table)(void *context, const struct record *record, uint64_t ref);
    int (*drop_table)(void *context, const struct record *record, uint64_t ref);
    int (*rename_table)(void *context, const struct record *record, uint64_t ref);
    /** A TABLE of which nothing says that it was committed: of a salvage only. */
    int (*uncovered_table)(void *context, const struct record *record, uint64_t ref);
};

/** What replay found. */
struct replay_result {
    struct log_reader end;       /**< at the log's end */
    uint64_t last_number;        /**< the greatest number read */
    uint32_t last_table;         /**< the greatest id that a TABLE had, whether or not that counts */
    struct log_position durable; /**< W */
    uint64_t records;
    uint64_t dropped;    /**< grouped records without COMMIT */
    uint64_t open_first; /**< the first number of a group without end; 0 if there is none */
    uint64_t cut_bytes;  /**< bytes that follow and are no records; 0: nothing is to be cut */
};

/**
 * Attaches the segments that the manifest lists, reads all records and hands those that count to `target`.
 *
 * @return ALEX_OK, ALEX_DAMAGED, ALEX_NEWER_FORMAT, what the target returned, or a failure of the system
 */
int replay(struct log *log, const struct manifest *manifest, const struct replay_target *target,
           struct replay_result *out_result, struct alex_error *error);

/* ------------------------------------------------------------------------------------------------ salvage */

/** Who is told of what a salvage finds. */
struct salvage_listener {
    int (*find)(void *context, const struct alex_finding *finding); /**< returns 0 to go on */
    void *context;
    bool padding; /**< tell of padding that is not zero as well */
};

/** Reports one finding. @return what the listener returned */
int salvage_find(const struct salvage_listener *listener, const struct alex_finding *finding);

/** What is known of a damaged store before its records are read. */
struct salvage_survey {
    struct manifest manifest; /**< the store's, or one made up from the files there are; release it */
    bool listed;              /**< it is the store's */
};

/** Reads the manifest or, without one, the names and headers of the files.
 *  @param error  not optional
 *  @return ALEX_OK, ALEX_NEWER_FORMAT, what the listener returned to stop, or a failure of the system */
int salvage_look(const char *directory, const struct salvage_listener *listener, struct salvage_survey *out_survey,
                 struct alex_error *error);

/** What a salvage read. */
struct salvage_result {
    uint64_t last_number;
    uint64_t records;
    uint64_t bytes;
    uint64_t left_out_records;
    uint64_t left_out_bytes;
};

/** Attaches the files, and hands all that is provably good to `target`. FORMAT.md, "Salvage".
 *  @return as salvage_look(), or what the target returned */
int salvage(struct log *log, const struct salvage_survey *survey, const struct replay_target *target,
            const struct salvage_listener *listener, struct salvage_result *out_result, struct alex_error *error);

#endif /* RECOVERY_RECOVERY_H */
