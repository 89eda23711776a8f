#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Endings: status, output and errors as bare, under LD_PRELOAD and under run; the end in the recording; every allocation and
free up to the last instruction.
"""

import os
import signal
import subprocess
import time
import unittest

from harness import Run, bare, program
from tally import WAYS, TallyCase, finish, tallied

# mode: pairs that the way out adds to the 1000, how it ends (a status, or a signal as a negative number)
PLAIN = {
    "return": (30, 45),  # atexit, on_exit, the destructor
    "exit": (30, 40),
    "exit-256": (30, 3),
    "_exit": (0, 41),
    "_Exit": (0, 42),
    "quick_exit": (10, 43),
    "syscall": (0, 44),
    "asm": (0, 44),
    "abort": (0, -signal.SIGABRT),
    "fault": (0, -signal.SIGSEGV),
    "handled-fault": (10, -signal.SIGSEGV),
    "handled-term": (10, 61),
    "trap": (0, -signal.SIGILL),
    "overflow": (0, -signal.SIGSEGV),
    "handled-overflow": (10, -signal.SIGSEGV),
    "rlimit-fsize": (0, -signal.SIGXFSZ),
}
SENT = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT, signal.SIGBUS, signal.SIGFPE, signal.SIGPIPE,
        signal.SIGALRM, signal.SIGSYS, signal.SIGUSR1, signal.SIGXCPU, signal.SIGPROF, signal.SIGRTMIN + 3]
PLAIN.update({f"self-{int(number)}": (0, -int(number)) for number in SENT})
PLAIN.update({f"raise-{int(number)}": (0, -int(number)) for number in SENT[:3]})

# Threads: the loader's vector of a thread is allocated too, so the tally tells how many there were.
THREADED = {
    "main-pthread_exit": 0,
    "main-pthread_exit-exit": 7,
    "main-pthread_exit-raw": 8,
    "thread-fault": -signal.SIGSEGV,
    "thread-cancelled": 44,
    "rlimit-as": -signal.SIGABRT,
}


def endings():
    return program("endings.c", "-Wno-infinite-recursion")


def status_of(end, under_run):
    return 128 - end if end < 0 and under_run else end


class Ending(TallyCase):
    def check(self, command, end, under_run, expected, run=None, **options):
        run = run or tallied(command, under_run, **options)
        self.assertEqual(run.returncode, status_of(end, under_run))
        self.assertEqual((run.out, run.err), (expected.out, expected.err))
        self.check_whole(run)
        self.check_tally(run)
        last = run.rows[-1]
        self.assertEqual((last["exit_code"], last["exit_signal"]), (None, -end) if end < 0 else (end, None))
        self.assertEqual(run.report["target"]["exit"], {"code": last["exit_code"], "signal": last["exit_signal"]})
        self.assertTrue(run.report["coverage"]["complete"])
        return run

    def both(self, command, end, **options):
        expected = bare(command, **options)
        self.assertEqual(expected.returncode, end)
        return [self.check(command, end, under_run, expected, **options) for under_run in WAYS]



class Ends(Ending):
    def test_plain(self):
        for mode, (pairs, end) in PLAIN.items():
            with self.subTest(mode):
                for run in self.both([endings(), mode], int(end)):
                    self.assertEqual(self.counts(run.rows), [(1007 + pairs, 1000 + pairs)])

    def test_threaded(self):
        for mode, end in THREADED.items():
            with self.subTest(mode):
                for run in self.both([endings(), mode], int(end)):
                    self.assertEqual(len(run.rows), 1)
                    self.assertGreaterEqual(run.rows[0]["free_count"], 1000)

    def test_static_objects(self):
        for mode, end in {"return": 52, "exit": 50, "_exit": 51, "throw": -signal.SIGABRT}.items():
            with self.subTest(mode):
                self.both([program("endings_static.cc"), mode], int(end))

    def test_processor_limit(self):
        self.both([endings(), "rlimit-cpu"], -int(signal.SIGXCPU))

    def test_exec(self):
        for mode in ("exec", "exec-raw"):
            with self.subTest(mode):
                for run in self.both([endings(), mode, "_exit"], 41):
                    self.assertEqual(self.counts(run.rows), [(1007, 1000), (1007, 1000)])

    def test_exec_without_environment(self):
        """The tally does not come along, so the counts are those that the program is known to have."""
        for mode in ("exec-empty", "exec-cleared"):
            expected = bare([endings(), mode, "fault"])
            for under_run in WAYS:
                with self.subTest(mode, run=under_run):
                    run = tallied([endings(), mode, "fault"], under_run)
                    self.assertEqual(run.returncode, status_of(-signal.SIGSEGV, under_run))
                    self.assertEqual((run.out, run.err), (expected.out, expected.err))
                    self.check_whole(run)
                    self.assertEqual(self.counts(run.rows), [(1007, 1000), (1007, 1000)])
                    self.assertEqual([row["exit_signal"] for row in run.rows], [None, signal.SIGSEGV])

    def test_exec_behind_our_back(self):
        """A system call that takes the environment away: the image before it is whole, and the end is still told."""
        for under_run in WAYS:
            with self.subTest(run=under_run):
                run = tallied([endings(), "exec-raw-empty", "fault"], under_run)
                self.assertEqual(run.returncode, status_of(-signal.SIGSEGV, under_run))
                self.assertEqual((run.out, run.err), (b"", b""))
                self.assertEqual(self.counts(run.rows), [(1007, 1000)])


def memory_group(limit):
    """A control group with a limit of its own, (folder to remove, file that takes a process); None: not to be had."""
    for base, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = f"{base}/preprof-test-{os.getpid()}"
        try:
            os.mkdir(folder)
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(str(limit))
            return folder, f"{folder}/cgroup.procs"
        except OSError:
            if os.path.isdir(folder):
                os.rmdir(folder)
    return None


class NoMemory(Ending):
    """The kernel's killer; the analyzer is in the same group and smaller than the program."""

    def test_control_group(self):
        group = memory_group(128 << 20)
        if not group:
            self.skipTest("no control group can be made")
        command = ["sh", "-c", f"echo $$ > {group[1]}; exec {endings()} touch"]
        try:
            for under_run in WAYS:
                with self.subTest(run=under_run):
                    run = tallied(command, under_run)
                    self.assertEqual(run.returncode, status_of(-signal.SIGKILL, under_run))
                    self.assertEqual((run.out, run.err), (b"", b""))
                    self.check_whole(run)
                    self.check_tally(run)
                    self.assertEqual(self.counts(run.rows[1:]), [(1007, 1000)])
                    self.assertEqual(run.rows[1]["exit_signal"], signal.SIGKILL)
        finally:
            deadline = time.monotonic() + 10
            while os.path.isdir(group[0]) and time.monotonic() < deadline:
                try:
                    os.rmdir(group[0])
                except OSError:
                    time.sleep(0.05)


class Killed(Ending):
    """By someone else, while it waits."""

    def test_in_the_middle_of_everything(self):
        """Of each thread, what was between the allocator and the record at that instant, and nothing else."""
        for round_number in range(8):
            with self.subTest(round_number):
                run = self.outside(signal.SIGKILL, False, mode="churn", after=0.02 * round_number)
                self.check_whole(run)
                row, (allocations, frees) = run.rows[0], run.tally[run.rows[0]["pid"]]
                self.assertIn(allocations - row["allocation_count"], range(4))
                self.assertIn(row["free_count"] - frees, range(4))
                self.assertEqual((row["exit_signal"], row["unknown_free_count"]), (signal.SIGKILL, 0))

    def outside(self, number, under_run, mode="wait", after=0):
        def through(process, timeout):
            first = process.stdout.readline()
            time.sleep(after)
            if under_run and number == signal.SIGKILL:  # nobody can pass that on
                with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8") as file:
                    command = int(file.read().split()[-1])
                os.kill(command, number)
            else:
                process.send_signal(number)
            out, err = finish(process, timeout)
            return first + out, err

        return tallied([endings(), mode], under_run, through=through)

    def test_waiting(self):
        expected = Run(subprocess.CompletedProcess([], 0, b"ready\n", b""))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT):
            for under_run in WAYS:
                with self.subTest(number.name, run=under_run):
                    run = self.check(None, -int(number), under_run, expected, run=self.outside(number, under_run))
                    self.assertEqual(self.counts(run.rows), [(1007, 1000)])


if __name__ == "__main__":
    unittest.main()
