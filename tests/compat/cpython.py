# SPDX-License-Identifier: Apache-2.0
"""CPython's own regression tests, bare and under plain LD_PRELOAD with everything on, compared case by case.

A case that fails here and not there, or the other way round, is run again alone, three times each way: tests of
timeouts vary on a loaded machine. It is a difference only if the bare runs agree and a profiled one never joins them.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import execute
import pythons

PYTHON = "/usr/bin/python3"
PACKAGED = pathlib.Path("/usr/lib/python3.11/test")
CASES = pathlib.Path(__file__).resolve().parent / "cpython_cases.py"
TESTS = """test_thread test_threading test_threading_local test_threadsignals test_subprocess test_signal test_os test_posix test_io
    test_fileio test_sqlite3 test_faulthandler test_socket test_select test_selectors test_poll test_epoll test_fork1 test_ctypes
    test_mmap test_resource test_concurrent_futures test_queue test_wait3 test_wait4 test_popen test_pty test_tempfile test_shutil
    test_gc test_atexit test_eintr test_fcntl test_file test_largefile test_socketserver test_logging test_multiprocessing_fork
    test_multiprocessing_forkserver test_multiprocessing_spawn test_multiprocessing_main_handling test_asyncio test_zlib test_lzma
    test_hashlib test_ssl test_json test_generators test_greenlet_like test_sys test_sys_settrace test_cmd_line test_tracemalloc
    test_embed test_runpy test_import test_dict test_pickle test_re test_weakref test_exceptions test_capi test_mailbox test_dbm
    test_xml_etree test_array test_bytes test_itertools test_unicode test_decimal test_posixpath test_pathlib test_glob test_time
    test_site test_venv test_ftplib test_httplib test_urllib test_smtplib test_poplib test_httpservers test_wsgiref""".split()
TESTS.remove("test_greenlet_like")

# Cases that look at what preprof says it changes, and why each must differ.
KNOWN = {
    "test.test_subprocess.POSIXProcessTestCase.test_pass_fds_redirected":
        "lists every descriptor of a child; preprof's, numbered from 1000, are among them",
}


def _python_for(name):
    """Debian leaves some of CPython's tests out: another CPython on this machine may have them."""
    others = [python for python in pythons.installed() if not python.path.startswith("/usr/")]
    if not PACKAGED.exists() or (PACKAGED / name).exists() or (PACKAGED / f"{name}.py").exists():
        return PYTHON
    for python in sorted(others, key=lambda python: python.version != "3.11"):
        tests = pathlib.Path(python.path).parents[1] / f"lib/python{python.version}/test"
        if (tests / name).exists() or (tests / f"{name}.py").exists():
            return python.path
    return PYTHON


def rows():
    return [execute.Row(name, [_python_for(name), str(CASES), name], "cpython", packages="libpython3.11-testsuite", timeout=900, sees=("python3.*",))
            for name in TESTS]


def _run(runner, row, place, profiled, only=()):
    """({case: (state, trace)}, recording or None)"""
    folder = place / "folder"
    environment = runner._environment(folder, 0)
    environment["PYTHONPATH"] = ""
    runner._prepare(row, folder, environment)
    out = place / "cases"
    out.unlink(missing_ok=True)
    recording = None
    if profiled:
        recording = place / "it.pprf"
        for old in place.glob("*.pprf"):
            old.unlink()
        environment.update(LD_PRELOAD=runner.library, PREPROF_OUTPUT=str(recording), PREPROF_SUMMARY="off")
    with open(place / ("log" if profiled else "log.bare"), "wb") as log:
        process = subprocess.Popen([*row.command, str(out), *only], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        status = None
        try:
            status = process.wait(row.timeout)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    cases = {}
    if out.exists():
        for line in out.read_text(errors="replace").splitlines():
            name, state, trace = line.split("\t", 2)
            cases[name] = (state, trace)
    cases.setdefault("end", ("failed", "timeout" if status is None else f"ended with {status}"))
    return cases, recording


def run(runner, row):
    result = execute.Result(row)
    started = time.monotonic()
    place = runner.work / row.name
    place.mkdir(parents=True, exist_ok=True)
    bare, _ = _run(runner, row, place, False)
    if bare["end"][0] != "passed":
        result.state, result.reason = "skipped", f"bare: {bare['end'][1]}"
        return result
    if not any(state == "passed" for name, (state, *_) in bare.items() if name != "end"):
        result.state, result.reason = "skipped", "bare: no case of it can be run: Debian's package has not got all of it"
        return result
    cases, recording = _run(runner, row, place, True)
    suspects = sorted(name for name in set(bare) | set(cases) if bare.get(name, ("absent",))[0] != cases.get(name, ("absent",))[0])
    if not suspects or cases["end"][0] == "passed":
        result.differences += [("LD_PRELOAD", *what) for what in runner.recording_check(row, "cpython", _folder_of(recording), b"0", result)]
    varying = []
    known = [name for name in suspects if name in KNOWN]
    result.not_observed += [f"{name.rsplit('.', 1)[-1]} fails here: it {KNOWN[name]}" for name in known]
    for name in suspects:
        if name in known:
            continue
        trouble = None if name == "end" else _case_again(runner, row, place, name)
        if trouble is None and name != "end":
            varying.append(name)
        else:
            result.differences.append(("LD_PRELOAD", name, f"bare {bare.get(name, ('absent',))[0]}, here {cases.get(name, ('absent', ''))}"
                                       + (f"; {trouble}" if trouble else "")))
    counts = {state: sum(1 for key, value in bare.items() if value[0] == state and key != "end") for state in ("passed", "failed", "skipped")}
    result.reason = f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped, bare and profiled" \
                    + (f"; {len(varying)} vary by themselves: {', '.join(varying)}" if varying else "")
    if row.command[0] != PYTHON:
        said = subprocess.run([row.command[0], "--version"], stdout=subprocess.PIPE)
        result.reason += f"; those of C{said.stdout.decode().strip()}, Debian's package has them not"
    if result.differences:
        result.state = "differs"
    else:
        shutil.rmtree(place, ignore_errors=True)
    result.seconds = time.monotonic() - started
    return result


def _folder_of(recording):
    """A folder with nothing but this recording, as the check wants it."""
    alone = recording.parent / "recording"
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not recording.exists():
        time.sleep(0.1)
    (alone / "it.pprf").symlink_to(recording)
    return alone


def _case_again(runner, row, place, name):
    """None where the case varies by itself, or was spoilt by load; else what it does."""
    case = name.split(" (")[0]
    bare = [_run(runner, row, place, False, [case])[0].get(name, ("absent",))[0] for _ in range(3)]
    cases = [_run(runner, row, place, True, [case])[0].get(name, ("absent", "")) for _ in range(3)]
    if len(set(bare)) > 1 or any(state[0] in bare for state in cases):
        return None
    return f"alone: bare {bare}, profiled {[state[0] for state in cases]} {cases[0][1]}"
