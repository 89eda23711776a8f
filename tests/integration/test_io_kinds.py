# SPDX-License-Identifier: Apache-2.0
"""Descriptors of every kind have a name, a kind and the line that made them, used or not."""

import os
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import program

OTHERS = {"eventfd": "anon_inode:[eventfd]", "timerfd": "anon_inode:[timerfd]", "epoll": "anon_inode:[eventpoll]",
          "epoll_old": "anon_inode:[eventpoll]", "signalfd": "anon_inode:[signalfd]", "inotify": "anon_inode:inotify",
          "inotify1": "anon_inode:inotify", "pidfd": "anon_inode:[pidfd]"}


def run(*more):
    folder = tempfile.mkdtemp(dir=harness.FOLDER)
    inherited = f"{folder}/inherited"
    command = ["bash", "-c", f'exec "$@" 9>{inherited}', "bash", program("io_kinds.c"), folder, *more]
    done = harness.preloaded(command)
    made = {name: (int(number), int(line)) for name, number, line in (text.split() for text in done.out.decode().splitlines())}
    return folder, done, made


class Kinds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.run_, cls.made = run()
        last = max(life["process_id"] for life in cls.run_.report["io"]["descriptors"])
        cls.by_number = {}
        for life in cls.run_.report["io"]["descriptors"]:
            if life["process_id"] == last:
                cls.by_number.setdefault(life["number"], []).append(life)

    def life(self, name):
        number, line = self.made[name]
        (life,) = [life for life in self.by_number[number] if any(frame["line"] == line for frame in life["stack"])
                   or name.startswith(("pipe", "pair", "closed"))]
        return life

    def check(self, name, origin, kind, path, deleted=False):
        life = self.life(name)
        self.assertEqual((name, life["origin"], life["kind"], life["path"], life["deleted"]), (name, origin, kind, path, deleted))

    def test_complete(self):
        self.assertEqual((self.run_.returncode, self.run_.err), (0, b""))
        self.assertTrue(self.run_.report["coverage"]["complete"])

    def test_others(self):
        for name, path in OTHERS.items():
            with self.subTest(name):
                self.check(name, "other", "other", path)
        self.check("memfd", "other", "file", "/memfd:memory (deleted)", True)

    def test_files(self):
        self.check("o_path", "open", "other", self.folder)
        self.check("renamed", "open", "file", f"{self.folder}/renamed")
        self.check("deleted", "open", "file", f"{self.folder}/deleted")
        self.check("shm", "open", "file", "/dev/shm/io_kinds (deleted)", True)
        self.check("terminal", "open", "tty", self.life("terminal")["path"])
        self.assertIn("ptmx", self.life("terminal")["path"])
        temporary = self.life("tmpfile")
        self.assertRegex(temporary["path"], rf"^{self.folder}/#\d+ \(deleted\)$")
        (inherited,) = self.by_number[9]
        self.assertEqual((inherited["origin"], inherited["path"], inherited["write_bytes"]), ("found", f"{self.folder}/inherited", 1))

    def test_sockets(self):
        port = self.made["port"][0]
        self.check("server", "socket", "socket", f"tcp 127.0.0.1:{port} (local)")
        self.check("client", "socket", "socket", f"tcp 127.0.0.1:{port}")
        self.check("accepted", "accept", "socket", f"tcp 127.0.0.1:{port} (accepted)")
        for name in ("datagram", "pair", "pair_other"):
            self.assertRegex(self.life(name)["path"], r"^socket:\[\d+\]$")

    def test_pipes(self):
        both = {self.life(name)["path"] for name in ("pipe", "pipe_other", "dup", "dup_high")}
        self.assertEqual(len(both), 1)
        self.assertRegex(both.pop(), r"^pipe:\[\d+\]$")
        number, line = self.made["closed"]
        (closed,) = [life for life in self.by_number[number] if life["end"] == "closed"]
        self.assertRegex(closed["path"], r"^pipe:\[\d+\]$")
        self.assertEqual(closed["origin"], "pipe")

    def test_nothing_is_nameless(self):
        self.assertEqual([life for lives in self.by_number.values() for life in lives if not life["path"]], [])
        text = subprocess.run([harness.PREPROF, "report", "--top", "0", str(self.run_.recording)], stdout=subprocess.PIPE,
                              check=True).stdout.decode()
        table = text.split("\nDescriptors\n")[1].split("\n\n")[0]
        self.assertNotIn("without a name", table)
        self.assertNotIn("never used", table)
        self.assertNotIn("(deleted) (deleted", table)

    def test_killed(self):
        _, done, made = run("kill")
        self.assertEqual(done.returncode, -9)
        lives = {life["number"]: life for life in done.report["io"]["descriptors"]}
        pair, event = lives[made["pair"][0]], lives[made["eventfd"][0]]
        self.assertEqual((pair["origin"], pair["kind"], pair["path"]), ("socket", "socket", None))
        self.assertEqual((event["origin"], event["kind"], event["path"]), ("other", "other", None))
        text = subprocess.run([harness.PREPROF, "report", "--top", "0", str(done.recording)], stdout=subprocess.PIPE,
                              check=True).stdout.decode()
        self.assertIn("(socket that was never used)", text)


FLAGS = {"append": os.O_APPEND, "nonblock": os.O_NONBLOCK, "sync": os.O_SYNC}


class Names(unittest.TestCase):
    """A path that was opened before is not asked for its name again: it is right all the same."""

    def test_names_and_flags(self):
        for seed in range(4):
            folder = tempfile.mkdtemp(dir=harness.FOLDER)
            run = harness.preloaded([sys.executable, str(harness.PROGRAMS / "io_names.py"), folder, str(seed)])
            self.assertEqual((run.returncode, run.err), (0, b""))
            expected = []
            for line in run.out.decode().splitlines():
                number, flags, path = line.split("\t")
                expected.append((int(number), path, {name for name, bits in FLAGS.items() if int(flags) & bits == bits},
                                 int(flags) & os.O_ACCMODE))
            lives = sorted(run.report["io"]["descriptors"], key=lambda life: life["serial"])
            seen = [(life["number"], life["path"], set(life["flags"]) & set(FLAGS),
                     {"read": 0, "write": 1, "read write": 2}[life["flags"][0]])
                    for life in lives if life["origin"] == "open" and (life["path"] or "").startswith(folder + "/")]
            self.assertGreater(len(expected), 250)
            self.assertEqual(seen[-len(expected):], expected)


class Vfork(unittest.TestCase):
    """What a child of vfork makes of a number is its own: not its parent's file."""

    def test_numbers_of_a_child(self):
        folder = tempfile.mkdtemp(dir=harness.FOLDER)
        run = harness.preloaded([program("io_vfork.c"), folder])
        self.assertEqual((run.returncode, run.err), (0, b""))
        written = {row["path"].removeprefix(folder + "/"): (row["write_calls"], row["write_bytes"])
                   for row in run.report["io"]["files"] if row["path"]}
        self.assertEqual(written["own"], (1 + 3 + 1, 3 + 3 * 4 + 1))
        self.assertEqual(written["others"], (3 + 3 + 1, 3 * 5 + 3 * 1 + 10))
        self.assertEqual(written["more"], (3, 6))
        self.assertEqual(written["/dev/null"], (3, 21))
        lives = [(life["path"].removeprefix(folder + "/"), life["end"], life["write_bytes"])
                 for life in run.report["io"]["descriptors"] if life["origin"] == "open" and (life["path"] or "").startswith(folder)]
        self.assertEqual(lives, [("own", "open", 16), ("more", "open", 6), ("others", "open", 3)])


if __name__ == "__main__":
    unittest.main()
