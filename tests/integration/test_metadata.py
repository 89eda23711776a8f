# SPDX-License-Identifier: Apache-2.0
"""Calls about names and properties: as many as strace sees, of programs that are not ours too, with the files that they name,
whether these are there or not; and findings about them."""

import collections
import errno
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import harness
from harness import program

NAMES = {"stat": "stat", "lstat": "stat", "newfstatat": "stat", "statx": "stat", "access": "access", "faccessat": "access",
         "faccessat2": "access", "unlink": "unlink", "rename": "rename", "renameat": "rename", "renameat2": "rename", "link": "link",
         "linkat": "link", "symlink": "link", "symlinkat": "link", "readlink": "readlink", "readlinkat": "readlink", "mkdir": "mkdir",
         "mkdirat": "mkdir", "rmdir": "rmdir", "chmod": "chmod", "fchmodat": "chmod", "chdir": "chdir", "fchdir": "chdir"}
PATH = re.compile(r'\((?:AT_FDCWD, |\d+, )?"(/[^"]*)"')
LINE = re.compile(r"^(?:\[pid\s+\d+\] |\d+ +)?(\w+)\((.*)\) += (-?\d+)(?: (E\w+) .*)?$")


def strace(command, cwd=None):
    """{(operation, absolute path, failed): calls}, and the paths that were opened: of those libc asks itself, too."""
    environment = harness.clean_environment()
    environment.pop("LD_LIBRARY_PATH", None) # where the dynamic linker would look, which is no call of the program's
    with tempfile.NamedTemporaryFile("r", dir=harness.FOLDER) as log:
        done = subprocess.run(["strace", "-f", "-qq", "-s", "4096", "-o", log.name, *command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120, env=environment, cwd=cwd)
        found, opened = collections.Counter(), set()
        for line in log.read().splitlines():
            match, path = LINE.match(line), PATH.search(line)
            if not match or not path:
                continue
            if match.group(1) == "openat":
                opened.add(path.group(1))
            elif match.group(1) in NAMES and path.group(1) != "/etc/ld.so.preload":
                found[NAMES[match.group(1)], path.group(1), bool(match.group(4))] += 1
        return done, found, opened


def rows_of(run, what, *values):
    return sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True).execute(what, values).fetchall()


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=harness.FOLDER)
        cls.command = [program("meta.c"), cls.folder]
        cls.run_ = harness.preloaded(cls.command)
        cls.report = cls.run_.report

    def test_behaves_as_bare(self):
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        bare = harness.bare([self.command[0], folder])
        self.assertEqual((self.run_.returncode, self.run_.out, self.run_.err), (bare.returncode, bare.out, bare.err))
        self.assertEqual((bare.returncode, os.listdir(self.folder)), (0, os.listdir(folder)))

    def test_each_as_often_as_it_was_made(self):
        found = dict(rows_of(self.run_, "SELECT operation || iif(errno, ' failed', ''), sum(call_count) FROM v_io"
                                        " WHERE \"group\" = 'metadata' GROUP BY 1"))
        self.assertEqual(found, {
            "stat": 500 + 1 + 1 + 1 + 1, "stat failed": 1001, "access": 501, "statfs": 2, "chmod": 2, "chown": 2, "utime": 2,
            "mkdir": 1, "rename": 1, "link": 2, "readlink": 1, "realpath": 1, "opendir": 1, "readdir": 4, "closedir": 1,
            "chdir": 1, "unlink": 4, "rmdir": 1, "rmdir failed": 1, "mknod": 1, "file lock": 4})
        self.assertEqual(rows_of(self.run_, "SELECT sum(call_count) FROM v_io WHERE operation = 'ftruncate'"), [(1,)])

    def test_by_file_however_it_was_named(self):
        """Opened, and named by relative and absolute paths and in folders: one file."""
        (row,) = [row for row in self.report["io"]["files"] if row["path"] == f"{self.folder}/one"]
        self.assertEqual((row["kind"], row["open_count"], row["write_bytes"]), ("file", 1, 8))
        self.assertEqual(row["operations"], {"open": 1, "write": 1, "access": 500, "stat": 502, "statfs": 2, "chmod": 2, "chown": 2,
                                             "utime": 2, "ftruncate": 1, "rename": 1, "file lock": 2, "close": 1})
        (two,) = [row for row in self.report["io"]["files"] if row["path"] == f"{self.folder}/below/two"]
        self.assertEqual(two["operations"], {"stat": 1, "access": 1, "unlink": 1})
        (below,) = [row for row in self.report["io"]["files"] if row["path"] == f"{self.folder}/below"]
        self.assertEqual(below["operations"], {"mkdir": 1, "open": 1, "stat": 1, "opendir": 1, "readdir": 4, "closedir": 1, "rmdir": 2,
                                               "close": 1})

    def test_what_is_not_there(self):
        for i in range(10):
            (row,) = [row for row in self.report["io"]["files"] if row["path"] == f"{self.folder}/lib{i}/module.so"]
            self.assertEqual((row["metadata_calls"], row["errors"], row["open_count"]), (100, {"ENOENT": 100}, 0))
        (site,) = [site for site in self.report["io"]["sites"] if site["function"] == "search"]
        self.assertEqual((site["line"], site["metadata_calls"], site["errors"]),
                         (harness.line_of("meta.c", "not there"), 1000, {"ENOENT": 1000}))

    def test_waiting_for_a_file(self):
        waited = [thread["blocked"]["lock_ns"] for thread in self.report["waits"]["threads"]]
        self.assertEqual(sum(ns > 90e6 for ns in waited), 1)
        (three,) = [row for row in self.report["io"]["files"] if row["path"] == f"{self.folder}/three"]
        self.assertEqual(three["operations"].get("file lock"), 2)
        self.assertGreater(three["latency"]["max_ns"], 90e6)


class Programs(unittest.TestCase):
    maxDiff = None

    """What other people's programs ask about names, as strace sees it."""

    def same(self, command, at_least, cwd=None):
        """at_least: so many paths must have been compared."""
        if not shutil.which("strace") or not shutil.which(command[0]):
            self.skipTest(f"strace or {command[0]} is not installed")
        done, expected, opened = strace(command, cwd)
        bare = harness.bare(command, cwd=cwd)
        if (done.returncode, done.stdout) != (bare.returncode, bare.out):
            self.skipTest(f"strace cannot trace here: {done.stderr}")
        run = harness.preloaded(command, cwd=cwd)
        self.assertEqual((run.returncode, run.out, run.err), (bare.returncode, bare.out, bare.err))
        found = {(operation, path, bool(error)): calls for operation, path, error, calls in rows_of(
            run, "SELECT operation, path, min(errno, 1), sum(call_count) FROM v_io GROUP BY 1, 2, 3")}
        # What libc asks by itself is no call of the program's: of what it opens, in eaccess, for the name service.
        asked = {path for operation, path, _ in expected if operation == "access"} | {"/", "/etc/nsswitch.conf"}
        expected = {key: calls for key, calls in expected.items() if key[1] not in opened and (key[0] != "stat" or key[1] not in asked)}
        # Names that are relative there are whole here: never fewer.
        self.assertEqual({key: (found.get(key), calls) for key, calls in expected.items() if found.get(key, 0) < calls}, {})
        self.assertGreaterEqual(len(expected), at_least)

    def test_ls(self):
        self.same(["ls", "-lR", "/etc/apt", "/etc/dpkg", "/no/such"], 20)

    def test_find(self):
        self.same(["find", "/usr/share/doc/libc6", "/etc/apt", "/no/such", "-newer", "/etc/passwd"], 1)

    def test_bash(self):
        self.same(["bash", "--norc", "-c", "cd /etc; for i in 1 2 3; do [ -e passwd ]; [ -x /no/such/$i ]; [ /etc/passwd -nt /etc/group ]; done"], 4)

    def test_python(self):
        self.same(["/usr/bin/python3", "-I", "-S", "-c", "import os; os.chdir('/etc'); [os.stat('passwd') for _ in range(9)];"
                   " os.access('/no/such', 0); os.path.realpath('/etc/alternatives/awk'); import json; [*os.scandir('apt')]"],
                  10)

    def test_git_status(self):
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", folder]
        if not shutil.which("git"):
            self.skipTest("git is not installed")
        subprocess.run([*git, "init", "-q"], check=True, env=harness.clean_environment())
        for name in "abc":
            pathlib.Path(folder, name).write_text(name)
        subprocess.run([*git, "add", "a", "b"], check=True, env=harness.clean_environment())
        self.same(["git", "--no-optional-locks", "-C", folder, "status", "--porcelain"], 5)

    def test_rm(self):
        """What changes the disk is done anew for each of the two."""
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        run = []
        for _ in range(2):
            for name in "abc":
                pathlib.Path(folder, name).write_text(name)
            run.append(harness.preloaded(["rm", "-f", *(f"{folder}/{name}" for name in "abcd")]))
        self.assertEqual(run[0].returncode, 0)
        self.assertEqual(rows_of(run[1], "SELECT path, operation, errno, sum(call_count) FROM v_io WHERE operation = 'unlink' AND path LIKE ?"
                                         " GROUP BY 1, 2, 3 ORDER BY 1", folder + "/%"),
                         [(f"{folder}/{name}", "unlink", 0, 1) for name in "abc"] +
                         [(f"{folder}/d", "unlink", 2, 1)] * bool(rows_of(run[1], "SELECT 1 FROM v_io WHERE path = ? AND operation ="
                                                                                  " 'unlink'", f"{folder}/d")))


class Findings(unittest.TestCase):
    def test_search_path(self):
        report = harness.preloaded(["/usr/bin/python3", "-S", "-c",
                                    "import os\n"
                                    "def find(name):\n"
                                    "    return os.path.exists('/usr/lib/dir/' + name)\n"
                                    "for n in range(40000): find('module')\n"]).report
        found = {finding["id"]: finding for finding in report["findings"]}
        self.assertIn("io-missing-names", found)
        self.assertEqual(found["io-missing-names"]["evidence"]["missing_count"], 40000)
        self.assertIn("io-asked-again", found)
        self.assertEqual(found["io-asked-again"]["evidence"]["metadata_count"], 40000)


class Trees(unittest.TestCase):
    def test_one_call_each(self):
        """What libc looks at inside of them is its own; the time of a visited file is the visitor's."""
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        for name in "abc":
            open(f"{folder}/{name}", "w").close()
        run = harness.preloaded([program("tree_walks.c"), folder])
        # three by glob; the folder and they by ftw and nftw; those, and the folder once more, by fts
        self.assertEqual((run.returncode, run.out), (0, b"16\n"))
        rows = sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True).execute(
            "SELECT operation, errno, path, sum(call_count), sum(ns) FROM v_io WHERE operation IN ('glob', 'nftw', 'fts', 'access',"
            " 'opendir', 'stat') GROUP BY 1, 2, 3").fetchall()
        counts = {(operation, error, path): calls for operation, error, path, calls, _ in rows}
        self.assertEqual(counts, {("glob", 0, None): 1, ("glob", errno.ENOENT, None): 1, ("nftw", 0, folder): 2,
                                  ("nftw", errno.ENOENT, "/no/such"): 1, ("fts", 0, None): 1 + 6 + 1,
                                  **{("access", 0, path): 2 for path in (folder, *(f"{folder}/{name}" for name in "abc"))}})
        self.assertLess(sum(ns for operation, _, _, _, ns in rows if operation == "nftw"), 20_000_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
