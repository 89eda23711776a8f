#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program's own signals come to it as without us: all 31 real-time ones, faults, timers, calls that one interrupts."""

import subprocess
import unittest

from harness import FOLDER, PROGRAMS, bare, clean_environment, preloaded, program, under_run
from life_cases import Case

FLAGS = ("-D_GNU_SOURCE",)
EVERY = {"CPU": "10000"}


class Own(Case):
    def part(self, name):
        return self.same([program("own_signals.c", *FLAGS), name], settings=EVERY)

    def test_handlers_of_all(self):
        self.part("handlers")

    def test_waits_for_all(self):
        self.part("waits")

    def test_descriptor_of_all(self):
        self.part("descriptor")

    def test_sent_to_threads(self):
        self.part("to_threads")

    def test_sets_of_some(self):
        """Every other one, a range, or one: what a program blocks along with one of ours is none that we take instead of that."""
        for seed in (*range(1, 9), 39, 197, 399, 740): # of the last four, all that are ours, and little below
            for more in ([], ["executed"]):
                with self.subTest(seed=seed, more=more):
                    run = preloaded([program("signal_sets.c"), str(seed), *more], settings=EVERY)
                    self.assertEqual((run.returncode, run.out, run.err), (0, b"", b""))

    def test_threads_that_end_take_none(self):
        self.part("passed_handled")
        self.part("passed_waited_for")

    def test_calls_and_waits_interrupted(self):
        self.part("interrupted")

    def test_timers(self):
        rows = self.part("timers")
        self.assertGreater(rows[0]["sample_count"], 50)  # of 1.1 CPU seconds, 250 a second

    def test_faults(self):
        rows = self.part("faults")
        self.assertIn(rows[0]["exit_signal"], (11, None))

    def test_faults_of_an_earlier_library(self):
        library = FOLDER / "early.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-DSET_EARLY", *FLAGS, str(PROGRAMS / "own_signals.c"), "-o",
                        str(library)], check=True)
        command = [program("own_signals.c", *FLAGS), "faults"]
        expected = bare(command, env=clean_environment(LD_PRELOAD=str(library)))
        self.assertIn(b"set early: 40 faults", expected.out)
        done = preloaded(command, behind=library, settings=EVERY)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))

    def test_under_run(self):
        command = [program("own_signals.c", *FLAGS), "waits"]
        expected, done = bare(command), under_run(command)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))

    def test_what_handlers_allocate_is_recorded_or_counted(self):
        """Where a handler interrupts one of our hooks it cannot be recorded: allocations and skipped ones make the whole."""
        done = preloaded([program("interrupts.c", *FLAGS), "2"], settings={"CPU": "off", "IO": "off"})
        pairs = int(done.out)
        skipped = done.report["coverage"]["skipped"]["heap_busy"]
        sites = [site for site in done.report["heap"]["sites"] if site["function"] == "handler"]
        recorded = sum(site["allocation_count"] for site in sites)
        self.assertGreater(pairs, 1000)
        self.assertGreater(skipped, 0)
        self.assertLessEqual(recorded, pairs)
        # A free is recorded although its allocation was not, or the other way round, hardly ever: it is all in one handler.
        self.assertEqual(done.report["heap"]["allocation_count"] - recorded + done.report["heap"]["free_count"] + recorded
                         - self.beside(done, pairs) + skipped, 2 * pairs)
        self.assertIn(f"{skipped} allocations and frees of signal handlers that interrupted",
                      " ".join(done.report["coverage"]["not_observed"]))

    def test_what_handlers_allocate_in_threads_that_begin(self):
        done = preloaded([program("newborn.c", *FLAGS), "3000"], settings={"CPU": "1000"})
        pairs = int(done.out)
        recorded = sum(site["allocation_count"] for site in done.report["heap"]["sites"] if site["function"] == "handler")
        self.assertGreater(pairs, 100)
        self.assertEqual(2 * recorded + done.report["coverage"]["skipped"]["heap_busy"], 2 * pairs)

    def beside(self, done, pairs):
        """What is not the handler's: main's own pair, and stdio's buffer."""
        others = [site for site in done.report["heap"]["sites"] if site["function"] != "handler"]
        return sum(site["allocation_count"] + site["allocation_count"] - site["live_count"] for site in others)

    def test_none_left_is_said(self):
        done = preloaded([program("own_signals.c", *FLAGS), "handlers"])
        self.assertIn("no signal free", " ".join(done.report["coverage"]["not_observed"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
