# SPDX-License-Identifier: Apache-2.0
"""Allocates known numbers of blocks of known sizes, each too large for the interpreter's own allocator."""

import sys

kept = []


class Holder:
    def fill(self, count):
        for _ in range(count):
            kept.append(bytearray(99_991))  # line of method


def generate(count):
    for _ in range(count):
        block = bytearray(49_999)  # line of generator
        yield len(block)


def recurse(depth):
    if depth:
        return recurse(depth - 1)
    return bytearray(200_003)  # line of recursion


def by_callback(number):
    return bytearray(70_001) and number  # line of callback


def drop():
    for _ in range(11):
        (lambda: bytearray(30_011))()  # line of lambda


def caught():
    for _ in range(7):
        try:
            bytearray(80_021)  # line of try
            raise ValueError("expected")
        except ValueError:
            bytearray(90_011)  # line of except


def long_lines(value):
    return [
        bytearray(60_013),  # line of the first element
        value,

        bytearray(60_017),  # line of the second element
    ]


Holder().fill(13)
sum(generate(17))
deep = recurse(60)
sorted(range(5), key=by_callback)
drop()
caught()
listed = long_lines(None)
print(sys.version_info[0])
