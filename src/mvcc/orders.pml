/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What C's memory orders let threads see: included by the models here, after they have said
 *
 *   THREADS     threads, numbered from 0
 *   LOCATIONS   atomic variables, numbered from 0
 *   STORES      stores to one of them at most, and one more for what it begins with
 *
 * Spin runs one step after the other, and lets each see all that came before. Memory doesn't. So a location is the
 * list of all stores to it, in the order in which they count, and a thread has a view: how many of each thread's
 * events it knows of. A load gives the newest store that its thread knows of, or any newer one. A release carries its
 * thread's view, and an acquire that reads it joins it. A fence joins the view of all fences before it, and adds its
 * own to it. A read-modify-write reads the newest store, and carries on what that carried (a release sequence).
 *
 * That allows all that C11 does but loads of what is not stored yet, and more: a relaxed load leaves nothing behind,
 * not even for the next load of the same location. (So a fence passes on only what its thread knows by acquires: C17
 * promises no more, C++20 does.) Stores count in the order in which they are made, as no two threads in the code store
 * to one location at a time but by read-modify-writes.
 *
 * In one `atomic` are loads of a thread, and the next thing it does that others may notice. Nothing is lost by that: a
 * load may be put off, for nobody notices that it is made, and what it may give stays there. Likewise a mutex is taken
 * with what follows, and given up with what is before.
 */

#define RELAXED 0
#define ACQUIRE 1
#define RELEASE 1

/* The order, but for where this mistake is planted. */
#ifndef PLANT
#define PLANT 0
#endif
#define weaken(plant, order) (PLANT == plant -> RELAXED : order)

#define ITEM(location, store) ((location) * STORES + (store))
#define CARRIED(location, store, who) carried[ITEM(location, store) * THREADS + (who)]
#define KNOWN(thread, who) known[(thread) * THREADS + (who)]
#define NEWEST(location) value[ITEM(location, newest[location])]

byte newest[LOCATIONS];                     /* the number of the newest store; 0: what it begins with */
byte value[LOCATIONS * STORES];
byte author[LOCATIONS * STORES];            /* the thread that made the store */
byte event[LOCATIONS * STORES];             /* which of that thread's events it was */
byte carried[LOCATIONS * STORES * THREADS]; /* a view */
byte known[THREADS * THREADS];              /* each thread's view */
byte fenced[THREADS];                       /* that of all fences so far */

/* Of one step alone. */
hidden byte at;
hidden byte who;

inline join(thread, location, order)
{
    for (who : 0 .. THREADS - 1) {
        KNOWN(thread, who) = ((order) && CARRIED(location, at, who) > KNOWN(thread, who) -> CARRIED(location, at, who)
                                                                                         : KNOWN(thread, who))
    }
}

inline append(thread, location, new)
{
    at = newest[location];
    KNOWN(thread, thread)++;
    newest[location]++;
    assert(newest[location] < STORES);
    NEWEST(location) = new;
    author[ITEM(location, at + 1)] = thread;
    event[ITEM(location, at + 1)] = KNOWN(thread, thread)
}

inline load(thread, location, out, order)
{
    atomic {
        at = newest[location];
        do
        :: event[ITEM(location, at)] > KNOWN(thread, author[ITEM(location, at)]) -> at--
        :: break
        od;
        out = value[ITEM(location, at)];
        d_step {
            join(thread, location, order);
            at = 0
        }
    }
}

inline store(thread, location, new, order)
{
    d_step {
        append(thread, location, new);
        for (who : 0 .. THREADS - 1) {
            CARRIED(location, at + 1, who) = ((order) -> KNOWN(thread, who) : 0)
        };
        who = 0
    }
}

/* Gives what was there, in place of which `new` is stored; that may be said with what was there. */
inline exchange(thread, location, out, new, acquires, releases)
{
    d_step {
        out = NEWEST(location);
        at = newest[location];
        join(thread, location, acquires);
        append(thread, location, new);
        for (who : 0 .. THREADS - 1) {
            CARRIED(location, at + 1, who) =
                ((releases) && KNOWN(thread, who) > CARRIED(location, at, who) -> KNOWN(thread, who)
                                                                              : CARRIED(location, at, who))
        };
        who = 0
    }
}

/* Stores `new` if `expected` is there; gives what was. */
inline compare_exchange(thread, location, expected, new, out, acquires, releases)
{
    atomic {
        out = NEWEST(location);
        if
        :: out == (expected) -> exchange(thread, location, out, new, acquires, releases)
        :: else ->
            d_step {
                at = newest[location];
                join(thread, location, acquires);
                at = 0
            }
        fi
    }
}

/* memory_order_seq_cst */
inline fence(thread)
{
    d_step {
        for (who : 0 .. THREADS - 1) {
            fenced[who] = (KNOWN(thread, who) > fenced[who] -> KNOWN(thread, who) : fenced[who]);
            KNOWN(thread, who) = fenced[who]
        };
        who = 0
    }
}
