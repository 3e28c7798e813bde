#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The source tree keeps to its layers and conventions, and the check that says so finds what breaks them."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE_DIR = Path(os.environ["ALEX_SOURCE_DIR"])
LINT = SOURCE_DIR / "tools/lint-sources"
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


class Sources(unittest.TestCase):
    maxDiff = None

    def test_tree(self):
        """The tree has no finding."""
        done = subprocess.run([sys.executable, LINT], capture_output=True, text=True, check=False)
        self.assertEqual((0, ""), (done.returncode, done.stdout if done.returncode else ""))


class Findings(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.write("src/README.md", "| module | |\n|---|---|\n| `base` | |\n| `os` | |\n| `log` | |\n")
        for header in ("base/base.h", "os/os.h", "os/os_internal.h", "log/log.h"):
            self.write(f"src/{header}", SPDX)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def findings(self):
        done = subprocess.run([sys.executable, LINT, "--root", self.root], capture_output=True, text=True, check=False)
        self.assertEqual(1 if done.stdout else 0, done.returncode)
        return done.stdout

    def assert_finds(self, name, text, expected):
        """Finds nothing before the file is there, and `expected` once it is."""
        self.assertEqual("", self.findings())
        self.write(name, text)
        self.assertIn(expected, self.findings())

    def test_upward_include(self):
        """A module that includes one below it is found."""
        self.assert_finds("src/os/file.c", f'{SPDX}#include "log/log.h"\n', 'file.c:2: "log/log.h": log is below os')

    def test_unreached_without_a_reason(self):
        """A mark of a branch that no test reaches has to say why."""
        self.write("src/log/log.c", f"{SPDX}if (a) {{ /* unreached: the disk never says this */\n")
        self.assert_finds("src/os/file.c", f"{SPDX}if (a) {{ /* unreached */\n", "file.c:2: why is this unreached?")

    def test_downward_include(self):
        """A module that includes one above it is not."""
        self.write("src/log/log.c", f'{SPDX}#include "log/log.h"\n#include "os/os.h"\n#include <string.h>\n')
        self.assertEqual("", self.findings())

    def test_internal_header(self):
        """Another module's internal header is found."""
        self.assert_finds("src/log/log.c", f'{SPDX}#include "os/os_internal.h"\n', "is internal to os")

    def test_module_not_listed(self):
        """A module that is not in the table is found."""
        self.assert_finds("src/cache/cache.h", SPDX, "module cache is not in the table")

    def test_program_includes_library(self):
        """A program that includes a header of the library's inside is found."""
        self.assert_finds("cli/main.c", f'{SPDX}#include "base/base.h"\n', "cli/ uses <alexstorage.h>")

    def test_program_leaves_its_folder(self):
        """A program that includes a header outside its folder is found."""
        self.assert_finds("cli/main.c", f'{SPDX}#include "../src/base/base.h"\n', "cli/ uses <alexstorage.h>")

    def test_remap_includes_index(self):
        """bench/remap may include the index's header, but no other of the library's, and no other folder may."""
        self.write("src/index/index.h", SPDX)
        self.write("src/README.md", "| `base` | |\n| `os` | |\n| `log` | |\n| `index` | |\n")
        self.write("bench/remap/write.c", f'{SPDX}#include "index/index.h"\n')
        self.assert_finds("bench/remap/header.c", f'{SPDX}#include "log/log.h"\n', "bench/ uses <alexstorage.h>")
        (self.root / "bench/remap/header.c").unlink()
        self.assert_finds("bench/main.c", f'{SPDX}#include "index/index.h"\n', "bench/ uses <alexstorage.h>")

    def test_system_call(self):
        """A system call outside src/os is found."""
        self.assert_finds("src/log/log.c", f"{SPDX}int x = fsync(1);\n", "src/log/log.c:2: fsync() belongs into src/os")

    def test_thread_call(self):
        """A thread call outside src/os is found."""
        self.assert_finds("src/log/log.c", f"{SPDX}int x = pthread_mutex_lock(0);\n", "pthread_mutex_lock() belongs")

    def test_heap_call(self):
        """A heap call outside src/base is found."""
        self.assert_finds("src/log/log.c", f"{SPDX}void *x = malloc(1);\n", "malloc() belongs into src/base")

    def test_calls_in_comments_and_members(self):
        """A call named in a comment or a string, a member and a longer name are not calls."""
        code = '/* write() */\nchar *s = "read()";\nint x = a->write(1) + b.read(2) + log_open(3);\n'
        self.write("src/log/log.c", SPDX + code)
        self.assertEqual("", self.findings())

    def test_system_header(self):
        """A header of the system outside src/os is found."""
        self.assert_finds("src/log/log.c", f"{SPDX}#include <unistd.h>\n", "<unistd.h>: only src/os may include it")

    def test_no_licence_line(self):
        """A file without SPDX line is found."""
        self.assert_finds("src/log/log.c", "int x;\n", "no SPDX line")

    def test_note_of_work_left(self):
        """A note of work left to do is found."""
        self.assert_finds("src/log/log.c", f"{SPDX}/* {'TO'}{'DO'}: all of it */\n", "a note of work left to do")

    def test_long_line(self):
        """A line over the limit is found."""
        self.assert_finds("src/log/log.c", f"{SPDX}/* {'x' * 120} */\n", "126 columns")

    def test_long_file(self):
        """A file over the limit is found."""
        self.assert_finds("src/log/log.c", SPDX + "int x;\n" * 900, "901 lines")

    def test_long_function(self):
        """A function over the limit is found."""
        body = "    x();\n" * 99
        self.assert_finds("src/log/log.c", f"{SPDX}void f(void)\n{{\n{body}}}\n", "function of 101 lines")

    ORDERS = "# Concurrency\n\n## Memory orders\n\n| variable | why |\n|---|---|\n"

    def test_atomic_without_its_order(self):
        """An atomic variable that is not in the table of memory orders is found, wherever it is declared."""
        rows = "| `log.end`, `log.slots` | `end` |\n| `serials` | |\n"
        self.write("docs/CONCURRENCY.md", f"{self.ORDERS}{rows}\n## Forks\n\n| `fork` | |\n")
        self.write("src/log/log.h", f"{SPDX}struct log {{\n    _Alignas(128) _Atomic uint64_t end; /**< bytes */\n"
                                    "    _Atomic(struct slot *) slots[4];\n};\n")
        self.write("src/log/log.c", f"{SPDX}static _Atomic long\n    serials = 1;\nvoid f(_Atomic long *given);\n")
        self.assertEqual("", self.findings())
        for path, code, expected in (
                ("os/os.h", "struct os {\n    atomic_bool waits;\n};\n", "os.h:3: os.waits"),
                ("os/os.c", "void f(void)\n{\n    static _Atomic int end;\n}\n", "os.c:4: end"),
                ("os/os.h", "typedef _Atomic(struct node *) os_root;\nstruct tree {\n    os_root root;\n};\n",
                 "os.h:4: tree.root")):
            with self.subTest(code):
                self.write(f"src/{path}", SPDX + code)
                self.assertEqual(f'src/os/{expected} is atomic and not in the table "Memory orders" of '
                                 "docs/CONCURRENCY.md\n", self.findings())
                self.write(f"src/{path}", SPDX)

    def test_order_of_nothing(self):
        """A row of that table whose variable is gone is found."""
        self.assert_finds("docs/CONCURRENCY.md", f"{self.ORDERS}| `log.end` | |\n",
                          "CONCURRENCY.md:7: log.end is no atomic variable")


if __name__ == "__main__":
    unittest.main()
