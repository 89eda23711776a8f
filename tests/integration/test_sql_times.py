# SPDX-License-Identifier: Apache-2.0
"""Times and counts of statements against an SQLite that times each of its steps from inside (sql_timed.py), of a C program,
that does so from outside too, Python's module and SQLite's shell."""

import pathlib
import shutil
import tempfile
import unittest

import harness
import pythons
import sql_timed
from harness import FOLDER, PROGRAMS, program
from sql_timed import bare_text, by_text, check_counts, check_times

SHELL = """
create table t(a integer primary key, b); create index tb on t(b);
insert into t with recursive n(i) as (select 1 union all select i + 1 from n limit 20000) select i, i % 77 from n;
select count(*), sum(b) from t where b between 3 and 40;
select x.b, count(*) from t x, t y where x.a = y.b group by x.b order by 2 desc limit 5;
begin; delete from t where a % 2; rollback;
update t set b = b + 1 where a < 10000;
select length(group_concat(a)) from t;
"""


@unittest.skipUnless(sql_timed.library(), "no libsqlite3.a or no objcopy")
class Times(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
        self.addCleanup(shutil.rmtree, self.folder)

    def timed(self, *command, statements):
        """Runs it under preprof; as many texts at least must take long enough to compare times."""
        run, truth = sql_timed.run(self.folder, command)
        self.assertEqual((run.returncode, run.err), (0, b""))
        self.assertIsNotNone(truth, "the program has another SQLite")
        check_counts(self, run.report, truth)
        self.assertGreaterEqual(check_times(self, run.report, truth), statements)
        return run, truth

    def test_program(self):
        """The program's own times are around the hook: ours are within, and of steps that take longer than the hook's own work by two
        orders of magnitude 2 % are all that is left to it."""
        run, truth = self.timed(program("sql_times.c", "-lsqlite3"), str(self.folder / "database"), statements=10)
        ours = by_text(run.report)
        compared = 0
        for line in run.out.decode().splitlines():
            steps, ns, sql = line.split(" ", 2)
            row = ours[bare_text(sql)]
            self.assertEqual(row["steps"], int(steps), sql)
            self.assertLessEqual(row["total_ns"], int(ns) * 1.001, sql)
            if int(ns) > 20000 * int(steps):
                self.assertLessEqual(int(ns), row["total_ns"] * 1.02 + truth.waited_ns, sql)
                compared += 1
        self.assertGreaterEqual(compared, 5)

    def test_pythons(self):
        for python in pythons.installed(): # SQL is seen of those, too, whose frames are not
            with self.subTest(python=python.path):
                database = self.folder / "database"
                database.unlink(missing_ok=True)
                self.timed(python.path, str(PROGRAMS / "sql_times.py"), str(database), statements=6)

    def test_another_version(self):
        """Plans are the analyzer's SQLite's: where the program has another, that is said."""
        for version in (None, 3007017):
            with self.subTest(version=version):
                database = self.folder / f"{version}.db"
                run, _ = sql_timed.run(self.folder, [program("sql_faults.c", "-lsqlite3"), "sql-missing-index", str(database)],
                                       version=version)
                self.assertIsNotNone(run.report["sql"]["planner"])
                said = [note for note in run.report["coverage"]["not_observed"] if note.startswith("the SQLite that executed")]
                self.assertEqual([note.split(":")[0] for note in said],
                                 ["the SQLite that executed is 3.7.17"] if version else [])

    @unittest.skipUnless(harness.have("sqlite3"), "no shell of SQLite")
    def test_shell(self):
        self.timed("sqlite3", str(self.folder / "database"), SHELL, statements=4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
