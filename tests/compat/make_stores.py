#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden stores of the format's present version anew, in tests/compat/stores/VERSION/NAME.

usage: tests/compat/make_stores.py BUILD_DIR [NAME]...        such as build/release; by default all

The library writes them, by scripts for test_store_script.c; what must be in them follows from the scripts alone, and
goes into contents.txt:

    clean yes                    whether the store was closed
    records 7, dropped 0         what replay reads, and what of it was never committed
    cut 0                        bytes of the crash's edge
    table main signed            for each table, by name, and behind it its entries in order:
    -5 6 1a2b3c4d                key, size of the value, CRC32C of the value

Stores of versions that are released stay as they are: this is for a version that is not yet, and for new variants.
"""

import copy
import os
import shutil
import subprocess
import sys
import tempfile

import reader
from test_reader import fill

HERE = os.path.dirname(os.path.abspath(__file__))

# What becomes of a store. Each string is the life of one process, a command a line. "tear" is for this script: half of
# the record that the next line puts is lost, and with it everything behind.
STORES = {
    "empty": ["open 0\nclose\n"],
    # Values of every kind of size, overwritten, deleted, deleted and put again; the least and the greatest key.
    "values": [
        "open 0\n"
        "put 1 10 1\nput 2 0 2\nput 3 7 3\nput 4 8 4\nput 5 9 5\nput 6 3000 6\n"
        "put -9223372036854775808 5 7\nput 9223372036854775807 6 8\nput -1 100 9\n"
        "reserve 7 50 10\ncancel 8 50\nput 1 20 11\nput 1 2 12\ndelete 3\ndelete 4\nput 4 30 13\nclose\n",
    ],
    # Three processes, the second of which writes nothing.
    "reopened": ["open 0\nput 1 5 1\nput 2 6 2\nclose\n", "open 0\nclose\n", "open 0\nput 2 7 3\nput 3 8 4\nclose\n"],
    "tables": [
        "open 0\nput 1 5 1\n"
        "table wide unsigned\nput 0 4 2\nput 9223372036854775808 5 3\nput 18446744073709551615 6 4\n"
        "table empty signed\ntable users signed\nput -7 8 5\n"
        "drop users\ntable users unsigned\nput 7 9 6\ntable gone signed\nput 1 1 7\ndrop gone\n"
        "table main signed\nput -1 3 8\nclose\n",
    ],
    # Batches and loads in segments of 64 KiB, so that groups run from one into the next.
    "batches": [
        "open 16\nput 1 10 1\n"
        "batch\nput 2 20000 2\nput 3 20000 3\ndelete 1\nput 4 20000 4\nput 5 20000 5\nput 2 30 6\nwrite\n"
        "load\nput 10 100 7\nput 12 200 8\nput 11 300 9\nput 12 5 10\ncommit\n"
        "load\nput 20 100 11\nput 3 100 12\nabandon\nbatch\nwrite\nclose\n",
    ],
    # Write transactions over several segments, in part rolled back, that make, rename and drop tables; one that is
    # given up; single renames.
    "transactions": [
        "open 16\nput 1 10 1\ntable users signed\nput 1 5 2\ntable other unsigned\nput 9 5 3\n"
        "begin\ntable users signed\nput 2 20000 4\ntable new unsigned\nput 18446744073709551615 30 5\n"
        "rename users people\nsave\ndrop other\ntable main signed\nput 1 20000 6\nput 2 20000 7\nback\n"
        "put 3 20000 8\nput 4 20000 9\ntable people signed\ndelete 1\n"
        "table gone signed\nput 1 1 10\ndrop gone\ncommit\n"
        "begin\ntable never signed\nput 1 1 11\ndrop people\nrename other lost\nabandon\n"
        "rename other users\nrename new other\nclose\n",
    ],
    # A value that no segment of the usual size takes.
    "large": ["open 16\nput 1 10 1\nput 2 65536 2\nput 3 10 3\nclose\n"],
    # Ended without a close: a part is known to be durable, and a load was never committed.
    "killed": ["open 16\nput 1 10 1\nput 2 20 2\nsync\nput 1 30 3\ndelete 2\nload\nput 3 40 4\nput 4 50 5\nkill\n"],
    # The same, and bytes that never reached the disk. What is behind them goes on in a second segment.
    "torn": ["open 16\nput 1 10 1\nsync\nput 2 30000 2\ntear\nput 3 30000 3\nput 4 9000 4\nput 5 10 5\nkill\n"],
    # Opened again after such an end and after such a load, and closed.
    "recovered": [
        "open 16\nput 1 10 1\nsync\nput 2 20 2\ntear\nput 3 30 3\nput 4 40 4\nkill\n",
        "open 16\nput 4 50 5\nload\nput 5 60 6\nkill\n",
        "open 16\nput 6 70 7\nclose\n",
    ],
}


class Expected:
    """What a store holds by its script."""

    def __init__(self):
        self.tables = {"main": ("signed", {})}
        self.keys = self.tables["main"][1]
        self.group = None   # the puts and deletes of an open batch or load
        self.before = None  # the tables when the open transaction began
        self.saved = None   # and at its savepoint
        self.torn = False

    def carry_out(self, line):
        command, *words = line.split()
        if self.torn:
            return
        if command == "tear":
            self.torn = True
        elif command == "table":
            self.keys = self.tables.setdefault(words[0], (words[1], {}))[1]
        elif command == "drop":
            del self.tables[words[0]]
            self.keys = self.tables["main"][1]
        elif command == "rename":
            self.tables[words[1]] = self.tables.pop(words[0])
        elif command in ("put", "reserve"):
            self.change(int(words[0]), fill(int(words[1]), int(words[2])))
        elif command == "delete":
            self.change(int(words[0]), None)
        elif command in ("batch", "load"):
            self.group = []
        elif command == "begin":
            self.before = copy.deepcopy(self.tables)
        elif command == "save":
            self.saved = copy.deepcopy(self.tables)
        elif command == "back":
            self.take_back(copy.deepcopy(self.saved))
        elif command in ("write", "commit", "abandon"):
            self.end_group(command != "abandon")

    def end_group(self, counts):
        """A batch, load or transaction ends."""
        group, self.group = self.group, None
        for key, value in group or [] if counts else []:
            self.change(key, value)
        if self.before is not None:
            self.take_back(self.tables if counts else self.before)
            self.before = None

    def take_back(self, tables):
        self.tables = tables
        self.keys = tables["main"][1]

    def change(self, key, value):
        if self.group is not None:
            self.group.append((key, value))
        elif value is None:
            self.keys.pop(key, None)
        else:
            self.keys[key] = value

    def end(self):
        """The process ends."""
        if self.before is not None:
            self.tables, self.before = self.before, None
        self.keys = self.tables["main"][1]
        self.group = None
        self.torn = False

    def lines(self):
        for name, (order, keys) in sorted(self.tables.items()):
            yield f"table {name} {order}"
            for key, value in sorted(keys.items()):
                yield f"{key} {len(value)} {reader.crc32c(value):08x}"


def tear(store, key):
    """Zeroes the second half of the last record of a key."""
    record = [record for record in reader.Log(store).records if record.kind == reader.PUT and record.key == key][-1]
    middle = (record.offset + record.end) // 2
    with open(record.segment.path, "r+b") as file:
        file.seek(middle)
        file.write(bytes(record.end - middle))


def trim(store):
    """Shortens prepared space, which is zeroes, and leaves out what is of this run only."""
    os.unlink(os.path.join(store, "LOCK"))
    for name in os.listdir(store):
        path = os.path.join(store, name)
        with open(path, "rb") as file:
            data = file.read()
        used = len(data.rstrip(b"\0"))
        if name.endswith(".log") and len(data) > used + 128:
            os.truncate(path, (used + 127) // 64 * 64)


def make(runner, store, lives):
    """Makes a store; returns the text of its contents."""
    expected = Expected()
    for life in lives:
        with tempfile.NamedTemporaryFile("w", suffix=".script") as script:
            script.write(life.replace("tear\n", ""))
            script.flush()
            subprocess.run([runner, store, script.name], check=True)
        lines = life.splitlines()
        for line in lines:
            expected.carry_out(line)
        expected.end()
        if "tear" in lines:
            tear(store, int(lines[lines.index("tear") + 1].split()[1]))
    trim(store)
    log = reader.Log(store)
    report = [f"clean {'yes' if log.manifest.clean else 'no'}", f"records {len(log.records)}, dropped {log.dropped}",
              f"cut {log.cut_bytes}"]
    return "\n".join(report + list(expected.lines())) + "\n"


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(STORES):
        sys.exit(__doc__)
    runner = os.path.join(sys.argv[1], "tests", "compat_test_store_script")
    stores = os.path.join(HERE, "stores", str(reader.FORMAT_VERSION))
    os.makedirs(stores, exist_ok=True)
    for name in sys.argv[2:] or STORES:
        store = os.path.join(stores, name)
        shutil.rmtree(store, ignore_errors=True)
        text = make(runner, store, STORES[name])
        with open(os.path.join(store, "contents.txt"), "w", encoding="utf-8") as file:
            file.write(text)
        print(store)


if __name__ == "__main__":
    main()
