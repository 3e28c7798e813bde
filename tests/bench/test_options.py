# SPDX-License-Identifier: Apache-2.0
"""The benchmark as a user sees it: options, key distributions, JSON, and a file of results that is gone on with."""

import gzip
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BENCH = os.environ.get("ALEXSTORAGE_BENCH", "")

KEYS = 2000
FIELDS = {
    "engine", "version", "workload", "state", "keys", "distribution", "value_min", "value_max", "threads", "sync",
    "random_seed", "ops_asked", "dataset_keys", "round", "call_ops", "ns_per_op", "ops", "calls", "p50_ns", "p99_ns",
    "p999_ns", "p9999_ns", "max_ns", "peak_rss_bytes", "disk_bytes", "found", "contents_count", "checksum",
    "contents_checksum",
}
INDEX_FIELDS = {"index_bytes_per_key", "predicted_line_share", "index_depth"}


class BenchTest(unittest.TestCase):
    """A test with an empty directory for stores and files."""

    maxDiff = 2000

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="alexstorage-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.results = self.path("results")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def bench(self, *options, code=0):
        """Runs the benchmark, claims its exit status, and gives what it wrote to stdout and stderr."""
        command = [BENCH, "--dir", self.directory, "--rounds", "1", "--keys", str(KEYS), *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, code, f"{command}\n{done.stdout[-500:]}\n{done.stderr[-4000:]}")
        return done.stdout, done.stderr

    def runs(self, *options):
        """The runs of an invocation, as objects."""
        return [json.loads(line) for line in self.bench("--format", "json", *options)[0].splitlines()]

    def run_one(self, workload, *options):
        runs = self.runs("--engines", "alexstorage", "--workloads", workload, *options)
        self.assertEqual(len(runs), 1)
        return runs[0]


class Progress(BenchTest):
    OPTIONS = ["--engines", "alexstorage", "--workloads", "get,scan", "--ops", "10"]

    def test_terminal(self):
        """A terminal shows which run of how many is under way, and from the second on the time left; in the end the
        line is gone."""
        master, slave = pty.openpty()
        command = [BENCH, "--dir", self.directory, "--rounds", "1", "--keys", str(KEYS), *self.OPTIONS]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=slave, timeout=300, check=False)
        os.close(slave)
        shown = b""
        try:
            while data := os.read(master, 65536):
                shown += data
        except OSError:  # all is read
            pass
        os.close(master)
        self.assertEqual(0, done.returncode)
        *lines, last = shown.decode().split("\r\x1b[K")
        self.assertEqual("", last)
        lines = [line for line in lines if line != ""]
        self.assertEqual("[1/2] get: alexstorage, round 1 of 1", lines[0])
        self.assertRegex(lines[1], r"^\[2/2\] scan: alexstorage, round 1 of 1; about \d+:\d\d min left$")

    def test_no_terminal(self):
        """Elsewhere nothing of it is printed."""
        self.assertEqual("", self.bench(*self.OPTIONS)[1])


class Options(BenchTest):
    def test_wrong_options_are_refused_by_name(self):
        for options, message in [
            (["--keys", "0"], "--keys takes a number from 1 to"),
            (["--keys", "2G"], "--keys takes a number"),
            (["--keys", "10x"], "not '10x'"),
            (["--rounds", "101"], "--rounds takes a number from 1 to 100"),
            (["--values", "9-8"], "the smallest size, 9, is above the largest, 8"),
            (["--values", "9"], "--values takes two sizes"),
            (["--engines", "alexstorage,none"], "--engines: there is no 'none', but alexstorage"),
            (["--workloads", ","], "--workloads names none"),
            (["--workloads", "ycsb_g"], "there is no 'ycsb_g'"),
            (["--threads", "0"], "--threads takes a number from 1 to 64"),
            (["--threads", "65"], "--threads takes a number from 1 to 64"),
            (["--threads", "2", "--workloads", "get,mixed"],
             "--threads 2: 'mixed' is for one thread; those for several are --workloads threads"),
            (["--workloads", "seed", "--threads", "2"], "'seed_bulk_insert' is for one thread"),
            (["--distribution", "normal"], "--distribution: there is no 'normal', but uniform"),
            (["--distribution", "file"], "'file' needs a path"),
            (["--distribution", "file:"], "'file' needs a path"),
            (["--distribution", "file:" + "x" * 5000], "the path is too long"),
            (["--distribution", "osm:x"], "'osm' takes no path"),
            (["--distribution", "osm", "--keys", "101M"], "osm has 100000000 keys at most"),
            (["--random-seed", str(2**63)], "--random-seed takes a number"),
            (["--state", "new"], "--state is 'reopened' or 'loaded', not 'new'"),
            (["--format", "csv"], "--format is 'table' or 'json', not 'csv'"),
            (["--smoke", "--results", self.results], "no results for --results"),
            (["--unknown"], "See alexstorage-bench --help"),
            (["more"], "'more' is not an option"),
        ]:
            with self.subTest(options=options):
                out, err = self.bench(*options, code=2)
                self.assertEqual(out, "")
                self.assertIn(message, err)

    def test_help_and_list_name_all_there_is(self):
        self.assertIn("--results FILE", self.bench("--help")[0])
        listed = self.bench("--list")[0]
        for name in ["alexstorage", "rocksdb", "get_loaded", "ycsb_f", "timestamps", "file"]:
            self.assertRegex(listed, rf"(?m)^  {name} ")

    def test_help_and_table_say_what_is_synced(self):
        for options in (["--help"], ["--engines", "alexstorage", "--workloads", "get", "--ops", 1]):
            text = " ".join(self.bench(*options)[0].split())
            self.assertIn("No write that is timed asks for a sync", text)

    def test_a_line_has_the_documented_fields_and_no_others(self):
        for run in self.runs("--engines", "alexstorage,sqlite", "--workloads", "get,insert,scan"):
            expected = FIELDS | INDEX_FIELDS if run["engine"] == "alexstorage" else FIELDS
            self.assertEqual(set(run), expected)
            self.assertEqual((run["threads"], run["sync"], run["keys"], run["round"]), (1, "none", KEYS, 1))
            times = [run[name] for name in ["p50_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns"]]
            self.assertEqual(times, sorted(times))
            self.assertGreater(run["ns_per_op"], 0)

    def test_the_state_says_which_process_loaded(self):
        for options, workload, state in [([], "get", "reopened"), ([], "get_loaded", "loaded"),
                                         (["--state", "loaded"], "get", "loaded"), ([], "bulk_insert", "empty")]:
            self.assertEqual(self.run_one(workload, "--ops", 100, *options)["state"], state)

    def test_bulk_insert_above_a_million_keys_puts_a_million_more(self):
        run = self.run_one("bulk_insert", "--keys", 1_001_000, "--values", "0-8")
        self.assertEqual((run["state"], run["ops"], run["contents_count"]), ("reopened", 1_000_000, 2_001_000))


class Threads(BenchTest):
    def test_several_threads_are_given_what_they_can_share(self):
        runs = self.runs("--threads", 3, "--engines", "alexstorage", "--ops", 30)
        self.assertEqual({run["threads"] for run in runs}, {3})
        names = {run["workload"] for run in runs}
        self.assertLessEqual({"get", "get_many", "scan", "insert", "batch_sync", "get_beside_writer"}, names)
        self.assertFalse({"mixed", "open", "ycsb_a"} & names)

    def test_each_operation_is_done_once_however_they_are_divided(self):
        """1,000 operations don't divide by 7, and 5 leave two of the threads without any."""
        for ops in (1000, 5):
            for run in self.runs("--threads", 7, "--engines", "alexstorage", "--ops", ops, "--workloads",
                                 "get,insert,delete,get_many"):
                with self.subTest(workload=run["workload"], ops=ops):
                    self.assertEqual(run["ops"], ops)
                    done = {"get": 0, "get_many": 0, "insert": 2 * ops, "delete": -2 * ops}[run["workload"]]
                    self.assertEqual(run["contents_count"], KEYS + done)
                    self.assertEqual(run["calls"], {5: 5, 1000: 7 * 3}[ops] if run["workload"] == "get_many" else ops)
                    self.assertEqual(run["found"], {"get": 2 * ops, "get_many": ops}.get(run["workload"], 0))

    def test_answers_do_not_depend_on_which_thread_was_first(self):
        for workload in ("get", "get_many", "scan", "get_beside_writer"):
            checksums = {self.run_one(workload, "--threads", 3, "--ops", 900)["checksum"] for _ in range(3)}
            self.assertEqual(len(checksums), 1)
        contents = {self.run_one("insert", "--threads", threads)["contents_checksum"] for threads in (1, 3)}
        self.assertEqual(len(contents), 1)

    def test_a_thread_more_writes_beside_readers(self):
        """Its speed is told, and what it has written is checked, but it may be different for each engine."""
        options = ["--engines", "alexstorage,lmdb", "--workloads", "get_beside_writer", "--results", self.results]
        self.bench(*options)
        with open(self.results, encoding="utf-8") as file:
            first, second = file.readlines()
        run = json.loads(first)
        self.assertEqual(set(run), FIELDS | INDEX_FIELDS | {"writer_ns_per_op"})
        self.assertGreater(run["writer_ns_per_op"], 0)
        self.assertGreater(run["contents_count"], KEYS)
        self.assertEqual(self.bench("--format", "json", *options)[0], first + second)
        self.write("results", first + json.dumps(json.loads(second) | {"contents_count": 0}) + "\n")
        self.bench(*options)
        self.write("results", first + json.dumps(json.loads(second) | {"found": 0}) + "\n")
        self.assertIn("the answers differ", self.bench(*options, code=1)[1])

    def test_engines_do_what_they_can(self):
        """The floor writes in one thread only and has no transactions; SQLite's view begins with its first read."""
        for options, engines in [
            (["--threads", 2, "--workloads", "insert"], ["alexstorage", "sqlite"]),
            (["--threads", 2, "--workloads", "get"], ["alexstorage", "floor", "sqlite"]),
            (["--workloads", "begin_end"], ["alexstorage"]),
            (["--workloads", "get_txn"], ["alexstorage", "sqlite"]),
        ]:
            runs = self.runs("--engines", "alexstorage,floor,sqlite", "--ops", 20, *options)
            self.assertEqual(sorted(run["engine"] for run in runs), engines)

    def test_the_table_tells_threads_and_settings(self):
        options = ["--engines", "sqlite", "--ops", 20]
        several = "with several threads: a connection each"
        for more, told in [(["--workloads", "get"], ["One thread."]),
                           (["--workloads", "get", "--threads", 2], ["2 threads.", several]),
                           (["--workloads", "get_beside_writer"], ["One thread.", several])]:
            text = " ".join(self.bench(*options, *more)[0].split())
            for part in told:
                self.assertIn(part, text)
            self.assertEqual(several in told, several in text)
        self.assertIn("writer's put", self.bench(*options, "--workloads", "get_beside_writer", "--details")[0])


class Keys(BenchTest):
    def distributions(self):
        """The names of all distributions but that of a file."""
        listed = self.bench("--list")[0].split("\nDistributions:\n")[1]
        names = re.findall(r"(?m)^  (\w+) ", listed)
        self.assertEqual(names.pop(), "file")
        self.assertGreater(len(names), 15)
        return names

    def test_every_distribution_gives_keys_that_differ_and_are_the_same_again(self):
        for name in self.distributions():
            with self.subTest(name):
                options = ["--distribution", name, "--values", "0-8"]
                runs = [self.run_one("insert", "--random-seed", seed, *options) for seed in (1, 1, 2)]
                # Loaded, timed together, and timed one by one.
                self.assertEqual([run["contents_count"] for run in runs], [3 * KEYS] * 3)
                checksums = [run["contents_checksum"] for run in runs]
                self.assertEqual(checksums[0], checksums[1])
                fixed = name in ("sequential", "reverse", "outlier") or name.startswith("dense_")
                self.assertEqual(checksums[0] == checksums[2], fixed)

    def test_addresses_go_on_beyond_the_file(self):
        run = self.run_one("bulk_insert", "--distribution", "ipv4", "--keys", 400_000, "--values", "0-0")
        self.assertEqual(run["contents_count"], 400_000)

    def test_keys_of_a_file_are_read_plain_and_compressed(self):
        keys = [-2**63, 2**63 - 1, 0, -1, *range(10, 3 * KEYS + 10)]
        text = "\n".join(map(str, keys))
        plain = self.write("plain", text)
        compressed = self.write("compressed", gzip.compress(text.encode()))
        dos = self.write("dos", text.replace("\n", "\r\n") + "\r\n")
        runs = [self.run_one("insert", "--distribution", f"file:{path}") for path in (plain, compressed, dos)]
        self.assertEqual([run["distribution"] for run in runs][0], f"file:{plain}")
        self.assertEqual([run["contents_count"] for run in runs], [3 * KEYS] * 3)
        self.assertEqual(len({run["contents_checksum"] for run in runs}), 1)

    def test_a_bad_line_of_a_file_is_named(self):
        good = [str(key) for key in range(KEYS)]
        for bad, message in [
            ("", "line 8: '' is not a decimal"),
            ("+7", "line 8: '+7' is not a decimal"),
            (" 7", "line 8: ' 7' is not a decimal"),
            ("7,", "line 8: '7,' is not a decimal"),
            ("9223372036854775808", "line 8: '9223372036854775808' is not a decimal"),
            ("3", "line 8: the key 3 is in line 4 already"),
        ]:
            with self.subTest(bad):
                path = self.write("keys", "\n".join([*good[:7], bad, *good[8:]]))
                out, err = self.bench("--workloads", "get", "--distribution", f"file:{path}", code=1)
                self.assertEqual(out, "")
                self.assertIn(f"{path}, {message}", err)

    def test_a_file_with_too_few_keys_is_refused(self):
        path = self.write("keys", "".join(f"{key}\n" for key in range(3 * KEYS - 1)))
        self.assertEqual(self.run_one("get", "--distribution", f"file:{path}")["contents_count"], KEYS)
        err = self.bench("--workloads", "get,insert", "--distribution", f"file:{path}", code=1)[1]
        self.assertIn(f"has {3 * KEYS - 1} keys, and {3 * KEYS} are needed: {KEYS} to load", err)
        self.assertIn("cannot open", self.bench("--distribution", "file:" + self.path("none"), code=1)[1])


class Results(BenchTest):
    OPTIONS = ["--engines", "alexstorage,sqlite", "--workloads", "get,scan", "--ops", "1000", "--rounds", "2"]

    def lines(self):
        with open(self.results, encoding="utf-8") as file:
            return file.readlines()

    def go_on(self, *options, **claims):
        return self.bench(*self.OPTIONS, "--results", self.results, *options, **claims)

    def test_what_is_there_is_not_run_again(self):
        first = self.go_on("--details")[0]
        lines = self.lines()
        self.assertEqual(len(lines), 8)
        self.assertEqual(self.go_on("--details")[0], first)
        self.assertEqual(self.lines(), lines)
        printed = self.go_on("--format", "json")[0].splitlines(keepends=True)
        self.assertEqual(printed, lines)

    def test_what_is_missing_is_run(self):
        self.go_on()
        lines = self.lines()
        missing = json.loads(lines.pop(3))
        self.write("results", "".join(lines))
        self.go_on()
        self.assertEqual(self.lines()[:7], lines)
        (run,) = self.lines()[7:]
        for name in ["engine", "workload", "round", "checksum", "contents_checksum"]:
            self.assertEqual(json.loads(run)[name], missing[name])

    def test_other_parameters_are_other_runs(self):
        self.go_on()
        for option, value, runs in [
            ("--keys", 1999, 8), ("--ops", 999, 8), ("--values", "16-255", 8), ("--values", "15-256", 8),
            ("--random-seed", 2, 8), ("--distribution", "osm", 8), ("--state", "loaded", 8), ("--threads", 2, 8),
            ("--rounds", 3, 4),
        ]:
            with self.subTest(option=option, value=value):
                before = len(self.lines())
                self.go_on(option, value)
                self.assertEqual(len(self.lines()) - before, runs)

    def test_other_keys_of_a_dataset_are_other_runs(self):
        """How many keys are made depends on --ops for all workloads, and with osm so does which are loaded."""
        options = ["--workloads", "full_scan", "--distribution", "osm", "--engines", "alexstorage", "--rounds", 1]
        for ops in (1000, 3000, 1000):
            self.go_on(*options, "--ops", ops)
        first, second = (json.loads(line) for line in self.lines())
        self.assertEqual(first["ops_asked"], second["ops_asked"])
        self.assertEqual((first["dataset_keys"], second["dataset_keys"]), (KEYS + 2 * 1000, KEYS + 2 * 3000))
        self.assertNotEqual(first["contents_checksum"], second["contents_checksum"])

    def test_a_last_line_that_was_cut_short_is_dropped(self):
        self.go_on()
        lines = self.lines()
        self.write("results", "".join(lines)[:-20])
        self.assertIn("the last line, 8, was cut short", self.go_on()[1])
        self.assertEqual(self.lines()[:7], lines[:7])
        self.assertEqual(len(self.lines()), 8)
        self.assertEqual(self.go_on()[1], "")

    def test_a_last_line_without_its_end_is_taken(self):
        self.go_on()
        lines = self.lines()
        del lines[3]
        self.write("results", "".join(lines).rstrip("\n"))
        self.assertEqual(self.go_on()[1], "")
        self.assertEqual(self.lines()[:7], lines)
        self.assertEqual(len(self.lines()), 8)

    def test_any_other_bad_line_is_named(self):
        self.go_on()
        lines = self.lines()
        for bad, message in [("{\n", "line 3: "), ("[]\n", "line 3 is no result of this program"), ("\n", "line 3: "),
                             (lines[2].replace("found", "lost"), "its field found is missing or wrong")]:
            with self.subTest(bad):
                self.write("results", "".join([*lines[:2], bad, *lines[3:]]))
                self.assertIn(message, self.go_on(code=1)[1])
                self.assertEqual(len(self.lines()), 8)

    def printed_ratio(self, own_ns, other_ns):
        """The ratio that the table gives for these times."""
        self.go_on()
        runs = [json.loads(line) for line in self.lines()]
        times = {"alexstorage": own_ns, "sqlite": other_ns}
        self.write("results", "".join(json.dumps(run | {"ns_per_op": times[run["engine"]]}) + "\n" for run in runs))
        return self.go_on()[0].splitlines()[2].split("|")[2].strip()

    def test_small_ratios_have_two_significant_digits(self):
        for own_ns, other_ns, text in [
            (100, 250, "2.50x"), (1000, 99.6, "0.10x"), (1000, 99.4, "0.099x"), (1000, 23.2, "0.023x"),
            (1e6, 3420, "0.0034x"), (1e6, 996, "0.0010x"), (1e6, 34.2, "0.000034x"),
        ]:
            with self.subTest(text):
                self.assertEqual(self.printed_ratio(own_ns, other_ns), text)

    def test_percentiles_of_too_few_calls_are_not_printed(self):
        """1,200 gets are timed one by one, but only 19 calls of get_many and 12 scans."""
        options = ["--workloads", "get,get_many,scan", "--ops", 1200, "--engines", "alexstorage", "--details"]
        rows = [line for line in self.go_on(*options)[0].splitlines() if ", alexstorage" in line]
        shown = {row.split("|")[1].split(",")[0].strip(): [cell.strip() != "–" for cell in row.split("|")[5:10]]
                 for row in rows}
        self.assertEqual({run["workload"]: run["calls"] for run in map(json.loads, self.lines())},
                         {"get": 1200, "get_many": 19, "scan": 12})
        self.assertEqual(shown, {"get": [True, True, True, False, True], "get_many": [True, False, False, False, True],
                                 "scan": [True, False, False, False, True]})

    def test_answers_are_compared_with_those_of_earlier_runs(self):
        self.go_on()
        lines = self.lines()
        for field, wrong in [("found", 1), ("checksum", "0" * 16), ("contents_count", 1),
                             ("contents_checksum", "0" * 16)]:
            with self.subTest(field):
                run = {**json.loads(lines[1]), field: wrong}
                self.write("results", "".join([lines[0], json.dumps(run) + "\n", *lines[2:]]))
                self.assertIn("the answers differ", self.go_on(code=1)[1])


if __name__ == "__main__":
    if not BENCH:
        print("skipped: ALEXSTORAGE_BENCH does not name the benchmark")
        sys.exit(77)
    unittest.main(verbosity=2)
