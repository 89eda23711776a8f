# SPDX-License-Identifier: Apache-2.0
"""A function that runs in a sub-interpreter for so many seconds."""

import sys

CODE = """
import time
def inside(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(2000))
inside(%s)
""" % sys.argv[1]


def outside():
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
        interpreters.exec(interpreters.create(), CODE)
    else:
        import _xxsubinterpreters as interpreters
        interpreters.run_string(interpreters.create(), CODE)


outside()
