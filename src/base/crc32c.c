/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crc32c.c
 * CRC32C: by table, by the processor's instruction (SSE 4.2), and for larger pieces by ISA-L where it is built in.
 *
 * Records are short, and a call into a library costs as much as a short checksum: so the instruction is used directly
 * up to a size, and ISA-L, which runs several streams at once, above it.
 */
#include "base/base.h"

#include <string.h>

#ifdef BASE_HAVE_ISAL
#include <isa-l/crc.h>
#endif

/** Pieces of at least this size go to ISA-L: where its several streams outrun the instruction's latency. */
#define ISAL_MIN_BYTES 256

static uint32_t crc_table[8][256];

/** Fills the tables before main(): the first checksum may come from any thread. */
__attribute__((constructor)) static void crc_table_init(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
        }
        crc_table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int slice = 1; slice < 8; slice++) {
            uint32_t before = crc_table[slice - 1][byte];
            crc_table[slice][byte] = (before >> 8) ^ crc_table[0][before & 0xFF];
        }
    }
}

uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    crc = ~crc;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word = 0;
        for (int i = 7; i >= 0; i--) {
            word = (word << 8) | bytes[i];
        }
        word ^= crc;
        crc = 0;
        for (int i = 0; i < 8; i++) {
            crc ^= crc_table[7 - i][(word >> (8 * i)) & 0xFF];
        }
    }
    for (; size > 0; size--, bytes++) {
        crc = (crc >> 8) ^ crc_table[0][(crc ^ *bytes) & 0xFF];
    }
    return ~crc;
}

#if defined(__x86_64__) && !defined(ALEX_PORTABLE)

bool base_crc32c_hardware;

__attribute__((constructor)) static void crc_hardware_init(void)
{
    __builtin_cpu_init();
    base_crc32c_hardware = __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const unsigned char *bytes, size_t size)
{
    uint64_t state = ~crc & 0xFFFFFFFFu;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        state = __builtin_ia32_crc32di(state, word);
    }
    uint32_t tail = (uint32_t)state;
    if ((size & 4) != 0) {
        uint32_t word;
        memcpy(&word, bytes, sizeof word);
        tail = __builtin_ia32_crc32si(tail, word);
        bytes += 4;
    }
    for (size &= 3; size > 0; size--, bytes++) {
        tail = __builtin_ia32_crc32qi(tail, *bytes);
    }
    return ~tail;
}

uint32_t base_crc32c(uint32_t crc, const void *data, size_t size)
{
    if (BASE_UNLIKELY(!base_crc32c_hardware)) {
        return base_crc32c_portable(crc, data, size);
    }
#ifdef BASE_HAVE_ISAL
    if (size >= ISAL_MIN_BYTES) {
        const unsigned char *bytes = data;
        crc = ~crc;
        while (size > 0) {
            int piece = size > (1 << 30) ? 1 << 30 : (int)size;
            /* ISA-L's buffer parameter lacks a const that it keeps to. */
            union {
                const unsigned char *in;
                unsigned char *out;
            } buffer = {.in = bytes};
            crc = crc32_iscsi(buffer.out, piece, crc);
            bytes += piece;
            size -= (size_t)piece;
        }
        return ~crc;
    }
#endif
    return crc32c_sse42(crc, data, size);
}

#else

uint32_t base_crc32c(uint32_t crc, const void *data, size_t size)
{
    return base_crc32c_portable(crc, data, size);
}

#endif
