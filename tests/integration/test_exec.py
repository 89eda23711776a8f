#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Executing programs in every way: the same output, and one recording with every image and its exact counts."""

import collections
import os
import re
import resource
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import FOLDER, LIBRARY, bare, clean_environment, have, preloaded, program
from life_cases import Case, called, processes

WAYS = 13


def exec_program():
    return program("life_exec.c")


class Family(Case):
    """Each executed image makes 300 blocks and stdio's buffer."""

    def images(self, rows):
        """Rows of executed images, forked ones that only executed left out."""
        return [row for row in called(rows, "life_exec")[1:] if row["allocation_count"] >= 300]

    def check(self, rows, count, allocations=301):
        images = self.images(rows)
        self.assertEqual(len(images), count)
        self.assertEqual({(row["allocation_count"], row["free_count"], row["exit_code"]) for row in images},
                         {(allocations, allocations - 1, 21)})

    def test_forked(self):
        script = FOLDER / "life_script"
        script.write_text(f"#! {exec_program()} child\n")
        script.chmod(0o700)
        rows = self.same([exec_program(), "fork", str(script)])
        self.check(rows, WAYS + 3)  # a raw system call, a chain, a script
        self.assertEqual([len(called(rows, name)) > 0 for name in ("env", "nice", "timeout")], [True] * 3)

    def test_vforked(self):
        rows = self.same([exec_program(), "vfork"])
        self.check(rows, 11)
        self.assertEqual(len(rows), 12)

    def test_in_place(self):
        for way in ("execv", "execve-empty", "execl", "clearenv", "unset", "fexecve", "execveat"):
            with self.subTest(way):
                rows = self.same([exec_program(), "one", way])
                self.check(rows, 1)
                self.assertEqual(rows[0]["pid"], rows[1]["pid"])
                self.assertEqual(len(rows), 2)

    def test_from_a_thread(self):
        self.check(self.same([exec_program(), "thread"]), 1)

    def test_spawned(self):
        rows = self.same([exec_program(), "spawn"])
        self.check(rows, 2)
        self.assertEqual(len(called(rows, "true")), 1)

    def test_shells(self):
        for mode in ("shells", "shells-clear"):
            with self.subTest(mode):
                rows = self.same([exec_program(), mode])
                self.check(rows, 2)  # by system and by popen
                self.assertGreaterEqual(len(rows), 8)

    def test_large_lists(self):
        for mode in ("many", "many-vfork"):
            with self.subTest(mode):
                self.check(self.same([exec_program(), mode]), 3, allocations=302)

    def test_failures(self):
        """errno as it would be; profiling goes on: 1000 blocks, samples."""
        rows = self.same([exec_program(), "fail"])
        self.assertEqual(self.counts(rows), [(1002, 1000)])

    def test_signal_does_not_outlive_the_image(self):
        """A sampling signal that came after exec would kill the program."""
        rows = self.same([program("life_chain.c"), "300"], settings={"CPU": "10000"})
        self.assertEqual(len(rows), 301)
        self.assertGreater(sum(row["sample_count"] for row in rows), 100)

    def test_children_ignored(self):
        for mode in ("fork", "vfork", "spawn", "shells"):
            with self.subTest(mode):
                rows = self.same([exec_program(), mode], settings={"CHILDREN": "ignore"})
                self.assertEqual(len(rows), 1)


class Usage(unittest.TestCase):
    def test_chain(self):
        """CPU time before an exec is not that of what was executed."""
        burn = "import os, sys, time\nwhile time.process_time() < 0.3: pass\n"
        chain = burn + f"os.execv(sys.executable, ['python3', '-c', {burn.replace('0.3', '0.5')!r}])"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = harness.preloaded(["/usr/bin/python3", "-c", chain], wait=0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        harness._recording_wait(run.recording, 20)
        used_ns = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9
        text = subprocess.run([harness.PREPROF, "report", run.recording], stdout=subprocess.PIPE, check=True).stdout.decode()
        self.assertIn("1 process that executed 2 programs, 1 thread\n", re.sub(r"\n {13}", " ", text))
        rows = run.report["processes"]
        self.assertEqual([row["pid"] for row in rows], [rows[0]["pid"]] * 2)
        self.assertLess(run.report["target"]["user_ns"] + run.report["target"]["system_ns"], used_ns * 1.1)
        self.assertLess(run.report["coverage"]["cpu"]["measured_ns"], used_ns * 1.1)
        self.assertGreater(rows[0]["cpu_ns"], 250e6)
        self.assertLess(rows[1]["cpu_ns"], used_ns - 250e6)


class Counts(unittest.TestCase):
    def counted(self, command):
        run = preloaded(command)
        text = subprocess.run([harness.PREPROF, "report", run.recording], stdout=subprocess.PIPE, check=True).stdout.decode()
        return re.sub(r"\n {13}", " ", text).split("\n")[0].rsplit("; ", 1)[1], len(run.report["processes"])

    def test_processes_and_programs(self):
        """What was forked executed nothing, and what was executed in place is no process."""
        self.assertEqual(self.counted(["/bin/sh", "-c", "/bin/ls >/dev/null; /bin/ls >/dev/null; exit 0"])[0],
                         "3 processes, 3 threads")
        self.assertEqual(self.counted(["/bin/sh", "-c", "/bin/ls >/dev/null; exec /bin/true"])[0],
                         "2 processes that executed 3 programs, 2 threads")
        self.assertEqual(self.counted(["/usr/bin/python3", "-c", "import os\nfor _ in range(3):\n    if not os.fork(): os._exit(0)\n"
                                       "for _ in range(3): os.wait()"]), ("4 processes, 4 threads", 4))


class Environment(unittest.TestCase):
    def environment(self, preload, command=("env", "-0"), **settings):
        done = preloaded(list(command), env=clean_environment(), settings=settings)
        return done

    def run_with(self, preload, script, cwd=None, **settings):
        environment = clean_environment(LD_PRELOAD=preload, PREPROF_OUTPUT=str(FOLDER / "environment.pprf"),
                                        PREPROF_SUMMARY="off", **{f"PREPROF_{k}": v for k, v in settings.items()})
        done = subprocess.run(["sh", "-c", script], env=environment, cwd=cwd, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def setUp(self):
        self.other = subprocess.run(["gcc", "-print-file-name=libm.so.6"], capture_output=True, text=True,
                                    check=True).stdout.strip()

    def test_other_preloads_stay(self):
        found = self.run_with(f"{self.other}:{LIBRARY}", "env")
        self.assertEqual(found["LD_PRELOAD"], f"{self.other}:{LIBRARY}")
        found = self.run_with(f"{LIBRARY} {self.other}", "env")
        self.assertEqual(found["LD_PRELOAD"].replace(" ", ":"), f"{LIBRARY}:{self.other}")

    @unittest.skipIf(re.search("[ :]", str(LIBRARY.resolve())), "LD_PRELOAD cannot name the library's absolute path")
    def test_relative_becomes_absolute(self):
        found = self.run_with("./" + LIBRARY.name, "cd /; env", cwd=LIBRARY.parent)
        self.assertEqual(found["LD_PRELOAD"], str(LIBRARY))

    def test_removed_comes_back(self):
        found = self.run_with(str(LIBRARY), f"env -i LD_PRELOAD={self.other} A=1 /usr/bin/env")
        self.assertEqual(found["LD_PRELOAD"], f"{LIBRARY}:{self.other}")
        self.assertEqual(found["A"], "1")
        self.assertEqual(found["PREPROF_SUMMARY"], "off")
        self.assertRegex(found["PREPROF_SESSION"], r"^[0-9a-f]{32}\.[0-9a-f]{16}(\.[0-9]+)?$")

    def test_ignored_children_run_bare(self):
        found = self.run_with(f"{self.other}:{LIBRARY}", "env; exit 0", CHILDREN="ignore")
        self.assertEqual(found["LD_PRELOAD"], self.other)
        self.assertNotIn("PREPROF_SESSION", found)
        found = self.run_with(str(LIBRARY), "env; exit 0", CHILDREN="ignore")
        self.assertNotIn("LD_PRELOAD", found)


class Tools(Case):
    def test_shell(self):
        rows = self.same(["sh", "-c", "/bin/echo a | cat; (exit 3); echo $?; nosuchcommand; exec /bin/echo end"])
        self.assertEqual(len(called(rows, "echo")), 2)
        self.assertEqual(len(called(rows, "cat")), 1)

    def test_two_hundred_commands(self):
        script = "for i in $(seq 200); do /bin/true; done; trap 'echo trapped' USR1; kill -USR1 $$; sleep 0.01 & wait $!"
        rows = self.same(["bash", "-c", script], timeout=240)
        self.assertEqual(len(called(rows, "true")), 200)
        self.assertEqual(len(called(rows, "sleep")), 1)

    @unittest.skipUnless(have("make"), "no make")
    def test_make(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as file:
                file.write("all: " + " ".join(f"t{i}" for i in range(12)) + "\nt%: ; @test $@ && /bin/true\n")
            rows = self.same(["make", "-s", "-j4", "-C", folder])
        self.assertEqual(len(called(rows, "true")), 12)

    def test_python(self):
        script = """
import os, subprocess
print(subprocess.run(["/bin/echo", "x"], capture_output=True).stdout)
for command in ["nosuchcommand"], ["/etc/passwd"]:
    try:
        subprocess.run(command)
    except OSError as error:
        print(error)
print(subprocess.run("exit 4", shell=True).returncode, os.system("exit 3") >> 8, os.popen("echo popen").read())
pid = os.fork()
if pid == 0:
    os._exit(9)
print(os.waitpid(pid, 0)[1] >> 8)
print(os.posix_spawn("/bin/true", ["true"], os.environ) > 0, os.wait()[1])
print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode, subprocess.run(["sh", "-c", "kill -PROF $$"]).returncode)
os.closerange(3, 5000)
print(os.dup(0), flush=True)
os.execvp("echo", ["echo", "done"])
"""
        rows = self.same([sys.executable, "-c", script])
        self.assertEqual(len(called(rows, "echo")), 2)
        self.assertEqual(len(called(rows, "true")), 1)
        self.assertEqual(collections.Counter(row["exit_code"] for row in called(rows, "python"))[9], 1)

    @unittest.skipUnless(have("perl"), "no perl")
    def test_perl(self):
        script = ('print `echo hi`; system("/bin/true"); open(P, "-|", "echo", "piped"); print <P>; close P;'
                  'my $p = fork(); exit 5 unless $p; waitpid($p, 0); print $? >> 8, "\\n"; exec "echo", "end"')
        rows = self.same(["perl", "-e", script])
        self.assertEqual(len(called(rows, "echo")), 3)


class Targets(unittest.TestCase):
    """Programs that cannot take the library: not a line of theirs is different, and the recording says so."""

    def not_observed(self, done):
        return processes(done)

    def test_static(self):
        static = program("life_chain.c", "-static")
        done = preloaded(["sh", "-c", f"{static} 0; {program('life_chain.c')} 0"])
        self.assertEqual((done.returncode, done.out, done.err), (0, b"end\nend\n", b""))
        self.assertEqual(len(called(processes(done), "life_chain")), 1)
        self.assertTrue(any("static" in sentence for sentence in done.report["coverage"]["not_observed"]),
                        done.report["coverage"]["not_observed"])

    def test_program_started_by_a_static_one(self):
        static = program("life_chain.c", "-static")
        done = preloaded(["sh", "-c", f"{static} 1 {program('life_chain.c')}; :"])
        self.assertEqual((done.returncode, done.out, done.err), (0, b"end\n", b""))
        self.assertEqual(len(called(processes(done), "life_chain")), 1)


class Sandbox(unittest.TestCase):
    def test_a_program_without_sockets_says_nothing(self):
        command = [program("no_sockets.c"), "/bin/ls", "/"]
        expected = bare(command)
        run = preloaded(command)
        self.assertEqual((run.out, run.err, run.returncode), (expected.out, b"", 0))
        self.assertEqual([process["executable"] for process in run.report["processes"]], command[:1])


if __name__ == "__main__":
    unittest.main()
