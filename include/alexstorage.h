/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file alexstorage.h
 * AlexStorage: an embedded, ordered key-value store for 64-bit integer keys and byte values.
 *
 * A store is a directory. It holds named tables; each maps 64-bit keys, ordered as signed or as unsigned numbers, to
 * values of 0 to ALEX_VALUE_MAX bytes. The index is learned (ALEX) and lives in memory; the values live in an
 * append-only log of mapped files.
 *
 *     alex_store *store;
 *     if (alex_open("ids.alex", NULL, &store) != ALEX_OK) ...
 *     alex_table *table = alex_main_table(store);
 *     alex_put(table, 42, "Ada", 3, NULL);
 *     alex_close(store);
 *
 * Conventions, for every call that doesn't say otherwise:
 *
 * - **Results.** A call returns ALEX_OK (0) or one of the codes of enum alex_code. What it hands out goes to the
 *   parameters named `out_…`, which are left alone when the call fails. An `out_…` parameter described as optional may
 *   be NULL.
 * - **Arguments.** A NULL handle or `out_…` parameter, a dropped table, or a value outside of its enum gives
 *   ALEX_INVALID wherever a call returns a code; the lists of results below don't repeat it.
 * - **Errors.** alex_code_text() explains a code; alex_store_error() gives the detail (path, offset, errno, a sentence)
 *   of the calling thread's last failure, if that was on the store or on anything opened from it. ALEX_NOT_FOUND,
 *   ALEX_EXISTS and ALEX_CONFLICT are answers and leave no detail. The library never prints, exits or aborts because of
 *   what it finds on disk or is given. But values are read through mappings: a file that another program cuts short
 *   while the store is open, or a disk that fails under a read, ends in the signal SIGBUS, unless
 *   alex_options.catch_sigbus is set.
 * - **Lifetimes.** A handle is valid until its own close call; closing a store with open transactions, cursors or
 *   loaders is refused with ALEX_BUSY. Close calls accept NULL. Debug builds answer most uses of a closed handle with
 *   ALEX_MISUSE; in release builds they are undefined, and not to be relied on where they are answered, too.
 * - **Threads.** Any number of threads may use a store, its tables and their own transactions at the same time. Reads
 *   take no lock, and no write waits for them. They wait for no write either, but look again while one moves the very
 *   entries that they look at: a moment, or as long as its thread is kept from running just then. What alex_end() has
 *   to take away is a writer's work, for which see there; reads in a write transaction take a writer's turn when there
 *   is something that it has written since. One write at a time goes in; others wait for it. A transaction with its
 *   cursors, and a loader, may move from thread to thread, but serve one at a time. Closing a store is for when no
 *   other thread is in a call on it, or about to make one; dropping a table for when none is about to use it, but reads
 *   of a dropped table that are under way are safe. What is called back, as from alex_check(), may read. Different
 *   stores are independent. The calls that make, rename, drop and list tables, give statistics, sync and check take a
 *   writer's turn; so within a visit of alex_check(), which holds writers up while it runs, they are ALEX_BUSY like any
 *   write. A read is no memory fence: what its thread has stored before it, others may come to see after it. Nothing is
 *   called from a signal's handler; no thread is cancelled or ended within a call; and what is called back returns,
 *   without longjmp() or an exception.
 * - **Forks.** A forked child may go on reading a store that its parent has open, as it was at the fork, in a
 *   transaction of before or a new one. fork() waits for the write that is under way, or whatever else has a writer's
 *   turn, and keeps the next ones waiting meanwhile; no thread may be opening or closing the store then. Fork handlers
 *   that call the library, or take a lock which is held across its calls, are registered after the first alex_open(). A
 *   child of _Fork(), vfork() or clone() may not use the library, as it isn't told of these. The store remains the
 *   parent's: the child's writes are ALEX_READ_ONLY, its alex_close() frees memory and changes nothing else, the memory
 *   of a reserved put is not its to write, and a write transaction is only to be ended there; calls there that would
 *   take a writer's turn are for one thread at a time. Where the child opens the store itself, that is ALEX_LOCKED
 *   while the parent has it open. Other stores it opens as it likes.
 * - **Keys** are passed as int64_t. A table of unsigned keys takes the bits of a uint64_t: cast it.
 * - **Options** may be NULL for the defaults; in an option struct, zero means the default.
 */
#ifndef ALEXSTORAGE_H
#define ALEXSTORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ALEX_API __attribute__((visibility("default")))
#else
#define ALEX_API
#endif

#define ALEX_VERSION_MAJOR 0
#define ALEX_VERSION_MINOR 1
#define ALEX_VERSION_PATCH 0

/** Greatest size of a value, in bytes (1 GiB). */
#define ALEX_VALUE_MAX ((size_t)1 << 30)

/** Greatest length of a table's name, in bytes, without a terminating zero. */
#define ALEX_TABLE_NAME_MAX 255

/** Results of calls. The numbers are part of the ABI. */
enum alex_code {
    ALEX_OK = 0,
    ALEX_NOT_FOUND = 1, /**< no such key, table or entry */
    ALEX_EXISTS = 2,    /**< the key, table or store is already there */
    ALEX_INVALID = 3,   /**< an argument or option makes no sense */
    ALEX_TOO_LARGE = 4, /**< value, name or batch above its limit */
    ALEX_TOO_SMALL = 5, /**< the caller's buffer is too small */
    ALEX_READ_ONLY = 6, /**< the store was opened read-only, latched after a failed write or sync, or is a parent's */
    ALEX_BUSY = 7,      /**< something that is open must be ended first */
    ALEX_LOCKED = 8,    /**< the store is open already, in this process or another */
    ALEX_NO_STORE = 9,  /**< there is no store at the path */
    ALEX_NOT_A_STORE = 10,   /**< what is at the path is not a store */
    ALEX_NEWER_FORMAT = 11,  /**< written by a version of the library newer than this one */
    ALEX_DAMAGED = 12,       /**< bytes on disk are not what was written */
    ALEX_NO_MEMORY = 13,     /**< memory or address space is used up */
    ALEX_NO_SPACE = 14,      /**< the disk or a quota is full */
    ALEX_NO_PERMISSION = 15, /**< the operating system denied access */
    ALEX_IO = 16,            /**< any other failure of the operating system; see the detail's os_errno */
    ALEX_MISUSE = 17,        /**< a handle was used after its end: most are told by debug builds; by others only
                                  transactions, as long as their memory serves no other */
    ALEX_CONFLICT = 18,      /**< the value is another one than the call expects */
};

/** The name of a code, such as "ALEX_NOT_FOUND". Static; "ALEX_UNKNOWN" for any other number. */
ALEX_API const char *alex_code_name(int code);

/** One sentence on what a code means. Static; never NULL. */
ALEX_API const char *alex_code_text(int code);

/** The library's version, such as "0.1.0". Static. */
ALEX_API const char *alex_version(void);

/** Detail of a failure. All zero where nothing has failed. */
struct alex_error {
    int code;        /**< enum alex_code */
    int os_errno;    /**< errno of the system call behind it; 0 if there was none */
    uint64_t offset; /**< byte in the file at `path`; meaningful where `has_offset` */
    bool has_offset;
    char path[512];    /**< the file concerned, cut to fit; "" if none */
    char message[256]; /**< what happened and what to do about it, one sentence */
};

/** Bytes that belong to someone else. An absent value has data == NULL; an empty one has data != NULL and size 0. */
struct alex_slice {
    const void *data;
    size_t size; /**< bytes */
};

/** A store: a directory opened by alex_open(). */
typedef struct alex_store alex_store;
/** A table of a store. Belongs to the store; valid until the table is dropped or the store closed; one that a write
 *  transaction has made, until that is taken back, too. */
typedef struct alex_table alex_table;
/** A transaction: one view of all tables, and in a write transaction what it writes itself over it. */
typedef struct alex_txn alex_txn;
/** A position in a table, within a transaction. */
typedef struct alex_cursor alex_cursor;
/** A bulk load in progress. */
typedef struct alex_loader alex_loader;

/* ------------------------------------------------------------------------------------------------ stores */

/** What to do about a store or table that is, or isn't, there. */
enum alex_open_mode {
    ALEX_OPEN_OR_CREATE = 0,
    ALEX_MUST_EXIST = 1,  /**< else ALEX_NO_STORE, or ALEX_NOT_FOUND for a table */
    ALEX_MUST_BE_NEW = 2, /**< else ALEX_EXISTS */
};

/** When a write is durable, which is to say safe from a power cut or a crash of the operating system. From the end of
 *  the process that wrote it, killed or not, a write is safe as soon as its call has returned, whatever is chosen,
 *  unless a write or sync has failed before. */
enum alex_durability {
    /** When alex_sync() or alex_close() has returned. */
    ALEX_DURABLE_ON_SYNC = 0,
    /** Also, without a call, at the latest `sync_interval_ms` after the write, and the time that a sync takes. */
    ALEX_DURABLE_WITHIN_INTERVAL = 1,
    /** When the write's own call has returned. A batch, load or transaction is synced once; writes of several threads
     *  at a time share their syncs. Others see a write when it is durable, but for write transactions and updates,
     *  which come after it and whose own commit waits for it. */
    ALEX_DURABLE_ON_COMMIT = 2,
};

/** A read transaction that has been open for long. */
struct alex_old_snapshot {
    uint64_t number;  /**< the last record that it sees */
    uint64_t records; /**< written since */
    int64_t thread;   /**< that began or last renewed it, as gettid(2) gives it; in a forked child its parent's */
};

/** How to open a store. Start from `= {0}` or ALEX_OPTIONS_DEFAULT, then set what differs. */
struct alex_options {
    /** Default: open the store, and make it where there is none. */
    enum alex_open_mode mode;

    /** Take no write; the store's files are not touched, and an unclean end is not repaired, only stepped over.
     *  Implies ALEX_MUST_EXIST. */
    bool read_only;

    /** Don't verify the checksums of records on reads. Default: verify, at roughly 10 ns for a small value. Opening
     *  verifies record headers in any case. */
    bool no_checksums;

    /** Start no background thread: the work it would do (preparing file space ahead of the writer) is then done
     *  within the writes that need it. Default: a thread is started by the first write. ALEX_INVALID with
     *  ALEX_DURABLE_WITHIN_INTERVAL, whose thread starts with the store. */
    bool no_background;

    /** Bytes by which the log's file grows, a multiple of 4,096, at most 1 GiB. Default: 64 KiB for a new store,
     *  growing with it to 16 MiB. */
    uint64_t growth_bytes;

    /** Optional; receives the detail where the open fails, as there is no store then to ask. */
    struct alex_error *error;

    /** When writes are durable. Default: ALEX_DURABLE_ON_SYNC. */
    enum alex_durability durability;

    /** Milliseconds, at most 3,600,000. Default: 1,000. ALEX_INVALID with any other durability than
     *  ALEX_DURABLE_WITHIN_INTERVAL. */
    uint32_t sync_interval_ms;

    /** Where a mapped file can't be read (a failing disk, a file cut short by something else), return ALEX_IO with file
     *  and offset instead of letting the signal SIGBUS end the process: in all reads, in alex_check() and alex_open().
     *  Not where the caller reads a value that a transaction handed out, nor where a write stores into the log's
     *  mapped end. The first open with it installs a handler for SIGBUS, for the life of the process; signals that are
     *  none of the store's go on to the handler of before. A program that sets a handler of its own later takes the
     *  effect away, no handler may jump out of a call of the library, and no reading thread may block the signal.
     *  Default: off. Costs a sigsetjmp() a read. */
    bool catch_sigbus;

    /** Optional; told of a read transaction that stays open while much is written, as it keeps what is deleted and
     *  dropped, and ways to old versions, in memory: perhaps someone forgot to end it. Called by the thread whose write
     *  finds it, or whose sync, statistics or the like do, at the end of that call (of a write transaction or load:
     *  when that ends), and again each time that as much has been written while it is still open; by several threads
     *  perhaps at the same time. May read and write the store, and end and renew transactions, but not close it or end
     *  loads and reserved puts of before; with ALEX_DURABLE_ON_COMMIT the write that it is called in may not be visible
     *  yet. Its own writes don't lead to further calls. */
    void (*on_old_snapshot)(void *context, const struct alex_old_snapshot *old);
    void *old_snapshot_context; /**< passed on to it */

    /** How many records are much. Default: 1,000,000. ALEX_INVALID without `on_old_snapshot`. */
    uint64_t old_snapshot_writes;
};

#define ALEX_OPTIONS_DEFAULT                                                                             \
    {                                                                                                    \
        ALEX_OPEN_OR_CREATE, false, false, false, 0, NULL, ALEX_DURABLE_ON_SYNC, 0, false, NULL, NULL, 0 \
    }

/**
 * Opens the store in the directory `path`, by default making the directory and the store where there is none. The
 * directory's parent must exist. While open it is locked against every other process and every other alex_open. Replays
 * the log: time grows with the number of records.
 *
 * After an unclean end (a killed process, a power cut) the log's incomplete tail is cut; alex_store_open_report() says
 * so.
 *
 * The first one in a process asks for membarrier(2), and does without it where that fails. So a filter of system calls
 * allows it or fails it, and does so from before this one on: where it fails only later, memory that writes replace is
 * kept until the store is closed.
 *
 * @param path       copied
 * @param options    optional
 * @param out_store  the store; end it with alex_close()
 * @return ALEX_OK, ALEX_NO_STORE, ALEX_EXISTS, ALEX_NOT_A_STORE (a file, or a directory with other things in it),
 *         ALEX_LOCKED, ALEX_NEWER_FORMAT, ALEX_DAMAGED, ALEX_INVALID, ALEX_NO_PERMISSION, ALEX_NO_SPACE,
 *         ALEX_NO_MEMORY, ALEX_IO
 */
ALEX_API int alex_open(const char *path, const struct alex_options *options, alex_store **out_store);

/**
 * Makes everything written durable and ends the store. Whatever it returns other than ALEX_BUSY, the store is gone. In
 * a forked child of the process that opened it, it frees memory and does nothing else.
 *
 * @param store  may be NULL
 * @return ALEX_OK; ALEX_BUSY if a transaction, cursor, loader or reservation is open, or another thread's write waits
 *         for its sync (nothing happens then. That helps to find a mistake and guards against none: not before a
 *         thread's call has returned may the store be closed); in a forked child only if a transaction of the calling
 *         thread is open;
 *         ALEX_IO, ALEX_NO_SPACE, ALEX_NO_PERMISSION or ALEX_NO_MEMORY if the end could not be made durable: the next
 *         open then recovers as after a crash
 */
ALEX_API int alex_close(alex_store *store);

/**
 * Makes everything acknowledged so far durable: it survives a power cut from then on.
 *
 * @return ALEX_OK; ALEX_READ_ONLY on a read-only or latched store; ALEX_IO, ALEX_NO_SPACE (where the file system can't
 *         allocate space ahead): the store then takes no more writes until it is reopened
 */
ALEX_API int alex_sync(alex_store *store);

/** Copies the detail of the calling thread's last failure to `out_error`, if that was on this store or on anything
 *  opened from it; else all zero. */
ALEX_API void alex_store_error(alex_store *store, struct alex_error *out_error);

/** What opening found. */
struct alex_open_report {
    bool created;              /**< there was no store before */
    bool clean;                /**< the last use ended with alex_close() */
    uint64_t records_replayed; /**< records read from the log */
    uint64_t
        records_dropped; /**< records of batches, loads and transactions that were never committed: without effect */
    uint64_t cut_bytes;  /**< bytes cut off behind the log's end: its incomplete tail after an unclean end; if
                                    `clean`, what something else has written there */
    char cut_path[512];  /**< the file that was cut; "" if none */
    uint64_t cut_offset; /**< where the cut is, in bytes from the file's beginning */
};

/** Tells what alex_open() found when it opened this store. */
ALEX_API void alex_store_open_report(alex_store *store, struct alex_open_report *out_report);

/** Figures of a whole store. */
struct alex_store_stats {
    uint64_t tables;
    uint64_t keys;
    uint64_t live_bytes;            /**< bytes of log that hold the current records of keys and tables */
    uint64_t dead_bytes;            /**< bytes of log that hold anything else: overwritten, deleted, bookkeeping */
    uint64_t log_bytes;             /**< live_bytes + dead_bytes: all that was appended */
    uint64_t disk_bytes;            /**< file space of log and manifest, prepared space included */
    uint64_t index_bytes;           /**< memory that the indexes of all tables take, held entries included */
    uint64_t segments;              /**< files of the log */
    uint64_t last_number;           /**< number of the newest record */
    uint64_t open_txns;             /**< read transactions that have not ended; write transactions aren't among them */
    uint64_t oldest_snapshot;       /**< the number that the oldest of them sees; last_number if there is none */
    int64_t oldest_snapshot_thread; /**< its thread, as in struct alex_old_snapshot; 0 if there is none */
    uint64_t held_entries; /**< index entries that are kept for open transactions alone, of deleted keys and of ways to
                                old versions: 32 bytes each, and what an entry takes in an index */
    uint64_t held_tables;  /**< dropped tables that are kept for open transactions, with all of their entries */
};

/** Gives the store's figures, those of writes included that wait for a sync (ALEX_DURABLE_ON_COMMIT). Cost: one step a
 *  segment and table. @return ALEX_OK */
ALEX_API int alex_store_stat(alex_store *store, struct alex_store_stats *out_stats);

/* ------------------------------------------------------------------------------------------------ tables */

/** How a table orders its keys. */
enum alex_key_order {
    ALEX_KEYS_DEFAULT = 0, /**< signed for a new table; whatever it is for one that exists */
    ALEX_KEYS_SIGNED = 1,
    ALEX_KEYS_UNSIGNED = 2,
};

/** How to open a table. */
struct alex_table_options {
    enum alex_open_mode mode;      /**< default: made if absent */
    enum alex_key_order key_order; /**< default: signed if made; a table that exists must agree with any other choice */
};

/** The table that every store has: "main", of signed keys. NULL only if `store` is NULL. */
ALEX_API alex_table *alex_main_table(alex_store *store);

/**
 * Gives a table by name, by default making it if there is none. Opening it again gives the same handle. Names belong to
 * no snapshot: they are the newest that are committed, whatever transactions are open.
 *
 * @param name     1 to ALEX_TABLE_NAME_MAX bytes, any but zero; copied
 * @param options  optional
 * @return ALEX_OK, ALEX_NOT_FOUND, ALEX_EXISTS, ALEX_INVALID (no name; the table orders its keys otherwise),
 *         ALEX_TOO_LARGE (name), ALEX_BUSY (as of alex_put(), where the table is to be made), ALEX_READ_ONLY,
 *         ALEX_NO_SPACE, ALEX_NO_MEMORY, ALEX_IO
 */
ALEX_API int alex_table_open(alex_store *store, const char *name, const struct alex_table_options *options,
                             alex_table **out_table);

/** Drops a table with all that is in it, at once and for good. Its handle ends; read transactions that began before
 *  may go on reading it until they end. Its space is counted as dead. "main" can't be dropped (ALEX_INVALID). Cost: a
 *  step a key. @return ALEX_OK; ALEX_NOT_FOUND; else as alex_table_open() where it makes a table */
ALEX_API int alex_table_drop(alex_store *store, const char *name);

/**
 * Gives a table another name, at once. Handles stay. Memory: each different name that a table has had, until its handle
 * ends. Cost: a step each of these.
 *
 * @return ALEX_OK, also if the names are the same; ALEX_NOT_FOUND; ALEX_EXISTS if another table has the new name;
 *         ALEX_INVALID ("main" can't be renamed); else as alex_table_open() where it makes a table
 */
ALEX_API int alex_table_rename(alex_store *store, const char *name, const char *new_name);

/** What alex_table_list() tells of a table. */
struct alex_table_info {
    const char *name; /**< until the visit returns */
    enum alex_key_order key_order;
    uint64_t keys;
};

/** Is told of a table. May open tables, but must make, rename and drop none. Returns 0 to go on, else to stop. */
typedef int alex_table_visit_fn(void *context, const struct alex_table_info *info);

/** Visits every table, by name in byte order, as all see them but a write transaction that is open.
 *  @return ALEX_OK, what `visit` returned to stop, or ALEX_NO_MEMORY */
ALEX_API int alex_table_list(alex_store *store, alex_table_visit_fn *visit, void *context);

/** The table's name; lives as long as the handle, also if the table gets another. */
ALEX_API const char *alex_table_name(const alex_table *table);

/** ALEX_KEYS_SIGNED or ALEX_KEYS_UNSIGNED. */
ALEX_API enum alex_key_order alex_table_key_order(const alex_table *table);

/** Levels of a table's index that are told apart by the statistics. */
#define ALEX_INDEX_LEVELS_MAX 16

/** Figures of a table and its learned index. */
struct alex_table_stats {
    uint64_t keys;
    uint64_t live_bytes;  /**< bytes of log that its current records take */
    uint64_t index_bytes; /**< memory of its index nodes */
    uint64_t data_nodes;
    uint64_t inner_nodes;
    uint32_t depth;                                 /**< nodes from the root to a key, both ends counted; 0 if empty */
    uint64_t nodes_at_level[ALEX_INDEX_LEVELS_MAX]; /**< from the root, level 0, down */
    double density;                                 /**< share of the data nodes' slots that hold a key */
    double model_error_slots;    /**< mean distance between where the model puts a key and where it is, in slots */
    double predicted_line_share; /**< share of keys that lie in the very cache line the model names */
    uint64_t structure_changes;  /**< nodes grown, split, shrunk, or taken out empty, since the store was opened */
    uint64_t moved_bytes;        /**< bytes of index entries moved by inserts since then */
};

/** Gives a table's figures, those of writes included that wait for a sync (ALEX_DURABLE_ON_COMMIT). Cost: reads its
 *  whole index. @return ALEX_OK */
ALEX_API int alex_table_stat(alex_table *table, struct alex_table_stats *out_stats);

/* ------------------------------------------------------------------------------------------------ single writes
 *
 * Each is atomic by itself, and visible to every read after it and every transaction begun after it. */

/**
 * Sets the value of `key`.
 *
 * @param value         copied; may be NULL if `size` is 0
 * @param size          bytes, at most ALEX_VALUE_MAX
 * @param out_replaced  optional: whether the key had a value before
 * @return ALEX_OK, ALEX_TOO_LARGE, ALEX_INVALID, ALEX_BUSY (this thread has a write transaction, load or reserved put
 *         open, or is in a visit of alex_check(); while another thread has one, this one waits for its end, for ever if
 *         need be), ALEX_READ_ONLY, ALEX_NO_SPACE, ALEX_NO_MEMORY, ALEX_IO. On failure the key is as it was.
 */
ALEX_API int alex_put(alex_table *table, int64_t key, const void *value, size_t size, bool *out_replaced);

/** As alex_put(), but leaves a key that has a value alone and returns ALEX_EXISTS. */
ALEX_API int alex_put_if_absent(alex_table *table, int64_t key, const void *value, size_t size);

/**
 * Begins a put whose value the caller writes in place: hands out `size` bytes of the log itself, undefined at first.
 * Fill them, then call alex_put_commit() or alex_put_cancel(); until then writes of other threads wait, and those of
 * this one are ALEX_BUSY.
 *
 * @param out_buffer  `size` bytes (not NULL even if 0), aligned to 8, the caller's to write until the commit or cancel
 * @return as alex_put()
 */
ALEX_API int alex_put_reserve(alex_table *table, int64_t key, size_t size, void **out_buffer);

/**
 * Makes the reserved value the key's. @param out_replaced as in alex_put().
 * @return ALEX_OK; ALEX_INVALID if nothing is reserved in this table; ALEX_READ_ONLY (a sync has failed meanwhile),
 *         ALEX_IO, ALEX_NO_SPACE: the key is as it was, and the reservation is over
 */
ALEX_API int alex_put_commit(alex_table *table, bool *out_replaced);

/** Gives the reservation up; without effect if there is none. */
ALEX_API void alex_put_cancel(alex_table *table);

/** Removes `key`. @return ALEX_NOT_FOUND if it has no value; else as alex_put(). */
ALEX_API int alex_delete(alex_table *table, int64_t key);

/* ------------------------------------------------------------------------------------------------ batches and loads */

/** What an operation of a batch does. */
enum alex_op_kind {
    ALEX_OP_PUT = 1,
    ALEX_OP_DELETE = 2, /**< deleting an absent key is no error here */
};

/** One operation of a batch. */
struct alex_op {
    enum alex_op_kind kind;
    alex_table *table;
    int64_t key;
    struct alex_slice value; /**< for ALEX_OP_PUT */
};

/**
 * Carries out `count` operations on tables of one store, in order, all or none: also after a crash. Of several on one
 * key the last counts. Costs less than the same number of single calls, and least where tables and keys come sorted.
 *
 * @return as alex_put(); ALEX_INVALID also if a table belongs to another store. On failure nothing has changed.
 */
ALEX_API int alex_write(alex_store *store, const struct alex_op *ops, size_t count);

/**
 * Begins a bulk load: a stream of any length, in any order, into a table that may hold keys already. It is one atomic
 * step: nothing of it is visible before alex_loader_commit(), and after a crash all or none of it is there. Until it
 * ends writes of other threads wait, and those of this one are ALEX_BUSY; reads go on. Takes 16 bytes of memory an
 * entry, up to twice that as it grows, and in the commit another 16 unless keys come ascending into an empty table,
 * which is also fastest. Entries may wait in memory for those that come next, so that a failure for want of space may
 * be told by a later call.
 *
 * @return ALEX_OK, ALEX_BUSY, ALEX_READ_ONLY, ALEX_NO_MEMORY
 */
ALEX_API int alex_loader_open(alex_table *table, alex_loader **out_loader);

/** Adds one entry; of several with one key the last counts. @return as alex_put(); after a failure the loader takes no
 *  more and can only be closed. */
ALEX_API int alex_loader_add(alex_loader *loader, int64_t key, const void *value, size_t size);

/**
 * Makes the load the table's. The loader takes no more after it; close it.
 *
 * @param out_added     optional: keys that had no value before
 * @param out_replaced  optional: keys that had one
 * @return as alex_put(). On failure nothing of the load is in the table.
 */
ALEX_API int alex_loader_commit(alex_loader *loader, uint64_t *out_added, uint64_t *out_replaced);

/** Ends the loader; drops the load if it was not committed (its bytes stay in the log as dead). May be NULL. */
ALEX_API void alex_loader_close(alex_loader *loader);

/* ------------------------------------------------------------------------------------------------ single reads */

/**
 * Copies the value of `key` to `buffer`.
 *
 * @param buffer    may be NULL if `capacity` is 0
 * @param capacity  bytes at `buffer`
 * @param out_size  optional: the value's size; set on ALEX_TOO_SMALL as well, where nothing is copied
 * @return ALEX_OK, ALEX_NOT_FOUND, ALEX_TOO_SMALL, ALEX_DAMAGED (never a wrong value), ALEX_IO (only with
 *         catch_sigbus)
 */
ALEX_API int alex_get(alex_table *table, int64_t key, void *buffer, size_t capacity, size_t *out_size);

/** Tells whether `key` has a value: from the index alone, but while another thread writes to the table as alex_get()
 *  does. @return ALEX_OK, ALEX_NOT_FOUND; as alex_get() then */
ALEX_API int alex_exists(alex_table *table, int64_t key);

/* ------------------------------------------------------------------------------------------------ transactions */

/** What a transaction may do. */
enum alex_txn_mode {
    ALEX_READ = 1,  /**< see all tables as they are now, until the end */
    ALEX_WRITE = 2, /**< read and write: alex_begin_write() with a wait of any length */
};

/**
 * Begins a transaction. With ALEX_READ, what it reads is the state of this moment, whatever is written meanwhile. Every
 * value it hands out points into the store and stays as it is until alex_end(), alex_renew() or alex_commit().
 *
 * Cost of ALEX_READ: less than a get; beside a write it may take away what alex_end() does.
 *
 * @param out_txn  end it with alex_end(), or alex_commit() if it writes
 * @return ALEX_OK, ALEX_INVALID, ALEX_NO_MEMORY; with ALEX_WRITE as alex_begin_write()
 */
ALEX_API int alex_begin(alex_store *store, enum alex_txn_mode mode, alex_txn **out_txn);

/**
 * Ends a transaction and the life of every value it handed out. What it has written and not committed is taken back,
 * and leaves nothing but dead bytes in the log. Takes away what was deleted or dropped and kept for it
 * alone, which frees memory, but nothing on disk.
 *
 * Cost: with nothing kept, less than a get. Else a step an entry and a node that goes: by this call as long as no
 * other thread writes, or has done within some milliseconds, which this call then waits; a write may find the store
 * taken for 512 entries or a dropped table. Else by the writes that come, some tens of entries each.
 *
 * @param txn  may be NULL
 * @return ALEX_OK; ALEX_BUSY if a cursor is still open in it, or if it writes in a visit of alex_check() (nothing
 *         happens then); of a write transaction with ALEX_DURABLE_ON_COMMIT also what a sync failed with that covers
 *         what it may have read: it has ended then
 */
ALEX_API int alex_end(alex_txn *txn);

/**
 * Lets a transaction see the state of this moment, as if it had ended and begun anew. Values that it handed out end.
 * Cost: as alex_end().
 *
 * @return ALEX_OK; ALEX_BUSY if a cursor is open in it (nothing happens then); ALEX_INVALID if it writes
 */
ALEX_API int alex_renew(alex_txn *txn);

/**
 * Finds the value of `key` without copying it.
 *
 * @param out_value  points into the store until alex_end() or alex_renew()
 * @return ALEX_OK, ALEX_NOT_FOUND, ALEX_DAMAGED, ALEX_IO (only with catch_sigbus)
 */
ALEX_API int alex_txn_get(alex_txn *txn, alex_table *table, int64_t key, struct alex_slice *out_value);

/**
 * Finds many values at once, several times faster than one by one: their memory accesses overlap.
 *
 * @param keys        `count` keys in any order; repeats are fine
 * @param out_values  `count` slices, one a key, as of alex_txn_get(); data == NULL where the key has no value or its
 *                    record can't be read
 * @param out_found   optional: the number of keys that have a value
 * @return ALEX_OK, also if keys are missing; ALEX_DAMAGED if any record is damaged, or ALEX_IO if any can't be read
 *         (only with catch_sigbus); the others are there all the same
 */
ALEX_API int alex_txn_get_many(alex_txn *txn, alex_table *table, const int64_t *keys, size_t count,
                               struct alex_slice *out_values, size_t *out_found);

/** Which keys a cursor or count sees. All zero: every key. */
struct alex_range {
    bool has_first;
    bool has_last;
    int64_t first;  /**< least key, itself included; where `has_first` */
    int64_t last;   /**< greatest key, itself included; where `has_last` */
    uint64_t limit; /**< entries handed out after each positioning, or counted, at most; 0: no limit */
};

/** Counts the keys in `range` (optional). Cost: one step an index node where nothing was written to the table since the
 *  transaction began, else a get of each key. @return ALEX_OK, ALEX_DAMAGED or ALEX_IO (one of those gets),
 *  ALEX_NO_MEMORY */
ALEX_API int alex_txn_count(alex_txn *txn, alex_table *table, const struct alex_range *range, uint64_t *out_count);

/* ------------------------------------------------------------------------------------------------ cursors */

/** What a cursor is at. */
struct alex_entry {
    int64_t key;
    struct alex_slice value; /**< points into the store until alex_end() or alex_renew() */
};

/**
 * Opens a cursor over the keys of `range` (optional: all keys), at no entry yet. Every move hands out the entry it
 * arrives at; ALEX_NOT_FOUND means that there is none, and leaves the cursor at no entry beyond that end: a move back
 * then gives the last entry before it. Once the range's limit is reached every move gives ALEX_NOT_FOUND, until the
 * cursor is positioned again. ALEX_DAMAGED means that the entry's record is damaged, ALEX_IO (only with catch_sigbus)
 * that it can't be read: the cursor is at it, and may be moved on.
 *
 * @param out_cursor  close it before the transaction ends
 * @return ALEX_OK, ALEX_INVALID, ALEX_NO_MEMORY
 */
ALEX_API int alex_cursor_open(alex_txn *txn, alex_table *table, const struct alex_range *range,
                              alex_cursor **out_cursor);

/** To the least key. @return of this and all other moves: ALEX_OK, ALEX_NOT_FOUND, ALEX_DAMAGED, ALEX_IO */
ALEX_API int alex_cursor_first(alex_cursor *cursor, struct alex_entry *out_entry);
/** To the greatest key. */
ALEX_API int alex_cursor_last(alex_cursor *cursor, struct alex_entry *out_entry);
/** To the least key that is ≥ `key`. */
ALEX_API int alex_cursor_seek(alex_cursor *cursor, int64_t key, struct alex_entry *out_entry);
/** To the greatest key that is ≤ `key`. */
ALEX_API int alex_cursor_seek_before(alex_cursor *cursor, int64_t key, struct alex_entry *out_entry);
/** To the next greater key; on a fresh cursor, to the least. */
ALEX_API int alex_cursor_next(alex_cursor *cursor, struct alex_entry *out_entry);
/** To the next smaller key; on a fresh cursor, to the greatest. */
ALEX_API int alex_cursor_previous(alex_cursor *cursor, struct alex_entry *out_entry);

/**
 * Deletes the entry that the cursor is at, in a write transaction; the cursor stays in its place, and moves on from
 * there.
 *
 * @return as alex_txn_delete(), so ALEX_NOT_FOUND if it was deleted since; ALEX_INVALID if the cursor is at no entry
 */
ALEX_API int alex_cursor_delete(alex_cursor *cursor);

/** Closes a cursor. May be NULL. */
ALEX_API void alex_cursor_close(alex_cursor *cursor);

/* ------------------------------------------------------------------------------------------------ updates
 *
 * Calls that read a value and write what follows from it, with no other write between. By themselves they are single
 * writes; alex_txn_...() does the same in a write transaction. Where they change nothing, and writes wait for a sync
 * (ALEX_DURABLE_ON_COMMIT), they wait until what they have seen is durable.
 *
 * The results that they share: those of alex_put(); ALEX_DAMAGED, and ALEX_IO with catch_sigbus, if the value of before
 * can't be read. Cost: a get and a put. */

/**
 * Adds `amount` to a counter: a value of 8 bytes, an int64_t or uint64_t as it lies in this machine's memory. A key
 * that has no value counts as 0. What doesn't fit wraps around.
 *
 * @param out_sum  optional: what the counter is now
 * @return as said above; ALEX_INVALID if the value has not 8 bytes
 */
ALEX_API int alex_add(alex_table *table, int64_t key, int64_t amount, int64_t *out_sum);
ALEX_API int alex_txn_add(alex_txn *txn, alex_table *table, int64_t key, int64_t amount, int64_t *out_sum);

/**
 * Gives `key` another value if it has the expected one, byte for byte.
 *
 * @param expected  NULL: no value
 * @param desired   NULL: no value; the key is deleted
 * @return as said above; ALEX_CONFLICT if it has another value, or none: nothing has changed then
 */
ALEX_API int alex_compare_and_swap(alex_table *table, int64_t key, const struct alex_slice *expected,
                                   const struct alex_slice *desired);
ALEX_API int alex_txn_compare_and_swap(alex_txn *txn, alex_table *table, int64_t key, const struct alex_slice *expected,
                                       const struct alex_slice *desired);

/**
 * Tells the version of a key's value: a number that is another one after each write of the key, and greater, also if
 * the value is the same; it stays when the store is opened again.
 *
 * @param out_version  never 0
 * @return as alex_get() and alex_txn_get(), without ALEX_TOO_SMALL
 */
ALEX_API int alex_get_version(alex_table *table, int64_t key, uint64_t *out_version);
ALEX_API int alex_txn_get_version(alex_txn *txn, alex_table *table, int64_t key, uint64_t *out_version);

/**
 * Puts a value if the key's value has the expected version.
 *
 * @param version      as of alex_get_version(); 0: the key has no value
 * @param out_version  optional: of the value that was put; in a transaction alex_txn_get_version() tells it
 * @return as said above; ALEX_CONFLICT if it has another version: nothing has changed then
 */
ALEX_API int alex_put_if_version(alex_table *table, int64_t key, uint64_t version, const void *value, size_t size,
                                 uint64_t *out_version);
ALEX_API int alex_txn_put_if_version(alex_txn *txn, alex_table *table, int64_t key, uint64_t version, const void *value,
                                     size_t size);

/**
 * Says what a value is to be. Called once. May read the store; by itself it is in a writer's turn, so that writes to
 * the store are ALEX_BUSY; in a transaction it may use that, but not end it.
 *
 * @param value      what there is; data == NULL: nothing. Until the call returns
 * @param out_value  {NULL, 0} at first, which deletes the key; its bytes are copied after the call has returned
 * @return ALEX_OK; anything else is what the update returns, and nothing has changed then
 */
typedef int alex_update_fn(void *context, struct alex_slice value, struct alex_slice *out_value);

/** Has `update` called, and does what it says. @return as said above, and what `update` returned */
ALEX_API int alex_update(alex_table *table, int64_t key, alex_update_fn *update, void *context);
ALEX_API int alex_txn_update(alex_txn *txn, alex_table *table, int64_t key, alex_update_fn *update, void *context);

/* ------------------------------------------------------------------------------------------------ write transactions
 *
 * One at a time writes: a write transaction has the store's writes for itself from its beginning to its end, and so all
 * of them have an order. Other threads' writes wait for its end; a write of its own thread outside of it is ALEX_BUSY,
 * and so is beginning another. Reads outside of it go on, and see nothing of it before the commit, and all of it after.
 *
 * A thread's own transaction is the one that it has used last, wherever that was begun; one that is left open keeps all
 * other writers waiting.
 *
 * In it, the reads of any transaction see the newest state of all tables, with what it has written itself. A cursor
 * sees what is written while it is open, too. Values handed out stay as they are until the end, whatever is written.
 * Reads may have to append what waits (see below), and return what a put does then; of alex_txn_get_many() no value of
 * the keys is set that it had not come to.
 *
 * Writes go to the log as they come, so that a transaction's values may be larger than memory; for each write, 16 bytes
 * of memory are kept until its end, up to twice that as it grows, some 50 once it is read again, and in the commit
 * another 16, with ALEX_DURABLE_ON_COMMIT perhaps 32 more. Puts may wait in memory for those that come next: so a
 * failure for want of space may be told by a later call, and then what was put before stays put as far as the
 * transaction is concerned.
 *
 * A call that fails has changed nothing, and the transaction goes on; ALEX_READ_ONLY and ALEX_IO won't go away. */

/**
 * Begins a write transaction, once no other thread has one, a load or a reserved put.
 *
 * @param wait_ms  milliseconds to wait for that at most; 0: not at all; less: for ever
 * @param out_txn  end it with alex_commit(), or take it back with alex_end()
 * @return ALEX_OK; ALEX_BUSY if it took too long, or this thread has one itself; ALEX_READ_ONLY, ALEX_NO_MEMORY
 */
ALEX_API int alex_begin_write(alex_store *store, int64_t wait_ms, alex_txn **out_txn);

/**
 * Ends a write transaction and makes its writes the store's, all or none: also after a crash. They are durable as
 * alex_options.durability says, like one write. Cost: sorts the writes, and a step each, and for each key of a table
 * that it drops. With many writes and ALEX_DURABLE_ON_COMMIT it holds other writers up for its sync.
 *
 * @return ALEX_OK; ALEX_BUSY if a cursor is still open in it, or in a visit of alex_check() (nothing happens then);
 *         ALEX_INVALID if it only reads. After ALEX_READ_ONLY, ALEX_NO_SPACE, ALEX_NO_MEMORY and ALEX_IO it has ended,
 *         and nothing of it is there; but after a sync that failed, it may all be there once the store is opened again,
 *         as any write
 */
ALEX_API int alex_commit(alex_txn *txn);

/** Sets the value of `key`, as alex_put(). With `out_replaced` it costs a get more. @return as alex_put(), and
 *  ALEX_INVALID in a transaction that only reads, as the other calls here */
ALEX_API int alex_txn_put(alex_txn *txn, alex_table *table, int64_t key, const void *value, size_t size,
                          bool *out_replaced);

/** As alex_txn_put(), but leaves a key that has a value alone and returns ALEX_EXISTS. */
ALEX_API int alex_txn_put_if_absent(alex_txn *txn, alex_table *table, int64_t key, const void *value, size_t size);

/** Removes `key`. @return ALEX_NOT_FOUND if it has no value; else as alex_txn_put() */
ALEX_API int alex_txn_delete(alex_txn *txn, alex_table *table, int64_t key);

/**
 * Deletes all keys of `range` (optional: all there are; its limit plays no part). Cost: a step and a record a key.
 *
 * @param out_deleted  optional: how many had a value
 * @return as alex_txn_put(); on failure none is deleted. ALEX_OK if there was none
 */
ALEX_API int alex_txn_delete_range(alex_txn *txn, alex_table *table, const struct alex_range *range,
                                   uint64_t *out_deleted);

/** The same as a write by itself, atomic: waits as alex_begin_write(), for any length of time, deletes, and commits.
 *  Memory: some 80 bytes a key until it returns. @return as alex_begin_write() and alex_commit() */
ALEX_API int alex_delete_range(alex_table *table, const struct alex_range *range, uint64_t *out_deleted);

/**
 * The calls on tables by name, as a part of a write transaction: it alone sees what they do until its commit, and a
 * rollback takes it back. A table that the transaction has made is its own: its handle can be used in it, and ends with
 * it or with a rollback to before, unless it is committed; after the commit it is as any other. One that the
 * transaction has dropped can't be used in it any more, but for cursors that are open; and before the commit no other
 * thread may be about to use it, as of alex_table_drop(). alex_table_name() tells the name that others see. With
 * ALEX_DURABLE_ON_COMMIT the commit of such a transaction holds other writers up for its sync. Cost: a step for each
 * table made, renamed or dropped in the transaction before, and in the commit what the single calls say; of the list,
 * also what alex_txn_count() of each table costs.
 *
 * @return as the single calls; ALEX_INVALID in a transaction that only reads; of the list also as alex_txn_count()
 */
ALEX_API int alex_txn_table_open(alex_txn *txn, const char *name, const struct alex_table_options *options,
                                 alex_table **out_table);
ALEX_API int alex_txn_table_rename(alex_txn *txn, const char *name, const char *new_name);
ALEX_API int alex_txn_table_drop(alex_txn *txn, const char *name);
ALEX_API int alex_txn_table_list(alex_txn *txn, alex_table_visit_fn *visit, void *context);

/**
 * Marks the state of a write transaction, to go back to. Savepoints are nested, to any depth.
 *
 * @param out_savepoint  its number: one more than that of the last one there is, from 1 on; so the number of one that
 *                       has ended is given out again
 * @return ALEX_OK, ALEX_NO_MEMORY; as alex_txn_put()
 */
ALEX_API int alex_savepoint(alex_txn *txn, uint64_t *out_savepoint);

/** Takes back all that was done since a savepoint, tables made, renamed and dropped included, and ends the savepoints
 *  made after it; it stays itself. Cursors stay where they are, those in a table that was made since find nothing.
 *  Cost: a step a write that was read again since, and a table. @return ALEX_OK; ALEX_INVALID if there is none of that
 *  number */
ALEX_API int alex_rollback_to(alex_txn *txn, uint64_t savepoint);

/** Ends a savepoint, and those made after it; what was written since stays. @return as alex_rollback_to() */
ALEX_API int alex_release(alex_txn *txn, uint64_t savepoint);

/* ------------------------------------------------------------------------------------------------ verification */

/** What a finding is about. */
enum alex_finding_kind {
    ALEX_FINDING_FILE = 1,    /**< a file is missing, cut short, or no part of the log; or its header or the manifest is
                                   damaged */
    ALEX_FINDING_RECORDS = 2, /**< bytes that should be records and are none; whose they were can't be told */
    ALEX_FINDING_VALUE = 3,   /**< the value of one record; its key is known */
    ALEX_FINDING_BATCH = 4,   /**< records of a batch, load or transaction that is not whole, or call on a table */
    ALEX_FINDING_TABLE = 5,   /**< records of a table whose name or order of keys is lost */
    ALEX_FINDING_PADDING = 6, /**< bytes without meaning, which no read looks at */
    ALEX_FINDING_INDEX = 7,   /**< an entry of the index in memory that doesn't lead to its key's record */
};

/** One thing that a check found, or that a salvage left out. */
struct alex_finding {
    int code;            /**< enum alex_code: ALEX_DAMAGED mostly */
    const char *path;    /**< file, or the store's directory if it is in no file; until the visit returns */
    uint64_t offset;     /**< bytes from the file's beginning */
    const char *message; /**< one sentence; until the visit returns */
    enum alex_finding_kind kind;
    uint64_t bytes; /**< how many are concerned, from `offset` on; 0 if that can't be told */
};

/** What a check read. */
struct alex_check_report {
    uint64_t records;  /**< records read */
    uint64_t bytes;    /**< bytes of log read */
    uint64_t keys;     /**< keys whose current record was verified */
    uint64_t findings; /**< 0: everything is as it should be */
};

/**
 * Reads everything: every byte of the log, every record's checksums, every index entry against its record. A store that
 * is too damaged to be opened is checked with alex_salvage() and no target.
 *
 * @param visit  optional; called for each finding; returns 0 to go on, anything else to stop
 * @return ALEX_OK whether or not there are findings, what `visit` returned to stop, ALEX_NO_MEMORY, ALEX_IO
 */
ALEX_API int alex_check(alex_store *store, int (*visit)(void *context, const struct alex_finding *finding),
                        void *context, struct alex_check_report *out_report);

/** What a salvage kept, and what it left out. */
struct alex_salvage_report {
    uint64_t tables;           /**< in the target, "main" included */
    uint64_t keys;             /**< entries in all of them */
    uint64_t value_bytes;      /**< bytes of their values */
    uint64_t records;          /**< good records read, overwritten ones and the log's own included */
    uint64_t bytes;            /**< bytes of log that they take */
    uint64_t left_out_records; /**< records that were seen and could not be kept */
    uint64_t left_out_bytes;   /**< bytes of log that could not be kept, theirs included */
    uint64_t findings;         /**< 0: nothing is missing */
};

/**
 * Writes all that is provably good in a damaged store into a new one. Goes by the files alone and takes any damage: a
 * missing manifest, missing, shortened or mixed up files, changed bytes. What counts as good is in docs/FORMAT.md,
 * "Salvage". Of each key the newest good version is kept. Where records are lost, newer versions of keys may be among
 * them, and deletes: a finding of ALEX_FINDING_RECORDS, ALEX_FINDING_VALUE or ALEX_FINDING_FILE says where. A batch of
 * which records are lost may be kept in part (ALEX_FINDING_BATCH).
 *
 * The source is never written to. It is locked as by a read-only open. If the call fails, a target that it had begun to
 * write stays behind, incomplete.
 *
 * @param source      the damaged store's directory
 * @param target      nothing must be there; the store made there is durable when ALEX_OK is returned. NULL: write
 *                    nothing, only tell what would be left out, and what a check finds besides (ALEX_FINDING_PADDING)
 * @param visit       optional; called for each thing left out, before anything is written; returns 0 to go on, anything
 *                    else to stop
 * @param out_report  optional
 * @param out_error   optional; the detail of a failure
 * @return ALEX_OK whether or not anything was left out, what `visit` returned to stop, ALEX_EXISTS (something is at
 *         `target`), ALEX_NO_STORE and ALEX_NOT_A_STORE (at `source`), ALEX_LOCKED (someone has the source open to
 *         write), ALEX_NEWER_FORMAT, ALEX_INVALID, ALEX_NO_PERMISSION, ALEX_NO_SPACE, ALEX_NO_MEMORY, ALEX_IO (also
 *         where the disk can't read a part of the source: copy what it can read to another disk first). Cost: reads the
 *         source twice; memory as for opening it, and for the target's index
 */
ALEX_API int alex_salvage(const char *source, const char *target,
                          int (*visit)(void *context, const struct alex_finding *finding), void *context,
                          struct alex_salvage_report *out_report, struct alex_error *out_error);

#ifdef __cplusplus
}
#endif

#endif /* ALEXSTORAGE_H */
