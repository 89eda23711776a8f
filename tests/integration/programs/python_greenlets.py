# SPDX-License-Identifier: Apache-2.0
"""Two greenlets that take turns from deep within their stacks, one of them for twice as much CPU time; blocks in each.

Prints what share of the time the first one had: on a loaded machine not two thirds."""

import sys
import time

import greenlet

TURN = float(sys.argv[1]) / 60


def spend(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(500))


def take_turns(seconds, depth):
    if depth:
        return take_turns(seconds, depth - 1)
    kept = []
    for _ in range(20):
        start = time.perf_counter()
        spend(seconds)
        spent[greenlet.getcurrent()] += time.perf_counter() - start
        kept.append(bytearray(100_000))
        sides[greenlet.getcurrent()].switch()


def left():
    take_turns(2 * TURN, 20)


def right():
    take_turns(TURN, 3)


first, second = greenlet.greenlet(left), greenlet.greenlet(right)
sides = {first: second, second: first}
spent = {first: 0, second: 0}
first.switch()
print(first.dead, second.dead, spent[first] / sum(spent.values()))
