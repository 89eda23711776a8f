"""Two copies of SQLite in one process, each looked up by handle, and Python's own: sql_two.py FOLDER LIBRARY COPY"""
import ctypes
import sqlite3
import sys

folder, *libraries = sys.argv[1:]


def use(path, number):
    lite = ctypes.CDLL(path)
    db, statement = ctypes.c_void_p(), ctypes.c_void_p()
    lite.sqlite3_step.argtypes = lite.sqlite3_finalize.argtypes = lite.sqlite3_reset.argtypes = [ctypes.c_void_p]
    lite.sqlite3_column_int.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lite.sqlite3_close.argtypes = [ctypes.c_void_p]
    print(lite.sqlite3_open(f"{folder}/two{number}.db".encode(), ctypes.byref(db)))
    for _ in range(number):
        sql = b"select %d" % number if number == 1 else b"select 1 + ?"
        print(lite.sqlite3_prepare_v2(db, sql, -1, ctypes.byref(statement), None))
        print(lite.sqlite3_step(statement), lite.sqlite3_column_int(statement, 0), lite.sqlite3_step(statement))
        lite.sqlite3_finalize(statement)
    print(lite.sqlite3_close(db))
    return lite


kept = [use(path, number) for number, path in enumerate(libraries, 1)]
db = sqlite3.connect(":memory:")
for i in range(5):
    print(db.execute("select 2 * ?", (i,)).fetchall())
db.close()
