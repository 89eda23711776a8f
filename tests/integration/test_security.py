#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What other users may have put where preprof writes, and programs that run with more rights than who started them."""

import os
import pathlib
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import harness

NOBODY = 65534


class Modules(unittest.TestCase):
    def test_debug_data_that_say_they_are_huge(self):
        """Compressed, a section says how large it is unpacked: whoever believes that takes all memory."""
        for how in ("zlib", "zlib-gnu"):
            with self.subTest(how):
                self.check_huge(how)

    def check_huge(self, how):
        with tempfile.TemporaryDirectory(prefix="preprof-security-") as folder:
            target = pathlib.Path(folder) / "target"
            subprocess.run(["gcc", "-O1", "-g", "-fno-builtin", "-pthread", str(harness.PROGRAMS / "peak.c"), "-o", str(target)],
                           check=True)
            subprocess.run(["objcopy", f"--compress-debug-sections={how}", str(target)], check=True)
            image = bytearray(target.read_bytes())
            at, = struct.unpack_from("<Q", image, 40)
            size, count = struct.unpack_from("<HH", image, 58)
            compressed = 0
            for header in range(at, at + size * count, size):
                flags, offset = struct.unpack_from("<Q8xQ", image, header + 8)
                if flags & 0x800:  # SHF_COMPRESSED: type, reserved, ch_size
                    compressed += 1
                    struct.pack_into("<Q", image, offset + 8, 3 << 30)
                elif image[offset:offset + 4] == b"ZLIB":  # .zdebug_*
                    compressed += 1
                    struct.pack_into(">Q", image, offset + 4, 3 << 30)
            self.assertGreater(compressed, 0)
            target.write_bytes(image)
            done = harness.preloaded([str(target)])
            self.assertEqual(done.returncode, harness.bare([str(target)]).returncode)
            self.assertIn(f"{target} has compressed debug data of more than 1 GiB, which were not read: its functions have no lines",
                          done.report["coverage"]["not_observed"])
            self.assertLess(done.report["coverage"]["overhead"]["analyzer_max_rss_bytes"], 400 << 20)
            self.assertTrue(any(site["function"] for site in done.report["heap"]["sites"]))


class Security(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="preprof-security-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.victim = self.folder / "victim"
        self.victim.write_text("precious")
        self.place = self.folder / "place"  # as /tmp is
        self.place.mkdir()
        self.place.chmod(0o1777)

    def plant(self, name):
        """Another user's link to the victim."""
        (self.place / name).symlink_to(self.victim)
        if os.geteuid() == 0:
            os.lchown(self.place / name, NOBODY, NOBODY)

    def profile(self, *options, **environment):
        return subprocess.run([str(harness.PREPROF), "run", "--summary=off", *options, "--", "/bin/echo", "done"],
                              cwd=self.folder, capture_output=True, text=True, timeout=60, umask=0,
                              env=harness.clean_environment(**environment), check=True)

    def names(self):
        return sorted(os.listdir(self.place))

    def assert_private(self, path):
        self.assertEqual(stat.S_IMODE(path.lstat().st_mode), 0o600, path)
        self.assertTrue(stat.S_ISREG(path.lstat().st_mode), path)

    def tearDown(self):
        self.assertEqual(self.victim.read_text(), "precious")

    def test_recording(self):
        self.profile("-o", str(self.place / "a.pprf"))
        self.assert_private(self.place / "a.pprf")
        self.plant("b.pprf")
        self.profile("-o", str(self.place / "b.pprf"))
        self.assert_private(self.place / "b.pprf.2")
        self.assertEqual(self.names(), ["a.pprf", "b.pprf", "b.pprf.2"])

    def test_hard_link(self):
        """The name is given away, what else is called so stays."""
        self.profile("-o", str(self.place / "a.pprf"))
        before = (self.place / "a.pprf").read_bytes()
        os.link(self.place / "a.pprf", self.folder / "kept")
        self.profile("-o", str(self.place / "a.pprf"))
        self.assertEqual((self.folder / "kept").read_bytes(), before)
        self.assertEqual((self.place / "a.pprf").lstat().st_nlink, 1)
        os.link(self.victim, self.place / "c.pprf")
        self.profile("-o", str(self.place / "c.pprf"))
        self.assert_private(self.place / "c.pprf.2")

    def test_fallback_folder(self):
        self.plant("x.pprf")
        self.profile("-o", "/proc/nowhere/x.pprf", TMPDIR=str(self.place))
        self.assert_private(self.place / "x.pprf.2")

    def test_saved_stream(self):
        stream = self.place / "stream"
        self.profile("-o", "a.pprf", PREPROF_SAVE=str(stream))
        self.assert_private(stream)
        stream.unlink()
        self.plant("stream")
        self.profile("-o", "b.pprf", PREPROF_SAVE=str(stream))
        self.assertTrue(stream.is_symlink())
        self.assertEqual(self.names(), ["stream"])

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_report_follows_only_own_links(self):
        self.profile("-o", "a.pprf")

        def report(name):
            return subprocess.run([str(harness.PREPROF), "report", "-o", str(self.place / name), "a.pprf"], text=True,
                                  cwd=self.folder, capture_output=True, timeout=60, check=False)

        self.plant("link")
        done = report("link")
        self.assertEqual(done.returncode, 1)
        self.assertIn("another user", done.stderr)
        os.mkfifo(self.place / "pipe")
        os.chown(self.place / "pipe", NOBODY, NOBODY)
        self.assertEqual(report("pipe").returncode, 1)
        own = self.folder / "own"
        own.write_text("old")
        (self.place / "mine").symlink_to(own)
        self.assertEqual(report("mine").returncode, 0)
        self.assertIn("echo", own.read_text())

    @unittest.skipUnless(os.geteuid() == 0, "needs a set-uid program of another user")
    def test_set_uid_obeys_nothing(self):
        """/etc/ld.so.preload loads the library into set-uid programs, too: it must obey no variable there."""
        program, evil, library = self.folder / "program", self.folder / "evil", self.folder / "libpreprof.so"
        self.folder.chmod(0o777)
        subprocess.run(["gcc", "-x", "c", "-", "-o", program], text=True, check=True,
                       input="#include <stdlib.h>\nint main(void) { free(malloc(10)); return 5; }\n")
        # Static: ld.so.preload is not read for it.
        subprocess.run(["gcc", "-static", "-x", "c", "-", "-o", evil], text=True, check=True,
                       input=f'#include <fcntl.h>\nint main(void) {{ return creat("{self.place}/executed", 0600) < 0; }}\n')
        library.write_bytes(harness.LIBRARY.read_bytes())
        library.chmod(0o755)
        script = self.folder / "script"
        script.write_text(
            f"mkdir {self.folder}/work || exit 77\n"
            f"mount -t tmpfs none {self.folder}/work && mkdir {self.folder}/work/u {self.folder}/work/w || exit 77\n"
            f"mount -t overlay -o lowerdir=/etc,upperdir={self.folder}/work/u,workdir={self.folder}/work/w none /etc "
            "|| exit 77\n"
            f"echo {library} >/etc/ld.so.preload\n"
            f"export PREPROF_ANALYZER={evil} PREPROF_OUTPUT={self.place}/%n.pprf\n"
            f"{program}\n"
            "echo status $?\n")
        # The plain one obeys, which shows that the test tests something.
        for mode, obeyed in ((0o755, ["executed"]), (0o4755, [])):
            with self.subTest(mode=oct(mode)):
                os.chown(program, NOBODY, NOBODY)
                program.chmod(mode)
                done = subprocess.run(["unshare", "-m", "/bin/sh", script], capture_output=True, text=True, timeout=60,
                                      env=harness.clean_environment(), check=False)
                if done.returncode == 77:
                    self.skipTest(f"no overlay over /etc here: {done.stderr.strip()}")
                self.assertIn("status 5", done.stdout)
                end = time.monotonic() + (20 if obeyed else 0.5)
                while self.names() != ["executed"] and time.monotonic() < end:
                    time.sleep(0.02)
                self.assertEqual(self.names(), obeyed)
                if not obeyed:
                    self.assertEqual(done.stderr, "")
                for name in obeyed:
                    (self.place / name).unlink()
                (self.folder / "work").rmdir()


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
