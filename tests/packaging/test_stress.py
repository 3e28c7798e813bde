#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/stress runs what has threads until its time is over, and stops at the first failure with what repeats it."""

import contextlib
import importlib.machinery
import importlib.util
import io
import itertools
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

TOOL = Path(os.environ["ALEX_SOURCE_DIR"]) / "tools/stress"
loader = importlib.machinery.SourceFileLoader("stress", str(TOOL))
stress = importlib.util.module_from_spec(importlib.util.spec_from_loader("stress", loader))
loader.exec_module(stress)

PROGRAMS = ["crash_test_kill_threads", "unit_test_mvcc_chain", "unit_test_store_reclaim"]


class Stress(unittest.TestCase):
    def stress(self, script, seconds="0", builds="release", limit=60):
        """Exit code, output and what was run, where each program is this shell's script. The clock moves on by a second
        each time it is asked."""
        with tempfile.TemporaryDirectory() as directory:
            for build in builds.split(","):
                for name in PROGRAMS:
                    path = Path(directory) / build / "tests" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"#!/bin/sh\nname={name}\nruns={directory}/runs\n"
                                    f"echo $name {build} $ALEX_KILL_SEED >>$runs\n{script}\n", encoding="utf-8")
                    path.chmod(0o755)
            asked = {"STRESS_SECONDS": seconds, "STRESS_BUILD": builds, "STRESS_SEED": "5", "ALEX_THREAD_KILLS": "7"}
            output = io.StringIO()
            with mock.patch.multiple(stress, BUILDS=Path(directory), PROGRAM_SECONDS=limit,
                                     programs_of=lambda folder: PROGRAMS), \
                    mock.patch.object(stress.subprocess, "run", return_value=subprocess.CompletedProcess([], 0)), \
                    mock.patch.object(stress.time, "monotonic", side_effect=itertools.count()), \
                    mock.patch.object(stress.sys, "argv", ["stress"]), \
                    mock.patch.dict(os.environ, asked), contextlib.redirect_stdout(output):
                code = stress.main()
            return code, output.getvalue(), (Path(directory) / "runs").read_text(encoding="utf-8").splitlines()

    def test_programs(self):
        """Every test that makes a thread is run, those that take long first."""
        programs = stress.programs_of(os.environ["ALEX_BUILD_DIR"])
        if not programs:
            self.skipTest("the tests in C are not built")
        sources = {f"{path.parent.name}_{path.stem}": path.read_text(encoding="utf-8")
                   for path in TOOL.parent.parent.glob("tests/*/test_*.c")}
        makers = [name for name, source in sources.items() if "pthread_create(" in source]
        self.assertIn("unit_test_store_reclaim", makers)
        self.assertLessEqual(set(makers) | set(stress.SETTINGS), set(programs))
        self.assertEqual(list(stress.SETTINGS), programs[:len(stress.SETTINGS)])

    def test_time(self):
        """A round of all programs is made however short the time is, and others until it is over."""
        code, output, runs = self.stress("exit 0")
        self.assertEqual(0, code, output)
        self.assertEqual(sorted(PROGRAMS), sorted(run.split()[0] for run in runs))
        self.assertIn("round 1, release, seed 5: ", output)
        code, output, runs = self.stress("exit 0", seconds="5", builds="release,tsan")
        self.assertEqual(0, code, output)
        self.assertIn("round 2, tsan, seed 1005: ", output)
        self.assertIn("crash_test_kill_threads release 5", runs)
        self.assertIn("crash_test_kill_threads tsan 1005", runs)
        self.assertRegex(output, r"\nstress: 2 rounds in \d+ s, 0 programs failed\n$")

    def test_failure(self):
        """A failure ends it, with what the program said, and the command that repeats it."""
        code, output, _ = self.stress("test $name != crash_test_kill_threads || { echo lost a write; exit 3; }", "1000")
        self.assertEqual(1, code)
        self.assertIn("crash_test_kill_threads, seed 5, ended with 3; ", output)
        self.assertIn("\n    lost a write\n", output)
        self.assertRegex(output, r"ALEX_KILL_SEED=5 ALEX_THREAD_KILLS=7 \S+/release/tests/crash_test_kill_threads\n")
        self.assertRegex(output, r"\nstress: 1 rounds in \d+ s, 1 programs failed\n$")

    def test_hang(self):
        """A program that doesn't end is ended, and has failed."""
        code, output, runs = self.stress("exec sleep 1000", "1000", limit=0.2)
        self.assertEqual(1, code)
        self.assertIn("was ended after 0.2 s", output)
        self.assertLessEqual(len(runs), stress.AT_ONCE)


if __name__ == "__main__":
    unittest.main()
