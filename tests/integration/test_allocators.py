#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Other allocators, wherever they come from: the program is as without us, its events are seen once, or it is said why not."""

import pathlib
import subprocess
import unittest

import harness
from harness import bare, preloaded, program, site_total, under_run

FOLDER = "/usr/lib/x86_64-linux-gnu/"
# Whether its operator new fails by an exception (Debian's mimalloc ends the program).
ALLOCATORS = {"libjemalloc.so.2": True, "libtcmalloc_minimal.so.4": True, "libtcmalloc.so.4": True,
              "libmimalloc.so.2.0": False}
SITES = (("site_new()", 10, 40), ("site_new_array()", 10, 500), ("site_new_nothrow()", 10, 600),
         ("site_new_aligned()", 10, 1920))


def before_us(command, path):
    """The other library is named first in LD_PRELOAD."""
    harness._count += 1
    recording = harness.FOLDER / f"before{harness._count}.pprf"
    environment = harness.clean_environment(LD_PRELOAD=f"{path}:{harness.LIBRARY}", PREPROF_OUTPUT=str(recording),
                                            PREPROF_SUMMARY="off")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60,
                          env=environment)
    harness._recording_wait(recording, 20)
    return harness.Run(done, recording)


class Allocators(unittest.TestCase):
    def all(self, check):
        found = [name for name in ALLOCATORS if pathlib.Path(FOLDER + name).exists()]
        if not found:
            self.skipTest("no other allocator is installed")
        for name in found:
            with self.subTest(name):
                check(name)

    def ways(self, source, name, *arguments, flags=()):
        """(how, the profiled run, what it must be like)"""
        plain = [program(source, *flags), *arguments]
        linked = [program(source, *flags, "-Wl,--no-as-needed", f"-l:{name}"), *arguments]
        environment = harness.clean_environment(LD_PRELOAD=FOLDER + name, PREPROF_SUMMARY="off")
        alone = bare(plain, env=environment)
        return (("behind", preloaded(plain, behind=FOLDER + name), alone), ("linked", preloaded(linked), bare(linked)),
                ("run", under_run(plain, env=environment), alone))

    def same(self, run, expected):
        status = expected.returncode
        self.assertIn(run.returncode, (status, 128 - status))
        self.assertEqual((run.out, run.err), (expected.out, expected.err))

    def operators(self, name):
        throws = ALLOCATORS[name]
        for how, run, expected in self.ways("operators.cc", name, *([] if throws else ["plain"]), flags=("-std=c++17",)):
            with self.subTest(how):
                self.same(run, expected)
                for function, count, size in SITES:
                    self.assertEqual(site_total(run.report, function, "allocation_count"), count, function)
                    self.assertEqual(site_total(run.report, function, "allocated_bytes"), size, function)
                    self.assertEqual(site_total(run.report, function, "live_count"), 0, function)
                self.assertEqual(site_total(run.report, "site_new_leak()", "live_bytes"), 333)
                self.assertEqual(run.report["heap"]["failed_count"], 5 if throws else 0)
                self.assertEqual(run.report["heap"]["unknown_free_count"], 0)

    def test_operators(self):
        self.all(self.operators)

    def functions(self, name):
        for how, run, expected in self.ways("handover.c", name, "1", "5000", "7"):
            with self.subTest(how):
                self.same(run, expected)
                self.assertEqual(site_total(run.report, "produce", "allocation_count"), 10000)
                self.assertEqual(site_total(run.report, "produce", "live_count"), 7)
                self.assertEqual(site_total(run.report, "consume", "live_count"), 0)
                self.assertEqual(run.report["heap"]["unknown_free_count"], 0)
        for how, run, expected in self.ways("family.c", name):
            with self.subTest(how):
                self.same(run, expected)

    def test_functions(self):
        self.all(self.functions)

    def before(self, name):
        alone = bare([program("family.c")], env=harness.clean_environment(LD_PRELOAD=FOLDER + name))
        run = before_us([program("family.c")], FOLDER + name)
        if b"errno 2\n" in alone.out:  # the allocator's own, at its first use, which comes earlier with us
            run.out = run.out.replace(b"errno 77\n", b"errno 2\n")
        self.same(run, alone)
        alone = bare([program("threads.c", "-D_GNU_SOURCE"), "errors"],
                     env=harness.clean_environment(LD_PRELOAD=FOLDER + name))
        run = before_us([program("threads.c", "-D_GNU_SOURCE"), "errors"], FOLDER + name)
        self.same(run, alone)
        self.assertGreater(run.report["cpu"]["sample_count"], 50)
        self.assertIsNone(run.report["heap"])
        said = run.report["coverage"]["not_observed"]
        self.assertEqual(len([text for text in said if "preloaded before libpreprof.so" in text]), 1, said)

    def test_before_us(self):
        self.all(self.before)

    def test_defined_by_the_program(self):
        expected = bare([program("defines_malloc.c")])
        self.assertEqual(expected.out, b"kept text\nsome calls: 1\n")
        for run in (preloaded([program("defines_malloc.c")]), under_run([program("defines_malloc.c")])):
            self.assertEqual((run.returncode, run.out, run.err), (expected.returncode, expected.out, expected.err))
            self.assertIsNone(run.report["heap"])
            self.assertGreater(run.report["cpu"]["sample_count"], 5)
            said = run.report["coverage"]["not_observed"]
            self.assertEqual(len([text for text in said if "defines malloc itself" in text]), 1, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
