#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Functions left by cancellation, exceptions, jumps and coroutines, at a high rate: as without us, and recorded after."""

import subprocess
import unittest

from harness import FOLDER, PROGRAMS, bare, preloaded, program, site_total
from life_cases import processes


class Unwound(unittest.TestCase):
    def part(self, *arguments, **settings):
        command = [program("unwound.cc"), *map(str, arguments)]
        expected = bare(command)
        self.assertEqual((expected.returncode, expected.err), (0, b""))
        done = preloaded(command, settings=dict({"CPU": "10000"}, **settings))
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        (row,) = processes(done)
        self.assertEqual((row["complete"], row["lost"]), (1, 0))
        self.assertEqual(site_total(done.report, "marked", "allocation_count"), 1000)
        self.assertEqual(site_total(done.report, "marked", "live_count"), 0)
        return row

    def test_cancellation(self):
        self.part("cancels")

    def test_cancelled_where_children_are_waited_for(self):
        """system, waitpid, pclose, a read of popen's: children, masks and handlers are as without us, and sampling goes on."""
        command = [program("cancelled.c", "-D_GNU_SOURCE")]
        expected = bare(command, start_new_session=True)
        done = preloaded(command, start_new_session=True)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        self.assertIn(b"system: cancelled", done.out)
        self.assertEqual(site_total(done.report, "afterwards", "allocation_count"), 1000)
        sampled = [row["total_ns"] for row in done.report["cpu"]["functions"] if row["function"] == "afterwards"]
        self.assertGreater(sum(sampled), 100000000)  # of 0.2 s

    def test_return_addresses_that_lead_nowhere(self):
        for settings in ({}, {"UNWINDER": "libunwind"}, {"CHECK_STACKS": "1"}):
            with self.subTest(settings):
                done = preloaded([program("lost_frames.c")], settings=settings)
                self.assertEqual((done.returncode, done.out, done.err), (0, b"alive\n", b""))
                self.assertEqual(site_total(done.report, "allocate", "allocation_count"), 100)

    def test_exceptions_and_jumps(self):
        self.part("exceptions")

    def test_coroutines(self):
        self.assertGreater(self.part("coroutines")["sample_count"], 5)

    def test_coroutines_by_libunwind(self):
        self.part("coroutines", UNWINDER="libunwind")

    def test_coroutines_sampled_anywhere(self):
        self.part("coroutines", SAMPLE_CLOCK="wall")

    def test_main_leaves(self):
        self.part("leaves")

    def test_objects_with_holes(self):
        """The code in one place, the tables for unwinding in another with nothing in between, as node's are."""
        for flags in (("-no-pie",), ("-pie", "-fPIE")):
            command = [program("with_holes.c", *flags, "-Wl,-z,separate-code,-z,max-page-size=0x200000")]
            for unwinder in "auto", "rules", "libunwind":
                done = preloaded(command, settings={"UNWINDER": unwinder, "CHECK_STACKS": "1"})
                self.assertEqual((done.returncode, done.out, done.err), (0, b"", b""))
                skipped = done.report["coverage"]["skipped"]
                self.assertEqual((skipped["unwind"], skipped["check_failed"]), (0, 0), (flags, unwinder))
                (site,) = [site for site in done.report["heap"]["sites"] if site["allocated_bytes"] == 123_400]
                names = [frame["function"] for frame in site["stack"]]
                self.assertEqual(names[:22], ["descend"] * 21 + ["main"])

    def test_plugin_storm(self):
        names = []
        for i in range(4):
            names.append(FOLDER / f"storm{i}.so")
            subprocess.run(["gcc", "-shared", "-fPIC", "-O1", f"-DSIZE={i}", str(PROGRAMS / "life_plugin.c"), "-o",
                            str(names[-1])], check=True)
        self.assertGreater(self.part("storm", *names)["sample_count"], 5)
        self.part("storm", *names, SAMPLE_CLOCK="wall")


if __name__ == "__main__":
    unittest.main(verbosity=2)
