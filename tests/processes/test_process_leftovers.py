"""Whatever happens, a session leaves no process, no semaphore, no segment of shared memory and no file behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Final

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc and /dev/shm")

PATIENCE: Final = 60.0
"""Seconds; the resource tracker of a session ends a moment after it."""

SHARED: Final = Path("/dev/shm")  # noqa: S108  (it is only looked at)

SUITE: Final = """
import itertools
import multiprocessing
import os
import signal
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import process, shared_memory
from pathlib import Path

import pytest

MARK = os.environ["MARK"]
names = itertools.count()
process.current_process()._config["semprefix"] = f"/{MARK}"


def segment():
    return shared_memory.SharedMemory(f"{MARK}-{os.getpid()}-{next(names)}", create=True, size=16)


def work(lock, queue, value, end):
    with lock:
        value.value += 1
        segment()
        queue.put(1)
    grandchild = multiprocessing.get_context("fork").Process(target=end)
    grandchild.start()
    grandchild.join()


def everything(method, end):
    context = multiprocessing.get_context(method)
    here = segment()
    lock, queue, value = context.Lock(), context.Queue(), context.Value("i", 0)
    process = context.Process(target=work, args=(lock, queue, value, end))
    process.start()
    if end is well or end is never:
        with context.Pool(2) as pool:
            pool.map(abs, [1, 2])
        with ProcessPoolExecutor(1, context) as executor:
            executor.submit(abs, 1).result()
    queue.get()
    process.join()


def well():
    pass


def badly():
    raise ValueError


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def never():
    Path("started").touch()
    while True:
        pass


@pytest.mark.racecheck(threads=1, runs=2, time=1, stuck=600)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("end", ENDS)
def test_everything(method, end):
    everything(method, end)


def test_nothing_is_left_even_now():
    assert not [path for path in Path("/dev/shm").iterdir() if MARK in path.name]
"""


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """What all names of the session have in them; its processes have it in their environment."""
    mark = f"racecheck-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv("MARK", mark)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return mark


def write(pytester: pytest.Pytester, methods: str, ends: str) -> None:
    pytester.makepyfile(SUITE.replace("METHODS", repr(methods.split())).replace("ENDS", f"[{ends}]"))


def ran(pytester: pytest.Pytester, *arguments: str) -> str:
    """Run the suite in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-pno:cacheprovider", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pytester.path, timeout=600, check=False)
    return done.stdout + done.stderr


def assert_nothing_left(mark: str, folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while processes(mark) and time.monotonic() < until:
        time.sleep(0.05)
    assert not processes(mark)
    assert not [path for path in SHARED.iterdir() if mark in path.name]
    assert not [path for path in folder.iterdir() if not path.name.startswith("pytest-of-")]


def processes(mark: str) -> list[str]:
    """The command lines of those that have the mark, but for this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_text())
            except OSError:
                continue
    return found


def test_the_count_sees_what_is_left(mark: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "print(input())"], stdin=PIPE, stdout=PIPE) as process:
        until = time.monotonic() + PATIENCE
        while not processes(mark) and time.monotonic() < until:
            time.sleep(0.01)
        assert processes(mark)
        process.kill()


def test_after_tests_that_pass(pytester: pytest.Pytester, mark: str, tmp_path: Path) -> None:
    write(pytester, "fork spawn forkserver", "well")

    output = ran(pytester)

    assert "4 passed" in output
    assert_nothing_left(mark, tmp_path)


@pytest.mark.parametrize("option", ["-x", "--color=no"])
def test_after_tests_that_fail(pytester: pytest.Pytester, mark: str, tmp_path: Path, option: str) -> None:
    write(pytester, "fork spawn" if option == "-x" else "spawn", "badly, killed")

    output = ran(pytester, option)

    assert ("1 failed" if option == "-x" else "2 failed, 1 passed") in output
    assert_nothing_left(mark, tmp_path)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_after_ctrl_c(
    pytester: pytest.Pytester, mark: str, tmp_path: Path, interrupted: Callable[[], str], method: str
) -> None:
    write(pytester, method, "never")

    output = interrupted()

    assert "racecheck: interrupted in run 1 of" in output
    assert "Traceback" not in output
    assert "Unraisable" not in output
    assert_nothing_left(mark, tmp_path)
