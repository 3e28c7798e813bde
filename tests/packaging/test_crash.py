#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/crash says in its last line: all that was lost, or that it may be more."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

TOOL = Path(os.environ["ALEX_SOURCE_DIR"]) / "tools/crash"
loader = importlib.machinery.SourceFileLoader("crash", str(TOOL))
crash = importlib.util.module_from_spec(importlib.util.spec_from_loader("crash", loader))
loader.exec_module(crash)

CUTS = "power cuts: 3, of them 0 during a recovery; moments: 9, exhausted: 2; lost: {}"
THREADED = "power cuts with threads: 2, of them within a sync: 1; lost: {}"
FAULTS = "calls failed, durable on sync: 7; times that latched the store: 1"


class LastLine(unittest.TestCase):
    def crash(self, **programs):
        """Exit code and output of a run of programs, each given as the lines of a shell's script."""
        with tempfile.TemporaryDirectory() as directory:
            for name, lines in programs.items():
                path = Path(directory) / name
                path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n", encoding="utf-8")
                path.chmod(0o755)
            built = subprocess.CompletedProcess([], 0)
            asked = {"ALEX_KILLS": "0", "ALEX_THREAD_KILLS": "0", "ALEX_POWER_CUTS": "5", "ALEX_POWER_THREAD_CUTS": "2",
                     "ALEX_DISK_CUTS": "0"}
            output = io.StringIO()
            with mock.patch.multiple(crash, PROGRAMS=Path(directory), LOGS=Path(directory) / "logs"), \
                    mock.patch.object(crash.subprocess, "run", return_value=built), \
                    mock.patch.object(crash.sys, "argv", ["crash"]), \
                    mock.patch.dict(os.environ, asked), contextlib.redirect_stdout(output):
                code = crash.main()
        return code, output.getvalue()

    def power(self, lost=0, lines=5, end="exit 0"):
        """A program of power cuts that prints so many lines, the first with what was lost."""
        return [f"echo '{CUTS.format(lost if line == 0 else 0)}'" for line in range(lines)] + [end]

    def threads(self, lost=0, end="exit 0"):
        """A program of power cuts with threads, the same."""
        return [f"echo '{THREADED.format(lost if line == 0 else 0)}'" for line in range(4)] + [end]

    def faults(self, end="exit 0"):
        return [f"echo '{FAULTS}'", f"echo '{FAULTS}'", end]

    def test_nothing_lost(self):
        """Where all programs have counted all, and failed at nothing, nothing is lost."""
        code, output = self.crash(crash_test_power=self.power(), crash_test_power_threads=self.threads(),
                                  unit_test_store_faults=self.faults())
        self.assertEqual(0, code, output)
        self.assertIn("15 simulated power cuts (all of 10 moments), 8 with threads, ", output)
        self.assertTrue(output.endswith("14 calls failed; lost 0, wrong 0, tests failed 0\n"), output)

    def test_lost(self):
        """What was lost and counted is the number that is told."""
        code, output = self.crash(crash_test_power=self.power(lost=4, end="exit 1"),
                                  crash_test_power_threads=self.threads(lost=1, end="exit 1"),
                                  unit_test_store_faults=self.faults())
        self.assertEqual(1, code)
        self.assertTrue(output.endswith("; lost 5, wrong 0, tests failed 2\n"), output)

    def test_count_left_out(self):
        """A program that prints fewer counts than it should may have lost more, whether it fails, is killed, or not."""
        for end in ("exit 0", "exit 1", "kill -9 $$"):
            code, output = self.crash(crash_test_power=self.power(lost=1, lines=4, end=end),
                                      unit_test_store_faults=self.faults())
            self.assertEqual(1, code)
            self.assertIn("what they found is not all counted: crash_test_power\n", output)
            self.assertIn("; lost at least 1, wrong at least 0, tests failed", output)

    def test_failure_not_counted(self):
        """A program that fails without having counted why may have found something lost."""
        for end in ("exit 1", "kill -9 $$"):
            code, output = self.crash(crash_test_power=self.power(), unit_test_store_faults=self.faults(end))
            self.assertEqual(1, code)
            self.assertIn("what they found is not all counted: unit_test_store_faults\n", output)
            self.assertTrue(output.endswith("; lost at least 0, wrong at least 0, tests failed 1\n"), output)


if __name__ == "__main__":
    unittest.main()
