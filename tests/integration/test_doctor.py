#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""preprof doctor: each verdict, on programs made for it, and on a machine whose limits are tightened for the moment."""

import json
import os
import pathlib
import pty
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness

MAIN = "int main(void) { return 0; }\n"
# Whoever executes the program would see it.
MARKS = '#include <fcntl.h>\nint main(void) { return creat("executed", 0600) < 0; }\n'
MALLOC = "#include <stddef.h>\nstatic char room[4096]; void *malloc(size_t n) { return n < 4096 ? room : 0; }\n"
# Executes argv[2:] with system call argv[1] answered by EPERM.
FORBID = """
import ctypes, os, struct, sys
rules = [(0x20, 0, 0, 0), (0x15, 1, 0, int(sys.argv[1])), (6, 0, 0, 0x7fff0000), (6, 0, 0, 0x00050001)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code))
libc = ctypes.CDLL(None)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0):
    sys.exit(77)
os.execv(sys.argv[2], sys.argv[2:])
"""

# preprof itself with a sanitizer: that has a malloc of its own, and wants to be loaded first.
SANITIZED = b"libasan.so." in harness.PREPROF.read_bytes()
GOOD = "limited" if SANITIZED else "ok"


class Doctor(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="preprof-doctor-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def build(self, name, source, *flags, must=True):
        target = self.folder / name
        done = subprocess.run(["gcc", "-O1", "-o", str(target), "-x", "c", "-", "-x", "none", *flags], input=source, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0 and must:
            raise AssertionError(done.stderr)
        return str(target) if done.returncode == 0 else None

    def run_doctor(self, *arguments, preprof=harness.PREPROF, limits=None, **environment):
        def limit():
            for kind, value in (limits or {}).items():
                resource.setrlimit(kind, value)

        return subprocess.run([str(preprof), "doctor", *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=60, env=harness.clean_environment(**environment), preexec_fn=limit, check=False)

    def ask(self, *arguments, status=0, **options):
        """The lines by name, of the last of a name."""
        done = self.run_doctor("-f", "json", *arguments, **options)
        self.assertEqual((done.returncode, done.stderr), (status, ""), done.stdout)
        answer = json.loads(done.stdout)
        self.assertEqual((answer["schema"], answer["schema_version"]), ("preprof-doctor", 1))
        for line in answer["checks"]:
            self.assertIn(line["state"], ("ok", "limited", "no"))
            self.assertTrue(line["text"])
        states = [line["state"] for line in answer["checks"]]
        worst = "no" if "no" in states else "limited" if "limited" in states else "ok"
        self.assertEqual(answer["verdict"], worst)
        self.assertEqual(status, 1 if worst == "no" else 0)
        return {line["name"]: line for line in answer["checks"]}

    def check(self, lines, name, state, *words):
        self.assertIn(name, lines, lines)
        self.assertEqual(lines[name]["state"], state, lines[name])
        for word in words:
            self.assertIn(word, lines[name]["text"] + " -> " + (lines[name]["mend"] or ""))

    # --- the screen

    def test_screen(self):
        program = self.build("program", MARKS, "-g")
        for arguments in ((), (program,), ("--", program, "--flag", "-x")):
            done = self.run_doctor(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            lines = done.stdout.splitlines()
            self.assertLessEqual(len(lines), 40)
            self.assertLessEqual(max(map(len, lines)), 100)
            self.assertNotIn("\033", done.stdout)
            self.assertIn("can be profiled", lines[-1])
        self.assertEqual(os.listdir(self.folder), ["program"])

    def test_colours(self):
        for variables, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
                                    ({"TERM": "dumb"}, False)):
            master, slave = pty.openpty()
            with os.fdopen(master, "rb") as reader:
                subprocess.run([str(harness.PREPROF), "doctor"], stdout=slave, cwd=self.folder, check=True, timeout=60,
                               env=harness.clean_environment(**variables))
                os.close(slave)
                text = b""
                try:
                    while chunk := os.read(reader.fileno(), 65536):
                        text += chunk
                except OSError:
                    pass
            self.assertEqual(b"\033" in text, coloured, variables)
            self.assertIn(b"can be profiled", text)

    def test_usage(self):
        for arguments, words in ((("-f", "xml"), "json"), (("--nonsense",), "--nonsense")):
            done = self.run_doctor(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertIn(words, done.stderr)

    # --- the machine

    def test_machine(self):
        lines = self.ask()
        for name in ("kernel", "exit status", "channel", "clock", "CPU timers", "perf", "ptrace", "container", "seccomp",
                     "memory", "limits", "parts", "settings", "preload", "output", "trial"):
            self.assertIn(name, lines)
        self.assertIn(os.uname().release, lines["kernel"]["text"])
        self.check(lines, "channel", "ok")
        self.check(lines, "trial", GOOD)
        self.check(lines, "output", "ok", str(self.folder.resolve()))
        self.assertRegex(lines["CPU timers"]["text"], r"at most \d+ samples")
        self.assertIn(f"NOFILE {resource.getrlimit(resource.RLIMIT_NOFILE)[0]},", lines["limits"]["text"])
        paranoid = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
        if paranoid.exists():
            self.assertIn(f"perf_event_paranoid {paranoid.read_text().strip()}", lines["perf"]["text"])

    def test_limits(self):
        small = 1 << 20
        lines = self.ask(limits={resource.RLIMIT_FSIZE: (small, small)}, status=1)
        self.check(lines, "FSIZE", "no", "1 MiB", "ulimit")
        self.check(lines, "channel", "no", "ftruncate")
        lines = self.ask(limits={resource.RLIMIT_FSIZE: (small, resource.RLIM_INFINITY)})  # lifted where needed
        self.check(lines, "channel", "ok")
        self.assertNotIn("FSIZE", lines)
        if not SANITIZED:
            lines = self.ask(limits={resource.RLIMIT_AS: (400 << 20, resource.RLIM_INFINITY)})
            self.check(lines, "AS", "limited", "400 MiB", "ulimit -v")
            self.check(lines, "trial", GOOD)
            lines = self.ask(limits={resource.RLIMIT_AS: (400 << 20, 400 << 20)})
            self.check(lines, "AS", "limited", "400 MiB", "ulimit -H -v")
            self.check(lines, "trial", GOOD)
            lines = self.ask(limits={resource.RLIMIT_AS: (150 << 20, 150 << 20)}, status=1)
            self.check(lines, "AS", "no", "150 MiB", "ulimit -H -v")
            self.check(lines, "trial", "no")
        lines = self.ask(limits={resource.RLIMIT_NOFILE: (200, 200)})
        self.check(lines, "NOFILE", "limited", "200")
        self.check(lines, "trial", GOOD)

    def test_no_timers(self):
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--clear-groups", str(harness.PREPROF)]
            if not shutil.which("setpriv") or subprocess.run([*command, "version"], capture_output=True).returncode:
                self.skipTest("another user cannot execute preprof here")
            os.chmod(self.folder, 0o777)
        else:
            command = [str(harness.PREPROF)]
        done = subprocess.run([*command, "doctor", "-f", "json"], cwd=self.folder, capture_output=True, text=True,
                              env=harness.clean_environment(), check=False, timeout=60,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0)))
        lines = {line["name"]: line for line in json.loads(done.stdout)["checks"]}
        self.check(lines, "CPU timers", "limited", "memory only", "ulimit -i")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_forbidden_calls(self):
        """As in a sandbox: what doctor says is what happens."""
        if os.uname().machine != "x86_64":
            self.skipTest("the calls' numbers are x86-64's")
        for number, name, state, words in ((222, "CPU timers", "limited", "timer_create"),
                                           (319, "channel", "no", "memfd_create"), (41, "channel", "no", "socket"),
                                           (434, "exit status", "no", "pidfd_open")):
            done = subprocess.run(["/usr/bin/python3", "-c", FORBID, str(number), str(harness.PREPROF), "doctor", "-f",
                                   "json"], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
                                  env=harness.clean_environment())
            if done.returncode not in (0, 1):
                self.skipTest("no seccomp here")
            lines = {line["name"]: line for line in json.loads(done.stdout)["checks"]}
            self.check(lines, name, state, words)
            self.check(lines, "seccomp", "ok", "1 filter")
            self.check(lines, "trial", GOOD if state == "limited" else "no")
            self.assertEqual(done.returncode, 0 if state == "limited" else 1)

    # --- preprof itself

    def copy_parts(self, *names):
        place = self.folder / "parts"
        place.mkdir()
        for name in names:
            shutil.copy2(harness.BUILD / name, place)
        return place / "preprof"

    def test_missing_parts(self):
        lines = self.ask(preprof=self.copy_parts("preprof"), status=1)
        self.check(lines, "parts", "no", "libpreprof.so")
        self.assertNotIn("trial", lines)

    def test_other_version(self):
        preprof = self.copy_parts("preprof", "libpreprof.so", "preprof-analyzer")
        self.check(self.ask(preprof=preprof), "parts", "ok", str(preprof.parent))
        library = preprof.parent / "libpreprof.so"
        version = subprocess.run([preprof, "version"], capture_output=True, text=True, check=True).stdout.split()[1]
        changed = self.folder / "version"
        changed.write_text("9.9.9\0")
        subprocess.run(["objcopy", "--update-section", f".preprof_version={changed}", str(library)], check=True)
        self.check(self.ask(preprof=preprof, status=1), "parts", "no", "9.9.9", version)

    def test_settings(self):
        self.check(self.ask(PREPROF_CPU="99"), "settings", "ok", "PREPROF_CPU=99")
        lines = self.ask(PREPROF_CPU="fast", status=1)
        self.check(lines, "settings", "no", "PREPROF_CPU", "fast", "1..10000")

    def test_output(self):
        lines = self.ask(PREPROF_OUTPUT="/proc/here/x.pprf", TMPDIR=str(self.folder))
        self.check(lines, "output", "limited", "/proc/here", f"recordings would go to {self.folder}", "PREPROF_OUTPUT")
        self.check(lines, "trial", GOOD)
        place = self.folder / "deep"
        place.mkdir()
        self.check(self.ask(PREPROF_OUTPUT="deep/%n.pprf"), "output", "ok", "/deep,")
        self.assertEqual(os.listdir(place), [])

    @unittest.skipIf(SANITIZED, "a sanitizer's runtime wants to be first")
    def test_preloads(self):
        other = self.build("libother.so", "int other;\n", "-shared", "-fPIC")
        self.check(self.ask(LD_PRELOAD=other), "preload", "ok", other, "kept")
        lines = self.ask(LD_PRELOAD=str(harness.LIBRARY), PREPROF_SUMMARY="off")
        self.check(lines, "preload", "ok", "already")
        self.check(lines, "trial", "ok", "itself profiled")
        tool = self.build("libheaptrack_preload.so", "int other;\n", "-shared", "-fPIC")
        self.check(self.ask(LD_PRELOAD=tool), "preload", "limited", tool, "one at a time")
        allocator = self.build("libjemalloc.so.2", "int other;\n", "-shared", "-fPIC")
        self.check(self.ask(LD_PRELOAD=allocator), "preload", "ok", "allocator")

    # --- programs

    def test_plain_program(self):
        program = self.build("program", MARKS, "-g")
        lines = self.ask(program, "argument", "--option")
        self.check(lines, "file", "ok", program)
        self.check(lines, "libraries", "ok", "libpreprof.so")
        self.check(lines, "malloc", "ok", "glibc's")
        self.check(lines, "symbols", "ok", "lines (DWARF)")
        self.assertNotIn("language", lines)
        self.assertNotIn("executed", os.listdir(self.folder))

    def test_symbols(self):
        program = self.build("program", MAIN)
        self.check(self.ask(program), "symbols", "limited", "no lines (a symbol table", "-g")
        subprocess.run(["strip", program], check=True)
        self.check(self.ask(program), "symbols", "limited", "stripped", "do not strip")
        exported = self.build("exported", MAIN, "-rdynamic", "-s")
        self.check(self.ask(exported), "symbols", "limited", "exported ones only")
        full = self.build("full", MAIN, "-g")
        subprocess.run(["objcopy", "--only-keep-debug", "full", "full.debug"], cwd=self.folder, check=True)
        subprocess.run(["strip", "full"], cwd=self.folder, check=True)
        subprocess.run(["objcopy", "--add-gnu-debuglink=full.debug", "full"], cwd=self.folder, check=True)
        self.check(self.ask(full), "symbols", "ok", "separate debug file")

    def test_package_is_named(self):
        if not shutil.which("dpkg-query"):
            self.skipTest("no dpkg")
        line = self.ask("/bin/true")["symbols"]
        if line["state"] != "ok":
            self.assertIn("coreutils-dbgsym", line["mend"])

    def test_static(self):
        program = self.build("program", MAIN, "-static")
        self.check(self.ask(program, status=1), "file", "no", "statically linked", "-static")
        pie = self.build("pie", MAIN, "-static-pie", must=False)
        if pie:
            self.check(self.ask(pie, status=1), "file", "no", "statically linked")

    def test_other_processors_and_libraries(self):
        program = self.build("program", "void _start(void) { }\n", "-m32", "-nostdlib", "-static", must=False)
        if program:
            self.check(self.ask(program, status=1), "file", "no", "32-bit")
        musl = self.build("musl", MAIN, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
        self.check(self.ask(musl, status=1), "file", "no", "another C library", "ld-musl")
        lost = self.build("lost", MAIN, "-Wl,--dynamic-linker=/nowhere/ld-linux-x86-64.so.2")
        self.check(self.ask(lost, status=1), "file", "no", "/nowhere")
        foreign = self.folder / "foreign"
        image = bytearray(pathlib.Path(self.build("program", MAIN)).read_bytes())
        image[18:20] = (243).to_bytes(2, "little")  # RISC-V
        foreign.write_bytes(image)
        foreign.chmod(0o755)
        self.check(self.ask(str(foreign), status=1), "file", "no", "another kind of processor")

    def test_not_a_program(self):
        self.check(self.ask("no-such-command", status=1), "file", "no", "not found")
        self.check(self.ask(str(self.folder), status=1), "file", "no", "directory")
        text = self.folder / "text"
        text.write_text("just words\n")
        text.chmod(0o755)
        self.check(self.ask(str(text), status=1), "file", "no", "neither a program nor a script")

    def test_missing_library(self):
        library = self.build("libgone.so", "int gone(void) { return 1; }\n", "-shared", "-fPIC")
        program = self.build("program", "int gone(void); int main(void) { return gone(); }\n", library)
        os.unlink(library)
        self.check(self.ask(program, status=1), "libraries", "no", "libgone.so")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_set_uid(self):
        program = self.build("program", MAIN)
        os.chown(program, 65534, 65534)
        os.chmod(program, 0o4755)
        self.check(self.ask(program, status=1), "privileges", "no", "set-uid", "copy")
        os.chmod(program, 0o2755)
        self.check(self.ask(program, status=1), "privileges", "no", "set-gid")
        os.chmod(program, 0o755)
        self.assertNotIn("privileges", self.ask(program))

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setcap") and shutil.which("setpriv"), "needs root, setcap")
    def test_file_capabilities(self):
        program = self.build("program", MAIN)
        os.chmod(self.folder, 0o777)
        if subprocess.run(["setcap", "cap_net_raw+ep", program], check=False, capture_output=True).returncode:
            self.skipTest("this file system keeps no capabilities")
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", str(harness.PREPROF), "doctor", "-f", "json",
                               program], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            self.skipTest("another user cannot execute preprof here")
        lines = {line["name"]: line for line in json.loads(done.stdout)["checks"]}
        self.check(lines, "privileges", "no", "file capabilities")
        self.assertNotIn("privileges", self.ask(program))  # for root they mean nothing

    def test_malloc(self):
        program = self.build("program", MALLOC + MAIN, "-rdynamic")
        self.check(self.ask(program), "malloc", "limited", "defines malloc itself", "CPU samples only")
        inside = self.build("inside", MALLOC.replace("void *malloc", "static __attribute__((used)) void *malloc") + MAIN,
                            "-fno-builtin")
        self.check(self.ask(inside), "malloc", "limited", "inside")
        library = self.build("libown.so", MALLOC, "-shared", "-fPIC")
        linked = self.build("linked", MAIN, "-Wl,--no-as-needed", library)
        self.check(self.ask(linked), "malloc", "ok", "libown.so", "allocations are seen")
        plugins = self.build("plugins", "#include <dlfcn.h>\nint main(void) { return !dlopen(0, RTLD_LAZY); }\n")
        self.check(self.ask(plugins), "malloc", "ok", "RTLD_DEEPBIND")

    @unittest.skipIf(os.uname().machine != "x86_64", "its calls are looked for in the code")
    def test_bound_functions(self):
        source = MALLOC + "void *other(void) { return malloc(7); }\nlong write(int fd, const void *bytes, unsigned long size) " \
                 "{ return !fd + !bytes + !size; }\nlong more(void) { return write(2, \"x\", 1); }\n"
        for flags, bound in ((["-Wl,-Bsymbolic-functions"], True), ([], False)):
            library = self.build("libbound.so", source, "-shared", "-fPIC", "-fno-builtin", "-fno-inline", *flags)
            user = self.build("user", "void *other(void); int main(void) { return other() == 0; }", library,
                              f"-Wl,-rpath,{self.folder}")
            lines = self.ask(user)
            self.assertEqual("own calls" in lines, bound)
            if bound:
                self.check(lines, "own calls", "limited", f"{library} is bound to a malloc of its own")
                self.assertIn("Bsymbolic", lines["own calls"]["mend"])

    def test_sanitizer(self):
        program = self.build("program", MAIN, "-fsanitize=address", must=False)
        if not program:
            self.skipTest("no libasan")
        self.check(self.ask(program), "malloc", "limited", "sanitizer", "libasan")

    # --- scripts and languages

    def script(self, name, line):
        path = self.folder / name
        path.write_text(line + "\n")
        path.chmod(0o755)
        return str(path)

    def test_scripts(self):
        lines = self.ask(self.script("shell", "#!/bin/sh"))
        self.check(lines, "script", "ok", "/bin/sh")
        self.check(lines, "file", "ok", "/bin/sh")
        lines = self.ask(self.script("chain", f"#! {self.folder}/shell -x"))
        self.check(lines, "file", "ok", "/bin/sh")
        lines = self.ask(self.script("environment", "#!/usr/bin/env -S A=1 sh -x"))
        self.check(lines, "file", "ok", "/sh")
        static = self.build("static", MAIN, "-static")
        self.check(self.ask(self.script("bound", f"#!{static}"), status=1), "file", "no", "statically linked")
        self.check(self.ask(self.script("lost", "#!/no/where"), status=1), "file", "no", "interpreter", "/no/where")
        self.check(self.ask(self.script("circle", f"#!{self.folder}/circle"), status=1), "file", "no", "in a row")

    def test_languages(self):
        self.check(self.ask("/usr/bin/python3"), "language", "limited", "functions and lines", "PYTHON_HEAP=exact")
        go = 'const char info[] __attribute__((used, section(".go.buildinfo"))) = "go";\n'
        self.check(self.ask(self.build("go", go + MAIN)), "language", "limited", "Go", "cgo")
        self.check(self.ask(self.build("gostatic", go + MAIN, "-static"), status=1), "file", "no", "a Go program", "pprof")
        rust = '__asm__(".ident \\"rustc version 1.80.0\\"");\n'
        self.check(self.ask(self.build("rust", rust + MAIN)), "language", "ok", "Rust")
        java = "int JLI_Launch(void); int main(void) { return JLI_Launch(); }\n"
        jli = self.build("libjli.so", "int JLI_Launch(void) { return 0; }\n", "-shared", "-fPIC")
        self.check(self.ask(self.build("java", java, jli)), "language", "limited", "Java", "DumpPerfMapAtExit")
        node = "int _ZN4node5StartEiPPc(void) { return 0; }\n"
        self.check(self.ask(self.build("node", node + MAIN, "-rdynamic")), "language", "limited", "JavaScript", "--perf-basic-prof")

    def test_damaged_files(self):
        image = pathlib.Path(self.build("program", MAIN, "-g")).read_bytes()
        damaged = self.folder / "damaged"
        for at in list(range(16, 64, 2)) + [len(image) // 2, 100, 70]:
            damaged.write_bytes(image[:at] + b"\xff\xff\xff\xff" + image[at + 4:])
            damaged.chmod(0o755)
            done = self.run_doctor("-f", "json", str(damaged)) if at % 8 == 0 or at == 70 else None
            if done:
                self.assertIn(done.returncode, (0, 1), (at, done.stderr))
                json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
