# SPDX-License-Identifier: Apache-2.0
"""Functions that run in sub-interpreters for so many seconds, two at once in threads of their own, with a lock each where
there can be one each."""

import sys
import threading

CODE = """
import time
def %s(seconds):
    kept = bytearray(%d)
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(2000))
%s(%s)
"""


def outside(name, size):
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
        interpreters.exec(interpreters.create(), CODE % (name, size, name, sys.argv[1]))
    else:
        import _xxsubinterpreters as interpreters
        interpreters.run_string(interpreters.create(), CODE % (name, size, name, sys.argv[1]))


other = threading.Thread(target=outside, args=("beside", 200_000))
other.start()
outside("inside", 100_000)
other.join()
