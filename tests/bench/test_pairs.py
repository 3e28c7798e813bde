#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/benchmark-pairs compares two builds of the benchmark round by round; here both are made-up ones."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

TOOLS = Path(os.environ["ALEX_SOURCE_DIR"]) / "tools"
sys.path.insert(0, str(TOOLS))
loader = importlib.machinery.SourceFileLoader("benchmark_pairs", str(TOOLS / "benchmark-pairs"))
pairs = importlib.util.module_from_spec(importlib.util.spec_from_loader("benchmark_pairs", loader))
loader.exec_module(pairs)


class Pairs(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.log = self.root / "log"
        self.old = self.make("old/bin", 200)
        self.make(pairs.PROGRAMS, 100)

    def make(self, folder, ns):
        """A benchmark that notes how it was called and gives the same time always."""
        program = self.root / folder / pairs.BENCH
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho {ns} \"$@\" >> {self.log}\n"
                           f"echo '{{\"workload\":\"get\",\"ns_per_op\":{ns}}}'\n", encoding="utf-8")
        program.chmod(0o755)
        return program.parent

    def run_tool(self, *arguments):
        """@return exit status, and what was printed"""
        with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(output), \
                mock.patch.object(pairs, "ROOT", self.root), \
                mock.patch.object(sys, "argv", ["benchmark-pairs", "v1", "--programs", str(self.old), *arguments]):
            return pairs.main(), output.getvalue()

    def test_table(self):
        """Ratios are of pairs, the old one's time divided by the new one's: their median isn't that of the medians."""
        text = pairs.pairs_table("v1", [({"get": 100}, {"get": 50}), ({"get": 300}, {"get": 200}),
                                        ({"get": 200}, {"get": 400})])
        head, _, row = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
        self.assertEqual(["workload", "v1, ns", "now, ns", "ratio of a pair", "least", "greatest"], head)
        self.assertEqual(["get", "200", "200", "1.500", "0.500", "2.000"], row)

    def test_turns(self):
        """Both are run in each round with the same arguments, and each round another one comes first."""
        status, output = self.run_tool("--rounds", "3", "--keys", "10K", "--workloads", "get")
        self.assertEqual(0, status)
        self.assertIn("2.000", output)
        calls = [line.split(" ", 1) for line in self.log.read_text(encoding="utf-8").splitlines()]
        self.assertEqual(["200", "100", "100", "200", "200", "100"], [name for name, _ in calls])
        self.assertEqual({"--engines alexstorage --workloads get --keys 10K --rounds 1 --format json"},
                         {arguments for _, arguments in calls})

    @unittest.skipUnless(shutil.which("git"), "needs git")
    def test_other_harness(self):
        """Where the benchmark itself has changed since the revision, which ratios can't show, it is said so."""
        def git(*arguments):
            subprocess.run(["git", "-c", "user.name=none", "-c", "user.email=none", *arguments], cwd=self.root,
                           check=True, capture_output=True)

        (self.root / "bench/results").mkdir(parents=True)
        for name in ("run.c", "README.md", "results/1m.json"):
            (self.root / "bench" / name).write_text("old", encoding="utf-8")
        git("init")
        git("add", "bench")
        git("commit", "-m", "all")
        git("tag", "v1")
        for name, told in (("README.md", False), ("results/1m.json", False), ("run.c", True)):
            (self.root / "bench" / name).write_text("new", encoding="utf-8")
            self.assertEqual(told, "The benchmark itself has changed since v1" in self.run_tool("--rounds", "1")[1])

    def test_failing_benchmark(self):
        """What a benchmark says that doesn't know a workload is handed on, and nothing else is run."""
        (self.old / pairs.BENCH).write_text("#!/bin/sh\necho no workload of that name >&2\nexit 2\n", encoding="utf-8")
        status, output = self.run_tool()
        self.assertEqual(1, status)
        self.assertIn("failed with 2:\nno workload of that name", output)
        self.assertFalse(self.log.exists())

    def test_nothing_built(self):
        """Where there is no benchmark yet, the message says what to do."""
        (self.root / pairs.PROGRAMS / pairs.BENCH).unlink()
        status, output = self.run_tool()
        self.assertEqual(1, status)
        self.assertIn(f"no {pairs.BENCH} in {self.root / pairs.PROGRAMS}: run make first", output)

    def test_program_that_cannot_run(self):
        """A benchmark that can't be started is named."""
        (self.old / pairs.BENCH).chmod(0o644)
        status, output = self.run_tool()
        self.assertEqual(1, status)
        self.assertIn(f"{self.old / pairs.BENCH} can't be run: Permission denied", output)

    @unittest.skipUnless(shutil.which("git"), "needs git")
    def test_folder_that_is_no_worktree(self):
        """A folder in a worktree's place is left alone, and so is the project around it."""
        def git(*arguments):
            return subprocess.run(["git", "-c", "user.name=none", "-c", "user.email=none", *arguments], cwd=self.root,
                                  check=True, capture_output=True, text=True).stdout.strip()

        source = self.root / "source.c"
        source.write_text("old", encoding="utf-8")
        git("init")
        git("add", "source.c")
        git("commit", "-m", "all")
        source.write_text("not committed", encoding="utf-8")
        folder = self.root / "worktrees" / git("rev-parse", "HEAD")[:12]
        folder.mkdir(parents=True)
        with mock.patch.object(pairs, "ROOT", self.root), \
                mock.patch.object(pairs, "WORKTREES", self.root / "worktrees"):
            with self.assertRaisesRegex(pairs.Failure, "is no worktree of git: remove it"):
                pairs.check_out("HEAD")
        self.assertEqual("not committed", source.read_text(encoding="utf-8"))

    @unittest.skipUnless(shutil.which("git"), "needs git")
    def test_unknown_revision(self):
        """A revision that git doesn't know leaves nothing behind."""
        with contextlib.redirect_stderr(io.StringIO()) as output, \
                mock.patch.object(sys, "argv", ["benchmark-pairs", "no-such-revision"]):
            self.assertEqual(1, pairs.main())
        self.assertIn("no-such-revision^{commit} failed with", output.getvalue())


if __name__ == "__main__":
    unittest.main(verbosity=2)
