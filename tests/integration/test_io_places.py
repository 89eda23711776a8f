# SPDX-License-Identifier: Apache-2.0
"""Places in files and the lives of descriptors: bytes that are read again, places that are multiples of blocks, and each
number from its making to its end, to the byte; whole after a kill."""

import json
import pathlib
import tempfile
import unittest

import harness
from harness import program

SIZE = 65536
FILES = ("overlapping", "again", "two", "reopened", "duplicated", "forked", "written", "tree", "many", "stdio", "aligned",
         "flagged", "first", "second", "third", "fourth", "sent", "gone", "left")


def run(*more):
    folder = tempfile.mkdtemp(dir=harness.FOLDER)
    for name in FILES:
        pathlib.Path(folder, name).write_bytes(bytes(SIZE))
    return folder, harness.preloaded([program("io_places.c"), folder, *more])


class Lives:
    """{path in the folder: lives} and the files of a report."""

    def __init__(self, folder, report):
        self.files = {row["path"].removeprefix(folder + "/"): row for row in report["io"]["files"] if row["path"]}
        self.descriptors = {}
        for life in report["io"]["descriptors"]:
            self.descriptors.setdefault((life["path"] or "").removeprefix(folder + "/"), []).append(life)
        for lives in self.descriptors.values():
            lives.sort(key=lambda life: (life["process_id"], life["serial"]))


class Places(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.run_ = run()
        cls.report = cls.run_.report
        cls.lives = Lives(cls.folder, cls.report)

    def test_complete(self):
        self.assertEqual((self.run_.returncode, self.run_.out, self.run_.err), (0, b"", b""))
        self.assertTrue(self.report["coverage"]["complete"], self.report["coverage"])
        self.assertEqual(self.report["coverage"]["skipped"].get("io_descriptors", 0), 0)

    def test_read_again(self):
        expected = {
            "overlapping": 0 + 500 + 1500 + 0 + 1000 + 500,
            "again": SIZE,
            "two": 4 * 4096,
            "reopened": 2 * SIZE,
            "duplicated": 1000,
            "forked": 4096,
            "written": (2048 + 2048) + 2048,
            "tree": 4 * SIZE,  # more than any process has read twice: the file is not longer
            "stdio": SIZE,
            "aligned": 0, "flagged": 3000, "first": 0, "second": 0, "third": 0, "left": 2 * 77,
        }
        self.assertEqual({name: self.lives.files[name]["reread_bytes"] for name in expected}, expected)

    def test_what_is_forgotten_is_not_counted(self):
        """400 places in a file of which 128 are kept: some of the second turn, none that were new."""
        again = self.lives.files["many"]["reread_bytes"]
        self.assertGreaterEqual(again, 100 * 10)
        self.assertLessEqual(again, 400 * 10)

    def test_what_the_kernel_makes_up_is_new(self):
        (row,) = [row for path, row in self.lives.files.items() if path.endswith("/status")]
        self.assertEqual((row["read_bytes"], row["reread_bytes"]), (300, 0))

    def test_by_line(self):
        sites = [site for site in self.report["io"]["sites"] if site["function"] == "whole" and site["reread_bytes"]]
        self.assertEqual(sum(site["reread_bytes"] for site in sites), SIZE + 2 * SIZE)
        (again,) = [site for site in sites if any(frame["line"] == harness.line_of("io_places.c", "read again")
                                                  for frame in site["stack"])]
        self.assertEqual((again["reread_bytes"], again["read_calls"], again["aligned_512_percent"]), (SIZE, SIZE // 512, 100))
        self.assertEqual(again["aligned_4096_percent"], 0)

    def test_the_sum(self):
        io = self.report["io"]
        self.assertEqual(io["reread_bytes"], sum(row["reread_bytes"] for row in io["files"]))

    def test_alignment(self):
        row = self.lives.files["aligned"]
        self.assertEqual((row["aligned_512_percent"], row["aligned_4096_percent"]), (75, 25))
        self.assertEqual(self.lives.files["two"]["aligned_4096_percent"], 100)
        self.assertIsNone([row for row in self.report["io"]["files"] if row["kind"] == "socket"][0]["aligned_512_percent"])

    def test_a_life(self):
        (life,) = self.lives.descriptors["overlapping"]
        self.assertEqual((life["origin"], life["end"], life["flags"], life["duplicate_of"], life["deleted"]),
                         ("open", "closed", ["read"], None, False))
        self.assertEqual((life["read_calls"], life["read_bytes"], life["reread_bytes"], life["write_calls"]), (5, 7500, 3500, 0))
        self.assertEqual([frame["function"] for frame in life["stack"][:3]], ["opened", "overlapping", "main"])
        self.assertLess(life["opened_ns"], life["ended_ns"])
        self.assertEqual(life["tid"], self.report["target"]["pid"])

    def test_a_number_comes_back(self):
        lives = [self.lives.descriptors[name][0] for name in ("first", "second", "third")]
        self.assertEqual(len({life["number"] for life in lives}), 1)
        self.assertEqual([(life["read_bytes"], life["end"]) for life in lives], [(11, "closed"), (22, "closed unseen"), (33, "closed")])

    def test_duplicates(self):
        original, copy = self.lives.descriptors["duplicated"]
        self.assertEqual((copy["origin"], copy["duplicate_of"]), ("dup", original["number"]))
        self.assertEqual((original["read_bytes"], copy["read_bytes"]), (2 * 4096, 2 * 4096 + 1000 + 4096))
        third, replaced, high = self.lives.descriptors["third"]
        self.assertEqual((replaced["number"], replaced["origin"], replaced["end"]), (60, "dup", "replaced"))
        self.assertEqual((high["number"], high["duplicate_of"], high["end"], high["read_bytes"]), (70, third["number"], "closed", 44))
        fourth, sixty = self.lives.descriptors["fourth"]
        self.assertEqual((fourth["end"], sixty["number"], sixty["end"]), ("open", 60, "open"))

    def test_inheritance(self):
        parent, child = self.lives.descriptors["forked"]
        self.assertEqual((parent["origin"], parent["end"], parent["read_bytes"]), ("open", "closed", 4 * 4096))
        self.assertEqual((child["origin"], child["end"], child["read_bytes"], child["number"]), ("found", "open", 4096, parent["number"]))
        self.assertNotEqual(parent["process_id"], child["process_id"])

    def test_appended_by_threads(self):
        (life,) = self.lives.descriptors["appended"]
        self.assertEqual((life["flags"], life["write_calls"], life["write_bytes"]), (["write", "append"], 4000, 28000))

    def test_received(self):
        """By recvmsg, then by recvmmsg."""
        lives = self.lives.descriptors["sent"]
        self.assertEqual([(life["origin"], life["read_bytes"]) for life in lives], [("open", 0), ("received", 55)] * 2)

    def test_deleted(self):
        (life,) = [life for path, lives in self.lives.descriptors.items() if path.startswith("gone") for life in lives]
        self.assertEqual((life["deleted"], life["end"], life["read_bytes"]), (True, "closed", 66))

    def test_stdio(self):
        (life,) = self.lives.descriptors["stdio"]
        self.assertEqual((life["origin"], life["end"], life["reread_bytes"]), ("stdio", "closed", SIZE))

    def check_left(self, lives):
        left = lives.descriptors["left"]
        self.assertEqual([(life["end"], life["read_bytes"], life["ended_ns"]) for life in left], [("open", 77, None)] * 3)
        self.assertEqual(left[0]["stack"][1]["line"], harness.line_of("io_places.c", "left open"))
        pipes = [life for path, many in lives.descriptors.items() for life in many if life["origin"] == "pipe"]
        self.assertEqual(sorted((life["end"], life["write_bytes"]) for life in pipes), [("open", 0), ("open", 88)])

    def test_left_open(self):
        self.check_left(self.lives)

    def test_after_a_kill(self):
        folder, killed = run("kill")
        self.assertEqual(killed.returncode, -9)
        lives = Lives(folder, killed.report)
        self.check_left(lives)
        self.assertEqual({name: row["reread_bytes"] for name, row in lives.files.items() if name in FILES},
                         {name: row["reread_bytes"] for name, row in self.lives.files.items() if name in FILES})

    def test_text(self):
        import subprocess

        text = subprocess.run([harness.PREPROF, "report", "--top", "0", self.run_.recording], check=True, capture_output=True).stdout.decode()
        self.assertIn("Places in files", text)
        (row,) = [line.split() for line in text.split("\nDescriptors\n")[1].splitlines() if "/left, opened" in line]
        self.assertEqual(row[:3], ["3", "3", "open"])


class Finding(unittest.TestCase):
    def test_a_table_that_is_read_for_each_query(self):
        """By one process again and again, and by many once each, which none of them can know of."""
        table = harness.FOLDER / "table"
        table.write_bytes(bytes(4 << 20))
        again = f"for query in range(40): open({str(table)!r}, 'rb').read()"
        once = f"import os\nfor query in range(40):\n if not os.fork(): open({str(table)!r}, 'rb').read(); os._exit(0)\n os.wait()"
        for script in (again, once):
            report = harness.preloaded(["/usr/bin/python3", "-I", "-S", "-c", script], settings={"HEAP": "off", "CPU": "off"}).report
            (row,) = [row for row in report["io"]["files"] if row["path"] == str(table)]
            self.assertEqual((row["read_bytes"], row["reread_bytes"]), (40 << 22, 39 << 22))
            (finding,) = [finding for finding in report["findings"] if finding["id"] == "io-read-again"]
            self.assertEqual(finding["evidence"]["reread_bytes"], 39 << 22)
            self.assertIn(str(table)[-20:], finding["title"])


class Many(unittest.TestCase):
    def test_lists_are_bounded(self):
        """The first thousand, and what moved much after them; the rest is counted."""
        script = harness.FOLDER / "many.py"
        script.write_text("import os\nfor i in range(5000):\n fd = os.open('/etc/passwd', os.O_RDONLY)\n os.read(fd, i % 500 + 1)\n os.close(fd)\n"
                          " if i == 4000: fd = os.open('/usr/bin/python3', os.O_RDONLY); os.read(fd, 70000); os.close(fd)\n")
        report = harness.preloaded(["/usr/bin/python3", "-I", "-S", str(script)]).report
        lives = [life for life in report["io"]["descriptors"] if life["path"] == "/etc/passwd"]
        self.assertGreater(report["io"]["descriptors_left_out"], 3900)
        self.assertLessEqual(len(lives), 1000)
        whole = len(report["io"]["descriptors"]) + report["io"]["descriptors_left_out"]
        self.assertGreaterEqual(whole, 5001)
        self.assertLess(whole, 5101, "and what the interpreter opens")
        self.assertEqual([life["read_bytes"] for life in report["io"]["descriptors"] if life["read_bytes"] == 70000], [70000])
        (row,) = [row for row in report["io"]["files"] if row["path"] == "/etc/passwd"]
        self.assertEqual((row["open_count"], row["read_calls"]), (5000, 5000))
        self.assertEqual(row["reread_bytes"], 5000 * 501 // 2 - 500)


if __name__ == "__main__":
    unittest.main()
