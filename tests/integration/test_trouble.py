#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
When preprof itself is in trouble: the analyzer killed, stopped or out of memory, the disk full, no folder to write to. The
program goes on untouched, what was published stays intact and says how far it goes.
"""

import contextlib
import os
import pathlib
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from harness import FOLDER, LIBRARY, PREPROF, clean_environment, program

DIED = b"preprof: profiling stopped: the analyzer has died; the program continues\n"


def analyzer_of(path):
    for _ in range(500):
        found = subprocess.run(["pgrep", "-f", f"preprof-analyzer.*{path}"], stdout=subprocess.PIPE).stdout.split()
        if found:
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("no analyzer")


def has_ended(pid):
    """With all threads. Its descriptors are closed then, which they are not yet when kill returns."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in "ZX" and len(os.listdir(f"/proc/{pid}/task")) == 1
    except OSError:
        return True


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


class Trouble(unittest.TestCase):
    maxDiff = None

    def start(self, path, blocks=1000, under_run=False, **options):
        environment = clean_environment(**options.pop("settings", {"PREPROF_SUMMARY": "off"}))
        command = [program("lasts.c"), str(blocks)]
        if under_run:
            command = [PREPROF, "run", "--output", str(path), "--", *command]
        else:
            environment.update(LD_PRELOAD=str(LIBRARY), PREPROF_OUTPUT=str(path))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment, **options)
        self.assertEqual(self.process.stdout.readline(), b"ready\n")
        return self.process

    def end(self):
        out, err = self.process.communicate(timeout=30)
        self.assertEqual((self.process.returncode, out), (6, b"end\n"))
        return err

    def report(self, path):
        return harness.Run(subprocess.CompletedProcess([], 0, b"", b""), path).report

    def intact(self, path):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            self.assertEqual(base.execute("PRAGMA integrity_check").fetchall(), [("ok",)])

    def check_up_to_publication(self, path, blocks=1000):
        self.intact(path)
        report = self.report(path)
        self.assertTrue(report["target"]["running"])
        self.assertFalse(report["coverage"]["complete"])
        self.assertIn("was still running when this was recorded: once it has ended, report again",
                      report["coverage"]["not_observed"][0])
        self.assertGreaterEqual(report["heap"]["allocation_count"], blocks)
        self.assertEqual(report["heap"]["live_count"] >= blocks, True)


class Analyzer(Trouble):
    def test_killed(self):
        for under_run in (False, True):
            with self.subTest(run=under_run):
                path = FOLDER / f"killed{under_run}.pprf"
                self.start(path, under_run=under_run)
                self.assertTrue(wait_until(lambda: harness.named(path)))
                os.kill(analyzer_of(path), signal.SIGKILL)
                err = self.end()
                self.assertEqual(err.count(b"\n"), 1, err)
                self.assertIn(b"analyzer", err)
                if not under_run:
                    self.assertEqual(err, DIED)
                self.check_up_to_publication(path)

    def orphaned(self, process, path):
        """What it says, once its analyzer is dead and it goes on."""
        self.assertEqual(process.stdout.readline(), b"ready\n")
        self.assertTrue(wait_until(lambda: harness.named(path)))
        analyzer = analyzer_of(path)
        os.kill(analyzer, signal.SIGKILL)
        self.assertTrue(wait_until(lambda: has_ended(analyzer)))
        return process.communicate(b"\n", timeout=60)

    def test_children_of_a_killed_one(self):
        """They run as they would, and none begins a recording of its own: a server may have thousands."""
        begin = "import os, subprocess, sys; print('ready', flush=True); sys.stdin.readline()"
        codes = {
            "fork": "for i in range(5):\n if not os.fork(): os._exit(3)\n print(os.wait()[1] >> 8)",
            "vfork": "for i in range(5): print(subprocess.run(['/bin/sh', '-c', 'exit 4']).returncode)",
            "spawn": "for i in range(5): print(os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 5'], os.environ), 0)[1] >> 8)",
            "system": "for i in range(5): print(os.system('/bin/true; exit 6') >> 8)",
        }
        for number, (name, code) in enumerate(codes.items()):
            with self.subTest(name):
                path = FOLDER / name / "out.pprf"
                path.parent.mkdir()
                environment = clean_environment(PREPROF_SUMMARY="off", LD_PRELOAD=str(LIBRARY), PREPROF_OUTPUT=str(path))
                process = subprocess.Popen([sys.executable, "-c", f"{begin}\n{code}"], stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
                out, err = self.orphaned(process, path)
                self.assertEqual((process.returncode, out, err), (0, b"%d\n" % (3 + number) * 5, DIED))
                self.assertEqual([found.name for found in path.parent.iterdir()], ["out.pprf"])
                self.intact(path)

    def test_line_in_a_file_of_the_program(self):
        """A server that has made descriptor 2 its own file by the time that its analyzer dies finds nothing of ours there."""
        path, own = FOLDER / "redirected.pprf", FOLDER / "redirected.txt"
        code = ("import os, sys; os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 2); print('ready', flush=True);"
                "sys.stdin.readline(); os.fork() or os._exit(3); os.wait(); os.write(2, b'its own')")
        process = subprocess.Popen([sys.executable, "-c", code, str(own)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=clean_environment(PREPROF_SUMMARY="off",
                                                                                 LD_PRELOAD=str(LIBRARY),
                                                                                 PREPROF_OUTPUT=str(path)))
        out, err = self.orphaned(process, path)
        self.assertEqual((process.returncode, out, err, own.read_bytes()), (0, b"", b"", b"its own"))

    def test_killed_early(self):
        """Within the first second there is a recording already, though without names."""
        bare = 0
        for attempt in range(6):
            path = FOLDER / f"early{attempt}.pprf"
            self.start(path)
            analyzer = analyzer_of(path)
            self.assertTrue(wait_until(path.exists))
            time.sleep(random.random() * 0.8)
            os.kill(analyzer, signal.SIGKILL)
            self.assertEqual(self.end(), DIED)
            self.intact(path)
            report = self.report(path)
            self.assertEqual((report["target"]["running"], report["coverage"]["complete"]), (True, False))
            self.assertEqual(report["target"]["executable"], program("lasts.c"))
            bare += any("before the names of functions were read" in said for said in report["coverage"]["not_observed"])
            self.assertEqual(sorted(FOLDER.glob(f".{path.name}*")), [])
        self.assertGreater(bare, 0)

    def test_stopped_for_ever(self):
        path = FOLDER / "stopped.pprf"
        self.start(path)
        self.assertTrue(wait_until(lambda: harness.named(path)))
        analyzer = analyzer_of(path)
        os.kill(analyzer, signal.SIGSTOP)
        try:
            self.assertEqual(self.end(), b"")
            self.check_up_to_publication(path)
        finally:
            os.kill(analyzer, signal.SIGKILL)

    def test_little_address_space(self):
        """It maps what the program shares with it: less of that where there is a limit which it inherits."""
        path = FOLDER / "little.pprf"

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (500 << 20, 500 << 20))

        self.start(path, preexec_fn=limit)
        self.assertEqual(self.end(), b"")
        self.assertTrue(wait_until(lambda: path.exists() and not self.report(path)["target"]["running"]))
        report = self.report(path)
        self.assertEqual((report["target"]["exit"]["code"], report["coverage"]["complete"]), (6, True))

    def test_out_of_memory(self):
        """Its limit is the program's own, which the analyzer cannot raise; the program needs less than it. What was received
        until then is there, and says so."""
        path = FOLDER / "memory.pprf"

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))

        self.start(path, blocks=10000000, preexec_fn=limit)
        err = self.end()
        self.assertEqual(err, DIED)
        self.assertTrue(wait_until(path.exists))
        self.intact(path)
        report = self.report(path)
        self.assertEqual((report["target"]["running"], report["coverage"]["complete"]), (True, False))
        self.assertIn("memory", " ".join(report["coverage"]["not_observed"]))
        self.assertEqual(report["target"]["executable"], program("lasts.c"))


class Disk(Trouble):
    def test_no_such_folder(self):
        for under_run in (False, True):
            with self.subTest(run=under_run), tempfile.TemporaryDirectory() as spare:
                path = FOLDER / "nowhere" / f"out{under_run}.pprf"
                self.start(path, under_run=under_run, settings={"TMPDIR": spare})
                err = self.end().decode()
                self.assertEqual(err.count("preprof: "), 1, err)
                self.assertIn(f"the recording goes to {spare}/{path.name}\n", err)
                self.intact(f"{spare}/{path.name}")
                report = self.report(f"{spare}/{path.name}")
                self.assertEqual((report["target"]["exit"]["code"], report["coverage"]["complete"]), (6, True))

    def test_no_such_folder_and_no_summary(self):
        """`run` says where the recording is instead; a program's own stderr stays as it is."""
        for under_run in (False, True):
            with self.subTest(run=under_run), tempfile.TemporaryDirectory() as spare:
                path = FOLDER / "nowhere" / f"silent{under_run}.pprf"
                self.start(path, under_run=under_run, settings={"TMPDIR": spare, "PREPROF_SUMMARY": "off"})
                err = self.end().decode()
                said = f'preprof: cannot write a recording into "{path.parent}/": No such file or directory; ' \
                       f"the recording goes to {spare}/{path.name}\n"
                self.assertEqual(err, said if under_run else "")
                harness._recording_wait(pathlib.Path(spare) / path.name, 20)
                self.intact(f"{spare}/{path.name}")

    @unittest.skipIf(os.geteuid() != 0, "only root can make a small disk")
    def test_full_and_the_next_one_as_well(self):
        """What the folder that is tried first in its place does not take either, the one after that does."""
        with tempfile.TemporaryDirectory() as disk, tempfile.TemporaryDirectory() as spare:
            name = f"full{os.path.basename(disk)}.pprf"
            last = pathlib.Path("/tmp") / name
            mounted = []
            try:
                for folder in (disk, spare):
                    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder],
                                      capture_output=True).returncode != 0:
                        self.skipTest("no disk can be mounted")
                    mounted.append(folder)
                self.start(f"{disk}/{name}", under_run=True, settings={"TMPDIR": spare})
                err = self.end().decode()
                self.assertEqual(err.count("preprof: "), 1, err)
                self.assertIn(f"the recording goes to {last}\n", err)
                self.intact(last)
                report = self.report(last)
                self.assertEqual((report["target"]["exit"]["code"], report["coverage"]["complete"]), (6, True))
            finally:
                last.unlink(missing_ok=True)
                for folder in mounted:
                    subprocess.run(["umount", folder], check=True)

    @unittest.skipIf(os.geteuid() != 0, "only root can make a small disk")
    def test_full(self):
        with tempfile.TemporaryDirectory() as disk, tempfile.TemporaryDirectory() as spare:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=240k", "none", disk], capture_output=True).returncode != 0:
                self.skipTest("no disk can be mounted")
            try:
                path = f"{disk}/full.pprf"
                self.start(path, settings={"PREPROF_SUMMARY": "off", "TMPDIR": spare})
                self.assertTrue(wait_until(lambda: harness.named(path)))
                with open(f"{disk}/filler", "wb", buffering=0) as file:
                    try:
                        while file.write(bytes(512)):
                            pass
                    except OSError:
                        pass
                self.assertEqual(self.end(), b"")
                self.assertTrue(wait_until(lambda: os.path.exists(f"{spare}/full.pprf")))
                self.check_up_to_publication(path)
                self.assertTrue(wait_until(lambda: not self.report(f"{spare}/full.pprf")["target"]["running"]))
                report = self.report(f"{spare}/full.pprf")
                self.assertEqual((report["target"]["exit"]["code"], report["coverage"]["complete"]), (6, True))
                harness._recording_wait(pathlib.Path(path), 20)
                self.assertEqual(sorted(os.listdir(disk)), ["filler", "full.pprf"])
            finally:
                subprocess.run(["umount", disk], check=True)


if __name__ == "__main__":
    unittest.main()
