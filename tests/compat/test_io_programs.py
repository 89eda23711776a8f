#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs' reads and writes of their files, by strace and by preprof: the same calls and the same bytes of each
file. Files are those in the program's folder, so that what ld.so and libc read for themselves is left out. What programs
read and write through stdio is among it, as the calls that stdio makes."""

import collections
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402

GROUPS = {"read": "read", "pread64": "read", "readv": "read", "preadv": "read", "write": "write", "pwrite64": "write",
          "writev": "write", "pwritev": "write", "sendfile": "write", "copy_file_range": "write", "fsync": "sync",
          "fdatasync": "sync", "lseek": "seek"}
CALL = re.compile(r"(\w+)\((\d+)<(.*?)>(.*)= (-?\d+)")
PYTHON = """
import os, io, subprocess
open('p1', 'wb').write(b'x' * 100000)
with open('p1', 'rb', buffering=0) as file:
    while file.read(100):
        pass
with open('p1', 'r+') as file:
    file.read(10)
    file.write('abc\\n')
with io.open('p2', 'w') as file:
    for number in range(10000):
        print(number, file=file)
d = os.open('p1', os.O_RDONLY)
os.pread(d, 10, 5)
os.lseek(d, 0, 2)
os.close(d)
print(subprocess.check_output(['cat', 'p2'])[:3])
"""


def folder_make():
    folder = pathlib.Path(tempfile.mkdtemp(dir=harness.FOLDER))
    (folder / "large").write_bytes(bytes(range(256)) * 8000)
    (folder / "tree").mkdir()
    for number in range(60):
        (folder / "tree" / f"file{number}").write_bytes(b"line\n" * (number * 37))
    return folder


def key_of(path, folder):
    path = path.replace("(deleted)", "").strip()
    if not path.startswith(str(folder) + "/"):
        return None
    return re.sub(r"tmp_obj_\w+", "tmp_obj", path.removeprefix(str(folder) + "/"))


def by_strace(command):
    folder = folder_make()
    log = folder.parent / (folder.name + ".strace")
    done = subprocess.run(["strace", "-f", "-y", "-qq", "-s", "0", "-o", log, *command], cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, env=harness.clean_environment())
    found = collections.defaultdict(lambda: [0, 0])
    pending = {}
    for line in log.read_text(errors="replace").splitlines():
        pid, rest = line.split(None, 1)
        if rest.endswith("<unfinished ...>"):
            pending[pid] = rest[: -len("<unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        match = CALL.match(pending.pop(pid, "") + resumed.group(1) if resumed else rest)
        if not match or match.group(1) not in GROUPS:
            continue
        group, path = GROUPS[match.group(1)], match.group(3)
        if match.group(1) == "copy_file_range":
            path = re.findall(r"\d+<(.*?)>", match.group(4))[0]
        key = key_of(path, folder)
        if key:
            found[key, group][0] += 1
            if group in ("read", "write"):
                found[key, group][1] += max(0, int(match.group(5)))
    return done, {key: tuple(row) for key, row in found.items()}


def by_preprof(command):
    folder = folder_make()
    run = harness.preloaded(command, cwd=folder)
    database = sqlite3.connect(f"file:{run.recording}?mode=ro", uri=True)
    found = collections.defaultdict(lambda: [0, 0])
    for path, group, calls, moved in database.execute(
            "SELECT path, \"group\", sum(call_count), sum(got_bytes) FROM v_io WHERE \"group\" IN ('read', 'write', 'sync', 'seek')"
            " AND operation NOT LIKE '% from' AND path IS NOT NULL GROUP BY path, \"group\""):
        key = key_of(path, folder)
        if key:
            found[key, group][0] += calls
            found[key, group][1] += moved
    return run, {key: tuple(row) for key, row in found.items()}


class Programs(unittest.TestCase):
    maxDiff = None

    def check(self, *command, leave_out=None):
        if not shutil.which(command[0]):
            self.skipTest(f"{command[0]} is not installed")
        done, expected = by_strace(command)
        run, actual = by_preprof(command)
        self.assertEqual((run.returncode, run.out), (done.returncode, done.stdout))
        for rows in (expected, actual):
            for key in [key for key in rows if leave_out and re.match(leave_out, key[0])]:
                del rows[key]
        self.assertEqual(actual, expected)
        self.assertTrue(expected, "nothing was compared")
        self.assertTrue(run.report["coverage"]["complete"])

    def test_cp(self):
        self.check("cp", "--reflink=never", "-r", "tree", "copy")

    def test_dd(self):
        self.check("dd", "if=large", "of=copy", "bs=512", "conv=fsync")

    def test_tar(self):
        self.check("tar", "cf", "all.tar", "large", "tree")

    def test_sqlite3(self):
        self.check("sqlite3", "new.db", "create table t(a); insert into t select value from generate_series(1, 20000);"
                   " create index i on t(a); delete from t where a % 3; vacuum; select count(*) from t")

    def test_git(self):
        self.check("sh", "-c", "git init -q . && git hash-object -w tree/*")

    def test_grep(self):
        self.check("grep", "-r", "-c", "line", "tree", "--include=file1*")

    def test_wc(self):
        self.check("wc", "-l", "large")

    def test_gzip(self):
        self.check("gzip", "-k", "large")

    def test_xz(self):
        self.check("xz", "-k", "-0", "large")

    def test_sort(self):
        self.check("sort", "-o", "sorted", "tree/file7", "tree/file11")

    def test_text_tools(self):
        """sed, awk, uniq, cut, od, diff: lines, blocks and single characters through stdio."""
        self.check("sh", "-c", "sed s/n/N/ tree/file9 > a; awk '{print NR, $1 > \"b\"}' tree/file9; uniq -c b > c; cut -c1-3 b > d;"
                   " od -c b > e; diff a b > f; cat f")

    def test_bc(self):
        self.check("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo \"scale=40; sqrt($i)\"; done > a; bc -q a > b")

    def test_m4(self):
        self.check("sh", "-c", "echo \"define(x, y)\" > a; for i in 1 2 3 4 5 6 7 8 9; do echo \"x($i) x\"; done >> a; m4 a > b")

    def test_compiler(self):
        self.check("sh", "-c", "echo '#include <stdio.h>' > a.c; echo 'int main(void) { return puts(\"a\") < 0; }' >> a.c;"
                   " gcc -save-temps a.c && ./a.out")

    def test_shell(self):
        self.check("bash", "-c", "while read -r line; do echo \"$line\"; done < tree/file5 > a")

    def test_perl(self):
        self.check("perl", "-e", "open F, 'large'; open G, '>', 'a'; while (<F>) { print G length($_), \"\\n\" }")

    def test_python(self):
        self.check("/usr/bin/python3", "-I", "-c", PYTHON)

    def test_cxx_streams(self):
        self.check(harness.program("io_streams.cc"))


SERVERS = """
mkdir html tmp
seq 50000 > html/large; echo hello > html/small
cat > nginx.conf <<X
USER daemon off; worker_processes 2; pid $PWD/tmp/pid; error_log $PWD/tmp/error.log;
events { }
http {
	access_log $PWD/tmp/access.log; client_body_temp_path tmp/a; proxy_temp_path tmp/b; fastcgi_temp_path tmp/c;
	uwsgi_temp_path tmp/d; scgi_temp_path tmp/e; sendfile SENDFILE;
	server { listen 127.0.0.1:PORT; root $PWD/html; location /far/ { proxy_pass http://127.0.0.1:PORT/; } }
}
X
nginx -p $PWD -e tmp/error.log -c $PWD/nginx.conf & server=$!
for i in $(seq 200); do curl -sf -o first http://127.0.0.1:PORT/small && break; sleep 0.05; done
for i in 1 2 3; do
	curl -s http://127.0.0.1:PORT/small http://127.0.0.1:PORT/large http://127.0.0.1:PORT/far/large http://127.0.0.1:PORT/none | md5sum
done
kill -QUIT $server; wait $server; echo $?
"""
SOCKET_CALLS = {"read": "read", "readv": "readv", "write": "write", "writev": "writev", "recvfrom": "recv", "recvmsg": "recv",
                "sendto": "send", "sendmsg": "send", "sendfile": "sendfile", "accept4": "accept", "accept": "accept",
                "connect": "connect"}


class Servers(unittest.TestCase):
    """The calls on TCP sockets of a tree of processes, traced while it is profiled."""

    maxDiff = None

    def check(self, script):
        folder = pathlib.Path(tempfile.mkdtemp(dir=harness.FOLDER))
        log, recording = folder.parent / (folder.name + ".strace"), folder.parent / (folder.name + ".pprf")
        subprocess.run(["strace", "-f", "-yy", "-qq", "-s", "0", "-e", "trace=" + ",".join(SOCKET_CALLS), "-o", log,
                        "-E", f"LD_PRELOAD={harness.LIBRARY}", "-E", f"PREPROF_OUTPUT={recording}", "-E", "PREPROF_SUMMARY=off",
                        "sh", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=200,
                       env=harness.clean_environment(), check=True)
        harness._recording_wait(recording, 20)
        expected = collections.defaultdict(lambda: [0, 0])
        pending = {}
        for line in log.read_text(errors="replace").splitlines():
            pid, rest = line.split(None, 1)
            if rest.endswith("<unfinished ...>"):
                pending[pid] = rest[: -len("<unfinished ...>")]
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
            match = CALL.match(pending.pop(pid, "") + resumed.group(1) if resumed else rest)
            if match and match.group(3).startswith("TCP:"):
                row = expected[SOCKET_CALLS[match.group(1)]]
                row[0] += 1
                if SOCKET_CALLS[match.group(1)] not in ("accept", "connect"):
                    row[1] += max(0, int(match.group(5)))
        database = sqlite3.connect(f"file:{recording}?mode=ro", uri=True)
        actual = {operation: [calls, moved] for operation, calls, moved in database.execute(
            "SELECT operation, sum(call_count), sum(got_bytes) FROM v_io WHERE kind = 'socket' AND path LIKE 'tcp%' AND operation"
            f" IN ({', '.join(repr(name) for name in sorted(set(SOCKET_CALLS.values())))}) GROUP BY operation")}
        self.assertEqual(actual, dict(expected))
        return expected

    def test_nginx_and_curl(self):
        for program in ("nginx", "curl"):
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")
        for sendfile in ("on", "off"):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = str(probe.getsockname()[1])
            rows = self.check(SERVERS.replace("PORT", port).replace("SENDFILE", sendfile)
                              .replace("USER", "user root;" if os.geteuid() == 0 else ""))
            self.assertGreater(rows["recv"][1], 6 * 288000, "curl and the proxy read the large file")
            self.assertEqual("sendfile" in rows, sendfile == "on")


if __name__ == "__main__":
    if not shutil.which("strace"):
        print("strace is not installed")
        sys.exit(77)
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
        print("strace cannot trace here")
        sys.exit(77)
    unittest.main()
