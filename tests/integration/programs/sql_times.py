"""Statements of all sorts from Python: sql_times.py DATABASE"""
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1])
db.execute("create table t(a integer primary key, b integer)")
db.executemany("insert into t values (?, ?)", ((i, i * 7919 % 10007) for i in range(20000)))
db.commit()
total = 0
for i in range(2000):
    total += db.execute("select b from t where a = ?", (i,)).fetchone()[0]
for a, b in db.execute("select a, b from t"):
    total += a
for i in range(100):
    total += db.execute("select sum(b) from t where b between ? and ? + 100", (i, i)).fetchone()[0]
for row in db.execute("select b, count(*) from t group by b % 500 order by 2, 1"):
    total += row[1]
db.create_function("twice", 1, lambda value: value * 2)
total += db.execute("select sum(twice(a)) from t").fetchone()[0]
for i in range(5):
    db.execute("update t set b = b + 1 where a % 10 = ?", (i,))
    db.commit()
db.executescript("begin; delete from t where a % 3 = 0; commit;")
print(total, db.execute("select count(*) from t").fetchall())
