/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file engines.c
 * The list of engines. The first one chosen is what the others are divided by.
 */
#include "engine.h"

const struct engine *const engines[] = {
    &engine_alexstorage,
    &engine_rocksdb,
    &engine_rocksdb_stock,
    &engine_sqlite,
};
const size_t engine_count = sizeof engines / sizeof *engines;
