# SPDX-License-Identifier: Apache-2.0
"""The rows that the default tests run: shells, process trees, limits; programs that a build machine has anyway."""

from execute import Row

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

MAKEFILE = """cat > Makefile <<'X'
all: a b c d
\t@cat a b c d
%: ; @for k in 1 2 3; do echo $@ $$k; done > $@
X
"""

POOL = """cat > pool.py <<'X'
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
X
"""

REPOSITORY = """
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
git init -q -b main repository; cd repository
git config user.name a; git config user.email a@example.org
for i in 1 2 3 4 5; do seq $i 7 400 > file; git add file; git commit -q -m "change $i"; done
"""

STATIC = """
printf '#include <stdio.h>\\n#include <stdlib.h>\\nint main(void) { free(malloc(9)); return puts("static") < 0; }\\n' > static.c
gcc -static -O1 static.c -o static
"""

PYTHON = "/usr/bin/python3"


def core(name, command, group="process", **more):
    return Row(name, command, group, core=True, **more)


ROWS = [
    core("true", ["/bin/true"], sees=()),
    core("false", ["/bin/false"], sees=()),
    core("echo", ["/bin/echo", "a  b"]),
    core("sh", ["dash", "-c", SCRIPT], "shells", packages="dash"),
    core("bash", ["bash", "-c", SCRIPT], "shells", sees=("bash", "sort", "head", "tr")),
    core("missing command", ["sh", "-c", "/no/such/thing; echo $?"], sees=("dash",)),
    core("killed", ["sh", "-c", "kill -TERM $$"], sees=("dash",)),
    core("killed outright", ["bash", "-c", "kill -KILL $$"]),
    core("aborted", [PYTHON, "-c", "import os; os.abort()"], sees=("python3.*",)),
    core("perl", ["perl", "-e", "my %h; $h{$_ % 97} .= $_ for 1..50000; print length($h{5}), qx(echo sub)"], "languages"),
    core("python3", [PYTHON, "-c", "import json,re,sys; print(json.dumps({str(i): i for i in range(500)})[:50]); sys.exit(3)"],
         "languages", sees=("python3.*",)),
    core("python3 fork pool", [PYTHON, "pool.py", "fork"], before=POOL, sees=("python3.*",)),
    core("python3 spawn pool", [PYTHON, "pool.py", "spawn"], before=POOL, sees=("python3.*",)),
    core("git log", ["git", "-C", "repository", "log", "--stat", "-p"], "tools", packages="git", before=REPOSITORY),
    core("tar and xz", "tar cf - pool.py --mtime=@0 --owner=0 --group=0 | xz -T2 | xz -d | tar tf -", "tools", packages="xz-utils",
         before=POOL, sees=("tar", "xz")),
    core("sort", "seq 50000 | sort -R --random-source=/dev/zero --parallel=2 | sort -n | tail -1", "coreutils", sees=("sort", "tail")),
    core("gcc", """printf 'int puts(const char *); int main(void) { puts("compiled"); return 6; }' > a.c
        gcc -O2 a.c -o a.out && ./a.out""", "compilers", sees=("x86_64-linux-gnu-gcc.*", "cc1", "x86_64-linux-gnu-as", "x86_64-linux-gnu-ld.*", "a.out")),
    core("make -j4", ["make", "-s", "-j4"], "compilers", before=MAKEFILE, packages="make", sees=("make",)),
    core("find", ["find", "/etc/alternatives", "-name", "a*"], "tools"),
    core("sqlite3", ["sqlite3", "base", "create table t(a); insert into t values(1),(2); select sum(a) from t;"], "databases",
         packages="sqlite3"),
    core("env -i", ["env", "-i", "PATH=/bin:/usr/bin", "sh", "-c", "echo $PATH"], sees=("env",)),
    core("timeout", ["timeout", "1", "sleep", "5"], sees=("timeout", "sleep")),
    core("nice", ["nice", "-n", "3", "nice"]),
    core("setsid", ["setsid", "-w", "sh", "-c", "echo session; exit 4"], sees=("dash",)),
    core("descriptors", ["sh", "-c", "ls /proc/self/fd | awk '$1 < 1000' | wc -l"], sees=("ls",)),
    core("descriptors limited", ["sh", "-c", "ulimit -n 64; ls / > /dev/null && echo fine"], sees=("dash",)),
    core("small stack", ["sh", "-c", "ulimit -s 256; ls / > /dev/null && echo fine"], sees=("ls",)),
    core("address space", ["sh", "-c", "ulimit -v 400000; ls / > /dev/null && echo fine"], sees=("ls",)),
    core("file size", ["sh", "-c", "ulimit -f 100; ls / > /dev/null && echo fine"], sees=("dash",)),
    core("static program", ["./static"], before=STATIC, nothing="static"),
]
