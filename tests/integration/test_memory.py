#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Target and analyzer in a control group that has too little memory for what the target does: whichever of them the kernel
kills, the other goes on, the recording is there, and the reason is told. Skipped where no such group can be made."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess
import time
import unittest

import harness
from harness import FOLDER, LIBRARY, clean_environment, program, site_total

MIB = 1 << 20
DIED = b"preprof: profiling stopped: the analyzer has died; the program continues\n"


class Group:
    """A control group of our own with a limit on memory: of version 1's memory controller, or of version 2."""

    def __init__(self, name):
        for root, limit, kills in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"),
                                   ("/sys/fs/cgroup", "memory.max", "memory.events")):
            self.path = pathlib.Path(root) / f"preprof-test-{name}-{os.getpid()}"
            self.limit_name, self.kills_name = limit, kills
            try:
                self.path.mkdir()
            except OSError as error:
                self.reason = f"{self.path}: {error.strerror}"
                continue
            if (self.path / limit).exists():
                return
            self.path.rmdir()
            self.reason = f"{self.path}: has no {limit}"
        raise unittest.SkipTest(f"no control group with a memory limit can be made here ({self.reason})")

    def limit(self, size):
        (self.path / self.limit_name).write_text(str(size))

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def members(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def kills(self):
        for line in (self.path / self.kills_name).read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return None

    def remove(self):
        if not self.path.exists():
            return
        deadline = time.monotonic() + 20
        while self.members() and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in self.members():
            os.kill(pid, 9)
        with contextlib.suppress(OSError):
            self.path.rmdir()


class Limited(unittest.TestCase):
    def start(self, blocks, size, limit):
        self.group = Group(self._testMethodName)
        self.addCleanup(self.group.remove)
        self.group.limit(limit)
        self.path = FOLDER / f"{self._testMethodName}.pprf"
        self.path.unlink(missing_ok=True)
        environment = clean_environment(LD_PRELOAD=str(LIBRARY), PREPROF_OUTPUT=str(self.path), PREPROF_SUMMARY="off")
        self.process = subprocess.Popen([program("eats.c"), str(blocks), str(size)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                                        preexec_fn=self.group.enter)
        self.addCleanup(self.process.kill)
        self.assertEqual(self.process.stdout.read(6), b"ready\n")

    def analyzer(self):
        others = [pid for pid in self.group.members() if pid != self.process.pid]
        self.assertEqual(len(others), 1)
        return others[0]

    def wait_until(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertTrue(condition())

    def report(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as base:
            self.assertEqual(base.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        return harness.Run(subprocess.CompletedProcess([], 0, b"", b""), self.path).report

    def test_the_target_is_killed(self):
        self.start(100000, 100000, 48 * MIB)
        self.wait_until(lambda: harness.named(self.path))  # what the kernel had counted before is known by then
        out, err = self.process.communicate(b"go\n", timeout=60)
        self.assertEqual((self.process.returncode, err), (-9, b""))
        self.wait_until(lambda: not self.group.members())
        report = self.report()
        self.assertEqual(report["target"]["running"], False)
        self.assertIn(report["target"]["exit"], ({"code": None, "signal": 9}, {"code": None, "signal": None}))
        self.assertIn(site_total(report, "eat", "allocation_count"), (len(out), len(out) + 1))
        if self.group.kills() is not None:
            self.assertIn("killed by the kernel for want of memory", " ".join(report["coverage"]["not_observed"]))

    def test_the_analyzer_is_killed(self):
        for _ in range(8):  # the kernel may choose the program all the same
            self.start(200, 100000, 32 * MIB)
            self.wait_until(lambda: harness.named(self.path))
            (pathlib.Path("/proc") / str(self.analyzer()) / "oom_score_adj").write_text("1000")
            out, err = self.process.communicate(b"go\n", timeout=60)
            if self.process.returncode != -9:
                break
            self.wait_until(lambda: not self.group.members())
            self.group.remove()
        self.assertEqual((self.process.returncode, out, err), (6, b"." * 200, DIED))
        self.assertIn(self.group.kills(), (1, None))
        report = self.report()
        self.assertEqual((report["target"]["running"], report["coverage"]["complete"]), (True, False))

    def test_the_analyzer_keeps_to_its_part(self):
        """A quarter of the group's limit, or it ends with what it has: the target is not killed for what we need."""
        self.start(6000000, 16, 512 * MIB)
        out, err = self.process.communicate(b"go\n", timeout=120)
        self.assertEqual((self.process.returncode, out, err), (6, b"", DIED))
        self.assertIn(self.group.kills(), (0, None))
        self.wait_until(lambda: not self.group.members())
        report = self.report()
        self.assertEqual((report["target"]["running"], report["coverage"]["complete"]), (True, False))
        self.assertIn("used up its memory of 128 MiB", " ".join(report["coverage"]["not_observed"]))
        self.assertLess(report["coverage"]["overhead"]["analyzer_max_rss_bytes"], 260 * MIB)
        recorded = report["heap"]["allocation_count"]
        self.assertTrue(1000000 < recorded < 6000000, recorded)
        self.assertEqual(recorded, report["heap"]["live_count"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
