/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_base_crc32c.c
 * CRC32C against the vectors of RFC 3720 (B.4), against its definition, and one implementation against the other.
 */
#include <sys/mman.h>

#include "base/base.h"
#include "base/bytes.h"
#include "support/store_helper.h"

/** Past the size from which ISA-L works, and past several of its blocks. */
enum { SIZE_MAX_TESTED = 1100, ALIGNMENTS = 16 };

static void assert_crc(const void *data, size_t size, uint32_t expected)
{
    assert_int_equal(base_crc32c(0, data, size), expected);
    assert_int_equal(base_crc32c_portable(0, data, size), expected);
    assert_int_equal(files_crc32c(0, data, size), expected);
}

/* The vectors of RFC 3720, and the check value of the CRC catalogues. */
static void test_vectors(void **state)
{
    (void)state;
    unsigned char bytes[32] = {0};
    assert_crc(bytes, 32, 0x8A9136AA);
    memset(bytes, 0xFF, 32);
    assert_crc(bytes, 32, 0x62A8AB43);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_crc(bytes, 32, 0x46DD794E);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_crc(bytes, 32, 0x113FDB5C);
    static const unsigned char read_command[48] = {
        0x01, 0xC0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0,    0,
    };
    assert_crc(read_command, sizeof read_command, 0xD9963A56);
    assert_crc("123456789", 9, 0xE3069283);
    assert_crc("", 0, 0);
}

/* For every size and alignment the processor's instruction, the table, ISA-L (from 256 bytes on) and the definition
 * agree. */
static void test_sizes_and_alignments(void **state)
{
    (void)state;
    static unsigned char memory[SIZE_MAX_TESTED + ALIGNMENTS];
    helper_fill(memory, sizeof memory, 1);
    uint32_t crc = 0x12345678;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        uint32_t expected = files_crc32c(crc, memory, size);
        for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
            unsigned char *at = malloc(size + alignment + 1);
            memcpy(at + alignment, memory, size);
            assert_int_equal(base_crc32c(crc, at + alignment, size), expected);
            assert_int_equal(base_crc32c_portable(crc, at + alignment, size), expected);
            free(at);
        }
        crc = expected;
    }
}

/* A checksum continued over pieces is that of the whole, wherever it is cut. */
static void test_chaining(void **state)
{
    (void)state;
    static unsigned char memory[SIZE_MAX_TESTED];
    helper_fill(memory, sizeof memory, 2);
    uint32_t whole = base_crc32c(0, memory, sizeof memory);
    for (size_t cut = 0; cut <= sizeof memory; cut++) {
        assert_int_equal(base_crc32c(base_crc32c(0, memory, cut), memory + cut, sizeof memory - cut), whole);
        assert_int_equal(base_crc32c_portable(base_crc32c(0, memory, cut), memory + cut, sizeof memory - cut), whole);
    }
}

#if defined(__x86_64__) && !defined(ALEX_PORTABLE)
/* A processor without the instruction gets the same checksums. */
static void test_without_the_instruction(void **state)
{
    (void)state;
    static unsigned char memory[SIZE_MAX_TESTED];
    helper_fill(memory, sizeof memory, 3);
    bool hardware = base_crc32c_hardware;
    for (size_t size = 0; size <= sizeof memory; size++) {
        uint32_t expected = base_crc32c(7, memory, size);
        base_crc32c_hardware = false;
        uint32_t crc = base_crc32c(7, memory, size);
        base_crc32c_hardware = hardware;
        assert_int_equal(crc, expected);
    }
}
#endif

/* More than a gigabyte, which ISA-L doesn't take at once, has a checksum all the same. */
static void test_more_than_a_gigabyte(void **state)
{
    (void)state;
    const size_t size = ((size_t)1 << 30) + 1000;
    /* Pages that are only read take no memory. */
    unsigned char *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    uint32_t pieces = base_crc32c(5, memory, size / 2);
    assert_int_equal(base_crc32c(5, memory, size), base_crc32c(pieces, memory + size / 2, size - size / 2));
    assert_int_equal(munmap(memory, size), 0);
}

/* Numbers are stored with their least byte first, at any address. */
static void test_little_endian(void **state)
{
    (void)state;
    unsigned char bytes[9] = {0};
    bytes_store32(bytes + 1, 0x04030201);
    assert_memory_equal(bytes, "\0\1\2\3\4\0\0\0\0", 9);
    assert_int_equal(bytes_load32(bytes + 1), 0x04030201);
    bytes_store64(bytes + 1, 0x0807060504030201);
    assert_memory_equal(bytes, "\0\1\2\3\4\5\6\7\10", 9);
    assert_true(bytes_load64(bytes + 1) == 0x0807060504030201);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_sizes_and_alignments),
        cmocka_unit_test(test_chaining),
#if defined(__x86_64__) && !defined(ALEX_PORTABLE)
        cmocka_unit_test(test_without_the_instruction),
#endif
        cmocka_unit_test(test_more_than_a_gigabyte),
        cmocka_unit_test(test_little_endian),
    };
    return cmocka_run_group_tests_name("base crc32c", tests, NULL, NULL);
}
