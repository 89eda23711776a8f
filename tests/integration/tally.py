# SPDX-License-Identifier: Apache-2.0
"""Runs a command bare and profiled both ways, and compares what is recorded with what programs/tally.c has counted."""

import collections
import os
import struct
import subprocess

import harness
from harness import FOLDER, LIBRARY, PREPROF, clean_environment, program
from life_cases import Case, processes

# Under LD_PRELOAD and under run. A sanitizer in preprof itself does not bear an allocator that comes before it.
WAYS = (False,) if b"__asan_init" in PREPROF.read_bytes() else (False, True)
_ENTRIES = 65536
_count = 0


class Tally:
    """One run's file: {pid: (allocations, frees)}."""

    def __init__(self):
        global _count
        _count += 1
        self.path = FOLDER / f"tally{_count}"
        self.path.write_bytes(b"")
        os.truncate(self.path, _ENTRIES * 24)
        self.path.chmod(0o666)

    def read(self):
        found = {}
        with open(self.path, "rb") as file:
            while True:
                at = file.tell()
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                at -= at % 24
                file.seek(at)
                chunk = file.read(24 * 4096)
                if not chunk:
                    break
                for pid, allocations, frees in struct.iter_unpack("<3q", chunk[:len(chunk) // 24 * 24]):
                    if pid:
                        found[pid] = (allocations, frees)
        return found


def library():
    return program("tally.c", "-shared", "-fPIC")


def recorded(rows):
    """{pid: (allocations, frees)}: all images of a process together, frees of every kind."""
    found = collections.defaultdict(lambda: (0, 0))
    for row in rows:
        before = found[row["pid"]]
        frees = row["free_count"] + row["inherited_free_count"] + row["unknown_free_count"]
        found[row["pid"]] = (before[0] + row["allocation_count"], before[1] + frees)
    return dict(found)


def finish(process, timeout):
    """The default way to see a run through: (out, err)."""
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def tallied(command, under_run=False, settings=None, timeout=120, wait=20, through=finish, **options):
    """One profiled run; gives harness.Run with .tally and .rows."""
    harness._count += 1
    path = FOLDER / f"tallied{harness._count}.pprf"
    tally = Tally()
    environment = dict(options.pop("env", None) or clean_environment(), TALLY_FILE=str(tally.path), PREPROF_SUMMARY="off")
    environment.update({f"PREPROF_{key}": value for key, value in (settings or {}).items()})
    if under_run:
        environment["LD_PRELOAD"] = library()
        command = [PREPROF, "run", "--output", str(path), "--", *command]
    else:
        environment.update(LD_PRELOAD=f"{LIBRARY}:{library()}", PREPROF_OUTPUT=str(path))
    options.setdefault("stdin", subprocess.DEVNULL)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options) as process:
        out, err = through(process, timeout)
    if wait:
        harness._recording_wait(path, wait)
    run = harness.Run(subprocess.CompletedProcess(command, process.returncode, out, err), path)
    run.tally = tally.read()
    if under_run:
        run.tally.pop(process.pid, None)  # of preprof itself
    run.rows = processes(run) if path.exists() else []
    return run


class TallyCase(Case):
    def check_tally(self, run):
        """Every process of the recording has counted what reached its allocator, and there is no other."""
        found = recorded(run.rows)
        expected = {pid: counts for pid, counts in run.tally.items() if counts != (0, 0)}
        self.assertEqual({pid: counts for pid, counts in found.items() if counts != (0, 0)}, expected)

    def check_whole(self, run):
        if [row for row in run.rows if (row["complete"], row["lost"]) != (1, 0)]:
            self.fail(f"not complete: {run.report['coverage']} {run.rows} {run.tally}")
