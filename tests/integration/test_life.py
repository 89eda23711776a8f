#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Births and deaths: processes made in every way end as they would have, and one recording holds them all, exactly."""

import collections
import os
import shutil
import signal
import subprocess
import time
import unittest

import harness
from harness import preloaded, program
from life_cases import Case, called, processes


def fork_program():
    return program("life_fork.c")


class Waits(Case):
    """The analyzer is nobody's child that a wait loop would wait for."""

    def test_waits_for_every_child(self):
        self.same([program("wait_all.c")])

    def test_subreaper_waits_for_its_children(self):
        self.same([program("subreaper.c"), program("wait_all.c"), "adopts"])

    def test_strace(self):
        self.same(["strace", "-o", "/dev/null", "/bin/echo", "traced"])


class Births(Case):
    def test_every_kind(self):
        rows = self.same([fork_program(), "kinds"])
        own = [row for row in rows if "life_fork" in row["executable"]]
        # the parent's own 1000 and its stdio buffer; then fork, _Fork, a raw clone, clone, forkpty, a grandchild
        self.assertEqual(self.counts(own[:1]), [(1001, 1000)])
        counts = collections.Counter(self.counts(own[1:]))
        self.assertEqual(counts, {(100, 100): 6, (0, 0): 1})
        self.assertEqual(len([row for row in rows if row["executable"].endswith("/true")]), 1)
        statuses = sorted(row["exit_code"] for row in own[1:])
        self.assertEqual(statuses, [0, 11, 12, 13, 14, 16, 17])
        grandchild = [row for row in own if row["exit_code"] == 0 and row["id"] != own[0]["id"]]
        middle = [row for row in own if row["exit_code"] == 17]
        self.assertEqual(grandchild[0]["parent_id"], middle[0]["id"])

    def test_inherited_blocks(self):
        rows = self.same([fork_program(), "inherited"])
        parent, child = rows
        self.assertEqual((parent["allocation_count"], parent["free_count"]), (51, 50))
        self.assertEqual((child["allocation_count"], child["free_count"]), (5, 5))
        self.assertEqual((child["inherited_free_count"], child["unknown_free_count"]), (20, 0))
        self.assertEqual(parent["inherited_free_count"], 0)

    def test_large_process(self):
        """The sampling signal must not restart a long fork for ever."""
        rows = self.same([fork_program(), "large"], settings={"CPU": "1000"}, timeout=60)
        self.assertEqual(len(rows), 6)
        self.assertGreater(rows[0]["sample_count"], 10)

    def storm(self, **settings):
        rows = self.same([fork_program(), "storm", "2000"], settings=settings, timeout=240)
        self.assertEqual(len(rows), 2001)
        self.assertEqual(collections.Counter(self.counts(rows[1:])), {(1, 1): 2000})
        # what remains is stdio's buffer and, for each of 3 threads, its thread-local vector
        self.assertEqual(rows[0]["allocation_count"] - rows[0]["free_count"], 4)
        self.assertEqual(rows[0]["unknown_free_count"], 0)

    def test_forks_while_threads_allocate(self):
        self.storm(CPU="1000")

    def test_forks_while_threads_are_in_libunwind(self):
        self.storm(UNWINDER="libunwind")

    def test_everything_at_once(self):
        """libunwind takes ld.so's lock, which a child inherits locked from a thread that was in dlopen."""
        for settings in ({"CPU": "10000"}, {"UNWINDER": "libunwind"}, {"CHECK_STACKS": "1"}):
            with self.subTest(settings):
                done = preloaded([program("life_everything.c"), "60"], settings=settings, timeout=60)
                self.assertEqual((done.returncode, done.out, done.err), (0, b"wrong: 0\n", b""))
                self.assertGreaterEqual(len(called(processes(done), "true")), 20)

    def test_children_ignored(self):
        rows = self.same([fork_program(), "kinds"], settings={"CHILDREN": "ignore"})
        self.assertEqual(self.counts(rows), [(1001, 1000)])


class Deaths(Case):
    def end(self, mode, allocations):
        rows = self.same([program("life_exit.c"), mode])
        self.assertEqual(self.counts(rows), [(allocations, allocations)])
        return rows[0]["exit_code"], rows[0]["exit_signal"]

    def test_exits(self):
        # 100 by main, 10 by each handler that the way out runs, 10 by the destructor
        self.assertEqual(self.end("return", 120), (9, None))
        self.assertEqual(self.end("exit", 120), (6, None))
        self.assertEqual(self.end("_exit", 100), (3, None))
        self.assertEqual(self.end("_Exit", 100), (4, None))
        self.assertEqual(self.end("quick_exit", 110), (5, None))

    def test_raw_exit(self):
        self.same([program("life_exit.c"), "raw"])

    def test_signals(self):
        self.assertIn(self.end("kill", 100), [(None, int(signal.SIGKILL)), (None, None)])
        self.assertIn(self.end("abort", 100), [(None, int(signal.SIGABRT)), (None, None)])

    def test_main_leaves_first(self):
        rows = self.same([program("life_exit.c"), "pthread_exit"])
        self.assertEqual(len(rows), 1)
        self.assertGreaterEqual(rows[0]["free_count"], 130)
        self.assertEqual(rows[0]["exit_code"], 7)


class SameName(unittest.TestCase):
    """Trees that know nothing of each other, with the same OUTPUT: each keeps its recording."""

    def executables(self, path, count):
        names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(2, count + 1))]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and subprocess.run(
                ["pgrep", "-f", f"preprof-analyzer.*{path}"], stdout=subprocess.DEVNULL).returncode == 0:
            time.sleep(0.05)
        found = []
        for name in names:
            report = harness.Run(subprocess.CompletedProcess([], 0, "", ""), name).report
            found.append(sorted(os.path.basename(process["executable"]) for process in report["processes"]))
        self.assertFalse(path.with_name(f"{path.name}.{count + 1}").exists())
        return sorted(found)

    def environment(self, path):
        return harness.clean_environment(LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(path), PREPROF_SUMMARY="off")

    def test_at_once(self):
        path = harness.FOLDER / "same.pprf"
        running = [subprocess.Popen([shutil.which("sleep"), "0.5"], env=self.environment(path)) for _ in range(3)]
        for process in running:
            process.wait(30)
        self.assertEqual(self.executables(path, 3), [["sleep"], ["sleep"], ["sleep"]])

    def test_child_that_was_made_behind_our_back(self):
        """As Go's runtime does: fork and exec by system calls, so the child has no word of the tree."""
        path = harness.FOLDER / "behind.pprf"
        done = subprocess.run([program("raw_exec.c"), shutil.which("sleep"), "0.2"], env=self.environment(path))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.executables(path, 2), [["raw_exec"], ["sleep"]])


if __name__ == "__main__":
    unittest.main()
