# SPDX-License-Identifier: Apache-2.0
"""Locks of SQLite that are held while others want them, one way at a time. The lines that hold and wait are marked.

    sql_locks.py WAY DATABASE
"""

import ctypes
import multiprocessing
import os
import sqlite3
import sys
import threading
import time

LONG = 0.3


def connect(path, timeout=5.0, **options):
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False, **options)


def insert(db):
    try:
        db.execute("insert into t values(2, 'waited')")  # wait
    except sqlite3.OperationalError:
        pass


def hold(path, begin, ready):
    db = connect(path)
    db.execute(begin)  # begin
    ready.set()
    time.sleep(LONG)
    db.execute("commit")


def beside(path, begin, timeout=5.0):
    ready = threading.Event()
    thread = threading.Thread(target=hold, args=(path, begin, ready))
    thread.start()
    ready.wait()
    insert(connect(path, timeout))
    thread.join()


def immediate(path):
    beside(path, "begin immediate")


def exclusive(path):
    beside(path, "begin exclusive")


def log(path):
    connect(path).execute("pragma journal_mode=wal")
    beside(path, "begin immediate")


def in_vain(path):
    beside(path, "begin immediate", 0.1)


def first_write(path):
    holder = connect(path)
    holder.execute("begin")  # first_write
    holder.execute("select count(*) from t").fetchall()
    holder.execute("insert into t values(3, 'held')")
    thread = threading.Thread(target=insert, args=(connect(path),))
    thread.start()
    time.sleep(LONG)
    holder.execute("commit")
    thread.join()


def same_thread(path):
    holder = connect(path)
    holder.execute("begin immediate")  # same_thread
    insert(connect(path, LONG))
    holder.execute("rollback")


def process(path):
    ready = multiprocessing.get_context("fork").Event()
    child = multiprocessing.get_context("fork").Process(target=hold, args=(path, "begin immediate", ready))
    child.start()
    ready.wait()
    insert(connect(path))
    child.join()


def killed(path):
    ready = multiprocessing.get_context("fork").Event()
    child = multiprocessing.get_context("fork").Process(target=hold, args=(path, "begin immediate", ready))
    child.start()
    ready.wait()
    threading.Timer(LONG / 2, child.kill).start()
    insert(connect(path))
    child.join()


def outside(path):
    insert(connect(path, LONG))


def reader(path):
    db = connect(path)
    rows = db.execute("select * from t")  # reader
    rows.fetchone()
    thread = threading.Thread(target=insert, args=(connect(path),))
    thread.start()
    time.sleep(LONG)
    rows.close()
    thread.join()


def reading_transaction(path):
    db = connect(path)
    db.execute("begin")  # reading_transaction
    db.execute("select count(*) from t").fetchall()
    thread = threading.Thread(target=insert, args=(connect(path),))
    thread.start()
    time.sleep(LONG)
    db.execute("commit")
    thread.join()


def checkpoint(path):
    connect(path).execute("pragma journal_mode=wal")
    db = connect(path)
    insert(db)
    other = connect(path, LONG)
    db.execute("begin")  # checkpoint
    db.execute("select count(*) from t").fetchall()
    insert(other)
    other.execute("pragma wal_checkpoint(truncate)").fetchall()  # checkpoint_wait
    db.execute("commit")


def slow_statement(path):
    db = connect(path)
    started = threading.Event()

    def slow(value):
        started.set()
        time.sleep(LONG / 3)
        return value

    db.create_function("slow", 1, slow)
    thread = threading.Thread(target=lambda: started.wait() and insert(connect(path)))
    thread.start()
    db.execute("begin")
    db.execute("insert into t values(5, 'quick')")
    db.execute("update t set b = slow(b) where a <= 3")  # slow_statement
    db.execute("commit")
    thread.join()


def alone(path):
    db = connect(path)
    started = threading.Event()

    def slow(value):
        started.set()
        time.sleep(LONG / 3)
        return value

    db.create_function("slow", 1, slow)
    thread = threading.Thread(target=lambda: started.wait() and insert(connect(path)))
    thread.start()
    db.execute("update t set b = slow(b) where a <= 3")  # alone
    thread.join()


def refused(path):
    holder = connect(path)
    holder.execute("begin immediate")  # refused
    other = connect(path, 0)
    for _ in range(20):
        time.sleep(0.01)
        insert(other)
    holder.execute("commit")


def shared_cache(path):
    holder = connect(f"file:{path}?cache=shared", uri=True)
    holder.execute("begin immediate")  # shared_cache
    holder.execute("insert into t values(9, 'held')")
    other = connect(f"file:{path}?cache=shared", uri=True)
    for _ in range(20):
        time.sleep(0.01)
        insert(other)
    holder.execute("commit")


def handler(path):
    """The program's own busy handler, by SQLite's C interface."""
    sqlite = ctypes.CDLL("libsqlite3.so.0")
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    wait = kind(lambda _, count: time.sleep(0.02) or count < LONG / 0.02)
    db = ctypes.c_void_p()
    holder = connect(path)
    holder.execute("begin immediate")  # handler
    sqlite.sqlite3_open(path.encode(), ctypes.byref(db))
    sqlite.sqlite3_busy_handler(db, wait, None)
    sqlite.sqlite3_exec(db, b"insert into t values(7, 'handled')", None, None, None)  # handler_wait
    sqlite.sqlite3_close(db)
    holder.execute("commit")


def blob(path):
    if not hasattr(sqlite3.Connection, "blobopen"):
        return
    db = connect(path)
    thread = threading.Thread(target=insert, args=(connect(path),))
    with db.blobopen("t", "b", 1) as opened:  # blob
        opened[0] = 65
        thread.start()
        time.sleep(LONG)
    thread.join()


def main():
    way, path = sys.argv[1:]
    db = connect(path)
    if way != "outside":
        db.execute("create table t(a integer primary key on conflict replace, b text)")
        db.execute("insert into t values(1, 'one'), (2, 'two'), (3, 'three')")
    db.close()
    globals()[way](path)


main()
