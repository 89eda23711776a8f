# SPDX-License-Identifier: Apache-2.0
"""SQLite used as it should be: indexes that are used, statements prepared once, transactions of many rows, queries of many.

    sql_clean.py JOURNAL_MODE LOCKING_MODE DATABASE
"""

import sqlite3
import sys

mode, locking, path = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.execute(f"pragma journal_mode={mode}").fetchall()
db.execute(f"pragma locking_mode={locking}").fetchall()
db.execute("pragma synchronous=normal")
db.execute("create table visits(id integer primary key, user int, page text)")
db.execute("create index visits_user on visits(user)")
for part in range(10):
    db.execute("begin")
    db.executemany("insert into visits(user, page) values(?, ?)", ((i % 400, f"page {i}") for i in range(2000)))
    db.execute("commit")
found = 0
for i in range(12000):
    found += len(db.execute("select page from visits where user = ? limit 8", (i % 400,)).fetchall())
db.execute("begin")
for user in range(400):
    db.execute("update visits set page = page || '!' where user = ?", (user,))
db.execute("commit")
print(found)
