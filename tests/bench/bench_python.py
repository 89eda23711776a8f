# SPDX-License-Identifier: Apache-2.0
"""The rows of scripts/bench that are about Python: what a walk of its frames costs beside the native unwinding of the same
capture, for each interpreter of the machine, and the agent simulation with everything on beside Python's own profilers.
"""

import pathlib
import shutil
import statistics
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests/integration"))
import pythons  # noqa: E402

# A block of 600 bytes is made and dropped at a depth of Python calls; prints ns of CPU time a block.
BLOCKS = """
import sys, time
def allocate(count):
    for _ in range(count):
        bytearray(600)
def descend(depth, count):
    return descend(depth - 1, count) if depth else allocate(count)
count = int(sys.argv[2])
began = time.process_time()
descend(int(sys.argv[1]), count)
print((time.process_time() - began) / count * 1e9)
"""
DEPTHS = 5, 25
COUNT = {"libunwind": 10000}  # others: 200000

PEERS = ["preprof", "PYTHON_HEAP=sampled", "PYTHON_HEAP=exact", "heaptrack", "cProfile", "tracemalloc", "yappi", "scalene"]


def walk_variants(bench):
    plain = {"LD_PRELOAD": str(bench.build / "libpreprof.so"), "PREPROF_SUMMARY": "off", "PREPROF_CPU": "off",
             "PREPROF_OUTPUT": str(bench.work / "bench.pprf")}
    return {"bare": {}, "native": dict(plain, PREPROF_PYTHON="off"), "Python": plain,
            "libunwind": dict(plain, PREPROF_PYTHON="off", PREPROF_UNWINDER="libunwind")}


def walks(bench, rounds):
    """For each interpreter and depth: ns a block, bare, and what the variants add to it."""
    rows = []
    for python in pythons.known():
        row = {"version": python.version, "path": python.path}
        for depth in DEPTHS:
            added = {}
            for _ in range(rounds):
                took = {}
                for name, variables in walk_variants(bench).items():
                    command = [python.path, "-c", BLOCKS, str(depth), str(COUNT.get(name, 200000))]
                    took[name] = float(bench.run(command, ([], variables))[1])
                    bench.settle()
                for name in took:
                    added.setdefault(name, []).append(took[name] - (took["bare"] if name != "bare" else 0))
                added.setdefault("walk", []).append(took["Python"] - took["native"])
            row[depth] = {name: statistics.median(values) for name, values in added.items()}
        rows.append(row)
    return rows


def walks_table(rows):
    near, far = DEPTHS
    lines = ["", "## A walk of Python's frames", "",
             "A block of 600 bytes is made and dropped in a loop, under so many Python calls; ns of CPU time a block. `capture`: what "
             "an allocation and its free cost with native stacks (PYTHON=off), verified memo and record included. `Python`: what the "
             "walk of Python's frames, putting them in place and finding the stack again add to it. `a frame`: what one more Python "
             "call adds to each of the two. `libunwind`: what they cost where each native stack is unwound by libunwind "
             "(UNWINDER=libunwind).", "",
             f"| Python | bare | capture, {near} calls | Python | capture, {far} calls | Python | a frame: native | a frame: Python "
             f"| libunwind, {near} calls | {far} calls |", "|---|" + "---|" * 9]
    for row in rows:
        by_frame = [(row[far][name] - row[near][name]) / (far - near) for name in ("native", "walk")]
        path = row["path"] if row["path"].startswith("/usr/bin") else "pyenv"
        lines.append(f"| {row['version']} ({path}) | {row[near]['bare']:.0f} | {row[near]['native']:.0f} | {row[near]['walk']:.0f} | "
                     f"{row[far]['native']:.0f} | {row[far]['walk']:.0f} | {by_frame[0]:.1f} | {by_frame[1]:.1f} | "
                     f"{row[near]['libunwind']:.0f} | {row[far]['libunwind']:.0f} |")
    return lines


def simulation_variants(bench):
    """Name -> (what stands between the interpreter and the program, variables, what stands before the interpreter)."""
    out = bench.work
    plain = {"LD_PRELOAD": str(bench.build / "libpreprof.so"), "PREPROF_SUMMARY": "off", "PREPROF_OUTPUT": str(out / "bench.pprf")}
    variants = {"bare": ([], {}, []), "preprof": ([], plain, []),
                "PYTHON_HEAP=sampled": ([], dict(plain, PREPROF_PYTHON_HEAP="sampled", PREPROF_HEAP="sampled=512K"), []),
                "PYTHON_HEAP=exact": ([], dict(plain, PREPROF_PYTHON_HEAP="exact"), []),
                "cProfile": (["-m", "cProfile", "-o", str(out / "perf.data.cprofile")], {}, []),
                "tracemalloc": (["-X", "tracemalloc=1"], {}, [])}
    if shutil.which("heaptrack"):
        variants["heaptrack"] = ([], {}, ["heaptrack", "--raw", "-o", str(out / "heaptrack")])
    packages = pathlib.Path("/usr/lib/python3/dist-packages")
    if (packages / "yappi.py").exists() or (packages / "yappi").exists():
        variants["yappi"] = (["-m", "yappi", "-o", str(out / "perf.data.yappi")], {}, [])
    if (packages / "scalene").exists():
        variants["scalene"] = (["-m", "scalene", "--cli", "--profile-all", "--outfile", str(out / "perf.data.scalene")], {}, [])
    return variants


def simulation(bench, rounds):
    """Ratios of the program's time to the bare one's, for everything that preprof can have on, and for peers."""
    values = {}
    for _ in range(rounds):
        for name, (between, variables, before) in simulation_variants(bench).items():
            took, output = bench.run(["/usr/bin/python3", *between, str(SOURCE / "examples/simulation.py")], (before, variables))
            if "checksum" not in output:
                raise RuntimeError(f"the simulation under {name} printed no checksum")
            values.setdefault(name, []).append(took)
            bench.settle()
    return values


def simulation_table(bare_seconds, ratios, cell):
    shown = [peer for peer in PEERS if peer in ratios]
    return ["", "## The agent simulation, beside Python's own profilers", "",
            "`preprof` is everything that is on by default: every allocation of libc, CPU samples, I/O, Python functions and lines in "
            "every stack, waits for the interpreter's lock; `PYTHON_HEAP` adds its small objects, by a sampling of bytes (one of 512 "
            "KiB) or each of them. tracemalloc keeps one frame a block. austin 1.0.1 (Debian's) does not find the interpreter's state "
            "in Python 3.11; py-spy and memray are no Debian packages.", "",
            "| bare | target | " + " | ".join(shown) + " |", "|---|---|" + "---|" * len(shown),
            f"| {bare_seconds:.3f} s | x1.25 | " + " | ".join(cell(ratios[peer]) for peer in shown) + " |"]
