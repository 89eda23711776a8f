# SPDX-License-Identifier: Apache-2.0
"""Everything at once for so many seconds, in several threads: what an interpreter's frames may go through.

A function's name stands on the line that calls it, so that a caller and its callee can be compared with this text; where
the language itself calls, a comment names what may be called.
"""

import asyncio
import functools
import gc
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time

try:
    import greenlet
except ImportError:
    greenlet = None
try:
    import numpy
except ImportError:
    numpy = None

END = time.monotonic() + float(sys.argv[1])
CPU_SECONDS = 0.4  # at least: another program may have the processor
ROUNDS = {}


def spin(count):
    total = 0
    for number in range(count):
        total += number * number
    return total


def counting(count):
    for number in range(count):
        yield spin(4) + number


def delegating(count):
    yield from counting(count)


def consume():
    generator = delegating(9)
    next(generator)  # delegating
    generator.close()  # delegating counting
    return sum(delegating(40))


def thrower(depth):
    if not depth:
        raise KeyError("expected")
    try:
        thrower(depth - 1)
    finally:
        spin(3)


def catcher():
    for _ in range(10):
        try:
            thrower(7)
        except KeyError as error:
            str(error)


def recurse(depth):
    return 1 + recurse(depth - 1) if depth else spin(2)


class Item:
    def __init__(self, value):
        self.value = value

    def __lt__(self, other):
        return spin(1) < 0 or self.value < other.value

    @property
    def derived(self):
        return spin(3)

    def __getattr__(self, name):
        return spin(3)

    def __enter__(self):
        return spin(3)

    def __exit__(self, *reason):
        spin(3)

    def __del__(self):
        spin(1)


def objects():
    items = [Item(number * 7919 % 31) for number in range(31)]  # listcomp __init__
    items.sort()  # __lt__
    for item in items:
        item.derived  # derived
        item.missing  # __getattr__
    with Item(1):  # __init__ __enter__ __exit__ __del__
        spin(2)  # __exit__ __del__
    item = items = None  # __del__
    gc.collect(0)  # __del__


def dynamic(salt):
    for number in range(5):
        name = "made%d" % number
        source = "\n" * number + "def %s(x):\n  s = 0\n  for j in range(60): s += j\n  return s\n%s(1)\n" % (name, name)
        exec(compile(source, "<%s>" % name, "exec"), {"salt": salt})


def in_sql(value):
    return spin(2)


def sql(database):
    database.create_function("in_sql", 1, in_sql)
    database.execute("create table if not exists t(a, b)")
    database.executemany("insert into t values (?, ?)", ((i, str(i)) for i in range(20)))  # genexpr
    list(database.execute("select in_sql(a), count(*) from t group by b order by a"))  # in_sql
    database.execute("delete from t")
    database.commit()


async def sleeper(count):
    await asyncio.sleep(0)
    return spin(count)


async def asynchronous():
    for number in range(3):
        yield spin(4)
        await asyncio.sleep(0)


async def gather():
    await asyncio.gather(*[sleeper(number) for number in range(6)])  # listcomp
    async for _ in asynchronous():
        spin(2)  # asynchronous


@functools.lru_cache(maxsize=2)
def cached(number):
    return spin(number)


def callbacks():
    re.sub(r"\d+", lambda match: str(spin(2)), "a1b22c333" * 9)  # lambda
    sorted(range(20), key=lambda number: spin(1))  # lambda
    json.loads(json.dumps({str(i): [i, None] for i in range(40)}))  # dictcomp
    return [cached(number) for number in range(4)]  # listcomp cached


def ping(depth, other):
    if depth:
        return ping(depth - 1, other)
    for _ in range(5):
        spin(2)
        other.switch()  # spin


def pong(partner):
    for _ in range(5):
        spin(2)
        partner.switch()  # spin


def switches():
    """Stacks that are left in the middle and gone on with, one of them from within C (sorted), one for ever left."""
    mine = greenlet.getcurrent()
    others = [greenlet.greenlet(pong) for _ in range(3)]  # listcomp
    first = greenlet.greenlet(ping)
    first.switch(9, mine)  # ping pong
    for other in others:
        other.switch(first)  # ping pong
        first.switch()  # ping pong
    sorted(range(4), key=lambda number: others[number % 3].switch())  # lambda
    throwing = greenlet.greenlet(lambda: thrower(2), mine)
    try:
        throwing.switch()  # lambda
    except KeyError:
        spin(2)
    first = others = throwing = None  # ping pong lambda


def arrays():
    per_item = numpy.frompyfunc(lambda number: spin(2), 1, 1)
    table = numpy.arange(200).reshape(20, 10)
    per_item(table[:3])  # lambda
    numpy.apply_along_axis(lambda row: spin(2) + row.sum(), 1, table)  # lambda
    return (table @ table.T).sum() + numpy.sort(table, axis=None)[3]


def forker():
    child = os.fork()
    if not child:
        spin(2000)
        recurse(20)
        os._exit(0)
    os.waitpid(child, 0)


def short():
    spin(300)


def worker(index):
    database = sqlite3.connect(":memory:")
    rounds = 0
    while time.monotonic() < END or time.process_time() < CPU_SECONDS:
        rounds += 1
        consume()
        catcher()
        recurse(150)
        objects()
        dynamic(rounds)
        sql(database)
        callbacks()
        if numpy:
            arrays()
        if greenlet:
            switches()
        if index == 0 and rounds % 9 == 0:
            asyncio.run(gather())
        if index == 0 and rounds % 25 == 0:
            forker()
        if index == 1 and rounds % 40 == 0:
            subprocess.run(["/bin/true"], check=True)
        if rounds % 13 == 0:
            thread = threading.Thread(target=short)
            thread.start()
            thread.join()
    database.close()
    ROUNDS[index] = rounds


def main():
    threads = [threading.Thread(target=worker, args=(index,)) for index in (1, 2, 3)]  # listcomp
    for thread in threads:
        thread.start()
    worker(0)
    for thread in threads:
        thread.join()
    print("worked", all(ROUNDS.values()), *[module.__name__ for module in (greenlet, numpy) if module])  # listcomp


main()
