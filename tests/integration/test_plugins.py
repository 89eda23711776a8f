#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Libraries with an allocator, a liblzma or a libunwind of their own: each gets its own, and we get ours."""

import os
import subprocess
import unittest

from harness import FOLDER, PROGRAMS, bare, preloaded, program, site_total

GLOBAL, DEEPBIND = os.RTLD_GLOBAL, 8


def plugin(name, *flags):
    path = FOLDER / f"{name}.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-g", "-fno-builtin", "-DPLUGIN", *flags, str(PROGRAMS / "carrier.c"),
                    "-o", str(path)], check=True)
    return str(path)


class Plugins(unittest.TestCase):
    def run_with(self, *words, **settings):
        command = [program("carrier.c", "-rdynamic"), *map(str, words)]
        expected = bare(command)
        self.assertEqual((expected.returncode, expected.err), (0, b""), expected.out)
        done = preloaded(command, settings=dict({"CPU": "10000"}, **settings))
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        self.assertEqual(site_total(done.report, "by_program", "allocation_count"), 1000 * len(words) // 2)
        self.assertEqual(done.report["heap"]["unknown_free_count"], 0)
        return done.report

    def sentences(self, report):
        return " ".join(report["coverage"]["not_observed"])

    def test_names_of_liblzma_and_libunwind(self):
        report = self.run_with(0, plugin("carrier", "-Wl,-Bsymbolic"), GLOBAL, plugin("carrier_global"))
        self.assertEqual(site_total(report, "plugin_work", "allocation_count"), 2000)
        self.assertEqual(self.sentences(report), "")

    def test_with_libunwind_at_work(self):
        for settings in ({"UNWINDER": "libunwind"}, {"CHECK_STACKS": "1"}):
            with self.subTest(settings):
                self.run_with(GLOBAL, plugin("carrier_global"), **settings)

    def test_look_ups_before_we_are_initialized(self):
        library = FOLDER / "libearly.so"
        source = str(PROGRAMS / "early_look.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-DLIBRARY", "-Wl,-z,initfirst", source, "-o", str(library)],
                       check=True)
        command = [program("early_look.c", str(library))]
        expected = bare(command)
        self.assertEqual((expected.returncode, expected.out), (0, b"found 1\n"))
        done = preloaded(command)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))
        self.assertEqual(site_total(done.report, "main", "allocation_count"), 1)

    def test_an_allocator_of_its_own(self):
        report = self.run_with(0, plugin("carrier_malloc", "-DOWN_MALLOC", "-Wl,-Bsymbolic"))
        self.assertEqual(site_total(report, "plugin_work", "allocation_count"), 0)
        self.assertIn(f"{FOLDER / 'carrier_malloc.so'} is bound to a malloc of its own: what it allocates is not seen",
                      report["coverage"]["not_observed"])

    def test_a_hidden_allocator_of_its_own(self):
        report = self.run_with(0, plugin("carrier_hidden", "-DOWN_MALLOC", "-DHIDDEN"))
        self.assertEqual(site_total(report, "plugin_work", "allocation_count"), 0)
        self.assertIn("carrier_hidden.so is bound to a malloc of its own", self.sentences(report))

    @unittest.skipIf(os.uname().machine != "x86_64", "its calls are looked for in the code")
    def test_bound_functions(self):
        """The linker leaves no mark of it but the calls themselves."""
        for name, flags in (("functions", ["-Wl,-Bsymbolic-functions"]), ("interposition", ["-fno-semantic-interposition"])):
            with self.subTest(name):
                path = plugin(f"carrier_{name}", "-DOWN_MALLOC", *flags)
                report = self.run_with(0, path)
                self.assertEqual(site_total(report, "plugin_work", "allocation_count"), 0)
                self.assertEqual(report["coverage"]["not_observed"],
                                 [f"{path} is bound to a malloc of its own: what it allocates is not seen"])
                path = plugin(f"carrier_write_{name}", "-DOWN_WRITE", *flags)
                report = self.run_with(0, path)
                self.assertEqual(site_total(report, "plugin_work", "allocation_count"), 1000)
                self.assertEqual(report["coverage"]["not_observed"], [
                    f"{path} is bound to I/O functions of its own (read, write and their like): its calls of them are not seen"])

    def test_an_allocator_that_it_does_not_get(self):
        """Without -Bsymbolic libc's comes first, with us and without."""
        report = self.run_with(0, plugin("carrier_unused", "-DOWN_MALLOC"))
        self.assertEqual(site_total(report, "plugin_work", "allocation_count"), 1000)
        self.assertEqual(self.sentences(report), "")

    def test_deep_binding_is_said(self):
        report = self.run_with(DEEPBIND, plugin("carrier_deep"))
        self.assertIn("RTLD_DEEPBIND", self.sentences(report))

    def test_a_liblzma_of_its_own(self):
        """A real one, linked in as it comes with every symbol exported, beside ours."""
        archive = "/usr/lib/x86_64-linux-gnu/liblzma.a"
        if not os.path.exists(archive):
            self.skipTest("no liblzma.a")
        source = FOLDER / "lzma_plugin.c"
        source.write_text("#include <lzma.h>\n#include <stdio.h>\nint plugin_work(char *text, size_t space) {\n"
                          "uint8_t in[4096] = {1, 2, 3}, out[8192], back[4096]; size_t at = 0, size = 0, from = 0;\n"
                          "uint64_t limit = 1 << 28;\n"
                          "int a = lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, in, sizeof(in), out, &at, sizeof(out));\n"
                          "int b = lzma_stream_buffer_decode(&limit, 0, NULL, out, &from, at, back, &size, sizeof(back));\n"
                          'snprintf(text, space, "%s %d %d %zu", lzma_version_string(), a, b, size); return 0; }\n')
        path = FOLDER / "lzma_plugin.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", str(source), "-o", str(path), "-Wl,--whole-archive", archive,
                        "-Wl,--no-whole-archive", "-pthread"], check=True)
        command = [program("carrier.c"), "0", str(path), str(GLOBAL), str(path)]
        expected, done = bare(command), preloaded(command, settings={"UNWINDER": "libunwind", "CPU": "10000"})
        self.assertIn(b" 0 0 4096", expected.out)
        self.assertEqual((done.returncode, done.out, done.err), (expected.returncode, expected.out, expected.err))


if __name__ == "__main__":
    unittest.main(verbosity=2)
