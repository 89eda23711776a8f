# SPDX-License-Identifier: Apache-2.0
"""Makes objects that the interpreter's own allocator serves; with an argument says what tracemalloc saw of them."""

import sys

kept = []


class Item:
    __slots__ = ("value",)


def make(count):
    for _ in range(count):
        kept.append(Item())  # line of items


def text(count):
    return [str(number) * 3 for number in range(100_000, 100_000 + count)]  # line of texts


def main():
    make(20_000)
    kept.append(text(30_000))
    for _ in range(5_000):
        Item()  # line of dropped


if len(sys.argv) > 1:
    import tracemalloc
    tracemalloc.start()
    main()
    for row in tracemalloc.take_snapshot().statistics("lineno"):
        if row.traceback[0].filename == __file__:
            print(row.traceback[0].lineno, row.count, row.size)
else:
    main()
