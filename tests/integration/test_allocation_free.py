#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No hook allocates: an allocator that counts stands behind the library, and sees exactly what it sees without it."""

import unittest

import harness
from harness import program


class AllocationFree(unittest.TestCase):
    def counts(self, command, preload, count, **settings):
        path = harness.FOLDER / f"counts{count}"
        environment = harness.clean_environment(LD_PRELOAD=preload, COUNT_FILE=str(path), PREPROF_SUMMARY="off",
                                                PREPROF_OUTPUT=str(harness.FOLDER / f"counts{count}.pprf"), **settings)
        run = harness.bare(command, env=environment)
        self.assertEqual((run.returncode, run.out), (0, b"done\n"), run.err)
        return [[int(word) for word in line.split()] for line in path.read_text().splitlines()]

    def check(self, **settings):
        shim = program("count_allocations.c", "-shared", "-fPIC")
        busy = program("busy.c")
        bare = self.counts([busy], shim, f"bare{len(settings)}")
        under = self.counts([busy], f"{harness.LIBRARY}:{shim}", f"under{'x'.join(settings)}", **settings)
        # the last line is the program itself; children that end by exit come before it
        self.assertGreater(bare[-1][0], 4000)
        self.assertEqual(under[-1], bare[-1])

    def test_exact(self):
        self.check(PREPROF_CPU="1000")

    def test_libunwind(self):
        self.check(PREPROF_UNWINDER="libunwind", PREPROF_CPU="1000")

    def test_checked(self):
        self.check(PREPROF_CHECK_STACKS="3", PREPROF_CPU="1000")

    def test_sees_an_allocation(self):
        """One allocation more is one more counted."""
        shim = program("count_allocations.c", "-shared", "-fPIC")
        first = self.counts([program("busy.c")], shim, "one")[-1]
        second = self.counts([program("busy.c"), "more"], shim, "two")[-1]
        self.assertEqual(second, [first[0] + 1, first[1], first[2], first[3] + 1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
