# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: building a small program, running it bare and under preprof, reading the report."""

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ["PREPROF_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests"))
from preloadable import preloadable  # noqa: E402

BUILD = pathlib.Path(os.environ["PREPROF_BUILD"])
PREPROF = BUILD / "preprof"
PROGRAMS = SOURCE / "tests/integration/programs"

# Ignored in what nohup or a shell's & has started, and inherited by every program.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

_folder = tempfile.TemporaryDirectory(prefix="preprof-test-")
FOLDER = pathlib.Path(_folder.name)

LIBRARY = preloadable(BUILD, FOLDER)


@functools.cache
def program(name, *flags, compiler=None):
    """The path of tests/integration/programs/NAME, compiled."""
    source = PROGRAMS / name
    target = FOLDER / (source.stem + re.sub(r"[^A-Za-z0-9]", "", "".join(flags)))
    compiler = compiler or ("g++" if source.suffix == ".cc" else "gcc")
    subprocess.run([compiler, "-O1", "-g", "-fno-builtin", "-pthread", str(source), "-o", str(target), *flags], check=True)
    return str(target)


def clean_environment(**more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREPROF_", "LD_PRELOAD"))}
    kept.update(more)
    return kept


class Run:
    """A command's end: returncode, out, err; under preprof also the recording."""

    def __init__(self, done, recording=None):
        self.returncode = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.recording = recording

    @functools.cached_property
    def report(self):
        done = subprocess.run([PREPROF, "report", "-f", "json", "--top", "0", str(self.recording)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"report of {self.recording}: {done.stderr.decode()} (the run said: {self.err!r})")
        return json.loads(done.stdout)


def bare(command, timeout=120, **options):
    options.setdefault("env", clean_environment())
    return Run(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                              timeout=timeout, **options))


def _recording_wait(path, timeout):
    """The final publication comes shortly after the end: the report stops saying that the tree runs."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if path.exists() and subprocess.run(["pgrep", "-f", f"preprof-analyzer.*{re.escape(str(path))}"],
                                            stdout=subprocess.DEVNULL).returncode != 0:
            return
        time.sleep(0.02)
    raise AssertionError(f"no finished recording at {path}")


def named(path):
    """Whether a recording lies there that is not one of the first two seconds' (unless they were the last)."""
    if not os.path.exists(path):
        return False
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
        return not base.execute("SELECT 1 FROM v_notes WHERE note LIKE '%before the names of functions were read%'").fetchall()


_count = 0


def preloaded(command, timeout=120, wait=20, settings=None, behind=None, **options):
    """Under plain LD_PRELOAD; `behind`: another library preloaded after ours."""
    global _count
    _count += 1
    path = FOLDER / f"preloaded{_count}.pprf"
    environment = dict(options.pop("env", clean_environment()), LD_PRELOAD=f"{LIBRARY}:{behind}" if behind else str(LIBRARY),
                       PREPROF_OUTPUT=str(path), PREPROF_SUMMARY="off")
    environment.update({f"PREPROF_{key}": value for key, value in (settings or {}).items()})
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          timeout=timeout, env=environment, **options)
    if wait:
        _recording_wait(path, wait)
    return Run(done, path)


def under_run(command, timeout=120, wait=20, arguments=(), **options):
    """Under `preprof run`."""
    global _count
    _count += 1
    path = FOLDER / f"run{_count}.pprf"
    options.setdefault("env", clean_environment(PREPROF_SUMMARY="off"))
    done = subprocess.run([PREPROF, "run", "--output", str(path), *arguments, "--", *command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=timeout, **options)
    if wait:
        _recording_wait(path, wait)
    return Run(done, path)


def sites(report, function, key="sites"):
    """Heap sites whose innermost named frame is `function`."""
    return [site for site in report["heap"][key] if site["function"] == function]


def site_total(report, function, metric, key="sites"):
    return sum(site[metric] for site in sites(report, function, key))


def line_of(name, mark):
    """The line of programs/NAME that carries the comment `mark`."""
    for number, line in enumerate((PROGRAMS / name).read_text().splitlines(), 1):
        if f"/* {mark} */" in line:
            return number
    raise AssertionError(f"no mark {mark} in {name}")


def have(tool):
    return shutil.which(tool) is not None
