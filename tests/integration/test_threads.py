#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Threads begin, end and are named; what they hold is given back; the smallest stacks suffice."""

import unittest

import stream
from harness import preloaded, program

FLAGS = ("-D_GNU_SOURCE", "-no-pie", "-Wl,-z,now")


def run(*arguments, **settings):
    return stream.record([program("threads.c", *FLAGS), *arguments], **settings)


def figures(text):
    return {line.split()[1]: float(line.split()[2]) for line in text.splitlines() if line.startswith("#")}


class Many(unittest.TestCase):
    def test_one_after_the_other(self):
        done = run("many", "20000")
        found = figures(done.stdout)
        self.assertIn("wrong: 0", done.stdout)
        self.assertLessEqual(found["maps_grown"], 2)
        self.assertLessEqual(found["timer_lines"], 4)  # main's
        header = done.image.header()
        self.assertLess(header["slots"], 8)
        self.assertEqual(header["skipped"], {})
        ended = [row for row in done.image.threads.values() if row["end_ns"]]
        self.assertEqual(len(ended), 20050)

    def test_a_thousand_at_once(self):
        done = run("at_once", "1000")
        self.assertIn("wrong: 0", done.stdout)
        self.assertLessEqual(figures(done.stdout)["timer_lines"], 4)
        header = done.image.header()
        self.assertTrue(1001 <= header["slots"] <= 1010, header["slots"])
        self.assertEqual(header["skipped"], {})
        self.assertLess(header["overhead_bytes"], 4 << 20)

    def test_more_than_the_cells_of_the_pool(self):
        done = run("at_once", "1300")
        self.assertIn("wrong: 0", done.stdout)
        # A reader that gets no CPU for seconds loses frames, and they are counted.
        ended = len([row for row in done.image.threads.values() if row["end_ns"]])
        self.assertGreaterEqual(ended + done.image.header()["dropped_frames"], 1300)
        self.assertLessEqual(ended, 1300)


class OwnMemory(unittest.TestCase):
    """coverage.overhead.target_bytes, beside what the program finds of ours in its own /proc/self/smaps."""

    def measure(self, *words):
        done = preloaded([program("own_memory.c"), *words])
        self.assertEqual((done.returncode, done.err), (0, b""))
        return int(done.out), done.report["coverage"]["overhead"]["target_bytes"]

    def test_what_is_shared_is_counted(self):
        few_touched, few = self.measure("1", "1")
        many_touched, many = self.measure("1", "14")
        self.assertGreater(many_touched - few_touched, 16384 * 16)  # a node for each stack at least
        self.assertGreaterEqual(few, few_touched)
        # At the end some more of it may exist than when the program looked: the same in both.
        self.assertAlmostEqual(many - few, many_touched - few_touched, delta=256 << 10)

    def test_so_is_what_threads_have(self):
        one_touched, one = self.measure("1", "1")
        all_touched, all_ = self.measure("100", "1")
        self.assertGreater(all_touched - one_touched, 99 * 4096)
        # After the look a few pages more are touched, by the join of the one as by those of the others, which had some before.
        self.assertGreaterEqual(all_ - one, all_touched - one_touched - (64 << 10))


class Ends(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.done = run("ends")
        cls.threads = {row["name"]: row for row in cls.done.image.threads.values()}

    def test_result_is_passed_on(self):
        self.assertEqual((self.done.code, self.done.stdout, self.done.stderr), (0, "c11: 42\n", ""))

    def test_every_way_to_end_is_seen(self):
        """By return, pthread_exit, cancellation, and in C11's manner; 20 ms of work and 20 ms of destructors."""
        for name, seconds in (("ends-0", 0.04), ("ends-1", 0.04), ("ends-2", 0.04), ("c11", 0.02)):
            self.assertIsNotNone(self.threads[name]["end_ns"], name)
            self.assertLess(abs(self.threads[name]["cpu_ns"] / 1e9 - seconds), 0.005, name)

    def test_destructors_are_sampled_and_their_frees_recorded(self):
        found = stream.shares(self.done.image, program("threads.c", *FLAGS))
        burned = sum(found.values()) * self.done.image.header()["period_ns"] / 1e9
        # What a thread used after its last tick is not sampled; on a busy machine that is several milliseconds.
        self.assertTrue(0.04 < burned < 0.18, found)
        live = self.done.image.live_sizes()
        self.assertEqual([size for size in live if size in (1111, 2222)], [])

    def test_nothing_comes_after_the_end(self):
        self.assertEqual(self.done.image.header()["skipped"], {})

    def test_main_may_go_first(self):
        done = run("main_exits")
        self.assertEqual((done.code, done.stdout), (0, "main is gone\n"))
        weights = {done.image.threads[serial]["name"]: weight for serial, weight in done.image.weights().items()}
        self.assertLess(abs(weights["outlives"] * 0.004 - 0.1), 0.02)

    def test_stacks_are_whole_after_main(self):
        """Through code made at run time, too."""
        report = preloaded([program("threads.c", *FLAGS), "main_exits"]).report
        (site,) = [site for site in report["heap"]["sites"] if site["function"] == "allocate"]
        self.assertEqual(site["allocation_count"], 100)
        self.assertEqual(report["coverage"]["skipped"]["unwind"], 0)


class Stacks(unittest.TestCase):
    def test_smallest_with_little_left(self):
        done = run("small_stacks", "600", cpu=1000)
        self.assertEqual((done.code, done.stdout), (0, "wrong: 0\n"))
        self.assertGreater(sum(done.image.weights().values()), 200)  # of 400 ms

    def test_guards_within_a_stack(self):
        """Not all between a frame and the end of its thread's stack can be read."""
        for unwinder in ("auto", "libunwind"):
            with self.subTest(unwinder):
                done = preloaded([program("threads.c", *FLAGS), "parted"],
                                 settings={"CPU": "10000", "SAMPLE_CLOCK": "wall", "UNWINDER": unwinder})
                self.assertEqual((done.returncode, done.out), (0, b"whole again\nwhole again\n"))
                self.assertEqual(sum(site["allocation_count"] for site in done.report["heap"]["sites"]
                                     if site["function"] == "allocate"), 200)

    def test_contexts_without_room_for_a_frame(self):
        done = run("tiny_fiber", cpu=1000)
        self.assertEqual((done.code, done.stdout), (0, "done: 1\n"))
        self.assertGreater(sum(done.image.weights().values()), 100)  # of 200 ms


class Errno(unittest.TestCase):
    def test_is_kept(self):
        done = run("errors", cpu=10000)
        self.assertEqual(done.stdout, "errno changed: 0\n" * 3)
        self.assertGreater(sum(done.image.weights().values()), 4500)  # of 900 ms


if __name__ == "__main__":
    unittest.main(verbosity=2)
