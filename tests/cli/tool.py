# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command-line tool share: running it as a user does, in a directory of its own."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOL = os.environ.get("ALEXSTORAGE_TOOL", "")
SANITIZE = os.environ.get("ALEX_SANITIZE", "")

DONE = 0
NOT_FOUND = 1
USAGE = 2
STORE = 3
DAMAGED = 4
DATA = 5


class Outcome:
    """What one run of the tool left: exit code, stdout and stderr, as bytes and as text."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err.decode("utf-8", "replace")

    @property
    def text(self):
        return self.out.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


class ToolTest(unittest.TestCase):
    """A test with an empty directory, and `self.store` as a path in it."""

    maxDiff = 2000

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="alexstorage-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.store = self.path("store")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, content):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def run_tool(self, *arguments, stdin=b"", code=DONE, prefix=()):
        """Runs the tool and claims its exit code; each message on stderr must be a line of the tool's own."""
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run([*prefix, TOOL, *map(os.fsencode, map(str, arguments))], input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        shown = f"{arguments}\n{outcome.out[:500]}\n{outcome.err[:4000]}"
        self.assertEqual(outcome.code, code, shown)
        for line in outcome.err.splitlines():
            if line.startswith("profiling:"):
                continue  # of a build that counts coverage, run as a user who may not write its files
            self.assertTrue(line.startswith("alexstorage: "), shown)
        return outcome

    def create(self, *arguments):
        self.run_tool("create", self.store, *arguments)

    def load(self, text, *options, code=DONE):
        return self.run_tool("load", self.store, *options, stdin=text, code=code)

    def entries(self, *options):
        """Every entry of a table, as (key, bytes)."""
        return self.entries_of(self.run_tool("scan", self.store, "--json", *options))

    @staticmethod
    def entries_of(outcome):
        return [(int(line["key"]), value_of(line["value"])) for line in outcome.json_lines]


def value_of(value):
    """The bytes that a value in JSON stands for."""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"], validate=True)
    return value.encode()


def base64_of(value):
    return base64.b64encode(value).decode()


def main():
    if not TOOL:
        print("skipped: ALEXSTORAGE_TOOL does not name the tool")
        sys.exit(77)
    unittest.main(verbosity=2)
