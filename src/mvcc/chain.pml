/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain.pml: a model of shortcuts past versions that no snapshot sees, for Spin. See chain.h.
 *
 * One key is put again and again by a writer, who publishes what it has put at once or later, and gives records
 * shortcuts. Threads open snapshots, get the key, renew, get, close; or they get it without a snapshot. What memory
 * lets them see is in orders.pml.
 *
 * Claim: a get sees the record that was the key's newest at its number, whichever shortcuts it finds.
 *
 * Modelled, statement by statement, with these memory orders:
 *
 *   src/mvcc/mvcc.c: settle                    seq_cst relaxed release
 *   src/mvcc/mvcc.c: mvcc_newest_below         seq_cst
 *   src/mvcc/chain.c: next_version             -
 *   src/mvcc/chain.c: mvcc_walk                -
 *   src/mvcc/chain.c: search                   -
 *   src/store/version.c: shorten               -
 *
 * The exchange that takes a slot, or says that its snapshot settles anew, and the load that follows are sequentially
 * consistent, which is more than a fence between the two gives where it matters here: so one stands for them. A
 * shortcut is one atomic entry, stored with release and loaded with acquire, as in an index. Left out: how a slot is
 * found (mvcc.pml has that), each thread has its own; deletes; the end of shortcuts, after which the long way is taken.
 *
 * Bound: RECORDS records; READERS threads, a snapshot or get each, renewed RENEWALS times at most.
 */

#ifndef RECORDS
#define RECORDS 3
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef RENEWALS
#define RENEWALS 1
#endif

/* Mistakes, each of which Spin has to find: -DPLANT=NAME. */
#define NO_SETTLING 1     /* the slot of a snapshot that is opened doesn't say that it settles */
#define NO_RESETTLING 2   /* that of one that is renewed doesn't */
#define NO_SETTLE_FENCE 3 /* a snapshot settles without a fence */
#define NO_LOOK_FENCE 4   /* the writer looks at the slots without a fence */
#define UNPUBLISHED 5     /* a record gets a shortcut whose number is not published */
#define OLDEST 6          /* a shortcut leads to what the oldest snapshot sees, not the newest */
#define LONE 7            /* a get without a snapshot takes shortcuts */

#define WRITER READERS
#define THREADS (READERS + 1)

#define PUBLISHED 0
#define ENTRY 1 /* the number of the record that the index leads to */
#define SLOT(reader) (2 + (reader))
#define SHORTCUT(number) (READERS + (number)) /* where it leads, from the second record on; 0: there is none */
#define LOCATIONS (2 + READERS + RECORDS - 1)
#define STORES (RECORDS + 5)

#include "orders.pml"

/* In a slot's number. */
#define SETTLING 16
#if PLANT == NO_SETTLING
#define OPENED 1
#else
#define OPENED (1 + SETTLING)
#endif
#if PLANT == NO_RESETTLING
#define RENEWED 1
#else
#define RENEWED (1 + SETTLING)
#endif

byte last = 1; /* the newest record; the one before a record is its number less 1 */

/* Where the walk from `ref` ends for a number. */
inline mvcc_walk(me, ref, number, shortcuts, next)
{
    do
    :: ref <= number -> break
    :: else ->
        if
        :: shortcuts && ref > 1 -> load(me, SHORTCUT(ref), next, ACQUIRE)
        :: else
        fi;
        if
        :: next != 0 -> ref = next
        :: else -> ref--
        fi;
        next = 0
    od
}

inline settle(me)
{
#if PLANT != NO_SETTLE_FENCE
    fence(me);
#endif
    atomic {
        load(me, PUBLISHED, snapshot, ACQUIRE);
        store(me, SLOT(me), snapshot + 1, RELEASE)
    }
}

inline get_in_snapshot(me)
{
    load(me, ENTRY, ref, ACQUIRE);
    mvcc_walk(me, ref, snapshot, true, next);
    assert(ref == snapshot);
    ref = 0
}

/* Two readers do for all that several can do to each other: the second has a snapshot, the first one or none. */
proctype reader(byte me)
{
    byte snapshot;
    byte ref;
    byte next;
    byte renewals;

    if
    :: atomic {
            load(me, PUBLISHED, snapshot, ACQUIRE);
            store(me, SLOT(me), snapshot + OPENED, RELEASE)
        };
        settle(me);
        do
        :: atomic {
                renewals < RENEWALS;
                get_in_snapshot(me);
                store(me, SLOT(me), snapshot + RENEWED, RELEASE);
                renewals++
            };
            settle(me)
        :: true -> break
        od;
        atomic {
            get_in_snapshot(me);
            store(me, SLOT(me), 0, RELEASE);
            snapshot = 0
        }
    :: atomic {
            me == 0;
            load(me, PUBLISHED, snapshot, ACQUIRE)
        };
        atomic {
            load(me, ENTRY, ref, ACQUIRE);
            mvcc_walk(me, ref, snapshot, PLANT == LONE, next);
            assert(ref == snapshot);
            ref = 0;
            snapshot = 0
        }
    fi
}

/* What the newest open snapshot below a number sees; 0: there is none, or that can't be told. */
inline newest_below(number)
{
    seen = 0;
    settles = false;
    for (slot : 0 .. READERS - 1) {
        load(WRITER, SLOT(slot), found, ACQUIRE);
        if
        :: found >= SETTLING -> settles = true
        :: found != 0 && found < SETTLING && found - 1 < number && PLANT != OLDEST ->
            seen = (found - 1 > seen -> found - 1 : seen)
        :: found != 0 && found < SETTLING && found - 1 < number && PLANT == OLDEST ->
            seen = (seen == 0 || found - 1 < seen -> found - 1 : seen)
        :: else
        fi
    };
    seen = (settles -> 0 : seen);
    settles = false;
    found = 0;
    slot = 0
}

proctype writer()
{
    byte published = 1;
    byte crossing; /* the record that is to get a shortcut; 0: none */
    byte seen;
    byte found;
    byte slot;
    byte ref;
    byte next;
    bool settles;

end:
    do
    :: atomic {
            crossing == 0 && last < RECORDS;
            store(WRITER, ENTRY, last + 1, RELEASE);
            last++
        }
    :: atomic {
            crossing == 0 && published < last;
            published++;
            store(WRITER, PUBLISHED, published, RELEASE)
        }
    :: atomic {
            crossing == 0 && last > 1;
            select (crossing : 2 .. last);
            if
            :: NEWEST(SHORTCUT(crossing)) == 0 && (crossing <= published || PLANT == UNPUBLISHED)
            :: else -> crossing = 0
            fi;
#if PLANT != NO_LOOK_FENCE
            fence(WRITER)
#endif
        }
    :: atomic {
            crossing != 0;
            newest_below(crossing);
            if
            :: seen != 0 ->
                ref = crossing - 1;
                mvcc_walk(WRITER, ref, seen, true, next);
                store(WRITER, SHORTCUT(crossing), ref, RELEASE)
            :: else
            fi;
            crossing = 0;
            seen = 0;
            ref = 0
        }
    od
}

init {
    atomic {
        NEWEST(PUBLISHED) = 1;
        NEWEST(ENTRY) = 1;
        for (who : 0 .. READERS - 1) {
            run reader(who)
        };
        run writer()
    }
}
