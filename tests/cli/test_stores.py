# SPDX-License-Identifier: Apache-2.0
"""Stores that can't be used, or not wholly: each gets a clear message and its exit code, and nothing is lost."""

import glob
import os
import signal
import struct
import subprocess

import tool
from tool import DAMAGED, DATA, STORE

NOBODY = 65534


def crc32c(data):
    """As docs/FORMAT.md has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class WrongPaths(tool.ToolTest):
    # Every command that opens a store, with the least it takes.
    COMMANDS = [["put", "1", "a"], ["get", "1"], ["delete", "1"], ["scan"], ["floor", "1"], ["ceiling", "1"], ["load"],
                ["dump"], ["stat"], ["check"], ["tables"], ["drop", "t"],
                ["rename", "t", "u"]]

    def run_all(self, store, part, code=STORE):
        for command in self.COMMANDS:
            outcome = self.run_tool(command[0], store, *command[1:], code=code)
            self.assertIn(part, outcome.err, command)
            self.assertIn(os.path.basename(store), outcome.err, command)
            self.assertEqual(outcome.out, b"", command)

    def test_no_store(self):
        self.run_all(self.store, "alexstorage create")
        self.assertFalse(os.path.exists(self.store), "no command but create may make a store")

    def test_a_path_that_is_a_file(self):
        file = self.write("some.csv", "1,a\n")
        self.run_all(file, "")
        self.run_tool("create", file, code=STORE)
        self.assertEqual(self.read("some.csv"), b"1,a\n")

    def test_a_directory_with_other_things_in_it(self):
        directory = self.path("photos")
        os.mkdir(directory)
        self.write("photos/one.jpg", "x")
        self.run_all(directory, "")
        self.run_tool("create", directory, code=STORE)
        self.assertEqual(os.listdir(directory), ["one.jpg"])

    def test_a_parent_that_is_not_there(self):
        outcome = self.run_tool("create", self.path("absent/store"), code=STORE)
        self.assertIn("No such file or directory", outcome.err)

    def as_nobody(self):
        """What to put before the tool so that permissions count."""
        if os.geteuid() != 0:
            return ()
        os.chmod(self.directory, 0o755)
        prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        try:
            subprocess.run([*prefix, tool.TOOL, "--version"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"runs as root, and can't run the tool as another user: {error}")
        return prefix

    def test_missing_permission(self):
        self.create()
        self.run_tool("put", self.store, "1", "a")
        prefix = self.as_nobody()
        for path, mode in [(self.store, 0), *[(file, 0) for file in glob.glob(f"{self.store}/*")]]:
            before = os.stat(path).st_mode
            os.chmod(path, mode)
            outcome = self.run_tool("put", self.store, "1", "b", code=STORE, prefix=prefix)
            self.assertIn("Permission denied", outcome.err)
            self.assertIn("store", outcome.err)
            os.chmod(path, before)
        self.assertEqual(self.entries(), [(1, b"a")])
        os.chmod(self.directory, 0o555)
        outcome = self.run_tool("create", self.path("new"), code=STORE, prefix=prefix)
        self.assertIn("Permission denied", outcome.err)
        os.chmod(self.directory, 0o755)


class InUse(tool.ToolTest):
    LINE = b"7,a value of a load that has not ended\n"

    def begin_load(self):
        """A load that has read a part of its input, and waits for the rest. @return the process, and where to write"""
        fifo = self.path("fifo.csv")
        os.mkfifo(fifo)
        load = subprocess.Popen([tool.TOOL, "load", self.store, fifo], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(load.wait)
        self.addCleanup(load.kill)
        self.addCleanup(load.stdout.close)
        self.addCleanup(load.stderr.close)
        writer = open(fifo, "wb", buffering=0)
        self.addCleanup(writer.close)
        # More than pipe and buffers hold: once it is written, the store is open and the load is at work.
        writer.write(self.LINE * 50_000)
        return load, writer

    def setUp(self):
        super().setUp()
        self.create()
        self.run_tool("put", self.store, "1", "before")

    def test_a_store_that_is_open_in_another_process(self):
        load, writer = self.begin_load()
        for command in [["put", "1", "b"], ["get", "1"], ["check"], ["create", "--table", "t"], ["drop", "t"]]:
            outcome = self.run_tool(command[0], self.store, *command[1:], code=STORE)
            self.assertIn("open", outcome.err)
            self.assertIn("store", outcome.err)
        writer.close()
        self.assertEqual(load.wait(), 0)
        self.assertIn(b"loaded 50,000 entries", load.stdout.read())
        self.assertEqual(self.entries(), [(1, b"before"), (7, self.LINE[2:-1])])

    def test_a_load_that_is_killed_leaves_nothing(self):
        load, writer = self.begin_load()
        load.send_signal(signal.SIGKILL)
        load.wait()
        self.assertEqual(self.run_tool("get", self.store, "1").text, "before\n")
        outcome = self.run_tool("scan", self.store)
        self.assertEqual(outcome.text, "1\tbefore\n")
        self.assertRegex(outcome.err, r"did not end cleanly: [\d]+ records of a batch or load that was not complete")
        self.run_tool("put", self.store, "2", "after")
        outcome = self.run_tool("scan", self.store)
        self.assertEqual((outcome.text, outcome.err), ("1\tbefore\n2\tafter\n", ""))
        self.run_tool("check", self.store)

    def test_an_input_that_ends_in_an_error_leaves_the_store_in_order(self):
        load, writer = self.begin_load()
        writer.write(b"nonsense\n")
        writer.close()
        self.assertEqual(load.wait(), DATA)
        outcome = self.run_tool("scan", self.store)
        self.assertEqual((outcome.text, outcome.err), ("1\tbefore\n", ""))
        self.run_tool("check", self.store)


class StoreToDamage(tool.ToolTest):
    """A store of one load, and ways to damage it."""

    VALUES = {key: f"value number {key} stands here".encode() for key in range(1, 21)}

    def setUp(self):
        super().setUp()
        self.create()
        self.load("".join(f"{key},{value.decode()}\n" for key, value in self.VALUES.items()), "--format", "csv")
        [self.log] = glob.glob(f"{self.store}/*.log")

    def overwrite(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def find(self, data):
        with open(self.log, "rb") as file:
            return file.read().index(data)

    def damage_value(self, key):
        """Changes a byte of a value on disk. @return the offset of its record"""
        offset = self.find(self.VALUES[key])
        self.overwrite(self.log, offset + 3, b"\xff")
        return offset - 32


class Damage(StoreToDamage):
    def test_a_value_that_was_overwritten(self):
        offset = self.damage_value(5)
        outcome = self.run_tool("get", self.store, "5", code=DAMAGED)
        self.assertEqual(outcome.out, b"")
        self.assertIn(f"{self.log}: at byte {offset}: ", outcome.err)
        self.assertEqual(self.run_tool("get", self.store, "6").out, self.VALUES[6] + b"\n")
        self.run_tool("floor", self.store, "5", code=DAMAGED)
        self.assertEqual(self.run_tool("scan", self.store, "--count").text, "20\n")

    def test_scan_and_dump_leave_damaged_entries_out_and_say_so(self):
        for key in [1, 5, 6, 9, 10, 11, 20]:
            self.damage_value(key)
        rest = [(key, value) for key, value in self.VALUES.items() if key not in [1, 5, 6, 9, 10, 11, 20]]
        for command in [["scan", "--json"], ["dump"], ["scan", "--json", "--reverse"]]:
            outcome = self.run_tool(command[0], self.store, *command[1:], code=DAMAGED)
            self.assertEqual(sorted(self.entries_of(outcome)), rest)
            self.assertEqual(outcome.err.count(self.log), 5)
            self.assertIn("entries left out because they are damaged: 7", outcome.err)

    def test_check_names_file_and_byte(self):
        offset = self.damage_value(5)
        outcome = self.run_tool("check", self.store, code=DAMAGED)
        self.assertIn(f"{self.log}: at byte {offset}: ", outcome.text)
        self.assertRegex(outcome.text, r": \d+ findings?\n$")
        findings = self.run_tool("check", self.store, "--json", code=DAMAGED).json["findings"]
        self.assertEqual({(found["code"], found["kind"], found["path"], found["offset"]) for found in findings},
                         {("ALEX_DAMAGED", "value", self.log, offset)})

    def refused(self, path, before):
        """Claims that the store is not opened, and not touched, and that `check` and all others name the file."""
        for command in [["get", "1"], ["put", "1", "x"], ["scan"], ["load"], ["stat"]]:
            outcome = self.run_tool(command[0], self.store, *command[1:], code=DAMAGED)
            self.assertIn(path, outcome.err)
            self.assertEqual(outcome.out, b"")
        outcome = self.run_tool("check", self.store, code=DAMAGED)
        self.assertIn(f"{path}: at byte ", outcome.text)
        self.assertEqual(self.run_tool("check", self.store, "--json", code=DAMAGED).json["findings"][0]["path"], path)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_check_goes_on_behind_damage_in_a_store_that_is_refused(self):
        for key in [5, 9]:
            self.overwrite(self.log, self.find(self.VALUES[key]) - 10, b"\xff")
        offset = self.damage_value(13)
        manifest = f"{self.store}/MANIFEST"
        self.overwrite(manifest, 50, b"\x55")
        outcome = self.run_tool("check", self.store, code=DAMAGED)
        lines = outcome.text.splitlines()
        self.assertTrue(lines[0].startswith(f"{manifest}: at byte "), lines)
        for line, place in zip(lines[1:4], [self.find(self.VALUES[5]) - 32, self.find(self.VALUES[9]) - 32, offset]):
            self.assertTrue(line.startswith(f"{self.log}: at byte {place}: "), lines)
        self.assertIn(": 18 of the 20 records of the batch", lines[4])
        self.assertRegex(lines[-1], r"^checked 18 records of [\d,]+ bytes, 17 keys: 5 findings$")

    def test_a_manifest_that_is_too_old_for_its_files(self):
        """Every record is whole, and so a salvage has nothing to say; the check says why the store is refused."""
        with open(f"{self.store}/MANIFEST", "rb") as file:
            manifest = bytearray(file.read())
        struct.pack_into("<Q", manifest, 72, 64)  # as if the log had been closed empty
        struct.pack_into("<I", manifest, len(manifest) - 4, crc32c(manifest[:-4]))
        self.overwrite(f"{self.store}/MANIFEST", 0, manifest)
        outcome = self.run_tool("check", self.store, code=DAMAGED)
        self.assertTrue(outcome.text.startswith(f"{self.log}: at byte 64: the manifest says"), outcome.text)
        self.assertRegex(outcome.text, r", 20 keys: 1 finding\n$")

    def test_a_record_header_that_was_overwritten(self):
        self.overwrite(self.log, self.find(self.VALUES[5]) - 10, b"\xff")
        with open(self.log, "rb") as file:
            self.refused(self.log, file.read())

    def test_a_log_that_was_cut_short(self):
        os.truncate(self.log, self.find(self.VALUES[12]))
        with open(self.log, "rb") as file:
            self.refused(self.log, file.read())

    def test_bytes_that_were_added_to_a_closed_log(self):
        """They are no writes of the store's that a crash has torn, and are not called so."""
        end = os.path.getsize(self.log)
        self.overwrite(self.log, end, b"twelve bytes")
        outcome = self.run_tool("check", self.store, code=DAMAGED)
        self.assertIn(f"{self.log}: at byte {end}: bytes that are not zero", outcome.text)
        self.assertRegex(outcome.text, r", 20 keys: 1 finding\n$")
        outcome = self.run_tool("put", self.store, "8", "after")
        self.assertIn(f"cut off 16 bytes in {self.log} from byte {end} on: the store was closed there", outcome.err)
        self.assertNotIn("cleanly", outcome.err)
        self.run_tool("check", self.store)

    def test_a_manifest_that_was_overwritten(self):
        manifest = f"{self.store}/MANIFEST"
        self.overwrite(manifest, 50, b"\x55")
        with open(manifest, "rb") as file:
            self.refused(manifest, file.read())

    def test_a_store_of_a_newer_format(self):
        manifest = f"{self.store}/MANIFEST"
        with open(manifest, "rb") as file:
            content = bytearray(file.read())
        self.assertEqual(struct.unpack_from("<I", content, len(content) - 4)[0], crc32c(content[:-4]))
        struct.pack_into("<I", content, 8, 2)
        struct.pack_into("<I", content, len(content) - 4, crc32c(content[:-4]))
        self.overwrite(manifest, 0, content)
        for command in [["get", "1"], ["put", "1", "x"], ["check"]]:
            outcome = self.run_tool(command[0], self.store, *command[1:], code=STORE)
            self.assertIn("newer", outcome.err)
        with open(manifest, "rb") as file:
            self.assertEqual(file.read(), bytes(content))

    def test_a_torn_tail_after_a_crash_is_cut_and_reported(self):
        """The end of an unclean use that never reached the disk whole: what is before it stays."""
        with subprocess.Popen([tool.TOOL, "load", self.store, "--format", "csv"], stdin=subprocess.PIPE) as load:
            load.stdin.write(b"100,never committed\n" * 50_000)
            load.kill()
            load.stdin.close()
        offset = self.find(b"never committed") - 32
        self.overwrite(self.log, offset + 48 * 10, b"\xff" * 8)
        outcome = self.run_tool("get", self.store, "7")
        self.assertEqual(outcome.out, self.VALUES[7] + b"\n")
        self.assertRegex(self.run_tool("stat", self.store).err, rf"passed over \d+ bytes of .* in {self.log} from byte")
        self.assertGreater(self.run_tool("stat", self.store, "--json").json["store"]["cut_bytes"], 0)
        self.assertRegex(outcome.err, rf"passed over \d+ bytes of .* in {self.log} from byte {offset + 48 * 10} on")
        outcome = self.run_tool("put", self.store, "8", "after")
        self.assertRegex(outcome.err, rf"cut off \d+ bytes of .* in {self.log} from byte {offset + 48 * 10} on")
        self.assertEqual(self.run_tool("get", self.store, "8").err, "")
        self.run_tool("check", self.store)


class Salvage(StoreToDamage):
    """What is whole in a damaged store goes to a new one."""

    def setUp(self):
        super().setUp()
        self.target = self.path("target")

    def entries_at_target(self):
        return dict(self.entries_of(self.run_tool("scan", self.target, "--json")))

    def test_a_whole_store(self):
        outcome = self.run_tool("salvage", self.store, self.target)
        self.assertRegex(outcome.text, r"^saved 20 keys with [\d,]+ bytes of values, in 1 table\n"
                                       r"left out 0 records .*: no findings\n$")
        self.assertEqual(self.entries_at_target(), self.VALUES)
        self.run_tool("check", self.target)

    def test_a_damaged_one(self):
        place = self.find(self.VALUES[5]) - 32
        self.overwrite(self.log, place + 20, b"\xff")
        offset = self.damage_value(9)
        self.run_tool("get", self.store, "1", code=DAMAGED)
        outcome = self.run_tool("salvage", self.store, self.target, code=DAMAGED)
        lines = outcome.text.splitlines()
        self.assertTrue(lines[0].startswith(f"{self.log}: at byte {place}: there is no good record here"), lines)
        self.assertTrue(lines[1].startswith(f"{self.log}: at byte {offset}: the value of the record of key 9"), lines)
        self.assertRegex(lines[-2], r"^saved 18 keys with")
        self.assertRegex(lines[-1], r"^left out 1 records .*: 3 findings$")
        rest = {key: value for key, value in self.VALUES.items() if key not in [5, 9]}
        self.assertEqual(self.entries_at_target(), rest)
        self.run_tool("check", self.target)

    def test_json(self):
        os.remove(f"{self.store}/MANIFEST")
        result = self.run_tool("salvage", self.store, self.target, "--json", code=DAMAGED).json
        self.assertEqual((result["keys"], result["tables"], result["left_out_records"]), (20, 1, 0))
        [finding] = result["findings"]
        self.assertEqual((finding["kind"], finding["path"], finding["bytes"]), ("file", self.store, 0))

    def test_paths_that_do_not_serve(self):
        for source, target in [(self.path("absent"), self.target), (self.store, self.log), (self.store, self.store),
                               (self.log, self.target)]:
            outcome = self.run_tool("salvage", source, target, code=STORE)
            self.assertEqual(outcome.out, b"")
        self.assertFalse(os.path.exists(self.target))
        self.run_tool("salvage", self.store, code=tool.USAGE)


class FullDisk(tool.ToolTest):
    def small_disk(self, script, size):
        """Runs a shell script with a file system of `size` bytes, private to it, as its working directory."""
        unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        mount = f'mount -t tmpfs -o size={size} tmpfs "$0" && cd "$0"'
        probe = subprocess.run([*unshare, "sh", "-c", mount, self.directory], capture_output=True, check=False)
        if probe.returncode != 0:
            self.skipTest(f"can't mount a small file system here: {probe.stderr.decode().strip()}")
        done = subprocess.run([*unshare, "sh", "-c", f"{mount} || exit 99\n{script}", self.directory, tool.TOOL],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 99)
        return done

    def test_a_load_that_fills_the_disk_leaves_the_store_as_it_was(self):
        done = self.small_disk('''
            "$1" create s || exit 1
            "$1" put s 1 before || exit 1
            head -c 1000000 /dev/zero > filler
            seq 1 200000 | sed 's/$/,some value that takes space/' | "$1" load s --format csv
            test $? = 3 || exit 2
            "$1" scan s || exit 3
            "$1" check s || exit 4
            rm filler
            "$1" put s 2 after || exit 5
            "$1" delete s 1 || exit 6
            "$1" scan s 2> said || exit 7
            test ! -s said || exit 8
        ''', "4m")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("No space left on device", done.stderr.split("\n")[0])
        self.assertEqual(done.stderr.split("\n")[1], "alexstorage: nothing was loaded")
        self.assertEqual(done.stdout.splitlines()[0], "1\tbefore")
        self.assertEqual(done.stdout.splitlines()[-1], "2\tafter")

    def test_a_disk_too_small_for_a_store(self):
        done = self.small_disk('"$1" create s; echo $?', "8k")
        self.assertEqual(done.stdout, "3\n")
        self.assertIn("No space left on device", done.stderr)

    def test_a_dump_that_fills_the_disk(self):
        done = self.small_disk('''
            "$1" create s || exit 1
            seq 1 20000 | sed 's/$/,some value that takes space/' | "$1" load s --format csv || exit 2
            head -c 100000000 /dev/zero > filler
            "$1" dump s out.csv
            echo $?
        ''', "4m")
        self.assertEqual(done.stdout.splitlines()[-1], "5")
        self.assertIn("cannot write out.csv: No space left on device", done.stderr)

    def test_a_limit_on_the_size_of_files(self):
        self.create()
        self.run_tool("put", self.store, "1", "before")
        text = "".join(f"{key},some value that takes space\n" for key in range(100_000)).encode()
        done = subprocess.run(["sh", "-c", 'ulimit -f 1024; exec "$0" load "$1" --format csv', tool.TOOL, self.store],
                              input=text, capture_output=True, check=False)
        self.assertEqual(done.returncode, STORE, done)
        self.assertIn(b"File too large", done.stderr)
        self.assertEqual(self.entries(), [(1, b"before")])
        self.run_tool("check", self.store)


if __name__ == "__main__":
    tool.main()
