# SPDX-License-Identifier: Apache-2.0
"""Calls that repeat go a short way (preload/io_again.h): whatever comes between, they are counted as by the long way, which is the one
that is taken where stacks come from libunwind; and a kill in the middle loses none."""

import collections
import os
import pathlib
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time
import unittest

import harness
from harness import program

SAME = ("call_count", "error_count", "read_calls", "read_bytes", "write_calls", "write_bytes", "recv_calls", "recv_bytes", "send_calls",
        "send_bytes", "reread_bytes", "sequential_percent", "strided_percent", "aligned_512_percent", "aligned_4096_percent",
        "read_size_histogram", "write_size_histogram")
SEEDS = (1, 2, 3)
DESCRIPTOR = ("number", "path", "kind", "origin", "end", "read_calls", "read_bytes", "reread_bytes", "write_calls", "write_bytes")


def places(run):
    """{(function, line, its callers): what was counted, of each place of the code}"""
    found = {}
    for site in run.report["io"]["sites"]:
        key = (site["function"], site["line"], tuple((frame["function"], frame["line"]) for frame in site["stack"]))
        found.setdefault(key, []).append([str(site[name]) for name in SAME])
    return {key: sorted(rows) for key, rows in found.items()}


def descriptors(run):
    return sorted([[str(row[name]) for name in DESCRIPTOR] for row in run.report["io"]["descriptors"]
                   if not row["path"] or not row["path"].startswith(("pipe", "socket"))])


def cells(blob):
    """How many calls the numbers of a column of buckets are: pairs of what is added to the bucket, and its count."""
    numbers, value, shift = [], 0, 0
    for byte in blob or b"":
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value, shift = 0, 0
    return sum(numbers[1::2])


class Repeats(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=harness.FOLDER)

    def run_once(self, seed, **settings):
        run = harness.preloaded([program("io_repeats.c"), self.folder, str(seed), "1500"], settings=settings)
        self.assertEqual((run.returncode, run.err), (0, b""))
        return run

    def check_against_itself(self, run):
        counted = {}
        for site in run.report["io"]["sites"]:
            if site["function"].endswith("_it"):
                row = counted.setdefault(site["function"], [0, 0])
                row[0] += site["call_count"]
                row[1] += sum(site[f"{way}_bytes"] for way in ("read", "write", "recv", "send"))
        own = {name: [int(calls), int(size)] for name, calls, size in (line.split() for line in run.out.decode().splitlines())}
        self.assertEqual(counted, {name: row for name, row in own.items() if row[0]})

    def check_cells(self, run):
        """Each call that was timed has its latency, and the longest is none that is not there."""
        recording = sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True)
        rows = recording.execute("SELECT call_count, ns, max_ns, latencies FROM io_site").fetchall()
        recording.close()
        self.assertGreater(len(rows), 10)
        for calls, total, longest, latencies in rows:
            self.assertEqual(calls, cells(latencies))
            self.assertTrue(longest <= total <= longest * calls)

    def test_any_order(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                short, long = self.run_once(seed), self.run_once(seed, UNWINDER="libunwind")
                self.check_against_itself(short)
                self.check_against_itself(long)
                self.assertEqual(places(short), places(long))
                self.assertEqual(descriptors(short), descriptors(long))
                self.check_cells(short)

    def test_handlers_of_fork(self):
        """What they write in the child comes before anything of ours knows that it is one."""
        path = pathlib.Path(self.folder, "file")
        run = harness.preloaded([program("atfork_io.c"), str(path)])
        self.assertEqual((run.returncode, run.out, run.err), (0, b"", b""))
        self.assertEqual(collections.Counter(path.read_text()), {"m": 2000, "p": 10, "a": 10, "c": 50, "n": 200})
        self.assertEqual(sum(site["write_calls"] for site in run.report["io"]["sites"] if site["function"] == "write_one"), 2270)

    def test_numbers_are_replaced_while_others_use_them(self):
        """As a log is, that threads write to."""
        run = harness.preloaded([program("io_replaced.c"), os.path.join(self.folder, "file"), "20000"])
        self.assertEqual((run.returncode, run.err), (0, b""))
        reads, writes, places = (int(line) for line in run.out.split())
        sites = [site for site in run.report["io"]["sites"] if site["function"] == "worker"]
        self.assertEqual(sum(site["read_calls"] for site in sites), reads)
        self.assertEqual(sum(site["write_calls"] for site in sites), writes + places)

    def test_killed_in_the_middle(self):
        for turn in range(20):
            counts = pathlib.Path(self.folder, "counts")
            path = harness.FOLDER / f"repeats{turn}.pprf"
            child = subprocess.Popen([program("io_repeats.c"), self.folder, str(turn), "0", str(counts)],
                                     env=dict(harness.clean_environment(), LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(path),
                                              PREPROF_SUMMARY="off"))
            while not counts.exists() or counts.stat().st_size < 192:
                time.sleep(0.01)
            time.sleep(0.05 + turn * 0.013)
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            data = struct.unpack("24Q", counts.read_bytes())
            counts.unlink()
            done = subprocess.CompletedProcess([], 0, b"", b"")
            harness._recording_wait(path, 20)
            run = harness.Run(done, path)
            sums = {}
            for site in run.report["io"]["sites"]:
                sums[site["function"]] = sums.get(site["function"], 0) + site["call_count"]
            for name, index in (("append_it", 2), ("pipe_read_it", 5), ("pipe_write_it", 6)):
                # The last one may be between the call and the program's own count of it, or of ours.
                self.assertLessEqual(abs(sums.get(name, 0) - data[2 * index]), 1, name)


if __name__ == "__main__":
    unittest.main()
