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

GROUPS = {"read": "read", "pread64": "read", "readv": "read", "preadv": "read", "preadv2": "read", "pwritev2": "write", "write": "write", "pwrite64": "write",
          "writev": "write", "pwritev": "write", "sendfile": "write", "copy_file_range": "write", "fsync": "sync",
          "fdatasync": "sync", "lseek": "seek"}
CALL = re.compile(r"(\w+)\((\d+)<(.*?)>(.*)= (-?\d+)")
PYTHON = """
import os, io, mmap, pathlib, shutil, subprocess, tempfile
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
d = os.open('p3', os.O_RDWR | os.O_CREAT)
os.writev(d, [b'abc' * 100, b'defg' * 100])
os.pwritev(d, [b'x' * 50, b'y' * 50], 600)
os.preadv(d, [bytearray(30), bytearray(700)], 10)
os.lseek(d, 0, 0)
os.readv(d, [bytearray(7), bytearray(80)])
e = os.open('p4', os.O_WRONLY | os.O_CREAT)
os.sendfile(e, d, 0, 500)
os.copy_file_range(d, e, 100, 200)
os.truncate(d, 5000)
os.fsync(e)
with mmap.mmap(d, 5000) as map:
    map[3000:3003] = b'map'
    map.flush()
os.close(d)
os.close(e)
with io.BufferedReader(io.FileIO('p1')) as file:
    file.peek(10), file.read(3), file.read1(50), file.readinto(bytearray(20000)), file.seek(70000), file.read()
with io.BufferedWriter(io.FileIO('p5', 'w'), 100) as file:
    for number in range(200):
        file.write(b'%d\\n' % number)
        number % 50 or file.flush()
with open('p5', 'rb+', 64) as file:
    for number in range(20):
        file.seek(number * 30), file.read(9), file.write(b'-----')
with io.TextIOWrapper(io.BufferedRandom(io.FileIO('p5', 'r+')), encoding='utf-8', line_buffering=True) as file:
    [file.readline() for number in range(50)]
    file.tell()
    file.seek(0, 2)
    file.write('one\\ntwo\\n')
with tempfile.TemporaryFile(dir='.') as file:
    file.write(bytes(3000))
shutil.copyfile('p1', 'p6')
pathlib.Path('p7').write_text('text' * 1000)
len(pathlib.Path('p7').read_bytes())
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
    return re.sub(r"tmp_obj_\w+|#\d+", "temporary", path.removeprefix(str(folder) + "/"))


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


PYTHON_PIPES = """
import asyncio, os, socket, subprocess, sys, threading
r, w = os.pipe()
def feed():
    for number in range(100):
        os.write(w, b'x' * (number + 1))
    os.close(w)
t = threading.Thread(target=feed); t.start()
with open(r, 'rb', buffering=30) as file:
    assert sum(map(len, file)) == 5050
t.join()
p = subprocess.run(['cat'], input=b'y' * 100000, capture_output=True); assert len(p.stdout) == 100000
p = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
for number in range(20):
    p.stdin.write(f'{number}\\n'); assert p.stdout.readline() == f'{number}\\n'
p.stdin.close(); p.wait()
async def child():
    p = await asyncio.create_subprocess_exec('cat', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert len((await p.communicate(b'z' * 70000))[0]) == 70000
asyncio.run(child())
"""
PYTHON_SOCKETS = """
import asyncio, os, socket, sys, threading
def serve(listening):
    peer, _ = listening.accept()
    with peer.makefile('rwb') as file:
        for line in file:
            file.write(line.upper()); file.flush()
    peer.close()
listening = socket.create_server(('127.0.0.1', 0))
t = threading.Thread(target=serve, args=(listening,)); t.start()
with socket.create_connection(listening.getsockname()) as s:
    s.send(b'a\\n'); s.recv(10); s.sendall(b'b' * 5000 + b'\\n')
    left = 5001
    while left:
        left -= s.recv_into(bytearray(4096))
    s.sendmsg([b'c', b'd\\n']); s.recvmsg(10)
    with open('/etc/passwd', 'rb') as file:
        s.sendfile(file)
    s.shutdown(socket.SHUT_WR)
    while s.recv(65536):
        pass
t.join()
async def echo(reader, writer):
    while data := await reader.read(3000):
        writer.write(data)
        await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(echo, '127.0.0.1', 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for number in range(30):
        writer.write(b'x' * 1000 * number + b'\\n')
        assert len(await reader.readline()) == 1000 * number + 1
    writer.close()
    await writer.wait_closed()
    server.close()
asyncio.run(main())
"""

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

    def check(self, *command, kind="socket"):
        folder = pathlib.Path(tempfile.mkdtemp(dir=harness.FOLDER))
        log, recording = folder.parent / (folder.name + ".strace"), folder.parent / (folder.name + ".pprf")
        subprocess.run(["strace", "-f", "-yy", "-qq", "-s", "0", "-e", "trace=" + ",".join(SOCKET_CALLS), "-o", log,
                        "-E", f"LD_PRELOAD={harness.LIBRARY}", "-E", f"PREPROF_OUTPUT={recording}", "-E", "PREPROF_SUMMARY=off",
                        *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=200,
                       env=harness.clean_environment(), check=True)
        harness._recording_wait(recording, 20)
        expected = collections.defaultdict(lambda: [0, 0])
        pending = {}
        database = sqlite3.connect(f"file:{recording}?mode=ro", uri=True)
        threads = {str(tid) for tid, in database.execute("SELECT tid FROM v_threads")}  # not the analyzer's
        for line in log.read_text(errors="replace").splitlines():
            pid, rest = line.split(None, 1)
            if pid not in threads:
                continue
            if rest.endswith("<unfinished ...>"):
                pending[pid] = rest[: -len("<unfinished ...>")]
                continue
            resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
            match = CALL.match(pending.pop(pid, "") + resumed.group(1) if resumed else rest)
            # Descriptors from 1000 on are preprof's own.
            if match and int(match.group(2)) < 1000 and match.group(3).startswith("TCP:" if kind == "socket" else "pipe:"):
                row = expected[SOCKET_CALLS[match.group(1)]]
                row[0] += 1
                if SOCKET_CALLS[match.group(1)] not in ("accept", "connect"):
                    row[1] += max(0, int(match.group(5)))
        actual = {operation: [calls, moved] for operation, calls, moved in database.execute(
            f"SELECT operation, sum(call_count), sum(got_bytes) FROM v_io WHERE kind = '{kind}' AND (path LIKE 'tcp%' OR kind = 'pipe') AND operation"
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
            rows = self.check("sh", "-c", SERVERS.replace("PORT", port).replace("SENDFILE", sendfile)
                              .replace("USER", "user root;" if os.geteuid() == 0 else ""))
            self.assertGreater(rows["recv"][1], 6 * 288000, "curl and the proxy read the large file")
            self.assertEqual("sendfile" in rows, sendfile == "on")


    def test_python_on_sockets(self):
        rows = self.check("/usr/bin/python3", "-I", "-c", PYTHON_SOCKETS)
        self.assertGreater(rows["send"][1], 400000)

    def test_python_on_pipes(self):
        rows = self.check("/usr/bin/python3", "-I", "-c", PYTHON_PIPES, kind="pipe")
        self.assertGreater(rows["write"][1], 2 * (100000 + 70000))


if __name__ == "__main__":
    if not shutil.which("strace"):
        print("strace is not installed")
        sys.exit(77)
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode != 0:
        print("strace cannot trace here")
        sys.exit(77)
    unittest.main()
