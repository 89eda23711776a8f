#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Python functions and lines in every stack: shares, sites, names, on every interpreter that the machine has."""

import collections
import os
import re
import sqlite3
import subprocess
import unittest

import pythons
from harness import BUILD, PROGRAMS, bare, clean_environment, preloaded, program, under_run

# The suite asks each interpreter a little; scripts/test-python asks it everything, and for long.
THOROUGH = os.environ.get("PREPROF_PYTHON_THOROUGH")
SECONDS_OF_STRESS = os.environ.get("PREPROF_PYTHON_STRESS", "0.5")


def line(name, mark):
    """The line of programs/NAME with the comment `mark`."""
    for number, text in enumerate((PROGRAMS / name).read_text().splitlines(), 1):
        if text.endswith("# " + mark):
            return number
    raise AssertionError(f"no mark {mark} in {name}")


def lines_of(name, mark):
    """All lines of programs/NAME with the comment `mark`."""
    return [number for number, text in enumerate((PROGRAMS / name).read_text().splitlines(), 1) if text.endswith("# " + mark)]


def matched(run):
    """Stacks that were put together, and those of them in which every frame had its place."""
    with sqlite3.connect(run.recording) as database:
        return database.execute("SELECT sum(python_merge_count), sum(python_matched_count) FROM v_processes").fetchone()


def stacks(run):
    """The Python frames of each stack, innermost first: (function, file, line). By hand: there are many of them."""
    with sqlite3.connect(run.recording) as database:
        tree = {node: (parent, address) for node, parent, address in database.execute("SELECT id, parent, address FROM node")}
        frames = {address: frame for address, *frame in database.execute(
            "SELECT a.id, f.function, f.file, f.line FROM address a JOIN v_frames f ON f.id = a.first_frame"
            " WHERE f.language = 'python'")}
        frames = {address: tuple(frame) for address, frame in frames.items()}
        ends = [node for node, in database.execute("SELECT node FROM mem_site UNION SELECT node FROM cpu_site")]
    found = []
    for node in ends:
        stack = []
        while node:
            node, address = tree[node]
            if address in frames:
                stack.append(frames[address])
        if stack:
            found.append(stack)
    return found


def on_each_python(check):
    """A test of one interpreter becomes one of all that are known."""

    def test(self):
        self.assertTrue(pythons.known(), "Debian's python3 is needed")
        for python in pythons.known():
            with self.subTest(python=python):
                check(self, python)

    return test


class Everywhere(unittest.TestCase):
    def check_matched(self, run, least):
        merged, right = matched(run)
        self.assertGreater(merged, least)
        self.assertGreaterEqual(right, 0.995 * merged)


class Shares(Everywhere):
    """A thread spends its time in few long stretches, so that samples miss little of them: 2 points are far off."""

    def check(self, run):
        file = str(PROGRAMS / "python_shares.py")
        cpu = run.report["cpu"]
        functions = {entry["function"]: entry for entry in cpu["functions"] if entry["file"] == file}
        lines = {entry["line"]: entry for entry in cpu["lines"] if entry["file"] == file}
        whole = functions["work"]["total_ns"]

        def share(entry, metric="total_ns"):
            return 100 * entry[metric] / whole

        self.assertAlmostEqual(share(functions["half"]), 50, delta=2)
        self.assertAlmostEqual(share(functions["two_lines"]), 50, delta=2)
        self.assertAlmostEqual(share(lines[line("python_shares.py", "line of half")]), 50, delta=2)
        self.assertAlmostEqual(share(lines[line("python_shares.py", "line of 30")]), 30, delta=2)
        self.assertAlmostEqual(share(lines[line("python_shares.py", "line of 20")]), 20, delta=2)
        self.assertAlmostEqual(share(functions["spend"]), 100, delta=2)
        self.assertEqual(functions["half"]["language"], "python")
        self.assertEqual(functions["half"]["line"], line("python_shares.py", "line of half") - 1)

    @on_each_python
    def test_one_thread(self, python):
        run = under_run([python.path, str(PROGRAMS / "python_shares.py"), "0.6", "1"])
        self.assertEqual((run.returncode, run.err), (0, b""))
        self.check(run)
        self.check_matched(run, 200)

    @on_each_python
    def test_eight_threads(self, python):
        if not THOROUGH and python.version not in ("3.8", "3.11", "3.13"):
            return
        run = under_run([python.path, str(PROGRAMS / "python_shares.py"), "0.2", "8"])
        self.assertEqual((run.returncode, run.err), (0, b""))
        self.check(run)
        self.check_matched(run, 200)


class Sites(Everywhere):
    """Blocks too large for the interpreter's own allocator: one call of malloc each, named by the Python line."""

    BLOCKS = {
        "line of method": ("Holder.fill", 13, 99_992), "line of generator": ("generate", 17, 50_000),
        "line of recursion": ("recurse", 1, 200_004), "line of callback": ("by_callback", 5, 70_002),
        "line of lambda": ("drop.<locals>.<lambda>", 11, 30_012), "line of try": ("caught", 7, 80_022),
        "line of except": ("caught", 7, 90_012), "line of the first element": ("long_lines", 1, 60_014),
        "line of the second element": ("long_lines", 1, 60_018),
    }

    def check(self, run, qualified):
        file = str(PROGRAMS / "python_sites.py")
        found = collections.defaultdict(lambda: [0, 0])
        names = {}
        for site in run.report["heap"]["sites"]:
            if site["file"] == file:
                self.assertEqual(site["language"], "python")
                found[site["line"]][0] += site["allocation_count"]
                found[site["line"]][1] += site["allocated_bytes"]
                names[site["line"]] = site["function"]
        for mark, (name, count, size) in self.BLOCKS.items():
            at = line("python_sites.py", mark)
            sizes = [found[at][1] - count * size, found[at][0] - count]
            # Beside the block the line may ask for other, small ones.
            self.assertTrue(0 <= sizes[1] <= 8 and 0 <= sizes[0] <= sizes[1] * 8192, (mark, found[at], count, size))
            self.assertEqual(names[at], name if qualified else name.rpartition(".")[2], mark)

    @on_each_python
    def test_lines(self, python):
        run = preloaded([python.path, str(PROGRAMS / "python_sites.py")])
        self.assertEqual((run.returncode, run.out, run.err), (0, b"3\n", b""))
        self.check(run, tuple(map(int, python.version.split("."))) >= (3, 11))
        merged, right = matched(run)
        self.assertEqual(merged, right)

    @on_each_python
    def test_recursion_is_whole(self, python):
        run = preloaded([python.path, str(PROGRAMS / "python_sites.py")])
        site, = [site for site in run.report["heap"]["sites"]
                 if site["line"] == line("python_sites.py", "line of recursion") and site["allocated_bytes"] > 200_000]
        names = [frame["function"] for frame in site["stack"] if frame.get("language") == "python"]
        self.assertEqual(names, ["recurse"] * 61 + ["<module>"])

    def test_native_shows_the_interpreter(self):
        run = preloaded(["/usr/bin/python3", str(PROGRAMS / "python_sites.py")])
        shown = {}
        for option in ([], ["--native"]):
            text = subprocess.run([BUILD / "preprof", "report", "-f", "json", "--top", "0", *option, run.recording],
                                  stdout=subprocess.PIPE, check=True).stdout.decode()
            shown[bool(option)] = "_PyEval_EvalFrameDefault" in text
        self.assertEqual(shown, {False: False, True: True})


class Objects(Everywhere):
    """PYTHON_HEAP: what the interpreter's own allocator serves, against what tracemalloc says."""

    PROGRAM = PROGRAMS / "python_objects.py"

    def truth(self, python):
        done = bare([python.path, str(self.PROGRAM), "tracemalloc"])
        return {int(row[0]): tuple(map(int, row[1:])) for row in map(str.split, done.out.decode().splitlines())}

    def by_line(self, run, metric):
        found = collections.Counter()
        for site in run.report["heap"]["sites"]:
            if site["file"] == str(self.PROGRAM):
                found[site["line"]] += site[metric]
        return found

    @on_each_python
    def test_exact(self, python):
        truth = self.truth(python)
        ways = [((), {}), (("-I",), {}), (("-X", "dev"), {}), ((), {"PYTHONMALLOC": "malloc"})]
        for arguments, environment in ways if THOROUGH or python.path == "/usr/bin/python3" else ways[2:3]:
            run = preloaded([python.path, *arguments, str(self.PROGRAM)], settings={"PYTHON_HEAP": "exact"},
                            env=clean_environment(**environment))
            self.assertEqual((run.returncode, run.out, run.err), (0, b"", b""))
            counts, live = self.by_line(run, "allocation_count"), self.by_line(run, "peak_bytes")
            for mark, least in ("line of items", 20_000), ("line of texts", 30_000):
                at = line("python_objects.py", mark)
                self.assertGreaterEqual(counts[at], least)
                self.assertAlmostEqual(live[at], truth[at][1], delta=0.01 * truth[at][1], msg=(mark, arguments))
            dropped = counts[line("python_objects.py", "line of dropped")]
            self.assertTrue(5_000 <= dropped <= 5_010, dropped)
            if not arguments:
                self.assertEqual(run.report["heap"]["unknown_free_count"], 0)

    def test_sampled(self):
        python = pythons.known()[0]
        truth = self.truth(python)
        run = preloaded([python.path, str(self.PROGRAM)], settings={"PYTHON_HEAP": "sampled", "HEAP": "sampled=4K"})
        counts = run.report["heap"]["allocation_count"]
        self.assertGreater(counts, 75_000)
        at = line("python_objects.py", "line of texts")
        self.assertAlmostEqual(self.by_line(run, "peak_bytes")[at], truth[at][1], delta=0.25 * truth[at][1])

    def test_arenas_are_mappings(self):
        """Growth by Python line, and a sentence on what is not seen."""
        run = preloaded(["/usr/bin/python3", str(self.PROGRAM)])
        with sqlite3.connect(run.recording) as database:
            mapped, = database.execute("SELECT sum(mapped_bytes) FROM v_heap_sites WHERE file = ? AND line = ?",
                                       (str(self.PROGRAM), line("python_objects.py", "line of texts"))).fetchone()
        self.assertGreaterEqual(mapped, 1 << 20)
        self.assertEqual(len([sentence for sentence in run.report["coverage"]["not_observed"] if "PYTHON_HEAP" in sentence]), 1)


class LineTables(Everywhere):
    WRITE = """
import sys, dis, types
def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            for inner in codes(constant): yield inner
for name in sys.argv[1:]:
    source = open(__import__(name).__file__, encoding='utf-8').read()
    for code in codes(compile(source, name, 'exec')):
        table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
        pairs = []
        if sys.version_info >= (3, 10):
            for start, end, line in code.co_lines():
                if line: # none, or 0 before the first
                    pairs += ['%d:%d' % (at // 2 + 1, line) for at in range(start, end, 2)]
        else:
            starts = list(dis.findlinestarts(code)) + [(len(code.co_code), None)]
            for (start, line), (end, _) in zip(starts, starts[1:]):
                pairs += ['%d:%d' % (at // 2 + 1, line) for at in range(start, end, 2)]
        print('%x' % (sys.hexversion >> 16), code.co_firstlineno, table.hex() or '-', *pairs)
"""

    @on_each_python
    def test_as_the_interpreter_says(self, python):
        said = bare([python.path, "-c", self.WRITE, "argparse", "typing", "inspect", "decimal", "ast"])
        self.assertEqual(said.returncode, 0, said.err)
        checked = subprocess.run([BUILD / "tests/check_python_lines"], input=said.out, stdout=subprocess.PIPE)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        self.assertGreater(int(checked.stdout), 10_000)


class Stress(Everywhere):
    """Samples at any instruction, thousands a second and thread, while frames of every kind come and go."""

    TEXT = (PROGRAMS / "python_stress.py").read_text().splitlines()

    def pair_is_right(self, callee, caller):
        """The caller's line says what it calls. A with statement's end is reported at its body or its head."""
        name = callee[0].rpartition(".")[2].strip("<>")
        if not caller[1].endswith("python_stress.py") or not callee[1].endswith("python_stress.py"):
            return True
        return re.search(r"\b%s\b" % re.escape(name), self.TEXT[caller[2] - 1]) is not None

    def made_is_right(self, frame):
        """Code that is made and dropped again and again, at one address after the other."""
        name, file, at = frame
        number = re.fullmatch(r"<made(\d)>", file)
        return not number or (name == "made" + number[1] and int(number[1]) < at <= int(number[1]) + 4) or name == "<module>"

    @on_each_python
    def test_stacks_are_right(self, python):
        environment = clean_environment(PREPROF_SUMMARY="off", PREPROF_SAMPLE_CLOCK="wall")
        run = under_run([python.path, "-W", "ignore", str(PROGRAMS / "python_stress.py"), SECONDS_OF_STRESS],
                        arguments=["--cpu", "10000" if THOROUGH else "5000"], env=environment, timeout=float(SECONDS_OF_STRESS) + 120)
        self.assertEqual((run.returncode, run.out[:11], run.err), (0, b"worked True", b""))
        self.check_matched(run, 1000)
        pairs, made = set(), set()
        count = unnamed = 0
        for stack in stacks(run):
            count += 1
            if any(frame[1] is None for frame in stack): # a frame of which the handler saw too little: no name is no wrong one
                unnamed += 1
                continue
            pairs.update(zip(stack, stack[1:]))
            made.update(frame for frame in stack if frame[1].startswith("<made"))
        wrong = [pair for pair in pairs if not self.pair_is_right(*pair)]
        wrong += [frame for frame in made if not self.made_is_right(frame)]
        if THOROUGH:
            merged, right = matched(run)
            print(f"{python}: {run.out.decode().strip()}; {run.report['cpu']['sample_count']} samples, {count} distinct stacks, "
                  f"{merged} put together, {100 * right / merged:.3f} % with every frame at its place, {unnamed} with a frame unnamed, {len(wrong)} wrong names",
                  flush=True)
        self.assertEqual(wrong, [])
        self.assertLessEqual(unnamed, count // 1000)
        self.assertGreater(len(made), 5)


class Lock(Everywhere):
    """The interpreter's lock: who computed with it, and who waited."""

    @on_each_python
    def test_share_and_waits(self, python):
        run = under_run([python.path, str(PROGRAMS / "python_lock.py"), "0.25"])
        self.assertEqual((run.returncode, run.err), (0, b""))
        with_lock, lived = map(float, run.out.split())
        gil = run.report["python"]["gil"]
        self.assertTrue(run.report["python"]["version"].startswith(python.version))
        # Pure Python computes with the lock, nearly always.
        self.assertGreater(gil["held_ns"], 0.9 * sum(row["python_ns"] for row in gil["threads"]))
        self.assertAlmostEqual(gil["held_ns"] / 1e9, with_lock, delta=0.15 * with_lock)
        # Three threads compute in turn: two of them wait at any time, two thirds of their lives together, but for the
        # beginning and the end, when not all three are there.
        workers = [row for row in gil["threads"] if row["tid"] != row["pid"]]
        waited = sum(row["wait_ns"] for row in workers) / 1e9
        self.assertTrue(0.4 * lived < waited < 0.75 * lived, (gil, lived))
        self.assertEqual(len([row for row in workers if row["wait_count"] > 10]), 3)
        self.check_lines(run, gil)

    def check_lines(self, run, gil):
        """Every wait has a line; nearly all the time is lost where the threads compute in turn."""
        turns = lines_of("python_lock.py", "line of turns")
        self.assertEqual(sum(row["wait_ns"] for row in gil["sites"]), gil["wait_ns"])
        self.assertEqual(sum(row["wait_count"] for row in gil["sites"]), gil["wait_count"])
        self.assertEqual(sum(row["wait_ns"] for row in gil["lines"]), gil["wait_ns"])
        there = [row for row in gil["lines"] if row["file"] == str(PROGRAMS / "python_lock.py") and row["line"] in turns]
        self.assertGreater(sum(row["wait_ns"] for row in there), 0.9 * gil["wait_ns"])
        self.assertEqual({row["function"] for row in there}, {"compute"})
        for site in gil["sites"]:
            if site["line"] in turns and site["file"] == str(PROGRAMS / "python_lock.py"):
                names = [frame["function"] for frame in site["stack"] if frame.get("language") == "python"]
                self.assertEqual((names[0], names[-1]), ("compute", "Thread._bootstrap" if "." in names[-1] else "_bootstrap"))
        with sqlite3.connect(run.recording) as database:
            seen = database.execute("SELECT sum(wait_ns), sum(wait_count) FROM v_gil_waits").fetchone()
        self.assertEqual(seen, (gil["wait_ns"], gil["wait_count"]))
        text = subprocess.run([BUILD / "preprof", "report", run.recording], stdout=subprocess.PIPE, check=True).stdout.decode()
        self.assertRegex(text, r"waited +waits +longest +where\n.* compute  python_lock.py:(%s)\n" % "|".join(map(str, turns)))


class Kinds(unittest.TestCase):
    """Interpreters that came into the process in other ways, or that are not known."""

    def test_embedded_and_unloaded(self):
        found = [python for python in pythons.known() if python.library]
        if not found:
            self.skipTest("no shared libpython on this machine")
        for python in found:
            with self.subTest(python=python):
                run = under_run([program("python_host.c", "-ldl"), python.library, "0.2"])
                self.assertEqual((run.returncode, run.err), (0, b""))
                functions = {entry["function"]: entry for entry in run.report["cpu"]["functions"]}
                self.assertGreater(functions["embedded"]["total_percent"], 50)
                merged, right = matched(run)
                self.assertGreater(merged, 40)
                self.assertGreaterEqual(right, 0.99 * merged)

    def test_linked_into_a_host(self):
        """An executable that has an interpreter within itself: functions, and waits for the lock at their lines."""
        found = [(python, link) for python in pythons.known() if (link := pythons.archive(python))]
        if not found:
            self.skipTest("no libpython.a on this machine")
        for python, link in found if THOROUGH else found[:1] + found[-1:]:
            with self.subTest(python=python):
                host = program("python_host_static.c", *link["flags"])
                run = under_run([host, str(PROGRAMS / "python_lock.py"), "0.25"],
                                env=clean_environment(PYTHONHOME=link["home"], PREPROF_SUMMARY="off"))
                self.assertEqual((run.returncode, run.err), (0, b""))
                functions = {entry["function"]: entry for entry in run.report["cpu"]["functions"]}
                self.assertGreater(functions["compute"]["total_percent"], 60)
                gil = run.report["python"]["gil"]
                workers = [row for row in gil["threads"] if row["tid"] != row["pid"]]
                self.assertEqual(len([row for row in workers if row["wait_count"] > 10]), 3)
                turns = lines_of("python_lock.py", "line of turns")
                there = [row for row in gil["lines"] if row["function"] == "compute" and row["line"] in turns]
                self.assertGreater(sum(row["wait_ns"] for row in there), 0.9 * gil["wait_ns"])
                merged, right = matched(run)
                self.assertGreaterEqual(right, 0.99 * merged)

    def test_sub_interpreters(self):
        """Two at once, in threads of their own: each stack is one interpreter's, below the thread that it runs in."""
        file = str(PROGRAMS / "python_subinterpreter.py")
        for python in pythons.known():
            with self.subTest(python=python):
                run = under_run([python.path, "-W", "ignore", file, "0.2"])
                self.assertEqual((run.returncode, run.err), (0, b""))
                functions = {entry["function"]: entry for entry in run.report["cpu"]["functions"]}
                for name in "inside", "beside":
                    self.assertGreater(functions[name]["total_percent"], 15, name)
                for stack in stacks(run):
                    names = {name for name, _, _ in stack}
                    self.assertFalse({"inside", "beside"} <= names, stack)
                blocks = {site["function"]: site["allocated_bytes"] for site in run.report["heap"]["sites"]
                          if site["function"] in ("inside", "beside") and site["allocated_bytes"] >= 100_000}
                self.assertEqual(blocks, {"inside": 100_001, "beside": 200_001})
                merged, right = matched(run)
                self.assertGreaterEqual(right, 0.99 * merged)

    def test_trampolines_for_perf(self):
        """-X perf: the pieces of code that it makes are walked through, and not shown beside the functions they are for."""
        found = [python for python in pythons.known() if python.version in ("3.12", "3.13")]
        if not found:
            self.skipTest("no Python that has -X perf")
        for python in found:
            with self.subTest(python=python):
                run = preloaded([python.path, "-X", "perf", str(PROGRAMS / "python_sites.py")])
                self.assertEqual((run.returncode, run.out, run.err), (0, b"3\n", b""))
                pid = run.report["target"]["pid"]
                self.assertEqual(run.report["coverage"]["skipped"]["unwind"], 0)
                merged, right = matched(run)
                self.assertEqual(merged, right)
                at = line("python_sites.py", "line of recursion")
                (site,) = [site for site in run.report["heap"]["sites"] if site["line"] == at and site["allocated_bytes"] > 200_000]
                # After <module> the stack goes on, to main; between are frames of the program alone.
                names = [frame["function"] for frame in site["stack"]]
                self.assertEqual(names[:62], ["recurse"] * 61 + ["<module>"])
                self.assertEqual(names[-1], "_start")
                self.assertEqual([name for name in names if name.startswith("py::")], [])
                text = subprocess.run([BUILD / "preprof", "report", "-f", "json", "--native", "--top", "0", run.recording],
                                      stdout=subprocess.PIPE, check=True).stdout.decode()
                self.assertIn("py::recurse:", text)
                self.assertTrue(os.path.exists(f"/tmp/perf-{pid}.map"))
                os.unlink(f"/tmp/perf-{pid}.map")

    def test_greenlets(self):
        """Stacks that are exchanged in the middle: time and blocks are where they were, and no stack holds two of them."""
        if bare(["/usr/bin/python3", "-c", "import greenlet"]).returncode != 0:
            self.skipTest("no module greenlet (python3-greenlet)")
        file = str(PROGRAMS / "python_greenlets.py")
        run = under_run(["/usr/bin/python3", file, "0.9"], arguments=["--cpu", "1000"],
                        env=clean_environment(PREPROF_SUMMARY="off", PREPROF_SAMPLE_CLOCK="wall"))
        *ended, share = run.out.split()
        self.assertEqual((run.returncode, ended, run.err), (0, [b"True", b"False"], b""))
        functions = {entry["function"]: entry for entry in run.report["cpu"]["functions"] if entry["file"] == file}
        both = functions["left"]["total_ns"] + functions["right"]["total_ns"]
        self.assertAlmostEqual(100 * functions["left"]["total_ns"] / both, 100 * float(share), delta=4)
        for stack in stacks(run):
            names = [name for name, _, _ in stack]
            if "left" in names or "right" in names:
                self.assertEqual((names[-1], len({"left", "right"} & set(names))), ("left" if "left" in names else "right", 1))
        blocks = collections.Counter()
        for site in run.report["heap"]["sites"]:
            if site["file"] == file and site["function"] == "take_turns":
                outermost = [frame["function"] for frame in site["stack"] if frame.get("language") == "python"][-1]
                blocks[outermost] += site["allocated_bytes"] // 100_000
        self.assertEqual(blocks, {"left": 20, "right": 20})
        merged, right = matched(run)
        self.assertGreaterEqual(right, 0.99 * merged)

    def test_unknown_version_is_said(self):
        found = [python for python in pythons.installed() if not python.known]
        if not found:
            self.skipTest("every interpreter of this machine is known")
        for python in found:
            with self.subTest(python=python):
                run = preloaded([python.path, "-c", "print(sum(range(1000)))"])
                self.assertEqual((run.returncode, run.out, run.err), (0, b"499500\n", b""))
                said = [sentence for sentence in run.report["coverage"]["not_observed"] if "Python interpreter" in sentence]
                self.assertEqual(len(said), 1)
                self.assertEqual(list(stacks(run)), [])

    def test_versions_to_come_are_said(self):
        """3.14, and 3.13 without the lock: nothing of theirs is read, their native stacks are there, and one sentence."""
        for version, free_threaded in ("0x030e00f0", 0), ("0x030e01f0", 1), ("0x030d00f0", 1):
            with self.subTest(version=version, free_threaded=free_threaded):
                host = program("python_fake.c", "-rdynamic", f"-DVERSION={version}", f"-DFREE_THREADED={free_threaded}")
                run = under_run([host])
                self.assertEqual((run.returncode, run.out, run.err), (0, b"", b""))
                said = [sentence for sentence in run.report["coverage"]["not_observed"] if "Python interpreter" in sentence]
                self.assertEqual(len(said), 1, run.report["coverage"]["not_observed"])
                (site,) = [site for site in run.report["heap"]["sites"] if site["allocated_bytes"] == 4321]
                self.assertEqual([frame["function"] for frame in site["stack"]][:2], ["_PyEval_EvalFrameDefault", "main"])
                self.assertGreater(run.report["cpu"]["sample_count"], 5)
        # What is feared is real: as 3.13 with a lock the same program is read, and ends by its own trap.
        known = under_run([program("python_fake.c", "-rdynamic", "-DVERSION=0x030d00f0", "-DFREE_THREADED=0")])
        self.assertEqual(known.returncode, 134)

    def test_off(self):
        run = preloaded(["/usr/bin/python3", str(PROGRAMS / "python_sites.py")], settings={"PYTHON": "off"})
        self.assertEqual((run.returncode, run.out, run.err), (0, b"3\n", b""))
        self.assertEqual((list(stacks(run)), matched(run)), ([], (0, 0)))

    def test_faults_are_the_programs(self):
        """faulthandler, a handler in Python for SIGBUS, a stack that overflows: as bare."""
        for code in ("import faulthandler, os; faulthandler.enable(); os.kill(os.getpid(), 11)",
                     "import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)",
                     "import ctypes; ctypes.string_at(0)",
                     "import signal, os; signal.signal(7, lambda *a: print('bus')); os.kill(os.getpid(), 7); print(1)"):
            alone = bare(["/usr/bin/python3", "-c", code])
            run = preloaded(["/usr/bin/python3", "-c", code])
            self.assertEqual((run.returncode, run.out, re.sub(rb"0x[0-9a-f]+", b"", run.err)),
                             (alone.returncode, alone.out, re.sub(rb"0x[0-9a-f]+", b"", alone.err)), code)


if __name__ == "__main__":
    unittest.main(verbosity=2)
