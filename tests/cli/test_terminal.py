# SPDX-License-Identifier: Apache-2.0
"""The progress bar, in a real terminal."""

import fcntl
import gzip
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time

import tool
from tool import DATA


class Terminal(tool.ToolTest):
    def setUp(self):
        super().setUp()
        self.create()

    def run_in_terminal(self, *arguments, columns=80, feed=None):
        """Runs the tool with stdout and stderr on a terminal. @return exit code, and all that the terminal got"""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        seen = []

        def read_terminal():
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:  # the last writer is gone
                    return
                seen.append(data)

        stdin = subprocess.DEVNULL if feed is None else subprocess.PIPE
        with subprocess.Popen([tool.TOOL, *arguments], stdin=stdin, stdout=slave, stderr=slave) as process:
            os.close(slave)
            reader = threading.Thread(target=read_terminal)
            reader.start()
            if feed is not None:
                for data in feed:
                    process.stdin.write(data)
                    process.stdin.flush()
                    time.sleep(0.15)
                process.stdin.close()
            process.wait()
            reader.join()
        os.close(master)
        return process.returncode, b"".join(seen).decode()

    @staticmethod
    def screen(text):
        """What a terminal shows in the end, a line each: CR goes back, and what stood there is erased."""
        lines = text.replace("\r\n", "\n").split("\n")
        return [line.rpartition("\r")[2].replace("\x1b[K", "") for line in lines]

    @staticmethod
    def drawn(text):
        """Every state of the bar."""
        return [part for part in re.findall(r"\r([^\r\n\x1b]*)\x1b\[K", text) if part]

    def big_file(self):
        lines = [f"{key},value {key}" for key in range(1_500_000)]
        return self.write("big.csv", "\n".join(lines) + "\n")

    def test_a_file_shows_bar_rate_and_time_left_and_then_the_summary(self):
        code, text = self.run_in_terminal("load", self.store, self.big_file())
        self.assertEqual(code, 0, text[-500:])
        bars = [line for line in self.drawn(text) if line.startswith("loading")]
        self.assertGreater(len(bars), 0)
        for line in bars:
            self.assertRegex(line, r"^loading +\d+% \[#* *\] [\d,]+ entries, [\d,]+/s, \d+:\d\d left$")
            self.assertLess(len(line), 80)
        shares = [int(re.search(r"(\d+)%", line).group(1)) for line in bars]
        self.assertEqual(shares, sorted(shares))
        self.assertTrue(any(line.startswith("committing") for line in self.drawn(text)))
        [summary, end] = self.screen(text)
        self.assertRegex(summary, r"^loaded 1,500,000 entries in \d+\.\d s: 1,500,000 keys added, 0 replaced$")
        self.assertEqual(end, "")

    def test_a_narrow_terminal_is_never_overrun(self):
        for columns in [20, 45, 60]:
            code, text = self.run_in_terminal("load", self.store, "--format", "csv", columns=columns,
                                              feed=[b"1,a\n" * 50_000] * 4)
            self.assertEqual(code, 0)
            self.assertGreater(len(self.drawn(text)), 0)
            self.assertLess(max(map(len, self.drawn(text))), columns)

    def test_a_pipe_has_no_known_end(self):
        code, text = self.run_in_terminal("load", self.store, "--format", "csv", feed=[b"1,a\n" * 50_000] * 4)
        self.assertEqual(code, 0)
        bars = [line for line in self.drawn(text) if line.startswith("loading")]
        self.assertGreater(len(bars), 1)
        for line in bars:
            self.assertRegex(line, r"^loading [\d,]+ entries, [\d,]+/s$")

    def test_a_bad_line_is_reported_on_a_line_of_its_own(self):
        code, text = self.run_in_terminal("load", self.store, "--format", "csv",
                                          feed=[b"1,a\n" * 50_000, b"1,a\n" * 50_000, b"x,b\n"])
        self.assertEqual(code, DATA)
        self.assertRegex(self.screen(text)[0], '^alexstorage: stdin: line 100001: key "x" is not a whole number')
        self.assertEqual(self.screen(text)[2:], ["alexstorage: nothing was loaded", ""])

    def test_an_input_that_breaks_off_is_reported_on_a_line_of_its_own(self):
        packed = gzip.compress(b"1,a\n" * 100_000, compresslevel=0)
        code, text = self.run_in_terminal("load", self.store, "--format", "csv",
                                          feed=[packed[:200_000], packed[200_000:300_000], packed[300_000:-9]])
        self.assertEqual(code, DATA)
        self.assertGreater(len(self.drawn(text)), 0)
        self.assertEqual(self.screen(text), ["alexstorage: cannot read stdin: its compressed data is cut short",
                                             "alexstorage: nothing was loaded", ""])

    def test_quiet_shows_nothing(self):
        code, text = self.run_in_terminal("load", self.store, "--format", "csv", "--quiet",
                                          feed=[b"1,a\n" * 50_000] * 3)
        self.assertEqual((code, text), (0, ""))

    def test_dump_to_a_file_shows_a_bar_and_to_the_terminal_none(self):
        self.run_tool("load", self.store, self.big_file(), "-q")
        code, text = self.run_in_terminal("dump", self.store, self.path("out.jsonl.gz"))
        self.assertEqual(code, 0)
        self.assertRegex(self.drawn(text)[0], r"^dumping +\d+% \[#* *\] [\d,]+ entries, [\d,]+/s, \d+:\d\d left$")
        self.assertEqual(self.screen(text), [""])
        self.run_tool("create", self.path("small"))
        self.run_tool("put", self.path("small"), "1", "a")
        code, text = self.run_in_terminal("dump", self.path("small"))
        self.assertEqual((code, text), (0, '{"key":1,"value":"a"}\r\n'))

    def test_no_terminal_no_bar(self):
        outcome = self.run_tool("load", self.store, self.big_file())
        self.assertEqual(outcome.err, "")


if __name__ == "__main__":
    tool.main()
