# SPDX-License-Identifier: Apache-2.0
"""Writes stores byte by byte, from docs/FORMAT.md alone: also such as the library would never write."""

import os
import struct

from reader import (ABORT, COMMIT, DELETE, DROP, GROUPED, MARK, PREVIOUS, PUT, RENAME, SEAL, SEGMENT_HEADER_SIZE,
                    TABLE, crc32c)

STORE_ID = bytes(range(16))


class Builder:
    """A store in the making. Records are appended to the last segment; write() makes the files."""

    def __init__(self, directory, segment_shift=16):
        self.directory = directory
        self.segment_shift = segment_shift
        self.number = 0
        self.group = []      # header checksums, first number, file id and offset of the group that is open
        self.segments = []   # [file id, bytes, slots]
        self.clean = True
        self.durable = None  # None: the log's end, as after a close
        self.next_segment(1)

    # Segments

    def next_segment(self, file_id, slots=1):
        header = struct.pack("<8sII16sQQ12x", b"ALEXLOG\0", 1, slots, STORE_ID, file_id, self.number + 1)
        self.segments.append([file_id, bytearray(header + struct.pack("<I", crc32c(header))), slots])

    @property
    def data(self):
        return self.segments[-1][1]

    @property
    def place(self):
        return (self.segments[-1][0], len(self.data))

    # Records

    def record(self, kind, table=0, key=0, value=b"", flags=0, number=None, previous=0):
        """Appends a record and returns its place."""
        self.number = self.number + 1 if number is None else number
        file_id, offset = self.place
        rest = struct.pack("<IIIQQ", crc32c(value), len(value), table, key & (1 << 64) - 1,
                           self.number | (kind | flags) << 56)
        if flags & PREVIOUS:
            rest += struct.pack("<Q", previous)
        crc = crc32c(STORE_ID + struct.pack("<QQ", file_id, offset) + rest)
        self.data.extend(struct.pack("<I", crc) + rest + value)
        self.data.extend(bytes(-len(self.data) % 8))
        if flags & GROUPED:
            self.group.append((crc, self.number, file_id, offset))
        return (file_id, offset)

    def put(self, key, value, table=1, flags=0):
        return self.record(PUT, table, key, value, flags)

    def delete(self, key, table=1, flags=0):
        return self.record(DELETE, table, key, b"", flags)

    def table(self, table, name, unsigned=False, flags=0):
        return self.record(TABLE, table, 2 if unsigned else 1, name, flags)

    def drop(self, table, flags=0):
        return self.record(DROP, table, 0, b"", flags)

    def rename(self, table, name, flags=0):
        return self.record(RENAME, table, 0, name, flags)

    def commit(self, count=None, checksum=None):
        """Commits the group that is open."""
        crc = crc32c(b"".join(struct.pack("<I", member[0]) for member in self.group))
        first = self.group[0] if self.group else (0, self.number + 1, 0, 0)
        value = struct.pack("<QQQII", first[1], first[2], first[3], crc if checksum is None else checksum, 0)
        place = self.record(COMMIT, 0, len(self.group) if count is None else count, value)
        self.group = []
        return place

    def abort(self):
        """Takes back the group that is open."""
        place = self.record(ABORT, 0, 0, struct.pack("<QQ", self.group[0][1], self.group[-1][1]))
        self.group = []
        return place

    def mark(self, place=None):
        file_id, offset = place or self.place
        return self.record(MARK, 0, file_id, struct.pack("<Q", offset))

    def seal(self, next_file_id=None, slots=1):
        """Ends the segment and begins the next."""
        file_id = self.segments[-1][0] + 1 if next_file_id is None else next_file_id
        self.record(SEAL, 0, file_id)
        self.next_segment(file_id, slots)

    def raw(self, data):
        """Appends bytes that are no record."""
        self.data.extend(data)

    def flip(self, place, distance, bit=0):
        """Changes a bit, `distance` bytes behind a place."""
        for file_id, data, _ in self.segments:
            if file_id == place[0]:
                data[place[1] + distance] ^= 1 << bit

    # Files

    def manifest(self, version=1, flags=0, reserved=0):
        durable = self.durable or self.place
        body = struct.pack("<8sII16sQQQIIQQII", b"ALEXMAN\0", version, self.segment_shift, STORE_ID, 1,
                           self.segments[-1][0] + 1, self.number, 1000, int(self.clean) | flags, durable[0],
                           durable[1], len(self.segments), reserved)
        for file_id, _, slots in self.segments:
            body += struct.pack("<Q8xI12x", file_id, slots)
        return body + struct.pack("<I", crc32c(body))

    def write(self, manifest=None, prepared=4096):
        """Makes the files; the last segment gets `prepared` zero bytes behind it."""
        os.mkdir(self.directory)
        for file_id, data, _ in self.segments:
            with open(self.segment_path(file_id), "wb") as file:
                file.write(data)
                if file_id == self.segments[-1][0]:
                    file.write(bytes(prepared))
        with open(os.path.join(self.directory, "MANIFEST"), "wb") as file:
            file.write(self.manifest() if manifest is None else manifest)
        return self.directory

    def segment_path(self, file_id):
        return os.path.join(self.directory, f"{file_id:016x}.log")


assert SEGMENT_HEADER_SIZE == 64
