/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mvcc.pml: a model of publication and of snapshots, for Spin. See mvcc.h.
 *
 * One key is put and deleted by a writer, one record after the other. Threads open snapshots, get the key, renew, get,
 * close; or they do without a snapshot. Meanwhile the writer takes away what no snapshot needs. What memory lets them
 * see is in orders.pml.
 *
 * A write is published at once, or, where writes share their syncs (src/store/commit.c), by the thread that leads the
 * next sync, while others go on writing; or that sync fails, and what waits is taken back. Who writes has the writer's
 * lock, so that one process stands for all threads that do, and one for all that lead a sync.
 *
 * Claims:
 *
 *  - a snapshot always sees what was the key's newest record at its number, and a get without one, or alex_exists(),
 *    what was so at a moment within the call;
 *  - what a snapshot has read comes, by happens-before, before what it needed for that is taken away;
 *  - a record is complete when an index entry leads there; no number is published before it is synced, where it has to;
 *  - a tombstone is in the index only while it is queued (S1 of store_internal.h).
 *
 * Modelled, statement by statement but for what is left out, with these memory orders:
 *
 *   src/mvcc/mvcc.h: mvcc_publish              release
 *   src/mvcc/mvcc.h: mvcc_published            acquire
 *   src/mvcc/mvcc.c: take_slot                 relaxed relaxed seq_cst seq_cst seq_cst
 *   src/mvcc/mvcc.c: settle                    seq_cst relaxed release
 *   src/mvcc/mvcc.c: mvcc_open                 acquire acquire
 *   src/mvcc/mvcc.c: mvcc_renew                seq_cst
 *   src/mvcc/mvcc.c: mvcc_close                relaxed seq_cst
 *   src/mvcc/mvcc.c: visit_slots               acquire acquire acquire
 *   src/mvcc/mvcc.c: mvcc_look                 seq_cst
 *   src/mvcc/chain.c: mvcc_walk                -
 *   src/store/read.c: get                      -
 *   src/store/read.c: exists                   acquire
 *   src/store/store_internal.h: version_change  release
 *   src/store/write.c: enter                   -
 *   src/store/write.c: forget                  -
 *   src/store/version.c: version_delete        -
 *   src/store/version.c: version_reclaim       -
 *   src/store/version.c: release               -
 *   src/store/version.c: version_take_back     -
 *   src/store/version.c: version_forget_unpublished  -
 *   src/store/txn.c: txn_reclaim               seq_cst relaxed
 *   src/store/commit.c: publish                -
 *   src/store/commit.c: commit_enter           -
 *   src/store/commit.c: lead                   -
 *   src/store/commit.c: take_back              -
 *
 * The exchange that takes a slot or begins a renewal, and the load of what is published that follows, are sequentially
 * consistent. Where it matters here, that gives what a fence between them gives, which the model has (NO_SETTLE_FENCE
 * takes it away).
 *
 * The index is one atomic entry here, stored with release and loaded with acquire, as index_set() does and index_find()
 * comes to; node.pml has what is behind these. Left out: further blocks of slots; batches, whose entries are those of
 * several keys; who calls txn_reclaim() once a snapshot ends: the writer does so here at any time or not at all.
 *
 * Of lead() and take_back() there is what they publish and take back. Left out is who leads, waits and is woken (leads,
 * syncs, covered, wait()), and what a leader answers whose sync has failed but whose write another has published since.
 * Left out, too: commit_publish(), by which loads and the like publish what waits, after a sync in the writer's turn;
 * commit_follow(), by which an answer waits for the newest write of before; and what get() and exists() do after many
 * newer records of a key (LONE_RECORDS): they begin anew, as a later call would.
 *
 * Bound: RECORDS records, the first of which is a put that is there; READERS threads, READS snapshots or gets each.
 */

#ifndef RECORDS
#define RECORDS 3
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef READS
#define READS 1
#endif
#ifndef RENEWALS
#define RENEWALS 1
#endif

/* Mistakes, each of which Spin has to find: -DPLANT=NAME. */
#define NO_SETTLE_FENCE 1      /* a snapshot settles without sequential consistency */
#define NO_OLDEST_FENCE 2      /* the writer looks at the slots without a fence */
#define NO_RELOAD 3            /* a snapshot sees what was published when it was announced */
#define LATE_ANNOUNCE 4        /* a slot that is taken says nothing yet */
#define LATE_PUBLISHED 5       /* the writer loads what is published after its look at the slots */
#define EARLY_PUBLISH 6        /* a number is published before its index entry is there */
#define RELAXED_PUBLISH 7      /* publication releases nothing */
#define RELAXED_PUBLISHED 8    /* what is published is loaded without acquire */
#define RELAXED_ENTRY 9        /* an index entry is stored without release */
#define RELAXED_TAKE 10        /* a slot is taken without acquire */
#define RELAXED_SETTLE 11      /* a renewed snapshot's slot is stored without release */
#define RELAXED_CLOSE 12       /* a slot is emptied without release */
#define RELAXED_OLDEST 13      /* the slots are looked at without acquire */
#define NO_USED 14             /* slots in use are not marked */
#define NO_SNAPSHOTS 15        /* a tombstone goes once it is published */
#define UNPUBLISHED_GONE 16    /* a tombstone goes that no open snapshot needs, but that is not published */
#define PUBLISH_TOO_FAR 17     /* a sync counts for what came after it had begun */
#define KEEP_TAKEN_BACK 18     /* a tombstone that has gone is there again after a failed sync */
#define RELAXED_USED 19        /* a slot already marked as in use is told so without acquire */
#define LATE_CHANGE 20         /* a table's last change is noted after its index entry is there */
#define EARLY_CHANGED 21       /* it is loaded before the entry */

#define WRITER READERS
#define LEADER (READERS + 1)
#define THREADS (READERS + 2)

#define PUBLISHED 0
#define ENTRY 1 /* the number of the record that the index leads to; 0: none */
#define LAST_CHANGE 2
#define USED 3
#define SLOT(slot) (4 + (slot))
#define SLOTS 2
#define LOCATIONS (4 + SLOTS)
#define STORES ((3 + RENEWALS) * READS * READERS + 2 * RECORDS)

#include "orders.pml"

/* A mutex hands on the view of whom it was given up by. */
#define WRITER_LOCK 0
#define QUEUE_LOCK 1
#define LOCK_VIEW(mutex, who) lock_view[(mutex) * THREADS + (who)]
bool locked[2];
byte lock_view[2 * THREADS];

inline lock(me, mutex)
{
    atomic {
        !locked[mutex];
        d_step {
            locked[mutex] = true;
            for (who : 0 .. THREADS - 1) {
                KNOWN(me, who) = (LOCK_VIEW(mutex, who) > KNOWN(me, who) -> LOCK_VIEW(mutex, who) : KNOWN(me, who))
            };
            who = 0
        }
    }
}

inline unlock(me, mutex)
{
    d_step {
        locked[mutex] = false;
        for (who : 0 .. THREADS - 1) {
            LOCK_VIEW(mutex, who) = KNOWN(me, who)
        };
        who = 0
    }
}

/* Records, by number. */
byte last = 1;                  /* the newest */
bool deletes[RECORDS + 1];      /* it is a DELETE */
byte previous[RECORDS + 1];     /* record of the key; 0: none */
byte completed[RECORDS + 1];    /* the event with which the writer completed it */

/* What the writer's lock and the queue's guard. */
byte held_back;                 /* the tombstones that are queued, a bit each */
byte taken_out;                 /* the newest commit that is not queued any more */
byte entered;                   /* the newest commit that was queued */

bool shares;                    /* writes share their syncs */
byte begun;                     /* readers that have taken their first step */
byte synced = 1;                /* the newest record that is durable */
bool sync_failed;

byte used_at[(RECORDS + 1) * READERS]; /* the event with which a thread last got the key, by its snapshot's number */

#define is_held_back(number) ((held_back & (1 << (number))) != 0)
#define hold_back(number) held_back = held_back | (1 << (number))
#define let_go(number) held_back = held_back & (255 - (1 << (number)))

/* What is there at a number: that of a put, or 0. */
#define there_at(number) (deletes[number] -> 0 : (number))

/* ---- what readers do */

/* mvcc_walk(): from the record that the index leads to, to the one that is seen, or to none. */
inline walk(me)
{
    d_step {
        do
        :: ref == 0 -> break
        :: else ->
            assert(completed[ref] <= KNOWN(me, WRITER));
            if
            :: ref <= snapshot ->
                ref = there_at(ref);
                break
            :: else -> ref = previous[ref]
            fi
        od;
        skip
    }
}

inline settle(me)
{
#if PLANT != NO_SETTLE_FENCE
    fence(me);
#endif
    atomic {
#if PLANT != NO_RELOAD
        load(me, PUBLISHED, snapshot, weaken(RELAXED_PUBLISHED, ACQUIRE));
#endif
        store(me, SLOT(slot), snapshot + 1, weaken(RELAXED_SETTLE, RELEASE))
    }
}

inline take_slot(me, number)
{
    if
    :: NEWEST(SLOT(0)) == 0 -> slot = 0
    :: NEWEST(SLOT(1)) == 0 -> slot = 1
    fi;
    exchange(me, SLOT(slot), found, number, weaken(RELAXED_TAKE, ACQUIRE), RELEASE)
}

inline raise_used(me)
{
    load(me, USED, found, weaken(RELAXED_USED, ACQUIRE));
    do
    :: found <= slot ->
        before = found;
        compare_exchange(me, USED, before, slot + 1, found, ACQUIRE, RELEASE);
        if
        :: found == before -> break
        :: else
        fi
    :: else -> break
    od;
    found = 0;
    before = 0
}

inline mvcc_open(me)
{
    atomic {
        begun = (begun == me -> begun + 1 : begun);
        load(me, PUBLISHED, snapshot, weaken(RELAXED_PUBLISHED, ACQUIRE));
        take_slot(me, (PLANT == LATE_ANNOUNCE -> RECORDS + 1 : snapshot + 1))
    };
#if PLANT != NO_USED
    atomic {
        raise_used(me)
    };
#endif
    settle(me)
}

inline mvcc_close(me)
{
    store(me, SLOT(slot), 0, weaken(RELAXED_CLOSE, RELEASE))
}

/* A get in a transaction. */
inline get_in_snapshot(me)
{
    load(me, ENTRY, ref, ACQUIRE);
    walk(me);
    d_step {
        assert(ref == there_at(snapshot));
        KNOWN(me, me)++;
        used_at[snapshot * READERS + me] = KNOWN(me, me);
        ref = 0
    }
}

/* A get without one. */
inline get(me)
{
    load(me, PUBLISHED, snapshot, weaken(RELAXED_PUBLISHED, ACQUIRE));
    load(me, ENTRY, ref, ACQUIRE);
    walk(me);
    d_step {
        do
        :: ref == there_at(snapshot) -> break
        :: else ->
            snapshot++;
            assert(snapshot <= NEWEST(PUBLISHED))
        od;
        ref = 0
    }
}

inline exists(me)
{
    load(me, PUBLISHED, snapshot, ACQUIRE);
#if PLANT == EARLY_CHANGED
    load(me, LAST_CHANGE, found, ACQUIRE);
#endif
    load(me, ENTRY, ref, ACQUIRE);
#if PLANT != EARLY_CHANGED
    load(me, LAST_CHANGE, found, ACQUIRE);
#endif
    if
    :: found <= snapshot || ref == 0 -> ref = there_at(ref)
    :: else -> walk(me)
    fi;
    d_step {
        do
        :: (ref != 0) == (there_at(snapshot) != 0) -> break
        :: else ->
            snapshot++;
            assert(snapshot <= NEWEST(PUBLISHED))
        od;
        ref = 0;
        found = 0
    }
}

proctype reader(byte me)
{
    byte reads;
    byte snapshot;
    byte slot;
    byte ref;
    byte found;
    byte before;
    byte renewals;

    /* As they are all alike, they begin one after the other. */
    me == 0 || begun >= me;
    do
    :: reads < READS ->
        if
        :: mvcc_open(me);
            do
            :: atomic {
                    renewals < RENEWALS;
                    get_in_snapshot(me);
                    renewals++
                };
                settle(me) /* mvcc_renew() */
            :: true -> break
            od;
            atomic {
                get_in_snapshot(me);
                mvcc_close(me);
                snapshot = 0;
                slot = 0;
                renewals = 0;
                reads++
            }
        :: atomic {
                begun = (begun == me -> begun + 1 : begun);
                if
                :: get(me)
                :: exists(me)
                fi;
                snapshot = 0;
                reads++
            }
        fi
    :: else -> break
    od
}

/* ---- what the writer does, with its lock */

/* Takes the entry out, after the last read of each snapshot that needs the tombstone. */
inline index_remove(tombstone)
{
    d_step {
        for (who : 0 .. READERS * (tombstone) - 1) {
            assert(used_at[who] <= KNOWN(WRITER, who % READERS))
        };
        who = 0
    };
    store(WRITER, ENTRY, 0, RELEASE)
}

/* mvcc_oldest() up to its fence, */
inline oldest_begin()
{
    load(WRITER, PUBLISHED, oldest, ACQUIRE);
#if PLANT != NO_OLDEST_FENCE
    fence(WRITER)
#endif
}

/* and from there on. */
inline oldest_end()
{
#if PLANT == UNPUBLISHED_GONE
    oldest = last;
#elif PLANT == LATE_PUBLISHED
    oldest = RECORDS;
#endif
    load(WRITER, USED, used, ACQUIRE);
    do
    :: slot < used ->
        load(WRITER, SLOT(slot), found, weaken(RELAXED_OLDEST, ACQUIRE));
        oldest = (PLANT != NO_SNAPSHOTS && found != 0 && found - 1 < oldest -> found - 1 : oldest);
        slot++
    :: else -> break
    od;
#if PLANT == LATE_PUBLISHED
    load(WRITER, PUBLISHED, found, ACQUIRE);
    oldest = (found < oldest -> found : oldest);
#endif
    slot = 0;
    used = 0;
    found = 0
}

inline version_reclaim()
{
    number = 1;
    do
    :: number <= oldest ->
        if
        :: is_held_back(number) && NEWEST(ENTRY) == number -> index_remove(number)
        :: else
        fi;
        let_go(number);
        number++
    :: else -> break
    od;
    number = 0;
    oldest = 0
}

inline mvcc_publish(me, number)
{
    assert(!shares || number <= synced);
    store(me, PUBLISHED, number, weaken(RELAXED_PUBLISH, RELEASE))
}

inline commit_enter(me, number)
{
    if
    :: shares ->
        lock(me, QUEUE_LOCK);
        entered = number;
        unlock(me, QUEUE_LOCK)
    :: else -> mvcc_publish(me, number)
    fi
}

inline append_record(is_delete)
{
    previous[last + 1] = NEWEST(ENTRY);
    deletes[last + 1] = is_delete;
    KNOWN(WRITER, WRITER)++;
    completed[last + 1] = KNOWN(WRITER, WRITER);
    last++
}

/* enter(), or version_delete() */
inline enter(number)
{
#if PLANT != LATE_CHANGE
    store(WRITER, LAST_CHANGE, number, RELEASE);
#endif
    store(WRITER, ENTRY, number, weaken(RELAXED_ENTRY, RELEASE));
#if PLANT == LATE_CHANGE
    store(WRITER, LAST_CHANGE, number, RELEASE)
#endif
}

#if PLANT == EARLY_PUBLISH
#define enter_begin commit_enter(WRITER, last)
#define enter_end enter(last)
#else
#define enter_begin enter(last)
#define enter_end commit_enter(WRITER, last)
#endif

/* What the turn is about: what is still to be done of it. */
#define NOTHING 0
#define ENTER 1       /* put() or delete_key(), whose record is appended */
#define FORGET 2      /* forget(), which has not looked at the slots yet */
#define FORGET_LOOK 3 /* which has begun to */
#define RECLAIM 4     /* txn_reclaim() */
#define RECLAIM_LOOK 5

/* Gives the turn up. */
inline writer_end()
{
    assert(!deletes[NEWEST(ENTRY)] || is_held_back(NEWEST(ENTRY)));
    unlock(WRITER, WRITER_LOCK);
    turn = NOTHING
}

/* Looks at the slots once for each tombstone, or not at all: a look that takes nothing away only makes threads know
 * more. */
proctype writer()
{
    byte turn;
    byte looks;
    byte oldest;
    byte used;
    byte slot;
    byte found;
    byte number;

end:
    do
    :: atomic {
            turn == NOTHING && (last < RECORDS || looks > 0);
            lock(WRITER, WRITER_LOCK);
            if
            :: last < RECORDS && !sync_failed ->
                append_record(false);
                enter_begin;
                turn = ENTER
            :: last < RECORDS && !sync_failed && there_at(NEWEST(ENTRY)) != 0 ->
                append_record(true);
                enter_begin;
                turn = ENTER
            :: looks > 0 -> turn = RECLAIM
            :: else -> writer_end()
            fi
        }
    :: atomic {
            turn == ENTER;
            enter_end;
            if
            :: deletes[last] -> turn = FORGET
            :: else -> writer_end()
            fi
        }
    :: atomic {
            turn == FORGET;
            if
            :: held_back == 0 ->
                oldest_begin();
                turn = FORGET_LOOK
            :: true ->
                hold_back(last);
                looks++;
                turn = RECLAIM
            :: true ->
                hold_back(last);
                looks++;
                writer_end()
            fi
        }
    :: atomic {
            turn == FORGET_LOOK;
            oldest_end();
            if
            :: oldest >= last -> index_remove(last)
            :: else -> hold_back(last)
            fi;
            oldest = 0;
            writer_end()
        }
    :: atomic {
            turn == RECLAIM;
            oldest_begin();
            looks--;
            turn = RECLAIM_LOOK
        }
    :: atomic {
            turn == RECLAIM_LOOK;
            oldest_end();
            version_reclaim();
            writer_end()
        }
    od
}

/* ---- what the thread does that leads a sync */

inline publish(number)
{
    load(LEADER, PUBLISHED, found, ACQUIRE);
    if
    :: number > found -> mvcc_publish(LEADER, number)
    :: else /* unreached: only what makes or drops tables, or loads, publishes more meanwhile */
    fi;
    found = 0;
    taken_out = number
}

inline version_take_back(number)
{
    assert(NEWEST(ENTRY) == number);
    if
    :: previous[number] != 0 &&
       (!deletes[previous[number]] || is_held_back(previous[number]) || PLANT == KEEP_TAKEN_BACK) ->
        store(LEADER, ENTRY, previous[number], RELEASE)
    :: else -> store(LEADER, ENTRY, 0, RELEASE)
    fi
}

inline version_forget_unpublished()
{
    load(LEADER, PUBLISHED, found, ACQUIRE);
    found++;
    do
    :: found <= RECORDS ->
        let_go(found);
        found++
    :: else -> break
    od;
    found = 0
}

inline take_back()
{
    number = entered;
    do
    :: number > taken_out ->
        version_take_back(number);
        number--
    :: else -> break
    od;
    taken_out = entered;
    version_forget_unpublished()
}

proctype leader()
{
    byte number;
    byte found;

end:
    do
    :: atomic {
            shares && !sync_failed && entered > taken_out;
            lock(LEADER, QUEUE_LOCK);
            number = entered;
            unlock(LEADER, QUEUE_LOCK);
            if
            :: synced = last
            :: sync_failed = true
            fi
        };
        atomic {
            if
            :: !sync_failed ->
                lock(LEADER, QUEUE_LOCK);
                number = (PLANT == PUBLISH_TOO_FAR -> entered : number);
                publish(number)
            :: else ->
                lock(LEADER, WRITER_LOCK);
                lock(LEADER, QUEUE_LOCK);
                take_back();
                assert(!deletes[NEWEST(ENTRY)] || is_held_back(NEWEST(ENTRY)));
                unlock(LEADER, WRITER_LOCK)
            fi;
            unlock(LEADER, QUEUE_LOCK);
            number = 0
        }
    od
}

init {
    atomic {
        NEWEST(PUBLISHED) = 1;
        NEWEST(ENTRY) = 1;
        NEWEST(LAST_CHANGE) = 1;
        entered = 1;
        taken_out = 1;
        if
        :: shares = true
        :: shares = false
        fi;
        for (who : 0 .. READERS - 1) {
            run reader(who)
        };
        run writer();
        run leader()
    }
}
