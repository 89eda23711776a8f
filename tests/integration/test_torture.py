#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A short slice of each part of scripts/torture: programs that keep their own account are killed, or run for long."""

import pathlib
import shutil
import sys
import unittest

from harness import BUILD, SOURCE

sys.path.insert(0, str(SOURCE / "tests/torture"))

import kills  # noqa: E402
import soaks  # noqa: E402
import storms  # noqa: E402
import torture  # noqa: E402

TOOLS = torture.Tools(SOURCE, BUILD)
TOOLS.quiet = True


class Kills(unittest.TestCase):
    def kill(self, kind, name, number):
        trial = kills.Trial(TOOLS, "slice", number, kind, name)
        trial.run()
        self.assertEqual(trial.wrong, [], trial.describe())

    def test_target(self):
        for number, name in enumerate(("one thread", "thread births", "dlopen")):
            with self.subTest(name):
                self.kill("target", name, number)

    def test_whole_groups(self):
        for number, name in enumerate(("threads", "everything")):
            with self.subTest(name):
                self.kill("group", name, 10 + number)

    def test_while_it_is_published(self):
        self.kill("publishing", "threads", 20)
        self.kill("snapshots", "forks", 21)

    def test_analyzer(self):
        self.kill("analyzer", "one thread", 30)
        self.kill("stopped", "forks", 31)
        self.kill("resumed", "threads", 32)

    def test_run(self):
        self.kill("run", "forks", 40)


class Storms(unittest.TestCase):
    def test_storms(self):
        for number, mix in enumerate(("loads births forks signals", "loads births forks waits", "leaves leaves",
                                      "sqlite leaves streams polls forks")):
            storm = storms.Storm(TOOLS, "slice", number, 2, mix)
            storm.settings.update(CPU="10000", SAMPLE_CLOCK="wall", UNWINDER="auto")
            storm.run()
            self.assertEqual(storm.wrong, [], storm.describe())


class Soaks(unittest.TestCase):
    def check(self, soak):
        self.assertEqual(soak.wrong, [])

    def test_threads(self):
        self.check(soaks.many_threads(TOOLS, 0.003, 0.2))

    def test_volume(self):
        self.check(soaks.volume(TOOLS, 0.02, 0.2))

    def test_events_loads_and_children(self):
        self.check(soaks.lasting(TOOLS, "events", 400_000, 0.2))
        self.check(soaks.lasting(TOOLS, "loads", 500, 0.2, CPU=1000))
        self.check(soaks.lasting(TOOLS, "children", 100, 0.2, limit_kb=1 << 20))

    def test_trees(self):
        for how, count in (("chain", 50), ("deep", 30), ("bomb", 200)):
            with self.subTest(how):
                self.check(soaks.lasting(TOOLS, how, count, 0.2, limit_kb=1 << 20))

    def test_signals(self):
        self.check(soaks.lasting(TOOLS, "signals", 5000, 0.2, CPU=1000))


def tearDownModule():
    shutil.rmtree(pathlib.Path(TOOLS.folder), ignore_errors=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
