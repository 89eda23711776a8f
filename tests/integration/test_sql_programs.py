# SPDX-License-Identifier: Apache-2.0
"""SQL of other people's programs: Perl's DBI, PHP, Ruby, Django, SQLAlchemy and Alembic. Executions, rows, steps and times of
every statement are those that an SQLite counts and times itself (sql_timed.py), output and status are the bare program's."""

import pathlib
import tempfile
import unittest

import harness
import sql_timed
from harness import FOLDER, bare, have

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


@unittest.skipUnless(sql_timed.library(), "no libsqlite3.a or no objcopy")
class Programs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=FOLDER)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def check(self, text, *command, statements=5):
        script = self.folder / "script"
        script.write_text(text)
        expected = bare([*command, str(script), str(self.folder / "bare.db")], env=harness.clean_environment(PYTHONHASHSEED="0"))
        run, truth = sql_timed.run(self.folder, [*command, str(script), str(self.folder / "ours.db")])
        self.assertEqual((run.returncode, run.out, run.err), (expected.returncode, expected.out, expected.err))
        self.assertIsNotNone(truth, "the program has another SQLite")
        self.assertGreaterEqual(len(truth.texts), statements)
        sql_timed.check_counts(self, run.report, truth)
        sql_timed.check_times(self, run.report, truth)
        # A line of the script names each statement that the script is on the stack of, not its library's.
        for row in run.report["sql"]["statements"]:
            lines = [frame["line"] for frame in row["stack"] if frame["file"] == str(script)]
            if lines:
                self.assertEqual((row["file"], row["line"]), (str(script), lines[0]), row["sql"])

    def module_have(self, name):
        return bare(["/usr/bin/python3", "-c", f"import {name}"]).returncode == 0

    @unittest.skipUnless(have("perl") and bare(["perl", "-MDBD::SQLite", "-e", "1"]).returncode == 0, "no DBD::SQLite")
    def test_perl(self):
        self.check(PERL, "perl")

    @unittest.skipUnless(have("php") and b"pdo_sqlite" in bare(["php", "-m"]).out, "no PHP with SQLite")
    def test_php(self):
        """PHP loads its modules with RTLD_DEEPBIND."""
        self.check(PHP, "php")

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
