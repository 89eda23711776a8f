#!/usr/bin/python3
"""Tests of the scripts that the tests rely on: check-layers must see a breach, test-summary must count."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = os.path.join(os.environ["PREPROF_SOURCE"], "scripts")


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, os.path.join(SCRIPTS, script), *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


class Layers(unittest.TestCase):
    def check(self, **files):
        with tempfile.TemporaryDirectory() as root:
            for folder in ("include/preprof", "preload", "analyzer"):
                os.makedirs(os.path.join(root, folder))
            for path, text in {"preload/host.h": "", "analyzer/profile.h": "", "analyzer/trace.h": "", **files}.items():
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return run("check-layers", root)

    def breach(self, path, text):
        status, output = self.check(**{path: text})
        self.assertEqual(status, 1)
        self.assertRegex(output, rf"^{re.escape(path)} (\(.*\) )?includes ")

    def test_clean(self):
        status, output = self.check(**{"analyzer/report_text.c": '#include "profile.h"\n#include <stdio.h>\n'})
        self.assertEqual((status, output), (0, "4 files keep to their layers\n"))

    def test_analyzer_includes_preload(self):
        self.breach("analyzer/trace.c", '#include "host.h"\n')

    def test_preload_includes_analyzer(self):
        self.breach("preload/hook_mem.c", '#include "profile.h"\n')
        self.breach("preload/hook_mem.c", '#include "../analyzer/profile.h"\n')

    def test_preload_includes_stdio(self):
        self.breach("preload/hook_mem.c", "#  include  <stdio.h>\n")

    def test_only_the_third_tier_includes_libunwind(self):
        self.breach("preload/stack.c", "#include <libunwind.h>\n")
        self.assertEqual(self.check(**{"preload/stack_libunwind.c": "#include <libunwind.h>\n"})[0], 0)

    def test_report_includes_trace(self):
        self.breach("analyzer/report_json.c", '#include "trace.h"\n')
        self.breach("analyzer/rules.c", '#include "preprof/wire.h"\n')

    def test_profile_includes_anything(self):
        self.breach("analyzer/profile.h", '#include "trace.h"\n')


class Summary(unittest.TestCase):
    def summary(self, logs, failed_builds=()):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for i, results in enumerate(logs):
                paths.append(os.path.join(folder, f"{i}.json"))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    for name, result in results:
                        file.write(json.dumps({"name": name, "result": result, "stdout": "why\nno gpu\n"}) + "\n")
            return run("test-summary", *failed_builds, "--", *paths, os.path.join(folder, "missing.json"))

    def test_sums_over_runs(self):
        status, output = self.summary([[("a", "OK"), ("b", "SKIP")], [("a", "OK"), ("c", "OK")]])
        self.assertEqual(status, 0)
        self.assertEqual(output.splitlines()[-1], "3 passed, 0 failed, 1 skipped")
        self.assertIn("b: no gpu", output)

    def test_every_other_result_fails(self):
        results = ["FAIL", "TIMEOUT", "ERROR", "INTERRUPT", "UNEXPECTEDPASS"]
        status, output = self.summary([[(result, result) for result in results] + [("a", "OK")]])
        self.assertEqual(status, 1)
        self.assertEqual(output.splitlines()[-1], "1 passed, 5 failed, 0 skipped")

    def test_failed_build_fails(self):
        status, output = self.summary([[("a", "OK")]], ["build.log"])
        self.assertEqual((status, output.splitlines()[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_no_test_fails(self):
        self.assertEqual(self.summary([])[0], 1)
        self.assertEqual(self.summary([[("b", "SKIP")]])[0], 1)


if __name__ == "__main__":
    unittest.main()
