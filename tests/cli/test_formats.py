# SPDX-License-Identifier: Apache-2.0
"""`dump` and `load`: every format gives every value back, and columns are chosen as documented."""

import csv
import gzip
import io
import json
import random
import subprocess
import unicodedata

import tool
from tool import DATA

FORMATS = {
    "csv": ["--format", "csv"],
    "csv with a header": ["--format", "csv", "--header"],
    "csv with semicolons": ["--format", "csv", "--delimiter", ";"],
    "csv with tabs": ["--format", "csv", "--delimiter", "tab"],
    "csv with a digit between": ["--format", "csv", "--delimiter", "1"],
    "tsv": ["--format", "tsv"],
    "tsv with a header": ["--format", "tsv", "-H"],
    "json lines": ["--format", "jsonl"],
    "by default": [],
}

TRICKY = [
    b"", b"\0", b"plain", b" leading and trailing ", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\n\n", b'"', b'""',
    b'"quoted"', b'a"b', b"a,b\n\"c\"\r\n,", b"\\", b"\\\\", b"\\n", b"\\x41", b"\\q", b"trailing\\", b"ends in CR\r",
    "é ü € 𝄞".encode(), b"\xef\xbb\xbfmark", b"\xef\xbb\xbf", b"\xff", b"\x80", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xc3", b"\xe2\x82", b"a\0b", "\u0085\u009b\u2028\u2029\ufffe".encode(), b"\x7f\x1b[31m",
    b"{}", b'{"base64":"AAA="}', b"null", b"123", b"key", b"#comment", b"=1+1", bytes(range(256)), b"x" * 300_000,
    b"\n" * 70_000, b'"' * 66_000, bytes(range(256)) * 300,
]


class RoundTrip(tool.ToolTest):
    def fill(self):
        """A store with tricky values, and random bytes of many lengths. @return its entries"""
        self.create()
        random.seed(5)
        values = TRICKY + [random.randbytes(size) for size in [1, 2, 3, 4, 5, 100, 5000, 65536, 131071]]
        lines = []
        for key, value in enumerate(values, -10):
            lines.append(json.dumps({"key": key, "value": {"base64": tool.base64_of(value)}}))
        self.load("\n".join(lines))
        expected = list(enumerate(values, -10))
        self.assertEqual(self.entries(), expected)
        return expected

    def test_every_format_gives_every_value_back(self):
        expected = self.fill()
        for number, (name, options) in enumerate(FORMATS.items()):
            with self.subTest(name):
                dumped = self.run_tool("dump", self.store, *options).out
                copy = self.path(f"copy{number}")
                self.run_tool("create", copy)
                self.run_tool("load", copy, *options, stdin=dumped)
                self.assertEqual(self.entries_of(self.run_tool("scan", copy, "--json")), expected)
                self.assertEqual(self.run_tool("dump", copy, *options).out, dumped)

    def test_every_format_through_a_file_plain_and_compressed(self):
        expected = self.fill()
        for number, name in enumerate(["a.csv", "a.tsv", "a.jsonl", "a.ndjson", "b.csv.gz", "b.tsv.gz", "b.jsonl.gz",
                                       "plain", "plain.gz"]):
            with self.subTest(name):
                file = self.path(name)
                self.run_tool("dump", self.store, file)
                self.assertEqual(self.read(name)[:2] == b"\x1f\x8b", name.endswith(".gz"))
                copy = self.path(f"copy{number}")
                self.run_tool("create", copy)
                self.run_tool("load", copy, file)
                self.assertEqual(self.entries_of(self.run_tool("scan", copy, "--json")), expected)

    def test_csv_is_what_other_readers_take(self):
        """Python's reader of RFC 4180 sees the same values, those of bytes that it can hold."""
        self.fill()
        self.addCleanup(csv.field_size_limit, csv.field_size_limit(1 << 30))
        text = self.run_tool("dump", self.store, "--format", "csv").out.decode("latin-1")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        self.assertEqual([(int(key), value.encode("latin-1")) for key, value in rows], self.entries())

    def test_tsv_has_a_line_an_entry(self):
        expected = self.fill()
        dumped = self.run_tool("dump", self.store, "--format", "tsv").text
        self.assertEqual([int(line.split("\t")[0]) for line in dumped.split("\n")[:-1]],
                         [key for key, _ in expected])
        self.assertEqual(dumped.count("\t"), len(expected))
        controls = {character for character in dumped if unicodedata.category(character) == "Cc"}
        self.assertEqual(controls, {"\t", "\n"})

    def test_a_value_that_begins_a_file_with_a_byte_order_mark(self):
        """Readers take such a mark off; dump writes it so that it stays."""
        self.create()
        self.run_tool("put", self.store, "1", stdin=b"\xef\xbb\xbfmarked")
        for layout in ["csv", "tsv"]:
            dumped = self.run_tool("dump", self.store, "--format", layout, "--columns", "value,key").out
            self.run_tool("delete", self.store, "1")
            self.load(dumped, "--format", layout, "--columns", "2,1")
            self.assertEqual(self.entries(), [(1, b"\xef\xbb\xbfmarked")])

    def test_unsigned_tables_round_trip(self):
        self.create("--table", "u", "--unsigned")
        self.create("--table", "copy", "--unsigned")
        keys = [0, 1, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1]
        for name, options in FORMATS.items():
            with self.subTest(name):
                header = "key,value\n" if "--header" in options else ""
                if "csv" in options and len(options) < 4:
                    self.load(header + "".join(f"{key},v{key}\n" for key in keys), *options, "--table", "u")
                dumped = self.run_tool("dump", self.store, *options, "--table", "u").out
                self.load(dumped, *options, "--table", "copy")
                self.assertEqual(self.entries("--table", "copy"), [(key, f"v{key}".encode()) for key in keys])


class Columns(tool.ToolTest):
    RANGES = "first,last,country,note\n16777216,16777471,AU,x\n5,9,\"C,N\",\"a\"\"b\"\n"

    def setUp(self):
        super().setUp()
        self.create()

    def loaded(self, text, *options):
        self.load(text, *options)
        entries = self.entries()
        for key, _ in entries:
            self.run_tool("delete", self.store, key)
        return entries

    def test_by_default_the_first_is_the_key_and_all_others_the_value(self):
        rows = self.RANGES.split("\n", 1)[1]
        self.assertEqual(self.loaded(rows, "--format", "csv"),
                         [(5, b'9,"C,N","a""b"'), (16777216, b"16777471,AU,x")])
        self.assertEqual(self.loaded("1,\"a,b\"\n", "-f", "csv"), [(1, b"a,b")])
        self.assertEqual(self.loaded("1\n2\n", "-f", "csv"), [(1, b""), (2, b"")])
        self.assertEqual(self.loaded("1\ta\\tb\tc\n", "-f", "tsv"), [(1, b"a\\tb\tc")])

    def test_by_number(self):
        rows = self.RANGES.split("\n", 1)[1]
        self.assertEqual(self.loaded(rows, "--format", "csv", "--columns", "2,3"), [(9, b"C,N"), (16777471, b"AU")])
        self.assertEqual(self.loaded(rows, "--format", "csv", "--columns", "1"), [(5, b""), (16777216, b"")])
        self.assertEqual(self.loaded(rows, "--format", "csv", "--columns", "1,4,2"),
                         [(5, b'"a""b",9'), (16777216, b"x,16777471")])

    def test_by_name_in_the_header(self):
        self.assertEqual(self.loaded(self.RANGES, "--format", "csv", "--header", "--columns", "last,country"),
                         [(9, b"C,N"), (16777471, b"AU")])
        self.assertEqual(self.loaded('id,"the, name"\n1,x\n', "-f", "csv", "-H", "-c", 'id,"the, name"'), [(1, b"x")])
        self.assertEqual(self.loaded(self.RANGES, "--format", "csv", "--header", "-c", "last,3"),
                         [(9, b"C,N"), (16777471, b"AU")])

    def test_a_column_that_is_not_there(self):
        for options in [["--columns", "first,lost"], ["--columns", "1,5"]]:
            outcome = self.load(self.RANGES, "--format", "csv", "--header", *options, code=DATA)
            self.assertIn(f'stdin: line 1: there is no column "{options[1].split(",")[1]}" among its 4', outcome.err)
        outcome = self.load('a,"b\n', "--format", "csv", "--header", "--skip-errors", code=DATA)
        self.assertIn("the header does not parse", outcome.err)

    def test_dump_gives_the_columns_of_a_value_back(self):
        rows = "5,9,\"C,N\",\"a\"\"b\"\n16777216,16777471,AU,x\n"
        self.load(rows, "--format", "csv")
        dump = ["dump", self.store, "--format", "csv", "--columns"]
        self.assertEqual(self.run_tool(*dump, "key,1,2,3").text, rows)
        self.assertEqual(self.run_tool(*dump, "2,key", "--header").text, '2,key\n"C,N",5\nAU,16777216\n')
        self.assertEqual(self.run_tool(*dump, "value").text, '"9,""C,N"",""a""""b"""\n"16777471,AU,x"\n')
        self.assertEqual(self.run_tool("dump", self.store, "--columns", "value,key").json_lines[1],
                         {"value": "16777471,AU,x", "key": 16777216})
        outcome = self.run_tool(*dump, "key,4", code=DATA)
        self.assertIn("the value of key 5 does not have the fields", outcome.err)
        self.run_tool("put", self.store, "4", "")
        self.assertEqual(self.run_tool(*dump, "key,1").text.split("\n")[0], "4,")

    def test_members_of_json_lines(self):
        lines = '{"id": "7", "name": "Ada", "tags": [1]}\n\n  {"name": 12, "id": -8}\r\n'
        self.assertEqual(self.loaded(lines, "--columns", "id,name"), [(-8, b"12"), (7, b"Ada")])
        self.assertEqual(self.loaded(lines, "--columns", "id"), [(-8, b""), (7, b"")])
        self.assertEqual(self.loaded('{"key":"0x10","value":"\\u0000\\ud83d\\ude00"}'), [(16, b"\0\xf0\x9f\x98\x80")])


class Input(tool.ToolTest):
    def setUp(self):
        super().setUp()
        self.create()

    def test_unsorted_and_repeated_keys_count_as_said(self):
        self.run_tool("put", self.store, "3", "old")
        outcome = self.load("3,c\n1,a\n2,b\n1,last\n", "--format", "csv")
        self.assertRegex(outcome.text, r"^loaded 4 entries in .*: 2 keys added, 1 replaced; 1 entries made void")
        self.assertEqual(self.entries(), [(1, b"last"), (2, b"b"), (3, b"c")])
        summary = self.load("4,a\n1,b\n", "--format", "csv", "--json").json
        del summary["seconds"]
        self.assertEqual(summary, {"entries": 2, "added": 1, "replaced": 1, "repeated": 0, "skipped_lines": 0,
                                   "bad_lines": []})
        self.assertEqual(self.load("5,a\n", "--format", "csv", "--quiet").out, b"")

    def test_line_ends_marks_and_empty_lines(self):
        for text in ["1,a\n2,b\n", "1,a\n2,b", "1,a\r\n2,b\r\n", "\ufeff1,a\n2,b", "\n\n1,a\r\n\r\n2,b\n\n",
                     '"1",a\n2,"b"\r\n', '1,"a"\n"2","b"']:
            self.load(text, "--format", "csv")
            self.assertEqual(self.entries(), [(1, b"a"), (2, b"b")], repr(text))
            self.run_tool("delete", self.store, "1", "2")
        self.load("1,a\rb\r\r\n2,\"c\r\"\r\n", "--format", "csv")
        self.assertEqual(self.entries(), [(1, b"a\rb\r"), (2, b"c\r")])
        self.assertIn("loaded 0 entries", self.load("").text)
        self.assertIn("loaded 0 entries", self.load("\n\n", "-f", "tsv").text)

    def test_gzip_is_seen_by_its_content(self):
        packed = gzip.compress(b"1,a\n") + gzip.compress(b"2,b\n")
        self.load(packed, "--format", "csv")
        self.assertEqual(self.entries(), [(1, b"a"), (2, b"b")])
        self.run_tool("load", self.store, self.write("misnamed.csv", gzip.compress(b"3,c\n")))
        self.run_tool("load", self.store, self.write("misnamed.csv.gz", b"4,d\n"))
        self.assertEqual(self.entries()[2:], [(3, b"c"), (4, b"d")])

    def test_gzip_that_is_cut_short_or_broken_loads_nothing(self):
        random.seed(3)
        packed = gzip.compress("".join(f"{random.getrandbits(60)},v\n" for _ in range(50_000)).encode())
        middle = bytearray(packed)
        middle[len(packed) // 2] ^= 0xff
        checksum = bytearray(packed)
        checksum[-8] ^= 1
        for content, part in [(packed[:len(packed) // 2], "its compressed data is cut short"),
                              (packed[:-4], "its compressed data is cut short"), (bytes(middle), ""),
                              (bytes(checksum), "incorrect data check")]:
            outcome = self.load(content, "--format", "csv", "--skip-errors", code=DATA)
            self.assertRegex(outcome.err, f"cannot read stdin: .*{part}")
            self.assertIn("nothing was loaded", outcome.err)
        self.assertEqual(self.entries(), [])

    def test_inputs_that_cannot_be_read(self):
        outcome = self.run_tool("load", self.store, self.path("absent.csv"), code=DATA)
        self.assertIn("absent.csv: No such file or directory", outcome.err)
        self.assertIn("Is a directory", self.run_tool("load", self.store, self.directory, code=DATA).err)
        outcome = self.run_tool("dump", self.store, self.path("absent/file.csv"), code=DATA)
        self.assertIn("No such file or directory", outcome.err)

    def test_a_reader_that_goes_away_is_no_failure(self):
        self.load("".join(f"{key},some value\n" for key in range(50_000)), "--format", "csv")
        for command in ["scan", "dump"]:
            done = subprocess.run(["bash", "-c", '"$0" "$1" "$2" | head -n 1; exit "${PIPESTATUS[0]}"', tool.TOOL,
                                   command, self.store], capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(done.stdout.count(b"\n"), 1)

    def test_memory_does_not_grow_with_the_file(self):
        """A file of 200 MB of values passes through a tool that may use 64 MB of heap."""
        line = b"1,\"" + b"x" * 1000 + b"\"\n"
        script = 'ulimit -d 65536; exec "$0" load "$1" --format csv'
        if "address" in tool.SANITIZE or "thread" in tool.SANITIZE:
            self.skipTest("sanitizers take more memory")
        with subprocess.Popen(["bash", "-c", script, tool.TOOL, self.store], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as load:
            out, err = load.communicate(line * 200_000)
        self.assertEqual((load.returncode, err), (0, b""))
        self.assertIn(b"loaded 200,000 entries", out)


class BadLines(tool.ToolTest):
    def setUp(self):
        super().setUp()
        self.create()
        self.run_tool("put", self.store, "1", "before")

    def refused(self, text, number, part, *options):
        outcome = self.load(text, *options, code=DATA)
        self.assertIn(f"alexstorage: stdin: line {number}: ", outcome.err)
        self.assertIn(part, outcome.err.split("\n")[0])
        self.assertIn("--skip-errors", outcome.err)
        self.assertIn("nothing was loaded", outcome.err)
        self.assertEqual(self.entries(), [(1, b"before")], "a refused load must leave the table as it was")

    def test_csv(self):
        for text, number, part in [
                ("2,a\nx,b\n", 2, 'key "x" is not a whole number'),
                ("2,a\n\n\n3\n", 4, "it has 1 columns where the first line has 2"),
                ("2,a\r\n3,b,c\r\n", 2, "it has 3 columns where the first line has 2"),
                ("2,\"a\nb\"\n3,\"c\"d\n", 3, "text behind a closing quote"),
                ("2,a\"b\n", 1, "quote inside a field"),
                ("2,a\n3,\"b\n4,c\n", 2, "a quote is opened there that is never closed"),
                ("2,a\n9223372036854775808,b\n", 2, "out of range: the table's signed keys go from"),
                ("2,a\n-9223372036854775809,b\n", 2, "out of range"),
                ("key,value\n2,a\n", 1, 'key "key" is not a whole number'),
                (",a\n", 1, 'key "" is not a whole number')]:
            self.refused(text, number, part, "--format", "csv")

    def test_tsv(self):
        for text, number, part in [
                ("2\ta\\\n3\tb\n", 1, "a backslash may only begin"),
                ("2\ta\n3\t\\q\n", 2, "a backslash may only begin"),
                ("2\t\\x4\n", 1, "a backslash may only begin"), ("2\t\\xg0\n", 1, "a backslash may only begin"),
                ("2\ta\tb\n3\ta\n", 2, "it has 2 columns where the first line has 3")]:
            self.refused(text, number, part, "--format", "tsv")

    def test_json_lines(self):
        good = '{"key":2,"value":"a"}\n'
        for line, part in [
                ("{", "it is not JSON"), ("1,a", "give --format"), ("[1]", 'no member "key"'),
                ('{"value":""}', '"key"'),
                ('{"key":3}', 'no member "value"'), ('{"key":1.5,"value":""}', "neither a whole number"),
                ('{"key":"a","value":""}', "not a whole number"), ('{"key":null,"value":""}', "neither a whole number"),
                ('{"key":9223372036854775808,"value":""}', "out of the range of 64 bits"),
                ('{"key":"9223372036854775808","value":""}', "out of range"),
                ('{"key":3,"value":null}', "neither a string"),
                ('{"key":3,"value":{"base64":"A"}}', "neither a string"),
                ('{"key":3,"value":{"base64":"AA=A"}}', "neither a string"),
                ('{"key":3,"value":{"base64":"A==="}}', "neither a string"),
                ('{"key":3,"value":{"base64":"AA==AAAA"}}', "neither a string"),
                ('{"key":3,"value":{"base64":"AA A"}}', "neither a string"),
                ('{"key":3,"value":{"base64":"AAAA","x":1}}', "neither a string"), ('{"key":3,"value":[]}', "neither"),
                ('{"key":3,"key":4,"value":""}', "duplicate"), (good.strip() + good.strip(), "it is not JSON"),
                (b'{"key":3,"value":"\xff"}', "it is not JSON")]:
            line = line if isinstance(line, bytes) else line.encode()
            self.refused(good.encode() + b"\n" + line + b"\n", 3, part)

    def test_unsigned_keys_out_of_range(self):
        self.create("--table", "u", "--unsigned")
        for key in [-1, 2**64]:
            outcome = self.load(f"0,a\n{key},b\n", "--format", "csv", "--table", "u", code=DATA)
            self.assertIn(f"line 2: key {key} is out of range: the table's unsigned keys go from 0", outcome.err)

    def test_skip_errors_loads_the_rest_and_counts(self):
        bad = "".join(f"x{number},bad\n" for number in range(7))
        text = "2,a\n" + bad + "3,\"b\"\n4,\"c\"d\n5,e\n"
        outcome = self.load(text, "--format", "csv", "--skip-errors")
        self.assertEqual(self.entries(), [(1, b"before"), (2, b"a"), (3, b"b"), (5, b"e")])
        self.assertIn("; 8 lines skipped", outcome.text)
        lines = outcome.err.splitlines()
        self.assertEqual([line.split(": ")[2] for line in lines], [f"line {number}" for number in range(2, 7)])
        summary = self.load(text, "--format", "csv", "-s", "--json").json
        self.assertEqual((summary["entries"], summary["skipped_lines"]), (3, 8))
        self.assertEqual([line["line"] for line in summary["bad_lines"]], [2, 3, 4, 5, 6])
        self.assertIn("not a whole number", summary["bad_lines"][0]["message"])

    def test_skip_errors_counts_the_lines_lost_to_an_open_quote(self):
        summary = self.load("2,a\n3,\"b\n4,c\n5,d\n", "--format", "csv", "-s", "--json").json
        self.assertEqual((summary["entries"], summary["skipped_lines"]), (1, 3))

    def test_skip_errors_with_json_lines(self):
        summary = self.load('{"key":2,"value":"a"}\nnonsense\n{"key":3,"value":"b"}', "-s", "--json").json
        self.assertEqual((summary["entries"], summary["skipped_lines"]), (2, 1))
        self.assertEqual(self.entries(), [(1, b"before"), (2, b"a"), (3, b"b")])

    def test_long_lines_pass(self):
        value = "y" * 5_000_000
        self.load(f"2,{value}\n3,\"{value}\"\n", "--format", "csv")
        self.load(json.dumps({"key": 4, "value": value}))
        self.assertEqual([len(value) for _, value in self.entries()], [6, 5_000_000, 5_000_000, 5_000_000])


if __name__ == "__main__":
    tool.main()
