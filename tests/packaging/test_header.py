#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The public header stands alone, in every language and with every compiler that is here."""

import os
import shutil
import subprocess
import unittest
from pathlib import Path

SOURCE_DIR = Path(os.environ["ALEX_SOURCE_DIR"])
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
STANDARDS = {
    "gcc": ["c99", "c11", "c17"],
    "clang": ["c99", "c11", "c17"],
    "g++": ["c++11", "c++17", "c++20"],
    "clang++": ["c++11", "c++17", "c++20"],
}


class Header(unittest.TestCase):
    maxDiff = None

    def compile(self, compiler, standard):
        """Compiles a file that includes the header twice and uses its initialiser; gives the compiler's complaints."""
        language = "c++" if compiler.endswith("++") else "c"
        source = (
            "#include <alexstorage.h>\n#include <alexstorage.h>\n"
            "int main(void) {\n"
            "    struct alex_options options = ALEX_OPTIONS_DEFAULT;\n"
            "    return alex_open(\"x\", &options, NULL) != ALEX_OK;\n"
            "}\n")
        command = [compiler, f"-std={standard}", "-x", language, *WARNINGS, "-I", SOURCE_DIR / "include"]
        done = subprocess.run(
            [*command, "-fsyntax-only", "-"], input=source, capture_output=True, text=True, check=False)
        return done.stderr

    def compile_all(self, compilers):
        for compiler in compilers:
            for standard in STANDARDS[compiler]:
                with self.subTest(compiler=compiler, standard=standard):
                    self.assertEqual("", self.compile(compiler, standard))

    def test_gcc(self):
        """gcc and g++ take the header without a warning."""
        self.compile_all(["gcc", "g++"])

    @unittest.skipUnless(shutil.which("clang"), "clang is not installed")
    def test_clang(self):
        """clang and clang++ take the header without a warning."""
        self.compile_all(["clang", "clang++"])


if __name__ == "__main__":
    unittest.main()
