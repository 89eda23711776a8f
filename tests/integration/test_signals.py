#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the program sees of signals is what it would see without us, and its own profilers work."""

import unittest

import stream
from harness import bare, preloaded, program

FLAGS = ("-D_GNU_SOURCE", "-no-pie", "-Wl,-z,now")


class View(unittest.TestCase):
    """Byte for byte. Children are not followed: they print the kernel's view, which is ours where we are."""

    def same(self, part):
        command = [program("signal_view.c", *FLAGS), part]
        expected = bare(command).out.decode()
        run = stream.record(command, children="ignore")
        self.assertEqual(run.stdout, expected)
        self.assertEqual((run.code, run.stderr), (0, ""))

    def test_masks(self):
        self.same("masks")

    def test_jumps(self):
        self.same("jumps")

    def test_contexts(self):
        self.same("contexts")

    def test_threads(self):
        self.same("threads")

    def test_actions(self):
        self.same("actions")

    def test_waiting(self):
        self.same("waiting")

    def test_every_signal(self):
        self.same("every_signal")

    def test_all_in_one_process_at_a_high_rate(self):
        command = [program("signal_view.c", *FLAGS)]
        run = stream.record(command, children="ignore", cpu=10000)
        self.assertEqual(run.stdout, bare(command).out.decode())
        self.assertGreater(len(run.image.samples), 10)


class OwnProfilers(unittest.TestCase):
    """A program's use of SIGPROF and our sampling do not meet."""

    def both(self, how, cpu_seconds):
        run = stream.record([program("sigprof.c", *FLAGS), how])
        self.assertEqual((run.code, run.stderr), (0, ""))
        sampled = sum(run.image.weights().values()) * run.image.header()["period_ns"] / 1e9
        self.assertLess(abs(sampled - cpu_seconds), 0.1 * cpu_seconds)
        return run.stdout

    def test_interval_timer(self):
        text = self.both("itimer", 1.0)
        self.assertIn("0 wrong, interval 10000", text)
        self.assertTrue(50 <= int(text.split()[0]) <= 200, text)  # the kernel's own is no better on a busy machine

    def test_interval_timer_late(self):
        text = self.both("late", 1.3)
        self.assertIn("0 wrong", text)
        self.assertTrue(50 <= int(text.split()[0]) <= 200, text)  # the kernel's own is no better on a busy machine

    def test_sent_by_a_thread(self):
        run = stream.record([program("sigprof.c", *FLAGS), "sent"])
        self.assertEqual(run.stdout, "100 of 100, 0 wrong\n")

    def test_default_still_kills(self):
        self.assertEqual(stream.record([program("sigprof.c", *FLAGS), "killed"]).code, -27)

    def test_ours_kills_when_sent_from_outside(self):
        """The default of the signal that we use is the default."""
        for number in (61, 60):
            run = stream.record(["sh", "-c", f"kill -{number} $$; echo still here"])
            self.assertEqual((run.code, run.stdout), (-number, ""))
            run = stream.record(["sh", "-c", f"trap 'echo caught' {number}; kill -{number} $$; echo still here"])
            self.assertEqual((run.code, run.stdout), (0, "caught\nstill here\n"))


class Interrupted(unittest.TestCase):
    def test_no_call_fails(self):
        run = stream.record([program("eintr.c", *FLAGS), "20000"], cpu=10000, children="ignore")
        self.assertEqual(run.code, 0, run.stdout)
        self.assertGreater(len(run.image.samples), 20)


class Exec(unittest.TestCase):
    def chain(self, where):
        run = stream.record([program("exec_chain.c", *FLAGS), "20", where], cpu=10000)
        self.assertEqual((run.code, run.stdout, run.stderr), (0, "the last\n", ""))
        self.assertEqual(len(run.images), 21)
        # Each uses 4 ms before an exec that fails and 5 after it: most are sampled more than once.
        self.assertGreater(sum(len(image.samples) for image in run.images), 20)

    def test_from_main(self):
        self.chain("main")

    def test_from_another_thread(self):
        self.chain("thread")


class Go(unittest.TestCase):
    """Go's runtime, which sets its alternate stacks by system calls of its own, finds its handlers on them."""

    def same(self, command):
        expected = bare(command)
        self.assertEqual((expected.out, expected.returncode), (b"on the signal stack\n", 0))
        run = preloaded(command)
        self.assertEqual((run.out, run.err, run.returncode), (expected.out, expected.err, 0))

    def test_executable(self):
        self.same([program("go_like.c")])

    def test_library_in_another_program(self):
        library = program("go_like.c", "-DLIBRARY", "-shared", "-fPIC")
        self.same(["/usr/bin/python3", "-c", f"import ctypes, sys; sys.exit(ctypes.CDLL({library!r}).go_work())"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
