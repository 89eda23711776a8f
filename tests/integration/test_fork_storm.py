#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Forks by the thousand while other threads are in the middle of everything: never a deadlock, exact counts, and stacks in the
children. With a number as its argument: that many forks for each way, else a few hundred.
"""

import collections
import platform
import sqlite3
import sys
import unittest

import harness
from harness import bare, program
from tally import TallyCase, tallied

WAYS = {
    "fast": {"CPU": "10000"},
    "libunwind": {"CPU": "10000", "UNWINDER": "libunwind"},
    "checked": {"CPU": "1000", "CHECK_STACKS": "1"},
}
COUNT = 200


def stacks_found(run, inner):
    """Allocations whose stack has these frames somewhere, and those of the same processes that have not: pairs by pid."""
    with sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True) as base:
        frames = dict(base.execute("SELECT stack, frames FROM v_stacks"))
        found = collections.Counter()
        for pid, stack, count in base.execute("SELECT pid, stack, allocation_count FROM v_heap_sites"):
            if inner in (frames.get(stack) or ""):
                found[pid] += count
        return found


class Storm(TallyCase):
    def storm(self, count, settings):
        run = tallied([program("fork_storm.c"), str(count)], settings=settings, timeout=120 + count)
        self.assertEqual((run.returncode, run.out, run.err), (0, b"wrong: 0\n", b""))
        self.check_whole(run)
        self.check_tally(run)
        own = [row for row in run.rows[1:] if "fork_storm" in row["executable"]]
        cloned = [number for number in range(1, count + 1) if number % 6 == 3]
        numbers = [number for number in range(1, count + 1) if number % 6 < 3]
        grandchildren = [number for number in numbers if number % 7 == 0]
        self.assertEqual(len(own), len(numbers) + len(cloned) + len(grandchildren))
        ends = collections.Counter((row["exit_code"], row["exit_signal"]) for row in own)
        expected = collections.Counter((None, 9) if number % 13 == 0 else (number & 63, None) for number in numbers)
        expected.update((number & 63, None) for number in cloned)
        self.assertEqual(ends, expected + collections.Counter({(5, None): len(grandchildren)}))
        # A malloc and a realloc each, in three rounds and, of grandchildren, in two.
        self.assertEqual(sum(stacks_found(run, "allocate < child").values()), 6 * len(numbers) + 4 * len(grandchildren))
        return run

    def test_ways(self):
        self.assertEqual(bare([program("fork_storm.c"), "60"], timeout=20).out, b"wrong: 0\n")
        for name, settings in WAYS.items():
            with self.subTest(name):
                self.storm(COUNT, settings)


class Handlers(unittest.TestCase):
    """A handler that interrupts a hook forks, and the hook goes on in the child too."""

    def test_forks_and_returns(self):
        for fork in ("fork", "_Fork"):
            for what in ("malloc", "realloc", "write", "dup"):
                with self.subTest(fork=fork, what=what):
                    run = harness.preloaded([program("fork_in_handler.c"), fork, what, "150"])
                    calls, wrong = run.out.split()
                    self.assertEqual((run.returncode, run.err, wrong), (0, b"", b"0"))
                    parent = next(row for row in run.report["processes"] if row["parent_id"] is None)
                    if what == "write":
                        rows = [site for site in run.report["io"]["sites"] if site["function"] == "call"]
                        self.assertGreaterEqual(sum(site["write_calls"] for site in rows), int(calls))
                    self.assertTrue(parent["complete"])

    def test_in_circumstances(self):
        for what in ("atfork", "limit"):
            with self.subTest(what):
                run = harness.preloaded([program("fork_in_handler.c"), "fork", "malloc", "300", what])
                calls, wrong = run.out.split()
                self.assertEqual((run.returncode, run.err, wrong), (0, b"", b"0"))
                parent = next(row for row in run.report["processes"] if row["parent_id"] is None)
                self.assertEqual((parent["lost"], parent["complete"]), (0, True))
                self.assertGreaterEqual(parent["allocation_count"], int(calls))


class Jumps(unittest.TestCase):
    """A handler that interrupts a hook jumps out of it. The call that was under way may be counted or not; nothing else."""

    def jumps(self, what, count, threads, *how, settings=None):
        run = harness.preloaded([program("jump_out.c", "-pthread"), what, str(count), str(threads), *how], settings=settings)
        self.assertEqual((run.returncode, run.err), (0, b""))
        calls, jumps = (int(word) for word in run.out.split())
        coverage = run.report["coverage"]
        self.assertEqual((coverage["complete"], coverage["lost"], coverage["not_observed"]), (True, 0, []))
        written = collections.Counter()
        for site in run.report["io"]["sites"]:
            written[site["function"]] += site["write_calls"]
        self.assertEqual(written["after"], 1000 * threads)
        if what in ("write", "vary"):
            self.assertGreaterEqual(written["before"], calls)
            self.assertLessEqual(written["before"], calls + jumps)

    def test_out_of_every_hook(self):
        for what in ("write", "vary", "dup", "map"):
            for threads in (1, 3):
                with self.subTest(what=what, threads=threads):
                    self.jumps(what, 200, threads)

    def test_from_a_stack_of_its_own(self):
        self.jumps("write", 200, 2, "own")
        self.jumps("dup", 200, 2, "own")

    def test_out_of_libunwind(self):
        self.jumps("vary", 200, 2, settings={"UNWINDER": "libunwind"})

    @unittest.skipUnless(platform.machine() == "x86_64", "single steps")
    def test_at_each_instruction(self):
        """To another stack and back: the hook goes on. For good behind a frame's write: nothing of what follows is missing.
        Where system calls are forbidden: none is made."""
        for what, least in (("away", 50), ("flush", 16), ("sealed", 10)):
            with self.subTest(what=what):
                run = harness.preloaded([program("step_out.c"), what])
                self.assertEqual((run.returncode, run.err), (0, b""))
                self.assertGreaterEqual(int(run.out), least)
                if what == "flush":
                    self.assertEqual(run.report["coverage"]["complete"], True)
                    self.assertEqual(harness.site_total(run.report, "after", "allocation_count"), 3 * int(run.out))

    @unittest.skipUnless(platform.machine() == "x86_64", "single steps")
    def test_between_the_middles_of_two_hooks(self):
        """Stacks that share a thread, each stopped at every instruction of a hook while the other is in one: a write is told,
        or counted as made by a handler, and the thread is recorded afterwards."""
        run = harness.preloaded([program("step_between.c")], settings={"CPU": "off"})
        self.assertEqual((run.returncode, run.err), (0, b""))
        pairs, writes = map(int, run.out.split())
        self.assertGreater(pairs, 500)
        self.assertTrue(run.report["coverage"]["complete"])
        written = collections.Counter()
        for site in run.report["io"]["sites"]:
            written[site["function"]] += site["write_calls"]
        self.assertEqual(written["after"], 1000)
        self.assertEqual(written["work"] + written["after"] + run.report["coverage"]["skipped"]["io_busy"], writes)

    def test_library_between_stacks(self):
        """A stack that is stopped while the library looks at what a dlclose unloads, and one in the middle of a hook: what either
        leaves behind does not keep the thread from being recorded."""
        run = harness.preloaded([program("stacks_library.c")], settings={"CPU": "off"})
        self.assertEqual((run.returncode, run.err), (0, b""))
        told = collections.Counter()
        for site in run.report["io"]["sites"]:
            told[site["function"]] += site["read_calls"]
        self.assertEqual(told["after"], 1000)
        self.assertGreaterEqual(told["work"] + told["after"] + run.report["coverage"]["skipped"]["io_busy"], int(run.out))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        COUNT = int(sys.argv.pop(1))
    unittest.main()
