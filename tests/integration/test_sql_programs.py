# SPDX-License-Identifier: Apache-2.0
"""SQL of other people's programs: Perl's DBI, PHP, Ruby, Django, SQLAlchemy and Alembic. Executions and rows of every
statement are those that SQLite's own tracing tells of the bare program, output and status are the bare program's."""

import collections
import pathlib
import re
import subprocess
import tempfile
import unittest

import harness
from harness import FOLDER, bare, have, preloaded

PERL = r"""
use DBI;
my $db = DBI->connect("dbi:SQLite:dbname=$ARGV[0]", "", "", {RaiseError => 1, AutoCommit => 1});
$db->do("create table users(id integer primary key, name text, age int)");
$db->begin_work;
my $insert = $db->prepare("insert into users(name, age) values(?, ?)");
$insert->execute("user $_", $_ % 50) for 1 .. 300;
$db->commit;
my $sum = 0;
for my $age (1 .. 20) {
    my $rows = $db->selectall_arrayref("select id, name from users where age = ?", undef, $age);
    $sum += scalar @$rows;
}
my ($one) = $db->selectrow_array("select count(*) from users where name like 'user 1%'");
$db->do("update users set age = age + 1 where id = $_") for 1 .. 10;
eval { $db->do("insert into users(id) values(1)") };
print "$sum $one ", ($@ ? "refused" : "taken"), "\n";
"""

PHP = r"""<?php
$db = new PDO("sqlite:" . $argv[1]);
$db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
$db->exec("create table t(id integer primary key, a int, b text)");
$db->beginTransaction();
$insert = $db->prepare("insert into t(a, b) values(:a, :b)");
for ($i = 0; $i < 200; $i++) $insert->execute([":a" => $i % 10, ":b" => "text $i"]);
$db->commit();
$sum = 0;
foreach ($db->query("select a, b from t order by b") as $row) $sum += $row["a"];
$native = new SQLite3($argv[1]);
$statement = $native->prepare("select count(*) as n from t where a = ?");
for ($i = 0; $i < 10; $i++) {
    $statement->bindValue(1, $i);
    $result = $statement->execute();
    $sum += $result->fetchArray()["n"];
    $result->finalize();
}
$native->exec("delete from t where a = 3; delete from t where a = 4");
echo $sum, " ", $native->querySingle("select count(*) from t"), "\n";
"""

RUBY = r"""
require "sqlite3"
db = SQLite3::Database.new(ARGV[0])
db.execute_batch("create table t(a, b); create index ta on t(a);")
db.transaction { 100.times { |i| db.execute("insert into t values(?, ?)", [i % 7, "x#{i}"]) } }
sum = 0
7.times { |i| db.execute("select b from t where a = ?", [i]) { |row| sum += row[0].size } }
puts sum, db.get_first_value("select count(*) from t")
"""

DJANGO = r"""
import sys
import django
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}}, USE_TZ=False,
                   INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"], DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import Group, User
from django.db import transaction
with transaction.atomic():
    groups = [Group.objects.create(name=f"group {i}") for i in range(5)]
    User.objects.bulk_create([User(username=f"user{i}", first_name="Ada") for i in range(60)])
for user in User.objects.all():
    user.groups.add(groups[user.pk % 5])
total = 0
for user in User.objects.all():
    total += sum(group.pk for group in user.groups.all())
for user in User.objects.prefetch_related("groups").filter(username__startswith="user1"):
    total += len(user.groups.all())
User.objects.filter(groups__name="group 2").update(first_name="Bob")
print(total, User.objects.filter(first_name="Bob").count(), User.objects.values_list("id")[:3].count())
"""

SQLALCHEMY = r"""
import sys
from sqlalchemy import Column, ForeignKey, Integer, String, create_engine, select, func
from sqlalchemy.orm import Session, declarative_base, relationship
Base = declarative_base()
class Author(Base):
    __tablename__ = "author"
    id = Column(Integer, primary_key=True)
    name = Column(String(50))
    books = relationship("Book")
class Book(Base):
    __tablename__ = "book"
    id = Column(Integer, primary_key=True)
    title = Column(String(50))
    author_id = Column(Integer, ForeignKey("author.id"))
engine = create_engine(f"sqlite:///{sys.argv[1]}")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all(Author(name=f"author {i}", books=[Book(title=f"{i}.{j}") for j in range(3)]) for i in range(40))
    session.commit()
    total = sum(len(author.books) for author in session.query(Author))
    session.query(Book).filter(Book.author_id.in_([1, 2, 3])).delete(synchronize_session=False)
    session.rollback()
    print(total, session.query(func.count(Book.id)).scalar())
"""

ALEMBIC = r"""
import sys
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
engine = sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}")
with engine.begin() as connection:
    op = Operations(MigrationContext.configure(connection))
    op.create_table("account", sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
                    sqlalchemy.Column("name", sqlalchemy.String(50)))
    op.bulk_insert(sqlalchemy.table("account", sqlalchemy.column("name")), [{"name": f"n{i}"} for i in range(20)])
    with op.batch_alter_table("account") as batch:
        batch.add_column(sqlalchemy.Column("age", sqlalchemy.Integer))
        batch.alter_column("name", nullable=False)
    op.create_index("account_name", "account", ["name"])
    print(connection.execute(sqlalchemy.text("select count(*) from account")).scalar())
"""


def bare_text(sql):
    """What is left of a text when white space and comments do not count."""
    sql = re.sub(r"--[^\n]*|/\*.*?\*/", "", sql, flags=re.DOTALL)
    return re.sub(r"\s+|;\s*$", "", sql).removesuffix(";")


class Programs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=FOLDER)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def truth_library(self):
        target = FOLDER / "sql_truth.so"
        if not target.exists():
            subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-D_GNU_SOURCE", str(harness.PROGRAMS / "sql_truth.c"), "-o",
                            str(target), "-lsqlite3", "-ldl"], check=True)
        return target

    def truth(self, command):
        path = self.folder / "truth"
        environment = harness.clean_environment(LD_PRELOAD=str(self.truth_library()), SQL_TRUTH=str(path),
                                                PYTHONHASHSEED="0")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        counts = collections.Counter()
        rows = collections.Counter()
        for line in path.read_text().splitlines():
            executions, row_count, text = line.split(" ")
            text = bare_text(bytes.fromhex(text).decode())
            counts[text] += int(executions)
            rows[text] += int(row_count)
        return counts, rows

    def check(self, text, *command, statements=5, truth=None):
        script = self.folder / "script"
        script.write_text(text)
        databases = [str(self.folder / name) for name in ("truth.db", "bare.db", "ours.db")]
        counts, rows = truth or self.truth([*command, str(script), databases[0]])
        environment = harness.clean_environment(PYTHONHASHSEED="0")
        expected = bare([*command, str(script), databases[1]], env=environment)
        run = preloaded([*command, str(script), databases[2]], settings={"SQL_LITERALS": "on"}, env=environment)
        self.assertEqual((run.returncode, run.out, run.err), (expected.returncode, expected.out, expected.err))
        ours_counts = collections.Counter()
        ours_rows = collections.Counter()
        for row in run.report["sql"]["statements"]:
            if row["executions"]:
                ours_counts[bare_text(row["sql"])] += row["executions"]
                ours_rows[bare_text(row["sql"])] += row["rows"]
        self.assertGreaterEqual(len(counts), statements)
        self.assertEqual(+ours_counts, +counts)
        self.assertEqual(+ours_rows, +rows)

    def module_have(self, name):
        return bare(["/usr/bin/python3", "-c", f"import {name}"]).returncode == 0

    @unittest.skipUnless(have("perl") and bare(["perl", "-MDBD::SQLite", "-e", "1"]).returncode == 0, "no DBD::SQLite")
    def test_perl(self):
        self.check(PERL, "perl")

    @unittest.skipUnless(have("php") and b"pdo_sqlite" in bare(["php", "-m"]).out, "no PHP with SQLite")
    def test_php(self):
        """PHP loads its modules with RTLD_DEEPBIND, which no tracing library gets into: the script says what it does.
        SQLite3Stmt::execute() steps once and resets; fetchArray() then executes the statement again."""
        insert, select = "insert into t(a, b) values(:a, :b)", "select a, b from t order by b"
        count = "select count(*) as n from t where a = ?"
        counts = collections.Counter({bare_text(insert): 200, bare_text(select): 1, bare_text(count): 20, "BEGIN": 1, "COMMIT": 1,
                                      bare_text("create table t(id integer primary key, a int, b text)"): 1,
                                      bare_text("delete from t where a = 3"): 1, bare_text("delete from t where a = 4"): 1,
                                      bare_text("select count(*) from t"): 1})
        rows = collections.Counter({bare_text(select): 200, bare_text(count): 20, bare_text("select count(*) from t"): 1})
        self.check(PHP, "php", truth=(counts, rows))

    @unittest.skipUnless(have("ruby") and bare(["ruby", "-e", "require 'sqlite3'"]).returncode == 0, "no Ruby with SQLite")
    def test_ruby(self):
        self.check(RUBY, "ruby")

    def test_django(self):
        if not self.module_have("django"):
            self.skipTest("no Django")
        self.check(DJANGO, "/usr/bin/python3", statements=20)

    def test_sqlalchemy(self):
        if not self.module_have("sqlalchemy"):
            self.skipTest("no SQLAlchemy")
        self.check(SQLALCHEMY, "/usr/bin/python3")

    def test_alembic(self):
        if not self.module_have("alembic"):
            self.skipTest("no Alembic")
        self.check(ALEMBIC, "/usr/bin/python3")


if __name__ == "__main__":
    unittest.main()
