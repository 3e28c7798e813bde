# SPDX-License-Identifier: Apache-2.0
"""What reads cost other processors, as tools/count-instructions counts it."""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import unittest

BENCH = os.environ.get("ALEXSTORAGE_BENCH", "")
TOOL = os.path.join(os.environ.get("ALEX_SOURCE_DIR", ""), "tools", "count-instructions")


# Of <linux/membarrier.h>, and the number of the call on x86-64.
QUERY = 0
PRIVATE_EXPEDITED = 8
MEMBARRIER = 324


def membarrier_commands():
    """The commands of membarrier(2) that the system has."""
    return max(ctypes.CDLL(None).syscall(MEMBARRIER, QUERY, 0, 0), 0)


class Counts(unittest.TestCase):
    def test_locked_instructions(self):
        """A get has none, unless the system makes its section fence, a transaction the exchanges that take its slot and
        give it back. More would be felt on every core."""
        done = subprocess.run([sys.executable, TOOL, "--program", BENCH, "--keys", "2000"], capture_output=True,
                              text=True, check=True)
        locked = re.findall(r"^(\w[\w ]+): \d+ instructions, ([\d.]+) of them locked", done.stdout, re.MULTILINE)
        fence = 0 if membarrier_commands() & PRIVATE_EXPEDITED else 1
        # Without what the reads of the whole store add that check its contents.
        locked = [(label, round(float(count), 1)) for label, count in locked]
        self.assertEqual([("a get", fence), ("beginning and ending a read transaction", 2),
                          ("a get in a read transaction of its own", 2 + fence),
                          ("getting 64 keys in a read transaction of their own", 2 + fence)], locked[:4])
        label, count = locked[4]
        self.assertEqual("a record of a scan with its share of cursor and read transaction", label)
        self.assertLess(count, 0.5)


if __name__ == "__main__":
    TOOLS = all(map(shutil.which, ("valgrind", "objdump")))
    if not BENCH or not TOOLS or platform.machine() != "x86_64" or os.environ.get("ALEX_BUILD_TYPE") == "Debug":
        print("skipped: needs the benchmark without debugging aids, an x86-64, valgrind and objdump")
        sys.exit(77)
    unittest.main(verbosity=2)
