# SPDX-License-Identifier: Apache-2.0
"""Compares a recording with what the program under torture says that it did (truth.h)."""

import collections
import mmap
import pathlib
import sqlite3
import struct
import subprocess

SITES = ("site_malloc", "site_calloc", "site_realloc", "site_aligned", "site_large", "site_handler")
COUNTERS = ("begun", "begun_bytes", "done", "done_bytes", "freeing", "freeing_bytes", "freed", "freed_bytes")
HANDLER_BYTES = 16 + 64  # the most that site_handler allocates at a time: 16 and the signal's number
HEADER = 64
IMAGE = 64 + 64 * (len(SITES) + 2)


def images(path):
    """A list of (pid, {site: {counter: value}}), in the order in which they began."""
    with open(path, "rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        except ValueError:
            return []
    count = min(struct.unpack_from("Q", data, 0)[0], (len(data) - HEADER) // IMAGE)
    found = []
    for index in range(count):
        base = HEADER + index * IMAGE
        pid, used = struct.unpack_from("II", data, base)
        if used:
            rows = {name: dict(zip(COUNTERS, struct.unpack_from("8Q", data, base + 64 + 64 * number)))
                    for number, name in enumerate(SITES)}
            found.append((pid, rows))
    data.close()
    return found


class Recording:
    """What a finished recording says; `wrong` lists what is wrong with it by itself."""

    def __init__(self, path, preprof=None):
        self.name = pathlib.Path(path).name
        self.wrong, self.whole, self.processes = [], None, []
        try:
            self.read(path)
        except sqlite3.Error as error:
            self.wrong.append(f"cannot be read: {error}")
            self.whole = None
            return
        self.consistent()
        if preprof:
            self.show(path, preprof)

    def read(self, path):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
            base.row_factory = sqlite3.Row
            check = [row[0] for row in base.execute("PRAGMA integrity_check")]
            if check != ["ok"]:
                self.wrong.append(f"integrity_check: {check[:3]}")
            if base.execute("PRAGMA application_id").fetchone()[0] != 0x50505246:
                self.wrong.append("application_id")
            self.whole = dict(base.execute("SELECT * FROM v_recording").fetchone())
            self.processes = [dict(row) for row in base.execute("SELECT * FROM v_processes ORDER BY id")]
            self.sites = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
            self.totals = collections.defaultdict(collections.Counter)
            for row in base.execute("SELECT process, function, sum(allocation_count) AS allocation_count, "
                                    "sum(allocated_bytes) AS allocated_bytes, sum(live_count) AS live_count, "
                                    "sum(live_bytes) AS live_bytes FROM v_heap_sites GROUP BY process, function"):
                values = {key: row[key] or 0 for key in row.keys() if key not in ("process", "function")}
                self.totals[row["process"]].update(values)
                self.sites[row["process"]][row["function"]].update(values)
            self.interrupting = dict(base.execute("SELECT process, sum(count) FROM v_coverage "
                                                  "WHERE skipped = 'heap_busy' GROUP BY process"))
            self.threads = {row[0]: dict(row) for row in base.execute(
                "SELECT process, sum(allocation_count) AS allocation_count, sum(allocated_bytes) AS allocated_bytes, "
                "sum(free_count) AS free_count, sum(freed_bytes) AS freed_bytes FROM v_threads GROUP BY process")}
        base.close()

    def show(self, path, preprof):
        done = subprocess.run([preprof, "report", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        nothing = b"the recording is empty" in done.stderr and not any(row["allocation_count"] for row in self.processes)
        if (done.returncode or not done.stdout) and not nothing:
            self.wrong.append(f"report: {done.returncode} {done.stderr[:300]!r}")

    def consistent(self):
        for row in self.processes:
            name = f"process {row['id']} (pid {row['pid']})"
            if row["allocation_count"] is None:
                continue
            for key, value in self.totals[row["id"]].items():
                if value != row[key]:
                    self.wrong.append(f"{name}: {key} {row[key]}, of its sites {value}")
            for key, value in self.threads.get(row["id"], {}).items():
                # A block whose free was lost, or is that of a realloc in flight, leaves when its address is another's:
                # then no thread freed it.
                if key != "process" and value != row[key] and not row["lost"] and row["exit_signal"] is None:
                    self.wrong.append(f"{name}: {key} {row[key]}, of its threads {value}")
            if row["allocated_bytes"] - row["freed_bytes"] != row["live_bytes"]:
                self.wrong.append(f"{name}: {row['allocated_bytes']} allocated, {row['freed_bytes']} freed, "
                                  f"{row['live_bytes']} live")
            if row["allocation_count"] - row["free_count"] != row["live_count"]:
                self.wrong.append(f"{name}: counts of allocations, frees and live blocks")
            if row["peak_bytes"] < row["live_bytes"]:
                self.wrong.append(f"{name}: peak {row['peak_bytes']} < live {row['live_bytes']}")

    def lost(self):
        return sum(row["lost"] or 0 for row in self.processes)


def bounds(counters):
    """What a site's figures may be, given that each call in flight may or may not have been recorded."""
    return {
        "allocation_count": (counters["done"], counters["begun"]),
        "allocated_bytes": (counters["done_bytes"], counters["begun_bytes"]),
        "live_count": (counters["done"] - counters["freeing"], counters["begun"] - counters["freed"]),
        "live_bytes": (counters["done_bytes"] - counters["freeing_bytes"],
                       counters["begun_bytes"] - counters["freed_bytes"]),
    }


def compare(recordings, found, lost_allowed=False):
    """What is wrong: every image of the truth must be in a recording, with its counts to within the calls in flight.
    Where the recording says that it lost events, it may have less."""
    wrong = []
    by_pid = collections.defaultdict(list)
    for recording in recordings:
        for row in recording.processes:
            by_pid[row["pid"]].append((recording, row))
    seen = collections.Counter()
    for pid, sites in found:
        rows = by_pid[pid]
        turn = seen[pid]
        seen[pid] += 1
        if turn >= len(rows):
            wrong.append(f"pid {pid}, image {turn + 1}: in no recording")
            continue
        recording, row = rows[turn]
        if row["lost"] or not row["complete"]:
            if not lost_allowed:
                wrong.append(f"pid {pid} (process {row['id']}): complete {row['complete']}, lost {row['lost']}")
            continue
        flying = sum(counters["begun"] - counters["done"] + counters["freeing"] - counters["freed"]
                     for counters in sites.values())
        if row["unknown_free_count"] > flying:
            wrong.append(f"pid {pid} (process {row['id']}): {row['unknown_free_count']} unknown frees")
        # A signal handler's allocation and free that came while a hook recorded another are counted, not recorded.
        missing = (recording.interrupting.get(row["id"], 0) + 1) // 2
        for name, counters in sites.items():
            for key, (low, high) in bounds(counters).items():
                value = recording.sites[row["id"]][name][key]
                if name == "site_handler" and missing:
                    low -= missing * (HANDLER_BYTES if key.endswith("bytes") else 1)
                if not low <= value <= high:
                    wrong.append(f"pid {pid} (process {row['id']}) {name} {key}: {value}, in truth {low} to {high}")
    return wrong
