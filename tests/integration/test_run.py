#!/usr/bin/python3
"""`preprof run` as the command sees it (not at all) and as its caller does: statuses, signals, the terminal."""

import json
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import harness

BUILD = os.environ["PREPROF_BUILD"]
PREPROF = os.path.join(BUILD, "preprof")
PYTHON = "/usr/bin/python3"

# What a process can see of how it was started.
SEEN = r"""
import json, os, signal, sys
fds = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        fds[fd] = os.readlink("/proc/self/fd/" + fd)
    except OSError:
        pass
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
json.dump({"fds": {k: v for k, v in fds.items() if int(k) < 1000 and "/proc/" not in v}, "environment": dict(os.environ),
           "cwd": os.getcwd(), "pgrp_is_parents": os.getpgrp() == os.getpgid(os.getppid()),
           "SigIgn": status["SigIgn"], "SigBlk": status["SigBlk"], "Umask": status.get("Umask")}, sys.stdout)
"""


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="preprof-test-")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREPROF_", "LD_"))}
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_preprof(self, *arguments, preprof=PREPROF, **options):
        options.setdefault("cwd", self.folder)
        options.setdefault("env", self.environment)
        return subprocess.run([preprof, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)

    def start(self, *arguments, **options):
        options.setdefault("cwd", self.folder)
        options.setdefault("env", self.environment)
        process = subprocess.Popen([PREPROF, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        return process

    def recordings(self):
        return sorted(name for name in os.listdir(self.folder) if name.endswith(".pprf"))

    def query(self, sql):
        (name,) = self.recordings()
        connection = sqlite3.connect(f"file:{self.folder}/{name}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    # --- statuses

    def test_status_is_the_commands(self):
        for code in (0, 1, 3, 125, 255):
            self.assertEqual(self.run_preprof("run", "--", "/bin/sh", "-c", f"exit {code}").returncode, code)

    def test_signal_is_128_more(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
            result = self.run_preprof("run", "/bin/sh", "-c", f"kill -{int(number)} $$")
            self.assertEqual(result.returncode, 128 + number)

    def test_run_may_be_left_out(self):
        self.assertEqual(self.run_preprof("/bin/sh", "-c", "exit 4").returncode, 4)

    def test_not_found(self):
        result = self.run_preprof("run", "no-such-command-here")
        self.assertEqual((result.returncode, result.stderr), (127, "preprof: no-such-command-here: command not found\n"))
        self.assertEqual(self.run_preprof("run", "/no/such/file").returncode, 127)

    def test_cannot_be_executed(self):
        script = os.path.join(self.folder, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write("echo hello\n")
        self.assertEqual(self.run_preprof("run", self.folder).returncode, 126)
        os.chmod(script, 0o755)
        result = self.run_preprof("run", script)
        self.assertEqual(result.returncode, 126)
        self.assertIn("#!", result.stderr)
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/no/such/interpreter\n")
        result = self.run_preprof("run", script)
        self.assertEqual(result.returncode, 126)
        self.assertIn("interpreter", result.stderr)

    # --- settings

    def test_wrong_values_start_nothing(self):
        cases = [
            (["--cpu", "0"], {}, "--cpu", "1..10000"),
            (["--heap=some"], {}, "--heap", "exact"),
            (["--start-signal=KILL"], {}, "--start-signal", "signal name"),
            (["-o", "x.%y"], {}, "OUTPUT", "%r rank"),
            (["--nonsense"], {}, "--nonsense", "--help"),
            ([], {"PREPROF_CPU": "fast"}, "PREPROF_CPU", "1..10000"),
            ([], {"PREPROF_DELAY": "-1"}, "PREPROF_DELAY", "seconds"),
        ]
        for options, variables, named, allowed in cases:
            with self.subTest(options=options, variables=variables):
                result = self.run_preprof("run", *options, "/bin/touch", "touched",
                                          env={**self.environment, **variables})
                self.assertEqual(result.returncode, 125)
                self.assertEqual(result.stderr.count("\n"), 1)
                self.assertIn(named, result.stderr)
                self.assertIn(allowed, result.stderr)
                self.assertEqual(os.listdir(self.folder), [])

    def test_no_command(self):
        result = self.run_preprof("run", "--cpu", "99")
        self.assertEqual(result.returncode, 125)
        self.assertIn("COMMAND", result.stderr)

    def test_options_reach_the_command(self):
        result = self.run_preprof("run", "--cpu=99", "--full-pipe", "drop", "-oout.pprf", "--", PYTHON, "-c", SEEN)
        environment = json.loads(result.stdout)["environment"]
        self.assertEqual(environment["PREPROF_CPU"], "99")
        self.assertEqual(environment["PREPROF_FULL_PIPE"], "drop")
        self.assertEqual(environment["PREPROF_OUTPUT"], "out.pprf")
        self.assertEqual(self.recordings(), ["out.pprf"])

    # --- what the command sees

    def test_command_sees_nothing_of_us(self):
        with open("/dev/null", "rb") as extra:
            arguments = [PYTHON, "-c", SEEN]
            options = {"pass_fds": [extra.fileno()], "stdin": subprocess.DEVNULL}
            result = self.run_preprof("run", *arguments, **options)
            profiled = json.loads(result.stdout)
            bare = json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=self.folder,
                                             env=self.environment, **options).stdout)
        self.assertEqual({k: v for k, v in profiled["environment"].items()
                          if k != "LD_PRELOAD" and not k.startswith("PREPROF_")}, bare["environment"])
        for key in ("cwd", "SigIgn", "SigBlk", "Umask"):
            self.assertEqual(profiled[key], bare[key], key)
        self.assertEqual(sorted(profiled["fds"]), sorted(bare["fds"]))
        self.assertTrue(profiled["pgrp_is_parents"])

    def test_closed_standard_descriptors(self):
        script = os.path.join(self.folder, "fds.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write("import os, sys\nopen(sys.argv[1], 'w').write(repr([os.path.exists(f'/proc/self/fd/{n}') "
                       "for n in range(10)]))\n")
        for how in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            for name, prefix in (("bare", ""), ("profiled", f"'{PREPROF}' run -- ")):
                status = subprocess.run(["/bin/sh", "-c", f"exec {prefix}{PYTHON} fds.py {name} {how}"], check=False,
                                        cwd=self.folder, env=self.environment, capture_output=True).returncode
                self.assertEqual(status, 0, how)
            with open(f"{self.folder}/bare", encoding="utf-8") as bare:
                with open(f"{self.folder}/profiled", encoding="utf-8") as profiled:
                    self.assertEqual(profiled.read(), bare.read(), how)

    def test_input_and_output_pass(self):
        result = subprocess.run([PREPROF, "run", "--summary=off", "cat"], input="some\nlines\n", capture_output=True,
                                text=True, timeout=60, cwd=self.folder, env=self.environment, check=True)
        self.assertEqual((result.stdout, result.stderr), ("some\nlines\n", ""))

    def test_existing_preload_is_kept(self):
        other = os.path.join(self.folder, "libother.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", other, "-"], input=b"int other;\n", check=True)
        # preprof itself may have been built with a sanitizer, which would want to be first in it, too.
        result = self.run_preprof("run", PYTHON, "-c", SEEN, env={
            **self.environment, "LD_PRELOAD": other, "ASAN_OPTIONS": "verify_asan_link_order=0"})
        parts = json.loads(result.stdout)["environment"]["LD_PRELOAD"].split(":")
        self.assertEqual(parts[1:], [other])
        self.assertTrue(parts[0].startswith("/") and parts[0].endswith("libpreprof.so"), parts)

    def test_folder_that_ld_preload_cannot_name(self):
        place = os.path.join(self.folder, "a b:c $d")
        os.mkdir(place)
        for name in ("preprof", "preprof-analyzer", "libpreprof.so"):
            shutil.copy2(os.path.join(BUILD, name), place)
        result = self.run_preprof("run", PYTHON, "-c", SEEN, preprof=os.path.join(place, "preprof"))
        self.assertEqual(result.returncode, 0, result.stderr)
        link = json.loads(result.stdout)["environment"]["LD_PRELOAD"]
        self.assertNotIn(" ", link)
        self.assertEqual(len(self.recordings()), 1)
        self.assertTrue(wait_until(lambda: not os.path.lexists(os.path.dirname(link))))

    def test_parts_that_are_missing(self):
        lone = os.path.join(self.folder, "preprof")
        shutil.copy2(PREPROF, lone)
        result = self.run_preprof("run", "/bin/touch", "touched", preprof=lone)
        self.assertEqual(result.returncode, 125)
        self.assertIn("libpreprof.so", result.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "touched")))
        shutil.copy2(os.path.join(BUILD, "libpreprof.so"), self.folder)
        result = self.run_preprof("run", "/bin/touch", "touched", preprof=lone)
        self.assertEqual(result.returncode, 125)
        self.assertIn("preprof-analyzer", result.stderr)
        shutil.copy2("/bin/true", os.path.join(self.folder, "preprof-analyzer"))
        result = self.run_preprof("run", "/bin/touch", "touched", preprof=lone)
        self.assertEqual(result.returncode, 125)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "touched")))

    # --- summary and recording

    def test_summary_and_recording(self):
        result = self.run_preprof("run", "/bin/sh", "-c", "echo out; exit 2")
        self.assertEqual((result.returncode, result.stdout), (2, "out\n"))
        self.assertEqual(result.stderr.count("Recording"), 1)
        self.assertLess(result.stderr.count("\n"), 40)
        self.assertEqual(self.query("SELECT exit_code FROM v_processes"), [(2,)])

    def test_children_are_in_the_same_recording(self):
        self.run_preprof("run", "/bin/sh", "-c", "/bin/echo a; /bin/echo b; (exit 3); exec /bin/echo c")
        self.assertGreaterEqual(self.query("SELECT count(*) FROM v_processes")[0][0], 4)
        self.assertTrue(wait_until(lambda: self.query("SELECT running FROM recording") == [(0,)]))

    def test_empty_profile_is_loud(self):
        program = os.path.join(self.folder, "static")
        subprocess.run(["gcc", "-static", "-x", "c", "-o", program, "-"],
                       input=b"int main(int c, char **v) { return c - 1; }\n", check=True)
        result = self.run_preprof("run", program)
        self.assertEqual(result.returncode, 125)
        self.assertIn("nothing was profiled", result.stderr)
        self.assertIn("static", result.stderr)
        self.assertEqual(self.run_preprof("run", program, "a", "b").returncode, 2)
        script = os.path.join(self.folder, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"#!{program}\n")
        os.chmod(script, 0o755)
        result = self.run_preprof("run", script)
        self.assertIn(f"script for {program}", result.stderr)
        self.assertEqual(self.recordings(), [])

    def test_survivors_do_not_hold_us(self):
        start = time.monotonic()
        result = self.run_preprof("run", "/bin/sh", "-c", "(sleep 3; /bin/echo late) >/dev/null 2>&1 & exit 6")
        self.assertEqual(result.returncode, 6)
        self.assertLess(time.monotonic() - start, 2.5)
        self.assertEqual(self.query("SELECT running FROM recording"), [(1,)])
        self.assertTrue(wait_until(lambda: self.query("SELECT running FROM recording") == [(0,)]))
        self.assertIn("echo", [os.path.basename(row[0]) for row in self.query("SELECT executable FROM v_processes")])

    def test_survivor_that_has_not_joined(self):
        """A child between fork and its first message belongs to the tree all the same."""
        program = harness.program("slow_child.c")
        for arguments in ([program], [program, "grandchild"]):
            for run in (True, False):
                command = [PREPROF, "run", "--", *arguments] if run else arguments
                environment = dict(self.environment, **({} if run else {"LD_PRELOAD": str(harness.LIBRARY)}))
                with self.subTest(arguments=arguments[1:], run=run):
                    held, end = os.pipe()
                    try:
                        done = subprocess.run(command, cwd=self.folder, env=environment, stdin=held, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL, timeout=60)
                        self.assertEqual(done.returncode, 6)
                        if not run:  # who is not waited for may not have written it yet
                            self.assertTrue(wait_until(self.recordings))
                        self.assertEqual(self.query("SELECT running FROM recording"), [(1,)])
                    finally:
                        os.close(held)
                        os.close(end)
                    self.assertTrue(wait_until(lambda: self.query("SELECT running FROM recording") == [(0,)]))
                    self.assertEqual(self.query("SELECT count(*) FROM v_processes"), [(len(arguments) + 1,)])
                    os.unlink(os.path.join(self.folder, self.recordings()[0]))

    def test_it_is_said_that_it_goes_on(self):
        script = f"exec 3<&0; {PYTHON} -c 'import sys; sys.stdin.read()' <&3 >/dev/null 2>&1 & exit 3"
        held, end = os.pipe()
        try:
            run = self.run_preprof("run", "--output=goes_on.pprf", "--", "sh", "-c", script, stdin=held)
            os.close(held)
            self.assertEqual(run.returncode, 3)
            self.assertIn("(it goes on: preprof report shows all of it", run.stderr)
            self.assertIn("still running when", run.stderr)
            self.assertEqual(self.query("SELECT running FROM v_recording"), [(1,)])
        finally:
            os.close(end)
        self.assertTrue(wait_until(lambda: self.query("SELECT running FROM v_recording") == [(0,)]))
        text = self.run_preprof("report", "goes_on.pprf").stdout
        self.assertIn("exit 3", text)
        self.assertNotIn("still running", text)

    def test_killed_run(self):
        """What it had to say goes unsaid; the command goes on, and its recording is finished."""
        process = self.start("run", "--", PYTHON, "-c", "import sys; print('ready', flush=True); sys.stdin.read(); sys.exit(4)",
                             stdin=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.kill()
        process.wait()
        self.assertTrue(wait_until(lambda: self.recordings()))
        self.assertEqual(self.query("SELECT running FROM v_recording"), [(1,)])
        process.stdin.close()
        self.assertTrue(wait_until(lambda: self.query("SELECT running, complete FROM v_recording") == [(0, 1)]))
        self.assertEqual(self.query("SELECT exit_code FROM v_processes"), [(4,)])

    def test_time_of_a_killed_command(self):
        """The kernel knows it as long as nobody has waited for the command: to the nanosecond, all threads in it."""
        burn = "while time.process_time() < 0.4: pass"
        script = f"import os, signal, threading, time\ndef burn():\n    {burn}\n" \
                 "threads = [threading.Thread(target=burn) for _ in range(3)]\n" \
                 "for thread in threads: thread.start()\nfor thread in threads: thread.join()\nos.kill(os.getpid(), signal.SIGKILL)"
        run = self.run_preprof("run", "--", PYTHON, "-c", script)
        self.assertEqual(run.returncode, 137)
        ((user, system),) = self.query("SELECT user_ns, system_ns FROM v_processes")
        self.assertGreaterEqual(user + system, 400e6)
        self.assertRegex(run.stderr, r"ended by SIGKILL; .* wall; CPU .* user, .* system")

    def test_killed_analyzer_is_said(self):
        code = ("import os, signal\n"
                "for child in open(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read().split():\n"
                "    if int(child) != os.getpid(): os.kill(int(child), signal.SIGKILL)")
        result = self.run_preprof("run", PYTHON, "-c", code)
        self.assertEqual(result.returncode, 125)
        self.assertIn("analyzer", result.stderr)

    # --- signals

    def handler(self, body):
        """A command that says ready, and what it got."""
        return [PYTHON, "-u", "-c", "import signal, sys, time\n" + body + "\nprint('ready')\nwhile True: time.sleep(0.1)"]

    def test_signals_are_passed_on(self):
        process = self.start("run", *self.handler(
            "got = []\n"
            "for n in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT, signal.SIGWINCH):\n"
            "    signal.signal(n, lambda n, f: print('got', int(n)))\n"
            "signal.signal(signal.SIGTERM, lambda n, f: sys.exit(9))"))
        self.assertEqual(process.stdout.readline(), "ready\n")
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT, signal.SIGWINCH):
            process.send_signal(number)
            self.assertEqual(process.stdout.readline(), f"got {int(number)}\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 9)

    def test_default_termination_is_passed_on(self):
        process = self.start("run", *self.handler(""))
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 128 + signal.SIGTERM)

    def test_ignored_sigchld(self):
        code = ("import signal, subprocess, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
                "import os; os.execv(sys.argv[1], sys.argv[1:])")
        result = subprocess.run([PYTHON, "-c", code, PREPROF, "run", PYTHON, "-c", SEEN], capture_output=True, text=True,
                                timeout=60, cwd=self.folder, env=self.environment, check=True)
        ignored = int(json.loads(result.stdout)["SigIgn"], 16)
        self.assertTrue(ignored & 1 << (signal.SIGCHLD - 1))

    # --- the terminal

    def terminal(self, *arguments):
        """preprof as the foreground job of a session of its own; returns its pid and the terminal's other end."""
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            job = os.fork()
            if job == 0:
                os.setpgid(0, 0)
                signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                os.tcsetpgrp(0, os.getpid())
                signal.signal(signal.SIGTTOU, signal.SIG_DFL)
                os.execve(PREPROF, [PREPROF, *arguments], self.environment)
            # As a shell does: reports each change of its job's state.
            while True:
                _, status = os.waitpid(job, os.WUNTRACED | os.WCONTINUED)
                if os.WIFSTOPPED(status):
                    os.write(1, f"<stopped {os.WSTOPSIG(status)}>\n".encode())
                    time.sleep(0.3)
                    os.killpg(job, signal.SIGCONT)
                elif os.WIFCONTINUED(status):
                    os.write(1, b"<continued>\n")
                else:
                    os.write(1, f"<status {os.waitstatus_to_exitcode(status)}>\n".encode())
                    os._exit(0)
        self.addCleanup(os.close, master)
        self.addCleanup(os.waitpid, pid, 0)
        return master

    def read_until(self, master, text, seconds=20):
        seen = ""
        end = time.monotonic() + seconds
        os.set_blocking(master, False)
        while text not in seen and time.monotonic() < end:
            try:
                seen += os.read(master, 65536).decode(errors="replace")
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                break
        self.assertIn(text, seen)
        return seen

    def test_interrupt_reaches_the_command_once(self):
        master = self.terminal("run", "--summary=off", *self.handler(
            "got = []\n"
            "def take(n, f):\n"
            "    got.append(n)\n"
            "    if len(got) == 1: signal.setitimer(signal.ITIMER_REAL, 0.5)\n"
            "signal.signal(signal.SIGINT, take)\n"
            "signal.signal(signal.SIGALRM, lambda n, f: sys.exit(40 + len(got)))"))
        self.read_until(master, "ready")
        os.write(master, b"\x03")
        self.read_until(master, "<status 41>")

    def test_hang_up(self):
        """A terminal that is closed is told to the leader of its session only, which the command would be without us."""
        for command in (["/bin/sleep", "60"], [PREPROF, "run", "--summary=off", "--", "/bin/sleep", "60"]):
            pid, master = pty.fork()
            if pid == 0:
                os.chdir(self.folder)
                os.execve(command[0], command, self.environment)
            children = f"/proc/{pid}/task/{pid}/children"
            wait_until(lambda: command[0] != PREPROF or "sleep" in "".join(
                open(f"/proc/{child}/comm").read() for child in open(children).read().split()))
            time.sleep(0.2)
            os.close(master)
            self.assertTrue(wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)))
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.assertEqual(status, 128 + signal.SIGHUP if command[0] == PREPROF else -signal.SIGHUP)

    def test_stop_and_continue(self):
        master = self.terminal("run", "--summary=off", *self.handler(
            "signal.signal(signal.SIGCONT, lambda n, f: sys.exit(5))"))
        self.read_until(master, "ready")
        os.write(master, b"\x1a")
        seen = self.read_until(master, "<status 5>")
        self.assertIn(f"<stopped {int(signal.SIGTSTP)}>", seen)

    def test_command_that_does_not_stop(self):
        master = self.terminal("run", "--summary=off", *self.handler(
            "signal.signal(signal.SIGTSTP, lambda n, f: sys.exit(6))"))
        self.read_until(master, "ready")
        os.write(master, b"\x1a")
        self.assertNotIn("<stopped", self.read_until(master, "<status 6>"))


class StaticCommand(unittest.TestCase):
    def test_its_children_are_recorded_and_it_is_named(self):
        command = harness.program("static_parent.c", "-static")
        run = harness.under_run([command])
        self.assertEqual(run.returncode, 0)
        self.assertIn("ls", [process["executable"].rsplit("/", 1)[-1] for process in run.report["processes"]])
        self.assertIn(f"the command, {command}, was not profiled: it is statically linked, so that nothing can be preloaded into it",
                      run.report["coverage"]["not_observed"])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
