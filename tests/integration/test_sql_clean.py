# SPDX-License-Identifier: Apache-2.0
"""Programs that use SQLite as they should have no findings, whatever SQLite does with its files and names for them."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import PROGRAMS, program

FILL = """pragma journal_mode=delete; create table visits(id integer primary key, user int, page text);
create index visits_user on visits(user);
with recursive c(i) as (select 0 union all select i + 1 from c where i < 19999)
insert into visits(user, page) select i % 400, 'page ' || i from c;"""
QUERY = "select page from visits where user = %s limit 8"
PERL = """use DBI; my $db = DBI->connect("dbi:SQLite:dbname=$ARGV[0]", "", "", {RaiseError => 1, sqlite_allow_multiple_statements => 1});
$db->do($ARGV[1]); my $query = $db->prepare("select page from visits where user = ? limit 8"); my $found = 0;
for my $i (0 .. 11999) { $query->execute($i % 400); $found += scalar @{$query->fetchall_arrayref}; } print "$found\\n";"""
PHP = """$db = new PDO("sqlite:$argv[1]"); $db->exec($argv[2]); $found = 0;
$query = $db->prepare("select page from visits where user = ? limit 8");
for ($i = 0; $i < 12000; $i++) { $query->execute([$i % 400]); $found += count($query->fetchAll()); } echo "$found\\n";"""


def has(*command):
    return bool(shutil.which(command[0])) and subprocess.run(command, capture_output=True).returncode == 0


class Clean(unittest.TestCase):
    def check(self, command, found=b"96000"):
        with tempfile.TemporaryDirectory(dir=harness.FOLDER) as folder:
            path = str(pathlib.Path(folder) / "a.db")
            run = harness.preloaded([part.replace("DATABASE", path) for part in command])
        self.assertEqual((run.returncode, run.err), (0, b""))
        self.assertEqual(run.out.split()[-1], found)
        self.assertEqual([one["title"] for one in run.report["findings"]], [])
        return run.report

    def test_journals(self):
        path = program("sql_clean.c", "-lsqlite3")
        for journal, locking in (("delete", "normal"), ("wal", "normal"), ("truncate", "exclusive"), ("persist", "normal")):
            for command in ([path], ["/usr/bin/python3", str(PROGRAMS / "sql_clean.py")]):
                with self.subTest(journal=journal, program=command[-1]):
                    report = self.check([*command, journal, locking, "DATABASE"])
                    io = report["io"]
                    file = next(row for row in io["files"] if row["path"] and row["path"].endswith("/a.db"))
                    # All that is done to the file is SQLite's, and none of it is lost from the counts.
                    self.assertEqual(file["sqlite_calls"], file["call_count"])
                    self.assertGreater(io["sqlite_calls"], 500)
                    self.assertEqual(io["sqlite_calls"], sum(row["sqlite_calls"] for row in io["files"]))

    def test_what_a_function_of_the_program_does_is_not_sqlite_s(self):
        with tempfile.TemporaryDirectory(dir=harness.FOLDER) as folder:
            script = ("import os, sqlite3; db = sqlite3.connect(':memory:')\n"
                      "def look(name):\n    return int(os.path.exists('FOLDER/%d' % name))\n"
                      "db.create_function('look', 1, look)\n"
                      "print(db.execute('with recursive c(i) as (select 0 union all select i + 1 from c where i < 29999)"
                      " select sum(look(i)) from c').fetchone()[0])").replace("FOLDER", folder)
            run = harness.preloaded(["/usr/bin/python3", "-c", script])
        self.assertEqual((run.returncode, run.out), (0, b"0\n"))
        finding = next(one for one in run.report["findings"] if one["id"] == "io-missing-names")
        self.assertEqual(finding["evidence"]["missing_count"], 30000)

    def test_shell(self):
        if not shutil.which("sqlite3"):
            self.skipTest("no sqlite3")
        queries = "".join(QUERY % (i % 400) + ";" for i in range(0, 400, 8)).replace("select page", "select count(*)")
        self.check(["sqlite3", "DATABASE", FILL + queries.replace(" limit 8", "") + "select 96000"])

    def test_perl(self):
        if not has("perl", "-MDBD::SQLite", "-e1"):
            self.skipTest("no DBD::SQLite")
        self.check(["perl", "-e", PERL, "DATABASE", FILL])

    def test_php(self):
        if not has("php", "-r", "exit(extension_loaded('pdo_sqlite') ? 0 : 1);"):
            self.skipTest("no pdo_sqlite")
        self.check(["php", "-r", PHP, "DATABASE", FILL])


if __name__ == "__main__":
    unittest.main()
