# SPDX-License-Identifier: Apache-2.0
"""The tool's commands on single entries and tables, one after the other as a user gives them."""

import os
import re
import subprocess

import tool
from tool import DATA, NOT_FOUND, STORE, USAGE

COMMANDS = ["create", "put", "get", "delete", "scan", "floor", "ceiling", "load", "dump", "stat", "check", "tables",
            "drop", "rename"]
INT64_MIN = -2**63
INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1


class Help(tool.ToolTest):
    def test_every_command_has_help(self):
        overview = self.run_tool("--help").text
        for command in COMMANDS:
            text = self.run_tool(command, "--help").text
            self.assertIn(f"Usage: alexstorage {command} [OPTION]... STORE", text)
            self.assertRegex(overview, rf"(?m)^  {command} +\w+")
            self.assertEqual(text, self.run_tool(command, "-h").text)
            self.assertLessEqual(max(map(len, text.splitlines())), 110)

    def test_overview_lists_every_exit_code(self):
        overview = self.run_tool("--help").text
        self.assertEqual(re.findall(r"(?m)^  (\d)  ", overview), ["0", "1", "2", "3", "4", "5"])

    def test_version(self):
        self.assertRegex(self.run_tool("--version").text, r"^alexstorage \d+\.\d+\.\d+\n$")

    def test_mistakes_on_the_command_line_say_what_to_do(self):
        self.create()
        for arguments, part in [
                ([], "--help"),
                (["frobnicate"], "no command \"frobnicate\""),
                (["get"], "STORE KEY..."),
                (["get", self.store], "STORE KEY..."),
                (["put", self.store, "1", "a", "b"], "STORE KEY [VALUE]"),
                (["get", self.store, "1", "--frobnicate"], "--frobnicate"),
                (["get", self.store, "1", "-x"], "put --"),
                (["get", self.store, "1", "--json=1"], "--json takes no argument"),
                (["scan", self.store, "--from"], "--from needs an argument"),
                (["scan", self.store, "-l"], "-l needs an argument"),
                (["scan", self.store, "--limit", "0"], "--limit takes a whole number"),
                (["scan", self.store, "--limit", "-1"], "--limit takes a whole number"),
                (["scan", self.store, "--limit", "99999999999999999999"], "--limit takes a whole number"),
                (["dump", self.store, "--format", "xml"], "csv, tsv or jsonl"),
                (["dump", self.store, "--columns", "name"], "--columns takes key, value"),
                (["dump", self.store, "--columns", "key,"], "--columns takes"),
                (["dump", self.store, "--columns", "1"], "--columns takes key, value"),
                (["dump", self.store, "--header"], "--header is for CSV and TSV"),
                (["dump", self.store, "--format", "csv", "--delimiter", "\""], "--delimiter takes one byte"),
                (["dump", self.store, "--format", "csv", "--delimiter", "ab"], "--delimiter takes one byte"),
                (["dump", self.store, "--format", "tsv", "--delimiter", ";"], "--delimiter is for --format csv"),
                (["load", self.store, "--format", "csv", "--columns", "id,name"], "only with --header"),
                (["load", self.store, "--columns", "a,b,c"], "two names with JSON lines"),
                (["create", self.path("other"), "--unsigned"], "--unsigned needs --table"),
                (["create", self.path("other"), "--table", ""], "--table takes a name of 1 to 255 bytes"),
                (["create", self.path("other"), "--table", "x" * 256], "--table takes a name of 1 to 255 bytes"),
                (["create", self.path("other"), "--table", "main"], 'other than "main"')]:
            outcome = self.run_tool(*arguments, code=USAGE)
            self.assertIn(part, outcome.err)
            self.assertEqual(outcome.out, b"")
        self.assertFalse(os.path.exists(self.path("other")))

    def test_short_options_and_forms(self):
        """Options may follow arguments, be joined, and take their argument in three ways."""
        self.create()
        self.run_tool("put", self.store, "1", "--", "--json")
        for arguments in [["scan", "-jr", self.store], ["scan", self.store, "-r", "--json"],
                          ["scan", self.store, "-l1", "-j"], ["scan", self.store, "--limit=1", "-j"],
                          ["scan", "-l", "1", "-j", "--", self.store]]:
            self.assertEqual(self.run_tool(*arguments).text, '{"key":1,"value":"--json"}\n')


class Entries(tool.ToolTest):
    def setUp(self):
        super().setUp()
        self.create()

    def test_a_value_comes_back_with_a_newline_or_without(self):
        self.assertEqual(self.run_tool("put", self.store, "42", "Ada").out, b"")
        self.assertEqual(self.run_tool("get", self.store, "42").out, b"Ada\n")
        self.assertEqual(self.run_tool("get", self.store, "42", "-n").out, b"Ada")

    def test_put_takes_stdin_byte_for_byte(self):
        value = bytes(range(256)) * 1000 + b"\n"
        self.run_tool("put", self.store, "7", stdin=value)
        self.assertEqual(self.run_tool("get", self.store, "7", "--no-newline").out, value)
        self.assertEqual(self.entries(), [(7, value)])

    def test_an_empty_value_is_not_a_missing_key(self):
        self.run_tool("put", self.store, "1", "")
        self.run_tool("put", self.store, "2")
        for key in "12":
            self.assertEqual(self.run_tool("get", self.store, key, "-n").out, b"")
        self.run_tool("get", self.store, "3", code=NOT_FOUND)

    def test_a_missing_key_exits_with_1_in_silence(self):
        self.run_tool("put", self.store, "1", "one")
        self.run_tool("put", self.store, "3", "three")
        outcome = self.run_tool("get", self.store, "1", "2", "3", code=NOT_FOUND)
        self.assertEqual((outcome.out, outcome.err), (b"one\nthree\n", ""))
        outcome = self.run_tool("get", self.store, "2", "--verbose", code=NOT_FOUND)
        self.assertEqual((outcome.out, outcome.err), (b"", "alexstorage: key 2 is not there\n"))

    def test_get_as_json_tells_keys_apart(self):
        self.run_tool("put", self.store, "-1", "tab\t\"é\u2028")
        self.run_tool("put", self.store, "2", stdin=b"\xff\x00")
        self.run_tool("put", self.store, "3", stdin=b"a\0")
        outcome = self.run_tool("get", self.store, "3", "2", "9", "-1", "--json", code=NOT_FOUND)
        self.assertEqual(outcome.json_lines, [
            {"key": 3, "value": {"base64": "YQA="}}, {"key": 2, "value": {"base64": "/wA="}},
            {"key": -1, "value": "tab\t\"é\u2028"}])

    def test_put_if_absent_leaves_a_value_alone(self):
        self.run_tool("put", self.store, "1", "first", "--if-absent")
        outcome = self.run_tool("put", self.store, "1", "second", "--if-absent", code=NOT_FOUND)
        self.assertEqual(outcome.err, "")
        self.assertEqual(self.entries(), [(1, b"first")])
        self.run_tool("put", self.store, "1", "third")
        self.assertEqual(self.entries(), [(1, b"third")])

    def test_delete(self):
        self.load("1,a\n2,b\n3,c\n", "--format", "csv")
        outcome = self.run_tool("delete", self.store, "1", "9", "3", "-v", code=NOT_FOUND)
        self.assertEqual(outcome.err, "alexstorage: key 9 is not there\n")
        self.assertEqual(self.entries(), [(2, b"b")])
        self.run_tool("delete", self.store, "2", "x", code=USAGE)
        self.assertEqual(self.entries(), [(2, b"b")], "a mistake in one key must leave all keys alone")

    def test_keys_at_the_ends_and_in_hexadecimal(self):
        for text, key in [(str(INT64_MIN), INT64_MIN), (str(INT64_MAX), INT64_MAX), ("0x10", 16), ("-0XfF", -255),
                          ("+5", 5), ("-0", 0), ("-0x8000000000000000", INT64_MIN), ("007", 7)]:
            self.run_tool("put", self.store, text, text)
            self.assertEqual(self.run_tool("get", self.store, str(key)).text, text + "\n")

    def test_a_key_that_is_none_is_refused(self):
        for text in ["", "x", "1x", "1.5", "1e3", " 1", "0x", "--", "+-1", "0xg", "١"]:
            outcome = self.run_tool("put", self.store, "--", text, "v", code=USAGE)
            self.assertIn("is not a whole number", outcome.err)
        for text in [str(INT64_MAX + 1), str(INT64_MIN - 1), "0x8000000000000000", "9" * 100, "-" + "9" * 30,
                     f"{2**64}1", "0x1" + "0" * 16 + "1"]:
            for command in [["put", self.store, text, "v"], ["get", self.store, text], ["floor", self.store, text],
                            ["scan", self.store, "--from", text], ["scan", self.store, "--to", text]]:
                outcome = self.run_tool(*command, code=USAGE)
                self.assertIn("out of range: the table's signed keys go from -9223372036854775808 to "
                              "9223372036854775807", outcome.err)
        self.assertEqual(self.entries(), [])

    def test_a_value_above_the_limit_is_refused(self):
        with open("/proc/meminfo", encoding="ascii") as file:
            available_kb = int(re.search(r"MemAvailable: +(\d+)", file.read()).group(1))
        if available_kb < 4 << 20 or tool.SANITIZE:
            self.skipTest("takes 3 GiB of memory")
        with open("/dev/zero", "rb") as zeroes:
            done = subprocess.run(["sh", "-c", 'head -c 1073741825 | "$0" put "$1" 1', tool.TOOL, self.store],
                                  stdin=zeroes, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, STORE)
        self.assertIn(b"1073741824", done.stderr)
        self.assertEqual(self.entries(), [])

    def test_too_little_memory_is_an_error(self):
        if tool.SANITIZE:
            self.skipTest("sanitizers reserve more address space")
        script = 'ulimit -v 300000; head -c 500000000 /dev/zero | "$0" put "$1" 1'
        done = subprocess.run(["bash", "-c", script, tool.TOOL, self.store], stderr=subprocess.PIPE, check=False)
        self.assertEqual((done.returncode, done.stderr[:27]), (STORE, b"alexstorage: out of memory:"))
        self.assertEqual(self.entries(), [])


class Order(tool.ToolTest):
    def setUp(self):
        super().setUp()
        self.create()
        self.keys = [INT64_MIN, -100, -1, 0, 1, 50, 51, INT64_MAX]
        self.load("".join(f"{key},v{key}\n" for key in reversed(self.keys)), "--format", "csv")

    def scan(self, *options):
        return [key for key, _ in self.entries(*options)]

    def test_scan_prints_lines_of_key_tab_value(self):
        lines = self.run_tool("scan", self.store, "--from", "-1", "--to", "1").text
        self.assertEqual(lines, "-1\tv-1\n0\tv0\n1\tv1\n")
        self.run_tool("put", self.store, "0", stdin=b"a\tb\nc\rd\\e\x00\x1b[31m\xff\xc3\xa9\xc2\x9b")
        lines = self.run_tool("scan", self.store, "--from", "0", "--to", "0").text
        self.assertEqual(lines, "0\ta\\tb\\nc\\rd\\\\e\\x00\\x1b[31m\\xffé\\xc2\\x9b\n")

    def test_scan_takes_bounds_both_included_and_a_direction(self):
        self.assertEqual(self.scan(), self.keys)
        self.assertEqual(self.scan("--reverse"), self.keys[::-1])
        self.assertEqual(self.scan("--from", "-1"), self.keys[2:])
        self.assertEqual(self.scan("--to", "-0x64"), self.keys[:2])
        self.assertEqual(self.scan("--from", "2", "--to", "51", "-r"), [51, 50])
        self.assertEqual(self.scan("--from", "2", "--to", "49"), [])
        self.assertEqual(self.scan("--from", "5", "--to", "-5"), [])

    def test_scan_takes_a_limit(self):
        self.assertEqual(self.scan("--limit", "3"), self.keys[:3])
        self.assertEqual(self.scan("--limit", "3", "--reverse"), self.keys[:-4:-1])
        self.assertEqual(self.scan("--limit", "3", "--from", "51"), self.keys[-2:])

    def test_scan_without_values_and_counting(self):
        self.assertEqual(self.run_tool("scan", self.store, "--keys-only", "--from", "50").text,
                         f"50\n51\n{INT64_MAX}\n")
        self.assertEqual(self.run_tool("scan", self.store, "-kj", "--from", "0", "--to", "1").text,
                         '{"key":0}\n{"key":1}\n')
        self.assertEqual(self.run_tool("scan", self.store, "--count").text, "8\n")
        self.assertEqual(self.run_tool("scan", self.store, "--count", "--json", "--from", "0", "--to", "50").json,
                         {"count": 3})

    def test_floor_and_ceiling(self):
        for key, below, above in [(-100, -100, -100), (2, 1, 50), (INT64_MAX, INT64_MAX, INT64_MAX),
                                  (INT64_MIN, INT64_MIN, INT64_MIN), (52, 51, INT64_MAX), (-101, INT64_MIN, -100)]:
            self.assertEqual(self.run_tool("floor", self.store, key).text, f"{below}\tv{below}\n")
            outcome = self.run_tool("ceiling", self.store, key, "--json")
            self.assertEqual(self.entries_of(outcome), [(above, f"v{above}".encode())])
        self.run_tool("delete", self.store, INT64_MIN, INT64_MAX)
        for command, key in [("floor", "-101"), ("ceiling", "52")]:
            outcome = self.run_tool(command, self.store, key, code=NOT_FOUND)
            self.assertEqual((outcome.out, outcome.err), (b"", ""))

    def test_keys_beyond_53_bits_are_strings_in_json(self):
        """Such a number is not kept by every reader of JSON."""
        self.load(f"{2**53},a\n{2**53 - 1},b\n{-2**53},c\n{1 - 2**53},d\n", "--format", "csv")
        keys = [line["key"] for line in self.run_tool("scan", self.store, "--json").json_lines]
        for key in [2**53 - 1, 1 - 2**53, 0]:
            self.assertIn(key, keys)
        for key in [2**53, -2**53, INT64_MIN, INT64_MAX]:
            self.assertIn(str(key), keys)


class Tables(tool.ToolTest):
    def test_create_makes_a_store_once(self):
        self.create()
        self.assertIn("already", self.run_tool("create", self.store, code=STORE).err)
        self.assertEqual(self.run_tool("tables", self.store).text, "main\tsigned\t0\n")

    def test_tables_are_made_listed_and_dropped(self):
        self.create("--table", "users")
        self.create("--table", "hashes", "--unsigned")
        self.run_tool("put", self.store, "1", "a", "--table", "users")
        self.assertEqual(self.run_tool("tables", self.store).text,
                         "hashes\tunsigned\t0\nmain\tsigned\t0\nusers\tsigned\t1\n")
        self.assertEqual(self.run_tool("tables", self.store, "--json").json[0],
                         {"name": "hashes", "keys_are": "unsigned", "keys": 0})
        self.assertIn("already", self.run_tool("create", self.store, "-t", "users", code=STORE).err)
        self.run_tool("drop", self.store, "users")
        self.assertIn("no table \"users\"", self.run_tool("drop", self.store, "users", code=STORE).err)
        self.assertIn("main", self.run_tool("drop", self.store, "main", code=STORE).err)
        self.assertEqual(self.run_tool("tables", self.store).text, "hashes\tunsigned\t0\nmain\tsigned\t0\n")

    def test_tables_are_renamed(self):
        self.create("--table", "users")
        self.create("--table", "hashes", "--unsigned")
        self.run_tool("put", self.store, "1", "a", "--table", "users")
        self.run_tool("rename", self.store, "users", "people")
        self.assertEqual(self.run_tool("tables", self.store).text,
                         "hashes\tunsigned\t0\nmain\tsigned\t0\npeople\tsigned\t1\n")
        self.assertEqual(self.run_tool("get", self.store, "1", "--table", "people").out, b"a\n")
        self.assertIn("no table \"users\"", self.run_tool("rename", self.store, "users", "other", code=STORE).err)
        self.assertIn("already", self.run_tool("rename", self.store, "people", "hashes", code=STORE).err)
        self.assertIn("main", self.run_tool("rename", self.store, "main", "other", code=STORE).err)

    def test_a_table_of_any_name(self):
        name = os.fsdecode(b"a\tb\\ \xff\n")
        self.create("--table", name)
        self.assertIn("a\\tb\\\\ \\xff\\n\tsigned\t0\n", self.run_tool("tables", self.store).text)
        self.assertEqual(self.run_tool("tables", self.store, "--json").json[0]["name"], {"base64": "YQliXCD/Cg=="})
        self.run_tool("put", self.store, "1", "x", "--table", name)
        self.assertEqual(self.entries("--table", name), [(1, b"x")])

    def test_each_command_takes_a_table_and_misses_one_that_is_not_there(self):
        self.create("--table", "t")
        for command, arguments, fed in [
                ("put", ["1", "a"], b""), ("get", ["1"], b""), ("floor", ["1"], b""), ("ceiling", ["1"], b""),
                ("scan", [], b""), ("dump", [], b""), ("load", [], b'{"key":1,"value":"b"}'), ("stat", [], b""),
                ("delete", ["1"], b"")]:
            self.run_tool(command, self.store, *arguments, "--table", "t", stdin=fed)
            outcome = self.run_tool(command, self.store, *arguments, "--table", "absent", stdin=fed, code=STORE)
            self.assertIn('has no table "absent"', outcome.err)
        self.assertEqual(self.run_tool("scan", self.store, "--count").text, "0\n")

    def test_unsigned_keys(self):
        self.create("--table", "u", "--unsigned")
        in_u = ["--table", "u"]
        for key in [0, UINT64_MAX, 2**63, 5]:
            self.run_tool("put", self.store, key, f"v{key}", *in_u)
        self.assertEqual([key for key, _ in self.entries(*in_u)], [0, 5, 2**63, UINT64_MAX])
        self.assertEqual(self.run_tool("get", self.store, hex(UINT64_MAX), *in_u).text, f"v{UINT64_MAX}\n")
        self.assertEqual(self.run_tool("floor", self.store, UINT64_MAX - 1, *in_u).text, f"{2**63}\tv{2**63}\n")
        self.assertEqual(self.run_tool("ceiling", self.store, 6, *in_u).text, f"{2**63}\tv{2**63}\n")
        self.assertEqual(self.run_tool("scan", self.store, "--from", 2**63, "--count", *in_u).text, "2\n")
        for key in [-1, UINT64_MAX + 1]:
            outcome = self.run_tool("get", self.store, key, *in_u, code=USAGE)
            self.assertIn("the table's unsigned keys go from 0 to 18446744073709551615", outcome.err)


class Figures(tool.ToolTest):
    def test_stat_counts_what_is_there(self):
        self.create("--table", "more")
        self.load("".join(f"{key},some value\n" for key in range(5000)), "--format", "csv")
        self.run_tool("put", self.store, "1", "x", "--table", "more")
        self.run_tool("delete", self.store, "17")
        stat = self.run_tool("stat", self.store, "--json").json
        self.assertEqual((stat["store"]["tables"], stat["store"]["keys"]), (2, 5000))
        self.assertTrue(stat["store"]["closed_cleanly"])
        self.assertEqual([table["name"] for table in stat["tables"]], ["main", "more"])
        table = stat["tables"][0]
        self.assertEqual((table["keys"], table["keys_are"]), (4999, "signed"))
        self.assertEqual(table["depth"], len(table["nodes_at_level"]))
        self.assertEqual(sum(table["nodes_at_level"]), table["data_nodes"] + table["inner_nodes"])
        self.assertGreater(table["live_bytes"], 4999 * len("some value"))
        only = self.run_tool("stat", self.store, "--json", "--table", "more").json
        self.assertEqual([table["name"] for table in only["tables"]], ["more"])
        text = self.run_tool("stat", self.store).text
        self.assertRegex(text, r"table main \(signed keys\)\n  keys +4,999\n")

    def test_check_of_a_whole_store(self):
        self.create()
        self.load("1,a\n2,b\n", "--format", "csv")
        self.assertRegex(self.run_tool("check", self.store).text,
                         r"^checked \d+ records of [\d,]+ bytes, 2 keys: no findings\n$")
        checked = self.run_tool("check", self.store, "--json").json
        self.assertEqual((checked["keys"], checked["findings"]), (2, []))

    def test_commands_that_read_write_nothing(self):
        self.create()
        self.load("1,a\n2,b\n", "--format", "csv")

        def state():
            return {name: (os.stat(os.path.join(self.store, name)).st_mtime_ns, self.read(f"store/{name}"))
                    for name in os.listdir(self.store) if name != "LOCK"}

        before = state()
        for command in [["get", "1"], ["scan"], ["floor", "5"], ["ceiling", "0"], ["dump"], ["stat"], ["check"],
                        ["tables"]]:
            self.run_tool(command[0], self.store, *command[1:])
        self.assertEqual(state(), before)

    def test_output_that_cannot_be_written_is_an_error(self):
        self.create()
        self.run_tool("put", self.store, "1", "a")
        for command in [["get", "1"], ["scan"], ["dump"], ["stat"], ["tables", "--json"], ["check"]]:
            with open("/dev/full", "wb") as full:
                done = subprocess.run([tool.TOOL, command[0], self.store, *command[1:]], stdout=full,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, DATA, command)
            self.assertIn(b"cannot write stdout: No space left on device", done.stderr)


if __name__ == "__main__":
    tool.main()
