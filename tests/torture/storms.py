# SPDX-License-Identifier: Apache-2.0
"""Part `storms`: libraries, threads, forks and real-time signals come and go at once (storm.c), and so do SQLite, streams and
waits (storm_calls.c), under settings drawn at random. The programs themselves check what they get; here: that they end as they
should, and say nothing, and that their recording is whole."""

import json
import pathlib
import random
import re
import resource
import shutil
import subprocess

import kills

MIXES = ("loads loads births forks signals", "loads births births forks waits", "loads loads loads births",
         "births births births signals", "births births waits forks", "loads forks signals",
         "births births births births forks", "signals births loads")
CALL_MIXES = ("sqlite leaves streams polls forks", "sqlite sqlite leaves leaves", "leaves leaves leaves", "streams polls forks",
              "polls polls leaves")
LIBRARIES = 8
DATABASES = 4


def mix_is_of_calls(mix):
    return not set(mix.split()) - set("sqlite leaves streams polls forks".split())


def sqlite_find(build):
    """The library that the analyzer itself uses."""
    told = subprocess.run(["ldd", build / "preprof-analyzer"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return re.search(r"libsqlite3\.so\.0 => (\S+)", told)[1]


def core_allow():
    """A crash that comes once in a thousand storms has to leave something behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)


class Storm:
    def __init__(self, tools, seed, number, seconds, mix=None):
        self.tools = tools
        self.random = random.Random(f"{seed}/{number}")
        self.folder = pathlib.Path(tools.folder) / f"storm-{seed}-{number}"
        self.folder.mkdir()
        self.output = self.folder / "out.pprf"
        self.mix = mix or self.random.choice(MIXES + CALL_MIXES)
        self.settings = {"CPU": self.random.choice(("10000", "10000", "1000", "off")),
                         "SAMPLE_CLOCK": self.random.choice(("wall", "wall", "cpu")),
                         "IO": self.random.choice(("on", "off")),
                         "STDIO": self.random.choice(("on", "off")),
                         "UNWINDER": self.random.choice(("auto", "auto", "auto", "libunwind", "rules")),
                         "HEAP": self.random.choice(("exact", "exact", "exact", "exact", "sampled=10000"))}
        if self.random.random() < 0.1:
            self.settings["CHECK_STACKS"] = "50"
        self.seconds = seconds
        self.command = [tools.program("storm_calls.c" if mix_is_of_calls(self.mix) else "storm.c"), str(seconds), str(self.random.getrandbits(30)), self.libraries(),
                        *self.mix.split()]
        self.wrong = []
        self.lost = 0

    def libraries(self):
        for number in range(LIBRARIES):
            path = pathlib.Path(self.tools.folder) / f"storm{number}.so"
            if not path.exists():
                subprocess.run(["gcc", "-O1", "-g", "-fno-builtin", "-shared", "-fPIC", f"-DNUMBER={number}",
                                str(self.tools.source / "tests/torture/storm_library.c"), "-o", str(path)], check=True)
        for number in range(DATABASES):
            path = pathlib.Path(self.tools.folder) / f"sqlite{number}.so"
            if not path.exists():
                shutil.copy(sqlite_find(self.tools.build), path)
        return self.tools.folder

    def describe(self):
        return f"storm: {' '.join(self.command)} with {self.settings} (kept: {self.folder})"

    def run(self):
        with open(self.folder / "stdout", "wb") as out, open(self.folder / "stderr", "wb") as err:
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                                       cwd=self.folder, preexec_fn=core_allow,
                                       env=self.tools.environment(self.output, **self.settings))
            try:
                status = process.wait(self.seconds + kills.PATIENCE_S)
            except subprocess.TimeoutExpired:
                kills.overrun_examine([row[0] for row in kills.group_members(process.pid)], self.folder / "overrun")
                process.kill()
                process.wait()
                status = None
                self.wrong.append(f"hangs, see {self.folder / 'overrun'}")
        said = (self.folder / "stdout").read_text(), (self.folder / "stderr").read_text()
        if status != 42 or said[0] != "storm: ok\n" or said[1].count("\n") != 1:
            self.wrong.append(f"status {status}, said {said[0][:200]!r} {said[1][:300]!r}")
        if status is not None and status < 0:
            self.crash_examine()
        kills.analyzers_await(str(self.folder) + "/", self.wrong)
        self.judge()
        if not self.wrong:
            shutil.rmtree(self.folder)
        return not self.wrong

    def crash_examine(self):
        """The core stays; where gdb is installed, each thread's stack lies beside it."""
        for core in self.folder.glob("core*"):
            if shutil.which("gdb"):
                with open(self.folder / "crash", "ab") as file:
                    subprocess.run(["timeout", "120", "gdb", "-batch", "-nx", "-ex", "thread apply all bt 40", "-ex", "info registers",
                                    "-ex", "x/4i $pc", self.command[0], core], stdout=file, stderr=subprocess.STDOUT, check=False)
            self.wrong.append(f"crashed, see {core}")

    def judge(self):
        done = subprocess.run([self.tools.preprof, "report", "-f", "json", str(self.output)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            self.wrong.append(f"report: {done.stderr!r}")
            return
        report = json.loads(done.stdout)
        self.lost = report["coverage"]["lost"]
        if report["target"]["running"]:
            self.wrong.append("says that it is running")
        if report["coverage"]["skipped"]["check_failed"]:
            self.wrong.append("stacks differ from libunwind's")


def run(tools, seed, count, seconds=4):
    lost = bad = 0
    for number in range(count):
        storm = Storm(tools, seed, number, seconds)
        if not storm.run():
            bad += 1
            tools.violation(storm.describe(), storm.wrong)
        lost += storm.lost > 0
        if number % 50 == 49:
            tools.say(f"  {number + 1} storms, {bad} wrong")
    tools.say(f"storms: {count} of {seconds} s, seed {seed}: {bad} wrong; {lost} lost events, and said so")
    return bad
