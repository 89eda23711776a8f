# SPDX-License-Identifier: Apache-2.0
"""What the tests of processes' lives share: a command must be the same bare and profiled; what its tree recorded."""

import sqlite3
import unittest

from harness import bare, preloaded


def processes(run):
    """One row (a dictionary) per process of the recording, oldest first."""
    with sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True) as base:
        base.row_factory = sqlite3.Row
        return [dict(row) for row in base.execute("SELECT * FROM v_processes ORDER BY id")]


def called(rows, name):
    return [row for row in rows if row["executable"].rsplit("/", 1)[-1].startswith(name)]


class Case(unittest.TestCase):
    maxDiff = None

    def same(self, command, settings=None, **options):
        """Runs it both ways and compares output and status; gives the profiled run's processes."""
        expected = bare(command, **options)
        done = preloaded(command, settings=settings, **options)
        self.assertEqual(done.err.decode(errors="replace"), expected.err.decode(errors="replace"))
        self.assertEqual(done.out.decode(errors="replace"), expected.out.decode(errors="replace"))
        self.assertEqual(done.returncode, expected.returncode)
        rows = processes(done)
        for row in rows:
            self.assertEqual((row["complete"], row["lost"]), (1, 0), row)
        return rows

    def counts(self, rows):
        return [(row["allocation_count"], row["free_count"]) for row in rows]
