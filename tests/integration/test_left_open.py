# SPDX-License-Identifier: Apache-2.0
"""Descriptors that a line makes and nobody closes are a finding with that line; pools that are held on purpose are none."""

import pathlib
import resource
import subprocess
import sys
import unittest

import harness
from harness import PROGRAMS, program

MANY = 120
CODE = "io-descriptors-left-open"


def setUpModule():
    global FILE
    FILE = harness.FOLDER / "held"
    FILE.write_bytes(bytes(4096))


def findings(run):
    return [finding for finding in run.report["findings"] if finding["id"] == CODE]


def kinds(finding):
    return tuple(finding["evidence"][f"{kind}_count"] for kind in ("open", "file", "socket", "pipe", "other"))


def lines(finding):
    return [(pathlib.Path(frame["file"]).name, frame["line"]) for frame in finding["where"] if frame["file"]]


class C(unittest.TestCase):
    def leak(self, what, **options):
        run = harness.preloaded([program("left_open.c"), what, str(FILE)], **options)
        found = findings(run)
        self.assertEqual(len(found), 1, (what, found, run.err))
        return found[0], run

    def check(self, what, mark, expected):
        found, run = self.leak(what)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(kinds(found), expected)
        self.assertIn(("left_open.c", harness.line_of("left_open.c", mark)), lines(found))
        self.assertGreater(found["evidence"]["oldest_ns"], MANY * 500_000)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.assertAlmostEqual(found["evidence"]["limit_percent"], 100 * expected[0] / limit, places=3)

    def test_files(self):
        self.check("files", "leaked file", (MANY, MANY, 0, 0, 0))

    def test_sockets(self):
        self.check("sockets", "leaked socket", (MANY, 0, MANY, 0, 0))

    def test_pipes(self):
        self.check("pipes", "leaked pipe", (2 * MANY, 0, 0, 2 * MANY, 0))

    def test_accepted(self):
        self.check("accepted", "leaked connection", (MANY, 0, MANY, 0, 0))

    def test_one_path_of_ten(self):
        self.check("errors", "leaked file", (MANY, MANY, 0, 0, 0))

    def test_of_a_killed_process(self):
        found, run = self.leak("killed")
        self.assertEqual((run.returncode, kinds(found)), (-9, (MANY, MANY, 0, 0, 0)))

    def test_near_the_limit(self):
        found, _ = self.leak("files", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (150, 4096)))
        self.assertEqual((found["severity"], found["evidence"]["limit_percent"]), ("high", 100 * MANY / 150))

    def test_pools(self):
        for what in ("pool", "growing-pool", "unused-pool"):
            run = harness.preloaded([program("left_open.c"), what, str(FILE)])
            self.assertEqual((what, run.returncode, findings(run)), (what, 0, []))
            left = [life for life in run.report["io"]["descriptors"] if life["origin"] == "open" and life["end"] == "open"]
            self.assertEqual(len(left), MANY, what)

    def test_text(self):
        _, run = self.leak("pipes")
        text = subprocess.run([harness.PREPROF, "report", str(run.recording)], stdout=subprocess.PIPE, check=True).stdout.decode()
        table = text.split("\nDescriptors\n")[1].split("\n\n")[0].splitlines()
        self.assertEqual(table[1].split()[:2], ["240", "240"], table)
        self.assertRegex(table[-1], r"^ +24\d +24\d .* in all$")
        self.assertIn("240 descriptors made at pipes are left open", text)


class Python(unittest.TestCase):
    def run_python(self, what):
        return harness.preloaded([sys.executable, str(PROGRAMS / "left_open.py"), what, str(FILE)])

    def check(self, what, expected):
        run = self.run_python(what)
        self.assertEqual((run.returncode, run.err), (0, b""))
        (found,) = findings(run)
        self.assertEqual(kinds(found), expected)
        mark = {"files": "leaked file", "sockets": "leaked socket", "pipes": "leaked pipe"}[what]
        (line,) = [number for number, text in enumerate((PROGRAMS / "left_open.py").read_text().splitlines(), 1)
                   if f"# {mark}" in text]
        self.assertEqual((found["user_frame"]["function"], found["user_frame"]["line"]), (what, line))
        self.assertIn(f"descriptors made at {what} are left open", found["title"])

    def test_files(self):
        self.check("files", (MANY, MANY, 0, 0, 0))

    def test_sockets(self):
        self.check("sockets", (MANY, 0, MANY, 0, 0))

    def test_pipes(self):
        self.check("pipes", (2 * MANY, 0, 0, 2 * MANY, 0))

    def test_clean(self):
        self.assertEqual(findings(self.run_python("clean")), [])


if __name__ == "__main__":
    unittest.main()
