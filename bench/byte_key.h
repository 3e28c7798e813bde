/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file byte_key.h
 * Keys for engines that order them as bytes: big-endian with the sign bit flipped gives the order of signed numbers.
 */
#ifndef BENCH_BYTE_KEY_H
#define BENCH_BYTE_KEY_H

#include <stdint.h>
#include <string.h>

#define KEY_BYTES 8

static inline void encode_key(int64_t key, char bytes[KEY_BYTES])
{
    uint64_t ordered = __builtin_bswap64((uint64_t)key ^ (uint64_t)1 << 63);
    memcpy(bytes, &ordered, KEY_BYTES);
}

static inline int64_t decode_key(const char *bytes)
{
    uint64_t ordered;
    memcpy(&ordered, bytes, KEY_BYTES);
    return (int64_t)(__builtin_bswap64(ordered) ^ (uint64_t)1 << 63);
}

#endif /* BENCH_BYTE_KEY_H */
