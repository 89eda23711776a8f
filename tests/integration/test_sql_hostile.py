# SPDX-License-Identifier: Apache-2.0
"""SQLite at its limits: interrupted, aborted, without memory, on damaged files, in threads, after a fork, behind RTLD_DEEPBIND. What
the program sees and leaves is byte for byte what it sees alone, and what is counted is what SQLite's own trace counts."""

import collections
import pathlib
import shutil
import tempfile
import unittest

import harness
import sql_timed
from harness import FOLDER, program
from sql_timed import by_text, check_counts


class Hostile(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
        self.addCleanup(shutil.rmtree, self.folder)
        self.work = self.folder / "work"

    def files(self):
        return {path.name: path.read_bytes() for path in sorted(self.work.iterdir())}

    def compared(self, mode, *arguments, counts=True):
        """Bare, under preprof, and where `counts` with the SQLite that counts. (the report, what was counted)"""
        path = program("sql_hostile.c", "-lsqlite3", "-ldl")
        command = [path, mode, str(self.work), *arguments]
        self.work.mkdir()
        bare = harness.bare(command)
        left = self.files()
        self.assertEqual(bare.returncode, 0, bare.err)
        shutil.rmtree(self.work)
        self.work.mkdir()
        run = harness.preloaded(command)
        self.assertEqual((run.returncode, run.out.decode(), run.err), (0, bare.out.decode(), bare.err))
        self.assertEqual(self.files(), left)
        self.assertEqual(run.report["coverage"]["skipped"].get("sql_statements", 0), 0)
        if not counts or not sql_timed.library():
            return run.report, None
        shutil.rmtree(self.work)
        self.work.mkdir()
        run, truth = sql_timed.run(self.folder, command)
        self.assertEqual((run.returncode, run.out.decode()), (0, bare.out.decode()))
        return run.report, truth

    def check(self, mode, *arguments):
        report, truth = self.compared(mode, *arguments)
        if truth:
            check_counts(self, report, truth)
        return report

    def errors(self, report):
        found = collections.Counter()
        for row in report["sql"]["statements"]:
            found[row["sql"]] += row["error_count"]
        return found

    def test_interrupted(self):
        report = self.check("interrupts")
        self.assertEqual(sum(self.errors(report).values()), 4)
        self.assertEqual(report["sql"]["transactions"]["rollbacks"], 1)

    def test_aborted(self):
        report = self.check("aborts")
        transactions = report["sql"]["transactions"]
        self.assertEqual((transactions["commits"], transactions["rollbacks"]), (0, 2))
        self.assertEqual(self.errors(report)["select count(*) from t x, t y where x.b < y.b"], 4)
        row = by_text(report)["selectafromtorderbya"] # goes on, though its connection was closed
        self.assertEqual((row["executions"], row["rows"], row["steps"]), (2, 12, 12))

    def test_without_memory(self):
        """A step that fails before it begins is traced by nobody but us: executions are at least those traced."""
        report, truth = self.compared("without_memory")
        if not truth:
            return
        ours = by_text(report)
        for sql, text in truth.texts.items():
            self.assertEqual((ours[sql]["rows"], ours[sql]["steps"]), (text["rows"], text["steps"]), sql)
            self.assertGreaterEqual(ours[sql]["executions"], text["executions"], sql)
        self.assertGreater(sum(self.errors(report).values()), 50)

    def test_damaged(self):
        report = self.check("damaged")
        self.assertGreater(sum(self.errors(report).values()), 10)

    def test_threads(self):
        for mode in ("serialized", "multithread"):
            with self.subTest(mode):
                shutil.rmtree(self.work, ignore_errors=True)
                self.files = lambda: None # what threads leave in a file depends on their order
                report = self.check(mode)
                self.assertEqual(report["coverage"]["skipped"].get("sql_busy", 0), 0)

    def test_forks(self):
        report = self.compared("forks", counts=False)[0]
        rows = by_text(report)
        # 30 rows before the fork, which the child does not count again, 70 and the end in both
        self.assertEqual((rows["selectafromtorderbya"]["rows"], rows["selectafromtorderbya"]["steps"]), (170, 172))
        self.assertEqual(rows["select?,count(*)fromt"]["executions"], 2)
        self.assertEqual(rows["deletefromtwherea<?"]["executions"], 2)

    def test_plugin(self):
        path = program("sql_hostile.c", "-DPLUGIN", "-shared", "-fPIC", "-lsqlite3", "-ldl")
        report = self.check("plugin", path)
        self.assertEqual(by_text(report)["selectbfromtwherea=?"]["executions"], 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
