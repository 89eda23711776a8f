# SPDX-License-Identifier: Apache-2.0
"""io_names.py FOLDER SEED: opens files by paths that are moved, linked, replaced and relative, in any order, and prints of each
descriptor what the kernel calls it, and its flags."""

import fcntl
import os
import random
import sys

folder, seed = sys.argv[1], int(sys.argv[2])
random.seed(seed)
os.chdir(folder)
for name in ("x", "y"):
    os.mkdir(name)
    for file in "abc":
        with open(f"{name}/{file}", "w"):
            pass
folders = ["x", "y"]
FLAGS = (0, os.O_CLOEXEC, os.O_APPEND, os.O_NONBLOCK, os.O_SYNC, os.O_CREAT, os.O_CREAT | os.O_TRUNC, os.O_NOFOLLOW, os.O_NOCTTY)


def anywhere():
    name = random.choice(folders) + "/" + random.choice("abcd")
    return random.choice((name, f"{folder}/{name}", f"./{name}", f"{folder}//{name}", f"../{os.path.basename(folder)}/{name}"))


def step():
    what = random.randrange(20)
    if what == 0:
        os.rename(anywhere(), anywhere())
    elif what == 1:
        os.symlink(os.path.abspath(anywhere()), anywhere())
    elif what == 2:
        os.link(anywhere(), anywhere())
    elif what == 3:
        os.unlink(anywhere())
    elif what == 4 and not os.path.lexists("z"):
        one = random.choice(folders)
        os.rename(one, "z")
        os.rename("z", one)
    elif what == 5:
        os.chdir(random.choice(("x", "y")))
        fd = os.open(random.choice("abcd"), os.O_RDONLY)
        os.chdir(folder)
        show(fd)
    else:
        show(os.open(anywhere(), random.choice((os.O_RDONLY, os.O_RDWR)) | random.choice(FLAGS), 0o600))


def show(fd):
    print(fd, fcntl.fcntl(fd, fcntl.F_GETFL), os.readlink(f"/proc/self/fd/{fd}"), sep="\t")
    os.close(fd)


for _ in range(600):
    try:
        step()
    except OSError:
        os.chdir(folder)
