# SPDX-License-Identifier: Apache-2.0
"""Waits: how often, where and for how long threads waited for what, beside what strace measures; each thread's wall time is
its CPU time, its waits and a rest that is small; and waits that are interrupted, cancelled, jumped out of or never end."""

import collections
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import harness
from harness import program

LINKS = ("-pthread",)
PAUSE_NS = 60_000_000
PAIRED = {"mutex", "rwlock", "barrier"}
CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+).*<(\d+\.\d+)>$")
# What waits, of what the kernel is asked for; the rest a thread does by number, unseen.
BLOCKING = {"futex", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "clock_nanosleep", "wait4", "read",
            "rt_sigtimedwait", "pause", "rt_sigsuspend"}


def waits_of(run):
    """{(operation, errno): calls} of the recording."""
    rows = sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True).execute(
        "SELECT operation, errno, sum(call_count) FROM v_waits GROUP BY operation, errno")
    return {(operation, error): calls for operation, error, calls in rows}


def thread_of(report, name):
    (thread,) = [thread for thread in report["waits"]["threads"] if thread["name"] == name]
    return thread


def site_of(report, function):
    (site,) = [site for site in report["waits"]["sites"] if site["function"] == function]
    return site


class Kinds(unittest.TestCase):
    """A thread for each thing that can be waited for."""

    @classmethod
    def setUpClass(cls):
        cls.command = [program("waits.c", *LINKS), "kinds"]
        cls.run_ = harness.preloaded(cls.command)
        cls.report = cls.run_.report

    def test_behaves_as_bare(self):
        bare = harness.bare(self.command)
        self.assertEqual((self.run_.returncode, self.run_.out, self.run_.err), (bare.returncode, bare.out, bare.err))

    def test_complete(self):
        self.assertTrue(self.report["coverage"]["complete"], self.report["coverage"])

    def test_every_wait_once(self):
        found = waits_of(self.run_)
        # 17 threads and two by one of them; 5 waits of 2 threads for the turns' barrier and 6 for the other's ends
        expected = {("condition", 110): 4, ("semaphore", 110): 2, ("poll", 0): 2, ("select", 0): 2, ("epoll_wait", 0): 2,
                    ("sleep", 0): 4, ("futex", 110): 2, ("sigwait", 11): 2, ("mutex", 0): 2, ("rwlock", 0): 2, ("join", 0): 19,
                    ("barrier", 0): 4 + 3 * 6}
        self.assertEqual({key: found.get(key) for key in expected}, expected)
        self.assertGreaterEqual(found[("waitpid", 0)], 3)
        self.assertEqual(set(found) - set(expected), {("waitpid", 0)})

    def test_by_kind_of_wait(self):
        for name, kind in (("condition", "condition"), ("clockwait", "condition"), ("semaphore", "condition"), ("join", "join"),
                           ("poll", "poll"), ("select", "poll"), ("epoll", "poll"), ("sleep", "sleep"), ("c11", "sleep"),
                           ("sigwait", "signal"), ("futex", "condition"), ("mutex", "lock"), ("rwlock", "lock"),
                           ("barrier", "condition")):
            with self.subTest(name):
                threads = [thread for thread in self.report["waits"]["threads"] if thread["name"] == name]
                thread = max(threads, key=lambda thread: thread["blocked_ns"])
                # Who comes late to a lock or a barrier waits the less.
                self.assertGreaterEqual(thread["blocked"][kind + "_ns"], 2 * PAUSE_NS * (0.7 if name in PAIRED else 0.99))
                self.assertLessEqual(thread["blocked"][kind + "_ns"], thread["wall_ns"])

    def test_the_rest_is_small(self):
        for name in ("condition", "clockwait", "semaphore", "poll", "select", "epoll", "sleep", "c11", "sigwait", "futex",
                     "mutex", "rwlock", "barrier", "compute"):
            with self.subTest(name):
                thread = thread_of(self.report, name)
                self.assertEqual(thread["wall_ns"], thread["cpu_ns"] + thread["blocked_ns"] + thread["rest_ns"])
                self.assertLess(thread["rest_ns"], 0.05 * thread["wall_ns"] + thread["run_delay_ns"])

    def test_computing_is_no_wait(self):
        thread = thread_of(self.report, "compute")
        self.assertGreaterEqual(thread["cpu_ns"], 2 * PAUSE_NS)
        self.assertEqual(thread["blocked_ns"], 0)

    def test_by_line(self):
        site = site_of(self.report, "do_mutex")
        self.assertEqual((site["line"], site["call_count"], site["operations"], site["unfinished_ns"]),
                         (harness.line_of("waits.c", "mutex"), 2, {"mutex": 2}, 0))
        self.assertGreaterEqual(site["latency"]["max_ns"], PAUSE_NS * 0.9)

    def test_a_wait_is_no_io(self):
        operations = collections.Counter()
        for site in self.report["io"]["sites"]:
            operations.update(site["operations"])
        self.assertEqual(operations["read"], 1)
        self.assertFalse({"poll", "sleep", "mutex", "condition"} & set(operations))


class Strace(unittest.TestCase):
    def traced(self):
        """{thread's name: (blocked, strace's sum of calls of 10 ms and more, and of shorter ones)}, of one run."""
        with tempfile.NamedTemporaryFile("r", dir=harness.FOLDER) as log, tempfile.TemporaryDirectory(dir=harness.FOLDER) as folder:
            recording = f"{folder}/traced.pprf"
            environment = harness.clean_environment(PREPROF_SUMMARY="off", PREPROF_OUTPUT=recording)
            done = subprocess.run(["strace", "-f", "-T", "-qq", "-s", "0", "-o", log.name, "-E", f"LD_PRELOAD={harness.LIBRARY}",
                                   program("waits.c", *LINKS), "kinds"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=120, env=environment)
            if done.returncode != 0:
                self.skipTest("strace cannot trace here")
            sums, short = collections.Counter(), collections.Counter()
            for line in log.read().splitlines():
                match = CALL.match(line)
                if match and match.group(2) in BLOCKING:
                    ns = int(float(match.group(3)) * 1e9)
                    (sums if ns >= 10_000_000 else short)[int(match.group(1))] += ns
            harness._recording_wait(harness.pathlib.Path(recording), 20)
            rows = sqlite3.connect(f"file:{recording}?mode=ro", uri=True).execute("SELECT * FROM v_threads")
            names = [column[0] for column in rows.description]
            rows = [dict(zip(names, row)) for row in rows]
        return {row["name"]: (sum(row[name] for name in names if name.startswith("blocked_")), sums[row["tid"]], short[row["tid"]])
                for row in rows if sums[row["tid"]] >= PAUSE_NS and row["name"] not in ("late", "waits")}

    def test_blocked_time_is_that_of_strace(self):
        """The same run, seen by both. What strace keeps a thread stopped for is in our time and not in strace's: on a machine
        that does much else a run may be spoiled, so each thread has several."""
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        good = set()
        for _ in range(5):
            found = self.traced()
            good |= {name for name, (blocked, sum_ns, short_ns) in found.items() if 0.95 * sum_ns <= blocked <= 1.05 * (sum_ns + short_ns)}
            if good >= set(found):
                break
        self.assertEqual(set(found) - good, set(), found)
        self.assertGreaterEqual(len(good), 13)


class Left(unittest.TestCase):
    """Waits that do not come to their end."""

    @classmethod
    def setUpClass(cls):
        cls.command = [program("waits.c", *LINKS), "left"]
        cls.run_ = harness.preloaded(cls.command)
        cls.report = cls.run_.report

    def test_behaves_as_bare(self):
        bare = harness.bare(self.command)
        self.assertEqual((bare.returncode, self.run_.returncode, self.run_.err), (0, 0, b""))

    def test_cancelled(self):
        found = waits_of(self.run_)
        for operation in ("condition", "poll", "semaphore", "join"):
            self.assertEqual(found[(operation, 125)], 1, operation)
        self.assertEqual(site_of(self.report, "cancelled_poll")["errors"], {"ECANCELED": 1})
        self.assertGreaterEqual(site_of(self.report, "cancelled_poll")["total_ns"], PAUSE_NS * 0.9)

    def test_never_ended(self):
        site = site_of(self.report, "stays_in_mutex")
        self.assertEqual((site["line"], site["call_count"], site["operations"]), (harness.line_of("waits.c", "stays"), 0, {"mutex": 0}))
        self.assertEqual(site["unfinished_ns"], site["total_ns"])
        self.assertGreaterEqual(site["total_ns"], 5 * PAUSE_NS)
        blocked = [thread["blocked"] for thread in self.report["waits"]["threads"]]
        self.assertEqual(sum(row["lock_ns"] > 5 * PAUSE_NS for row in blocked), 1)
        self.assertEqual(sum(row["read_write_ns"] > 5 * PAUSE_NS for row in blocked), 2)

    def test_jumped_out_of(self):
        """What follows a jump is not taken for the wait, once it computes."""
        self.assertFalse([site for site in self.report["waits"]["sites"] if "pause" in site["operations"]])


class Locks(unittest.TestCase):
    def test_mutexes_of_every_kind_protect(self):
        """Normal, recursive, error checking, adaptive, robust, lending priority; threads and a process; one holder dies."""
        command = [program("waits.c", *LINKS), "contended", "60000"]
        run = harness.preloaded(command)
        self.assertEqual((run.returncode, run.out, run.err), (0, b"180000\n", b""))

    def test_off(self):
        run = harness.preloaded([program("waits.c", *LINKS), "kinds"], settings={"IO": "off"})
        self.assertEqual((run.returncode, run.report["waits"], run.report["io"]), (0, None, None))


class Python(unittest.TestCase):
    def test_a_thread_of_python(self):
        code = ("import threading, time, queue\nq = queue.Queue()\n"
                "def work():\n    q.get()\n    time.sleep(0.2)\n"
                "t = threading.Thread(target=work); t.start(); time.sleep(0.2); q.put(1); t.join()\n")
        report = harness.preloaded(["/usr/bin/python3", "-c", code]).report
        (worker,) = [thread for thread in report["waits"]["threads"] if thread["wall_ns"] > 350e6 and thread["blocked"]["sleep_ns"] and
                     thread["blocked"]["condition_ns"] > 150e6 and thread["tid"] != thread["pid"]]
        self.assertGreaterEqual(worker["blocked"]["sleep_ns"], 199e6)
        self.assertLess(worker["rest_ns"], 0.05 * worker["wall_ns"] + (worker["run_delay_ns"] or 0))  # it may be gone by then
        self.assertTrue([site for site in report["waits"]["sites"] if site["function"] == "work" and "sleep" in site["operations"]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
