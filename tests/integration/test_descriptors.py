#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our descriptors among the program's: as if they were not there, and never a byte of ours in a file of its own."""

import unittest

from harness import bare, preloaded, program
from life_cases import Case, processes


def descriptor_program():
    return program("life_descriptors.c")


class Descriptors(Case):
    def test_close_all(self):
        self.assertGreaterEqual(self.same([descriptor_program(), "close"])[0]["allocation_count"], 2000)

    def test_ranges(self):
        self.assertGreaterEqual(self.same([descriptor_program(), "ranges"])[0]["allocation_count"], 3000)

    def test_numbers_taken(self):
        self.assertGreaterEqual(self.same([descriptor_program(), "take"])[0]["allocation_count"], 22000)

    def test_numbers_taken_while_threads_write(self):
        self.assertGreaterEqual(self.same([descriptor_program(), "race"])[0]["allocation_count"], 20000)

    def test_numbers_of_children_of_vfork(self):
        """Several threads have one each, in which the number means another file."""
        run = preloaded([program("vfork_numbers.c"), "200"])
        self.assertEqual((run.returncode, run.out, run.err), (0, b"0\n", b""))
        sites = [site for site in run.report["io"]["sites"] if site["function"] == "child"]
        self.assertEqual([sum(site[name] for site in sites) for name in ("read_calls", "read_bytes", "write_calls")],
                         [3 * 200 * 20, 3 * 200 * 20 * 7, 3 * 200 * 20])

    def test_sockets_behind_our_back(self):
        """Not a byte, not a message, in this process or in what it starts."""
        expected = bare([descriptor_program(), "raw-sockets"])
        done = preloaded([descriptor_program(), "raw-sockets"])
        self.assertEqual(done.out, expected.out)
        self.assertIn(b"sockets that heard a stranger: 0\n", done.out)

    def test_refused(self):
        done = preloaded([descriptor_program(), "refusals"])
        self.assertEqual(done.out, bare([descriptor_program(), "refusals"]).out)
        self.assertIn(b"wrong answers: 0\n", done.out)

    def test_few(self):
        rows = self.same([descriptor_program(), "few"])
        self.assertGreaterEqual(rows[0]["allocation_count"], 2000)

    def test_daemons(self):
        for mode in ("daemon", "own-daemon"):
            with self.subTest(mode):
                rows = self.same([descriptor_program(), mode])
                self.assertGreaterEqual(max(row["allocation_count"] for row in rows[1:]), 20000)

    def test_closed_behind_our_back(self):
        expected = bare([descriptor_program(), "raw"])
        done = preloaded([descriptor_program(), "raw"])
        self.assertEqual(done.out, expected.out)
        self.assertIn(b"bytes in the program's files: 0\n", done.out)
        self.assertEqual(done.err, b"preprof: profiling stopped: the program closed its pipe; the program continues\n")
        self.assertEqual(processes(done)[0]["complete"], 0)


if __name__ == "__main__":
    unittest.main()
