# SPDX-License-Identifier: Apache-2.0
"""Seeks before each call, and seeks that change nothing: counted exactly, told as findings with their line; pread is none."""

import pathlib
import sys
import tempfile
import unittest

import harness
from harness import program

TURNS = 100000
PYTHON = """
import sys
with open(sys.argv[1], "rb", buffering=0) as file:
    for turn in range(200000):
        file.read(16)
        file.tell()  # asks
with open(sys.argv[2], "rb", buffering=0) as file:
    for turn in range(200000):
        file.seek(turn * 7919 % 4000)  # jumps
        file.read(16)
"""


class Seeks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=harness.FOLDER)
        for name in ("each", "asking", "exact", "clean", "buffered", "duplicated"):
            pathlib.Path(self.folder, name).write_bytes(bytes(65536))

    def files(self, run):
        return {pathlib.Path(row["path"]).name: row for row in run.report["io"]["files"] if row["path"]}

    def findings(self, run, code):
        """{name of the file: finding}"""
        return {finding["title"].rsplit("/", 1)[1].split()[0]: finding for finding in run.report["findings"]
                if finding["id"] == code}

    def test_c(self):
        run = harness.preloaded([program("io_seeks.c"), self.folder])
        self.assertEqual((run.returncode, run.err), (0, b""))
        files = self.files(run)
        counts = {name: (files[name]["seek_calls"], files[name]["seek_in_place_calls"]) for name in
                  ("each", "asking", "exact", "clean")}
        rewinds = (TURNS + 4095) // 4096
        self.assertEqual(counts, {"each": (TURNS, 1), "asking": (TURNS + rewinds, TURNS + 1), "exact": (10, 5), "clean": (0, 0)})
        self.assertGreaterEqual(files["buffered"]["seek_calls"], TURNS // 2)
        each = self.findings(run, "io-seek-each-call")
        asking = self.findings(run, "io-seek-in-place")
        self.assertIn("each", each)
        self.assertEqual(set(each) - {"each", "buffered"}, set())
        self.assertEqual(set(asking), {"asking"})
        self.assertEqual(each["each"]["evidence"]["seek_count"], TURNS)
        self.assertEqual(asking["asking"]["evidence"]["in_place_count"], TURNS + 1)
        for finding, mark in ((each["each"], "seek before each read"), (asking["asking"], "asks where it is")):
            self.assertEqual(finding["where"][0]["line"], harness.line_of("io_seeks.c", mark))
            self.assertGreater(finding["potential_percent"], 1)

    @unittest.skipUnless(harness.have("strace"), "no strace")
    def test_duplicates_are_followed_without_asking(self):
        calls = f"{self.folder}/calls"
        run = harness.preloaded(["strace", "-f", "-e", "trace=lseek", "-o", calls, program("io_seeks.c"), self.folder, "duplicated"])
        self.assertEqual((run.returncode, run.err), (0, b""))
        row = self.files(run)["duplicated"]
        self.assertEqual((row["read_calls"], row["read_bytes"], row["reread_bytes"]), (2001, 2001 * 16, 16))
        self.assertEqual(round(row["sequential_percent"] * 2001 / 100), 2000)
        self.assertEqual(self.files(run)["exact"]["sequential_percent"], 100)
        text = pathlib.Path(calls).read_text()
        self.assertEqual(len([line for line in text.splitlines() if "lseek(" in line and "ESPIPE" not in line]), 2, text)

    def test_python(self):
        script = pathlib.Path(self.folder, "seeks.py")
        script.write_text(PYTHON)
        run = harness.preloaded([sys.executable, str(script), f"{self.folder}/asking", f"{self.folder}/each"])
        self.assertEqual((run.returncode, run.err), (0, b""))
        files = self.files(run)
        self.assertGreaterEqual(files["asking"]["seek_in_place_calls"], TURNS)
        self.assertGreaterEqual(files["each"]["seek_calls"], TURNS)
        found = {**self.findings(run, "io-seek-in-place"), **self.findings(run, "io-seek-each-call")}
        for name, mark in (("asking", "# asks"), ("each", "# jumps")):
            (line,) = [number for number, text in enumerate(PYTHON.splitlines(), 1) if mark in text]
            self.assertEqual((found[name]["user_frame"]["file"], found[name]["user_frame"]["line"]), (str(script), line))


if __name__ == "__main__":
    unittest.main()
