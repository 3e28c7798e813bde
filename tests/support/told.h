/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file told.h
 * Salvages, and what they tell.
 */
#ifndef SUPPORT_TOLD_H
#define SUPPORT_TOLD_H

#include "support/store_helper.h"

enum { TOLD_MAX = 64 };

/** What a salvage told. */
struct told {
    size_t count;
    struct {
        enum alex_finding_kind kind;
        char path[FILES_PATH_MAX];
        uint64_t offset;
        uint64_t bytes;
        char message[256];
    } items[TOLD_MAX];
    struct alex_salvage_report report;
};

/** Where told_salvage() salvages to. */
void told_target(const struct fixture *fixture, char *out_path);
/** Salvages the fixture's closed store, whose files must stay as they are, and opens what came of it in its place. */
void told_salvage(struct fixture *fixture, struct told *out_told);
/** Notes a finding in a `struct told`: for alex_salvage(). */
int told_note(void *context, const struct alex_finding *finding);
/** Asserts that the finding with the index `i` is of this kind, and at this place. */
void told_assert(const struct told *told, size_t i, enum alex_finding_kind kind, const char *path, uint64_t offset,
                 uint64_t bytes);

#endif /* SUPPORT_TOLD_H */
