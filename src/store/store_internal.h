/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store_internal.h
 * The state behind the public handles.
 *
 * Invariants:
 *  S1  A key is in its table's index if and only if its newest record that counts is a PUT, or a DELETE that an open
 *      snapshot may still need to see behind (a tombstone, queued in `held`).
 *  S2  An index entry's reference is set after its record is complete. Whatever can fail is done before the record is
 *      appended.
 *  S3  No number is published before all records up to it that count have their index entries and, with
 *      ALEX_DURABLE_ON_COMMIT, are durable.
 *  S4  While `hold` is set nothing is appended but by what holds: `reserved` by a reserved put, `writes` by a load or
 *      a write transaction. `writes` is empty while nobody holds and no batch is at work.
 *  S5  live_bytes of a segment is the sum over the index entries (without tombstones) and the tables' own records that
 *      lie in it.
 *  S6  What isn't atomic is read and changed with the writer's lock only, as between writer_begin() and writer_end(),
 *      but for: what never changes once the store or table is open; `writes` and what tables have of them (W6), by who
 *      holds, for what needs nothing of the log or the tables but to read; `commits`, by its own lock; `next_open`,
 *      `listed_open`, `lock_fd` and `kept_out`, by the process's; `generation`, by who writes the manifest, one at a
 *      time (log_internal.h). Opening and closing take no turn: nobody else uses the store then.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <stdatomic.h>

#include "mvcc/chain.h"
#include "mvcc/epoch.h"
#include "mvcc/mvcc.h"
#include "os/os.h"
#include "recovery/recovery.h"
#include "store/store.h"
#include "store/writes.h"

/** What a handle is; the first member of each. */
enum handle_kind {
    HANDLE_STORE = 0x53A1E5,
    HANDLE_TABLE,
    HANDLE_TXN,
    HANDLE_CURSOR,
    HANDLE_LOADER,
    HANDLE_ENDED,
};

struct handle {
    enum handle_kind kind;
    struct handle *next_ended; /**< debug builds keep ended handles, so that uses of them are recognised */
};

#ifdef ALEX_DEBUG
#define HANDLE_RECOGNISED(kind) true
#else
#define HANDLE_RECOGNISED(kind) ((kind) == HANDLE_TXN) /* whose memory stays the store's */
#endif

/** ALEX_OK, ALEX_INVALID for NULL, and ALEX_MISUSE for a handle that has ended or is of another kind: in debug builds,
 *  and for a transaction that hasn't begun anew. `object` begins with its struct handle. */
static inline int handle_check(const void *object, enum handle_kind kind)
{
    const struct handle *handle = object;
    if (BASE_UNLIKELY(handle == NULL)) {
        return ALEX_INVALID;
    }
    return !HANDLE_RECOGNISED(kind) || BASE_LIKELY(handle->kind == kind) ? ALEX_OK : ALEX_MISUSE;
}
/** Allocated behind a transaction or a cursor, which its thread changes: what comes next may be another thread's. */
#define HANDLE_APART_BYTES 128
/** Ends a handle and frees its memory (in debug builds: keeps it, marked). `handle` is what base_alloc() gave. */
void handle_end(struct handle *handle);
/** Ends a handle. @return its memory, for another one; NULL in debug builds */
void *handle_end_kept(struct handle *handle);

#define MAIN_TABLE_ID 1
#define MAIN_TABLE_NAME "main"

/** A name that a table has or had: kept until the table ends, as who asked for it may look at it until then. */
struct table_name {
    struct table_name *next;
    char text[];
};

/** The drop of a table by writes that aren't committed, which may be taken back; and that of one which such writes have
 *  made, taken back. */
#define TABLE_DROP_PENDING (UINT64_MAX - 1)
#define TABLE_NEVER_MADE 1

struct alex_table {
    struct handle handle;
    alex_store *store;
    uint32_t id;
    enum alex_key_order order;
    uint64_t key_flip; /**< index key = key ^ key_flip */
    _Atomic(const char *) name;
    struct index *index;
    _Atomic uint64_t drop_number; /**< number of its DROP's COMMIT; 0 while it is not dropped; or one of the above */
    char apart[128];              /**< readers look at the above, and each write changes what follows */
    _Atomic uint64_t keys;        /**< entries that are no tombstones */
    uint64_t live_bytes;
    _Atomic uint64_t last_change; /**< number of the newest record of the table, or a greater one */
    size_t part;                  /**< of the store's `writes`, counted from 1; 0: nothing was written yet */
    const char *pending_name;     /**< that writes which aren't committed give it; NULL: none */
    bool is_pending;              /**< made by such writes, and in no catalog */
    struct table_name *names;
    uint64_t ref;      /**< of its TABLE record; 0 for the main table, and where it is lost */
    uint64_t name_ref; /**< of its last RENAME; 0: none */
    uint64_t ticket;   /**< of epoch_ticket(), once no snapshot needs the dropped table; 0: none yet */
    struct alex_table *next_by_name;
    struct alex_table *next_by_id;
    struct alex_table *next_dropped;
    char apart_behind[128];
};

static inline const char *table_name(const struct alex_table *table)
{
    return atomic_load_explicit(&table->name, memory_order_acquire);
}

static inline uint64_t table_drop_number(const struct alex_table *table)
{
    return atomic_load_explicit(&table->drop_number, memory_order_acquire);
}

/** Whether a snapshot of this number sees the table, or a write transaction, whose number is UINT64_MAX. One load
 *  decides, as a drop may be taken back at any time. */
static inline bool table_is_seen(const struct alex_table *table, uint64_t number)
{
    return table_drop_number(table) - 1 >= number; /* 0 wraps around */
}

/** The key that stands in the table's index for a user's key: unsigned, in the table's order. */
static inline uint64_t table_index_key(const struct alex_table *table, int64_t key)
{
    return (uint64_t)key ^ table->key_flip;
}

/** The user's key behind a key of the table's index. */
static inline int64_t table_user_key(const struct alex_table *table, uint64_t index_key)
{
    return (int64_t)(index_key ^ table->key_flip);
}

/** The tables that are not dropped, found by name and by id. */
struct catalog {
    struct alex_table **by_name;
    struct alex_table **by_id;
    size_t bucket_count; /**< a power of two; 0 before the first table */
    size_t count;
};

/** An entry of an index that goes once no snapshot is older than `number`: a tombstone, or a shortcut. */
struct held_entry {
    struct alex_table *table; /**< NULL: a shortcut */
    uint64_t index_key;       /**< of a tombstone */
    uint64_t number;
    uint64_t ref; /**< the tombstone, or the record that has the shortcut */
};

/** Such entries, in the order of their numbers. */
struct held_queue {
    struct held_entry *items;
    size_t first;
    size_t count; /**< behind `first` */
    size_t capacity;
};

/** Records that are to get shortcuts once it can be told which versions snapshots see. */
#define CROSSINGS_MAX 32
struct crossing {
    uint64_t key;
    uint64_t ref; /**< 0: none */
    uint32_t table;
};

/** What a write has changed of a key. */
struct change {
    struct alex_table *table;
    uint64_t index_key;
    uint64_t previous; /**< what the index had; 0: nothing */
    uint64_t ref;      /**< what it has now */
};

/** A write that is in the index and waits for a sync; its thread's. All zero: none. */
struct commit {
    struct commit *older;
    struct change *changes;
    size_t count;
    uint64_t number; /**< of its last record; 0: there is nothing to wait for */
};

/** The writes that wait for a sync. Guarded by `lock`; its members are those of their threads. */
struct commit_queue {
    bool shares; /**< never changes: whether writes wait, with ALEX_DURABLE_ON_COMMIT */
    struct os_mutex *lock;
    struct os_condition *ended[2];   /**< sync n has ended: of n % 2 */
    struct os_condition *next_leads; /**< as well; for the thread that leads the next one */
    struct commit *newest;
    bool leads;              /**< a thread is making a sync */
    bool has_next;           /**< a thread waits that will lead the next one */
    uint64_t syncs;          /**< that have begun */
    uint64_t covered;        /**< the last number that the last of these covers */
    int failed;              /**< the code of the sync that failed; ALEX_OK */
    struct alex_error error; /**< of that */
};

/** What a thread has the store's writes for itself for, beyond its calls. */
enum hold {
    HOLD_NONE,
    HOLD_PUT,
    HOLD_LOAD,
    HOLD_TXN,
};

struct alex_store {
    struct handle handle;
    uint64_t serial; /**< tells it from every other store that this process has opened */
    char *path;
    struct alex_options options;  /**< as opened, but for `error`: this store's own */
    struct alex_error error;      /**< of the writer; while the store is opened, of that */
    struct os_mutex *lock;        /**< of the writer */
    _Atomic(const char *) writer; /**< a thread that has the lock; NULL: none */
    _Atomic uint32_t waiting;     /**< writers that wait for the lock */
    atomic_bool reclaim_due;      /**< a snapshot has ended since the last txn_reclaim() */
    atomic_bool reclaim_rest;     /**< which has left something for the next one */
    bool kept_out;                /**< writers are, for a fork */
    struct alex_open_report report;

    struct os_identity identity; /**< of the directory, in the process's list of open stores */
    struct alex_store *next_open;
    bool listed_open;
    int lock_fd;
    uint64_t forks; /**< os_forks() when it was opened: another number in a forked child */

    uint8_t store_id[RECORD_STORE_ID_BYTES];
    uint32_t segment_shift;
    uint64_t generation; /**< of the manifest written last */
    _Atomic uint32_t next_table_id;

    struct log *log;
    bool catches_faults; /**< options.catch_sigbus, beside what each read looks at */
    struct index_pool *pool;
    struct index *shortcuts; /**< of records in the log; see mvcc/chain.h */
    struct mvcc mvcc;
    struct commit_queue commits;
    struct catalog catalog;
    struct alex_table *main;
    struct alex_table *dropped; /**< tables that open snapshots may still read */
    bool table_waits;           /**< one of these waits for a ticket, or for sections to end */
    struct crossing crossings[CROSSINGS_MAX];
    uint32_t next_crossing;
    struct held_queue held;
    char apart[128];            /**< each end of a snapshot loads the next; what is before and after, writes change */
    _Atomic uint64_t held_from; /**< the least number that keeps something in memory, which goes once no snapshot is
                                     older: of `held` and `dropped`; UINT64_MAX: none does */
    char apart_too[128];
    uint64_t old_snapshot_due; /**< from this number on a snapshot may be too old; UINT64_MAX: nobody is told */

    _Atomic uint64_t entering; /**< odd while index entries are there whose records may not come to count */
    enum hold hold;
    _Atomic(const char *) holder;  /**< the thread that holds; NULL: none */
    struct os_condition *released; /**< nobody holds any more */
    uint32_t awaiting;             /**< threads that wait for that */
    uint32_t overtaken;            /**< how often another has held since one of them was let through */
    struct writes writes;
    void *kept_txn;              /**< memory from base_alloc() for the next write transaction; NULL: none */
    uint32_t open_loaders;       /**< not closed, ended ones among them */
    struct alex_table *reserved; /**< the table with a reserved put */
    struct log_claim claim;      /**< of that put */
    struct index_position position;
};

struct alex_txn {
    struct handle handle;
    alex_store *store;
    struct mvcc_snapshot snapshot; /**< of one that writes: of everything, without a slot */
    uint64_t open_cursors;
    bool is_write;    /**< it holds the store's writes */
    uint64_t changes; /**< that it has made, so that its cursors look again */
};

/* lock.c */
/** Sees to it that a forked child finds no index in the middle of a change, and can be told. Before a store is opened.
 */
int lock_watch_forks(struct alex_error *error);
/** Locks the store's directory: against this process's other stores, and against other processes. */
int lock_take(alex_store *store, struct alex_error *error);
void lock_release(alex_store *store);

/* open.c */
/** Makes what a manifest asks for before the log is read: the log without segments, the indexes' memory, the table
 *  "main". */
int open_prepare(alex_store *store, const struct manifest *manifest);
/** Opens a store that `load_files` reads. @param exists  whether there is one */
int open_loaded(const char *path, const struct alex_options *options,
                int (*load_files)(void *context, alex_store *store, bool exists), void *context,
                alex_store **out_store);

/* catalog.c */
struct alex_table *catalog_find_name(const struct catalog *catalog, const char *name);
struct alex_table *catalog_find_id(const struct catalog *catalog, uint32_t id);
/** Makes room for `count` more tables, so that catalog_add() can't fail. */
int catalog_reserve(struct catalog *catalog, size_t count);
void catalog_add(struct catalog *catalog, struct alex_table *table);
void catalog_remove(struct catalog *catalog, struct alex_table *table);
/** Gives a table of the catalog another name, from table_name_create(), which it takes over. */
void catalog_rename(struct catalog *catalog, struct alex_table *table, struct table_name *name);
/** A name for catalog_rename(), or for base_free(). @return NULL: no memory */
struct table_name *table_name_create(const char *text, size_t length);
/** Makes a table that is in no catalog yet. */
int table_create(alex_store *store, uint32_t id, const char *name, size_t name_length, enum alex_key_order order,
                 struct alex_table **out_table);
void table_destroy(struct alex_table *table);
/** Frees the names that a table has had but the one that it has: nobody has asked for them yet. */
void table_forget_names(struct alex_table *table);

/* table.c */
/** What table_check() says where more is to be looked at. */
int table_refuse(struct alex_table *table);
/** ALEX_OK, or why a table's handle is refused: NULL, ended, dropped, and the drop published. */
static inline int table_check(struct alex_table *table)
{
    bool good = handle_check(table, HANDLE_TABLE) == ALEX_OK && table_drop_number(table) == 0;
    return BASE_LIKELY(good) ? ALEX_OK : table_refuse(table);
}
/** Counts the record of a table's new name, in place of the last one's. */
void table_account_name(struct alex_table *table, uint64_t ref);
/** Takes a table with all its entries out of the accounts and the catalog, and ends it once no snapshot needs it. */
void table_drop(alex_store *store, struct alex_table *table, uint64_t number);
/** Ends dropped tables that no open snapshot is older than. Their tombstones, of smaller numbers, have gone before. */
void table_reclaim(alex_store *store, uint64_t oldest);

/* version.c */
/** Notes that records up to `number` change a table: before the first of their index entries is there. */
static inline void version_change(struct alex_table *table, uint64_t number)
{
    atomic_store_explicit(&table->last_change, number, memory_order_release);
    BASE_INTERRUPTIBLE();
}
/** Gives a key its new record in the accounts: `ref` (0: none) in place of `previous` (0: none). Tombstones count for
 *  nothing. */
void version_account(struct alex_table *table, uint64_t previous, uint64_t ref);
/** Carries out a delete whose record is appended: the entry becomes a tombstone. `position` is the key's, which is
 *  there. */
void version_delete(struct alex_table *table, const struct index_position *position, uint64_t ref, uint64_t number);
/** Makes room for `count` more held entries, so that version_hold_back() can't fail. */
int version_reserve(alex_store *store, size_t count);
/** Queues a tombstone until no snapshot can be open any more that is older. */
void version_hold_back(struct alex_table *table, uint64_t index_key, uint64_t ref, uint64_t number);
/** version_shorten() of a crossing. */
void version_shorten_crossing(struct alex_table *table, uint64_t index_key, uint64_t ref);
/** Keeps the way of older snapshots short past a record that was overwritten or deleted (0: there was none). After
 *  that, and after version_hold_back() of all that was reserved for. */
static inline void version_shorten(struct alex_table *table, uint64_t index_key, uint64_t ref)
{
    if (ref != 0 && BASE_UNLIKELY(mvcc_is_crossing(ref))) {
        version_shorten_crossing(table, index_key, ref);
    }
}
/** Takes entries out of the indexes that no open snapshot is older than: `*left` at most, which it counts down.
 *  @return whether all are out */
bool version_reclaim(alex_store *store, uint64_t oldest, size_t *left);
/** Finds held_from anew, after a change of what is held. @return whether it is another number, and something is held:
 *  who ends a snapshot at this moment may go by the number of before */
bool version_find_held_from(alex_store *store);
/** Takes back what a write that was never published has changed of a key, after all that came later. */
void version_take_back(const struct change *change);
/** Forgets what was held for writes that were never published, after these were taken back. */
void version_forget_unpublished(alex_store *store);

/* replay_target.c */
/** Where replay puts what it reads: the store's tables. `context` is the store. */
extern const struct replay_target store_replay_target;
/** Its steps, for a salvage to take. A record without `table` counts for nothing. */
int replay_enter(alex_store *store, struct alex_table *table, uint64_t key, uint64_t ref);
void replay_withdraw(struct alex_table *table, uint64_t key);
int replay_make_table(alex_store *store, uint32_t id, const char *name, size_t name_length, enum alex_key_order order,
                      struct alex_table **out_table);
/** Copies the name of a TABLE or RENAME, before anything else: it is read from a file that may fail. Where the name has
 *  a zero byte, the copy is shorter than it. */
void replay_copy_name(const struct record *record, char out_name[ALEX_TABLE_NAME_MAX + 1]);
/** Gives a table of the catalog a name, in place of the one that it had. @return ALEX_OK, ALEX_NO_MEMORY */
int replay_name_table(alex_store *store, struct alex_table *table, const char *name, size_t length);
void replay_end_table(alex_store *store, struct alex_table *table, uint64_t number);
/** Fills the store's error for running out of memory. @return ALEX_NO_MEMORY */
int replay_no_memory(alex_store *store);

/* writer.c */
/** Has the store's next writers wait, without waiting for the one at work: called with the process's lock. This thread,
 *  if it is that one, is within a visit of alex_check(), and changes nothing. @return false: another one is at work */
bool writer_keep_out(alex_store *store);
/** Ends that, if it was so. */
void writer_let_in(alex_store *store);
/** Waits, in the writer's turn, until nobody holds the store's writes: until os_clock_ns() reaches `until_ns`
 *  (UINT64_MAX: for ever). @return ALEX_OK; ALEX_BUSY if this thread holds them itself, or it took too long */
int writer_await(alex_store *store, uint64_t until_ns);
/** writer_begin() and writer_await(), for whoever appends. */
int writer_begin_write(alex_store *store);
/** Keeps all others from writing until writer_release(), beyond the turn. */
void writer_hold(alex_store *store, enum hold hold);
/** Makes the calling thread the one that holds: what holds may have moved there. Needs no turn. */
void writer_keep_hold(alex_store *store);
void writer_release(alex_store *store);
/** Has what an ended snapshot held back taken away: now as long as no writer comes, else by writers, in steps. */
void writer_reclaim_soon(alex_store *store);

/* commit.c */
int commit_init(alex_store *store);
void commit_release(alex_store *store);
/** Ends a single write's way into the log before it goes into the index, in place of log_settle(): it can be read, and
 *  unless it is to wait for a sync it is as durable as it should be. */
int commit_settle(alex_store *store);
/** Publishes a write that is in the index, now or, where writes share their syncs, in commit_end(): until then `commit`
 *  and its changes stay where they are. */
void commit_enter(alex_store *store, struct commit *commit, uint64_t number);
/** Lets commit_end() wait for what others have written: a result that depends on it. */
void commit_follow(alex_store *store, struct commit *commit);
/** writer_end(), and then waits until the write is durable and published. @return `result`, or why it was taken back */
int commit_end(alex_store *store, const struct commit *commit, int result);
/** Whether a write of any thread waits for its sync. The writer's. */
bool commit_waits(alex_store *store);
/** Publishes all up to a write that is durable, and is made in the writer's turn as a whole. */
void commit_publish(alex_store *store, uint64_t number);

/* txn.c */
/** Whether a snapshot has grown too old. The writer's. @param out_old  what there is to tell of it */
bool txn_watch(alex_store *store, struct alex_old_snapshot *out_old);
/** What is seen in a transaction. */
static inline struct mvcc_view txn_view(const alex_txn *txn)
{
    return (struct mvcc_view){txn->snapshot.number, txn->store->shortcuts};
}
/** Takes away what no open snapshot needs any more: held entries and dropped tables. Does nothing while a put is
 *  reserved: the place that it has in an index allows no other change there. Whoever ends the reservation calls it
 *  again. The writer's. @param entries_max  to take away now; the rest is left to the next call */
void txn_reclaim(alex_store *store, size_t entries_max);
/** Held entries that a write takes away for others, beside its own. */
#define RECLAIM_STEP 64
/** What is refused while a cursor is open. @return ALEX_BUSY */
int txn_refuse_open_cursor(const alex_store *store);
/** The entry of a key in the table's index, or what the transaction itself has written; 0: none.
 *  @param readable  as of writes_settle() @return ALEX_OK; of one that writes also as that and overlay_find() */
int txn_find(const alex_txn *txn, alex_table *table, uint64_t index_key, bool readable, uint64_t *out_ref);
/** What txn_check() says of what it refuses. */
int txn_refuse(alex_txn *txn, const alex_table *table);
/** Checks a transaction and a table to read in it: one that was dropped can be read if that came later. */
static inline int txn_check(alex_txn *txn, const alex_table *table)
{
    bool good = handle_check(txn, HANDLE_TXN) == ALEX_OK && handle_check(table, HANDLE_TABLE) == ALEX_OK &&
                table->store == txn->store && table_is_seen(table, txn->snapshot.number);
    return BASE_LIKELY(good) ? ALEX_OK : txn_refuse(txn, table);
}

/* write_txn.c */
/** txn_check() for a write, by a transaction that writes; the calling thread is its own from then on. */
int write_txn_check(alex_txn *txn, const alex_table *table);
/** Takes the writer's turn for a write transaction, which the calling thread's is from then on. @return ALEX_OK; as of
 *  write_txn_check() and writer_begin() */
int write_txn_take_turn(alex_txn *txn);
/** Ends a write transaction without effect. */
int write_txn_end(alex_txn *txn);

/* read.c */
/** Records on their way at most where many are read, the one at hand included. */
#define FETCH_AHEAD 12
/** How many of them are asked for together: see log_prefetch(). */
#define FETCH_TOGETHER 4
/** Fills the store's error for a damaged record. @return ALEX_DAMAGED */
int read_damaged(alex_store *store, const struct alex_table *table, int64_t key, uint64_t ref);
/** read_visible() where the newest record is not simply the one, or the store catches faults. */
int read_version(struct alex_table *table, struct mvcc_view view, int64_t key, uint64_t ref,
                 struct log_value *out_value);
/** The value that a view sees of a key whose index entry is `ref`. Without a snapshot, within a section. @return
 *  ALEX_OK, ALEX_NOT_FOUND, ALEX_DAMAGED, ALEX_IO */
static inline int read_visible(struct alex_table *table, struct mvcc_view view, int64_t key, uint64_t ref,
                               struct log_value *out_value)
{
    const alex_store *store = table->store;
    if (BASE_LIKELY(!store->catches_faults) &&
        BASE_LIKELY(log_fetch_put(store->log, ref, table->id, (uint64_t)key, out_value)) &&
        BASE_LIKELY(out_value->number <= view.number)) {
        return ALEX_OK;
    }
    return read_version(table, view, key, ref, out_value);
}
static inline struct alex_slice read_slice(const struct log_value *value)
{
    return (struct alex_slice){value->data, value->bytes};
}

/* write.c */
/** Whether the store takes a write now; if not, the store's error says why. */
int write_allowed(alex_store *store);
/** writer_begin() and writer_begin_write() by the handle of a table, which may have been dropped. */
int table_begin(struct alex_table *table);
int table_begin_write(struct alex_table *table);
/** Checks a value; `value` may be NULL only if it is empty. Needs no turn. */
int write_value_check(alex_store *store, const void *value, size_t size);
/** A write of one key, which commit_end() ends. */
struct write_one {
    struct commit commit;
    struct change change;
    uint64_t number; /**< of its record, once it is entered, */
    bool replaces;   /**< and then: a value */
};
/** Puts a value, or deletes the key, in the writer's turn. */
int write_put(struct write_one *one, struct alex_table *table, int64_t key, const void *value, size_t size,
              bool if_absent);
int write_delete(struct write_one *one, struct alex_table *table, int64_t key);
/** Whether a record may take from the space that is kept back for a full disk. */
static inline bool write_frees_space(const struct record *record)
{
    return record->kind == RECORD_DELETE || record->kind == RECORD_DROP;
}
/** Claims, fills and appends one record of a key or table. */
int write_append(struct alex_table *table, struct record *record, const void *value, size_t size, uint64_t *out_ref);

/* sort.c */
/** Sorts by key, keeping the order of equal keys. `scratch` has room for `count` entries. */
void sort_entries(struct index_entry *entries, size_t count, struct index_entry *scratch);
/** Does that, and keeps the last of each key. @return how many are kept */
size_t sort_keeping_last(struct index_entry *entries, size_t count, struct index_entry *scratch);

#endif /* STORE_INTERNAL_H */
