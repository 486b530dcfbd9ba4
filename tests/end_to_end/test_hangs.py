"""Nothing hangs: whatever a task does, the test ends within its limit, with a report, and leaves no thread."""

from __future__ import annotations

import re

import pytest

HEAD = """
import os, select, socket, subprocess, sys, threading, time
import pytest
n, flag, lock = 0, False, threading.Lock()

@pytest.fixture
def fresh():
    global n, flag
    n, flag = 0, False

"""

LEFT = """

def test_nothing_is_left():
    assert [each.name for each in threading.enumerate()] == ["MainThread"]
"""


def run(pytester: pytest.Pytester, marker: str, body: str, *, left: str = LEFT) -> pytest.RunResult:
    indented = body.strip().replace("\n", "\n    ")
    pytester.makepyfile(
        test_it=f"{HEAD}\n@pytest.mark.racecheck({marker})\ndef test_it(fresh, task_index):\n    {indented}\n{left}"
    )
    return pytester.runpytest_subprocess("-pno:cacheprovider", timeout=60)


MAIN = "threading.Thread(target=lambda: None).start()\n"

ENDLESS = {
    "loop": "while True: pass",
    "loop that catches everything": """
while True:
    try:
        while True: pass
    except: pass
""",
}

LONG_WAYS = {
    "loop": "global n\nwhile True: n += 1",
    "loop that catches everything": """
global n
while True:
    try: n += 1
    except: pass
""",
}

BLOCKED = {
    "read": "os.read(os.pipe()[0], 1)",
}


SPIN_FOR_THREAD = """
box = []
thread = threading.Thread(target=lambda: box.append(1))
thread.start()
while not box: pass
thread.join()
"""

SOCKET = """
a, b = socket.socketpair()
thread = threading.Thread(target=lambda: a.recv(1))
thread.start()
time.sleep(1)
b.send(b'x')
thread.join()
"""


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS.keys())
@pytest.mark.parametrize("marker", ["", "threads=1, "], ids=["task", "main"])
def test_a_task_that_never_ends(pytester: pytest.Pytester, marker: str, body: str) -> None:
    result = run(pytester, f"{marker}stuck=1", (MAIN if marker else "") + body.strip())

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["no end: task * ran for * seconds without reaching an operation", "*it was at test_it.py:*"]
    )


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS.keys())
def test_the_end_of_a_thread_that_never_ends_is_no_exception_of_it(pytester: pytest.Pytester, body: str) -> None:
    """It is pushed out of its loop, by an exception that nobody may see: neither pytest nor who has set a hook."""
    indented = body.strip().replace("\n", "\n    ")
    result = run(
        pytester,
        "threads=1, stuck=1",
        f"def loop():\n    {indented}\nthread = threading.Thread(target=loop)\nthread.start()\nthread.join()",
    )

    result.assert_outcomes(failed=1, passed=1)
    assert "Unwind" not in result.stdout.str() + result.stderr.str()
    assert "Push" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("body", LONG_WAYS.values(), ids=LONG_WAYS.keys())
def test_tasks_that_move_for_ever(pytester: pytest.Pytester, body: str) -> None:
    result = run(pytester, "steps=3000", body)

    result.assert_outcomes(failed=1, passed=1)
    cut_off = r"^no end after 3,?000 operations[\s\S]*task \d is at test_it\.py:\d+"
    assert re.search(cut_off, result.stdout.str(), re.MULTILINE)


@pytest.mark.parametrize("body", BLOCKED.values(), ids=BLOCKED.keys())
@pytest.mark.parametrize("marker", ["", "threads=1, "], ids=["task", "main"])
def test_a_task_that_is_blocked_in_c(pytester: pytest.Pytester, marker: str, body: str) -> None:
    """The main thread is woken; another one stays as it is, and is said to, but nobody waits for it."""
    result = run(pytester, f"{marker}stuck=1", (MAIN if marker else "") + body, left=LEFT if marker else "")

    result.assert_outcomes(failed=1, passed=1 if marker else 0)
    result.stdout.fnmatch_lines(
        ["no end: nothing has moved for * seconds", "*is blocked outside our control, at test_it.py:*"]
    )


@pytest.mark.parametrize("marker", ["", "threads=1, "], ids=["task", "main"])
def test_a_task_that_waits_for_data_which_never_comes(pytester: pytest.Pytester, marker: str) -> None:
    body = "pair = socket.socketpair()\npair[0].recv(1)"
    result = run(pytester, f"{marker}stuck=1", (MAIN if marker else "") + body)

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["*deadlock: every task waits, none can go on", "*waits for a socket in recv(), at *test_it.py:*"]
    )


def test_a_thread_blocked_in_c_does_not_hold_up_the_end_of_the_process(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        "threads=1, stuck=1",
        "thread = threading.Thread(target=os.read, args=(os.pipe()[0], 1))\nthread.start()\nthread.join()",
        left="",
    )
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(
    "body",
    [
        "if task_index == 0:\n    while not flag: pass\nelse:\n    globals()['flag'] = True",
        "if task_index == 1:\n    while not flag: pass\nelse:\n    globals()['flag'] = True",
        "while not lock.acquire(False): pass\nlock.release()",
        SPIN_FOR_THREAD,
        "subprocess.run([sys.executable, '-c', '0'])\nwith lock: pass",
        SOCKET,
    ],
    ids=["spin", "spin of the other", "spin lock", "spin for a thread", "subprocess", "socket"],
)
def test_what_only_looks_like_a_hang_passes(pytester: pytest.Pytester, body: str) -> None:
    result = run(pytester, "runs=20, stuck=20", body)

    result.assert_outcomes(passed=2, warnings=result.parseoutcomes().get("warnings", 0))
