# SPDX-License-Identifier: Apache-2.0
"""SQLite: executions, rows and steps equal what sqlite3_trace_v2 and the program itself count, in every way of calling it;
nothing that the program could notice differs; no literal enters the recording."""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import pythons
from harness import program

CALLS = ("sql_calls.c", "-lsqlite3")
COUNTED = {"executions": "executions", "rows": "rows", "steps": "steps", "fullscan": "fullscan_steps", "sorts": "sorts"}


def normal(sql):
    return re.sub(r"(?<!\?)\b\d+\b", "?", sql.rstrip(";"))


def by_statement(report):
    found = collections.defaultdict(collections.Counter)
    for row in report["sql"]["statements"]:
        for key, value in row.items():
            if isinstance(value, int):
                found[row["sql"]][key] += value
    return found


class SqlTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=harness.FOLDER))
        self.addCleanup(shutil.rmtree, self.folder)

    def fresh(self, name):
        path = self.folder / name
        path.mkdir()
        return str(path)

    def counted(self, mode, **options):
        """(bare run, profiled run, what the program counted itself)"""
        bare = harness.bare([program(*CALLS), mode, self.fresh("bare")])
        counts = self.folder / "counts.json"
        run = harness.preloaded([program(*CALLS), mode, self.fresh("run")],
                                env=harness.clean_environment(PP_COUNTS=str(counts)), **options)
        self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
        return bare, run, json.loads(counts.read_text()) if counts.exists() else {}

    def compare(self, report, counts):
        found = by_statement(report)
        expected = collections.defaultdict(collections.Counter)
        stepped = set()
        for sql, row in counts.items():
            expected[normal(sql)].update(row)
            if not row["steps"]:
                stepped.add(normal(sql)) # by sqlite3_exec, which the program does not see into
        for sql, row in expected.items():
            for ours, theirs in COUNTED.items():
                if sql in stepped and ours not in ("executions", "rows"):
                    continue
                self.assertEqual(found[sql][theirs], row[ours], f"{theirs} of {sql}")
        return found


class Calls(SqlTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program(*CALLS)

    def test_all(self):
        _, run, counts = self.counted("all")
        report = run.report
        found = self.compare(report, counts)
        self.assertEqual({sql for sql, row in found.items() if row["executions"] == 0},
                         {"select min(b) from t", "select nothing from nowhere"})
        sql = report["sql"]
        self.assertEqual({key: sql["transactions"][key] for key in ("commits", "rollbacks", "autocommits")},
                         {"commits": 4, "rollbacks": 1, "autocommits": 30})
        self.assertEqual(sorted((row["outcome"], row["statement_count"], row["write_count"], row["count"])
                                for row in sql["transactions"]["sites"]),
                         [("committed", 0, 0, 1), ("committed", 2, 2, 1), ("committed", 3, 3, 1), ("committed", 130, 130, 1),
                          ("rolled_back", 10, 10, 1)])
        self.assertEqual(found["select count(*) from t where a < ?"]["nested_count"], 5)
        outer = found["select count_below(a) from t where a >= ?"]
        # The same ticks; each sum is rounded down by itself.
        self.assertAlmostEqual(outer["nested_ns"], found["select count(*) from t where a < ?"]["total_ns"], delta=5)
        self.assertGreater(outer["total_ns"], outer["nested_ns"])
        self.assertEqual(found["select a from t"]["left_count"], 4)
        self.assertEqual(found["insert into t values (?, ?)"]["error_count"], 2)
        self.assertEqual(found["insert into t values (?, ?)"]["prepare_count"], 6)
        self.assertEqual(found["begin exclusive"]["busy_count"], 2)
        self.assertGreaterEqual(found["begin exclusive"]["busy_ns"], 30 * 1000000 - 5000000)
        self.assertLessEqual(found["begin exclusive"]["busy_ns"], found["begin exclusive"]["total_ns"])
        calls = collections.Counter()
        for row in sql["calls"]:
            calls[row["operation"]] += row["call_count"]
            calls[row["operation"], "amount"] += row["amount"]
        self.assertEqual({key: calls[key] for key in ("open", "close", "blob_open", "blob_read", "blob_write", "checkpoint")},
                         {"open": 3, "close": 3, "blob_open": 1, "blob_read": 6, "blob_write": 1, "checkpoint": 1})
        self.assertEqual((calls["blob_read", "amount"], calls["blob_write", "amount"]), (80, 8))
        names = sorted(row["path"].rsplit("/", 1)[-1] for row in sql["databases"])
        self.assertEqual(names, [":memory:", "all.db"])
        self.assertEqual({row["journal_mode"] for row in sql["databases"]}, {"delete", "memory"})
        lines = {row["function"] for row in sql["statements"] if row["sql"] == "select a from t where b = a"}
        self.assertEqual(lines, {"all"})

    def test_syncs_are_those_of_the_io_family(self):
        _, run, _ = self.counted("all")
        inside = sum(row["syncs"] for row in run.report["sql"]["statements"] + run.report["sql"]["calls"])
        self.assertGreater(inside, 0)
        self.assertEqual(inside, run.report["io"]["sync_calls"])

    def test_what_a_reset_commits_is_the_statement_s(self):
        _, run, counts = self.counted("left")
        found = self.compare(run.report, counts)
        rows = [row for row in run.report["sql"]["statements"] if " returning " in row["sql"]]
        self.assertEqual([(row["executions"], row["rows"], row["left_count"]) for row in rows], [(1, 1, 1), (1, 1, 1)])
        for row in rows:
            self.assertGreater(row["syncs"], 0)
            self.assertGreater(row["written_bytes"], 0)
            self.assertLessEqual(row["sync_ns"], row["total_ns"])
        self.assertEqual(sum(row["syncs"] for row in found.values()), run.report["io"]["sync_calls"])

    def test_threads(self):
        _, run, counts = self.counted("threads")
        self.compare(run.report, counts)
        self.assertEqual(by_statement(run.report)["select count(*) from t"]["executions"], 4000)

    def test_fork(self):
        _, run, _ = self.counted("forked")
        found = by_statement(run.report)
        self.assertEqual(found["select b from t where a = ?"]["executions"], 30)
        self.assertEqual(found["create table t(a integer primary key, b integer)"]["executions"], 2)

    def test_killed(self):
        _, run, _ = self.counted("killed")
        self.assertEqual(by_statement(run.report)["insert into t values (?, ?)"]["executions"], 1000)

    def test_off(self):
        _, run, _ = self.counted("all", settings={"SQL": "off"})
        self.assertIsNone(run.report["sql"])

    def test_without_io_bytes_are_unknown(self):
        _, run, counts = self.counted("all", settings={"IO": "off"})
        self.compare(run.report, counts)
        self.assertIsNone(run.report["sql"]["syncs"])

    def test_times_of_long_steps(self):
        """Ours lie inside those that the program takes around the call, and lack no more than the hook's own work."""
        _, run, counts = self.counted("rows")
        sql = "select x.a, sum(y.b) from t x, t y where y.a between x.a and x.a + 5 group by x.a"
        row, = [row for row in run.report["sql"]["statements"] if row["sql"] == normal(sql)]
        self.assertEqual((row["executions"], row["rows"], row["steps"]), (20, 400000, 400020))
        self.assertLess(row["total_ns"], counts[sql]["ns"])


class Absent(unittest.TestCase):
    def test_none_is_found(self):
        bare = harness.bare([program("sql_absent.c", "-ldl")])
        run = harness.preloaded([program("sql_absent.c", "-ldl")])
        self.assertEqual((bare.returncode, bare.out), (0, b"weak 0 0\ndefault 0, next 0, program 0\n"))
        self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
        self.assertEqual(run.report["sql"]["statements"], [])


class Static(SqlTest):
    def test_a_copy_inside_the_executable_is_said(self):
        try:
            path = program("sql_calls.c", "-DSTATIC", "-Wl,-Bstatic", "-lsqlite3", "-Wl,-Bdynamic", "-lm", "-ldl", "-lz")
        except subprocess.CalledProcessError:
            self.skipTest("no static SQLite")
        bare = harness.bare([path, "all", self.fresh("bare")])
        run = harness.preloaded([path, "all", self.fresh("run")])
        self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
        self.assertEqual(run.report["sql"]["statements"], [])
        said = [note for note in run.report["coverage"]["not_observed"] if path in note]
        self.assertEqual(len(said), 1, run.report["coverage"])
        self.assertIn("has an SQLite of its own inside", said[0])

    def check_shared(self, path, *command):
        run = harness.preloaded(command)
        self.assertEqual((run.returncode, run.err), (0, b""))
        said = [note for note in run.report["coverage"]["not_observed"] if note.startswith(path + " has an SQLite")]
        self.assertEqual(len(said), 1, run.report["coverage"])
        self.assertIn("which others can call, too: the statements that it executes itself are not in the recording", said[0])

    def test_a_copy_that_others_can_call_is_said(self):
        archive = "-Wl,-Bstatic", "-lsqlite3", "-Wl,-Bdynamic", "-lm", "-ldl", "-lz"
        try:
            path = program("sql_calls.c", "-DSTATIC", "-rdynamic", *archive)
            plugin = program("sql_hostile.c", "-DPLUGIN", "-shared", "-fPIC", "-Wl,-Bsymbolic", *archive)
        except subprocess.CalledProcessError:
            self.skipTest("no static SQLite")
        self.check_shared(path, path, "all", self.fresh("executable"))
        self.check_shared(plugin, program("sql_hostile.c", "-lsqlite3", "-ldl"), "plugin", self.fresh("plugin"), plugin)


class Pythons(SqlTest):
    def test_lines_and_literals(self):
        for python in pythons.known():
            with self.subTest(python=python.path), tempfile.TemporaryDirectory(dir=self.folder) as folder:
                self.check(python.path, pathlib.Path(folder))

    def check(self, python, folder):
        script = str(harness.PROGRAMS / "sql_work.py")
        (folder / "bare").mkdir()
        (folder / "run").mkdir()
        bare = harness.bare([python, script, str(folder / "bare")])
        if bare.returncode and b"_sqlite3" in bare.err:
            self.skipTest("this Python has no SQLite")
        run = harness.preloaded([python, script, str(folder / "run")])
        self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
        rows = collections.defaultdict(int)
        for row in run.report["sql"]["statements"]:
            rows[row["sql"], row["function"], row["line"]] += row["executions"]
        lines = {mark: number for number, line in enumerate(pathlib.Path(script).read_text().splitlines(), 1)
                 for mark in ("inserts", "points", "ordered") if line.rstrip().endswith("# " + mark)}
        self.assertEqual(rows["insert into t values (?, ?)", "fill", lines["inserts"]], 40)
        where = "look.<locals>.<listcomp>" if any(row[1] == "look.<locals>.<listcomp>" for row in rows) else \
            next(row[1] for row in rows if row[0] == "select b from t where a = ?")
        self.assertEqual(rows["select b from t where a = ?", where, lines["points"]], 30)
        self.assertEqual(rows["select a from t where b like ? order by b", "several", lines["ordered"]], 1)
        self.assertNotIn(b"secret", run.recording.read_bytes())

    def test_literals_where_they_are_asked_for(self):
        run = harness.preloaded(["/usr/bin/python3", str(harness.PROGRAMS / "sql_work.py"), self.fresh("run")],
                                settings={"SQL_LITERALS": "on"})
        self.assertIn("select a from t where b like 'secret-1%' order by b",
                      {row["sql"] for row in run.report["sql"]["statements"]})

    def test_two_libraries_and_look_ups_by_handle(self):
        maps = subprocess.run(["ldd", shutil.which("sqlite3") or program(*CALLS)], capture_output=True, text=True, check=True).stdout
        library = re.search(r"libsqlite3\.so\.0 => (\S+)", maps).group(1)
        copy = str(self.folder / "libother.so")
        shutil.copy(library, copy)
        script = str(harness.PROGRAMS / "sql_two.py")
        bare = harness.bare(["/usr/bin/python3", script, self.fresh("bare"), library, copy])
        run = harness.preloaded(["/usr/bin/python3", script, self.fresh("run"), library, copy])
        self.assertEqual((bare.returncode, bare.err), (0, b""))
        self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
        rows = {(row["sql"], os.path.basename(row["database"])): (row["executions"], row["rows"])
                for row in run.report["sql"]["statements"]}
        self.assertEqual(rows, {("select ?", "two1.db"): (1, 1), ("select ? + ?", "two2.db"): (2, 2),
                                ("select ? * ?", ":memory:"): (5, 5)})


class Named(SqlTest):
    def test_without_symbols_the_program_is_named_not_sqlite(self):
        path = self.folder / "stripped"
        shutil.copy(program("sql_faults.c", "-lsqlite3"), path)
        if harness.bare(["strip", str(path)]).returncode != 0:
            self.skipTest("no strip")
        run = harness.preloaded([str(path), "sql-sort", str(self.folder / "a.db")])
        self.assertEqual((run.returncode, run.err), (0, b""))
        rows = run.report["sql"]["statements"]
        # sqlite3_exec runs some of them, so that SQLite itself is the innermost frame
        self.assertTrue(any("libsqlite3" in row["stack"][0]["module"] for row in rows))
        self.assertEqual({(row["function"], row["module"]) for row in rows}, {(None, str(path))})


ATTACHED = """
import os, sqlite3, sys, threading, time
os.chdir(sys.argv[1])
for name, table in (("a", "here"), ("b", "there"), ("c", "there")):
    db = sqlite3.connect(name + ".db")
    db.execute(f"create table {table}(x, y)")
    db.execute(f"create table both_{table}(x)")
    db.close()
def connect(other):
    db = sqlite3.connect("a.db", isolation_level=None, timeout=5)
    db.execute("attach ? as other", (other,))
    return db
first, second = connect("b.db"), connect("c.db")
for i in range(5):
    first.execute("insert into other.there values(?, 1)", (i,))
    first.execute("select y from there where x = ?", (i,)).fetchall()
    first.execute("insert into here values(?, 2)", (i,))
    first.execute("select count(*) from here, there").fetchall()
for i in range(3):
    second.execute("select y from there where x = ?", (i,)).fetchall()
first.execute("detach other")
first.execute("select x from here").fetchall()
holder = sqlite3.connect("c.db", isolation_level=None, check_same_thread=False)
holder.execute("begin immediate")
thread = threading.Thread(target=lambda: time.sleep(0.2) or holder.execute("commit"))
thread.start()
second.execute("insert into there values(7, 7)")
thread.join()
"""


class Attached(SqlTest):
    def test_statements_count_to_the_attached_file_that_they_are_about(self):
        script = self.folder / "attached.py"
        script.write_text(ATTACHED)
        run = harness.preloaded(["/usr/bin/python3", str(script), str(self.folder)])
        self.assertEqual((run.returncode, run.err), (0, b""))
        rows = collections.Counter()
        for row in run.report["sql"]["statements"]:
            if not row["sql"].startswith("create"):
                rows[row["sql"], os.path.basename(row["database"])] += row["executions"]
        self.assertEqual(rows, {
            ("attach ? as other", "a.db"): 2,
            ("insert into other.there values (?, ?)", "b.db"): 5,
            ("select y from there where x = ?", "b.db"): 5,
            ("insert into here values (?, ?)", "a.db"): 5,
            ("select count(*) from here, there", "a.db"): 5,  # of both: the connection's
            ("select y from there where x = ?", "c.db"): 3,
            ("detach other", "a.db"): 1,
            ("select x from here", "a.db"): 1,
            ("begin immediate", "c.db"): 1,
            ("insert into there values (?, ?)", "c.db"): 1,
            ("commit", "c.db"): 1,
        })
        wait, = run.report["sql"]["waits"]
        self.assertEqual((os.path.basename(wait["database"]), wait["holder"]["lock"]), ("c.db", "write"))


QUOTED = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('create table if not exists "users"("id" integer primary key, "name" text, "age" int)')
for i in range(8):
    db.execute('select "name" from "users" where "id" = ?', (i,)).fetchall()
    db.execute('select "age" from "users" where "id" = ?', (i,)).fetchall()
    db.execute('select "id" from "users" where "name" = "sesame%d"' % i).fetchall()
"""


class Quoted(unittest.TestCase):
    def test_words_in_double_quotes_are_columns_where_the_schema_says_so(self):
        with tempfile.TemporaryDirectory(dir=harness.FOLDER) as folder:
            path, script = str(pathlib.Path(folder) / "a.db"), pathlib.Path(folder) / "quoted.py"
            script.write_text(QUOTED)
            # twice: of a file that was there before nothing makes the schema known but the file
            for database in (":memory:", path, path):
                with self.subTest(database):
                    run = harness.preloaded(["/usr/bin/python3", str(script), database])
                    self.assertEqual((run.returncode, run.err), (0, b""))
                    counts = {row["sql"]: row["executions"] for row in run.report["sql"]["statements"]}
                    counts.pop('create table if not exists "users"("id" integer primary key, "name" text, "age" int)')
                    self.assertEqual(counts, {'select "name" from "users" where "id" = ?': 8,
                                              'select "age" from "users" where "id" = ?': 8,
                                              'select "id" from "users" where "name" = ?': 8})
                    self.assertFalse(b"sesame" in run.recording.read_bytes())


@unittest.skipUnless(harness.have("sqlite3"), "no shell of SQLite")
class Shell(SqlTest):
    def test_shell(self):
        script = "create table t(a); insert into t values(1),(2),(3); select sum(a) from t; .tables\n" \
                 "pragma integrity_check; select * from t, t, t limit 5; select bad;"
        for name, text in (("script", script), ("damaged", "select * from t;")):
            with self.subTest(name=name):
                paths = [self.folder / f"{name}-{kind}.db" for kind in ("bare", "run")]
                if name == "damaged":
                    for path in paths:
                        subprocess.run(["sqlite3", str(path), "create table t(a); with recursive n(i) as (select 1 union all "
                                        "select i + 1 from n limit 5000) insert into t select i || 'text' from n"], check=True)
                        content = bytearray(path.read_bytes())
                        content[8192:12288] = b"\x55" * 4096
                        path.write_bytes(content)
                bare = harness.bare(["sqlite3", str(paths[0]), text])
                run = harness.preloaded(["sqlite3", str(paths[1]), text])
                self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
                self.assertEqual(paths[0].read_bytes()[96:], paths[1].read_bytes()[96:])
                self.assertGreater(run.report["sql"]["executions"], 0)
                if name == "damaged":
                    self.assertEqual(by_statement(run.report)["select * from t"]["error_count"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
