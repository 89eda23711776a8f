#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs built with a sanitizer run, and are found at fault, as they are alone: their CPU time is sampled."""

import re
import unittest

from harness import bare, preloaded, program, under_run

MISTAKES = {"address": ("", "overflow", "twice", "leak"), "leak": ("", "leak"), "thread": ("", "twice"), "undefined": ("",)}


def numbers_out(text):
    """Addresses and process ids differ from run to run."""
    return re.sub(r"(0x)?[0-9a-f]*[0-9]+[0-9a-f]*", "N", re.sub(r"=+\d+=+|0x[0-9a-f]+", "N", text.decode()))


def in_shell(binary, mistake):
    return ["sh", "-c", f"{binary} {mistake}; exit $?"]


class Sanitizers(unittest.TestCase):
    def both(self, kind, mistake):
        binary = program("sanitized.c", f"-fsanitize={kind}")
        expected = bare([binary, mistake])
        for how, done in (("alone", preloaded([binary, mistake])), ("run", under_run([binary, mistake])),
                          ("in a tree", under_run(in_shell(binary, mistake)))):
            with self.subTest(kind=kind, mistake=mistake, how=how):
                self.assertEqual((done.returncode, done.out), (expected.returncode, expected.out))
                self.assertEqual(numbers_out(done.err), numbers_out(expected.err))
                if how == "alone" and not mistake:
                    self.assertGreater(done.report["cpu"]["sample_count"], 5)
                    said = [text for text in done.report["coverage"]["not_observed"] if "built with a sanitizer" in text]
                    self.assertEqual(len(said), kind != "undefined")

    def test_same_reports(self):
        for kind, mistakes in MISTAKES.items():
            for mistake in mistakes:
                self.both(kind, mistake)


if __name__ == "__main__":
    unittest.main(verbosity=2)
