#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The comparison itself: it must see what differs, and mask only what differs between bare runs."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare  # noqa: E402
import table  # noqa: E402


def outcome(out, **more):
    return {"status": b"0", "stdout": out, "stderr": b"", **more}


class Masks(unittest.TestCase):
    def names(self, bare, now):
        return [name for name, _ in compare.Mask(bare).differences(now)]

    def test_equal_runs_mask_nothing(self):
        bare = [outcome(b"pid 12\n")] * 2
        self.assertEqual(self.names(bare, outcome(b"pid 12\n")), [])
        self.assertEqual(self.names(bare, outcome(b"pid 13\n")), ["stdout"])
        self.assertEqual(self.names(bare, {**outcome(b"pid 12\n"), "stderr": b"x"}), ["stderr"])
        self.assertEqual(self.names(bare, {**outcome(b"pid 12\n"), "status": b"1"}), ["status"])

    def test_a_number_that_varies_stays_a_number(self):
        bare = [outcome(b"pid 12 took 3 ms\nend\n"), outcome(b"pid 99 took 3 ms\nend\n")]
        self.assertEqual(self.names(bare, outcome(b"pid 1234 took 3 ms\nend\n")), [])
        self.assertEqual(self.names(bare, outcome(b"pid 1234 took 4 ms\nend\n")), ["stdout"])
        self.assertEqual(self.names(bare, outcome(b"pid none took 3 ms\nend\n")), ["stdout"])
        self.assertEqual(self.names(bare, outcome(b"pid 1234 took 3 ms\nend\nmore\n")), ["stdout"])

    def test_lines_that_come_and_go(self):
        bare = [outcome(b"a\nb\nc\n"), outcome(b"a\nb\nb\nc\n")]
        self.assertEqual(self.names(bare, outcome(b"a\nb\nb\nb\nc\n")), [])
        self.assertEqual(self.names(bare, outcome(b"a\nb\n")), ["stdout"])

    def test_a_key_does_not_take_for_ever(self):
        keys = ["".join(chr(97 + (i * k * 7919) % 26) + chr(48 + (i * k) % 10) + "/+"[i % 2] for i in range(200)).encode() for k in (3, 5, 7)]
        bare = [outcome(b"key " + key + b" end\n") for key in keys[:2]]
        self.assertEqual(self.names(bare, outcome(b"key " + keys[2] + b" end\n")), [])
        self.assertEqual(self.names(bare, outcome(b"kex " + keys[2] + b" end\n")), ["stdout"])

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "f"
            path.write_bytes(b"one")
            path.chmod(0o644)
            os.symlink("f", path.with_name("l"))
            first = outcome(b"", **compare.files_left(folder))
            path.chmod(0o600)
            second = outcome(b"", **compare.files_left(folder))
            path.chmod(0o644)
            path.write_bytes(b"two")
            third = outcome(b"", **compare.files_left(folder))
            path.with_name("more").touch()
            fourth = outcome(b"", **compare.files_left(folder))
        self.assertEqual(self.names([first, first], second), ["files"])
        self.assertEqual(self.names([first, first], third), ["file f"])
        self.assertEqual(self.names([third, third], fourth), ["files"])

    def test_bytes(self):
        bare = [outcome(b"a\0b1"), outcome(b"a\0b2")]
        self.assertEqual(self.names(bare, outcome(b"a\0b3")), [])
        self.assertEqual(self.names(bare, outcome(b"a\0c1")), ["stdout"])

    def test_the_table_has_no_double_names(self):
        self.assertGreaterEqual(len(table.rows()), 60)


if __name__ == "__main__":
    unittest.main()
