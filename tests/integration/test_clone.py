#!/usr/bin/python3
"""A fresh clone in a folder with a space in its name: scripts/preprof builds, and is then just preprof."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

SOURCE = os.environ["PREPROF_SOURCE"]
PARTS = ["meson.build", "meson_options.txt", "include", "preload", "analyzer", "docs", "tests", "scripts"]


class Clone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="preprof clone ")
        cls.root = os.path.join(cls.folder, "the clone")
        os.mkdir(cls.root)
        for part in PARTS:
            path = os.path.join(SOURCE, part)
            (shutil.copytree if os.path.isdir(path) else shutil.copy)(path, os.path.join(cls.root, part))
        # What scripts/bootstrap prepared for this test run, not fetched again.
        shutil.copytree(os.path.join(SOURCE, "build/deps"), os.path.join(cls.root, "build/deps"))
        cls.first = [cls.start("one"), cls.start("two")]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def start(cls, text):
        """scripts/preprof run -- a shell that echoes its input and folder and exits with 7."""
        place = os.path.join(cls.folder, text)
        os.mkdir(place)
        process = subprocess.Popen(
            [os.path.join(cls.root, "scripts/preprof"), "run", "--", "/bin/sh", "-c", "cat; pwd; exit 7"],
            cwd=place,
            env={**os.environ, "PREPROF_SUMMARY": "off"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.place = place
        process.stdin.write(text + "\n")
        process.stdin.close()
        process.stdin = None
        return process

    def check(self, process, text):
        output, errors = process.communicate(timeout=400)
        self.assertEqual(process.returncode, 7, errors)
        self.assertEqual(output, f"{text}\n{process.place}\n", errors)
        return errors

    def test_1_two_first_starts_at_once(self):
        errors = [self.check(process, text) for process, text in zip(self.first, ("one", "two"))]
        self.assertEqual(sum("building" in text for text in errors), 1, errors)

    def test_2_next_start_says_nothing(self):
        self.assertEqual(self.check(self.start("three"), "three"), "")

    def test_3_a_changed_source_is_built(self):
        library = os.path.join(self.root, "build/libpreprof.so")
        before = os.stat(library).st_mtime_ns
        with open(os.path.join(self.root, "preload/say.c"), "a", encoding="utf-8") as file:
            file.write("\nextern int pp_clone_test;\n")
        self.check(self.start("four"), "four")
        self.assertNotEqual(os.stat(library).st_mtime_ns, before)

    def test_4_is_instant_when_built(self):
        script = os.path.join(self.root, "scripts/preprof")
        times = []
        for _ in range(9):
            began = time.monotonic()
            subprocess.run([script, "--version"], check=True, stdout=subprocess.DEVNULL)
            times.append(time.monotonic() - began)
        self.assertLess(min(times), 0.05)

    def test_5_a_failed_build_says_so(self):
        path = os.path.join(self.root, "preload/say.c")
        with open(path, "a", encoding="utf-8") as file:
            file.write("\nthis is no C\n")
        process = self.start("five")
        output, errors = process.communicate(timeout=400)
        self.assertEqual((process.returncode, output), (125, ""))
        self.assertIn("the build failed", errors)


if __name__ == "__main__":
    unittest.main()
