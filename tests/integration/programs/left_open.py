# SPDX-License-Identifier: Apache-2.0
"""left_open.py WHAT FILE: descriptors that are not closed, or are."""

import os
import socket
import sys
import time

MANY = 120
held = []


def files(path):
    for _ in range(MANY):
        file = open(path, "rb")  # leaked file
        file.read(16)
        held.append(file)
        time.sleep(0.0005)


def sockets(_):
    for _ in range(MANY):
        held.append(socket.socket())  # leaked socket
        time.sleep(0.0005)


def pipes(_):
    for _ in range(MANY):
        held.append(os.pipe())  # leaked pipe
        time.sleep(0.0005)


def clean(path):
    for _ in range(MANY):
        with open(path, "rb") as file:
            file.read(16)
        time.sleep(0.0005)


globals()[sys.argv[1]](sys.argv[2])
