/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engines.c
 * The list of engines. The first one chosen is what the others are divided by.
 */
#include "engine.h"

/* clang-format off */
const struct engine *const engines[] = {
    &engine_alexstorage,
    &engine_rocksdb,
    &engine_rocksdb_stock,
    &engine_sqlite,
    &engine_lmdb,
    &engine_lmdb_writemap,
    &engine_leveldb,
    &engine_wiredtiger,
    &engine_alexstorage_binary,
    &engine_floor,
    &engine_sqlite_cached,
    &engine_rocksdb_mapped,
    &engine_alexstorage_nobackground,
    &engine_alexstorage_zerocopy,
    &engine_alexstorage_unchecked,
    &engine_alexstorage_noprefetch,
};
/* clang-format on */
const size_t engine_count = sizeof engines / sizeof *engines;
