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
        made, recorded, report = self.ticks(1500, {"DELAY": "1", "SAMPLE_CLOCK": "wall"})
        self.assertGreater(recorded, 0)
        self.assertLess(recorded, made * 0.6)
        self.assertTrue(any("later than its start" in sentence for sentence in report["coverage"]["not_observed"]))
        self.assertGreater(report["cpu"]["sample_count"], 0)

    def test_duration(self):
        made, recorded, report = self.ticks(1500, {"DURATION": "0.5"})
        self.assertGreater(recorded, 0)
        self.assertLess(recorded, made * 0.6)
        self.assertTrue(any("stopped before its end" in sentence for sentence in report["coverage"]["not_observed"]))

    def test_a_tree_has_one_window(self):
        """Times count from the start of the first process, in all of them, whichever way they came."""
        work = f"{program('ticks.c')} 30"
        forked = "import os, time; time.sleep(1.5); pid = os.fork(); [bytearray(9999) for _ in range(50)]; pid and os.wait()"
        for settings, whole in (({"DURATION": "1"}, False), ({"DELAY": "1"}, True)):
            with self.subTest(settings):
                run = harness.preloaded(["/bin/sh", "-c", f"sleep 1.5; {work}"], settings=settings)
                ticks, report = int(run.out.split()[1]), run.report
                self.assertEqual(site_total(report, "tick", "allocation_count"), ticks if whole else 0)
                run = harness.under_run(["/bin/sh", "-c", f"sleep 1.5; {work}"],
                                        arguments=[f"--{key.lower()}={value}" for key, value in settings.items()])
                self.assertEqual(site_total(run.report, "tick", "allocation_count"), int(run.out.split()[1]) if whole else 0)
                run = harness.preloaded(["/usr/bin/python3", "-c", forked], settings=settings)
                child = run.report["processes"][-1]
                self.assertEqual((child["parent_id"], child["allocation_count"] > 0), (1, whole))

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
            process.send_signal(signal.SIGUSR1)
            for _ in range(100):
                if harness.named(path):
                    break
                time.sleep(0.02)
            seen.append(harness.Run(subprocess.CompletedProcess([], 0, b"", b""), path).report)

        made, recorded, _report = self.ticks(1500, {"SNAPSHOT_SIGNAL": "USR1"}, act)
        self.assertEqual(made, recorded)
        self.assertTrue(seen[0]["target"]["running"])
        self.assertLess(seen[0]["target"]["wall_ns"], 2e9, "the first one with names comes by itself after 2 s")
        self.assertGreater(site_total(seen[0], "tick", "allocation_count"), 10)
        self.assertLess(site_total(seen[0], "tick", "allocation_count"), made)


class Pauses(unittest.TestCase):
    """What a program does while nothing is recorded is not blamed on it: neither blocks that it frees then, nor CPU time."""

    def record(self, *arguments):
        settings = {"STOP_SIGNAL": "USR1", **({"START_SIGNAL": "USR2", "DELAY": "0.000001"} if arguments else {})}
        run = harness.preloaded([program("paused.c"), *arguments], settings=settings)
        self.assertEqual((run.returncode, run.err), (0, b""))
        return run, run.report

    def text(self, run, *arguments):
        return subprocess.run([harness.PREPROF, "report", *arguments, str(run.recording)], stdout=subprocess.PIPE,
                              check=True).stdout.decode()

    def check_common(self, report, sentence):
        coverage = report["coverage"]
        self.assertEqual(len([said for said in coverage["not_observed"] if sentence in said]), 1, coverage["not_observed"])
        self.assertEqual(coverage["skipped"]["io_descriptors"], 0)
        self.assertEqual(report["leaks"]["final"], False)
        used_ns = report["target"]["user_ns"] + report["target"]["system_ns"]
        self.assertGreater(used_ns, 400e6)
        self.assertLess(coverage["cpu"]["measured_ns"], used_ns - 350e6)
        self.assertNotIn("coverage-cpu-unsampled", [finding["id"] for finding in report["findings"]])
        self.assertEqual((coverage["io"]["kernel_read_bytes"], coverage["io"]["kernel_sampled"]), (None, False))

    def test_stopped(self):
        run, report = self.record()
        self.check_common(report, "stopped before its end")
        self.assertEqual(site_total(report, "hold", "live_count"), 100)
        held = [row for row in report["leaks"]["records"] if row["stack"] and row["stack"][0]["function"] == "hold"]
        self.assertEqual([(row["class"], row["blocks"]) for row in held], [("live", 100)])
        opened = [row for row in report["io"]["descriptors"] if row["path"] == "/etc/passwd"]
        self.assertEqual([(row["read_calls"], row["end"]) for row in opened], [(1, "open")] * 5)
        text = self.text(run)
        self.assertIn("Live when the recording ended", text)
        self.assertNotIn("Never freed", text)
        self.assertNotIn("left open", text)

    def test_started_again(self):
        run, report = self.record("again")
        self.check_common(report, "was profiled with pauses")
        self.assertEqual(site_total(report, "hold", "allocation_count"), 200)
        opened = [row for row in report["io"]["descriptors"] if row["path"] == "/etc/passwd"]
        self.assertEqual(([row["end"] for row in opened], report["io"]["descriptors_left_out"]), (["closed"] * 5, 5))


class FullPipe(unittest.TestCase):
    """What the analyzer cannot take is waited for, or dropped and counted to the single event; its death is survived."""

    PAIRS = 2000000

    def churn(self, name, pairs=PAIRS, **settings):
        self.path = harness.FOLDER / f"{name}.pprf"
        environment = harness.clean_environment(LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(self.path), PREPROF_SUMMARY="off",
                                                PREPROF_CPU="off", **{f"PREPROF_{key}": value for key, value in settings.items()})
        return subprocess.Popen([program("../../bench/heap_churn.c"), str(pairs), "64", "8"], env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def analyzer(self):
        for _ in range(200):
            found = subprocess.run(["pgrep", "-f", f"preprof-analyzer.*{self.path}"], stdout=subprocess.PIPE).stdout.split()
            if found:
                return int(found[0])
            time.sleep(0.01)
        raise AssertionError("no analyzer")

    def counts(self):
        harness._recording_wait(self.path, 20)
        report = harness.Run(subprocess.CompletedProcess([], 0, b"", b""), self.path).report
        return report["coverage"]["events"], report["coverage"]["lost"], report["coverage"]["complete"]

    def test_drop_counts(self):
        process = self.churn("drop", FULL_PIPE="drop")
        _out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (0, b""))
        events, lost, complete = self.counts()
        self.assertEqual(events + lost, 2 * self.PAIRS + 3)
        self.assertEqual(complete, lost == 0)

    def test_stopped_analyzer_holds_nobody_for_long(self):
        process = self.churn("stopped", pairs=4000000)
        pid = self.analyzer()
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            _out, err = process.communicate(timeout=30)
            self.assertEqual((process.returncode, err), (0, b""))
            self.assertLess(time.monotonic() - began, 15)
        finally:
            os.kill(pid, signal.SIGCONT)
        events, lost, complete = self.counts()
        self.assertGreater(lost, 0)
        self.assertFalse(complete)
        self.assertEqual(events + lost, 2 * 4000000 + 3)

    def test_killed_analyzer(self):
        process = self.churn("killed", pairs=4000000)
        os.kill(self.analyzer(), signal.SIGKILL)
        _out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(err, b"preprof: profiling stopped: the analyzer has died; the program continues\n")


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

    def preloaded(self, command, path, **variables):
        return harness.bare(command, env=harness.clean_environment(LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(path),
                                                                   PREPROF_SUMMARY="off", **variables))

    TREE = ["/bin/sh", "-c", "/bin/echo hello; /bin/sh -c '/bin/echo again'; /usr/bin/python3 -c 'import os; os.fork(); os.wait'"]

    def test_a_tree_says_it_once(self):
        for variable, value, said in (("PREPROF_CPU", "fast", b"PREPROF_CPU is 'fast'"), ("PREPROF_CPUS", "1", b"PREPROF_CPUS is no")):
            run = self.preloaded(self.TREE, harness.FOLDER / "tree.pprf", **{variable: value})
            self.assertEqual((run.returncode, run.out), (0, b"hello\nagain\n"))
            self.assertEqual((run.err.count(b"\n"), run.err.count(said)), (1, 1), run.err)

    UNKNOWN = {"PREPROF_STDI0": "PREPROF_STDIO", "PREPROF_OUPUT": "PREPROF_OUTPUT", "PREPROF_SQLLITERALS": "PREPROF_SQL_LITERALS",
               "PREPROF_cpu": "PREPROF_CPU", "PREPROF_HAEP": "PREPROF_HEAP", "PREPROF_": None, "PREPROF_SOMETHING_ELSE": None,
               "PREPROF_GPU": None, "PREPROF_" + 300 * "X": None}

    def test_unknown_names(self):
        for name, meant in self.UNKNOWN.items():
            path = harness.FOLDER / f"unknown{len(name)}{name[-5:]}.pprf"
            run = self.preloaded(["/bin/echo", "hello"], path, **{name: "on"})
            self.assertEqual((run.returncode, run.out), (0, b"hello\n"))
            self.assertEqual(run.err.count(b"\n"), 1, run.err)
            self.assertIn(f"preprof: {name[:100]} is no setting".encode(), run.err)
            self.assertIn(f"did you mean {meant}? It is ignored\n" if meant else "and is ignored\n", run.err.decode())
            harness._recording_wait(path, 20)
            run = harness.bare([harness.PREPROF, "run", "--", "/bin/echo", "hello"], env=harness.clean_environment(**{name: "on"}))
            self.assertEqual((run.returncode, run.out), (125, b""), name)
            self.assertEqual(run.err.count(b"\n"), 1, run.err)
            self.assertIn(f"{name[:100]} is no setting".encode(), run.err)
            self.assertEqual(b"did you mean" in run.err, meant is not None)

    def test_known_names(self):
        known = {f"PREPROF_{name}": value for name, value in (("GPU", "off"), ("LOCKS", "off"), ("SAMPLE_CLOCK", "cpu"))}
        run = self.preloaded(["/bin/echo", "hello"], harness.FOLDER / "known.pprf", PREPROF="1", PREPROFS="2", **known)
        self.assertEqual((run.returncode, run.out, run.err), (0, b"hello\n", b""))

    def test_run_starts_nothing(self):
        for name, value in self.CASES.items():
            option = "--" + name.lower().replace("_", "-")
            run = harness.bare([harness.PREPROF, "run", option, value, "--", "/bin/echo", "hello"])
            self.assertEqual((run.returncode, run.out), (125, b""), name)
            self.assertEqual(run.err.count(b"\n"), 1, run.err)
            self.assertIn(value.encode(), run.err)


class Replay(unittest.TestCase):
    def test_stream_without_a_process(self):
        """As one of another version is: each of its processes is refused."""
        kept = (harness.SOURCE / "tests/golden/records.raw").read_bytes()
        stream = harness.FOLDER / "empty.raw"
        stream.write_bytes(kept[:16])
        done = subprocess.run([harness.BUILD / "preprof-analyzer", "--replay", stream, "--output",
                               harness.FOLDER / "empty.pprf"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertIn("holds no process that can be read", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    os.umask(0o077)
    unittest.main(verbosity=2)
