#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Totals equal valgrind's "total heap usage" and "in use at exit", on programs of ours and of Debian."""

import re
import shutil
import tempfile
import unittest

import harness
from harness import program


def valgrind_totals(command):
    done = harness.bare(["valgrind", "--run-libc-freeres=no", "--run-cxx-freeres=no", "--trace-children=no", *command],
                        timeout=600)
    text = done.err.decode(errors="replace")
    usage = re.search(r"total heap usage: ([0-9,]+) allocs, ([0-9,]+) frees, ([0-9,]+) bytes allocated", text)
    in_use = re.search(r"in use at exit: ([0-9,]+) bytes in ([0-9,]+) blocks", text)
    return tuple(int(value.replace(",", "")) for value in (*usage.groups(), *in_use.groups()))


@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class Valgrind(unittest.TestCase):
    maxDiff = None

    def same(self, command, environment_copies=0):
        if not shutil.which(command[0]):
            self.skipTest(f"{command[0]} is not installed")
        expected = valgrind_totals(command)
        report = harness.preloaded(command, settings={"CPU": "off"}).report
        heap = report["heap"]
        found = tuple(heap[metric] for metric in ("allocation_count", "free_count", "allocated_bytes", "live_bytes",
                                                  "live_count"))
        # The library has thread-local storage: each thread's vector of such modules (one allocation by the loader, of
        # 16 bytes a module) is one longer than without it.
        threads = report["target"]["thread_count"] - 1
        for index in (2, 3):
            extra = found[index] - expected[index]
            if environment_copies:
                self.assertLessEqual(abs(extra), 64 * environment_copies, (command, expected, found))
            else:
                self.assertIn(extra, [16 * count for count in range(threads + 1)], (command, expected, found))
        self.assertEqual(expected[:2] + expected[4:], found[:2] + found[4:], command)
        self.assertGreater(expected[0], 10, "the program hardly allocates")

    def test_nothing_is_said_in_it(self):
        command = ["valgrind", "-q", "--leak-check=no", program("peak.c")]
        expected = harness.bare(command)
        run = harness.preloaded(command)
        self.assertEqual((run.out, run.err, run.returncode), (expected.out, expected.err, expected.returncode))

    def test_own_peak(self):
        self.same([program("peak.c")])

    def test_own_family(self):
        # valgrind counts realloc as one allocation and one free too, and a refused request as none. A realloc to
        # nothing and one that fails are where it differs from libc, so that program is compared in test_heap.py only.
        self.same([program("handover.c"), "1", "2000", "3"])

    def test_own_operators(self):
        self.same([program("operators.cc", "-std=c++17"), "plain"])

    def test_sqlite3(self):
        self.same(["sqlite3", ":memory:", "create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 "
                   "from n where i < 2000) insert into t select i, 'x' || i from n; select sum(a), count(distinct b) from t;"])

    def test_jq(self):
        self.same(["jq", "-n", "[range(300) | {a: ., b: tostring}] | map(select(.a % 3 == 0)) | length"])

    def test_git(self):
        with tempfile.TemporaryDirectory() as folder:
            harness.bare(["git", "init", "-q", folder])
            # git calls setenv, which copies the environment: 8 bytes a variable, and valgrind's are not ours
            self.same(["git", "-C", folder, "status"], environment_copies=2)

    def test_sort(self):
        self.same(["sort", "--parallel=1", "/etc/services"])

    def test_ls(self):
        self.same(["ls", "-la", "/usr/bin"])

    def test_grep(self):
        self.same(["grep", "-c", "-E", "(a|b)+c", "/etc/services"])

    def test_sed(self):
        self.same(["sed", "-n", "s/tcp/TCP/p", "/etc/services"])

    def test_python3(self):
        self.same(["/usr/bin/python3", "-S", "-c", "import os\nprint(sum(len(x) for x in [str(i) for i in range(1000)]))"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
