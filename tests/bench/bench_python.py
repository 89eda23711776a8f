#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What Python frames add to the capture of an allocation, for each interpreter of the machine.

    PREPROF_BUILD=build PREPROF_SOURCE=. /usr/bin/python3 tests/bench/bench_python.py

A block of 600 bytes is made and dropped at depth 5 and 25 of Python calls: bare, with native stacks (PYTHON=off), and with
Python frames. Medians of five runs, in ns a block; the last column is what one more Python frame costs. On a quiet machine.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(os.environ["PREPROF_SOURCE"]) / "tests/integration"))
import pythons  # noqa: E402

PROGRAM = """
import sys, time
def allocate(count):
    for _ in range(count):
        bytearray(600)
def descend(depth, count):
    return descend(depth - 1, count) if depth else allocate(count)
count = 300000
began = time.process_time()
descend(int(sys.argv[1]), count)
print((time.process_time() - began) / count * 1e9)
"""
RUNS = 5


def measure(command):
    return statistics.median(float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(RUNS))


def main():
    preprof = str(pathlib.Path(os.environ["PREPROF_BUILD"]) / "preprof")
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'':>8}  {'bare':>7}  {'native':>7}  {'Python':>7}  {'bare':>7}  {'native':>7}  {'Python':>7}  {'a frame':>7}")
        for python in pythons.known():
            row = []
            for depth in ("5", "25"):
                program = [python.path, "-c", PROGRAM, depth]
                row.append(measure(program))
                for mode in ("off", "auto"):
                    row.append(measure([preprof, "run", "--summary", "off", "--python", mode, "-o", folder + "/bench.pprf", "--",
                                        *program]))
            row.append((row[5] - row[4] - (row[2] - row[1])) / 20)
            print(f"{python.version:>8}  " + "  ".join(f"{value:7.1f}" for value in row))


main()
