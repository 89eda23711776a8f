# SPDX-License-Identifier: Apache-2.0
"""The io family: calls and bytes equal what strace sees of the same program, per file and per call site, through dup,
reuse of numbers, deletion, fork, threads and a kill; and the program does not notice."""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
from harness import program

# What the kernel calls them, by the name in the report.
SYSCALLS = {
    "read": "read", "write": "write", "pread64": "pread", "pwrite64": "pwrite", "readv": "readv", "writev": "writev",
    "preadv": "preadv", "preadv2": "preadv", "pwritev": "pwritev", "pwritev2": "pwritev", "sendfile": "sendfile",
    "copy_file_range": "copy_file_range", "splice": "splice", "tee": "tee", "recvfrom": "recv", "recvmsg": "recv",
    "recvmmsg": "recv", "sendto": "send", "sendmsg": "send", "sendmmsg": "send", "openat": "open", "close": "close",
    "lseek": "lseek", "fsync": "fsync", "fdatasync": "fdatasync", "sync_file_range": "sync_file_range",
    "ftruncate": "ftruncate", "fallocate": "fallocate", "fadvise64": "posix_fadvise", "dup": "dup", "dup2": "dup",
    "accept": "accept", "connect": "connect", "socket": "socket", "socketpair": "socket", "pipe2": "pipe",
}
LINE = re.compile(r"^(?:\[pid\s+\d+\] |\d+ +)?(\w+)\((.*)= (-?\d+|\?)(?:<.*>)?(?: (E\w+) .*)?$")
RESUMED = re.compile(r"^(\d+ +)<\.\.\. (\w+) resumed>(.*)$")


def calls_of(text, begin):
    """{operation: [calls, bytes, failed]} from the line that contains `begin` on."""
    found = collections.defaultdict(lambda: [0, 0, 0])
    pending = {}
    begun = False
    for line in text.splitlines():
        begun = begun or begin in line
        if not begun:
            continue
        if line.endswith("<unfinished ...>"):
            pending[line.split()[0]] = line[: -len("<unfinished ...>")]
            continue
        resumed = RESUMED.match(line)
        if resumed:
            line = pending.pop(resumed.group(1).strip(), "? ?(") + resumed.group(3)
        match = LINE.match(line)
        if not match or match.group(1) not in SYSCALLS:
            continue
        row = found[SYSCALLS[match.group(1)]]
        row[0] += 1
        if match.group(4):
            row[2] += 1
        elif match.group(1) in ("recvmmsg", "sendmmsg"):
            row[1] += sum(int(size) for size in re.findall(r"msg_len=(\d+)", line))
        elif SYSCALLS[match.group(1)] in ("read", "write", "pread", "pwrite", "readv", "writev", "preadv", "pwritev", "sendfile",
                                          "copy_file_range", "splice", "tee", "recv", "send"):
            row[1] += int(match.group(3))
    return {name: tuple(row) for name, row in found.items()}


def strace(command, begin):
    with tempfile.NamedTemporaryFile("r", dir=harness.FOLDER) as log:
        done = subprocess.run(["strace", "-f", "-v", "-qq", "-s", "0", "-o", log.name, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120, env=harness.clean_environment())
        return done, calls_of(log.read(), begin)


def recorded(run):
    """The same figures from the recording."""
    import sqlite3

    database = sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True)
    rows = database.execute("SELECT operation, sum(call_count), sum(got_bytes), sum(iif(errno, call_count, 0)) FROM v_io"
                            " WHERE operation NOT LIKE '% from' GROUP BY operation").fetchall()
    return {row[0]: tuple(row[1:]) for row in rows}


def files_of(report, end):
    return [row for row in report["io"]["files"] if (row["path"] or "").endswith(end)]


class Calls(unittest.TestCase):
    """A program that makes every call a known number of times."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=harness.FOLDER)
        cls.command = [program("io_calls.c"), cls.folder]
        cls.bare = harness.bare(cls.command)
        cls.run_ = harness.preloaded(cls.command)
        cls.report = cls.run_.report
        cls.io = cls.report["io"]

    def test_behaves_as_bare(self):
        self.assertEqual((self.run_.returncode, self.run_.err), (self.bare.returncode, self.bare.err))

    def test_complete(self):
        self.assertTrue(self.report["coverage"]["complete"], self.report["coverage"])

    def test_every_call_that_strace_sees(self):
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        done, expected = strace(self.command, f"{self.folder}/data")
        if done.returncode != 0:
            self.skipTest("strace cannot trace here")
        actual = recorded(self.run_)
        # The line that the program prints is written by stdio.
        calls, moved, failed = expected["write"]
        expected["write"] = (calls - 1, moved - len(self.bare.out), failed)
        self.assertEqual(actual["write by stdio"], (1, len(self.bare.out), 0))
        self.assertEqual({name: row for name, row in actual.items() if name in expected}, expected)

    def test_bytes_by_file(self):
        for name, read, written in (("/data", 10000 + 4 * 512 + 300 + 100 + 300 + 5000 + 6000,
                                     10000 + 4096 + 300 + 300 + 100 + 33 + 7), ("/copied", 0, 11000), ("/second", 0, 50),
                                    ("/gone", 0, 77), ("/shared", 5000, 1200)):
            rows = files_of(self.report, name)
            self.assertEqual((sum(row["read_bytes"] for row in rows), sum(row["write_bytes"] for row in rows)), (read, written), name)

    def test_a_number_that_comes_back_is_another_file(self):
        (second,) = files_of(self.report, "/second")
        self.assertEqual((second["open_count"], second["write_calls"], second["write_bytes"]), (1, 5, 50))

    def test_kinds(self):
        kinds = {row["kind"] for row in self.io["files"] if row["path"]}
        self.assertLessEqual({"file", "pipe", "socket"}, kinds)

    def test_sockets_by_peer(self):
        port = self.bare.out and self.run_.out.decode().strip()
        (client,) = [row for row in self.io["files"] if row["path"] == f"tcp 127.0.0.1:{port}" and row["send_bytes"]]
        self.assertEqual((client["send_bytes"], client["read_bytes"], client["connect_calls"]), (1234, 55, 1))
        (server,) = [row for row in self.io["files"] if row["path"] == f"tcp 127.0.0.1:{port} (accepted)"]
        self.assertEqual((server["recv_bytes"], server["write_bytes"]), (1234, 55))

    def test_by_line(self):
        (site,) = [site for site in self.io["sites"] if site["function"] == "small_reads"]
        self.assertEqual((site["line"], site["read_calls"], site["read_bytes"]),
                         (harness.line_of("io_calls.c", "small read"), 1000, 10000))
        self.assertEqual(site["read_size_histogram"], [{"low": 8, "high": 16, "count": 1000}])
        self.assertEqual(site["sequential_percent"], 100)
        self.assertEqual(site["small_calls"], 1000)

    def test_errors_by_name(self):
        errors = collections.Counter()
        for row in self.io["files"]:
            errors.update(row["errors"])
        self.assertEqual(dict(errors), {"ENOENT": 1, "EBADF": 1, "EAGAIN": 1, "EPIPE": 1})
        self.assertEqual(sum(errors.values()), self.io["error_count"])
        self.assertEqual(self.io["error_count"], 4)

    def test_pattern(self):
        """pread at 4096, 3072, 2048, 1024 after nothing: none sequential, two at the stride of the one before."""
        (row,) = files_of(self.report, "/data")
        self.assertLess(row["sequential_percent"], 100)
        self.assertGreater(row["strided_percent"], 0)

    def test_threads(self):
        busy = [thread for thread in self.io["threads"] if thread["read_bytes"] == 5000]
        self.assertEqual([thread["call_count"] for thread in busy], [500])

    def test_histograms_hold_every_call(self):
        for row in self.io["files"]:
            if row["read_calls"] and not row["errors"]:
                self.assertEqual(sum(cell["count"] for cell in row["read_size_histogram"]), row["read_calls"], row["path"])

    def test_beside_the_kernel(self):
        """What the program moved by read and write, the line that stdio wrote included."""
        io = self.report["coverage"]["io"]
        pair = 1000 + 500  # tee and splice, which the kernel does not count so
        self.assertEqual(io["kernel_write_bytes"], io["write_bytes"] - pair)
        self.assertEqual(io["kernel_read_bytes"], io["read_bytes"] - pair)


class Killed(unittest.TestCase):
    def test_nothing_is_lost(self):
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        command = [program("io_calls.c"), folder]
        whole = recorded(harness.preloaded(command))
        run = harness.preloaded([*command, "kill"])
        self.assertEqual(run.returncode, -9)
        self.assertEqual(recorded(run), whole)


    def test_the_kernel_is_asked_in_time(self):
        """Dead, and not waited for: its account is still there, and complete."""
        recording = harness.FOLDER / "asked.pprf"
        code = "import os\nfd = os.open('/dev/null', 1)\nfor i in range(10): os.write(fd, b'x' * 1000)\nos.kill(os.getpid(), 9)"
        process = subprocess.Popen(["/usr/bin/python3", "-c", code], env=harness.clean_environment(
            LD_PRELOAD=str(harness.LIBRARY), PREPROF_OUTPUT=str(recording), PREPROF_SUMMARY="off"))
        harness._recording_wait(recording, 20)
        self.assertEqual(process.wait(), -9)
        report = json.loads(subprocess.run([harness.PREPROF, "report", "-f", "json", recording], check=True, capture_output=True).stdout)
        account = report["coverage"]["io"]
        self.assertEqual((account["kernel_sampled"], account["write_bytes"], account["kernel_write_bytes"]), (True, 10000, 10000))
        self.assertGreaterEqual(account["kernel_read_bytes"], account["read_bytes"])
        self.assertGreaterEqual(account["kernel_sampled_ns"], report["processes"][0]["wall_ns"] // 2)

    def test_the_kernel_is_asked_while_it_runs(self):
        """Killed and waited for at once, as `run` does: what was counted two seconds before is there."""
        code = ("import os, time\nfd = os.open('/dev/null', 1)\nfor i in range(10): os.write(fd, b'x' * 1000)\n"
                "for i in range(30): time.sleep(0.1); os.write(fd, b'x')\nos.kill(os.getpid(), 9)")
        run = harness.under_run(["/usr/bin/python3", "-c", code])
        account = run.report["coverage"]["io"]
        self.assertEqual((account["kernel_sampled"], account["write_bytes"]), (True, 10030))
        self.assertGreaterEqual(account["kernel_write_bytes"], 10000)
        self.assertLessEqual(account["kernel_write_bytes"], 10030)
        self.assertGreater(account["kernel_sampled_ns"], 1e9)
        self.assertLess(account["kernel_sampled_ns"], run.report["target"]["wall_ns"] + 1e9)  # it was dead, perhaps


class Asynchronous(unittest.TestCase):
    def test_requests_and_maps(self):
        """POSIX's asynchronous requests are calls where their results are taken; maps and rings are said."""
        path = tempfile.mkdtemp(dir=harness.FOLDER) + "/file"
        run = harness.preloaded([program("io_async.c"), path])
        self.assertEqual((run.returncode, run.err), (0, b""))
        (row,) = files_of(run.report, "/file")
        self.assertEqual((row["write_calls"], row["write_bytes"], row["read_calls"], row["read_bytes"], row["sync_calls"], row["errors"]),
                         (7, 6000, 3, 2500, 1, {}))
        self.assertEqual(sum(site["operations"].get("aio_suspend", 0) for site in run.report["waits"]["sites"]),
                         int(run.out.split()[0]))
        said = " ".join(run.report["coverage"]["not_observed"])
        self.assertIn("maps files into its memory", said)
        if b"ring" in run.out:
            self.assertIn("io_uring", said)


class Blocked(unittest.TestCase):
    def test_a_slow_call_stands_alone(self):
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        run = harness.preloaded([program("io_calls.c"), folder, "wait"])
        slow = [call for call in run.report["io"]["slowest"] if call["operation"] == "read"]
        self.assertEqual(len(slow), 1)
        self.assertGreaterEqual(slow[0]["ns"], 45_000_000)
        self.assertEqual((slow[0]["asked_bytes"], slow[0]["bytes"], slow[0]["error"]), (10, 1, None))
        self.assertEqual(slow[0]["stack"][0]["line"], harness.line_of("io_calls.c", "blocked"))


class Edges(unittest.TestCase):
    """Cancelled, interrupted, jumped out of, partial, refused: the program sees what it sees without us."""

    @classmethod
    def setUpClass(cls):
        command = [program("io_edges.c")]
        cls.bare = harness.bare(command)
        cls.run_ = harness.preloaded(command)
        cls.report = cls.run_.report

    def test_behaves_as_bare(self):
        self.assertEqual((self.run_.returncode, self.run_.out, self.run_.err), (self.bare.returncode, self.bare.out, self.bare.err))
        self.assertIn(b"cancelled 1 cleaned 1", self.run_.out)
        self.assertIn(b"jumped", self.run_.out)

    def test_calls_that_returned(self):
        """Not those that were cancelled or jumped out of: they did not return. That of the handler is one."""
        calls = recorded(self.run_)
        self.assertEqual(calls["writev"], (2, int(self.run_.out.split(b"writev ")[1].split()[0]), 1))
        self.assertEqual(calls["readv"], (1, 0, 1))
        self.assertEqual(calls["pread"], (1, 0, 1))
        self.assertEqual(calls["read"][0], 5)
        self.assertEqual(calls["write"], (2 + 7, 6 + 5 + 700, 0))

    def test_errors(self):
        errors = collections.Counter()
        for row in self.report["io"]["files"]:
            errors.update(row["errors"])
        self.assertEqual(errors["EINTR"], 1)
        self.assertEqual(errors["ESPIPE"], 1)

    def test_a_vfork_child_does_not_rename_its_parents_files(self):
        (null,) = files_of(self.report, "/dev/null")
        self.assertEqual((null["kind"], null["write_calls"], null["write_bytes"]), ("device", 7, 700))


class Python(unittest.TestCase):
    def test_the_line_that_writes(self):
        """Python's io reaches write; the site is the line of Python's, the interpreter's own frames are left out."""
        script = harness.FOLDER / "writes.py"
        script.write_text("import os\n\n\ndef log(fd):\n    for number in range(300):\n        os.write(fd, b'12345')\n\n\n"
                          "out = os.open(os.devnull, os.O_WRONLY)\nlog(out)\n"
                          "with open(os.devnull, 'wb', buffering=0) as file:\n    file.write(b'x' * 77)\n")
        run = harness.preloaded(["/usr/bin/python3", "-I", str(script)])
        self.assertEqual((run.returncode, run.err), (0, b""))
        sites = [site for site in run.report["io"]["sites"] if any(frame["function"] == "log" for frame in site["stack"])]
        self.assertEqual([(site["write_calls"], site["write_bytes"]) for site in sites], [(300, 1500)])
        (frame,) = [frame for frame in sites[0]["stack"] if frame["function"] == "log"]
        self.assertEqual((frame["language"], frame["line"]), ("python", 6))
        (null,) = files_of(run.report, "/dev/null")
        self.assertEqual(null["write_bytes"], 1500 + 77)


class Off(unittest.TestCase):
    def test_nothing_is_recorded(self):
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        run = harness.preloaded([program("io_calls.c"), folder], settings={"IO": "off"})
        self.assertEqual(run.returncode, 0)
        self.assertIsNone(run.report["io"])
        self.assertIsNone(run.report["coverage"]["io"])


if __name__ == "__main__":
    unittest.main()
