#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs: output, errors and status under preprof are those of the bare run, and the recording is whole."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["PREPROF_SOURCE"]) / "tests/integration"))
import harness  # noqa: E402

SCRIPT = """
i=0
while [ $i -lt 40 ]; do
  x=$(echo "$i" | tr 0-9 a-j)
  /bin/true; (exit $((i % 3))); r=$?
  echo "$i $x $r"
  i=$((i + 1))
done | sort -r | head -5
exit 9
"""

MAKEFILE = """
all: a b c d
\t@cat a b c d
%: ; @for k in 1 2 3; do echo $@ $$k; done > $@
"""

POOL = """
import multiprocessing, subprocess, sys
def square(x): return x * x
if __name__ == '__main__':
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(20)))
    try:
        subprocess.run(['/no/such/command'])
    except FileNotFoundError as error:
        print('missing', error.errno)
    print(subprocess.run(['sh', '-c', 'echo out; exit 5'], capture_output=True).returncode)
"""

COMMANDS = {
    "true": ["/bin/true"],
    "false": ["/bin/false"],
    "echo": ["/bin/echo", "a  b"],
    "shell": ["sh", "-c", SCRIPT],
    "bash": ["bash", "-c", SCRIPT],
    "missing command": ["sh", "-c", "/no/such/thing; echo $?"],
    "killed": ["sh", "-c", "kill -TERM $$"],
    "aborted": ["python3", "-c", "import os; os.abort()"],
    "perl": ["perl", "-e", "my %h; $h{$_ % 97} .= $_ for 1..50000; print length($h{5}), qx(echo sub)"],
    "python": ["/usr/bin/python3", "-c", "import json,re,sys; print(json.dumps({str(i): i for i in range(500)})[:50]); sys.exit(3)"],
    "python fork pool": ["/usr/bin/python3", "pool.py", "fork"],
    "python spawn pool": ["/usr/bin/python3", "pool.py", "spawn"],
    "git": ["git", "-C", "repository", "log", "--stat"],
    "tar and xz": ["sh", "-c", "tar cf - pool.py Makefile --mtime=@0 --owner=0 --group=0 | xz -T2 | xz -d | tar tf -"],
    "sort threads": ["sh", "-c", "seq 200000 | sort -R --random-source=/dev/zero --parallel=2 | sort -n | tail -1"],
    "gcc": ["sh", "-c", "gcc -O2 -x c - -o a.out && ./a.out"],
    "make": ["sh", "-c", "rm -f a b c d; make -s -j4"],
    "awk": ["awk", "BEGIN { for (i = 0; i < 100000; i++) a[i % 1000] = a[i % 1000] i; print length(a[7]) }"],
    "find": ["find", "/usr/share/doc", "-maxdepth", "1", "-name", "lib*"],
    "sqlite3": ["sqlite3", ":memory:", "create table t(a); insert into t values(1),(2); select sum(a) from t;"],
    "jq": ["jq", "-n", "[range(1000)] | add"],
    "openssl": ["openssl", "dgst", "-sha256", "pool.py"],
    "env": ["env", "-i", "PATH=/bin:/usr/bin", "sh", "-c", "echo $PATH"],
    "timeout": ["timeout", "1", "sleep", "5"],
    "nice": ["nice", "-n", "3", "nice"],
    "setsid": ["setsid", "-w", "sh", "-c", "echo session; exit 4"],
    "descriptors": ["sh", "-c", "ls /proc/self/fd | awk '$1 < 1000' | wc -l"],
    "ulimit": ["sh", "-c", "ulimit -n 64; ls / > /dev/null && echo fine"],
    "small stack": ["sh", "-c", "ulimit -s 256; ls / > /dev/null && echo fine"],
    "address space": ["sh", "-c", "ulimit -v 400000; ls / > /dev/null && echo fine"],
    "file size": ["sh", "-c", "ulimit -f 100; ls / > /dev/null && echo fine"],
    "static": ["./static"],
    "node": ["node", "-e", "let a=[]; for (let i=0;i<1e5;i++) a.push({i}); console.log(a.length)"],
    "java": ["java", "-version"],
}


class Programs(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.folder = harness.FOLDER / "compat"
        cls.folder.mkdir()
        (cls.folder / "pool.py").write_text(POOL)
        (cls.folder / "Makefile").write_text(MAKEFILE)
        (cls.folder / "static.c").write_text('#include <stdio.h>\n#include <stdlib.h>\nint main(void) { free(malloc(9)); return puts("static") < 0; }\n')
        subprocess.run(["gcc", "-static", "-O1", "static.c", "-o", "static"], cwd=cls.folder, check=True)
        repository = cls.folder / "repository"
        subprocess.run(["git", "init", "-q", str(repository)], check=True)
        for i in range(5):
            (repository / "file").write_text(f"line {i}\n" * (i + 1))
            subprocess.run(["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q",
                            "-m", f"change {i}", "--date=2020-01-01", "--allow-empty", "-a"], check=True,
                           env=harness.clean_environment(GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"))


def compare(name, command):
    def test(self):
        if not (shutil.which(command[0]) or command[0].startswith("./")):
            self.skipTest(f"{command[0]} is not installed")
        # gcc takes its program from a pipe
        options = {"cwd": self.folder}
        if name == "gcc":
            command[2] = "printf 'int puts(const char *); int main(void) { puts(\"compiled\"); return 6; }' | " \
                         "gcc -O2 -x c - -o a.out && ./a.out"
        expected = harness.bare(command, **options)
        for how, start in (("LD_PRELOAD", harness.preloaded), ("run", harness.under_run)):
            if name == "static" and how == "LD_PRELOAD":
                got = start(command, wait=0, **options)
            elif name == "static":
                got = start(command, wait=0, **options)
                self.assertEqual(got.out, expected.out, how)
                self.assertEqual(got.returncode, 125, "an empty profile is no success")
                self.assertIn(b"static", got.err)
                continue
            elif name == "file size":
                got = start(command, **options)
                self.assertEqual((got.out, got.returncode), (expected.out, expected.returncode))
                self.assertEqual(got.err, b"preprof: profiling stopped: RLIMIT_FSIZE leaves no room for its shared memory; "
                                          b"the program continues\n")
                continue
            else:
                got = start(command, **options)
            status = expected.returncode
            if how == "run" and status < 0:
                status = 128 - status
            self.assertEqual((got.out, got.err, got.returncode), (expected.out, expected.err, status), how)
            if name not in ("static", "true", "false"): # those leave nothing that could be recorded
                self.assertGreaterEqual(got.report["target"]["process_count"], 1)
                self.assertEqual(got.report["coverage"]["lost"], 0, how)
    return test


for name_, command_ in COMMANDS.items():
    setattr(Programs, "test_" + name_.replace(" ", "_"), compare(name_, command_))


if __name__ == "__main__":
    unittest.main(verbosity=2)
