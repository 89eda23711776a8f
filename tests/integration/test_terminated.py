#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whole groups, sessions, and trees are told to end, as service managers and batch systems do: the
analyzer outlives them and finishes the recording; limits of CPU time and scheduling classes are the program's alone."""

import contextlib
import os
import resource
import signal
import subprocess
import time
import unittest

import harness
from harness import FOLDER, PREPROF, bare, clean_environment, program
from life_cases import processes

_count = 0


def new_path():
    global _count
    _count += 1
    return FOLDER / f"terminated{_count}.pprf"


def descendants(pid):
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            for child in file.read().split():
                found += descendants(int(child))
    return found


class Case(unittest.TestCase):
    def start(self, words, how, ready=1, **options):
        """how: "run" or "preload"; waits until the command has said `ready` so often."""
        path = new_path()
        command = [program("lingers.c"), *words]
        if how == "run":
            environment = clean_environment(PREPROF_SUMMARY="off")
            command = [PREPROF, "run", "--output", str(path), "--", *command]
        else:
            environment = clean_environment(LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(path), PREPROF_SUMMARY="off")
        process = subprocess.Popen(options.pop("before", []) + command, env=environment, stdout=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, start_new_session=True, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for _ in range(ready):
            self.assertEqual(process.stdout.readline(), b"ready\n")
        return process, path

    def finished(self, path, counts):
        harness._recording_wait(path, 20)
        rows = processes(harness.Run(subprocess.CompletedProcess([], 0, b"", b""), path))
        for row in rows:
            self.assertEqual((row["complete"], row["lost"]), (1, 0))
        self.assertEqual(len(rows), len(counts))
        for row, count in zip(rows, counts):
            self.assertGreaterEqual(row["allocation_count"], count)
            self.assertEqual(row["allocation_count"] - count, row["allocation_count"] % 1000)
        return rows


class Groups(Case):
    def group(self, number, how):
        for words, status in (([], None), (["handle"], 3)):
            with self.subTest(number=number, how=how, words=words):
                process, path = self.start(words, how)
                os.killpg(process.pid, number)
                ended = -number if how == "preload" else 128 + number
                self.assertEqual(process.wait(20), ended if status is None or number == signal.SIGKILL else status)
                self.finished(path, [1000])

    def test_terminate(self):
        self.group(signal.SIGTERM, "run")
        self.group(signal.SIGTERM, "preload")

    def test_hang_up(self):
        self.group(signal.SIGHUP, "run")
        self.group(signal.SIGHUP, "preload")

    def test_interrupt(self):
        self.group(signal.SIGINT, "run")
        self.group(signal.SIGINT, "preload")

    def test_kill(self):
        for how, ended in (("run", -9), ("preload", -9)):
            process, path = self.start([], how)
            os.killpg(process.pid, signal.SIGKILL)
            self.assertEqual(process.wait(20), ended)
            self.finished(path, [1000])

    def test_everything_of_a_tree_at_once(self):
        """As systemd does and Slurm: every process there is, the analyzer among them, then after a while SIGKILL."""
        for how in ("run", "preload"):
            with self.subTest(how):
                process, path = self.start(["tree"], how, ready=3)
                found = subprocess.run(["pgrep", "-f", f"preprof-analyzer.*{path}"], capture_output=True, text=True)
                pids = {*descendants(process.pid), *map(int, found.stdout.split())}
                self.assertGreaterEqual(len(pids), 4)
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):  # gone with the one before
                        os.kill(pid, signal.SIGTERM)
                self.assertEqual(process.wait(20), -15 if how == "preload" else 128 + 15)
                self.finished(path, [1000, 1000, 1000])

    def test_timeout(self):
        for more, status in (([], 124), (["-s", "KILL"], -9), (["-k", "5"], 124)):
            with self.subTest(more):
                path = new_path()
                done = subprocess.run(["timeout", *more, "1", PREPROF, "run", "--output", str(path), "--summary=off", "--",
                                       program("lingers.c")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=clean_environment(), stdin=subprocess.DEVNULL, start_new_session=True)
                self.assertEqual((done.stdout, done.stderr), (b"ready\n", b""))
                self.assertEqual(done.returncode, status)
                self.finished(path, [1000])


class Limits(Case):
    def cpu_time(self, words, code):
        def limit():
            resource.setrlimit(resource.RLIMIT_CPU, (1, 3))

        expected = bare([program("lingers.c"), *words], preexec_fn=limit)
        self.assertEqual(expected.returncode, code)
        done = harness.preloaded([program("lingers.c"), *words], preexec_fn=limit)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        rows = self.finished(done.recording, [1000])
        self.assertGreater(rows[0]["sample_count"], 50)  # of one CPU second

    def test_cpu_time_is_up(self):
        self.cpu_time(["burn"], -signal.SIGXCPU)

    def test_cpu_time_is_up_and_that_is_handled(self):
        self.cpu_time(["handle", "busily"], 3)


SEEN = """
import os, sys, threading
def see(): print(os.sched_getscheduler(0), os.sched_getparam(0).sched_priority, os.nice(0), sorted(os.sched_getaffinity(0)))
see()
thread = threading.Thread(target=see); thread.start(); thread.join()
[bytearray(100000) for i in range(1000)]
import subprocess
print(subprocess.run(["/bin/sh", "-c", "nice"], capture_output=True, text=True).stdout)
output = os.environ.get("PREPROF_OUTPUT", "nothing")
children = subprocess.run(["pgrep", "-f", "preprof-analyzer.*" + output], capture_output=True, text=True).stdout.split()
open(sys.argv[1], "w").write(" ".join(str(os.sched_getscheduler(int(child))) for child in children))
"""


class Scheduling(Case):
    def seen(self, prepare):
        result = FOLDER / "analyzers-class"
        command = ["/usr/bin/python3", "-c", SEEN, str(result)]
        try:
            expected = bare(command, preexec_fn=prepare)
        except subprocess.SubprocessError:
            self.skipTest("not permitted here")
        done = harness.preloaded(command, preexec_fn=prepare, settings={"CPU": "1000"})
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        self.assertGreater(done.report["heap"]["allocation_count"], 1000)
        return result.read_text().split()

    def test_first_in_first_out(self):
        self.assertEqual(self.seen(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))), [str(os.SCHED_OTHER)])

    def test_round_robin(self):
        self.assertEqual(self.seen(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))), [str(os.SCHED_OTHER)])

    def test_nice(self):
        self.seen(lambda: os.nice(7))

    def test_one_processor(self):
        self.seen(lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}))

    def test_first_in_first_out_on_one_processor(self):
        """The analyzer's turn comes only where the program waits."""

        def prepare():
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))

        self.seen(prepare)


if __name__ == "__main__":
    unittest.main(verbosity=2)
