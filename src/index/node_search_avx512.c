/* SPDX-License-Identifier: Apache-2.0 */
/** @file node_search_avx512.c The search, comparing all eight slots of a block at once. */
#include "base/base.h"
#include "index/node_search.h"

#ifdef INDEX_SEARCH_X86

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,bmi,bmi2,lzcnt,popcnt"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx2,bmi,bmi2,lzcnt,popcnt")
#endif

#include <immintrin.h>

static inline __m512i load8(const struct index_block *block)
{
    return _mm512_load_si512((const void *)block->keys);
}

static inline unsigned at_most_mask(const struct index_block *block, uint64_t key)
{
    return _mm512_cmple_epu64_mask(load8(block), _mm512_set1_epi64((int64_t)key));
}

static inline unsigned equal_mask(const struct index_block *block, uint64_t key)
{
    return _mm512_cmpeq_epu64_mask(load8(block), _mm512_set1_epi64((int64_t)key));
}

#define SEARCH_TABLE index_search_avx512
#include "index/node_search_template.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else
/* ISO C wants a declaration in every file. */
typedef int node_search_avx512_is_for_x86;
#endif
