/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file findings.h
 * What a check or a salvage finds: printed a line each, or collected as JSON.
 */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include <alexstorage.h>
#include <jansson.h>

struct findings {
    json_t *array; /**< where they are added; NULL: each is printed to stdout */
    uint64_t count;
};

/** Begins, with a JSON array or without. findings_release() ends it. */
void findings_init(struct findings *findings, bool as_json);
void findings_release(struct findings *findings);

/** Takes one; a visit for alex_check() and alex_salvage(). @param context  struct findings @return 0 */
int findings_add(void *context, const struct alex_finding *finding);

/** Prints ": no findings", ": 1 finding" or the like, and ends the line. */
void findings_print_count(const struct findings *findings);

#endif /* CLI_FINDINGS_H */
