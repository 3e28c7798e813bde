#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/unreached says about a file, by gcovr's counts and the marks in it."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE_DIR = Path(os.environ["ALEX_SOURCE_DIR"])


class Unreached(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        (self.root / "src").mkdir()

    def run_on(self, text, *builds, path="src/a.c"):
        """Exit code and output for a file of this text, with the counts of its lines' branches in each build."""
        (self.root / "src/a.c").write_text(text, encoding="utf-8")
        files = []
        for counts in builds:
            lines = [{"line_number": number, "count": 1, "branches": [{"count": count} for count in of_line]}
                     for number, of_line in counts.items()]
            files.append(self.root / f"coverage{len(files)}.json")
            files[-1].write_text(json.dumps({"files": [{"file": path, "lines": lines}]}), encoding="utf-8")
        done = subprocess.run([sys.executable, SOURCE_DIR / "tools/unreached", "--root", self.root, *files],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def test_reached(self):
        """Where every branch is reached there is no finding."""
        self.assertEqual((0, "2 of 2 branches of src/ are reached; 0 findings\n"), self.run_on("if (a)\n", {1: [1, 5]}))

    def test_unreached(self):
        """A branch that is not is named, with its line."""
        code, output = self.run_on("\nif (a)\n", {2: [1, 0]})
        self.assertEqual(1, code)
        self.assertIn("src/a.c:2: 1 of 2 branches are not reached: if (a)\n", output)

    def test_several_builds(self):
        """What one build reaches need not be reached in the other; what only one has, has to be."""
        code, output = self.run_on("if (a)\nif (b)\n", {1: [1, 0], 2: [1]}, {1: [0, 1], 2: [0, 1]})
        self.assertEqual(1, code)
        self.assertNotIn("src/a.c:1:", output)
        self.assertIn("src/a.c:2: 1 of 3 branches are not reached: if (b)\n", output)

    def test_marks(self):
        """A mark with a reason, behind the branch or before it, is enough; its own line counts for nothing."""
        for text in ("\n\nif (a) { /* unreached: x */\n", "\n/* unreached: x */\nif (a)\n",
                     "/* unreached: x\n * and y */\nif (a)\n", "/* unreached: x */\n\nif (a)\n"):
            with self.subTest(text=text):
                self.assertEqual((0, "1 of 2 branches of src/ are reached; 0 findings\n"),
                                 self.run_on(text, {3: [1, 0]}))

    def test_mark_of_another_line(self):
        """A mark is about one line."""
        code, output = self.run_on("/* unreached: x */\na();\nif (a)\n", {3: [0, 0]})
        self.assertEqual(1, code)
        self.assertIn("src/a.c:3: 2 of 2 branches", output)

    def test_mark_of_a_condition(self):
        """A mark before a condition is about all lines of it, and about none behind."""
        text = "/* unreached: x */\nif (a() &&\n    (b ||\n     c)) {\n    if (d)\n"
        code, output = self.run_on(text, {2: [1, 0], 3: [0, 1], 4: [0, 0], 5: [0, 1]})
        self.assertEqual(1, code)
        self.assertEqual("src/a.c:5: 1 of 2 branches are not reached: if (d)", output.split("\n")[0])

    def test_mark_without_a_reason(self):
        """A mark has to say why."""
        for mark in ("/* unreached */", "/* unreached: */", "/*unreached*/"):
            with self.subTest(mark=mark):
                code, output = self.run_on(f"if (a) {mark}\n", {1: [1, 0]})
                self.assertEqual(1, code)
                self.assertIn("src/a.c:1: unreached: why?\n", output)

    def test_mark_too_many(self):
        """A mark where all is reached is told, but may stay: what is reached may depend on the machine."""
        code, output = self.run_on("if (a) /* unreached: x */\n", {1: [1, 1]})
        self.assertEqual(0, code)
        self.assertIn("note: src/a.c:1: marked as unreached, but reached\n", output)

    def test_other_folders(self):
        """Only src/ has to be reached."""
        self.assertEqual(0, self.run_on("if (a)\n", {1: [0, 0]}, path="cli/a.c")[0])


if __name__ == "__main__":
    unittest.main()
