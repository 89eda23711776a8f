# SPDX-License-Identifier: Apache-2.0
"""Waits for SQLite's locks: named is who held the lock, where that began or spent its time, and who waited."""

import pathlib
import sqlite3
import tempfile
import unittest

import harness
from harness import PROGRAMS

SOURCE = "sql_locks.py"


def line_of(mark):
    for number, line in enumerate((PROGRAMS / SOURCE).read_text().splitlines(), 1):
        if line.endswith(f"# {mark}"):
            return number
    raise AssertionError(mark)


def line_in(finding):
    return next((frame["line"] for frame in finding["where"] if (frame["file"] or "").endswith(SOURCE)), None)


class Locks(unittest.TestCase):
    def run_way(self, way, before=None):
        with tempfile.TemporaryDirectory(dir=harness.FOLDER) as folder:
            path = str(pathlib.Path(folder) / "a.db")
            if before:
                before(path)
            run = harness.preloaded(["/usr/bin/python3", str(PROGRAMS / SOURCE), way, path])
        self.assertEqual((run.returncode, run.err), (0, b""))
        return run, {one["id"]: one for one in run.report["findings"] if one["category"] == "sql"}

    def check(self, way, begin, holder="sql-long-write-transaction", wait="wait", waiter="sql-busy-wait", who=None):
        """The holder's finding names the line `begin` and the waiter's line; the waiter's finding the same two."""
        run, found = self.run_way(way)
        self.assertIn(waiter, found, way)
        self.assertEqual(line_in(found[waiter]), line_of(wait))
        self.assertIn(f"({SOURCE}:{line_of(begin)})", found[waiter]["recommendation"])
        if who:
            self.assertIn(who, found[waiter]["recommendation"])
        if holder:
            self.assertIn(holder, found, way)
            self.assertEqual(line_in(found[holder]), line_of(begin))
            self.assertIn(f"({SOURCE}:{line_of(wait)})", found[holder]["recommendation"])
            self.assertEqual(found[holder]["evidence"]["blocked_count"], 1)
            # nobody waits longer than the lock is held
            self.assertLessEqual(found[holder]["evidence"]["blocked_ns"], found[holder]["evidence"]["max_ns"])
        others = {"sql-long-write-transaction", "sql-long-read"} - {holder}
        self.assertEqual(others & set(found), set(), way)
        waits = run.report["sql"]["waits"]
        self.assertTrue(waits)
        self.assertEqual([one["holder"]["lock"] for one in waits],
                         ["read" if holder == "sql-long-read" else "write"] * len(waits))
        return run, found

    def test_another_thread(self):
        for way in ("immediate", "exclusive", "log", "in_vain"):
            with self.subTest(way):
                self.check(way, "begin", who="in another thread")

    def test_first_write(self):
        self.check("first_write", "first_write")

    def test_same_thread(self):
        self.check("same_thread", "same_thread", who="of the same thread")

    def test_another_process(self):
        run, found = self.check("process", "begin")
        child = next(one["pid"] for one in run.report["processes"] if one["pid"] != run.report["target"]["pid"])
        self.assertIn(f"in process {child}", found["sql-busy-wait"]["recommendation"])

    def test_nobody_in_the_recording(self):
        held = []

        def hold(path):
            db = sqlite3.connect(path, isolation_level=None)
            db.execute("create table t(a, b)")
            db.execute("begin immediate")
            held.append(db)

        for way, before in (("outside", hold), ("killed", None)):
            with self.subTest(way):
                run, found = self.run_way(way, before)
                self.assertEqual(set(found), {"sql-busy-wait"})
                self.assertEqual(line_in(found["sql-busy-wait"]), line_of("wait"))
                self.assertIn("not in this recording", found["sql-busy-wait"]["recommendation"])
                self.assertEqual([one["holder"] for one in run.report["sql"]["waits"]], [None])
        held[0].close()

    def test_readers(self):
        for way in ("reader", "reading_transaction"):
            with self.subTest(way):
                self.check(way, way, "sql-long-read")
        self.check("checkpoint", "checkpoint", "sql-long-read", "checkpoint_wait")

    def test_where_the_time_went(self):
        for way in ("slow_statement", "alone"):
            with self.subTest(way):
                _, found = self.run_way(way)
                holder = found["sql-long-write-transaction"]
                self.assertEqual(line_in(holder), line_of(way))
                self.assertIn("one statement", holder["recommendation"])
                self.assertIn("update t set b = slow(b) where a <= ?", holder["recommendation"])

    def test_refused(self):
        for way in ("refused", "shared_cache"):
            with self.subTest(way):
                run, _ = self.check(way, way, None, waiter="sql-busy-refused")
                row = next(row for row in run.report["sql"]["statements"] if row["busy_count"])
                self.assertEqual((row["busy_count"], row["busy_ns"]), (20, 0))

    def test_handler(self):
        self.check("handler", "handler", wait="handler_wait")

    def test_blob(self):
        if hasattr(sqlite3.Connection, "blobopen"):
            self.check("blob", "blob")


if __name__ == "__main__":
    unittest.main()
