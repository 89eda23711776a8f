# SPDX-License-Identifier: Apache-2.0
"""The parts that run long rather than die young: a million threads, ten gigabytes, hundreds of millions of events, many
children and libraries, chains and bombs of processes, storms of signals. Exact counts, and memory that stays flat."""

import pathlib
import shutil
import subprocess
import threading
import time

import kills
import truth


def resident_kb(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return None


class Watch(threading.Thread):
    """Resident memory of the analyzer of a run, by the second."""

    def __init__(self, mark, every):
        super().__init__(daemon=True)
        self.mark, self.every = mark, every
        self.samples = []
        self.stopped = threading.Event()

    def run(self):
        began, pids = time.monotonic(), []
        while not self.stopped.wait(self.every):
            pids = pids or kills.analyzers(self.mark)
            value = resident_kb(pids[0]) if pids else None
            if value:
                self.samples.append((time.monotonic() - began, value))
            else:
                pids = []

    def stop(self):
        self.stopped.set()
        self.join()

    def table(self, rows=10):
        step = max(1, len(self.samples) // rows)
        picked = self.samples[::step] + self.samples[-1:]
        return "  ".join(f"{seconds:.0f}s {value}K" for seconds, value in picked)

    def growth_kb(self):
        """Over the second half: the median of its last quarter less that of its first."""
        half = [value for _, value in self.samples[len(self.samples) // 2:]]
        if len(half) < 8:
            return None
        quarter = len(half) // 4
        return sorted(half[-quarter:])[quarter // 2] - sorted(half[:quarter])[quarter // 2]


class Soak:
    def __init__(self, tools, name, command, every=1.0, timeout=3600, **settings):
        self.tools, self.name = tools, name
        self.folder = pathlib.Path(tools.folder) / name.replace(" ", "-")
        self.folder.mkdir()
        self.output = self.folder / "out.pprf"
        self.truth = self.folder / "truth"
        self.wrong = []
        self.command = [part if part != "TRUTH" else str(self.truth) for part in command]
        watch = Watch(str(self.output), every)
        watch.start()
        began = time.monotonic()
        try:
            self.done = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, timeout=timeout,
                                       env=tools.environment(self.output, **settings))
            self.status = self.done.returncode
            if self.done.stderr:
                self.wrong.append(f"said: {self.done.stderr[:300]!r}")
        except subprocess.TimeoutExpired:
            self.status = None
            self.wrong.append(f"hangs: more than {timeout} s")
        self.seconds = time.monotonic() - began
        deadline = time.monotonic() + 600
        while kills.analyzers(str(self.output)) and time.monotonic() < deadline:
            time.sleep(0.05)
        watch.stop()
        self.watch = watch

    def judge(self, status=0, compare=True):
        if self.status is not None and self.status != status:
            self.wrong.append(f"status {self.status}, expected {status}")
        self.recording = truth.Recording(self.output, self.tools.preprof)
        self.wrong += self.recording.wrong
        if self.recording.whole:
            if self.recording.whole["running"]:
                self.wrong.append("says that it is running")
            if compare:
                self.wrong += truth.compare([self.recording], truth.images(self.truth))
        return self

    def events(self):
        return sum(row["events"] or 0 for row in self.recording.processes) if self.recording.whole else 0

    def close(self, text=""):
        rows = self.recording.processes if self.recording else []
        size = self.output.stat().st_size if self.output.exists() else 0
        self.tools.say(f"{self.name}: {self.seconds:.1f} s, {self.events()} events, {len(rows)} processes, lost "
                       f"{self.recording.lost() if self.recording else '?'}, recording {size // 1024}K {text}")
        if self.watch.samples:
            self.tools.say(f"  analyzer: {self.watch.table()}")
        if self.wrong:
            self.tools.violation(f"{self.name}: {' '.join(self.command)} (kept: {self.folder})", self.wrong)
        else:
            shutil.rmtree(self.folder)
        return self


def flat(soak, limit_kb):
    growth = soak.watch.growth_kb()
    if growth is not None and growth > limit_kb:
        soak.wrong.append(f"the analyzer's memory grew by {growth}K in the second half of the run")
    return f"growth in the second half {growth}K" if growth is not None else ""


def many_threads(tools, scale, every=1.0):
    count = max(640, int(1_000_000 * scale) // 64 * 64)
    soak = Soak(tools, "threads", [tools.program("threads.c"), "TRUTH", str(count)], every).judge(42)
    if soak.recording:
        calls = soak.recording.sites[soak.recording.processes[0]["id"]]
        for site in ("site_malloc", "site_calloc"):
            if calls[site]["allocation_count"] != count:
                soak.wrong.append(f"{site}: {calls[site]['allocation_count']} of {count}")
    rows = [line.split() for line in (soak.done.stdout.decode().splitlines() if soak.status == 42 else [])]
    if len(rows) > 4:
        tools.say("  target: " + "  ".join(f"{number} {value}K" for number, value in rows[::4] + rows[-1:]))
        grown = int(rows[-1][1]) - int(rows[len(rows) // 2][1])
        if grown > 2048:
            soak.wrong.append(f"the target's memory grew by {grown}K in the second half")
    # A thread is a row of the recording: what it costs is told, and limited.
    return soak.close(flat(soak, 4096 + count // 2))


def volume(tools, scale, every=1.0):
    megabytes = max(50, int(10_240 * scale))
    soak = Soak(tools, "volume", [tools.program("volume.c"), "TRUTH", str(megabytes), "4", "1"], every).judge(42)
    return soak.close(f"{soak.done.stdout.decode().strip()} MB in all")


def lasting(tools, how, count, every=1.0, limit_kb=2048, **settings):
    soak = Soak(tools, how, [tools.program("long_run.c"), "TRUTH", how, str(count)], every, **settings).judge()
    return soak.close(flat(soak, limit_kb))


def memory(tools, scale):
    lasting(tools, "events", int(200_000_000 * scale))
    # A process is a row of the recording: what it costs is told, and limited.
    count = max(20, int(20_000 * scale))
    lasting(tools, "children", count, every=0.25, limit_kb=4096 + count * 6)
    count = int(200_000 * scale)  # each load has stacks of its own
    lasting(tools, "loads", count, limit_kb=4096 + count, CPU=1000)


def trees(tools, scale):
    count = max(20, int(10_000 * scale))
    lasting(tools, "chain", count, every=0.25, limit_kb=8192 + count * 10)
    lasting(tools, "deep", max(20, int(300 * scale)), limit_kb=65536)
    lasting(tools, "bomb", max(200, int(4_000 * scale)), limit_kb=65536)


def signals(tools, scale):
    lasting(tools, "signals", int(1_000_000 * scale), limit_kb=32768, CPU=1000)  # a thousand children among them
