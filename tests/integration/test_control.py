#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""When to record: DELAY, DURATION and the start, stop and snapshot signals; wrong values of any setting."""

import os
import signal
import subprocess
import time
import unittest

import harness
from harness import program, site_total


class Control(unittest.TestCase):
    def ticks(self, milliseconds, settings, act=None):
        """Under LD_PRELOAD; act is called with the running process. Returns ticks made, ticks recorded, the report."""
        path = harness.FOLDER / f"{self.id()}.pprf"
        environment = harness.clean_environment(LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(path), PREPROF_SUMMARY="off",
                                                **{f"PREPROF_{key}": value for key, value in settings.items()})
        process = subprocess.Popen([program("ticks.c"), str(milliseconds)], env=environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"started\n")
        if act:
            act(process, path)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (0, b""))
        harness._recording_wait(path, 20)
        report = harness.Run(subprocess.CompletedProcess([], 0, out, err), path).report
        return int(out), site_total(report, "tick", "allocation_count"), report

    def test_whole(self):
        made, recorded, report = self.ticks(500, {})
        self.assertEqual(made, recorded)
        self.assertEqual(report["coverage"]["not_observed"], [])

    def test_delay(self):
        made, recorded, report = self.ticks(1500, {"DELAY": "1"})
        self.assertGreater(recorded, 0)
        self.assertLess(recorded, made * 0.6)
        self.assertTrue(any("later than its start" in sentence for sentence in report["coverage"]["not_observed"]))
        self.assertGreater(report["cpu"]["sample_count"], 0)

    def test_duration(self):
        made, recorded, report = self.ticks(1500, {"DURATION": "0.5"})
        self.assertGreater(recorded, 0)
        self.assertLess(recorded, made * 0.6)
        self.assertTrue(any("stopped before its end" in sentence for sentence in report["coverage"]["not_observed"]))

    def test_signals(self):
        def act(process, _path):
            time.sleep(0.5)
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.4)
            process.send_signal(signal.SIGUSR2)

        made, recorded, _report = self.ticks(1500, {"START_SIGNAL": "USR1", "STOP_SIGNAL": "SIGUSR2"}, act)
        self.assertGreater(recorded, 10)
        self.assertLess(recorded, made * 0.6)

    def test_snapshot(self):
        seen = []

        def act(process, path):
            time.sleep(0.4)
            self.assertFalse(path.exists(), "the first regular publication comes after 2 s")
            process.send_signal(signal.SIGUSR1)
            for _ in range(100):
                if path.exists():
                    break
                time.sleep(0.02)
            seen.append(harness.Run(subprocess.CompletedProcess([], 0, b"", b""), path).report)

        made, recorded, _report = self.ticks(1500, {"SNAPSHOT_SIGNAL": "USR1"}, act)
        self.assertEqual(made, recorded)
        self.assertTrue(seen[0]["target"]["running"])
        self.assertGreater(site_total(seen[0], "tick", "allocation_count"), 10)
        self.assertLess(site_total(seen[0], "tick", "allocation_count"), made)


class WrongValues(unittest.TestCase):
    CASES = {"CPU": "fast", "HEAP": "sampled=", "FULL_PIPE": "maybe", "CHILDREN": "some", "SUMMARY": "yes", "DELAY": "-1",
             "DURATION": "1h", "START_SIGNAL": "KILL", "UNWINDER": "magic", "CHECK_STACKS": "often"}

    def test_preloaded_runs_unprofiled_after_one_line(self):
        for name, value in self.CASES.items():
            run = harness.bare(["/bin/echo", "hello"], env=harness.clean_environment(
                LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(harness.FOLDER / "wrong.pprf"), **{f"PREPROF_{name}": value}))
            self.assertEqual((run.returncode, run.out), (0, b"hello\n"))
            self.assertEqual(run.err.count(b"\n"), 1, run.err)
            for part in (f"PREPROF_{name}", f"'{value}'", "allowed: ", "runs unprofiled"):
                self.assertIn(part.encode(), run.err)
            self.assertFalse((harness.FOLDER / "wrong.pprf").exists())

    def test_run_starts_nothing(self):
        for name, value in self.CASES.items():
            option = "--" + name.lower().replace("_", "-")
            run = harness.bare([harness.PREPROF, "run", option, value, "--", "/bin/echo", "hello"])
            self.assertEqual((run.returncode, run.out), (125, b""), name)
            self.assertEqual(run.err.count(b"\n"), 1, run.err)
            self.assertIn(value.encode(), run.err)


if __name__ == "__main__":
    os.umask(0o077)
    unittest.main(verbosity=2)
