"""What is said of tasks that wait for ever or go round in circles, and of other ways not to come to an end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LEAKS = Path(__file__).parents[2] / "benchmarks" / "leaks.py"

SUITE = """
import os, queue, signal, sys, threading, time
from concurrent.futures import Future, ThreadPoolExecutor
import pytest

class State:
    flag = False

@pytest.fixture
def state():
    return State()

def thread(function):
    started = threading.Thread(target=function)
    started.start()
    return started

@pytest.mark.racecheck(threads=1, runs=50, {options})
def test_it(state):
{body}
"""


def run(pytester: pytest.Pytester, body: str, options: str = "") -> pytest.RunResult:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    pytester.makepyfile(test_it=SUITE.replace("{body}", lines).replace("{options}", options))
    return pytester.runpytest_subprocess("-pno:cacheprovider", "-Wdefault", timeout=120)


def said(result: pytest.RunResult) -> str:
    """The report in one line, whatever the width of the terminal."""
    return " ".join(result.stdout.str().split())


DEADLOCKS = {
    "queue": (
        "q = queue.Queue()\nthread(lambda: q.get()).join()",
        "task 0.0 waits for an item in q (no other task has called put() on it), at test_it.py:20 in",
    ),
    "queue that was filled once": (
        "q = queue.Queue()\nq.put(1)\ndef two():\n    q.get()\n    q.get()\nthread(two).join()",
        "task 0.0 waits for an item in q (last put() by task 0, at test_it.py:20), at test_it.py:23 in",
    ),
    "full queue": (
        "q = queue.Queue(1)\ndef two():\n    q.put(1)\n    q.put(2)\nthread(two).join()",
        "task 0.0 waits for room in q (no other task has called get() on it), at test_it.py:22 in",
    ),
    "work that nobody says is done": (
        "q = queue.Queue()\nt = thread(lambda: q.get())\nq.put(1)\nq.join()",
        "task 0 waits for the items of q to be done (no other task has called task_done() on it), at test_it.py:22 in",
    ),
    "semaphore": (
        "s = threading.Semaphore(1)\ns.acquire()\nthread(lambda: s.acquire()).join()",
        (
            "task 0.0 waits for s to be released (last acquire() by task 0, at test_it.py:20), at test_it.py:21 in "
            "test_it.<locals>.<lambda> cycle: task 0 -> task 0.0 -> task 0"
        ),
    ),
    "event": (
        "e = threading.Event()\nthread(lambda: e.wait()).join()",
        "task 0.0 waits for e to be set (no other task has called set() on it), at test_it.py:20 in",
    ),
    "barrier": (
        "b = threading.Barrier(3)\nt = thread(lambda: b.wait())\nb.wait()",
        "task 0 waits at b for the others (2 of 3 are there), at test_it.py:21 in",
    ),
    "pool that waits for its own worker": (
        (
            "with ThreadPoolExecutor(1) as executor:\n"
            "    executor.submit(lambda: executor.submit(int, '1').result()).result()"
        ),
        "(its call has not begun: task 0.0 is a worker itself, and the others wait as well)",
    ),
    "future that a task works for": (
        "with ThreadPoolExecutor(1) as executor:\n    executor.submit(threading.Event().wait).result()",
        "to be done (task 0.0 is at it), at test_it.py:20 in",
    ),
    "joined in a circle": (
        (
            "a = threading.Thread(target=lambda: b.join())\nb = threading.Thread(target=lambda: a.join())\n"
            "a.start()\nb.start()\na.join()"
        ),
        "cycle: task 0.0 -> task 0.1 -> task 0.0",
    ),
    "mixture": (
        (
            "lock, q = threading.Lock(), queue.Queue()\n"
            "def one():\n    with lock: q.get()\n"
            "def other():\n    with lock: q.put(1)\n"
            "a, b = thread(one), thread(other)\na.join()\nb.join()"
        ),
        "task 0.1 waits for lock, held by task 0.0 since test_it.py:21, at test_it.py:23 in",
    ),
}


@pytest.mark.parametrize(("body", "sentence"), DEADLOCKS.values(), ids=DEADLOCKS.keys())
def test_a_deadlock_says_who_could_have_ended_it(pytester: pytest.Pytester, body: str, sentence: str) -> None:
    result = run(pytester, body)

    result.assert_outcomes(failed=1)
    assert "deadlock: every task waits, none can go on" in said(result)
    assert sentence in said(result)


CIRCLES = {
    "lock": (
        (
            "lock = threading.Lock()\nlock.acquire()\ndef spin():\n    while not lock.acquire(False): pass\n"
            "thread(spin).join()"
        ),
        "task 0.0 goes round: try-acquire at test_it.py:22 in test_it.<locals>.spin",
    ),
    "sleep": (
        "def spin():\n    while not state.flag: time.sleep(0.1)\nthread(spin).join()",
        "task 0.0 goes round: sleep at test_it.py:20 in test_it.<locals>.spin",
    ),
    "queue": (
        (
            "q = queue.Queue()\ndef spin():\n    while True:\n        try: return q.get(False)\n"
            "        except queue.Empty: pass\nthread(spin).join()"
        ),
        "task 0.0 goes round: asks at test_it.py:22 in test_it.<locals>.spin",
    ),
    "condition": (
        (
            "cond = threading.Condition()\ndef spin():\n    with cond:\n"
            "        while not state.flag: cond.wait(1)\nthread(spin).join()"
        ),
        "task 0.0 goes round: wait at test_it.py:22 in test_it.<locals>.spin",
    ),
}


@pytest.mark.parametrize(("body", "sentence"), CIRCLES.values(), ids=CIRCLES.keys())
def test_a_livelock_is_one_and_its_round_is_printed(pytester: pytest.Pytester, body: str, sentence: str) -> None:
    result = run(pytester, body, "steps=300")

    result.assert_outcomes(failed=1)
    assert "livelock: no end after 300 operations, and the last ones repeat and change nothing" in said(result)
    assert sentence in said(result)


LONG = {
    "a loop that counts": "def count():\n    for _ in range(500): state.flag += 1\nthread(count).join()",
    "a queue that is filled": "q = queue.Queue()\nthread(lambda: [q.put(1) for _ in range(500)]).join()",
}


@pytest.mark.parametrize("body", LONG.values(), ids=LONG.keys())
def test_what_is_only_long_is_none(pytester: pytest.Pytester, body: str) -> None:
    """What is shared is found out first: the limit counts what can be a choice."""
    result = run(pytester, body + "\nthread(lambda: setattr(state, 'flag', 0))", "steps=300")

    assert "livelock" not in said(result)


SPINS = {
    "flag": "def spin():\n    while not state.flag: pass\nt = thread(spin)\nstate.flag = True\nt.join()",
    "lock": "lock = threading.Lock()\ndef spin():\n    while not lock.acquire(False): pass\n    lock.release()\n"
    "lock.acquire()\nt = thread(spin)\nlock.release()\nt.join()",
    "queue": "q = queue.Queue()\ndef spin():\n    while q.empty(): pass\nt = thread(spin)\nq.put(1)\nt.join()",
    "thread": "t = thread(lambda: setattr(state, 'flag', True))\nwhile t.is_alive(): pass",
    "future": "with ThreadPoolExecutor(1) as pool:\n    f = pool.submit(int)\n    while not f.done(): pass",
}


@pytest.mark.parametrize("body", SPINS.values(), ids=SPINS.keys())
def test_a_loop_that_waits_for_what_comes_ends(pytester: pytest.Pytester, body: str) -> None:
    run(pytester, body).assert_outcomes(passed=1)


def test_the_end_of_the_process_is_a_failure_and_not_the_end(pytester: pytest.Pytester) -> None:
    result = run(pytester, "thread(lambda: os._exit(7)).join()")

    result.assert_outcomes(failed=1)
    assert "os._exit(7) was called" in said(result)
    assert "task 0.0, test_it.py:19" in said(result)


def test_the_clock_can_be_real(pytester: pytest.Pytester) -> None:
    body = """
began, day = time.monotonic(), time.time()
t = thread(lambda: time.sleep(0.3))
t.join(0.1)
assert t.is_alive()
t.join()
assert 0.3 <= time.monotonic() - began < 60
assert 0.2 <= time.time() - day < 60
"""
    run(pytester, body, "clock='real', time=1").assert_outcomes(passed=1)


def test_so_it_can_for_the_session(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nracecheck_clock = real\n")
    body = "began = time.time()\nthread(lambda: time.sleep(0.05)).join()\nassert time.time() < began + 60"
    run(pytester, body, "time=1").assert_outcomes(passed=1)


def test_a_deadlock_is_one_in_real_time_too(pytester: pytest.Pytester) -> None:
    result = run(pytester, "thread(threading.Event().wait).join()", "clock='real', time=1")

    assert "deadlock: every task waits, none can go on" in said(result)


def test_a_signal_is_handled_while_the_test_waits(pytester: pytest.Pytester) -> None:
    body = """
got = []
before = signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
thread(lambda: os.kill(os.getpid(), signal.SIGUSR1)).join()
signal.signal(signal.SIGUSR1, before)
assert got
"""
    if hasattr(__import__("signal"), "SIGUSR1"):
        run(pytester, body).assert_outcomes(passed=1)


def test_a_forgotten_thread_is_named_once_however_often_it_ran(pytester: pytest.Pytester) -> None:
    result = run(pytester, "thread(threading.Event().wait)")

    result.assert_outcomes(passed=1, warnings=1)


def test_threads_of_ours_are_none_of_the_programs(pytester: pytest.Pytester) -> None:
    body = """
assert threading.active_count() == 1
idents = []
def look():
    assert threading.current_thread() in threading.enumerate()
    idents.append(threading.get_ident())
    assert threading.current_thread().ident == threading.get_ident()
a = thread(look)
b = thread(look)
a.join()
b.join()
assert not a.is_alive()
assert idents == [a.ident, b.ident] or idents == [b.ident, a.ident]
assert threading.enumerate() == [threading.main_thread()]
"""
    run(pytester, body).assert_outcomes(passed=1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thousand_deadlocks_leave_nothing() -> None:
    """As `benchmarks/leaks.py` does for ten thousand: no thread, no descriptor, hardly any memory."""
    command = [sys.executable, str(LEAKS), "--runs", "1000"]
    subprocess.run(command, check=True, timeout=300, env={"PYTHONPATH": str(LEAKS.parents[1])}, capture_output=True)
