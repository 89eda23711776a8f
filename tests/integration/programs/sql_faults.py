# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with SQLite, one fault at a time, each at a marked line; `clean` does all of it as it should be done.

    sql_faults.py FAULT DATABASE
"""

import sqlite3
import sys
import threading
import time


def fill(db):
    db.executescript("""
        begin;
        create table artists(id integer primary key, name text, born int);
        create table albums(id integer primary key, artist int, title text, year int);
        create table prices(title text, price int);
    """)
    db.executemany("insert into artists values(?, ?, ?)", ((i, f"artist {i}", 1900 + i % 90) for i in range(1, 2001)))
    db.executemany("insert into albums values(?, ?, ?, ?)",
                   ((i, i % 2000, f"album {i}", i * 7919 % 10007) for i in range(1, 20001)))
    db.executemany("insert into prices values(?, ?)", ((f"album {i}", i) for i in range(1, 5001)))
    db.commit()


def missing_index(db, path):
    for year in range(60):
        db.execute("select title from albums where year = ?", (year,)).fetchall()  # sql-missing-index


def automatic_index(db, path):
    for _ in range(10):
        db.execute("select sum(price) from albums natural join prices").fetchone()  # sql-automatic-index


def sort(db, path):
    for _ in range(40):
        db.execute("select title from albums order by year desc limit 5").fetchall()  # sql-sort


def commit_per_statement(db, path):
    db.isolation_level = None
    for i in range(100):
        db.execute("insert into prices values('more', ?)", (i,))  # sql-commit-per-statement


def small_transactions(db, path):
    for i in range(100):
        db.execute("update artists set born = ? where id = ?", (i, i))
        db.commit()  # sql-small-transactions


def name_of(db, artist):
    return db.execute("select name from artists where id = ?", (artist,)).fetchall()  # sql-n-plus-one


def n_plus_one(db, path):
    albums = db.execute("select artist, title from albums limit 4000").fetchall()
    return [(title, name_of(db, artist)) for artist, title in albums]


def query_in_loop(db, path):
    for i in range(60000):
        db.execute("select born from artists where id = ?", (i % 1999,)).fetchone()  # sql-query-in-loop


def prepared_again(db, path):
    for i in range(5000):
        db.execute(f"select name from artists where id = {i}").fetchall()  # sql-prepared-again


def few_rows_fetched(db, path):
    for _ in range(15):
        db.execute("select title, year % 100 as worth from albums order by worth").fetchone()  # sql-few-rows-fetched


def hold(path, locked):
    db = sqlite3.connect(path, timeout=5)
    for _ in range(2):
        db.execute("insert into prices values('held', 1)")  # sql-long-write-transaction
        locked.wait()
        time.sleep(0.15)
        db.commit()
        locked.wait()
    db.close()


def busy_wait(db, path):
    locked = threading.Barrier(2)
    thread = threading.Thread(target=hold, args=(path, locked))
    thread.start()
    db.isolation_level = None
    for _ in range(2):
        locked.wait()
        db.execute("insert into prices values('waited', 1)")  # sql-busy-wait
        locked.wait()
    thread.join()


def clean(db, path):
    db.executescript("""
        create index albums_year on albums(year); create index albums_artist on albums(artist);
        create index prices_title on prices(title);
    """)
    for year in range(60):
        db.execute("select title from albums where year = ?", (year,)).fetchall()
    for _ in range(10):
        db.execute("select sum(price) from albums natural join prices").fetchone()
        db.execute("select title from albums order by year desc limit 5").fetchall()
    db.execute("select title, name from albums join artists on artists.id = albums.artist limit 4000").fetchall()
    db.executemany("insert into prices values('more', ?)", ((i,) for i in range(20000)))
    db.commit()
    for i in range(0, 2000, 500):
        db.execute("select name from artists where id in (?, ?, ?)", (i, i + 1, i + 2)).fetchall()


def main():
    name, path = sys.argv[1:]
    db = sqlite3.connect(path, timeout=5)
    fill(db)
    run = "busy_wait" if name == "sql-long-write-transaction" else name.removeprefix("sql-").replace("-", "_")
    globals()[run](db, path)
    db.close()


main()
