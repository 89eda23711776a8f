# SPDX-License-Identifier: Apache-2.0
"""A reader of the raw stream, in the analyzer's place, for tests of the preloaded library alone.

`record(command)` runs a command with libpreprof.so preloaded and gives back every image of the process
tree: its header, its threads, its samples, with stacks as lists of addresses. See include/preprof/wire.h.
"""

import array
import mmap
import os
import secrets
import select
import socket
import struct
import subprocess
import threading

import harness

SLOTS, SLOT_SIZE, NODES = 0x10000, 8192, 0x6000000
EVENTS_AT, SAMPLES_AT = 256, 256 + 4096
COUNTERS_AT, PROGRESS_AT = 384, 840
FRAME = struct.Struct("<HBBIIIQQQII")
MESSAGE = struct.Struct("<IIQiI")
HELLO = struct.Struct("<IIQQQQiiIIIII")
FRAME_EVENTS, FRAME_SAMPLES = 1, 2
MSG_HELLO, MSG_END, MSG_SAFE, MSG_SUMMARY = 1, 4, 6, 7
REC_EXTENDED = 15
WORDS = {1: 2, 2: 1, 3: 3, 4: 1, 5: 1, 6: 2}
EXT_THREAD_START, EXT_THREAD_END = 9, 10
TRUNCATED, IN_HOOK = 1, 2
NOT_CPU_SIGNAL, NOT_CPU_TIMERS = 2, 4

SKIP = (
    "forking busy stack_table stack_truncated unwind threads timers signal defs check_failed checked fallback blocked"
).split()


def build_folder():
    return os.environ.get("PREPROF_BUILD", "build")


class Sample:
    def __init__(self, thread, tid, flags, weight, stack, time_ns):
        self.thread, self.tid, self.flags, self.weight = thread, tid, flags, weight
        self.stack, self.time_ns = stack, time_ns


class Image:
    """One process image. `threads` maps a thread's serial to its start and end as told by events."""

    def __init__(self, hello, command, pipe, memory):
        (_, self.origin, self.id, self.parent, self.fork_id, self.start_ns, self.pid, self.parent_pid) = hello[:8]
        self.command = command
        self.pipe = pipe
        self.memory = mmap.mmap(memory, 0x40000000)
        os.close(memory)
        self.frames = {}
        self.samples = []
        self.threads = {}
        self.live = {}

    def u32(self, at):
        return struct.unpack_from("<I", self.memory, at)[0]

    def u64(self, at):
        return struct.unpack_from("<Q", self.memory, at)[0]

    def header(self):
        period = self.u32(64)
        counters = COUNTERS_AT
        nodes, defs, slots, multi, stopped, ended, code, not_observed = struct.unpack_from("<QQIIIIiI", self.memory, counters)
        reason = self.memory[counters + 40 : counters + 144].split(b"\0")[0].decode()
        cpu, user, system, rss, overhead, lost_frames, lost_events = struct.unpack_from(
            "<7Q", self.memory, counters + 144
        )
        skipped = struct.unpack_from("<24Q", self.memory, counters + 200)
        return {
            "period_ns": period, "slots": slots, "stopped": reason if stopped else None, "ended": ended,
            "exit_code": code, "not_observed": not_observed, "cpu_ns": cpu, "user_ns": user, "system_ns": system,
            "overhead_bytes": overhead, "dropped_frames": lost_frames, "dropped_events": lost_events,
            "skipped": {name: value for name, value in zip(SKIP, skipped) if value},
        }

    def slot(self, index):
        at = SLOTS + index * SLOT_SIZE
        state, tid, thread, _, events, _, events_used, samples_used, _, samples, name, cpu, start, end = (
            struct.unpack_from("<IIIIQQIIQQ16sQQQ", self.memory, at)
        )
        return {
            "state": state, "tid": tid, "thread": thread, "event_count": events, "sample_count": samples,
            "name": name.split(b"\0")[0].decode(), "cpu_ns": cpu, "start_ns": start, "end_ns": end,
            "events_used": events_used, "samples_used": samples_used,
        }

    def slots(self):
        return [self.slot(i) for i in range(self.header()["slots"])]

    def progress(self):
        """A full pipe is waited for as long as this grows."""
        struct.pack_into("<Q", self.memory, PROGRESS_AT, self.u64(PROGRESS_AT) + 1)

    def take(self, data):
        while data:
            size = FRAME.unpack_from(data)[0]
            self.frame(data[:size])
            data = data[size:]

    def frame(self, data):
        _, kind, _, slot, tid, thread, sequence, _, _, _, _ = FRAME.unpack_from(data)
        if (slot, kind, sequence) in self.frames:
            return
        self.frames[slot, kind, sequence] = len(data)
        words = struct.unpack("<%dQ" % ((len(data) - FRAME.size) // 8), data[FRAME.size :])
        at = 0
        while at < len(words):
            first = words[at]
            kind = first >> 60
            if kind == 6:
                flags, weight, stack = first >> 52 & 255, first >> 32 & 0xFFFFF, first & 0xFFFFFFFF
                self.samples.append(Sample(thread, tid, flags, weight, stack, words[at + 1]))
            elif kind == REC_EXTENDED:
                self.extended(thread, tid, first >> 48 & 0xFFF, words[at + 1 : at + (first >> 32 & 0xFFFF)])
            else:
                self.memory_event(kind, words[at : at + 3])
            at += first >> 32 & 0xFFFF if kind == REC_EXTENDED else WORDS[kind]

    def memory_event(self, kind, words):
        """Sizes of live blocks, for programs in which each thread frees what it allocates itself."""
        address = words[0] >> 16 & 0xFFFFFFFFFFF
        if kind == 1:
            self.live[address] = words[1] & 0xFFFFFFFFF
        elif kind == 2:
            self.live.pop(address, None)
        elif kind == 3:
            self.live.pop(address, None)
            self.live[words[1] & 0xFFFFFFFFFFF] = words[2] & 0xFFFFFFFFF

    def live_sizes(self):
        return list(self.live.values())

    def extended(self, thread, tid, kind, payload):
        row = self.threads.setdefault(thread, {"tid": tid, "start_ns": None, "end_ns": None, "cpu_ns": None, "name": None})
        if kind == EXT_THREAD_START:
            row["start_ns"] = payload[0]
        elif kind == EXT_THREAD_END:
            row["end_ns"], row["cpu_ns"] = payload[0], payload[1]
            row["name"] = struct.pack("<QQ", *payload[2:4]).split(b"\0")[0].decode()

    def tails(self):
        """What was not written to the pipe lies in the slots."""
        for index in range(self.header()["slots"]):
            slot = self.slot(index)
            at = SLOTS + index * SLOT_SIZE
            for offset, used in ((EVENTS_AT, slot["events_used"]), (SAMPLES_AT, slot["samples_used"])):
                if used > FRAME.size:
                    self.frame(self.memory[at + offset : at + offset + used])
            row = self.threads.setdefault(
                slot["thread"], {"tid": slot["tid"], "start_ns": None, "end_ns": None, "cpu_ns": None, "name": None}
            )
            if row["name"] is None:
                row["name"], row["cpu_ns"] = slot["name"], slot["cpu_ns"]

    def stack(self, node):
        """Addresses, innermost first; None in the end: frames are missing."""
        found = []
        while node:
            word, parent, _ = struct.unpack_from("<QII", self.memory, NODES + node * 16)
            found.append(word & 0xFFFFFFFFFFFF)
            if word >> 62 & 1:
                found.append(None)
            node = parent
        return found

    def weights(self):
        """Sum of weights by thread serial."""
        found = {}
        for sample in self.samples:
            found[sample.thread] = found.get(sample.thread, 0) + sample.weight
        return found


class Reader:
    def __init__(self):
        self.token = secrets.token_hex(16)
        self.images = []
        self.errors = []
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.server.bind("\0preprof-" + self.token)
        self.server.listen(1024)
        self.wake, self.done = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def hello(self, connection, message, fds):
        hello = HELLO.unpack_from(message, MESSAGE.size)
        at = MESSAGE.size + 72
        command = message[at + hello[10] : at + hello[10] + hello[11]].split(b"\0")
        for fd in fds[2:]:
            os.close(fd)
        image = Image(hello, [word.decode() for word in command if word], fds[0], fds[1])
        os.set_blocking(fds[0], False)
        self.images.append(image)
        self.pipes[fds[0]] = image
        self.poll.register(fds[0], select.POLLIN)

    def message(self, connection):
        fds = array.array("i")
        try:
            message, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
        except ConnectionResetError:
            message, control = b"", []
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[: len(data) // 4 * 4])
        if not message:
            self.poll.unregister(connection)
            del self.connections[connection.fileno()]
            connection.close()
            return
        kind = MESSAGE.unpack_from(message)[0]
        if kind == MSG_HELLO:
            self.hello(connection, message, list(fds))
        elif kind == MSG_END:
            for image in self.images:
                self.drain(image)
            for answer in (MSG_SAFE, MSG_SUMMARY):
                try:
                    connection.send(MESSAGE.pack(answer, MESSAGE.size, 0, 0, 0))
                except ConnectionError:  # it does not wait for an answer
                    return

    def drain(self, image):
        while image.pipe is not None:
            try:
                data = os.read(image.pipe, 65536)
            except BlockingIOError:
                return
            if not data:
                self.poll.unregister(image.pipe)
                del self.pipes[image.pipe]
                os.close(image.pipe)
                image.pipe = None
                return
            image.take(data)
            image.progress()

    def run(self):
        self.poll = select.poll()
        self.pipes, self.connections = {}, {}
        self.poll.register(self.server, select.POLLIN)
        self.poll.register(self.wake, select.POLLIN)
        stopping = False
        while True:
            ready = self.poll.poll(0 if stopping else None)
            if stopping and not ready:
                return
            for fd, _ in ready:
                try:
                    if fd == self.wake:
                        self.poll.unregister(fd)
                        stopping = True
                    elif fd == self.server.fileno():
                        connection, _ = self.server.accept()
                        self.connections[connection.fileno()] = connection
                        self.poll.register(connection, select.POLLIN)
                    elif fd in self.pipes:
                        self.drain(self.pipes[fd])
                    elif fd in self.connections:
                        self.message(self.connections[fd])
                except Exception as error:  # a test must see it, not hang
                    self.errors.append(error)
                    raise

    def finish(self):
        os.write(self.done, b"x")
        self.thread.join()
        for end in (*self.connections.values(), self.server):
            end.close()
        for end in (*self.pipes, self.wake, self.done):
            os.close(end)
        if self.errors:
            raise self.errors[0]
        for image in self.images:
            image.tails()
        return self.images


class Run:
    def __init__(self, result, images):
        self.code, self.stdout, self.stderr = result.returncode, result.stdout, result.stderr
        self.images = images

    @property
    def image(self):
        """The first one."""
        return self.images[0]


def environment(token, **settings):
    found = {key: value for key, value in os.environ.items() if not key.startswith("PREPROF_")}
    found["LD_PRELOAD"] = str(harness.LIBRARY) # where LD_PRELOAD can name it
    found["PREPROF_SESSION"] = token
    for key, value in settings.items():
        found["PREPROF_" + key.upper()] = str(value)
    return found


def record(command, timeout=120, prepare=None, stdin=None, **settings):
    reader = Reader()
    try:
        result = subprocess.run(
            command, env=environment(reader.token, **settings), capture_output=True, text=True, timeout=timeout,
            preexec_fn=prepare, stdin=stdin,
        )
    finally:
        images = reader.finish()
    return Run(result, images)


def functions(program):
    """(start, end, name) of the program's functions; it is not position-independent."""
    found = []
    for line in subprocess.run(["nm", "-S", program], check=True, capture_output=True, text=True).stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tT":
            found.append((int(words[0], 16), int(words[0], 16) + int(words[1], 16), words[3]))
    return found


def shares(image, program):
    """Sum of weights by innermost function of the program itself on the stack."""
    ranges = functions(program)
    found = {}
    for sample in image.samples:
        name = None
        for i, address in enumerate(image.stack(sample.stack)):
            if address is None:
                break
            address -= i > 0
            name = next((function for start, end, function in ranges if start <= address < end), None)
            if name:
                break
        found[name] = found.get(name, 0) + sample.weight
    return found
