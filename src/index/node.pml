/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node.pml: a model of the index's writer and a reader beside it, for Spin. See node.h, tree.h and README.md.
 *
 * The writer takes steps, whichever: it sets and removes keys, replaces and splits nodes, and takes emptied ones out. A
 * reader looks a key up, or scans from one, once. Readers write nothing that others read, so that one stands for any
 * number.
 *
 * Claims, for what a lookup or a scan gives in the end:
 *
 *  - a key's payload is one that the key had at a moment within the call, and what it leads to is complete; a key that
 *    is said to be absent was absent at such a moment;
 *  - a scan gives keys in order, none twice, and leaves none out that was there throughout;
 *  - no node is looked at before it is built, or once it may be freed.
 *
 * Memory: only the writer stores, so what the reader knows of is a number: all stores up to that one. A load gives the
 * newest store to the word that the reader knows of, or any later one. If that is a release, and the load an acquire,
 * the reader knows of all up to it from then on. That allows all that C17 does, and more: a relaxed load leaves nothing
 * behind.
 *
 * Time: a load may be put off until the writer has taken all its steps, as it may give then what it could give before.
 * So there is one process, and chance in what it does: the writer takes its steps, each with all of its stores at once,
 * and then the reader makes its loads. The reader knows all that was stored before it began, between two steps. (One
 * that begins amid a step can read nothing that one can't that begins before it, and has to find no more: a write is
 * published after its step. The third claim is not shown for it: a node that the step has retired by then may be freed,
 * and is not here. It can't be reached any more either, as each node is retired after the store that takes it out.) A
 * node that was taken out before the reader began may be freed; one that is taken out later stays, which is what
 * sections are for: epoch.pml has these.
 *
 * Modelled, statement by statement, with these memory orders:
 *
 *   src/index/node.h: index_block_key          acquire
 *   src/index/node.h: index_block_payload      acquire
 *   src/index/node.h: index_read_begin         acquire
 *   src/index/node.h: index_read_holds         signal_acquire relaxed
 *   src/index/node.c: write_begin              relaxed relaxed
 *   src/index/node.c: write_end                relaxed release
 *   src/index/node.c: index_node_mark_obsolete relaxed release
 *   src/index/node.c: set_key                  release
 *   src/index/node.c: set_payload              release
 *   src/index/node.c: copy_slot                -
 *   src/index/node.c: refresh_copies           -
 *   src/index/node.c: block_insert             -
 *   src/index/node.c: index_node_insert        -
 *   src/index/node.c: index_node_remove        -
 *   src/index/node.c: index_node_replace_child -
 *   src/index/node.c: index_node_next_entry    -
 *   src/index/node_build.c: index_node_build   relaxed relaxed relaxed relaxed
 *   src/index/node_build.c: index_node_entries -
 *   src/index/tree.h: index_root               acquire
 *   src/index/tree.h: index_set_root           release
 *   src/index/tree.c: create_root              -
 *   src/index/tree.c: index_prepare            -
 *   src/index/tree.c: index_set                release
 *   src/index/tree.c: index_remove_at          -
 *   src/index/tree.c: index_tree_range         -
 *   src/index/tree_change.c: publish           -
 *   src/index/tree_change.c: replace           -
 *   src/index/tree_change.c: publish_pair      -
 *   src/index/tree_change.c: build_root        -
 *   src/index/tree_change.c: split             -
 *   src/index/tree_change.c: remove_entry      -
 *   src/index/tree_change.c: lower_root        -
 *   src/index/tree_change.c: index_tree_take_out -
 *   src/index/pool.c: index_pool_retire        -
 *   src/index/node_search_template.h: child_of -
 *   src/index/node_search_template.h: payload_in -
 *   src/index/node_search_template.h: find_in_data_node -
 *   src/index/node_search_template.h: find_from acquire
 *   src/index/node_search_template.h: find     acquire
 *   src/index/node_search_template.h: locate_in_node -
 *   src/index/node_search_template.h: locate   -
 *   src/index/scan.c: go_down                  -
 *   src/index/scan.c: copy_forward             -
 *   src/index/scan.c: index_scan               -
 *
 * Smaller than in the code: a node is one block of SLOTS slots, so that there is no search from block to block, and
 * nothing spills from one into another; in the code that lies between the same looks at versions. When a node is
 * replaced or split, and in which way, is left to chance, and an empty data node may stay.
 *
 * There are two levels at most. Left out is what takes more, and rests on what docs/CONCURRENCY.md argues under "Why it
 * holds": lookups that go down through two inner nodes; the split of an inner node; index_node_lower_first(), which
 * changes other nodes than the parent, in write sections of their own before the parent's; index_tree_take_out() of
 * nodes on several levels at once; index_tree_range() where it goes further up for the last key.
 *
 * Left out, too: UINT64_MAX as a key; scans downwards, and the entry before a gap, which they need; where a scan ends
 * because its caller has room for no more; lookups of many keys together, which go down as one does; counts;
 * index_set_many(), which comes to the same stores; index_load(), which gives many keys what they have by one store of
 * the root, and retires a tree of empty nodes; SIMD, whose loads are as good as acquires where it is used.
 *
 * Replaced nodes are marked obsolete, but the claims hold without the mark, which is checked as well (UNMARKED): such a
 * node stays as it was when it was replaced, which was within the call of whoever still gets there.
 *
 * Bound: KEYS keys; STEPS steps, from each of the trees that the first steps of a script make, before the reader begins
 * or while it is at work.
 */

#ifndef STEPS
#define STEPS 2
#endif
#ifndef KEYS
#define KEYS 4
#endif

/* Mistakes, each of which Spin has to find: -DPLANT=NAME. */
#define NO_SECOND_LOOK 1       /* a lookup doesn't look at a data node's version again */
#define NO_SECOND_LOOK_ABOVE 2 /* nor at an inner node's */
#define NO_STILL_THERE 3       /* a scan keeps what it copied, whatever the version is then */
#define NO_RECHECK 4           /* a scan takes a range from an inner node, whatever its version is then */
#define RANGE_ONLY 5           /* it goes on behind that range, whatever it copied */
#define WRITING_IGNORED 6      /* a reader begins while slots are being changed */
#define NO_WRITE_BEGIN 7       /* the version isn't made odd */
#define NO_WRITE_END 8         /* nor moved on */
#define RELAXED_WRITE_END 9    /* it is moved on without release */
#define RELAXED_BEGIN 10       /* it is loaded without acquire */
#define RELAXED_SLOTS 11       /* slots are stored without release */
#define RELAXED_LOADS 12       /* slots are loaded without acquire */
#define RELAXED_SET 13         /* a key's new payload is stored without release */
#define RELAXED_ROOT 14        /* the root is stored without release */
#define EARLY_ROOT 15          /* the root is stored before it is built */
#define LEFT_FIRST 16          /* of a split's two nodes the left one is entered first */
#define REMOVE_FIRST 17        /* an entry is taken out before its child has another place */
#define NO_COPIES 18           /* gaps keep the child of before */
#define EARLY_FREE 19          /* a node is freed at once */

#define SLOTS 3
#define SCRIPT 5              /* steps that set up a tree */
#define NODES (6 + 3 * STEPS) /* nothing that was freed is used again */
#define STORES (24 * STEPS + 1)

/* Words: those of the nodes, and the root. */
#define WORDS (1 + 2 * SLOTS)
#define VERSION(node) ((node) * WORDS)
#define KEY(node, slot) ((node) * WORDS + 1 + (slot))
#define PAYLOAD(node, slot) ((node) * WORDS + 1 + SLOTS + (slot))
#define ROOT (NODES * WORDS)

/* A version's bits, as in node.h. */
#define WRITING 1
#define OBSOLETE 2
#define STEP 4

/* The payload of an entry of an inner node: its child, which begins with 2, as 0 is none; GAP marks a copy. */
#define GAP 1
#define CHILD(node) (2 * ((node) + 1))
#define child_of_payload(payload) ((payload) / 2 - 1)

/* That of a data node: its key, and which write it is of, from 1. */
#define WRITES 8
#define ENTRY(key, write) (WRITES * (key) + (write))
#define key_of_entry(payload) ((payload) / WRITES)
#define write_of_entry(payload) ((payload) % WRITES)

/* ---- memory */

byte word[ROOT + 1];
byte newest[ROOT + 1]; /* the number of the newest store to each word since the reader began; 0: none */
byte older[STORES];    /* that of the store before to the same word, by number of the store */
byte was[STORES];      /* what the word was then */
bool releases[STORES];
byte stores;

/* The least store that the reader has to know of, to find complete what is not made of words. */
byte built[NODES];
byte appended[WRITES]; /* the record of a write */

byte level[NODES];
byte nodes; /* that were taken so far */
bool freed[NODES];

bool reading; /* the reader has begun */

/* What the keys have: 0, or the write that it is of. And what they had since the reader began, a bit each. */
byte content[KEYS];
byte had[KEYS];
byte writes;

#define RELAXED 0
#define ACQUIRE 1
#define RELEASE 1

/* The order, but for where this mistake is planted. */
#ifndef PLANT
#define PLANT 0
#endif
#define weaken(plant, order) (PLANT == plant -> RELAXED : order)

/* The store that comes next: who knows of it knows all that was done before. */
#define next_store (reading -> stores + 1 : 0)

inline store(where, value, order)
{
    if
    :: reading ->
        stores++;
        assert(stores < STORES);
        was[stores] = word[where];
        releases[stores] = order;
        older[stores] = newest[where];
        newest[where] = stores
    :: else
    fi;
    word[where] = value
}

/* ---- a node's slots: node.c. What is hidden is of one step alone, or one `atomic`. */

#define NONE 255

hidden byte i, count, slot, payload;

#define key_of(node, slot) word[KEY(node, slot)]
#define payload_of(node, slot) word[PAYLOAD(node, slot)]
#define slot_is_gap(node, slot) \
    (level[node] == 0 -> payload_of(node, slot) == 0 : (payload_of(node, slot) & GAP) != 0)

inline count_entries(node)
{
    count = 0;
    do
    :: count < SLOTS && !slot_is_gap(node, count) -> count++
    :: else -> break
    od
}

inline write_begin(node)
{
    store(VERSION(node), word[VERSION(node)] | (PLANT == NO_WRITE_BEGIN -> 0 : WRITING), RELAXED)
}

inline write_end(node)
{
    store(VERSION(node), (word[VERSION(node)] & (255 - WRITING)) + (PLANT == NO_WRITE_END -> 0 : STEP),
          weaken(RELAXED_WRITE_END, RELEASE))
}

inline set_key(node, slot, new_key)
{
    store(KEY(node, slot), new_key, weaken(RELAXED_SLOTS, RELEASE))
}

inline set_payload(node, slot, new_payload)
{
    store(PAYLOAD(node, slot), new_payload, weaken(RELAXED_SLOTS, RELEASE))
}

inline copy_slot(node, slot, from_slot)
{
    set_key(node, slot, key_of(node, from_slot));
    set_payload(node, slot, payload_of(node, from_slot))
}

inline refresh_copies(node)
{
    count_entries(node);
    for (i : count .. SLOTS - 1) {
        set_payload(node, i, payload_of(node, i - 1) | GAP)
    }
}

/* index_node_insert(), where there is room. */
inline node_insert(node, place, new_key, new_payload)
{
    write_begin(node);
    count_entries(node);
    i = count;
    do
    :: i > place ->
        copy_slot(node, i, i - 1);
        i--
    :: else -> break
    od;
    set_key(node, place, new_key);
    set_payload(node, place, new_payload);
    if
    :: place == count && count + 1 < SLOTS && key_of(node, count + 1) <= new_key ->
        for (i : count + 1 .. SLOTS - 1) {
            set_key(node, i, KEYS) /* key_behind() */
        }
    :: else
    fi;
    if
    :: level[node] > 0 -> refresh_copies(node)
    :: else
    fi;
    write_end(node)
}

inline node_remove(node, slot)
{
    write_begin(node);
    count_entries(node);
    if
    :: count == 1 ->
        for (i : 1 .. SLOTS - 1) {
            set_key(node, i, key_of(node, 0))
        }
    :: else ->
        for (i : slot .. count - 2) {
            copy_slot(node, i, i + 1)
        };
        if
        :: count < SLOTS -> set_key(node, count - 1, key_of(node, count))
        :: else -> set_key(node, count - 1, KEYS) /* key_behind() */
        fi
    fi;
    set_payload(node, count - 1, (level[node] == 0 -> 0 : GAP));
    if
    :: level[node] > 0 -> refresh_copies(node)
    :: else
    fi;
    write_end(node)
}

inline replace_child(node, slot, child)
{
    write_begin(node);
    set_payload(node, slot, CHILD(child));
#if PLANT != NO_COPIES
    refresh_copies(node);
#endif
    write_end(node)
}

/* For the writer, which meets no other: where the key is, or has to go. */
inline locate_in_node(node, key)
{
    count_entries(node);
    slot = 0;
    do
    :: slot < count && key_of(node, slot) < key -> slot++
    :: else -> break
    od;
    payload = (slot < count && key_of(node, slot) == key -> payload_of(node, slot) : 0)
}

/* ---- nodes come and go: node_build.c, pool.c */

hidden byte run_keys[SLOTS], run_payloads[SLOTS], run_count; /* the pool's scratch arrays */

/* index_node_entries() */
inline gather(node)
{
    run_count = 0;
    do
    :: run_count < SLOTS && !slot_is_gap(node, run_count) ->
        run_keys[run_count] = key_of(node, run_count);
        run_payloads[run_count] = payload_of(node, run_count);
        run_count++
    :: else -> break
    od
}

/* A new node with entries of the run from `first` on, before `end`. Nobody sees it yet. */
inline build(out_node, node_level, first, end)
{
    out_node = nodes;
    nodes++;
    assert(nodes <= NODES);
    level[out_node] = node_level;
    built[out_node] = next_store;
    for (i : 0 .. SLOTS - 1) {
        key_of(out_node, i) =
            (first + i < end -> run_keys[first + i] : (first < end -> run_keys[end - 1] + 1 : 0));
        payload_of(out_node, i) =
            (first + i < end -> run_payloads[first + i] : (node_level == 0 -> 0 : run_payloads[end - 1] | GAP))
    }
}

inline retire(node)
{
#ifndef UNMARKED
    store(VERSION(node), word[VERSION(node)] | OBSOLETE, RELEASE); /* index_node_mark_obsolete() */
#endif
    freed[node] = !reading || PLANT == EARLY_FREE
}

/* ---- the writer's steps: tree.c, tree_change.c */

#define SET 0
#define REMOVE 1
#define REPLACE 2
#define REPLACE_ROOT 3       /* an inner one */
#define SPLIT 4              /* in the middle */
#define OPEN_RIGHT 5         /* behind all keys of the node, which stays */
#define OPEN_RIGHT_REBUILT 6 /* behind all keys of the node, which is replaced as well */
#define OPEN_LEFT 7          /* before all keys of the node, which stays */
byte what;
byte key; /* of the step */
byte scripted;
byte steps;

hidden byte leaf, parent, parent_slot; /* the way down; no parent: NONE */
hidden byte replacement, left_node, right_node, new_root, cut, separator;

inline set_root(root)
{
    store(ROOT, root, weaken(RELAXED_ROOT, RELEASE))
}

/* The way down, in a tree that isn't empty. */
inline go_to(key)
{
    leaf = child_of_payload(word[ROOT]);
    parent = NONE;
    if
    :: level[leaf] > 0 ->
        parent = leaf;
        count_entries(parent);
        parent_slot = count - 1;
        do
        :: key_of(parent, parent_slot) > key -> parent_slot--
        :: else -> break
        od;
        leaf = child_of_payload(payload_of(parent, parent_slot))
    :: else
    fi;
    locate_in_node(leaf, key)
}

inline create_root()
{
#if PLANT == EARLY_ROOT
    set_root(CHILD(nodes));
    build(leaf, 0, 0, 0)
#else
    build(leaf, 0, 0, 0);
    set_root(CHILD(leaf))
#endif
}

/* index_prepare(), if there is room, and index_set() */
inline set(key)
{
    if
    :: word[ROOT] == 0 -> create_root()
    :: else
    fi;
    go_to(key);
    if
    :: payload != 0 || count < SLOTS ->
        writes++;
        assert(writes < WRITES);
        appended[writes] = next_store;
        if
        :: payload != 0 -> store(PAYLOAD(leaf, slot), ENTRY(key, writes), weaken(RELAXED_SET, RELEASE))
        :: else -> node_insert(leaf, slot, key, ENTRY(key, writes))
        fi;
        content[key] = writes;
        had[key] = had[key] | (1 << writes)
    :: else
    fi
}

/* publish() of a node in the place of another, and what follows. */
inline replace(node, is_root)
{
    gather(node);
    build(replacement, level[node], 0, run_count);
    if
    :: is_root -> set_root(CHILD(replacement))
    :: else -> replace_child(parent, parent_slot, replacement)
    fi;
    retire(node)
}

/* A new root above the two halves of the old one. */
inline build_root()
{
    run_keys[0] = 0;
    run_payloads[0] = CHILD(left_node);
    run_keys[1] = separator;
    run_payloads[1] = CHILD(right_node);
    build(new_root, 1, 0, 2);
    set_root(CHILD(new_root))
}

inline publish_pair()
{
#if PLANT == LEFT_FIRST
    replace_child(parent, parent_slot, left_node);
#endif
    node_insert(parent, parent_slot + 1, separator, CHILD(right_node));
    if
    :: left_node != leaf && PLANT != LEFT_FIRST -> replace_child(parent, parent_slot, left_node)
    :: else
    fi
}

#define opens_right (what == OPEN_RIGHT || what == OPEN_RIGHT_REBUILT)

/* Whether there is something to split, or the key is where it has to be for a neighbour there. */
#define is_splittable ((what == SPLIT && run_count > 1) || \
                       (what == OPEN_LEFT && run_count > 0 && key < run_keys[0]) || \
                       (opens_right && run_count > 0 && key > run_keys[run_count - 1]))

/* Splits the leaf before the entry `cut`, if there is room in the parent, of which `count` entries are taken. */
inline split()
{
    gather(leaf);
    cut = (what == SPLIT -> run_count / 2 : (what == OPEN_LEFT -> 0 : run_count));
    separator = (cut < run_count -> run_keys[cut] : key);
    count = 0;
    if
    :: parent != NONE -> count_entries(parent)
    :: else
    fi;
    if
    :: is_splittable && count < SLOTS ->
        left_node = leaf;
        right_node = leaf;
        if
        :: what != OPEN_RIGHT -> build(left_node, 0, 0, cut)
        :: else
        fi;
        if
        :: what != OPEN_LEFT -> build(right_node, 0, cut, run_count)
        :: else
        fi;
        if
        :: parent == NONE -> build_root()
        :: else -> publish_pair()
        fi;
        if
        :: left_node != leaf && right_node != leaf -> retire(leaf)
        :: else
        fi
    :: else
    fi
}

inline remove_entry()
{
    if
    :: parent_slot > 0 -> node_remove(parent, parent_slot)
    :: else -> /* T3: the first entry keeps its key and slot, and takes the second one's child */
#if PLANT == REMOVE_FIRST
        right_node = child_of_payload(payload_of(parent, 1));
        node_remove(parent, 1);
        replace_child(parent, 0, right_node)
#else
        replace_child(parent, 0, child_of_payload(payload_of(parent, 1)));
        node_remove(parent, 1)
#endif
    fi
}

inline lower_root()
{
    count_entries(parent);
    if
    :: count == 1 ->
        set_root(payload_of(parent, 0));
        retire(parent)
    :: else
    fi
}

/* index_remove_at(), with index_tree_take_out() */
inline remove(key)
{
    content[key] = 0;
    had[key] = had[key] | 1;
    node_remove(leaf, slot);
    count_entries(leaf);
    if
    :: count == 0 && parent == NONE ->
        set_root(0);
        retire(leaf)
    :: count == 0 && parent != NONE ->
        remove_entry();
        retire(leaf);
        lower_root()
    :: else
    fi
}

/* One step, if it can be taken: from a tree that is valid to another. */
inline write()
{
    if
    :: what == SET -> set(key)
    :: what != SET && word[ROOT] == 0
    :: else ->
        go_to(key);
        if
        :: what == REMOVE && payload != 0 -> remove(key)
        :: what == REPLACE && !slot_is_gap(leaf, 0) -> replace(leaf, parent == NONE)
        :: what == REPLACE_ROOT && parent != NONE -> replace(parent, true)
        :: what >= SPLIT -> split()
        :: else
        fi
    fi
}

/* Makes a tree of three data nodes with a key each, or what is on the way there. */
inline next_of_script()
{
    scripted++;
    if
    :: scripted == 1 || scripted == 2 || scripted == 4 ->
        what = SET;
        key = (scripted == 4 -> 3 : scripted)
    :: else -> what = SPLIT
    fi
}

/* Any step for any key, after which the script is over. */
inline choose_step()
{
    scripted = SCRIPT;
    steps++;
    if
    :: what = SET
    :: what = REMOVE
    :: what = REPLACE
    :: what = REPLACE_ROOT
    :: what = SPLIT
    :: what = OPEN_RIGHT
    :: what = OPEN_RIGHT_REBUILT
    :: what = OPEN_LEFT
    fi;
    select (key : 0 .. KEYS - 1)
}

/* ---- the reader: node_search_template.h, scan.c */

hidden byte at, loaded, at_slot, at_most, equal, copied, copied_keys[SLOTS], copied_payloads[SLOTS];

inline load(where, out, order)
{
    at = newest[where];
    out = word[where];
    do
    :: at > known ->
        out = was[at];
        at = older[at]
    :: break
    od;
    known = (at > known && (order) && releases[at] -> at : known)
}

#define is_there(node) (node < nodes && built[node] <= known && !freed[node])

/* A word of a node's, which has to be there. */
inline load_of(node, where, out, order)
{
    assert(is_there(node));
    load(where, out, order)
}

inline load_key(node, slot, out)
{
    load_of(node, KEY(node, slot), out, weaken(RELAXED_LOADS, ACQUIRE))
}

inline load_payload(node, slot, out)
{
    load_of(node, PAYLOAD(node, slot), out, weaken(RELAXED_LOADS, ACQUIRE))
}

/* index_read_begin(): begins anew if a writer is met. */
inline read_begin(node, version)
{
    load_of(node, VERSION(node), version, weaken(RELAXED_BEGIN, ACQUIRE));
    if
    :: (version & OBSOLETE) != 0 || ((version & WRITING) != 0 && PLANT != WRITING_IGNORED) -> goto again
    :: else
    fi
}

/* index_read_holds(), likewise, but for where this mistake is planted. */
inline read_holds(node, version, plant)
{
    load_of(node, VERSION(node), loaded, RELAXED);
    if
    :: loaded != version && PLANT != plant -> goto again
    :: else
    fi
}

/* floor_slot() of at_most_mask(): the last slot whose key is at most the one that is wanted, or 0. */
inline find_floor_slot(node)
{
    at_most = 0;
    for (at_slot : 0 .. SLOTS - 1) {
        load_key(node, at_slot, loaded);
        at_most = at_most + (loaded <= wanted)
    };
    at_slot = (at_most > 0 -> at_most - 1 : 0)
}

/* By equal_mask(): the first slot with the key counts. */
inline payload_in()
{
    equal = NONE;
    for (at_slot : 0 .. SLOTS - 1) {
        load_key(node, at_slot, loaded);
        equal = (loaded == wanted && equal == NONE -> at_slot : equal)
    };
    if
    :: equal != NONE -> load_payload(node, equal, got)
    :: else
    fi
}

/* index_tree_range(): the last key that may come to the node. */
inline find_last()
{
    last = KEYS - 1;
    if
    :: above_slot + 1 < SLOTS ->
        load_payload(above, above_slot + 1, got);
        if
        :: (got & GAP) == 0 ->
            load_key(above, above_slot + 1, last);
            last--
        :: else
        fi;
        got = 0
    :: else
    fi
}

/* copy_forward() */
inline copy_entries()
{
    copied = 0;
    at_slot = 0;
    do
    :: at_slot < SLOTS ->
        load_key(node, at_slot, loaded);
        load_payload(node, at_slot, got);
        if
        :: got == 0 -> break
        :: got != 0 && loaded >= wanted ->
            copied_keys[copied] = loaded;
            copied_payloads[copied] = got;
            copied++
        :: else
        fi;
        at_slot++
    :: else -> break
    od;
    got = 0
}

/* A payload that is given for a key; 0: none is. */
inline check(key, payload)
{
    assert(payload == 0 || key_of_entry(payload) == key);
    assert((had[key] & (1 << write_of_entry(payload))) != 0);
    assert(appended[write_of_entry(payload)] <= known)
}

/* What index_scan() gives of what was copied; it goes on behind it. */
inline give_copied()
{
    for (i : 0 .. copied - 1) {
        check(copied_keys[i], copied_payloads[i]);
        assert(copied_keys[i] >= wanted && (given >> copied_keys[i]) == 0);
        given = given | (1 << copied_keys[i]);
        last = (PLANT != RANGE_ONLY && copied_keys[i] > last -> copied_keys[i] : last)
    }
}

/* Each key from `start` on was given, or absent at some time. */
inline check_scan()
{
    for (i : start .. KEYS - 1) {
        assert((given & (1 << i)) != 0 || (had[i] & 1) != 0)
    }
}

active proctype index()
{
    byte known;
    bool scans;
    byte start, wanted, last, given;
    byte node, version, above, above_version, above_slot; /* the way down; nothing above: NONE */
    byte got;

    do
    :: d_step {
            !reading && scripted < SCRIPT ->
            next_of_script();
            write()
        }
    :: d_step {
            !reading ->
            for (i : 0 .. KEYS - 1) {
                had[i] = 1 << content[i]
            };
            reading = true
        }
    :: atomic {
            steps < STEPS ->
            choose_step();
            d_step {
                write()
            }
        }
    :: reading -> break
    od;
    atomic {
        scripted = 0;
        steps = 0;
        what = 0;
        key = 0
    };
    select (start : 0 .. KEYS - 1);
    wanted = start;
    if
    :: scans = true
    :: scans = false
    fi;

again: /* index_find() and index_scan(), from the root */
    atomic {
        above = NONE; /* what matters no more is forgotten, so that states are the same that differ in that alone */
        above_version = 0;
        above_slot = 0;
        version = 0;
        last = 0;
        got = 0;
        load(ROOT, node, ACQUIRE);
        if
        :: node == 0 -> goto done
        :: else -> node = child_of_payload(node)
        fi;
        assert(is_there(node)); /* its level is looked at */
        if
        :: level[node] > 0 -> /* child_of(), and the same in locate() */
            above = node;
            read_begin(above, above_version);
            find_floor_slot(above);
            above_slot = at_slot;
            load_payload(above, above_slot, got);
            read_holds(above, above_version, NO_SECOND_LOOK_ABOVE);
            node = child_of_payload(got);
            got = 0
        :: else
        fi
    };
    atomic {
        read_begin(node, version);
        if
        :: !scans ->
            payload_in();
            read_holds(node, version, NO_SECOND_LOOK);
            goto done
        :: else -> read_holds(node, version, NONE)
        fi
    };
    atomic {
        if
        :: above != NONE ->
            find_last();
            read_holds(above, above_version, NO_RECHECK)
        :: else -> last = KEYS - 1
        fi
    };
    atomic {
        copy_entries();
        read_holds(node, version, NO_STILL_THERE);
        d_step {
            give_copied()
        };
        if
        :: last < KEYS - 1 ->
            wanted = last + 1;
            goto again
        :: else
        fi
    };
done:
    if
    :: scans -> check_scan()
    :: else -> check(wanted, got)
    fi
}
