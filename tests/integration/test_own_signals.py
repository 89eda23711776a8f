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

    def test_none_left_is_said(self):
        done = preloaded([program("own_signals.c", *FLAGS), "handlers"])
        self.assertIn("no signal free", " ".join(done.report["coverage"]["not_observed"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
