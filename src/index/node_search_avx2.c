/* SPDX-License-Identifier: Apache-2.0 */
/** @file node_search_avx2.c The search, comparing four slots at a time. */
#include "base/base.h"
#include "index/node_search.h"

#ifdef INDEX_SEARCH_X86

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt")
#endif

#include <immintrin.h>

static inline __m256i load4(const struct index_block *block, uint32_t slot)
{
    return _mm256_load_si256((const __m256i *)(const void *)&block->keys[slot]);
}

static inline unsigned mask8(__m256i low, __m256i high)
{
    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
           (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
}

/** There is only a signed compare: the sign bits are turned. */
static inline unsigned at_most_mask(const struct index_block *block, uint64_t key)
{
    __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    __m256i keys = _mm256_set1_epi64x((int64_t)(key ^ UINT64_C(1) << 63));
    __m256i low = _mm256_cmpgt_epi64(_mm256_xor_si256(load4(block, 0), sign), keys);
    __m256i high = _mm256_cmpgt_epi64(_mm256_xor_si256(load4(block, 4), sign), keys);
    return mask8(low, high) ^ 0xFFu;
}

static inline unsigned equal_mask(const struct index_block *block, uint64_t key)
{
    __m256i keys = _mm256_set1_epi64x((int64_t)key);
    return mask8(_mm256_cmpeq_epi64(load4(block, 0), keys), _mm256_cmpeq_epi64(load4(block, 4), keys));
}

#define SEARCH_TABLE index_search_avx2
#include "index/node_search_template.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else
/* ISO C wants a declaration in every file. */
typedef int node_search_avx2_is_for_x86;
#endif
