#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is installed is complete, exports what the header declares, and serves pkg-config and CMake users."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE_DIR = Path(os.environ["ALEX_SOURCE_DIR"])
BUILD_DIR = Path(os.environ["ALEX_BUILD_DIR"])
CONSUMER = SOURCE_DIR / "tests/packaging/consumer"


def run(*command, env=None):
    """Runs a command; gives what it printed, and raises with all its output if it fails."""
    done = subprocess.run(
        [str(word) for word in command], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def cache_value(name):
    """A variable that the build was configured with."""
    cache = (BUILD_DIR / "CMakeCache.txt").read_text()
    return re.search(rf"^{name}:\w+=(.*)$", cache, re.MULTILINE).group(1)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        cls.destdir = cls.scratch / "root"
        run("cmake", "--install", BUILD_DIR, env={"DESTDIR": str(cls.destdir)})
        cls.prefix = Path(f"{cls.destdir}{cache_value('CMAKE_INSTALL_PREFIX')}")
        cls.libdir = cls.prefix / cache_value("CMAKE_INSTALL_LIBDIR")
        cls.shared = cls.libdir / "libalexstorage.so"
        header = (cls.prefix / "include/alexstorage.h").read_text()
        cls.declared = set(re.findall(r"^ALEX_API [^;{]*?\b(alex_\w+)\(", header, re.MULTILINE))
        cls.version = ".".join(re.findall(r"^#define ALEX_VERSION_\w+ (\d+)$", header, re.MULTILINE))

    def test_files(self):
        """Libraries, header, tool, package files and licence are in their places."""
        wanted = [
            self.shared, self.libdir / f"libalexstorage.so.{self.version}", self.libdir / "libalexstorage.a",
            self.libdir / "pkgconfig/alexstorage.pc", self.libdir / "cmake/alexstorage/alexstorage-config.cmake",
            self.prefix / "bin/alexstorage", self.prefix / "share/doc/alexstorage/LICENSE",
            self.prefix / "share/doc/alexstorage/NOTICE"]
        self.assertEqual([], [str(path) for path in wanted if not path.exists()])

    def test_exports(self):
        """The shared library exports the functions that the header declares, and nothing else."""
        symbols = {line.split()[-1] for line in run("nm", "-D", "--defined-only", self.shared).splitlines()}
        self.assertEqual(self.declared, symbols)

    def test_archive_symbols(self):
        """The static library defines those functions too, and nothing else that a program's own names could meet."""
        lines = run("nm", "--extern-only", "--defined-only", self.libdir / "libalexstorage.a").splitlines()
        self.assertEqual(self.declared, {line.split()[-1] for line in lines if len(line.split()) == 3})

    def test_soname(self):
        """The soname holds the major version only, so that compatible versions replace each other."""
        dynamic = run("readelf", "-d", self.shared)
        soname = re.search(r"\(SONAME\).*\[(.*)\]", dynamic).group(1)
        self.assertEqual(f"libalexstorage.so.{self.version.split('.', maxsplit=1)[0]}", soname)

    def test_no_leaked_paths(self):
        """Nothing that is installed names the build tree, and no program has a search path of its own."""
        for path in self.destdir.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            with self.subTest(path=str(path.relative_to(self.destdir))):
                if path.suffix in (".pc", ".cmake"):
                    self.assertNotIn(str(BUILD_DIR), path.read_text())
                    self.assertNotIn(str(SOURCE_DIR), path.read_text())
                elif path.parent.name == "bin" or ".so" in path.name:
                    self.assertNotRegex(run("readelf", "-d", path), r"\(R(UN)?PATH\)")

    def test_tool(self):
        """The installed tool runs, and is of the library's version."""
        self.assertIn(self.version, run(self.prefix / "bin/alexstorage", "--version"))

    def pkg_config(self, *flags):
        search = [str(self.libdir / "pkgconfig")]
        env = {"PKG_CONFIG_PATH": ":".join(search), "PKG_CONFIG_SYSROOT_DIR": str(self.destdir)}
        return run("pkg-config", *flags, "alexstorage", env=env).split()

    def test_pkg_config_shared(self):
        """A program built with pkg-config's flags runs with the shared library."""
        program = self.scratch / "pkg-shared"
        run("gcc", CONSUMER / "main.c", "-o", program, *self.pkg_config("--cflags", "--libs"))
        printed = run(program, self.scratch / "pkg-shared.alex", env={"LD_LIBRARY_PATH": str(self.libdir)})
        self.assertEqual(self.version, printed)
        self.assertEqual(self.version, self.pkg_config("--modversion")[0])

    def test_pkg_config_static(self):
        """pkg-config's flags for static linking name all that the archive needs."""
        program = self.scratch / "pkg-static"
        flags = self.pkg_config("--static", "--cflags", "--libs")
        flags = [str(self.libdir / "libalexstorage.a") if flag == "-lalexstorage" else flag for flag in flags]
        run("gcc", CONSUMER / "main.c", "-o", program, *flags)
        self.assertEqual(self.version, run(program, self.scratch / "pkg-static.alex"))
        self.assertNotIn("libalexstorage", run("readelf", "-d", program))

    def test_cmake_package(self):
        """A CMake project finds the package and builds with its shared and its static target."""
        build = self.scratch / "consumer"
        run("cmake", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        for kind in ("shared", "static"):
            with self.subTest(kind=kind):
                printed = run(build / f"consumer_{kind}", self.scratch / f"cmake-{kind}.alex")
                self.assertEqual(self.version, printed)


if __name__ == "__main__":
    unittest.main()
