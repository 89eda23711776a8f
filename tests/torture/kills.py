# SPDX-License-Identifier: Apache-2.0
"""Part `kills`: a program is killed at a random moment, or its analyzer, or `preprof run`, and what was recorded is
compared with what it did. Each trial follows from its number and the seed, but for the moment, which is told."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import truth

# What the programs do while they are killed.
PROGRAMS = {
    "one thread": ["threads=1"],
    "threads": ["threads=4"],
    "thread births": ["threads=2", "births=20"],
    "forks": ["threads=1", "forks=200", "depth=2"],
    "forks of threads": ["threads=3", "forks=400", "depth=1"],
    "forks and execs": ["threads=1", "forks=150", "execs=2", "depth=2"],
    "dlopen": ["threads=3", "loads=150"],
    "everything": ["threads=3", "births=200", "forks=600", "execs=3", "loads=400", "depth=3"],
}

# In these the target comes to an end by itself.
LASTING = ("analyzer", "run", "stopped", "unborn", "hunted")

# How long what should end is waited for.
PATIENCE_S = float(os.environ.get("TORTURE_PATIENCE", "60"))

# Who is killed, and how often of a hundred.
KINDS = {"target": 34, "group": 22, "publishing": 12, "snapshots": 6, "analyzer": 8, "run": 6, "stopped": 6, "resumed": 6,
         "unborn": 4, "hunted": 4}


def analyzers(mark):
    """Pids of the analyzers that write to a path that has `mark` in it."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                text = file.read()
        except OSError:
            continue
        if mark.encode() in text and b"preprof-analyzer" in text.split(b"\0")[0]:
            found.append(int(entry))
    return found


def group_members(group):
    """Its processes that are more than zombies (nobody may be there who waits for orphans): pid, state, and what they
    wait for in the kernel."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return []
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                fields = file.read().rsplit(b")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            try:
                with open(f"/proc/{entry}/syscall", encoding="ascii") as file:
                    found.append((int(entry), fields[0].decode(), file.read().split(" ")[0].strip()))
            except OSError:
                pass
    return found


def overrun_examine(pids, path):
    """Where processes stand that should have ended: each thread's state and place in the kernel, and gdb's stacks."""
    with open(path, "a", encoding="utf-8") as report:
        for pid in pids:
            report.write(f"=== {pid}\n")
            for name in ("cmdline", "status", "maps", "environ"):
                report.write(f"--- {name}\n{proc_text(pid, name)}\n")
            for task in sorted(os.listdir(f"/proc/{pid}/task")) if os.path.isdir(f"/proc/{pid}/task") else []:
                for name in ("stat", "wchan", "syscall", "stack"):
                    report.write(f"--- {task} {name}: {proc_text(f'{pid}/task/{task}', name)}\n")
            report.flush()
            if shutil.which("gdb"):
                subprocess.run(["timeout", "60", "gdb", "-batch", "-nx", "-p", str(pid), "-ex", "thread apply all bt 40"],
                               stdin=subprocess.DEVNULL, stdout=report, stderr=report)


def analyzers_await(mark, wrong, timeout=120):
    deadline = time.monotonic() + timeout
    while left := analyzers(mark):
        if time.monotonic() > deadline:
            wrong.append(f"the analyzer does not end: pid {left}")
            return
        time.sleep(0.05)


def proc_text(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").rstrip()
    except OSError as error:
        return str(error)


def send(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


class Trial:
    def __init__(self, tools, seed, number, kind=None, name=None):
        self.tools = tools
        self.random = random.Random(f"{seed}/{number}")
        self.label = f"{seed}-{number}"
        self.kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        self.name = self.random.choice(list(PROGRAMS))
        self.moment = self.random.choice((0, self.random.uniform(0, 0.03), self.random.expovariate(8)))
        self.kind, self.name = kind or self.kind, name or self.name
        self.rate = self.random.choice(("off", "250", "1000", "4000", "10000"))
        self.own_seed = self.random.getrandbits(31)
        self.folder = pathlib.Path(tools.folder) / f"trial-{self.label}"
        self.output = self.folder / "out.pprf"
        self.wrong = []
        self.notes = []
        self.doomed = False
        self.calls = "0"

    def describe(self):
        return (f"trial {self.label}: {self.kind}, {self.name}, CPU={self.rate}, after {self.moment * 1000:.2f} ms, "
                f"calls {self.calls}")

    # --- the program -------------------------------------------------------------------------------------------------

    def start(self):
        self.folder.mkdir()
        self.calls = str(self.random.randrange(2000, 20000)) if self.kind in LASTING else "0"
        command = [self.tools.program("victim.c"), str(self.folder / "truth"), str(self.own_seed), self.calls,
                   *PROGRAMS[self.name]]
        environment = self.tools.environment(self.output, CPU=self.rate, SAVE=self.folder / "stream")
        if self.kind in ("publishing", "snapshots"):
            environment["PREPROF_SNAPSHOT_SIGNAL"] = "USR2"
        if self.kind == "run":
            command = [str(self.tools.preprof), "run", "--output", str(self.output), "--", *command]
            del environment["LD_PRELOAD"]
        self.began = time.monotonic()
        self.out = open(self.folder / "stdout", "wb")
        self.err = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err,
                                        env=environment, start_new_session=True)

    def truth_begun(self, patience=60):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = truth.images(self.folder / "truth") if (self.folder / "truth").exists() else []
            if found:
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.001)
        self.wrong.append("nothing began within a minute")
        return False

    def group_kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def target_exit(self, timeout=PATIENCE_S):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"the target hangs: pid {self.process.pid}, see {self.overrun()}")
            self.group_kill()
            self.process.wait(30)
            return None

    def analyzer_end(self, timeout=2 * PATIENCE_S):
        deadline = time.monotonic() + timeout
        while self.analyzers():
            if time.monotonic() > deadline:
                self.wrong.append(f"the analyzer does not end: pid {self.analyzers()}, see {self.overrun()}")
                for pid in self.analyzers():
                    send(pid, signal.SIGKILL)
                return False
            time.sleep(0.01)
        return True

    def overrun(self):
        """Keeps what there is to know about all that is left of the trial."""
        path = self.folder / "overrun"
        overrun_examine([row[0] for row in group_members(self.process.pid)] + self.analyzers(), path)
        return path

    def analyzers(self):
        return analyzers(str(self.folder) + "/")

    # --- the kills ---------------------------------------------------------------------------------------------------

    def kill_target(self):
        """Only the first: what it had started goes on."""
        time.sleep(self.moment)
        send(self.process.pid, signal.SIGKILL)
        return -signal.SIGKILL

    def kill_group(self):
        time.sleep(self.moment)
        self.group_kill()
        return -signal.SIGKILL

    def kill_publishing(self):
        """The analyzer is writing a recording: it is told to, and its file is looked for."""
        if not self.truth_begun():
            return None
        time.sleep(self.moment)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and self.process.poll() is None:
            send(self.process.pid, signal.SIGUSR2)
            if any(name.startswith(".") for name in os.listdir(self.folder)):
                self.notes.append("while a publication was being written")
                break
        self.group_kill()
        return -signal.SIGKILL

    def kill_snapshots(self):
        if not self.truth_begun():
            return None
        for _ in range(self.random.randrange(1, 200)):
            send(self.process.pid, signal.SIGUSR2)
        time.sleep(self.moment)
        self.group_kill()
        return -signal.SIGKILL

    def kill_analyzer(self):
        """The target neither waits nor fails; a recording is there if one had been published."""
        self.truth_begun()
        time.sleep(self.moment)
        for pid in self.analyzers():
            self.doomed = send(pid, signal.SIGKILL) or self.doomed
        return 42

    def kill_unborn(self):
        """The analyzer dies while it starts: what the target has sent it so far nobody has read."""
        deadline = time.monotonic() + 10
        delay = self.random.expovariate(1000)
        while not (found := self.analyzers()) and self.process.poll() is None and time.monotonic() < deadline:
            pass
        time.sleep(delay)
        for pid in found:
            self.doomed = send(pid, signal.SIGKILL) or self.doomed
        return 42

    def kill_hunted(self):
        """Every analyzer of the tree dies, those too that its children start for themselves, while they do."""
        while self.process.poll() is None:
            for pid in self.analyzers():
                self.doomed = send(pid, signal.SIGKILL) or self.doomed
            time.sleep(self.random.expovariate(100))
            if time.monotonic() > self.began + PATIENCE_S:
                break
        return 42

    def kill_run(self):
        """Its command goes on, and is recorded to its end."""
        self.truth_begun()
        time.sleep(self.moment)
        if self.process.poll() is not None:
            return 42 # all was over before
        send(self.process.pid, signal.SIGKILL)
        return -signal.SIGKILL

    def kill_stopped(self):
        """A stopped analyzer holds nobody for ever; later it goes on, and what was dropped is counted."""
        self.truth_begun()
        time.sleep(self.moment)
        stopped = self.analyzers()
        for pid in stopped:
            send(pid, signal.SIGSTOP)
        self.target_exit()
        self.group_wait()
        for pid in stopped:
            send(pid, signal.SIGCONT)
        self.doomed = None
        return 42

    def kill_resumed(self):
        """The target is killed while its analyzer sleeps; that then finds all in the pipe and the shared memory."""
        self.truth_begun()
        stopped = self.analyzers()
        for pid in stopped:
            send(pid, signal.SIGSTOP)
        time.sleep(min(self.moment, 0.5))
        self.group_kill()
        self.process.wait(60)
        for pid in stopped:
            send(pid, signal.SIGCONT)
        return -signal.SIGKILL

    def group_wait(self, timeout=PATIENCE_S):
        """Until no process of the group is left."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not group_members(self.process.pid):
                return
            time.sleep(0.01)
        self.wrong.append(f"processes of the tree do not end: {group_members(self.process.pid)}, see {self.overrun()}")
        self.group_kill()

    def recordings(self):
        """All that the tree has left, its own first: who comes when that has ended makes another."""
        paths = sorted((path for path in self.folder.glob("*.pprf*") if path.name[0] != "."), key=lambda path: path != self.output)
        return [truth.Recording(path, self.tools.preprof) for path in paths]

    # --- the verdict -------------------------------------------------------------------------------------------------

    def run(self):
        self.start()
        try:
            expected = getattr(self, "kill_" + self.kind)()
            status = self.target_exit()
            if self.kind == "target" and self.calls == "0":
                # Its children have ends of their own, unless they are of the endless ones' threads.
                time.sleep(min(self.moment, 0.05))
                self.group_kill()
            self.group_wait()
            if expected is not None and status != expected:
                self.wrong.append(f"status {status}, expected {expected}")
            self.analyzer_end()
            self.judge()
        finally:
            self.group_kill()
            self.out.close()
            self.err.close()
        if not self.wrong:
            shutil.rmtree(self.folder, ignore_errors=True)
        return not self.wrong

    def judge(self):
        said = (self.folder / "stderr").read_text(errors="replace")
        allowed = "" if self.doomed is not None else "analyzer"
        lines = [line for line in said.splitlines() if line.strip()]
        if self.kind != "run" and [line for line in lines if not (self.doomed and "analyzer" in line) and not (allowed and allowed in line)]:
            self.wrong.append(f"said: {said[:500]!r}")
        found = truth.images(self.folder / "truth") if (self.folder / "truth").exists() else []
        recordings = self.recordings()
        self.wrong += [f"{each.name}: {text}" for each in recordings for text in each.wrong]
        if not self.output.exists():
            if not found:
                self.notes.append("killed before its first instruction")
            elif self.doomed:
                self.notes.append("the analyzer died before it published")
            else:
                self.wrong.append("no recording")
            return
        if self.doomed or not all(each.whole for each in recordings):
            return
        for each in recordings:
            if each.whole["running"]:
                self.wrong.append(f"{each.name} says that it is running")
            if each.lost():
                self.notes.append(f"lost {each.lost()} events, and says so")
        if len(recordings) > 1:
            self.notes.append("processes with recordings of their own")
        if self.kind in ("target", "group", "publishing", "snapshots", "resumed"):
            first = [row for row in recordings[0].processes if row["pid"] == self.process.pid]
            ends = {(row["exit_code"], row["exit_signal"]) for row in first[-1:]}
            if found and ends != {(None, 9)}:
                self.wrong.append(f"exit {ends}")
        self.wrong += truth.compare(recordings, found, lost_allowed=self.kind in ("stopped", "resumed"))


def run(tools, seed, seconds=None, count=None, first=0):
    tally, landed = {}, {}
    deadline = time.monotonic() + seconds if seconds else None
    number = first
    while (count is None or number < first + count) and (deadline is None or time.monotonic() < deadline):
        trial = Trial(tools, seed, number)
        good = trial.run()
        row = tally.setdefault(trial.kind, [0, 0])
        row[0] += 1
        row[1] += not good
        for note in trial.notes:
            landed[note.split(" ")[0] if note.startswith("lost") else note] = landed.get(
                note.split(" ")[0] if note.startswith("lost") else note, 0) + 1
        if not good:
            tools.violation(trial.describe() + " (kept: " + str(trial.folder) + ")", trial.wrong)
        number += 1
        if number % 100 == 0:
            tools.say(f"  {number - first} trials, {tools.violations} violations")
    tools.say(f"kills: {number - first} trials from {first} of seed {seed}: " +
              ", ".join(f"{kind} {row[0]}" for kind, row in sorted(tally.items())))
    for note, times in sorted(landed.items()):
        tools.say(f"  {times} times: {note}")
