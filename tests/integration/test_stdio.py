# SPDX-License-Identifier: Apache-2.0
"""Stdio: what a program asked of it equals the program's own account, and the system calls that it made equal what strace
sees, file by file; C++ streams and the like reach it; and what programs write is the same, byte for byte."""

import collections
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import harness
from harness import program


def preloaded(command, **options):
    """With every call of stdio recorded."""
    return harness.preloaded(command, settings={"STDIO": "on"}, **options)


# Of these strace's and ours are compared, by file. Those of stdio have names of their own, and are the same calls.
CALLS = ("read", "write", "lseek", "openat", "close")
LINE = re.compile(r"^\d+ +(\w+)\((?:AT_FDCWD(?:<[^>]*>)?|\d+<([^>]*)>)?.*\) += (-?\d+|\?)(?:<([^>]*)>)?")
RESUMED = re.compile(r"^(\d+ +)<\.\.\. (\w+) resumed>(.*)$")


def strace(command, folder, **options):
    """{(call, path): [calls, bytes]} of files in the folder."""
    found = collections.defaultdict(lambda: [0, 0])
    pending = {}
    with tempfile.NamedTemporaryFile("r", dir=harness.FOLDER) as log:
        done = subprocess.run(["strace", "-f", "-y", "-qq", "-s", "0", "-o", log.name, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120,
                              env=harness.clean_environment(), **options)
        for line in log:
            line = line.rstrip("\n")
            if line.endswith("<unfinished ...>"):
                pending[line.split()[0]] = line[: -len("<unfinished ...>")]
                continue
            resumed = RESUMED.match(line)
            if resumed:
                line = pending.pop(resumed.group(1).strip(), "0 ?(") + resumed.group(3)
            match = LINE.match(line)
            if not match or match.group(1) not in CALLS:
                continue
            call, path = match.group(1), match.group(2)
            if call == "openat":
                path = match.group(4) or ""
            if not (path or "").startswith(folder):
                continue
            row = found["open" if call == "openat" else call, path]
            row[0] += 1
            row[1] += int(match.group(3)) if call in ("read", "write") else 0
    return done, dict(found)


def rows(run, query, *values):
    database = sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True)
    return database.execute(query, values).fetchall()


def system_calls(run, folder):
    """The same from a recording."""
    found = collections.defaultdict(lambda: [0, 0])
    for path, operation, calls, moved in rows(run, "SELECT path, operation, sum(call_count), sum(got_bytes) FROM v_io"
                                              " WHERE path LIKE ? AND \"group\" NOT LIKE 'stdio %' GROUP BY 1, 2", folder + "%"):
        row = found[operation.removesuffix(" by stdio"), path]
        row[0] += calls
        row[1] += moved
    return dict(found)


def account(folder):
    """{file: [calls, read, written]} as the program had it."""
    found = collections.defaultdict(lambda: [0, 0, 0])
    for line in pathlib.Path(folder, "account").read_text().splitlines():
        name, *values = line.split()
        for index, value in enumerate(values):
            found[name][index] += int(value)
    return dict(found)


def asked(run, folder):
    """The same from a recording, without the calls that open and close."""
    found = collections.defaultdict(lambda: [0, 0, 0])
    for path, group, calls, moved in rows(run, "SELECT path, \"group\", sum(call_count), sum(got_bytes) FROM v_io WHERE path"
                                          " LIKE ? AND \"group\" LIKE 'stdio %' GROUP BY 1, 2", folder + "/%"):
        if group in ("stdio open", "stdio close"):
            continue
        row = found[path.removeprefix(folder + "/")]
        row[0] += calls
        row[1] += moved if group == "stdio read" else 0
        row[2] += moved if group == "stdio write" else 0
    return dict(found)


class Calls(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=harness.FOLDER)
        cls.command = [program("stdio_calls.c", "-w"), cls.folder]
        cls.bare = harness.bare(cls.command)
        cls.run_ = preloaded(cls.command)
        cls.io = cls.run_.report["io"]

    def test_without_each_call(self):
        """As it is by default: what was asked is not measured, the system calls that came of it are the same."""
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        run = harness.preloaded([self.command[0], folder])
        self.assertEqual((run.returncode, run.out), (self.bare.returncode, self.bare.out))
        io = run.report["io"]
        self.assertEqual([io[f"stdio_{name}"] for name in ("calls", "ns", "read_calls", "write_bytes")], [None] * 4)
        for name in ("stdio_kernel_read_calls", "stdio_kernel_write_calls", "stdio_kernel_write_bytes", "open_calls", "close_calls"):
            self.assertEqual(io[name], self.io[name], name)

    def test_behaves_as_bare(self):
        self.assertEqual((self.run_.returncode, self.run_.out, self.run_.err), (0, self.bare.out, self.bare.err))
        self.assertEqual((self.bare.returncode, self.bare.out), (0, b"done 0"))

    def test_complete(self):
        self.assertTrue(self.run_.report["coverage"]["complete"], self.run_.report["coverage"])

    def test_what_was_asked(self):
        actual, expected = asked(self.run_, self.folder), account(self.folder)
        actual.pop("cookie", None)
        self.assertGreater(len(expected), 15)
        self.assertEqual(actual, expected)

    def test_system_calls_by_file(self):
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        done, expected = strace(self.command, self.folder)
        if done.returncode != 0:
            self.skipTest("strace cannot trace here")
        self.assertEqual(system_calls(self.run_, self.folder), expected)

    def test_the_flush_at_exit(self):
        ((frames,),) = rows(self.run_, "SELECT frames FROM v_io JOIN v_stacks USING (stack) WHERE path LIKE '%/left-open' AND"
                            " operation = 'write by stdio'")
        self.assertIn("exit", frames)

    def test_no_byte_twice(self):
        (row,) = [row for row in self.io["files"] if (row["path"] or "").endswith("/prints")]
        self.assertEqual(row["write_bytes"], row["stdio_write_bytes"])
        self.assertEqual(row["stdio_kernel_write_bytes"], row["write_bytes"])
        self.assertEqual(row["stdio_kernel_write_calls"], row["write_calls"])
        self.assertLess(row["write_calls"], row["stdio_write_calls"])
        self.assertEqual(row["open_count"], 2 - 1)

    def test_beside_the_kernel(self):
        """All of it, to the byte: stdio's, the program's own, the flush at exit."""
        coverage = self.run_.report["coverage"]["io"]
        self.assertEqual(coverage["kernel_write_bytes"], coverage["write_bytes"])

    def test_what_is_not_counted_is_said(self):
        (said,) = [text for text in self.run_.report["coverage"]["not_observed"] if "getc_unlocked" in text]
        self.assertIn(" 11 times ", said)

    def test_by_line(self):
        (site,) = [site for site in self.io["sites"] if site["function"] == "texts" and site["operations"].get("fputs") == 300]
        self.assertEqual((site["stdio_write_bytes"], site["stdio_write_size_histogram"]),
                         (4500, [{"low": 8, "high": 16, "count": 300}]))

    def test_untimed_calls_have_no_duration(self):
        (row,) = [row for row in self.io["files"] if (row["path"] or "").endswith("/characters")]
        self.assertGreater(row["stdio_untimed_calls"], 19000)
        self.assertLessEqual(row["stdio_untimed_calls"], row["stdio_calls"])

    def test_streams_without_a_descriptor(self):
        named = {row["path"]: row for row in self.io["files"]}
        memory = named["(memory stream)"]
        self.assertEqual((memory["stdio_write_bytes"], memory["write_bytes"], memory["kind"]), (5, 0, "other"))
        functions = named["(stream of functions: fopencookie, fmemopen)"]
        self.assertEqual((functions["stdio_read_bytes"], functions["stdio_write_bytes"]), (1000, 6))
        # What its functions read are reads of the program's.
        ((calls, moved),) = rows(self.run_, "SELECT sum(call_count), sum(got_bytes) FROM v_io WHERE path LIKE '%/cookie'"
                                 " AND operation = 'read'")
        self.assertEqual((calls, moved), (10, 1000))

    def test_popen_and_tmpfile(self):
        found = dict(rows(self.run_, "SELECT operation, sum(got_bytes) FROM v_io WHERE process = 1 AND (kind = 'pipe' OR path LIKE"
                          " '%/#%(deleted)' OR path LIKE '/tmp/%(deleted)') AND operation IN ('fputs', 'write by stdio', 'popen',"
                          " 'pclose', 'tmpfile') GROUP BY 1"))
        self.assertEqual(found["fputs"], len("to a program") + len("temporary"))
        self.assertLessEqual({"popen", "pclose", "tmpfile"}, set(found))

    def test_threads(self):
        written = [thread["stdio_written_bytes"] for thread in self.io["threads"]]
        self.assertEqual(written.count(8 * 20000), 2)
        self.assertEqual(sum(written), self.io["stdio_write_bytes"])


class Killed(unittest.TestCase):
    def test_nothing_is_lost(self):
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        run = preloaded([program("stdio_calls.c", "-w"), folder, "kill"])
        self.assertEqual(run.returncode, -9)
        actual = asked(run, folder)
        actual.pop("cookie", None)
        self.assertEqual(actual, account(folder))


EDGES = ("fork", "vfork", "partial", "_exit", "quick_exit", "abort", "handler", "thread", "closed", "broken", "block",
         "interrupted", "jumped", "cancelled", "nested", "wide", "exec", "popen")


class Edges(unittest.TestCase):
    """Output byte for byte, and the end, in circumstances in which stdio writes twice, late, or not at all."""

    maxDiff = None

    def test_as_bare(self):
        for edge in EDGES:
            with self.subTest(edge):
                command = [program("stdio_edges.c", "-w"), edge]
                bare, run = harness.bare(command), preloaded(command)
                self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
                if shutil.which("strace") and edge not in ("interrupted", "jumped"):
                    self.assertTrue(bare.out or edge in ("_exit", "quick_exit", "abort", "closed"), edge)

    def test_more_than_there_is_memory(self):
        """What a call counts raises no floating-point exception."""
        run = preloaded([program("stdio_endless.c", "-lm")])
        self.assertEqual((run.returncode, run.out, run.err), (0, f"{2**53 + 1} 0\n".encode(), b""))

    def test_what_was_buffered_at_the_fork_is_written_twice(self):
        run = preloaded([program("stdio_edges.c", "-w"), "fork"])
        self.assertEqual(run.out.count(b"buffered before the fork;"), 2)
        written = rows(run, "SELECT process, sum(got_bytes) FROM v_io WHERE operation = 'write by stdio' GROUP BY 1 ORDER BY 1")
        self.assertEqual([size for _, size in written], [len(b"buffered before the fork;parent 3\n"),
                                                         len(b"buffered before the fork;child\n")])

    def test_errors(self):
        run = preloaded([program("stdio_edges.c", "-w"), "block"])
        found = rows(run, "SELECT operation, errno, call_count, got_bytes FROM v_io WHERE kind = 'pipe' AND path NOT IN (SELECT"
                     " path FROM v_io WHERE operation = 'printf' AND path IS NOT NULL) ORDER BY 1, 2")
        self.assertIn(("read by stdio", 11, 1, 0), found)
        self.assertIn(("fgetc", 11, 1, 0), found)
        self.assertIn(("write by stdio", 0, 1, 65536), found)
        self.assertIn(("write by stdio", 11, 1, 0), found)


class Unknown(unittest.TestCase):
    """A libc whose tables are not as they are known: nothing is touched, what was asked is counted, the rest is said."""

    def test_said(self):
        source, shim = harness.FOLDER / "other_read.c", str(harness.FOLDER / "other_read.so")
        source.write_text("long _IO_file_read(void *stream, void *buffer, long size) { return -1; }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", shim], check=True)
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        command = [program("stdio_calls.c", "-w"), folder]
        run = preloaded(command, behind=shim)
        self.assertEqual((run.returncode, run.out, run.err), (0, b"done 0", b""))
        actual, expected = asked(run, folder), account(folder)
        for name in ("cookie", "odd", "scans"):  # bytes that only the system calls below would tell
            actual.pop(name, None), expected.pop(name, None)
        self.assertEqual(actual, expected)
        self.assertIsNone(run.report["io"]["stdio_kernel_read_calls"])
        self.assertIsNone(run.report["io"]["stdio_kernel_write_bytes"])
        self.assertTrue([text for text in run.report["coverage"]["not_observed"] if "tables of stdio" in text])
        coverage = run.report["coverage"]["io"]
        self.assertGreater(coverage["kernel_write_bytes"], coverage["write_bytes"])


class Languages(unittest.TestCase):
    def test_cpp_streams(self):
        """cout and cin go through stdio's streams; fstreams read and write their descriptor."""
        source = harness.FOLDER / "streams.cc"
        source.write_text("#include <fstream>\n#include <iostream>\n#include <string>\nint main(int, char **arguments) {\n"
                          "std::ofstream file(arguments[1]);\nfor (int i = 0; i < 1000; i++) file << i << '\\n';\nfile.close();\n"
                          "std::ifstream in(arguments[1]);\nstd::string line; long n = 0;\n"
                          "while (std::getline(in, line)) n += line.size();\n"
                          "for (int i = 0; i < 10; i++) std::cout << \"line \" << n << '\\n';\n}\n")
        binary, data = str(harness.FOLDER / "streams"), str(harness.FOLDER / "streams.txt")
        subprocess.run(["g++", "-O1", "-g", str(source), "-o", binary], check=True)
        run = preloaded([binary, data])
        self.assertEqual((run.returncode, run.out), (0, b"line 2890\n" * 10))
        (file,) = [row for row in run.report["io"]["files"] if row["path"] == data]
        self.assertEqual((file["write_bytes"], file["read_bytes"], file["open_count"]), (3890, 3890, 2))
        self.assertEqual(sum(row["write_bytes"] for row in run.report["io"]["files"] if row["path"] != data), 100)
        self.assertEqual(run.report["io"]["stdio_write_bytes"], 100)
        coverage = run.report["coverage"]["io"]
        self.assertEqual(coverage["kernel_write_bytes"], coverage["write_bytes"])

    def test_what_libc_reads_for_itself(self):
        """getpwuid reads /etc/passwd through a stream of libc's own, by calls that no symbol shows."""
        run = preloaded([program("stdio_edges.c", "-w"), "jumped"])
        size = pathlib.Path("/etc/passwd").stat().st_size
        (passwd,) = [row for row in run.report["io"]["files"] if row["path"] == "/etc/passwd"]
        self.assertGreater(passwd["stdio_kernel_read_bytes"], 0)
        self.assertLessEqual(passwd["stdio_kernel_read_bytes"], size)
        self.assertEqual(passwd["stdio_read_calls"], 0)

    def test_unbuffered_is_found(self):
        source = harness.FOLDER / "unbuffered.c"
        source.write_text("#include <stdio.h>\nint main(void) {\nFILE *f = fopen(\"/dev/null\", \"w\");\n"
                          "setvbuf(f, NULL, _IONBF, 0);\nfor (int i = 0; i < 300000; i++)\nfputs(\"record\\n\", f);\n}\n")
        binary = str(harness.FOLDER / "unbuffered")
        subprocess.run(["gcc", "-O1", "-g", str(source), "-o", binary], check=True)
        run = preloaded([binary])
        (finding,) = [row for row in run.report["findings"] if row["id"] == "io-unbuffered-stdio"]
        self.assertEqual(finding["evidence"]["stdio_small_count"], 300000)
        self.assertEqual(finding["evidence"]["stdio_asked_count"], 300000)
        self.assertEqual((finding["where"][0]["function"], finding["where"][0]["line"]), ("main", 6))


if __name__ == "__main__":
    unittest.main()
