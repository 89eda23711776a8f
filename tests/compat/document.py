# SPDX-License-Identifier: Apache-2.0
"""Writes docs/compatibility.md: what ran, in which version, and what came of it."""

import pathlib
import platform
import re
import subprocess

HEAD = """# Compatibility

Written by `scripts/compat`; do not edit.

Real programs, each run bare (twice, and more often where a run varied), under plain `LD_PRELOAD=libpreprof.so` and under
`preprof run`, with every recording on. *Same* means: the same standard output, standard error (less the summary), exit
status, and files left with the same content and mode, in both ways of profiling; the recording there, finished, with no
event lost, with events of the programs named, and with the target's own end. What varies between bare runs (times,
process ids, keys) is masked exactly as far as bare runs differ. Servers run with their clients in one profiled tree and
are stopped as their users stop them. CPython's cases run once bare and once under LD_PRELOAD; one that differs runs alone
three times more each way, and differs if it never does as bare.

"""

STATES = {"same": "same", "differs": "**differs**", "skipped": "not run"}


def versions(rows):
    wanted = sorted({name for row in rows for name in row.packages.split()})
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *wanted], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True)
    found = {}
    for line in done.stdout.splitlines():
        name, _, version = line.partition(" ")
        found[name] = re.sub(r"^\d+:", "", version)
    return found


def cell(text):
    return re.sub(r"\s+", " ", text).replace("|", "\\|")[:400]


def what_is_to_say(result):
    said = [result.reason] if result.reason else []
    said += [f"{mode}: {name}: {explanation}" for mode, name, explanation in result.differences]
    if result.unstable:
        varying = [name for name in result.unstable if not name.startswith("file ")]
        files = len(result.unstable) - len(varying)
        said.append("varies by itself: " + ", ".join(varying + ([f"{files} files"] if files else [])))
    said += [sentence for sentence in result.not_observed if "stacks could not be walked" not in sentence]
    if result.row.note:
        said.append(result.row.note)
    return cell("; ".join(said))


def write(path, results):
    known = versions([result.row for result in results])
    states = [result.state for result in results]
    try:
        system = next(line.split("=", 1)[1].strip().strip('"') for line in pathlib.Path("/etc/os-release").read_text().splitlines()
                      if line.startswith("PRETTY_NAME="))
    except (OSError, StopIteration):
        system = "unknown"
    parts = [HEAD, f"{system}, {platform.machine()}, Linux {platform.release()}, {'-'.join(platform.libc_ver())}: "
             f"{len(results)} rows, {states.count('same')} the same, {states.count('differs')} differ, {states.count('skipped')} not run.\n"]
    for group in dict.fromkeys(result.row.group for result in results):
        parts.append(f"\n## {group.capitalize() if group != 'cpython' else 'CPython, its own tests, case by case (LD_PRELOAD)'}\n\n"
                     "| program | packages | result | events | processes | |\n|---|---|---|---|---|---|\n")
        for result in results:
            if result.row.group != group:
                continue
            packages = ", ".join(f"{name} {known.get(name, '(absent)')}" for name in result.row.packages.split())
            parts.append(f"| {cell(result.row.name)} | {packages} | {STATES[result.state]} | {result.events or ''} | {result.processes or ''} "
                         f"| {what_is_to_say(result)} |\n")
    path.write_text("".join(parts))
