# SPDX-License-Identifier: Apache-2.0
"""An SQLite that times each step from inside and counts by its own trace, put in the place of a program's libsqlite3.so.0, and
what it found compared with what preprof says of the same run.

The library's own time lies inside ours, of the same calls of the same run. So the machine's load does not matter, but for the
moments in which a processor is taken away between two readings of a clock that are a few instructions apart: how long the
process waited for one is known from the kernel, and allowed for."""

import collections
import functools
import re
import shutil
import subprocess

import harness
from harness import FOLDER

RENAMED = {"vdbeapi.o": ["step"], "main.o": ["open", "open16", "open_v2", "libversion_number"]}
# Looked up by name as Debian's library does: so sqlite3_exec's calls of them pass by us.
FOUND_BY_NAME = ["step", "prepare_v2", "prepare", "reset", "finalize", "exec"]
# Shorter steps may be longer by what timing them costs, and by the few instructions of the hook between its clock and SQLite
# (3 ns where this was written: 2 % of a step of 150 ns); sums that are smaller are those of what runs for the first time.
LONG_STEP_NS, OURS_STEP_NS, SMALL_SUM_NS = 5000, 8, 1000000
LONG_SUM_NS, INTERRUPTS_NS = 10_000_000, 100_000


@functools.cache
def library():
    """The folder of the library; None: there is nothing to make it from."""
    archive = subprocess.run(["gcc", "-print-file-name=libsqlite3.a"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if not archive.startswith("/") or not harness.have("objcopy"):
        return None
    folder = FOLDER / "timed"
    folder.mkdir()
    shutil.copy(archive, folder / "rest.a")
    for name, functions in RENAMED.items():
        subprocess.run(["ar", "x", archive, name], cwd=folder, check=True)
        subprocess.run(["ar", "d", "rest.a", name], cwd=folder, check=True)
        renames = [f"--redefine-sym=sqlite3_{function}=inner_{function}" for function in functions]
        subprocess.run(["objcopy", *renames, name], cwd=folder, check=True)
    (folder / "names").write_text("{" + "".join(f"sqlite3_{name};" for name in FOUND_BY_NAME) + "};\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-pthread", "-Wl,-soname,libsqlite3.so.0", "-Wl,--dynamic-list=names",
                    str(harness.PROGRAMS / "sql_timed.c"), *RENAMED, "-Wl,--whole-archive", "rest.a",
                    "-Wl,--no-whole-archive", "-lm", "-lz", "-ldl", "-o", "libsqlite3.so.0"], cwd=folder, check=True)
    return folder


def bare_text(sql):
    """What is left of a text when white space and comments do not count."""
    sql = re.sub(r"--[^\n]*|/\*.*?\*/", "", sql, flags=re.DOTALL)
    return re.sub(r"\s+|;\s*$", "", sql).removesuffix(";")


class Truth:
    """What the library wrote, by bare text: Counters of executions, rows, steps, ns."""

    def __init__(self, path):
        self.texts = collections.defaultdict(collections.Counter)
        self.timing_ns = self.waited_ns = 0
        for line in path.read_text().splitlines():
            words = line.split(" ")
            if len(words) == 2:
                self.timing_ns = max(self.timing_ns, float(words[0]))
                self.waited_ns += int(words[1])
                continue
            sql = bytes.fromhex(words[4]).decode()
            if not sql.startswith('SELECT*FROM"'): # SQLite reads its schema
                self.texts[bare_text(sql)].update(dict(zip(("steps", "ns", "executions", "rows"), map(int, words))))


def run(folder, command, version=None, **options):
    """(the run under preprof, Truth) of a program that finds its SQLite by LD_LIBRARY_PATH. version: what that says it is."""
    path = folder / "timed"
    path.unlink(missing_ok=True)
    environment = harness.clean_environment(LD_LIBRARY_PATH=str(library()), SQL_TIMED=str(path), PYTHONHASHSEED="0")
    if version:
        environment["SQL_TIMED_VERSION"] = str(version)
    done = harness.preloaded(command, settings={"SQL_LITERALS": "on"}, env=environment, **options)
    return done, Truth(path) if path.exists() else None


def by_text(report):
    found = collections.defaultdict(collections.Counter)
    for row in report["sql"]["statements"]:
        for key in ("executions", "rows", "steps", "total_ns"):
            found[bare_text(row["sql"])][key] += row[key]
    return found


def check_counts(test, report, truth):
    """Of every text executions, rows and steps are equal."""
    ours = by_text(report)
    for sql in set(truth.texts) | {sql for sql, row in ours.items() if row["executions"]}:
        for key in ("executions", "rows", "steps"):
            test.assertEqual(ours[sql][key], truth.texts[sql][key], f"{key} of {sql}")


def check_times(test, report, truth):
    """Of every text: ours has the library's own time in it, and no more than 2 % beside it. How many were long enough to say so."""
    compared = 0
    for sql, row in by_text(report).items():
        text = truth.texts[sql]
        if not text["steps"]:
            continue
        # Each execution's time is whole ns; of two clocks of one machine one may be steered at the moment.
        test.assertGreaterEqual(row["total_ns"] + text["executions"], text["ns"] * 0.999, sql)
        if text["ns"] < SMALL_SUM_NS:
            continue
        compared += 1
        timing_ns = (truth.timing_ns + OURS_STEP_NS) * text["steps"] if text["ns"] < LONG_STEP_NS * text["steps"] else 0
        if text["ns"] < LONG_SUM_NS: # a tick or an interrupt between the two clocks is more than 2 % of it
            timing_ns += INTERRUPTS_NS
        test.assertLessEqual(row["total_ns"], text["ns"] * 1.02 + timing_ns + truth.waited_ns, sql)
    return compared
