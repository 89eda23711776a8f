#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Processes that come when their tree seems to have ended: they are in its recording, or in one of their own; none is in
neither."""

import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import harness
from harness import BUILD, FOLDER, LIBRARY, SOURCE, clean_environment, program
from life_cases import called, processes

# What is told from outside, as it is not seen by the library.
LINGERS_S = 0.7


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it does not come")
        time.sleep(0.005)


def analyzers(path):
    done = subprocess.run(["pgrep", "-f", f"preprof-analyzer.*{re.escape(str(path))}"], stdout=subprocess.PIPE)
    return [int(word) for word in done.stdout.split()]


def children(pid):
    return subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE).stdout.split()


def open_end(fifo):
    """False: nobody waits at the other end."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


class Gated(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(FOLDER) / self.id().rsplit(".", 1)[-1]
        self.folder.mkdir()
        self.gate = self.folder / "gate"
        self.output = self.folder / "out.pprf"
        self.library = program("gate.c", "-shared", "-fPIC", f"-I{SOURCE / 'preload'}")
        self.started = []

    def tearDown(self):
        self.open()
        for process in self.started:
            process.kill()
            process.communicate()
        for pid in analyzers(self.output):
            os.kill(pid, signal.SIGCONT)

    def environment(self, preload, **more):
        return clean_environment(LD_PRELOAD=preload, PREPROF_OUTPUT=str(self.output), PREPROF_SUMMARY="off",
                                 GATE=str(self.gate), **more)

    def start(self, command, environment):
        self.started.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                             stderr=subprocess.PIPE))
        return self.started[-1]

    def reached(self):
        wait_until(pathlib.Path(f"{self.gate}.reached").exists)

    def open(self):
        pathlib.Path(f"{self.gate}.open").touch()

    def rows(self):
        """Of the one recording that there is, when the tree has ended."""
        wait_until(lambda: not analyzers(self.folder))
        self.assertEqual([path.name for path in self.folder.glob("*.pprf*")], ["out.pprf"])
        run = harness.Run(subprocess.CompletedProcess([], 0, b"", b""), self.output)
        self.assertFalse(run.report["target"]["running"])
        return processes(run)


class KilledAmid(Gated):
    """Whoever is killed while it starts a child cannot say any more that it has started one."""

    def check(self, command, name, release):
        process = self.start(command, self.environment(f"{LIBRARY}:{self.library}", GATE_AT="start", GATE_NAME=name))
        release(process)
        self.reached()
        deadline = time.monotonic() + LINGERS_S
        while analyzers(self.output) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.open()
        rows = self.rows()
        self.assertEqual(len(rows), 2, rows)
        self.assertEqual(rows[0]["exit_signal"], signal.SIGKILL)
        self.assertEqual(rows[1]["parent_id"], rows[0]["id"])

    def test_posix_spawn(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)

        def release(process):
            self.assertEqual(process.stdout.readline(), b"now\n")
            wait_until(lambda: children(process.pid))
            process.kill()
            process.wait()
            wait_until(lambda: open_end(fifo))

        self.check([program("late_child.c"), "spawn", str(fifo)], "true", release)

    def kill_when_reached(self, process):
        self.reached()
        process.kill()
        process.wait()

    def test_system(self):
        self.check([program("late_child.c"), "system"], "sh", self.kill_when_reached)

    def test_wordexp(self):
        self.check([program("late_child.c"), "wordexp"], "sh", self.kill_when_reached)


class LastPublication(Gated):
    """Who connects while the last recording is being written is not left standing at the door."""

    def test_joins(self):
        analyzer = self.folder / "analyzer"
        analyzer.write_text("#!/bin/sh\nexec env ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS GATE_AT=rename "
                            f"LD_PRELOAD={self.library} '{BUILD / 'preprof-analyzer'}' \"$@\"\n")
        analyzer.chmod(0o755)
        environment = self.environment(str(LIBRARY), PREPROF_ANALYZER=str(analyzer))
        first = self.start(["/bin/sh", "-c", "env; exit 5"], environment)
        out, err = first.communicate(timeout=60)
        self.assertEqual((first.returncode, err), (5, b""))
        session = re.search(r"^PREPROF_SESSION=(.*)$", out.decode(), re.M)[1]
        self.reached()
        late = self.start([program("late_child.c"), "allocate", "321"], dict(environment, PREPROF_SESSION=session))
        self.assertEqual(late.communicate(timeout=60), (b"", b""))
        self.assertEqual(late.returncode, 0)
        self.open()
        rows = self.rows()
        self.assertEqual([row["allocation_count"] for row in called(rows, "late_child")], [321])


class StoppedAnalyzer(Gated):
    """Messages that nobody reads hold nobody up more than once."""

    def test_spawns(self):
        environment = self.environment(str(LIBRARY))
        process = self.start([program("late_child.c"), "many", "400"], environment)
        wait_until(lambda: analyzers(self.output))
        for pid in analyzers(self.output):
            os.kill(pid, signal.SIGSTOP)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (0, b"400\n"))
        for pid in analyzers(self.output):
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not analyzers(self.folder))


if __name__ == "__main__":
    unittest.main(verbosity=2)
