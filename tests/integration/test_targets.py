#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that cannot take the library, started in every way: not a line of theirs is different, and the report says so."""

import os
import shutil
import subprocess
import unittest

import harness
from harness import FOLDER, PROGRAMS, bare, clean_environment, have, preloaded, program, under_run
from life_cases import Case, called, processes

# Each prints its arguments, as does life_chain.c with 0.
KINDS = {
    "static": (["gcc", "-static"], "static"),
    "static-pie": (["gcc", "-static-pie"], "static"),
    "32 bits": (["gcc", "-m32"], "another processor"),
    "32 bits static": (["gcc", "-m32", "-static"], "another processor"),
    "musl": (["musl-gcc"], "C library"),
    "musl static": (["musl-gcc", "-static"], "static"),
}


def foreign(kind):
    """The program's path; None where it cannot be built here."""
    target = FOLDER / ("target-" + kind.replace(" ", "-"))
    compiler = KINDS[kind][0]
    if not target.exists():
        if not have(compiler[0]):
            return None
        built = subprocess.run([*compiler, "-O1", str(PROGRAMS / "life_chain.c"), "-o", str(target)], capture_output=True)
        if built.returncode != 0 or subprocess.run([str(target), "0"], capture_output=True).stdout != b"end\n":
            target.unlink(missing_ok=True)
            return None
    return str(target)


WAYS = {
    "shell": lambda path: ["sh", "-c", f"{path} 0; {path} 0 | cat; x=$({path} 0); echo $x"],
    "env": lambda path: ["env", "-i", path, "0"],
    "spawn": lambda path: ["/usr/bin/python3", "-c", f"import os; os.waitpid(os.posix_spawn('{path}', ['x', '0'], os.environ), 0)"],
    "system": lambda path: ["/usr/bin/python3", "-c", f"import os; os.system('{path} 0')"],
    "subprocess": lambda path: ["/usr/bin/python3", "-c", f"import subprocess; subprocess.run(['{path}', '0'], env={{}})"],
    "script": lambda path: ["sh", "-c", f"printf '#!%s 0\\n' {path} > {path}.script; chmod 755 {path}.script; {path}.script"],
    "exec": lambda path: ["sh", "-c", f"exec {path} 0"],
    "xargs": lambda path: ["sh", "-c", f"echo 0 | xargs {path}"],
}


class Targets(Case):
    def check(self, command, sentence):
        expected = bare(command)
        for run in (preloaded(command), under_run(command)):
            self.assertEqual((run.returncode, run.out, run.err), (expected.returncode, expected.out, expected.err))
            self.assertTrue(any(sentence in text for text in run.report["coverage"]["not_observed"]),
                            run.report["coverage"]["not_observed"])
            self.assertTrue(run.report["coverage"]["complete"])

    def test_kinds(self):
        built = [kind for kind in KINDS if foreign(kind)]
        self.assertIn("static", built)
        for kind in built:
            ways = WAYS if kind in ("static", "32 bits", "musl") else {"shell": WAYS["shell"]}
            for name, way in ways.items():
                with self.subTest(kind, way=name):
                    self.check(way(foreign(kind)), KINDS[kind][1])

    def test_through(self):
        """What such a program starts belongs to the tree again, where the library's variables come through it."""
        chain = program("life_chain.c")
        for kind in ("static", "musl static"):
            if not foreign(kind):
                continue
            with self.subTest(kind):
                done = preloaded(["sh", "-c", f"{foreign(kind)} 1 {chain}; :"])
                self.assertEqual((done.returncode, done.out, done.err), (0, b"end\n", b""))
                self.assertEqual(len(called(processes(done), "life_chain")), 1)

    def test_nothing_to_show(self):
        """run says so, and does not end with 0."""
        for kind in KINDS:
            if not foreign(kind):
                continue
            with self.subTest(kind):
                done = under_run([foreign(kind), "0"], wait=0)
                self.assertEqual((done.returncode, done.out), (125, b"end\n"))
                self.assertIn(b"preprof: nothing was profiled", done.err)
                self.assertNotIn(b"ld.so", done.err)


@unittest.skipIf(os.geteuid() != 0, "only root can make a set-uid program of root's")
class Privileged(Case):
    def test_set_uid(self):
        os.chmod(FOLDER, 0o755)
        folder = FOLDER / "open"
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        path = FOLDER / "set-uid"
        shutil.copy2("/usr/bin/id", path)
        path.chmod(0o4755)
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        command = ["sh", "-c", f"{path} -u; exec {path} -ru"]
        expected = bare([*nobody, *command])
        self.assertEqual(expected.out, b"0\n65534\n")
        output = folder / "set-uid.pprf"
        environment = clean_environment(PREPROF_SUMMARY="off")
        for run in (False, True):
            with self.subTest(run=run):
                if run:
                    done = bare([*nobody, harness.PREPROF, "run", "-o", str(output), *command], env=environment)
                else:
                    done = bare([*nobody, "env", f"LD_PRELOAD={harness.LIBRARY}", f"PREPROF_OUTPUT={output}", *command],
                                env=environment)
                self.assertEqual((done.returncode, done.out, done.err), (0, expected.out, expected.err))
                harness._recording_wait(output, 20)
                done.recording = output
                self.assertTrue(any("set-uid" in text for text in done.report["coverage"]["not_observed"]))
                self.assertEqual(called(processes(done), "set-uid"), [])
                output.unlink()

    def test_settings_are_not_obeyed(self):
        """AT_SECURE: a library that a set-uid program does load (from a trusted folder) does nothing at all."""
        os.chmod(FOLDER, 0o755)
        marker = FOLDER / "obeyed.pprf"
        path = FOLDER / "set-uid-preloaded"
        source = FOLDER / "loads.c"
        source.write_text("#include <stdlib.h>\n#include <unistd.h>\nint main(void) { free(malloc(10)); return geteuid() == getuid(); }")
        subprocess.run(["gcc", str(source), "-o", str(path), str(harness.LIBRARY), f"-Wl,-rpath,{harness.LIBRARY.parent}"], check=True)
        path.chmod(0o4755)
        done = bare(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", f"PREPROF_OUTPUT={marker}",
                     "PREPROF_ANALYZER=/bin/false", "PREPROF_CPU=nonsense", str(path)])
        self.assertEqual((done.returncode, done.out, done.err), (0, b"", b""))
        self.assertFalse(marker.exists())


class Namespaces(unittest.TestCase):
    def test_files_that_only_the_target_has(self):
        """In a pid namespace it calls itself by another number than /proc has here, and its folder is mounted for it alone."""
        place = FOLDER / "place"
        place.mkdir()
        if subprocess.run(["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", str(place)],
                          capture_output=True).returncode != 0:
            self.skipTest("no namespaces can be made here")
        script = f"mount -t tmpfs none {place} && cp {program('peak.c')} {place}/target && exec {place}/target"
        done = under_run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", script])
        self.assertFalse((place / "target").exists())
        target = [row for row in done.report["processes"] if row["command"][0] == f"{place}/target"]
        self.assertEqual(len(target), 1)
        self.assertLess(target[0]["pid"], 10)
        names = {site["function"] for site in done.report["heap"]["sites"] if (site["module"] or "").endswith("/target")}
        self.assertEqual(names, {"site_low", "site_high", "site_last"})


if __name__ == "__main__":
    unittest.main()
