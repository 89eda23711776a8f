#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mappings made by hand, and code that comes and goes."""

import subprocess
import unittest

from harness import FOLDER, PROGRAMS, bare, preloaded, program, site_total
from life_cases import Case

MEGABYTE = 1 << 20
BREAK = 65536


class Mappings(Case):
    def test_exact(self):
        row = self.same([program("life_maps.c")])[0]
        # five, one moved, one over another, the break
        self.assertEqual(row["mapping_count"], 8)
        # 1 + 2 + 3 + 4 + 9 megabytes, of which one was mapped over with as much, and the break
        self.assertEqual(row["mapping_peak_bytes"], 19 * MEGABYTE + BREAK)

    def test_off(self):
        row = self.same([program("life_maps.c")], settings={"HEAP": "off"})[0]
        self.assertEqual((row["mapping_count"], row["allocation_count"]), (0, None))

    def test_python_maps(self):
        script = "import mmap; maps = [mmap.mmap(-1, 1 << 20) for _ in range(10)]; [m.close() for m in maps]"
        done = preloaded(["/usr/bin/python3", "-c", script])
        self.assertEqual(done.returncode, 0)
        mappings = done.report["heap"]["mappings"]
        self.assertGreaterEqual(mappings["count"], 10)
        self.assertGreaterEqual(mappings["peak_bytes"], 10 * MEGABYTE)


class Plugins(Case):
    @classmethod
    def setUpClass(cls):
        folder = FOLDER / "plugins"
        folder.mkdir(exist_ok=True)
        for size, name in enumerate(("plugin_first", "plugin_second"), 1):
            subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-g", "-fno-builtin", f"-DNAME={name}", f"-DSIZE={size}",
                            str(PROGRAMS / "life_plugin.c"), "-o", str(folder / f"{name}.so")], check=True)
        cls.host = program("life_plugins.c", "-Wl,-rpath,$ORIGIN/plugins", "-Wl,--enable-new-dtags")

    def test_found_by_the_callers_own_path(self):
        self.same([self.host, "2"])

    def test_two_at_the_same_address(self):
        """Their names stay apart although one is mapped where the other was."""
        for unwinder, rounds in (("auto", 3000), ("libunwind", 400)):
            with self.subTest(unwinder):
                done = preloaded([self.host, str(rounds)], settings={"UNWINDER": unwinder})
                self.assertEqual(done.out, bare([self.host, str(rounds)]).out)
                for name, size in (("plugin_first", 4001), ("plugin_second", 4002)):
                    self.assertEqual(site_total(done.report, name, "allocation_count"), rounds // 2)
                    self.assertEqual(site_total(done.report, name, "allocated_bytes"), rounds // 2 * size)

    def test_deep_binding_is_said(self):
        done = preloaded([self.host, "2", "deep"])
        self.assertEqual(done.returncode, 0)
        self.assertTrue(any("DEEPBIND" in sentence for sentence in done.report["coverage"]["not_observed"]),
                        done.report["coverage"]["not_observed"])


if __name__ == "__main__":
    unittest.main()
