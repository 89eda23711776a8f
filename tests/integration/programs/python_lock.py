# SPDX-License-Identifier: Apache-2.0
"""Three threads that compute for so many seconds of CPU time each. Prints the CPU time, and how long they lived in all."""

import sys
import threading
import time

SECONDS = float(sys.argv[1])
lives = []


def compute():
    began, end = time.monotonic(), time.thread_time() + SECONDS
    total = 0
    while time.thread_time() < end:  # line of turns
        for number in range(500):  # line of turns
            total += number  # line of turns
    lives.append(time.monotonic() - began)


threads = [threading.Thread(target=compute) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(time.process_time(), sum(lives))
