/* SPDX-License-Identifier: Apache-2.0 */
/** @file node_search.c Which variant of the search the process uses. */
#include "index/node_search.h"
#include "base/base.h"

_Atomic(const struct index_search *) index_search_in_use;

static const struct index_search *variant(enum index_simd simd)
{
    switch (simd) {
    case INDEX_SIMD_PORTABLE:
        return &index_search_portable;
#ifdef INDEX_SEARCH_X86
    case INDEX_SIMD_AVX2:
        /* unreached: on one processor it is there, or it is not */
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? &index_search_avx2 : NULL;
    case INDEX_SIMD_AVX512:
        /* unreached: as above */
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("bmi2") ? &index_search_avx512 : NULL;
#endif
    default:
        return NULL;
    }
}

const struct index_search *index_search_choose(void)
{
    static const enum index_simd by_speed[] = {INDEX_SIMD_AVX512, INDEX_SIMD_AVX2, INDEX_SIMD_PORTABLE};
    const struct index_search *search = NULL;
    for (size_t i = 0; search == NULL; i++) {
        search = variant(by_speed[i]);
    }
    atomic_store_explicit(&index_search_in_use, search, memory_order_relaxed);
    return search;
}

bool index_simd_choose(enum index_simd simd)
{
    const struct index_search *search = variant(simd);
    if (search == NULL) {
        return false;
    }
    atomic_store_explicit(&index_search_in_use, search, memory_order_relaxed);
    return true;
}
