# SPDX-License-Identifier: Apache-2.0
"""Runs one row of the table: bare, and under preprof in every way; says what differed.

Each run gets the same folder at the same path, made anew, so that no path differs. `HOME` and `TMPDIR` lie in it.
"""

import dataclasses
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import compare  # noqa: E402
from preloadable import preloadable  # noqa: E402

SUMMARY = re.compile(rb"preprof {6}[^\n]*\n(?:[^\n]*\n)*?Recording    [^\n]*\n(?: {13}[^\n]*\n)*\Z")
EMPTY = "the recording is empty"
BARE_RUNS_MAX = 6


@dataclasses.dataclass
class Row:
    """One program of the table.

    command   a bash script, or a list: the program itself
    before    a bash script that prepares the folder, never profiled
    sees      executables that must be in the recording, with events ("" for: the first one of the command)
    nothing   a part of the sentence in not_observed of a program that cannot be seen, or of what `run` says
    packages  Debian packages that it needs; a core row is run only where they are there
    user      a user that runs it, for programs that refuse root
    """

    name: str
    command: object
    group: str = "tools"
    packages: str = ""
    before: str = ""
    sees: tuple = None
    nothing: str = None
    core: bool = False
    user: str = None
    timeout: int = 180
    note: str = ""
    setting: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Result:
    row: Row
    state: str = "same"            # same, differs, skipped
    reason: str = ""
    differences: list = dataclasses.field(default_factory=list)  # [(mode, name, explanation)]
    unstable: list = dataclasses.field(default_factory=list)
    events: int = None
    processes: int = None
    not_observed: list = dataclasses.field(default_factory=list)
    bare_runs: int = 0
    seconds: float = 0


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Runner:
    def __init__(self, build, work):
        self.build = pathlib.Path(build)
        self.work = pathlib.Path(work)
        self.library = str(preloadable(build, work))
        self.preprof = str(self.build / "preprof")

    # One run

    def _environment(self, folder, port):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": f"{folder}/home", "TMPDIR": f"{folder}/tmp",
                "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm", "PORT": str(port), "SHELL": "/bin/bash", "LOGNAME": "root", "USER": "root"}

    def _prepare(self, row, folder, environment):
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("home", "tmp"):
            (folder / name).mkdir(parents=True, mode=0o700)
        if row.before:
            subprocess.run(["bash", "-ec", row.before], cwd=folder, env=environment, check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=row.timeout)
        if row.user:
            account = pwd.getpwnam(row.user)
            for parent, folders, files in os.walk(folder):
                for name in [parent, *(os.path.join(parent, file) for file in folders + files)]:
                    os.lchown(name, account.pw_uid, account.pw_gid)

    def _command(self, row):
        return list(row.command) if isinstance(row.command, (list, tuple)) else ["bash", "-c", row.command]

    def _execute(self, row, folder, environment, command):
        """The outcome of one command; a hanging one is killed with all that it started."""
        options = {}
        if row.user:
            account = pwd.getpwnam(row.user)
            options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with open(folder.parent / "out", "w+b") as out, open(folder.parent / "err", "w+b") as err:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       start_new_session=True, **options)
            try:
                status = process.wait(row.timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                status = "timeout"
            out.seek(0)
            err.seek(0)
            outcome = {"status": status, "stdout": out.read(), "stderr": err.read()}
        outcome.update(compare.files_left(folder))
        return outcome

    def bare(self, row, folder, port):
        environment = self._environment(folder, port)
        self._prepare(row, folder, environment)
        outcome = self._execute(row, folder, environment, self._command(row))
        outcome["status"] = str(outcome["status"]).encode()
        return outcome

    def profiled(self, row, folder, port, mode):
        """(outcome, recordings) under `mode`: LD_PRELOAD, or run."""
        environment = self._environment(folder, port)
        self._prepare(row, folder, environment)
        recordings = folder.parent / mode
        shutil.rmtree(recordings, ignore_errors=True)
        recordings.mkdir()
        recordings.chmod(0o777)
        path = recordings / "it.pprf"
        environment.update({f"PREPROF_{key}": value for key, value in row.setting.items()})
        command = self._command(row)
        if mode == "LD_PRELOAD":
            environment.update(LD_PRELOAD=self.library, PREPROF_OUTPUT=str(path), PREPROF_SUMMARY="off")
        else:
            command = [self.preprof, "run", "--output", str(path), "--", *command]
        outcome = self._execute(row, folder, environment, command)
        status = outcome["status"]
        if mode == "run":
            outcome["stderr"] = SUMMARY.sub(b"", outcome["stderr"])
        outcome["status"] = str(status).encode()
        return outcome, recordings

    # The recording

    def report(self, path, timeout=60):
        """The report once the recording no longer says that its tree runs."""
        deadline = time.monotonic() + timeout
        report, trouble = None, "no recording"
        while time.monotonic() < deadline:
            if path.exists():
                done = subprocess.run([self.preprof, "report", "-f", "json", "--top", "5", str(path)], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, timeout=120)
                if done.returncode == 0:
                    report = json.loads(done.stdout)
                    if not report["target"]["running"]:
                        return report, None
                    trouble = "the recording says that the tree is running"
                else:
                    trouble = done.stderr.decode(errors="replace").strip()
                    if EMPTY in trouble:
                        return None, trouble
            time.sleep(0.05)
        return report, trouble

    def recording_check(self, row, mode, recordings, status, result):
        """Differences of the recording from what a good one is."""
        if row.nothing is not None and mode == "LD_PRELOAD" and not any(recordings.iterdir()):
            return []
        report, trouble = self.report(recordings / "it.pprf", 5 if row.nothing is not None else 60)
        if report is None and (row.nothing is not None or (row.sees == () and EMPTY in trouble)):
            return []
        if trouble:
            return [("recording", trouble)]
        found = []
        coverage = report["coverage"]
        if coverage["lost"]:
            found.append(("recording", f"{coverage['lost']} events lost"))
        if not coverage["complete"] and not coverage["not_observed"]:
            found.append(("recording", "incomplete, and not_observed does not say why"))
        wanted = row.sees
        if wanted is None:
            wanted = (os.path.basename(self._command(row)[0]),)
        events = {}
        for process in report["processes"]:
            name = os.path.basename(process["executable"] or "")
            events[name] = events.get(name, 0) + process["events"]
        for name in wanted if row.nothing is None else ():
            seen = [count for key, count in events.items() if re.fullmatch(name, key)]
            if not seen:
                found.append(("recording", f"{name} is not among its processes ({', '.join(sorted(events))})"))
            elif not sum(seen):
                found.append(("recording", f"no event of {name}"))
        heap = report["heap"]
        if heap and heap["live_count"] != heap["allocation_count"] - heap["free_count"] and coverage["complete"]:
            found.append(("recording", f"live {heap['live_count']} is not {heap['allocation_count']} - {heap['free_count']}"))
        if row.nothing is not None and mode == "run" and not any(row.nothing in sentence for sentence in coverage["not_observed"]):
            found.append(("recording", f"not_observed does not say {row.nothing!r}: {coverage['not_observed']}"))
        expected = int(status) if mode == "LD_PRELOAD" else None
        end = report["target"]["exit"]
        if expected is not None and row.nothing is None and None not in (end["code"], ) and expected >= 0 and end["code"] != expected:
            found.append(("recording", f"its target ended with {end}, in truth {expected}"))
        result.events = max(result.events or 0, coverage["events"])
        result.processes = report["target"]["process_count"]
        result.not_observed = sorted(set(result.not_observed) | set(coverage["not_observed"]))
        if len(list(recordings.iterdir())) > 1:
            result.not_observed.append("recordings beside the tree's: " + ", ".join(sorted(p.name for p in recordings.iterdir()))[:200])
        return found

    # One row

    def run(self, row):
        result = Result(row)
        started = time.monotonic()
        place = self.work / re.sub(r"[^A-Za-z0-9]+", "-", row.name)
        folder = place / "folder"
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o755)
        port = free_port()
        try:
            self._compare(row, folder, port, result)
        except subprocess.CalledProcessError as error:
            result.state, result.reason = "differs", "its preparation failed: " + error.output.decode(errors="replace")[-300:]
        if result.differences:
            result.state = "differs"
        else:
            shutil.rmtree(place, ignore_errors=True)
        result.seconds = time.monotonic() - started
        return result

    def _compare(self, row, folder, port, result):
        bare = [self.bare(row, folder, port), self.bare(row, folder, port)]
        if bare[0]["status"] == b"timeout" or bare[1]["status"] == b"timeout":
            result.state, result.reason = "skipped", "the bare program took too long on this machine"
            return
        broken = re.search(rb"(line [0-9]+: [^\n]*: command not found|syntax error|not up: )[^\n]*", bare[0]["stdout"] + bare[0]["stderr"])
        if broken:
            result.differences.append(("bare", "stderr", "its script is broken: " + broken.group(0).decode(errors="replace")))
            return
        for mode in ("LD_PRELOAD", "run"):
            outcome, recordings = self.profiled(row, folder, port, mode)
            found = self._outcome_check(row, mode, bare, outcome, folder, port)
            found += self.recording_check(row, mode, recordings, bare[0]["status"], result)
            if found:
                keep = folder.parent / f"{mode}-outcome"
                shutil.rmtree(keep, ignore_errors=True)
                keep.mkdir()
                for name in ("status", "stdout", "stderr", "files"):
                    (keep / name).write_bytes(outcome[name])
                    (keep / f"{name}.bare").write_bytes(bare[0][name])
            result.differences += [(mode, *what) for what in found]
        result.unstable = compare.Mask(bare).unstable()
        result.bare_runs = len(bare)

    def _outcome_check(self, row, mode, bare, outcome, folder, port):
        """What is not as in the bare runs; while something is not, another bare run may show that it varies by itself."""
        expected_status = bare[0]["status"]
        if mode == "run":
            # what `run` makes of a signal, and of a program that it cannot see
            if expected_status.startswith(b"-"):
                if outcome["status"] == str(128 - int(expected_status)).encode():
                    outcome["status"] = expected_status
            elif row.nothing is not None and outcome["status"] == b"125" and expected_status == b"0":
                said = re.search(rb"preprof: [^\n]*" + re.escape(row.nothing.encode()) + rb"[^\n]*\n", outcome["stderr"])
                if said:
                    outcome["status"] = expected_status
                    outcome["stderr"] = re.sub(rb"preprof: [^\n]*\n", b"", outcome["stderr"])
        while True:
            found = compare.Mask(bare).differences(outcome)
            if not found or len(bare) >= BARE_RUNS_MAX:
                return found
            bare.append(self.bare(row, folder, port))
