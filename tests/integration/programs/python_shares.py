# SPDX-License-Identifier: Apache-2.0
"""Spends CPU time in known parts: python_shares.py SECONDS THREADS. Each thread spends SECONDS in all."""

import sys
import threading
import time


def spend(seconds):
    end = time.thread_time() + seconds
    total = 0
    while time.thread_time() < end:
        for number in range(2000):
            total += number  # line of spend
    return total


def half(seconds):
    return spend(seconds * 0.5)  # line of half


def two_lines(seconds):
    spend(seconds * 0.3)  # line of 30
    spend(seconds * 0.2)  # line of 20


def work(seconds):
    half(seconds)
    two_lines(seconds)


def main():
    seconds, count = float(sys.argv[1]), int(sys.argv[2])
    if count == 1:
        work(seconds)
        return
    threads = [threading.Thread(target=work, args=(seconds,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
