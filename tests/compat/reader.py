#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a store by docs/FORMAT.md alone and prints what `alexstorage dump` prints: a line of JSON an entry.

It shares no code with the library, so that what the two agree on is what the page says. Exit codes are the tool's: 0,
2 wrong usage, 3 no such store or table, or one of a newer format, 4 damage; entries that are damaged are left out.
"""

import argparse
import base64
import json
import mmap
import os
import struct
import sys

MANIFEST_MAGIC = b"ALEXMAN\0"
SEGMENT_MAGIC = b"ALEXLOG\0"
FORMAT_VERSION = 1
SEGMENT_HEADER_SIZE = 64
RECORD_HEADER_SIZE = 32
VALUE_MAX = 1 << 30

PUT, DELETE, COMMIT, ABORT, MARK, SEAL, TABLE, DROP, RENAME = range(1, 10)
PREVIOUS, GROUPED = 0x10, 0x20
RESERVED_FLAGS = 0xC0
CLEAN = 1

MAIN_TABLE = 1
SIGNED, UNSIGNED = 1, 2


class NoStore(Exception):
    """There is nothing at the path that is a store."""


class NewerFormat(Exception):
    """A newer version wrote it."""


class Damaged(Exception):
    """Bytes that were on disk have changed or gone."""


def make_crc_table():
    table = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    table = CRC_TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Manifest:
    """The manifest's fields."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "MANIFEST")
        try:
            with open(self.path, "rb") as file:
                data = file.read(33_554_525)
        except FileNotFoundError:
            if os.path.isdir(directory) and any(name.endswith(".log") for name in os.listdir(directory)):
                raise Damaged(f"{self.path}: missing") from None
            raise NoStore(f"{directory}: no store") from None
        except NotADirectoryError:
            raise NoStore(f"{directory}: not a directory") from None
        if not 92 <= len(data) <= 33_554_524 or data[:8] != MANIFEST_MAGIC:
            raise Damaged(f"{self.path}, offset 0: not a manifest")
        if struct.unpack_from("<I", data, len(data) - 4)[0] != crc32c(data[:-4]):
            raise Damaged(f"{self.path}: checksum does not hold")
        version, self.segment_shift = struct.unpack_from("<II", data, 8)
        if version > FORMAT_VERSION:
            raise NewerFormat(f"{self.path}: format version {version}")
        self.store_id = data[16:32]
        self.generation, self.next_file, self.number_floor = struct.unpack_from("<QQQ", data, 32)
        self.next_table, self.flags = struct.unpack_from("<II", data, 56)
        self.durable = struct.unpack_from("<QQ", data, 64)
        count, reserved = struct.unpack_from("<II", data, 80)
        if len(data) != 92 + 32 * count or version < 1 or not 16 <= self.segment_shift <= 40:
            raise Damaged(f"{self.path}: its fields make no sense")
        self.segments = []
        for i in range(count):
            at = 88 + 32 * i
            file_id, reserved_of_segment, slots = struct.unpack_from("<QQI", data, at)
            if reserved_of_segment or any(data[at + 20:at + 32]):
                raise NewerFormat(f"{self.path}, offset {at}: reserved bytes are set")
            self.segments.append((file_id, slots))
        if reserved or self.flags & ~CLEAN:
            raise NewerFormat(f"{self.path}: reserved fields are set")
        ids = [segment[0] for segment in self.segments]
        if ids != sorted(set(ids)):
            raise Damaged(f"{self.path}: segments out of order")

    @property
    def clean(self):
        return bool(self.flags & CLEAN)


class Record:
    """One record; the value stays in the file until asked for."""

    __slots__ = ("segment", "offset", "header_crc", "value_crc", "length", "table", "key", "number", "kind", "flags",
                 "value_at", "end")

    def value(self):
        return self.segment.data[self.value_at:self.value_at + self.length]

    def value_holds(self):
        return crc32c(self.value()) == self.value_crc

    @property
    def place(self):
        return (self.segment.file_id, self.offset)

    @property
    def signed_key(self):
        return self.key - (1 << 64) if self.key >> 63 else self.key


class Segment:
    """A log file. `problem` says why it can't be read, if it can't."""

    def __init__(self, directory, manifest, file_id, slots):
        self.file_id = file_id
        self.path = os.path.join(directory, f"{file_id:016x}.log")
        self.data = b""
        self.problem = None
        self.first_number = 0
        self.limit = slots << manifest.segment_shift
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size > 0:
                    self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            self.problem = "missing"
            return
        if len(self.data) < SEGMENT_HEADER_SIZE:
            self.problem = "shorter than a segment header"
            return
        header = self.data[:SEGMENT_HEADER_SIZE]
        magic, version, header_slots, store_id, header_file, self.first_number = \
            struct.unpack_from("<8sII16sQQ", header)
        if magic != SEGMENT_MAGIC:
            self.problem = "no segment header"
        elif struct.unpack_from("<I", header, 60)[0] != crc32c(header[:60]):
            self.problem = "the segment header's checksum does not hold"
        elif version > FORMAT_VERSION:
            raise NewerFormat(f"{self.path}, offset 8: format version {version}")
        elif any(header[48:60]):
            raise NewerFormat(f"{self.path}, offset 48: reserved bytes are set")
        elif store_id != manifest.store_id or header_file != file_id or header_slots != slots:
            self.problem = "the segment header is another file's"
        self.seed = crc32c(header[16:40])

    def record_at(self, offset):
        """The record there, or None where no header checksum holds."""
        data = self.data
        if offset + RECORD_HEADER_SIZE > min(len(data), self.limit):
            return None
        record = Record()
        record.header_crc, record.value_crc, record.length, record.table, record.key, number_and_kind = \
            struct.unpack_from("<IIIIQQ", data, offset)
        record.number = number_and_kind & ((1 << 56) - 1)
        record.kind = number_and_kind >> 56 & 15
        record.flags = number_and_kind >> 56 & 0xF0
        size = 40 if record.flags & PREVIOUS else 32
        if offset + size > min(len(data), self.limit):
            return None
        crc = crc32c(struct.pack("<Q", offset), self.seed)
        if crc32c(data[offset + 4:offset + size], crc) != record.header_crc:
            return None
        record.segment = self
        record.offset = offset
        record.value_at = offset + size
        record.end = (record.value_at + record.length + 7) // 8 * 8
        return record

    def tail_size(self, offset):
        """Bytes from `offset` to the last one that is not zero, rounded up to 8."""
        rest = self.data[offset:]
        return (len(rest.rstrip(b"\0")) + 7) // 8 * 8


def fits(record):
    """Whether a record's kind fits its other fields (the length of its value among them)."""
    kind, length, table, flags = record.kind, record.length, record.table, record.flags
    if kind in (COMMIT, ABORT, MARK, SEAL):
        lengths = {COMMIT: 32, ABORT: 16, MARK: 8}
        return table == 0 and flags == 0 and length == lengths.get(kind, length)
    if table == 0 or length > VALUE_MAX:
        return False
    if kind == PUT:
        return True
    if kind == TABLE:
        return record.key in (SIGNED, UNSIGNED) and 1 <= length <= 255 and table != MAIN_TABLE
    if kind == RENAME:
        return 1 <= length <= 255 and record.key == 0 and table != MAIN_TABLE
    if kind == DROP:
        return length == 0 and record.key == 0 and table != MAIN_TABLE
    return length == 0


class Log:
    """All of a store's records that count, and where and how its log ends."""

    def __init__(self, directory):
        self.manifest = Manifest(directory)
        self.segments = {file_id: Segment(directory, self.manifest, file_id, slots)
                         for file_id, slots in self.manifest.segments}
        self.records = []      # in order of appends
        self.counted = []      # those that count, in order of numbers
        self.pending = []      # GROUPED records of the group that is open
        self.dropped = 0
        self.durable = self.manifest.durable
        self.cut_bytes = 0
        self.end = self.read()
        self.find_durable_end()
        self.end_at_bad_value()
        self.apply_groups()
        self.judge_end()

    def read(self):
        """Reads record after record; returns the place where the log ends."""
        if not self.manifest.segments:
            raise Damaged(f"{self.manifest.path}: lists no segment")
        for listed in self.segments.values():
            if listed.problem:
                raise Damaged(f"{listed.path}, offset 0: {listed.problem}")
        order = [file_id for file_id, _ in self.manifest.segments]
        followers = dict(zip(order, order[1:]))
        segment = self.segments[order[0]]
        offset = SEGMENT_HEADER_SIZE
        last_number = 0
        group = []
        while True:
            record = segment.record_at(offset)
            if record is None:
                break
            if not PUT <= record.kind <= RENAME or record.flags & RESERVED_FLAGS:
                raise NewerFormat(f"{segment.path}, offset {offset}: kind {record.kind}, flags {record.flags:#x}")
            if not fits(record) or record.number <= last_number or record.number < segment.first_number:
                break
            if record.end > min(len(segment.data), segment.limit - (0 if record.kind == SEAL else RECORD_HEADER_SIZE)):
                break
            if record.kind == SEAL:
                if not segment.file_id < record.key <= followers.get(segment.file_id, 0):
                    break
            elif record.kind in (COMMIT, ABORT, MARK, TABLE, RENAME) and not record.value_holds():
                break
            if record.kind in (TABLE, RENAME) and 0 in record.value():
                raise Damaged(f"{segment.path}, offset {offset}: a table's name has a zero byte")
            if record.flags & GROUPED:
                group.append(record)
            elif record.kind == ABORT:
                first, last = struct.unpack("<QQ", record.value())
                group = [member for member in group if not first <= member.number <= last]
            elif record.kind == COMMIT:
                if not self.commit_agrees(record, group):
                    break
                group = []
            self.records.append(record)
            last_number = record.number
            offset = record.end
            if record.kind == SEAL:
                segment = self.segments[followers[segment.file_id]]
                offset = SEGMENT_HEADER_SIZE
        return (segment.file_id, offset)

    @staticmethod
    def commit_agrees(commit, group):
        first, file_id, offset, checksum, reserved = struct.unpack("<QQQII", commit.value())
        if reserved:
            raise NewerFormat(f"{commit.segment.path}, offset {commit.offset}: a reserved field is set")
        covered = [record for record in group if first <= record.number < commit.number]
        if len(covered) != commit.key:
            return False
        if covered and covered[0].place != (file_id, offset):
            return False
        return crc32c(b"".join(struct.pack("<I", record.header_crc) for record in covered)) == checksum

    def find_durable_end(self):
        """Takes all MARKs into account, those behind the log's end included."""
        for record in self.records:
            self.take_mark(record)
        for file_id, _ in self.manifest.segments:
            segment = self.segments[file_id]
            if file_id < self.end[0]:
                continue
            at = self.end[1] if file_id == self.end[0] else SEGMENT_HEADER_SIZE
            for offset in range(at, len(segment.data) - RECORD_HEADER_SIZE + 1, 8):
                if segment.data[offset + 31] == MARK:
                    record = segment.record_at(offset)
                    if record is not None and fits(record) and record.end <= len(segment.data):
                        self.take_mark(record)

    def take_mark(self, record):
        if record.kind == MARK and record.value_holds():
            self.durable = max(self.durable, (record.key, struct.unpack("<Q", record.value())[0]))

    def end_at_bad_value(self):
        """From the durable end on, a value that does not hold ends the log."""
        for i, record in enumerate(self.records):
            if record.place >= self.durable and not record.value_holds():
                self.end = record.place
                del self.records[i:]
                return

    def apply_groups(self):
        for record in self.records:
            if record.flags & GROUPED:
                self.pending.append(record)
            elif record.kind == COMMIT:
                first = struct.unpack_from("<Q", record.value())[0]
                covered = [member for member in self.pending if member.number >= first]
                self.counted += covered
                self.dropped += len(self.pending) - len(covered)
                self.pending = []
            elif record.kind == ABORT:
                first, last = struct.unpack("<QQ", record.value())
                kept = [member for member in self.pending if not first <= member.number <= last]
                self.dropped += len(self.pending) - len(kept)
                self.pending = kept
            else:
                self.counted.append(record)
        self.dropped += len(self.pending)
        self.counted.sort(key=lambda record: record.number)

    def judge_end(self):
        """Tells damage from the edge of a crash."""
        file_id, offset = self.end
        path = self.segments[file_id].path
        if self.end < self.durable:
            raise Damaged(f"{path}, offset {offset}: no good record, but the log is durable up to file "
                          f"{self.durable[0]:016x}, offset {self.durable[1]}")
        if self.manifest.clean and self.end != self.durable:
            raise Damaged(f"{path}, offset {offset}: the log ends here, but was closed elsewhere")
        self.cut_bytes = self.segments[file_id].tail_size(offset)
        for other in self.segments.values():
            if other.file_id > file_id:
                self.cut_bytes += other.tail_size(SEGMENT_HEADER_SIZE)


class Store:
    """Tables and their keys, as the counted records leave them."""

    def __init__(self, directory):
        self.log = Log(directory)
        self.tables = {MAIN_TABLE: ("main", SIGNED)}
        self.keys = {MAIN_TABLE: {}}
        for record in self.log.counted:
            self.apply(record)

    def apply(self, record):
        if record.kind == TABLE:
            self.tables[record.table] = (record.value().decode("utf-8", "surrogateescape"), record.key)
            self.keys[record.table] = {}
        elif record.kind == RENAME:
            order = self.tables[record.table][1]
            self.tables[record.table] = (record.value().decode("utf-8", "surrogateescape"), order)
        elif record.kind == DROP:
            self.tables.pop(record.table, None)
            self.keys.pop(record.table, None)
        elif record.kind == PUT and record.table in self.keys:
            self.keys[record.table][record.key] = record
        elif record.kind == DELETE and record.table in self.keys:
            self.keys[record.table].pop(record.key, None)

    def tables_by_name(self):
        return sorted(self.tables.items(), key=lambda item: item[1][0].encode("utf-8", "surrogateescape"))

    def entries(self, table):
        """(key, record) in the table's order."""
        if self.tables[table][1] == UNSIGNED:
            return sorted(self.keys[table].items())
        return sorted((record.signed_key, record) for record in self.keys[table].values())


EXACT_MAX = (1 << 53) - 1
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def json_key(key):
    """A number, or a string of digits where a double would not have it exactly."""
    return str(key) if abs(key) <= EXACT_MAX else f'"{key}"'


def json_bytes(data):
    """A string if the bytes are UTF-8 without a zero byte, else base64."""
    try:
        text = data.decode("utf-8") if 0 not in data else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        return '{"base64":"' + base64.b64encode(data).decode("ascii") + '"}'
    return '"' + "".join(ESCAPES.get(c) or (f"\\u{ord(c):04X}" if c < " " else c) for c in text) + '"'


def dump(store, table, out):
    """Writes a table's entries; returns the number of damaged ones, which are left out."""
    damaged = 0
    for key, record in store.entries(table):
        if record.value_holds():
            out.write(f'{{"key":{json_key(key)},"value":{json_bytes(record.value())}}}\n'.encode("utf-8"))
        else:
            damaged += 1
            print(f"{record.segment.path}, offset {record.offset}: the value of key {key} is damaged", file=sys.stderr)
    return damaged


def summary(store):
    """What there is besides entries."""
    log = store.log
    return {
        "tables": [{"id": table, "name": name, "keys_are": "signed" if order == SIGNED else "unsigned",
                    "keys": len(store.keys[table])} for table, (name, order) in store.tables_by_name()],
        "clean": log.manifest.clean,
        "records": len(log.records),
        "records_dropped": log.dropped,
        "cut_bytes": log.cut_bytes,
        "end": list(log.end),
        "durable_end": list(log.durable),
        "segments": len(log.segments),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("store", help="the store's directory")
    parser.add_argument("-t", "--table", default="main", help="the table to print (default: main)")
    parser.add_argument("--summary", action="store_true", help="print what was found, as JSON, and no entries")
    arguments = parser.parse_args()
    try:
        store = Store(arguments.store)
    except (NoStore, NewerFormat) as error:
        print(error, file=sys.stderr)
        return 3
    except Damaged as error:
        print(error, file=sys.stderr)
        return 4
    if arguments.summary:
        print(json.dumps(summary(store), indent=2))
        return 0
    for table, (name, _) in store.tables.items():
        if name == arguments.table:
            return 4 if dump(store, table, sys.stdout.buffer) else 0
    print(f"{arguments.store}: no table {arguments.table}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main())
