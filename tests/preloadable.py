# SPDX-License-Identifier: Apache-2.0
"""The library's path as LD_PRELOAD can have it, for everything that preloads the library of a build folder."""

import os
import pathlib
import re


def preloadable(build, folder):
    """The path of BUILD's library; by a link in FOLDER where the path has what ends a path in LD_PRELOAD."""
    library = pathlib.Path(build).resolve() / "libpreprof.so"
    if not re.search(r"[ :]", str(library)):
        return library
    link = pathlib.Path(folder) / "build"
    if not link.is_symlink():
        os.symlink(library.parent, link)
    return link / library.name
