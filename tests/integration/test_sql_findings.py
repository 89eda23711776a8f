# SPDX-License-Identifier: Apache-2.0
"""Findings about SQL: faults planted in a C and a Python program are found at their lines, the same programs done right
have none."""

import pathlib
import sqlite3
import tempfile
import unittest

import harness
from harness import PROGRAMS, program

# What the advice must contain; the statement that it is about.
INDEXES = {
    "sql_faults.c": {
        "sql-missing-index": ("CREATE INDEX orders_user_id ON orders(user_id)", "select sum(amount) from orders where user_id = ?"),
        "sql-automatic-index": ("CREATE INDEX parts_note ON parts(note)",
                                "select sum(price) from orders o, parts p where o.note = p.note"),
        "sql-sort": ("CREATE INDEX orders_amount ON orders(amount)", "select id, amount from orders order by amount limit ?"),
    },
    "sql_faults.py": {
        "sql-missing-index": ("CREATE INDEX albums_year ON albums(year)", "select title from albums where year = ?"),
        "sql-automatic-index": ("CREATE INDEX prices_title ON prices(title)",
                                "select sum(price) from albums natural join prices"),
        "sql-sort": ("CREATE INDEX albums_year ON albums(year DESC)", "select title from albums order by year desc limit ?"),
    },
}
FAULTS = [
    "sql-missing-index", "sql-automatic-index", "sql-sort", "sql-commit-per-statement", "sql-small-transactions",
    "sql-n-plus-one", "sql-query-in-loop", "sql-prepared-again", "sql-few-rows-fetched", "sql-busy-wait",
    "sql-long-write-transaction",
]


def mark_line(name, fault):
    """The line that carries the fault's mark."""
    for number, line in enumerate((PROGRAMS / name).read_text().splitlines(), 1):
        if line.endswith((f"/* {fault} */", f"# {fault}")):
            return number
    raise AssertionError(f"no mark {fault} in {name}")


SECRET = "sesame-471147"

# A suspicious statement, its values written into it, on databases that are hard to get at. {path} is a folder's.
SCHEMAS = {
    "memory": 'db = sqlite3.connect(":memory:"); fill(db)',
    "deleted": 'db = sqlite3.connect("{path}/a.db"); fill(db); os.unlink("{path}/a.db")',
    "log": 'db = sqlite3.connect("{path}/a.db"); db.execute("pragma journal_mode=wal"); fill(db)',
    "locked": 'db = sqlite3.connect("{path}/a.db"); fill(db); db.execute("begin exclusive")',
    "temporary": 'db = sqlite3.connect("{path}/a.db"); fill(db, "temp")',
    "attached": '''db = sqlite3.connect("{path}/a.db"); db.execute("attach '{path}/b.db' as other"); fill(db, "other")''',
}
SUSPICIOUS = '''
import os, sqlite3, sys
def fill(db, where="main"):
    db.execute(f"create table {where}.doors(name text, colour text default 'SECRET', number int check (number <> 471147))")
    db.executemany(f"insert into {where}.doors values(?, ?, ?)", ((f"door {i}", f"SECRET {i}", i) for i in range(20000)))
    db.commit()
OPEN
found = 0
for i in range(60):
    found += len(db.execute(f"select number from doors where colour = 'SECRET {i}' and \\"SECRET\\" <> name").fetchall())
assert found == 60
END
'''


class Schemas(unittest.TestCase):
    def check(self, name, end=""):
        with tempfile.TemporaryDirectory(dir=harness.FOLDER) as folder:
            script = SUSPICIOUS.replace("OPEN", SCHEMAS[name].replace("{path}", folder)).replace("END", end)
            path = pathlib.Path(folder) / "script.py"
            path.write_text(script.replace("SECRET", SECRET))
            run = harness.preloaded(["/usr/bin/python3", str(path)])
        self.assertEqual(run.returncode, -9 if "kill" in end else 0, run.err)
        found = [one for one in run.report["findings"] if one["id"] == "sql-missing-index"]
        self.assertEqual([one["sql"] for one in found], ["select number from doors where colour = ? and ? <> name"])
        index = {"temporary": "temp.", "attached": "other."}.get(name, "")
        self.assertIn(f"CREATE INDEX {index}doors_colour ON doors(colour)", found[0]["recommendation"])
        statement = next(row for row in run.report["sql"]["statements"] if row["plan"])
        self.assertEqual(len(statement["plan"]), 1)
        self.assertRegex(statement["plan"][0], "^SCAN .*doors$")
        self.assertEqual(run.report["sql"]["planner"], sqlite3.sqlite_version)
        # what was written into statements and schemas is nowhere in the recording
        self.assertNotIn(SECRET.encode(), run.recording.read_bytes())
        self.assertNotIn(b"471147", run.recording.read_bytes())

    def test_wherever_the_schema_is(self):
        for name in SCHEMAS:
            with self.subTest(name):
                self.check(name)

    def test_after_a_kill(self):
        self.check("log", "os.kill(os.getpid(), 9)")


class Planted(unittest.TestCase):
    runs = {}

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=harness.FOLDER)
        self.addCleanup(self.folder.cleanup)

    def command(self, source, fault):
        path = str(pathlib.Path(self.folder.name) / f"{fault}.db")
        if source.endswith(".py"):
            return ["/usr/bin/python3", str(PROGRAMS / source), fault, path]
        return [program(source, "-lsqlite3"), fault, path]

    def findings(self, source, fault):
        # both of these are in one run
        key = source, fault.replace("sql-long-write-transaction", "sql-busy-wait")
        if key not in self.runs:
            self.runs[key] = harness.preloaded(self.command(*key))
        run = self.runs[key]
        self.assertEqual(run.returncode, 0, run.err)
        return run, [one for one in run.report["findings"] if one["category"] == "sql"]

    def check(self, source, fault):
        _, findings = self.findings(source, fault)
        found = [one for one in findings if one["id"] == fault]
        self.assertTrue(found, f"{fault} is not found in {source}; {[one['title'] for one in findings]}")
        lines = [(frame["file"] or "", frame["line"]) for frame in found[0]["where"]]
        wanted = mark_line(source, fault)
        # the innermost frame in the program itself
        own = next((line for file, line in lines if file.endswith(source)), None)
        self.assertEqual(own, wanted, lines)
        index, statement = INDEXES[source].get(fault, (None, None))
        if index:
            self.assertIn(index, found[0]["recommendation"])
            self.assertEqual(found[0]["sql"], statement)

    def test_c(self):
        for fault in FAULTS:
            with self.subTest(fault):
                self.check("sql_faults.c", fault)

    def test_python(self):
        for fault in FAULTS:
            with self.subTest(fault):
                self.check("sql_faults.py", fault)

    def test_clean(self):
        for source in INDEXES:
            with self.subTest(source):
                run, findings = self.findings(source, "clean")
                self.assertEqual([one["title"] for one in findings], [])
                self.assertTrue(run.report["sql"]["statements"])


class Example(unittest.TestCase):
    def findings(self, *arguments):
        path = harness.SOURCE / "examples/shop.py"
        run = harness.preloaded(["/usr/bin/python3", str(path), *arguments])
        self.assertEqual((run.returncode, run.err), (0, b""))
        lines = path.read_text().splitlines()
        functions = {}
        for one in run.report["findings"]:
            if one["category"] == "sql":
                frame = next(frame for frame in one["where"] if (frame["file"] or "").endswith("shop.py"))
                functions[one["id"]] = frame["function"].split(".")[0]
                self.assertIn("execute" if one["id"] != "sql-small-transactions" else "commit", lines[frame["line"] - 1])
        return run.out, functions

    def test_shop(self):
        wrong, found = self.findings()
        fixed, none = self.findings("fixed")
        planted = {"sql-missing-index": "totals", "sql-n-plus-one": "totals", "sql-sort": "largest",
                   "sql-small-transactions": "log_visits", "sql-prepared-again": "notes", "sql-query-in-loop": "notes"}
        # The smaller ones are findings where they take enough of the whole time, which has a slow disk's in it.
        self.assertEqual(planted, planted | found)
        self.assertLessEqual({"sql-missing-index", "sql-n-plus-one"}, set(found))
        self.assertEqual(none, {})
        self.assertEqual(wrong, fixed)


if __name__ == "__main__":
    unittest.main()
