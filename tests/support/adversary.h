/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file adversary.h
 * Someone who knows the code, reads the index's nodes, and picks the next key to enter so that it hurts most.
 */
#ifndef SUPPORT_ADVERSARY_H
#define SUPPORT_ADVERSARY_H

#include <stdbool.h>
#include <stdint.h>

struct index;

/** What an adversary is after. The first four look for the insert whose gap is farthest, or that finds none, so that
 *  its node is rebuilt, each in another data node. */
enum aim {
    AIM_LARGEST,    /**< the one with the most entries: the dearest to rebuild */
    AIM_FULLEST,    /**< the one nearest to its greatest density */
    AIM_STAY,       /**< the one hit last, till it is gone: many rebuilds in one place */
    AIM_OLDEST,     /**< the one with the most inserts since it was built */
    AIM_INNER,      /**< the one that its parent's model mispredicts most: splits where the parent fits worst */
    AIM_MISPREDICT, /**< keys that lie farthest from where their data node's model has them */
    AIM_CLUSTERS,   /**< keys ever denser towards one, which no line fits: models that the next rebuild finds worse */
    AIM_WORK,       /**< of a sample of keys the one that index_work_estimate() says costs most */
    AIM_END,        /**< appends until a node keeps many blocks free for more, then fills these from behind */
    AIMS,
};

/** The aim's name, such as "largest". */
const char *adversary_name(enum aim aim);

/** An attack in progress. */
struct adversary {
    enum aim aim;
    uint64_t random;
    uint64_t last;   /**< the key given last */
    uint64_t turns;  /**< keys given */
    uint64_t centre; /**< AIM_CLUSTERS: what keys crowd around */
    uint64_t width;  /**< AIM_CLUSTERS: how far */
    bool filling;    /**< AIM_END */
};

void adversary_begin(struct adversary *adversary, enum aim aim);

/** The next key to enter: absent from the index, which is as the keys so far have left it, and not empty. */
uint64_t adversary_next(struct adversary *adversary, const struct index *index);

#endif /* SUPPORT_ADVERSARY_H */
