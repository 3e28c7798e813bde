/* SPDX-License-Identifier: Apache-2.0 */
/** @file record_layout.h Offsets in a record's header (FORMAT.md, "Records"). */
#ifndef LOG_RECORD_LAYOUT_H
#define LOG_RECORD_LAYOUT_H

enum {
    AT_HEADER_CHECKSUM = 0,
    AT_VALUE_CHECKSUM = 4,
    AT_VALUE_BYTES = 8,
    AT_TABLE = 12,
    AT_KEY = 16,
    AT_NUMBER_AND_KIND = 24,
    AT_PREVIOUS = 32,
};

#define KIND_SHIFT 56
#define KIND_MASK 0x0Fu

#endif /* LOG_RECORD_LAYOUT_H */
