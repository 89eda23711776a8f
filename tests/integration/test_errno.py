#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every hook leaves errno and its result as the function behind it does, in success and in failure."""

import subprocess
import unittest

import harness


def exported():
    """The functions that the built library puts before others."""
    lines = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", harness.LIBRARY], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return {line.split()[0].split("@")[0] for line in lines}


class Errno(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.program = harness.program("errors.cc", "-w")
        cls.expected = harness.bare([cls.program])

    def same(self, done, leave_out=()):
        found, expected = ([line for line in run.out.decode().splitlines() if not any(text in line for text in leave_out)]
                           for run in (done, self.expected))
        self.assertEqual(found, expected)
        self.assertEqual((done.returncode, done.err), (self.expected.returncode, self.expected.err))

    def test_every_hook_has_a_row(self):
        rows = set(harness.bare([self.program, "list"]).out.decode().split())
        self.assertGreater(len(rows), 90)
        self.assertEqual(sorted(exported() - rows), [], "add rows to programs/errors.cc")
        self.assertEqual(sorted(rows - exported()), [], "are there no more")

    def test_under_run(self):
        self.same(harness.under_run([self.program]))

    def test_preloaded_at_a_high_rate(self):
        self.same(harness.preloaded([self.program], settings={"CPU": "10000"}))

    def test_with_samples_anywhere(self):
        """Such samples come while a thread sleeps; these are the calls that no flag makes the kernel restart."""
        self.same(harness.preloaded([self.program], settings={"CPU": "10000", "SAMPLE_CLOCK": "wall"}),
                  leave_out=("sigtimedwait, nothing came", ", nothing:", "sleep, ok", "sleep, interrupted", "with a limit"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
