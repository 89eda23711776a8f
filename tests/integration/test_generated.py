#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Code that is made at run time: named by the list that its runtime keeps, or a sentence says what would make one."""

import pathlib
import unittest

from harness import FOLDER, clean_environment, have, under_run

SCRIPT = """
function spendMost(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i); return s; }
function work() { return spendMost(400000); }
const end = process.cpuUsage().user + 600000;
let t = 0;
while (process.cpuUsage().user < end) t += work();
"""


class Node(unittest.TestCase):
    def setUp(self):
        if not have("node"):
            self.skipTest("node is not installed")
        self.path = FOLDER / "spend.js"
        self.path.write_text(SCRIPT)

    def run_(self, options):
        run = under_run(["node", str(self.path)], cwd=FOLDER,
                         env=clean_environment(PREPROF_SUMMARY="off", NODE_OPTIONS=options)) # node leaves logs there
        self.assertEqual((run.returncode, run.out, run.err), (0, b"", b""))
        for process in run.report["processes"]:
            pathlib.Path(f"/tmp/perf-{process['pid']}.map").unlink(missing_ok=True)
        return run.report

    def test_names_and_lines(self):
        report = self.run_("--perf-basic-prof --interpreted-frames-native-stack")
        functions = {entry["function"]: entry for entry in report["cpu"]["functions"]}
        self.assertGreater(functions["spendMost"]["total_percent"], 60)
        self.assertGreater(functions["work"]["total_percent"], 60)
        self.assertEqual((functions["spendMost"]["file"], functions["spendMost"]["line"]), (str(self.path), 2))

    def test_stacks_are_whole(self):
        """From allocations in V8's own functions through generated code and out again, checked against libunwind."""
        script = "let n = 0; for (let i = 0; i < 20000; i++) n += JSON.stringify({a: [i], b: {c: i}}).length"
        run = under_run(["node", "-e", script], arguments=["--check-stacks", "20"], cwd=FOLDER)
        self.assertEqual((run.returncode, run.out, run.err), (0, b"", b""))
        skipped = run.report["coverage"]["skipped"]
        self.assertGreater(skipped["checked"], 1000)
        self.assertLess(skipped["check_failed"], 0.01 * skipped["checked"])
        self.assertLess(skipped["unwind"], 0.001 * run.report["heap"]["allocation_count"])

    def test_what_is_missing_is_said(self):
        report = self.run_("")
        said = [sentence for sentence in report["coverage"]["not_observed"] if "--perf-basic-prof" in sentence]
        self.assertEqual(len(said), 1, report["coverage"]["not_observed"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
