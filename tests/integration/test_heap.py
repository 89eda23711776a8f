#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The mem family on programs of known answers: counts, bytes, sites, lines, peak, failures, threads."""

import sqlite3
import subprocess
import unittest

import harness
from harness import line_of, program, site_total, sites


class Family(unittest.TestCase):
    """Every C function, its events counted to the single call."""

    @classmethod
    def setUpClass(cls):
        command = [program("family.c")]
        cls.bare = harness.bare(command)
        cls.run_ = harness.preloaded(command)
        cls.report = cls.run_.report

    def site(self, function, **expected):
        for metric, value in expected.items():
            self.assertEqual(site_total(self.report, function, metric), value, f"{function} {metric}")

    def test_behaves_as_bare(self):
        self.assertEqual((self.run_.returncode, self.run_.out, self.run_.err),
                         (self.bare.returncode, self.bare.out, self.bare.err))
        self.assertIn(b"errno 77", self.bare.out)
        self.assertIn(b"failed 1 1 1 1 1 1 1 1 1", self.bare.out)

    def test_malloc(self):
        self.site("site_malloc", allocation_count=100, allocated_bytes=10000, live_count=0, temporary_count=100)

    def test_calloc(self):
        self.site("site_calloc", allocation_count=100, allocated_bytes=2100, live_count=0, max_live_bytes=2100)
        self.assertLessEqual(site_total(self.report, "site_calloc", "temporary_count"), 1)

    def test_realloc(self):
        self.site("site_realloc", allocation_count=100, allocated_bytes=64 * 5050, live_count=0, max_live_bytes=6400)

    def test_realloc_to_nothing(self):
        self.site("site_realloc_free", allocation_count=1, allocated_bytes=40, live_count=0)

    def test_reallocarray(self):
        self.site("site_reallocarray", allocation_count=2, allocated_bytes=300, live_count=0)

    def test_aligned(self):
        self.site("site_aligned", allocation_count=5, allocated_bytes=1000 + 1024 + 999 + 20, live_count=0)

    def test_failed(self):
        self.assertEqual(self.report["heap"]["failed_count"], 5)
        self.site("site_failed", allocation_count=1, allocated_bytes=8, live_count=1)

    def test_zero(self):
        self.site("site_zero", allocation_count=1, allocated_bytes=0, live_count=0)

    def test_leak_by_line(self):
        self.site("site_leak", allocation_count=7, live_count=7, live_bytes=7 * 1000 + 21)
        leak = sites(self.report, "site_leak")[0]
        self.assertEqual(leak["line"], line_of("family.c", "leak"))
        self.assertTrue(leak["file"].endswith("programs/family.c"))
        self.assertEqual([frame["function"] for frame in leak["stack"]][:2], ["site_leak", "main"])
        records = [r for r in self.report["leaks"]["records"] if r["stack"] and r["stack"][0]["function"] == "site_leak"]
        self.assertEqual([(r["blocks"], r["bytes"]) for r in records], [(7, 7021)])

    def test_totals_agree(self):
        heap = self.report["heap"]
        self.assertEqual(heap["allocation_count"], sum(s["allocation_count"] for s in heap["sites"]))
        self.assertEqual(heap["allocated_bytes"], sum(s["allocated_bytes"] for s in heap["sites"]))
        self.assertEqual(heap["allocated_bytes"] - heap["freed_bytes"], heap["live_bytes"])
        self.assertEqual(heap["live_bytes"], sum(s["live_bytes"] for s in heap["sites"]))
        self.assertEqual(heap["unknown_free_count"], 0)
        self.assertEqual(sum(b["count"] for b in heap["size_histogram"]), heap["allocation_count"])
        self.assertEqual(sum(b["count"] for b in heap["lifetime_histogram"]), heap["free_count"])
        self.assertTrue(self.report["coverage"]["complete"])
        self.assertEqual(self.report["coverage"]["lost"], 0)


class Operators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = [program("operators.cc", "-std=c++17")]
        cls.bare = harness.bare(command)
        cls.run_ = harness.preloaded(command)
        cls.report = cls.run_.report

    def test_behaves_as_bare(self):
        self.assertEqual((self.run_.returncode, self.run_.out), (self.bare.returncode, self.bare.out))
        self.assertEqual(self.bare.out.count(b"bad_alloc"), 5)

    def test_each_once_where_it_was_called(self):
        for function, count, size in (("site_new()", 10, 40), ("site_new_array()", 10, 500), ("site_new_nothrow()", 10, 600),
                                      ("site_new_aligned()", 10, 1920)):
            self.assertEqual(site_total(self.report, function, "allocation_count"), count, function)
            self.assertEqual(site_total(self.report, function, "allocated_bytes"), size, function)
            self.assertEqual(site_total(self.report, function, "live_count"), 0, function)

    def test_leak_by_line(self):
        self.assertEqual(site_total(self.report, "site_new_leak()", "live_count"), 3)
        self.assertEqual(site_total(self.report, "site_new_leak()", "live_bytes"), 333)
        self.assertEqual({site["line"] for site in sites(self.report, "site_new_leak()")},
                         {line_of("operators.cc", "leak")})

    def test_thrown_is_failed(self):
        self.assertEqual(self.report["heap"]["failed_count"], 5)


class Peak(unittest.TestCase):
    def test_peak(self):
        report = harness.preloaded([program("peak.c")]).report
        heap = report["heap"]
        self.assertEqual(heap["peak_bytes"], 500 * 1000 + 300 * 10000)
        self.assertEqual(site_total(report, "site_low", "peak_bytes"), 500000)
        self.assertEqual(site_total(report, "site_low", "max_live_bytes"), 1000000)
        self.assertEqual(site_total(report, "site_high", "peak_bytes"), 3000000)
        self.assertEqual(site_total(report, "site_last", "peak_bytes"), 0)
        self.assertEqual(site_total(report, "site_last", "max_live_bytes"), 2700000)
        self.assertEqual(site_total(report, "site_low", "live_bytes"), 500000)
        self.assertEqual([s["function"] for s in heap["peak_sites"]][:2], ["site_high", "site_low"])


class Threads(unittest.TestCase):
    def test_handover(self):
        """Frees in another thread than the allocation, addresses reused at once: nothing is confused."""
        command = [program("handover.c"), "2", "50000", "5"]
        for _ in range(3):
            run = harness.preloaded(command)
            self.assertEqual(run.returncode, 0)
            heap = run.report["heap"]
            self.assertEqual(run.report["coverage"]["lost"], 0)
            self.assertEqual(heap["unknown_free_count"], 0)
            self.assertEqual(site_total(run.report, "produce", "allocation_count"), 2 * 2 * 50000)
            self.assertEqual(site_total(run.report, "produce", "live_count"), 2 * 5)
            self.assertEqual(site_total(run.report, "consume", "allocation_count"), 2 * 50000)
            self.assertEqual(site_total(run.report, "consume", "live_count"), 0)
            self.assertEqual(run.report["target"]["thread_count"], 5)

    def test_totals_equal_every_time(self):
        command = [program("handover.c"), "1", "20000", "0"]
        totals = {(h["allocation_count"], h["allocated_bytes"], h["live_count"])
                  for h in (harness.preloaded(command).report["heap"] for _ in range(3))}
        self.assertEqual(len(totals), 1, totals)


class Sampled(unittest.TestCase):
    def test_totals_stay_exact(self):
        exact = harness.preloaded([program("family.c")]).report["heap"]
        sampled = harness.preloaded([program("family.c")], settings={"HEAP": "sampled=1K"}).report["heap"]
        for metric in ("allocation_count", "allocated_bytes", "free_count", "live_bytes", "live_count", "peak_bytes"):
            self.assertEqual(sampled[metric], exact[metric], metric)

    def test_sites_are_estimates_with_their_error(self):
        """One site makes nearly all of the bytes: its estimate is within five standard errors of the exact total."""
        report = harness.preloaded([program("ticks.c"), "400"], settings={"HEAP": "sampled=2K"}).report
        exact = report["heap"]["allocated_bytes"]
        site = max(sites(report, "tick"), key=lambda entry: entry["allocated_bytes"])
        self.assertGreater(site["allocated_error_bytes"], 0)
        self.assertLess(abs(site["allocated_bytes"] - exact), 5 * site["allocated_error_bytes"] + 0.02 * exact)
        self.assertTrue(any("estimates" in sentence for sentence in report["coverage"]["not_observed"]))

    def test_off(self):
        report = harness.preloaded([program("../../bench/cpu_shares.c"), "0.5"], settings={"HEAP": "off"}).report
        self.assertIsNone(report["heap"])
        self.assertGreater(report["cpu"]["sample_count"], 10)


class HiddenMalloc(unittest.TestCase):
    """Whether the program has a malloc of its own: an address of its own for ours is none."""

    def test_address_taken(self):
        for flags in (), ("-fno-pie", "-no-pie"):
            with self.subTest(flags=flags):
                report = harness.preloaded([program("own_malloc.c", *flags)]).report
                self.assertEqual(report["coverage"]["not_observed"], [])
                self.assertEqual(site_total(report, "main", "allocation_count"), 10)

    def test_own(self):
        for flags in ("-DOWN",), ("-DOWN", "-fno-pie", "-no-pie"):
            with self.subTest(flags=flags):
                recording = harness.preloaded([program("own_malloc.c", *flags)]).recording
                report = subprocess.run([harness.PREPROF, "report", recording], capture_output=True, text=True)
                self.assertEqual(report.returncode, 1)
                self.assertIn("the recording is empty: own_malloc", report.stderr)
                self.assertIn("defines malloc itself", report.stderr)


class Gaps(unittest.TestCase):
    """An executable with pages between its segments that belong to none of them, as cc1, make and node have."""

    def check(self, *flags):
        executable = program("peak.c", "-Wl,-z,max-page-size=0x10000,--build-id", *flags)
        run = harness.preloaded([executable])
        self.assertEqual({key: count for key, count in run.report["coverage"]["skipped"].items() if count}, {})
        self.assertEqual([frame["function"] for frame in sites(run.report, "site_high")[0]["stack"]][:2], ["site_high", "main"])
        for site in run.report["heap"]["sites"]:
            self.assertEqual(site["stack"][-1]["function"], "_start")
        with sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True) as database:
            (build_id,), = database.execute("SELECT build_id FROM v_modules WHERE path = ?", [executable]).fetchall()
        self.assertIn(build_id, subprocess.run(["readelf", "-n", executable], stdout=subprocess.PIPE, text=True, check=True).stdout)

    def test_position_independent(self):
        self.check("-pie")

    def test_at_a_fixed_address(self):
        self.check("-no-pie")

    def test_own_malloc_is_said(self):
        recording = harness.preloaded([program("own_malloc.c", "-DOWN", "-Wl,-z,max-page-size=0x10000")]).recording
        report = subprocess.run([harness.PREPROF, "report", recording], capture_output=True, text=True)
        self.assertIn("defines malloc itself", report.stderr)


class OwnCost(unittest.TestCase):
    """What the library takes is one row, apart from the program's own functions."""

    def test_one_frame(self):
        churn = program(str(harness.SOURCE / "tests/bench/heap_churn.c"))
        report = harness.preloaded([churn, "2000000"], settings={"CPU": "1000"}).report
        own = [entry for entry in report["cpu"]["functions"] if (entry["module"] or "").endswith("/libpreprof.so")]
        self.assertEqual([entry["function"] for entry in own], ["[preprof]"])
        self.assertGreater(own[0]["self_ns"], 0)
        self.assertEqual(own[0]["total_ns"], own[0]["self_ns"])
        self.assertEqual(report["coverage"]["overhead"]["target_sampled_ns"], own[0]["self_ns"])
        # libc's part is seen as called by the program, not by the hook
        totals = {entry["function"]: entry["total_ns"] for entry in report["cpu"]["functions"]}
        self.assertGreater(totals["main"], 0.9 * report["cpu"]["total_ns"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
