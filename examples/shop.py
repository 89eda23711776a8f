# SPDX-License-Identifier: Apache-2.0
"""A small shop on SQLite that does a few things as they should not be done: `shop.py fixed` does them right.

    preprof run -- python3 examples/shop.py
    preprof report preprof.python3.PID.pprf
"""
import os
import sqlite3
import sys
import tempfile

USERS, ORDERS = 400, 12000
fixed = sys.argv[1:] == ["fixed"]


def fill(db):
    db.executescript("create table users(id integer primary key, name text);"
                     "create table orders(id integer primary key, user_id integer, amount integer, note text);"
                     "create table visits(id integer primary key, user_id integer)")
    db.executemany("insert into users values (?, ?)", ((i, f"user {i}") for i in range(USERS)))
    db.executemany("insert into orders values (?, ?, ?, ?)",
                   ((i, i * 7919 % USERS, i * 31 % 1000, f"note {i}") for i in range(ORDERS)))
    if fixed:
        db.execute("create index orders_user on orders(user_id)")
        db.execute("create index orders_amount on orders(amount)")
    db.commit()


def log_visits(db):
    """One transaction for each row, and each waits for the disk."""
    for i in range(60):
        db.execute("insert into visits(user_id) values (?)", (i,))
        if not fixed:
            db.commit()
    db.commit()


def totals(db):
    """The orders of each user, one user after the other, without an index."""
    if fixed:
        return dict(db.execute("select user_id, sum(amount) from orders group by user_id"))
    return {user: db.execute("select sum(amount) from orders where user_id = ?", (user,)).fetchone()[0]
            for user, in db.execute("select id from users").fetchall()}


def largest(db):
    """The whole table is sorted each time for ten rows of it."""
    return [db.execute("select id, amount from orders order by amount desc limit 10").fetchall() for _ in range(30)]


def notes(db):
    """A text of its own for each key: each is parsed and planned anew, for one row."""
    if fixed:
        return db.execute("select note from orders where id < 6000").fetchall()
    return [db.execute(f"select note from orders where id = {i}").fetchone() for i in range(6000)]


with tempfile.TemporaryDirectory() as folder:
    shop = sqlite3.connect(os.path.join(folder, "shop.db"))
    fill(shop)
    log_visits(shop)
    print(sum(totals(shop).values()), len(largest(shop)), len(notes(shop)))
    shop.close()
