"""SQLite from Python: sql_work.py FOLDER"""
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1] + "/work.db")


def fill():
    for number in range(40):
        db.execute("insert into t values (?, ?)", (number, "secret-%d" % number))  # inserts
    db.commit()


def look():
    return [db.execute("select b from t where a = %d" % number).fetchone() for number in range(30)]  # points


def several():
    return db.execute("select a from t where b like 'secret-1%' order by b").fetchall()  # ordered


db.execute("create table t(a, b)")
fill()
print(look()[7], len(several()))
try:
    db.execute("select * from missing where x = 'secret-too'")
except sqlite3.OperationalError as error:
    print(error)
db.execute("insert into t values (1, 'uncommitted')")
db.rollback()
print(db.total_changes, db.in_transaction)
db.close()
