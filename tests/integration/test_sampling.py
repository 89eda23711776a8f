#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Samples: their weights are the CPU time, whose, where and while what."""

import resource
import unittest

import stream
from harness import program

FLAGS = ("-D_GNU_SOURCE", "-no-pie", "-Wl,-z,now")


class Loads(unittest.TestCase):
    """
    3 CPU-seconds. The kernel looks at CPU timers when its own tick finds the thread running, which on a loaded machine
    may be long after they were due: the sample then has the weight of all that passed, and what passed since a thread's
    last tick has none. So each bound allows a gap as large as the largest that was seen, and a share's standard
    deviation is that of weighted samples; bounds are four of them.
    """

    @classmethod
    def setUpClass(cls):
        cls.program = program("loads.c", *FLAGS)
        cls.run_ = stream.record([cls.program, "1"])
        cls.image = cls.run_.image
        cls.period = cls.image.header()["period_ns"] / 1e9
        cls.weights = {}
        cls.gaps = dict.fromkeys((row["name"] for row in cls.image.threads.values()), 0.0)
        for serial, weight in cls.image.weights().items():
            cls.weights[cls.image.threads[serial]["name"]] = weight
        for sample in cls.image.samples:
            name = cls.image.threads[sample.thread]["name"]
            cls.gaps[name] = max(cls.gaps[name], (sample.weight - 1) * cls.period)

    def test_program_is_unharmed(self):
        self.assertEqual((self.run_.code, self.run_.stderr), (0, ""))

    def test_total_is_the_cpu_time(self):
        used = float(self.run_.stdout)
        total = sum(self.weights.values()) * self.period
        self.assertLess(abs(total - used), 0.05 * used + sum(self.gaps.values()), (total, used, self.gaps))
        self.assertLess(abs(self.image.header()["cpu_ns"] / 1e9 - used) / used, 0.05)

    def test_threads_have_names_and_their_own_time(self):
        expected = {"load-0": 1, "load-1": 0.5, "load-2": 0.25, "load-3": 0.125, "blocked": 1}
        for name, seconds in expected.items():
            got = self.weights[name] * self.period
            self.assertLess(abs(got - seconds), 0.03 + 0.05 * seconds + self.gaps[name], (name, got, self.gaps))
            thread = next(row for row in self.image.threads.values() if row["name"] == name)
            self.assertLess(abs(thread["cpu_ns"] / 1e9 - seconds), 0.03 + 0.05 * seconds, name)
            self.assertLess(thread["start_ns"], thread["end_ns"])

    def test_shares_of_functions(self):
        found = stream.shares(self.image, self.program)
        total = sum(found.values())
        squares = sum(sample.weight ** 2 for sample in self.image.samples)
        for name, share in (("work_70", 0.70), ("work_20", 0.20), ("work_10", 0.10)):
            deviation = (share * (1 - share) * squares) ** 0.5 / total
            self.assertLess(abs(found.get(name, 0) / total - share), 4 * deviation, found)

    def test_times_lie_in_the_life_of_the_thread(self):
        for sample in self.image.samples:
            thread = self.image.threads[sample.thread]
            self.assertLessEqual(thread["start_ns"], sample.time_ns)
            self.assertTrue(thread["end_ns"] is None or sample.time_ns <= thread["end_ns"])

    def test_stacks_reach_the_outermost_frame(self):
        self.assertEqual([sample.flags for sample in self.image.samples if sample.flags & stream.TRUNCATED], [])
        self.assertEqual([sample for sample in self.image.samples if sample.stack == 0], [])


class Settings(unittest.TestCase):
    def test_rate(self):
        image = stream.record([program("loads.c", *FLAGS), "0.4"], cpu=1000).image
        header = image.header()
        self.assertEqual(header["period_ns"], 1000000)
        self.assertLess(abs(sum(image.weights().values()) / 1e3 - 1.15), 0.1)

    def test_off(self):
        image = stream.record([program("loads.c", *FLAGS), "0.1"], cpu="off").image
        self.assertEqual((image.header()["period_ns"], image.samples), (0, []))

    def test_delay_needs_no_hook(self):
        """The threads of this program call nothing that is hooked once they run."""
        image = stream.record([program("loads.c", *FLAGS), "0.8"], delay=0.3).image
        self.assertGreater(len(image.samples), 10)
        first = min(sample.time_ns for sample in image.samples)
        # From the tree's start, which is a little before its recording's.
        self.assertGreaterEqual(first - image.start_ns, 290000000)

    def test_duration(self):
        image = stream.record([program("loads.c", *FLAGS), "0.8"], duration=0.3).image
        self.assertGreater(len(image.samples), 2)
        last = max(sample.time_ns for sample in image.samples)
        self.assertLess(last - image.start_ns, 400000000)


class NoTimers(unittest.TestCase):
    def test_is_said(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))

        run = stream.record([program("loads.c", *FLAGS), "0.1"], prepare=limit)
        header = run.image.header()
        self.assertEqual(run.code, 0)
        self.assertEqual(run.image.samples, [])
        self.assertEqual(header["skipped"]["timers"], 6)
        self.assertTrue(header["not_observed"] & stream.NOT_CPU_TIMERS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
