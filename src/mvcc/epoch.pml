/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoch.pml: a model of sections and tickets, for Spin. See epoch.h.
 *
 * Threads read a thing through a pointer, within sections, each with a slot of its own or with the shared one. A writer
 * puts another thing in its place, takes a ticket, waits until all sections have ended that had begun before, and ends
 * the thing. Another store's writer takes a ticket meanwhile. What memory lets them see is in orders.pml.
 *
 * Claims: no section reads a thing that has ended; and what a section has read of a thing comes before its end, by
 * happens-before and not just in time, so that its memory may be written again.
 *
 * Modelled, statement by statement, with these memory orders (the second load of epoch_enter() is an assertion's):
 *
 *   src/mvcc/epoch.h: epoch_enter              relaxed relaxed acquire release relaxed signal_seq_cst seq_cst
 *   src/mvcc/epoch.h: epoch_leave              release release
 *   src/mvcc/epoch.c: epoch_ticket             release seq_cst relaxed signal_seq_cst
 *   src/mvcc/epoch.c: epoch_over               relaxed acquire acquire
 *   src/mvcc/epoch.c: epoch_register           seq_cst
 *   src/mvcc/epoch.c: epoch_alone              relaxed
 *   src/mvcc/epoch.c: take_slot                seq_cst
 *   src/mvcc/epoch.c: raise_used               seq_cst seq_cst
 *   src/mvcc/epoch.c: give_back                release
 *
 * The read-modify-writes of take_slot() and raise_used() acquire and release here, and no more. Where sections are
 * LIGHT, as the code's `epoch_light`, they have no fence: who takes a ticket has the system make one in each reader in
 * turn, wherever that one is, and fences before and after these. Signal fences, which are for the compiler, are none
 * here. Left out: forks, tickets that are refused, writers that read themselves (epoch_alone() by their own slot).
 *
 * Bound: READERS threads, SECTIONS sections each, THINGS things, one slot besides the shared one.
 */

#ifndef READERS
#define READERS 2
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif
#ifndef THINGS
#define THINGS 2
#endif
#ifndef LIGHT
#define LIGHT 0
#endif

/* Mistakes, each of which Spin has to find: -DPLANT=NAME. */
#define NO_ENTER_FENCE 1       /* a section begins without a fence */
#define NO_TICKET_FENCE 2      /* a ticket is given out without a fence */
#define TICKET_FIRST 3         /* a ticket is asked for before the thing is taken out */
#define TICKET_OF_BEFORE 4     /* a ticket is the number before */
#define RELAXED_TICKET 5       /* a ticket releases nothing */
#define RELAXED_NOW 6          /* a section's epoch is loaded without acquire */
#define RELAXED_ENTER 7        /* a slot is filled without release */
#define RELAXED_LEAVE 8        /* a slot is emptied without release */
#define RELAXED_LEAVE_SHARED 9 /* the shared one is */
#define RELAXED_OVER 10        /* slots are looked at without acquire */
#define RELAXED_OVER_SHARED 11 /* the shared one is */
#define RELAXED_GIVE_BACK 12   /* a slot is given back without release */
#define NO_SHARED 13           /* the shared slot is not looked at */
#define LATE_USED 14           /* a slot counts as used only once its thread has ended */
#define ONE_NOT_FENCED 15      /* light sections, and one reader is not made to fence */
#define FENCED_BEFORE 16       /* light sections, and readers are made to fence before the thing is taken out */
#define EARLY_LOAD 17          /* the thing is looked for before the section is announced */
#define NO_PLACE_FENCE 18      /* light sections, and a thread takes its place without a fence */
#define ALONE_UNFENCED 19      /* light sections, and whether the writer is alone is looked at before it fences */
#define SHARED_UNMARKED 20     /* light sections, and a thread that shares a slot doesn't raise the mark */

#define OWNER READERS       /* the writer that takes things out */
#define OTHER (READERS + 1) /* the other store's */
#define THREADS (READERS + 2)

#define THING 0 /* the pointer */
#define EPOCH_NOW 1
#define EPOCH_SHARED 2
#define SLOTS_USED 3
#define TAKEN 4
#define SLOT 5 /* its epoch */
#define LOCATIONS 6
#define STORES (2 * READERS * SECTIONS + 1)

#include "orders.pml"

bool ended[THINGS];
byte used_at[THINGS * READERS]; /* the event with which a thread last read a thing */

/* What is `together` is one step, as orders.pml allows for a load and what follows it; but not where another thread's
 * call makes this one fence in between. */
#if LIGHT
#define together
#else
#define together atomic
#endif

/* Reads what can only be read while it is there. */
inline use(me, thing)
{
    d_step {
        assert(!ended[thing]);
        KNOWN(me, me)++;
        used_at[(thing) * READERS + me] = KNOWN(me, me)
    }
}

inline end_thing(thing)
{
    d_step {
        for (who : 0 .. READERS - 1) {
            assert(used_at[(thing) * READERS + who] <= KNOWN(OWNER, who))
        };
        ended[thing] = true
    }
}

inline take_slot()
{
    atomic {
        compare_exchange(me, TAKEN, false, true, found, ACQUIRE, RELEASE);
        mine = (found == false -> SLOT : mine);
        found = 0
    }
}

inline raise_used()
{
    atomic {
        load(me, SLOTS_USED, found, ACQUIRE);
        if
        :: found < 1 -> compare_exchange(me, SLOTS_USED, found, 1, found, ACQUIRE, RELEASE)
        :: else
        fi;
        found = 0
    }
}

/* There may be no slot: others are given out, or there is no way to learn of the thread's end. */
inline epoch_register()
{
    if
    :: take_slot()
    :: true
    fi;
#if PLANT == SHARED_UNMARKED
    if
    :: mine == SLOT -> raise_used()
    :: else
    fi;
#elif PLANT != LATE_USED
    raise_used();
#endif
#if PLANT != NO_PLACE_FENCE
    fence(me)
#endif
}

inline give_back()
{
    if
    :: mine == SLOT ->
#if PLANT == LATE_USED
        raise_used();
#endif
        store(me, TAKEN, false, weaken(RELAXED_GIVE_BACK, RELEASE))
    :: else
    fi
}

inline epoch_enter()
{
    together {
        if
        :: mine == EPOCH_SHARED -> exchange(me, EPOCH_SHARED, found, found + 1, RELAXED, RELAXED)
        :: else ->
            load(me, EPOCH_NOW, found, weaken(RELAXED_NOW, ACQUIRE));
            store(me, SLOT, found, weaken(RELAXED_ENTER, RELEASE))
        fi;
        found = 0
    };
#if PLANT != NO_ENTER_FENCE && !LIGHT
    fence(me)
#endif
}

inline epoch_leave()
{
    atomic {
        if
        :: mine == EPOCH_SHARED ->
            exchange(me, EPOCH_SHARED, found, found - 1, RELAXED, weaken(RELAXED_LEAVE_SHARED, RELEASE))
        :: else -> store(me, SLOT, 0, weaken(RELAXED_LEAVE, RELEASE))
        fi;
        found = 0;
        sections++
    }
}

proctype reader(byte me)
{
    byte mine = EPOCH_SHARED;
    byte found;
    byte thing;
    byte sections;

    epoch_register();
    do
    :: sections < SECTIONS ->
#if PLANT == EARLY_LOAD
        load(me, THING, thing, ACQUIRE);
        epoch_enter();
        use(me, thing);
#else
        epoch_enter();
        together {
            load(me, THING, thing, ACQUIRE);
            use(me, thing)
        };
#endif
        epoch_leave()
    :: else -> break
    od;
    give_back()
}

/* membarrier(2): when it returns, each reader has been interrupted by a fence since it was called. */
inline fence_readers(me)
{
#if PLANT == ONE_NOT_FENCED
    interrupted = 1;
#else
    interrupted = 0;
#endif
    do
    :: interrupted < READERS ->
        atomic {
            fence(interrupted);
            interrupted++
        }
    :: else -> break
    od;
    atomic {
        fence(me);
        interrupted = 0
    }
}

inline epoch_ticket(me)
{
    atomic {
        exchange(me, EPOCH_NOW, ticket, ticket + 1, RELAXED, weaken(RELAXED_TICKET, RELEASE));
#if PLANT != TICKET_OF_BEFORE
        ticket++
#endif
    };
#if LIGHT && PLANT == ALONE_UNFENCED
    load(me, SLOTS_USED, used, RELAXED);
#endif
#if PLANT != NO_TICKET_FENCE
    fence(me);
#if LIGHT && PLANT != FENCED_BEFORE
#if PLANT != ALONE_UNFENCED
    load(me, SLOTS_USED, used, RELAXED);
#endif
    if
    :: used > 0 -> fence_readers(me)
    :: else /* epoch_alone(), as these writers never read */
    fi;
    used = 0
#endif
#endif
}

inline epoch_over()
{
    over = true;
    load(OWNER, SLOTS_USED, found, RELAXED);
    if
    :: found > 0 ->
        load(OWNER, SLOT, found, weaken(RELAXED_OVER, ACQUIRE));
        over = found == 0 || found >= ticket
    :: else
    fi;
#if PLANT != NO_SHARED
    if
    :: over ->
        load(OWNER, EPOCH_SHARED, found, weaken(RELAXED_OVER_SHARED, ACQUIRE));
        over = found == 0
    :: else
    fi;
#endif
    found = 0
}

/* Looks once whether a ticket's sections are over: what it might have learnt by earlier looks only makes it know more.
 */
proctype owner()
{
    byte thing;
    byte ticket;
    byte found;
    byte used;
    byte interrupted;
    bool over;

    do
    :: thing + 1 < THINGS ->
#if PLANT == TICKET_FIRST
        epoch_ticket(OWNER);
        store(OWNER, THING, thing + 1, RELEASE);
#elif LIGHT && PLANT == FENCED_BEFORE
        fence_readers(OWNER);
        store(OWNER, THING, thing + 1, RELEASE);
        epoch_ticket(OWNER);
#else
        store(OWNER, THING, thing + 1, RELEASE);
        epoch_ticket(OWNER);
#endif
        atomic {
            epoch_over();
            if
            :: over -> end_thing(thing)
            :: else -> break
            fi;
            thing++;
            ticket = 0
        }
    :: else -> break
    od
}

proctype other()
{
    byte ticket;
    byte used;
    byte interrupted;

    epoch_ticket(OTHER)
}

init {
    atomic {
        NEWEST(EPOCH_NOW) = 1;
        for (who : 0 .. READERS - 1) {
            run reader(who)
        };
        run owner();
        run other()
    }
}
