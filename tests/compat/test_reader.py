#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two readers, one format: reader.py, written from docs/FORMAT.md alone, and the tool must print the same.

First on stores that are written here byte by byte, such as a crash, damage or a newer version leaves them; then on
stores that the library made by random scripts, killed writers included, where a dictionary says what should be in them.
ALEX_TEST_SEED sets the seed of the scripts, which a failure prints.
"""

import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

import reader
from reader import COMMIT, DELETE, DROP, GROUPED, MARK, PREVIOUS, PUT, SEAL, TABLE
from store_builder import Builder

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.environ.get("ALEXSTORAGE_TOOL")
SCRIPT_RUNNER = os.path.join(os.environ.get("ALEX_BUILD_DIR", ""), "tests", "compat_test_store_script")
SEED = int(os.environ.get("ALEX_TEST_SEED", "1"), 0)
OK, REFUSED, DAMAGED = 0, 3, 4


def run(*command):
    """Exit code, output, and messages."""
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def run_reader(store, *arguments):
    return run(sys.executable, os.path.join(HERE, "reader.py"), store, *arguments)


class StoreTest(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="alexstorage-compat-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = os.path.join(self.directory, "store")

    def files(self):
        """All bytes of the store."""
        content = {}
        for name in os.listdir(self.path):
            if name != "LOCK":
                with open(os.path.join(self.path, name), "rb") as file:
                    content[name] = file.read()
        return content

    def assert_same(self, table, expected_code=None):
        """Reader and tool agree on a table; returns what they printed."""
        before = self.files()
        theirs = run(TOOL, "dump", self.path, "--table", table)
        ours = run_reader(self.path, "--table", table)
        self.assertEqual((ours[0], ours[1]), (theirs[0], theirs[1]), f"reader: {ours[2]}tool: {theirs[2]}")
        self.assertEqual(self.files(), before, "a dump changed the store")
        if expected_code is not None:
            self.assertEqual(ours[0], expected_code, ours[2])
        return ours[1]


class WrittenByHand(StoreTest):
    """Stores built byte by byte: what the page says about each, reader and tool both do."""

    def builder(self):
        """A builder, of a store of its own."""
        self.path = tempfile.mkdtemp(dir=self.directory)
        os.rmdir(self.path)
        return Builder(self.path)

    def expect(self, builder, entries, code=OK, table="main", **arguments):
        """The store holds exactly these keys and texts, for both."""
        builder.write(**arguments)
        printed = self.assert_same(table, code)
        got = {}
        for line in printed.splitlines():
            entry = json.loads(line)
            got[int(entry["key"])] = entry["value"]
        self.assertEqual(got, entries)

    def refuse(self, builder, code, **arguments):
        builder.write(**arguments)
        self.assertEqual(self.assert_same("main", code), b"")

    def test_empty(self):
        self.expect(self.builder(), {})

    def test_puts_overwrites_and_deletes(self):
        b = self.builder()
        b.put(1, b"one")
        b.put(-5, b"first")
        b.put(-5, b"second", flags=PREVIOUS)
        b.put(2, b"two")
        b.delete(2)
        b.delete(3)
        b.put(-(1 << 63), b"")
        b.put((1 << 63) - 1, b"greatest")
        self.expect(b, {-(1 << 63): "", -5: "second", 1: "one", (1 << 63) - 1: "greatest"})

    def test_numbers_may_skip(self):
        b = self.builder()
        b.record(PUT, 1, 1, b"one", number=10)
        b.record(PUT, 1, 2, b"two", number=(1 << 40) + 3)
        self.expect(b, {1: "one", 2: "two"})

    def test_unsigned_table(self):
        b = self.builder()
        b.table(7, b"wide", unsigned=True)
        b.put((1 << 64) - 1, b"last", table=7)
        b.put(1 << 63, b"middle", table=7)
        b.put(0, b"first", table=7)
        self.expect(b, {0: "first", 1 << 63: "middle", (1 << 64) - 1: "last"}, table="wide")

    def test_dropped_tables_count_for_nothing(self):
        b = self.builder()
        b.table(2, b"users")
        b.put(1, b"old", table=2)
        b.drop(2)
        b.table(3, b"users", unsigned=True)
        b.put(2, b"new", table=3)
        self.expect(b, {2: "new"}, table="users")

    def test_renamed_tables(self):
        b = self.builder()
        b.table(2, b"users")
        b.put(1, b"one", table=2)
        b.rename(2, b"people")
        b.table(3, b"users", unsigned=True)
        b.put(2, b"two", table=3)
        b.rename(3, b"x", flags=GROUPED)
        b.rename(2, b"users", flags=GROUPED)
        b.commit()
        b.rename(3, b"never", flags=GROUPED)
        b.abort()
        self.expect(b, {1: "one"}, table="users")
        self.assert_same("people", REFUSED)
        self.assert_same("never", REFUSED)
        self.assert_same("x", OK)

    def test_tables_in_groups(self):
        b = self.builder()
        b.table(2, b"users", flags=GROUPED)
        b.put(1, b"one", table=2, flags=GROUPED)
        b.table(3, b"gone", flags=GROUPED)
        b.put(1, b"one", table=3, flags=GROUPED)
        b.drop(3, flags=GROUPED)
        b.commit()
        b.table(4, b"never", flags=GROUPED)
        b.abort()
        self.expect(b, {1: "one"}, table="users")
        self.assert_same("gone", REFUSED)
        self.assert_same("never", REFUSED)

    def test_missing_table(self):
        b = self.builder()
        b.table(2, b"users")
        b.drop(2)
        b.write()
        self.assert_same("users", REFUSED)
        self.assert_same("main", OK)

    def test_groups(self):
        b = self.builder()
        b.put(1, b"one", flags=GROUPED)
        b.put(2, b"two", flags=GROUPED)
        b.put(1, b"last", flags=GROUPED | PREVIOUS)
        b.commit()
        b.put(1, b"taken back", flags=GROUPED)
        b.delete(2, flags=GROUPED)
        b.abort()
        b.put(3, b"three")
        b.table(2, b"users", flags=GROUPED)
        b.put(5, b"five", table=2, flags=GROUPED)
        b.delete(3, flags=GROUPED)
        b.commit()
        self.expect(b, {1: "last", 2: "two"})
        self.assertEqual(self.assert_same("users", OK), b'{"key":5,"value":"five"}\n')

    def test_group_without_end(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        b.put(1, b"never", flags=GROUPED)
        b.delete(1, flags=GROUPED)
        b.table(2, b"never", flags=GROUPED)
        self.expect(b, {1: "one"})
        self.assert_same("never", REFUSED)

    def test_group_across_segments(self):
        b = self.builder()
        b.put(1, b"one", flags=GROUPED)
        b.seal()
        b.put(2, b"two", flags=GROUPED)
        b.seal()
        b.commit()
        self.expect(b, {1: "one", 2: "two"})

    def test_commit_that_does_not_agree(self):
        for case in ("count", "checksum", "place"):
            for durable in (False, True):
                with self.subTest(case=case, durable=durable):
                    b = self.builder()
                    b.put(1, b"one")
                    b.clean = False
                    b.durable = b.place
                    b.put(1, b"two", flags=GROUPED)
                    if case == "place":
                        b.group[0] = b.group[0][:3] + (64,)
                    b.commit(count=2 if case == "count" else None, checksum=5 if case == "checksum" else None)
                    if durable:
                        b.durable = b.place
                        self.refuse(b, DAMAGED)
                    else:
                        b.put(3, b"cut with it")
                        self.expect(b, {1: "one"})

    def test_segments(self):
        b = self.builder()
        b.put(1, b"one")
        b.seal(next_file_id=2)
        b.seal(next_file_id=0x1f)
        b.put(2, b"two" * 50000)
        b.segments[-1][2] = 3
        header = bytearray(b.data[:64])
        header[12] = 3
        header[60:64] = reader.crc32c(bytes(header[:60])).to_bytes(4, "little")
        b.data[:64] = header
        b.seal(next_file_id=0x20)
        b.delete(1)
        self.expect(b, {2: "two" * 50000})

    def test_seal_with_a_summary(self):
        b = self.builder()
        b.put(1, b"one")
        b.record(SEAL, 0, 2, b"whatever a summary may be")
        b.next_segment(2)
        b.put(2, b"two")
        self.expect(b, {1: "one", 2: "two"})

    def test_listed_segment_without_its_header(self):
        for size in (0, 10, 64, 4096):
            with self.subTest(size=size):
                b = self.builder()
                b.put(1, b"one")
                b.clean = False
                b.durable = b.place
                b.segments.append([2, b.data[:0], 1])
                self.refuse(b, DAMAGED, prepared=size)

    def test_listed_segment_that_is_missing(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        b.next_segment(2)
        b.write()
        os.unlink(b.segment_path(2))
        self.assertEqual(self.assert_same("main", DAMAGED), b"")

    def test_seal_that_names_another_segment(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        b.record(SEAL, 0, 3)
        b.next_segment(2)
        b.put(2, b"two")
        b.record(SEAL, 0, 3)
        b.next_segment(3)
        b.put(3, b"three")
        self.expect(b, {1: "one"})

    def test_seal_that_names_a_retired_segment(self):
        b = self.builder()
        b.put(1, b"one")
        b.record(SEAL, 0, 2)
        b.next_segment(3)
        b.put(3, b"three")
        self.expect(b, {1: "one", 3: "three"})

    def test_seal_that_names_its_own_segment(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        b.record(SEAL, 0, 1)
        b.next_segment(2)
        b.put(2, b"two")
        self.expect(b, {1: "one"})

    def test_record_that_leaves_no_space_for_a_seal(self):
        for left, fits in ((32, True), (24, False), (0, False)):
            with self.subTest(left=left):
                b = self.builder()
                b.put(1, b"one")
                b.clean = False
                b.durable = b.place
                size = (1 << 16) - left - b.place[1] - 32
                b.put(2, b"x" * size)
                self.expect(b, {1: "one", 2: "x" * size} if fits else {1: "one"}, prepared=0)

    def test_prepared_segment_with_its_header(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        b.next_segment(2)
        self.expect(b, {1: "one"})

    def test_tail_that_was_torn(self):
        for distance in (0, 8, 20, 31, 32, 35):
            with self.subTest(distance=distance):
                b = self.builder()
                b.put(1, b"one")
                b.clean = False
                b.durable = b.place
                b.put(2, b"two")
                torn = b.put(3, b"three")
                b.put(4, b"four")
                b.flip(torn, distance)
                self.expect(b, {1: "one", 2: "two"})

    def test_tail_across_segments(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        torn = b.put(2, b"two")
        b.seal()
        b.put(3, b"three")
        b.flip(torn, 16)
        self.expect(b, {1: "one"})

    def test_garbage_behind_the_end(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        b.raw(b"garbage!" * 10)
        self.expect(b, {1: "one"})

    def test_record_image_at_another_place(self):
        b = self.builder()
        place = b.put(1, b"one")
        b.clean = False
        b.raw(bytes(b.data[place[1]:]))
        b.durable = place
        self.expect(b, {1: "one"})

    def test_record_image_in_a_value(self):
        b = self.builder()
        place = b.put(1, b"one")
        image = bytes(b.data[place[1]:])
        b.put(2, image)
        b.delete(1)
        b.write()
        self.assertEqual(self.assert_same("main", OK).count(b"\n"), 1)

    def test_header_below_the_durable_end(self):
        for distance in (0, 4, 8, 12, 16, 24, 31):
            with self.subTest(distance=distance):
                b = self.builder()
                place = b.put(1, b"one")
                b.put(2, b"two")
                b.flip(place, distance)
                self.refuse(b, DAMAGED)

    def test_value_below_the_durable_end(self):
        b = self.builder()
        b.put(1, b"one")
        place = b.put(2, b"two")
        b.put(3, b"three")
        b.flip(place, 33)
        self.expect(b, {1: "one", 3: "three"}, code=DAMAGED)

    def test_overwritten_damage(self):
        b = self.builder()
        place = b.put(1, b"one")
        b.put(1, b"again")
        b.flip(place, 33)
        self.expect(b, {1: "again"})

    def test_padding(self):
        b = self.builder()
        place = b.put(1, b"one")
        b.flip(place, 39)
        self.expect(b, {1: "one"})

    def test_marks(self):
        b = self.builder()
        b.clean = False
        b.durable = b.place
        b.put(1, b"one")
        b.mark()
        b.put(2, b"two")
        torn = b.put(3, b"three")
        b.flip(torn, 33)
        self.expect(b, {1: "one", 2: "two"})

    def test_mark_behind_a_hole(self):
        for far in (False, True):
            with self.subTest(far=far):
                b = self.builder()
                b.clean = False
                b.durable = b.place
                b.put(1, b"one")
                hole = b.put(2, b"two")
                if far:
                    b.seal()
                b.mark()
                b.flip(hole, 16)
                self.refuse(b, DAMAGED)

    def test_mark_that_does_not_hold(self):
        b = self.builder()
        b.clean = False
        b.durable = b.place
        b.put(1, b"one")
        hole = b.put(2, b"two")
        mark = b.mark()
        b.flip(hole, 16)
        b.flip(mark, 5)
        self.expect(b, {1: "one"})

    def test_clean_but_longer(self):
        b = self.builder()
        b.put(1, b"one")
        b.durable = b.place
        b.put(2, b"two")
        self.refuse(b, DAMAGED)

    def test_clean_but_shorter(self):
        b = self.builder()
        b.put(1, b"one")
        b.durable = (1, b.place[1] + 8)
        self.refuse(b, DAMAGED)

    def test_seal_without_its_follower(self):
        for durable in (False, True):
            with self.subTest(durable=durable):
                b = self.builder()
                b.put(1, b"one")
                b.clean = False
                b.durable = b.place
                b.record(SEAL, 0, 2)
                if durable:
                    b.durable = b.place
                    self.refuse(b, DAMAGED)
                else:
                    self.expect(b, {1: "one"})

    def test_number_that_does_not_ascend(self):
        b = self.builder()
        b.put(1, b"one")
        b.put(2, b"two")
        b.clean = False
        b.durable = b.place
        b.record(PUT, 1, 3, b"three", number=2)
        self.expect(b, {1: "one", 2: "two"})

    def test_kinds_that_do_not_fit(self):
        for arguments in ((PUT, 0, 1, b"x"), (DELETE, 1, 1, b"x"), (COMMIT, 0, 0, b""), (MARK, 0, 1, b""),
                          (TABLE, 2, 3, b"name"), (TABLE, 2, 1, b""), (TABLE, 2, 1, b"n" * 256),
                          (DROP, 2, 5, b""), (DROP, 2, 0, b"x"), (SEAL, 1, 2, b""), (MARK, 0, 1, bytes(8), GROUPED),
                          (COMMIT, 0, 0, bytes(32), PREVIOUS)):
            with self.subTest(arguments=arguments):
                b = self.builder()
                b.put(1, b"one")
                b.clean = False
                b.durable = b.place
                b.record(*arguments)
                b.put(2, b"cut with it")
                self.expect(b, {1: "one"})

    def test_value_that_does_not_fit(self):
        b = self.builder()
        b.put(1, b"one")
        b.clean = False
        b.durable = b.place
        b.put(2, b"x" * (1 << 16))
        self.expect(b, {1: "one"})

    def test_newer_records(self):
        for kind_and_flags in (0x00, 0x0A, 0x0F, 0x41, 0x81, 0xC2):
            with self.subTest(kind_and_flags=kind_and_flags):
                b = self.builder()
                b.put(1, b"one")
                b.record(kind_and_flags, 1, 2, b"")
                b.put(3, b"three")
                self.refuse(b, REFUSED)

    def test_newer_manifest(self):
        for arguments in ({"version": 2}, {"flags": 2}, {"reserved": 1}):
            with self.subTest(arguments=arguments):
                b = self.builder()
                b.put(1, b"one")
                self.refuse(b, REFUSED, manifest=b.manifest(**arguments))

    def test_manifest_cut_short(self):
        b = self.builder()
        b.put(1, b"one")
        self.refuse(b, DAMAGED, manifest=b.manifest()[:-1])

    def test_manifest_longer_than_any(self):
        b = self.builder()
        b.put(1, b"one")
        self.refuse(b, DAMAGED, manifest=b.manifest() + bytes(33_554_525))

    def test_missing_manifest(self):
        b = self.builder()
        b.put(1, b"one")
        b.write()
        os.unlink(os.path.join(self.path, "MANIFEST"))
        self.assertEqual(self.assert_same("main", DAMAGED), b"")

    def test_no_store(self):
        self.assertEqual(run_reader(self.path)[0], REFUSED)
        self.assertEqual(run(TOOL, "dump", self.path)[0], REFUSED)

    def test_every_byte_as_text(self):
        b = self.builder()
        b.put(1, bytes(range(1, 128)))
        b.put(2, bytes(range(256)))
        b.put(3, "äöü ∀ 😀".encode("utf-8"))
        b.put(4, b"\xc0\x80")
        b.put(5, b"\xed\xa0\x80")
        b.put(6, b"a\0")
        b.put((1 << 53) - 1, b"exact")
        b.put(1 << 53, b"not exact")
        b.put(-(1 << 53), b"not exact")
        b.write()
        self.assert_same("main", OK)


class Script:
    """A random script, and the dictionary that says what it leaves."""

    def __init__(self, seed, segment_shift):
        self.random = random.Random(seed)
        self.segment_shift = segment_shift
        self.tables = {"main": ("signed", {})}
        self.current = "main"
        self.lines = []

    def key(self):
        order, keys = self.tables[self.current]
        way = self.random.random()
        if way < 0.5 and keys:
            return self.random.choice(list(keys))
        low, high = (0, (1 << 64) - 1) if order == "unsigned" else (-(1 << 63), (1 << 63) - 1)
        if way < 0.8:
            return self.random.randrange(0, 300)
        return self.random.choice([low, high, self.random.randint(low, high)])

    def size(self):
        largest = self.random.choice([1, 10, 100, 100, 100, 2000])
        if self.random.random() < 0.004:
            largest = 100000
        return self.random.randrange(0, largest)

    def put(self, command, keys):
        key, size, seed = self.key(), self.size(), self.random.getrandbits(32)
        self.lines.append(f"{command} {key} {size} {seed}")
        keys[key] = (size, seed)

    def batch(self):
        keys = self.tables[self.current][1]
        self.lines.append("batch")
        for _ in range(self.random.randrange(0, 30)):
            if self.random.random() < 0.3:
                key = self.key()
                self.lines.append(f"delete {key}")
                keys.pop(key, None)
            else:
                self.put("put", keys)
        self.lines.append("write")

    def load(self, end):
        order, keys = self.tables[self.current]
        loaded = dict(keys)
        self.lines.append("load")
        for _ in range(self.random.randrange(0, 60)):
            self.put("put", loaded)
        if end is not None:
            self.lines.append(end)
        if end == "commit":
            self.tables[self.current] = (order, loaded)

    def select(self):
        name = self.random.choice(["main", "a", "b", "ab", "ä"])
        order = self.tables[name][0] if name in self.tables else self.random.choice(["signed", "unsigned"])
        self.tables.setdefault(name, (order, {}))
        self.lines.append(f"table {name} {order}")
        self.current = name

    def drop(self):
        names = sorted(name for name in self.tables if name != "main")
        if names:
            name = self.random.choice(names)
            del self.tables[name]
            self.lines.append(f"drop {name}")
            self.current = "main"

    def rename(self):
        names = sorted(name for name in self.tables if name != "main")
        free = sorted({"a", "b", "ab", "ä", "c"} - set(self.tables))
        if names and free:
            name = self.random.choice(names)
            new_name = self.random.choice(free)
            self.tables[new_name] = self.tables.pop(name)
            self.lines.append(f"rename {name} {new_name}")
            self.current = new_name if self.current == name else self.current

    def transaction(self, end):
        before = copy.deepcopy(self.tables)
        saved = None
        self.lines.append("begin")
        for _ in range(self.random.randrange(0, 40)):
            way = self.random.random()
            keys = self.tables[self.current][1]
            if way < 0.55:
                self.put("put", keys)
            elif way < 0.7 and keys:
                key = self.random.choice(list(keys))
                self.lines.append(f"delete {key}")
                del keys[key]
            elif way < 0.8:
                self.select()
            elif way < 0.85:
                self.rename()
            elif way < 0.88:
                self.drop()
            elif way < 0.94:
                saved = copy.deepcopy(self.tables)
                self.lines.append("save")
            elif saved is not None:
                self.tables = copy.deepcopy(saved)
                self.lines.append("back")
                self.current = "main"
        if end is not None:
            self.lines.append(end)
        if end != "commit":
            self.tables = before
        self.current = "main"

    def step(self):
        keys = self.tables[self.current][1]
        way = self.random.random()
        if way < 0.5:
            self.put("put", keys)
        elif way < 0.55:
            self.put("reserve", keys)
        elif way < 0.57:
            self.lines.append(f"cancel {self.key()} {self.size()}")
        elif way < 0.72 and keys:
            key = self.random.choice(list(keys))
            self.lines.append(f"delete {key}")
            del keys[key]
        elif way < 0.82:
            self.batch()
        elif way < 0.84:
            self.transaction(self.random.choice(["commit", "commit", "abandon"]))
        elif way < 0.86:
            self.load(self.random.choice(["commit", "commit", "abandon"]))
        elif way < 0.93:
            self.select()
        elif way < 0.94:
            self.rename()
        elif way < 0.95:
            self.drop()
        elif way < 0.98:
            self.lines.append("sync")
        else:
            self.lines.append("reopen")
            self.current = "main"

    def part(self, steps):
        """One process's life: opens, does things, closes or is killed; returns the lines."""
        self.lines = [f"open {self.segment_shift}"]
        self.current = "main"
        for _ in range(steps):
            self.step()
        if self.random.random() < 0.4:
            self.lines.append("close")
        else:
            way = self.random.random()
            if way < 0.2:
                self.load(None)
            elif way < 0.4:
                self.transaction(None)
            self.lines.append("kill")
        return "\n".join(self.lines) + "\n"


MASK = (1 << 64) - 1


def fill(size, seed):
    """The bytes of helper_fill()."""
    words = bytearray()
    state = seed
    while len(words) < size:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        number = state
        number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & MASK
        number = ((number ^ number >> 27) * 0x94D049BB133111EB) & MASK
        words += (number ^ number >> 31).to_bytes(8, "little")
    return bytes(words[:size])


class MadeByScripts(StoreTest):
    """Stores that the library made: reader, tool and dictionary agree after each process's end."""

    def run_part(self, script, steps):
        lines = os.path.join(self.directory, "script")
        with open(lines, "w", encoding="utf-8") as file:
            file.write(script.part(steps))
        code, _, messages = run(SCRIPT_RUNNER, self.path, lines)
        self.assertEqual(code, 0, messages)

    def compare(self, script):
        store = reader.Store(self.path)
        names = {name: table for table, (name, _) in store.tables.items()}
        self.assertEqual(set(names), set(script.tables))
        for name, (order, keys) in script.tables.items():
            table = names[name]
            self.assertEqual(store.tables[table][1], reader.UNSIGNED if order == "unsigned" else reader.SIGNED)
            got = {key: record.value() for key, record in store.entries(table)}
            self.assertEqual(got, {key: fill(size, seed) for key, (size, seed) in keys.items()})
            self.assert_same(name, OK)
        code, _, messages = run(TOOL, "check", self.path)
        self.assertEqual(code, 0, messages)
        self.assertEqual(store.log.cut_bytes, 0)

    def run_script(self, seed, segment_shift):
        script = Script(seed, segment_shift)
        self.path = os.path.join(self.directory, f"store {seed}")
        with self.subTest(ALEX_TEST_SEED=SEED, seed=seed, segment_shift=segment_shift):
            for steps in (0, 5, 60, 120):
                self.run_part(script, steps)
                self.compare(script)

    def test_usual_segments(self):
        for i in range(4):
            self.run_script(SEED * 1000 + i, 0)

    def test_small_segments(self):
        for i in range(6):
            self.run_script(SEED * 1000 + 500 + i, 16)


class Golden(StoreTest):
    """Stores that the library's versions wrote: reader and tool agree on them."""

    def test_stores(self):
        root = os.path.join(HERE, "stores")
        for version in sorted(os.listdir(root)):
            for name in sorted(os.listdir(os.path.join(root, version))):
                with self.subTest(version=version, name=name):
                    self.path = os.path.join(self.directory, f"{version} {name}")
                    shutil.copytree(os.path.join(root, version, name), self.path)
                    for table, _ in reader.Store(self.path).tables.values():
                        self.assert_same(table, OK)


class Crc(unittest.TestCase):
    def test_known_value(self):
        """The check value of CRC32C."""
        self.assertEqual(reader.crc32c(b"123456789"), 0xE3069283)


if __name__ == "__main__":
    if not TOOL or not os.path.exists(SCRIPT_RUNNER):
        print("skipped: ALEXSTORAGE_TOOL and ALEX_BUILD_DIR must name what was built")
        sys.exit(77)
    unittest.main()
