/* SPDX-License-Identifier: Apache-2.0 */
/** @file mvcc.c Snapshots, and the versions that they see. */
#include "mvcc/mvcc.h"

void mvcc_open(struct mvcc *mvcc, struct mvcc_snapshot *snapshot)
{
    /* Snapshots open at what is published, which only ascends: the newest goes last. */
    *snapshot = (struct mvcc_snapshot){.number = mvcc->published, .older = mvcc->newest};
    if (mvcc->newest != NULL) {
        mvcc->newest->newer = snapshot;
    } else {
        mvcc->oldest = snapshot;
    }
    mvcc->newest = snapshot;
    mvcc->open_count++;
}

void mvcc_close(struct mvcc *mvcc, struct mvcc_snapshot *snapshot)
{
    if (snapshot->older != NULL) {
        snapshot->older->newer = snapshot->newer;
    } else {
        mvcc->oldest = snapshot->newer;
    }
    if (snapshot->newer != NULL) {
        snapshot->newer->older = snapshot->older;
    } else {
        mvcc->newest = snapshot->older;
    }
    mvcc->open_count--;
}

enum mvcc_state mvcc_visible_any(const struct log *log, uint64_t snapshot, uint32_t table, uint64_t key, uint64_t ref,
                                 struct log_value *out_value, uint64_t *out_ref)
{
    uint64_t newer_number = UINT64_MAX;
    for (;;) {
        struct record record;
        *out_ref = ref;
        enum record_state state = log_fetch(log, ref, &record);
        bool ours = state == RECORD_GOOD && record.table == table && record.key == key &&
                    record.number < newer_number && (record.kind == RECORD_PUT || record.kind == RECORD_DELETE);
        if (BASE_UNLIKELY(!ours)) {
            return MVCC_DAMAGED;
        }
        if (record.number <= snapshot) {
            if (record.kind == RECORD_DELETE) {
                return MVCC_ABSENT;
            }
            *out_value = log_value_of(&record);
            return MVCC_VALUE;
        }
        if ((record.flags & RECORD_FLAG_PREVIOUS) == 0) {
            return MVCC_ABSENT;
        }
        newer_number = record.number;
        ref = record.previous;
    }
}
