# SPDX-License-Identifier: Apache-2.0
"""The Python interpreters of this machine: Debian's, and those that pyenv has."""

import functools
import os
import pathlib
import subprocess

QUESTION = ("import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sys.implementation.name, "
            "sysconfig.get_config_var('Py_GIL_DISABLED') or 0, sysconfig.get_config_var('INSTSONAME') or '-', "
            "sysconfig.get_config_var('LIBDIR') or '-')")
KNOWN = {"3.8", "3.9", "3.10", "3.11", "3.12", "3.13"}


class Python:
    def __init__(self, path, version, known, library):
        self.path, self.version, self.known, self.library = path, version, known, library

    def __repr__(self):
        return f"{self.path} ({self.version})"


def _ask(path):
    done = subprocess.run([path, "-c", QUESTION], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    words = done.stdout.decode().split()
    if done.returncode != 0 or len(words) != 5 or words[1] != "cpython":
        return None
    library = pathlib.Path(words[4]) / words[3]
    return Python(path, words[0], words[0] in KNOWN and words[2] == "0",
                  str(library) if ".so" in words[3] and library.exists() else None)


def archive(python):
    """How to link its libpython.a into a program: {"flags", "home"}; None: there is none, or (Debian's) one that wants
    further development packages."""
    if python.path.startswith("/usr/bin/"):
        return None
    said = subprocess.run([python.path, "-c", "import sys, sysconfig; print(*[sysconfig.get_config_var(name) or '' for name in "
                           "('LIBPL', 'LIBRARY', 'LIBS', 'SYSLIBS')], sys.prefix, sep='|')"], stdout=subprocess.PIPE)
    folder, name, *libraries, home = said.stdout.decode().strip().split("|")
    path = pathlib.Path(folder) / name
    if not path.exists():
        return None
    return {"flags": ["-rdynamic", str(path), *" ".join(libraries).split()], "home": home}


@functools.cache
def installed():
    """Every interpreter, known to preprof or not; one for each version and way of linking."""
    found = [_ask("/usr/bin/python3")]
    root = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    for folder in sorted(root.glob("3.*")) if root.exists() else []:
        if (folder / "bin/python3").exists():
            found.append(_ask(str(folder / "bin/python3")))
    return [python for python in found if python]


def known():
    return [python for python in installed() if python.known]
