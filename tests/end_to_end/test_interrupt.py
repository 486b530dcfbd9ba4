"""Ctrl-C at any moment: the session ends as pytest's sessions end, says the seed, and everything is as it was."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to a child there")

WATCH = """
import gc, os, pathlib, random, signal, sys, threading

def state():
    tools = [sys.monitoring.get_tool(tool) for tool in range(6)] if sys.version_info >= (3, 12) else []
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return (tools, affinity, sys.getswitchinterval(), sys.getprofile(), gc.isenabled(),
            random.getstate(), signal.getsignal(signal.SIGINT))

def pytest_runtest_setup(item):
    global before, code, frozen
    before, code, frozen = state(), item.function.__code__, gc.get_freeze_count()

def pytest_sessionfinish(session):
    assert before == state()
    assert gc.get_freeze_count() <= frozen
    assert session.items[0].function.__code__ is code
    pathlib.Path("left").write_text(" ".join(thread.name for thread in threading.enumerate()))
"""

BODIES = {
    "many runs": "for _ in range(20): n += 1",
    "a loop": "while True: pass",
    "a loop that catches everything": "while True:\n        try:\n            while True: pass\n        except: pass",
    "accesses in such a loop": "while True:\n        try: n += 1\n        except: pass",
    "a system call": "import select\n    select.select([], [], [], 1000)",
}


@pytest.mark.parametrize("threads", [2, 1])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_ctrl_c(pytester: pytest.Pytester, interrupted: Callable[[], str], body: str, threads: int) -> None:
    pytester.makeconftest(WATCH)
    start = "" if threads > 1 else "[threading.Thread(target=add).start() for _ in range(2)]"
    pytester.makepyfile(
        test_it=f"""
import pathlib, threading
import pytest

n = 0

def add():
    for _ in range(20): globals().update(n=n + 1)

@pytest.mark.racecheck(threads={threads}, runs=10**9, time=1000, stuck=100, steps=10**9, seed=3)
def test_a():
    global n
    {start}
    pathlib.Path("started").touch()
    {body}
"""
    )
    output = interrupted()
    assert re.search(r"KeyboardInterrupt: racecheck: interrupted in run .*test_it.py::test_a \(seed 3\)", output)
    left = (pytester.path / "left").read_text().split()
    assert left == ["MainThread"] or "select" in body
