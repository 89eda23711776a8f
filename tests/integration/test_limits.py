#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Under small resource limits the program does what it does alone; it is recorded, or one line says why not."""

import resource
import unittest

from harness import bare, preloaded, program, under_run
from life_cases import Case, processes

def limits_program():
    return program("limits.c")


def limit(kind, soft, hard=None):
    """To be called in the child. Without a hard limit the soft one may be lifted by whoever wants to."""
    def apply():
        resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1] if hard is None else hard))
    return apply


class Descriptors(Case):
    def test_soft_limits(self):
        for count in (4, 5, 6, 8, 12, 16, 24, 64, 200, 1024):
            for mode in ("fill", "select"):
                if mode == "fill" or count > 8:
                    with self.subTest(count=count, mode=mode):
                        rows = self.same([limits_program(), mode], preexec_fn=limit(resource.RLIMIT_NOFILE, count))
                        self.assertEqual((rows[0]["exit_code"], len(rows)), (5, 1))
                        self.assertGreaterEqual(rows[0]["allocation_count"], 1000)

    def test_hard_limits(self):
        """There is no room for ours: the program runs alone, and that is said."""
        for count in (4, 5, 6, 8, 12, 16, 64):
            with self.subTest(count=count):
                prepare = limit(resource.RLIMIT_NOFILE, count, count)
                expected = bare([limits_program(), "fill"], preexec_fn=prepare)
                done = preloaded([limits_program(), "fill"], preexec_fn=prepare, wait=0)
                self.assertEqual((done.returncode, done.out), (expected.returncode, expected.out))
                if not done.err:  # of those that may lift it all the same
                    continue
                self.assertEqual(done.err, b"preprof: profiling stopped: RLIMIT_NOFILE leaves no descriptors for it; "
                                           b"the program continues\n")

    def test_hard_limit_within_a_tree(self):
        """The others of a tree are recorded, and the recording names those that are not."""
        command = ["sh", "-c", f"ulimit -n 8; {limits_program()} fill; ulimit -n; exit 4"]
        expected = bare(command)
        done = preloaded(command)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        missing = [text for text in done.report["coverage"]["not_observed"] if "is not in this recording" in text]
        self.assertEqual(len(missing) + len(processes(done)), 2)
        self.assertTrue(all("RLIMIT_NOFILE" in text for text in missing))

    def test_shrinking_in_mid_run(self):
        rows = self.same([limits_program(), "shrink"])
        self.assertEqual(sorted((row["exit_code"], row["allocation_count"]) for row in rows[1:]), [(7, 50), (8, 50)])


class FileSize(Case):
    def test_soft(self):
        for size in (0, 4096, 1 << 20, 200 << 20):
            with self.subTest(size):
                rows = self.same([limits_program(), "size"], preexec_fn=limit(resource.RLIMIT_FSIZE, size))
                self.assertEqual([row["exit_code"] for row in rows], [5, 0])

    def test_hard_within_a_tree(self):
        """The analyzer, which is under no limit, makes the shared memory."""
        rows = self.same(["sh", "-c", f"ulimit -f 64; {limits_program()} size; true"])
        self.assertEqual(sorted(row["exit_code"] for row in rows), [0, 0, 5])
        rows = processes(under_run(["sh", "-c", f"ulimit -f 64; {limits_program()} size; true"]))
        self.assertEqual(sorted(row["exit_code"] for row in rows), [0, 0, 5])

    def test_hard_from_the_start(self):
        for size in (4096, 150 << 20):
            with self.subTest(size):
                prepare = limit(resource.RLIMIT_FSIZE, size, size)
                expected = bare([limits_program(), "size"], preexec_fn=prepare)
                done = preloaded([limits_program(), "size"], preexec_fn=prepare, wait=0)
                self.assertEqual((done.returncode, done.out), (expected.returncode, expected.out))
                if done.err:
                    self.assertEqual(done.err, b"preprof: profiling stopped: RLIMIT_FSIZE leaves no room for its shared "
                                               b"memory; the program continues\n")


class Others(Case):
    def test_recorded_all_the_same(self):
        for kind, value in ((resource.RLIMIT_MEMLOCK, 0), (resource.RLIMIT_SIGPENDING, 0), (resource.RLIMIT_NPROC, 0),
                            (resource.RLIMIT_STACK, resource.RLIM_INFINITY), (resource.RLIMIT_STACK, 96 << 10),
                            (resource.RLIMIT_AS, 150 << 20), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, 4 << 20)):
            with self.subTest(kind=kind, value=value):
                rows = self.same([limits_program(), "threads"], preexec_fn=limit(kind, value))
                self.assertEqual((len(rows), rows[0]["exit_code"]), (1, 5))
                self.assertGreaterEqual(rows[0]["allocation_count"], 1000)

    def test_hardly_any_address_space(self):
        """Whatever there is no room for is left out: the program goes on."""
        for megabytes in (8, 13, 16, 24, 32, 40, 64):  # the library itself maps 1.6 MB
            with self.subTest(megabytes):
                prepare = limit(resource.RLIMIT_AS, megabytes << 20, megabytes << 20)
                expected = bare([limits_program(), "threads"], preexec_fn=prepare)
                done = preloaded([limits_program(), "threads"], preexec_fn=prepare, wait=0)
                self.assertEqual((done.returncode, done.out), (expected.returncode, expected.out))
                self.assertLessEqual(done.err.count(b"\n"), 1, done.err)

    def test_child_without_address_space(self):
        """It is told once."""
        done = preloaded(["/bin/bash", "-c", "(ulimit -v 60000; exec /bin/true); true"])
        self.assertEqual((done.returncode, done.err), (0, b""))
        told = [text for text in done.report["coverage"]["not_observed"] if text.startswith("process ")]
        self.assertEqual(len(told), 1, told)
        self.assertIn("is not in this recording: RLIMIT_AS leaves no room", told[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
