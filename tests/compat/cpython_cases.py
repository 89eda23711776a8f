# SPDX-License-Identifier: Apache-2.0
"""Runs one file of CPython's own tests and writes what became of each case: python3 cpython_cases.py test_os OUT.

A program of its own, run bare and under preprof. OUT has a line a case: name, then passed, failed or skipped.
"""

import sys
import unittest

from test import support

support.use_resources = ("network",) if "test_socketserver" in sys.argv else ()   # nothing that is huge or leaves the machine
support.verbose = 0


class Cases(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out
        self.state = {}

    def _write(self, test, state, trace=""):
        name = test.id()
        self.state[name] = state
        self.out.write(f"{name}\t{state}\t{trace[-1500:]!r}\n".encode())

    def addSuccess(self, test):
        if test.id() not in self.state:
            self._write(test, "passed")

    def addFailure(self, test, err):
        self._write(test, "failed", self._exc_info_to_string(err, test))

    addError = addFailure

    def addSkip(self, test, reason):
        self._write(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        self._write(test, "passed")

    def addUnexpectedSuccess(self, test):
        self._write(test, "failed", "unexpected success")

    def addSubTest(self, test, subtest, err):
        if err is not None and self.state.get(test.id()) != "failed":
            self._write(test, "failed", self._exc_info_to_string(err, test))


def main():
    name, path = sys.argv[1:3]
    only = sys.argv[3:]
    with open(path, "ab", buffering=0) as out:
        result = Cases(out)
        loader = unittest.defaultTestLoader
        suite = loader.loadTestsFromNames(only) if only else loader.loadTestsFromName("test." + name)
        suite.run(result)
        out.write(b"end\tpassed\t''\n")


if __name__ == "__main__":
    main()
