# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/TOOL.md, run in order in one directory, print what stands there."""

import os
import re
import subprocess
from pathlib import Path

import tool

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "TOOL.md"


class Manual(tool.ToolTest):
    def test_examples_print_what_the_manual_says(self):
        os.symlink(os.path.abspath(tool.TOOL), self.path("alexstorage"))
        environment = {**os.environ, "PATH": f"{self.directory}:{os.environ['PATH']}"}
        blocks = re.findall(r"(?ms)^```console\n(.*?)^```", MANUAL.read_text(encoding="utf-8"))
        steps = [step for block in blocks for step in re.findall(r"(?m)^\$ (.*)\n((?:[^$].*\n)*)", block)]
        self.assertGreater(len(steps), 15)
        for command, expected in steps:
            done = subprocess.run(["bash", "-c", command], cwd=self.directory, env=environment, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(done.stdout, expected, command)

    def test_every_command_is_in_the_manual(self):
        commands = re.findall(r"(?m)^  ([a-z]+) +\w", self.run_tool("--help").text)
        self.assertEqual(len(commands), 15)
        manual = MANUAL.read_text(encoding="utf-8")
        for command in commands:
            self.assertRegex(manual, rf"(?m)^\| .*`{command} STORE")


if __name__ == "__main__":
    tool.main()
