/* SPDX-License-Identifier: Apache-2.0 */
/** @file bytes.h Little-endian numbers in unaligned memory. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTES_SWAP32(number) (number)
#define BYTES_SWAP64(number) (number)
#else
#define BYTES_SWAP32(number) __builtin_bswap32(number)
#define BYTES_SWAP64(number) __builtin_bswap64(number)
#endif

static inline uint32_t bytes_load32(const void *at)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return BYTES_SWAP32(number);
}

static inline uint64_t bytes_load64(const void *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return BYTES_SWAP64(number);
}

static inline void bytes_store32(void *at, uint32_t number)
{
    number = BYTES_SWAP32(number);
    memcpy(at, &number, sizeof number);
}

static inline void bytes_store64(void *at, uint64_t number)
{
    number = BYTES_SWAP64(number);
    memcpy(at, &number, sizeof number);
}

#endif /* BASE_BYTES_H */
