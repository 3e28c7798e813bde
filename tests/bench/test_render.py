#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/PERFORMANCE.md and the README's table say what the results say: medians, ratios, targets, and what is kept."""

import argparse
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

TOOLS = Path(os.environ["ALEX_SOURCE_DIR"]) / "tools"
sys.path.insert(0, str(TOOLS))
loader = importlib.machinery.SourceFileLoader("benchmark", str(TOOLS / "benchmark"))
benchmark = importlib.util.module_from_spec(importlib.util.spec_from_loader("benchmark", loader))
sys.modules["benchmark"] = benchmark
loader.exec_module(benchmark)
report = benchmark.report

SURROUNDINGS = {"machine": {"processor": "made up, 2 cores"}, "commit": "9d2a21d",
                "engines": {"alexstorage": "`alexstorage` 0.1.0; defaults", "sqlite": "`sqlite` 3.0; settings of it"}}


def run(engine, workload, ns, round_number=1, **fields):
    """A line of results."""
    return {"engine": engine, "workload": workload, "distribution": "uniform", "threads": 1, "round": round_number,
            "ns_per_op": ns, "calls": 10000, "p50_ns": 90, "p99_ns": 200, "p999_ns": 3000, "p9999_ns": 40000,
            "max_ns": 5000000, "peak_rss_bytes": 7e6, "disk_bytes": 8e6} | fields


def runs(engine, workload, *times, **fields):
    return [run(engine, workload, ns, number, **fields) for number, ns in enumerate(times, 1)]


def row(text, label):
    """The cells of the first table row that begins with this label."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == label:
            return cells[1:]
    raise AssertionError(f"no row {label} in\n{text}")


class Figures(unittest.TestCase):
    def test_median(self):
        """A figure is the median over rounds, not their mean; of two rounds, what lies between them."""
        results = report.Results(runs("sqlite", "get", 100, 900, 200))
        self.assertEqual(200, results.median())
        self.assertEqual(150, report.Results(runs("sqlite", "get", 100, 200)).median())
        self.assertIsNone(report.Results([]).median())

    def test_comparison(self):
        """Ratios are the other's median divided by ours, and stand before our time."""
        results = report.Results(runs("alexstorage", "get", 90, 100, 5000) + runs("sqlite", "get", 800, 250, 200))
        text = report.comparison(results)
        self.assertEqual(["vs sqlite", "alexstorage"], row(text, "workload"))
        self.assertEqual(["2.50x", "100 ns"], row(text, "get"))

    def test_small_ratios(self):
        """A ratio that two decimals would round to next to nothing has two significant digits."""
        texts = {0.0996: "0.10x", 0.0994: "0.099x", 0.0232: "0.023x", 0.00342: "0.0034x",
                 0.000996: "0.0010x", 0.0000342: "0.000034x"}
        for number, text in texts.items():
            self.assertEqual(text, report.ratio_text(number))

    def test_unmeasured_pair(self):
        """Where an engine has no run of a workload its cell is empty."""
        results = report.Results(runs("alexstorage", "get", 100) + runs("alexstorage", "scan", 10) +
                                 runs("floor", "get", 80))
        self.assertEqual(["", "10.0 ns"], row(report.comparison(results), "scan"))

    def test_spread(self):
        """Details give median, least and greatest of the rounds, and the longest call of all."""
        results = report.Results(runs("sqlite", "get", 300, 100, 200))
        cells = row(report.details(results), "get, sqlite")
        self.assertEqual(["200 ns", "100 ns", "300 ns"], cells[:3])
        self.assertEqual(["90.0 ns", "200 ns", "3.00 µs", "40.0 µs", "5.00 ms"], cells[3:8])

    def test_too_few_calls(self):
        """A percentile of fewer calls than it takes to tell it from the longest is left empty."""
        for calls, shown in ((99, 1), (100, 2), (999, 2), (1000, 3), (9999, 3), (10000, 4)):
            cells = row(report.details(report.Results(runs("sqlite", "get", 1, calls=calls))), "get, sqlite")
            self.assertEqual(["90.0 ns", "200 ns", "3.00 µs", "40.0 µs"][:shown] + ["–"] * (4 - shown), cells[3:7])

    def test_distributions(self):
        """Several distributions have a row each, and the index's figures stand beside uniform's."""
        fields = {"index_bytes_per_key": 24.0, "predicted_line_share": 0.95, "index_depth": 2}
        results = report.Results(runs("alexstorage", "get", 100, **fields) +
                                 runs("alexstorage", "get", 250, **fields | {"distribution": "osm", "index_depth": 3}))
        self.assertEqual(["250 ns"], row(report.comparison(results), "osm, get"))
        self.assertEqual(["2.50x", "24.0", "95.0 %", "3"], row(report.index_figures(results), "osm, get"))

    def test_threads(self):
        """Several numbers of threads have a row each, and one number needs no telling."""
        lines = runs("alexstorage", "get", 100) + runs("alexstorage", "get", 50, threads=2)
        text = report.comparison(report.Results(lines))
        self.assertEqual(["100 ns"], row(text, "get, 1 thread"))
        self.assertEqual(["50.0 ns"], row(text, "get, 2 threads"))
        self.assertEqual(["100 ns"], row(report.comparison(report.Results(lines[:1])), "get"))

    def test_quotients(self):
        """What threads gain, what a writer beside leaves, and what a transaction costs, each engine by itself."""
        lines = []
        for engine, pace in (("alexstorage", 1), ("lmdb", 3)):
            lines += (runs(engine, "get", 100 * pace) + runs(engine, "get", 60 * pace - 10, threads=2) +
                      runs(engine, "get_beside_writer", 125 * pace) + runs(engine, "begin_end", 20))
        text = report.quotients(report.Results(lines))
        self.assertEqual(["2.00x", "1.76x"], row(text, "get: 1 thread / 2 threads"))
        self.assertEqual(["0.80x", "0.80x"], row(text, "get / get_beside_writer, 1 thread"))
        self.assertEqual(["0.20x", "0.067x"], row(text, "begin_end / get"))
        self.assertEqual("", report.quotients(report.Results(runs("lmdb", "get", 1) + runs("lmdb", "insert", 1))))

    def test_writers_put(self):
        """The time of a writer's put is beside that of the gets, where there was one."""
        lines = runs("lmdb", "get", 100) + runs("lmdb", "get_beside_writer", 100, writer_ns_per_op=3000)
        text = report.details(report.Results(lines))
        self.assertEqual("3.00 µs", row(text, "get_beside_writer, lmdb")[-1])
        self.assertEqual("", row(text, "get, lmdb")[-1])
        self.assertNotIn("writer", report.details(report.Results(lines[:1])))

    def test_interrupted_line(self):
        """A last line that was cut off is not a result."""
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.write(json.dumps(run("sqlite", "get", 100)) + '\n{"engine":"sqli')
            file.flush()
            self.assertEqual(1, len(report.Results.read(Path(file.name)).runs))


    def test_file_of_keys(self):
        """A distribution that is a file goes by its name."""
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            file.write(json.dumps(run("sqlite", "get", 100, distribution="file:made/up/end")) + "\n")
            file.flush()
            self.assertEqual(["end"], report.Results.read(Path(file.name)).values("distribution"))


class Targets(unittest.TestCase):
    def ratios(self, *lines):
        empty = report.Results([])
        return report.markdown_table(*report.ratio_targets(
            {"1M": report.Results([line for of in lines for line in of]), "10M": empty, "100K": empty}))

    def test_met_and_missed(self):
        """A ratio that reaches its target is met, the target itself too; a lower one is missed."""
        text = self.ratios(runs("alexstorage", "get", 100), runs("rocksdb", "get", 1000), runs("sqlite", "get", 799))
        self.assertEqual("10.0 ≥ 10 met", row(text, "get, 1M, 1 round")[0])
        self.assertEqual("**7.99 < 8 missed**", row(text, "get, 1M, 1 round")[1])

    def test_fastest_peer(self):
        """The fastest peer is the one with the least median, and neither the floor nor a variant of ours is one."""
        text = self.ratios(runs("alexstorage", "get", 100), runs("lmdb", "get", 200, 260, 250),
                           runs("leveldb", "get", 150, 300, 400), runs("floor", "get", 50),
                           runs("alexstorage-binary", "get", 120))
        self.assertEqual("2.50 ≥ 2 met (lmdb)", row(text, "get, 1M, 1 round")[2])

    def test_range(self):
        """Beside a ratio of medians is the range of the ratios of those that were run in the same round."""
        text = self.ratios(runs("alexstorage", "get", 100, 50, 100, 100),
                           runs("sqlite", "get", 900, 500, 600))
        self.assertEqual("**6.00 < 8 missed** (6.00 to 10.0)", row(text, "get, 1M, 3 rounds")[1])
        self.assertEqual("6.00 ≥ 2 met (sqlite, 6.00 to 10.0)", row(text, "get, 1M, 3 rounds")[2])

    def test_get_many_against_get(self):
        """get_many is held against the peers' get, and what it is to their get_many stands beside that."""
        text = self.ratios(runs("alexstorage", "get_many", 50), runs("rocksdb", "get_many", 500),
                           runs("rocksdb", "get", 2000), runs("sqlite", "get", 1000))
        self.assertEqual(["40.0 ≥ 40 met (10.0 at their get_many)", "**20.0 < 30 missed**", "20.0 ≥ 6 met (sqlite)"],
                         row(text, "get_many, 1M (their get), 1 round"))

    def test_not_measured(self):
        """What was not measured is neither met nor missed."""
        self.assertEqual("not measured (target ≥ 10)", row(self.ratios(), "get, 10M")[0])

    def test_least_rounds(self):
        """A target's number of rounds is the least of what it compares, and what it doesn't compare is no matter."""
        text = self.ratios(runs("alexstorage", "get", *[100] * 5), runs("sqlite", "get", *[700] * 3),
                           runs("rocksdb", "get", *[1000] * 5), runs("rocksdb", "scan", 1000),
                           runs("alexstorage", "scan", *[500] * 5))
        self.assertEqual("**7.00 < 8 missed** (7.00 to 7.00)", row(text, "get, 1M, 3 rounds")[1])
        row(text, "scan, 1M, 1 round")
        row(text, "insert, 1M")

    def test_rounds_of_one_distribution(self):
        """One that was run twice doesn't make two rounds of the rest."""
        lines = (runs("alexstorage", "insert", 100, 100) + runs("alexstorage", "insert", 200, distribution="osm") +
                 runs("alexstorage-binary", "insert", 300, 300))
        text = self.others(distributions=lines)
        self.assertEqual(["2.00 ≤ 3 met (osm)"],
                         row(text, "insert: time as a multiple of uniform's, worst distribution, 1M, 1 round"))
        self.assertEqual(["3.00 ≥ 1 met"],
                         row(text, "alexstorage-binary's insert divided by ours, uniform, 2 rounds"))

    def others(self, one_million=(), distributions=(), attacks=(), distributions_10m=()):
        return report.markdown_table(*report.other_targets(
            {"1M": report.Results(list(one_million)), "10M": report.Results([])},
            {"1M": report.Results(list(distributions)), "10M": report.Results(list(distributions_10m))},
            report.Results(list(attacks))))

    def test_at_most(self):
        """A figure above its greatest allowed is missed."""
        text = self.others(one_million=runs("alexstorage", "get", 150) + runs("floor", "get", 100))
        self.assertEqual(["1.50 ≤ 1.5 met"], row(text, "get divided by the floor, 1M, 1 round"))
        text = self.others(one_million=runs("alexstorage", "insert", 150, p9999_ns=3000) +
                           runs("floor", "insert", 100, p9999_ns=2000))
        self.assertEqual(["3.00 µs, 2.00 µs"],
                         row(text, "p99.99 of a put beside that of the floor's bare loop, 1M, 1 round"))
        text = self.others(one_million=runs("alexstorage", "get", 150, index_bytes_per_key=26.5))
        self.assertEqual(["**26.5 > 26 missed**"],
                         row(text, "index memory, bytes a key, loaded in batches and reopened, 1M, 1 round"))

    def threads(self, threads=(), syncs=(), transactions=()):
        return report.markdown_table(*report.threads_targets(*(
            report.Results(list(lines)) for lines in (threads, syncs, transactions))))

    def test_second_thread(self):
        """What a second thread gains is held against what it gains the floor, not against two."""
        label = "what a second thread gains a get, divided by what it gains the floor's, 1 round"
        lines = (runs("alexstorage", "get", 180) + runs("alexstorage", "get", 100, threads=2) +
                 runs("floor", "get", 95) + runs("floor", "get", 50, threads=2))
        self.assertEqual(["**0.95 < 0.95 missed**"], row(self.threads(lines), label))
        lines[1]["ns_per_op"] = 99
        self.assertEqual(["0.96 ≥ 0.95 met"], row(self.threads(lines), label))

    def test_beside_writer(self):
        """Gets keep a share of their speed; and their p99.9 may double, and be a scheduling quantum longer."""
        share = "speed that a get keeps beside a thread that writes, %, 1 round"
        tail = ("p99.9 of a get beside a thread that writes, divided by twice that without one and a scheduling "
                "quantum of 1.40 ms, 1 round")
        lines = (runs("alexstorage", "get", 75, p999_ns=300_000) +
                 runs("alexstorage", "get_beside_writer", 100, p999_ns=2_000_000))
        text = self.threads(lines)
        self.assertEqual(["75.0 ≥ 75 met"], row(text, share))
        self.assertEqual(["1.00 ≤ 1 met (300 µs, 2.00 ms)"], row(text, tail))
        lines[1] |= {"ns_per_op": 101, "p999_ns": 2_100_000}
        text = self.threads(lines)
        self.assertEqual(["**74.3 < 75 missed**"], row(text, share))
        self.assertEqual(["**1.05 > 1 missed** (300 µs, 2.10 ms)"], row(text, tail))
        lines[0] |= {"p999_ns": 2000}
        lines[1] |= {"p999_ns": 3500}
        self.assertEqual(["0.0025 ≤ 1 met (2.00 µs, 3.50 µs)"], row(self.threads(lines), tail))

    def test_shared_syncs(self):
        """Sixteen writers are held against one, and against RocksDB's sixteen."""
        text = self.threads(syncs=runs("alexstorage", "insert_sync", 600) + runs("rocksdb", "insert_sync", 100) +
                            runs("alexstorage", "insert_sync", 100, threads=16) +
                            runs("rocksdb", "insert_sync", 90, threads=16))
        self.assertEqual(["6.00 ≥ 6 met"], row(text, "insert_sync: what 16 threads gain, 1 round"))
        self.assertEqual(["**0.90 < 1 missed**"],
                         row(text, "insert_sync of 16 threads: RocksDB's time divided by ours, 1 round"))

    def test_write_transactions(self):
        """Write transactions are held against the fastest peer's, in the rounds that both have; counters against
        RocksDB's, and ranges against the fastest peer."""
        lines = (runs("alexstorage", "txn_10", 100, 110) + runs("lmdb", "txn_10", 600, 700) +
                 runs("sqlite", "txn_10", 900, 950) + runs("alexstorage", "txn_1k_sync", 100) +
                 runs("wiredtiger", "txn_1k_sync", 90))
        counters = (runs("alexstorage", "counter", 100) + runs("rocksdb", "counter", 90) +
                    runs("alexstorage", "counter", 100, threads=16) + runs("rocksdb", "counter", 120, threads=16))
        ranges = runs("alexstorage", "delete_range", 20) + runs("lmdb", "delete_range", 30)
        text = report.markdown_table(*report.write_targets(report.Results(lines), report.Results(counters),
                                                           report.Results(ranges)))
        self.assertEqual(["6.19 ≥ 5 met (lmdb, 6.00 to 6.36)"],
                         row(text, "txn_10, 1M: the fastest peer's time divided by ours, 2 rounds"))
        self.assertEqual(["**0.90 < 1 missed** (wiredtiger)"],
                         row(text, "txn_1k_sync, 1M: the fastest peer's time divided by ours, 1 round"))
        self.assertEqual(["not measured (target ≥ 5)"],
                         row(text, "txn_1k, 1M: the fastest peer's time divided by ours"))
        self.assertEqual(["**0.90 < 1 missed**"],
                         row(text, "counter, 1 thread: RocksDB's time divided by ours, 1 round"))
        self.assertEqual(["1.20 ≥ 1 met"], row(text, "counter, 16 threads: RocksDB's time divided by ours, 1 round"))
        self.assertEqual(["1.50 ≥ 1 met (lmdb)"],
                         row(text, "delete_range, 10M: the fastest peer's time divided by ours, 1 round"))

    def test_transaction(self):
        """Beginning and ending a transaction is held against a get of the same table."""
        label = "beginning and ending a read transaction, % of a get"
        text = self.threads(transactions=runs("alexstorage", "get", *[500] * 5) +
                            runs("alexstorage", "begin_end", *[51] * 5))
        self.assertEqual(["**10.2 > 10 missed**"], row(text, label))
        self.assertEqual(["not measured (target ≤ 10)"], row(self.threads(), label))

    def test_worst_distribution(self):
        """The distribution that is farthest from uniform is named, and the deepest index of all counts."""
        lines = (runs("alexstorage", "insert", 100, index_depth=2) +
                 runs("alexstorage", "insert", 301, distribution="osm", index_depth=5) +
                 runs("alexstorage", "insert", 200, distribution="fb", index_depth=3))
        text = self.others(distributions=lines, distributions_10m=lines[:1] + lines[2:])
        self.assertEqual(["**3.01 > 3 missed** (osm)"],
                         row(text, "insert: time as a multiple of uniform's, worst distribution, 1M, 1 round"))
        self.assertEqual(["**5.00 > 4 missed**"], row(text, "depth of the index, worst distribution, 1M, 1 round"))
        self.assertEqual(["2.00 ≤ 3 met (fb)"],
                         row(text, "insert: time as a multiple of uniform's, worst distribution, 10M, 1 round"))

    def test_worst_attack(self):
        """An adversary's keys are held against evenly spread ones of the same table."""
        lines = runs("alexstorage", "insert", 100, index_bytes_per_key=20, index_depth=2)
        attacks = (runs("alexstorage", "insert", 200, index_bytes_per_key=30, index_depth=3) +
                   runs("alexstorage", "insert", 500, index_bytes_per_key=45, index_depth=4, distribution="end"))
        text = self.others(distributions=lines, attacks=attacks)
        self.assertEqual(["2.50 ≤ 3 met (end)"],
                         row(text, "insert: time as a multiple of uniform's, worst attack, 1 round"))
        self.assertEqual(["1.50 ≤ 2 met (end)"],
                         row(text, "insert: index memory a key as a multiple of uniform's, worst attack, 1 round"))
        self.assertEqual(["4.00 ≤ 4 met"], row(text, "depth of the index, worst attack, 1 round"))
        self.assertEqual(["2.00 ≤ 4 met"], row(text, "depth of the index, worst distribution, 1M, 1 round"))


class Documents(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.document = self.folder / "PERFORMANCE.md"
        self.readme = self.folder / "README.md"
        self.readme.write_text(f"before\n{' old '.join(report.README_TABLES['1M'])}\nafter\n", encoding="utf-8")
        self.write("1m", runs("alexstorage", "get", 100, 100) + runs("sqlite", "get", 700, 900))

    def write(self, name, lines, time="2026-11-24T09:00:00+00:00", interrupted=(), **surroundings):
        """Results as they are kept, with how they were measured; again with the same name: in another sitting."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self.folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        progress = self.progress(name)
        names = report.Results(lines).values("engine")
        progress.begin(SURROUNDINGS | surroundings, names, time)
        progress.add([name for name in names if name not in interrupted], report.Results(lines).rounds()[1])

    def progress(self, name):
        (table,) = (table for table in benchmark.FULL if table.name == name)
        return benchmark.Progress(self.folder, table)

    def render(self):
        """The document, and what was printed meanwhile in self.output."""
        with contextlib.redirect_stdout(io.StringIO()) as output:
            benchmark.render(self.folder, self.document, self.readme)
        self.output = output.getvalue()
        return self.document.read_text(encoding="utf-8")

    def test_notes_are_kept(self):
        """What is written between the markers of the notes stays; the rest is written anew."""
        first = self.render()
        noted = first.replace(report.NOTES_BEGIN, f"{report.NOTES_BEGIN}\nWhat was tried.\n")
        self.document.write_text(noted.replace("8.00x", "9.99x"), encoding="utf-8")
        second = self.render()
        self.assertIn(f"{report.NOTES_BEGIN}\nWhat was tried.\n", second)
        self.assertIn("8.00x", second)
        self.assertNotIn("9.99x", second)
        self.assertEqual(second, self.render())

    def test_unmeasured_is_kept(self):
        """A table without results stays as the document has it, and so do its targets and the engines in it."""
        self.write("distributions-1m", runs("lmdb", "insert", 70) + runs("alexstorage", "insert", 10, index_depth=3),
                   engines={"lmdb": "`lmdb` 0.9; settings of it"})
        first = self.render()
        for name in ("1m", "distributions-1m"):
            self.progress(name).forget()
        self.assertEqual(first, self.render())
        self.write("1m", runs("alexstorage", "get", 100) + runs("sqlite", "get", 500), "2026-11-25T09:00:00+00:00")
        text = self.render()
        self.assertEqual(["**5.00 < 8 missed**"], row(text, "get, 1M, 1 round")[1:2])
        self.assertEqual(["7.00x", "10.0 ns"], row(text, "insert"))
        self.assertEqual(["3.00 ≤ 4 met"], row(text, "depth of the index, worst distribution, 1M, 1 round"))
        self.assertEqual(1, text.count("- `lmdb` 0.9; settings of it"))
        self.assertIn("Not measured yet.", text)

    def test_contents(self):
        """The document has machine, engines with settings, each table's command and what is not measured yet."""
        text = self.render()
        for part in ("- processor: made up, 2 cores", "- `sqlite` 3.0; settings of it",
                     "bin/alexstorage-bench --engines alexstorage,alexstorage-zerocopy,alexstorage-unchecked,"
                     "alexstorage-noprefetch --workloads get,get_many --keys 10M",
                     "Not measured yet.",
                     "No write that is timed\nasks for a sync",
                     "Medians of 2 rounds, measured on 2026-11-24 at 9d2a21d. Not measured: rocksdb,"):
            self.assertIn(part, text)
        self.assertNotIn("another machine", text)
        self.assertNotIn("other versions", text)

    def test_rounds_of_a_table(self):
        """A table of which not every case has the same number of rounds gives the least and the greatest."""
        self.write("1m", runs("alexstorage", "get", 100, 100) + runs("sqlite", "get", 700, 900) +
                   runs("sqlite", "insert", 700))
        text = self.render()
        self.assertIn("\nMedians of 1 to 2 rounds, measured", text)
        self.assertIn(" --keys 1M --rounds 2\n", text)

    def test_interrupted_engine(self):
        """An engine that was interrupted within its first round is named as one of which not all is there."""
        lines = [line for engine in ("alexstorage", "sqlite", "floor") for line in runs(engine, "get", 100)]
        self.write("threads-1m", lines, interrupted=("floor",))
        self.assertIn("Not measured: rocksdb, rocksdb-stock, lmdb, lmdb-writemap, leveldb, wiredtiger, "
                      "floor in part.\n", self.render())

    def test_other_surroundings(self):
        """Machine and engines are those of the newest table, and tables that were measured with others are named."""
        self.write("10m", runs("alexstorage", "get", 100), "2026-11-25T09:00:00+00:00")
        self.write("loaded-1m", runs("sqlite", "insert", 100), "2026-11-23T09:00:00+00:00",
                   machine={"processor": "of old"}, engines={"sqlite": "`sqlite` 2.0; settings of it"})
        text = self.render()
        self.assertIn("## Machine\n\n- processor: made up, 2 cores\n\nMeasured on another machine:\n\n"
                      "- processor: of old – Gets in the process that loaded the store, 1M keys\n", text)
        self.assertIn("- `sqlite` 3.0; settings of it\n\nMeasured with other versions or settings:\n\n"
                      "- `sqlite` 2.0; settings of it – Gets in the process that loaded the store, 1M keys\n\n", text)

    def test_settings_of_threads(self):
        """What differs for an engine where several threads use it is told once such a table is measured, and kept."""
        engines = SURROUNDINGS["engines"] | {"sqlite, threads": "`sqlite`, several threads: a connection each"}
        self.write("1m", runs("alexstorage", "get", 100) + runs("sqlite", "get", 700), engines=engines)
        self.assertNotIn("a connection each", self.render())
        self.write("threads-1m", runs("alexstorage", "get", 100) + runs("sqlite", "get", 900, threads=2),
                   engines=engines)
        text = self.render()
        self.assertIn("- `sqlite` 3.0; settings of it\n- `sqlite`, several threads: a connection each\n", text)
        self.progress("threads-1m").forget()
        self.assertEqual(text, self.render())

    def test_sittings(self):
        """A table that was measured in several sittings has all their days and commits, each once."""
        lines = runs("sqlite", "insert", 100)
        for day, commit in ((22, None), (22, "1111111"), (23, "2222222+"), (24, "1111111")):
            self.write("loaded-1m", lines, f"2026-11-{day}T09:00:00+00:00", commit=commit)
        self.assertIn("measured from 2026-11-22 to 2026-11-24 at 1111111, 2222222+. Not", self.render())

    def test_outside_of_git(self):
        """Without a commit only the day is said."""
        self.write("remap", [{"table": "header", "layout": "joined", "record_ns": 10, "get_ns": 20, "round": 1}],
                   commit=None)
        self.assertIn("\nMeasured on 2026-11-24.\n", self.render())

    def test_other_commands(self):
        """Results that a table's former commands gave are not printed, and it is said so."""
        kept = self.progress("1m").path
        kept.write_text(kept.read_text(encoding="utf-8").replace("--keys 1M", "--keys 2M"), encoding="utf-8")
        self.assertNotIn("8.00x", self.render())
        self.assertIn("1m: measured with other commands", self.output)
        self.assertIn("old", self.readme.read_text(encoding="utf-8"))

    def test_outdated_is_kept(self):
        """What the document says of a table stays, with its targets, when the table's command changes, until it is
        measured anew."""
        first = self.render()
        kept = self.progress("1m").path
        kept.write_text(kept.read_text(encoding="utf-8").replace("--keys 1M", "--keys 2M"), encoding="utf-8")
        self.write("loaded-1m", runs("sqlite", "get_loaded", 100))
        text = self.render()
        self.assertEqual(report.sections_by_title(first)["1M keys"], report.sections_by_title(text)["1M keys"])
        self.assertEqual("8.00 ≥ 8 met (7.00 to 9.00)", row(text, "get, 1M, 2 rounds")[1])

    def test_readme(self):
        """The README's table lies between its markers, and all around them stays."""
        self.render()
        text = self.readme.read_text(encoding="utf-8")
        self.assertTrue(text.startswith(f"before\n{report.README_TABLES['1M'][0]}\n| workload"))
        self.assertTrue(text.endswith(f"|\n{report.README_TABLES['1M'][1]}\nafter\n"))
        self.assertEqual(["8.00x", "100 ns"], row(text, "get"))

    def test_remap(self):
        """The breakdown of a write is held against never mapping anew, headers against the joined one."""
        write = {"table": "write", "append": "one write", "round": 1, "append_ns": 30, "flush_ns": 0, "index_ns": 10,
                 "write_and_read_ns": 99, "mappings": 7}
        header = {"table": "header", "round": 1}
        self.write("remap", [
            {"remap": "per write", "remap_ns": 60, "write_ns": 100, **write},
            {"remap": "never", "remap_ns": 0, "write_ns": 40, **write},
            {"layout": "joined", "record_ns": 10, "get_ns": 20, **header},
            {"layout": "apart", "record_ns": 15, "get_ns": 50, **header}])
        text = self.render()
        self.assertEqual(["30", "0", "60", "10", "100", "100-100", "60.0 %", "2.50x", "99", "7"],
                         row(text, "one write, per write"))
        self.assertEqual(["15", "15-15", "1.50x", "50", "50-50", "2.50x"], row(text, "apart"))


    def test_remap_slots(self):
        """A lookup in another layout of slots is held against blocks in the same case, alone and together."""
        blocks, pairs = {"layout": "8 keys + 8 payloads"}, {"layout": "8 pairs"}
        right, wrong = {"off_max": 0, "search": "none"}, {"off_max": 16, "search": "linear"}
        table = {"table": "slots", "round": 1}
        self.write("remap", [
            {"alone_ns": 50, "together_ns": 20, **blocks, **right, **table},
            {"alone_ns": 60, "together_ns": 10, **pairs, **right, **table},
            {"alone_ns": 80, "together_ns": 40, **blocks, **wrong, **table},
            {"alone_ns": 160, "together_ns": 100, **pairs, **wrong, **table}])
        text = self.render()
        self.assertEqual(["50", "1.20x", "20", "0.50x"], row(text, "0, none"))
        self.assertEqual(["80", "2.00x", "40", "2.50x"], row(text, "16, linear"))


class Resuming(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.table = benchmark.Table("made-up", "", ["get"], ["alexstorage", "sqlite"], rounds=5)
        (self.folder / "made-up.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in runs("alexstorage", "get", 1) + runs("sqlite", "get", 2)),
            encoding="utf-8")
        self.progress().begin(SURROUNDINGS, self.table.engines)

    def progress(self):
        return benchmark.Progress(self.folder, self.table)

    def run_full(self, **options):
        """Runs the table without measuring. @return what was printed"""
        options = argparse.Namespace(**{"engines": None, "rounds": None, "fresh": False} | options)
        with contextlib.redirect_stdout(io.StringIO()) as output, \
                mock.patch.object(benchmark, "run_table", return_value=0):
            self.assertEqual(0, benchmark.run_full([self.table], self.folder, SURROUNDINGS, options))
        return output.getvalue()

    def test_done(self):
        """A table is done when each engine has its rounds, and not again when it is defined in another way."""
        self.progress().add(["alexstorage"], 5)
        self.assertFalse(self.progress().done(self.table.engines, 5))
        self.progress().add(["sqlite"], 3)
        self.assertFalse(self.progress().done(self.table.engines, 5))
        self.assertTrue(self.progress().done(self.table.engines, 3))
        self.table = benchmark.Table("made-up", "", ["get", "scan"], ["alexstorage", "sqlite"], rounds=5)
        self.assertFalse(self.progress().done(self.table.engines, 3))

    def test_other_commands(self):
        """What other commands measured is put aside before the table's own run, so that the two don't mix."""
        self.progress().add(self.table.engines, 5)
        self.assertNotIn("begins anew", self.run_full())
        self.assertEqual(2, len(self.progress().runs().runs))
        self.table = benchmark.Table("made-up", "", ["get"], ["alexstorage", "sqlite"], keys="2M")
        self.assertIn("made-up: measured with other commands, versions, settings or keys, or", self.run_full())
        self.assertFalse(self.progress().results.exists())

    def test_other_settings(self):
        """So is what was measured of an engine with other settings, and it can still be found."""
        progress = self.progress()
        progress.begin(SURROUNDINGS | {"engines": {"sqlite": "`sqlite` 3.0; other settings"}}, ["sqlite"])
        self.assertIn("made-up: measured with other commands, versions, settings or keys, or", self.run_full())
        self.assertFalse(progress.results.exists())
        self.assertEqual(2, len(report.Results.read(Path(f"{progress.results}.old")).runs))

    def test_other_sources(self):
        """Where some was measured with other sources, a warning names the commits; the same sources at another commit
        are none, whatever its documents and results."""
        self.assertNotIn("warning", self.run_full())
        trees = {"1111111": "blob 1\tbench/run.c", "2222222": "blob 2\tbench/run.c\nblob 3\tbench/README.md",
                 "9d2a21d": "blob 2\tbench/run.c\nblob 4\tbench/results/1m.json"}
        with mock.patch.object(benchmark, "git", lambda *arguments: trees.get(arguments[2], "")):
            for name in ("2222222", None):
                self.progress().begin(SURROUNDINGS | {"commit": name}, ["sqlite"])
                self.assertNotIn("warning", self.run_full())
            for name in ("1111111", "9d2a21d+"):
                self.progress().begin(SURROUNDINGS | {"commit": name}, ["sqlite"])
            self.assertIn("made-up: warning: measured with other sources than those of 9d2a21d, as of 1111111, "
                          "9d2a21d+;", self.run_full())
            self.assertNotIn("warning", self.run_full(fresh=True))

    def test_other_machine(self):
        """So is what was measured on another machine."""
        self.progress().begin(SURROUNDINGS | {"machine": {"processor": "another"}}, ["sqlite"])
        self.assertIn("begins anew", self.run_full())

    def test_other_keys(self):
        """So is what was measured with other keys in the table's files; files that are the same are left alone."""
        with mock.patch.object(benchmark, "ROOT", self.folder):
            self.table = benchmark.Table("made-up", "", ["get"], ["alexstorage", "sqlite"],
                                         key_files={Path("keys/even"): ["echo", "2"]})
            for keys, kept in (("2\n", True), ("1\n", False)):
                (self.folder / "keys").mkdir(exist_ok=True)
                (self.folder / "keys/even").write_text(keys, encoding="utf-8")
                self.assertEqual(not kept, "begins anew" in self.run_full())
                self.assertEqual(kept, self.progress().results.exists())
                self.assertEqual("2\n", (self.folder / "keys/even").read_text(encoding="utf-8"))

    def test_other_commands_while_interrupted(self):
        """That holds for a table too that was interrupted before all of an engine's rounds were there."""
        self.table = benchmark.Table("made-up", "", ["get"], ["alexstorage", "sqlite"], keys="2M")
        self.assertEqual([], self.progress().runs().runs)
        self.progress().path.unlink()
        self.assertEqual([], self.progress().runs().runs)

    def test_fresh(self):
        """All engines of a table are forgotten together, for they take turns within a round."""
        self.progress().add(self.table.engines, 5)
        self.progress().forget()
        self.assertEqual([], report.Results.read(self.folder / "made-up.jsonl").runs)
        self.assertFalse(self.progress().done(["alexstorage"], 1))
        self.assertFalse(self.progress().done(["sqlite"], 1))

    def test_some_engines(self):
        """Some engines of a table that is kept can't be measured without the others, and the message says what can."""
        error = io.StringIO()
        arguments = ["benchmark", "full", "--tables", "1m", "--engines", "sqlite"]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stderr(error):
            self.assertRaises(SystemExit, benchmark.parse_arguments)
        self.assertIn("full measures whole tables", error.getvalue())
        self.assertIn("leave --engines out", error.getvalue())

    def sittings(self, measure):
        """The commits of the table's sittings after another one whose command is `measure`."""
        with contextlib.redirect_stdout(io.StringIO()), mock.patch.object(subprocess, "run", measure):
            benchmark.run_table(self.table, self.folder, SURROUNDINGS | {"commit": "3333333"}, ["sqlite"], 5)
        return [sitting["commit"] for sitting in self.progress().surroundings.sittings]

    def test_sitting_without_results(self):
        """A sitting counts if anything was measured in it, be it interrupted or not."""
        def measure(returncode, text):
            def run_command(*_, **__):
                with open(self.folder / "made-up.jsonl", "a", encoding="utf-8") as file:
                    file.write(text)
                return argparse.Namespace(returncode=returncode)
            return run_command

        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(["9d2a21d"], self.sittings(measure(0, "")))
            self.assertEqual(["9d2a21d"], self.sittings(measure(1, "")))
            self.assertEqual(["9d2a21d", "3333333"], self.sittings(measure(1, json.dumps(run("sqlite", "get", 1)))))

    def test_number_of_tables(self):
        """Whoever waits is told how many tables there are."""
        self.assertIn("== made-up: table 1 of 1\n", self.run_full())


class Sets(unittest.TestCase):
    def test_standard(self):
        """The standard set has every engine of the benchmark's own, and the floor where it serves anything."""
        tables = {table.name: table for table in benchmark.STANDARD}
        for table in tables.values():
            self.assertLessEqual({"alexstorage", "alexstorage-binary", *report.PEERS}, set(table.engines))
        self.assertIn("floor", tables["1m"].engines)
        ycsb = tables["ycsb-100k"]
        self.assertEqual((benchmark.YCSB, "100K", 1), (ycsb.workloads, ycsb.keys, ycsb.rounds))

    def test_attacks(self):
        """Every aim of the adversary is measured, beside evenly spread keys, and with how its keys are made."""
        (table,) = (table for table in benchmark.FULL if table.name == "adversary")
        header = (TOOLS.parent / "tests/support/adversary.h").read_text(encoding="utf-8")
        aims = [aim.lower() for aim in re.findall(r"^    AIM_(\w+),", header, re.MULTILINE)]
        self.assertEqual(["uniform", *aims], [Path(name).name for name in table.distributions])
        self.assertIn("bench-adversary end 250000 200000 > build/bench/adversary/end", "\n".join(table.texts()))
        self.assertIn("--keys 250000 --ops 100000 --distribution file:build/bench/adversary/end",
                      "\n".join(table.texts()))

    def test_turns(self):
        """Every distribution is run up to a round before any is run up to the next one."""
        table = benchmark.Table("made-up", "Made up", ["get"], distributions=["uniform", "osm"])
        self.assertEqual([("uniform", "1"), ("osm", "1"), ("uniform", "2"), ("osm", "2")],
                         [(command[command.index("--distribution") + 1], command[-1])
                          for command in benchmark.commands_in_turn(table, ["alexstorage"], 2)])

    def test_threads(self):
        """Each number of threads is a command, and they take turns."""
        tables = {table.name: table for table in benchmark.FULL}
        self.assertEqual([("1", "1"), ("2", "1"), ("1", "2"), ("2", "2")],
                         [(command[command.index("--threads") + 1], command[-1])
                          for command in benchmark.commands_in_turn(tables["threads-1m"], ["alexstorage"], 2)])
        self.assertIn("floor", tables["threads-1m"].engines)
        self.assertEqual(["1", "16"], tables["sync-threads-1m"].threads)

    def test_engine_lines(self):
        """Engines have their settings, and what differs with several threads under a name of its own."""
        listing = ("Engines:\n  sqlite   3.0; settings, of it\n  floor    (no store); none\n\n"
                   "Engines, where several threads use a store:\n  sqlite   a connection each\n\n"
                   "Workloads:\n  get  all\n")
        with mock.patch.object(subprocess, "run", return_value=argparse.Namespace(stdout=listing)):
            self.assertEqual({"sqlite": "`sqlite` 3.0; settings, of it", "floor": "`floor` (no store); none",
                              "sqlite, threads": "`sqlite`, several threads: a connection each"},
                             benchmark.engine_lines())

    def test_ablations(self):
        """make bench-remap runs the models of layouts, and each of our variants beside the library as it is."""
        done = subprocess.run(["make", "--dry-run", "bench-remap"], cwd=TOOLS.parent, capture_output=True, text=True,
                              check=True)
        self.assertRegex(done.stdout, r"(?m)tools/benchmark remap$")
        lines = [json.dumps({"table": "header", "layout": "joined", "record_ns": 10, "get_ns": 20, "round": 1})]
        calls = []

        def run_command(command, **_):
            calls.append(" ".join(command))
            return argparse.Namespace(returncode=0, stdout="\n".join(lines))

        options = argparse.Namespace(engines=None, rounds=None)
        with contextlib.redirect_stdout(io.StringIO()) as output, mock.patch.object(subprocess, "run", run_command):
            self.assertEqual(0, benchmark.run_and_print(benchmark.SETS["remap"], ["alexstorage", *benchmark.VARIANTS],
                                                        options))
        variants = ",".join(["alexstorage", *benchmark.VARIANTS])
        self.assertRegex(calls[0], r"bin/alexstorage-bench-remap --rounds 5$")
        self.assertRegex(calls[1], rf"bin/alexstorage-bench --engines {variants} --workloads get,get_many ")
        self.assertEqual(["10", "10-10", "1.00x", "20", "20-20", "1.00x"], row(output.getvalue(), "joined"))
        self.assertIn("(table 2 of 2)", output.getvalue())


@unittest.skipUnless(shutil.which("git"), "there is no git")
class Commits(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)

    def git(self, *arguments):
        subprocess.run(["git", "-c", "user.name=none", "-c", "user.email=none", *arguments], cwd=self.root, check=True,
                       capture_output=True)

    def write(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")

    def test_commit(self):
        """What is measured is a commit, or with a + files that differ from it, but for the documents written here."""
        with mock.patch.object(benchmark, "ROOT", self.root):
            self.assertIsNone(benchmark.commit())
            self.git("init")
            self.write("README.md", "old")
            self.write("source.c", "old")
            self.git("add", ".")
            self.git("commit", "-m", "all")
            self.write("README.md", "new")
            self.assertRegex(benchmark.commit(), "^[0-9a-f]{7,}$")
            self.write("source.c", "new")
            self.assertRegex(benchmark.commit(), r"^[0-9a-f]{7,}\+$")


if __name__ == "__main__":
    unittest.main()
