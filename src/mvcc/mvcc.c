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

enum mvcc_state mvcc_visible(const struct log *log, uint64_t snapshot, uint32_t table, uint64_t key, uint64_t ref,
                             struct record *out_record, uint64_t *out_ref)
{
    *out_ref = ref;
    if (BASE_LIKELY(log_fetch_put(log, ref, table, key, out_record)) && BASE_LIKELY(out_record->number <= snapshot)) {
        return MVCC_VALUE;
    }
    uint64_t newer_number = UINT64_MAX;
    for (;;) {
        *out_ref = ref;
        enum record_state state = log_fetch(log, ref, out_record);
        bool ours = state == RECORD_GOOD && out_record->table == table && out_record->key == key &&
                    out_record->number < newer_number &&
                    (out_record->kind == RECORD_PUT || out_record->kind == RECORD_DELETE);
        if (BASE_UNLIKELY(!ours)) {
            return MVCC_DAMAGED;
        }
        if (BASE_LIKELY(out_record->number <= snapshot)) {
            return out_record->kind == RECORD_PUT ? MVCC_VALUE : MVCC_ABSENT;
        }
        if ((out_record->flags & RECORD_FLAG_PREVIOUS) == 0) {
            return MVCC_ABSENT;
        }
        newer_number = out_record->number;
        ref = out_record->previous;
    }
}
