#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The example of transfers between accounts, killed again and again: each start finds that everything adds up."""

import os
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

PROGRAM = Path(os.environ["ALEX_BUILD_DIR"]) / "examples" / "transfers"
KILLS = int(os.environ.get("ALEX_TRANSFER_KILLS", "12"))


class TransfersTest(unittest.TestCase):
    def run_to_end(self, directory, transfers):
        """Has the program add up what is there, and make more transfers. Returns how many were there, and were made."""
        done = subprocess.run([PROGRAM, directory, str(transfers)], capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        found = re.match(r"(\d+) transfers were there, (\d+) were made", done.stdout)
        return int(found[1]), int(found[2])

    def test_kills(self):
        """Killed at any moment, it loses no money and no transfer that an earlier run has seen."""
        generator = random.Random(7)
        with tempfile.TemporaryDirectory() as directory:
            before = 0
            made_by_killed = 0
            for _ in range(KILLS):
                with subprocess.Popen([PROGRAM, directory, "100000000"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, text=True) as process:
                    time.sleep(generator.uniform(0.02, 0.3))
                    process.send_signal(signal.SIGKILL)
                    error = process.communicate()[1]
                    self.assertEqual(-signal.SIGKILL, process.returncode, error)
                there, made = self.run_to_end(directory, 40)
                self.assertGreaterEqual(there, before)
                made_by_killed += there - before
                before = there + made
            self.assertGreater(made_by_killed, KILLS, "nothing was done before the kills")


if __name__ == "__main__":
    unittest.main()
