#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Process trees: the same output and statuses as bare, one recording, and in it every process with its exact counts."""

import collections
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from harness import BUILD, FOLDER, LIBRARY, bare, clean_environment, have, program
from life_cases import called, processes
from tally import WAYS, TallyCase, recorded, tallied


def trees():
    return program("trees.c")


class Tree(TallyCase):
    def both(self, command, **options):
        """Profiled under LD_PRELOAD and under run, compared with bare and with the tally; gives both runs' rows."""
        expected = bare(command, **options)
        for under_run in WAYS:
            run = tallied(command, under_run, **options)
            self.assertEqual((run.returncode, run.out.decode(), run.err.decode()),
                             (expected.returncode, expected.out.decode(), expected.err.decode()))
            self.check_whole(run)
            self.check_tally(run)
            self.assertTrue(run.report["coverage"]["complete"])
            yield run.rows

    def statuses(self, rows):
        return collections.Counter(row["exit_code"] for row in rows)

    def parents(self, rows):
        """Each process but the first has a parent in the recording that was there before it."""
        by_id = {row["id"]: row for row in rows}
        for row in rows[1:]:
            self.assertIn(row["parent_id"], by_id, row)
            self.assertLessEqual(by_id[row["parent_id"]]["start_ns"], row["start_ns"])
        self.assertIsNone(rows[0]["parent_id"])


class Programs(Tree):
    def test_daemon(self):
        for rows in self.both([trees(), "daemon"]):
            # main, who forks a child that daemon() ends with 0, the daemon, its child before and after exec
            self.assertEqual(self.statuses(rows), {0: 2, 53: 1, 54: 1, None: 1})
            self.parents(rows)

    def test_double_fork(self):
        for rows in self.both([trees(), "double-fork"]):
            self.assertEqual(self.statuses(rows), {0: 1, 51: 1, 52: 1, 53: 1, 54: 1, None: 1})
            self.parents(rows)

    def test_server(self):
        for rows in self.both([trees(), "server"]):
            self.assertEqual(len(rows), 6)
            self.assertEqual(sum(row["allocation_count"] for row in rows[1:]), 2000)
            self.assertEqual({(row["exit_code"], row["exit_signal"]) for row in rows[1:]},
                             {(None, 9)} | {(code, None) for code in range(61, 65)})

    def test_init_reaps(self):
        for rows in self.both([trees(), "reaps"]):
            self.assertEqual(self.statuses([row for row in rows if "trees" in row["executable"]]), {0: 1, 1: 3, 2: 3, None: 1})
            self.assertEqual(len(called(rows, "sleep")), 1)

    def test_children_ignored_by_the_kernel(self):
        for rows in self.both([trees(), "ignores"]):
            self.assertEqual(sorted(row["exit_code"] for row in rows if row["allocation_count"] == 100), [0, 1, 2])

    def test_generations(self):
        for rows in self.both([trees(), "generations"]):
            self.assertEqual(self.counts(rows), [(100, 100)] * 31)
            self.assertEqual([row["exit_code"] for row in rows], [0] + list(range(29, -1, -1)))
            self.assertEqual([row["parent_id"] for row in rows[1:]], [row["id"] for row in rows[:-1]])

    def test_clones(self):
        for rows in self.both([trees(), "clones"]):
            self.assertEqual([row["exit_code"] for row in rows], [0] + list(range(80, 87)))

    def test_many(self):
        for rows in self.both([trees(), "many"]):
            self.assertEqual(self.counts(rows), [(0, 0)] + [(10, 10)] * 300)
            self.assertEqual(self.statuses(rows), {0: 1, 1: 300})

    def test_missing_command(self):
        for rows in self.both([trees(), "missing"]):
            self.assertEqual(self.counts(rows), [(100, 100)])


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@unittest.skipIf(os.geteuid() != 0, "only root can become someone else")
class Users(Tree):
    """A program that changes its user goes on as before; what it starts then has recordings of its own, named in ours."""

    def setUp(self):
        self.open = tempfile.mkdtemp(dir=FOLDER)
        os.chmod(self.open, 0o777)

    def own_recording(self, pid):
        found = [name for name in os.listdir(self.open) if name.endswith(f".{pid}.pprf")]
        return os.path.join(self.open, found[0]) if found else None

    def own_rows(self, pid):
        with sqlite3.connect(f"file:{self.own_recording(pid)}?mode=ro", uri=True) as base:
            base.row_factory = sqlite3.Row
            running = base.execute("SELECT running FROM recording").fetchone()[0]
            return [] if running else [dict(row) for row in base.execute("SELECT * FROM v_processes")]

    def test_to_another_user(self):
        for mode in ("setuid", "setresuid"):
            expected = bare([trees(), mode])
            for under_run in WAYS:
                with self.subTest(mode, run=under_run):
                    run = tallied([trees(), mode], under_run, env=clean_environment(TMPDIR=self.open))
                    self.assertEqual((run.returncode, run.out, run.err), (expected.returncode, expected.out, expected.err))
                    self.check_whole(run)
                    # 100 before, 5000 after, 100 after all children
                    self.assertEqual(self.counts(run.rows), [(5200, 5200)])
                    sentences = " ".join(run.report["coverage"]["not_observed"])
                    others = [pid for pid, counts in run.tally.items() if pid != run.rows[0]["pid"] and counts != (0, 0)]
                    self.assertEqual(len(others), 3)
                    for pid in others:
                        self.assertIn(f"process {pid} could not join this recording", sentences)
                        self.assertTrue(wait_until(lambda pid=pid: self.own_recording(pid) and self.own_rows(pid)), pid)
                        self.assertEqual(recorded(self.own_rows(pid))[pid], run.tally[pid])

    def test_to_another_group(self):
        for rows in self.both([trees(), "setgid"]):
            self.assertEqual(self.statuses(rows), {0: 1, 70: 1, 71: 1, 72: 1, None: 1})

    def test_effective_user(self):
        """The loader of what is executed then takes no library, silently."""
        expected = bare([trees(), "seteuid"])
        run = tallied([trees(), "seteuid"], env=clean_environment(TMPDIR=self.open))
        self.assertEqual((run.returncode, run.out, run.err), (expected.returncode, expected.out, expected.err))
        self.assertEqual(self.counts(run.rows), [(5200, 5200)])

    def private_build(self):
        folder = tempfile.mkdtemp(dir=FOLDER)  # 0700
        for name in ("preprof", "preprof-analyzer", "libpreprof.so"):
            shutil.copy2(BUILD / name, folder)
        return folder

    def test_library_out_of_reach(self):
        """The loader would complain on the program's stderr."""
        folder = self.private_build()
        expected = bare([trees(), "setuid"])
        environment = clean_environment(LD_PRELOAD=f"{folder}/libpreprof.so", PREPROF_SUMMARY="off",
                                        PREPROF_OUTPUT=f"{FOLDER}/reach.pprf", TMPDIR=self.open)
        done = bare([trees(), "setuid"], env=environment)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        harness._recording_wait(FOLDER / "reach.pprf", 20)
        done.recording = FOLDER / "reach.pprf"
        self.assertEqual(done.report["heap"]["allocation_count"], 5200)
        self.assertTrue(any("cannot be opened" in sentence for sentence in done.report["coverage"]["not_observed"]))

    def root_folder(self):
        """A root folder with a shell and nothing of ours."""
        root = tempfile.mkdtemp(dir=FOLDER)
        found = subprocess.run(["ldd", "/bin/dash"], capture_output=True, text=True, check=True).stdout
        for path in ["/bin/dash", *re.findall(r"(/[^ ]+)", found)]:
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            shutil.copy2(path, root + path)
        os.symlink("dash", root + "/bin/sh")
        return root

    def test_other_root_folder(self):
        root = self.root_folder()
        code = "import os; os.chroot(%r); os.chdir('/'); print(os.system('echo hi; exit 3') >> 8, flush=True)" % root
        code += "\nif os.fork() == 0: x = [[] for i in range(1000)]; os._exit(4)\nprint(os.wait()[1] >> 8, flush=True)"
        code += "\nos.execv('/bin/sh', ['sh', '-c', 'echo end; exit 5'])"
        expected = bare([sys.executable, "-c", code])
        self.assertEqual((expected.returncode, expected.out), (5, b"hi\n3\n4\nend\n"))
        for under_run in WAYS:
            with self.subTest(run=under_run):
                done = tallied([sys.executable, "-c", code], under_run)
                self.assertEqual((done.returncode, done.out), (expected.returncode, expected.out))
                # our own library; the tally is not ours to take out
                self.assertNotIn(b"libpreprof", done.err)
                self.check_whole(done)
                self.assertEqual([row["exit_code"] for row in done.rows], [5, 4])
                self.assertTrue(any("cannot be opened" in text for text in done.report["coverage"]["not_observed"]))


@unittest.skipIf(os.geteuid() != 0, "only root can make namespaces")
class Containers(Tree):
    """The first process of a pid namespace: every orphan is its child, none of ours may be."""

    def test_init(self):
        for command in (["unshare", "--pid", "--fork", "--mount-proc"], ["unshare", "--pid", "--fork"],
                        ["unshare", "--pid", "--fork", "--mount-proc", "--ipc", "--uts", "--user", "--map-root-user"]):
            if bare([*command, "true"]).returncode != 0:
                self.skipTest("unshare does not work here")
            expected = bare([*command, trees(), "reaps"])
            with self.subTest(command):
                done = tallied([*command, trees(), "reaps"])
                self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
                self.assertEqual(len([row for row in done.rows if "trees" in row["executable"]]), 8)
                # The tally goes by what a process calls itself.
                own = sum(counts[0] for counts in done.tally.values())
                self.assertEqual(sum(row["allocation_count"] for row in done.rows), own)

    def test_first_profiled_process_is_init(self):
        """Bare up to there, as in a container whose only process is profiled."""
        path = FOLDER / "init.pprf"
        inner = f"LD_PRELOAD={LIBRARY} PREPROF_SUMMARY=off PREPROF_OUTPUT={path} exec {trees()} reaps"
        for command in (["unshare", "--pid", "--fork", "--mount-proc"], ["unshare", "--pid", "--fork", "--mount-proc", "--net"]):
            with self.subTest(command):
                if bare([*command, "true"]).returncode != 0:
                    self.skipTest("unshare does not work here")
                done = bare([*command, "sh", "-c", inner], timeout=30)
                self.assertEqual((done.returncode, done.out, done.err), (0, b"reaped 8, sum 16, ECHILD\n", b""))
                # The kernel kills the whole namespace after its init: the recording was there before.
                done.recording = path
                rows = processes(done)
                self.assertEqual((rows[0]["pid"], rows[0]["exit_code"], done.report["target"].get("running")), (1, 0, False))
                self.assertEqual(self.statuses([row for row in rows if "trees" in row["executable"]]), {0: 1, 1: 3, 2: 3, None: 1})
                self.assertEqual(len(rows), 11)
                path.unlink()

    def test_network_of_its_own(self):
        """The analyzer cannot be reached from there: another recording."""
        done = tallied(["sh", "-c", f"unshare --net {trees()} leaf 5; echo $?"], env=clean_environment())
        self.assertEqual((done.returncode, done.out, done.err), (0, b"5\n", b""))
        self.assertEqual(len(called(done.rows, "unshare")), 1)


class Subreaper(Tree):
    def test_first_profiled_process_is_one(self):
        path = FOLDER / "subreaper.pprf"
        done = bare([program("subreaper.c"), "/usr/bin/env", f"LD_PRELOAD={LIBRARY}", f"PREPROF_OUTPUT={path}",
                     "PREPROF_SUMMARY=off", trees(), "reaps"], timeout=30)
        self.assertEqual((done.returncode, done.out, done.err), (0, b"reaped 8, sum 16, ECHILD\n", b""))
        harness._recording_wait(path, 20)
        done.recording = path
        self.assertEqual(len(processes(done)), 11)


class Shells(Tree):
    def test_script(self):
        """200 commands: substitutions, pipes, subshells, functions, background jobs, here-documents, traps."""
        with tempfile.NamedTemporaryFile("w", suffix=".sh", dir=FOLDER) as file:
            file.write("""
f() { local x=$(/bin/echo "$1" | tr a-z A-Z); echo "$x"; }
trap 'echo end' EXIT
for i in $(seq 40); do f "line$i"; done
for i in $(seq 20); do /bin/true & done; wait
for i in $(seq 20); do (exit $i); r=$((r + $?)); done; echo $r
cat <<E | sort | head -3
$(seq 30)
E
/nonexistent/command 2>/dev/null; echo $?
(sh -c 'kill -9 $$'; echo $?) 2>/dev/null
exec 3< <(echo process substitution); cat <&3
sleep 0.01 & wait $!; echo $?
""")
            file.flush()
            for rows in self.both(["bash", file.name]):
                self.assertEqual([len(called(rows, name)) for name in ("echo", "tr", "true", "sort", "head", "sleep")],
                                 [40, 60, 20, 1, 1, 1])  # true begins with tr
                self.assertEqual(len([row for row in rows if row["exit_signal"] == 9]), 1)

    @unittest.skipUnless(have("make"), "no make")
    def test_make(self):
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as file:
                file.write("all: " + " ".join(f"t{i}" for i in range(40)) + "\n"
                           "t0: ; @$(MAKE) -s sub\nsub: ; @/bin/true\nt%: ; @test $@ && /bin/true $(shell /bin/true)\n")
            for rows in self.both(["make", "-s", "-j8", "-C", folder]):
                self.assertEqual(len(called(rows, "make")) >= 2, True)
                self.assertEqual(len(called(rows, "true")), 79)


PYTHON = {
    "fork": """
import multiprocessing as m
if __name__ == "__main__":
    m.set_start_method("fork")
    with m.Pool(4) as pool:
        print(sum(pool.map(abs, range(-200, 0))))
        pool.close()  # else its processes are killed, in the middle of anything
        pool.join()
""",
    "spawn": """
import multiprocessing as m
if __name__ == "__main__":
    m.set_start_method("spawn")
    with m.Pool(2) as pool:
        print(sum(pool.map(abs, range(-200, 0))))
        pool.close()  # else its processes are killed, in the middle of anything
        pool.join()
""",
    "forkserver": """
import multiprocessing as m
if __name__ == "__main__":
    m.set_start_method("forkserver")
    with m.Pool(2) as pool:
        print(sum(pool.map(abs, range(-200, 0))))
        pool.close()  # else its processes are killed, in the middle of anything
        pool.join()
""",
    "subprocess": """
import subprocess, os, concurrent.futures, sys
def one(i):
    try:
        subprocess.run(["/nonexistent"])
    except FileNotFoundError:
        pass
    return subprocess.run(["/bin/sh", "-c", f"exit {i}"], start_new_session=i % 2 == 0, close_fds=i % 3 == 0,
                          preexec_fn=(lambda: None) if i % 5 == 0 else None).returncode
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(one, range(40))))
print(os.waitstatus_to_exitcode(os.system("exit 3")), os.spawnl(os.P_WAIT, "/bin/true", "true"))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
}


class Python(Tree):
    def test_ways(self):
        for name, text in PYTHON.items():
            with self.subTest(name), tempfile.NamedTemporaryFile("w", suffix=".py", dir=FOLDER) as file:
                file.write(text)
                file.flush()
                for rows in self.both([sys.executable, file.name]):
                    if name == "subprocess":
                        codes = self.statuses(called(rows, "dash") + called(rows, "sh"))
                        self.assertEqual([codes[i] for i in range(4, 40) if i != 7], [1] * 35)
                    else:
                        self.assertGreaterEqual(len(rows), 3)


if __name__ == "__main__":
    os.chmod(FOLDER, 0o755)
    unittest.main()
