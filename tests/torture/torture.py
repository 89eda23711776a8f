# SPDX-License-Identifier: Apache-2.0
"""What the parts of the torture share, and their table. scripts/torture runs them whole, a test a slice of each."""

import functools
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import kills  # noqa: E402
import soaks  # noqa: E402
import storms  # noqa: E402
from preloadable import preloadable  # noqa: E402


class Tools:
    def __init__(self, source, build, folder=None):
        self.source = pathlib.Path(source)
        self.build = pathlib.Path(build).resolve()
        self.preprof = self.build / "preprof"
        self.violations = 0
        if folder:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix="torture-", dir=folder)
        self.library = preloadable(self.build, self.folder)
        self.quiet = False

    def say(self, text):
        if not self.quiet:
            print(text, flush=True)

    def violation(self, what, wrong):
        self.violations += 1
        print(f"VIOLATION {time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.0f}: {what}", flush=True)
        for line in wrong[:12]:
            print(f"    {line}", flush=True)

    @functools.cache
    def program(self, name, *flags):
        source = self.source / "tests/torture" / name
        target = os.path.join(self.folder, "run-" + source.stem)
        subprocess.run(["gcc", "-O1", "-g", "-fno-builtin", "-pthread", "-D_GNU_SOURCE", str(source), "-o", target, *flags],
                       check=True)
        return target

    def environment(self, output, **settings):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREPROF_", "LD_PRELOAD"))}
        kept.update(LD_PRELOAD=str(self.library), PREPROF_OUTPUT=str(output), PREPROF_SUMMARY="off")
        kept.update({f"PREPROF_{key}": str(value) for key, value in settings.items()})
        return kept


def part_kills(tools, options):
    kills.run(tools, options.seed, options.seconds, options.count, options.first)


PARTS = {
    "kills": part_kills,
    "threads": lambda tools, options: soaks.many_threads(tools, options.scale),
    "volume": lambda tools, options: soaks.volume(tools, options.scale),
    "memory": lambda tools, options: soaks.memory(tools, options.scale),
    "trees": lambda tools, options: soaks.trees(tools, options.scale),
    "storms": lambda tools, options: storms.run(tools, options.seed, max(2, int(400 * options.scale))),
    "signals": lambda tools, options: soaks.signals(tools, options.scale),
}
