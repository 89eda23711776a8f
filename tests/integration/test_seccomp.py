#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that forbid themselves system calls are not killed for ours, and are recorded as far as they allow."""

import os
import resource
import tempfile
import unittest

from harness import bare, preloaded, program

SENTENCE = "installed a seccomp filter that forbids what preprof needs"


class Seccomp(unittest.TestCase):
    def run_both(self, mode, settings=None):
        command = [program("seccomp.c"), mode]
        expected = bare(command)
        done = preloaded(command, settings=settings)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        self.assertEqual(done.returncode, 4)
        return done.report

    def test_strict(self):
        """Everything up to the filter is there, nothing after it, and that is said."""
        for mode, why in (("strict", "strict mode"), ("narrow", SENTENCE), ("narrow-prctl", SENTENCE)):
            for settings in ({"CPU": "10000"}, {"CPU": "off"}):
                with self.subTest(mode=mode, settings=settings):
                    report = self.run_both(mode, settings)
                    allocated = [site["allocation_count"] for site in report["heap"]["sites"] if site["function"] == "allocate"]
                    self.assertEqual(sum(allocated), 1500)
                    self.assertEqual(report["coverage"]["lost"], 0)
                    self.assertFalse(report["coverage"]["complete"])
                    self.assertEqual(len([text for text in report["coverage"]["not_observed"] if why in text]), 1)

    def test_filter_that_lets_ours_through(self):
        report = self.run_both("harmless", {"CPU": "10000"})
        self.assertTrue(report["coverage"]["complete"])
        self.assertEqual(report["target"]["process_count"], 5)
        self.assertEqual([text for text in report["coverage"]["not_observed"] if "seccomp" in text], [])

    def test_filter_that_keeps_names_from_us(self):
        """I/O calls are counted all the same; of which files is not known."""
        report = self.run_both("names")
        self.assertTrue(report["coverage"]["complete"])
        (site,) = [site for site in report["io"]["sites"] if site["function"] == "use_descriptors" and site["write_calls"]]
        self.assertEqual((site["write_calls"], site["write_bytes"]), (9, 27))
        self.assertEqual(site["files"], [{"path": None, "kind": "other"}])

    def test_filter_that_keeps_places_from_us(self):
        report = self.run_both("places")
        self.assertTrue(report["coverage"]["complete"])
        sites = [site for site in report["io"]["sites"] if site["function"] == "use_file" and site["write_calls"]]
        self.assertEqual(sum(site["write_calls"] for site in sites), 9)

    def test_filter_that_keeps_children_out(self):
        """The process itself is recorded to its end; its children run as they would."""
        for mode in ("errno", "kill"):
            with self.subTest(mode):
                report = self.run_both(mode)
                self.assertTrue(report["coverage"]["complete"])
                self.assertEqual(report["target"]["process_count"], 1)
                self.assertEqual(sum(site["allocation_count"] for site in report["heap"]["sites"]
                                     if site["function"] == "allocate"), 1570)
                self.assertEqual(len([text for text in report["coverage"]["not_observed"] if SENTENCE in text]), 1)

    def test_filter_that_keeps_an_image_out(self):
        """Where it may make no process or wait for none it cannot learn what else the filter forbids."""
        for mode in ("no-clone", "no-wait"):
            with self.subTest(mode):
                report = self.run_both(mode)
                self.assertTrue(report["coverage"]["complete"])
                self.assertEqual(sum(site["allocation_count"] for site in report["heap"]["sites"]
                                     if site["function"] == "allocate"), 1500)
                self.assertEqual(len([text for text in report["coverage"]["not_observed"] if SENTENCE in text]), 1)

    def made(self, mode):
        """The sites of the allocations below code made at run time: how many, and their callers as far as known."""
        report = self.run_both(mode, {"CPU": "10000"})
        self.assertTrue(report["coverage"]["complete"])
        self.assertEqual([text for text in report["coverage"]["not_observed"] if "seccomp" in text], [])
        return report, sum(site["allocation_count"] for site in report["heap"]["sites"] if site["function"] == "allocate")

    def test_filter_that_kills_for_a_look_at_memory(self):
        """Code made at run time is only looked at where that is allowed: to the process itself, and to the image that it
        executes, which finds the filter in place. Elsewhere stacks end there, and nothing else is missing."""
        report, allocated = self.made("made")
        self.assertEqual(allocated, 1770)
        self.assertEqual(report["coverage"]["skipped"]["unwind"], 0)
        with tempfile.TemporaryDirectory() as folder:
            before = os.getcwd(), resource.getrlimit(resource.RLIMIT_CORE)
            os.chdir(folder)
            resource.setrlimit(resource.RLIMIT_CORE, (before[1][1], before[1][1]))
            try:
                report, allocated = self.made("peeking")
            finally:
                os.chdir(before[0])
                resource.setrlimit(resource.RLIMIT_CORE, before[1])
            self.assertEqual(os.listdir(folder), [])
        self.assertEqual(allocated, 1700 + 1770)
        self.assertEqual(report["coverage"]["skipped"]["unwind"], 2 * 200)
        self.assertEqual(report["target"]["process_count"], 2)

    def test_refused_filters_change_nothing(self):
        report = self.run_both("null")
        self.assertTrue(report["coverage"]["complete"])
        self.assertEqual(report["coverage"]["not_observed"], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
